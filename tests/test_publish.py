"""Publishing: what a page holds, when it is fresh, and what a failure, a kill or a full disk leaves behind."""

import builtins
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import nbformat
import psutil
import pytest
import yaml
from press_repository import (
    RECORD,
    SLUG,
    code,
    edit,
    environment,
    execute_without_kernel,
    files,
    light,
    page,
    press,
    results,
    start_press,
    stderr,
    text,
    write,
)

from helpers import MIME
from helpers.datasets import mnist
from helpers.press import execution, pages
from helpers.press.sources import Repository

REAL = "02_real"


@pytest.fixture
def root(published, tmp_path, monkeypatch):
    """A course with one published page, free to be changed."""
    root = tmp_path / "course"
    shutil.copytree(published, root)
    monkeypatch.setenv("COURSE_REPOSITORY", str(root))
    return root


@pytest.fixture
def runs(root, monkeypatch):
    """No kernel: what ran before runs again, under the present source.  Calling it sets how the next runs differ."""
    ran = []

    def differ(change):
        monkeypatch.setattr(execution, "execute", execute_without_kernel(root, change, ran))
        return ran

    differ(None)
    differ.ran = ran
    return differ


def another_draw(notebook, record):
    record["metrics"]["draw"] = 0.125


def read(root, slug=SLUG):
    return nbformat.read(page(root, slug), as_version=4)


def profile(root, values, slug=SLUG):
    path = root / "notebooks" / "profiles" / "full.yml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(entries | {slug: values}), encoding="utf-8")


def assert_indexed(root):
    """results.json is what the pages say, and nothing half written lies about."""
    assert results(root) == pages.results(Repository(root))
    assert [str(path) for path in (root / "book").rglob("*.partial")] == []


# ------------------------------------------------------------------------------------------------ the page


def test_a_page_is_its_source_with_the_outputs_of_the_run(root):
    source, made = nbformat.read(root / "notebooks" / f"{SLUG}.ipynb", as_version=4), read(root)
    nbformat.validate(made)
    ids = [cell.id for cell in source.cells]
    assert [cell.id for cell in made.cells] == ids[:2] + ["injected-parameters"] + ids[2:]
    cells = {cell.id: cell for cell in made.cells}
    for cell in source.cells:
        assert (cells[cell.id].source, cells[cell.id].metadata) == (cell.source, cell.metadata)
    injected = cells["injected-parameters"]
    assert injected.metadata == {"tags": ["injected-parameters"]}
    assert {"epochs = 30", "scale = 2"} <= set(injected.source.splitlines())
    assert {"name": "stdout", "output_type": "stream", "text": "one\ntwo\n"} in cells["measure"].outputs
    assert f"The draw is {pages.record(made)['metrics']['draw']:.2f}." in json.dumps(cells["said"].outputs)
    assert {**made.metadata["course"], "published": None} == {**source.metadata["course"], "published": None}
    assert {key: made.metadata[key] for key in made.metadata if key != "course"} == {
        key: source.metadata[key] for key in source.metadata if key != "course"
    }


def test_a_page_carries_no_trace_of_papermill_and_no_times(root):
    content = page(root).read_text(encoding="utf-8")
    assert "papermill" not in content
    assert str(root.parent) not in content
    for cell in read(root).cells:
        assert set(cell.metadata) <= {"tags", "mystnb"}
        for output in cell.get("outputs", []):
            assert output.get("metadata", {}) == {}, cell.id


def test_the_record_says_what_ran(root):
    record = pages.record(read(root))
    assert record["profile"] == "full"
    assert record["data"] == {"mnist": "real"}
    assert 0 < record["metrics"]["draw"] < 3
    assert record["details"]["draw"] == {
        "label": "The draw",
        "interval": [0, 3],
        "n": 30,
        "seeds": 1,
        "reported": "about 1.5",
    }
    assert [claim["verdict"] for claim in record["claims"]] == ["holds"]


def test_the_index_has_the_schema_of_its_readers(root):
    assert set(results(root)) == {"assignments"}
    assert set(results(root)["assignments"]) == {SLUG}
    entry = results(root)["assignments"][SLUG]
    kept = {"profile", "data", "metrics", "details", "claims", "checks", "timings", "mistakes", "provenance"}
    assert set(entry) == kept
    assert set(entry["timings"]) == {"clock"}
    assert set(entry["claims"][0]) == {"text", "verdict", "evidence"}
    kinds = {"seed": int, "device": str, "threads": int, "versions": dict, "date": str, "seconds": float}
    kinds |= {"peak_memory_mb": int, "source": str, "helpers": str}
    assert {name: type(value) for name, value in entry["provenance"].items()} == kinds
    assert_indexed(root)
    assert entry["provenance"]["source"] == read(root).metadata.course.published.source
    assert {"helpers.run", "helpers.device", "helpers.stages"} <= set(read(root).metadata.course.published.modules)


def test_a_publish_says_what_it_did_and_nothing_else(published):
    said = json.loads((published / "said.json").read_text(encoding="utf-8"))
    assert said["err"] == ""
    line, empty = said["out"].split("\n")
    assert line.startswith(f"{SLUG}: published (")
    assert empty == ""


# ------------------------------------------------------------------------------------------------ publishing again


def test_a_fresh_page_is_not_run_again(root, runs):
    before = files(root / "book")
    result = press("publish", SLUG)
    assert (result.exit_code, runs.ran) == (0, [])
    assert "fresh already" in result.output
    assert files(root / "book") == before


def passing(notebook, record):
    """What differs between two runs of one source on one machine."""
    record["provenance"] |= {"date": "2031-01-01", "seconds": 99.9, "peak_memory_mb": 1, "seconds_reused": 3.0}
    record["timings"]["clock"] = 1e6
    record["details"]["clock"]["reported"] = 2
    record["claims"][0]["evidence"] = "0.999 after 99 s"
    notebook.cells[-1].execution_count = 99


def test_a_page_that_would_change_in_times_only_is_left_alone(root, runs):
    runs(passing)
    before = files(root / "book")
    result = press("publish", "--again", SLUG)
    assert (result.exit_code, runs.ran) == (0, [SLUG])
    assert result.output.startswith(f"{SLUG}: unchanged")
    assert files(root / "book") == before


@pytest.mark.parametrize(
    "change",
    [
        another_draw,
        lambda notebook, record: record["details"]["draw"].update(interval=[1, 2]),
        lambda notebook, record: record["claims"][0].update(verdict="not judged"),
        lambda notebook, record: record["provenance"].update(threads=64),
        lambda notebook, record: record["data"].update(cifar10="real"),
    ],
)
def test_a_page_with_another_result_is_replaced(root, runs, change):
    runs(change)
    before = page(root).read_bytes()
    assert press("publish", "--again", SLUG).output.startswith(f"{SLUG}: published")
    assert page(root).read_bytes() != before
    assert_indexed(root)


def test_a_publish_carries_changed_text_too(root, runs):
    edit(root, set_source("before", "One draw", "A draw"))
    assert press("publish", SLUG).output.startswith(f"{SLUG}: published")
    assert press("status").exit_code == 0


def test_the_same_run_makes_the_same_bytes(root, runs):
    runs(another_draw)
    press("publish", "--again", SLUG)
    first = page(root).read_bytes()
    page(root).unlink()
    press("publish", SLUG)
    assert page(root).read_bytes() == first


def test_a_run_after_helpers_changed_is_noted_and_made_again(root, runs):
    old = read(root)
    old.metadata.course.published.modules["helpers.run"] = "0" * 16
    old.metadata.course.published.modules["helpers.since_removed"] = "0" * 16
    del old.metadata.course.published.modules["helpers.device"]
    nbformat.write(old, page(root))
    pages.rebuild_results(Repository(root))
    result = press("status")
    assert result.exit_code == 0, "the page still shows what its source says"
    assert "helpers changed since it ran: helpers.device, helpers.run, helpers.since_removed" in result.output
    press("publish", SLUG)
    assert runs.ran == [SLUG]
    assert "helpers changed" not in press("status").output


# ------------------------------------------------------------------------------------------------ freshness


def move(first, second):
    def change(source, cells):
        a, b = ([cell.id for cell in source.cells].index(name) for name in (first, second))
        source.cells.insert(b, source.cells.pop(a))

    return change


def insert(cell, at):
    return lambda source, cells: source.cells.insert(at, cell)


def remove(name):
    return lambda source, cells: source.cells.remove(cells[name])


def set_source(name, old, new):
    return lambda source, cells: cells[name].update(source=cells[name].source.replace(old, new))


def set_figure(key, value):
    return lambda source, cells: cells["picture"].metadata["mystnb"][key].update(value)


CODE = {
    "a code cell": (set_source("measure", "one", "two"), "code cell measure changed"),
    "a comment": (set_source("parameters", "passes over", "rounds over"), "code cell parameters changed"),
    "a default": (set_source("parameters", "seed = 1", "seed = 2"), "code cell parameters changed"),
    "a claim": (set_source("claim", "draw < 3", "draw < 4"), "code cell claim changed"),
    "a cell more": (insert(code("extra", "x = 1"), 4), "code cell extra is new"),
    "a cell less": (remove("picture"), "code cell picture is gone"),
    "the order of code": (move("picture", "measure"), "the order of the cells changed"),
}
TEXT = {
    "a sentence": (set_source("before", "One draw", "A draw"), "cell before changed"),
    "a tag": (lambda source, cells: cells["measure"].metadata.update(tags=["solution", "hide-input"]), "cell measure"),
    "no tag": (lambda source, cells: cells["said"].metadata.pop("tags"), "cell said changed"),
    "an alt text": (set_figure("image", {"alt": "A curve rises."}), "cell picture changed"),
    "a caption": (set_figure("figure", {"caption": "A rising curve."}), "cell picture changed"),
    "a text less": (remove("after"), "cell after is gone"),
    "a text more": (insert(text("extra", "One more thing."), 5), "cell extra is new"),
    "the order of text": (move("before", "after"), "the order of the cells changed"),
}


@pytest.mark.parametrize("case", CODE)
def test_changed_code_is_reported_and_only_a_run_cures_it(root, runs, case):
    change, reason = CODE[case]
    edit(root, change)
    result = press("status")
    assert result.exit_code == 1
    assert "STALE" in result.output
    assert reason in result.output
    before = files(root / "book")
    result = press("sync", SLUG)
    assert result.exit_code == 1
    assert f"{SLUG}: NOT done: {reason}: run publish" in result.output
    assert files(root / "book") == before
    assert press("publish", SLUG).exit_code == 0
    assert runs.ran == [SLUG]
    assert press("status").exit_code == 0


@pytest.mark.parametrize("values", [{"epochs": 31, "scale": 2}, {"epochs": 30}, {"epochs": 30, "scale": 2, "seed": 5}])
def test_a_changed_profile_is_reported_and_only_a_run_cures_it(root, runs, values):
    profile(root, values)
    result = press("status")
    assert result.exit_code == 1
    assert "parameters: ran with {'epochs': 30, 'scale': 2}" in result.output
    assert str(values) in result.output
    assert press("sync").exit_code == 1
    assert press("publish", SLUG).exit_code == 0
    assert press("status").exit_code == 0


@pytest.mark.parametrize("case", TEXT)
def test_changed_text_is_reported_and_synced_without_a_run(root, runs, case):
    change, reason = TEXT[case]
    edit(root, change)
    result = press("status")
    assert result.exit_code == 1
    assert reason in result.output
    assert "sync cures it" in result.output
    outputs = {cell.id: cell.outputs for cell in read(root).cells if cell.cell_type == "code"}
    made_from = read(root).metadata.course.published
    result = press("sync")
    assert (result.exit_code, runs.ran) == (0, [])
    assert f"{SLUG}: synced" in result.output
    after = read(root)
    source = nbformat.read(root / "notebooks" / f"{SLUG}.ipynb", as_version=4)
    carried = [(cell.id, cell.source, cell.metadata) for cell in after.cells if cell.id != "injected-parameters"]
    assert carried == [(cell.id, cell.source, cell.metadata) for cell in source.cells]
    assert {cell.id: cell.outputs for cell in after.cells if cell.cell_type == "code"} == outputs
    assert after.metadata.course.published == made_from
    assert press("status").exit_code == 0
    assert "in step" in press("sync", SLUG).output
    assert_indexed(root)


def test_status_is_a_table_of_every_notebook(root):
    write(root, REAL, light(data=["mnist"]))
    result = press("status")
    assert result.exit_code == 1
    head, first, second, why = result.output.splitlines()
    assert head.split() == ["notebook", "published", "profile", "data", "state"]
    date = pages.record(read(root))["provenance"]["date"]
    assert first.split() == [SLUG, date, "full", "mnist:", "real", "fresh"]
    assert second.split() == [REAL, "–", "–", "–", "STALE"]
    assert why.strip() == "not published: run publish"


def test_a_page_from_the_quick_profile_is_stale(root, runs):
    runs(lambda notebook, record: record.update(profile="quick"))
    press("publish", "--again", SLUG)
    result = press("status")
    assert result.exit_code == 1
    assert "published from the quick profile" in result.output


def test_a_page_whose_notebook_is_gone_is_reported(root):
    shutil.copy(page(root), page(root, "09_gone"))
    result = press("status")
    assert result.exit_code == 1
    assert "no parameters for 09_gone" in result.output


def test_sync_refuses_a_notebook_without_a_page(root):
    write(root, REAL, light(data=["mnist"]))
    result = press("sync", REAL, SLUG)
    assert result.exit_code == 1
    assert f"{REAL}: NOT done: it has no page: run publish" in result.output
    assert f"{SLUG}: in step" in result.output, "one refusal does not stop the others"
    assert press("sync").exit_code == 0, "by default only what is published"


# ------------------------------------------------------------------------------------------------ refused pages


def fail(outcome):
    return lambda task: execution.Outcome(task, 0.1, outcome)


def no_record(notebook, record):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(MIME, None)


def too_big(notebook, record):
    notebook.cells[-1].outputs[0].data["text/plain"] = "x" * pages.MAX_BYTES


def complaint(notebook, record):
    next(cell for cell in notebook.cells if cell.id == "measure").outputs.append(stderr("UserWarning: beware"))


def changed_meanwhile(notebook, record):
    next(cell for cell in notebook.cells if cell.id == "measure").source += "\nx = 1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (no_record, "run.finish() is missing"),
        (too_big, "KB, more than 600"),
        (complaint, "cell measure wrote to stderr: UserWarning: beware"),
        (changed_meanwhile, "the notebook changed before it ran"),
    ],
)
def test_a_page_with_a_fault_is_refused_and_the_old_one_stays(root, runs, change, words):
    runs(change)
    before = files(root / "book")
    result = press("publish", "--again", SLUG)
    assert result.exit_code == 1
    assert f"{SLUG}: NOT done:" in result.output
    assert words in result.output
    assert files(root / "book") == before


def test_a_failed_run_is_not_published_and_the_next_notebook_is(root, runs, monkeypatch):
    write(root, "00_light", light())
    shutil.copy(root / "notebooks" / "00_light.ipynb", root / "kept")
    kept = nbformat.read(root / "kept" / "00_light.ipynb", as_version=4)
    kept.cells[-1].outputs = [nbformat.v4.new_output("display_data", {MIME: RECORD})]
    nbformat.write(kept, root / "kept" / "00_light.ipynb")
    good = execution.execute

    def execute(task):
        return execution.Outcome(task, 0.1, "cell 9: ClaimFailed: no") if task.slug == SLUG else good(task)

    monkeypatch.setattr(execution, "execute", execute)
    before = page(root).read_bytes()
    result = press("publish", "--again", SLUG, "00_light")
    assert result.exit_code == 1
    assert f"{SLUG}: NOT done: cell 9: ClaimFailed: no (see " in result.output
    assert "00_light: published" in result.output
    assert page(root).read_bytes() == before
    assert set(results(root)["assignments"]) == {SLUG, "00_light"}


def test_a_page_just_small_enough_is_published(root, runs):
    spare = pages.MAX_BYTES - len(page(root).read_bytes())

    def fill(notebook, record):
        another_draw(notebook, record)
        notebook.cells[-1].outputs[0].data["text/x-filler"] = "x" * (spare - 200)

    runs(fill)
    assert press("publish", "--again", SLUG).exit_code == 0
    assert 0 <= pages.MAX_BYTES - len(page(root).read_bytes()) < 400


# ------------------------------------------------------------------------------------------------ real and stand-in


def test_a_page_from_real_data_is_never_replaced_by_one_from_a_stand_in(root, runs):
    before = files(root / "book")
    profile(root, {"epochs": 30, "scale": 2, "origin": "stand-in"})
    result = press("publish", SLUG)
    assert result.exit_code == 1
    assert "was made from real data" in result.output
    assert runs.ran == [SLUG]
    assert files(root / "book") == before


def test_a_page_that_needed_no_data_may_be_replaced_by_one_from_a_stand_in(root, runs):
    runs(lambda notebook, record: record["data"].clear())
    assert press("publish", "--again", SLUG).exit_code == 0
    assert press("status").output.count("none needed") == 1
    runs(None)
    profile(root, {"origin": "stand-in"})
    assert press("publish", SLUG).exit_code == 0
    assert results(root)["assignments"][SLUG]["data"] == {"mnist": "stand-in"}


@pytest.mark.parametrize("origin", ["real", "real (unofficial copy)", "stand-in"])
def test_a_page_from_a_stand_in_may_be_replaced(root, runs, origin):
    page(root).unlink()
    profile(root, {"origin": "stand-in"})
    press("publish", SLUG)
    assert results(root)["assignments"][SLUG]["data"] == {"mnist": "stand-in"}
    profile(root, {"origin": origin, "epochs": 31})
    assert press("publish", SLUG).exit_code == 0
    assert results(root)["assignments"][SLUG]["data"] == {"mnist": origin}


def test_an_unofficial_copy_is_real_and_a_side_run_does_not_count(root, runs):
    def side(notebook, record):
        another_draw(notebook, record)
        record["data"]["standin_digits"] = "stand-in"

    profile(root, {"origin": "real (unofficial copy)"})
    assert press("publish", SLUG).exit_code == 0
    runs(side)
    assert press("publish", "--again", SLUG).exit_code == 0
    before = page(root).read_bytes()
    profile(root, {"origin": "stand-in"})
    assert press("publish", SLUG).exit_code == 1
    assert page(root).read_bytes() == before


@pytest.fixture
def real(root, runs, monkeypatch):
    """A notebook that names mnist, which is there; its record says what `data` was set to."""
    write(root, REAL, light(data=["mnist"]))
    kept = nbformat.read(root / "notebooks" / f"{REAL}.ipynb", as_version=4)
    kept.cells[-1].outputs = [nbformat.v4.new_output("display_data", {MIME: RECORD})]
    nbformat.write(kept, root / "kept" / f"{REAL}.ipynb")
    monkeypatch.setattr(mnist, "load", lambda data: None)

    def change(notebook, record):
        injected = next(cell for cell in notebook.cells if "injected" in str(cell.metadata))
        record["data"] = {"mnist": "stand-in" if "standin" in injected.source else "real"}

    runs(change)
    return root


def test_a_publish_asks_for_real_data(real, runs):
    assert press("publish", REAL).exit_code == 0
    assert read(real, REAL).metadata.course.published.parameters == {"data": "real"}
    assert press("status").exit_code == 0


def test_a_stand_in_publish_is_refused_before_it_runs_where_real_data_made_the_page(real, runs):
    press("publish", REAL)
    before = files(real)
    result = press("publish", "--standin", "--again", REAL, SLUG)
    assert result.exit_code == 1
    assert f"the page {REAL} was made from real data" in result.output
    assert runs.ran == [REAL], "only the first publish ran"
    assert files(real) == before


def test_a_stand_in_page_is_published_where_there_is_none_and_is_never_fresh(real, runs, monkeypatch):
    monkeypatch.setattr(mnist, "load", lambda data: pytest.fail("real data are looked for"))
    assert press("publish", "--standin", REAL).exit_code == 0
    assert results(real)["assignments"][REAL]["data"] == {"mnist": "stand-in"}
    result = press("status")
    assert result.exit_code == 1
    assert "parameters: ran with {'data': 'standin'}, the full profile has {'data': 'real'}" in result.output
    monkeypatch.setattr(mnist, "load", lambda data: None)
    assert press("publish", REAL).exit_code == 0
    assert press("status").exit_code == 0


# ------------------------------------------------------------------------------------------------ broken pages


def truncate(path):
    path.write_bytes(path.read_bytes()[:-500])


def by_hand(path):
    made = nbformat.read(path, as_version=4)
    del made.metadata["course"]["published"]
    nbformat.write(made, path)


def without_record(path):
    made = nbformat.read(path, as_version=4)
    no_record(made, None)
    nbformat.write(made, path)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (truncate, "cannot be read as a notebook"),
        (by_hand, "is no page that the press made: delete it and publish again"),
        (without_record, "is no page that the press made: delete it and publish again"),
    ],
)
def test_a_broken_page_is_named_by_every_command_and_replaced_by_none(root, runs, harm, words):
    harm(page(root))
    before = files(root / "book")
    for command in (["status"], ["sync"], ["publish", SLUG]):
        result = press(*command)
        assert result.exit_code == 1
        assert f"{page(root)} {words}" in result.output
    assert runs.ran == []
    assert files(root / "book") == before
    page(root).unlink()
    assert press("publish", SLUG).exit_code == 0
    assert_indexed(root)


def test_a_missing_or_spoiled_index_is_rebuilt(root, runs):
    good = files(root / "book")
    for content in (None, b"", b"{", b'{"assignments": {}}', b"\xe9"):
        path = root / "book" / "results.json"
        path.unlink() if content is None else path.write_bytes(content)
        assert "results.json is STALE" in press("status").output
        assert press(*(["publish", SLUG] if content else ["sync"])).exit_code == 0
        assert files(root / "book") == good
    assert runs.ran == []


def test_a_hidden_file_among_the_pages_is_no_page(root, runs):
    page(root, f"._{SLUG}").write_bytes(b"\x00\x05\x16\x07")
    assert press("publish", "--again", SLUG).exit_code == 0
    assert press("status").exit_code == 0
    assert set(results(root)["assignments"]) == {SLUG}


# ------------------------------------------------------------------------------------------------ full disk


@pytest.mark.parametrize("command", ["publish", "sync"])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_page_and_says_so(root, runs, monkeypatch, command, call):
    runs(another_draw)
    edit(root, set_source("before", "One", "A"))
    before = files(root / "book")

    class Half:
        """A file that takes half of what it is given."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *fault):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            full()

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    replacement = {"open": full, "write": lambda *a, **k: Half(builtins.open(*a, **k))}
    with monkeypatch.context() as patch:
        if call in replacement:
            patch.setattr(pages, "open", replacement[call], raising=False)
        else:
            patch.setattr(os, call, full)
        result = press(command, SLUG)
    assert result.exit_code == 1
    assert f"{page(root)} stays as it was (No space left on device)" in result.output
    assert files(root / "book") == before
    assert press(command, SLUG).exit_code == 0
    assert press("status").exit_code == 0


@pytest.mark.parametrize("mend", [("publish", SLUG, "fresh already"), ("sync", "in step")])
def test_a_disk_that_is_full_for_the_index_leaves_the_old_index(root, runs, monkeypatch, mend):
    runs(another_draw)
    before, replace = (root / "book" / "results.json").read_bytes(), os.replace

    def full(source, target):
        if str(target).endswith("results.json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        result = press("publish", "--again", SLUG)
    assert result.exit_code == 1
    assert "the page is in its place, but the index is behind the pages: " in result.output
    assert "results.json stays as it was (No space left on device)" in result.output
    assert (root / "book" / "results.json").read_bytes() == before
    assert pages.record(read(root))["metrics"]["draw"] == 0.125, "the new page is whole"
    result = press("status")
    assert (result.exit_code, result.output.count("STALE")) == (1, 1)
    assert f"{root / 'book' / 'results.json'} is STALE, behind the pages: run sync" in result.output
    assert mend[-1] in press(*mend[:-1]).output
    assert press("status").exit_code == 0
    assert runs.ran == [SLUG]
    assert_indexed(root)


# ------------------------------------------------------------------------------------------------ kills

MOMENTS = {  # where the process is killed → whether the new page is there then
    "open 1": False,
    "write 1": False,
    "fsync 1": False,
    "before replace 1": False,
    "after replace 1": True,
    "open 2": True,
    "write 2": True,
    "before replace 2": True,
    "after replace 2": True,
}
KILLER = textwrap.dedent("""
    import builtins, json, os, signal, sys
    from pathlib import Path
    from press_repository import execute_without_kernel
    from helpers.press import execution, pages
    from helpers.press.cli import main

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def nth(call, number, before=None, after=None):
        calls = 0
        def counted(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == number and before:
                before(*arguments, **options)
            result = call(*arguments, **options)
            if calls == number and after:
                after(result)
            return result
        return counted

    class Half:
        def __init__(self, file):
            self.file = file
        def __enter__(self):
            return self
        def __exit__(self, *fault):
            self.file.close()
        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            die()

    def arm(moment):
        *when, call, number = moment.split()
        number = int(number)
        if call == "open":
            pages.open = nth(builtins.open, number, after=lambda file: die())
        elif call == "write":
            calls = iter(range(1, 9))
            pages.open = lambda *a, **k: Half(open(*a, **k)) if next(calls) == number else open(*a, **k)
        elif when == ["after"]:
            os.replace = nth(os.replace, number, after=lambda result: die())
        else:
            setattr(os, call, nth(getattr(os, call), number, before=lambda *a: die()))

    def another_draw(notebook, record):
        record["metrics"]["draw"] = 0.125

    ended = {}
    for moment, root in json.loads(sys.argv[1]).items():
        child = os.fork()
        if not child:
            os.environ["COURSE_REPOSITORY"] = root
            execution.execute = execute_without_kernel(Path(root), another_draw)
            arm(moment)
            main(["publish", "01_tiny"])
            os._exit(0)
        ended[moment] = -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps(ended))
""")


@pytest.fixture(scope="module")
def killed(published, tmp_path_factory):
    """moment → a course whose publish was killed there; the text of its notebook had changed before."""
    folder = tmp_path_factory.mktemp("killed")
    roots = {moment: str(folder / moment.replace(" ", "-")) for moment in MOMENTS}
    for root in roots.values():
        shutil.copytree(published, root)
        edit(folder / root, set_source("measure", '"one"', '"once"'))
    command = [sys.executable, "-c", KILLER, json.dumps(roots)]
    done = subprocess.run(command, env=environment(published), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(MOMENTS, signal.SIGKILL)
    return {moment: folder / root for moment, root in roots.items()}


@pytest.mark.posix
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_publish_leaves_old_or_new_and_the_next_one_does_only_what_is_missing(
    killed, published, moment, monkeypatch
):
    root, ran = killed[moment], []
    old = page(published).read_bytes()
    if MOMENTS[moment]:
        assert pages.record(read(root))["metrics"]["draw"] == 0.125
        nbformat.validate(read(root))
    else:
        assert page(root).read_bytes() == old
    is_new = moment == "after replace 2"
    assert (results(root)["assignments"][SLUG]["metrics"]["draw"] == 0.125) == is_new
    assert bool(list((root / "book").rglob("*.partial"))) == ("after" not in moment)
    monkeypatch.setenv("COURSE_REPOSITORY", str(root))
    monkeypatch.setattr(execution, "execute", execute_without_kernel(root, another_draw, ran))
    assert press("publish", SLUG).exit_code == 0
    assert ran == ([] if MOMENTS[moment] else [SLUG])
    assert pages.record(read(root))["metrics"]["draw"] == 0.125
    assert press("status").exit_code == 0
    assert_indexed(root)


@pytest.mark.parametrize("command", [["sync"], ["publish", SLUG]])
def test_what_a_killed_publish_left_is_cleared_though_nothing_is_to_be_written(root, runs, command):
    before = files(root / "book")
    (root / "book" / ".results.json.partial").write_text("{", encoding="utf-8")
    page(root).with_name(f".{SLUG}.ipynb.partial").write_text("{", encoding="utf-8")
    assert press(*command).exit_code == 0
    assert files(root / "book") == before


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain")


@pytest.mark.posix
def test_a_publish_killed_while_the_kernel_computes_leaves_no_kernel_and_no_page(root, tmp_path):
    started = tmp_path / "started"
    slow = f"import pathlib, time\n\npathlib.Path({str(started)!r}).touch()\ntime.sleep(300)"
    write(root, "03_slow", light(before=slow))
    before = files(root / "book")
    early = start_press(root, "publish", "--again", SLUG, start_new_session=True)
    process = start_press(root, "publish", "03_slow", start_new_session=True)
    try:
        time.sleep(0.3)
        os.killpg(early.pid, signal.SIGKILL)
        wait_for(started.exists)
        kernels = psutil.Process(process.pid).children(recursive=True)
        assert kernels
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    for each in (early, process):
        each.communicate(timeout=60)
        assert each.returncode == -signal.SIGKILL
    wait_for(lambda: not any(kernel.is_running() and kernel.status() != "zombie" for kernel in kernels))
    assert files(root / "book") == before
    assert_indexed(root)


# ------------------------------------------------------------------------------------------------ two at once

SLOW_INDEX = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from press_repository import execute_without_kernel
    from helpers.press import execution, pages
    from helpers.press.cli import main
    from helpers.press.sources import Repository

    root = Path(sys.argv[1])
    execution.execute = execute_without_kernel(root)
    read = pages.results

    def results(repository):
        found = read(repository)
        (root / "reading").touch()
        time.sleep(1.5)
        return found

    if sys.argv[2] == "slow":
        pages.results = results
    main(["publish", sys.argv[3]])
""")


def test_a_publish_waits_while_another_writes_the_index(root):
    for slug in ("03_first", "04_second"):
        write(root, slug, light())
        kept = nbformat.read(root / "notebooks" / f"{slug}.ipynb", as_version=4)
        kept.cells[-1].outputs = [nbformat.v4.new_output("display_data", {MIME: RECORD})]
        nbformat.write(kept, root / "kept" / f"{slug}.ipynb")

    def start(*arguments):
        command = [sys.executable, "-c", SLOW_INDEX, str(root), *arguments]
        return subprocess.Popen(
            command, env=environment(root), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    processes = [start("slow", "03_first")]
    wait_for((root / "reading").exists)
    processes.append(start("fast", "04_second"))
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
    assert set(results(root)["assignments"]) == {SLUG, "03_first", "04_second"}
    assert_indexed(root)


def test_two_publishes_at_once_end_with_whole_pages_and_a_whole_index(root):
    write(root, "03_light", light())
    before = page(root).read_bytes()
    arguments = (["--again", SLUG], ["03_light"], ["03_light"])
    processes = [start_press(root, "publish", *each) for each in arguments]
    said = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, "")
        said.append(out.split("(")[0])
    assert said[0] == f"{SLUG}: unchanged ", "a second run of one source differs in times alone"
    assert page(root).read_bytes() == before
    assert sorted(said[1:]) in (
        ["03_light: published ", "03_light: unchanged "],
        ["03_light: fresh already ", "03_light: published "],
    )
    assert_indexed(root)
    assert set(results(root)["assignments"]) == {SLUG, "03_light"}
