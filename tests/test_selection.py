"""Parts of answers between peers: what crosses, in which order, and what is left behind."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, netlayers, spawn, testing
from hobgoblin.connection import Connection
from hobgoblin.refs import ROUTE_IMPORT


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


class Car(Actor):
    def __init__(self, color: str) -> None:
        self.color = color
        self.driven: tuple[int, ...] = ()

    @method
    def drive(self) -> str:
        return f"a {self.color} car drives"

    @method
    def note(self, number: int) -> tuple[int, ...]:
        self.driven += (number,)
        return self.driven


class Garage(Actor):
    def __init__(self) -> None:
        self.given: Any = None
        self.resolver: Any = None

    @method
    def cars(self) -> dict[str, list[Car]]:
        return {"red": [spawn(Car, "red")], "none": []}

    @method
    def price(self) -> hob.Tagged:
        return hob.Tagged("euro", [5])

    @method
    def large(self) -> dict[str, Any]:
        return {"octets": bytes(100_000), "car": spawn(Car, "large")}

    @method
    def give(self, thing: Any) -> Any:
        self.given = thing
        return thing

    @method
    def kept(self) -> Any:
        return self.given

    @method
    def later(self) -> Any:
        promise, self.resolver = hob.new_promise()
        return promise

    @method
    def settle(self, value: Any) -> None:
        hob.send_only(self.resolver.fulfill)(value)

    @method
    async def wait_for(self, promise: Any) -> Any:
        return await promise

    @method
    async def part_of(self, promise: Any) -> Any:
        """Ask for a part of a promise of somebody else."""
        return await promise["red"][0].drive()


def listen_in(connection: Connection) -> testing.Transcript:
    """Return what crosses from now on, as a transcript of this side, ``here``."""
    transcript = testing.Transcript()
    connection._tap = connection._outflow._tap = transcript
    return transcript


def operations(transcript: testing.Transcript) -> list[str]:
    """The operations that this side has sent, by name."""
    return [entry.operation for entry in transcript if entry.sender == "here"]


@asynccontextmanager
async def peers(*names: str) -> AsyncIterator[list[Peer]]:
    network = netlayers.MemoryNetwork()
    opened = [Peer(netlayers.Memory(network, name), name=name) for name in names]
    for peer in opened:
        await peer.__aenter__()
    try:
        yield opened
    finally:
        for peer in opened:
            await peer.__aexit__(None, None, None)


async def a_garage(server: Peer, client: Peer) -> tuple[Garage, testing.Transcript]:
    garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
    [connection] = client.connections
    return garage, listen_in(connection)


async def until_clean(*peers: Peer, exports: int = 1, imports: int = 0) -> None:
    """Wait until nothing but so much is left in the tables of the first peer."""
    while True:
        gc.collect()
        for peer in peers:
            for connection in peer.connections:
                connection.session.check()
        tables = [connection.session.stats().tables for peer in peers for connection in peer.connections]
        if all(table[2:] == (0, 0) for table in tables) and tables[0] == (exports, imports, 0, 0):
            return
        await asyncio.sleep(0)


class TestCrossing:
    def test_a_chain_costs_one_round_trip(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, sent = await a_garage(server, client)
                noise = garage.cars()["red"][0].drive()
                await asyncio.sleep(0)  # what is written leaves at the next tick of the loop
                assert operations(sent) == ["op:deliver", "op:get", "op:index", "op:deliver"]
                assert await noise == "a red car drives"
                assert "op:listen" not in operations(sent)

        run(main)

    def test_a_chain_through_what_is_not_connected_yet(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                uri = server.publish(server.spawn(Garage))
                garage = client.enliven(uri, Garage)
                assert await garage.cars()["red"][0].drive() == "a red car drives"
                assert await hob.untag(garage.price(), "euro")[0] == 5

        run(main)

    def test_only_the_part_that_is_awaited_crosses(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                later = garage.later()
                part = later["large"]["car"].drive()  # type: ignore[attr-defined]
                del later
                garage.settle({"large": {"octets": bytes(10_000), "car": client.spawn(Car, "my")}})
                assert await part == "a my car drives"
                [connection] = client.connections
                # The answer to later() itself names a resolver, and so comes whole; no part of it does.
                assert connection.session.stats().bytes_received < 2 * 10_000

        run(main)

    def test_a_part_that_is_known_costs_nothing(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, sent = await a_garage(server, client)
                cars = garage.cars()
                await cars
                sent.clear()
                part = cars["red"][0]
                await part
                assert operations(sent) == []

        run(main)

    def test_messages_through_a_part_keep_their_order(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                later = garage.later()
                part = later["car"]
                for number in range(20):
                    part.note(number)
                mine = client.spawn(Car, "my")
                garage.settle({"car": mine})
                await part
                part.note(20)  # the car is here: the direct way would be quicker
                assert await part.note(21) == tuple(range(22))

        run(main)

    def test_a_part_as_an_argument(self) -> None:
        async def main() -> None:
            async with peers("server", "client", "third") as (server, client, third):
                garage, sent = await a_garage(server, client)
                later = garage.later()
                part = later["name"]
                waits = garage.wait_for(part)
                elsewhere = await client.enliven(third.publish(third.spawn(Garage)), Garage)
                there = elsewhere.wait_for(later["name"])
                garage.settle({"name": "x"})
                assert await waits == "x"
                assert await there == "x"
                assert "here ─▶ there  <op:deliver <desc:answer " not in str(sent)

        run(main)

    def test_a_part_of_what_a_third_peer_promises_is_asked_there(self) -> None:
        async def main() -> None:
            async with peers("server", "client", "third") as (server, client, third):
                garage, _ = await a_garage(server, client)
                elsewhere = await client.enliven(third.publish(third.spawn(Garage)), Garage)
                later = elsewhere.later()
                answer = garage.part_of(later)
                passed = garage.give(later)["red"][0].drive()
                elsewhere.settle({"red": [third.spawn(Car, "third")]})
                assert await answer == "a third car drives"
                assert await passed == "a third car drives"

        run(main)

    def test_what_goes_on_to_a_third_peer_is_not_listened_to_on_the_way(self) -> None:
        async def main() -> None:
            async with peers("server", "client", "third") as (server, client, third):
                garage, _ = await a_garage(server, client)
                elsewhere = await client.enliven(third.publish(third.spawn(Garage)), Garage)
                [connection] = third.connections
                [to_third] = [
                    each
                    for each in client.connections
                    if each.session.session_id == connection.session.session_id
                ]
                sent = listen_in(to_third)
                later = elsewhere.later()
                noise = garage.give(later)["red"][0].drive()
                await garage.cars()
                elsewhere.settle({"red": [third.spawn(Car, "third")]})
                assert await noise == "a third car drives"
                assert [name for name in operations(sent) if name != "op:deliver"][:2] == [
                    "op:get",
                    "op:index",
                ]
                assert "op:listen" not in operations(sent)

        run(main)


class TestOutcomes:
    @pytest.mark.parametrize("known", [True, False])
    def test_t31_what_is_not_there_is_refused_here_and_there(self, known: bool) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                cars: Any = garage.cars()
                price: Any = garage.price()
                car: Any = garage.cars()["red"][0]
                if known:
                    await asyncio.gather(cars, price, car)
                for part, problem in [
                    (cars["blue"], "no field 'blue' in a struct"),
                    (cars["none"][0], "no item 0 in a list of 0"),
                    (hob.untag(price, "dollar"), "no tag 'dollar' on a value tagged 'euro'"),
                    (car["color"], "no field 'color' in an object"),
                    (cars["blue"].drive(), "no field 'blue' in a struct"),
                ]:
                    with pytest.raises(hob.Refused, match=problem):
                        await part

        run(main)

    def test_t31_an_object_that_is_asked_for_a_part_breaks_the_answer(self) -> None:
        """As a peer of another make might ask: op:get of desc:export, and no promise there."""

        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                [connection] = client.connections
                part: Any = hob.Promise(client.vat)
                target: Any = hob.Promise(client.vat)
                target._set_route(connection, ROUTE_IMPORT, garage._pos)  # type: ignore[attr-defined]
                connection.session.select(target, "color", False, part)
                with pytest.raises(hob.Refused, match="no field 'color' in an object"):
                    await part
                assert await garage.cars()["red"][0].drive() == "a red car drives"

        run(main)

    def test_a_part_of_a_failure_fails_alike(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                failed = garage.fly()  # type: ignore[attr-defined]
                with pytest.raises(hob.RemoteRefused, match="no method 'fly'"):
                    await failed["x"][0]

        run(main)


class TestThreads:
    @pytest.mark.parametrize("times", [1, 50])
    def test_from_a_vat_in_another_thread(self, times: int) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client), hob.VatThread("other") as other:
                garage, sent = await a_garage(server, client)

                async def work() -> list[Any]:
                    found: list[Any] = []
                    for _ in range(times):
                        cars = garage.cars()
                        found.append(cars["red"][0].drive())
                        found.append(cars["none"])
                    return [await each for each in found]

                assert await other.run(work) == ("a red car drives", ()) * times
                # At most once: what is known by then is not asked for. Never for what only leads to a call.
                assert operations(sent).count("op:listen") <= times

        run(main)

    def test_of_an_object_in_another_thread(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client), hob.VatThread("other") as other:
                garage = await client.enliven(server.publish(other.spawn(Garage)), Garage)
                assert await garage.cars()["red"][0].drive() == "a red car drives"
                with pytest.raises(hob.Refused, match="no field 'x' in a struct"):
                    await garage.cars()["x"]

        run(main)

    def test_a_listener_in_another_thread_that_leaves_and_comes_back(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client), hob.VatThread("other") as other:
                garage, _ = await a_garage(server, client)

                async def work() -> object:
                    part = garage.later()["x"]
                    waiting = asyncio.ensure_future(part)
                    await asyncio.sleep(0)
                    waiting.cancel()
                    garage.settle({"x": 5})
                    return await part

                assert await other.run(work) == 5

        run(main)


class TestTheEnd:
    @pytest.mark.parametrize("thread", [True, False])
    @pytest.mark.parametrize("when", ["before it is sent", "when it has been sent", "when it is listened to"])
    def test_what_is_pending_breaks(self, when: str, thread: bool) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client), hob.VatThread("other") as other:
                garage, _ = await a_garage(server, client)

                async def work() -> list[object]:
                    later = garage.later()
                    part = later["x"]
                    inner = part[0]
                    call = inner.drive()
                    waiting = asyncio.ensure_future(inner) if when == "when it is listened to" else inner
                    if when != "before it is sent":
                        await garage.kept()
                    closing = client.vat.run(close)
                    found = await asyncio.gather(part, waiting, call, later["y"], return_exceptions=True)
                    await closing
                    return [type(each).__name__ for each in found]

                def close() -> None:
                    for connection in client.connections:
                        connection.close("enough")

                names = await other.run(work) if thread else await work()
                assert list(names) == ["SessionSevered"] * 4

        run(main)

    def test_asking_after_the_end(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                later = garage.later()
                for connection in client.connections:
                    connection.close("enough")
                with pytest.raises(hob.SessionSevered):
                    await later["x"]
                with pytest.raises(hob.SessionSevered):
                    await garage.cars()["red"]

        run(main)

    def test_nothing_is_reported_of_parts_that_nobody_looked_at(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                part = garage.later()["x"]
                await garage.kept()
                for connection in client.connections:
                    connection.close("enough")
                del part
                gc.collect()

        run(main)
        gc.collect()
        assert [record.getMessage() for record in caplog.records if record.name == "hobgoblin.vat"] == []


class TestGarbage:
    def test_nothing_is_left_in_the_tables(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client):
                garage, _ = await a_garage(server, client)
                for _ in range(20):
                    cars = garage.cars()
                    cars["red"]  # nobody waits for it
                    await cars["none"]
                    assert await cars["red"][0].drive() == "a red car drives"
                    with pytest.raises(hob.Refused):
                        await cars["blue"]
                later = garage.later()
                later["x"]["y"]
                garage.settle({"x": {"y": 5}})
                await later
                del later, cars
                await until_clean(client, server, imports=1)
                assert garage is not None

        run(main)

    def test_nor_of_those_that_another_thread_asked_for(self) -> None:
        async def main() -> None:
            async with peers("server", "client") as (server, client), hob.VatThread("other") as other:
                garage, _ = await a_garage(server, client)

                async def work() -> None:
                    for _ in range(20):
                        cars = garage.cars()
                        cars["red"]
                        await cars["none"]
                        await cars["red"][0].drive()

                await other.run(work)
                await until_clean(client, server, imports=1)
                assert garage is not None

        run(main)


@pytest.mark.without_coverage
def test_t34_ten_thousand_parts_of_parts() -> None:
    async def main() -> None:
        async with peers("server", "client") as (server, client):
            garage, _ = await a_garage(server, client)
            part: Any = garage.later()
            same = garage.give(part)
            for _ in range(10_000):
                part = part["same"]
            garage.settle({"same": same, "x": 5})
            assert await part["x"] == 5

    run(main)


class Holder(Actor):
    """Makes promises and settles them on demand."""

    def __init__(self) -> None:
        self.resolvers: dict[int, Any] = {}

    @method
    def make(self, number: int) -> Any:
        promise, resolver = hob.new_promise()
        self.resolvers = {**self.resolvers, number: resolver}
        return promise

    @method
    def settle(self, number: int, value: Any) -> None:
        hob.send_only(self.resolvers[number].fulfill)(value)

    @method
    def echo(self, thing: Any) -> Any:
        return thing


MISSING: Any = object()
Key = str | int | tuple[str]


def random_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.random()
    if depth > 3 or kind < 0.25:
        return rng.choice([1, "text", None, b"octets"])
    if kind < 0.5:
        return {name: random_value(rng, depth + 1) for name in "abc"[: rng.randrange(4)]}
    if kind < 0.8:
        return tuple(random_value(rng, depth + 1) for _ in range(rng.randrange(4)))
    return hob.Tagged("t", random_value(rng, depth + 1))


def part_of(value: Any, key: Key) -> Any:
    """What ``value`` has at ``key``, found in the plainest way."""
    if type(key) is tuple:
        return value.value if type(value) is hob.Tagged and value.tag == key[0] else MISSING
    if type(key) is str:
        return value.get(key, MISSING) if type(value) is dict else MISSING
    return dict(enumerate(value)).get(key, MISSING) if type(value) is tuple else MISSING


@pytest.mark.parametrize("severed", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_random_programs_find_what_the_values_have(seed: int, severed: bool) -> None:
    """Parts of parts, of promises that go through peers and threads: settled early, late or never."""
    rng = random.Random(seed)
    values: list[tuple[Any, Any]] = []
    settled: set[int] = set()
    pool: list[tuple[Any, int, tuple[Key, ...]]] = []

    async def main() -> None:
        async with peers("server", "client", "third") as (server, client, third), hob.VatThread() as other:
            far = await client.enliven(server.publish(server.spawn(Holder)), Holder)
            further = await client.enliven(third.publish(third.spawn(Holder)), Holder)
            holders: list[Any] = [far, further, client.spawn(Holder), other.spawn(Holder)]

            def settle(number: int) -> None:
                if number not in settled:
                    settled.add(number)
                    holder, value = values[number]
                    holder.settle(number, value)

            async def play() -> None:
                for _ in range(rng.randrange(5, 40)):
                    chance = rng.random()
                    if chance < 0.2 or not pool:
                        values.append((rng.choice(holders), random_value(rng)))
                        number = len(values) - 1
                        pool.append((values[number][0].make(number), number, ()))
                    elif chance < 0.6:
                        promise, number, path = rng.choice(pool)
                        key: Any = rng.choice(["a", "b", "c", 0, 1, 2, ("t",)])
                        part = hob.untag(promise, key[0]) if type(key) is tuple else promise[key]
                        pool.append((part, number, (*path, key)))
                    elif chance < 0.75:
                        promise, number, path = rng.choice(pool)
                        pool.append((rng.choice(holders).echo(promise), number, path))
                    elif chance < 0.85:
                        settle(rng.randrange(len(values)))
                    else:
                        await asyncio.sleep(0)

            await play()
            await other.run(play)
            if severed:
                rng.choice(client.connections).close("at random")
            await play()
            for number in range(len(values)):
                settle(number)
            for promise, number, path in pool:
                expected = values[number][1]
                for key in path:
                    expected = MISSING if expected is MISSING else part_of(expected, key)
                try:
                    found = await promise
                except hob.HobgoblinError:
                    assert expected is MISSING or severed
                else:
                    assert found == expected
            for connection in (*server.connections, *client.connections, *third.connections):
                connection.session.check()

    run(main)
