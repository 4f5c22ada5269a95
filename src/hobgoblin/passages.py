"""Passages: messages of a peer that are for objects of another one, and whose they are.

::

    A ──▶ Connection ──▶ Message with a Passage ──▶ Connection ──▶ C
          of A, the origin                          of C: `captp.relays` counts it for A

Where there is no room for more of it, that is for A to feel, not for C nor for anybody else: a call of
A breaks, and for a message that nobody waits for, which can't be left out without a gap, A's session ends.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, final

from hobgoblin.captp.session import Session
from hobgoblin.captp.shares import Leases, Party
from hobgoblin.loops import LoopHost
from hobgoblin.refs import FULFILLED, Home
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import LocalRef, Ref
from hobgoblin.values import Limits
from hobgoblin.vat.vat import Vat

__all__ = ["TOO_MUCH", "Origin", "Passage", "bare", "local_target"]

TOO_MUCH: Final = "more was sent to others through us than they answer"


class Origin:
    """The part of a connection that knows what its peer has of what serves all peers.

    Args:
        vat: the home of the answers to the peer.
        host: the loop of the connection, and of that vat.
        limits: what is accepted from a peer, and therefore not exceeded with one.
    """

    __slots__ = (
        "_deposited",
        "_host",
        "_party",
        "_vat",
        "_writing_for",
        "exceeded",
        "session",
    )

    session: Session

    def __init__(self, vat: Vat, host: LoopHost, limits: Limits) -> None:
        self._vat = vat
        self._host = host
        self.exceeded = False
        self._party = Party()  # and not the connection itself, which nothing here is to keep
        # Whom what is being written is passed on for.
        self._writing_for: Hashable = None
        self._deposited = Leases(limits.gifts, limits.gift_seconds)

    @property
    def who(self) -> Hashable:
        """What stands for the peer where it shares with others: also in its next session, if it is proved."""
        proved = self.session.proved
        return self._party if proved is None else proved.identity

    def exceed(self, reason: str) -> None:
        """End the session: its peer takes more than its part of what serves all. Any thread. Idempotent."""
        if not self.exceeded:
            self.exceeded = True
            self._host.post(self._exceeded, reason)

    def may_deposit(self, receiver: Origin) -> bool:
        """Take one of the gifts that the peer keeps of us, for a receiver, or for whom its message came from.

        Nobody tells when a gift is taken: it counts for as long as it may wait. So a peer that lets its
        gifts lie does not use up those of others; beyond its share it gets proxies.
        """
        return self._deposited.take(receiver._writing_for or receiver.who, self._host.clock())

    def settled(self, resolver: Ref | None, promise: Promise[Any]) -> None:
        """A promise that is not at home in our vat has settled, in any thread: `report` it."""
        if self._host.here():
            self.report(resolver, promise)
        else:
            self._host.post(self.report, resolver, promise)

    def report(self, resolver: Ref | None, promise: Promise[Any]) -> None:
        """Tell ``resolver`` how a promise has settled."""
        raise NotImplementedError

    def tell(self, resolver: Ref, verb: object, value: object, who: Hashable = None) -> None:
        """Send a resolver of the peer its one message; ``who`` is another peer that has said so."""
        raise NotImplementedError

    def _exceeded(self, reason: str) -> None:
        self.session.overrun(reason)
        self._catch_up()

    def _catch_up(self) -> None:
        """Do all that the session has come to want: carry out its events, write its messages."""
        raise NotImplementedError


@final
class Passage:
    """The ticket of a message that may go on to another peer. Kept until that has answered.

    Args:
        origin: where the message came from.
        ticket: what counts there until the call has ended.
    """

    __slots__ = ("origin", "ticket")

    def __init__(self, origin: Origin, ticket: object) -> None:
        self.origin = origin
        self.ticket = ticket


def bare(error: BaseException) -> BaseException:
    """Return an error without the frames that it was raised in, and without what had been raised before.

    As the reason of a promise they would keep the message, and its ticket, as long as a peer keeps
    its answer.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def local_target(target: Ref, vat: Home) -> LocalRef | None:
    """Return the object of this process that a message to ``target`` goes to at once, if there is one.

    ``vat`` is one of this thread: most targets that are promises are at home there.
    """
    if type(target) is LocalRef:
        return target
    if type(target) is Promise:
        promise: Promise[Any] = target  # pyright: ignore[reportUnknownVariableType]
        value = promise._value
        if (
            type(value) is LocalRef
            and promise._state == FULFILLED
            and promise._detour is None
            and (promise._route is None or not promise._used)
            and (promise._at is vat or promise._at.host.here())
        ):
            promise._heard = True
            return value
    return None
