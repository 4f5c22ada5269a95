"""Blocking work beside a vat."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any, assert_type

import pytest

import hobgoblin as hob
from hobgoblin import (
    Actor,
    Promise,
    Vat,
    blocking_call,
    blocking_call_in,
    method,
    near,
    send_only,
    spawn_vat,
    testing,
)


def run(main: Callable[[Vat], Awaitable[None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(120):
            await main(spawn_vat("work"))

    asyncio.run(guarded())


class Gate:
    """What a function waits for in its thread."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def wait(self, value: Any = None) -> Any:
        self.thread = threading.current_thread()
        self.entered.set()
        assert self.open.wait(60)
        return value

    def fail(self) -> None:
        raise ValueError("in a thread")


class Worker(Actor):
    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.steps: tuple[str, ...] = ()

    @method
    def promised(self, value: Any) -> Promise[Any]:
        return blocking_call(self.gate.wait, value)

    @method
    async def awaited(self, value: Any) -> Any:
        self.steps += ("before",)
        result = await blocking_call(self.gate.wait, value=value)
        self.steps += ("after",)
        return result

    @method
    async def patient(self, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                await blocking_call(self.gate.wait)
        except TimeoutError:
            return "gave up"
        return "done"

    @method
    def failing(self) -> Promise[None]:
        return blocking_call(self.gate.fail)

    @method
    def takes_it_back(self) -> None:
        blocking_call(self.gate.wait)
        raise KeyError

    @method
    def get(self) -> tuple[str, ...]:
        return self.steps


@pytest.mark.parametrize("how", ["promised", "awaited"])
def test_the_vat_goes_on_meanwhile(how: str) -> None:
    async def main(vat: Vat) -> None:
        gate = Gate()
        worker = vat.spawn(Worker, gate)
        answer = asyncio.ensure_future(worker.promised(5) if how == "promised" else worker.awaited(5))
        await asyncio.to_thread(gate.entered.wait, 60)
        assert await worker.get() == (("before",) if how == "awaited" else ())
        assert not answer.done()
        gate.open.set()
        assert await answer == 5
        assert gate.thread is not None
        assert gate.thread is not threading.current_thread()
        assert gate.thread.name.startswith("hobgoblin work blocking")

    run(main)


def test_what_it_raises_breaks_the_promise() -> None:
    async def main(vat: Vat) -> None:
        worker = vat.spawn(Worker, Gate())
        with pytest.raises(ValueError, match="in a thread"):
            await worker.failing()

    run(main)


def test_the_result_passes_like_any_other() -> None:
    class Counter(Actor):
        @method
        def get(self) -> int:
            return 1

    async def main(vat: Vat) -> None:
        assert await vat.run(blocking_call, lambda: [1, [2]]) == (1, (2,))
        promise = vat.run(lambda: blocking_call(math.gcd, 12, 18))
        assert_type(promise, Promise[int])
        assert await promise == 6
        counter = vat.run(lambda: blocking_call(Counter))
        assert_type(counter, Counter)
        assert await counter.get() == 1
        with pytest.raises(hob.NotPassable, match="a set can't be passed"):
            await vat.run(lambda: blocking_call(set))

    run(main)


def test_a_turn_that_fails_starts_nothing() -> None:
    async def main(vat: Vat) -> None:
        gate = Gate()
        worker = vat.spawn(Worker, gate)
        with pytest.raises(KeyError):
            await worker.takes_it_back()
        await vat.run(lambda: blocking_call(int))
        assert not gate.entered.is_set()

    run(main)


def test_giving_up_ends_the_waiting_alone() -> None:
    async def main(vat: Vat) -> None:
        gate = Gate()
        worker = vat.spawn(Worker, gate)
        assert await worker.patient(0) == "gave up"
        with pytest.raises(TimeoutError):
            await hob.timeout(worker.promised(1), 0)
        gate.open.set()
        assert await worker.patient(60) == "done"

    run(main)


def test_stopping_the_vat_breaks_promises_and_leaves_no_thread() -> None:
    gate, never = Gate(), Gate()
    names = set[str]()

    async def main(vat: Vat) -> None:
        pool = ThreadPoolExecutor(1)
        running = vat.run(lambda: blocking_call_in(pool, gate.wait))
        waiting = vat.run(lambda: blocking_call_in(pool, never.wait))
        own = vat.run(lambda: blocking_call(gate.wait))
        await asyncio.to_thread(gate.entered.wait, 60)
        vat.stop()
        for promise in (running, waiting, own):
            with pytest.raises(hob.VatStopped):
                await promise
        gate.open.set()
        pool.shutdown()
        names.update(thread.name for thread in threading.enumerate())

    run(main)
    for thread in threading.enumerate():
        if thread.name.startswith("hobgoblin work blocking"):
            thread.join(60)
            assert not thread.is_alive()
    assert not never.entered.is_set()


def test_a_vat_that_stops_in_the_turn_that_asks() -> None:
    async def main(vat: Vat) -> None:
        gate = Gate()

        def turn() -> list[Any]:
            vat.stop()
            return [blocking_call(gate.wait)]

        [promise] = await vat.run(turn)
        with pytest.raises(hob.VatStopped):
            await promise
        assert not gate.entered.is_set()

    run(main)


def test_a_vat_that_is_dropped_takes_its_threads_along() -> None:
    async def main(_: Vat) -> None:
        vat = spawn_vat("dropped")
        gate = Gate()
        gate.open.set()
        await vat.run(lambda: blocking_call(gate.wait))
        thread, gone = gate.thread, weakref.ref(vat)
        assert thread is not None
        del vat
        await asyncio.sleep(0)
        gc.collect()
        assert gone() is None
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()

    run(main)


def test_a_pool_of_processes() -> None:
    async def main(vat: Vat) -> None:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            promise = vat.run(lambda: blocking_call_in(pool, math.factorial, 20))
            assert_type(promise, Promise[int])
            assert await promise == math.factorial(20)
            with pytest.raises(ValueError, match="not defined for negative"):
                await vat.run(lambda: blocking_call_in(pool, math.factorial, -1))
        with pytest.raises(RuntimeError, match="after shutdown"):
            await vat.run(lambda: blocking_call_in(pool, math.factorial, 1))

    run(main)


def test_a_function_may_send_from_its_thread() -> None:
    class Log(Actor):
        def __init__(self) -> None:
            self.lines: tuple[str, ...] = ()

        @method
        def add(self, line: str) -> None:
            self.lines += (line,)

        @method
        def get(self) -> tuple[str, ...]:
            return self.lines

        @method
        async def work(self) -> None:
            await blocking_call(lambda: send_only(self.add)("from the thread"))

    async def main(vat: Vat) -> None:
        log = vat.spawn(Log)
        await log.work()
        assert await log.get() == ("from the thread",)

    run(main)


def test_a_look_at_the_past_starts_nothing() -> None:
    async def main(vat: Vat) -> None:
        gate = Gate()
        worker = vat.spawn(Worker, gate)
        await worker.get()
        vat.snapshot().run(lambda: near(worker.promised)(1))._heard = True
        await vat.run(lambda: blocking_call(int))
        assert not gate.entered.is_set()

    run(main)


def test_mistakes_are_told() -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(hob.NotInVat, match=r"use asyncio\.to_thread"):
            blocking_call(int)

        async def aside() -> None:
            await asyncio.to_thread(blocking_call, int)

        with pytest.raises(hob.NotInVat, match="in a thread beside one, call the function"):
            await vat.run(aside)
        with pytest.raises(TypeError, match="wait is async and does not block"):
            await vat.run(lambda: blocking_call(asyncio.Event().wait))

    run(main)


def test_an_outcome_nobody_waits_for_is_reported_with_its_line(caplog: pytest.LogCaptureFixture) -> None:
    async def main(vat: Vat) -> None:
        def forget() -> None:
            blocking_call(Gate().fail)

        with caplog.at_level(logging.ERROR):
            await vat.run(forget)
            while not caplog.records:
                await asyncio.sleep(0.001)
                gc.collect()
        [record] = caplog.records
        assert "nobody awaited fail()" in record.getMessage()
        assert "in forget" in record.getMessage()

    run(main)


def test_turns_that_take_outcomes_are_recorded() -> None:
    async def main(vat: Vat) -> None:
        with vat.record() as history:

            def asks() -> Any:
                return blocking_call(int)

            await vat.run(asks)
        assert [str(turn) for turn in history.turns] == [
            "work #1: asks",
            "work #2: the outcome of int() in another thread or process, because of work #1",
        ]

    run(main)


@pytest.mark.parametrize("seed", range(3))
def test_in_simulated_time_it_runs_in_one_order_and_in_this_thread(seed: int) -> None:
    async def program(sim: testing.Simulation) -> list[str]:
        seen: list[str] = []

        def work(name: str) -> str:
            seen.append(f"{name} in {threading.current_thread().name}")
            with pytest.raises(hob.NotInVat):
                blocking_call(int)
            return name

        def both() -> list[Any]:
            promises = [blocking_call(work, "one"), blocking_call(work, "two"), blocking_call(Gate().fail)]
            seen.append("committed")
            return promises

        peer = await sim.peer("peer")
        one, two, failing = await peer.vat.run(both)
        assert [await one, await two] == ["one", "two"]
        with pytest.raises(ValueError, match="in a thread"):
            await failing

        def too_late() -> list[Any]:
            peer.vat.stop()
            return [blocking_call(work, "never")]

        [never] = await peer.vat.run(too_late)
        with pytest.raises(hob.VatStopped):
            await never
        return seen

    name = threading.current_thread().name
    seen = testing.Simulation(seed).run(program)
    assert seen == ["committed", f"one in {name}", f"two in {name}"]
