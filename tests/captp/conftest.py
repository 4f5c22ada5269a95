"""An owner of sessions small enough to be read, pairs of it, and a peer that sends any octets at all."""

from __future__ import annotations

import gc
from collections import deque
from hashlib import sha256

import pytest

from hobgoblin.captp import (
    BREAK,
    FULFILL,
    Answered,
    Broke,
    Delivered,
    Listened,
    Opened,
    Selected,
    Session,
    Severed,
)
from hobgoblin.captp.handshake import hello
from hobgoblin.crypto import KeyPair
from hobgoblin.errors import BrokenPromise, NotPassable, RemoteError, SessionFull, SessionSevered
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import ENCODERS
from hobgoblin.refs import BROKEN, LocalRef, Message, Promise, Selection
from hobgoblin.syrup import Framing, encode, frame
from hobgoblin.values import DEFAULT_LIMITS, ErrorValue


def keys_of(name):
    return KeyPair.from_seed(sha256(name.encode()).digest())


def location_of(name):
    ports = {"alice": "22045", "bob": "22046"}
    return PeerLocator(
        "tcp-testing-only", name + "0", {"host": "127.0.0.1", "port": ports.get(name, "22047")}
    )


@pytest.fixture(scope="session", autouse=True)
def _small_heap():
    """Leave what exists already out of collections: they are what most of the time went into."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Here:
    """A host whose only thread is the test's."""

    def here(self):
        return True

    def post(self, callback, *args):
        callback(*args)


class Owner:
    """Home and Sink in one: carries out what its session tells, with objects that are functions.

    Messages for objects wait in ``inbox`` until `run`. A function gets the arguments, method symbol
    and all; what it returns or raises is the answer.
    """

    host = Here()

    def __init__(self, name, serve=lambda *args: None, *, keys=None, location=None, now=0.0, **options):
        self.name = name
        self.home = self
        self.inbox = deque()
        self.log = []  # kinds of the events, with nothing that could keep a reference alive
        self.reports = []  # failures that nobody listened to
        self.wakes = 0
        self.checks = True
        self.tells_promises = False  # as the answer, in place of what they settle to
        self.object = LocalRef(self, serve)
        self.session = Session(
            keys=keys or keys_of(name),
            location=location or location_of(name),
            sink=self,
            new_promise=self.promise,
            bootstrap=self.object,
            now=now,
            wake=self.woken,
            **options,
        )

    def __repr__(self):
        return f"<Owner {self.name}>"

    def spawn(self, function=lambda *args: None):
        return LocalRef(self, function)

    def promise(self):
        return Promise(self)

    @property
    def remote(self):
        return self.session.bootstrap

    @property
    def tables(self):
        return self.session.stats().tables

    def woken(self):
        self.wakes += 1

    # Home

    def send(self, target, args, site=None):
        answer = Promise(self, site)
        Message(target, args, answer, self, site).dispatch()
        return answer

    def send_only(self, target, *args):
        Message(target, args, None, self, None).dispatch()

    def select(self, promise, selector, untag, site=None):
        answer = Promise(self, site)
        Selection(promise, selector, untag, answer, self, site).dispatch()
        return answer

    def unheard(self, error, site, what):
        self.reports.append(error)

    # Home for our objects, Sink for those of the peer

    def accept(self, message):
        if type(message.target) is LocalRef:
            self.inbox.append(message)
            return
        try:
            if type(message) is Selection:
                self.session.select(message.target, message.selector, message.untag, message.answer)
            else:
                self.session.deliver(message.target, message.args, message.answer)
        except (SessionSevered, SessionFull, NotPassable) as error:
            message.fail(error)

    def listen(self, promise):
        self.session.listen(promise)

    # The loop

    def run(self):
        """Let our objects handle the messages that wait for them."""
        while self.inbox:
            message = self.inbox.popleft()
            try:
                result = message.target._behaviour(*message.args)
            except Exception as error:
                message.fail(error)
            else:
                if type(result) is Promise and self.tells_promises:
                    for report in message.answer._listeners:
                        self.tell(report.resolver, FULFILL, result)
                    message.answer._listeners.clear()
                if message.answer is not None:
                    message.answer._resolve_here(result)

    def take(self, data):
        self.session.receive_data(data)
        if self.checks:
            self.session.check()
        self.carry_out()

    def carry_out(self):
        for event in self.session.events_received():
            self.log.append(type(event).__name__)
            self.event(event)

    def event(self, event):
        match event:
            case Delivered(target, args, answer, resolver, ticket, waits):
                if answer is not None:
                    answer._listen_here(Report(self, resolver, ticket))
                    ticket = None
                Message(target, args, answer, self, None, ticket, waits).dispatch()
            case Answered(promise, value):
                promise._resolve_here(value)
            case Broke(promise, reason):
                error = RemoteError(reason.message) if type(reason) is ErrorValue else BrokenPromise(reason)
                promise._break_here(error)
            case Listened(target, resolver, ticket):
                if type(target) is Promise:
                    target._listen_here(Report(self, resolver, ticket))
                else:
                    self.tell(resolver, BREAK, ErrorValue("not a promise"))
            case Selected(receiver, selector, untag, answer, ticket):
                selection = Selection(receiver, selector, untag, answer, self, None)
                selection.ticket = ticket
                selection.dispatch()
            case Severed(reason, orphans):
                for promise in orphans:
                    promise._break_here(SessionSevered(reason))
            case Opened():
                pass

    def tell(self, resolver, verb, value):
        if resolver is not None and self.session.state.value == "open":
            try:
                self.session.tell(resolver, verb, value)
            except NotPassable as error:
                self.session.tell(resolver, BREAK, ErrorValue(str(error)))


class Report:
    def __init__(self, owner, resolver, ticket=None):
        self.owner, self.resolver, self.ticket = owner, resolver, ticket

    def settled(self, promise):
        if promise._state == BROKEN:
            error = promise._value
            reason = error.reason if type(error) is BrokenPromise else ErrorValue(str(error))
            self.owner.tell(self.resolver, BREAK, reason)
        else:
            self.owner.tell(self.resolver, FULFILL, promise._value)


class Pair:
    """Two owners and the wire between them: messages move when the test says so, and are recorded."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.wires = {a: deque(), b: deque()}  # by sender: what is under way
        self.transcript = []

    def other(self, side):
        return self.b if side is self.a else self.a

    def flush(self, side):
        """Put what ``side`` has to send on the wire."""
        for message in side.session.data_to_send():
            self.transcript.append((side.name, message))
            self.wires[side].append(message)

    def step(self, side):
        """Let the other side receive the oldest message of ``side`` that is under way."""
        self.other(side).take(self.wires[side].popleft())

    def pump(self):
        """Go on until nothing is under way and nobody has anything to do."""
        busy = True
        while busy:
            busy = False
            for side in (self.a, self.b):
                side.run()
                self.flush(side)
                while self.wires[side]:
                    self.step(side)
                    busy = True
                busy = busy or bool(self.other(side).inbox)
        return self

    def sent(self, start=0):
        """What crossed since the ``start``-th message, as (sender, octets)."""
        return self.transcript[start:]

    def settle(self):
        """Collect garbage on both sides until no release is left to send."""
        for _ in range(4):
            gc.collect()
            self.pump()

    def assert_clean(self):
        self.settle()
        for side in (self.a, self.b):
            side.session.check()
            assert side.tables == (1, 0, 0, 0), side.session.dump()


def outcome(promise):
    """How a promise stands: ``"pending"``, or its value or reason."""
    promise._heard = True
    state = ("pending", "following", "fulfilled", "broken")[promise._state]
    return state if promise._state < 2 else (state, promise._value)


@pytest.fixture
def result():
    return outcome


@pytest.fixture
def owner():
    return Owner


@pytest.fixture
def make_pair():
    """Return a function that makes a pair: alice dials bob."""

    def make(*, a=None, b=None, opened=True, both=False, **options):
        bob = Owner("bob", **{"initiator": both, **options, **(b or {})})
        alice = Owner("alice", **{"dialled": location_of("bob"), **options, **(a or {})})
        pair = Pair(alice, bob)
        if opened:
            pair.pump()
            assert alice.log == bob.log == ["Opened"]
            alice.log.clear()
            bob.log.clear()
        return pair

    return make


@pytest.fixture
def pair(make_pair):
    return make_pair()


class Stranger:
    """A session of bob's, and a peer on the other end that is nothing but octets and alice's keys."""

    def __init__(self, *, opened=True, dialled=False, framing=Framing.RAW, limits=DEFAULT_LIMITS, **options):
        self.framing = framing
        self.keys = keys_of("alice")
        self.bob = Owner(
            "bob",
            dialled=location_of("alice") if dialled else None,
            framing=framing,
            limits=limits,
            **options,
        )
        self.session = self.bob.session
        self.hello = encode(hello(self.keys, location_of("alice"), "1.0"), encoders=ENCODERS)
        self.events = []
        self.answers = []
        if opened:
            self.send(self.hello)
            self.events.clear()
            self.answers.clear()

    def send(self, *messages):
        """Send octets, framed if need be; return the kinds of the events."""
        kinds = []
        for message in messages:
            self.session.receive_data(frame(message, self.framing))
            self.session.check()
            events = self.session.events_received()
            kinds.extend(type(event).__name__ for event in events)
            self.events.extend(events)
            self.answers.extend(self.session.data_to_send())
        return kinds

    @property
    def state(self):
        return self.session.state.value

    def assert_aborted(self, *messages, reason=None):
        """Send ``messages``, the last of which must end the session, with one op:abort and one event."""
        before = len(self.answers)
        kinds = self.send(*messages)
        assert kinds[-1:] == ["Severed"]
        assert kinds.count("Severed") == 1
        *_, abort = self.answers[before:]
        assert b"<8'op:abort" in abort
        if reason is not None:
            assert reason in abort.decode()
        self.assert_over()

    def assert_over(self):
        """Nothing gets in or out any more."""
        assert self.state == "severed"
        assert self.session.stats().tables == (0, 0, 0, 0)
        assert self.session.timer() is None
        before = self.session.stats()
        self.session.receive_data(self.hello)
        self.session.receive_data(b"<10'op:deliver<11'desc:export0+>[]ff>")
        self.session.receive_eof()
        self.session.handle_timer(1e9)
        self.session.abort("again")
        assert self.session.events_received() == []
        assert self.session.data_to_send() == []
        assert self.session.stats() == before
        with pytest.raises(SessionSevered):
            self.session.deliver(self.session.bootstrap, (1,), None)
        self.session.check()


@pytest.fixture
def stranger():
    return Stranger


@pytest.fixture
def keys():
    return keys_of


@pytest.fixture
def location():
    return location_of
