"""Lines from standard input, whatever it is, without blocking the event loop."""

import asyncio
import os
import sys
import threading
from contextlib import suppress


def console() -> asyncio.StreamReader:
    """Return a stream of what is typed from now on."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended before the input
            while octets := os.read(sys.stdin.fileno(), 4096):
                loop.call_soon_threadsafe(reader.feed_data, octets)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=read, daemon=True).start()
    return reader
