"""The small parts that Syrup's values are read from, and what is said of wrong ones."""

from __future__ import annotations

import re
import sys
from struct import Struct
from typing import Final

from hobgoblin.syrup._containers import LABEL
from hobgoblin.values import COMPILED

__all__ = [
    "CALL",
    "CALL_OCTETS",
    "CALL_VALUES",
    "DELIVER",
    "DELIVER_END",
    "DELIVER_END_VALUES",
    "DELIVER_VALUES",
    "DIGITS",
    "DOUBLE",
    "FRAMED_CALL",
    "GLANCE_DIGITS",
    "LONG",
    "NAN",
    "NOTHING",
    "NO_UTF8",
    "NO_VALUE",
    "POSITIONS",
    "POSITION_DIGITS",
    "TOO_DEEP",
    "TOO_LONG",
    "TOO_MANY",
    "Wrong",
    "double_at",
    "no_name",
    "number",
    "put_double",
    "text",
]

DIGITS: Final = re.compile(rb"[0-9]+")
DOUBLE: Final = Struct(">d")
NAN: Final = b"\x7f\xf8\x00\x00\x00\x00\x00\x00"

GLANCE_DIGITS: Final = 17 if COMPILED else 4
"""Numbers of so many digits are read one by one: as far as that is faster than to look for their end."""

POSITION_DIGITS: Final = 15
_POSITION: Final = rb"([1-9][0-9]{0,14}|0)\+"
POSITIONS: Final = (
    None
    if COMPILED  # then it is faster to go octet by octet
    else re.compile(
        rb"<(?:11'(?=desc:(?:export|answer)[0-9])|18'(?=desc:import-object[0-9])|19'(?=desc:import-promise[0-9]))"
        rb"(desc:[a-z-]+)" + _POSITION + rb">|\[(?P<numbers>(?:(?:0|[1-9][0-9]{0,14})\+)++)\]"
    )
)
"""The descriptors that have nothing but a position; and lists of integers from 0 on, such as releases."""

DELIVER: Final = re.compile(rb"<10'op:deliver<11'(desc:export|desc:answer)" + _POSITION + rb">\[")
DELIVER_VALUES: Final = 6
"""How nearly every message begins, up to its arguments, and how many values these octets count for."""

DELIVER_END: Final = re.compile(rb"(?:" + _POSITION + b"<18'(desc:import-object)" + _POSITION + rb">|ff)>")
DELIVER_END_VALUES: Final = 4
"""How such a message ends behind its arguments, and the most that this counts for."""

_LONGEST_NAME: Final = 24
# The length says itself how many octets follow, whatever they are.
_NAME: Final = b"|".join(b"%d'(?s:.{%d})" % (size, size) for size in range(1, _LONGEST_NAME + 1))
_CALL: Final = (
    rb"<10'op:deliver<11'desc:(export|answer)" + _POSITION + rb">\[(" + _NAME + rb")"
    rb"(?:" + _POSITION + rb"(?:" + _POSITION + rb"(?:" + _POSITION + rb"|)|)|)\]"  # each quicker than with ?
    rb"(?:" + _POSITION + rb"<18'desc:import-object" + _POSITION + rb">|ff)>"
)
CALL: Final = None if COMPILED else re.compile(rb"()" + _CALL)
FRAMED_CALL: Final = None if COMPILED else re.compile(rb"([1-9][0-9]{0,2}):" + _CALL)
"""A whole op:deliver with the name of a method and up to three integers, without a frame and with it."""
CALL_VALUES: Final = 14
CALL_OCTETS: Final = 300
"""For how many values it counts at most, and how many octets it has at most."""

LONG: Final = 64 * 1024
"""Octets from which a part is rather handed on as it is than copied into something larger."""


class _Nothing:
    """The type of `NOTHING`."""

    __slots__ = ()


NOTHING: Final = _Nothing()
"""No value, where one may be."""

TOO_MANY: Final = "the message holds more values than the limit"
TOO_DEEP: Final = "the message is nested deeper than the limit"
TOO_LONG: Final = "a number has more digits than the limit"
NO_VALUE: Final = "no value begins with this octet"
NO_UTF8: Final = "a text is not UTF-8"


class Wrong(Exception):
    """What stands at ``index`` of the octets at hand is refused; the decoder adds the path."""

    def __init__(self, problem: str, index: int) -> None:
        self.problem = problem
        self.index = index


def no_name(kind: int) -> str:
    """What is wrong with any value but a name, where one has to come."""
    return "a record begins with a symbol" if kind == LABEL else "a struct's keys are strings or symbols"


def text(raw: bytes, index: int) -> str:
    """Read strict UTF-8: no surrogates, nothing overlong."""
    try:
        return raw.decode()
    except UnicodeDecodeError as failure:
        raise Wrong(NO_UTF8, index + failure.start) from None


_REVERSED: Final = 7 if sys.byteorder == "little" else 0
_OCTETS: Final = bytearray(8)
_DOUBLES: Final = memoryview(_OCTETS).cast("d")
"""The octets above, as this machine reads them."""


def double_at(data: bytes, index: int) -> float:
    """Read the eight octets of a float."""
    if not COMPILED:
        value: float = DOUBLE.unpack_from(data, index)[0]
        return value
    for place in range(8):
        _OCTETS[place ^ _REVERSED] = data[index + place]
    return _DOUBLES[0]


def put_double(value: float, octets: bytearray, index: int) -> None:
    """Write the eight octets of a float."""
    _DOUBLES[0] = value
    for place in range(8):
        octets[index + place] = _OCTETS[place ^ _REVERSED]


def number(digits: bytes, index: int) -> int:
    """Read decimal digits."""
    try:
        return int(digits)
    except ValueError:
        raise Wrong("this interpreter is set to refuse integers of so many digits", index) from None
