"""Texts that a session says of itself, and what it shows of a peer's."""

from __future__ import annotations

import re
from typing import Final, cast

from hobgoblin.values import Symbol

__all__ = [
    "CLOSED",
    "DISCONNECTED",
    "NOT_NEEDED",
    "PEER_CLOSED",
    "PROGRAM_ENDED",
    "REASON_LENGTH",
    "argument_path",
    "printable",
    "why_aborted",
]

REASON_LENGTH: Final = 200
"""Characters of the reason of an op:abort, in either direction."""

# With these an op:abort ends a session in good order: there is no other message for that.
PEER_CLOSED: Final = "the peer has closed"
CLOSED: Final = "closed"
DISCONNECTED: Final = "disconnected"
PROGRAM_ENDED: Final = "the program has ended"
NOT_NEEDED: Final = "nobody needs this session any more"

_SAY_NO_MORE: Final = frozenset((PEER_CLOSED, CLOSED, DISCONNECTED))
_ORDERLY: Final = frozenset((*_SAY_NO_MORE, PROGRAM_ENDED, NOT_NEEDED, "the vat has been stopped"))

_ARGUMENT: Final = re.compile(r"\$\[(\d+)\]")


def argument_path(path: str, args: object) -> str:
    """Name a place in the arguments as their sender would: ``args[1]["size"]``."""
    found = _ARGUMENT.match(path)
    if found is None or type(args) is not tuple:
        return path
    verb = cast("tuple[object, ...]", args)[0]
    return f"args[{int(found[1]) - (type(verb) is Symbol)}]{path[found.end() :]}"


def printable(text: str) -> str:
    """Return text from a peer fit for a log and an exception."""
    return ascii(text[:REASON_LENGTH])[1:-1]


def why_aborted(reason: str) -> str:
    """Return what has ended a session, given the reason in the peer's op:abort, which is `printable`."""
    if reason in _SAY_NO_MORE:
        return "the peer has closed the session"
    if reason in _ORDERLY:
        return f"the peer has closed the session: {reason}"
    return f"the peer aborted: {reason}" if reason else "the peer aborted and gave no reason"
