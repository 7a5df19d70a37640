"""One loop for every network that the course does not write by hand, and what it leaves: a history and scores.

Page "A network from raw tensors" introduces it, and compares it with a loop written by hand.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.batches import minibatches


class Score(NamedTuple):
    """What a classifier reached on n examples: mean loss, share of right answers, their number, n."""

    loss: float
    accuracy: float
    correct: int
    n: int


class History:
    """The rows of a training, one an epoch, each a dict of the same columns."""

    def __init__(self, rows: Iterable[dict] = ()):
        """rows: dicts of the same keys, as `.rows` of another history holds them."""
        self.rows: list[dict] = []
        for row in rows:
            self.add(**row)

    def add(self, **row) -> None:
        """Append one row.  Raises ValueError where its columns are not those of the rows before."""
        if self.rows and row.keys() != self.rows[0].keys():
            raise ValueError(f"this history has the columns {', '.join(self.rows[0])}, not {', '.join(row)}")
        self.rows.append(row)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def __getitem__(self, column: str) -> list:
        """One column as a list, a value a row.  Raises KeyError for an unknown one."""
        if self.rows and column not in self.rows[0]:
            raise KeyError(f"no column {column!r}: there are {', '.join(self.rows[0])}")
        return [row[column] for row in self.rows]


@torch.inference_mode()
def evaluate(
    model: nn.Module, X: Tensor, y: Tensor, *, batch_size: int = 1000, loss: Callable = cross_entropy
) -> Score:
    """Score `model` on all of X, y: means over examples, so a small last batch counts by its size.

    X: (n, …), what the model takes; y: (n,) int64 classes; both on the model's device.  loss(logits, y): the mean
    over a batch.  The model runs in evaluation mode and is left in the mode it was in.  Raises ValueError if n is 0.
    """
    if not len(X):
        raise ValueError("there is nothing to evaluate: X holds no example")
    training = model.training
    model.eval()
    total, correct = _Total(), _Total()
    for inputs, targets in minibatches(X, y, batch_size=batch_size):
        logits = model(inputs)
        total.add(loss(logits, targets) * len(targets))
        correct.add((logits.argmax(1) == targets).sum())
    model.train(training)
    right = int(correct.sum())
    return Score(total.sum() / len(X), right / len(X), right, len(X))


def fit(
    model: nn.Module,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int,
    generator: torch.Generator | None = None,
    loss: Callable = cross_entropy,
) -> History:
    """Train `model` in place and return a row an epoch: epoch, train_loss, train_accuracy, test_loss, test_accuracy.

    train, test: (X, y) as `evaluate` takes them; whichever set is passed as `test` is only measured.
    The training columns are running means over the epoch's examples, taken before each update; the test columns
    are measured after the epoch.  generator: shuffles anew each epoch (`minibatches`); None keeps the order.
    loss(logits, y): a batch's mean; one that is not finite is recorded.  ValueError where train or test is empty.
    """
    if not len(train[0]):
        raise ValueError("there is nothing to train on: train holds no example")
    history = History()
    for epoch in range(1, epochs + 1):
        model.train()
        total, correct = _Total(), _Total()
        for X, y in minibatches(*train, batch_size=batch_size, generator=generator):
            logits = model(X)
            batch_loss = loss(logits, y)
            optimizer.zero_grad()
            batch_loss.backward()
            optimizer.step()
            total.add(batch_loss.detach() * len(y))
            correct.add((logits.detach().argmax(1) == y).sum())
        n, score = len(train[0]), evaluate(model, *test, loss=loss)
        history.add(
            epoch=epoch,
            train_loss=total.sum() / n,
            train_accuracy=correct.sum() / n,
            test_loss=score.loss,
            test_accuracy=score.accuracy,
        )
    return history


class _Total:
    """A sum of scalars that stay on the device until it is asked for, and are added in float64 on the CPU then."""

    def __init__(self):
        self.parts: list[Tensor] = []

    def add(self, part: Tensor) -> None:
        self.parts.append(part)

    def sum(self) -> float:
        return torch.stack(self.parts).cpu().double().sum().item()
