"""What a reader of a page sees: its words, counted, and its numbers, searched for what is written otherwise.

python tests/shown.py PAGE.ipynb prints both.
"""

import html
import re
import sys
from pathlib import Path

import nbformat
from contract import MATHS, ROLE, is_code, tags

MOST_WORDS = 5_000
DISPLAY = re.compile(r"^\$\$\n.*?\n\$\$[^\n]*$", re.M | re.S)
OPTION = re.compile(r"^(?::::+.*|:[\w-]+:.*)$", re.M)
UNREAD = re.compile(r"<(style|script|svg)\b.*?</\1>|<[^>]+>", re.S)
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.M | re.S)
FORMS = {
    "a power of ten as a program prints it": re.compile(r"\d[eE][+-]?\d+"),
    "“(s)” for a plural": re.compile(r"[a-z]{2,}\(s\)"),
    "a hyphen for a minus": re.compile(r"(?<![\w.)\]-])-\d"),
    "an interval not as [low, high]": re.compile(r"\d\.\d+\s?(?:–|-)\s?[−-]?\d+\.\d+"),
    "a number as NumPy or torch prints it": re.compile(r"\b(?:np\.\w+|tensor)\("),
}


def unfolded(markdown):
    """Markdown without its dropdowns, whether they are called so or are exercises and solutions of that class."""
    kept, closed, lines = [], 0, markdown.split("\n")
    for i, line in enumerate(lines):
        if opened := re.match(r"(:{3,})\{([\w-]+)\}", line):
            options = re.match(r"(?::[\w-]+:.*\n)*", "\n".join([*lines[i + 1 :], ""]))[0]
            if not closed and (opened[2] == "dropdown" or re.search(r"^:class:.*\bdropdown\b", options, re.M)):
                closed = len(opened[1])
        if not closed:
            kept.append(line)
        elif re.fullmatch(":" * closed, line):
            closed = 0
    return "\n".join(kept)


def outputs(page, folded=False):
    """(cell's id, text) of the outputs that are read: Markdown, else HTML without tags, else plain text.

    folded: also what stands folded, and no printed lines and plain text.
    """
    for cell in filter(is_code, page.cells):
        if "remove-output" in tags(cell) or (not folded and tags(cell) & {"hide-output", "hide-cell"}):
            continue
        for output in cell.outputs:
            data = output.get("data", {})
            if "text/markdown" in data:
                yield cell.id, data["text/markdown"]
            elif "text/html" in data:
                yield cell.id, html.unescape(UNREAD.sub(" ", data["text/html"]))
            elif not folded and not any(kind.startswith("image/") for kind in data):
                yield cell.id, output.get("text", data.get("text/plain", ""))


def words(text):
    """How many words a text has; displays and code count for none, a formula within a line or a role for one."""
    text = OPTION.sub("", UNREAD.sub(" ", CODE.sub(" ", ROLE.sub(" x ", MATHS.sub(" x ", DISPLAY.sub("", text))))))
    return sum(any(map(str.isalnum, word)) for word in text.split())


def visible_words(page):
    """The words of a page: its Markdown and the text that its cells put out, what is folded left out."""
    texts = [unfolded(cell.source) for cell in page.cells if cell.cell_type == "markdown"]
    return sum(map(words, [*texts, *(text for _, text in outputs(page))]))


def captions(page):
    """(cell's id, text) of the alternative texts and captions."""
    for cell in page.cells:
        about = cell.metadata.get("mystnb", {})
        for kind, name in (("image", "alt"), ("figure", "caption")):
            yield cell.id, about.get(kind, {}).get(name, "")


def odd_numbers(page):
    """What of the outputs, alternative texts and captions writes a number otherwise than helpers.numbers does."""
    found = []
    for name, text in [*outputs(page, folded=True), *captions(page)]:
        prose = CODE.sub(" ", MATHS.sub(" ", UNREAD.sub(" ", text)))
        for what, form in FORMS.items():
            said = [prose[max(0, m.start() - 15) : m.end() + 10].strip() for m in form.finditer(prose)]
            found += [f"{name}: {what}: “{each}”" for each in said]
    return found


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        read = nbformat.read(file, as_version=4)
        print(f"{file}: {visible_words(read):,} words", *odd_numbers(read), sep="\n  ")
