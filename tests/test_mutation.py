"""Every display of every page is changed, token by token; what is then false must be refused by its check."""

import itertools
import re
from collections.abc import Iterator

import displays_of_pages
import pytest
from conftest import ROOT

from helpers.formulas.tokens import group, tokens
from helpers.press.sources import Repository

SLUGS = Repository(ROOT).slugs()
SWAPPED = {
    "+": "-",
    "-": "+",
    "<": ">",
    ">": "<",
    "\\le": ">",
    "\\ne": "=",
    "\\log": "\\exp",
    "\\exp": "\\log",
    "\\cosh": "\\sinh",
    "\\arcsin": "\\sin",
    "\\odot": "\\cdot",
    "\\cdot": "+",
    "\\max": "\\log",
    "\\operatorname{diag}": "",
    "\\sqrt": "",
}
ACCENTS = ("\\hat", "\\tilde", "\\bar")
NAMES = re.compile(r"[A-Za-z]|\\(?:theta|lambda|mu|tau|sigma|delta|eta|varepsilon|Sigma|ell)")
ENDINGS = ("=", ":=", "\\approx", "\\qquad", "\\quad", ".", ",", ")", "]", "}", "\\rVert")


TRUE = {  # mutants that pass because they are true, by the reason
    "Numbers commute; YYᵀ and YᵀY have one Frobenius norm; the inverse of a square matrix is one on both sides.": [
        "eq-zero-cost: Y Y ^ { \\mathsf T } at 18 turned round",
        "eq-cheap-cost: V ^ { \\mathsf T } V at 3 turned round",
        "eq-ratings-lookup: O _ { b j } E _ { j f } at 37 turned round",
        "eq-ratings-rotation: R ^ { \\mathsf T } R at 58 turned round",
    ],
    "δ, I, H, R, X, P, K and A are symmetric: the two indices may change places; and under δ_ik, i is k.": [
        "eq-ce-chain: _i k at 67 turned round",
        "eq-ce-chain: index i at 85 → k",
        "eq-ce-chain: _i k at 87 turned round",
        "eq-softmax-jacobian: _i k at 17 turned round",
        "eq-softmax-jacobian: index i at 27 → k",
        "eq-softmax-jacobian: _i k at 53 turned round",
        "eq-softmax-jacobian: index i at 65 → k",
        "eq-softmax-jacobian: _i k at 104 turned round",
        "eq-softmax-parts: _i k at 40 turned round",
        "eq-softmax-parts: index i at 50 → k",
        "eq-log-softmax-jacobian: _i k at 16 turned round",
        "eq-logistic-hessian: _i k at 25 turned round",
        "eq-temperature: _i k at 20 turned round",
        "eq-gradient: _i j at 21 turned round",
        "eq-gradient: R at 44 transposed",
        "eq-initial-cost: X at 16 transposed",
        "eq-zero-cost: X at 10 transposed",
        "eq-exact: _i j at 34 turned round",
        "eq-own-cosine: _i j at 14 turned round",
        "eq-own-cosine: index i at 22 → j",
        "eq-own-cosine: _i j at 24 turned round",
        "eq-cheap-cost: X at 48 transposed",
        "eq-free-diagonal: X at 35 transposed",
        "eq-ease: _i j at 8 turned round",
        "eq-ease: _i j at 17 turned round",
        "eq-woodbury: I at 6 transposed",
        "eq-woodbury: A at 14 transposed",
        "eq-ease-dual: A at 47 transposed",
        "eq-start-spread: X at 6 transposed",
        "eq-ease-limit: X at 10 transposed",
        "eq-ratings-normal: I at 35 transposed",
        "eq-ratings-dual: I at 29 transposed",
        "eq-ratings-prior: I at 16 transposed",
        "eq-ratings-left-out: H at 23 transposed",
        "eq-ratings-rotation: I at 66 transposed",
        "eq-ratings-bayes: I at 24 transposed",
    ],
    "The norm of a matrix is the Frobenius norm unless it is said otherwise, and transposing leaves it.": [
        "eq-lr-loss: W at 57 transposed",
        "eq-lr-loss: _F at 59 dropped",
        "eq-lr-bound: _F at 28 dropped",
        "eq-initial-cost: _F at 18 dropped",
        "eq-zero-cost: _F at 12 dropped",
        "eq-zero-cost: _F at 26 dropped",
        "eq-cheap-cost: _F at 11 dropped",
        "eq-cheap-cost: _F at 31 dropped",
        "eq-cheap-cost: _F at 50 dropped",
        "eq-free-diagonal: _F at 42 dropped",
        "eq-start-spread: _F at 8 dropped",
    ],
    "Every term is zero, and so are its powers.": [
        "eq-exact: ^2 at 40 dropped",
        "eq-exact: 2 at 41 → 3",
        "eq-exact: 2 at 41 → 1",
    ],
    "v_i is row i of V, q_i row i of Q: two names of one array.": [
        "eq-gradient: v at 26 → V",
        "eq-gradient: V at 53 → v",
        "eq-ratings-rotation: Q at 15 → q",
        "eq-ratings-rotation: q at 48 → Q",
        "eq-ratings-rotation: q at 52 → Q",
    ],
    "All weights have the same variance.": [
        "eq-mnist-variance: _j at 16 dropped",
    ],
    "A cosine does not change with the length of its vectors.": [
        "eq-ratings-rotation: 2 before q at 48",
        "eq-ratings-rotation: 2 before q at 52",
    ],
    "Where a > 0, 2a > 0.": [
        "eq-xor-hidden-delta: 2 before a at 17",
        "eq-xor-hidden-gradient: 2 before a at 20",
        "eq-xor-gradient-size: 2 before a at 56",
    ],
    "The bias's bracket is 1 − 1 − 1 + 1.": [
        "eq-xor-bend: 2 at 26 → 3",
    ],
}


def mutants(source: list[str]) -> Iterator[tuple[str, list[str]]]:
    """What was changed, and the tokens of the changed display."""

    def cut(start: int, end: int, *new: str) -> list[str]:
        return [*source[:start], *new, *source[end:]]

    letters = sorted({t for t in source if re.fullmatch("[a-z]", t)})
    names = sorted({t for t in source if NAMES.fullmatch(t)})
    subscripts = {i for i, t in enumerate(source[:-1]) if t == "_" for i in range(i + 1, group(source, i + 1)[1])}
    for i, token in enumerate(source):
        after = source[i + 1] if i + 1 < len(source) else ""
        if token in SWAPPED:
            yield (
                f"{token} at {i} → {SWAPPED[token] or 'nothing'}",
                cut(i, i + 1, *[SWAPPED[token]] * bool(SWAPPED[token])),
            )
        if token.isdigit():
            yield f"{token} at {i} → {int(token) + 1}", cut(i, i + 1, str(int(token) + 1))
            if int(token) and i not in subscripts:
                yield f"{token} at {i} → {int(token) - 1}", cut(i, i + 1, str(int(token) - 1))
        if token == "^":
            inside, end = group(source, i + 1)
            yield f"^{' '.join(inside)} at {i} dropped", cut(i, end)
        if token == "_" and source[i - 1] != "\\sum":
            inside, end = group(source, i + 1)
            yield f"_{' '.join(inside)} at {i} dropped", cut(i, end)
            if len(inside) == 2:
                yield f"_{' '.join(inside)} at {i} turned round", cut(i + 1, end, "{", *inside[::-1], "}")
        if token in ACCENTS:
            yield f"{token} at {i} dropped", cut(i, i + 1)
        if i in subscripts and re.fullmatch("[a-z]", token):
            for other in letters:
                if other != token:
                    yield f"index {token} at {i} → {other}", cut(i, i + 1, other)
        elif NAMES.fullmatch(token):
            for other in names:
                if other != token:
                    yield f"{token} at {i} → {other}", cut(i, i + 1, other)
            yield f"2 before {token} at {i}", cut(i, i, "2")
            if i not in subscripts and after not in ("_", "^", "'", "("):
                yield f"{token} at {i} squared", cut(i, i + 1, token, "^", "2")
                if token.isupper():
                    yield f"{token} at {i} transposed", cut(i, i + 1, token, "^", "{", "\\mathsf", "T", "}")
        if token == "\\underset":
            dims, end = group(source, i + 1)
            if "\\times" in dims:
                at = dims.index("\\times")
                turned = [*dims[at + 1 :], "\\times", *dims[:at]]
                yield f"shape {' '.join(dims)} at {i} turned round", cut(i + 1, end, "{", *turned, "}")
                yield (
                    f"shape {' '.join(dims)} at {i} → rows twice",
                    cut(i + 1, end, "{", *dims[:at], "\\times", *dims[:at], "}"),
                )
        if token == "\\frac":
            above, middle = group(source, i + 1)
            below, end = group(source, middle)
            yield f"fraction at {i} turned over", cut(i + 1, end, "{", *below, "}", "{", *above, "}")
            yield f"fraction at {i} loses its denominator", cut(i, end, *above)
        if token == "\\sum":
            yield f"sum at {i} dropped", cut(i, group(source, i + 2)[1] if after == "_" else i + 1)
    for start, end in terms(source):
        yield f"term {' '.join(source[start:end])} dropped", cut(start, end)


RELATIONS = {"=": ("<", ">", "\\propto"), "\\approx": ("=",), ">": ("<", "="), "<": ("=",)}
HIDDEN = (r"\text{not }", r"\text{unless }", r"\phantom { 2 }", r"_ { \text{old} }", r"&& + 2 \text{ more} \\")


def tricks(source: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Mutants of other kinds: relations, conditions, sizes, orders, what TeX shows otherwise, words."""

    def cut(start: int, end: int, *new: str) -> list[str]:
        return [*source[:start], *new, *source[end:]]

    def capital(start: int) -> int:
        """Where a matrix that begins at `start` ends, else `start`."""
        end = start + 1 if re.fullmatch("[A-Z]", "".join(source[start : start + 1])) else start
        while end > start and source[end : end + 1] in (["_"], ["^"]):
            end = group(source, end + 1)[1]
        return end

    sizes = {d for i, t in enumerate(source) if t == "\\underset" for d in group(source, i + 1)[0] if d.isalnum()}
    for i, token in enumerate(source):
        for other in RELATIONS.get(token, ()):
            yield f"{token} at {i} is {other}", cut(i, i + 1, other)
        if token.isdigit():
            yield f"1 before {token} at {i}", cut(i, i, "1")  # 12 is shown
        if token == "^" and source[i + 1].isdigit():
            yield f"^{source[i + 1]} at {i} → ^0{source[i + 1]}", cut(i + 1, i + 2, f"0{source[i + 1]}")
            yield f"^{source[i + 1]} at {i} behind a space", cut(i + 1, i + 1, "\\,")
        if token == "\\underset":
            dims, end = group(source, i + 1)
            for k, dim in enumerate(dims):
                for other in sorted({*sizes, *"23456"} - {dim}) if dim.isalnum() else ():
                    yield f"{dim} under {i} → {other}", cut(i + 1, end, "{", *dims[:k], other, *dims[k + 1 :], "}")
        if (middle := capital(i)) > i and (end := capital(middle)) > middle:
            yield f"{' '.join(source[i:end])} at {i} turned round", cut(i, end, *source[middle:end], *source[i:middle])
        if token in ("\\quad", "\\qquad"):
            part = source[i + 1 :]
            part = part[: min((part.index(t) for t in ("\\quad", "\\qquad") if t in part), default=len(part))]
            if part and (part[0].startswith("\\text") or part[0] == "(" or not {"=", "\\approx", ","} & set(part)):
                yield f"condition at {i} dropped", cut(i, i + 1 + len(part))
        for hidden in HIDDEN if i and token not in ENDINGS and not token.startswith("\\text") else ():  # else a remark
            yield f"{hidden} before {token} at {i}", cut(i, i, *hidden.split(" "))


def terms(source: list[str]) -> Iterator[tuple[int, int]]:
    """Where a term with its sign begins and ends, at any depth."""
    for i, token in enumerate(source):
        if token in ("+", "-"):
            depth = 0
            for end in range(i + 1, len(source) + 1):
                here = source[end] if end < len(source) else "."
                if depth == 0 and here in ("+", "-", *ENDINGS):
                    yield i, end
                    break
                depth += (here in ("{", "(", "[", "\\lVert")) - (here in ("}", ")", "]", "\\rVert"))


def survivors(slug: str) -> tuple[int, list[str]]:
    """How many mutants there are, and which pass."""
    count, passed = 0, []
    with displays_of_pages.calls(slug) as calls:
        for call in calls:
            assert not call.refusal(call.latex), call.label
            source = tokens(call.latex)
            changed = itertools.chain(mutants(source), tricks(source))
            found = {" ".join(other): what for what, other in changed if other != source}
            count += len(found)
            passed += [f"{call.label}: {what}" for latex, what in found.items() if not call.refusal(latex)]
    return count, passed


@pytest.mark.mutation
@pytest.mark.parametrize("slug", SLUGS)
def test_every_false_display_is_refused(slug):
    count, passed = survivors(slug)
    assert count > 500
    known = {what for group in TRUE.values() for what in group}
    assert [what for what in passed if what not in known] == []
