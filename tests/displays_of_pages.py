"""The checks of a page as its cells call them, captured without training: only the statements that checks need run."""

import ast
import contextlib
import dis
import io
import os
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from conftest import ROOT

from helpers import checks
from helpers.comparison import Comparison
from helpers.formulas import displays
from helpers.press.sources import Repository


@dataclass
class Call:
    """One call of `checks.equation`: its label, the LaTeX that it read, its arguments, the points in a list."""

    label: str
    latex: str
    arguments: dict

    def refusal(self, latex: str) -> str:
        """Why `latex` in the display's place is refused, "" where it passes."""
        comparison = Comparison(self.label)
        given = self.arguments
        try:
            for point in given["at"]:
                point = point if isinstance(point, tuple) else (point,)
                comparison.at(point, latex, given["truth"], given["names"], None, None, given["skip"])
                if not comparison.error <= given["tol"]:
                    break
            return comparison.refusal(given["tol"])
        except (checks.CheckFailed, ValueError) as fault:
            return f"{type(fault).__name__}: {fault}"


def _names(code: types.CodeType) -> tuple[set[str], set[str]]:
    """The globals that a compiled statement reads, functions' bodies included, and those that it binds."""
    found = [(i.opname, i.argval) for i in dis.get_instructions(code)]
    reads = {name for operation, name in found if operation in ("LOAD_NAME", "LOAD_GLOBAL")}
    binds = {name for operation, name in found if operation in ("STORE_NAME", "STORE_GLOBAL")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            reads |= _names(constant)[0]
    return reads, binds


def _statements(slug: str) -> list[ast.stmt]:
    source = Repository(ROOT).source(slug).notebook
    return [node for cell in source.cells if cell.cell_type == "code" for node in ast.parse(cell.source).body]


def _kept(function: Callable) -> Callable:
    """The function, called once for each point: points are the same objects in every call."""
    found = {}

    def call(*point):
        place = tuple(map(id, point))
        if place not in found:
            found[place] = function(*point)
        return found[place]

    return call


def _calls_equation(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == "equation" for n in ast.walk(node))


def _changed(statement: ast.stmt) -> set[str]:
    """What a statement changes in place: cases.append(…), torch.set_default_dtype(…), found[name] = …"""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            node = node.value.func
        elif not (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):
            continue
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name):
            found.add(node.value.id)
    return found


def needed(statements: list[ast.stmt]) -> list[types.CodeType]:
    """The statements that call checks, and those that these need, transitively, in their order, compiled."""
    kept, wanted = [], set()
    checking = {node.name for node in statements if isinstance(node, ast.FunctionDef) and _calls_equation(node)}
    for node in reversed(statements):
        code = compile(ast.Module([node], []), "a page", "exec")
        reads, binds = _names(code)
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            binds |= _changed(node) - {"checks", "run"}
        if _calls_equation(node) or binds & wanted or reads & checking:
            kept.append(code)
            if isinstance(node, ast.FunctionDef | ast.Assign) and not reads & binds:
                wanted -= binds
            wanted |= reads
    return kept[::-1]


@contextlib.contextmanager
def calls(slug: str) -> Iterator[list[Call]]:
    """Every call of `checks.equation` that reads a display of the page `slug`; inside, torch is set as on the page."""
    found: list[Call] = []

    def capture(label, truth, *, at, names=None, code=None, formula=None, tol=1e-10, skip=(), instead=None):
        if instead is not None:
            raise checks.CheckFailed("another display")
        if names is not None:
            assert (at := list(at)), f"{label}: no points"
            truth = {left: _kept(function) for left, function in truth.items()}
            names = _kept(names)
            arguments = {"truth": truth, "at": at, "names": names, "code": code, "tol": tol, "skip": skip}
            found.append(Call(label, checks.displayed(label), arguments))
        return 0.0

    path = Repository(ROOT).notebooks / f"{slug}.ipynb"
    before, os.environ["COURSE_PAGE"] = os.environ.get("COURSE_PAGE"), str(path)
    original, checks.equation = checks.equation, capture
    displays.begin(slug)
    space = {"__name__": "__main__"}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for code in needed(_statements(slug)):
                with contextlib.suppress(checks.CheckFailed):
                    exec(code, space)
        checks.equation = original
        yield found
    finally:
        checks.equation = original
        torch.set_default_dtype(torch.float32)
        os.environ.pop("COURSE_PAGE") if before is None else os.environ.update(COURSE_PAGE=before)
