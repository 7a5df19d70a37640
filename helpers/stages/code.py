"""The code that a stage's function reaches, as text: other text means that the stage runs again.

Functions go by their compiled code: it tells two lambdas of one line apart, needs no source, and knows no comment.
"""

import builtins
import functools
import importlib
import inspect
import os
import sys
import types
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType

import numpy as np

from helpers import device
from helpers.stages.keys import SCALARS, large, plain, settings, versions
from helpers.stages.modules import code_text, file_of, is_own, members_of, memory, reads, source, unplaced

HIDING = (
    eval,
    exec,
    globals,
    __import__,
    importlib.import_module,
    importlib.reload,
    os.environ,
    os.getenv,
    sys.modules,
)
HIDING += (inspect.currentframe, inspect.stack, inspect.getsource, inspect.getsourcelines, sys._getframe)
FRAMES = {"__builtins__", "__globals__", "f_back", "f_builtins", "f_globals"}
ANYTHING = "behind which anything may be read", "name what is read, or pass it through inputs"
# Python's own in a class: made from what is read in other ways, or without influence
ABOUT = {
    "__abstractmethods__",
    "__annotations__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__dict__",
    "__doc__",
}
ABOUT |= {"__firstlineno__", "__module__", "__orig_bases__", "__parameters__", "__qualname__", "__static_attributes__"}
ABOUT |= {"__type_params__", "__weakref__", "_abc_impl"}
SLOTS = (types.GetSetDescriptorType, types.MemberDescriptorType)
IN_C = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType)
IN_C += (types.ClassMethodDescriptorType, *SLOTS)
HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE, without which a class is one of C code


def code_key(function: Callable, stage: str, inputs: dict | None = None) -> dict[str, str]:
    """What `function` computes with: all code and plain values that it reaches, versions, settings; JSON-ready text.

    Decorated functions, closures, defaults, classes, own modules and the classes of `inputs` count; docstrings where
    one is read.  Raises TypeError where it reaches what has no such text (a tensor, `globals`): that belongs in inputs.
    """
    walk = _Walk(stage)
    walk.reach(function, f"{getattr(function, '__name__', type(function).__name__)}()")
    walk.reach(device.own_generators, "random numbers")
    for name, value in (inputs or {}).items():
        walk.reach(type(value), f"class of {name}")
    docs = {f"docstring of {name}": text for name, text in walk.docs.items() if walk.reads_docs}
    where = {"versions of libraries": versions(walk.libraries), "settings of libraries": settings()}
    return dict(sorted((walk.found | docs | where).items()))


class _Walk:
    """From one function to everything that it reaches: `found` maps a dotted name to text."""

    def __init__(self, stage: str):
        self.stage, self.reads_docs = stage, False
        self.found: dict[str, str] = {}
        self.docs: dict[str, str] = {}
        self.libraries: set[str] = set()
        self.owner: dict[str, object] = {}  # keeps all that was seen alive, so that no id comes twice
        self.seen: dict[int, str] = {}

    def reach(self, value, name: str, inside: bool = False) -> None:
        """Put the text of `value` under `name`; inside: a library's wrapper holds it, instances go by attributes."""
        while self.owner.get(name, value) is not value:
            name += "'"  # two files may have globals of one name
        if name in self.owner:
            return
        self.owner[name] = value
        if isinstance(value, type | FunctionType) or inside and type(value) not in SCALARS:
            if id(value) in self.seen:  # under another name, or a recursion
                self.found[name] = f"as {self.seen[id(value)]}"
                return
            self.seen[id(value)] = name
        self.found[name] = self._text(value, name, inside)

    def _refuse(self, name: str, what: str, remedy: str = "pass it through inputs, or make it inside the function"):
        raise TypeError(f"stage {self.stage!r} reads {name!r}, {what}: {remedy}")

    def _text(self, value, name: str, inside: bool) -> str:
        if _hiding(value):
            self._refuse(name, *ANYTHING)
        if isinstance(value, ModuleType):
            return self._module(value.__name__, name)
        if isinstance(value, np.ufunc) and not value.__name__.endswith("(vectorized)"):  # by a library, not frompyfunc
            return f"ufunc {value.__name__}"
        if _of_library(value):
            return f"{self._module(value.__module__, name)}.{value.__qualname__}"
        if isinstance(value, FunctionType):
            return self._function(value, name)
        if isinstance(value, type):
            return self._class(value, name)
        if isinstance(value, (*IN_C, types.MethodType)):
            for part in ("__self__", "__objclass__", "__func__"):
                self.reach(getattr(value, part, None), f"{name}.{part}", inside)
            return getattr(value, "__qualname__", "")
        return self._object(value, name, inside or isinstance(value, functools._lru_cache_wrapper))

    def _object(self, value, name: str, inside: bool) -> str:
        kind = type(value)
        try:
            return plain(value, large if inside else None)
        except (TypeError, RecursionError):
            members = dict(enumerate(value)) if kind in (list, tuple) else getattr(value, "__dict__", None)
        if not inside or members is None:
            self._refuse(name, f"a {kind.__name__}")
        self.reach(kind, f"class of {name}")
        for key, member in members.items():
            self.reach(member, f"{name}.{key}", inside)
        return f"a {kind.__name__}"

    def _function(self, value: FunctionType, name: str) -> str:
        code, space = value.__code__, value.__globals__
        home = space.get("__name__", "")
        own = is_own(home) and home.partition(".")[0] != "helpers"
        if home == "functools" and hasattr(value, "registry"):  # singledispatch
            self.reach([*value.registry.items()], f"{name}.registry", inside=True)
        elif own or "<locals>" in code.co_qualname:  # a library's wrapper holds what it was given
            self._given(value, name, inside=not own)
        if home.startswith("helpers.datasets.") and code.co_name == "load":
            self._refuse(name, "whose files may change", "load outside, and pass the data set through inputs")
        if not own:
            return f"{self._module(home, name)}.{code.co_qualname}"
        text = [value.__name__, value.__qualname__, unplaced(inspect.get_annotations(value)), code_text(code)]
        self.docs[name] = repr([value.__doc__, *_constants(code)])
        self._names(code, space, "" if home == "__main__" else f"{home}.")
        return "\n".join(text)

    def _given(self, value: FunctionType, name: str, inside: bool) -> None:
        given = {f"default {i}": default for i, default in enumerate(value.__defaults__ or ())}
        given |= {f"default {key}": default for key, default in (value.__kwdefaults__ or {}).items()}
        for key, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                given[key] = cell.cell_contents
            except ValueError:  # nothing is in it yet
                continue
        for key, member in [*given.items(), *vars(value).items()]:
            self.reach(member, f"{name}.{key}", inside)

    def _names(self, code: CodeType, space: dict, home: str) -> None:
        """Every global and module that `code` reads, as far as the dots lead through modules."""
        for kind, first, *rest in sorted({*reads(code, space.get("__package__") or "")}):
            if kind == "set":
                raise TypeError(f"stage {self.stage!r} sets the global {first!r}, and reused it would not: return it")
            elif kind == "word":
                self.reads_docs |= first in ("__doc__", "getdoc")
                if first in FRAMES:
                    self._refuse(first, *ANYTHING)
            elif kind == "module":
                self._module(first, first)
                self._follow(sys.modules.get(first), rest, first)
            elif first in space:
                self._follow(space[first], rest, home + first)
            elif _hiding(getattr(builtins, first, None)):
                self._refuse(first, *ANYTHING)

    def _follow(self, value, rest: list[str], name: str) -> None:
        own = True
        while isinstance(value, ModuleType):
            own = is_own(value.__name__)
            self._module(value.__name__, name)
            if not rest or rest[0] not in vars(value):
                return
            value, name, rest = vars(value)[rest[0]], f"{name}.{rest[0]}", rest[1:]
        home = value.__globals__.get("__name__", "") if isinstance(value, FunctionType) else _home(value)
        code = isinstance(value, FunctionType | type) and is_own(home)
        if own or code or type(value) in SCALARS or _hiding(value):  # a library's other objects: the versions say it
            self.reach(value, name)

    def _class(self, value: type, name: str) -> str:
        home = _home(value)
        if not value.__flags__ & HEAP or not is_own(home) or home.partition(".")[0] == "helpers":
            return f"{self._module(home, name)}.{value.__qualname__}"
        self.docs[name] = repr(value.__doc__)
        for i, base in enumerate((*value.__bases__, type(value))):
            self.reach(base, f"{name}.base {i}")
        fields = vars(value).get("__dataclass_fields__", {})
        for key, field in fields.items():
            self.reach([field.default, field.default_factory], f"{name}.{key} by default", inside=True)
        for key, member in vars(value).items():
            if key in ABOUT or isinstance(member, SLOTS):
                continue
            for i, part in enumerate(members_of(member)):
                made = isinstance(part, FunctionType) and inspect.unwrap(part).__code__
                if fields and made and made.co_filename == "<string>" and key.startswith("__"):
                    self.found[f"{name}.{key}"] = code_text(made)  # a dataclass's, made from the fields
                else:
                    self.reach(part, f"{name}.{key}" + f" {i}" * (i > 0))
        about = [vars(value).get(key) for key in ("__orig_bases__", "__dataclass_params__")]
        return unplaced([value.__qualname__, inspect.get_annotations(value), about, [*fields.values()]])

    def _module(self, name: str, shown: str) -> str:
        """`name`; for an own module its code, and that of the own modules that it imports, goes into `found`."""
        if name == "__main__":
            self._refuse(shown, *ANYTHING)
        waiting = {name}
        while waiting:
            each = waiting.pop()
            if not is_own(each):
                self.libraries.add(each.partition(".")[0])
                continue
            path, loaded = file_of(each), sys.modules.get(each)
            if f"module {each}" not in self.found and (path or loaded):
                digest, imported = source(path.read_bytes(), each, path.name) if path else ("", ())
                self.docs[f"module {each}"] = path.read_bytes().hex() if path else ""
                self.found[f"module {each}"] = f"{digest} {memory(loaded) if loaded else ''}"
                waiting |= {*imported, each.rpartition(".")[0] or each}
        return name


def _hiding(value) -> bool:
    return any(value is each for each in HIDING)


def _home(value) -> str:
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else ""


def _of_library(value) -> bool:
    """Whether a library itself binds `value` to the name that it bears."""
    home, name = _home(value), getattr(value, "__qualname__", None)
    if not home or not isinstance(name, str) or is_own(home):
        return False
    found = sys.modules.get(home)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def _constants(code: CodeType) -> list[str]:
    inner = [_constants(each) for each in code.co_consts if isinstance(each, CodeType)]
    return [each for each in code.co_consts if isinstance(each, str)] + sum(inner, [])
