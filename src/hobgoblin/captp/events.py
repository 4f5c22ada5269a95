"""What a session tells its owner, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hobgoblin.captp.quotas import Ticket
from hobgoblin.crypto import PublicKey
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import DescSigEnvelope
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import Ref

__all__ = [
    "Answered",
    "Broke",
    "Delivered",
    "Event",
    "Introduced",
    "Listened",
    "Opened",
    "Selected",
    "Severed",
]


@dataclass(slots=True)
class Opened:
    """The handshake is done: from now on messages cross."""

    peer_location: PeerLocator
    peer_key: PublicKey
    session_id: bytes


@dataclass(slots=True)
class Delivered:
    """The peer sends ``args`` to ``target``. ``answer`` is to be resolved, ``resolver`` to be told.

    ``ticket`` is to be kept until the call has ended; ``waits`` while the message waits for a promise.
    """

    target: Ref
    args: tuple[object, ...]
    answer: Promise[Any] | None
    resolver: Ref | None
    ticket: Ticket | None = field(default=None, compare=False, repr=False)
    waits: Ticket | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Selected:
    """The peer asks ``answer`` to become a part of what ``receiver`` settles to (op:get and the like).

    ``selector`` is the name of a field, the index of an item, or, with ``untag``, a tag. ``ticket``
    is to be kept until that is known.
    """

    receiver: Ref
    selector: str | int
    untag: bool
    answer: Promise[Any]
    ticket: Ticket | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Listened:
    """The peer wants ``resolver`` told how ``target`` settles. ``ticket`` is to be kept until then."""

    target: Ref
    resolver: Ref
    ticket: Ticket | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Introduced:
    """The next event's message holds a reference of a third party: ``promise`` stands for it.

    Whoever shows ``certificate`` to the exporter that it names gets what the promise is to become.
    """

    promise: Promise[Any]
    certificate: DescSigEnvelope


@dataclass(slots=True)
class Answered:
    """A question of ours, or a promise that we listened to, was fulfilled."""

    promise: Promise[Any]
    value: object


@dataclass(slots=True)
class Broke:
    """A question of ours, or a promise that we listened to, broke. ``reason`` is data.

    It breaks as well when the peer gives back the resolver unused: then nobody can settle it.
    """

    promise: Promise[Any]
    reason: object


@dataclass(slots=True)
class Severed:
    """The session has ended; this is its last event.

    ``orphans`` are the pending promises that only the peer could have settled, each once: they are
    to break now. One that an event before this settles may be among them. ``abort_reason`` is what the
    peer gave as its reason, cut and escaped; ``None`` if it did not end the session by op:abort.
    """

    reason: str
    orphans: tuple[Promise[Any], ...]
    abort_reason: str | None = None


Event = Opened | Introduced | Delivered | Selected | Listened | Answered | Broke | Severed
