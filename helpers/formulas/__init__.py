"""The formulas that pages display, read from the page and evaluated: LaTeX → tree → numbers.

`latex` parses, `evaluation` evaluates a tree at one point, `chains` splits a display into members and compares them,
`displays` finds the page.  Conventions for authors are in CONTRIBUTING.
"""


class Unreadable(ValueError):
    """LaTeX outside the subset, or a name that has no value."""


class Wrong(ValueError):
    """It can be read, and shapes, dimensions or indices do not fit: the display is false as it stands."""
