"""helpers.intervals against Wilson's formula written out, and against resampling by hand."""

import math

import numpy as np
import pytest
import torch

from helpers.intervals import bootstrap, wilson

Z = 1.959963984540054  # the 97.5 % quantile of the standard normal


def roots_of_wilsons_equation(k, n):
    """The p with (k/n − p)² = z² p (1 − p) / n, a quadratic in p."""
    centre = (k + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * math.sqrt(k * (n - k) / n + Z**2 / 4)
    return centre - half, centre + half


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (1, 3), (93, 100), (9_912, 10_000)])
def test_wilson_is_the_formula(k, n):
    low, high = wilson(k, n)
    assert (low, high) == pytest.approx(roots_of_wilsons_equation(k, n), abs=1e-12)
    assert 0 <= low <= k / n <= high <= 1
    assert type(low) is type(high) is float


def test_wilson_known_value():
    assert wilson(15, 20) == pytest.approx((0.5313, 0.8881), abs=5e-5)  # by hand, with z = 1.96


@pytest.mark.parametrize("correct", [np.int64(93), np.float64(93), torch.tensor(93), 93.0])
def test_wilson_takes_counts_of_any_type(correct):
    assert wilson(correct, 100) == wilson(93, 100)


@pytest.mark.parametrize(
    ("k", "n"), [(-1, 10), (11, 10), (0, 0), (0, -1), (math.nan, 10), (0.93, 1), (0.5, 10), (1, 2.5)]
)
def test_wilson_refuses_what_is_no_pair_of_counts(k, n):
    with pytest.raises(ValueError, match=f"{k} correct of {n} is no proportion: give two counts"):
        wilson(k, n)


SAMPLE = np.random.default_rng(3).gamma(2.0, size=40)


@pytest.mark.parametrize("statistic", [np.mean, np.median, np.std])
def test_bootstrap_is_near_percentiles_of_resamples_by_hand(statistic):
    generator = np.random.default_rng(11)
    drawn = [statistic(generator.choice(SAMPLE, len(SAMPLE))) for _ in range(4000)]
    ends = np.percentile(drawn, [2.5, 97.5])
    assert bootstrap(SAMPLE, statistic) == pytest.approx(ends, abs=0.35 * np.std(drawn))


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    values = np.random.default_rng(0).normal(5, 2, 1000)
    half = Z * values.std() / math.sqrt(1000)
    assert bootstrap(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_bootstrap_of_two_values_knows_its_only_four_resamples():
    assert bootstrap([0.0, 1.0]) == (0.0, 1.0)  # the ends: both have one chance in four
    assert bootstrap([7, 7, 7]) == (7.0, 7.0)


def test_bootstrap_is_decided_by_its_seed_alone():
    np.random.seed(0)
    first, before = bootstrap(SAMPLE, seed=4), np.random.get_state()[1].copy()
    np.random.seed(1)
    assert bootstrap(list(SAMPLE), seed=4) == first
    assert bootstrap(SAMPLE, seed=5) != first
    assert bootstrap(SAMPLE) == bootstrap(SAMPLE, np.mean, 0, 2000)
    np.random.seed(0)
    assert np.array_equal(np.random.get_state()[1], before), "the global generator is left alone"


@pytest.mark.parametrize("values", [[], [1.0], 3.0, [[1.0, 2.0], [3.0, 4.0]]])
def test_bootstrap_needs_a_sample(values):
    with pytest.raises(ValueError, match="1-d sample of at least two values, not shape"):
        bootstrap(values)
