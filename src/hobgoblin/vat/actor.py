"""Actors: classes whose instances live in a vat, and the methods that may be called from outside.

The static types say what a holder of a *reference* may write: `method` turns ``(self, x) -> R``
into ``(x) -> Promise[R]``, or into ``(x) -> A`` where the result is itself an actor, so that every
pipelined step is checked. At run time such a reference is a `Ref`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from types import FunctionType, MemberDescriptorType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    final,
    overload,
)
from weakref import ref as weak_ref

from hobgoblin.errors import NotInVat
from hobgoblin.refs import BoundSend, LocalRef, Promise
from hobgoblin.vat.guards import Guard

if TYPE_CHECKING:
    from hobgoblin.vat.vat import Vat

__all__ = ["Actor", "InheritedMethod", "Method", "method", "reference_to"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

MISSING: Final = object()

_YIELDS: Final = CO_GENERATOR | CO_ASYNC_GENERATOR


@final
class Method(Generic[P, R_co]):
    """A declared method: what `method` makes of a function in the body of an `Actor` class."""

    def __init__(self, function: Callable[Concatenate[Any, P], R_co], exact_name: str | None = None) -> None:
        if not isinstance(function, FunctionType):
            kind = type(function).__name__
            raise TypeError(f"@method declares plain and async functions of a class, not a {kind}")
        if function.__code__.co_flags & _YIELDS:
            raise TypeError(
                f"@method can't declare {function.__qualname__}, which yields, as generators do not pass: "
                "return a list, or take a function and call it with each item"
            )
        self.function: Callable[..., Any] = function
        self.guard = Guard(function, method=True)
        self.exact_name = exact_name
        self.__name__ = function.__name__
        self._named = False
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __set_name__(self, owner: type, name: str) -> None:
        if not self._named:
            self._named = True
            self.__name__ = name
            self.guard.owner = owner

    @overload
    def __get__(self, obj: None, owner: Any = None) -> Self: ...
    # Not by a bound type variable: mypy takes that for anything, and so a `Car | None` for an actor.
    @overload
    def __get__(self: Method[P, Actor], obj: object, owner: Any = None) -> Callable[P, R_co]: ...
    @overload
    def __get__(self: Method[P, Promise[T]], obj: object, owner: Any = None) -> Callable[P, Promise[T]]: ...
    @overload
    def __get__(self: Method[P, T], obj: object, owner: Any = None) -> Callable[P, Promise[T]]: ...
    def __get__(self, obj: Any, owner: Any = None) -> Any:
        # On an instance this is a send to oneself, as the types say; on super() it is the
        # inherited function, which only `near` can call.
        if obj is None:
            return self
        cls = cast("type[Actor]", type(obj))
        declared = getattr(cls, "_hob_declared", None)
        if declared is None:
            raise TypeError(
                f"@method declares {self.__name__} for references, but {cls.__name__} is no Actor: "
                f"write class {cls.__name__}(Actor)"
            )
        if declared.get(self.__name__) is not self:
            return InheritedMethod(obj, self)
        reference = reference_to(obj)
        return reference if self.__name__ == "__call__" else BoundSend(reference, self.__name__)

    def __repr__(self) -> str:
        return f"<method {self.function.__qualname__}>"


@final
class InheritedMethod:
    """``super().name`` within an actor: call it with ``near(super().name)(…)``."""

    __slots__ = ("actor", "guard")

    def __init__(self, actor: Actor, declared: Method[..., Any]) -> None:
        self.actor = actor
        self.guard = declared.guard

    def __call__(self, *args: object, **kwargs: object) -> object:
        name = self.guard.__name__
        raise TypeError(f"super().{name} can't be sent to: call it with near(super().{name})(…)")


if TYPE_CHECKING:

    class _Declare(Protocol):
        """``@method("exactName")``: what it makes of a function is the same as without a name."""

        @overload
        def __call__(
            self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
        ) -> Method[P, R]: ...
        @overload
        def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Method[P, R]: ...


@overload
def method(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> Method[P, R]: ...
@overload
def method(function: Callable[Concatenate[Any, P], R], /) -> Method[P, R]: ...
@overload
def method(exact_name: str, /) -> _Declare: ...
def method(argument: Any, /) -> Any:
    """Declare that a method may be called from outside: by whoever holds a reference.

    Args:
        argument: the function, in the form ``@method``; or, in the form ``@method("exactName")``,
            the name it has on the wire where ``make_car`` for ``make-car`` won't do.

    Raises:
        TypeError: for anything but a plain or ``async def`` function, and for those that yield.
    """
    if isinstance(argument, str):
        name = argument

        def declare(function: Callable[..., Any]) -> Method[..., Any]:
            return Method(function, name)

        return declare
    return Method(argument)


def _wrapped(attribute: object) -> object:
    if isinstance(attribute, property):
        return attribute.fget
    if isinstance(attribute, classmethod | staticmethod):
        return cast("staticmethod[..., object]", attribute).__func__
    return None


class Actor:
    """Base of the classes whose instances live in a vat.

    Only methods declared with `method` can be called through a reference; no attribute, property
    or inherited member can ever be reached. State is the attributes: what a turn assigns is undone
    when the turn fails. What a turn changes *inside* of an attribute (``self.items.append(…)``) is
    not: prefer tuples, frozen dataclasses and other values that are replaced as a whole.

    Within an actor, ``self.inc()`` of a declared method sends to oneself like any other call: it
    returns a promise and runs in a later turn. Logic that several methods share belongs into methods
    that are not declared, which run at once; or call ``near(self.inc)()``.

    A class that only declares methods serves as the interface of somebody else's object.
    """

    _hob_declared: ClassVar[dict[str, Method[..., Any]]] = {}
    _hob_methods: ClassVar[dict[str, Guard | Callable[..., Any]]] = {}
    _hob_call: ClassVar[Guard | Callable[..., Any] | None] = None
    _hob_ready: ClassVar[bool] = True

    # Of an instance that lives in a vat. What asks for its ``__dict__`` makes one, which takes 64 octets for
    # each actor: so these are read and set as attributes.
    _hob_ref: weak_ref[LocalRef] | None = None
    _hob_vat: Vat | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared: dict[str, Method[..., Any]] = {}
        for base in reversed(cls.__mro__):
            for name, attribute in vars(base).items():
                if isinstance(attribute, Method):
                    declared[name] = attribute
                elif isinstance(_wrapped(attribute), Method):
                    kind = type(attribute).__name__
                    raise TypeError(f"{cls.__name__}.{name}: @method declares no {kind}; write it alone")
                else:
                    # Overridden without @method: not meant for outside any more.
                    declared.pop(name, None)
        methods: dict[str, Guard | Callable[..., Any]] = {}
        for name, attribute in declared.items():
            if attribute.__name__ != name:
                raise TypeError(f"{cls.__name__}.{name} is {attribute.__name__} again: declare it by itself")
            if name == "__call__":
                continue
            if name.startswith("_"):
                raise TypeError(f"{cls.__name__}.{name}: a method for outside can't start with an underscore")
            for wire_name in {name, attribute.exact_name or name}:
                key = wire_name.replace("-", "_")
                if methods.setdefault(key, attribute.guard) is not attribute.guard:
                    raise TypeError(f"{cls.__name__}: two methods are both called {key!r} on the wire")
        # Under both spellings, so that a call needs one look-up.
        methods.update([(key.replace("_", "-"), guard) for key, guard in methods.items()])
        cls._hob_declared = declared
        cls._hob_methods = methods
        call = declared.get("__call__")
        cls._hob_call = None if call is None else call.guard
        cls._hob_ready = False

    def __setattr__(self, name: str, value: object) -> None:
        vat = self._hob_vat
        if vat is not None and vat._open:
            old = self.__dict__.get(name, MISSING)
            if old is MISSING:
                old = _old_value(self, name)
            vat._undo.append((self, name, old))
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        old = stored(self, name)
        object.__delattr__(self, name)
        vat = self._hob_vat
        if vat is not None and vat._open:
            vat._undo.append((self, name, old))

    def __await__(self) -> Generator[Any, None, Self]:
        # For the types: what is typed as an actor and awaited is a reference or a promise.
        yield from ()
        raise TypeError(f"await a reference to this {type(self).__name__}, not the object itself")


def make_ready(cls: type[Actor]) -> None:
    """Read the annotations of all methods of a class, so that what is wrong with them shows at once.

    A method that has nothing to check is called without a `Guard` from then on.

    Raises:
        TypeError: an annotation does not say what to check.
    """
    if cls._hob_ready:
        return
    for name, entry in cls._hob_methods.items():
        if isinstance(entry, Guard):
            cls._hob_methods[name] = entry.ready()
    if isinstance(cls._hob_call, Guard):
        cls._hob_call = cls._hob_call.ready()
    cls._hob_ready = True


def _old_value(actor: Actor, name: str) -> object:
    """Return the value of an attribute that is not in the actor's ``__dict__``: perhaps in a slot."""
    if name in ("__class__", "__dict__"):
        raise TypeError(f"{name} of an actor stays what it is: use become(…) for another behaviour")
    if isinstance(getattr(type(actor), name, None), MemberDescriptorType):
        return getattr(actor, name, MISSING)
    return MISSING


def stored(actor: Actor, name: str) -> object:
    """Return what `undo` puts back: the value of an attribute, or that there is none."""
    value = actor.__dict__.get(name, MISSING)
    return _old_value(actor, name) if value is MISSING else value


def undo(actor: Actor, name: str, old: object) -> None:
    """Put an attribute back to what it was before an assignment."""
    if isinstance(getattr(type(actor), name, None), MemberDescriptorType):
        if old is MISSING:
            object.__delattr__(actor, name)
        else:
            object.__setattr__(actor, name, old)
    elif old is MISSING:
        actor.__dict__.pop(name, None)
    else:
        actor.__dict__[name] = old


def adopt(actor: Actor, reference: LocalRef, vat: Vat) -> None:
    """Tell an actor who it is: from now on its assignments belong to the turns of ``vat``."""
    object.__setattr__(actor, "_hob_ref", weak_ref(reference))
    object.__setattr__(actor, "_hob_vat", vat)


def disown(actor: Actor) -> None:
    """Take back `adopt`: the turn that made the actor part of the vat has failed."""
    actor.__dict__.pop("_hob_ref", None)
    actor.__dict__.pop("_hob_vat", None)


def reference_to(actor: Actor) -> LocalRef:
    """Return the reference to an actor that has been spawned.

    Raises:
        NotInVat: it has not been spawned.
    """
    known = actor._hob_ref
    if known is None:
        name = type(actor).__name__
        raise NotInVat(f"this {name} lives in no vat yet: use spawn({name}, …)")
    reference = known()
    if reference is None:
        # Everybody has dropped it, and only a running method still knows the object.
        vat = cast("Vat", actor._hob_vat)
        reference = LocalRef(vat, actor)
        adopt(actor, reference, vat)
    return reference
