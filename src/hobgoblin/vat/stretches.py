"""Asynchronous methods: a task of the loop whose every stretch between two awaits is a turn.

The task runs not the method's coroutine itself but a `Stretches` around it, which opens a turn
before each step and closes it after. To asyncio it is a coroutine like any other: timeouts, task
groups and cancellation see a real task.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, cast, final

from hobgoblin.refs import FULFILLED, Cause
from hobgoblin.refs.message import Message
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import LocalRef
from hobgoblin.vat.passing import pass_value
from hobgoblin.vat.reasons import reason_of
from hobgoblin.vat.reports import report_slow

if TYPE_CHECKING:
    from hobgoblin.vat.contracts import StretchesTask, VatHost
    from hobgoblin.vat.vat import Vat

__all__ = ["Stretches"]

_IN_A_ROW: Final = 1000
"""How many stretches may follow each other without the loop in between. The clock may be one that stands."""


@final
class Stretches:
    """Runs the coroutine of a method, each step of it as a turn of its vat.

    Its own result is always ``None``: what the method returns or raises settles ``answer``.
    """

    def __init__(
        self,
        vat: Vat,
        coroutine: Coroutine[Any, Any, Any],
        answer: Promise[Any] | None,
        what: str,
        running: LocalRef | None,
        message: Message | None,
        cause: Cause | None,
    ) -> None:
        self._vat = vat
        self._coroutine = coroutine
        self._answer = answer
        self._what = what
        self._running = running
        self._message = message
        self._cause = cause
        self._ended = 0
        self._began = 0.0
        self._task: StretchesTask | None = None
        self._held = True

    def start(self, host: VatHost, context: Context) -> None:
        """Run as a task. The first stretch runs at the latest in the next tick of the loop."""
        task = host.start(cast("Coroutine[Any, Any, None]", self), context)
        if self in self._vat._stretches:
            self._task = task
            if self._vat.stopped:
                task.cancel()  # the first stretch has run already, and has stopped its vat

    def cancel(self) -> None:
        """Cancel the task, as its vat has been stopped."""
        if self._task is not None:
            self._task.cancel()

    def abandon(self) -> None:
        """Break the answer: the loop is closed and runs this no more."""
        if self._held:
            self._coroutine.close()  # never started
        self._end()
        self._fail(self._vat._stop_error())

    # A task asks for the next step in this form, and sends nothing else than None.
    def __next__(self) -> Any:
        return self._step(None, None)

    def send(self, value: Any) -> Any:
        return self._step(value, None)

    def throw(self, *exception: Any) -> Any:
        return self._step(None, exception)

    def close(self) -> None:
        if self in self._vat._stretches:
            with suppress(GeneratorExit, StopIteration):
                self.throw(GeneratorExit())
                raise RuntimeError("an asynchronous method awaits something while it is being closed")

    def __await__(self) -> Any:
        raise TypeError("this coroutine belongs to the loop")

    def _step(self, value: Any, thrown: tuple[Any, ...] | None) -> Any:
        """Run the next stretch, and those after it as long as they need not wait for the loop.

        Return what the task is to wait for.
        """
        vat = self._vat
        coroutine = self._coroutine
        left = _IN_A_ROW
        # The first stretch may belong to the turn of a message, which is measured.
        began = 0.0 if vat._draining else vat._clock()
        until = began + vat._slice
        while True:
            self._began = began
            vat._open = True
            vat._running = self._running
            vat._stepping = self
            try:
                yielded = coroutine.send(value) if thrown is None else coroutine.throw(*thrown)
            except StopIteration as stop:
                vat._stepping = None
                self._returned(stop.value)
                raise StopIteration from None
            except BaseException as error:
                vat._stepping = None
                cancelled = thrown is not None and error is thrown[0] and not isinstance(error, Exception)
                self._ends(error)
                vat._abandon()
                self._end()
                self._fail(reason_of(error), cancelled)
                if cancelled or isinstance(error, KeyboardInterrupt):
                    raise  # the loop must see it
                raise StopIteration from None
            vat._stepping = None
            now = self._ends(None)
            vat._commit()
            if self._held:
                self._let_go()
            if type(yielded) is not Promise:
                return yielded
            promise: Promise[Any] = yielded  # pyright: ignore[reportUnknownVariableType]
            left -= 1
            if left == 0 or not 0.0 < now < until or not self._goes_on(promise):
                # What awaits the promise runs once more, if it still has to: it asks the loop.
                return None if promise._state >= FULFILLED else coroutine.send(None)
            began = vat._clock()
            value = thrown = None

    def _goes_on(self, promise: Promise[Any]) -> bool:
        """Let others go first. Tell whether the next stretch may follow at once: ``promise`` has settled.

        Among several methods that wait, it may not: of those whose answers are there, the one whose answer
        came first is to go on first, as it does by the loop.
        """
        vat = self._vat
        task = self._task
        host = vat._host
        if task is None or vat._stopped or len(vat._stretches) > 1:
            return False
        if promise._state < FULFILLED or vat._queue:
            try:
                host.run_woken()
            except BaseException as error:  # not of this method
                host.post(_raise, error)
                return False
        return (
            promise._state >= FULFILLED
            and not vat._queue
            and not vat._stopped
            and len(vat._stretches) == 1
            and not task.cancelling()
        )

    def _returned(self, result: Any) -> None:
        vat = self._vat
        answer = self._answer
        try:
            if answer is not None:
                result = pass_value(result, vat, "result")
        except BaseException as error:
            self._ends(error)
            vat._abandon()
            self._end()
            self._fail(reason_of(error))
            return
        self._ends(None)
        vat._commit()
        self._end()
        if answer is not None:
            vat._settle(answer, result)

    def _ends(self, error: BaseException | None) -> float:
        """The open turn ends: somebody may be recording, and it may have been slow. Return when."""
        vat = self._vat
        now = 0.0
        if self._began:
            now = vat._clock()
            if now - self._began > vat._slow:
                report_slow(vat.name, self._what, now - self._began)
        self._ended += 1
        if vat._recording:
            self._cause = vat._journal.note(
                vat, self._running, self._message, self._what, self._ended, self._cause, error
            )
        return now

    def _fail(self, error: BaseException, cancelled: bool = False) -> None:
        if self._vat.stopped:
            error = self._vat._stop_error()
        # The frames of the error lead back to this object: it lets go of the promise.
        message, self._message = self._message, None
        answer, self._answer = self._answer, None
        if cancelled:
            # Somebody has asked for this: no reason to report it if nobody listens.
            if answer is None:
                return
            answer._excuse()
        if message is not None:
            message.fail(error)
        elif answer is not None:
            answer._break(error)
        else:
            self._vat.unheard(error, None, self._what)

    def _end(self) -> None:
        self._vat._finished(self)
        self._task = None
        self._let_go()

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._vat._let_go(self)


Coroutine.register(Stretches)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]


def _raise(error: BaseException) -> None:
    raise error
