"""Servers in processes of their own: both ends of the pipe between them and the benchmark.

A server prints ``READY`` and what a client needs to know, answers every line on its standard input
with a line of JSON about itself, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import cpu_seconds, resident_bytes

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS: Final = 10.0


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package; run it in `ROOT`."""
    return [sys.executable, "-m", f"benchmarks.{module}", *arguments]


class ServerProcess:
    """The benchmark's end."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            python(module, *arguments), cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._ready: str | None = None

    def ready(self) -> str:
        """Wait until it serves; return what it says that clients need to know."""
        if self._ready is None:
            line = self._read_line()
            if not line.startswith("READY"):
                raise RuntimeError(f"{self._process.args!r} did not start, it said {line!r}")
            self._ready = line.removeprefix("READY").strip()
        return self._ready

    def facts(self) -> dict[str, Any]:
        """Ask the process about itself: ``cpu``, ``resident`` and what else it knows. Blocks shortly."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        facts: dict[str, Any] = json.loads(self._read_line())
        return facts

    def cpu(self) -> float:
        """Seconds of processor time that it has burnt so far."""
        return float(self.facts()["cpu"])

    def stop(self) -> None:
        """End the process, by force if it takes long. Idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def serving(*commands: tuple[str, ...]) -> Iterator[list[ServerProcess]]:
    """Start servers at once, wait until all are ready, and stop them in the end."""
    servers: list[ServerProcess] = []
    try:
        for command in commands:
            servers.append(ServerProcess(*command))
        for server in servers:
            server.ready()
        yield servers
    finally:
        for server in reversed(servers):
            server.stop()


async def report_until_told(ready: str, more: Callable[[], dict[str, Any]] = dict) -> None:
    """Be the server's end: say ``ready``, answer questions, and return when the pipe is closed."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def asked() -> None:
        questions = os.read(sys.stdin.fileno(), 4096)
        if not questions:
            loop.remove_reader(sys.stdin.fileno())
            over.set_result(None)
        for _ in range(questions.count(b"\n")):
            facts = {"cpu": cpu_seconds(), "resident": resident_bytes(), **more()}
            print(json.dumps(facts), flush=True)

    loop.add_reader(sys.stdin.fileno(), asked)
    print(f"READY {ready}", flush=True)
    await over
