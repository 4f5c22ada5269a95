"""What crossed a connection, as messages in their order.

A `Transcript` is a `Tap`: give it to ``connect(…, tap=…)`` or ``Peer(…, tap=…)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from hobgoblin.errors import ProtocolError, SyrupError
from hobgoblin.messages import CONSTRUCTORS, DescExport, DescImportObject, DescImportPromise, OpDeliver
from hobgoblin.syrup import NEED_MORE, Framing, StreamDecoder, open_decoder

__all__ = ["Entry", "Malformed", "Transcript", "count_round_trips", "resolver_position"]

_STREAM: Final = {Framing.RAW: Framing.DETECT, Framing.PREFIXED: Framing.DETECT}


@final
@dataclass(frozen=True, slots=True)
class Malformed:
    """In place of a message: octets that are none. Nothing that follows them can be read."""

    problem: str


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One message. ``sent`` says whether it went out from the side that was listened in on."""

    sent: bool
    message: object


@final
class Transcript:
    """Decodes what it sees of one connection, and keeps it.

    Args:
        framing: how messages are told apart; either form of a stream is recognised by itself.
    """

    def __init__(self, framing: Framing = Framing.DETECT) -> None:
        framing = _STREAM.get(framing, framing)
        self.entries: list[Entry] = []
        self._out: StreamDecoder | None = open_decoder(framing, constructors=CONSTRUCTORS)
        self._in: StreamDecoder | None = open_decoder(framing, constructors=CONSTRUCTORS)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def sent(self, message: bytes) -> None:
        """Take a message that goes out (`Tap`)."""
        if self._out is not None and not self._read(self._out, True, message):
            self._out = None

    def received(self, data: bytes) -> None:
        """Take octets that have come in (`Tap`)."""
        if self._in is not None and not self._read(self._in, False, data):
            self._in = None

    def stop(self) -> None:
        """Take no notice of what follows."""
        self._out = self._in = None

    def _read(self, decoder: StreamDecoder, sent: bool, data: bytes) -> bool:
        decoder.feed(data)
        try:
            while (message := decoder.next()) is not NEED_MORE:
                self.entries.append(Entry(sent, message))
        except (SyrupError, ProtocolError) as error:
            self.entries.append(Entry(sent, Malformed(str(error))))
            return False
        return True


def resolver_position(message: OpDeliver) -> int | None:
    """Return the position of the object that is to be told the result, if one is."""
    resolver = message.resolve_me_desc
    return resolver.position if isinstance(resolver, DescImportObject | DescImportPromise) else None


def count_round_trips(transcript: Transcript) -> tuple[int, int]:
    """Return how many calls this side sent, and how many round trips they took.

    A round trip begins with a call that is sent after an answer to an earlier one has come in.
    """
    calls = round_trips = 0
    pending: set[int] = set()
    waited = True
    for entry in transcript:
        message = entry.message
        if not isinstance(message, OpDeliver):
            continue
        if entry.sent:
            position = resolver_position(message)
            if position is not None:
                pending.add(position)
                calls += 1
                round_trips += waited
                waited = False
        elif isinstance(message.to_desc, DescExport) and message.to_desc.position in pending:
            pending.remove(message.to_desc.position)
            waited = True
    return calls, round_trips
