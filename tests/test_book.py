"""The built book, file by file: it builds without a warning, loads nothing from outside, and every link arrives."""

import json
import re
import shutil
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from contract import ROLE, TYPED
from filelock import FileLock
from pybtex.database import parse_file

from helpers.press import book, pages
from helpers.press.sources import Refused, Repository

REPOSITORY = Repository(ROOT)


@pytest.fixture(scope="session")
def site(shared_folder):
    """The folder of the built book, built once a session."""
    target = shared_folder / "html"
    with FileLock(f"{target}.lock"):
        if not target.exists():
            book.build(REPOSITORY, target)
    return target


@pytest.fixture(scope="session")
def documents(site):
    """file → parsed document."""
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in site.rglob("*.html")}


def test_every_page_of_the_table_of_contents_is_there(site):
    wanted = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert len(wanted) >= 6
    assert [name for name in wanted if not (site / f"{name}.html").is_file()] == []


def test_nothing_is_loaded_from_outside(site, documents):
    outside = []
    for path, document in documents.items():
        for tag, attribute in (
            ("script", "src"),
            ("link", "href"),
            ("img", "src"),
            ("iframe", "src"),
            ("source", "src"),
        ):
            for element in document.find_all(tag):
                if element.get("rel") in (["canonical"], ["author"]):
                    continue
                if urlsplit(element.get(attribute) or "").netloc:
                    outside.append(f"{path.name}: {element[attribute]}")
    for sheet in site.rglob("*.css"):
        outside += re.findall(r"(?:@import|url\()\s*['\"]?https?://[^)]*", sheet.read_text(encoding="utf-8"))
    assert outside == []


def test_every_internal_link_arrives(site, documents):
    def anchors_of(document):
        named = {element["name"] for element in document.find_all("a", attrs={"name": True})}
        return named | {element["id"] for element in document.find_all(id=True)}

    anchors = {path: anchors_of(document) for path, document in documents.items()}
    lost = []
    for path, document in documents.items():
        for link in document.find_all("a", href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                lost.append(f"{path.name}: {link['href']}")
            elif parts.fragment and target in anchors and unquote(parts.fragment) not in anchors[target]:
                lost.append(f"{path.name}: {link['href']}")
    assert lost == []


def test_every_picture_says_what_it_shows(documents):
    for path, document in documents.items():
        for image in document.find_all("img"):
            alt = image.get("alt")
            assert alt, f"{path.name}: {image.get('src')}"
            assert not re.search(r"\.(png|svg|jpe?g)$", alt), f"{path.name}: {alt}"


def test_no_output_is_an_error(documents):
    for path, document in documents.items():
        assert not document.select(".output.traceback"), path.name
        assert not document.select(".output.stderr"), path.name


@pytest.fixture(scope="module")
def found():
    return json.loads(REPOSITORY.results.read_text(encoding="utf-8"))["assignments"]


def test_the_results_page_shows_every_metric_in_words(site, documents, found):
    results = documents[site / "results.html"]
    for slug, record in found.items():
        named = {span["title"] for span in results.select("td span[title]")}
        assert set(record["metrics"]) | set(record["timings"]) <= named, slug
        labelled = {name for name, more in record["details"].items() if "label" in more}
        assert labelled & {code.get_text() for code in results.select("td code")} == set(), slug
    assert found


def test_the_results_begin_with_the_headlines_of_every_page(site, documents, found):
    rows = documents[site / "results.html"].select("#headlines tbody tr")
    linked = [a["href"].removeprefix("assignments/").removesuffix(".html") for row in rows for a in row.select("a")]
    for slug, record in found.items():
        names = [name for name, more in record["details"].items() if more.get("headline")]
        shown = [row.select_one("span[title]")["title"] for row in rows]
        assert set(names) <= set(shown)
        assert linked.count(slug) == len(names) or not names, slug


def test_the_claims_page_links_every_claim(site, documents, found):
    for slug, record in found.items():
        links = documents[site / "claims.html"].select(f'a[href^="assignments/{slug}.html#claim-"]')
        assert len(links) == len(record["claims"]), slug


def test_the_list_of_mistakes_leads_to_every_box_and_shows_its_number(site, documents, found):
    listed = documents[site / "mistakes.html"]
    for slug in found:
        page = documents[site / "assignments" / f"{slug}.html"]
        boxes = page.select("div.admonition[id^=mistake-]")
        links = listed.select(f'a[href^="assignments/{slug}.html#mistake-"]')
        assert [link["href"].partition("#")[2] for link in links] == [box["id"] for box in boxes], slug
        for link, box in zip(links, boxes, strict=True):
            title = box.select_one("p.admonition-title").get_text()
            assert link.get_text() in title
            if title.startswith("A common mistake: "):
                assert link.find_parent("tr").select("td")[1].get_text().strip(), title
    assert documents[site / "index.html"].select('a[href="mistakes.html"]')


def test_no_number_of_a_page_or_an_equation_is_typed():
    typed = {}
    for path in (ROOT / "book").glob("*.md"):
        prose = ROLE.sub("", re.sub(r"^```.*?^```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.S | re.M))
        typed[path.name] = TYPED.findall(prose)
    assert {name: said for name, said in typed.items() if said} == {}


def test_equation_references_are_resolved(documents):
    for path, document in documents.items():
        article = document.find("article")
        if article:
            assert "{eq}" not in article.get_text(), path.name
            assert "{math}" not in article.get_text(), path.name


def test_the_downloadable_notebook_is_the_page(site):
    for path in sorted(REPOSITORY.pages.glob("*.ipynb")):
        assert (site / "_sources" / "assignments" / path.name).read_bytes() == path.read_bytes()
        assert pages.read(site / "_sources" / "assignments" / path.name).cells


def test_a_fault_in_the_book_is_refused_and_leaves_the_old_book(tmp_path):
    broken = tmp_path / "clone"
    shutil.copytree(ROOT / "book", broken / "book", ignore=shutil.ignore_patterns("assignments"))
    shutil.copy(ROOT / "_config.yml", broken)
    (broken / "_toc.yml").write_text("format: jb-book\nroot: references\n", encoding="utf-8")  # one page: seconds
    faulty = broken / "book" / "references.md"
    faulty.write_text(faulty.read_text(encoding="utf-8") + "\n{ref}`nowhere`\n", encoding="utf-8")
    old = tmp_path / "html"
    old.mkdir()
    (old / "index.html").write_text("old")
    with pytest.raises(Refused, match="nowhere"):
        book.build(Repository(broken), old)
    assert (old / "index.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clone", "html"]


def test_every_reference_can_be_followed():
    found = parse_file(str(ROOT / "book" / "references.bib")).entries
    assert {key for key, entry in found.items() if not {"doi", "url"} & set(entry.fields)} == set()
    urls = [entry.fields["url"] for entry in found.values() if "url" in entry.fields]
    assert [url for url in urls if not url.startswith("https://")] == []
