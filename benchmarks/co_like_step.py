"""Gradient descent on the co-like cost, 128 numbers a movie: all pairs with autograd, against the Gram identity."""

import numpy as np
import torch
from scipy import sparse

from helpers.datasets import movielens

TITLE = "Ten steps on the co-like cost, 128 numbers a movie"
PAGE = "11_movie_embeddings"
METRIC = "step_speedup"
GOAL = 20

DIM, STEPS, LR, MOMENTUM, QUICK_MOVIES = 128, 10, 1e-6, 0.9, 2_000


def likes() -> sparse.csr_array:
    """Users × movies, float32: 1 where somebody gave four stars or more."""
    ratings = movielens.load("auto")
    liked = (ratings.values >= 4).numpy()
    places = ratings.users.numpy()[liked], ratings.movies.numpy()[liked]
    shape = (ratings.num_users, ratings.num_movies)
    return sparse.csr_array((np.ones(liked.sum(), dtype=np.float32), places), shape=shape)


# At import: reading the likes and drawing the first vectors is the same for both, and no part of what is timed.
LIKES = likes()
VECTORS = 0.1 * np.random.default_rng(0).standard_normal((LIKES.shape[1], DIM), dtype=np.float32)
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)  # torch's first optimiser loads its compiler: a second


def begin(quick: bool) -> tuple[sparse.csr_array, np.ndarray]:
    """The likes, users × movies, and a copy of the first vectors, movies × 128; fewer movies where quick."""
    movies = min(QUICK_MOVIES, len(VECTORS)) if quick else len(VECTORS)
    return LIKES[:, :movies], VECTORS[:movies].copy()


def dense_steps(V: torch.Tensor, Y: sparse.csr_array, steps: int) -> list[float]:
    """The costs before `steps` steps of SGD on V (width, movies), in place: every pair, and autograd."""
    X = torch.from_numpy((Y.T @ Y).toarray()).fill_diagonal_(0)
    optimiser = torch.optim.SGD([V.requires_grad_()], lr=LR, momentum=MOMENTUM)
    costs = []
    for _ in range(steps):
        optimiser.zero_grad()
        cost = (V.T @ V - X).fill_diagonal_(0).square().sum()
        cost.backward()
        optimiser.step()
        costs.append(cost.item())
    return costs


def cheap_steps(V: np.ndarray, Y: sparse.csr_array, steps: int) -> list[float]:
    """The costs before `steps` steps on V (movies, width), in place: equations of the page, no pair is looked at."""
    n, users = Y.sum(0), Y.T.tocsr()
    zero_cost = ((Y @ users).power(2)).sum() - (n**2).sum()
    velocity, costs = np.zeros_like(V), []
    for _ in range(steps):
        q, gram, sums = (V * V).sum(1), V.T @ V, Y @ V
        costs.append(float(np.vdot(gram, gram) - q @ q - 2 * (np.vdot(sums, sums) - n @ q) + zero_cost))
        velocity *= MOMENTUM
        velocity += 4 * (V @ gram + (n - q)[:, None] * V - users @ sums)
        V -= LR * velocity
    return costs


def homework(quick: bool) -> tuple[list[float], np.ndarray]:
    """The steps as the homework makes them, with the matrix of co-likes, which it has to build."""
    Y, vectors = begin(quick)
    V = torch.from_numpy(vectors.T.copy())
    return dense_steps(V, Y, STEPS), V.detach().numpy().T


def book(quick: bool) -> tuple[list[float], np.ndarray]:
    """The same steps as the page makes them."""
    Y, V = begin(quick)
    return cheap_steps(V, Y, STEPS), V


def same(a: tuple[list[float], np.ndarray], b: tuple[list[float], np.ndarray]) -> None:
    """Raise AssertionError where costs or vectors differ by more than float32 rounding explains.

    A cost sums up to 95 million squares in single precision, in another order: 1e-4 of it.  The vectors, of size 0.1,
    move by up to 0.05: 1e-5.
    """
    for step, (one, other) in enumerate(zip(a[0], b[0], strict=True)):
        assert abs(one - other) <= 1e-4 * abs(one), f"cost {step} is {one:.6g} and {other:.6g}"
    assert a[1].shape == b[1].shape, f"the vectors have shapes {a[1].shape} and {b[1].shape}"
    difference = np.abs(a[1] - b[1]).max()
    assert difference <= 1e-5, f"the vectors differ by {difference:.1e} after the last step"
    assert a[0][-1] < a[0][0], "the cost has not fallen"
