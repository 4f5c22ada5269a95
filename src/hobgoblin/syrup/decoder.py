"""Syrup octets to values: `decode` for one value, `Decoder` for a stream of them."""

from __future__ import annotations

from typing import Final

from hobgoblin.errors import SyrupError
from hobgoblin.syrup._calls import CallReader
from hobgoblin.syrup._in_place import NO_CONSTRUCTORS, Constructors
from hobgoblin.syrup._reader import NEED_MORE, NeedMore
from hobgoblin.syrup._tokens import NOTHING
from hobgoblin.values import DEFAULT_LIMITS, Limits

__all__ = ["NEED_MORE", "Constructors", "Decoder", "NeedMore", "decode"]


class Decoder(CallReader):
    """Reads a raw stream of Syrup values, which say themselves where they end.

    ``constructors`` maps record labels to builders of the decoded value; a record with any other
    label arrives as `Record`. ``limits`` hold for each top-level value. Give octets with `feed`
    and take values with `next` until it returns `NEED_MORE`.

    The first error is final: every later `next` raises it again and `feed` does nothing.
    """

    __slots__ = ("_failure",)

    def __init__(
        self, *, constructors: Constructors = NO_CONSTRUCTORS, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._open(constructors, limits)
        self._expect_calls()
        self._failure: Exception | None = None

    def feed(self, data: bytes) -> None:
        """Take octets in. Nothing is read of them before `next`."""
        if self._failure is None:
            self._append(data if type(data) is bytes else bytes(memoryview(data)))

    def next(self) -> object:
        """Return the next complete value, or `NEED_MORE`.

        Raises `SyrupError` as soon as no octets to come could make the value acceptable, with the
        offset counted from the first octet ever fed. What a constructor raises passes through.
        """
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        try:
            if self._calls is not None and self._stop < 0:
                call = self._call()
                if call is not NOTHING:
                    return call
            return self._read()
        except Exception as failure:
            self._die(failure)
            raise
        except BaseException:
            self._die(SyrupError("the decoder was interrupted", offset=self._base + self._pos))
            raise

    @property
    def pending(self) -> bool:
        """Whether octets are held that `next` has not turned into a value."""
        return self._stop >= 0 or self._pos < len(self._data) or len(self._tail) > 0

    @property
    def size(self) -> int:
        """How many octets the value takes that `next` has just returned."""
        return self._base + self._pos - self._start

    def _die(self, failure: Exception) -> None:
        self._failure = failure
        self._abandon()


def decode(
    data: bytes, *, constructors: Constructors = NO_CONSTRUCTORS, limits: Limits = DEFAULT_LIMITS
) -> object:
    """Return the one value that ``data`` encodes.

    Arguments and errors are those of `Decoder`; octets missing at the end or left over after the
    value are a `SyrupError` too.
    """
    return _decode(data, constructors, limits)


def _decode(data: bytes, constructors: Constructors, limits: Limits) -> object:
    octets = data if type(data) is bytes else bytes(memoryview(data))
    spare = limits is DEFAULT_LIMITS
    decoder: Decoder
    if spare and len(_SPARE) >= _SPARES:
        decoder = _SPARE.pop()
        decoder._use(constructors)
    else:
        decoder = Decoder.__new__(Decoder)
        decoder._open(constructors, limits)
    decoder._data = octets
    value = decoder._read()
    if value is NEED_MORE:
        raise SyrupError("the octets end inside a value", offset=len(data), path=decoder._path())
    if decoder._pos < len(decoder._data):
        raise SyrupError("octets follow the value", offset=decoder._base + decoder._pos)
    if spare and len(_SPARE) < _SPARES:
        decoder._use(NO_CONSTRUCTORS)
        decoder._begin_again()
        _SPARE.append(decoder)
    return value


_SPARES: Final = 4  # with fewer the list itself would be made and freed with every message
_SPARE: Final = [Decoder() for _ in range(_SPARES)]
"""Nobody's at the moment: to make one costs more than to read a small message.

One is taken only while there are that many: the next call replaces one that was lost with an error.
"""
