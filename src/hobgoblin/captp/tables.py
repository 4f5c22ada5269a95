"""The four tables of a session, seen from our side.

=========  =============  ============================  =====================================
table      chosen by      holds                         an entry goes when
=========  =============  ============================  =====================================
exports    us             ours, as long as the peer     the peer has given back as many
                          may use it; and resolvers     references as were sent
imports    the peer       theirs, weakly                we have told it that the last local
                                                        reference is gone
questions  us             promises for its answers,     we have told it that the promise is
                          weakly                        gone
answers    the peer       promises for our answers      the peer says so
=========  =============  ============================  =====================================

Counts: ``Export.sent`` is how often a reference was sent and not given back. Invariant, with the
messages under way counted in: ``sent`` here = the importer's ``received`` + gc under way. A reference
that is sent again while a gc for it crosses on the wire therefore never loses its entry.

Weak references do the collecting: when the last local reference to an import or a question goes,
the interpreter puts its entry into a queue, and nothing else; the session empties the queue when
it next writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, final
from weakref import ReferenceType

from hobgoblin.captp.shares import Charges
from hobgoblin.errors import SessionFull
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import Ref

__all__ = [
    "Dropped",
    "Export",
    "Exports",
    "Tracked",
    "Tracking",
]

R = TypeVar("R", bound=Ref)


@final
class Export:
    """Something of ours that the peer can reach.

    ``settles`` is set when the entry is no object but one of our resolvers: the promise that the
    peer's ``fulfill`` or ``break`` settles.
    """

    __slots__ = ("sent", "settles", "target")

    def __init__(self, target: Ref | None, settles: Promise[Any] | None) -> None:
        self.target = target
        self.settles = settles
        self.sent = 0


@final
class Exports:
    """The export table. Counts change with `commit`, when the message that carries them exists.

    ``most`` is how many entries there may be after what is being written; to add more raises
    `SessionFull`, and nothing of the message is to be kept. ``charges`` are those that are there for
    other peers.
    """

    __slots__ = ("_by_pos", "_committed", "_next", "_pos_of", "_staged", "charges", "most")

    def __init__(self, bootstrap: Ref, most: int) -> None:
        self.most = most
        self.charges = Charges()
        self._by_pos: dict[int, Export] = {0: Export(bootstrap, None)}
        self._pos_of: dict[Ref, int] = {bootstrap: 0}
        self._next = 1
        self._committed = 1  # what _next was before the message that is being written
        self._staged: list[Export] = []

    def __len__(self) -> int:
        return len(self._by_pos)

    def __iter__(self) -> Iterator[tuple[int, Export]]:
        return iter(self._by_pos.items())

    def get(self, pos: int) -> Export | None:
        return self._by_pos.get(pos)

    @property
    def next(self) -> int:
        """The position of the next entry. None is used twice."""
        return self._next

    def describe(self, target: Ref) -> int:
        """Return the position of ``target`` for a message that is being written; a new one if need be."""
        pos = self._pos_of.get(target)
        if pos is None:
            pos = self._add(Export(target, None))
            self._pos_of[target] = pos
        else:
            self._staged.append(self._by_pos[pos])
        return pos

    def resolver(self, promise: Promise[Any] | None) -> int:
        """Return a new position at which the peer can settle ``promise``, once; ``None`` is for nothing."""
        entry = Export.__new__(Export)
        entry.target = None
        entry.settles = promise
        entry.sent = 0
        return self._add(entry)

    def commit(self) -> None:
        """The message exists: count what it carries."""
        if self._staged:
            for entry in self._staged:
                entry.sent += 1
            self._staged.clear()
            self._committed = self._next

    def roll_back(self) -> None:
        """The message could not be written: forget what it would have exported."""
        while self._next > self._committed:
            self._next -= 1
            self._remove(self._next)
        self._staged.clear()

    def release(self, pos: int, delta: int) -> Export | None:
        """The peer gives back ``delta`` references to ``pos``. Return the entry if it is gone by that.

        Position 0 is pinned. Unknown positions and too large counts harm nobody but the peer, and
        peers of today send them: the first are ignored, the second clamped.
        """
        entry = self._by_pos.get(pos)
        if entry is None or pos == 0:
            return None
        if delta < entry.sent:
            entry.sent -= delta
            return None
        return self._remove(pos)

    def clear(self) -> list[Export]:
        """Drop everything; return what was there."""
        entries = list(self._by_pos.values())
        self._by_pos.clear()
        self._pos_of.clear()
        self._staged.clear()
        self.charges.clear()
        return entries

    def check(self) -> None:
        """Assert the invariants of the table."""
        assert not self._staged, "a message was neither committed nor rolled back"
        assert self._next == self._committed, "positions of a message that was never written"
        for pos, entry in self._by_pos.items():
            assert pos < self._next, f"export {pos} was never allotted"
            assert pos == 0 or entry.sent > 0, f"export {pos} has count {entry.sent}"
            if entry.target is not None:
                assert self._pos_of[entry.target] == pos, f"export {pos} is indexed elsewhere"
        assert all(pos in self._by_pos for pos in self._pos_of.values()), "index without an entry"
        self.charges.check(self._by_pos)

    def _add(self, entry: Export) -> int:
        """Give ``entry`` a position, for a message that is being written."""
        if len(self._by_pos) >= self.most:
            raise SessionFull(
                f"the other side holds {len(self._by_pos)} references of ours: it must give some back"
            )
        pos = self._next
        self._next = pos + 1
        self._by_pos[pos] = entry
        self._staged.append(entry)
        return pos

    def _remove(self, pos: int) -> Export:
        entry = self._by_pos.pop(pos)
        if entry.target is not None:
            del self._pos_of[entry.target]
        if self.charges.by_pos:
            self.charges.drop(pos)
        return entry


Dropped = deque["Tracked[Any]"]


@final
class Tracked(ReferenceType[R], Generic[R]):
    """A weak entry of the import or the question table: the reference and its count in one object."""

    __slots__ = ("count", "pos")

    pos: int
    count: int


@final
class Tracking(Generic[R]):
    """The import or the question table: entries that go when nobody holds the reference any more.

    ``charges`` are those that are there for other peers.
    """

    __slots__ = ("_by_pos", "_dropped", "charges")

    def __init__(self, dropped: Callable[[Any], object]) -> None:
        self._by_pos: dict[int, Tracked[R]] = {}
        self._dropped = dropped
        self.charges = Charges()

    def __len__(self) -> int:
        return len(self._by_pos)

    def get(self, pos: int) -> R | None:
        """Return the reference at ``pos`` if somebody still holds it."""
        entry = self._by_pos.get(pos)
        return None if entry is None else entry()

    def add(self, pos: int, target: R) -> None:
        """Track ``target`` at ``pos``. A count that an earlier, collected reference left is kept."""
        entry = Tracked(target, self._dropped)
        entry.pos = pos
        entry.count = 0
        old = self._by_pos.get(pos)
        if old is not None:
            assert old() is None, f"position {pos} is in use"
            entry.count = old.count
        self._by_pos[pos] = entry

    def received(self, pos: int) -> None:
        """Count one more reception."""
        entry = self._by_pos[pos]
        entry.count += 1

    def times_received(self, pos: int) -> int:
        """Return how often a reference to ``pos`` has come in and was not given back."""
        entry = self._by_pos.get(pos)
        return 0 if entry is None else entry.count

    def forget(self, entry: Tracked[Any]) -> int:
        """Drop a dead entry; return its count, or 0 if it was replaced by a living one meanwhile."""
        if self._by_pos.get(entry.pos) is not entry:
            return 0
        del self._by_pos[entry.pos]
        if self.charges.by_pos:
            self.charges.drop(entry.pos)
        return entry.count

    def living(self) -> list[R]:
        """Return all the references that somebody still holds."""
        return [target for entry in self._by_pos.values() if (target := entry()) is not None]

    def rows(self) -> list[tuple[int, R | None, int]]:
        """Return positions, references and counts, for a dump."""
        return [(pos, entry(), entry.count) for pos, entry in self._by_pos.items()]

    def check(self) -> None:
        """Assert the invariants of the table."""
        for pos, entry in self._by_pos.items():
            assert entry.pos == pos, f"the entry at {pos} is that of {entry.pos}"
        self.charges.check(self._by_pos)

    def clear(self) -> None:
        """Drop everything. The references themselves live on, in the hands of whoever holds them."""
        self._by_pos.clear()
        self.charges.clear()
