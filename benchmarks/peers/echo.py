"""The floor: frames over asyncio, with nothing inside.

A frame is as long as the message of ours that it stands for. It begins with its own length and
with that of the frame to be sent back; the rest is filling. What is written within one tick of the
loop leaves in one piece, on both sides.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, cast

from benchmarks.processes import end_with_input, say_ready

HEAD: Final = struct.Struct(">II")


class FrameReader:
    """Cuts what comes in into frames; large ones are put together once."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes | bytearray) -> list[int]:
        """Return the length asked for by every frame that is now complete."""
        held = self._held
        if held:
            held += data
            if len(held) < HEAD.size or len(held) < HEAD.unpack_from(held)[0]:
                return []
            self._held, data = bytearray(), held
        wanted: list[int] = []
        place = 0
        while len(data) - place >= HEAD.size:
            size, back = HEAD.unpack_from(data, place)
            if len(data) - place < size:
                break
            wanted.append(back)
            place += size
        if place < len(data):
            self._held += data[place:]
        return wanted


def frame_of(size: int, back: int) -> bytes:
    """A frame of so many octets that asks for one of ``back`` octets."""
    return HEAD.pack(size, back) + bytes(size - HEAD.size)


class EchoServer(asyncio.Protocol):
    """Answers every frame with one of the length that it asks for."""

    def __init__(self) -> None:
        self._reader = FrameReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answers = [frame_of(back, 0) for back in self._reader.feed(data)]
        if answers:
            self._transport.write(b"".join(answers))


class Session(asyncio.Protocol):
    """Sends frames of one pair of sizes; answers come in the order of the questions."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._out: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._frame = frame_of(HEAD.size, HEAD.size)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for _ in self._reader.feed(data):
            self._waiting.popleft().set_result(None)

    def use(self, sizes: Sequence[int]) -> None:
        """Send frames of this size from now on, and ask for frames of that size."""
        self._frame = frame_of(*sizes)

    def add(self, a: int, b: int) -> asyncio.Future[None]:
        """Send a frame; the future is done when its answer is there."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(self._frame)
        answer = self._loop.create_future()
        self._waiting.append(answer)
        return answer

    def put(self, data: bytes) -> asyncio.Future[None]:
        return self.add(0, 0)

    def chain(self, calls: int) -> asyncio.Future[None]:
        """As many at once: nobody who waits for nothing can be faster."""
        return [self.add(0, 0) for _ in range(calls)][-1]

    async def close(self) -> None:
        self._transport.close()

    def _flush(self) -> None:
        self._transport.write(b"".join(self._out))
        self._out.clear()


async def connect(path: str) -> Session:
    """Return a client of the server at ``path``."""
    _, client = await asyncio.get_running_loop().create_unix_connection(Session, path)
    return client


def serve(path: str, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Serve at ``path``."""
    run(_serve(path))


async def _serve(path: str) -> None:
    server = await asyncio.get_running_loop().create_unix_server(EchoServer, path)
    async with server:
        say_ready()
        end_with_input()
        await server.serve_forever()
