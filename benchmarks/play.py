"""The calling end of a contender, in a process of its own: it does what it is told, and times it.

Usage: ``python -m benchmarks.play PEER LOOP``. Each line on standard input is a request in JSON: ``do``
names a method of `Player`, the rest are its arguments. What the peer can't do is answered with
nothing, what fails with ``failed`` and the reason. ``node/play.mjs`` does the same for Node.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any

from benchmarks.play_blocking import BlockingPlayer
from benchmarks.processes import run_loop, say_ready
from benchmarks.settings import WINDOW

BULK_WINDOW = 8
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 60.0


class Player:
    """Calls a peer whose sessions are asynchronous."""

    def __init__(self, peer: ModuleType) -> None:
        self._peer = peer
        self._address = ""
        self._session: Any = None
        self._far: Any = None
        self._far_address = ""
        self._held: list[Any] = []

    async def open(self, address: str, far: str, warm_up: float, frame: Any) -> dict[str, Any]:
        """Connect, and call for so many seconds until all is warm."""
        self._address = address
        through = getattr(self._peer, "through", lambda address, path: path)
        self._far_address = through(address, far)
        self._session = await self._connect(address)
        self._use(frame)
        await self._session.add(20, 22)
        await self.outstanding(warm_up)
        await self.sequential(warm_up / 4)
        return {}

    async def look(self, address: str) -> dict[str, Any]:
        """Look at what crosses."""
        found: dict[str, Any] = await self._peer.look(address)
        return found

    async def outstanding(self, seconds: float) -> dict[str, Any]:
        """Let as many tasks as the window is wide await calls, each one at a time."""
        calls = 0
        session = self._session

        async def work() -> None:
            nonlocal calls
            while perf_counter() < end:
                await session.add(20, 22)
                calls += 1

        start = perf_counter()
        end = start + seconds
        await asyncio.gather(*(work() for _ in range(WINDOW)))
        return {"calls": calls, "seconds": perf_counter() - start}

    async def sequential(self, seconds: float) -> dict[str, Any]:
        """Await the call again and again."""
        session = self._session
        took: list[float] = []
        start = now = perf_counter()
        while now - start < seconds:
            await session.add(20, 22)
            before, now = now, perf_counter()
            took.append(now - before)
        return {"calls": len(took), "seconds": now - start, **percentiles(took)}

    async def chain(self, calls: int, times: int) -> dict[str, Any]:
        """Call, each time on the result of the call before."""
        return await self._time_chain(self._session, calls, times)

    async def far_chain(self, calls: int, times: int) -> dict[str, Any]:
        """The same through the delay."""
        if hasattr(self._session, "chain") and self._far is None:
            self._far = await self._connect(self._far_address)
            await self._far.add(20, 22)
        return await self._time_chain(self._far, calls, times)

    async def bulk(self, strings: int, octets: int, frame: Any) -> dict[str, Any]:
        """Send byte strings, several at a time."""
        session, string, left = self._session, bytes(range(256)) * (octets // 256), strings

        async def work() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await session.put(string)

        self._use(frame)
        await session.put(string)
        start = perf_counter()
        await asyncio.gather(*(work() for _ in range(BULK_WINDOW)))
        return {"calls": strings, "seconds": perf_counter() - start}

    async def connect(self, seconds: float) -> dict[str, Any]:
        """Connect, call once and close, again and again."""
        connections = 0
        start = perf_counter()
        while (elapsed := perf_counter() - start) < seconds:
            session = await self._connect(self._address)
            await session.add(20, 22)
            await session.close()
            connections += 1
        return {"calls": connections, "seconds": elapsed}

    async def hold(self, count: int) -> dict[str, Any]:
        """Have objects handed out, and hold the references."""
        session, held = self._session, self._held
        if not hasattr(session, "mint"):
            return {}

        async def work(times: int) -> None:
            for _ in range(times):
                held.append(await session.mint())

        gc.collect()
        start = perf_counter()
        await asyncio.gather(*(work(count // WINDOW) for _ in range(WINDOW)))
        return {"calls": len(held), "seconds": perf_counter() - start, "live": await session.live()}

    async def drop(self, base: int) -> dict[str, Any]:
        """Let go of the references, and wait until no object is left but those there were."""
        session, longest = self._session, 0.0
        start = perf_counter()
        self._held.clear()
        gc.collect()
        while True:
            asked = perf_counter()
            left = await session.live() - base
            longest = max(longest, perf_counter() - asked)
            if left <= 0 or asked - start > PATIENCE_SECONDS:
                return {"seconds": perf_counter() - start, "left": left, "longest": longest}
            await asyncio.sleep(POLL_SECONDS)

    async def live(self) -> dict[str, Any]:
        """Count the objects that are held by anybody."""
        return {"live": await self._session.live()} if hasattr(self._session, "mint") else {}

    async def tables(self) -> dict[str, Any]:
        """Look at the tables of the session; for ours alone."""
        return {"tables": self._session.tables()}

    async def _connect(self, address: str) -> Any:
        return await self._peer.connect(address)

    def _use(self, frame: Any) -> None:
        if frame and hasattr(self._session, "use"):
            self._session.use(frame)

    async def _time_chain(self, session: Any, calls: int, times: int) -> dict[str, Any]:
        if not hasattr(session, "chain"):
            return {}
        took: list[float] = []
        for _ in range(times):
            start = perf_counter()
            await session.chain(calls)
            took.append(perf_counter() - start)
        return {"calls": times, "seconds": median(took)}


def percentiles(took: list[float]) -> dict[str, float]:
    """How long half of the calls took at most, and 99 % of them, in seconds."""
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}


async def answer_requests(player: object) -> None:
    """Do what comes in, until nothing does."""
    say_ready()
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        act: Callable[..., Awaitable[dict[str, Any]]] = getattr(player, request.pop("do"))
        try:
            answer = await act(**request)
        except Exception as error:
            answer = failure(error)
        print(json.dumps(answer), flush=True)


def answer_blocking(player: BlockingPlayer) -> None:
    """Do what comes in, until nothing does."""
    say_ready()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(player, request.pop("do"))(**request)
        except Exception as error:
            answer = failure(error)
        print(json.dumps(answer), flush=True)


def failure(error: Exception) -> dict[str, Any]:
    """What is said of a request that failed."""
    return {"failed": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def main(name: str, loop: str) -> None:
    """Play until standard input ends."""
    peer = import_module(f"benchmarks.peers.{name}")
    if getattr(peer, "BLOCKING", False):
        answer_blocking(BlockingPlayer(peer))
    else:
        wrap = getattr(peer, "wrap", lambda coroutine: coroutine)
        run_loop(wrap(answer_requests(Player(peer))), loop=loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # some peers have threads that would never end
