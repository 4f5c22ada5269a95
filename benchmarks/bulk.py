"""Large byte strings, several under way: what a session carries of plain data."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

from benchmarks import ours, raw_echo
from benchmarks.calls import both_servers
from benchmarks.frames import FrameTap
from benchmarks.harness import Call, Figures, Outcome, Row, Settings, cpu_seconds
from benchmarks.processes import ServerProcess

STRING: Final = bytes(range(256)) * 4096
WINDOW: Final = 8

ROWS = (
    Row("rate", f"byte strings of 1 MB, {WINDOW} outstanding", "MB/s", True),
    Row("cpu", "  processor time, both ends", "µs/MB", False),
)


async def run(settings: Settings) -> Outcome:
    """Measure once."""
    async with both_servers(settings) as servers:
        tap = FrameTap()
        async with ours.connect(servers.uri, tap) as client:
            tap.restart()
            assert await client.bench.put(STRING) == len(STRING)
        frame = raw_echo.question(tap.sizes())
        raw = await raw_echo.connect(servers.raw_path)
        async with ours.connect(servers.uri) as client:
            bench = client.bench
            outcome = Outcome(
                await measure(lambda: bench.put(STRING), servers.ours, settings),
                await measure(lambda: raw.call(frame), servers.raw, settings),
            )
        raw.close()
        return outcome


async def measure(call: Call, server: ServerProcess, settings: Settings) -> Figures:
    """Send as many strings as the settings say."""
    left = settings.bulk_bytes // len(STRING)
    megabytes = left * len(STRING) / 1e6

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    await call()
    before = cpu_seconds() + server.cpu()
    start = perf_counter()
    await asyncio.gather(*(work() for _ in range(WINDOW)))
    elapsed = perf_counter() - start
    after = cpu_seconds() + server.cpu()
    return {"rate": megabytes / elapsed, "cpu": (after - before) / megabytes * 1e6}
