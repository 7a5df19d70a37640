"""Notebook sources: finding them, their parameters and data sets, and what is refused before anything runs."""

import ast
import difflib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from helpers import fingerprint


class Refused(Exception):
    """The press will not start; the message names the thing and the remedy."""


class _Yaml(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in Python; YAML 1.1 reads a string."""


_Yaml.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), [*"-+0123456789"])


def parse(text: str, where: str):
    """The value that `text` means as YAML.  Raises Refused, naming `where`."""
    try:
        return yaml.load(text, _Yaml)
    except yaml.YAMLError as error:
        raise Refused(f"{where} is no YAML: {error}") from error


@dataclass(frozen=True)
class Repository:
    """Where everything lies.  `$COURSE_REPOSITORY` overrides the folder that holds this package."""

    root: Path

    @classmethod
    def here(cls) -> "Repository":
        """The repository of this process.  Raises Refused where it has no notebooks."""
        root = Path(os.environ.get("COURSE_REPOSITORY") or fingerprint.PACKAGE.parent).resolve()
        if not cls(root).slugs():
            raise Refused(f"{root / 'notebooks'} holds no notebook: set COURSE_REPOSITORY to a clone of the course")
        return cls(root)

    @property
    def pages(self) -> Path:
        """The folder of the executed pages."""
        return self.root / "book" / "assignments"

    @property
    def results(self) -> Path:
        """The index of what the pages hold."""
        return self.root / "book" / "results.json"

    @property
    def runs(self) -> Path:
        """Where runs leave their notebooks."""
        return self.root / "build" / "runs"

    def slugs(self) -> list[str]:
        """The names of all notebooks, in order."""
        return sorted(path.stem for path in (self.root / "notebooks").glob("*.ipynb"))

    def find(self, name: str) -> str:
        """The slug that `name` means: a slug, its number ("03"), or a path to it.  Else Refused, with the nearest."""
        stem = Path(name).name.removesuffix(".ipynb")
        slugs = self.slugs()
        matches = [s for s in slugs if s == stem] or [s for s in slugs if s.split("_")[0] == stem]
        if not matches:
            raise Refused(f"there is no notebook {name!r}{nearest(stem, slugs)}")
        return matches[0]

    def source(self, slug: str) -> "Source":
        """The notebook `slug`, read from disk."""
        return Source.read(self.root / "notebooks" / f"{slug}.ipynb", self.profile_entry(slug))

    def profile_entry(self, slug: str) -> dict:
        """The parameters of the full profile for `slug`.  Raises Refused where profiles/full.yml has none."""
        path = self.root / "notebooks" / "profiles" / "full.yml"
        entries = parse(path.read_text(encoding="utf-8"), str(path))
        if not isinstance(entries, dict) or not isinstance(entries.get(slug, "missing"), dict | None):
            raise Refused(f"{path} has no parameters for {slug}: add them ({{}} where the defaults serve)")
        return entries[slug] or {}


def nearest(name: str, known: Iterable[str]) -> str:
    """How a refusal ends: the nearest known name, and all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f": did you mean {close[0]}?" if close else ":"
    return f"{hint} There are: {', '.join(known) or 'none'}"


@dataclass(frozen=True)
class Source:
    """A notebook as written: its cells, its defaults, the full profile's values, the data sets it names."""

    slug: str
    notebook: nbformat.NotebookNode
    defaults: dict
    full: dict

    @classmethod
    def read(cls, path: Path, full: dict) -> "Source":
        """Parse `path`.  Raises Refused for a broken file or one without exactly one parameters cell of literals."""
        try:
            notebook = nbformat.read(path, as_version=4)
            cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        except Exception as error:
            raise Refused(f"{path} cannot be read as a notebook: {error}") from error
        if len(cells) != 1 or "course" not in notebook.metadata:
            raise Refused(f"{path} needs one cell tagged parameters (it has {len(cells)}) and the metadata course")
        try:
            nodes = ast.parse(cells[0].source).body
            defaults = {target.id: ast.literal_eval(node.value) for node in nodes for target in node.targets}
        except (AttributeError, SyntaxError, TypeError, ValueError) as error:
            raise Refused(f"{path}: the parameters cell may hold nothing but name = literal: {error}") from error
        return cls(path.stem, notebook, defaults, full)

    @property
    def title(self) -> str:
        """The title in the notebook's metadata."""
        return self.notebook.metadata["course"]["title"]

    @property
    def datasets(self) -> list[str]:
        """The data sets that the notebook names in its metadata."""
        return list(self.notebook.metadata["course"].get("data", []))

    def code(self) -> str:
        """All code cells as one text."""
        return "\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "code")

    def fingerprint(self, values: dict) -> str:
        """A digest of the code cells and of the parameters that `values` changes."""
        cells = [cell.source for cell in self.notebook.cells if cell.cell_type == "code"]
        return fingerprint.digest(json.dumps([cells, values], sort_keys=True))

    def checked(self, values: dict) -> dict:
        """`values`, after every name and type was compared with the defaults.  Raises Refused."""
        for name, value in values.items():
            if name not in self.defaults:
                raise Refused(f"{self.slug} has no parameter {name!r}{nearest(name, self.defaults)}")
            if not _fits(value, default := self.defaults[name]):
                raise Refused(
                    f"{self.slug}: {name} = {value!r} ({type(value).__name__}) does not fit its default "
                    f"{default!r} ({type(default).__name__}): give a value of that type"
                )
        return values

    def check_data(self, values: dict) -> None:
        """Raise Refused where `values` (over the defaults) ask for real data that is not there."""
        if {**self.defaults, **values}.get("data") != "real":
            return
        from helpers import datasets
        from helpers.datasets import store

        for name in self.datasets:
            if not datasets.find(name).present(store.root()):
                raise Refused(
                    f"{self.slug} needs the real {name}, which is not under {store.root()}: "
                    f'run "python -m helpers data {name}", set COURSE_DATA, or choose data=auto'
                )


def _fits(value, default) -> bool:
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, list):
        return isinstance(value, list) and (not default or all(_fits(member, default[0]) for member in value))
    return type(value) is type(default)
