"""The swiss numbers of a peer, by their hashes, and how long each of them works."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Final, cast, final
from weakref import WeakValueDictionary, ref

from hobgoblin.crypto import Entropy, SwissNum, system_entropy
from hobgoblin.errors import Refused
from hobgoblin.refs import Ref
from hobgoblin.sturdyrefs.forwarder import Forwarder, Revocation
from hobgoblin.sturdyrefs.stored import RegistryEntry, RegistryStore

__all__ = ["Registry", "moment"]

logger = logging.getLogger("hobgoblin.sturdyrefs")

NOTHING: Final = "nothing is published at this swiss number"

_SLACK: Final = 64
"""Deadlines of numbers that have gone are cleared away when there are as many as of others, and so many."""


@final
@dataclass(frozen=True, slots=True)
class _Number:
    """An open number. Never changed, only replaced: a look-up takes no lock."""

    target: Ref
    """What it gives out."""

    published: Ref
    expires: float
    name: str | None
    forwarder: Forwarder | None


_NO_NUMBER: Final = _Number(cast("Ref", None), cast("Ref", None), -inf, None, None)
"""Stands for all that is unknown: it has expired before time began."""


@final
@dataclass(slots=True)
class _Named:
    """An object that the program knows by a name, and its numbers. ``None`` while they are kept."""

    target: Ref | None
    digests: dict[bytes, None] = field(default_factory=dict[bytes, None], repr=False)


@final
@dataclass(frozen=True, slots=True, order=True)
class _Deadline:
    when: float
    tie: int
    digest: bytes = field(compare=False, repr=False)
    forwarder: Callable[[], Forwarder | None] = field(compare=False)


def _no_forwarder() -> None:
    return None


@final
class Registry:
    """The objects of a peer that can be fetched by a swiss number. It holds them strongly.

    All methods may be called from any thread. A time that is over counts as over in `find` at
    once; what was held until then goes when the owner calls `expire`, see `timer`.

    Args:
        entropy: where numbers come from.
        clock: tells the time in seconds since 1970. It may be set: that moves all deadlines.
        store: what keeps the numbers of named objects; without one nothing lasts.
        wake: called, from any thread, when `timer` has come to be earlier.
    """

    def __init__(
        self,
        entropy: Entropy = system_entropy,
        *,
        clock: Callable[[], float] = time.time,
        store: RegistryStore | None = None,
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        self._entropy = entropy
        self._clock = clock
        self._store = store
        self._wake = wake
        self._lock = threading.RLock()
        self._open: dict[bytes, _Number] = {}
        self._kept: dict[bytes, RegistryEntry] = {}
        self._named: dict[str, _Named] = {}
        # Lives on after its number has gone, for as long as anybody holds what that gave out.
        self._revocations: WeakValueDictionary[bytes, Revocation] = WeakValueDictionary()
        self._deadlines: list[_Deadline] = []
        self._ties = 0
        self._clear_at = _SLACK

    def forked(self) -> None:
        """This is the child of a fork: a thread that held the lock does not exist here."""
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """The open numbers."""
        return len(self._open)

    def load(self) -> None:
        """Take over what the store has. Each number stays closed until its name is given to an object.

        Raises:
            Exception: what the store raises, with nothing changed.
        """
        if self._store is None:
            return
        with self._lock:
            now = self._clock()
            stored = {entry.digest: entry for entry in self._store.load()}
            over = [entry.digest for entry in stored.values() if _end(entry.expires) <= now]
            if over:
                self._store.remove(over)
                for digest in over:
                    del stored[digest]
            self._kept.update(stored)
            for digest, entry in stored.items():
                self._named.setdefault(entry.name, _Named(None)).digests[digest] = None
                self._expect(digest, _end(entry.expires), None)

    def names(self) -> list[str]:
        """Return the names that numbers are stored for, given to an object or not."""
        with self._lock:
            return list(self._named)

    def publish(
        self,
        target: Ref,
        swiss: SwissNum | None = None,
        *,
        expires: float | None = None,
        revocable: bool = False,
        name: str | None = None,
    ) -> SwissNum:
        """Make ``target`` available at ``swiss``, or at a fresh random number; return the number.

        Publishing the same object at the same number again changes when that expires.

        Args:
            target: what to give out.
            swiss: a chosen number.
            expires: when the number stops working, on the registry's clock.
            revocable: give out a forwarder, which can be revoked.
            name: store the number for an object of this name; this gives the name to ``target``.

        Raises:
            ValueError: another object is published at this number or under this name, or this one
                otherwise revocable or under another name; or there is a name, but no store.
            Exception: what the store raises; nothing has changed then.
        """
        number = SwissNum.fresh(self._entropy) if swiss is None else swiss
        digest, end = number.digest(), _end(expires)
        with self._lock:
            self.expire(self._clock())
            forwarder = self._check(digest, target, revocable, name)
            if name is not None:
                self._require_store().put(RegistryEntry(digest, name, expires, revocable))
                self._kept.pop(digest, None)
                self.restore(name, target)
                self._named.setdefault(name, _Named(target)).digests[digest] = None
            if forwarder is not None:
                forwarder.expires = end
            self._admit(digest, target, end, revocable, name)
            return number

    def restore(self, name: str, target: Ref) -> int:
        """Give a name to an object: the numbers stored for it open ``target`` again. Return how many.

        Raises:
            ValueError: another object has this name; or there is no store.
        """
        self._require_store()
        _require_text(name)
        with self._lock:
            self.expire(self._clock())
            named = self._named.get(name)
            if named is None:
                return 0
            self._require_same(named, target)
            if named.target is None:
                named.target = target
                for digest in named.digests:
                    entry = self._kept.pop(digest, None)
                    if entry is not None:
                        self._admit(digest, target, _end(entry.expires), entry.revocable, name)
            return len(named.digests)

    def find(self, swiss: SwissNum) -> Ref:
        """Return what the number gives out.

        Raises:
            Refused: it opens nothing. Text and path are the same whatever the reason.
        """
        number = self._open.get(swiss.digest(), _NO_NUMBER)
        if number.expires <= self._clock():
            raise Refused(NOTHING)
        return number.target

    def digests(self, name: str) -> list[bytes]:
        """Return the hashes of the numbers that are stored under a name."""
        with self._lock:
            named = self._named.get(name)
            return [] if named is None else list(named.digests)

    def unpublish(self, digests: Iterable[bytes]) -> None:
        """Forget numbers. References that were fetched with them live on. Idempotent.

        Raises:
            Exception: what the store raises. The numbers open nothing any more, but may again
                after a restart: call it again.
        """
        with self._lock:
            gone = list(digests)
            for digest in gone:
                self._close(digest)
            if self._store is not None and gone:
                self._store.remove(gone)

    def revoke(self, digests: Iterable[bytes]) -> None:
        """Forget numbers, and cut off whoever holds a reference that they gave out. Idempotent.

        Raises:
            ValueError: one of them gave out the object itself. They are forgotten all the same.
            Exception: as for `unpublish`.
        """
        with self._lock:
            self.expire(self._clock())
            gone = list(digests)
            irrevocable = False
            for digest in gone:
                number = self._open.get(digest)
                irrevocable |= number is not None and number.forwarder is None
                revocation = self._revocations.pop(digest, None)
                if revocation is not None:
                    revocation.revoke()
            self.unpublish(gone)
        if irrevocable:
            raise ValueError(
                "this was published without revocable=True: it is unpublished now, but whoever "
                "fetched the object can go on using it"
            )

    def clear(self) -> None:
        """Forget all numbers, for this process: the store keeps what it has."""
        with self._lock:
            self._open.clear()
            self._kept.clear()
            self._named.clear()
            self._deadlines.clear()

    def timer(self) -> float | None:
        """Return when `expire` wants to be called, or ``None``."""
        with self._lock:
            return self._deadlines[0].when if self._deadlines else None

    def expire(self, now: float) -> None:
        """Forget the numbers whose time is over, and revoke what the revocable ones gave out."""
        with self._lock:
            gone: list[bytes] = []
            while self._deadlines and self._deadlines[0].when <= now:
                deadline = heapq.heappop(self._deadlines)
                forwarder = deadline.forwarder()
                if forwarder is not None and forwarder.expires <= now:
                    forwarder.revoke()
                if self._end_of(deadline.digest) <= now and self._close(deadline.digest):
                    gone.append(deadline.digest)
            if gone:
                try:
                    self._require_store().remove(gone)
                except Exception:
                    # Their time is stored with them, so that they stay closed all the same.
                    logger.exception("numbers whose time is over could not be removed from the store")

    def check(self) -> None:
        """Assert the invariants."""
        assert self._open.keys().isdisjoint(self._kept)
        for name, named in self._named.items():
            assert named.digests, "a name without numbers"
            for digest in named.digests:
                if named.target is None:
                    assert self._kept[digest].name == name
                else:
                    number = self._open[digest]
                    assert number.name == name
                    assert number.published is named.target
        names = sum(len(named.digests) for named in self._named.values())
        open_names = sum(number.name is not None for number in self._open.values())
        assert names == len(self._kept) + open_names, "a number that its name does not know"
        waiting = {(deadline.digest, deadline.when) for deadline in self._deadlines}
        for digest in (*self._open, *self._kept):
            end = self._end_of(digest)
            assert end == inf or (digest, end) in waiting, "a number that will not go in time"

    # Inside, under the lock

    def _check(self, digest: bytes, target: Ref, revocable: bool, name: str | None) -> Forwarder | None:
        """See whether ``target`` may be published so; return the forwarder if it has been already."""
        if name is not None:
            self._require_store()
            _require_text(name)
            named = self._named.get(name)
            if named is not None:
                self._require_same(named, target)
        number = self._open.get(digest)
        kept = self._kept.get(digest)
        if number is not None and number.published is not target:
            raise ValueError("another object is published at this swiss number")
        known_name = number.name if number is not None else kept.name if kept is not None else name
        if known_name != name:
            raise ValueError(f"this swiss number is published under another name: {known_name!r}")
        was_revocable = number.forwarder is not None if number is not None else revocable
        if kept is not None:
            was_revocable = kept.revocable
        if was_revocable is not revocable:
            raise ValueError("this swiss number is published otherwise: revocable is for its whole life")
        return None if number is None else number.forwarder

    def _require_same(self, named: _Named, target: Ref) -> None:
        if named.target is not None and named.target is not target:
            raise ValueError("another object is published under this name")

    def _require_store(self) -> RegistryStore:
        if self._store is None:
            raise ValueError(
                "a name is for what lasts: make the peer as Peer(…, registry=RegistryFile(path))"
            )
        return self._store

    def _admit(self, digest: bytes, target: Ref, end: float, revocable: bool, name: str | None) -> None:
        """Open a number, or change when it expires."""
        known = self._open.get(digest)
        given, forwarder = target, None
        if known is not None:
            given, forwarder = known.target, known.forwarder
        elif revocable:
            revocation = self._revocations.get(digest)
            if revocation is None:
                revocation = self._revocations[digest] = Revocation()
            forwarder = Forwarder(target, revocation, end)
            given = forwarder.reference()
        self._open[digest] = _Number(given, target, end, name, forwarder)
        self._expect(digest, end, forwarder)

    def _close(self, digest: bytes) -> bool:
        """Forget a number; return whether it is stored."""
        number = self._open.pop(digest, None)
        kept = self._kept.pop(digest, None)
        name = number.name if number is not None else kept.name if kept is not None else None
        if name is None:
            return False
        named = self._named[name]
        del named.digests[digest]
        if not named.digests:
            del self._named[name]
        return True

    def _end_of(self, digest: bytes) -> float:
        """Return when a number expires: never if there is none."""
        number = self._open.get(digest)
        if number is not None:
            return number.expires
        kept = self._kept.get(digest)
        return inf if kept is None else _end(kept.expires)

    def _expect(self, digest: bytes, end: float, forwarder: Forwarder | None) -> None:
        if end == inf:
            return
        deadlines = self._deadlines
        if len(deadlines) > self._clear_at:
            deadlines[:] = [deadline for deadline in deadlines if self._counts(deadline)]
            heapq.heapify(deadlines)
            self._clear_at = 2 * len(deadlines) + _SLACK
        self._ties += 1
        weak = _no_forwarder if forwarder is None else ref(forwarder)
        heapq.heappush(deadlines, _Deadline(end, self._ties, digest, weak))
        if deadlines[0].tie == self._ties:
            self._wake()

    def _counts(self, deadline: _Deadline) -> bool:
        forwarder = deadline.forwarder()
        lease = forwarder is not None and forwarder.expires == deadline.when
        return lease or self._end_of(deadline.digest) == deadline.when


def _require_text(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError("a name in the registry is a text, and not empty")


def moment(expires: float | datetime, now: float) -> float:
    """Return a time in seconds since 1970; ``expires`` is that time, or seconds from ``now``.

    Raises:
        TypeError, ValueError: it is neither, or over, or a time without a time zone.
    """
    if isinstance(expires, datetime):
        if expires.tzinfo is None:
            raise ValueError("a time needs a time zone, as in datetime.now(UTC) + timedelta(hours=1)")
        when = expires.timestamp()
    elif type(expires) in (int, float):
        when = now + expires
    else:
        raise TypeError(f"expires takes seconds or a datetime, not {type(expires).__name__}")
    if not now < when < inf:
        raise ValueError("expires is over, or no time: leave it out for a URI that does not expire")
    return when


def _end(expires: float | None) -> float:
    return inf if expires is None else expires
