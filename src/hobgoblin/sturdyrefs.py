"""Sturdyrefs at home: which object a swiss number stands for, and OCapN's bootstrap object.

Whoever knows a swiss number may have the object: it is a password. The registry keeps only hashes,
so neither its memory nor a dump gives the numbers away, and a look-up takes as long for a wrong
number as for a right one. Spec: OCapN Locators, "Sturdyref Locator"; OCapN CapTP Specification,
"The bootstrap Object".
"""

from __future__ import annotations

from typing import Any, final

from hobgoblin.captp.gifts import GiftDesk
from hobgoblin.crypto import Entropy, SwissNum, system_entropy
from hobgoblin.errors import Refused
from hobgoblin.refs import Ref
from hobgoblin.vat import Actor, method

__all__ = ["Bootstrap", "Registry"]


@final
class Registry:
    """The objects of a peer that can be fetched by a swiss number. It holds them strongly."""

    def __init__(self, entropy: Entropy = system_entropy) -> None:
        self._entropy = entropy
        self._objects: dict[bytes, Ref] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def publish(self, target: Ref, swiss: SwissNum | None = None) -> SwissNum:
        """Make ``target`` available at ``swiss``, or at a fresh random number; return the number.

        Raises:
            ValueError: another object is published at ``swiss``.
        """
        number = SwissNum.fresh(self._entropy) if swiss is None else swiss
        if self._objects.setdefault(number.digest(), target) is not target:
            raise ValueError("another object is published at this swiss number")
        return number

    def unpublish(self, swiss: SwissNum) -> None:
        """Forget a number. References that were fetched with it live on. Idempotent."""
        self._objects.pop(swiss.digest(), None)

    def clear(self) -> None:
        """Forget all numbers."""
        self._objects.clear()

    def find(self, swiss: SwissNum) -> Ref:
        """Return the object at ``swiss``.

        Raises:
            Refused: there is none; the text is the same whatever the reason.
        """
        target = self._objects.get(swiss.digest())
        if target is None:
            raise Refused("nothing is published at this swiss number")
        return target


@final
class Bootstrap(Actor):
    """What every peer exports at position 0: the door at which swiss numbers are shown."""

    def __init__(self, registry: Registry, desk: GiftDesk | None = None) -> None:
        self._registry = registry
        self._desk = desk

    @method
    def fetch(self, swiss: Any) -> Any:
        """Return the object published at ``swiss``, a byte string."""
        try:
            number = SwissNum(swiss)
        except (TypeError, ValueError):
            raise Refused("a swiss number is a byte string") from None
        return self._registry.find(number)

    @method
    def deposit_gift(self, gift_id: Any, target: Any) -> None:
        """Keep an object of ours for whoever shows the certificate that the depositor has given them."""
        self._open_desk().deposit(gift_id, target)

    @method
    def withdraw_gift(self, request: Any) -> Any:
        """Hand out the gift that a signed desc:handoff-receive is for."""
        return self._open_desk().withdraw(request)

    def _open_desk(self) -> GiftDesk:
        if self._desk is None:
            raise Refused("there are no hand-offs over a direct connection")
        return self._desk
