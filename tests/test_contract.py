"""The rules that every page keeps: the template keeps them, and each refuses what breaks it."""

import contract
import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell


@pytest.fixture
def page():
    return nbformat.read(ROOT / "notebooks/template/NN_slug.ipynb", as_version=4)


def faults(page, change=lambda cells, page: None):
    change({cell.id: cell for cell in page.cells}, page)
    return [fault for rule in contract.RULES for fault in rule(page)]


def test_the_template_keeps_every_rule(page):
    assert faults(page) == []


def source(name, old, new):
    def change(cells, page):
        assert cells[name].source.count(old) == 1, f"{name}: {old}"
        cells[name].source = cells[name].source.replace(old, new)

    return change


def code(text, *tags, after="task-1"):
    def change(cells, page):
        place = page.cells.index(cells[after]) + 1
        page.cells.insert(place, new_code_cell(text, metadata={"tags": [*tags]}, id="new"))

    return change


def text(content, *tags, after="task-1"):
    def change(cells, page):
        place = page.cells.index(cells[after]) + 1
        page.cells.insert(place, new_markdown_cell(content, metadata={"tags": [*tags]}, id="new"))

    return change


def tagged(name, *tags):
    return lambda cells, page: cells[name].metadata.update(tags=[*tags])


def removed(name):
    return lambda cells, page: page.cells.remove(cells[name])


BOX = ":::{admonition} A common mistake: %s\n:class: warning\n\nWrong.\n\n:::"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (source("title", "(#the-answer)", ""), "no link to the answer"),
        (source("task-1", "Task 1:", "Task 2:"), "not numbered from 1"),
        (source("task-1", "## Task 1:", "### Task 1:"), "not numbered from 1"),
        (text("## How it is done"), "after the tasks come"),
        (text("## How it is done", after="parameters"), "the first h2 are not"),
        (text("Words.\n\n## Task 1 · The slope"), "the first h2 are not"),
        (source("results", "What was found", "What I found"), "after the tasks come"),
        (source("references", "## References", "## Where to go on"), "at the end come"),
        (text("## Beyond", after="references"), "at the end come"),
        (tagged("answer", "remove-input"), "code cells tagged answer, not ['answer']"),
        (tagged("answer", "answer"), "one cell says it"),
        (text("And more.", after="answer"), "code cells tagged answer, not ['answer', 'new']"),
        (code("run.say(f'{x}')", "answer", "remove-input", after="answer"), "one cell says it"),
        (code("plot()", "answer", after="answer"), "the figure of the answer is tagged hide-input"),
        (source("answer-head", "## The answer", "## The answer\n\nIt is."), "stands alone in its cell"),
        (text("It is a table.", after="table-results"), "one cell with the table, not ['table-results', 'new']"),
        (source("table-results", "run.say", "print"), "is one run.say of a table"),
        (tagged("table-checks", "remove-input"), "is folded: tag its cell hide-output"),
        (removed("table-checks"), "a cell with checks.table"),
        (source("mistakes", ": the sum in place of the mean", ""), "a title of its own"),
        (source("mistakes", "the sum in place", "a sum in place"), "after the box “a sum in place of the mean”"),
        (source("mistakes", ":class: warning", ":class: note"), ":class: warning"),
        (removed("mistake-sum"), "“the sum in place of the mean” is not shown"),
        (removed("mistakes"), "run.mistake('the sum in place of the mean', …) after the box “None”"),
        (tagged("mistake-sum", "hide-input"), "run.mistake stands in a cell tagged remove-input"),
        (text(BOX % "the sum in place of the mean", after="mistake-sum"), "two boxes are called"),
        (text(BOX % "another", after="mistakes"), "“the sum in place of the mean” is not shown"),
        (text("As on page 03."), "types 'page 03'"),
        (text("As equation (5) says."), "types 'equation (5'"),
        (text("See Exercise 2."), "types 'Exercise 2'"),
        (text("> **Exercise 1c.** More."), "types 'Exercise 1'"),
        (text("> **Exercise 1c.** As Exercise 1a.", "exercise"), "types 'Exercise 1'"),
        (code("run.say(f'On pages 3 and 4: {x}')"), "types 'pages 3'"),
        (code("run.record('a', 1)"), "run.record needs a label"),
        (code("run.say(f'{x:.3e}')"), "{x:…} is written by helpers.numbers"),
        (code("run.claim('It is.', True, f'{x:g} ' + f'{y:+.2G}')"), "{y:…} is written by helpers.numbers"),
        (code("run.mistake('a', f'{n} seed(s)')"), "'seed(s)': numbers.count"),
        (code("a = (\n    1\n)\n" * 200), "visible lines of code, more than 450"),
    ],
)
def test_what_breaks_a_rule_is_refused(page, change, fault):
    assert any(fault in said for said in faults(page, change)), faults(page)


@pytest.mark.parametrize(
    "change",
    [
        text("## Beyond", after="claim-mistake"),
        text("> **Exercise 1c.** More.", "exercise"),
        text("As {doc}`03_mnist_from_scratch` and {eq}`eq-NN-slug-loss` say, and $f(s)$ on 3 pages."),
        code("plot()", "answer", "hide-input", after="answer"),
        code("assert x, f'Exercise 1a: {x:.3e}'", "test", "hide-input"),
        code("run.record('a', 1, **more)\nrun.say(f'{x:,.3f} {n:d}, $p(s)$')"),
        code("a = 1\n\n" * 340),
        code("a = 1\n" * 500, "hide-input"),
    ],
)
def test_what_keeps_the_rules_passes(page, change):
    assert faults(page, change) == []
