"""Work that never waits is timed by the processor's clock: what others do on the machine counts little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import process_time
from typing import Final

SLICES: Final = 4


def rates(works: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """How often each is done in a second of processor time. They take turns."""
    spent = dict.fromkeys(works, 0.0)
    times = dict.fromkeys(works, 0)
    for _ in range(SLICES):
        for name, work in works.items():
            took, done = _measure(work, seconds / SLICES)
            spent[name] += took
            times[name] += done
    return {name: times[name] / spent[name] for name in works}


def _measure(work: Callable[[], object], seconds: float) -> tuple[float, int]:
    """Work for a while. The clock is looked at every few times only."""
    work()
    times, batch = 0, 1
    start = process_time()
    while (elapsed := process_time() - start) < seconds:
        for _ in range(batch):
            work()
        times += batch
        batch = min(batch * 2, 100) if elapsed < seconds / 20 else batch
    return elapsed, times
