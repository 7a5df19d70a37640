"""One epoch of page 03's network on MNIST: a DataLoader over PIL images against slices of one tensor."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from helpers.batches import minibatches
from helpers.datasets import mnist
from helpers.vision import transforms

TITLE = "One epoch on MNIST, batches of 32"
PAGE = "03_mnist_from_scratch"
METRIC = "epoch_speedup"
GOAL = 8

SEED, LR, BATCH_SIZE, QUICK_SIZE = 42, 0.01, 32, 5_000
DATA = mnist.load("auto")  # at import: reading the files is the same for both, and no part of what is timed


class Pictures(Dataset):
    """MNIST as torchvision's class holds it: bytes that become a PIL image, then a tensor, when they are asked for."""

    def __init__(self, images: Tensor, labels: Tensor):
        self.images, self.labels = images, labels
        self.transform = transforms.ToTensor()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(Image.fromarray(self.images[i, 0].numpy())), int(self.labels[i])


def start() -> list[Tensor]:
    """The weights and biases that both begin with: W1 (784, 128), b1, W2 (128, 10), b2."""
    generator = torch.Generator().manual_seed(SEED)
    W1, W2 = torch.randn(784, 128, generator=generator), torch.randn(128, 10, generator=generator)
    return [W1, torch.zeros(128), W2, torch.zeros(10)]


def step(X: Tensor, Y: Tensor, parameters: list[Tensor]) -> None:
    """Forward, backward, update, in place; X (m, 784) float32, Y (m, 10) one-hot.  The maths of both ways.

    Products and updates are fused, so that no gradient of a weight matrix is ever stored.
    """
    W1, b1, W2, b2 = parameters
    S = torch.addmm(b1, X, W1).neg_().exp_().add_(1).reciprocal_()
    Z2 = torch.addmm(b2, S, W2)
    E = Z2.sub_(Z2.amax(1, keepdim=True)).exp_()
    grad_Z2 = E.div_(E.sum(1, keepdim=True)).sub_(Y).div_(len(X))
    grad_Z1 = (grad_Z2 @ W2.T).mul_(S).mul_(1 - S)
    W1.addmm_(X.T, grad_Z1, alpha=-LR)
    b1.sub_(grad_Z1.sum(0), alpha=LR)
    W2.addmm_(S.T, grad_Z2, alpha=-LR)
    b2.sub_(grad_Z2.sum(0), alpha=LR)


def size(quick: bool) -> int:
    """How many training pictures an epoch has here."""
    return min(QUICK_SIZE, len(DATA.train_images)) if quick else len(DATA.train_images)


def flushed(way: Callable) -> Callable:
    """`way` with numbers below 1e-38 rounded to 0: a saturated softmax is full of them, and arithmetic on them is slow.

    Both ways have it, so that what is compared is how the pictures are fed.
    """

    @functools.wraps(way)
    def run(quick: bool):
        torch.set_flush_denormal(True)
        try:
            return way(quick)
        finally:
            torch.set_flush_denormal(False)

    return run


@flushed
@torch.inference_mode()
def homework(quick: bool) -> list[np.ndarray]:
    """The epoch as the homework's sketch does it: picture by picture through PIL and a DataLoader."""
    n, parameters = size(quick), start()
    pictures = Pictures(DATA.train_images[:n], DATA.train_labels[:n])
    for X, y in DataLoader(pictures, batch_size=BATCH_SIZE):
        step(X.reshape(len(X), -1), torch.eye(10)[y], parameters)
    return [parameter.numpy() for parameter in parameters]


@flushed
@torch.inference_mode()
def book(quick: bool) -> list[np.ndarray]:
    """The epoch as the page does it: batches are slices of one tensor of bytes, converted 32 pictures at a time."""
    n, parameters = size(quick), start()
    Y = torch.eye(10)[DATA.train_labels[:n]]
    for images, targets in minibatches(DATA.train_images[:n], Y, batch_size=BATCH_SIZE):
        step(images.reshape(len(images), -1).float() / 255, targets, parameters)
    return [parameter.numpy() for parameter in parameters]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    """Raise AssertionError where the weights after the epoch differ by more than float32 rounding explains.

    The operations are the same in the same order; a matrix product may still sum in another order where its input is
    laid out or aligned differently, and 1,875 steps carry such a difference of 1e-7 along.  Hence 1e-4, not 0.
    """
    for name, one, other in zip(("W1", "b1", "W2", "b2"), a, b, strict=True):
        assert one.shape == other.shape, f"{name} has shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-4, f"{name} differs by {difference:.1e} after the epoch"
