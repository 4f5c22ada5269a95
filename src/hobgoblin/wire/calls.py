"""How calls are written, which nearly all messages are: op:deliver with its arguments, in one go.

A session gets a `CallWriter` from its `Wire`: by the tables, or written by hand where speed counts.
Tests hold the two to the same octets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, final

from hobgoblin.dialects import OneWay
from hobgoblin.messages import DescAnswer, DescExport, DescImportObject, OpDeliver
from hobgoblin.syrup import Encoders, Framing
from hobgoblin.syrup.encoder import Allowance, atoms, begun
from hobgoblin.values import COMPILED, DEFAULT_LIMITS, Limits, Record, Symbol
from hobgoblin.wire.codec import Codec

__all__ = [
    "WITHOUT_BOUND",
    "CallWriter",
    "SyrupCalls",
    "TableCalls",
    "Written",
    "argument_limits",
    "octets_of",
]

_DELIVER_ONLY: Final = Symbol("op:deliver-only")
_WAY_DELIVER: Final = OneWay.DELIVER
_WAY_RESOLVER: Final = OneWay.RESOLVER
_PREFIXED: Final = Framing.PREFIXED

_TO_EXPORT: Final = b"<10'op:deliver<11'desc:export"
_TO_ANSWER: Final = b"<10'op:deliver<11'desc:answer"
_ONLY_TO_EXPORT: Final = b"<15'op:deliver-only<11'desc:export"
_ONLY_TO_ANSWER: Final = b"<15'op:deliver-only<11'desc:answer"

WITHOUT_BOUND: Final = replace(DEFAULT_LIMITS, message_bytes=2**63 - 1)
"""For parts that have been held to the limits of the session already."""


@lru_cache(maxsize=16)
def argument_limits(limits: Limits) -> Limits:
    """Return ``limits`` less the most that is around arguments and selectors, in any codec.

    Sessions with the same limits share what this returns.
    """
    return replace(
        limits,
        message_bytes=max(0, limits.message_bytes - 160),
        depth=max(0, limits.depth - 1),
        elements=max(0, limits.elements - 16),
    )


@final
class Written:
    """Stands for a part that is encoded already."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes) -> None:
        self.octets = octets


def octets_of(part: Written) -> bytes:
    """Encode what is encoded already."""
    return part.octets


class CallWriter:
    """Writes the calls of a session.

    Args:
        encoders: as for `Encode`.
        limits: those of a message that the peer would hold the result to.
        negative_zero: as for `Encode`.
        cuts: whether messages with long strings may be returned in pieces; the tables never do so.
    """

    __slots__ = ("_cuts", "_encoders", "_limits", "_negative_zero")

    def __init__(self, encoders: Encoders, limits: Limits, negative_zero: bool, cuts: bool) -> None:
        self._encoders = encoders
        self._limits = argument_limits(limits)
        self._negative_zero = negative_zero
        self._cuts = cuts

    def deliver(
        self,
        framing: Framing,
        to_answer: bool,
        to: int,
        args: tuple[object, ...],
        answer: int,
        resolver: int,
    ) -> bytes | tuple[bytes, ...]:
        """Return a message, whole or in pieces, framed. It suits all dialects.

        Args:
            framing: what the channel needs.
            to_answer: whether it is for an answer of the peer, and not for an export.
            to: the position of that.
            args: the arguments.
            answer: the answer position.
            resolver: the position of the resolver.

        Raises what `Encode` does, for the arguments.
        """
        raise NotImplementedError

    def one_way(
        self,
        framing: Framing,
        to_answer: bool,
        to: int,
        args: tuple[object, ...],
        way: OneWay,
        resolver: int,
    ) -> bytes | tuple[bytes, ...]:
        """Return a message that asks for no answer, as `deliver` does.

        ``resolver`` is one that nobody looks at, for those who want one.
        """
        raise NotImplementedError


@final
class TableCalls(CallWriter):
    """Writes by a codec and a table of encoders for operations: right for any of them, and slow."""

    __slots__ = ("_codec", "_operations")

    def __init__(
        self,
        codec: Codec,
        operations: Encoders,
        encoders: Encoders,
        limits: Limits,
        negative_zero: bool,
        cuts: bool,
    ) -> None:
        super().__init__(encoders, limits, negative_zero, cuts)
        self._codec = codec
        table: dict[type, Callable[[Any], bytes | Record]] = {**operations, Written: octets_of}
        self._operations = table

    def deliver(
        self,
        framing: Framing,
        to_answer: bool,
        to: int,
        args: tuple[object, ...],
        answer: int,
        resolver: int,
    ) -> bytes | tuple[bytes, ...]:
        parts: Any = (self._target(to_answer, to), self._written(args), answer, DescImportObject(resolver))
        return self._framed(framing, OpDeliver(*parts))

    def one_way(
        self,
        framing: Framing,
        to_answer: bool,
        to: int,
        args: tuple[object, ...],
        way: OneWay,
        resolver: int,
    ) -> bytes | tuple[bytes, ...]:
        target = self._target(to_answer, to)
        written: Any = self._written(args)
        if way is OneWay.DELIVER_ONLY:
            return self._framed(framing, Record(_DELIVER_ONLY, (target, written)))
        resolve_me = DescImportObject(resolver) if way is OneWay.RESOLVER else False
        return self._framed(framing, OpDeliver(target, written, False, resolve_me))

    def _target(self, to_answer: bool, to: int) -> DescAnswer | DescExport:
        return DescAnswer(to) if to_answer else DescExport(to)

    def _written(self, args: tuple[object, ...]) -> Written:
        encode = self._codec.encode
        limits = self._limits
        return Written(
            encode(args, encoders=self._encoders, limits=limits, negative_zero=self._negative_zero)
        )

    def _framed(self, framing: Framing, operation: object) -> bytes:
        message = self._codec.encode(operation, encoders=self._operations, limits=WITHOUT_BOUND)
        return self._codec.frame(message, framing)


@final
class SyrupCalls(CallWriter):
    """Writes what the peers of today read, in Syrup."""

    __slots__ = ("_allowed",)

    def __init__(self, encoders: Encoders, limits: Limits, negative_zero: bool, cuts: bool) -> None:
        super().__init__(encoders, limits, negative_zero, cuts)
        self._allowed = Allowance(self._limits)

    def deliver(
        self,
        framing: Framing,
        to_answer: bool,
        to: int,
        args: tuple[object, ...],
        answer: int,
        resolver: int,
    ) -> bytes | tuple[bytes, ...]:
        written = None if COMPILED else atoms(args, self._allowed)
        if written is not None:
            head = _TO_ANSWER if to_answer else _TO_EXPORT
            message = b"%b%d+>[%b]%d+<18'desc:import-object%d+>>" % (head, to, written, answer, resolver)
            return b"%d:%b" % (len(message), message) if framing is _PREFIXED else message
        writer = begun(self._encoders, self._allowed, self._negative_zero)
        out = writer.out
        out.put_around(_TO_ANSWER if to_answer else _TO_EXPORT, to, b">")
        writer.write(args)
        out.put_two(answer, b"<18'desc:import-object", resolver, b">>")
        return writer.take_message(framing is _PREFIXED, self._cuts)

    def one_way(
        self,
        framing: Framing,
        to_answer: bool,
        to: int,
        args: tuple[object, ...],
        way: OneWay,
        resolver: int,
    ) -> bytes | tuple[bytes, ...]:
        written = atoms(args, self._allowed) if way is _WAY_DELIVER and not COMPILED else None
        if written is not None:
            message = b"%b%d+>[%b]ff>" % (_TO_ANSWER if to_answer else _TO_EXPORT, to, written)
            return b"%d:%b" % (len(message), message) if framing is _PREFIXED else message
        writer = begun(self._encoders, self._allowed, self._negative_zero)
        out = writer.out
        if way is _WAY_DELIVER or way is _WAY_RESOLVER:
            out.put_around(_TO_ANSWER if to_answer else _TO_EXPORT, to, b">")
        else:
            out.put_around(_ONLY_TO_ANSWER if to_answer else _ONLY_TO_EXPORT, to, b">")
        writer.write(args)
        if way is _WAY_DELIVER:
            out.put_beside(b"ff>")
        elif way is _WAY_RESOLVER:
            out.put_around(b"f<18'desc:import-object", resolver, b">>")
        else:
            out.put_beside(b">")
        return writer.take_message(framing is _PREFIXED, self._cuts)
