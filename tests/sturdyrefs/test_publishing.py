"""Publishing: URIs with lives of their own, taken back, revoked, expiring."""

import asyncio
import gc
import logging
import threading
import weakref
from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Peer, netlayers, testing
from hobgoblin.sturdyrefs.bootstrap import WRONG_NUMBERS

from .conftest import Car, Clock, Garage, PairOf, Run, refusal, until

TOO_MANY = "too many wrong swiss numbers over this session: try again later"
NOTHING = "nothing is published at this swiss number"


def swiss_of(uri: str) -> bytes:
    return hob.SturdyRef.parse(uri).swiss.octets


class TestExpiry:
    def test_a_uri_works_until_its_time_and_not_at_it(self, run: Run, pair: PairOf, clock: Clock) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                uri = server.publish(server.spawn(Car), expires=10)
                clock.now += 9.5
                car = await client.enliven(uri, Car)
                clock.now += 0.5
                assert await refusal(client.enliven(uri)) == NOTHING
                assert await car.drive() == "wroom"  # who has come through stays

        run(main)

    @pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
    def test_a_time_with_a_zone(self, run: Run, pair: PairOf, clock: Clock, zone: Any) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                end = datetime.fromtimestamp(clock.now, zone) + timedelta(hours=1)
                uri = server.publish(server.spawn(Car), expires=end)
                clock.now += 3599
                assert await client.enliven(uri, Car).drive() == "wroom"
                clock.now += 1
                assert await refusal(client.enliven(uri)) == NOTHING

        run(main)

    def test_the_time_that_counts_is_that_of_the_fetch(self, run: Run, pair: PairOf, clock: Clock) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                garage = server.spawn(Garage)
                uri = server.publish(garage, expires=10)
                waiting = client.enliven(uri, Garage).wait()  # fetch and call in one go
                await until(lambda: garage._behaviour.resolver is not None)  # type: ignore[attr-defined]
                clock.now += 10
                garage.go("late")
                assert await waiting == "late"

        run(main)

    def test_one_object_under_numbers_with_lives_of_their_own(
        self, run: Run, pair: PairOf, clock: Clock
    ) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                car = server.spawn(Car)
                short = server.publish(car, expires=1)
                long = server.publish(car, expires=100)
                withdrawn = server.publish(car)
                for_ever = server.publish(car)
                server.unpublish(withdrawn)
                clock.now += 50
                uris = {"short": short, "long": long, "withdrawn": withdrawn, "ever": for_ever}
                open_now = {}
                for name, uri in uris.items():
                    try:
                        open_now[name] = await client.enliven(uri, Car).drive() == "wroom"
                    except hob.Refused:
                        open_now[name] = False
                assert open_now == {"short": False, "long": True, "withdrawn": False, "ever": True}

        run(main)

    def test_publishing_again_renews(self, run: Run, pair: PairOf, clock: Clock) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                car = server.spawn(Car)
                uri = server.publish(car, expires=10)
                clock.now += 5
                assert server.publish(car, swiss=swiss_of(uri), expires=10) == uri
                clock.now += 9
                assert await client.enliven(uri, Car).drive() == "wroom"
                server.publish(car, swiss=swiss_of(uri))
                clock.now += 1e9
                assert await client.enliven(uri, Car).drive() == "wroom"

        run(main)

    def test_an_expired_number_is_free_for_another_object(self, run: Run, pair: PairOf, clock: Clock) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                server.publish(server.spawn(Garage), swiss=b"n", expires=1)
                clock.now += 1
                assert (
                    await client.enliven(server.publish(server.spawn(Car), swiss=b"n"), Car).drive()
                    == "wroom"
                )

        run(main)

    @pytest.mark.parametrize("revocable", [False, True])
    def test_the_object_goes_without_anybody_asking(self, revocable: bool) -> None:
        async def program(sim: testing.Simulation) -> None:
            peer = await sim.peer("home")
            peer.publish(peer.spawn(Garage), expires=1e9)
            later, car = Car(), Car()
            gone = weakref.ref(car)
            last = weakref.ref(later)
            peer.publish(peer.spawn(later), expires=7200, revocable=revocable)
            peer.publish(peer.spawn(car), expires=3600, revocable=revocable)
            del car, later
            await asyncio.sleep(3599)
            gc.collect()
            assert gone() is not None
            await asyncio.sleep(1.1)
            gc.collect()
            assert gone() is None
            assert last() is not None
            await asyncio.sleep(3600)
            gc.collect()
            assert last() is None

        testing.Simulation(1).run(program)

    def test_it_goes_within_a_minute_when_the_clock_is_set_or_the_machine_sleeps(self) -> None:
        skipped = 0.0

        async def program(sim: testing.Simulation) -> None:
            nonlocal skipped
            peer = await sim.peer("home", wall_clock=lambda: 1e9 + sim.time + skipped)
            car = Car()
            gone = weakref.ref(car)
            uri = peer.publish(peer.spawn(car), expires=3600)
            del car
            await asyncio.sleep(100)
            skipped = 86_400.0
            assert await refusal(peer.enliven(uri)) == NOTHING
            await asyncio.sleep(60)
            gc.collect()
            assert gone() is None

        testing.Simulation(1).run(program)

    def test_a_closed_peer_leaves_no_timer(self) -> None:
        async def program(sim: testing.Simulation) -> None:
            peer = await sim.peer("home")
            peer.publish(peer.spawn(Car), expires=3600)
            await peer.close()

        testing.Simulation(1).run(program)

    @pytest.mark.parametrize(
        ("expires", "error"),
        [
            (0, ValueError),
            (-1, ValueError),
            (nan, ValueError),
            (inf, ValueError),
            (datetime(2001, 1, 1, tzinfo=UTC), ValueError),
            (datetime(2999, 1, 1), ValueError),  # without a zone, on purpose
            (True, TypeError),
            ("1 h", TypeError),
            (timedelta(1), TypeError),
        ],
    )
    def test_what_is_no_time_to_come_is_told(
        self, run: Run, pair: PairOf, expires: Any, error: type[Exception]
    ) -> None:
        async def main() -> None:
            async with pair() as (server, _):
                with pytest.raises(error, match=r"expires|time zone"):
                    server.publish(server.spawn(Car), expires=expires)

        run(main)


class TestRevoking:
    def test_who_has_come_through_is_cut_off(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                garage = server.spawn(Garage)
                uri, other = (server.publish(garage, revocable=True) for _ in range(2))
                mine, others = await client.enliven(uri, Garage), await client.enliven(other, Garage)
                promise = client.enliven(uri, Garage)
                promise.note("sent along")  # so that all that follows takes the same way
                assert await mine.make_car().drive() == "wroom"
                server.revoke(uri)
                assert await refusal(promise.noted()) == "revoked"
                assert await refusal(mine.noted()) == "revoked"
                assert await refusal(mine.make_car().drive()) == "revoked"
                assert await refusal(client.enliven(uri)) == NOTHING
                assert await others.noted() == ("sent along",)
                server.revoke(uri)
                server.revoke(server.publish(garage).replace("/s/", "/s/AAAA"))  # nobody knows it

        run(main)

    def test_the_object_goes_though_others_hold_the_reference(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                garage = Garage()
                gone = weakref.ref(garage)
                uri = server.publish(server.spawn(garage), revocable=True)
                del garage
                held = await client.enliven(uri, Garage)
                server.revoke(uri)
                await until(lambda: gone() is None)
                assert await refusal(held.noted()) == "revoked"

        run(main)

    def test_unpublishing_closes_the_door_and_revoking_later_cuts_off(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                uri = server.publish(server.spawn(Garage), revocable=True)
                garage = await client.enliven(uri, Garage)
                server.unpublish(uri)
                assert await refusal(client.enliven(uri)) == NOTHING
                assert await garage.noted() == ()
                # The number is used again, and revoked for those of its first life, too.
                server.publish(server.spawn(Car), swiss=swiss_of(uri), revocable=True)
                car = await client.enliven(uri, Car)
                server.revoke(uri)
                assert await refusal(garage.noted()) == await refusal(car.drive()) == "revoked"

        run(main)

    def test_what_has_arrived_is_carried_out(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                local = server.spawn(Garage)
                uri = server.publish(local, revocable=True)
                garage = await client.enliven(uri, Garage)
                waiting = garage.wait()
                await garage.note("before")
                car = await garage.make_car()
                server.revoke(uri)
                local.go("answered")
                assert await waiting == "answered"
                assert await car.drive() == "wroom"  # what the object gave out is not revoked with it
                assert await local.noted() == ("before",)

        run(main)

    def test_revoking_what_is_not_revocable_closes_the_door_and_says_so(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                uri = server.publish(server.spawn(Garage))
                garage = await client.enliven(uri, Garage)
                with pytest.raises(ValueError, match="without revocable=True: it is unpublished now"):
                    server.revoke(uri)
                assert await refusal(client.enliven(uri)) == NOTHING
                assert await garage.noted() == ()

        run(main)

    @pytest.mark.parametrize("unpublished", [False, True])
    def test_the_reference_ends_when_the_uri_expires(self, unpublished: bool) -> None:
        async def program(sim: testing.Simulation) -> None:
            server, client = await sim.peer("server"), await sim.peer("client")
            local = server.spawn(Garage)
            uri = server.publish(local, revocable=True, expires=3600)
            garage = await client.enliven(uri, Garage)
            await asyncio.sleep(1800)
            server.publish(local, revocable=True, expires=3600, swiss=swiss_of(uri))  # for longer
            if unpublished:
                server.unpublish(uri)  # which adds nothing to the time, and takes nothing from it
            await asyncio.sleep(3599)
            assert await garage.noted() == ()
            await asyncio.sleep(1)
            assert await refusal(garage.noted()) == "revoked"

        testing.Simulation(1).run(program)

    def test_revoking_from_another_thread(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                uri = server.publish(server.spawn(Garage), revocable=True)
                garage = await client.enliven(uri, Garage)
                await asyncio.to_thread(server.revoke, uri)
                assert await refusal(garage.noted()) == "revoked"

        run(main)

    def test_publishing_and_revoking_from_many_threads(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                garage = server.spawn(Garage)

                def work(n: int) -> list[str]:
                    uris = [server.publish(garage, revocable=True, expires=50 + n) for _ in range(50)]
                    for uri in uris[1:]:
                        server.revoke(uri)
                    return uris

                results = await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(4)))
                server._registry.check()
                assert len(server._registry) == 4
                for uris in results:
                    assert await client.enliven(uris[0], Garage).noted() == ()
                    assert await refusal(client.enliven(uris[1])) == NOTHING

        run(main)

    def test_from_a_vat_in_another_thread(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client), hob.VatThread("other") as other:
                uri = server.publish(other.spawn(Garage), revocable=True)
                garage = await client.enliven(uri, Garage)
                for n in range(100):
                    hob.send_only(garage.note)(n)
                assert await garage.noted() == tuple(range(100))
                assert await garage.make_car().drive() == "wroom"
                server.revoke(uri)
                assert await refusal(garage.noted()) == "revoked"

        run(main)

    def test_the_number_is_revocable_for_its_whole_life(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, _):
                car = server.spawn(Car)
                server.publish(car, swiss=b"n", revocable=True)
                assert server.publish(car, swiss=b"n", revocable=True)
                with pytest.raises(ValueError, match="revocable is for its whole life"):
                    server.publish(car, swiss=b"n")
                with pytest.raises(TypeError, match="either which URI or which name"):
                    server.revoke()  # type: ignore[call-overload]
                with pytest.raises(hob.LocatorError):
                    server.revoke("https://example.org/")

        run(main)


class TestForwarding:
    def test_it_is_one_reference_with_the_methods_of_the_object(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                local = server.spawn(Garage)
                uri = server.publish(local, revocable=True)
                garage = await client.enliven(uri, Garage)
                assert await client.enliven(uri) is garage
                args, kwargs = await garage.echo(1, [b"x", garage], a_word={"k": None}, other=2.5)
                assert args[0] == 1
                assert args[1] == (b"x", garage)
                assert kwargs == {"a_word": {"k": None}, "other": 2.5}
                assert await garage.itself() is not garage  # it gives itself out: that is not revoked
                with pytest.raises(hob.RemoteError, match="no method 'fly'"):
                    await garage.fly()  # type: ignore[attr-defined]
                with pytest.raises(hob.RemoteError, match="the call failed"):
                    await garage.fail()

        run(main)

    def test_messages_keep_their_order(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                uri = server.publish(server.spawn(Garage), revocable=True)
                promise = client.enliven(uri, Garage)
                for n in range(0, 900, 3):
                    hob.send_only(promise.note)(n)
                    promise.note(n + 1)
                    hob.send(promise, hob.Symbol("note"), n + 2)
                    if n % 100 == 0:
                        await asyncio.sleep(0)
                assert await promise.noted() == tuple(range(900))

        run(main)

    def test_a_chain_of_calls_still_takes_one_round_trip(self, run: Run, tmp_path: Path) -> None:
        transcript = testing.Transcript()

        async def main() -> None:
            async with (
                Peer(netlayers.Unix(tmp_path / "s")) as server,
                Peer(netlayers.Unix(), tap=transcript) as client,
            ):
                uri = server.publish(server.spawn(Garage), revocable=True)
                assert await client.enliven(uri, Garage).make_car().drive() == "wroom"

        run(main)
        assert testing.count_round_trips(transcript) == (3, 1)

    def test_send_only_asks_for_no_answer(
        self, run: Run, pair: PairOf, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                uri = server.publish(server.spawn(Garage), revocable=True)
                garage = await client.enliven(uri, Garage)
                hob.send_only(garage.fail)()
                await garage.noted()
                server.revoke(uri)
                hob.send_only(garage.noted)()
                assert await refusal(garage.noted()) == "revoked"

        with caplog.at_level(logging.ERROR):
            run(main)
        told = [record.getMessage() for record in caplog.records]
        assert told == [
            "unheard failure of <Ref Garage>.fail()",
            "unheard failure of <Ref Forwarder>.noted()",
        ]

    def test_an_object_of_a_third_machine(self, run: Run, tmp_path: Path) -> None:
        async def main() -> None:
            async with (
                Peer(netlayers.Unix(tmp_path / "home")) as home,
                Peer(netlayers.Unix(tmp_path / "between")) as between,
                Peer(netlayers.Unix()) as client,
            ):
                far = await between.enliven(home.publish(home.spawn(Garage)), Garage)
                uri = between.publish(far, revocable=True)
                garage = await client.enliven(uri, Garage)
                garage.note(1)
                assert await garage.make_car().drive() == "wroom"
                assert await garage.noted() == (1,)
                between.revoke(uri)
                assert await refusal(garage.noted()) == "revoked"
                assert await far.noted() == (1,)

        run(main)

    def test_whoever_it_was_passed_on_to_is_cut_off_as_well(self, run: Run, tmp_path: Path) -> None:
        async def main() -> None:
            async with (
                Peer(netlayers.Unix(tmp_path / "home")) as home,
                Peer(netlayers.Unix(tmp_path / "friend")) as friend,
                Peer(netlayers.Unix()) as client,
            ):
                uri = home.publish(home.spawn(Car), revocable=True)
                friends_garage = await client.enliven(friend.publish(friend.spawn(Garage)), Garage)
                car = await client.enliven(uri, Car)
                assert await friends_garage.drive_with(car) == "wroom"  # handed over
                home.revoke(uri)
                assert await refusal(friends_garage.drive_with(car)) == "revoked"

        run(main)

    def test_a_promise_is_passed_on_to_as_well(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, client):
                promise, resolver = await server.vat.run(hob.new_promise)
                uri = server.publish(promise, revocable=True)
                garage = await client.enliven(uri, Garage)  # an object, though its target is not known
                noted = garage.noted()
                garage.note(1)
                resolver.fulfill(server.spawn(Garage))
                assert await noted == ()
                assert await garage.noted() == (1,)
                server.revoke(uri)
                assert await refusal(garage.noted()) == "revoked"

        run(main)

    def test_a_near_call_needs_the_object_itself(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, _):
                car = await server.enliven(server.publish(server.spawn(Car), revocable=True), Car)

                def work() -> str:
                    return hob.near(car.drive)()

                with pytest.raises(hob.NotNear, match="send to it instead"):
                    await server.vat.run(work)
                assert await server.vat.run(lambda: car.drive()) == "wroom"

        run(main)

    def test_from_a_thread_without_a_vat(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            async with pair() as (server, _):
                uri = server.publish(server.spawn(Garage), revocable=True)
                garage = await server.enliven(uri, Garage)
                thread = threading.Thread(target=hob.send_only(garage.note), args=(1,))
                thread.start()
                await asyncio.to_thread(thread.join)
                assert await garage.noted() == (1,)

        run(main)


class TestOnesOwn:
    def test_enlivening_ones_own_stays_local_whatever_has_become_of_it(
        self, run: Run, tmp_path: Path, clock: Clock
    ) -> None:
        async def main() -> None:
            async with Peer(netlayers.Unix(tmp_path / "s"), wall_clock=clock) as peer:
                car = peer.spawn(Car)
                plain, gone = peer.publish(car), peer.publish(car)
                expiring, revocable = peer.publish(car, expires=1), peer.publish(car, revocable=True)
                assert await peer.enliven(plain) is car
                mine = await peer.enliven(revocable, Car)
                assert await mine.drive() == "wroom"
                peer.unpublish(gone)
                peer.revoke(revocable)
                clock.now += 1
                texts = {await refusal(peer.enliven(uri)) for uri in (gone, expiring, revocable)}
                assert texts == {NOTHING}
                assert await refusal(mine.drive()) == "revoked"
                assert peer.connections == []

        run(main)


class TestGuessing:
    def test_t42_a_session_may_guess_only_so_often(self) -> None:
        async def program(sim: testing.Simulation) -> None:
            server, client, other = [await sim.peer(name) for name in ("server", "client", "other")]
            uri = server.publish(server.spawn(Garage), swiss=b"0000")
            peer = hob.SturdyRef.parse(uri).peer
            garage = await client.enliven(uri, Garage)

            async def guess(n: int) -> list[str]:
                numbers = [hob.SwissNum(b"%06d" % guessed) for guessed in range(n)]
                return [await refusal(client.enliven(hob.SturdyRef(peer, number))) for number in numbers]

            # The network takes time, and each second forgives one.
            texts = await guess(2 * WRONG_NUMBERS + 1)
            assert WRONG_NUMBERS <= texts.count(NOTHING) <= WRONG_NUMBERS + sim.time
            assert texts[-1] == TOO_MANY
            assert await refusal(client.enliven(uri)) == TOO_MANY  # right or wrong: that is not told
            await asyncio.sleep(1)
            assert (await guess(3))[-1] == TOO_MANY
            await asyncio.sleep(1)
            assert await client.enliven(uri, Garage).noted() == ()
            assert await garage.noted() == ()  # the session has lived all the time, with all it has
            assert await other.enliven(uri, Garage).noted() == ()  # others have guesses of their own

        testing.Simulation(1).run(program)
