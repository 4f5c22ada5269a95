"""Calls over a Unix socket with both ends in one process: something for profilers to look at.

Usage: ``python -m benchmarks.calls CALLS [WINDOW] [LOOP]``. What starting costs goes when two runs of
different length are subtracted from each other.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from time import process_time

from benchmarks.peers.ours import Bench
from benchmarks.processes import run_loop
from benchmarks.settings import WINDOW
from hobgoblin import Peer, netlayers


async def calls(count: int, window: int) -> None:
    """Call so many times, so many at a time; print what a call takes of the processor, at both ends."""
    with tempfile.TemporaryDirectory() as directory:
        netlayer = netlayers.Unix(Path(directory) / "socket")
        async with Peer(netlayer, name="server") as server, Peer(netlayers.Unix(), name="client") as client:
            bench = client.enliven(server.publish(server.spawn(Bench, int)), Bench)
            await bench.add(20, 22)

            async def work() -> None:
                for _ in range(count // window):
                    await bench.add(20, 22)

            start = process_time()
            await asyncio.gather(*(work() for _ in range(window)))
            print(f"{(process_time() - start) / (count // window * window) * 1e6:.1f} µs per call")


def main(count: str, window: str = str(WINDOW), loop: str = "uvloop") -> None:
    """Run once."""
    run_loop(calls(int(count), int(window)), loop=loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
