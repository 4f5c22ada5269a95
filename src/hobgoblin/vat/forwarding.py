"""The home of a reference that leads to another one: what all forwarders do alike."""

from __future__ import annotations

from typing import Any

from hobgoblin.refs import Home, LocalHome, LocalRef, Message, Promise, Ref, Site

__all__ = ["Forwarding"]


class Forwarding(LocalHome):
    """The home of one reference, for which subclasses say what becomes of its messages."""

    __slots__ = ("__weakref__", "_home")

    def __init__(self, home: Home) -> None:
        # Forwarders to forwarders are no chain in this: there is a vat below them.
        self._home: Home = home._home if isinstance(home, Forwarding) else home
        super().__init__(self._home.host)

    def reference(self) -> Any:
        """Return the reference to give out: of one object, so to be called once."""
        return LocalRef(self, self)

    def accept(self, message: Message) -> None:
        """Pass a message on, or fail it. Any thread; must not raise."""
        raise NotImplementedError

    # Sends from outside of any vat, for which a reference names its home

    def send(self, target: Ref, args: tuple[object, ...], site: Site | None) -> Promise[Any]:
        return self._home.send(target, args, site)

    def send_unanswered(self, target: Ref, args: tuple[object, ...], site: Site | None) -> None:
        self._home.send_unanswered(target, args, site)

    def select(
        self, promise: Promise[Any], selector: str | int, untag: bool, site: Site | None
    ) -> Promise[Any]:
        return self._home.select(promise, selector, untag, site)

    def unheard(self, error: BaseException, site: Site | None, what: str | None) -> None:
        self._home.unheard(error, site, what)
