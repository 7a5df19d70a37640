"""Tree → numbers, at one point.

A value is an array with one leading axis for each index letter of the display (of length 1 where it does not depend on
the letter), followed by nothing (a number) or by two axes (a matrix; a vector is a column).  So a sum over i is a sum
over the axis of i, a product of matrices is `@`, and what is left in the end are the free indices.
"""

import re

import numpy as np
import torch

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.tokens import nodes

FUNCTIONS = {f"\\{name}": getattr(np, name) for name in "log exp cosh sinh tanh sin cos arcsin".split()}
CONSTANTS = {"e": np.array(np.e), "\\pi": np.array(np.pi)}
COMPARED = {"=": np.equal, "\\ne": np.not_equal, "<": np.less, ">": np.greater}
COMPARED |= {"\\le": np.less_equal, "\\ge": np.greater_equal}


def as_array(value, who: str) -> np.ndarray:
    """`value` as float64 (of integers and booleans too).  Raises TypeError, naming `who`, for anything else."""
    if value is None:
        raise TypeError(f"{who} is None: its function returns nothing")
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind not in "iub" and array.dtype != np.float64:
        remedy = "make it an array of one shape" if array.dtype == object else "convert it, with .double() for instance"
        raise TypeError(f"{who} is computed in {array.dtype}, and a check needs float64: {remedy}")
    return array.astype(np.float64)


class Evaluator:
    """Evaluates trees at one point; knows every index letter's range there."""

    def __init__(self, values: dict, trees: list, letters: list[str], ranges: dict[str, int]):
        """values: key → float64 array or function.  ranges: of letters, as displayed."""
        self.values, self.letters, self.sizes = values, letters, dict(ranges)
        self.first = {node[1][0]: node[2] for node in nodes(trees) if node[0] == "sum"}
        for _, base, places in [node for node in nodes(trees) if node[0] == "index"]:
            for place, size in zip(places, self._entries(base).shape, strict=False):
                if place[0] == "name" and place[1] in letters and place[1] not in ranges:
                    self.runs(place[1], size)

    def runs(self, letter: str, size: int) -> None:
        """Bind an index to its range, or raise Wrong where it has another."""
        if self.sizes.setdefault(letter, size) != size:
            raise Wrong(f"the index {letter} has {self.sizes[letter]} places, and here {size}")

    def annotate(self, dimensions: str, core: tuple) -> None:
        """Assert the shape that is written under an operand; one number for a column."""
        wanted = [part.strip(" ()") for part in dimensions.split("\\times")]
        for name, size in zip((wanted + ["1"])[:2], (tuple(core) + (1, 1))[:2], strict=True):
            self._dimension(name, size)

    def value(self, tree) -> np.ndarray:
        """The value of a tree.  Raises Unreadable and Wrong."""
        kind, *parts = tree
        if kind == "number":
            return self._lift(np.array(parts[0]))
        if kind in ("name", "index", "sum", "call"):
            return getattr(self, "_" + kind)(*parts)
        if kind == "delta":
            if len(parts[0]) != 2:
                raise Wrong("δ takes two indices")
            return (self.value(parts[0][0]) == self.value(parts[0][1])).astype(float)
        if kind == "relation" and parts[0] in COMPARED:
            return COMPARED[parts[0]](self.value(parts[1]), self.value(parts[2])).astype(float)
        if kind == "add":
            return self._combine(parts[0], self.value(parts[1]), self.value(parts[2]))
        if kind in ("times", "\\cdot", "\\odot", "/", "power"):
            return self._combine(kind, self.value(parts[0]), self.value(parts[1]))
        inside = self.value(parts[-1])
        if kind == "norm":
            if parts[0] == "2" and self._core(inside)[1:] > (1,):
                raise Wrong("‖…‖_2 of a matrix is its largest singular value, which is not read")
            return np.abs(inside) if self._is_number(inside) else np.sqrt((inside**2).sum((-1, -2)))
        if kind == "shape":
            self.annotate(parts[0], self._core(inside))
            return inside
        if kind == "transposed" and not self._is_number(inside):
            return inside.swapaxes(-1, -2)
        raise Wrong(f"{kind} of what it cannot be of")

    def _is_number(self, value: np.ndarray) -> bool:
        return value.ndim == len(self.letters)

    def _core(self, value: np.ndarray) -> tuple:
        return value.shape[len(self.letters) :]

    def _lift(self, array: np.ndarray) -> np.ndarray:
        if array.ndim > 2:
            raise Wrong(f"an array of shape {array.shape} without its indices")
        return array.reshape((1,) * len(self.letters) + array.shape + (1,) * (array.ndim == 1))

    def _name(self, name: str) -> np.ndarray:
        if name in self.values or name not in self.letters:
            return self._lift(self.values.get(name, CONSTANTS.get(name)))
        if name not in self.sizes:
            raise Unreadable(f"nothing says how far the index {name} runs")
        axis = [-1 if letter == name else 1 for letter in self.letters]
        return (np.arange(self.sizes[name]) + float(self.first.get(name, 1))).reshape(axis)

    def _entries(self, tree) -> np.ndarray:
        """What stands before a subscript, without leading axes; a column is a vector."""
        if tree[0] == "name" and tree[1] in self.values:
            return self.values[tree[1]]
        array = self.value(tree)
        if any(n > 1 for n in array.shape[: len(self.letters)]):
            raise Unreadable("a subscript behind what has an index already")
        array = array.reshape(self._core(array))
        return array[:, 0] if array.shape[1:] == (1,) else array

    def _index(self, base, places) -> np.ndarray:
        """Entries; indices count from 1, or from where their sum begins.  NaN outside."""
        array = self._entries(base)
        if len(places) > array.ndim:
            raise Wrong(f"{len(places)} indices for an array of shape {array.shape}")
        first = [self.first.get(place[1], 1) if place[0] == "name" else 1 for place in places]
        at = [(self.value(place) - start).astype(int) for place, start in zip(places, first, strict=True)]
        at = list(zip(np.broadcast_arrays(*at), array.shape, strict=False))
        found = array[tuple(np.clip(a, 0, n - 1) for a, n in at)]
        outside = np.any([(a < 0) | (a >= n) for a, n in at], axis=0)
        found = np.where(outside.reshape(outside.shape + (1,) * (found.ndim - outside.ndim)), np.nan, found)
        return found[..., None] if found.ndim == len(self.letters) + 1 else found

    def _combine(self, kind: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        numbers = self._is_number(left), self._is_number(right)
        if sum(numbers) == 1 and kind in ("+", "-", "times", "\\cdot", "/"):  # a number counts for each entry
            left, right = (v[..., None, None] if n else v for v, n in zip((left, right), numbers, strict=True))
        a, b = self._core(left), self._core(right)
        if kind in ("+", "-") and ((1, 1) in (a, b) or a == b):
            return left - right if kind == "-" else left + right
        if kind in ("times", "\\cdot") and any(numbers) or kind == "\\odot" and a == b != ():
            return left * right
        if kind == "/" and b in ((), (1, 1)):
            return left / right
        if kind == "power" and all(numbers):
            return left**right
        if kind == "power" and numbers[1] and (right == -1).all() and a[0] == a[1]:
            return np.linalg.inv(left)
        if kind == "\\cdot" and a[1] == b[1] == 1:
            left, a = left.swapaxes(-1, -2), a[::-1]
        if kind in ("times", "\\cdot") and a[1] == b[0]:
            found = left @ right
            return found[..., 0, 0] if self._core(found) == (1, 1) else found
        raise Wrong(f"{kind} between the shapes {a} and {b}")

    def _call(self, name: str, arguments: list) -> np.ndarray:
        values = [self.value(argument) for argument in arguments]
        if name in self.values:
            leading = np.broadcast_shapes(*[v.shape[: len(self.letters)] for v in values])
            spread = [np.broadcast_to(v, leading + self._core(v)) for v in values]
            spread = [v[..., 0] if not self._is_number(v) and v.shape[-1] == 1 else v for v in spread]
            results = [self.values[name](*(v[place] for v in spread)) for place in np.ndindex(leading)]
            found = np.array([as_array(result, f"the result of {name}") for result in results])
            found = found.reshape(leading + found.shape[1:])
            return found[..., None] if found.ndim == len(leading) + 1 else found
        if name == "\\max" and len(values) == 2:
            return np.maximum(*values)
        if name in FUNCTIONS and len(values) == 1:
            return FUNCTIONS[name](*values)
        if name != "\\max" and len(values) == 1 and self._core(values[0])[1:] == (1,):  # diag
            return values[0] * np.eye(values[0].shape[-2])
        raise Wrong(f"{name} of {len(values)} arguments of the shapes {[*map(self._core, values)]}")

    def _dimension(self, name: str, size: int) -> None:
        """A number is that number, or what `names` says that it stands for; a letter is what `names` says."""
        base, more = re.fullmatch(r"(.*?)((?:[+-]\d+)?)", name).groups()
        given = self.values.get(base, np.array(int(base)) if base.isdigit() else None)
        if given is None:
            raise Unreadable(f"there is no size for the dimension {base}: give it in names")
        if callable(given) or given.ndim or int(given) + int(more or 0) != size:
            raise Wrong(f"the dimension {name} is {size} here, and {base} is {given}")

    def _sum(self, letters: list[str], first: int, last, condition, body) -> np.ndarray:
        masks = [] if condition is None else [self.value(condition)]
        if last is not None:
            masks += self._upper(letters[0], first, last)
        if unknown := [letter for letter in letters if letter not in self.sizes]:
            raise Unreadable(f"nothing says how far the index {unknown[0]} runs")
        value = self.value(body)
        leading = [self.sizes[t] if t in letters else n for t, n in zip(self.letters, value.shape, strict=False)]
        leading = np.broadcast_shapes(leading, *[mask.shape for mask in masks])
        spread = np.broadcast_to(value, leading + self._core(value))
        for mask in masks:  # what is not counted may be infinite
            spread = np.where(mask.reshape(mask.shape + (1,) * len(self._core(value))) != 0, spread, 0.0)
        return spread.sum(tuple(self.letters.index(letter) for letter in letters), keepdims=True)

    def _upper(self, letter: str, first: int, last) -> list[np.ndarray]:
        """Assert how far `letter` runs, or give the mask of the places that count."""
        if last[0] == "number":
            self.runs(letter, int(self.values.get(f"{last[1]:g}", last[1])) - first + 1)
            return []
        if ("name", letter) in nodes(last):
            raise Wrong(f"the index {letter} runs up to itself")
        end = self.value(last)
        self.sizes.setdefault(letter, int(end.max()) - first + 1)
        if end.max() > self.sizes[letter] + first - 1:
            raise Wrong(f"the index {letter} runs to {end.max():g}, and has {self.sizes[letter]} places")
        return [self.value(("name", letter)) <= end]
