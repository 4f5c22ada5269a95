"""The second table: which operations there are, and which fields each has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, final

from hobgoblin.dialects import DRAFT, Dialect
from hobgoblin.errors import ProtocolError
from hobgoblin.messages import CONSTRUCTORS, ENCODERS, OpListen
from hobgoblin.values import Record, Symbol

__all__ = ["APRIL_2026", "PEERS", "Schema"]


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Schema:
    """How the operations, descriptors and values are spelled.

    The records that hold keys or signatures are not its business: a `Wire` puts those of its
    `CryptoForm` in their place.
    """

    name: str

    constructors: Mapping[str, Callable[[tuple[object, ...]], object]]
    """By label, how a record is read. Messages with a label that is not here are refused."""

    encoders: Mapping[type, Callable[[Any], bytes | Record]]
    """By class, how it is written: as a record whose fields may be of these classes, too."""

    dialect: Dialect | None = None
    """The only dialect that there is of it; ``None``: what is said of a peer, or learned from it."""


def _listen(fields: tuple[object, ...]) -> OpListen:
    if len(fields) != 2:
        raise ProtocolError(f"op:listen has {len(fields)} fields, not 2")
    return OpListen(*cast("tuple[Any, Any]", fields), False)


_LISTEN: Final = Symbol("op:listen")
_GONE: Final = frozenset(("op:deliver-only", "op:gc-export", "op:gc-answer"))

PEERS: Final = Schema(name="peers", constructors=CONSTRUCTORS, encoders=ENCODERS)
"""What peers speak today, in all of the `hobgoblin.dialects`: op:listen has three fields."""

APRIL_2026: Final = Schema(
    name="2026-04",
    constructors={
        **{label: read for label, read in CONSTRUCTORS.items() if label not in _GONE},
        "op:listen": _listen,
    },
    encoders={**ENCODERS, OpListen: lambda op: Record(_LISTEN, (op.to_desc, op.resolve_me_desc))},
    dialect=DRAFT,
)
"""The draft since April 2026, and nothing that it has dropped: op:listen has two fields (ocapn/ocapn#252),
releases are lists with names in the plural (#224), and there is no op:deliver-only (#253)."""
