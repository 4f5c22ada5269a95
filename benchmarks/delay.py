"""A process between pairs of sockets that holds everything back for a while, in both directions.

Usage: ``python -m benchmarks.delay SECONDS LISTEN TARGET [LISTEN TARGET …]``. Threads and
`time.sleep`, not asyncio: a loop's timers are late by up to a millisecond, which here would count twice.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time

from benchmarks.processes import say_ready

Held = queue.SimpleQueue[tuple[float, bytes]]


def take(source: socket.socket, held: Held, seconds: float) -> None:
    """Note when each piece that comes in is due at the other end."""
    while True:
        try:
            data = source.recv(1 << 20)
        except OSError:
            data = b""
        held.put((time.monotonic() + seconds, data))
        if not data:
            return


def pass_on(held: Held, target: socket.socket) -> None:
    """Send each piece when it is due; the end of input, too."""
    while True:
        due, data = held.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
        except OSError:
            return


def join(one: socket.socket, other: socket.socket, seconds: float) -> None:
    """Connect two sockets with each other, late."""
    for source, target in ((one, other), (other, one)):
        held: Held = queue.SimpleQueue()
        threading.Thread(target=take, args=(source, held, seconds), daemon=True).start()
        threading.Thread(target=pass_on, args=(held, target), daemon=True).start()


def accept_all(listener: socket.socket, target: str, seconds: float) -> None:
    """Join whoever connects with a connection of our own to ``target``."""
    while True:
        arrival, _ = listener.accept()
        onward = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        onward.connect(target)
        join(arrival, onward, seconds)


def main(seconds: float, *paths: str) -> None:
    """Serve until the end of standard input."""
    for listen, target in zip(paths[::2], paths[1::2], strict=True):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(listen)
        listener.listen()
        threading.Thread(target=accept_all, args=(listener, target, seconds), daemon=True).start()
    say_ready()
    sys.stdin.read()


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
