"""How references cross: the four tables, and the descriptors on both of their sides.

A reference becomes a descriptor while its message is encoded, a descriptor a reference while its
message is decoded. Which descriptor says whose the thing is, from the view of who reads it::

                      ours                         theirs
    an object         desc:import-object           desc:export
    a promise         desc:import-promise          desc:export, or desc:answer for a question

Spec: OCapN CapTP Specification, the sections on ``desc:*``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, Final, cast, final

from hobgoblin.captp.quotas import emptied
from hobgoblin.captp.tables import Exports, Tracked, Tracking
from hobgoblin.crypto import PublicKey
from hobgoblin.errors import ProtocolError, Refused
from hobgoblin.messages import (
    MAX_POSITION,
    DescHandoffGive,
    DescHandoffReceive,
    DescSigEnvelope,
    is_position,
)
from hobgoblin.refs import FULFILLED, PENDING, ROUTE_IMPORT, ROUTE_SELECTED, Sink
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import LocalRef, Ref, RemoteRef
from hobgoblin.values import SHAPED_TAGS, Limits, MakerTable, Record, RecordMaker, Shaped, Tagged
from hobgoblin.wire import Octets, Wire

__all__ = ["Crossing", "ResolverAt"]

Fields = tuple[object, ...]

_ENDLESS: Final = 2**62
"""More than there will ever be of anything: what is counted fits a machine's word."""

_MOST: Final = MAX_POSITION

_HOLDERS: Final = frozenset({tuple, MappingProxyType, Tagged})
"""What may have a value with a tag in it."""


@final
class ResolverAt(Ref):
    """One of our resolvers as a peer names it in a message: known by its position only.

    It may be the target of op:deliver. It is no value, so no code but the session's ever sees it. As a
    message may hold one at most, a session has a single one, for the message that is being read.
    """

    __slots__ = ("_pos",)

    def __init__(self, pos: int) -> None:
        self._pos = pos


@final
class Crossing:
    """The tables of a session. ``encoders`` and ``constructors`` are what a codec works on them with.

    ``strays`` counts what the message that is being read holds and no value may: operations, our
    resolvers, unsigned certificates. The session compares it with what the message itself is.
    """

    __slots__ = (
        "_dropped_imports",
        "_dropped_questions",
        "_export",
        "_introduce",
        "_limits",
        "_most_answers",
        "_most_imports",
        "_new_promise",
        "_octets",
        "_receiver_key",
        "_resolver_at",
        "_sink",
        "_wake",
        "_wire",
        "answers",
        "bootstrap",
        "certificates",
        "constructors",
        "encoders",
        "exports",
        "imports",
        "learning",
        "questions",
        "release_due",
        "shaped",
        "spelling",
        "strays",
    )

    def __init__(
        self,
        sink: Sink,
        new_promise: Callable[[], Promise[Any]],
        bootstrap: Ref,
        limits: Limits,
        wake: Callable[[], object],
        introduce: Callable[[RemoteRef], DescSigEnvelope | None],
        receiver_key: PublicKey,
        wire: Wire,
    ) -> None:
        self._sink = sink
        self._introduce = introduce
        self._receiver_key = receiver_key
        self._new_promise = new_promise
        self._limits = limits
        self._resolver_at = ResolverAt(0)
        self._most_answers = min(limits.answers, _ENDLESS)
        self._most_imports = min(limits.imports, _ENDLESS)
        self._wake = wake
        self._dropped_imports: list[Tracked[Any]] = []
        self._dropped_questions: list[Tracked[Any]] = []
        self.release_due = False
        self.strays = 0
        # The message that is being read holds a tag that stands for a class of the program.
        self.shaped = False
        # How the peer spelled the operation that was read last, and whether with a list in front;
        # noted as long as somebody learns from it.
        self.learning = True
        self.spelling = ("", False)
        # The promises that stand for references of third parties in the message that is being read.
        self.certificates: dict[Promise[Any], DescSigEnvelope] = {}
        self.bootstrap = RemoteRef(sink, 0)
        self.exports = Exports(bootstrap, min(limits.exports, _ENDLESS))
        self.imports: Tracking[Ref] = Tracking(self._import_dropped)
        self.questions: Tracking[Promise[Any]] = Tracking(self._question_dropped)
        self.answers: dict[int, Promise[Any]] = {}
        self.encoders: dict[type, Callable[[Any], bytes | Record]] = {}
        self.constructors = MakerTable({})
        self.speak(wire)

    def speak(self, wire: Wire) -> None:
        """Read and write as ``wire`` has it from the next message on. Its codec stays the same."""
        self._wire = wire
        self._octets: Octets = wire.octets
        self._export = wire.octets.export
        # A decoder reads with these very dictionaries.
        self.encoders.clear()
        self.encoders.update(wire.encoders)
        self.encoders.update(
            {
                LocalRef: self._describe_local,
                RemoteRef: self._describe_remote,
                Promise: self._describe_promise,
            }
        )
        operations = [label for label in wire.constructors if label.startswith("op:")]
        self.constructors.replace(
            {
                **wire.constructors,
                **{label: _NoValue(self, label, wire) for label in operations},
                "desc:import-object": _At(self, _IMPORT_OBJECT),
                "desc:import-promise": _At(self, _IMPORT_PROMISE),
                "desc:export": _At(self, _EXPORT),
                "desc:answer": _At(self, _ANSWER),
                "desc:sig-envelope": self._read_sig_envelope,
                "desc:handoff-give": _NoValue(self, "desc:handoff-give", wire),
                "desc:handoff-receive": self._read_handoff_receive,
                "desc:tagged": self._read_tagged,
            }
        )

    def sizes(self) -> tuple[int, int, int, int]:
        """Return the lengths of exports, imports, questions and answers."""
        return len(self.exports), len(self.imports), len(self.questions), len(self.answers)

    def rows(self) -> Iterator[str]:
        """Describe every entry for a person. No secrets: references print none."""
        for pos, entry in self.exports:
            what = repr(entry.target) if entry.target is not None else "resolver"
            yield f"export {pos}: {what}, sent {entry.sent}"
        for pos, ref, count in self.imports.rows():
            yield f"import {pos}: {ref!r}, received {count}"
        for pos, ref, _ in self.questions.rows():
            yield f"question {pos}: {ref!r}"
        for pos, promise in self.answers.items():
            yield f"answer {pos}: {promise!r}"

    def check(self) -> None:
        """Assert the invariants of the tables."""
        self.exports.check()
        self.imports.check()
        self.questions.check()
        for pos, _, count in self.imports.rows():
            assert pos > 0, "the bootstrap object is in the import table"
            assert count > 0, f"import {pos} was never received"
        assert all(is_position(pos) for pos in self.answers), "an answer has no position"

    def clear(self) -> list[Promise[Any]]:
        """Drop everything; return the pending promises that only the peer could have settled."""
        orphans: list[Ref] = [*self.exports.clear()]
        orphans.extend(self.imports.living())
        # Other questions have a resolver among the exports.
        orphans.extend([part for part in self.questions.living() if part._route_kind == ROUTE_SELECTED])
        self.imports.clear()
        self.questions.clear()
        self.answers.clear()
        self.certificates.clear()
        self._dropped_imports.clear()
        self._dropped_questions.clear()
        # A promise that is listened to is in two tables.
        pending = [orphan for orphan in dict.fromkeys(orphans) if _is_pending(orphan)]
        return cast("list[Promise[Any]]", pending)

    def is_theirs(self, target: Ref) -> bool:
        """Tell whether ``target`` came from the peer."""
        if type(target) is RemoteRef:
            remote = target
            return remote._sink is self._sink
        if type(target) is not Promise:
            return False
        promise: Promise[Any] = target  # pyright: ignore[reportUnknownVariableType]
        return promise._route_kind == ROUTE_IMPORT and promise._route is self._sink

    def ours(self, target: object) -> Ref:
        """Require a target that the peer may send to: something of ours."""
        if isinstance(target, Ref) and not self.is_theirs(target):
            return target
        raise ProtocolError("the target is neither desc:export nor desc:answer")

    def theirs(self, resolver: object) -> Ref:
        """Require somebody to be told: something of the peer's."""
        if isinstance(resolver, Ref) and self.is_theirs(resolver):
            return resolver
        raise ProtocolError("the resolver is neither desc:import-object nor desc:import-promise")

    def place(self, target: Ref) -> int:
        """Return where the peer has ``target``, which must be behind this session.

        It is a position among its exports, or ``~position`` among its answers.
        """
        if type(target) is RemoteRef:
            remote = target
            if remote._sink is self._sink:
                return remote._pos
        elif type(target) is Promise:
            promise: Promise[Any] = target  # pyright: ignore[reportUnknownVariableType]
            if promise._route is self._sink:
                pos: int = promise._pos
                return pos if promise._route_kind == ROUTE_IMPORT else ~pos
        raise ValueError(f"{target!r} is not behind this session")

    def target(self, target: Ref) -> bytes:
        """Return how the peer knows ``target``, which must be behind this session."""
        pos = self.place(target)
        return self._octets.answer(~pos) if pos < 0 else self._export(pos)

    def new_answer(self, pos: int) -> Promise[Any]:
        """Return the promise that the peer will know by the answer position ``pos``."""
        answers = self.answers
        if pos in answers:
            raise ProtocolError(f"answer position {pos} is in use")
        if len(answers) >= self._most_answers:
            raise ProtocolError("too many answers are in use")
        promise = self._new_promise()
        answers[pos] = promise
        return promise

    def dropped_imports(self) -> tuple[list[int], list[int]]:
        """Return what of theirs has been dropped here since the last time, and how often each had come."""
        positions: list[int] = []
        deltas: list[int] = []
        for entry in emptied(self._dropped_imports):
            count = self.imports.forget(entry)
            if count:
                positions.append(entry.pos)
                deltas.append(count)
        return positions, deltas

    def dropped_questions(self) -> list[int]:
        """Return the questions whose promises have been dropped here since the last time."""
        positions: list[int] = []
        for entry in emptied(self._dropped_questions):
            self.questions.forget(entry)
            positions.append(entry.pos)
        return positions

    def remind(self) -> None:
        """Wake the owner for releases that it could not send before."""
        if self.release_due:
            self._wake()

    # What the garbage collector calls, in any thread: only enqueue.

    def _import_dropped(self, entry: Tracked[Any]) -> None:
        self._dropped_imports.append(entry)
        if not self.release_due:
            self.release_due = True
            self._wake()

    def _question_dropped(self, entry: Tracked[Any]) -> None:
        self._dropped_questions.append(entry)
        if not self.release_due:
            self.release_due = True
            self._wake()

    # References to descriptors

    def _describe_local(self, target: Ref) -> bytes:
        return self._octets.import_object(self.exports.describe(target))

    def _describe_remote(self, target: RemoteRef) -> bytes | Record:
        if target._sink is self._sink:
            return self._export(target._pos)
        certificate = self._introduce(target)
        if certificate is None:
            # The peer has no way of its own to that object: it reaches it through us.
            return self._describe_local(target)
        return self._wire.encoders[DescSigEnvelope](certificate)

    def _describe_promise(self, promise: Promise[Any]) -> bytes | Record:
        promise._heard = True
        if promise._state == FULFILLED and isinstance(promise._value, Ref):
            value = promise._value
            return self._describe_remote(value) if type(value) is RemoteRef else self._describe_local(value)
        # One that was fulfilled with data stays a promise: what arrives must not depend on whether
        # the resolution was faster.
        if promise._state < FULFILLED and promise._at.host.here():
            promise = promise._root()
        if promise._route is self._sink:
            if promise._route_kind == ROUTE_IMPORT:
                return self._export(promise._pos)
            if promise._state == PENDING:
                return self._octets.answer(promise._pos)
        return self._octets.import_promise(self.exports.describe(promise))

    # Descriptors to references

    def _read_import(self, pos: int, is_promise: bool) -> Ref:
        if pos == 0:
            # The conformance suite counts its exports from 0, the resolvers of its questions among them.
            return self.bootstrap
        imports = self.imports
        reference: Ref | None = imports.again(pos) if pos in imports._by_pos else None
        if reference is None:
            if len(imports._by_pos) >= self._most_imports:
                raise ProtocolError("too many references are in use")
            if is_promise:
                promise = self._new_promise()
                promise._set_route(self._sink, ROUTE_IMPORT, pos)
                reference = promise
            else:
                remote = RemoteRef.__new__(RemoteRef)
                remote._sink = self._sink
                remote._pos = pos
                reference = remote
            imports.add(pos, reference)
        return reference

    def _read_export(self, pos: int) -> Ref:
        exports = self.exports
        if pos not in exports._resolvers:
            target = exports.target(pos)
            if target is None:
                raise ProtocolError(f"there is no export {pos}")
            return target
        self.strays += 1
        self._resolver_at._pos = pos
        return self._resolver_at

    def _read_answer(self, pos: int) -> Ref:
        promise = self.answers.get(pos)
        if promise is None:
            raise ProtocolError(f"there is no answer {pos}")
        return promise

    def _stray(self, label: str, fields: Fields) -> Fields:
        """Take note of a record that is no value, and return its fields as they are to be taken."""
        self.strays += 1
        if self.learning:
            self.spelling = (label, len(fields) > 0 and type(fields[0]) is tuple)
        first: Any = fields[0] if fields else None  # pyright: ignore[reportUnknownVariableType]
        if self.certificates and type(first) is Promise and first in self.certificates:
            raise ProtocolError("a certificate is no target")
        if self.shaped and label.startswith("op:"):  # what a certificate behind it holds is no argument
            self.shaped = False
            return tuple([_shaped(field) for field in fields])
        return fields

    # Values that stand for instances

    def _read_tagged(self, fields: Fields) -> object:
        tagged = cast("Tagged", self._wire.constructors["desc:tagged"](fields))
        if tagged.tag in SHAPED_TAGS:
            self.shaped = True
        return tagged

    # References of third parties

    def _read_sig_envelope(self, fields: Fields) -> object:
        envelope = cast("DescSigEnvelope", self._wire.constructors["desc:sig-envelope"](fields))
        self.strays -= 1
        if isinstance(envelope.object, DescHandoffReceive):
            return envelope
        if not isinstance(envelope.object, DescHandoffGive):
            raise ProtocolError("desc:sig-envelope holds no certificate of a hand-off")
        promise = self._new_promise()._excuse()
        self.certificates[promise] = envelope
        return promise

    def _read_handoff_receive(self, fields: Fields) -> object:
        # The certificate in it has become a promise, which nobody is to see.
        certificate = fields[3] if len(fields) == 4 else None
        envelope = None
        if type(certificate) is Promise:
            envelope = self.certificates.pop(certificate, None)  # pyright: ignore[reportUnknownArgumentType]
        if envelope is None:
            raise ProtocolError("desc:handoff-receive holds no signed desc:handoff-give")
        self.strays += 1
        return self._wire.constructors["desc:handoff-receive"]((*fields[:3], envelope))

    def introductions(self) -> list[tuple[Promise[Any], DescSigEnvelope]]:
        """Return what the message that was just read introduces: promises, and what they are to become."""
        if not self.certificates:
            return []
        found = list(self.certificates.items())
        self.certificates.clear()
        for number, (promise, envelope) in enumerate(found):
            give = cast("DescHandoffGive", envelope.object)
            if number >= self._limits.gifts:
                # To check the signatures of all that fit into one message would take seconds.
                promise._break_here(Refused("too many hand-offs in one message"))
            elif give.receiver_key.raw != self._receiver_key.raw:
                promise._break_here(Refused("this certificate was made for somebody else"))
        return [(promise, envelope) for promise, envelope in found if promise._state == PENDING]


def _is_pending(reference: Ref) -> bool:
    return type(reference) is Promise and reference._state == PENDING


def _shaped(field: object) -> object:
    """Wrap what may have a registered tag in it among the arguments of an operation."""
    if type(field) is not tuple:
        return field
    arguments = cast("Fields", field)
    return tuple([Shaped(value) if type(value) in _HOLDERS else value for value in arguments])


_IMPORT_OBJECT: Final = 0
_IMPORT_PROMISE: Final = 1
_EXPORT: Final = 2
_ANSWER: Final = 3


@final
class _At(RecordMaker):
    """How a descriptor that holds a position is read: as what the tables of a session have there."""

    __slots__ = ("_crossing", "_kind")

    def __init__(self, crossing: Crossing, kind: int) -> None:
        self._crossing = crossing
        self._kind = kind

    def __call__(self, fields: Fields) -> Ref:
        if len(fields) != 1 or not is_position(fields[0]):
            raise ProtocolError("a descriptor takes one position")
        return self.at(cast("int", fields[0]))

    def at(self, position: int) -> Ref:
        if position > _MOST:
            raise ProtocolError("a descriptor takes one position")
        kind = self._kind
        crossing = self._crossing
        if kind == _EXPORT:
            return crossing._read_export(position)
        if kind == _ANSWER:
            return crossing._read_answer(position)
        return crossing._read_import(position, kind == _IMPORT_PROMISE)


@final
class _NoValue(RecordMaker):
    """How a record is read that no value may hold, so that the session has to know of each."""

    __slots__ = ("_construct", "_crossing", "_label", "_maker")

    def __init__(self, crossing: Crossing, label: str, wire: Wire) -> None:
        self._crossing = crossing
        self._label = label
        construct = self._construct = wire.constructors[label]
        self._maker = construct if isinstance(construct, RecordMaker) else None

    def __call__(self, fields: Fields) -> object:
        return self._construct(self._crossing._stray(self._label, fields))

    def deliver(self, to: object, args: Fields, answer: int, resolver: object) -> object:
        crossing = self._crossing
        if self._maker is None or crossing.learning or crossing.shaped or crossing.certificates:
            return self((to, args, False if answer < 0 else answer, resolver))
        crossing.strays += 1
        return self._maker.deliver(to, args, answer, resolver)

    def call(self, to_answer: bool, to: int, args: Fields, answer: int, resolver: int) -> object:
        crossing = self._crossing
        if self._maker is None or crossing.learning or crossing.shaped or crossing.certificates:
            return None
        target = crossing._read_answer(to) if to_answer else crossing._read_export(to)
        told = False if answer < 0 else crossing._read_import(resolver, False)
        crossing.strays += 1
        return self._maker.deliver(target, args, answer, told)
