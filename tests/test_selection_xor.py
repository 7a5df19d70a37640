"""Code of page 02 that trains, counts and measures, against loops, torch and cases that can be counted by hand."""

import itertools

import numpy as np
import pytest
import torch
from conftest import ROOT

from benchmarks.definitions import definitions

CORNERS = np.array([[0.0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
LABELS = np.array([1.0, 0, 0, 1])
POINTS = CORNERS[:, :, None]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", str(ROOT))
    return definitions("02", X=CORNERS, labels=LABELS, corners=CORNERS[:, :2], corners_many=POINTS)


@pytest.fixture
def nets():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 2, 5)), rng.normal(size=(3, 5))


def torch_losses(w, x, y):
    """ℓ of every point at nine weights."""
    z = torch.relu(x @ w[:6].reshape(2, 3).T) @ w[6:8] + w[8]
    return torch.nn.functional.softplus(z) - y * z


def stepped(w, orders, lr, drift=0.0, x=CORNERS):
    """Nine weights after a step for each group of points in `orders`, of torch's gradients; the drift once, before."""
    x, y = torch.from_numpy(x), torch.from_numpy(LABELS)
    w = torch.from_numpy(w.copy()).requires_grad_()

    def gradients(groups, at):
        return [torch.autograd.grad(torch_losses(at, x[g], y[g]).sum(), at, create_graph=True)[0] for g in groups]

    quarter = sum(g.square().sum() for g in gradients([[i] for i in range(len(y))], w)) / 4
    pull = torch.autograd.grad(quarter, w)[0] * drift
    for group in orders:
        (g,) = gradients([group], w)
        w = (w - lr * g).detach().requires_grad_()
    return (w - lr * pull).detach().numpy()


def flat(W, v, i):
    return np.concatenate([W[:, :, i].T.ravel(), v[:, i]])


FORTH = [[0], [1], [2], [3]]


def test_02_one_point_at_a_time_and_full_batch_take_these_steps(page, nets):
    for train, orders in ((page.train_many, FORTH * 2), (page.train_batch, [[0, 1, 2, 3]] * 2)):
        kept = [part.copy() for part in nets]
        after = train(*nets, POINTS, LABELS, 2, 0.3)
        assert all(np.array_equal(a, b) for a, b in zip(nets, kept, strict=True)), "the start is left alone"
        for i in range(5):
            assert np.allclose(flat(*after, i), stepped(flat(*nets, i), orders, 0.3), atol=1e-12)


def test_02_points_may_differ_from_network_to_network(page, nets):
    X = np.random.default_rng(1).normal(size=(4, 3, 5))
    after = page.train_many(*nets, X, LABELS, 1, 0.3)
    for i in range(5):
        assert np.allclose(flat(*after, i), stepped(flat(*nets, i), FORTH, 0.3, x=X[..., i]), atol=1e-12)


@pytest.mark.parametrize("strength", [0.0, 0.4, -0.4])
@pytest.mark.parametrize("single", [True, False])
def test_02_descent_goes_forth_and_back_and_the_drift_is_its_own(page, nets, strength, single):
    after = page.descend(*nets, POINTS, LABELS, 3, 0.2, strength, single)
    forth, back = (FORTH, FORTH[::-1]) if single else ([[0, 1, 2, 3]], [[0, 1, 2, 3]])
    for i in range(5):
        w = flat(*nets, i)
        for order in (forth, back, forth):
            w = stepped(w, order, 0.2, strength)
        assert np.allclose(flat(*after, i), w, atol=1e-12)


def test_02_the_drift_study_does_what_its_names_say(page, nets):
    calls = []
    page.fates = lambda W, v, X, y: calls.append(W) or np.zeros(5)
    found = page.study_drift([0.1], page.DRIFT_WAYS, 0.4, *nets, POINTS, LABELS)
    expected = {
        "full batch 0.1": (4, 0.1, 0.0, False),
        "full batch plus the drift 0.1": (20, 0.02, 0.1, False),
        "forth and back 0.1": (4, 0.1, 0.0, True),
        "forth and back, minus the drift 0.1": (4, 0.1, -0.1, True),
    }
    assert list(found) == [*expected, "fixed order 0.1"]
    after = [page.descend(*nets, POINTS, LABELS, *way)[0] for way in expected.values()]
    after.append(page.train_many(*nets, POINTS, LABELS, 4, 0.1)[0])
    assert all(np.allclose(a, b, atol=1e-12) for a, b in zip(calls, after, strict=True))


def test_02_orders_are_gone_through_epoch_by_epoch(page, nets):
    orders = [[0, 3, 1, 2], [2, 1, 0, 3]]
    after = page.train_in_order(*nets, POINTS, LABELS, 3, 0.3, orders, 0)
    turns = [[i] for i in orders[0] + orders[1] + orders[0]]
    for i in range(5):
        assert np.allclose(flat(*after, i), stepped(flat(*nets, i), turns, 0.3), atol=1e-12)


def test_02_without_an_order_each_network_draws_its_own(page, nets):
    many = [np.repeat(part[..., :1], 400, axis=-1) for part in nets]
    after = page.train_in_order(*many, POINTS, LABELS, 1, 0.3, None, 0)
    every = [stepped(flat(*nets, 0), [[i] for i in turns], 0.3) for turns in itertools.permutations(range(4))]
    taken = [int(np.abs(np.array(every) - flat(*after, i)).max(axis=1).argmin()) for i in range(400)]
    assert all(np.allclose(flat(*after, i), every[taken[i]], atol=1e-12) for i in range(400))
    assert set(taken) == set(range(24)), "every one of the 24 orders occurs in 400 draws"


def test_02_the_parts_of_the_drift_add_up_and_each_moves_what_it_can(page, nets):
    x, only = POINTS[2], np.eye(3)[:, :, None]
    parts = [page.drift_parts(*nets, x, 0.0, one) for one in only]
    for k, whole in enumerate(page.drift_many(*nets, x, 0.0)):
        assert np.allclose(sum(part[k] for part in parts), whole, atol=1e-14)
    assert not parts[1][1].any(), "no output weight stands in ‖h̃‖²"
    assert not parts[2][0].any(), "no hidden weight stands in Σv²"


def test_02_equal_time_takes_more_epochs_at_smaller_rates_and_parts_get_equal_starts(page):
    orders = {"one": [[3, 0, 1, 2]], "random": None}
    found = page.study_orders([0.5, 0.25], orders, 3.0, 40, POINTS, LABELS, 7)
    start = page.draw_starts("rand", 40, 2, 7)
    for rate, passes in ((0.5, 6), (0.25, 12)):
        for name, order in orders.items():
            after = page.train_in_order(*start, POINTS, LABELS, passes, rate, order, 7)
            assert np.array_equal(found[f"{name} {rate:g}"], page.fates(*after, POINTS, LABELS))
    by_part = page.study_parts(0.5, 0.2, 3.0, *start, POINTS, LABELS)
    for part, one in enumerate(np.eye(3)[:, :, None]):
        W, v = start
        for _ in range(30):
            pulls = [page.drift_parts(W, v, x, y, one) for x, y in zip(POINTS, LABELS, strict=True)]
            to = page.train_batch(W, v, POINTS, LABELS, 1, 0.1)
            W, v = (a - 0.1 * 0.5 * sum(pull[k] for pull in pulls) for k, a in enumerate(to))
        assert np.array_equal(by_part[part], page.fates(W, v, POINTS, LABELS))


def test_02_fates_are_looked_at_when_the_time_has_come(page):
    asked = []

    def way(W, v, X, y, passes, rate):
        asked.append(passes)
        return W + passes * rate, v

    page.fates = lambda W, v, X, y: W.copy()
    found = page.follow(way, np.zeros(2), None, None, None, 0.05, [1.0, 2.5, 10.0])
    assert asked == [20, 30, 150]
    assert np.allclose(found, [[1, 1], [2.5, 2.5], [10, 10]])


def test_02_every_rate_starts_anew_from_the_same_starts(page):
    times = [0.3, 0.9]
    found = page.study_rates([0.3, 0.1], times, 6, POINTS, LABELS, 4)
    start = page.draw_starts("rand", 6, 2, 4)
    for name, way in (("train_many", page.train_many), ("train_batch", page.train_batch)):
        for rate, passes in ((0.3, 3), (0.1, 9)):
            expected = page.fates(*way(*start, POINTS, LABELS, passes, rate), POINTS, LABELS)
            assert np.array_equal(found[f"{name} {rate:g}"][1], expected)


def test_02_the_homework_s_way_for_many_is_that_for_one(page, nets):
    W, v = nets
    after = page.homework_many(W, v, POINTS, LABELS, 3, 0.2)
    for i in range(5):
        one = page.homework_run(W[:, :, i].T, v[:, i], CORNERS, LABELS, 3, 0.2)
        assert np.allclose(after[0][:, :, i].T, one[0], atol=1e-12)
        assert np.allclose(after[1][:, i], one[1], atol=1e-12)


def test_02_starts_are_drawn_as_they_are_called(page):
    W, v = page.draw_starts("rand", 4_000, 4, 0)
    assert W.shape == (3, 4, 4_000)
    assert v.shape == (5, 4_000)
    assert 0 <= min(W.min(), v.min())
    assert (W.mean(), W.std()) == pytest.approx((0.5, 12**-0.5), abs=0.01)
    W, v = page.draw_starts("randn", 4_000, 4, 0)
    assert (W.mean(), W.std(), v[-1].std()) == pytest.approx((0, 1, 1), abs=0.05)
    W, v = page.draw_starts("He", 4_000, 4, 0, bias=0.3)
    assert (W[:2].std(), v[:-1].std()) == pytest.approx((1, 0.5**0.5), abs=0.02)  # 2 inputs; 4 hidden units
    assert set(W[2].flat) == {0.3}
    assert set(v[-1]) == {0.0}
    assert page.draw_starts("rand", 3, 2, 7)[0][:, 1, 2] == pytest.approx(np.random.RandomState(7).rand(3, 2, 3)[2, 1])


def test_02_each_study_trains_what_it_names(page):
    n, epochs, lr = 5, 3, 0.2
    W, v = page.draw_starts("rand", n, 2, 1)
    found = page.study_two(n, POINTS, LABELS, epochs, lr, 1)
    after = {
        "right": page.train_many(W, v, POINTS, LABELS, epochs, lr),
        "stale": page.homework_many(W, v, POINTS, LABELS, epochs, lr, lambda a: (a > 0) * 1.0),
        "ramp": page.train_many(W, v, POINTS, LABELS, epochs, lr, lambda a: np.clip(a, 0, 1)),
        "ramp_stale": page.homework_many(W, v, POINTS, LABELS, epochs, lr, lambda a: np.clip(a, 0, 1)),
    }
    for name, weights in after.items():
        assert np.allclose(found["losses"][name], summed(*weights)), name
    assert len({found["losses"][name].sum() for name in after}) == 4

    page.fates = lambda W, v, X, y: (1e5 * summed(W, v)) % 100
    for study, way in ((page.study_hidden, page.train_many), (page.study_hidden_batch, page.train_batch)):
        sizes = study([2, 3], ["He"], n, POINTS, LABELS, epochs, lr, 1)
        expected = summed(*way(*page.draw_starts("He", n, 3, 1), POINTS, LABELS, epochs, lr))
        assert np.array_equal(sizes["He 3"], ((1e5 * expected) % 100).astype(np.int8))
    biases = page.study_bias([-2.0, 2.0], [2], n, POINTS, LABELS, 1, lr, 1)
    for bias in (-2.0, 2.0):
        start = page.draw_starts("He", n, 2, 1, bias)
        expected = summed(*page.train_many(*start, POINTS, LABELS, 1, lr))
        assert np.array_equal(biases[f"{bias:g} 2"], ((1e5 * expected) % 100).astype(np.int8))


def summed(W, v):
    return np.array(
        [
            torch_losses(torch.from_numpy(np.concatenate([W[:, :, i].T.ravel(), v[:, i]])), *both).sum()
            if W.shape[1] == 2
            else wide_loss(W[:, :, i], v[:, i])
            for both in [(torch.from_numpy(CORNERS), torch.from_numpy(LABELS))]
            for i in range(W.shape[2])
        ]
    )


def wide_loss(W, v):
    z = np.maximum(CORNERS @ W, 0) @ v[:-1] + v[-1]
    return (np.log1p(np.exp(z)) - LABELS * z).sum()


def test_02_silence_knows_plateau_dead_units_and_silent_points(page):
    W = np.array([[[-1, -1, 0.5], [-1, -1, -1]], [[1, 0, 0], [1, 1, -1]], [[1, 1, 1], [1, 1, 1]]]).transpose(2, 1, 0)
    floor, dead, silent = page.silence(W, np.ones((3, 3)), POINTS, LABELS)
    assert silent.tolist() == [3, 2, 0]
    assert dead.tolist() == [True, False, False]
    assert floor == pytest.approx([-np.log(1 / 3) - 2 * np.log(2 / 3), 2 * np.log(2), 0])
    one_class = np.array([[[1, 1, 0], [1, 1, -1]]]).transpose(2, 1, 0)  # only (0, 0) is silent
    assert page.silence(one_class, np.ones((3, 1)), POINTS, LABELS)[0].tolist() == [0]
    assert page.silence(W, np.ones((3, 3)), POINTS, LABELS, faint=1.0)[2].tolist() == [4, 4, 1]


def test_02_noisy_sets_hold_the_corners_in_turn_displaced(page):
    X = page.noisy_corners(1e-9, 3, 7, 0)
    assert X.shape == (12, 3, 7)
    assert np.abs(X - np.tile(CORNERS, (3, 1))[:, :, None]).max() < 1e-7
    X = page.noisy_corners(0.5, 3, 4_000, 0) - np.tile(CORNERS, (3, 1))[:, :, None]
    assert X[:, :2].std() == pytest.approx(0.5, rel=0.01)
    assert not X[:, 2].any()
    assert np.abs(np.corrcoef(X[:, :2].reshape(24, -1)) - np.eye(24)).max() < 0.1
    one = page.noisy_corners(0.5, 1, 9, 3)[:, :2].transpose(2, 0, 1)
    assert np.allclose(one, page.noisy_points(0.5, 9, 3)), "the draws whose lines are counted are those trained on"
    fresh = page.fresh_points(0.5, 8_000, 0)
    assert fresh.shape == (8_000, 3)
    assert fresh[:, :2].mean(0) == pytest.approx([0.5, 0.5], abs=0.03)
    assert fresh[:2_000, :2].std() == pytest.approx(0.5, rel=0.05)


def test_02_the_excess_is_a_divergence_from_the_gaussians_own_probability(page, nets):
    sigma, places = 0.7, np.random.default_rng(2).normal(size=(11, 3)) + [0, 0, 1]
    at = np.exp(-((places[:, None, :2] - CORNERS[None, :, :2]) ** 2).sum(-1) / (2 * sigma**2))
    p = at[:, [0, 3]].sum(1) / at.sum(1)
    found = page.excess(*nets, sigma, places)
    for i in range(5):
        q = 1 / (1 + np.exp(-(np.maximum(places @ nets[0][:, :, i], 0) @ nets[1][:2, i] + nets[1][2, i])))
        divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
        assert found[i] == pytest.approx(divergence.mean(), rel=1e-9)
        assert found[i] > 0


def test_02_more_data_is_trained_and_judged_at_its_own_noise(page):
    places = {"0.5": page.fresh_points(0.5, 8, 0), "2": page.fresh_points(2.0, 8, 0)}
    steps = {"few": [1, 1], "careful": [2, 5]}
    found = page.study_copies([1, 2], [3], steps, [0.5, 2.0], 4, places, LABELS, 6, 0.2, 0)
    W, v = page.draw_starts("rand", 8, 3, 0)
    for name, (passes, lr) in {"1 few": (6, 0.2), "2 few": (3, 0.2), "1 careful": (12, 0.04)}.items():
        c = int(name[0])
        for j, sigma in enumerate((0.5, 2.0)):
            part = W[..., 4 * j : 4 * j + 4], v[..., 4 * j : 4 * j + 4]
            X = page.noisy_corners(sigma, c, 4, 0)
            after = page.train_many(*part, X, np.tile(LABELS, c), passes, lr)
            assert np.allclose(found[f"3 {name}"][j], page.excess(*after, sigma, places[f"{sigma:g}"]))


def test_02_noise_is_trained_on_and_the_clean_corners_are_judged(page, nets):
    W, v = nets[0][:, :, 0].T, nets[1][:, 0]
    found = page.study_noise([0.5, 2.0], 3, W, v, POINTS, LABELS, 4, 0.1, 0)
    for sigma in (0.5, 2.0):
        X = page.noisy_corners(sigma, 1, 3, 0)
        for i in range(3):
            one = page.sgd(W, v, X[..., i], LABELS, 4, 0.1)
            assert found[f"train_many {sigma:g}"][i] == pytest.approx(page.total_loss(*one[:2], CORNERS, LABELS))
            one = page.homework_run(W, v, X[..., i], LABELS, 4, 0.1)
            assert found[f"homework_many {sigma:g}"][i] == pytest.approx(page.total_loss(*one[:2], CORNERS, LABELS))


def test_02_full_batch_is_continued_from_the_trap_alone(page):
    found = page.study_batch(40, POINTS, LABELS, 60, 0.3, 0)
    after = page.train_batch(*page.draw_starts("rand", 40, 2, 0), POINTS, LABELS, 60, 0.3)
    linear = page.fates(*after, POINTS, LABELS) == 2
    assert 0 < linear.sum() < 40
    assert np.array_equal(found["after"][0], after[0])
    longer = page.train_batch(after[0][..., linear], after[1][..., linear], POINTS, LABELS, 300, 0.3)
    assert np.allclose(found["longer"][0], longer[0])


def test_02_shares_count_what_they_say(page):
    share, low, high = page.share_of(np.array([0, 1, 1, 3]), 1)
    assert share == 0.5
    assert low < 0.5 < high
    recorded = {}
    page.run = type("Run", (), {"record": lambda self, name, value, **more: recorded.update({name: more}) or value})()
    assert page.record_solved("x", np.array([0.0, 0.099, 0.1, 5.0]), "words")[0] == 0.5
    assert recorded["x"]["n"] == 4


def test_02_a_median_counts_what_diverged_as_lost(page):
    (median, low, high), ends = page.summary(np.array([1.0, 2.0, 3.0, np.nan] * 50))
    assert (median, low) == (2.5, 1.75)
    assert high == np.inf
    assert ends[0] <= 2.5 <= ends[1]


def test_02_tied_starts_are_three_times_one_neuron(page):
    found = page.study_tied(4, POINTS, LABELS, 3, 0.2, 5)
    for i, w in enumerate(np.random.RandomState(5).rand(4, 3)):
        one = page.sgd(np.stack([w, w]), w, CORNERS, LABELS, 3, 0.2)
        assert found[i] == pytest.approx(one[2][-1])


def test_02_at_its_kink_a_unit_is_off(page):
    assert page.step(np.array([-1.0, 0.0, 1e-300])).tolist() == [0, 0, 1]
    still = np.zeros((3, 2, 1)), np.ones((3, 1))
    assert not page.gradients_many(*still, POINTS[0], 0.0)[0].any(), "with zero biases (0, 0) is silent"
    assert page.log_cosh(np.array([0.0, 1.0, -2.0])) == pytest.approx(np.log(np.cosh([0.0, 1.0, -2.0])))
