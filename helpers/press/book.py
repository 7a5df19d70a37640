"""The book: rendering it, and its maths without a network."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.press.sources import Refused, Repository

MATHJAX = ("tex-mml-chtml.js", "output/chtml/fonts", "input/tex/extensions", "a11y", "sre")
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def build(repository: Repository, site: Path) -> Path:
    """Render the committed pages into `site`, from an empty folder, warnings being errors; returns its index.html.

    Raises Refused where a page is missing or Sphinx finds fault; the book of an earlier build stays then.
    """
    for name in re.findall(r"(?:root|file): *(\S+)", (repository.root / "_toc.yml").read_text(encoding="utf-8")):
        if not any((repository.root / "book" / f"{name}{ending}").exists() for ending in ("", ".md", ".ipynb", ".rst")):
            number = name.partition("assignments/")[2][:2]
            remedy = f"run python -m helpers publish {number}" if number else "write it"
            raise Refused(f"_toc.yml names {name}, which is not in book/: {remedy}, or take it out of _toc.yml")
    site.parent.mkdir(parents=True, exist_ok=True)
    here = [Path(__file__).resolve().parents[2], repository.root / "book" / "_extensions"]
    path = os.pathsep.join([*map(str, here), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "COURSE_REPOSITORY": str(repository.root), "PYTHONUTF8": "1"}
    with tempfile.TemporaryDirectory(prefix="sphinx-", dir=site.parent, ignore_cleanup_errors=True) as work:
        paths = ["--config", "_config.yml", "--toc", str(repository.root / "_toc.yml"), "--path-output", work]
        command = [sys.executable, "-c", JUPYTER_BOOK, "build", "book", *paths, "-W", "-n", "--keep-going", "-q"]
        done = subprocess.run(command, cwd=repository.root, env=environment, capture_output=True, encoding="utf-8")
        if done.returncode:
            raise Refused(f"the book has faults:\n{done.stderr[-4000:]}")
        shutil.rmtree(site, ignore_errors=True)
        Path(work, "_build", "html").rename(site)
    return site / "index.html"


def _point_at_mathjax(app) -> None:
    app.config.mathjax_path = "mathjax/tex-mml-chtml.js"


def _copy_mathjax(app, exception) -> None:
    if exception or app.builder.format != "html":
        return
    package = importlib.util.find_spec("sphinx-mathjax-offline").submodule_search_locations[0]
    for name in MATHJAX:
        source, target = Path(package, "static", "mathjax", name), Path(app.outdir, "_static", "mathjax", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def setup(app):
    """Sphinx's entry point."""
    app.connect("builder-inited", _point_at_mathjax)
    app.connect("build-finished", _copy_mathjax)
    return {"parallel_read_safe": True}
