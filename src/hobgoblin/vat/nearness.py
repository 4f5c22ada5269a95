"""What `near` may call: objects of the vat that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hobgoblin.errors import NotNear
from hobgoblin.refs import FULFILLED, LocalRef, Promise, Ref

if TYPE_CHECKING:
    from hobgoblin.vat.vat import Vat

__all__ = ["near_object"]


def near_object(vat: Vat, target: Any) -> LocalRef:
    """Return the reference to an object of ``vat`` that ``target`` stands for.

    Raises:
        NotNear: it is not, or not yet, known to be one.
    """
    if not isinstance(target, Ref):
        raise NotNear(f"near() takes a reference or one of its methods, not {type(target).__name__}")
    reference: object = target
    if isinstance(target, Promise) and target._state == FULFILLED:
        reference = target._value
    if type(reference) is LocalRef and reference._vat is vat:
        return reference
    if not isinstance(reference, Ref):
        raise NotNear("near() takes an object, and the promise was fulfilled with plain data")
    raise NotNear(
        f"{reference!r} does not live in the vat {vat.name!r}: send to it instead, and await the answer"
    )
