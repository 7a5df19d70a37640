"""Tree → numbers, at one point.

A value is an array with an axis for each index letter of the display (of length 1 where it does not depend on it), then
rows and columns: a vector is a column, a number 1 × 1.  So Σ is a sum over axes, and a product of matrices is `@`.
"""

import numpy as np

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.tokens import nodes

NUMBER = (1, 1)
CONSTANTS = {"e": np.array(np.e), "\\pi": np.array(np.pi)}
FUNCTIONS = {f"\\{name}": getattr(np, name) for name in "log exp cosh sinh tanh sin cos arcsin".split()}
BUILT_IN = dict.fromkeys(CONSTANTS, False) | dict.fromkeys([*FUNCTIONS, "\\max", "\\operatorname{diag}"], True)
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
            for (_, letter, *_), size in zip(places, self._entries(base).shape, strict=False):
                if letter in letters and letter not in ranges and self.sizes.setdefault(letter, size) != size:
                    raise Wrong(f"the index {letter} has {self.sizes[letter]:g} places, and here {size:g}")

    def value(self, tree: tuple) -> np.ndarray:
        """The value of a tree.  Raises Unreadable and Wrong."""
        match tree:
            case "number", number:
                return self._lift(np.array(number))
            case "name", name:
                return self._lift(self.values[name]) if name in self.values else self._places(name)
            case "index", places, base:
                return self._index(places, base)
            case "call", name, arguments:
                return self._call(name, [self.value(argument) for argument in arguments])
            case "sum", *parts:
                return self._sum(*parts)
            case "transposed", ("name", name) if not np.ndim(self.values.get(name)):
                raise Wrong("a number is transposed")
            case "transposed", inside:
                return self.value(inside).swapaxes(-1, -2)
            case "norm", kind, inside:
                if (value := self.value(inside)).shape[-1] > 1 and kind == "2":
                    raise Wrong("‖…‖_2 of a matrix is its largest singular value, which is not read")
                return np.sqrt((value**2).sum((-1, -2), keepdims=True))
            case "shape", sizes, inside:
                value, written = self.value(inside), [self.plain(size, 0).tolist() for size in sizes]
                if (*written, 1)[:2] != value.shape[-2:]:  # one number for a column
                    raise Wrong(f"the shape {written} is written under what has the shape {value.shape[-2:]}")
                return value
            case sign, left, right:
                return self._combine(sign, self.value(left), self.value(right))

    def plain(self, tree: tuple, free: int) -> np.ndarray:
        """Its value with the free indices, the first letters, as axes, then rows and columns; a column is a vector."""
        with np.errstate(all="ignore"):
            value = self.value(tree)
        if left := [t for t, n in zip(self.letters[free:], value.shape[free:], strict=False) if n > 1]:
            raise Wrong(f"the index {left[0]} is left over")
        return value.reshape(value.shape[:free] + _core(value) if value.size > 1 else ())

    def _lift(self, array: np.ndarray, leading: tuple = ()) -> np.ndarray:
        """An array, behind the axes `leading` of the letters if it has them, as a value."""
        if len(core := array.shape[len(leading) :]) > 2:
            raise Wrong(f"an array of shape {array.shape} without its indices")
        return array.reshape((leading or (1,) * len(self.letters)) + (*core, 1, 1)[:2])

    def _places(self, letter: str) -> np.ndarray:
        """An index by itself: 1, 2, …, or from where its sum begins."""
        if letter not in self.sizes:
            raise Unreadable(f"there is no value for {letter}, and nothing says how far it runs as an index")
        axis = [-1 if other == letter else 1 for other in self.letters]
        return (np.arange(self.sizes[letter]) + float(self.first.get(letter, 1))).reshape(*axis, *NUMBER)

    def _scalar(self, tree: tuple) -> np.ndarray:
        if (value := self.value(tree)).shape[-2:] != NUMBER:
            raise Wrong("an array stands where an index, an end or a condition is expected")
        return value

    def _entries(self, tree: tuple) -> np.ndarray:
        """What stands before a subscript, without leading axes; a column is a vector."""
        if tree[0] == "name" and tree[1] in self.values:
            return self.values[tree[1]]
        value = self.value(tree)
        if value.size != np.prod(value.shape[-2:]):
            raise Unreadable("a subscript behind what has an index already")
        return value.reshape(_core(value))

    def _index(self, places: list[tuple], base: tuple) -> np.ndarray:
        """Entries; indices count from 1, or from where their sum begins.  NaN outside: at 0 of the padded array."""
        array = self._entries(base)
        if len(places) > array.ndim:
            raise Wrong(f"{len(places)} indices for an array of shape {array.shape}")
        first = [self.first.get(place[0] == "name" and place[1], 1) for place in places]
        at = [self._scalar(place)[..., 0, 0] + 1 - start for place, start in zip(places, first, strict=True)]
        inside = [np.where((a >= 1) & (a <= n), a, 0).astype(int) for a, n in zip(at, array.shape, strict=False)]
        padding = [(1, 0)] * len(places) + [(0, 0)] * (array.ndim - len(places))
        found = np.pad(array, padding, constant_values=np.nan)[tuple(inside)]
        return self._lift(found, found.shape[: len(self.letters)])

    def _combine(self, kind: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        a, b = left.shape[-2:], right.shape[-2:]
        fits = dict.fromkeys(("times", "\\cdot"), NUMBER in (a, b))  # a number counts for each entry
        fits |= {"\\odot": a == b, "power": a == b == NUMBER, "/": b == NUMBER}
        if kind in ENTRYWISE and fits.get(kind, a == b or NUMBER in (a, b)):
            return ENTRYWISE[kind](left, right).astype(float)
        if kind == "power" and b == NUMBER and (right == -1).all() and a[0] == a[1]:
            return np.linalg.inv(left)
        if kind == "\\cdot" and a[1] == b[1] == 1:
            left, a = left.swapaxes(-1, -2), a[::-1]
        if kind in ("times", "\\cdot") and a[1] == b[0]:
            return left @ right
        raise Wrong(f"{kind} between the shapes {a} and {b}")

    def _call(self, name: str, values: list[np.ndarray]) -> np.ndarray:
        if name in self.values:
            leading = np.broadcast_shapes(*(value.shape[:-2] for value in values))
            spread = [np.broadcast_to(v, leading + v.shape[-2:]).reshape(leading + _core(v)) for v in values]
            found = np.array([self.values[name](*(v[at] for v in spread)) for at in np.ndindex(leading)], float)
            return self._lift(found.reshape(leading + found.shape[1:]), leading)
        if name == "\\max" and len(values) == 2:
            return self._combine(name, *values)
        if name in FUNCTIONS and len(values) == 1:
            return FUNCTIONS[name](*values)
        if name == "\\operatorname{diag}" and len(values) == 1 and values[0].shape[-1] == 1:
            return values[0] * np.eye(values[0].shape[-2])
        raise Wrong(f"{name} of {len(values)} arguments of the shapes {[value.shape[-2:] for value in values]}")

    def _sum(self, letters: list[tuple], body: tuple, first: int, last: tuple | None, condition: tuple) -> np.ndarray:
        """Terms that do not count may be infinite; there may be more places than a sum runs over."""
        (_, letter), end = letters[0], np.inf
        if last is not None:
            if letters[0] in nodes(last):
                raise Wrong(f"the index {letter} runs up to itself")
            end = self._scalar(last)
            places = end.max() - first + 1
            if not places <= self.sizes.setdefault(letter, places // 1):
                raise Wrong(f"the index {letter} runs to {end.max():g}, and has {self.sizes[letter]:g} places")
        everywhere = sum(map(self.value, letters)) < np.inf
        counts = everywhere & (self.value(letters[0]) <= end) & (self._scalar(condition) != 0)
        axes = tuple(self.letters.index(letter) for _, letter in letters)
        return np.where(counts, self.value(body), 0.0).sum(axes, keepdims=True)


def _core(value: np.ndarray) -> tuple:
    """The axes of rows and columns that have more than one: a column is a vector."""
    rows, columns = value.shape[-2:]
    return () if rows == columns == 1 else (rows,) if columns == 1 else (rows, columns)
