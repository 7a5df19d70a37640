"""helpers.run: the contract between a notebook and the press, and the verdicts case by case."""

import datetime
import json
import math
import platform
import random
import re
import tempfile
import time
from importlib.metadata import version

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helpers import MIME, checks, numbers
from helpers import run as run_module
from helpers.datasets import Images, mnist, mnist_standin
from helpers.run import ClaimFailed


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: Markdown as its text, bundles as dicts; with blanks for no-break spaces."""
    found = []

    def note(item, raw=False):
        texts = item if raw else {"": item.data}
        texts = {kind: data.replace("\u00a0", " ") if isinstance(data, str) else data for kind, data in texts.items()}
        found.append(texts if raw else texts[""])

    monkeypatch.setattr(run_module, "display", note)
    return found


@pytest.fixture
def start(shown, monkeypatch):
    def begin(profile="quick", seed=3, use=(), **options):
        monkeypatch.setenv("COURSE_PROFILE", profile)
        run = run_module.start("a_page", seed=seed, **options)
        for dataset in use:
            run.use(dataset)
        return run

    return begin


def images(origin, name="mnist"):
    pixels, labels = torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
    return Images(pixels, labels, pixels, labels, ("a",), name, origin, "f1")


# --------------------------------------------------------------------------------------------------------- start


def test_start_seeds_every_generator(start):
    def draws():
        return random.random(), np.random.rand(), torch.rand(1).item()

    start(seed=5)
    first = draws()
    own = torch.rand(1, generator=torch.Generator().manual_seed(5)).item()
    assert first == (random.Random(5).random(), np.random.RandomState(5).rand(), own)
    start(seed=6)
    assert draws() != first


@pytest.mark.parametrize("profile", ["", None])
def test_the_profile_is_quick_where_none_is_named(profile, shown, monkeypatch):
    if profile is not None:
        monkeypatch.setenv("COURSE_PROFILE", profile)
    assert run_module.start("a_page", seed=0).profile == "quick"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"profile": "fast"}, ValueError, "COURSE_PROFILE is 'fast': choose one of quick, full"),
        ({"data": "fake"}, ValueError, "data = 'fake': choose one of auto, real, standin"),
        ({"seed": -1}, ValueError, "seed = -1 is outside"),
        ({"seed": "3"}, TypeError, "seed is '3': give an integer"),
    ],
)
def test_start_refuses_what_it_does_not_know(options, error, message, start, shown):
    before = torch.get_rng_state()
    with pytest.raises(error, match=re.escape(message)):
        start(**options)
    assert torch.equal(torch.get_rng_state(), before)
    assert shown == []


@pytest.mark.parametrize("data", ["auto", "real", "standin"])
def test_start_shows_the_provenance_and_forgets_old_checks(data, start, shown, monkeypatch):
    monkeypatch.setitem(checks._done, "eq-old", checks.Check("eq-old", 1, 0.0, 1e-10))
    run = start(data=data, profile="full")
    assert checks.coverage(["eq-new"]) == 0
    (line,) = shown
    assert line.startswith("**This run:** full profile · seed 3 · ")
    for part in (f"Python {platform.python_version()}", f"torch {torch.__version__}", f"NumPy {np.__version__}"):
        assert part in line
    assert run.provenance["threads"] == torch.get_num_threads()
    assert f"{torch.get_num_threads()} thread" in line


# ------------------------------------------------------------------------------------------------------ data sets


def test_a_data_set_is_registered_and_shown(start, shown):
    run, real = start(), images("real")
    assert run.use(real) is real
    assert shown[-1] == "**Data:** mnist: real, 2 training and 2 test images of 1 × 2 × 2"
    run.use(images("stand-in", "cifar10"))
    assert shown[-1].endswith(
        " — ⚠ a stand-in: numbers from here on say nothing about the real data. `make data` fetches those."
    )
    assert run.data == {"mnist": "real", "cifar10": "stand-in"}


@pytest.mark.parametrize(
    ("used", "real"),
    [
        ([], True),
        ([("real", "mnist")], True),
        ([("real (unofficial copy)", "cifar10")], True),
        ([("stand-in", "mnist")], False),
        ([("real", "mnist"), ("stand-in", "cifar10")], False),
        ([("real", "mnist"), ("stand-in", "standin_digits")], True),
        ([("stand-in", "mnist"), ("stand-in", "standin_digits")], False),
    ],
)
def test_a_page_is_on_real_data_unless_one_of_its_sets_is_a_stand_in(used, real, start):
    assert start(use=[images(*origin_name) for origin_name in used]).on_real_data is real


def test_the_stand_ins_of_the_course_bear_the_names_that_this_rests_on(start, shown):
    run = start()
    run.use(mnist_standin.digits())
    assert run.data == {"standin_digits": "stand-in"}
    assert run.on_real_data
    assert "⚠" not in shown[-1]
    run.use(mnist.load("standin"))
    assert not run.on_real_data
    assert "⚠" in shown[-1]


# ------------------------------------------------------------------------------------------------------- verdicts

JUDGED = {  # needs → the (profile, origin) under which a claim is judged
    "anything": {("quick", "stand-in"), ("quick", "real"), ("full", "stand-in"), ("full", "real")},
    "real": {("quick", "real"), ("full", "real")},
    "full": {("full", "stand-in"), ("full", "real")},
    "real+full": {("full", "real")},
}
WORDS = {"real": "real data", "full": "the full profile", "real+full": "the full profile on real data"}


@pytest.mark.parametrize("origin", ["real", "stand-in"])
@pytest.mark.parametrize("profile", ["quick", "full"])
@pytest.mark.parametrize("needs", JUDGED)
@pytest.mark.parametrize("holds", [True, False])
def test_verdicts(needs, profile, origin, holds, start, shown):
    run = start(profile, use=[images(origin)])
    run.claim("It works.", holds, "0.9 of 10", needs=needs)
    judged = (profile, origin) in JUDGED[needs]
    verdict = ("holds" if holds else "fails") if judged else "not judged"
    assert run.claims == [{"text": "It works.", "verdict": verdict, "evidence": "0.9 of 10"}]
    mark = {"holds": "✔", "fails": "✘"}.get(verdict, f"○ *not judged here (needs {WORDS.get(needs)})*")
    assert shown[-1] == f'<span id="claim-1"></span>**{mark}** **Claim.** It works.\n\n*Evidence:* 0.9 of 10'
    if verdict == "fails":
        with pytest.raises(ClaimFailed, match=re.escape("does not hold: It works.")):
            run.finish()
    else:
        run.finish()


@pytest.mark.parametrize("holds", [np.bool_(False), torch.tensor(False), np.array(1) > 2])
def test_a_verdict_may_be_an_array_of_one(holds, start):
    run = start()
    run.claim("No.", holds, "")
    run.claim("Yes.", ~holds, "")
    assert [claim["verdict"] for claim in run.claims] == ["fails", "holds"]


def test_a_claim_with_other_needs_is_refused(start):
    run = start()
    with pytest.raises(ValueError, match=re.escape("needs = 'gpu': choose one of anything, real, full, real+full")):
        run.claim("It works.", True, "", needs="gpu")
    assert run.claims == []


def test_a_claim_that_was_repaired_counts_as_repaired_and_keeps_its_place(start, shown):
    run = start()
    run.claim("A.", False, "0 of 2")
    run.claim("B.", True, "")
    with pytest.raises(ClaimFailed, match=r"does not hold: A\.$"):
        run.finish()
    run.claim("A.", True, "2 of 2")
    assert shown[-1].startswith('<span id="claim-1"></span>**✔** **Claim.** A.')
    run.claim("C.", True, "")
    assert shown[-1].startswith('<span id="claim-3"></span>')
    run.finish()
    run.finish()
    assert shown[-1][MIME]["claims"] == [
        {"text": "A.", "verdict": "holds", "evidence": "2 of 2"},
        {"text": "B.", "verdict": "holds", "evidence": ""},
        {"text": "C.", "verdict": "holds", "evidence": ""},
    ]


def test_the_press_takes_a_claim_once(start, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    run = start()
    run.claim("A.", False, "")
    with pytest.raises(ValueError, match=re.escape("claimed already: 'A.': give every claim a text of its own")):
        run.claim("A.", True, "")
    assert [claim["verdict"] for claim in run.claims] == ["fails"]


def test_finish_shows_the_record_before_it_raises(start, shown):
    run = start(use=[images("real")])
    for text, holds, needs in (
        ("A.", True, "real"),
        ("B.", False, "real"),
        ("C.", False, "full"),
        ("D.", 0, "anything"),
    ):
        run.claim(text, holds, "", needs)
    with pytest.raises(ClaimFailed, match=r"does not hold: B\.; D\.$"):
        run.finish()
    bundle = shown[-1]
    assert [claim["verdict"] for claim in bundle[MIME]["claims"]] == ["holds", "fails", "not judged", "fails"]
    assert bundle["text/markdown"].startswith(
        "**✘ a claim fails.** Claims: 1 hold, 2 fail, 1 not judged here · data: mnist: real"
    )
    assert bundle["text/plain"].startswith("✘ a claim fails. Claims: ")


# --------------------------------------------------------------------------------------------------------- record


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (0.5, 0.5),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.array(0.25), 0.25),
        (np.array([0.25]), 0.25),
        (torch.tensor(0.5), 0.5),
        (torch.tensor(7), 7),
        (torch.tensor(0.5, requires_grad=True), 0.5),
    ],
)
def test_scalars_become_python_numbers(value, number, start):
    run = start()
    recorded = run.record("x", value, interval=(value, np.float32(9)), n=value, seeds=value, reported=value, label="X")
    assert recorded == number
    assert type(recorded) is type(run.metrics["x"]) is type(number)
    expected = {"interval": [number, 9.0], "n": number, "seeds": number, "reported": number, "label": "X"}
    assert json.loads(json.dumps(run.details)) == {"x": expected}


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (float("nan"), ValueError, "x is nan: record a finite number"),
        (torch.tensor(float("inf")), ValueError, "x is inf: record a finite number"),
        (True, TypeError, "x is a bool: record a number"),
        (np.bool_(True), TypeError, "x is a bool: record a number"),
        (torch.tensor(True), TypeError, "x is a bool: record a number"),
        ("0.5", TypeError, "x is a str: record a number"),
        (None, TypeError, "x is a NoneType: record a number"),
        (1j, TypeError, "x is a complex: record a number"),
        ([0.5], TypeError, "x is a list: record a number"),
        (np.ones(3), TypeError, "x is of shape (3,): record a number"),
        (np.ones(0), TypeError, "x is of shape (0,): record a number"),
        (torch.ones(2, 3), TypeError, "x is of shape (2, 3): record a number"),
    ],
)
def test_what_is_no_finite_scalar_is_refused(value, error, message, start):
    run = start()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        run.record("x", value, label="X")
    assert run.metrics == run.timings == {}


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"interval": (0.1, float("nan"))}, "an end of x's interval is nan: record a finite number"),
        ({"n": True}, "x's n is a bool: record a number"),
        ({"seeds": [1, 2]}, "x's seeds is a list: record a number"),
    ],
)
def test_a_detail_that_is_refused_leaves_no_half_record(details, message, start):
    run = start()
    with pytest.raises((ValueError, TypeError), match=f"^{message}$"):
        run.record("x", 0.5, **details, label="X")
    assert run.record("x", 0.5, interval=np.array([0.4, 0.6]), label="X") == 0.5
    assert run.details == {"x": {"interval": [0.4, 0.6], "label": "X"}}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_the_press_takes_a_name_once(first, second, start, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    run = start()
    run.record("x", 1, timing=first, label="X")
    with pytest.raises(ValueError, match="x is recorded already: give every number a name of its own"):
        run.record("x", 2, timing=second, label="X")
    assert run.metrics | run.timings == {"x": 1}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_an_editor_takes_a_name_again_and_the_last_value_counts(first, second, start):
    run = start()
    run.record("x", 1, n=7, timing=first, label="X")
    run.record("y", 3, timing=first, label="Y")
    assert run.record("x", 2, timing=second, label="X") == 2
    assert run.details == {"x": {"label": "X"}, "y": {"label": "Y"}}
    kept, other = (run.timings, run.metrics) if second else (run.metrics, run.timings)
    assert kept["x"] == 2
    assert "x" not in other
    assert run.metrics | run.timings == {"x": 2, "y": 3}
    run.record("x", 0, n=0, timing=second, label="X")
    assert kept["x"] == 0
    assert run.details["x"] == {"n": 0, "label": "X"}


def test_a_value_that_is_refused_leaves_the_old_one(start):
    run = start()
    run.record("x", 1, n=7, label="X")
    with pytest.raises(ValueError, match="x is nan"):
        run.record("x", math.nan, label="X")
    assert (run.metrics, run.details) == ({"x": 1}, {"x": {"n": 7, "label": "X"}})


@pytest.mark.parametrize("label", ["", None, 7])
def test_a_number_without_words_is_refused(label, start):
    run = start()
    with pytest.raises(ValueError, match="^x needs a label: the words that the Results page prints for it$"):
        run.record("x", 1, label=label)
    assert run.metrics == run.details == {}


# ------------------------------------------------------------------------------------------- mistakes and hand-ins


def test_a_mistake_shown_again_replaces_what_it_showed(start, shown):
    run = start()
    for number in (3, 4):
        run.mistake("the mean of means", f"It is {number} points off.")
    run.mistake("another", "It is 5 off.")
    assert shown[-2] == "**What it does here.** It is 4 points off."
    assert run.mistakes == {"the mean of means": "It is 4 points off.", "another": "It is 5 off."}


@pytest.mark.parametrize("folder", ["", "mine/handin"])
def test_what_is_handed_in_can_be_read_again(folder, start, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("COURSE_HANDIN", folder and str(tmp_path / folder))
    tensors = {"W": torch.arange(6.0).reshape(2, 3).T, "b": torch.zeros(2, dtype=torch.float64)}
    for _ in range(2):  # a cell may run again
        path = start().keep("network.safetensors", tensors)
    assert path == tmp_path / (folder or "deep-learning-checked") / "network.safetensors"
    found = load_file(path)
    assert set(found) == {"W", "b"}
    assert all(torch.equal(found[name], tensors[name]) and found[name].dtype == tensors[name].dtype for name in found)


@pytest.mark.parametrize("name", ["network.pt", "a/network.safetensors", "../network.safetensors", "network", ""])
def test_what_is_handed_in_is_a_file_of_tensors_in_its_folder(name, start, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HANDIN", str(tmp_path / "handin"))
    message = f"{name!r}: give the name of a file, ending in .safetensors"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        start().keep(name, {"W": torch.zeros(1)})
    assert not (tmp_path / "handin").exists()


# ------------------------------------------------------------------------------------------------------ the record


def test_the_record_of_a_whole_run(start, shown):
    run = start("full", use=[images("real (unofficial copy)", "cifar10")])
    more = {"interval": (0.25, 0.75), "n": 2, "seeds": 5, "reported": "about a half"}
    run.record("accuracy", np.float32(0.5), label="Test accuracy", group="Quality", headline=True, **more)
    run.record("plain", 7, label="Plain")
    run.record("seconds_loop", 1.5, label="The loop, seconds", timing=True)
    run.record("loop_speedup", 30.0, label="Faster than the loop", reported=0, timing=True)
    run.mistake("half of it", "Only 3 of 7.")
    assert shown[-1] == "**What it does here.** Only 3 of 7."
    run.say("Half of them.")
    assert shown[-1] == "Half of them."
    run.claim("It works.", True, "0.5 of 2", needs="real+full")
    run.finish()
    bundle = shown[-1]
    assert set(bundle) == {MIME, "text/markdown", "text/plain"}
    record = json.loads(json.dumps(bundle[MIME], allow_nan=False))
    provenance = record.pop("provenance")
    assert record == {
        "slug": "a_page",
        "profile": "full",
        "data": {"cifar10": "real (unofficial copy)"},
        "metrics": {"accuracy": 0.5, "plain": 7},
        "timings": {"seconds_loop": 1.5, "loop_speedup": 30.0},
        "details": {
            "accuracy": more
            | {"interval": [0.25, 0.75], "label": "Test accuracy", "group": "Quality", "headline": True},
            "plain": {"label": "Plain"},
            "seconds_loop": {"label": "The loop, seconds"},
            "loop_speedup": {"reported": 0, "label": "Faster than the loop"},
        },
        "mistakes": {"half of it": "Only 3 of 7."},
        "claims": [{"text": "It works.", "verdict": "holds", "evidence": "0.5 of 2"}],
        "checks": {},
    }
    assert set(provenance) == {"seed", "device", "threads", "versions", "date", "seconds", "peak_memory_mb"}
    assert provenance["seed"] == 3
    assert provenance["versions"]["torch"] == version("torch")
    libraries = {"numpy", "scipy", "torch", "torchvision", "scikit-learn", "sympy", "matplotlib"}
    assert set(provenance["versions"]) == {"python"} | libraries
    assert abs(datetime.date.fromisoformat(provenance["date"]) - datetime.datetime.now(datetime.UTC).date()).days <= 1
    assert 0 <= provenance["seconds"] < 60
    assert 50 < provenance["peak_memory_mb"] < 100_000
    assert bundle["text/markdown"].startswith(
        "**✔ every claim that could be judged holds.** Claims: 1 hold · data: cifar10: real (unofficial copy) · "
    )
    seconds = numbers.duration(provenance["seconds"]).replace("\u00a0", " ")
    assert bundle["text/markdown"].endswith(f" · {seconds} · peak memory {provenance['peak_memory_mb']} MB")
    assert "*" not in bundle["text/plain"]


def test_the_summary_of_a_page_without_data_or_claims(start, shown):
    start().finish()
    assert re.search(r"Claims: none · data: none needed · [\d.]+ m?s · peak memory \d+ MB$", shown[-1]["text/markdown"])


def slow():
    time.sleep(0.2)
    return 1


def test_seconds_reused_are_told_apart(start, shown, data_root):
    for _ in range(2):
        run = start()
        run.stage("slow", {}, slow)
        run.finish()
    (kept,) = data_root.glob("stages/a_page/slow-*/result.json")
    seconds = json.loads(kept.read_text())["note"]["seconds"]
    assert seconds >= 0.2
    assert run.provenance["seconds_reused"] == round(seconds, 1)
    assert re.search(r"s \(and \d+ ms in steps reused\) · peak", shown[-1]["text/markdown"])


def test_two_runs_of_one_seed_differ_in_time_alone(start, shown):
    def record():
        run = start(seed=8)
        run.record("x", torch.rand(3).sum() + np.random.rand() + random.random(), label="X")
        run.finish()
        content = dict(shown[-1][MIME])
        content["provenance"] = {
            k: v for k, v in content["provenance"].items() if k not in ("seconds", "peak_memory_mb")
        }
        return content

    assert record() == record()
