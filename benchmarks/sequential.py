"""Round trips one after the other: what a call costs that is awaited before the next."""

from __future__ import annotations

from time import perf_counter

from benchmarks.calls import Contender, adding
from benchmarks.harness import Figures, Outcome, Row, Settings

ROWS = (
    Row("rate", "sequential add(a, b)", "calls/s", True),
    Row("p50", "  half of them within", "µs", False),
    Row("p99", "  99 % within", "µs", False),
    Row("cpu", "  processor time, both ends", "µs/call", False),
)


async def run(settings: Settings) -> Outcome:
    """Measure once."""
    async with adding(settings) as (ours, raw):
        return Outcome(await measure(ours, settings.seconds), await measure(raw, settings.seconds))


async def measure(contender: Contender, seconds: float) -> Figures:
    """Await the call again and again."""
    call = contender.call
    took: list[float] = []
    burnt = contender.cpu()
    start = now = perf_counter()
    while now - start < seconds:
        await call()
        before, now = now, perf_counter()
        took.append(now - before)
    burnt = contender.cpu() - burnt
    calls = len(took)
    took.sort()
    return {
        "rate": calls / (now - start),
        "p50": took[calls // 2] * 1e6,
        "p99": took[calls * 99 // 100] * 1e6,
        "cpu": burnt / calls * 1e6,
    }
