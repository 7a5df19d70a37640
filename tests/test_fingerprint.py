"""helpers.fingerprint on small sources and on a package made for it, and against what Python itself loads."""

import ast
import subprocess
import sys

import pytest

from helpers import fingerprint
from helpers.fingerprint import digest, helpers_reached, imported, normal_form

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


@pytest.mark.parametrize(
    ("source", "package", "names"),
    [
        ("import numpy, helpers", "", set()),
        ("import helpers.a as x, numpy, helpers.pkg.inner", "", {"helpers.a", "helpers.pkg.inner"}),
        ("from helpers import a, b as c", "", {"helpers.a", "helpers.b"}),
        ("from helpers.a import f", "", {"helpers.a", "helpers.a.f"}),
        ("def f():\n    from helpers import a", "", {"helpers.a"}),
        ("from . import a", "helpers", {"helpers.a"}),
        ("from .a import f", "helpers", {"helpers.a", "helpers.a.f"}),
        ("from .inner import f", "helpers.pkg", {"helpers.pkg.inner", "helpers.pkg.inner.f"}),
        ("from .. import a", "helpers.pkg", {"helpers.a"}),
        ("from ..a import f", "helpers.pkg", {"helpers.a", "helpers.a.f"}),
        ("from ...a import f", "helpers.pkg.deep", {"helpers.a", "helpers.a.f"}),
        ("import helpersome.a; from helpersome import b", "", set()),
        ("'from helpers import a'", "", set()),
    ],
)
def test_imported_names(source, package, names):
    assert imported(source, package) == names


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
    for name, value in found.items():
        path = name.removeprefix("helpers.").replace(".", "/")
        assert value == digest(normal_form(FILES.get(path) or FILES[f"{path}/__init__"]))


def test_a_change_far_down_is_seen_and_a_comment_is_not(package):
    before = helpers_reached("from helpers import pkg")
    (package / "lone.py").write_text("# new\nVALUE = 1\n")
    assert helpers_reached("from helpers import pkg") == before
    (package / "lone.py").write_text("VALUE = 2\n")
    after = helpers_reached("from helpers import pkg")
    assert {name for name in before if before[name] != after[name]} == {"helpers.lone"}


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
