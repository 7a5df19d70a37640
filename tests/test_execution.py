"""Every notebook runs, with its quick profile, on stand-ins, once; the other tests share the executed copy."""

import ast
import re

import nbformat
import pytest
import shown
from conftest import ROOT
from contract import calls, titles
from filelock import FileLock
from nbmake.nb_run import NotebookRun
from test_notebooks import code, equations

from helpers.press import execution, pages
from helpers.press.sources import Repository

SLUGS = Repository(ROOT).slugs()
TIMEOUT = 300  # seconds a cell


@pytest.fixture
def executed(shared_folder, monkeypatch):
    """slug → the notebook as nbmake executed it, once a session, as strictly as the press does."""

    def run(slug):
        copy = shared_folder / f"{slug}.ipynb"
        with FileLock(f"{copy}.lock"):
            if not copy.exists():
                with monkeypatch.context() as context:
                    context.setenv("COURSE_STRICT", "1")
                    context.setenv("TQDM_DISABLE", "1")  # as the press does: bars are no part of a page
                    context.setenv("COURSE_DATA", str(shared_folder))  # no data, but the steps that were computed
                    result = NotebookRun(ROOT / "notebooks" / f"{slug}.ipynb", TIMEOUT, kernel="python3").execute()
                assert result.error is None, f"{result.error.summary}\n{result.error.trace}"
                nbformat.write(result.nb, copy)
        return nbformat.read(copy, as_version=4)

    return run


@pytest.mark.parametrize("slug", SLUGS)
def test_the_quick_profile_runs_on_stand_ins(executed, slug):
    notebook = executed(slug)
    record = pages.record(notebook)
    source = Repository(ROOT).source(slug)
    assert record["profile"] == "quick"
    assert set(source.datasets) <= set(record["data"])
    assert all(record["data"][name] == "stand-in" for name in source.datasets)
    assert [claim["text"] for claim in record["claims"] if claim["verdict"] == "fails"] == []
    assert any(claim["verdict"] == "holds" for claim in record["claims"])


@pytest.mark.parametrize("slug", SLUGS)
def test_every_formula_was_checked_in_the_run(executed, slug):
    shown = "\n".join(
        output["data"].get("text/html", "")
        for cell in code(executed(slug))
        for output in cell.outputs
        if "data" in output
    )
    passed = set(re.findall(r"✔ equation <code>(eq-[\w-]+)</code> read as displayed", shown))
    derived = {label for label, is_definition in equations(executed(slug)).items() if not is_definition}
    assert passed == derived


@pytest.mark.parametrize("slug", SLUGS)
def test_every_figure_has_an_alternative_text_and_a_caption(executed, slug):
    figures = 0
    for cell in code(executed(slug)):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if kinds & {"image/png", "image/svg+xml", "image/jpeg"}:
            figures += 1
            mystnb = cell.metadata.get("mystnb", {})
            alt = mystnb.get("image", {}).get("alt", "")
            assert len(alt) > 40, cell.id
            assert not re.search(r"\.(png|svg)$", alt), cell.id
            assert len(mystnb.get("figure", {}).get("caption", "")) > 20, cell.id
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], cell.id
    assert figures


@pytest.mark.parametrize("slug", SLUGS)
def test_the_record_has_what_the_results_page_shows(executed, slug):
    record = pages.record(executed(slug))
    recorded = [call for cell in code(executed(slug)) for call in calls(cell.source, "record")]
    names = {call.args[0].value for call in recorded if isinstance(call.args[0], ast.Constant)}
    assert names <= set(record["metrics"]) | set(record["timings"])
    assert set(record["details"]) <= set(record["metrics"]) | set(record["timings"])
    assert not set(record["metrics"]) & set(record["timings"])
    assert all(name in record["timings"] for name in names if name.endswith("_speedup"))
    assert sorted(record["mistakes"]) == sorted(titles(executed(slug)))


@pytest.mark.parametrize("slug", SLUGS)
def test_numbers_are_written_one_way(executed, slug):
    if said := shown.odd_numbers(executed(slug)):
        pytest.fail("\n".join(said), pytrace=False)


@pytest.mark.real_data
@pytest.mark.parametrize("slug", [slug for slug in SLUGS if Repository(ROOT).source(slug).datasets])
def test_the_quick_profile_runs_on_real_data(slug, tmp_path):
    path = ROOT / "notebooks" / f"{slug}.ipynb"
    outcome = execution.execute(execution.Task(slug, path, tmp_path / path.name, {"data": "real"}))
    assert outcome.error == ""
    assert pages.is_real(outcome.record)
    assert set(Repository(ROOT).source(slug).datasets) <= set(outcome.record["data"])
    assert [claim["text"] for claim in outcome.record["claims"] if claim["verdict"] == "fails"] == []
