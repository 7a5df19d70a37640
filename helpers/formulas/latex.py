r"""LaTeX → tree: split at what binds least, outside brackets, down to factors side by side.

A tree is a nested tuple: ("number", 2.0), ("name", "\\hat y"), ("index", places, tree), ("call", name, arguments),
("axes", letters, name of an array whose axes they are), ("transposed", tree), ("norm", kind, tree),
("shape", sizes, tree), ("sum", letters, body, first, last, condition), or (sign, left, right), where the sign is
"times", "power", "+", "-", an operator or a relation.
"""

import re

from helpers.formulas import Unreadable
from helpers.formulas.tokens import BRACKETS, group, index_letters, key, split, tokens

RELATIONS = ("=", "\\ne", "<", ">", "\\le", "\\ge")
ACCENTS = ("\\hat", "\\tilde", "\\bar", "\\mathbf", "\\mathcal")
ARGUMENTS = {"\\frac": 2, "\\underset": 2, "\\sqrt": 1} | dict.fromkeys((*ACCENTS, *BRACKETS), 1)
TRANSPOSED = (["\\mathsf", "T"], ["T"], ["\\top"])


def pieces(source: list[str]) -> list[tuple[str, list, list]]:
    """What stands side by side: a token or a bracket, its arguments, and its marks: _…, ^… or '.  Σ takes all."""
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
        while head != "\\sum" and at < len(source) and source[at] in "^_'":
            start, at = at, at + 1 if source[at] == "'" else group(source, at + 1)[1]
            marks.append(source[start:at])
        if head == "\\sum":
            arguments, at = [source[at:]], len(source)
        found.append((head, arguments, marks))
    return found


def axes(name: str, letters: list[str]) -> tuple:
    """An array whose axes are these letters, then rows and columns."""
    return ("axes", [("name", letter) for letter in letters], ("name", name)) if letters else ("name", name)


def _joined(trees: list[tuple], signs: list[str]) -> tuple:
    tree = trees[0]
    for sign, right in zip(signs, trees[1:], strict=True):
        tree = (sign, tree, right)
    return tree


class Parser:
    """`names` (key → whether it is a function) decides what is a name with a subscript, indexed, called, multiplied."""

    def __init__(self, names: dict[str, bool]):
        self.names = names

    def parse(self, source: list[str]) -> tuple:
        """The tree of all the tokens of `source`.  Raises Unreadable."""
        terms, signs = split(source, "+-")
        if signs and not terms[0]:
            terms[0] = ["0"]
        return _joined([self._product(term) for term in terms], signs)

    def sizes(self, source: list[str]) -> list[tuple]:
        """The shape that is written under an operand: rows and columns, or the places of a column."""
        found = [self.parse(size) for size in split(source, ["\\times"])[0]]
        if found[2:]:
            raise Unreadable(f"the shape {key(source)} has more than rows and columns")
        return found

    def _product(self, source: list[str]) -> tuple:
        """Factors side by side bind tighter than ·, ⊙ and /; Σ takes the rest."""
        before_sums = len(split(source, ["\\sum"])[0][0])
        parts, signs = split(source[:before_sums], ("\\cdot", "\\odot", "/"))
        parts[-1] += source[before_sums:]
        trees = []
        for sign, part in zip(["", *signs], parts, strict=True):
            factors = self._factors(part)
            if sign == "/" and factors[1:]:
                raise Unreadable("a/bc can be read in two ways: write a fraction")
            trees.append(_joined(factors, ["times"] * len(factors[1:])))
        return _joined(trees, signs)

    def _factors(self, source: list[str]) -> list[tuple]:
        left = pieces(source)
        found = [self._factor(left)]
        while left:
            found.append(self._factor(left))
        return found

    def _factor(self, left: list[tuple]) -> tuple:
        """The first factor of the pieces that are left; a function without brackets takes one more."""
        if not left:
            raise Unreadable("something is missing behind a sign, a function or a bracket")
        head, arguments, marks = left.pop(0)
        if head == "\\sum":
            return self._sum(*arguments)
        tree = self._base(head, arguments)
        if tree[0] == "name":  # as much as `names` has of it: W_2, w^*, \sigma'
            longer = [key([*tokens(tree[1]), *sum(marks[:end], [])]) for end in range(len(marks) + 1)]
            end = max((end for end, name in enumerate(longer) if name in self.names), default=0)
            tree, marks = ("name", longer[end]), marks[end:]
        if tree[0] == "name" and self.names.get(tree[1]):
            if left and left[0][0] == "(" and not marks:
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
            places += [self.parse(part)] if {"+", "-"} & set(part) else self._factors(part)
        if len(places) == 2 and tree == ("name", "\\delta") and "\\delta" not in self.names:
            return ("=", *places)
        return ("index", places, tree)

    def _base(self, head: str, arguments: list[list[str]]) -> tuple:
        match head, *arguments:
            case "{" | "(", inside:
                return self.parse(inside)
            case "[", inside:
                sides, relations = split(inside, RELATIONS)
                if relations[1:]:
                    raise Unreadable("a chain of relations in brackets")
                return _joined([self.parse(side) for side in sides], relations)
            case "\\lVert", inside:
                return ("norm", "", self.parse(inside))
            case "\\sqrt", inside:
                return ("power", self.parse(inside), ("number", 0.5))
            case "\\underset", sizes, inside:
                return ("shape", self.sizes(sizes), self.parse(inside))
            case "\\frac", above, below if "\\partial" not in above + below and above[:1] != ["d"]:
                return ("/", self.parse(above), self.parse(below))
            case "\\frac", above, below:  # a derivative, whose value `names` gives; its letters are its axes
                name = key([head, "{", *above, "}", "{", *below, "}"])
                if self.names.get(name, True):
                    raise Unreadable(f"there is no value for the derivative {name}: give it in names")
                return axes(name, [letter for letter in index_letters(tokens(name)) if letter not in self.names])
            case _, inside:
                return ("name", key([head, "{", *inside, "}"]))
        if head in (",", *RELATIONS):
            raise Unreadable("a list or a relation in brackets: write [a > b] for 1 where it holds, else 0")
        if head not in self.names and head.replace(".", "").isdecimal():
            return ("number", float(head))
        if head not in self.names and not head.lstrip("\\")[:1].isalpha():
            raise Unreadable(f"“{head}” is not expected")
        return ("name", head)

    def _sum(self, body: list[str]) -> tuple:
        r"""\sum_i, \sum_{i=1}^n, \sum_{i \ne j}, \sum_{k \le d}, \sum_{i \in I_u}, \sum_{b : u_b = j}, \sum_{(u,i)}."""
        bounds = {"_": [], "^": []}
        for mark in bounds:
            if body[:1] == [mark]:
                bounds[mark], end = group(body, 1)
                body = body[end:]
        low, high = bounds.values()
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
        if not letters or not all(re.fullmatch("[a-z]", t) and t not in self.names for t in letters):
            raise Unreadable(f"a sum over “{' '.join(low)}” is not read: it takes lower-case letters without a value")
        numbers = [("name", letter) for letter in dict.fromkeys(letters)]
        where = self._base("[", [condition]) if condition else None
        return ("sum", numbers, self._product(body), first, self.parse(high) if high else None, where)
