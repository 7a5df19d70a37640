"""The committed pages: fresh, from full runs, within their size, and indexed by book/results.json."""

import json
import math

import nbformat
import pytest
import shown
import yaml
from conftest import ROOT
from contract import titles

from helpers.press import pages
from helpers.press.sources import Repository

REPOSITORY = Repository(ROOT)
SLUGS = REPOSITORY.slugs()


@pytest.fixture(params=SLUGS, scope="module")
def slug(request):
    return request.param


@pytest.fixture(scope="module")
def page(slug):
    return pages.read(REPOSITORY.pages / f"{slug}.ipynb")


def test_the_page_shows_what_its_source_says(slug):
    assert pages.status(REPOSITORY, slug).reasons == []


def test_the_page_comes_from_a_full_run_on_real_data(slug, page):
    nbformat.validate(page)
    record = pages.record(page)
    assert record["profile"] == "full"
    assert set(REPOSITORY.source(slug).datasets) <= set(record["data"])
    assert pages.is_real(record)
    assert {claim["verdict"] for claim in record["claims"]} == {"holds"}, "a full run on real data judges every claim"


def test_the_page_is_small_and_carries_no_trace_of_the_machine(slug, page):
    path = REPOSITORY.pages / f"{slug}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= pages.MAX_BYTES == 600_000
    assert "/root/" not in text
    assert "/home/" not in text
    assert '"papermill"' not in text
    for cell in page.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", cell.id
            assert output.output_type != "error", cell.id


def test_the_record_is_complete(page):
    record = pages.record(page)
    assert set(record["provenance"]) >= {"seed", "device", "threads", "versions", "date", "seconds", "peak_memory_mb"}
    for name, value in (record["metrics"] | record["timings"]).items():
        assert type(value) in (int, float), name
        assert math.isfinite(value), name
    for name, more in record["details"].items():
        value = (record["metrics"] | record["timings"])[name]
        low, high = more.get("interval", (value, value))
        assert low <= value <= high, name
    assert record["provenance"]["peak_memory_mb"] < 6000


def test_every_number_has_its_words_and_the_page_its_headlines(page):
    record = pages.record(page)
    details = record["details"]
    assert [name for name in record["metrics"] | record["timings"] if not details.get(name, {}).get("label")] == []
    labels = [(more.get("group"), more["label"]) for more in details.values()]
    assert sorted({label for label in labels if labels.count(label) > 1}) == [], "two rows of one table say the same"
    headlines = [name for name, more in details.items() if more.get("headline")]
    assert 2 <= len(headlines) <= 5, headlines


def test_the_list_of_mistakes_has_every_box_of_the_page(page):
    assert sorted(pages.record(page).get("mistakes", {})) == sorted(titles(page))


def test_the_page_is_read_in_half_an_hour(page):
    assert shown.visible_words(page) <= shown.MOST_WORDS


def test_numbers_are_written_one_way(page):
    if said := shown.odd_numbers(page):
        pytest.fail("\n".join(said), pytrace=False)


def test_the_index_holds_what_the_pages_hold():
    assert json.loads(REPOSITORY.results.read_text(encoding="utf-8")) == pages.results(REPOSITORY)


def test_the_table_of_contents_lists_every_page_and_no_other():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [c["file"] for part in toc["parts"] for c in part["chapters"] if c["file"].startswith("assignments/")]
    assert listed == [f"assignments/{path.stem}" for path in sorted(REPOSITORY.pages.glob("*.ipynb"))]
