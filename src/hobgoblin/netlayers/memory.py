"""Channels within one event loop: for tests and for examples without a network."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, final

from hobgoblin.errors import NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers.base import MAX_CHANNELS, BaseNetlayer
from hobgoblin.netlayers.channel import Channel, Handler
from hobgoblin.netlayers.stream import StreamChannel
from hobgoblin.syrup.framing import Framing
from hobgoblin.values import one_line

__all__ = ["Memory", "MemoryNetwork"]

_HIGH_WATER: Final = 65536
_LOW_WATER: Final = 16384


@final
class MemoryNetwork:
    """A network for `Memory` netlayers: they reach each other by name, if they share it.

    Args:
        split: cuts what one ``write()`` hands over into the pieces that arrive, to show that nobody
            relies on where a stream is cut: ``lambda data: (data[:1], data[1:])``. It must lose nothing;
            empty pieces are left out. By default everything arrives as it was written.
        proves: whether its channels prove names, as they do unless you want one that proves nothing,
            like ``tcp-testing-only``.
    """

    def __init__(
        self, *, split: Callable[[bytes], Iterable[bytes]] | None = None, proves: bool = True
    ) -> None:
        self._split = split
        self._proves = proves
        self._listening: dict[str, Memory] = {}

    def __repr__(self) -> str:
        return f"<MemoryNetwork {', '.join(sorted(self._listening)) or 'empty'}>"


@final
class Memory(BaseNetlayer):
    """A netlayer among those of one `MemoryNetwork`, and of one event loop.

    Everything is delivered by later turns of the loop, in order. The network proves names: that of who
    is dialled, and that of who dials, if it listens under it. Who does not listen has no name here to
    prove.

    Args:
        network: those who can reach each other.
        name: what this one is known as, once it listens: its designator.
        max_channels: how many accepted channels there may be at a time; to dial one more fails.

    Raises:
        LocatorError: ``name`` is none that a locator can hold.
    """

    def __init__(self, network: MemoryNetwork, name: str, *, max_channels: int = MAX_CHANNELS) -> None:
        super().__init__("memory", name, Framing.PREFIXED, max_channels)
        self._network = network
        self._name = name
        self.proves = network._proves
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrivals = 0

    def locates(self, locator: PeerLocator) -> bool:
        return locator.designator in self._network._listening

    async def _start(self) -> Mapping[str, str] | None:
        if self._name in self._network._listening:
            raise NetlayerError(
                f"cannot listen as {one_line(self._name)}: the name is taken; choose another one"
            )
        self._network._listening[self._name] = self
        self._loop = asyncio.get_running_loop()
        return {}

    def _stop(self) -> None:
        if self._network._listening.get(self._name) is self:
            del self._network._listening[self._name]

    async def _dial(self, locator: PeerLocator, handler: Handler) -> Channel:
        name = one_line(locator.designator)
        there = self._network._listening.get(locator.designator)
        if there is None:
            raise NetlayerError(f"cannot dial {name}: nobody of that name listens on this network")
        if there._loop is not asyncio.get_running_loop():
            raise NetlayerError(f"cannot dial {name}: it runs in another event loop; use the unix netlayer")
        self._arrivals += 1
        named = self._network._listening.get(self._name) is self
        arrival = there._accepted_channel(
            f"memory:{one_line(self._name)}#{self._arrivals}", self._proof(self._name) if named else None
        )
        if arrival is None:
            raise NetlayerError(f"cannot dial {name}: it turned the channel away")
        channel = self._dialled_channel(handler, f"memory:{name}", self._proof(there._name))
        _connect(channel, arrival, self._network._split)
        return channel

    def _proof(self, name: str) -> PeerLocator | None:
        # Made from what the network knows: `location` is what the other netlayer says of itself.
        return PeerLocator(self.transport, name, {}) if self.proves else None


def _connect(
    dialled: StreamChannel, accepted: StreamChannel, split: Callable[[bytes], Iterable[bytes]] | None
) -> None:
    here, there = _End(dialled, split), _End(accepted, split)
    here.other, there.other = there, here
    asyncio.get_running_loop().call_soon(accepted.connection_made, there)
    dialled.connection_made(here)


@final
class _End(asyncio.Transport):
    """One end of a channel, with a socket's behaviour: FIN, half-open, and RST from an end that is gone."""

    other: _End

    def __init__(self, channel: StreamChannel, split: Callable[[bytes], Iterable[bytes]] | None) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._split = split
        self._fin_sent = False
        self._closing = False
        self._gone = False
        # What the other end has not been given yet; what has arrived while reading was paused, FIN as b"".
        self._unsent = 0
        self._writer_paused = False
        self._held: deque[bytes] = deque()
        self._reader_paused = False

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def pause_reading(self) -> None:
        self._reader_paused = True

    def resume_reading(self) -> None:
        if self._reader_paused:
            self._reader_paused = False
            self._loop.call_soon(self._give)

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        data = bytes(data)
        for piece in (data,) if self._split is None else self._split(data):
            if piece:
                self._unsent += len(piece)
                self._loop.call_soon(self.other._arrive, piece)
        if self._unsent > _HIGH_WATER and not self._writer_paused:
            self._writer_paused = True
            self._channel.pause_writing()

    def write_eof(self) -> None:
        if not self._fin_sent:
            self._fin_sent = True
            self._loop.call_soon(self.other._arrive, b"")

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.write_eof()
            self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        self._closing = True
        self._loop.call_soon(self._end, None)
        self._loop.call_soon(self.other._arrive_rst)

    def _arrive(self, data: bytes) -> None:
        self._held.append(data)
        self._give()

    def _give(self) -> None:
        held = self._held
        while held and not self._reader_paused:
            data = held.popleft()
            self.other._taken(len(data))
            if self._closing:
                continue
            if data:
                self._channel.data_received(data)
            elif not self._channel.eof_received():
                self.close()

    def _taken(self, octets: int) -> None:
        self._unsent -= octets
        if self._writer_paused and self._unsent <= _LOW_WATER:
            self._writer_paused = False
            self._channel.resume_writing()

    def _arrive_rst(self) -> None:
        self._closing = True
        self._end(ConnectionResetError("the other end is gone"))

    def _end(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            self._channel.connection_lost(error)
