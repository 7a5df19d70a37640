"""The record of one run of a notebook: the contract between a notebook and the press."""

import datetime
import hashlib
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from IPython.display import Markdown, display
from safetensors.torch import save_file

from helpers import MIME, checks, device, numbers, plots, stages
from helpers.datasets import store
from helpers.formulas import displays

PROFILES = ("quick", "full")
NEEDS = ("anything", "real", "full", "real+full")
LIBRARIES = ("numpy", "scipy", "torch", "torchvision", "scikit-learn", "sympy", "matplotlib")
SIGNS = {"holds": "✔", "fails": "✘", "not judged": "○"}


class ClaimFailed(AssertionError):
    """At least one claim that was judged does not hold."""


def start(slug: str, *, seed: int, data: str = "auto") -> "Run":
    """Begin a run: seed every generator, set the figure style, show the provenance.

    slug: the notebook's name without its ending.  data: "auto", "real" or "standin", as the loaders take it.
    The profile is $COURSE_PROFILE, "quick" where unset.  Raises ValueError for another profile or value of data.
    """
    profile = os.environ.get("COURSE_PROFILE") or "quick"
    if profile not in PROFILES:
        raise ValueError(f"COURSE_PROFILE is {profile!r}: choose one of {', '.join(PROFILES)}")
    if data not in store.CHOICES:
        raise ValueError(f"data = {data!r}: choose one of {', '.join(store.CHOICES)}")
    device.seed_everything(seed)
    plots.use_style()
    checks.reset()
    displays.begin(slug)
    return Run(slug, profile, seed)


class Run:
    """What one execution used, measured, said and claimed.

    A cell may run again: a name recorded and a text claimed before are replaced.  Where $COURSE_STRICT is set, as the
    press does, every cell runs once, and a second one is an error of the page's.
    """

    def __init__(self, slug: str, profile: str, seed: int):
        """slug, profile, seed: as `start` checked them."""
        self.slug, self.profile, self.seed = slug, profile, seed
        self.data: dict[str, str] = {}
        self.metrics: dict[str, float] = {}
        self.timings: dict[str, float] = {}
        self.details: dict[str, dict] = {}
        self.claims: list[dict] = []
        self.mistakes: dict[str, str] = {}
        self._strict = bool(os.environ.get("COURSE_STRICT"))
        self._digests: dict[str, str] = {}
        self._reused_seconds = 0.0
        self._began = time.perf_counter()
        self.provenance = {
            "seed": seed,
            "device": device.describe(),
            "threads": torch.get_num_threads(),
            "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        self._show_provenance()

    def _show_provenance(self) -> None:
        p, v = self.provenance, self.provenance["versions"]
        where = f"{p['device']}, {numbers.count(p['threads'], 'thread')}"
        libraries = f"Python {v['python']}, NumPy {v['numpy']}, torch {v['torch']}"
        line = f"{self.profile} profile · seed {self.seed} · {where} · {libraries} · {p['date']}"
        display(Markdown(f"**This run:** {line}"))

    def use(self, dataset):
        """Register a loaded data set (`.name`, `.origin`, `.fingerprint`, `.describe()`), show a line, return it."""
        self.data[dataset.name] = dataset.origin
        self._digests[dataset.name] = dataset.fingerprint
        line = f"**Data:** {dataset.describe()}"
        if dataset.origin == "stand-in" and not dataset.name.startswith("standin"):
            line += " — ⚠ a stand-in: numbers from here on say nothing about the real data. `make data` fetches those."
        display(Markdown(line))
        return dataset

    @property
    def on_real_data(self) -> bool:
        """Whether no data set of the page is a stand-in (one that goes by a stand-in's own name is a side run)."""
        return all(o != "stand-in" for name, o in self.data.items() if not name.startswith("standin"))

    def record(
        self,
        name: str,
        value,
        *,
        label: str,
        group="",
        headline=False,
        interval=None,
        n=None,
        seeds=None,
        reported=None,
        timing=False,
    ):
        """Keep a scalar under `name`, in place of an earlier one, and return it as a Python number.

        label: what the Results page prints for it.  group: its table there.  headline: it stands in the first table.
        interval: (low, high), 95 %.  n: examples behind the value.  seeds: how many were averaged.
        reported: what the original homework reported, a number or words.  timing: it depends on the clock.
        Raises ValueError for a value that is not finite or, in the press, a name used before, TypeError for no scalar.
        """
        if self._strict and (name in self.metrics or name in self.timings):
            raise ValueError(f"{name} is recorded already: give every number a name of its own")
        number = _number(name, value)
        if not (label and isinstance(label, str)):
            raise ValueError(f"{name} needs a label: the words that the Results page prints for it")
        given = {"interval": interval, "n": n, "seeds": seeds, "reported": reported}
        detail = {key: _detail(name, key, content) for key, content in given.items() if content is not None}
        detail |= {"label": label} | ({"group": group} if group else {}) | ({"headline": True} if headline else {})
        place, other = (self.timings, self.metrics) if timing else (self.metrics, self.timings)
        place[name], self.details[name] = number, detail
        other.pop(name, None)
        return number

    def say(self, markdown: str) -> None:
        """Show prose whose numbers were computed.  Its cell carries the tag `remove-input`."""
        display(Markdown(markdown))

    def claim(self, text: str, holds, evidence: str, needs: str = "anything") -> None:
        """Show a claim with its verdict and evidence, and keep it under its text; where it fails, `finish` raises.

        needs: what must be true before it is judged: "anything", "real" (data), "full" (profile) or "real+full".
        Raises ValueError for other needs and, in the press, for a text claimed before.
        """
        if needs not in NEEDS:
            raise ValueError(f"needs = {needs!r}: choose one of {', '.join(NEEDS)}")
        texts = [claim["text"] for claim in self.claims]
        place = texts.index(text) if text in texts else len(texts)
        if self._strict and place < len(texts):
            raise ValueError(f"claimed already: {text!r}: give every claim a text of its own")
        judged = ("real" not in needs or self.on_real_data) and ("full" not in needs or self.profile == "full")
        verdict = ("holds" if bool(holds) else "fails") if judged else "not judged"
        self.claims[place : place + 1] = [{"text": text, "verdict": verdict, "evidence": evidence}]
        wants = {"real": "real data", "full": "the full profile", "real+full": "the full profile on real data"}
        mark = SIGNS[verdict] if judged else f"{SIGNS[verdict]} *not judged here (needs {wants[needs]})*"
        anchor = f'<span id="claim-{place + 1}"></span>'
        display(Markdown(f"{anchor}**{mark}** **Claim.** {text}\n\n*Evidence:* {evidence}"))

    def mistake(self, title: str, shown: str) -> None:
        """Show, below the box of a common mistake, what it did here; the book's list of mistakes takes it from there.

        title: the box's, without "A common mistake: ".  shown: a sentence with the number that shows it, computed.
        """
        self.mistakes[title] = shown
        display(Markdown(f"**What it does here.** {shown}"))

    def keep(self, name: str, tensors: dict[str, torch.Tensor]) -> Path:
        """Write weights or a table that an exercise asks for as safetensors, and return where: $COURSE_HANDIN, else a
        folder of the system's for what is temporary.  name: of the file.  Raises ValueError for a name with folders.
        """
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"{name!r}: give the name of a file, ending in .safetensors")
        folder = Path(os.environ.get("COURSE_HANDIN") or Path(tempfile.gettempdir()) / "deep-learning-checked")
        folder.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in tensors.items()}, folder / name)
        return folder / name

    def stage(self, name: str, inputs: dict, function: Callable):
        """function(**inputs), from disk where the same call has been made before; the page says so.

        The key: the code and plain values that `function` reaches, inputs, seed, data, profile, versions, settings,
        threads, device.  Raises TypeError, with the remedy, where it reads what has no place in a key.
        Inside, the global generators are seeded from (seed, name); afterwards they stand as before.
        Returns nested dicts and lists of numbers, strings, tensors (CPU) and arrays; tuples come back as lists.
        """
        seed = int(hashlib.sha256(f"{self.seed} {name}".encode()).hexdigest()[:8], 16)
        where = [self.provenance[k] for k in ("versions", "threads", "device")]
        also = {"seeds": [self.seed, seed], "data": self._digests, "profile": self.profile, "where": where}
        folder = stages.folder_of(self.slug, name, inputs, function, also)
        if found := stages.recall(folder):
            result, note = found
            self._reused_seconds += note["seconds"]
            taken = numbers.duration(note["seconds"])
            display(Markdown(f"*Step “{name}”: reused, computed on {note['date']} in {taken}.*"))
            return result
        began = time.perf_counter()
        with device.own_generators(seed):
            result = function(**inputs)
        note = {"seconds": time.perf_counter() - began, "date": self.provenance["date"]}
        try:
            stages.keep(folder, result, note)
        except OSError as error:
            print(f"step “{name}” could not be kept under {folder.parent}: {error}; the run goes on")
        return stages.as_kept(result)

    def finish(self) -> None:
        """Show duration, claims and verdict, embed everything as JSON, and raise ClaimFailed if a claim fails."""
        self.provenance["seconds"] = round(time.perf_counter() - self._began, 1)
        if self._reused_seconds:
            self.provenance["seconds_reused"] = round(self._reused_seconds, 1)
        self.provenance["peak_memory_mb"] = round(device.peak_memory_mb())
        failed = [claim["text"] for claim in self.claims if claim["verdict"] == "fails"]
        kept = ("slug", "profile", "data", "metrics", "details", "timings", "claims", "mistakes", "provenance")
        content = {name: getattr(self, name) for name in kept} | {"checks": checks.record()}
        summary = self._summary(bool(failed))
        display({MIME: content, "text/markdown": summary, "text/plain": summary.replace("*", "")}, raw=True)
        if failed:
            raise ClaimFailed("does not hold: " + "; ".join(failed))

    def _summary(self, failed: bool) -> str:
        p = self.provenance
        verdicts = [claim["verdict"] for claim in self.claims]
        words = {"holds": "hold", "fails": "fail", "not judged": "not judged here"}
        counts = ", ".join(f"{verdicts.count(v)} {words[v]}" for v in SIGNS if v in verdicts) or "none"
        reused = f" (and {numbers.duration(p['seconds_reused'])} in steps reused)" if "seconds_reused" in p else ""
        data = ", ".join(f"{name}: {origin}" for name, origin in self.data.items()) or "none needed"
        verdict = "✘ a claim fails" if failed else "✔ every claim that could be judged holds"
        return (
            f"**{verdict}.** Claims: {counts} · data: {data} · {numbers.duration(p['seconds'])}{reused} · "
            f"peak memory {p['peak_memory_mb']}{numbers.BLANK}MB"
        )


def _detail(name: str, key: str, value) -> int | float | str | list:
    if key == "interval":
        return [_number(f"an end of {name}'s interval", end) for end in value]
    return value if isinstance(value, str) else _number(f"{name}'s {key}", value)


def _number(name: str, value) -> int | float:
    try:
        value = value.item() if hasattr(value, "item") else value
    except (ValueError, RuntimeError):  # several elements, or none
        raise TypeError(f"{name} is of shape {tuple(value.shape)}: record a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a {type(value).__name__}: record a number")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}: record a finite number")
    return value
