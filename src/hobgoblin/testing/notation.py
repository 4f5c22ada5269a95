"""Messages of CapTP as text, in the notation of the drafts, fit to be pasted into a report.

::

    <op:deliver <desc:export 0> ['fetch #32-octets] 1 <desc:import-object 1>>

Records stand in ``<>`` with their label first, lists in ``[]``, structs in ``{}``, sets in ``#{}``;
a symbol has a ``'`` in front, text stands in quotes. Octets appear by their count only: swiss numbers,
keys, signatures and the ids of gifts are octets. Of text, the swiss numbers in sturdyref URIs are left
out; all else is shown, as are locations in hellos. What a peer sends is escaped and cut short.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from hobgoblin.messages import CONSTRUCTORS
from hobgoblin.syrup import decode
from hobgoblin.values import Record, Symbol, SyrupSet

__all__ = ["LONGEST", "as_text", "cut", "escape", "quoted", "read_message", "symbol_text"]

LONGEST: Final = 600
"""Characters of one message."""

_MOST_BITS: Final = 2000
"""Of integers shown in decimal: Python refuses longer ones where it is told to, and nobody reads them."""

_FRAME: Final = re.compile(rb"([1-9][0-9]{0,8}):<")
_PLAIN_SYMBOL: Final = re.compile(r"[A-Za-z0-9!$%&*+./:<=>?@^_~-]+")
_SWISS_NUMBER: Final = re.compile(r"(ocapn:[^\s\"]*?/s/)[^\s\"/?#]*", re.IGNORECASE)


def as_text(message: bytes) -> str:
    """Return one message as a line of printable text, of at most `LONGEST` characters. Never raises.

    Args:
        message: its octets, with or without their count in front (`Framing.PREFIXED`). Of what is no
            message, or is one beyond the default `Limits`, only the problem and the count are told.
    """
    try:
        value = decode(_unframed(message))
    except ValueError as error:  # SyrupError, or an integer that Python has been told not to read
        return cut(iter((f"malformed: {escape(str(error))}, in {_octets(message)}",)), LONGEST)
    return cut(_value(value), LONGEST)


def read_message(message: bytes) -> object:
    """Return what the octets of one message mean: one of `hobgoblin.messages`, or any other value.

    Args:
        message: as for `as_text`.

    Raises:
        SyrupError: they are not one value of Syrup, or one over the limits.
        ProtocolError: a record of CapTP has the wrong fields.
    """
    return decode(_unframed(message), constructors=CONSTRUCTORS)


def escape(text: str) -> str:
    """Return text that may be a peer's without anything that a terminal or a reader could fall for."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text[: LONGEST + 1])


def quoted(text: str) -> str:
    """Return text in quotes, escaped, without the swiss numbers of sturdyref URIs in it."""
    shown = _SWISS_NUMBER.sub(r"\1…", text[: LONGEST + 1])
    return '"' + escape(shown.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def symbol_text(symbol: Symbol) -> str:
    """Return a symbol's name, in bars if it does not look like one."""
    return symbol.name if _PLAIN_SYMBOL.fullmatch(symbol.name) else f"|{quoted(symbol.name)[1:-1]}|"


def cut(pieces: Iterator[str], length: int) -> str:
    """Join pieces of text up to a length. What lies beyond is not even looked at."""
    text = ""
    for piece in pieces:
        text += piece
        if len(text) > length:
            return text[: length - 1] + "…"
    return text


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _unframed(message: bytes) -> bytes:
    """Take off the count in front, if what it counts may be a message: those are records."""
    head = _FRAME.match(message)
    if head is None or len(message) - head.end() + 1 != int(head[1]):
        return message
    return message[head.end() - 1 :]


def _value(value: object) -> Iterator[str]:
    match value:
        case Record(Symbol() as label, fields):
            yield f"<{symbol_text(label)}"
            for field in fields:
                yield " "
                yield from _value(field)
            yield ">"
        case tuple():
            yield from _items("[", cast("tuple[object, ...]", value), "]")
        case SyrupSet(items):
            yield from _items("#{", items, "}")
        case Mapping():
            yield "{"
            for index, (key, item) in enumerate(cast("Mapping[object, object]", value).items()):
                yield ", " if index else ""
                yield from _value(key)
                yield ": "
                yield from _value(item)
            yield "}"
        case _:
            yield _ATOMS[type(value)](value)


def _items(begin: str, items: tuple[object, ...], end: str) -> Iterator[str]:
    yield begin
    for index, item in enumerate(items):
        yield " " if index else ""
        yield from _value(item)
    yield end


def _octets(octets: bytes) -> str:
    return f"#{len(octets)}-octet{'' if len(octets) == 1 else 's'}"


def _integer(number: int) -> str:
    return str(number) if number.bit_length() <= _MOST_BITS else f"#{number.bit_length()}-bit-integer"


_ATOMS: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda flag: "true" if flag else "false",
    int: _integer,
    float: repr,
    str: quoted,
    Symbol: lambda symbol: f"'{symbol_text(symbol)}",
    bytes: _octets,
}
