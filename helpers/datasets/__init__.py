"""The data sets of the course, one module each: `load`, `fetch`, `present`, `TITLE`.

Every set is held in memory, as `Images` or a like record; nothing here is a torch `Dataset`.
"""

from __future__ import annotations

import difflib
import importlib
from types import ModuleType

from helpers.datasets.records import Groceries, Images, Pairs, Ratings

__all__ = ["NAMES", "Groceries", "Images", "Pairs", "Ratings", "find"]

NAMES = ("mnist", "movielens", "cifar10", "grocery", "shoes")


def find(name: str) -> ModuleType:
    """The module of the data set `name`.  Raises ValueError, naming the nearest, for another."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        raise ValueError(f'there is no data set "{name}": {hint}known are {", ".join(NAMES)}')
    return importlib.import_module(f"{__name__}.{name}")
