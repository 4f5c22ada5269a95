"""Vats on asyncio: the host that gives vats and promises a thread and an event loop.

Every loop has one `LoopHost`, made when it is first needed; vats of one loop share it. The loop is
always the user's choice: whatever runs the program, uvloop included.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context, copy_context
from threading import get_ident
from time import perf_counter
from typing import Any, Final, NoReturn, TypeAlias, cast, final
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary

from hobgoblin.errors import VatStopped
from hobgoblin.forking import FORKED, keep, let_go, tell_at_fork
from hobgoblin.refs import BROKEN, FULFILLED, PENDING, Home, current_home
from hobgoblin.refs.contracts import Listener
from hobgoblin.refs.promise import Promise
from hobgoblin.values import SHAPED_TAGS, Shaped
from hobgoblin.vat.contracts import VatHost
from hobgoblin.vat.shapes import revived_result
from hobgoblin.vat.vat import Vat

__all__ = ["Alarm", "HandledSignals", "LoopHost", "VatThread", "host_of", "spawn_vat", "until_told_to_end"]

logger = logging.getLogger("hobgoblin.loops")

_running_home: Final = current_home.get
_EAGER: Final = sys.version_info >= (3, 12)

# Up to Python 3.11 it is a function in Python that looks into this, and takes a thousand instructions for it.
_current_task: Final[Callable[[asyncio.AbstractEventLoop], asyncio.Task[Any] | None]] = (
    asyncio.current_task if _EAGER else cast("Any", asyncio.tasks)._current_tasks.get
)

_NOTHING: Final = object()

_Future: TypeAlias = asyncio.Future[Any]


@final
class LoopHost(VatHost):
    """An asyncio event loop and its thread, as the host of vats."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # A loop may bring a clock of its own and want its tasks the old way, as a simulated one does.
        super().__init__(getattr(loop, "clock", perf_counter))
        self._loop = loop
        self._ident = get_ident()
        self._vats: WeakKeyDictionary[Vat, None] = WeakKeyDictionary()
        self._eager = _EAGER and getattr(loop, "eager_tasks", True)
        self._forked = False
        self._buried = False
        # Vats that have been woken, each by its context and what is to run in it; whether the loop will
        # run them, and whether they are being run.
        self._woken: list[tuple[Context, Callable[[], object]]] = []
        self._posted = False
        self._running = False
        self._end = _stopping(self._vats)
        if loop.is_running():
            # The loop finishes this generator when it shuts down: it has no other way to tell us.
            with suppress(StopIteration):
                self._end.__anext__().send(None)
        tell_at_fork(self)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def vats(self) -> tuple[Vat, ...]:
        """The vats that were made here, as long as anybody holds them."""
        return tuple(self._vats)

    def here(self) -> bool:
        return get_ident() == self._ident

    def new_vat(self, name: str) -> Vat:
        """Make a vat that stops when this loop shuts down."""
        vat = Vat(self, name=name)
        self._vats[vat] = None
        return vat

    def post(self, callback: Callable[..., object], *args: object) -> None:
        posted: _Posted | None = None
        try:
            if get_ident() == self._ident:
                self._loop.call_soon(callback, *args)
            else:
                posted = _Posted(callback, args)
                self._loop.call_soon_threadsafe(posted)
        except RuntimeError:
            if posted is not None:
                posted.callback = None
            # The loop is closed and its thread gone. What is left of it are promises, and whoever
            # waits for one must still be told; there is no thread left that this could disturb.
            if self._forked:
                self._bury()
            callback(*args)
            if self._forked:
                _give_up(callback)

    def post_in(self, context: Context, callback: Callable[[], object]) -> None:
        if get_ident() != self._ident:
            self._loop.call_soon_threadsafe(callback, context=context)
            return
        if not self._posted or self._loop.is_closed():
            self._loop.call_soon(self._run_posted)
            self._posted = True
        self._woken.append((context, callback))

    def _run_posted(self) -> None:
        self._posted = False
        self.run_woken()

    def run_woken(self) -> None:
        if self._running or not self._woken:
            return
        # Those that are woken meanwhile wait for the next time, so that all get their turn.
        woken, self._woken = self._woken, []
        self._running = True
        done = 0
        try:
            for context, callback in woken:
                done += 1
                context.run(callback)
        finally:
            self._running = False
            if done < len(woken):
                for context, callback in woken[done:]:
                    self.post_in(context, callback)

    def start(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> asyncio.Task[Any]:
        if self._eager and self._loop.is_running():
            return asyncio.Task(coroutine, loop=self._loop, context=context, eager_start=True)  # type: ignore[call-arg, unused-ignore]
        return self._loop.create_task(coroutine, context=context)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, callback)

    def forked(self) -> None:
        """This is the child of a fork: the loop never runs again. What is asked of it fails from now on."""
        loop = self._loop
        keep((self, loop))
        # Shared with the parent: to unregister a file here would do so there, and a signal that comes
        # here would wake the loop there.
        for name in ("_selector", "_ssock", "_csock"):
            file = getattr(loop, name, None)
            if file is not None and hasattr(file, "fileno"):
                let_go(file.fileno())
        _hosts.pop(id(loop), None)
        self._woken.clear()
        self._posted = self._running = False
        self._loop = cast("asyncio.AbstractEventLoop", _NoLoop())
        self._ident = 0
        self._forked = True
        for vat in self.vats:
            vat.left_behind(FORKED)
        current_home.set(None)  # the fork may have happened in a turn

    def _bury(self) -> None:
        """Break what can't settle any more, now that somebody in the child has come across it.

        Not at the fork: most children never do, and there another thread may hold a lock.
        """
        if self._buried:
            return
        self._buried = True
        for vat in self.vats:
            try:
                vat.stop_closed()
            except Exception:
                logger.exception("%r was not left in order by the fork", vat)

    def wait(self, promise: Promise[Any]) -> Generator[Any, None, Any]:
        future = _future_for(self, promise)
        return _waiting(self, promise) if future is None else future.__await__()


def _future_for(host: LoopHost, promise: Promise[Any]) -> asyncio.Future[Any] | None:
    """Return what becomes what ``promise`` does, if that is pending, and at home where the caller waits.

    So it nearly always is; and no generator is needed. But in a method of an actor it is: a turn ends there.
    """
    if promise._state >= FULFILLED or not host.here() or _running_home() is not None:
        return None
    loop = host._loop
    if not loop.is_running():
        return None
    future: asyncio.Future[Any] = loop.create_future()
    promise._listen(_asleep(future, loop, promise))
    return future


def _waiting(host: LoopHost, promise: Promise[Any]) -> Generator[Any, None, Any]:
    """Wait in the loop that is running, which need not be the promise's own."""
    first = _first_yield(host, promise)
    if first is not _NOTHING:
        yield first
    waiter = _waiter_for(host, promise)
    if waiter is not None:
        try:
            yield from waiter.future
        except BaseException:
            # Cancelled, or the awaiting coroutine is being closed, perhaps by the collector.
            _unlisten(promise, waiter)
            raise
    value = _outcome(promise)
    if value is _NOTHING:
        # Not with the frames of those who have awaited it before.
        raise promise._value.with_traceback(promise._trace)
    return value


def _first_yield(host: LoopHost, promise: Promise[Any]) -> object:
    """Return what a wait yields before it looks whether the promise has settled, if anything.

    In a method of an actor the wait always gives up control once, also when the promise has
    settled: whatever is awaited, a turn ends there.
    """
    promise._heard = True
    home = _running_home()
    if home is None or not host.here():
        return _NOTHING
    if _in_a_stretch(host, home):
        # The stretch ends, and looks whether the promise has settled before it goes by the loop.
        return promise
    return None if promise._state >= FULFILLED else _NOTHING


def _in_a_stretch(host: LoopHost, home: Home) -> bool:
    """Tell whether the caller runs in the very task of an asynchronous method of ``home``.

    Not in one that the method has started, whose first steps an eager loop runs within the same turn.
    """
    if not isinstance(home, Vat):
        return False
    vat = home
    stretches = vat._stepping
    if stretches is None or stretches._task is None:
        return False
    # Before 3.12 no task takes a step within that of another.
    return not _EAGER or stretches._task is _current_task(host._loop)


def _waiter_for(host: LoopHost, promise: Promise[Any]) -> _Waiter | None:
    """Return what wakes the task that runs when ``promise`` settles; ``None`` if it has."""
    here = host.here()
    if here and promise._state >= FULFILLED:
        return None
    loop = host._loop
    if not (here and loop.is_running()):
        loop = asyncio.get_running_loop()  # a system call, up to Python 3.12
    waiter = _Waiter(loop)
    promise._listen(waiter)
    return waiter


def _outcome(promise: Promise[Any]) -> object:
    """Return what a settled promise gives to those who await it; nothing if it is broken."""
    if promise._state == BROKEN:
        return _NOTHING
    value = promise._value
    return revived_result(value) if type(value) is Shaped else value


@final
class _Posted:
    """A callback for the loop of another thread.

    What comes between the last round of a loop and its end the loop drops without running it. Whoever
    waits for that would wait for ever: so it runs when it is dropped, as it would a moment later.
    """

    __slots__ = ("args", "callback")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args

    def __call__(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback(*self.args)

    def __del__(self) -> None:
        self()


class _NoLoop:
    """In the place of a loop that a forked process has not inherited."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def refuse(*args: object, **kwargs: object) -> NoReturn:
            raise RuntimeError(FORKED)

        return refuse


_WAITING: Final = frozenset({"_accept_here", "_lead_here", "_listen_here", "_room_here"})
"""What is called on a promise in its own thread for somebody who waits for it."""


def _give_up(callback: Callable[..., object]) -> None:
    """Break a promise that somebody has come to wait for in a process where it can't settle any more."""
    found: Any = getattr(callback, "__self__", None)
    if type(found) is not Promise or callback.__name__ not in _WAITING:
        return
    promise: Promise[Any] = found  # pyright: ignore[reportUnknownVariableType]
    for each in (promise._root(), promise):
        if each._state < FULFILLED:
            each._state = PENDING
            each._locked = False
            each._break_here(VatStopped(f"this promise can't settle any more: {FORKED}"))


async def _stopping(vats: WeakKeyDictionary[Vat, None]) -> AsyncGenerator[None]:
    """Stop ``vats`` when this is closed. It does not know their host: the loop must not keep that alive."""
    try:
        yield
    finally:
        for vat in tuple(vats):
            vat.stop()


@final
class _Sleeper(ReferenceType[_Future]):
    """Tells a future how a promise of its own thread has settled.

    A weak reference: it dies when whoever waited has left, however that came about, and then listens no more.
    And the other way round, nobody but this may hold the task that waits: loops hold theirs weakly.
    """

    __slots__ = ("context", "loop", "promise", "task")

    loop: asyncio.AbstractEventLoop
    context: Context | None
    promise: Promise[Any]
    task: object

    def settled(self, promise: Promise[Any]) -> None:
        future = self()
        if future is None:
            return
        try:
            if promise._state == BROKEN:
                _fail(future, promise._value.with_traceback(promise._trace))
            elif type(promise._value) is Shaped:
                # The program's own code will run.
                self.loop.call_soon(_revive, future, promise, context=self.context or Context())
            else:
                future.set_result(promise._value)
        except (asyncio.InvalidStateError, RuntimeError):
            return  # cancelled, or the loop is closed: nobody waits any more


def _left(sleeper: Any) -> None:
    _unlisten(sleeper.promise, sleeper)


def _unlisten(promise: Promise[Any], listener: Listener) -> None:
    """Forget a listener. Any thread."""
    host = promise._at.host
    if host.here():
        promise._unlisten(listener)
    else:
        host.post(promise._unlisten, listener)


def _asleep(future: _Future, loop: asyncio.AbstractEventLoop, promise: Promise[Any]) -> _Sleeper:
    sleeper = _Sleeper.__new__(_Sleeper, future, _left)
    sleeper.loop = loop
    sleeper.promise = promise
    sleeper.task = _current_task(loop)
    # Values with a tag become instances as if whoever waits had asked for it.
    sleeper.context = copy_context() if SHAPED_TAGS else None
    return sleeper


def _revive(future: asyncio.Future[Any], promise: Promise[Any]) -> None:
    if future.done():
        return
    try:
        value = revived_result(promise._value)
    except BaseException as error:
        _fail(future, error)
    else:
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if isinstance(error, StopIteration):
        # No coroutine can raise it, and no future takes it.
        error, stopped = RuntimeError("the promise broke with StopIteration"), error
        error.__cause__ = stopped
    future.set_exception(error)
    with suppress(AttributeError):
        future._log_traceback = False  # a failure that nobody looks at is for the promise to report


@final
class _Waiter:
    """Wakes the task that awaits a promise."""

    __slots__ = ("future", "ident", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.ident = get_ident()
        self.future: asyncio.Future[None] = loop.create_future()

    def settled(self, promise: Promise[Any]) -> None:
        try:
            if get_ident() == self.ident:
                self._wake()
            else:
                self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return  # that loop is closed: nobody waits any more

    def _wake(self) -> None:
        try:
            self.future.set_result(None)
        except asyncio.InvalidStateError:
            return  # cancelled


# Keyed by the loop's id: a host keeps its loop alive, so an id that is in use can't come up again.
_hosts: WeakValueDictionary[int, LoopHost] = WeakValueDictionary()


def host_of(loop: asyncio.AbstractEventLoop) -> LoopHost:
    """Return the host of a loop. The first call must come from the loop's own thread."""
    host = _hosts.get(id(loop))
    if host is None:
        host = _hosts[id(loop)] = LoopHost(loop)
    return host


def spawn_vat(name: str = "vat") -> Vat:
    """Make a vat on the running event loop. It stops at the latest when the loop shuts down.

    Raises:
        RuntimeError: no loop is running in this thread; `VatThread` brings its own.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "spawn_vat() needs a running event loop: call it in a coroutine, or use VatThread, "
            "which brings its own"
        ) from None
    return host_of(loop).new_vat(name)


@final
class Alarm:
    """Calls when something is due, and goes on as long as something is. For what has a time limit.

    Args:
        until: tells in how many seconds the first is due; ``None`` if nothing is.
        ring: called then, in the running loop; what is no longer due must be gone afterwards.
    """

    def __init__(self, until: Callable[[], float | None], ring: Callable[[], object]) -> None:
        self._until = until
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def set(self) -> None:
        """Something has come to be due. In the thread of the loop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = None if self._stopped else self._until()
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._rings)

    def stop(self) -> None:
        """Never call again."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _rings(self) -> None:
        self._timer = None
        self._ring()
        self.set()


async def until_told_to_end() -> None:
    """Wait for Ctrl-C or SIGTERM. Outside of the main thread, and on Windows, wait for ever."""
    loop = asyncio.get_running_loop()
    terminated = loop.create_future()

    def terminate() -> None:
        if not terminated.done():
            terminated.set_result(None)

    handled = HandledSignals()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):
                before = signal.getsignal(number)
                loop.add_signal_handler(number, terminate)
                handled.before[number] = before
        await terminated
    finally:
        for number in handled.before:
            loop.remove_signal_handler(number)


class HandledSignals:
    """Signals that are handled for now, and how they were ``before``: as a forked process has them again."""

    def __init__(self) -> None:
        self.before: dict[signal.Signals, Any] = {}
        tell_at_fork(self)

    def forked(self) -> None:
        for number, before in self.before.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)
        with suppress(ValueError):
            signal.set_wakeup_fd(-1)


@final
class VatThread:
    """A vat in a thread of its own, with a loop of its own. A context manager; also without asyncio.

    ::

        with VatThread("cars") as vat:
            factory = vat.spawn(CarFactory, "Fork")

    Leaving it stops the vat and ends the thread. References to its objects work from every thread.
    """

    def __init__(self, name: str = "vat") -> None:
        self._name = name
        self._ready = threading.Event()
        self._vat: Vat | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"hobgoblin {name}", daemon=True)

    def start(self) -> Vat:
        """Start the thread and return its vat.

        Raises:
            RuntimeError: it has been started before, for a thread can't be used twice; or its loop
                could not be made.
        """
        self._thread.start()
        self._ready.wait()
        if self._vat is None:
            raise RuntimeError(f"the thread of {self._name} could not make a loop")
        return self._vat

    def stop(self) -> None:
        """Stop the vat and wait for the thread to end. Idempotent.

        In a turn of this very vat there is no waiting: the thread ends soon after the turn.
        """
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._over.set)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Vat:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    async def __aenter__(self) -> Vat:
        return self.start()

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.to_thread(self.stop)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        vat = self._vat = spawn_vat(self._name)
        self._ready.set()
        try:
            await self._over.wait()
        finally:
            vat.stop()
