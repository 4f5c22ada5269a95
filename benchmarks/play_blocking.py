"""What `benchmarks.play` does, for peers whose calls block."""

from __future__ import annotations

import gc
import time
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any

from benchmarks.settings import WINDOW

POLL_SECONDS = 0.002
PATIENCE_SECONDS = 60.0


class BlockingPlayer:
    """Calls a peer whose sessions block until the answer is there."""

    def __init__(self, peer: ModuleType) -> None:
        self._peer = peer
        self._address = ""
        self._far_address = ""
        self._session: Any = None
        self._far: Any = None
        self._held: list[Any] = []

    def open(self, address: str, far: str, warm_up: float, frame: Any) -> dict[str, Any]:
        """Connect, and call for so many seconds until all is warm."""
        self._address, self._far_address = address, far
        self._session = self._peer.connect(address)
        self._use(frame)
        self._session.add(20, 22)
        self.outstanding(warm_up)
        self.sequential(warm_up / 4)
        return {}

    def outstanding(self, seconds: float) -> dict[str, Any]:
        """Keep a window of calls under way, however the peer can."""
        calls, elapsed = self._session.outstanding(WINDOW, seconds)
        return {"calls": calls, "seconds": elapsed}

    def sequential(self, seconds: float) -> dict[str, Any]:
        """Call again and again."""
        add = self._session.add
        took: list[float] = []
        start = now = perf_counter()
        while now - start < seconds:
            add(20, 22)
            before, now = now, perf_counter()
            took.append(now - before)
        took.sort()
        calls = len(took)
        return {
            "calls": calls,
            "seconds": now - start,
            "p50": took[calls // 2],
            "p99": took[calls * 99 // 100],
        }

    def chain(self, calls: int, times: int) -> dict[str, Any]:
        """Call, each time on the result of the call before."""
        return self._time_chain(self._session, calls, times)

    def far_chain(self, calls: int, times: int) -> dict[str, Any]:
        """The same through the delay."""
        if self._far is None:
            self._far = self._peer.connect(self._far_address)
            self._far.add(20, 22)
        return self._time_chain(self._far, calls, times)

    def bulk(self, strings: int, octets: int, frame: Any) -> dict[str, Any]:
        """Send byte strings, one after the other."""
        string = bytes(range(256)) * (octets // 256)
        self._use(frame)
        self._session.put(string)
        start = perf_counter()
        for _ in range(strings):
            self._session.put(string)
        return {"calls": strings, "seconds": perf_counter() - start}

    def connect(self, seconds: float) -> dict[str, Any]:
        """Connect, call once and close, again and again."""
        connections = 0
        start = perf_counter()
        while (elapsed := perf_counter() - start) < seconds:
            session = self._peer.connect(self._address)
            session.add(20, 22)
            session.close()
            connections += 1
        return {"calls": connections, "seconds": elapsed}

    def hold(self, count: int) -> dict[str, Any]:
        """Have objects handed out, and hold the references."""
        session = self._session
        if not hasattr(session, "mint"):
            return {}
        gc.collect()
        start = perf_counter()
        self._held.extend(session.mint() for _ in range(count))
        return {"calls": count, "seconds": perf_counter() - start, "live": session.live()}

    def drop(self, base: int) -> dict[str, Any]:
        """Let go of the references, and wait until no object is left but those there were."""
        session = self._session
        if not hasattr(session, "drop"):
            return {}
        start = perf_counter()
        session.drop(self._held)
        gc.collect()
        while (left := session.live() - base) > 0 and perf_counter() - start < PATIENCE_SECONDS:
            time.sleep(POLL_SECONDS)
        return {"seconds": perf_counter() - start, "left": left}

    def live(self) -> dict[str, Any]:
        """Count the objects that are held by anybody."""
        return {"live": self._session.live()} if hasattr(self._session, "mint") else {}

    def _use(self, frame: Any) -> None:
        if frame and hasattr(self._session, "use"):
            self._session.use(frame)

    def _time_chain(self, session: Any, calls: int, times: int) -> dict[str, Any]:
        took: list[float] = []
        for _ in range(times):
            start = perf_counter()
            session.chain(calls)
            took.append(perf_counter() - start)
        return {"calls": times, "seconds": median(took)}
