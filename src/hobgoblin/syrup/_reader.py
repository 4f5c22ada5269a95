"""Octets to values: a strict Syrup reader that keeps its place.

The place is kept as data, not on the call stack, so a message may be cut anywhere and no nesting
exhausts the interpreter. What is answered depends on the octets alone, not on how they were cut.

Spec: the Syrup draft, https://github.com/ocapn/syrup. What is not canonical is refused, but for the
order of keys, where Endo's will do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, final

from hobgoblin.errors import SyrupError
from hobgoblin.syrup._containers import (
    KEY,
    LABEL,
    LIST,
    RECORD,
    SET,
    TOP,
    VALUE,
    Frame,
    OpenSet,
    OpenStruct,
    path_to,
)
from hobgoblin.syrup._names import COMMON_SYMBOLS, common_symbol
from hobgoblin.syrup._source import OctetSource
from hobgoblin.syrup._tokens import (
    DELIVER,
    DELIVER_END,
    DELIVER_END_VALUES,
    DELIVER_VALUES,
    DIGITS,
    DOUBLE,
    GLANCE_DIGITS,
    HEADS,
    NAN,
    NO_HEADS,
    NO_VALUE,
    POSITION_DIGITS,
    POSITIONS,
    TOO_DEEP,
    TOO_LONG,
    TOO_MANY,
    Wrong,
    no_name,
    number,
    text,
)
from hobgoblin.values import Limits, Record, Symbol, SyrupSet

__all__ = ["NEED_MORE", "NO_CONSTRUCTORS", "Constructors", "NeedMore", "ValueReader"]

Constructors: TypeAlias = Mapping[str, Callable[[tuple[object, ...]], object]]
"""By record label: what makes the decoded value from the record's fields."""


@final
class NeedMore:
    """The type of `NEED_MORE`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NEED_MORE"


NEED_MORE: Final = NeedMore()
"""What a decoder's ``next`` returns when the octets so far do not complete a value."""

NO_CONSTRUCTORS: Final[Constructors] = MappingProxyType({})
_NO_LABEL: Final = Symbol("")
_OP_DELIVER: Final = common_symbol("op:deliver")
_DELIVER_DEPTH: Final = 3
_SYMBOLS_KEPT: Final = 256
_SYMBOL_OCTETS: Final = 48
_ENDLESS: Final = 2**62
"""More octets than there will ever be: what is counted fits a machine's word."""


class ValueReader(OctetSource):
    """Reads one value after the other from its octets. `Decoder` is its public face."""

    __slots__ = (
        "_constructors",
        "_depth",
        "_elements",
        "_glance",
        "_heads",
        "_integer_digits",
        "_items",
        "_kind",
        "_label",
        "_learned",
        "_left",
        "_length_digits",
        "_message_octets",
        "_positions",
        "_sets",
        "_stack",
        "_start",
        "_stop",
        "_structs",
    )

    def __init__(self, constructors: Constructors, limits: Limits) -> None:
        OctetSource.__init__(self)
        self._constructors = constructors
        self._message_octets = min(limits.message_bytes, _ENDLESS)
        self._depth = limits.depth
        self._elements = limits.elements
        self._integer_digits = limits.integer_digits
        self._length_digits = limits.length_digits
        # Up to this, a number may get one digit more with no thought of limits.
        least = min(limits.integer_digits, limits.length_digits, GLANCE_DIGITS)
        self._glance = 10 ** max(least - 1, 0) - 1
        self._heads = HEADS if limits.length_digits > 1 else NO_HEADS
        self._positions = (
            POSITIONS
            if least > 3 and limits.integer_digits >= POSITION_DIGITS and limits.depth >= _DELIVER_DEPTH
            else None
        )
        self._learned: dict[bytes, Symbol] = {}

        # The value in progress. _stop is the place in the stream that it may not pass, -1 between values.
        self._stop = -1
        self._start = 0
        self._left = 0
        self._kind = TOP
        self._items: list[object] = []
        self._label = _NO_LABEL
        self._stack: list[Frame] = []
        self._structs: list[OpenStruct] = []
        self._sets: list[OpenSet] = []

    # Where one message ends and the next begins. The framed decoders know better.

    def _begin(self) -> bool:
        """Set ``_stop`` for the value that comes; false when not one octet of it is there."""
        if self._pos >= len(self._data) and not self._refill():
            return False
        self._stop = self._base + self._pos + self._message_octets
        return True

    def _end(self, place: int, stop: int) -> None:
        """Take note that a value which may not pass ``stop`` ended at ``place`` in the stream."""

    def _past_stop(self) -> str:
        return "the message is larger than the limit"

    def _read(self) -> object:
        if self._stop < 0:
            if not self._begin():
                return NEED_MORE
            self._left = self._elements
            self._start = self._base + self._pos
        elif self._pos >= len(self._data) and not self._refill():
            return NEED_MORE

        data = self._data
        octets = data  # the same, and to a compiler where they lie: places in it are checked against ``end``
        pos = self._pos
        base = self._base
        stop = self._stop
        kind = self._kind
        items = self._items
        label = self._label
        left = self._left
        stack = self._stack
        structs = self._structs
        constructors = self._constructors
        glance = self._glance
        heads = self._heads
        positions = self._positions
        common = COMMON_SYMBOLS
        value: object
        try:
            while True:
                end = min(len(data), stop - base)
                need = 0
                run = 0
                while pos < end:
                    octet = octets[pos]

                    if octet > 0x39:
                        if octet == 0x3E and kind == RECORD:  # >
                            build = constructors.get(label.name)
                            value = Record(label, tuple(items)) if build is None else build(tuple(items))
                            kind, items, label = stack.pop()
                            pos += 1
                        elif octet == 0x5D and kind == LIST:  # ]
                            if (
                                positions is not None
                                and len(stack) == 2
                                and stack[1][2] is _OP_DELIVER
                                and left >= DELIVER_END_VALUES
                                and (found := DELIVER_END.match(data, pos, end)) is not None
                                and len(stack[1][1]) == 1
                            ):
                                # The arguments of an op:deliver end here, and it is as good as read.
                                digits, raw, more = found.groups()
                                answer: object = False
                                resolver: object = False
                                if raw is not None:
                                    answer = int(digits)
                                    resolver = self._build(common[raw], (int(more),))
                                left -= 2 if raw is None else DELIVER_END_VALUES
                                fields = (stack[1][1][0], tuple(items), answer, resolver)
                                value = self._build(_OP_DELIVER, fields)
                                stack.pop()
                                kind, items, label = stack.pop()
                                pos = found.end()
                            else:
                                value = tuple(items)
                                kind, items, label = stack.pop()
                                pos += 1
                        elif octet == 0x7D and kind == KEY:  # }
                            struct = structs.pop()
                            value = MappingProxyType(struct.entries)
                            kind, items, label = stack.pop()
                            pos += 1
                        elif kind >= KEY:
                            raise Wrong(no_name(kind), pos)
                        elif not left:
                            raise Wrong(TOO_MANY, pos)
                        elif octet == 0x66:  # f
                            value = False
                            left -= 1
                            pos += 1
                        elif octet == 0x74:  # t
                            value = True
                            left -= 1
                            pos += 1
                        elif octet == 0x44:  # D
                            if pos + 9 > end:
                                if base + pos + 9 > stop:
                                    raise Wrong(self._past_stop(), pos)
                                need = 9
                                break
                            double: float = DOUBLE.unpack_from(data, pos + 1)[0]
                            if double != double and octets[pos + 1 : pos + 9] != NAN:
                                raise Wrong("this NaN is not the canonical one", pos)
                            value = double
                            left -= 1
                            pos += 9
                        elif octet == 0x3C or octet == 0x5B or octet == 0x7B:  # < [ {
                            if len(stack) >= self._depth:
                                raise Wrong(TOO_DEEP, pos)
                            if octet == 0x3C and positions is not None and left > DELIVER_VALUES:
                                if kind == TOP and (found := DELIVER.match(data, pos, end)) is not None:
                                    raw, digits = found.groups()
                                    target = self._build(common[raw], (int(digits),))
                                    stack.append((TOP, items, label))
                                    stack.append((RECORD, [target], _OP_DELIVER))
                                    items = []
                                    kind = LIST
                                    left -= DELIVER_VALUES
                                    pos = found.end()
                                    continue
                                found = positions.match(data, pos, end)
                            else:
                                found = None
                            if found is None:
                                stack.append((kind, items, label))
                                items = []
                                left -= 1
                                pos += 1
                                if octet == 0x3C:
                                    kind = LABEL
                                    # A label that is at hand need not be taken apart.
                                    close = (
                                        pos + heads.get(octets[pos : pos + 3], end)
                                        if pos + 3 <= end
                                        else end + 1
                                    )
                                    if left and close <= end:
                                        known = common.get(octets[pos + 3 : close])
                                        if known is not None:
                                            label = known
                                            kind = RECORD
                                            left -= 1
                                            pos = close
                                elif octet == 0x5B:
                                    kind = LIST
                                else:
                                    kind = KEY
                                    structs.append(OpenStruct())
                                continue
                            # A descriptor, as every message has some: all of it at once.
                            raw, digits = found.groups()
                            value = self._build(common[raw], (int(digits),))
                            left -= 3
                            pos = found.end()
                        else:
                            raise Wrong(NO_VALUE, pos)

                    elif octet > 0x2F:  # 0 to 9
                        if not left:
                            raise Wrong(TOO_MANY, pos)
                        amount = octet - 0x30
                        large = None
                        here = pos + 1
                        while here < end:
                            octet = octets[here]
                            if octet < 0x30 or octet > 0x39:
                                break
                            if not amount:
                                raise Wrong("a number begins with a needless zero", pos)
                            if amount > glance:
                                found = DIGITS.match(data, here, end)
                                here = found.end() if found else here
                                if here < end:
                                    octet = octets[here]
                                    most = self._digits_most(kind, octet)
                                    if here - pos <= most:
                                        large = number(octets[pos:here], pos)
                                        amount = min(large, _ENDLESS)
                                else:
                                    most = self._digits_most(kind, 0x30)
                                if here - pos > most:
                                    raise Wrong(TOO_LONG, pos)
                                break
                            amount = amount * 10 + octet - 0x30
                            here += 1
                        if here == end:
                            run = here - pos if amount else 0  # behind a zero no digit may come
                            break

                        if octet == 0x2B or octet == 0x2D:  # + -
                            if kind >= KEY:
                                raise Wrong(no_name(kind), pos)
                            if octet == 0x2B:
                                value = amount if large is None else large
                            elif amount:
                                value = -amount if large is None else -large
                            else:
                                raise Wrong("zero is written '0+'", pos)
                            left -= 1
                            pos = here + 1
                        else:
                            if octet != 0x27 and octet != 0x22 and octet != 0x3A:  # ' " :
                                raise Wrong("digits are followed by none of + - : \" '", here)
                            if kind >= KEY and octet != 0x27 and (octet == 0x3A or kind == LABEL):
                                raise Wrong(no_name(kind), pos)
                            close = here + 1 + amount
                            if close > end:
                                if base + close > stop:
                                    raise Wrong(self._past_stop(), pos)
                                need = close - pos
                                break
                            raw = octets[here + 1 : close]
                            left -= 1
                            if octet == 0x27:
                                symbol = common.get(raw) or self._symbol(raw, here + 1)
                                if kind == LABEL:
                                    label = symbol
                                    kind = RECORD
                                    pos = close
                                    continue
                                value = symbol
                            elif octet == 0x22:
                                value = text(raw, here + 1)
                            else:
                                value = raw
                            if kind == KEY:
                                struct = structs[-1]
                                problem = struct.begin(value, octets[pos:close])
                                if problem:
                                    raise Wrong(problem, pos)
                                kind = VALUE
                                pos = close
                                continue
                            pos = close

                    elif kind >= KEY:
                        raise Wrong(no_name(kind), pos)
                    elif octet == 0x24 and kind == SET:  # $
                        self._sets.pop()
                        if not self._sets:
                            self._forget()
                        value = SyrupSet(tuple(items))
                        kind, items, label = stack.pop()
                        pos += 1
                    elif not left:
                        raise Wrong(TOO_MANY, pos)
                    elif octet == 0x23:  # #
                        if len(stack) >= self._depth:
                            raise Wrong(TOO_DEEP, pos)
                        stack.append((kind, items, label))
                        items = []
                        kind = SET
                        left -= 1
                        pos += 1
                        self._keep(base + pos)
                        self._sets.append(OpenSet(base + pos))
                        continue
                    else:
                        raise Wrong(NO_VALUE, pos)

                    if kind <= RECORD:
                        items.append(value)
                    elif kind == VALUE:
                        struct = structs[-1]
                        struct.entries[struct.key] = value
                        kind = KEY
                    elif kind == SET:
                        problem = self._sets[-1].check(base + pos, self._octets)
                        if problem:
                            raise Wrong(problem, pos - 1)
                        items.append(value)
                    else:
                        self._pos = pos
                        self._kind = TOP
                        self._items = []
                        self._stop = -1
                        self._end(base + pos, stop)
                        return value

                if base + end >= stop:
                    raise Wrong(self._past_stop(), end)
                self._pos = pos
                if not self._tail:
                    break
                self._join()
                data = octets = self._data
                base = self._base
                pos = 0
        except Wrong as wrong:
            path = path_to([*stack, (kind, items, label)], structs)
            raise SyrupError(wrong.problem, offset=base + wrong.index, path=path) from None

        self._kind = kind
        self._items = items
        self._label = label
        self._left = left
        self._wait(need, run, min(self._digits_most(kind, 0x30), stop - base - pos - 1))
        return NEED_MORE

    def _build(self, label: Symbol, fields: tuple[object, ...]) -> object:
        build = self._constructors.get(label.name)
        return Record(label, fields) if build is None else build(fields)

    def _digits_most(self, kind: int, octet: int) -> int:
        """How many digits may stand before this octet, which may be one more digit."""
        if kind >= KEY or octet == 0x27 or octet == 0x22 or octet == 0x3A:
            return self._length_digits
        if octet == 0x2B or octet == 0x2D:
            return self._integer_digits
        return max(self._length_digits, self._integer_digits)

    def _symbol(self, raw: bytes, index: int) -> Symbol:
        symbol = self._learned.get(raw)
        if symbol is None:
            symbol = Symbol(text(raw, index))
            if len(raw) <= _SYMBOL_OCTETS:
                if len(self._learned) >= _SYMBOLS_KEPT:
                    self._learned.clear()  # or the first names to come would stay for good
                self._learned[raw] = symbol
        return symbol

    def _path(self) -> str:
        """The path to where `_read` stopped."""
        return path_to([*self._stack, (self._kind, self._items, self._label)], self._structs)

    def _abandon(self) -> None:
        self._clear()
        self._stop = -1
        self._items = []
        self._stack = []
        self._structs = []
        self._sets = []
