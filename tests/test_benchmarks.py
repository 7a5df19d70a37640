"""The benchmarks compare equal work: both ways find the same, and a difference would be refused."""

import ast
import importlib
import inspect
import json
import sys
import types

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT
from contract import calls
from test_notebooks import code

from benchmarks import _call, xor_inits
from benchmarks.__main__ import main, names
from benchmarks._call import once
from helpers import numbers
from helpers.press.sources import Repository


def moved(part):
    """An array or a number, moved by a twentieth of its size."""
    return part + 0.05 * np.abs(part).max()


@pytest.mark.parametrize("name", names())
def test_both_ways_find_the_same_and_a_difference_is_refused(name):
    module = importlib.import_module(f"benchmarks.{name}")  # here: its data is read at import, with an empty root
    homework, book = (once(module, way, quick=True)[0] for way in ("homework", "book"))
    module.same(homework, book)
    for i, part in enumerate(book):
        with pytest.raises(AssertionError):
            module.same(homework, [*book[:i], moved(part), *book[i + 1 :]])


@pytest.mark.parametrize("name", names())
def test_both_ways_are_functions_of_the_page(name):
    module = importlib.import_module(f"benchmarks.{name}")
    notebook = nbformat.read(ROOT / "notebooks" / f"{module.PAGE}.ipynb", as_version=4)
    for way in ("homework", "book"):
        function = inspect.unwrap(module.WAYS[way])
        page, _, cell = function.__code__.co_filename.partition(":")
        (source,) = (c.source for c in notebook.cells if c.id == cell)
        defined = [node for node in ast.parse(source).body if getattr(node, "name", "") == function.__name__]
        assert page == module.PAGE
        assert len(defined) == 1, "the page defines it once"
        assert function.__code__.co_firstlineno == defined[0].lineno - len(defined[0].decorator_list)


def test_only_the_last_calls_are_in_the_clock(monkeypatch):
    """Imports, set-up, arguments and the first call on less work come before; every call gets arguments of its own."""
    log, clock = [], iter(range(1000))

    def begin(way, quick):
        log.append(f"arguments of {way}" + " in small" * quick)
        return ([],)

    def work(collected):
        log.append("work")
        collected.append(1)
        return len(collected)

    toy = types.SimpleNamespace(set_up=lambda: log.append("set up"), begin=begin, WAYS={"book": work})
    monkeypatch.setitem(sys.modules, "benchmarks.toy", toy)
    monkeypatch.setattr(_call.time, "perf_counter", lambda: log.append("clock") or next(clock))
    found, seconds, peak = _call.call("toy", "book", quick=False)
    assert (found, seconds) == (1, 1)
    rehearsal = ["set up", "arguments of book in small", "clock", "work", "clock"]
    assert log == rehearsal + _call.ENOUGH.__ceil__() * ["arguments of book", "clock", "work", "clock"]
    assert peak > 1


@pytest.mark.parametrize("name", names())
def test_the_metric_is_one_that_the_page_records(name):
    module = importlib.import_module(f"benchmarks.{name}")
    notebook = nbformat.read(ROOT / "notebooks" / f"{module.PAGE}.ipynb", as_version=4)
    recorded = {
        getattr(call.args[0], "value", None)
        for cell in code(notebook)
        for call in calls(cell.source, "record")
        if call.args
    }
    assert module.METRIC in recorded
    assert module.GOAL > 1


def test_the_results_hold_every_benchmark():
    rows = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))["benchmarks"]
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names()]
    assert {(row["page"], row["metric"]) for row in rows} == {(module.PAGE, module.METRIC) for module in modules}
    for row in rows:
        assert row["ratio_min"] <= row["ratio"] <= row["ratio_max"], row["title"]


def test_without_real_data_nothing_is_timed_for_the_record():
    result = CliRunner().invoke(main, ["xor_inits"])
    assert result.exit_code == 1
    assert 'mnist is not there, and timings on a stand-in would mean nothing: run "make data"' in result.output


def test_the_published_pages_time_the_same_work():
    """A benchmark takes whole epochs and all movies; so does the full profile (0 stands for all)."""
    full = Repository(ROOT).profile_entry
    assert full("03_mnist_from_scratch")["timed_images"] == 0
    assert full("04_mnist_logistic")["speed_size"] == 0
    assert full("12_collaborative_filtering")["timed_ratings"] == 0
    assert full("11_movie_embeddings")["timed_movies"] > 9_742  # what MovieLens has
    assert len(xor_inits.begin("book", quick=False)[0]) == full("02_xor_in_numpy")["num_inits"]


def test_the_table_sets_the_pages_own_figure_beside_the_benchmarks(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(ROOT / "book" / "_extensions")
    table = importlib.import_module("course_tables").benchmarks_table(Repository(ROOT)).splitlines()
    for name in names():
        module = importlib.import_module(f"benchmarks.{name}")
        page = json.loads((ROOT / "book" / "results.json").read_text(encoding="utf-8"))["assignments"][module.PAGE]
        own = f"| [{numbers.number(page['timings'][module.METRIC], 3)}](assignments/{module.PAGE}.ipynb) |"
        assert len([line for line in table if own in line]) == 1, name
