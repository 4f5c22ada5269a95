"""Where a peer is and how an object of it is named: `PeerLocator`, `SturdyRef`, ``ocapn:`` URIs.

Both have two forms, a record for the wire and a URI for people::

    <ocapn-peer tcp-testing-only "alice" {"host" "127.0.0.1", "port" "22045"}>
    ocapn://alice.tcp-testing-only?host=127.0.0.1&port=22045

    <ocapn-sturdyref <ocapn-peer …> :swiss-number>
    ocapn://alice.tcp-testing-only/s/c3dpc3M?host=127.0.0.1&port=22045

The swiss number of a sturdyref is a password. No error here quotes its input, because what is
wrong with a URI may be just that the number stands in an unexpected place.

Spec: OCapN Locators (draft-specifications/Locators.md in https://github.com/ocapn/ocapn).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NoReturn, cast, final
from urllib.parse import quote, unquote_to_bytes

from hobgoblin.crypto import SwissNum
from hobgoblin.errors import LocatorError
from hobgoblin.values import Record, Symbol

__all__ = ["PeerLocator", "SturdyRef", "my_location"]

_PEER: Final = Symbol("ocapn-peer")
_NODE: Final = Symbol("ocapn-node")  # what Goblins wrote before 0.16.1
_STURDYREF: Final = Symbol("ocapn-sturdyref")
_MY_LOCATION: Final = Symbol("my-location")

_MOST_HINTS: Final = 32
_MOST_IN_URI: Final = 8 * 1024
# A locator is bounded by the length of its URI, so that there always is one, and one of a sturdyref
# as well: the longest swiss number takes 345 characters.
_MOST_IN_LOCATOR: Final = 7 * 1024

_SCHEME: Final = "ocapn://"
_PEER_SAMPLE: Final = "ocapn://alice.tcp-testing-only?host=127.0.0.1&port=22045"
_STURDYREF_SAMPLE: Final = "ocapn://alice.tcp-testing-only/s/c3dpc3M?host=127.0.0.1&port=22045"

_TRANSPORT: Final = re.compile("[A-Za-z0-9_+-]+")
_NOT_IN_DESIGNATORS: Final = frozenset("/?#@: ")
_SUB_DELIMS: Final = "!$&'()*+,;="
_NOT_IN_URIS: Final = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/?#%-]")  # RFC 3986, without [ and ]
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")

_SHOWN: Final = 12


@final
@dataclass(frozen=True, slots=True, repr=False)
class PeerLocator:
    """Where a peer can be found: its name in the network of a transport, and hints how to get there.

    Equal locators have equal hints, too. What identifies a peer is `identity` alone. The hints of
    a new locator are put into the order in which every implementation reads them; those from a
    record stay in the order received.

    Raises:
        LocatorError: ``transport`` is not made of ASCII letters, digits, ``-``, ``_`` and ``+``;
            ``designator`` is empty or holds white space, something unprintable or one of ``/?#@:``;
            a hint is not a text with a name; there are more than 32; or all of it makes
            a URI of more than 7 KiB.
    """

    transport: str
    """The netlayer, such as ``tcp-testing-only``: the symbol of the record."""

    designator: str
    """Who the peer is among those of the transport, such as the hash of its key. May hold dots."""

    hints: Mapping[str, str] = field(default_factory=dict[str, str])
    """What helps to get there, such as host and port. Read-only. Nothing here identifies a peer."""

    _received: Record | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        _check_transport(self.transport)
        _check_designator(self.designator)
        hints = _checked_hints(self.hints)
        object.__setattr__(self, "hints", MappingProxyType(dict(sorted(hints.items(), key=_utf16_order))))
        if len(self.uri()) > _MOST_IN_LOCATOR:
            raise LocatorError(f"the locator makes a URI of more than {_MOST_IN_LOCATOR} characters")

    @property
    def identity(self) -> tuple[str, str]:
        """Transport and designator: equal for two locators if they name the same peer."""
        return self.transport, self.designator

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return f"<PeerLocator {_shortened(self)}{_query(self.hints)}>"

    def __reduce__(self) -> tuple[type[PeerLocator], tuple[str, str, dict[str, str]]]:
        return PeerLocator, (self.transport, self.designator, dict(self.hints))

    def to_record(self) -> Record:
        """The record for the wire: label ``ocapn-peer``, hints as a struct, or ``False`` if there are none.

        To forward or check what somebody signed, use `as_received`.
        """
        return Record(_PEER, (Symbol(self.transport), self.designator, self.hints or False))

    def as_received(self) -> Record:
        """The record that this locator was read from, in whatever form; else that of `to_record`.

        Encoded with `hobgoblin.syrup.KeyOrder.KEEP` it gives the octets that were received, which is what
        signatures cover.
        """
        return self._received or self.to_record()

    @classmethod
    def from_record(cls, record: Record) -> PeerLocator:
        """Return the locator that a peer sent.

        Hints may be a struct, ``False`` or an empty list. Forms of older peers are read as well:
        the label ``ocapn-node``, symbols as keys, and a list of pairs in place of the struct.

        Raises:
            LocatorError: the record has any other form, or is no valid locator.
        """
        match record:
            case Record(
                (Symbol(name="ocapn-peer") | Symbol(name="ocapn-node")),
                (Symbol() as transport, str() as designator, received),
            ):
                pass
            case _:
                raise LocatorError("not a locator: it must be <ocapn-peer transport designator hints>")
        hints = _received_hints(received)
        locator = cls(transport.name, designator, hints)
        object.__setattr__(locator, "hints", MappingProxyType(hints))
        object.__setattr__(locator, "_received", record)
        return locator

    def uri(self) -> str:
        """The locator as text, with sorted keys: ``ocapn://designator.transport?key=value&key=value``."""
        return f"{_SCHEME}{_authority(self)}{_query(self.hints)}"

    @classmethod
    def parse(cls, uri: str) -> PeerLocator:
        """Return the locator that a URI names; the inverse of `uri`.

        The keys may be in any order. ``+`` stands for itself, not for a space.

        Raises:
            LocatorError: the text is no such URI; the message shows one, and nothing of the text.
        """
        peer, swiss = _parse(uri, _PEER_SAMPLE)
        if swiss is not None:
            raise LocatorError(f"the URI names an object, not a peer; a good one: {_PEER_SAMPLE}")
        return peer


@final
@dataclass(frozen=True, slots=True, repr=False)
class SturdyRef:
    """A reference that can be written down: a peer, and the secret number of an object there.

    Whoever has it can reach the object, so neither printing nor pickling shows the number; `uri`
    and `to_record` do, on purpose.
    """

    peer: PeerLocator
    swiss: SwissNum

    def __repr__(self) -> str:
        return f"<SturdyRef {_shortened(self.peer)}/s/…>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SturdyRef can't be pickled or copied: use uri() on purpose")

    def to_record(self) -> Record:
        """The record for the wire. It holds the swiss number in clear, and so does its repr."""
        return Record(_STURDYREF, (self.peer.to_record(), self.swiss.octets))

    @classmethod
    def from_record(cls, record: Record) -> SturdyRef:
        """Return the sturdyref that a peer sent. Its locator may have been read already.

        Raises:
            LocatorError: the record has any other form, or its parts are no valid ones.
        """
        match record:
            case Record(
                Symbol(name="ocapn-sturdyref"), ((Record() | PeerLocator()) as peer, bytes() as octets)
            ):
                pass
            case _:
                raise LocatorError("not a sturdyref: it must be <ocapn-sturdyref peer swiss-number>")
        try:
            swiss = SwissNum(octets)
        except ValueError as error:
            raise LocatorError(str(error)) from None
        return cls(peer if isinstance(peer, PeerLocator) else PeerLocator.from_record(peer), swiss)

    def uri(self) -> str:
        """The whole sturdyref as text, **with its secret**: ``ocapn://designator.transport/s/swiss?…``."""
        return f"{_SCHEME}{_authority(self.peer)}/s/{self.swiss.text()}{_query(self.peer.hints)}"

    @classmethod
    def parse(cls, uri: str) -> SturdyRef:
        """Return the sturdyref that a URI names; the inverse of `uri`.

        The keys may be in any order, and the number may be padded with ``=``. ``+`` in the query
        stands for itself, not for a space.

        Raises:
            LocatorError: the text is no such URI; the message shows one, and nothing of the text.
        """
        peer, swiss = _parse(uri, _STURDYREF_SAMPLE)
        if swiss is None:
            raise LocatorError(f"the URI names a peer, but no object of it; a good one: {_STURDYREF_SAMPLE}")
        return cls(peer, swiss)


def my_location(locator: PeerLocator) -> Record:
    """Return what the location signature of ``op:start-session`` covers: ``<my-location LOCATOR>``.

    A locator that came from a record is in it as received, in whatever order and form: with
    anything else an honest peer's signature would fail, or two locations share one. The label
    keeps the signature from being used for anything else.
    """
    return Record(_MY_LOCATION, (locator.as_received(),))


def _check_transport(transport: object) -> None:
    if not isinstance(transport, str) or not transport:
        raise LocatorError("the transport is missing: it is a text such as tcp-testing-only")
    if not _TRANSPORT.fullmatch(transport):
        raise LocatorError("the transport may hold letters, digits, - _ and + only")


def _check_designator(designator: object) -> None:
    if not isinstance(designator, str) or not designator:
        raise LocatorError("the designator is missing: it is a text that names the peer")
    _check_size(len(designator))
    if not all(char.isprintable() and char not in _NOT_IN_DESIGNATORS for char in designator):
        raise LocatorError(
            "the designator may hold no white space, nothing unprintable and none of / ? # @ :"
        )


def _checked_hints(hints: Mapping[str, str]) -> dict[str, str]:
    if len(hints) > _MOST_HINTS:
        raise LocatorError(f"the locator has more than {_MOST_HINTS} hints")
    size = 0
    checked: dict[str, str] = {}
    for key, value in cast("Mapping[object, object]", hints).items():
        if not isinstance(key, str) or not key:
            raise LocatorError("a hint has no name: keys are texts of at least one character")
        if not isinstance(value, str):
            raise LocatorError(f"a hint is a str, not {type(value).__name__}: write {{'port': '22045'}}")
        size += len(key) + len(value)
        _check_size(size)
        if not (_is_unicode(key) and _is_unicode(value)):
            raise LocatorError("a hint holds a lone surrogate, which is no character")
        checked[key] = value
    return checked


def _check_size(size: int) -> None:
    """Refuse a long text before anything is done with each of its characters."""
    if size > _MOST_IN_LOCATOR:
        raise LocatorError(f"the locator makes a URI of more than {_MOST_IN_LOCATOR} characters")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _received_hints(received: object) -> dict[str, str]:
    """The hints of a record as they came, of which `_checked_hints` has still to judge the texts."""
    hints: dict[str, str] = {}
    for count, (key, value) in enumerate(_hint_pairs(received)):
        if count == _MOST_HINTS:
            raise LocatorError(f"the locator has more than {_MOST_HINTS} hints")
        name = key.name if isinstance(key, Symbol) else key
        if not isinstance(name, str) or not isinstance(value, str):
            raise LocatorError("the hints of a locator must be texts with a text or a symbol as key")
        if name in hints:
            raise LocatorError("the locator has two hints of the same name")
        hints[name] = value
    return hints


def _hint_pairs(received: object) -> Iterator[tuple[object, object]]:
    if received is False:
        return
    if isinstance(received, Mapping):
        yield from cast("Mapping[object, object]", received).items()
        return
    if not isinstance(received, tuple):
        raise LocatorError("the hints of a locator must be a struct or false")
    for pair in cast("tuple[object, ...]", received):
        if type(pair) is not tuple or len(cast("tuple[object, ...]", pair)) != 2:
            raise LocatorError("the hints of a locator are a list, but not of pairs")
        yield cast("tuple[object, object]", pair)


def _utf16_order(hint: tuple[str, str]) -> bytes:
    # Endo refuses any other order than that of JavaScript's strings. Where all keys are of one
    # length, as host and port are, it is the canonical order of Syrup as well.
    return hint[0].encode("utf-16-be")


def _authority(peer: PeerLocator) -> str:
    return f"{quote(peer.designator, safe=_SUB_DELIMS)}.{peer.transport}"


def _query(hints: Mapping[str, str]) -> str:
    if not hints:
        return ""
    return "?" + "&".join(f"{quote(key, safe='')}={quote(hints[key], safe='')}" for key in sorted(hints))


def _shortened(peer: PeerLocator) -> str:
    designator = peer.designator
    if len(designator) > _SHOWN:
        designator = f"{designator[: _SHOWN - 4]}…"
    return f"{designator}.{peer.transport}"


def _parse(uri: str, sample: str) -> tuple[PeerLocator, SwissNum | None]:
    try:
        return _parse_uri(uri)
    except LocatorError as error:
        problem = str(error)
    raise LocatorError(f"{problem}; a good one: {sample}")


def _parse_uri(uri: str) -> tuple[PeerLocator, SwissNum | None]:
    if len(uri) > _MOST_IN_URI:
        raise LocatorError(f"the URI has more than {_MOST_IN_URI} characters")
    if uri[: len(_SCHEME)].lower() != _SCHEME:
        raise LocatorError(f"the URI does not begin with {_SCHEME}")
    rest = uri[len(_SCHEME) :]
    if _NOT_IN_URIS.search(rest):
        raise LocatorError("the URI holds white space or another character that must be percent-encoded")
    if _BAD_ESCAPE.search(rest):
        raise LocatorError("in the URI a % is not followed by two hexadecimal digits")
    if "#" in rest:
        raise LocatorError("the URI has a fragment (#)")
    hierarchy, mark, query = rest.partition("?")
    if mark and not query:
        raise LocatorError("the query after the ? of the URI is empty")
    authority, slash, path = hierarchy.partition("/")
    transport, designator = _parse_authority(authority)
    swiss = _parse_path(path) if slash else None
    return PeerLocator(transport, designator, _parse_query(query)), swiss


def _parse_authority(authority: str) -> tuple[str, str]:
    if "@" in authority:
        raise LocatorError("the URI has a user (@) before the designator")
    if ":" in authority:
        raise LocatorError("the URI has a port (:) after the transport: ports are hints, as in ?port=22045")
    designator, dot, transport = authority.rpartition(".")
    if not (designator and dot and transport):
        raise LocatorError("the URI needs a designator and a transport with a dot between them")
    return transport, _unescape(designator)


def _parse_path(path: str) -> SwissNum:
    step, slash, text = path.partition("/")
    if step != "s" or not slash or "/" in text:
        raise LocatorError("the path of the URI is not /s/ and a swiss number")
    if not text:
        raise LocatorError("the swiss number after the /s/ of the URI is missing")
    return SwissNum.from_text(_unescape(text))


def _parse_query(query: str) -> dict[str, str]:
    hints: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise LocatorError("the query of the URI must be made of key=value with & between them")
        key = _unescape(key)
        if key in hints:
            raise LocatorError("the query of the URI has the same key twice")
        hints[key] = _unescape(value)
    return hints


def _unescape(text: str) -> str:
    # Raised outside of the handler: the UnicodeDecodeError holds the text, which may be a secret.
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise LocatorError("what is percent-encoded in the URI is not UTF-8")
