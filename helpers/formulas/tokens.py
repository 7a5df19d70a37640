"""LaTeX → tokens, keys of names, and the walk over trees."""

import re
from collections.abc import Iterable

LAYOUT = re.compile(
    r"\\[,;:! ]|\\\\(\[[^]]*\])?|\\(?:[bB]igg?[lrm]?|left|right|textstyle|displaystyle|limits)(?![A-Za-z])"
    r"|\\(?:begin|end)\{aligned\}|[~&]|\{\}"
)
BINDING = ("\\sum", "\\min", "\\max", "\\lim", "\\nabla")
TOKEN = re.compile(r"\\(?:text|operatorname|mathrm)\{[^{}]*\}|\\[A-Za-z]+|\\.|\S")


def tokens(latex: str) -> list[str]:
    r"""The tokens of `latex`, layout left out; norms become \lVert … \rVert, \dfrac and \tfrac become \frac."""
    latex = re.sub(r"\\[dt]frac(?![A-Za-z])", r"\\frac", LAYOUT.sub(" ", latex.replace(":=", " \x00 ")))
    found, inside = [], False
    for token in TOKEN.findall(latex):
        if token == "\\|":
            inside = not inside
            token = "\\lVert" if inside else "\\rVert"
        found.append(":=" if token == "\x00" else {"\\neq": "\\ne", "\\leq": "\\le", "\\geq": "\\ge"}.get(token, token))
    return found


def without_remarks(latex: str) -> str:
    """`latex` without what stands behind && in its lines."""
    return re.sub(r"&&.*?(?=\\\\|\\end\{aligned\}|$)", "", latex, flags=re.S)


def statement(latex: str) -> str:
    r"""A display's tokens without remarks (behind && and in \text): a change among them changes what is said."""
    return " ".join(token for token in tokens(without_remarks(latex)) if not token.startswith("\\text{"))


def key(latex: str | Iterable[str]) -> str:
    """A name as it is looked up: without layout, and without braces around one token."""
    joined = " ".join(tokens(latex) if isinstance(latex, str) else latex)
    while joined != (bare := re.sub(r"\{ (\\?[^\s{}\\]|\\[A-Za-z]+(?:\{\w+\})?) \}", r"\1", joined)):
        joined = bare
    return _joined(joined.split(" "))


def _joined(source: list[str]) -> str:
    found = ""
    for token in source:
        command = re.search(r"\\[A-Za-z]+$", found)
        found += " " * bool(command and token[:1].isalnum()) + token
    return found


def nodes(tree):
    """A tree's nodes, the tree itself first."""
    if isinstance(tree, tuple) and tree and isinstance(tree[0], str):
        yield tree
    if isinstance(tree, tuple | list):
        for part in tree:
            yield from nodes(part)


def group(source: list[str], at: int) -> tuple[list[str], int]:
    """TeX's argument that begins at `at`, the tokens of {…} or one token, and where it ends.  ValueError: it does not."""
    if at >= len(source):
        raise ValueError("an argument is missing")
    if source[at] != "{":
        return [source[at]], at + 1
    depth = 0
    for end in range(at, len(source)):
        depth += {"{": 1, "}": -1}.get(source[end], 0)
        if not depth:
            return source[at + 1 : end], end + 1
    raise ValueError("a brace is not closed")


def index_letters(source: list[str]) -> list[str]:
    """The single lower-case letters in the subscripts of `source`, in their order, those that a sum, a minimum … binds left out."""
    found, summed = [], set()
    for at, token in enumerate(source[:-1]):
        if token == "_":
            letters = [t for t in group(source, at + 1)[0] if re.fullmatch("[a-z]", t)]
            summed |= set(letters) if source[at - 1] in BINDING else set()
            found += letters
    return [t for t in dict.fromkeys(found) if t not in summed]
