"""Code of the pages that selects, trains and measures, against brute force on cases that can be counted by hand."""

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import torch
from conftest import ROOT
from torch.nn import functional

from benchmarks.definitions import definitions
from helpers import batches
from helpers.training import Score

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", str(ROOT))
    torch.manual_seed(0)


def recorder(calls, answer):
    """A function that notes what it is called with."""

    def noting(*arguments, **more):
        calls.append((arguments, more))
        return answer(*arguments, **more)

    return noting


# 01


def test_01_the_step_by_the_diagonal_is_that_of_the_jacobian():
    page = definitions("01")
    x, u = torch.randn(2, 5).double()
    J = torch.autograd.functional.jacobian(page.softmax, x)
    assert torch.allclose(page.diagonal_step(page.softmax(x), u), u @ torch.diag(J.diagonal()))


def test_01_right_digits_are_counted():
    page = definitions("01")

    def found(value, exact, dtype=torch.float64):
        return page.right_digits(torch.tensor(value, dtype=dtype), exact, dtype)

    assert found(3.1, mpmath.mpf("3.14159")) == "1"  # off by 1.3 %
    assert found(-3.1415, mpmath.mpf("3.14159")) == "4"  # the size counts
    assert found(3.14159, mpmath.mpf("3.14159")) == "15"
    assert found(310.0, mpmath.mpf("314.159")) == "1"  # relative
    assert found(9.0, mpmath.mpf(1)) == "–"
    assert found(0.5, mpmath.mpf("0.5"), torch.float32) == "7"
    assert found(math.inf, mpmath.mpf(1)) == "∞"
    assert found(math.nan, mpmath.mpf(1)) == "NaN"
    assert found(0.0, mpmath.mpf("1e-400")) == found(0.0, mpmath.mpf("1e-50"), torch.float32) == "0 ✔"
    assert found(0.0, mpmath.mpf("1e-300")) == found(0.0, mpmath.mpf("1e-40"), torch.float32) == "0 ✘"


def test_01_the_time_is_the_shortest_and_is_that_of_the_call(monkeypatch):
    page, clock, takes = definitions("01"), [0.0], iter([5.0, 2.0, 9.0])
    monkeypatch.setattr(page, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert page.best_seconds(lambda: clock.__setitem__(0, clock[0] + next(takes)), repeats=3) == 2.0


def test_01_every_form_of_the_loss_is_that_of_the_first_class_where_nothing_is_lost():
    page = definitions("01")
    theta, y = torch.tensor([0.5, -1.0, 2.0]).double(), torch.tensor([1.0, 0.0, 0.0]).double()
    right = torch.logsumexp(theta, 0) - theta[0]
    for form in (page.naive_loss, page.difference_loss, page.shifted_loss, page.torch_loss):
        assert form(theta, y) == pytest.approx(right.item())
    assert float(page.exact_loss(theta, y)) == pytest.approx(right.item())
    assert float(page.exact_slope(theta, y)) == pytest.approx(1 - torch.softmax(theta, 0)[0].item())


# 03


def pictures(n):
    """Bytes (n, 1, 28, 28) and labels (n,)."""
    return torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8), torch.randint(0, 10, (n,))


def test_03_pictures_and_labels_are_taken_in_the_same_order():
    images, y = pictures(70)
    order = torch.randperm(70)
    page = definitions("03", where=CPU, small_lr=0.3, y=y)
    page.X, page.untrained = page.flat(images), page.normal_start(0)
    found = page.one_epoch(order)
    page.X, page.y = page.X[order], y[order]
    expected = page.one_epoch(torch.arange(70))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert not torch.equal(found[0], page.untrained[0])


@pytest.mark.parametrize(
    ("name", "rule"),
    [("xavier_start", torch.nn.init.xavier_normal_), ("he_start", torch.nn.init.kaiming_normal_)],
)
def test_03_the_starts_have_the_spread_of_torch_s(name, rule):
    weights = getattr(definitions("03", where=CPU), name)(0)
    for W in weights[::2]:
        gain = {} if name == "xavier_start" else {"nonlinearity": "relu", "mode": "fan_in"}
        spreads = [rule(torch.empty(W.T.shape), **gain).std().item() for _ in range(20)]
        assert W.std().item() == pytest.approx(np.mean(spreads), rel=0.05)


def test_03_a_recipe_is_momentum_and_a_cosine_over_shifted_copies():
    images, y = pictures(40)
    page = definitions("03", where=CPU)
    weights = page.xavier_start(0)
    settings = {"lr": 0.3, "batch_size": 16, "momentum": 0.9, "weight_decay": 0.1}
    found = page.train_recipe(weights, images, y, seed=5, epochs=3, shifts=[1, 2], **settings)

    params, generator = [w.clone().requires_grad_() for w in weights], torch.Generator().manual_seed(5)
    groups = [{"params": params[0::2], "weight_decay": 0.1}, {"params": params[1::2]}]
    sgd = torch.optim.SGD(groups, lr=0.3, momentum=0.9)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=9)
    for _ in range(3):
        moved = images
        for distance in (1, 2):
            moved = batches.random_shift(moved, distance, generator)
        order = torch.randperm(40, generator=generator)
        for rows in order.split(16):
            W1, b1, W2, b2 = params
            Z = torch.sigmoid(moved[rows].reshape(-1, 784) / 255 @ W1 + b1) @ W2 + b2
            sgd.zero_grad()
            functional.cross_entropy(Z, y[rows]).backward()
            sgd.step()
            cosine.step()
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, params, strict=True))


def test_03_a_recipe_starts_where_it_says():
    calls = []
    page = definitions("03", where=CPU)
    page.train_recipe = recorder(calls, lambda weights, *_, **__: weights)
    spreads = [
        page.final({"start": start, "lr": 0.5}, [3], None, None, 4)["3"][0].std().item()
        for start in ("N(0, 1)", "Xavier")
    ]
    assert spreads == pytest.approx([1, math.sqrt(2 / (784 + 128))], rel=0.01)
    assert [more for _, more in calls] == [{"seed": 3, "epochs": 4, "lr": 0.5}] * 2


def test_03_a_recipe_is_judged_on_pictures_that_it_has_not_seen():
    images = torch.arange(24, dtype=torch.uint8).reshape(24, 1, 1, 1)
    trained, judged = [], []
    page = definitions("03", where=CPU)
    page.train_recipe = recorder(trained, lambda *_, **__: "weights")
    page.score = recorder(judged, lambda weights, X, y: [len(y)])
    found = page.search({"one": {"start": "Xavier"}}, images, torch.arange(24), 1, 0)
    ((_, seen, labels), _), *others = trained
    (_, X_seen, y_seen), (_, X_held, y_held) = (arguments for arguments, _ in judged)
    assert not others
    assert found == {"one": [[22], [2]]}
    assert sorted([*y_seen.tolist(), *y_held.tolist()]) == list(range(24))
    assert labels.tolist() == seen.flatten().tolist() == y_seen.tolist() == (255 * X_seen).round().flatten().tolist()
    assert y_held.tolist() == (255 * X_held).round().flatten().tolist()


def test_03_the_recipe_is_chosen_by_what_was_held_out():
    searched = {
        "learns by heart": [Score(0.0, 1.0, 90, 90), Score(0.1, 0.7, 7, 10)],
        "learns": [Score(0.5, 0.8, 72, 90), Score(0.2, 0.8, 8, 10)],
        "does not": [Score(1.0, 0.2, 18, 90), Score(0.9, 0.2, 2, 10)],
    }
    assert definitions("03").best_validated(searched) == "learns"


def test_03_the_interval_counts_the_test_pictures_once():
    page = definitions("03", n_test=10)
    accuracy, interval = page.summary([Score(0, 0.8, 8, 10), Score(0, 0.6, 6, 10)])
    z, p, n = 1.959964, 0.7, 10
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert accuracy == pytest.approx(0.7)
    assert interval == pytest.approx([(middle + sign * half) / (1 + z * z / n) for sign in (-1, 1)], rel=1e-5)
