"""The Syrup forms of single Python values: atoms as octets, containers ready to be walked."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from itertools import pairwise
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast, final

from hobgoblin.syrup._containers import octet_order, utf16_order
from hobgoblin.syrup._tokens import DOUBLE, NAN
from hobgoblin.values import Record, Symbol, SyrupSet

__all__ = [
    "WORD_DIGITS",
    "Encoders",
    "HalfSet",
    "HalfStruct",
    "Key",
    "KeyOrder",
    "NoForm",
    "Plain",
    "RecordForm",
    "double",
    "integer",
    "octets",
    "string",
    "substitute",
    "symbol",
]

Encoders: TypeAlias = Mapping[type, Callable[[Any], "bytes | Record"]]
"""By exact type: what turns such a value into its encoding or into a record that stands for it."""

Plain: TypeAlias = bytes | Record | SyrupSet | Mapping[Any, Any] | tuple[object, ...] | list[object]
"""What is walked, and what stands for an atom that is encoded already."""

_BITS_PER_DIGIT: Final = 3.3219280948873626
WORD_DIGITS: Final = 18
_WORD: Final = 10**WORD_DIGITS
"""Integers below fit a machine's word."""
_HEADED: Final = 64
_STRING_HEADS: Final = tuple(b'%d"' % size for size in range(_HEADED))
_BYTES_HEADS: Final = tuple(b"%d:" % size for size in range(_HEADED))


class KeyOrder(enum.Enum):
    """In which order the keys of a struct are written."""

    DECODED = "decoded"
    """By the text, compared as UTF-16 code units: the one order that Endo accepts."""

    CANONICAL = "canonical"
    """By the encoding, length prefix included: Syrup's own."""

    KEEP = "keep"
    """As the mapping has them: what was decoded is written as it came, so that signatures hold."""


_DECODED: Final = KeyOrder.DECODED


class NoForm(Exception):
    """A value has no Syrup form. ``steps`` lead to it, from the innermost on."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.steps: list[str] = []


class RecordForm:
    """An entry of `Encoders`: a record of attributes of an instance, in this order.

    Those of our own messages derive from it, and read the attributes in a shorter way; nobody else is to.
    """

    __slots__ = ("_attributes", "_single", "head", "label")

    def __init__(self, label: str, *names: str) -> None:
        self.label = Symbol(label)
        self.head = b"<" + self.label._syrup
        self._attributes = attrgetter(*names)
        self._single = names[0] if len(names) == 1 else None

    def __call__(self, value: object) -> Record:
        return Record(self.label, self.fields(value))

    def fields(self, value: object) -> tuple[object, ...]:
        """Return the fields of the record."""
        if self._single is not None:
            return (getattr(value, self._single),)
        found: tuple[object, ...] = self._attributes(value)
        return found

    def position(self, value: object) -> int:
        """Return the position that is the one field of the record; -1 if that is not known to be one."""
        return -1


@final
class Key:
    """A text that is written again and again as the key of a struct."""

    __slots__ = ("_syrup", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._syrup = string(name)


@final
class HalfStruct:
    """Keys and values in turn, as they are to be written."""

    __slots__ = ("entries",)

    def __init__(self, mapping: Any, order: KeyOrder) -> None:
        self.entries: list[object] = []
        if order is _DECODED:
            copied = _copied(mapping)
            if copied is not None and self._in_ascii(copied):
                return
        named: list[tuple[str, object, object]] = []
        symbols = False
        for key, value in mapping.items():
            if type(key) is Symbol:
                symbols = True
                named.append((key.name, key, value))
            elif isinstance(key, str):
                plain = str.__str__(key)  # whatever a subclass makes of itself, this is its text
                named.append((plain, plain, value))
            else:
                raise NoForm(f"a struct's keys are all str or all Symbol, not {type(key).__name__}")
        if len(named) > 1:
            if symbols and any(name is key for name, key, _ in named):
                raise NoForm("a struct's keys are all str or all Symbol, not both")
            if len({entry[0] for entry in named}) < len(named):
                raise NoForm("a struct has one key twice")
            if order is KeyOrder.DECODED:
                named.sort(key=_text_order)
            elif order is KeyOrder.CANONICAL:
                named.sort(key=_octet_order)
        for _, key, value in named:
            self.entries.append(key)
            self.entries.append(value)

    def _in_ascii(self, mapping: dict[Any, object]) -> bool:
        """Take the entries if all keys are ASCII, which every order of texts sorts alike."""
        names = tuple(mapping)
        shape = _SHAPES.get(names)
        if shape is None:
            for name in names:
                if type(name) is not str or not name.isascii():
                    return False
            ordered = sorted(names)
            shape = [(name, Key(name)) for name in ordered]
            if len(names) <= _SHAPE_KEYS and max(map(len, names), default=0) <= _SHAPE_KEYS:
                if len(_SHAPES) >= _SHAPES_KEPT:
                    _SHAPES.clear()
                _SHAPES[names] = shape
        entries = self.entries
        for name, key in shape:
            entries.append(key)
            entries.append(mapping[name])
        return True


_SHAPES: Final[dict[tuple[str, ...], list[tuple[str, Key]]]] = {}
"""By the keys that structs had lately, all of them ASCII: these in order, as they are written."""
_SHAPES_KEPT: Final = 256
_SHAPE_KEYS: Final = 32


def _copied(mapping: Any) -> dict[Any, object] | None:
    """Return what is or shows a dictionary as one; ``None`` for other mappings."""
    if type(mapping) is MappingProxyType:
        return dict(cast("Mapping[Any, object]", mapping))
    if type(mapping) is dict:
        found: dict[Any, object] = mapping  # pyright: ignore[reportUnknownVariableType]
        return found
    return None


def _text_order(entry: tuple[str, object, object]) -> bytes:
    return utf16_order(entry[0])


def _octet_order(entry: tuple[str, object, object]) -> bytes:
    return octet_order(entry[0])


@final
class HalfSet:
    """Which item of a set is being written, and at which parts the items up to it begin."""

    __slots__ = ("_marks", "index", "items")

    def __init__(self, items: tuple[object, ...], mark: int) -> None:
        if type(items) is not tuple:
            raise NoForm(f"a set's items are a tuple, not {type(items).__name__}")
        self.items = items
        self.index = 0
        self._marks = [mark]

    def advance(self, mark: int) -> bool:
        """Note where the item ended. Tell whether another one follows."""
        if self.items:
            self._marks.append(mark)
            self.index += 1
        return self.index < len(self.items)

    def sort(self, parts: list[bytes]) -> None:
        """Bring the items' parts into order."""
        marks = self._marks
        written = sorted(b"".join(parts[start:end]) for start, end in pairwise(marks))
        if len(set(written)) < len(written):
            raise NoForm("a set has one item twice")
        del parts[marks[0] :]
        parts.extend(written)


def integer(value: int, digits: int) -> bytes:
    """Encode an integer of at most so many digits."""
    if -_WORD < value < _WORD and digits >= WORD_DIGITS:
        number = value
        return f"{number}+".encode() if number >= 0 else f"{-number}-".encode()
    # A conversion is quadratic and a power costs as well, so the size is looked at first.
    excess = value.bit_length() - digits * _BITS_PER_DIGIT
    if excess > 1 or (excess > -1 and abs(value) >= 10**digits):
        raise NoForm("an integer has more digits than the limit")
    try:
        text = b"%d" % abs(value)
    except ValueError:
        raise NoForm("this interpreter is set to refuse integers of so many digits") from None
    return text + (b"+" if value >= 0 else b"-")


def double(value: float) -> bytes:
    """Encode a float; all NaNs become the canonical one."""
    return b"D" + (DOUBLE.pack(value) if value == value else NAN)


def octets(value: bytes) -> bytes:
    """Encode bytes."""
    size = len(value)
    return _BYTES_HEADS[size] + value if size < _HEADED else b"%d:%b" % (size, value)


def string(value: str) -> bytes:
    """Encode a string."""
    raw = _utf8(value)
    size = len(raw)
    return _STRING_HEADS[size] + raw if size < _HEADED else b'%d"%b' % (size, raw)


def symbol(name: str) -> bytes:
    """Encode the symbol of this name."""
    raw = _utf8(name)
    return b"%d'%b" % (len(raw), raw)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NoForm("a text holds half of a surrogate pair") from None


def substitute(value: object, encoder: Callable[[Any], bytes | Record] | None, digits: int) -> Plain:
    """What stands for a value that is none of the plain types: its encoding, or a plain container."""
    if encoder is not None:
        made: Any = encoder(value)
        if type(made) is not bytes and type(made) is not Record:
            raise TypeError(f"an encoder returns bytes or a Record, not {type(made).__name__}")
        return made
    # A subclass is written as its base, by the base's own methods.
    if isinstance(value, int):
        return integer(int.__int__(value), digits)
    if isinstance(value, str):
        return string(str.__str__(value))
    if isinstance(value, float):
        return double(float.__float__(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return octets(bytes(memoryview(cast("bytes", value))))
        except ValueError:
            raise NoForm("a memoryview was released") from None
    if isinstance(value, (tuple, list)):
        return tuple(cast("tuple[object, ...]", value))
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    raise NoForm(f"a value of type {type(value).__name__} has no Syrup form")
