"""What netlayers over sockets have in common: an accept loop, and channels on sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Final, final

from hobgoblin.errors import NetlayerError
from hobgoblin.forking import keep, let_go
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers.base import BaseNetlayer
from hobgoblin.netlayers.channel import Channel, Handler
from hobgoblin.netlayers.stream import StreamChannel, adopt
from hobgoblin.syrup.framing import Framing

__all__ = ["BACKLOG", "Listener", "SocketNetlayer", "check_listening"]

BACKLOG: Final = 1024
"""Connections the kernel may hold for us until we accept them (it has its own bound, too)."""

_ACCEPTS_PER_TURN: Final = 64
_RETRY_SECONDS: Final = 1.0

_log = logging.getLogger("hobgoblin.netlayers")


@final
class Listener:
    """Accepts on a listening socket, in the running loop, until closed. Owns the socket.

    asyncio's own server would do, but for two faults. When file descriptors run out, CPython 3.11 logs
    the error and starts a timer a hundred times over, and all of those timers fail if the server is
    closed meanwhile; and what it has accepted in the turn in which it is closed it leaks.

    ``accepted`` may `pause` the listener, but not close it. Who shares the socket with other processes
    accepts one connection in a turn: the next goes to whoever has nothing else to do.
    """

    def __init__(
        self, sock: socket.socket, accepted: Callable[[socket.socket], None], *, shares: bool = False
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._accepted = accepted
        self._accepts_per_turn = 1 if shares else _ACCEPTS_PER_TURN
        self._retry: asyncio.TimerHandle | None = None
        self._paused = False
        sock.setblocking(False)
        self._loop.add_reader(sock, self._ready)

    def close(self) -> None:
        self._paused = False
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def let_go(self) -> None:
        """This is the child of a fork: close the socket here only."""
        self._paused = False
        let_go(self._sock.fileno())
        keep(self._sock)

    def pause(self) -> None:
        """Accept nobody until `resume`: who comes waits in the queue of the socket, or goes to another."""
        self._paused = True
        self._loop.remove_reader(self._sock)

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._loop.add_reader(self._sock, self._ready)

    def _ready(self) -> None:
        for _ in range(self._accepts_per_turn):
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                # EMFILE and its like: the socket stays ready, so without a pause this would spin.
                _log.error("cannot accept: %s; trying again in %g s", error.strerror, _RETRY_SECONDS)
                self._loop.remove_reader(self._sock)
                self._retry = self._loop.call_later(_RETRY_SECONDS, self._retry_now)
                return
            self._accepted(sock)
            if self._paused:
                return

    def _retry_now(self) -> None:
        self._loop.add_reader(self._sock, self._ready)


class SocketNetlayer(BaseNetlayer):
    """A netlayer over stream sockets. Subclasses bind, connect and name them.

    ``given`` is a socket that listens already, which other processes may accept on as well. It is owned
    from now on.
    """

    _listener: Listener | None = None

    def __init__(
        self,
        transport: str,
        designator: str,
        framing: Framing,
        max_channels: int,
        given: socket.socket | None = None,
    ) -> None:
        super().__init__(transport, designator, framing, max_channels)
        self._given = given
        self._adopting: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _bind(self) -> tuple[socket.socket, Mapping[str, str]] | None:
        """Return a socket that listens and the hints that lead to it, or ``None`` without an address."""

    @abstractmethod
    async def _connect(self, locator: PeerLocator) -> tuple[socket.socket, str]:
        """Return a connected socket and the channel's description. Raise `NetlayerError`."""

    @abstractmethod
    def _name_of(self, sock: socket.socket) -> str:
        """Return the description of a channel accepted on ``sock``."""

    def _prepare(self, sock: socket.socket) -> None:
        """Set options on the socket of a channel, dialled or accepted. Must not fail."""

    async def _start(self) -> Mapping[str, str] | None:
        bound = await self._bind()
        if bound is None:
            return None
        sock, hints = bound
        self._listener = Listener(sock, self._arrived, shares=self._given is not None)
        return hints

    def forked(self) -> None:
        super().forked()
        if self._listener is not None:
            self._listener.let_go()

    def _stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        elif self._given is not None:
            self._given.close()

    async def _dial(self, locator: PeerLocator, handler: Handler) -> Channel:
        sock, description = await self._connect(locator)
        if self._closed:
            sock.close()
            self._check_open()
        self._prepare(sock)
        channel = self._dialled_channel(handler, description)
        try:
            await adopt(sock, channel)
        except OSError as error:
            raise NetlayerError(f"the channel {description} broke while it opened: {error}") from error
        return channel

    def _arrived(self, sock: socket.socket) -> None:
        channel = self._accepted_channel(self._name_of(sock))
        if channel is None:
            sock.close()
            return
        self._prepare(sock)
        task = asyncio.get_running_loop().create_task(adopt(sock, channel))
        self._adopting.add(task)
        task.add_done_callback(lambda task: self._adopted(task, sock, channel))
        if self._given is not None and len(self._accepted) >= self._max_channels:
            # Another process may have room. To close what comes would be quicker than to serve it, so
            # that who is full would get the most.
            _log.warning("%r has %d channels: it accepts no more until one ends", self, self._max_channels)
            assert self._listener is not None
            self._listener.pause()

    def _accepted_lost(self, channel: StreamChannel) -> None:
        super()._accepted_lost(channel)
        if self._listener is not None:
            self._listener.resume()

    def _adopted(self, task: asyncio.Task[None], sock: socket.socket, channel: StreamChannel) -> None:
        self._adopting.discard(task)
        if not channel.opened and not channel.gone.done():  # cancelled before its first step
            sock.close()
            channel.connection_lost(None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("%s broke while it opened: %s", channel.description, error)


def check_listening(sock: object, *families: int) -> socket.socket:
    """Return ``sock`` if it is a socket of one of these families that listens for streams.

    Raises:
        TypeError, ValueError: it is not. It is left open.
    """
    if not isinstance(sock, socket.socket):
        raise TypeError(
            f"socket is a {type(sock).__name__}; it must be a socket.socket: of a descriptor that was "
            "inherited, make one with socket.socket(fileno=…)"
        )
    if sock.fileno() < 0:
        raise ValueError("socket is closed: give one that listens")
    if sock.family not in families or sock.type != socket.SOCK_STREAM:
        raise ValueError(f"{sock!r} is of another kind: this netlayer can't accept on it")
    try:
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0
    except OSError:
        listens = True  # macOS has the option and does not answer it: what does not listen fails at accept()
    if not listens:
        raise ValueError(f"{sock!r} does not listen: call its listen(); what is connected is for connect()")
    return sock
