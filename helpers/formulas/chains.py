r"""A display → its chains of members, and at one point each member's value beside what it should be.

A display's parts are separated by \quad, their members by relations.  A part is the range of an index (j = 1, 2), a
condition, a side definition (R = XD, R being given), or it states what the truth of one of its members says.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.evaluation import BUILT_IN, Evaluator
from helpers.formulas.latex import Parser, pieces
from helpers.formulas.tokens import index_letters, key, nodes, split, tokens

EQUAL, UNEQUAL = ("=", ":=", "\\approx"), ("<", ">", "\\le", "\\ge")
WHEN = r"\\text\{\s*(?:if|where|when|whenever|for|for all|with|and)\s*\}"
PART = re.compile(rf"({WHEN}(?: |$))?(.*?)(?:(?:^| )(?:[,.;]|\\text\{{\s*in each row[,.;]?\s*\}}))*")
RANGE = re.compile(r"([a-z]) = 1 ,(?: \\dots ,)? (\d+)")
_TRUTH = "the truth of "


class Member(NamedTuple):
    """kind: "read", "left" (a truth, by its name), "given" (what the rest defines), "condition" or "skipped"."""

    latex: str
    relation: str  # before it; "=" before the first
    kind: str
    tree: tuple | None = None


class Display:
    """A display, parsed.  Raises Unreadable for what cannot be read, unless `skip` has a token of it."""

    def __init__(self, latex: str, names: dict[str, bool], truths: list[str], skip: tuple[str, ...] = ()):
        """names: key → whether it is a function.  truths: keys of the left sides whose truth is known."""
        self.names, self.truths, self.skip = BUILT_IN | names, truths, skip
        self.parser = Parser(self.names | {_TRUTH + left: False for left in truths})
        self.ranges, self.parts = {}, []  # of each part: members, index letters, how many of these are the left side's
        for source in split(tokens(latex), ("\\quad", "\\qquad"))[0]:
            self._part(source)
        self.members = [member for members, *_ in self.parts for member in members]
        if unused := set(truths) - {member.latex for member in self.members if member.kind == "left"}:
            raise Unreadable(f"nothing displayed is the truth of {unused.pop()}")
        if unused := set(skip) - {token for m in self.members if m.kind == "skipped" for token in tokens(m.latex)}:
            raise Unreadable(f"skip has {unused.pop()}, and what is displayed can be read without")

    def _part(self, source: list[str]) -> None:
        condition, text = PART.fullmatch(" ".join(source)).groups()
        if words := re.search(r"\\text\{.*?\}", text):
            raise Unreadable(f"{words[0]} is not read: remarks stand behind &&, if, for, with … before a condition")
        if listed := RANGE.fullmatch(text):
            self.ranges[listed[1]] = int(listed[2])
        elif source := text.split():
            if source[0] == "(" and source[-1] == ")" and split(source[1:-1], EQUAL + UNEQUAL)[1]:
                source, condition = source[1:-1], True
            chain, relations = split(source, EQUAL + UNEQUAL)
            if not relations or not all(chain) or ":=" in relations[1:]:
                raise Unreadable(f"“{key(source)}” states nothing; remarks stand behind &&, := behind the first member")
            self._chain(chain, ["=", *relations], bool(condition))

    def _chain(self, chain: list[list[str]], relations: list[str], condition: bool) -> None:
        trees = []  # or why there is none
        for source in chain:
            try:
                trees.append(self.parser.parse(source))
            except Unreadable as reason:
                trees.append(reason)
        letters = {n[1] for m in nodes(trees) if m[0] in ("index", "sum") for n in m[1] if n[0] == "name"}
        letters |= set(index_letters(chain[0])) - {t for name in self.names for t in index_letters(tokens(name))}
        letters = {t for t in letters if re.fullmatch("[a-z]", t)} - set(self.names)
        free = [t for t in index_letters(chain[0]) if t in letters]
        found = zip(chain, relations, trees, strict=True)
        members = [member for part in found for member in self._members(*part, letters, free)]
        has_truth = any(member.kind == "left" for member in members)
        if condition or not has_truth and not set(relations[1:]) & set(EQUAL):
            members = [member._replace(kind="condition") for member in members]
        elif not has_truth:
            members[0] = members[0]._replace(kind="given")
        self.parts.append((members, free + sorted(letters - {*free}), len(free)))

    def _members(self, source: list[str], relation: str, tree, letters: set[str], free: list[str]) -> Iterator[Member]:
        """What is read, the truth of what has one, or both."""
        used = [node[1] for node in nodes(tree) if node[0] in ("name", "call")]
        if unknown := [name for name in used if name not in self.names and name not in letters]:
            tree = f"there is no value for {unknown[0]}: give it in names"
        is_read, bare, shape = isinstance(tree, tuple), source, []
        match pieces(source):
            case [("\\underset", [sizes, bare], [])]:
                shape = ["\\underset", "{", *sizes, "}"]
        if (left := key(bare)) in self.truths:
            axes = ["_", "{", *free, "}"] if free else []
            yield Member(left, relation, "left", self.parser.parse([*shape, "{", _TRUTH + left, *axes, "}"]))
            if is_read:
                yield Member(key(source), "=", "given", tree)
        elif not is_read and not set(self.skip) & set(source):
            raise Unreadable(f"“{key(source)}”: {tree}")
        else:
            yield Member(key(source), relation, *(("read", tree) if is_read else ("skipped",)))

    def at(self, values: dict, truths: dict[str, np.ndarray]) -> list[tuple[Member, np.ndarray, np.ndarray, str]]:
        """For every member at one point: its value, what it should be, the relation.  Raises Wrong and Unreadable."""
        values = values | {_TRUTH + left: value for left, value in truths.items()}
        try:
            return [compared for part in self.parts for compared in self._compared(values, *part)]
        except (np.linalg.LinAlgError, IndexError, RuntimeError) as fault:  # a singular matrix; a function's complaint
            raise Wrong(f"it cannot be computed: {fault}") from fault

    def _compared(self, values: dict, members: list[Member], letters: list[str], free: int) -> Iterator[tuple]:
        machine = Evaluator(values, [member.tree for member in members], letters, self.ranges)
        wanted = before = None
        for member in [member for member in members if member.kind != "skipped"]:
            value = machine.plain(member.tree, free)
            if member.kind == "left" and value.size != values[_TRUTH + member.latex].size:
                raise Wrong(f"the truth of {member.latex} has more places than the display")
            if before is None:
                wanted = before = value
            expected = before if member.relation in UNEQUAL else wanted
            shapes = [array.shape[free:] for array in (value, expected) if array.ndim]  # a number fits all
            if shapes[1:] and (shapes[0] != shapes[1] or value.ndim != expected.ndim):
                raise Wrong(f"“{member.latex}” has the shape {value.shape}, and what it equals {expected.shape}")
            yield member, value, expected, member.relation
            before = value
            if member.relation in ("\\approx", *UNEQUAL):  # behind it, = goes on from here
                wanted = value
