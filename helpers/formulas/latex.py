r"""LaTeX → tree, by recursive descent.

A tree is a nested tuple: ("number", 2.0), ("name", "\\hat y"), ("index", tree, places), ("delta", places),
("call", name, arguments), ("power", base, exponent), ("transposed", tree), ("add", left, right, sign),
("times" | "\\cdot" | "\\odot" | "/", left, right), ("relation", sign, left, right), ("norm", tree),
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


def parse(source: list[str], names: dict[str, bool]):
    """The tree of all of `source`.  names: key → whether it is a function.  Raises Unreadable."""
    return Parser(source, names).whole(source)


class Parser:
    """`names` decides what is a name with a subscript (W_2), what is indexed (s_i), called (σ(z)) and multiplied."""

    def __init__(self, source: list[str], names: dict[str, bool]):
        """source: tokens; names: key → whether it is a function."""
        self.tokens, self.at, self.names = source, 0, names

    def peek(self) -> str:
        """The next token, "" at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self, expected: str = "") -> str:
        """Take the next token.  Raises Unreadable at the end, or where it is not the expected one."""
        token = self.peek()
        if not token or (expected and token != expected):
            near = " ".join(self.tokens[max(0, self.at - 6) : self.at + 3])
            raise Unreadable(f"{expected or 'something'} is expected in “{near}”")
        self.at += 1
        return token

    def take(self, *wanted: str) -> bool:
        """Go past the next token if it is among `wanted`."""
        found = self.peek() in wanted and self.peek() != ""
        self.at += found
        return found

    def group(self) -> list[str]:
        """TeX's argument: the tokens of {…}, or one token."""
        try:
            found, self.at = group(self.tokens, self.at)
        except ValueError as error:
            raise Unreadable(str(error)) from None
        return found

    def whole(self, source: list[str], rule: Callable | None = None):
        """All of `source` by one rule."""
        inner = Parser(source, self.names)
        tree = (rule or Parser.sum)(inner)
        if inner.peek():
            raise Unreadable(f"“{inner.peek()}” is left over in “{' '.join(source)}”")
        return tree

    def relation(self):
        """A sum, or two with a relation between."""
        left = self.sum()
        return ("relation", self.next(), left, self.sum()) if self.peek() in RELATIONS else left

    def sum(self):
        """Products with + and − between, perhaps a sign in front."""
        left = ("number", 0.0) if self.peek() in ("+", "-") else self.product()
        while self.peek() in ("+", "-"):
            sign = self.next()
            left = ("add", left, self.product(), sign)
        return left

    def product(self):
        """Runs of factors with ·, ⊙ and / between: what stands side by side binds tighter."""
        left, _ = self.run()
        while self.peek() in OPERATORS:
            sign, (right, several) = self.next(), self.run()
            if sign == "/" and several:
                raise Unreadable("a/bc can be read in two ways: write a fraction")
            left = (sign, left, right)
        return left

    def run(self):
        """Factors side by side, and whether they are several."""
        left, several = self.factor(), False
        while self.peek() not in ENDS:
            left, several = ("times", left, self.factor()), True
        return left, several

    def factor(self):
        """A name, number, bracket, fraction, sum …, with its indices, exponents and transpositions."""
        tree = self.base()
        if tree[0] == "name":
            tree = self.longest(tree[1])
        if tree[0] == "name" and self.is_function(tree[1]):
            tree = ("call", tree[1], self.arguments() if self.take("(") else [self.factor()])
        while self.peek() in ("^", "_"):
            if self.take("_"):
                kronecker = tree == ("name", "\\delta") and "\\delta" not in self.names
                places = self.places(self.group())
                tree = ("delta", places) if kronecker else ("index", tree, places)
            else:
                self.next()
                exponent = self.group()
                tree = ("transposed", tree) if exponent in TRANSPOSED else ("power", tree, self.whole(exponent))
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

    def is_function(self, name: str) -> bool:
        """Whether a factor behind it, or brackets, are its arguments."""
        return self.names.get(name, name in BUILT_IN)

    def arguments(self) -> list:
        """What stands in a function's brackets."""
        found = [self.sum()]
        while self.take(","):
            found.append(self.sum())
        self.next(")")
        return found

    def places(self, inside: list[str]) -> list:
        """Subscripts: ik, 11, u_b f, t-1."""
        if {"+", "-"} & set(inside):
            return [self.whole(inside)]
        inner, found = Parser([t for t in inside if t != ","], self.names), []
        while inner.peek():
            found.append(("number", float(inner.next())) if inner.peek().isdigit() else inner.factor())
        return found

    def base(self):
        """What a factor begins with."""
        token = self.next()
        if token.isdigit():
            while self.peek().isdigit() or (self.peek() == "." and "".join(self.tokens[self.at + 1 :])[:1].isdigit()):
                token += self.next()
            return ("number", float(token))
        if token in ("(", "["):
            inside = self.relation()
            self.next({"(": ")", "[": "]"}[token])
            if inside[0] == "relation" and token == "(":
                raise Unreadable("a relation in round brackets: write [a > b] for 1 where it holds, else 0")
            return inside
        if token == "{":
            self.at -= 1
            return self.whole(self.group())
        if token == "\\lVert":
            inside = self.sum()
            self.next("\\rVert")
            if self.take("_") and (kind := self.group()) not in (["F"], ["2"]):
                raise Unreadable(f"the norm ‖…‖_{' '.join(kind)} is not read")
            return ("norm", inside)
        if token == "\\frac":
            above, below = self.group(), self.group()
            if {"\\partial"} & {*above, *below} or above[:1] == ["d"]:
                return self.derivative(key(["\\frac", "{", *above, "}", "{", *below, "}"]))
            return ("/", self.whole(above), self.whole(below))
        if token == "\\sqrt":
            return ("power", self.whole(self.group()), ("number", 0.5))
        if token == "\\underset":
            return ("shape", key(self.group()), self.whole(self.group()))
        if token == "\\sum":
            return self.big_sum()
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

    def big_sum(self):
        r"""\sum_i, \sum_{i=1}^n, \sum_{i \ne j}, \sum_{k \le d}, \sum_{i \in I_u}, \sum_{b : u_b = j}, \sum_{(u,i)}."""
        low = self.group() if self.take("_") else []
        high = self.group() if self.take("^") else []
        pairs = low[:1] == ["("] or "\\ne" in low
        letters = [t for t in low if re.fullmatch("[a-z]", t)] if pairs else low[:1]
        if not letters or not all(re.fullmatch("[a-z]", t) for t in letters):
            raise Unreadable(f"a sum over “{' '.join(low)}” is not read")
        first, condition = 1, None
        if "=" in low and ":" not in low:
            if not high or "".join(low[2:]) not in ("0", "1"):
                raise Unreadable(f"a sum from “{' '.join(low)}” to “{' '.join(high)}” is not read")
            first = int("".join(low[2:]))
        elif low[0] == "(":
            condition = ("index", ("name", key(low)), [("name", t) for t in letters])
        elif "\\in" in low:
            condition = ("index", ("name", low[2]), [("name", t) for t in [*low[4:], low[0]] if t not in "{}"])
        elif len(low) > 1:
            condition = self.whole(low[2:] if ":" in low else low, Parser.relation)
        return ("sum", letters, first, self.whole(high) if high else None, condition, self.product())
