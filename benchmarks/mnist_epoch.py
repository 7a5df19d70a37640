"""One epoch of page 03's network on MNIST: a DataLoader over PIL images against slices of one tensor."""

import numpy as np
import torch

from benchmarks.definitions import definitions
from helpers.datasets import mnist

TITLE = "One epoch on MNIST, batches of 32"
PAGE = "03_mnist_from_scratch"
METRIC = "epoch_speedup"
GOAL = 8

QUICK_SIZE = 5_000
DATA = mnist.load("auto")  # at import: reading the files is the same for both, and no part of what is timed
page = definitions(PAGE, where=torch.device("cpu"))
WAYS = {"homework": page.usual_way, "book": page.tensor_way}


def set_up() -> None:
    """Round numbers below 1e-38 to 0, as the page does: a saturated softmax is full of them, and they are slow."""
    torch.set_flush_denormal(True)


def begin(way: str, quick: bool) -> tuple:
    """Pictures, labels, and the weights that both begin with."""
    part = slice(QUICK_SIZE if quick else None)
    return DATA.train_images[part], DATA.train_labels[part], page.normal_start(page.seed)


def found(way: str, arguments: tuple, returned) -> list[torch.Tensor]:
    """The weights after the epoch: W1 (784, 128), b1, W2 (128, 10), b2."""
    return arguments[2]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    """Raise AssertionError where the weights after the epoch differ by more than float32 rounding explains.

    The operations are the same in the same order; a matrix product may still sum in another order where its input is
    laid out or aligned differently, and 1,875 steps carry such a difference of 1e-7 along.  Hence 1e-4, not 0.
    """
    for name, one, other in zip(("W1", "b1", "W2", "b2"), a, b, strict=True):
        assert one.shape == other.shape, f"{name} has shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-4, f"{name} differs by {difference:.1e} after the epoch"
