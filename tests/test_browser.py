"""The built book in Chromium: no request leaves, no script fails, maths is set, search finds, a phone can read it."""

import functools
import http.server
import re
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import CHROMIUM, ROOT
from playwright.sync_api import sync_playwright
from test_book import documents, site  # noqa: F401

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install Debian's package chromium"),
    pytest.mark.xdist_group("browser"),
]
WIDE = {"width": 1400, "height": 900}
NAMES = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
KNOWN_ERRORS = ("Got invalid theme mode",)
# The theme's own, on every page, in bibliographies and in data frames.
KNOWN_VIOLATIONS = {"region", "aria-required-children", "empty-table-header"}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # all that another scheme can change
KNOWN_ROLE = 'role="doc-biblioentry"'  # docutils writes it into bibliographies


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):  # noqa: F811
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visit(browser, address):
    """visit(name, scheme) → (page, requests to elsewhere, script errors)."""
    contexts = []

    def go(name, scheme="light"):
        context = browser.new_context(viewport=WIDE, color_scheme=scheme)
        contexts.append(context)
        page, outside, errors = context.new_page(), [], []
        page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else outside.append(r.url))
        page.on("pageerror", lambda e: None if str(e).startswith(KNOWN_ERRORS) else errors.append(str(e)))
        page.goto(f"{address}/{name}.html")
        page.wait_for_load_state("networkidle")
        if page.locator(".math").count():
            page.wait_for_selector("mjx-container", timeout=30_000, state="attached")
            page.wait_for_function("window.MathJax.startup.promise.then(() => true)")
        return page, outside, errors

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="module", params=NAMES)
def visited(visit, request):
    """Every page of the book, opened once for the tests that only look: setting the maths takes seconds."""
    page, outside, errors = visit(request.param)
    yield page, outside, errors
    page.close()


def test_a_page_stands_alone_and_sets_its_maths(visited):
    page, outside, errors = visited
    assert outside == []
    assert errors == []
    set_, wanted = page.locator("mjx-container").count(), page.locator(".math").count()
    assert set_ == wanted
    assert page.locator("mjx-merror").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_accessible(visited, scheme):
    page, _, _ = visited
    page.emulate_media(color_scheme=scheme)
    page.wait_for_selector(f'html[data-theme="{scheme}"]', state="attached")
    page.wait_for_function("document.getAnimations().every(each => each.playState === 'finished')")  # colours fade over
    only = {"runOnly": COLOURS} if scheme == "dark" else {}
    found = Axe().run(page, options={"resultTypes": ["violations"], **only}).response["violations"]
    new = {}
    for violation in found:
        nodes = [node["html"][:160] for node in violation["nodes"] if KNOWN_ROLE not in node["html"]]
        if nodes and violation["id"] not in KNOWN_VIOLATIONS:
            new[violation["id"]] = nodes[:3]
    assert new == {}


def test_a_page_fits_a_phone(visited):
    page, _, _ = visited
    page.set_viewport_size({"width": 390, "height": 900})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(WIDE)
    assert width <= 390


def test_dark_mode_is_dark(visit):
    def ground(scheme):
        page, _, _ = visit("index", scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    assert ground("dark") < 150 < 600 < ground("light")


def test_search_finds_a_word_of_a_page(visit):
    page, outside, errors = visit("search")
    page.goto(page.url + "?q=Jacobian")
    page.wait_for_selector("#search-results li a")
    links = page.eval_on_selector_all("#search-results li a", "links => links.map(link => link.href)")
    assert any("01_softmax_and_cross_entropy" in link for link in links)
    assert outside == []
    assert errors == []


def test_the_sidebar_closes_and_the_next_page_is_one_click_away(visit):
    page, _, errors = visit("index")
    page.locator("button.primary-toggle").first.click()
    page.wait_for_timeout(400)
    assert not page.locator(".bd-sidebar-primary").first.is_visible()
    page.locator("a.right-next").click()
    page.wait_for_load_state()
    assert page.url.endswith("how_to_run.html")
    assert errors == []


def test_hidden_inputs_and_folded_solutions_open(visit):
    page, _, _ = visit("assignments/01_softmax_and_cross_entropy")
    hidden = page.locator("details.hide.above-input").first
    assert not hidden.locator("pre").is_visible()
    hidden.locator("summary").click()
    assert hidden.locator("pre").is_visible()
    folded = page.locator(".solution.dropdown").first
    inside = folded.locator("p").nth(1)
    assert not inside.is_visible()
    folded.locator("button, summary").first.click()
    page.wait_for_timeout(400)
    assert inside.is_visible()
