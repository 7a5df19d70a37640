"""A page run twice in one process, once with the answers of its test set dealt anew: what changes looks at them."""

import ast
import contextlib
import hashlib
import io
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import torch

from helpers import checks, device
from helpers.run import Run

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
POWERS = r"(?:e-(?:09|[1-9]\d)|\u00a0×\u00a010⁻(?:⁹|[¹²³⁴⁵⁶⁷⁸⁹][⁰¹²³⁴⁵⁶⁷⁸⁹]))"
ROUNDING = re.compile(rf"\b(?:0e\+00|\d(?:\.\d+)?{POWERS})\b")  # the last bit of float64, which depends on the memory


@dataclass(frozen=True)
class Page:
    """How a page is blinded, and what may and must change then.

    measured: metric → the range into which it falls, None where it only changes.  texts: the cells whose computed
    text changes.  results: patterns of the members of steps' results that may change.
    values: parameters that make the page quick.  load: (module of a data set, (what its `load` gives, rng) → what it
    gives instead, smaller, and blind where rng is not None).  Only in the blind run: names: a global of the page →
    (its value, the page's globals, rng) → what stands in its place from then on; inputs: (the inputs of a step, rng)
    → these, blinded.
    """

    measured: dict[str, tuple[float, float] | None]
    texts: str
    results: str = ""
    values: dict = field(default_factory=dict)
    load: tuple = ()
    names: dict[str, Callable] = field(default_factory=dict)
    inputs: Callable | None = None


def run(slug: str, page: Page, rng: np.random.Generator | None) -> dict:
    """What a page records, says, prints, claims and keeps: a name → a number or a text.

    rng: blinds it; None leaves it as it is.  Changes the process it runs in: give it one of its own.
    """
    found = {}
    with contextlib.ExitStack() as undo:
        _listen(undo, found, lambda inputs: page.inputs(inputs, rng) if page.inputs and rng else inputs)
        if page.load:
            module, change = page.load
            _replace(undo, module, "load", lambda data, load=module.load: change(load(data), rng))
        space = {"__name__": "page"}
        for cell in nbformat.read(NOTEBOOKS / f"{slug}.ipynb", as_version=4).cells:
            if cell.cell_type == "code" and cell.source != "run.finish()":
                _execute(cell, f"{slug}:{cell.id}", space, found)
                if "parameters" in cell.metadata.get("tags", []):
                    assert page.values.keys() <= space.keys(), "values of parameters that the page does not have"
                    space |= {"data": "standin"} | page.values
                for name in set(page.names) & _assigned(cell.source) if rng else ():
                    space[name] = page.names[name](space[name], space, rng)
    return found


def _execute(cell, name: str, space: dict, found: dict) -> None:
    found["spoken"] = []
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(cell.source, name, "exec"), space)
    found[f"text {cell.id}"] = ROUNDING.sub("0", "\n".join([*found.pop("spoken"), printed.getvalue()]))
    plt.close("all")


def _listen(undo: contextlib.ExitStack, found: dict, blinded: Callable) -> None:
    """Let `Run` leave in `found` what a page gives it.  Steps run each time, on blinded inputs."""
    record = Run.record

    def recording(self, name, value, **more):
        number = record(self, name, value, **more)
        if not more.get("timing"):
            found[f"metric {name}"] = number if abs(number) > 1e-9 else 0
        return number

    def stage(self, name, inputs, function):
        with device.own_generators(0):
            result = function(**blinded(inputs))
        found.update(_members(f"result {name}", result))
        return result

    def claim(self, text, holds, evidence, needs="anything"):
        found["spoken"] += [text, evidence, str(bool(holds))]

    _replace(undo, Run, "record", recording)
    _replace(undo, Run, "stage", stage)
    _replace(undo, Run, "claim", claim)
    _replace(undo, Run, "mistake", lambda self, title, shown: found["spoken"].append(shown))
    _replace(undo, Run, "say", lambda self, markdown: found["spoken"].append(markdown))
    _replace(undo, Run, "mistake", lambda self, title, shown: found["spoken"].append(shown))
    _replace(undo, checks, "equation", lambda *_, **__: 0.0)  # formulas see no test set, and take time
    _replace(undo, time, "perf_counter", itertools.count().__next__)  # so that durations agree


def _replace(undo: contextlib.ExitStack, owner, name: str, value) -> None:
    undo.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def _members(name: str, value) -> dict[str, str]:
    """What a step returned, down to single numbers; long arrays by their digest."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and (value.ndim == 0 or value.size > 1_000):
        return {name: hashlib.sha256(value.tobytes()).hexdigest()}
    if isinstance(value, dict | list | tuple | np.ndarray):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: text for k, part in parts for key, text in _members(f"{name}/{k}", part).items()}
    return {name: repr(value)}


def _assigned(source: str) -> set[str]:
    """The functions and variables that a cell defines at its top level."""
    nodes = ast.parse(source).body
    stored = {n.id for node in nodes if isinstance(node, ast.Assign) for t in node.targets for n in ast.walk(t)
              if isinstance(n, ast.Name)}  # fmt: skip
    return stored | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
