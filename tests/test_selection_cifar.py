"""Page 05's code that splits, trains, chooses and scores, against brute force on cases that can be counted by hand."""

import math

import numpy as np
import pytest
import torch
from test_selection import here, recorder  # noqa: F401
from torch import nn
from torch.nn import functional

from benchmarks.definitions import definitions

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def page():
    return definitions("05", where=CPU)


def pictures(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return images, torch.randint(0, 10, (n,), generator=generator)


def test_a_tenth_is_held_out_at_random_and_apart(page):
    held, kept = page.held_out(103, 5)
    assert (len(held), len(kept)) == (10, 93)
    assert sorted([*held.tolist(), *kept.tolist()]) == [*range(103)]
    assert held.tolist() != page.held_out(103, 6)[0].tolist()
    assert held.tolist() == page.held_out(103, 5)[0].tolist()
    assert max(held.tolist()) > 50, "not the first rows"


@pytest.mark.parametrize(("padding", "pool"), [(2, "max"), (2, "average"), (0, "max")])
def test_a_cell_is_plain_sgd_from_its_seeds(page, padding, pool):
    (X, y), (T, t) = pictures(30), pictures(11, 1)
    found = page.train_cell(padding, pool, 7, 0.05, 2, [3, 9], X, y, T, t)
    pooled = {"max": functional.max_pool2d, "average": functional.avg_pool2d}[pool]
    for row, s in enumerate((3, 9)):
        torch.manual_seed(s)
        side = 8 if padding else 5
        layers = [nn.Conv2d(3, 16, 5), nn.Conv2d(16, 32, 5), nn.Linear(32 * side * side, 10)]
        params = [p for layer in layers for p in layer.parameters()]

        def scores(images, params=params):
            hidden = images / 127.5 - 1
            for K, b in (params[:2], params[2:4]):
                hidden = pooled(functional.leaky_relu(functional.conv2d(hidden, K, b, padding=padding)), 2)
            return functional.linear(hidden.flatten(1), *params[4:])

        orders = torch.Generator().manual_seed(s)
        for epoch in range(2):
            right = 0
            for rows in torch.randperm(30, generator=orders).split(7):
                z = scores(X[rows])
                right += (z.argmax(1) == y[rows]).sum().item()
                gradients = torch.autograd.grad(functional.cross_entropy(z, y[rows]), params)
                with torch.no_grad():
                    for p, gradient in zip(params, gradients, strict=True):
                        p -= 0.05 * gradient
            assert found["train"][row, epoch].item() == pytest.approx(right / 30)
            tested = (scores(T).argmax(1) == t).sum().item() / 11
            assert found["test"][row, epoch].item() == pytest.approx(tested)
        assert found["predicted"][row].tolist() == scores(T).argmax(1).tolist()


def test_the_best_cell_is_the_one_of_the_highest_last_held_out_accuracy(page):
    def cell(*test):
        return {"test": torch.tensor([test]), "train": torch.tensor([[0.9, 1 - test[-1]]])}

    choice = {("A", 10): cell(0.9, 0.3), ("B", 25): cell(0.1, 0.6), ("C", 50): cell(0.2, 0.5)}
    assert page.best_cell(choice) == ("B", 25)


def test_a_recipe_trains_with_its_rate_schedule_length_and_augmentation(page, monkeypatch):
    X, y = pictures(40)
    T, _ = pictures(6, 1)
    calls = []
    monkeypatch.setattr(page, "train", recorder(calls, page.train))
    recipe = {"epochs": 3, "batch_size": 16, "lr": 0.02, "decay": 1e-3, "schedule": True, "padding": 2, "flips": True}
    found = page.train_recipe({"kind": "A"}, recipe, [4, 5], X, y, T)
    (network, data, measured), more = calls[-1]
    assert data[0] is X
    assert measured is None, "nothing is chosen while it trains"
    group = more["optimizer"].param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, True, 1e-3)
    assert (more["epochs"], more["batch_size"]) == (3, 16)
    assert more["schedule"].total_steps == 9  # three batches of 40 pictures, three epochs
    assert group["max_lr"] == 0.02
    assert (more["augment"].padding, more["augment"].flips) == (2, True)
    network.eval()
    with torch.inference_mode():
        plain, turned = network(T), network(T.flip(3))
    assert found["plain"].shape == found["mirrored"].shape == (2, 6)
    assert found["plain"][1].tolist() == plain.argmax(1).tolist()
    assert found["mirrored"][1].tolist() == (plain + turned).argmax(1).tolist()
    assert found["train"].shape == (2, 3)
    steady = page.train_recipe({"kind": "A"}, recipe | {"schedule": False}, [4], X, y, T)
    assert calls[-1][1]["schedule"] is None
    assert torch.equal(found["weights"]["8.bias"], network.state_dict()["8.bias"])
    assert steady["plain"].shape == (1, 6)


@pytest.mark.parametrize("plan", [{"kind": "A"}, {"kind": "wide"}, {"kind": "wide", "norm": False}, {"kind": "deep"},
                                  {"kind": "deep", "norm": False}, {"kind": "deep", "cells": 2}])  # fmt: skip
def test_no_design_has_more_parameters_than_network_a(page, plan):
    network = page.design(**plan)
    assert sum(p.numel() for p in network.parameters()) <= 34_538
    assert network(pictures(3)[0]).shape == (3, 10)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert bool(norms) == (plan["kind"] != "A" and plan.get("norm", True))


def test_the_nearest_picture_is_found(page):
    (X, y), (T, _) = pictures(60), pictures(25, 1)
    T[:5] = X[10:15]
    distances = ((T[:, None].double() - X[None].double()) ** 2).sum((2, 3, 4))
    assert page.nearest_labels(X, y, T)["labels"].tolist() == y[distances.argmin(1)].tolist()
    assert page.nearest_labels(X, y, T)["labels"][:5].tolist() == y[10:15].tolist()


def test_a_mean_over_seeds_and_its_interval(page):
    right = torch.tensor([[True, True, False, False], [True, False, False, False]])
    mean, (low, high) = page.of_mean(right)
    assert mean == 3 / 8
    deviation = np.std([1, 0.5, 0, 0], ddof=1)
    assert (high - low) / 2 == pytest.approx(1.96 * deviation / math.sqrt(4))
    assert (high + low) / 2 == pytest.approx(mean)


def test_what_a_step_gained_is_paired(page):
    one = torch.tensor([[True, True, True, False]])
    other = torch.tensor([[True, False, True, False]])
    half = 1.96 * np.std([0, 1, 0, 0], ddof=1) / 2 * 100
    assert page.gained(one, other) == f"+25.0 [{25 - half:.1f},\u00a0+{25 + half:.1f}]".replace("-", "−")


def test_optimism_is_nothing_where_networks_differ_by_far_and_something_where_they_do_not(page):
    generator = torch.Generator().manual_seed(0)
    far = torch.zeros(2, 400, dtype=torch.bool)
    far[1] = True
    assert page.optimism(far, 20, generator) == 0
    alike = torch.rand(30, 400, generator=generator) < 0.5
    # the largest of thirty normal numbers is 2.04 deviations up, and the half apart shares nothing with it but the mean
    expected = 2 * 2.04 * 0.5 / math.sqrt(200) * math.sqrt(200 / 400)
    assert page.optimism(alike, 400, generator) == pytest.approx(expected, rel=0.35)


def test_copies_are_counted_by_hand(page):
    M = page.copies(1, 2, 2, 2, 1)  # windows of 2 × 2 over a picture of 2 × 2 with a border: nine
    assert M.shape == (9, 4, 4)
    assert M.sum(dim=(0, 1)).tolist() == [4, 4, 4, 4]  # each pixel is seen by four windows
    assert M[4].tolist() == torch.eye(4).tolist()  # the window in the middle is the picture
    assert M[0].nonzero().tolist() == [[3, 0]]  # the first sees one pixel, in its last place
