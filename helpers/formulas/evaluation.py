"""Tree → numbers, at one point.

A value is an array with one leading axis for each index letter of the display (of length 1 where it does not depend on
the letter), followed by its core: nothing (a number) or two axes (a matrix; a vector is a column).  So a sum over i is
a sum over the axis of i, a product of matrices is `@`, and what is left in the end are the free indices.
"""

import re

import numpy as np

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.tokens import nodes

CONSTANTS = {"e": np.array(np.e), "\\pi": np.array(np.pi)}
FUNCTIONS = {f"\\{name}": getattr(np, name) for name in "log exp cosh sinh tanh sin cos arcsin".split()}
ENTRYWISE = {"+": np.add, "-": np.subtract, "times": np.multiply, "\\cdot": np.multiply, "\\odot": np.multiply}
ENTRYWISE |= {"/": np.divide, "power": np.power, "\\max": np.maximum, "=": np.equal, "\\ne": np.not_equal}
ENTRYWISE |= {"<": np.less, ">": np.greater, "\\le": np.less_equal, "\\ge": np.greater_equal}


class Evaluator:
    """Evaluates trees at one point; knows every index letter's range there."""

    def __init__(self, values: dict, trees: list, letters: list[str], ranges: dict[str, int]):
        """values: key → array or function.  ranges: of letters, as displayed."""
        arrays = {name: value if callable(value) else np.asarray(value, float) for name, value in values.items()}
        self.values, self.letters, self.sizes = CONSTANTS | arrays, letters, dict(ranges)
        self.first = {letter: node[3] for node in nodes(trees) if node[0] == "sum" for _, letter in node[1]}
        for _, places, base in [node for node in nodes(trees) if node[0] == "index"]:
            for place, size in zip(places, self._entries(base).shape, strict=False):
                if place[0] == "name" and place[1] in letters and place[1] not in ranges:
                    self.runs(place[1], size)

    def runs(self, letter: str, size: int) -> None:
        """Bind an index to its range, or raise Wrong where it has another."""
        if self.sizes.setdefault(letter, size) != size:
            raise Wrong(f"the index {letter} has {self.sizes[letter]:g} places, and here {size:g}")

    def annotate(self, dimensions: str, core: tuple) -> None:
        """Assert the shape that is written under an operand, one number for a column.

        A number is that number, or what `names` says that it stands for; a letter is what `names` says.
        """
        wanted = [part.strip(" ()") for part in dimensions.split("\\times", 1)]
        for name, size in zip([*wanted, "1"][:2], (*core, 1, 1)[:2], strict=True):
            base, more = re.fullmatch(r"(.*?)([+-]\d+)?", name).groups()
            given = self.values.get(base, np.array(int(base)) if base.isdecimal() else None)
            if given is None:
                raise Unreadable(f"there is no size for the dimension “{base}” of {dimensions}: give it in names")
            if callable(given) or given.ndim or given + int(more or 0) != size:
                raise Wrong(f"the dimension {name} is {size} here, and {base} is {given}")

    def value(self, tree) -> np.ndarray:
        """The value of a tree.  Raises Unreadable and Wrong."""
        kind, *parts = tree
        if kind in ("name", "index", "sum", "call"):
            return getattr(self, f"_{kind}")(*parts)
        if kind == "number":
            return self._lift(np.array(parts[0]))
        if kind == "delta":
            return self._combine("=", *map(self.value, parts[0]))
        inside = [self.value(part) for part in parts if isinstance(part, tuple)]
        if len(inside) == 2:
            return self._combine(kind, *inside)
        core = self._core(inside[0])
        if kind == "shape":
            self.annotate(parts[0], core)
            return inside[0]
        if kind == "norm":
            if parts[0] == "2" and core[1:] > (1,):
                raise Wrong("‖…‖_2 of a matrix is its largest singular value, which is not read")
            return np.sqrt((inside[0] ** 2).sum((-1, -2))) if core else np.abs(inside[0])
        if not core:
            raise Wrong("a number is transposed")
        return inside[0].swapaxes(-1, -2)

    def _core(self, value: np.ndarray) -> tuple:
        return value.shape[len(self.letters) :]

    def _lift(self, array: np.ndarray) -> np.ndarray:
        if array.ndim > 2:
            raise Wrong(f"an array of shape {array.shape} without its indices")
        return array.reshape((1,) * len(self.letters) + array.shape + (1,) * (array.ndim == 1))

    def _name(self, name: str) -> np.ndarray:
        if name not in self.letters:
            return self._lift(self.values[name])
        if name not in self.sizes:
            raise Unreadable(f"nothing says how far the index {name} runs")
        axis = [-1 if letter == name else 1 for letter in self.letters]
        return (np.arange(self.sizes[name]) + float(self.first.get(name, 1))).reshape(axis)

    def _entries(self, tree) -> np.ndarray:
        """What stands before a subscript, without leading axes; a column is a vector."""
        if tree[0] == "name" and tree[1] not in self.letters:
            return self.values[tree[1]]
        array = self.value(tree)
        if array.size != np.prod(core := self._core(array)):
            raise Unreadable("a subscript behind what has an index already")
        return array.reshape(core[:1] if core[1:] == (1,) else core)

    def _number(self, tree) -> np.ndarray:
        if self._core(value := self.value(tree)):
            raise Wrong("an array stands where an index or a condition is expected")
        return value

    def _index(self, places: list, base) -> np.ndarray:
        """Entries; indices count from 1, or from where their sum begins.  NaN outside: at 0 of the padded array."""
        array = self._entries(base)
        if len(places) > array.ndim:
            raise Wrong(f"{len(places)} indices for an array of shape {array.shape}")
        at = [self._number(place) + 1 - self.first.get(place[0] == "name" and place[1], 1) for place in places]
        inside = [np.where((a >= 1) & (a <= n), a, 0).astype(int) for a, n in zip(at, array.shape, strict=False)]
        padding = [(1, 0)] * len(places) + [(0, 0)] * (array.ndim - len(places))
        found = np.pad(array, padding, constant_values=np.nan)[tuple(inside)]
        return found[..., None] if len(self._core(found)) == 1 else found

    def _combine(self, kind: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        numbers = not self._core(left), not self._core(right)
        if sum(numbers) == 1 and kind not in ("\\odot", "power"):  # a number counts for each entry
            left, right = (v[..., None, None] if n else v for v, n in zip((left, right), numbers, strict=True))
        a, b = self._core(left), self._core(right)
        fits = {"times": any(numbers), "\\cdot": any(numbers), "\\odot": a == b != (), "power": all(numbers)}
        fits["/"] = b in ((), (1, 1))
        if kind in ENTRYWISE and fits.get(kind, a == b or (1, 1) in (a, b)):
            return ENTRYWISE[kind](left, right).astype(float)
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
        cores = [self._core(value) for value in values]
        if name in self.values:
            leading = np.broadcast_shapes(*(v.shape[: len(self.letters)] for v in values))
            spread = [np.broadcast_to(v, leading + core) for v, core in zip(values, cores, strict=True)]
            spread = [v[..., 0] if core[1:] == (1,) else v for v, core in zip(spread, cores, strict=True)]
            found = np.array([self.values[name](*(v[at] for v in spread)) for at in np.ndindex(leading)], float)
            found = found.reshape(leading + found.shape[1:])
            return found[..., None] if len(self._core(found)) == 1 else found
        if name == "\\max" and len(values) == 2:
            return self._combine(name, *values)
        if name in FUNCTIONS and len(values) == 1:
            return FUNCTIONS[name](*values)
        if name == "\\operatorname{diag}" and len(values) == 1 and cores[0][1:] == (1,):
            return values[0] * np.eye(cores[0][0])
        raise Wrong(f"{name} of {len(values)} arguments of the shapes {cores}")

    def _sum(self, letters: list, body, first: int, last, condition) -> np.ndarray:
        """Terms that do not count may be infinite."""
        end = np.inf if last is None else self._end(letters[0][1], first, last)
        everywhere = sum(map(self.value, letters)) < np.inf  # as far as they run
        counts = everywhere & (self.value(letters[0]) <= end)
        if condition is not None:
            counts = counts & (self._number(condition) != 0)
        value = self.value(body)
        terms = np.where(counts.reshape(counts.shape + (1,) * len(self._core(value))), value, 0.0)
        return terms.sum(tuple(self.letters.index(letter) for _, letter in letters), keepdims=True)

    def _end(self, letter: str, first: int, last) -> np.ndarray:
        """How far a sum runs: a displayed number is all places of its letter, else there may be more."""
        if ("name", letter) in nodes(last):
            raise Wrong(f"the index {letter} runs up to itself")
        number = f"{last[1]:.15g}" if last[0] == "number" else ""
        end = self._number(("name", number) if number in self.values else last)
        reach = end.max() - first + 1
        if number:
            self.runs(letter, reach)
        if not reach <= self.sizes.setdefault(letter, reach // 1):
            raise Wrong(f"the index {letter} runs to {end.max():g}, and has {self.sizes[letter]:g} places")
        return end
