"""What the pages recorded, as tables: the headlines of all, and everything by page and group."""

import math
import re

from helpers import numbers
from helpers.press import pages
from helpers.press.sources import Repository

FIRST, LAST = ["Quality"], ["Checks of itself", "Timings"]  # groups of the Results page; a page's own stand between


def typed(value) -> int | None:
    """How many digits stand behind the point of a number as somebody typed it; None for words and whole numbers."""
    return len(str(value).partition(".")[2]) if isinstance(value, float) and "e" not in str(value) else None


def number(value, like=None, ends=()) -> str:
    """A number for a table: to two digits of its interval's width, and as many as `like` has; words as they are."""
    if isinstance(value, str):
        return value
    scale, width = max(abs(each) for each in (value, *ends)), ends[1] - ends[0] if ends else 0
    if isinstance(value, int) or not numbers.SMALLEST <= scale < numbers.LARGEST:
        return numbers.number(value, 3)
    own = 1 - math.floor(math.log10(width)) if width else None
    known = [digits for digits in (own, typed(like)) if digits is not None]
    return numbers.fixed(value, max(*known, 0, 0)) if known else numbers.number(value, 4)


def interval(ends) -> str:
    """[low, high] to two digits of its width; nothing where there is none."""
    return f"[{number(ends[0], ends=ends)},{numbers.BLANK}{number(ends[1], ends=ends)}]" if ends else ""


def rows(repository: Repository, slug: str, found: dict) -> list[dict]:
    """What a page recorded, in the order of its code: words, value, and what stands beside it."""
    source = "".join(cell.source for cell in repository.source(slug).notebook.cells if cell.cell_type == "code")
    result = []
    for name, value in (found["metrics"] | found["timings"]).items():
        more = found["details"].get(name, {})
        label = f'<span title="{name}">{cell(more.get("label", f"`{name}`"))}</span>'
        group = more.get("group") or ("Timings" if name in found["timings"] else "Further numbers")
        place = source.find(f'"{name}"')
        result.append(more | {"label": label, "group": group, "value": value, "place": (place < 0, place, name)})
    return sorted(result, key=lambda row: row["place"])


COLUMNS = {  # head, alignment and content of a column of results
    "what": (":--", lambda row: row["label"]),
    "reported by the homework": ("--:", lambda row: number(row.get("reported", ""), row.get("reported"))),
    "reached here": ("--:", lambda row: number(row["value"], row.get("reported"), row.get("interval", ()))),
    "95 % interval": (":-:", lambda row: interval(row.get("interval"))),
    "n": ("--:", lambda row: number(row.get("n", ""))),
    "seeds": ("--:", lambda row: number(row.get("seeds", ""))),
    "page": (":--", lambda row: row.get("page", "")),
}


def table(found: list[dict], without: tuple[str, ...] = ()) -> list[str]:
    """Rows of results as Markdown, without some columns and those that are empty in all of them."""
    texts = {head: [cell(content(row)) for row in found] for head, (_, content) in COLUMNS.items()}
    kept = [head for head, column in texts.items() if any(column) and head not in without]
    lines = [kept, [COLUMNS[head][0] for head in kept], *zip(*(texts[head] for head in kept), strict=True)]
    return ["", *(f"| {' | '.join(line)} |" for line in lines), ""]


def cell(text: str) -> str:
    """A text that may stand in a table's cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", text).replace("\n", " ")


def results_table(repository: Repository) -> str:
    """The headlines of all pages in one table; below it, folded, everything that each page recorded, by group."""
    headlines, folded = [], []
    for slug, found in pages.results(repository)["assignments"].items():
        title, recorded = repository.source(slug).title, rows(repository, slug, found)
        chosen = [row for row in recorded if row.get("headline")] or [row for row in recorded if "reported" in row]
        headlines += [row | {"page": f"[{title}](assignments/{slug}.ipynb)"} for row in chosen]
        seconds = found["provenance"]["seconds"] + found["provenance"].get("seconds_reused", 0)
        data = ", ".join(f"{name}: {origin}" for name, origin in found["data"].items()) or "none needed"
        about = f"data: {data} · {numbers.duration(seconds)} · {found['provenance']['device']}"
        about += f", {numbers.count(found['provenance']['threads'], 'thread')} · {found['provenance']['date']}"
        folded += ["", f"::::{{dropdown}} {title}", "", f"[The page](assignments/{slug}.ipynb) · {about}", ""]
        own = dict.fromkeys(row["group"] for row in recorded if row["group"] not in FIRST + LAST)
        for group in [*FIRST, *own, *LAST]:
            if chosen := [row for row in recorded if row["group"] == group]:
                folded += [f"**{group}**", *table(chosen)]
        folded += ["::::", ""]
    return "\n".join(
        ["## Headlines", *table(headlines, without=("n", "seeds")), "", "## Everything recorded, page by page", *folded]
    )
