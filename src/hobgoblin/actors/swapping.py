"""One reference, several objects behind it in turn: swappable, and a stack of which the top answers."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast, final

from hobgoblin.actors.facets import Redirect
from hobgoblin.actors.forwarding import at_commit, object_of, reference_of, running_vat
from hobgoblin.errors import Refused
from hobgoblin.refs import Ref
from hobgoblin.vat import Actor, method, spawn

__all__ = ["Pushdown", "Swapper", "new_pushdown", "new_swappable"]

A = TypeVar("A", bound=Actor)


@final
class Swapper(Actor, Generic[A]):
    """Decides which object a swappable reference leads to."""

    def __init__(self, redirect: Redirect) -> None:
        self._redirect = redirect

    @method
    def swap(self, target: A) -> None:
        """Lead to ``target`` from the end of this turn on. What came before goes to the one before."""
        reference = object_of(target)
        at_commit(lambda: self._redirect.aim(reference))


def new_swappable(target: A, /) -> tuple[A, Swapper[A]]:
    """Return a reference that leads to ``target``, and one to the swapper that changes that.

    For upgrades, states, failover: those who hold the reference notice nothing, and need not trust
    each other; the swapper's holder decides what it means. Needs a vat. It holds the target.

    >>> one, two = vat.spawn(Cell, 1), vat.spawn(Cell, 2)
    >>> current, swapper = result(vat.run(new_swappable, one))
    >>> result(current.get())
    1
    >>> result(swapper.swap(two))
    >>> result(current.get())
    2

    Raises:
        TypeError: ``target`` is no reference.
        NotInVat: no vat is running.
    """
    redirect = Redirect(reference_of(target), "", running_vat())
    return redirect.reference(), spawn(Swapper[A], redirect)


@final
class Pushdown(Actor, Generic[A]):
    """Decides what is on the stack. Holds what is; a thousand objects at most, unless told otherwise."""

    def __init__(self, redirect: Redirect, limit: int) -> None:
        self._redirect = redirect
        self._limit = limit
        # Pairs of an object and the rest below it: to push and to pop changes nothing that is there.
        self._stack: tuple[Ref, Any] | None = None
        self._depth = 0

    @method
    def push(self, target: A) -> None:
        """Put an object on top, which gets the messages from the end of this turn on."""
        if self._depth >= self._limit:
            raise Refused("the stack is full")
        self._set((object_of(target), self._stack), self._depth + 1)

    @method
    def pop(self) -> A:
        """Take the object on top away, and return it. Refused if there is none."""
        if self._stack is None:
            raise Refused("the stack is empty")
        top, below = self._stack
        self._set(below, self._depth - 1)
        return cast("A", top)

    @method
    def depth(self) -> int:
        """Return how many objects there are."""
        return self._depth

    def _set(self, stack: tuple[Ref, Any] | None, depth: int) -> None:
        self._stack, self._depth = stack, depth
        top = None if stack is None else stack[0]
        at_commit(lambda: self._redirect.aim(top))


def new_pushdown(*, limit: int = 1000) -> tuple[Any, Pushdown[Any]]:
    """Return a reference that leads to the top of a stack of objects, and one to the stack.

    Messages are refused while the stack is empty. For a mode on top of another, as in a game or
    an editor. Needs a vat.

    >>> top, stack = result(vat.run(new_pushdown))
    >>> _ = stack.push(vat.spawn(Cell, "playing"))
    >>> result(stack.push(vat.spawn(Cell, "paused")))
    >>> result(top.get())
    'paused'
    >>> _ = result(stack.pop())
    >>> result(top.get())
    'playing'

    Raises:
        NotInVat: no vat is running.
    """
    redirect = Redirect(None, "there is nothing on the stack", running_vat())
    return redirect.reference(), spawn(Pushdown[Any], redirect, limit)
