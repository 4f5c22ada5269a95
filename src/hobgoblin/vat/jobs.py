"""What waits in the queue of a vat and is no message, and what holds the place of an object."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, final
from weakref import ref as weak_ref

from hobgoblin.refs import Cause, LocalRef, Promise
from hobgoblin.vat.actor import Actor, disown, make_ready
from hobgoblin.vat.guards import guarded
from hobgoblin.vat.invoke import is_function
from hobgoblin.vat.reasons import reason_of

if TYPE_CHECKING:
    from hobgoblin.vat.vat import Vat

__all__ = ["Birth", "Effect", "Fence", "Job", "Make", "NearCoroutine", "Nobody", "Thunk", "maker"]


class Effect(Protocol):
    """Something a turn has done that sets out when the turn commits."""

    def dispatch(self) -> None: ...

    def undo(self, error: BaseException) -> None:
        """The turn has failed: break what waits for this, quietly."""
        ...


class Job(Protocol):
    """A turn that waits in the queue and is no message."""

    def run(self, vat: Vat) -> None: ...

    def fail(self, error: BaseException) -> None: ...


@final
class Nobody:
    """The behaviour of an object that never came to be."""

    __slots__ = ("__name__", "error")

    def __init__(self, error: BaseException) -> None:
        self.__name__ = "nobody"
        self.error = error


Make = Callable[[LocalRef], object]
"""Makes the behaviour of an object, given the reference to it."""


def maker(behaviour: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Make:
    """Return what makes the behaviour of a new object; raise TypeError if ``behaviour`` can't be one."""
    origin: Any = getattr(behaviour, "__origin__", behaviour)  # Box of Box[int]
    if isinstance(origin, type) and issubclass(origin, Actor):
        make_ready(origin)
        return lambda reference: _construct(origin, args, kwargs, reference)
    name: str = getattr(behaviour, "__name__", type(behaviour).__name__)
    if args or kwargs:
        raise TypeError(f"only an Actor class takes constructor arguments; {name} is none")
    if isinstance(behaviour, Actor):
        if behaviour._hob_ref is not None:
            raise TypeError(f"this {name} has been spawned already: use the reference to it")
        make_ready(type(behaviour))
        return lambda _: behaviour
    if is_function(behaviour):
        function = guarded(behaviour)
        return lambda _: function
    raise TypeError(f"an object is made of an Actor class or of a function, not of {name}")


def _construct(
    cls: type[Actor], args: tuple[Any, ...], kwargs: dict[str, Any], reference: LocalRef
) -> object:
    """Call a class, such that its constructor can pass ``self`` and send to it already.

    Otherwise a ``self`` passed there would be spawned on the way, as one more object.
    """
    if type(cls).__call__ is not type.__call__:
        return cls(*args, **kwargs)
    actor: object = cls.__new__(cls, *args, **kwargs)
    if isinstance(actor, cls):
        object.__setattr__(actor, "_hob_ref", weak_ref(reference))
        try:
            actor.__init__(*args, **kwargs)  # type: ignore[misc]  # what calling the class does
        except BaseException:
            disown(actor)
            raise
    return actor


@final
class Birth:
    """The construction of an object from another vat or thread: a turn, and an effect."""

    __slots__ = ("cause", "make", "reference", "vat")

    if TYPE_CHECKING:
        cause: Cause

    def __init__(self, vat: Vat, reference: LocalRef, make: Make) -> None:
        self.vat = vat
        self.reference = reference
        self.make = make

    def dispatch(self) -> None:
        self.vat._enqueue(self)

    def run(self, vat: Vat) -> None:
        try:
            vat._turn_in_context(lambda: vat._born(self.reference, self.make), self)
        except BaseException as error:
            reason = reason_of(error)
            self.fail(reason)
            vat.unheard(reason, None, "the constructor of an object")
            if isinstance(error, KeyboardInterrupt):
                raise

    def fail(self, error: BaseException) -> None:
        self.reference._behaviour = Nobody(error)

    undo = fail

    def __repr__(self) -> str:
        return "a constructor"


@final
class Thunk:
    """A function that runs as a turn because `Vat.run` was asked to."""

    __slots__ = ("answer", "cause", "name", "vat", "work")

    if TYPE_CHECKING:
        cause: Cause

    def __init__(self, vat: Vat, work: Callable[[], Any], answer: Promise[Any], name: str) -> None:
        self.vat = vat
        self.work = work
        self.answer = answer
        self.name = name

    def dispatch(self) -> None:
        self.vat._enqueue(self)

    def run(self, vat: Vat) -> None:
        vat.perform(self.work, self.answer, self.name, None, self)

    def undo(self, error: BaseException) -> None:
        self.answer._excuse()._break(error)

    def fail(self, error: BaseException) -> None:
        self.answer._break(error)

    def __repr__(self) -> str:
        return f"{self.name}()"


@final
class Fence:
    """Tells that everything before it in the queue has had its turn."""

    __slots__ = ("passed",)

    def __init__(self, passed: Callable[[], object]) -> None:
        self.passed = passed

    def run(self, vat: Vat) -> None:
        self.passed()

    def fail(self, error: BaseException) -> None:
        self.passed()

    def __repr__(self) -> str:
        return "a fence"


@final
class NearCoroutine:
    """An asynchronous method that was called with `near`: it starts when the turn has committed."""

    __slots__ = ("answer", "cause", "coroutine", "running", "vat")

    if TYPE_CHECKING:
        cause: Cause

    def __init__(
        self, vat: Vat, coroutine: Coroutine[Any, Any, Any], answer: Promise[Any], running: LocalRef | None
    ) -> None:
        self.vat = vat
        self.coroutine = coroutine
        self.answer = answer
        self.running = running

    def dispatch(self) -> None:
        self.vat._enqueue(self)

    def run(self, vat: Vat) -> None:
        vat._start(self.coroutine, self.answer, repr(self), self.running, self)

    def undo(self, error: BaseException) -> None:
        self.answer._excuse()
        self.fail(error)

    def fail(self, error: BaseException) -> None:
        self.coroutine.close()
        self.answer._break(error)

    def __repr__(self) -> str:
        return getattr(self.coroutine, "__qualname__", "a coroutine")
