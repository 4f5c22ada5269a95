"""Joiners: all_of, any_of, race, settled and timeout."""

import asyncio
import gc
import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hobgoblin as hob
from hobgoblin import testing
from hobgoblin.errors import NotInVat, NotPassable, PromiseCycle, VatStopped
from hobgoblin.loops import VatThread, host_of, spawn_vat
from hobgoblin.refs import Promise
from hobgoblin.testing.loop import SimulatedLoop
from hobgoblin.vat import (
    Actor,
    Outcome,
    Vat,
    all_of,
    any_of,
    become,
    method,
    new_promise,
    on,
    race,
    settled,
    spawn,
    timeout,
)

JOINERS = [all_of, any_of, race, settled]


class Log(Actor):
    def __init__(self) -> None:
        self.entries: tuple[object, ...] = ()

    @method
    def add(self, entry: object) -> int:
        self.entries += (entry,)
        return len(self.entries)

    @method
    def fail(self, text: str = "no") -> None:
        raise ValueError(text)


def broken(vat: Vat, error: BaseException) -> Promise[Any]:
    promise: Promise[Any] = Promise(vat)
    promise._break(error)
    return promise


def fulfilled(vat: Vat, value: object) -> Promise[Any]:
    promise: Promise[Any] = Promise(vat)
    promise._resolve(value)
    return promise


def listeners(promise: Promise[Any]) -> int:
    return len(promise._listeners or ())


async def in_vat(vat: Vat, joiner: Callable[..., Any], *args: Any) -> Any:
    """The promise that a joiner returns in a turn."""
    [answer] = await vat.run(lambda: [joiner(*args)])
    return answer


def simulated(main: Callable[[Vat], Any]) -> None:
    """Run ``main(vat)`` in simulated time; no timer may be left."""
    loop = SimulatedLoop(1e9)

    async def guarded() -> None:
        await main(spawn_vat())
        assert loop.timers() == []

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(guarded())


class TestAllOf:
    def test_the_values_come_in_the_order_of_the_arguments(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            pairs = [await vat.run(new_promise) for _ in range(3)]
            log = vat.spawn(Log)
            first, second, third = (promise for promise, _ in pairs)
            answer = all_of(third, "plain", first, log, second, first)
            for number in (1, 2, 0):
                assert answer._state < 2
                await pairs[number][1].fulfill(number)
            assert await answer == (2, "plain", 0, log, 1, 0)

        run(main)

    def test_of_nothing(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            assert await vat.run(lambda: all_of()) == ()
            assert await vat.run(lambda: settled()) == ()

        run(main)

    def test_it_breaks_with_the_first_failure_and_waits_for_no_other(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            (never, _), (late, decide) = await vat.run(new_promise), await vat.run(new_promise)
            log = vat.spawn(Log)
            with pytest.raises(ValueError, match="first") as caught:
                await all_of(never, late, log.fail("first"))
            assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][-1] == "fail"
            # Two that have broken already: the first of the arguments. The other is not reported.
            one, two = broken(vat, ValueError("one")), broken(vat, ValueError("two"))
            with pytest.raises(ValueError, match="two"):
                await all_of(never, two, one)
            await decide.break_(ValueError("too late to matter"))
            assert listeners(never) == 0

        run(main)
        assert errors() == []

    def test_of_ten_thousand_and_ten_thousand_deep(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            many = all_of(*[promise] * 10_000, *range(10_000))
            deep: Any = promise
            for _ in range(10_000):
                deep = race(deep)
            await resolver.fulfill("v")
            assert await many == ("v",) * 10_000 + tuple(range(10_000))
            assert await deep == "v"

        run(main)

    def test_what_it_can_not_take(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise = fulfilled(vat, 1)
            for joiner in JOINERS:
                with pytest.raises(TypeError, match=rf"write {joiner.__name__}\(\*promises\)"):
                    joiner([promise])
                with pytest.raises(NotPassable, match=r'args\[1\]\["a"\]: a set'):
                    joiner(promise, {"a": {1}})
                with pytest.raises(NotInVat, match=rf"{joiner.__name__}\(\) needs a vat"):
                    joiner(1, 2)
            with pytest.raises(NotInVat):
                timeout(1, 2)
            # A list from elsewhere is a value like any other.
            assert await all_of((promise,), promise) == ((promise,), 1)
            assert await vat.run(lambda: all_of([1])) == ((1,),)

        run(main)

    def test_plain_values_pass_by_copy_and_functions_by_reference(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            mutable = [1]
            promise, resolver = await vat.run(new_promise)
            answer = all_of(promise, mutable, lambda: "called")
            mutable.append(2)
            await resolver.fulfill(0)
            _, copied, function = await answer
            assert copied == (1,)
            assert await function() == "called"

        run(main)


class TestAnyOf:
    def test_the_first_that_is_fulfilled(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            never, _ = await vat.run(new_promise)
            late, decide = await vat.run(new_promise)
            log = vat.spawn(Log)
            answer = any_of(never, log.fail(), late, late)
            await decide.fulfill("late")
            assert await answer == "late"
            assert await any_of(never, log.fail(), 5, never) == 5
            assert listeners(never) == 0

        run(main)
        assert errors() == []

    def test_when_all_break_it_breaks_with_all_the_reasons(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            noted = KeyError("noted")
            noted.add_note("of the program")
            plain = broken(vat, noted)
            with pytest.raises(ExceptionGroup, match=r"any_of\(\): none of 4 promises was") as caught:
                await any_of(log.fail("a"), plain, log.fail("b"), plain)
            first, *rest = caught.value.exceptions
            assert [str(first), rest[0], str(rest[1]), rest[2]] == ["a", noted, "b", noted]
            assert noted.__notes__ == ["of the program"]
            notes = caught.value.__notes__
            assert [note[:3] for note in notes] == ["1: ", "2: ", "3: ", "4: "]
            assert f'fail(), sent from "{__file__}", line ' in notes[0]
            with pytest.raises(ExceptionGroup, match="the only promise was not fulfilled"):
                await any_of(plain)

        run(main)

    def test_of_nothing_it_breaks(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            with pytest.raises(ValueError, match=r"any_of\(\) of nothing"):
                await vat.run(lambda: any_of())
            with pytest.raises(ValueError, match=r"race\(\) of nothing"):
                await vat.run(lambda: race())

        run(main)


class TestRace:
    def test_the_first_to_settle_wins(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            never, _ = await vat.run(new_promise)
            late, decide = await vat.run(new_promise)
            log = vat.spawn(Log)
            assert await race(never, log.add(1), log.fail()) == 1
            with pytest.raises(ValueError, match="no"):
                await race(never, log.fail(), late, log.add(2))
            assert await race(never, "plain", log) == "plain"
            assert await race(never, log, "plain") is log
            answer = race(never, late, never, late)
            await decide.fulfill("late")
            assert await answer == "late"
            assert listeners(never) == 0

        run(main)
        assert errors() == []

    def test_what_is_sent_to_it_reaches_the_winner(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            log = vat.spawn(Log)
            winner: Any = race(promise, promise)
            sent = [winner.add(n) for n in range(3)]
            await resolver.fulfill(log)
            assert await all_of(*sent, winner.add(3)) == (1, 2, 3, 4)

        run(main)


class TestSettled:
    def test_how_each_of_them_ends(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            late, decide = await vat.run(new_promise)
            answer = settled(log.fail(), late, 3, log, None)
            await decide.fulfill(log)
            failed, first, plain, reference, nothing = await answer
            assert [o.fulfilled for o in (failed, first, plain, reference, nothing)] == [False] + [True] * 4
            assert [first.value, plain.value, reference.value, nothing.value] == [log, 3, log, None]
            assert [str(failed.error), first.error, nothing.error] == ["no", None, None]
            with pytest.raises(ValueError, match="no") as caught:
                failed.value  # noqa: B018
            assert caught.value is failed.error
            assert repr(failed) == "<Outcome broken: ValueError>"
            assert repr(plain) == "<Outcome fulfilled>"
            with pytest.raises(AttributeError):
                plain.value = 4
            with pytest.raises(NotPassable, match="an Outcome can't be passed"):
                await vat.run(lambda: plain)

        run(main)
        assert errors() == []


class TestTimeout:
    @pytest.mark.parametrize("seconds", [5, 0.5, 0, -1, float("inf"), 1e300])
    def test_what_settles_in_time(self, seconds: float) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            assert await timeout(log, seconds) is log
            assert await timeout(fulfilled(vat, 1), seconds) == 1
            assert await vat.run(lambda: timeout("plain", seconds)) == "plain"
            with pytest.raises(ValueError, match="no"):
                await timeout(broken(vat, ValueError("no")), seconds)
            if seconds > 0:
                promise, resolver = await vat.run(new_promise)
                answer = timeout(promise, seconds)
                await resolver.fulfill("late")
                assert await answer == "late"

        simulated(main)

    @pytest.mark.parametrize("seconds", [0, -1, 5.5])
    def test_what_does_not(self, seconds: float) -> None:
        async def main(vat: Vat) -> None:
            loop = asyncio.get_running_loop()
            promise, resolver = await vat.run(new_promise)
            start = loop.time()
            with pytest.raises(TimeoutError, match=rf"^new_promise\(\) did not settle within {seconds:g} s"):
                await timeout(promise, seconds)
            assert loop.time() - start == pytest.approx(max(0, seconds), abs=0.01)
            assert listeners(promise) == 0
            # It ends the waiting and nothing else.
            await resolver.fulfill("still")
            assert await promise == "still"

        simulated(main)

    def test_it_says_which_call_it_was(self) -> None:
        class Slow(Actor):
            @method
            async def nap(self) -> None:
                await asyncio.sleep(100)

        async def main(vat: Vat) -> None:
            with pytest.raises(TimeoutError, match=r"^nap\(\) did not settle within 3 s\n") as caught:
                await timeout(vat.spawn(Slow).nap(), 3)
            [note] = caught.value.__notes__
            assert note.startswith(f'nap(), sent from "{__file__}", line ')
            await asyncio.sleep(100)

        simulated(main)

    def test_the_time_runs_from_when_the_turn_commits(self) -> None:
        async def main(vat: Vat) -> None:
            promise, _ = await vat.run(new_promise)
            loop = asyncio.get_running_loop()

            async def ask() -> object:
                answer = timeout(promise, 10)
                await asyncio.sleep(0)
                start = loop.time()
                with pytest.raises(TimeoutError):
                    await answer
                return loop.time() - start

            assert await vat.run(ask) == pytest.approx(10, abs=0.01)

        simulated(main)

    def test_no_timer_outlives_its_promise_or_its_vat(self) -> None:
        async def main(vat: Vat) -> None:
            loop: Any = asyncio.get_running_loop()
            promise, resolver = await vat.run(new_promise)
            answer = timeout(promise, 1000)
            await vat.run(lambda: None)
            assert len(loop.timers()) == 1
            await resolver.fulfill(1)
            assert loop.timers() == []
            assert await answer == 1
            other = spawn_vat()
            never, _ = await vat.run(new_promise)
            answer = await in_vat(other, timeout, never, 1000)
            assert len(loop.timers()) == 1
            other.stop()
            assert loop.timers() == []
            with pytest.raises(VatStopped):
                await answer
            assert listeners(never) == 0
            # It has stopped already.
            late = all_of(never)  # of the vat that goes on
            answer = Promise(other)
            other.effect(hob.vat.joiners._Timeout(other, (never,), answer, 5.0))
            with pytest.raises(VatStopped):
                await answer
            assert loop.timers() == []
            assert late._state < 2

        simulated(main)

    def test_a_closed_loop_times_nothing(self) -> None:
        async def make() -> tuple[Any, Any]:
            vat = Vat(host_of(asyncio.get_running_loop()))  # nobody stops it with the loop
            return vat, await vat.run(new_promise)

        _vat, (promise, _) = asyncio.run(make())
        answer = timeout(promise, 5)
        assert isinstance(answer._value, VatStopped)

    def test_seconds_are_a_number(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise = fulfilled(vat, 1)
            with pytest.raises(ValueError, match="nan"):
                timeout(promise, float("nan"))
            with pytest.raises(TypeError, match="not str"):
                timeout(promise, "5")  # type: ignore[call-overload]

        run(main)


class TestInATurn:
    def test_a_turn_that_fails_joins_nothing(self, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            loop: Any = asyncio.get_running_loop()
            promise, _ = await vat.run(new_promise)
            kept: list[Any] = []

            def fail() -> None:
                kept.extend(joiner(promise, promise) for joiner in JOINERS)
                kept.append(timeout(promise, 5))
                raise ValueError("undone")

            with pytest.raises(ValueError, match="undone"):
                await vat.run(fail)
            assert listeners(promise) == 0
            assert loop.timers() == []
            for answer in kept:
                with pytest.raises(hob.HobgoblinError, match="never sent"):
                    await answer
            kept.clear()

        simulated(main)
        assert errors() == []

    def test_joined_in_the_turn_that_sends(self, run: Any) -> None:
        class Asker(Actor):
            @method
            def ask(self, log: Log) -> Promise[tuple[int, int]]:
                return all_of(log.add("a"), log.add("b"))

            @method
            async def ask_on(self, log: Log) -> int:
                one, two = await all_of(log.add("c"), log.add("d"))
                await on(race(log.add("e"), log.add("f")), lambda _: None)
                return one + two

            @method
            def replace(self, log: Log) -> Any:
                become(lambda: "replaced")
                return any_of(spawn(Log), log)

        async def main(vat: Vat) -> None:
            log, asker = vat.spawn(Log), vat.spawn(Asker)
            assert await asker.ask(log) == (1, 2)
            assert await asker.ask_on(log) == 7
            assert await asker.replace(log).add(1) == 1
            assert await hob.send(asker) == "replaced"

        run(main)

    def test_a_broken_joiner_that_nobody_looks_at_is_reported_once(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            all_of(vat.spawn(Log).fail("heard here"), 1)
            await vat.run(lambda: None)
            await vat.run(lambda: None)

        run(main)
        [message] = errors()
        assert message.startswith(f'nobody awaited all_of(), sent from "{__file__}", line ')


class TestContagion:
    def test_a_broken_promise_breaks_what_waits_for_it(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            far = spawn_vat("far")
            promise, resolver = await vat.run(new_promise)
            following, follow = await far.run(new_promise)
            await follow.fulfill(promise)
            answers: list[Any] = [
                all_of(1, following),
                race(following, promise),
                all_of(race(following, following), 1),
                timeout(following, 1000),
                all_of(promise.anything().more(), 1),
            ]
            await resolver.break_(ValueError("spreads"))
            for answer in (*answers, answers[0].anything()):
                with pytest.raises(ValueError, match="spreads"):
                    await answer
            with pytest.raises(ExceptionGroup, match="none of 2"):
                await any_of(following, promise.anything())

        run(main)

    def test_cycles_of_promises_break_their_joiners(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            answers: list[Any] = [all_of(promise), race(promise, promise), timeout(promise, 1000)]
            await resolver.fulfill(promise)
            for answer in answers:
                with pytest.raises(PromiseCycle):
                    await answer

        run(main)

    def test_one_that_is_given_its_own_promise_waits_and_a_timeout_ends_that(self) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            await resolver.fulfill(await in_vat(vat, all_of, promise))
            with pytest.raises(TimeoutError):
                await timeout(promise, 60)

        simulated(main)

    def test_a_stopped_vat_decides_nothing(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            other = spawn_vat()
            promise, resolver = await vat.run(new_promise)
            answers = [await in_vat(other, joiner, promise) for joiner in JOINERS]
            other.stop()
            await resolver.fulfill(1)
            for answer in answers:
                with pytest.raises(VatStopped):
                    await answer

        run(main)


class TestLosers:
    @pytest.mark.parametrize("place", ["here", "other vat", "thread"])
    def test_a_promise_that_never_settles_keeps_nothing(self, run: Any, place: str) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                home = {"here": vat, "other vat": spawn_vat(), "thread": thread}[place]
                never, _ = await home.run(new_promise)
                kept: list[Any] = []
                for joiner in (race, any_of):
                    answer = joiner(fulfilled(vat, 1), never, never)
                    assert await answer == 1
                    kept.append(weakref.ref(answer))
                answer = all_of(never, broken(vat, ValueError("x")))
                with pytest.raises(ValueError, match="x"):
                    await answer
                kept.append(weakref.ref(answer))
                with pytest.raises(TimeoutError):
                    await timeout(never, 0.001)
                del answer
                for each in (home, vat, home):
                    await each.run(lambda: None)
                gc.collect()
                assert listeners(never) == 0
                assert [ref() for ref in kept] == [None] * 3

        run(main)


class TestThreads:
    def test_promises_of_several_threads(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread("one") as one, VatThread("two") as two:
                logs = [one.spawn(Log), two.spawn(Log), vat.spawn(Log)]
                for home in (vat, one, two):
                    for _ in range(20):
                        sent = await in_vat(home, lambda: all_of(*[log.add(1) for log in logs]))
                        counts = await sent
                        assert len(set(counts)) == 1
                        winner = await in_vat(home, lambda: race(*[log.add(1) for log in logs]))
                        assert await winner == counts[0] + 1
                        ends = await settled(*[log.fail(str(n)) for n, log in enumerate(logs)])
                        assert [str(end.error) for end in ends] == ["0", "1", "2"]

        run(main)

    def test_what_comes_in_after_the_decision_is_ignored(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                log = thread.spawn(Log)
                first, second, third = log.add(1), log.fail(), log.fail("all")
                await thread.run(lambda: None)
                for _ in range(20):
                    assert await race(first, second, third) == 1
                    with pytest.raises(ValueError, match="no"):
                        await all_of(first, second, third)

        run(main)
        assert errors() == []

    def test_without_a_loop(self) -> None:
        with VatThread("one") as one, VatThread("two") as two:
            first, second = one.spawn(Log), two.spawn(Log)
            both = all_of(first.add(1), second.add(1), "plain", [1])
            assert hob.blocking.result(both, timeout=60) == (1, 1, "plain", (1,))
            assert hob.blocking.result(race(second.add(2), timeout(first.add(2), 60)), timeout=60) == 2
            never, _ = hob.blocking.result(one.run(new_promise), timeout=60)
            with pytest.raises(TimeoutError, match=r"did not settle within 0\.001 s"):
                hob.blocking.result(timeout(never, 0.001), timeout=60)


# What one promise does, and the joiner's own: a plain model of them all.

Steps = Sequence[tuple[int, bool]]
"""Which promise settles, in this order, and whether it is fulfilled."""


def modelled(joiner: Any, args: Sequence[int], steps: Steps) -> object:
    """How the joiner of these promises ends: a value, a list of values, or an error's name; or not at all."""
    ends: dict[int, bool] = {}
    if joiner in (all_of, settled) and not args:
        return ()
    if joiner in (any_of, race) and not args:
        return ValueError
    for number, good in steps:
        if number in ends or number not in args:
            continue
        ends[number] = good
        done = all(arg in ends for arg in args)
        if joiner is race or (joiner is any_of and good):
            return number if good else f"error {number}"
        if joiner is all_of and not good:
            return f"error {number}"
        if done and joiner is all_of:
            return tuple(args)
        if done and joiner is any_of:
            return tuple(f"error {arg}" for arg in args), "group"
        if done:
            return tuple(arg if ends[arg] else f"error {arg}" for arg in args)
    return None


def observed(answer: Promise[Any]) -> object:
    if answer._state < 2:
        return None
    value = answer._value
    if isinstance(value, ExceptionGroup):
        return tuple(map(str, value.exceptions)), "group"
    if isinstance(value, BaseException):
        return str(value) if "error" in str(value) else type(value)
    if isinstance(value, tuple) and value and isinstance(value[0], Outcome):
        return tuple(str(each.error) if each.error else each.value for each in value)
    return value


@given(
    joiner=st.sampled_from(JOINERS),
    args=st.lists(st.integers(0, 4), max_size=6),
    steps=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=8),
    early=st.integers(0, 8),
    chained=st.sets(st.integers(0, 4)),
    vats=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_whatever_settles_in_whatever_order(
    joiner: Any, args: list[int], steps: Steps, early: int, chained: set[int], vats: list[bool]
) -> None:
    """``early`` steps come before the joiner; ``chained`` promises settle through another one."""

    async def main(vat: Vat) -> None:
        other = spawn_vat()
        promises: list[Promise[Any]] = [Promise(other if there else vat) for there in vats]
        deciders = list(promises)
        for number in chained:
            deciders[number] = Promise(vat)
            promises[number]._resolve(deciders[number])

        def settle(number: int, good: bool) -> None:
            if good:
                deciders[number]._resolve(number)
            else:
                deciders[number]._break(ValueError(f"error {number}"))

        for step in steps[:early]:
            settle(*step)
        before = {number for number, _ in steps[:early]}
        answer = await in_vat(vat, joiner, *[promises[arg] for arg in args])
        for step in steps[early:]:
            settle(*step)
        for _ in range(3):
            await vat.run(lambda: None)
        # Those that have settled before count in the order of the arguments.
        first: dict[int, bool] = {}
        for number, good in steps:
            first.setdefault(number, good)
        ordered = [(n, first[n]) for n in args if n in before] + [
            (n, first[n]) for n, _ in steps[early:] if n not in before
        ]
        expected = modelled(joiner, args, ordered)
        assert observed(answer) == expected
        if expected is not None:
            assert [listeners(promise) for promise in promises] == [0] * 5
        answer._heard = True
        for promise in (*promises, *deciders):
            promise._heard = True

    simulated(main)


class Garage(Actor):
    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds

    @method
    async def ask(self) -> str:
        await asyncio.sleep(self.seconds)
        return self.name

    @method
    async def refuse(self) -> None:
        await asyncio.sleep(self.seconds)
        raise hob.Refused(self.name)

    @method
    def later(self) -> Any:
        """Promises that this peer decides, in a struct: so listening to them crosses."""
        return {"promise": self.ask(), "broken": self.refuse()}

    @method
    async def listen(self, promise: Any) -> Any:
        return await promise


class TestBetweenPeers:
    def test_promises_that_other_peers_decide(self) -> None:
        async def program(sim: testing.Simulation) -> None:
            home, *peers = [await sim.peer(name) for name in ("home", "one", "two", "three")]
            uris = [
                peer.publish(peer.spawn(Garage, name, seconds))
                for peer, name, seconds in zip(peers, ("slow", "fast", "middle"), (30, 1, 10), strict=True)
            ]
            garages = [home.enliven(uri, Garage) for uri in uris]
            assert await all_of(*[garage.ask() for garage in garages]) == ("slow", "fast", "middle")
            assert await race(*[garage.ask() for garage in garages]) == "fast"
            assert await any_of(garages[1].refuse(), *[garage.ask() for garage in garages[::2]]) == "middle"
            with pytest.raises(hob.Refused, match="fast"):
                await all_of(*[garage.refuse() for garage in garages])
            with pytest.raises(ExceptionGroup) as caught:
                await any_of(*[garage.refuse() for garage in garages])
            assert [str(error) for error in caught.value.exceptions] == ["slow", "fast", "middle"]
            with pytest.raises(TimeoutError, match=r"ask\(\)"):
                await timeout(garages[0].ask(), 5)
            # Promises in answers: nobody tells how they settle before this side listens.
            laters = await all_of(*[garage.later() for garage in garages])
            assert await all_of(*[later["promise"] for later in laters]) == ("slow", "fast", "middle")
            ends = await settled(*[garage.later()["broken"] for garage in garages])
            assert [str(end.error) for end in ends] == ["slow", "fast", "middle"]
            # A joiner's promise is a promise: it can be passed, and decided after it has left.
            joined = all_of(garages[0].ask(), garages[1].ask())
            assert await garages[2].listen(joined) == ("slow", "fast")

        testing.Simulation(1).run(program)

    def test_a_loser_that_another_peer_decides_is_listened_to_no_more(self) -> None:
        async def program(sim: testing.Simulation) -> None:
            home, there = await sim.peer("home"), await sim.peer("there")
            never: Any = home.enliven(there.publish(there.spawn(lambda: new_promise())))()[0]
            winner = race(never, home.spawn(Garage, "home", 2).ask())
            assert await winner == "home"
            with pytest.raises(TimeoutError):
                await timeout(never, 5)
            assert listeners(never) == 0
            watched = weakref.ref(winner)
            del winner
            gc.collect()
            assert watched() is None

        # The two entries of the question itself stay: no message takes back what a peer has been asked.
        testing.Simulation(1).run(program, leaks=False)

    def test_a_session_that_ends_breaks_them_and_leaves_nothing(self) -> None:
        async def program(sim: testing.Simulation) -> None:
            home, there = await sim.peer("home"), await sim.peer("there")
            garage = home.enliven(there.publish(there.spawn(Garage, "there", 1000)), Garage)
            await garage
            every = all_of(garage.ask(), 1)
            ends = settled(garage.ask(), garage.refuse())
            either = any_of(garage.ask(), home.spawn(Garage, "home", 2).ask())
            limited = timeout(garage.ask(), 100_000)
            await asyncio.sleep(1)
            await there.close()
            for answer in (every, limited):
                with pytest.raises(hob.SessionSevered):
                    await answer
            assert [type(end.error) for end in await ends] == [hob.SessionSevered] * 2
            assert await either == "home"

        testing.Simulation(2).run(program)

    @pytest.mark.parametrize("seed", range(10))
    def test_whatever_goes_wrong_they_come_to_an_end(self, seed: int) -> None:
        async def program(sim: testing.Simulation) -> None:
            home, *peers = [await sim.peer(name) for name in ("home", "one", "two")]
            garages = [
                home.enliven(peer.publish(peer.spawn(Garage, "g", sim.rng.random())), Garage)
                for peer in peers
            ]
            calls = [method() for garage in garages for method in (garage.ask, garage.refuse)]
            ends = await settled(
                all_of(*calls), any_of(*calls), race(*calls), settled(*calls), timeout(race(*calls), 1)
            )
            assert len(ends) == 5
            assert ends[3].fulfilled

        testing.Simulation(seed, faults=testing.Faults.drawn(seed)).run(program)
