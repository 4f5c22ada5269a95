"""Texts that a session says of itself, and what it shows of a peer's."""

from __future__ import annotations

import re
from typing import Final, cast

from hobgoblin.values import Symbol

__all__ = ["REASON_LENGTH", "argument_path", "printable"]

REASON_LENGTH: Final = 200
"""Characters of the reason of an op:abort, in either direction."""

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
