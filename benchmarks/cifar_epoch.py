"""A part of an epoch of page 05's network on CIFAR-10: a DataLoader over PIL images against mixed precision."""

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
    """Raise AssertionError where a tensor differs by more than a hundredth of its largest weight.

    The book's way rounds its products to bfloat16, one part in 256 each, and two hundred updates carry that on.
    """
    for number, (one, other) in enumerate(zip(a, b, strict=True)):
        assert one.shape == other.shape, f"tensor {number} has shapes {one.shape} and {other.shape}"
        difference, largest = np.abs(one - other).max(), np.abs(one).max()
        assert difference <= 0.01 * largest, f"tensor {number} differs by {difference:.1e} of {largest:.1e}"
