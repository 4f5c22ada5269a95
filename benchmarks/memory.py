"""Objects handed to a client and dropped: what each weighs, and how long both sides take to forget it.

Nothing compares: a raw echo has no references. Nobody calls anything to have them released.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any, Final, final

from benchmarks import ours
from benchmarks.calls import our_server
from benchmarks.harness import Outcome, Row, Settings, resident_bytes, until
from benchmarks.processes import ServerProcess

BATCH: Final = 500
TICK_SECONDS: Final = 0.002

ROWS = (
    Row("rate", "references handed out", "refs/s", True, ""),
    Row("client_bytes", "  one, at the client", "bytes", False, ""),
    Row("server_bytes", "  one and its object, at the server", "bytes", False, ""),
    Row("release", "  drop all, until both tables are as before", "ms", False, ""),
    Row("client_pause", "  longest pause of the client's loop", "ms", False, ""),
    Row("server_pause", "  longest pause of the server's loop", "ms", False, ""),
)


async def run(settings: Settings) -> Outcome:
    """Measure once."""
    async with our_server(settings) as server, ours.connect(server.ready()) as client:
        tables = Tables(client, server)
        await client.bench.hand_out(BATCH)
        await until(tables.are_quiet)
        before = await tables.sizes()
        client_bytes, server_bytes = resident_bytes(), server.facts()["resident"]

        held: list[Any] = []
        start = perf_counter()
        for first in range(0, settings.references, BATCH):
            held.append(await client.bench.hand_out(min(BATCH, settings.references - first)))
        handed_out = perf_counter() - start
        client_bytes = resident_bytes() - client_bytes
        server_bytes = server.facts()["resident"] - server_bytes
        full = await tables.sizes()

        async def are_as_before() -> bool:
            return await tables.sizes() == before

        tables.longest_pause = 0.0
        async with asyncio.TaskGroup() as group:
            watch = Watch()
            watching = group.create_task(watch.run())
            await asyncio.sleep(0)
            start = perf_counter()
            held.clear()
            await until(are_as_before)
            released = perf_counter() - start
            watching.cancel()
        return Outcome(
            {
                "rate": settings.references / handed_out,
                "client_bytes": client_bytes / settings.references,
                "server_bytes": server_bytes / settings.references,
                "release": released * 1e3,
                "client_pause": watch.longest * 1e3,
                "server_pause": tables.longest_pause * 1e3,
            },
            facts={
                "references": settings.references,
                "tables_before": before,
                "tables_full": full,
                "tables_after": await tables.sizes(),
            },
        )


@final
class Tables:
    """The tables of one session, looked at from both ends."""

    def __init__(self, client: ours.Client, server: ServerProcess) -> None:
        self._client = client
        self._server = server
        self.longest_pause = 0.0
        """How long the server at most took to answer, which its loop does."""

    async def sizes(self) -> list[list[int]]:
        """The client's exports, imports, questions and answers, and the server's."""
        start = perf_counter()
        facts = await asyncio.to_thread(self._server.facts)
        self.longest_pause = max(self.longest_pause, perf_counter() - start)
        (there,) = facts["tables"]
        return [list(self._client.stats().tables), there]

    async def are_quiet(self) -> bool:
        """Whether no question is open and none remembered."""
        here, there = await self.sizes()
        return here[1:] == [1, 0, 0] and there[1:] == [0, 0, 0]


@final
class Watch:
    """Notes how late a loop is at worst."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Look at the clock in every few ticks, until cancelled."""
        due = perf_counter()
        while True:
            self.longest = max(self.longest, perf_counter() - due)
            due = perf_counter() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
