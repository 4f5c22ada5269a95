"""The first table: how values become octets, and octets values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, final

from hobgoblin.syrup import (
    Constructors,
    Encoders,
    Framing,
    KeyOrder,
    StreamDecoder,
    encode,
    frame,
    open_decoder,
)
from hobgoblin.values import Limits

__all__ = ["SYRUP", "Codec", "Encode", "OpenDecoder"]


class Encode(Protocol):
    """What turns a value into octets."""

    def __call__(
        self, value: object, *, encoders: Encoders = ..., limits: Limits = ..., negative_zero: bool = ...
    ) -> bytes:
        """Return the encoding of ``value``.

        ``encoders`` are asked about types that the model has not (`hobgoblin.values`): octets that
        one returns are taken as they are, and count as one value; a `Record` is encoded in its place.
        ``limits`` are those that the reader would hold the result to. Without ``negative_zero``
        ``0.0`` is written for ``-0.0``.

        Raises `SyrupError` for a value that has no encoding or passes a limit, with the path to it.
        What an encoder raises passes through.
        """
        ...


class OpenDecoder(Protocol):
    """What opens the reading side of a channel."""

    def __call__(
        self, framing: Framing, *, constructors: Constructors = ..., limits: Limits = ...
    ) -> StreamDecoder:
        """Return a decoder that reads messages as they come in, split anyhow.

        A record whose label is among the ``constructors`` is what that makes of its fields, any
        other a `Record`. The mapping itself must be kept and asked for each record: between two
        messages it may change. ``limits`` hold for each message, and before anything is buffered
        or built; octets that break them, or are no value, are a `SyrupError` for good.
        """
        ...


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Codec:
    """One encoding of the OCapN data model. All that it is given to read comes from a peer."""

    name: str
    encode: Encode

    encode_signed: Callable[[object, Encoders], bytes]
    """As ``encode``, of what signatures cover: what was decoded must become the very same octets again."""

    open_decoder: OpenDecoder

    frame: Callable[[bytes, Framing], bytes]
    """Returns what to send for an encoded message on a channel of that kind."""


def _encode_signed(value: object, encoders: Encoders) -> bytes:
    # What was read is canonical and keeps the order of its keys.
    return encode(value, encoders=encoders, key_order=KeyOrder.KEEP)


SYRUP: Final = Codec(
    name="syrup",
    encode=encode,
    encode_signed=_encode_signed,
    open_decoder=open_decoder,
    frame=frame,
)
"""What all peers speak today: `hobgoblin.syrup`."""
