"""Notebook sources: finding them, their parameters and data sets, and what is refused before anything runs."""

import ast
import difflib
import json
import math
import os
import pkgutil
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from helpers import MIME, fingerprint
from helpers.values import parse


class Refused(ValueError):
    """The press will not start; the message names the thing and the remedy."""


class Repository:
    """Where everything lies under `root`: notebooks, what `runs` leave of them, pages, their index `results`.

    own: a book beside the committed one, in which stand-ins may replace real data.
    """

    def __init__(self, root: Path, own: bool = False):
        self.own = own
        self.root, self.notebooks, self.runs = root, root / "notebooks", root / "build" / "runs"
        self.pages, self.results = root / "book" / "assignments", root / "book" / "results.json"

    @classmethod
    def here(cls) -> "Repository":
        """`$COURSE_REPOSITORY`, else the folder that holds this package.  Raises Refused where it has no notebooks."""
        found = cls(Path(os.environ.get("COURSE_REPOSITORY") or fingerprint.PACKAGE.parent).resolve())
        if not found.slugs():
            raise Refused(f"{found.notebooks} holds no notebook: set COURSE_REPOSITORY to a clone of the course")
        return found

    def slugs(self, folder: Path | None = None) -> list[str]:
        """The names of all notebooks, or of all that lie in `folder`, in order."""
        return sorted(path.stem for path in (folder or self.notebooks).glob("[!.]*.ipynb"))

    def find(self, name: str) -> str:
        """The slug that `name` means: a slug, its number ("03"), or a path to it.  Else Refused, with the nearest."""
        path, slugs = Path(name), self.slugs()
        stem = path.name.removesuffix(".ipynb")
        folder = (path if path.is_file() else self.root / path).parent.resolve()
        if (path.is_file() or path.name != name) and folder != self.notebooks.resolve():
            raise Refused(f"{name} does not lie in {self.notebooks}: move it there")
        matches = [s for s in slugs if s == stem] or [s for s in slugs if s.split("_")[0] == stem]
        if len(matches) > 1:
            raise Refused(f"{name!r} may mean {' or '.join(matches)}: give the name")
        if not matches:
            raise Refused(f"there is no notebook {name!r}{nearest(stem, slugs)}")
        return matches[0]

    def chosen(self, names: Iterable[str]) -> list[str]:
        """The slugs that `names` mean, each once; all of them where there are no names."""
        return list(dict.fromkeys(map(self.find, names))) or self.slugs()

    def check_imports(self) -> None:
        """Raise Refused where a file beside the notebooks hides a module: they would import the file."""
        installed = pkgutil.iter_modules([folder for folder in sys.path if folder.endswith("-packages")])
        taken = {"helpers", *sys.stdlib_module_names, *(module.name for module in installed)}
        for module in pkgutil.iter_modules([str(self.notebooks)]):
            if module.name in taken:
                raise Refused(f"{self.notebooks / module.name} hides the module {module.name}: give it another name")

    def alone(self):
        """A lock: one process at a time reads the pages and writes what follows from them; others wait."""
        from filelock import FileLock  # here: rendering the book needs none

        path = self.root / "build" / "press.lock"
        path.parent.mkdir(exist_ok=True)
        return FileLock(path, is_singleton=True)  # so that a function that holds it may call another that takes it

    def source(self, slug: str) -> "Source":
        """The notebook `slug`.  Raises Refused for a broken file or one without one parameters cell of literals."""
        path, full = self.notebooks / f"{slug}.ipynb", self.profile_entry(slug)
        notebook = read(path)
        cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        if (kinds := [cell.cell_type for cell in cells]) != ["code"]:
            raise Refused(f"{path} needs one code cell tagged parameters (it has {len(cells)} so tagged: {kinds})")
        course = notebook.metadata.get("course")
        if not (isinstance(course, dict) and _fits([course.get("title")], [""]) and _fits(course.get("data"), [""])):
            raise Refused(f"{path}: its metadata needs course: {{title: TEXT, data: [names of data sets]}}")
        try:
            nodes = ast.parse(cells[0].source).body
            defaults = {target.id: ast.literal_eval(node.value) for node in nodes for target in node.targets}
        except (AttributeError, SyntaxError, TypeError, ValueError) as error:
            raise Refused(f"{path}: the parameters cell may hold nothing but name = literal: {error}") from error
        return Source(slug, notebook, course["title"], course["data"], defaults, full)

    def profile_entry(self, slug: str) -> dict:
        """The parameters of the full profile for `slug`.  Raises Refused where profiles/full.yml has none."""
        path = self.notebooks / "profiles" / "full.yml"
        entries = parse(path.read_bytes(), str(path))
        if not isinstance(entries, dict) or not isinstance(entries.get(slug, "missing"), dict | None):
            raise Refused(f"{path} has no parameters for {slug}: add them ({{}} where the defaults serve)")
        return entries[slug] or {}


def nearest(name: str, known: Collection[str]) -> str:
    """How a refusal ends: the nearest known name, and all of them."""
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    hint = f": did you mean {close[0]}?" if close else ":"
    return f"{hint} There are: {', '.join(known) or 'none'}"


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook from disk.  Raises Refused where it is missing or broken."""
    try:
        text = path.read_text(encoding="utf-8")
        ids = [cell.get("id") for cell in json.loads(text).get("cells", [])]
        if twice := [name for name in ids if name and ids.count(name) > 1]:  # nbformat would draw another
            raise ValueError(f"two cells have the id {twice[0]}")
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        return notebook
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise Refused(f"{path} cannot be read as a notebook: {reason}") from error


def outputs(slug: str, notebook: nbformat.NotebookNode) -> str:
    """The first cell of a source that an editor has saved with outputs, and the remedy; "" where there is none."""
    cells = (cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count") is not None)
    number = slug.split("_")[0]
    return next((f"{cell.id} has outputs: run python -m helpers clean {number}" for cell in cells), "")


def record(page: nbformat.NotebookNode) -> dict:
    """The record that an executed notebook carries, without its slug.  Raises Refused where it carries none."""
    for cell in reversed(page.cells):
        for output in cell.get("outputs", []):
            if MIME in output.get("data", {}):
                return {key: value for key, value in output["data"][MIME].items() if key != "slug"}
    raise Refused("there is no record: run.finish() is missing")


@dataclass(frozen=True)
class Source:
    """A notebook as written: its cells, title, data sets, the parameters' defaults and the full profile's values."""

    slug: str
    notebook: nbformat.NotebookNode
    title: str
    datasets: list[str]
    defaults: dict
    full: dict

    def checked(self, values: dict) -> dict:
        """`values`, if every name, type and number is good and the real data that they ask for is; else Refused."""
        for name, value in values.items():
            if name not in self.defaults:
                raise Refused(f"{self.slug} has no parameter {name!r}{nearest(name, self.defaults)}")
            if not _fits(value, default := self.defaults[name]):
                raise Refused(f"{self.slug}: {name} = {value!r} is not of the type of its default {default!r}")
            if not _finite(value):
                raise Refused(f"{self.slug}: {name} = {value!r} is not finite")
        if {**self.defaults, **values}.get("data") == "real":
            self._check_data()
        return values

    def _check_data(self) -> None:
        from helpers import datasets
        from helpers.datasets import store

        for name in self.datasets:
            try:
                datasets.find(name).load("real")
            except store.MissingData as fault:
                remedy = f'run "python -m helpers data {name}", set COURSE_DATA, or choose data=auto'
                where = f"which is not under {store.root()}"
                raise Refused(f"{self.slug} needs the real {name}, {where}: {remedy}") from fault
            except (OSError, ValueError, MemoryError) as fault:
                raise Refused(f"{self.slug} needs the real {name}: {fault}") from fault


def _finite(value) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_finite, members)) and not (isinstance(value, float) and not math.isfinite(value))


def _fits(value, default) -> bool:
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, list):
        return isinstance(value, list) and (not default or all(_fits(member, default[0]) for member in value))
    return type(value) is type(default)
