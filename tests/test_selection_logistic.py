"""Page 04's code that selects, trains and measures, against brute force on cases that can be counted by hand."""

from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from test_selection import recorder
from torch.nn import functional

from benchmarks.definitions import definitions


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", str(ROOT))
    torch.manual_seed(0)


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


def test_04_loss_and_gradient_are_added_over_parts_of_unequal_size():
    page = definitions("04")
    X, y = torch.randn(4_001, 4), torch.randint(3, (4_001,))
    X[4_000:] += 30  # the small part is another than the large one
    W, b = torch.randn(4, 3).double().requires_grad_(), torch.randn(3).double().requires_grad_()
    loss = functional.cross_entropy(X.double() @ W + b, y) + 0.3 / 2 * W.square().sum()
    found = page.in_parts(X, y, W.detach(), b.detach(), 0.3)
    for value, wanted in zip(found, (loss.detach(), *torch.autograd.grad(loss, (W, b))), strict=True):
        assert torch.allclose(value, wanted, atol=1e-10)


def test_04_training_is_scored_after_each_epoch_and_the_rate_goes_from_first_to_last():
    page = definitions("04")
    X, y, X_test = torch.rand(30, 784) / 20, torch.randint(10, (30,)), torch.rand(20, 784) / 20
    used = []
    step = page.sgd_epoch
    page.sgd_epoch = lambda X, y, W, b, rates, *rest: used.extend(rates) or step(X, y, W, b, rates, *rest)
    now = page.sgd(X, y, X_test, torch.randint(10, (20,)), (3.0, 0.0), 7, 2, batch_size=10)
    assert used == pytest.approx([3, 2.4, 1.8, 1.2, 0.6, 0])
    W, b = page.first_weights(10, generator := torch.Generator().manual_seed(7))
    layer = torch.nn.Linear(784, 10)
    layer.load_state_dict({"weight": W.T, "bias": b})
    for first in (0, 3):
        for t, rows in enumerate(torch.randperm(30, generator=generator).split(10)):
            loss = functional.cross_entropy(layer(X[rows]), y[rows])
            gradients = torch.autograd.grad(loss, list(layer.parameters()))
            with torch.no_grad():
                for weights, gradient in zip(layer.parameters(), gradients, strict=True):
                    weights -= used[first + t] * gradient
    assert torch.allclose(now["W"].T, layer.weight, atol=1e-5)
    assert torch.allclose(now["b"], layer.bias, atol=1e-5)
    assert now["rows"][-1, 0].item() == pytest.approx(functional.cross_entropy(layer(X), y).item(), abs=1e-5)
    assert now["rows"][-1, 1].item() == pytest.approx((layer(X).argmax(1) == y).double().mean().item())
    assert now["rows"][-1, 3].item() == pytest.approx(loss.item(), abs=1e-5)
    perfect = page.sgd(X, y, X_test, layer(X_test).argmax(1), (3.0, 0.0), 7, 2, batch_size=10)
    assert perfect["rows"][-1, 2] == 1, "the third column is of the test pictures"


def small_problem(classes=3, n=4, m=80):
    X = torch.randn(m, n)
    y = torch.cat([torch.arange(classes), torch.randint(classes, (m - classes,))])
    return X, y


def test_04_the_ladder_reaches_the_optimum_of_each_penalty():
    page = definitions("04")
    X, y = small_problem()
    penalties = [0.1, 0.01]
    found = page.ladder(X, y, 3, penalties, 60)["V"]
    assert found.shape == (2, 3, 5)
    for V, penalty in zip(found, penalties, strict=True):
        w = V.clone().requires_grad_()
        loss = functional.cross_entropy(X.double() @ w[:, :-1].T + w[:, -1], y) + penalty / 2 * w[:, :-1].square().sum()
        assert torch.autograd.grad(loss, w)[0].abs().max() < 1e-4  # what float32 leaves


def test_04_all_coordinates_lead_to_one_optimum():
    page = definitions("04")
    X, y = small_problem()
    V, seen = torch.zeros(3, 5).double(), []
    plain = page.lbfgs(X, y, V, 0.05, 100, seen=seen.append)
    turned = page.lbfgs(X, y, V, 0.05, 100, page.round_coordinates(X, V, 0.05))
    plain, turned = (W - W.mean(0) for W in (plain, turned))  # but for one constant
    assert torch.allclose(plain, turned, atol=1e-4)
    assert torch.allclose(seen[-1] - seen[-1].mean(0), plain, atol=1e-4)


def test_04_the_round_coordinates_make_each_block_of_the_hessian_the_identity():
    page = definitions("04")
    X, V = torch.randn(400, 3), torch.randn(2, 4).double()
    T = page.round_coordinates(X, V, 0.1)
    few = X[::4].double()
    few = torch.cat([few, torch.ones(100, 1).double()], 1)
    p = torch.softmax(few @ V.T, 1)[:, 1]
    H = (few * (p * (1 - p))[:, None]).T @ few / 100 + torch.diag(torch.tensor([0.1, 0.1, 0.1, 1e-7]))
    assert torch.allclose(T[1].T @ H @ T[1], torch.eye(4).double(), atol=1e-4)


def test_04_what_is_chosen_was_kept_back():
    page = definitions("04", seed=0, validation_size=4, penalties=[0.2, 0.1], iterations=3)
    page.X, y = torch.arange(12.0)[:, None], torch.arange(12) + 100
    page.held_out, page.fitted = page.drawn(12)
    assert sorted([*page.held_out.tolist(), *page.fitted.tolist()]) == list(range(12))
    assert len(page.held_out) == 4
    fits, scored = [], []
    page.ladder = recorder(fits, lambda X, y, classes, penalties, iterations: {"V": torch.tensor(penalties)})
    page.run = SimpleNamespace(stage=lambda name, inputs, function: function(**inputs))
    page.split = lambda V: (V, V)
    page.score = recorder(scored, lambda X, y, W, b: (W.item(), 0.0))
    _, found = page.validated(y, 2)
    assert found == {0.2: (pytest.approx(0.2), 0.0), 0.1: (pytest.approx(0.1), 0.0)}
    assert page.lowest(found) == 0.1
    ((_, given),) = fits
    assert given["X"][:, 0].tolist() == page.fitted.tolist()
    assert torch.equal(given["y"], page.fitted + 100)
    for (X_val, y_val, *_), _ in scored:
        assert X_val[:, 0].tolist() == page.held_out.tolist()
        assert torch.equal(y_val, page.held_out + 100)


def test_04_the_path_keeps_the_weights_of_the_marked_iterations():
    page = definitions("04")
    steps = [torch.full((10, 2), float(k)) for k in range(1, 6)]
    page.lbfgs = lambda X, y, V, penalty, iterations, T=None, seen=None: [seen(V) for V in steps[:iterations]]
    assert page.path(torch.zeros(3, 1), None, [1, 3, 5])["V"][:, 0, 0].tolist() == [1, 3, 5]


def test_04_full_batch_descent_is_gradient_descent_and_its_curvature_that_of_where_it_is():
    page = definitions("04")
    X, y = torch.randn(50, 3), torch.randint(10, (50,))
    rows = page.descend(X, y, 0.7, 20, 4)
    layer = torch.nn.Linear(3, 10)
    with torch.no_grad():
        layer.weight.zero_(), layer.bias.zero_()
    losses, bends = [], []
    for _ in range(21):
        loss = functional.cross_entropy(layer(X), y)
        losses.append(loss.item())
        w = torch.cat([layer.weight, layer.bias[:, None]], 1).detach()
        of = torch.func.hessian(lambda w: functional.cross_entropy(X @ w[:, :-1].T + w[:, -1], y))
        bends.append(torch.linalg.eigvalsh(of(w).reshape(40, 40))[-1].item())
        gradients = torch.autograd.grad(loss, list(layer.parameters()))
        with torch.no_grad():
            for weights, gradient in zip(layer.parameters(), gradients, strict=True):
                weights -= 0.7 * gradient
    assert [row[0] for row in rows] == [0, 5, 10, 15, 20]
    assert [row[1] for row in rows] == pytest.approx(losses[::5], abs=1e-5)
    assert [row[2] for row in rows] == pytest.approx(bends[::5], rel=1e-2)


def test_04_differences_are_paired_by_picture():
    page = definitions("04")
    one, other = torch.tensor([1.0, 1, 0, 1]), torch.tensor([1.0, 0, 0, 0])
    gap, (low, high) = page.paired(one, other)
    assert gap == pytest.approx(0.5)
    half = 1.96 * (1 / 3) ** 0.5 / 2  # four differences 0, 1, 0, 1 have the variance 1/3
    assert (low, high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    gap, (low, high) = page.two_samples(one, other)
    half = 1.96 * (0.25 / 4 + 0.25 / 4) ** 0.5
    assert (gap, low, high) == (pytest.approx(0.5), pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_04_the_share_of_models_that_are_right():
    page = definitions("04")
    X, y = torch.eye(2), torch.tensor([0, 1])
    models = [{"W": torch.eye(2), "b": torch.zeros(2)}, {"W": torch.zeros(2, 2), "b": torch.tensor([1.0, 0.0])}]
    assert page.right_share(X, y, models).tolist() == [1, 0.5]


def test_04_a_slanted_stroke_is_set_upright():
    page = definitions("04")
    stroke = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    for row in range(4, 24):
        stroke[0, 0, row, 24 - row // 2 - 1 : 24 - row // 2 + 2] = 200
        stroke[1, 0, row, 12:15] = 200
    found = page.slant(stroke)
    assert found.tolist() == [pytest.approx(-0.5, abs=0.01), pytest.approx(0, abs=1e-9)]
    straight = page.upright(stroke)
    assert straight.shape == stroke.shape
    assert straight.dtype == torch.uint8
    assert page.slant(straight).abs().max() < 0.03
    assert torch.equal(straight[1], stroke[1])
    middle = [(s.float().sum(2) @ torch.arange(28.0) / s.sum()).sum().item() for s in (stroke[0], straight[0])]
    assert middle[0] == pytest.approx(middle[1], abs=0.3), "the stroke stays at its height"
    assert page.slant(page.there_and_back(stroke)).tolist() == [
        pytest.approx(-0.5, abs=0.03),
        pytest.approx(0, abs=1e-9),
    ]


def test_04_no_weights_of_a_length_are_below_its_floor():
    page = definitions("04")
    page.certified = {0.1: {"bound": 0.5}, 0.01: {"bound": 0.3}}
    assert page.floor_of(1.0) == pytest.approx(0.45)
    assert page.floor_of(10.0) == pytest.approx(-0.2)


def test_04_calibration_weighs_bins_by_their_pictures():
    P = torch.tensor([[0.95, 0.05], [0.05, 0.95], [0.95, 0.05], [0.45, 0.55]])
    error = definitions("04").calibration_error(P, torch.tensor([0, 1, 1, 1]))
    assert error == pytest.approx((abs(0.55 - 1) + 3 * abs(0.95 - 2 / 3)) / 4)


def test_04_odd_and_even_are_added_up_from_their_digits():
    P = torch.zeros(2, 10)
    P[0, [0, 3, 5]] = torch.tensor([0.4, 0.3, 0.3])  # the most probable digit is even, the answer is odd
    P[1, [9, 2, 4]] = torch.tensor([0.4, 0.3, 0.3])
    assert definitions("04").odd_from_digits(P).tolist() == [1, 0]


def test_04_batches_of_every_size_are_compared_after_as_many_epochs():
    page, given = definitions("04"), []
    rows = torch.tensor([[9.0, 0, 0, 0], [0.25, 0, 0, 0]])
    page.sgd = recorder(given, lambda X, y, X_test, y_test, plan, seed, epochs, **more: {"rows": rows})
    X, y = torch.zeros(5, 2), torch.zeros(5)
    assert page.batch_runs(X, y, [(100, 0.1, 0.1), (1_000, 3.0, 0.0)], [3], 4) == [[0.25], [0.25]]
    found = [(arguments[4:], more) for arguments, more in given]
    assert found == [(([0.1, 0.1], 3, 4), {"batch_size": 100}), (([3.0, 0.0], 3, 4), {"batch_size": 1_000})]


def test_04_every_plan_is_run_with_every_seed():
    page = definitions("04")
    page.sgd = lambda X, y, X_test, y_test, plan, seed, epochs: (plan, seed, epochs)
    assert page.all_plans(0, 0, 0, 0, ["a", "b"], [1, 2], 5) == [[("a", 1, 5), ("a", 2, 5)], [("b", 1, 5), ("b", 2, 5)]]


def test_04_a_parabola_is_left_above_the_border_and_found_below_it():
    border = definitions("04").border_of(2.5)
    for rate, found in ((0.99 * border, True), (1.01 * border, False)):
        w = 1.0
        for _ in range(1_000):
            w -= rate * 2.5 * w
        assert (abs(w) < 1e-3) == found


def test_04_the_control_takes_as_many_steps_at_each_rate_and_averages_the_second_half():
    page, used, losses = definitions("04"), [], iter(range(8))
    page.descend = lambda X, y, rate, steps, looks: [[rate, steps, looks]]
    page.sgd_epoch = lambda X, y, W, b, rates, size, generator: used.append((rates, size))
    page.score = lambda X, y, W, b: (float(next(losses)), 0.0)
    found = page.borders(torch.zeros(250, 2), torch.zeros(250), [0.5, 2.0], 12, 3, [7])
    assert used == [([0.5] * 3, 100)] * 4 + [([2.0] * 3, 100)] * 4, "twelve steps are four passes over three batches"
    assert found["batches"] == [[2.5], [6.5]]
    assert found["full"].tolist() == [[[0.5, 12, 3]], [[2.0, 12, 3]]]


def test_04_going_on_begins_where_the_quarter_before_ended():
    page, penalties = definitions("04"), []
    page.round_coordinates = lambda X, V, penalty: penalties.append(penalty)
    page.lbfgs = lambda X, y, V, penalty, iterations, T: penalties.append(penalty) or V + iterations
    assert page.go_on(None, None, torch.zeros(1), 40)["V"].tolist() == [[10], [20], [30], [40]]
    assert set(penalties) == {0.0}


def test_04_the_ladder_in_the_pixels_reaches_the_optima_of_large_penalties():
    page = definitions("04")
    X, y = small_problem(classes=10)
    for V, penalty in zip(page.plain_ladder(X, y, [0.3, 0.1], 60)["V"], [0.3, 0.1], strict=True):
        w = V.clone().requires_grad_()
        loss = functional.cross_entropy(X.double() @ w[:, :-1].T + w[:, -1], y) + penalty / 2 * w[:, :-1].square().sum()
        assert torch.autograd.grad(loss, w)[0].abs().max() < 1e-4


def test_04_borders_are_compared_where_rate_times_steps_is_equal():
    page = definitions("04")
    page.descend = lambda X, y, rate, steps, looks: [[steps * k / looks, 0.0, rate] for k in range(looks + 1)]
    slow, fast = page.at_equal_progress(None, None, [0.5, 2.0], 80, 4)
    assert slow[:, 0].tolist() == [0, 40, 80, 120, 160]
    assert fast[:, 0].tolist() == [0, 10, 20, 30, 40]
    rows = torch.tensor([[0.0, 9, 2], [10, 9, 1], [20, 9, 0.5]])
    assert page.border_after(rows, 3.0, 30.0) == pytest.approx(2)
    assert page.border_after(rows, 3.0, 45.0) == pytest.approx(3)


def by_torch(X, y, rates, seed, first_weights, of_batch):
    """W.T and b after one epoch of torch's SGD, with a rate for each step and a loss of scores and answers."""
    W, b = first_weights(10, generator := torch.Generator().manual_seed(seed))
    layer = torch.nn.Linear(784, 10)
    layer.load_state_dict({"weight": W.T, "bias": b})
    for rate, rows in zip(rates, torch.randperm(len(X), generator=generator).split(100), strict=True):
        optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
        optimizer.zero_grad()
        of_batch(layer(X[rows]), y[rows]).backward()
        optimizer.step()
    return layer.weight.detach().T, layer.bias.detach(), of_batch(layer(X), y).item()


def test_04_every_step_has_the_rate_that_was_given_for_it():
    page, X, y = definitions("04"), torch.rand(250, 784) / 9, torch.randint(10, (250,))
    (found,) = page.with_rates(X, y, [0.0, 3.0, 1.0], [5], 1)
    W, b, loss = by_torch(X, y, [0.0, 3.0, 1.0], 5, page.first_weights, functional.cross_entropy)
    assert torch.allclose(found["W"], W, atol=1e-5)
    assert torch.allclose(found["b"], b, atol=1e-5)
    assert found["loss"] == pytest.approx(loss, abs=1e-5)


def test_04_ten_outputs_learn_the_sums_from_even_and_odd_alone():
    page, X, odd = definitions("04"), torch.rand(250, 784) / 9, torch.randint(2, (250,))

    def surprise(Z, odd):
        P = torch.softmax(Z, 1)
        even = P[:, [0, 2, 4, 6, 8]].sum(1)
        return -torch.where(odd == 0, even, 1 - even).log().mean()

    (found,) = page.parity_of_ten(X, odd, [5], 1)
    W, b, _ = by_torch(X, odd, [1.0, 0.5, 0.0], 5, page.first_weights, surprise)
    assert torch.allclose(found["W"], W, atol=1e-5)
    assert torch.allclose(found["b"], b, atol=1e-5)
