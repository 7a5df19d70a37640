"""The training loop of pages whose networks train for minutes: `training.fit`, with what such a training wants.

Page "Pooling, padding, batch size" introduces it.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from helpers.batches import minibatches
from helpers.training import History, _Total, evaluate


def train(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    measured: tuple[Tensor, Tensor] | None,
    *,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int,
    generator: torch.Generator,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    augment: Callable | None = None,
    loss: Callable = cross_entropy,
    keep_best: bool = False,
    mixed: bool = False,
    channels_last: bool = False,
) -> History:
    """Train `model` in place and return a row an epoch: epoch, train_loss, train_accuracy, test_loss, test_accuracy.

    data, measured: (X, y) as `training.evaluate` takes them; where measured is None there are no test columns.
    generator: shuffles anew each epoch, and draws for augment(X, generator).  schedule: a step after each update.
    keep_best: the model ends with the weights of the first epoch of the highest test_accuracy.  mixed: bfloat16 where
    torch's autocast has it, but not in what is measured.  channels_last: that memory layout, while it trains.
    Ctrl-C ends it as it ends anything; the model then holds the best weights (keep_best) or the current ones.
    Raises ValueError where data is empty, or keep_best has nothing to measure.
    """
    if not len(data[0]) or keep_best and measured is None:
        raise ValueError("pass examples to learn from, and where keep_best is set, some to measure")
    model.to(memory_format=torch.channels_last if channels_last else torch.preserve_format)
    history, best = History(), None
    bar = tqdm(total=epochs * -(-len(data[0]) // batch_size), unit="update", leave=False, mininterval=0.5)
    try:
        for epoch in range(1, epochs + 1):
            batches = minibatches(*data, batch_size=batch_size, generator=generator)
            batches = ((augment(X, generator), y) for X, y in batches) if augment else batches
            row = {"epoch": epoch} | _epoch(model, batches, optimizer, schedule, loss, mixed, bar)
            if measured is not None:
                score = evaluate(model, *measured, loss=loss)
                row |= {"test_loss": score.loss, "test_accuracy": score.accuracy}
                if keep_best and score.accuracy > max(history["test_accuracy"], default=-1):
                    best = copy.deepcopy(model.state_dict())
            history.add(**row)
            bar.set_postfix({name: f"{value:.4g}" for name, value in row.items()})
    finally:
        bar.close()
        if best:
            model.load_state_dict(best)
        model.to(memory_format=torch.contiguous_format if channels_last else torch.preserve_format)
    return history


def _epoch(model, batches, optimizer, schedule, loss, mixed, bar) -> dict[str, float]:
    """One pass: an update a batch; the running means over its examples."""
    model.train()
    total, correct, n = _Total(), _Total(), 0
    for X, y in batches:
        with torch.autocast(X.device.type, torch.bfloat16, enabled=mixed):
            logits = model(X)
        batch_loss = loss(logits.float() if mixed else logits, y)
        optimizer.zero_grad()
        batch_loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        total.add(batch_loss.detach() * len(y))
        correct.add((logits.detach().argmax(1) == y).sum())
        n += len(y)
        bar.update()
    return {"train_loss": total.sum() / n, "train_accuracy": correct.sum() / n}
