"""The netlayer within one event loop."""

from __future__ import annotations

import asyncio

import pytest

from hobgoblin.errors import LocatorError, NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers import Memory, MemoryNetwork


def test_names_belong_to_their_network(run, recorder):
    async def main():
        one, other = MemoryNetwork(), MemoryNetwork()
        alice, bob = Memory(one, "alice"), Memory(other, "bob")
        await alice.listen(recorder)
        await bob.listen(recorder)
        assert alice.location == PeerLocator("memory", "alice", {})
        assert repr(one) == "<MemoryNetwork alice>"
        with pytest.raises(NetlayerError, match="cannot dial bob: nobody of that name"):
            await alice.dial(bob.location, recorder())
        await alice.close()
        await bob.close()
        assert repr(one) == "<MemoryNetwork empty>"

    run(main())


def test_a_name_is_taken_once(run, recorder):
    async def main():
        network = MemoryNetwork()
        first, second, client = Memory(network, "bob"), Memory(network, "bob"), Memory(network, "carol")
        await first.listen(recorder)
        with pytest.raises(NetlayerError, match="cannot listen as bob: the name is taken"):
            await second.listen(recorder)
        await second.close()
        assert first.listening
        assert not second.listening
        await first.close()
        with pytest.raises(NetlayerError, match="nobody"):
            await client.dial(first.location, recorder())
        third = Memory(network, "bob")
        await third.listen(recorder)
        await third.close()

    run(main())


def test_a_name_must_fit_a_locator():
    with pytest.raises(LocatorError):
        Memory(MemoryNetwork(), "not a name")


def test_what_is_written_arrives_in_later_turns_and_as_split(run, recorder):
    async def main():
        network = MemoryNetwork(split=lambda data: (data[:1], b"", data[1:]))
        pieces = []
        there = recorder(data=lambda there: pieces.append(bytes(there.received)))
        bob = Memory(network, "bob")
        await bob.listen(lambda: there)
        here = recorder(eof=recorder.close)
        await bob.dial(bob.location, here)
        here.write(b"ab", b"cd")
        here.write()
        here.write(b"e")
        assert there.calls == []
        await there.received_octets(5)
        assert pieces == [b"a", b"abcd", b"abcde"]
        assert here.channel.description == "memory:bob"
        assert there.channel.description == "memory:bob#1"
        there.close()
        await bob.close()

    run(main())


def test_close_reaches_the_other_side_after_the_data(run, recorder):
    async def main():
        network = MemoryNetwork()
        bob, there, here = Memory(network, "bob"), recorder(eof=recorder.close), recorder()
        await bob.listen(lambda: there)
        await bob.dial(bob.location, here)
        here.write(b"last words")
        here.close()
        await here.lost()
        await there.lost()
        assert there.calls == ["opened", "data", "eof", "lost"]
        assert there.error is None
        await bob.close()

    run(main())


def test_a_peer_of_another_loop_is_not_reached(recorder):
    network = MemoryNetwork()
    alice, bob = Memory(network, "alice"), Memory(network, "bob")
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(bob.listen(recorder))

        async def dial():
            with pytest.raises(NetlayerError, match="another event loop"):
                await alice.dial(bob.location, recorder())

        second.run(dial())
        first.run(bob.close())
