"""Waiting for promises in a plain thread."""

from __future__ import annotations

import threading
from collections.abc import Awaitable
from time import monotonic
from typing import Any, Final, NoReturn, TypeVar, cast, final, overload

from hobgoblin.background import is_background
from hobgoblin.loops import LoopHost
from hobgoblin.refs import BROKEN, FULFILLED, BoundSend, Promise, Ref, current_home, sent_from
from hobgoblin.values import Symbol
from hobgoblin.vat.shapes import revived_result

__all__ = ["forbid_waiting", "result", "results"]

_NOTES: Final = 5
"""The most sends that an error names."""

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")


def result(promise: Awaitable[T], timeout: float | None = None) -> T:
    """Block the calling thread until ``promise`` has settled, and return or raise its outcome.

    Any number of threads may wait, also for one promise. Ctrl-C ends the waiting of the main thread. Where
    an event loop runs in the calling thread, as in a notebook, it stands still meanwhile; ``await`` works
    there as well, and does not stop it.

    Args:
        promise: a promise of another thread, such as `Peer`, `connect` and `VatThread` give. A reference
            is returned as it is.
        timeout: seconds to wait; ``None`` is for ever. It ends the waiting, not the call: the promise
            is as before, and can be waited for again.

    Raises:
        TimeoutError: it has not settled in time.
        RuntimeError: waiting here would stop what is waited for: a turn of a vat is running, or the
            promise belongs to an event loop of this thread. There, use ``await``.
        TypeError: ``promise`` is neither a promise nor a reference.
    """
    known = _known(promise, "result", "a promise")
    if isinstance(timeout, Ref):
        raise TypeError(
            "result() takes one promise and a timeout in seconds; for several: results(*promises)"
        )
    if type(known) is Promise:
        waiting: Promise[Any] = known  # pyright: ignore[reportUnknownVariableType]
        forbid_waiting(waiting)
        _wait((waiting,), timeout)
    return cast("T", _outcome(known))


@overload
def results(first: Awaitable[T1], /, *, timeout: float | None = None) -> tuple[T1]: ...
@overload
def results(
    first: Awaitable[T1], second: Awaitable[T2], /, *, timeout: float | None = None
) -> tuple[T1, T2]: ...
@overload
def results(
    first: Awaitable[T1], second: Awaitable[T2], third: Awaitable[T3], /, *, timeout: float | None = None
) -> tuple[T1, T2, T3]: ...
@overload
def results(
    first: Awaitable[T1],
    second: Awaitable[T2],
    third: Awaitable[T3],
    fourth: Awaitable[T4],
    /,
    *,
    timeout: float | None = None,
) -> tuple[T1, T2, T3, T4]: ...
@overload
def results(
    first: Awaitable[T1],
    second: Awaitable[T2],
    third: Awaitable[T3],
    fourth: Awaitable[T4],
    fifth: Awaitable[T5],
    /,
    *,
    timeout: float | None = None,
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
def results(*promises: Awaitable[T], timeout: float | None = None) -> tuple[T, ...]: ...
def results(*promises: Awaitable[Any], timeout: float | None = None) -> tuple[Any, ...]:
    """Block the calling thread until all have settled, and return their values in that order.

    As soon as one breaks, its reason is raised; the others go on. Give a list with a star:
    ``results(*promises)``. With `hob.settled` you get to know how each of them ends.

    Args:
        promises: promises of other threads, and references, which are their own results.
        timeout: seconds to wait for all of them together; ``None`` is for ever.

    Raises:
        TimeoutError: not all have settled in time.
        RuntimeError, TypeError: as `result` does.
    """
    known = [_known(promise, "results", "promises and references") for promise in promises]
    waiting: list[Promise[Any]] = [each for each in known if type(each) is Promise]
    for each in waiting:
        forbid_waiting(each)
    _wait(tuple(dict.fromkeys(waiting)), timeout)
    for each in waiting:
        if each._state == BROKEN:
            _outcome(each)
    return tuple([_outcome(each) for each in known])


def forbid_waiting(promise: Promise[Any] | None = None) -> None:
    """Raise `RuntimeError` if to wait here, for ``promise``, would stop what is waited for."""
    home = current_home.get()
    if home is not None and home.host.here():
        _refuse("a turn of a vat is running in this thread, and nothing else could run meanwhile")
    if is_background():
        _refuse("this is the thread in the background, which does what is waited for")
    host = None if promise is None else promise._at.host
    # Of a loop that is closed, promises are told by whoever asks.
    if host is not None and host.here() and not (isinstance(host, LoopHost) and host.loop.is_closed()):
        _refuse("the promise belongs to the event loop of this thread, which would stand still")


def _refuse(why: str) -> NoReturn:
    raise RuntimeError(
        f"waiting here would never end: {why}. Write `async def` and `await`, or react with hob.on(…)"
    )


def _known(promise: object, name: str, what: str) -> Any:
    if isinstance(promise, Ref):
        return promise
    if isinstance(promise, BoundSend):
        raise TypeError(f"{promise!r} is a method: call it, and give {name}() what it returns")
    kind = type(promise).__name__
    hint = "; write results(*promises)" if isinstance(promise, list | tuple) else ""
    raise TypeError(f"{name}() takes {what}, not {kind}{hint}")


def _wait(promises: tuple[Promise[Any], ...], timeout: float | None) -> None:
    """Wait until all have settled, or one has broken."""
    left = len(promises)
    if not left:
        return
    waiter = _Waiter(left)
    for promise in promises:
        promise._listen(waiter)
    try:
        if not waiter.wait(timeout):
            _time_is_up(promises, timeout)
    finally:
        for promise in promises:
            if promise._state < FULFILLED:
                promise._at.host.post(promise._unlisten, waiter)


def _time_is_up(promises: tuple[Promise[Any], ...], timeout: float | None) -> NoReturn:
    late = [promise for promise in promises if promise._state < FULFILLED]
    what = _called(late[0]) if late else "a promise"
    have = "have" if len(late) > 1 else "has"
    more = f" and {len(late) - 1} more" if len(late) > 1 else ""
    error = TimeoutError(
        f"{what}{more} {have} not settled within {timeout:g} s; that has ended the waiting, and not the call"
    )
    for promise in late[:_NOTES]:
        if promise._site is not None:
            error.add_note(f"{_called(promise)}: sent from {sent_from(promise._site)}")
    raise error


def _called(promise: Promise[Any]) -> str:
    name = None if promise._site is None else promise._site[2]
    called = name.name if type(name) is Symbol else str(name or "")
    return f"{called}()" if called else "a promise"


def _outcome(promise: Any) -> Any:
    if type(promise) is not Promise:
        return promise
    promise._heard = True
    if promise._state == BROKEN:
        # Not with the frames of those who have waited for it before.
        raise promise._value.with_traceback(promise._trace)
    return revived_result(promise._value)


@final
class _Waiter:
    """Wakes the thread that waits for promises. Told in the threads of those."""

    __slots__ = ("_done", "_left", "_lock")

    def __init__(self, left: int) -> None:
        self._left = left
        self._lock = threading.Lock()
        self._done = threading.Event()

    def settled(self, promise: Promise[Any]) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0 or promise._state == BROKEN:
                self._done.set()

    def wait(self, timeout: float | None) -> bool:
        """Return whether all is done; ``timeout`` may be any number of seconds."""
        if timeout is None:
            return self._done.wait()
        end = monotonic() + timeout
        while (left := end - monotonic()) > 0:
            # A wait has a longest time, which some take for ever to be longer than.
            if self._done.wait(min(left, threading.TIMEOUT_MAX)):
                return True
        return self._done.is_set()
