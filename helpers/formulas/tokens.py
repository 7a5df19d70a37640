"""LaTeX → tokens, keys of names, and the walk over trees."""

import re
from collections.abc import Iterable
from itertools import accumulate, cycle

from helpers.formulas import Unreadable

LAYOUT = re.compile(
    r"(?s)&&.*?(?=\\\\|\\end\{aligned\}|$)"  # a remark
    r"|\\[,;:! ]|\\\\(?:\[[^]]*\])?|\\(?:[bB]igg?[lrm]?|left|right|textstyle|displaystyle|limits)(?![A-Za-z])"
    r"|\\(?:begin|end)\{aligned\}|[~&]|\{\}"
)
TOKEN = re.compile(r"\\(?:text|operatorname|mathrm)\{[^{}]*\}|\\[A-Za-z]+|\\.|:=|\d+(?:\.\d+)?|\S")
SAME = {"\\neq": "\\ne", "\\leq": "\\le", "\\geq": "\\ge", "\\dfrac": "\\frac", "\\tfrac": "\\frac"}
UNLIKE_TEX = {  # what would be read otherwise than it is shown
    r"[²³¹⁰⁴-⁹₀-₉]": "a raised or lowered digit is written ^2 or _2",
    r"(?:[\^_]|\\(?:[dt]?frac|sqrt|hat|tilde|bar|mathbf))\s*(?:\{\}|[~&]|\\[,;:! ])|\}\s*\{\}": "an empty argument",
    r"&&(?!\s*(?:\\q?quad\b)?\s*(?!\\(?:[,;:! ]|(?:q?quad|cdot|odot|times|le|ge|ne|approx)\b)|[-+=<>/^_\s])"
    r"(?:(?!\\\\|\\end).)*\\text)": "behind && stands no remark with words in \\text",
}
BRACKETS = {"{": "}", "(": ")", "[": "]", "\\lVert": "\\rVert"}
DEPTH = dict.fromkeys(BRACKETS, 1) | dict.fromkeys(BRACKETS.values(), -1)
BINDING = ("\\sum", "\\min", "\\max", "\\lim", "\\nabla")


def tokens(latex: str) -> list[str]:
    r"""The tokens of `latex` without layout and without remarks (behind &&); norms become \lVert … \rVert."""
    for pattern, fault in UNLIKE_TEX.items():
        if found := re.search(pattern, latex):
            raise Unreadable(f"{fault}: “{latex[found.start() :][:30]}”")
    latex = re.sub(r"(frac\s*\d)(?=\d)", r"\1 ", LAYOUT.sub(" ", latex))  # \tfrac12 has two arguments
    bars = cycle(("\\lVert", "\\rVert"))
    return [next(bars) if token == "\\|" else SAME.get(token, token) for token in TOKEN.findall(latex)]


def statement(latex: str) -> str:
    r"""A display's tokens without \text: a change among them changes what is said."""
    return " ".join(token for token in tokens(latex) if not token.startswith("\\text{"))


def key(latex: str | Iterable[str]) -> str:
    """A name as it is looked up: without layout, and without braces around one token."""
    joined = " ".join(tokens(latex) if isinstance(latex, str) else latex)
    while joined != (bare := re.sub(r"\{ (\\?[^\s{}\\]|\\[A-Za-z]+(?:\{\w+\})?) \}", r"\1", joined)):
        joined = bare
    return re.sub(r"(\\[A-Za-z]+ )(?=[A-Za-z0-9])| ", lambda space: space[1] or "", joined)


def group(source: list[str], at: int, opening: Iterable[str] = "{") -> tuple[list[str], int]:
    """TeX's argument at `at`: what stands in braces (in brackets of another `opening`) or one token; where it ends."""
    if at < len(source) and source[at] not in opening:
        if source[at][0].isdigit() and len(source[at]) > 1:
            raise Unreadable(f"of {source[at]} TeX takes the first digit alone: put it in braces")
        return [source[at]], at + 1
    depths = accumulate(DEPTH.get(token, 0) for token in source[at:])
    end = at + next((i for i, depth in enumerate(depths) if depth == 0), 0)
    if end > at and source[end] == BRACKETS[source[at]]:
        return source[at + 1 : end], end + 1
    raise Unreadable(f"an argument or a bracket is missing in “{' '.join(source)}”")


def split(source: list[str], at: Iterable[str]) -> tuple[list[list[str]], list[str]]:
    """What stands between the tokens `at` outside all brackets, and these tokens."""
    depths = accumulate(DEPTH.get(token, 0) for token in source)
    cuts = [i for i, depth in enumerate(depths) if depth == 0 and source[i] in at]
    starts, ends = [0, *(cut + 1 for cut in cuts)], [*cuts, len(source)]
    return [source[start:end] for start, end in zip(starts, ends, strict=True)], [source[cut] for cut in cuts]


def index_letters(source: list[str]) -> list[str]:
    """The lower-case letters in the subscripts of `source`, in their order, without those of a sum, a minimum …"""
    found, bound = [], []
    for at, token in enumerate(source[:-1]):
        if token == "_":
            (bound if source[at - 1] in BINDING else found).extend(group(source, at + 1)[0])
    return [t for t in dict.fromkeys(found) if re.fullmatch("[a-z]", t) and t not in bound]


def nodes(tree):
    """A tree's nodes, the tree itself first."""
    if isinstance(tree, tuple) and tree and isinstance(tree[0], str):
        yield tree
    for part in tree if isinstance(tree, tuple | list) else ():
        yield from nodes(part)
