"""Formula ↔ check: each labelled equation of a page is compared with an independent truth, in float64.

Page "Softmax and cross-entropy, derived and checked" introduces it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from IPython.display import display


class CheckFailed(AssertionError):
    """A formula and its truth differ by more than the tolerance."""


@dataclass(frozen=True)
class Check:
    """What `equation` found: label, number of points, largest absolute error, tolerance."""

    label: str
    points: int
    error: float
    tol: float


_done: dict[str, Check] = {}


def _float64(value, who: str) -> np.ndarray:
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype != np.float64:
        raise TypeError(f"{who} is computed in {array.dtype}: a check needs float64")
    return array


def largest_error(formula: Callable, truth: Callable, at: Iterable[tuple]) -> tuple[float, int]:
    """The largest |formula(*point) − truth(*point)| over the points, and their number.  NaN counts as infinite.

    Raises ValueError for shapes that differ or hold nothing and for an empty `at`, TypeError for anything but float64.
    """
    worst, count = 0.0, 0
    for point in at:
        point = point if isinstance(point, tuple) else (point,)
        left, right = _float64(formula(*point), "the formula"), _float64(truth(*point), "the truth")
        if left.shape != right.shape or not left.size:
            raise ValueError(f"the formula has shape {left.shape}, the truth {right.shape}: give both the same numbers")
        with np.errstate(invalid="ignore"):
            difference = np.abs(left - right)
        difference = np.where(left == right, 0.0, difference)  # equal infinities agree
        worst = max(worst, float(np.where(np.isnan(difference), np.inf, difference).max()))
        count += 1
    if not count:
        raise ValueError("there is no point to check at")
    return worst, count


def equation(label: str, formula: Callable, truth: Callable, *, at: Iterable[tuple], tol: float = 1e-10) -> float:
    """Compare the displayed equation `label` with an independent truth, show the largest error, and return it.

    formula, truth: take the members of a point, return a float64 array, tensor or number of the same shape.
    at: the points, each a tuple of arguments.  tol: the largest absolute difference that is accepted.
    Raises CheckFailed above `tol` (NaN included), ValueError and TypeError as `largest_error` does.
    """
    _done.pop(label, None)  # run again in one session, only the last run counts
    error, points = largest_error(formula, truth, at)
    if not error <= tol:
        raise CheckFailed(f"{label} is wrong: largest error {error:.3g} over {points:,} points, tolerance {tol:.0e}")
    _done[label] = Check(label, points, error, tol)
    found = f"at {points:,} point{'s' * (points > 1)} · largest error {error:.1e} ≤ {tol:.0e}"
    _show(f"✔ equation {{eq}}`{label}` checked {found}", f"✔ equation <code>{label}</code> checked {found}")
    return error


def _show(markdown: str, html: str) -> None:
    """The book renders the Markdown (it knows {eq}), JupyterLab and VS Code the HTML."""
    plain = html.replace("<code>", "").replace("</code>", "")
    bundle = {"text/markdown": markdown, "text/html": html, "text/plain": plain}
    display(bundle, raw=True)


def reset() -> None:
    """Forget the checks of this session (a notebook that starts again begins from none)."""
    _done.clear()


def coverage(labels: Iterable[str]) -> float:
    """The share of `labels` whose check has run and passed in this session.

    Raises ValueError where a check has run for a label that is not among them.
    """
    labels = set(labels)
    if unknown := sorted(set(_done) - labels):
        raise ValueError(f"checked, but not among the labels: {', '.join(unknown)}")
    return len(labels & set(_done)) / len(labels)


def passed() -> list[Check]:
    """Every check that has passed in this session, in the order in which they ran."""
    return list(_done.values())


def table(labels: Iterable[str] | None = None) -> None:
    """Show the checks that have passed: points, largest error, tolerance; those of `labels` in that order, or all."""
    found = passed() if labels is None else [_done[label] for label in labels]
    cells = [(f"{c.points:,}", f"{c.error:.1e}", f"{c.tol:.0e}") for c in found]
    markdown = "| equation | points | largest error | tolerance |\n|---|--:|--:|--:|\n"
    markdown += "\n".join(f"| {{eq}}`{c.label}` | {' | '.join(row)} |" for c, row in zip(found, cells, strict=True))
    rows = (f"<td><code>{c.label}</code></td><td>{'</td><td>'.join(r)}</td>" for c, r in zip(found, cells, strict=True))
    head = "<th>equation</th><th>points</th><th>largest error</th><th>tolerance</th>"
    _show(markdown, f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")


def finite_differences(f: Callable, x, step: float = 1e-6):
    """Central differences of a scalar function: the gradient of f at x, to about step² and 1e-16/step.

    x: float64 NumPy array or torch tensor of any shape; f takes such a one and returns a number.
    Returns the gradient in x's type and shape.  Raises TypeError unless x is float64.
    """
    if str(getattr(x, "dtype", type(x).__name__)).removeprefix("torch.") != "float64":
        raise TypeError(f"finite differences need float64, not {getattr(x, 'dtype', type(x).__name__)}")
    if isinstance(x, torch.Tensor):  # in C order, so that flat views see into both
        point = x.detach().clone(memory_format=torch.contiguous_format)
        gradient = torch.zeros_like(point)
    else:
        point = np.array(x, order="C")
        gradient = np.zeros_like(point)
    flat, slopes = point.reshape(-1), gradient.reshape(-1)
    for i in range(len(flat)):
        centre = float(flat[i])
        flat[i] = centre + step
        above = float(f(point))
        flat[i] = centre - step
        slopes[i] = (above - float(f(point))) / (2 * step)
        flat[i] = centre
    return gradient


def in_range(**parameters: tuple) -> None:
    """Refuse parameters outside their range: in_range(epochs=(epochs, 1, 100)) raises ValueError naming it.

    Each value is (value, low, high), ends included; a list is checked member by member and must not be empty.
    """
    for name, (value, low, high) in parameters.items():
        members = value if isinstance(value, list | tuple) else [value]
        if not members:
            raise ValueError(f"{name} is empty: give at least one value from {low:g} to {high:g}")
        for member in members:
            if isinstance(member, bool) or not isinstance(member, int | float) or not low <= member <= high:
                raise ValueError(f"{name} = {value!r} is outside {low:g} … {high:g}: choose a value within")


def at_least(**counts: tuple[int, int]) -> None:
    """Refuse data that are too few for a page: at_least(users=(2, 100)) raises ValueError with numbers and remedy.

    Each value is (how many there are, how many the page needs); blanks of a name are written as underscores.
    """
    for name, (there, needed) in counts.items():
        if there < needed:
            few = f"at least {needed:,} {name.replace('_', ' ')}, and there are {there:,}"
            raise ValueError(f'this page needs {few}: get the whole data set ("make data"), or pass data="standin"')
