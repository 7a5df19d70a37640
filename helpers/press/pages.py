"""Executed pages: cleaning, publishing whole or not at all, freshness, and the index of results."""

import json
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat

from helpers import MIME, fingerprint
from helpers.press.sources import Refused, Repository, Source

MAX_BYTES = 600_000
INJECTED = "injected-parameters"
PASSING = ("date", "seconds", "seconds_reused", "peak_memory_mb")  # differ from run to run


@dataclass(frozen=True)
class Status:
    """What `status` says of a notebook.  reasons: why it is stale.  notes: helpers that changed since it ran."""

    slug: str
    published: str
    profile: str
    data: str
    reasons: list[str]
    notes: list[str]

    @property
    def fresh(self) -> bool:
        """Whether the page shows what its source says now."""
        return not self.reasons


def stamp(source: Source, values: dict) -> dict:
    """What a run of `source` with the parameters `values` is made from; taken before it, because files change."""
    modules = fingerprint.helpers_reached(source.code())
    return {"parameters": values, "source": source.fingerprint(values), "modules": modules}


def prepare(source: Source, ran: nbformat.NotebookNode, made_from: dict) -> nbformat.NotebookNode:
    """The page of an executed notebook: the source's cells with the outputs of what ran, and its stamp.

    Raises Refused where a cell wrote to stderr (the book would not build), where the run left no record, and where
    the source changed on disk between its reading and the run.
    """
    record(ran)
    for cell in ran.cells:
        if INJECTED in cell.metadata.get("tags", []):
            cell.id, cell.metadata = INJECTED, {"tags": [INJECTED]}
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise Refused(f"cell {cell.id} wrote to stderr: {output.text[:300]}")
    ran.metadata["course"]["published"] = made_from
    if differences(source, ran, made_from)[0]:
        raise Refused("the notebook changed while it was about to run: publish it again")
    return assemble(source, ran)


def assemble(source: Source, ran: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source's cells and metadata, with the outputs, the injected parameters and the fingerprints of `ran`."""
    page = deepcopy(source.notebook)
    page.metadata["course"]["published"] = ran.metadata["course"]["published"]
    outputs, cells = {cell.id: cell for cell in ran.cells}, []
    for cell in page.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = outputs[cell.id].outputs, outputs[cell.id].execution_count
        if "parameters" in cell.metadata.get("tags", []) and INJECTED in outputs:
            cells.append(outputs[INJECTED])
    for output in (output for cell in cells for output in cell.get("outputs", [])):
        output.get("metadata", {}).pop("execution", None)
    page.cells = cells
    return page


def read(path: Path) -> nbformat.NotebookNode:
    """An executed notebook.  Raises Refused where it is missing or broken."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise Refused(f"{path} cannot be read as a notebook: {error}") from error


def record(page: nbformat.NotebookNode) -> dict:
    """The record that a page carries, without its slug.  Raises Refused where it carries none."""
    for cell in reversed(page.cells):
        for output in cell.get("outputs", []):
            if MIME in output.get("data", {}):
                return {key: value for key, value in output["data"][MIME].items() if key != "slug"}
    raise Refused("there is no record: run.finish() is missing")


def load(path: Path) -> tuple[nbformat.NotebookNode, dict, dict]:
    """A published page, its record and its stamp.  Raises Refused for a file that is none."""
    page = read(path)
    try:
        return page, record(page), page.metadata["course"]["published"]
    except (Refused, KeyError) as fault:
        raise Refused(f"{path} is no page that the press made: delete it and publish again") from fault


def is_real(found: dict) -> bool:
    """Whether a record's data sets are all real (a side run on a stand-in under its own name does not count)."""
    return all(o != "stand-in" for name, o in found["data"].items() if not name.startswith("standin"))


def lasting(page: nbformat.NotebookNode) -> dict:
    """What of a page must stay the same from run to run: everything but timings, dates, durations and their prose."""
    found = record(page)
    return {
        "published": page.metadata["course"]["published"],
        "cells": [(cell.id, cell.source, cell.metadata) for cell in page.cells],
        "data": found["data"],
        "metrics": found["metrics"],
        "details": {name: more for name, more in found["details"].items() if name not in found["timings"]},
        "claims": [(claim["text"], claim["verdict"]) for claim in found["claims"]],
        "provenance": {key: value for key, value in found["provenance"].items() if key not in PASSING},
    }


def replaceable(repository: Repository, slug: str, real: bool) -> nbformat.NotebookNode | None:
    """The page of `slug` that is there, if any.

    Raises Refused where it was made from real data and what would replace it is not `real`, or where it is broken.
    """
    target = repository.pages / f"{slug}.ipynb"
    if not target.exists():
        return None
    old, found, _ = load(target)
    if found["data"] and is_real(found) and not real:
        raise Refused(f"the page {slug} was made from real data, this one would be from a stand-in: the old one stays")
    return old


def alone(repository: Repository):
    """A lock: one process at a time reads the pages and writes what follows from them; others wait."""
    from filelock import FileLock  # here: rendering the book needs none

    path = repository.root / "build" / "press.lock"
    path.parent.mkdir(exist_ok=True)
    return FileLock(path, is_singleton=True)  # so that a function that holds it may call another that takes it


def place(repository: Repository, slug: str, page: nbformat.NotebookNode) -> str:
    """Put a page where the book finds it, whole or not at all, and rebuild the index; returns what was done.

    Raises Refused for a page that is too big or would replace real data's by a stand-in's, and for a full disk.
    """
    text = nbformat.writes(page) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise Refused(f"the page has {len(text.encode()) // 1000} KB, more than {MAX_BYTES // 1000}: show fewer figures")
    with alone(repository):
        old = replaceable(repository, slug, is_real(record(page)))
        unchanged = old is not None and lasting(old) == lasting(page)
        if not unchanged:
            write_whole(repository.pages / f"{slug}.ipynb", text)
        rebuild_results(repository)
    return "unchanged" if unchanged else "published"


def write_whole(target: Path, text: str) -> None:
    """Write beside `target`, flush to the disk, rename: a reader sees the old file or the new one.

    Call it inside `alone`.  Raises Refused where the disk refuses.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Refused(f"{target} cannot be written, it stays as it was: {error.strerror}. Run it again then") from error


def results(repository: Repository) -> dict:
    """What book/results.json must hold, read from the pages."""
    assignments = {}
    for path in sorted(repository.pages.glob("*.ipynb")):
        _, found, made_from = load(path)
        helpers = fingerprint.digest(json.dumps(made_from["modules"], sort_keys=True))
        found["provenance"] = found["provenance"] | {"source": made_from["source"], "helpers": helpers}
        assignments[path.stem] = found
    return {"assignments": assignments}


def rebuild_results(repository: Repository) -> None:
    """Write book/results.json anew from the pages, and clear what a killed publish left behind."""
    with alone(repository):
        for left in repository.results.parent.rglob(".*.partial"):
            left.unlink()
        text = json.dumps(results(repository), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        if not repository.results.exists() or repository.results.read_text(encoding="utf-8") != text:
            write_whole(repository.results, text)


def status(repository: Repository, slug: str) -> Status:
    """Whether the page of `slug` shows what its source says now, and if not, why."""
    target = repository.pages / f"{slug}.ipynb"
    if not target.exists():
        return Status(slug, "–", "–", "–", ["not published: run publish"], [])
    try:
        source, (page, found, made_from) = repository.source(slug), load(target)
    except Refused as refusal:
        return Status(slug, "–", "–", "–", [str(refusal)], [])
    code, text = differences(source, page, made_from)
    modules, then = fingerprint.helpers_reached(source.code()), made_from["modules"]
    changed = [name for name in sorted({*modules, *then}) if modules.get(name) != then.get(name)]
    reasons, notes = code + text, [f"helpers changed since it ran: {', '.join(changed)}"] if changed else []
    if found["profile"] != "full":
        reasons.append(f"published from the {found['profile']} profile")
    data = ", ".join(f"{name}: {origin}" for name, origin in found["data"].items()) or "none needed"
    return Status(slug, found["provenance"]["date"], found["profile"], data, reasons, notes)


def differences(source: Source, page: nbformat.NotebookNode, made_from: dict) -> tuple[list[str], list[str]]:
    """Why a page is stale: (reasons in code and parameters, reasons in text, tags and captions)."""
    wanted = {**source.full, **({"data": "real"} if source.datasets else {})}
    reasons, text = [], []
    if made_from["parameters"] != wanted:
        reasons.append(f"parameters: ran with {made_from['parameters']}, the full profile has {wanted}")
    ran = {cell.id: cell for cell in page.cells if cell.id != INJECTED}
    code = [cell for cell in source.notebook.cells if cell.cell_type == "code"]
    for cell in code:
        if cell.id not in ran or ran[cell.id].source != cell.source:
            reasons.append(f"code cell {cell.id} {'changed' if cell.id in ran else 'is new'}")
    gone = [cell.id for cell in ran.values() if cell.cell_type == "code" and cell.id not in {c.id for c in code}]
    reasons += [f"code cell {name} is gone" for name in gone]
    if not reasons and [c.id for c in code] != [c.id for c in ran.values() if c.cell_type == "code"]:
        reasons.append("the order of the code cells changed")
    for cell in source.notebook.cells:
        old = ran.get(cell.id)
        if cell.cell_type == "markdown" and (old is None or old.source != cell.source):
            text.append(f"text of cell {cell.id} (sync cures it)")
        elif old is not None and old.metadata != cell.metadata:
            text.append(f"tags or captions of cell {cell.id} (sync cures it)")
    sources = {cell.id for cell in source.notebook.cells}
    text += [f"text cell {name} is gone (sync cures it)" for name in ran if name not in sources and name not in gone]
    if source.notebook.metadata["course"] != {k: v for k, v in page.metadata["course"].items() if k != "published"}:
        text.append("title or data sets in the metadata (sync cures it)")
    if not text and [c.id for c in source.notebook.cells] != list(ran):
        text.append("the order of the cells changed (sync cures it)")
    return reasons, text


def sync(repository: Repository, slug: str) -> str:
    """Carry Markdown, tags, captions and alt texts from the source to its page, without executing.

    Raises Refused where no page is there or code or parameters changed: only a run can cure that.
    """
    target = repository.pages / f"{slug}.ipynb"
    if not target.exists():
        raise Refused("it has no page: run publish")
    with alone(repository):
        source, (page, _, made_from) = repository.source(slug), load(target)
        code, text = differences(source, page, made_from)
        if code:
            raise Refused(f"{code[0]}: run publish")
        if text:
            write_whole(target, nbformat.writes(assemble(source, page)) + "\n")
        rebuild_results(repository)
    return f"synced, {len(text)} changes" if text else "in step"
