"""Octets to values: a strict Syrup reader that keeps its place.

Containers are read by recursion. Where that can't go on, because octets are missing or it is nested
too deeply for the call stack, what is read so far is put on a stack of the reader's own, and taken up from
there. So a message may be cut anywhere and no nesting exhausts the interpreter. What is answered depends
on the octets alone, not on how they were cut.

Spec: the Syrup draft, https://github.com/ocapn/syrup. What is not canonical is refused, but for the
order of keys, where Endo's will do as well.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, cast, final

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
from hobgoblin.syrup._in_place import Constructors, PlaceReader
from hobgoblin.syrup._names import COMMON_SYMBOLS, NAMES, common_symbol
from hobgoblin.syrup._tokens import (
    CALL_OCTETS,
    CALL_VALUES,
    DELIVER,
    DELIVER_END,
    DELIVER_END_VALUES,
    DELIVER_VALUES,
    DIGITS,
    GLANCE_DIGITS,
    NAN,
    NO_UTF8,
    NO_VALUE,
    NOTHING,
    POSITION_DIGITS,
    POSITIONS,
    TOO_DEEP,
    TOO_LONG,
    TOO_MANY,
    Wrong,
    double_at,
    no_name,
    number,
    text,
)
from hobgoblin.values import COMPILED, DEFAULT_LIMITS, Limits, Symbol, SyrupSet

__all__ = ["NEED_MORE", "NeedMore", "ValueReader"]


@final
class NeedMore:
    """The type of `NEED_MORE`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NEED_MORE"


NEED_MORE: Final = NeedMore()
"""What a decoder's ``next`` returns when the octets so far do not complete a value."""

_NO_LABEL: Final = Symbol("")
_NAMES: Final = NAMES if COMPILED else None
_OP_DELIVER: Final = common_symbol("op:deliver")
_DELIVER_DEPTH: Final = 3
_SYMBOLS_KEPT: Final = 256
_SYMBOL_OCTETS: Final = 48
_ENDLESS: Final = 2**62
"""More octets than there will ever be: what is counted fits a machine's word."""
_NESTED: Final = 40
"""How many containers are read by recursion, before the call stack is unwound."""


@final
class _Halted:
    """The type of `_HALTED`, what `ValueReader._fill` returns when it can't go on."""

    __slots__ = ()


_HALTED: Final = _Halted()


@final
class Bounds:
    """What a reader needs of `Limits`."""

    __slots__ = (
        "at_once",
        "depth",
        "elements",
        "glance",
        "integer_digits",
        "length_digits",
        "message_octets",
        "positions",
        "usual",
    )

    def __init__(self, limits: Limits) -> None:
        self.message_octets = min(limits.message_bytes, _ENDLESS)
        self.depth = min(limits.depth, _ENDLESS)
        self.elements = min(limits.elements, _ENDLESS)
        self.integer_digits = min(limits.integer_digits, _ENDLESS)
        self.length_digits = min(limits.length_digits, _ENDLESS)
        # Up to this, a number may get one digit more with no thought of limits.
        least = min(limits.integer_digits, limits.length_digits, GLANCE_DIGITS)
        self.glance = 10 ** max(least - 1, 0) - 1
        self.usual = least > 3 and limits.integer_digits >= POSITION_DIGITS and limits.depth >= _DELIVER_DEPTH
        self.positions = POSITIONS if self.usual else None
        # Calls of the commonest kind are within the limits.
        self.at_once = self.usual and self.elements >= CALL_VALUES and self.message_octets >= CALL_OCTETS


_USUAL: Final = Bounds(DEFAULT_LIMITS)


class ValueReader(PlaceReader):
    """Reads one value after the other from its octets. `Decoder` is its public face."""

    __slots__ = (
        "_at_once",
        "_ceiling",
        "_depth",
        "_elements",
        "_halted",
        "_integer_digits",
        "_learned",
        "_length_digits",
        "_message_octets",
        "_missing",
        "_missing_run",
        "_open_sets",
        "_positions",
        "_problem",
        "_stack",
        "_start",
        "_stop",
        "_usual",
    )

    def _open(self, constructors: Constructors, limits: Limits) -> None:
        """Begin a stream."""
        self._begin_empty()
        self._begin_place()
        bounds = _USUAL if limits is DEFAULT_LIMITS else Bounds(limits)
        self._use(constructors)
        self._message_octets = bounds.message_octets
        self._depth = bounds.depth
        self._elements = bounds.elements
        self._integer_digits = bounds.integer_digits
        self._length_digits = bounds.length_digits
        self._glance = bounds.glance
        self._positions = bounds.positions
        self._usual = bounds.usual
        self._at_once = bounds.at_once
        self._learned: dict[bytes, Symbol] | None = None

        # The value in progress. _stop is the place in the stream that it may not pass, -1 between values.
        self._stop = -1
        self._start = 0
        self._open_sets = 0
        # The containers that `_fill` is not in at the moment, from the outermost on.
        self._stack: list[Frame] | None = None
        # For `_fill`: how many containers it may be in.
        self._ceiling = 0
        # Of it, when it has halted: the containers that it was in, from the innermost on, and why.
        self._halted: list[Frame] | None = None
        self._problem: str | None = None
        self._missing = 0
        self._missing_run = 0

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
        value: object = _HALTED
        if self._stop < 0:
            if not self._begin():
                return NEED_MORE
            self._left = self._elements
            self._start = self._base + self._pos
            self._here = self._pos
            self._edge = min(len(self._data), self._stop - self._base)
            self._ceiling = min(self._depth, _NESTED)
            value = self._message()
        elif self._pos >= len(self._data) and not self._refill():
            return NEED_MORE
        else:
            self._here = self._pos
            value = self._resume()
        while value is _HALTED:
            stack = self._stack
            if stack is None:
                stack = self._stack = []
            stack.extend(reversed(cast("list[Frame]", self._halted)))
            self._halted = None
            if self._problem is not None:
                raise SyrupError(self._problem, offset=self._base + self._here, path=self._path())
            if self._here >= self._edge or self._missing or self._missing_run:
                end = self._base + self._edge
                if end >= self._stop:
                    raise SyrupError(self._past_stop(), offset=end, path=self._path())
                self._pos = self._here
                if not self._tail:
                    digits = self._digits_most(stack[-1][0], 0x30)
                    most = min(digits, self._stop - self._base - self._pos - 1)
                    self._wait(self._missing, self._missing_run, most)
                    return NEED_MORE
                self._join()
                self._here = 0
            value = self._resume()
        stop = self._stop
        self._pos = self._here
        self._stop = -1
        self._end(self._base + self._pos, stop)
        return value

    def _message(self) -> object:
        """Read a message from its beginning, like `_fill`."""
        to = self._beginning()
        if to is NOTHING:
            return self._fill(TOP, None, _NO_LABEL, None, 0, NOTHING)
        args: Any = self._simple_list() if COMPILED else NOTHING
        value = args
        if type(args) is not tuple:
            items: list[object] = [] if args is NOTHING else args
            value = self._fill(LIST, items, _NO_LABEL, None, 2, NOTHING)
        if value is _HALTED:
            self._halt(RECORD, [to], _OP_DELIVER, None)
        else:
            # The arguments of an op:deliver end here, and it is as good as read.
            op = self._deliver_end(to, value) if COMPILED else self._ending(to, value)
            if op is not NOTHING:
                return op
            value = self._fill(RECORD, [to], _OP_DELIVER, None, 1, value)
        if value is _HALTED:
            self._halt(TOP, [], _NO_LABEL, None)
        return value

    def _beginning(self) -> object:
        """Read the beginning of an op:deliver, up to its arguments, and return the target."""
        if COMPILED:
            return self._deliver_target() if self._usual else NOTHING
        if self._positions is None or self._left <= DELIVER_VALUES:
            return NOTHING
        found = DELIVER.match(self._data, self._here, self._edge)
        if found is None:
            return NOTHING
        raw, digits = found.groups()
        self._left -= DELIVER_VALUES
        self._here = found.end()
        return self._at(COMMON_SYMBOLS[raw], int(digits))

    def _ending(self, to: object, args: object) -> object:
        """Read the end of an op:deliver, behind its arguments, and return it."""
        left = self._left
        if left < DELIVER_END_VALUES:
            return NOTHING
        found = DELIVER_END.match(self._data, self._here, self._edge)
        if found is None:
            return NOTHING
        digits, raw, more = found.groups()
        self._here = found.end()
        if raw is None:
            self._left = left - 2
            return self._deliver(to, args, -1, False)
        self._left = left - DELIVER_END_VALUES
        return self._deliver(to, args, int(digits), self._at(COMMON_SYMBOLS[raw], int(more)))

    def _resume(self) -> object:
        """Go on with what is on the stack, like `_fill`."""
        stack = cast("list[Frame]", self._stack)
        self._edge = min(len(self._data), self._stop - self._base)
        self._missing = 0
        self._missing_run = 0
        value: object = NOTHING
        while stack:
            kind, items, label, opened = stack.pop()
            depth = len(stack)
            self._ceiling = min(self._depth, depth + _NESTED)
            value = self._fill(kind, items, label, opened, depth, value)
            if value is _HALTED:
                break
        return value

    def _fill(
        self,
        kind: int,
        items: Any,
        label: Any,
        opened: Any,
        depth: int,
        value: object,
    ) -> object:
        """Read what is left of a container, and return what it becomes, from ``_here`` on.

        ``value`` is what has just been read for it, if any. When it can't go on it returns `_HALTED`, with
        this container and those within it in ``_halted``.
        """
        data = self._data
        octets = data  # the same, and to a compiler where they lie: places in it are checked against ``end``
        pos = self._here
        end = self._edge
        left = self._left
        names = _NAMES
        glance = self._glance
        positions = self._positions
        common = COMMON_SYMBOLS
        need = 0
        run = 0
        struct: Any = opened if kind in (KEY, VALUE) else None
        try:
            if value is not NOTHING:
                if kind <= RECORD:
                    items.append(value)
                elif kind == VALUE:
                    struct.entries[struct.key] = value
                    kind = KEY
                elif kind == SET:
                    self._check(opened, pos)
                    items.append(value)
                else:
                    return value

            while pos < end:
                octet = octets[pos]

                if octet > 0x39:
                    if octet == 0x3E and kind == RECORD:  # >
                        self._here = pos + 1
                        self._left = left
                        return self._build(label, tuple(items))
                    if octet == 0x5D and kind == LIST:  # ]
                        self._here = pos + 1
                        self._left = left
                        return tuple(items)
                    if octet == 0x7D and kind == KEY:  # }
                        self._here = pos + 1
                        self._left = left
                        return MappingProxyType(struct.entries)
                    if kind >= KEY:
                        raise Wrong(no_name(kind), pos)
                    if not left:
                        raise Wrong(TOO_MANY, pos)
                    if octet == 0x66:  # f
                        value = False
                        left -= 1
                        pos += 1
                    elif octet == 0x74:  # t
                        value = True
                        left -= 1
                        pos += 1
                    elif octet == 0x44:  # D
                        if pos + 9 > end:
                            if self._base + pos + 9 > self._stop:
                                raise Wrong(self._past_stop(), pos)
                            need = 9
                            break
                        double = double_at(data, pos + 1)
                        if double != double and octets[pos + 1 : pos + 9] != NAN:
                            raise Wrong("this NaN is not the canonical one", pos)
                        value = double
                        left -= 1
                        pos += 9
                    elif octet == 0x3C or octet == 0x5B or octet == 0x7B:  # < [ {
                        if depth >= self._ceiling:
                            if depth >= self._depth:
                                raise Wrong(TOO_DEEP, pos)
                            break
                        found = None
                        if positions is not None and left > 2:
                            found = positions.match(data, pos, end)
                            if found is not None and found.end() - pos > 2 * left:
                                # It may hold too many values: then the one too many is to be told.
                                found = None
                        if found is not None and octet == 0x5B:
                            numerals = found["numbers"].split(b"+")
                            # With the list itself, for behind the last plus there is nothing.
                            left -= len(numerals)
                            value = tuple(map(int, numerals[:-1]))
                            pos = found.end()
                        elif found is not None:
                            # A descriptor, as every message has some: all of it at once.
                            value = self._at(common[found[1]], int(found[2]))
                            left -= 3
                            pos = found.end()
                        else:
                            left -= 1
                            pos += 1
                            self._here = pos
                            self._left = left
                            if octet == 0x5B:
                                value = self._fill(LIST, [], label, None, depth + 1, NOTHING)
                            elif octet == 0x7B:
                                value = self._fill(KEY, items, label, OpenStruct(), depth + 1, NOTHING)
                            else:
                                value = self._fill(LABEL, None, label, None, depth + 1, NOTHING)
                            if value is _HALTED:
                                return self._halt(kind, items, label, opened)
                            pos = self._here
                            left = self._left
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
                            digits_found = DIGITS.match(data, here, end)
                            here = digits_found.end() if digits_found else here
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
                        if amount:
                            run = here - pos
                        else:
                            need = 2  # behind a zero no digit may come
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
                        here += 1
                        close = here + amount
                        if close > end:
                            if self._base + close > self._stop:
                                raise Wrong(self._past_stop(), pos)
                            need = close - pos
                            break
                        left -= 1
                        if octet == 0x22 and kind != KEY:
                            try:
                                value = octets[here:close].decode("utf-8")
                            except UnicodeDecodeError as failure:
                                raise Wrong(NO_UTF8, here + failure.start) from None
                        elif octet == 0x3A:
                            value = octets[here:close]
                        else:
                            name = None if names is None else names.find(octets, pos, close)
                            if name is None:
                                raw = octets[here:close]
                                name = (
                                    text(raw, here)
                                    if octet == 0x22
                                    else common.get(raw) or self._symbol(raw, here)
                                )
                                if names is not None:
                                    names.learn(octets, pos, close, name)
                            value = name
                        if kind == LABEL:
                            label = value
                            kind = RECORD
                            items = []
                            pos = close
                            if COMPILED and left:
                                # Most records hold a position and nothing else.
                                amount = self._position(octets, close)
                                if amount >= 0:
                                    self._here = self._behind
                                    self._left = left - 1
                                    return self._at(label, amount)
                            continue
                        if kind == KEY:
                            problem = struct.begin(value, amount)
                            if problem is not None:
                                raise Wrong(problem, pos)
                            kind = VALUE
                            pos = close
                            continue
                        pos = close

                elif kind >= KEY:
                    raise Wrong(no_name(kind), pos)
                elif octet == 0x24 and kind == SET:  # $
                    self._open_sets -= 1
                    if not self._open_sets:
                        self._forget()
                    self._here = pos + 1
                    self._left = left
                    return SyrupSet(tuple(items))
                elif not left:
                    raise Wrong(TOO_MANY, pos)
                elif octet == 0x23:  # #
                    if depth >= self._ceiling:
                        if depth >= self._depth:
                            raise Wrong(TOO_DEEP, pos)
                        break
                    pos += 1
                    self._here = pos
                    self._left = left - 1
                    self._open_sets += 1
                    self._keep(self._base + pos)
                    value = self._fill(SET, [], label, OpenSet(self._base + pos), depth + 1, NOTHING)
                    if value is _HALTED:
                        return self._halt(kind, items, label, opened)
                    pos = self._here
                    left = self._left
                else:
                    raise Wrong(NO_VALUE, pos)

                if kind <= RECORD:
                    items.append(value)
                elif kind == VALUE:
                    struct.entries[struct.key] = value
                    kind = KEY
                elif kind == SET:
                    self._check(opened, pos)
                    items.append(value)
                else:
                    self._here = pos
                    self._left = left
                    return value
        except Wrong as wrong:
            self._problem = wrong.problem
            pos = wrong.index
        self._here = pos
        self._left = left
        self._missing = need
        self._missing_run = run
        return self._halt(kind, items, label, opened)

    def _halt(self, kind: int, items: list[object], label: Symbol, opened: object) -> object:
        """Put a container aside that `_fill` can't read to its end."""
        if self._halted is None:
            self._halted = []
        self._halted.append((kind, items, label, opened))
        return _HALTED

    def _check(self, opened: OpenSet, pos: int) -> None:
        """See that an item of a set that ends here is greater than the one before."""
        problem = opened.check(self._base + pos, self._octets)
        if problem:
            raise Wrong(problem, pos - 1)

    def _digits_most(self, kind: int, octet: int) -> int:
        """How many digits may stand before this octet, which may be one more digit."""
        if kind >= KEY or octet == 0x27 or octet == 0x22 or octet == 0x3A:
            return self._length_digits
        if octet == 0x2B or octet == 0x2D:
            return self._integer_digits
        return max(self._length_digits, self._integer_digits)

    def _symbol(self, raw: bytes, index: int) -> Symbol:
        if _NAMES is not None:
            return Symbol(text(raw, index))
        learned = self._learned
        if learned is None:
            learned = self._learned = {}
        symbol = learned.get(raw)
        if symbol is None:
            symbol = Symbol(text(raw, index))
            if len(raw) <= _SYMBOL_OCTETS:
                if len(learned) >= _SYMBOLS_KEPT:
                    learned.clear()  # or the first names to come would stay for good
                learned[raw] = symbol
        return symbol

    def _path(self) -> str:
        """The path to where `_read` stopped."""
        return path_to(self._stack or [])

    def _abandon(self) -> None:
        self._clear()
        self._stop = -1
        self._stack = None
        self._halted = None
