"""``on``: what to do when a promise settles, as later turns of the vat that asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from hobgoblin.refs import BROKEN, Promise, Ref
from hobgoblin.vat.vat import Vat

__all__ = ["Reaction"]


@final
class Reaction:
    """One registration with `on`: its handlers, and the promise for what they make of the outcome.

    The outcome's handler is one turn, ``finally_`` another one right behind it. Both are scheduled
    when the promise settles, in the order in which reactions were registered.
    """

    __slots__ = ("answer", "catch", "finally_", "fulfilled", "subject", "vat")

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
            self.vat._enqueue(_Finally(self.finally_))


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
            vat.perform(lambda: handler(outcome), answer, repr(self), None)
        elif self.broken:
            answer._break_here(self.outcome)
        else:
            answer._resolve_here(self.outcome)

    def fail(self, error: BaseException) -> None:
        self.reaction.answer._break(error)

    def __repr__(self) -> str:
        return f"the handler {_name_of(self.handler)} of on()"


@final
class _Finally:
    """The turn of a ``finally_`` handler: told nothing, and able to change nothing."""

    __slots__ = ("handler",)

    def __init__(self, handler: Callable[..., Any]) -> None:
        self.handler = handler

    def run(self, vat: Vat) -> None:
        vat.perform(self.handler, None, repr(self), None)

    def fail(self, error: BaseException) -> None:
        """Nobody waits for it."""

    def __repr__(self) -> str:
        return f"the finally_ handler {_name_of(self.handler)} of on()"


def _name_of(handler: object) -> str:
    if isinstance(handler, Ref):
        return repr(handler)
    return str(getattr(handler, "__name__", type(handler).__name__))
