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
RATINGS = movielens.load("auto")  # at import: reading the files is the same for both, and no part of what is timed


def likes(quick: bool) -> sparse.csr_array:
    """Users × movies, float32: 1 where somebody gave four stars or more; the first movies only where quick."""
    liked = (RATINGS.values >= 4).numpy()
    places = RATINGS.users.numpy()[liked], RATINGS.movies.numpy()[liked]
    shape = (RATINGS.num_users, RATINGS.num_movies)
    Y = sparse.csr_array((np.ones(liked.sum(), dtype=np.float32), places), shape=shape)
    return Y[:, :QUICK_MOVIES] if quick else Y


def start(movies: int) -> np.ndarray:
    """The vectors that both begin with: (movies, 128) float32."""
    return 0.1 * np.random.default_rng(0).standard_normal((movies, DIM), dtype=np.float32)


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
    Y = likes(quick)
    V = torch.from_numpy(start(Y.shape[1]).T.copy())
    return dense_steps(V, Y, STEPS), V.detach().numpy().T


def book(quick: bool) -> tuple[list[float], np.ndarray]:
    """The same steps as the page makes them."""
    Y = likes(quick)
    V = start(Y.shape[1])
    return cheap_steps(V, Y, STEPS), V


def same(a: tuple[list[float], np.ndarray], b: tuple[list[float], np.ndarray]) -> None:
    """Raise AssertionError where costs or vectors differ by more than float32 rounding explains.

    A cost sums up to 95 million squares in single precision, in another order: 1e-4 of it.  The vectors move by up
    to 1 and more in ten steps, along directions that the steps amplify: 1e-3.
    """
    for step, (one, other) in enumerate(zip(a[0], b[0], strict=True)):
        assert abs(one - other) <= 1e-4 * abs(one), f"cost {step} is {one:.6g} and {other:.6g}"
    assert a[1].shape == b[1].shape, f"the vectors have shapes {a[1].shape} and {b[1].shape}"
    difference = np.abs(a[1] - b[1]).max()
    assert difference <= 1e-3, f"the vectors differ by {difference:.1e} after the last step"
    assert a[0][-1] < a[0][0], "the cost has not fallen"
