"""Annotations of methods and of registered classes, read into the checks that they ask for.

What can't be read is never let pass: the author of the method gets a `TypeError` that says what to
write. ``Any`` is the way to say that anything will do.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Container,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    Reversible,
    Sequence,
)
from enum import Enum
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, TypeVar, Union, cast, get_args, get_origin

from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.refs import Ref
from hobgoblin.values import KIND_NAMES, ErrorValue, Null, Record, Symbol, Tagged
from hobgoblin.vat.fitting import (
    ANYTHING,
    AS_PASSED,
    FLOAT,
    INTEGER,
    REFERENCE,
    TEXT,
    Check,
    Exactly,
    Failure,
    Fields,
    Fixed,
    Instance,
    ListOf,
    OneOf,
    Only,
    StructOf,
)
from hobgoblin.vat.shapes import has_shapes, shape_of

__all__ = ["AsPassed", "Unreadable", "check_of", "resolved"]

AsPassed: TypeAlias = Annotated[Any, AS_PASSED]
"""The annotation of a parameter that is passed on as it came."""

_ATOMS: Final[dict[Any, Check]] = {
    None: Exactly("None", frozenset({type(None)})),
    type(None): Exactly("None", frozenset({type(None)})),
    int: INTEGER,
    float: FLOAT,
    str: TEXT,
    Any: ANYTHING,
    object: ANYTHING,
    Self: REFERENCE,
    PeerLocator: Exactly("a peer's locator", frozenset({PeerLocator})),
    SturdyRef: Exactly("a sturdyref", frozenset({SturdyRef})),
    **{
        kind: Exactly(KIND_NAMES[kind], frozenset({kind}))
        for kind in (bool, bytes, Symbol, Null, Tagged, ErrorValue, Record)
    },
}

_LISTS: Final = frozenset({list, MutableSequence})
_SEQUENCES: Final = frozenset({Sequence, Collection, Iterable, Reversible, Container})
_REFERENCES: Final = frozenset({Callable, Awaitable})
_TRANSPARENT: Final = frozenset(
    getattr(typing, name) for name in ("Required", "NotRequired", "ReadOnly") if hasattr(typing, name)
) | {typing.Final}

_MOST_NESTED: Final = 50
"""No annotation is that deep, but for one that leads back to itself."""


class Unreadable(Exception):
    """An annotation does not say what to check. The text says why, and what to write instead."""


def resolved(annotation: Any, namespace: Mapping[str, Any], local: Mapping[str, Any]) -> Any:
    """Return what an annotation, or a part of it that is given as text, stands for.

    Raises:
        Unreadable: a name in it is not there at run time, or it is no annotation.
    """
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        hints = typing.get_type_hints(cast("Any", holder), dict(namespace), dict(local), include_extras=True)
        return hints["it"]
    except NameError as error:
        raise Unreadable(
            f"{error}: what is imported for type checkers only, or defined in a function, "
            "is not known when the program runs"
        ) from None
    except Exception as error:
        raise Unreadable(f"it can't be read ({type(error).__name__}: {error})") from None


def check_of(annotation: Any, depth: int = 0) -> Check:
    """Return the check that an annotation asks for.

    Raises:
        Unreadable: nothing that arrives could be of that type, or it is not known how to tell.
    """
    if depth > _MOST_NESTED:
        raise Unreadable("it leads back to itself")
    depth += 1
    try:
        atom = _ATOMS.get(annotation)
    except TypeError:
        atom = None  # not hashable
    if atom is not None:
        return atom
    origin: Any = get_origin(annotation)
    args = get_args(annotation)
    if origin is Annotated:
        return AS_PASSED if AS_PASSED in annotation.__metadata__ else check_of(args[0], depth)
    if origin is Union or origin is UnionType:
        return _one_of(args, depth)
    if origin is Literal:
        if any(type(value) not in (str, int, bool, bytes, type(None)) for value in args):
            raise Unreadable("a member of an Enum can't be passed: name the values of its members")
        return Only(args)
    if origin in _TRANSPARENT:
        return check_of(args[0], depth)
    supertype = getattr(annotation, "__supertype__", None)
    if supertype is not None:  # NewType
        return check_of(supertype, depth)
    if isinstance(annotation, TypeVar):
        return _type_variable(annotation, depth)
    if isinstance(annotation, typing.ParamSpecArgs | typing.ParamSpecKwargs):
        return ANYTHING
    if isinstance(annotation, typing.ForwardRef):
        raise Unreadable("it leads back to itself")
    if type(annotation).__name__ == "TypeAliasType":
        return check_of(annotation.__value__, depth)
    if type(origin).__name__ == "TypeAliasType":
        return check_of(origin.__value__[args], depth)
    generic: Any = annotation if origin is None else origin
    if generic in _REFERENCES:
        return REFERENCE
    if generic in _LISTS:
        return ListOf(_argument(args, 0, depth), list)
    if generic in _SEQUENCES:
        return ListOf(_argument(args, 0, depth), None)
    if generic is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return ListOf(check_of(args[0], depth), None)
        if annotation is tuple or annotation is typing.Tuple:  # noqa: UP006  # as others write it
            return ListOf(ANYTHING, None)
        return Fixed(tuple([check_of(arg, depth) for arg in args]))
    if generic in (dict, Mapping, MutableMapping):
        return _struct_of(args, generic is not Mapping, depth)
    if isinstance(generic, type):
        return _class(generic, args, depth)
    raise Unreadable(f"{annotation!r} is not known here")


def _argument(args: tuple[Any, ...], index: int, depth: int) -> Check:
    return check_of(args[index], depth) if args else ANYTHING


def _one_of(args: tuple[Any, ...], depth: int) -> Check:
    checks = [check_of(arg, depth) for arg in args]
    if ANYTHING in checks:
        return ANYTHING
    return OneOf(tuple(checks))


def _type_variable(variable: TypeVar, depth: int) -> Check:
    namespace = vars(sys.modules[variable.__module__]) if variable.__module__ in sys.modules else {}
    if variable.__constraints__:
        return _one_of(tuple([resolved(each, namespace, {}) for each in variable.__constraints__]), depth)
    if variable.__bound__ is not None:
        return check_of(resolved(variable.__bound__, namespace, {}), depth)
    return ANYTHING


def _struct_of(args: tuple[Any, ...], fresh: bool, depth: int) -> Check:
    key = _argument(args, 0, depth)
    if args and key is not ANYTHING and str not in key.kinds and not isinstance(key, Only):
        raise Unreadable("the keys of a struct are text: write str, or take a list of pairs")
    return StructOf(TEXT if key is ANYTHING else key, _argument(args, 1, depth), fresh)


def _hints_of(cls: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception as error:
        raise Unreadable(f"{cls.__name__} can't be read ({type(error).__name__}: {error})") from None


def _filled(hint: Any, cls: Any, args: tuple[Any, ...]) -> Any:
    """Return the type of a part of ``cls[args]``, given that of the same part of ``cls``."""
    variables: tuple[Any, ...] = getattr(hint, "__parameters__", ())
    if not args or not (variables or isinstance(hint, TypeVar)):
        return hint
    known = dict(zip(cls.__parameters__, args, strict=False))
    if isinstance(hint, TypeVar):
        return known.get(hint, hint)
    return hint[tuple([known.get(variable, variable) for variable in variables])]


def _typed_dict(cls: type[Any], args: tuple[Any, ...], depth: int) -> Check:
    required = set(cast("frozenset[str]", cls.__required_keys__))
    checks: dict[str, Check] = {}
    for name, hint in _hints_of(cls).items():
        checks[name] = check_of(_filled(hint, cls, args), depth)
        # As text, they have not been seen when the class was made.
        if get_origin(hint) is typing.NotRequired:
            required.discard(name)
        elif get_origin(hint) is typing.Required:
            required.add(name)
    return Fields(checks, frozenset(required), f"a {cls.__name__}")


def _named_tuple(cls: Any, args: tuple[Any, ...], depth: int) -> Check:
    names: tuple[str, ...] = cls._fields
    hints = _hints_of(cls)
    items = tuple([check_of(_filled(hints.get(name, Any), cls, args), depth) for name in names])
    # Made without its constructor: no code of the class runs.
    return Fixed(items, names, lambda values: cast("Any", tuple).__new__(cls, values))


def _class(cls: type[Any], args: tuple[Any, ...], depth: int) -> Check:
    shape = shape_of(cls)
    if shape is not None:
        if any(check_of(arg, depth) is not ANYTHING for arg in args):
            raise Unreadable(
                f"the fields of a {cls.__name__} are checked as the class has them, not for one use of it: "
                f"write {cls.__name__} alone, and look at what it holds"
            )
        shape.read_early()
        return Instance(cls)
    if hasattr(cls, "_hob_declared") or issubclass(cls, Ref):  # an actor: typed so, it is a reference
        return REFERENCE
    if issubclass(cls, BaseException):
        return Failure(cls)
    if cls in (bytearray, memoryview):
        raise Unreadable("octets arrive as bytes: write bytes")
    if issubclass(cls, set | frozenset) or cls in (typing.AbstractSet, typing.MutableSet):
        raise Unreadable("OCapN has no sets: take a list")
    if typing.is_typeddict(cls):
        return _typed_dict(cls, args, depth)
    if hasattr(cls, "_fields") and tuple in cls.__mro__:
        return _named_tuple(cls, args, depth)
    if issubclass(cls, Enum):
        raise Unreadable(
            f"a member of an Enum can't be passed: take its value, and write {cls.__name__}(value)"
        )
    if cls.__module__ != "builtins" and has_shapes(cls):
        return Instance(cls)
    name = cls.__name__
    if hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__attrs_attrs__"):
        raise Unreadable(f"{name} does not pass by itself: register it with @passable")
    if getattr(cls, "_is_protocol", False):
        raise Unreadable(
            f"{name} is a protocol: derive {name} from Actor, so that it is the type of a reference"
        )
    raise Unreadable(
        f"nothing that arrives is a {name}: write what crosses, as in str; "
        f"or register a dataclass, or make {name} an Actor"
    )
