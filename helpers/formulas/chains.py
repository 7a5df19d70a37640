r"""A display → its chains of members, and at one point each member's value beside the truth.

A display's parts are separated by \quad and \qquad, its members by relations.  A part is the range of an index
(j = 1, 2), a condition (behind \text, in brackets, or without an equality), a side definition (R = XD, R being given),
or it states what the truth says.
"""

import re
from typing import NamedTuple

import numpy as np
import torch

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.evaluation import CONSTANTS, Evaluator, as_array
from helpers.formulas.latex import BUILT_IN, parse
from helpers.formulas.tokens import index_letters, key, nodes, tokens

EQUAL, UNEQUAL = ("=", ":=", "\\approx"), ("<", ">", "\\le", "\\ge")
CONDITIONAL = r"\\text\{\s*(if|where|when|whenever|for|for all|with|and)\s*\}"
NOT_READ = ("\\min", "\\int", "\\lim", "\\mathbb", "\\nabla", "\\dots")
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
    relations: list[str]
    letters: list[str]
    free: list[str]
    truth: str | None


class Display:
    """A display, parsed, given which names have values (and which are functions) and what the truth is the truth of."""

    def __init__(self, latex: str, names: dict[str, bool], truths: list[str], skip: tuple[str, ...] = ()):
        """names: key → whether it is a function.  truths: keys of the left sides whose truth is known, [""]: of one.

        Raises Unreadable for what cannot be read, unless `skip` has a token of it.
        """
        self.names, self.truths, self.skip = names, truths, skip
        self.parts: list[Part] = []
        self.ranges: dict[str, int] = {}
        for source in _split(tokens(latex), ("\\quad", "\\qquad"))[0]:
            self._part(source)
        self.members = [member for part in self.parts for member in part.members]
        used = [part.truth for part in self.parts] + [m.latex for m in self.members if m.kind == "left"]
        if unused := [truth for truth in truths if truth not in used]:
            raise Unreadable(f"nothing displayed is the truth {unused[0] and 'of '}{unused[0]}")
        if used.count("") > 1 and truths == [""] and len([part for part in self.parts if part.truth == ""]) > 1:
            raise Unreadable("several left sides: give the truth of each, as truth={left side: function}")
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
        places = [place for n in nodes(trees) if n[0] in ("index", "delta") for place in n[-1]]
        letters = {place[1] for place in places if place[0] == "name"}
        letters |= {letter for n in nodes(trees) if n[0] == "sum" for letter in n[1]}
        letters |= set(index_letters(chain[0])) - {t for name in self.names for t in index_letters(tokens(name))}
        letters = {t for t in letters if re.fullmatch("[a-z]", t)} - set(self.names)
        may = [
            ("" in self.truths and not condition) and self._new(source, not place) for place, source in enumerate(chain)
        ]
        members = [self._member(*each, letters) for each in zip(chain, trees, may, strict=True)]
        truth, first = next((m.latex for m in members if m.kind == "left"), None), members[0].tree
        while first and first[0] in ("shape", "index"):
            first = first[2] if first[0] == "shape" else first[1]
        if condition and "left" in [member.kind for member in members]:
            raise Unreadable(f"“{members[0].latex}” is a condition, and names what has a truth")
        if condition:
            members = [member._replace(kind="condition") for member in members]
        elif truth is None and first and first[0] == "name" and first[1] in self.names:
            members[0] = members[0]._replace(kind="given")
        elif "" in self.truths:
            truth = ""
        free = [t for t in index_letters(chain[0]) if t in letters]
        self.parts.append(Part(members, relations, sorted(letters), free, truth))

    def _new(self, source: list[str], is_first: bool) -> bool:
        """Whether a member may stand for a truth without a name: a derivative; a left side that is all new, as F(x)."""
        derivative = "\\partial" in source or source[0] == "\\frac" and "d" in source[:3]
        if derivative and source[0] == "\\frac" or is_first and (derivative or {"'", *NOT_READ} & set(source)):
            return True
        outside = " ".join(["", *_split(_bare(source)[0], ("(", "["))[0][0], ""])  # of the arguments
        known = any(" ".join(["", *tokens(name), ""]) in outside for name in self.names)
        return is_first and source[0] not in ("\\sum", "(") and not known

    def _tree(self, source: list[str]):
        """A tree, or the reason why there is none."""
        try:
            if token := next((token for token in source if token in NOT_READ), ""):
                raise Unreadable(f"{token} is not read")
            return None if key(_bare(source)[0]) in self.truths else parse(source, self.names)
        except Unreadable as reason:
            return reason

    def _member(self, source: list[str], tree, may_be_truth: bool, letters: set[str]) -> Member:
        bare, shape = _bare(source)
        if key(bare) in self.truths:
            return Member(key(bare), "left", shape=shape)
        if isinstance(tree, tuple):
            known = {*self.names, *letters, *CONSTANTS, *BUILT_IN}
            if not (unknown := [n[1] for n in nodes(tree) if n[0] in ("name", "call") and n[1] not in known]):
                return Member(key(source), "read", tree)
            tree = f"there is no value for {unknown[0]}: give it in names"
        if set(self.skip) & set(source):
            return Member(key(source), "skipped")
        if may_be_truth:
            return Member(key(bare), "left", shape=shape)
        raise Unreadable(f"“{key(source)}”: {tree}")

    def at(self, values: dict, truths: dict[str, np.ndarray]) -> list[tuple[Member, np.ndarray, np.ndarray, str]]:
        """At one point, for every member: value, what it should be, and the relation ("=", or of an inequality).

        values: key → number, array or function.  Raises Wrong for shapes that do not fit, Unreadable, TypeError.
        """
        if any(isinstance(value, torch.Tensor) for value in values.values()):  # functions get what the page works with
            wrapped = {n: (lambda *a, f=f: f(*map(torch.tensor, a))) for n, f in values.items() if callable(f)}
            values = values | wrapped
        values = {name: value if callable(value) else as_array(value, name) for name, value in values.items()}
        found = []
        for part in self.parts:
            trees = [member.tree for member in part.members if member.tree]
            found += _compared(part, Evaluator(values, trees, part.letters, self.ranges), truths)
        return found


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
    end = source.index("}") if source[:2] == ["\\underset", "{"] else 0
    if end and source[end + 1 : end + 2] == ["{"] and source[-1] == "}":
        return source[end + 2 : -1], key(source[2:end])
    return source, ""


def _compared(part: Part, machine: Evaluator, truths: dict[str, np.ndarray]) -> list[tuple]:
    found, wanted, before, free = [], truths.get(part.truth), None, len(part.free)
    turns = {"\\approx", *UNEQUAL}  # behind one of these, = goes on from the member before
    for letter, size in zip(part.free, () if wanted is None else wanted.shape, strict=False):
        machine.runs(letter, size)
    left = next((place for place, member in enumerate(part.members) if member.kind == "left"), 0)
    wanted = None if turns & set(part.relations[:left]) else wanted
    for member, relation in zip(part.members, ["=", *part.relations], strict=True):
        sign = "=" if relation == ":=" else relation
        if member.kind == "skipped":
            continue
        if member.kind == "left":
            value = truths[member.latex if member.latex in truths else ""]
            machine.annotate(member.shape, value.shape[free:]) if member.shape else None
        else:
            value = _ordered(machine, member.tree, part.free)
        beside = before if sign in UNEQUAL or member.kind == "condition" else wanted
        if beside is not None:
            if value.ndim and beside.ndim and (value.ndim != beside.ndim or value.shape[free:] != beside.shape[free:]):
                raise Wrong(f"“{member.latex}” has the shape {value.shape}, and what it equals {beside.shape}")
            found.append((member, value, beside, sign))
        wanted, before = value if wanted is None or sign in turns else wanted, value
    return found


def _ordered(machine: Evaluator, tree, free: list[str]) -> np.ndarray:
    """The value with the free indices as axes, then rows and columns; a column is a vector."""
    with np.errstate(all="ignore"):
        value = machine.value(tree)
    if left := [t for t, n in zip(machine.letters, value.shape, strict=False) if n > 1 and t not in free]:
        raise Wrong(f"the index {left[0]} is left over")
    core = value.shape[len(machine.letters) :]
    value = np.moveaxis(value, [machine.letters.index(t) for t in free], range(len(free)))
    value = value.reshape(value.shape[: len(free)] + core)
    if value.size == 1 and not core:
        return value.reshape(())
    return value[..., 0] if core[1:] == (1,) else value
