"""helpers.numbers: the one way to write a number, case by case.  A blank stands for a no-break space here."""

import math

import numpy as np
import pytest
import torch

from helpers import numbers


@pytest.fixture
def write():
    """A function of the module by its name, with its no-break spaces as blanks and no other kind in it."""

    def call(name, *arguments, **more):
        text = getattr(numbers, name)(*arguments, **more)
        assert " " not in text, "a space at which a line may break"
        return text.replace("\u00a0", " ")

    return call


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0179, 3, "0.0179"),
        (0.5, 3, "0.500"),
        (123.456, 3, "123"),
        (123.456, 4, "123.5"),
        (10_005.7, 3, "10,006"),
        (10_005.7, 6, "10,005.7"),
        (9_999.7, 4, "10,000"),
        (9_999.4, 4, "9999"),
        (999_999.4, 6, "999,999"),
        (999_999.9, 6, "1.00000 × 10⁶"),
        (999_499, 3, "999,499"),
        (999_499.0, 3, "999,499"),
        (999_500.0, 3, "1.00 × 10⁶"),
        (1_130_000.0, 3, "1.13 × 10⁶"),
        (9.996, 3, "10.0"),
        (0.09996, 3, "0.100"),
        (0.0009996, 3, "0.00100"),
        (0.0009994, 3, "9.99 × 10⁻⁴"),
        (1e-10, 1, "1 × 10⁻¹⁰"),
        (4.44e-16, 2, "4.4 × 10⁻¹⁶"),
        (-4.44e-16, 2, "−4.4 × 10⁻¹⁶"),
        (-0.0179, 2, "−0.018"),
        (0.0, 3, "0"),
        (-0.0, 3, "0"),
        (math.inf, 3, "∞"),
        (-math.inf, 3, "−∞"),
        (math.nan, 3, "undefined"),
        (7, 3, "7"),
        (-1_004, 1, "−1004"),
        (10_006, 3, "10,006"),
        (60_000_000, 3, "60,000,000"),
        (2**53 - 1, 3, "9,007,199,254,740,991"),
        (np.int64(60_000), 3, "60,000"),
        (torch.tensor(7), 3, "7"),
        (np.float32(0.25), 2, "0.25"),
        (torch.tensor(0.25), 2, "0.25"),
    ],
)
def test_numbers(value, digits, text, write):
    assert write("number", value, digits) == text


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "text"),
    [
        (0.745, 1, False, "0.7"),
        (-0.04, 1, False, "0.0"),
        (-0.04, 1, True, "0.0"),
        (0.04, 1, True, "0.0"),
        (-0.06, 1, False, "−0.1"),
        (0.06, 1, True, "+0.1"),
        (-0.06, 1, True, "−0.1"),
        (9_999.5, 2, False, "9999.50"),
        (9_999.996, 2, False, "10,000.00"),
        (-9_999.996, 2, False, "−10,000.00"),
        (12_345.678, 1, True, "+12,345.7"),
        (math.nan, 2, True, "undefined"),
        (-math.inf, 0, False, "−∞"),
    ],
)
def test_so_many_decimals(value, decimals, sign, text, write):
    assert write("fixed", value, decimals, sign) == text


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("interval", ((0.741, 0.7599),), "[0.74, 0.76]"),
        ("interval", ((-1.26, 0.001), 1, True), "[−1.3, 0.0]"),
        ("interval", (np.array([10_000.4, 12_000.6]), 0), "[10,000, 12,001]"),
        ("percent", (0.7534,), "75 %"),
        ("percent", (0.9999, 1), "100.0 %"),
        ("percent", (-0.001, 1, True), "−0.1 %"),
        ("points", (0.0134,), "+1.3 points"),
        ("points", (-0.0134,), "−1.3 points"),
        ("points", (0.0134, 2, False), "1.34 points"),
        ("times", (17.4,), "17 times"),
        ("times", (1.44,), "1.4 times"),
        ("times", (99.6,), "100 times"),
        ("times", (1176,), "1180 times"),
        ("times", (12_345,), "12,300 times"),
        ("times", (0.5,), "0.50 times"),
    ],
)
def test_intervals_shares_and_ratios(name, arguments, text, write):
    assert write(name, *arguments) == text


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (1, "seed", "1 seed"),
        (5, "seed", "5 seeds"),
        (0, "like", "0 likes"),
        (10_000, "start", "10,000 starts"),
        (2, "epoch", "2 epochs"),
        (2, "batch", "2 batches"),
        (2, "class", "2 classes"),
        (2, "box", "2 boxes"),
        (2, "entry", "2 entries"),
        (2, "day", "2 days"),
        (2.0, "picture", "2 pictures"),
        (np.int64(1), "member", "1 member"),
        (torch.tensor(3), "wish", "3 wishes"),
    ],
)
def test_counts(n, noun, text, write):
    assert write("count", n, noun) == text


def test_a_plural_that_no_rule_makes_is_given(write):
    assert [write("count", n, "matrix", "matrices") for n in (1, 2)] == ["1 matrix", "2 matrices"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (3.2e-8, "32 ns"),
        (0.00042, "420 µs"),
        (0.0042, "4.2 ms"),
        (0.42, "420 ms"),
        (1, "1.0 s"),
        (3.14, "3.1 s"),
        (9.96, "10 s"),
        (25.3, "25 s"),
        (119.4, "119 s"),
        (120, "2.0 min"),
        (7 * 60, "7.0 min"),
        (845, "14 min"),
        (7_199, "120 min"),
        (7_200, "2.0 h"),
        (5_400_000, "1500 h"),
    ],
)
def test_durations(seconds, text, write):
    assert write("duration", seconds) == text
