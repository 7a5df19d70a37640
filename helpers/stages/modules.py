"""Compiled code and modules as text, for the keys of stages."""

import ast
import contextlib
import dis
import functools
import importlib.util
import inspect
import itertools
import os
import re
import sys
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from helpers import fingerprint
from helpers.stages.keys import large, plain

HAS_DOCSTRING = 0x4000000  # a flag of code from Python 3.13 on
CALLED = {"LOAD_GLOBAL": "LOAD_GLOBAL", "LOAD_ATTR": "LOAD_ATTR", "LOAD_METHOD": "LOAD_ATTR"}
BEHIND = {property: ("fget", "fset", "fdel"), functools.cached_property: ("func",)}
BEHIND |= {staticmethod: ("__func__",), classmethod: ("__func__",), functools.singledispatchmethod: ("dispatcher",)}


def is_own(module: str) -> bool:
    """Whether a module is the reader's (the notebook, a file beside it) or of `helpers`, and no library's."""
    top = module.partition(".")[0]
    spec = None if top in ("__main__", "helpers") else _spec(top)
    if spec is None:
        return True
    if top in sys.stdlib_module_names and not str(spec.origin).endswith(".py"):  # built in, frozen, or of C code
        return False
    paths = [Path(path) for path in (spec.origin, *(spec.submodule_search_locations or ())) if path]
    standard = Path(os.__file__).parent
    return not any({"site-packages", "dist-packages"} & {*path.parts} or standard in path.parents for path in paths)


def _spec(module: str):
    try:
        return importlib.util.find_spec(module)
    except Exception:  # none, or its package cannot be imported: the stage will say so
        return None


def file_of(module: str) -> Path | None:
    """The file of an own module, loaded or not; None where there is none."""
    if module.partition(".")[0] == "helpers":
        return fingerprint.file_of(module)
    spec = _spec(module)
    return Path(spec.origin) if spec and spec.has_location and Path(spec.origin).is_file() else None


@functools.lru_cache
def source(content: bytes, module: str, name: str) -> tuple[str, frozenset[str]]:
    """The digest of a module's file without comments (of one that is no Python, of its bytes), and what it imports."""
    package = module if name == "__init__.py" else module.rpartition(".")[0]
    try:
        text = fingerprint.normal_form(content.decode())
    except (SyntaxError, ValueError):
        return fingerprint.digest(content.hex()), frozenset()
    names = {loaded for _, _, loaded in fingerprint.imports(ast.parse(text), package)}
    return fingerprint.digest(text), frozenset(names | {name.rpartition(".")[0] or name for name in names})


def memory(module: ModuleType) -> str:
    """The digest of a module as it is loaded, its functions and plain values: its file may be newer than that."""
    texts = []
    for name, value in [*vars(module).items()]:
        members = vars(value).values() if isinstance(value, type) and value.__module__ == module.__name__ else [value]
        for part in [inspect.unwrap(part) for member in members for part in members_of(member) if callable(part)]:
            if isinstance(part, FunctionType) and is_own(part.__globals__.get("__name__", "")):
                texts.append(f"{name} {code_text(part.__code__)}")
        if not name.startswith("__"):
            with contextlib.suppress(TypeError, RecursionError):
                texts.append(f"{name} {plain(value, large)}")
    return fingerprint.digest("\n".join(texts))


def members_of(member) -> list:
    """The functions behind a property, a static method and their like; else the member itself."""
    names = next((names for kind, names in BEHIND.items() if isinstance(member, kind)), ())
    return [part for name in names if (part := getattr(member, name)) is not None] or [member]


def unplaced(value) -> str:
    """`repr` without addresses, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


@functools.lru_cache(maxsize=4096)
def code_text(code: CodeType) -> str:
    """Compiled code as text: instructions, constants, arguments; no docstring, no position in a file."""
    head = [code.co_name, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount]
    steps = _steps(code)
    offsets = [step.offset for step in steps]
    lines = [repr([*head, code.co_flags & ~HAS_DOCSTRING, code.co_varnames, code.co_freevars])]
    for step in steps:
        detail = step.argrepr or step.arg
        if step.opcode in dis.hasconst:
            detail = _constant(code.co_consts[step.arg])
        elif step.opcode in dis.hasjrel:
            detail = bisect_left(offsets, step.argval)
        elif step.opname in CALLED:  # called as a method or not: that depends on the statements around
            detail = step.argval
        if step.opname == "STORE_NAME" and step.argval == "__firstlineno__":  # of a class, from Python 3.13 on
            lines.pop()
        lines.append(f"{CALLED.get(step.opname, step.opname)} {detail}")
    for entry in dis.Bytecode(code).exception_entries:
        lines.append(str([bisect_left(offsets, place) for place in entry[:3]] + [*entry[3:]]))
    return "\n".join(lines)


def _constant(value) -> str:
    if isinstance(value, CodeType):
        return f"code [{code_text(value)}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    if isinstance(value, frozenset):  # in an order that differs from process to process
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    return f"{type(value).__name__} {value!r}"


def _steps(code: CodeType) -> list[dis.Instruction]:
    return [step for step in dis.get_instructions(code) if step.opname not in ("EXTENDED_ARG", "PUSH_NULL")]


def reads(code: CodeType, package: str, local: dict | None = None) -> Iterator[tuple[str, ...]]:
    """What `code` and the code in it names, each with its kind in front.

    ("name", global, attribute …), ("module", module, attribute …), ("set", global), ("word", attribute or constant).
    package: that of relative imports.  local: the local names that are modules.
    """
    steps, local = _steps(code), dict(local or {})
    for at, step in enumerate(steps):
        dots = [each.argval for each in itertools.takewhile(_is_attribute, steps[at + 1 :])]
        after = steps[at + 1].argval if at + 1 < len(steps) and steps[at + 1].opname.startswith("STORE_") else None
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield "set", step.argval
        elif (
            step.argval in local and step.opname.startswith("LOAD_") and step.opname not in ("LOAD_ATTR", "LOAD_CONST")
        ):
            yield "module", *local[step.argval], *dots
        elif "GLOBAL" in step.opname or step.opname == "LOAD_NAME":
            yield "name", step.argval, *dots
        elif step.opname == "IMPORT_NAME":
            level = steps[at - 2].argval
            module = importlib.util.resolve_name("." * level + step.argval, package) if level else step.argval
            yield "module", module
            local[after] = (module if steps[at - 1].argval else module.partition(".")[0],)
        elif step.opname == "IMPORT_FROM":
            yield "module", f"{module}.{step.argval}"
            yield "module", module, step.argval
            local[after] = (module, step.argval)
    for word in {*code.co_names, *(each for each in code.co_consts if isinstance(each, str))}:
        yield "word", word
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from reads(inner, package, local)


def _is_attribute(step: dis.Instruction) -> bool:
    return step.opname in ("LOAD_ATTR", "LOAD_METHOD")
