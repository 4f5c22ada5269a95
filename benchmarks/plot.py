"""The plot of the documentation: plain SVG, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from statistics import median
from typing import Final

from benchmarks.contenders import OURS, PEER
from benchmarks.report import contenders_of
from benchmarks.targets import Data, number, primary, series

WIDTH: Final = 760
LEFT: Final = 230
RIGHT: Final = 690
BAR: Final = 20
HEAD: Final = 46
CURVE_HEIGHT: Final = 200
COLOURS: Final = {OURS: "#2a6f4e", PEER: "#8a8f98"}
FLOOR_COLOUR: Final = "#c9ccd1"
CURVE_COLOURS: Final = ("#2a6f4e", "#b3541e", "#3b5b92")
BARS: Final = (
    ("outstanding", "100 calls outstanding: processor time of a call, both ends, µs"),
    ("sequential", "calls one after the other: processor time of a call, both ends, µs"),
)
CURVES: Final = (
    ("sessions", "a call, among sessions"),
    ("exports", "a call, among exports"),
    ("actors", "a send, among actors"),
)


def draw(data: Data) -> str:
    """Return the whole file."""
    parts: list[str] = []
    top = 0.0
    for benchmark, title in BARS:
        drawn, top = _bars(data, benchmark, title, top)
        parts += drawn
    drawn, top = _curves(data, top)
    parts += drawn
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" '
        f'width="{WIDTH}" height="{top:.0f}" '
        'font-family="sans-serif" font-size="12" fill="#222">'
    )
    ground = f'<rect width="{WIDTH}" height="{top:.0f}" fill="#fff"/>'
    return "\n".join([head, ground, *parts, "</svg>", ""])


def _bars(data: Data, benchmark: str, title: str, top: float) -> tuple[list[str], float]:
    """A bar for each contender, on a logarithmic scale, with a line from the least to the most."""
    found = {name: series(data, benchmark, name, "cpu") for name in contenders_of(data, benchmark)}
    found = {name: each for name, each in found.items() if each}
    if not found:
        return [], top
    every = [value for each in found.values() for value in each.values()]
    scale = _Scale(min(every), max(every), LEFT, RIGHT)
    parts = [_text(10, top + 22, title, "bold")]
    bottom = top + HEAD + BAR * len(found)
    for value in scale.marks():
        x = scale.at(value)
        parts.append(_line(x, top + HEAD - 8, x, bottom, "#e3e5e8"))
        parts.append(_text(x, top + HEAD - 11, number(value), anchor="middle", colour="#777"))
    for place, name in enumerate(sorted(found, key=lambda name: median(found[name].values()))):
        y = top + HEAD + BAR * place
        values = list(found[name].values())
        middle = median(values)
        colour = COLOURS.get(data["contenders"][name]["kind"], FLOOR_COLOUR)
        parts.append(_text(LEFT - 8, y + 14, name, anchor="end"))
        width = scale.at(middle) - LEFT
        parts.append(
            f'<rect x="{LEFT}" y="{y + 3:.1f}" width="{width:.1f}" height="{BAR - 6}" fill="{colour}"/>'
        )
        parts.append(_line(scale.at(min(values)), y + BAR / 2, scale.at(max(values)), y + BAR / 2, "#222"))
        parts.append(_text(max(scale.at(max(values)), LEFT) + 6, y + 14, number(middle)))
    return parts, bottom + 14


def _curves(data: Data, top: float) -> tuple[list[str], float]:
    """The cost of a message as there are more and more things."""
    points: dict[str, list[tuple[int, float]]] = {}
    for benchmark, title in CURVES:
        ours = primary(data, benchmark)
        if ours is not None:
            points[title] = _points(data, benchmark, ours)
    if not points:
        return [], top
    costs = [cost for each in points.values() for _, cost in each]
    counts = [count for each in points.values() for count, _ in each]
    across = _Scale(min(counts), max(counts), 60, RIGHT - 150)
    up = _Scale(min(costs), max(costs), top + HEAD + CURVE_HEIGHT, top + HEAD)
    parts = [_text(10, top + 22, "processor time of a message as there are more and more things, µs", "bold")]
    for value in up.marks():
        parts.append(_line(60, up.at(value), RIGHT - 150, up.at(value), "#e3e5e8"))
        parts.append(_text(54, up.at(value) + 4, number(value), anchor="end", colour="#777"))
    for value in across.marks():
        y = top + HEAD + CURVE_HEIGHT
        parts.append(_text(across.at(value), y + 16, number(value), anchor="middle", colour="#777"))
    for colour, (title, each) in zip(CURVE_COLOURS, points.items(), strict=False):
        path = " ".join(f"{across.at(count):.1f},{up.at(cost):.1f}" for count, cost in each)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.extend(
            f'<circle cx="{across.at(count):.1f}" cy="{up.at(cost):.1f}" r="3" fill="{colour}"/>'
            for count, cost in each
        )
        parts.append(_text(across.at(each[0][0]), up.at(each[0][1]) - 10, title, colour=colour))
    return parts, top + HEAD + CURVE_HEIGHT + 28


def _points(data: Data, benchmark: str, contender: str) -> list[tuple[int, float]]:
    keys = {key for each in data["rounds"] for key in each.get(benchmark, {}).get(contender, {})}
    counts = sorted(int(key.partition("@")[2]) for key in keys if key.startswith("cpu@"))
    return [(count, median(series(data, benchmark, contender, f"cpu@{count}").values())) for count in counts]


class _Scale:
    """Logarithmic, from one place to another."""

    def __init__(self, least: float, most: float, start: float, end: float) -> None:
        self._low, self._high = floor(log10(least)), ceil(log10(most))
        if self._low == self._high:
            self._high += 1
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Where a value is."""
        part = (log10(value) - self._low) / (self._high - self._low)
        return self._start + part * (self._end - self._start)

    def marks(self) -> Sequence[float]:
        """The powers of ten."""
        return [float(10**power) for power in range(self._low, self._high + 1)]


def _text(
    x: float, y: float, text: str, weight: str = "", *, anchor: str = "start", colour: str = "#222"
) -> str:
    attributes: Mapping[str, str] = {
        "text-anchor": anchor if anchor != "start" else "",
        "font-weight": weight,
        "fill": colour if colour != "#222" else "",
    }
    given = "".join(f' {name}="{value}"' for name, value in attributes.items() if value)
    return f'<text x="{x:.1f}" y="{y:.1f}"{given}>{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"/>'
