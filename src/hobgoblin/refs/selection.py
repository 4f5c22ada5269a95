"""Selections: questions for a part of what a promise settles to (op:get, op:index, op:untag).

``p["field"]``, ``p[0]`` and ``untag(p, "tag")`` travel the way that messages to ``p`` do: they wait
with them, follow them along a route, and end where ``p`` turns out to be a value.
"""

from __future__ import annotations

from itertools import islice
from operator import index
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast, final

from hobgoblin.errors import NoSuchPart
from hobgoblin.refs.contracts import Home, Site
from hobgoblin.refs.message import Message
from hobgoblin.refs.reference import Ref
from hobgoblin.values import KIND_NAMES, NULL, SHAPED_TAGS, Shaped, Symbol, Tagged, one_line

if TYPE_CHECKING:
    from hobgoblin.refs.promise import Promise

_MOST: Final = 2**53 - 1
"""Indices beyond are refused: peers take them for a breach of the protocol, and no list is that long."""

_NAMED: Final = 20
"""How many fields an error names that says what a struct has."""

_SHOWN: Final = 80
"""How many characters of a name or a tag an error shows."""

_HOLDERS: Final = frozenset({tuple, MappingProxyType, Tagged})
"""What may have a value with a tag in it."""


@final
class Selection(Message):
    """A question for a part of what ``target`` settles to; ``answer`` becomes that part.

    ``selector`` is the name of a field, the index of an item or, with ``untag``, a tag.
    """

    __slots__ = ("selector", "untag")

    answer: Promise[Any]

    def __init__(
        self,
        target: Ref,
        selector: str | int,
        untag: bool,
        answer: Promise[Any],
        home: Home,
        site: Site | None,
    ) -> None:
        super().__init__(target, (), answer, home, site)
        self.selector = selector
        self.untag = untag

    def asked_for(self, answer: Promise[Any]) -> Selection:
        asked = Selection(self.target, self.selector, self.untag, answer, self.home, self.site)
        asked.ticket = self.ticket
        return asked

    def find(self, value: object) -> object:
        selector = self.selector
        if type(value) is Shaped:
            return self._find_shaped(value.value)
        if self.untag:
            if type(value) is Tagged and value.tag == selector:
                return value.value
        elif type(selector) is str:
            if type(value) is MappingProxyType or type(value) is dict:
                fields = cast("dict[str, object]", value)
                if selector in fields:
                    return fields[selector]
        elif type(value) is tuple or type(value) is list:
            items = cast("tuple[object, ...]", value)
            if cast("int", selector) < len(items):
                return items[cast("int", selector)]
        raise self._nothing_in(value)  # pyright: ignore[reportUnknownArgumentType]

    def _find_shaped(self, value: object) -> object:
        """Look into a value with registered tags: of an instance, its fields can be asked for."""
        if type(value) is Tagged and not self.untag and value.tag in SHAPED_TAGS:
            value = value.value
        part = self.find(value)
        return Shaped(part) if type(part) in _HOLDERS else part

    def meet(self, value: object) -> None:
        try:
            part = self.find(value)
        except NoSuchPart as error:
            self.fail(error.with_traceback(None))
        else:
            self.answer._resolve(part)

    def fail(self, error: BaseException) -> None:
        self.answer._break(error)

    def describe(self) -> str:
        return f"{self.target!r}[{self.selector!r}]"

    def _nothing_in(self, value: object) -> NoSuchPart:
        """Return the error, with a note for callers in this process: notes never cross a session."""
        selector = self.selector
        if type(selector) is int:
            return NoSuchPart(f"no item {selector} in {_kind_of(value)}")
        asked = f"{'tag' if self.untag else 'field'} {str(selector)[:_SHOWN]!r}"
        error = NoSuchPart(f"no {asked} {'on' if self.untag else 'in'} {_kind_of(value)}")
        if not self.untag and type(value) is MappingProxyType:
            struct = cast("MappingProxyType[str, object]", value)
            names = ", ".join([one_line(name, _SHOWN) for name in islice(struct, _NAMED)])
            more = len(struct) - _NAMED
            error.add_note(f"it has {names or 'no fields'}{f' and {more} more' if more > 0 else ''}")
        return error


def selector_of(key: object) -> str | int:
    """Return what to ask for, given ``key`` in the brackets behind a promise.

    Raises:
        TypeError: it is neither text nor an integer.
        IndexError: it is an integer below 0, or so large that no list has that item.
    """
    if isinstance(key, str):
        return key if type(key) is str else str.__str__(key)
    if isinstance(key, slice):
        raise TypeError("a promise has no slices: await it, and slice the list")
    if isinstance(key, bool | Symbol | Ref) or not hasattr(type(key), "__index__"):
        raise TypeError(
            f'a promise takes a field\'s name, as in promise["field"], or an index, as in promise[0], '
            f"not {type(key).__name__}: await it to do anything else with its value"
        )
    number = index(cast("Any", key))
    if number < 0:
        raise IndexError(
            f"promise[{number}]: items are counted from the start, because only the other side knows "
            "how long the list is: await the promise, and index what it gives"
        )
    if number > _MOST:
        raise IndexError("promise[…]: no list is that long")
    return number


def _kind_of(value: object) -> str:
    if value is None or value is NULL:
        return str(value)
    if type(value) is tuple or type(value) is list:
        return f"a list of {len(cast('tuple[object, ...]', value))}"
    if type(value) is MappingProxyType or type(value) is dict:
        return "a struct"
    if type(value) is Tagged:
        return f"a value tagged {value.tag[:_SHOWN]!r}"
    if isinstance(value, Ref):
        return "an object"
    return KIND_NAMES.get(type(value), "an error" if isinstance(value, BaseException) else "a value")
