r"""LaTeX → tree, by recursive descent.

A tree is a nested tuple: ("number", 2.0), ("name", "\\hat y"), ("index", tree, places), ("delta", places),
("call", name, arguments), ("power", base, exponent), ("transposed", tree), ("add", sign, left, right),
("times" | "\\cdot" | "\\odot" | "/", left, right), ("relation", sign, left, right), ("norm", kind, tree),
("shape", dimensions, tree), ("sum", letters, first, last, condition, body).
"""

import re
from collections.abc import Callable

from helpers.formulas import Unreadable
from helpers.formulas.tokens import group, index_letters, key, tokens

RELATIONS = ("=", "\\ne", "<", ">", "\\le", "\\ge", "\\approx", ":=")
OPERATORS = ("\\cdot", "\\odot", "/")
ENDS = {"", "+", "-", ")", "]", "}", ",", ":", "\\rVert", "\\in", "\\times", *OPERATORS, *RELATIONS}
BUILT_IN = {f"\\{name}" for name in "log exp cosh sinh tanh sin cos arcsin max".split()} | {"\\operatorname{diag}"}
ACCENTS = ("\\hat", "\\tilde", "\\bar", "\\mathbf", "\\mathcal")
TRANSPOSED = (["\\mathsf", "T"], ["T"], ["\\top"])


def parse(source: list[str], names: dict[str, bool], rule: Callable | None = None):
    """The tree of all the tokens of `source`.  names: key → whether it is a function.  Raises Unreadable."""
    parser = _Parser(source, names)
    tree = (rule or _Parser.sum)(parser)
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

    def relation(self):
        left = self.sum()
        return ("relation", self.next(), left, self.sum()) if self.peek() in RELATIONS else left

    def sum(self):
        left = ("number", 0.0) if self.peek() in ("+", "-") else self.product()
        while self.peek() in ("+", "-"):
            sign = self.next()
            left = ("add", sign, left, self.product())
        return left

    def product(self):
        left, _ = self.run()
        while self.peek() in OPERATORS:
            sign, (right, several) = self.next(), self.run()
            if sign == "/" and several:
                raise Unreadable("a/bc can be read in two ways: write a fraction")
            left = (sign, left, right)
        return left

    def run(self):
        """Factors side by side, which bind tighter than ·, ⊙ and /, and whether they are several."""
        left, several = self.factor(), False
        while self.peek() not in ENDS:
            behind = next((t for t in self.tokens[self.at - 1 :: -1] if t != "}"), "")
            if behind.isdigit() and next((t for t in self.tokens[self.at :] if t != "{"), "")[:1].isdigit():
                raise Unreadable(f"a number behind a number, in “{key(self.tokens)}”: TeX shows 2 3 as 23")
            left, several = ("times", left, self.factor()), True
        return left, several

    def factor(self):
        tree = self.base()
        if tree[0] == "name":
            tree = self.longest(tree[1])
        if tree[0] == "name" and self.names.get(tree[1], tree[1] in BUILT_IN):
            tree = ("call", tree[1], self.inside(")") if self.peek() == "(" else [self.factor()])
        while self.peek() in ("^", "_"):
            mark, inside = self.next(), self.group()
            if mark == "_":
                kronecker = tree == ("name", "\\delta") and "\\delta" not in self.names
                tree = ("delta", self.places(inside)) if kronecker else ("index", tree, self.places(inside))
            else:
                tree = ("transposed", tree) if inside in TRANSPOSED else ("power", tree, parse(inside, self.names))
        return tree

    def longest(self, name: str):
        r"""W_2, w^*, a', \sigma': marks belong to the name where `names` has it so."""
        while self.peek() in ("'", "_", "^"):
            start, mark = self.at, self.next()
            longer = key([*tokens(name), mark] + (["{", *self.group(), "}"] if mark != "'" else []))
            if longer not in self.names:
                self.at = start
                if mark == "'":
                    raise Unreadable(f"there is no value for {longer}")
                break
            name = longer
        return ("name", name)

    def inside(self, closing: str) -> list:
        """What stands in brackets, separated by commas."""
        found = []
        while not found or self.peek() == ",":
            self.next()
            found.append(self.relation())
        self.next(closing)
        return found

    def places(self, inside: list[str]) -> list:
        """Subscripts: ik, 11, u_b f, t-1."""
        if {"+", "-"} & set(inside):
            return [parse(inside, self.names)]
        inner, found = _Parser([t for t in inside if t != ","], self.names), []
        while inner.peek():
            found.append(("number", float(inner.next())) if inner.peek().isdigit() else inner.factor())
        return found

    def base(self):
        if self.peek() in ("(", "["):
            token = self.peek()
            inside = self.inside({"(": ")", "[": "]"}[token])
            if len(inside) > 1 or inside[0][0] == "relation" and token == "(":
                raise Unreadable("a list or a relation in brackets: write [a > b] for 1 where it holds, else 0")
            return inside[0]
        if self.peek() == "{":
            return self.argument()
        token = self.next()
        if token.replace(".", "").isdigit():
            return ("number", float(token))
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
        if token == "\\sqrt":
            return ("power", self.argument(), ("number", 0.5))
        if token == "\\underset":
            return ("shape", key(self.group()), self.argument())
        if token == "\\sum":
            return self.big_sum(self.group("_"), self.group("^"))
        if token in ACCENTS:
            return ("name", key([token, "{", *self.group(), "}"]))
        if token in ENDS or not (token.isalpha() or token[0] == "\\" and token[1:2].isalpha()):
            raise Unreadable(f"“{token}” is not expected in “{' '.join(self.tokens)}”")
        return ("name", token)

    def derivative(self, name: str):
        """A derivative whose value `names` gives; its index letters are its axes, in their order."""
        if name not in self.names:
            raise Unreadable(f"there is no value for the derivative {name}")
        letters = [("name", letter) for letter in index_letters(tokens(name)) if letter not in self.names]
        return ("index", ("name", name), letters) if letters else ("name", name)

    def big_sum(self, low: list[str], high: list[str]):
        r"""\sum_i, \sum_{i=1}^n, \sum_{i \ne j}, \sum_{k \le d}, \sum_{i \in I_u}, \sum_{b : u_b = j}, \sum_{(u,i)}."""
        pair = low[:1] == ["("] or "\\ne" in low
        letters = [t for t in low if re.fullmatch("[a-z]", t)] if pair else low[:1]
        first, condition = 1, None
        if low[1:2] == ["="]:
            first = {"0": 0, "1": 1}.get("".join(low[2:])) if high else None
        elif low[:1] == ["("]:
            condition = ("index", ("name", key(low)), [("name", t) for t in letters])
        elif "\\in" in low:
            condition = ("index", ("name", low[2]), [("name", t) for t in [*low[4:], low[0]] if t not in "{}"])
        elif len(low) > 1:
            condition = parse(low[2:] if ":" in low else low, self.names, _Parser.relation)
            first = 1 if condition[0] == "relation" and not high else None
        elif high:
            first = None
        if first is None or not letters or not all(re.fullmatch("[a-z]", t) for t in letters):
            raise Unreadable(f"a sum over “{' '.join(low)}” is not read")
        return ("sum", letters, first, parse(high, self.names) if high else None, condition, self.product())
