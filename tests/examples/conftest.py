"""What the tests of programs share: running them for real, watched through pipes, with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

DEADLINE_SECONDS = 60


class End(NamedTuple):
    """How a program has ended, and what it had still to say."""

    code: int
    out: str
    err: str


class Program:
    """A program that runs. Whatever hangs is killed at the deadline, and the test then fails."""

    def __init__(self, command: Sequence[str | Path], cwd: Path, *, asks: bool = False) -> None:
        # What coverage puts there would run in the program, too.
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))
        }
        # Unbuffered, or what readline() takes in beyond its line would be lost to communicate().
        self.process = subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.PIPE if asks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=cwd,
            env=env,
        )
        self._guard = threading.Timer(DEADLINE_SECONDS, self.process.kill)
        self._guard.daemon = True
        self._guard.start()

    def line(self) -> str:
        """Wait for the next line of its output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().removesuffix("\n")

    def say(self, line: str) -> None:
        """Type a line, if it was started with ``asks``."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    def end(self) -> End:
        """Wait until it ends by itself."""
        out, err = self.process.communicate(timeout=DEADLINE_SECONDS)
        return End(self.process.returncode, out.decode(), err.decode())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> End:
        """Send it a signal, and wait until it has ended."""
        self.process.send_signal(number)
        return self.end()

    def clean_up(self) -> None:
        self._guard.cancel()
        self._guard.join()
        with self.process:
            self.process.kill()


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a Python program: ``start(file, argument…)``. All are gone after the test.

    ``prefix`` comes before the command; with ``asks`` the program takes lines from `Program.say`.
    """
    programs: list[Program] = []

    def start(*arguments: str | Path, prefix: Sequence[str] = (), asks: bool = False) -> Program:
        program = Program([*prefix, sys.executable, "-W", "error", *arguments], tmp_path, asks=asks)
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.clean_up()
