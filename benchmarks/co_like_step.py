"""A gradient step on the co-like cost, 128 numbers a movie: all pairs with autograd, against the Gram identity.

What is the same in every step stands outside the clock for both: the matrix of co-likes of the one, the likes of each
movie and the cost of zeros of the other.
"""

import numpy as np
import torch
from scipy import sparse

from benchmarks.definitions import definitions
from helpers.datasets import movielens

TITLE = "A step on the co-like cost, 128 numbers a movie in both"
PAGE = "11_movie_embeddings"
METRIC = "step_speedup"
GOAL = 20

DIM, QUICK_MOVIES = 128, 2_000
page = definitions(PAGE)
WAYS = {"homework": page.homework_step, "book": page.cheap_step}


def likes() -> sparse.csr_array:
    """Users × movies, float32: 1 where somebody gave four stars or more."""
    ratings = movielens.load("auto")
    liked = (ratings.values >= 4).numpy()
    places = ratings.users.numpy()[liked], ratings.movies.numpy()[liked]
    shape = (ratings.num_users, ratings.num_movies)
    return sparse.csr_array((np.ones(liked.sum(), dtype=np.float32), places), shape=shape)


LIKES = likes()  # at import: reading the files is the same for both, and no part of what is timed
VECTORS = 0.1 * np.random.default_rng(0).standard_normal((LIKES.shape[1], DIM), dtype=np.float32)


def begin(way: str, quick: bool) -> tuple:
    """The first vectors, (128, movies) as the homework has them or (movies, 128), and what else a step takes."""
    movies = min(QUICK_MOVIES, len(VECTORS)) if quick else len(VECTORS)
    Y, V = LIKES[:, :movies], VECTORS[:movies].copy()
    if way == "homework":
        return torch.from_numpy(V.T.copy()), torch.from_numpy((Y.T @ Y).toarray()).fill_diagonal_(0)
    n = Y.sum(0)
    return V, np.zeros_like(V), Y, n, ((Y @ Y.T).toarray() ** 2).sum() - (n**2).sum()


def found(way: str, arguments: tuple, cost: float) -> tuple[float, np.ndarray]:
    """The cost before the step, and how far each vector moved, (movies, 128)."""
    after = arguments[0].detach().numpy()[:DIM].T if way == "homework" else arguments[0]
    return float(cost), after - VECTORS[: len(after)]


def same(a: tuple[float, np.ndarray], b: tuple[float, np.ndarray]) -> None:
    """Raise AssertionError where cost or moves differ by more than float32 rounding explains.

    A cost sums up to 95 million squares in single precision, in another order: 1e-4 of it.  A move is the difference
    of vectors of size 0.1, each rounded to about 1e-8: 1e-3 of the largest move.
    """
    assert abs(a[0] - b[0]) <= 1e-4 * abs(a[0]), f"the cost is {a[0]:.6g} and {b[0]:.6g}"
    assert a[1].shape == b[1].shape, f"the vectors have shapes {a[1].shape} and {b[1].shape}"
    difference, largest = np.abs(a[1] - b[1]).max(), np.abs(a[1]).max()
    assert largest > 0, "no vector moved"
    assert difference <= 1e-3 * largest, f"moves of up to {largest:.1e} differ by {difference:.1e}"
