# cython: nonecheck=True
# For references that nobody has initialised: what is sent to them raises in the compiled form, too.
"""References to objects, near and far, and the sends that they make."""

from __future__ import annotations

from collections.abc import Generator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from hobgoblin.refs.contracts import Home, Sink, current_home
from hobgoblin.refs.inert import Inert
from hobgoblin.refs.message import CALLER, Message, call_site, verb_of, with_keywords, with_verb
from hobgoblin.values import COMPILED

if TYPE_CHECKING:
    from hobgoblin.refs.promise import Promise


_ADVICE = "a reference has no behaviour of its own: `await` it, call a method on it, or pass it on"


# What asyncio calls on whatever it takes for a future. Sent to an object instead, `asyncio.wait` would
# hang. An object that does have such a method is reached with ``send(ref, Symbol("get-loop"))``.
_OF_FUTURES: Final = frozenset({"add_done_callback", "remove_done_callback", "get_loop"})


FUNCTIONS: Final = (FunctionType, MethodType, BuiltinFunctionType, type(lambda: None))
"""The types of functions; of those in compiled modules, such as what `near` returns, it is the last."""

_running_home: Final = current_home.get


class Ref(Inert):
    """A reference to an object, here or far away. Made only by vats and sessions.

    ``ref.method(…)`` sends a message and returns a promise at once; ``ref(…)`` sends without a
    method name. References compare by identity of the object. Everything else is refused with
    a `TypeError`, so that no library can make a reference do something by accident.
    """

    __slots__ = ("__weakref__",)

    @property
    def _home(self) -> Home:
        raise NotImplementedError

    def _refuse(self, name: str) -> NoReturn:
        raise TypeError(f"{name} is not possible on {self!r}: {_ADVICE}")

    def _accept(self, message: Message) -> None:
        raise NotImplementedError

    def _room(self, done: Promise[None]) -> None:
        """Fulfil ``done`` when there is room on the way that messages take from here."""
        done._resolve(None)

    # Compiled, here stands a __getattribute__: see hatch_build.py.
    def __getattr__(self, name: str) -> BoundSend:
        return _method_of(self, name)

    def __call__(self, *args: object, **kwargs: object) -> Promise[Any]:
        if kwargs:
            args = with_keywords(args, kwargs)
        return sender(self).send(self, args, call_site(CALLER))

    def __await__(self) -> Generator[Any, None, Any]:
        # A reference is its own resolution: there is nothing to wait for. In a method of an actor
        # the turn ends here all the same, as it does at a promise for this reference.
        if _running_home() is not None:
            yield
        return self

    # Attributes can't be set because of the slots. A __setattr__ that says so in better words
    # would cost every promise three microseconds.

    def __dir__(self) -> list[str]:
        return []

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


def _is_attribute(name: str) -> bool:
    """Tell whether a name is none of a method: all attributes of references start with an underscore."""
    return len(name) > 0 and name[0] == "_"


def _method_of(target: Ref, name: str) -> BoundSend:
    if _is_attribute(name):
        raise AttributeError(f"{name} can't be reached through a reference: {_ADVICE}")
    if name in _OF_FUTURES:
        raise AttributeError(
            f"{name}: a promise is no asyncio future: await it, or wrap it in asyncio.ensure_future(promise)"
        )
    bound = BoundSend.__new__(BoundSend)
    bound._target = target
    bound._name = name
    return bound


@final
class BoundSend(Inert):
    """``ref.method``: a send that lacks its arguments. Call it, or give it to a verb such as `near`."""

    __slots__ = ("_name", "_target")

    __hash__ = object.__hash__

    def __init__(self, target: Ref, name: str) -> None:
        self._target = target
        self._name = name

    def __call__(self, *args: object, **kwargs: object) -> Promise[Any]:
        if kwargs:
            args = with_keywords(args, kwargs)
        target = self._target
        verb = verb_of(self._name)
        args = with_verb(verb, args) if COMPILED else (verb,) + args  # noqa: RUF005 (half the time)
        return sender(target).send(target, args, call_site(CALLER, verb))

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} can't be reached through {self!r}: {self._advice()}")

    def __await__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a method: call it, and await what it returns")

    def __repr__(self) -> str:
        return f"<{self._name} of {self._target!r}>"

    # All six comparisons: a class that has some of them and is compiled inherits none of the others.

    def __lt__(self, other: object) -> NoReturn:
        self._refuse("__lt__")

    def __le__(self, other: object) -> NoReturn:
        self._refuse("__le__")

    def __gt__(self, other: object) -> NoReturn:
        self._refuse("__gt__")

    def __ge__(self, other: object) -> NoReturn:
        self._refuse("__ge__")

    def __eq__(self, other: object) -> Any:
        return self._compare("__eq__", other)

    def __ne__(self, other: object) -> Any:
        return self._compare("__ne__", other)

    def _compare(self, name: str, other: object) -> Any:
        # ``ref.size == 5`` is a mistake. To look for a function among callbacks, of which this is
        # one, is none: asyncio does so.
        if callable(other) and not isinstance(other, Ref | BoundSend | type):
            return NotImplemented
        return self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise TypeError(f"{name} is not possible on {self!r}: {self._advice()}")

    def _advice(self) -> str:
        return f"a method has no behaviour of its own: call it first, as in `ref.{self._name}(…)`"


def sender(target: Ref) -> Home:
    """Return the home that a send to ``target`` is made from: the vat that runs, or that of the reference."""
    home = _running_home()
    return target._home if home is None else home


class NamedBehaviour:
    """The behaviour of an object that is a function, with something around it; has the function's name."""

    __slots__ = ("__name__",)

    def __init__(self, name: str) -> None:
        self.__name__ = name


@final
class LocalRef(Ref):
    """A reference to an object of a vat of this process. The object lives as long as it is held."""

    __slots__ = ("_behaviour", "_vat")

    def __init__(self, vat: Home, behaviour: object) -> None:
        self._vat = vat
        self._behaviour = behaviour

    @property
    def _home(self) -> Home:
        return self._vat

    def _accept(self, message: Message) -> None:
        self._vat.accept(message)

    def __repr__(self) -> str:
        behaviour = self._behaviour
        name = type(behaviour).__name__
        if isinstance(behaviour, (NamedBehaviour, *FUNCTIONS)):
            # Nothing else is asked for its name: an actor might run code to tell it.
            name = str(getattr(behaviour, "__name__", name))
        return f"<Ref {name}>"


@final
class RemoteRef(Ref):
    """A reference to an object behind a session, at the peer's export ``_pos``."""

    __slots__ = ("_pos", "_sink")

    def __init__(self, sink: Sink, pos: int) -> None:
        self._sink = sink
        self._pos = pos

    @property
    def _home(self) -> Home:
        return self._sink.home

    def _accept(self, message: Message) -> None:
        self._sink.accept(message)

    def _room(self, done: Promise[None]) -> None:
        self._sink.room(done)

    def __repr__(self) -> str:
        return "<Ref remote>"
