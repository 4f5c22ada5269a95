"""What several peers share at ours: dials for hand-offs, gifts at one exporter; and what counts them."""

import asyncio
import gc
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, netlayers, spawn
from hobgoblin.captp.shares import Charges, Leases, Share
from hobgoblin.locators import PeerLocator
from hobgoblin.peer import MAX_DIALS
from tests.test_handoffs import Forger, Thing, forge, hold, outcome, peers, run, ticks, until


class TestShare:
    def test_who_is_alone_gets_half(self) -> None:
        share = Share(100)
        while share.room("a") > 0:
            share.take("a")
        assert share.of("a") == 50

    def test_several_get_as_much_as_they_leave(self) -> None:
        share = Share(100)
        for _ in range(100):
            for who in "abc":
                if share.room(who) > 0:
                    share.take(who)
        assert {share.of(who) for who in "abc"} == {25}
        assert share.room("d") > 0
        share.check()

    def test_the_room_is_what_may_be_taken_at_once(self) -> None:
        share = Share(100)
        share.take("a", share.room("a"))
        assert share.room("a") == 0
        share.take("b", share.room("b"))
        assert share.room("b") == 0
        assert (share.of("a"), share.of("b")) == (50, 25)

    def test_what_others_have_taken_leaves_less(self) -> None:
        share = Share(100)
        assert share.room("a", 60) == 20
        assert share.room("a", 200) <= 0

    def test_what_is_given_back_may_be_taken_again(self) -> None:
        share = Share(10)
        share.take("a", 5)
        share.give_back("a", 3)
        assert share.of("a") == 2
        share.give_back("a", 2)
        assert share.taken == share.of("a") == 0
        share.check()

    def test_leases_come_back_in_time(self) -> None:
        leases = Leases(4, 10.0)
        assert [leases.take("a", 0.0) for _ in range(3)] == [True, True, False]
        assert leases.take("b", 1.0)
        assert leases.take("a", 10.0)
        assert len(leases) == 2

    def test_an_entry_is_charged_once(self) -> None:
        charges = Charges()
        charges.charge(7, "a")
        charges.charge(7, "b")
        assert (charges.share.of("a"), charges.share.of("b")) == (1, 0)
        charges.check({7: None})
        charges.drop(7)
        charges.drop(7)
        assert charges.share.taken == len(charges) == 0


class Source(Actor):
    def __init__(self) -> None:
        self.made: tuple[Any, ...] = ()

    @method
    def make(self, count: int) -> Any:
        return [spawn(Thing, f"thing {number}") for number in range(count)]

    @method
    def hold(self, things: Any) -> None:
        self.made = tuple(things)

    @method
    def held(self) -> Any:
        return list(self.made)


def test_t41_one_gifter_leaves_dials_to_the_others() -> None:
    async def main() -> None:
        async with peers("mallory honest receiver exporter", make=Forger) as made:
            mallory, honest, receiver, exporter = made
            _, at_receiver = await hold(mallory, receiver)
            to_receiver = at_receiver._sink
            nowhere = [PeerLocator("memory", f"nowhere{n}", {}) for n in range(2 * MAX_DIALS)]
            forged = [forge(to_receiver, to_receiver, exporter=place) for place in nowhere]
            layer: Any = receiver._netlayers["memory"]
            dial = layer.dial

            async def dial_or_hang(locator: PeerLocator, handler: Any) -> None:
                await (asyncio.Event().wait() if locator in nowhere else dial(locator, handler))

            layer.dial = dial_or_hang
            await at_receiver.note(*map(mallory.stand_in, forged))
            assert len(receiver._dials) == MAX_DIALS // 2
            _, honests = await hold(honest, receiver)
            _, far = await hold(honest, exporter)
            # All of it is under way while an honest one hands over what has to be dialled for.
            assert await honests.ask(far) == "exporter"
            assert len(receiver._dials) == MAX_DIALS // 2

    run(main)


def test_t41_gifters_that_come_and_go_leave_dials_to_the_others() -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        receiver = Peer(netlayers.Memory(network, "receiver"), name="receiver")
        dialled: list[Any] = []

        async def never(locator: Any, handler: Any) -> None:
            dialled.append(locator)
            await asyncio.Event().wait()

        async with receiver:
            receiver._netlayers["memory"].dial = never  # type: ignore[method-assign]
            for number in range(10):
                gifter = Forger(netlayers.Memory(network, f"gifter{number}"), name="gifter")
                async with gifter:
                    _, at_receiver = await hold(gifter, receiver)
                    connection = at_receiver._sink
                    places = [PeerLocator("memory", f"{number}-{n}", {}) for n in range(MAX_DIALS)]
                    forged = [forge(connection, connection, exporter=place) for place in places]
                    await at_receiver.note(*map(gifter.stand_in, forged))
                    await ticks(5)
                    assert len(receiver._dials) < MAX_DIALS
                await until(lambda: not receiver.connections)
                assert len(receiver._dials) <= MAX_DIALS // 2
            assert len(dialled) > MAX_DIALS

    run(main)


def test_who_lets_its_gifts_lie_gets_proxies_and_leaves_gifts_to_others() -> None:
    """T36: and is told of nothing: what it holds works as well."""

    async def main() -> None:
        limits = hob.Limits(gifts=20)
        options: Any = {name: {"limits": limits} for name in ("middle", "exporter")}
        async with peers("middle exporter receiver", **options) as (middle, exporter, receiver):
            source = exporter.spawn(Source)
            at_middle = await middle.enliven(exporter.publish(source), Source)
            keeper = middle.spawn(Source)
            await keeper.hold(await at_middle.make(30))
            receivers = await receiver.enliven(middle.publish(keeper), Source)
            things = await receivers.held()
            assert [await thing.hi() for thing in things] == [f"thing {n}" for n in range(30)]
            homes = [(await thing)._sink.session.peer_location.designator for thing in things]
            assert sorted(set(homes)) == ["exporter", "middle"]
            assert homes.count("exporter") == 10

    run(main)


def test_the_gifts_of_a_peer_are_counted_in_its_stats() -> None:
    async def main() -> None:
        async with peers("gifter receiver exporter", make=Forger) as (gifter, receiver, exporter):
            _, at_receiver = await hold(gifter, receiver)
            _, far = await hold(gifter, exporter)
            to_receiver, to_exporter = at_receiver._sink, far._sink
            [session] = exporter.sessions
            assert (session.stats.gifts, session.stats.handoffs) == (0, 0)
            to_exporter.deposit_later(to_exporter, bytes(32), far)
            to_exporter._make_deposits()
            await far.hi()
            assert session.stats.gifts == 1
            # One that is under way: its exporter has no such gift, and waits for it.
            certificate = forge(to_exporter, to_receiver, gift_id=bytes([1]) * 32)
            await at_receiver.keep(gifter.stand_in(certificate))
            [at_receivers] = [each for each in receiver.sessions if each.peer.designator == "gifter"]
            assert at_receivers.stats.handoffs == 1
            await until(lambda: len(exporter.sessions) == 2)
            [to_it] = [each for each in exporter.sessions if each.peer.designator == "receiver"]
            await until(lambda: to_it.stats.gifts == 1)

    run(main)


def test_what_is_passed_on_is_counted_in_the_stats() -> None:
    async def main() -> None:
        async with peers("mallory middle far") as (mallory, middle, far):
            own, at_middle = await hold(middle, far)
            keeper = middle.spawn(Thing, "keeper")
            await keeper.keep(at_middle)
            mallorys = await mallory.enliven(middle.publish(keeper))
            gate = mallorys.give_back().pledge()
            answers = [gate.hi() for _ in range(5)]
            [to_far] = [each for each in middle.sessions if each.peer.designator == "far"]
            await until(lambda: to_far.stats.relayed == 6)
            await until(lambda: hasattr(own._behaviour, "resolver"))
            await own.settle(own)
            assert [await answer for answer in answers] == ["far"] * 5
            assert to_far.stats.relayed == 0

    run(main)


def test_a_part_that_was_dropped_counts_until_what_it_is_a_part_of_settles() -> None:
    """Hence who passes it on for others has to count it as long."""

    async def main() -> None:
        async with peers("asking home") as (asking, home):
            own, far = await hold(asking, home)
            gate = far.pledge()
            await far.hi()
            [session] = home.sessions
            listeners = session.stats.listeners
            part = gate[0]
            await far.hi()
            assert session.stats.listeners == listeners + 1
            del part
            gc.collect()
            await until(lambda: session.stats.answers == 1)  # that of the gate
            assert session.stats.listeners == listeners + 1
            await own.settle([1])
            assert await gate == (1,)
            assert session.stats.listeners == 0

    run(main)


@pytest.mark.parametrize("wire", ["2026-04", "2026-09"])
def test_direct_connections_speak_as_they_are_told(wire: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        vat = hob.spawn_vat()
        receive: list[Any] = []
        here, remote = hob.attach(
            vat, lambda message: loop.call_soon(receive[0], message), lambda: "here", wire=wire
        )
        there, other = hob.attach(vat, lambda message: loop.call_soon(here, message), wire=wire)
        receive.append(there)
        assert await other() == "here"
        await hob.disconnect(remote)

    run(main)


def test_a_wire_that_there_is_not_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="there is no wire 'latest'"):
            hob.attach(hob.spawn_vat(), lambda message: None, wire="latest")
        reader = asyncio.StreamReader()
        with pytest.raises(TypeError):
            hob.connect(reader, None, wire="latest")

    run(main)


def test_outcomes_of_refused_hand_offs_say_so() -> None:
    """T41: who is over its share is told that it is that."""

    async def main() -> None:
        async with peers("gifter receiver", make=Forger) as (gifter, receiver):
            thing, at_receiver = await hold(gifter, receiver)
            connection = at_receiver._sink
            places = [PeerLocator("memory", f"nowhere{n}", {}) for n in range(MAX_DIALS // 2 + 1)]
            forged = [forge(connection, connection, exporter=place) for place in places]
            await at_receiver.note(*map(gifter.stand_in, forged))
            outcomes = [await outcome(promise) for promise in await thing.noted()]
            assert outcomes[-1] == "Refused"
            assert "Refused" not in outcomes[:-1]

    run(main)
