"""Passing values between objects: data by copy, objects by reference.

What a method receives is what would have arrived from another machine, also when the sender lives
in the same vat: nothing mutable is ever shared. Atoms are themselves; lists become tuples, mappings
become read-only copies; actors and functions become references; instances of registered classes become
tagged structs until they are read (`hobgoblin.vat.shapes`). An exception passes as it is, like
the reason of a broken promise; only sessions reduce either to what the other side may know.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast, final

from hobgoblin.errors import NotPassable
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.refs import FUNCTIONS, BoundSend, LocalRef, Promise, Ref, RemoteRef
from hobgoblin.values import (
    DEFAULT_LIMITS,
    SHAPED_TAGS,
    ErrorValue,
    Keyword,
    Null,
    Record,
    Shaped,
    Symbol,
    Tagged,
)
from hobgoblin.vat.actor import Actor, reference_to
from hobgoblin.vat.fitting import Misfit, with_article
from hobgoblin.vat.shapes import Shape, shape_of, verify

if TYPE_CHECKING:
    from hobgoblin.vat.vat import Vat

__all__ = ["pass_arguments", "pass_value"]

_AS_IS: Final = frozenset(
    {bool, bytes, float, type(None), Null, LocalRef, Promise, RemoteRef, PeerLocator, SturdyRef}
)
"""Values that can't change, are the same here and there, and need no look inside."""

_INTEGER_BOUND: Final = 10**DEFAULT_LIMITS.integer_digits
_INTEGER_LEAST: Final = -_INTEGER_BOUND
_DEPTH: Final = DEFAULT_LIMITS.depth - 8
"""Room is left for what a message wraps around its arguments."""
_PATH: Final = 120
"""How many characters of a path an error shows."""


def pass_arguments(args: tuple[Any, ...], vat: Vat) -> tuple[Any, ...]:
    """Return ``args`` as the receiver will see them. Functions and unspawned actors join ``vat``.

    Raises:
        NotPassable: names the argument and the way to the value that can't pass.
    """
    for arg in args:
        kind = type(arg)  # pyright: ignore[reportUnknownVariableType]
        if kind is int:
            if _INTEGER_LEAST < arg < _INTEGER_BOUND:
                continue
        elif kind is str:
            text = arg
            if text.isascii():
                continue
        elif kind is Symbol:
            symbol = arg
            text = symbol.name
            if text.isascii():
                continue
        elif kind in _AS_IS:
            continue
        break
    else:
        return args
    verbs = 1 if args and type(args[0]) is Symbol else 0
    passage = _Passage(vat)
    passed: list[object] = []
    for index, arg in enumerate(args):
        try:
            passed.append(passage.pass_one(arg))
        except NotPassable as error:
            name = "the method's name" if index < verbs else f"args[{index - verbs}]"
            raise NotPassable(error.problem, _shortened(name + error.path)) from None
    return tuple(passed)


def pass_value(value: Any, vat: Vat, name: str) -> object:
    """Return ``value`` as the receiver will see it; ``name`` is what to call it in an error."""
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind in _AS_IS or (kind is int and _INTEGER_LEAST < value < _INTEGER_BOUND):
        return value
    if kind is str and value.isascii():
        return value  # pyright: ignore[reportUnknownVariableType]
    try:
        return _Passage(vat).pass_one(value)
    except NotPassable as error:
        raise NotPassable(error.problem, _shortened(name + error.path)) from None


@final
class _Passage:
    """One crossing: of the arguments of a message, or of a result.

    What can't pass raises `NotPassable` with the path from there; each level puts its own step in
    front. So paths cost nothing as long as all is well.
    """

    __slots__ = ("left", "shaped", "vat")

    def __init__(self, vat: Vat) -> None:
        self.vat = vat
        self.left = DEFAULT_LIMITS.elements
        self.shaped = False

    def pass_one(self, value: Any) -> object:
        passed = self.take(value, 0)
        if not self.shaped:
            return passed
        self.shaped = False
        try:
            verify(passed)
        except Misfit as misfit:
            raise NotPassable(misfit.problem, misfit.path) from None
        return Shaped(passed)

    def take(self, value: Any, depth: int) -> object:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind in _AS_IS:
            return value
        if kind is int:
            if not _INTEGER_LEAST < value < _INTEGER_BOUND:
                raise NotPassable(f"an integer of more than {DEFAULT_LIMITS.integer_digits} digits", "")
            return value
        if kind is str:
            return _text(value)
        if isinstance(value, list | tuple):
            return self._take_all(cast("Iterable[object]", value), depth)
        if isinstance(value, Mapping):
            return self._take_struct(cast("Mapping[object, object]", value), depth)
        return self._take_rare(value, depth)

    def _take_all(self, values: Iterable[object], depth: int) -> tuple[object, ...]:
        self._check(depth)
        passed: list[object] = []
        try:
            for value in values:
                passed.append(self.take(value, depth + 1))
        except NotPassable as error:
            raise NotPassable(error.problem, f"[{len(passed)}]{error.path}") from None
        self._count(len(passed))
        return tuple(passed)

    def _take_struct(self, values: Mapping[object, object], depth: int) -> Mapping[str, object]:
        self._check(depth)
        passed: dict[str, object] = {}
        for key, value in values.items():
            if not isinstance(key, str):
                raise NotPassable(_key_advice(key), "")
            try:
                name = _text(str.__str__(key))
                passed[name] = self.take(value, depth + 1)
            except NotPassable as error:
                step = ascii(key)[1:-1].replace('"', '\\"')
                raise NotPassable(error.problem, f'["{step}"]{error.path}') from None
        self._count(len(passed))
        return MappingProxyType(passed)

    def _take_rare(self, value: Any, depth: int) -> object:
        kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
        shape = shape_of(kind)
        if shape is not None:
            return self._take_shape(value, shape, depth)
        if kind is Symbol or kind is Keyword:
            self._part(value.name, ".name", depth, text=True)
            return value
        if kind is ErrorValue:
            self._part(value.message, ".message", depth, text=True)
            return value
        if kind is Tagged:
            self._part(value.tag, ".tag", depth, text=True)
            if value.tag in SHAPED_TAGS:
                self.shaped = True
            return Tagged(value.tag, self._part(value.value, ".value", depth))
        if kind is Record:
            label = self._part(value.label, ".label", depth)
            return Record(label, cast("tuple[object, ...]", self._part(value.fields, ".fields", depth)))
        if isinstance(value, Actor):
            return reference_to(value) if value._hob_ref is not None else self.vat.spawn(value)
        if isinstance(value, FUNCTIONS):
            return self.vat.spawn(value)
        if isinstance(value, Exception):
            return value
        if isinstance(value, bytearray | memoryview | bytes):
            return bytes(cast("bytes", value))
        if isinstance(value, int):
            return self.take(int(value), depth)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str):
            return _text(str.__str__(value))
        raise NotPassable(_advice(value), "")

    def _take_shape(self, value: object, shape: Shape, depth: int) -> Tagged:
        self.shaped = True
        # A tag and a struct, and what is in that.
        self._check(depth + 1)
        fields: dict[str, object] = {}
        for name in shape.names:
            try:
                fields[name] = self.take(shape.read(value, name), depth + 2)
            except NotPassable as error:
                raise NotPassable(error.problem, f".{name}{error.path}") from None
        self._count(len(fields) + 2)
        return Tagged(shape.tag, MappingProxyType(fields))

    def _part(self, value: Any, step: str, depth: int, *, text: bool = False) -> object:
        self._check(depth)
        self._count(1)
        try:
            if text and type(value) is not str:
                raise NotPassable(f"{with_article(type(value).__name__)} where text belongs", "")
            return self.take(value, depth + 1)
        except NotPassable as error:
            raise NotPassable(error.problem, step + error.path) from None

    def _check(self, depth: int) -> None:
        if depth >= _DEPTH:
            raise NotPassable(f"nested deeper than {_DEPTH} levels, or within itself", "")

    def _count(self, values: int) -> None:
        # A list that holds the same list twice, and so on, doubles with each level.
        self.left -= values
        if self.left < 0:
            raise NotPassable(f"more than {DEFAULT_LIMITS.elements} values in one message", "")


def _text(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotPassable("text with a lone surrogate, which has no UTF-8 form", "") from None
    return text


def _shortened(path: str) -> str:
    """Return a path to read; the way into a list within itself goes on for a hundred steps."""
    if len(path) <= _PATH:
        return path
    return f"{path[: _PATH // 2]} … {path[-_PATH // 4 :]}"


# By name: nothing is imported, some of it costly, for the sake of an error.
_WAYS_OUT: Final = {
    "enum.Enum": "{}.value",
    "datetime.date": "{}.isoformat()",
    "datetime.time": "{}.isoformat()",
    "datetime.timedelta": "{}.total_seconds()",
    "decimal.Decimal": "str({})",
    "fractions.Fraction": "str({})",
    "pathlib.PurePath": "str({})",
    "uuid.UUID": "str({})",
}


def _way_out(value: object, called: str) -> str:
    """Return what to write instead of a value of a common type, ``called`` so; empty for others."""
    for cls in type(value).__mro__:
        way_out = _WAYS_OUT.get(f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}")
        if way_out is not None:
            return way_out.format(called)
    return ""


def _key_advice(key: object) -> str:
    problem = f"keys of a mapping are text, not {type(key).__name__}"
    way_out = "str(key)" if isinstance(key, int | float) else _way_out(key, "key")
    return f"{problem}: {f'use {way_out}, or ' if way_out else ''}pass a list of pairs"


def _advice(value: object) -> str:
    name = type(value).__name__
    if isinstance(value, BoundSend):
        return "a bound method can't be passed: pass the reference itself, or a function that sends"
    if isinstance(value, set | frozenset):
        return f"a {name} can't be passed: OCapN has no sets, pass a sorted list"
    if isinstance(value, type):
        return f"the class {value.__name__} can't be passed: pass an instance, or a function that makes one"
    if isinstance(value, Ref):
        return "this reference can't be passed"
    problem = f"{with_article(name)} can't be passed"
    if isinstance(value, AsyncGenerator | Iterator):
        return f"{problem}: pass a list of what it yields, or a function that is called with each"
    if isinstance(value, Awaitable):
        return f"{problem}: await it, and pass what it gives"
    way_out = _way_out(value, "x")
    if not way_out and hasattr(type(value), "__dataclass_fields__"):
        return f"{problem}: register {name} with @passable, or pass dataclasses.asdict(x)"
    if way_out:
        return f"{problem}: pass {way_out}, or make it an Actor to pass a reference"
    return f"{problem}: only data, references, actors and functions can: pass what is in it, or an Actor"
