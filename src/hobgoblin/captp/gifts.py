"""The gift table of an exporter: what gifters have deposited, and who waits for it.

A gift is given once, to one recipient. Deposit and request travel over different sessions, so either
may come first. A deposited gift stays until it is taken or its time is up, also when its gifter has
gone; a request that waits breaks when the gifter goes, since nobody else could make the deposit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from hobgoblin.captp.handoffs import Gift, check_receive
from hobgoblin.crypto import PublicKey
from hobgoblin.errors import Refused, SessionSevered
from hobgoblin.refs import LocalRef, Promise, Ref
from hobgoblin.values import Limits

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
        self._deposits: dict[Gift, _Deposit] = {}
        self._requests: dict[Gift, _Request] = {}
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._deposits) + len(self._requests)

    def session_opened(self, session: bytes, peer_key: PublicKey) -> None:
        """From now on the peer of this session may be a gifter and a receiver."""
        self._keys[session] = peer_key
        self._open.add(session)

    def session_ended(self, session: bytes) -> None:
        """The session is over: what waits for its deposits breaks, what it asked for is forgotten."""
        self._open.discard(session)
        for gift, request in tuple(self._requests.items()):
            if gift.session == session:
                self._forget_request(gift)
                request.promise._break_here(SessionSevered("the gifter has gone before it made its deposit"))
            elif request.receiver == session:
                self._forget_request(gift)
        self._forget_key(session)

    def gifter_key(self, session: bytes) -> PublicKey | None:
        """Return the key of the peer of a session: an open one, or one that left gifts behind."""
        return self._keys.get(session)

    def deposit(self, gift: Gift, target: Ref, now: float) -> None:
        """Keep ``target`` for whoever shows the certificate, or give it to who has done so already.

        Raises:
            Refused: a gift with this id is here, or there are too many.
        """
        request = self._requests.get(gift)
        if request is not None:
            self._forget_request(gift)
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
            Refused: somebody waits for this gift already, or the receiver has too many requests.
        """
        deposit = self._deposits.pop(gift, None)
        if deposit is not None:
            self._discount(gift.session)
            self._forget_key(gift.session)
            return deposit.target
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
        for gift, deposit in tuple(self._deposits.items()):
            if deposit.until <= now:
                del self._deposits[gift]
                self._discount(gift.session)
                self._forget_key(gift.session)
        for gift, request in tuple(self._requests.items()):
            if request.until <= now:
                self._forget_request(gift)
                request.promise._break_here(Refused("the gift was not deposited in time"))

    def _forget_request(self, gift: Gift) -> None:
        request = self._requests.pop(gift)
        self._discount(request.receiver)

    def _forget_key(self, session: bytes) -> None:
        """Keys of ended sessions are kept only as long as gifts of theirs are."""
        if session not in self._open and not any(gift.session == session for gift in self._deposits):
            self._keys.pop(session, None)

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
class GiftDesk:
    """Where the peer of one session deposits and withdraws gifts.

    Args:
        table: the gifts of all sessions.
        limits: bound how many counts are remembered as used.
        clock: tells the table's time.
    """

    def __init__(self, table: GiftTable, limits: Limits, clock: Callable[[], float]) -> None:
        self._table = table
        self._limits = limits
        self._clock = clock
        self._session = b""
        self._peer = b""
        # Counts below the floor are used, and those in the set.
        self._floor = 0
        self._used: set[int] = set()

    def open(self, session: bytes, peer_key: PublicKey) -> None:
        """The handshake is done."""
        self._session = session
        self._peer = peer_key.public_id
        self._table.session_opened(session, peer_key)

    def close(self) -> None:
        """The session has ended, or never came to be."""
        if self._session:
            self._table.session_ended(self._session)

    def deposit(self, gift_id: object, target: object) -> None:
        """Take a gift from the peer.

        Raises:
            Refused: it is no object or promise of ours, or the id is taken or no id.
        """
        if type(target) is not LocalRef and not (type(target) is Promise and target._route is None):
            raise Refused("a gift is an object or a promise of the peer that keeps it")
        if not isinstance(gift_id, bytes | str | int):
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
        )
        self._use(count)
        return self._table.withdraw(gift, self._session, self._clock())

    def _is_used(self, count: int) -> bool:
        return count < self._floor or count in self._used

    def _use(self, count: int) -> None:
        if len(self._used) >= self._limits.gifts:
            raise Refused("the counts of hand-offs have too many gaps")
        self._used.add(count)
        while self._floor in self._used:
            self._used.remove(self._floor)
            self._floor += 1
