"""The formula reader by itself: what LaTeX means, what is refused, and where the page is found."""

import contextlib
import json
import re
import sys
from random import Random

import numpy as np
import pytest
import torch

from helpers.formulas import Unreadable, Wrong, displays
from helpers.formulas.chains import Display
from helpers.formulas.tokens import key, statement, tokens

RNG = np.random.default_rng(7)
V = {"x": RNG.normal(size=4), "y": RNG.normal(size=4), "a": 1.7, "n": 4, "d": 3}
V |= {"A": RNG.normal(size=(4, 3)), "B": RNG.normal(size=(3, 5)), "H": RNG.normal(size=(4, 4)), "I": np.eye(4)}
V |= {r"\mathbf 1": np.ones(4), "W_2": RNG.normal(size=(4, 4)), "w^*": 0.3, "a'": 2.5, r"\hat y": RNG.normal(size=4)}
V |= {r"\sigma": lambda z: 1 / (1 + np.exp(-z)), r"\operatorname{softmax}": lambda z: np.exp(z) / np.exp(z).sum()}
V |= {"u": np.array([2, 1, 3, 2]), "G": RNG.normal(size=(4, 3)), "S": RNG.normal(size=(3, 4)) > 0, "k_1": 9.0}
V |= {r"\tau": lambda z: torch.tensor(z).softmax(1)}
V |= {r"\frac{\partial z_i}{\partial x_k}": RNG.normal(size=(4, 4)), "s": RNG.normal(size=4)}
X, Y, A, B, H = (V[name] for name in ("x", "y", "A", "B", "H"))


def parsed(latex, values=V, truths=(), skip=()):
    values = {key(name): value for name, value in values.items()}
    return values, Display(latex, {name: callable(v) for name, v in values.items()}, list(truths), skip)


def compared(latex, truth, values=V, skip=()):
    """The value of the last member beside `truth`, that of the left side ℓ, with its indices."""
    left = key((re.findall(r"\\ell(?:_\w|_\{\w+\})?", latex) or [r"\ell"])[0])
    values, display = parsed(latex, values, [left], skip)
    return display.at(values, {left: np.asarray(truth, float)})


EVALUATED = {
    r"\ell = x^{\mathsf T} y": X @ Y,
    r"\ell_i = x_i y_i": X * Y,
    r"\ell = \sum_i x_i y_i": X @ Y,
    r"\ell = \sum_{i=1}^n x_i": X.sum(),
    r"\ell = \sum_{i=1}^4 x_i": X.sum(),
    r"\ell = x \cdot y": X @ Y,
    r"\ell = x\, y^{\mathsf T}": np.outer(X, Y),
    r"\ell = AB": A @ B,
    r"\ell_{ij} = (AB)_{ij}": A @ B,
    r"\ell_{ij} = \sum_k A_{ik} B_{kj}": A @ B,
    r"\ell_{ki} = x_i y_k": np.outer(Y, X),
    r"\ell = \operatorname{diag}(x) - a H": np.diag(X) - 1.7 * H,
    r"\ell = (H + a I)^{-1} x": np.linalg.solve(H + 1.7 * np.eye(4), X),
    r"\ell_{ik} = \delta_{ik} x_k": np.diag(X),
    r"\ell = 1 - x": 1 - X,
    r"\ell = x \odot x \odot y": X * X * Y,
    r"\ell = 2 x \odot y / a": 2 * X * Y / 1.7,
    r"\ell = \|A\|_F^2": (A**2).sum(),
    r"\ell = \|x\|\,\|y\|": np.linalg.norm(X) * np.linalg.norm(Y),
    r"\ell_i = [x_i > 0]\, a": (X > 0) * 1.7,
    r"\ell = \sum_{i \ne j} x_i y_j": X.sum() * Y.sum() - X @ Y,
    r"\ell = \sum_{k \le d} x_k": X[:3].sum(),
    r"\ell = \sum_{k > d} x_k^2": (X[3:] ** 2).sum(),
    r"\ell_{jf} = \sum_{b\,:\,u_b = j} G_{bf}": np.stack([V["G"][V["u"] == j].sum(0) for j in (1, 2, 3)]),
    r"\ell_{bf} = B_{u_b f}": B[V["u"] - 1],
    r"\ell_v = \sum_{i \in S_v} x_i": V["S"] @ X,
    r"\ell_t = \sum_{r=1}^{t} a^{t-r} x_r": [sum(1.7 ** (t - r) * X[r] for r in range(t + 1)) for t in range(4)],
    r"\ell = \sum_{k=0}^{3} x_k e^{k a}": sum(X[k] * np.exp(1.7 * k) for k in range(4)),
    r"\ell = \log \sum_j e^{x_j}": np.log(np.exp(X).sum()),
    r"\ell_i = \log \sigma(x_i)": np.log(1 / (1 + np.exp(-X))),
    r"\ell_i = \operatorname{softmax}(x + a)_i": np.exp(X) / np.exp(X).sum(),
    r"\ell_i = \max(x_i, 0)": np.maximum(X, 0),
    r"\ell = W_2 x": V["W_2"] @ X,
    r"\ell = a - w^* + a'": 1.7 - 0.3 + 2.5,
    r"\ell = x_1 + x_4": X[0] + X[3],
    r"\ell_i = k_1 \hat y_i": 9 * V[r"\hat y"],
    r"\ell = \tfrac12 a^{1/2} + \frac1n": 1.7**0.5 / 2 + 1 / 4,
    r"\ell = -a + \sqrt{n} + 1.25": -1.7 + 2 + 1.25,
    r"\ell_k = \sum_i y_i \frac{\partial z_i}{\partial x_k}": Y @ V[r"\frac{\partial z_i}{\partial x_k}"],
    r"\ell = \underset{n \times d}{A}\,\underset{3 \times 5}{B}": A @ B,
    r"\underset{n \times 5}{\ell} = AB": A @ B,
    r"\ell_i = \bigl(x_i - \sum_j s_j x_j\bigr)^2": (X - V["s"] @ X) ** 2,
    r"\ell = \pi e": np.pi * np.e,
    r"\ell_i = 2 a x_i \qquad i = 1, 2": 3.4 * X[:2],
    r"\ell = \sum_{ij} A_{ij}": A.sum(),
    r"\ell = a / (2 n)": 1.7 / 8,
    r"\ell = \sum_j [A > a]_{1j}": (A[0] > 1.7).sum(),
    r"\ell = \max(x, a)": np.maximum(X, 1.7),
}


@pytest.mark.parametrize(("latex", "truth"), EVALUATED.items(), ids=EVALUATED)
def test_a_member_means_what_it_says(latex, truth):
    member, value, wanted, relation = compared(latex, truth)[-1]
    assert relation == "="
    np.testing.assert_allclose(np.broadcast_to(value, wanted.shape), truth, rtol=1e-12)


REFUSED = {
    r"\ell = A x": Wrong,
    r"\ell = \log_2 x": Unreadable,
    r"\ell_i = \sin^2 x_i": Unreadable,
    r"\ell = a^(2)": Unreadable,  # a⁽2) is shown
    r"\ell = (a]": Unreadable,
    r"\ell = [0 < a < n]": Unreadable,
    r"\ell = a +^2 n": Unreadable,
    r"\ell = \sum_i' x_i": Unreadable,
    r"\ell = \sum_i_j x_i": Unreadable,
    r"\ell_i = x_i \|\underset{i \times d}{A}\|": Wrong,  # an index is no size
    r"\ell = \|A\|_2": Wrong,
    r"\ell = \max(x)": Wrong,
    r"\ell = 2 2 a": Unreadable,  # 22a is shown
    r"\ell = 2{2} a": Unreadable,
    r"\ell = a^12": Unreadable,  # a¹2 is shown
    r"\ell = a^0.5": Unreadable,
    r"\ell = a^{}2": Unreadable,
    r"\ell = a^\,2": Unreadable,
    r"\ell = x_{}": Unreadable,
    r"\ell = \sum_{i 2} x_i": Unreadable,
    r"\ell = \sum_i^n x_i": Unreadable,
    r"\ell = \underset{\times n}{H} a": Unreadable,
    r"\ell = x y": Wrong,
    r"\ell = x + A": Wrong,
    r"\ell = x \odot A": Wrong,
    r"\ell = H^2": Wrong,
    r"\ell = A^{-1}": Wrong,
    r"\ell = a^{\mathsf T}": Wrong,
    r"\ell = x / y": Wrong,
    r"\ell = \operatorname{diag}(A)": Wrong,
    r"\ell = x_i": Wrong,  # an index is left over
    r"\ell_i = x_i A_{ij}": Wrong,
    r"\ell_i = x_i B_{ii}": Wrong,  # two lengths
    r"\ell = \underset{d \times n}{A}\, x": Wrong,
    r"\ell = \underset{5 \times 5}{H}\, x": Wrong,
    r"\ell = \sum_{i=1}^5 x_i": Wrong,
    r"\ell_t = \sum_{r=1}^{r} x_r": Wrong,
    r"\ell_{ij} = H_{i}": Wrong,
    r"\ell = \cos(x, y)": Wrong,
    r"\ell = [x > A]": Wrong,
    r"\ell = (H - H)^{-1} x": Wrong,  # singular
    r"\ell = \tau(a)": Wrong,  # the function takes vectors
    r"\ell = \sum_i x_x y_i": Wrong,  # a vector is no index
    r"\ell = \sum_{k \le x} x_k": Wrong,
    r"\ell = \sum_{k=1}^A x_k": Wrong,
    r"\ell = \sum_{k=1}^{1/0} x_k": Wrong,
    r"\ell = \sum_{b : u = 2} x_b": Wrong,
    r"\ell = \sum_{i x} x_i": Unreadable,
    r"\ell = \sum_{n=1}^n x_n": Unreadable,  # n has a value
    r"\ell = \underset{n \times}{A} B": Unreadable,
    r"\ell = \underset{n \times 3 \times 1}{A} B": Unreadable,
    r"\underset{n = AB": Unreadable,
    r"\ell = ²": Unreadable,
    r"\ell = A_{ }": Unreadable,
    r"\ell = \underset{m \times d}{A} B": Unreadable,
    r"\ell = q x": Unreadable,
    r"\ell = \hat x": Unreadable,
    r"\ell = a / 2 n": Unreadable,
    r"\ell = a + \frac{\partial z_k}{\partial x_i}": Unreadable,
    r"\ell = \sum_{i=2}^n x_i": Unreadable,
    r"\ell = \sum x": Unreadable,
    r"\ell = \sum_k a": Unreadable,
    r"\ell = \int_0^1 a": Unreadable,
    r"\ell = \|A\|_1": Unreadable,
    r"\ell = (a > 0)": Unreadable,
    r"\ell = \sigma''(a)": Unreadable,
    r"\ell = {a": Unreadable,
    r"\ell = a)": Unreadable,
    r"\ell = ": Unreadable,
    r"\ell = a \qquad x": Unreadable,
    r"\ell = \frac{a}": Unreadable,
    r"x y z = a": Unreadable,  # half of the left side is known, and all of it has no truth
    r"\ell = a = q": Unreadable,
}


@pytest.mark.parametrize(("latex", "error"), REFUSED.items(), ids=REFUSED)
def test_what_is_no_statement_is_refused(latex, error):
    with pytest.raises(error):
        compared(latex, V["x"] if "_" in latex.split("=")[0] else 0.0)


def test_nothing_but_a_refusal_comes_of_random_changes():
    random, known = Random(7), sorted({token for latex in EVALUATED for token in tokens(latex)} | {"\\int", "\\times"})
    for latex, truth in EVALUATED.items():
        for _ in range(15):
            source = tokens(latex)
            for _ in range(random.randint(1, 3)):
                at = random.randrange(len(source))
                source[at : at + random.randint(0, 1)] = random.choice([[], [random.choice(known)]])
            with contextlib.suppress(Unreadable, Wrong):
                compared(" ".join(source), truth)


def gaps(latex, truth=(), values=V):
    values, display = parsed(latex, values, truths=[key(left) for left in dict(truth)])
    found = display.at(values, {key(left): np.asarray(value, float) for left, value in dict(truth).items()})
    return [(m.kind, relation, float(np.abs(v - w).max())) for m, v, w, relation in found]


def test_each_part_has_its_own_truth_and_a_definition_must_hold():
    values = V | {"r": A @ B}
    latex = r"f = a + 1 , \qquad g = 2 a , \qquad r = AB ."
    assert gaps(latex, {"f": 2.7, "g": 3.4}, values) == [
        ("left", "=", 0.0),
        ("read", "=", 0.0),
        ("left", "=", 0.0),
        ("read", "=", 0.0),
        ("given", "=", 0.0),
        ("read", "=", 0.0),
    ]
    assert gaps(r"f = a \quad r = 2 AB", {"f": 1.7}, values)[-1][2] > 0.1
    with pytest.raises(Unreadable, match="nothing displayed is the truth of h"):
        gaps(latex, {"f": 2.7, "g": 3.4, "h": 0.0}, values)
    with pytest.raises(Unreadable, match="“g”: there is no value for g: give it in names"):
        gaps(latex, {"f": 2.7}, values)


def test_conditions_are_evaluated_and_remarks_are_not():
    condition = r"f = a \qquad \text{if } \sum_i x_i = %s"
    assert gaps(condition % "a", {"f": 1.7}, V | {"x": np.full(4, 1.7 / 4)})[-1][:2] == ("condition", "=")
    assert gaps(condition % "2 a", {"f": 1.7})[-1][2] > 0.1
    assert gaps(r"f = a \qquad 0 < a < n", {"f": 1.7})[-1][:2] == ("condition", "<")
    assert gaps(r"f = a \qquad (A = 2 A)", {"f": 1.7})[-1][2] > 0.1
    remarks = (
        r"\begin{aligned} f &= a && \text{for } q = 3 \\ &= a + 0 && q \text{ again} \end{aligned} \text{ in each row.}"
    )
    assert len(gaps(remarks, {"f": 1.7})) == 3
    for latex in (
        r"f = a \qquad \text{unless } 0 < a",
        r"f = a \text{ minus } 0",
        r"f = a_{\text{old}}",
        r"f = a \text{ in each column}",
        r"f = a \qquad \text{only where it holds.}",
        r"f = a && + n",
        r"f = a && = n \text{ again}",
        r"f = a && \qquad \, - n \text{ again}",
        r"\begin{aligned} f &= a && n \\ &= a && \text{why} \end{aligned}",
    ):
        with pytest.raises(Unreadable, match="remark|words"):
            gaps(latex, {"f": 1.7})


def test_a_chain_goes_on_behind_an_inequality():
    assert [relation for _, relation, _ in gaps("f = a > 0", {"f": 1.7})] == ["=", "=", ">"]
    assert [gap > 0 for *_, gap in gaps(r"f \le n = a", {"f": 1.7})][-1], "n is not a"
    assert [gap > 0 for *_, gap in gaps(r"f \le n = 4", {"f": 1.7})][-1] == 0
    with pytest.raises(Unreadable, match="first member"):
        gaps("f = a := a", {"f": 1.7})


def test_a_raised_digit_is_named():
    with pytest.raises(Unreadable, match=r"a raised or lowered digit is written \^2 or _2: “²”"):
        compared(r"\ell = a²", V["a"] ** 2)


def test_what_is_skipped_must_need_it():
    assert len(compared(r"\ell = \int_0^1 q = a", 1.7, skip=("\\int",))) == 2
    with pytest.raises(Unreadable, match="can be read without"):
        compared(r"\ell = a", 1.7, skip=("\\int",))


def test_a_statement_changes_with_what_is_said_alone():
    said = statement(r"f = \frac{1}{2}\,\bigl(a + b\bigr) \quad \text{in each row}")
    assert said == statement(r"\begin{aligned} f &= \tfrac{1}{2} \left(a+b\right) && \text{why} \end{aligned} \quad")
    assert said != statement(r"f = \frac{1}{2}\,\bigl(a - b\bigr)")


def test_names_are_the_same_however_they_are_spaced():
    assert key(r"\frac{\partial  \hat y_{i}}{\partial\theta_k}") == key(r"\frac{\partial \hat{y}_i}{\partial \theta_k}")
    assert key(r"\mathbf{1}") == key(r"\mathbf 1")
    assert key("W_{12}") != key("W_1")


@pytest.fixture
def a_page(tmp_path, monkeypatch):
    for name in ("COURSE_PAGE", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    cell = {"cell_type": "markdown", "source": ["So\n", "\n", "$$\n", "a = b\n", "$$ (eq-a)"]}
    path = tmp_path / "99_slug.ipynb"
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    displays.begin("99_slug")
    return path


@pytest.mark.parametrize("way", ["COURSE_PAGE", "JPY_SESSION_NAME", "vscode", "folder"])
def test_the_page_is_found(way, a_page, tmp_path, monkeypatch):
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    if way != "folder":
        a_page = a_page.rename(elsewhere / "my copy.ipynb")
    if way == "vscode":
        monkeypatch.setattr(sys.modules["__main__"], "__vsc_ipynb_file__", str(a_page), raising=False)
    elif way != "folder":
        monkeypatch.setenv(way, str(a_page))
    assert displays.display("eq-a")[0] == "a = b"


def test_a_page_that_is_not_found_or_broken_says_what_to_do(a_page, monkeypatch):
    a_page.write_text("{", encoding="utf-8")
    with pytest.raises(Unreadable, match="99_slug.ipynb cannot be read as a notebook"):
        displays.display("eq-a")
    displays.begin("98_other")
    with pytest.raises(Unreadable, match="98_other.ipynb is not found: save it"):
        displays.display("eq-a")


def test_a_label_that_stands_twice_is_refused(a_page):
    cells = json.loads(a_page.read_text(encoding="utf-8"))["cells"]
    a_page.write_text(json.dumps({"cells": cells * 2}), encoding="utf-8")
    with pytest.raises(Unreadable, match="2 displays are labelled eq-a"):
        displays.display("eq-a")
