"""What a message costs as there are more and more sessions, exports and actors: it must stay the same."""

from __future__ import annotations

import asyncio
import gc
import resource
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from benchmarks.local import BATCH, Target
from benchmarks.measures import Benchmark, Figures, Row
from benchmarks.peers import echo, ours
from benchmarks.processes import Worker, python, resident_of
from benchmarks.settings import WINDOW, Settings
from hobgoblin import send_only, spawn_vat

AT_ONCE: Final = 50
"""Sessions that are opened at the same time."""

HANDED_OUT: Final = 1_000
"""References of one answer."""

SPARE_FILES: Final = 200


def benchmarks(settings: Settings) -> tuple[Benchmark, ...]:
    """Rows for each size there is: the cost of a message, and what the things weigh."""

    def rows(sizes: tuple[int, ...], *kinds: tuple[str, str, str]) -> tuple[Row, ...]:
        return tuple(
            Row(f"{key}@{size}", f"{size:,}: {title}", unit) for size in sizes for key, title, unit in kinds
        )

    cpu = ("cpu", "a call, both ends", "µs")
    return (
        Benchmark(
            "sessions",
            "calls over more and more sessions",
            rows(
                settings.sessions,
                ("cpu", "a call, 100 over one session and then over the next", "µs"),
                ("rate", "calls of these", "/s"),
                ("floor", "the same of a raw echo, over so many connections", "µs"),
                ("spread", "a call, one at a time over each of 100 sessions", "µs"),
                ("bytes", "an idle session, at the server", "bytes"),
            ),
        ),
        Benchmark(
            "exports", "calls to more and more exported objects, over one session", rows(settings.sizes, cpu)
        ),
        Benchmark(
            "actors", "sends to more and more actors", rows(settings.sizes, ("cpu", "a send, one way", "µs"))
        ),
    )


async def sessions(settings: Settings, loop: str) -> Figures:
    """Open sessions, each of a client of its own, and call over all of them in turn."""
    figures: Figures = {}
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
    async with server(loop) as (process, uri):
        frame = (await ours.look(uri))["add"]["frame"]
        opened: list[ours.Session] = []
        warm = await ours.connect(uri)
        await cost_of(lambda: warm.add(20, 22), process, settings.seconds)
        gc.collect()
        empty = resident_of(process.pid)
        for count in settings.sessions:
            if count > files:
                break
            while len(opened) < count:
                more = min(AT_ONCE, count - len(opened))
                fresh = await asyncio.gather(*(ours.connect(uri) for _ in range(more)))
                await asyncio.gather(*(session.add(20, 22) for session in fresh))
                opened.extend(fresh)
            figures[f"bytes@{count}"] = (resident_of(process.pid) - empty) / count
            turns: Iterator[ours.Session] = cycle(opened)
            spread, _ = await cost_of(lambda turns=turns: next(turns).add(20, 22), process, settings.seconds)
            turns = (session for session in cycle(opened) for _ in range(WINDOW))
            cost, rate = await cost_of(lambda turns=turns: next(turns).add(20, 22), process, settings.seconds)
            figures[f"cpu@{count}"], figures[f"rate@{count}"], figures[f"spread@{count}"] = cost, rate, spread
        for session in (warm, *opened):
            await session.close()
    counts = [count for count in settings.sessions if count <= files]
    figures.update(await echoes(counts, frame, settings, loop))
    return figures


async def echoes(counts: Sequence[int], frame: Sequence[int], settings: Settings, loop: str) -> Figures:
    """Do the same with connections that carry frames of these sizes, with nothing inside."""
    figures: Figures = {}
    async with server(loop, "echo") as (process, path):
        opened: list[echo.Session] = []
        for count in counts:
            while len(opened) < count:
                opened.append(await echo.connect(path))
                opened[-1].use(frame)
                await opened[-1].add(20, 22)  # else the queue of the listening socket may be full
            turns = (session for session in cycle(opened) for _ in range(WINDOW))
            figures[f"floor@{count}"], _ = await cost_of(
                lambda turns=turns: next(turns).add(20, 22), process, settings.seconds
            )
        for session in opened:
            await session.close()
    return figures


async def exports(settings: Settings, loop: str) -> Figures:
    """Hold more and more objects of one session, and call all of them in turn."""
    figures: Figures = {}
    async with server(loop) as (process, uri):
        session = await ours.connect(uri)
        held: list[Any] = []
        for count in settings.sizes:
            while len(held) < count:
                held.extend(await session.bench.mint_many(min(HANDED_OUT, count - len(held))))
            turns = cycle(held)
            figures[f"cpu@{count}"], _ = await cost_of(
                lambda turns=turns: next(turns).touch(), process, settings.seconds
            )
        await session.close()
    return figures


async def actors(settings: Settings, loop: str) -> Figures:
    """Send to more and more actors of one vat in turn, from another vat of the loop."""
    figures: Figures = {}
    here, there = spawn_vat("here"), spawn_vat("there")
    made: list[Target] = []
    for count in settings.sizes:
        made.extend(there.spawn(Target) for _ in range(count - len(made)))
        turns = cycle(made)

        async def send(turns: Any = turns) -> float:
            sent = 0
            start = process_time()
            while (elapsed := process_time() - start) < settings.seconds:
                for _ in range(BATCH):
                    send_only(next(turns).add)(20, 22)
                await next(turns).add(20, 22)
                sent += BATCH + 1
            return elapsed / sent * 1e6

        figures[f"cpu@{count}"] = await here.run(send)
    here.stop()
    there.stop()
    return figures


@asynccontextmanager
async def server(loop: str, peer: str = "ours") -> AsyncIterator[tuple[Worker, str]]:
    """Start a server, and tell where it is; what it runs in is that of this process."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = str(Path(folder, "socket"))
        process = Worker(python("serve", peer, loop, path))
        try:
            yield process, await asyncio.to_thread(process.ready) or path
        finally:
            await asyncio.to_thread(process.stop)


async def cost_of(call: Callable[[], Awaitable[Any]], process: Worker, seconds: float) -> tuple[float, float]:
    """Make as many calls at once as a window has, again and again.

    Returns the cost of one in µs of processor time, and how many there are in a second.
    """
    for _ in range(3):
        await asyncio.gather(*(call() for _ in range(WINDOW)))
    calls = 0
    burnt, start = process_time() + process.cpu(), perf_counter()
    while perf_counter() - start < seconds:
        await asyncio.gather(*(call() for _ in range(WINDOW)))
        calls += WINDOW
    elapsed, burnt = perf_counter() - start, process_time() + process.cpu() - burnt
    return burnt / calls * 1e6, calls / elapsed
