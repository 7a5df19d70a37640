"""helpers.stages and Run.stage: what counts for the key, what is kept, and what a fault leaves behind."""

import functools
import importlib
import itertools
import json
import linecache
import math
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import sklearn
import torch
from nbclient import NotebookClient

from helpers import fingerprint, stages
from helpers import run as run_module
from helpers.datasets import Images

CELLS = itertools.count()


def cell(source, module="__main__"):
    """The names of a notebook of one cell, compiled as a Jupyter kernel does: in __main__, its text in linecache."""
    path = f"/tmp/ipykernel_0/{next(CELLS)}.py"
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    names = {"__name__": module}
    exec(compile(source, path, "exec"), names)
    return names


def key(source):
    return stages.code_key(cell(source)["study"], "study")


@functools.cache
def key_of_base():
    return key(BASE)


# ---------------------------------------------------------------------------------------------- the code's key

BASE = '''
import functools
import math
import numpy as np
import torch
from dataclasses import dataclass
from torch.nn import functional as F

RATE, SIZES, OTHER = 0.5, {"hidden": [3, 4]}, 7
KIND, WHERE = torch.float32, torch.device("cpu")


def twice(x):
    """Two times x."""
    return 2 * x  # exactly


def deeper(x):
    return twice(x) + 1


def scaled_by(factor):
    def scaled(x):
        return factor * x
    return scaled


by_three = scaled_by(3)


def timed(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments) + 0
    return wrapper


@timed
def own_decorated(x):
    return x + 100


@torch.no_grad()
def library_decorated(x):
    return x + 200


@functools.lru_cache
def cached(x):
    return x + 300


HALF = 0.25


def by_default(x, y=RATE, *, z=HALF):
    return x + y + z


def square(x):
    return x**2


class Layer(torch.nn.Module):
    width = 6

    def __init_subclass__(cls):
        cls.height = 800

    def forward(self, x):
        return square(x)


class Net(Layer):
    """A network."""

    def __init__(self):
        super().__init__()
        self.first = 1

    @staticmethod
    def still(x):
        return x + 400

    @classmethod
    def made(cls):
        return cls() or 500

    @property
    def depth(self):
        return 600

    @functools.cached_property
    def slow(self):
        return 700


@dataclass
class Row:
    name: str
    size: int = 8


def factorial(n):
    return n * factorial(n - 1) if n else 1


act = shape = twice


def unused(x):
    return x


def study(x):
    """The study."""
    def inner(v):
        return [SIZES["hidden"][0] * deeper(w) for w in v]
    F.relu(torch.ones(1, dtype=KIND, device=WHERE))
    Row("a"), Net()(x), np.mean(x), math.exp(0), by_three(x), shape(x)
    own_decorated(x), library_decorated(x), cached(1), factorial(3)
    return by_default(act(inner(x)))
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # exactly", ""),
        ('    """Two times x."""\n', ""),
        ('"""The study."""', '"""Another docstring."""'),
        ('"""A network."""', '"""Another."""'),
        ("2 * x", "(2\n            * x)"),
        ("import math", "import math\n\n# a comment that moves every line\n"),
        ("OTHER = 0.5", "OTHER = 1 / 2"),
        ('"hidden": [3, 4]}, 7', '"hidden": [3, 4]}, 8'),  # OTHER, which nothing reads
        ("def unused(x):\n    return x", "def unused(x):\n    return -x"),
    ],
)
def test_what_does_not_matter_does_not_change_the_key(old, new):
    assert old in BASE
    assert key(BASE.replace(old, new)) == key_of_base()


CHANGES = {
    "own code": ("return by_default", "return 1 + by_default"),
    "function called": ("2 * x", "3 * x"),
    "number": ("OTHER = 0.5", "OTHER = 0.6"),
    "member of a dict": ("[3, 4]", "[3, 5]"),
    "dtype": ("float32", "float64"),
    "device": ('device("cpu")', 'device("cuda")'),
    "closure": ("scaled_by(3)", "scaled_by(4)"),
    "code that makes a closure": ("factor * x", "factor + x"),
    "decorated by the notebook": ("x + 100", "x + 101"),
    "decorator of the notebook": ("(*arguments) + 0", "(*arguments) + 1"),
    "decorated by a library": ("x + 200", "x + 201"),
    "cached": ("x + 300", "x + 301"),
    "default": ("y=RATE", "y=HALF"),
    "keyword default": ("HALF = 0.25", "HALF = 0.125"),
    "function called by a method": ("x**2", "x**3"),
    "class attribute": ("width = 6", "width = 7"),
    "base class": ("class Net(Layer)", "class Net(torch.nn.Linear)"),
    "hook of a class": ("height = 800", "height = 801"),
    "initialiser": ("self.first = 1", "self.first = 2"),
    "static method": ("x + 400", "x + 401"),
    "class method": ("or 500", "or 501"),
    "property": ("return 600", "return 601"),
    "cached property": ("return 700", "return 701"),
    "field": ("name: str", "name: int"),
    "default of a field": ("size: int = 8", "size: int = 9"),
    "recursion": ("n * factorial", "2 * n * factorial"),
    "another function under the same name": ("act = shape = twice", "act = shape = deeper"),
    "one of two names": ("act = shape = twice", "act, shape = twice, square"),
    "function of a library": ("np.mean(x)", "np.median(x)"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_what_matters_changes_the_key(old, new):
    assert BASE.count(old) == 1
    assert key(BASE.replace(old, new)) != key_of_base()


HIDDEN = """
size = 1

def outer(size):
    def study(x):
        return size * helper(x)
    return study

def helper(x):
    return x + size

study = outer(2)
"""


@pytest.mark.parametrize(("old", "new"), [("size = 1", "size = 3"), ("outer(2)", "outer(3)")])
def test_a_global_and_a_closure_variable_of_one_name_both_count(old, new):
    assert key(HIDDEN.replace(old, new)) != key(HIDDEN)


@pytest.mark.parametrize(("old", "new"), [("size = 1", "size = 3"), ("size = 2", "size = 3")])
@pytest.mark.parametrize("module", ["tools", "__main__"])
def test_globals_of_one_name_in_two_files_both_count(old, new, module):
    def keys(page, tools):
        names = cell(page)
        names["helper"] = cell(tools, module)["helper"]
        return stages.code_key(names["study"], "study")

    page = "size = 1\ndef study(x):\n    return size * helper(x)\n"
    tools = "size = 2\ndef helper(x):\n    return x + size\n"
    assert keys(page.replace(old, new), tools.replace(old, new)) != keys(page, tools)


@pytest.mark.parametrize("name", ["twice", "deeper", "factorial"])
def test_the_key_holds_the_code_once_and_ends(name):
    source = f"{BASE}\nstudy = {name}"
    found = key(source)
    assert sum(f"['{name}', " in text for text in found.values()) == 1
    assert {each for each in found if " " not in each} == {"twice": {"twice()"}, "deeper": {"deeper()", "twice"}}.get(
        name, {"factorial()", "factorial"}
    )


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("from helpers.batches import minibatches", "minibatches(x)"),
        ("from helpers import batches", "batches.shift(x)"),
        ("from helpers.training import fit", "fit(x)"),  # which imports batches
        ("from helpers.training import History", "History()"),
    ],
)
def test_the_code_of_the_helpers_counts(line, call, tmp_path, monkeypatch):
    copy = shutil.copytree(fingerprint.PACKAGE, tmp_path / "helpers")
    monkeypatch.setattr(fingerprint, "PACKAGE", copy)
    source = f"{line}\ndef study(x):\n    return {call}\n"
    path = copy / ("batches.py" if "batches" in line else "training.py")
    text, before = path.read_text(), key(source)
    path.write_text("# a comment\n" + text)
    assert key(source) == before
    path.write_text(text + "\nNEW = 1\n")
    assert key(source) != before


@pytest.mark.parametrize(
    ("line", "name", "kind"),
    [
        ("big = torch.ones(3)", "big", "Tensor"),
        ("big = np.ones(3)", "big", "ndarray"),
        ("big = {'a': [np.ones(3)]}", "big", "dict"),
        ("big = torch.nn.Linear(2, 2)", "big", "Linear"),
        ("big = torch.nn.Linear(2, 2).forward", "big.__self__", "Linear"),
        ("big = np.random.default_rng(0)", "big", "Generator"),
        ("big = np.random.default_rng(0).normal", "big.__self__", "Generator"),
        ("big = torch.Generator()", "big", "Generator"),
        ("big = functools.partial(max, torch.ones(1))", "big", "partial"),
        ("weights = torch.ones(2)\ndef big():\n    return weights", "weights", "Tensor"),
        ("def make(w):\n    return lambda: w\nbig = make(torch.ones(2))", "big.w", "Tensor"),
        ("def big(w=torch.ones(2)):\n    return w", "big.default 0", "Tensor"),
        ("class big:\n    table = torch.ones(2)", "big.table", "Tensor"),
    ],
)
def test_an_object_without_text_is_refused_by_name(line, name, kind):
    source = f"import functools\nimport numpy as np\nimport torch\n{line}\ndef study(x):\n    return big\n"
    with pytest.raises(TypeError, match=f"stage 'study' reads '{name}', a {kind}: pass it through inputs"):
        key(source)


def test_a_stage_that_is_no_function_is_refused():
    with pytest.raises(TypeError, match=r"stage 'study' reads 'partial\(\)', a partial"):
        key("from functools import partial\nstudy = partial(max, 1)")


# ------------------------------------------------------------------ what the code would now compute otherwise

PAIRS = {  # source → the same with another result
    "one of two lambdas of a line": (
        "f, g = (lambda x: x + 10), (lambda x: 9 * x)\nh = f\ndef study(x):\n    return h(x)",
        ("h = f", "h = g"),
    ),
    "one of two lambdas in a call": (
        "def pick(i, *all): return all[i]\nh = pick(0, lambda x:\n    x + 10, lambda x:\n    9 * x)\n"
        "def study(x):\n    return h(x)",
        ("pick(0", "pick(1"),
    ),
    "a lambda as the stage": ("study = [lambda x: x, lambda x: 2 * x][0]", ("[0]", "[1]")),
    "default factory": (
        "from dataclasses import dataclass, field\ndef make(): return [3, 4]\n@dataclass\nclass Row:\n"
        "    sizes: list = field(default_factory=make)\ndef study(x):\n    return Row().sizes",
        ("[3, 4]", "[3, 5]"),
    ),
    "default factory, a lambda": (
        "import dataclasses\n@dataclasses.dataclass\nclass Row:\n"
        "    sizes: list = dataclasses.field(default_factory=lambda: [3, 4])\ndef study(x):\n    return Row().sizes",
        ("[3, 4]", "[3, 5]"),
    ),
    "field out of the comparison": (
        "import dataclasses\n@dataclasses.dataclass\nclass Row:\n    a: int = dataclasses.field(compare=True)\n"
        "def study(x):\n    return Row(1) == Row(2)",
        ("compare=True", "compare=False"),
    ),
    "metadata of a field": (
        "import dataclasses\n@dataclasses.dataclass\nclass Row:\n    a: int = dataclasses.field(metadata={'unit': 1})\n"
        "def study(x):\n    return dataclasses.fields(Row)[0].metadata['unit']",
        ("1}", "2}"),
    ),
    "dunder data": ("class A:\n    __rate__ = 1\ndef study(x):\n    return A.__rate__", ("= 1", "= 2")),
    "slots": ("class A:\n    __slots__ = ('a',)\ndef study(x):\n    return A.__slots__", ("('a',)", "('b',)")),
    "metaclass": (
        "class M(type):\n    @property\n    def rate(cls): return 1\nclass A(metaclass=M): pass\n"
        "def study(x):\n    return A.rate",
        ("return 1", "return 2"),
    ),
    "function attribute": ("def f(): pass\nf.rate = 1\ndef study(x):\n    return f.rate", ("= 1", "= 2")),
    "attribute of the stage": ("def study(x):\n    return study.rate\nstudy.rate = 1", ("= 1", "= 2")),
    "singledispatch": (
        "import functools\n@functools.singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: int): return 1\n"
        "def study(x):\n    return f(x)",
        ("return 1", "return 2"),
    ),
    "singledispatch, another type": (
        "import functools\n@functools.singledispatch\ndef f(x): return 0\n@f.register(int)\ndef _(x): return 1\n"
        "def study(x):\n    return f(x)",
        ("register(int)", "register(str)"),
    ),
    "singledispatchmethod": (
        "import functools\nclass A:\n    @functools.singledispatchmethod\n    def f(self, x): return 0\n"
        "    @f.register\n    def _(self, x: int): return 1\ndef study(x):\n    return A().f(x)",
        ("return 1", "return 2"),
    ),
    "order of a dict": (
        "D = {'a': 1, 'b': 2}\ndef study(x):\n    return list(D)",
        ("'a': 1, 'b': 2", "'b': 2, 'a': 1"),
    ),
    "list against tuple": ("D = [1]\ndef study(x):\n    return type(D).__name__", ("[1]", "(1,)")),
    "int against string key": ("D = {1: 2}\ndef study(x):\n    return list(D)", ("{1:", "{'1':")),
    "bool against int": ("D = {'a': [True]}\ndef study(x):\n    return str(D)", ("True", "1")),
    "int against float": ("D = 1\ndef study(x):\n    return str(D)", ("= 1", "= 1.0")),
    "sign of zero": ("D = 0.0\ndef study(x):\n    return str(D)", ("= 0.0", "= -0.0")),
    "NaN": ("D = float('nan')\ndef study(x):\n    return str(D)", ("nan", "inf")),
    "constant in the code": ("def study(x):\n    return str(1)", ("str(1)", "str(1.0)")),
    "set in the code": ("def study(x):\n    return x in {1, 2, 3}", ("3}", "4, 5}")),
    "number of arguments": ("def g(*a): return a\ndef study(x):\n    return g(x, x)", ("g(x, x)", "g(x, x, x)")),
    "a jump": (
        "def study(x):\n    try:\n        return 1 / (x - 3)\n    except ZeroDivisionError:\n        return 0",
        ("ZeroDivisionError", "(TypeError, ZeroDivisionError) as e:\n        return str(e)\n    except ValueError"),
    ),
    "docstring that is read": ("def study(x):\n    'one'\n    return study.__doc__", ("'one'", "'two'")),
    "docstring of another": ("def f():\n    'one'\ndef study(x):\n    return f.__doc__", ("'one'", "'two'")),
    "docstring of a method": (
        "import inspect\nclass A:\n    def f(self):\n        'one'\ndef study(x):\n    return inspect.getdoc(A.f)",
        ("'one'", "'two'"),
    ),
    "docstring of a class": (
        "class A:\n    'one'\ndef study(x):\n    return getattr(A, '__doc__')",
        ("'one'", "'two'"),
    ),
    "library function by one name": (
        "from math import sqrt as f\ndef study(x):\n    return str(f(x))",
        ("from math", "from cmath"),
    ),
    "Python function of a library by one name": (
        "from statistics import mean as f\ndef study(x):\n    return type(f([1, 2])).__name__",
        ("from statistics", "from numpy"),
    ),
    "a decorator of a library": (
        "import torch\n@torch.no_grad()\ndef f(): return torch.is_grad_enabled()\ndef study(x):\n    return f()",
        ("no_grad", "enable_grad"),
    ),
    "argument of a decorator of a library": (
        "import torch\n@torch.set_grad_enabled(False)\ndef f(): return torch.is_grad_enabled()\n"
        "torch.set_grad_enabled(True)\ndef study(x):\n    return f()",
        ("enabled(False)", "enabled(True)"),
    ),
    "own wrapper that looks like a helper": (
        "import functools\nfrom helpers.batches import minibatches\n@functools.wraps(minibatches)\n"
        "def f(x): return x\ndef study(x):\n    return f(x)",
        ("return x\n", "return -x\n"),
    ),
    "in a function of a library": (
        "import math\nmath.rate = lambda: 1\ndef study(x):\n    return math.rate()",
        (": 1", ": 2"),
    ),
    "made by exec": ("exec('def study(x):\\n    return x + 1')", ("+ 1", "+ 2")),
    "function made by exec": (
        "exec('def f(x): return x + 1', globals())\ndef study(x):\n    return f(x)",
        ("+ 1", "+ 2"),
    ),
    "default dtype": (
        "import torch\ntorch.set_default_dtype(torch.float32)\ndef study(x):\n    return str(torch.ones(1).dtype)",
        ("torch.float32", "torch.float64"),
    ),
    "method under another name": (
        "class A:\n    def f(self): return 1\n    def g(self): return 2\n    h = f\ndef study(x):\n    return A().h()",
        ("h = f", "h = g"),
    ),
    "comprehension": ("def study(x):\n    return [i + 1 for i in range(x)]", ("i + 1", "i - 1")),
    "keyword of a call": ("def g(a=1, b=2): return a - b\ndef study(x):\n    return g(a=x)", ("a=x", "b=x")),
    "nested default": ("def study(x):\n    def g(y=1): return y\n    return g()", ("y=1", "y=2")),
    "lists in lists": ("def study(x):\n    return [x, [x]]", ("[x, [x]]", "[[x, x]]")),
    "operator": ("def study(x):\n    return x + 2", ("+", "-")),
    "comparison": ("def study(x):\n    return x < 3", ("<", "<=")),
    "f-string": ("def study(x):\n    return f'{x!r}'", ("!r", "!r:>5")),
}


@pytest.fixture
def torch_settings():
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    vars(math).pop("rate", None)


@pytest.mark.parametrize(("source", "change"), PAIRS.values(), ids=PAIRS)
def test_another_result_has_another_key(source, change, torch_settings):
    assert change[0] in source
    results, keys = [], []
    for text in (source, source, source.replace(*change)):
        study = cell(text)["study"]
        results.append(repr(study(3)))
        keys.append(stages.code_key(study, "study"))
    assert results[0] == results[1] != results[2]
    assert keys[0] == keys[1] != keys[2]


REMEDY = re.compile("pass it through inputs|or pass|return it$|and pass")
HIDDEN_READS = [
    "return globals()['RATE']",
    "return eval('RATE')",
    "exec('y = RATE')",
    "import builtins\n    return builtins.eval('RATE')",
    "from builtins import eval as look\n    return look('RATE')",
    "return __import__('__main__').RATE",
    "import __main__\n    return __main__.RATE",
    "import sys\n    return sys.modules['__main__'].RATE",
    "return (lambda: globals()['RATE'])()",
    "return importlib.import_module('tools').RATE",
    "return look('RATE')",
    "return study.__globals__['RATE']",
    "return sys._getframe(0).f_globals['RATE']",
    "return inspect.currentframe().f_globals",
    "return inspect.getsource(study)",
    "return os.environ['RATE']",
    "return os.getenv('RATE')",
    "return __builtins__['eval']('RATE')",
    "return mnist.load()",
    "return twice(3)",
    "return frompy(3)",
    "return Row(1)",
    "return scripted(torch.ones(1))",
    "global RATE\n    RATE = 3",
]


@pytest.mark.parametrize("line", HIDDEN_READS)
def test_a_dependence_that_cannot_be_seen_is_refused_with_the_remedy(line):
    head = "import importlib, inspect, os, sys\nimport numpy as np\nimport torch\nfrom functools import partial\n"
    head += "from helpers.datasets import mnist\nlook = eval\nRATE = 1\ntwice = partial(max, 2)\n"
    head += "import collections\nRow = collections.namedtuple('Row', 'x y', defaults=[1])\n"
    head += "frompy = np.frompyfunc(lambda x: x + 1, 1, 1)\n"
    names = cell(f"{head}def study(x):\n    {line}\n")
    if "scripted" in line:
        names["scripted"] = torch.jit.trace(lambda x: x + 1, torch.ones(1))
    with pytest.raises(TypeError, match="^stage 'study' ") as caught:
        stages.code_key(names["study"], "study")
    assert REMEDY.search(str(caught.value))


OWN = {
    "import tools\ndef study(x):\n    return tools.f()": "tools",
    "from tools import f\ndef study(x):\n    return f()": "tools",
    "import tools as t\ndef study(x):\n    return getattr(t, 'f')()": "tools",
    "def study(x):\n    import tools\n    return tools.f()": "tools",
    "def study(x):\n    from tools import f\n    return f()": "tools",
    "def study(x):\n    def inner():\n        import tools\n        return tools.f()\n    return inner()": "tools",
    "import kit.low\ndef study(x):\n    return kit.low.f()": "kit/low",
    "def study(x):\n    import kit.low as low\n    return low.f()": "kit/low",
    "def study(x):\n    from kit import low\n    return low.f()": "kit/low",
    "import kit\ndef study(x):\n    return kit.deep()": "kit/low",  # through a relative import
    "def study(x):\n    from kit import deep\n    return deep()": "kit/low",
    "import kit\ndef study(x):\n    return getattr(kit, 'far')()": "tools",  # through a function taken from it
}


KIT = "from . import low\nfrom tools import f\ndef deep():\n    return low.f()\ndef far():\n    return f()\n"


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize(("source", "changed"), OWN.items())
def test_own_modules_count(source, changed, loaded, tmp_path, monkeypatch):
    """As in three processes that import them anew: called or not before the key is made."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "__init__.py").write_text(KIT)
    keys, results = [], []
    for number in (1, 1, 2):
        for name in ("tools", "kit/low"):
            text = f"# {len(keys)}\nRATE = {number if name == changed else 0}\ndef f():\n    return RATE\n"
            (tmp_path / f"{name}.py").write_text(text)
        for name in ("tools", "kit", "kit.low"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        study = cell(source)["study"]
        for _ in range(loaded):
            study(1)
        keys.append(stages.code_key(study, "s"))
        results.append(study(1))
    for name in ("tools", "kit", "kit.low"):
        sys.modules.pop(name, None)
    assert results == [1, 1, 2]
    assert keys[0] == keys[1] != keys[2]


TOOLS = "RATE = 1\ndef f():\n    return 1\nclass A:\n    def g(self):\n        return 1\n"
IN_MEMORY = {
    "value": lambda tools: setattr(tools, "RATE", 2),
    "function": lambda tools: exec("def f():\n    return 2", vars(tools)),
    "method": lambda tools: exec("def g(self):\n    return 2\nA.g = g\ndel g", vars(tools)),
    "function of another": lambda tools: setattr(tools, "f", lambda: 2),
}


@pytest.mark.parametrize("read", ["getattr(t, 'f')()", "t.f()"])
@pytest.mark.parametrize("change", [*IN_MEMORY, "file"])
def test_an_own_module_that_is_changed_in_memory_or_on_disk_counts(change, read, tmp_path, monkeypatch):
    """The file may be newer than what is loaded: what the one computes is not kept for the other."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tools_in_memory.py").write_text(TOOLS)
    names = cell(f"import tools_in_memory as t\ndef study(x):\n    return {read}\n")
    before = [stages.code_key(names["study"], "s") for _ in "12"]
    if change == "file":
        (tmp_path / "tools_in_memory.py").write_text(TOOLS + "NEW = 1\n")
    else:
        IN_MEMORY[change](names["t"])
    after = stages.code_key(names["study"], "s")
    del sys.modules["tools_in_memory"]
    assert before[0] == before[1] != after


@pytest.mark.parametrize(
    "source",
    [
        "import helpers.batches\ndef study(x):\n    return helpers.batches.shift(x)",
        "import helpers.batches as b\ndef study(x):\n    return b.shift(x)",
        "def study(x):\n    from helpers.batches import shift\n    return shift(x)",
        "def study(x):\n    from helpers import batches\n    return batches.shift(x)",
        "def study(x):\n    import helpers.batches\n    return helpers.batches.shift(x)",
    ],
)
@pytest.mark.parametrize("file", ["batches", "__init__"])
def test_helpers_count_however_they_are_imported(source, file, tmp_path, monkeypatch):
    copy = shutil.copytree(fingerprint.PACKAGE, tmp_path / "helpers")
    monkeypatch.setattr(fingerprint, "PACKAGE", copy)
    before = key(source)
    with open(copy / f"{file}.py", "a") as module:
        module.write("\nNEW = 1\n")
    assert key(source) != before


def test_a_library_that_is_used_counts_with_its_version(monkeypatch):
    sources = ["from scipy import stats\ndef study(x):\n    return stats.norm.cdf(x)"]
    sources += [
        "def study(x):\n    import sympy\n    return sympy.sqrt(x)",
        "import PIL.Image as p\ndef study(x):\n    return p.new",
    ]
    for name, source in zip(("scipy", "sympy", "PIL"), sources, strict=True):
        before = key(source)
        with monkeypatch.context() as patch:
            patch.setattr(stages.keys, "_version", lambda module, name=name: "99" if module == name else "1")
            after = key(source)
        assert name in before["versions of libraries"]
        assert "99" in after["versions of libraries"]
    assert stages.keys._version("numpy") == np.__version__
    assert sklearn.__version__ in stages.keys._version("sklearn")


def test_every_library_that_the_notebooks_compute_with_is_in_the_provenance(start):
    assert {"numpy", "scipy", "sympy", "torch", "scikit-learn"} <= set(start().provenance["versions"])


SETTINGS = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "flush denormal": lambda: torch.set_flush_denormal(True),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "gradients off": lambda: torch.set_grad_enabled(False),
    "mkldnn": lambda: torch.backends.mkldnn.set_flags(False),
    "NumPy's errors": lambda: np.seterr(all="raise"),
}


def test_settings_are_in_the_key():
    """In a process of their own, which they may spoil."""
    code = """
from helpers import stages
from test_stages import SETTINGS
def study(x): return x
keys = [str(stages.code_key(study, "s")) for _ in "12"]
for change in SETTINGS.values():
    change()
    keys.append(str(stages.code_key(study, "s")))
print(len(keys), len(set(keys)))
"""
    environment = os.environ | {"PYTHONPATH": f"{os.path.dirname(__file__)}{os.pathsep}{fingerprint.PACKAGE.parent}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == f"{2 + len(SETTINGS)} {1 + len(SETTINGS)}\n", done.stderr


def test_autocast_is_in_the_key():
    names = cell("def study(x):\n    return x")
    before = stages.code_key(names["study"], "s")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert stages.code_key(names["study"], "s") != before


# ------------------------------------------------------------------------------------------ the key of an input

ARANGE, COMPLEX = torch.arange(6.0), torch.tensor([1 + 2j, 3 - 4j])
LOOP = []
LOOP.append(LOOP)


def different():
    return [
        *(None, True, 1, 1.5, "1", [], [1], [[1]], {}, {"a": 1}, {"a": 2}, {"b": 1}, float("nan")),
        *(ARANGE, -ARANGE, ARANGE.double(), ARANGE.int(), ARANGE.bfloat16(), ARANGE.bool(), ARANGE.reshape(2, 3)),
        *(ARANGE.reshape(3, 2), ARANGE.reshape(2, 3).T, ARANGE[:0], ARANGE[:0].reshape(0, 3), ARANGE[1]),
        *(ARANGE.numpy(), np.float32(1), np.ones(0), np.ones((0, 3)), np.ones(3, ">f8"), np.ones(3)),
        *(np.array(["a", "b"]), np.array(["a", "c"]), np.array(["2026-01-01"], "M8[D]")),
        *(torch.zeros(2), torch.zeros(2, dtype=torch.int32), np.zeros(2, np.float32), np.zeros(2, np.int32)),
        *(
            torch.zeros(2, requires_grad=True),
            torch.nn.Parameter(torch.zeros(2)),
            0,
            0.0,
            -0.0,
            False,
            "",
            (),
            (1,),
            [(1,)],
        ),
        *(
            {1: 2},
            {"1": 2},
            {True: 2},
            {"a": 1, "b": 2},
            {"b": 2, "a": 1},
            [1, [2, 3]],
            [[1, 2], 3],
            "[]",
            "None",
            ["1, 2"],
        ),
        *(
            ["1", "2"],
            OrderedDict(a=1),
            np.float64(1),
            np.int64(1),
            np.array(1),
            np.array(1.0),
            np.matrix([[1.0]]),
            2**70,
        ),
        *(
            COMPLEX,
            COMPLEX.conj(),
            COMPLEX.conj().imag,
            np.array([[1.0]]),
            torch.float32,
            torch.float64,
            torch.device("cpu"),
        ),
        *(torch.eye(3), torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr(), torch.eye(3).to_sparse_csc()),
        *((2 * torch.eye(3)).to_sparse(), (2 * torch.eye(3)).to_sparse_csr(), torch.eye(3)[:, [1, 0, 2]].to_sparse()),
        torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,)),
        *(
            torch.sparse_coo_tensor([[0, 1]], [4.0, 5.0], (3,)),
            torch.sparse_coo_tensor([[0, 1]], [4.0, 5.0], (3,)).coalesce(),
        ),
        torch.sparse_coo_tensor([[0]], [3.0], (3,)),
        *(np.ma.array([1, 2], mask=mask) for mask in ([0, 0], [0, 1], [1, 0])),
        np.ma.array([1, 3], mask=[0, 1], fill_value=7),
    ]


@pytest.mark.filterwarnings("ignore:Sparse")
def test_inputs_that_differ_have_different_keys():
    keys = [stages.input_key(value) for value in different()]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (ARANGE.reshape(2, 3).T, ARANGE.reshape(2, 3).T.contiguous()),
        (torch.arange(12.0)[::2], 2 * ARANGE),
        (np.arange(6)[::-1], np.array([5, 4, 3, 2, 1, 0])),
        (np.asfortranarray(np.eye(3)), np.eye(3)),
        (torch.arange(4.0).conj(), torch.arange(4.0)),
        (COMPLEX.conj(), COMPLEX.conj().resolve_conj()),
        (COMPLEX.conj().imag, -COMPLEX.imag),  # a view that is to be negated
        (torch._neg_view(ARANGE), -ARANGE),
        (torch.eye(3).to_sparse(), torch.eye(3).clone().to_sparse()),
        ({"a": 1, "b": ARANGE}, {"a": 1, "b": ARANGE.clone()}),
    ],
)
def test_equal_inputs_have_equal_keys(left, right):
    assert stages.input_key(left) == stages.input_key(right)


@pytest.mark.parametrize("value", [{1, 2}, object(), print, np.array([object()]), [{"a": 1j}], LOOP])
def test_an_input_of_another_kind_is_refused(value):
    with pytest.raises(TypeError, match="an input of a stage cannot be a "):
        stages.input_key(value)


def images(fingerprint="f1", name="mnist", origin="real"):
    pixels, labels = torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
    return Images(pixels, labels, pixels, labels, ("a",), name, origin, fingerprint)


def test_a_data_set_goes_by_its_name_origin_and_content():
    variants = [images(), images("f2"), images(name="cifar10"), images(origin="stand-in")]
    variants += [replace(images(), train_images=images().train_images[:1]), images(), images(), images()]
    variants[-3].train_labels[1] = 1  # label noise, in place
    variants[-2].test_images[1, 0, 1, 1] = 1
    variants[-1].train_images.numpy()[:] = 1
    assert len({stages.input_key(value) for value in variants}) == len(variants)
    assert stages.input_key(images()) == stages.input_key(images())
    assert stages.input_key({"sets": [images()]}) == stages.input_key({"sets": [images()]})


def test_the_code_of_a_data_set_counts():
    one, other = (cell(f"class Own:\n    fingerprint = 'f'\n    def size(self): return {n}")["Own"] for n in (1, 2))
    keys = [stages.code_key(study, "study", {"x": kind()}) for kind in (one, one, other)]
    assert keys[0] == keys[1] != keys[2]


# ----------------------------------------------------------------------------------------------- keep and recall

SHARED = torch.arange(4.0)
RESULTS = {
    "scalars": [1, -1.5, 0.1 + 0.2, 2**70, "Über", "", None, True, False, float("inf")],
    "NumPy scalars": ([np.float64(0.1), np.int64(3), np.bool_(True)], [0.1, 3, True]),
    "nested": {"a": {"b": [{"c": torch.ones(2)}, []], "kept": "dict", "": {}}},
    "tuples": ((1, (2, [3])), [1, [2, [3]]]),
    "nothing": {},
    "none": None,
    "tensor": torch.randn(3, 4),
    "types": [
        torch.tensor([True, False]),
        torch.tensor(3),
        torch.tensor([1.5]).bfloat16(),
        torch.zeros(2).to(torch.uint8),
    ],
    "0-d": [torch.tensor(1.5), np.array(2)],
    "empty": [torch.zeros(0), torch.zeros(0, 3), np.zeros((2, 0))],
    "strided": [torch.arange(6).reshape(2, 3).T, np.arange(6)[::-2], np.asfortranarray(np.arange(6).reshape(2, 3))],
    "shared memory": [SHARED, SHARED, SHARED[1:], SHARED.expand(2, 4)],
    "broadcast": np.broadcast_to(np.arange(3), (2, 3)),
    "other byte order": (np.arange(3, dtype=">f8"), np.arange(3.0)),
    "needs a gradient": (torch.ones(2, requires_grad=True), torch.ones(2)),
    "conjugated": (COMPLEX.conj(), COMPLEX.conj().resolve_conj()),
    "negated": (torch._neg_view(torch.ones(2)), -torch.ones(2)),
    "parameter": (torch.nn.Parameter(torch.ones(2)), torch.ones(2)),
}


def same(left, right):
    """Equal in value, type, dtype and shape, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right) and left.requires_grad == right.requires_grad
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and bool((left == right).all())
    return left == right


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_results_come_back_as_they_went(result, tmp_path):
    result, expected = result if isinstance(result, tuple) else (result, result)
    stages.keep(tmp_path / "slug" / "a", result, {"seconds": 1.5})
    kept, note = stages.recall(tmp_path / "slug" / "a")
    assert same(kept, expected)
    assert same(stages.as_kept(result), expected)
    assert note == {"seconds": 1.5}
    assert os.listdir(tmp_path / "slug") == ["a"]


def test_what_comes_back_is_a_copy():
    tensor, array = torch.zeros(2), np.zeros(2)
    kept = stages.as_kept([tensor, array])
    tensor += 1
    array += 1
    assert kept[0].sum() == kept[1].sum() == 0


NO_RESULTS = [{1, 2}, {1: 2}, {"a": [object()]}, np.array(["a"]), 1j, torch.eye(2).to_sparse(), np.matrix([[1]])]


@pytest.mark.parametrize("result", [*NO_RESULTS, np.ma.array([1, 2], mask=[0, 1])])
def test_a_result_of_another_kind_is_refused_and_leaves_nothing(result, tmp_path):
    with pytest.raises(TypeError):
        stages.keep(tmp_path / "a", result, {})
    assert os.listdir(tmp_path) == []


def test_the_first_of_two_writers_wins(tmp_path):
    stages.keep(tmp_path / "a", 1, {})
    stages.keep(tmp_path / "a", 2, {})
    assert stages.recall(tmp_path / "a") == (1, {})
    assert os.listdir(tmp_path) == ["a"]


def test_nothing_is_recalled_from_nothing(tmp_path):
    assert stages.recall(tmp_path / "a") is None


# ----------------------------------------------------------------------------------------------------- Run.stage


@pytest.fixture
def shown(monkeypatch):
    lines = []
    monkeypatch.setattr(run_module, "display", lambda shown, **_: lines.append(getattr(shown, "data", shown)))
    return lines


@pytest.fixture
def start(shown):
    def begin(slug="a_page", seed=3, use=()):
        run = run_module.start(slug, seed=seed)
        for dataset in use:
            run.use(dataset)
        shown.clear()
        return run

    return begin


def study(n, scale=1.0):
    """Random numbers of all three kinds, and a mark that differs whenever this code is executed."""
    numbers = {
        "torch": scale * torch.rand(n),
        "numpy": np.random.rand(n),
        "python": [random.random() for _ in range(n)],
    }
    return {"numbers": numbers, "mark": os.urandom(8).hex()}


def folders(root):
    return sorted(path.name for path in (root / "stages").glob("*/*"))


def test_the_second_call_reuses_without_executing(start, shown, data_root):
    first = start().stage("draw", {"n": 3}, study)
    assert shown == []
    run = start()
    assert same(run.stage("draw", {"n": 3}, study), first)
    (line,) = shown
    assert line.startswith("*Step “draw”: reused, computed on 20")
    assert re.search(r" in [\d.]+\u00a0(s|ms|µs)\.\*$", line)
    run.finish()
    assert "seconds_reused" in run.provenance
    (folder,) = folders(data_root)
    assert folder.startswith("draw-")


def other_code(n):
    return study(n)


VARIANTS = {
    "an input": {"inputs": {"n": 4}},
    "its type": {"inputs": {"n": 3, "scale": 1}},
    "a tensor's content": {"inputs": {"n": 3, "scale": torch.tensor(1.0)}},
    "a data set": {"use": [images()]},
    "the content of a data set": {"use": [images("f2")]},
    "the seed": {"seed": 4},
    "the name": {"name": "draw2"},
    "the page": {"slug": "other_page"},
    "the code": {"function": other_code},
}


def test_everything_that_decides_the_result_is_in_the_key(start, data_root):
    marks = set()
    for change in ({}, *VARIANTS.values()):
        given = {"slug": "a_page", "seed": 3, "use": (), "name": "draw", "inputs": {"n": 3}, "function": study} | change
        for _ in range(2):
            run = start(given["slug"], given["seed"], given["use"])
            marks.add(run.stage(given["name"], given["inputs"], given["function"])["mark"])
    assert len(marks) == len(folders(data_root)) == 1 + len(VARIANTS)


@pytest.mark.parametrize("name", ["versions", "threads", "device"])
def test_where_it_ran_is_in_the_key(name, start):
    marks = []
    for value in (None, "another"):
        run = start()
        run.provenance[name] = value or run.provenance[name]
        marks.append(run.stage("draw", {"n": 3}, study)["mark"])
    assert marks[0] != marks[1]


def test_its_random_numbers_come_from_seed_and_name_alone(start, monkeypatch, tmp_path):
    numbers = []
    for seed, name, root in ((3, "a", "1"), (3, "a", "2"), (3, "b", "1"), (4, "a", "1")):
        monkeypatch.setenv("COURSE_DATA", str(tmp_path / root))
        run = start(seed=seed)
        torch.rand(5 * len(numbers))  # what came before does not matter
        numbers.append(run.stage(name, {"n": 3}, study)["numbers"])
    assert same(numbers[0], numbers[1])
    for kind in ("torch", "numpy", "python"):
        assert len({str(found[kind]) for found in numbers}) == 3


def test_the_global_generators_do_not_notice(start, data_root):
    def after(stage):
        run = start()
        if stage:
            run.stage("draw", {"n": 3}, study)
        return random.random(), np.random.rand(), torch.rand(1).item()

    untouched = after(stage=False)
    assert after(stage=True) == untouched, "computed"
    assert len(folders(data_root)) == 1
    assert after(stage=True) == untouched, "reused"


def empty_tensors(folder):
    (folder / "tensors.safetensors").write_bytes(b"")


DAMAGES = {
    "no tensors": lambda folder: (folder / "tensors.safetensors").unlink(),
    "no text": lambda folder: (folder / "result.json").unlink(),
    "empty tensors": empty_tensors,
    "half the tensors": lambda folder: os.truncate(folder / "tensors.safetensors", 60),
    "half the text": lambda folder: os.truncate(folder / "result.json", 30),
    "another text": lambda folder: (folder / "result.json").write_text("[]"),
    "no text at all": lambda folder: (folder / "result.json").write_bytes(b"\xff\xfe\x00"),
    "a missing tensor": lambda folder: stages.save_file({}, folder / "tensors.safetensors"),
    "an empty folder": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_copy_is_computed_again(damage, start, data_root):
    first = start().stage("draw", {"n": 3}, study)
    (folder,) = (data_root / "stages" / "a_page").iterdir()
    damage(folder)
    second = start().stage("draw", {"n": 3}, study)
    assert second["mark"] != first["mark"]
    assert same(second["numbers"], first["numbers"])
    assert same(start().stage("draw", {"n": 3}, study), second), "and kept again"
    assert folders(data_root) == [folder.name]


def broken_byte(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["result.json", "tensors.safetensors", "SHA256SUMS"])
def test_one_changed_byte_means_run_again(name, start, data_root):
    first = start().stage("draw", {"n": 3}, study)
    (folder,) = (data_root / "stages" / "a_page").iterdir()
    for at in range(-1, -(folder / name).stat().st_size - 1, -37):
        broken_byte(folder / name, at)
        second = start().stage("draw", {"n": 3}, study)
        assert second["mark"] != first["mark"]
        assert same(start().stage("draw", {"n": 3}, study), second)
        first = second


@pytest.mark.parametrize("error", [MemoryError, RuntimeError("can't allocate memory"), OSError(12, "no memory")])
@pytest.mark.parametrize("where", ["load_file", "json.loads", "store.checksum"])
def test_what_cannot_be_read_now_is_not_removed(where, error, start, data_root, monkeypatch):
    def short(*_, **__):
        raise error

    first = start().stage("draw", {"n": 3}, study)
    run = start()
    with monkeypatch.context() as patch:
        patch.setattr(f"helpers.stages.{where}", short)
        (folder,) = (data_root / "stages" / "a_page").iterdir()
        assert stages.recall(folder) is None
    assert same(run.stage("draw", {"n": 3}, study), first)


def test_under_a_real_limit_of_memory_an_intact_copy_stays(start, data_root):
    stages.keep(data_root / "stages" / "a_page" / "big", {"x": torch.zeros(30_000_000)}, {})
    code = f"""
import resource
from pathlib import Path
from helpers import stages
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, used + 60_000_000))
print(stages.recall(Path({str(data_root / "stages" / "a_page" / "big")!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "None\n", done.stderr
    assert stages.recall(data_root / "stages" / "a_page" / "big")[0]["x"].shape == (30_000_000,)


WRITER = """
import os, signal, sys
from pathlib import Path
from helpers import stages
save = stages.save_file
def half(tensors, path):
    save(tensors, path)
    os.kill(os.getpid(), signal.SIGKILL)
stages.save_file = half
stages.keep(Path(sys.argv[1]), [1], {})
"""


def test_what_a_killed_writer_left_is_cleared_by_the_next_and_a_living_one_is_not(data_root):
    parent = data_root / "stages" / "a_page"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WRITER, str(parent / "draw-1")], check=False)
    (left,) = parent.iterdir()  # the second cleared what the first had left
    assert (left / "tensors.safetensors").exists()
    living = parent / left.name.replace(left.name.split(".")[-3], str(os.getppid()))
    living.mkdir()
    stages.keep(parent / "other-2", 1, {})
    assert sorted(os.listdir(parent)) == sorted([living.name, "other-2"])


def test_many_writers_of_one_stage_do_not_disturb_each_other(data_root):
    parent, failures = data_root / "stages" / "a_page", []
    gates = [threading.Barrier(4) for _ in range(30)]

    def write():
        try:
            for i, gate in enumerate(gates):
                gate.wait()
                stages.keep(parent / f"draw-{i}", {"x": torch.zeros(10)}, {})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(os.listdir(parent)) == 30
    assert all(stages.recall(folder) for folder in parent.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_who_shares_the_data_root_may_read_what_is_kept(tmp_path):
    before = os.umask(0o022)
    try:
        stages.keep(tmp_path / "a", torch.zeros(2), {})
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a").iterdir()} == {0o644}


@pytest.mark.parametrize("name", ["x" * 300, "ä" * 300, "a/b", "../../out", "a:b?*<>|", "", "."])
def test_any_name_is_kept_in_one_folder_beside_the_others(name, start, shown, data_root):
    first = start().stage(name, {"n": 3}, study)
    assert same(start().stage(name, {"n": 3}, study), first)
    assert shown[0].startswith(f"*Step “{name}”: reused")
    assert len(folders(data_root)) == 1
    assert [path.name for path in data_root.rglob("*.json")] == ["result.json"]


def test_names_that_look_alike_on_disk_are_two_stages(start, data_root):
    marks = {start().stage(name, {"n": 3}, study)["mark"] for name in ("a/b", "a:b", "x" * 300, "x" * 301)}
    assert len(marks) == len(folders(data_root)) == 4


def test_threads_of_the_moment_and_profile_are_in_the_key(start, monkeypatch):
    marks = [start().stage("draw", {"n": 3}, study)["mark"]]
    threads, run = torch.get_num_threads(), start()
    torch.set_num_threads(threads + 1)
    try:
        marks.append(run.stage("draw", {"n": 3}, study)["mark"])
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setenv("COURSE_PROFILE", "full")
    marks.append(start().stage("draw", {"n": 3}, study)["mark"])
    assert len(set(marks)) == 3


def test_a_copy_that_cannot_be_replaced_does_not_stop_the_run(start, data_root):
    first = start().stage("draw", {"n": 3}, study)
    (folder,) = (data_root / "stages" / "a_page").iterdir()
    shutil.rmtree(folder)
    folder.write_text("a file")
    assert same(start().stage("draw", {"n": 3}, study)["numbers"], first["numbers"])


@pytest.mark.parametrize("writer", ["save_file", "json.dumps"])
def test_a_run_stopped_while_writing_leaves_nothing(writer, start, data_root, monkeypatch):
    def stop(*arguments):
        if writer == "save_file":
            arguments[1].write_bytes(b"half")
        raise KeyboardInterrupt

    run = start()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if writer == "save_file":
            patch.setattr(stages, "save_file", stop)
            run.stage("draw", {"n": 3}, study)
        else:
            key_parts = stages.as_kept(study(3))
            patch.setattr(json, "dumps", stop)
            stages.keep(data_root / "stages" / "a_page" / "draw", key_parts, {})
    assert folders(data_root) == []
    first = start().stage("draw", {"n": 3}, study)
    assert same(start().stage("draw", {"n": 3}, study), first)


def test_a_stage_that_fails_keeps_nothing_and_puts_the_generators_back(start, data_root):
    def fails(n):
        torch.rand(n)
        raise ZeroDivisionError

    run, before = start(), torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        run.stage("draw", {"n": 3}, fails)
    assert torch.equal(torch.get_rng_state(), before)
    assert folders(data_root) == []


def test_a_root_that_cannot_be_written_is_said_and_the_run_goes_on(start, tmp_path, monkeypatch, capsys):
    expected = start().stage("draw", {"n": 3}, study)["numbers"]
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "file"))
    found = start().stage("draw", {"n": 3}, study)
    assert same(found["numbers"], expected)
    said = capsys.readouterr().out
    assert said.startswith(f"step “draw” could not be kept under {tmp_path / 'file' / 'stages' / 'a_page'}: ")
    assert said.endswith("; the run goes on\n")


def pair(n):
    return (torch.zeros(n), np.float32(0.5)), n


@pytest.mark.posix
def test_a_full_disk_is_said_and_the_result_is_as_ever(start, data_root, capsys):
    import resource  # here: Windows has none

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        found = start().stage("pair", {"n": 100_000}, pair)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert same(found, [[torch.zeros(100_000), 0.5], 100_000])
    assert "step “pair” could not be kept under" in capsys.readouterr().out
    assert folders(data_root) == []


KERNEL = """
import functools
import os
import random
import numpy as np
import torch

RATE = 0.5


def helper(x):
    return RATE * x


class Net(torch.nn.Module):
    def forward(self, x):
        return helper(x)


@torch.no_grad()
def decorated(x):
    return Net()(x)


one = two = three = four = helper


def study(n):
    numbers = [torch.rand(n), np.random.rand(n), random.random()]
    total = four(three(two(one(decorated(torch.ones(n))))))
    return {"numbers": numbers, "mark": os.urandom(8).hex(), "sum": total}
"""


def in_a_kernel(*sources):
    """What the cells print in a fresh Jupyter kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = [output for each in notebook.cells for output in each.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def test_in_a_kernel_a_new_process_reuses_the_stage_or_draws_the_same_numbers(start, data_root, tmp_path):
    """The first computation is here, under another hash seed and by another compiler of cells."""
    first = start().stage("draw", {"n": 3}, cell(KERNEL)["study"])
    printed = in_a_kernel(
        "from helpers.run import start\nrun = start('a_page', seed=3)",
        KERNEL,
        "found = run.stage('draw', {'n': 3}, study)\nprint(found['mark'], [x.tolist() for x in found['numbers'][:2]])",
        f"os.environ['COURSE_DATA'] = {str(tmp_path)!r}",
        "found = run.stage('draw', {'n': 3}, study)\nprint(found['mark'], [x.tolist() for x in found['numbers'][:2]])",
        "def helper(x):\n    return RATE * x + 1\n",
        "found = run.stage('draw', {'n': 3}, study)\nprint(found['sum'].tolist())",
    )
    numbers = str([values.tolist() for values in first["numbers"][:2]])
    reused, computed, changed = printed.splitlines()
    assert reused == f"{first['mark']} {numbers}"
    assert computed.endswith(numbers)
    assert not computed.startswith(first["mark"])
    assert changed == str([1.5 / 16] * 3)  # only the class and the decorated function see the new `helper`
