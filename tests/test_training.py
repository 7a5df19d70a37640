"""helpers.training against scikit-learn's metrics, a hand-computed case and a plain torch loop."""

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from helpers.training import History, Score, evaluate, fit


def examples(n=101, features=4, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=generator), torch.randint(classes, (n,), generator=generator)


def network(seed=1, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3))


@pytest.mark.parametrize("batch_size", [1, 10, 100, 1000])  # 101 examples: the last batch is small
def test_evaluate_agrees_with_scikit_learn(batch_size):
    X, y = examples()
    model = network()
    score = evaluate(model, X, y, batch_size=batch_size)
    probabilities = model(X).detach().double().softmax(1).numpy()
    assert score.loss == pytest.approx(log_loss(y.numpy(), probabilities), rel=1e-6)  # float32 logits
    assert score.accuracy == accuracy_score(y.numpy(), probabilities.argmax(1))
    assert score.correct == accuracy_score(y.numpy(), probabilities.argmax(1), normalize=False)
    assert score.n == 101


def test_evaluate_by_hand_is_no_mean_of_batch_means():
    logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)], [math.log(4), 0.0]], dtype=torch.float64)
    score = evaluate(nn.Identity(), logits, torch.tensor([1, 1, 1]), batch_size=2)
    assert score == Score(pytest.approx((2 * math.log(4 / 3) + math.log(5)) / 3, abs=1e-12), 2 / 3, 2, 3)


def test_evaluate_runs_in_evaluation_mode_and_restores_the_mode():
    X, y = examples()
    model = network(dropout=0.9)
    model.train()
    assert evaluate(model, X, y) == evaluate(model, X, y)
    assert model.training
    model.eval()
    evaluate(model, X, y)
    assert not model.training


def test_evaluate_leaves_no_graph_and_takes_another_loss():
    X, y = examples()
    model = network()
    plain = evaluate(model, X, y, batch_size=7)
    assert all(parameter.grad is None for parameter in model.parameters())
    doubled = evaluate(model, X, y, batch_size=7, loss=lambda logits, y: 2 * cross_entropy(logits, y))
    assert doubled.loss == pytest.approx(2 * plain.loss, rel=1e-6)
    assert doubled.accuracy == plain.accuracy


def test_nothing_to_evaluate_or_to_train_on_is_refused():
    X, y = examples()
    model = network()
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(model, X[:0], y[:0])
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="nothing to train on"):
        fit(model, (X[:0], y[:0]), (X, y), optimizer=sgd, epochs=1, batch_size=5)


@pytest.mark.parametrize("shuffled", [False, True])
def test_fit_is_the_plain_loop_over_a_dataloader(shuffled):
    X, y = examples()
    X_test, y_test = examples(n=37, seed=9)
    mine, theirs = network(), network()
    smooth = nn.CrossEntropyLoss(label_smoothing=0.2)
    history = fit(
        mine, (X, y), (X_test, y_test), epochs=3, batch_size=10, loss=smooth,
        optimizer=torch.optim.SGD(mine.parameters(), lr=0.3, momentum=0.9),
        generator=torch.Generator().manual_seed(4) if shuffled else None,
    )  # fmt: skip
    dataset = TensorDataset(X, y)
    orders = torch.Generator().manual_seed(4)
    sgd = torch.optim.SGD(theirs.parameters(), lr=0.3, momentum=0.9)
    for row in history.rows:
        losses, right = [], 0
        order = torch.randperm(101, generator=orders).tolist() if shuffled else range(101)
        for inputs, targets in DataLoader(dataset, batch_size=10, sampler=order):
            logits = theirs(inputs)
            losses += cross_entropy(logits, targets, reduction="none", label_smoothing=0.2).tolist()
            right += accuracy_score(targets, logits.argmax(1), normalize=False)
            sgd.zero_grad()
            smooth(logits, targets).backward()
            sgd.step()
        assert row["train_loss"] == pytest.approx(sum(losses) / 101, rel=1e-6)
        assert row["train_accuracy"] == right / 101
        assert row["test_accuracy"] == accuracy_score(y_test, theirs(X_test).argmax(1))
        assert row["test_loss"] == pytest.approx(smooth(theirs(X_test), y_test).item(), rel=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))
    assert history["epoch"] == [1, 2, 3]


def test_fit_by_hand_one_weight_one_example():
    model = nn.Linear(1, 2, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    one = torch.ones(1, 1, dtype=torch.float64), torch.tensor([0])
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    history = fit(model, one, one, optimizer=sgd, epochs=1, batch_size=1)
    # before: p = (½, ½), loss ln 2; gradient p − y = (−½, ½); after: logits (½, −½)
    assert history.rows == [
        {
            "epoch": 1,
            "train_loss": pytest.approx(math.log(2)),
            "train_accuracy": 1.0,  # argmax of a tie is the first
            "test_loss": pytest.approx(math.log(1 + math.exp(-1))),
            "test_accuracy": 1.0,
        }
    ]


def test_fit_trains_in_training_mode_and_measures_in_evaluation_mode():
    X, y = examples()
    model = network(dropout=0.5)
    model.eval()
    modes = []
    model[2].register_forward_hook(lambda module, *_: modes.append(module.training))
    fit(model, (X, y), (X, y), optimizer=torch.optim.SGD(model.parameters(), lr=0.1), epochs=2, batch_size=101)
    assert modes == [True, False, True, False]


def test_a_diverging_training_is_recorded_to_its_end():
    X, y = examples()
    model = network()
    sgd = torch.optim.SGD(model.parameters(), lr=math.inf)
    history = fit(model, (X, y), (X, y), optimizer=sgd, epochs=2, batch_size=10)
    assert len(history) == 2
    assert math.isnan(history["test_loss"][-1])


def test_history_holds_columns_and_refuses_others():
    history = History([{"epoch": 1, "loss": 2.0}])
    history.add(epoch=2, loss=1.0)
    assert history["loss"] == [2.0, 1.0]
    assert len(history) == 2
    assert History(history.rows).rows == history.rows
    with pytest.raises(ValueError, match="columns epoch, loss, not epoch, accuracy"):
        history.add(epoch=3, accuracy=0.5)
    with pytest.raises(KeyError, match="no column 'accuracy'"):
        history["accuracy"]
