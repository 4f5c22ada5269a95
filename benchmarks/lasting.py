"""What a session keeps of a call: while it waits for its answer, and later, when it may be nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Any, Final

from benchmarks.growth import server
from benchmarks.measures import Benchmark, Figures, Row
from benchmarks.peers import ours
from benchmarks.processes import Worker, resident_of
from benchmarks.settings import WINDOW, Settings

FOR_CALLS: Final = 1_000
"""Calls that what is left is given for."""

SETTLED_SECONDS: Final = 0.1
"""Longer than the releases of the last calls wait for more."""

PENDING: Final = Benchmark(
    "pending",
    "calls that wait for their answers",
    (
        Row("client_bytes", "one, at the client", "bytes"),
        Row("server_bytes", "one and the promise that it waits for, at the server", "bytes"),
    ),
)
STEADY: Final = Benchmark(
    "steady",
    f"what is left of {FOR_CALLS:,} calls that have been answered, over one session",
    (
        Row("bytes", "memory, both ends", "bytes"),
        Row("client_bytes", "at the client", "bytes"),
        Row("server_bytes", "at the server", "bytes"),
        Row("blocks", "blocks that Python has allocated, both ends", "blocks"),
        Row("calls", "calls in all", ""),
    ),
)


async def pending(settings: Settings, loop: str) -> Figures:
    """Ask for answers that do not come, and hold the promises."""
    async with server(loop) as (process, uri):
        session = await ours.connect(uri)
        held: list[Any] = []
        await ask(session, held, WINDOW)  # for what is made once
        client, there = sizes(process)
        await ask(session, held, settings.references)
        count = settings.references
        client, there = (now - then for now, then in zip(sizes(process), (client, there), strict=True))
        held.clear()
        await session.add(20, 22)
        await session.close()
    return {"client_bytes": client / count, "server_bytes": there / count}


async def ask(session: ours.Session, held: list[Any], count: int) -> None:
    """Ask so many times more, and see to it that all of it has arrived."""
    for first in range(0, count, WINDOW):
        held.extend(session.bench.wait() for _ in range(min(WINDOW, count - first)))
        await session.add(20, 22)


async def steady(settings: Settings, loop: str) -> Figures:
    """Call again and again over one session."""
    async with server(loop) as (process, uri):
        session = await ours.connect(uri)
        await call(session, settings.lasting_calls // 4)
        blocks, (client, there) = await blocks_of(session), sizes(process)
        await call(session, settings.lasting_calls)
        client, there = (now - then for now, then in zip(sizes(process), (client, there), strict=True))
        blocks = await blocks_of(session) - blocks
        await session.close()
    share = FOR_CALLS / settings.lasting_calls
    return {
        "bytes": (client + there) * share,
        "client_bytes": client * share,
        "server_bytes": there * share,
        "blocks": blocks * share,
        "calls": settings.lasting_calls,
    }


async def call(session: ours.Session, count: int) -> None:
    for _ in range(0, count, WINDOW):
        await asyncio.gather(*(session.add(20, 22) for _ in range(WINDOW)))


def sizes(process: Worker) -> tuple[int, int]:
    """Octets of memory of this process and of the server."""
    gc.collect()
    return resident_of(os.getpid()), resident_of(process.pid)


async def blocks_of(session: ours.Session) -> int:
    """How many blocks of memory both ends hold that are reachable."""
    await asyncio.sleep(SETTLED_SECONDS)
    there = await session.bench.blocks()
    gc.collect()
    return there + sys.getallocatedblocks()
