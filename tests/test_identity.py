"""Who a peer is: what netlayers prove, what is only claimed, and what a liar can do with it."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, PeerLocator, method, netlayers
from hobgoblin.captp.handshake import hello
from hobgoblin.connection import Connection
from hobgoblin.crypto import KeyPair
from hobgoblin.messages import ENCODERS
from hobgoblin.netlayers.base import BaseNetlayer
from hobgoblin.netlayers.channel import Channel, Handler
from hobgoblin.netlayers.stream import StreamChannel
from hobgoblin.peer import DUPLICATE
from hobgoblin.syrup import Framing, encode, frame


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(300):
            await main()

    asyncio.run(guarded())


class Thing(Actor):
    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: tuple[object, ...] = ()

    @method
    def hi(self) -> str:
        return self.name

    @method
    def note(self, *things: object) -> None:
        self.notes += things

    @method
    def noted(self) -> tuple[object, ...]:
        return self.notes

    @method
    async def ask(self, other: Any) -> Any:
        return await other.hi()


def keys_of(name: str) -> KeyPair:
    return KeyPair.from_seed(sha256(name.encode()).digest())


def hello_as(location: PeerLocator, keys: KeyPair) -> bytes:
    """A hello with a valid signature, of somebody who says that this is his location."""
    return frame(encode(hello(keys, location, "1.0"), encoders=ENCODERS), Framing.PREFIXED)


class Liar:
    """The handler of a channel on which somebody says hello under a name of his choice, then waits."""

    def __init__(self, location: PeerLocator, keys: KeyPair | None = None) -> None:
        self.hello = hello_as(location, keys or keys_of("liar"))
        self.heard = bytearray()
        self.answered = asyncio.Event()

    def channel_opened(self, channel: Channel) -> None:
        self.channel = channel
        channel.write([self.hello])

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.answered.set()

    def eof_received(self) -> None:
        self.channel.close()

    def channel_lost(self, error: Exception | None) -> None:
        self.answered.set()

    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


def memory(name: str) -> PeerLocator:
    return PeerLocator("memory", name, {})


@asynccontextmanager
async def peers(network: netlayers.MemoryNetwork, names: str) -> AsyncGenerator[list[Peer]]:
    those = [Peer(netlayers.Memory(network, name), name=name) for name in names.split()]
    try:
        for peer in those:
            await peer.start()
        yield those
    finally:
        for peer in those:
            await peer.close()


async def settle() -> None:
    """Let everything happen that needs nothing from outside."""
    ready: deque[Any] = vars(asyncio.get_running_loop())["_ready"]
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110 - there is no event for that nothing else is left to do
        await asyncio.sleep(0)


class TestProved:
    """On a netlayer that proves names."""

    def test_t15_nobody_passes_for_another_one_who_can_prove_his_own_name(self) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with peers(network, "alice bob") as (alice, bob):
                mallory = netlayers.Memory(network, "mallory")
                await mallory.listen(lambda: Liar(memory("mallory")))
                liar = Liar(memory("bob"))
                await mallory.dial(memory("alice"), liar)
                await liar.answered.wait()
                assert b"not the one that the netlayer has proved" in liar.heard
                assert b"op:start-session" not in liar.heard
                await settle()
                assert alice.connections == []
                assert await alice.enliven(bob.publish(bob.spawn(Thing, "bob")), Thing).hi() == "bob"
                await mallory.close()

        run(main)

    def test_t15_whoever_answers_in_place_of_the_peer_that_was_dialled_is_refused(self) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with peers(network, "alice") as (alice,):
                mallory, liars = netlayers.Memory(network, "mallory"), list[Liar]()

                def answer() -> Liar:
                    liars.append(Liar(memory("bob")))
                    return liars[-1]

                await mallory.listen(answer)
                with pytest.raises(hob.SessionSevered):
                    await alice.enliven("ocapn://mallory.memory/s/c3dpc3M")
                assert b"swiss" not in liars[0].heard
                assert alice.connections == []
                await mallory.close()

        run(main)

    def test_t15_a_claim_without_proof_takes_nobodys_place(self) -> None:
        """A stranger who says to be bob sits there first: bob is reached, and reaches us, all the same."""

        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with peers(network, "alice bob carol") as (alice, bob, carol):
                stranger, liar = netlayers.Memory(network, "bob"), Liar(memory("bob"))  # does not listen
                await stranger.dial(memory("alice"), liar)
                await liar.answered.wait()
                assert b"op:start-session" in liar.heard
                (session,) = alice.connections
                heard = len(liar.heard)

                uri = bob.publish(bob.spawn(Thing, "bob"))
                assert await bob.enliven(alice.publish(alice.spawn(Thing, "alice")), Thing).hi() == "alice"
                assert await alice.enliven(uri, Thing).hi() == "bob"
                # By hand-off as well: what carol has from bob is fetched from bob.
                at_alice = carol.enliven(alice.publish(alice.spawn(Thing, "alice")), Thing)
                assert await at_alice.ask(await carol.enliven(uri)) == "bob"
                assert len(liar.heard) == heard
                assert session in alice.connections
                await stranger.close()

        run(main)

    def test_strangers_are_served(self) -> None:
        """Who has no name to prove can use what it has a URI for, as often as it likes."""

        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with peers(network, "server") as (server,):
                uri = server.publish(server.spawn(Thing, "server"))
                clients = [NotListening(network, "client") for _ in range(3)]
                for client in clients:
                    await client.start()
                assert [await client.enliven(uri, Thing).hi() for client in clients] == ["server"] * 3
                assert len(server.connections) == 3
                for client in clients:
                    await client.close()
                await settle()
                assert server.connections == []

        run(main)

    def test_a_netlayer_that_breaks_its_word_opens_no_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            layer = netlayers.Memory(network, "alice")
            monkeypatch.setattr(layer, "_proof", lambda name: None)
            async with Peer(layer) as alice, Peer(netlayers.Memory(network, "bob")) as bob:
                with pytest.raises(hob.SessionSevered, match="was to prove who this is"):
                    await alice.enliven(bob.publish(bob.spawn(Thing, "bob")))

        run(main)


class NotListening(Peer):
    """A peer of a memory network that only dials."""

    async def start(self) -> None:
        await super().start()
        layer: Any = self._netlayers["memory"]
        del layer._network._listening[layer._name]

    def __init__(self, network: netlayers.MemoryNetwork, name: str) -> None:
        super().__init__(netlayers.Memory(network, name))
        self._taken = network._listening.pop(name, None)


class TestClaimed:
    """On a netlayer that proves nothing."""

    def test_t15_a_claim_cannot_evict_an_open_session(self) -> None:
        """Over real sockets: the liar is told off, the session under that name goes on."""

        async def main() -> None:
            layers = [netlayers.TcpTestingOnly() for _ in range(2)]
            async with Peer(layers[0]) as alice, Peer(layers[1]) as bob:
                thing = alice.enliven(bob.publish(bob.spawn(Thing, "bob")), Thing)
                assert await thing.hi() == "bob"
                before = alice.connections
                host, port = layers[0].location.hints["host"], int(layers[0].location.hints["port"])
                for _ in range(20):
                    reader, writer = await asyncio.open_connection(host, port)
                    writer.write(hello_as(layers[1].location, keys_of("liar")))
                    answer = await reader.read()
                    assert b"op:start-session" not in answer
                    assert DUPLICATE.encode() in answer
                    writer.close()
                    await writer.wait_closed()
                assert alice.connections == before
                assert await thing.hi() == "bob"

        run(main)

    @pytest.mark.parametrize("host", ["0.0.0.0", "::"])
    def test_t15_it_does_not_listen_where_others_could_reach_it(self, host: str) -> None:
        if host == "::" and not socket.has_ipv6:
            pytest.skip("no IPv6")

        async def main() -> None:
            with pytest.raises(hob.NetlayerError, match="not a loopback address"):
                await Peer(netlayers.TcpTestingOnly(host)).start()

        run(main)

    def test_t15_a_name_of_another_netlayer_can_not_be_claimed(self, tmp_path: Path) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            both = netlayers.Unix(tmp_path / "s"), netlayers.Memory(network, "alice")
            async with Peer(*both) as alice, Peer(netlayers.Memory(network, "bob")) as bob:
                reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
                writer.write(hello_as(memory("bob"), keys_of("liar")))
                assert b"another transport" in await reader.read()
                writer.close()
                await writer.wait_closed()
                assert alice.connections == []
                assert await alice.enliven(bob.publish(bob.spawn(Thing, "bob")), Thing).hi() == "bob"

        run(main)


@asynccontextmanager
async def dialling(proves: bool) -> AsyncGenerator[tuple[Peer, Any, Any]]:
    """Alice, who has said hello to bob and waits for his; her netlayer and her dial."""
    network = netlayers.MemoryNetwork(proves=proves)
    bob = netlayers.Memory(network, "bob")
    await bob.listen(Silent)
    async with Peer(netlayers.Memory(network, "alice")) as alice:
        promise: Any = alice.enliven("ocapn://bob.memory/s/c3dpc3M")
        await settle()
        (dial,) = alice._dials.values()
        yield alice, alice._netlayers["memory"], dial
        await bob.close()
        with pytest.raises((hob.SessionSevered, hob.NetlayerError)):
            await promise


class Silent(Liar):
    def __init__(self) -> None:
        super().__init__(memory("nobody"))

    def channel_opened(self, channel: Channel) -> None:
        self.channel = channel


RACES = 10_000


def candidates(count: int) -> list[KeyPair]:
    """The keys that somebody grinds through who wants to win the tie."""
    return [KeyPair.from_seed(n.to_bytes(32)) for n in range(count)]


class TestKeyGrinding:
    def test_t16_no_key_makes_our_dial_give_way_to_a_stranger(self) -> None:
        async def main() -> None:
            async with dialling(proves=True) as (alice, layer, dial):
                ours = dial.connection.keys.public.public_id
                arrival = alice._connection(layer, None)
                higher = 0
                for keys in candidates(RACES):
                    assert alice.admit(arrival, memory("bob"), keys.public) is None  # apart, and not as bob
                    higher += keys.public.public_id > ours
                    assert not dial.crossed
                assert 0 < higher < RACES  # some of them would have won, some lost
                assert dial.connection.session.state.value == "handshake"
                alice._forget(arrival)

        run(main)

    @pytest.mark.parametrize("proved", [None, "mallory"])
    def test_t16_not_with_whole_hellos_either(self, proved: str | None) -> None:
        async def main() -> None:
            async with dialling(proves=True) as (alice, layer, dial):
                for keys in candidates(300):
                    liar = Liar(memory("bob"), keys)
                    connection: Connection = alice._connection(layer, None)
                    channel = StreamChannel(Silent(), "liar", proved=memory(proved) if proved else None)
                    connection.channel_opened(channel)
                    connection.data_received(liar.hello)
                    assert connection.session.state.value == ("severed" if proved else "open")
                    connection.channel_lost(None)
                    assert alice._dials == {("memory", "bob"): dial}
                    assert not dial.crossed
                assert dial.connection.session.state.value == "handshake"
                assert alice.connections == []

        run(main)

    @pytest.mark.parametrize("proves", [True, False])
    def test_t16_no_key_evicts_an_open_session(self, proves: bool) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork(proves=proves)
            async with peers(network, "alice bob") as (alice, bob):
                thing = alice.enliven(bob.publish(bob.spawn(Thing, "bob")), Thing)
                assert await thing.hi() == "bob"
                arrival = alice._connection(alice._netlayers["memory"], None)
                for keys in candidates(RACES):
                    verdict = alice.admit(arrival, memory("bob"), keys.public)
                    assert verdict == (None if proves else DUPLICATE)
                alice._forget(arrival)
                assert await thing.hi() == "bob"
                assert len(alice.connections) == 1

        run(main)

    @pytest.mark.parametrize("proves", [True, False])
    def test_the_tie_is_broken_between_equals(self, proves: bool) -> None:
        """Between those who have proved the same name, and where nobody can prove one."""

        async def main() -> None:
            outcomes = set()
            for n in range(40):
                async with dialling(proves=proves) as (alice, layer, dial):
                    ours = dial.connection.keys.public.public_id
                    arrival = alice._connection(layer, None)
                    arrival.session.proved = memory("bob") if proves else None
                    keys = keys_of(str(n))
                    verdict = alice.admit(arrival, memory("bob"), keys.public)
                    assert (verdict is None) == (keys.public.public_id > ours) == dial.crossed
                    outcomes.add(verdict)
                    alice._forget(arrival)
                    if dial.crossed:
                        alice._fail_dial(dial, hob.SessionSevered("the test is over"))
            assert len(outcomes) == 2

        run(main)


# Every interleaving


class Wires:
    """A network on which nothing moves by itself: the test chooses what happens next."""

    def __init__(self, proves: bool) -> None:
        self.proves = proves
        self.layers: dict[str, Wired] = {}
        self.dials: list[tuple[str, asyncio.Future[None]]] = []
        self.ends: list[End] = []

    def choices(self) -> list[Callable[[], None]]:
        """What could happen next: a dial comes about, or the oldest thing under way arrives."""
        found: list[Callable[[], None]] = [
            lambda entry=entry: self.connect(entry) for entry in self.dials if not entry[1].done()
        ]
        return found + [end.arrive for end in self.ends if end.incoming]

    def connect(self, entry: tuple[str, asyncio.Future[None]]) -> None:
        entry[1].set_result(None)


class Wired(BaseNetlayer):
    def __init__(self, wires: Wires, name: str) -> None:
        super().__init__("wired", name, Framing.PREFIXED, 10)
        self.proves = wires.proves
        self.name = name
        self.wires = wires
        wires.layers[name] = self

    def locates(self, locator: PeerLocator) -> bool:
        return True

    async def _start(self) -> Mapping[str, str] | None:
        return {}

    def _stop(self) -> None: ...

    async def _dial(self, locator: PeerLocator, handler: Handler) -> Channel:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wires.dials.append((locator.designator, gate))
        await gate
        there = self.wires.layers[locator.designator]
        me, they = (PeerLocator("wired", layer.name, {}) if self.proves else None for layer in (self, there))
        accepted = there._accepted_channel(self.name, me)
        assert accepted is not None
        dialled = self._dialled_channel(handler, there.name, they)
        here, far = End(dialled), End(accepted)
        here.other, far.other = far, here
        self.wires.ends += [here, far]
        accepted.connection_made(far)
        dialled.connection_made(here)
        return dialled


class End(asyncio.Transport):
    """One end of a channel. What arrives waits in ``incoming``; the end of the stream is ``None``."""

    other: End

    def __init__(self, channel: StreamChannel) -> None:
        super().__init__()
        self.channel = channel
        self.incoming: deque[bytes | None] = deque()
        self.closing = self.gone = self.fin = False

    def arrive(self) -> None:
        item = self.incoming.popleft()
        if self.closing:
            return
        if item is not None:
            self.channel.data_received(item)
        elif not self.channel.eof_received():
            self.close()

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.other.incoming.append(bytes(data))

    def write_eof(self) -> None:
        if not self.fin:
            self.fin = True
            self.other.incoming.append(None)

    def close(self) -> None:
        self.write_eof()
        self.abort()

    def abort(self) -> None:
        self.closing = True
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self.channel.connection_lost, None)


class Schedule:
    """A path through a tree of choices, and the way to the next one."""

    def __init__(self) -> None:
        self.path: list[int] = []
        self.widths: list[int] = []
        self.depth = 0

    def choose(self, width: int) -> int:
        if self.depth == len(self.path):
            self.path.append(0)
            self.widths.append(width)
        assert self.widths[self.depth] == width, "the same choices do not lead to the same state"
        self.depth += 1
        return self.path[self.depth - 1]

    def advance(self) -> bool:
        """Go to the next path; tell whether there is one."""
        del self.path[self.depth :], self.widths[self.depth :]
        self.depth = 0
        while self.path and self.path[-1] + 1 == self.widths[-1]:
            self.path.pop()
            self.widths.pop()
        if self.path:
            self.path[-1] += 1
        return bool(self.path)


class TestEveryInterleaving:
    @pytest.mark.parametrize("proves", [True, False])
    def test_t17_crossed_hellos_end_in_one_session_and_lose_nothing(
        self, proves: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two honest peers dial each other; everything that can happen in another order does."""
        drawn = 0

        def entropy(count: int) -> bytes:
            """The same keys on each path, so that the same choices lead to the same state."""
            nonlocal drawn
            drawn += 1
            return sha256(f"{drawn}".encode()).digest()[:count]

        monkeypatch.setattr("hobgoblin.outflow.RELEASE_SECONDS", 3600.0)
        survivors = set[bool]()

        async def one_path(schedule: Schedule) -> bool:
            wires = Wires(proves)
            one, two = (Peer(Wired(wires, name), name=name, entropy=entropy) for name in ("one", "two"))
            await one.start()
            await two.start()
            one.vat._slice = two.vat._slice = 3600.0  # what is written at once must not depend on the time
            things = {peer: peer.spawn(Thing, peer._name) for peer in (one, two)}
            uris = {peer: peer.publish(thing) for peer, thing in things.items()}
            noted: list[Any] = []

            def begin(peer: Peer, other: Peer) -> None:
                noted.append(peer.enliven(uris[other], Thing).note(peer._name))

            todo = [lambda: begin(one, two), lambda: begin(two, one)]
            crossed = False

            def is_settled() -> bool:
                return not (todo or one._dials or two._dials or one._unopened or two._unopened)

            while moves := [*todo, *wires.choices()]:
                # Once is enough for what follows when all is settled: it is the same in both cases.
                index = schedule.choose(len(moves)) if proves or not is_settled() else 0
                moves[index]()
                if index < len(todo):
                    del todo[index]
                await settle()
                crossed = crossed or (len(wires.ends) == 4)
            assert is_settled()
            for promise in noted:
                assert await promise is None
            assert await things[one].noted() == ("two",)
            assert await things[two].noted() == ("one",)
            (mine,), (theirs,) = one.connections, two.connections
            assert mine.session.session_id == theirs.session.session_id
            if crossed:
                survivors.add(mine.dialled is not None)
            closing = [asyncio.ensure_future(peer.close()) for peer in (one, two)]
            while not all(task.done() for task in closing):
                await settle()
                for move in wires.choices():
                    move()
            return crossed

        async def main() -> None:
            nonlocal drawn
            schedule, paths, crossings = Schedule(), 0, 0
            while True:
                drawn = 0
                crossings += await one_path(schedule)
                paths += 1
                if not schedule.advance():
                    break
            assert 0 < crossings < paths
            assert survivors == {True, False}

        run(main)
