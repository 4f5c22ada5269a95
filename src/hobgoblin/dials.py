"""What waits for a session with another peer."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any, final

from hobgoblin.connection import Connection
from hobgoblin.crypto import KeyPair
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import DescSigEnvelope
from hobgoblin.refs import BROKEN, Promise

__all__ = ["Dial", "Withdrawal"]


@final
class Dial:
    """A peer that is being dialled, and the promise for its bootstrap object."""

    __slots__ = ("connection", "crossed", "gifter", "locator", "pending", "redials", "task", "who")

    def __init__(self, locator: PeerLocator, pending: Promise[Any]) -> None:
        self.locator = locator
        self.pending = pending
        self.connection: Connection | None = None
        # We gave up our own connection for one that the other peer has opened.
        self.crossed = False
        self.redials = 0
        self.task: asyncio.Task[None] | None = None
        # On whose account it is, if it is for a hand-off; and which session that came over, unless
        # somebody else has come to wait for it.
        self.who: Hashable = None
        self.gifter: Connection | None = None


@final
class Withdrawal:
    """Takes a gift once the session with its exporter is open."""

    __slots__ = ("certificate", "keys", "promise")

    def __init__(self, promise: Promise[Any], certificate: DescSigEnvelope, keys: KeyPair) -> None:
        self.promise = promise
        self.certificate = certificate
        self.keys = keys

    def settled(self, promise: Promise[Any]) -> None:
        if promise._state == BROKEN:
            self.promise._break_here(promise._value)
        else:
            exporter = promise._value._sink
            self.promise._resolve_here(exporter.withdraw(self.certificate, self.keys))
