"""The OCapN data model in Python, and the limits on what is accepted of it.

========== =====================================  ==========================================
model      what you may pass                      what arrives
========== =====================================  ==========================================
undefined  ``None``                               ``None``
null       `NULL`                                 `NULL`
boolean    ``bool``                               ``bool``
integer    ``int`` (any size within the limits)   ``int``
float64    ``float``                              ``float`` (one canonical NaN)
string     ``str``                                ``str``
symbol     `Symbol`                               `Symbol`
bytes      ``bytes``, ``bytearray``, memoryview   ``bytes``
list       ``list``, ``tuple``                    ``tuple``
struct     a mapping with ``str`` keys            ``types.MappingProxyType`` (read-only)
tagged     `Tagged`                               `Tagged`
error      `ErrorValue`                           `ErrorValue`
========== =====================================  ==========================================

``None`` is *undefined* because that is what a function without a result returns in every
language that speaks OCapN, and because Guile Goblins has no null. Spec: OCapN Model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

__all__ = [
    "DEFAULT_LIMITS",
    "NULL",
    "ErrorValue",
    "Keyword",
    "Limits",
    "Null",
    "Record",
    "Symbol",
    "SyrupSet",
    "Tagged",
]


@final
class Symbol:
    """An OCapN symbol. Equal to symbols of the same name and to nothing else."""

    __slots__ = ("_hash", "name")

    name: str

    def __init__(self, name: str) -> None:
        if type(name) is not str:
            raise TypeError(f"a symbol's name is a str, not {type(name).__name__}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_hash", hash((Symbol, name)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Symbol can't be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Symbol can't be changed")

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Symbol and other.name == self.name)

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]

    def __repr__(self) -> str:
        return f"Symbol({self.name!r})"

    def __reduce__(self) -> tuple[type[Symbol], tuple[str]]:
        return (Symbol, (self.name,))


@final
class Null:
    """The type of `NULL`, OCapN's null: a value of its own, beside ``None`` (undefined)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NULL"


NULL: Final = Null()


@final
@dataclass(frozen=True, slots=True)
class Tagged:
    """A value with a tag that says how to read it, such as ``Tagged("decimal", "3.14")``."""

    tag: str
    value: object


@final
@dataclass(frozen=True, slots=True)
class ErrorValue:
    """An error as plain data. As the reason of a broken promise it is raised as `RemoteError`."""

    message: str


@final
@dataclass(frozen=True, slots=True)
class Keyword:
    """Marks the next argument as a keyword argument: Goblins' ``<kw name>``."""

    name: str


@final
@dataclass(frozen=True, slots=True)
class Record:
    """A Syrup record: ``<label fields…>``. Unknown ones are carried unchanged."""

    label: object
    fields: tuple[object, ...]


@final
@dataclass(frozen=True, slots=True)
class SyrupSet:
    """A Syrup set. Syrup has sets, the OCapN model has none: a value that holds one is refused."""

    items: tuple[object, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is accepted from a peer, checked before anything is buffered or allocated.

    All peers known today stay far below the defaults: Endo and the conformance suite break at
    some 900 levels of nesting and 4,300 digits, and at 64 KiB a message without framing.
    """

    message_bytes: int = 16 * 1024 * 1024
    """Octets of one message. A file belongs in a stream of chunks, not in one value."""

    depth: int = 128
    """Containers within containers."""

    elements: int = 262_144
    """Values in one message, every nested one counted: bounds what a small message can allocate."""

    integer_digits: int = 4300
    """Decimal digits of an integer: CPython's own bound; conversion is quadratic above it."""

    length_digits: int = 9
    """Digits of a length prefix: Endo's bound; an endless prefix is refused while it comes in."""

    table_entries: int = 1_000_000
    """References, and answers of ours, that one session keeps for its peer at a time."""

    gifts: int = 1_000
    """Gifts that one peer has deposited and nobody taken, and requests of one peer that wait."""

    gift_seconds: float = 600.0
    """How long a gift waits to be taken, and a request for its gift."""

    handshake_seconds: float = 30.0
    """How long a new channel may take to say its op:start-session."""


DEFAULT_LIMITS: Final = Limits()
