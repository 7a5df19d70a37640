"""helpers.tracing.reach on a package made for it, on the course's own code, and against what Python itself loads."""

import shutil
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT

from helpers import datasets, fingerprint
from helpers.tracing.reach import missing, reached

FILES = {
    "__init__": "",
    "a": "from helpers.b import g\n\n\ndef f():\n    return g()\n",
    "b": "import helpers.a\n\n\ndef g():\n    from helpers import late\n    return late\n",  # a circle; a late import
    "late": "import math\n",
    "lone": "VALUE = 1\n",
    "pkg/__init__": "from .inner import h\n",
    "pkg/inner": "from ..lone import VALUE\n\n\ndef h():\n    return VALUE\n",
    "pkg/other": "from . import inner\n",
    "pkg/deep/__init__": "",
    "pkg/deep/end": "from ... import late\n",
}
CIRCLE = {"helpers.a", "helpers.b", "helpers.late"}
PACKAGE = {"helpers.pkg", "helpers.pkg.inner", "helpers.lone"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `helpers` of our own: the folder."""
    for name, text in FILES.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import numpy", set()),
        ("import numpy, helpers", set()),
        ("import helpersome.a; from helpersome import b", set()),
        ("'from helpers import a'", set()),
        ("import numpy as np, helpers.lone as x", {"helpers.lone"}),
        ("def f():\n    from helpers import lone", {"helpers.lone"}),
        ("from helpers import lone", {"helpers.lone"}),
        ("from helpers.lone import VALUE, missing", {"helpers.lone"}),
        ("import helpers.a", CIRCLE),
        ("from helpers.b import g", CIRCLE),
        ("from helpers import a, lone", CIRCLE | {"helpers.lone"}),
        ("from helpers import pkg", PACKAGE),
        ("from helpers.pkg import h", PACKAGE),
        ("from helpers.pkg.inner import h", PACKAGE),
        ("from helpers.pkg import other", PACKAGE | {"helpers.pkg.other"}),
        ("import helpers.pkg.deep.end", PACKAGE | {"helpers.pkg.deep", "helpers.pkg.deep.end", "helpers.late"}),
    ],
)
def test_modules_reached(package, source, names):
    found = reached(source)
    assert set(found) == names
    assert list(found) == sorted(found)


def test_a_change_far_down_is_seen_and_a_comment_is_not(package):
    before = reached("from helpers import pkg")
    (package / "lone.py").write_text("# new\nVALUE = 1\n")
    assert reached("from helpers import pkg") == before
    (package / "lone.py").write_text("VALUE = 2\n")
    after = reached("from helpers import pkg")
    assert {name for name in before if before[name] != after[name]} == {"helpers.lone"}


TOOLS = """
import json, math, os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers import lone
from helpers.late import math as m

if TYPE_CHECKING:
    from helpers.a import f

LIMIT = 1
NAMES = [LIMIT]
NAMES += ["two"]
registry = dict()
begun = print()


@dataclass
class Ball:
    r: float = LIMIT

    def area(self, by: f) -> float:
        return _area(self.r)


def _area(r):
    return math.pi * r**2


def register(function):
    registry[function.__name__] = function
    return function


@register
def listed():
    return 1


def other():
    from helpers import pkg

    return json.dumps(lone.VALUE), pkg


def names():
    return NAMES
"""


@pytest.mark.parametrize(
    ("source", "old", "new", "seen"),
    [
        ("from helpers.tools import Ball", "math.pi", "math.tau", True),  # through a method and a function
        ("from helpers.tools import Ball", "LIMIT = 1", "LIMIT = 2", True),
        ("from helpers.tools import Ball", "json.dumps", "json.loads", False),
        ("from helpers.tools import Ball", "    from helpers import pkg\n", "    pkg = 1\n", False),
        ("from helpers.tools import Ball", "import json, math", "import math", False),
        ("from helpers.tools import Ball", "import json, math, os", "import cmath as math, json, os", True),
        ("from helpers.tools import Ball", "import json, math, os", "import json, math", True),  # for its effect
        ("from helpers.tools import Ball", "import f\n", "import f, g\n", False),  # type checkers alone
        ("from helpers.tools import Ball", "begun = print()", "begun = repr(2)", True),  # a call may do anything
        ("from helpers.tools import Ball", "return 1", "return 2", True),  # register() may do anything
        ("from helpers import tools\ntools.Ball(1)", "json.dumps", "json.loads", False),
        ("from helpers import tools\ntools.other()", "json.dumps", "json.loads", True),
        ("import helpers.tools\nhelpers.tools.other()", "json.dumps", "json.loads", True),
        ("from helpers import tools\nprint(tools)", "json.dumps", "json.loads", True),  # may take anything from it
        ("from helpers import tools", "json.dumps", "json.loads", True),
        ("from helpers.tools import *", "json.dumps", "json.loads", True),
        ("from helpers.tools import names", '"two"', '"three"', True),
        ("from helpers.tools import names", "r**2", "r**3", False),
        ("from helpers import tools\ndef f(tools=tools):\n    return tools.Ball", "math.pi", "math.tau", True),
    ],
)
def test_what_the_code_reaches_counts_and_nothing_else(package, source, old, new, seen):
    assert TOOLS.count(old) == 1
    (package / "tools.py").write_text(TOOLS, encoding="utf-8")
    before = reached(source)
    (package / "tools.py").write_text(TOOLS.replace(old, new), encoding="utf-8")
    assert (reached(source) != before) is seen


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from helpers.tools import Ball, names\nfrom helpers import tools\ntools.other().anything", []),
        ("from helpers.tools import names as n, gone", ["helpers.tools.gone"]),
        ("from helpers import gone", ["helpers.gone"]),
        ("import helpers.gone", ["helpers.gone"]),
        ("from helpers.pkg.gone import f", ["helpers.pkg.gone"]),
        ("from helpers import tools as t\nt.names(t.gone)", ["helpers.tools.gone"]),
        ("import helpers.tools\ndef f():\n    return helpers.tools.gone.f", ["helpers.tools.gone"]),
        ("def f():\n    from helpers.tools import gone", ["helpers.tools.gone"]),
        ("from helpers.tools import f", ["helpers.tools.f"]),  # for type checkers alone
        ("from helpers.tools import m, __doc__\nfrom helpers.tools import *", []),
        ("from helpers import tools\nfor tools in [1]:\n    tools.real", []),  # something local
        ("from helpers import broken", ["helpers.tools.gone"]),  # through another
        ("from helpers.later import f", ["helpers.tools.gone"]),
        ("from helpers.later import g", []),
    ],
)
def test_names_that_are_not_there(package, source, names):
    (package / "tools.py").write_text(TOOLS, encoding="utf-8")
    (package / "broken.py").write_text("from helpers.tools import gone\n", encoding="utf-8")
    later = "def f():\n    from helpers.tools import gone\n\n\ndef g():\n    return 1\n"
    (package / "later.py").write_text(later, encoding="utf-8")
    assert missing(source) == names


CODE = [
    path for folder in ("notebooks", "benchmarks", "tests", "helpers", "book") for path in (ROOT / folder).rglob("*.*")
]
CODE = sorted(
    path
    for path in CODE
    if path.suffix in (".py", ".ipynb") and not {"assignments", ".ipynb_checkpoints"} & {*path.parts}
)


def code_of(path):
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_taken_from_helpers_is_there(path):
    assert missing(code_of(path)) == []


def test_a_renamed_function_is_missed_by_those_who_use_it(tmp_path, monkeypatch):
    package = shutil.copytree(ROOT / "helpers", tmp_path / "helpers")
    text = (package / "intervals.py").read_text(encoding="utf-8")
    (package / "intervals.py").write_text(text.replace("def wilson(", "def renamed("), encoding="utf-8")
    monkeypatch.setattr(fingerprint, "PACKAGE", package)
    found = {path.name: missing(code_of(path)) for path in CODE if path.is_relative_to(ROOT / "notebooks")}
    users = {path.name for path in CODE if path.suffix == ".ipynb" and "intervals.wilson(" in code_of(path)}
    assert {name for name, names in found.items() if names} == users
    assert users
    assert all(found[name] == ["helpers.intervals.wilson"] for name in users)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_data_sets_are_known_and_pages_are_told_of_no_other(path):
    named = nbformat.read(path, as_version=4).metadata.course.data
    assert set(named) <= set(datasets.NAMES)
    loaded = {name.rpartition(".")[2] for name in reached(code_of(path)) if name.startswith("helpers.datasets.")}
    assert loaded & set(datasets.NAMES) == set(named)


def test_a_further_data_set_concerns_no_page(tmp_path, monkeypatch):
    package = shutil.copytree(ROOT / "helpers", tmp_path / "helpers")
    monkeypatch.setattr(fingerprint, "PACKAGE", package)
    pages = [path for path in CODE if path.parent == ROOT / "notebooks"]
    before = [reached(code_of(path)) for path in pages]
    init = package / "datasets" / "__init__.py"
    text = init.read_text(encoding="utf-8")
    assert text.count("NAMES = (") == 1
    init.write_text(text.replace("NAMES = (", 'NAMES = ("weather", '), encoding="utf-8")
    (package / "datasets" / "weather.py").write_text("def load():\n    return 1\n", encoding="utf-8")
    assert [reached(code_of(path)) for path in pages] == before


def test_nothing_that_python_loads_is_missed():
    """In a fresh process; late imports may be more."""
    code = "import sys, helpers.run\nprint(*(name for name in sys.modules if name.startswith('helpers.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"helpers.run", "helpers.stages", "helpers.datasets.store"} <= set(loaded)
    assert set(loaded) <= set(reached("import helpers.run"))
