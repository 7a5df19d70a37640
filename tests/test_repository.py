"""What a stranger relies on: pins, sizes, the two commands, and nothing of the data in the repository."""

import ast
import os
import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

from helpers import datasets


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


BUDGETS = {  # lines of all modules of a folder, and why no more
    "helpers": 1600,  # what notebooks import, and what the folders below share: read in an hour by who writes a page
    "helpers/datasets": 850,  # what data sets share: what disks, networks and archives can do wrong, said once for all
    "helpers/formulas": 600,  # a reader of the LaTeX that the pages use, not of LaTeX
    "helpers/press": 1000,  # glue: papermill, nbformat and Jupyter Book do the work
    "helpers/tracing": 220,  # Python's names, followed from module to module, for the press alone
    "helpers/stages": 700,  # a wrong reuse is silent, so what may change a result is a long list; it grows no further
}


def lines_of(folder):
    """file → lines, of the modules straight in `folder`."""
    paths = (ROOT / folder).glob("*.py")
    return {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}


@pytest.mark.parametrize(("folder", "budget"), BUDGETS.items())
def test_the_helpers_stay_thin(folder, budget):
    own = {f"{name}{part}.py" for name in datasets.NAMES for part in ("", "_standin")}  # test_store.py: under 250 each
    assert sum(count for name, count in lines_of(folder).items() if name not in own) < budget


def test_every_module_of_the_helpers_can_be_read_at_one_sitting():
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "helpers").rglob("*.py")}
    assert folders == {*BUDGETS}, "each folder has its budget"
    long = {name: count for folder in folders for name, count in lines_of(folder).items() if count > 250}
    assert long == {}, "five screens of fifty lines"


def test_every_function_of_the_helpers_fits_on_a_screen():
    """Its docstring, which is there for those who do not read on, counts apart."""
    long = []
    for path in (ROOT / "helpers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                said = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
                if node.end_lineno - node.lineno + 1 - said >= 40:
                    long.append(f"{path.name}: {node.name}")
    assert long == []


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
