"""Time as an authority: a timer to be given to those who may wait, and a ticker for what moves in step.

The time is that of the loop in which the vat runs, also a simulated one (`hobgoblin.testing`).
"""

from __future__ import annotations

import asyncio
from math import ceil, isfinite
from typing import Any, Final, cast, final

from hobgoblin.actors.forwarding import at_commit, object_of, running_vat
from hobgoblin.actors.topics import Audience, Subscription, verb_in
from hobgoblin.errors import BadArguments, Refused, SessionSevered, VatStopped
from hobgoblin.refs import Promise, Ref
from hobgoblin.values import Symbol
from hobgoblin.vat import Actor, Resolver, method, near, new_promise, send, spawn

__all__ = ["Alarm", "Ticker", "Timer"]

_LONGEST: Final = 366 * 86_400.0


@final
class _Load:
    """How many waits are under way. No state of turns: what runs, runs also if a turn has failed."""

    __slots__ = ("limit", "waits")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waits = 0

    def check(self) -> None:
        if self.waits >= self.limit:
            raise Refused("too many waits are under way")

    def take(self) -> None:
        self.waits += 1


def _seconds(seconds: object, least: float) -> float:
    if type(seconds) not in (int, float) or not least <= cast("float", seconds) <= _LONGEST:
        raise BadArguments(f"seconds are a number from {least:g} to {_LONGEST:g}")
    return cast("float", seconds)


@final
class Timer(Actor):
    """Tells the time and waits. Whoever holds it may do so; whoever does not has to be told.

    What waits goes on when its caller has gone, until it is due; therefore there may be no more of it
    than ``limit`` at a time. Give a timer of its own to each whom you don't trust with those of others.

    >>> timer = vat.spawn(Timer)
    >>> result(timer.after(0.001, "now"))
    'now'

    Args:
        limit: how many waits may be under way.
        least: how many seconds there must be between two rings of `every`.
    """

    def __init__(self, limit: int = 1000, least: float = 0.01) -> None:
        if limit < 1 or not (least > 0 and isfinite(least)):
            raise ValueError("limit is 1 or more, least a positive number")
        self._load = _Load(limit)
        self._least = least

    @method
    def now(self) -> float:
        """Return seconds of a clock that only goes forward. Where it starts has no meaning."""
        return asyncio.get_running_loop().time()

    @method
    async def after(self, seconds: float, value: Any = None) -> Any:
        """Return ``value`` in so many seconds. This can't be cancelled: see `alarm`."""
        _seconds(seconds, 0.0)
        self._load.check()
        self._load.take()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._load.waits -= 1
        return value

    @method
    def alarm(self, seconds: float, target: Any, verb: str | None = None) -> Alarm:
        """Call ``target()``, or the method ``verb`` of it, once in so many seconds; return what cancels that.

        What the call fails with is logged, unless the target is gone.
        """
        return self._alarm(_seconds(seconds, 0.0), None, target, verb)

    @method
    def every(self, seconds: float, target: Any, verb: str | None = None) -> Alarm:
        """Call ``target()``, or the method ``verb`` of it, every so many seconds; return what cancels that.

        Never while the call before is unanswered: what would have been due then is left out. It ends
        when a call fails, which is logged, or when the target is gone: its session severed, its vat
        stopped. It goes on when the alarm is dropped.

        >>> counter = vat.spawn(Counter)
        >>> alarm = result(vat.spawn(Timer).every(0.01, counter, "add"))
        >>> while result(counter.value()) < 3:
        ...     pass
        >>> result(alarm.cancel())
        """
        return self._alarm(_seconds(seconds, self._least), seconds, target, verb)

    def _alarm(self, seconds: float, period: float | None, target: object, verb: object) -> Alarm:
        called, args = object_of(target), verb_in(verb)
        self._load.check()
        at_commit(self._load.take)
        cancelled, resolver = new_promise()
        running_vat().run(_ring, self._load, seconds, period, called, args, cancelled)
        return spawn(Alarm, resolver)


async def _ring(
    load: _Load,
    seconds: float,
    period: float | None,
    target: Ref,
    args: tuple[Symbol, ...],
    cancelled: Promise[None],
) -> None:
    """Call when it is time to, until that has been cancelled: a task of the timer's vat."""
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    try:
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await cancelled
                return
            except TimeoutError:
                pass
            try:
                await send(target, *args)
            except (SessionSevered, VatStopped):
                return
            if period is None:
                return
            due += period * max(1, ceil((loop.time() - due) / period))
    finally:
        load.waits -= 1


@final
class Alarm(Actor):
    """Cancels what a timer is to do."""

    def __init__(self, resolver: Resolver[None]) -> None:
        self._resolver = resolver

    @method
    def cancel(self) -> None:
        """Call no more. A call that has been sent still arrives. Idempotent."""
        near(self._resolver.fulfill)()


@final
class Ticker(Actor):
    """Has its members move in step: each ``tick`` is told to all of them, and to those who join after it
    from the next one on.

    A member that has not answered the last tick is left out of this one; one whose session is severed or
    whose vat has stopped is dropped. Who may call `tick` decides how fast time goes: a timer, a test,
    the other player. Hand out ``facet(ticker, "join")``.

    >>> ticker, counter = vat.spawn(Ticker), vat.spawn(Counter)
    >>> membership = result(ticker.join(counter, "add"))
    >>> result(ticker.tick())
    1
    >>> result(counter.value())
    1

    Args:
        limit: how many members there may be.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._audience = Audience(limit, window=1, backlog=0)
        spawn(self._audience)

    @method
    def join(self, member: Any, verb: str | None = None) -> Subscription:
        """Tell ``member`` each tick from the next one on, by calling it, or the method ``verb`` of it.

        Return what ends that.
        """
        return self._audience.join(member, verb)

    @method
    def tick(self, *args: Any) -> int:
        """Tell all members, with the same arguments, and return how many there are."""
        return self._audience.tell(args)
