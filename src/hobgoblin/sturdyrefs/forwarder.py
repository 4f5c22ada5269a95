"""References that can be revoked: a forwarder between those who hold them and the object."""

from __future__ import annotations

from typing import Final, final
from weakref import WeakKeyDictionary

from hobgoblin.errors import Refused
from hobgoblin.refs import Message, Ref
from hobgoblin.vat.forwarding import Forwarding

__all__ = ["Forwarder", "Revocation"]

REVOKED: Final = "revoked"


@final
class Forwarder(Forwarding):
    """The home of one reference, which passes every message on to another one until it is revoked.

    A message stays the message it is: its arguments, the promise for its answer (or that nobody
    asked for one) and its place in the order are none of the forwarder's business. So it takes no
    turn and makes no promise: the price is one call for each message, too little to be measured. Towards
    other machines the reference is an object of ours, also if the target is elsewhere: it is never
    handed over, since messages have to come by here.

    Only this reference ends. What the object itself gave to its callers stays with them.
    """

    __slots__ = ("_revocation", "_target", "expires")

    def __init__(self, target: Ref, revocation: Revocation, expires: float) -> None:
        super().__init__(target._home)
        self._target: Ref | None = target
        self._revocation = revocation
        self.expires = expires
        revocation.forwarders[self] = None

    def revoke(self) -> None:
        """Let go of the target: from now on messages are refused. Any thread. Idempotent.

        What has arrived before is carried out, and answers that are due still come.
        """
        self._target = None

    def accept(self, message: Message) -> None:
        target = self._target
        if target is None:
            message.fail(Refused(REVOKED))
        else:
            message.target = target
            target._accept(message)


@final
class Revocation:
    """All forwarders that one number has given out and somebody still holds. They hold it."""

    __slots__ = ("__weakref__", "forwarders")

    def __init__(self) -> None:
        self.forwarders: WeakKeyDictionary[Forwarder, None] = WeakKeyDictionary()

    def revoke(self) -> None:
        for forwarder in tuple(self.forwarders):
            forwarder.revoke()
