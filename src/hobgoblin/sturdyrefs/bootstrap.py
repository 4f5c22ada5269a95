"""OCapN's bootstrap object: the door at which swiss numbers are shown and gifts change hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from hobgoblin.captp.gifts import GiftDesk
from hobgoblin.crypto import SwissNum
from hobgoblin.errors import Refused
from hobgoblin.sturdyrefs.registry import Registry
from hobgoblin.vat import Actor, method
from hobgoblin.vat.annotations import AsPassed

__all__ = ["Bootstrap", "Guesses"]

WRONG_NUMBERS: Final = 1_000
"""Wrong swiss numbers that a session may show at once: more than an honest peer has gone stale."""

FORGIVEN_SECONDS: Final = 1.0
"""How long until one wrong number more may be shown."""


@final
class Guesses:
    """The wrong numbers of one session: a bucket that leaks.

    It is no actor, so that what it counts is not undone with the turn that fails. It makes the
    guessing of *weak* numbers slow, within a session; those of 32 random octets need no such help.

    Args:
        clock: tells seconds, only forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong = 0.0
        self._since = clock()

    def check(self) -> None:
        """Raise `Refused` if there have been too many, whatever number is about to be shown."""
        now = self._clock()
        self._wrong = max(0.0, self._wrong - (now - self._since) / FORGIVEN_SECONDS)
        self._since = now
        if self._wrong > WRONG_NUMBERS - 1:
            raise Refused("too many wrong swiss numbers over this session: try again later")

    def count(self) -> None:
        """Count a wrong one."""
        self._wrong += 1


@final
class Bootstrap(Actor):
    """What every peer exports at position 0.

    Whoever can connect may call it, so what comes stays as it came: no class of the program makes an
    instance of it.

    Args:
        registry: what is published.
        desk: where the peer of a session deposits and withdraws gifts.
        guesses: of the session; without it they are not counted, as towards oneself.
    """

    def __init__(
        self, registry: Registry, desk: GiftDesk | None = None, guesses: Guesses | None = None
    ) -> None:
        self._registry = registry
        self._desk = desk
        self._guesses = guesses

    @method
    def fetch(self, swiss: AsPassed) -> Any:
        """Return what is published at ``swiss``, a byte string, at the moment of this turn."""
        try:
            number = SwissNum(swiss)
        except (TypeError, ValueError):
            raise Refused("a swiss number is a byte string") from None
        guesses = self._guesses
        if guesses is None:
            return self._registry.find(number)
        guesses.check()
        try:
            return self._registry.find(number)
        except Refused:
            guesses.count()
            raise

    @method
    def deposit_gift(self, gift_id: AsPassed, target: AsPassed) -> None:
        """Keep an object of ours for whoever shows the certificate that the depositor has given them."""
        self._open_desk().deposit(gift_id, target)

    @method
    def withdraw_gift(self, request: AsPassed) -> Any:
        """Hand out the gift that a signed desc:handoff-receive is for."""
        return self._open_desk().withdraw(request)

    def _open_desk(self) -> GiftDesk:
        if self._desk is None:
            raise Refused("there are no hand-offs over a direct connection")
        return self._desk
