"""The policy for real data and stand-ins, and the installation of a data set by several processes."""

import ast
import errno
import hashlib
import os
import signal
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

import helpers
from helpers import datasets
from helpers.datasets import mnist, store

HELPERS = Path(helpers.__file__).parent


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


def test_the_root_of_a_user_who_is_not_known_is_no_traceback(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "~nobody-of-this-name/data")
    assert mnist.load("auto").origin == "stand-in"
    assert not mnist.present()


def modules():
    """The dotted name of every module of `helpers`, and its file."""
    paths = [path.relative_to(HELPERS.parent) for path in HELPERS.rglob("*.py")]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): HELPERS.parent / path for path in paths}


def imports(path, known):
    """The modules of `helpers` that a file names in an import, in functions and for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= named & set(known) or {node.module}
    return found & set(known)


def test_no_two_modules_of_helpers_import_each_other():
    known = modules()
    graph = {name: imports(path, known) for name, path in known.items()}
    assert {"helpers.datasets.records", "helpers.datasets.mnist_standin"} <= graph["helpers.datasets.mnist"]
    tuple(TopologicalSorter(graph).static_order())  # CycleError names the modules of a circle


def test_records_and_stand_ins_lie_below_the_data_sets():
    known = modules()
    assert imports(known["helpers.datasets.records"], known) == set()
    for name in datasets.NAMES:
        assert imports(known[f"helpers.datasets.{name}_standin"], known) == {"helpers.datasets.records"}


def test_a_data_set_with_its_stand_in_stays_under_250_lines():
    for name in datasets.NAMES:
        paths = [HELPERS / "datasets" / f"{stem}.py" for stem in (name, f"{name}_standin")]
        assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths) < 250


def test_the_command_line_loads_no_torch():
    code = "import sys, helpers.datasets.store; sys.exit(not {'torch', 'pooch'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_records_load_no_torch_either():
    code = "import sys, helpers.datasets; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
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
    with pytest.raises(ValueError, match='there is no data set "weather": known are mnist'):
        datasets.find("weather")


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


def test_checksums_are_had_where_md5_is_forbidden_for_security(tmp_path, monkeypatch):
    def strict(algorithm, *content, usedforsecurity=True):  # as OpenSSL is in FIPS mode
        if usedforsecurity:
            raise ValueError("disabled for FIPS")
        return getattr(hashlib, algorithm)(*content, usedforsecurity=False)

    (tmp_path / "file").write_bytes(b"content")
    monkeypatch.setattr(hashlib, "new", strict)
    assert store.checksum(tmp_path / "file", "md5") == "9a0364b9e99bb480dd25e1f0284c8555"


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("text"), MemoryError(), store.BrokenData("cut")])
def test_what_raises_is_not_readable(error):
    assert store.readable(lambda: None)
    assert not store.readable(raising(error))


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


def whole(folder):
    return (folder / "one.txt").exists()


@pytest.mark.posix  # links, which need a privilege elsewhere
def test_a_link_stays_and_what_it_leads_to_is_replaced_on_its_own_disk(tmp_path, capfd):
    disk = tmp_path / "disk" / "real"
    disk.mkdir(parents=True)
    (disk / "mine.txt").write_text("precious")
    (tmp_path / "data").mkdir()
    final = tmp_path / "data" / "set"
    final.symlink_to(disk)
    seen = []
    assert store.install("set", final, lambda folder: (seen.append(folder), build(folder)), intact=whole) == final
    assert seen == [tmp_path / "disk" / "real.partial"]
    assert final.is_symlink()
    found = ["data", "data/set", "disk", "disk/real", "disk/real.old1", "disk/real.old1/mine.txt", "disk/real/one.txt"]
    assert names(tmp_path) == found
    assert f"{disk} was not intact; it is now {disk}.old1" in capfd.readouterr().err


@pytest.mark.posix  # links, which need a privilege elsewhere
@pytest.mark.parametrize("leads", ["/mnt/gone", "set"])
def test_a_link_that_leads_nowhere_is_named_and_stays(tmp_path, leads):
    (tmp_path / "set").symlink_to(leads)
    with pytest.raises(store.CannotWrite) as caught:
        store.install("The set", tmp_path / "set", unreachable, intact=whole)
    what = f"{tmp_path / 'set'} is a link to {leads}, which leads nowhere. Mount its disk, or delete the link"
    assert str(caught.value) == f"The set cannot be written: {what}"
    assert os.readlink(tmp_path / "set") == leads
    assert names(tmp_path) == ["set"]


@pytest.mark.posix  # links, which need a privilege elsewhere
def test_a_root_that_is_a_link_to_nowhere_is_named(tmp_path):
    (tmp_path / "root").symlink_to("/mnt/gone")
    with pytest.raises(store.CannotWrite, match=f"a link that leads nowhere is in the way, {tmp_path / 'root'} "):
        store.install("set", tmp_path / "root" / "set", unreachable)


def test_a_name_that_is_too_long_is_a_sentence(tmp_path):
    with pytest.raises(store.CannotWrite, match=r"File name too long\. .*set COURSE_DATA to another folder"):
        store.install("set", tmp_path / (300 * "n") / "set", unreachable, intact=lambda _: False)


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
