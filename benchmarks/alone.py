"""One run of a benchmark of ours alone, in a process of its own: its garbage is nobody else's.

Usage: ``python -m benchmarks.alone NAME LOOP SETTINGS``, where SETTINGS is JSON; prints figures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from benchmarks import crowd, ed25519, growth, lasting, local, sharing, syrup
from benchmarks.contenders import is_compiled
from benchmarks.measures import Figures
from benchmarks.processes import run_loop
from benchmarks.settings import Settings

RUNS: Final[dict[str, Callable[[Settings, str], Coroutine[Any, Any, Figures]]]] = {
    "syrup": syrup.run,
    "local": local.run,
    "pending": lasting.pending,
    "steady": lasting.steady,
    "sharing": sharing.run,
    "crowd": crowd.run,
    "sessions": growth.sessions,
    "exports": growth.exports,
    "actors": growth.actors,
    "ed25519": ed25519.run,
}


def main(name: str, loop: str, settings: Settings) -> None:
    """Run and print."""
    figures = run_loop(RUNS[name](settings, loop), loop=loop)
    print(json.dumps({"figures": figures, "compiled": is_compiled()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Settings.of(json.loads(sys.argv[3])))
