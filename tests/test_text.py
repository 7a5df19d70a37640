"""Text from data reaches pages as text: no character of a title is markup, in prose, tables, claims and figures."""

import csv
import itertools
import shutil
import warnings

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
ASKED = {  # by the pages, which find titles without what stands in parentheses
    "Toy Story (1995)": "Toy Story (1995)",
    "Apollo 13 (1995)": "Apollo 13 (<b> | {eq}`x` $x$) (1995)",
    "Home Alone (1990)": "Home Alone (</td> | **) (1990)",
}


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
    with warnings.catch_warnings(record=True) as warned:
        plots.use_style()
        figure, ax = plt.subplots()
        label = ax.set_title(as_label(odd))
        figure.canvas.draw()
    assert warned == []  # a page that writes to stderr is no page
    shown, is_maths = label._preprocess_math(label.get_text())
    plt.close(figure)
    assert (shown, bool(is_maths)) == (" ".join(odd.split()), False)


def hostile(root, ratings):
    """Write the ratings as files in which titles are what a title should not be; returns what pages show of these."""
    odd, more = itertools.cycle(ODD), range(max(0, 1_000 - ratings.num_movies))
    titles = [r"$\frac$ " * (i % 2) + f"{next(odd)} {title}" for i, title in enumerate(ratings.titles)]
    for title, shown in ASKED.items():
        titles[ratings.titles.index(title)] = shown
    titles += [f"{next(odd)} {i}" for i in more]
    titles[-1] = titles[0]
    movie_ids = ratings.movie_ids.tolist()
    movie_ids += [max(movie_ids) + 1 + i for i in more]
    genres = ["|".join(kinds) or "(no genres listed)" for kinds in ratings.genres] + ["Western"] * len(more)
    folder = root / "ml-latest-small"
    folder.mkdir()
    with open(folder / "movies.csv", "w", newline="", encoding="utf-8") as file:
        rows = zip(movie_ids, titles, genres, strict=True)
        csv.writer(file).writerows([("movieId", "title", "genres"), *rows])
    columns = ratings.user_ids[ratings.users], ratings.movie_ids[ratings.movies], ratings.values, ratings.timestamps
    with open(folder / "ratings.csv", "w", newline="", encoding="utf-8") as file:
        rows = zip(*(column.tolist() for column in columns), strict=True)
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *rows])
    return {" ".join(title.split(" (")[0].split()) for title in titles}


def rendered(folder, slug, ran):
    """The page and the table of claims of a book of this page alone, which builds without a warning."""
    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("assignments", "results.json"))
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copy(ROOT / "_config.yml", folder)
    slugs = Repository(ROOT).slugs()
    chapters = "".join(f"  - file: {name}\n" for name in ("references", *(f"assignments/{each}" for each in slugs)))
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: claims\nchapters:\n{chapters}", encoding="utf-8")
    repository = Repository(folder)
    (folder / "book" / "assignments").mkdir()
    for other in {*slugs} - {slug}:  # a page may link to another
        (folder / "book" / "assignments" / f"{other}.md").write_text("# Another page\n", encoding="utf-8")
    source = repository.source(slug)
    pages.place(repository, slug, pages.prepare(source, ran, pages.stamp(source, {})))
    site = book.build(repository, folder / "build" / "html").parent
    files = site / "assignments" / f"{slug}.html", site / "claims.html"
    return [BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser").find("article") for file in files]


LESS = {
    "11_movie_embeddings": {"replay_movies": 300, "timed_movies": 200, "sweeps": 2},
    "12_collaborative_filtering": {"num_points": 5, "autograd_ratings": 1_000, "als_factors": [4], "als_sweeps": 2},
}


def looked_at(slug, values, known, folder):
    """Run the page on the files under $COURSE_DATA, render it, and look for what titles did."""
    path = ROOT / "notebooks" / f"{slug}.ipynb"
    outcome = execution.execute(execution.Task(slug, path, folder / path.name, {**values, "data": "real"}))
    assert outcome.error == ""
    ran = nbformat.read(folder / path.name, as_version=4)
    page, claims = rendered(folder / "clone", slug, ran)
    for article in (page, claims):
        assert not [script for script in article.find_all("script") if "alert" in script.get_text()]
        assert article.select("iframe, [onerror], a[href^=javascript], a[href*='example.org'], .problematic") == []
        for table in article.find_all("table"):
            lengths = [sum(int(cell.get("colspan", 1)) for cell in row.find_all(["th", "td"])) for row in table("tr")]
            assert len(set(lengths)) == 1, table
    outputs = [output.data.get("text/markdown", "") for output in outputs_of(ran) if "data" in output]
    written = {title for title in known if any(as_markdown(title) in markdown for markdown in outputs)}
    text = straight(" ".join(page.get_text().split()))
    assert len(written) >= 10  # there is something to look for
    assert [title for title in sorted(written) if straight(title) not in text] == []


def straight(text):
    """Sphinx turns quotes, as printers do, and changes nothing else."""
    return text.translate(str.maketrans("‘’“”", "''\"\""))


def outputs_of(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("slug", LESS)
def test_a_page_shows_what_titles_say_and_does_nothing_of_it(slug, data_root, tmp_path):
    known = hostile(data_root, movielens.load("standin"))
    looked_at(slug, LESS[slug], known, tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("slug", LESS)
def test_all_real_titles_may_be_odd(slug, data_root, tmp_path, monkeypatch):
    ratings = movielens.load("real")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    looked_at(slug, {}, hostile(tmp_path, ratings), tmp_path)
