"""The ends of channels as the oracle sees them: what was sent, what has arrived, and what is under way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hobgoblin.connection import Connection
from hobgoblin.messages import CONSTRUCTORS, ENCODERS, OpGcAnswers, OpGcExports
from hobgoblin.syrup import decode, encode
from tests.simulation.tokens import CANARY

if TYPE_CHECKING:
    from tests.simulation.oracle import Oracle

_IMPORT = re.compile(rb"<1[89]'desc:import-(?:object|promise)(\d+)\+>")
_QUESTION = re.compile(rb"\](\d+)\+<18'desc:import-object\d+\+>>\Z")


@dataclass(slots=True)
class Parsed:
    """What of a message counts: references and answers that it moves."""

    imports: tuple[int, ...] = ()
    question: int | None = None
    released: tuple[tuple[int, int], ...] = ()
    answered: tuple[int, ...] = ()


def parse(message: bytes) -> Parsed:
    """Read a framed message of an honest peer, with no code of a session."""
    if b"'op:gc-" in message[:24]:
        op = decode(message.partition(b":")[2], constructors=CONSTRUCTORS)
        if isinstance(op, OpGcExports):
            return Parsed(released=tuple(zip(op.export_positions, op.wire_deltas, strict=True)))
        assert isinstance(op, OpGcAnswers)
        return Parsed(answered=op.answer_positions)
    question = _QUESTION.search(message)
    # A selection (op:get, op:index, op:untag) would ask a question as well.
    return Parsed(tuple(map(int, _IMPORT.findall(message))), int(question[1]) if question else None)


class End:
    """One end of a channel of an honest peer, and the tap on it."""

    def __init__(self, oracle: Oracle, connection: Connection, name: str) -> None:
        self.oracle = oracle
        self.connection = connection
        self.session = connection.session
        self.name = name
        self.limits = connection.session._limits
        self.out: list[Parsed] = []
        self.gone = 0  # how many messages have been taken off the front of `out`
        self.octets = bytearray()  # sent, and not received yet
        self.aborted = False
        self.opened = False
        self.received_last: int | None = None  # how many messages it had received when it was severed
        self.granted: set[tuple[int, int]] = set()
        self.seen: object = None  # the state in which it was checked last,
        self.seen_with: object = None  # and that in which it was checked together with the other end
        self._other: End | None = None
        self._linked = False

    @property
    def other(self) -> End | None:
        """The other end, if its peer is an honest one."""
        if not self._linked and self.connection._channel is not None:
            transport: Any = self.connection._channel._transport  # type: ignore[attr-defined]
            if transport is not None:
                self._linked = True
                for end in transport._link.ends:
                    if end is not transport:
                        self._other = self.oracle.ends.get(end._channel._handler)
        return self._other

    def state(self) -> tuple[object, ...]:
        """Return what is another one as soon as there is something new to check: it costs much less."""
        session = self.session
        return (
            *(session.state, session._bytes_received, session._received, session._sent, len(session._out)),
            *(session._crossing.sizes(), session._awaited, len(session._listeners)),
        )

    def sent(self, message: bytes) -> None:
        oracle = self.oracle
        oracle.tally.messages += 1
        if self.aborted:
            oracle.fail(f"16: {self.name} sends after op:abort")
        if b"op:abort" in message[:16]:
            self.aborted = True
        if CANARY.encode() in message:
            oracle.fail(f"17: {self.name} sends what only it should know")
        if oracle.tally.messages % oracle.codec_every == 0:
            octets = message.partition(b":")[2]
            if encode(decode(octets, constructors=CONSTRUCTORS), encoders=ENCODERS) != octets:
                oracle.fail(f"18: decoding and encoding change a message: {octets!r}")
        if self.other is not None:
            self.octets += message
            self.out.append(parse(message))

    def received(self, data: bytes) -> None:
        other = self.other
        if other is not None:
            if not other.octets.startswith(data):
                self.oracle.fail(f"1: {self.name} received what {other.name} did not send")
            del other.octets[: len(data)]

    def under_way(self) -> list[Parsed]:
        """Return what this end has sent and the other has not dealt with."""
        assert self._other is not None
        taken = self._other.session._received - self.gone
        if taken:
            del self.out[:taken]
            self.gone += taken
        waiting = self.session._out
        return [*self.out, *map(parse, waiting)] if waiting else self.out
