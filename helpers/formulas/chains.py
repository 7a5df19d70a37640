r"""A display → its chains of members, and at one point each member's value beside the truth.

A display's parts are separated by \quad and \qquad, its members by relations.  A part is the range of an index
(j = 1, 2), a condition (behind \text, in brackets, or without an equality), a side definition (R = XD, R being given),
or it states what the truth says.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.evaluation import CONSTANTS, Evaluator
from helpers.formulas.latex import BUILT_IN, NOT_READ, parse
from helpers.formulas.tokens import group, index_letters, key, nodes, tokens

EQUAL, UNEQUAL = ("=", ":=", "\\approx"), ("<", ">", "\\le", "\\ge")
CONDITIONAL = r"\\text\{\s*(if|where|when|whenever|for|for all|with|and)\s*\}"
NO_NAME = {"\\propto", "\\equiv", "\\sim", "\\phantom", "\\color", "\\cancel"}
DEPTH = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Member(NamedTuple):
    """kind: "read", "left" (the truth, by its name), "given" (what the rest defines), "condition" or "skipped"."""

    latex: str
    kind: str
    tree: tuple | None = None
    shape: str = ""  # written under the whole of a left side that is not read


class Part(NamedTuple):
    """A chain.  free: the indices of its left side, in their order.  truth: the name of its truth, or None."""

    members: list[Member]
    relations: list[str]  # before each member; "=" before the first
    letters: list[str]  # the free ones first
    free: list[str]
    truth: str | None


class Display:
    """A display, parsed, given which names have values (and which are functions) and what the truth is the truth of."""

    def __init__(self, latex: str, names: dict[str, bool], truths: list[str], skip: tuple[str, ...] = ()):
        """names: key → whether it is a function.  truths: keys of the left sides whose truth is known, [""]: of one.

        Raises Unreadable for what cannot be read, unless `skip` has a token of it.
        """
        self.names, self.truths, self.skip, self.parts, self.ranges = names, truths, skip, [], {}
        for source in _split(tokens(latex), ("\\quad", "\\qquad"))[0]:
            self._part(source)
        self.members = [member for part in self.parts for member in part.members]
        used = [part.truth for part in self.parts]
        if used.count("") > 1:
            raise Unreadable("several left sides: give the truth of each, as truth={left side: function}")
        used += [member.latex for member in self.members if member.kind == "left"]
        if unused := [truth for truth in truths if truth not in used]:
            raise Unreadable(f"nothing displayed is the truth {unused[0] and 'of '}{unused[0]}")
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
            if source[0] == "(" and source[-1] == ")" and len(_split(source[1:-1], EQUAL + UNEQUAL)[0]) > 1:
                source, condition = source[1:-1], True
            chain, relations = _split(source, EQUAL + UNEQUAL)
            if ":=" in relations[1:]:
                raise Unreadable(f"“{key(source)}”: := stands behind the first member alone")
            if not relations or not all(chain):
                raise Unreadable(f"“{key(source)}” states nothing: a remark stands behind && or in \\text")
            known = {key(_bare(member)[0]) for member in chain} & set(self.truths)
            self._chain(chain, relations, condition or not set(relations) & set(EQUAL) and not known)

    def _chain(self, chain: list[list[str]], relations: list[str], condition: bool) -> None:
        trees = [self._tree(member) for member in chain]
        letters = {n[1] for m in nodes(trees) if m[0] in ("index", "delta", "sum") for n in m[1] if n[0] == "name"}
        letters |= set(index_letters(chain[0])) - {t for name in self.names for t in index_letters(tokens(name))}
        letters = {t for t in letters if re.fullmatch("[a-z]", t)} - set(self.names)
        members = []
        for source, tree in zip(chain, trees, strict=True):
            may_be_truth = "" in self.truths and not condition and self._is_new(source, not members)
            members.append(self._member(source, tree, may_be_truth, letters))
        truth = next((m.latex for m in members if m.kind == "left"), None)
        first = members[0].tree or ("",)
        while first[0] in ("shape", "index"):
            first = first[2]
        if condition and truth is not None:
            raise Unreadable(f"“{truth}” stands in a condition, and names what has a truth")
        if condition:
            members = [member._replace(kind="condition") for member in members]
        elif truth is None and first[0] == "name" and first[1] in self.names:
            members[0] = members[0]._replace(kind="given")
        elif "" in self.truths:
            truth = ""
        free = [t for t in index_letters(chain[0]) if t in letters]
        signs = ["=", *("=" if relation == ":=" else relation for relation in relations)]
        self.parts.append(Part(members, signs, free + sorted(letters - {*free}), free, truth))

    def _tree(self, source: list[str]):
        """A tree, or the reason why there is none."""
        try:
            return parse(source, self.names)
        except Unreadable as reason:
            return reason

    def _is_new(self, source: list[str], is_first: bool) -> bool:
        """Whether a member may stand for a truth without a name: a derivative; a left side that is all new, as F(x)."""
        if NO_NAME & set(source):
            return False
        derivative = "\\partial" in source or source[0] == "\\frac" and "d" in source[:3]
        if not is_first or derivative or {"'", *NOT_READ} & set(source):
            return is_first or derivative and source[0] == "\\frac"
        outside = " ".join(["", *_split(_bare(source)[0], ("(", "["))[0][0], ""])  # of the arguments
        known = any(" ".join(["", *tokens(name), ""]) in outside for name in self.names)
        return source[0] not in ("\\sum", "(") and not known

    def _member(self, source: list[str], tree, may_be_truth: bool, letters: set[str]) -> Member:
        bare, shape = _bare(source)
        left = Member(key(bare), "left", shape=shape)
        if isinstance(tree, tuple):
            known = {*self.names, *letters, *CONSTANTS, *BUILT_IN}
            if not (unknown := [n[1] for n in nodes(tree) if n[0] in ("name", "call") and n[1] not in known]):
                return left._replace(tree=tree) if left.latex in self.truths else Member(key(source), "read", tree)
            tree = f"there is no value for {unknown[0]}: give it in names"
        if left.latex in self.truths:
            return left
        if set(self.skip) & set(source):
            return Member(key(source), "skipped")
        if not may_be_truth:
            raise Unreadable(f"“{key(source)}”: {tree}")
        return left

    def at(self, values: dict, truths: dict[str, np.ndarray]) -> list[tuple[Member, np.ndarray, np.ndarray, str]]:
        """At one point, for every member: value, what it should be, and the relation ("=", or of an inequality).

        values: key → number, array or function.  Raises Wrong for shapes that do not fit, Unreadable, TypeError.
        """
        try:
            return [compared for part in self.parts for compared in _compared(part, values, self.ranges, truths)]
        except (np.linalg.LinAlgError, IndexError, RuntimeError) as fault:  # a singular matrix; a function's complaint
            raise Wrong(f"it cannot be computed: {fault}") from fault


def _split(source: list[str], at: tuple[str, ...]) -> tuple[list[list[str]], list[str]]:
    """What stands between the tokens `at` outside all brackets, and these tokens."""
    parts, between, depth = [[]], [], 0
    for token in source:
        if depth == 0 and token in at:
            parts.append([])
            between.append(token)
        else:
            parts[-1].append(token)
        depth += DEPTH.get(token, 0)
    return parts, between


def _bare(source: list[str]) -> tuple[list[str], str]:
    """A member without the shape that is written under all of it, and that shape."""
    if source[0] == "\\underset":
        shape, start = group(source, 1)
        inside, end = group(source, start)
        if end == len(source) and inside:
            return inside, key(shape)
    return source, ""


def _compared(part: Part, values: dict, ranges: dict[str, int], truths: dict[str, np.ndarray]) -> Iterator[tuple]:
    machine = Evaluator(values, [member.tree for member in part.members], part.letters, ranges)
    turns, free = {"\\approx", *UNEQUAL}, len(part.free)  # behind one of these, = goes on from the member before
    place = next((place for place, member in enumerate(part.members) if member.kind == "left"), 0)
    wanted, before = None if turns & set(part.relations[: place + 1]) else truths.get(part.truth), None
    for letter, size in zip(part.free, () if wanted is None else wanted.shape, strict=False):
        machine.runs(letter, size)
    for member, relation in zip(part.members, part.relations, strict=True):
        if member.kind == "skipped":
            continue
        value = truths[member.latex if member.latex in truths else ""] if member.kind == "left" else None
        if value is not None and member.shape:
            machine.annotate(member.shape, value.shape[free:])
        read = _plain(machine, member.tree, free) if member.tree else None
        beside = before if relation in UNEQUAL or member.kind == "condition" else wanted
        for found, expected in ((read, value), (read if value is None else value, beside)):
            if found is None or expected is None:
                continue
            if (
                found.ndim
                and expected.ndim
                and (found.ndim != expected.ndim or found.shape[free:] != expected.shape[free:])
            ):
                raise Wrong(f"“{member.latex}” has the shape {found.shape}, and what it equals {expected.shape}")
            yield member, found, expected, relation if expected is beside else "="
        value = read if value is None else value
        wanted, before = value if wanted is None or relation in turns else wanted, value


def _plain(machine: Evaluator, tree, free: int) -> np.ndarray:
    """The value with the free indices as axes, then rows and columns; a column is a vector."""
    with np.errstate(all="ignore"):
        value = machine.value(tree)
    count = len(machine.letters)
    if left := [t for t, n in zip(machine.letters[free:], value.shape[free:count], strict=True) if n > 1]:
        raise Wrong(f"the index {left[0]} is left over")
    if value.size == 1 and value.ndim == count:
        return value.reshape(())
    core = value.shape[count:]
    return value.reshape(value.shape[:free] + (core[:1] if core[1:] == (1,) else core))
