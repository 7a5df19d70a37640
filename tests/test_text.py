"""Text from data reaches pages as text: no character of a title is markup, in prose, tables, claims and figures."""

import csv
import itertools
import re
import shutil

import matplotlib.pyplot as plt
import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from helpers import plots
from helpers.datasets import movielens
from helpers.press import book, execution, pages
from helpers.press.sources import Repository
from helpers.text import as_label, as_markdown

EXTENSIONS = "amsmath colon_fence deflist dollarmath substitution tasklist attrs_block attrs_inline"
ODD = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<iframe src="https://example.org"></iframe>',
    "</td></tr></table><h1>",
    "<!-- c",
    "[click](javascript:alert(1))",
    "https://example.org www.example.org",
    r"$\href{javascript:alert(1)}{x}$",
    r"$\frac$ and $x$",
    "one $ alone",
    r"\(x^2\) \begin{align}x\end{align}",
    "a | b || c",
    "two\nlines\r\n\r\n# Heading",
    "`tick` `` ```",
    "{eq}`nowhere`",
    "{cite}`nobody`",
    "{{ nothing }}",
    "**bold** *it* _u_ ~~s~~",
    "&lt;b&gt; &amp; &#60; &nbsp;",
    "🎬 🏳️‍🌈 映画",
    "مرحبا",
    "[^1]: note",
    "(target)=",
    "- item",
    "% comment",
    ":::{note}",
    "+++",
    "a^2^ {.class #id}",
)
ASKED = ("Apollo 13 (1995)", "Toy Story (1995)", "Home Alone (1990)")  # by the pages


def html(markdown):
    """What the book's Markdown parser makes of `markdown`."""
    parser = create_md_parser(MdParserConfig(enable_extensions=set(EXTENSIONS.split())), RendererHTML)
    return BeautifulSoup(parser.render(markdown), "html.parser")


@pytest.mark.parametrize("odd", [*ODD, " ".join(ODD), "".join(map(chr, range(33, 127)))])
def test_a_title_is_shown_as_it_is_and_makes_no_markup(odd):
    text, line = as_markdown(odd), " ".join(odd.split())
    page = html(f"So {text}, **{text}**: “{text}”.\n\n| {text} | b |\n|:--|--:|\n| **{text}** | {text} · {text} |\n")
    paragraph, table = page.find_all(["p", "table"])
    assert paragraph.get_text() == f"So {line}, {line}: “{line}”."
    assert [cell.get_text() for cell in table.find_all(["th", "td"])] == [line, "b", line, f"{line} · {line}"]
    known = {"p", "strong", "span", "table", "thead", "tbody", "tr", "th", "td"}
    assert {tag.name for tag in page.find_all()} <= known
    assert all(set(tag.attrs) <= {"class", "style"} for tag in page.find_all())
    assert all(tag.get_text() in "$\\" for tag in page.find_all("span"))  # so that MathJax sees no pair


def test_usual_titles_stay_readable():
    assert as_markdown("American President, The (1995)") == "American President, The (1995)"
    assert as_markdown("Amélie (2001)") == "Amélie (2001)"
    assert as_markdown(ValueError("no movie\n is")) == "no movie is"


@pytest.mark.parametrize("odd", ODD)
def test_a_figure_shows_a_title_without_maths(odd):
    plots.use_style()
    figure, ax = plt.subplots()
    label = ax.set_title(as_label(odd))
    figure.canvas.draw()
    shown, is_maths = label._preprocess_math(label.get_text())
    plt.close(figure)
    assert (shown, bool(is_maths)) == (" ".join(odd.split()), False)


def hostile(root):
    """The stand-in's ratings as files in which titles are what a title should not be; what pages show of these."""
    standin, odd = movielens.load("standin"), itertools.cycle([*ODD, " ".join(ODD)])
    titles = [title if title in ASKED else f"{next(odd)} {title}" for title in standin.titles]
    titles[-5:] = [f"Toy Story {i} ({' '.join(ODD)})" for i in range(2, 7)]  # what an unknown title is answered with
    folder = root / "ml-latest-small"
    folder.mkdir()
    with open(folder / "movies.csv", "w", newline="", encoding="utf-8") as file:
        rows = zip(standin.movie_ids.tolist(), titles, map("|".join, standin.genres), strict=True)
        csv.writer(file).writerows([("movieId", "title", "genres"), *rows])
    columns = standin.user_ids[standin.users], standin.movie_ids[standin.movies], standin.values, standin.timestamps
    with open(folder / "ratings.csv", "w", newline="", encoding="utf-8") as file:
        rows = zip(*(column.tolist() for column in columns), strict=True)
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *rows])
    return {" ".join(form.split()) for title in titles for form in (title, title.split(" (")[0])}


def rendered(folder, slug, ran):
    """The page and the table of claims of a book of this page alone, which builds without a warning."""
    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("assignments", "results.json"))
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copy(ROOT / "_config.yml", folder)
    chapters = f"chapters:\n  - file: references\n  - file: assignments/{slug}\n"
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: claims\n{chapters}", encoding="utf-8")
    repository = Repository(folder)
    (folder / "book" / "assignments").mkdir()
    source = repository.source(slug)
    pages.place(repository, slug, pages.prepare(source, ran, pages.stamp(source, {})))
    site = book.build(repository, folder / "build" / "html").parent
    files = site / "assignments" / f"{slug}.html", site / "claims.html"
    return [BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser").find("article") for file in files]


LESS = {
    "11_movie_embeddings": {"replay_movies": 300, "timed_movies": 200, "sweeps": 2},
    "12_collaborative_filtering": {"num_points": 5, "autograd_ratings": 1_000, "als_factors": [4, 8], "als_sweeps": 2},
}


@pytest.mark.parametrize("slug", LESS)
def test_a_page_shows_what_titles_say_and_does_nothing_of_it(slug, data_root, tmp_path):
    known = hostile(data_root)
    path = ROOT / "notebooks" / f"{slug}.ipynb"
    outcome = execution.execute(execution.Task(slug, path, tmp_path / path.name, {**LESS[slug], "data": "real"}))
    assert outcome.error == ""
    page, claims = rendered(tmp_path / "clone", slug, nbformat.read(tmp_path / path.name, as_version=4))
    for article in (page, claims):
        assert not [script for script in article.find_all("script") if "alert" in script.get_text()]
        assert article.select("iframe, [onerror], a[href^=javascript], a[href*='example.org'], .problematic") == []
        for table in article.find_all("table"):
            lengths = [sum(int(cell.get("colspan", 1)) for cell in row.find_all(["th", "td"])) for row in table("tr")]
            assert len(set(lengths)) == 1, table
    cells = {part for cell in page.find_all("td") for part in re.split(" · |; (?=\\S)", cell.get_text())}
    assert len(cells & known) >= 20
