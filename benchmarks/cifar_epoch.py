"""A part of an epoch of page 05's network on CIFAR-10: a DataLoader over PIL images against slices of one tensor."""

import numpy as np
import torch

from benchmarks.definitions import definitions
from helpers.datasets import cifar10

TITLE = "10,000 pictures of CIFAR-10 through network A, batches of 50"
PAGE = "05_cifar_convnets"
METRIC = "epoch_speedup"
GOAL = 2

SIZE, QUICK_SIZE = 10_000, 500
DATA = cifar10.load("auto")  # at import: reading the files is the same for both, and no part of what is timed
page = definitions(PAGE, where=torch.device("cpu"))
WAYS = {"homework": page.usual_way, "book": page.tensor_way}


def begin(way: str, quick: bool) -> tuple:
    """The pictures, as the way holds them, and the network that both begin with."""
    part = slice(QUICK_SIZE if quick else SIZE)
    given = DATA.train_images[part], DATA.train_labels[part]
    return page.Pictures(*given) if way == "homework" else given, page.first_network()


def found(way: str, arguments: tuple, returned) -> list[torch.Tensor]:
    """The weights after it: two convolutions' and a linear layer's, each with its biases."""
    return returned


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    """Raise AssertionError where the weights differ by more than float32 rounding explains.

    The layout in memory decides the order of the convolutions' sums, and some hundred steps carry that on.  Hence
    1e-3, not 0.
    """
    for number, (one, other) in enumerate(zip(a, b, strict=True)):
        assert one.shape == other.shape, f"tensor {number} has shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-3, f"tensor {number} differs by {difference:.1e}"
