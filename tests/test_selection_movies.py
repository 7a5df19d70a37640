"""Code of pages 11 and 12 that selects, trains and measures, against brute force on small cases."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ROOT
from scipy import sparse
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_pre_hook

from benchmarks.definitions import definitions
from helpers.datasets import movielens_standin


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", str(ROOT))
    torch.manual_seed(0)


# 11


def likes_table(rows):
    return sparse.csr_array(np.array(rows, dtype=float))


def random_likes(users=9, movies=14):
    likes = (torch.rand(users, movies) < 0.5).double()
    return likes, sparse.csr_array(likes.numpy())


def test_11_four_stars_are_a_like():
    users, movies, stars = torch.tensor([0, 0, 1, 2]), torch.tensor([1, 3, 0, 2]), torch.tensor([4.0, 3.5, 4.5, 5.0])
    found = definitions("11").likes_table(users, movies, stars, (3, 4)).toarray()
    assert found.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]


def test_11_the_ten_nearest_leave_out_the_movies_asked_about():
    page, vectors, queries = definitions("11"), torch.randn(30, 3).double(), [4, 17]
    found = page.ten_nearest(vectors, queries).tolist()
    cosines = functional.cosine_similarity(vectors[:, None], vectors[queries][None], dim=-1)
    asked = [*cosines.T, cosines.mean(1)]
    others = [row for row in range(30) if row not in queries]
    assert found == [sorted(others, key=lambda row: -cosine[row])[:10] for cosine in asked]


def test_11_the_error_of_a_pair_is_a_root_mean_square_over_pairs():
    page, (_, X, V) = definitions("11"), definitions("11").random_problem(6, 2)
    errors = [(V[i] @ V[j] - X[i, j]).item() ** 2 for i, j in itertools.permutations(range(6), 2)]
    assert page.per_pair(page.cost_by_definition(V, X).item(), 6) == pytest.approx(np.mean(errors) ** 0.5)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_11_a_replay_is_the_homework_s_descent_on_fewer_movies(kind):
    page, (_, X, V) = definitions("11"), definitions("11").random_problem(6, 6)
    rate, scaled = 1e-7, 1e-7 * 9742 / 6
    costs, trained = page.replay(X, V, kind, rate, 0.8)
    expected, moved = [], V.clone().requires_grad_()
    sgd = torch.optim.SGD([moved], lr=scaled, momentum=0.8)
    optimiser = sgd if kind == "SGD" else torch.optim.Adam([moved], lr=rate)
    for _ in range(20):
        optimiser.zero_grad()
        cost = page.cost_by_definition(moved, X)
        expected.append(cost.item())
        cost.backward()
        optimiser.step()
    assert costs == pytest.approx(expected)
    assert torch.allclose(trained, moved)
    assert costs[-1] < costs[0]


def test_11_a_subset_holds_the_movies_asked_about_first_and_each_once():
    page, (likes, Y) = definitions("11"), random_likes(20, 40)
    rows, X, V = page.draw_subset(Y, [7, 3], 12, 5)
    assert rows[:2].tolist() == [7, 3]
    assert len(set(rows.tolist())) == 12
    expected = likes[:, rows].T @ likes[:, rows]
    assert torch.equal(X.double(), expected - torch.diag(expected.diagonal()))
    assert V.shape == (12, 12)


def test_11_the_cheap_step_goes_where_the_dense_step_goes():
    page, (likes, Y) = definitions("11"), random_likes()
    X, n = likes.T @ likes, likes.sum(0).numpy()
    X.fill_diagonal_(0)
    V = torch.randn(14, 3).double() * 100
    cheap, velocity = V.numpy().copy(), np.zeros((14, 3))
    cost = page.cheap_step(cheap, velocity, Y, n, X.square().sum().item())
    dense = V.T.clone()
    assert cost == pytest.approx(page.homework_step(dense, X))
    assert np.allclose(cheap, dense.detach().T.numpy())
    assert np.abs(cheap - V.numpy()).max() > 0.01


def test_11_training_notes_costs_and_lengths_before_each_step():
    page, (likes, Y) = definitions("11"), random_likes()
    X = likes.T @ likes
    X.fill_diagonal_(0)
    along = np.linalg.qr(np.random.default_rng(0).standard_normal((14, 2)))[0].astype(np.float32)
    found = page.train(Y.indices, Y.indptr, Y.shape, {"one": [0.1, 0.9]}, 1e-3, 5, along, 3)["one"]
    V = torch.from_numpy((0.1 * np.random.default_rng(3).standard_normal((14, 64))).astype(np.float32))
    V.requires_grad_()
    sgd, costs, lengths = torch.optim.SGD([V], lr=1e-3, momentum=0.9), [], []
    for _ in range(5):
        sgd.zero_grad()
        cost = page.cost_by_definition(V, X.float())
        costs.append(cost.item())
        lengths.append(((along.T @ V.detach().numpy()) ** 2).sum(1))
        cost.backward()
        sgd.step()
    assert found["costs"] == pytest.approx(costs, rel=1e-4)
    assert np.allclose(found["lengths"], lengths, rtol=1e-3)
    assert found["last"] == pytest.approx(page.cost_by_definition(V, X.float()).item(), rel=1e-4)


def scores_of(page, name, Y, users, *settings):
    return np.asarray(getattr(page, f"fit_{name}")(Y, page.prepare(Y), *settings)(users))


def test_11_ease_is_one_ridge_regression_a_movie():
    page, (likes, Y), (tastes, users) = definitions("11"), random_likes(), random_likes(4)
    expected = tastes @ page.columns_by_ridge(likes, 3.0)
    assert np.allclose(scores_of(page, "ease", Y, users, 3.0), expected)


def test_11_ridge_is_the_same_without_the_constraint():
    page, (likes, Y), (tastes, users) = definitions("11"), random_likes(), random_likes(4)
    B = torch.linalg.solve(likes.T @ likes + 3 * torch.eye(14), likes.T @ likes)
    assert np.allclose(scores_of(page, "ridge", Y, users, 3.0), tastes @ B)


def test_11_the_eigendecomposition_projects_on_the_largest_directions():
    page, (likes, Y), (tastes, users) = definitions("11"), random_likes(), random_likes(4)
    W = torch.linalg.svd(likes).Vh[:3]
    assert np.allclose(scores_of(page, "eigendecomposition", Y, users, 3), tastes @ W.T @ W)


@pytest.mark.parametrize("neighbours", [0, 2, 5])
def test_11_cosines_are_shrunk_and_of_the_nearest_neighbours_of_each_movie(neighbours):
    page, (likes, Y), (tastes, users) = definitions("11"), random_likes(200, 14), random_likes(4)
    lengths = likes.sum(0) + 10
    S = likes.T @ likes / (lengths[:, None] * lengths).sqrt()
    S.fill_diagonal_(0)
    if neighbours:
        for column in S.T:
            column[column.argsort(descending=True)[neighbours:]] = 0
    found = scores_of(page, "cosine", Y, users, neighbours, 10)
    unknown = tastes == 0
    assert np.allclose(found[unknown], (tastes @ S)[unknown], atol=1e-6)


TIMES = np.array([[3, 1, 0, 2], [0, 5, 0, 0], [2, 0, 2, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("times", [None, TIMES])
def test_11_one_like_a_user_is_hidden_and_leaves_the_training_data(times):
    Y = likes_table([[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    seen = set()
    for seed in range(30):
        train, users, hidden = definitions("11").hide_one(Y, times, np.random.default_rng(seed))
        assert users.tolist() == [0, 2], "who has two likes"
        expected = Y.toarray()
        expected[users, hidden] = 0
        assert (train.toarray() == expected).all()
        assert train.nnz == train.sum() == Y.sum() - 2
        seen.add(tuple(hidden.tolist()))
    assert seen == {(a, b) for a in ((0, 1, 3) if times is None else (0,)) for b in (0, 2)}, (
        "the latest; ties at random"
    )


def test_11_a_hit_is_a_place_among_the_ten_best_unknown_movies():
    page, rng = definitions("11"), np.random.default_rng(0)
    for _ in range(50):
        likes = (rng.random((3, 16)) < 0.2).astype(float)
        likes[0, :2], likes[1:, 15] = 1, 0  # the last movie is liked by the first user at most
        scores = rng.integers(0, 5, (3, 16)).astype(float)  # many ties
        users, hidden = np.array([0, 2]), np.array([rng.choice(np.flatnonzero(likes[u] == 0)) for u in (0, 2)])
        expected = []
        for user, movie in zip(users, hidden, strict=True):
            asked = [m for m in range(16) if not likes[user, m] and likes[:, m].any()]
            orders = [sorted(asked, key=lambda m: (-scores[user, m], drawn[m])) for drawn in rng.random((400, 16))]
            expected.append(np.mean([movie in order[:10] for order in orders]))
        assert np.allclose(page.hits(scores, sparse.csr_array(likes), users, hidden), expected, atol=0.1)


def test_11_the_tenth_place_hits_and_the_eleventh_does_not():
    page = definitions("11")
    train = likes_table([[0] * 12 + [1, 1], [1] * 12 + [0, 0]])
    scores = np.tile(14.0 - np.arange(14), (2, 1))
    assert page.hits(scores, train, np.array([0, 0]), np.array([9, 10])).tolist() == [1, 0]


FEW = [["random vectors", 0.0], ["popularity", 0.0], ["eigendecomposition", 2, 0.0], ["eigendecomposition", 8, 0.0]]
FEW += [["EASE", 30.0, 0.0], ["EASE", 30.0, 0.7], ["EASE", 1e6, 0.0]]


def standin():
    ratings = movielens_standin.ratings()
    shape = ratings.num_users, ratings.num_movies
    return definitions("11").likes_table(ratings.users, ratings.movies, ratings.values, shape)


def test_11_settings_are_judged_on_likes_hidden_inside():
    page, hidden_in = definitions("11"), []
    page.CANDIDATES, hide_one = FEW, page.hide_one

    def hiding(Y, times, rng):
        hidden_in.append((Y, times, *hide_one(Y, times, rng)))
        return hidden_in[-1][2:]

    page.hide_one = hiding
    Y, times = standin(), np.random.default_rng(0).random((240, 360))
    found = page.measure(Y.indices, Y.indptr, Y.shape, times, 2, 0)
    for k, (outer, inner) in enumerate(zip(hidden_in[::2], hidden_in[1::2], strict=True)):
        assert (outer[0] != Y).nnz == 0
        assert inner[0] is outer[2], "tuned without what the test hides"
        assert inner[1] is outer[1] is times, "in the same way"
        assert np.allclose(found["tuning"][k], page.rate_all(*inner[2:]).mean(1))
        assert np.allclose(found["hits"][k], page.rate_all(*outer[2:]), atol=1e-6)
        assert found["likes"][k].tolist() == outer[2].sum(0)[outer[4]].tolist()
    assert len(set(np.round(found["tuning"][0], 3))) > 3, "the candidates differ"


def test_11_each_candidate_is_rated_with_its_own_settings_and_discount():
    page, Y = definitions("11"), standin()
    page.CANDIDATES = FEW
    train, users, hidden = page.hide_one(Y, None, np.random.default_rng(0))
    n = np.maximum(train.sum(0), 1)
    for found, (*strategy, beta) in zip(page.rate_all(train, users, hidden), FEW, strict=True):
        scores = page.fit(strategy, train, page.prepare(train))(train) / n**beta
        assert np.array_equal(found, page.hits(scores, train, users, hidden)), strategy


def test_11_the_best_candidate_of_each_name_is_chosen_and_the_best_of_all():
    page = definitions("11")
    page.CANDIDATES = FEW
    chosen = page.choose(np.array([0.0, 0.1, 0.3, 0.2, 0.15, 0.4, 0.35]))
    assert chosen == {"random vectors": 0, "popularity": 1, "eigendecomposition": 2, "EASE": 5, "the one chosen": 5}
    assert page.choose(np.array([0.0, 0.5, 0.3, 0.4, 0.15, 0.2, 0.45]))["the one chosen"] == 1


def test_11_each_user_s_hits_are_those_of_the_settings_chosen_in_each_draw():
    page, hits = definitions("11"), np.arange(2 * 7 * 3.0).reshape(2, 7, 3)
    page.CANDIDATES, page.PLAIN = FEW, 1
    tuning = [[0, 0.1, 0.3, 0.2, 0.15, 0.4, 0.35], [0, 0.1, 0.2, 0.3, 0.15, 0.2, 0.25]]
    by_name, picked = page.of_users({"hits": hits, "tuning": np.array(tuning)})
    assert [pick["EASE"] for pick in picked] == [5, 6]
    assert by_name["EASE"].tolist() == ((hits[0, 5] + hits[1, 6]) / 2).tolist()
    assert by_name["the one chosen"].tolist() == ((hits[0, 5] + hits[1, 3]) / 2).tolist()
    assert by_name["plain cosine"].tolist() == hits[:, 1].mean(0).tolist()


def test_11_lengths_of_cost_zero_are_those_of_the_vectors_scored():
    page, Y = definitions("11"), standin()
    Y = Y[:, Y.sum(0) > 0]
    found = page.at_zero_cost(Y.indices, Y.indptr, Y.shape, None, 1, [1.0, 2.0], 4)
    train, users, hidden = page.hide_one(Y, None, np.random.default_rng(5))
    n = np.maximum(train.sum(0), 1)
    X = (train.T @ train).toarray()
    np.fill_diagonal(X, 0)
    for hits, S in zip(found, (X / np.sqrt(np.outer(n, n)), X / np.outer(n, n), X), strict=True):
        assert np.allclose(hits, page.hits(train @ S, train, users, hidden), atol=1e-6)
    assert page.cost_of_lengths(Y, Y.sum(0) ** 1.5) <= 1e-9
    assert page.cost_of_lengths(Y, Y.sum(0)) == 0


def test_11_the_movie_asked_about_is_no_answer():
    tastes = np.array([0] * 11 + [1] * 3)
    Z = likes_table(np.ones((2, 14)))
    page = definitions("11", tastes=tastes, Z=Z, planted_movies=np.array([0, 12]))
    page.fit = lambda candidate, train, eigen: lambda users: (tastes == tastes[[0, 12]][:, None]) + users.toarray()
    assert page.taste_precision(["any", 0.0]).tolist() == [1, 0.2], "ten others of its taste, and two"


# 12


def page_12(users, movies, stars, **values):
    """Page 12 with these ratings; lists or tensors."""
    users, movies, stars = torch.as_tensor(users), torch.as_tensor(movies), torch.as_tensor(stars).float()
    values = {"num_users": int(users.max()) + 1, "num_movies": int(movies.max()) + 1, "n": len(stars)} | values
    table = {"users": users, "movies": movies, "stars": stars}
    per_user = torch.bincount(users, minlength=values["num_users"])
    values |= {"shape": (values["num_users"], values["num_movies"]), "folds": [torch.arange(len(stars))]}
    return definitions("12", table=table, **table, per_user=per_user, **values)


def random_page(num_users=7, num_movies=9, n=40, **values):
    pairs = torch.randperm(num_users * num_movies)[:n].sort().values  # in the users' order, as in the file
    pairs[-1] = num_users * num_movies - 1
    stars = torch.randint(1, 11, (n,)) / 2
    return page_12(pairs // num_movies, pairs % num_movies, stars, **values)


def test_12_predictions_are_moved_to_the_scale_before_they_are_judged():
    found = definitions("12").rmse(torch.tensor([7.0, -1.0, 3.0]), torch.tensor([5.0, 0.5, 4.0]))
    assert found == pytest.approx(math.sqrt(1 / 3))


def test_12_each_fold_is_predicted_from_the_others_and_set_aside_is_what_is_chosen_on():
    page = random_page(n=50)
    page.table["row"] = torch.arange(50)
    folds, calls = list(torch.randperm(50).chunk(5)), []

    def method(train, test, shift):
        calls.append((shift, train["row"].tolist(), test["row"].tolist()))
        return test["stars"] + shift

    grid = [{"shift": shift} for shift in (1.0, -0.25, 0.5)]
    found = page.nested(method, page.table, folds, 2, grid, [{}, {}])
    assert found["chosen"] == [1, 1]
    for k in range(2):
        *tried, (shift, train, test) = calls[4 * k : 4 * k + 4]
        assert (shift, test) == (-0.25, folds[k].tolist())
        assert sorted(train + test) == list(range(50))
        assert torch.equal(found["predicted"][folds[k]], page.stars[folds[k]] - 0.25)
        for (_, rest, aside), settings in zip(tried, grid, strict=True):
            assert len(aside) == 8, "a fifth of four fifths"
            assert sorted(rest + aside) == sorted(train), "what is tested is in neither"
            assert _ == settings["shift"]
    assert found["predicted"].isnan().sum() == 30


def test_12_the_usual_setting_is_that_of_most_folds():
    page = definitions("12", grids={"one": ["a", "b", "c"]}, results={"one": {"chosen": [2, 1, 2, 0, 1, 2]}})
    assert page.usual("one") == "c"
    assert page.chosen("one", 1) == "b"


def test_12_on_a_split_by_time_the_best_setting_is_taken():
    page, aside = definitions("12"), {"stars": torch.full((4,), 3.0)}
    grid = [{"shift": shift} for shift in (1.0, -0.25, 0.5)]
    found = page.best_on({}, aside, lambda rest, aside, shift: aside["stars"] + shift, grid, {})
    assert found == {"shift": -0.25}


def test_12_errors_are_means_over_ratings_of_clamped_predictions():
    users, stars = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    predicted = torch.tensor([8.0, 3.0, math.nan, 2.5, -3.0])  # 5 and 0.5 on the scale; the third is not tested
    page = page_12(users, [0, 1, 2, 0, 1], stars, results={"one": {"predicted": predicted}}, seed=0)
    sums, counts = page.squared("one")
    assert sums.tolist() == [1, 0.5]
    assert counts.tolist() == [2, 2]
    predicted[1] = math.nan
    page.score.cache_clear()
    assert page.score("one")[0] == pytest.approx(math.sqrt((0 + 0.25 + 0.25) / 3)), "not a mean over users"
    assert page.score("one", alike=True)[0] == pytest.approx(math.sqrt((0 + 0.25) / 2)), "a mean over users"
    assert page.error_of("one", users == 1) == pytest.approx(0.5)
    page.results["exact"] = {"predicted": torch.where(predicted.isnan(), math.nan, stars)}
    page.score.cache_clear()
    assert page.score("one", "exact")[0] > 0 > page.score("exact", "one")[0], "worse is more"
    halves = [("below", torch.arange(5) < 3), ("above", torch.arange(5) >= 3)]
    page.by_user_class = page.by_movie = [(name, rows.repeat(100)) for name, rows in halves]
    page.results = {name: {"predicted": each["predicted"].repeat(100)} for name, each in page.results.items()}
    page.stars, page.tested = stars.repeat(100), torch.ones(500, dtype=torch.bool)
    gains = page.gain_grid("one", "exact")
    assert np.allclose(np.diag(gains), [-0.0, -0.5])
    assert np.isnan(gains[0, 1])


def test_12_biases_add_up():
    page = random_page()
    mean, b, c = page.fit_biases(page.table, page.shape, 2.0, rounds=200)
    found = page.by_biases(page.table, page.table, 2.0, rounds=200)
    A = torch.cat([functional.one_hot(page.users, 7), functional.one_hot(page.movies, 9)], 1).double()
    x = torch.linalg.solve(A.T @ A + 2 * torch.eye(16).double(), A.T @ (page.stars - mean).double())
    assert torch.allclose(torch.cat([b, c]).double(), x, atol=1e-4)
    assert torch.allclose(found.double(), mean + A @ x, atol=1e-4)


def test_12_autograd_steps_along_fresh_gradients_at_one_cycle_of_rates():
    page = random_page(autograd_ratings=40, seed=0)
    pairs, seen = torch.stack([page.users, page.movies], 1), []

    class Linear(torch.nn.Linear):
        def forward(self, batch):
            return super().forward(batch.float())[:, 0]

    model = Linear(2, 1)

    def watch(optimizer, *_):
        loss = functional.mse_loss(model(pairs), page.stars)
        fresh = torch.autograd.grad(loss, list(model.parameters()))
        seen.append(optimizer.param_groups[0]["lr"])
        assert all(torch.allclose(p.grad, g, atol=1e-5) for p, g in zip(model.parameters(), fresh, strict=True))

    hook = register_optimizer_step_pre_hook(watch)
    try:
        page.train_by_autograd(model, page.table, 20, 0.1, 0.0, 64)
    finally:
        hook.remove()
    peak = int(np.argmax(seen))
    assert len(seen) == 20
    assert (seen[0], max(seen)) == (pytest.approx(0.1 / 25), pytest.approx(0.1, rel=0.05))
    assert 3 <= peak <= 8
    assert (np.diff(seen[: peak + 1]) > 0).all()
    assert (np.diff(seen[peak:]) < 0).all()
    assert seen[-1] < 1e-5


def test_12_the_rate_of_sgd_falls_in_a_line_and_the_mean_stands_where_the_range_wants_it():
    page, rates = random_page(seed=0), []
    page.sgd_step = lambda left, right, u, i, stars, lr, *_: rates.append(lr)
    for squeezed in (False, True):
        page.fit_sgd(page.table, 3, 4, 0.2, 0.1, squeezed=squeezed)
        start = page.by_sgd(page.table, page.table, 3, 1, 0.0, 0.0, squeezed=squeezed)
        assert start.mean().item() == pytest.approx(page.stars.mean().item(), abs=0.01), "what is predicted untrained"
    assert rates[:4] == pytest.approx([0.2, 0.15, 0.1, 0.05])
    page.fit_sgd(page.table, 3, 3, 0.2, 0.1, falling=False)
    assert rates[-3:] == [0.2] * 3


def test_12_a_dot_product_by_sgd_has_no_bias():
    page = random_page(seed=0)
    found = page.by_sgd(page.table, page.table, 3, 2, 0.0, 0.1, biases=False)
    assert found.abs().max() < 0.05, "untrained, and no mean"
    _, left, right = page.fit_sgd(page.table, 3, 5, 0.05, 0.0, biases=False)
    assert left[:, -1].abs().max() == right[:, 0].abs().max() == 0
    assert left[:, 1:-1].abs().max() > 0.1


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("described", [False, True])
def test_12_alternating_least_squares_ends_where_the_objective_is_flat(described, shared):
    page = random_page(seed=0)
    u, i, lam, lam_bias = page.users, page.movies, 2.0, 0.7
    Z, centres = torch.randn(9, 2) if described else None, []
    watch = lambda _, centre: centres.append(centre)  # noqa: E731
    mean, b, c, P, Q = page.fit_als(page.table, 3, lam, lam_bias, 1_500, Z, shared, watch)
    centre = centres[-1].double()
    parts = [each.double().requires_grad_() for each in (b, c, P, Q[:, :3], centre)]

    def predicted(b, c, P, Q, centre):
        full = torch.cat([Q, Z.double()], 1) if described else Q
        return mean + b[u] + c[i] + (P[u] * full[i]).sum(1)

    def objective(b, c, P, Q, centre):
        sizes = lam * ((P - centre[:-1]).square().sum() + Q.square().sum()) + lam_bias * c.square().sum()
        sizes = sizes + lam_bias * (b - math.sqrt(lam / lam_bias) * centre[-1]).square().sum()
        return (page.stars - predicted(b, c, P, Q, centre)).square().sum() + sizes

    value = objective(*parts)
    free = parts if shared else parts[:4]
    assert max(slope.abs().max().item() for slope in torch.autograd.grad(value, free)) < 0.01
    assert (centre.abs().max() > 1e-3) == shared
    assert value < (page.stars - mean).square().sum()
    assert torch.allclose(page.predict((mean, b, c, P, Q), u, i).double(), predicted(*parts), atol=1e-5)
    if not described:
        found = page.objective((mean, b, c, P, Q), page.table, lam, lam_bias, centres[-1])
        assert found == pytest.approx(value.item(), rel=1e-4)


def test_12_the_penalty_per_rating_is_ridge_with_a_penalty_for_each_rating():
    page, X = random_page(), torch.randn(9, 3)
    found = page.solve_per_rating(page.groups(page.users, 7), X, page.movies, page.stars, 0.3, 7)
    used = []
    page.solve_per_rating = lambda *given: used.append(given[4]) or page.solve(*given)
    page.als_sweeps = 1
    page.by_als_per_rating(page.table, page.table, 2, 0.3)
    assert used == [0.3, 0.3]
    for user in range(7):
        mine = page.users == user
        A, y, lam = X[page.movies[mine]], page.stars[mine], 0.3 * mine.sum()
        expected = torch.linalg.solve(A.T @ A + lam * torch.eye(3), A.T @ y)
        assert torch.allclose(found[user], expected, atol=1e-4)


def test_12_a_new_user_is_shrunk_to_those_who_have_rated():
    page = random_page(num_users=8, seed=0)  # the last user has one rating
    train = page.take(page.table, page.users < 7)
    model = page.fit_als(train, 3, 2.0, 0.5, 3, shared=True)
    rows = torch.cat([model[3], model[1][:, None] / 2], 1)[:7]  # √(λ/λ_b) is 2
    assert torch.allclose(page.centre_of(model, train, 2.0, 0.5), rows.mean(0), atol=1e-6)


def test_12_support_counts_the_ratings_that_train():
    movies = torch.tensor([0, 0, 0, 1, 2, 2])
    page, folds = definitions("12"), [torch.tensor([0, 3]), torch.tensor([1, 4, 5]), torch.tensor([2])]
    assert page.support(movies, folds).tolist() == [2, 2, 2, 0, 0, 0]
    named = page.classes(torch.tensor([0, 1, 2, 3, 50]), [0, 1, 3, 9])
    assert [(name, rows.tolist().index(True), int(rows.sum())) for name, rows in named] == [
        ("0", 0, 1), ("1–2", 1, 2), ("3–8", 3, 1), ("9 and more", 4, 1)
    ]  # fmt: skip


def test_12_the_mean_stands_in_for_unseen_movies_alone():
    results = {"global mean": {"predicted": torch.full((4,), 3.5)}, "one": {"predicted": torch.arange(4.0)}}
    page = definitions("12", results=results, of_movie=torch.tensor([1, 0, 7, 0]))
    assert page.mean_for_unseen("one")["predicted"].tolist() == [0, 3.5, 2, 3.5]


def test_12_a_hit_is_a_place_among_the_ten_best_unknown_movies():
    page, rng = definitions("12"), np.random.default_rng(0)
    for _ in range(30):
        known = torch.from_numpy(rng.random((3, 16)) < 0.2)
        scores = torch.from_numpy(rng.integers(0, 5, (3, 16)))  # many ties
        users = torch.tensor([0, 2, 2])
        movies = torch.tensor([rng.choice(np.flatnonzero(~known[u].numpy())) for u in users])
        expected = []
        for user, movie in zip(users.tolist(), movies.tolist(), strict=True):
            asked = [m for m in range(16) if not known[user, m]]
            orders = [sorted(asked, key=lambda m: (-scores[user, m], drawn[m])) for drawn in rng.random((400, 16))]
            expected.append(np.mean([movie in order[:10] for order in orders]))
        assert np.allclose(page.hits_at_ten(scores, known, users, movies), expected, atol=0.1)


def test_12_favourites_are_ranked_by_models_of_the_other_folds():
    page, judged = random_page(n=50, als_sweeps=1), []
    page.features = lambda train, *_: torch.zeros(9, 1)
    page.hits_at_ten = lambda scores, known, users, movies: judged.append((known, users, movies)) or users * 0.0
    folds = list(torch.randperm(50).chunk(5))
    rich = {"d": 1, "lam": 1.0, "weight": 1.0}
    found = page.ranked_favourites(page.table, folds, 2, {}, {"d": 1, "lam": 1.0}, rich, [1.0, 1.0])
    liked = [fold[page.stars[fold] >= 4] for fold in folds[:2]]
    for name, chances in found.items():
        assert torch.equal((~chances.isnan()).nonzero()[:, 0], torch.cat(liked).sort().values), name
    for k, rows in enumerate(liked):
        for known, users, movies in judged[5 * k : 5 * k + 5]:
            train = torch.cat([fold for j, fold in enumerate(folds) if j != k])
            assert torch.equal(users, page.users[rows])
            assert torch.equal(movies, page.movies[rows])
            assert known.sum() == len(train)
            assert known[page.users[train], page.movies[train]].all()


def test_12_the_network_answers_from_half_a_star_to_five_and_a_half():
    page = random_page()
    model, batch = page.Concatenated(2, 3.2), torch.tensor([[0, 1], [6, 8]])
    last = model.layers[-1]
    with torch.no_grad():
        last.weight.zero_()
        assert model(batch).tolist() == pytest.approx([3.2, 3.2])
        for bias, end in ((-100.0, 0.5), (100.0, 5.5)):
            last.bias.fill_(bias)
            assert model(batch).tolist() == [end, end]


def test_12_the_optimism_of_a_choice_is_measured_on_the_rest():
    squares = np.array([[1.0, 1, 9, 9], [4, 4, 4, 4], [9, 9, 1, 1]])  # three settings, four ratings
    order = SimpleNamespace(permutation=np.arange)
    assert definitions("12").gap(squares, 2, order) == (3 - 1, 2 - 2)


def test_12_the_latest_ratings_are_held_out():
    users = [0] * 10 + [1] * 5
    times = torch.tensor([5, 3, 9, 1, 7, 2, 8, 0, 6, 4, 100, 40, 90, 70, 80])
    page = page_12(users, list(range(10)) + list(range(5)), [3.0] * 15, ratings=SimpleNamespace(timestamps=times))
    assert page.place_in_order(times).tolist() == [5, 3, 9, 1, 7, 2, 8, 0, 6, 4, 4, 0, 3, 1, 2]
    assert times[page.latest_of_each()].tolist() == [9, 8, 100]
    assert sorted(times[page.latest_of_all()].tolist()) == [80, 90, 100]


def test_12_the_late_ratings_are_predicted_from_the_early_ones_with_settings_chosen_before():
    page, calls = random_page(n=50, als_sweeps=1, bias_grid=[{"lam_bias": 1.0}, {"lam_bias": 2.0}]), []
    page.table["row"] = torch.arange(50)
    late, inner = torch.arange(50) >= 40, torch.arange(50) >= 32

    def method(train, test, **settings):
        calls.append((train["row"].tolist(), test["row"].tolist()))
        return test["stars"]

    page.by_mean = page.by_biases = page.by_als = page.by_als_features = method
    found = page.one_split(page.table, late.long(), inner.long(), {}, [{"d": 1}], [{"d": 2}])
    choosing, final = (list(range(32)), list(range(32, 40))), (list(range(40)), list(range(40, 50)))
    assert len(found) == 5
    assert {tuple(map(tuple, call)) for call in calls} == {tuple(map(tuple, each)) for each in (choosing, final)}
    assert calls.count(final) == 5, "each method predicts the late ratings once"
    assert calls.count(choosing) == 2 + 1 + 2, "two penalties of the biases, and each grid"


def test_12_folding_in_many_users_is_folding_in_each():
    page = random_page(seed=0)
    model = page.fit_als(page.table, 3, 2.0, 0.7, 3)
    given, later = (page.take(page.table, rows) for rows in (slice(None, None, 2), slice(1, None, 2)))
    centre = torch.randn(4)
    found = page.fold_in_all(model, given, later, 2.0, 0.7, centre)
    for user in range(7):
        mine = given["users"] == user
        alone = page.fold_in(model, given["movies"][mine], given["stars"][mine], 2.0, 0.7, centre)
        asked = later["users"] == user
        assert torch.allclose(found[asked], alone[later["movies"][asked]], atol=1e-4)


def test_12_new_users_are_new_to_the_models_and_give_their_first_ratings():
    page, trained, judged = random_page(n=50), [], []
    page.table["row"] = torch.arange(50)
    page.models_for = lambda train, *_: trained.append(train) or {"one": (None, 1.0, 1.0)}
    page.fold_in_all = lambda model, given, later, *_: judged.append((given, later)) or later["stars"]
    place = page.place_in_order(torch.arange(50))
    fold = torch.tensor([1, 4])
    found = page.held_out_users(page.table, {"first": place}, {}, [fold], {}, 1.0, [0, 2])
    new = torch.isin(page.users, fold)
    assert torch.equal(trained[0]["row"], torch.arange(50)[~new])
    for count, (given, later) in zip((0, 2), judged, strict=True):
        assert torch.equal(given["row"], torch.arange(50)[new & (place < count)])
        assert torch.equal(later["row"], torch.arange(50)[new & (place >= 2)])
        assert torch.equal(found[f"new user, first, one, {count}"].isnan(), ~(new & (place >= 2)))


def test_12_what_is_rated_already_is_not_recommended():
    titles = [f"{i}" for i in range(20)]
    ratings = SimpleNamespace(titles=titles, find=titles.index)
    page = definitions(
        "12",
        ratings=ratings,
        frequent=torch.arange(3, 20),
        final=None,
        middle=None,
        usual_bias=1,
        usual_rich={"lam": 1},
    )
    page.fold_in = lambda model, movies, stars, *_: torch.arange(20.0)
    found = page.recommend({"19": 5, "17": 1}, count=3)
    assert found == [("18", 18.0), ("16", 16.0), ("15", 15.0)]
