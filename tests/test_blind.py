"""Blind tests: with the answers of its test set dealt anew, a page changes in nothing but what is measured on them."""

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch

import blind
import nbformat
import numpy as np
import pytest
import torch
from blind import Page
from conftest import ROOT

from helpers.datasets import cifar10, mnist
from helpers.press.sources import Repository


def other_labels(digits, rng):
    """Fewer training pictures; the test labels permuted."""
    few, order = slice(1_500), torch.arange(len(digits.test_labels))
    if rng:
        order = torch.from_numpy(rng.permutation(len(order)))
    train = {"train_images": digits.train_images[few], "train_labels": digits.train_labels[few]}
    return dataclasses.replace(digits, **train, test_labels=digits.test_labels[order])


def other_likes(hide_one, space, rng):
    """As `hide_one`, but the answer to the test is any movie that the user does not like."""

    def blinded(Y, times, draws):
        train, users, hidden = hide_one(Y, times, draws)
        inside = Y.nnz < space["Y"].nnz  # a draw on which settings are chosen
        if inside or "Y_liked" not in space or Y.shape != space["Y_liked"].shape:
            return train, users, hidden
        others = (train.sum(0) > 0) & (Y.toarray()[users] == 0)
        return train, users, np.array([rng.choice(np.flatnonzero(row)) for row in others])

    return blinded


def other_stars(inputs, rng):
    """The stars that a step is tested on, permuted in the table that it gets; as it is, where nothing is tested."""
    if "table" not in inputs:
        return inputs
    if "folds" in inputs:
        rows = torch.cat(inputs["folds"][: inputs["folds_used"]])
    elif "late" in inputs:
        rows = inputs["late"].nonzero()[:, 0]
    else:  # of new users, what no order gives
        new = torch.isin(inputs["table"]["users"], torch.cat(inputs["user_folds"]))
        places = torch.stack(list(inputs["orders"].values()))
        rows = (new & (places.amin(0) >= max(inputs["counts"]))).nonzero()[:, 0]
    stars = inputs["table"]["stars"].clone()
    stars[rows] = stars[rows[torch.from_numpy(rng.permutation(len(rows)))]]
    return inputs | {"table": inputs["table"] | {"stars": stars}}


def other_judge(function, space, rng):
    """As `function`, but it judges by the permuted stars."""
    order = torch.from_numpy(np.random.default_rng(1).permutation(len(space["stars"])))  # one for all that judge

    def blinded(*arguments):
        stars = space["stars"]
        space["stars"] = stars[order]
        try:
            return function(*arguments)
        finally:
            space["stars"] = stars

    return blinded


def other_pairs(function, space, rng):
    """As `split_scores`, but each person's right shoes are dealt anew: which pairs match is a guess."""

    def blinded(S):
        orders = np.random.default_rng(1).permuted(np.tile(np.arange(3), (S.shape[-3], 1)), axis=1)
        columns = torch.from_numpy(orders)[:, None].expand(S.shape)
        return function(torch.gather(S, -1, columns))

    return blinded


GUESS, PARITY_GUESS = (0.05, 0.15), (0.42, 0.58)  # a share of a thousand digits
HIT = (0.01, 0.07)  # ten of some three hundred movies
STRATEGIES = "ease ridge eigendecomposition cosine plain_cosine embedding popularity random_vectors"
STARS = (1.03, 4.0)  # from the standard deviation of the stars on
PAGES = {
    "03_mnist_from_scratch": Page(
        values={"rates": [0.01, 1.0, 3.0, 100.0], "map_size": 300},
        load=(mnist, other_labels),
        measured=dict.fromkeys(
            "epoch1_test_accuracy_replay last_test_accuracy_replay test_accuracy test_accuracy_without_shifts".split(),
            GUESS,
        )
        | dict.fromkeys("first_layer_gain long_steps_gain".split()),
        texts="replay-said claim-replay claim-twin rates-table rates-said cause-said rate-said claim-swap "
        "claim-long claim-parts claim-short test-said claim-shifts answer table mistake-gradient-said "
        "mistake-one-number-said mistake-means-said mistake-order-said",
        results="*/test_loss/* */test_accuracy/* torch.nn/test_* start*/accuracy/* *steps/accuracy/* "
        "*raised/accuracy/* map*/accuracy/*",
    ),
    "04_mnist_logistic": Page(
        values={"validation_size": 500, "iterations": 10, "long_iterations": 20, "descent_steps": 20, "looks": 4},
        load=(mnist, other_labels),
        measured={f"replay_test_accuracy_lr_{rate}": GUESS for rate in ("1e-05", "0.0001", "0.001", "0.1", "1", "3")}
        | {f"schedule_{plan}_test_accuracy": GUESS for plan in "3_to_0 1_to_0 0_to_3 1.5 0_to_3_to_0".split()}
        | {f"test_accuracy{which}": GUESS for which in ("", "_without_penalty", "_stopped_early")}
        | {"calibration_error": (0.5, 1.0), "calibration_error_without_penalty": (0.5, 1.0)}
        | {"nearest_mean_accuracy": GUESS}
        | dict.fromkeys("upright_gain penalty_gain schedule_minus_optimum".split(), (-0.05, 0.05))
        | {f"{each}": PARITY_GUESS for each in ("replay_parity_accuracy", "parity_accuracy_direct")}
        | {f"parity_accuracy_{way}": PARITY_GUESS for way in ("from_digits", "ten_outputs")},
        texts="task-1-said claim-replay claim-speed task-2-said claim-slant task-3-said claim-optimum path-said "
        "claim-stopping claim-penalty schedule-table claim-equal claim-parity claim-ten-outputs mistake-parity-shown "
        "answer table-results mistake-underfit-said claim-halves mistake-underfit-settled mistake-range-said "
        "calibration-said templates",
        results="rates/*/rows/*/2 parity/*/rows/*/2 schedules/*/rows/*/2 sheared/*/*/rows/*/2",
    ),
    "05_cifar_convnets": Page(
        values={"timed_images": 200, "final_epochs": 1},
        load=(cifar10, other_labels),
        measured=dict.fromkeys((f"replay_{name}_batch_{size}" for name in "ABC" for size in (10, 25, 50)), GUESS)
        | dict.fromkeys(
            "A_batch_50_scaled_rate A_batch_10_slow nearest_neighbour_accuracy A_3_epochs_best A_3_epochs_plain "
            "small_net_accuracy small_net_plain A_trained_as_long".split(),
            GUESS,
        )
        | {f"batch_gap_{how}": (-0.05, 0.05) for how in ("same_rate", "scaled_rate", "equal_updates", "long")}
        | {
            "animal_errors_as_animals": None,
            "grouping_p": None,
            "augmentation_gain_long": (-0.05, 0.05),
            "pooling_gap_high_rate": (-0.05, 0.05),
        },
        texts="replay-table pool-said claim-replay claim-models claim-padding batch-table claim-scaled claim-control "
        "claim-updates errors-said animals-said claim-animals nearest-said short-said final-said claim-small "
        "answer table mistake-smaller-said mistake-seed-said mistake-test-said mistake-animals-said "
        "mistake-thousand-said",
        results="replay*/test/* [AB],?batch*/test/*",
    ),
    "07_shoe_pairs": Page(
        names={"split_scores": other_pairs},
        measured=dict.fromkeys("cv_accuracy cv_auc standin_test_accuracy".split(), (0.4, 0.6))
        | dict.fromkeys("replay_test_accuracy_m replay_test_accuracy_w".split(), (0.3, 0.7))
        | dict.fromkeys("stacked_gain rows_gain shifted_gain control_gain".split(), (-0.15, 0.15)),
        texts="grid-said layouts-said layouts-verdict claim-layouts test-said twin-said roc-said standin-said answer "
        "table-results mistake-rates-said mistake-checkpoint-said",
    ),
    "11_movie_embeddings": Page(
        values={"replay_movies": 80, "timed_movies": 200},
        names={"hide_one": other_likes},
        measured={"hit_rate_at_10": HIT, "hit_rate_latest_at_10": HIT}
        | {f"hit_rate_{protocol}{strategy}": HIT for protocol in ("", "latest_") for strategy in STRATEGIES.split()}
        | {f"hit_rate_at_cost_zero_gamma_{gamma}": HIT for gamma in ("1", "1_5", "2")},
        texts="hit-table compare-said claim-random claim-lead-shrinks claim-likes-help by-popularity-said "
        "zero-hit-said claim-one-cost ease-said claim-constraint claim-regression results-table answer",
        results="hit?rates,*/hits hit?rates,*/likes/* at?cost?zero* earliest*",
    ),
    "12_collaborative_filtering": Page(
        values={"als_penalties": [3.0, 12.0, 48.0]},
        inputs=other_stars,
        names=dict.fromkeys("squared squares_of fold_scores".split(), other_judge),
        measured=dict.fromkeys(
            "rmse_global_mean rmse_bias_unshrunken rmse_bias_only rmse_adamw_dot rmse_adamw_biases rmse_adamw_range "
            "rmse_adamw_decay rmse_sgd_dot rmse_sgd_biases rmse_sgd_range rmse_sgd_decay rmse_sgd_decay_no_range "
            "rmse_surprise_defaults rmse_als rmse_als_per_rating rmse_features rmse_cv rmse_second_folds "
            "rmse_users_alike rmse_network rmse_latest_of_each rmse_latest_of_all rmse_new_user_five_ratings".split(),
            STARS,
        )
        | dict.fromkeys("range_effect_sgd range_effect_sgd_decay range_effect_adamw".split())
        | dict.fromkeys(f"hit_rate_{name}" for name in "random popularity biases als best".split()),
        texts="unseen-said claim-dot baselines-said claim-shrinkage budgets-said claim-als features-said every-table "
        "claim-features claim-prior claim-goal holdout-said claim-holdout newcomers-said claim-newcomers ranking-said "
        "claim-ranking mistake-range network-said table-results answer",
        results="ranking/*",
    ),
}


def faults(page, sighted, blinded):
    """What should not be, kind by kind; a blind test passes where there is nothing."""
    changed = {name for name in sighted.keys() | blinded.keys() if sighted.get(name) != blinded.get(name)}
    measured = {f"metric {name}" for name in page.measured} | {f"text {name}" for name in page.texts.split()}
    results = [f"result {pattern}" for pattern in page.results.split()]
    leaks = {name for name in changed - measured if not any(fnmatch(name, pattern) for pattern in results)}
    chances = {f"metric {name}": chance for name, chance in page.measured.items() if chance}
    lucky = {name for name, (low, high) in chances.items() if not low < blinded.get(name, low) < high}
    return {"depends on the test set": leaks, "does not depend on it": measured - changed, "is no guess": lucky}


NOTHING = {"depends on the test set": set(), "does not depend on it": set(), "is no guess": set()}


def both(slug):
    """The page as it is, and blind."""
    return blind.run(slug, PAGES[slug], None), blind.run(slug, PAGES[slug], np.random.default_rng(0))


@pytest.mark.parametrize("slug", PAGES)
def test_nothing_depends_on_the_test_set_but_what_is_measured_on_it(slug):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
        assert faults(PAGES[slug], *own.submit(both, slug).result()) == NOTHING


def test_every_page_with_data_has_a_blind_test():
    repository = Repository(ROOT)
    assert set(PAGES) == {slug for slug in repository.slugs() if repository.source(slug).datasets}


TOY = """
import torch
from helpers.datasets import cifar10, mnist
from helpers.run import start
run = start("toy", seed=0, data=data)
digits = run.use(mnist.load(data))
train = digits.train_images.flatten(1).float(), digits.train_labels
test = digits.test_images.flatten(1).float(), digits.test_labels
def class_means(X, y):
    return {"means": torch.stack([X[y == k].mean(0) for k in range(10)])}
def right(means, X, y):
    return (torch.cdist(X, means).argmin(1) == y).double().mean()
means = run.stage("fit", {"X": train[0], "y": train[1]}, class_means)["means"]
run.record("accuracy", right(means, *test), label="Accuracy")
run.record("train_accuracy", right(means, *train), label="On training pictures")
run.say(f"Right on the training pictures: {run.metrics['train_accuracy']:.4f}")
"""


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("means", "means", {}),
        (
            '{"X": train[0], "y": train[1]}',
            '{"X": test[0], "y": test[1]}',
            {
                "depends on the test set": {"metric train_accuracy", "text page", "result fit/means"},
                "is no guess": {"metric accuracy"},  # permuted answers can be learned by heart too
            },
        ),
        ("*test),", "*train),", {"does not depend on it": {"metric accuracy"}, "is no guess": {"metric accuracy"}}),
        ("{run.metrics['train_accuracy']", "{run.metrics['accuracy']", {"depends on the test set": {"text page"}}),
        (
            "run.say(f",
            "run.mistake('a', str(run.metrics['accuracy']));run.say(f",
            {"depends on the test set": {"text page"}},
        ),
    ],
)
def test_a_page_that_looks_is_seen(tmp_path, monkeypatch, right, wrong, expected):
    cells = [nbformat.v4.new_code_cell('data = "auto"', id="parameters", metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(TOY.replace(right, wrong), id="page")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "toy.ipynb")
    monkeypatch.setattr(blind, "NOTEBOOKS", tmp_path)
    page = Page(load=(mnist, other_labels), measured={"accuracy": GUESS}, texts="")
    found = faults(page, blind.run("toy", page, None), blind.run("toy", page, np.random.default_rng(0)))
    assert found == NOTHING | expected
