"""The page of the documentation: what is written by hand stays, what comes of the results is made anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from benchmarks import plot, report
from benchmarks.processes import ROOT
from benchmarks.targets import TARGETS, Data

DATA: Final = ROOT / "benchmarks" / "results.json"
PAGE: Final = ROOT / "docs" / "performance.md"
PLOT: Final = ROOT / "docs" / "performance.svg"

BLOCK: Final = re.compile(r"(<!-- results: (?P<name>[a-z]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def recorded() -> dict[str, Any]:
    """The results that page and plot are made of."""
    data: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return data


def write() -> None:
    """Make page and plot of the recorded results."""
    data = recorded()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), data), encoding="utf-8")
    PLOT.write_text(plot.draw(data), encoding="utf-8")


def filled(page: str, data: Data) -> str:
    """The page with its blocks made of ``data``."""

    def fill(found: re.Match[str]) -> str:
        lines = "\n".join(BLOCKS[found["name"]](data))
        return f"{found[1]}\n{lines}\n\n{found[3]}"

    return BLOCK.sub(fill, page)


def _machine(data: Data) -> Iterable[str]:
    settings = data["settings"]
    for name, value in data["machine"].items():
        yield f"- {name}: {value}"
    yield (
        f"- {settings['rounds']} rounds, loops of {settings['seconds']:g} s; memory and growth in "
        f"{settings['memory_rounds']} of them"
    )


def _targets(data: Data) -> Iterable[str]:
    return report.markdown(report.targets_table(data))


def _summary(data: Data) -> Iterable[str]:
    reached = [(target, target.measure(data)) for target in TARGETS]
    measured = [(target, found) for target, found in reached if found is not None]
    met = sum(target.met(found) for target, found in measured)
    yield f"Of {len(TARGETS)} targets {len(measured)} were measured, and {met} are met."


def _tables(data: Data) -> Iterable[str]:
    for benchmark in report.benchmarks_of(data):
        yield f"### {benchmark.title}"
        yield ""
        yield from report.markdown(report.table_of(data, benchmark))
        yield ""


def _skipped(data: Data) -> Iterable[str]:
    lines = [f"- {line}" for line in report.skipped(data)]
    return lines or ["Nothing was skipped."]


BLOCKS: Final[Mapping[str, Callable[[Data], Iterable[str]]]] = {
    "summary": _summary,
    "targets": _targets,
    "machine": _machine,
    "tables": _tables,
    "skipped": _skipped,
}
