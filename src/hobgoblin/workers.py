"""Blocking work beside a vat: in threads of its own, or in a pool of processes, for a promise.

A turn that reads a file or computes for long keeps its whole loop waiting. What is given to
`blocking_call` runs elsewhere; the vat goes on, and takes the outcome as a turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import Context
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, final, overload
from weakref import WeakKeyDictionary

from hobgoblin.errors import NotInVat
from hobgoblin.forking import tell_at_fork
from hobgoblin.refs import Cause, Promise, call_site, current_home
from hobgoblin.vat import Actor, Vat

__all__ = ["blocking_call", "blocking_call_in"]

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A", bound=Actor)


# An actor is any T, too. The first overload that fits is the one that is meant.
@overload
def blocking_call(  # type: ignore[overload-overlap]
    function: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
) -> A: ...
@overload
def blocking_call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Promise[T]: ...
def blocking_call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run ``function(*args, **kwargs)`` in a thread beside the running vat; return a promise.

    Like all that a turn sends, it sets out when the turn commits: in an ``async def`` method at the
    next ``await``. The function gets its arguments as they are, not copies, so what it shares with the
    vat must be safe to use from two threads; references are. It may send, and runs in no turn.

    The outcome is taken in a turn of the vat: data by copy, an `Actor` or a function that it returns
    joins the vat, what can't pass breaks the promise with `NotPassable`, and so does what it raises.

    To give up waiting (``asyncio.timeout``, cancellation, `timeout`) ends the waiting alone: nothing
    can end a function that runs in a thread. When the vat stops, promises break at once, calls that
    have not begun never do, and the threads end as soon as they are done with theirs.

    The threads are the vat's own: made when needed, as many as a `ThreadPoolExecutor` has.

    Raises:
        NotInVat: no vat is running here; use ``asyncio.to_thread``. Or this is a thread beside one.
        TypeError: the function is ``async``: await what it returns instead.
    """
    return _Call(None, function, args, kwargs).answer


@overload
def blocking_call_in(  # type: ignore[overload-overlap]
    executor: Executor, function: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
) -> A: ...
@overload
def blocking_call_in(
    executor: Executor, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> Promise[T]: ...
def blocking_call_in(executor: Executor, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Like `blocking_call`, in an executor of your own: a pool of processes, or of fewer threads.

    A `ProcessPoolExecutor` runs what computes for long, on another core. It pickles the function, its
    arguments and its result, so none may hold references. The pool stays yours to shut down: stopping
    the vat only takes back calls that have not begun.
    """
    return _Call(executor, function, args, kwargs).answer


@final
class _Workers:
    """The blocking calls of one vat that are under way, and its threads."""

    __slots__ = ("__weakref__", "calls", "name", "pool")

    def __init__(self, name: str) -> None:
        self.name = name
        self.pool: ThreadPoolExecutor | None = None
        self.calls: set[_Call] = set()

    def threads(self) -> ThreadPoolExecutor:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(thread_name_prefix=f"hobgoblin {self.name} blocking")
        return self.pool

    def forked(self) -> None:
        """This is the child of a fork: the threads are not here, and what they hold locked stays so."""
        self.pool = None
        for call in tuple(self.calls):
            call.future = None

    def vat_stopped(self) -> None:
        for call in tuple(self.calls):
            call.abandon()
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)


# A vat that is dropped without having been stopped takes its pool along, whose threads then end.
_workers: WeakKeyDictionary[Vat, _Workers] = WeakKeyDictionary()


def _workers_of(vat: Vat) -> _Workers:
    workers = _workers.get(vat)
    if workers is None:
        workers = _workers[vat] = _Workers(vat.name)
        vat.depend(workers)
        tell_at_fork(workers)
    return workers


@final
class _Call:
    """One call: an effect of the turn that asks, then a future, then the turn that takes the outcome."""

    __slots__ = ("answer", "cause", "executor", "future", "name", "vat", "work")

    if TYPE_CHECKING:
        cause: Cause

    def __init__(
        self,
        executor: Executor | None,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        vat = current_home.get()
        if not isinstance(vat, Vat) or not vat.host.here():
            raise NotInVat(
                "blocking_call() works within a vat: outside of any, use asyncio.to_thread(…); "
                "in a thread beside one, call the function"
            )
        self.name = str(getattr(function, "__name__", type(function).__name__))
        if iscoroutinefunction(function):
            raise TypeError(f"{self.name} is async and does not block: call it and await what it returns")
        self.vat = vat
        self.executor = executor
        self.work: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = (
            function,
            args,
            kwargs,
        )
        self.future: Future[Any] | None = None
        self.answer: Promise[Any] = Promise(vat, call_site(2, self.name))
        vat.effect(self)

    # An effect

    def dispatch(self) -> None:
        vat = self.vat
        if vat.stopped:
            self.answer._break(vat._stop_error())
            return
        work, self.work = self.work, None
        assert work is not None  # an effect sets out once
        function, args, kwargs = work
        workers = _workers_of(vat)
        try:
            self.future = self._submit(workers, function, args, kwargs)
        except Exception as error:  # the pool is shut down or broken, or there can be no more threads
            self.answer._break(error)
            return
        workers.calls.add(self)
        self.future.add_done_callback(self._done)

    def _submit(
        self, workers: _Workers, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        loop = asyncio.get_running_loop()
        if getattr(loop, "has_threads", True):
            return (self.executor or workers.threads()).submit(function, *args, **kwargs)
        # A simulated loop does everything in one order. Not within this commit, and not as this vat.
        future: Future[Any] = Future()
        loop.call_soon(_carry_out, future, function, args, kwargs, context=Context())
        return future

    def undo(self, error: BaseException) -> None:
        self.work = None
        self.answer._excuse()._break(error)

    # In whatever thread the call has ended

    def _done(self, future: Future[Any]) -> None:
        self.vat._enqueue(self)

    def abandon(self) -> None:
        """Break the promise: the vat has been stopped. In its thread."""
        self.answer._break(self.vat._stop_error())
        if self.future is not None:
            self.future.cancel()

    # A job

    def run(self, vat: Vat) -> None:
        future = self._take()
        if future is not None:
            vat.perform(future.result, self.answer, repr(self), None, self)

    def fail(self, error: BaseException) -> None:
        self._take()
        self.answer._break(error)

    def _take(self) -> Future[Any] | None:
        workers = _workers.get(self.vat)
        if workers is not None:
            workers.calls.discard(self)
        future, self.future = self.future, None
        return future

    def __repr__(self) -> str:
        return f"the outcome of {self.name}() in another thread or process"


def _carry_out(
    future: Future[Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
