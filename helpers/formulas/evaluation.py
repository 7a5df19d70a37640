"""Tree → numbers, at one point.

A value is an array with one leading axis for each index letter of the display (of length 1 where it does not depend on
the letter), followed by its core: nothing (a number) or two axes (a matrix; a vector is a column).  So a sum over i is
a sum over the axis of i, a product of matrices is `@`, and what is left in the end are the free indices.
"""

import numpy as np

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.tokens import nodes

CONSTANTS = {"e": np.array(np.e), "\\pi": np.array(np.pi)}
FUNCTIONS = {f"\\{name}": getattr(np, name) for name in "log exp cosh sinh tanh sin cos arcsin".split()}
SPECIAL = ("\\max", "\\operatorname{diag}")
BUILT_IN = dict.fromkeys(CONSTANTS, False) | dict.fromkeys([*FUNCTIONS, *SPECIAL], True)  # as `names` of a parser
ENTRYWISE = {"+": np.add, "-": np.subtract, "times": np.multiply, "\\cdot": np.multiply, "\\odot": np.multiply}
ENTRYWISE |= {"/": np.divide, "power": np.power, "\\max": np.maximum, "=": np.equal, "\\ne": np.not_equal}
ENTRYWISE |= {"<": np.less, ">": np.greater, "\\le": np.less_equal, "\\ge": np.greater_equal}


class Evaluator:
    """Evaluates trees at one point; knows every index letter's range there."""

    def __init__(self, values: dict, trees: list, letters: list[str], ranges: dict[str, int]):
        """values: key → array or function.  ranges: of letters, as displayed; axes must be as long."""
        arrays = {name: value if callable(value) else np.asarray(value, float) for name, value in values.items()}
        self.values, self.letters, self.sizes = CONSTANTS | arrays, letters, dict(ranges)
        self.first = {letter: node[3] for node in nodes(trees) if node[0] == "sum" for _, letter in node[1]}
        for kind, places, base in [node for node in nodes(trees) if node[0] in ("axes", "index")]:
            for (what, letter, *_), size in zip(places, self._entries(base).shape, strict=False):
                if what == "name" and letter in letters and (kind == "axes" or letter not in ranges):
                    if self.sizes.setdefault(letter, size) != size:
                        raise Wrong(f"the index {letter} has {self.sizes[letter]:g} places, and here {size:g}")

    def value(self, tree: tuple) -> np.ndarray:
        """The value of a tree: each kind of node has its method, and signs share one.  Raises Unreadable and Wrong."""
        kind, *parts = tree
        method = getattr(self, f"_{kind}", None)
        return method(*parts) if method else self._combine(kind, *map(self.value, parts))

    def plain(self, tree: tuple, free: int) -> np.ndarray:
        """Its value with the free indices, the first letters, as axes, then rows and columns; a column is a vector."""
        with np.errstate(all="ignore"):
            value = self.value(tree)
        if left := [t for t, n in zip(self.letters[free:], value.shape[free:], strict=False) if n > 1]:
            raise Wrong(f"the index {left[0]} is left over")
        core = self._vector(value).shape[len(self.letters) :]
        return value.reshape(value.shape[:free] + core if core or value.size > 1 else ())

    def _core(self, value: np.ndarray) -> tuple:
        return value.shape[len(self.letters) :]

    def _vector(self, value: np.ndarray) -> np.ndarray:
        return value[..., 0] if self._core(value)[1:] == (1,) else value

    def _column(self, value: np.ndarray) -> np.ndarray:
        return value[..., None] if len(self._core(value)) == 1 else value

    def _scalar(self, tree: tuple) -> np.ndarray:
        if self._core(value := self.value(tree)):
            raise Wrong("an array stands where an index, a size or a condition is expected")
        return value

    def _lift(self, array: np.ndarray) -> np.ndarray:
        if array.ndim > 2:
            raise Wrong(f"an array of shape {array.shape} without its indices")
        return self._column(array.reshape((1,) * len(self.letters) + array.shape))

    def _number(self, number: float) -> np.ndarray:
        return self._lift(np.array(number))

    def _name(self, name: str) -> np.ndarray:
        if name in self.values:
            return self._lift(self.values[name])
        if name not in self.sizes:
            raise Unreadable(f"there is no value for {name}, and nothing says how far it runs as an index")
        axis = [-1 if letter == name else 1 for letter in self.letters]
        return (np.arange(self.sizes[name]) + float(self.first.get(name, 1))).reshape(axis)

    def _transposed(self, tree: tuple) -> np.ndarray:
        if not self._core(value := self.value(tree)):
            raise Wrong("a number is transposed")
        return value.swapaxes(-1, -2)

    def _norm(self, kind: str, tree: tuple) -> np.ndarray:
        core = self._core(value := self.value(tree))
        if kind == "2" and core[1:] > (1,):
            raise Wrong("‖…‖_2 of a matrix is its largest singular value, which is not read")
        return np.sqrt((value**2).sum((-1, -2))) if core else np.abs(value)

    def _shape(self, sizes: list[tuple], tree: tuple) -> np.ndarray:
        """What has the shape that is written under it; one number for a column."""
        value = self.value(tree)
        written = [self.plain(size, 0).tolist() for size in sizes]
        if (*written, 1)[:2] != (*self._core(value), 1, 1)[:2]:
            written = " × ".join(str(size).removesuffix(".0") for size in written)
            raise Wrong(f"{written} is written under what has the shape {self._core(value)}")
        return value

    def _entries(self, tree: tuple) -> np.ndarray:
        """What stands before a subscript, without leading axes; a column is a vector."""
        if tree[0] == "name" and tree[1] in self.values:
            return self.values[tree[1]]
        value = self._vector(self.value(tree))
        if value.size != np.prod(self._core(value)):
            raise Unreadable("a subscript behind what has an index already")
        return value.reshape(self._core(value))

    def _index(self, places: list[tuple], base: tuple) -> np.ndarray:
        """Entries; indices count from 1, or from where their sum begins.  NaN outside: at 0 of the padded array."""
        array = self._entries(base)
        if len(places) > array.ndim:
            raise Wrong(f"{len(places)} indices for an array of shape {array.shape}")
        at = [self._scalar(place) + 1 - self.first.get(place[0] == "name" and place[1], 1) for place in places]
        inside = [np.where((a >= 1) & (a <= n), a, 0).astype(int) for a, n in zip(at, array.shape, strict=False)]
        padding = [(1, 0)] * len(places) + [(0, 0)] * (array.ndim - len(places))
        return self._column(np.pad(array, padding, constant_values=np.nan)[tuple(inside)])

    _axes = _index

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

    def _call(self, name: str, arguments: list[tuple]) -> np.ndarray:
        values = [self.value(argument) for argument in arguments]
        if name in self.values:
            spread = [self._vector(value) for value in values]
            leading = np.broadcast_shapes(*(value.shape[: len(self.letters)] for value in spread))
            spread = [np.broadcast_to(value, leading + self._core(value)) for value in spread]
            found = np.array([self.values[name](*(v[at] for v in spread)) for at in np.ndindex(leading)], float)
            return self._column(found.reshape(leading + found.shape[1:]))
        if name == "\\max" and len(values) == 2:
            return self._combine(name, *values)
        if name in FUNCTIONS and len(values) == 1:
            return FUNCTIONS[name](*values)
        cores = [self._core(value) for value in values]
        if name == "\\operatorname{diag}" and len(values) == 1 and cores[0][1:] == (1,):
            return values[0] * np.eye(cores[0][0])
        raise Wrong(f"{name} of {len(values)} arguments of the shapes {cores}")

    def _sum(self, letters: list[tuple], body: tuple, first: int, last, condition) -> np.ndarray:
        """Terms that do not count may be infinite."""
        end = np.inf if last is None else self._end(letters[0][1], first, last)
        everywhere = sum(map(self.value, letters)) < np.inf  # as far as they run
        counts = everywhere & (self.value(letters[0]) <= end)
        if condition is not None:
            counts = counts & (self._scalar(condition) != 0)
        value = self.value(body)
        terms = np.where(counts.reshape(counts.shape + (1,) * len(self._core(value))), value, 0.0)
        return terms.sum(tuple(self.letters.index(letter) for _, letter in letters), keepdims=True)

    def _end(self, letter: str, first: int, last: tuple) -> np.ndarray:
        """How far a sum runs; there may be more places."""
        if ("name", letter) in nodes(last):
            raise Wrong(f"the index {letter} runs up to itself")
        end = self._scalar(last)
        places = end.max() - first + 1
        if not places <= self.sizes.setdefault(letter, places // 1):
            raise Wrong(f"the index {letter} runs to {end.max():g}, and has {self.sizes[letter]:g} places")
        return end
