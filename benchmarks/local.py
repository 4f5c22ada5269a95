"""Sends without a network, from an object to another in its vat or in a second vat of the same loop.

The baseline is a bare mailbox: a queue that is emptied once per tick of the loop, and futures.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final

from benchmarks.harness import WINDOW, Figures, Outcome, Row, Settings
from hobgoblin import Actor, method, send_only, spawn_vat
from hobgoblin.vat import Vat

MAILBOX: Final = "mailbox"
BATCH: Final = 1000

ROWS = (
    Row("one_way", "one vat: sends, one way", "/s", True, MAILBOX),
    Row("window", f"one vat: {WINDOW} awaited sends outstanding", "/s", True, MAILBOX),
    Row("single", "one vat: awaited one at a time", "/s", True, MAILBOX),
    Row("two_one_way", "two vats: sends, one way", "/s", True, MAILBOX),
    Row("two_window", f"two vats: {WINDOW} awaited sends outstanding", "/s", True, MAILBOX),
    Row("two_single", "two vats: awaited one at a time", "/s", True, MAILBOX),
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


async def run(settings: Settings) -> Outcome:
    """Measure once. The senders run as methods do: each stretch between two awaits is a turn."""
    here, there = spawn_vat("here"), spawn_vat("there")
    own, other = here.spawn(Target), there.spawn(Target)
    mailbox = Mailbox()
    seconds = settings.seconds / 3
    ours = {
        **await measure_ours(here, own, "", seconds),
        **await measure_ours(here, other, "two_", seconds),
    }
    bare = {
        "one_way": await one_way(mailbox.send, mailbox.add, seconds),
        "window": await window(mailbox.add, seconds),
        "single": await single(mailbox.add, seconds),
    }
    here.stop()
    there.stop()
    return Outcome(ours, {**bare, **{f"two_{key}": figure for key, figure in bare.items()}})


async def measure_ours(vat: Vat, target: Target, prefix: str, seconds: float) -> Figures:
    """Send from turns of ``vat``."""
    add: Any = target.add
    return {
        f"{prefix}one_way": await vat.run(one_way, send_only(target.add), add, seconds),
        f"{prefix}window": await vat.run(window, add, seconds),
        f"{prefix}single": await vat.run(single, add, seconds),
    }


async def one_way(send: Callable[[int, int], object], add: Callable[..., Awaitable[int]], to: float) -> float:
    """Send in batches; one awaited send behind each says that all of it has arrived."""
    sent = 0
    start = perf_counter()
    while (elapsed := perf_counter() - start) < to:
        for _ in range(BATCH):
            send(20, 22)
        await add(20, 22)
        sent += BATCH + 1
    return sent / elapsed


async def window(add: Callable[..., Awaitable[int]], seconds: float) -> float:
    """Keep a window of sends under way, and await the oldest."""
    under_way = deque(add(20, 22) for _ in range(WINDOW))
    answered = 0
    start = perf_counter()
    while (elapsed := perf_counter() - start) < seconds:
        for _ in range(WINDOW):
            await under_way.popleft()
            under_way.append(add(20, 22))
        answered += WINDOW
    for answer in under_way:
        await answer
    return answered / elapsed


async def single(add: Callable[..., Awaitable[int]], seconds: float) -> float:
    """Await every send before the next."""
    answered = 0
    start = perf_counter()
    while (elapsed := perf_counter() - start) < seconds:
        for _ in range(10):
            await add(20, 22)
        answered += 10
    return answered / elapsed
