"""The verbs of a vat's code: spawn, send, send_only, untag, near, become, on, drained and their kin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, final, overload

from hobgoblin.errors import NotInVat, SessionSevered
from hobgoblin.refs import Home, Promise, Ref, call_site, current_home
from hobgoblin.values import Tagged
from hobgoblin.vat.actor import Actor, method
from hobgoblin.vat.annotations import AsPassed
from hobgoblin.vat.reactions import Reaction, SeverWatch
from hobgoblin.vat.reasons import as_exception
from hobgoblin.vat.sends import near, parts_of, running_vat, send, send_only
from hobgoblin.vat.vat import Vat

__all__ = [
    "Function",
    "Resolver",
    "become",
    "drained",
    "near",
    "new_promise",
    "on",
    "on_sever",
    "send",
    "send_only",
    "spawn",
    "untag",
]

if TYPE_CHECKING:
    from hobgoblin.refs.promise import _Registered

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
A = TypeVar("A", bound=Actor)


class Function(Actor, Generic[P, R_co]):
    """The type of a reference to a function: call it to send to it."""

    # An actor is any T, too. The first overload that fits is the one that is meant.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: Function[P, Coroutine[Any, Any, A]],  # pyright: ignore[reportOverlappingOverload]
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> A: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: Function[P, Actor], *args: P.args, **kwargs: P.kwargs
    ) -> R_co: ...
    @overload
    def __call__(
        self: Function[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Promise[T]: ...
    @overload
    def __call__(self: Function[P, Promise[T]], *args: P.args, **kwargs: P.kwargs) -> Promise[T]: ...
    @overload
    def __call__(self: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> Promise[T]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a Function is the type of a reference; it has no instances")


class Resolver(Actor, Generic[T_contra]):
    """Decides a promise. The first of ``fulfill`` and ``break_`` counts, later ones are ignored."""

    def __init__(self, promise: Promise[Any]) -> None:
        self._promise = promise

    @method
    def fulfill(self, value: AsPassed = None) -> None:
        """Resolve the promise to a value, a reference or another promise."""
        running_vat("a resolver works in a vat").effect(_Decision(self._promise._resolve, value))

    @method("break")
    def break_(self, reason: AsPassed) -> None:
        """Break the promise: whoever awaits it gets ``reason`` raised (as an exception)."""
        error = as_exception(reason)
        running_vat("a resolver works in a vat").effect(_Decision(self._promise._break, error))


@final
class _Decision:
    """The settling of a promise, as an effect of the turn that decided it."""

    __slots__ = ("settle", "value")

    def __init__(self, settle: Callable[[Any], None], value: object) -> None:
        self.settle = settle
        self.value = value

    def dispatch(self) -> None:
        self.settle(self.value)

    def undo(self, error: BaseException) -> None:
        """The promise stays undecided."""


@final
class _Undecided:
    """A promise made by a turn: if the turn fails, nobody will ever decide it."""

    __slots__ = ("promise",)

    def __init__(self, promise: Promise[Any]) -> None:
        self.promise = promise

    def dispatch(self) -> None:
        """It has a resolver."""

    def undo(self, error: BaseException) -> None:
        self.promise._excuse()._break(error)


@overload  # a class makes its instances; a function that returns an actor is not told apart from it
def spawn(  # type: ignore[overload-overlap]
    behaviour: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
) -> A: ...
@overload
def spawn(behaviour: A, /) -> A: ...
@overload
def spawn(behaviour: Callable[P, R], /) -> Function[P, R]: ...
def spawn(behaviour: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Make an object in the running vat and return a reference to it.

    Args:
        behaviour: an `Actor` class, called with the other arguments within this turn; an instance
            of one; or a function.

    Raises:
        NotInVat: no vat is running here; use ``peer.spawn(…)`` or ``vat.spawn(…)``.
    """
    return running_vat("spawn() needs a vat: use peer.spawn(…) or vat.spawn(…)").spawn(
        behaviour, *args, **kwargs
    )


def untag(promise: Promise[Tagged | _Registered], tag: str) -> Promise[Any]:
    """Return a promise for the value that ``promise`` settles to with this tag, like ``promise["field"]``.

    Of ``Tagged("decimal", "3.14")``, ``untag(promise, "decimal")`` is ``"3.14"``. It breaks with
    `NoSuchPart` if the value has no tag, or another one. See `Promise.__getitem__` for the rest.

    Raises:
        TypeError: ``promise`` is no promise, or ``tag`` no text.
        NotPassable: the tag can't be written.
    """
    if type(promise) is not Promise:
        raise TypeError(f"untag() takes a promise, not {type(promise).__name__}: a value has .tag and .value")
    if not isinstance(tag, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a tag is text, not {type(tag).__name__}")
    home = current_home.get() or promise._at
    return home.select(promise, str.__str__(tag), True, call_site(1))


def become(behaviour: Any, /, *args: Any, **kwargs: Any) -> None:
    """Give the running object another behaviour when this turn commits; it keeps its identity.

    Args:
        behaviour: an `Actor` class, called with the other arguments; an instance of one; or a function.

    Raises:
        NotInVat: no object is running.
    """
    running_vat("become() works within a method or function of an object").become(behaviour, args, kwargs)


# What the handler makes of the outcome is known if it is the only one that may be asked.
@overload
def on(
    value: Awaitable[T],
    fulfilled: Callable[[T], Coroutine[Any, Any, R]],
    *,
    catch: None = None,
    finally_: Callable[[], Any] | None = None,
) -> Promise[R]: ...
@overload
def on(
    value: Awaitable[T],
    fulfilled: Callable[[T], Promise[R]],
    *,
    catch: None = None,
    finally_: Callable[[], Any] | None = None,
) -> Promise[R]: ...
@overload
def on(
    value: Awaitable[T],
    fulfilled: Callable[[T], R],
    *,
    catch: None = None,
    finally_: Callable[[], Any] | None = None,
) -> Promise[R]: ...
@overload
def on(
    value: Awaitable[T],
    fulfilled: Callable[[T], Any] | None = None,
    *,
    catch: Callable[[BaseException], Any],
    finally_: Callable[[], Any] | None = None,
) -> Promise[Any]: ...
@overload
def on(
    value: Awaitable[T], fulfilled: None = None, *, finally_: Callable[[], Any] | None = None
) -> Promise[T]: ...
@overload
def on(
    value: T,
    fulfilled: Callable[[T], R],
    *,
    catch: Callable[[BaseException], Any] | None = None,
    finally_: Callable[[], Any] | None = None,
) -> Promise[Any]: ...
@overload
def on(
    value: Any,
    fulfilled: None = None,
    *,
    catch: Callable[[BaseException], Any] | None = None,
    finally_: Callable[[], Any] | None = None,
) -> Promise[Any]: ...
def on(
    value: Any,
    fulfilled: Callable[..., Any] | None = None,
    *,
    catch: Callable[..., Any] | None = None,
    finally_: Callable[..., Any] | None = None,
) -> Promise[Any]:
    """Register handlers for when ``value`` is known, each to run in a later turn of this vat.

    Args:
        value: a promise; anything else counts as a promise fulfilled with it.
        fulfilled: called with the value.
        catch: called with the exception if the promise breaks.
        finally_: called without arguments in either case, right after the handler's turn; it
            does not wait for a promise that the handler returned and can't change the outcome.

    Returns:
        A promise for what the handler returns, broken with what it raises. Without a handler for
        the outcome it has the same outcome as ``value``.

    Raises:
        NotInVat: no vat is running, and ``value`` is no promise that would bring one along.
    """
    home: Home | None = current_home.get()
    if home is None and isinstance(value, Ref):
        home = value._home
    if not isinstance(home, Vat):
        raise NotInVat("on() needs a vat: use it in a method, or in vat.run(…); or await the promise")
    answer: Promise[Any] = Promise(home, call_site(1, "on"))
    home.effect(Reaction(home, value, fulfilled, catch, finally_, answer))
    return answer


def on_sever(target: Any, handler: Callable[[SessionSevered], Any]) -> Callable[[], None]:
    """Have ``handler`` run when the session that a reference came through ends, or now if it has ended.

    It runs once, in a turn of its own of this vat, after the promises that waited on that session have
    broken. It runs for a reference to an object behind a session; never for one of this process. It
    does not keep the reference: handlers stay when the reference is dropped, or released.

    Args:
        target: a reference, or a promise: then what counts is what it resolves to, and it counts as
            severed as well if it breaks with `SessionSevered`. Any other way to break ends the matter.
        handler: called with the `SessionSevered` that says why the session has ended. May be
            ``async``, or a reference. What it raises is logged.

    Returns:
        A function that takes it back, from any thread. Within a turn, both take effect when that commits.

    Raises:
        TypeError: ``target`` is no reference.
        NotInVat: there is no vat for the handler to run in.
    """
    if not isinstance(target, Ref):
        raise TypeError(f"on_sever() takes a reference, not {type(target).__name__}")
    home: Home = current_home.get() or target._home
    if not isinstance(home, Vat):
        raise NotInVat("on_sever() needs a vat: use it in a method, or in vat.run(…)")
    watch = SeverWatch(home, target, handler)
    home.effect(watch)
    return watch.cancel


def new_promise() -> tuple[Promise[Any], Resolver[Any]]:
    """Return a promise of the running vat and a reference to the resolver that decides it.

    Raises:
        NotInVat: no vat is running here; use ``await vat.run(new_promise)``.
    """
    vat = running_vat("new_promise() needs a vat: use it in a method, or in vat.run(…)")
    promise: Promise[Any] = Promise(vat, call_site(1, "new_promise"))
    resolver = vat.spawn(Resolver[Any], promise)
    vat.effect(_Undecided(promise))
    return promise, resolver


def drained(target: Any, /) -> Promise[None]:
    """Return a promise that is fulfilled when there is room for messages on the way to ``target``.

    Sends never wait. Those to a peer that reads more slowly than you send pile up here, and break
    with `SessionFull` when they have come to `Limits.outbound_bytes`. So in a loop that sends a lot,
    await this now and then::

        for chunk in chunks:
            send_only(file.append)(chunk)
            await drained(file)

    Args:
        target: a reference or a promise, or one of its methods. On the way to an object of this
            process there is always room.

    Returns:
        A promise that breaks with what the target is broken with, such as `SessionSevered`. It takes
        into account what was sent before, also what the running turn has sent.

    Raises:
        TypeError: ``target`` is no reference.
    """
    reference, _ = parts_of(target, "drained")
    home = cast("Vat", current_home.get() or reference._home)
    done: Promise[None] = Promise(home, call_site(1, "drained"))
    home.effect(_Room(reference, done))
    return done


@final
class _Room:
    """A question for room on the way to a reference, as an effect: it comes after what the turn sends."""

    __slots__ = ("done", "reference")

    def __init__(self, reference: Ref, done: Promise[None]) -> None:
        self.reference = reference
        self.done = done

    def dispatch(self) -> None:
        self.reference._room(self.done)

    def undo(self, error: BaseException) -> None:
        self.done._heard = True
        self.done._break(error)
