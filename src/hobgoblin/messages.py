"""What crosses a session: the operations (``op:*``) and descriptors (``desc:*``) of CapTP.

Two tables, one to read and one to write, say how each is spelled by the peers of today. Reading
knows every form in use; writing knows the one that all of them read. Other spellings, and what else
may differ from session to session, are rows of `hobgoblin.wire`. Classes and fields carry the names
of the specification (ocapn CapTP Specification.md); a descriptor is named from its receiver's side.

Constructors check the number and the types of fields and raise `ProtocolError`; what a position
refers to is the session's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final, Literal, cast, final

from hobgoblin.crypto import BYTE_ARRAYS, S_EXPRESSIONS, CryptoForm, PublicKey
from hobgoblin.errors import LocatorError, ProtocolError
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.syrup import KeyOrder, encode
from hobgoblin.syrup._forms import RecordForm
from hobgoblin.values import (
    COMPILED,
    NULL,
    ErrorValue,
    Keyword,
    MakerTable,
    Null,
    Record,
    RecordMaker,
    Symbol,
    Tagged,
)

__all__ = [
    "CONSTRUCTORS",
    "ENCODERS",
    "INVALID_CRYPTO_VERSION",
    "MAX_POSITION",
    "DescAnswer",
    "DescExport",
    "DescHandoffGive",
    "DescHandoffReceive",
    "DescImportObject",
    "DescImportPromise",
    "DescSigEnvelope",
    "OpAbort",
    "OpDeliver",
    "OpGcAnswers",
    "OpGcExports",
    "OpGet",
    "OpIndex",
    "OpListen",
    "OpStartSession",
    "OpUntag",
    "is_position",
    "signed_constructors",
    "signed_encoders",
]

MAX_POSITION: Final = 2**53 - 1
"""Positions beyond are refused: JavaScript can't count them, and chosen ones collide in hash tables."""

_MOST: Final = MAX_POSITION
_LAST: Final = MAX_POSITION
"""The same, to the compiled form a machine's word."""

INVALID_CRYPTO_VERSION: Final = "invalid-crypto-version"
"""What a peer is told whose keys and signatures have another form than those of the session."""

_NO_ANSWER: Final = "the answer position of op:deliver is none"

Absent = Literal[False]
Fields = tuple[object, ...]


@dataclass(slots=True)
class OpStartSession:
    """The hello. ``session_pubkey`` is made for this one session.

    ``crypto_version`` says in which form keys and signatures are written (`CryptoForm.version`).
    """

    captp_version: str
    session_pubkey: PublicKey
    acceptable_location: PeerLocator
    acceptable_location_sig: bytes
    crypto_version: str | None = None


@dataclass(slots=True)
class OpDeliver:
    """Invoke ``to_desc`` with ``args``; the result settles ``answer_pos`` and ``resolve_me_desc``."""

    to_desc: Any
    args: tuple[object, ...]
    answer_pos: int | Absent
    resolve_me_desc: Any


@dataclass(slots=True)
class OpListen:
    """Tell ``resolve_me_desc`` how the promise ``to_desc`` settles."""

    to_desc: Any
    resolve_me_desc: Any
    wants_partial: bool


@dataclass(slots=True)
class OpGet:
    """``answer_pos`` becomes the field ``field_name`` of the struct that ``receiver_desc`` settles to."""

    receiver_desc: Any
    field_name: str
    new_answer_pos: int


@dataclass(slots=True)
class OpIndex:
    """``answer_pos`` becomes the item at ``index`` of the list that ``receiver_desc`` settles to."""

    receiver_desc: Any
    index: int
    new_answer_pos: int


@dataclass(slots=True)
class OpUntag:
    """``answer_pos`` becomes the value tagged ``tag`` that ``receiver_desc`` settles to."""

    receiver_desc: Any
    tag: str
    new_answer_pos: int


@dataclass(slots=True)
class OpGcExports:
    """The sender has dropped references: how often each had been sent to it."""

    export_positions: tuple[int, ...]
    wire_deltas: tuple[int, ...]


@dataclass(slots=True)
class OpGcAnswers:
    """The sender will not use these answer positions any more."""

    answer_positions: tuple[int, ...]


@dataclass(slots=True)
class OpAbort:
    """The session is over."""

    reason: str


@dataclass(frozen=True, slots=True)
class DescImportObject:
    """An object that the sender exports."""

    position: int


@dataclass(frozen=True, slots=True)
class DescImportPromise:
    """A promise that the sender exports."""

    position: int


@dataclass(frozen=True, slots=True)
class DescExport:
    """Something that the receiver exports."""

    position: int


@dataclass(frozen=True, slots=True)
class DescAnswer:
    """The promise for the answer to a question of the sender."""

    answer_pos: int


@dataclass(frozen=True, slots=True)
class DescSigEnvelope:
    """A record with a signature over its encoding."""

    object: object
    signature: bytes


@dataclass(frozen=True, slots=True)
class DescHandoffGive:
    """A certificate: whoever holds ``receiver_key`` may take the gift from the exporter."""

    receiver_key: PublicKey
    exporter_location: PeerLocator
    session: bytes
    gifter_side: bytes
    gift_id: object


@dataclass(frozen=True, slots=True)
class DescHandoffReceive:
    """A request for a gift, signed by the key that the certificate names."""

    receiving_session: bytes
    receiving_side: bytes
    handoff_count: int
    signed_give: DescSigEnvelope


def _shape(label: str, fields: Fields, *kinds: Callable[[object], bool]) -> Fields:
    if len(fields) != len(kinds):
        raise ProtocolError(f"{label} has {len(fields)} fields, not {len(kinds)}")
    for index, kind in enumerate(kinds):
        if not kind(fields[index]):
            raise ProtocolError(f"field {index} of {label} has the wrong type")
    return fields


def _any(value: object) -> bool:
    return True


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: type(value) is kind


_text = _is(str)
_octets = _is(bytes)
_flag = _is(bool)


def _name(value: object) -> bool:
    return type(value) is str or type(value) is Symbol


def is_position(value: object) -> bool:
    """Tell whether ``value`` is an integer that can be a position."""
    return type(value) is int and 0 <= value <= _MOST


def _positions(label: str, value: object) -> tuple[int, ...]:
    if type(value) is not tuple:
        raise ProtocolError(f"{label} holds what is no list")
    positions: tuple[Any, ...] = value  # pyright: ignore[reportUnknownVariableType]
    for position in positions:
        if type(position) is not int or not 0 <= position <= _MOST:
            raise ProtocolError(f"{label} holds what is no position")
    return positions


@final
class _DeliverMaker(RecordMaker):
    """How op:deliver is read."""

    __slots__ = ()

    def __call__(self, fields: Fields) -> OpDeliver:
        if len(fields) != 4:
            raise ProtocolError(f"op:deliver has {len(fields)} fields, not 4")
        to, args, answer, resolver = fields
        if type(args) is not tuple:
            raise ProtocolError("the arguments of op:deliver are no list")
        if answer is False:
            return self.deliver(to, cast("Fields", args), -1, resolver)
        if not is_position(answer):
            raise ProtocolError(_NO_ANSWER)
        return self.deliver(to, cast("Fields", args), cast("int", answer), resolver)

    def deliver(self, to: object, args: Fields, answer: int, resolver: object) -> OpDeliver:
        if answer > _LAST:
            raise ProtocolError(_NO_ANSWER)
        op = OpDeliver.__new__(OpDeliver)  # what `__init__` does, without the call that compilers leave in it
        op.to_desc = to
        op.args = args
        op.answer_pos = False if answer < 0 else answer
        op.resolve_me_desc = resolver
        return op


def _deliver_only(fields: Fields) -> OpDeliver:
    to, args = _shape("op:deliver-only", fields, _any, _is(tuple))
    return OpDeliver(to, cast("tuple[object, ...]", args), False, False)


def _listen(fields: Fields) -> OpListen:
    if len(fields) == 2:
        fields = (*fields, False)
    to, resolver, partial = _shape("op:listen", fields, _any, _any, _flag)
    return OpListen(to, resolver, cast("bool", partial))


def _get(fields: Fields) -> OpGet:
    return OpGet(*cast("tuple[Any, str, int]", _shape("op:get", fields, _any, _text, is_position)))


def _index(fields: Fields) -> OpIndex:
    return OpIndex(*cast("tuple[Any, int, int]", _shape("op:index", fields, _any, is_position, is_position)))


def _untag(fields: Fields) -> OpUntag:
    receiver, tag, answer_pos = _shape("op:untag", fields, _any, _name, is_position)
    if type(tag) is Symbol:
        tag = tag.name  # what the tag of desc:tagged is; Goblins sends it so
    return OpUntag(receiver, cast("str", tag), cast("int", answer_pos))


def _gc_exports(fields: Fields) -> OpGcExports:
    listed, counted = _shape("op:gc-exports", fields, _any, _any)
    positions = _positions("op:gc-exports", listed)
    deltas = _positions("op:gc-exports", counted)
    if len(positions) != len(deltas):
        raise ProtocolError("the lists of op:gc-exports differ in length")
    if 0 in deltas:
        raise ProtocolError("op:gc-exports gives back nothing at some position")
    return OpGcExports(positions, deltas)


def _gc_export(fields: Fields) -> OpGcExports:
    # Of two earlier drafts: with one position and its count, or with lists already.
    if all(is_position(field) for field in fields):
        fields = tuple((field,) for field in fields)
    return _gc_exports(fields)


def _gc_answers(fields: Fields) -> OpGcAnswers:
    (listed,) = _shape("op:gc-answers", fields, _any)
    return OpGcAnswers(_positions("op:gc-answers", listed))


def _gc_answer(fields: Fields) -> OpGcAnswers:
    if len(fields) == 1 and is_position(fields[0]):
        fields = ((fields[0],),)
    return _gc_answers(fields)


def _abort(fields: Fields) -> OpAbort:
    return OpAbort(*cast("tuple[str]", _shape("op:abort", fields, _text)))


class _PositionMaker(RecordMaker):
    """How a descriptor that holds a position is read."""

    __slots__ = ("_label",)

    def __init__(self, label: str) -> None:
        self._label = label

    def __call__(self, fields: Fields) -> object:
        _shape(self._label, fields, is_position)
        return self.at(cast("int", fields[0]))

    def _check(self, position: int) -> None:
        if position > _LAST:
            _shape(self._label, (position,), is_position)


@final
class _ImportObjectMaker(_PositionMaker):
    __slots__ = ()

    def at(self, position: int) -> DescImportObject:
        self._check(position)
        if not COMPILED:
            return DescImportObject(position)
        desc = DescImportObject.__new__(DescImportObject)
        desc.position = position  # type: ignore[misc]
        return desc


@final
class _ImportPromiseMaker(_PositionMaker):
    __slots__ = ()

    def at(self, position: int) -> DescImportPromise:
        self._check(position)
        if not COMPILED:
            return DescImportPromise(position)
        desc = DescImportPromise.__new__(DescImportPromise)
        desc.position = position  # type: ignore[misc]
        return desc


@final
class _ExportMaker(_PositionMaker):
    __slots__ = ()

    def at(self, position: int) -> DescExport:
        self._check(position)
        if not COMPILED:
            return DescExport(position)
        desc = DescExport.__new__(DescExport)
        desc.position = position  # type: ignore[misc]
        return desc


@final
class _AnswerMaker(_PositionMaker):
    __slots__ = ()

    def at(self, position: int) -> DescAnswer:
        self._check(position)
        if not COMPILED:
            return DescAnswer(position)
        desc = DescAnswer.__new__(DescAnswer)
        desc.answer_pos = position  # type: ignore[misc]
        return desc


def _gift_id(value: object) -> bool:
    # Octets by the spec; Goblins takes numbers and texts as well.
    return type(value) is bytes or type(value) is str or type(value) is int


def _handoff_receive(fields: Fields) -> DescHandoffReceive:
    checked = _shape("desc:handoff-receive", fields, _octets, _octets, is_position, _is(DescSigEnvelope))
    return DescHandoffReceive(*cast("tuple[bytes, bytes, int, DescSigEnvelope]", checked))


def signed_constructors(form: CryptoForm) -> dict[str, Callable[[Fields], object]]:
    """Return how the records that hold keys or signatures are read, in one form of these.

    Only op:start-session is read in every known form, and says in which: an acceptor learns from it
    whom it has before it, and then how that peer is to be spoken to.
    """
    forms = {known.version: known for known in (S_EXPRESSIONS, BYTE_ARRAYS, form)}

    def start_session(fields: Fields) -> OpStartSession:
        crypto_version: str | None = None
        if len(fields) == 5:
            said = fields[1]
            if type(said) is not str:
                raise ProtocolError("the crypto-version of op:start-session is no string")
            crypto_version, fields = said, (fields[0], *fields[2:])
        version, key, location, signature = _shape(
            "op:start-session", fields, _text, _any, _is(PeerLocator), _any
        )
        spoken = forms.get(crypto_version)
        if spoken is None:
            raise ProtocolError(INVALID_CRYPTO_VERSION)
        return OpStartSession(
            cast("str", version),
            spoken.key_from_value(key),
            cast("PeerLocator", location),
            spoken.signature_from_value(signature),
            spoken.version,
        )

    def sig_envelope(fields: Fields) -> DescSigEnvelope:
        signed, signature = _shape("desc:sig-envelope", fields, _any, _any)
        return DescSigEnvelope(signed, form.signature_from_value(signature))

    def handoff_give(fields: Fields) -> DescHandoffGive:
        key, location, session, side, gift = _shape(
            "desc:handoff-give", fields, _any, _is(PeerLocator), _octets, _octets, _gift_id
        )
        return DescHandoffGive(
            form.key_from_value(key),
            cast("PeerLocator", location),
            cast("bytes", session),
            cast("bytes", side),
            gift,
        )

    return {
        "op:start-session": start_session,
        "desc:sig-envelope": sig_envelope,
        "desc:handoff-give": handoff_give,
        "desc:handoff-receive": _handoff_receive,
    }


def _locator(label: str, read: Callable[[Record], object]) -> Callable[[Fields], object]:
    def construct(fields: Fields) -> object:
        try:
            return read(Record(Symbol(label), fields))
        except LocatorError as error:
            raise ProtocolError(f"{label}: {error}") from None

    return construct


def _tagged(label: str) -> Callable[[Fields], Tagged]:
    def construct(fields: Fields) -> Tagged:
        if len(fields) != 2:
            raise ProtocolError(f"{label} has {len(fields)} fields, not 2")
        tag, value = fields
        if type(tag) is Symbol:
            tag = tag.name
        if type(tag) is not str:
            raise ProtocolError(f"the tag of {label} is neither symbol nor string")
        return Tagged(tag, value)

    return construct


UNKNOWN_ERROR: Final = "unknown remote error"
"""What an error is read as that says nothing."""


def _error(fields: Fields) -> ErrorValue:
    # Endo sends one field; drafts have three. Goblins masks all of its errors.
    message = next((field for field in fields if type(field) is str), UNKNOWN_ERROR)
    return ErrorValue(message)


def _constant(label: str, value: object) -> Callable[[Fields], object]:
    def construct(fields: Fields) -> object:
        if fields:
            raise ProtocolError(f"{label} has {len(fields)} fields, not 0")
        return value

    return construct


def _keyword(fields: Fields) -> Keyword:
    (name,) = _shape("kw", fields, _is(Symbol))
    return Keyword(cast("Symbol", name).name)


_BY_LABEL: Final[Mapping[str, Callable[[Fields], object]]] = {
    "op:deliver": _DeliverMaker(),
    "op:deliver-only": _deliver_only,
    "op:listen": _listen,
    "op:get": _get,
    "op:index": _index,
    "op:untag": _untag,
    "op:gc-exports": _gc_exports,
    "op:gc-export": _gc_export,
    "op:gc-answers": _gc_answers,
    "op:gc-answer": _gc_answer,
    "op:abort": _abort,
    "desc:import-object": _ImportObjectMaker("desc:import-object"),
    "desc:import-promise": _ImportPromiseMaker("desc:import-promise"),
    "desc:export": _ExportMaker("desc:export"),
    "desc:answer": _AnswerMaker("desc:answer"),
    **signed_constructors(S_EXPRESSIONS),
    "ocapn-peer": _locator("ocapn-peer", PeerLocator.from_record),
    "ocapn-node": _locator("ocapn-node", PeerLocator.from_record),
    "ocapn-sturdyref": _locator("ocapn-sturdyref", SturdyRef.from_record),
    "void": _constant("void", None),
    "null": _constant("null", NULL),
    "desc:tagged": _tagged("desc:tagged"),
    "desc:tag": _tagged("desc:tag"),
    "user-record": _tagged("user-record"),
    "desc:error": _error,
    "exn:fail:mystery": _error,
    "kw": _keyword,
}

# Interned as the names of symbols are that readers know: what is found at once needs no comparison.
CONSTRUCTORS: Final[Mapping[str, Callable[[Fields], object]]] = MakerTable(
    {intern(label): construct for label, construct in _BY_LABEL.items()}
)
"""How each record that CapTP gives a meaning is read. Others stay a `Record`."""


def _record(label: str, *fields: object) -> Record:
    return Record(_SYMBOLS[label], fields)


_SYMBOLS: Final = {label: Symbol(label) for label in CONSTRUCTORS}
_VOID: Final = Record(_SYMBOLS["void"], ())
_NULL: Final = Record(_SYMBOLS["null"], ())


def signed_encoders(
    form: CryptoForm, encode_signed: Callable[[object], bytes]
) -> dict[type, Callable[[Any], bytes | Record]]:
    """Return how the records that hold keys or signatures are written, in one form of these.

    ``encode_signed`` encodes what signatures cover: as it was signed, whatever order the message
    around it puts keys in.
    """

    def start_session(op: OpStartSession) -> Record:
        versions = (op.captp_version,) if form.version is None else (op.captp_version, form.version)
        return _record(
            "op:start-session",
            *versions,
            form.key_to_value(op.session_pubkey),
            op.acceptable_location.to_record(),
            form.signature_to_value(op.acceptable_location_sig),
        )

    def sig_envelope(desc: DescSigEnvelope) -> bytes:
        signature = form.signature_to_value(desc.signature)
        return encode_signed(_record("desc:sig-envelope", desc.object, signature))

    def handoff_give(desc: DescHandoffGive) -> Record:
        return _record(
            "desc:handoff-give",
            form.key_to_value(desc.receiver_key),
            desc.exporter_location.as_received(),
            desc.session,
            desc.gifter_side,
            desc.gift_id,
        )

    def handoff_receive(desc: DescHandoffReceive) -> Record:
        return _record(
            "desc:handoff-receive",
            desc.receiving_session,
            desc.receiving_side,
            desc.handoff_count,
            desc.signed_give,
        )

    return {
        OpStartSession: start_session,
        DescSigEnvelope: sig_envelope,
        DescHandoffGive: handoff_give,
        DescHandoffReceive: handoff_receive,
    }


def _encode_signed(value: object) -> bytes:
    return encode(value, encoders=ENCODERS, key_order=KeyOrder.KEEP)


@final
class _DeliverForm(RecordForm):
    """How op:deliver is written."""

    __slots__ = ()

    def fields(self, value: object) -> Fields:
        op = cast("OpDeliver", value)
        return (op.to_desc, op.args, op.answer_pos, op.resolve_me_desc)


@final
class _PositionForm(RecordForm):
    """How a descriptor that holds a position is written."""

    __slots__ = ()

    def position(self, value: object) -> int:
        found: object = None
        if type(value) is DescExport:
            export = value
            found = export.position
        elif type(value) is DescImportObject:
            imported = value
            found = imported.position
        elif type(value) is DescAnswer:
            answer = value
            found = answer.answer_pos
        if type(found) is not int:
            return -1
        try:
            number: int = found
        except OverflowError:
            return -1
        return number if 0 <= number <= _LAST else -1


ENCODERS: Final[Mapping[type, Callable[[Any], bytes | Record]]] = {
    OpDeliver: _DeliverForm("op:deliver", "to_desc", "args", "answer_pos", "resolve_me_desc"),
    OpListen: RecordForm("op:listen", "to_desc", "resolve_me_desc", "wants_partial"),
    OpGet: RecordForm("op:get", "receiver_desc", "field_name", "new_answer_pos"),
    OpIndex: RecordForm("op:index", "receiver_desc", "index", "new_answer_pos"),
    OpUntag: RecordForm("op:untag", "receiver_desc", "tag", "new_answer_pos"),
    OpGcExports: RecordForm("op:gc-exports", "export_positions", "wire_deltas"),
    OpGcAnswers: RecordForm("op:gc-answers", "answer_positions"),
    OpAbort: RecordForm("op:abort", "reason"),
    DescImportObject: _PositionForm("desc:import-object", "position"),
    DescImportPromise: RecordForm("desc:import-promise", "position"),
    DescExport: _PositionForm("desc:export", "position"),
    DescAnswer: _PositionForm("desc:answer", "answer_pos"),
    **signed_encoders(S_EXPRESSIONS, _encode_signed),
    PeerLocator: lambda locator: locator.to_record(),
    SturdyRef: lambda sturdyref: sturdyref.to_record(),
    type(None): lambda _: _VOID,
    Null: lambda _: _NULL,
    Tagged: lambda tagged: _record("desc:tagged", Symbol(tagged.tag), tagged.value),
    ErrorValue: RecordForm("desc:error", "message"),
    Keyword: lambda keyword: _record("kw", Symbol(keyword.name)),
}
"""How each is written: as a record, or as octets that are taken as they are."""
