"""``@passable``: which classes cross as values, and what is known of their fields."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeVar, cast, get_args, overload

from hobgoblin.refs import Ref
from hobgoblin.vat.annotations import Unreadable, check_of, resolved
from hobgoblin.vat.fitting import Check, Fields, StandIn, kind_of
from hobgoblin.vat.shapes import Shape, register

__all__ = ["passable"]

T = TypeVar("T")

_CROSS_ALREADY: Final[tuple[type[Any], ...]] = (
    Mapping,
    list,
    tuple,
    set,
    frozenset,
    str,
    bytes,
    int,
    float,
    BaseException,
    Enum,
    Ref,
)


@overload
def passable(cls: type[T], /) -> type[T]: ...
@overload
def passable(tag: str, /) -> Callable[[type[T]], type[T]]: ...
def passable(argument: Any, /) -> Any:
    """Let instances of a class pass as values: a copy arrives, of the same class if it is registered there.

    Args:
        argument: the class, in the form ``@passable``: its instances are tagged with its name. Or, in the
            form ``@passable("garage/offer")``, the tag. Both sides must use the same one. Dataclasses
            can be registered, and classes of attrs, msgspec and pydantic.

    What crosses are the fields that its constructor takes, by name. They are checked where they arrive,
    against their annotations, before an instance is made. A field that is missing gets its default.

    Raises:
        TypeError: the class is none of these, or another one has that tag.
    """
    if isinstance(argument, str):
        tag = argument

        def register_as(cls: type[T]) -> type[T]:
            register(_shape(cls, tag))
            return cls

        return register_as
    register(_shape(argument, getattr(argument, "__name__", "")))
    return argument


def _shape(given: object, tag: str) -> Shape:
    if not isinstance(given, type):
        raise TypeError(f"@passable registers classes, not {kind_of(given)}")
    cls: type[Any] = given
    name = cls.__name__
    if hasattr(cls, "_hob_declared"):
        raise TypeError(f"{name} is an Actor: its instances pass by reference")
    if any(issubclass(cls, known) for known in _CROSS_ALREADY):
        raise TypeError(f"{kind_of(StandIn(cls))} is a value or a reference already: it can't be registered")
    fields = _dataclass_fields(cls) or _attrs_fields(cls) or _constructed_fields(cls)
    if fields is None:
        raise TypeError(f"@passable registers dataclasses, and {name} is none: write @dataclass below it")
    attributes, required = fields

    def checked() -> Fields:
        checks = {field: _check(cls, attribute) for field, attribute in attributes.items()}
        return Fields(checks, required, kind_of(StandIn(cls)))

    return Shape(
        cls,
        tag,
        tuple(attributes),
        lambda instance, field: getattr(instance, attributes[field]),
        lambda taken: cls(**taken),
        checked,
    )


_Known = tuple[dict[str, str], frozenset[str]]
"""For each field that crosses the attribute that holds it, and the fields that have no default."""


def _dataclass_fields(cls: type) -> _Known | None:
    if "__dataclass_fields__" not in vars(cls):
        # Derived from a dataclass and not one itself, it would lose what it has added.
        return None
    if not cast("Any", cls).__dataclass_params__.init:
        raise TypeError(
            f"{cls.__name__} has a constructor of its own: only one that dataclass makes is known"
        )
    fields = [field for field in dataclasses.fields(cast("Any", cls)) if field.init]
    parameters = set(inspect.signature(cls).parameters)
    if parameters != {field.name for field in fields}:
        odd = ", ".join(sorted(parameters - {field.name for field in fields})) or "fields"
        raise TypeError(f"{cls.__name__} takes {odd}, which is kept in no field: it can't be made again")
    required = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return {field.name: field.name for field in fields}, frozenset(required)


def _attrs_fields(cls: type) -> _Known | None:
    attributes: Any = vars(cls).get("__attrs_attrs__")
    if attributes is None:
        return None
    fields = {
        getattr(each, "alias", None) or each.name.lstrip("_"): each.name for each in attributes if each.init
    }
    return fields, _without_default(cls, fields)


def _constructed_fields(cls: Any) -> _Known | None:
    """Return the fields of a class of msgspec or pydantic."""
    names: Any = getattr(cls, "__struct_fields__", None)
    if names is None and hasattr(cls, "__pydantic_validator__"):
        names = tuple(cls.model_fields)
    if names is None:
        return None
    fields: dict[str, str] = {str(name): str(name) for name in names}
    return fields, _without_default(cls, fields)


def _without_default(cls: type, fields: dict[str, str]) -> frozenset[str]:
    parameters = inspect.signature(cls).parameters
    unknown = [field for field in fields if field not in parameters]
    if unknown:
        raise TypeError(f"the constructor of {cls.__name__} does not take {', '.join(unknown)} by that name")
    return frozenset([field for field in fields if parameters[field].default is inspect.Parameter.empty])


def _check(cls: type, attribute: str) -> Check:
    """Return the check for a field, as annotated where it was declared."""
    try:
        for base in cls.__mro__:
            annotations = inspect.get_annotations(base)
            if attribute in annotations:
                namespace = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
                local = {each.__name__: each for each in (*getattr(base, "__type_params__", ()), base)}
                annotation = resolved(annotations[attribute], namespace, local)
                _require_no_variables(annotation, cls, base)
                return check_of(annotation)
    except (NameError, Unreadable) as error:
        raise TypeError(
            f"{cls.__name__}: the annotation of the field {attribute!r} can't be checked: {error}; "
            "or write Any to take anything"
        ) from None
    return check_of(Any)


def _require_no_variables(annotation: Any, cls: type, base: type) -> None:
    """Refuse what ``class Sub(Base[int])`` says of a field, which is not known from the field itself."""
    bases: list[Any] = []
    for each in cls.__mro__[: cls.__mro__.index(base)]:
        bases += vars(each).get("__orig_bases__", ())
    if all(isinstance(arg, TypeVar) for each in bases for arg in get_args(each)):
        return
    variables = (
        (annotation,) if isinstance(annotation, TypeVar) else getattr(annotation, "__parameters__", ())
    )
    if variables:
        raise Unreadable(
            f"it is {base.__name__}'s, and depends on {', '.join(map(str, variables))}: "
            f"write the field again in {cls.__name__}"
        )
