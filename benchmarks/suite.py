"""The benchmarks there are, in the order of the table."""

from __future__ import annotations

from typing import Final

from benchmarks import bulk, chain, local, memory, outstanding, sequential, syrup
from benchmarks.harness import Benchmark

BENCHMARKS: Final = {
    name: Benchmark(name, module.ROWS, module.run)
    for name, module in {
        "sequential": sequential,
        "outstanding": outstanding,
        "chain": chain,
        "memory": memory,
        "bulk": bulk,
        "syrup": syrup,
        "local": local,
    }.items()
}
