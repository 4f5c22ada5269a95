"""Joiners: one promise made of several, and one with a time limit.

Each takes promises, references and plain values, mixed as they come; what is no promise counts as
one that is fulfilled with it. Give a list with a star: ``all_of(*promises)``. The same promise may
be given more than once.

They need a vat, like `on`: the running one; outside of any, that of the first promise or reference.
In a turn they begin when it commits, and if it fails they never do. Their own promises settle in a
later turn of the vat.

What is decided lets go of the rest: a promise that stays pending keeps nothing of a joiner that has
ended. The calls themselves go on, for nothing on the wire takes one back: their entries in the tables
of a session stay until they are answered or it ends. How they end does not matter any more: a promise
given to a joiner counts as listened to, and its failure is not reported, be it before the decision or
after. A joiner's own failure is reported like any other if nobody looks at it.

A joiner that is given, through other promises, its own promise waits for ever, as with `on`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from math import inf, isnan
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar, cast, final, overload

from hobgoblin.errors import NotInVat
from hobgoblin.refs import BROKEN, Home, Promise, Ref, Site, call_site, current_home, sent_from
from hobgoblin.values import Symbol
from hobgoblin.vat.actor import Actor
from hobgoblin.vat.contracts import TaskHandle
from hobgoblin.vat.passing import pass_value
from hobgoblin.vat.shapes import revived_result, shaped_together
from hobgoblin.vat.vat import Vat

__all__ = ["Outcome", "all_of", "any_of", "race", "settled", "timeout"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
A = TypeVar("A", bound=Actor)


@final
class Outcome(Generic[T_co]):
    """How a promise has settled, as `settled` tells it. Made only there.

    It stays in the process: return from a method what you need of it.
    """

    __slots__ = ("_error", "_trace", "_value")

    def __init__(self, promise: Promise[T_co]) -> None:
        broken = promise._state == BROKEN
        self._error: BaseException | None = promise._value if broken else None
        self._trace: TracebackType | None = promise._trace if broken else None
        self._value: Any = None if broken else promise._value

    @property
    def fulfilled(self) -> bool:
        """Whether there is a value; otherwise there is an error."""
        return self._error is None

    @property
    def value(self) -> T_co:
        """What the promise was fulfilled with. If it broke, its reason is raised."""
        if self._error is not None:
            raise self._error.with_traceback(self._trace)
        return cast("T_co", revived_result(self._value))

    @property
    def error(self) -> BaseException | None:
        """The reason why the promise broke; ``None`` if it did not."""
        return self._error

    def __repr__(self) -> str:
        return f"<Outcome {'fulfilled' if self._error is None else f'broken: {type(self._error).__name__}'}>"


# Checkers can't tell a plain value from a promise for one in the same place: with a plain value among the
# arguments the last overload is the one that fits.
@overload
def all_of(first: Awaitable[T1], /) -> Promise[tuple[T1]]: ...
@overload
def all_of(first: Awaitable[T1], second: Awaitable[T2], /) -> Promise[tuple[T1, T2]]: ...
@overload
def all_of(
    first: Awaitable[T1], second: Awaitable[T2], third: Awaitable[T3], /
) -> Promise[tuple[T1, T2, T3]]: ...
@overload
def all_of(
    first: Awaitable[T1],
    second: Awaitable[T2],
    third: Awaitable[T3],
    fourth: Awaitable[T4],
    /,
) -> Promise[tuple[T1, T2, T3, T4]]: ...
@overload
def all_of(
    first: Awaitable[T1],
    second: Awaitable[T2],
    third: Awaitable[T3],
    fourth: Awaitable[T4],
    fifth: Awaitable[T5],
    /,
) -> Promise[tuple[T1, T2, T3, T4, T5]]: ...
@overload
def all_of(*promises: Awaitable[T]) -> Promise[tuple[T, ...]]: ...
@overload
def all_of(*promises: object) -> Promise[tuple[object, ...]]: ...
def all_of(*promises: Any) -> Promise[Any]:
    """Return a promise for the values of all, a tuple in the order of the arguments.

    ``all_of()`` is fulfilled with an empty tuple. As soon as one breaks, it breaks with that one's
    reason; of several that have broken already, the first of the arguments counts. To learn how each
    of them ends, use `settled`.

    Args:
        promises: promises, references or plain values; ``all_of(*list_of_promises)`` for a list.

    Raises:
        NotInVat: no vat is running, and none of them is a promise or a reference that brings one along.
        NotPassable: a plain value can't be passed.
        TypeError: a list of promises was given instead of the promises.
    """
    return _join(_AllOf, promises, call_site(1, "all_of"))


# References are typed as what they refer to: the first that settles is one of that type, too.
@overload
def any_of(  # type: ignore[overload-overlap]
    *promises: A,  # pyright: ignore[reportOverlappingOverload]
) -> A: ...
@overload
def any_of(first: Awaitable[T1], second: Awaitable[T2], /) -> Promise[T1 | T2]: ...
@overload
def any_of(first: Awaitable[T1], second: Awaitable[T2], third: Awaitable[T3], /) -> Promise[T1 | T2 | T3]: ...
@overload
def any_of(*promises: Awaitable[T]) -> Promise[T]: ...
@overload
def any_of(*promises: object) -> Promise[object]: ...
def any_of(*promises: Any) -> Any:
    """Return a promise for the value of the first that is fulfilled.

    If all of them break, it breaks with an `ExceptionGroup` of their reasons, one for each argument in
    that order. The group's notes say which call each of them was, and where it was sent. ``any_of()``
    breaks with a `ValueError`: nothing can ever fulfil it.

    Args:
        promises: promises, references or plain values; ``any_of(*list_of_promises)`` for a list.

    Raises:
        NotInVat, NotPassable, TypeError: as `all_of` does.
    """
    return _join(_AnyOf, promises, call_site(1, "any_of"))


@overload
def race(  # type: ignore[overload-overlap]
    *promises: A,  # pyright: ignore[reportOverlappingOverload]
) -> A: ...
@overload
def race(first: Awaitable[T1], second: Awaitable[T2], /) -> Promise[T1 | T2]: ...
@overload
def race(first: Awaitable[T1], second: Awaitable[T2], third: Awaitable[T3], /) -> Promise[T1 | T2 | T3]: ...
@overload
def race(*promises: Awaitable[T]) -> Promise[T]: ...
@overload
def race(*promises: object) -> Promise[object]: ...
def race(*promises: Any) -> Any:
    """Return a promise that settles as the first of them to settle does, be it fulfilled or broken.

    Of several that have settled already, the first of the arguments wins; what belongs to another
    thread is a little late. ``race()`` breaks with a `ValueError`: elsewhere it stays pending for
    ever, but nobody wants to wait for that.

    Args:
        promises: promises, references or plain values; ``race(*list_of_promises)`` for a list.

    Raises:
        NotInVat, NotPassable, TypeError: as `all_of` does.
    """
    return _join(_Race, promises, call_site(1, "race"))


@overload
def settled(first: Awaitable[T1], /) -> Promise[tuple[Outcome[T1]]]: ...
@overload
def settled(first: Awaitable[T1], second: Awaitable[T2], /) -> Promise[tuple[Outcome[T1], Outcome[T2]]]: ...
@overload
def settled(
    first: Awaitable[T1], second: Awaitable[T2], third: Awaitable[T3], /
) -> Promise[tuple[Outcome[T1], Outcome[T2], Outcome[T3]]]: ...
@overload
def settled(
    first: Awaitable[T1],
    second: Awaitable[T2],
    third: Awaitable[T3],
    fourth: Awaitable[T4],
    /,
) -> Promise[tuple[Outcome[T1], Outcome[T2], Outcome[T3], Outcome[T4]]]: ...
@overload
def settled(
    first: Awaitable[T1],
    second: Awaitable[T2],
    third: Awaitable[T3],
    fourth: Awaitable[T4],
    fifth: Awaitable[T5],
    /,
) -> Promise[tuple[Outcome[T1], Outcome[T2], Outcome[T3], Outcome[T4], Outcome[T5]]]: ...
@overload
def settled(*promises: Awaitable[T]) -> Promise[tuple[Outcome[T], ...]]: ...
@overload
def settled(*promises: object) -> Promise[tuple[Outcome[object], ...]]: ...
def settled(*promises: Any) -> Promise[Any]:
    """Return a promise for how each of them ends: a tuple of `Outcome` in the order of the arguments.

    It waits for all and never breaks because of one of them. ``settled()`` is fulfilled with an empty
    tuple.

    Args:
        promises: promises, references or plain values; ``settled(*list_of_promises)`` for a list.

    Raises:
        NotInVat, NotPassable, TypeError: as `all_of` does.
    """
    return _join(_Settled, promises, call_site(1, "settled"))


@overload
def timeout(promise: A, seconds: float) -> A: ...  # type: ignore[overload-overlap]
@overload
def timeout(promise: Awaitable[T], seconds: float) -> Promise[T]: ...
@overload
def timeout(promise: T, seconds: float) -> Promise[T]: ...
def timeout(promise: Any, seconds: float) -> Any:
    """Return a promise that settles like ``promise``, or breaks with `TimeoutError` after ``seconds``.

    The time runs from when the turn commits, by the clock of the vat's event loop. It ends the waiting
    and nothing else: the call may still be carried out over there, and ``promise`` still settles. The
    error says which call it was; a note on it, where it was sent. If the vat is stopped first, it
    breaks with `VatStopped`.

    Args:
        promise: a promise; anything else counts as a promise fulfilled with it.
        seconds: 0 or less for what has settled by now; infinity for no limit.

    Raises:
        TypeError: ``seconds`` is no number.
        ValueError: it is nan.
        NotInVat, NotPassable: as `all_of` does.
    """
    if not isinstance(seconds, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"timeout() takes a number of seconds, not {type(seconds).__name__}")
    if isnan(seconds):
        raise ValueError("timeout() takes a number of seconds, not nan")
    vat = _vat_of((promise,), "timeout")
    answer: Promise[Any] = Promise(vat, call_site(1, "timeout"))
    vat.effect(_Timeout(vat, (_as_promise(promise, vat, 0),), answer, seconds))
    return answer


class _Join:
    """An effect of a turn, then a listener of promises, then a turn that settles the answer.

    ::

        effect ──turn commits──▶ listens to all that are ``waited_for`` ──decided──▶ to none; in the
                                                                      queue of the vat ──▶ answer

    ``waited_for`` holds what has not been heard of; it is empty once this is decided, and what comes
    in later from other threads is ignored. All of it in the thread of the vat, except `settled`. It is
    the queue that settles the answer, and not the listener, so that no chain of joiners costs stack.
    """

    __slots__ = ("answer", "inputs", "outcome", "vat", "waited_for")

    name: ClassVar[str]

    def __init__(self, vat: Vat, inputs: tuple[Promise[Any], ...], answer: Promise[Any]) -> None:
        self.vat = vat
        self.inputs: tuple[Promise[Any], ...] = inputs
        self.answer = answer
        self.waited_for: dict[Promise[Any], None] = {}
        self.outcome: Promise[Any] | None = None

    def consider(self, promise: Promise[Any]) -> None:
        """Decide, if that is possible now that ``promise`` has settled."""
        raise NotImplementedError

    def conclude(self) -> None:
        """Decide: all have settled."""
        raise NotImplementedError

    # An effect

    def dispatch(self) -> None:
        host = self.vat.host
        if host.here():
            self.begin()
        else:
            host.post(self.begin)

    def undo(self, error: BaseException) -> None:
        self.answer._excuse()._break(error)

    def begin(self) -> None:
        self.waited_for = dict.fromkeys(self.inputs)
        if not self.waited_for:
            self.conclude()
            return
        promises = tuple(self.waited_for)
        for promise in promises:
            promise._heard = True
        for promise in promises:
            promise._listen(self)
            if self.outcome is not None:
                break

    # A listener

    def settled(self, promise: Promise[Any]) -> None:
        host = self.vat.host
        if host.here():
            self._hear(promise)
        else:
            host.post(self._hear, promise)

    def _hear(self, promise: Promise[Any]) -> None:
        if promise not in self.waited_for:
            return
        del self.waited_for[promise]
        self.consider(promise)
        if self.outcome is None and not self.waited_for:
            self.conclude()

    def decide(self, outcome: Promise[Any]) -> None:
        """Listen no more, and settle the answer like ``outcome``, which has settled."""
        waited_for, self.waited_for = self.waited_for, {}
        self.inputs = ()
        self.outcome = outcome
        for promise in waited_for:
            host = promise._at.host
            if host.here():
                promise._unlisten(self)
            else:
                host.post(promise._unlisten, self)
        self.vat._enqueue(self)

    def fulfill(self, value: object) -> None:
        outcome: Promise[Any] = Promise(self.vat)
        outcome._resolve_here(value)
        self.decide(outcome)

    def break_(self, error: BaseException) -> None:
        outcome: Promise[Any] = Promise(self.vat)
        outcome._excuse()._break_here(error)
        self.decide(outcome)

    # A job

    def run(self, vat: Vat) -> None:
        outcome = self.outcome
        if outcome is not None:
            self.answer._settle_as(outcome)

    def fail(self, error: BaseException) -> None:
        self.answer._break(error)

    def __repr__(self) -> str:
        return f"{self.name}()"


@final
class _AllOf(_Join):
    __slots__ = ()

    name = "all_of"

    def consider(self, promise: Promise[Any]) -> None:
        if promise._state == BROKEN:
            self.decide(promise)

    def conclude(self) -> None:
        self.fulfill(shaped_together([promise._value for promise in self.inputs]))


@final
class _AnyOf(_Join):
    __slots__ = ()

    name = "any_of"

    def consider(self, promise: Promise[Any]) -> None:
        if promise._state != BROKEN:
            self.decide(promise)

    def conclude(self) -> None:
        if not self.inputs:
            self.break_(ValueError("any_of() of nothing: there is no promise that could be fulfilled"))
            return
        reasons: list[BaseException] = [promise._value for promise in self.inputs]
        several = f"none of {len(reasons)} promises was" if len(reasons) > 1 else "the only promise was not"
        error = BaseExceptionGroup(f"any_of(): {several} fulfilled", reasons)
        for number, promise in enumerate(self.inputs, 1):
            error.add_note(f"{number}: {_called_at(promise._site)}")
        self.break_(error)


@final
class _Race(_Join):
    __slots__ = ()

    name = "race"

    def consider(self, promise: Promise[Any]) -> None:
        self.decide(promise)

    def conclude(self) -> None:
        self.break_(ValueError("race() of nothing: there is no promise that could settle"))


@final
class _Settled(_Join):
    __slots__ = ()

    name = "settled"

    def consider(self, promise: Promise[Any]) -> None:
        """All of them count."""

    def conclude(self) -> None:
        self.fulfill(tuple([Outcome(promise) for promise in self.inputs]))


@final
class _Timeout(_Join):
    """``timer`` is set while this is undecided; the vat cancels it by `vat_stopped`."""

    __slots__ = ("__weakref__", "seconds", "timer")

    name = "timeout"

    def __init__(
        self, vat: Vat, inputs: tuple[Promise[Any], ...], answer: Promise[Any], seconds: float
    ) -> None:
        super().__init__(vat, inputs, answer)
        self.seconds = seconds
        self.timer: TaskHandle | None = None

    def begin(self) -> None:
        super().begin()
        if self.outcome is not None:
            return
        if self.seconds <= 0:
            self._expire()
        elif self.vat.stopped:
            self.vat_stopped()
        elif self.seconds < inf:
            try:
                self.timer = self.vat.host.call_later(self.seconds, self._expire)
            except RuntimeError:
                self.vat_stopped()  # the loop is closed, and with it the vat
            else:
                self.vat.depend(self)

    def consider(self, promise: Promise[Any]) -> None:
        self.decide(promise)

    def decide(self, outcome: Promise[Any]) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        super().decide(outcome)

    def vat_stopped(self) -> None:
        """There is nobody left to wait. `Vat` calls this."""
        if self.outcome is None:
            self.break_(self.vat._stop_error())

    def _expire(self) -> None:
        site = self.inputs[0]._site
        called = _called_at(site).partition(", sent")[0]
        error = TimeoutError(f"{called} did not settle within {self.seconds:g} s")
        if site is not None:
            error.add_note(_called_at(site))
        self.break_(error)


def _join(kind: type[_Join], promises: tuple[Any, ...], site: Site | None) -> Promise[Any]:
    if len(promises) == 1 and type(promises[0]) is list:
        items = cast("list[object]", promises[0])
        if any(isinstance(item, Promise) for item in items):
            raise TypeError(f"{kind.name}() takes promises, not a list of them: write {kind.name}(*promises)")
    vat = _vat_of(promises, kind.name)
    answer: Promise[Any] = Promise(vat, site)
    inputs = tuple([_as_promise(promise, vat, index) for index, promise in enumerate(promises)])
    vat.effect(kind(vat, inputs, answer))
    return answer


def _vat_of(promises: tuple[Any, ...], name: str) -> Vat:
    home: Home | None = current_home.get()
    if home is None:
        home = next((promise._home for promise in promises if isinstance(promise, Ref)), None)
    if not isinstance(home, Vat):
        raise NotInVat(f"{name}() needs a vat: give it a promise, or use it in a method or in vat.run(…)")
    return home


def _as_promise(value: Any, vat: Vat, index: int) -> Promise[Any]:
    if type(value) is Promise:
        return value  # pyright: ignore[reportUnknownVariableType]
    promise: Promise[Any] = Promise(vat)
    promise._resolve(pass_value(value, vat, f"args[{index}]"))
    return promise


def _called_at(site: Site | None) -> str:
    """Return what was called and where, for a report: ``drive(), sent from "…", line 3, in main``."""
    if site is None:
        return "a promise"
    name = site[2]
    called = name.name if type(name) is Symbol else str(name or "")
    return f"{called}(), sent from {sent_from(site)}"
