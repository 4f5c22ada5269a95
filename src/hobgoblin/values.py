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
sturdyref  `SturdyRef`                            `SturdyRef`
========== =====================================  ==========================================

``None`` is *undefined* because that is what a function without a result returns in every
language that speaks OCapN, and because Guile Goblins has no null. Spec: OCapN Model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, final

__all__ = [
    "COMPILED",
    "DEFAULT_LIMITS",
    "KIND_NAMES",
    "NULL",
    "SHAPED_TAGS",
    "AnyDecoder",
    "ErrorValue",
    "Keyword",
    "Limits",
    "MakerTable",
    "Null",
    "Record",
    "RecordMaker",
    "Shaped",
    "Symbol",
    "SyrupSet",
    "Tagged",
    "as_crossing",
    "one_line",
]

COMPILED: Final = not __file__.endswith((".py", ".pyc"))
"""Whether the way of a call runs as machine code. It does as a whole, or not at all."""


@final
class Symbol:
    """An OCapN symbol. Equal to symbols of the same name and to nothing else."""

    __slots__ = ("_hash", "_syrup", "name")

    def __init__(self, name: str) -> None:
        if type(name) is not str:
            raise TypeError(f"a symbol's name is a str, not {type(name).__name__}")
        self.name = name
        # How it is written, for all the times that it will be; nothing for half of a surrogate pair.
        try:
            raw = name.encode()
        except UnicodeEncodeError:
            self._syrup = b""
        else:
            self._syrup = b"%d'%b" % (len(raw), raw)
        self._hash = hash((Symbol, name))

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "_hash"):  # which is set last
            raise AttributeError("a Symbol can't be changed")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Symbol can't be changed")

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Symbol and other.name == self.name)

    def __hash__(self) -> int:
        return self._hash

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


SHAPED_TAGS: Final[set[str]] = set()
"""The tags that stand for classes of the program: see `hobgoblin.passable`."""


@final
class Shaped:
    """A value under way that may hold some with a tag of `SHAPED_TAGS`: `Tagged`, as it crosses.

    Messages and promises carry it; whoever reads one gets instances. Only a whole argument or result
    is wrapped so, never a part of one: without it nobody has to look for tags.
    """

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<Shaped {type(self.value).__name__}>"


def as_crossing(args: tuple[object, ...]) -> tuple[object, ...]:
    """Return arguments as they cross a session: none of them `Shaped`."""
    for arg in args:
        if type(arg) is Shaped:
            return tuple([arg.value if type(arg) is Shaped else arg for arg in args])
    return args


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


class AnyDecoder:
    """The base of decoders that come with a codec of ours.

    To the compiled form these are methods that it calls at once; of another decoder it looks them up.
    """

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """Take octets in."""
        raise NotImplementedError

    def next(self) -> object:
        """Return the next complete value, or what says that octets are missing."""
        raise NotImplementedError


class RecordMaker:
    """A constructor of records that takes the fields of the commonest ones without a tuple.

    Codecs call `at` or `deliver` where they have found fields of just that kind, and the maker
    itself, like any other constructor, in all other cases. The results must not differ.
    """

    __slots__ = ()

    def __call__(self, fields: tuple[object, ...]) -> object:
        raise NotImplementedError

    def at(self, position: int) -> object:
        """Make a record of one field: an integer from 0 on that fits a machine's word."""
        return self((position,))

    def deliver(self, to: object, args: tuple[object, ...], answer: int, resolver: object) -> object:
        """Make a record of the fields of op:deliver. ``answer`` is of that kind, or -1 for ``False``."""
        return self((to, args, False if answer < 0 else answer, resolver))

    def call(self, to_answer: bool, to: int, args: tuple[object, ...], answer: int, resolver: int) -> object:
        """Make the record of an op:deliver from the positions in it, or return ``None``.

        ``to`` is that of a desc:answer or a desc:export; ``resolver`` that of a desc:import-object. Where
        ``answer`` is -1 there are neither. Whoever is told ``None`` makes these, and calls `deliver`.
        """
        return None


Constructor: TypeAlias = Callable[[tuple[object, ...]], object]


@final
class MakerTable(dict[str, Constructor]):
    """Constructors by label. Those of nearly every message stand aside as well, found without a look-up.

    Only `replace` may change it, which keeps the two together.
    """

    __slots__ = ("_answer", "_deliver", "_export", "_import_object")

    def __init__(self, constructors: Mapping[str, Constructor]) -> None:
        self.replace(constructors)

    def replace(self, constructors: Mapping[str, Constructor]) -> None:
        """Hold these and no others."""
        self.clear()
        self.update(constructors)
        self._deliver = self._maker("op:deliver")
        self._export = self._maker("desc:export")
        self._answer = self._maker("desc:answer")
        self._import_object = self._maker("desc:import-object")

    def _maker(self, label: str) -> RecordMaker | None:
        found = self.get(label)
        return found if isinstance(found, RecordMaker) else None


@final
@dataclass(frozen=True, slots=True)
class SyrupSet:
    """A Syrup set. Syrup has sets, the OCapN model has none: a value that holds one is refused."""

    items: tuple[object, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is accepted from a peer, checked before anything is buffered or allocated.

    The first five are for each message, the others for each session. All peers known today stay
    far below the defaults: Endo and the conformance suite break at some 900 levels of nesting and
    4,300 digits, and at 64 KiB a message without framing. A session whose peer goes over a limit
    is aborted with a reason that names it; `hobgoblin.captp.Stats` tells how much of each is in use.
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

    imports: int = 262_144
    """Objects and promises of the peer that we hold, at some 220 octets each: 60 MB."""

    exports: int = 262_144
    """Objects and promises of ours that the peer holds, and resolvers of what we asked it.

    Only the peer can give them back. One that never does is cut off here: an entry with a small object
    takes some 330 octets, and twice as many where it keeps one of sixteen: all of them 170 MB. Sends of
    yours break with `SessionFull` once three quarters are in use: the rest is for answers.
    """

    answers: int = 262_144
    """Answers of ours that the peer may still send messages to, and what they hold: as many as exports."""

    listeners: int = 65_536
    """Calls of the peer that have not ended yet, and promises of ours that it waits for.

    An asynchronous method that waits takes some 3 kB: all of them 200 MB. No more is asked of the peer
    either: calls of yours beyond break with `SessionFull`, as they do with more ``answers`` in use.
    """

    queued_messages: int = 32_768
    """Messages of the peer that wait for promises of ours to settle: 1 kB each, without what is in them."""

    queued_bytes: int = 64 * 1024 * 1024
    """Octets of these messages, as they came in: four messages of the largest size."""

    promise_messages: int = 8_192
    """Messages of the peer that wait for one promise of ours: one can't use up what all may have."""

    promise_bytes: int = 32 * 1024 * 1024
    """Octets of the messages that wait for one promise; more than ``message_bytes``, or none can."""

    inbound_bytes: int = 64 * 1024 * 1024
    """Octets that have come in and wait for their turn, on a channel that can't be told to wait."""

    outbound_bytes: int = 64 * 1024 * 1024
    """Octets that wait to be sent to a peer that reads more slowly than we write.

    While so much waits, sends of yours break with `SessionFull`; `drained` tells when there is room,
    which is below a sixteenth. Answers are never refused: with them it may be four times as much, then the
    session ends. The default is what a program that minds nothing may send in one go.
    """

    gifts: int = 1_000
    """Gifts that one peer has deposited and nobody taken, and requests of one peer that wait.

    Also references of third parties that one peer has handed to us and that we do not have yet.
    """

    gift_seconds: float = 600.0
    """How long a gift waits to be taken, and a request for its gift."""

    handshake_seconds: float = 30.0
    """How long a new channel may take to say its op:start-session."""


DEFAULT_LIMITS: Final = Limits()


KIND_NAMES: Final[dict[type, str]] = {
    type(None): "None",
    Null: "null",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "text",
    bytes: "bytes",
    Symbol: "a symbol",
    tuple: "a list",
    list: "a list",
    MappingProxyType: "a struct",
    dict: "a struct",
    Tagged: "a tagged value",
    ErrorValue: "an error",
    Record: "a record",
}
"""What values are called in a message, which shows nothing of the value itself."""


def one_line(text: str, most: int = 255) -> str:
    """What may be a peer's text, fit for a message or a log: no control characters, not too long.

    Args:
        text: any text.
        most: how many characters are returned at most.
    """
    text = text[: most + 1]
    if not text.isprintable():
        text = ascii(text)[1:-1]
    return text if len(text) <= most else text[: most - 3] + "..."
