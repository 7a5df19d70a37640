"""helpers.checks: what is right passes, what is wrong fails, and what was not checked is not counted."""

import math
import re

import nbformat
import numpy as np
import pytest
import torch

from helpers import checks
from helpers.checks import CheckFailed, at_least, coverage, equation, finite_differences, in_range, largest_error
from helpers.formulas import Unreadable

POINTS = [(x,) for x in np.linspace(-2, 2, 9)]


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """The bundles displayed, with blanks for no-break spaces, in a session that has checked nothing."""
    bundles = []

    def note(bundle, raw):
        bundles.append({kind: text.replace("\u00a0", " ") for kind, text in bundle.items()})

    monkeypatch.setattr(checks, "display", note)
    checks.reset()
    yield bundles
    checks.reset()


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Writes displays to a page, which checks then read: page(r"y' = 2 x") or page(**{"eq-a": …})."""

    def write(latex="", **labelled):
        labelled = {name.replace("_", "-"): text for name, text in labelled.items()} or {"eq-a": latex}
        text = "\n\n".join(f"So\n\n$$\n{latex}\n$$ ({label})" for label, latex in labelled.items())
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
        nbformat.write(notebook, tmp_path / "page.ipynb")
        monkeypatch.setenv("COURSE_PAGE", str(tmp_path / "page.ipynb"))

    return write


def slope_of_sine(x):
    return float(finite_differences(np.sin, np.array(x)))


def names(x):
    return {"x": x, r"\sin": np.sin}


SLOPE = {r"\frac{d}{dx} \sin x": slope_of_sine}


def test_a_right_equation_passes_and_shows_what_was_read(shown, page):
    page(r"\frac{d}{dx} \sin x = \cos x = 1 - \sin(x) .")
    with pytest.raises(CheckFailed, match=r"“1-\\sin\(x\)” is .* where .* is right, at point \d \("):
        equation("eq-a", SLOPE, at=POINTS, names=names, tol=1e-9)
    page(r"\frac{d}{dx} \sin x = \cos x .")
    error = equation("eq-a", SLOPE, at=POINTS, names=names, code=np.cos, tol=1e-9)
    assert 0 < error <= 1e-9
    (bundle,) = shown
    said = "{eq}`eq-a` read as displayed: 1 member at 9 points · largest error"
    assert said in bundle["text/markdown"]
    assert r"· code " in bundle["text/markdown"]
    assert r"$\frac d{dx}\sin x$ is the truth" in bundle["text/markdown"]
    assert "<code>eq-a</code>" in bundle["text/html"]
    assert coverage(["eq-a"]) == 1


def test_an_editor_shows_the_formula_that_was_read_and_the_file(shown, page, tmp_path, monkeypatch):
    page(r"\frac{d}{dx} \sin x = \cos x .")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "page.ipynb"))
    monkeypatch.delenv("COURSE_PAGE")
    equation("eq-a", SLOPE, at=POINTS, names=names, tol=1e-9)
    assert r"$\displaystyle \frac{d}{dx} \sin x = \cos x .$" in shown[0]["text/html"]
    assert "page.ipynb" in shown[0]["text/html"]


def test_the_slope_of_the_sine_is_not_minus_the_cosine(shown, page):
    page(r"\frac{d}{dx} \sin x = -\cos x .")
    with pytest.raises(CheckFailed, match=r"eq-a is wrong: .*; largest error 2 over 9 points, tolerance 1e-09"):
        equation("eq-a", SLOPE, at=POINTS, names=names, tol=1e-9)
    assert shown == []
    assert coverage(["eq-a"]) == 0


def test_a_condition_says_neither_too_little_nor_too_much(page):
    def check(condition):
        page(rf"y = x{condition} .")
        return equation("eq-a", {"y": abs}, at=[-2.0, -1.0, 1.0, 2.0], names=names)

    assert check(r" \qquad \text{if } x > 0") == 0
    assert checks.record()["eq-a"]["points"] == 2
    for false in ("", r"\qquad \text{if } x < 0", r"\qquad \text{if } x > -1.5", r"\qquad x > 1", r"\qquad x > 3"):
        with pytest.raises(CheckFailed, match="condition|is right"):
            check(false)


def test_what_is_equal_up_to_a_remainder_says_so(page):
    def check(display):
        page(display)
        return equation("eq-a", {"y": lambda x: x + 1e-5}, at=[1.0, 2.0], names=names, tol=1e-4)

    assert check(r"y \approx x = 2 x - x") > 0
    for false in ("y = x", r"y \approx x = x + 0.00001", r"x = y"):
        with pytest.raises(CheckFailed, match=r"which \\approx says"):
            check(false)
    for false in ("y < x", "y > x > x", r"y \ge 0 = x"):
        with pytest.raises(CheckFailed):
            check(false)


def test_a_truth_says_what_it_is_the_truth_of(page):
    page(r"\phantom{y} \propto q = x")
    with pytest.raises(Unreadable, match="phantom"):
        equation("eq-a", {"q": float}, at=[1.0], names=names)
    with pytest.raises(TypeError, match="eq-a: truth is {LaTeX of a left side: function}"):
        equation("eq-a", float, at=[1.0], names=names)


@pytest.mark.parametrize("broken", ["truth", "names", "code", "a function"])
def test_a_function_of_the_page_that_fails_is_named_with_its_point(broken, page):
    def fail(x, *_):
        return [][3]

    page("y = f(x)")
    given = {"f": fail if broken == "a function" else lambda x: x}
    with pytest.raises(CheckFailed, match=r"eq-a .*cannot be computed: .*list index out of range, at point 1 \(2\)"):
        equation(
            "eq-a",
            {"y": fail if broken == "truth" else float},
            at=[2.0],
            names=fail if broken == "names" else lambda x: {"x": x} | given,
            code=fail if broken == "code" else float,
        )


def test_the_code_is_a_third_party(page):
    page(r"\frac{d}{dx} \sin x = \cos x .")
    with pytest.raises(CheckFailed, match=r"the code is .* at point \d"):
        equation("eq-a", SLOPE, at=POINTS, names=names, code=lambda x: np.cos(x) + 1e-6, tol=1e-9)


def test_a_display_in_the_place_of_another_is_tried_and_not_recorded(page):
    page(r"\frac{d}{dx} \sin x = \cos x .")
    equation("eq-a", SLOPE, at=POINTS, names=names, tol=1e-9)
    with pytest.raises(CheckFailed):
        equation("eq-a", SLOPE, at=POINTS, names=names, tol=1e-9, instead=r"\frac{d}{dx} \sin x = \sin x")
    assert coverage(["eq-a"]) == 1


def test_a_transcribed_formula_says_so(shown, page):
    page(r"\frac{d}{dx} \sin x = \min_a \dots")
    equation("eq-a", SLOPE, at=POINTS, formula=np.cos, tol=1e-9)
    assert "✎ equation {eq}`eq-a` transcribed at 9 points" in shown[0]["text/markdown"]
    assert checks.record()["eq-a"]["transcribed"] is True


@pytest.mark.parametrize("tol", [0.0, -1.0, math.nan])
def test_a_tolerance_that_nothing_meets(tol, page):
    page("y = x")
    with pytest.raises(CheckFailed):
        equation("eq-a", {"y": lambda x: x + 1e-9}, at=[1.0], names=names, tol=tol)


@pytest.mark.parametrize(
    ("truth", "at", "error", "message"),
    [
        (lambda x: np.float32(x), [1.0], TypeError, "the truth is computed in float32, and a check needs float64"),
        (lambda x: None, [1.0], TypeError, "the truth is None: its function returns nothing"),
        (lambda x: np.zeros(3), [np.zeros(2)], CheckFailed, r"“x” has the shape \(2,\), and what it equals \(3,\)"),
        (lambda x: complex(x), [1.0], TypeError, "complex128"),
        (float, [], ValueError, "eq-a: there is no point to check at"),
    ],
)
def test_what_is_no_check_is_refused_and_not_counted(truth, at, error, message, shown, page):
    page("y = x")
    with pytest.raises(error, match=message):
        equation("eq-a", {"y": truth}, at=at, names=names)
    assert shown == []
    assert coverage(["eq-a"]) == 0


def test_a_label_that_is_not_on_the_page_names_those_that_are(page):
    page(eq_a="y = x", eq_b="y = 2 x")
    with pytest.raises(Unreadable, match=r"no display is labelled eq-c in .*page.ipynb .*: there are eq-a, eq-b"):
        equation("eq-c", {"y": float}, at=[1.0], names=names)


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


def test_nan_at_one_of_many_points_fails():
    assert largest_error(lambda x: math.nan if x == 2 else 1.0, lambda x: 1.0, range(4)) == (math.inf, 4)


@pytest.mark.parametrize(
    ("formula", "truth", "at", "error", "message"),
    [
        (np.float32, float, [1.0], TypeError, "the code is computed in float32"),
        (lambda x: np.zeros(2), lambda x: np.zeros(3), [0], CheckFailed, r"shape \(2,\), the truth \(3,\)"),
        (lambda x: np.zeros((1, 2)), lambda x: np.zeros(2), [0], CheckFailed, "shape"),  # would broadcast
        (lambda x: np.zeros(0), lambda x: np.zeros(0), [0], CheckFailed, "the code has the shape"),
        (float, float, [], ValueError, "no point to compare at"),
    ],
)
def test_what_is_no_comparison_is_refused(formula, truth, at, error, message):
    with pytest.raises(error, match=message):
        largest_error(formula, truth, at)


def test_points_are_tuples_of_arguments_or_single_ones():
    assert largest_error(lambda a, b: a - b, lambda a, b: a + b, [(1.0, 2.0), (0.0, -3.0)]) == (6, 2)
    assert largest_error(np.sum, lambda v: v[0], (np.array([2.0, i]) for i in range(3))) == (2, 3)


def identity(label):
    return equation(label, {"y": float}, at=[1.0, 2.0], names=names)


def test_coverage_counts_each_label_once_and_names_what_is_unknown(page):
    page(eq_a="y = x", eq_b="y = x")
    for label in ("eq-a", "eq-b", "eq-a"):
        identity(label)
    assert coverage(["eq-a", "eq-b", "eq-c", "eq-d", "eq-d"]) == 0.5
    with pytest.raises(ValueError, match="checked, but not among the labels: eq-b"):
        coverage(["eq-a"])
    checks.reset()
    assert coverage(["eq-a"]) == 0


def test_an_equation_that_fails_when_run_again_no_longer_counts(page):
    page("y = x")
    identity("eq-a")
    page("y = -x")
    with pytest.raises(CheckFailed):
        identity("eq-a")
    assert coverage(["eq-a"]) == 0


def test_the_table_has_a_row_for_each_passed_check_in_the_order_given(shown, page):
    page(eq_a="y = x = x", eq_b="y = x")
    identity("eq-a")
    identity("eq-b")
    checks.table()
    rows = shown[-1]["text/markdown"].splitlines()
    assert rows[2:] == [
        "| {eq}`eq-a` | 2 members | 2 | 0 | 1 × 10⁻¹⁰ |",
        "| {eq}`eq-b` | 1 member | 2 | 0 | 1 × 10⁻¹⁰ |",
    ]
    assert shown[-1]["text/html"].count("<tr>") == 3
    assert [(c.label, c.points, c.read) for c in checks.passed()] == [("eq-a", 2, 2), ("eq-b", 2, 1)]
    checks.table(["eq-b", "eq-a"])
    assert re.findall("eq-.", shown[-1]["text/markdown"]) == ["eq-b", "eq-a"]
    with pytest.raises(KeyError, match="eq-never"):
        checks.table(["eq-never"])


def test_the_record_keeps_what_was_read_and_a_digest_of_what_is_said(page):
    page(eq_a=r"y = x \qquad j = 1, 2", eq_b=r"y = \, x\quad j = 1, 2 .", eq_c=r"y = x \qquad j = 1, 3")
    for label in ("eq-a", "eq-b", "eq-c"):
        identity(label)
    found = checks.record()
    assert found["eq-a"]["left"] == ("y",)
    assert found["eq-a"]["read"] == 1
    assert found["eq-a"]["statement"] != found["eq-c"]["statement"]


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
