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
from hobgoblin.syrup._tokens import LONG, TOO_DEEP, TOO_MANY
from hobgoblin.values import COMPILED, DEFAULT_LIMITS, Limits, Record, Symbol, SyrupSet

__all__ = ["Allowance", "Writer", "atoms", "begun", "encode", "joined", "positions"]

_Frame: TypeAlias = tuple[Any, int, Any, bytes]
"""What is to be written of a container, how much of that is done, the container, and what closes it."""

_NO_ENCODERS: Final[Encoders] = MappingProxyType({})
_DECODED: Final = KeyOrder.DECODED
_NEGATIVE_ZERO: Final = double(-0.0)
_ZERO: Final = double(0.0)
_SMALL: Final = {number: b"%d+" % number for number in range(1000)}
_NONE_SMALL: Final[dict[int, bytes]] = {}
_ATOMS: Final = frozenset({bool, bytes, float, int, str, Symbol})
_LONG: Final = LONG
_ENDLESS: Final = 2**62
"""More than there will ever be of anything: what is counted fits a machine's word."""
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


def joined(parts: Sequence[bytes]) -> list[bytes]:
    """Return the same octets in fewer parts: those that are long as they are, what is between as one."""
    for part in parts:
        if len(part) >= _LONG:
            break
    else:
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
    allowed = _USUAL if limits is DEFAULT_LIMITS else Allowance(limits)
    writer = begun(encoders, allowed, negative_zero, key_order)
    writer.write(value)
    return writer.take()


def begun(
    encoders: Encoders, allowed: Allowance, negative_zero: bool, key_order: KeyOrder = _DECODED
) -> Writer:
    """Return what writes one message. The arguments are those of `encode`."""
    writer = _SPARE.pop() if _SPARE else Writer()
    out = writer.out
    out.words = allowed.digits >= WORD_DIGITS
    out.negative_zero = negative_zero
    out.around = 0
    writer._allowed = allowed
    writer._encoders = encoders
    writer._table = encoders if type(encoders) is dict else None
    writer._key_order = key_order
    writer._left = allowed.elements
    writer._counted = 0
    return writer


@final
class Allowance:
    """How much a message may hold: what an encoder looks at of ``limits``."""

    __slots__ = ("depth", "digits", "elements", "limits", "octets", "small")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.elements = min(limits.elements, _ENDLESS)
        self.depth = min(limits.depth, _ENDLESS)
        self.octets = min(limits.message_bytes, _ENDLESS)
        self.digits = min(limits.integer_digits, _ENDLESS)
        self.small = _SMALL if self.digits > 2 else _NONE_SMALL


@final
class Writer:
    """Writes one message: a value, and what there is around it in ``out``.

    Containers are written by recursion. Those deeper than the call stack should get are put on a stack
    of its own first, and taken up from there. One that has raised is of no use any more.
    """

    __slots__ = (
        "_allowed",
        "_ceiling",
        "_counted",
        "_encoders",
        "_halted",
        "_key_order",
        "_left",
        "_table",
        "out",
    )

    def __init__(self) -> None:
        self.out = Output()
        self._encoders: Encoders = _NO_ENCODERS
        self._table: dict[type, Callable[[Any], bytes | Record]] | None = None
        self._key_order = _DECODED
        self._allowed = _USUAL
        self._left: int = 0
        self._counted = 0
        self._ceiling = 0
        self._halted: list[_Frame] = []

    def write(self, value: object) -> None:
        """Write the value. Raises as `encode`; that it is too large may show only when it is taken."""
        self._ceiling = min(self._allowed.depth, _NESTED)
        try:
            if not self._outermost(value):
                self._go_on()
        except NoForm as wrong:
            raise SyrupError(str(wrong), path=join_steps(wrong.steps[::-1])) from None

    def _outermost(self, value: Any) -> bool:
        """Write the value itself, as `_items` would; but a container without a tuple around it."""
        kind: object = type(value)  # pyright: ignore[reportUnknownVariableType]
        if COMPILED and kind is tuple and self._left and self._ceiling:
            written = self._simple_first(value)
        elif kind in _ATOMS or not self._left:
            return self._items((value,), 0, None, b"", 0)
        else:
            self._left -= 1
            inner = self._inner(value, 0)
            written = inner is not False
            if type(inner) is bytes:
                self._count(len(inner))
                self.out.put(inner)
        if not written:
            self._halted.append(((value,), 1, None, b""))
        return written

    def _simple_first(self, values: tuple[object, ...]) -> bool:
        """Write a list: in one go as far as its values are short and simple; the rest of it as `_items`."""
        out = self.out
        out.put(b"[")
        left = self._left - 1
        for index, value in enumerate(values):
            if not left or not out.atom(value):
                self._left = left
                return self._items(values, index, values, b"]", 1)
            left -= 1
        self._left = left
        out.put(b"]")
        return True

    def take(self) -> bytes:
        """Return what was written. Raises `SyrupError` if the value is too large."""
        encoded = self.out.take(False)
        self._end(self.out.taken)
        return encoded

    def take_message(self, prefixed: bool, cuts: bool) -> bytes | tuple[bytes, ...]:
        """Return what was written, as a message of a stream. Raises as `take`.

        Args:
            prefixed: whether its length and a colon come before it.
            cuts: whether to return it in pieces if there are long strings in it. Long `bytes` are pieces
                of their own then, which are not copied.
        """
        out = self.out
        if cuts and self._counted >= _LONG:
            out.mark()
            pieces = joined(out.parts)
            if len(pieces) > 1:
                size = sum(map(len, pieces))
                out.parts.clear()
                if prefixed:
                    pieces[0] = b"%d:%b" % (size, pieces[0])
                self._end(size)
                return tuple(pieces)
            out.parts[:] = pieces
        encoded = out.take(prefixed)
        self._end(out.taken)
        return encoded

    def _end(self, size: int) -> None:
        """The message has so many octets: keep this for the next one."""
        allowed = self._allowed
        if size - self.out.around > allowed.octets:
            raise SyrupError(_too_large(allowed.limits))
        self._encoders = _NO_ENCODERS
        self._table = None
        if len(_SPARE) < _SPARES:
            _SPARE.append(self)

    def _go_on(self) -> None:
        """Write what is nested too deeply for the call stack."""
        stack: list[_Frame] = []
        try:
            done = False
            while not done or stack:
                if not done:
                    stack.extend(reversed(self._halted))
                    self._halted.clear()
                rest, index, container, closing = stack.pop()
                depth = len(stack)
                self._ceiling = min(self._allowed.depth, depth + _NESTED)
                done = self._items(rest, index, container, closing, depth)
        except NoForm as wrong:
            inside = stack[1:]  # the first is what holds the value itself
            wrong.steps.extend([_step(container, index - 1) for _, index, container, _ in reversed(inside)])
            raise

    def _items(self, values: Any, index: int, container: Any, closing: bytes, depth: int) -> bool:
        """Write the values of a container from one on, and what closes it.

        False if it is nested too deeply for that: then it and those within it are in ``_halted``, from
        the innermost on.
        """
        out = self.out
        parts = out.parts
        left = self._left
        small = self._allowed.small
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
                        part = small.get(item) or integer(item, self._allowed.digits)
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
                        part = double(item if item or self.out.negative_zero else 0.0)
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
                        self._count(len(part))
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
        form: Any = None
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
            if isinstance(encoder, RecordForm):
                form = encoder
            else:
                inner = substitute(item, encoder, self._allowed.digits)
                if type(inner) is bytes:
                    return inner if self.out.negative_zero or inner != _NEGATIVE_ZERO else _ZERO
        if depth >= self._ceiling and depth >= self._allowed.depth:
            raise NoForm(TOO_DEEP)
        out = self.out
        values: Any = inner
        container: Any = inner
        closing = b"]"
        if form is not None:
            if self._left > 1 and out.words:
                position = form.position(item)
                if position >= 0:
                    self._left -= 2
                    out.put_position(form.head, position)
                    return True
            self._count_label()
            out.put(form.head)
            values = form.fields(item)
            container = form
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

    def _count(self, size: int) -> None:
        self._counted += size
        if self._counted > self._allowed.octets:
            raise NoForm(_too_large(self._allowed.limits))

    def _count_label(self) -> None:
        if not self._left:
            raise NoForm(TOO_MANY)
        self._left -= 1


_USUAL: Final = Allowance(DEFAULT_LIMITS)
_SPARES: Final = 3  # with fewer the list itself would be made and freed with every message
_SPARE: Final = [Writer() for _ in range(_SPARES)]
"""Nobody's at the moment: to make one costs more than to write a small message."""


def atoms(values: tuple[Any, ...], allowed: Allowance) -> bytes | None:
    """Encode a list of short values of the commonest kinds: what is between its brackets.

    ``None`` if one of them is of another kind or has no encoding, if they are long, or more than ``allowed``:
    that is for a `Writer`.
    """
    if len(values) >= allowed.elements or not allowed.depth:
        return None
    small = allowed.small
    parts: list[bytes] = []
    try:
        for value in values:
            kind: object = type(value)  # pyright: ignore[reportUnknownVariableType]
            if kind is int:
                parts.append(small.get(value) or integer(value, allowed.digits))
            elif kind is Symbol:
                parts.append(value._syrup or symbol(value.name))
            elif kind is str:
                parts.append(string(value))
            elif value is True:
                parts.append(b"t")
            elif value is False:
                parts.append(b"f")
            else:
                return None
    except NoForm:
        return None
    written = b"".join(parts)
    return written if len(written) < _LONG and len(written) + 2 <= allowed.octets else None


def positions(numbers: list[int]) -> bytes:
    """Encode integers from 0 on, one behind the other, as a list holds them."""
    if not COMPILED:
        return b"%d+" * len(numbers) % tuple(numbers)
    out = Output()
    for number in numbers:
        out.put_around(b"", number, b"")
    return out.take(False)


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
