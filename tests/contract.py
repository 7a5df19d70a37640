"""What every page keeps besides its checks: skeleton, mistakes, numbers and length, each rule as a list of faults."""

import ast
import re

CLOSING = ["The answer", "What was found", "Common mistakes"]
LAST = ["Further exercises", "References", "Every formula, and its check"]
BOX = re.compile(r"^:::\{admonition\} A common mistake(.*)\n((?::[\w-]+:.*\n)*)", re.M)
TYPED = re.compile(r"\b(?:[Pp]ages?|[Ee]q(?:uation)?s?\.?|[Ee]xercises?|[Ff]ig(?:ure)?s?\.?)[ \u00a0]\(?\d+")
ROLE = re.compile(r"\{[\w:-]+\}`[^`]*`")
MATHS = re.compile(r"\$\$.*?\$\$|\$[^$\n]*\$", re.S)
RAW = re.compile(r"[eEgG]$")  # formats that print 1e-05
HIDDEN = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
MOST_LINES = 450


def tags(cell):
    return set(cell.metadata.get("tags", []))


def is_code(cell):
    return cell.cell_type == "code"


def calls(source, *names):
    """The calls in `source` of functions whose last name is among `names`."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in names
    ]


def constants(node):
    """The text typed in an expression: string constants and the constant parts of f-strings, format specs left out."""
    if isinstance(node, ast.FormattedValue):
        return []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for child in ast.iter_child_nodes(node) for text in constants(child)]


def sections(notebook):
    """[heading of an h2, the cells under it, that of the heading first], the cells before the first under ""."""
    found = [("", [])]
    for cell in notebook.cells:
        heads = [] if is_code(cell) else re.findall(r"^## (.*)$", cell.source, re.M)
        found += [(head, []) for head in heads]
        found[-1][1].append(cell)
    return found


def skeleton(notebook):
    """The order of the h2, the link to the answer, and what stands under the closing ones."""
    parts = sections(notebook)
    heads, found = [head for head, _ in parts[1:]], []
    tasks = [head for head in heads if head.startswith("Task ")]
    if tasks != heads[: len(tasks)] or [re.match(r"Task (\d+): \S", head) is None for head in tasks].count(True):
        found.append(f"the first h2 are not “## Task 1: …” alone: {heads[: len(tasks) + 1]}")
    elif [int(re.match(r"Task (\d+)", head)[1]) for head in tasks] != [*range(1, len(tasks) + 1)] or not tasks:
        found.append(f"the tasks are not numbered from 1: {tasks}")
    rest = heads[len(tasks) :]
    if rest[: len(CLOSING)] != CLOSING:
        found.append(f"after the tasks come {CLOSING}, here {rest[: len(CLOSING)]}")
    if rest[-len(LAST) :] != LAST:
        found.append(f"at the end come {LAST}, here {rest[-len(LAST) :]}")
    if not re.search(r"\]\(#the-answer\)", notebook.cells[0].source):
        found.append("the question has no link to the answer: [The answer](#the-answer)")
    under = dict(parts)
    return found + answer(under.get("The answer", [])) + results(under.get("What was found", []))


def answer(cells):
    """One or two cells tagged `answer`: prose, and a figure."""
    found, below = [], cells[1:]
    if cells and cells[0].source.strip() != "## The answer":
        found.append("the heading “The answer” stands alone in its cell")
    if any("answer" not in tags(cell) or not is_code(cell) for cell in below) or not 1 <= len(below) <= 2:
        found.append(f"under “The answer”: one or two code cells tagged answer, not {[cell.id for cell in below]}")
    spoken = [cell for cell in below if is_code(cell) and calls(cell.source, "say")]
    if len(spoken) != 1 or "remove-input" not in tags(spoken[0]):
        found.append("under “The answer”: one cell says it (run.say, tagged remove-input)")
    if any("hide-input" not in tags(cell) for cell in below if cell not in spoken):
        found.append("the figure of the answer is tagged hide-input")
    return found


def results(cells):
    """One cell says the table, reported · reached."""
    if [cell.source.strip() for cell in cells[:1]] != ["## What was found"] or len(cells) != 2:
        return [f"under “What was found” one cell with the table, not {[cell.id for cell in cells[1:]]}"]
    if not calls(cells[1].source, "say") or "reported by the homework" not in cells[1].source:
        return ["“What was found” is one run.say of a table: reported by the homework · reached here"]
    return []


def table_of_checks(notebook):
    """Under the last heading stand the folded table and run.finish()."""
    cells = sections(notebook)[-1][1]
    shown = [cell for cell in cells if is_code(cell) and calls(cell.source, "table")]
    if len(cells) != 3 or len(shown) != 1 or cells[-1].source != "run.finish()":
        return ["under “Every formula, and its check”: a cell with checks.table(…), one with run.finish()"]
    return ["the table of checks is folded: tag its cell hide-output"] * ("hide-output" not in tags(shown[0]))


def titles(notebook):
    """The titles of the boxes of mistakes, in their order."""
    sources = [cell.source for cell in notebook.cells if not is_code(cell)]
    return [title.removeprefix(": ") for source in sources for title, _ in BOX.findall(source)]


def mistakes(notebook):
    """Every box has a title of its own, and after it, before the next, run.mistake with that title."""
    found, waiting = [], None
    for cell in notebook.cells:
        if not is_code(cell):
            for title, options in BOX.findall(cell.source):
                found += [f"“{waiting}” is not shown: run.mistake(…)"] * (waiting is not None)
                found += [f"{cell.id}: “A common mistake: ” and a title of its own"] * (not re.match(": .", title))
                found += [f"{cell.id}: :class: warning"] * (":class: warning" not in options)
                waiting = title.removeprefix(": ")
            continue
        for call in calls(cell.source, "mistake"):
            title = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
            if title != waiting:
                found.append(f"{cell.id}: run.mistake({title!r}, …) after the box “{waiting}”")
            found += [f"{cell.id}: run.mistake stands in a cell tagged remove-input"] * (
                "remove-input" not in tags(cell)
            )
            waiting = None
    found += [f"“{waiting}” is not shown: run.mistake(…)"] * (waiting is not None)
    all_titles = titles(notebook)
    found += [f"two boxes are called “{title}”" for title in set(all_titles) if all_titles.count(title) > 1]
    return found + ["a page shows a common mistake"] * (not all_titles)


def typed_numbers(notebook):
    """Numbers of pages, equations, exercises and figures that are typed where a role numbers them."""
    found = []
    for cell in notebook.cells:
        if is_code(cell):
            texts = constants(ast.parse(cell.source)) if "test" not in tags(cell) else []
        else:
            texts = [re.sub(r"^> \*\*Exercise \d+[a-z]\.\*\*", "", cell.source, flags=re.M)]
            texts = texts if "exercise" in tags(cell) else [cell.source]
        for text in texts:
            said = TYPED.findall(MATHS.sub("", ROLE.sub("", text)))
            found += [f"{cell.id} types {typed!r}: use a role ({{doc}}, {{eq}}, {{ref}}, {{numref}})" for typed in said]
    return found


def records(notebook):
    """Every number recorded has the words that the Results page prints."""
    keywords = [
        (c.id, [k.arg for k in n.keywords]) for c in notebook.cells if is_code(c) for n in calls(c.source, "record")
    ]
    return [
        f"{name}: run.record needs a label" for name, given in keywords if "label" not in given and None not in given
    ]


def formats(notebook):
    """Formats that print 1e-05, and "(s)", where helpers.numbers writes the number."""
    found = []
    for cell in notebook.cells:
        for call in calls(cell.source, "say", "claim", "record", "mistake") if is_code(cell) else []:
            for node in ast.walk(call):
                if isinstance(node, ast.FormattedValue) and node.format_spec and RAW.search(_literal(node.format_spec)):
                    found.append(f"{cell.id}: {{{ast.unparse(node.value)}:…}} is written by helpers.numbers")
            said = MATHS.sub("", "".join(constants(call)))
            found += [f"{cell.id}: {plural!r}: numbers.count" for plural in re.findall(r"[a-z]{3,}\(s\)", said)]
    return found


def _literal(spec):
    return spec.values[-1].value if spec.values and isinstance(spec.values[-1], ast.Constant) else ""


def length(notebook):
    """At most 450 lines of code that are shown; blank lines are not counted."""
    shown = [cell.source for cell in notebook.cells if is_code(cell) and not tags(cell) & HIDDEN]
    count = sum(bool(line.strip()) for source in shown for line in source.splitlines())
    return [f"{count} visible lines of code, more than {MOST_LINES}"] * (count > MOST_LINES)


RULES = [skeleton, table_of_checks, mistakes, typed_numbers, records, formats, length]
