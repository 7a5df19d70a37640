"""What authors do: begin a notebook, clean one that an editor has saved, try changed code in a book of their own."""

import json
import re
import shutil
from pathlib import Path

import click
import nbformat

from helpers.press import pages
from helpers.press.sources import Refused, Repository, read
from helpers.values import parse

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MARK = ".book-of-ones-own"


def cleaned(notebook: nbformat.NotebookNode) -> str:
    """A source as its file must hold it: without outputs, counts and what editors add, as nbformat writes it."""
    course = {key: value for key, value in notebook.metadata.get("course", {}).items() if key in ("title", "data")}
    page = nbformat.v4.new_notebook(
        metadata={"course": course, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    page.cells, page.nbformat_minor = notebook.cells, 5
    for cell in page.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("course", "mystnb", "tags") if cell.metadata.get(key)}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(page) + "\n"


@click.command()
@click.argument("notebooks", nargs=-1)
def clean(notebooks):
    """Strip what editors save into sources.  Outputs, counts and metadata, of NOTEBOOKS, all by default.

    \b
    python -m helpers clean 11
    """
    repository = Repository.here()
    for slug in repository.chosen(notebooks):
        path = repository.notebooks / f"{slug}.ipynb"
        with repository.alone():
            pages.write_whole(path, cleaned(read(path)))
        click.echo(f"{slug}: clean")


@click.command()
@click.argument("slug")
@click.option("--title", help="Of the page; where book/course.yml has one already, that.")
def new(slug, title):
    """Begin the assignment SLUG from notebooks/template.  Enters it in profiles/full.yml and book/course.yml too.

    \b
    python -m helpers new 13_attention --title 'What attention attends to'
    """
    repository = Repository.here()
    path, course = repository.notebooks / f"{slug}.ipynb", repository.root / "book" / "course.yml"
    profiles, template = repository.notebooks / "profiles/full.yml", repository.notebooks / "template/NN_slug.ipynb"
    parts = [part["assignments"] for part in parse(_text(course), str(course))]
    planned = {name: entry["title"] for part in parts for name, entry in part.items()}
    if not re.fullmatch(r"\d\d_[a-z0-9]+(_[a-z0-9]+)*", slug):
        raise Refused(f"{slug!r} is no name of a notebook: give two digits and words, as 13_attention")
    same = [other for other in {*repository.slugs(), *({*planned} - {slug})} if other[:2] == slug[:2]]
    if same:
        raise Refused(f"the number {slug[:2]} is {same[0]}'s: choose another")
    if planned.get(slug, title) != (title := title or planned.get(slug)) or not title:
        raise Refused(f'give it a title: --title "{planned.get(slug, "…")}"')
    quoted = json.dumps(title, ensure_ascii=False)
    text = cleaned(read(template)).replace("Title of the page", quoted[1:-1])
    with repository.alone():
        pages.write_whole(path, text.replace("NN_slug", slug).replace("NN-slug", slug.replace("_", "-")))
        if slug not in (parse(_text(profiles), str(profiles)) or {}):
            pages.write_whole(profiles, f"{_text(profiles)}\n{slug}: {{}}\n")
        if slug not in planned:
            entry = f"    {slug}:\n      title: {quoted}\n      question: Which question does this page answer?\n"
            pages.write_whole(course, _text(course) + entry)
    click.echo(f"{path}: write it, and its question in {course}; once it is published, enter it in _toc.yml")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").rstrip("\n") + "\n"


def beside(repository: Repository, folder: Path) -> Repository:
    """A copy of the book in `folder`, where pages from stand-ins may replace those from real data.

    Sources and prose are copied anew, pages that are there stay.  Raises Refused for a folder of another purpose.
    """
    root, folder = repository.root, folder.resolve()
    if folder in (root, *root.parents) or (folder.is_relative_to(root) and not folder.is_relative_to(root / "build")):
        raise Refused(f"{folder} is the clone's own: choose a folder outside, or under {root / 'build'}")
    if folder.exists() and not (folder.is_dir() and ((folder / MARK).exists() or not any(folder.iterdir()))):
        raise Refused(f"{folder} holds something else: choose a folder that is empty or not there yet")
    (folder / "book").mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    own = Repository(folder, own=True)
    for name in ("notebooks", "book", "benchmarks"):
        kept = shutil.ignore_patterns(*(f"{slug}.ipynb" for slug in own.slugs(own.pages))) if name == "book" else None
        shutil.copytree(root / name, folder / name, dirs_exist_ok=True, ignore=kept)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, folder / name)
    return own
