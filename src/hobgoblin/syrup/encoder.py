"""Values to Syrup octets, in canonical form but for the order of keys, which can be chosen.

Spec: the Syrup draft, https://github.com/ocapn/syrup; for the orders of keys, see `KeyOrder`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import length_hint
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from hobgoblin.errors import SyrupError
from hobgoblin.syrup._containers import field_step, join_steps, key_step
from hobgoblin.syrup._forms import (
    SYMBOLS,
    Encoders,
    HalfSet,
    HalfStruct,
    KeyOrder,
    NoForm,
    Plain,
    double,
    integer,
    octets,
    string,
    substitute,
    symbol,
)
from hobgoblin.syrup._tokens import LONG, TOO_DEEP, TOO_MANY
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol, SyrupSet

__all__ = ["Encoders", "KeyOrder", "encode", "encode_pieces", "joined"]

_Container: TypeAlias = Plain | HalfStruct | HalfSet | None
_Frame: TypeAlias = tuple[Iterator[Any], _Container, bytes]
"""What is still to be written of a container, the container, and the octet that closes it."""

_NO_ENCODERS: Final[Encoders] = MappingProxyType({})
_CONTAINERS: Final = frozenset((Record, tuple, list, dict, MappingProxyType, SyrupSet))
_NEGATIVE_ZERO: Final = double(-0.0)
_ZERO: Final = double(0.0)
_SMALL: Final = {number: b"%d+" % number for number in range(1000)}
_LONG: Final = LONG
_LARGE: Final = 64  # octets from which a part is counted as it is written; the rest at the end


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
    return b"".join(_encode(value, encoders, key_order, limits, negative_zero))


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
    parts = _encode(value, encoders, KeyOrder.DECODED, limits, negative_zero)
    pieces = joined(parts) if len(parts) > 1 and max(map(len, parts)) >= _LONG else ()
    # A long part may be the encoding of a text, and the last or the first.
    return b"".join(parts) if len(pieces) < 3 else list(pieces)


def joined(parts: Sequence[bytes]) -> Sequence[bytes]:
    """Return the same octets in fewer parts: those that are long as they are, what is between as one."""
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
) -> list[bytes]:
    parts: list[bytes] = []
    stack: list[_Frame] = []
    values: Iterator[Any] = iter((value,))
    container: _Container = None
    closing = b""
    left = limits.elements
    digits = limits.integer_digits
    depth = limits.depth
    most = limits.message_bytes
    small = _SMALL if digits > 2 else {}
    counted = 0
    try:
        while True:
            for item in values:
                if not left:
                    raise NoForm(TOO_MANY)
                left -= 1
                if type(item) is Symbol:
                    part = SYMBOLS.get(item.name) or symbol(item.name)
                elif type(item) is int:
                    part = small.get(item) or integer(item, digits)
                elif type(item) is str:
                    part = string(item)
                elif type(item) is bytes:
                    if len(item) < _LONG:
                        part = octets(item)
                    else:
                        parts.append(b"%d:" % len(item))
                        part = item
                elif item is True:
                    part = b"t"
                elif item is False:
                    part = b"f"
                elif type(item) is float:
                    part = double(item if item or negative_zero else 0.0)
                else:
                    inner: Plain = item if type(item) in _CONTAINERS else substitute(item, encoders, digits)
                    if type(inner) is bytes:
                        part = inner if negative_zero or inner != _NEGATIVE_ZERO else _ZERO
                    else:
                        if len(stack) >= depth:
                            raise NoForm(TOO_DEEP)
                        outer = (values, container, closing)
                        if isinstance(inner, Record):
                            if not left:
                                raise NoForm(TOO_MANY)
                            left -= 1
                            label = inner.label
                            if type(label) is not Symbol or type(inner.fields) is not tuple:
                                raise _odd_record(inner)
                            parts.append(b"<")
                            head = SYMBOLS.get(label.name) or symbol(label.name)
                            values = iter(inner.fields)
                            container = inner
                            closing = b">"
                        elif isinstance(inner, (tuple, list)):
                            head = b"["
                            values = iter(inner)
                            container = inner
                            closing = b"]"
                        elif isinstance(inner, SyrupSet):
                            head = b"#"
                            half = HalfSet(inner.items, len(parts) + 1)
                            values = iter(half.items[:1])
                            container = half
                            closing = b"$"
                        else:
                            head = b"{"
                            struct = HalfStruct(inner, key_order)
                            values = iter(struct.entries)
                            container = struct
                            closing = b"}"
                        stack.append(outer)
                        parts.append(head)
                        break
                parts.append(part)
                if len(part) >= _LARGE:
                    counted += len(part)
                    if counted > most:
                        raise NoForm(_too_large(limits))
            else:
                if not stack:
                    break
                ended = container
                if isinstance(ended, HalfSet) and ended.advance(len(parts)):
                    values = iter((ended.items[ended.index],))
                    continue
                end = closing
                values, container, closing = stack.pop()
                if isinstance(ended, HalfSet):
                    ended.sort(parts)
                parts.append(end)
    except NoForm as wrong:
        raise SyrupError(str(wrong), path=_path([*stack, (values, container, closing)])) from None
    if counted + _LARGE * len(parts) > most and sum(map(len, parts)) > most:
        raise SyrupError(_too_large(limits))
    return parts


def _too_large(limits: Limits) -> str:
    return f"the message is larger than the limit of {limits.message_bytes} octets: send it in pieces"


def _odd_record(record: Record) -> NoForm:
    if type(record.label) is not Symbol:
        return NoForm(f"a record's label is a Symbol, not {type(record.label).__name__}")
    return NoForm(f"a record's fields are a tuple, not {type(record.fields).__name__}")


def _path(frames: list[_Frame]) -> str:
    steps: list[str] = []
    for values, container, _ in frames:
        if isinstance(container, HalfSet):
            steps.append(f"#[{container.index}]")
        elif isinstance(container, HalfStruct):
            index = len(container.entries) - length_hint(values) - 1
            steps.append(key_step(container.entries[index - index % 2]))
        elif isinstance(container, Record):
            steps.append(field_step(container.label, len(container.fields) - length_hint(values) - 1))
        elif isinstance(container, (tuple, list)):
            steps.append(f"[{len(container) - length_hint(values) - 1}]")
    return join_steps(steps)
