r"""A display → its chains of members, and at one point each member's value beside what it should be.

A display's parts are separated by \quad and \qquad, its members by relations.  A part is the range of an index
(j = 1, 2), a condition (behind \text, in brackets, or without an equality), a side definition (R = XD, R being given),
or it states what the truth of one of its members says.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.evaluation import BUILT_IN, Evaluator
from helpers.formulas.latex import Parser, axes, pieces
from helpers.formulas.tokens import index_letters, key, nodes, split, tokens

EQUAL, UNEQUAL = ("=", ":=", "\\approx"), ("<", ">", "\\le", "\\ge")
CONDITIONAL = r"\\text\{\s*(if|where|when|whenever|for|for all|with|and)\s*\}"


class Member(NamedTuple):
    """kind: "read", "left" (a truth, by its name), "given" (what the rest defines), "condition" or "skipped"."""

    latex: str
    relation: str  # before it; "=" before the first
    kind: str
    tree: tuple | None = None


class Part(NamedTuple):
    """A chain, and its index letters; the first `free` are those of its left side, in their order."""

    members: list[Member]
    letters: list[str]
    free: int


class Display:
    """A display, parsed, given which names have values (and which are functions) and what has a truth."""

    def __init__(self, latex: str, names: dict[str, bool], truths: list[str], skip: tuple[str, ...] = ()):
        """names: key → whether it is a function.  truths: keys of the left sides whose truth is known.

        Raises Unreadable for what cannot be read, unless `skip` has a token of it.
        """
        self.names, self.truths, self.skip, self.parts, self.ranges = BUILT_IN | names, truths, skip, [], {}
        self.parser = Parser(self.names)
        for source in split(tokens(latex), ("\\quad", "\\qquad"))[0]:
            self._part(source)
        self.members = [member for part in self.parts for member in part.members]
        if unused := set(truths) - {member.latex for member in self.members if member.kind == "left"}:
            raise Unreadable(f"nothing displayed is the truth of {unused.pop()}")
        if unused := set(skip) - {token for m in self.members if m.kind == "skipped" for token in tokens(m.latex)}:
            raise Unreadable(f"skip has {unused.pop()}, and what is displayed can be read without")

    def _part(self, source: list[str]) -> None:
        while source and (source[-1] in (",", ".", ";") or source[-1].startswith("\\text{")):
            source = source[:-1]
        if condition := bool(source) and re.fullmatch(CONDITIONAL, source[0]) is not None:
            source = source[1:]
        if words := next((token for token in source if token.startswith("\\text{")), ""):
            raise Unreadable(
                f"{words} amid mathematics: words stand at the end of a part, and if, for, with … before one"
            )
        if listed := re.fullmatch(r"([a-z]) = 1 ,(?: \\dots ,)? (\d+)", " ".join(source)):
            self.ranges[listed[1]] = int(listed[2])
        elif source:
            if source[0] == "(" and source[-1] == ")" and split(source[1:-1], EQUAL + UNEQUAL)[1]:
                source, condition = source[1:-1], True
            chain, relations = split(source, EQUAL + UNEQUAL)
            if ":=" in relations[1:]:
                raise Unreadable(f"“{key(source)}”: := stands behind the first member alone")
            if not relations or not all(chain):
                raise Unreadable(f"“{key(source)}” states nothing: a remark stands behind && or in \\text")
            self._chain(chain, ["=", *relations], condition)

    def _chain(self, chain: list[list[str]], relations: list[str], condition: bool) -> None:
        trees = [self._tree(member) for member in chain]
        letters = {n[1] for m in nodes(trees) if m[0] in ("index", "axes", "sum") for n in m[1] if n[0] == "name"}
        letters |= set(index_letters(chain[0])) - {t for name in self.names for t in index_letters(tokens(name))}
        letters = {t for t in letters if re.fullmatch("[a-z]", t)} - set(self.names)
        parts = zip(chain, relations, trees, strict=True)
        members = [found for part in parts for found in self._members(*part, letters)]
        left = [member.latex for member in members if member.kind == "left"]
        if condition and left:
            raise Unreadable(f"“{left[0]}” stands in a condition, and names what has a truth")
        first = members[0].tree or ("",)
        while first[0] in ("shape", "index", "axes"):
            first = first[2]
        if condition or not left and not set(relations[1:]) & set(EQUAL):
            members = [member._replace(kind="condition") for member in members]
        elif not left and first[0] == "name" and first[1] in self.names:
            members[0] = members[0]._replace(kind="given")
        free = [t for t in index_letters(chain[0]) if t in letters]
        self.parts.append(Part(members, free + sorted(letters - {*free}), len(free)))

    def _tree(self, source: list[str]) -> tuple | Unreadable:
        """A tree, or the reason why there is none."""
        try:
            return self.parser.parse(source)
        except Unreadable as reason:
            return reason

    def _members(self, source: list[str], relation: str, tree, letters: set[str]) -> Iterator[Member]:
        """What is read, the truth of what has one, or both."""
        used = [node[1] for node in nodes(tree) if node[0] in ("name", "call")]
        if unknown := [name for name in used if name not in self.names and name not in letters]:
            tree = f"there is no value for {unknown[0]}: give it in names"
        bare, sizes = source, []
        match pieces(source):
            case [("\\underset", [sizes, bare], [])]:
                sizes = self.parser.sizes(sizes)
        if (left := key(bare)) in self.truths:
            known = axes(_truth(left), [letter for letter in index_letters(bare) if letter in letters])
            yield Member(left, relation, "left", ("shape", sizes, known) if sizes else known)
            if isinstance(tree, tuple):
                yield Member(key(source), "=", "given", tree)
        elif isinstance(tree, tuple):
            yield Member(key(source), relation, "read", tree)
        elif set(self.skip) & set(source):
            yield Member(key(source), relation, "skipped")
        else:
            raise Unreadable(f"“{key(source)}”: {tree}")

    def at(self, values: dict, truths: dict[str, np.ndarray]) -> list[tuple[Member, np.ndarray, np.ndarray, str]]:
        """At one point, for every member: value, what it should be, and the relation ("=", or of an inequality).

        values: key → number, array or function.  Raises Wrong for shapes that do not fit, Unreadable, TypeError.
        """
        values = values | {_truth(left): value for left, value in truths.items()}
        try:
            return [compared for part in self.parts for compared in self._compared(part, values)]
        except (np.linalg.LinAlgError, IndexError, RuntimeError) as fault:  # a singular matrix; a function's complaint
            raise Wrong(f"it cannot be computed: {fault}") from fault

    def _compared(self, part: Part, values: dict) -> Iterator[tuple[Member, np.ndarray, np.ndarray, str]]:
        members = [member for member in part.members if member.tree]
        machine = Evaluator(values, [member.tree for member in members], part.letters, self.ranges)
        wanted = before = None
        for member in members:
            value = machine.plain(member.tree, part.free)
            if member.kind == "left" and wanted is None:
                wanted = value
            expected = before if member.relation in UNEQUAL else wanted
            if expected is not None:
                shapes = [array.shape[part.free :] for array in (value, expected) if array.ndim]  # a number fits all
                if shapes[1:] and (shapes[0] != shapes[1] or value.ndim != expected.ndim):
                    raise Wrong(f"“{member.latex}” has the shape {value.shape}, and what it equals {expected.shape}")
                yield member, value, expected, "=" if member.relation == ":=" else member.relation
            turned = wanted is None or member.relation in ("\\approx", *UNEQUAL)  # behind it, = goes on from here
            wanted, before = value if turned else wanted, value


def _truth(left: str) -> str:
    return f"the truth of {left}"
