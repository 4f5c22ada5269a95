"""What is passed on for one peer to another: none of it is the fault of anybody but who sent it."""

import asyncio
import gc
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from hobgoblin import (
    Actor,
    Limits,
    Peer,
    RemoteError,
    RemoteRefused,
    Symbol,
    method,
    netlayers,
    new_promise,
    send_only,
    spawn,
)
from hobgoblin.connection import Connection
from hobgoblin.messages import ENCODERS, DescExport, DescImportPromise, OpDeliver
from hobgoblin.syrup import encode
from tests.test_passable import Octets, until

SMALL = Limits(
    **dict.fromkeys(("exports", "imports", "answers", "listeners", "queued_messages"), 400),
    promise_messages=160,
    gifts=40,
    message_bytes=40_000,
    promise_bytes=100_000,
    queued_bytes=160_000,
    outbound_bytes=160_000,
)
"""What the peer in the middle and the one behind it accept. Who floods has no such limits of its own."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Each of thousands of calls that break would be reported."""
    caplog.set_level(logging.CRITICAL, "hobgoblin")


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(120):
            await main()

    asyncio.run(guarded())


class Thing(Actor):
    """Keeps promises pending, and what it is given."""

    def __init__(self) -> None:
        self.log: tuple[object, ...] = ()
        self.kept: Any = None
        self.resolvers: tuple[Any, ...] = ()

    @method
    def pledge(self) -> Any:
        promise, resolver = new_promise()
        self.resolvers += (resolver,)
        return promise

    @method
    def pledges(self, count: int) -> Any:
        return [self.pledge() for _ in range(count)]

    @method
    def settle(self, value: Any) -> None:
        for resolver in self.resolvers:
            send_only(resolver.fulfill)(value)

    @method
    def note(self, *things: object) -> int:
        self.log += things
        return len(self.log)

    @method
    def noted(self) -> tuple[object, ...]:
        return self.log

    @method
    async def never(self, *things: object) -> None:
        await asyncio.Event().wait()

    @method
    def keep(self, thing: Any) -> None:
        self.kept = thing

    @method
    def give_back(self) -> Any:
        return self.kept

    @method
    def make(self, count: int) -> Any:
        return [spawn(Thing) for _ in range(count)]

    @method
    def text(self, length: int) -> str:
        return "x" * length


class Listener:
    """Has a promise listened to."""

    def settled(self, promise: object) -> None:
        """That is all."""


class Net:
    """A peer that floods, one in the middle, one behind that, and one that does as it should."""

    def __init__(self, made: dict[str, Peer]) -> None:
        self.mallory, self.middle, self.far, self.honest = made.values()

    async def start(self) -> None:
        self.far_thing = self.far.spawn(Thing)
        self.at_middle = await self.middle.enliven(self.far.publish(self.far_thing), Thing)
        self.keeper = self.middle.spawn(Thing)
        await self.keeper.keep(self.at_middle)
        uri = self.middle.publish(self.keeper)
        self.mallorys = await self.mallory.enliven(uri, Thing)
        self.honests = await self.honest.enliven(uri, Thing)

    def to(self, other: Peer) -> Connection:
        """The connection of the peer in the middle with another one."""
        for connection in self.middle.connections:
            if any(connection.session.session_id == each.session.session_id for each in other.connections):
                return connection
        raise AssertionError("there is none")

    def is_connected(self, other: Peer) -> bool:
        ids = {each.session.session_id for each in self.middle.connections}
        return any(each.session.session_id in ids for each in other.connections)

    async def is_well(self) -> None:
        """Everybody but who floods gets what it asks for, through the one in the middle and at it."""
        assert await self.at_middle.note() >= 0
        # The answer of the keeper leads to the far peer through the middle, whatever became known since.
        assert await self.honests.give_back().note() >= 0
        promise = await self.at_middle.pledges(1)
        assert promise
        assert self.is_connected(self.far)
        assert self.is_connected(self.honest)
        self.to(self.far).session.check()


@asynccontextmanager
async def net(limits: Limits = SMALL, patient: Limits | None = None) -> AsyncIterator[Net]:
    network = netlayers.MemoryNetwork()
    made: dict[str, Peer] = {}
    own = {"middle": limits, "far": limits}
    try:
        for name in ("mallory", "middle", "far", "honest"):
            made[name] = Peer(
                netlayers.Memory(network, name), name=name, limits=own.get(name, patient or Limits())
            )
            await made[name].start()
        made_net = Net(made)
        await made_net.start()
        yield made_net
    finally:
        for peer in reversed(made.values()):
            await peer.close()


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def one_way_to_a_promise(net: Net) -> None:
    gate = net.mallorys.give_back().pledge()
    for number in range(1000):
        send_only(gate.note)(number)
        if number % 50 == 0:
            await ticks(3)


async def one_way_to_promises(net: Net) -> None:
    gates = [net.mallorys.give_back().pledge() for _ in range(20)]
    for number in range(1000):
        send_only(gates[number % 20].note)(number)
        if number % 50 == 0:
            await ticks(3)


async def one_way_calls_that_never_end(net: Net) -> None:
    far = net.mallorys.give_back()
    for number in range(1000):
        send_only(far.never)(number)
        if number % 50 == 0:
            await ticks(3)


async def long_messages(net: Net) -> None:
    gate = net.mallorys.give_back().pledge()
    for _ in range(50):
        send_only(gate.note)("x" * 30_000)
        await ticks(3)


async def calls_to_a_promise(net: Net) -> None:
    gate = net.mallorys.give_back().pledge()
    net.answers = [gate.note(number) for number in range(1000)]  # type: ignore[attr-defined]


async def calls_that_never_end(net: Net) -> None:
    far = net.mallorys.give_back()
    net.answers = [far.never() for _ in range(1000)]  # type: ignore[attr-defined]


async def answers_that_are_kept(net: Net) -> None:
    far = net.mallorys.give_back()
    net.answers = [far.note(number) for number in range(1000)]  # type: ignore[attr-defined]


async def parts(net: Net) -> None:
    gate = net.mallorys.give_back().pledge()
    net.answers = [gate[number] for number in range(1000)]  # type: ignore[attr-defined]


async def parts_that_are_dropped(net: Net) -> None:
    gate = net.mallorys.give_back().pledge()
    for number in range(1000):
        gate[number]
        if number % 20 == 0:
            gc.collect(0)
            await asyncio.sleep(0.011)  # what was dropped is released


async def parts_of_parts(net: Net) -> None:
    part: Any = net.mallorys.give_back().pledge()
    for number in range(1000):
        part = part[number]
    net.answers = [part]  # type: ignore[attr-defined]


async def listeners(net: Net) -> None:
    promises: list[Any] = []
    with suppress(RemoteError):
        for _ in range(10):
            for promise in await net.mallorys.give_back().pledges(50):
                promise._listen(Listener())
                promises.append(promise)
                await ticks(1)
    assert len(promises) >= 100
    await ticks(50)
    net.answers = promises  # type: ignore[attr-defined]


async def references_in_messages(net: Net) -> None:
    far = net.mallorys.give_back()
    kept = [net.mallory.spawn(Thing) for _ in range(1000)]
    for first in range(0, 1000, 20):
        send_only(far.note)(*kept[first : first + 20])
        await ticks(3)


async def references_in_one_message(net: Net) -> None:
    far = net.mallorys.give_back()
    send_only(far.note)(*[net.mallory.spawn(Thing) for _ in range(390)])


async def references_of_the_far_peer(net: Net) -> None:
    far = net.mallorys.give_back()
    net.answers = [far.make(1) for _ in range(1000)]  # type: ignore[attr-defined]


async def lists_of_references_of_the_far_peer(net: Net) -> None:
    far = net.mallorys.give_back()
    net.answers = []  # type: ignore[attr-defined]
    for _ in range(50):
        answer = far.make(15)
        net.answers.append(answer)  # type: ignore[attr-defined]
        with suppress(RemoteError):
            await answer


FLOODS = [
    one_way_to_a_promise,
    one_way_to_promises,
    one_way_calls_that_never_end,
    long_messages,
    calls_to_a_promise,
    calls_that_never_end,
    answers_that_are_kept,
    parts,
    parts_that_are_dropped,
    parts_of_parts,
    listeners,
    references_in_messages,
    references_in_one_message,
    references_of_the_far_peer,
    lists_of_references_of_the_far_peer,
]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_b5_13_who_floods_a_third_peer_harms_nobody_else(
    flood: Callable[[Net], Coroutine[Any, Any, None]],
) -> None:
    async def main() -> None:
        async with net() as made:
            await flood(made)
            for _ in range(20):
                await ticks(50)
                await made.is_well()
            relays = made.to(made.far).session.relays
            assert len(relays) <= 300
            for peer in (made.mallory, *made.mallory.connections):
                await peer.close() if isinstance(peer, Peer) else None
            await made.is_well()

    run(main)


def test_a_call_that_is_not_passed_on_counts_no_more() -> None:
    """Also while its sender keeps the answer, and nobody collects garbage."""

    async def main() -> None:
        async with net() as made:
            gc.collect()
            gc.disable()
            try:
                far = made.mallorys.give_back()
                kept = [far.never() for _ in range(350)]
                await ticks(200)
                stats = {session.peer.designator: session.stats for session in made.middle.sessions}
                assert stats["far"].relayed <= 150
                assert stats["mallory"].listeners <= stats["far"].relayed
                assert len(kept) == 350
            finally:
                gc.enable()

    run(main)


def test_a_call_that_is_not_passed_on_for_lack_of_room_leaves_no_gift() -> None:
    """T39: nor does the next message to the same peer, whoever sends it."""

    async def main() -> None:
        async with net() as made:
            [at_mallory] = made.mallory.sessions
            far = made.mallorys.give_back()
            # The first of them are to be handed over by the one in the middle, and the others are too many.
            with pytest.raises(RemoteError, match="SessionFull"):
                await far.note(*[made.mallory.spawn(Thing) for _ in range(390)])
            await made.at_middle.note()
            await ticks(50)
            assert at_mallory.stats.gifts == 0

    run(main)


def test_much_at_one_promise_is_no_fault_of_a_message_to_another() -> None:
    async def main() -> None:
        async with net() as made:
            gate = made.honests.give_back().pledge()
            made.answers = [gate.note(number) for number in range(20)]  # type: ignore[attr-defined]
            await ticks(50)
            far = made.to(made.far).session
            honest = made.to(made.honest).who
            assert len(far.relays) >= 20
            promises = [*far._crossing.imports.living(), *far._crossing.questions.living()]
            assert any(far.relays.hogs(honest, promise) for promise in promises)
            # If others leave no room there, its session must not end for what it has at the gate.
            assert not far.relays.hogs(honest, made.at_middle)

    run(main)


class Answering(Octets):
    """The far end of a session: it tells each resolver what the test says."""

    told = 0

    def tell_all(self, value: Callable[[int], object]) -> None:
        """Use all the resolvers that have come since the last time."""
        sent, self.sent[:] = tuple(self.sent), []
        for octets in sent:
            if match := re.search(rb"desc:import-object(\d+)\+>f?>$", octets):
                self.told += 1
                args = (Symbol("fulfill"), value(self.told))
                told = OpDeliver(DescExport(int(match[1])), args, False, False)
                self.say(encode(told, encoders=ENCODERS))


def test_b5_13_who_answers_with_promises_ends_no_session_of_those_who_have_asked() -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "middle"), limits=SMALL) as middle,
            Peer(netlayers.Memory(network, "honest")) as honest,
        ):
            far = Answering(middle.vat, limits=SMALL)
            far_ref = await middle.vat.run(lambda: far.remote)
            keeper = middle.spawn(Thing)
            await keeper.keep(far_ref)
            fars: Any = honest.enliven(middle.publish(keeper), Thing).give_back()
            calls = [fars.anything(number) for number in range(150)]
            outcomes = asyncio.gather(*calls, return_exceptions=True)
            await until(lambda: len(far.sent) > 100)
            await ticks(50)
            # Promises, which become promises, which become a value.
            for told in (DescImportPromise, DescImportPromise, lambda number: 5):
                far.tell_all(told)
                await ticks(50)
            ended = await outcomes
            assert {type(each) for each in ended} == {int, RemoteRefused}
            assert ended.count(5) > 100
            assert all("SessionFull" in str(each) for each in ended if each != 5)
            relays = far_ref._sink.session.relays
            assert len(relays) == 0
            relays.check()
            far.receive.disconnected()

    run(main)


async def references_in_answers(net: Net, mallorys: Any) -> None:
    net.answers = [mallorys.make(30) for _ in range(50)]  # type: ignore[attr-defined]


async def long_answers(net: Net, mallorys: Any) -> None:
    net.answers = [mallorys.text(30_000) for _ in range(50)]  # type: ignore[attr-defined]


async def promises_in_answers(net: Net, mallorys: Any) -> None:
    net.answers = [mallorys.pledges(30) for _ in range(50)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "asked", [references_in_answers, long_answers, promises_in_answers], ids=lambda asked: asked.__name__
)
def test_b5_13_what_a_peer_answers_to_others_ends_no_session_between_them(
    asked: Callable[[Net, Any], Coroutine[Any, Any, None]],
) -> None:
    async def main() -> None:
        async with net() as made:
            thing = await made.middle.enliven(made.mallory.publish(made.mallory.spawn(Thing)), Thing)
            keeper = made.middle.spawn(Thing)
            await keeper.keep(thing)
            fars = await made.far.enliven(made.middle.publish(keeper), Thing)
            # Through the one in the middle, also when it is known whose object it is.
            await asked(made, fars.give_back())
            for answer in made.answers:  # type: ignore[attr-defined]
                with suppress(RemoteError):
                    await answer
            await made.is_well()
            assert await fars.note() >= 0

    run(main)
