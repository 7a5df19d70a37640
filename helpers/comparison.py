"""Two computations of one thing, compared in float64 over many points: a display, or code, beside its truth."""

from collections.abc import Callable, Iterable

import numpy as np
import torch

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.chains import Display
from helpers.formulas.tokens import key

EXACT = 1e-7  # what = may leave out, as finite differences do; more is an approximation


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
        self.unequal, self.outside = 0.0, 0

    def refusal(self, tol: float) -> str:
        """Why this is not accepted within `tol`, "" where it is."""
        if self.outside and not self.points:
            return "its condition holds at no point"
        if not self.error <= tol:
            return f"{self.worst}; largest error {self.error:.3g} over {self.points:,} points, tolerance {tol:.0e}"
        if self.unequal > EXACT:
            return f"{self.worst}; equal to {self.unequal:.0e} alone, which \\approx says and = does not"
        return ""

    def at(self, point: tuple, latex: str, truth, names, code, formula, skip) -> None:
        """Compare at one point; the arguments are those of `equation`."""
        self.points += 1
        try:
            found = {key(left): as_array(function(*point), "the truth") for left, function in truth.items()}
            (first, *_) = found.values()
            if names:
                values = as_values({key(name): value for name, value in names(*point).items()})
                functions = {name: callable(value) for name, value in values.items()}
                self.display = self.display or Display(latex, functions, list(found), skip)
                compared = self.display.at(values, found)
                if self._is_outside(compared):
                    return
                for member, value, wanted, relation in compared:
                    gap = self._compare(point, f"“{member.latex}”", value, wanted, relation)
                    self.unequal = max(self.unequal, gap if relation != "\\approx" else 0.0)
            for who, function in (("the formula", formula), ("the code", code)):
                if function:
                    value = as_array(function(*point), who)
                    if value.shape != first.shape or not value.size:
                        raise Wrong(f"{who} has the shape {value.shape}, the truth {first.shape}")
                    gap = self._compare(point, who, value, first, "=")
                    self.code_error = max(self.code_error or 0.0, gap) if who == "the code" else None
        except Wrong as fault:
            raise CheckFailed(f"{self.label} is wrong: {fault}, {self._where(point)}") from None
        except Unreadable as fault:
            raise Unreadable(f"{self.label} is not read: {fault}") from None
        except (ArithmeticError, LookupError, RuntimeError, ValueError) as fault:  # of a page's function
            why = f"{type(fault).__name__}: {fault}"
            raise CheckFailed(f"{self.label} cannot be computed: {why}, {self._where(point)}") from fault

    def _where(self, point: tuple) -> str:
        return f"at point {self.points + self.outside} ({_brief(point)})"

    def _is_outside(self, compared: list) -> bool:
        """Whether a condition fails here; then what is displayed must fail too, or the condition says too much."""
        gaps = [(member.kind == "condition", _gap(*rest).max(initial=0.0)) for member, *rest in compared]
        if all(gap <= EXACT for condition, gap in gaps if condition):
            return False
        if all(gap <= EXACT for condition, gap in gaps if not condition):
            raise Wrong("a condition does not hold, and what is said under it does")
        self.points, self.outside = self.points - 1, self.outside + 1
        return True

    def _compare(self, point: tuple, who: str, value: np.ndarray, wanted: np.ndarray, relation: str) -> float:
        value, wanted = np.broadcast_arrays(value, wanted)
        gap = _gap(value, wanted, relation)
        if gap.size and (largest := float(gap.max())) >= self.error and (largest or not self.worst):
            entry = np.unravel_index(int(gap.argmax()), gap.shape)
            place = f"entry {list(map(int, entry))} of " if entry else ""
            values = f"is {value[entry]:.10g} where {wanted[entry]:.10g} is right"
            self.error, self.worst = largest, f"{place}{who} {values}, {self._where(point)}"
        return float(gap.max()) if gap.size else 0.0


def _gap(value: np.ndarray, wanted: np.ndarray, relation: str) -> np.ndarray:
    """How far each entry is from what the relation says; infinite for NaN, and for equality under < and >."""
    value, wanted = np.broadcast_arrays(value, wanted)
    with np.errstate(invalid="ignore"):
        gap = value - wanted
    if relation in ("<", ">", "\\le", "\\ge"):
        gap = np.where(np.isnan(gap), gap, np.maximum(gap if relation in (">", "\\ge") else -gap, 0))
    gap = np.where(value == wanted, 0.0, np.where(np.isnan(gap), np.inf, np.abs(gap)))  # equal infinities agree
    if relation in ("<", ">"):  # strict: more than rounding lies between
        with np.errstate(invalid="ignore"):
            near = ~(np.abs(value - wanted) > EXACT * np.maximum(np.abs(value), np.abs(wanted)))
        gap = np.where(near, np.inf, gap)
    return gap


def largest_error(function: Callable, truth: Callable, at: Iterable) -> tuple[float, int]:
    """The largest |function(*point) − truth(*point)| over the points, and their number: for code beside code.

    Raises as `equation` does.
    """
    comparison = Comparison("this comparison")
    for point in at:
        comparison.at(point if isinstance(point, tuple) else (point,), "", {"": truth}, None, function, None, ())
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
