"""hobgoblin."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from benchmarks.contenders import is_compiled
from benchmarks.frames import ANSWER, CALL, FrameTap
from benchmarks.processes import say_ready
from benchmarks.settings import CHAIN, STRING_OCTETS
from hobgoblin import Actor, Limits, Peer, method, netlayers, new_promise, spawn

MOST: Final = 2_000_000
LIMITS: Final = Limits(imports=MOST, exports=MOST, answers=MOST, listeners=MOST)
"""The usual ones end before a million of references."""


class Item(Actor):
    """An object that is handed out and dropped."""

    @method
    def touch(self) -> None:
        """Do nothing, for whoever wants to know what that costs."""


class Link(Actor):
    """A step of a chain: each call makes the object that the next one goes to."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    @method
    def follow(self) -> Link:
        return spawn(Link, self._depth + 1)

    @method
    def depth(self) -> int:
        return self._depth


class Bench(Actor):
    """What the server publishes."""

    def __init__(self, live: Callable[[], int]) -> None:
        self._live = live

    @method
    def add(self, a: int, b: int) -> int:
        return a + b

    @method
    def put(self, data: bytes) -> int:
        return len(data)

    @method
    def link(self) -> Link:
        return spawn(Link, 0)

    @method
    def mint(self) -> Item:
        return spawn(Item)

    @method
    def mint_many(self, count: int) -> list[Item]:
        return [spawn(Item) for _ in range(count)]

    @method
    def toil(self) -> int:
        """Work for some tenths of a millisecond, as a method that does something would."""
        return sum(range(20_000))

    @method
    def wait(self) -> Any:
        """Answer never."""
        return new_promise()[0]

    @method
    def blocks(self) -> int:
        """How many blocks of memory Python has allocated here and holds."""
        gc.collect()
        return sys.getallocatedblocks()

    @method
    def live(self) -> int:
        """How many objects this peer has exported, to all sessions."""
        return self._live()


class Session:
    """A peer of its own with one session to the server."""

    def __init__(self, peer: Peer, bench: Bench) -> None:
        self.peer = peer
        self.bench = bench

    def add(self, a: int, b: int) -> Awaitable[int]:
        return self.bench.add(a, b)

    def put(self, data: bytes) -> Awaitable[int]:
        return self.bench.put(data)

    def chain(self, calls: int) -> Awaitable[int]:
        link = self.bench.link()
        for _ in range(calls - 2):
            link = link.follow()
        return link.depth()

    def mint(self) -> Awaitable[Item]:
        return self.bench.mint()

    def live(self) -> Awaitable[int]:
        return self.bench.live()

    def tables(self) -> list[int]:
        """Our exports, imports, questions and answers."""
        return _tables(self.peer)

    async def close(self) -> None:
        await self.peer.close()


async def connect(uri: str, tap: FrameTap | None = None) -> Session:
    """Open a session of its own; the call that follows leaves before the object is known to exist."""
    peer = Peer(netlayers.Unix(), name="client", limits=LIMITS, tap=tap)
    await peer.start()
    return Session(peer, peer.enliven(uri, Bench))


def through(uri: str, path: str) -> str:
    """The same object by way of another socket, which must lead to the same server."""
    return uri.partition("?path=")[0] + f"?path={path.replace('/', '%2F')}"


def serve(path: str, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Serve at ``path``; asked for anything, tell the tables of all sessions, and what runs."""
    run(serve_on(netlayers.Unix(path, max_channels=20_000)))


async def serve_on(netlayer: netlayers.Unix, swiss: bytes | None = None) -> None:
    """Do so on a netlayer, at a swiss number of your choice."""
    async with Peer(netlayer, name="server", limits=LIMITS) as peer:
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def live() -> int:
            return sum(each.session.stats().exports for each in peer.connections)

        def asked() -> None:
            questions = os.read(sys.stdin.fileno(), 4096)
            if not questions:
                loop.remove_reader(sys.stdin.fileno())
                over.set_result(None)
            for _ in range(questions.count(b"\n")):
                print(json.dumps({"tables": _tables(peer), **what_runs()}), flush=True)

        loop.add_reader(sys.stdin.fileno(), asked)
        say_ready(peer.publish(peer.spawn(Bench, live), swiss=swiss))
        await over


def what_runs() -> dict[str, Any]:
    """Which form of ours this process has, and which loop runs."""
    loop = type(asyncio.get_running_loop())
    return {"compiled": is_compiled(), "loop": f"{loop.__module__}.{loop.__qualname__}"}


def _tables(peer: Peer) -> list[int]:
    tables = [each.session.stats().tables for each in peer.connections]
    return [sum(column) for column in zip(*tables, strict=True)]


async def look(uri: str) -> dict[str, Any]:
    """Look at the frames of some calls: their sizes, and which leave before the first answer comes."""
    tap = FrameTap()
    session = await connect(uri, tap)
    found: dict[str, Any] = {}
    for _ in range(2):  # the first time for what crosses once only
        for name, call in (
            ("add", lambda: session.add(20, 22)),
            ("put", lambda: session.put(bytes(STRING_OCTETS))),
            ("chain", lambda: session.chain(CHAIN)),
        ):
            tap.restart()
            await call()
            order, sizes = tap.order(), tap.sizes()
            found[name] = {
                "frame": [sizes.sent, sizes.received],
                "calls_sent": order.count(CALL),
                "calls_before_first_answer": order.index(ANSWER),
                "answers_received": order.count(ANSWER),
            }
    await session.close()
    return found
