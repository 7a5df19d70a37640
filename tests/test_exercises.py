"""The exercises of every page: their tests pass the solution, and refuse what is wrong or not written, with a value."""

import itertools
import shutil

import nbformat
import pytest
from conftest import ROOT
from exercises import STATED, exercises, judged, tags

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", str(ROOT))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_a_page_states_hints_solves_and_tests_its_exercises(path):
    notebook = read(path)
    found = exercises(notebook)
    assert {f"{e.name} ({e.solution.id})": e.faults for e in found if e.faults} == {}
    assert 2 <= len(found) <= 6, f"{len(found)} coding exercises: 2 to 6 a page"
    tests = [cell for cell in notebook.cells if "test" in tags(cell)]
    assert len(tests) == len(found), f"{len(tests)} cells tagged test, {len(found)} solutions"
    for cell, after in itertools.pairwise(notebook.cells):
        assert "hint" not in tags(cell) or "solution" in tags(after), f"{cell.id}: the cell after a hint is a solution"
    stated = [name for cell in notebook.cells if "exercise" in tags(cell) for name in STATED.findall(cell.source)]
    assert len(set(stated)) == len(stated) > 0, f"each exercise has a name of its own: {stated}"
    names = [exercise.name for exercise in found]
    assert len(set(names)) == len(names), f"one solution cell an exercise: {names}"


def test_a_test_tells_the_solution_from_what_is_wrong(path, monkeypatch):
    monkeypatch.setenv("COURSE_PAGE", str(path))
    found = {f"{e.name} ({e.solution.id})": judged(path.stem, e) for e in exercises(read(path)) if e.test}
    assert {name: faults for name, faults in found.items() if faults} == {}


# ------------------------------------------------------------------------------------------------ on a page of its own


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The template as a page 13_toy: a function that judges it after a change of its cells, {id: {field: value}}."""
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    (tmp_path / "notebooks/profiles/full.yml").write_text("13_toy: {}\n")
    shutil.copy(ROOT / "notebooks/template/NN_slug.ipynb", target := tmp_path / "notebooks/13_toy.ipynb")
    monkeypatch.setenv("COURSE_REPOSITORY", str(tmp_path))
    monkeypatch.setenv("COURSE_PAGE", str(target))

    def faults(change=lambda cells: None):
        notebook = read(target)
        change({cell.id: cell for cell in notebook.cells})
        nbformat.write(notebook, target)
        return [fault for e in exercises(notebook) for fault in e.faults + (judged("13_toy", e) if e.test else [])]

    return faults


def replaced(name, old, new):
    def change(cells):
        assert cells[name].source.count(old) == 1
        cells[name].source = cells[name].source.replace(old, new)

    return change


def test_the_template_keeps_the_contract(toy):
    assert toy() == []
    found = exercises(read(ROOT / "notebooks/template/NN_slug.ipynb"))
    assert [exercise.name for exercise in found] == ["1a", "1b"]


def wrong(old, new):
    return lambda cells: cells["gradient"].metadata.course.wrong.append([old, new])


def a_test(source):
    return lambda cells: cells["test-gradient"].update(source=source)


def tagged(name, *tags):
    return lambda cells: cells[name].metadata.update(tags=[*tags])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (replaced("gradient", "(x * errors)", "errors"), "its own solution fails"),
        (lambda cells: cells["gradient"].metadata.pop("course"), "fewer than two wrong variants"),
        (wrong("2 *", "1 * 2 *"), "passes with '1 * 2 *' in the place of '2 *'"),
        (wrong("2 *", "2 +*"), "'2 +*': no assertion fails, but SyntaxError"),
        (wrong("three", "four"), "'three' does not occur once"),
        (a_test("gradient"), "gradient unwritten: NoneType"),
        (a_test("assert gradient(1.0, x, y)"), "an assert of its test says nothing: gradient(1.0, x, y)"),
        (a_test("run.say('')"), "its test uses run"),
        (a_test("gradient(1.0, x, y)"), "name 'x' is not defined"),
        (tagged("test-gradient", "test"), "its test is not tagged hide-input"),
        (tagged("test-gradient", "hide-input"), "the cell after it is no test"),
        (tagged("hint-gradient"), "the cell before it is no hint"),
        (tagged("task-1"), "no cell tagged exercise before it"),
        (replaced("gradient", "def gradient", "lr = 1\n\n\ndef gradient"), "functions and classes, nothing else"),
    ],
)
def test_what_is_refused(toy, change, fault):
    assert any(fault in said for said in toy(change)), toy()


def test_a_message_without_a_value_and_a_test_that_misses_a_function_are_refused(toy):
    def change(cells):
        cells["gradient"].source += '\n\n\ndef other(w):\n    """other(1) is 2."""\n    u = w\n    return u + 1\n'
        cells["test-gradient"].source = "assert gradient(1.0, torch.ones(3), torch.zeros(3)) == 2, 'Exercise 1a: wrong'"

    said = toy(change)
    assert any("other unwritten" in fault for fault in said), said
    assert any("the message holds no value: Exercise 1a: wrong" in fault for fault in said), said


def test_long_functions_and_missing_docstrings_are_refused(toy):
    long = "\n".join(f"    a = {i}" for i in range(13))

    def change(cells):
        cells["gradient"].source += f"\n\n\ndef other():\n{long}\n"
        cells["gradient"].source += '\n\n\nclass Line:\n    """At 1."""\n\n    def fit(self):\n        return 1\n'

    said = toy(change)
    for fault in ("other: more than 12 lines", "other: no docstring", "no worked value", "Line.fit: no docstring"):
        assert any(fault in each for each in said), (fault, said)
