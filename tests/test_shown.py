"""What counts as a word that is read, and which numbers are written otherwise than helpers.numbers does."""

import pytest
import shown
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output


def markdown_of(text, *tags):
    data = {"text/markdown": text, "text/html": "<p>not read</p>"}
    return new_code_cell("f(1, 2)", outputs=[new_output("display_data", data=data)], metadata={"tags": [*tags]})


def page(*cells):
    return new_notebook(cells=[new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells])


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ("## Three words here", 3),
        ("A formula $a + b = c$ counts once.", 5),
        ("Words.\n\n$$\na = b + c\n$$ (eq-a)\n\nMore.", 2),
        ("`code is` none, **bold** – is, {eq}`eq-a` too", 5),
        ("```python\nnot = a word\n```\n\nOne.", 1),
        (":::{admonition} A mistake\n:class: warning\n\nTwo words.\n\n:::", 2),
        (":::{dropdown} Hint\n\nNo word.\n\n:::\n\nOne.", 1),
        (":::{solution} ex-a\n:class: dropdown\n\nNo word.\n\n:::\n\nOne.", 1),
        ("::::{dropdown} Hint\n\nNo.\n\n:::{note}\n\nNo.\n\n:::\n\nNo.\n\n::::\n\nOne.", 1),
        (":::{exercise} A\n:label: ex-a\n\nTwo words.\n\n:::\n\nOne.", 3),
        ("| a | b |\n|:--|--:|\n| 0.5 | **c** |", 4),
        (markdown_of("Three words, 4."), 3),
        (markdown_of("No word.", "hide-output"), 0),
        (new_code_cell("print()", outputs=[new_output("stream", text="two words\n")]), 2),
        (new_code_cell("1", outputs=[new_output("execute_result", data={"text/plain": "[1, 2]"})]), 2),
        (new_code_cell("1", outputs=[new_output("display_data", data={"image/png": "", "text/plain": "<A B>"})]), 0),
        (new_code_cell("1", outputs=[new_output("display_data", data={"text/html": "<p title='x y'>a b</p>"})]), 2),
    ],
)
def test_words_that_are_read(cell, count):
    assert shown.visible_words(page(cell)) == count


ODD = {
    "an error of 1e-10": "a power of ten",
    "at 5.1E+06 steps": "a power of ten",
    "over 5 seed(s)": "“(s)”",
    "changes by -0.02": "a hyphen",
    "| -3 |": "a hyphen",
    "[-1.0, 2.0]": "a hyphen",
    "between 0.74–0.76": "an interval",
    "between 0.74 - 0.76": "an interval",
    "from −0.74 – −0.76": "an interval",
    "it is np.float64(0.5)": "NumPy",
    "it is tensor(0.5)": "torch",
}
FINE = [
    "an error of 1 × 10⁻¹⁰, −0.02 [0.74, 0.76], 5 seeds",
    "torch 2.13.0+cpu, 2026-11-21, L-BFGS-5, ml-latest, 3-4, pages 3–5",
    "the matrix $x^{-1} - 2e-5$, `1e-10`, f(s), 1 000 e",
    "<span style='margin:-3px'>2</span> is 3 - 2",
]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize(
    "place", [markdown_of, lambda text: markdown_of(text, "hide-output"), "html", "alt", "caption"]
)
def test_numbers_written_otherwise(text, place):
    if callable(place):
        cell = place(text)
    else:
        about = {"image": {"alt": text}} if place == "alt" else {"figure": {"caption": text}}
        html = [new_output("display_data", data={"text/html": f"<p>{text}</p>"})] if place == "html" else []
        cell = new_code_cell("1", outputs=html, metadata={} if html else {"mystnb": about})
    (said,) = shown.odd_numbers(page(cell))
    assert ODD[text] in said


@pytest.mark.parametrize("text", FINE)
def test_numbers_written_one_way(text):
    printed = new_code_cell("print(1e-10)", outputs=[new_output("stream", text="1e-10 -3\n")])
    assert shown.odd_numbers(page("Typed: -3.", markdown_of(text), printed)) == []
