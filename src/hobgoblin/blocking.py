"""For programs without an event loop: waiting for a promise in a plain thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any, TypeVar, cast, final

from hobgoblin.refs import BROKEN, Promise, Ref
from hobgoblin.vat.shapes import revived_result

__all__ = ["result"]

T = TypeVar("T")


def result(promise: Awaitable[T], timeout: float | None = None) -> T:
    """Block the calling thread until ``promise`` has settled, and return or raise its outcome.

    Args:
        promise: a promise of a vat in another thread, such as `connect` and `VatThread` give.
        timeout: seconds to wait; ``None`` is for ever. It ends the waiting, not the call.

    Raises:
        TimeoutError: it has not settled in time.
        RuntimeError: an event loop runs in this thread; there, use ``await``.
        TypeError: ``promise`` is neither a promise nor a reference.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("result() would block the running event loop: use `await` instead")
    if not isinstance(promise, Ref):
        raise TypeError(f"result() takes a promise, not {type(promise).__name__}")
    if type(promise) is not Promise:
        return cast("T", promise)
    waiter = _Waiter()
    known: Promise[Any] = promise  # pyright: ignore[reportUnknownVariableType]
    known._listen(waiter)
    if not waiter.done.wait(timeout):
        known._home.host.post(known._unlisten, waiter)
        raise TimeoutError(f"{known!r} has not settled within {timeout} s")
    if known._state == BROKEN:
        raise known._value
    return cast("T", revived_result(known._value))


@final
class _Waiter:
    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = threading.Event()

    def settled(self, promise: Promise[Any]) -> None:
        self.done.set()
