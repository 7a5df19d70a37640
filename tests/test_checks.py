"""helpers.checks: what is right passes, what is wrong fails, and what was not checked is not counted."""

import math
import re

import numpy as np
import pytest
import torch

from helpers import checks
from helpers.checks import CheckFailed, at_least, coverage, equation, finite_differences, in_range, largest_error

POINTS = [(x,) for x in np.linspace(-2, 2, 9)]


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """The bundles displayed, in a session that has checked nothing."""
    bundles = []
    monkeypatch.setattr(checks, "display", lambda bundle, raw: bundles.append(bundle))
    checks.reset()
    yield bundles
    checks.reset()


def slope_of_sine(x):
    return float(finite_differences(np.sin, np.array(x)))


def test_a_right_equation_passes_and_shows_its_largest_error(shown):
    off = iter([0, 3e-9, -7e-9, 1e-9])
    error = equation("eq-line", lambda x, a: a * x + next(off), lambda x, a: a * x, at=[(0.0, 1.0)] * 4, tol=1e-8)
    assert error == pytest.approx(7e-9, rel=1e-6)
    (bundle,) = shown
    assert "{eq}`eq-line` checked at 4 points · largest error 7.0e-09 ≤ 1e-08" in bundle["text/markdown"]
    assert "<code>eq-line</code>" in bundle["text/html"]
    assert "eq-line checked at 4 points" in bundle["text/plain"]
    assert coverage(["eq-line"]) == 1


def test_the_slope_of_the_sine_is_the_cosine_and_not_its_negative(shown):
    assert 0 < equation("eq-right", np.cos, slope_of_sine, at=POINTS, tol=1e-9) <= 1e-9
    with pytest.raises(CheckFailed, match=r"eq-wrong is wrong: largest error 2 over 9 points, tolerance 1e-09"):
        equation("eq-wrong", lambda x: -np.cos(x), slope_of_sine, at=POINTS, tol=1e-9)
    assert len(shown) == 1
    assert coverage(["eq-right", "eq-wrong"]) == 0.5


@pytest.mark.parametrize("kind", [np.array, torch.tensor, list], ids=["numpy", "torch", "list"])
def test_arrays_differ_by_their_largest_member(kind):
    def left(x):
        return kind([[1.0, 2.0], [x, 4.0]]) if kind is not torch.tensor else torch.tensor([[1.0, 2], [x, 4]]).double()

    assert largest_error(left, lambda x: np.array([[1.0, 2.25], [x - 0.75, 4.5]]), [(8.0,), (0.0,)]) == (0.75, 2)


@pytest.mark.parametrize(
    ("left", "right", "error"),
    [
        (math.nan, 1.0, math.inf),
        (1.0, math.nan, math.inf),
        (math.nan, math.nan, math.inf),
        (math.inf, math.inf, 0),
        (-math.inf, -math.inf, 0),
        (math.inf, -math.inf, math.inf),
        (math.inf, 1.0, math.inf),
        (3, 5, 2),
        (True, False, 1),
        (torch.tensor(2), np.int8(-2), 4),
        (np.uint8(3), np.uint8(5), 2),
    ],
)
def test_special_values(left, right, error):
    assert largest_error(lambda _: left, lambda _: right, [0]) == (error, 1)


@pytest.mark.parametrize("values", [(math.nan, 1.0), (1.0, math.nan)])
def test_nan_at_one_of_many_points_fails(values):
    last = iter([(1.0, 1.0), (1.0, 1.0), values, (1.0, 1.0)])
    pair = {}

    def formula(_):
        pair["left"], pair["right"] = next(last)
        return pair["left"]

    with pytest.raises(CheckFailed, match="largest error inf over 4 points"):
        equation("eq-nan", formula, lambda _: pair["right"], at=range(4), tol=1e300)


@pytest.mark.parametrize("tol", [0.0, -1.0, math.nan])
def test_a_tolerance_that_nothing_meets(tol):
    with pytest.raises(CheckFailed):
        equation("eq", lambda x: x + 1e-9, lambda x: x, at=[1.0], tol=tol)


@pytest.mark.parametrize(
    ("formula", "truth", "at", "error", "message"),
    [
        (np.float32, float, [1.0], TypeError, "the formula is computed in float32: a check needs float64"),
        (float, torch.tensor, [1.0], TypeError, "the truth is computed in float32: a check needs float64"),
        (complex, complex, [1.0], TypeError, "complex128"),
        (lambda x: np.zeros(2), lambda x: np.zeros(3), [0], ValueError, r"shape \(2,\), the truth \(3,\)"),
        (lambda x: np.zeros((1, 2)), lambda x: np.zeros(2), [0], ValueError, "shape"),  # would broadcast
        (lambda x: np.zeros(0), lambda x: np.zeros(0), [0], ValueError, "the formula has shape"),
        (float, float, [], ValueError, "no point to check at"),
    ],
)
def test_what_is_no_check_is_refused_and_not_counted(formula, truth, at, error, message, shown):
    with pytest.raises(error, match=message):
        equation("eq-x", formula, truth, at=at)
    assert shown == []
    assert coverage(["eq-x"]) == 0


def test_points_are_tuples_of_arguments_or_single_ones():
    assert largest_error(lambda a, b: a - b, lambda a, b: a + b, [(1.0, 2.0), (0.0, -3.0)]) == (6, 2)
    assert largest_error(np.sum, lambda v: v[0], (np.array([2.0, i]) for i in range(3))) == (2, 3)


def test_coverage_counts_each_label_once_and_names_what_is_unknown():
    for label in ("eq-a", "eq-b", "eq-a"):
        equation(label, float, float, at=[1.0])
    assert coverage(["eq-a", "eq-b", "eq-c", "eq-d", "eq-d"]) == 0.5
    with pytest.raises(ValueError, match="checked, but not among the labels: eq-b"):
        coverage(["eq-a"])
    checks.reset()
    assert coverage(["eq-a"]) == 0


def test_an_equation_that_fails_when_run_again_no_longer_counts():
    equation("eq-a", float, float, at=[1.0])
    with pytest.raises(CheckFailed):
        equation("eq-a", float, lambda x: -x, at=[1.0])
    assert coverage(["eq-a"]) == 0


def test_the_table_has_a_row_for_each_passed_check(shown):
    equation("eq-a", lambda x: x + 2e-12, lambda x: 0.0, at=[0.0])
    equation("eq-b", float, float, at=[1.0, 2.0], tol=1e-6)
    checks.table()
    rows = shown[-1]["text/markdown"].splitlines()
    assert rows[2:] == ["| {eq}`eq-a` | 1 | 2.0e-12 | 1e-10 |", "| {eq}`eq-b` | 2 | 0.0e+00 | 1e-06 |"]
    assert shown[-1]["text/html"].count("<tr>") == 3
    assert "<td><code>eq-b</code></td><td>2</td>" in shown[-1]["text/html"]
    assert [(c.label, c.points, c.error, c.tol) for c in checks.passed()] == [
        ("eq-a", 1, 2e-12, 1e-10),
        ("eq-b", 2, 0.0, 1e-6),
    ]


def test_the_table_of_given_labels_keeps_their_order(shown):
    for label in ("eq-a", "eq-b", "eq-c"):
        equation(label, float, float, at=[1.0])
    checks.table(["eq-c", "eq-a"])
    assert re.findall("eq-.", shown[-1]["text/markdown"]) == ["eq-c", "eq-a"]
    with pytest.raises(KeyError, match="eq-never"):
        checks.table(["eq-never"])


WEIGHTS = torch.arange(1.0, 25, dtype=torch.float64)


def weighted_sines(x):
    """A function with another slope in every direction, for arrays and tensors of up to 24 members."""
    flat = x.reshape(-1)
    if isinstance(x, torch.Tensor):
        return (WEIGHTS[: len(flat)] * torch.sin(flat)).sum() + flat.prod()
    return (WEIGHTS.numpy()[: len(flat)] * np.sin(flat)).sum() + flat.prod()


SHAPES = {
    "0-d": torch.tensor(0.3),
    "vector": torch.linspace(-1, 1, 5),
    "matrix": torch.linspace(-1, 1, 6).reshape(2, 3),
    "transposed": torch.linspace(-1, 1, 6).reshape(2, 3).T,
    "strided": torch.linspace(-1, 1, 12)[::3],
    "3-d": torch.linspace(-1, 1, 24).reshape(2, 3, 4).transpose(0, 2),
}


@pytest.mark.parametrize("x", SHAPES.values(), ids=SHAPES)
def test_finite_differences_agree_with_autograd(x):
    x = x.double()
    leaf = x.clone().requires_grad_()
    (truth,) = torch.autograd.grad(weighted_sines(leaf), leaf)
    before = x.clone()
    slopes = finite_differences(weighted_sines, x)
    assert slopes.dtype == torch.float64
    torch.testing.assert_close(slopes, truth, rtol=0, atol=1e-8)
    array = finite_differences(weighted_sines, x.numpy())
    assert isinstance(array, np.ndarray)
    np.testing.assert_allclose(array, truth.numpy(), rtol=0, atol=1e-8)
    assert torch.equal(x, before)
    assert isinstance(finite_differences(weighted_sines, leaf), torch.Tensor), "a leaf that requires a gradient"


def test_finite_differences_of_one_member_of_an_array():
    assert finite_differences(lambda x: x**2, np.array([3.0])[0]) == pytest.approx(6, abs=1e-8)


def test_finite_differences_are_central_with_the_step_given():
    f = {-1.5: 4.0, -0.5: 1.0}  # a step of 0.5 around −1: (1 − 4) / 1
    assert finite_differences(lambda x: f[float(x)], np.array(-1.0), step=0.5) == -3


@pytest.mark.parametrize(
    ("x", "name"),
    [(np.ones(2, np.float32), "float32"), (torch.ones(2), "float32"), (np.arange(2), "int"), (1.0, "float")],
)
def test_finite_differences_need_float64(x, name):
    with pytest.raises(TypeError, match=f"finite differences need float64, not .*{name}"):
        finite_differences(np.sum, x)


@pytest.mark.parametrize("value", [1, 100, 50, 1.0, 99.5, [1], [3, 100], (2.0, 3)])
def test_what_is_in_range_passes(value):
    in_range(epochs=(value, 1, 100), lr=(0.1, 1e-6, 100.0))


@pytest.mark.parametrize("value", [0, 101, -math.inf, math.nan, True, "7", None, [3, 0], [True], ["7"], [[2]], {2}])
def test_what_is_out_of_range_is_named(value):
    with pytest.raises(ValueError, match="lr = .* is outside 1 … 100: choose a value within"):
        in_range(epochs=(5, 1, 100), lr=(value, 1, 100))


@pytest.mark.parametrize("nothing", [[], ()])
def test_an_empty_list_is_named(nothing):
    with pytest.raises(ValueError, match="sizes is empty: give at least one value from 1 to 100"):
        in_range(sizes=(nothing, 1, 100))


def test_too_few_are_named_and_enough_pass():
    at_least(users=(100, 100), movies=(5_000, 300))
    needed = r'^this page needs at least 1,000 rated movies, and there are 999: .* or pass data="standin"$'
    with pytest.raises(ValueError, match=needed):
        at_least(users=(100, 100), rated_movies=(999, 1_000), ratings=(0, 1))
