"""What pages display is what their checks read: every equation, every member, and the published record says so."""

import displays_of_pages
import nbformat
import pytest
from conftest import ROOT

from helpers.comparison import Comparison
from helpers.formulas.displays import labelled
from helpers.press import pages
from helpers.press.sources import Repository

REPOSITORY = Repository(ROOT)


def members(call):
    """The members of a display, as its check reads them, parsed at its first point."""
    point = call.arguments["at"][0]
    point = point if isinstance(point, tuple) else (point,)
    comparison = Comparison(call.label)
    comparison.at(point, call.latex, call.arguments["truth"], call.arguments["names"], None, None, ())
    return comparison.display.members


@pytest.fixture(params=REPOSITORY.slugs(), scope="module")
def read(request):
    """slug, and label → (its call, the members of its display)."""
    with displays_of_pages.calls(request.param) as calls:
        return request.param, {call.label: (call, members(call)) for call in calls}


def test_every_derived_equation_is_read_in_full(read):
    slug, found = read
    source = REPOSITORY.source(slug).notebook
    derived = [cell for cell in source.cells if "definition" not in cell.metadata.get("tags", [])]
    assert sorted(found) == sorted(label for label, _ in labelled(derived)), "each once, and none transcribed"
    for label, (call, parts) in found.items():
        assert call.arguments["skip"] == (), label
        assert {member.kind for member in parts} & {"read", "given"}, label
        assert any(member.kind == "read" for member in parts), f"{label}: nothing of it is read"


def test_the_published_record_counts_the_members_that_are_read(read):
    slug, found = read
    path = REPOSITORY.pages / f"{slug}.ipynb"
    if not path.exists():
        pytest.skip("not published")
    checks = pages.load(path)[1]["checks"]
    assert {label: check["read"] for label, check in checks.items()} == {
        label: sum(member.kind == "read" for member in parts) for label, (_, parts) in found.items()
    }
    assert not any(check["transcribed"] or check["skipped"] for check in checks.values())


def test_a_page_whose_display_says_something_else_is_stale(tmp_path):
    slug = REPOSITORY.slugs()[0]
    source, page = REPOSITORY.source(slug), nbformat.read(REPOSITORY.pages / f"{slug}.ipynb", as_version=4)
    assert pages.display_changes(source, page) == []
    cell = next(cell for cell in source.notebook.cells if "(eq-ce-gradient)" in cell.source)
    for old, new, reasons in (
        (r"\hat y - y \qquad \text{if }", r"\hat y  -  y\, \qquad \text{whenever }", []),  # spacing, a remark
        (r"\hat y - y \qquad", r"\hat y + y \qquad", ["display eq-ce-gradient changed"]),
    ):
        before, cell.source = cell.source, cell.source.replace(old, new)
        assert before != cell.source
        assert pages.display_changes(source, page) == reasons
        cell.source = before
