"""How a session speaks: the wire, the dialect, what it learns of them by listening; and what it has said."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from hobgoblin.captp.crossing import Crossing, ResolverAt
from hobgoblin.captp.texts import argument_path
from hobgoblin.dialects import (
    HELD,
    LEARNING,
    PLURAL,
    RESOLVER,
    Dialect,
    dialect_named,
    learn,
    release_messages,
)
from hobgoblin.errors import NotPassable, ProtocolError, SessionFull, SyrupError
from hobgoblin.messages import OpDeliver, OpGcAnswers, OpGcExports
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import Ref
from hobgoblin.settings import PeerSettings
from hobgoblin.values import Limits
from hobgoblin.wire import Framing, StreamDecoder, Wire, argument_limits, wire_of
from hobgoblin.wire.calls import CallWriter

__all__ = ["Speaker", "size_of"]

_RAW: Final = Framing.RAW
_RELEASES_PER_MESSAGE: Final = 1000
"""Keeps them below the 64 KiB above which Endo closes a session without framing."""


class Speaker:
    """The part of a session that knows how its peer wants to be spoken to, and keeps what is to be sent.

    Args:
        crossing: the tables of the session, which are read and written as the wire has it.
        wire: how messages look, as long as the peer is not known to differ.
        dialect: what the peer understands.
        version: what the protocol is called.
        limits: what the peer takes.
        cuts: whether long strings may be kept, and taken, as items of their own.
    """

    __slots__ = (
        "_argument_limits",
        "_bytes_sent",
        "_calls",
        "_codec",
        "_crossing",
        "_cut",
        "_cuts",
        "_decoder",
        "_exports",
        "_framing",
        "_keep",
        "_learning",
        "_limits",
        "_most_released",
        "_negative_zero",
        "_octets",
        "_out",
        "_sent",
        "_unsent",
        "_version",
        "_way",
        "dialect",
        "wire",
    )

    wire: Wire
    dialect: Dialect
    _decoder: StreamDecoder

    def __init__(
        self, crossing: Crossing, wire: Wire, dialect: Dialect, version: str, limits: Limits, cuts: bool
    ) -> None:
        self._crossing = crossing
        self._exports = crossing.exports
        self._codec = wire.codec
        self._limits = limits
        self._argument_limits = argument_limits(limits)
        self._cuts = cuts
        # Until the peer has said something, it is not known on a channel that tells by that.
        self._framing: Framing | None = None
        # Messages; those with long strings in them in their pieces, of so many messages.
        self._out: deque[bytes | tuple[bytes, ...]] = deque()
        self._keep = self._out.append
        self._cut = 0
        self._unsent = self._sent = self._bytes_sent = 0
        self._version = version
        self._negative_zero = True
        self._most_released = min(_RELEASES_PER_MESSAGE, max(1, limits.elements // 4))
        self._speak(wire, dialect)
        self._calls = self._new_calls()

    def _adapt(self, settings: PeerSettings | None) -> None:
        """Speak as this peer wants to be spoken to."""
        if settings is None:
            return
        self._negative_zero = settings.negative_zero
        if settings.version is not None:
            self._version = settings.version
        wire = self.wire if settings.wire is None else wire_of(settings.wire)
        if wire.codec is not self._codec:
            raise ProtocolError("this peer is known to use another encoding")
        if wire is not self.wire:
            self._crossing.speak(wire)
        self._speak(wire, self.dialect if settings.dialect is None else dialect_named(settings.dialect))
        self._calls = self._new_calls()

    def _new_calls(self) -> CallWriter:
        return self._octets.calls(self._crossing.encoders, self._limits, self._negative_zero, self._cuts)

    def _speak(self, wire: Wire, dialect: Dialect) -> None:
        self.wire = wire
        self.dialect = wire.schema.dialect or dialect
        self._learning = self._crossing.learning = self.dialect.name == LEARNING.name
        self._octets = wire.octets
        self._way = self.dialect.one_way

    def _learn(self, message: object) -> None:
        label, listed = self._crossing.spelling
        held = self.dialect.releases is HELD
        dialect = learn(
            self.dialect,
            label,
            listed=listed,
            bare=type(message) is OpDeliver and message.resolve_me_desc is False,
            resolution=type(message) is OpDeliver and type(message.to_desc) is ResolverAt,
        )
        self._speak(self.wire, dialect)
        if held and self.dialect.releases is not HELD:
            self._crossing.remind()

    def _give_back(self) -> None:
        """Tell the peer of all that was dropped here since the last time."""
        crossing = self._crossing
        crossing.release_due = False
        positions, deltas = crossing.dropped_imports()
        questions = crossing.dropped_questions()
        most = self._most_released
        for start in range(0, len(positions), most):
            end = start + most
            if self.dialect.releases is PLURAL:
                self._send(self._octets.gc_exports(positions[start:end], deltas[start:end]))
            else:
                self._give_back_as(OpGcExports(tuple(positions[start:end]), tuple(deltas[start:end])))
        for start in range(0, len(questions), most):
            end = start + most
            if self.dialect.releases is PLURAL:
                self._send(self._octets.gc_answers(questions[start:end]))
            else:
                self._give_back_as(OpGcAnswers(tuple(questions[start:end])))

    def _give_back_as(self, op: OpGcExports | OpGcAnswers) -> None:
        for message in release_messages(self.dialect, op):
            self._send(self._codec.encode(message, encoders=self.wire.encoders))

    # What is to be sent

    @property
    def unsent(self) -> int:
        """How many octets wait to be taken."""
        return self._unsent

    def _ask(self, target: Ref, args: tuple[object, ...], question: int, answer: Promise[Any]) -> None:
        """Send a message that asks for an answer."""
        crossing = self._crossing
        to = crossing.place(target)
        resolver = self._exports.resolver(answer)
        framing = self._framing or self._known_framing()
        try:
            message = self._calls.deliver(framing, to < 0, ~to if to < 0 else to, args, question, resolver)
        except BaseException as error:
            self._take_back(error, args)
            raise
        self._put(message)

    def _say(self, target: Ref, args: tuple[object, ...]) -> None:
        """Send a message that asks for no answer."""
        crossing = self._crossing
        to = crossing.place(target)
        way = self._way
        ignored = self._exports.resolver(None) if way is RESOLVER else 0
        framing = self._framing or self._known_framing()
        try:
            message = self._calls.one_way(framing, to < 0, ~to if to < 0 else to, args, way, ignored)
        except BaseException as error:
            self._take_back(error, args)
            raise
        self._put(message)

    def _encode(self, value: object, limits: Limits) -> bytes:
        try:
            return self._codec.encode(
                value,
                encoders=self._crossing.encoders,
                limits=limits,
                negative_zero=self._negative_zero,
            )
        except BaseException as error:
            self._take_back(error, value)
            raise

    def _take_back(self, error: BaseException, value: object) -> None:
        """Forget what a message would have exported that can't be written; say why in `NotPassable`."""
        self._exports.roll_back()
        if isinstance(error, SessionFull):
            return
        if isinstance(error, SyrupError):
            raise NotPassable(error.problem, argument_path(error.path, value)) from None
        if isinstance(error, Exception):
            # Only values that no vat lets pass: a Tagged whose tag is no text, a mapping that raises.
            raise NotPassable(f"it can't be written ({type(error).__name__})", "args") from error

    def _known_framing(self) -> Framing:
        framing = self._framing
        if framing is None:
            framing = self._framing = self._decoder.framing
        return framing or _RAW

    def _send(self, message: bytes) -> None:
        self._put(self._codec.frame(message, self._known_framing()))

    def _put(self, message: bytes | tuple[bytes, ...]) -> None:
        """A message exists: count what it carries, and keep it until it is taken."""
        self._exports.commit()
        keep = self._keep  # to call an attribute of this would look it up as a method first
        if type(message) is tuple:
            self._cut += 1
            size = size_of(message)
        else:
            size = len(message)
        self._sent += 1
        self._bytes_sent += size
        self._unsent += size
        keep(message)

    def _taken(self, most: int | None) -> list[bytes]:
        """Give up what waits, until there are so many octets; a message always whole."""
        if self._cut:
            return self._pieces_taken(most)
        waiting: deque[Any] = self._out
        if most is None or self._unsent <= most:
            everything: list[bytes] = list(waiting)
            waiting.clear()
            self._unsent = 0
            return everything
        out: list[bytes] = []
        octets = 0
        while octets < most and waiting:
            message = waiting.popleft()
            octets += len(message)
            out.append(message)
        self._unsent -= octets
        return out

    def _pieces_taken(self, most: int | None) -> list[bytes]:
        out: list[bytes] = []
        octets = 0
        while self._out and (most is None or octets < most):
            message = self._out.popleft()
            octets += size_of(message)
            if isinstance(message, tuple):
                self._cut -= 1
                out.extend(message)
            else:
                out.append(message)
        self._unsent -= octets
        return out

    def _discard_output(self) -> None:
        self._out.clear()
        self._cut = 0
        self._unsent = 0


def size_of(message: bytes | tuple[bytes, ...]) -> int:
    """Return how many octets a message has, whole or in pieces."""
    return sum(map(len, message)) if type(message) is tuple else len(message)
