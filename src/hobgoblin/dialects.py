"""The dialects of CapTP that are spoken today, all under the version ``1.0``.

======  =============================================  ==========================  ====================
name    who speaks it                                  without an answer           releases
======  =============================================  ==========================  ====================
``A``   conformance suite f0273f2, Goblins, older Endo  op:deliver-only             op:gc-export POS N
``B``   conformance suite 6c146dc                      op:deliver-only             op:gc-export [..] [..]
``C``   conformance suite 5bfcde9                      op:deliver … f f            op:gc-export [..] [..]
``D``   the current drafts, Endo 1.1                   op:deliver … f f            op:gc-exports [..] [..]
======  =============================================  ==========================  ====================

Reading understands all of them; this is about writing, and of today's peers alone: what else may differ
from session to session are the tables of `hobgoblin.wire`. Whoever is not told a peer's dialect begins
with what all understand: every message carries a resolver, releases are held back (a leak, not an
error). What the peer sends then tells its dialect. The suite is https://github.com/ocapn/ocapn-test-suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, final

from hobgoblin.messages import OpGcAnswers, OpGcExports
from hobgoblin.values import Record, Symbol

__all__ = [
    "DIALECTS",
    "DRAFT",
    "HELD",
    "LEARNING",
    "PLURAL",
    "RESOLVER",
    "Dialect",
    "OneWay",
    "Releases",
    "dialect_named",
    "learn",
    "release_messages",
]


class OneWay(Enum):
    """How a message is written that asks for no answer."""

    DELIVER = "op:deliver"
    DELIVER_ONLY = "op:deliver-only"
    RESOLVER = "op:deliver with a resolver that nobody looks at"


class Releases(Enum):
    """How references and answers are given back."""

    PLURAL = "op:gc-exports"
    LISTS = "op:gc-export with lists"
    SINGLE = "op:gc-export with one position"
    HELD = "not at all"


@final
@dataclass(frozen=True, slots=True)
class Dialect:
    """What a peer understands."""

    name: str
    one_way: OneWay
    releases: Releases


HELD: Final = Releases.HELD
PLURAL: Final = Releases.PLURAL
RESOLVER: Final = OneWay.RESOLVER
DRAFT: Final = Dialect("D", OneWay.DELIVER, Releases.PLURAL)
LEARNING: Final = Dialect("unknown", OneWay.RESOLVER, Releases.HELD)
DIALECTS: Final = {
    "A": Dialect("A", OneWay.DELIVER_ONLY, Releases.SINGLE),
    "B": Dialect("B", OneWay.DELIVER_ONLY, Releases.LISTS),
    "C": Dialect("C", OneWay.DELIVER, Releases.LISTS),
    "D": DRAFT,
}

_GC_EXPORT: Final = Symbol("op:gc-export")
_GC_ANSWER: Final = Symbol("op:gc-answer")
_NAMES: Final = {(dialect.one_way, dialect.releases): dialect for dialect in DIALECTS.values()}


def dialect_named(name: str) -> Dialect:
    """Return the dialect of that name. Raises ValueError."""
    if name not in DIALECTS:
        raise ValueError(f"there is no dialect {name!r}; there are {', '.join(DIALECTS)}")
    return DIALECTS[name]


def learn(known: Dialect, label: str, *, listed: bool, bare: bool, resolution: bool) -> Dialect:
    """Return what is known of a peer's dialect after a message of it.

    Args:
        known: what was known before.
        label: how the peer spelled the operation.
        listed: for a release, whether it holds lists.
        bare: for op:deliver, whether it came without a resolver.
        resolution: for op:deliver, whether it settles a promise of ours. Nobody asks for an answer
            to that, but who is learning as we are; two such peers speak the current drafts.
    """
    one_way, releases = known.one_way, known.releases
    match label:
        case "op:deliver-only":
            one_way = OneWay.DELIVER_ONLY
        case "op:deliver" if bare or resolution:
            # The one commit of the suite that speaks C has to be told.
            one_way, releases = OneWay.DELIVER, Releases.PLURAL
        case "op:gc-exports" | "op:gc-answers":
            one_way, releases = OneWay.DELIVER, Releases.PLURAL
        case "op:gc-export" | "op:gc-answer":
            releases = Releases.LISTS if listed else Releases.SINGLE
            if releases is Releases.SINGLE:
                one_way = OneWay.DELIVER_ONLY
        case _:
            return known
    return _NAMES.get((one_way, releases)) or Dialect(LEARNING.name, one_way, releases)


def release_messages(dialect: Dialect, op: OpGcExports | OpGcAnswers) -> list[object]:
    """Return what gives references or answers back; several messages where lists are not known."""
    lists = (op.export_positions, op.wire_deltas) if isinstance(op, OpGcExports) else (op.answer_positions,)
    label = _GC_EXPORT if isinstance(op, OpGcExports) else _GC_ANSWER
    match dialect.releases:
        case Releases.PLURAL:
            return [op]
        case Releases.LISTS:
            return [Record(label, lists)]
        case Releases.SINGLE:
            return [Record(label, fields) for fields in zip(*lists, strict=True)]
        case Releases.HELD:
            return []
