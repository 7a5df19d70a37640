r"""A display → its chains of members, and at one point each member's value beside the truth.

A display's parts are separated by \quad and \qquad, its members by relations.  A part is the range of an index
(j = 1, 2), a condition (behind \text, in brackets, or without an equality), a side definition (R = XD, R being given), or
it states what the truth says.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import torch

from helpers.formulas import Unreadable, Wrong
from helpers.formulas.evaluation import CONSTANTS, Evaluator, as_array
from helpers.formulas.latex import BUILT_IN, parse
from helpers.formulas.tokens import index_letters, key, nodes, tokens, without_remarks

EQUAL, UNEQUAL = ("=", ":=", "\\approx"), ("<", ">", "\\le", "\\ge")
NOT_READ = ("\\min", "\\int", "\\lim", "\\mathbb", "\\nabla", "\\dots")
DEPTH = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


@dataclass(frozen=True)
class Member:
    """One member.  kind: "read", "left" (the truth, by its name), "given" (what the rest defines), "condition", "skipped"."""

    latex: str
    kind: str
    tree: tuple | None = None
    shape: str = ""  # written under the whole of a left side that is not read


@dataclass(frozen=True)
class Part:
    """A chain.  free: the indices of its left side, in their order.  truth: the name of its truth, or None."""

    members: list[Member]
    relations: list[str]
    letters: list[str]
    free: list[str]
    truth: str | None
    condition: bool


class Display:
    """A display, parsed, given which names have values (and which are functions) and what the truth is the truth of."""

    def __init__(self, latex: str, names: dict[str, bool], truths: list[str], skip: tuple[str, ...] = ()):
        """names: key → whether it is a function.  truths: keys of the left sides whose truth is known, [""]: of one.

        Raises Unreadable for what cannot be read, unless `skip` has a token of it.
        """
        self.names, self.truths, self.skip = names, truths, skip
        self.parts: list[Part] = []
        self.ranges: dict[str, int] = {}
        for source in _split(tokens(without_remarks(latex)), ("\\quad", "\\qquad"))[0]:
            self._part(source)
        self.members = [member for part in self.parts for member in part.members]
        used = [part.truth for part in self.parts] + [m.latex for m in self.members if m.kind == "left"]
        if unused := [truth for truth in truths if truth not in used]:
            raise Unreadable(f"nothing displayed is the truth {unused[0] and 'of '}{unused[0]}")
        left_out = {token for m in self.members if m.kind == "skipped" for token in tokens(m.latex)}
        if unused := set(skip) - left_out:
            raise Unreadable(f"skip has {unused.pop()}, and what is displayed can be read without")

    def _part(self, source: list[str]) -> None:
        condition = source[:1] != [] and source[0].startswith("\\text{")  # behind other text stands a remark
        source = [token for token in source if not token.startswith("\\text{")]
        while source and source[-1] in (",", ".", ";"):
            source = source[:-1]
        if listed := re.fullmatch(r"([a-z]) = 1 ,(?: \\dots ,)?((?: \d)+)", " ".join(source)):
            self.ranges[listed[1]] = int(listed[2].replace(" ", ""))
            return
        if source[:1] + source[-1:] == ["(", ")"] and len(_split(source[1:-1], EQUAL + UNEQUAL)[0]) > 1:
            source, condition = source[1:-1], True
        if source:
            chain, relations = _split(source, EQUAL + UNEQUAL)
            condition = condition or not set(relations) & set(EQUAL)
            self.parts.append(self._chain(chain, relations, condition))

    def _chain(self, chain: list[list[str]], relations: list[str], condition: bool) -> Part:
        if not all(chain):
            raise Unreadable(f"a member is missing in “{' '.join(sum(chain, []))}”")
        if not relations:
            raise Unreadable(f"“{key(chain[0])}” states nothing: a remark stands behind && or in \\text")
        trees = [self._tree(member) for member in chain]
        places = [n[-1] for n in nodes(trees) if n[0] in ("index", "delta")]
        letters = {place[1] for group in places for place in group if place[0] == "name"}
        letters |= {letter for n in nodes(trees) if n[0] == "sum" for letter in n[1]}
        letters |= set(index_letters(chain[0])) - {t for name in self.names for t in index_letters(tokens(name))}
        letters = {t for t in letters if re.fullmatch("[a-z]", t)} - set(self.names)
        may_be_truth = "" in self.truths and not condition
        members = []
        for source, tree in zip(chain, trees, strict=True):
            derivative = source[0] == "\\frac" and "\\partial" in source
            member = self._member(source, tree, letters, may_be_truth and (derivative or not members and self._new(source)))
            members.append(replace(member, kind="condition") if condition else member)
        truth, first = next((m.latex for m in members if m.kind == "left"), None), members[0].tree
        while first and first[0] in ("shape", "index"):
            first = first[2] if first[0] == "shape" else first[1]
        if truth is None and not condition and first and first[0] == "name" and first[1] in self.names:
            members[0] = Member(members[0].latex, "given", members[0].tree)
        elif truth is not None and truth not in self.truths or truth is None and may_be_truth:
            truth = ""
            if any(part.truth == "" for part in self.parts):
                raise Unreadable("several left sides: give the truth of each, as truth={left side: function}")
        free = [t for t in index_letters(chain[0]) if t in letters]
        return Part(members, relations, sorted(letters), free, truth, condition)

    def _tree(self, source: list[str]):
        """A tree, or the reason why there is none."""
        try:
            if token := next((token for token in source if token in NOT_READ), ""):
                raise Unreadable(f"{token} is not read")
            return None if key(_bare(source)[0]) in self.truths else parse(source, self.names)
        except Unreadable as reason:
            return reason

    def _member(self, source: list[str], tree, letters: set[str], may_be_truth: bool) -> Member:
        bare, shape = _bare(source)
        if key(bare) in self.truths:
            return Member(key(bare), "left", shape=shape)
        if isinstance(tree, tuple):
            used = [n[1] for n in nodes(tree) if n[0] in ("name", "call")]
            if not (unknown := [name for name in used if name not in {*self.names, *letters, *CONSTANTS, *BUILT_IN}]):
                return Member(key(source), "read", tree)
            tree = f"there is no value for {unknown[0]}: give it in names"
        if set(self.skip) & set(source):
            return Member(key(source), "skipped")
        if may_be_truth:
            return Member(key(bare), "left", shape=shape)
        raise Unreadable(f"“{key(source)}”: {tree}")

    def _new(self, source: list[str]) -> bool:
        """Whether a left side may stand for a truth that is given without a name: a derivative, or all new: F(x)."""
        if {"\\partial", "'", *NOT_READ} & set(source) or source[0] == "\\frac" and "d" in source[:3]:
            return True
        outside = key(_split(source, ("(", "["))[0][0])  # of the arguments
        return source[0] not in ("\\sum", "(") and not any(name in outside for name in self.names)

    def at(self, values: dict, truths: dict[str, np.ndarray]) -> list[tuple[Member, np.ndarray, np.ndarray, str]]:
        """At one point, for every member: value, what it should be, and the relation ("=", or of an inequality).

        values: key → number, array or function.  Raises Wrong for shapes that do not fit, Unreadable, TypeError.
        """
        tensors = any(isinstance(value, torch.Tensor) for value in values.values())
        values = {name: _function(v, tensors) if callable(v) else as_array(v, name) for name, v in values.items()}
        found = []
        for part in self.parts:
            trees = [member.tree for member in part.members if member.tree]
            found += _compared(part, Evaluator(values, trees, part.letters, self.ranges), truths)
        return found


def _function(function, tensors: bool):
    """Functions get what the page works with: tensors if any name is one, else arrays."""
    return (lambda *a: function(*map(torch.tensor, a))) if tensors else function


def _split(source: list[str], at: tuple[str, ...]) -> tuple[list[list[str]], list[str]]:
    """What stands between the tokens `at` outside all brackets, and these tokens."""
    parts, between, depth = [[]], [], 0
    for token in source:
        depth += DEPTH.get(token, 0)
        if depth == 0 and token in at:
            parts.append([])
            between.append(token)
        else:
            parts[-1].append(token)
    return parts, between


def _bare(source: list[str]) -> tuple[list[str], str]:
    """A member without the shape that is written under all of it, and that shape."""
    end = source.index("}") if source[:2] == ["\\underset", "{"] else 0
    if end and source[end + 1 : end + 2] == ["{"] and source[-1] == "}":
        return source[end + 2 : -1], key(source[2:end])
    return source, ""


def _compared(part: Part, machine: Evaluator, truths: dict[str, np.ndarray]) -> list[tuple]:
    found, wanted, before = [], truths.get(part.truth), None
    for letter, size in zip(part.free, () if wanted is None else wanted.shape, strict=False):
        machine.same(machine.sizes, letter, size, "the index")
    for member, relation in zip(part.members, ["=", *part.relations], strict=True):
        sign = "=" if relation in EQUAL else relation
        if member.kind == "skipped":
            continue
        if member.kind == "left":
            value = truths[member.latex if member.latex in truths else ""]
            machine.annotate(member.shape, value.shape[len(part.free) :]) if member.shape else None
        else:
            value = _ordered(machine, member.tree, part.free)
        beside = before if sign != "=" or part.condition else wanted
        if beside is not None:
            _same_shape(member, value, beside, len(part.free))
            found.append((member, value, beside, sign))
        wanted, before = value if wanted is None else wanted, value
    return found


def _same_shape(member: Member, value: np.ndarray, wanted: np.ndarray, free: int) -> None:
    fits = value.ndim == wanted.ndim and value.shape[free:] == wanted.shape[free:]
    if not (fits or value.ndim == 0 or wanted.ndim == 0):
        raise Wrong(f"“{member.latex}” has the shape {value.shape}, and what it equals {wanted.shape}")


def _ordered(machine: Evaluator, tree, free: list[str]) -> np.ndarray:
    """The value with the free indices as axes, then rows and columns; a column is a vector."""
    with np.errstate(all="ignore"):
        value = machine.value(tree)
    if left := [t for t, n in zip(machine.letters, value.shape, strict=False) if n > 1 and t not in free]:
        raise Wrong(f"the index {left[0]} is left over")
    count, leading = len(machine.letters), [machine.letters.index(t) for t in free]
    core = value.shape[count:]
    value = np.moveaxis(value, leading, range(len(free)))
    value = value.reshape(value.shape[: len(free)] + core)
    if value.size == 1 and not core:
        return value.reshape(())
    return value[..., 0] if core[1:] == (1,) else value
