"""One epoch of page 12's factors on MovieLens: a DataLoader of rows and autograd against slices and row updates."""

import numpy as np
import torch
import torch._dynamo  # which the first optimiser loads: no part of what is timed
from torch import Tensor

from benchmarks.definitions import definitions
from helpers.datasets import movielens

TITLE = "One epoch on MovieLens ratings, batches of 64"
PAGE = "12_collaborative_filtering"
METRIC = "epoch_speedup"
GOAL = 10

LR, MEAN, NUM_FACTORS, QUICK_SIZE = 0.01, 3.5, 32, 5_000
DATA = movielens.load("auto")  # at import: reading the files is the same for both, and no part of what is timed
page = definitions(
    PAGE,
    num_users=DATA.num_users,
    num_movies=DATA.num_movies,
    users=DATA.users,
    movies=DATA.movies,
    stars=DATA.values,
    pairs=torch.stack([DATA.users, DATA.movies], 1),
)
WAYS = {"homework": page.epoch_usual, "book": page.epoch_by_rows}


def begin(way: str, quick: bool) -> tuple[Tensor, list[Tensor], float, float]:
    """The order of the ratings; the tables P (users, d), Q (movies, d), b, c that both begin with; mean; rate."""
    generator = torch.Generator().manual_seed(page.seed)
    rows = torch.randperm(len(DATA.values), generator=generator)[: QUICK_SIZE if quick else None]
    sizes = DATA.num_users, DATA.num_movies
    factors = [0.1 * torch.randn(size, NUM_FACTORS, generator=generator) for size in sizes]
    return rows, factors + [torch.zeros(size) for size in sizes], MEAN, LR


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    """Raise AssertionError where the tables after the epoch differ by more than float32 rounding explains.

    The rows come in the same order and every update is the same sum; users that occur more than once in a batch have
    their terms added in another order.  1,576 steps carry such differences of 1e-7 along.  Hence 1e-4, not 0.
    """
    for name, one, other in zip("PQbc", a, b, strict=True):
        one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
        assert one.shape == other.shape, f"{name} has shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-4, f"{name} differs by {difference:.1e} after the epoch"
