"""The command line: measure, print the table, and write everything down if asked to."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.harness import DEFAULT, QUICK, SMOKE, Outcome, Settings
from benchmarks.processes import ROOT, python
from benchmarks.suite import BENCHMARKS
from benchmarks.table import layout, lines_of, ratio, summary

NOISE = """\
Medians of {runs} with (lowest-highest). Ours and its baseline ran one after the other in each run, and
"cost" is the median of the ratios within the runs: above 1 x, ours costs more. Whatever else the machine
does moves all of it: where the ranges are wide, trust the ratio and the processor time, and repeat."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; return the exit status."""
    options = parser().parse_args(arguments)
    if options.uvloop and importlib.util.find_spec("uvloop") is None:
        print(
            "uvloop is not installed: leave out --uvloop, or install it in this environment", file=sys.stderr
        )
        return 2
    settings = settings_of(options)
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    start = perf_counter()
    try:
        outcomes = measure(options.only, options.runs, settings)
    except subprocess.CalledProcessError as error:
        print(f"\nfailed, with status {error.returncode}: {' '.join(error.cmd[1:])}", file=sys.stderr)
        return 1
    lines = [line for name in options.only for line in lines_of(BENCHMARKS[name], outcomes[name])]
    print()
    print(*layout(lines), sep="\n")
    print()
    print(NOISE.format(runs="1 run" if options.runs == 1 else f"{options.runs} runs"))
    print(f"Took {perf_counter() - start:.0f} s; load average now {load()}.")
    if options.json is not None:
        report = {"machine": facts, "settings": asdict(settings), "benchmarks": written(outcomes)}
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    made = argparse.ArgumentParser(
        prog="benchmarks", description="Measure hobgoblin next to a bare asyncio program that moves the same."
    )
    names = list(BENCHMARKS)
    made.add_argument(
        "--only", nargs="+", metavar="NAME", choices=names, default=names, help=", ".join(names)
    )
    made.add_argument("--runs", type=positive, default=5, metavar="N", help="how often (5)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file, too")
    made.add_argument(
        "--uvloop", action="store_true", help="run everything on uvloop, which must be installed"
    )
    made.add_argument(
        "--references", type=positive, metavar="N", help="how many the memory benchmark hands out"
    )
    length = made.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="shorter loops: a first impression")
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
    settings = QUICK if options.quick else SMOKE if options.smoke else DEFAULT
    references: int = options.references or settings.references
    return replace(settings, references=references, uvloop=options.uvloop)


def measure(names: Sequence[str], runs: int, settings: Settings) -> dict[str, list[Outcome]]:
    """Run everything once, then everything once more: a bad moment then spoils one run of each."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    for number in range(1, runs + 1):
        for name in outcomes:
            if sys.stderr.isatty():
                print(f"\r\033[Krun {number} of {runs}: {name}", end="", file=sys.stderr, flush=True)
            outcomes[name].append(measure_once(name, settings))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return outcomes


def measure_once(name: str, settings: Settings) -> Outcome:
    """Run a benchmark once, in a fresh process."""
    command = python("single_run", name, json.dumps(asdict(settings)))
    finished = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Outcome(**json.loads(finished.stdout))


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "on": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "load average": load(),
    }


def load() -> str:
    """How busy the machine was in the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def written(outcomes: dict[str, list[Outcome]]) -> dict[str, Any]:
    """Everything that was found, for a program."""
    report: dict[str, Any] = {}
    for name, runs in outcomes.items():
        rows: dict[str, Any] = {}
        for row in BENCHMARKS[name].rows:
            ratios = [found for run in runs if (found := ratio(row, run.ours, run.baseline)) is not None]
            rows[row.key] = {
                "title": row.title.strip(),
                "unit": row.unit,
                "ours": summary([run.ours[row.key] for run in runs]),
                "baseline": summary([run.baseline[row.key] for run in runs]) if row.baseline else None,
                "cost": summary(ratios) if ratios else None,
            }
        report[name] = {"rows": rows, "runs": [asdict(run) for run in runs]}
    return report
