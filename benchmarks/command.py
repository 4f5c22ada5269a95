"""The command line: measure, print tables, write everything down."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks import install, page, report
from benchmarks.conduct import ALL, Choice, Conductor, NothingOfOurs, Results
from benchmarks.contenders import FORMS, LOOPS
from benchmarks.fleet import RequestFailed
from benchmarks.processes import WorkerFailed
from benchmarks.settings import SHORT, SMOKE, WHOLE, Settings

NOISE: Final = """\
Medians of {rounds} with (lowest-highest). In each round all take turns; "by ours" and other ratios are
medians of the ratios within the rounds. Whatever else the machine does moves all rates: trust ratios and
processor time first. What one loop does alone (Syrup, sends, spawns) is per second of processor time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; return the exit status."""
    options = parser().parse_args(arguments)
    if options.install:
        for line in install.install():
            print(line, flush=True)
    if options.page:
        page.write()
        return 0
    settings = settings_of(options)
    start = perf_counter()

    def keep(results: Results) -> None:
        if options.json is not None:
            write(options.json, rounded(asdict(results)))

    choice = Choice(
        settings, options.only, options.forms or FORMS, options.loop or LOOPS, with_peers=not options.no_peers
    )
    try:
        results = Conductor(choice, progress, keep).run()
    except NothingOfOurs as error:
        print(error, file=sys.stderr)
        return 2
    except (WorkerFailed, RequestFailed) as error:
        progress("")
        print(f"failed: {error}", file=sys.stderr)
        return 1
    progress("")
    data: dict[str, Any] = rounded(asdict(results))
    show(data)
    parts = ", ".join(f"{name} {seconds:.0f}" for name, seconds in results.seconds.items())
    print(f"Took {perf_counter() - start:.0f} s: {parts}.")
    if options.record:
        write(page.DATA, data)
        page.write()
    return 0


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    made = argparse.ArgumentParser(
        prog="benchmarks", description="Measure hobgoblin next to raw frames and to others that do the same."
    )
    made.add_argument("--only", nargs="+", metavar="NAME", choices=ALL, default=ALL, help=", ".join(ALL))
    made.add_argument("--rounds", type=positive, metavar="N", help="how often everything is measured")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file, too")
    for form in FORMS:
        made.add_argument(
            f"--{form}",
            dest="forms",
            action="append_const",
            const=form,
            help=f"measure the {form} form alone",
        )
    made.add_argument("--loop", action="append", choices=LOOPS, help="measure ours on this loop alone")
    made.add_argument("--no-peers", action="store_true", help="measure ours and the floors alone")
    made.add_argument("--install", action="store_true", help="install the peers first, as far as they can be")
    made.add_argument(
        "--record", action="store_true", help="write results, plot and page into the repository"
    )
    made.add_argument(
        "--page", action="store_true", help="only make plot and page anew, of the recorded results"
    )
    length = made.add_mutually_exclusive_group()
    length.add_argument("--all", action="store_true", help="the whole: longer loops, larger numbers")
    length.add_argument("--smoke", action="store_true", help="hardly any: only to see that it works")
    return made


def positive(text: str) -> int:
    """Read a number of things."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def settings_of(options: argparse.Namespace) -> Settings:
    """What the options amount to."""
    settings = WHOLE if options.all else SMOKE if options.smoke else SHORT
    rounds: int = options.rounds or settings.rounds
    return replace(settings, rounds=rounds, memory_rounds=min(settings.memory_rounds, (rounds + 1) // 2))


def show(data: dict[str, Any]) -> None:
    """Print all tables."""
    print(report.about(data))
    for benchmark in report.benchmarks_of(data):
        print(f"\n{benchmark.title}")
        print(*report.aligned(report.table_of(data, benchmark)), sep="\n")
    print("\ntargets")
    print(*report.aligned(report.targets_table(data)), sep="\n")
    print()
    for line in report.skipped(data):
        print(f"Skipped {line}")
    count = len(data["rounds"])
    print(NOISE.format(rounds="1 round" if count == 1 else f"{count} rounds"))


def rounded(value: Any) -> Any:
    """The same with five digits for each figure: more are noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def write(file: Path, data: dict[str, Any]) -> None:
    """Write results down."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def progress(text: str) -> None:
    """Say what is being done, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
