"""Less authority than an object has: some of its methods, until further notice, not too often.

Each takes a reference to any object, near or far, and returns another one to give out instead.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, TypeVar, cast, final, overload

from hobgoblin.actors.forwarding import Forwarding, at_commit, pass_on, reference_of, running_vat
from hobgoblin.errors import NoSuchMethod, Refused
from hobgoblin.refs import Home, Message, Ref, current_home
from hobgoblin.values import Symbol
from hobgoblin.vat import Actor, Vat, method, spawn

__all__ = ["Revoker", "facet", "rate_limited", "revocable"]

A = TypeVar("A", bound=Actor)


def home_for(target: Ref) -> Home:
    """Return the home of a new forwarder to ``target``: the running vat, else that of the target."""
    return current_home.get() or target._home


@final
class Facet(Forwarding):
    """Lets messages for some methods through."""

    __slots__ = ("_callable", "_names", "_target")

    def __init__(self, target: Ref, names: frozenset[str], callable_: bool) -> None:
        super().__init__(home_for(target))
        self._target = target
        self._names = names
        self._callable = callable_

    def accept(self, message: Message) -> None:
        args = message.args
        verb = args[0] if args else None
        if type(verb) is Symbol:
            name = verb.name
        elif self._callable:
            pass_on(message, self._target)
            return
        elif type(verb) is str:
            # It would name a method of an object that can't be called itself, and be data for one
            # that can: as a symbol it can only be the former.
            name = verb
            message.args = (Symbol(verb), *args[1:])
        else:
            message.fail(NoSuchMethod("this object takes only messages that name a method"))
            return
        if name.replace("-", "_") in self._names:
            pass_on(message, self._target)
        else:
            message.fail(NoSuchMethod(f"no method {name[:80]!r}"))


@overload
def facet(target: Actor, interface: type[A], /) -> A: ...
@overload
def facet(target: A, /, *names: str) -> A: ...
def facet(target: Any, /, *names: Any) -> Any:
    """Return a reference through which only some methods of ``target`` can be called.

    Its holder learns nothing of the other methods, not even whether there are any. The facet holds
    the target; what the target returns is not restricted. Works outside of vats, too.

    >>> cell = vat.spawn(Cell, 1)
    >>> reader = facet(cell, "get")
    >>> result(reader.get())
    1
    >>> result(reader.set(2))
    Traceback (most recent call last):
    hobgoblin.errors.NoSuchMethod: no method 'set'

    Args:
        target: a reference; or, in a method, the actor itself.
        names: the methods, by their names in Python or on the wire; ``"__call__"`` for calls of the
            object itself, only where it can be: to an object that can't, a text in front names
            a method. Or one `Actor` class: the methods that it declares, and the type of the facet.

    Raises:
        TypeError: no reference, no name, or something that names no method.
    """
    reference = reference_of(target)
    if len(names) == 1 and isinstance(names[0], type) and issubclass(names[0], Actor):
        interface = names[0]
        allowed = frozenset([name for name in interface._hob_methods if "-" not in name])
        callable_ = interface._hob_call is not None
    else:
        for name in names:
            if not isinstance(name, str) or (name.startswith("_") and name != "__call__"):
                raise TypeError(f"{name!r} names no method: facet() takes names, or one Actor class")
        allowed = frozenset([name.replace("-", "_") for name in names])
        callable_ = "__call__" in allowed
    if not allowed and not callable_:
        raise TypeError("a facet without any method is of no use: name some")
    return Facet(reference, allowed - {"__call__"}, callable_).reference()


@final
class Redirect(Forwarding):
    """Leads to one object at a time, or to none: then it says why."""

    __slots__ = ("_target", "_why")

    def __init__(self, target: Ref | None, why: str, home: Home) -> None:
        super().__init__(home)
        self._target = target
        self._why = why

    def aim(self, target: Ref | None) -> None:
        """Lead to ``target`` from now on. Messages that have come by are not called back."""
        self._target = target

    def accept(self, message: Message) -> None:
        target = self._target
        if target is None:
            message.fail(Refused(self._why))
        else:
            pass_on(message, target)


@final
class Revoker(Actor):
    """Ends what `revocable` or `membrane` has made. Who holds it can do no more than that."""

    def __init__(self, revoke: Callable[[], object]) -> None:
        self._revoke = revoke

    @method
    def revoke(self) -> None:
        """From the end of this turn on every message is refused, and the object let go of. Idempotent."""
        at_commit(self._revoke)


def revocable(target: A, /) -> tuple[A, Revoker]:
    """Return a reference that leads to ``target``, and a reference to what ends that.

    Needs a vat, in which the revoker lives: ``await vat.run(revocable, target)``. Revoked, the
    forwarder holds the target no more. Answers that are due still come, and references which the
    target itself has given to its callers stay with them: use `membrane` to end those as well.

    >>> cell = vat.spawn(Cell, 1)
    >>> lent, revoker = result(vat.run(revocable, cell))
    >>> result(lent.get())
    1
    >>> result(revoker.revoke())
    >>> result(lent.get())
    Traceback (most recent call last):
    hobgoblin.errors.Refused: revoked

    Raises:
        TypeError: ``target`` is no reference.
        NotInVat: no vat is running.
    """
    redirect = Redirect(reference_of(target), "revoked", running_vat())
    return redirect.reference(), spawn(Revoker, lambda: redirect.aim(None))


@final
class RateLimit(Forwarding):
    """A token bucket: full at first, filled at a constant rate; each message takes a token."""

    __slots__ = ("_burst", "_clock", "_rate", "_target", "_then", "_tokens")

    def __init__(
        self, target: Ref, rate: float, burst: float, clock: Callable[[], float], home: Home
    ) -> None:
        super().__init__(home)
        self._target = target
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._then = clock()

    def accept(self, message: Message) -> None:
        host = self._home.host
        if host.here():
            self._accept_here(message)
        else:
            host.post(self._accept_here, message)

    def _accept_here(self, message: Message) -> None:
        now = self._clock()
        # A clock that goes back gives no tokens, and takes none.
        tokens = min(self._burst, self._tokens + max(0.0, now - self._then) * self._rate)
        self._then = now
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            pass_on(message, self._target)
        else:
            self._tokens = tokens
            message.fail(Refused("too many messages: try again later"))


def rate_limited(
    target: A, /, *, per_second: float, burst: float = 1.0, clock: Callable[[], float] | None = None
) -> A:
    """Return a reference through which messages reach ``target`` only so often; others are refused.

    Refused, not delayed: nothing waits here, so nothing grows. All who hold the reference share the
    limit: give each a reference of its own. Works outside of vats, too.

    >>> cell = vat.spawn(Cell, 1)
    >>> scarce = rate_limited(cell, per_second=0.001, burst=2)
    >>> result(scarce.get()), result(scarce.get())
    (1, 1)
    >>> result(scarce.get())
    Traceback (most recent call last):
    hobgoblin.errors.Refused: too many messages: try again later

    Args:
        target: a reference.
        per_second: how many messages a second, in the long run.
        burst: how many at once after a pause; at least 1.
        clock: tells seconds and only goes forward; by default that of the vat's host.

    Raises:
        TypeError: ``target`` is no reference.
        ValueError: a rate that is not positive and finite, or a burst below 1.
    """
    if not (per_second > 0 and isfinite(per_second)):
        raise ValueError(f"per_second is a positive number, not {per_second}")
    if not (burst >= 1 and isfinite(burst)):
        raise ValueError(f"burst is 1 or more, not {burst}")
    reference = reference_of(target)
    home = home_for(reference)
    if clock is None:
        clock = cast("Vat", home).host.clock
    return cast("A", RateLimit(reference, per_second, burst, clock, home).reference())
