"""The displays of pages (`displays`): tokens → trees (`latex`) → numbers (`evaluation`) → members of `chains`."""


class Unreadable(ValueError):
    """LaTeX outside the subset, or a name that has no value."""


class Wrong(ValueError):
    """It can be read, and shapes, dimensions or indices do not fit: the display is false as it stands."""
