"""What an annotation allows: checks of values that have arrived, made once, asked for each call.

A check takes a value in the form in which values arrive and returns what the annotation promises: the
value itself, or a fresh list or dict. It runs no code but this module's, looks at each part of a value
once for each place in the annotation, and recurses no deeper than the annotation is nested: what a
peer sends decides neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast, final

from hobgoblin.errors import RemoteError
from hobgoblin.refs import LocalRef, Promise, Ref, RemoteRef
from hobgoblin.values import KIND_NAMES, ErrorValue

__all__ = [
    "ANYTHING",
    "AS_PASSED",
    "FLOAT",
    "INTEGER",
    "REFERENCE",
    "TEXT",
    "Check",
    "Exactly",
    "Failure",
    "Fields",
    "Fixed",
    "Instance",
    "ListOf",
    "Misfit",
    "OneOf",
    "Only",
    "StandIn",
    "StructOf",
    "kind_of",
    "with_article",
]

_NONE: Final[frozenset[type]] = frozenset()


class Misfit(Exception):
    """A value is not what it has to be. ``path`` leads to it from where the check began."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path


@final
class StandIn:
    """Stands for an instance while a value is looked at for which none is made yet."""

    __slots__ = ("cls",)

    def __init__(self, cls: type) -> None:
        self.cls = cls


def kind_of(value: object) -> str:
    """Return what a value is called in a message."""
    kind = type(value)
    if kind is StandIn:
        kind = cast("StandIn", value).cls
    name = KIND_NAMES.get(kind)
    if name is None:
        if isinstance(value, Ref):
            return "a reference"
        if isinstance(value, BaseException):
            return "an error"
        name = with_article(kind.__name__)
    return name


def with_article(name: str) -> str:
    """Return the name of a class as a message has it: ``an Actor``."""
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


class Check:
    """What one annotation allows.

    Attributes:
        expected: what to call it: ``an integer``.
        kinds: values of exactly these types are fine as they are; `take` need not be asked.
    """

    __slots__ = ("expected", "kinds")

    def __init__(self, expected: str, kinds: frozenset[type] = _NONE) -> None:
        self.expected = expected
        self.kinds = kinds

    def take(self, value: Any) -> Any:
        """Return what the annotation promises, made of ``value``; raise `Misfit` if it does not fit."""
        raise NotImplementedError

    def misfit(self, value: object) -> Misfit:
        return Misfit(f"is {kind_of(value)}, not {self.expected}")


@final
class Exactly(Check):
    """A value of one of some types, which passes as it is."""

    __slots__ = ()

    def take(self, value: Any) -> Any:
        if type(value) in self.kinds:
            return value
        raise self.misfit(value)


@final
class _Anything(Check):
    __slots__ = ()

    def take(self, value: Any) -> Any:
        return value


ANYTHING: Final = _Anything("anything")
AS_PASSED: Final = _Anything("anything")
"""As it is on the way, too: with tags where others get instances. For what only passes values on."""

TEXT: Final = Exactly("text", frozenset({str}))
INTEGER: Final = Exactly("an integer", frozenset({int}))
FLOAT: Final = Exactly("a number", frozenset({float, int}))
REFERENCE: Final = Exactly("a reference", frozenset({LocalRef, RemoteRef, Promise}))
"""To whatever object: what an object behind a reference can do, only calling it tells."""


@final
class Only(Check):
    """One of some values: ``Literal``."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[object, ...]) -> None:
        shown = [repr(value) for value in values]
        super().__init__(f"one of {', '.join(shown)}" if len(shown) > 1 else shown[0])
        self.values = frozenset([(type(value), value) for value in values])

    def take(self, value: Any) -> Any:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        # The type first: nothing is hashed but text, bytes, numbers and None.
        if kind in (str, int, bool, bytes, type(None)):
            if (kind, value) in self.values:
                return value
            raise Misfit(f"is not {self.expected}")
        raise self.misfit(value)


@final
class ListOf(Check):
    """A list. It arrives as a tuple; ``make`` makes of that what the annotation promises."""

    __slots__ = ("item", "make")

    def __init__(self, item: Check, make: Callable[[Any], Any] | None) -> None:
        super().__init__("a list")
        self.item = item
        self.make = make

    def take(self, value: Any) -> Any:
        if type(value) is not tuple:
            raise self.misfit(value)
        items = cast("tuple[object, ...]", value)
        if self.item is not ANYTHING:
            items = _each(self.item, items)
        return items if self.make is None else self.make(items)


def _each(check: Check, values: tuple[object, ...]) -> tuple[object, ...]:
    kinds = check.kinds
    for value in values:
        if type(value) not in kinds:
            break
    else:
        return values
    taken: list[object] = []
    try:
        for value in values:
            taken.append(value if type(value) in kinds else check.take(value))
    except Misfit as misfit:
        raise Misfit(misfit.problem, f"[{len(taken)}]{misfit.path}") from None
    return tuple(taken)


@final
class Fixed(Check):
    """A list of so many items, each with a check of its own: ``tuple[str, int]``, or a named tuple."""

    __slots__ = ("items", "make", "names")

    def __init__(
        self,
        items: tuple[Check, ...],
        names: tuple[str, ...] = (),
        make: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(f"a list of {len(items)}")
        self.items = items
        self.names = names
        self.make = make

    def take(self, value: Any) -> Any:
        if type(value) is not tuple:
            raise self.misfit(value)
        values = cast("tuple[object, ...]", value)
        if len(values) != len(self.items):
            raise Misfit(f"is a list of {len(values)}, not {self.expected}")
        taken: list[object] = []
        try:
            for check, item in zip(self.items, values, strict=True):
                taken.append(check.take(item))
        except Misfit as misfit:
            index = len(taken)
            step = f".{self.names[index]}" if self.names else f"[{index}]"
            raise Misfit(misfit.problem, step + misfit.path) from None
        return tuple(taken) if self.make is None else self.make(taken)


@final
class StructOf(Check):
    """A struct: whole and read-only as it came, or as a fresh dict."""

    __slots__ = ("fresh", "item", "key")

    def __init__(self, key: Check, item: Check, fresh: bool) -> None:
        super().__init__("a struct")
        self.key = key
        self.item = item
        self.fresh = fresh

    def take(self, value: Any) -> Any:
        if type(value) is not MappingProxyType:
            raise self.misfit(value)
        struct = cast("Mapping[str, object]", value)
        key_kinds, kinds = self.key.kinds, self.item.kinds
        anything = self.item is ANYTHING
        taken: dict[str, object] = {}
        for key, item in struct.items():
            if type(key) not in key_kinds:
                try:
                    self.key.take(key)
                except Misfit as misfit:
                    raise Misfit(f"has a key that {misfit.problem}") from None
            if anything or type(item) in kinds:
                taken[key] = item
                continue
            try:
                taken[key] = self.item.take(item)
            except Misfit as misfit:
                # Which key that was is the caller's data.
                raise Misfit(misfit.problem, f"[…]{misfit.path}") from None
        return taken if self.fresh else MappingProxyType(taken)


@final
class Fields(Check):
    """A struct with these fields and no others, as a fresh dict: ``TypedDict``."""

    __slots__ = ("checks", "required")

    def __init__(self, checks: dict[str, Check], required: frozenset[str], expected: str) -> None:
        super().__init__(expected)
        self.checks = checks
        self.required = required

    def take(self, value: Any) -> dict[str, Any]:
        if type(value) is not MappingProxyType:
            raise self.misfit(value)
        struct = cast("Mapping[str, object]", value)
        taken: dict[str, Any] = {}
        for name, check in self.checks.items():
            if name not in struct:
                if name in self.required:
                    raise Misfit("is missing", f".{name}")
                continue
            item = struct[name]
            try:
                taken[name] = item if type(item) in check.kinds else check.take(item)
            except Misfit as misfit:
                raise Misfit(misfit.problem, f".{name}{misfit.path}") from None
        if len(taken) != len(struct):
            raise Misfit(f"has a field that {self.expected} has not")
        return taken


@final
class Instance(Check):
    """An instance of a class that is registered, or of a base of such classes."""

    __slots__ = ("cls",)

    def __init__(self, cls: type) -> None:
        super().__init__(kind_of(StandIn(cls)))
        self.cls = cls

    def take(self, value: Any) -> Any:
        kind: type[Any] = value.cls if type(value) is StandIn else type(value)  # pyright: ignore[reportUnknownVariableType]
        # By the classes themselves: a class may decide what `issubclass` says.
        if self.cls in kind.__mro__:
            return value
        raise self.misfit(value)


@final
class Failure(Check):
    """An exception: within a process it passes as it is; what a peer sends becomes a `RemoteError`."""

    __slots__ = ("cls",)

    def __init__(self, cls: type[BaseException]) -> None:
        super().__init__(f"an error ({cls.__name__})")
        self.cls = cls

    def take(self, value: Any) -> Any:
        if isinstance(value, self.cls):
            return value
        if type(value) is ErrorValue and issubclass(RemoteError, self.cls):
            return RemoteError(value.message)
        raise self.misfit(value)


@final
class OneOf(Check):
    """A union: the first of its alternatives that a value fits."""

    __slots__ = ("others",)

    def __init__(self, alternatives: tuple[Check, ...]) -> None:
        names = list(dict.fromkeys([alternative.expected for alternative in alternatives]))
        expected = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
        kinds: set[type] = set()
        for alternative in alternatives:
            kinds |= alternative.kinds
        super().__init__(expected, frozenset(kinds))
        self.others = tuple([each for each in alternatives if type(each) is not Exactly])

    def take(self, value: Any) -> Any:
        if type(value) in self.kinds:
            return value
        inside: list[Misfit] = []
        for alternative in self.others:
            try:
                return alternative.take(value)
            except Misfit as misfit:
                if misfit.path:
                    inside.append(misfit)
        if not inside:
            raise self.misfit(value)
        # If but one alternative is of that kind, say what is wrong inside.
        raise inside[0] if len(inside) == 1 else Misfit(f"is {kind_of(value)} that fits none of its types")
