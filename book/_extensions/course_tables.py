"""Tables that Sphinx makes from the pages: assignments, results, claims, benchmarks."""

import json
import re

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from recorded import cell, results_table
from sphinx.util.docutils import SphinxDirective

from helpers import numbers
from helpers.formulas.displays import labelled
from helpers.press import pages
from helpers.press.sources import Repository

MARKS = {"holds": "✔ holds", "fails": "✘ fails", "not judged": "○ not judged"}


BOX = re.compile(r"^:::\{admonition\} A common mistake(?:: )?(.*)$", re.M)


def assignments_table(repository: Repository) -> str:
    """The assignments by part: linked where published, else "in preparation"."""
    course = yaml.safe_load((repository.root / "book" / "course.yml").read_text(encoding="utf-8"))
    lines = []
    for part in course:
        lines += ["", f"**Part {part['part']}**", ""]
        for slug, entry in part["assignments"].items():
            there = (repository.pages / f"{slug}.ipynb").exists()
            title = f"[{entry['title']}](assignments/{slug}.ipynb)" if there else f"{entry['title']} *(in preparation)*"
            lines.append(f"{int(slug[:2])}. {title}. {entry['question']}")
    return "\n".join(lines)


def summary(repository: Repository) -> str:
    """One sentence on what is published so far."""
    found = pages.results(repository)["assignments"].values()
    course = yaml.safe_load((repository.root / "book" / "course.yml").read_text(encoding="utf-8"))
    planned = sum(len(part["assignments"]) for part in course)
    claims = [claim for record in found for claim in record["claims"]]
    held = sum(claim["verdict"] == "holds" for claim in claims)
    seconds = sum(record["provenance"]["seconds"] + record["provenance"].get("seconds_reused", 0) for record in found)
    metrics = sum(len(record["metrics"]) + len(record["timings"]) for record in found)
    return (
        f"*Published so far: {len(found)} of {planned} pages, with {metrics} recorded figures and {len(claims)} "
        f"claims, of which {held} hold. All of them together ran in {numbers.duration(seconds)}, without a GPU.*"
    )


def mistakes_table(repository: Repository) -> str:
    """Every common mistake of every page: its title, linked to its box, and what it does there."""
    lines = []
    for slug, found in pages.results(repository)["assignments"].items():
        lines += ["", f"## {repository.source(slug).title}", "", "| mistake | what it does there |", "|:--|:--|"]
        for i, title in enumerate(boxes(pages.read(repository.pages / f"{slug}.ipynb")), 1):
            link = f'<a href="assignments/{slug}.html#mistake-{i}">{title or "A common mistake"}</a>'
            lines.append(f"| {cell(link)} | {cell(found.get('mistakes', {}).get(title, ''))} |")
    return "\n".join(lines)


def boxes(page) -> list[str]:
    """The titles of a page's common mistakes, in their order."""
    texts = (each.source for each in page.cells if each.cell_type == "markdown")
    return [title for text in texts for title in BOX.findall(text)]


def name_boxes(app, doctree) -> None:
    """Give the boxes of common mistakes names that the list of all links to: mistake-1, mistake-2, …"""
    found = (node for node in doctree.findall(nodes.admonition) if node[0].astext().startswith("A common mistake"))
    for i, node in enumerate(found, 1):
        node["ids"].append(f"mistake-{i}")


def claims_table(repository: Repository) -> str:
    """Every claim of every page, with verdict, evidence and a link to where it was judged."""
    lines = []
    for slug, found in pages.results(repository)["assignments"].items():
        lines += ["", f"## {repository.source(slug).title}", ""]
        lines += ["| claim | verdict | evidence | |", "|:--|:--|:--|:--|"]
        for i, claim in enumerate(found["claims"], 1):
            text, evidence = cell(claim["text"]), cell(claim["evidence"])
            link = f'<a href="assignments/{slug}.html#claim-{i}" aria-label="claim {i} on its page">see</a>'
            lines.append(f"| {text} | {MARKS[claim['verdict']]} | {evidence} | {link} |")
        displayed = [label for label, _ in labelled(repository.source(slug).notebook.cells)]
        checks = found.get("checks", {})
        lines += equations({label: checks[label] for label in displayed if label in checks})
    return "\n".join(lines)


def equations(checks: dict) -> list[str]:
    """The displays that a page's checks read: members of each, what stands for the truth, what was not read."""
    if not checks:
        return []
    members, typed = sum(c["read"] for c in checks.values()), sum(c["transcribed"] for c in checks.values())
    lines = [
        "",
        f"**{len(checks)} equations**, {members} members read as displayed, {typed} equations transcribed.",
        "",
    ]
    lines += ["| equation | members read | stands for the truth | not read | points | largest error |"]
    lines += ["|:--|--:|:--|:--|--:|--:|"]
    for label, check in checks.items():
        left, skipped = (", ".join(f"${latex}$" for latex in check[name]) for name in ("left", "skipped"))
        read = "transcribed" if check["transcribed"] else check["read"]
        cells = (
            f"{{eq}}`{label}`",
            read,
            left,
            skipped,
            numbers.number(check["points"]),
            numbers.number(check["error"], 2),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def benchmarks_table(repository: Repository) -> str:
    """The homework's way against the book's, as benchmarks/results.json has it."""
    path = repository.root / "benchmarks" / "results.json"
    if not path.exists():
        return "*No benchmark has been run yet: `make bench`.*"
    found = json.loads(path.read_text(encoding="utf-8"))
    records = pages.results(repository)["assignments"]
    lines = [
        "| what | homework's way | book's way | ratio [least, most] | the page's run | goal | peak memory | rounds |",
        "|:--|--:|--:|--:|--:|--:|--:|:--|",
    ]
    for row in found["benchmarks"]:
        ratio, least, most = (numbers.number(row[name], 3) for name in ("ratio", "ratio_min", "ratio_max"))
        memory = f"{row['homework_peak_mb']} / {row['book_peak_mb']}{numbers.BLANK}MB"
        times = f"{numbers.duration(row['homework_seconds'])} | {numbers.duration(row['book_seconds'])}"
        own = records.get(row["page"], {"timings": {}})["timings"].get(row["metric"])
        own = f"[{numbers.number(own, 3)}](assignments/{row['page']}.ipynb)" if own else "–"
        when = f"{row['rounds']}, {numbers.count(row['threads'], 'thread')}, {row['date']}"
        cells = row["title"], times, f"{ratio} [{least}, {most}]", own, f"≥ {row['goal']}", memory, when
        lines.append(f"| {' | '.join(cells)} |")
    threads = sorted({record["provenance"]["threads"] for record in records.values()})
    lines += [
        "",
        f"On {found['device']}. The pages ran with {' or '.join(numbers.count(each, 'thread') for each in threads)}.",
    ]
    return "\n".join(lines)


TABLES = {
    "summary": summary,
    "assignments": assignments_table,
    "results": results_table,
    "claims": claims_table,
    "mistakes": mistakes_table,
    "benchmarks": benchmarks_table,
}


class CourseTable(SphinxDirective):
    """`{course} results`: one of TABLES, as Markdown."""

    required_arguments = 1

    def run(self):
        """Parse the table where the directive stands."""
        repository = Repository.here()
        self.env.note_reread()
        container = nodes.container(classes=["course-table", f"course-{self.arguments[0]}"])
        lines = TABLES[self.arguments[0]](repository).splitlines()
        self.state.nested_parse(StringList(lines, self.env.docname), 0, container, match_titles=True)
        return container.children


def setup(app):
    """Sphinx's entry point."""
    app.add_directive("course", CourseTable)
    app.connect("doctree-read", name_boxes)
    return {"parallel_read_safe": True}
