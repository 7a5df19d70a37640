r"""LaTeX → tree: split at what binds least, outside brackets, down to factors side by side.

A tree is a nested tuple: ("number", 2.0), ("name", "\\hat y"), ("index", places, tree), ("call", name, arguments),
("transposed", tree), ("norm", kind, tree), ("shape", sizes, tree), ("sum", letters, body, first, last, condition), or
(sign, left, right), where the sign is "times", "power", "+", "-", an operator or a relation.
"""

import re

from helpers.formulas import Unreadable
from helpers.formulas.tokens import BRACKETS, group, index_letters, key, split, tokens

RELATIONS = ("=", "\\ne", "<", ">", "\\le", "\\ge")
ACCENTS = ("\\hat", "\\tilde", "\\bar", "\\mathbf", "\\mathcal")
ARGUMENTS = {"\\frac": 2, "\\underset": 2, "\\sqrt": 1} | dict.fromkeys((*ACCENTS, *BRACKETS), 1)
SUMS, PRODUCTS = ("+", "-"), ("\\cdot", "\\odot", "/")
TRANSPOSED = (["\\mathsf", "T"], ["T"], ["\\top"])


def pieces(source: list[str]) -> list[tuple[str, list, list]]:
    """What stands side by side: a token or a bracket, its arguments, and its marks: _…, ^… or '."""
    found, at = [], 0
    while at < len(source):
        behind, ahead = "".join(source[:at]).rstrip("}"), "".join(source[at:]).lstrip("{")
        if re.fullmatch(r"\d\d", behind[-1:] + ahead[:1]):
            raise Unreadable(f"a number behind a number, in “{key(source)}”: TeX shows 2 3 as 23")
        head, arguments, marks = source[at], [], []
        at += head not in BRACKETS
        for _ in range(ARGUMENTS.get(head, 0)):
            inside, at = group(source, at, BRACKETS if head in BRACKETS else "{")
            arguments.append(inside)
        while head not in SUMS + PRODUCTS and at < len(source) and source[at] in "^_'":
            start, at = at, at + 1 if source[at] == "'" else group(source, at + 1)[1]
            marks.append(source[start:at])
        found.append((head, arguments, marks))
    return found


class Parser:
    """`names` (key → whether it is a function) decides what is a name with a subscript, indexed, called, multiplied."""

    def __init__(self, names: dict[str, bool]):
        self.names = names

    def parse(self, source: list[str]) -> tuple:
        """The tree of all the tokens of `source`.  Raises Unreadable."""
        left = pieces(source)
        tree = ("number", 0.0) if left and left[0][0] in SUMS else self._product(left)
        while left:
            tree = (left.pop(0)[0], tree, self._product(left))
        return tree

    def _product(self, left: list[tuple]) -> tuple:
        """Factors side by side bind tighter than ·, ⊙ and /."""
        tree = self._run(left)
        while left and left[0][0] in PRODUCTS:
            sign, *_ = left.pop(0)
            tree = (sign, tree, self._factor(left) if sign == "/" else self._run(left))
            if left and left[0][0] not in SUMS + PRODUCTS:
                raise Unreadable("a/bc can be read in two ways: write a fraction")
        return tree

    def _run(self, left: list[tuple]) -> tuple:
        tree = self._factor(left)
        while left and left[0][0] not in SUMS + PRODUCTS:
            tree = ("times", tree, self._factor(left))
        return tree

    def _factor(self, left: list[tuple]) -> tuple:
        """The first factor of the pieces that are left; a function without brackets takes one more."""
        if not left:
            raise Unreadable("something is missing behind a sign, a function or a bracket")
        head, arguments, marks = left.pop(0)
        if head == "\\sum":
            return self._sum(marks, left)
        tree = self._base(head, arguments)
        if tree[0] == "name":  # as much as `names` has of it: W_2, w^*, \sigma'
            longer = [key([*tokens(tree[1]), *sum(marks[:end], [])]) for end in range(len(marks) + 1)]
            end = max((end for end, name in enumerate(longer) if name in self.names), default=0)
            tree, marks = ("name", longer[end] if end else tree[1]), marks[end:]
        if tree[0] == "name" and self.names.get(tree[1]):
            if marks:
                raise Unreadable(f"“{key(marks[0])}” stands behind the function {tree[1]}, not behind its argument")
            if left and left[0][0] == "(":
                _, (inside,), marks = left.pop(0)
                tree = ("call", tree[1], [self.parse(part) for part in split(inside, ",")[0]])
            else:
                tree = ("call", tree[1], [self._factor(left)])
        for mark in marks:
            tree = self._marked(tree, mark)
        return tree

    def _marked(self, tree: tuple, mark: list[str]) -> tuple:
        """A power; an entry, at ik, (1, 1), u_b f, t-1; Kronecker's δ_ik; the kind of a norm."""
        if mark == ["'"]:
            raise Unreadable("a name with ' has no value: give it in names")
        inside, _ = group(mark, 1)
        if mark[0] == "^":
            return ("transposed", tree) if inside in TRANSPOSED else ("power", tree, self.parse(inside))
        if tree[0] == "norm":
            if inside not in (["F"], ["2"]):
                raise Unreadable(f"the norm ‖…‖_{' '.join(inside)} is not read")
            return ("norm", *inside, tree[2])
        places = []
        for part in split(inside, ",")[0]:
            is_sum, left = {*SUMS} & {*part}, pieces(part)
            places.append(self.parse(part) if is_sum else self._factor(left))
            while left and not is_sum:
                places.append(self._factor(left))
        if len(places) == 2 and tree == ("name", "\\delta") and "\\delta" not in self.names:
            return ("=", *places)
        return ("index", places, tree)

    def _base(self, head: str, arguments: list[list[str]]) -> tuple:
        match head, *arguments:
            case "[", inside if len(split(inside, RELATIONS)[1]) == 1:
                (left, right), (relation,) = split(inside, RELATIONS)
                return (relation, self.parse(left), self.parse(right))
            case "{" | "(" | "[", inside:
                return self.parse(inside)
            case "\\lVert", inside:
                return ("norm", "", self.parse(inside))
            case "\\sqrt", inside:
                return ("power", self.parse(inside), ("number", 0.5))
            case "\\underset", sizes, inside:  # rows × columns, or the places of a column
                if sizes.count("\\times") > 1:
                    raise Unreadable(f"the shape {key(sizes)} has more than rows and columns")
                return ("shape", [self.parse(size) for size in split(sizes, ["\\times"])[0]], self.parse(inside))
            case "\\frac", above, below if "\\partial" not in above + below and above[:1] != ["d"]:
                return ("/", self.parse(above), self.parse(below))
            case "\\frac", above, below:  # a derivative, whose value `names` gives; its letters are its axes
                name = key([head, "{", *above, "}", "{", *below, "}"])
                if self.names.get(name, True):
                    raise Unreadable(f"there is no value for the derivative {name}: give it in names")
                letters = [("name", letter) for letter in index_letters(tokens(name)) if letter not in self.names]
                return ("index", letters, ("name", name)) if letters else ("name", name)
            case _, inside:
                return ("name", key([head, "{", *inside, "}"]))
        if head in self.names or head.lstrip("\\")[:1].isalpha() and head not in RELATIONS:
            return ("name", head)
        if head.replace(".", "").isdecimal():
            return ("number", float(head))
        raise Unreadable(f"“{head}” is not expected: for 1 where a relation holds, else 0, write [a > b]")

    def _sum(self, marks: list[list[str]], left: list[tuple]) -> tuple:
        r"""\sum_i, \sum_{i=1}^n, \sum_{i \ne j}, \sum_{k \le d}, \sum_{i \in I_u}, \sum_{b : u_b = j}, \sum_{(u,i)}."""
        bounds = {mark[0]: group(mark, 1)[0] for mark in marks if mark[1:]}
        low, high = bounds.get("_", []), bounds.get("^", [])
        letters, first, condition = low[:1], 1, []
        match low:
            case [_, "=", "0" | "1" as start] if high:
                first = int(start)
            case [_, "<" | ">" | "\\le" | "\\ge", *_] if not high:
                condition = low
            case [_, ":", *condition]:
                pass
            case [letter, "\\in", name, *places]:
                condition = [name, "_", "{", *(t for t in places if t not in "_{}"), letter, "}"]
            case [one, "\\ne", other]:
                letters, condition = [one, other], low
            case ["(", one, ",", other, ")"]:
                letters, condition = [one, other], [key(low), "_", "{", one, other, "}"]
            case _:
                letters = [] if high else low
        if len(bounds) < len(marks) or not re.fullmatch("[a-z]+", "".join(letters)) or {*letters} & {*self.names}:
            raise Unreadable(f"a sum over “{' '.join(low)}” is not read: it takes lower-case letters without a value")
        numbers = [("name", letter) for letter in dict.fromkeys(letters)]
        last, counts = self.parse(high) if high else None, self._base("[", [condition or ["1"]])
        return ("sum", numbers, self._product(left), first, last, counts)
