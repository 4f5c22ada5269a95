"""A peer: who we are to others. It owns a vat, netlayers, and one session to each other peer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from types import MappingProxyType, TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, cast, overload

from hobgoblin.captp import SessionState
from hobgoblin.captp.gifts import GiftDesk, GiftTable
from hobgoblin.captp.handoffs import sign_give
from hobgoblin.captp.handshake import INVALID_SIGNATURE, INVALID_VERSION
from hobgoblin.captp.shares import Share
from hobgoblin.captp.texts import NOT_NEEDED, PEER_CLOSED
from hobgoblin.connection import Connection
from hobgoblin.crypto import Entropy, PublicKey, system_entropy
from hobgoblin.dialects import LEARNING, dialect_named
from hobgoblin.dials import Dial, Withdrawal
from hobgoblin.errors import NetlayerError, NotInVat, Refused, SessionSevered, VatStopped
from hobgoblin.forking import FORKED, tell_at_fork
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.loops import Alarm, spawn_vat, until_told_to_end
from hobgoblin.messages import DescHandoffGive, DescSigEnvelope
from hobgoblin.netlayers import Netlayer
from hobgoblin.publishing import Publisher
from hobgoblin.refs import Promise, RemoteRef, Site, call_site, current_home
from hobgoblin.sessions import PeerSession
from hobgoblin.settings import PeerSettings, Settings, settings_of
from hobgoblin.sturdyrefs import Bootstrap, Registry, RegistryStore
from hobgoblin.sturdyrefs.bootstrap import Guesses
from hobgoblin.taps import Tap
from hobgoblin.values import DEFAULT_LIMITS, Limits, Symbol
from hobgoblin.vat import Actor, Function, Vat
from hobgoblin.wire import TODAY, Wire, wire_of

__all__ = ["Peer"]

logger = logging.getLogger("hobgoblin.peer")

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound=Actor)

FETCH: Final = Symbol("fetch")

MAX_DIALS: Final = 64
"""Peers that are being dialled at a time before hand-offs are refused, with a share for each gifter.

One alone gets half. What you `enliven` yourself is always dialled.
"""

EXPIRY_SECONDS: Final = 60.0
"""How long after its time a swiss number may keep its object, when the clock was set or the machine slept."""

GONE: Final = "gifters that have gone"
"""Who has the share of their dials."""

CLOSED_HERE: Final = "this peer has been closed"
CROSSED_HELLOS: Final = "Crossed hellos mitigation"
OTHER_TRANSPORT: Final = "a location of another transport than that of the channel"
UNPROVED: Final = "the netlayer was to prove who this is, and has not"
DUPLICATE: Final = "a session between these peers exists already"
REDIAL_SECONDS: Final = (0.05, 0.1, 0.2, 0.4)
"""How long we wait before each new dial of a peer that has not noticed yet that our last session is over."""
FINAL_REASONS: Final = frozenset((DUPLICATE, INVALID_VERSION, INVALID_SIGNATURE))
"""With these a peer turns a hello down for good. Any other may be its word for crossed hellos."""
CROSSED_HELLO_SECONDS: Final = 2.0
"""How long we wait for the connection of a peer that has dropped ours while both were opened."""


class Peer(Publisher):
    """A node of the network: objects to publish, and the way to those of others.

    ::

        async with Peer(netlayers.Unix("captp.sock")) as peer:
            print(peer.publish(peer.spawn(CarFactory, "Fork")))
            await peer.serve_forever()

    Args:
        netlayers: the ways to reach others and to be reached.
        name: for logs.
        limits: what is accepted from each peer.
        version: what the protocol is called in the handshake.
        dialect: which of the `hobgoblin.dialects` the others speak; by default, each session
            finds out from what it hears.
        wire: how messages look: one of the `hobgoblin.wire.WIRES`, by name, or one of your own.
        settings: how particular peers want to be spoken to, by their locators or URIs; or a function
            that tells for any locator. A peer that comes to us is asked about by what it claims to be.
        entropy: where swiss numbers, the ids of gifts and the keys of sessions come from.
        may_dial: tells whether a peer may be dialled because another one has handed over a
            reference to an object of it. What you `enliven` yourself is not asked about.
        tap: sees all bytes that cross, for tools.
        registry: keeps what was published under a name, such as a `RegistryFile`. It belongs to
            this peer alone, and is read when the peer starts.
        wall_clock: tells the time in seconds since 1970, for swiss numbers that expire.
        on_session: called with a `PeerSession` when one opens, and again when it has ended and what
            waited on it has broken (then ``severed_because`` says why). It runs between turns, must
            not block, and what it raises is logged.
    """

    def __init__(
        self,
        *netlayers: Netlayer,
        name: str = "peer",
        limits: Limits = DEFAULT_LIMITS,
        version: str = "1.0",
        dialect: str | None = None,
        wire: Wire | str = TODAY,
        settings: Settings = MappingProxyType({}),
        entropy: Entropy = system_entropy,
        may_dial: Callable[[PeerLocator], bool] = lambda locator: True,
        tap: Tap | None = None,
        registry: RegistryStore | None = None,
        wall_clock: Callable[[], float] = time.time,
        on_session: Callable[[PeerSession], object] = lambda session: None,
    ) -> None:
        for netlayer in netlayers:
            if isinstance(netlayer, type) or not hasattr(netlayer, "transport"):
                raise TypeError(f"a Peer takes netlayers, such as netlayers.Unix('a.sock'), not {netlayer!r}")
        by_transport = {netlayer.transport: netlayer for netlayer in netlayers}
        if len(by_transport) != len(netlayers):
            raise ValueError("a peer takes one netlayer of each transport")
        if not isinstance(limits, Limits):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"limits are Limits, not {type(limits).__name__}")
        if registry is not None and not hasattr(registry, "load"):
            raise TypeError(f"a registry is a store, such as RegistryFile('peer.registry'), not {registry!r}")
        kept = Registry(entropy, clock=wall_clock, store=registry, wake=self._number_added)
        super().__init__(name, by_transport, kept, wall_clock)
        self._limits = limits
        self._version = version
        self._dialect = LEARNING if dialect is None else dialect_named(dialect)
        self._wire = wire_of(wire, self._dialect)
        self._settings = settings_of(settings)
        self._tap = tap
        self._on_session = on_session
        self._entropy = entropy
        self._may_dial = may_dial
        self._number_alarm = Alarm(self._until_numbers_expire, self._expire_numbers)
        self._gift_alarm = Alarm(self._until_gifts_expire, self._expire_gifts)
        self._gifts = GiftTable(limits, lambda: Promise(self.vat), self._gift_alarm.set)
        self._vat: Vat | None = None
        # By the identity of the peer: the session that it is reached by, and dials under way.
        self._connections: dict[tuple[str, str], Connection] = {}
        # All open sessions; also those with peers that were to prove who they are and have not, by
        # which nobody is reached.
        self._sessions: dict[Connection, PeerSession] = {}
        self._dials: dict[tuple[str, str], Dial] = {}
        self._dial_share = Share(MAX_DIALS)
        self._desks: dict[Connection, GiftDesk] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._unopened: dict[Connection, None] = {}
        self._closed = False
        self._why_closed = f"{CLOSED_HERE}: make a new one"
        self._opening = "async with Peer(…)"

    def __repr__(self) -> str:
        return f"<Peer {self._name} on {', '.join(self._netlayers) or 'nothing'}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> Self:
        """Make the vat and listen on all netlayers; return this peer. ``async with`` does this.

        Raises:
            NetlayerError: one of them can't listen; the others have been closed again.
            StoreError: the registry can't be read. Stores of your own raise what they like.
        """
        if self._vat is not None:
            raise RuntimeError(self._why_closed if self._closed else "this peer has been started already")
        self._registry.load()
        self._vat = spawn_vat(self._name)
        tell_at_fork(self)
        self._number_alarm.set()
        try:
            for netlayer in self._netlayers.values():
                await netlayer.listen(self._acceptor(netlayer))
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        """End all sessions after what was sent over them, stop listening and stop the vat.

        What was sent to peers that have not been reached yet breaks. Idempotent.
        """
        if self._closed:
            return
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        for dial in tuple(self._dials.values()):
            # A task that is cancelled before its first step never gets to say so itself.
            self._fail_dial(dial, NetlayerError("the peer was closed before the session was open"))
        self._gift_alarm.stop()
        self._number_alarm.stop()
        for connection in (*self.connections, *self._unopened):
            connection.close(PEER_CLOSED, CLOSED_HERE)
        for dial in tuple(self._dials.values()):
            self._fail_dial(dial, SessionSevered(f"there is no session: {CLOSED_HERE}"))
        self._gifts.clear()
        for netlayer in self._netlayers.values():
            await netlayer.close()
        if self._vat is not None:
            self._vat.stop()

    def forked(self) -> None:
        """This is the child of a fork: be closed here, and change nothing for the parent."""
        self._closed = True
        self._why_closed = FORKED
        self._connections.clear()
        self._sessions.clear()
        self._registry.forked()

    async def serve_forever(self) -> None:
        """Serve until cancelled, or until the process gets Ctrl-C or SIGTERM; then return.

        Outside of the main thread, and on Windows, signals are left to the program.
        """
        if self.vat.stopped:
            raise RuntimeError("this peer has been closed")
        await until_told_to_end()

    # Objects

    @property
    def vat(self) -> Vat:
        """The vat of this peer. Raises `NotInVat` before the peer has been started."""
        if self._vat is None:
            raise NotInVat(f"this peer has not been started: use `{self._opening} as peer:`")
        return self._vat

    @overload  # as for the verb `spawn`
    def spawn(  # type: ignore[overload-overlap]
        self, behaviour: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
    ) -> A: ...
    @overload
    def spawn(self, behaviour: A, /) -> A: ...
    @overload
    def spawn(self, behaviour: Callable[P, R], /) -> Function[P, R]: ...
    def spawn(self, behaviour: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Make an object in this peer's vat; see `Vat.spawn`."""
        return self.vat.spawn(behaviour, *args, **kwargs)

    @overload
    def enliven(self, uri: str | SturdyRef, interface: type[A]) -> A: ...
    @overload
    def enliven(self, uri: str | SturdyRef) -> Promise[Any]: ...
    def enliven(self, uri: str | SturdyRef, interface: type[Any] | None = None) -> Any:
        """Return a promise for the object that a URI names; it can be sent to at once.

        Args:
            uri: what `publish` returned, here or at another peer.
            interface: the class that the reference is typed as. Only for type checkers.

        Raises:
            LocatorError: the text is no sturdyref.

        The promise breaks with `NetlayerError` if the peer can't be reached, with `RemoteError`
        if it publishes nothing under that number, and with `SessionSevered` if the session ends first.
        """
        return self._enliven(uri, call_site(1))

    def _enliven(self, uri: str | SturdyRef, site: Site | None) -> Promise[Any]:
        if not isinstance(uri, str | SturdyRef):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"enliven() takes the text of a URI or a SturdyRef, not {type(uri).__name__}")
        sturdyref = SturdyRef.parse(uri) if isinstance(uri, str) else uri
        vat = self.vat
        if self._is_own(sturdyref.peer):
            bootstrap: Any = vat.spawn(Bootstrap, self._registry)
        else:
            bootstrap = Promise[Any](vat)
            bootstrap._excuse()
            if vat.host.here():
                self._reach(sturdyref.peer, bootstrap)
            else:
                vat.host.post(self._reach, sturdyref.peer, bootstrap)
        home = current_home.get() or vat
        return home.send(bootstrap, (FETCH, sturdyref.swiss.octets), site)

    # Sessions

    @property
    def connections(self) -> list[Connection]:
        """The connections whose sessions are open."""
        return list(self._sessions)

    @property
    def sessions(self) -> list[PeerSession]:
        """The sessions that are open, in the order in which they opened."""
        return list(self._sessions.values())

    def _is_own(self, locator: PeerLocator) -> bool:
        netlayer = self._netlayers.get(locator.transport)
        return netlayer is not None and netlayer.location.identity == locator.identity

    def _acceptor(self, netlayer: Netlayer) -> Callable[[], Connection]:
        return lambda: self._connection(netlayer, None)

    def _connection(self, netlayer: Netlayer, dialled: PeerLocator | None) -> Connection:
        desk = GiftDesk(self._gifts, self._limits, self.vat.host.clock)
        connection = Connection(
            self.vat,
            location=netlayer.location,
            bootstrap=cast(
                "Any",
                self.vat.spawn(Bootstrap, self._registry, desk, Guesses(self.vat.host.clock)),
            ),
            dialled=dialled,
            framing=netlayer.listen_framing if dialled is None else netlayer.framing,
            limits=self._limits,
            version=self._version,
            dialect=self._dialect,
            wire=self._wire,
            entropy=self._entropy,
            settings_of=self._settings_of,
            on_opened=self._opened,
            on_severed=self._severed,
            introducer=self,
            tap=self._tap,
        )
        self._unopened[connection] = None
        self._desks[connection] = desk
        connection.session.kept = desk.counts
        return connection

    def _settings_of(self, locator: PeerLocator) -> PeerSettings | None:
        try:
            found = self._settings(locator)
            if found is None or isinstance(found, PeerSettings):  # pyright: ignore[reportUnnecessaryIsInstance]
                return found
            raise TypeError(f"settings are PeerSettings, not a {type(found).__name__}")
        except Exception:
            logger.exception("settings failed; %r is spoken to like the others", locator)
            return None

    def _reach(self, locator: PeerLocator, bootstrap: Promise[Any], gifter: Connection | None = None) -> None:
        """Resolve ``bootstrap`` to the other peer's, over the session there is or a new one."""
        connection = self._connections.get(locator.identity)
        if connection is not None:
            bootstrap._resolve_here(connection.remote_bootstrap)
            return
        dial = self._dials.get(locator.identity)
        if dial is None:
            dial = self._dials[locator.identity] = Dial(locator, Promise(self.vat))
            dial.pending._excuse()
            dial.gifter = gifter
            if gifter is not None:
                dial.who = gifter.who
                self._dial_share.take(dial.who)
            self._start_dial(dial)
        elif dial.gifter is not gifter:
            dial.gifter = None
        bootstrap._resolve_here(dial.pending)

    def _start_dial(self, dial: Dial) -> None:
        if self._closed:
            self._fail_dial(dial, NetlayerError(self._why_closed))
        else:
            task = asyncio.get_running_loop().create_task(self._dial(dial))
            self._tasks[task] = None
            dial.task = task
            task.add_done_callback(self._tasks.pop)

    async def _dial(self, dial: Dial) -> None:
        locator = dial.locator
        if self._dials.get(locator.identity) is not dial:
            return  # meanwhile the other peer has dialled us
        try:
            netlayer = self._netlayers.get(locator.transport)
            if netlayer is None:
                known = ", ".join(self._netlayers) or "no netlayers"
                raise NetlayerError(f"no way to {locator.transport!r} peers: this peer has {known}")
            dial.connection = connection = self._connection(netlayer, locator)
            try:
                await netlayer.dial(locator, connection)
            except BaseException:
                self._forget(connection)
                raise
        except (NetlayerError, VatStopped) as error:
            self._fail_dial(dial, error)
        except Exception as error:
            logger.exception("%r could not be dialled", locator)
            self._fail_dial(dial, error)
        except asyncio.CancelledError:
            # The loop ends, without having closed this peer.
            self._fail_dial(dial, NetlayerError(CLOSED_HERE))
            raise

    def _fail_dial(self, dial: Dial, error: Exception) -> None:
        if self._dials.get(dial.locator.identity) is dial:
            self._end_dial(dial)
            dial.pending._break_here(error)

    def _end_dial(self, dial: Dial) -> None:
        del self._dials[dial.locator.identity]
        if dial.who is not None:
            self._dial_share.give_back(dial.who)

    def _leave_dials(self, gifter: Connection) -> None:
        """The session that certificates came over has ended. What they are for may still be had.

        But so who comes back again and again would have all dials: those of all who have gone are no more
        than one gifter may have.
        """
        for dial in self._dials.values():
            if dial.gifter is gifter:
                self._dial_share.give_back(dial.who)
                dial.who = GONE
                self._dial_share.take(dial.who)
        left = [dial for dial in self._dials.values() if dial.who == GONE and dial.gifter is not None]
        for dial in left[: max(0, len(left) - MAX_DIALS // 2)]:
            self._fail_dial(dial, SessionSevered("the session with the gifter has ended"))
            if dial.task is not None:
                dial.task.cancel()
            if dial.connection is not None:
                dial.connection.close(NOT_NEEDED)

    def _opened(self, connection: Connection) -> None:
        session = connection.session
        assert session.peer_location is not None
        assert session.peer_key is not None
        self._unopened.pop(connection, None)
        self._desks[connection].open(session.session_id, session.peer_key, connection, session.wire)
        opened = self._sessions[connection] = PeerSession(connection, session.peer_location)
        if not self._is_stranger(connection):
            identity = session.peer_location.identity
            self._connections[identity] = connection
            dial = self._dials.get(identity)
            if dial is not None:
                self._end_dial(dial)
                dial.pending._resolve_here(connection.remote_bootstrap)
        self._tell(opened)

    def _severed(self, connection: Connection) -> None:
        location = connection.session.peer_location
        if location is not None and self._connections.get(location.identity) is connection:
            del self._connections[location.identity]
        self._forget(connection)
        self._leave_dials(connection)
        ended = self._sessions.pop(connection, None)
        if ended is not None:
            ended._end()
            self._tell(ended)
        dial = None if connection.dialled is None else self._dials.get(connection.dialled.identity)
        if dial is None or dial.connection is not connection or dial.crossed:
            return
        error = SessionSevered(f"there is no session: {connection.severed_because}")
        abort_reason = connection.session.abort_reason
        if abort_reason == DUPLICATE and dial.redials < len(REDIAL_SECONDS):
            asyncio.get_running_loop().call_later(REDIAL_SECONDS[dial.redials], self._start_dial, dial)
            dial.redials += 1
        elif abort_reason is not None and abort_reason not in FINAL_REASONS:
            # It may be about to reach us over a connection of its own, and have dropped this one
            # for that: then its hello is on the way.
            asyncio.get_running_loop().call_later(CROSSED_HELLO_SECONDS, self._fail_dial, dial, error)
        else:
            self._fail_dial(dial, error)

    def _tell(self, session: PeerSession) -> None:
        try:
            self._on_session(session)
        except Exception:
            logger.exception("on_session failed for %r", session)

    def _forget(self, connection: Connection) -> None:
        self._unopened.pop(connection, None)
        desk = self._desks.pop(connection, None)
        if desk is None:
            return
        if self._closed:
            desk.close()
        else:
            # Deposits and requests are turns of the vat; those that came before the end count.
            self.vat.run(desk.close)._excuse()

    def _expire_gifts(self) -> None:
        self._gifts.expire(self.vat.host.clock())

    def _until_gifts_expire(self) -> float | None:
        due = self._gifts.timer()
        return None if due is None else due - self.vat.host.clock()

    def _expire_numbers(self) -> None:
        self._registry.expire(self._wall_clock())

    def _until_numbers_expire(self) -> float | None:
        due = self._registry.timer()
        # The clock may be set, and stands for the loop while the machine sleeps: look often.
        return None if due is None else min(max(0.001, due - self._wall_clock()), EXPIRY_SECONDS)

    def _number_added(self) -> None:
        """A swiss number has come to expire before all others. Any thread."""
        if self._vat is not None:
            self._vat.host.post(self._number_alarm.set)

    # Introducer: what connections ask

    def admit(self, connection: Connection, location: PeerLocator, key: PublicKey) -> str | None:
        """Let one session with each peer be.

        Who a peer is has been proved by the netlayer, or can't be: then the first to claim a name has
        it while its session lasts. Who could have proved its name and has not stays a stranger: it
        takes no place of anybody, and no dial of ours gives way to it.

        When each side has dialled the other (crossed hellos), both must drop the same connection:
        the one whose initiator has the lower id. OCapN CapTP Specification, crossed hellos mitigation.
        """
        if location.transport != connection.session.location.transport:
            # Names of one network say nothing in another, which may be one that proves them.
            return OTHER_TRANSPORT
        if self._is_stranger(connection):
            return None
        if connection.session.proved is None and self._proves(connection):
            return UNPROVED
        if location.identity in self._connections:
            return DUPLICATE
        dial = self._dials.get(location.identity)
        if connection.dialled is not None or dial is None or dial.connection is None:
            return None
        # Ours is worth keeping only if our hello is out and not refused: else the other knows nothing
        # of it or does not want it, and the connection at hand is all there is.
        ours, theirs = dial.connection.session.wire.public_id, connection.session.wire.public_id
        if dial.connection.hello_is_out and ours(dial.connection.keys.public) > theirs(key):
            return CROSSED_HELLOS
        dial.crossed = True
        dial.connection.close(CROSSED_HELLOS)
        return None

    def _is_stranger(self, connection: Connection) -> bool:
        """Tell whether somebody came to us without proof where those whom we dial have to give it."""
        unproved = connection.dialled is None and connection.session.proved is None
        return unproved and self._proves(connection)

    def _proves(self, connection: Connection) -> bool:
        return self._netlayers[connection.session.location.transport].proves

    def introduce(self, connection: Connection, target: RemoteRef) -> DescSigEnvelope | None:
        """As the gifter: hand ``target`` over to the peer of ``connection``, if that can reach its home."""
        exporter = target._sink
        if not isinstance(exporter, Connection) or exporter._introducer is not self:
            return None
        session, receiver_key = exporter.session, connection.session.peer_key
        location = session.peer_location
        if session.state is not SessionState.OPEN or location is None or receiver_key is None:
            return None
        if not session.wire.signs_like(connection.session.wire):
            return None  # no certificate would pass: what is signed has other octets there
        netlayer = self._netlayers.get(location.transport)
        if netlayer is None or not netlayer.locates(location) or not exporter.may_deposit(connection):
            return None
        gift_id = self._entropy(32)
        connection.deposit_later(exporter, gift_id, target)
        return sign_give(
            exporter.keys,
            receiver_key=receiver_key,
            exporter=location,
            session=session.session_id,
            gift_id=gift_id,
            wire=session.wire,
        )

    def introduced(self, connection: Connection, promise: Promise[Any], certificate: DescSigEnvelope) -> None:
        """As the receiver: take over what a certificate stands for, from its home."""
        give = certificate.object
        assert isinstance(give, DescHandoffGive)
        location = give.exporter_location
        connected = location.identity in self._connections
        desk = self._desks[connection]
        try:
            desk.expect(promise)
            if self._is_own(location):
                promise._resolve_here(desk.withdraw_own(certificate))
                return
        except Refused as error:
            # Its frames hold all that is being carried out, for as long as somebody holds the promise.
            promise._break_here(error.with_traceback(None))
            return
        if not connected and not self._allows_dial(location):
            promise._break_here(Refused(f"this peer does not dial {location!r} for others"))
        elif not connected and not self._has_room_to_dial(location, connection):
            dials = f"{len(self._dials)} peers are being dialled already"
            promise._break_here(Refused(f"{dials}, and too many of them for this one"))
        else:
            gate: Promise[Any] = Promise(self.vat)
            gate._excuse()
            self._reach(location, gate, connection)
            gate._listen_here(Withdrawal(promise, certificate, connection.keys))

    def _has_room_to_dial(self, location: PeerLocator, gifter: Connection) -> bool:
        if location.identity in self._dials:
            return True
        return self._dial_share.room(gifter.who, len(self._dials)) > 0

    def _allows_dial(self, location: PeerLocator) -> bool:
        try:
            return self._may_dial(location)
        except Exception:
            logger.exception("may_dial failed; %r is not dialled", location)
            return False
