"""The benchmarks compare equal work: both ways find the same, and a difference would be refused."""

import importlib
import json

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT
from test_notebooks import calls, code

from benchmarks.__main__ import main, names


def moved(found, by):
    """`found` with every array and number in it moved by `by`."""
    if isinstance(found, list | tuple):
        return type(found)(moved(part, by) for part in found)
    return found + by


@pytest.mark.parametrize("name", names())
def test_both_ways_find_the_same_and_a_difference_is_refused(name):
    module = importlib.import_module(f"benchmarks.{name}")  # here: its data is read at import, with an empty root
    homework, book = module.homework(True), module.book(True)
    module.same(homework, book)
    with pytest.raises(AssertionError):
        module.same(homework, moved(book, np.float32(0.01)))


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
