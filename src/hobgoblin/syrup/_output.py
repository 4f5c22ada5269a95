"""The octets of a message while it is written."""

from __future__ import annotations

from typing import Any, Final, final

from hobgoblin.syrup._forms import Key
from hobgoblin.syrup._tokens import COMPILED, NAN, put_double
from hobgoblin.values import Symbol

__all__ = ["Output"]

_ROOM: Final = 4096
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
    is written so.
    """

    # A compiler makes of ``octets``, which is ``_room`` in all methods, where that lies.
    __slots__ = ("_at", "_room", "negative_zero", "parts", "words")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.words = True
        self.negative_zero = True
        self._room = bytearray(_ROOM if COMPILED else 0)
        self._at = 0

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

    def mark(self) -> int:
        """Return how many parts there are so far. What is written next belongs to later ones."""
        if self._at:
            self.parts.append(bytes(self._room[: self._at]))
            self._at = 0
        return len(self.parts)

    def take(self) -> bytes:
        """Return what was written, and be empty again."""
        if self._at and not self.parts:
            size = self._at
            self._at = 0
            return bytes(self._room[:size])
        self.mark()
        encoded = b"".join(self.parts)
        self.parts.clear()
        return encoded

    def atom(self, value: Any) -> bool:
        """Write a short value in place. Tell whether it was one; of the others nothing is written."""
        if self._at + _MOST > _ROOM:
            self.mark()
        octets = self._room
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
                octets[self._at] = 0x2D
            else:
                self._digits(number)
                octets[self._at] = 0x2B
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
            octets[self._at] = 0x44
            if value != value:
                self._at += 1
                self._copy(NAN, 8)
            else:
                put_double(value if value or self.negative_zero else 0.0, self._room, self._at + 1)
                self._at += 9
        elif value is True or value is False:
            octets[self._at] = 0x74 if value is True else 0x66
            self._at += 1
        else:
            return False
        return True

    def _sized(self, raw: bytes, octet: int) -> bool:
        size = len(raw)
        if size > _SHORT:
            return False
        self._digits(size)
        octets = self._room
        octets[self._at] = octet
        self._at += 1
        self._copy(raw, size)
        return True

    def _digits(self, number: int) -> None:
        octets = self._room
        end = self._at + 1
        rest = number
        while rest >= 10:
            rest //= 10
            end += 1
        self._at = end
        while True:
            end -= 1
            octets[end] = 0x30 + number % 10
            number //= 10
            if not number:
                break

    def _copy(self, part: bytes, size: int) -> None:
        octets = self._room
        at = self._at
        for place in range(size):
            octets[at + place] = part[place]
        self._at = at + size
