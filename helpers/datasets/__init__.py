"""The data sets of the course, one module each: `load`, `fetch`, `present`, `TITLE`.

Every set is held in memory, as `Images` or a like record; nothing here is a torch `Dataset`.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from helpers.datasets import store

if TYPE_CHECKING:  # `import helpers.datasets` loads no torch
    from torch import Tensor

NAMES = ("mnist", "movielens")


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """A labelled set of pictures in memory.

    train_images, test_images: (n, channels, height, width) uint8.  train_labels, test_labels: (n,) int64,
    indices into `class_names`.  name: what `Run` registers it as.  origin: "real", "real (unofficial copy)"
    or "stand-in".  fingerprint: a short digest of the content, equal for equal content only.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]
    name: str
    origin: str
    fingerprint: str

    def describe(self) -> str:
        """One line: "mnist: real, 60,000 training and 10,000 test images of 1 × 28 × 28"."""
        shape = " × ".join(str(side) for side in self.train_images.shape[1:])
        counts = f"{len(self.train_images):,} training and {len(self.test_images):,} test images"
        return f"{self.name}: {self.origin}, {counts} of {shape}"

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


def broken(path: Path, what: str) -> store.BrokenData:
    """The error to raise where the file `path` is there and not as it should be."""
    remedy = 'run "make data", which keeps the old folder beside the new, or pass data="standin"'
    return store.BrokenData(f"{path} {what}: {remedy}")


def find(name: str) -> ModuleType:
    """The module of the data set `name`.  Raises ValueError, naming the nearest, for another."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        raise ValueError(f'there is no data set "{name}": {hint}known are {", ".join(NAMES)}')
    return importlib.import_module(f"{__name__}.{name}")
