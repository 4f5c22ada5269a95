"""A boundary around an object and all that is reached through it, which can be ended as a whole.

::

      outside                    membrane                      inside

      wrapper of x  ── message ──▶ arguments wrapped ──▶  x        x came out in an answer
      y            ◀─ wrapped arguments ◀── message ──  wrapper of y    y went in as an argument
      answer       ◀── wrapped ◀────────────────────── its answer

Everything that crosses is looked at: a reference to an object on this side becomes one to its
wrapper on the other side, and a wrapper that goes back becomes the object itself. So each side sees
of the other one only wrappers, and each object always as the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast, final
from weakref import WeakKeyDictionary, WeakSet
from weakref import ref as weak_ref

from hobgoblin.actors.facets import Revoker
from hobgoblin.actors.forwarding import Forwarding, home_of, pass_on, reference_of, running_vat
from hobgoblin.errors import BrokenPromise, Refused
from hobgoblin.refs import (
    BROKEN,
    ROUTE_RELAY,
    LocalRef,
    Message,
    Promise,
    Ref,
)
from hobgoblin.values import ErrorValue, Keyword, Null, Record, Shaped, Symbol, Tagged
from hobgoblin.vat import Actor, Vat, spawn

__all__ = ["membrane"]

A = TypeVar("A", bound=Actor)

_REVOKED: Final = "revoked"
_ATOMS: Final = frozenset({bool, bytes, float, int, str, type(None), Null, Symbol, Keyword, ErrorValue})
_INSIDE: Final = 0
"""The sides are 0 and 1: that of the object which the membrane is made for, and the other one."""


@final
class Membrane:
    """What all wrappers of one membrane share. Used only in the thread of its vat.

    Weak in both directions: it keeps neither objects nor wrappers. A wrapper holds its object, and
    a promise that has not settled the wrapper which is to settle like it.
    """

    __slots__ = ("__weakref__", "_crossings", "_wrappers", "vat")

    def __init__(self, vat: Vat) -> None:
        self.vat = vat
        # By the side on which the wrapped one lives. Both ends weak: an object may, by way of the
        # other side, hold its own wrapper.
        self._wrappers = (
            WeakKeyDictionary[Ref, "weak_ref[Ref]"](),
            WeakKeyDictionary[Ref, "weak_ref[Ref]"](),
        )
        self._crossings: WeakSet[Crossing] = WeakSet()

    def in_thread(self, act: Callable[..., object], *args: object) -> None:
        host = self.vat.host
        if host.here():
            act(*args)
        else:
            host.post(act, *args)

    def revoke(self) -> None:
        """Let go of all objects and promises: nothing crosses without them, so nothing new comes to be."""
        for crossing in tuple(self._crossings):
            crossing.end()
        for wrappers in self._wrappers:
            for known in tuple(wrappers.values()):
                wrapper = known()
                if type(wrapper) is LocalRef:
                    cast("Wrapping", wrapper._vat).target = None
            wrappers.clear()

    def forward(self, message: Message, target: Ref | None, side: int) -> None:
        """Let a message go on from the other side to ``target`` of ``side``, unless that is gone."""
        if target is None:
            message.fail(Refused(_REVOKED))
            return
        try:
            args = cast("tuple[object, ...]", self.cross(message.args, 1 - side))
        except Refused as error:
            message.fail(error)
            return
        outer = message.answer
        if outer is None:
            onward = Message(target, args, None, message.home, message.site)
        else:
            inner: Promise[Any] = Promise(self.vat, message.site)
            onward = message.asked_for(inner)
            onward.args = args
            self._link(outer, inner, side)
        pass_on(onward, target)

    def cross(self, value: Any, side: int) -> Any:
        """Return what the other side sees of a value that leaves ``side``: itself, if nothing is in it.

        Raises:
            Refused: it is of a kind that is not known here, and might hold anything.
        """
        if isinstance(value, Ref):
            return self._cross_reference(value, side)
        kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind in _ATOMS:
            return value
        if kind is tuple or kind is list:
            items = [self.cross(item, side) for item in value]
            return value if all(map(_same, items, value)) else tuple(items)
        if isinstance(value, Mapping):
            struct = cast("Mapping[str, Any]", value)
            fields = {name: self.cross(field, side) for name, field in struct.items()}
            return struct if all(map(_same, fields.values(), struct.values())) else MappingProxyType(fields)
        if kind is Tagged:
            return Tagged(value.tag, self.cross(value.value, side))
        if kind is Shaped:
            return Shaped(self.cross(value.value, side))
        if kind is Record:
            return Record(self.cross(value.label, side), self.cross(value.fields, side))
        if isinstance(value, BaseException):
            return self._cross_error(value, side)
        raise Refused(f"a {kind.__name__} can't cross a membrane")

    def _cross_reference(self, reference: Any, side: int) -> Ref:
        if type(reference) is LocalRef:
            home = home_of(reference)
            if type(home) is Wrapping and home.membrane is self:
                # Back to where it came from; or one that is for the other side anyway.
                return home.target if home.side != side and home.target is not None else reference
        elif type(reference) is Promise:
            way: Any = reference._route  # pyright: ignore[reportUnknownVariableType]
            if type(way) is Crossing and way.membrane is self and way.side != side and way.inner is not None:
                return way.inner
        return self._wrapper_of(cast("Ref", reference), side)

    def _wrapper_of(self, reference: Ref, side: int) -> Ref:
        wrappers = self._wrappers[side]
        known = wrappers.get(reference)
        wrapper = None if known is None else known()
        if wrapper is None:
            if isinstance(reference, Promise):
                promise: Promise[Any] = Promise(self.vat)
                self._link(promise._excuse(), reference, side)  # pyright: ignore[reportUnknownArgumentType]
                wrapper = promise
            else:
                wrapper = cast("LocalRef", Wrapping(self, reference, side).reference())
            wrappers[reference] = weak_ref(wrapper)
        return wrapper

    def _link(self, outer: Promise[Any], inner: Promise[Any], side: int) -> None:
        """Have ``outer`` settle like ``inner`` of ``side``, as seen from the other side.

        What is sent to ``outer`` meanwhile, and by that way later, goes through the membrane to ``inner``.
        """
        crossing = Crossing(self, outer, inner, side)
        self._crossings.add(crossing)
        if outer._at.host.here():
            outer._set_route(crossing, ROUTE_RELAY, 0)
        else:
            outer._at.host.post(outer._set_route, crossing, ROUTE_RELAY, 0)
        inner._listen(crossing)

    def _cross_error(self, error: BaseException, side: int) -> BaseException:
        try:
            if type(error) is BrokenPromise:
                reason = self.cross(error.reason, side)
                return error if reason is error.reason else BrokenPromise(reason)
            parts = (error.args, *vars(error).values())
            if all(map(_same, [self.cross(part, side) for part in parts], parts)):
                return error
        except Refused:
            pass
        # Only what it is called: the rest may lead to anything.
        return BrokenPromise(type(error).__name__)


def _same(one: object, other: object) -> bool:
    return one is other


@final
class Wrapping(Forwarding):
    """The home of a wrapper of ``target``, which lives on ``side``."""

    __slots__ = ("membrane", "side", "target")

    def __init__(self, membrane: Membrane, target: Ref, side: int) -> None:
        super().__init__(membrane.vat)
        self.membrane = membrane
        self.target: Ref | None = target
        self.side = side

    def accept(self, message: Message) -> None:
        self.membrane.in_thread(self._accept_here, message)

    def _accept_here(self, message: Message) -> None:
        self.membrane.forward(message, self.target, self.side)


@final
class Crossing:
    """Has a promise on one side settle like one on the other; and is the way for messages to it.

    ::

        outer, seen on the other side ──route──▶ crossing ◀──listener── inner, which lives on ``side``

    Held by ``inner`` until that settles, and by ``outer`` as long as messages may come by here.
    """

    __slots__ = ("__weakref__", "inner", "membrane", "outer", "side")

    def __init__(self, membrane: Membrane, outer: Promise[Any], inner: Promise[Any], side: int) -> None:
        self.membrane = membrane
        self.outer: Promise[Any] | None = outer
        self.inner: Promise[Any] | None = inner
        self.side = side

    # A route of the outer promise

    def accept(self, message: Message) -> None:
        self.membrane.in_thread(self._accept_here, message)

    def _accept_here(self, message: Message) -> None:
        self.membrane.forward(message, self.inner, self.side)

    def listen(self, promise: Promise[Any]) -> None:
        """It is told anyway."""

    def room(self, done: Promise[None]) -> None:
        inner = self.inner
        if inner is None:
            done._resolve(None)
        else:
            inner._room(done)

    # A listener to the inner one

    def settled(self, promise: Promise[Any]) -> None:
        self.membrane.in_thread(self._settle, promise._state == BROKEN, promise._value)

    def _settle(self, broken: bool, value: Any) -> None:
        outer, self.outer = self.outer, None
        if outer is None:
            return  # revoked meanwhile
        try:
            crossed = self.membrane.cross(value, self.side)
        except Refused as error:
            outer._break(error)
            return
        if broken:
            outer._break(crossed)
        else:
            outer._resolve(crossed)

    def end(self) -> None:
        """The membrane has been revoked: let go of both, and break the outer one if it waits."""
        outer, self.outer = self.outer, None
        self.inner = None
        if outer is not None:
            outer._break(Refused(_REVOKED))


def membrane(target: A, /) -> tuple[A, Revoker]:
    """Return a wrapper of ``target``, and a reference to what ends it and all that came through it.

    A revocable reference lets through it what gives its holder others, which don't end with it.
    A membrane wraps those as well, in both directions, promises too: revoked, it leaves no way
    between the two sides. Answers that are due break then, and nothing of one side is held by the
    other any more. An object is wrapped once: its wrapper is equal to itself wherever it came through,
    and whoever passes it back gives the other side the object itself.

    Pipelining works through it. What it does not see: data, so an URI or a nonce in a text goes
    through as it is; and what the two sides tell each other by other ways. A failure goes through
    as it is, if it has no reference in it.

    Needs a vat. Messages are looked at in the vat's thread.

    >>> locker = vat.spawn(Cell, vat.spawn(Cell, "inside"))
    >>> wrapped, revoker = result(vat.run(membrane, locker))
    >>> found = result(wrapped.get())
    >>> result(found.get())
    'inside'
    >>> result(revoker.revoke())
    >>> result(found.get())
    Traceback (most recent call last):
    hobgoblin.errors.Refused: revoked

    Raises:
        TypeError: ``target`` is no reference.
        NotInVat: no vat is running.
    """
    boundary = Membrane(running_vat())
    wrapper = boundary.cross(reference_of(target), _INSIDE)
    return wrapper, spawn(Revoker, boundary.revoke)
