r"""LaTeX → tree, by recursive descent.

A tree is a nested tuple: ("number", 2.0), ("name", "\\hat y"), ("index", places, tree), ("delta", places),
("call", name, arguments), ("transposed", tree), ("norm", kind, tree), ("shape", dimensions, tree),
("sum", letters, body, first, last, condition), or
(sign, left, right), where the sign is "times", "power", "+", "-", an operator or a relation.
"""

import re

from helpers.formulas import Unreadable
from helpers.formulas.tokens import group, index_letters, key, tokens

RELATIONS = ("=", "\\ne", "<", ">", "\\le", "\\ge", "\\approx", ":=")
OPERATORS = ("\\cdot", "\\odot", "/")
ENDS = {"", "+", "-", ")", "]", "}", ",", ":", "\\rVert", "\\in", "\\times", *OPERATORS, *RELATIONS}
BUILT_IN = {f"\\{name}" for name in "log exp cosh sinh tanh sin cos arcsin max".split()} | {"\\operatorname{diag}"}
ACCENTS = ("\\hat", "\\tilde", "\\bar", "\\mathbf", "\\mathcal")
NOT_READ = ("\\min", "\\int", "\\lim", "\\mathbb", "\\nabla", "\\dots")
TRANSPOSED = (["\\mathsf", "T"], ["T"], ["\\top"])


def parse(source: list[str], names: dict[str, bool]):
    """The tree of all the tokens of `source`.  names: key → whether it is a function.  Raises Unreadable."""
    if token := next((token for token in source if token in NOT_READ), ""):
        raise Unreadable(f"{token} is not read")
    parser = _Parser(source, names)
    tree = parser.sum()
    if parser.peek():
        raise Unreadable(f"“{parser.peek()}” is left over in “{' '.join(source)}”")
    return tree


class _Parser:
    """`names` decides what is a name with a subscript (W_2), what is indexed (s_i), called (σ(z)) and multiplied."""

    def __init__(self, source: list[str], names: dict[str, bool]):
        self.tokens, self.at, self.names = source, 0, names

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self, expected: str = "") -> str:
        if not (token := self.peek()) or (expected and token != expected):
            near = " ".join(self.tokens[max(0, self.at - 6) : self.at + 3])
            raise Unreadable(f"{expected or 'something'} is expected in “{near}”")
        self.at += 1
        return token

    def group(self, behind: str = "") -> list[str]:
        """TeX's argument; with `behind`, that of _ or ^ if it is there."""
        if behind and self.peek() != behind:
            return []
        found, self.at = group(self.tokens, self.at + bool(behind))
        return found

    def argument(self):
        return parse(self.group(), self.names)

    def sum(self):
        left = ("number", 0.0) if self.peek() in ("+", "-") else self.product()
        while self.peek() in ("+", "-"):
            left = (self.next(), left, self.product())
        return left

    def product(self):
        left = self.run()
        while (sign := self.peek()) in OPERATORS:
            self.next()
            left = (sign, left, self.factor() if sign == "/" else self.run())
            if self.peek() not in ENDS:
                raise Unreadable("a/bc can be read in two ways: write a fraction")
        return left

    def run(self):
        """Factors side by side, which bind tighter than ·, ⊙ and /."""
        left = self.factor()
        while self.peek() not in ENDS:
            behind = next((t for t in self.tokens[self.at - 1 :: -1] if t != "}"), "")
            if behind.isdigit() and next((t for t in self.tokens[self.at :] if t != "{"), "")[:1].isdigit():
                raise Unreadable(f"a number behind a number, in “{key(self.tokens)}”: TeX shows 2 3 as 23")
            left = ("times", left, self.factor())
        return left

    def factor(self):
        tree = self.base()
        if tree[0] == "name":
            tree = self.longest(tree[1])
        if tree[0] == "name" and self.names.get(tree[1], tree[1] in BUILT_IN):
            tree = ("call", tree[1], self.bracketed() if self.peek() == "(" else [self.factor()])
        while self.peek() in ("^", "_"):
            mark, inside = self.next(), self.group()
            if mark == "_":
                tree = self.subscript(tree, inside)
            else:
                tree = ("transposed", tree) if inside in TRANSPOSED else ("power", tree, parse(inside, self.names))
        return tree

    def longest(self, name: str):
        r"""W_2, w^*, a', \sigma': marks belong to the name where `names` has it so."""
        while self.peek() in ("'", "_", "^"):
            start, mark = self.at, self.next()
            longer = key([*tokens(name), mark] + (["{", *self.group(), "}"] if mark != "'" else []))
            if longer not in self.names and mark != "'":
                self.at = start
                break
            name = longer
        return ("name", name)

    def subscript(self, tree, inside: list[str]):
        """An entry, at ik, 11, u_b f, t-1, or Kronecker's δ_ik."""
        inner, places = _Parser([t for t in inside if t != ","], self.names), []
        while not places or inner.peek():
            places.append(inner.sum() if {"+", "-"} & set(inside) else inner.factor())
        if len(places) == 2 and tree == ("name", "\\delta") and "\\delta" not in self.names:
            return ("delta", places)
        return ("index", places, tree)

    def bracketed(self) -> list:
        """What stands in brackets, separated by commas."""
        closing, found = {"(": ")", "[": "]"}[self.peek()], []
        while not found or self.peek() == ",":
            self.next()
            left = self.sum()
            found.append((self.next(), left, self.sum()) if self.peek() in RELATIONS else left)
        self.next(closing)
        return found

    def base(self):
        token = self.peek()
        if token == "{":
            return self.argument()
        if token in ("(", "["):
            first, *more = self.bracketed()
            if more or first[0] in RELATIONS and token == "(":
                raise Unreadable("a list or a relation in brackets: write [a > b] for 1 where it holds, else 0")
            return first
        self.next()
        if token.replace(".", "").isdecimal():
            return ("number", float(token))
        if token == "\\sqrt":
            return ("power", self.argument(), ("number", 0.5))
        if token == "\\underset":
            return ("shape", key(self.group()), self.argument())
        if token == "\\sum":
            return self.big_sum(self.group("_"), self.group("^"))
        if token in ACCENTS:
            return ("name", key([token, "{", *self.group(), "}"]))
        if token == "\\lVert":
            inside = self.sum()
            self.next("\\rVert")
            if (kind := self.group("_")) not in ([], ["F"], ["2"]):
                raise Unreadable(f"the norm ‖…‖_{' '.join(kind)} is not read")
            return ("norm", "".join(kind), inside)
        if token == "\\frac":
            above, below = self.group(), self.group()
            if "\\partial" in above + below or above[:1] == ["d"]:
                return self.derivative(key(["\\frac", "{", *above, "}", "{", *below, "}"]))
            return ("/", parse(above, self.names), parse(below, self.names))
        if token in ENDS or not (token.lstrip("\\")[:1].isalpha() or token in self.names):
            raise Unreadable(f"“{token}” is not expected in “{' '.join(self.tokens)}”")
        return ("name", token)

    def derivative(self, name: str):
        """A derivative whose value `names` gives; its index letters are its axes, in their order."""
        if self.names.get(name, True):
            raise Unreadable(f"there is no value for the derivative {name}")
        letters = [("name", letter) for letter in index_letters(tokens(name)) if letter not in self.names]
        return ("index", letters, ("name", name)) if letters else ("name", name)

    def big_sum(self, low: list[str], high: list[str]):
        r"""\sum_i, \sum_{i=1}^n, \sum_{i \ne j}, \sum_{k \le d}, \sum_{i \in I_u}, \sum_{b : u_b = j}, \sum_{(u,i)}."""
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
        where = parse(["[", *condition, "]"], self.names) if condition else None
        last, numbers = parse(high, self.names) if high else None, [("name", t) for t in dict.fromkeys(letters)]
        return ("sum", numbers, self.product(), first, last, where)
