"""What homes of objects have in common for compiled code, which calls them without looking up a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hobgoblin.refs.contracts import Host, Site

if TYPE_CHECKING:
    from hobgoblin.refs.message import Message
    from hobgoblin.refs.promise import Promise
    from hobgoblin.refs.reference import Ref

__all__ = ["LocalHome"]


class LocalHome:
    """The home of a `LocalRef`: a vat, or what passes messages on. See `Home` for what is asked of it."""

    __slots__ = ("_host",)

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def host(self) -> Host:
        return self._host

    def accept(self, message: Message) -> None:
        """Take a message for one of this home's objects. Any thread; must not raise."""
        raise NotImplementedError

    def send(self, target: Ref, args: tuple[object, ...], site: Site | None) -> Promise[Any]:
        """Send from this home, within its open turn if there is one."""
        raise NotImplementedError

    def send_unanswered(self, target: Ref, args: tuple[object, ...], site: Site | None) -> None:
        """Send without asking for an answer, as in `send`."""
        raise NotImplementedError
