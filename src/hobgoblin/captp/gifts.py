"""The gift table of an exporter: what gifters have deposited, and who waits for it.

A gift is given once, to one recipient. Deposit and request travel over different sessions, so either
may come first. A deposited gift stays until it is taken or its time is up, also when its gifter has
gone; a request that waits breaks when the gifter goes, since nobody else could make the deposit.

All that anybody can make us keep is bounded: for each session that is open, and for all together
that have ended, or else a gifter could come back again and again and leave its gifts behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from hobgoblin.captp.handoffs import Gift, check_give, check_receive, is_gift_id
from hobgoblin.captp.quotas import Quota, Ticket
from hobgoblin.crypto import PublicKey
from hobgoblin.errors import ProtocolError, Refused, SessionSevered
from hobgoblin.messages import DescSigEnvelope
from hobgoblin.refs import ROUTE_IMPORT, Promise, Ref, RemoteRef, Sink
from hobgoblin.values import Limits
from hobgoblin.wire import TODAY, Wire

__all__ = ["GiftDesk", "GiftTable"]


@dataclass(slots=True)
class _Deposit:
    target: Ref
    until: float


@dataclass(slots=True)
class _Request:
    promise: Promise[Any]
    receiver: bytes
    until: float


@final
class GiftTable:
    """All gifts of a peer. Times are seconds of the owner's clock.

    Args:
        limits: how many gifts each gifter, and how many requests each receiver may have here, and
            for how long.
        new_promise: makes the promise of a request that waits.
        wake: called when something has come to wait, so that the owner asks `timer`.
    """

    def __init__(
        self, limits: Limits, new_promise: Callable[[], Promise[Any]], wake: Callable[[], object]
    ) -> None:
        self._limits = limits
        self._new_promise = new_promise
        self._wake = wake
        self._keys: dict[bytes, PublicKey] = {}
        self._open: set[bytes] = set()
        # Sessions that have ended and left gifts behind, in that order, and how many gifts these are.
        self._ended: dict[bytes, None] = {}
        self._left = 0
        self._deposits: dict[Gift, _Deposit] = {}
        self._requests: dict[Gift, _Request] = {}
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._deposits) + len(self._requests)

    def count(self, session: bytes) -> int:
        """Return how many gifts wait that the peer of a session has deposited, and requests of it."""
        return self._counts.get(session, 0)

    def session_opened(self, session: bytes, peer_key: PublicKey) -> None:
        """From now on the peer of this session may be a gifter and a receiver."""
        self._keys[session] = peer_key
        self._open.add(session)

    def session_ended(self, session: bytes) -> None:
        """The session is over: what waits for its deposits breaks, and what it asked for."""
        if session not in self._open:
            return
        self._open.remove(session)
        for gift, request in tuple(self._requests.items()):
            if gift.session == session:
                self._break(gift, SessionSevered("the gifter has gone before it made its deposit"))
            elif request.receiver == session:
                self._break(gift, SessionSevered("the session that the request came over has ended"))
        if session not in self._counts:
            del self._keys[session]
            return
        self._ended[session] = None
        self._left += self._counts[session]
        while self._left > self._limits.gifts:
            oldest = next(iter(self._ended))
            for gift in [gift for gift in self._deposits if gift.session == oldest]:
                self._drop(gift)

    def gifter_key(self, session: bytes) -> PublicKey | None:
        """Return the key of the peer of a session: an open one, or one that left gifts behind."""
        return self._keys.get(session)

    def deposit(self, gift: Gift, target: Ref, now: float) -> None:
        """Keep ``target`` for whoever shows the certificate, or give it to who has done so already.

        Raises:
            Refused: a gift with this id is here, or there are too many; or the session has ended.
        """
        if gift.session not in self._open:
            raise Refused("the session has ended")
        request = self._requests.pop(gift, None)
        if request is not None:
            self._discount(request.receiver)
            request.promise._resolve_here(target)
            return
        if gift in self._deposits:
            raise Refused("a gift with this id has been deposited already")
        self._count(gift.session)
        self._deposits[gift] = _Deposit(target, now + self._limits.gift_seconds)
        self._wake()

    def withdraw(self, gift: Gift, receiver: bytes, now: float) -> Ref:
        """Return the gift, or a promise for it if it has not been deposited yet. Once for each gift.

        Raises:
            Refused: somebody waits for this gift already, or the receiver has too many requests,
                or its session has ended.
        """
        if receiver not in self._open:
            raise Refused("the session has ended")
        if gift in self._deposits:
            return self._drop(gift)
        if gift in self._requests or gift.session not in self._open:
            raise Refused("this certificate opens nothing here")
        self._count(receiver)
        promise = self._new_promise()
        self._requests[gift] = _Request(promise, receiver, now + self._limits.gift_seconds)
        self._wake()
        return promise

    def timer(self) -> float | None:
        """Return when `expire` wants to be called, or ``None``."""
        # All wait equally long: the first of each is the earliest.
        times: list[float] = []
        if self._deposits:
            times.append(next(iter(self._deposits.values())).until)
        if self._requests:
            times.append(next(iter(self._requests.values())).until)
        return min(times, default=None)

    def expire(self, now: float) -> None:
        """Drop the gifts that nobody took, and break the requests that nobody fulfilled, in time."""
        for gift in [gift for gift, deposit in self._deposits.items() if deposit.until <= now]:
            self._drop(gift)
        for gift in [gift for gift, request in self._requests.items() if request.until <= now]:
            self._break(gift, Refused("the gift was not deposited in time"))

    def clear(self) -> None:
        """Drop all gifts, and break all requests: their keeper is going."""
        for gift in tuple(self._deposits):
            self._drop(gift)
        for gift in tuple(self._requests):
            self._break(gift, SessionSevered("the keeper of the gift has gone"))

    def check(self) -> None:
        """Assert the invariants of the table."""
        counts: dict[bytes, int] = {}
        for gift in self._deposits:
            assert gift not in self._requests, "a gift is here, and somebody waits for it"
            assert gift.session in self._keys, "nobody can ever take this gift"
            counts[gift.session] = counts.get(gift.session, 0) + 1
        for gift, request in self._requests.items():
            assert gift.session in self._open, "nobody can ever make this deposit"
            counts[request.receiver] = counts.get(request.receiver, 0) + 1
        assert counts == self._counts, "wrong counts"
        assert max(counts.values(), default=0) <= self._limits.gifts, "more gifts than the limit"
        assert self._left == sum(counts[session] for session in self._ended) <= self._limits.gifts
        assert self._open.isdisjoint(self._ended), "an ended session is open"
        assert self._keys.keys() == self._open | self._ended.keys(), "keys without a use"

    def _drop(self, gift: Gift) -> Ref:
        """Take a gift out, and the key of its gifter with the last gift that one has left behind."""
        target = self._deposits.pop(gift).target
        self._discount(gift.session)
        if gift.session in self._ended:
            self._left -= 1
            if gift.session not in self._counts:
                del self._ended[gift.session]
                del self._keys[gift.session]
        return target

    def _break(self, gift: Gift, error: Exception) -> None:
        request = self._requests.pop(gift)
        self._discount(request.receiver)
        request.promise._break_here(error)

    def _count(self, session: bytes) -> None:
        count = self._counts.get(session, 0)
        if count >= self._limits.gifts:
            raise Refused("there are too many gifts")
        self._counts[session] = count + 1

    def _discount(self, session: bytes) -> None:
        count = self._counts[session] - 1
        if count:
            self._counts[session] = count
        else:
            del self._counts[session]


@final
class _Expected:
    """Listens for the sake of its ticket, which goes when the promise settles, or is held by nobody."""

    __slots__ = ("ticket",)

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket

    def settled(self, promise: Promise[Any]) -> None:
        """The promise lets go of its listeners."""


@final
class GiftDesk:
    """Where the peer of one session deposits and withdraws gifts.

    Args:
        table: the gifts of all sessions.
        limits: bound how many counts are remembered as used, and how many hand-offs to us are under way.
        clock: tells the table's time.
    """

    def __init__(self, table: GiftTable, limits: Limits, clock: Callable[[], float]) -> None:
        self._table = table
        self._limits = limits
        self._clock = clock
        self._session = b""
        self._peer = b""
        self._wire = TODAY
        self._sink: Sink | None = None
        # Counts below the floor are used, and these.
        self._floor = 0
        self._used: dict[int, None] = {}  # which takes less than a set, as long as it is empty
        self._expected = Quota("hand-offs under way", limits.gifts)

    def open(self, session: bytes, peer_key: PublicKey, sink: Sink, wire: Wire = TODAY) -> None:
        """The handshake is done. What the peer brings of its own is behind ``sink``, spoken as ``wire``."""
        self._session = session
        self._peer = wire.public_id(peer_key)
        self._wire = wire
        self._sink = sink
        self._table.session_opened(session, peer_key)

    def close(self) -> None:
        """The session has ended, or never came to be."""
        self._table.session_ended(self._session)

    def counts(self) -> tuple[int, int]:
        """Return how many gifts and requests of the peer wait, and how many hand-offs to us are under way."""
        return self._table.count(self._session), len(self._expected)

    def deposit(self, gift_id: object, target: object) -> None:
        """Take a gift from the peer.

        Raises:
            Refused: it is nothing that the peer had from us, or the id is taken or no id.
        """
        if not isinstance(target, Ref) or self._is_theirs(target):
            raise Refused("a gift is an object or a promise of the peer that keeps it")
        if not is_gift_id(gift_id):
            raise Refused("a gift is named by a byte string")
        self._table.deposit(Gift(self._session, gift_id), target, self._clock())

    def withdraw(self, request: object) -> Ref:
        """Return the gift that a signed request of the peer is for, or a promise for it.

        The count is used up by a valid request, whether the gift is here yet or not: a replay finds
        it used. An invalid request uses up nothing.

        Raises:
            Refused: the request is not valid, or the gift can't be had any more.
        """
        gift, count = check_receive(
            request,
            session=self._session,
            peer=self._peer,
            gifter_key=self._table.gifter_key,
            count_is_used=self._is_used,
            wire=self._wire,
        )
        self._use(count)
        return self._table.withdraw(gift, self._session, self._clock())

    def withdraw_own(self, certificate: DescSigEnvelope) -> Ref:
        """Return what a certificate that the peer has given to *us* stands for, if we are its keeper.

        Raises:
            Refused: the certificate is not valid, or the gift can't be had any more.
        """
        gift = check_give(certificate, self._table.gifter_key, self._wire)
        return self._table.withdraw(gift, self._session, self._clock())

    def expect(self, promise: Promise[Any]) -> None:
        """Count ``promise``, which is to become what the peer hands over to us, until it settles.

        Raises:
            Refused: there are too many of them.
        """
        try:
            promise._listen_here(_Expected(self._expected.take()))
        except ProtocolError as error:
            raise Refused(str(error)) from None

    def _is_theirs(self, target: Ref) -> bool:
        """Tell whether ``target`` is of the peer's own. Others' may be ours to give: we proxy them."""
        if type(target) is RemoteRef:
            return target._sink is self._sink
        return type(target) is Promise and target._route_kind == ROUTE_IMPORT and target._route is self._sink

    def _is_used(self, count: int) -> bool:
        return count < self._floor or count in self._used

    def _use(self, count: int) -> None:
        self._used[count] = None
        if len(self._used) > self._limits.gifts:
            # A gap stays where a request was not valid. The oldest is closed: nothing that far
            # behind is still under way.
            self._floor = min(self._used)
        while self._floor in self._used:
            del self._used[self._floor]
            self._floor += 1
