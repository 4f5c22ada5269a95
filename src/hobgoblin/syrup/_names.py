"""Symbols of the protocol itself, and other names that come again and again."""

from __future__ import annotations

from sys import intern
from typing import Final, final

from hobgoblin.values import Symbol

__all__ = ["COMMON_SYMBOLS", "NAMES", "Names", "common_symbol"]

_NAMES: Final = """
op:start-session op:deliver op:deliver-only op:listen op:get op:index op:untag op:abort
op:gc-export op:gc-exports op:gc-answer op:gc-answers
desc:import-object desc:import-promise desc:export desc:answer desc:sig-envelope
desc:handoff-give desc:handoff-receive desc:tagged desc:error
ocapn-peer ocapn-sturdyref my-location public-key sig-val ecc curve flags Ed25519 eddsa q r s
void null fulfill break fetch deposit-gift withdraw-gift
"""

COMMON_SYMBOLS: Final[dict[bytes, Symbol]] = {name.encode(): Symbol(intern(name)) for name in _NAMES.split()}
"""By their octets, without the length prefix. Never changed after import."""


def common_symbol(name: str) -> Symbol:
    """Return the very symbol that decoders return for a name of the protocol's own."""
    return COMMON_SYMBOLS[name.encode()]


_SLOTS: Final = 256
_LONGEST: Final = 48


@final
class Names:
    """Names that were read before, symbols and texts, found by their octets without an object of these.

    That is fast in the compiled form alone. Names that fall on one slot take turns, so a peer can't
    make more of them stay.
    """

    __slots__ = ("_encodings", "_names")

    def __init__(self) -> None:
        self._encodings: list[bytes] = [b""] * _SLOTS
        self._names: list[object] = [None] * _SLOTS

    def find(self, octets: bytes, start: int, end: int) -> object:
        """Return the name that is encoded between two places, or ``None`` if it is not known."""
        slot = _slot(octets, start, end)
        encoding = self._encodings[slot]
        if len(encoding) != end - start:
            return None
        known = encoding
        place = 0
        while start < end:
            if known[place] != octets[start]:
                return None
            place += 1
            start += 1
        return self._names[slot]

    def learn(self, octets: bytes, start: int, end: int, name: object) -> None:
        """Remember a name, unless it is a long one."""
        if end - start <= _LONGEST:
            slot = _slot(octets, start, end)
            self._encodings[slot] = octets[start:end]
            self._names[slot] = name


NAMES: Final = Names()
"""Those of all decoders."""


def _slot(octets: bytes, start: int, end: int) -> int:
    # An encoding has two octets at least.
    mixed = octets[end - 1] * 17 + octets[end - 2] * 3 + octets[(start + end) >> 1] * 5 + (end - start) * 37
    return mixed & 255
