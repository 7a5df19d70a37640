"""Executed pages: cleaning, publishing whole or not at all, freshness, and the index of results."""

import json
import os
import re
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


def prepare(source: Source, executed: Path, values: dict) -> nbformat.NotebookNode:
    """The page of an executed notebook: the source's cells with the outputs of what ran, and fingerprints of it.

    Raises Refused where a cell wrote to stderr (the book would not build).
    """
    ran = read(executed)
    for cell in ran.cells:
        if INJECTED in cell.metadata.get("tags", []):
            cell.id, cell.metadata = INJECTED, {"tags": [INJECTED]}
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise Refused(f"{source.slug}: cell {cell.id} wrote to stderr: {output.text[:300]}")
    ran.metadata["course"]["published"] = {
        "parameters": values,
        "source": source.fingerprint(values),
        "modules": fingerprint.helpers_reached(source.code()),
    }
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
    raise Refused("the page carries no record: run.finish() is missing")


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


def place(repository: Repository, slug: str, page: nbformat.NotebookNode) -> str:
    """Put a page where the book finds it, whole or not at all, and rebuild the index; returns what was done.

    Raises Refused for a page that is too big or would replace real data's by a stand-in's; OSError from the disk.
    """
    target = repository.pages / f"{slug}.ipynb"
    text = nbformat.writes(page) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise Refused(
            f"{slug}: the page has {len(text.encode()) // 1000} KB, more than {MAX_BYTES // 1000}: fewer figures"
        )
    done = "published"
    if target.exists():
        old = read(target)
        if is_real(record(old)) and not is_real(record(page)):
            raise Refused(f"{slug}: the page there was made from real data, this one from a stand-in: it stays")
        if lasting(old) == lasting(page):
            done = "unchanged"
    if done == "published":
        write_whole(target, text)
    rebuild_results(repository)
    return done


def write_whole(target: Path, text: str) -> None:
    """Write beside `target`, flush to the disk, rename: a reader sees the old file or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def results(repository: Repository) -> dict:
    """What book/results.json must hold, read from the pages."""
    assignments = {}
    for path in sorted(repository.pages.glob("*.ipynb")):
        page = read(path)
        found, published = record(page), page.metadata["course"]["published"]
        found["provenance"] = found["provenance"] | {
            "source": published["source"],
            "helpers": fingerprint.digest(json.dumps(published["modules"], sort_keys=True)),
        }
        assignments[path.stem] = found
    return {"assignments": assignments}


def rebuild_results(repository: Repository) -> None:
    """Write book/results.json anew from the pages, and clear what a killed publish left behind."""
    for left in repository.pages.glob(".*.partial"):
        owner = int(left.name.split(".")[-2])
        if owner != os.getpid() and not _alive(owner):
            left.unlink(missing_ok=True)
    text = json.dumps(results(repository), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if not repository.results.exists() or repository.results.read_text(encoding="utf-8") != text:
        write_whole(repository.results, text)


def _alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)


def status(repository: Repository, slug: str) -> Status:
    """Whether the page of `slug` shows what its source says now, and if not, why."""
    target = repository.pages / f"{slug}.ipynb"
    if not target.exists():
        return Status(slug, "–", "–", "–", ["not published: run publish"], [])
    source, page = repository.source(slug), read(target)
    found, published = record(page), page.metadata["course"]["published"]
    code, text = differences(source, page, published)
    modules = fingerprint.helpers_reached(source.code())
    changed = sorted(
        name for name in {*modules, *published["modules"]} if modules.get(name) != published["modules"].get(name)
    )
    reasons, notes = code + text, [f"helpers changed since it ran: {', '.join(changed)}"] if changed else []
    if found["profile"] != "full":
        reasons.append(f"published from the {found['profile']} profile")
    data = ", ".join(f"{name}: {origin}" for name, origin in found["data"].items()) or "none needed"
    return Status(slug, found["provenance"]["date"], found["profile"], data, reasons, notes)


def differences(source: Source, page: nbformat.NotebookNode, published: dict) -> tuple[list[str], list[str]]:
    """Why a page is stale: (reasons in code and parameters, reasons in text, tags and captions)."""
    wanted = {**source.full, **({"data": "real"} if "data" in published["parameters"] else {})}
    reasons, text = [], []
    if published["parameters"] != wanted:
        reasons.append(f"parameters: ran with {published['parameters']}, the full profile has {wanted}")
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
    if not text and [c.id for c in source.notebook.cells] != list(ran):
        text.append("the order of the cells changed (sync cures it)")
    return reasons, text


def sync(repository: Repository, slug: str) -> str:
    """Carry Markdown, tags, captions and alt texts from the source to its page, without executing.

    Raises Refused where no page is there or code or parameters changed: only a run can cure that.
    """
    target = repository.pages / f"{slug}.ipynb"
    if not target.exists():
        raise Refused(f"{slug} has no page: run publish")
    source, page = repository.source(slug), read(target)
    code, text = differences(source, page, page.metadata["course"]["published"])
    if code:
        raise Refused(f"{slug}: {code[0]}: run publish")
    if text:
        write_whole(target, nbformat.writes(assemble(source, page)) + "\n")
    rebuild_results(repository)
    return f"synced {len(text)} cells" if text else "in step"


def values_given(text: str) -> tuple[str, str]:
    """`name=value` in two.  Raises Refused for anything else."""
    if not re.fullmatch(r"[A-Za-z_]\w*=.*", text, flags=re.DOTALL):
        raise Refused(f"{text!r} is no name=value")
    name, _, value = text.partition("=")
    return name, value
