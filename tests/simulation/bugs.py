"""Bugs that are planted in our own code, to see that the simulation finds them.

Each is a function that puts something in the place of an attribute for as long as a run takes.
``python -m tests.simulation --bugs`` prints how many seeds it takes to find each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any
from unittest.mock import patch

import hobgoblin.captp.gifts
import hobgoblin.captp.handoffs
import hobgoblin.captp.relays
from hobgoblin.captp.crossing import Crossing
from hobgoblin.captp.gifts import GiftDesk, GiftTable
from hobgoblin.captp.handoffs import Gift
from hobgoblin.captp.relays import _Receipt
from hobgoblin.captp.session import Session, SessionState
from hobgoblin.captp.shares import Charges, Share
from hobgoblin.captp.tables import Exports, Tracking
from hobgoblin.connection import Connection
from hobgoblin.errors import Refused
from hobgoblin.failures import Failures
from hobgoblin.messages import OpAbort
from hobgoblin.peer import MAX_DIALS, Peer
from hobgoblin.refs import FULFILLED, PENDING, ROUTE_IMPORT, Promise, RemoteRef, Selection
from hobgoblin.reports import Report
from hobgoblin.sturdyrefs import Registry
from hobgoblin.values import DEFAULT_LIMITS, ErrorValue
from tests.simulation.siege import besiege
from tests.simulation.world import Plan, simulate

Plant = Callable[[Any, str, Any], None]

BUGS: dict[str, Callable[[Plant], None]] = {}

SIEGES: set[str] = set()
"""Those that show only where a peer floods another one through a third: `siege` looks for them."""

BYZANTINE: set[str] = set()
"""Those that only a byzantine peer brings to light: only seeds with one look for them."""


def bug(function: Callable[[Plant], None]) -> Callable[[Plant], None]:
    BUGS[function.__name__.replace("_", " ")] = function
    return function


def byzantine_bug(function: Callable[[Plant], None]) -> Callable[[Plant], None]:
    BYZANTINE.add(function.__name__.replace("_", " "))
    return bug(function)


def siege_bug(function: Callable[[Plant], None]) -> Callable[[Plant], None]:
    SIEGES.add(function.__name__.replace("_", " "))
    return bug(function)


@bug
def a_reception_is_not_counted(plant: Plant) -> None:
    """What has been received once already is not counted when it is received again."""

    plant(Tracking, "again", Tracking.get)


@bug
def a_release_takes_all(plant: Plant) -> None:
    """The guard of the classic race is gone: a release drops what is on its way once more."""
    original = Exports.release

    def release(self: Any, pos: int, delta: int) -> Any:
        entry = self.get(pos)
        return original(self, pos, delta if entry is None else max(delta, entry.sent))

    plant(Exports, "release", release)


@bug
def a_release_takes_one_too_many(plant: Plant) -> None:
    """The last reference but one takes the entry along."""
    original = Exports.release

    def release(self: Any, pos: int, delta: int) -> Any:
        entry = self.get(pos)
        return original(self, pos, delta + 1 if entry is not None and entry.sent == delta + 1 else delta)

    plant(Exports, "release", release)


@bug
def a_revived_import_forgets_its_count(plant: Plant) -> None:
    """A reference that comes again before the last one was given back begins at nought."""
    original = Tracking.add

    def add(self: Any, pos: int, target: Any) -> None:
        self._by_pos.pop(pos, None)
        original(self, pos, target)

    plant(Tracking, "add", add)


@bug
def a_question_is_never_released(plant: Plant) -> None:
    """The other side keeps all its answers."""
    plant(Crossing, "_question_dropped", lambda self, entry: None)


@bug
def held_releases_are_forgotten(plant: Plant) -> None:
    """Releases wait for the dialect of the peer, and nobody looks at them once it is known."""
    plant(Crossing, "remind", lambda self: None)


@bug
def an_answer_position_is_used_again_too_early(plant: Plant) -> None:
    """A question that nobody holds any more gives its position away before the peer knows."""
    original = Session.deliver

    def deliver(self: Any, target: Any, args: Any, answer: Any) -> None:
        last = self._next_question
        for pos, entry in self._crossing.questions._by_pos.items():
            if answer is not None and entry() is None:
                self._next_question = pos
                break
        try:
            original(self, target, args, answer)
        finally:
            self._next_question = max(last, self._next_question)

    plant(Session, "deliver", deliver)


@bug
def two_objects_share_a_position(plant: Plant) -> None:
    """An object is exported at the position of another one of its class."""
    original = Exports.describe

    def describe(self: Any, target: Any) -> Any:
        for pos, entry in self:
            other = entry.target
            if pos and repr(other) == repr(target):
                return original(self, other)
        return original(self, target)

    plant(Exports, "describe", describe)


@bug
def a_route_is_shortened_at_once(plant: Plant) -> None:
    """Messages overtake those that went the long way before the promise was resolved."""
    plant(Promise, "_used", Used(lambda promise: promise._state != PENDING))


@bug
def a_route_is_shortened_within_a_session(plant: Plant) -> None:
    """The short way is taken if it leads to the peer that forwards what goes the long way."""
    plant(
        Promise,
        "_used",
        Used(
            lambda promise: isinstance(promise._value, RemoteRef) and promise._value._sink is promise._route
        ),
    )


@bug
def a_follower_forgets_the_detour(plant: Plant) -> None:
    """A promise takes over what another one has become, and not the way that its messages go."""

    class NoDetour:
        def __get__(self, instance: Any, owner: Any) -> None:
            return None

        def __set__(self, instance: Any, value: Any) -> None:
            pass

    plant(Promise, "_detour", NoDetour())


@bug
def what_waits_keeps_its_old_target(plant: Plant) -> None:
    """What a promise has queued for another one goes along the route under that one's name."""

    def set_route(self: Any, route: Any, kind: int, pos: int) -> None:
        self._route, self._route_kind, self._pos = route, kind, pos
        if self._listeners and kind == ROUTE_IMPORT:
            route.listen(self)
        queue, self._queue = self._queue, None
        for message in queue or ():
            self._used = True
            route.accept(message)

    plant(Promise, "_set_route", set_route)


@bug
def the_second_resolution_wins(plant: Plant) -> None:
    """A promise that is fulfilled already takes another value."""
    original = Promise._resolve_here

    def resolve(self: Any, value: Any) -> None:
        if self._state == FULFILLED and not isinstance(value, Promise):
            self._value = value
        original(self, value)

    plant(Promise, "_resolve_here", resolve)


@bug
def a_listener_is_told_twice(plant: Plant) -> None:
    """Whoever listens to a promise before it settles is entered twice."""
    original = Promise._listen_here

    def listen(self: Any, listener: Any) -> None:
        original(self, listener)
        if self._state == PENDING and not isinstance(listener, Report):
            original(self, listener)

    plant(Promise, "_listen_here", listen)


@bug
def a_sever_forgets_promises(plant: Plant) -> None:
    """Promises of the peer stay pending when the session ends; only questions break."""
    original = Crossing.clear

    def clear(self: Any) -> Any:
        self.imports.clear()
        return original(self)

    plant(Crossing, "clear", clear)


@bug
def a_sever_forgets_questions(plant: Plant) -> None:
    """Questions stay pending when the session ends; only promises of the peer break."""
    original = Crossing.clear

    def clear(self: Any) -> Any:
        self.exports._resolvers.clear()
        return original(self)

    plant(Crossing, "clear", clear)


@bug
def a_failed_dial_breaks_nothing(plant: Plant) -> None:
    """What waits for a peer that can't be reached waits for ever."""

    def fail_dial(self: Any, dial: Any, error: Exception) -> None:
        self._dials.pop(dial.locator.identity, None)

    plant(Peer, "_fail_dial", fail_dial)


@bug
def both_crossed_sessions_live(plant: Plant) -> None:
    """Two peers that dial each other at once keep both sessions."""
    plant(Peer, "admit", lambda self, connection, location, key: None)


@bug
def both_crossed_sessions_die(plant: Plant) -> None:
    """Of two peers that dial each other at once, each gives up its own session whatever the ids."""
    original = Peer.admit

    def admit(self: Any, connection: Any, location: Any, key: Any) -> str | None:
        dial = self._dials.get(location.identity)
        crossed = connection.dialled is None and dial is not None and dial.connection is not None
        return "Crossed hellos mitigation" if crossed else original(self, connection, location, key)

    plant(Peer, "admit", admit)


@byzantine_bug
def a_gift_stays_when_it_is_taken(plant: Plant) -> None:
    """Whoever has a certificate can have the gift again and again."""
    original = GiftTable.withdraw

    def withdraw(self: Any, gift: Gift, receiver: bytes, now: float) -> Any:
        found = self._deposits.get(gift)
        return original(self, gift, receiver, now) if found is None else found.target

    plant(GiftTable, "withdraw", withdraw)


@bug
def gifts_must_be_deposited_first(plant: Plant) -> None:
    """A request that overtakes its deposit is refused."""
    original = GiftTable.withdraw

    def withdraw(self: Any, gift: Gift, receiver: bytes, now: float) -> Any:
        if gift not in self._deposits:
            raise Refused("this certificate opens nothing here")
        return original(self, gift, receiver, now)

    plant(GiftTable, "withdraw", withdraw)


@byzantine_bug
def a_request_counts_twice(plant: Plant) -> None:
    """The counts of hand-off requests are not remembered."""
    plant(GiftDesk, "_is_used", lambda self, count: False)


@byzantine_bug
def certificates_are_not_checked(plant: Plant) -> None:
    """The signature of the gifter is not looked at."""

    def check_give(certificate: Any, gifter_key: Any, wire: Any) -> Gift:
        give = certificate.object
        if gifter_key(give.session) is None:
            raise Refused("this certificate opens nothing here")
        return Gift(give.session, give.gift_id)

    plant(hobgoblin.captp.handoffs, "check_give", check_give)
    plant(hobgoblin.captp.gifts, "check_give", check_give)


@bug
def a_gifter_that_goes_leaves_requests_behind(plant: Plant) -> None:
    """Who waits for the deposit of a gifter that has gone is not told."""
    original = GiftTable.session_ended

    def session_ended(self: Any, session: bytes) -> None:
        waiting = {gift: request for gift, request in self._requests.items() if gift.session == session}
        for gift in waiting:
            self._discount(self._requests.pop(gift).receiver)
        original(self, session)

    plant(GiftTable, "session_ended", session_ended)


@byzantine_bug
def limits_do_not_hold(plant: Plant) -> None:
    """The tables of a session grow as its peer likes."""
    original = Crossing.__init__

    def init(self: Any, sink: Any, new_promise: Any, bootstrap: Any, limits: Any, *args: Any) -> None:
        original(self, sink, new_promise, bootstrap, DEFAULT_LIMITS, *args)

    plant(Crossing, "__init__", init)


@bug
def the_session_goes_on_after_an_abort(plant: Plant) -> None:
    """After op:abort a session still sends what it is given."""

    def abort(self: Any, reason: str, here: str | None = None) -> None:
        if self.state is SessionState.OPEN and not getattr(self, "aborts", False):
            self._write(OpAbort(reason))

    plant(Session, "abort", abort)


@bug
def errors_tell_everything(plant: Plant) -> None:
    """The text of any error crosses the session."""
    plant(Failures, "reason", lambda self, error: ErrorValue(str(error)))


@bug
def swiss_numbers_are_logged(plant: Plant) -> None:
    """Every look-up leaves the number in the log."""
    original = Registry.find

    def find(self: Any, swiss: Any) -> Any:
        hobgoblin.peer.logger.warning("looked up %s", swiss.octets.hex())
        return original(self, swiss)

    plant(Registry, "find", find)


@bug
def the_last_two_messages_change_places(plant: Plant) -> None:
    """A session writes more than one message at once in the wrong order."""
    original = Session.data_to_send

    def data_to_send(self: Any, **how: Any) -> list[bytes]:
        out = original(self, **how)
        return [*out[:-2], out[-1], out[-2]] if len(out) > 2 else out

    plant(Session, "data_to_send", data_to_send)


class Used:
    """Stands for ``Promise._used``: it is forgotten when ``shortens`` says so."""

    def __init__(self, shortens: Callable[[Any], bool]) -> None:
        self._slot: Any = Promise.__dict__["_used"]
        self._shortens = shortens

    def __get__(self, promise: Any, owner: Any) -> bool:
        return bool(self._slot.__get__(promise, owner)) and not self._shortens(promise)

    def __set__(self, promise: Any, value: bool) -> None:
        self._slot.__set__(promise, value)


@dataclass(frozen=True, slots=True)
class Found:
    """How a planted bug was found."""

    name: str
    sentence: str
    seeds: int
    check: str


@siege_bug
def nobody_has_a_share(plant: Plant) -> None:
    """Who is first takes all that there is for those whose messages are passed on."""

    def room(self: Any, who: Any, taken: int | None = None) -> int:
        return int(self.most - (self.taken if taken is None else taken))

    plant(Share, "room", room)


@siege_bug
def what_is_passed_on_is_not_counted(plant: Plant) -> None:
    """A message for a third peer is sent on as if it were our own."""

    def pass_on(self: Any, message: Any, passage: Any) -> None:
        if type(message) is Selection:
            self.session.select(message.target, message.selector, message.untag, message.answer)
            self._outflow.written()
        else:
            self._write(message.target, message.args, message.answer)

    plant(Connection, "_pass_on", pass_on)


@siege_bug
def parts_are_not_counted(plant: Plant) -> None:
    """Only calls are counted, and no parts of promises."""
    original = Connection._pass_on

    def pass_on(self: Any, message: Any, passage: Any) -> None:
        if type(message) is Selection:
            self.session.select(message.target, message.selector, message.untag, message.answer)
            self._outflow.written()
        else:
            original(self, message, passage)

    plant(Connection, "_pass_on", pass_on)


@siege_bug
def promises_are_not_told_apart(plant: Plant) -> None:
    """The messages to all promises of the third peer are counted, and not those to each."""
    plant(hobgoblin.captp.relays, "_promise_key", lambda target: None)


@siege_bug
def octets_are_not_counted(plant: Plant) -> None:
    """Messages are counted, and not how long they are."""
    original = _Receipt.__init__

    def receipt(
        self: Any, relays: Any, who: Any, key: Any, calls: int, part: bool, octets: int, held: Any
    ) -> None:
        original(self, relays, who, key, calls, part, 1, held)

    plant(_Receipt, "__init__", receipt)


@siege_bug
def answers_of_others_count_as_ours(plant: Plant) -> None:
    """What a peer answers to others is told as if it were our own word."""
    original = Connection.tell

    def tell(self: Any, resolver: Any, verb: Any, value: Any, who: Any = None) -> None:
        original(self, resolver, verb, value)

    plant(Connection, "tell", tell)


@siege_bug
def references_are_not_counted(plant: Plant) -> None:
    """A peer may have as many of its objects passed on as there is room for."""
    plant(Charges, "charge", lambda self, pos, who: None)


@siege_bug
def who_comes_back_is_another(plant: Plant) -> None:
    """A peer that was cut off and comes again has a share like those that were there before."""
    plant(Share, "_came_after", lambda self, party: False)


@siege_bug
def gifters_have_no_share_of_the_dials(plant: Plant) -> None:
    """One peer may cause as many dials as are made for all."""
    plant(Peer, "_has_room_to_dial", lambda self, location, gifter: len(self._dials) < MAX_DIALS)


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Have a bug while the block runs."""
    patches: list[Any] = []

    def plant(owner: Any, attribute: str, value: Any) -> None:
        patches.append(patch.object(owner, attribute, value))
        patches[-1].start()

    try:
        BUGS[name](plant)
        yield
    finally:
        for each in reversed(patches):
            each.stop()


def find(name: str, *, most: int, first: int = 0) -> Found | None:
    """Run up to ``most`` seeds, until one finds a planted bug; return how, or ``None``."""
    sentence = str(BUGS[name].__doc__)
    seeds = (seed for seed in count(first) if name not in BYZANTINE or Plan.drawn(seed).byzantine)
    run: Callable[[int], object] = besiege if name in SIEGES else simulate
    with planted(name):
        for number, seed in enumerate(islice(seeds, most), 1):
            try:
                run(seed)
            except (TypeError, AttributeError, NameError):
                raise  # it is not planted well
            except Exception as error:
                text = (str(error).splitlines() or [""])[0]
                return Found(name, sentence, number, f"{type(error).__name__}: {text}")
    return None
