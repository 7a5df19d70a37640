"""A course in a temporary folder: tiny notebooks for the press, and runs of them that need no kernel."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
import yaml
from click.testing import CliRunner
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import MIME
from helpers.press.cli import main
from helpers.press.sources import Repository

SLUG = "01_tiny"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
PARAMETERS = """seed = 1
epochs = 3  # passes over the data
scale = 0.5
grid = [0.1, 0.2]
label = "plain"
careful = True
origin = "real"
"""
SETUP = """import random
import time
import types

import numpy as np
import torch

from helpers.run import start

run = start("01_tiny", seed=seed)
mnist = types.SimpleNamespace(name="mnist", origin=origin, fingerprint="0", describe=lambda: f"mnist: {origin}")
run.use(mnist)
"""
MEASURE = """draw = random.random() + float(np.random.rand()) + torch.rand(1).item()
run.record("draw", draw, label="The draw", interval=(0, 3), n=epochs, seeds=1, reported="about 1.5")
run.record("clock", time.perf_counter(), label="The clock", timing=True, reported=1)
print("one", flush=True)
print("two")
"""
RECORD = {  # what `Run.finish` leaves, for notebooks that need no torch
    "profile": "quick",
    "data": {},
    "metrics": {"half": 0.5},
    "details": {},
    "timings": {"clock": 1.25},
    "claims": [{"text": "It runs.", "verdict": "holds", "evidence": "it ran"}],
    "provenance": {"seed": 1, "device": "cpu", "threads": 1, "date": "2026-01-02", "seconds": 0.1},
}


def code(name, source, **metadata):
    return new_code_cell(source.strip("\n"), id=name, metadata=metadata)


def text(name, source):
    return new_markdown_cell(source, id=name)


def notebook(*cells, data=(), title="Tiny"):
    course = {"data": list(data), "title": title}
    return new_notebook(
        cells=list(cells), metadata={"course": course, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    )


def tiny():
    """A notebook with everything that a page carries: text, parameters, tags, a figure's texts, a record, a claim."""
    figure = {"image": {"alt": "A curve falls."}, "figure": {"caption": "A falling curve.", "name": "fig-falls"}}
    return notebook(
        text("title", "# Tiny\n\nThe question is small."),
        code("parameters", PARAMETERS, tags=["parameters"]),
        code("setup", SETUP),
        text("before", "One draw is made."),
        code("measure", MEASURE, tags=["solution"]),
        code("picture", "from IPython.display import Markdown\n\nMarkdown(label)", mystnb=figure),
        code("said", 'run.say(f"The draw is {draw:.2f}.")', tags=["remove-input"]),
        text("after", "So much for the draw."),
        code("claim", 'run.claim("A draw stays below 3.", draw < 3, f"{draw:.3f}")'),
        code("finish", "run.finish()"),
    )


def light(*, before="", record=RECORD, data=()):
    """A notebook whose kernel loads no torch: it shows `record` as `Run.finish` would, after the code `before`."""
    shown = f"from IPython.display import display\n\ndisplay({{{MIME!r}: {record!r}}}, raw=True)"
    choice = 'data = "auto"\n' if data else ""
    return notebook(
        text("title", "# Light"),
        code("parameters", f"seed = 1\n{choice}", tags=["parameters"]),
        *([code("before", before)] if before else []),
        *([code("finish", shown)] if record else []),
        data=data,
    )


def write(root: Path, slug: str, source, full=None) -> None:
    """Put a source into the course, with its entry of the full profile."""
    profiles = root / "notebooks" / "profiles" / "full.yml"
    profiles.parent.mkdir(parents=True, exist_ok=True)
    (root / "book" / "assignments").mkdir(parents=True, exist_ok=True)
    nbformat.write(source, root / "notebooks" / f"{slug}.ipynb")
    entries = yaml.safe_load(profiles.read_text(encoding="utf-8")) if profiles.exists() else {}
    profiles.write_text(yaml.safe_dump(entries | {slug: full or {}}, sort_keys=False), encoding="utf-8")


def edit(root: Path, change, slug=SLUG) -> None:
    """Rewrite a source: `change` gets its notebook and a dict of its cells."""
    path = root / "notebooks" / f"{slug}.ipynb"
    source = nbformat.read(path, as_version=4)
    change(source, {cell.id: cell for cell in source.cells})
    nbformat.write(source, path)


def page(root: Path, slug=SLUG) -> Path:
    return root / "book" / "assignments" / f"{slug}.ipynb"


def files(root: Path) -> dict[str, bytes]:
    """Every file under `root`, but for the lock."""
    found = (path for path in root.rglob("*") if path.is_file() and path.name != "press.lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def press(*arguments: str):
    """The command line in this process; a fault that is no clear message is raised here."""
    result = CliRunner().invoke(main, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def environment(root: Path) -> dict[str, str]:
    """The environment in which the press works on `root`, from any folder."""
    tests = Path(__file__).resolve().parent
    path = os.pathsep.join([str(tests), str(tests.parent)])
    return os.environ | {"COURSE_REPOSITORY": str(root), "PYTHONPATH": path, "PYTHONUTF8": "1"}


def start_press(root: Path, *arguments: str, **options) -> subprocess.Popen:
    """`python -m helpers …` on `root`, in another folder and another process."""
    command = [sys.executable, "-m", "helpers", *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(command, cwd=root.parent, env=environment(root), **options)


def published_course(folder: Path) -> Path:
    """A course whose page 01_tiny was published by a kernel, once for all tests; copy it before changing it.

    The executed copy lies in the folder kept, and what the command said in the file said.json.
    """
    root = folder / "published" / "course"
    with FileLock(folder / "published.lock"):
        if not (root / "said.json").exists():
            write(root, SLUG, tiny(), {"epochs": 30, "scale": 2})
            process = start_press(root, "publish", SLUG)
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, out + err
            (root / "build" / "runs" / "publish").rename(root / "kept")
            (root / "said.json").write_text(json.dumps({"out": out, "err": err}), encoding="utf-8")
    return root


def executed(root: Path, task, change=None):
    """What papermill would leave for `task`: the outputs of the kept run, under the present source and parameters.

    change: gets the notebook and its record, and may alter both.
    """
    kept = {cell.id: cell for cell in nbformat.read(root / "kept" / f"{task.slug}.ipynb", as_version=4).cells}
    ran = nbformat.read(task.source, as_version=4)
    for i, cell in enumerate(ran.cells):
        cell.metadata["papermill"] = {"duration": 0.1, "status": "completed"}
        if cell.cell_type == "code":
            cell.execution_count = i
            cell.outputs = deepcopy(kept[cell.id].outputs) if cell.id in kept else []
    if task.values:
        values = "# Parameters\n" + "".join(f"{name} = {value!r}\n" for name, value in task.values.items())
        injected = new_code_cell(values, metadata={"tags": ["injected-parameters"], "papermill": {}})
        place = next(i for i, cell in enumerate(ran.cells) if "parameters" in cell.metadata.get("tags", []))
        ran.cells.insert(place + 1, injected)
    shown = [o.data[MIME] for c in ran.cells for o in c.get("outputs", []) if MIME in o.get("data", {})]
    if shown:
        shown[-1]["profile"] = task.profile
        if "origin" in task.values:
            shown[-1]["data"]["mnist"] = task.values["origin"]
    if change:
        change(ran, shown[-1] if shown else None)
    return ran


def execute_without_kernel(root: Path, change=None, ran=None):
    """A stand-in for `execution.execute`; it appends the slug of every task to the list `ran`."""
    from helpers.press import execution, pages

    def execute(task):
        if ran is not None:
            ran.append(task.slug)
        copy = executed(root, task, change)
        task.output.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(copy, task.output)
        try:
            record = pages.record(copy)
        except pages.Refused:
            record = None
        return execution.Outcome(task, 0.1, "", copy, record)

    return execute


def stderr(message: str):
    return new_output("stream", name="stderr", text=message)


def results(root: Path) -> dict:
    return json.loads(Repository(root).results.read_text(encoding="utf-8"))
