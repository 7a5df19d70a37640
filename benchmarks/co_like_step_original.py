"""One step on the co-like cost: the homework's square matrix of vectors, against 128 numbers a movie and the identity.

So that both do the same work, the homework's vectors begin with the book's 128 numbers and are zero beyond; they stay
zero there, since every gradient is a combination of vectors.  What a step costs does not depend on the values.
"""

import numpy as np
import torch

from benchmarks import co_like_step
from benchmarks.co_like_step import DIM, PAGE, WAYS, same

__all__ = ["GOAL", "METRIC", "PAGE", "TITLE", "WAYS", "begin", "found", "same"]

TITLE = "A step on the co-like cost: the square matrix against 128 numbers a movie"
METRIC = "step_speedup_original"
GOAL = 500


def begin(way: str, quick: bool) -> tuple:
    """As in `co_like_step`; the homework's vectors are as long as there are movies."""
    vectors, *rest = co_like_step.begin(way, quick)
    if way == "homework":
        square = torch.zeros(vectors.shape[1], vectors.shape[1])
        square[:DIM] = vectors
        vectors = square
    return vectors, *rest


def found(way: str, arguments: tuple, cost: float) -> tuple[float, np.ndarray]:
    """The cost before the step, and how far each vector moved, (movies, 128)."""
    beyond = float(arguments[0].detach()[DIM:].abs().max()) if way == "homework" else 0
    assert beyond == 0, f"the numbers beyond the {DIM}th moved by up to {beyond:.1e}"
    return co_like_step.found(way, arguments, cost)
