"""Quotas: how much of a peer's waits here, counted by the lives of the tickets for it.

Whatever waits holds a ticket: a message in the queue of a promise, a report of how a call ends. When
it is let go, for whatever reason (it was carried out, it failed, its vat has stopped, nobody can
settle the promise any more and it was collected), its ticket goes with it. So nothing is counted that
takes no memory, and nothing that does is forgotten. A ticket may be dropped in any thread, at any
point: that puts its size into a queue, and nothing else.
"""

from __future__ import annotations

from typing import Final, TypeVar, final

from hobgoblin.errors import ProtocolError

__all__ = ["Queues", "Quota", "Ticket", "emptied"]

T = TypeVar("T")

_Entry = tuple[int, int]
"""What a ticket is for: the key of the promise and the octets of the message, or nothing of both."""

_ONE: Final = (0, 0)

_ENDLESS: Final = 2**62
"""More than there will ever be of anything: what is counted fits a machine's word."""

_DROPPED: Final = 64
"""So many dropped tickets may be left uncounted where there is room for more."""


@final
class Ticket:
    """Counts as long as it lives."""

    __slots__ = ("_dropped", "_entry")

    def __init__(self, dropped: list[_Entry], entry: _Entry) -> None:
        self._dropped = dropped
        self._entry = entry

    def __repr__(self) -> str:
        return "<Ticket>"

    def __del__(self) -> None:
        self._dropped.append(self._entry)


@final
class Quota:
    """A number of things that may wait at a time; ``what`` names them, as in ``"listeners"``."""

    __slots__ = ("_dropped", "_most", "_taken", "_what")

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = min(most, _ENDLESS)
        self._taken = 0
        self._dropped: list[_Entry] = []

    def __len__(self) -> int:
        return self._taken - len(self._dropped)

    def take(self) -> Ticket:
        """Return a ticket for one more.

        Raises:
            ProtocolError: the peer has gone over the limit.
        """
        dropped = self._dropped
        if len(dropped) >= _DROPPED or self._taken >= self._most:
            self._taken -= len(emptied(dropped))
            if self._taken >= self._most:
                raise ProtocolError(f"too many {self._what}")
        self._taken += 1
        ticket = Ticket.__new__(Ticket)
        ticket._dropped = dropped
        ticket._entry = _ONE
        return ticket


@final
class Queues:
    """The messages that wait for promises, and their octets: of each promise, and of all together."""

    __slots__ = (
        "_by_key",
        "_dropped",
        "_each",
        "_each_octets",
        "_messages",
        "_most",
        "_most_octets",
        "_octets",
    )

    def __init__(self, each: int, each_octets: int, most: int, most_octets: int) -> None:
        self._each = min(each, _ENDLESS)
        self._each_octets = min(each_octets, _ENDLESS)
        self._most = min(most, _ENDLESS)
        self._most_octets = min(most_octets, _ENDLESS)
        self._messages = 0
        self._octets = 0
        self._by_key: dict[int, _Entry] = {}
        self._dropped: list[_Entry] = []

    def sizes(self) -> tuple[int, int]:
        """Return how many messages wait, and their octets."""
        self._settle()
        return self._messages, self._octets

    def take(self, key: int, octets: int) -> Ticket:
        """Return a ticket for one more message to the promise ``key``.

        Raises:
            ProtocolError: the peer has gone over a limit.
        """
        if self._dropped:
            self._settle()
        messages, size = self._by_key.get(key, _ONE)
        messages += 1
        size += octets
        if messages > self._each or size > self._each_octets:
            raise ProtocolError("too many messages wait for one promise")
        if self._messages >= self._most or self._octets + octets > self._most_octets:
            raise ProtocolError("too many messages wait for promises")
        self._by_key[key] = (messages, size)
        self._messages += 1
        self._octets += octets
        return Ticket(self._dropped, (key, octets))

    def check(self) -> None:
        """Assert that the parts make up the whole, within the limits."""
        self._settle()
        assert sum(messages for messages, _ in self._by_key.values()) == self._messages <= self._most
        assert sum(octets for _, octets in self._by_key.values()) == self._octets <= self._most_octets
        for messages, octets in self._by_key.values():
            assert 0 < messages <= self._each, "a promise has more messages than it may"
            assert octets <= self._each_octets, "the messages of a promise are longer than they may be"

    def _settle(self) -> None:
        by_key = self._by_key
        for key, octets in emptied(self._dropped):
            messages, size = by_key[key]
            if messages == 1:
                del by_key[key]
            else:
                by_key[key] = (messages - 1, size - octets)
            self._messages -= 1
            self._octets -= octets


def emptied(queue: list[T]) -> list[T]:
    """Take out what is there, of a list that grows at any time: what comes in meanwhile stays in it."""
    entries = queue[:]
    del queue[: len(entries)]
    return entries
