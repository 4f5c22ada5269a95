"""A transport over a pair of blocking files: one thread reads, one writes, the loop decides."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import socket
import stat
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, final

from hobgoblin.forking import let_go, tell_at_fork
from hobgoblin.netlayers.stream import StreamChannel

__all__ = ["FileTransport", "ReadableFile", "WritableFile"]

_READ_OCTETS: Final = 65536
_READS_AHEAD: Final = 8
_HIGH_WATER: Final = 65536
_LOW_WATER: Final = 16384


class ReadableFile(Protocol):
    """A binary file with a file descriptor, as from ``open(..., "rb")``. ``read1`` and ``peek`` help."""

    def fileno(self) -> int: ...
    def read(self, size: int, /) -> bytes | None: ...
    def close(self) -> None: ...


class WritableFile(Protocol):
    """A binary file with a file descriptor, as from ``open(..., "wb")``."""

    def fileno(self) -> int: ...
    def write(self, data: bytes, /) -> int | None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


@final
class FileTransport(asyncio.Transport):
    """Drives ``channel`` over ``reader`` and ``writer``. Owns both; closes both.

    A thread that sits in a blocking read can't be woken. So the threads never block in a file: each waits
    with poll() for its file or for ``_wake``, and writes no more at a time than a pipe takes at once.
    All state is the loop's; the threads only report to it.
    """

    def __init__(self, channel: StreamChannel, reader: ReadableFile, writer: WritableFile) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._reader = reader
        self._writer = writer
        self._shared = reader.fileno() == writer.fileno()
        self._is_socket = stat.S_ISSOCK(os.fstat(writer.fileno()).st_mode)
        self._unsent = 0
        self._paused = False
        # What has come in while reading was paused. The thread reads no further ahead than it has room.
        self._held: deque[bytes] = deque()
        self._reader_paused = False
        self._fin_asked = False
        self._closing = False
        self._stopped = False
        self._running = 2
        self._error: Exception | None = None
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_READS_AHEAD)
        self._early = _buffered(reader)
        self._wake, self._waker = os.pipe()
        self._threads = [self._thread("reader", self._read_all), self._thread("writer", self._write_all)]

    def start(self) -> None:
        tell_at_fork(self)
        self._channel.connection_made(self)
        for thread in self._threads:
            thread.start()

    # Called by the channel, in the loop's thread.

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self._reader_paused = True

    def resume_reading(self) -> None:
        if self._reader_paused:
            self._reader_paused = False
            self._loop.call_soon(self._give)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        data = bytes(data)
        self._outbox.put(data)
        self._unsent += len(data)
        if self._unsent > _HIGH_WATER and not self._paused:
            self._paused = True
            self._channel.pause_writing()

    def write_eof(self) -> None:
        if not self._fin_asked:
            self._fin_asked = True
            self._outbox.put(None)

    def close(self) -> None:
        self._closing = True
        self.write_eof()

    def abort(self) -> None:
        self._closing = True
        if not self._stopped:
            self._stopped = True
            self._outbox.put(None)
            self._room.release()
            os.write(self._waker, b"!")

    def forked(self) -> None:
        """This is the child of a fork, without the threads: close the files here only."""
        self._closing = self._stopped = True
        for file in (self._reader, self._writer):
            with contextlib.suppress(OSError, ValueError):
                let_go(file.fileno())
        let_go(self._wake)
        let_go(self._waker)

    # Called for the threads, in the loop's thread.

    def _arrived(self, data: bytes) -> None:
        """Take octets from the reading thread, or its FIN, which is ``b""``."""
        self._held.append(data)
        self._give()

    def _give(self) -> None:
        while self._held and not self._reader_paused:
            data = self._held.popleft()
            if data:
                self._room.release()
            if self._closing:
                continue
            if data:
                self._channel.data_received(data)
            elif not self._channel.eof_received():
                self.close()

    def _sent(self, octets: int) -> None:
        self._unsent -= octets
        if self._paused and self._unsent <= _LOW_WATER:
            self._paused = False
            self._channel.resume_writing()

    def _thread_ended(self, is_writer: bool, error: Exception | None) -> None:
        self._running -= 1
        self._error = self._error or error
        if self._running:
            # After the peer's FIN the writer goes on, and after ours the reader; but not after close().
            if error is not None or (is_writer and self._closing):
                self.abort()
            return
        for thread in self._threads:
            thread.join()
        if self._stopped:
            self._shut_down_socket(socket.SHUT_RDWR)
        for file in (self._writer, self._reader):
            with contextlib.suppress(OSError, ValueError):
                file.close()
        os.close(self._wake)
        os.close(self._waker)
        self._channel.connection_lost(self._error)

    # The threads.

    def _thread(self, role: str, target: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            error: Exception | None = None
            try:
                target()
            except Exception as failure:
                error = failure
            try:
                self._post(self._thread_ended, role == "writer", error)
            except RuntimeError:  # the loop is closed: nobody is left to tell, or to close the file
                with contextlib.suppress(OSError, ValueError):
                    (self._writer if role == "writer" else self._reader).close()

        # A daemon: an interpreter that ends while a channel is open is not held up by it.
        return threading.Thread(target=run, name=f"{self._channel.description} {role}", daemon=True)

    def _read_all(self) -> None:
        read = getattr(self._reader, "read1", self._reader.read)
        data: bytes | None = self._early
        poll = self._poll(self._reader, select.POLLIN)
        while True:
            if data:
                self._post(self._arrived, data)
                self._room.acquire()
            if not self._ready(poll):
                return
            data = read(_READ_OCTETS)
            if data == b"":
                self._post(self._arrived, b"")
                return

    def _write_all(self) -> None:
        poll = self._poll(self._writer, select.POLLOUT)
        while (data := self._outbox.get()) is not None:
            start = 0
            while start < len(data):
                if not self._ready(poll):
                    return
                written = self._writer.write(data[start : start + select.PIPE_BUF]) or 0
                self._writer.flush()
                start += written
                self._post(self._sent, written)
        if not self._shut_down_socket(socket.SHUT_WR) and not self._shared:
            self._writer.close()

    def _poll(self, file: ReadableFile | WritableFile, event: int) -> select.poll:
        poll = select.poll()
        poll.register(file.fileno(), event)
        poll.register(self._wake, select.POLLIN)
        return poll

    def _ready(self, poll: select.poll) -> bool:
        """Wait for the file. Return ``False`` if the thread is to end instead."""
        return all(fd != self._wake for fd, _event in poll.poll())

    def _post(self, callback: Callable[..., None], *args: object) -> None:
        self._loop.call_soon_threadsafe(callback, *args)

    def _shut_down_socket(self, how: int) -> bool:
        """Send FIN if the writer is a socket: to close the file does not, while its socket object is open."""
        if self._is_socket:
            with (
                contextlib.suppress(OSError, ValueError),
                socket.socket(fileno=os.dup(self._writer.fileno())) as sock,
            ):
                sock.shutdown(how)
        return self._is_socket


def _buffered(reader: ReadableFile) -> bytes:
    """Take what the file's buffer holds already: poll() would not tell of it."""
    peek = getattr(reader, "peek", None)
    read = getattr(reader, "read1", None)
    if peek is None or read is None:
        return b""
    fd = reader.fileno()
    blocking = os.get_blocking(fd)
    os.set_blocking(fd, False)  # or peek() would wait for input when the buffer is empty
    try:
        return bytes(read(len(peek())))
    except OSError:  # the reading thread will meet it again
        return b""
    finally:
        os.set_blocking(fd, blocking)
