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
    """The notebook that is being run, in the first place that has one.  Unreadable, with the remedy, if none has."""
    editor = vars(sys.modules["__main__"]).get("__vsc_ipynb_file__")  # set by VS Code; before it, by tests and Jupyter
    for place in (os.environ.get("COURSE_PAGE"), os.environ.get("JPY_SESSION_NAME"), editor, f"{_slug}.ipynb"):
        if place and place.endswith(".ipynb") and Path(place).is_file():
            return Path(place)
    raise Unreadable(f"the page {_slug}.ipynb is not found: save it, and start Jupyter in its folder")


def labelled(cells: list[dict]) -> list[tuple[str, str]]:
    """(label, LaTeX) of every display of the Markdown cells."""
    texts = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [(label, latex.strip()) for text in texts for latex, label in LABELLED.findall(text)]


def display(label: str) -> tuple[str, str]:
    """The LaTeX under `label` as it stands on the page, and where that is.  Unreadable unless it is there once."""
    if "google.colab" in sys.modules:
        from google.colab import _message

        where, cells = "this notebook", _message.blocking_request("get_ipynb", timeout_sec=30)["ipynb"]["cells"]
    else:
        where = find()
        try:
            cells = json.loads(where.read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError, KeyError) as error:
            raise Unreadable(f"{where} cannot be read as a notebook: {error}") from error
    found = [latex for name, latex in labelled(cells) if name == label]
    if len(found) != 1:
        known, count = ", ".join(dict(labelled(cells))), f"{len(found)} displays are" if found else "no display is"
        raise Unreadable(f"{count} labelled {label} in {where} (save it, then run again): there are {known}")
    return found[0], str(where)
