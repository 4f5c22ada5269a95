"""The contracts between a netlayer, its channels and whoever uses them.

A *netlayer* opens *channels*: ordered streams of bytes to and from one peer. It moves bytes and
knows nothing of what they mean; how messages are cut out of them is the session's affair, which
asks the netlayer only for its `Framing`.

The life of a channel, as its `Handler` sees it::

    channel_opened ──► data_received* ──► eof_received? ──► channel_lost
                       pause_writing / resume_writing, alternating

It is asked to read no more for a while with ``pause_reading()``, which holds back the octets and the FIN.

After ``close()`` or ``abort()`` only ``channel_lost`` is still called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hobgoblin.locators import PeerLocator
from hobgoblin.syrup.framing import Framing

__all__ = ["Channel", "Handler", "Netlayer"]


class Handler(Protocol):
    """What a channel reports to. Implemented by the connection that owns a session.

    Every call is made in the thread of the event loop. An exception that escapes from one of them
    is reported to the loop's exception handler and cuts the channel.
    """

    def channel_opened(self, channel: Channel) -> None:
        """The first call. ``channel`` can be written to and closed from here on."""
        ...

    def data_received(self, data: bytes) -> None:
        """Some octets have come in, at least one, cut anywhere."""
        ...

    def eof_received(self) -> None:
        """The peer has closed its direction: nothing more comes in. Ours stays open until ``close()``."""
        ...

    def channel_lost(self, error: Exception | None) -> None:
        """The last call, made exactly once for each ``channel_opened``.

        It never comes from inside of ``write()``, ``close()`` or ``abort()``. ``error`` is ``None`` when the
        channel ended in order or was aborted here, a `NetlayerError` when it broke, and otherwise
        what this handler itself has raised.
        """
        ...

    def pause_writing(self) -> None:
        """More is waiting to be sent than the channel likes to hold. May be called inside of ``write()``."""
        ...

    def resume_writing(self) -> None:
        """Most of what was waiting has been sent. Follows ``pause_writing`` unless the channel ends."""
        ...


class Channel(Protocol):
    """An ordered stream of bytes to and from one peer. Used in the thread of its event loop only."""

    @property
    def description(self) -> str:
        """What messages and logs call it: ``unix:/tmp/captp.sock``. Holds no secret, is one line."""
        ...

    @property
    def proved(self) -> PeerLocator | None:
        """Who the other end is, as far as the netlayer has *proved* it: by a key, say, not by a claim.

        Only its identity counts, designator and transport. Final once ``channel_opened`` is called.
        ``None`` if nothing is proved: then the other end is whoever could connect.
        """
        ...

    def write(self, chunks: Sequence[bytes]) -> None:
        """Send ``chunks``, in order. Never blocks; does nothing once the channel is closed or lost.

        Nothing is refused after ``pause_writing``: what is written is held in memory without bound.
        """
        ...

    def pause_reading(self) -> None:
        """Take no more from the peer, which has to wait with what it sends, until ``resume_reading()``.

        What was on its way to the handler may still come. A channel that carries what others hand to it
        can't stop them, and need not try. Does nothing once the peer's FIN has come. Idempotent.
        """
        ...

    def resume_reading(self) -> None:
        """Go on after ``pause_reading()``. Nothing comes in from inside of this call. Idempotent."""
        ...

    def close(self) -> None:
        """Send what was written, then FIN; discard what comes in until the peer's FIN; then end.

        A peer that neither takes our bytes nor closes its side is cut off after the linger time (2 s
        without progress). Until then no RST destroys what is on its way. Idempotent.
        """
        ...

    def abort(self) -> None:
        """End at once. What was written and not yet sent is lost. Idempotent."""
        ...


class Netlayer(Protocol):
    """One way to reach peers and to be reached. Bound to the event loop in which it is used."""

    @property
    def transport(self) -> str:
        """The transport's name in locators: ``unix``."""
        ...

    @property
    def framing(self) -> Framing:
        """What the dialling side speaks."""
        ...

    @property
    def listen_framing(self) -> Framing:
        """What an accepted channel speaks; `Framing.DETECT` where the first octet tells."""
        ...

    @property
    def location(self) -> PeerLocator:
        """Where others find us. Final once ``listen()`` has returned; without hints when we do not listen."""
        ...

    @property
    def listening(self) -> bool:
        """Whether others can reach us here: ``listen()`` has returned, and there is an address."""
        ...

    @property
    def proves(self) -> bool:
        """Whether a channel that we dial proves who is at the other end: `Channel.proved` is then set.

        Those that are accepted may prove it or not, each for itself.
        """
        ...

    def locates(self, locator: PeerLocator) -> bool:
        """Tell whether a locator of this transport says where its peer can be dialled."""
        ...

    async def listen(self, accept: Callable[[], Handler]) -> None:
        """Accept channels. Does nothing without an address. To be called once.

        Args:
            accept: makes the handler of each; it may raise to turn a channel away.

        Raises:
            NetlayerError: it is not possible; the message says where, why, and what to do.
        """
        ...

    async def dial(self, locator: PeerLocator, handler: Handler) -> Channel:
        """Open a channel to the peer at ``locator``. ``handler.channel_opened`` is called before it returns.

        The netlayer keeps the channel and closes it in its own ``close()``. There is no deadline beyond
        the operating system's: put the call under ``asyncio.timeout``. ``handler`` may see the opening and
        the loss of a channel whose dial was cancelled.

        Raises:
            NetlayerError: it is not possible, and ``handler`` was not called. Nothing else is raised,
                whatever the hints say.
        """
        ...

    async def close(self) -> None:
        """Stop listening, close all channels and wait until they have ended. Final and idempotent."""
        ...
