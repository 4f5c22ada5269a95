"""Registered classes: instances become tagged structs on their way, and instances again where they are read.

::

    instance ─ passing ─▶ Tagged(tag, struct) in a `Shaped` ─▶ message, promise, session ─ read ─▶ instance

Between the ends nothing runs that a class defines. Where a value is read, in the turn of a method or
where a promise is awaited, each instance is made of fields that have been checked, the inner ones first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast, final

from hobgoblin.errors import Refused, WrongResult
from hobgoblin.values import SHAPED_TAGS, Shaped, Tagged
from hobgoblin.vat.fitting import Fields, Misfit, StandIn, kind_of

__all__ = [
    "Shape",
    "has_shapes",
    "misfit_of",
    "outlined",
    "register",
    "revived",
    "revived_result",
    "shape_of",
    "shaped_together",
    "verify",
]


@final
class Shape:
    """How instances of a class cross.

    Args:
        cls: the class.
        tag: what its instances are tagged with.
        names: the fields that cross.
        read: ``read(instance, name)`` returns the value of a field.
        make: makes an instance; may raise anything.
        checked: reads the annotations; called once, when they are needed.
    """

    __slots__ = ("_checked", "_fields", "_reading", "cls", "make", "names", "read", "tag")

    def __init__(
        self,
        cls: type,
        tag: str,
        names: tuple[str, ...],
        read: Callable[[Any, str], object],
        make: Callable[[dict[str, Any]], object],
        checked: Callable[[], Fields],
    ) -> None:
        self.cls = cls
        self.tag = tag
        self.names = names
        self.read = read
        self.make = make
        self._checked = checked
        self._fields: Fields | None = None
        self._reading = False

    @property
    def fields(self) -> Fields:
        """The checks of the fields. Raises TypeError if the annotations can't be read."""
        fields = self._fields
        if fields is None:
            self._reading = True
            try:
                fields = self._fields = self._checked()
            finally:
                self._reading = False
        return fields

    def has(self, names: Iterable[str]) -> bool:
        """Tell whether all of these are fields that cross. What is not, is a text of the sender's."""
        known = self.names
        return all(name in known for name in names)

    def read_early(self) -> None:
        """Read the annotations, so that what is wrong with them shows where the class is first named."""
        if not self._reading:  # they may lead back here
            _ = self.fields

    def instance(self, struct: object, make: bool) -> object:
        """Return an instance made of what crossed, or a stand-in for it.

        Raises:
            Misfit: the fields do not fit, or the class does not take them.
            Refused: the class says so.
        """
        taken = self.fields.take(struct)
        if not make:
            return StandIn(self.cls)
        try:
            return self.make(taken)
        except Refused:
            raise
        except Exception as error:
            raise Misfit(f"does not make {kind_of(StandIn(self.cls))}") from error


_by_tag: Final[dict[str, Shape]] = {}
_by_class: Final[dict[type, Shape]] = {}


def shape_of(cls: type) -> Shape | None:
    """Return how instances of exactly this class cross, if it is registered."""
    return _by_class.get(cls)


def has_shapes(cls: type) -> bool:
    """Tell whether a class is registered, or is a base of one that is."""
    return cls in _by_class or any(cls in known.__mro__ for known in _by_class)


def register(shape: Shape) -> None:
    """Have instances of a class pass, and values with its tag become instances.

    Raises:
        TypeError: another class has that tag.
    """
    known = _by_tag.get(shape.tag)
    if known is not None and _name(known.cls) != _name(shape.cls):
        raise TypeError(
            f"{_name(shape.cls)} and {_name(known.cls)} would both have the tag {shape.tag!r}: "
            f'give one of them another, as in @passable("garage/{shape.tag}")'
        )
    if known is not None:
        # The same place in the source has run again.
        _by_class.pop(known.cls, None)
    _by_tag[shape.tag] = shape
    _by_class[shape.cls] = shape
    SHAPED_TAGS.add(shape.tag)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _revive(value: Any, make: bool) -> Any:
    """Return a value with an instance, or a stand-in, for each tag that is registered."""
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is tuple:
        items: list[object] = []
        try:
            for item in cast("tuple[object, ...]", value):
                items.append(_revive(item, make))
        except Misfit as misfit:
            misfit.path = f"[{len(items)}]{misfit.path}"
            raise
        return tuple(items)
    if kind is MappingProxyType:
        return MappingProxyType(_revived_fields(cast("Mapping[str, object]", value), make, "[…]"))
    if kind is Tagged:
        shape = _by_tag.get(value.tag)
        if shape is None:
            return Tagged(value.tag, _revive(value.value, make))
        inner = value.value
        if type(inner) is MappingProxyType:
            struct = cast("Mapping[str, object]", inner)
            if not shape.has(struct):
                raise Misfit(f"has a field that {kind_of(StandIn(shape.cls))} has not")
            inner = MappingProxyType(_revived_fields(struct, make, ""))
        return shape.instance(inner, make)
    return value


def _revived_fields(struct: Mapping[str, object], make: bool, step: str) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, field in struct.items():
        try:
            fields[name] = _revive(field, make)
        except Misfit as misfit:
            misfit.path = (step or f".{name}") + misfit.path
            raise
    return fields


def revived(shaped: Shaped) -> Any:
    """Return the value with its instances. In the turn, or on behalf of the code, that reads it.

    Raises:
        Misfit: something in it does not fit.
        Refused: a class refuses it.
    """
    return _revive(shaped.value, True)


def outlined(shaped: Shaped) -> Any:
    """Return the value with a stand-in for each instance. Runs no code of any class.

    Raises:
        Misfit: something in it does not fit.
    """
    return _revive(shaped.value, False)


def revived_result(value: Any) -> Any:
    """Return a result as its reader sees it; anything but a `Shaped` is that already.

    Raises:
        WrongResult: something in it does not fit.
        Refused: a class refuses it.
    """
    if type(value) is not Shaped:
        return value
    try:
        return _revive(value.value, True)
    except Misfit as misfit:
        raise _wrong_result(misfit) from misfit.__cause__


def verify(value: object) -> None:
    """Raise `Misfit` if a part with a registered tag does not fit. Runs no code of any class."""
    _revive(value, False)


def misfit_of(shaped: Shaped) -> Exception | None:
    """Return why a result that has come in can't be read, or ``None``. Runs no code of any class."""
    try:
        _revive(shaped.value, False)
    except Misfit as misfit:
        return _wrong_result(misfit).with_traceback(None)
    except Exception as error:  # annotations that can't be read
        return error
    return None


def _wrong_result(misfit: Misfit) -> WrongResult:
    return WrongResult(f"'result{misfit.path}' {misfit.problem}")


def shaped_together(values: Iterable[object]) -> object:
    """Return a list of results that are under way as one value that is."""
    items = tuple(values)
    for item in items:
        if type(item) is Shaped:
            return Shaped(tuple([item.value if type(item) is Shaped else item for item in items]))
    return items
