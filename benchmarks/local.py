"""Sends without a network, from an object to another in its vat or in a second vat of the same loop.

Beside them, a bare mailbox: a queue that is emptied once per tick of the loop, and futures.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import process_time
from typing import Any, Final

from benchmarks.measures import Benchmark, Figures, Row
from benchmarks.settings import WINDOW, Settings
from hobgoblin import Actor, method, send_only, spawn_vat
from hobgoblin.vat import Vat

BATCH: Final = 1000
SLICES: Final = 3

BENCHMARK: Final = Benchmark(
    "local",
    "sends within one loop",
    tuple(
        Row(f"{prefix}{key}", f"{place}{title}", "/s", True)
        for prefix, place in (
            ("two_", "between two vats: "),
            ("one_", "within one vat: "),
            ("mailbox_", "bare mailbox: "),
        )
        for key, title in (
            ("one_way", "one way"),
            ("window", f"answers awaited, {WINDOW} outstanding"),
            ("single", "awaited one at a time"),
        )
    ),
)


class Target(Actor):
    """Takes numbers."""

    @method
    def add(self, a: int, b: int) -> int:
        return a + b


class Mailbox:
    """As little as an asynchronous send can be."""

    def __init__(self) -> None:
        self._queue: deque[tuple[int, int, asyncio.Future[int] | None]] = deque()
        self._loop = asyncio.get_running_loop()

    def send(self, a: int, b: int) -> None:
        """Send and ask for no answer."""
        self._put(a, b, None)

    def add(self, a: int, b: int) -> asyncio.Future[int]:
        """Send; the future is done when the answer is there."""
        answer: asyncio.Future[int] = self._loop.create_future()
        self._put(a, b, answer)
        return answer

    def _put(self, a: int, b: int, answer: asyncio.Future[int] | None) -> None:
        if not self._queue:
            self._loop.call_soon(self._drain)
        self._queue.append((a, b, answer))

    def _drain(self) -> None:
        queue = self._queue
        while queue:
            a, b, answer = queue.popleft()
            result = a + b
            if answer is not None:
                answer.set_result(result)


async def run(settings: Settings, loop: str) -> Figures:
    """Measure once. The senders run as methods do: each stretch between two awaits is a turn."""
    here, there = spawn_vat("here"), spawn_vat("there")
    own, other = here.spawn(Target), there.spawn(Target)
    mailbox = Mailbox()
    sent: Figures = {}
    spent: Figures = {}
    for _ in range(SLICES):
        for key, measure in (
            ("two_", lambda kind, seconds: within(here, other, kind, seconds)),
            ("one_", lambda kind, seconds: within(here, own, kind, seconds)),
            ("mailbox_", lambda kind, seconds: kind(mailbox.send, mailbox.add, seconds)),
        ):
            for kind in (one_way, window, single):
                name = key + kind.__name__
                count, took = await measure(kind, settings.seconds / SLICES)
                sent[name] = sent.get(name, 0) + count
                spent[name] = spent.get(name, 0) + took
    here.stop()
    there.stop()
    return {name: sent[name] / spent[name] for name in sent}


async def within(vat: Vat, target: Target, kind: Any, seconds: float) -> Any:
    """Send from turns of ``vat``."""
    return await vat.run(kind, send_only(target.add), target.add, seconds)


async def one_way(
    send: Callable[[int, int], object], add: Callable[..., Awaitable[int]], seconds: float
) -> tuple[int, float]:
    """Send in batches; one awaited send behind each says that all of it has arrived."""
    sent = 0
    start = process_time()
    while (elapsed := process_time() - start) < seconds:
        for _ in range(BATCH):
            send(20, 22)
        await add(20, 22)
        sent += BATCH + 1
    return sent, elapsed


async def window(send: object, add: Callable[..., Awaitable[int]], seconds: float) -> tuple[int, float]:
    """Keep a window of sends under way, and await the oldest."""
    under_way = deque(add(20, 22) for _ in range(WINDOW))
    answered = 0
    start = process_time()
    while (elapsed := process_time() - start) < seconds:
        for _ in range(WINDOW):
            await under_way.popleft()
            under_way.append(add(20, 22))
        answered += WINDOW
    for answer in under_way:
        await answer
    return answered, elapsed


async def single(send: object, add: Callable[..., Awaitable[int]], seconds: float) -> tuple[int, float]:
    """Await every send before the next."""
    answered = 0
    start = process_time()
    while (elapsed := process_time() - start) < seconds:
        for _ in range(10):
            await add(20, 22)
        answered += 10
    return answered, elapsed
