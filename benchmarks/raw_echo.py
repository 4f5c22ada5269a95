"""The baseline: frames over asyncio, with nothing inside. Both the client and the server.

A frame is as long as the message of ours that it stands for. It begins with its own length and
with that of the frame to be sent back; the rest is filling. What is written within one tick of the
loop leaves in one piece, on both sides, as with ours.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections import deque
from typing import Final, cast

from benchmarks.frames import Sizes
from benchmarks.harness import run_loop
from benchmarks.processes import report_until_told

HEAD: Final = struct.Struct(">II")


class FrameReader:
    """Cuts what comes in into frames; large ones are put together once."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes | bytearray) -> list[tuple[int, int]]:
        """Return the two lengths in the head of every frame that is now complete."""
        held = self._held
        if held:
            held += data
            if len(held) < HEAD.size or len(held) < HEAD.unpack_from(held)[0]:
                return []
            self._held, data = bytearray(), held
        heads: list[tuple[int, int]] = []
        place = 0
        while len(data) - place >= HEAD.size:
            size, back = HEAD.unpack_from(data, place)
            if len(data) - place < size:
                break
            heads.append((size, back))
            place += size
        if place < len(data):
            self._held += data[place:]
        return heads


class EchoServer(asyncio.Protocol):
    """Answers every frame with one of the length that it asks for."""

    def __init__(self) -> None:
        self._reader = FrameReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answers = [frame_of(back, 0) for _, back in self._reader.feed(data)]
        if answers:
            self._transport.write(b"".join(answers))


class EchoClient(asyncio.Protocol):
    """Sends frames of one pair of sizes; answers come in the order of the questions."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._out: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for _ in self._reader.feed(data):
            self._waiting.popleft().set_result(None)

    def call(self, frame: bytes) -> asyncio.Future[None]:
        """Send a frame; the future is done when its answer is there."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frame)
        answer = self._loop.create_future()
        self._waiting.append(answer)
        return answer

    def close(self) -> None:
        self._transport.close()

    def _flush(self) -> None:
        self._transport.write(b"".join(self._out))
        self._out.clear()


def frame_of(size: int, back: int) -> bytes:
    """A frame of so many octets that asks for one of ``back`` octets."""
    return HEAD.pack(size, back) + bytes(size - HEAD.size)


def question(sizes: Sizes) -> bytes:
    """The frame that stands for a call of ours whose messages have these sizes."""
    return frame_of(sizes.sent, sizes.received)


async def connect(path: str) -> EchoClient:
    """Return a client of the server at ``path``."""
    _, client = await asyncio.get_running_loop().create_unix_connection(EchoClient, path)
    return client


async def serve(path: str) -> None:
    """Serve at ``path`` until told to end."""
    server = await asyncio.get_running_loop().create_unix_server(EchoServer, path)
    async with server:
        await report_until_told(path)


if __name__ == "__main__":
    run_loop(serve(sys.argv[1]), uvloop="uvloop" in sys.argv[2:])
