"""``on`` and ``on_sever``: what to do when a promise settles, or a session ends.

Each handler runs as a later turn of the vat that asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

from hobgoblin.errors import SessionSevered
from hobgoblin.refs import BROKEN, FULFILLED, Cause, Promise, Ref, RemoteRef, Sink, current_home
from hobgoblin.values import Shaped
from hobgoblin.vat.shapes import revived_result
from hobgoblin.vat.vat import Vat

__all__ = ["Reaction", "SeverWatch"]


@final
class Reaction:
    """One registration with `on`: its handlers, and the promise for what they make of the outcome.

    The outcome's handler is one turn, ``finally_`` another one right behind it. Both are scheduled
    when the promise settles, in the order in which reactions were registered.
    """

    __slots__ = ("answer", "catch", "cause", "finally_", "fulfilled", "subject", "vat")

    if TYPE_CHECKING:
        cause: Cause

    def __init__(
        self,
        vat: Vat,
        subject: object,
        fulfilled: Callable[..., Any] | None,
        catch: Callable[..., Any] | None,
        finally_: Callable[..., Any] | None,
        answer: Promise[Any],
    ) -> None:
        self.vat = vat
        self.subject = subject
        self.fulfilled = fulfilled
        self.catch = catch
        self.finally_ = finally_
        self.answer = answer

    def dispatch(self) -> None:
        subject, self.subject = self.subject, None
        if type(subject) is Promise:
            subject._listen(self)
        else:
            self._schedule(False, subject)

    def settled(self, promise: Promise[Any]) -> None:
        self._schedule(promise._state == BROKEN, promise._value)

    def undo(self, error: BaseException) -> None:
        self.answer._excuse()._break(error)

    def _schedule(self, broken: bool, outcome: object) -> None:
        handler = self.catch if broken else self.fulfilled
        self.vat._enqueue(_Handler(self, handler, broken, outcome))
        if self.finally_ is not None:
            self.vat._enqueue(_Finally(self, self.finally_))


@final
class _Handler:
    """The turn of a handler, or the passing on of an outcome that has none."""

    __slots__ = ("broken", "handler", "outcome", "reaction")

    def __init__(
        self, reaction: Reaction, handler: Callable[..., Any] | None, broken: bool, outcome: Any
    ) -> None:
        self.reaction = reaction
        self.handler = handler
        self.broken = broken
        self.outcome = outcome

    def run(self, vat: Vat) -> None:
        answer = self.reaction.answer
        handler = self.handler
        if handler is not None:
            outcome = self.outcome
            if type(outcome) is Shaped:
                vat.perform(lambda: self._handle_shaped(handler), answer, repr(self), None, self.reaction)
            else:
                vat.perform(lambda: handler(outcome), answer, repr(self), None, self.reaction)
        elif self.broken:
            answer._break_here(self.outcome)
        else:
            answer._resolve_here(self.outcome)

    def _handle_shaped(self, handler: Callable[..., Any]) -> Any:
        try:
            outcome = revived_result(self.outcome)
        except Exception as error:
            # As if the promise had broken with it.
            catch = self.reaction.catch
            if catch is None:
                raise
            return catch(error)
        return handler(outcome)

    def fail(self, error: BaseException) -> None:
        self.reaction.answer._break(error)

    def __repr__(self) -> str:
        return f"the handler {_name_of(self.handler)} of on()"


@final
class _Finally:
    """The turn of a ``finally_`` handler: told nothing, and able to change nothing."""

    __slots__ = ("handler", "reaction")

    def __init__(self, reaction: Reaction, handler: Callable[..., Any]) -> None:
        self.reaction = reaction
        self.handler = handler

    def run(self, vat: Vat) -> None:
        vat.perform(self.handler, None, repr(self), None, self.reaction)

    def fail(self, error: BaseException) -> None:
        """Nobody waits for it."""

    def __repr__(self) -> str:
        return f"the finally_ handler {_name_of(self.handler)} of on()"


@final
class SeverWatch:
    """One registration with `on_sever`: an effect, then the watcher of a session, then a turn.

    ::

        subject ──promise settles──▶ sink ──session ends──▶ error, in the queue of the vat ──▶ handler
                                       (each step only while there is a handler)

    ``handler`` is let go of when it runs, when it can't run any more, and when it is cancelled.
    A watched promise does not count as looked at: its failure is reported as if nobody watched.
    """

    __slots__ = ("error", "handler", "sink", "subject", "vat")

    def __init__(self, vat: Vat, subject: Ref, handler: Callable[[SessionSevered], Any]) -> None:
        self.vat = vat
        self.subject: Ref | None = subject
        self.sink: Sink | None = None
        self.error: SessionSevered | None = None
        self.handler: Callable[[SessionSevered], Any] | None = handler

    # An effect

    def dispatch(self) -> None:
        if self.handler is not None and self.subject is not None:
            self._look_at(self.subject)

    def undo(self, error: BaseException) -> None:
        self.handler = None

    # A listener, then a watcher

    def _look_at(self, subject: object) -> None:
        if type(subject) is Promise:
            _in_its_thread(subject, self._await)  # pyright: ignore[reportUnknownArgumentType]
            return
        self.subject = None
        if type(subject) is not RemoteRef:
            self.handler = None  # what is near, or no object, has no session
            return
        self.sink = subject._sink
        self.sink.watch(self)
        if self.handler is None:  # cancelled in another thread meanwhile
            self.sink.unwatch(self)

    def _await(self, promise: Promise[Any]) -> None:
        if promise._state >= FULFILLED:
            self.settled(promise)
        else:
            promise._expect(self)

    def settled(self, promise: Promise[Any]) -> None:
        if self.handler is None:
            return
        if promise._state != BROKEN:
            self._look_at(promise._value)
            return
        self.subject = None
        if isinstance(promise._value, SessionSevered):
            self.severed(promise._value)
        else:
            self.handler = None

    def severed(self, error: SessionSevered) -> None:
        self.sink = None
        self.error = error
        host = self.vat.host
        if host.here():
            self.vat._enqueue(self)
        else:
            # Behind the promises of that thread which the same session breaks: they come by this way, too.
            host.post(self.vat._enqueue, self)

    # A job

    def run(self, vat: Vat) -> None:
        handler, self.handler = self.handler, None
        error, self.error = self.error, None
        if handler is not None and error is not None:
            what = f"the handler {_name_of(handler)} of on_sever()"
            vat.perform(lambda: handler(error), None, what, None)

    def fail(self, error: BaseException) -> None:
        self.handler = None

    def __repr__(self) -> str:
        return f"the handler {_name_of(self.handler)} of on_sever()"

    # What the program holds

    def cancel(self) -> None:
        """Forget the handler, unless it has begun to run. In an open turn, when that commits. Any thread."""
        home = current_home.get()
        if isinstance(home, Vat):
            home.effect(_Cancellation(self))
        else:
            self._forget()

    def _forget(self) -> None:
        self.handler = None
        subject, self.subject = self.subject, None
        if self.sink is not None:
            self.sink.unwatch(self)
        elif type(subject) is Promise:
            _in_its_thread(subject, self._unlisten)  # pyright: ignore[reportUnknownArgumentType]

    def _unlisten(self, promise: Promise[Any]) -> None:
        promise._unlisten(self)


@final
class _Cancellation:
    """The end of a registration with `on_sever`, as an effect of the turn that asked for it."""

    __slots__ = ("watch",)

    def __init__(self, watch: SeverWatch) -> None:
        self.watch = watch

    def dispatch(self) -> None:
        self.watch._forget()

    def undo(self, error: BaseException) -> None:
        """It goes on."""


def _in_its_thread(promise: Promise[Any], act: Callable[[Promise[Any]], None]) -> None:
    host = promise._at.host
    if host.here():
        act(promise)
    else:
        host.post(act, promise)


def _name_of(handler: object) -> str:
    if isinstance(handler, Ref):
        return repr(handler)
    return str(getattr(handler, "__name__", type(handler).__name__))
