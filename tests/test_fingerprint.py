"""helpers.fingerprint on small sources and on a package made for it, and against what Python itself loads."""

import ast
import subprocess
import sys

import pytest

from helpers import fingerprint
from helpers.fingerprint import digest, helpers_reached, missing, normal_form

SOURCE = '''
"""A module."""
import math

RATE = 0.5  # per step


class Ball:
    """A ball."""

    def area(self, r):
        """In m²."""
        return 4 * math.pi * r**2


async def later():
    """Nothing else."""
'''


def test_digest_is_the_start_of_a_sha_256():
    assert digest("") == "e3b0c44298fc1c14"  # known values
    assert digest("abc") == "ba7816bf8f01cfea"
    assert digest("é") == "4a99557e4033c353"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # per step", ""),
        ('"""A module."""', ""),
        ('"""A module."""', '"""Another.\n\nLonger."""'),
        ('    """A ball."""\n', ""),
        ('"""In m²."""', "'In square metres.'"),
        ('"""Nothing else."""', "pass"),
        ("4 * math.pi * r**2", "(4 * math.pi\n                * r ** 2)"),
        ("\n\n\n", "\n"),
        ("0.5", "0.50"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(old, new):
    assert old in SOURCE
    assert normal_form(SOURCE.replace(old, new)) == normal_form(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.5", "0.6"), ("r**2", "r**3"), ("Ball", "Disc"), ("import math", "import cmath as math"), ("async def", "def")],
)
def test_code_counts(old, new):
    assert old in SOURCE
    assert normal_form(SOURCE.replace(old, new)) != normal_form(SOURCE)


def test_a_string_that_is_no_docstring_counts():
    assert normal_form("def f():\n    return 'a'") != normal_form("def f():\n    return 'b'")
    assert normal_form("x = 1\n'a'") != normal_form("x = 1\n'b'")
    assert normal_form("def f():\n    b'a'") != normal_form("def f():\n    b'b'")


def test_the_normal_form_is_python_that_does_the_same():
    space = {}
    exec(normal_form(SOURCE), space)
    assert space["Ball"]().area(2) == pytest.approx(50.26548245743669)
    assert space["Ball"].__doc__ is None
    assert ast.dump(ast.parse(normal_form(normal_form(SOURCE)))) == ast.dump(ast.parse(normal_form(SOURCE)))


def test_what_is_no_python_is_refused():
    with pytest.raises(SyntaxError):
        normal_form("%matplotlib inline")


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
    found = helpers_reached(source)
    assert set(found) == names
    assert list(found) == sorted(found)


def test_a_change_far_down_is_seen_and_a_comment_is_not(package):
    before = helpers_reached("from helpers import pkg")
    (package / "lone.py").write_text("# new\nVALUE = 1\n")
    assert helpers_reached("from helpers import pkg") == before
    (package / "lone.py").write_text("VALUE = 2\n")
    after = helpers_reached("from helpers import pkg")
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
    before = helpers_reached(source)
    (package / "tools.py").write_text(TOOLS.replace(old, new), encoding="utf-8")
    assert (helpers_reached(source) != before) is seen


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


def test_nothing_that_python_loads_is_missed():
    """In a fresh process; late imports may be more."""
    code = "import sys, helpers.run\nprint(*(name for name in sys.modules if name.startswith('helpers.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"helpers.run", "helpers.stages", "helpers.datasets.store"} <= set(loaded)
    assert set(loaded) <= set(helpers_reached("import helpers.run"))


def test_helpers_alone_loads_neither_torch_nor_numpy():
    code = "import sys, helpers, helpers.fingerprint, helpers.datasets.store\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "helpers.datasets.store" in loaded
    assert not {"torch", "numpy", "matplotlib", "IPython"} & set(loaded)
