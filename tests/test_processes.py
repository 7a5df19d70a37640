"""Work in several processes: what comes back, and what is left when one of them, or the one that asked, is ended."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

WORK = textwrap.dedent("""
    import os, subprocess, sys, time
    from pathlib import Path

    here = Path(__file__).parent

    def look(item, slot):
        began = time.monotonic()
        time.sleep(0.2)
        print("a word on stdout")
        return item, slot, os.getpid(), os.environ["GIVEN"], began, time.monotonic()

    def nap(item, slot):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
        (here / f"{item}.partial").write_text(f"{os.getpid()} {child.pid}")
        os.replace(here / f"{item}.partial", here / f"{item}.pids")
        if item == "short":
            child.kill()
            return "slept"
        time.sleep(100)

    def lost(item, seconds):
        return f"lost {item}" if 0 < seconds < 60 else seconds

    def main(function, items, jobs):
        from helpers import processes

        try:
            print(processes.each(function, items, jobs, lost, {"GIVEN": "7"}))
        except KeyboardInterrupt:
            print("told to end")
            sys.exit(3)
""")


@pytest.fixture
def start(tmp_path):
    """start(code) runs `code` after `from work import *`, in a process group of its own."""
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).resolve().parents[1])])
    started = []

    def run(code):
        process = subprocess.Popen(
            [sys.executable, "-c", f"from work import *\n{code}"],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()


def pids(folder, *names):
    """The processes that the work `names` runs in: worker and child of each, once all have started."""
    end = time.monotonic() + 60
    while not all((folder / f"{name}.pids").exists() for name in names):
        assert time.monotonic() < end
        time.sleep(0.02)
    return [[int(pid) for pid in (folder / f"{name}.pids").read_text().split()] for name in names]


def assert_ended(numbers):
    end = time.monotonic() + 10
    while alive := [n for n in numbers if psutil.pid_exists(n) and psutil.Process(n).status() != "zombie"]:
        assert time.monotonic() < end, alive
        time.sleep(0.02)


def test_results_come_in_order_from_a_process_each_and_no_more_than_asked_at_a_time(start):
    process = start("main(look, list('abcde'), 2)")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "a word on stdout\n" * 5), "stdout is the results'"
    found = eval(out)
    assert [item for item, *_ in found] == list("abcde")
    assert {slot for _, slot, *_ in found} == {0, 1}
    assert len({pid for _, _, pid, *_ in found} | {process.pid}) == 6
    assert {given for *_, given, _, _ in found} == {"7"}
    for *_, moment, _ in found:
        assert sum(began <= moment < ended for *_, began, ended in found) <= 2


@pytest.mark.posix
def test_a_killed_worker_is_reported_at_once_and_the_others_go_on(start, tmp_path):
    process = start("main(nap, ['long', 'short', 'short'], 2)")
    ((worker, child),) = pids(tmp_path, "long")
    os.kill(worker, signal.SIGKILL)
    assert eval(process.stdout.readline()) == ["lost long", "slept", "slept"]
    os.kill(child, signal.SIGKILL)  # a kernel sees to this by itself
    assert (process.communicate(timeout=60), process.returncode) == (("", ""), 0)


@pytest.mark.posix
@pytest.mark.parametrize("send", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("whom", ["group", "process"])
def test_a_signal_ends_all_and_starts_no_more(start, tmp_path, send, whom):
    process = start("main(nap, ['a', 'b', 'c', 'd'], 2)")
    both = pids(tmp_path, "a", "b")
    (os.killpg if whom == "group" else os.kill)(process.pid, getattr(signal, send))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (3, "told to end\n", "")
    assert_ended(sum(both, []))
    assert not (tmp_path / "c.pids").exists()


@pytest.mark.posix
@pytest.mark.parametrize("wait", [0.0, 0.1, 0.2])
def test_a_signal_while_workers_start_ends_all(start, tmp_path, wait):
    process = start("main(nap, ['a', 'b', 'c', 'd'], 2)")
    asking = psutil.Process(process.pid)
    while not (workers := asking.children()):
        time.sleep(0.005)
    time.sleep(wait)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (3, "told to end\n", "")
    assert_ended([worker.pid for worker in workers])
    assert not (tmp_path / "c.pids").exists()


@pytest.mark.posix
def test_workers_and_their_children_end_with_a_parent_that_is_killed(start, tmp_path):
    process = start("main(nap, ['a', 'b', 'c'], 2)")
    both = pids(tmp_path, "a", "b")
    process.kill()
    assert process.communicate(timeout=30) == ("", "")
    assert_ended(sum(both, []))
    assert not (tmp_path / "c.pids").exists()
