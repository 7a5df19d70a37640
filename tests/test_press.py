"""The press: what it refuses before anything runs, and how it runs one notebook or many."""

import csv
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

import click
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
    files,
    light,
    notebook,
    page,
    press,
    start_press,
    tiny,
    write,
)

from helpers.press import execution, pages
from helpers.press.cli import main
from helpers.press.sources import Refused, Repository
from helpers.values import parse

REAL = "02_real"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A course of two notebooks, nothing run yet."""
    root = tmp_path / "course"
    write(root, SLUG, tiny(), {"epochs": 30, "scale": 2})
    write(root, REAL, light(data=["mnist"]))
    monkeypatch.setenv("COURSE_REPOSITORY", str(root))
    return root


def refused(root, *arguments):
    """The message of a refusal, which must leave every file as it was."""
    before = files(root)
    result = press(*arguments)
    assert result.exit_code == 1, result.output
    assert files(root) == before
    assert not (root / "build").exists()
    assert result.output.startswith("Error: ")
    return result.output


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("option", ["--set", "--sweep"])
def test_an_unknown_parameter_is_refused_with_the_nearest_one(root, option):
    message = refused(root, "run", option, "epohcs=3", SLUG)
    assert "epohcs" in message
    assert "did you mean epochs?" in message
    assert "scale" in message, "all names are listed"


@pytest.mark.parametrize(
    "pair",
    [
        "epochs=2.5",
        "epochs=[3]",
        "epochs=three",
        "epochs=true",
        "epochs=",
        "scale=[0.5]",
        "scale=true",
        "scale=half",
        "grid=0.1",
        "grid=[a, b]",
        "label=3",
        "label=[a]",
        "careful=1",
    ],
)
def test_a_value_of_another_type_is_refused(root, pair):
    message = refused(root, "run", "--set", pair, SLUG)
    assert pair.partition("=")[0] in message
    assert "is not of the type of its default" in message


@pytest.mark.parametrize(
    ("option", "pair", "words"),
    [
        ("--set", "epochs", "'epochs' is no NAME=VALUE"),
        ("--set", "=3", "'=3' is no NAME=VALUE"),
        ("--set", "two words=3", "is no NAME=VALUE"),
        ("--set", "grid=[0.1", "--set grid is no YAML"),
        ("--sweep", "epochs", "'epochs' is no NAME=VALUE"),
        ("--sweep", "epochs=", "has no value"),
        ("--sweep", "epochs=1,]", "--sweep epochs is no YAML"),
        ("--sweep", "epochs=1,x", "epochs = 'x' is not of the type"),
        ("--set", "scale=.inf", "scale = inf is not finite"),
        ("--set", "scale=-.inf", "scale = -inf is not finite"),
        ("--set", "scale=.nan", "scale = nan is not finite"),
        ("--set", "scale=1e400", "scale = inf is not finite"),
        ("--set", "grid=[0.1, .nan]", "grid = [0.1, nan] is not finite"),
        ("--sweep", "scale=1,.inf", "scale = inf is not finite"),
        ("--set", "epochs=1:30", "epochs = '1:30' is not of the type"),
        ("--set", "careful=yes", "careful = 'yes' is not of the type"),
        ("--set", "epochs=" + "9" * 5000, "epochs = inf is not of the type"),
        ("--set", "grid=" + "[" * 2000, "--set grid is no YAML"),
        ("--set", "label={a: 1, b: 2, a: 3}", "a stands there twice"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(root, option, pair, words):
    assert words in refused(root, "run", option, pair, SLUG)


@pytest.mark.parametrize("command", ["run", "publish", "sync"])
def test_an_unknown_notebook_is_refused_with_the_nearest_one(root, command):
    message = refused(root, command, "01_tinny")
    assert "'01_tinny'" in message
    assert f"did you mean {SLUG}?" in message
    assert REAL in message


def test_missing_real_data_is_refused_with_the_remedy(root, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "/nonexistent")
    message = refused(root, "run", "--set", "data=real", REAL)
    assert "needs the real mnist, which is not under /nonexistent" in message
    assert "python -m helpers data mnist" in message
    assert "set COURSE_DATA" in message
    assert "needs the real mnist" in refused(root, "publish", REAL), "a publish wants real data by itself"


@pytest.mark.parametrize("command", [("run", "--set", "data=real"), ("publish",)])
def test_broken_real_data_is_refused_with_what_is_wrong_with_it(root, data_root, command):
    folder = data_root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte").write_bytes(b"cut")
    message = refused(root, *command, REAL)
    wrong = f"{folder / 'train-labels-idx1-ubyte'} is missing, and others are there"
    assert f"{REAL} needs the real mnist: {wrong}" in message
    assert "which is not under" not in message


def test_one_refusal_stops_all_notebooks_before_the_first_runs(root, monkeypatch):
    monkeypatch.setattr(execution, "execute", lambda task: pytest.fail(f"{task.slug} ran"))
    edit(root, lambda source, cells: cells["parameters"].update(source='seed = 1\ndata = "auto"'))
    assert "needs the real mnist" in refused(root, "run", "--set", "data=real")
    assert "no notebook" in refused(root, "publish", SLUG, "99")


def test_a_process_refuses_as_the_issue_asks(root):
    process = start_press(root, "run", "--set", "epohcs=3", SLUG)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"Error: {SLUG} has no parameter 'epohcs': did you mean epochs?")
    assert not (root / "build").exists()


BROKEN = {
    "not JSON": ("{", "cannot be read as a notebook"),
    "not a notebook": ("[1, 2]", "cannot be read as a notebook"),
    "no cells": ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "cannot be read as a notebook"),
    "empty": ("", "cannot be read as a notebook"),
    "an incomplete cell": (
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, '
        '"cells": [{"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "source": "seed = 1"}]}',
        "is a required property",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_notebook_file_is_refused(root, case):
    content, words = BROKEN[case]
    path = root / "notebooks" / f"{SLUG}.ipynb"
    path.write_text(content, encoding="utf-8")
    message = refused(root, "run", SLUG)
    assert str(path) in message
    assert words in message


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([code("a", "seed = 1")], "it has 0"),
        ([code("a", "seed = 1", tags=["parameters"]), code("b", "x = 1", tags=["parameters"])], "it has 2"),
        ([code("a", "import os\nseed = 1", tags=["parameters"])], "nothing but name = literal"),
        ([code("a", "seed = 2 * other", tags=["parameters"])], "nothing but name = literal"),
        ([code("a", "seed = open('x')", tags=["parameters"])], "nothing but name = literal"),
        ([code("a", "a, b = 1, 2", tags=["parameters"])], "nothing but name = literal"),
        ([code("a", "seed = = 1", tags=["parameters"])], "nothing but name = literal"),
        ([code("a", "print(3)", tags=["parameters"])], "nothing but name = literal"),
    ],
)
def test_a_notebook_without_one_cell_of_plain_parameters_is_refused(root, cells, words):
    write(root, SLUG, notebook(*cells))
    message = refused(root, "run", SLUG)
    assert f"{SLUG}.ipynb" in message
    assert words in message


def test_a_notebook_without_its_metadata_is_refused(root):
    edit(root, lambda source, cells: source.metadata.pop("course"))
    assert "its metadata needs course: {title: TEXT, data: [names of data sets]}" in refused(root, "run", SLUG)


@pytest.mark.parametrize(
    "course",
    [
        [],
        None,
        "x",
        {},
        {"title": "T"},
        {"data": []},
        *({"title": "T", "data": data} for data in (None, "mnist", {}, [1], [None])),
    ],
)
def test_metadata_of_another_shape_are_refused(root, course):
    edit(root, lambda source, cells: source.metadata.update(course=course))
    for command in (["run"], ["publish"], ["run", "--profile", "full"]):
        message = refused(root, *command, SLUG)
        assert f"{SLUG}.ipynb: its metadata needs course: {{title: TEXT, data: [names of data sets]}}" in message


@pytest.mark.parametrize("instead", [True, False])
def test_the_parameters_tag_on_a_text_cell_is_refused(root, instead):
    def tag(source, cells):
        cells["title"].metadata["tags"] = ["parameters"]
        if instead:
            cells["parameters"].metadata["tags"] = []

    edit(root, tag)
    message = refused(root, "run", SLUG)
    assert "needs one code cell tagged parameters" in message
    assert "markdown" in message


def test_two_cells_of_one_id_are_refused(root):
    path = root / "notebooks" / f"{SLUG}.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace('"id": "measure"', '"id": "setup"'), encoding="utf-8")
    assert f"{path} cannot be read as a notebook: two cells have the id setup" in refused(root, "run", SLUG)


@pytest.mark.parametrize("name", ["random.py", "helpers.py", "torch.py", "helpers/__init__.py", "numpy/__init__.py"])
def test_a_file_beside_the_notebooks_that_hides_a_module_is_refused(root, name):
    path = root / "notebooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n", encoding="utf-8")
    module = name.partition(".")[0].partition("/")[0]
    for command in ("run", "publish"):
        assert f"{root / 'notebooks' / module} hides the module {module}" in refused(root, command, SLUG)


def test_a_module_of_ones_own_beside_the_notebooks_is_no_fault(root, tasks):
    (root / "notebooks" / "own_tools.py").write_text("x = 1\n", encoding="utf-8")
    (root / "notebooks" / "data").mkdir()
    assert press("run", SLUG).exit_code == 0


def test_an_unknown_data_set_in_the_metadata_is_refused(root):
    write(root, REAL, light(data=["mnits"]))
    assert 'did you mean "mnist"?' in refused(root, "run", "--set", "data=real", REAL)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("01_tiny: {epochs: 3", "full.yml is no YAML"),
        ("- 01_tiny", "has no parameters for 01_tiny"),
        ("01_tinny: {}", "has no parameters for 01_tiny"),
        ("01_tiny: 3", "has no parameters for 01_tiny"),
        ("", "has no parameters for 01_tiny"),
        ("01_tiny: {epohcs: 3}", "did you mean epochs?"),
        ("01_tiny: {epochs: many}", "is not of the type of its default 3"),
        ("01_tiny: {}\n02_real: {}\n01_tiny: {epochs: 3}", "01_tiny stands there twice"),
        ("01_tiny: {epochs: 3, epochs: 4}", "epochs stands there twice"),
        ("01_tiny: {3: 4}", "has no parameter 3"),
        ("01_tiny: {epochs: 1:30}", "is not of the type of its default 3"),
        ("01_tiny: {scale: .inf}", "is not finite"),
        (b"# \xe9poques\n01_tiny: {}", "full.yml is no YAML in UTF-8"),
        ("01_tiny: \x00", "full.yml is no YAML"),
    ],
)
def test_a_broken_profile_is_refused(root, content, words):
    content = content if isinstance(content, bytes) else content.encode()
    (root / "notebooks" / "profiles" / "full.yml").write_bytes(content)
    assert words in refused(root, "run", "--profile", "full", SLUG)
    assert words in refused(root, "publish", SLUG)


def test_a_missing_profile_names_the_file(root):
    (root / "notebooks" / "profiles" / "full.yml").unlink()
    assert "full.yml" in refused(root, "run", SLUG)


def test_a_folder_without_notebooks_is_refused(root, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", str(tmp_path))
    for command in ("run", "status", "sync"):
        assert "set COURSE_REPOSITORY to a clone of the course" in refused(root, command)


def test_an_unknown_data_set_is_refused_with_the_nearest_one(root):
    assert 'did you mean "mnist"?' in refused(root, "data", "mnits")


# ------------------------------------------------------------------------------------------------ what runs


@pytest.fixture
def tasks(root, monkeypatch):
    """The tasks that a command starts; each leaves a record made from its values instead of running."""
    found = []

    def execute(task):
        found.append(task)
        if task.values.get("epochs") == 13:
            return execution.Outcome(task, 0.5, "cell 2: ValueError: 13 epochs bring bad luck")
        metrics = {"product": task.values.get("epochs", 3) * task.values.get("scale", 0.5) / 3}
        task.output.parent.mkdir(parents=True, exist_ok=True)
        record = RECORD | {"metrics": metrics, "timings": {"clock": 12.345678901}}
        return execution.Outcome(task, 0.5, "", None, record)

    monkeypatch.setattr(execution, "execute", execute)
    return found


@pytest.mark.parametrize(
    "name", ["01", SLUG, f"{SLUG}.ipynb", f"notebooks/{SLUG}.ipynb", f"{{root}}/notebooks/{SLUG}.ipynb"]
)
def test_a_notebook_is_named_by_number_name_or_path(root, tasks, name):
    assert press("run", name.format(root=root)).exit_code == 0
    assert [task.slug for task in tasks] == [SLUG]


@pytest.mark.parametrize("folder", ["notebooks", ".", ".."])
def test_a_path_is_read_from_the_folder_that_one_is_in(root, tasks, monkeypatch, folder):
    monkeypatch.chdir(root / folder)
    path = os.path.relpath(root / "notebooks" / f"{SLUG}.ipynb")
    assert press("run", path).exit_code == 0
    assert [task.slug for task in tasks] == [SLUG]


@pytest.mark.parametrize(
    "name", ["{elsewhere}/01_tiny.ipynb", "01_tiny.ipynb", "./01_tiny.ipynb", "/a/b/01_tiny.ipynb", "a/01"]
)
def test_a_notebook_of_the_same_name_elsewhere_is_refused(root, tmp_path, monkeypatch, name):
    elsewhere = tmp_path / "notebooks"
    elsewhere.mkdir()
    nbformat.write(light(), elsewhere / f"{SLUG}.ipynb")
    monkeypatch.chdir(elsewhere)
    assert f"does not lie in {root / 'notebooks'}" in refused(root, "run", name.format(elsewhere=elsewhere))


def test_a_number_that_two_notebooks_have_is_refused_with_both(root):
    write(root, "02_ideal", light())
    assert "'02' may mean 02_ideal or 02_real" in refused(root, "run", "02")


def test_hidden_files_are_no_notebooks(root, tasks):
    (root / "notebooks" / f"._{SLUG}.ipynb").write_bytes(b"\x00\x05\x16\x07")
    (root / "notebooks" / ".ipynb_checkpoints").mkdir()
    nbformat.write(light(), root / "notebooks" / ".ipynb_checkpoints" / f"{SLUG}-checkpoint.ipynb")
    assert press("run").exit_code == 0
    assert [task.slug for task in tasks] == [SLUG, REAL]
    assert f"There are: {SLUG}, {REAL}" in press("run", "99").output


def test_all_notebooks_run_by_default_each_once_and_into_its_own_file(root, tasks):
    assert press("run").exit_code == 0
    press("run", "02", "01", "01_tiny")
    assert [task.slug for task in tasks] == [SLUG, REAL, REAL, SLUG]
    assert tasks[0].source == root / "notebooks" / f"{SLUG}.ipynb"
    assert tasks[0].output == root / "build" / "runs" / "quick" / f"{SLUG}.ipynb"


def test_values_are_yaml_and_an_int_serves_for_a_float(tasks):
    given = ["epochs=7", "scale=1", "grid=[1e-3, 2]", "label=two words", "careful=false", "origin='12'"]
    assert press("run", *(part for pair in given for part in ("--set", pair)), SLUG).exit_code == 0
    wanted = {"epochs": 7, "scale": 1, "grid": [0.001, 2], "label": "two words", "careful": False, "origin": "12"}
    assert tasks[0].values == wanted
    assert type(tasks[0].values["scale"]) is int


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *[
            ("1e-3", 0.001),
            ("-2E+5", -2e5),
            ("1.5e3", 1500.0),
            ("3", 3),
            ("3e", "3e"),
            ("e3", "e3"),
            ("'1e-3'", "1e-3"),
        ],
        *[("010", 10), ("-007", -7), ("08", 8), ("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("0b11", 3), ("+5", 5)],
        *[("1:30", "1:30"), ("1:30.5", "1:30.5"), ("190:20:30", "190:20:30"), ("2001-01-01", "2001-01-01")],
        *[("yes", "yes"), ("No", "No"), ("on", "on"), ("OFF", "OFF"), ("y", "y"), ("true", True), ("False", False)],
        *[("null", None), ("~", None), ("", None), ("!!str 3", "3"), ("[010, 1.]", [10, 1.0]), (".5", 0.5), ("=", "=")],
        *[("inf", "inf"), ("nan", "nan"), ("-.inf", -math.inf), (".INF", math.inf), ("1e999", math.inf)],
        *[("{010: 08}", {10: 8}), ("1.2.3", "1.2.3"), ("0x", "0x"), ("1__0", "1__0")],
    ],
)
def test_scalars_are_read_as_a_person_means_them(written, meant):
    value = parse(written, "here")
    assert value == meant
    assert type(value) is type(meant)


def test_the_full_profile_comes_from_its_file_and_set_goes_over_it(tasks):
    press("run", SLUG)
    press("run", "--profile", "full", SLUG)
    press("run", "--profile", "full", "--set", "epochs=5", SLUG)
    assert [task.values for task in tasks] == [{}, {"epochs": 30, "scale": 2}, {"epochs": 5, "scale": 2}]
    assert [task.profile for task in tasks] == ["quick", "full", "full"]
    assert tasks[1].output.parent.name == "full"


def test_a_sweep_runs_every_combination_and_ends_with_a_table_and_a_csv(root, tasks):
    result = press("run", "--sweep", "epochs=1,13,2", "--sweep", "scale=0.1,1e-2", "--set", "label=swept", SLUG)
    combinations = [(1, 0.1), (1, 0.01), (13, 0.1), (13, 0.01), (2, 0.1), (2, 0.01)]
    assert [(task.values["epochs"], task.values["scale"]) for task in tasks] == combinations
    assert {task.values["label"] for task in tasks} == {"swept"}
    assert len({task.output for task in tasks}) == 6, "no run overwrites another's copy"
    with open(root / "build" / "runs" / "quick" / SLUG / "sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["epochs"]), float(row["scale"])) for row in rows] == combinations
    for (epochs, scale), row in zip(combinations, rows, strict=True):
        assert row["product"] == ("" if epochs == 13 else repr(epochs * scale / 3)), "to the last digit"
        assert row["clock"] == ("" if epochs == 13 else "12.345678901")
    assert result.exit_code == 1, "two runs failed"
    assert result.output.count("13 epochs bring bad luck") == 2
    line = next(line for line in result.output.splitlines() if line.split()[:1] == ["product"])
    assert line.split()[1:] == ["0.0333333", "0.00333333", "0.0666667", "0.00666667"]


def test_a_sweep_goes_over_set_and_set_over_the_profile(tasks):
    press("run", "--profile", "full", "--set", "epochs=9", "--set", "scale=1", "--sweep", "epochs=1,2", SLUG)
    assert [task.values for task in tasks] == [{"epochs": 1, "scale": 1}, {"epochs": 2, "scale": 1}]


def test_a_sweep_of_all_notebooks_needs_the_parameter_in_each(root, tasks):
    press("run", "--sweep", "seed=1,2")
    assert [(task.slug, task.values["seed"]) for task in tasks] == [(SLUG, 1), (SLUG, 2), (REAL, 1), (REAL, 2)]
    assert "02_real has no parameter 'epochs'" in press("run", "--sweep", "epochs=1,2").output
    assert len(tasks) == 4


def test_the_closing_table_names_notebook_seconds_and_verdict(tasks):
    result = press("run")
    assert result.exit_code == 0
    assert re.search(r"^notebook +seconds +verdict$", result.output, flags=re.MULTILINE)
    assert re.search(rf"^{SLUG} +0\.5  ok, claims: 1 holds$", result.output, flags=re.MULTILINE)


# ------------------------------------------------------------------------------------------------ with kernels

ONES = {
    "01_good": light(
        before="import os\n\nprint(os.getcwd(), os.environ['COURSE_PROFILE'], os.environ['TQDM_DISABLE'])"
    ),
    "02_raises": light(before="raise RuntimeError('broken on purpose')"),
    "03_unfinished": light(before="x = 1", record=None),
    "04_dies": light(before="import os, signal\n\nos.kill(os.getpid(), signal.SIGKILL)"),
    "05_claims": tiny(),
    "06_good": light(),
    "07_leaves": light(before="import sys\n\nsys.exit(0)"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Seven notebooks, five of which fail, run by one command from another folder, at a terminal of its own."""
    pty = pytest.importorskip("pty")
    root = tmp_path_factory.mktemp("fails") / "course"
    for slug, source in ONES.items():
        write(root, slug, source)
    edit(root, lambda source, cells: cells["claim"].update(source='run.claim("No.", 1 > 2, "1")'), "05_claims")
    stale = root / "build" / "runs" / "quick" / "04_dies.ipynb"
    stale.parent.mkdir(parents=True)
    nbformat.write(light(), stale)
    ours, theirs = pty.openpty()
    seen = []

    def watch():
        try:
            while piece := os.read(ours, 4096):
                seen.append(piece)
        except OSError:
            pass  # the other end is closed

    process = start_press(root, "run", stderr=theirs)
    os.close(theirs)
    watcher = threading.Thread(target=watch)
    watcher.start()
    out, _ = process.communicate(timeout=300)
    watcher.join()
    os.close(ours)
    return root, process.returncode, out, b"".join(seen).decode()


def test_a_failing_notebook_does_not_stop_the_others(finished):
    _, status, out, _ = finished
    assert status == 1
    lines = [line for line in out.splitlines() if line.startswith("0")]
    assert [line.split()[0] for line in lines] == list(ONES)
    verdicts = {line.split()[0]: line.split(maxsplit=2)[2] for line in lines}
    assert verdicts["01_good"] == verdicts["06_good"] == "ok, claims: 1 holds"
    assert verdicts["02_raises"] == "cell 2: RuntimeError: broken on purpose"
    assert "run.finish() is missing" in verdicts["03_unfinished"]
    assert "Kernel died" in verdicts["04_dies"]
    assert verdicts["07_leaves"] == "cell before calls sys.exit, which ended the run: take it out"
    assert re.fullmatch(r"cell \d+: ClaimFailed: does not hold: No\.", verdicts["05_claims"])


def test_the_executed_copy_of_a_failed_notebook_is_kept_for_reading(finished):
    root, _, out, _ = finished
    folder = root / "build" / "runs" / "quick"
    assert f"executed notebooks: {folder}" in out
    errors = [o for c in pages.read(folder / "02_raises.ipynb").cells for o in c.get("outputs", []) if "ename" in o]
    assert [error["evalue"] for error in errors] == ["broken on purpose"]
    record = pages.record(pages.read(folder / "05_claims.ipynb"))
    assert record["claims"] == [{"text": "No.", "verdict": "fails", "evidence": "1"}]
    assert not (folder / "04_dies.ipynb").exists(), "the copy of an earlier run does not pass for this one's"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{s}.ipynb" for s in ONES if s != "04_dies")


def test_a_notebook_runs_in_its_folder_under_its_profile_without_bars(finished):
    root = finished[0]
    copy = pages.read(root / "build" / "runs" / "quick" / "01_good.ipynb")
    (printed,) = [o.text for c in copy.cells for o in c.get("outputs", []) if o.get("name") == "stdout"]
    assert printed.split() == [str((root / "notebooks").resolve()), "quick", "1"]


def test_the_bar_names_notebook_and_cell_and_nothing_else_is_said(finished):
    bars = [line for line in re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", finished[3])) if line.strip()]
    assert any(re.match(r"05_claims: .*\d/\d+.*measure", bar) for bar in bars), bars
    assert [bar for bar in bars if not re.match(rf"({'|'.join(ONES)}): +\d+%", bar)] == []


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The tiny notebook with two seeds, two processes at a time, with nothing said of threads."""
    root = tmp_path_factory.mktemp("sweeps") / "course"
    write(root, SLUG, tiny())
    with pytest.MonkeyPatch.context() as patch:
        for name in execution.THREADS:
            patch.delenv(name, raising=False)
        process = start_press(root, "run", "--sweep", "seed=2,1", "--jobs", "2", SLUG)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    folder = root / "build" / "runs" / "quick" / SLUG
    with open(folder / "sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return rows, [pages.record(pages.read(folder / f"{name}.ipynb")) for name in ("001", "002")]


def test_jobs_share_the_cores(swept):
    share = max(1, os.cpu_count() // 2)
    assert [record["provenance"]["threads"] for record in swept[1]] == [share, share]


def test_the_results_of_jobs_are_in_the_order_of_the_sweep(swept):
    rows, records = swept
    assert [row["seed"] for row in rows] == ["2", "1"]
    assert [record["provenance"]["seed"] for record in records] == [2, 1]
    assert [float(row["draw"]) for row in rows] == [record["metrics"]["draw"] for record in records]
    assert rows[0]["draw"] != rows[1]["draw"]


def test_two_processes_with_one_seed_measure_the_same_to_the_last_digit(swept, published):
    assert swept[1][1]["metrics"] == pages.record(pages.read(page(published)))["metrics"]


@pytest.fixture
def slow(tmp_path):
    """Three notebooks that touch a file and sleep, two of them running; the press, and what lies in their folder."""
    root, folder = tmp_path / "course", tmp_path / "course" / "notebooks"
    for i in "123":
        nap = f"time.sleep(100 if {i} == 1 else 0.5)"
        write(root, f"0{i}_slow", light(before=f"import pathlib, time\n\npathlib.Path('began{i}').touch()\n{nap}"))
    process = start_press(root, "run", "--jobs", "2", start_new_session=True)
    end = time.monotonic() + 60
    while not (folder / "began1").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    yield process, root
    process.kill()


def workers(process):
    return psutil.Process(process.pid).children()


def assert_nothing_runs(root):
    """No process works on the course any more: a kernel whose parent was killed needs a second to notice."""
    end = time.monotonic() + 20
    while True:
        found = [p.info for p in psutil.process_iter(["pid", "environ"]) if p.info["environ"]]
        if not any(info["environ"].get("COURSE_REPOSITORY") == str(root) for info in found):
            return
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.posix
def test_ctrl_c_ends_notebooks_that_run_beside_each_other(slow):
    process, root = slow
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == "Error: stopped: no notebook runs any more, and no other is started\n"
    assert_nothing_runs(root)


@pytest.mark.posix
def test_a_killed_worker_fails_its_notebook_alone(slow):
    process, root = slow
    end = time.monotonic() + 60
    while not (root / "build" / "runs" / "quick" / "03_slow.ipynb").exists() or len(workers(process)) > 1:
        assert time.monotonic() < end
        time.sleep(0.05)
    workers(process)[0].kill()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")
    verdicts = {line.split()[0]: line.split(maxsplit=2)[2] for line in out.splitlines() if line.startswith("0")}
    assert verdicts.pop("01_slow").startswith("its process was ended from outside")
    assert verdicts == dict.fromkeys(["02_slow", "03_slow"], "ok, claims: 1 holds")
    assert_nothing_runs(root)


# ------------------------------------------------------------------------------------------------ words


def examples(command: click.Command) -> list[list[str]]:
    """The command lines that the help text of `command` shows."""
    return [
        shlex.split(line)[3:] for line in command.help.splitlines() if line.strip().startswith("python -m helpers ")
    ]


def test_the_help_names_every_command(root):
    listed = re.findall(r"^  (\w+) +(.*)$", press("--help").output.partition("Commands:")[2], flags=re.MULTILINE)
    assert [name for name, _ in listed] == ["book", "clean", "data", "new", "publish", "run", "status", "sync"]
    assert [short for _, short in listed if not short.endswith(".") or short.endswith("..")] == [], "whole sentences"


@pytest.mark.parametrize("name", ["book", "clean", "data", "new", "publish", "run", "status", "sync"])
def test_every_command_shows_examples_that_it_accepts(name):
    command = main.commands[name]
    shown = press(name, "--help").output
    assert examples(command)
    for command_name, *arguments in examples(command):
        assert command_name == name
        assert shlex.join(["python", "-m", "helpers", name, *arguments]) in shown
        command.make_context(name, arguments)


def test_an_unknown_option_or_command_is_an_error(root):
    assert press("run", "--sett", "epochs=3").exit_code == 2
    assert press("publsh").exit_code == 2


# ------------------------------------------------------------------------------------------------ data


def test_the_data_command_says_what_is_there_and_what_failed(root, monkeypatch):
    from helpers.datasets import mnist

    monkeypatch.setattr(mnist, "present", lambda folder: True)
    result = press("data", "mnist")
    assert (result.exit_code, result.output) == (0, f"mnist: there already, under {os.environ['COURSE_DATA']}\n")

    def fetch(folder):
        raise ConnectionError("no mirror gave it")

    monkeypatch.setattr(mnist, "present", lambda folder: False)
    monkeypatch.setattr(mnist, "fetch", fetch)
    result = press("data")
    assert result.exit_code == 1
    assert "mnist: NOT done: no mirror gave it" in result.output


# ------------------------------------------------------------------------------------------------ parts


def test_a_kernel_imports_the_presses_own_helpers_whatever_pythonpath_names(tmp_path):
    rival = tmp_path / "rival" / "helpers"
    rival.mkdir(parents=True)
    (rival / "__init__.py").write_text("raise ImportError('the rival')\n", encoding="utf-8")
    write(tmp_path / "course", SLUG, light(before="import helpers\n\nprint(helpers.__file__)"))
    ours = str(execution.PACKAGE.parent)
    environ = environment(tmp_path / "course") | {"PYTHONPATH": str(rival.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "helpers", "run", SLUG]
    done = subprocess.run(command, cwd=ours, env=environ, capture_output=True, text=True, timeout=120)
    assert "ok, claims: 1 holds" in done.stdout, done.stdout + done.stderr
    copy = pages.read(tmp_path / "course" / "build" / "runs" / "quick" / f"{SLUG}.ipynb")
    assert [o.text for c in copy.cells for o in c.get("outputs", []) if o.get("name") == "stdout"] == [
        str(execution.PACKAGE / "__init__.py") + "\n"
    ]


def test_execute_leaves_the_environment_as_it_was(tmp_path, monkeypatch):
    seen = {}

    def interrupted(*arguments, **options):
        seen.update(os.environ)
        os.environ["LEFT_BY_PAPERMILL"] = "1"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(execution.papermill, "execute_notebook", interrupted)
    before = dict(os.environ)
    outcome = execution.execute(execution.Task("a", tmp_path / "a.ipynb", tmp_path / "out" / "a.ipynb", {}, "full"))
    assert seen["COURSE_PROFILE"] == "full"
    assert dict(os.environ) == before
    assert "No space left on device" in outcome.error
    assert (outcome.notebook, outcome.record) == (None, None)


def test_a_folder_that_cannot_be_made_fails_one_notebook_only(tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be", encoding="utf-8")
    outcome = execution.execute(execution.Task("a", tmp_path / "a.ipynb", tmp_path / "taken" / "a.ipynb"))
    assert "taken" in outcome.error


def test_the_repository_finds_itself_from_the_package(monkeypatch):
    monkeypatch.delenv("COURSE_REPOSITORY", raising=False)
    here = Repository.here()
    assert (here.root / "helpers" / "press" / "cli.py").is_file()


def test_the_defaults_are_the_literals_of_the_parameters_cell(root):
    source = Repository(root).source(SLUG)
    assert source.defaults == {
        "seed": 1,
        "epochs": 3,
        "scale": 0.5,
        "grid": [0.1, 0.2],
        "label": "plain",
        "careful": True,
        "origin": "real",
    }
    assert source.full == {"epochs": 30, "scale": 2}
    assert Repository(root).source(REAL).datasets == ["mnist"]


def test_what_was_read_of_a_notebook_is_not_changed_afterwards(root):
    source = Repository(root).source(SLUG)
    with pytest.raises(AttributeError, match="cannot assign to field 'full'"):
        source.full = {}


def test_an_empty_entry_of_the_profile_means_the_defaults(root):
    path = root / "notebooks" / "profiles" / "full.yml"
    path.write_text(yaml.safe_dump({SLUG: None}), encoding="utf-8")
    assert Repository(root).profile_entry(SLUG) == {}
    with pytest.raises(Refused, match="has no parameters for 02_real"):
        Repository(root).profile_entry(REAL)


def test_the_fingerprint_follows_code_and_values_only(root):
    def digest(values=None):
        return pages.stamp(Repository(root).source(SLUG), values or {})["source"]

    first = digest()
    edit(root, lambda source, cells: cells["before"].update(source="Another sentence."))
    assert digest() == first
    assert digest({"epochs": 4}) != first
    edit(root, lambda source, cells: cells["measure"].update(source=cells["measure"].source + "\nx = 1"))
    assert digest() != first
