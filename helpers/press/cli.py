"""The command line: python -m helpers run | publish | sync | status | data | book."""

import csv
import itertools
import sys
from pathlib import Path

import click
import yaml

from helpers.press import pages
from helpers.press.sources import Refused, Repository, nearest


class Group(click.Group):
    """Commands whose refusals and disk faults end in one clear line and exit code 1."""

    def invoke(self, ctx):
        """Turn the faults that a user can cure into messages."""
        try:
            return super().invoke(ctx)
        except Refused as refusal:
            raise click.ClickException(str(refusal)) from refusal
        except (OSError, ValueError) as fault:
            raise click.ClickException(f"{type(fault).__name__}: {fault}") from fault


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main():
    """Run the course's notebooks, publish them as pages of the book, fetch its data."""


def _values(pairs: tuple[str, ...]) -> dict:
    given = dict(pages.values_given(pair) for pair in pairs)
    return {name: yaml.safe_load(value) for name, value in given.items()}


def _sweep(options: tuple[str, ...]) -> list[dict]:
    axes = []
    for option in options:
        name, value = pages.values_given(option)
        members = yaml.safe_load(f"[{value}]")
        if not members:
            raise Refused(f"--sweep {name}= has no value: give them as {name}=a,b")
        axes.append([(name, member) for member in members])
    return [dict(chosen) for chosen in itertools.product(*axes)]


@main.command()
@click.argument("notebooks", nargs=-1)
@click.option("--profile", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter (YAML); may be repeated.")
@click.option("--sweep", "sweeps", multiple=True, metavar="NAME=A,B", help="Run once for each value.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Notebooks at a time.")
def run(notebooks, profile, pairs, sweeps, jobs):
    """Execute NOTEBOOKS (all by default) into build/runs, and end with a table.

    \b
    python -m helpers run 03_mnist_from_scratch
    python -m helpers run --profile full 02
    python -m helpers run --set data=real --set epochs=2 03
    python -m helpers run --sweep seed=1,2,3 --jobs 2 02
    """
    from helpers.press.execution import Task, execute_all

    repository = Repository.here()
    slugs = [repository.find(name) for name in notebooks] or repository.slugs()
    tasks = []
    for slug in slugs:
        source = repository.source(slug)
        base = source.full if profile == "full" else {}
        for i, point in enumerate(_sweep(sweeps) or [{}]):
            values = source.checked({**base, **_values(pairs), **point})
            source.check_data(values)
            name = f"{slug}.ipynb" if not sweeps else f"{slug}/{i + 1:03d}.ipynb"
            path = repository.root / "notebooks" / f"{slug}.ipynb"
            tasks.append(Task(slug, path, repository.runs / profile / name, values, profile))
    outcomes = execute_all(tasks, jobs)
    _table(outcomes)
    if sweeps:
        _sweep_table(outcomes, [s.partition("=")[0] for s in sweeps], repository.runs / profile)
    if any(outcome.error for outcome in outcomes):
        sys.exit(1)


def _table(outcomes) -> None:
    width = max(len(o.task.slug) for o in outcomes)
    click.echo(f"\n{'notebook':{width}}  seconds  verdict")
    for o in outcomes:
        click.echo(f"{o.task.slug:{width}}  {o.seconds:7.1f}  {o.error or _verdict(o.record)}")
    click.echo(f"\nexecuted notebooks: {outcomes[0].task.output.parent}")


def _verdict(record: dict) -> str:
    verdicts = [claim["verdict"] for claim in record["claims"]]
    return "ok, claims: " + (
        ", ".join(f"{verdicts.count(v)} {v}" for v in ("holds", "not judged") if v in verdicts) or "none"
    )


def _sweep_table(outcomes, names: list[str], folder: Path) -> None:
    for slug in dict.fromkeys(o.task.slug for o in outcomes):
        runs = [o for o in outcomes if o.task.slug == slug]
        metrics = list(dict.fromkeys(m for o in runs if o.record for m in o.record["metrics"] | o.record["timings"]))
        rows = [names + metrics]
        for o in runs:
            found = (o.record["metrics"] | o.record["timings"]) if o.record else {}
            rows.append(
                [str(o.task.values[n]) for n in names] + [f"{found[m]:.6g}" if m in found else "" for m in metrics]
            )
        path = folder / slug / "sweep.csv"
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        click.echo(f"\n{slug}: {path}")
        for column in zip(*rows, strict=True):  # one line a metric reads better than one column a metric
            click.echo(f"  {column[0]:40}" + "".join(f"{cell:>14}" for cell in column[1:]))


@main.command()
@click.argument("notebooks", nargs=-1, required=True)
@click.option("--again", is_flag=True, help="Run even where the page is fresh.")
@click.option("--standin", is_flag=True, help="Use stand-in data; never replaces a page made from real data.")
def publish(notebooks, again, standin):
    """Run NOTEBOOKS with the full profile on real data and put the pages into book/assignments.

    \b
    python -m helpers publish 01 02
    python -m helpers publish --again 03_mnist_from_scratch
    """
    from helpers.press.execution import Task, execute

    repository = Repository.here()
    planned = []
    for name in notebooks:
        source = repository.source(repository.find(name))
        choice = {"data": "standin" if standin else "real"} if source.datasets else {}
        values = source.checked({**source.full, **choice})
        source.check_data(values)
        planned.append((source, values))
    failed = False
    for source, values in planned:
        state = pages.status(repository, source.slug)
        if not (again or state.reasons or state.notes):
            pages.rebuild_results(repository)
            click.echo(f"{source.slug}: fresh already (--again runs it anyway)")
            continue
        path = repository.root / "notebooks" / f"{source.slug}.ipynb"
        outcome = execute(Task(source.slug, path, repository.runs / "publish" / path.name, values, "full"))
        try:
            if outcome.error:
                raise Refused(outcome.error)
            done = pages.place(repository, source.slug, pages.prepare(source, outcome.task.output, values))
        except Refused as refusal:
            failed, done = True, f"NOT published: {refusal}"
        click.echo(f"{source.slug}: {done} ({outcome.seconds:.0f} s)")
    if failed:
        sys.exit(1)


@main.command()
@click.argument("notebooks", nargs=-1)
def sync(notebooks):
    """Carry text, tags, captions and alt texts of NOTEBOOKS (all published by default) to their pages, without running.

    \b
    python -m helpers sync 01
    """
    repository = Repository.here()
    published = [slug for slug in repository.slugs() if (repository.pages / f"{slug}.ipynb").exists()]
    failed = False
    for slug in [repository.find(name) for name in notebooks] or published:
        try:
            click.echo(f"{slug}: {pages.sync(repository, slug)}")
        except Refused as refusal:
            failed = True
            click.echo(f"NOT synced: {refusal}", err=True)
    if failed:
        sys.exit(1)


@main.command()
def status():
    """Say for each notebook when it was published, from what, and whether its page is fresh; exit code 1 if any is not.

    \b
    python -m helpers status
    """
    repository = Repository.here()
    found = [pages.status(repository, slug) for slug in repository.slugs()]
    width = max(len(s.slug) for s in found)
    click.echo(f"{'notebook':{width}}  {'published':10}  {'profile':7}  {'data':28}  state")
    for s in found:
        click.echo(f"{s.slug:{width}}  {s.published:10}  {s.profile:7}  {s.data:28}  {'fresh' if s.fresh else 'STALE'}")
        reasons = s.reasons[:5] + [f"and {len(s.reasons) - 5} more"] * (len(s.reasons) > 5) + s.notes
        for reason in reasons:
            click.echo(f"{'':{width}}    {reason}")
    if not all(s.fresh for s in found):
        sys.exit(1)


@main.command()
@click.argument("names", nargs=-1)
def data(names):
    """Fetch the data sets NAMES (all by default) into $COURSE_DATA, else ~/.cache/deep-learning-checked.

    \b
    python -m helpers data mnist
    """
    from helpers import datasets
    from helpers.datasets import store

    known = datasets.names()
    for name in names:
        if name not in known:
            raise Refused(f"there is no data set {name!r}{nearest(name, known)}")
    failed = False
    for name in names or known:
        module = datasets.find(name)
        if module.present(store.root()):
            click.echo(f"{name}: there already, under {store.root()}")
            continue
        try:
            module.fetch(store.root())
            click.echo(f"{name}: ready under {store.root()}")
        except (OSError, ValueError) as fault:
            failed = True
            click.echo(f"{name}: {fault}", err=True)
    if failed:
        sys.exit(1)


@main.command()
def book():
    """Render the committed pages into build/html (needs book/requirements.txt only).

    \b
    python -m helpers book
    """
    from helpers.press.book import build

    repository = Repository.here()
    click.echo(build(repository, repository.root / "build" / "html"))
