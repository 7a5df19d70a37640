"""The policy for real data and stand-ins, and the installation of a data set by several processes."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import datasets
from helpers.datasets import store


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".lock")


def test_the_root_is_the_argument_else_the_variable_else_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "variable"))
    assert store.root(tmp_path / "argument") == tmp_path / "argument"
    assert store.root() == tmp_path / "variable"
    monkeypatch.setenv("COURSE_DATA", "~/course")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.root() == tmp_path / "course"
    monkeypatch.delenv("COURSE_DATA")
    assert store.root() == tmp_path / ".cache" / "deep-learning-checked"
    monkeypatch.chdir(tmp_path)
    assert store.root("here") == tmp_path / "here"


def test_the_command_line_loads_no_torch():
    code = "import sys, helpers.datasets.store; sys.exit(not {'torch', 'pooch'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_known_name_is_a_module_with_the_four_members():
    assert "mnist" in datasets.NAMES
    for name in datasets.NAMES:
        module = datasets.find(name)
        assert module.__name__ == f"helpers.datasets.{name}"
        assert isinstance(module.TITLE, str)
        assert all(callable(getattr(module, member)) for member in ("load", "present", "fetch"))


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match='there is no data set "mnits": did you mean "mnist"?'):
        datasets.find("mnits")
    with pytest.raises(ValueError, match='there is no data set "store": known are mnist'):
        datasets.find("store")


# --- real, stand-in, or what is there


def raising(error):
    def read():
        raise error

    return read


def unreachable():
    raise AssertionError("called, and must not be")


MISSING = store.missing("MNIST", Path("/data/course"))


def test_what_is_there_is_taken():
    assert store.choose("auto", lambda: "real", unreachable) == "real"
    assert store.choose("real", lambda: "real", unreachable) == "real"


def test_a_stand_in_is_taken_without_a_look_at_the_disk():
    assert store.choose("standin", unreachable, lambda: "stand-in") == "stand-in"


def test_only_what_is_missing_falls_back_and_only_with_auto():
    assert store.choose("auto", raising(MISSING), lambda: "stand-in") == "stand-in"
    with pytest.raises(FileNotFoundError) as caught:
        store.choose("real", raising(MISSING), unreachable)
    assert str(caught.value) == 'MNIST is not under /data/course: run "make data" or pass data="standin"'


@pytest.mark.parametrize("data", ["auto", "real"])
@pytest.mark.parametrize("error", [store.BrokenData("cut"), PermissionError("no"), FileNotFoundError("one")])
def test_what_is_broken_never_falls_back(data, error):
    with pytest.raises(type(error)) as caught:
        store.choose(data, raising(error), unreachable)
    assert caught.value is error


@pytest.mark.parametrize("data", ["Real", "", None, True, "stand-in"])
def test_any_other_choice_is_refused(data):
    with pytest.raises(ValueError, match="choose one of auto, real, standin"):
        store.choose(data, unreachable, unreachable)


def test_broken_data_is_a_value_error_and_all_are_store_errors():
    assert issubclass(store.BrokenData, ValueError)
    for error in (store.MissingData, store.BrokenData, store.DownloadFailed, store.CannotWrite):
        assert issubclass(error, store.StoreError)


def test_checksums_equal_hashlibs(tmp_path):
    content = np.random.default_rng(0).bytes(1_000_003)
    (tmp_path / "file").write_bytes(content)
    assert store.checksum(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    assert store.checksum(tmp_path / "file", "md5") == hashlib.md5(content).hexdigest()


# --- installation


def build(folder):
    (folder / "one.txt").write_text("1")


def test_installing_twice_builds_once(tmp_path):
    final = tmp_path / "deep" / "set"
    assert store.install("set", final, build) == final
    assert store.install("set", final, unreachable) == final
    assert names(tmp_path) == ["deep", "deep/set", "deep/set/one.txt"]


def test_what_is_intact_is_not_even_locked(tmp_path):
    (tmp_path / "set").mkdir()
    store.install("set", tmp_path / "set", unreachable)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]  # so the root may be read-only


def test_what_is_not_intact_is_set_aside_and_never_deleted(tmp_path, capfd):
    final = tmp_path / "set"
    for number in (1, 2):
        final.mkdir(exist_ok=True)
        (final / "one.txt").unlink(missing_ok=True)
        (final / f"mine{number}.txt").write_text("precious")
        store.install("set", final, build, intact=lambda folder: (folder / "one.txt").exists())
        assert f"set: {final} was not intact; it is now {final}.old{number}" in capfd.readouterr().err
    assert [name for name in names(tmp_path) if "/" in name] == [
        "set.old1/mine1.txt",
        "set.old2/mine2.txt",
        "set/one.txt",
    ]


def test_an_empty_folder_is_replaced_and_leaves_nothing_beside(tmp_path):
    (tmp_path / "set").mkdir()
    store.install("set", tmp_path / "set", build, intact=lambda folder: (folder / "one.txt").exists())
    assert names(tmp_path) == ["set", "set/one.txt"]


@pytest.mark.parametrize("error", [RuntimeError("in the middle"), KeyboardInterrupt()])
def test_a_build_that_fails_leaves_nothing_and_can_be_repeated(tmp_path, error):
    def half(folder):
        build(folder)
        raise error

    with pytest.raises(type(error)):
        store.install("set", tmp_path / "set", half)
    assert names(tmp_path) == []
    store.install("set", tmp_path / "set", build)
    assert names(tmp_path) == ["set", "set/one.txt"]


def test_a_build_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("precious")
    with pytest.raises(RuntimeError):
        store.install("set", tmp_path / "set", raising_build, intact=lambda folder: False)
    assert names(tmp_path) == ["set", "set/mine.txt"]


def raising_build(folder):
    raise RuntimeError


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_refuses_is_named_with_the_remedy(tmp_path, code):
    def full(folder):
        build(folder)
        raise OSError(code, os.strerror(code), "some/file")

    with pytest.raises(store.CannotWrite) as caught:
        store.install("The set", tmp_path / "set", full)
    message = f"The set cannot be written under {tmp_path}: {os.strerror(code)}. Make room"
    assert str(caught.value).startswith(message)
    assert names(tmp_path) == []


def test_a_root_that_is_a_file_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(store.CannotWrite, match="set COURSE_DATA to another folder"):
        store.install("set", tmp_path / "file" / "set", build)


def test_another_fault_of_the_system_is_not_disguised(tmp_path):
    def odd(folder):
        raise OSError(errno.EIO, "input/output error")

    with pytest.raises(OSError, match="input/output error") as caught:
        store.install("set", tmp_path / "set", odd)
    assert not isinstance(caught.value, store.StoreError)


INSTALLING = """
import os, signal, sys, time
from pathlib import Path
from helpers.datasets import store

final, log, manner = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def build(folder):
    with log.open("a") as file:
        file.write("built\\n")
    (folder / "one.txt").write_text("1")
    if manner == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    until = time.monotonic() + 20
    while manner == "slow" and not log.with_name("go").exists() and time.monotonic() < until:
        time.sleep(0.01)
    (folder / "two.txt").write_text("2")

store.install("set", final, build)
assert (final / "two.txt").exists()
"""


def installing(folder, manner):
    command = [sys.executable, "-c", INSTALLING, str(folder / "set"), str(folder / "log"), manner]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_of_two_processes_one_builds_and_the_other_waits_for_it(tmp_path):
    first = installing(tmp_path, "slow")
    while not (tmp_path / "log").exists() and first.poll() is None:
        pass
    second = installing(tmp_path, "slow")
    assert second.stderr.readline() == "set: another process is installing it; waiting for that one\n"
    assert second.poll() is None
    (tmp_path / "go").touch()
    assert (first.wait(20), second.wait(20)) == (0, 0), first.stderr.read() + second.stderr.read()
    assert (tmp_path / "log").read_text() == "built\n"
    assert names(tmp_path) == ["go", "log", "set", "set/one.txt", "set/two.txt"]


@pytest.mark.posix
def test_a_process_killed_in_its_build_leaves_no_set_and_the_next_succeeds(tmp_path):
    assert installing(tmp_path, "killed").wait(20) == -signal.SIGKILL
    assert names(tmp_path) == ["log", "set.partial", "set.partial/one.txt"]
    assert installing(tmp_path, "whole").wait(20) == 0
    assert names(tmp_path) == ["log", "set", "set/one.txt", "set/two.txt"]
    assert (tmp_path / "log").read_text() == "built\nbuilt\n"
