"""Two computations of one thing, compared in float64 over many points: a display, or code, beside its truth."""

from collections.abc import Callable, Iterable

import numpy as np
import torch

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.chains import Display
from helpers.formulas.tokens import key


def as_array(value, who: str) -> np.ndarray:
    """`value` as float64 (of integers and booleans too).  Raises TypeError, naming `who`, for anything else."""
    if value is None:
        raise TypeError(f"{who} is None: its function returns nothing")
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind not in "iub" and array.dtype != np.float64:
        remedy = "make it an array of one shape" if array.dtype == object else "convert it, with .double() for instance"
        raise TypeError(f"{who} is computed in {array.dtype}, and a check needs float64: {remedy}")
    return array.astype(np.float64)


def as_values(names: dict) -> dict:
    """What displays are read with: arrays in float64, functions that give them and take what the page works with."""
    convert = torch.tensor if any(isinstance(value, torch.Tensor) for value in names.values()) else np.asarray

    def of(name: str, value):
        if callable(value):
            return lambda *arguments: as_array(value(*map(convert, arguments)), f"the result of {name}")
        return as_array(value, name)

    return {name: of(name, value) for name, value in names.items()}


class CheckFailed(AssertionError):
    """A formula and its truth differ by more than the tolerance."""


class Comparison:
    """The errors of one equation over its points: the largest, and where it is."""

    def __init__(self, label: str):
        """label: what errors are to name."""
        self.label, self.points, self.error, self.code_error, self.worst = label, 0, 0.0, None, ""
        self.display: Display | None = None

    def at(self, point: tuple, latex: str, truth, names, code, formula, skip) -> None:
        """Compare at one point; the arguments are those of `equation`."""
        self.points += 1
        truths = truth if isinstance(truth, dict) else {"": truth}
        found = {key(left): as_array(function(*point), "the truth") for left, function in truths.items()}
        (first, *_) = found.values()
        try:
            if names:
                values = as_values({key(name): value for name, value in names(*point).items()})
                self.display = self.display or self._parsed(latex, values, list(found), skip)
                for member, value, wanted, relation in self.display.at(values, found):
                    strict = member.kind == "condition" and relation in ("<", ">")
                    self._compare(point, f"“{member.latex}”", value, wanted, relation, strict)
            for who, function in (("the formula", formula), ("the code", code)):
                if function:
                    value = as_array(function(*point), who)
                    if value.shape != first.shape or not value.size:
                        raise Wrong(f"{who} has the shape {value.shape}, the truth {first.shape}")
                    gap = self._compare(point, who, value, first, "=")
                    self.code_error = max(self.code_error or 0.0, gap) if who == "the code" else None
        except Wrong as fault:
            raise CheckFailed(f"{self.label} is wrong: {fault}, at point {self.points} ({_brief(point)})") from None

    def _parsed(self, latex: str, values: dict, truths: list[str], skip) -> Display:
        try:
            return Display(latex, {name: callable(value) for name, value in values.items()}, truths, skip)
        except Unreadable as fault:
            raise Unreadable(f"{self.label} is not read: {fault}") from None

    def _compare(
        self, point: tuple, who: str, value: np.ndarray, wanted: np.ndarray, relation: str, strict=False
    ) -> float:
        value, wanted = np.broadcast_arrays(value, wanted)
        with np.errstate(invalid="ignore"):
            gap = value - wanted
        gap = (
            np.maximum(gap, 0) if relation in (">", "\\ge") else np.maximum(-gap, 0) if relation != "=" else np.abs(gap)
        )
        gap = np.where(
            value == wanted, np.inf if strict else 0.0, np.where(np.isnan(gap), np.inf, gap)
        )  # equal infinities agree
        if gap.size and (largest := float(gap.max())) >= self.error and (largest or not self.worst):
            entry = np.unravel_index(int(gap.argmax()), gap.shape)
            place = f"entry {list(map(int, entry))} of " if entry else ""
            values = f"is {value[entry]:.10g} where {wanted[entry]:.10g} is right"
            self.error, self.worst = largest, f"{place}{who} {values}, at point {self.points} ({_brief(point)})"
        return float(gap.max()) if gap.size else 0.0


def largest_error(function: Callable, truth: Callable, at: Iterable) -> tuple[float, int]:
    """The largest |function(*point) − truth(*point)| over the points, and their number: for code beside code.

    Raises as `equation` does.
    """
    comparison = Comparison("this comparison")
    for point in at:
        comparison.at(point if isinstance(point, tuple) else (point,), "", truth, None, function, None, ())
    if not comparison.points:
        raise ValueError("there is no point to compare at")
    return comparison.error, comparison.points


def _brief(point: tuple) -> str:
    shapes = (
        f"shape {tuple(arg.shape)}"
        if getattr(arg, "ndim", 0)
        else f"{arg:.6g}"
        if hasattr(arg, "__float__")
        else type(arg).__name__
        for arg in point
    )
    return ", ".join(shapes)
