"""The three tables together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, Final, final

from hobgoblin.crypto import BYTE_ARRAYS, S_EXPRESSIONS, CryptoForm, PublicKey, public_id_of
from hobgoblin.dialects import LEARNING, Dialect
from hobgoblin.messages import (
    DescAnswer,
    DescExport,
    DescImportObject,
    DescImportPromise,
    signed_constructors,
    signed_encoders,
)
from hobgoblin.values import NULL, Null, Record
from hobgoblin.wire.codec import SYRUP, Codec
from hobgoblin.wire.octets import SYRUP_OCTETS, SYRUP_OCTETS_APRIL_2026, Octets, octets_by
from hobgoblin.wire.schema import APRIL_2026, PEERS, Schema

__all__ = ["TODAY", "WIRES", "Wire", "wire_of"]


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Wire:
    """What the messages of a session look like: one row of each of the three tables.

    It holds for the whole session, from the first octet; which `hobgoblin.dialects` is spoken in
    it may still be learned. It has no state, so any number of sessions may share one.

    Args:
        name: for people.
        codec, schema, crypto: the rows.
        written_by_hand: fast functions that write just what the tables would, of which `octets` are
            made otherwise.
    """

    name: str
    codec: Codec = SYRUP
    schema: Schema = PEERS
    crypto: CryptoForm = S_EXPRESSIONS
    written_by_hand: InitVar[Octets | None] = None

    octets: Octets = field(init=False)
    """What writes the commonest messages and descriptors."""

    constructors: Mapping[str, Callable[[tuple[object, ...]], object]] = field(init=False)
    """How each record is read: the schema's, with those that hold keys and signatures in their form."""

    encoders: Mapping[type, Callable[[Any], bytes | Record]] = field(init=False)
    """How each class is written, likewise."""

    def __post_init__(self, written_by_hand: Octets | None) -> None:
        encoders = {
            **self.schema.encoders,
            **signed_encoders(self.crypto, self.signed_octets),
        }
        octets = written_by_hand or octets_by(self.codec, encoders)
        void = self.codec.encode(None, encoders=encoders)
        null = self.codec.encode(NULL, encoders=encoders)
        encoders |= {
            DescImportObject: lambda desc: octets.import_object(desc.position),
            DescImportPromise: lambda desc: octets.import_promise(desc.position),
            DescExport: lambda desc: octets.export(desc.position),
            DescAnswer: lambda desc: octets.answer(desc.answer_pos),
            type(None): lambda _: void,
            Null: lambda _: null,
        }
        object.__setattr__(self, "octets", octets)
        object.__setattr__(self, "encoders", encoders)
        constructors = {**self.schema.constructors, **signed_constructors(self.crypto)}
        object.__setattr__(self, "constructors", constructors)

    def __repr__(self) -> str:
        return f"<Wire {self.name}>"

    def public_id(self, key: PublicKey) -> bytes:
        """Return what names the holder of ``key`` in a session that is spoken so: 32 octets.

        Spec: OCapN CapTP Specification, "Public Identifier": of the key as it goes over the wire.
        """
        return public_id_of(self.codec.encode(self.crypto.key_to_value(key)))

    def signed_octets(self, record: object) -> bytes:
        """Return what a signature over ``record`` covers: of what was read, the very octets that came."""
        return self.codec.encode_signed(record, self.encoders)

    def signs_like(self, other: Wire) -> bool:
        """Tell whether what is signed has the same octets in both: else no signature passes between them."""
        return self.codec is other.codec and self.crypto is other.crypto


TODAY: Final = Wire("today", written_by_hand=SYRUP_OCTETS)
"""What all peers speak."""

WIRES: Final[Mapping[str, Wire]] = {
    wire.name: wire
    for wire in (
        TODAY,
        Wire("2026-04", schema=APRIL_2026, written_by_hand=SYRUP_OCTETS_APRIL_2026),
        Wire("2026-09", schema=APRIL_2026, crypto=BYTE_ARRAYS, written_by_hand=SYRUP_OCTETS_APRIL_2026),
    )
}
"""Those that have a name: ``today``, and the OCapN drafts as they stood in a month. No peer but ours
speaks ``2026-09`` yet."""


def wire_of(wire: Wire | str, dialect: Dialect = LEARNING) -> Wire:
    """Return the wire of that name, or the one that is given.

    Raises:
        ValueError: there is no wire of that name, or ``dialect`` is none of it.
        TypeError: it is neither a name nor a `Wire`.
    """
    if isinstance(wire, str):
        if wire not in WIRES:
            raise ValueError(f"there is no wire {wire!r}; there are {', '.join(WIRES)}")
        wire = WIRES[wire]
    if not isinstance(wire, Wire):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a wire is a Wire or the name of one, not a {type(wire).__name__}")
    only = wire.schema.dialect
    if only is not None and dialect not in (only, LEARNING):
        raise ValueError(f"this wire has the dialect {only.name}, and no {dialect.name}")
    return wire
