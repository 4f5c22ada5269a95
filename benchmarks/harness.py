"""What all benchmarks share: settings, rows, outcomes, clocks, and the loop they run on."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

Figures = dict[str, float]
"""What one contender reached in one run, by the keys of the rows."""

Call = Callable[[], Awaitable[object]]
"""One remote call."""

WINDOW = 100
"""Calls outstanding where a benchmark keeps many under way."""

SETTLING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured. All runs of one invocation have the same."""

    seconds: float = 0.3
    """Of each timed loop."""

    warm_up: int = 500
    """Calls before a loop is timed."""

    references: int = 30_000
    """Live remote references in the memory benchmark."""

    chains: int = 50
    """Chains of calls that are timed without delay."""

    delayed_chains: int = 3
    """Pipelined chains that are timed with delay."""

    bulk_bytes: int = 64 << 20
    uvloop: bool = False


DEFAULT = Settings()
QUICK = Settings(seconds=0.2, references=20_000, chains=20, delayed_chains=2, bulk_bytes=32 << 20)
SMOKE = Settings(seconds=0.02, warm_up=20, references=500, chains=2, delayed_chains=1, bulk_bytes=4 << 20)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str
    title: str
    unit: str
    more_is_better: bool
    baseline: str = "raw echo"
    """What stands beside ours; empty where nothing compares."""


@dataclass(slots=True)
class Outcome:
    """What one run of a benchmark found. ``facts`` are no timings: a test asserts them."""

    ours: Figures
    baseline: Figures = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark module, as the command sees it."""

    name: str
    rows: tuple[Row, ...]
    run: Callable[[Settings], Coroutine[Any, Any, Outcome]]


def cpu_seconds() -> float:
    """Processor time of this process, in user and in kernel mode."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes() -> int:
    """Memory of this process; where the system does not tell, its peak."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_loop(main: Coroutine[Any, Any, T], *, uvloop: bool) -> T:
    """Run ``main`` on a new loop: asyncio's own or uvloop's."""
    factory = None
    if uvloop:
        import uvloop as uvloop_module  # type: ignore[import-not-found, unused-ignore]

        factory = uvloop_module.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


async def repeat(call: Call, times: int) -> None:
    """Await a call so many times, one after the other."""
    for _ in range(times):
        await call()


async def until(condition: Callable[[], Awaitable[bool]], *, pause: float = 0.002) -> None:
    """Wait for a condition by looking at it now and then.

    Raises:
        TimeoutError: it did not come true within a minute.
    """
    async with asyncio.timeout(SETTLING_SECONDS):
        while not await condition():  # noqa: ASYNC110 - it depends on another process
            await asyncio.sleep(pause)
