"""Where a session is in its life, and what it holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["HANDSHAKE", "OPEN", "SEVERED", "SessionState", "Stats"]


class SessionState(Enum):
    """Where a session is in its life."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    SEVERED = "severed"


# A name of the module is looked up at less cost than one of the class.
HANDSHAKE: Final = SessionState.HANDSHAKE
OPEN: Final = SessionState.OPEN
SEVERED: Final = SessionState.SEVERED


@dataclass(frozen=True, slots=True)
class Stats:
    """The sizes of a session's tables, what waits in it, and what has crossed it.

    What a field of `Limits` bounds goes by the same name here.
    """

    exports: int
    imports: int
    questions: int
    answers: int
    listeners: int
    queued_messages: int
    queued_bytes: int
    outbound_bytes: int
    gifts: int
    """Gifts that the peer has deposited, and requests of it that wait for theirs."""

    handoffs: int
    """References of others that the peer has handed to us and that we do not have yet."""

    relayed: int
    """What was passed on to the peer for others and not answered by it: there it counts as ours."""

    messages_received: int
    messages_sent: int
    bytes_received: int
    bytes_sent: int
    ignored: int
    """What a peer should not have done and harms nobody: late resolutions, releases of nothing."""

    refused: int
    """Messages of ours that broke with `SessionFull`."""

    @property
    def tables(self) -> tuple[int, int, int, int]:
        """The four table sizes; ``(1, 0, 0, 0)`` when only the bootstrap object is left."""
        return (self.exports, self.imports, self.questions, self.answers)
