"""The command line: python -m helpers run | publish | sync | status | data | book | new | clean."""

import csv
import itertools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from helpers.press import authoring, pages
from helpers.press.book import build
from helpers.press.sources import Refused, Repository, Source
from helpers.values import parse


class Group(click.Group):
    """Commands whose refusals and disk faults end in one clear line and exit code 1."""

    def invoke(self, ctx):
        """Turn the faults that a user can cure into messages."""
        try:
            return super().invoke(ctx)
        except (OSError, ValueError) as fault:
            raise click.ClickException(str(fault)) from fault
        except ModuleNotFoundError as fault:
            if str(fault.name).split(".")[0] == "helpers":
                raise
            remedy = 'run "make run", which installs it, or "pip install -r requirements.txt -c requirements.lock"'
            raise click.ClickException(f"{fault.name} is not in this environment: {remedy}") from fault


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main():
    """Run the course's notebooks, publish them as pages of the book, fetch its data."""


def _given(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name.isidentifier()):
            raise Refused(f"{pair!r} is no NAME=VALUE")
        found[name] = value
    return found


def _points(sweeps: tuple[str, ...]) -> list[dict]:
    axes = {name: parse(f"[{value}]", f"--sweep {name}") for name, value in _given(sweeps).items()}
    if empty := [name for name, members in axes.items() if not members]:
        raise Refused(f"--sweep {empty[0]}= has no value: give them as {empty[0]}=a,b")
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())]


def _each(names: Iterable[str], action: Callable[[str], str]) -> None:
    """Do `action` for every name, going on past what goes wrong; exit code 1 if anything did."""
    failed = False
    for name in names:
        try:
            click.echo(f"{name}: {action(name)}")
        except (OSError, ValueError) as fault:
            failed = True
            click.echo(f"{name}: NOT done: {fault}", err=True)
    if failed:
        sys.exit(1)


@main.command()
@click.argument("notebooks", nargs=-1)
@click.option("--profile", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter (YAML); may be repeated.")
@click.option("--sweep", "sweeps", multiple=True, metavar="NAME=A,B", help="Run once for each value.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Notebooks at a time.")
def run(notebooks, profile, pairs, sweeps, jobs):
    """Execute NOTEBOOKS, all by default.  The executed copies go to build/runs; a table ends it.

    \b
    python -m helpers run 03_mnist_from_scratch
    python -m helpers run --profile full 02
    python -m helpers run --set data=real --set epochs=2 03
    python -m helpers run --sweep seed=1,2,3 --jobs 2 02
    """
    from helpers.press.execution import Task, execute_all

    repository, tasks = Repository.here(), []
    repository.check_imports()
    given = {name: parse(value, f"--set {name}") for name, value in _given(pairs).items()}
    for slug in repository.chosen(notebooks):
        source = repository.source(slug)
        for i, point in enumerate(_points(sweeps)):
            values = source.checked({**(source.full if profile == "full" else {}), **given, **point})
            output = repository.runs / profile / (f"{slug}/{i + 1:03d}.ipynb" if sweeps else f"{slug}.ipynb")
            tasks.append(Task(slug, repository.notebooks / f"{slug}.ipynb", output, values, profile))
    outcomes = execute_all(tasks, jobs)
    _table(outcomes)
    if sweeps:
        _sweep_table(outcomes, list(_given(sweeps)), repository.runs / profile)
    if any(outcome.error for outcome in outcomes):
        sys.exit(1)


def _table(outcomes) -> None:
    width = max(len(o.task.slug) for o in outcomes)
    click.echo(f"\n{'notebook':{width}}  seconds  verdict")
    for o in outcomes:
        verdicts = [claim["verdict"] for claim in o.record["claims"]] if o.record else []
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts)) or "none"
        click.echo(f"{o.task.slug:{width}}  {o.seconds:7.1f}  {o.error or f'ok, claims: {counts}'}")
    click.echo(f"\nexecuted notebooks: {outcomes[0].task.output.parent}")


def _sweep_table(outcomes, names: list[str], folder: Path) -> None:
    for slug in dict.fromkeys(o.task.slug for o in outcomes):
        runs = [o for o in outcomes if o.task.slug == slug]
        found = [(o.record["metrics"] | o.record["timings"]) if o.record else {} for o in runs]
        metrics = list(dict.fromkeys(itertools.chain(*found)))
        rows = [[runs[i].task.values[n] for n in names] + [f.get(m, "") for m in metrics] for i, f in enumerate(found)]
        path = folder / slug / "sweep.csv"
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([names + metrics, *rows])
        click.echo(f"\n{slug}: {path}")
        for head, *cells in zip(names + metrics, *rows, strict=True):  # a line a metric reads better than a column
            short = (f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in cells)
            click.echo(f"  {head:40}" + "".join(f"{cell:>14}" for cell in short))


@main.command()
@click.argument("notebooks", nargs=-1, required=True)
@click.option("--again", is_flag=True, help="Run even where the page is fresh.")
@click.option("--standin", is_flag=True, help="Use stand-in data; never replaces a page made from real data.")
@click.option("--to", type=click.Path(path_type=Path), help="Publish into a book of your own in this folder.")
def publish(notebooks, again, standin, to):
    """Run NOTEBOOKS and publish their pages.  They run with the full profile, on real data.

    \b
    python -m helpers publish 01 02
    python -m helpers publish --again 03_mnist_from_scratch
    python -m helpers publish --standin --to build/mine 03
    """
    repository = Repository.here()
    slugs = repository.chosen(notebooks)
    repository = authoring.beside(repository, to) if to else repository
    for slug in slugs:
        _plan(repository, slug, standin)  # what can be refused is refused before the first run
    _each(slugs, lambda slug: _publish(repository, slug, again, standin))
    if to:
        click.echo(build(repository, repository.root / "html"))


def _plan(repository: Repository, slug: str, standin: bool) -> tuple[Source, dict]:
    repository.check_imports()
    source = repository.source(slug)
    choice = {"data": "standin" if standin else "real"} if source.datasets else {}
    values = source.checked({**source.full, **choice})
    pages.replaceable(repository, slug, real=not (standin and choice))
    return source, values


def _publish(repository: Repository, slug: str, again: bool, standin: bool) -> str:
    from helpers.press.execution import Task, execute

    source, values = _plan(repository, slug, standin)
    state = pages.status(repository, slug)
    if not (again or state.reasons or state.notes):
        pages.rebuild_results(repository)
        return "fresh already (--again runs it anyway)"
    made_from, name = pages.stamp(source, values), f"{slug}.ipynb"
    outcome = execute(Task(slug, repository.notebooks / name, repository.runs / "publish" / name, values, "full"))
    if outcome.error:
        raise Refused(f"{outcome.error} (see {outcome.task.output})")
    done = pages.place(repository, slug, pages.prepare(source, outcome.notebook, made_from))
    toc = repository.root / "_toc.yml"
    listed = not toc.exists() or f"assignments/{slug}" in toc.read_text(encoding="utf-8")
    return f"{done} ({outcome.seconds:.0f} s)" + ("" if listed else f"; add assignments/{slug} to _toc.yml")


@main.command()
@click.argument("notebooks", nargs=-1)
def sync(notebooks):
    """Carry text to pages, without running.  Tags, captions and alt texts of NOTEBOOKS (all by default) go too.

    \b
    python -m helpers sync 01
    """
    repository = Repository.here()
    slugs = repository.chosen(notebooks) if notebooks else repository.slugs(repository.pages)
    _each(slugs, lambda slug: pages.sync(repository, slug))


@main.command()
def status():
    """Say which pages are fresh.  Also when they were published and from what; exit code 1 if any is stale.

    \b
    python -m helpers status
    """
    repository = Repository.here()
    slugs = sorted({*repository.slugs(), *repository.slugs(repository.pages)})
    found = [pages.status(repository, slug) for slug in slugs]
    width = max(len(s.slug) for s in found)
    click.echo(f"{'notebook':{width}}  {'published':10}  {'profile':7}  {'data':28}  state")
    for s in found:
        state = "STALE" if s.reasons else "fresh"
        click.echo(f"{s.slug:{width}}  {s.published:10}  {s.profile:7}  {s.data:28}  {state}")
        for reason in s.reasons[:5] + [f"and {len(s.reasons) - 5} more"] * (len(s.reasons) > 5) + s.notes:
            click.echo(f"{'':{width}}    {reason}")
    if old := repository.slugs(repository.pages) and pages.behind(repository):
        click.echo(f"{repository.results} is STALE, behind the pages: run sync")
    if old or any(s.reasons for s in found):
        sys.exit(1)


@main.command()
@click.argument("names", nargs=-1)
def data(names):
    """Fetch the data sets NAMES, all by default.  They go to $COURSE_DATA, else ~/.cache/deep-learning-checked.

    \b
    python -m helpers data mnist
    """
    from helpers import datasets
    from helpers.datasets import store

    found, root = {name: datasets.find(name) for name in names or datasets.NAMES}, store.root()

    def fetch(name: str) -> str:
        if found[name].present(root):
            return f"there already, under {root}"
        found[name].fetch(root)
        return f"ready, under {root}"

    _each(found, fetch)


@main.command()
def book():
    """Render the committed pages into build/html.  This needs book/requirements.txt only.

    \b
    python -m helpers book
    """
    repository = Repository.here()
    click.echo(build(repository, repository.root / "build" / "html"))


main.add_command(authoring.clean)
main.add_command(authoring.new)
