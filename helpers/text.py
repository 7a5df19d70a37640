"""Text from data as text: titles and names reach prose, tables, claims and figures without becoming markup.

Page "What co-likes know" introduces it.
"""

import re

MARKUP = re.compile(r'["#$%&*+./:;<=>@\[\\\]^_`{|}~-]')
STARTS_MATHS = "$\\"  # JupyterLab's MathJax reads the rendered text again, but no further than the end of an element


def as_markdown(text: object) -> str:
    """`text`, or what an error says, for a line of Markdown: a paragraph, a table's cell, a claim, emphasis, a heading.

    Punctuation that MyST, JupyterLab or MathJax might read as markup becomes entities, which are shown as what they
    stand for; line breaks become blanks.  Escape what comes from data, once, and nothing that is meant as Markdown.
    """
    return MARKUP.sub(lambda mark: _entity(mark[0]), _one_line(text))


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _entity(character: str) -> str:
    entity = f"&#{ord(character)};"
    return f"<span>{entity}</span>" if character in STARTS_MATHS else entity


def as_label(text: object) -> str:
    """`text` for a Matplotlib figure: on one line, and no dollar sign begins a formula."""
    return _one_line(text).replace("$", r"\$")
