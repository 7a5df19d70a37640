"""What authors do: new, clean, publish --to; and a further assignment, added to a clone by CONTRIBUTING alone."""

import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from conftest import ROOT
from press_repository import SLUG, edit, execute_without_kernel, files, page, press

from helpers.press import pages
from helpers.press.authoring import cleaned

TITLE = 'A "toy": ümlaut & more'


def clone(target):
    """A copy of what git would commit here, without the pages: the folder and the environment of its commands."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    for name in filter(None, done.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("book/assignments/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target, os.environ | {"COURSE_REPOSITORY": str(target), "PYTHONPATH": str(target), "PYTHONUTF8": "1"}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A clone in which `new` began assignment 13, and a function that runs a command there."""
    root, environment = clone(tmp_path_factory.mktemp("toy") / "clone")

    def command(*arguments):
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=root, env=environment, capture_output=True, encoding="utf-8"
        )

    begun = command("helpers", "new", "13_toy", "--title", TITLE)
    assert begun.returncode == 0, begun.stderr
    return root, command, begun.stdout


def test_a_new_notebook_keeps_the_contract_and_has_its_place(toy):
    root, command, said = toy
    assert "_toc.yml" in said
    chosen = "13_toy or every_notebook or linter"
    done = command(
        "pytest", "-q", "-p", "no:cacheprovider", "tests/test_notebooks.py", "tests/test_exercises.py", "-k", chosen
    )
    assert done.returncode == 0, done.stdout[-3000:]
    course = yaml.safe_load((root / "book" / "course.yml").read_text(encoding="utf-8"))
    assert course[-1]["assignments"]["13_toy"]["title"] == TITLE
    for name in ("book/course.yml", "notebooks/profiles/full.yml"):  # comments and order are kept
        assert (root / name).read_text(encoding="utf-8").startswith((ROOT / name).read_text(encoding="utf-8"))


def test_a_new_notebook_is_run_published_and_rendered(toy, monkeypatch):
    root, command, _ = toy
    monkeypatch.setenv("COURSE_REPOSITORY", str(root))
    ran = command("helpers", "run", "13")
    assert re.search(r"^13_toy +[\d.]+  ok, claims: 1 holds$", ran.stdout, re.M), ran.stdout + ran.stderr
    published = command("helpers", "publish", "13")
    assert re.search(r"published .*; add assignments/13_toy to _toc.yml$", published.stdout), published.stderr
    record = json.loads((root / "book" / "results.json").read_text(encoding="utf-8"))["assignments"]["13_toy"]
    assert record["profile"] == "full"
    assert abs(record["metrics"]["excess_loss"]) < 1e-3
    chapters = [
        {"file": f} for f in ("how_to_run", "assignments/13_toy", "results", "claims", "mistakes", "references")
    ]
    toc = {"format": "jb-book", "root": "index", "parts": [{"caption": "The book", "chapters": chapters}]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    assert re.search(r"^13_toy .* none needed +fresh$", press("status").output, re.M)
    rendered = command("helpers", "book")
    assert rendered.returncode == 0, rendered.stderr
    html = (root / "build" / "html" / "assignments" / "13_toy.html").read_text(encoding="utf-8")
    assert "The slope of a line" in html
    assert ":::" not in html
    planned = sum(
        len(part["assignments"]) for part in yaml.safe_load((ROOT / "book" / "course.yml").read_text("utf-8"))
    )
    index = (root / "build" / "html" / "index.html").read_text(encoding="utf-8")
    assert f"1 of {planned + 1} pages" in index
    (root / "_toc.yml").write_text(yaml.safe_dump(toc).replace("13_toy", "13_gone"), encoding="utf-8")
    missing = press("book")
    assert missing.exit_code == 1
    assert (
        "_toc.yml names assignments/13_gone, which is not in book/: run python -m helpers publish 13" in missing.output
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("13_other", "--title", "x"), "the number 13 is 13_toy's"),
        (("12_other", "--title", "x"), "the number 12 is 12_collaborative_filtering's"),
        (("toy", "--title", "x"), "'toy' is no name of a notebook"),
        (("14_../x", "--title", "x"), "is no name of a notebook"),
        (("14_toy",), "give it a title"),
        (("10_training_craft", "--title", "x"), 'give it a title: --title "Learning rates, schedules'),
    ],
)
def test_what_new_refuses(toy, monkeypatch, arguments, why):
    root, before = toy[0], files(toy[0])
    monkeypatch.setenv("COURSE_REPOSITORY", str(root))
    result = press("new", *arguments)
    assert result.exit_code == 1
    assert why in result.output
    assert files(root) == before


# ------------------------------------------------------------------------------------------------ clean


@pytest.fixture
def root(published, tmp_path, monkeypatch):
    """A course of one's own whose page 01_tiny is published."""
    target = tmp_path / "course"
    shutil.copytree(published, target, ignore=shutil.ignore_patterns("*.lock"))
    monkeypatch.setenv("COURSE_REPOSITORY", str(target))
    return target


def saved_by_an_editor(source, cells):
    source.metadata.language_info |= {"version": "3.12.1", "file_extension": ".py"}
    source.metadata.kernelspec.display_name = "Python 3.12"
    source.metadata.widgets = {}
    source.metadata.course.published = {"parameters": {}}
    for count, cell in enumerate(source.cells, 1):
        cell.metadata |= {"collapsed": True, "jupyter": {"source_hidden": True}, "trusted": True}
        if cell.cell_type == "code":
            cell.execution_count = count
            cell.outputs = [nbformat.v4.new_output("stream", text="x\n")]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_sources_are_as_clean_leaves_them(path):
    assert cleaned(nbformat.read(path, as_version=4)) == path.read_text(encoding="utf-8")


def test_clean_strips_what_editors_add_and_nothing_else(root):
    assert press("clean", "01").exit_code == 0
    before = (root / "notebooks" / f"{SLUG}.ipynb").read_bytes()
    edit(root, saved_by_an_editor)
    said = "parameters has outputs: run python -m helpers clean 01"
    result = press("status")
    assert result.exit_code == 1
    assert said in result.output
    assert "code cell" not in result.output, "the code is still what ran"
    assert press("clean", "01").output == f"{SLUG}: clean\n"
    assert (root / "notebooks" / f"{SLUG}.ipynb").read_bytes() == before
    assert said not in press("status").output


def test_a_full_disk_leaves_the_source(root, monkeypatch):
    edit(root, saved_by_an_editor)
    before = files(root)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pages.os, "replace", full)
    result = press("clean", "01")
    assert result.exit_code == 1
    assert "stays as it was" in result.output
    assert files(root) == before


# ------------------------------------------------------------------------------------------------ broken imports


def test_status_calls_a_page_stale_whose_import_is_broken_and_says_why(root, monkeypatch):
    assert press("status").exit_code == 0
    package = shutil.copytree(ROOT / "helpers", root.parent / "helpers")
    monkeypatch.setattr("helpers.fingerprint.PACKAGE", package)
    text = (package / "run.py").read_text(encoding="utf-8")
    (package / "run.py").write_text(text.replace("def start(", "def begin("), encoding="utf-8")
    result = press("status")
    assert result.exit_code == 1
    assert f"{SLUG}  " in result.output
    assert "its code takes helpers.run.start, which is not there" in result.output


def test_status_calls_a_page_stale_whose_helpers_or_code_are_no_python(root, monkeypatch):
    package = shutil.copytree(ROOT / "helpers", root.parent / "helpers")
    with monkeypatch.context() as context:
        context.setattr("helpers.fingerprint.PACKAGE", package)
        (package / "numbers.py").write_text("def number(x:\n", encoding="utf-8")
        result = press("status")
    assert result.exit_code == 1
    assert re.search(rf"^{SLUG} .*STALE\n +numbers.py is no Python: .* in 'def number\(x:'$", result.output, re.M)
    edit(root, lambda source, cells: cells["picture"].update(source="label = = 1"))
    result = press("status")
    assert result.exit_code == 1
    assert "its code is no Python: invalid syntax in 'label = = 1'" in result.output


# ------------------------------------------------------------------------------------------------ publish --to


@pytest.fixture
def real(root, monkeypatch):
    """The course with what a book needs beside, its page made from real data, and no kernel and no Sphinx."""

    def stand_in(ran, record):
        record["data"] = {"mnist": "stand-in"}

    monkeypatch.setattr("helpers.press.execution.execute", execute_without_kernel(root, stand_in))
    monkeypatch.setattr("helpers.press.cli.build", lambda repository, site: site / "index.html")
    (root / "_toc.yml").write_text(f"root: index\nchapters: [file: assignments/{SLUG}]\n", encoding="utf-8")
    (root / "_config.yml").touch()
    (root / "benchmarks").mkdir()
    return root


@pytest.mark.parametrize("folder", ["mine", "course/build/mine"])
def test_a_book_of_ones_own_takes_stand_ins_and_the_committed_one_stays(real, tmp_path, folder):
    edit(real, lambda source, cells: cells["measure"].update(source="draw = 1\n" + cells["measure"].source))
    before = {name: data for name, data in files(real).items() if not name.startswith("build")}
    assert press("publish", "--standin", SLUG).exit_code == 1, "never in place of a page from real data"
    own = tmp_path / folder
    for _ in range(2):  # again into the same folder
        result = press("publish", "--standin", "--to", str(own), SLUG)
        assert result.exit_code == 0, result.output
        assert str(own / "html" / "index.html") in result.output
    made = nbformat.read(page(own), as_version=4)
    assert any(cell.source.startswith("draw = 1\n") for cell in made.cells)
    record = json.loads((own / "book" / "results.json").read_text(encoding="utf-8"))["assignments"][SLUG]
    assert record["data"] == {"mnist": "stand-in"}
    assert {name: data for name, data in files(real).items() if not name.startswith("build")} == before


@pytest.mark.parametrize(
    "folder", ["course", "course/book", "course/book/assignments", "course/mine", ".", "full", "file"]
)
def test_a_folder_of_another_purpose_is_refused(real, tmp_path, folder):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = files(tmp_path)
    result = press("publish", "--standin", "--to", str(tmp_path / folder), SLUG)
    assert result.exit_code == 1
    assert "choose a folder" in result.output
    assert files(tmp_path) == before
