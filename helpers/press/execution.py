"""Running notebooks with papermill: one or many, with progress bars and their share of the cores."""

import functools
import logging
import os
import subprocess
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from helpers import processes
from helpers.fingerprint import PACKAGE
from helpers.press.sources import Refused, read, record

LOST = "its process was ended from outside, by hand or for want of memory: run it again"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
IMPORTS = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))  # these helpers first


@dataclass(frozen=True)
class Task:
    """One run: the notebook, where its copy goes, the values set, the profile."""

    slug: str
    source: Path
    output: Path
    values: dict = field(default_factory=dict)
    profile: str = "quick"


@dataclass(frozen=True)
class Outcome:
    """How a task ended: `error` is empty where all went well; the executed copy and its record, where there are any."""

    task: Task
    seconds: float
    error: str
    notebook: nbformat.NotebookNode | None = None
    record: dict | None = None


class _QuietKernels(AsyncKernelManager):
    start_kernel = functools.partialmethod(AsyncKernelManager.start_kernel, stderr=subprocess.DEVNULL)


class CourseEngine(NBClientEngine):
    """nbclient, with a progress bar that names the cell."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        """As papermill calls it, which asks for a description before each cell: its id goes to the bar then."""
        if nb_man.pbar:
            nb_man.get_cell_description = lambda cell: nb_man.pbar.set_postfix_str(cell.id)
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def execute(task: Task, position: int = 0) -> Outcome:
    """Run one task in this process, with the environment's thread count; its bar is at line `position`."""
    began, error, notebook, found, before = time.perf_counter(), "", None, None, dict(os.environ)
    partial = task.output.with_name(f".{os.getpid()}.{task.output.name}")  # another process may run the same task
    os.environ |= {
        "COURSE_PROFILE": task.profile,
        "COURSE_STRICT": "1",  # a name recorded twice is an error
        "COURSE_PAGE": str(task.source),
        "TQDM_DISABLE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONPATH": IMPORTS,
    }
    try:
        task.output.parent.mkdir(parents=True, exist_ok=True)
        task.output.unlink(missing_ok=True)
        _papermill(task, partial, position)
    except PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a dead kernel, a full disk: one notebook's failure is not the others'
        error = f"{type(failure).__name__}: {failure}"
    finally:
        os.environ.clear()
        os.environ |= before
    if partial.exists():
        try:
            notebook = read(partial)
            ends = [c.id for c in notebook.cells for o in c.get("outputs", []) if o.get("ename") == "SystemExit"]
            error = error or "".join(f"cell {name} calls sys.exit, which ended the run: take it out" for name in ends)
            found = record(notebook)
        except Refused as refusal:
            error = error or str(refusal)
        os.replace(partial, task.output)
    return Outcome(task, time.perf_counter() - began, error, notebook, found)


def _papermill(task: Task, output: Path, position: int) -> None:
    papermill_engines.register("course", CourseEngine)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="IProgress not found")
    papermill.execute_notebook(
        task.source,
        output,
        parameters=task.values,
        kernel_name="python3",
        engine_name="course",
        cwd=task.source.parent,
        progress_bar={"desc": task.slug, "position": position, "leave": False, "disable": None},
        coalesce_streams=True,
        kernel_manager_class=_QuietKernels,  # else a kernel complains of loopback sockets and of its own end
        request_save_on_cell_execute=False,
        autosave_cell_every=0,
    )


def execute_all(tasks: Sequence[Task], jobs: int = 1) -> list[Outcome]:
    """Run all tasks, `jobs` at a time, each with cores // jobs threads, going on past failures; in the tasks' order.

    Raises Refused where SIGINT or SIGTERM ends several jobs; the single one's KeyboardInterrupt goes through.
    """
    if jobs == 1:
        return [execute(task) for task in tasks]
    lost = functools.partial(Outcome, error=LOST)
    threads = dict.fromkeys(THREADS, str(max(1, (os.cpu_count() or 1) // jobs)))
    try:
        return processes.each(execute, tasks, jobs, lost, threads | {"PYTHONPATH": IMPORTS})
    except KeyboardInterrupt:
        raise Refused("stopped: no notebook runs any more, and no other is started") from None
