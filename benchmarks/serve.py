"""The serving end of a contender, in a process of its own.

Usage: ``python -m benchmarks.serve PEER LOOP PATH``.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

from benchmarks.processes import run_loop

if __name__ == "__main__":
    peer, loop, path = sys.argv[1:]
    import_module(f"benchmarks.peers.{peer}").serve(path, partial(run_loop, loop=loop))
