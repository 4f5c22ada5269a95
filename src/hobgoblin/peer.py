"""A peer: who we are to others. It owns a vat, netlayers, and one session to each other peer."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar, overload

from hobgoblin.connection import Connection, Tap
from hobgoblin.crypto import Entropy, SwissNum, system_entropy
from hobgoblin.errors import NetlayerError, NotInVat
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.loops import spawn_vat
from hobgoblin.netlayers import Netlayer
from hobgoblin.refs import FULFILLED, Promise, Ref, call_site, current_home
from hobgoblin.sturdyrefs import Bootstrap, Registry
from hobgoblin.values import DEFAULT_LIMITS, Limits, Symbol
from hobgoblin.vat import Actor, Vat

__all__ = ["Peer"]

logger = logging.getLogger("hobgoblin.peer")

A = TypeVar("A", bound=Actor)

FETCH: Final = Symbol("fetch")


class Peer:
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
        entropy: where swiss numbers come from.
        tap: sees all bytes that cross, for tools.
    """

    def __init__(
        self,
        *netlayers: Netlayer,
        name: str = "peer",
        limits: Limits = DEFAULT_LIMITS,
        version: str = "1.0",
        entropy: Entropy = system_entropy,
        tap: Tap | None = None,
    ) -> None:
        self._netlayers = {netlayer.transport: netlayer for netlayer in netlayers}
        if len(self._netlayers) != len(netlayers):
            raise ValueError("a peer takes one netlayer of each transport")
        self._name = name
        self._limits = limits
        self._version = version
        self._tap = tap
        self._registry = Registry(entropy)
        self._vat: Vat | None = None
        self._bootstrap: Ref | None = None
        # By the identity of the peer: sessions that are open, and dials under way.
        self._connections: dict[tuple[str, str], Connection] = {}
        self._dials: dict[tuple[str, str], Promise[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unopened: set[Connection] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Peer {self._name} on {', '.join(self._netlayers) or 'nothing'}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Make the vat and listen on all netlayers. ``async with`` does this.

        Raises:
            NetlayerError: one of them can't listen; the others have been closed again.
        """
        if self._vat is not None:
            raise RuntimeError("this peer has been started already")
        self._vat = spawn_vat(self._name)
        self._bootstrap = self._vat.spawn(Bootstrap, self._registry)
        try:
            for netlayer in self._netlayers.values():
                await netlayer.listen(self._acceptor(netlayer))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Send what waits, end all sessions, stop listening and stop the vat. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        for connection in (*self._connections.values(), *self._unopened):
            connection.close("the peer has closed")
        for netlayer in self._netlayers.values():
            await netlayer.close()
        if self._vat is not None:
            self._vat.stop()

    async def serve_forever(self) -> None:
        """Serve until cancelled, or until the process gets Ctrl-C or SIGTERM; then return.

        Outside of the main thread, and on Windows, signals are left to the program.
        """
        loop = asyncio.get_running_loop()
        terminated = loop.create_future()

        def terminate() -> None:
            if not terminated.done():
                terminated.set_result(None)

        handled: list[signal.Signals] = []
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                with suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.add_signal_handler(number, terminate)
                    handled.append(number)
            await terminated
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    # Objects

    @property
    def vat(self) -> Vat:
        """The vat of this peer. Raises `NotInVat` before the peer has been started."""
        if self._vat is None:
            raise NotInVat("this peer has not been started: use `async with Peer(…) as peer:`")
        return self._vat

    def spawn(self, behaviour: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Make an object in this peer's vat; see `Vat.spawn`."""
        return self.vat.spawn(behaviour, *args, **kwargs)

    def publish(self, target: Any, *, swiss: bytes | None = None, transport: str | None = None) -> str:
        """Make an object available to whoever knows the URI that this returns. It is a password.

        Args:
            target: a reference to the object; the peer holds it from now on.
            swiss: a swiss number of your choice, so that the URI is the same again after a
                restart; by default 32 random octets.
            transport: which of several netlayers the URI names; by default the first.

        Raises:
            TypeError: ``target`` is no reference.
            NetlayerError: nobody can reach this peer: it listens on no such netlayer.
        """
        if not isinstance(target, Ref):
            raise TypeError(
                f"publish() takes a reference, such as spawn() returns, not a {type(target).__name__}"
            )
        location = self._location(transport)
        number = self._registry.publish(target, None if swiss is None else SwissNum(swiss))
        return SturdyRef(location, number).uri()

    def unpublish(self, uri: str) -> None:
        """Make a URI worthless from now on. References that were fetched with it live on."""
        self._registry.unpublish(SturdyRef.parse(uri).swiss)

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
        sturdyref = SturdyRef.parse(uri) if isinstance(uri, str) else uri
        vat = self.vat
        if self._is_own(sturdyref.peer):
            bootstrap: Any = self._bootstrap
        else:
            bootstrap = Promise(vat)
            bootstrap._heard = True
            if vat.host.here():
                self._reach(sturdyref.peer, bootstrap)
            else:
                vat.host.post(self._reach, sturdyref.peer, bootstrap)
        home = current_home.get() or vat
        return home.send(bootstrap, (FETCH, sturdyref.swiss.octets), call_site(1))

    # Sessions

    @property
    def connections(self) -> list[Connection]:
        """The connections whose sessions are open."""
        return list(self._connections.values())

    def _location(self, transport: str | None) -> PeerLocator:
        for netlayer in self._netlayers.values():
            if transport in (None, netlayer.transport) and netlayer.listening:
                return netlayer.location
        what = "any netlayer" if transport is None else f"a netlayer {transport!r}"
        raise NetlayerError(f"{self._name} does not listen on {what}: nobody could use the URI")

    def _is_own(self, locator: PeerLocator) -> bool:
        netlayer = self._netlayers.get(locator.transport)
        return netlayer is not None and netlayer.location.identity == locator.identity

    def _acceptor(self, netlayer: Netlayer) -> Callable[[], Connection]:
        return lambda: self._connection(netlayer, None)

    def _connection(self, netlayer: Netlayer, dialled: PeerLocator | None) -> Connection:
        assert self._bootstrap is not None
        connection = Connection(
            self.vat,
            location=netlayer.location,
            bootstrap=self._bootstrap,
            dialled=dialled,
            framing=netlayer.listen_framing if dialled is None else netlayer.framing,
            limits=self._limits,
            version=self._version,
            on_opened=self._opened,
            on_severed=self._severed,
            tap=self._tap,
        )
        self._unopened.add(connection)
        return connection

    def _reach(self, locator: PeerLocator, bootstrap: Promise[Any]) -> None:
        """Resolve ``bootstrap`` to the other peer's, over the session there is or a new one."""
        connection = self._connections.get(locator.identity)
        if connection is not None:
            bootstrap._resolve_here(connection.remote_bootstrap)
            return
        pending = self._dials.get(locator.identity)
        if pending is None:
            pending = self._dials[locator.identity] = Promise(self.vat)
            pending._heard = True
            task = asyncio.get_running_loop().create_task(self._dial(locator, pending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        bootstrap._resolve_here(pending)

    async def _dial(self, locator: PeerLocator, pending: Promise[Any]) -> None:
        try:
            netlayer = self._netlayers.get(locator.transport)
            if netlayer is None:
                known = ", ".join(self._netlayers) or "no netlayers"
                raise NetlayerError(f"no way to {locator.transport!r} peers: this peer has {known}")
            connection = self._connection(netlayer, locator)
            try:
                await netlayer.dial(locator, connection)
            except BaseException:
                self._unopened.discard(connection)
                raise
            pending._resolve_here(connection.remote_bootstrap)
            # Nobody else is to dial meanwhile, nor to be told of a session that never came to be.
            await _settled(connection.remote_bootstrap)
        except NetlayerError as error:
            pending._break_here(error)
        except asyncio.CancelledError:
            pending._break_here(NetlayerError("the peer has closed"))
            raise
        finally:
            if self._dials.get(locator.identity) is pending:
                del self._dials[locator.identity]

    def _opened(self, connection: Connection) -> None:
        self._unopened.discard(connection)
        location = connection.session.peer_location
        assert location is not None
        other = self._connections.get(location.identity)
        if other is None:
            self._connections[location.identity] = connection
            return
        loser = self._loser(other, connection)
        if loser is other:
            self._connections[location.identity] = connection
        loser.close("a session between these peers exists already")

    def _loser(self, old: Connection, new: Connection) -> Connection:
        """Return which of two sessions with one peer has to go.

        When each side has dialled the other, both must come to the same result: the session whose
        initiator has the lower id goes (crossed hellos). Otherwise the newer one goes.
        """
        if old.dialled == new.dialled:
            return new
        return old if _initiator_id(old) < _initiator_id(new) else new

    def _severed(self, connection: Connection) -> None:
        self._unopened.discard(connection)
        location = connection.session.peer_location
        if location is not None and self._connections.get(location.identity) is connection:
            del self._connections[location.identity]


def _initiator_id(connection: Connection) -> bytes:
    key = connection.keys.public if connection.dialled else connection.session.peer_key
    assert key is not None
    return key.public_id


async def _settled(promise: Promise[Any]) -> None:
    """Wait until a promise has settled, either way."""
    try:
        await promise
    except Exception:
        assert promise._state > FULFILLED
