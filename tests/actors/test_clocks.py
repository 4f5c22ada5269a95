"""Timers: what waits, rings and is cancelled, in simulated time."""

import asyncio
import logging
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, method, near, testing
from hobgoblin.actors import Timer


class Bell(Actor):
    def __init__(self) -> None:
        self.rung: tuple[float, ...] = ()
        self.waits: Any = None

    @method
    def ring(self) -> None:
        self.rung += (round(asyncio.get_running_loop().time(), 3),)

    @method
    async def ring_slowly(self) -> None:
        near(self.ring)()
        await asyncio.sleep(2.5)

    @method
    def __call__(self) -> None:
        near(self.ring)()

    @method
    def times(self) -> tuple[float, ...]:
        return self.rung


def simulate(program: Any, seed: int = 1) -> None:
    testing.Simulation(seed).run(program)


def test_a_timer_tells_the_time_and_waits() -> None:
    async def program(sim: testing.Simulation) -> None:
        peer = await sim.peer("one")
        timer = peer.spawn(Timer)
        start = await timer.now()
        later, sooner = timer.after(20, "later"), timer.after(10.5, "sooner")
        assert await sooner == "sooner"
        assert await timer.now() - start == pytest.approx(10.5)
        assert await later == "later"
        assert await timer.now() - start == pytest.approx(20)
        assert await timer.after(0) is None

    simulate(program)


def test_an_alarm_rings_once_unless_it_is_cancelled() -> None:
    async def program(sim: testing.Simulation) -> None:
        peer = await sim.peer("one")
        timer, bell, silent = peer.spawn(Timer), peer.spawn(Bell), peer.spawn(Bell)
        await timer.alarm(5, bell)
        alarm = await timer.alarm(7, silent, "ring")
        await asyncio.sleep(6)
        assert len(await bell.times()) == 1
        await alarm.cancel()
        await alarm.cancel()
        await asyncio.sleep(10)
        assert (len(await bell.times()), await silent.times()) == (1, ())

    simulate(program)


def test_what_rings_every_so_often_leaves_out_what_its_target_is_too_slow_for() -> None:
    async def program(sim: testing.Simulation) -> None:
        peer = await sim.peer("one")
        timer, bell, slow = peer.spawn(Timer), peer.spawn(Bell), peer.spawn(Bell)
        start = await timer.now()
        alarms = await timer.every(1, bell, "ring"), await timer.every(1, slow, "ring_slowly")
        await asyncio.sleep(9.5)
        for alarm in alarms:
            await alarm.cancel()
        await asyncio.sleep(10)
        rung = [round(time - start) for time in await bell.times()]
        assert rung == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        assert [round(time - start) for time in await slow.times()] == [1, 4, 7]

    simulate(program)


def test_a_failure_ends_it_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def program(sim: testing.Simulation) -> None:
        peer = await sim.peer("one")
        calls: list[int] = []

        def fail() -> None:
            calls.append(1)
            raise hob.Refused("broken bell")

        await peer.spawn(Timer).every(1, peer.spawn(fail))
        await asyncio.sleep(5)
        assert calls == [1]

    with caplog.at_level(logging.ERROR):
        simulate(program)
    assert ["broken bell" in str(record.exc_info) for record in caplog.records] == [True]


def test_it_ends_with_the_session_or_the_vat_of_its_target() -> None:
    async def program(sim: testing.Simulation) -> None:
        one, two = await sim.peer("one"), await sim.peer("two")
        timer = one.spawn(Timer, limit=2)
        await timer.every(1, one.enliven(two.publish(two.spawn(Bell)), Bell), "ring")
        vat = hob.spawn_vat()
        await timer.every(1, vat.spawn(Bell), "ring")
        with pytest.raises(hob.Refused, match="too many"):
            await timer.after(1)
        await asyncio.sleep(3)
        vat.stop()
        await two.close()
        await asyncio.sleep(3)
        assert [await timer.after(1, "free"), await timer.after(1, "free")] == ["free", "free"]

    simulate(program)


def test_a_timer_has_only_so_many_waits_under_way() -> None:
    async def program(sim: testing.Simulation) -> None:
        one, two = await sim.peer("one"), await sim.peer("two")
        timer = two.enliven(one.publish(one.spawn(Timer, limit=3)), Timer)
        bell = two.spawn(Bell)
        asked = [
            timer.alarm(60, bell),
            timer.after(60),
            timer.every(60, bell),
            timer.after(1),
            timer.alarm(1, bell),
            timer.every(1, bell),
        ]
        outcomes = await asyncio.gather(
            *(asyncio.ensure_future(one_) for one_ in (*asked[:1], *asked[2:])), return_exceptions=True
        )
        assert [isinstance(outcome, hob.Refused) for outcome in outcomes] == [False, False, True, True, True]
        for alarm in outcomes[:2]:
            await alarm.cancel()
        assert await timer.after(1, "room again") == "room again"
        await asked[1]

    simulate(program)


def test_a_turn_that_fails_sets_no_alarm() -> None:
    async def program(sim: testing.Simulation) -> None:
        peer = await sim.peer("one")
        timer, bell = peer.spawn(Timer, limit=1), peer.spawn(Bell)

        def fail() -> None:
            near(timer.alarm)(1, bell)
            raise hob.Refused("undone")

        with pytest.raises(hob.Refused, match="undone"):
            await peer.vat.run(fail)
        await asyncio.sleep(2)
        assert await bell.times() == ()
        await timer.alarm(1, bell)  # there is still room for it
        await asyncio.sleep(2)
        assert len(await bell.times()) == 1

    simulate(program)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1", None, True, 10**10])
def test_seconds_are_seconds(seconds: Any) -> None:
    async def program(sim: testing.Simulation) -> None:
        peer = await sim.peer("one")
        timer, bell = peer.spawn(Timer), peer.spawn(Bell)
        for ask in (
            lambda: timer.after(seconds),
            lambda: timer.alarm(seconds, bell),
            lambda: timer.every(seconds, bell),
            lambda: timer.every(0.001, bell),
            lambda: timer.alarm(1, 3),
            lambda: timer.alarm(1, bell, 3),  # type: ignore[arg-type]
        ):
            with pytest.raises(hob.BadArguments):
                await ask()

    simulate(program)


def test_a_timer_that_makes_no_sense_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="limit"):
        Timer(limit=0)
    with pytest.raises(ValueError, match="least"):
        Timer(least=0)
