"""What stands between those who hold a reference and the object: it passes messages on, or does not.

A forwarder is the home of one reference. It takes no turn: a message stays the message it is, with
its arguments, the promise for its answer and its place in the order. So it adds one call to each
message, and pipelining goes right through it. The price: `near` can't call through a forwarder, for
it is no object of any vat. Towards other machines it is an object of this process, also if what it
leads to is elsewhere; `on_sever` never fires for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from hobgoblin.errors import BadArguments, NotInVat, Refused
from hobgoblin.refs import FULFILLED, LocalRef, Message, Promise, Ref, current_home
from hobgoblin.vat import Actor, Vat, on
from hobgoblin.vat.actor import reference_to
from hobgoblin.vat.forwarding import Forwarding
from hobgoblin.vat.shapes import revived_result

__all__ = [
    "Forwarding",
    "at_commit",
    "behaviour_of",
    "home_of",
    "object_of",
    "pass_on",
    "reference_of",
    "running_vat",
    "when_known",
]

T = TypeVar("T")
A = TypeVar("A", bound=Actor)

_MOST_IN_A_ROW: Final = 64
"""Each costs some frames of the stack, and those who may choose a target may build a circle."""


class _Row(threading.local):
    """How many forwarders the message that is being passed on in this thread has gone through."""

    length = 0


_row = _Row()


def home_of(reference: LocalRef) -> object:
    """Return the home of a reference, which may be a forwarder."""
    return reference._vat


def pass_on(message: Message, target: Ref) -> None:
    """Let a message go on to ``target``, unless it has come through too many forwarders in a row."""
    length = _row.length
    if length >= _MOST_IN_A_ROW:
        message.fail(Refused("too many forwarders in a row, perhaps in a circle"))
        return
    _row.length = length + 1
    try:
        message.target = target
        target._accept(message)
    finally:
        _row.length = length


class _Deed:
    """Something that is done when the open turn commits, and never if it fails."""

    __slots__ = ("do",)

    def __init__(self, do: Callable[[], object]) -> None:
        self.do = do

    def dispatch(self) -> None:
        self.do()

    def undo(self, error: BaseException) -> None:
        """Nothing has been done."""


def at_commit(do: Callable[[], object]) -> None:
    """Call ``do()`` when the open turn commits, in its place among what the turn has sent."""
    running_vat().effect(_Deed(do))


def running_vat() -> Vat:
    """Return the vat whose turn this is.

    Raises:
        NotInVat: none is running.
    """
    home = current_home.get()
    if not isinstance(home, Vat):
        raise NotInVat("this needs a vat: use it in a method, or as await vat.run(…)")
    return home


def reference_of(target: object) -> Ref:
    """Return the reference that was given, or the one to a spawned actor that was given itself.

    Raises:
        TypeError: it is neither.
        NotInVat: the actor has not been spawned.
    """
    if isinstance(target, Actor):
        return reference_to(target)
    if not isinstance(target, Ref):
        raise TypeError(f"this takes a reference, not a {type(target).__name__}")
    return target


def object_of(value: object) -> Ref:
    """Return an argument that has to be an object, or a promise for one.

    Raises:
        BadArguments: it is data.
    """
    if not isinstance(value, Ref):
        raise BadArguments(f"an object belongs here, not a {type(value).__name__}")
    return value


def behaviour_of(reference: object, cls: type[A]) -> A | None:
    """Return the behaviour of an object of the running vat if it is a ``cls``, exactly; else ``None``.

    What is looked at is an object that this vat has made, found by a reference that nobody can
    forge: never what a reference from elsewhere claims to be.
    """
    if type(reference) is LocalRef and reference._vat is current_home.get():
        behaviour = reference._behaviour
        if type(behaviour) is cls:
            return behaviour
    return None


def when_known(value: Any, then: Callable[[Any], T]) -> T:
    """Return ``then(value)``; for a promise that is not known yet a promise for that, in a later turn."""
    if type(value) is Promise:
        promise: Promise[Any] = value  # pyright: ignore[reportUnknownVariableType]
        if promise._at.host.here() and promise._state == FULFILLED:
            return then(revived_result(promise._value))
        return cast("T", on(promise, then))
    return then(value)
