"""helpers.fingerprint on small sources."""

import ast
import subprocess
import sys

import pytest

from helpers.fingerprint import digest, imports, normal_form

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
    ("source", "package", "found"),
    [
        ("import numpy", "", {("numpy", "numpy", "numpy")}),
        ("import helpers.a as x, numpy", "", {("x", "helpers.a", "helpers.a"), ("numpy", "numpy", "numpy")}),
        ("import helpers.pkg.inner", "", {("helpers", "helpers", "helpers.pkg.inner")}),
        ("from helpers import a, b as c", "", {("a", "helpers.a", "helpers.a"), ("c", "helpers.b", "helpers.b")}),
        ("from helpers.a import f", "", {("f", "helpers.a.f", "helpers.a.f")}),
        ("def f():\n    from helpers import a", "", {("a", "helpers.a", "helpers.a")}),
        ("from . import a", "helpers", {("a", "helpers.a", "helpers.a")}),
        ("from .a import f", "helpers", {("f", "helpers.a.f", "helpers.a.f")}),
        ("from .inner import f", "helpers.pkg", {("f", "helpers.pkg.inner.f", "helpers.pkg.inner.f")}),
        ("from .. import a", "helpers.pkg", {("a", "helpers.a", "helpers.a")}),
        ("from ..a import f", "helpers.pkg", {("f", "helpers.a.f", "helpers.a.f")}),
        ("from ...a import f", "helpers.pkg.deep", {("f", "helpers.a.f", "helpers.a.f")}),
        ("'from helpers import a'", "", set()),
    ],
)
def test_imported_names(source, package, found):
    assert set(imports(ast.parse(source), package)) == found


def test_helpers_alone_loads_neither_torch_nor_numpy():
    code = "import sys, helpers, helpers.fingerprint, helpers.datasets.store\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "helpers.datasets.store" in loaded
    assert not {"torch", "numpy", "matplotlib", "IPython"} & set(loaded)
