"""One and two processes that accept on one listening socket, and clients in processes of their own.

Usage of a server: ``python -m benchmarks.sharing serve LOOP DESCRIPTOR SWISS``, of a client: ``python -m
benchmarks.sharing call LOOP``; the latter takes requests as `benchmarks.play` does.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.measures import Benchmark, Figures, Row
from benchmarks.peers import ours
from benchmarks.play import answer_requests
from benchmarks.processes import Worker, WorkerFailed, python, run_loop
from benchmarks.settings import WINDOW, Settings
from hobgoblin.netlayers import Unix, listening_socket

SERVERS: Final = (1, 2)
CLIENTS: Final = 4
"""Processes that call. A call costs them more than the servers: fewer would not keep two servers busy."""

SESSIONS: Final = 4
"""Of each client, which are used in turn."""

BENCHMARK: Final = Benchmark(
    "sharing",
    f"processes that share a listening socket, {CLIENTS} processes with {SESSIONS} sessions each call",
    tuple(
        Row(f"{key}@{count}", f"{count} serving: {title}", unit, more)
        for count in SERVERS
        for key, title, unit, more in (
            ("rate", "calls add(a, b)", "/s", True),
            ("cpu", "one of them, all processes", "µs", False),
            ("server_cpu", "of it the servers'", "µs", False),
            ("busiest", "of that, in the busiest of them", "%", False),
            ("toil_rate", "calls that let the server work", "/s", True),
            ("toil_cpu", "one that does, all processes", "µs", False),
        )
        if count > 1 or key != "busiest"
    ),
)


async def run(settings: Settings, loop: str) -> Figures:
    """Measure once, with each number of servers."""
    return await asyncio.to_thread(measure, settings, loop)


def measure(settings: Settings, loop: str) -> Figures:
    """Start all processes, and have all clients call the one server and then the two."""
    figures: Figures = {}
    with ExitStack() as stack:

        def start(*arguments: str, inherited: Sequence[int] = ()) -> Worker:
            worker = Worker(python("sharing", *arguments), inherited=inherited)
            stack.callback(worker.stop)
            return worker

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        teams: list[list[Worker]] = []
        for count in SERVERS:
            descriptor = stack.enter_context(listening_socket(folder / str(count))).fileno()
            arguments = ("serve", loop, str(descriptor), secrets.token_hex(32))
            teams.append([start(*arguments, inherited=[descriptor]) for _ in range(count)])
        clients = [start("call", loop) for _ in range(CLIENTS)]
        for client in clients:
            client.ready()
        for servers in teams:
            (uri,) = {server.ready() for server in servers}
            ask_all(clients, do="open", uri=uri)
            ask_all(clients, do="add", seconds=settings.warm_up)
            adds, busiest = measure_calls("add", settings.seconds, servers, clients)
            toils, _ = measure_calls("toil", settings.seconds, servers, clients)
            ask_all(clients, do="close")
            found = {**adds, "busiest": busiest, "toil_rate": toils["rate"], "toil_cpu": toils["cpu"]}
            figures.update({f"{key}@{len(servers)}": value for key, value in found.items()})
    return figures


def measure_calls(
    what: str, seconds: float, servers: Sequence[Worker], clients: Sequence[Worker]
) -> tuple[Figures, float]:
    """Have all clients call; return what a call costs, and the share of the busiest server in percent."""
    before = [[each.cpu() for each in workers] for workers in (servers, clients)]
    answers = ask_all(clients, do=what, seconds=seconds)
    after = [[each.cpu() for each in workers] for workers in (servers, clients)]
    of_servers, of_clients = (
        [now - then for now, then in zip(*both, strict=True)] for both in zip(after, before, strict=True)
    )
    calls = sum(answer["calls"] for answer in answers)
    served = sum(of_servers)
    figures = {
        "rate": sum(answer["calls"] / answer["seconds"] for answer in answers),
        "cpu": (served + sum(of_clients)) / calls * 1e6,
        "server_cpu": served / calls * 1e6,
    }
    return figures, max(of_servers) / served * 100


def ask_all(clients: Sequence[Worker], **request: Any) -> list[dict[str, Any]]:
    """Have all clients do something at the same time."""
    answers = Worker.ask_all(clients, request)
    for answer in answers:
        if "failed" in answer:
            raise WorkerFailed(answer["failed"])
    return answers


class Caller:
    """Holds some sessions, and calls over all of them when asked to."""

    def __init__(self) -> None:
        self._sessions: list[ours.Session] = []

    async def open(self, uri: str) -> dict[str, Any]:
        self._sessions = [await ours.connect(uri) for _ in range(SESSIONS)]
        for session in self._sessions:
            await session.add(20, 22)
        return {}

    async def close(self) -> dict[str, Any]:
        for session in self._sessions:
            await session.close()
        return {}

    async def add(self, seconds: float) -> dict[str, Any]:
        return await self._call(lambda session: session.add(20, 22), seconds)

    async def toil(self, seconds: float) -> dict[str, Any]:
        return await self._call(lambda session: session.bench.toil(), seconds)

    async def _call(
        self, make: Callable[[ours.Session], Awaitable[object]], seconds: float
    ) -> dict[str, Any]:
        calls = 0

        async def work(session: ours.Session) -> None:
            nonlocal calls
            while perf_counter() < end:
                await make(session)
                calls += 1

        start = perf_counter()
        end = start + seconds
        await asyncio.gather(*(work(self._sessions[number % SESSIONS]) for number in range(WINDOW)))
        return {"calls": calls, "seconds": perf_counter() - start}


def main(act: str, loop: str, *arguments: str) -> None:
    """Serve or call, until standard input ends."""
    if act == "serve":
        descriptor, swiss = arguments
        netlayer = Unix(socket=socket.socket(fileno=int(descriptor)))
        run_loop(ours.serve_on(netlayer, bytes.fromhex(swiss)), loop=loop)
    else:
        run_loop(answer_requests(Caller()), loop=loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
