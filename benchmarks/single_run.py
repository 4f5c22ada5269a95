"""One run of one benchmark, in a process of its own: its memory and its garbage are nobody else's.

Usage: ``python -m benchmarks.single_run NAME SETTINGS``, where SETTINGS is JSON; prints an `Outcome`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from benchmarks.harness import Settings, run_loop
from benchmarks.suite import BENCHMARKS


def main(name: str, settings: Settings) -> None:
    """Run and print."""
    outcome = run_loop(BENCHMARKS[name].run(settings), uvloop=settings.uvloop)
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(sys.argv[1], Settings(**json.loads(sys.argv[2])))
