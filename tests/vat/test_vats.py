"""Vats: order, fairness, threads, and how they end."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from hobgoblin.errors import BrokenPromise, HobgoblinError, NotInVat, VatStopped
from hobgoblin.loops import VatThread, host_of, spawn_vat
from hobgoblin.refs import Promise, RemoteRef
from hobgoblin.values import Symbol
from hobgoblin.vat import Actor, Vat, VatHost, method, near, new_promise, on, send, send_only, spawn


class Log(Actor):
    def __init__(self) -> None:
        self.entries: tuple[object, ...] = ()

    @method
    def add(self, entry: object) -> int:
        self.entries += (entry,)
        return len(self.entries)

    @method
    def get(self) -> tuple[object, ...]:
        return self.entries

    @method
    async def forever(self) -> None:
        await asyncio.Event().wait()


class Sequence(Actor):
    """Checks that what each sender sends arrives in the order sent."""

    def __init__(self) -> None:
        self.next: dict[str, int] = {}

    @method
    def take(self, sender: str, number: int) -> None:
        expected = self.next.get(sender, 0)
        if number != expected:
            raise AssertionError(f"{sender}: {number} instead of {expected}")
        self.next = {**self.next, sender: number + 1}

    @method
    def taken(self) -> dict[str, int]:
        return self.next


class Sender(Actor):
    def __init__(self, name: str, target: Any) -> None:
        self.name = name
        self.target = target
        self.sent = 0

    @method
    def burst(self, size: int) -> int:
        for _ in range(size):
            if self.sent % 2:
                send_only(self.target.take)(self.name, self.sent)
            else:
                self.target.take(self.name, self.sent)
            self.sent += 1
        return self.sent

    @method
    async def slowly(self, bursts: int, size: int) -> int:
        for _ in range(bursts):
            near(self.burst)(size)
            await asyncio.sleep(0)
        return self.sent


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("through", ["object", "promise", "promise of a promise"])
def test_order_under_load(run: Any, errors: Any, threads: bool, through: str) -> None:
    async def load(vats: list[Vat]) -> None:
        sequence = vats[0].spawn(Sequence)
        target: Any = sequence
        resolvers: list[Any] = []
        if through != "object":
            target, resolver = await vats[1].run(new_promise)
            resolvers = [(resolver, sequence)]
            if through != "promise":
                outer, outer_resolver = await vats[2].run(new_promise)
                resolvers.append((outer_resolver, target))
                target = outer
        senders = [vat.spawn(Sender, f"{i}", target) for i, vat in enumerate(vats * 2)]
        running = [sender.slowly(20, 50) for sender in senders]
        await senders[0].burst(0)
        for resolver, value in resolvers:
            await resolver.fulfill(value)
        await asyncio.gather(*running)
        # Behind everything that each has sent.
        for sender in senders:
            await sender.burst(1)
        expected = {f"{i}": 1001 for i in range(len(senders))}
        for vat in vats:
            # Through the same reference, so behind what that vat's senders have sent through it.
            await vat.run(lambda: send(target, Symbol("taken")))
        assert await target.taken() == expected

    async def main(vat: Vat) -> None:
        if threads:
            async with VatThread("one") as one, VatThread("two") as two:
                await load([vat, one, two])
        else:
            await load([vat, spawn_vat("one"), spawn_vat("two")])

    run(main)
    assert errors() == []


def test_threads_that_are_no_vats_may_send(run: Any) -> None:
    async def main(vat: Vat) -> None:
        sequence = vat.spawn(Sequence)

        def work(name: str) -> None:
            for number in range(500):
                send_only(sequence.take)(name, number)

        threads = [threading.Thread(target=work, args=(f"{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert await sequence.taken() == {f"{n}": 500 for n in range(4)}

    run(main)


class OtherClock(VatHost):
    """A host with a clock of its own; all else is done by another."""

    def __init__(self, host: Any, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.here, self.post, self.wait = host.here, host.post, host.wait
        self.post_in, self.start = host.post_in, host.start
        self.run_woken = host.run_woken


class TestFairness:
    def test_a_busy_vat_starves_neither_the_loop_nor_another_vat(self, run: Any) -> None:
        class Busy(Actor):
            def __init__(self) -> None:
                self.go_on = True

            @method
            def spin(self) -> None:
                if self.go_on:
                    self.spin()

            @method
            def stop(self) -> None:
                self.go_on = False

        async def main(vat: Vat) -> None:
            busy, other = vat.spawn(Busy), spawn_vat("other").spawn(Log)
            busy.spin()
            for n in range(1, 6):
                assert await other.add(n) == n
            server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()
            server.close()
            await server.wait_closed()
            await busy.stop()

        run(main)

    def test_a_slow_turn_is_reported_with_its_method(self, run: Any, caplog: Any) -> None:
        class SlowHost(OtherClock):
            """A host whose clock goes on by a second whenever it is asked."""

            def __init__(self, host: VatHost) -> None:
                super().__init__(host, map(float, count()).__next__)

        async def main(vat: Vat) -> None:
            slow = Vat(SlowHost(vat.host), name="slow", slow_turn_seconds=0.5)
            log = slow.spawn(Log)
            await log.add("secret")
            await slow.run(lambda: None)
            await slow.run(lambda: [on(1, print_nothing, finally_=print_nothing)])
            await slow.run(lambda: [near(log.forever)()])
            vat.run(lambda: slow.spawn(Log))
            await vat.run(lambda: None)
            await log.get()
            slow.stop()

        def print_nothing(*_: object) -> None: ...

        with caplog.at_level(logging.WARNING):
            run(main)
        texts = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert texts[0] == (
            "slow: the turn of <Ref Log>.add() took 1.000 s; everything else in this loop waited; "
            "use hobgoblin.blocking_call(…) for blocking work"
        )
        assert any("<lambda>()" in text for text in texts)
        assert any("the handler print_nothing of on()" in text for text in texts)
        assert any("the finally_ handler print_nothing of on()" in text for text in texts)
        assert any("a constructor" in text for text in texts)
        assert any("Log.forever" in text for text in texts)
        assert "secret" not in caplog.text

    def test_a_slow_stretch_is_reported_with_its_method(self, run: Any, caplog: Any) -> None:
        class HandHost(OtherClock):
            """A host whose clock is set by hand."""

            def __init__(self, host: VatHost) -> None:
                super().__init__(host, lambda: self.now)
                self.now = 1.0

        async def main(vat: Vat) -> None:
            host = HandHost(vat.host)
            slow = Vat(host, name="slow", slow_turn_seconds=0.5)

            class Reader(Actor):
                @method
                async def read(self, *seconds: float) -> None:
                    for takes in seconds:
                        host.now += takes
                        await asyncio.sleep(0)

            reader: Any = slow.spawn(Reader)
            await reader.read(0.1, 0.4, 2, 0.3)
            await reader.read(3, 0.3)

        with caplog.at_level(logging.WARNING):
            run(main)
        texts = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert [text.partition("; ")[0] for text in texts] == [
            "slow: the turn of <Ref Reader>.read() took 2.000 s",
            "slow: the turn of <Ref Reader>.read() took 3.000 s",
        ]


class TestSpawning:
    def test_what_can_be_spawned(self, run: Any) -> None:
        from typing import Generic, TypeVar

        T = TypeVar("T")

        class Box(Actor, Generic[T]):
            def __init__(self, value: T) -> None:
                self.value = value

            @method
            def get(self) -> Any:
                return self.value

        async def main(vat: Vat) -> None:
            assert await vat.spawn(Box, 1).get() == 1
            assert await vat.spawn(Box[int], value=2).get() == 2
            assert await vat.spawn(Box(3)).get() == 3
            for thing in (5, None, "x", int, object(), vat.spawn(Log)):
                with pytest.raises(TypeError, match="made of an Actor class or of a function"):
                    vat.spawn(thing)
            for thing in (Box(1), len):
                with pytest.raises(TypeError, match="only an Actor class takes constructor arguments"):
                    vat.spawn(thing, 5)
            with pytest.raises(TypeError):
                vat.spawn(Box)

        run(main)

    def test_outside_of_a_vat(self) -> None:
        with pytest.raises(NotInVat, match=r"vat\.spawn"):
            spawn(Log)
        with pytest.raises(RuntimeError, match="VatThread") as caught:
            spawn_vat()
        assert caught.value.__suppress_context__
        for verb in (send, send_only):
            with pytest.raises(TypeError, match="takes a reference"):
                verb(5)  # type: ignore[call-overload]

    def test_in_a_vat_of_another_thread(self, run: Any, errors: Any) -> None:
        class Thread(Actor):
            def __init__(self, *, fail: bool = False) -> None:
                self.ident = threading.get_ident()
                if fail:
                    raise ValueError("constructor")

            @method
            def made_in(self) -> tuple[int, int]:
                return self.ident, threading.get_ident()

        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                ident = await thread.run(threading.get_ident)
                assert ident != threading.get_ident()
                for ref in (thread.spawn(Thread), await vat.run(lambda: thread.spawn(Thread))):
                    assert await ref.made_in() == (ident, ident)
                for failing in (
                    thread.spawn(Thread, fail=True),
                    await vat.run(lambda: thread.spawn(Thread, fail=True)),
                ):
                    for _ in range(2):
                        with pytest.raises(ValueError, match="constructor"):
                            await failing.made_in()
                    with pytest.raises(HobgoblinError, match="never came to be"):
                        await thread.run(lambda ref=failing: near(ref.made_in)())

        run(main)
        assert len(errors()) == 2
        assert all("the constructor of an object" in message for message in errors())

    def test_in_another_vat_of_the_same_thread(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            other = spawn_vat("other")
            early: list[Any] = []

            def work() -> Any:
                ref = other.spawn(Log)
                early.append(ref)
                promise = ref.add("from the same turn")
                # It is made when this turn commits, in a turn of its own vat.
                assert type(ref._behaviour) is not Log
                return promise

            assert await vat.run(work) == 1
            assert await early[0].get() == ("from the same turn",)

        run(main)

    def test_an_object_that_is_not_made_yet_says_so(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            other = spawn_vat("other")

            def work() -> None:
                ref = other.spawn(Log)
                # Past this turn, by a vat that has no part in it.
                early.append(other.send(ref, (Symbol("get"),), None))

            early: list[Any] = []
            await vat.run(work)
            with pytest.raises(HobgoblinError, match="has not been made yet"):
                await early[0]

        run(main)

    def test_in_a_vat_that_has_stopped(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            stopped = spawn_vat("old")
            stopped.stop()
            with pytest.raises(VatStopped, match="old has been stopped"):
                stopped.spawn(Log)
            with pytest.raises(VatStopped):
                await stopped.run(lambda: 1)

        run(main)


class TestStopping:
    def test_messages_before_and_after_break(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            assert not vat.stopped
            waiting, pipelined = log.add(1), log.add(2).unknown().unknown()
            vat.stop()
            vat.stop()
            assert vat.stopped
            for broken in (waiting, pipelined, log.add(3), vat.run(lambda: 1), vat.run(new_promise)):
                with pytest.raises(VatStopped, match="vat has been stopped"):
                    await broken
            send_only(log.add)(4)

        run(main)
        [message] = errors()
        assert ".add()" in message

    def test_a_turn_that_stops_its_vat_takes_effect_and_is_the_last(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            other = spawn_vat("other").spawn(Log)
            log = vat.spawn(Log)

            def stop() -> str:
                other.add("sent")
                log.add("lost")
                vat.stop()
                return "result"

            stopped, behind = vat.run(stop), log.add("behind")
            assert await stopped == "result"
            with pytest.raises(VatStopped):
                await behind
            assert await other.get() == ("sent",)

        run(main)

    def test_from_another_thread(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread("far") as far:
                log = far.spawn(Log)
                running = log.forever()
                await log.add(1)
                send_only(log.forever)()
                far.stop()
                with pytest.raises(VatStopped):
                    await running
                with pytest.raises(VatStopped):
                    await log.add(2)

        run(main)

    def test_nothing_hangs_when_a_vat_stops_under_load(self, run: Any) -> None:
        async def until_stopped(log: Any) -> None:
            while True:  # from another thread, stopping takes a moment
                await log.add("more")

        async def main(vat: Vat) -> None:
            for _ in range(20):
                async with VatThread("far") as far:
                    log = far.spawn(Log)
                    answers: list[Any] = []

                    def work(log: Any = log, answers: list[Any] = answers) -> None:
                        answers.extend(log.add(n) for n in range(200))

                    thread = threading.Thread(target=work)
                    thread.start()
                    await log.add("first")
                    far.stop()
                    await asyncio.to_thread(thread.join)
                    results = await asyncio.gather(*answers, return_exceptions=True)
                    assert all(isinstance(r, int | VatStopped) for r in results)
                    with pytest.raises(VatStopped):
                        await until_stopped(log)

        run(main)

    def test_a_loop_that_shuts_down_stops_its_vats(self, run: Any) -> None:
        refs: dict[str, Any] = {}

        async def short_lived() -> None:
            vat = refs["vat"] = spawn_vat("short")
            refs["log"] = vat.spawn(Log)
            refs["before"] = refs["log"].add("never delivered")
            refs["promise"], refs["resolver"] = Promise(vat), None
            refs["forever"] = refs["log"].forever()

        async def main(vat: Vat) -> None:
            await asyncio.to_thread(asyncio.run, short_lived())
            assert refs["vat"].stopped
            with pytest.raises(VatStopped):
                await refs["log"].add(1)
            # The last ticks of the loop may have delivered it, or not; but it is settled.
            [before] = await asyncio.gather(refs["before"], return_exceptions=True)
            assert before == 1 or isinstance(before, VatStopped)
            with pytest.raises((VatStopped, BrokenPromise)):
                await refs["forever"]  # its task was cancelled, as all tasks are
            results = await vat.run(lambda: on(refs["log"].add(1), catch=lambda e: type(e).__name__))
            assert results == "VatStopped"
            refs["promise"]._resolve("later")
            assert await refs["promise"] == "later"

        run(main)

    @pytest.mark.parametrize("started", [False, True])
    def test_a_loop_that_is_closed_without_shutting_down(self, run: Any, started: bool) -> None:
        refs: dict[str, Any] = {}

        async def prepare() -> None:
            vat = refs["vat"] = spawn_vat("closed")
            refs["log"] = vat.spawn(Log)

        async def begin() -> None:
            refs["running"] = refs["log"].forever()
            await refs["log"].add(1)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(prepare())
        if started:
            loop.run_until_complete(begin())
            tasks = asyncio.all_tasks(loop)
        else:
            refs["running"] = refs["log"].forever()
            tasks = set()
        refs["host"] = host_of(loop)
        loop.close()

        async def main(vat: Vat) -> None:
            if not started:
                refs["vat"].drain_now()  # what was queued while the loop was open
            for broken in (refs["log"].add(2), refs["running"], refs["vat"].run(lambda: 1)):
                with pytest.raises(VatStopped):
                    await broken
            assert refs["vat"].stopped
            promise: Promise[Any] = Promise(refs["vat"])
            refs["host"].post(promise._resolve_here, 7)
            assert await promise == 7

        run(main)
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task.get_coro().close()  # type: ignore[union-attr]


class TestThreads:
    def test_without_asyncio(self) -> None:
        with VatThread("cars") as vat:
            log = vat.spawn(Log)
            done = threading.Event()

            def finish(value: object) -> None:
                assert value == 1
                done.set()

            on(log.add("x"), finish)
            assert done.wait(60)
        assert vat.stopped
        assert repr(vat) == "<Vat cars (stopped)>"

    def test_starting_and_stopping_twice(self) -> None:
        thread = VatThread()
        thread.stop()  # before it has started
        vat = thread.start()
        with pytest.raises(RuntimeError):
            thread.start()
        assert not vat.stopped
        thread.stop()
        thread.stop()
        assert vat.stopped
        with pytest.raises(RuntimeError):
            thread.start()

    def test_stopping_from_a_turn_of_its_own_vat(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            thread = VatThread()
            far = thread.start()
            assert await far.run(lambda: [thread.stop(), "no deadlock"][1]) == "no deadlock"
            await asyncio.to_thread(thread.stop)
            assert far.stopped

        run(main)

    def test_what_comes_between_the_last_round_of_a_loop_and_its_end(self, run: Any) -> None:
        made: list[Any] = []
        idle, over = threading.Event(), threading.Event()

        def serve() -> None:
            async def make() -> None:
                made.append(spawn_vat("far").run(lambda: 42))
                await made[0]

            loop = asyncio.new_event_loop()
            loop.run_until_complete(make())
            idle.set()
            over.wait()
            loop.close()

        async def main(vat: Vat) -> None:
            thread = threading.Thread(target=serve)
            thread.start()
            await asyncio.to_thread(idle.wait)
            waiting = asyncio.ensure_future(made[0])
            await asyncio.sleep(0)
            over.set()
            assert await waiting == 42
            await asyncio.to_thread(thread.join)

        run(main)

    def test_a_thread_that_can_not_make_a_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_loop(*_: object) -> None:
            raise SystemExit  # what a thread may end with in silence

        monkeypatch.setattr(asyncio, "Runner", no_loop)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
        with pytest.raises(RuntimeError, match="the thread of far could not make a loop"):
            VatThread("far").start()

    def test_an_interrupt_in_its_loop_breaks_what_waits(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            hooked = threading.excepthook
            seen: list[Any] = []
            threading.excepthook = seen.append
            try:
                thread = VatThread()
                far = thread.start()

                def interrupt() -> None:
                    raise KeyboardInterrupt

                log = far.spawn(Log)
                answers = await vat.run(lambda: [far.run(interrupt), log.add(1), log.forever()])
                with pytest.raises(BrokenPromise, match="KeyboardInterrupt"):
                    await answers[0]
                # The rest ran while the loop was shutting down, or did not.
                for result in await asyncio.gather(*answers[1:], return_exceptions=True):
                    assert isinstance(result, int | VatStopped | BrokenPromise)
                await asyncio.to_thread(thread._thread.join)
                assert seen[0].exc_type is KeyboardInterrupt
            finally:
                threading.excepthook = hooked

        run(main)

    def test_a_home_is_shared_by_vats_of_one_loop(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            assert spawn_vat().host is vat.host
            assert vat.host.loop is asyncio.get_running_loop()  # type: ignore[attr-defined]
            assert host_of(asyncio.get_running_loop()) is vat.host

        run(main)


class TestDrainNow:
    def test_it_runs_what_waits_at_once(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            answer = log.add(1)
            vat.drain_now()
            assert answer._state == 2  # type: ignore[attr-defined]
            vat.drain_now()
            assert await log.get() == (1,)

        run(main)

    def test_not_while_a_turn_is_open_nor_while_its_effects_set_out(self, run: Any) -> None:
        class Wire:
            """A session that brings in a message whenever one is sent."""

            def __init__(self, vat: Vat) -> None:
                self.home = vat
                self.sent: list[object] = []

            def accept(self, message: Any) -> None:
                self.sent.append(message.args[0])
                if len(self.sent) == 1:
                    self.home.run(lambda: send_only(remote)("of a later turn"))
                    self.home.drain_now()

            def listen(self, promise: Any) -> None: ...

        async def main(vat: Vat) -> None:
            nonlocal remote
            wire = Wire(vat)
            remote = RemoteRef(wire, 0)

            def work() -> None:
                send_only(remote)("one")
                vat.drain_now()
                send_only(remote)("two")

            await vat.run(work)
            await vat.run(lambda: None)
            assert wire.sent == ["one", "two", "of a later turn"]

        remote: Any = None
        run(main)


class TestMemory:
    def test_objects_and_promises_go_when_nobody_holds_them(self, run: Any) -> None:
        def use(ref: Any) -> None:
            send_only(ref.add)(2)
            near(ref.add)(3)

        async def main(vat: Vat) -> None:
            gc.collect()
            gc.disable()  # counting references is enough
            try:
                actor = Log()
                ref = vat.spawn(actor)
                answer = ref.add(1)
                await answer
                await vat.run(use, ref)
                handled = on(ref.get(), lambda v: v)
                await handled
                watched = [weakref.ref(each) for each in (actor, ref, answer, handled)]
                del actor, ref, answer, handled
                await vat.run(lambda: None)
                assert [each() for each in watched] == [None] * 4
            finally:
                gc.enable()

        run(main)

    def test_a_failed_call_leaves_nothing(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            ref = vat.spawn(Log)
            gc.collect()
            gc.disable()
            try:
                watched = []
                for answer in (ref.unknown(), ref.add(), ref.add(1).unknown()):
                    watched.append(weakref.ref(answer))
                del answer
                await ref.get()
                await ref.get()
                assert [each() for each in watched] == [None] * 3
            finally:
                gc.enable()

        run(main)
        assert len(errors()) == 3

    def test_vats_and_loops_go(self) -> None:
        watched: list[Any] = []

        async def main() -> None:
            vat = spawn_vat()
            ref = vat.spawn(Log)
            ref.forever()
            await ref.add(1)
            watched.extend(map(weakref.ref, (vat, vat.host, asyncio.get_running_loop(), ref)))

        for _ in range(3):
            asyncio.run(main())
            with VatThread() as thread:
                watched.append(weakref.ref(thread))
            del thread
        gc.collect()
        assert [each() for each in watched] == [None] * len(watched)

    def test_a_vat_in_a_running_loop_goes_too(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            other = spawn_vat("other")
            ref = other.spawn(Log)
            await ref.add(1)
            watched = weakref.ref(other)
            del other, ref
            await vat.run(lambda: None)
            gc.collect()
            assert watched() is None

        run(main)
