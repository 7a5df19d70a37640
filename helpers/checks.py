"""Formula ↔ check: each labelled equation of a page is read from the page and compared with an independent truth.

Page "Softmax and cross-entropy, derived and checked" introduces it.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from html import escape

import numpy as np
import torch
from IPython.display import display

from helpers import fingerprint
from helpers.comparison import CheckFailed, Comparison, largest_error
from helpers.formulas import displays
from helpers.formulas.tokens import statement
from helpers.numbers import count, number


@dataclass(frozen=True)
class Check:
    """What `equation` found.

    points: how many.  error, tol: the largest absolute error and the tolerance.  code_error: the page's own code's.
    read: how many members were evaluated.  left: left sides that stand for the truth.  skipped: what kept members from
    being read.  transcribed: the formula was typed again.  statement: a digest of what is displayed.
    """

    label: str
    points: int
    error: float
    tol: float
    code_error: float | None = None
    read: int = 0
    left: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    transcribed: bool = True
    statement: str = ""


__all__ = ["CheckFailed", "largest_error"]
_done: dict[str, Check] = {}


def displayed(label: str) -> str:
    """The LaTeX of the equation `label` as it stands on the page.  Raises Unreadable where it is not there once."""
    return displays.display(label)[0]


def equation(
    label: str,
    truth: dict[str, Callable],
    *,
    at: Iterable,
    names: Callable | None = None,
    code: Callable | None = None,
    formula: Callable | None = None,
    tol: float = 1e-10,
    skip: tuple[str, ...] = (),
    instead: str | None = None,
) -> float:
    r"""Compare the equation `label`, as it is displayed, with an independent truth; show and return the largest error.

    truth: {LaTeX of a left side: what computes it}, a function of the members of a point; returns a float64 array,
    tensor or number, whose axes are the indices of the left side in their order, then rows and columns.
    at: the points, each a tuple of arguments.  names: point → {LaTeX of a name: its number, array or function}.
    code: the page's own implementation, compared too.  tol: the largest absolute difference that is accepted.
    skip: LaTeX commands, such as \int, whose members are not read.  instead: another display, tried and not recorded.
    formula: in place of `names`, where a display cannot be read: the formula, typed again.  The line says so then.
    Raises CheckFailed above `tol` (NaN included) and for shapes that do not fit, Unreadable for what is not read,
    TypeError for what is not float64, ValueError for no points.
    """
    if instead is None:
        _done.pop(label, None)  # run again in one session, only the last run counts
    if (names is None) == (formula is None):
        raise TypeError(f"{label}: give names (what each letter means), or formula where the display cannot be read")
    if not isinstance(truth, dict):
        raise TypeError(f"{label}: truth is {{LaTeX of a left side: function}}")
    latex, where = displays.display(label) if instead is None else (instead, "")
    comparison = Comparison(label)
    for point in at:
        comparison.at(point if isinstance(point, tuple) else (point,), latex, truth, names, code, formula, skip)
    if not comparison.points + comparison.outside:
        raise ValueError(f"{label}: there is no point to check at")
    if why := comparison.refusal(tol):
        raise CheckFailed(f"{label} is wrong: {why}")
    if instead is None:
        _done[label] = Check(label, comparison.points, comparison.error, tol, comparison.code_error)
        if names:
            members = comparison.display.members
            read = sum(member.kind == "read" for member in members)
            left = tuple(member.latex for member in members if member.kind == "left")
            _done[label] = replace(_done[label], read=read, left=left, skipped=tuple(skip), transcribed=False)
        _done[label] = replace(_done[label], statement=fingerprint.digest(statement(latex)))
        _show_check(_done[label], latex, where)
    return comparison.error


def _show_check(check: Check, latex: str, where: str) -> None:
    how = "transcribed" if check.transcribed else f"read as displayed: {count(check.read, 'member')}"
    found = f"{how} at {count(check.points, 'point')} · largest error {number(check.error, 2)} ≤ {number(check.tol, 1)}"
    found += f" · code {number(check.code_error, 2)}" if check.code_error is not None else ""
    found += "".join(f" · ${left}$ is the truth" for left in check.left)
    found += f" · not read: ${'$, $'.join(check.skipped)}$" if check.skipped else ""
    sign = "✎" if check.transcribed else "✔"
    html = f"{sign} equation <code>{check.label}</code> {escape(found)}"
    if not os.environ.get("COURSE_PAGE"):  # an editor
        html += f"<br>$\\displaystyle {escape(latex)}$ <small>({escape(where)})</small>"
    display({"text/markdown": f"{sign} equation {{eq}}`{check.label}` {found}", "text/html": html}, raw=True)


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


def record() -> dict[str, dict]:
    """What has passed in this session, as plain values: label → the other fields of its `Check`."""
    return {label: {k: v for k, v in vars(check).items() if k != "label"} for label, check in _done.items()}


def table(labels: Iterable[str] | None = None) -> None:
    """Show the checks that have passed: points, largest error, tolerance; those of `labels` in that order, or all."""
    found = passed() if labels is None else [_done[label] for label in labels]
    cells = [(count(c.read, "member") if not c.transcribed else "transcribed", number(c.points)) for c in found]
    cells = [(*row, number(c.error, 2), number(c.tol, 1)) for row, c in zip(cells, found, strict=True)]
    heads = ("equation", "read", "points", "largest error", "tolerance")
    markdown = f"| {' | '.join(heads)} |\n|---|--:|--:|--:|--:|\n"
    markdown += "\n".join(f"| {{eq}}`{c.label}` | {' | '.join(row)} |" for c, row in zip(found, cells, strict=True))
    rows = [(f"<code>{c.label}</code>", *row) for c, row in zip(found, cells, strict=True)]
    rows = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
    html = f"<table><tr><th>{'</th><th>'.join(heads)}</th></tr>{rows}</table>"
    display({"text/markdown": markdown, "text/html": html, "text/plain": markdown}, raw=True)


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
