"""Our side: the objects that the benchmarks call, the process that serves them, and its client."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.frames import FrameTap
from benchmarks.harness import run_loop
from benchmarks.processes import report_until_told
from hobgoblin import Actor, Peer, method, netlayers, spawn
from hobgoblin.captp.session import Stats


class Item(Actor):
    """An object that is handed out and dropped."""


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

    @method
    def add(self, a: int, b: int) -> int:
        return a + b

    @method
    def put(self, data: bytes) -> int:
        return len(data)

    @method
    def chain(self) -> Link:
        return spawn(Link, 0)

    @method
    def hand_out(self, count: int) -> list[Item]:
        return [spawn(Item) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Client:
    """A peer with one session to the server."""

    peer: Peer
    bench: Bench

    def stats(self) -> Stats:
        """What the client's side of the session counts."""
        (connection,) = self.peer.connections
        return connection.session.stats()


@asynccontextmanager
async def connect(uri: str, tap: FrameTap | None = None) -> AsyncIterator[Client]:
    """Open a session of its own to the server of ``uri``."""
    async with Peer(netlayers.Unix(), name="client", tap=tap) as peer:
        yield Client(peer, await peer.enliven(uri, Bench))


def through(uri: str, path: str) -> str:
    """The same object by way of another socket, which must lead to the same server."""
    return uri.partition("?path=")[0] + f"?path={path.replace('/', '%2F')}"


async def serve(path: str) -> None:
    """Serve at ``path`` until told to end."""
    async with Peer(netlayers.Unix(path), name="server") as peer:

        def tables() -> dict[str, Any]:
            return {"tables": [list(each.session.stats().tables) for each in peer.connections]}

        await report_until_told(peer.publish(peer.spawn(Bench)), tables)


if __name__ == "__main__":
    run_loop(serve(sys.argv[1]), uvloop="uvloop" in sys.argv[2:])
