"""The notebooks in an editor: the environment that opens them, and page 01 in a real JupyterLab in Chromium."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.skipif(os.name != "posix" or not shutil.which("make"), reason="make is not on this machine")
@pytest.mark.parametrize(("numbers", "opened"), [("", ""), ("02", "02_xor_in_numpy.ipynb")])
def test_make_lab_opens_the_notebooks_with_the_environment_of_the_clone(numbers, opened, tmp_path):
    clone = tmp_path / "a clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / "notebooks").mkdir()
    (clone / "notebooks" / "02_xor_in_numpy.ipynb").touch()
    shutil.copy(ROOT / "Makefile", clone)
    (clone / "book").mkdir()
    required = ("requirements.txt", "requirements.lock", "pyproject.toml", "book/requirements.txt")
    for name in (*required, ".venv/pyvenv.cfg"):
        (clone / name).touch()
    (clone / ".venv" / "full.installed").touch()
    jupyter = clone / ".venv" / "bin" / "jupyter"
    jupyter.write_text('#!/bin/sh\necho "$PWD: $*"\n')
    jupyter.chmod(0o755)
    make = ["make", "--silent", "lab", f"NOTEBOOKS={numbers}"]
    done = subprocess.run(make, cwd=clone, capture_output=True, text=True)
    assert done.stdout == f"{clone / 'notebooks'}: {f'lab {opened}'.strip()}\n", done.stderr


@pytest.mark.parametrize(("missing", "command"), [("papermill", "run 01"), ("torch", "publish 03")])
def test_an_environment_that_only_renders_says_what_it_lacks(missing, command):
    program = f"import sys; sys.modules[{missing!r}] = None; from helpers.press.cli import main; main()"
    arguments = [sys.executable, "-c", program, *command.split()]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    remedy = 'run "make run", which installs it, or "pip install -r requirements.txt -c requirements.lock"'
    assert done.stderr == f"Error: {missing} is not in this environment: {remedy}\n"
    assert done.returncode == 1
