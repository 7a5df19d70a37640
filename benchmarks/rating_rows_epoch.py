"""One epoch of page 12's factors on MovieLens: a DataLoader of rows and autograd against slices and row updates."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from helpers.batches import minibatches
from helpers.datasets import movielens

TITLE = "One epoch on MovieLens ratings, batches of 64"
PAGE = "12_collaborative_filtering"
METRIC = "epoch_speedup"
GOAL = 10

SEED, LR, BATCH_SIZE, NUM_FACTORS, QUICK_SIZE = 12, 0.01, 64, 32, 20_000
DATA = movielens.load("auto")  # at import: reading the files is the same for both, and no part of what is timed


class Rows(Dataset):
    """Ratings as (pair of user and movie, stars), one at a time."""

    def __init__(self, pairs: Tensor, stars: Tensor):
        self.pairs, self.stars = pairs, stars

    def __len__(self):
        return len(self.stars)

    def __getitem__(self, i):
        return self.pairs[i], self.stars[i]


class Factors(nn.Module):
    """mean + b_u + c_i + p_u · q_i for a batch (n, 2) of user and movie numbers."""

    def __init__(self, mean: float, weights: list[Tensor]):
        super().__init__()
        self.mean = mean
        self.tables = nn.ModuleList(nn.Embedding.from_pretrained(weight, freeze=False) for weight in weights)

    def forward(self, pairs: Tensor) -> Tensor:
        """(n, 2) int64 → (n,) predicted stars."""
        users, movies = pairs.unbind(1)
        P, Q, b, c = self.tables
        biases = b(users)[:, 0] + c(movies)[:, 0]
        return (P(users) * Q(movies)).sum(1) + biases + self.mean


def rows(quick: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Users, movies and stars of an epoch, shuffled once: both ways see them in this order."""
    order = torch.randperm(len(DATA.values), generator=torch.Generator().manual_seed(SEED))
    order = order[:QUICK_SIZE] if quick else order
    return DATA.users[order], DATA.movies[order], DATA.values[order]


def start() -> list[Tensor]:
    """The tables that both begin with: factors P (users, d) and Q (movies, d), biases b (users, 1), c (movies, 1)."""
    generator = torch.Generator().manual_seed(SEED)
    sizes = DATA.num_users, DATA.num_movies
    factors = [0.1 * torch.randn(size, NUM_FACTORS, generator=generator) for size in sizes]
    return factors + [torch.zeros(size, 1) for size in sizes]


def homework(quick: bool) -> list[np.ndarray]:
    """The epoch as tutorials do it: rows through a DataLoader, embeddings, autograd, torch.optim.SGD."""
    users, movies, stars = rows(quick)
    model = Factors(stars.mean().item(), start())
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    for pairs, targets in DataLoader(Rows(torch.stack([users, movies], 1), stars), batch_size=BATCH_SIZE):
        loss = (model(pairs) - targets).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [table.weight.detach().numpy() for table in model.tables]


@torch.inference_mode()
def book(quick: bool) -> list[np.ndarray]:
    """The epoch as the page does it: slices of tensors, the derived gradient, and only the rows that a batch names.

    Users' rows are (1, p, b) and movies' (c, q, 1), so that one product gives p · q + b + c.
    """
    users, movies, stars = rows(quick)
    mean, (P, Q, b, c) = stars.mean(), start()
    U = torch.cat([torch.ones(len(P), 1), P, b], 1)
    V = torch.cat([c, Q, torch.ones(len(Q), 1)], 1)
    for u, i, targets in minibatches(users, movies, stars, batch_size=BATCH_SIZE):
        x, y = U.index_select(0, u), V.index_select(0, i)
        error = (targets - mean - (x * y).sum(1))[:, None]
        step_x, step_y = error * y, error * x
        step_x[:, 0] = step_y[:, -1] = 0
        U.index_add_(0, u, step_x, alpha=2 * LR)
        V.index_add_(0, i, step_y, alpha=2 * LR)
    return [table.numpy() for table in (U[:, 1:-1], V[:, 1:-1], U[:, -1:], V[:, :1])]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    """Raise AssertionError where the tables after the epoch differ by more than float32 rounding explains.

    The rows come in the same order and every update is the same sum; users that occur more than once in a batch have
    their terms added in another order.  1,576 steps carry such differences of 1e-7 along.  Hence 1e-4, not 0.
    """
    for name, one, other in zip("PQbc", a, b, strict=True):
        assert one.shape == other.shape, f"{name} has shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-4, f"{name} differs by {difference:.1e} after the epoch"
