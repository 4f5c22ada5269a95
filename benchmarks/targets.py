"""What is aimed at, and how far a set of results is from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from benchmarks.contenders import OURS, PEER
from benchmarks.settings import RELEASED

Data = Mapping[str, Any]
"""Results as they are written down: see `benchmarks.conduct.Results`."""

FLAT: Final = 1.2


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure of several rounds."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Of the figures of each round, of which there must be one at least."""
        found = list(figures)
        return cls(median(found), min(found), max(found))


@dataclass(frozen=True, slots=True)
class Reached:
    """How far we are: a ratio or a figure, of whom, and next to whom."""

    spread: Spread
    ours: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table of targets."""

    title: str
    unit: str
    limit: float
    more_is_better: bool
    measure: Callable[[Data], Reached | None]

    def text(self) -> str:
        """The target itself."""
        return f"{'≥' if self.more_is_better else '≤'} {number(self.limit)}{self.unit}"

    def met(self, reached: Reached) -> bool:
        """Whether the middle of the rounds is where it should be."""
        middle = reached.spread.middle
        return middle >= self.limit if self.more_is_better else middle <= self.limit


def series(data: Data, benchmark: str, contender: str, key: str) -> dict[int, float]:
    """A figure of a contender, by the rounds that have it."""
    found: dict[int, float] = {}
    for index, each in enumerate(data["rounds"]):
        figures = each.get(benchmark, {}).get(contender, {})
        if key in figures:
            found[index] = figures[key]
    return found


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Ours by theirs within each round: a ratio never mixes two rounds."""
    return [ours[index] / theirs[index] for index in ours if theirs.get(index)]


def primary(data: Data, benchmark: str, form: str = "", loop: str = "") -> str | None:
    """The form of ours that targets are about: compiled if it was measured, on uvloop if it was."""
    best: tuple[bool, bool] = (False, False)
    name = None
    for contender, about in data["contenders"].items():
        if about["kind"] != OURS or about["form"] != (form or about["form"]):
            continue
        if about["loop"] != (loop or about["loop"]) or not any(
            contender in each.get(benchmark, {}) for each in data["rounds"]
        ):
            continue
        rank = (about["form"] == "compiled", about["loop"] == "uvloop")
        if name is None or rank > best:
            name, best = contender, rank
    return name


def best_of(
    data: Data,
    benchmark: str,
    key: str,
    more_is_better: bool,
    among: Callable[[str, Mapping[str, Any]], bool],
) -> str | None:
    """Whose middle is the best."""
    middles: dict[str, float] = {
        name: median(found.values())
        for name, about in data["contenders"].items()
        if among(name, about) and (found := series(data, benchmark, name, key))
    }
    if not middles:
        return None
    return sorted(middles, key=lambda name: middles[name], reverse=more_is_better)[0]


def beside_best(
    benchmark: str,
    key: str,
    more_is_better: bool,
    among: Callable[[str, Mapping[str, Any]], bool],
    form: str = "",
    loop: str = "",
) -> Callable[[Data], Reached | None]:
    """Ours by the best of some others."""

    def measure(data: Data) -> Reached | None:
        ours = primary(data, benchmark, form, loop)
        best = best_of(data, benchmark, key, more_is_better, among)
        if ours is None or best is None:
            return None
        found = ratios(series(data, benchmark, ours, key), series(data, benchmark, best, key))
        return Reached(Spread.of(found), ours, best) if found else None

    return measure


def figure(benchmark: str, key: str, scale: float = 1) -> Callable[[Data], Reached | None]:
    """Ours as it is."""

    def measure(data: Data) -> Reached | None:
        ours = primary(data, benchmark)
        if ours is None:
            return None
        found = [value * scale for value in series(data, benchmark, ours, key).values()]
        return Reached(Spread.of(found), ours) if found else None

    return measure


def beside_key(benchmark: str, key: str, other: str, beside: str) -> Callable[[Data], Reached | None]:
    """Ours by what was measured in the same process."""

    def measure(data: Data) -> Reached | None:
        ours = primary(data, benchmark)
        if ours is None:
            return None
        found = ratios(series(data, benchmark, ours, key), series(data, benchmark, ours, other))
        return Reached(Spread.of(found), ours, beside) if found else None

    return measure


def growth_of(benchmark: str) -> Callable[[Data], Reached | None]:
    """The cost among the most things by the cost among the fewest."""

    def measure(data: Data) -> Reached | None:
        ours = primary(data, benchmark)
        if ours is None:
            return None
        found: list[float] = []
        for each in data["rounds"]:
            figures = each.get(benchmark, {}).get(ours, {})
            costs = {
                int(key.partition("@")[2]): value for key, value in figures.items() if key.startswith("cpu@")
            }
            if costs:
                found.append(costs[max(costs)] / costs[min(costs)])
        return Reached(Spread.of(found), ours) if found else None

    return measure


def peers(name: str, about: Mapping[str, Any]) -> bool:
    return bool(about["kind"] == PEER)


def named(prefix: str) -> Callable[[str, Mapping[str, Any]], bool]:
    return lambda name, about: name.startswith(prefix)


def proving(name: str, about: Mapping[str, Any]) -> bool:
    return bool(about["kind"] == PEER and about["proves"])


TIMES: Final = " x"

TARGETS: Final = (
    Target("processor time of a call, both ends, 100 outstanding, by the best peer's", TIMES, 0.3, False,
           beside_best("outstanding", "cpu", False, peers)),
    Target("the same by that of a raw echo on uvloop", TIMES, 3, False,
           beside_best("outstanding", "cpu", False, named("raw echo, uvloop"))),
    Target("calls a second, 100 outstanding, by the best peer's", TIMES, 3, True,
           beside_best("outstanding", "rate", True, peers)),
    Target("the same, interpreted, on plain asyncio", TIMES, 1, True,
           beside_best("outstanding", "rate", True, peers, "interpreted", "asyncio")),
    Target("calls one after the other, by a raw echo's on uvloop", TIMES, 0.8, True,
           beside_best("sequential", "rate", True, named("raw echo, uvloop"))),
    Target("the same by the best peer's", TIMES, 1.2, True, beside_best("sequential", "rate", True, peers)),
    Target("chain of ten calls, 20 ms each way", " round trips", 1.05, False, figure("far_chain", "trips")),
    Target("byte strings of 1 MB, MB/s by pycapnp's", TIMES, 1, True,
           beside_best("bulk", "rate", True, named("pycapnp"))),
    Target("a live remote reference, at the client", " bytes", 350, False, figure("memory", "client_bytes")),
    Target("a live remote reference and its object, at the server", " bytes", 350, False,
           figure("memory", "server_bytes")),
    Target("a call that waits for its answer, at the client", " bytes", 1_000, False,
           figure("pending", "client_bytes")),
    Target("a call that waits for its answer, and its promise, at the server", " bytes", 1_000, False,
           figure("pending", "server_bytes")),
    Target("memory left of 1,000 calls that have been answered, both ends", " bytes", 4_000, False,
           figure("steady", "bytes")),
    Target("100,000 references released", " s", 0.5, False,
           figure("memory", "release", 100_000 / RELEASED / 1e3)),
    Target("connections with a first call, by the best peer's that authenticates", TIMES, 1, True,
           beside_best("connect", "rate", True, proving)),
    Target("sends between two vats of a loop, one way", "/s", 800_000, True, figure("local", "two_one_way")),
    Target("the same, awaited, 100 outstanding", "/s", 250_000, True, figure("local", "two_window")),
    Target("the same, awaited one at a time", "/s", 100_000, True, figure("local", "two_single")),
    Target("Syrup: encoding a small op:deliver, by msgpack", TIMES, 1, True,
           beside_key("syrup", "encode_small", "encode_small.msgpack", "msgpack")),
    Target("Syrup: decoding it, by msgpack", TIMES, 1, True,
           beside_key("syrup", "decode_small", "decode_small.msgpack", "msgpack")),
    Target("Syrup: encoding 100 KB, by msgpack", TIMES, 0.5, True,
           beside_key("syrup", "encode_large", "encode_large.msgpack", "msgpack")),
    Target("Syrup: decoding them, by msgpack", TIMES, 0.5, True,
           beside_key("syrup", "decode_large", "decode_large.msgpack", "msgpack")),
    Target("cost of a call among the most sessions by one", TIMES, FLAT, False, growth_of("sessions")),
    Target("cost of a call among the most exports by that among the fewest", TIMES, FLAT, False,
           growth_of("exports")),
    Target("cost of a send among the most actors by that among the fewest", TIMES, FLAT, False,
           growth_of("actors")),
)  # fmt: skip


def number(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    for decimals, least in ((0, 100), (1, 10), (2, 1)):
        if abs(value) >= least:
            return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:,.0f}"
    return f"{value:.3g}"
