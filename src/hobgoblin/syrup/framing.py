"""Where one message ends and the next begins, on channels of different kinds.

The OCapN drafts leave this to each netlayer, and two ways are in use on streams. An acceptor may
tell them apart by the first octet, a dialler has to know.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from typing import Final, Protocol, assert_never

from hobgoblin.errors import SyrupError
from hobgoblin.syrup._in_place import NO_CONSTRUCTORS, Constructors
from hobgoblin.syrup._reader import NEED_MORE
from hobgoblin.syrup._tokens import CALL, FRAMED_CALL
from hobgoblin.syrup.decoder import Decoder
from hobgoblin.values import DEFAULT_LIMITS, AnyDecoder, Limits

__all__ = [
    "Framing",
    "MessageDecoder",
    "PrefixedDecoder",
    "StreamDecoder",
    "frame",
    "open_decoder",
]


class Framing(enum.Enum):
    """How a channel marks the ends of messages."""

    RAW = "raw"
    """Not at all: a message says itself where it ends."""

    PREFIXED = "prefixed"
    """``<len>:`` before each message, no comma behind it."""

    MESSAGE = "message"
    """The channel keeps messages apart, as a WebSocket does."""

    DETECT = "detect"
    """RAW or PREFIXED, whichever the peer's first octet shows."""


class StreamDecoder(Protocol):
    """What `open_decoder` returns. The methods are those of `Decoder`."""

    def feed(self, data: bytes) -> None:
        """Take octets in."""
        ...

    def next(self) -> object:
        """Return the next complete value, or `NEED_MORE`. Raise `SyrupError`."""
        ...

    @property
    def pending(self) -> bool:
        """Whether octets are held that `next` has not turned into a value."""
        ...

    @property
    def size(self) -> int:
        """How many octets the value takes that `next` has just returned."""
        ...

    @property
    def framing(self) -> Framing | None:
        """The framing in use: never `Framing.DETECT`, but ``None`` until it is detected."""
        ...


class RawDecoder(Decoder):
    """Reads messages that follow each other with nothing between."""

    __slots__ = ()

    @property
    def framing(self) -> Framing | None:
        return Framing.RAW

    def _whole_calls(self) -> re.Pattern[bytes] | None:
        return CALL


class PrefixedDecoder(Decoder):
    """Reads messages in frames ``<len>:<octets>``, each filled by exactly one value.

    The content is read as it comes in; what can't end with its frame is refused before that.
    """

    __slots__ = ()

    @property
    def framing(self) -> Framing | None:
        return Framing.PREFIXED

    def _whole_calls(self) -> re.Pattern[bytes] | None:
        return FRAMED_CALL

    def _begin(self) -> bool:
        if self._pos >= len(self._data):
            if not self._refill():
                return False
        elif self._tail:
            self._join()
        data = self._data
        octets = data  # the same, and to a compiler where they lie
        end = len(data)
        start = self._pos
        place = self._base + start
        most = start + self._length_digits
        size = 0
        here = start
        while here < end and here <= most:
            octet = octets[here]
            if octet < 0x30 or octet > 0x39:
                break
            size = size * 10 + octet - 0x30
            here += 1
            if size > self._message_octets:
                break
        if here == start:
            raise SyrupError("a frame begins with its length", offset=place)
        if octets[start] == 0x30:
            raise SyrupError("a frame's length is zero or begins with one", offset=place)
        if here > most or size > self._message_octets:
            raise SyrupError("the frame is larger than the limit", offset=place)
        if here == end:
            return False
        if octets[here] != 0x3A:
            raise SyrupError("a frame's length ends with ':'", offset=self._base + here)
        self._pos = here + 1
        self._stop = place + (here + 1 - start) + size
        return True

    def _end(self, place: int, stop: int) -> None:
        if place != stop:
            raise SyrupError("octets follow the value in its frame", offset=place)

    def _past_stop(self) -> str:
        return "the value does not end with its frame"


class MessageDecoder(Decoder):
    """Reads messages that the channel keeps apart: each `feed` is one, whole."""

    __slots__ = ("_sizes",)

    def __init__(
        self, *, constructors: Constructors = NO_CONSTRUCTORS, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        Decoder.__init__(self, constructors=constructors, limits=limits)
        self._sizes: deque[int] = deque()

    @property
    def framing(self) -> Framing | None:
        return Framing.MESSAGE

    @property
    def pending(self) -> bool:
        return len(self._sizes) > 0

    def feed(self, data: bytes) -> None:
        """Take one whole message in."""
        if self._failure is None:
            octets = data if type(data) is bytes else bytes(memoryview(data))
            self._sizes.append(len(octets))
            self._append(octets)

    def _begin(self) -> bool:
        if not self._sizes:
            return False
        size = self._sizes.popleft()
        place = self._base + self._pos
        if not size:
            raise SyrupError("the message is empty", offset=place)
        if size > self._message_octets:
            raise SyrupError("the message is larger than the limit", offset=place)
        if self._pos >= len(self._data):
            self._refill()
        self._stop = place + size
        return True

    def _end(self, place: int, stop: int) -> None:
        if place != stop:
            raise SyrupError("octets follow the value in its message", offset=place)

    def _past_stop(self) -> str:
        return "the value does not end with its message"

    def _abandon(self) -> None:
        Decoder._abandon(self)
        self._sizes.clear()


class DetectingDecoder(AnyDecoder):
    """Becomes one of the stream decoders at the first octet: ``<`` is raw, a digit is a frame."""

    __slots__ = ("_constructors", "_failure", "_inner", "_limits")

    def __init__(self, *, constructors: Constructors, limits: Limits) -> None:
        self._constructors = constructors
        self._limits = limits
        self._inner: RawDecoder | PrefixedDecoder | None = None
        self._failure: SyrupError | None = None

    @property
    def framing(self) -> Framing | None:
        return None if self._inner is None else self._inner.framing

    @property
    def pending(self) -> bool:
        return self._inner is not None and self._inner.pending

    @property
    def size(self) -> int:
        return 0 if self._inner is None else self._inner.size

    @property
    def awaited(self) -> int:
        return 0 if self._inner is None else self._inner.awaited

    def feed(self, data: bytes) -> None:
        if self._inner is None and self._failure is None and len(data) > 0:
            first = data[0]
            if first == 0x3C:
                self._inner = RawDecoder(constructors=self._constructors, limits=self._limits)
            elif 0x30 <= first <= 0x39:
                self._inner = PrefixedDecoder(constructors=self._constructors, limits=self._limits)
            else:
                self._failure = SyrupError("a stream begins with '<' or with the length of a frame", offset=0)
        if self._inner is not None:
            self._inner.feed(data)

    def next(self) -> object:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        return NEED_MORE if self._inner is None else self._inner.next()


def open_decoder(
    framing: Framing, *, constructors: Constructors = NO_CONSTRUCTORS, limits: Limits = DEFAULT_LIMITS
) -> StreamDecoder:
    """Return a decoder for the incoming side of a channel; the other arguments are `Decoder`'s."""
    match framing:
        case Framing.RAW:
            return RawDecoder(constructors=constructors, limits=limits)
        case Framing.PREFIXED:
            return PrefixedDecoder(constructors=constructors, limits=limits)
        case Framing.MESSAGE:
            return MessageDecoder(constructors=constructors, limits=limits)
        case Framing.DETECT:
            return DetectingDecoder(constructors=constructors, limits=limits)
        case _:
            assert_never(framing)


def frame(message: bytes, framing: Framing) -> bytes:
    """Return what to send for an encoded message.

    Raises `ValueError` for `Framing.DETECT`: ask the decoder which framing it found.
    """
    if framing is _PREFIXED:
        size = len(message)
        return (_HEADS[size] if size < _HEADS_KEPT else b"%d:" % size) + message
    if framing is _DETECT:
        raise ValueError("the framing to send with is not known yet")
    return message


_HEADS_KEPT: Final = 512
_HEADS: Final = [b"%d:" % size for size in range(_HEADS_KEPT)]
_PREFIXED: Final = Framing.PREFIXED
_DETECT: Final = Framing.DETECT
