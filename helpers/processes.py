"""Work in several processes, none of which outlives the one that asked for it."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from subprocess import PIPE

import psutil


def each(function: Callable, items: Sequence, jobs: int, lost: Callable, variables: Mapping[str, str]) -> list:
    """[function(item, slot) for item in items], `jobs` at a time (slots 0 … jobs - 1), each in a process of its own.

    function: a module's; it, its items and results can be pickled.  lost(item, seconds) stands for the result of a
    process that was killed.  variables: set in the environment of each.  Raises KeyboardInterrupt on SIGINT and
    SIGTERM, once no process is left.  Where this process is killed the others end by themselves.
    """
    workers, futures = [], []
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures += (pool.submit(_apart, function, item, lost, variables, workers) for item in items)
            while wait(futures, timeout=0.5).not_done:  # Windows hears Ctrl-C between two waits
                pass
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):  # again, for one that starts at this moment
                for worker in workers:
                    with contextlib.suppress(OSError):
                        worker.stdin.close()
                time.sleep(0.05)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)


def _apart(function: Callable, item, lost: Callable, variables: Mapping, workers: list):
    command = [sys.executable, "-P", "-c", "from helpers.processes import work; work()"]
    slot, began = int(threading.current_thread().name.rpartition("_")[2]), time.perf_counter()
    # Ctrl-C reaches no group but the asking process's own
    own_group = {"start_new_session": True, "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    with subprocess.Popen(command, env={**os.environ, **variables}, stdin=PIPE, stdout=PIPE, **own_group) as worker:
        workers.append(worker)
        try:
            pickle.dump((function, item, slot), worker.stdin)
            worker.stdin.flush()
            return pickle.load(worker.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            return lost(item, time.perf_counter() - began)


def work() -> None:
    """A worker: what to do comes on stdin, the result goes to stdout; where stdin ends, it and its children end."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        function, item, slot = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):  # told to end before it was told what to do
        sys.exit(1)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    with os.fdopen(os.dup(1), "wb") as results:
        os.dup2(2, 1)  # what the function or its children print is no result, and they hold no end of that pipe
        pickle.dump(function(item, slot), results)


def _end_with_stdin() -> None:
    os.read(0, 1)
    sys.addaudithook(lambda event, _: event == "subprocess.Popen" and time.sleep(60))  # no child starts any more,
    time.sleep(0.1)  # and one that just started is listed
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(1)
