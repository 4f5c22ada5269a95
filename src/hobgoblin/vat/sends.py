# cython: nonecheck=True
"""The verbs that send, and `near`: what programs do most often, so these of the verbs are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, overload

from hobgoblin.errors import NotInVat
from hobgoblin.refs import CALLER, current_home, with_keywords
from hobgoblin.refs.message import call_site, verb_of, with_verb
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import BoundSend, Ref, sender
from hobgoblin.values import COMPILED, Symbol
from hobgoblin.vat.actor import Actor
from hobgoblin.vat.vat import Vat

__all__ = ["near", "parts_of", "running_vat", "send", "send_only"]

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A", bound=Actor)

if TYPE_CHECKING:
    from typing import Protocol

    from hobgoblin.vat.actor import Method

    R_co = TypeVar("R_co", covariant=True)

    class _Called(Protocol[P, R_co]):
        """An actor that declares ``__call__``: not every checker takes it for a callable."""

        @property
        def __call__(self) -> Method[P, R_co]: ...


_running_home: Final = current_home.get


def send(target: Any, /, *args: Any, **kwargs: Any) -> Promise[Any]:
    """Send ``args`` as they are, typically with a `Symbol` in front; return a promise for the answer."""
    if not isinstance(target, Ref):
        raise TypeError(f"send() takes a reference, not {type(target).__name__}")
    if kwargs:
        args = with_keywords(args, kwargs)
    verb: object = args[0] if args else None
    site = call_site(CALLER, verb if type(verb) is Symbol else None)
    return sender(target).send(target, args, site)


@overload
def send_only(bound: Callable[P, Any], /) -> Callable[P, None]: ...
@overload
def send_only(bound: Actor, /) -> Callable[..., None]: ...
def send_only(bound: Any, /) -> Any:
    """Return the send ``bound`` (``ref.method`` or ``ref``) in a form that asks for no answer.

    What fails over there is logged there. What can't be passed is raised here, as with any send.
    """
    target, verb = parts_of(bound, "send_only")

    def send_it(*args: Any, **kwargs: Any) -> None:
        if kwargs:
            args = with_keywords(args, kwargs)
        if verb is not None:
            args = with_verb(verb, args) if COMPILED else (verb,) + args  # noqa: RUF005 (half the time)
        sender(target).send_unanswered(target, args, call_site(CALLER))

    return send_it


@overload
def near(bound: Callable[P, Promise[T]] | _Called[P, T], /) -> Callable[P, T]: ...
@overload
def near(bound: Callable[P, A], /) -> Callable[P, A]: ...
def near(bound: Any, /) -> Any:
    """Return ``bound`` (``ref.method`` or ``ref``) as a synchronous call within the running turn.

    Only for objects of the running vat. When the call raises, everything that it did is undone
    before the caller sees the exception. An ``async def`` method starts after this turn; the call
    returns a promise for its result.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        vat = running_vat("near() works within a turn: in a method, a handler or vat.run(…)")
        return vat.call_near(bound, args, kwargs)

    return call


def running_vat(advice: str) -> Vat:
    """Return the vat that runs here. Raises NotInVat, with ``advice``, if there is none."""
    home = _running_home()
    if not isinstance(home, Vat):
        raise NotInVat(advice)
    return home


def parts_of(bound: Any, verb: str) -> tuple[Ref, Symbol | None]:
    """Return the reference in ``ref.method`` or ``ref``, and the symbol that names the method."""
    if isinstance(bound, BoundSend):
        return bound._target, verb_of(bound._name)
    if isinstance(bound, Ref):
        return bound, None
    raise TypeError(f"{verb}() takes a reference or one of its methods, not {type(bound).__name__}")
