"""Asynchronous methods: tasks whose every stretch between two awaits is a turn."""

import asyncio
import sys
from typing import Any

import pytest

from hobgoblin.errors import BrokenPromise, NotPassable, VatStopped
from hobgoblin.loops import VatThread, spawn_vat
from hobgoblin.refs import Promise
from hobgoblin.vat import Actor, Vat, become, method, near, new_promise, on, send_only, spawn


class Worker(Actor):
    def __init__(self) -> None:
        self.steps: tuple[object, ...] = ()

    @method
    def step(self, name: object) -> object:
        self.steps += (name,)
        return name

    @method
    def get(self) -> tuple[object, ...]:
        return self.steps

    @method
    async def waits(self, name: str, promise: Any) -> object:
        self.steps += (f"{name} starts",)
        value = await promise
        self.steps += (f"{name} goes on",)
        return value


def test_only_the_stretch_that_fails_is_undone(run: Any) -> None:
    class Job(Worker):
        @method
        async def go(self, other: Worker) -> None:
            near(self.step)(1)
            other.step("one")
            become_later = spawn(Worker)
            await asyncio.sleep(0)
            near(self.step)(2)
            await become_later.step("kept")
            near(self.step)(3)
            other.step("never")
            send_only(other.step)("never")
            become(Worker)
            raise ValueError("third stretch")

    async def main(vat: Vat) -> None:
        job, other = vat.spawn(Job), vat.spawn(Worker)
        with pytest.raises(ValueError, match="third stretch"):
            await job.go(other)
        assert await job.get() == (1, 2)
        assert await other.get() == ("one",)
        with pytest.raises(ValueError, match="third stretch"):
            await job.go(other)  # it is still a Job

    run(main)


def test_effects_leave_at_the_end_of_their_stretch(run: Any) -> None:
    class Job(Actor):
        @method
        async def go(self, log: Worker) -> object:
            answer = log.step("first")
            near(log.step)("before it")
            return await answer

    async def main(vat: Vat) -> None:
        log = vat.spawn(Worker)
        assert await vat.spawn(Job).go(log) == "first"
        assert await log.get() == ("before it", "first")

    run(main)


def test_the_first_stretch_runs_before_later_messages(run: Any) -> None:
    async def main(vat: Vat) -> None:
        worker = vat.spawn(Worker)
        promise, resolver = await vat.run(new_promise)
        answers = [worker.step(0), worker.waits("a", promise), worker.step(1)]
        answers += [worker.waits("b", promise), worker.step(2)]
        assert await worker.get() == (0, "a starts", 1, "b starts", 2)
        await resolver.fulfill("v")
        assert await answers[1] == "v"
        assert await answers[3] == "v"
        assert (await worker.get())[-2:] == ("a goes on", "b goes on")

    run(main)


def test_awaiting_what_is_no_promise_is_the_authors_error(run: Any) -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(TypeError, match="await"):
            await vat.spawn(Worker).waits("a", 5)

    run(main)


def test_other_messages_run_between_the_stretches_of_one_object(run: Any) -> None:
    async def main(vat: Vat) -> None:
        worker = vat.spawn(Worker)
        promise, resolver = await vat.run(new_promise)
        first, second = worker.waits("a", promise), worker.waits("b", promise)
        await worker.step("between")
        await resolver.fulfill(None)
        await asyncio.gather(first, second)
        steps = await worker.get()
        assert steps == ("a starts", "b starts", "between", "a goes on", "b goes on")

    run(main)


def test_methods_go_on_in_the_order_of_their_answers(run: Any) -> None:
    class Asker(Worker):
        @method
        async def ask(self, name: str, other: Any) -> None:
            await other.get()
            near(self.step)(name)

    async def main(vat: Vat) -> None:
        for other in (vat.spawn(Worker), spawn_vat("other").spawn(Worker)):
            asker = vat.spawn(Asker)
            await asyncio.gather(*[asker.ask(name, other) for name in "abc"])
            assert await asker.get() == ("a", "b", "c")

    run(main)


@pytest.mark.parametrize("what", ["settled promise", "reference", "broken promise"])
def test_an_await_ends_the_turn_whatever_is_awaited(run: Any, what: str) -> None:
    class Job(Worker):
        @method
        async def go(self, ready: Any) -> None:
            near(self.step)("kept")
            try:
                await ready
            except ValueError:
                near(self.step)("caught")
            near(self.step)("undone")
            raise KeyError

    async def main(vat: Vat) -> None:
        job = vat.spawn(Job)
        ready: Any = Promise(vat)
        if what == "broken promise":
            ready._break(ValueError())
        else:
            ready._resolve(job)
        with pytest.raises(KeyError):
            await job.go(job if what == "reference" else ready)
        assert await job.get() == ("kept",)

    run(main)


def test_an_asynchronous_call_of_oneself_does_not_block(run: Any) -> None:
    class Fib(Actor):
        @method
        async def fib(self, n: int) -> int:
            if n < 2:
                return n
            return sum(await asyncio.gather(self.fib(n - 1), self.fib(n - 2)))

        @method
        async def down(self, n: int) -> int:
            return 0 if n == 0 else 1 + await self.down(n - 1)

    async def main(vat: Vat) -> None:
        fib = vat.spawn(Fib)
        assert await fib.fib(12) == 144
        assert await fib.down(5000) == 5000

    run(main)


class TestTasks:
    def test_timeout(self, run: Any) -> None:
        class Patient(Worker):
            @method
            async def go(self, never: Any) -> str:
                near(self.step)("start")
                try:
                    async with asyncio.timeout(0.001):
                        await never
                except TimeoutError:
                    near(self.step)("timeout")
                return "done"

        async def main(vat: Vat) -> None:
            patient = vat.spawn(Patient)
            never, _resolver = await vat.run(new_promise)
            assert await patient.go(never) == "done"
            assert await patient.get() == ("start", "timeout")
            assert not never._listeners

        run(main)

    def test_children_in_a_task_group_may_send_and_spawn(self, run: Any) -> None:
        class Boss(Actor):
            def __init__(self, worker: Worker) -> None:
                self.worker = worker

            async def child(self, n: int) -> object:
                mine = spawn(Worker)
                await mine.step(n)
                send_only(self.worker.step)(n)
                handled = await on(mine.get(), lambda steps: [*steps, "handled"])
                return [self, *handled]

            @method
            async def go(self) -> object:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self.child(n)) for n in range(5)]
                return [task.result() for task in tasks]

            @method
            async def fail(self) -> object:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.child(1))
                    group.create_task(self.raising())

            async def raising(self) -> None:
                raise ValueError("child")

        async def main(vat: Vat) -> None:
            worker = vat.spawn(Worker)
            boss = vat.spawn(Boss, worker)
            assert await boss.go() == tuple((boss, n, "handled") for n in range(5))
            assert sorted(await worker.get()) == list(range(5))
            with pytest.raises(ExceptionGroup) as caught:
                await boss.fail()
            assert caught.group_contains(ValueError, match="child")

        run(main)

    def test_it_is_a_real_task_that_can_be_cancelled(self, run: Any) -> None:
        tasks: list[asyncio.Task[Any]] = []

        class Job(Worker):
            @method
            async def go(self, promise: Any, *, stubborn: bool = False) -> str:
                task = asyncio.current_task()
                assert task is not None
                tasks.append(task)
                near(self.step)("start")
                try:
                    await promise
                except asyncio.CancelledError:
                    near(self.step)("cancelled")
                    if not stubborn:
                        raise
                    await asyncio.sleep(0)
                    near(self.step)("went on")
                return "survived"

        async def main(vat: Vat) -> None:
            job = vat.spawn(Job)
            never, _resolver = await vat.run(new_promise)
            answer = job.go(never)
            await job.get()
            tasks[-1].cancel()
            with pytest.raises(BrokenPromise) as caught:
                await answer
            assert isinstance(caught.value.reason, asyncio.CancelledError)
            assert tasks[-1].cancelled()
            assert await job.get() == ("start",)  # its last stretch has failed
            answer = job.go(never, stubborn=True)
            await job.get()
            tasks[-1].cancel()
            assert await answer == "survived"
            assert await job.get() == ("start", "start", "cancelled", "went on")
            assert tasks[-1].done()
            assert not never._listeners

        run(main)

    def test_closing_the_coroutine_breaks_the_answer(self, run: Any) -> None:
        tasks: list[asyncio.Task[Any]] = []

        class Job(Worker):
            @method
            async def go(self, hold: bool) -> None:
                task = asyncio.current_task()
                assert task is not None
                tasks.append(task)
                try:
                    await asyncio.Event().wait()
                except GeneratorExit:
                    if hold:
                        await asyncio.sleep(0)
                    raise

        async def main(vat: Vat) -> None:
            job = vat.spawn(Job)
            answer = job.go(False)
            await job.get()
            coroutine = tasks[-1].get_coro()
            coroutine.close()  # type: ignore[union-attr]
            with pytest.raises(BrokenPromise, match="GeneratorExit"):
                await answer
            coroutine.close()  # type: ignore[union-attr]
            job.go(True)
            await job.get()
            with pytest.raises(RuntimeError, match="while it is being closed"):
                tasks[-1].get_coro().close()  # type: ignore[union-attr]
            with pytest.raises(TypeError, match="belongs to the loop"):
                await coroutine
            for task in tasks:
                task.cancel()

        run(main)


def test_stopping_the_vat_cancels_tasks_and_breaks_their_answers(run: Any, errors: Any) -> None:
    cleaned: list[str] = []

    class Job(Worker):
        @method
        async def go(self, how: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(how)
                if how == "raises":
                    raise ValueError

        @method
        async def stop_now(self) -> str:
            stopping.stop()
            return "still takes effect"

        @method
        async def stop_and_wait(self) -> None:
            stopping.stop()
            await asyncio.Event().wait()

        @method
        async def go_on(self) -> None:
            await asyncio.sleep(0)
            stopping.stop()
            await asyncio.sleep(0)

    async def main(vat: Vat) -> None:
        nonlocal stopping
        for how in ("stop_now", "stop_and_wait", "go_on"):
            stopping = spawn_vat("stopping")
            job = stopping.spawn(Job)
            running = [job.go("raises"), job.go("plainly")]
            last = getattr(job, how)()
            for answer in running:
                with pytest.raises(VatStopped):
                    await answer
            if how == "stop_now":
                assert await last == "still takes effect"
            else:
                with pytest.raises(VatStopped):
                    await last
            with pytest.raises(VatStopped):
                await job.get()
            assert not stopping._stretches
        assert sorted(cleaned) == ["plainly"] * 3 + ["raises"] * 3

    stopping: Vat
    run(main)
    assert errors() == []


def test_a_vat_that_stops_before_the_first_stretch(run: Any) -> None:
    async def main(vat: Vat) -> None:
        stopping = spawn_vat("stopping")
        worker = stopping.spawn(Worker)
        answers = [worker.waits("a", worker), worker.step(1), worker.waits("b", worker)]
        stopping.stop()
        for answer in answers:
            with pytest.raises(VatStopped):
                await answer

    run(main)


def test_functions_handlers_and_run_may_be_asynchronous(run: Any) -> None:
    async def double(x: int) -> object:
        await asyncio.sleep(0)
        return [x * 2]

    def returns_a_coroutine(x: int) -> object:
        return double(x)

    async def changes(x: int) -> int:
        await asyncio.sleep(0)
        become(double)
        return x

    async def main(vat: Vat) -> None:
        assert await vat.spawn(double)(4) == (8,)
        assert await vat.spawn(returns_a_coroutine)(4) == (8,)
        assert await vat.run(double, 4) == (8,)
        assert await on(vat.spawn(double)(1), lambda v: double(v[0])) == (4,)
        ref: Any = vat.spawn(changes)
        assert await ref(3) == 3
        assert await ref(3) == (6,)
        assert await vat.run(lambda: near(ref)(5)) == (10,)
        with pytest.raises(TypeError, match="missing 1 required"):
            await vat.run(double)

    run(main)


def test_an_unheard_failure_of_a_stretch_is_reported_once(run: Any, errors: Any) -> None:
    class Job(Worker):
        @method
        async def fail(self) -> None:
            await asyncio.sleep(0)
            ended.append(1)
            raise ValueError("in a stretch")

        @method
        async def odd(self) -> object:
            await asyncio.sleep(0)
            return {1}

    async def main(vat: Vat) -> None:
        job = vat.spawn(Job)
        job.fail()
        send_only(job.fail)()
        with pytest.raises(NotPassable):
            await job.odd()
        await vat.run(lambda: [on(1, lambda _: near(job.fail)(), finally_=lambda: near(job.fail)())])
        with pytest.raises(ValueError, match="stretch"):
            await job.fail()
        while len(ended) < 5:
            await vat.run(lambda: None)

    ended: list[int] = []
    run(main)
    assert len(errors()) == 4


def test_between_threads(run: Any) -> None:
    async def main(vat: Vat) -> None:
        async with VatThread("one") as one:
            far, here = one.spawn(Worker), vat.spawn(Worker)
            promise, resolver = await vat.run(new_promise)
            waiting = far.waits("far", promise)
            await far.get()
            await resolver.fulfill(here)
            assert await waiting is here
            assert await here.waits("here", far.step("x")) == "x"

            async def both() -> object:
                return await asyncio.gather(far.step(1), here.step(2))

            assert await one.run(both) == (1, 2)
            assert await vat.run(both) == (1, 2)

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager task factories are new in Python 3.12")
def test_with_an_eager_task_factory(run: Any) -> None:
    class Boss(Worker):
        @method
        async def go(self) -> object:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.child(n)) for n in range(3)]
            return [task.result() for task in tasks]

        async def child(self, n: int) -> object:
            return await spawn(Worker).step(n)

    async def main(vat: Vat) -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        assert await vat.spawn(Boss).go() == (0, 1, 2)

    run(main)


def test_in_the_debug_mode_of_asyncio() -> None:
    async def main() -> None:
        vat = spawn_vat()
        worker = vat.spawn(Worker)
        promise, resolver = await vat.run(new_promise)
        answer = worker.waits("a", promise)
        await resolver.fulfill(5)
        assert await answer == 5

    asyncio.run(main(), debug=True)


class TestWithoutTheLoop:
    """The next stretch may follow at once, when what is awaited has settled meanwhile."""

    def test_cancelling_takes_effect_at_the_next_await(self, run: Any) -> None:
        class Boss(Worker):
            @method
            async def go(self, other: Worker) -> None:
                task = asyncio.current_task()
                assert task is not None
                await other.step(1)
                task.cancel()
                near(self.step)("asks")
                await other.step(2)
                near(self.step)("never")

        async def main(vat: Vat) -> None:
            boss, other = vat.spawn(Boss), spawn_vat("other").spawn(Worker)
            with pytest.raises(BrokenPromise):
                await boss.go(other)
            assert await boss.get() == ("asks",)

        run(main)

    def test_the_loop_has_its_chance(self, run: Any) -> None:
        class Spinner(Worker):
            going = True

            @method
            async def go(self, other: Worker) -> None:
                asyncio.get_running_loop().call_later(0, self.stop)
                while self.going:
                    await other.step(1)

            def stop(self) -> None:
                self.going = False

        async def main(vat: Vat) -> None:
            await vat.spawn(Spinner).go(spawn_vat("other").spawn(Worker))

        run(main)
