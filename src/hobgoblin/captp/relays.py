"""What is passed on over a session for other peers, and how much of it each of them may have there.

A peer sees one session, and counts against it all that comes over it: also what is passed on for
others, which have no limits of their own there. So we count it, by who it is for, and leave off before
that peer would have to end the session:

====================  ================================================  ===============================
what                  counts from, to                                   bounded by what we would accept
====================  ================================================  ===============================
calls, listeners      sent, until the other side has answered           ``listeners``
answers               sent, until we have given them back               ``answers``
messages to a         sent, until answered: only the other side knows   ``promise_messages``,
promise               whether they still wait                           ``queued_messages``
octets                the same                                          ``queued_bytes``, ``promise_bytes``,
                                                                        ``outbound_bytes``
references of ours    exported, until the other side gives them back    ``exports``
references of theirs  answered, until we have given them back           ``imports``
answers of others     written, until the channel has taken them         ``outbound_bytes``
====================  ================================================  ===============================

A `Share` of three quarters of each bound serves all peers whose messages are passed on, so that one
alone gets no more than three eighths; the last quarter is for what we send ourselves. A message that nobody
asked about is passed on as a question all the same: its answer tells that it counts no more.

A part of a promise (op:get and the like) would have to be listened to for that, and so cross for
nobody. It counts no more either when a call that was sent to it is answered, and mostly one is. So only
if there are some parts already of which nothing is known, those that follow are listened to. That one was
dropped tells nothing: the other side lets its answer go, and keeps and counts the question until it settles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast, final

from hobgoblin.captp.shares import OWN_SHARE, Share
from hobgoblin.captp.stats import OPEN
from hobgoblin.errors import SessionFull
from hobgoblin.refs import (
    BROKEN,
    FOLLOWING,
    ROUTE_IMPORT,
    ROUTE_SELECTED,
    Message,
    Promise,
    Ref,
    RemoteRef,
    Selection,
)
from hobgoblin.values import Record, Shaped, Tagged

if TYPE_CHECKING:
    from hobgoblin.captp.session import Session

__all__ = ["Relays"]

_FULL = "what is passed on for this peer to others waits there already: no more of it for now"

UNASKED: Final = 64
"""Parts that were asked for over a session, and are not listened to."""

PromiseKey = tuple[bool, int]
"""A promise of the other side: whether it is an export of theirs or an answer to us, and where."""


@final
class Relays:
    """What is passed on over ``session`` for others. ``who`` stands for one of them, everywhere."""

    def __init__(self, session: Session) -> None:
        limits = session._limits
        self._session = session
        self._calls = Share(_shared(limits.listeners))
        self._queued = Share(_shared(limits.queued_messages))
        self._octets = Share(_shared(min(limits.queued_bytes, limits.outbound_bytes)))
        self._each = _shared(limits.promise_messages)
        self._each_octets = _shared(limits.promise_bytes)
        self._promises: dict[PromiseKey, tuple[Share, Share]] = {}
        # Answers that were written for others: where their octets end in all that was written, and whose.
        self._unsent: deque[tuple[int, Hashable, int]] = deque()
        # How many calls of others are parts: those have no resolver that the session counts.
        self._parts = 0
        self._unasked: dict[int, _Receipt] = {}
        # What is listened to next, counts in the place of the call that it is the answer to.
        self._covered = False
        self._answers = Share(_shared(limits.outbound_bytes))
        tables = session._crossing
        tables.exports.charges.share.most = _shared(session._own_exports)
        tables.imports.charges.share.most = _shared(limits.imports)
        tables.questions.charges.share.most = _shared(limits.answers)

    def __len__(self) -> int:
        """How many calls of others the other side has not answered."""
        return self._calls.taken

    def deliver(self, message: Message, answer: Promise[Any], who: Hashable, held: object) -> None:
        """Send a message on; ``held`` is kept until it has been answered.

        Args:
            message: its target is behind this session. A selection asks for a part.
            answer: what the other side is to settle.
            who: whom it is passed on for.
            held: what counts elsewhere as long as this does.

        Raises:
            SessionFull: there is no room for more of this. Nothing has changed then.
            SessionSevered, NotPassable: as for `Session.deliver`.
        """
        session = self._session
        if session.state is not OPEN:
            raise session._not_open()
        target = message.target
        key = _promise_key(target)
        self._require_room(who, key)
        exports = session._exports
        most, first, written = exports.most, exports.next, session._bytes_sent
        exports.most = min(most, len(exports) + exports.charges.share.room(who, len(exports)))
        try:
            if isinstance(message, Selection):
                session.select(target, message.selector, message.untag, answer)
            else:
                session.deliver(target, message.args, answer)
        except SessionFull as error:
            session._refused -= 1
            raise self._refusal() from error
        finally:
            exports.most = most
        session._crossing.questions.charges.charge(answer._pos, who)
        # A part that is listened to is two things that the other side keeps.
        listens = isinstance(message, Selection) and (
            answer._listeners is not None or len(self._unasked) >= UNASKED
        )
        calls = 2 if listens else 1
        part = isinstance(message, Selection)
        self._parts += part
        receipt = _Receipt(self, who, key, calls, part, session._bytes_sent - written, held)
        self._calls.take(who, calls)
        self._octets.take(who, receipt.octets)
        if key is not None:
            self._queued.take(who)
            each = self._promises.get(key)
            if each is None:
                each = self._promises[key] = (Share(self._each), Share(self._each_octets))
            each[0].take(who)
            each[1].take(who, receipt.octets)
        if part and not listens:
            # What is kept for it would be kept as long as nothing is known of the part.
            receipt.held = None
            self._unasked[answer._pos] = receipt
        else:
            answer._listen_here(receipt)
        self._charge(first, who)

    def listen(self, promise: Promise[Any], who: Hashable, held: object) -> bool:
        """Count that the other side is asked about ``promise`` for ``who``; return whether it may be."""
        if self._covered:
            self._covered = False
            return True
        if self._calls.room(who, self._session._awaited + self._parts) <= 0:
            return False
        self._calls.take(who)
        promise._listen_here(_Receipt(self, who, None, 1, False, 0, held))
        return True

    def answered(self, answer: Promise[Any], promise: Promise[Any]) -> None:
        """Resolve ``answer`` to a promise that has come: the call is over, and that is asked about instead.

        Never refused, for it is no more than there was before: who answers with promises must not be able
        to use up the share of those who have asked.
        """
        receipts = [each for each in answer._listeners or () if type(each) is _Receipt]
        self._covered = bool(receipts)
        answer._resolve_here(promise)
        self._covered = False
        if answer._state == FOLLOWING:
            for receipt in receipts:
                answer._unlisten(receipt)
                answer._root()._expect(receipt)

    def asked(self, promise: Promise[Any]) -> None:
        """A promise is listened to now, which may be a part that was not."""
        receipt = self._unasked.pop(promise._pos, None) if promise._route_kind == ROUTE_SELECTED else None
        if receipt is not None:
            promise._listen_here(receipt)

    def clear(self) -> None:
        """The session has ended. What waits for it breaks, and so counts no more."""
        while self._unasked:
            self._known(next(iter(self._unasked)))

    def tell(self, resolver: Ref, verb: object, value: object, who: Hashable) -> None:
        """Tell the other side what ``who`` has answered, as `Session.tell` does.

        Raises:
            SessionFull: the other side has too much of ``who`` already. Nothing has changed then.
            SessionSevered, NotPassable: as for `Session.tell`.
        """
        session = self._session
        exports = session._exports
        left = session._bytes_sent - session._unsent
        while self._unsent and self._unsent[0][0] <= left:
            _, other, octets = self._unsent.popleft()
            self._answers.give_back(other, octets)
        if self._answers.room(who) <= 0:
            raise self._refusal()
        first, written = exports.next, session._bytes_sent
        if session.state is not OPEN:
            raise session._not_open()
        exports.most = len(exports) + exports.charges.share.room(who, len(exports))
        try:
            session._say(resolver, (verb, value))
        except SessionFull as error:
            raise self._refusal() from error
        finally:
            exports.most = session._own_exports
        self._charge(first, who)
        octets = session._bytes_sent - written
        self._answers.take(who, octets)
        self._unsent.append((session._bytes_sent, who, octets))

    def hogs(self, who: Hashable, target: Ref) -> bool:
        """Tell whether there is no room because ``who`` has it all, and not because others have.

        Args:
            who: one of them.
            target: what its message was for: what it has at other promises is no fault of this one.
        """
        tables = self._session._crossing
        shares = [self._calls, self._queued, self._octets]
        shares += [table.charges.share for table in (tables.exports, tables.questions, tables.imports)]
        key = _promise_key(target)
        if key is not None:
            shares += self._promises.get(key, ())
        return any(share.hogs(who) for share in shares)

    def check(self) -> None:
        """Assert that all is counted once."""
        for share in (self._calls, self._queued, self._octets, self._answers):
            share.check()
        for messages, octets in self._promises.values():
            messages.check()
            octets.check()
        assert sum(each.taken for each, _ in self._promises.values()) == self._queued.taken
        assert self._octets.taken >= sum(octets.taken for _, octets in self._promises.values())

    def _require_room(self, who: Hashable, key: PromiseKey | None) -> None:
        session = self._session
        questions = session._crossing.questions
        imports = session._crossing.imports
        room = (
            self._calls.room(who, session._awaited + self._parts) > 0
            and self._octets.room(who) > 0
            and questions.charges.share.room(who, len(questions)) > 0
            # Each of its calls may bring a reference.
            and imports.charges.share.room(who, len(imports)) > self._calls.of(who)
        )
        if room and key is not None:
            room = self._queued.room(who) > 0
            each = self._promises.get(key)
            if room and each is not None:
                room = each[0].room(who) > 0 and each[1].room(who) > 0
        if not room:
            raise self._refusal()

    def _charge(self, first: int, who: Hashable) -> None:
        """Count what has been exported since position ``first`` was the next."""
        exports = self._session._exports
        for pos in range(first, exports.next):
            if exports.get(pos) is not None:
                exports.charges.charge(pos, who)

    def _refusal(self) -> SessionFull:
        self._session._refused += 1
        return SessionFull(_FULL)

    def _known(self, pos: int) -> None:
        """The part that is the answer ``pos`` has settled, and what it is a part of."""
        receipt = self._unasked.pop(pos, None)
        while receipt is not None:
            self._give_back(receipt)
            key = receipt.key
            receipt = None if key is None or key[0] else self._unasked.pop(key[1], None)

    def _give_back(self, receipt: _Receipt) -> None:
        who, key, octets = receipt.who, receipt.key, receipt.octets
        self._calls.give_back(who, receipt.calls)
        self._parts -= receipt.part
        if octets:
            self._octets.give_back(who, octets)
        if key is not None:
            self._queued.give_back(who)
            each = self._promises[key]
            each[0].give_back(who)
            each[1].give_back(who, octets)
            if not each[0].taken:
                del self._promises[key]

    def _answered(self, receipt: _Receipt, promise: Promise[Any]) -> None:
        who, key = receipt.who, receipt.key
        self._give_back(receipt)
        if key is not None and not key[0]:
            self._known(key[1])
        if receipt.octets:
            imports = self._session._crossing.imports
            value = promise._value if promise._state != BROKEN else getattr(promise._value, "reason", None)
            for pos in _positions(value, self._session._sink):
                # One that had come before is there for others as well.
                if imports.times_received(pos) == 1:
                    imports.charges.charge(pos, who)


@final
class _Receipt:
    """Listens for the answer to what was passed on."""

    __slots__ = ("calls", "held", "key", "octets", "part", "relays", "who")

    def __init__(
        self,
        relays: Relays,
        who: Hashable,
        key: PromiseKey | None,
        calls: int,
        part: bool,
        octets: int,
        held: object,
    ) -> None:
        self.relays = relays
        self.who = who
        self.key = key
        self.calls = calls
        self.part = part
        self.octets = octets
        self.held: object = held

    def settled(self, promise: Promise[Any]) -> None:
        self.relays._answered(self, promise)


def _promise_key(target: Any) -> PromiseKey | None:
    if type(target) is not Promise:
        return None
    return (target._route_kind == ROUTE_IMPORT, target._pos)


def _shared(most: int) -> int:
    return most - most // OWN_SHARE


def _positions(value: object, sink: object) -> Iterator[int]:
    """Yield where the references of ``sink`` in a received value are, but for its bootstrap object."""
    left: list[object] = [value]
    while left:
        item = left.pop()
        if type(item) is Shaped:
            item = item.value
        if type(item) is RemoteRef:
            if item._sink is sink and item._pos:
                yield item._pos
        elif type(item) is Promise:
            promise = cast("Promise[Any]", item)  # type: ignore[redundant-cast]  # pyright does not see it
            if promise._route is sink and promise._route_kind == ROUTE_IMPORT:
                yield promise._pos
        elif type(item) is tuple or type(item) is list:
            left.extend(cast("tuple[object, ...]", item))
        elif type(item) is MappingProxyType:
            left.extend(cast("MappingProxyType[str, object]", item).values())
        elif type(item) is Tagged:
            left.append(item.value)
        elif type(item) is Record:
            left.extend(item.fields)
