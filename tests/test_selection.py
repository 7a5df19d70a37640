"""Code of the pages that selects, trains and measures, against brute force on cases that can be counted by hand."""


import numpy as np
import pytest
import torch
from conftest import ROOT
from torch.nn import functional

from benchmarks.definitions import definitions

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


def test_01_a_cosine_does_not_know_lengths():
    cosine = definitions("01").cosine
    assert cosine(torch.tensor([2.0, 0]), torch.tensor([30.0, 40])) == pytest.approx(0.6)
    assert cosine(torch.tensor([-30.0, 40]), torch.tensor([0.0, 1e-3])) == pytest.approx(0.8)


# 04


def test_04_the_first_weights_are_spread_as_those_of_torch():
    page = definitions("04")
    W, b = page.first_weights(10, torch.Generator().manual_seed(0))
    layer = torch.nn.Linear(784, 10)
    assert W.T.shape == layer.weight.shape
    assert W.std().item() == pytest.approx(layer.weight.std().item(), rel=0.05)
    assert W.abs().max().item() == pytest.approx(layer.weight.abs().max().item(), rel=0.01)
    assert b.abs().max() <= 784**-0.5


def test_04_power_iteration_finds_the_largest_eigenvalue():
    page = definitions("04")
    X, W = torch.randn(40, 5).double() * torch.tensor([4.0, 3.2, 1, 1, 1]), torch.randn(5, 3).double() / 9
    y = torch.randint(3, (40,))
    H = torch.func.hessian(lambda w: functional.cross_entropy(X @ w.view(5, 3), y))(W.flatten())
    value, D = page.largest_curvature(X, W)
    values, vectors = torch.linalg.eigh(H)
    assert value == pytest.approx(values[-1].item(), rel=1e-6)
    assert abs(D.flatten() @ vectors[:, -1]).item() == pytest.approx(1, abs=1e-4)


def test_04_lbfgs_gets_the_loss_and_its_gradient_over_parts_of_unequal_size():
    page = definitions("04")
    X, y = torch.randn(6_001, 4), torch.randint(3, (6_001,))
    X[5_000:] += 3  # the small part is another than the large one
    w = torch.randn(15, dtype=torch.float64, requires_grad=True)
    W, b = w[:12].view(3, 4).T, w[12:]
    loss = functional.cross_entropy(X.double() @ W + b, y) + 0.3 / 2 * W.square().sum()
    found, gradient = page.of_vector(w.detach().numpy(), X, y, 3, 0.3)
    assert found == pytest.approx(loss.item(), rel=1e-5)
    assert np.allclose(gradient, torch.autograd.grad(loss, w)[0], atol=1e-5)


def test_04_the_penalty_is_chosen_on_pictures_that_were_not_fitted():
    fits = []
    page = definitions("04", seed=0, validation_size=4, choice_size=10, X=torch.arange(12.0)[:, None])
    page.held_out, page.fitted = page.drawn(12)
    y = torch.arange(12) + 100
    parts = page.parts(y)
    rows = {name: set(parts[name].tolist()) for name in ("y", "y_val")}
    assert [len(each) for each in rows.values()] == [6, 4]
    assert not rows["y"] & rows["y_val"]
    for X_name, y_name in (("X", "y"), ("X_val", "y_val")):
        assert torch.equal(parts[X_name][:, 0] + 100, parts[y_name].float())

    page.fit_optimum = recorder(fits, lambda X, y, classes, penalty, *_, **__: (penalty, 7.0, 3))
    page.unpack, page.score = lambda w, classes: (w, w), lambda X, y, W, b: (len(X), W)
    found = page.choose_penalty(**parts, classes=2, penalties=[0.2, 0.1], iterations=1)["rows"]
    assert found.tolist() == [[p, 7.0, 3.0, p, 4.0, p] for p in (0.2, 0.1, 0.0)]
    assert all(torch.equal(arguments[0], parts["X"]) for arguments, _ in fits)


def test_04_the_lowest_validation_loss_decides():
    #                    penalty, loss, iterations, training accuracy, validation loss, its accuracy
    rows = [[0.3, 0.1, 5, 0.9, 0.50, 0.8], [0.2, 0.4, 5, 0.8, 0.30, 0.7], [0.0, 0.2, 5, 0.7, 0.60, 0.9]]
    assert definitions("04").best_penalty(torch.tensor(rows).double()) == pytest.approx(0.2)


def test_04_neighbours_part_beyond_two_over_the_curvature():
    X, y = torch.randn(60, 3), torch.randint(10, (60,))
    W, b = torch.zeros(3, 10), torch.zeros(10)
    for _ in range(3_000):  # to the minimum: every class is everywhere
        Z = X @ W + b
        G = (torch.softmax(Z, 1) - functional.one_hot(y, 10)) / 60
        W, b = W - X.T @ G, b - G.sum(0)
    drift = definitions("04").curvatures(X, y, W, b, steps=30)["drift"]
    assert drift == {"0.95": pytest.approx(0.9**30, rel=0.1), "1.05": pytest.approx(1.1**30, rel=0.1)}


def test_04_calibration_weighs_bins_by_their_pictures():
    P = torch.tensor([[0.95, 0.05], [0.05, 0.95], [0.95, 0.05], [0.45, 0.55]])
    rows, error = definitions("04").calibration(P, torch.tensor([0, 1, 1, 1]))
    assert [(round(c, 6), round(a, 6), n) for c, a, n in rows] == [(0.55, 1.0, 1), (0.95, round(2 / 3, 6), 3)]
    assert error == pytest.approx((abs(0.55 - 1) + 3 * abs(0.95 - 2 / 3)) / 4)


def test_04_odd_and_even_are_added_up_from_their_digits():
    P = torch.zeros(2, 10)
    P[0, [0, 3, 5]] = torch.tensor([0.4, 0.3, 0.3])  # the most probable digit is even, the answer is odd
    P[1, [9, 2, 4]] = torch.tensor([0.4, 0.3, 0.3])
    assert definitions("04").odd_from_digits(P).tolist() == [1, 0]
