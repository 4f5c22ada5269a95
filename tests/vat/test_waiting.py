"""pending: what a program waits for."""

import asyncio
import gc
import weakref
from dataclasses import asdict
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import testing
from hobgoblin.loops import VatThread, spawn_vat
from hobgoblin.testing.loop import SimulatedLoop
from hobgoblin.vat import (
    Actor,
    PendingPromise,
    Vat,
    all_of,
    method,
    new_promise,
    on,
    pending,
    race,
    send_only,
    timeout,
)


class Slow(Actor):
    @method
    async def nap(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @method
    async def ask(self, other: "Slow", seconds: float) -> float:
        return await other.nap(seconds)

    @method
    def promise(self) -> Any:
        return {"part": new_promise()[0]}

    @method
    def quick(self) -> int:
        return 1


@pytest.fixture(autouse=True)
def _nothing_left_of_others() -> None:
    gc.collect()


def simulated(main: Any) -> None:
    async def in_vat() -> None:
        await main(spawn_vat("here"))

    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(1e9)) as runner:
        runner.run(in_vat())


def named(entry: PendingPromise) -> str:
    return f"{entry.vat}: {entry.target} {entry.method}"


def test_calls_that_are_waited_for_the_oldest_first() -> None:
    async def main(vat: Vat) -> None:
        slow, other = vat.spawn(Slow), spawn_vat("there").spawn(Slow)
        assert pending() == []
        first = asyncio.ensure_future(slow.nap(100))
        await asyncio.sleep(10)
        asked = asyncio.ensure_future(slow.ask(other, 50))
        await asyncio.sleep(5)
        found = pending()
        assert [named(entry) for entry in found] == [
            "here: <Ref Slow> nap",
            "here: <Ref Slow> ask",
            "here: <Ref Slow> nap",
        ]
        assert [entry.function for entry in found] == ["main", "main", "ask"]
        assert {entry.file for entry in found} == {__file__}
        assert [entry.age for entry in found] == pytest.approx([15, 5, 5], abs=0.01)
        assert found[0].line < found[1].line
        assert found[2].line == Slow.ask.function.__code__.co_firstlineno + 2
        assert [entry.function for entry in pending(older_than=10)] == ["main"]
        assert pending(older_than=20) == []
        assert str(found[0]) == (
            f'{found[0].age:.3f} s: <Ref Slow>.nap(), sent from "{__file__}", '
            f"line {found[0].line}, in main, by here"
        )
        assert await asked == 50
        assert [entry.method for entry in pending()] == ["nap"]
        assert await first == 100
        assert pending() == []

    simulated(main)


def test_everything_that_has_a_line_in_the_program() -> None:
    async def main(vat: Vat) -> None:
        slow = vat.spawn(Slow)
        promise, resolver = await vat.run(new_promise)

        def wait() -> None:
            on(promise, print)

        await vat.run(wait)
        kept: list[Any] = [
            on(race(all_of(promise, 1), timeout(promise, 1000)), print),
            promise.drive(),
            promise["field"],
            hob.untag(promise, "tag"),
            hob.send(promise, 1),
            vat.run(lambda: asyncio.sleep(1000)),
            hob.spawn_vat("other").run(lambda: promise),
            slow.nap(1000),
        ]
        for each in kept:
            on(each, catch=print)
        found = {(entry.target, entry.method) for entry in pending()}
        assert found == {
            ("", "new_promise"),
            ("", "on"),
            ("", "all_of"),
            ("", "timeout"),
            ("", "race"),
            ("", "<lambda>"),
            ("<Promise pending>", "drive"),
            ("<Promise pending>", "['field']"),
            ("<Promise pending>", "['tag']"),
            ("<Promise pending>", ""),
            ("<Ref Slow>", "nap"),
        }
        texts = [str(entry) for entry in pending()]
        assert any(": <Promise pending>['field'], sent from" in text for text in texts)
        assert any(": on(), sent from" in text for text in texts)
        assert any(": <Promise pending>(), sent from" in text for text in texts)
        await resolver.fulfill(slow)

    simulated(main)


def test_what_nobody_waits_for_is_not_listed() -> None:
    async def main(vat: Vat) -> None:
        slow = vat.spawn(Slow)
        nap = slow.nap(1000)
        send_only(slow.nap)(1000)
        unused, _ = await vat.run(new_promise)
        await slow.quick()
        assert pending() == []
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(nap, 5)
        assert pending() == []
        with pytest.raises(TimeoutError):
            await timeout(unused, 5)
        assert pending() == []

    simulated(main)


def test_it_keeps_nothing_and_shows_no_argument() -> None:
    async def main(vat: Vat) -> None:
        promise, resolver = await vat.run(new_promise)
        answer: Any = promise.drive("secret", key="secret")
        on(answer, print)
        found = pending()
        assert {entry.method for entry in found} == {"new_promise", "drive"}
        assert "secret" not in str([asdict(entry) for entry in found])
        watched = weakref.ref(promise)
        del promise, resolver, answer
        await vat.run(lambda: None)
        gc.collect()
        assert watched() is None
        assert pending() == []

    simulated(main)


def test_vats_in_other_threads(run: Any) -> None:
    async def main(vat: Vat) -> None:
        async with VatThread("one") as one, VatThread("two") as two:
            promise, resolver = await one.run(new_promise)
            slow = one.spawn(lambda: promise)
            answer = await two.run(lambda: [hob.send(slow)])
            waiting = two.run(lambda: answer[0])
            task = asyncio.ensure_future(waiting)
            for home in (two, one, two, one, two):
                await home.run(lambda: None)
            assert sorted(named(entry) for entry in pending()) == [
                "one:  new_promise",
                "two:  ",
                "two:  <lambda>",
            ]
            await resolver.fulfill(1)
            assert await task == 1
        assert pending() == []

    run(main)


def test_calls_of_other_threads_over_a_connection_are_listed_once(tmp_path: Any) -> None:
    class Gate(Actor):
        @method
        def knock(self, knocked: Any) -> Any:
            send_only(knocked)()
            return new_promise()[0]

    async def main() -> None:
        async with (
            VatThread("thread") as thread,
            hob.Peer(hob.netlayers.Unix(str(tmp_path / "s"))) as server,
            hob.Peer(hob.netlayers.Unix()) as client,
        ):
            uri = server.publish(server.spawn(Gate))
            gate = await client.enliven(uri, Gate)
            knocked = asyncio.Event()
            knock = client.spawn(knocked.set)

            def ask() -> None:
                answer = gate.knock(knock)
                on(answer, print, catch=lambda error: None)
                on(answer["part"], print, catch=lambda error: None)

            await thread.run(ask)
            await knocked.wait()
            # Its turn has committed; what that sent has been taken up here; the thread knows of it.
            await thread.run(lambda: None)
            await thread.run(lambda: None)
            found = [entry for entry in pending() if entry.vat == "thread"]
            assert [entry.method for entry in found] == ["knock", "[…]"]
            for entry in found:
                assert entry.target.startswith("<Connection on ")
                assert "/s/" not in str(entry)
            assert sorted(entry.method for entry in pending()) == ["[…]", "knock", "new_promise"]

    asyncio.run(main())


def test_two_peers_in_simulated_time() -> None:
    async def program(sim: testing.Simulation) -> None:
        home, there = await sim.peer("home"), await sim.peer("there")
        slow = home.enliven(there.publish(there.spawn(Slow)), Slow)
        call = slow.nap(100)
        await asyncio.sleep(50)
        [entry] = pending(older_than=49)
        assert entry.method == "nap"
        assert entry.function == "program"
        assert entry.age == pytest.approx(50, abs=0.1)
        assert await call == 100
        assert pending() == []

    testing.Simulation(1).run(program)
