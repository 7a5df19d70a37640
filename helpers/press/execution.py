"""Running notebooks with papermill: one or many, with progress bars and their share of the cores."""

import logging
import multiprocessing
import os
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import papermill
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from helpers.press import pages
from helpers.press.sources import Refused

ENGINE = "course"
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
    """How a task ended.  `error` is empty where the notebook ran to its end and no claim failed."""

    task: Task
    seconds: float
    error: str
    record: dict | None


class CourseEngine(NBClientEngine):
    """nbclient, with a progress bar that names the cell."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        """As papermill calls it; every cell's id goes to the bar before the cell runs."""
        begin = nb_man.cell_start

        def cell_start(cell, cell_index=None, **more):
            if nb_man.pbar:
                nb_man.pbar.set_postfix_str(cell.get("id", ""))
            return begin(cell, cell_index, **more)

        nb_man.cell_start = cell_start
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def execute(task: Task) -> Outcome:
    """Run one task in this process, under the thread count that the environment holds."""
    papermill_engines.register(ENGINE, CourseEngine)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="IProgress not found")
    position = (multiprocessing.current_process()._identity or [1])[0] - 1
    task.output.parent.mkdir(parents=True, exist_ok=True)
    began, error = time.perf_counter(), ""
    before = dict(os.environ)
    os.environ |= {"COURSE_PROFILE": task.profile, "TQDM_DISABLE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    try:
        papermill.execute_notebook(
            task.source,
            task.output,
            parameters=task.values,
            kernel_name="python3",
            engine_name=ENGINE,
            cwd=task.source.parent,
            progress_bar={"desc": task.slug, "position": position, "leave": False, "disable": None},
            coalesce_streams=True,
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
        )
    except PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a dead kernel, a full disk: one notebook's failure is not the others'
        error = f"{type(failure).__name__}: {failure}"
    finally:
        os.environ.clear()
        os.environ |= before
    record = None
    try:
        record = pages.record(pages.read(task.output))
    except Refused as refusal:
        error = error or str(refusal)
    return Outcome(task, time.perf_counter() - began, error, record)


def _share_cores(jobs: int) -> None:
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    os.environ |= dict.fromkeys(THREADS, threads)


def execute_all(tasks: Sequence[Task], jobs: int = 1) -> list[Outcome]:
    """Run all tasks, `jobs` at a time, each with cores // jobs threads, going on past failures; in the tasks' order."""
    if jobs == 1:
        return [execute(task) for task in tasks]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_share_cores, initargs=(jobs,)) as pool:
        return list(pool.map(execute, tasks))
