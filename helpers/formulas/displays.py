"""Where a page's displays stand: finding the notebook that is being run, and its labelled equations."""

import json
import os
import re
import sys
from pathlib import Path

from helpers.formulas import Unreadable

LABELLED = re.compile(r"^\$\$\n(.*?)\n\$\$ \((\S+)\)$", re.S | re.M)
_slug = ""


def begin(slug: str) -> None:
    """Remember which notebook runs; `find` looks for it."""
    global _slug
    _slug = slug


def find() -> Path:
    """The notebook that is being run.  Raises Unreadable, with the remedy, where it cannot be found.

    In this order: $COURSE_PAGE (set by the press and by tests), $JPY_SESSION_NAME (set by Jupyter's server), VS Code's
    `__vsc_ipynb_file__`, the notebook `slug`.ipynb in the working folder, and the one that Colab holds.
    """
    main = vars(sys.modules["__main__"])
    places = (os.environ.get("COURSE_PAGE"), os.environ.get("JPY_SESSION_NAME"), main.get("__vsc_ipynb_file__"))
    for place in (*places, f"{_slug}.ipynb"):
        if place and place.endswith(".ipynb") and Path(place).is_file():
            return Path(place)
    raise Unreadable(f"the page {_slug}.ipynb is not found: save it, and start Jupyter in its folder")


def _cells() -> tuple[list[dict], str]:
    if "google.colab" in sys.modules:
        from google.colab import _message

        return _message.blocking_request("get_ipynb", timeout_sec=30)["ipynb"]["cells"], "this notebook"
    path = find()
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"], str(path)
    except (OSError, ValueError, KeyError) as error:
        raise Unreadable(f"{path} cannot be read as a notebook: {error}") from error


def labelled(cells: list[dict]) -> list[tuple[str, str]]:
    """(label, LaTeX) of every display of the Markdown cells."""
    texts = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [(label, latex.strip()) for text in texts for latex, label in LABELLED.findall(text)]


def display(label: str) -> tuple[str, str]:
    """The LaTeX under `label` as it stands on the page, and where that is.  Unreadable unless it is there once."""
    cells, where = _cells()
    found = [latex for name, latex in labelled(cells) if name == label]
    if len(found) != 1:
        known = ", ".join(name for name, _ in labelled(cells))
        count = "no display is" if not found else f"{len(found)} displays are"
        raise Unreadable(f"{count} labelled {label} in {where} (save it, then run again): there are {known}")
    return found[0], where
