"""The floor without a loop: the same frames over blocking sockets, a thread for each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

from benchmarks.peers.echo import HEAD, FrameReader, frame_of
from benchmarks.processes import end_with_input, say_ready

BLOCKING: Final = True
READ_OCTETS: Final = 1 << 18


class Session:
    """Sends frames of one pair of sizes."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._reader = FrameReader()
        self._frame = frame_of(HEAD.size, HEAD.size)

    def use(self, sizes: Sequence[int]) -> None:
        """Send frames of this size from now on, and ask for frames of that size."""
        self._frame = frame_of(*sizes)

    def add(self, a: int, b: int) -> None:
        self._call(1)

    def put(self, data: bytes) -> None:
        self._call(1)

    def chain(self, calls: int) -> None:
        self._call(calls)

    def outstanding(self, window: int, seconds: float) -> tuple[int, float]:
        """Keep as many under way by sending them in one piece."""
        calls = 0
        start = perf_counter()
        while (elapsed := perf_counter() - start) < seconds:
            self._call(window)
            calls += window
        return calls, elapsed

    def close(self) -> None:
        self._socket.close()

    def _call(self, times: int) -> None:
        self._socket.sendall(self._frame * times)
        while times > 0:
            times -= len(self._reader.feed(self._socket.recv(READ_OCTETS)))


def connect(path: str) -> Session:
    """Return a client of the server at ``path``."""
    return Session(path)


def serve(path: str, run: Any) -> None:
    """Serve at ``path``."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    say_ready()
    end_with_input()
    while True:
        arrival, _ = listener.accept()
        threading.Thread(target=_answer, args=(arrival,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    reader = FrameReader()
    with connection:
        while data := connection.recv(READ_OCTETS):
            answers = [frame_of(back, 0) for back in reader.feed(data)]
            if answers:
                connection.sendall(b"".join(answers))
