"""What all netlayers here do alike: keep the channels they open, and close them."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Final

from hobgoblin.errors import NetlayerError
from hobgoblin.forking import tell_at_fork
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers.channel import Channel, Handler
from hobgoblin.netlayers.stream import StreamChannel
from hobgoblin.syrup.framing import Framing
from hobgoblin.values import one_line

__all__ = ["MAX_CHANNELS", "BaseNetlayer"]

MAX_CHANNELS: Final = 1024
"""Accepted channels at a time, unless said otherwise: also the usual limit on open files of a process."""

_log = logging.getLogger("hobgoblin.netlayers")


class BaseNetlayer(ABC):
    """A netlayer whose channels are `StreamChannel`. Subclasses say how to listen and how to dial."""

    proves = False

    def __init__(self, transport: str, designator: str, framing: Framing, max_channels: int) -> None:
        if max_channels < 1:
            raise ValueError(f"max_channels is {max_channels}; a netlayer needs at least one")
        self.transport = transport
        self.framing = framing
        self.listen_framing = Framing.DETECT
        self.location = PeerLocator(transport, designator, {})
        self._max_channels = max_channels
        self._full = False
        self._accept: Callable[[], Handler] | None = None
        self._accepted: dict[StreamChannel, None] = {}
        self._dialled: dict[StreamChannel, None] = {}
        self._closed = False
        self.listening = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location.uri()}>"

    def locates(self, locator: PeerLocator) -> bool:
        return bool(locator.hints)

    async def listen(self, accept: Callable[[], Handler]) -> None:
        self._check_open()
        if self._accept is not None:
            raise NetlayerError(f"this {self.transport} netlayer is listening already; make a second one")
        self._accept = accept
        tell_at_fork(self)
        try:
            hints = await self._start()
        except BaseException:
            self._accept = None
            raise
        self.listening = hints is not None
        if hints:
            self.location = PeerLocator(self.transport, self.location.designator, hints)

    async def dial(self, locator: PeerLocator, handler: Handler) -> Channel:
        self._check_open()
        if locator.transport != self.transport:
            raise NetlayerError(
                f"cannot dial {one_line(locator.transport)!r} over {self.transport}; "
                "use the netlayer that the locator names"
            )
        return await self._dial(locator, handler)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.listening = False
            self._stop()
        channels = (*self._accepted, *self._dialled)
        for channel in channels:
            channel.close()
        if channels:
            await asyncio.wait([channel.gone for channel in channels])

    def forked(self) -> None:
        """This is the child of a fork: be closed here. The parent's socket file is not ours to remove."""
        self._closed = True
        self.listening = False
        self._accepted.clear()
        self._dialled.clear()

    @abstractmethod
    async def _start(self) -> Mapping[str, str] | None:
        """Begin to listen; return the hints of our location, or ``None`` when there is no address.

        The event loop must get no turn between the two, or a channel is accepted at no location.
        """

    @abstractmethod
    async def _dial(self, locator: PeerLocator, handler: Handler) -> Channel:
        """Open a channel; register it through `_dialled_channel`."""

    @abstractmethod
    def _stop(self) -> None:
        """Stop listening. Must not fail."""

    def _check_open(self) -> None:
        if self._closed:
            raise NetlayerError(f"this {self.transport} netlayer is closed; make a new one")

    def _dialled_channel(
        self, handler: Handler, description: str, proved: PeerLocator | None = None
    ) -> StreamChannel:
        channel = StreamChannel(handler, description, proved=proved, on_lost=self._dialled.pop)
        self._dialled[channel] = None
        return channel

    def _accepted_channel(self, description: str, proved: PeerLocator | None = None) -> StreamChannel | None:
        """Return a channel for somebody who has just connected, or ``None`` to turn them away."""
        assert self._accept is not None  # or we would not be listening
        if len(self._accepted) >= self._max_channels:
            if not self._full:
                _log.warning("%r has %d channels: new ones are turned away", self, self._max_channels)
            self._full = True
            return None
        self._full = False
        try:
            handler = self._accept()
        except Exception:
            _log.exception("%r turned away %s, no handler could be made for it", self, description)
            return None
        channel = StreamChannel(handler, description, proved=proved, on_lost=self._accepted_lost)
        self._accepted[channel] = None
        return channel

    def _accepted_lost(self, channel: StreamChannel) -> None:
        del self._accepted[channel]
