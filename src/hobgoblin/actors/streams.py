"""Streams of bytes between vats and machines: files, sockets and pipes, a chunk at a time.

Who wants bytes asks for them: each read is a credit for one chunk, and nothing is sent without one. Who
writes waits for answers: each says that one chunk has been taken. So what is under way is bounded
by how many reads and writes the parties leave unanswered, and that by `WINDOW_MOST`::

    file ──▶ ByteReader ──answers── chunks ──▶ copy() ──writes── chunks ──▶ ByteWriter ──▶ socket
                    ◀── up to ``window`` reads ──      ◀── answers, one for each ──

The state of a stream is the truth about a file or socket, which no failing turn undoes. It is
kept outside of the actors' attributes for that reason.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO, Final, Protocol, final
from weakref import finalize

from hobgoblin.actors.forwarding import running_vat
from hobgoblin.errors import BadArguments, Refused
from hobgoblin.refs import Promise
from hobgoblin.vat import Actor, method, spawn

__all__ = [
    "CHUNK",
    "CHUNK_MOST",
    "WINDOW_MOST",
    "ByteReader",
    "ByteSink",
    "ByteSource",
    "ByteWriter",
    "copy",
    "from_file",
    "from_streams",
    "new_pipe",
    "to_file",
]

CHUNK: Final = 32 * 1024
"""Octets of a chunk, unless somebody asks for less or more. Endo refuses messages above 64 KiB."""

CHUNK_MOST: Final = 256 * 1024
"""Octets of a chunk at most: so much is sent for a read that asks for more, and no write may be larger."""

WINDOW_MOST: Final = 64
"""How many reads, or writes, one stream lets wait at a time. More are refused."""


class ByteSource(Protocol):
    """What a `ByteReader` reads from. One read at a time; in the loop of the vat."""

    async def read(self, most: int, /) -> bytes:
        """Return the next octets, ``most`` at most; none at the end. May be cancelled by `close`."""
        ...

    def close(self) -> object:
        """Let go of what is read from. Called once: at the end, after a failure, or when nobody reads on."""
        ...


class ByteSink(Protocol):
    """What a `ByteWriter` writes to. One call at a time; in the loop of the vat."""

    async def write(self, chunk: bytes, /) -> object:
        """Take all of a chunk: return when there is room for the next one."""
        ...

    async def end(self) -> object:
        """Complete what was written, and let go of it. Called at most once, and nothing after it."""
        ...

    def abort(self, reason: str, /) -> object:
        """Give up what was written, and let go of it. Called at most once, and nothing after it."""
        ...


@final
class _Turnstile:
    """Lets the calls of one stream through one at a time, in their order, until the stream is over."""

    __slots__ = ("calls", "lock", "over")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.calls: set[asyncio.Task[object]] = set()
        self.over: str | None = None

    @asynccontextmanager
    async def passage(self) -> AsyncGenerator[None]:
        if len(self.calls) >= WINDOW_MOST:
            raise Refused("too many calls of this stream are unanswered")
        task = asyncio.current_task()
        assert task is not None
        self.calls.add(task)
        try:
            async with self.lock:
                self.check()
                yield
        except asyncio.CancelledError:
            if self.over is None:
                raise
            raise Refused(self.over) from None
        finally:
            self.calls.discard(task)

    def check(self) -> None:
        if self.over is not None:
            raise Refused(self.over)

    def end(self, reason: str) -> None:
        """Refuse calls from now on, and end those that wait."""
        self.over = reason
        for call in self.calls - {asyncio.current_task()}:
            call.cancel()


class ByteReader(Actor):
    """Reads octets from somewhere. Who holds it can read them and close it, and that is all.

    What it reads from is let go of at the end, after a failure, when it is closed, and when nobody
    holds the reader any more: so also when the session is severed that it was given to.

    >>> writer, reader = result(vat.run(new_pipe))
    >>> _ = writer.write(b"hello"), writer.end()
    >>> result(reader.read()), result(reader.read())
    (b'hello', b'')

    Args:
        source: belongs to the reader from now on.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._turnstile = _Turnstile()
        self._close = _closer(self, source.close)

    @method
    async def read(self, most: int = CHUNK) -> bytes:
        """Return the next octets, ``most`` at most, or none at the end, also when asked again.

        Several reads may be under way, and are answered in their order. When one fails, those after
        it do, too.
        """
        if type(most) is not int or most < 1:
            raise BadArguments("the number of octets to read is an integer, 1 or more")
        async with self._turnstile.passage():
            if not self._close.alive:
                return b""
            try:
                chunk = await self._source.read(min(most, CHUNK_MOST))
            except BaseException:
                self._end("reading has failed")
                raise
            if not chunk:
                self._close()
            return chunk

    @method
    def close(self) -> None:
        """Stop reading: reads that wait, and later ones, are refused. Idempotent."""
        self._end("the stream has been closed")

    def _end(self, reason: str) -> None:
        if self._close.alive:
            self._turnstile.end(reason)
            self._close()


class ByteWriter(Actor):
    """Writes octets to somewhere. Who holds it can write, and say how it ends, and that is all.

    When nobody holds the writer any more before the end, what was written is given up: so also when
    the session is severed that it was given to. The reader's side sees a failure, and no end.

    Args:
        sink: belongs to the writer from now on.
    """

    def __init__(self, sink: ByteSink) -> None:
        self._sink = sink
        self._turnstile = _Turnstile()
        self._abort = _closer(self, lambda: sink.abort("the writer has gone"))

    @method
    async def write(self, chunk: bytes) -> None:
        """Write a chunk, `CHUNK_MOST` octets at most; the answer says that there is room for another one.

        Several writes may be under way, and are done in their order. When one fails, those after it
        do, too.
        """
        if type(chunk) is not bytes or len(chunk) > CHUNK_MOST:
            raise BadArguments(f"a chunk is bytes, {CHUNK_MOST} at most")
        async with self._turnstile.passage():
            try:
                await self._sink.write(chunk)
            except BaseException:
                self._give_up("writing has failed")
                raise

    @method
    async def end(self) -> None:
        """Say that this is all. The answer says that all of it has been written."""
        async with self._turnstile.passage():
            self._abort.detach()
            self._turnstile.over = "the stream has ended"
            await self._sink.end()

    @method
    def fail(self, reason: str = "the writer has given up") -> None:
        """Say that there won't be any more, and what was written is not all. Idempotent."""
        if type(reason) is not str:
            raise BadArguments("the reason is text")
        self._give_up(reason[:200])

    def _give_up(self, reason: str) -> None:
        if self._abort.detach() is not None:
            self._turnstile.end(reason)
            self._sink.abort(reason)


def _closer(actor: Actor, close: Callable[[], object]) -> finalize[..., Actor]:
    """Return what calls ``close`` once: when it is called, or when the actor is collected, in its loop."""
    host = running_vat().host

    def close_quietly() -> None:
        # At the end of the program the loop may be closed already, and a disk may be full.
        with suppress(RuntimeError, OSError):
            close()

    # Later, for the collector comes in the middle of anything.
    closer = finalize(actor, host.post, close_quietly)
    closer.atexit = False
    return closer


# Files


@final
class _FileSource:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def read(self, most: int, /) -> bytes:
        return await asyncio.to_thread(self._file.read, most)

    def close(self) -> None:
        self._file.close()


@final
class _FileSink:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def write(self, chunk: bytes, /) -> None:
        await asyncio.to_thread(_write_all, self._file, chunk)

    async def end(self) -> None:
        await asyncio.to_thread(self._file.close)

    def abort(self, reason: str, /) -> None:
        with suppress(OSError):
            self._file.close()


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def from_file(file: BinaryIO, /) -> ByteReader:
    """Return a reader of an open file. Needs a vat.

    Reads in threads, so no turn waits for the disk.

    >>> import io
    >>> result(vat.run(from_file, io.BytesIO(b"hello")).read(4))
    b'hell'

    Args:
        file: opened for reading in binary mode; belongs to the reader from now on. A regular file: on
            pipes and terminals use `from_streams`, for a blocked read could not be closed.

    Raises:
        NotInVat: no vat is running.
    """
    return spawn(ByteReader, _FileSource(file))


def to_file(file: BinaryIO, /) -> ByteWriter:
    """Return a writer to an open file. Needs a vat.

    What was written stays there if the writer fails: write to a temporary file and rename that after
    `ByteWriter.end` has been answered, where that matters.

    Args:
        file: opened for writing in binary mode; belongs to the writer from now on.

    Raises:
        NotInVat: no vat is running.
    """
    return spawn(ByteWriter, _FileSink(file))


# Sockets, and all else that asyncio has streams for


@final
class _Transport:
    """The two directions of a transport, which is closed when both are over."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.directions = 2

    def over(self) -> None:
        self.directions -= 1
        if not self.directions:
            self.writer.close()


@final
class _StreamSource:
    def __init__(self, reader: asyncio.StreamReader, transport: _Transport) -> None:
        self._reader = reader
        self._transport = transport

    async def read(self, most: int, /) -> bytes:
        return await self._reader.read(most)

    def close(self) -> None:
        self._transport.over()


@final
class _StreamSink:
    def __init__(self, transport: _Transport) -> None:
        self._transport = transport

    async def write(self, chunk: bytes, /) -> None:
        writer = self._transport.writer
        writer.write(chunk)
        await writer.drain()

    async def end(self) -> None:
        writer = self._transport.writer
        if writer.can_write_eof():
            writer.write_eof()
        await writer.drain()
        self._transport.over()

    def abort(self, reason: str, /) -> None:
        self._transport.writer.transport.abort()
        self._transport.over()


def from_streams(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, /
) -> tuple[ByteReader, ByteWriter]:
    """Return a reader and a writer for the two directions of a connection. Needs a vat.

    `ByteWriter.end` closes one direction, where the transport can do that; the connection is closed
    when both are over. `ByteWriter.fail` aborts it as a whole.

    Args:
        reader, writer: as `asyncio.open_connection` and servers give them, in the loop of the vat.
            Both belong to the two from now on.

    Raises:
        NotInVat: no vat is running.
    """
    transport = _Transport(writer)
    return (
        spawn(ByteReader, _StreamSource(reader, transport)),
        spawn(ByteWriter, _StreamSink(transport)),
    )


# Pipes in memory


@final
class _Pipe:
    """Chunks that have been written and not read: ``window`` at most. A source and a sink."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._chunks: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._ended = False
        self._failed: str | None = None

    async def read(self, most: int, /) -> bytes:
        await self._until(lambda: bool(self._chunks) or self._ended)
        if not self._chunks:
            return b""
        chunk = self._chunks.popleft()
        if len(chunk) > most:
            self._chunks.appendleft(chunk[most:])
            chunk = chunk[:most]
        self._change()
        return chunk

    async def write(self, chunk: bytes, /) -> None:
        await self._until(lambda: len(self._chunks) < self._window)
        if chunk:
            self._chunks.append(chunk)
            self._change()

    async def end(self) -> None:
        self._ended = True
        self._change()

    def abort(self, reason: str, /) -> None:
        self._chunks.clear()
        self._failed = reason
        self._change()

    def close(self) -> None:
        self.abort("nobody reads any more")

    async def _until(self, possible: Callable[[], bool]) -> None:
        while self._failed is None and not possible():
            self._changed.clear()
            await self._changed.wait()
        if self._failed is not None:
            raise Refused(self._failed)

    def _change(self) -> None:
        self._changed.set()


def new_pipe(*, window: int = 16) -> tuple[ByteWriter, ByteReader]:
    """Return the two ends of a new pipe: what is written to one can be read from the other. Needs a vat.

    Args:
        window: how many chunks may be in it before writes have to wait.

    Raises:
        ValueError: ``window`` is below 1.
        NotInVat: no vat is running.
    """
    if window < 1:
        raise ValueError("a pipe has room for one chunk at least")
    pipe = _Pipe(window)
    return spawn(ByteWriter, pipe), spawn(ByteReader, pipe)


async def copy(reader: ByteReader, writer: ByteWriter, /, *, window: int = 8, chunk: int = CHUNK) -> int:
    """Copy all that can be read to ``writer``, end that, and return how many octets it were.

    Runs where it is called; the bytes come by there. So call it in a vat where one of the two lives.
    At most ``window`` reads and as many writes are unanswered: no more than twice that many chunks
    are held or under way. When one side fails or this is cancelled, the other is told, by
    `ByteReader.close` or `ByteWriter.fail`.

    Args:
        window: how many reads, and writes, are under way at a time; `WINDOW_MOST` at most.
        chunk: how many octets to ask for at a time.

    Raises:
        ValueError: ``window`` is out of range.
        BaseException: what a read or a write has failed with.
    """
    if not 1 <= window <= WINDOW_MOST:
        raise ValueError(f"window is 1 to {WINDOW_MOST}")
    reads: deque[Promise[bytes]] = deque()
    writes: deque[Promise[None]] = deque()
    octets = 0
    try:
        while True:
            while len(reads) < window:
                reads.append(reader.read(chunk)._excuse())
            data = await reads.popleft()
            if not data:
                break
            octets += len(data)
            if len(writes) == window:
                await writes.popleft()
            writes.append(writer.write(data)._excuse())
        while writes:
            await writes.popleft()
        await writer.end()
    except BaseException:
        reader.close()._excuse()
        writer.fail("what was to be copied could not be read")._excuse()
        raise
    return octets
