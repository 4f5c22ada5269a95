"""What nearly every message consists of: how it is built, and how the compiled form reads it in its place.

Reading refuses nothing here. What is cut off, near a limit or not of the usual shape is left to
`ValueReader._fill`, which goes on from the same octet; so the two can't differ in what they accept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from hobgoblin.syrup._names import NAMES, common_symbol
from hobgoblin.syrup._source import OctetSource
from hobgoblin.syrup._tokens import DELIVER_END_VALUES, DELIVER_VALUES, NOTHING
from hobgoblin.values import MakerTable, Record, RecordMaker, Symbol

__all__ = ["NO_CONSTRUCTORS", "Constructors", "PlaceReader"]

Constructors: TypeAlias = Mapping[str, Callable[[tuple[object, ...]], object]]
"""By record label: what makes the decoded value from the record's fields. Some are a `RecordMaker`."""

NO_CONSTRUCTORS: Final[Constructors] = MappingProxyType({})

_NO_MAKERS: Final = MakerTable({})

_OP_DELIVER: Final = common_symbol("op:deliver")
_EXPORT: Final = common_symbol("desc:export")
_ANSWER: Final = common_symbol("desc:answer")
_IMPORT_OBJECT: Final = common_symbol("desc:import-object")

_TO_EXPORT: Final = b"<10'op:deliver<11'desc:export"
_TO_ANSWER: Final = b"<10'op:deliver<11'desc:answer"
_TO_SIZE: Final = len(_TO_EXPORT)
_RESOLVER: Final = b"<18'desc:import-object"
_RESOLVER_SIZE: Final = len(_RESOLVER)


class PlaceReader(OctetSource):
    """Reads from ``_here`` on, which stays where it is when what is there does not suit."""

    __slots__ = ("_behind", "_constructors", "_edge", "_glance", "_here", "_left", "_makers", "_table")

    def _begin_place(self) -> None:
        self._constructors: Constructors = NO_CONSTRUCTORS
        # The same, if it is just that.
        self._table: dict[str, Callable[[tuple[object, ...]], object]] | None = None
        self._makers = _NO_MAKERS
        # Up to this, a number may get one digit more with no thought of limits.
        self._glance = 0
        # Where in ``_data`` to read, where that ends, and how many values there may still be.
        self._here: int = 0
        self._edge = 0
        self._left: int = 0
        # Where the number ends that was found last.
        self._behind = 0

    def _use(self, constructors: Constructors) -> None:
        self._constructors = constructors
        self._table = None
        self._makers = _NO_MAKERS
        if type(constructors) is MakerTable:
            self._makers = constructors
        elif type(constructors) is dict:
            self._table = constructors  # pyright: ignore[reportUnknownMemberType]

    def _constructor(self, label: Symbol) -> Any:
        makers = self._makers
        if makers is not _NO_MAKERS:
            # By that name a compiled reader calls it at once.
            return dict.get(makers, label.name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        table = self._table
        return self._constructors.get(label.name) if table is None else table.get(label.name)

    def _build(self, label: Symbol, fields: tuple[object, ...]) -> object:
        build = self._constructor(label)
        return Record(label, fields) if build is None else build(fields)

    def _at(self, label: Symbol, position: int) -> object:
        """Build a record that holds a position and nothing else."""
        build = self._constructor(label)
        if isinstance(build, RecordMaker):
            maker = build
            return maker.at(position)
        return Record(label, (position,)) if build is None else build((position,))

    def _deliver(self, to: object, args: Any, answer: int, resolver: object) -> object:
        """Build an op:deliver. ``answer`` is -1 where there is none."""
        maker = self._makers._deliver
        if maker is not None:
            return maker.deliver(to, args, answer, resolver)
        build = self._constructor(_OP_DELIVER)
        if isinstance(build, RecordMaker):
            maker = build
            return maker.deliver(to, args, answer, resolver)
        fields = (to, args, False if answer < 0 else answer, resolver)
        return Record(_OP_DELIVER, fields) if build is None else build(fields)

    def _number(self, octets: bytes, pos: int) -> int:
        """Return the number at ``pos``, and have ``_behind`` where it ends; -1 if there is no usual one."""
        end = self._edge
        if pos >= end:
            return -1
        octet = octets[pos]
        if octet < 0x30 or octet > 0x39:
            return -1
        glance = self._glance
        found = octet - 0x30
        pos += 1
        while pos < end:
            octet = octets[pos]
            if octet < 0x30 or octet > 0x39:
                self._behind = pos
                return found
            if not found or found > glance:
                return -1
            found = found * 10 + octet - 0x30
            pos += 1
        return -1

    def _position(self, octets: bytes, pos: int) -> int:
        """Return the position at ``pos`` that ends a record, and have ``_behind`` where that ends; or -1."""
        found = self._number(octets, pos)
        if found < 0:
            return -1
        pos = self._behind
        if pos + 1 >= self._edge or octets[pos] != 0x2B or octets[pos + 1] != 0x3E:  # + >
            return -1
        self._behind = pos + 2
        return found

    def _deliver_target(self) -> object:
        """Read the beginning of an op:deliver, up to its arguments, and return the target."""
        octets = self._data
        pos = self._here
        if self._left <= DELIVER_VALUES or self._edge - pos < _TO_SIZE:
            return NOTHING
        makers = self._makers
        if _stands(octets, pos, _TO_EXPORT, _TO_SIZE):
            label = _EXPORT
            maker = makers._export
        elif _stands(octets, pos, _TO_ANSWER, _TO_SIZE):
            label = _ANSWER
            maker = makers._answer
        else:
            return NOTHING
        position = self._position(octets, pos + _TO_SIZE)
        pos = self._behind
        if position < 0 or pos >= self._edge or octets[pos] != 0x5B:  # [
            return NOTHING
        self._here = pos + 1
        self._left -= DELIVER_VALUES
        return self._at(label, position) if maker is None else maker.at(position)

    def _deliver_end(self, to: object, args: object) -> object:
        """Read the end of an op:deliver, behind its arguments, and return it."""
        octets = self._data
        pos = self._here
        if self._left < DELIVER_END_VALUES:
            return NOTHING
        if self._edge - pos > 2 and octets[pos] == 0x66:  # f
            if octets[pos + 1] != 0x66 or octets[pos + 2] != 0x3E:  # f >
                return NOTHING
            self._here = pos + 3
            self._left -= 2
            return self._deliver(to, args, -1, False)
        answer = self._number(octets, pos)
        if answer < 0:
            return NOTHING
        pos = self._behind
        if octets[pos] != 0x2B or self._edge - pos <= _RESOLVER_SIZE:  # +
            return NOTHING
        pos += 1
        if not _stands(octets, pos, _RESOLVER, _RESOLVER_SIZE):
            return NOTHING
        position = self._position(octets, pos + _RESOLVER_SIZE)
        pos = self._behind
        if position < 0 or pos >= self._edge or octets[pos] != 0x3E:  # >
            return NOTHING
        self._here = pos + 1
        self._left -= DELIVER_END_VALUES
        maker = self._makers._import_object
        resolver = self._at(_IMPORT_OBJECT, position) if maker is None else maker.at(position)
        return self._deliver(to, args, answer, resolver)

    def _simple_list(self) -> Any:
        """Read a list behind its ``[`` and return it as a tuple, if all that is in it is simple.

        If not, what comes first has been read: return it as a list, and ``_here`` is behind it.
        """
        octets = self._data
        pos = self._here
        end = self._edge
        left = self._left
        names = NAMES
        # Up to four values need no list: arguments seldom are more.
        first: object = None
        second: object = None
        third: object = None
        fourth: object = None
        items: Any = None
        count = 0
        value: object = None
        while pos < end:
            octet = octets[pos]
            if octet == 0x5D:  # ]
                self._here = pos + 1
                self._left = left
                if count == 3:
                    return (first, second, third)
                if count == 2:
                    return (first, second)
                if count == 1:
                    return (first,)
                if count == 4:
                    return (first, second, third, fourth)
                return tuple(items) if count else ()
            if not left:
                break
            if octet >= 0x30 and octet <= 0x39:
                amount = self._number(octets, pos)
                if amount < 0:
                    break
                here = self._behind
                octet = octets[here]
                here += 1
                if octet == 0x2B:  # +
                    value = amount
                elif octet == 0x2D and amount:  # -
                    value = -amount
                else:
                    start = here
                    here += amount
                    if here > end:
                        break
                    if octet == 0x3A:  # :
                        value = octets[start:here]
                    elif octet == 0x27 or octet == 0x22:  # ' "
                        value = names.find(octets, pos, here)
                        if value is None:
                            break
                    else:
                        break
                pos = here
            elif octet == 0x66:  # f
                value = False
                pos += 1
            elif octet == 0x74:  # t
                value = True
                pos += 1
            else:
                break
            left -= 1
            if count == 0:
                first = value
            elif count == 1:
                second = value
            elif count == 2:
                third = value
            elif count == 3:
                fourth = value
            else:
                if count == 4:
                    items = [first, second, third, fourth]
                items.append(value)
            count += 1
        self._here = pos
        self._left = left
        return [first, second, third, fourth][:count] if items is None else items


def _stands(octets: bytes, pos: int, part: bytes, size: int) -> bool:
    """Tell whether ``part``, of that size, is at ``pos``."""
    # The ends of the parts differ, their beginnings do not.
    place = size - 1
    while place >= 0:
        if octets[pos + place] != part[place]:
            return False
        place -= 1
    return True
