"""The simulated network: a stream's guarantees hold whatever goes wrong."""

import asyncio
from random import Random

import pytest

from hobgoblin.errors import NetlayerError
from hobgoblin.testing import Faults, SimulatedLoop, SimulatedNetwork

CALM = Faults()


class End:
    """A handler that keeps what it sees."""

    def __init__(self):
        self.channel = None
        self.data = b""
        self.pieces = 0
        self.calls = []
        self.over = asyncio.Event()
        self.error = None

    def channel_opened(self, channel):
        self.channel = channel

    def data_received(self, data):
        self.data += data
        self.pieces += 1

    def eof_received(self):
        self.calls.append("eof")
        self.channel.close()

    def channel_lost(self, error):
        self.error = error
        self.over.set()

    def pause_writing(self):
        self.calls.append("pause")

    def resume_writing(self):
        self.calls.append("resume")


class Two:
    """Two netlayers and a channel from one to the other."""

    def __init__(self, network):
        self.network = network
        self.alice, self.bob = network.netlayer("alice"), network.netlayer("bob")
        self.accepted = []

    async def open(self):
        for layer in (self.alice, self.bob):
            if not layer.listening:
                await layer.listen(self.accept)
        here = End()
        await self.alice.dial(self.bob.location, here)
        return here, self.accepted[-1]

    def accept(self):
        self.accepted.append(End())
        return self.accepted[-1]

    async def close(self):
        await self.alice.close()
        await self.bob.close()


def run(program, faults=CALM, seed=1):
    async def main():
        two = Two(SimulatedNetwork(Random(seed), faults))
        try:
            await program(two)
        finally:
            await two.close()

    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(1e6)) as runner:
        runner.run(main())


def message(number):
    return b"%d," % number * 20


ALL = b"".join(message(n) for n in range(200))


@pytest.mark.parametrize("seed", range(20))
def test_what_arrives_is_what_was_sent_in_its_order(seed):
    async def program(two):
        here, there = await two.open()
        for n in range(200):
            here.channel.write([message(n)])
            await asyncio.sleep(two.network.rng.random() / 50)
        here.channel.close()
        await there.over.wait()
        assert there.data == ALL
        assert there.calls == ["eof"]
        assert there.error is None

    run(program, Faults(delay=(0.0, 0.3), split=0.5, coalesce=0.3), seed)


@pytest.mark.parametrize("seed", range(20))
def test_of_a_channel_that_breaks_a_beginning_arrives(seed):
    async def program(two):
        here, there = await two.open()
        for n in range(200):
            here.channel.write([message(n)])
            if n == 120:
                two.network.sever("alice", "bob")
        await here.over.wait()
        await there.over.wait()
        assert ALL.startswith(there.data)
        assert isinstance(here.error, NetlayerError)
        assert isinstance(there.error, NetlayerError)

    run(program, Faults(delay=(0.0, 0.3), split=0.5), seed)


def test_cut_and_joined():
    async def program(two):
        here, there = await two.open()
        for n in range(10):
            here.channel.write([message(n)])
        await asyncio.sleep(10)
        assert there.pieces > 10
        two.network.faults = Faults(coalesce=1.0)
        for n in range(100):
            here.channel.write([message(n)])
        pieces = there.pieces
        await asyncio.sleep(10)
        assert there.pieces == pieces + 1

    run(program, Faults(split=1.0))


def test_a_silent_channel_is_noticed_after_a_while():
    async def program(two):
        here, there = await two.open()
        two.network.silence("alice", "bob")
        here.channel.write([b"lost"])
        await asyncio.sleep(59)
        assert not here.over.is_set()
        await asyncio.sleep(2)
        assert here.over.is_set()
        assert there.over.is_set()
        assert "not answered for long" in str(here.error)
        assert there.data == b""

    run(program)


def test_a_stall_holds_back_and_loses_nothing():
    async def program(two):
        here, there = await two.open()
        two.network.stall("alice", "bob")
        here.channel.write([ALL])
        with pytest.raises(NetlayerError, match="nobody answers"):
            await two.open()
        await asyncio.sleep(1000)
        assert there.data == b""
        two.network.heal("alice", "bob")
        await asyncio.sleep(1)
        assert there.data == ALL

    run(program)


def test_a_writer_that_is_too_fast_is_asked_to_pause():
    async def program(two):
        here, _ = await two.open()
        here.channel.write([b"x" * 1000])
        here.channel.write([b"x" * 1000])
        assert here.calls == ["pause"]
        await asyncio.sleep(1)
        assert here.calls == ["pause", "resume"]

    run(program, Faults(window=1500))


def test_a_dial_may_be_refused():
    async def program(two):
        with pytest.raises(NetlayerError, match="cannot dial bob: the network refuses"):
            await two.open()
        two.network.calm()
        await two.open()

    run(program, Faults(refuse=1.0))


def test_nobody_is_where_nobody_listens():
    async def program(two):
        with pytest.raises(NetlayerError, match="nobody of that name"):
            await two.alice.dial(two.bob.location, End())

    run(program)


def test_the_faults_of_a_seed_are_the_same_again():
    assert Faults.drawn(7) == Faults.drawn(7)
    assert len({Faults.drawn(seed) for seed in range(50)}) > 40
