"""One epoch of page 04's logistic regression on MNIST, with evaluation: a DataLoader and autograd against slices."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.mnist_epoch import DATA, Pictures, size
from helpers.batches import minibatches

TITLE = "One epoch of logistic regression on MNIST, evaluation included"
PAGE = "04_mnist_logistic"
METRIC = "epoch_speedup"
GOAL = 15

SEED, LR, BATCH_SIZE = 4, 0.1, 100


def test_size(quick: bool) -> int:
    """How many test pictures are scored after the epoch: a sixth of its training pictures, as in MNIST."""
    return min(size(quick) // 6, len(DATA.test_images))


def start() -> tuple[Tensor, Tensor]:
    """The weights (10, 784) and biases (10,) that both begin with: torch's own start of a linear layer."""
    bound = 784**-0.5
    generator = torch.Generator().manual_seed(SEED)
    draws = [torch.rand(shape, generator=generator) * 2 * bound - bound for shape in ((10, 784), (10,))]
    return draws[0], draws[1]


def homework(quick: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """The epoch as the homework does it: picture by picture through PIL, a Linear, autograd, torch.optim.SGD."""
    n, (W, b) = size(quick), start()
    model = nn.Linear(784, 10)
    model.load_state_dict({"weight": W, "bias": b})
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    pictures = Pictures(DATA.train_images[:n], DATA.train_labels[:n])
    for X, y in DataLoader(pictures, batch_size=BATCH_SIZE):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X.reshape(-1, 784)), y)
        loss.backward()
        optimizer.step()
    n = test_size(quick)
    pictures, correct = Pictures(DATA.test_images[:n], DATA.test_labels[:n]), 0
    with torch.no_grad():
        for X, y in DataLoader(pictures, batch_size=BATCH_SIZE):
            correct += int((model(X.reshape(-1, 784)).argmax(1) == y).sum())
    return model.weight.detach().numpy(), model.bias.detach().numpy(), correct


@torch.inference_mode()
def book(quick: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """The epoch as the page does it: slices of one tensor, and the derived gradient."""
    n, (W, b) = size(quick), start()
    for images, y in minibatches(DATA.train_images[:n], DATA.train_labels[:n], batch_size=BATCH_SIZE):
        X = images.reshape(-1, 784).float() / 255
        G = torch.softmax(X @ W.T + b, 1)
        G[torch.arange(len(y)), y] -= 1
        G /= len(y)
        W -= LR * (G.T @ X)
        b -= LR * G.sum(0)
    n = test_size(quick)
    X = DATA.test_images[:n].reshape(n, 784).float() / 255
    correct = int(((X @ W.T + b).argmax(1) == DATA.test_labels[:n]).sum())
    return W.numpy(), b.numpy(), correct


def same(a: tuple[np.ndarray, np.ndarray, int], b: tuple[np.ndarray, np.ndarray, int]) -> None:
    """Raise AssertionError where weights differ by more than float32 rounding explains, or the right answers differ.

    600 steps carry differences of 1e-7 along, hence 1e-4.  A picture whose two best scores agree to as many digits may
    fall to either class, hence a count that may differ by one in a thousand.
    """
    for name, one, other in zip("Wb", a, b, strict=False):
        assert one.shape == other.shape, f"{name} has shapes {one.shape} and {other.shape}"
        difference = np.abs(one - other).max()
        assert difference <= 1e-4, f"{name} differs by {difference:.1e} after the epoch"
    assert abs(a[2] - b[2]) <= 10, f"right answers: {a[2]} and {b[2]}"
