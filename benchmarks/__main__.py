"""python -m benchmarks: run every benchmark in alternating rounds, each call in a process of its own."""

import datetime
import importlib
import json
import multiprocessing
import os
import pkgutil
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import psutil
from tqdm import tqdm

import benchmarks
from benchmarks._call import call
from helpers import datasets
from helpers.press.pages import write_whole

RESULTS = Path(__file__).with_name("results.json")
BUSY = 0.15  # the share of all cores that others may use


def names() -> list[str]:
    """The benchmarks' module names."""
    modules = {module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")}
    return sorted(modules - {"definitions"})


def apart(name: str, way: str, quick: bool):
    """One call in a fresh process, so that neither way warms up or burdens the other."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, name, way, quick).result()


def compare(name: str, rounds: int, quick: bool) -> dict:
    """One row of the table.  Raises AssertionError where the two ways found different results."""
    module = importlib.import_module(f"benchmarks.{name}")
    seconds, peaks = {"homework": [], "book": []}, {"homework": [], "book": []}
    for i in tqdm(range(rounds), desc=name, unit="round", leave=False, disable=None):
        found = {}
        for way in ("homework", "book") if i % 2 == 0 else ("book", "homework"):
            found[way], taken, peak = apart(name, way, quick)
            seconds[way].append(taken)
            peaks[way].append(peak)
        module.same(found["homework"], found["book"])
    ratios = [slow / fast for slow, fast in zip(seconds["homework"], seconds["book"], strict=True)]
    row = {"title": module.TITLE, "page": module.PAGE, "metric": module.METRIC, "goal": module.GOAL}
    row |= {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}
    for way in ("homework", "book"):
        row |= {f"{way}_seconds": statistics.median(seconds[way]), f"{way}_peak_mb": round(max(peaks[way]))}
    return row


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("chosen", nargs=-1)
@click.option("--rounds", type=click.IntRange(2), default=5, show_default=True, help="Alternating rounds.")
@click.option("--quick", is_flag=True, help="Less work a round, stand-ins will do; writes no results.")
@click.option("--even-if-busy", is_flag=True, help="Report although other processes use the cores.")
def main(chosen, rounds, quick, even_if_busy):
    """Run the benchmarks CHOSEN (all by default), print a table, and write benchmarks/results.json.

    \b
    python -m benchmarks
    python -m benchmarks --rounds 3 --quick xor_inits
    """
    if unknown := sorted(set(chosen) - set(names())):
        raise click.ClickException(f"there is no benchmark {unknown[0]!r}: there are {', '.join(names())}")
    if not quick and (missing := [name for name in datasets.NAMES if not datasets.find(name).present()]):
        raise click.ClickException(
            f"{missing[0]} is not there, and timings on a stand-in would mean nothing: "
            'run "make data", or say --quick, which writes no results'
        )
    busy = psutil.cpu_percent(interval=2) / 100
    if busy > BUSY and not even_if_busy:
        raise click.ClickException(
            f"other processes use {100 * busy:.0f} % of the cores: timings would mean nothing. "
            "Wait for them to end, or say --even-if-busy"
        )
    rows = []
    for name in chosen or names():
        try:
            rows.append(compare(name, rounds, quick))
        except AssertionError as difference:
            raise click.ClickException(f"{name}: the two ways found different results: {difference}") from difference
    click.echo(f"{'benchmark':58} {'homework':>10} {'book':>10} {'ratio':>8}  {'spread':17} {'goal':>6}  peak MB")
    for r in rows:
        spread = f"{r['ratio_min']:.1f} – {r['ratio_max']:.1f}"
        seconds = f"{r['homework_seconds']:9.3f}s {r['book_seconds']:9.3f}s"
        click.echo(
            f"{r['title'][:58]:58} {seconds} {r['ratio']:8.1f}  {spread:17} "
            f"{'≥ ' + format(r['goal'], 'g'):>6}  {r['homework_peak_mb']} / {r['book_peak_mb']}"
        )
    if not quick:
        _write(rows, rounds)


def _write(rows: list[dict], rounds: int) -> None:
    """Put `rows` into the results, in place of the same benchmarks' earlier ones."""
    import torch

    from helpers import device

    earlier = json.loads(RESULTS.read_text(encoding="utf-8"))["benchmarks"] if RESULTS.exists() else []
    kept = [row for row in earlier if row["metric"] + row["page"] not in {r["metric"] + r["page"] for r in rows}]
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    now = {"rounds": rounds, "threads": torch.get_num_threads(), "date": date}
    found = {
        "benchmarks": sorted([*kept, *(row | now for row in rows)], key=lambda row: (row["page"], row["metric"])),
        "device": device.describe(torch.device("cpu")),
        "cores": os.cpu_count(),
    }
    write_whole(RESULTS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    click.echo(f"written: {RESULTS.name}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
