"""Sessions without a network: two of them, the wire between, and a test that moves each message.

::

    pair = testing.SessionPair.make()
    pair.b.serve(lambda *args: "hello")
    answer = pair.a.send(pair.a.remote, ())
    pair.pump()
    assert testing.outcome(answer) == ("fulfilled", "hello")
    print(pair.transcript)

There are no vats, no turns and no event loop: the objects are functions. So such tests are about what
crosses a session and in which order; programs are better tested in a `Simulation`.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Generator, Mapping
from hashlib import sha256
from typing import Any, Final, cast, final

from hobgoblin.captp import (
    BREAK,
    FULFILL,
    Answered,
    Broke,
    Delivered,
    Event,
    Introduced,
    Listened,
    Opened,
    Selected,
    Session,
    SessionState,
    Severed,
)
from hobgoblin.captp.quotas import Ticket
from hobgoblin.crypto import KeyPair
from hobgoblin.errors import BrokenPromise, NotPassable, RemoteError, SessionFull, SessionSevered
from hobgoblin.locators import PeerLocator
from hobgoblin.refs import BROKEN, Host, LocalHome, LocalRef, Message, Promise, Ref, Selection, Site, Watcher
from hobgoblin.testing.leaks import CLEAN
from hobgoblin.testing.transcript import Transcript
from hobgoblin.values import ErrorValue

__all__ = ["SessionOwner", "SessionPair", "keys_of", "location_of", "outcome"]

Behaviour = Callable[..., object]
"""What an object does: it gets the arguments of a message, the symbol of a method and all."""

_PORTS: Final = {"alice": "22045", "bob": "22046"}

_OUTCOMES: Final = ("pending", "following", "fulfilled", "broken")


def keys_of(name: str) -> KeyPair:
    """Return the key pair of a side: the same one for the same name."""
    return KeyPair.from_seed(sha256(name.encode()).digest())


def location_of(name: str) -> PeerLocator:
    """Return what a side says of where it is. There is nobody at that address."""
    hints = {"host": "127.0.0.1", "port": _PORTS.get(name, "22047")}
    return PeerLocator("tcp-testing-only", f"{name}0", hints)


def outcome(promise: Promise[Any]) -> str | tuple[str, Any]:
    """Return how a promise stands, without an event loop, and without a report if it is broken.

    Returns:
        ``"pending"``; ``"following"`` if it waits for another promise; ``("fulfilled", value)``; or
        ``("broken", error)``.
    """
    promise._heard = True
    state = _OUTCOMES[promise._state]
    return (state, promise._value) if state in ("fulfilled", "broken") else state


@final
class _Here(Host):
    """A host whose only thread is the test's."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)

    def here(self) -> bool:
        return True

    def post(self, callback: Callable[..., object], *args: object) -> None:
        callback(*args)

    def wait(self, promise: Promise[Any]) -> Generator[Any, None, Any]:
        raise RuntimeError("there is no event loop here: pump the pair, then ask testing.outcome(promise)")


_HERE: Final = _Here()


@final
class SessionOwner(LocalHome):
    """One side of a session, and the home of its objects, which are functions.

    It carries out what its session tells of (`take`). Messages for its objects wait in ``inbox`` until
    `run`; what a function returns or raises is the answer.

    Args:
        name: of the side; its keys and its location follow from it.
        serve: what the object does that the peer finds first.
        keys: the key pair of the session, if another than that of the name.
        location: what it says of itself, if another than that of the name.
        now: the time, for the deadline of the handshake.
        options: what `Session` takes besides: ``dialled``, ``framing``, ``limits``, ``dialect``, …
    """

    def __init__(
        self,
        name: str,
        serve: Behaviour = lambda *args: None,
        *,
        keys: KeyPair | None = None,
        location: PeerLocator | None = None,
        now: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(_HERE)
        self.name = name
        self.inbox: deque[Message] = deque()
        self.log: list[str] = []
        """The kinds of the events so far, by name: nothing that could keep a reference alive."""
        self.reports: list[BaseException] = []
        """Failures that nobody listened to."""
        self.wakes = 0
        """How often the session has said that there are references to release."""
        self.checks = True
        """Whether the invariants of the session are checked after all that comes in."""
        self.tells_promises = False
        """Whether a promise that a function returns is told as the answer, before it settles."""
        self.object = LocalRef(self, serve)
        """Our object that the peer finds first, at our export 0."""
        self._watchers: dict[Watcher, None] = {}
        self._waiters: list[Promise[None]] = []
        self.session = Session(
            keys=keys or keys_of(name),
            location=location or location_of(name),
            sink=self,
            new_promise=self.promise,
            bootstrap=self.object,
            now=now,
            wake=self._woken,
            **options,
        )

    def __repr__(self) -> str:
        return f"<SessionOwner {self.name}>"

    @property
    def home(self) -> SessionOwner:
        return self

    @property
    def remote(self) -> Ref:
        """The peer's object at its export 0."""
        return self.session.bootstrap

    @property
    def tables(self) -> tuple[int, int, int, int]:
        """How many exports, imports, questions and answers the session has."""
        return self.session.stats().tables

    # What a test does

    def serve(self, behaviour: Behaviour) -> None:
        """Let ``behaviour`` be what the object does that the peer finds first."""
        self.object._behaviour = behaviour

    def spawn(self, behaviour: Behaviour = lambda *args: None) -> LocalRef:
        """Return a new object."""
        return LocalRef(self, behaviour)

    def promise(self) -> Promise[Any]:
        """Return a new promise: `fulfill` or `smash` settles it."""
        return Promise(self)

    def fulfill(self, promise: Promise[Any], value: object) -> None:
        """Resolve a promise of this side to a value, a reference or another promise."""
        promise._resolve_here(value)

    def smash(self, promise: Promise[Any], error: BaseException) -> None:
        """Break a promise of this side."""
        promise._break_here(error)

    def send(self, target: Ref, args: tuple[object, ...], site: Site | None = None) -> Promise[Any]:
        """Send a message; return the promise for its answer.

        Args:
            target: an object or a promise, of this side or of the other.
            args: what crosses; for a method of an actor the symbol that names it comes first.
            site: where it was sent from, for reports.
        """
        answer: Promise[Any] = Promise(self, site)
        Message(target, args, answer, self, site).dispatch()
        return answer

    def send_only(self, target: Ref, *args: object) -> None:
        """Send a message that wants no answer."""
        Message(target, args, None, self, None).dispatch()

    def select(
        self, promise: Promise[Any], selector: str | int, untag: bool, site: Site | None = None
    ) -> Promise[Any]:
        """Ask for a part of what a promise settles to; see `Session.select`."""
        answer: Promise[Any] = Promise(self, site)
        Selection(promise, selector, untag, answer, self, site).dispatch()
        return answer

    def take(self, data: bytes) -> None:
        """Take octets of the peer, and carry out what they ask for. Its objects wait for `run`."""
        self.session.receive_data(data)
        if self.checks:
            self.session.check()
        self.carry_out()

    def carry_out(self) -> None:
        """Carry out the events that the session has for us."""
        for event in self.session.events_received():
            self.log.append(type(event).__name__)
            self.event(event)

    def run(self) -> None:
        """Let our objects handle the messages that wait for them."""
        while self.inbox:
            message = self.inbox.popleft()
            try:
                result = cast("Behaviour", cast("LocalRef", message.target)._behaviour)(*message.args)
            except Exception as error:
                message.fail(error)
                continue
            if message.answer is not None:
                self._answer(message.answer, result)

    def data_to_send(self) -> list[bytes]:
        """Return what the session has to send. From then on there is room for more."""
        messages = self.session.data_to_send()
        waiters, self._waiters = self._waiters, []
        for done in waiters:
            done._resolve_here(None)
        return messages

    def event(self, event: Event) -> None:
        """Carry out one event of the session. A hand-off stays a promise: nobody here can dial."""
        match event:
            case Delivered(target, args, answer, resolver, ticket, waits):
                if answer is not None:
                    answer._listen_here(_Report(self, resolver, ticket))
                    ticket = None
                Message(target, args, answer, self, None, ticket, waits).dispatch()
            case Answered(promise, value):
                promise._resolve_here(value)
            case Broke(promise, reason):
                error = RemoteError(reason.message) if type(reason) is ErrorValue else BrokenPromise(reason)
                promise._break_here(error)
            case Listened(target, resolver, ticket):
                if type(target) is Promise:
                    target._listen_here(_Report(self, resolver, ticket))
                else:
                    self.tell(resolver, BREAK, ErrorValue("not a promise"))
            case Selected(receiver, selector, untag, answer, ticket):
                selection = Selection(receiver, selector, untag, answer, self, None)
                selection.ticket = ticket
                selection.dispatch()
            case Severed(reason, orphans):
                for promise in orphans:
                    promise._break_here(SessionSevered(reason))
                watchers, self._watchers = self._watchers, {}
                for watcher in watchers:
                    watcher.severed(SessionSevered(reason))
            case Opened() | Introduced():
                pass

    def tell(self, resolver: Ref | None, verb: object, value: object) -> None:
        """Tell a resolver of the peer, if there is one and the session is open."""
        if resolver is not None and self.session.state is SessionState.OPEN:
            try:
                self.session.tell(resolver, verb, value)
            except NotPassable as error:
                self.session.tell(resolver, BREAK, ErrorValue(str(error)))

    # Home for our objects, Sink for those of the peer: what references call

    def unheard(self, error: BaseException, site: Site | None, what: str | None) -> None:
        self.reports.append(error)

    def accept(self, message: Message) -> None:
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

    def room(self, done: Promise[None]) -> None:
        if self.session.state is SessionState.SEVERED:
            done._break_here(SessionSevered("the session has ended"))
        elif self.session.unsent:
            self._waiters.append(done)
        else:
            done._resolve_here(None)

    def listen(self, promise: Promise[Any]) -> None:
        self.session.listen(promise)

    def watch(self, watcher: Watcher) -> None:
        if self.session.state is SessionState.SEVERED:
            watcher.severed(SessionSevered("the session has ended"))
        else:
            self._watchers[watcher] = None

    def unwatch(self, watcher: Watcher) -> None:
        self._watchers.pop(watcher, None)

    def _answer(self, answer: Promise[Any], result: object) -> None:
        if self.tells_promises and isinstance(result, Promise):
            for listener in answer._listeners or ():
                if isinstance(listener, _Report):
                    self.tell(listener.resolver, FULFILL, result)  # pyright: ignore[reportUnknownArgumentType]
            answer._listeners = None
        answer._resolve_here(result)  # pyright: ignore[reportUnknownArgumentType]

    def _woken(self) -> None:
        self.wakes += 1


@final
class _Report:
    """Tells the peer how a promise has settled. The ticket is counted until then."""

    __slots__ = ("owner", "resolver", "ticket")

    def __init__(self, owner: SessionOwner, resolver: Ref | None, ticket: Ticket | None) -> None:
        self.owner = owner
        self.resolver = resolver
        self.ticket = ticket

    def settled(self, promise: Promise[Any]) -> None:
        if promise._state == BROKEN:
            error = promise._value
            reason = error.reason if type(error) is BrokenPromise else ErrorValue(str(error))
            self.owner.tell(self.resolver, BREAK, reason)
        else:
            self.owner.tell(self.resolver, FULFILL, promise._value)


@final
class SessionPair:
    """Two owners and the wire between them: messages move when the test says so, and are recorded.

    Args:
        a: one side.
        b: the other side; its name differs.
    """

    def __init__(self, a: SessionOwner, b: SessionOwner) -> None:
        self.a = a
        self.b = b
        self.wires: dict[SessionOwner, deque[bytes]] = {a: deque(), b: deque()}
        """What is under way, by sender. A test may take out, put in and exchange what it likes."""
        self.transcript = Transcript(a.name, b.name)
        """All that was put on the wire."""

    @classmethod
    def make(
        cls,
        *,
        a: Mapping[str, Any] | None = None,
        b: Mapping[str, Any] | None = None,
        opened: bool = True,
        both: bool = False,
        **options: Any,
    ) -> SessionPair:
        """Return a pair in which alice, ``a``, has dialled bob, ``b``.

        Args:
            a: what `SessionOwner` takes, for alice alone.
            b: what it takes for bob alone.
            opened: whether to let the hellos cross.
            both: whether both say hello first, as on a channel where nobody has dialled.
            options: what it takes for both.
        """
        of_bob: dict[str, Any] = {"initiator": both, **options, **(b or {})}
        of_alice: dict[str, Any] = {"dialled": location_of("bob"), **options, **(a or {})}
        bob, alice = SessionOwner("bob", **of_bob), SessionOwner("alice", **of_alice)
        pair = cls(alice, bob)
        if opened:
            pair.pump()
            for side in (alice, bob):
                assert side.log == ["Opened"], f"no session: {side.session.severed_because}"
                side.log.clear()
        return pair

    def __repr__(self) -> str:
        under_way = sum(map(len, self.wires.values()))
        return f"<SessionPair {self.a.name} and {self.b.name}, {under_way} messages under way>"

    def other(self, side: SessionOwner) -> SessionOwner:
        """Return who ``side`` talks to."""
        return self.b if side is self.a else self.a

    def flush(self, side: SessionOwner) -> None:
        """Put what ``side`` has to send on the wire."""
        for message in side.data_to_send():
            self.transcript.add(side.name, message)
            self.wires[side].append(message)

    def step(self, side: SessionOwner) -> None:
        """Let the other side receive the oldest message of ``side`` that is under way.

        Raises:
            IndexError: there is none.
        """
        self.other(side).take(self.wires[side].popleft())

    def pump(self, *, rounds: int = 100_000) -> SessionPair:
        """Go on until nothing is under way and nobody has anything to do; return the pair.

        Args:
            rounds: how often each side may have its say.

        Raises:
            RuntimeError: after that they still have something to do: they keep each other busy.
        """
        for _ in range(rounds):
            busy = False
            for side in (self.a, self.b):
                side.run()
                self.flush(side)
                while self.wires[side]:
                    self.step(side)
                    busy = True
                busy = busy or bool(self.other(side).inbox)
            if not busy:
                return self
        raise RuntimeError(f"the two sides keep each other busy:\n{self.transcript.text(-10)}")

    def sent(self, start: int = 0) -> list[tuple[str, bytes]]:
        """Return what was put on the wire since the ``start``-th message, as (sender, octets)."""
        return [(entry.sender, entry.octets) for entry in self.transcript[start:]]

    def settle(self) -> None:
        """Collect garbage on both sides until no release is left to send."""
        for _ in range(4):
            gc.collect()
            self.pump()

    def assert_clean(self) -> None:
        """Assert that the sessions have let go of everything but the objects at their exports 0.

        Raises:
            AssertionError: naming what is left. A local variable of the test may hold it.
        """
        self.settle()
        for side in (self.a, self.b):
            side.session.check()
            assert side.tables == CLEAN, f"{side.name}: {side.session.dump()}"
