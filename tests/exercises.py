"""The exercises of a page: what is asked, hinted, solved and tested, and what a test says of other code."""

import ast
import contextlib
import io
import re
from dataclasses import dataclass, field

import numpy as np
import torch

from benchmarks.definitions import definitions
from helpers import checks
from helpers.formulas import displays

STATED = re.compile(r"^> \*\*Exercise (\d+[a-z])\.\*\*", re.M)
LONGEST = 12  # lines to write in a function


@dataclass
class Exercise:
    """A coding exercise: its name ("1a"), the cells of its solution and test, wrong variants [(old, new)], faults.

    dtype: the float type that the page has set before.
    """

    name: str
    solution: dict
    test: dict | None
    wrong: list
    dtype: torch.dtype
    faults: list[str] = field(default_factory=list)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def exercises(notebook):
    """The coding exercises of a notebook in their order, each with what is wrong with its cells."""
    cells, found = notebook.cells, []
    for i, cell in enumerate(cells):
        if cell.cell_type == "code" and "solution" in tags(cell):
            after = cells[i + 1] if i + 1 < len(cells) else None
            test = after if after is not None and "test" in tags(after) else None
            back = i - 1
            while back > 0 and cells[back].cell_type == "markdown" and "exercise" not in tags(cells[back]):
                back -= 1
            stated = STATED.findall(cells[back].source) if "exercise" in tags(cells[back]) else []
            name = stated[-1] if stated else "?"
            wrong = cell.metadata.get("course", {}).get("wrong", [])
            double = any("set_default_dtype(torch.float64)" in earlier.source for earlier in cells[:i])
            exercise = Exercise(name, cell, test, wrong, torch.float64 if double else torch.float32)
            hinted = "hint" in tags(cells[i - 1]) and cells[i - 1].source.startswith(":::{dropdown} Hint")
            exercise.faults = [
                *["no cell tagged exercise before it, with Markdown alone between"] * (not stated),
                *["the cell before it is no hint (:::{dropdown} Hint)"] * (not hinted),
                *["the cell after it is no test"] * (test is None),
                *["fewer than two wrong variants"] * (len(wrong) < 2),
                *[f"{old!r} does not occur once" for old, _ in wrong if cell.source.count(old) != 1],
                *solution_faults(cell.source),
                *(test_faults(test) if test else []),
            ]
            found.append(exercise)
    return found


def methods(node):
    """A definition's functions: itself, or the methods of a class."""
    within = node.body if isinstance(node, ast.ClassDef) else [node]
    return [each for each in within if isinstance(each, ast.FunctionDef)]


def body(node):
    """The statements of a function behind its docstring."""
    return node.body[1:] if ast.get_docstring(node) is not None else node.body


def lines(node, source):
    """How many lines a student writes: those of the body with code on them."""
    if not body(node):
        return 0
    between = source.splitlines()[body(node)[0].lineno - 1 : node.end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in between)


def solution_faults(source):
    nodes, found = ast.parse(source).body, []
    if any(not isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes):
        return ["a solution holds functions and classes, nothing else"]
    for node in nodes:
        text = "".join(ast.get_docstring(n) or "" for n in {node, *methods(node)})
        found += [f"{node.name}: no worked value in the docstring"] * (not re.search(r"\d", text))
        found += [f"{node.name}: no docstring"] * (ast.get_docstring(node) is None)
        for each in methods(node):
            public = not each.name.startswith("_")
            found += [f"{node.name}.{each.name}: no docstring"] * (public and ast.get_docstring(each) is None)
            found += [f"{each.name}: more than {LONGEST} lines to write"] * (lines(each, source) > LONGEST)
    total = sum(lines(each, source) for node in nodes for each in methods(node))
    return found + ["fewer than two lines to write"] * (total < 2)


def test_faults(cell):
    tree = list(ast.walk(ast.parse(cell.source)))
    named = {node.id for node in tree if isinstance(node, ast.Name)}
    asserts = [node for node in tree if isinstance(node, ast.Assert)]
    return [
        *["its test is not tagged hide-input"] * ("hide-input" not in tags(cell)),
        *[f"its test uses {name}" for name in sorted(named & {"run", "open"})],
        *[f"an assert of its test says nothing: {ast.unparse(node.test)}" for node in asserts if node.msg is None],
    ]


def stubs(exercise):
    """Name of a function or method → the solution in which that one is unwritten, and what it then raises."""
    tree, found = ast.parse(exercise.solution.source), {}
    for each in (function for node in tree.body for function in methods(node)):
        written, said = each.body, f"Exercise {exercise.name}: write {each.name}"
        docstring = written[: len(written) - len(body(each))]
        each.body = docstring + ast.parse(f"raise NotImplementedError({said!r})").body
        found[each.name] = ast.unparse(tree), said
        each.body = written
    return found


def verdict(slug, page, exercise, solution):
    """What the exercise's test raises where the student's cell says `solution`, None where it passes.

    page: what the page defines before the solution; it stands afterwards as before.
    """
    before = dict(page)
    displays.begin(slug)
    checks.reset()
    torch.set_default_dtype(exercise.dtype)
    torch.manual_seed(0)
    np.random.seed(0)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for name, source in ((exercise.solution.id, solution), (exercise.test.id, exercise.test.source)):
                exec(compile(source, f"{slug}:{name}", "exec"), page)
    except Exception as fault:
        return fault
    finally:
        page.clear()
        page.update(before)
        torch.set_default_dtype(torch.float32)
        checks.reset()
    return None


def judged(slug, exercise):
    """What is wrong with the exercise's test: it refuses the solution, passes what is wrong, or says no value."""
    found, page = [], vars(definitions(slug, before=exercise.solution.id))
    if fault := verdict(slug, page, exercise, exercise.solution.source):
        found.append(f"its own solution fails: {type(fault).__name__}: {fault}")
    for old, new in exercise.wrong:
        fault = verdict(slug, page, exercise, exercise.solution.source.replace(old, new))
        if fault is None:
            found.append(f"passes with {new!r} in the place of {old!r}")
        elif not isinstance(fault, AssertionError):
            found.append(f"{new!r}: no assertion fails, but {type(fault).__name__}: {fault}")
        elif not re.search(r"\d", re.sub(r"\b\d+[a-z]\b", "", str(fault))):
            found.append(f"{new!r}: the message holds no value: {fault}")
    for name, (stub, said) in stubs(exercise).items():
        fault = verdict(slug, page, exercise, stub)
        if not (isinstance(fault, NotImplementedError) and str(fault) == said):
            found.append(f"{name} unwritten: {type(fault).__name__}: {fault}, not {said!r}")
    return found
