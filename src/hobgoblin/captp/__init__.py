"""CapTP as a sans-I/O state machine. It knows references, and nothing of vats or sockets."""

from hobgoblin.captp.events import (
    Answered,
    Broke,
    Delivered,
    Event,
    Introduced,
    Listened,
    Opened,
    Selected,
    Severed,
)
from hobgoblin.captp.session import BREAK, FULFILL, Session, SessionState, Stats

__all__ = [
    "BREAK",
    "FULFILL",
    "Answered",
    "Broke",
    "Delivered",
    "Event",
    "Introduced",
    "Listened",
    "Opened",
    "Selected",
    "Session",
    "SessionState",
    "Severed",
    "Stats",
]
