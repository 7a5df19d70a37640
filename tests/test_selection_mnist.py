"""Page 03's code that selects, trains and measures, against brute force on cases that can be counted by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from test_selection import here, recorder  # noqa: F401
from torch.nn import functional

from benchmarks.definitions import definitions
from helpers import batches

CPU = torch.device("cpu")


def page_03(**values):
    return definitions("03", where=CPU, **values)


def pictures(n):
    """Bytes (n, 1, 28, 28) and labels (n,)."""
    return torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8), torch.randint(0, 10, (n,))


def by_torch(weights, x):
    """The scores of the classes."""
    W1, b1, W2, b2 = weights
    return torch.sigmoid(x @ W1 + b1) @ W2 + b2


def descended(weights, steps, X, y, lrs):
    """The weights after steps (rows, …) of torch's SGD, with a rate for each layer."""
    params = [w.clone().requires_grad_() for w in weights]
    sgd = torch.optim.SGD([{"params": params[:2], "lr": lrs[0]}, {"params": params[2:], "lr": lrs[1]}])
    for rows in steps:
        sgd.zero_grad()
        functional.cross_entropy(by_torch(params, X[rows]), y[rows]).backward()
        sgd.step()
    return [p.detach() for p in params]


def test_pictures_and_labels_are_taken_in_the_same_order():
    images, y = pictures(70)
    order = torch.randperm(70)
    page = page_03(small_lr=0.3)
    page.X, page.Y, page.untrained = page.flat(images), page.one_hot(y), page.normal_start(0)
    found = page.one_epoch(order)
    page.X, page.Y = page.X[order], page.Y[order]
    expected = page.one_epoch(torch.arange(70))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert not torch.equal(found[0], page.untrained[0])


def test_curves_have_the_running_means_and_then_the_test_set():
    images, y = pictures(50)
    page = page_03()
    X, start = page.flat(images), page.normal_start(0)
    found = page.train(start, X[:40], y[:40], X[40:], y[40:], lr=0.2, epochs=2)
    steps = torch.arange(40).split(32)
    for epoch in (0, 1):
        before = [descended(start, (list(steps) * 2)[: 2 * epoch + i], X, y, (0.2, 0.2)) for i in (0, 1, 2)]
        z = torch.cat([by_torch(before[i], X[rows]) for i, rows in enumerate(steps)])
        test = by_torch(before[2], X[40:])
        expected = {
            "train_loss": functional.cross_entropy(z, y[:40]).item(),
            "train_accuracy": (z.argmax(1) == y[:40]).double().mean().item(),
            "test_loss": functional.cross_entropy(test, y[40:]).item(),
            "test_accuracy": (test.argmax(1) == y[40:]).double().mean().item(),
        }
        assert {name: column[epoch] for name, column in found["curves"].items()} == pytest.approx(expected, rel=1e-4)
    assert torch.equal(start[0], page.normal_start(0)[0]), "the start is left as it was"


def test_the_starts_have_the_spread_of_torch_s_and_the_same_normal_numbers():
    page = page_03()
    weights, normal = page.xavier_start(3), page.normal_start(3)
    for W, N in zip(weights[::2], normal[::2], strict=True):
        spreads = [torch.nn.init.xavier_normal_(torch.empty(W.T.shape)).std().item() for _ in range(20)]
        assert W.std().item() == pytest.approx(np.mean(spreads), rel=0.05)
        assert torch.allclose(W / W.std(), N / N.std(), atol=1e-5)
    scaled = page.normal_start(3, 2.0, 0.5)
    assert torch.allclose(scaled[0], 2 * normal[0])
    assert torch.allclose(scaled[2], normal[2] / 2)


def test_each_seed_has_its_own_rates_for_its_layers():
    images, y = pictures(60)
    page = page_03()
    X, scales, lrs = page.flat(images), (0.1, 0.3), [[0.2, 0.0], [0.05, 0.4]]
    found = page.by_layer(scales, lrs, [1, 2], X[:40], y[:40], X[40:], y[40:], epochs=2)
    steps = torch.arange(40).split(32)
    for i, (seed, rates) in enumerate(zip((1, 2), lrs, strict=True)):
        for epoch in (1, 2):
            weights = descended(page.normal_start(seed, *scales), steps * epoch, X, y, rates)
            right = (by_torch(weights, X[40:]).argmax(1) == y[40:]).double().mean().item()
            assert found["accuracy"][i, epoch - 1].item() == pytest.approx(right)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found["weights"], weights, strict=True))


def test_the_map_has_a_row_for_each_rate_of_the_first_layer():
    page, calls = page_03(), []
    page.by_layer = recorder(
        calls, lambda scales, lrs, seeds, **_: {"accuracy": torch.tensor([[9.0, a] for a, _ in lrs])}
    )
    found = page.map_of_rates((1, 2), 7, [0.0, 0.5, 3.0], *"Xyab")["accuracy"]
    assert found.tolist() == [[0.0] * 3, [0.5] * 3, [3.0] * 3]
    (((_, lrs, seeds), more),) = calls
    assert [tuple(pair) for pair in lrs] == list(itertools.product([0.0, 0.5, 3.0], repeat=2))
    assert seeds == [7] * 9
    assert more == {"X": "X", "y": "y", "X_test": "a", "y_test": "b", "epochs": 2}


def test_what_an_untrained_network_looks_like():
    images, y = pictures(30)
    page = page_03()
    X, tau = page.flat(images), 0.7
    weights = page.normal_start(0, 0.5, tau)
    weights[1] += 0.3
    W1, b1, W2, b2 = (w.clone().requires_grad_() for w in weights)
    z1 = X @ W1 + b1
    s = torch.sigmoid(z1)
    z2 = s @ W2 + b2
    losses = functional.cross_entropy(z2, y, reduction="none")
    u, arriving = torch.autograd.grad(losses.sum(), (z2, s), retain_graph=True)
    expected = {
        "loss": losses.mean().item(),
        "std": z1.std().item(),
        "far": np.mean([abs(value) > 4 for value in z1.flatten().tolist()]),
        "slope": np.mean([v * (1 - v) for v in s.flatten().tolist()]),
        "predicted": math.sqrt(np.mean([tau**2 * (row @ row).item() for row in u])),
        "arriving": math.sqrt(np.mean(np.square(arriving.numpy()))),
        "gradient": torch.autograd.grad(losses.mean(), W1)[0].norm().item(),
    }
    assert page.look(weights, X, page.one_hot(y), tau) == pytest.approx(expected, rel=1e-4)


def test_a_batch_is_compared_with_all_rows():
    images, y = pictures(96)
    page = page_03()
    X, Y, weights = page.flat(images), page.one_hot(y), page.xavier_start(0)

    def gradient(rows):
        leaves = [w.clone().requires_grad_() for w in weights]
        functional.cross_entropy(by_torch(leaves, X[rows]), y[rows]).backward()
        return torch.cat([w.grad.flatten() for w in leaves])

    whole = gradient(slice(96))
    cosines = [
        (gradient(rows) @ whole / gradient(rows).norm() / whole.norm()).item() for rows in torch.arange(64).split(32)
    ]
    assert page.roughness(weights, X, Y, batches=2) == pytest.approx(np.mean(cosines), rel=1e-4)


def test_lanczos_finds_the_largest_curvature():
    page = page_03()
    X, y = torch.randn(20, 3).double(), torch.arange(20) % 2
    weights = [torch.randn(shape).double() for shape in ((3, 2), (2,), (2, 2), (2,))]
    sizes = [w.numel() for w in weights]

    def loss(vector):
        parts = [part.view(w.shape) for part, w in zip(vector.split(sizes), weights, strict=True)]
        return functional.cross_entropy(by_torch(parts, X), y)

    values = torch.linalg.eigvalsh(torch.func.hessian(loss)(page.flattened(weights)))
    page.torch = torch
    found = page.largest_curvature(weights, X, y)
    assert found == {"h": pytest.approx(values.max().item(), rel=2e-3)}


def test_how_far_weights_have_gone_is_measured_by_where_they_began():
    assert page_03().moved(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 0.0]])) == pytest.approx(4 / 3)


def test_the_lowest_loss_names_the_best_rate():
    assert page_03().best_of({"0.1": 0.3, "1": 0.2, "10": 0.4}) == "1"


@pytest.mark.parametrize(
    ("losses", "valley"),
    [([3, 2, 4], True), ([3, 1, 2, 4], True), ([3, 2, 1], False), ([1, 2, 3], False), ([3, 1, 4, 2], False)],
)
def test_a_valley_falls_to_one_lowest_and_rises(losses, valley):
    assert page_03().one_valley(losses) is valley


def test_differences_are_of_the_same_seeds():
    page = page_03()
    one, other = torch.tensor([0.9, 0.7, 0.8]), torch.tensor([0.6, 0.8, 0.7])
    assert page.seeds_apart(one, other).replace("\u00a0", " ") == "+10.0 points [−10.0, +30.0]"
    assert page.spread(one, 1).replace("\u00a0", " ") == "0.8 [0.7, 0.9]"


def test_a_recipe_is_momentum_and_a_cosine_over_shifted_copies():
    images, y = pictures(40)
    page = page_03()
    settings = {"lr": 0.3, "batch_size": 16, "momentum": 0.9}
    found = page.train_recipe(images, y, seed=5, epochs=3, shifts=[1, 2], **settings)

    params = [w.requires_grad_() for w in page.normal_start(5, math.sqrt(2 / 912), math.sqrt(2 / 138))]
    generator = torch.Generator().manual_seed(5)
    sgd = torch.optim.SGD(params, lr=0.3, momentum=0.9)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=9)
    for _ in range(3):
        moved = images
        for distance in (1, 2):
            moved = batches.random_shift(moved, distance, generator)
        order = torch.randperm(40, generator=generator)
        for rows in order.split(16):
            sgd.zero_grad()
            functional.cross_entropy(by_torch(params, moved[rows].reshape(-1, 784) / 255), y[rows]).backward()
            sgd.step()
            cosine.step()
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, params, strict=True))


def test_a_recipe_is_judged_on_pictures_that_it_has_not_seen():
    images = torch.arange(24, dtype=torch.uint8).reshape(24, 1, 1, 1)
    trained, judged = [], []
    page = page_03()
    page.train_recipe = recorder(trained, lambda *_, **__: "weights")
    page.is_right = recorder(judged, lambda weights, images, y: y == 3)
    found = page.validate({"lr": 0.5, "epochs": 2}, [0, 1], images, torch.arange(24))["right"]
    assert found.shape == (2, 2)
    tested = []
    for (arguments, more), (_, X_held, y_held), seed in zip(trained, (a for a, _ in judged), (0, 1), strict=True):
        assert more == {"seed": seed, "lr": 0.5, "epochs": 2}
        seen, labels = arguments
        assert sorted([*labels.tolist(), *y_held.tolist()]) == list(range(24))
        assert labels.tolist() == seen.flatten().tolist()
        assert y_held.tolist() == X_held.flatten().tolist()
        tested.append(y_held.tolist())
    assert tested[0] != tested[1], "each seed draws its own"
    assert found.tolist() == [[k == 3 for k in rows] for rows in tested]


def test_right_is_what_the_labels_say():
    images, y = pictures(30)
    page = page_03()
    weights = page.normal_start(0)
    expected = by_torch(weights, images.reshape(30, 784) / 255).argmax(1) == y
    assert torch.equal(page.is_right(weights, images, y), expected)
    loss, accuracy = page.score(weights, page.flat(images), y)
    assert accuracy == expected.double().mean().item()
    assert loss == pytest.approx(functional.cross_entropy(by_torch(weights, page.flat(images)), y).item(), rel=1e-5)


def test_the_recipe_that_is_right_most_often_is_chosen():
    found = {"one": [[1, 1, 0], [1, 0, 0]], "two": [[0, 1, 0], [1, 1, 1]], "three": [[1, 1, 1], [0, 0, 0]]}
    found = {name: torch.tensor(right) > 0 for name, right in found.items()}
    assert page_03().best_validated(found) == "two"


def test_a_contest_counts_the_disagreements():
    one, other = torch.tensor([[1, 1, 1, 0, 1]]) > 0, torch.tensor([[0, 1, 0, 1, 0]]) > 0
    page = page_03()
    won, lost, (low, high) = page.share_won(one, other)
    assert (won, lost) == (3, 1)
    z, p, n = 1.959964, 0.75, 4
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (low, high) == pytest.approx([(middle + sign * half) / (1 + z * z / n) for sign in (-1, 1)], rel=1e-5)
    assert page.share_won(one, one) == (0, 0, (0.0, 1.0))
    assert page.contest(other, one).startswith("1 to 3 ")


def test_an_effective_rate_is_shared_out():
    page = page_03(momentum_epochs=4)
    assert page.plain(3.0, 0.9) == {"lr": pytest.approx(0.3), "momentum": 0.9, "shifts": [], "epochs": 4}
    assert page.recipe_of("μ = 0.9, 3") == {"lr": pytest.approx(0.3), "momentum": 0.9}
    assert page.recipe_of("μ = 0.0, 0.3") == {"lr": pytest.approx(0.3), "momentum": 0.0}


def test_one_batch_of_all_is_torch_s_descent():
    images, y = pictures(30)
    page = page_03()
    X = page.flat(images)
    found = page.full_batch(0.2, 0.9, [4], X, y, steps=3)["losses"]
    params = [w.requires_grad_() for w in page.xavier_start(4)]
    sgd = torch.optim.SGD(params, lr=0.2, momentum=0.9)
    for _ in range(3):
        sgd.zero_grad()
        functional.cross_entropy(by_torch(params, X), y).backward()
        sgd.step()
    assert found == [pytest.approx(functional.cross_entropy(by_torch(params, X), y).item(), rel=1e-4)]


def test_the_final_network_is_the_recipe_on_what_it_is_given():
    calls = []
    page = page_03()
    page.train_recipe = recorder(calls, lambda *_, **__: "weights")
    assert page.final({"lr": 0.5, "epochs": 4}, 3, "images", "y") == {"weights": "weights"}
    assert calls == [(("images", "y"), {"seed": 3, "lr": 0.5, "epochs": 4})]


def test_the_interval_counts_the_test_pictures_once():
    z, p, n = 1.959964, 0.7, 10
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [(middle + sign * half) / (1 + z * z / n) for sign in (-1, 1)]
    assert page_03(n_test=10).of_test(0.7) == pytest.approx(expected, rel=1e-5)


def test_an_intervention_changes_one_rate_by_the_ratio_of_its_seed():
    page = page_03(both="N", swapped="X")
    relative = {"N": torch.tensor([[0.5, 9.0], [0.25, 9.0]]), "X": torch.tensor([[4.0, 7.0], [1.0, 7.0]])}
    assert page.interventions_of(0.5, relative) == {
        "saturated, long steps": ("N", [[4.0, 0.5], [2.0, 0.5]]),
        "not saturated, short steps": ("X", [[0.0625, 0.5], [0.125, 0.5]]),
        "saturated, second layer's rate raised": ("N", [[0.5, 4.0], [0.5, 2.0]]),
    }


def test_the_two_parts_multiply_to_the_whole_ratio():
    page = page_03(both="N", swapped="X")
    relative = {"N": torch.tensor([[0.5, 9.0], [0.25, 9.0]]), "X": torch.tensor([[4.0, 7.0], [1.0, 7.0]])}
    assert list(page.parts_of(0.5, relative, 2.0).values()) == [[[1.0, 0.5], [1.0, 0.5]], [[2.0, 0.5], [1.0, 0.5]]]


def test_a_recipe_is_lengthened_and_nothing_else():
    found = page_03().lengthened({"lr": 0.5, "shifts": [2], "epochs": 1}, [3, 7])
    assert found == {f"{n} epochs": {"lr": 0.5, "shifts": [2], "epochs": n} for n in (3, 7)}


def test_the_winner_is_the_recipe_of_that_name():
    found = {"a": torch.tensor([[True, False]]), "b": torch.tensor([[True, True]])}
    assert page_03().winner({"a": 1, "b": 2}, found) == 2
