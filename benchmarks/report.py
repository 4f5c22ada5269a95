"""Tables of results: on the terminal and, with bars between the cells, in the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks import crowd, growth, lasting, local, sharing, syrup
from benchmarks.contenders import FLOOR, OURS
from benchmarks.measures import MEASURES, MEMORY, Benchmark, Row
from benchmarks.settings import Settings
from benchmarks.targets import TARGETS, Data, Spread, number, primary, ratios, series

Line = tuple[str, ...]

ORDER: Final = {OURS: 0, FLOOR: 1}
NOTHING: Final = "-"


def targets_table(data: Data) -> list[Line]:
    """Every target, what was reached, and whether that is enough."""
    lines: list[Line] = [("target", "aimed at", "reached", "(lowest-highest)", "", "form", "beside")]
    for target in TARGETS:
        reached = target.measure(data)
        if reached is None:
            lines.append((target.title, target.text(), NOTHING, "", "not measured", "", ""))
        else:
            verdict = "met" if target.met(reached) else "missed"
            lines.append(
                (
                    target.title,
                    target.text(),
                    number(reached.spread.middle) + target.unit,
                    _range(reached.spread),
                    verdict,
                    reached.ours.removeprefix("hobgoblin, "),
                    reached.beside,
                )
            )
    return lines


def benchmarks_of(data: Data) -> list[Benchmark]:
    """The benchmarks whose results there are, in the order of the page."""
    every = [
        *(measure.benchmark for measure in MEASURES),
        MEMORY,
        lasting.PENDING,
        lasting.STEADY,
        syrup.BENCHMARK,
        local.BENCHMARK,
        sharing.BENCHMARK,
        crowd.BENCHMARK,
        *growth.benchmarks(Settings.of(data["settings"])),
    ]
    return [each for each in every if any(each.name in found for found in data["rounds"])]


def peers_table(data: Data, benchmark: Benchmark) -> list[Line]:
    """A line for each contender: its figures, and the first of them next to ours."""
    ours = primary(data, benchmark.name)
    assert ours is not None
    main = benchmark.rows[0]
    heads = [f"{row.title}, {row.unit}" for row in benchmark.rows]
    lines: list[Line] = [("", heads[0], "(lowest-highest)", "by ours", "(lowest-highest)", *heads[1:])]
    for name in contenders_of(data, benchmark.name):
        found = series(data, benchmark.name, name, main.key)
        if not found:
            continue
        beside = Spread.of(ratios(found, series(data, benchmark.name, ours, main.key)))
        spread = Spread.of(found.values())
        rest = [_cell(data, benchmark.name, name, row) for row in benchmark.rows[1:]]
        lines.append(
            (name, number(spread.middle), _range(spread), number(beside.middle), _range(beside), *rest)
        )
    return lines


def own_table(data: Data, benchmark: Benchmark) -> list[Line]:
    """A line for each figure, a column for each form of ours."""
    names = contenders_of(data, benchmark.name)
    lines: list[Line] = [("", "", *(name.removeprefix("hobgoblin, ") for name in names))]
    for row in benchmark.rows:
        cells = [_cell(data, benchmark.name, name, row, spread=True) for name in names]
        if any(cell != NOTHING for cell in cells):
            lines.append((row.title, row.unit, *cells))
    return lines


def table_of(data: Data, benchmark: Benchmark) -> list[Line]:
    """The table of a benchmark."""
    of_peers = benchmark is MEMORY or any(benchmark is measure.benchmark for measure in MEASURES)
    return peers_table(data, benchmark) if of_peers else own_table(data, benchmark)


def aligned(lines: Sequence[Line]) -> Iterable[str]:
    """For a terminal: the first cell to the left, others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        first, *rest = line
        cells = [
            first.ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)),
        ]
        yield "  ".join(cells).rstrip()


def markdown(lines: Sequence[Line]) -> Iterable[str]:
    """For the documentation."""
    head, *rest = lines
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for line in rest:
        yield f"| {' | '.join(line)} |"


def about(data: Data) -> str:
    """Where and when it was measured."""
    return ", ".join(f"{name} {value}" for name, value in data["machine"].items())


def skipped(data: Data) -> Iterable[str]:
    """Who was not measured, and why."""
    return (f"{name}: {reason}" for name, reason in data["skipped"].items())


def contenders_of(data: Data, benchmark: str) -> list[str]:
    """Who took part in a benchmark: ours, floors, peers."""
    contenders: Mapping[str, Any] = data["contenders"]
    present = {name for each in data["rounds"] for name in each.get(benchmark, {})}
    return sorted(
        present, key=lambda name: (ORDER.get(contenders[name]["kind"], 2), list(contenders).index(name))
    )


def _cell(data: Data, benchmark: str, contender: str, row: Row, *, spread: bool = False) -> str:
    found = series(data, benchmark, contender, row.key)
    if not found:
        return NOTHING
    whole = Spread.of(found.values())
    return f"{number(whole.middle)} {_range(whole)}".strip() if spread else number(whole.middle)


def _range(spread: Spread) -> str:
    if spread.least == spread.most:
        return ""
    return f"({number(spread.least)}-{number(spread.most)})"
