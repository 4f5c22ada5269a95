"""Cap'n Proto's C++ implementation, for Python: https://pypi.org/project/pycapnp/."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import capnp

from benchmarks.peers.counted import Counted
from benchmarks.processes import end_with_input, say_ready

SCHEMA = capnp.load(str(Path(__file__).with_name("bench.capnp")))

wrap = capnp.run
"""What every coroutine has to run in."""


class Item(SCHEMA.Item.Server, Counted):
    def __init__(self) -> None:
        Counted.__init__(self)


class Link(SCHEMA.Link.Server):
    def __init__(self, depth: int) -> None:
        self._depth = depth

    async def follow(self, **context: Any) -> Link:
        return Link(self._depth + 1)

    async def depth(self, **context: Any) -> int:
        return self._depth


class Bench(SCHEMA.Bench.Server):
    async def add(self, a: int, b: int, **context: Any) -> int:
        return a + b

    async def put(self, data: bytes, **context: Any) -> int:
        return len(data)

    async def link(self, **context: Any) -> Link:
        return Link(0)

    async def mint(self, **context: Any) -> Item:
        return Item()

    async def live(self, **context: Any) -> int:
        return Counted.live


class Session:
    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._client: Any = capnp.TwoPartyClient(stream)
        self._bench: Any = self._client.bootstrap().cast_as(SCHEMA.Bench)

    async def add(self, a: int, b: int) -> Any:
        return (await self._bench.add(a, b)).value

    async def put(self, data: bytes) -> Any:
        return (await self._bench.put(data)).octets

    async def chain(self, calls: int) -> Any:
        link = self._bench.link().link
        for _ in range(calls - 2):
            link = link.follow().link
        return (await link.depth()).value

    async def mint(self) -> Any:
        return (await self._bench.mint()).item

    async def live(self) -> Any:
        return (await self._bench.live()).count

    async def close(self) -> None:
        self._bench = self._client = None
        self._stream.close()


async def connect(path: str) -> Session:
    """Return a session with the server at ``path``."""
    return Session(await capnp.AsyncIoStream.create_unix_connection(path))


def serve(path: str, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Serve at ``path``."""
    run(capnp.run(_serve(path)))


async def _serve(path: str) -> None:
    async def arrived(stream: Any) -> None:
        await capnp.TwoPartyServer(stream, bootstrap=Bench()).on_disconnect()

    server = await capnp.AsyncIoStream.create_unix_server(arrived, path)
    say_ready()
    end_with_input()
    async with server:
        await server.serve_forever()
