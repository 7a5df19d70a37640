"""One epoch of page 04's logistic regression on MNIST, with evaluation: a DataLoader and autograd against slices."""

import numpy as np
import torch

from benchmarks.definitions import definitions
from helpers.datasets import mnist

TITLE = "One epoch of logistic regression on MNIST, evaluation included"
PAGE = "04_mnist_logistic"
METRIC = "epoch_speedup"
GOAL = 15

LR, QUICK_SIZE = 0.1, 5_000
DATA = mnist.load("auto")  # at import: reading the files is the same for both, and no part of what is timed
page = definitions(PAGE)
WAYS = {"homework": page.homework_epoch, "book": page.book_epoch}


def begin(way: str, quick: bool) -> tuple:
    """Training and test pictures with their labels, the weights that both begin with, and the learning rate."""
    few = QUICK_SIZE if quick else len(DATA.train_images)
    train = DATA.train_images[:few], DATA.train_labels[:few]
    test = DATA.test_images[: few // 6], DATA.test_labels[: few // 6]  # as many for each training picture as in MNIST
    rest = (*page.first_weights(10, torch.Generator().manual_seed(page.seed)), LR)
    return (page.Pictures(*train), page.Pictures(*test), *rest) if way == "homework" else (*train, *test, *rest)


def same(a: tuple[np.ndarray, int], b: tuple[np.ndarray, int]) -> None:
    """Raise AssertionError where weights differ by more than float32 rounding explains, or the right answers differ.

    600 steps carry differences of 1e-7 along, hence 1e-4.  A picture whose two best scores agree to as many digits may
    fall to either class, hence a count that may differ by one in a thousand.
    """
    assert a[0].shape == b[0].shape, f"the weights have shapes {a[0].shape} and {b[0].shape}"
    difference = np.abs(a[0] - b[0]).max()
    assert difference <= 1e-4, f"the weights differ by {difference:.1e} after the epoch"
    assert abs(a[1] - b[1]) <= 10, f"right answers: {a[1]} and {b[1]}"
