"""Channels over what somebody else has opened: asyncio streams, sockets, pipes and other files.

Each function makes `Channel` of it, under the same rules as those of a netlayer, and owns it from then on:
the channel closes it, and nobody else may read it, write it or close it. All must be called while the event
loop runs; ``handler.channel_opened`` is called before they return.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, final

from hobgoblin.errors import NetlayerError
from hobgoblin.netlayers.channel import Channel, Handler
from hobgoblin.netlayers.files import FileTransport, ReadableFile, WritableFile
from hobgoblin.netlayers.stream import StreamChannel, adopt

__all__ = ["wrap_files", "wrap_socket", "wrap_streams"]

_READ_OCTETS: Final = 65536


def wrap_streams(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    handler: Handler,
    *,
    description: str = "streams",
) -> Channel:
    """Make a channel of two asyncio streams, with TLS or without. What ``reader`` has buffered is not lost.

    TLS can't be closed in one direction only: there ``close()`` ends both, once all has been sent.
    """
    channel = StreamChannel(handler, description)
    channel.connection_made(_StreamsTransport(channel, reader, writer))
    return channel


async def wrap_socket(sock: socket.socket, handler: Handler, *, description: str = "socket") -> Channel:
    """Make a channel of a connected stream socket, which becomes non-blocking.

    Raises:
        NetlayerError: ``sock`` is no connected stream socket. It is closed even so.
    """
    try:
        if sock.type != socket.SOCK_STREAM:
            raise NetlayerError(f"cannot make a channel of {description}: it is no stream socket")
        sock.getpeername()
    except OSError as error:
        sock.close()
        if isinstance(error, NetlayerError):
            raise
        raise NetlayerError(
            f"cannot make a channel of {description}: {error.strerror}; connect it first"
        ) from error
    channel = StreamChannel(handler, description)
    await adopt(sock, channel)
    return channel


def wrap_files(
    reader: ReadableFile, writer: WritableFile, handler: Handler, *, description: str = "files"
) -> Channel:
    """Make a channel of two blocking binary files: pipes, a child's stdin and stdout, ``socket.makefile``.

    Both need a file descriptor (so take two files of a socket, ``"rb"`` and ``"wb"``, or an unbuffered
    ``"rwb"``); they may be one and the same. Two threads serve them until the channel ends.
    ``writer`` must have been flushed. What ``reader`` has buffered is not lost. No FIN can be sent
    to a terminal or through a file that is both, unless it is a socket's; there the linger time applies.

    Raises:
        ValueError: a file is closed or has no descriptor. Both files are then as before.
    """
    try:
        reader.fileno()
        writer.fileno()
    except OSError as error:  # io.UnsupportedOperation
        raise ValueError("both files need a file descriptor; of a socket, make two: 'rb' and 'wb'") from error
    channel = StreamChannel(handler, description)
    FileTransport(channel, reader, writer).start()
    return channel


@final
class _StreamsTransport(asyncio.Transport):
    """Drives a channel over a pair of asyncio streams: a task reads, another waits for the end."""

    def __init__(
        self, channel: StreamChannel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__({name: writer.get_extra_info(name) for name in ("socket", "pipe")})
        loop = asyncio.get_running_loop()
        self._channel = channel
        self._reader = reader
        self._writer = writer
        self._error: Exception | None = None
        self._writer_lost = False
        self._draining: asyncio.Task[None] | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._reading = loop.create_task(self._read_all())
        self._whole = loop.create_task(self._wait_for_end())

    def pause_reading(self) -> None:
        self._may_read.clear()  # what the reader has room for, it still takes

    def resume_reading(self) -> None:
        self._may_read.set()

    def get_write_buffer_size(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._writer.is_closing()

    def can_write_eof(self) -> bool:
        return self._writer.can_write_eof()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._writer.write(data)
        high_water = self._writer.transport.get_write_buffer_limits()[1]
        if self._draining is None and self.get_write_buffer_size() > high_water:
            self._draining = asyncio.get_running_loop().create_task(self._drain())
            self._channel.pause_writing()

    def write_eof(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        if not self._writer_lost:  # asyncio's transports fail if they are aborted later
            self._writer.transport.abort()
        self._reading.cancel()

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError:  # the end of the channel: `_wait_for_end` tells
            return
        self._draining = None
        self._channel.resume_writing()

    async def _read_all(self) -> None:
        try:
            while data := await self._reader.read(_READ_OCTETS):
                await self._may_read.wait()
                self._channel.data_received(data)
            await self._may_read.wait()
        except Exception as error:
            self._error = error
            self.abort()
        else:
            if not self._channel.eof_received():
                self.close()

    async def _wait_for_end(self) -> None:
        try:
            # Done when the writer is lost, whoever closed it; with a socket, the reader then ends by itself.
            try:
                await self._writer.wait_closed()
            except Exception as error:
                self._error = self._error or error
                self._reading.cancel()
            self._writer_lost = True
            await asyncio.wait([self._reading])
        finally:
            self.abort()
            if self._draining is not None:
                self._draining.cancel()
            self._channel.connection_lost(self._error)
