"""One step on the co-like cost: the homework's square matrix of vectors, against 128 numbers a movie and the identity.

So that both do the same work, the homework's vectors begin with the book's 128 numbers and are zero beyond; they stay
zero there, since every gradient is a combination of vectors.  What a step costs does not depend on the values.
"""

import numpy as np
import torch

from benchmarks import co_like_step
from benchmarks.co_like_step import DIM, begin, cheap_steps, dense_steps

TITLE = "A step on the co-like cost, against the square matrix"
PAGE = co_like_step.PAGE
METRIC = "step_speedup_original"
GOAL = 500


def homework(quick: bool) -> tuple[list[float], np.ndarray]:
    """One step with as many numbers a movie as there are movies, all pairs, autograd."""
    Y, vectors = begin(quick)
    V = torch.zeros(len(vectors), len(vectors))
    V[:DIM] = torch.from_numpy(vectors.T)
    costs = dense_steps(V, Y, 1)
    V = V.detach().numpy()
    beyond = float(np.abs(V[DIM:]).max())
    assert beyond == 0, f"the numbers beyond the {DIM}th moved by up to {beyond:.1e}"
    return costs, V[:DIM].T.copy()


def book(quick: bool) -> tuple[list[float], np.ndarray]:
    """The same step with 128 numbers a movie and the page's equations."""
    Y, V = begin(quick)
    return cheap_steps(V, Y, 1), V


def same(a: tuple[list[float], np.ndarray], b: tuple[list[float], np.ndarray]) -> None:
    """Raise AssertionError where the cost or the vectors after the step differ by more than float32 rounding."""
    one, other = a[0][0], b[0][0]
    assert abs(one - other) <= 1e-4 * abs(one), f"the cost is {one:.6g} and {other:.6g}"
    difference = np.abs(a[1] - b[1]).max()
    assert difference <= 1e-5, f"the vectors differ by {difference:.1e} after the step"
