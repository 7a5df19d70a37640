"""Text from data as text: titles and names reach prose, tables, prints and figures without becoming markup.

Page "What co-likes know" introduces it.
"""

import re

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # control codes; what turns the direction of text
MARKUP = re.compile(r'["#$%&*+./:;<=>@\[\\\]^_`{|}~-]')
STARTS_MATHS = "$\\"  # JupyterLab's MathJax reads the rendered text again, but no further than the end of an element


def as_line(text: object) -> str:
    """`text`, or what an error says, on one line for `print`: line breaks become blanks, control codes go."""
    return UNSEEN.sub("", " ".join(str(text).split()))


def as_markdown(text: object) -> str:
    """`text` for a line of Markdown: a paragraph, a cell of a table, a claim, emphasis, a heading.

    Punctuation that MyST, JupyterLab or MathJax might read as markup becomes entities, which are shown as what they
    stand for.  Escape what comes from data once, and nothing that is meant as Markdown.
    """
    return MARKUP.sub(lambda mark: _entity(mark[0]), as_line(text))


def _entity(character: str) -> str:
    entity = f"&#{ord(character)};"
    return f"<span>{entity}</span>" if character in STARTS_MATHS else entity


def as_label(text: object) -> str:
    """`text` for a Matplotlib figure, where two dollar signs would begin and end a formula."""
    return as_line(text).replace("$", r"\$")
