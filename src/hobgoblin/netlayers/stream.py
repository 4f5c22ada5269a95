"""The one `Channel` there is: the contract's rules on top of any ``asyncio.Transport``."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final, cast, final

from hobgoblin.errors import NetlayerError
from hobgoblin.forking import keep, let_go, tell_at_fork
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers.channel import Handler
from hobgoblin.syrup.encoder import joined

__all__ = ["LINGER_SECONDS", "StreamChannel", "adopt"]

LINGER_SECONDS: Final = 2.0
"""How long a closed channel waits for a peer that neither takes our bytes nor closes its side."""

_FLUSH_SECONDS: Final = 30.0
"""How long a closed channel waits at most, for a peer that takes our bytes, but slowly."""


@final
class StreamChannel(asyncio.Protocol):
    """A channel over a transport: asyncio's own, or one of ours for memory, files and streams.

    The transport owns the socket and is owned by the channel. ``on_lost`` is told when the channel
    has ended; `gone` is then done, too.
    """

    __slots__ = (
        "__weakref__",
        "_closed",
        "_deadline",
        "_eof",
        "_failure",
        "_handler",
        "_held",
        "_linger",
        "_loop",
        "_on_lost",
        "_timer",
        "_transport",
        "_unsent",
        "description",
        "gone",
        "opened",
        "proved",
    )

    def __init__(
        self,
        handler: Handler,
        description: str,
        *,
        proved: PeerLocator | None = None,
        on_lost: Callable[[StreamChannel], None] | None = None,
        linger: float = LINGER_SECONDS,
    ) -> None:
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._linger = linger
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._unsent = 0
        self._closed = False
        self._eof = False
        self._held = False
        self._failure: Exception | None = None
        self.description = description
        self.proved = proved
        self.opened = False
        self.gone: asyncio.Future[None] = self._loop.create_future()

    def __repr__(self) -> str:
        return f"<StreamChannel {self.description}>"

    # What the owner calls.

    def write(self, chunks: Sequence[bytes]) -> None:
        transport = self._transport
        if self._closed or transport is None or transport.is_closing():
            return
        # Not writelines(): up to CPython 3.12.8 and 3.13.1 it forgets to pause the writer (CVE-2024-12254).
        # To copy a long one costs more than another call of the system, which uvloop spares us as well.
        for part in joined(chunks) if len(chunks) > 1 else chunks:
            transport.write(part)

    def pause_reading(self) -> None:
        self._held = True
        # After the FIN, asyncio's own transports would read it again on resuming.
        if self._transport is not None and not self._closed and not self._eof:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._held = False
        if self._transport is not None and not self._closed and not self._eof:
            self._transport.resume_reading()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._transport is not None:
                self._finish(self._transport)

    def abort(self) -> None:
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, transport: asyncio.Transport) -> None:
        self._unsent = transport.get_write_buffer_size()
        self._deadline = self._loop.time() + _FLUSH_SECONDS
        self._timer = self._loop.call_later(self._linger, self._linger_over)
        if self._eof or not transport.can_write_eof():
            transport.close()
            return
        transport.resume_reading()  # or the FIN would not be seen
        # To close a TCP socket with unread input sends RST, which destroys what the peer has not read yet
        # (the op:abort, say). Hence: FIN now, and on reading until the peer's FIN.
        try:
            transport.write_eof()
        except OSError:  # the peer has reset the channel and the transport does not know it yet
            transport.abort()

    def _linger_over(self) -> None:
        transport = self._transport
        assert transport is not None  # connection_lost() cancels the timer
        unsent = transport.get_write_buffer_size()
        if unsent < self._unsent and self._loop.time() < self._deadline:
            self._unsent = unsent
            self._timer = self._loop.call_later(self._linger, self._linger_over)
        else:
            transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.opened = True
        tell_at_fork(self)
        try:
            self._handler.channel_opened(self)
        except Exception as error:
            self._handler_failed(error)
        if self._held:
            # uvloop starts to read only after this call, whatever was said in it.
            self._loop.call_soon(self._hold)
        if self._closed and self._timer is None:  # closed by its netlayer before it was open
            self._finish(self._transport)

    def _hold(self) -> None:
        if self._held:
            self.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            self._handler.data_received(data)
        except Exception as error:
            self._handler_failed(error)

    def eof_received(self) -> bool:
        """Return whether the transport stays open for what we still write."""
        self._eof = True
        if not self._closed:
            try:
                self._handler.eof_received()
            except Exception as error:
                self._handler_failed(error)
        return not self._closed

    def pause_writing(self) -> None:
        if not self._closed:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        if not self._closed:
            self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        self._closed = True
        try:
            if self.opened:
                self._handler.channel_lost(self._failure or self._as_netlayer_error(exc))
        finally:
            self.gone.set_result(None)
            if self._on_lost is not None:
                self._on_lost(self)

    def forked(self) -> None:
        """This is the child of a fork: close the descriptor here, and send nothing, not even a FIN."""
        transport, self._transport = self._transport, None
        self._closed = True
        self._timer = None
        if transport is not None:
            keep(transport)
            file = transport.get_extra_info("socket") or transport.get_extra_info("pipe")
            if file is not None:
                let_go(file.fileno())

    def _as_netlayer_error(self, exc: Exception | None) -> NetlayerError | None:
        if exc is None or isinstance(exc, NetlayerError):
            return exc
        reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
        error = NetlayerError(f"the channel {self.description} broke: {reason}")
        error.__cause__ = exc
        return error

    def _handler_failed(self, error: Exception) -> None:
        self._failure = error
        self._loop.call_exception_handler(
            {
                "message": f"the handler of the channel {self.description} failed; the channel is cut",
                "exception": error,
                "protocol": self,
            }
        )
        self.abort()


async def adopt(sock: socket.socket, channel: StreamChannel) -> None:
    """Put ``channel`` on a connected stream socket. Owns ``sock`` from here on, also when it fails."""
    try:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: channel, sock)
    except BaseException:
        # Cancelled just after it had opened, uvloop closes the socket at once, and tells nobody.
        if not channel.gone.done() and (not channel.opened or sock.fileno() < 0):
            sock.close()
            channel.connection_lost(None)
        raise
