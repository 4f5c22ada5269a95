"""Run commands beside each other, as many at once as there are processors, in the order given.

    python tools/side_by_side.py 'pytest tests/one' 'pytest tests/other' …

Each is run by this Python, as ``python -m``. What it prints comes in one piece when it has ended; then the
next one begins. Fails if one of them fails. Ctrl-C, or SIGTERM, ends them all.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO

GRACE_SECONDS = 20
"""How long those that are told to end have for it."""

Running = dict["subprocess.Popen[bytes]", tuple[str, float, IO[bytes]]]


def run(commands: list[str], at_once: int) -> int:
    """Run them all. Return how many failed."""
    waiting, running, failed = commands[::-1], Running(), 0
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                command = waiting.pop()
                print(f"== started: {command}", flush=True)
                output = tempfile.TemporaryFile()  # noqa: SIM115 - show() closes it
                process = subprocess.Popen(
                    [sys.executable, "-m", *shlex.split(command)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                running[process] = (command, time.monotonic(), output)
            time.sleep(0.2)
            for process in [process for process in running if process.poll() is not None]:
                failed += show(process, *running.pop(process))
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process, (command, started, output) in running.items():
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            show(process, command, started, output)
    return failed


def show(process: subprocess.Popen[bytes], command: str, started: float, output: IO[bytes]) -> bool:
    """Print how a command has ended, and what it has printed. Return whether it failed."""
    code = process.wait()
    ended = "passed" if code == 0 else f"FAILED ({code})"
    print(f"\n== {ended} after {time.monotonic() - started:.0f} s: {command}", flush=True)
    with output:
        output.seek(0)
        sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
    return code != 0


def main() -> int:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    # A shell lets what it runs in the background ignore SIGINT; so would all that the tests start.
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        return 1 if run(sys.argv[1:], os.cpu_count() or 1) else 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
