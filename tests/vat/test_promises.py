"""Promises in use: order, contagion, handlers, and failures that nobody listens to."""

import asyncio
import gc
import logging
import sys
import traceback
import weakref
from itertools import pairwise
from typing import Any

import pytest

from hobgoblin.errors import BrokenPromise, NotATarget, NotInVat, PromiseCycle, VatStopped
from hobgoblin.loops import VatThread, spawn_vat
from hobgoblin.refs import Promise
from hobgoblin.values import ErrorValue
from hobgoblin.vat import Actor, Vat, method, near, new_promise, on, send, send_only, spawn


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
    def fail(self, text: str = "no") -> None:
        raise ValueError(text)

    @method
    def me(self) -> "Log":
        return self

    @method
    def wait_for(self, promise: Any) -> Any:
        return promise


def line_here() -> int:
    return sys._getframe(1).f_lineno


class TestDeciding:
    def test_a_resolver_fulfills(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            for value, result in [(5, 5), (None, None), ([1], (1,)), (log, log)]:
                promise, resolver = await vat.run(new_promise)
                await resolver.fulfill(value)
                assert await promise == result
                await resolver.fulfill("too late")
                await resolver.break_("too late")
                assert await promise == result
            promise, resolver = await vat.run(new_promise)
            await resolver.fulfill()
            assert await promise is None

        run(main)

    def test_a_resolver_breaks(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            error = ValueError("mine")
            for reason, expected in [
                (error, None),
                ("text", "text"),
                (ErrorValue("told"), "told"),
                ([1], (1,)),
            ]:
                promise, resolver = await vat.run(new_promise)
                await resolver.break_(reason)
                await resolver.fulfill("too late")
                with pytest.raises((ValueError, BrokenPromise)) as caught:
                    await promise
                if expected is None:
                    assert caught.value is error
                else:
                    assert isinstance(caught.value, BrokenPromise)
                    assert caught.value.reason == expected
            promise, resolver = await vat.run(new_promise)
            await getattr(resolver, "break")("under its name on the wire")
            with pytest.raises(BrokenPromise):
                await promise

        run(main)

    def test_outside_of_a_vat_there_is_no_new_promise(self) -> None:
        with pytest.raises(NotInVat, match=r"vat\.run"):
            new_promise()

    def test_cycles_through_resolvers_and_through_on(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            await resolver.fulfill(promise)
            with pytest.raises(PromiseCycle):
                await promise
            # on(p, …) whose handler returns what depends on p's own answer.
            promise, resolver = await vat.run(new_promise)
            answer = await vat.run(lambda: [on(5, lambda _: promise)])
            await resolver.fulfill(answer[0])
            for either in (promise, answer[0]):
                with pytest.raises(PromiseCycle):
                    await either

        run(main)

    def test_cycles_across_vats_and_threads(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread("one") as one, VatThread("two") as two:
                for vats in ([vat, one], [vat, one, two], [one, vat, vat, two, two, one]):
                    pairs = [await each.run(new_promise) for each in vats]
                    ring = [promise for promise, _ in pairs]
                    decided = [
                        resolver.fulfill(ring[(i + 1) % len(ring)]) for i, (_, resolver) in enumerate(pairs)
                    ]
                    for each in decided:
                        await each
                    for promise in ring:
                        with pytest.raises(PromiseCycle):
                            await promise
                # What leads into such a ring breaks with it; what leads nowhere near is left alone.
                promise, resolver = await vat.run(new_promise)
                entry, decide_entry = await one.run(new_promise)
                await decide_entry.fulfill(promise)
                middle, decide_middle = await two.run(new_promise)
                await decide_middle.fulfill(promise)
                await resolver.fulfill(middle)
                for each in (entry, middle, promise):
                    with pytest.raises(PromiseCycle):
                        await each

        run(main)

    def test_a_chain_through_threads_settles(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread("one") as one, VatThread("two") as two:
                log = one.spawn(Log)
                for end in (log, ValueError("end"), 7):
                    pairs = [await v.run(new_promise) for v in [vat, one, two, one, vat, two]]
                    for (_, resolver), (following, _) in pairwise(pairs):
                        await resolver.fulfill(following)
                    first, last = pairs[0][0], pairs[-1][1]
                    queued = first.add(1)
                    if isinstance(end, ValueError):
                        await last.break_(end)
                        for broken in (first, queued):
                            with pytest.raises(ValueError, match="end"):
                                await broken
                    else:
                        await last.fulfill(end)
                        assert await first == end
                        if end == 7:
                            with pytest.raises(NotATarget):
                                await queued
                        else:
                            assert await queued == 1

        run(main)


class TestOrder:
    @pytest.mark.parametrize("resolved_to", ["near", "other vat", "other thread", "promise", "far promise"])
    @pytest.mark.parametrize("sender", ["turn", "outside"])
    def test_queued_messages_stay_first(self, run: Any, resolved_to: str, sender: str) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread("thread") as thread:
                homes = {"near": vat, "promise": vat, "other vat": spawn_vat("other")}
                log = homes.get(resolved_to, thread).spawn(Log)
                promise, resolver = await vat.run(new_promise)
                target: Any = log
                decide_middle: Any = None
                if "promise" in resolved_to:
                    home = vat if resolved_to == "promise" else thread
                    target, decide_middle = await home.run(new_promise)

                def send_some(start: int) -> None:
                    for number in range(start, start + 50):
                        if number % 3:
                            promise.add(number)
                        else:
                            send_only(promise.add)(number)

                def send_range(start: int) -> Any:
                    return vat.run(send_some, start) if sender == "turn" else send_some(start)

                send_range(0)
                resolver.fulfill(target)
                send_range(50)
                await promise.me() if decide_middle is None else await vat.run(lambda: None)
                send_range(100)
                if decide_middle is not None:
                    decide_middle.fulfill(log)
                send_range(150)
                # From outside messages do not queue behind those that this vat was asked to send.
                await vat.run(lambda: None)
                assert await promise.get() == tuple(range(200))

        run(main)

    def test_data_takes_no_messages(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            for data, named in [(None, "None"), (5, "int"), ({"a": 1}, "plain data"), ("add", "str")]:
                promise, resolver = await vat.run(new_promise)
                queued, chained = promise.add(1), promise.me().me().add(2)
                await resolver.fulfill(data)
                for broken in (queued, chained, promise.add(3), send(promise, 4)):
                    with pytest.raises(NotATarget, match=named):
                        await broken

        run(main)

    def test_a_broken_promise_is_contagious(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            far = spawn_vat("far")
            promise, resolver = await vat.run(new_promise)
            queued, chained = promise.add(1), promise.me().me().add(2)
            elsewhere = far.run(lambda: promise.add(3))
            handled = await vat.run(lambda: [on(promise)])
            error = ValueError("spreads")
            await resolver.break_(error)
            for broken in (
                promise,
                queued,
                chained,
                elsewhere,
                handled[0],
                promise.add(4),
                promise.me().me(),
            ):
                with pytest.raises(ValueError, match="spreads") as caught:
                    await broken
                assert caught.value is error

        run(main)

    def test_the_answer_of_a_promise_is_never_a_promise(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            promise, resolver = await vat.run(new_promise)
            inner, decide = await vat.run(new_promise)
            answer = log.wait_for(promise)
            seen = await vat.run(lambda: [on(answer, lambda value: value)])
            await resolver.fulfill(inner)
            await decide.fulfill(9)
            assert await answer == 9
            assert await seen[0] == 9

        run(main)


class TestOn:
    def test_handlers_run_in_the_order_of_registration_each_in_its_own_turn(self, run: Any) -> None:
        seen: list[object] = []

        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            promise, resolver = await vat.run(new_promise)

            def handler(number: int) -> Any:
                def handle(value: object) -> None:
                    seen.append((number, value))
                    near(log.add)(number)
                    if number == 1:
                        raise ValueError

                return handle

            def register() -> list[Any]:
                return [
                    on(promise, handler(n), finally_=lambda n=n: seen.append(("finally", n)))
                    for n in range(3)
                ]

            answers = await vat.run(register)
            assert seen == []
            await resolver.fulfill("v")
            await answers[2]
            with pytest.raises(ValueError):  # noqa: PT011
                await answers[1]
            await vat.run(register)
            await vat.run(lambda: None)
            each = [(0, "v"), ("finally", 0), (1, "v"), ("finally", 1), (2, "v"), ("finally", 2)]
            assert seen == each * 2
            assert await log.get() == (0, 2, 0, 2)

        run(main)

    def test_what_it_returns(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            error = ValueError("x")

            def fail(_: object) -> None:
                raise KeyError("handler")

            async def later(value: int) -> int:
                await asyncio.sleep(0)
                return value + 1

            async def on_(*args: Any, **kwargs: Any) -> object:
                return await vat.run(lambda: on(*args, **kwargs))

            def broken() -> Promise[Any]:
                promise: Promise[Any] = Promise(vat)
                promise._break(error)
                return promise

            assert await on_(1, lambda v: v + 1) == 2
            assert await on_([1], lambda v: [v]) == ((1,),)
            assert await on_(log, lambda v: v) is log
            assert await on_(log.add("x"), lambda v: v) == 1
            assert await on_(5) == 5
            assert await on_(5, catch=fail) == 5
            assert await on_(1, lambda v: log.add(v)) == 2
            assert await on_(1, later) == 2
            assert await on_(1, log.add) == 3
            assert await on_(7, vat.spawn(lambda v: v * 2)) == 14
            assert await on_(broken(), catch=lambda e: str(e)) == "x"
            assert await on_(broken(), fail, catch=lambda e: e) is error
            assert await on_(1, lambda v: on(v, lambda w: on(w + 1))) == 2
            for args, kwargs, expected in [
                ((broken(),), {}, ValueError),
                ((broken(), lambda v: v), {}, ValueError),
                ((1, fail), {}, KeyError),
                ((broken(),), {"catch": fail}, KeyError),
                ((1, lambda v: {v}), {}, TypeError),
                ((1, lambda v: broken()), {}, ValueError),
            ]:
                with pytest.raises(expected):
                    await on_(*args, **kwargs)

        run(main)

    def test_finally_is_told_nothing_and_changes_nothing(self, run: Any, errors: Any) -> None:
        seen: list[object] = []

        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            told = asyncio.Event()

            def tell() -> None:
                seen.append("does not wait")
                told.set()

            async def later() -> None:
                seen.append("async")
                await asyncio.sleep(0)
                seen.append("async done")

            def fail() -> None:
                raise ValueError("in finally_")

            def register() -> list[Any]:
                unresolved, _ = new_promise()
                pending = on(1, lambda _: unresolved, finally_=tell)
                return [pending, on(promise, lambda v: v, finally_=fail), on(promise, finally_=later)]

            _, one, two = await vat.run(register)
            await told.wait()  # where the machine is slow, the vat's slice of time ends before that turn
            assert seen == ["does not wait"]
            await resolver.fulfill(3)
            assert await one == 3
            assert await two == 3
            await vat.run(lambda: None)
            await vat.run(lambda: asyncio.sleep(0))
            assert seen == ["does not wait", "async", "async done"]

        run(main)
        [message] = errors()
        assert "the finally_ handler fail of on()" in message

    def test_outside_of_a_vat_the_promise_brings_one_along(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            seen: list[Vat] = []

            def handle(value: object) -> object:
                seen.append(vat.run(lambda: None)._home)  # type: ignore[arg-type]
                return [value, spawn(Log)]

            assert (await on(log.add(1), handle))[0] == 1
            assert await on(log, lambda v: v) is log
            with pytest.raises(NotInVat, match=r"vat\.run"):
                on(5, print)

        run(main)

    def test_on_a_promise_of_another_thread(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                promise, resolver = await thread.run(new_promise)
                answers = await vat.run(lambda: [on(promise, lambda v: spawn(lambda: v)), on(promise)])
                await resolver.fulfill(4)
                assert await answers[0]() == 4
                assert await answers[1] == 4

        run(main)

    def test_a_stopped_vat_breaks_the_chain_of_handlers(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, _resolver = await vat.run(new_promise)

            def register() -> Any:
                chain = promise
                for _ in range(10_000):
                    chain = on(chain, lambda v: v, finally_=lambda: None)
                return [chain]

            [end] = await vat.run(register)
            vat.stop()
            promise._resolve(1)
            with pytest.raises(VatStopped):
                await end

        run(main)


class TestUnheard:
    @pytest.mark.parametrize("where", ["outside", "turn"])
    def test_it_is_logged_once_with_its_source(
        self, run: Any, errors: Any, caplog: pytest.LogCaptureFixture, where: str
    ) -> None:
        line = 0

        async def main(vat: Vat) -> None:
            nonlocal line
            log = vat.spawn(Log)

            def sends() -> None:
                nonlocal line
                line = line_here() + 1
                log.fail("nobody listens")

            sends() if where == "outside" else await vat.run(sends)
            await log.get()
            # At once, without the help of the collector.
            assert len(caplog.records) == 1

        run(main)
        [message] = errors()
        assert f'sent from "{__file__}", line {line}, in sends' in message
        [record] = caplog.records
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None
        assert str(record.exc_info[1]) == "nobody listens"
        assert "in fail" in caplog.text

    @pytest.mark.parametrize(
        "how", ["send", "send_only", "call", "run", "on", "pipelined", "new_promise", "keywords"]
    )
    def test_every_way_of_sending_names_its_line(self, run: Any, errors: Any, how: str) -> None:
        line = 0

        async def main(vat: Vat) -> None:
            nonlocal line
            log = vat.spawn(Log)

            def fail(_: object = None) -> None:
                raise ValueError

            fails = vat.spawn(fail)

            def sends() -> None:
                nonlocal line
                match how:
                    case "send":
                        line = line_here() + 1
                        send(log, "fail")
                    case "send_only":
                        line = line_here() + 1
                        send_only(log.fail)()
                    case "call":
                        line = line_here() + 1
                        fails()
                    case "run":
                        line = line_here() + 1
                        vat.run(fail)
                    case "on":
                        line = line_here() + 1
                        on(1, fail)
                    case "new_promise":
                        line = line_here() + 1
                        send_only(new_promise()[1].break_)("x")
                    case "keywords":
                        line = line_here() + 1
                        log.fail(text="x")
                    case _:
                        line = line_here() + 1
                        log.get().me()

            await vat.run(sends)
            await log.get()
            await vat.run(lambda: None)

        run(main)
        [message] = errors()
        assert f'", line {line}, in sends' in message
        what = {
            "send": "nobody awaited <Ref Log>()",  # text in front is as likely an argument: not shown
            "send_only": "unheard failure of <Ref Log>.fail()",
            "call": "nobody awaited <Ref fail>()",
            "run": "nobody awaited fail()",
            "on": "nobody awaited on()",
            "new_promise": "nobody awaited new_promise()",
            "pipelined": "nobody awaited me()",
        }
        assert message.startswith(what.get(how, "nobody awaited <Ref Log>.fail()") + ", sent from")

    @pytest.mark.parametrize("how", ["async", "thread", "unknown", "broken", "call", "bare"])
    def test_the_report_names_the_call(self, run: Any, errors: Any, how: str) -> None:
        class Slow(Actor):
            @method
            async def boom(self) -> None:
                await asyncio.sleep(0)
                raise ValueError

            @method
            def __call__(self) -> None:
                raise ValueError

        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                slow: Any = (thread if how == "thread" else vat).spawn(Slow)
                promise: Any = Promise(vat)
                promise._break(ValueError())
                match how:
                    case "unknown":
                        slow.unknown()
                    case "broken":
                        promise.boom()
                    case "call":
                        slow()
                    case "bare":
                        vat.send(slow, (), None)
                    case _:
                        slow.boom()
                for _ in range(3):
                    await thread.run(lambda: None)
                    await vat.run(lambda: asyncio.sleep(0))
                promise._heard = True

        run(main)
        [message] = errors()
        expected = {
            "unknown": "nobody awaited <Ref Slow>.unknown(), sent",
            "broken": "nobody awaited <Promise broken>.boom(), sent",
            "call": "nobody awaited <Ref Slow>(), sent",
            "bare": "nobody awaited a promise that broke",
        }
        assert message.startswith(expected.get(how, "nobody awaited <Ref Slow>.boom(), sent"))

    def test_the_report_of_a_promise_does_not_keep_the_target(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            log: Any = vat.spawn(Log)
            watched = weakref.ref(log)
            promise = log.fail()
            await log.get()
            # Not even the frames of the failure do.
            promise._value.__traceback__ = promise._trace = None
            del log
            await vat.run(lambda: None)
            assert watched() is None

        run(main)
        [message] = errors()
        assert message.startswith("nobody awaited <Ref Log>.fail(), sent")

    def test_an_actor_is_not_asked_for_its_name(self, run: Any, errors: Any) -> None:
        class Nosy(Actor):
            def __getattr__(self, name: str) -> Any:
                raise RuntimeError(f"asked for {name}")

            @method
            def fail(self) -> None:
                raise ValueError

        async def main(vat: Vat) -> None:
            nosy = vat.spawn(Nosy)
            assert repr(nosy) == "<Ref Nosy>"
            nosy.fail()
            await vat.run(lambda: None)

        run(main)
        [message] = errors()
        assert message.startswith("nobody awaited <Ref Nosy>.fail(), sent")

    def test_one_failure_of_a_pipeline_is_one_report(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            vat.spawn(Log).fail().me().me().add(1)
            await vat.run(lambda: None)
            await vat.run(lambda: None)

        run(main)
        assert len(errors()) == 1

    def test_a_send_only_that_waits_for_what_breaks_is_reported(self, run: Any, errors: Any) -> None:
        line = 0

        async def main(vat: Vat) -> None:
            nonlocal line
            promise, resolver = await vat.run(new_promise)
            line = line_here() + 1
            send_only(promise.add)(1)
            await resolver.break_("gone")
            with pytest.raises(BrokenPromise):
                await promise

        run(main)
        [message] = errors()
        assert f"line {line}, in main" in message
        assert ".add()" in message

    @pytest.mark.parametrize(
        "how", ["awaited", "on", "followed", "pipelined", "cancelled", "elsewhere", "result"]
    )
    def test_what_somebody_listens_to_is_not_reported(self, run: Any, errors: Any, how: str) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            promise = log.fail()
            match how:
                case "awaited":
                    with pytest.raises(ValueError, match="no"):
                        await promise
                case "on":
                    await on(promise, catch=lambda e: None)
                case "followed":
                    other, resolver = await vat.run(new_promise)
                    await resolver.fulfill(promise)
                    await on(other, catch=lambda e: None)
                case "pipelined":
                    with pytest.raises(ValueError, match="no"):
                        await promise.me().me()
                case "cancelled":
                    pending, resolver = await vat.run(new_promise)
                    task = asyncio.ensure_future(pending)
                    await asyncio.sleep(0)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                    await resolver.break_("too late")
                    await on(promise, catch=lambda e: None)
                case "elsewhere":
                    async with VatThread() as thread:

                        async def listen() -> None:
                            with pytest.raises(ValueError, match="no"):
                                await promise

                        await thread.run(listen)
                case _:
                    with pytest.raises(ValueError, match="no"):
                        await vat.run(lambda: promise)

        run(main)
        assert errors() == []

    def test_a_promise_that_is_broken_and_kept_is_not_reported_yet(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            promise = log.fail()
            await log.get()
            assert errors() == []
            with pytest.raises(ValueError, match="no"):
                await promise

        run(main)
        assert errors() == []


class TestAwaiting:
    @pytest.mark.parametrize("kind", ["one promise", "many promises"])
    def test_awaiting_again_does_not_grow_the_traceback(self, run: Any, kind: str) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            promise = log.fail()
            promises = [promise.add(n) for n in range(50)] if kind == "many promises" else [promise] * 50
            lengths: list[int] = []
            for each in promises:
                try:
                    await each
                except ValueError as error:
                    lengths.append(len(traceback.extract_tb(error.__traceback__)))
                    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
                    assert names[0] == "main"
                    assert names[-1] == "fail"
            assert lengths == [lengths[0], *[lengths[-1]] * 49]  # the first may have waited

        run(main)

    def test_from_many_tasks_and_threads_at_once(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)

            async def wait() -> object:
                return await promise

            async with VatThread("one") as one, VatThread("two") as two:
                waiting = [v.run(wait) for v in (vat, one, two) for _ in range(20)]
                waiting += [asyncio.ensure_future(wait()) for _ in range(20)]
                await resolver.fulfill("all")
                assert [await each for each in waiting] == ["all"] * 80
                assert await two.run(wait) == "all"

        run(main)

    @pytest.mark.parametrize("place", ["here", "elsewhere"])
    @pytest.mark.parametrize("how", ["cancel", "timeout", "close"])
    def test_a_cancelled_await_leaves_no_listener(self, run: Any, place: str, how: str) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                home = vat if place == "here" else thread
                promise, resolver = await home.run(new_promise)
                kept = asyncio.ensure_future(promise)
                await asyncio.sleep(0)  # it asks to listen,
                await home.run(lambda: None)  # and does so from here on

                async def wait() -> None:
                    await promise

                for _ in range(10):
                    if how == "close":
                        coroutine = wait()
                        coroutine.send(None)
                        coroutine.close()
                    elif how == "cancel":
                        task = asyncio.create_task(wait())
                        await asyncio.sleep(0)
                        task.cancel()
                        with pytest.raises(asyncio.CancelledError):
                            await task
                    else:
                        with pytest.raises(TimeoutError):
                            await asyncio.wait_for(wait(), 0.001)
                await home.run(lambda: None)
                assert len(promise._listeners or []) == 1
                await resolver.fulfill(1)
                assert await kept == 1

        run(main)

    def test_a_task_that_nobody_holds_gets_its_answer(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            seen: list[object] = []

            async def wait() -> None:
                seen.append(await promise)

            asyncio.create_task(wait())  # noqa: RUF006 - that is the point
            asyncio.ensure_future(promise).add_done_callback(lambda done: seen.append(done.result()))
            await asyncio.sleep(0)
            gc.collect()
            await resolver.fulfill("there")
            while len(seen) < 2:  # noqa: ASYNC110 - what comes next, comes through the loop
                await asyncio.sleep(0)
            assert seen == ["there", "there"]

        run(main)

    def test_settled_and_cancelled_at_once(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            task = asyncio.ensure_future(promise)
            await asyncio.sleep(0)
            await vat.run(lambda: [near(resolver.fulfill)(1), task.cancel()][:0])
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await promise == 1

        run(main)

    def test_a_reason_that_no_coroutine_can_raise(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            waiting = [asyncio.ensure_future(promise) for _ in range(2)]
            await asyncio.sleep(0)
            await resolver.break_(StopIteration("over"))
            for each in (*waiting, promise):
                with pytest.raises(RuntimeError, match="StopIteration") as caught:
                    await each
                assert isinstance(caught.value.__cause__, StopIteration)

        run(main)

    def test_a_failure_that_comes_as_the_task_is_cancelled_is_not_logged_by_the_loop(
        self, run: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            task = asyncio.ensure_future(promise)
            await asyncio.sleep(0)
            await vat.run(lambda: [near(resolver.break_)(ValueError("no")), task.cancel()][:0])
            with pytest.raises(asyncio.CancelledError):
                await task

        run(main)
        gc.collect()
        assert not caplog.records

    def test_gather_wait_for_shield_and_as_completed(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            assert await asyncio.gather(log.add("a"), log.add("b"), log) == [1, 2, log]
            assert await asyncio.wait_for(log.add("c"), 60) == 3
            assert await asyncio.shield(asyncio.ensure_future(log.add("d"))) == 4
            results = await asyncio.gather(log.fail(), log.get(), return_exceptions=True)
            assert isinstance(results[0], ValueError)
            done, pending = await asyncio.wait([asyncio.ensure_future(log.add("e"))], timeout=60)
            assert [await each for each in done] == [5]
            assert not pending

        run(main)
