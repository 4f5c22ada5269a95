"""What a peer publishes: objects, at swiss numbers, under names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, overload

from hobgoblin.crypto import SwissNum
from hobgoblin.errors import NetlayerError
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.netlayers import Netlayer
from hobgoblin.refs import Ref
from hobgoblin.sturdyrefs import Registry
from hobgoblin.sturdyrefs.registry import moment

__all__ = ["Publisher"]


class Publisher:
    """The part of a `Peer` that publishes.

    Args:
        name: for errors.
        netlayers: where others can come to, by transport.
        registry: what was published.
        wall_clock: tells the time in seconds since 1970.
    """

    def __init__(
        self, name: str, netlayers: dict[str, Netlayer], registry: Registry, wall_clock: Callable[[], float]
    ) -> None:
        self._name = name
        self._netlayers = netlayers
        self._registry = registry
        self._wall_clock = wall_clock

    def publish(
        self,
        target: Any,
        *,
        swiss: bytes | None = None,
        transport: str | None = None,
        expires: float | datetime | None = None,
        revocable: bool = False,
        name: str | None = None,
    ) -> str:
        """Make an object available to whoever knows the URI that this returns. It is a password.

        One object can have any number of URIs, each with a life of its own. Publishing it at the
        same number again changes nothing but when that expires. Any thread.

        Args:
            target: a reference to the object; the peer holds it from now on.
            swiss: a swiss number of your choice, so that the URI is the same again after a
                restart; by default 32 random octets.
            transport: which of several netlayers the URI names; by default the first.
            expires: when the URI stops working: in so many seconds, or at a time with a time zone.
                What counts is the system's time at the turn that fetches; a message that was sent
                along with the fetch goes to the object. The hold on the object ends then, too, at
                the latest a minute after the clock was set or the machine slept.
            revocable: make `revoke` possible. The URI then leads to a reference of its own, which
                passes all messages on, and which ends when the URI expires. It is an object, even
                if ``target`` is a promise; it is no near object; and it costs no turn.
            name: what to call the object, so that `restore` finds it after a restart. It is stored
                before this returns, which takes as long as the registry takes. An object may have
                many numbers under one name.

        Raises:
            TypeError: ``target`` is no reference.
            ValueError: another object has this number or this name; ``expires`` is no time, or
                over; there is a name, but no registry.
            NetlayerError: nobody can reach this peer: it listens on no such netlayer.
            StoreError: the registry could not be written. Nothing was published.
        """
        _require_reference("publish", target)
        location = self._location(transport)
        number = self._registry.publish(
            target,
            None if swiss is None else SwissNum(swiss),
            expires=None if expires is None else moment(expires, self._wall_clock()),
            revocable=revocable,
            name=name,
        )
        return SturdyRef(location, number).uri()

    def restore(self, name: str, target: Any) -> int:
        """Let the URIs that were published under ``name`` before a restart lead to ``target`` again.

        ::

            factory = peer.spawn(CarFactory, "Fork")
            if not peer.restore("factory", factory):
                print(peer.publish(factory, name="factory"))

        Until a name is given to an object, its URIs look like unknown ones. `publish` with a name
        does the same, and makes a number more. Any thread.

        Returns:
            How many numbers there are under this name. What is not stored can't be told again: not
            the URIs.

        Raises:
            TypeError: ``target`` is no reference.
            ValueError: another object has this name; or there is no registry.
        """
        _require_reference("restore", target)
        return self._registry.restore(name, target)

    def published_names(self) -> list[str]:
        """Return the names in the registry: those with an object, and those that wait for `restore`."""
        return self._registry.names()

    @overload
    def unpublish(self, uri: str) -> None: ...
    @overload
    def unpublish(self, *, name: str) -> None: ...
    def unpublish(self, uri: str | None = None, *, name: str | None = None) -> None:
        """Make a URI, or all those of a name, worthless from now on, also after a restart.

        References that were fetched live on; see `revoke`. Idempotent, and an unknown URI is fine.
        A number that you chose yourself opens again when you publish at it again. Any thread.

        Raises:
            LocatorError: the text is no sturdyref.
            StoreError: it is done, but could not be stored: call it again, lest it be undone by a
                restart.
        """
        self._registry.unpublish(self._digests(uri, name))

    @overload
    def revoke(self, uri: str) -> None: ...
    @overload
    def revoke(self, *, name: str) -> None: ...
    def revoke(self, uri: str | None = None, *, name: str | None = None) -> None:
        """Unpublish, and cut off those who have come through: what they send breaks with `Refused`.

        That holds for whomever they have passed the reference on to, and if the URI was unpublished
        before. What has arrived is carried out, and answers that are due still come. What the
        object has handed out itself, a reference to itself included, goes on working.
        Idempotent, and an unknown URI is fine. Any thread.

        Raises:
            ValueError: it was published without ``revocable``: it is unpublished, but whoever has
                fetched the object keeps it.
            LocatorError, StoreError: as for `unpublish`.
        """
        self._registry.revoke(self._digests(uri, name))

    def _digests(self, uri: str | None, name: str | None) -> list[bytes]:
        if (uri is None) == (name is None):
            raise TypeError("say either which URI or which name")
        if name is not None:
            return self._registry.digests(name)
        assert uri is not None
        return [SturdyRef.parse(uri).swiss.digest()]

    def _location(self, transport: str | None) -> PeerLocator:
        for netlayer in self._netlayers.values():
            if transport in (None, netlayer.transport) and netlayer.listening:
                return netlayer.location
        what = "any netlayer" if transport is None else f"a netlayer {transport!r}"
        raise NetlayerError(
            f"{self._name} does not listen on {what}, so nobody could use the URI: "
            "give the peer one with an address, such as netlayers.Unix('a.sock')"
        )


def _require_reference(verb: str, target: object) -> None:
    if not isinstance(target, Ref):
        raise TypeError(f"{verb}() takes a reference, such as spawn() returns, not {type(target).__name__}")
