"""The commonest messages and descriptors written at once, around parts that are encoded already.

Nearly every message is an op:deliver; through the tables it takes more than twice the time. So a
session writes these with functions, which it gets from its `Wire`: made from the tables, or by hand
where speed counts. Tests hold the two to the same octets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, final

from hobgoblin.dialects import OneWay
from hobgoblin.messages import (
    DescAnswer,
    DescExport,
    DescImportObject,
    DescImportPromise,
    OpDeliver,
    OpGcAnswers,
    OpGcExports,
    OpGet,
    OpIndex,
    OpListen,
    OpUntag,
)
from hobgoblin.syrup import Encoders
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol
from hobgoblin.wire.codec import Codec

__all__ = ["ARGUMENTS", "SYRUP_OCTETS", "SYRUP_OCTETS_APRIL_2026", "Octets", "argument_limits", "octets_by"]

ARGUMENTS: Final = b"\x00arguments\x00"
"""Stands in a message where arguments come that are in pieces. No part of ours holds it."""

_DELIVER_ONLY: Final = Symbol("op:deliver-only")
_NO_BOUND: Final = replace(DEFAULT_LIMITS, message_bytes=2**63 - 1)
"""The parts have been held to the limits of the session already."""


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Octets:
    """Functions that write, each named for what it writes. All octets they take are encoded parts."""

    import_object: Callable[[int], bytes]
    import_promise: Callable[[int], bytes]
    export: Callable[[int], bytes]
    answer: Callable[[int], bytes]

    deliver: Callable[[bytes, bytes, int, int], bytes]
    """Of a target, arguments, the answer position and the position of a resolver. It suits all dialects."""

    one_way: Mapping[OneWay, Callable[[bytes, bytes, int], bytes]]
    """A message that asks for no answer: of a target, arguments and the position of a resolver that
    nobody looks at, for those who want one."""

    listen: Callable[[bytes, int], bytes]
    """Of a target and the position of a resolver."""

    get: Callable[[bytes, bytes, int], bytes]
    """Of a receiver, the name of a field and the answer position; ``index`` and ``untag`` likewise."""

    index: Callable[[bytes, bytes, int], bytes]
    untag: Callable[[bytes, bytes, int], bytes]

    gc_exports: Callable[[list[int], list[int]], bytes]
    """Of positions, and how many references each gives back; as the drafts have it."""

    gc_answers: Callable[[list[int]], bytes]
    """Of positions; likewise."""


def argument_limits(limits: Limits) -> Limits:
    """Return ``limits`` less the most that any of these puts around its arguments, in any codec."""
    return replace(
        limits,
        message_bytes=max(0, limits.message_bytes - 160),
        depth=max(0, limits.depth - 1),
        elements=max(0, limits.elements - 16),
    )


@final
class _Written:
    """Stands for a part that is encoded already."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes) -> None:
        self.octets = octets


def _octets_of(part: _Written) -> bytes:
    return part.octets


def octets_by(codec: Codec, encoders: Encoders) -> Octets:
    """Return the functions made from the tables: right for any of them, and slow."""
    table: dict[type, Callable[[Any], bytes | Record]] = {**encoders, _Written: _octets_of}

    def write(value: object) -> bytes:
        return codec.encode(value, encoders=table, limits=_NO_BOUND)

    def deliver(to: bytes, args: bytes, answer: int | bool, resolver: object) -> bytes:
        parts: Any = (_Written(to), _Written(args), answer, resolver)
        return write(OpDeliver(*parts))

    def deliver_only(to: bytes, args: bytes, resolver: int) -> bytes:
        return write(Record(_DELIVER_ONLY, (_Written(to), _Written(args))))

    def select(operation: Callable[[Any, Any, int], object]) -> Callable[[bytes, bytes, int], bytes]:
        return lambda receiver, selector, answer: write(
            operation(_Written(receiver), _Written(selector), answer)
        )

    return Octets(
        import_object=lambda pos: write(DescImportObject(pos)),
        import_promise=lambda pos: write(DescImportPromise(pos)),
        export=lambda pos: write(DescExport(pos)),
        answer=lambda pos: write(DescAnswer(pos)),
        deliver=lambda to, args, answer, resolver: deliver(to, args, answer, DescImportObject(resolver)),
        one_way={
            OneWay.DELIVER: lambda to, args, resolver: deliver(to, args, False, False),
            OneWay.DELIVER_ONLY: deliver_only,
            OneWay.RESOLVER: lambda to, args, resolver: deliver(to, args, False, DescImportObject(resolver)),
        },
        listen=lambda to, resolver: write(OpListen(_Written(to), DescImportObject(resolver), False)),
        get=select(OpGet),
        index=select(OpIndex),
        untag=select(OpUntag),
        gc_exports=lambda positions, deltas: write(OpGcExports(tuple(positions), tuple(deltas))),
        gc_answers=lambda positions: write(OpGcAnswers(tuple(positions))),
    )


# Texts are filled faster than octets are, and parts put together faster than either.


def _deliver(to: bytes, args: bytes, answer: int, resolver: int) -> bytes:
    end = f"{answer}+<18'desc:import-object{resolver}+>>"
    return b"".join((b"<10'op:deliver", to, args, end.encode()))


def _deliver_to_nobody(to: bytes, args: bytes, resolver: int) -> bytes:
    return b"".join((b"<10'op:deliver", to, args, b"ff>"))


def _export(pos: int) -> bytes:
    return f"<11'desc:export{pos}+>".encode()


def _deliver_only(to: bytes, args: bytes, resolver: int) -> bytes:
    return b"<15'op:deliver-only%b%b>" % (to, args)


def _deliver_to_a_resolver(to: bytes, args: bytes, resolver: int) -> bytes:
    return b"<10'op:deliver%b%bf<18'desc:import-object%d+>>" % (to, args, resolver)


def _listen(to: bytes, resolver: int) -> bytes:
    return b"<9'op:listen%b<18'desc:import-object%d+>f>" % (to, resolver)


def _listen_with_two_fields(to: bytes, resolver: int) -> bytes:
    return b"<9'op:listen%b<18'desc:import-object%d+>>" % (to, resolver)


def _gc_exports(positions: list[int], deltas: list[int]) -> bytes:
    return b"<13'op:gc-exports[%b][%b]>" % (_numbers(positions), _numbers(deltas))


def _gc_answers(positions: list[int]) -> bytes:
    return b"<13'op:gc-answers[%b]>" % _numbers(positions)


def _numbers(numbers: list[int]) -> bytes:
    return b"%d+" * len(numbers) % tuple(numbers)


# A format's own method is the fastest of functions that fill it.
SYRUP_OCTETS: Final = Octets(
    import_object=b"<18'desc:import-object%d+>".__mod__,
    import_promise=b"<19'desc:import-promise%d+>".__mod__,
    export=_export,
    answer=b"<11'desc:answer%d+>".__mod__,
    deliver=_deliver,
    one_way={
        OneWay.DELIVER: _deliver_to_nobody,
        OneWay.DELIVER_ONLY: _deliver_only,
        OneWay.RESOLVER: _deliver_to_a_resolver,
    },
    listen=_listen,
    get=lambda receiver, name, answer: b"<6'op:get%b%b%d+>" % (receiver, name, answer),
    index=lambda receiver, index, answer: b"<8'op:index%b%b%d+>" % (receiver, index, answer),
    untag=lambda receiver, tag, answer: b"<8'op:untag%b%b%d+>" % (receiver, tag, answer),
    gc_exports=_gc_exports,
    gc_answers=_gc_answers,
)
"""What the peers of today read, in Syrup."""

SYRUP_OCTETS_APRIL_2026: Final = replace(SYRUP_OCTETS, listen=_listen_with_two_fields)
