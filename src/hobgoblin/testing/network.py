"""A network of one's own making: what is sent on it arrives late, in pieces, or not at all.

Every choice is drawn from one seed. The channels are streams, with a stream's guarantees: what arrives
is a beginning of what was sent, in its order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from random import Random
from typing import Any, Final, Literal, final

from hobgoblin.errors import NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers.base import MAX_CHANNELS, BaseNetlayer
from hobgoblin.netlayers.channel import Channel, Handler
from hobgoblin.netlayers.stream import StreamChannel
from hobgoblin.syrup.framing import Framing
from hobgoblin.values import one_line

__all__ = ["Arrival", "Faults", "SimulatedNetlayer", "SimulatedNetwork"]

TRANSPORT: Final = "simulated"

FIN: Final = "FIN"
RST: Final = "RST"

_Item = bytes | Literal["FIN", "RST"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong on a network. Chances are between 0 and 1; times are simulated seconds.

    The defaults are a network on which nothing goes wrong.
    """

    delay: tuple[float, float] = (0.001, 0.02)
    """The shortest and the longest time on the way. Each piece draws its own; none overtakes another."""

    split: float = 0.0
    """Chance that what is written at once arrives in pieces, cut anywhere."""

    coalesce: float = 0.0
    """Chance that what arrives brings along all that is behind it."""

    sever: float = 0.0
    """Chance, for each write, that the channel breaks: both ends notice, each in its time."""

    half_open: float = 0.0
    """Chance, for each write, that the channel falls silent: nothing arrives any more, at either end."""

    keepalive: float | None = 60.0
    """How long a channel may be silent in this way before its ends notice; ``None``: for ever."""

    refuse: float = 0.0
    """Chance that a dial fails."""

    collect: float = 0.0
    """Chance, for each arrival, that the garbage collector runs after it."""

    window: int = 64 * 1024
    """Octets under way on a channel, in one direction, before its writer is asked to pause."""

    @classmethod
    def drawn(cls, seed: int) -> Faults:
        """Return the faults of a seed: each kind is on or off, and more or less likely."""
        rng = Random(f"{seed}:faults")

        def chance(*values: float) -> float:
            return rng.choice((0.0, *values))

        return cls(
            delay=rng.choice(((0.001, 0.001), (0.001, 0.02), (0.0, 0.2), (0.05, 3.0))),
            split=chance(0.1, 0.5, 1.0),
            coalesce=chance(0.1, 0.5),
            sever=chance(0.0, 0.002, 0.02),
            half_open=chance(0.0, 0.0, 0.005),
            refuse=chance(0.0, 0.1),
            collect=chance(0.02, 0.2),
            window=rng.choice((256, 4096, 64 * 1024)),
        )

    def over(self) -> Faults:
        """Return the same network from the time on when nothing new goes wrong."""
        return replace(self, sever=0.0, half_open=0.0, refuse=0.0)


@final
@dataclass(frozen=True, slots=True)
class Arrival:
    """Something has arrived: ``octets``, or the end of a channel (``FIN`` in order, ``RST`` not)."""

    time: float
    sender: str
    receiver: str
    channel: int
    octets: _Item

    def __str__(self) -> str:
        what = self.octets if isinstance(self.octets, str) else f"{len(self.octets)} octets"
        return f"{self.time:10.4f}  {self.sender} ─▶ {self.receiver}  #{self.channel}  {what}"


@final
class SimulatedNetwork:
    """A network for the peers of one event loop; see `Simulation`.

    Args:
        rng: what all choices are drawn from.
        faults: what goes wrong. May be replaced at any time.
        on_arrival: called after everything that arrives, once its receiver has dealt with it.
    """

    def __init__(
        self,
        rng: Random,
        faults: Faults,
        on_arrival: Callable[[Arrival], object] = lambda arrival: None,
    ) -> None:
        self.rng = rng
        self.faults = faults
        self.on_arrival = on_arrival
        self.arrivals = 0
        self.recent: deque[Arrival] = deque(maxlen=20)
        self._hash = blake2b(digest_size=16)
        self._listening: dict[str, SimulatedNetlayer] = {}
        self._links: dict[_Link, None] = {}
        self._stalled: set[frozenset[str]] = set()
        self._channels = 0

    def __repr__(self) -> str:
        return f"<SimulatedNetwork {', '.join(self._listening) or 'empty'}>"

    @property
    def trace(self) -> str:
        """A hash of all that has arrived, of when and where. The same seed gives the same one."""
        return self._hash.hexdigest()

    def netlayer(self, name: str, *, listen: bool = True) -> SimulatedNetlayer:
        """Return a netlayer by which a peer is on this network, as ``name``."""
        return SimulatedNetlayer(self, name, listen=listen)

    # Faults at a time of one's choice. Names are those of the netlayers.

    def sever(self, one: str, other: str) -> None:
        """Break the channels between two peers. Of what is under way a beginning may still arrive."""
        for link in self._between(one, other):
            link.sever()

    def silence(self, one: str, other: str) -> None:
        """Let the channels between two peers fall silent for good: half-open, as when a cable is cut."""
        for link in self._between(one, other):
            link.fall_silent()

    def stall(self, one: str, other: str) -> None:
        """Hold back all that is sent between two peers, and their dials, until `heal`."""
        self._stalled.add(frozenset((one, other)))

    def heal(self, one: str, other: str) -> None:
        """End a `stall`: what was held back arrives."""
        self._stalled.discard(frozenset((one, other)))
        for link in self._between(one, other):
            link.resume()

    def calm(self) -> None:
        """End all stalls, and let nothing new go wrong. Channels that fell silent stay so."""
        self.faults = self.faults.over()
        self._stalled.clear()
        for link in tuple(self._links):
            link.resume()

    def _between(self, one: str, other: str) -> list[_Link]:
        return [link for link in self._links if link.names == frozenset((one, other))]

    def _is_stalled(self, names: frozenset[str]) -> bool:
        return names in self._stalled

    def _connect(self, dialled: StreamChannel, caller: str, accepted: StreamChannel, called: str) -> None:
        self._channels += 1
        link = _Link(self, self._channels, frozenset((caller, called)))
        self._links[link] = None
        link.ends = here, there = _End(link, dialled, caller), _End(link, accepted, called)
        here.out, there.out = _Wire(link, here, there), _Wire(link, there, here)
        accepted.connection_made(there)
        dialled.connection_made(here)

    def _arrived(self, arrival: Arrival) -> None:
        self.arrivals += 1
        self.recent.append(arrival)
        octets = arrival.octets
        self._hash.update(
            b"%.6f %b %b %d %d\0%b"
            % (
                arrival.time,
                arrival.sender.encode(),
                arrival.receiver.encode(),
                arrival.channel,
                len(octets),
                octets.encode() if isinstance(octets, str) else octets,
            )
        )
        self.on_arrival(arrival)


@final
class SimulatedNetlayer(BaseNetlayer):
    """A netlayer among those of one `SimulatedNetwork`. Made by `SimulatedNetwork.netlayer`."""

    def __init__(self, network: SimulatedNetwork, name: str, *, listen: bool) -> None:
        super().__init__(TRANSPORT, name, Framing.PREFIXED, MAX_CHANNELS)
        self._network = network
        self._name = name
        self._listens = listen

    def locates(self, locator: PeerLocator) -> bool:
        return locator.designator in self._network._listening

    async def _start(self) -> Mapping[str, str] | None:
        if not self._listens:
            return None
        if self._name in self._network._listening:
            raise NetlayerError(
                f"cannot listen as {one_line(self._name)}: the name is taken; choose another one"
            )
        self._network._listening[self._name] = self
        return {}

    def _stop(self) -> None:
        if self._network._listening.get(self._name) is self:
            del self._network._listening[self._name]

    async def _dial(self, locator: PeerLocator, handler: Handler) -> Channel:
        network = self._network
        name = locator.designator
        for refused in (network.rng.random() < network.faults.refuse, False):
            await asyncio.sleep(network.rng.uniform(*network.faults.delay))
            if refused:
                raise NetlayerError(f"cannot dial {one_line(name)}: the network refuses")
            if network._is_stalled(frozenset((self._name, name))):
                await asyncio.sleep(30.0)
                raise NetlayerError(f"cannot dial {one_line(name)}: nobody answers")
        self._check_open()
        there = network._listening.get(name)
        if there is None:
            raise NetlayerError(f"cannot dial {one_line(name)}: nobody of that name listens on this network")
        arrival = there._accepted_channel(f"{TRANSPORT}:{one_line(self._name)}")
        if arrival is None:
            raise NetlayerError(f"cannot dial {one_line(name)}: it turned the channel away")
        channel = self._dialled_channel(handler, f"{TRANSPORT}:{one_line(name)}")
        network._connect(channel, self._name, arrival, name)
        return channel


class _Link:
    """The two ends of a channel and the wires between them."""

    ends: tuple[_End, _End]

    def __init__(self, network: SimulatedNetwork, number: int, names: frozenset[str]) -> None:
        self.network = network
        self.number = number
        self.names = names
        self.silent = False

    def sever(self) -> None:
        for end in self.ends:
            end.out.break_off()

    def fall_silent(self) -> None:
        self.silent = True
        keepalive = self.network.faults.keepalive
        if keepalive is not None:
            for end in self.ends:
                end.notice_after(keepalive)

    def resume(self) -> None:
        for end in self.ends:
            end.out.schedule()

    def ended(self) -> None:
        if all(end.gone for end in self.ends):
            self.network._links.pop(self, None)
            for end in self.ends:
                end.out.stop()


class _Wire:
    """One direction of a channel: what is under way, and when it is due."""

    def __init__(self, link: _Link, source: _End, target: _End) -> None:
        self._link = link
        self._source = source
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[tuple[float, _Item]] = deque()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.size = 0

    def put(self, data: bytes) -> None:
        network = self._link.network
        faults, rng = network.faults, network.rng
        if rng.random() < faults.sever:
            self._append(data)
            self._link.sever()
            return
        if rng.random() < faults.half_open:
            self._link.fall_silent()
        for piece in self._cut(data) if rng.random() < faults.split else (data,):
            self._append(piece)
        self.schedule()

    def put_end(self, item: Literal["FIN", "RST"]) -> None:
        if item == RST:
            self._under_way.clear()
            self.size = 0
        self._append(item)
        self.schedule()

    def break_off(self) -> None:
        """Let a random beginning of what is under way arrive, and then the news that it is over."""
        rng = self._link.network.rng
        keep = rng.randint(0, self.size)
        items, self._under_way = self._under_way, deque()
        self.size = 0
        for due, item in items:
            if isinstance(item, str) or keep <= 0:
                break
            self._under_way.append((due, item[:keep]))
            self.size += len(item[:keep])
            keep -= len(item)
        self._append(RST)
        self.schedule()

    def schedule(self) -> None:
        if self._timer is None and self._may_arrive():
            self._timer = self._loop.call_at(self._under_way[0][0], self._deliver)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _all_octets(self) -> bytes:
        """Take what is under way, up to the end of the channel."""
        taken: list[bytes] = []
        while self._under_way and isinstance(octets := self._under_way[0][1], bytes):
            self._under_way.popleft()
            taken.append(octets)
        return b"".join(taken)

    def _may_arrive(self) -> bool:
        link, target = self._link, self._target
        if not self._under_way or link.silent or link.network._is_stalled(link.names):
            return False
        # Who has paused reading still learns that the channel is cut.
        return target.reading or target.gone or self._under_way[0][1] == RST

    def _append(self, item: _Item) -> None:
        network = self._link.network
        self._due = max(self._due, self._loop.time() + network.rng.uniform(*network.faults.delay))
        self._under_way.append((self._due, item))
        if isinstance(item, bytes):
            self.size += len(item)

    def _cut(self, data: bytes) -> Iterator[bytes]:
        rng = self._link.network.rng
        while data:
            size = rng.choice((1, 2, 7, 50, 300, len(data)))
            yield data[:size]
            data = data[size:]

    def _deliver(self) -> None:
        self._timer = None
        if not self._may_arrive():
            return
        link, target = self._link, self._target
        network = link.network
        _, item = self._under_way.popleft()
        if isinstance(item, bytes):
            if network.rng.random() < network.faults.coalesce:
                item += self._all_octets()
            self.size -= len(item)
        # Octets that reach an end that is gone already, nobody reads: they have not arrived.
        arrives = isinstance(item, str) or not target.gone
        target.arrive(item)
        if arrives:
            network._arrived(Arrival(self._loop.time(), self._source.name, target.name, link.number, item))
        self._source.written()
        self.schedule()


class _End(asyncio.Transport):
    """One end of a channel, with a socket's behaviour."""

    out: _Wire

    def __init__(self, link: _Link, channel: StreamChannel, name: str) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._channel = channel
        self._fin_sent = False
        self._closing = False
        self._paused = False
        self._keepalive: asyncio.TimerHandle | None = None
        self.name = name
        self.reading = True
        self.gone = False

    # What the channel calls.

    def get_write_buffer_size(self) -> int:
        return self.out.size

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self.gone or self._fin_sent or not data:
            return
        self.out.put(bytes(data))
        if not self._paused and self.out.size > self._link.network.faults.window:
            self._paused = True
            self._channel.pause_writing()

    def write_eof(self) -> None:
        if not self._fin_sent:
            self._fin_sent = True
            self.out.put_end(FIN)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.write_eof()
            self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        self._closing = self._fin_sent = True
        self.out.put_end(RST)
        self._loop.call_soon(self._end, None)

    def is_reading(self) -> bool:
        return self.reading and not self._closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        if not self.reading:
            self.reading = True
            other = self._link.ends[self is self._link.ends[0]]
            other.out.schedule()

    # What the wires call.

    def arrive(self, item: _Item) -> None:
        if item == RST:
            self._closing = True
            self._end(ConnectionResetError("the channel was cut"))
        elif self.gone:
            if item != FIN:
                self.out.put_end(RST)
        elif self._closing:
            return
        elif isinstance(item, bytes):
            self._channel.data_received(item)
        elif not self._channel.eof_received():
            self.close()

    def written(self) -> None:
        """Something of what was written has arrived."""
        if self._paused and not self.gone and self.out.size <= self._link.network.faults.window // 4:
            self._paused = False
            self._channel.resume_writing()

    def notice_after(self, seconds: float) -> None:
        """The channel has fallen silent: find out, but not before some time has passed."""
        if self._keepalive is None and not self.gone:
            self._keepalive = self._loop.call_later(
                seconds, self._end, TimeoutError("the other end has not answered for long")
            )

    def _end(self, error: Exception | None) -> None:
        if self.gone:
            return
        self.gone = self._closing = True
        if self._keepalive is not None:
            self._keepalive.cancel()
        self._link.ended()
        self._channel.connection_lost(error)
