"""References that can be revoked: a forwarder between those who hold them and the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, final
from weakref import WeakKeyDictionary

from hobgoblin.errors import Refused
from hobgoblin.refs import Host, LocalRef, Message, Promise, Ref, Site

if TYPE_CHECKING:
    from hobgoblin.vat import Vat

__all__ = ["Forwarder", "Revocation"]

REVOKED: Final = "revoked"


@final
class Forwarder:
    """The home of one reference, which passes every message on to another one until it is revoked.

    A message stays the message it is: its arguments, the promise for its answer (or that nobody
    asked for one) and its place in the order are none of the forwarder's business. So it takes no
    turn and makes no promise: the price is one call for each message, too little to be measured. Towards
    other machines the reference is an object of ours, also if the target is elsewhere: it is never
    handed over, since messages have to come by here.

    Only this reference ends. What the object itself gave to its callers stays with them.
    """

    __slots__ = ("__weakref__", "_home", "_revocation", "_target", "expires")

    def __init__(self, target: Ref, revocation: Revocation, expires: float) -> None:
        self._home = target._home
        self._target: Ref | None = target
        self._revocation = revocation
        self.expires = expires
        revocation.forwarders[self] = None

    def reference(self) -> LocalRef:
        """Return the reference to give out: of one object, so to be called once."""
        return LocalRef(self, self)

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

    # Sends from outside of any vat, for which a reference names its home

    @property
    def host(self) -> Host:
        return self._home.host

    def send(self, target: Ref, args: tuple[object, ...], site: Site | None) -> Promise[Any]:
        return self._home.send(target, args, site)

    def send_only(self, target: Ref, args: tuple[object, ...], site: Site | None) -> None:
        cast("Vat", self._home).send_only(target, args, site)

    def select(
        self, promise: Promise[Any], selector: str | int, untag: bool, site: Site | None
    ) -> Promise[Any]:
        return self._home.select(promise, selector, untag, site)

    def unheard(self, error: BaseException, site: Site | None, what: str | None) -> None:
        self._home.unheard(error, site, what)


@final
class Revocation:
    """All forwarders that one number has given out and somebody still holds. They hold it."""

    __slots__ = ("__weakref__", "forwarders")

    def __init__(self) -> None:
        self.forwarders: WeakKeyDictionary[Forwarder, None] = WeakKeyDictionary()

    def revoke(self) -> None:
        for forwarder in tuple(self.forwarders):
            forwarder.revoke()
