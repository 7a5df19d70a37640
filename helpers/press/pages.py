"""Executed pages: cleaning, publishing whole or not at all, freshness, and the index of results."""

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import nbformat

from helpers import fingerprint, tracing
from helpers.formulas.displays import labelled
from helpers.formulas.tokens import statement
from helpers.press.sources import Refused, Repository, Source, outputs, read, record

MAX_BYTES = 600_000
INJECTED = "injected-parameters"
PASSING = ("date", "seconds", "seconds_reused", "peak_memory_mb")  # differ from run to run


class Status(NamedTuple):
    """What `status` says of a notebook.  reasons: why it is stale.  notes: helpers that changed since it ran."""

    slug: str
    published: str
    profile: str
    data: str
    reasons: list[str]
    notes: list[str]


def stamp(source: Source, values: dict) -> dict:
    """What a run of `source` with the parameters `values` is made from; taken before it, because files change."""
    code = [*_code(source.notebook).values()]
    digest = fingerprint.digest(json.dumps([code, values], sort_keys=True))
    return {"parameters": values, "source": digest, "modules": tracing.reached("\n".join(code))}


def _code(notebook: nbformat.NotebookNode) -> dict[str, str]:
    return {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}


def prepare(source: Source, ran: nbformat.NotebookNode, made_from: dict) -> nbformat.NotebookNode:
    """The page of an executed notebook: the source's cells with the outputs of what ran, and its stamp.

    Raises Refused where a cell wrote to stderr (the book would not build) or the source changed before it ran.
    """
    for cell in ran.cells:
        if INJECTED in cell.metadata.get("tags", []):
            cell.id, cell.metadata = INJECTED, {"tags": [INJECTED]}
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise Refused(f"cell {cell.id} wrote to stderr: {output.text[:300]}")
    ran.metadata["course"]["published"] = made_from
    if code_changes(source, ran):
        raise Refused("the notebook changed before it ran: publish it again")
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
    page.cells = cells
    return page


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
    timings = found.pop("timings")
    return found | {
        "published": page.metadata["course"]["published"],
        "cells": [(cell.id, cell.source, cell.metadata) for cell in page.cells],
        "details": {name: more for name, more in found["details"].items() if name not in timings},
        "claims": [(claim["text"], claim["verdict"]) for claim in found["claims"]],
        "mistakes": sorted(found.get("mistakes", {})),
        "provenance": {key: value for key, value in found["provenance"].items() if key not in PASSING},
    }


def replaceable(repository: Repository, slug: str, real: bool) -> nbformat.NotebookNode | None:
    """The page of `slug`, or None.  Raises Refused where it is broken, or is from real data and what comes is not."""
    target = repository.pages / f"{slug}.ipynb"
    if not target.exists():
        return None
    old, found, _ = load(target)
    if found["data"] and is_real(found) and not real and not repository.own:
        raise Refused(f"the page {slug} was made from real data, this one would be from a stand-in: the old one stays")
    return old


def place(repository: Repository, slug: str, page: nbformat.NotebookNode) -> str:
    """Put a page where the book finds it, whole or not at all, and rebuild the index; returns what was done.

    Raises Refused for a page without a record, too big, or from a stand-in over one from real data; for a full disk.
    """
    text = nbformat.writes(page) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise Refused(f"the page has {len(text.encode()) // 1000} KB, more than {MAX_BYTES // 1000}: drop figures")
    with repository.alone():
        old = replaceable(repository, slug, is_real(record(page)))
        unchanged = old is not None and lasting(old) == lasting(page)
        if not unchanged:
            write_whole(repository.pages / f"{slug}.ipynb", text)
        rebuild_results(repository)
    return "unchanged" if unchanged else "published"


def write_whole(target: Path, text: str) -> None:
    """Write beside `target`, flush to the disk, rename: a kill or a full disk leaves the old file or the new one.

    Call it inside `Repository.alone`.  Raises Refused where the disk refuses.
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
        raise Refused(f"{target} stays as it was ({error.strerror}): make room there and run it again") from error


def results(repository: Repository) -> dict:
    """What book/results.json must hold, read from the pages."""
    assignments = {}
    for slug in repository.slugs(repository.pages):
        _, found, made_from = load(repository.pages / f"{slug}.ipynb")
        helpers = fingerprint.digest(json.dumps(made_from["modules"], sort_keys=True))
        found["provenance"] |= {"source": made_from["source"], "helpers": helpers}
        assignments[slug] = found
    return {"assignments": assignments}


def rebuild_results(repository: Repository) -> None:
    """Write book/results.json anew from the pages, and clear what a killed publish left behind."""
    with repository.alone():
        try:
            for left in repository.results.parent.rglob(".*.partial"):
                left.unlink()
            if text := behind(repository):
                write_whole(repository.results, text)
        except (Refused, OSError) as fault:
            raise Refused(f"the page is in its place, but the index is behind the pages: {fault}") from fault


def behind(repository: Repository) -> str:
    """What book/results.json should hold, where it does not; else nothing."""
    path = repository.results
    text = json.dumps(results(repository), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return "" if path.exists() and path.read_bytes().replace(b"\r\n", b"\n") == text.encode() else text


def status(repository: Repository, slug: str) -> Status:
    """Whether the page of `slug` shows what its source says now, and if not, why."""
    target = repository.pages / f"{slug}.ipynb"
    try:
        if not target.exists():
            raise Refused("not published: run publish")
        source, (page, found, made_from) = repository.source(slug), load(target)
        missing = tracing.missing("\n".join(_code(source.notebook).values()))
    except ValueError as fault:
        return Status(slug, "–", "–", "–", [str(fault)], [])
    reasons = [saved] if (saved := outputs(slug, source.notebook)) else []
    reasons += [f"its code takes {name}, which is not there" for name in missing]
    reasons += stale(source, page) or [f"{change} (sync cures it)" for change in text_changes(source, page)]
    modules, then = stamp(source, {})["modules"], made_from["modules"]
    changed = [name for name in sorted({*modules, *then}) if modules.get(name) != then.get(name)]
    notes = [f"helpers changed since it ran: {', '.join(changed)}"] if changed else []
    reasons += [f"published from the {found['profile']} profile"] * (found["profile"] != "full")
    data = ", ".join(f"{name}: {origin}" for name, origin in found["data"].items()) or "none needed"
    return Status(slug, found["provenance"]["date"], found["profile"], data, reasons, notes)


def stale(source: Source, page: nbformat.NotebookNode) -> list[str]:
    """Why only a run can make `page` show what its source says: its parameters and code cells."""
    ran = page.metadata["course"]["published"]["parameters"]
    wanted = {**source.full, **({"data": "real"} if source.datasets else {})}
    reasons = [f"parameters: ran with {ran}, the full profile has {wanted}"] * (ran != wanted)
    return reasons + code_changes(source, page) + display_changes(source, page)


def display_changes(source: Source, page: nbformat.NotebookNode) -> list[str]:
    """How the checked displays of a source differ, in what they say, from those that were read."""
    checks = record(page).get("checks", {})
    said = {label: fingerprint.digest(statement(latex)) for label, latex in labelled(source.notebook.cells)}
    return [f"display {label} changed" for label, check in checks.items() if said.get(label) != check["statement"]]


def code_changes(source: Source, page: nbformat.NotebookNode) -> list[str]:
    """How the code cells of a source differ from those that ran."""
    return _changes("code cell", _code(source.notebook), _code(page))


def text_changes(source: Source, page: nbformat.NotebookNode) -> list[str]:
    """How text, tags and captions of a source differ from its page's: what `sync` cures."""
    notebooks = source.notebook, page
    both = ({c.id: (c.cell_type != "code" and c.source, c.metadata) for c in each.cells} for each in notebooks)
    return _changes("text, tags or captions of cell", *both)


def _changes(what: str, new: dict, old: dict) -> list[str]:
    old = {name: value for name, value in old.items() if name != INJECTED}
    found = [f"{what} {name} changed" for name in new if name in old and old[name] != new[name]]
    found += [f"{what} {name} is new" for name in new if name not in old]
    found += [f"{what} {name} is gone" for name in old if name not in new]
    return found or ["the order of the cells changed"] * (list(new) != list(old))


def sync(repository: Repository, slug: str) -> str:
    """Carry Markdown, tags, captions and alt texts from the source to its page, without executing.

    Raises Refused where no page is there or code or parameters changed: only a run can cure that.
    """
    target = repository.pages / f"{slug}.ipynb"
    if not target.exists():
        raise Refused("it has no page: run publish")
    with repository.alone():
        source, page = repository.source(slug), load(target)[0]
        if reasons := stale(source, page):
            raise Refused(f"{reasons[0]}: run publish")
        if text := text_changes(source, page):
            write_whole(target, nbformat.writes(assemble(source, page)) + "\n")
        rebuild_results(repository)
    return f"synced, {len(text)} changes" if text else "in step"
