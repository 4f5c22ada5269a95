"""The table: medians and extremes of several runs, and ratios that were computed within each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.harness import Benchmark, Figures, Outcome, Row

HEADINGS = ("", "hobgoblin", "", "unit", "baseline", "", "", "cost")


def ratio(row: Row, ours: Figures, baseline: Figures) -> float | None:
    """How many times the baseline's cost ours is, in one run; above 1 the baseline is better."""
    if not baseline.get(row.key) or not ours.get(row.key):
        return None
    quotient = ours[row.key] / baseline[row.key]
    return 1 / quotient if row.more_is_better else quotient


def lines_of(benchmark: Benchmark, outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The cells of a benchmark's rows."""
    return [_cells(row, outcomes) for row in benchmark.rows]


def layout(lines: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """Align cells: text to the left, numbers to the right."""
    lines = [HEADINGS, *lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    to_the_left = {0, 2, 3, 5, 6}
    for line in lines:
        cells = [
            cell.ljust(width) if column in to_the_left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def summary(figures: Sequence[float]) -> dict[str, float]:
    """The same numbers for a program."""
    return {"median": median(figures), "min": min(figures), "max": max(figures)}


def _cells(row: Row, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    ours = [outcome.ours[row.key] for outcome in outcomes]
    theirs = [outcome.baseline[row.key] for outcome in outcomes] if row.baseline else []
    ratios = [
        found for outcome in outcomes if (found := ratio(row, outcome.ours, outcome.baseline)) is not None
    ]
    return (
        row.title,
        _number(median(ours)),
        _range(ours),
        row.unit,
        _number(median(theirs)) if theirs else "-",
        _range(theirs),
        row.baseline,
        f"{_number(median(ratios))} x" if ratios else "-",
    )


def _range(figures: Sequence[float]) -> str:
    if len(figures) < 2:
        return ""
    return f"({_number(min(figures))}-{_number(max(figures))})"


def _number(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    for decimals, least in ((0, 100), (1, 10), (2, 1)):
        if abs(value) >= least:
            return f"{value:,.{decimals}f}"
    return f"{value:.3g}"
