"""`on_sever`: what a program is told when the session behind a reference ends."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, netlayers


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


class Thing(Actor):
    def __init__(self) -> None:
        self.resolver: Any = None

    @method
    def make(self) -> "Thing":
        return hob.spawn(Thing)

    @method
    def touch(self) -> str:
        return "touched"

    @method
    def refuse(self) -> "Thing":
        raise hob.Refused("no thing today")

    @method
    def later(self) -> Any:
        promise, self.resolver = hob.new_promise()
        return promise


class Log:
    """A handler that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.first = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def __call__(self, error: hob.SessionSevered) -> None:
        self.told.append(error)
        self.loop.call_soon_threadsafe(self.first.set)


@asynccontextmanager
async def far_thing() -> AsyncIterator[tuple[Peer, Peer, Any]]:
    """A server, a client, and the client's reference to a thing of the server."""
    network = netlayers.MemoryNetwork()
    async with (
        Peer(netlayers.Memory(network, "server"), name="server") as server,
        Peer(netlayers.Memory(network, "client"), name="client") as client,
    ):
        yield server, client, await client.enliven(server.publish(server.spawn(Thing)), Thing)


async def settle(peer: Peer) -> None:
    """Let everything happen that is under way in a peer's vat."""
    for _ in range(20):
        await asyncio.sleep(0)
    if not peer.vat.stopped:
        await peer.vat.run(lambda: None)


def test_the_handler_is_told_once_why_the_session_has_ended() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            log = Log()
            hob.on_sever(thing, log)
            await server.close()
            await log.first.wait()
            await settle(client)
            (error,) = log.told
            assert isinstance(error, hob.SessionSevered)
            assert "the peer has closed" in str(error)

    run(main)


def test_it_is_told_at_once_when_the_session_had_ended_already() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            await server.close()
            with pytest.raises(hob.SessionSevered):
                await thing.touch()
            log = Log()
            hob.on_sever(thing, log)
            assert log.told == []  # in a turn of its own
            await settle(client)
            assert len(log.told) == 1

    run(main)


def test_it_is_told_after_the_promises_that_waited_have_broken() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            log, order = Log(), list[str]()
            hob.on_sever(thing, lambda error: order.append("severed"))
            hob.on_sever(thing, log)

            def ask() -> None:
                hob.on(thing.later(), catch=lambda error: order.append("broken"))

            await client.vat.run(ask)
            await thing.touch()
            await server.close()
            await log.first.wait()
            assert order == ["broken", "severed"]

    run(main)


def test_the_end_may_come_from_either_side() -> None:
    async def main() -> None:
        async with far_thing() as (_server, client, thing):
            log = Log()
            hob.on_sever(thing, log)
            await hob.disconnect(thing, "enough")
            await log.first.wait()
            assert "enough" in str(log.told[0])
            assert not client.vat.stopped

    run(main)


def test_a_near_object_is_never_severed() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            log = Log()
            mine = client.spawn(Thing)
            hob.on_sever(mine, log)
            hob.on_sever(mine.make(), log)
            hob.on_sever(mine.touch(), log)  # a promise for data
            with hob.VatThread("other") as other:
                hob.on_sever(other.spawn(Thing), log)
            await server.close()
            await settle(client)
            assert log.told == []
            assert thing is not mine

    run(main)


def test_a_promise_stands_for_what_it_resolves_to() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            far, near = Log(), Log()
            hob.on_sever(thing.make(), far)
            promise, resolver = await client.vat.run(hob.new_promise)
            hob.on_sever(promise, near)
            await resolver.fulfill(client.spawn(Thing))
            await thing.touch()
            await server.close()
            await far.first.wait()
            await settle(client)
            assert (len(far.told), near.told) == (1, [])

    run(main)


def test_a_promise_that_breaks_because_of_the_end_counts_as_severed() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            log = Log()
            hob.on_sever(thing.later(), log)
            await thing.touch()
            await server.close()
            await log.first.wait()
            await settle(client)
            assert len(log.told) == 1

    run(main)


def test_a_promise_that_breaks_for_any_other_reason_ends_the_matter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            log = Log()
            hob.on_sever(thing.refuse(), log)
            hob.on_sever(client.enliven("ocapn://nobody.memory/s/c3dpc3M"), log)
            await thing.touch()
            await settle(client)
            await server.close()
            await settle(client)
            assert log.told == []

    with caplog.at_level(logging.ERROR):
        run(main)
        gc.collect()
    # To watch a promise is not to look at it: both failures are still reported.
    assert len([record for record in caplog.records if "nobody awaited" in record.getMessage()]) == 2


def test_a_handler_outlives_the_reference() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            log = Log()
            hob.on_sever(await thing.make(), log)
            gc.collect()
            await settle(client)
            await thing.touch()
            await server.close()
            await log.first.wait()

    run(main)


@pytest.mark.parametrize("what", ["object", "promise"])
def test_a_cancelled_handler_is_forgotten(what: str) -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            log, other = Log(), Log()
            cancel = hob.on_sever(thing if what == "object" else thing.later(), log)
            hob.on_sever(thing, other)
            await thing.touch()
            cancel()
            cancel()
            await server.close()
            await other.first.wait()
            await settle(client)
            assert log.told == []
            cancel()

    run(main)


def test_a_handler_can_be_cancelled_while_it_waits_for_its_turn() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            await server.close()
            with pytest.raises(hob.SessionSevered):
                await thing.touch()
            log = Log()
            hob.on_sever(thing, log)()
            await settle(client)
            assert log.told == []

    run(main)


def test_within_a_turn_both_are_effects() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            kept, dropped, undone = Log(), Log(), Log()
            cancel = hob.on_sever(thing, kept)

            def register(log: Log, then: Callable[[], None]) -> None:
                hob.on_sever(thing, log)
                then()

            def fail() -> None:
                cancel()
                raise hob.Refused("undone")

            with pytest.raises(hob.Refused, match="undone"):
                await client.vat.run(register, undone, fail)

            def register_and_cancel() -> None:
                hob.on_sever(thing, dropped)()

            await client.vat.run(register_and_cancel)
            await server.close()
            await kept.first.wait()
            await settle(client)
            assert (len(kept.told), dropped.told, undone.told) == (1, [], [])

    run(main)


def test_a_handler_runs_in_the_vat_that_asked_in_its_own_thread() -> None:
    async def main() -> None:
        async with far_thing() as (server, _client, thing):
            with hob.VatThread("other") as other:
                order: list[str] = []
                log = Log()

                async def ask() -> None:
                    hob.on_sever(thing, lambda error: order.append("severed"))
                    hob.on_sever(thing.make(), log)
                    waiting = thing.later()
                    hob.on(waiting, catch=lambda error: order.append("broken"))
                    cancelled = hob.on_sever(thing, lambda error: order.append("cancelled"))
                    cancelled()
                    hob.on_sever(thing.later(), lambda error: order.append("cancelled"))()
                    assert await thing.touch() == "touched"

                await other.run(ask)
                await server.close()
                await log.first.wait()
                await other.run(lambda: None)
                assert order == ["broken", "severed"]

    run(main)


def test_handlers_may_be_asynchronous_or_references() -> None:
    async def main() -> None:
        async with far_thing() as (server, client, thing):
            slow, object_ = Log(), Log()

            async def handler(error: hob.SessionSevered) -> None:
                await asyncio.sleep(0)
                slow(error)

            hob.on_sever(thing, handler)
            hob.on_sever(thing, client.spawn(object_.__call__))
            await server.close()
            await slow.first.wait()
            await object_.first.wait()
            assert isinstance(object_.told[0], hob.SessionSevered)

    run(main)


def test_a_handler_that_fails_is_logged_and_hinders_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with far_thing() as (server, _client, thing):
            log = Log()

            def broken_handler(error: hob.SessionSevered) -> None:
                raise ValueError("in the handler")

            hob.on_sever(thing, broken_handler)
            hob.on_sever(thing, log)
            await server.close()
            await log.first.wait()

    with caplog.at_level(logging.ERROR):
        run(main)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "broken_handler of on_sever()" in record.getMessage()


def test_a_handler_of_a_stopped_vat_is_dropped() -> None:
    async def main() -> None:
        async with far_thing() as (_server, client, thing):
            log = Log()
            hob.on_sever(thing, log)
            client.vat.stop()
            for _ in range(20):
                await asyncio.sleep(0)
            assert log.told == []

    run(main)


def test_only_references_can_be_watched() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="takes a reference, not str"):
            hob.on_sever("thing", print)

    run(main)
