"""What crossed between two sides, message by message.

A `Transcript` is kept by each `SessionPair`. It is a `Tap` as well, for sessions of real peers::

    transcript = testing.Transcript("me", "the shop")
    shop = hob.connect(reader, writer, tap=transcript)
    …
    print(transcript)
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final, overload

from hobgoblin.errors import ProtocolError
from hobgoblin.messages import DescExport, DescImportObject, DescImportPromise, OpDeliver
from hobgoblin.syrup import NEED_MORE, Framing, open_decoder
from hobgoblin.testing.notation import as_text, escape, read_message

__all__ = ["Entry", "Malformed", "Transcript", "count_round_trips", "resolver_position"]

_HEAD: Final = re.compile(rb"(?:[1-9][0-9]{0,8}:)?<([1-9][0-9]{0,2})'")


@final
@dataclass(frozen=True, slots=True)
class Malformed:
    """In place of a message: octets that are none."""

    problem: str


class Entry(NamedTuple):
    """One message, as a pair: it equals ``(sender, octets)``."""

    sender: str
    octets: bytes
    """As they crossed, with their count in front where the channel has it so. They may hold secrets."""

    @property
    def operation(self) -> str:
        """What the message begins with, such as ``op:deliver``; empty if it does not begin as one."""
        head = _HEAD.match(self.octets)
        if head is None:
            return ""
        return escape(self.octets[head.end() : head.end() + int(head[1])].decode(errors="replace"))

    @property
    def message(self) -> object:
        """What the octets mean: one of `hobgoblin.messages`, any other value, or `Malformed`."""
        try:
            return read_message(self.octets)
        except (ProtocolError, ValueError) as error:
            return Malformed(str(error))

    def __str__(self) -> str:
        """The message in the notation of the drafts: see `as_text`."""
        return as_text(self.octets)

    def __repr__(self) -> str:
        return f"<Entry {escape(self.sender)}: {self}>"


@final
class Transcript(Sequence[Entry]):
    """The messages of one session, in the order in which they were seen; ``str()`` shows them.

    Where one side's octets are no Syrup, or beyond the default `Limits`, the rest of what has come from it
    is one entry, and nothing that follows is kept. As a `Tap` it is good for one session at a time: a
    ``Peer(tap=…)`` shows it all of its sessions, whose octets may get mixed up.

    Args:
        ours: what the side is called that is listened in on (`Tap`).
        theirs: what the other side is called.
        framing: how the channel tells messages apart; either form of a stream is recognised by itself.
        most: how many messages to keep, the last ones; by default all.

    Raises:
        ValueError: the two have the same name.
    """

    def __init__(
        self,
        ours: str = "here",
        theirs: str = "there",
        framing: Framing = Framing.DETECT,
        *,
        most: int | None = None,
    ) -> None:
        if ours == theirs:
            raise ValueError("the two sides need names that differ")
        self.ours: Final = ours
        self.theirs: Final = theirs
        self._whole = framing is Framing.MESSAGE
        self._entries: deque[Entry] = deque(maxlen=most)
        self._streams: dict[str, _Stream] = {}
        self._stopped = False

    def __repr__(self) -> str:
        return f"<Transcript of {escape(self.ours)} and {escape(self.theirs)}: {len(self._entries)} messages>"

    def __str__(self) -> str:
        return self.text()

    def text(self, start: int = 0) -> str:
        """Return the messages from index ``start`` on, a line for each: ``ours ─▶ theirs  <op:…>``.

        See `as_text` for what is shown of a message and what is not.
        """
        return "\n".join(map(self.line, self[start:]))

    def line(self, entry: Entry) -> str:
        """Return one message as a line of text."""
        receiver = self.theirs if entry.sender == self.ours else self.ours
        return f"{escape(entry.sender)} ─▶ {escape(receiver)}  {entry}"

    # Sequence

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return list(self._entries)[index] if isinstance(index, slice) else self._entries[index]

    # What is taken down

    def add(self, sender: str, message: bytes) -> None:
        """Take one whole message that ``sender`` has sent."""
        if not self._stopped:
            self._entries.append(Entry(sender, message))

    def take(self, sender: str, octets: bytes) -> list[Entry]:
        """Take octets that ``sender`` has sent, cut anywhere; return the messages that they complete."""
        if self._stopped:
            return []
        if self._whole:
            complete = [Entry(sender, bytes(octets))]
        else:
            stream = self._streams.get(sender)
            if stream is None:
                stream = self._streams[sender] = _Stream()
            complete = [Entry(sender, message) for message in stream.take(octets)]
        self._entries.extend(complete)
        return complete

    def sent(self, message: bytes) -> None:
        """Take a message that goes out (`Tap`)."""
        self.add(self.ours, message)

    def received(self, data: bytes) -> None:
        """Take octets that have come in (`Tap`)."""
        self.take(self.theirs, data)

    def clear(self) -> None:
        """Forget the messages so far. Half a message that has come in is kept."""
        self._entries.clear()

    def stop(self) -> None:
        """Take no notice of what follows."""
        self._stopped = True
        self._streams.clear()


class _Stream:
    """Finds the messages in one direction of a stream, without a look at what they mean."""

    def __init__(self) -> None:
        self._decoder = open_decoder(Framing.DETECT)
        self._octets = bytearray()
        self._ended = False

    def take(self, octets: bytes) -> Iterator[bytes]:
        if self._ended:
            return
        decoder, held = self._decoder, self._octets
        decoder.feed(octets)
        held += octets
        while True:
            try:
                if decoder.next() is NEED_MORE:
                    return
            except ValueError:  # SyrupError, or an integer that Python has been told not to read
                self._ended = True
                yield bytes(held)
                held.clear()
                return
            size = decoder.size
            if decoder.framing is Framing.PREFIXED:
                size += len(b"%d:" % size)
            yield bytes(held[:size])
            del held[:size]


def resolver_position(message: OpDeliver) -> int | None:
    """Return the position of the object that is to be told the result, if one is."""
    resolver = message.resolve_me_desc
    return resolver.position if isinstance(resolver, DescImportObject | DescImportPromise) else None


def count_round_trips(transcript: Transcript) -> tuple[int, int]:
    """Return how many calls ``transcript.ours`` sent, and how many round trips they took.

    A round trip begins with a call that is sent after an answer to an earlier one has come in: pipelined
    calls share one.
    """
    calls = round_trips = 0
    pending: set[int] = set()
    waited = True
    for entry in transcript:
        message = entry.message
        if not isinstance(message, OpDeliver):
            continue
        if entry.sender == transcript.ours:
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
