"""Peers over real channels: what a program that uses them relies on."""

import asyncio
import gc
import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, Symbol, method, netlayers, spawn

Pair = tuple[Peer, Peer]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


class Car(Actor):
    def __init__(self, color: str) -> None:
        self.color = color

    @method
    def drive(self) -> str:
        return f"a {self.color} car drives"

    @method
    def itself(self) -> "Car":
        return self  # type: ignore[return-value]


class Garage(Actor):
    def __init__(self) -> None:
        self.calls: tuple[object, ...] = ()
        self.kept: object = None

    @method
    def make_car(self, color: str) -> Car:
        return spawn(Car, color)

    @method
    def note(self, *things: object) -> None:
        self.calls += things

    @method
    def noted(self) -> tuple[object, ...]:
        return self.calls

    @method
    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return (args, kwargs)

    @method
    def keep(self, thing: Any) -> None:
        self.kept = thing

    @method
    def give_back(self) -> Any:
        return self.kept

    @method
    def fail(self, text: str) -> None:
        raise RuntimeError(text)

    @method
    def refuse(self, text: str) -> None:
        raise hob.Refused(text)

    @method
    async def call_back(self, function: Any, times: int) -> list[Any]:
        return [await function(n) for n in range(times)]

    @method
    def never(self) -> Any:
        promise, self.resolver = hob.new_promise()
        return promise

    @method
    def settle(self, value: Any) -> None:
        hob.send_only(self.resolver.fulfill)(value)


@asynccontextmanager
async def pair_over(kind: str, folder: Path) -> AsyncIterator[Pair]:
    server: netlayers.Netlayer
    client: netlayers.Netlayer
    if kind == "unix":
        server, client = netlayers.Unix(folder / "s"), netlayers.Unix()
    elif kind.startswith("tcp"):
        framing = "raw" if kind == "tcp-raw" else "prefixed"
        server = netlayers.TcpTestingOnly(framing=framing)
        client = netlayers.TcpTestingOnly(framing=framing, listen=False)
    else:
        network = netlayers.MemoryNetwork()
        server, client = netlayers.Memory(network, "server"), netlayers.Memory(network, "client")
    async with Peer(server, name="server") as one, Peer(client, name="client") as other:
        yield one, other


@pytest.fixture(params=["unix", "tcp-raw", "tcp-prefixed", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def until_tables_are(peer: Peer, expected: tuple[int, int, int, int]) -> None:
    """Wait until the other side's releases have come in; the guard of the test bounds it."""
    while True:
        gc.collect()
        tables = [connection.session.stats().tables for connection in peer.connections]
        if tables == [expected]:
            return
        await asyncio.sleep(0)


class TestCalls:
    def test_a_pipelined_call_over_every_netlayer(self, kind: str, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                uri = server.publish(server.spawn(Garage))
                assert await client.enliven(uri, Garage).make_car("blue").drive() == "a blue car drives"

        run(main)

    def test_a_promise_resolved_to_one_that_is_being_reached_takes_calls(
        self, kind: str, tmp_path: Path
    ) -> None:
        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                uri = server.publish(server.spawn(Garage))
                promise, resolver = await client.vat.run(hob.new_promise)
                await resolver.fulfill(client.enliven(uri, Garage))
                # It waits at the other promise until the session is there.
                assert await promise.make_car("blue").drive() == "a blue car drives"

        run(main)

    def test_every_value_arrives_as_in_the_table(self, kind: str, tmp_path: Path) -> None:
        values: list[Any] = [
            *(
                None,
                hob.NULL,
                True,
                False,
                0,
                -1,
                2**70,
                1.5,
                -0.0,
                float("inf"),
                "",
                "björn 🚀",
                b"",
                b"\x00\xff",
            ),
            *(Symbol("a-b"), (), (1, (2,)), hob.Tagged("decimal", "3.14"), hob.ErrorValue("boom")),
            {"b": 1, "aa": {"": ()}},
        ]

        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                garage = client.enliven(server.publish(server.spawn(Garage)), Garage)
                args, kwargs = await garage.echo(*values, a_word=[1], other=None)
                assert list(args) == values
                assert [type(arg) for arg in args[:-1]] == [type(value) for value in values[:-1]]
                assert kwargs == {"a_word": (1,), "other": None}

        run(main)

    def test_references_keep_their_identity(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                car = await garage.make_car("red")
                assert await car.itself() is car
                mine = client.spawn(Car, "green")
                await garage.keep(mine)
                assert await garage.give_back() is mine
                (again, twice), _ = await garage.echo(mine, mine)
                assert again is mine
                assert twice is mine

        run(main)

    def test_callbacks_run_here(self, kind: str, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                garage = client.enliven(server.publish(server.spawn(Garage)), Garage)
                assert await garage.call_back(lambda n: n * 10, 3) == (0, 10, 20)

        run(main)

    def test_a_promise_can_be_passed_before_it_is_settled(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                promise, resolver = await client.vat.run(hob.new_promise)
                await garage.keep(promise)
                answer = garage.give_back()
                (echoed,), _ = await garage.echo(answer)  # our own question, as an argument to its host
                resolver.fulfill("settled")
                assert await answer == "settled"
                assert await promise == "settled"
                assert await echoed == "settled"

        run(main)

    def test_a_promise_of_theirs_settles_here(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                pending = garage.never()
                following = pending.anything(1)
                garage.settle(garage)
                with pytest.raises(hob.RemoteError, match="no method 'anything'"):
                    await following
                assert await pending is garage

        run(main)

    def test_order_of_ten_thousand_messages(self, kind: str, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                garage = client.enliven(server.publish(server.spawn(Garage)), Garage)  # still a promise
                note = hob.send_only(garage.note)
                for start in range(0, 2_000, 100):
                    note(*range(start, start + 100))
                    if start % 500 == 0:
                        await asyncio.sleep(0)
                assert await garage.noted() == tuple(range(2_000))

        run(main)

    def test_messages_do_not_overtake_when_a_promise_comes_home(self, tmp_path: Path) -> None:
        """Messages to a remote promise that turns out to be near keep the way of the first."""

        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                far = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                near = client.spawn(Garage)
                promise: Any = far.never()
                promise.note(1, 2)
                far.settle(near)
                assert await promise is near
                promise.note(3)  # the direct way would be quicker
                assert await promise.noted() == (1, 2, 3)

        run(main)

    def test_calls_that_wait_for_a_call_that_waits_set_out_with_it(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("memory", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                first, first_resolver = await client.vat.run(hob.new_promise)
                made = first.make_car("blue")
                follower, follower_resolver = await client.vat.run(hob.new_promise)
                await follower_resolver.fulfill(made)
                driven = follower.drive()
                await first_resolver.fulfill(garage)
                assert await driven == "a blue car drives"

        run(main)

    def test_t34_a_chain_of_ten_thousand_calls_sets_out_at_once(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("memory", tmp_path) as (server, client):
                car = await client.enliven(server.publish(server.spawn(Car, "red")), Car)
                promise, resolver = await client.vat.run(hob.new_promise)
                last = promise
                for _ in range(10_000):
                    last = last.itself()
                driven = last.drive()
                await resolver.fulfill(car)
                assert await driven == "a red car drives"

        run(main)

    def test_names_that_python_spells_otherwise(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                assert await hob.send(garage, Symbol("give-back")) is None
                assert await hob.send(garage, Symbol("give_back")) is None
                assert await hob.send(garage, "give_back") is None

        run(main)


class TestThreads:
    def test_references_work_from_a_vat_in_another_thread(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client), hob.VatThread("other") as other:
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)

                async def work() -> Any:
                    for n in range(500):
                        hob.send_only(garage.note)(n)
                    noise = garage.make_car("black").drive()
                    return [await garage.noted(), await noise]

                noted, noise = await other.run(work)
                assert noted == tuple(range(500))
                assert noise == "a black car drives"

        run(main)

    def test_objects_of_another_thread_can_be_published(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client), hob.VatThread("other") as other:
                uri = server.publish(other.spawn(Garage))
                garage = client.enliven(uri, Garage)
                assert await garage.make_car("white").drive() == "a white car drives"
                with pytest.raises(hob.RemoteError, match="the call failed"):
                    await garage.fail("x")

        run(main)


class TestFailures:
    def test_only_what_is_meant_for_the_caller_crosses(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = client.enliven(server.publish(server.spawn(Garage)), Garage)
                with pytest.raises(hob.RemoteError) as caught:
                    await garage.fail("the password is swordfish")
                assert "swordfish" not in str(caught.value)
                error_id = caught.value.error_id
                assert error_id is not None
                (record,) = [r for r in caplog.records if error_id in r.getMessage()]
                assert record.exc_info is not None
                assert "swordfish" in str(record.exc_info[1])
                with pytest.raises(hob.RemoteError, match=r"^not on sundays$"):
                    await garage.refuse("not on sundays")
                with pytest.raises(hob.RemoteError, match="NoSuchMethod: no method 'fly'"):
                    await garage.fly()  # type: ignore[attr-defined]
                with pytest.raises(hob.RemoteError, match="BadArguments"):
                    await garage.make_car()  # type: ignore[call-arg]
                with pytest.raises(hob.RemoteError, match="NotATarget"):
                    await garage.noted().anything()  # type: ignore[attr-defined]

        with caplog.at_level(logging.WARNING):
            run(main)

    def test_what_cannot_be_sent_fails_here_and_harms_nothing(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                with pytest.raises(hob.NotPassable, match=r'args\[0\]\["size"\]'):
                    garage.note({"size": {1, 2}})
                tables = [connection.session.stats().tables for connection in client.connections]
                with pytest.raises(hob.NotPassable, match="limit"):
                    await garage.note(b"x" * (hob.Limits().message_bytes + 1), client.spawn(Garage))
                assert [c.session.stats().tables for c in client.connections] == tables
                assert await garage.noted() == ()

        run(main)

    def test_a_result_too_large_for_the_peer_breaks_that_call_alone(self, tmp_path: Path) -> None:
        class Big(Actor):
            @method
            def big(self) -> bytes:
                return b"x" * (hob.Limits().message_bytes + 1)

            @method
            def small(self) -> int:
                return 1

        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                big = client.enliven(server.publish(server.spawn(Big)), Big)
                with pytest.raises(hob.RemoteError, match="the call failed"):
                    await big.big()
                assert await big.small() == 1

        run(main)

    def test_symbols_break_promises_unchanged(self, tmp_path: Path) -> None:
        class Breaker(Actor):
            @method
            def broken(self) -> Any:
                promise, resolver = hob.new_promise()
                resolver.break_(Symbol("oh-no"))
                return promise

        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                breaker = client.enliven(server.publish(server.spawn(Breaker)), Breaker)
                with pytest.raises(hob.BrokenPromise) as caught:
                    await breaker.broken()
                assert caught.value.reason == Symbol("oh-no")

        run(main)

    def test_a_resolver_over_there_can_be_given_an_exception(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Maker(Actor):
            @method
            def make(self) -> Any:
                return hob.new_promise()

        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                maker = client.enliven(server.publish(server.spawn(Maker)), Maker)
                promise, resolver = await maker.make()
                await resolver.break_(hob.Refused("meant for you"))
                with pytest.raises(hob.BrokenPromise, match="meant for you"):
                    await promise
                promise, resolver = await maker.make()
                await resolver.break_(ValueError("swordfish"))
                with pytest.raises(hob.BrokenPromise, match="the call failed, error") as caught:
                    await promise
                assert "swordfish" not in str(caught.value)
                (args, _) = await client.enliven(server.publish(server.spawn(Garage)), Garage).echo(
                    [KeyError("swordfish")], {"a": hob.Refused("public")}
                )
                assert "swordfish" not in str(args)
                assert args[1] == {"a": hob.ErrorValue("public")}

        with caplog.at_level(logging.CRITICAL):
            run(main)

    def test_a_refusal_is_caught_the_same_way_here_and_there(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                near = server.spawn(Garage)
                far = client.enliven(server.publish(near), Garage)
                for garage in (near, far):
                    with pytest.raises(hob.Refused, match="not on sundays"):
                        await garage.refuse("not on sundays")

        run(main)

    def test_one_failure_is_logged_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = client.enliven(server.publish(server.spawn(Garage)), Garage)
                with pytest.raises(hob.RemoteError, match="the call failed"):
                    await hob.send(garage, Symbol("fail"), "swordfish").one().two()

        with caplog.at_level(logging.WARNING):
            run(main)
        assert len([r for r in caplog.records if "a call of a peer failed" in r.getMessage()]) == 1

    def test_the_log_names_the_call_that_failed(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Shelf(Actor):
            @method
            def books(self) -> Any:
                return {"Emma"}  # a set: nothing of the traceback is of this method

            @method
            async def lend(self) -> Any:
                return await reference.books()

        async def main() -> None:
            nonlocal reference
            async with pair_over("unix", tmp_path) as (server, client):
                reference = server.spawn(Shelf)
                shelf = client.enliven(server.publish(reference), Shelf)
                for call in (shelf.books, shelf.lend):
                    with pytest.raises(hob.RemoteError, match="the call failed"):
                        await call()

        reference: Any = None
        with caplog.at_level(logging.WARNING):
            run(main)
        logged = [r.getMessage() for r in caplog.records if "a call of a peer failed" in r.getMessage()]
        assert [line.partition(", in ")[2] for line in logged] == [
            "<Ref Shelf>.books()",
            "<Ref Shelf>.lend()",
        ]

    def test_what_a_peer_calls_a_method_is_a_short_line_in_the_log(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                for name in ("x\nERROR root: \x1b[31mforged", "y" * 100_000):
                    hob.send_only(garage)(Symbol(name))
                with pytest.raises(hob.Refused):
                    await garage.refuse("all have come")

        with caplog.at_level(logging.WARNING):
            run(main)
        lines = [r.getMessage() for r in caplog.records if "unheard failure" in r.getMessage()]
        assert [line.isprintable() and len(line) < 400 for line in lines] == [True, True]

    def test_a_cancelled_method_is_logged_with_its_own_error(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Canceller(Actor):
            @method
            async def cancelled(self) -> None:
                raise asyncio.CancelledError("inner task")

        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                canceller = client.enliven(server.publish(server.spawn(Canceller)), Canceller)
                with pytest.raises(hob.RemoteError, match="the call failed"):
                    await canceller.cancelled()

        with caplog.at_level(logging.WARNING):
            run(main)
        assert "inner task" in caplog.text


class TestSturdyrefs:
    def test_a_chosen_number_gives_the_same_uri_again(self, tmp_path: Path) -> None:
        async def publish() -> str:
            async with Peer(netlayers.Unix(tmp_path / "s")) as peer:
                return peer.publish(peer.spawn(Garage), swiss=b"chosen")

        assert asyncio.run(publish()) == asyncio.run(publish())

    def test_random_numbers_differ(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix(tmp_path / "s")) as peer:
                garage = peer.spawn(Garage)
                assert peer.publish(garage) != peer.publish(garage)

        run(main)

    def test_unknown_and_unpublished_numbers_look_the_same(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                uri = server.publish(server.spawn(Garage))
                garage = await client.enliven(uri, Garage)
                server.unpublish(uri)
                other = server.publish(server.spawn(Garage), swiss=b"other")
                wrong = hob.SturdyRef(hob.SturdyRef.parse(other).peer, hob.SwissNum(b"guess"))
                texts = set()
                for ref in (uri, wrong):
                    with pytest.raises(hob.RemoteError) as caught:
                        await client.enliven(ref)
                    texts.add(str(caught.value))
                assert len(texts) == 1
                assert await garage.noted() == ()  # what was fetched lives on

        run(main)

    def test_enlivening_ones_own_needs_no_connection(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix(tmp_path / "s")) as peer:
                garage = peer.spawn(Garage)
                assert await peer.enliven(peer.publish(garage)) is garage
                assert peer.connections == []

        run(main)

    def test_a_number_can_be_taken_only_once(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix(tmp_path / "s")) as peer:
                garage = peer.spawn(Garage)
                assert peer.publish(garage, swiss=b"n") == peer.publish(garage, swiss=b"n")
                with pytest.raises(ValueError, match="another object"):
                    peer.publish(peer.spawn(Garage), swiss=b"n")

        run(main)

    def test_closing_at_once_breaks_what_was_never_sent(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix(tmp_path / "s")) as server:
                uri = server.publish(server.spawn(Garage))
                async with Peer(netlayers.Unix()) as client:
                    waiting = client.enliven(uri, Garage).noted()
                with pytest.raises(hob.NetlayerError, match="closed before"):
                    await waiting

        run(main)

    def test_a_peer_that_was_not_entered_serves_nothing(self, tmp_path: Path) -> None:
        async def main() -> None:
            peer = Peer(netlayers.Unix(tmp_path / "s"))
            with pytest.raises(hob.NotInVat, match="async with"):
                await peer.serve_forever()
            async with peer:
                pass
            with pytest.raises(RuntimeError, match="closed"):
                await peer.serve_forever()
            by_hand = Peer(netlayers.Unix(tmp_path / "s"))
            assert await by_hand.start() is by_hand
            await by_hand.close()
            with pytest.raises(RuntimeError, match="closed: make a new one"):
                await peer.start()
            for wrong in ("captp.sock", netlayers.Unix):
                with pytest.raises(TypeError, match="takes netlayers, such as"):
                    Peer(wrong)  # type: ignore[arg-type]
            options: Any
            for options, told in (
                ({"registry": "a.file"}, "such as RegistryFile"),
                ({"limits": 5}, "limits are Limits, not int"),
            ):
                with pytest.raises(TypeError, match=told):
                    Peer(**options)
            with pytest.raises(ValueError, match="no dialect 'E'; there are A, B, C, D"):
                Peer(netlayers.Unix(), dialect="E")
            async with Peer(netlayers.Unix()) as client:
                with pytest.raises(TypeError, match="text of a URI"):
                    client.enliven(b"ocapn://")  # type: ignore[call-overload]

        run(main)

    def test_mistakes_are_told(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix()) as peer:
                with pytest.raises(TypeError, match="spawn"):
                    peer.publish(Garage())
                with pytest.raises(hob.NetlayerError, match="does not listen"):
                    peer.publish(peer.spawn(Garage))
                with pytest.raises(hob.LocatorError):
                    peer.enliven("http://example.org/")
                with pytest.raises(hob.NetlayerError, match="no way to 'onion' peers: this peer has unix"):
                    await peer.enliven("ocapn://abc.onion/s/YWJj")
            with pytest.raises(hob.NotInVat, match="async with"):
                _ = Peer(netlayers.Unix()).vat
            with pytest.raises(ValueError, match="one netlayer of each"):
                Peer(netlayers.Unix(), netlayers.Unix())

        run(main)


class TestSessions:
    def test_two_enlivens_share_one_session(self, kind: str, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                one = client.enliven(server.publish(server.spawn(Garage)), Garage)
                other = client.enliven(server.publish(server.spawn(Car, "x")), Car)
                await asyncio.gather(one.noted(), other.drive())
                assert len(client.connections) == len(server.connections) == 1

        run(main)

    def test_everything_that_waits_breaks_when_the_peer_goes(self, kind: str, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                waiting = [garage.never(), garage.never().more(), hob.send(garage, Symbol("never"))]
                await garage.noted()
                await server.close()
                for promise in waiting:
                    with pytest.raises(hob.SessionSevered, match="the peer has closed"):
                        await promise
                with pytest.raises(hob.SessionSevered):
                    await garage.noted()
                with pytest.raises(hob.SessionSevered):
                    await hob.send(waiting[0], 1)
                assert client.connections == []

        run(main)

    def test_the_server_hears_of_a_client_that_goes(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = server.spawn(Garage)
                far = await client.enliven(server.publish(garage), Garage)
                await far.keep(client.spawn(Garage))
                kept = await garage.give_back()
                waiting = kept.never()
                await kept.noted()
                await client.close()
                with pytest.raises(hob.SessionSevered):
                    await waiting
                assert server.connections == []

        run(main)

    def test_enliven_again_reaches_the_restarted_peer(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix()) as client:
                for _ in range(3):
                    async with Peer(netlayers.Unix(tmp_path / "s")) as server:
                        uri = server.publish(server.spawn(Garage), swiss=b"same")
                        assert (
                            await client.enliven(uri, Garage).make_car("blue").drive() == "a blue car drives"
                        )
                with pytest.raises(hob.NetlayerError, match=str(tmp_path / "s")):
                    await client.enliven(uri)

        run(main)

    def test_peers_that_dial_each_other_at_once_end_up_with_one_session(self) -> None:
        async def main() -> None:
            for seed in range(40):
                network = netlayers.MemoryNetwork(split=splitter(random.Random(seed)))
                async with (
                    Peer(netlayers.Memory(network, "a")) as a,
                    Peer(netlayers.Memory(network, "b")) as b,
                ):
                    at_a, at_b = a.publish(a.spawn(Garage)), b.publish(b.spawn(Garage))
                    first, second = a.enliven(at_b, Garage), b.enliven(at_a, Garage)
                    await asyncio.gather(first.noted(), second.noted(), return_exceptions=True)
                    assert len(a.connections) == len(b.connections) == 1
                    assert await a.enliven(at_b, Garage).noted() == ()
                    assert await b.enliven(at_a, Garage).noted() == ()

        run(main)

    def test_garbage_from_a_stranger_disturbs_nobody(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                for garbage in (
                    b"GET / HTTP/1.1\r\n\r\n",
                    b"<",
                    b"<" * 100_000,
                    b"99999999:",
                    b"\x00" * 10,
                    b"",
                ):
                    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
                    writer.write(garbage)
                    writer.write_eof()
                    await reader.read()
                    writer.close()
                    await writer.wait_closed()
                assert await garage.noted() == ()

        run(main)

    def test_closing_delivers_what_was_sent_before(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix(tmp_path / "s")) as server:
                garage = server.spawn(Garage)
                uri = server.publish(garage)
                async with Peer(netlayers.Unix()) as client:
                    far = await client.enliven(uri, Garage)
                    for n in range(100):
                        hob.send_only(far.note)(n)
                while len(await garage.noted()) < 100:
                    pass
                assert await garage.noted() == tuple(range(100))

        run(main)


def splitter(rng: random.Random) -> Callable[[bytes], list[bytes]]:
    def split(data: bytes) -> list[bytes]:
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        return [piece for piece in pieces if piece]

    return split


class TestGarbage:
    def test_what_is_dropped_is_released_on_both_sides(self, kind: str, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over(kind, tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                await garage.noted()
                await until_tables_are(server, (2, 0, 0, 0))
                cars = await asyncio.gather(*[garage.make_car(str(n)) for n in range(1_000)])
                assert server.connections[0].session.stats().exports == 1_002
                assert len(cars) == 1_000
                del cars
                await until_tables_are(server, (2, 0, 0, 0))
                await until_tables_are(client, (1, 1, 0, 0))
                await garage.call_back(lambda n: n, 10)
                await until_tables_are(server, (2, 0, 0, 0))
                await until_tables_are(client, (1, 1, 0, 0))
                client.connections[0].session.check()
                server.connections[0].session.check()

        run(main)

    def test_a_reference_that_comes_and_goes_stays_usable(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with pair_over("unix", tmp_path) as (server, client):
                garage = await client.enliven(server.publish(server.spawn(Garage)), Garage)
                await garage.keep(await garage.make_car("red"))
                for _ in range(200):
                    car = await garage.give_back()
                    again = garage.give_back()
                    del car  # its release crosses with the next copy
                    assert await (await again).drive() == "a red car drives"

        run(main)


SERVER = """
import asyncio, sys
from hobgoblin import Actor, Peer, method, netlayers

class Echo(Actor):
    @method
    def echo(self, value): return value

    @method
    async def wait(self, value): return await value

async def main():
    async with Peer(netlayers.Unix(sys.argv[1])) as peer:
        # Printed once serve_forever() has taken over the signals.
        asyncio.get_running_loop().call_soon(lambda: print(peer.publish(peer.spawn(Echo)), flush=True))
        await peer.serve_forever()

asyncio.run(main())
"""


class TestProcesses:
    @pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
    def test_a_server_cleans_up_when_it_is_told_to_end(self, signum: int, tmp_path: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path / "s")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("ocapn://")
            server.send_signal(signum)
            _, errors = server.communicate(timeout=30)
        assert server.returncode == 0, errors
        assert errors == ""
        assert os.listdir(tmp_path) == []

    def test_a_killed_server_breaks_calls_at_once(self, tmp_path: Path) -> None:
        async def main(uri: str, kill: Callable[[], None]) -> None:
            async with Peer(netlayers.Unix()) as client:
                echo: Any = await client.enliven(uri)
                promise, _ = await client.vat.run(hob.new_promise)
                waiting = echo.wait(promise)
                await echo.echo(1)
                kill()
                with pytest.raises(hob.SessionSevered):
                    await waiting

        with subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            uri = server.stdout.readline().strip()
            run(lambda: main(uri, server.kill))
