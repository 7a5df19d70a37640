"""Running notebooks with papermill: one or many, with progress bars and their share of the cores."""

import functools
import logging
import multiprocessing
import os
import subprocess
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from helpers.press.sources import Refused, read, record

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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


def execute(task: Task) -> Outcome:
    """Run one task in this process, under the thread count that the environment holds."""
    began, error, notebook, found, before = time.perf_counter(), "", None, None, dict(os.environ)
    partial = task.output.with_name(f".{os.getpid()}.{task.output.name}")  # another process may run the same task
    os.environ |= {"COURSE_PROFILE": task.profile, "COURSE_STRICT": "1"}  # strict: a name recorded twice is an error
    os.environ |= {"TQDM_DISABLE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    try:
        task.output.parent.mkdir(parents=True, exist_ok=True)
        task.output.unlink(missing_ok=True)
        _papermill(task, partial)
    except PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a dead kernel, a full disk: one notebook's failure is not the others'
        error = f"{type(failure).__name__}: {failure}"
    finally:
        os.environ.clear()
        os.environ |= before
    if partial.exists():
        try:
            found = record(notebook := read(partial))
        except Refused as refusal:
            error = error or str(refusal)
        os.replace(partial, task.output)
    return Outcome(task, time.perf_counter() - began, error, notebook, found)


def _papermill(task: Task, output: Path) -> None:
    papermill_engines.register("course", CourseEngine)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="IProgress not found")
    position = (multiprocessing.current_process()._identity or [1])[0] - 1
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


def _share_cores(jobs: int) -> None:
    os.environ |= dict.fromkeys(THREADS, str(max(1, (os.cpu_count() or 1) // jobs)))


def execute_all(tasks: Sequence[Task], jobs: int = 1) -> list[Outcome]:
    """Run all tasks, `jobs` at a time, each with cores // jobs threads, going on past failures; in the tasks' order."""
    if jobs == 1:
        return [execute(task) for task in tasks]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _share_cores, (jobs,)) as pool:
        return list(pool.map(execute, tasks))
