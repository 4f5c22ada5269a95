"""The loop whose time is simulated."""

import asyncio
import threading
from time import perf_counter

import pytest

from hobgoblin.testing import Deadlock, SimulatedLoop, TimeUp


def run(main, seconds=3600.0):
    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(seconds)) as runner:
        return runner.run(main())


def test_time_passes_when_nobody_has_anything_to_do():
    async def main():
        loop = asyncio.get_running_loop()
        before = perf_counter()
        await asyncio.sleep(600)
        return loop.time(), perf_counter() - before

    simulated, real = run(main)
    assert simulated == pytest.approx(600)
    assert real < 600


def test_timers_fire_in_the_order_of_their_times():
    async def main():
        order = []

        async def after(seconds):
            await asyncio.sleep(seconds)
            order.append(seconds)

        await asyncio.gather(after(3), after(1), after(2), after(0))
        return order

    assert run(main) == [0, 1, 2, 3]


def test_timeouts_are_simulated_as_well():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main) == pytest.approx(5)


def test_who_waits_for_what_never_comes_is_told_where():
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"main, .*line \d+"):
        run(main)


def test_who_goes_on_for_ever_is_stopped():
    async def main():
        while True:  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(1)

    with pytest.raises(TimeUp, match="after 11 simulated seconds"):
        run(main, seconds=10)


def test_a_clock_that_is_read_goes_on():
    async def main():
        loop = asyncio.get_running_loop()
        assert loop.time() == loop.time()
        return [loop.clock() for _ in range(3)]

    first, second, third = run(main)
    assert first < second < third


def test_what_is_to_run_in_a_thread_runs_in_this_one():
    async def main():
        def fail():
            raise LookupError("no")

        with pytest.raises(LookupError):
            await asyncio.to_thread(fail)
        return await asyncio.to_thread(threading.get_ident)

    assert run(main) == threading.get_ident()


def test_there_are_no_sockets():
    async def main():
        await asyncio.open_connection("127.0.0.1", 1)

    with pytest.raises(RuntimeError, match="netlayer"):
        run(main)
