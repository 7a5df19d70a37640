"""Tables that Sphinx makes from the pages: assignments, results, claims, benchmarks."""

import json

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from helpers.formulas.displays import labelled
from helpers.press import pages
from helpers.press.sources import Repository

MARKS = {"holds": "✔ holds", "fails": "✘ fails", "not judged": "○ not judged"}


def number(value) -> str:
    """A number for a table: four significant digits, scientific where small or large; words as they are."""
    if not isinstance(value, int | float) or isinstance(value, int):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa} × 10<sup>{int(exponent)}</sup>".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


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
    duration = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{seconds:.0f} seconds"
    metrics = sum(len(record["metrics"]) + len(record["timings"]) for record in found)
    return (
        f"*Published so far: {len(found)} of {planned} pages, with {metrics} recorded figures and {len(claims)} "
        f"claims, of which {held} hold. All of them together ran in {duration}, without a GPU.*"
    )


def results_table(repository: Repository) -> str:
    """For every published page: what the homework reported, what was reached here, interval, data, minutes."""
    lines = []
    for slug, found in pages.results(repository)["assignments"].items():
        seconds = found["provenance"]["seconds"] + found["provenance"].get("seconds_reused", 0)
        data = ", ".join(f"{name}: {origin}" for name, origin in found["data"].items()) or "none needed"
        lines += ["", f"## {repository.source(slug).title}", ""]
        lines += [f"[The page](assignments/{slug}.ipynb) · data: {data} · {seconds / 60:.1f} minutes · "]
        lines[-1] += f"{found['provenance']['device']} · {found['provenance']['date']}"
        lines += ["", "| metric | reported by the homework | reached here | 95 % interval | n | seeds |"]
        lines += ["|:--|--:|--:|:-:|--:|--:|"]
        for name, value in (found["metrics"] | found["timings"]).items():
            more = found["details"].get(name, {})
            interval = " – ".join(number(end) for end in more.get("interval", []))
            rest = [number(more.get("reported", "")), number(value), interval, more.get("n", ""), more.get("seeds", "")]
            lines.append("| " + " | ".join([f"`{name}`", *(str(cell) for cell in rest)]) + " |")
    return "\n".join(lines)


def claims_table(repository: Repository) -> str:
    """Every claim of every page, with verdict, evidence and a link to where it was judged."""
    lines = []
    for slug, found in pages.results(repository)["assignments"].items():
        lines += ["", f"## {repository.source(slug).title}", ""]
        lines += ["| claim | verdict | evidence | |", "|:--|:--|:--|:--|"]
        for i, claim in enumerate(found["claims"], 1):
            text, evidence = (claim[key].replace("|", "\\|").replace("\n", " ") for key in ("text", "evidence"))
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
        cells = (f"{{eq}}`{label}`", read, left, skipped, f"{check['points']:,}", number(check["error"]))
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
        "| what | homework's way | book's way | ratio (least – most) | in the page's own run | goal | peak memory |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    for row in found["benchmarks"]:
        spread = f"{row['ratio']:.1f} ({row['ratio_min']:.1f} – {row['ratio_max']:.1f})"
        memory = f"{row['homework_peak_mb']:.0f} / {row['book_peak_mb']:.0f} MB"
        times = f"{row['homework_seconds']:.3g} s | {row['book_seconds']:.3g} s"
        own = records.get(row["page"], {"timings": {}})["timings"].get(row["metric"])
        own = f"[{own:.1f}](assignments/{row['page']}.ipynb)" if own else "–"
        lines.append(f"| {row['title']} | {times} | {spread} | {own} | ≥ {row['goal']:g} | {memory} |")
    lines += [
        "",
        f"{found['rounds']} alternating rounds on {found['device']}, {found['threads']} threads, {found['date']}.",
    ]
    return "\n".join(lines)


TABLES = {
    "summary": summary,
    "assignments": assignments_table,
    "results": results_table,
    "claims": claims_table,
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
    return {"parallel_read_safe": True}
