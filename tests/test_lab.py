"""The notebooks in an editor: the environment that opens them, and page 01 in a real JupyterLab in Chromium."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from conftest import CHROMIUM, ROOT
from playwright.sync_api import expect, sync_playwright
from test_browser import ARGUMENTS, WIDE
from test_notebooks import DISPLAY


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


SLUG = "01_softmax_and_cross_entropy"
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the document, not only those in view
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
# What a cell or an output shows: without the editor's source and without what MathML holds for screen readers.
SHOWN = """() => [...document.querySelectorAll(".jp-MarkdownCell, .jp-OutputArea-output")].map(shown => {
  const copy = shown.cloneNode(true);
  copy.querySelectorAll(".jp-Editor, .katex-mathml, mjx-assistive-mml, style").forEach(part => part.remove());
  return copy.textContent;
})"""
WRONG = "[data-mime-type$=stderr]"  # a traceback goes by this type too
ENDED = """() => document.querySelector("[data-mime-type$=stderr]") !== null ||
  [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].every(prompt => /\\d/.test(prompt.textContent))"""


@pytest.fixture
def lab(tmp_path, data_root):
    """The address of a JupyterLab on a copy of page 01, with settings of its own and those of nobody else."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / f"{SLUG}.ipynb", tmp_path / "notebooks")
    for name, content in SETTINGS.items():
        path = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    folders |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    environment = os.environ | {name: str(tmp_path / folder) for name, folder in folders.items()}
    environment |= {"JUPYTER_PREFER_ENV_PATH": "1"}  # the environment's extension, not one that the user has
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(command, cwd=tmp_path / "notebooks", env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(f"{address}/api"):
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()  # its kernels end with it
        server.wait(30)


def answers(address):
    try:
        return urllib.request.urlopen(address).status == 200
    except OSError:
        return False


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install Debian's package chromium")
@pytest.mark.xdist_group("browser")
def test_page_01_in_jupyterlab_shows_formulas_and_boxes_and_runs(lab):
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser,
    ):
        page, outside = browser.new_page(viewport=WIDE), []
        page.set_default_timeout(60_000)
        local = (lab, lab.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(local) else outside.append(r.url))
        page.goto(f"{lab}/lab/tree/{SLUG}.ipynb")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_function(ENDED)
        assert page.locator(WRONG).all_inner_texts() == []
        # a refusal is printed with the LaTeX that it refuses, on purpose
        shown = "\n".join(part for part in page.evaluate(SHOWN) if " is wrong: " not in part)
        for raw in ("\\", "$", ":::", "{exercise}", "{solution}", "{dropdown}", "{eq}", "{doc}", "{cite", "(eq-", "**"):
            assert raw not in shown, f"{raw!r} in {[part for part in page.evaluate(SHOWN) if raw in part][:2]}"
        notebook = nbformat.read(ROOT / "notebooks" / f"{SLUG}.ipynb", as_version=4)
        displays = sum(len(DISPLAY.findall(cell.source)) for cell in notebook.cells if cell.cell_type == "markdown")
        assert page.locator(".jp-MarkdownCell .katex-display").count() == displays
        assert page.locator(".katex-error, mjx-merror").count() == 0
        sources = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        folded = len(re.findall(r"^:class: dropdown$|^:::+\{dropdown\}", sources, re.M))
        assert (
            page.locator(".jp-MarkdownCell details").count() == folded > 3
        )  # solutions and hints are there, and folded
        assert outside == []
        claimed = page.locator(".jp-CodeCell", has_text="run.claim(").first
        verdict = page.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output")
        before = claims(verdict)
        for cell in (claimed, page.locator(".jp-CodeCell").last):
            number = cell.locator(".jp-InputPrompt").inner_text()
            cell.locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            expect(cell.locator(".jp-InputPrompt")).not_to_have_text(number)
            expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\d"))
        assert claims(verdict) == before
        assert page.locator(WRONG).count() == 0


def claims(verdict):
    """How many claims the page's last line counts."""
    return re.search(r"Claims: (\d+) hold", verdict.inner_text())[1]
