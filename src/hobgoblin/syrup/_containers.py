"""What is remembered of containers while they are read, and how a place in them is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, TypeAlias, final

from hobgoblin.values import Symbol

__all__ = [
    "KEY",
    "LABEL",
    "LIST",
    "RECORD",
    "SET",
    "TOP",
    "VALUE",
    "Frame",
    "OpenSet",
    "OpenStruct",
    "field_step",
    "join_steps",
    "key_step",
    "octet_order",
    "path_to",
    "utf16_order",
]

# Where a reader stands. Up to RECORD a value is simply appended; from KEY on a name has to come.
LIST: Final = 0
RECORD: Final = 1  # behind the label
VALUE: Final = 2  # in a struct, behind a key
SET: Final = 3
TOP: Final = 4
KEY: Final = 5  # in a struct, before a key or the end
LABEL: Final = 6

Frame: TypeAlias = tuple[int, list[object], Symbol, Any]
"""Where a reader stands in a container, the values so far, the label if it is a record, and what else
is known of it: the `OpenStruct` or `OpenSet`."""

_STEPS_SHOWN: Final = 16
_NAME_SHOWN: Final = 64


def utf16_order(text: str) -> bytes:
    """A sort key: the order of UTF-16 code units, which is how JavaScript compares strings.

    It differs from the order of code points where a character above U+FFFF meets one of
    U+E000 to U+FFFF.
    """
    return text.encode("utf-16-be", "surrogatepass")


def octet_order(text: str) -> bytes:
    """A sort key: the order of encodings."""
    # The type octet is the same for all keys and no digit, so any will do.
    raw = text.encode("utf-8", "surrogatepass")
    return b'%d"%b' % (len(raw), raw)


@final
class OpenStruct:
    """The entries so far, and which of the two orders their keys still follow.

    The Syrup draft sorts keys by their encoding, Endo by the decoded text.
    Both ascend strictly, so a struct that follows either has no key twice.
    """

    __slots__ = ("_ascii", "_by_text", "_name", "entries", "key")

    def __init__(self) -> None:
        self.entries: dict[object, object] = {}
        self.key: object = None
        self._name = ""
        self._ascii = True
        self._by_text = True

    def begin(self, key: Any, size: int) -> str | None:
        """Take the next key, whose name is of so many octets. Return what is wrong with it, if anything."""
        name: str = key.name if type(key) is Symbol else key
        in_ascii = len(name) == size
        last = self.key
        if last is not None:
            if type(key) is not type(last):
                return "a struct mixes strings and symbols as keys"
            if not self._by_text:
                ascends = octet_order(self._name) < octet_order(name)
            elif in_ascii or self._ascii:
                ascends = self._name < name  # they part at an ASCII character, which both orders put first
            else:
                ascends = utf16_order(self._name) < utf16_order(name)
            if not ascends and (not self._by_text or self._turn_to_octets(name)):
                return "a struct's keys are not in strictly ascending order"
        self.key = key
        self._name = name
        self._ascii = in_ascii
        return None

    def _turn_to_octets(self, name: str) -> bool:
        """Hold all keys, and this one behind them, to the order of encodings. Tell if they break it."""
        self._by_text = False
        keys = [octet_order(_name(key)) for key in self.entries]
        keys.append(octet_order(name))
        return any(first >= second for first, second in pairwise(keys))


@final
class OpenSet:
    """Where in the stream the last item and the one before it begin."""

    __slots__ = ("_mark", "_previous")

    def __init__(self, place: int) -> None:
        self._previous = -1
        self._mark = place

    def check(self, end: int, octets: Callable[[int, int], bytes]) -> str:
        """Compare the item that ended at ``end`` with the one before. Return what is wrong, or nothing."""
        start = self._mark
        previous = self._previous
        self._previous = start
        self._mark = end
        if previous < 0:
            return ""
        # No encoding begins another one, so the shorter one's length decides; cutting there keeps
        # a small item after a large one (a nested set, say) from costing a copy of the large one.
        size = min(start - previous, end - start)
        if octets(previous, previous + size) < octets(start, start + size):
            return ""
        return "a set's items are not in strictly ascending order"


def _name(key: object) -> str:
    return key.name if isinstance(key, Symbol) else str(key)


def key_step(key: object) -> str:
    """How a path goes into the value of a struct's key: ``["size"]``, escaped to ASCII."""
    return f"[{json.dumps(_name(key)[:_NAME_SHOWN])}]"


def field_step(label: object, index: int) -> str:
    """How a path goes into the field of a record: ``<op:deliver>[1]``, escaped to ASCII."""
    return f"<{json.dumps(_name(label)[:_NAME_SHOWN])[1:-1]}>[{index}]"


def join_steps(steps: list[str]) -> str:
    """A path from the outermost value; of a very long one the ends."""
    if len(steps) > 2 * _STEPS_SHOWN:
        steps = [*steps[:_STEPS_SHOWN], "…", *steps[-_STEPS_SHOWN:]]
    return "$" + "".join(steps)


def path_to(frames: list[Frame]) -> str:
    """The path to where a reader stands."""
    steps: list[str] = []
    for kind, items, label, opened in frames:
        if kind == LIST:
            steps.append(f"[{len(items)}]")
        elif kind == RECORD:
            steps.append(field_step(label, len(items)))
        elif kind == SET:
            steps.append(f"#[{len(items)}]")
        elif kind == VALUE:
            steps.append(key_step(opened.key))
    return join_steps(steps)
