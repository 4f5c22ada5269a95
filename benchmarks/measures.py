"""What is measured of every contender that can do it, and how figures come of what a player answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.settings import CHAIN, DELAY_SECONDS, STRING_OCTETS, Settings

Figures = dict[str, float]
"""What one contender reached once, by the keys of the rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a benchmark."""

    key: str
    title: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A title and rows, for tables. The first row is the one that is compared."""

    name: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """A benchmark of peers: what the player is asked to do, and what is read off."""

    benchmark: Benchmark
    act: str
    request: Callable[[Settings, Mapping[str, Any]], dict[str, Any]]
    figures: Callable[[dict[str, Any], float, float], Figures]


def _calls(answer: dict[str, Any], client: float, server: float) -> Figures:
    calls = answer["calls"]
    figures = {
        "cpu": (client + server) / calls * 1e6,
        "client_cpu": client / calls * 1e6,
        "rate": calls / answer["seconds"],
    }
    for percentile in ("p50", "p99"):
        if percentile in answer:
            figures[percentile] = answer[percentile] * 1e6
    return figures


def _chain(answer: dict[str, Any], client: float, server: float) -> Figures:
    return {"time": answer["seconds"] * 1e3}


def _far_chain(answer: dict[str, Any], client: float, server: float) -> Figures:
    return {"trips": answer["seconds"] / (2 * DELAY_SECONDS), "time": answer["seconds"] * 1e3}


def _bulk(answer: dict[str, Any], client: float, server: float) -> Figures:
    megabytes = answer["calls"] * STRING_OCTETS / 1e6
    return {"cpu": (client + server) / megabytes * 1e6, "rate": megabytes / answer["seconds"]}


CPU: Final = Row("cpu", "processor time, both ends", "µs/call")
CLIENT_CPU: Final = Row("client_cpu", "of it the client's", "µs/call")
RATE: Final = Row("rate", "rate", "calls/s", True)

MEASURES: Final = (
    Measure(
        Benchmark("outstanding", "add(a, b), 100 outstanding", (CPU, CLIENT_CPU, RATE)),
        "outstanding",
        lambda settings, frames: {"seconds": settings.seconds},
        _calls,
    ),
    Measure(
        Benchmark(
            "sequential",
            "add(a, b), one after the other",
            (CPU, CLIENT_CPU, RATE, Row("p50", "half of them within", "µs"), Row("p99", "99 % within", "µs")),
        ),
        "sequential",
        lambda settings, frames: {"seconds": settings.seconds},
        _calls,
    ),
    Measure(
        Benchmark("chain", f"chain of {CHAIN} calls, no delay", (Row("time", "time", "ms"),)),
        "chain",
        lambda settings, frames: {"calls": CHAIN, "times": settings.chains},
        _chain,
    ),
    Measure(
        Benchmark(
            "far_chain",
            f"chain of {CHAIN} calls, 20 ms each way",
            (Row("trips", "in round trips of 40 ms", "trips"), Row("time", "time", "ms")),
        ),
        "far_chain",
        lambda settings, frames: {"calls": CHAIN, "times": settings.delayed_chains},
        _far_chain,
    ),
    Measure(
        Benchmark(
            "connect",
            "connection, first call, close",
            (Row("cpu", "processor time, both ends", "µs"), CLIENT_CPU, Row("rate", "rate", "/s", True)),
        ),
        "connect",
        lambda settings, frames: {"seconds": settings.seconds},
        _calls,
    ),
    Measure(
        Benchmark(
            "bulk",
            "byte strings of 1 MB",
            (Row("cpu", "processor time, both ends", "µs/MB"), Row("rate", "rate", "MB/s", True)),
        ),
        "bulk",
        lambda settings, frames: {
            "strings": settings.strings,
            "octets": STRING_OCTETS,
            "frame": frames.get("put", {}).get("frame"),
        },
        _bulk,
    ),
)

MEMORY: Final = Benchmark(
    "memory",
    "live remote references",
    (
        Row("client_bytes", "one, at the client", "bytes"),
        Row("server_bytes", "one and its object, at the server", "bytes"),
        Row("release", "forgotten by both ends after a drop", "ms for 10,000"),
        Row("longest", "longest wait for an answer meanwhile", "ms"),
        Row("rate", "handed out", "/s", True),
    ),
)
