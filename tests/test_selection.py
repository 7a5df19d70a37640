"""Code of the pages that selects, trains and measures, against brute force on cases that can be counted by hand."""

import math
from types import SimpleNamespace

import mpmath
import pytest
import torch
from conftest import ROOT

from benchmarks.definitions import definitions

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", str(ROOT))
    torch.manual_seed(0)


def recorder(calls, answer):
    """A function that notes what it is called with."""

    def noting(*arguments, **more):
        calls.append((arguments, more))
        return answer(*arguments, **more)

    return noting


# 01


def test_01_the_step_by_the_diagonal_is_that_of_the_jacobian():
    page = definitions("01")
    x, u = torch.randn(2, 5).double()
    J = torch.autograd.functional.jacobian(page.softmax, x)
    assert torch.allclose(page.diagonal_step(page.softmax(x), u), u @ torch.diag(J.diagonal()))


def test_01_right_digits_are_counted():
    page = definitions("01")
    torch.set_flush_denormal(False)  # another test may have turned it on, as page 03 does

    def found(value, exact, dtype=torch.float64):
        return page.right_digits(torch.tensor(value, dtype=dtype), exact, dtype)

    assert found(3.1, mpmath.mpf("3.14159")) == "1"  # off by 1.3 %
    assert found(-3.1415, mpmath.mpf("3.14159")) == "4"  # the size counts
    assert found(3.14159, mpmath.mpf("3.14159")) == "15"
    assert found(310.0, mpmath.mpf("314.159")) == "1"  # relative
    assert found(9.0, mpmath.mpf(1)) == "–"
    assert found(0.5, mpmath.mpf("0.5"), torch.float32) == "7"
    assert found(math.inf, mpmath.mpf(1)) == "∞"
    assert found(math.nan, mpmath.mpf(1)) == "NaN"
    assert found(0.0, mpmath.mpf("1e-400")) == found(0.0, mpmath.mpf("1e-50"), torch.float32) == "0 ✔"
    assert found(0.0, mpmath.mpf("1e-300")) == found(0.0, mpmath.mpf("1e-40"), torch.float32) == "0 ✘"


def test_01_the_time_is_the_shortest_and_is_that_of_the_call(monkeypatch):
    page, clock, takes = definitions("01"), [0.0], iter([5.0, 2.0, 9.0])
    monkeypatch.setattr(page, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert page.best_seconds(lambda: clock.__setitem__(0, clock[0] + next(takes)), repeats=3) == 2.0


def test_01_every_form_of_the_loss_is_that_of_the_first_class_where_nothing_is_lost():
    page = definitions("01")
    theta, y = torch.tensor([0.5, -1.0, 2.0]).double(), torch.tensor([1.0, 0.0, 0.0]).double()
    right = torch.logsumexp(theta, 0) - theta[0]
    for form in (page.naive_loss, page.difference_loss, page.shifted_loss, page.torch_loss):
        assert form(theta, y) == pytest.approx(right.item())
    assert float(page.exact_loss(theta, y)) == pytest.approx(right.item())
    assert float(page.exact_slope(theta, y)) == pytest.approx(1 - torch.softmax(theta, 0)[0].item())
