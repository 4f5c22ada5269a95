"""Sessions as a program sees them: with whom, since when, how much has crossed; and their end."""

from __future__ import annotations

from typing import final

from hobgoblin.captp import Stats
from hobgoblin.captp.texts import CLOSED
from hobgoblin.connection import Connection
from hobgoblin.locators import PeerLocator

__all__ = ["PeerSession"]


@final
class PeerSession:
    """One session of a `Peer` with another one, open or ended. Made by the peer; `Peer.sessions` lists them.

    Printing it shows with whom and how much, and no secret. Reading it is for the thread of the peer.
    """

    def __init__(self, connection: Connection, peer: PeerLocator) -> None:
        self._connection = connection
        self._peer = peer
        self._clock = connection.home.host.clock
        self._began = self._clock()
        self._ended: float | None = None

    @property
    def peer(self) -> PeerLocator:
        """Where the other peer says that it is. Its hints are no more than its word."""
        return self._peer

    @property
    def proved(self) -> bool:
        """Whether the netlayer has proved that it is this peer; otherwise it is a claim."""
        return self._connection.session.proved is not None

    @property
    def dialled(self) -> bool:
        """Whether we dialled the other peer; otherwise it came to us."""
        return self._connection.dialled is not None

    @property
    def age(self) -> float:
        """Seconds since the hello, up to now or to the end."""
        return (self._clock() if self._ended is None else self._ended) - self._began

    @property
    def dialect(self) -> str:
        """The name of the dialect that is spoken, one of `hobgoblin.dialects`; ``unknown`` until it shows."""
        return self._connection.session.dialect.name

    @property
    def wire(self) -> str:
        """The name of how messages look, such as one of the `hobgoblin.wire.WIRES`."""
        return self._connection.session.wire.name

    @property
    def stats(self) -> Stats:
        """The sizes of the tables, and the messages and bytes that have crossed each way."""
        return self._connection.session.stats()

    @property
    def severed_because(self) -> str | None:
        """Why it has ended, or ``None`` while it is open. Some of that text may be the other peer's."""
        return self._connection.severed_because

    def close(self, reason: str = CLOSED) -> None:
        """End the session after what was sent over it; the other peer is told why. Any thread. Idempotent.

        Everything that waits on it breaks, here and there. `Peer.enliven` reaches the peer anew.
        """
        host = self._connection.home.host
        if host.here():
            self._connection.close(reason)
        else:
            host.post(self._connection.close, reason)

    def __repr__(self) -> str:
        stats = self.stats
        state = "open" if self._ended is None else "ended"
        return (
            f"<PeerSession {state} {self.age:.1f} s, {'dialled' if self.dialled else 'accepted'} "
            f"{self._peer!r}{' (proved)' if self.proved else ''}, dialect {self.dialect}; "
            f"{stats.exports} exports, {stats.imports} imports, {stats.questions} questions, "
            f"{stats.answers} answers; received {stats.messages_received} messages, "
            f"{stats.bytes_received} bytes; sent {stats.messages_sent} messages, {stats.bytes_sent} bytes>"
        )

    def _end(self) -> None:
        self._ended = self._clock()
