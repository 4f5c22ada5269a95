"""Values to Syrup octets, in canonical form but for the order of keys, which can be chosen.

Spec: the Syrup draft, https://github.com/ocapn/syrup; for the orders of keys, see `KeyOrder`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias, final

from hobgoblin.errors import SyrupError
from hobgoblin.syrup._containers import field_step, join_steps, key_step
from hobgoblin.syrup._forms import (
    WORD_DIGITS,
    Encoders,
    HalfSet,
    HalfStruct,
    Key,
    KeyOrder,
    NoForm,
    RecordForm,
    double,
    integer,
    octets,
    string,
    substitute,
    symbol,
)
from hobgoblin.syrup._output import Output
from hobgoblin.syrup._tokens import COMPILED, LONG, TOO_DEEP, TOO_MANY
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol, SyrupSet

__all__ = ["encode", "encode_pieces", "joined"]

_Frame: TypeAlias = tuple[Any, int, Any, bytes]
"""What is to be written of a container, how much of that is done, the container, and what closes it."""

_NO_ENCODERS: Final[Encoders] = MappingProxyType({})
_NEGATIVE_ZERO: Final = double(-0.0)
_ZERO: Final = double(0.0)
_SMALL: Final = {number: b"%d+" % number for number in range(1000)}
_NONE_SMALL: Final[dict[int, bytes]] = {}
_LONG: Final = LONG
_LARGE: Final = 64  # octets from which a part is counted as it is written; the rest at the end
_NESTED: Final = 40
"""How many containers are written by recursion, before the call stack is unwound."""


def encode(
    value: object,
    *,
    encoders: Encoders = _NO_ENCODERS,
    key_order: KeyOrder = KeyOrder.DECODED,
    limits: Limits = DEFAULT_LIMITS,
    negative_zero: bool = True,
) -> bytes:
    """Return the Syrup encoding of a value.

    ``encoders`` are asked about types that Syrup has not; octets that one returns are taken as
    they are and count as one value. ``limits`` are those that `decode` would hold the result to.
    Without ``negative_zero`` it writes ``0.0`` for ``-0.0``, for readers that know no such number.

    Raises `SyrupError` for a value that has no encoding or passes a limit: it names the path and
    the type, never the value. What an encoder raises passes through.
    """
    return _encode(value, encoders, key_order, limits, negative_zero)


def encode_pieces(
    value: object,
    *,
    encoders: Encoders = _NO_ENCODERS,
    limits: Limits = DEFAULT_LIMITS,
    negative_zero: bool = True,
) -> bytes | list[bytes]:
    """Return what `encode` does, or pieces of it, three at least, if there are long strings in it.

    Long `bytes` are pieces of their own then, which are not copied.
    """
    return _encode_pieces(value, encoders, limits, negative_zero)


def joined(parts: Sequence[bytes]) -> list[bytes]:
    """Return the same octets in fewer parts: those that are long as they are, what is between as one."""
    if not parts or max(map(len, parts)) < _LONG:
        return [b"".join(parts)]  # which hands a single part on as it is
    found: list[bytes] = []
    run: list[bytes] = []
    for part in parts:
        if len(part) < _LONG:
            run.append(part)
            continue
        if run:
            found.append(b"".join(run))
            run = []
        found.append(part)
    if run:
        found.append(b"".join(run))
    return found


def _encode(
    value: object, encoders: Encoders, key_order: KeyOrder, limits: Limits, negative_zero: bool
) -> bytes:
    walk = _written(value, encoders, key_order, limits, negative_zero)
    encoded = walk._out.take()
    _put_back(walk, len(encoded))
    return encoded


def _encode_pieces(
    value: object, encoders: Encoders, limits: Limits, negative_zero: bool
) -> bytes | list[bytes]:
    walk = _written(value, encoders, KeyOrder.DECODED, limits, negative_zero)
    out = walk._out
    if walk._counted >= _LONG:
        out.mark()
        pieces = joined(out.parts)
        # A long part may be the encoding of a text, and the last or the first.
        if len(pieces) >= 3:
            out.parts.clear()
            _put_back(walk, sum(map(len, pieces)))
            return pieces
    encoded = out.take()
    _put_back(walk, len(encoded))
    return encoded


def _written(
    value: object, encoders: Encoders, key_order: KeyOrder, limits: Limits, negative_zero: bool
) -> _Walk:
    walk = _SPARE.pop() if _SPARE else _Walk()
    walk._begin(encoders, key_order, limits, negative_zero)
    try:
        walk.write((value,))
    except NoForm as wrong:
        raise SyrupError(str(wrong), path=join_steps(wrong.steps[::-1])) from None
    return walk


def _put_back(walk: _Walk, size: int) -> None:
    """Keep what has written so many octets for the next value. Raises `SyrupError` if they are too many."""
    walk._encoders = _NO_ENCODERS
    walk._table = None
    if not _SPARE:
        _SPARE.append(walk)
    if size > walk._most:
        raise SyrupError(_too_large(walk._limits))


@final
class _Walk:
    """The way through one value.

    Containers are written by recursion. Those deeper than the call stack should get are put on a stack
    of its own first, and taken up from there.
    """

    __slots__ = (
        "_ceiling",
        "_counted",
        "_depth",
        "_digits",
        "_elements",
        "_encoders",
        "_halted",
        "_key_order",
        "_left",
        "_limits",
        "_most",
        "_negative_zero",
        "_out",
        "_small",
        "_table",
    )

    def __init__(self) -> None:
        self._out = Output()
        self._encoders: Encoders = _NO_ENCODERS
        self._table: dict[type, Callable[[Any], bytes | Record]] | None = None
        self._key_order = KeyOrder.DECODED
        self._negative_zero = True
        self._left: int = 0
        self._counted = 0
        self._ceiling = 0
        self._halted: list[_Frame] = []
        self._hold_to(DEFAULT_LIMITS)

    def _hold_to(self, limits: Limits) -> None:
        self._limits = limits
        self._elements: int = limits.elements
        self._depth = limits.depth
        self._most = limits.message_bytes
        self._digits = limits.integer_digits
        self._small = _SMALL if self._digits > 2 else _NONE_SMALL
        self._out.words = self._digits >= WORD_DIGITS

    def _begin(self, encoders: Encoders, key_order: KeyOrder, limits: Limits, negative_zero: bool) -> None:
        if limits is not self._limits:
            self._hold_to(limits)
        self._encoders = encoders
        self._table = encoders if type(encoders) is dict else None
        self._key_order = key_order
        self._negative_zero = negative_zero
        self._out.negative_zero = negative_zero
        self._left = self._elements
        self._counted = 0

    def write(self, values: tuple[object]) -> None:
        """Write the one value in there."""
        self._ceiling = min(self._depth, _NESTED)
        if self._items(values, 0, None, b"", 0):
            return
        stack: list[_Frame] = []
        try:
            while True:
                stack.extend(reversed(self._halted))
                self._halted.clear()
                done = True
                while done and stack:
                    rest, index, container, closing = stack.pop()
                    depth = len(stack)
                    self._ceiling = min(self._depth, depth + _NESTED)
                    done = self._items(rest, index, container, closing, depth)
                if done:
                    return
        except NoForm as wrong:
            inside = stack[1:]  # the first is what holds the value itself
            wrong.steps.extend([_step(container, index - 1) for _, index, container, _ in reversed(inside)])
            raise

    def _items(self, values: Any, index: int, container: Any, closing: bytes, depth: int) -> bool:
        """Write the values of a container from one on, and what closes it.

        False if it is nested too deeply for that: then it and those within it are in ``_halted``, from
        the innermost on.
        """
        out = self._out
        parts = out.parts
        left = self._left
        small = self._small
        rest: Any = values[index:] if index else values
        try:
            while True:
                for item in rest:
                    if not left:
                        raise NoForm(TOO_MANY)
                    left -= 1
                    if COMPILED and out.atom(item):
                        index += 1
                        continue
                    kind: object = type(item)  # pyright: ignore[reportUnknownVariableType]
                    if kind is str:
                        part = string(item)
                    elif kind is int:
                        part = small.get(item) or integer(item, self._digits)
                    elif kind is Symbol or kind is Key:
                        part = item._syrup or symbol(item.name)
                    elif kind is bytes:
                        if len(item) < _LONG:
                            part = octets(item)
                        else:
                            out.put(b"%d:" % len(item))
                            part = item
                    elif item is True:
                        part = b"t"
                    elif item is False:
                        part = b"f"
                    elif kind is float:
                        part = double(item if item or self._negative_zero else 0.0)
                    else:
                        self._left = left
                        inner = self._inner(item, depth)
                        if type(inner) is not bytes:
                            if not inner:
                                self._halted.append((values, index + 1, container, closing))
                                return False
                            left = self._left
                            index += 1
                            continue
                        part = inner
                    if COMPILED:
                        out.put(part)
                    else:
                        parts.append(part)
                    if len(part) >= _LARGE:
                        self._counted += len(part)
                        if self._counted > self._most:
                            raise NoForm(_too_large(self._limits))
                    index += 1
                if type(container) is not HalfSet or not container.advance(out.mark()):
                    break
                values = rest = (container.items[container.index],)
                index = 0
        except NoForm as wrong:
            if container is not None:
                wrong.steps.append(_step(container, index))
            raise
        if type(container) is HalfSet:
            container.sort(parts)
        self._left = left
        out.put(closing)
        return True

    def _inner(self, item: Any, depth: int) -> bytes | bool:
        """Write a container, or what stands for one: as `_items`. Or return what is to be written."""
        kind: type[object] = type(item)  # pyright: ignore[reportUnknownVariableType]
        label: Any = None
        inner: Any = item
        if not (
            kind is tuple
            or kind is list
            or kind is dict
            or kind is MappingProxyType
            or kind is Record
            or kind is SyrupSet
        ):
            table = self._table
            encoder = self._encoders.get(kind) if table is None else table.get(kind)
            if type(encoder) is RecordForm:
                label = encoder
            else:
                inner = substitute(item, encoder, self._digits)
                if type(inner) is bytes:
                    return inner if self._negative_zero or inner != _NEGATIVE_ZERO else _ZERO
        if depth >= self._ceiling and depth >= self._depth:
            raise NoForm(TOO_DEEP)
        out = self._out
        values: Any = inner
        container: Any = inner
        closing = b"]"
        if label is not None:
            self._count_label()
            out.put(label.head)
            values = label.fields(item)
            container = label
            closing = b">"
        elif isinstance(inner, (tuple, list)):
            out.put(b"[")
        elif isinstance(inner, Record):
            self._count_label()
            label = inner.label
            if type(label) is not Symbol or type(inner.fields) is not tuple:
                raise _odd_record(inner)
            out.put(b"<")
            out.put(label._syrup or symbol(label.name))
            values = inner.fields
            closing = b">"
        elif isinstance(inner, SyrupSet):
            out.put(b"#")
            container = HalfSet(inner.items, out.mark())
            values = container.items[:1]
            closing = b"$"
        else:
            container = HalfStruct(inner, self._key_order)
            out.put(b"{")
            values = container.entries
            closing = b"}"
        if depth >= self._ceiling:
            self._halted.append((values, 0, container, closing))
            return False
        return self._items(values, 0, container, closing, depth + 1)

    def _count_label(self) -> None:
        if not self._left:
            raise NoForm(TOO_MANY)
        self._left -= 1


_SPARE: Final[list[_Walk]] = []
"""Nobody's at the moment: to make one costs more than to write a small message."""


def _too_large(limits: Limits) -> str:
    return f"the message is larger than the limit of {limits.message_bytes} octets: send it in pieces"


def _odd_record(record: Record) -> NoForm:
    if type(record.label) is not Symbol:
        return NoForm(f"a record's label is a Symbol, not {type(record.label).__name__}")
    return NoForm(f"a record's fields are a tuple, not {type(record.fields).__name__}")


def _step(container: Any, index: int) -> str:
    """How a path goes to what stands there in a container."""
    if isinstance(container, HalfSet):
        return f"#[{container.index}]"
    if isinstance(container, HalfStruct):
        key = container.entries[index - index % 2]
        return key_step(key.name if type(key) is Key else key)
    if isinstance(container, (Record, RecordForm)):
        return field_step(container.label, index)
    return f"[{index}]"
