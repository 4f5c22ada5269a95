"""A hundred calls under way at any time: what a busy session carries, and what it burns."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.calls import Contender, adding
from benchmarks.harness import WINDOW, Figures, Outcome, Row, Settings, cpu_seconds

ROWS = (
    Row("rate", f"{WINDOW} add(a, b) outstanding", "calls/s", True),
    Row("cpu", "  processor time, both ends", "µs/call", False),
    Row("client_cpu", "  of it the client's", "µs/call", False),
)


async def run(settings: Settings) -> Outcome:
    """Measure once."""
    async with adding(settings) as (ours, raw):
        return Outcome(await measure(ours, settings.seconds), await measure(raw, settings.seconds))


async def measure(contender: Contender, seconds: float) -> Figures:
    """Let as many tasks as the window is wide await calls, each one at a time."""
    calls = 0
    call = contender.call

    async def work() -> None:
        nonlocal calls
        while perf_counter() < end:
            await call()
            calls += 1

    server_before, client_before = contender.server.cpu(), cpu_seconds()
    start = perf_counter()
    end = start + seconds
    await asyncio.gather(*(work() for _ in range(WINDOW)))
    elapsed = perf_counter() - start
    client = cpu_seconds() - client_before
    server = contender.server.cpu() - server_before
    return {
        "rate": calls / elapsed,
        "cpu": (client + server) / calls * 1e6,
        "client_cpu": client / calls * 1e6,
    }
