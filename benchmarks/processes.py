"""Processes that are measured: started, asked line by line, and looked at from outside.

A process says ``READY`` and what others need to know. Then it answers each line on its standard
input with a line of JSON, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, TypeVar

T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 300.0


class WorkerFailed(Exception):
    """A process did not do what it was to do; says what it said last."""


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package; run it in `ROOT`."""
    return [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *arguments]


class Worker:
    """A process of ours. Stop it, or it stays."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        inherited: Sequence[int] = (),
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            pass_fds=inherited,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._ready: str | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: list[str] = []
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = (
            threading.Thread(target=_read, args=(self._process.stdout, self._lines.put), daemon=True),
            threading.Thread(target=_read, args=(self._process.stderr, self._said.append), daemon=True),
        )
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ready(self) -> str:
        """Wait until it is; return what it says that others need to know."""
        if self._ready is None:
            line = self._read_line()
            if not line.startswith("READY"):
                raise self._failed(line)
            self._ready = line.removeprefix("READY").strip()
        return self._ready

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Have it do something; return what it says of that."""
        self._tell(request)
        return self._answer()

    @staticmethod
    def ask_all(workers: Sequence[Worker], request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Have all of them do something at the same time."""
        for worker in workers:
            worker._tell(request)
        return [worker._answer() for worker in workers]

    def _tell(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("") from None

    def _answer(self) -> dict[str, Any]:
        line = self._read_line()
        if not line.startswith("{"):
            raise self._failed(line)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def cpu(self) -> float:
        """Seconds of processor time that it has burnt so far, in all of its threads."""
        return cpu_of(self.pid)

    def stop(self) -> None:
        """End the process, by force if it takes long. Idempotent."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)
        process.stdout.close()
        process.stderr.close()

    def _read_line(self) -> str:
        try:
            return self._lines.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            self._process.kill()
            return f"no answer within {ANSWER_SECONDS:g} s"

    def _failed(self, line: str) -> WorkerFailed:
        self.stop()
        said = "".join([line, *self._said]).strip().splitlines()
        return WorkerFailed(
            said[-1] if said else f"ended without a word, with status {self._process.returncode}"
        )


def _read(pipe: IO[str], take: Callable[[str], object]) -> None:
    for line in pipe:
        take(line)
    take("")


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has burnt so far, in all of its threads."""
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | 2)  # the clock of another process: see clock_getcpuclockid(3)
    seconds = 0.0
    for part in _ps(pid, "time").replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def resident_of(pid: int) -> int:
    """Octets of memory that a process has in use."""
    statm = Path(f"/proc/{pid}/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return int(_ps(pid, "rss")) * 1024


def _ps(pid: int, what: str) -> str:
    command = ["ps", "-o", f"{what}=", "-p", str(pid)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def run_loop(main: Coroutine[Any, Any, T], *, loop: str) -> T:
    """Run ``main`` on a new loop: asyncio's own, or uvloop's."""
    factory = None
    if loop == "uvloop":
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def end_with_input() -> None:
    """Have this process end when its standard input does."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def say_ready(text: str = "") -> None:
    """Tell whoever started this process that it may go on."""
    print(f"READY {text}", flush=True)
