"""The low-level doors: CapTP over whatever connects two programs, without locators and netlayers.

`connect` takes a stream of bytes, `attach` a channel of whole messages. They are the roles of
``make-machinetp-thread`` and ``setup-captp-vat`` in the first Goblins with CapTP. Who the other
side is, and that nobody listens in, is for whoever made the stream to know.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, final
from weakref import WeakKeyDictionary

from hobgoblin.background import background
from hobgoblin.captp.texts import DISCONNECTED, PROGRAM_ENDED
from hobgoblin.connection import Connection
from hobgoblin.crypto import system_entropy
from hobgoblin.forking import tell_at_fork
from hobgoblin.locators import PeerLocator
from hobgoblin.loops import host_of
from hobgoblin.netlayers.files import ReadableFile, WritableFile
from hobgoblin.netlayers.wrap import wrap_files, wrap_socket, wrap_streams
from hobgoblin.refs import Follower, Promise, Ref, RemoteRef
from hobgoblin.sturdyrefs import Bootstrap, Registry
from hobgoblin.syrup import Framing
from hobgoblin.taps import Tap
from hobgoblin.values import DEFAULT_LIMITS, Limits
from hobgoblin.vat import Vat
from hobgoblin.wire import TODAY, Wire, wire_of

__all__ = ["Receiver", "attach", "connect", "disconnect"]

logger = logging.getLogger("hobgoblin.direct")

TRANSPORT: Final = "direct"
"""What the two ends of a direct connection call their transport: nobody can dial it."""


def connect(
    reader: asyncio.StreamReader | socket.socket | ReadableFile,
    writer: asyncio.StreamWriter | WritableFile | None = None,
    bootstrap: Any = None,
    vat: Vat | None = None,
    *,
    framing: Framing = Framing.PREFIXED,
    limits: Limits = DEFAULT_LIMITS,
    on_severed: Callable[[], object] | None = None,
    tap: Tap | None = None,
    wire: Wire | str = TODAY,
) -> Promise[Any]:
    """Speak CapTP over a stream of bytes; return a promise for the other side's bootstrap object.

    Args:
        reader: an asyncio ``StreamReader``; or a connected socket; or a binary file to read from,
            such as a pipe. The connection owns it from now on, and closes it.
        writer: the ``StreamWriter`` or the binary file to write to. Not for a socket.
        bootstrap: what the other side gets as its bootstrap object: a reference, or an actor or
            a function, which is spawned in ``vat``. Without one it is OCapN's, with nothing
            published.
        vat: where this side's part lives. By default a new one on the running loop. A program
            without a loop gets one in a background thread; `hobgoblin.blocking.result` waits there.
        framing: how messages are told apart; the same on both sides.
        limits: what is accepted from the other side.
        on_severed: called once when the session has ended.
        tap: sees all the bytes.
        wire: how messages look, here and there: one of the `hobgoblin.wire.WIRES`, by name, or one
            of your own.

    Raises:
        TypeError: ``reader`` and ``writer`` are no such pair, or ``bootstrap`` can be no object; or
            ``wire`` is neither a `Wire` nor a name.
        ValueError: there is no such wire.
    """
    asynchronous = isinstance(reader, asyncio.StreamReader)
    if asynchronous != isinstance(writer, asyncio.StreamWriter):
        raise TypeError("connect() takes a StreamReader together with its StreamWriter, not one of them")
    if isinstance(reader, socket.socket):
        if writer is not None:
            raise TypeError("a socket is both read and written: give connect() no writer beside it")
    elif writer is None:
        raise TypeError(
            "connect() takes a socket, or a reader and a writer: "
            f"it needs a writer beside this {type(reader).__name__}"
        )
    spoken = wire_of(wire)
    vat = vat if vat is not None else _default_vat()
    offered = _offered(vat, bootstrap)
    remote: Promise[Any] = Promise(vat)
    remote._excuse()

    def open_channel() -> Coroutine[Any, Any, object] | None:
        connection = _connection(vat, remote, offered, framing, limits, on_severed, tap, spoken)
        if isinstance(reader, socket.socket):
            return wrap_socket(reader, connection)
        if isinstance(reader, asyncio.StreamReader):
            assert isinstance(writer, asyncio.StreamWriter)
            wrap_streams(reader, writer, connection)
        else:
            assert writer is not None
            assert not isinstance(writer, asyncio.StreamWriter)
            wrap_files(reader, writer, connection)
        return None

    _begin(vat, open_channel, remote)
    return remote


def attach(
    vat: Vat,
    send_to_remote: Callable[[bytes], object],
    bootstrap: Any = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    on_severed: Callable[[], object] | None = None,
    wire: Wire | str = TODAY,
) -> tuple[Receiver, Promise[Any]]:
    """Speak CapTP over a channel that keeps messages apart, such as a queue or a WebSocket.

    Args:
        vat: where this side's part lives.
        send_to_remote: called in the vat's thread with each encoded message for the other side,
            the first time after this function has returned. If it raises, the channel counts as lost.
        bootstrap: as for `connect`.
        limits: what is accepted from the other side.
        on_severed: called once when the session has ended.
        wire: as for `connect`.

    Returns:
        What takes the messages of the other side, from any thread, and a promise for the other
        side's bootstrap object.

    Raises:
        TypeError, ValueError: there is no such ``wire``, or ``bootstrap`` can be no object.
    """
    spoken = wire_of(wire)
    offered = _offered(vat, bootstrap)
    remote: Promise[Any] = Promise(vat)
    remote._excuse()
    receiver = Receiver(vat, send_to_remote)

    def open_channel() -> None:
        receiver._open(_connection(vat, remote, offered, Framing.MESSAGE, limits, on_severed, None, spoken))

    vat.host.post(open_channel)
    return receiver, remote


def disconnect(remote: Any, reason: str = DISCONNECTED) -> Promise[None]:
    """End the session that a reference came through: the other side is told, all that waits breaks.

    Args:
        remote: the promise that `connect` or `attach` returned, or a reference to a remote object.
        reason: what the other side is told.

    Returns:
        A promise that is fulfilled when the channel has ended. It need not be awaited.

    Raises:
        TypeError: ``remote`` came through no session.

    Any thread. Idempotent. What was sent before still leaves.
    """
    is_promise = isinstance(remote, Promise)
    known: Any = remote
    connection = _connections.get(known) if is_promise else None
    if connection is None:
        target: Any = known._value if is_promise else known
        if type(target) is not RemoteRef or not isinstance(target._sink, Connection):
            raise TypeError(f"{remote!r} did not come through a session")
        connection = target._sink
    connection.home.host.post(connection.close, reason)
    return connection.ended


@final
class Receiver:
    """Takes the messages of the other side: call it with each. The channel under an attached session."""

    def __init__(self, vat: Vat, send_to_remote: Callable[[bytes], object]) -> None:
        self._vat = vat
        self._send = send_to_remote
        self._connection: Connection | None = None
        self.description = "attached channel"
        tell_at_fork(self)
        self.proved: PeerLocator | None = None

    def __call__(self, message: bytes) -> None:
        """Take one whole message. Any thread; never raises for what the message holds."""
        self._vat.host.post(self._received, bytes(message))

    def disconnected(self) -> None:
        """Say that the channel is lost: everything that was expected from it breaks. Any thread."""
        self._vat.host.post(self._lost)

    def forked(self) -> None:
        """This is the child of a fork: what carries the messages is the parent's."""
        self._send = _unsent

    def _open(self, connection: Connection) -> None:
        self._connection = connection
        connection.channel_opened(self)

    def _received(self, message: bytes) -> None:
        if self._connection is not None:
            self._connection.data_received(message)

    def _lost(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.channel_lost(None)

    def write(self, chunks: Sequence[bytes]) -> None:
        """Hand messages to whoever carries them."""
        try:
            for message in chunks:
                self._send(message)
        except Exception:
            logger.exception("a message could not be handed over: the session ends")
            self.disconnected()

    def pause_reading(self) -> None:
        """Whoever carries the messages can't be asked to wait: the session keeps them, up to a limit."""

    def resume_reading(self) -> None:
        """Nothing was paused."""

    def close(self) -> None:
        """The session has ended; its op:abort has been handed over."""
        self.disconnected()

    def abort(self) -> None:
        """The same; nothing is buffered here."""
        self.disconnected()


def _unsent(message: bytes) -> None:
    """Stand in for a channel that belongs to the parent process."""


def _offered(vat: Vat, bootstrap: Any) -> Ref:
    """Return a reference to what the other side is to get as its bootstrap object."""
    if isinstance(bootstrap, Ref):
        return bootstrap
    made: Any = vat.spawn(Bootstrap, Registry()) if bootstrap is None else vat.spawn(bootstrap)
    reference: Ref = made
    return reference


def _connection(
    vat: Vat,
    remote: Promise[Any],
    bootstrap: Ref,
    framing: Framing,
    limits: Limits,
    on_severed: Callable[[], object] | None,
    tap: Tap | None,
    wire: Wire,
) -> Connection:
    """Return a connection for a channel to come, at the end of which ``remote`` is to be."""
    connection = _connections[remote] = Connection(
        vat,
        location=PeerLocator(TRANSPORT, system_entropy(16).hex(), {}),
        bootstrap=bootstrap,
        initiator=True,
        framing=framing,
        limits=limits,
        on_severed=lambda connection: _tell(on_severed),
        tap=tap,
        wire=wire,
    )
    connection.remote_bootstrap._listen_here(Follower(remote))
    return connection


def _tell(on_severed: Callable[[], object] | None) -> None:
    if on_severed is not None:
        try:
            on_severed()
        except Exception:
            # The channel is still to be closed, and who waits for that to be told.
            logger.exception("on_severed failed")


def _begin(
    vat: Vat, open_channel: Callable[[], Coroutine[Any, Any, object] | None], remote: Promise[Any]
) -> None:
    """Run ``open_channel`` in the vat's loop, at once if that is ours; break ``remote`` if it fails."""

    def begin() -> None:
        try:
            waiting = open_channel()
        except Exception as error:
            fail(error)
        else:
            if waiting is not None:
                task = asyncio.get_running_loop().create_task(finish(waiting))
                # The loop itself holds tasks only weakly.
                _opening.add(task)
                task.add_done_callback(_opening.discard)

    async def finish(waiting: Coroutine[Any, Any, object]) -> None:
        try:
            await waiting
        except Exception as error:
            fail(error)

    def fail(error: Exception) -> None:
        if not remote._listeners and not remote._queue:
            remote._heard = False  # if nobody looks, it is to be reported
        remote._break_here(error)

    if vat.host.here():
        begin()
    else:
        vat.host.post(begin)


# Which connection each promise for a remote bootstrap object belongs to.
_connections: WeakKeyDictionary[Promise[Any], Connection] = WeakKeyDictionary()

_opening: set[asyncio.Task[None]] = set()


@final
class _InBackground:
    """The direct connections of the loop in the background, to be closed with it."""

    async def close(self) -> None:
        ended: list[Promise[None]] = []
        for vat in host_of(asyncio.get_running_loop()).vats:
            for connection in tuple(vat._dependents):
                if isinstance(connection, Connection) and connection._introducer is None:
                    connection.close(PROGRAM_ENDED)
                    if connection._channel is not None:
                        ended.append(connection.ended)
        for promise in ended:
            await promise


_in_background = _InBackground()


def _default_vat() -> Vat:
    """Return a new vat on the running loop, or on a loop in the background if there is none."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        behind = background()
        behind.close_at_exit(_in_background)
        return behind.host.new_vat("direct")
    return host_of(loop).new_vat("direct")
