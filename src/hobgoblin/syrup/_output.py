"""The octets of a message while it is written."""

from __future__ import annotations

from typing import Any, Final, final

from hobgoblin.syrup._forms import Key
from hobgoblin.syrup._tokens import NAN, put_double
from hobgoblin.values import COMPILED, Symbol

__all__ = ["Output"]

_ROOM: Final = 4096
_BEGIN: Final = 8
"""Before what is written in place there is room for its length."""
_WITH_ROOM: Final = COMPILED  # as the compiled class has it in itself
_SHORT: Final = 60
"""So many octets and a length before them are written in place."""
_MOST: Final = 80
"""So much room a value takes at most that is written in place."""
_WORD: Final = 10**18
"""Integers below fit a machine's word."""


@final
class Output:
    """Parts, and in the compiled form small ones in place.

    ``words``: whether integers of so many digits are within the limits. ``negative_zero``: whether ``-0.0``
    is written so. ``around``: how many octets have been put around values. ``taken``: how many were taken
    last, without a length before them.
    """

    # To a compiler ``_room`` is an array of octets, and a part of it bytes.
    __slots__ = ("_at", "_room", "around", "negative_zero", "parts", "taken", "words")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.words = True
        self.negative_zero = True
        self.around = 0
        self.taken = 0
        if not _WITH_ROOM:
            self._room: Any = bytearray(_ROOM if COMPILED else 0)
        self._at = _BEGIN

    def put(self, part: bytes) -> None:
        """Write octets."""
        if not COMPILED:
            self.parts.append(part)
            return
        size = len(part)
        if size > _SHORT:
            self.mark()
            self.parts.append(part)
        else:
            if self._at + size > _ROOM:
                self.mark()
            self._copy(part, size)

    def put_position(self, before: bytes, number: int) -> None:
        """Write a record: what is before its one field, which is a position; this; and what closes it."""
        if not COMPILED:
            self.parts.append(b"%b%d+>" % (before, number))
            return
        self.put(before)
        if self._at + _MOST > _ROOM:
            self.mark()
        self._position(number)
        self._room[self._at] = 0x3E
        self._at += 1

    def put_beside(self, part: bytes) -> None:
        """Write a few octets that are no part of the value."""
        self.around += len(part)
        self.put(part)

    def put_around(self, before: bytes, number: int, behind: bytes) -> None:
        """Write a position, and a few octets around it, likewise."""
        if not COMPILED:
            part = b"%b%d+%b" % (before, number, behind)
            self.around += len(part)
            self.parts.append(part)
            return
        if self._at + _MOST + _MOST > _ROOM:
            self.mark()
        start = self._at
        self._copy(before, len(before))
        self._position(number)
        self._copy(behind, len(behind))
        self.around += self._at - start

    def put_two(self, first: int, between: bytes, second: int, behind: bytes) -> None:
        """Write two positions, and a few octets between and behind them, likewise."""
        if not COMPILED:
            part = b"%d+%b%d+%b" % (first, between, second, behind)
            self.around += len(part)
            self.parts.append(part)
            return
        if self._at + _MOST + _MOST > _ROOM:
            self.mark()
        start = self._at
        self._position(first)
        self._copy(between, len(between))
        self._position(second)
        self._copy(behind, len(behind))
        self.around += self._at - start

    def mark(self) -> int:
        """Return how many parts there are so far. What is written next belongs to later ones."""
        if self._at > _BEGIN:
            part: bytes = self._room[_BEGIN : self._at]
            self.parts.append(part)
            self._at = _BEGIN
        return len(self.parts)

    def take(self, prefixed: bool) -> bytes:
        """Return what was written, after its length and a colon if ``prefixed``, and be empty again."""
        end = self._at
        if end == _BEGIN or self.parts:
            if end > _BEGIN:
                self.mark()
            joined = b"".join(self.parts)
            self.parts.clear()
            self.taken = len(joined)
            return b"%d:%b" % (len(joined), joined) if prefixed else joined
        start = _BEGIN
        self.taken = end - start
        if prefixed:
            start -= 1
            self._room[start] = 0x3A
            size = self.taken
            while size:
                start -= 1
                self._room[start] = 0x30 + size % 10
                size //= 10
        self._at = _BEGIN
        encoded: bytes = self._room[start:end]
        return encoded

    def atom(self, value: Any) -> bool:
        """Write a short value in place. Tell whether it was one; of the others nothing is written."""
        if self._at + _MOST > _ROOM:
            self.mark()
        kind: object = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind is str:
            text: str = value
            if len(text) > _SHORT:
                return False
            try:
                raw = text.encode("utf-8")
            except UnicodeEncodeError:
                return False
            return self._sized(raw, 0x22)
        if kind is int:
            try:
                number: int = value
            except OverflowError:
                return False
            if not self.words or number >= _WORD or number <= -_WORD:
                return False
            if number < 0:
                self._digits(-number)
                self._room[self._at] = 0x2D
            else:
                self._digits(number)
                self._room[self._at] = 0x2B
            self._at += 1
        elif kind is Key:
            key: Key = value
            raw = key._syrup
            if len(raw) > _SHORT:
                return False
            self._copy(raw, len(raw))
        elif kind is Symbol:
            symbol: Symbol = value
            raw = symbol._syrup
            if not raw or len(raw) > _SHORT:
                return False
            self._copy(raw, len(raw))
        elif kind is bytes:
            return len(value) <= _SHORT and self._sized(value, 0x3A)
        elif kind is float:
            self._room[self._at] = 0x44
            if value != value:
                self._at += 1
                self._copy(NAN, 8)
            else:
                put_double(value if value or self.negative_zero else 0.0, self._room, self._at + 1)
                self._at += 9
        elif value is True or value is False:
            self._room[self._at] = 0x74 if value is True else 0x66
            self._at += 1
        else:
            return False
        return True

    def _sized(self, raw: bytes, octet: int) -> bool:
        size = len(raw)
        if size > _SHORT:
            return False
        self._digits(size)
        self._room[self._at] = octet
        self._at += 1
        self._copy(raw, size)
        return True

    def _position(self, number: int) -> None:
        self._digits(number)
        self._room[self._at] = 0x2B
        self._at += 1

    def _digits(self, number: int) -> None:
        end = self._at + 1
        rest = number
        while rest >= 10:
            rest //= 10
            end += 1
        self._at = end
        while True:
            end -= 1
            self._room[end] = 0x30 + number % 10
            number //= 10
            if not number:
                break

    def _copy(self, part: bytes, size: int) -> None:
        at = self._at
        self._room[at : at + size] = part
        self._at = at + size
