"""The commonest messages and descriptors written at once, around parts that are encoded already.

Nearly every message is an op:deliver; through the tables it takes more than twice the time. So a
session writes these with functions, which it gets from its `Wire`: made from the tables, or by hand
where speed counts. Tests hold the two to the same octets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, final

from hobgoblin.messages import (
    DescAnswer,
    DescExport,
    DescImportObject,
    DescImportPromise,
    OpGcAnswers,
    OpGcExports,
    OpGet,
    OpIndex,
    OpListen,
    OpUntag,
)
from hobgoblin.syrup import Encoders
from hobgoblin.syrup.encoder import positions as encoded_positions
from hobgoblin.values import Limits, Record
from hobgoblin.wire.calls import WITHOUT_BOUND, CallWriter, SyrupCalls, TableCalls, Written, octets_of
from hobgoblin.wire.codec import Codec

__all__ = ["SYRUP_OCTETS", "SYRUP_OCTETS_APRIL_2026", "Octets", "octets_by"]


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Octets:
    """Functions that write, each named for what it writes. All octets they take are encoded parts."""

    import_object: Callable[[int], bytes]
    import_promise: Callable[[int], bytes]
    export: Callable[[int], bytes]
    answer: Callable[[int], bytes]

    calls: Callable[[Encoders, Limits, bool, bool], CallWriter]
    """Returns what writes the calls of a session; the arguments are those of `CallWriter`."""

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


def octets_by(codec: Codec, encoders: Encoders) -> Octets:
    """Return the functions made from the tables: right for any of them, and slow."""
    table: dict[type, Callable[[Any], bytes | Record]] = {**encoders, Written: octets_of}

    def write(value: object) -> bytes:
        return codec.encode(value, encoders=table, limits=WITHOUT_BOUND)

    def select(operation: Callable[[Any, Any, int], object]) -> Callable[[bytes, bytes, int], bytes]:
        return lambda receiver, selector, answer: write(
            operation(Written(receiver), Written(selector), answer)
        )

    return Octets(
        import_object=lambda pos: write(DescImportObject(pos)),
        import_promise=lambda pos: write(DescImportPromise(pos)),
        export=lambda pos: write(DescExport(pos)),
        answer=lambda pos: write(DescAnswer(pos)),
        calls=partial(TableCalls, codec, encoders),
        listen=lambda to, resolver: write(OpListen(Written(to), DescImportObject(resolver), False)),
        get=select(OpGet),
        index=select(OpIndex),
        untag=select(OpUntag),
        gc_exports=lambda positions, deltas: write(OpGcExports(tuple(positions), tuple(deltas))),
        gc_answers=lambda positions: write(OpGcAnswers(tuple(positions))),
    )


def _export(pos: int) -> bytes:
    return f"<11'desc:export{pos}+>".encode()  # texts are filled faster than octets are


def _listen(to: bytes, resolver: int) -> bytes:
    return b"<9'op:listen%b<18'desc:import-object%d+>f>" % (to, resolver)


def _listen_with_two_fields(to: bytes, resolver: int) -> bytes:
    return b"<9'op:listen%b<18'desc:import-object%d+>>" % (to, resolver)


def _gc_exports(positions: list[int], deltas: list[int]) -> bytes:
    return b"<13'op:gc-exports[%b][%b]>" % (encoded_positions(positions), encoded_positions(deltas))


def _gc_answers(positions: list[int]) -> bytes:
    return b"<13'op:gc-answers[%b]>" % encoded_positions(positions)


# A format's own method is the fastest of functions that fill it.
SYRUP_OCTETS: Final = Octets(
    import_object=b"<18'desc:import-object%d+>".__mod__,
    import_promise=b"<19'desc:import-promise%d+>".__mod__,
    export=_export,
    answer=b"<11'desc:answer%d+>".__mod__,
    calls=SyrupCalls,
    listen=_listen,
    get=lambda receiver, name, answer: b"<6'op:get%b%b%d+>" % (receiver, name, answer),
    index=lambda receiver, index, answer: b"<8'op:index%b%b%d+>" % (receiver, index, answer),
    untag=lambda receiver, tag, answer: b"<8'op:untag%b%b%d+>" % (receiver, tag, answer),
    gc_exports=_gc_exports,
    gc_answers=_gc_answers,
)
"""What the peers of today read, in Syrup."""

SYRUP_OCTETS_APRIL_2026: Final = replace(SYRUP_OCTETS, listen=_listen_with_two_fields)
