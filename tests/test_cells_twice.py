"""Every code cell run twice in a row, as a reader does who goes back: the same record as of a plain run."""

from copy import deepcopy

import nbformat
import pytest
from conftest import ROOT
from nbmake.nb_run import NotebookRun
from test_execution import SLUGS, TIMEOUT, executed  # noqa: F401

from helpers.press import pages


def twice(notebook):
    """The notebook with every code cell followed by a copy of itself."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            cells.append(deepcopy(cell) | {"id": f"{cell.id}-again"})
    return nbformat.from_dict(notebook | {"cells": cells})


def lasting(record):
    """What of a record does not depend on the clock."""
    return {
        "data": record["data"],
        "metrics": record["metrics"],
        "timings": sorted(record["timings"]),
        "details": {name: more for name, more in record["details"].items() if name not in record["timings"]},
        "claims": [(claim["text"], claim["verdict"]) for claim in record["claims"]],
        "mistakes": set(record["mistakes"]),
    }


@pytest.mark.parametrize("slug", SLUGS)
def test_cells_run_twice_leave_the_record_of_a_plain_run(executed, slug, shared_folder, tmp_path, monkeypatch):  # noqa: F811
    plain = lasting(pages.record(executed(slug)))
    monkeypatch.setenv("COURSE_DATA", str(shared_folder))  # the steps of the plain run are not computed again
    doubled = tmp_path / f"{slug}.ipynb"
    nbformat.write(twice(nbformat.read(ROOT / "notebooks" / doubled.name, as_version=4)), doubled)
    result = NotebookRun(doubled, TIMEOUT, kernel="python3").execute()
    assert result.error is None, f"{result.error.summary}\n{result.error.trace}"
    assert lasting(pages.record(result.nb)) == plain
