"""The contract that every notebook source keeps: clean, whole, checked, nothing typed that should be computed."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter

import contract
import nbformat
import pytest
from conftest import ROOT
from contract import calls, constants
from exercises import body

from helpers.press.authoring import cleaned
from helpers.press.sources import outputs

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TAGS = {"parameters", "remove-input", "hide-input", "hide-output", "definition", "claim", "answer"}
TAGS |= {"exercise", "hint", "solution", "test"}
DISPLAY = re.compile(r"^\$\$\n(.*?)\n\$\$ \((\S+)\)$", re.M | re.S)
LITERAL_RESULT = re.compile(r"\d+[.,]\d+|\d+ ?%|\de-?\d|×\s*10")


@pytest.fixture(params=PATHS, ids=lambda path: path.stem, scope="module")
def path(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(path):
    return nbformat.read(path, as_version=4)


def markdown(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def equations(notebook):
    """label → whether its cell carries the tag `definition`."""
    return {
        label: "definition" in cell.metadata.get("tags", [])
        for cell in markdown(notebook)
        for _, label in DISPLAY.findall(cell.source)
    }


def checked(notebook):
    """The labels given to checks.equation, also those that a loop in the same cell gives."""
    found = set()
    for cell in code(notebook):
        if calls(cell.source, "equation"):
            constants = (n.value for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Constant))
            found |= {value for value in constants if isinstance(value, str) and value.startswith("eq-")}
    return found


def test_source_is_clean(path, notebook):
    nbformat.validate(notebook)
    if said := outputs(path.stem, notebook):
        pytest.fail(said)
    remedy = f"run python -m helpers clean {path.stem[:2]}"
    assert set(notebook.metadata) == {"course", "kernelspec", "language_info"}, remedy
    assert notebook.metadata.kernelspec.name == "python3", remedy
    assert set(notebook.metadata.course) == {"title", "data"}
    assert max(Counter(cell.id for cell in notebook.cells).values()) == 1
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "mystnb", "course"}, f"{cell.id}: {remedy}"
        if "course" in cell.metadata:
            assert set(cell.metadata.course) == {"wrong"}, cell.id
            assert cell.cell_type == "code", cell.id
            assert "solution" in cell.metadata.get("tags", []), f"{cell.id}: only a solution has wrong variants"
        assert set(cell.metadata.get("tags", [])) <= TAGS, cell.id
        assert re.fullmatch(r"[a-z0-9-]+", cell.id), cell.id
    assert path.read_text(encoding="utf-8") == cleaned(nbformat.read(path, as_version=4)), remedy


def test_anatomy(path, notebook):
    first = notebook.cells[0].source
    assert first.startswith(f"# {notebook.metadata.course.title}\n")
    for heading in ("**The question.**", "**What you will learn**", "**What it costs.**"):
        assert heading in first, heading
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == [notebook.cells[1]]
    start = [call for cell in code(notebook) for call in calls(cell.source, "start")]
    assert [call.args[0].value for call in start] == [path.stem]
    assert notebook.cells[-1].source == "run.finish()"
    text = "\n".join(cell.source for cell in markdown(notebook))
    assert len(re.findall(r"^:::\{exercise\}", text, re.M)) >= 3
    exercises = re.findall(r"^:label: (ex-\S+)$", text, re.M)
    assert re.findall(r"^:::\{solution\} (\S+)\n:class: dropdown$", text, re.M) == exercises
    assert re.search(r"\{cite(:t)?\}`", text)


def test_boxes_can_be_read_without_myst(notebook):
    for cell in markdown(notebook):
        assert "```{" not in cell.source, f"{cell.id}: editors show what stands in backticks as code"
        lines = cell.source.split("\n")
        for i, line in enumerate(lines):
            if line.startswith(":::{"):  # a blank line around the content, so that any editor renders it
                first = next(j for j in range(i + 1, len(lines)) if not re.match(r":[\w-]+:", lines[j]))
                assert not lines[first], f"{cell.id}: {line}"
            elif line.startswith(":::"):
                assert not lines[i - 1], f"{cell.id}: line {i}"


def test_no_cell_prints_a_heading(notebook):
    for cell in code(notebook):
        assert not [t for t in constants(ast.parse(cell.source)) if re.search(r"^#{1,6} ", t, re.M)], cell.id


def test_parameters_are_commented_literals_with_a_range(notebook):
    cell = notebook.cells[1].source
    names = [node.targets[0].id for node in ast.parse(cell).body]
    assert len(cell.splitlines()) == len(names), "one line a parameter"
    assert all("  # " in line for line in cell.splitlines()), "each with a comment"
    guarded = {k.arg for c in code(notebook) for call in calls(c.source, "in_range") for k in call.keywords}
    assert set(names) - {"seed", "data"} <= guarded, "refused outside a range"


def test_every_displayed_formula_is_labelled_and_every_label_checked(notebook):
    for cell in markdown(notebook):
        labels = [label for _, label in DISPLAY.findall(cell.source)]
        assert "{math}" not in cell.source, f"{cell.id}: editors show $$ … $$ (eq-label), and no fence"
        assert cell.source.count("$$") == 2 * len(labels), f"{cell.id}: display maths without a label"
        assert all(label.startswith("eq-") for label in labels), cell.id
    known = equations(notebook)
    derived = {label for label, is_definition in known.items() if not is_definition}
    assert derived, "a page derives something"
    assert checked(notebook) == derived


def test_a_reader_sees_the_displays_that_are_checked(notebook):
    for cell in markdown(notebook):
        for hidden in re.findall(r"^(?:```|~~~).*?^(?:```|~~~)|<!--.*?-->", cell.source, re.S | re.M):
            assert not DISPLAY.search(hidden), f"{cell.id}: a display that is not shown as one"
        prose = DISPLAY.sub("", cell.source)
        assert not re.search(r"\\\[|\\begin\{", prose), f"{cell.id}: display maths without $$"
        macros = r"\\(?:re)?newcommand|\\(?:[gex]?def|let|require|DeclareMathOperator|phantom|color|cancel)(?![A-Za-z])"
        assert not re.search(macros, cell.source), f"{cell.id}: a macro changes what a display says"


def test_coverage_lists_what_is_displayed(notebook):
    source = "\n".join(cell.source for cell in code(notebook))
    if not calls(source, "coverage"):
        pytest.skip("this page does not record its coverage")
    derived = {label for label, is_definition in equations(notebook).items() if not is_definition}
    listed = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "displayed"
    ]
    assert [set(names) for names in listed] == [derived]


def test_no_result_is_typed(notebook):
    for cell in code(notebook):
        spoken = [call.args[0] for call in calls(cell.source, "say")]
        spoken += [call.args[2] for call in calls(cell.source, "claim") if len(call.args) > 2]
        spoken += [call.args[1] for call in calls(cell.source, "mistake") if len(call.args) > 1]
        spoken += [k.value for call in calls(cell.source, "claim") for k in call.keywords if k.arg == "evidence"]
        for text in (text for node in spoken for text in constants(node)):
            assert not LITERAL_RESULT.search(text), f"{cell.id} types a number: {text!r}"


def test_say_hides_its_input_and_claims_can_be_opened(notebook):
    claims = 0
    for cell in code(notebook):
        tags = cell.metadata.get("tags", [])
        if calls(cell.source, "say"):
            assert "remove-input" in tags, cell.id
        if calls(cell.source, "claim"):
            claims += 1
            assert {"claim", "hide-input"} <= set(tags), cell.id
            assert "remove-input" not in tags, cell.id
    assert claims, "a page claims something"


def lines(source):
    """The lines of code in `source`: no docstrings, blank lines and comments."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.body = body(node) or [ast.Pass()]
    kept = {n.lineno for n in ast.walk(tree) if hasattr(n, "lineno")} | {
        n.end_lineno for n in ast.walk(tree) if hasattr(n, "end_lineno")
    }
    return len(kept)


def test_cells_are_short(notebook):
    solutions = [cell for cell in code(notebook) if "solution" in cell.metadata.get("tags", [])]
    long = {cell.id: lines(cell.source) for cell in solutions}
    assert {name: count for name, count in long.items() if count > 20} == {}


@pytest.mark.parametrize("rule", contract.RULES, ids=lambda rule: rule.__name__)
def test_the_page_keeps_the_contract(notebook, rule):
    if faults := rule(notebook):
        pytest.fail("\n".join(faults), pytrace=False)


def test_every_mistake_of_the_book_has_a_title_of_its_own():
    found = Counter(title for path in PATHS for title in contract.titles(nbformat.read(path, as_version=4)))
    assert [title for title, count in found.items() if title and count > 1] == []


def test_every_notebook_has_a_profile_a_place_in_the_course_and_a_test_of_the_linter():
    import yaml

    slugs = [path.stem for path in PATHS]
    profiles = yaml.safe_load((ROOT / "notebooks/profiles/full.yml").read_text(encoding="utf-8"))
    course = yaml.safe_load((ROOT / "book/course.yml").read_text(encoding="utf-8"))
    titles = {slug: entry["title"] for part in course for slug, entry in part["assignments"].items()}
    assert [slug for slug in slugs if slug not in profiles] == [], "not in notebooks/profiles/full.yml"
    assert [slug for slug in profiles if slug not in slugs] == [], "in notebooks/profiles/full.yml, not in notebooks/"
    assert [slug for slug in slugs if slug not in titles] == [], "not in book/course.yml"
    for path in PATHS:
        assert titles[path.stem] == nbformat.read(path, as_version=4).metadata.course.title


def test_the_linter_is_content():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_contract_catches_a_typed_result_and_an_unchecked_formula():
    tree = ast.parse('run.say(f"the accuracy is {x:.3f}, better than 91.2 %")')
    texts = constants(tree.body[0].value.args[0])
    assert [bool(LITERAL_RESULT.search(text)) for text in texts] == [False, True]
    cell = nbformat.v4.new_markdown_cell("So\n\n$$\na = b\n$$ (eq-new)")
    page = nbformat.v4.new_notebook(cells=[cell])
    assert equations(page) == {"eq-new": False}
    assert checked(page) == set()
    assert json.loads(nbformat.writes(page))["cells"]
