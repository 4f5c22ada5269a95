"""One event loop in a thread of its own, for programs and threads that have none.

It starts when it is first needed, never at import, and is shared by all that need it: `hobgoblin.blocking`
and `connect`. The thread is a daemon. When the interpreter exits, what is open on the loop is closed first,
within a bounded time. A forked process has none until it needs one, and then its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, Protocol, TypeVar, final

from hobgoblin.forking import tell_at_fork
from hobgoblin.loops import LoopHost, host_of
from hobgoblin.running import loop_factory

__all__ = ["Background", "background", "is_background"]

P = ParamSpec("P")
T = TypeVar("T")

EXIT_SECONDS: Final = 5.0
"""How long an interpreter that exits waits for what is open to be closed."""

logger = logging.getLogger("hobgoblin.background")


class Closable(Protocol):
    """What is open on the loop."""

    async def close(self) -> object:
        """End it in order. Called in the loop."""
        ...


@final
class Background:
    """The loop and its thread. Made by `background`."""

    host: LoopHost
    """What gives vats of this loop."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._open: dict[Closable, None] = {}
        self._thread = threading.Thread(target=self._run, name="hobgoblin background", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._loop is None:
            raise RuntimeError("the thread in the background could not make an event loop")

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def here(self) -> bool:
        """Tell whether the caller runs in this thread, where it must not wait for it."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a coroutine function in the loop; wait, and return or raise its outcome.

        Raises:
            RuntimeError: in this very thread; or the loop has ended, as the interpreter exits.
            KeyboardInterrupt: Ctrl-C ends the waiting, and cancels the coroutine.
        """
        if self.here():
            raise RuntimeError(
                "this would wait in the thread that it waits for: in a method, a handler or a callback, "
                "send and use what comes back, or write `async def` and `await`"
            )
        loop = self._loop
        assert loop is not None
        if not self.alive or loop.is_closed():
            raise RuntimeError("the event loop in the background has ended, as the program does")
        future = asyncio.run_coroutine_threadsafe(function(*args, **kwargs), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close_at_exit(self, thing: Closable) -> None:
        """Close ``thing`` before the interpreter exits, unless that has been done. Any thread."""
        self._open[thing] = None

    def closed(self, thing: Closable) -> None:
        """Forget what is closed. Any thread; idempotent."""
        self._open.pop(thing, None)

    def end(self, seconds: float) -> None:
        """Close all that is open and end the thread; wait no longer than ``seconds`` for it."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self.host = host_of(loop)
        self._loop = loop
        self._ready.set()
        await self._over.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_SECONDS):
                await asyncio.gather(*[self._close(thing) for thing in tuple(self._open)])

    async def _close(self, thing: Closable) -> None:
        try:
            await thing.close()
        except Exception:
            logger.exception("%r could not be closed at the end of the program", thing)


_lock = threading.Lock()
_background: Background | None = None
_asked_for_exit = False


def background() -> Background:
    """Return the loop in the background; start it if there is none."""
    global _background, _asked_for_exit
    with _lock:
        if _background is None or not _background.alive:
            _background = Background()
            tell_at_fork(_in_child)
            if not _asked_for_exit:
                _asked_for_exit = True
                atexit.register(_end_at_exit)
        return _background


def is_background() -> bool:
    """Tell whether the caller runs in the thread of the loop in the background."""
    current = _background
    return current is not None and current.here()


def _end_at_exit() -> None:
    if _background is not None:
        _background.end(EXIT_SECONDS)


class _InChild:
    def forked(self) -> None:
        global _background, _lock
        _background = None
        _lock = threading.Lock()


_in_child = _InChild()
