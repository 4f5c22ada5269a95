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

from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar, final
from weakref import ReferenceType

from hobgoblin.captp.shares import Charges
from hobgoblin.errors import SessionFull
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import Ref

__all__ = [
    "Export",
    "Exports",
    "Tracked",
    "Tracking",
]

R = TypeVar("R", bound=Ref)

_PAGE_BITS: Final = 4
_PER_PAGE: Final = 1 << _PAGE_BITS
_IN_PAGE: Final = _PER_PAGE - 1


@final
class Export:
    """An entry of the export table as it stands: something of ours that the peer can reach.

    ``settles`` is set when the entry is no object but one of our resolvers: the promise that the
    peer's ``fulfill`` or ``break`` settles.
    """

    __slots__ = ("sent", "settles", "target")

    def __init__(self, target: Ref | None, settles: Promise[Any] | None, sent: int) -> None:
        self.target = target
        self.settles = settles
        self.sent = sent


@final
class Page:
    """Positions of the export table that follow one another, and what of ours is at them.

    ``held`` is how many of them lead to anything.
    """

    __slots__ = ("held", "number", "targets")

    def __init__(self, number: int) -> None:
        self.number = number
        self.held = 0
        self.targets: list[Ref | None] = [None] * _PER_PAGE

    def position_of(self, target: Ref) -> int:
        """Return where ``target`` is, which is on this page."""
        for place, each in enumerate(self.targets):
            if each is target:
                return (self.number << _PAGE_BITS) + place
        raise LookupError("the index of exports names another page")


@final
class Exports:
    """The export table. Counts change with `commit`, when the message that carries them exists.

    ``most`` is how many entries there may be after what is being written; to add more raises
    `SessionFull`, and nothing of the message is to be kept. ``ignored`` is how often the peer gave
    back what there was not.

    There may be millions of entries, and each call adds a resolver and removes it. So nothing is kept
    of an entry but what it leads to; a count only where it is not one. Objects that are exported one after
    the other share a page: 16 have 16 places, and each leads back to the page, so that no number is kept
    of it. A page goes with the last object on it. At worst a peer gives back all but one of each page:
    then an object takes some 350 octets here, and not 22; to these come the 60 of the way back.
    """

    __slots__ = (
        "_again",
        "_charges",
        "_committed",
        "_counts",
        "_last",
        "_next",
        "_page_of",
        "_pages",
        "_resolvers",
        "ignored",
        "most",
    )

    def __init__(self, bootstrap: Ref, most: int) -> None:
        self.most = most
        self.ignored = 0
        self._pages: dict[int, Page] = {}
        self._page_of: dict[Ref, Page] = {}
        self._last: Page | None = None  # which something was put on: it stays, also if it is empty
        self._resolvers: dict[int, Promise[Any] | None] = {}
        self._counts: dict[int, int] = {}  # of targets that were sent more than once
        self._put(0, bootstrap)
        self._next = 1
        self._committed = 1  # what _next was before the message that is being written
        self._again: list[int] = []  # what that message names and was there before, or in it already
        self._charges: Charges | None = None

    def __len__(self) -> int:
        return len(self._page_of) + len(self._resolvers)

    def __contains__(self, pos: object) -> bool:
        return isinstance(pos, int) and (pos in self._resolvers or self.target(pos) is not None)

    def __iter__(self) -> Iterator[tuple[int, Export]]:
        for pos in self._positions():
            yield pos, Export(self.target(pos), None, self._sent_before(pos))
        for pos, promise in tuple(self._resolvers.items()):
            yield pos, Export(None, promise, self._sent_before(pos))

    def get(self, pos: int) -> Export | None:
        """Return what there is at ``pos``, for whoever looks at the table; it is a copy."""
        if pos not in self:
            return None
        return Export(self.target(pos), self._resolvers.get(pos), self._sent_before(pos))

    def target(self, pos: int) -> Ref | None:
        """Return what of ours is at ``pos``, if anything is that is no resolver."""
        page = self._pages.get(pos >> _PAGE_BITS)
        return None if page is None else page.targets[pos & _IN_PAGE]

    @property
    def next(self) -> int:
        """The position of the next entry. None is used twice."""
        return self._next

    @property
    def charges(self) -> Charges:
        """Those entries that are there for other peers."""
        if self._charges is None:
            self._charges = Charges()
        return self._charges

    def describe(self, target: Ref) -> int:
        """Return the position of ``target`` for a message that is being written; a new one if need be."""
        page = self._page_of.get(target)
        if page is None:
            pos = self._new_pos()
            self._put(pos, target)
        else:
            pos = page.position_of(target)
            self._again.append(pos)
        return pos

    def resolver(self, promise: Promise[Any] | None) -> int:
        """Return a new position at which the peer can settle ``promise``, once; ``None`` is for nothing."""
        pos = self._new_pos()
        self._resolvers[pos] = promise
        return pos

    def settle(self, pos: int) -> Promise[Any] | None:
        """Return the promise that the resolver at ``pos`` settles, the first time; then ``None``."""
        promise = self._resolvers[pos]
        if promise is not None:
            self._resolvers[pos] = None
        return promise

    def commit(self) -> None:
        """The message exists: count what it carries."""
        self._committed = self._next
        if self._again:
            for pos in self._again:
                self._counts[pos] = self._sent(pos) + 1
            self._again.clear()

    def roll_back(self) -> None:
        """The message could not be written: forget what it would have exported."""
        while self._next > self._committed:
            self._next -= 1
            if self._next in self._resolvers:
                del self._resolvers[self._next]
            else:
                self._take(self._next)
        self._again.clear()

    def release(self, pos: int, delta: int) -> Promise[Any] | None:
        """The peer gives back ``delta`` references to ``pos``. Return what only it could have settled.

        Position 0 is pinned. Unknown positions and too large counts harm nobody but the peer, and
        peers of today send them: the first are ignored, the second clamped.
        """
        if pos in self._resolvers:
            # It was sent once, with the message that it was made for.
            promise = self._resolvers.pop(pos)
            if delta > 1:
                self.ignored += 1
            self._discharge(pos)
            return promise
        if pos == 0 or self.target(pos) is None:
            self.ignored += 1
            return None
        left = self._sent(pos) - delta
        if left > 1:
            self._counts[pos] = left
        elif left == 1:
            del self._counts[pos]
        else:
            if left < 0:
                self.ignored += 1
            self._take(pos)
            self._counts.pop(pos, None)
            self._discharge(pos)
        return None

    def clear(self) -> list[Promise[Any]]:
        """Drop everything; return the promises that only the peer could have settled."""
        unsettled = [promise for promise in self._resolvers.values() if promise is not None]
        self._pages.clear()
        self._page_of.clear()
        self._last = None
        self._resolvers.clear()
        self._counts.clear()
        self._again.clear()
        if self._charges is not None:
            self._charges.clear()
        return unsettled

    def check(self) -> None:
        """Assert the invariants of the table."""
        assert not self._again, "a message was neither committed nor rolled back"
        assert self._next == self._committed, "positions of a message that was never written"
        positions = self._positions()
        assert len(self._page_of) == len(positions), "an index without an entry"
        for number, page in self._pages.items():
            held = [target for target in page.targets if target is not None]
            assert page.number == number, f"page {number} is said to be {page.number}"
            assert page.held == len(held), f"page {number} holds {len(held)} targets, not {page.held}"
            assert held or page is self._last, f"page {number} is empty"
            assert all(self._page_of[target] is page for target in held), (
                f"page {number} is indexed elsewhere"
            )
        assert all(pos < self._next for pos in (*positions, *self._resolvers)), "one was never allotted"
        assert self._resolvers.keys().isdisjoint(positions), "a resolver is a target, too"
        for pos, sent in self._counts.items():
            assert self.target(pos) is not None, f"a count of export {pos}, which is gone"
            assert pos == 0 or sent > 1, f"export {pos} has count {sent}"
        if self._charges is not None:
            self._charges.check(self)

    def _new_pos(self) -> int:
        """Return the position of one more entry, for a message that is being written."""
        if len(self._page_of) + len(self._resolvers) >= self.most:
            raise SessionFull(f"the other side holds {len(self)} references of ours: it must give some back")
        pos = self._next
        self._next = pos + 1
        return pos

    def _put(self, pos: int, target: Ref) -> None:
        """Have ``pos`` lead to ``target``."""
        number = pos >> _PAGE_BITS
        page = self._last
        if page is None or page.number != number:
            if page is not None and not page.held:
                del self._pages[page.number]
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = Page(number)
            self._last = page
        page.targets[pos & _IN_PAGE] = target
        page.held += 1
        self._page_of[target] = page

    def _take(self, pos: int) -> None:
        """Have ``pos`` lead to nothing, which leads to something now."""
        page = self._pages[pos >> _PAGE_BITS]
        place = pos & _IN_PAGE
        target = page.targets[place]
        assert target is not None
        page.targets[place] = None
        page.held -= 1
        if not page.held and page is not self._last:
            del self._pages[page.number]
        del self._page_of[target]

    def _positions(self) -> list[int]:
        """Return where there are targets."""
        return [
            (page.number << _PAGE_BITS) + place
            for page in self._pages.values()
            for place, target in enumerate(page.targets)
            if target is not None
        ]

    def _sent(self, pos: int) -> int:
        """Return how often what is at ``pos`` was sent and not given back."""
        return self._counts.get(pos, 0 if pos == 0 else 1)

    def _sent_before(self, pos: int) -> int:
        """The same without the message that is being written."""
        return 0 if pos >= self._committed else self._sent(pos)

    def _discharge(self, pos: int) -> None:
        if self._charges is not None:
            self._charges.drop(pos)


@final
class Tracked(ReferenceType[R], Generic[R]):
    """A weak entry of the import or the question table: the reference and its count in one object."""

    __slots__ = ("count", "pos")

    pos: int
    count: int


@final
class Tracking(Generic[R]):
    """The import or the question table: entries that go when nobody holds the reference any more.

    ``dropped`` is called with each entry whose reference is gone.
    """

    __slots__ = ("_by_pos", "_charges", "_dropped")

    def __init__(self, dropped: Callable[[Any], object]) -> None:
        self._by_pos: dict[int, Tracked[R]] = {}
        self._dropped = dropped
        self._charges: Charges | None = None

    def __len__(self) -> int:
        return len(self._by_pos)

    @property
    def charges(self) -> Charges:
        """Those entries that are there for other peers."""
        if self._charges is None:
            self._charges = Charges()
        return self._charges

    def get(self, pos: int) -> R | None:
        """Return the reference at ``pos`` if somebody still holds it."""
        entry = self._by_pos.get(pos)
        return None if entry is None else entry()

    def again(self, pos: int) -> R | None:
        """Return the reference at ``pos`` if somebody still holds it, and count one more reception."""
        entry = self._by_pos.get(pos)
        if entry is None:
            return None
        target = entry()
        if target is not None:
            entry.count += 1
        return target

    def add(self, pos: int, target: R) -> None:
        """Track ``target`` at ``pos``, received once; and as often as an earlier one that is dead by now."""
        entry: Any = Tracked.__new__(Tracked, target, self._dropped)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        entry.pos = pos
        entry.count = 1
        old = self._by_pos.setdefault(pos, entry)
        if old is not entry:
            assert old() is None, f"position {pos} is in use"
            entry.count += old.count
            self._by_pos[pos] = entry

    def times_received(self, pos: int) -> int:
        """Return how often a reference to ``pos`` has come in and was not given back."""
        entry = self._by_pos.get(pos)
        return 0 if entry is None else entry.count

    def forget(self, entry: Tracked[Any]) -> int:
        """Drop a dead entry; return its count, or 0 if it was replaced by a living one meanwhile."""
        pos = entry.pos
        if self._by_pos.get(pos) is not entry:
            return 0
        del self._by_pos[pos]
        if self._charges is not None:
            self._charges.drop(pos)
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
        if self._charges is not None:
            self._charges.check(self._by_pos)

    def clear(self) -> None:
        """Drop everything. The references themselves live on, in the hands of whoever holds them."""
        self._by_pos.clear()
        if self._charges is not None:
            self._charges.clear()
