"""What a stranger relies on: pins, sizes, the two commands, and nothing of the data in the repository."""

import os
import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT


def requirement_lines(path):
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def test_every_direct_dependency_is_pinned_and_stands_in_the_lock():
    locked = {
        line.split(";")[0].strip().lower().replace("_", "-") for line in requirement_lines(ROOT / "requirements.lock")
    }
    direct = requirement_lines(ROOT / "requirements.txt") + requirement_lines(ROOT / "book" / "requirements.txt")
    for line in direct:
        pin = line.split(";")[0].strip()
        assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+", pin), line
        assert pin.lower() in locked, line


def test_the_lock_has_no_local_version_suffix():
    for line in requirement_lines(ROOT / "requirements.lock"):
        assert "+" not in line.split(";")[0], line


def test_the_book_needs_no_torch():
    names = " ".join(requirement_lines(ROOT / "book" / "requirements.txt"))
    assert "torch" not in names
    assert "papermill" not in names


@pytest.mark.parametrize(("folder", "limit"), [("helpers", 1600), ("helpers/datasets", 900), ("helpers/press", 1000)])
def test_the_helpers_stay_thin(folder, limit):
    paths = (ROOT / folder).glob("*.py")
    paths = [path for path in paths if path.name != "__main__.py"]  # no notebook imports it
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert sum(lines.values()) <= limit
    assert {name: count for name, count in lines.items() if count > 250} == {}


def test_no_data_set_is_committed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("this is no git checkout")
    forbidden = re.compile(r"(ubyte|\.bin|\.csv|\.jpe?g|\.safetensors|\.pkl|\.zip|\.tar|\.gz)$")
    assert [name for name in tracked.stdout.splitlines() if forbidden.search(name)] == []


def test_the_citation_file_is_valid_yaml_with_what_a_citation_needs():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version"} <= set(cited)


HIDDEN = """
import os, signal, sys

import platformdirs, psutil  # on Linux these need what is hidden from here on
import pytest

for name in ("resource", "fcntl", "pwd", "grp", "pty", "termios", "tty"):
    sys.modules[name] = None  # an import of it fails
for name in ("SIGKILL", "SIGALRM", "SIGHUP", "SIGQUIT", "alarm"):
    delattr(signal, name)
for name in ("fork", "mkfifo", "killpg", "getuid", "geteuid", "setsid", "statvfs"):
    delattr(os, name)
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "tests"]))
"""


def test_every_test_can_be_collected_where_posix_is_not():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", HIDDEN]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "tests collected" in done.stdout.splitlines()[-1]
