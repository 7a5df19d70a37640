"""Running notebooks with papermill: one or many, with progress bars and their share of the cores."""

import contextlib
import functools
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE

import nbformat
import papermill
import psutil
from jupyter_client import AsyncKernelManager
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from helpers.fingerprint import PACKAGE
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


def execute(task: Task, position: int = 0) -> Outcome:
    """Run one task in this process, with the environment's thread count; its bar is at line `position`."""
    began, error, notebook, found, before = time.perf_counter(), "", None, None, dict(os.environ)
    partial = task.output.with_name(f".{os.getpid()}.{task.output.name}")  # another process may run the same task
    set_here = {"COURSE_PROFILE": task.profile, "TQDM_DISABLE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    os.environ |= _with_helpers(before) | set_here
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
            error = error or _left(notebook)
            found = record(notebook)
        except Refused as refusal:
            error = error or str(refusal)
        os.replace(partial, task.output)
    return Outcome(task, time.perf_counter() - began, error, notebook, found)


def _with_helpers(environment: Mapping) -> dict:
    """`environment` in which Python imports these helpers, not others that PYTHONPATH may name."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), environment.get("PYTHONPATH")]))
    return {**environment, "PYTHONPATH": path}


def _left(notebook: nbformat.NotebookNode) -> str:
    """What to say of a cell that called sys.exit(0): papermill ends the run there and finds no fault."""
    ends = [c.id for c in notebook.cells for o in c.get("outputs", []) if o.get("ename") == "SystemExit"]
    return f"cell {ends[0]} calls sys.exit, which ended the run: take the call out" if ends else ""


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


def work() -> None:
    """A worker: the task that comes on stdin, its outcome on stdout; where stdin ends the press has, and so does it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    task, position = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_press, daemon=True).start()
    with contextlib.redirect_stdout(sys.stderr):
        outcome = execute(task, position)
    pickle.dump(outcome, sys.stdout.buffer)


def _end_with_the_press() -> None:
    os.read(0, 1)
    for kernel in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            kernel.kill()
    os._exit(1)


def _apart(task: Task, threads: int, workers: list[subprocess.Popen]) -> Outcome:
    command = [sys.executable, "-P", "-c", "from helpers.press.execution import work; work()"]
    position, began = int(threading.current_thread().name.rpartition("_")[2]), time.perf_counter()
    own_group = {"start_new_session": True, "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    environment = _with_helpers(os.environ) | dict.fromkeys(THREADS, str(threads))  # no Ctrl-C reaches an own group
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, **own_group) as worker:
        workers.append(worker)
        try:
            pickle.dump((task, position), worker.stdin)
            worker.stdin.flush()
            return pickle.load(worker.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            error = "its process was ended from outside, by hand or for want of memory: run it again"
            return Outcome(task, time.perf_counter() - began, error)


def execute_all(tasks: Sequence[Task], jobs: int = 1) -> list[Outcome]:
    """Run all tasks, `jobs` at a time, each with cores // jobs threads, going on past failures; in the tasks' order.

    Each has a process of its own, which ends with the press.  Raises Refused where SIGINT or SIGTERM ends them all.
    """
    if jobs == 1:
        return [execute(task) for task in tasks]
    threads, workers, futures = max(1, (os.cpu_count() or 1) // jobs), [], []
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures += (pool.submit(_apart, task, threads, workers) for task in tasks)
            while wait(futures, timeout=0.5).not_done:  # Windows hears Ctrl-C between two waits
                pass
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):  # again, for a worker that starts at this moment
                for worker in workers:
                    with contextlib.suppress(OSError):
                        worker.stdin.close()
                time.sleep(0.05)
            raise Refused("stopped: no notebook runs any more, and no other is started") from None
        finally:
            signal.signal(signal.SIGTERM, before)
