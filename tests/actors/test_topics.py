"""Topics and tickers: subscribers that are slow, gone, hostile, or many."""

import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Symbol, Vat, method, near, new_promise
from hobgoblin.actors import Ticker, new_topic

Run = Callable[[Any], None]
Settle = Callable[..., Awaitable[None]]


class Listener(Actor):
    def __init__(self) -> None:
        self.heard: tuple[Any, ...] = ()

    @method
    def hear(self, *event: Any) -> None:
        self.heard += event

    @method
    def all(self) -> tuple[Any, ...]:
        return self.heard

    @method
    def wipe(self) -> None:
        self.heard = ("wiped",)


class Slow(Listener):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.due: tuple[Any, ...] = ()

    @method
    def hear(self, *event: Any) -> Any:
        self.heard += event
        promise, resolver = new_promise()
        self.due += (resolver,)
        return promise

    @method
    def answer(self) -> None:
        due, self.due = self.due, ()
        for resolver in due:
            near(resolver.fulfill)()


class Last(Actor):
    """Hears one event and ends everything."""

    def __init__(self, vat: Vat) -> None:
        self.vat = vat

    @method
    def hear(self, event: int) -> None:
        self.vat.stop()


def test_a_vat_that_stops_before_an_answer_is_counted_says_nothing(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(vat: Vat) -> None:
        publisher, subscribers = await vat.run(new_topic)
        await subscribers.subscribe(vat.spawn(Last, vat), "hear")
        await publisher.publish(1)
        with pytest.raises(hob.VatStopped):
            await publisher.publish(2)
        gc.collect()

    run(main)
    assert caplog.messages == []


def test_subscribers_hear_everything_in_its_order(run: Run, settle: Settle, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near_, far):
            publisher, subscribers = await near_.vat.run(new_topic)
            here, there = near_.spawn(Listener), far.spawn(Listener)
            topic = far.enliven(near_.publish(subscribers), hob.actors.Subscribers)
            await subscribers.subscribe(here, "hear")
            subscription = await topic.subscribe(there, "hear")
            for event in range(50):
                assert await publisher.publish(event) == 2
            await settle(near_.vat, far.vat)
            assert await here.all() == await there.all() == tuple(range(50))
            await subscription.cancel()
            await subscription.cancel()
            assert await publisher.publish("late") == 1
            with pytest.raises(hob.Refused, match="no method"):
                await topic.publish("not mine")  # type: ignore[attr-defined]

    run(main)


def test_a_slow_subscriber_hears_the_latest_and_costs_no_more_than_its_share(
    run: Run, settle: Settle
) -> None:
    async def main(vat: Vat) -> None:
        publisher, subscribers = await vat.run(lambda: new_topic(window=2, backlog=3))
        slow, quick = vat.spawn(Slow), vat.spawn(Listener)
        subscription = await subscribers.subscribe(slow, "hear")
        await subscribers.subscribe(quick, "hear")
        for event in range(10):
            await publisher.publish(event)
        await settle(vat)
        assert await slow.all() == (0, 1)
        assert await quick.all() == tuple(range(10))
        assert await subscription.missed() == 5
        for _ in range(3):
            await slow.answer()
            await settle(vat)
        assert await slow.all() == (0, 1, 7, 8, 9)
        await publisher.publish(10)
        await settle(vat)
        assert await slow.all() == (0, 1, 7, 8, 9, 10)

    run(main)


def test_severed_subscribers_are_dropped(run: Run, settle: Settle, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near_, far):
            publisher, subscribers = await near_.vat.run(new_topic)
            topic = far.enliven(near_.publish(subscribers), hob.actors.Subscribers)
            for _ in range(3):
                await topic.subscribe(far.spawn(Slow), "hear")
            mine = near_.spawn(Listener)
            await subscribers.subscribe(mine, "hear")
            assert await publisher.publish("before") == 4
            await far.close()
            await settle(near_.vat)
            assert await publisher.publish("after") == 1
            assert await mine.all() == ("before", "after")

    run(main)


def test_subscribers_of_stopped_vats_are_dropped_when_they_are_told(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        other = hob.spawn_vat("other")
        publisher, subscribers = await vat.run(new_topic)
        await subscribers.subscribe(other.spawn(Listener), "hear")
        await subscribers.subscribe(other.run(lambda: hob.spawn(Listener)), "hear")
        await settle(other)
        other.stop()
        assert await publisher.publish("to nobody") == 2
        await settle(vat)
        assert await publisher.publish("to nobody") == 0

    run(main)


def test_a_subscriber_that_fails_is_told_all_the_same(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        publisher, subscribers = await vat.run(lambda: new_topic(window=1, backlog=5))
        told: list[int] = []

        def fails(event: int) -> None:
            told.append(event)
            raise (hob.Refused, hob.SessionSevered, hob.VatStopped)[event]("of somebody else's")

        await subscribers.subscribe(vat.spawn(fails))
        for event in range(3):
            await publisher.publish(event)
        await settle(vat)
        assert told == [0, 1, 2]

    run(main)


def test_a_publisher_can_not_choose_what_is_called(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        publisher, subscribers = await vat.run(new_topic)
        listener = vat.spawn(Listener)
        await subscribers.subscribe(listener, "hear")
        await publisher.publish("wipe")
        with pytest.raises(hob.BadArguments, match="symbol"):
            await publisher.publish(Symbol("wipe"))
        await settle(vat)
        assert await listener.all() == ("wipe",)

    run(main)


def test_a_turn_that_fails_publishes_and_subscribes_nothing(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        publisher, subscribers = await vat.run(new_topic)
        listener = vat.spawn(Listener)

        def fail() -> None:
            near(subscribers.subscribe)(listener, "hear")
            near(publisher.publish)("undone")
            raise hob.Refused("undone")

        with pytest.raises(hob.Refused, match="undone"):
            await vat.run(fail)
        await settle(vat)
        assert await publisher.publish("x") == 0
        assert await listener.all() == ()

    run(main)


def test_there_are_only_so_many_subscribers(run: Run) -> None:
    async def main(vat: Vat) -> None:
        publisher, subscribers = await vat.run(lambda: new_topic(limit=2))
        first = await subscribers.subscribe(vat.spawn(Listener), "hear")
        await subscribers.subscribe(vat.spawn(Listener), "hear")
        with pytest.raises(hob.Refused, match="too many"):
            await subscribers.subscribe(vat.spawn(Listener), "hear")
        await first.cancel()
        await subscribers.subscribe(vat.spawn(Listener), "hear")
        for subscriber, verb in ((3, None), (vat.spawn(Listener), 3)):
            with pytest.raises(hob.BadArguments):
                await subscribers.subscribe(subscriber, verb)  # type: ignore[arg-type]
        assert await publisher.publish("x") == 2
        with pytest.raises(ValueError, match="limit and window"):
            await vat.run(lambda: new_topic(window=0))

    run(main)


def test_a_topic_that_is_dropped_leaves_nothing_with_the_session(
    run: Run, settle: Settle, peers: Any
) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near_, far):
            listener = near_.enliven(far.publish(far.spawn(Listener)), Listener)
            await listener.all()
            publisher, subscribers = await near_.vat.run(new_topic)
            subscription = await subscribers.subscribe(listener, "hear")
            gone = weakref.ref(publisher), weakref.ref(subscription)
            (connection,) = near_.connections
            assert len(connection._watchers) == 1
            del publisher, subscribers, subscription
            await settle(near_.vat, far.vat)
            gc.collect()
            assert [ref() for ref in gone] == [None, None]
            assert len(connection._watchers) == 0

    run(main)


def test_members_of_a_ticker_move_in_step_and_newcomers_with_the_next_tick(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        ticker = vat.spawn(Ticker)
        first, slow = vat.spawn(Listener), vat.spawn(Slow)
        leaving = await ticker.join(first, "hear")
        membership = await ticker.join(slow, "hear")

        def newcomer(number: int) -> None:
            joined.append(ticker.join(late, "hear"))

        late, joined = vat.spawn(Listener), list[Any]()
        await ticker.join(vat.spawn(newcomer))
        assert await ticker.tick(1) == 3
        await settle(vat)
        assert await ticker.tick(2) == 4
        await settle(vat)
        assert await late.all() == (2,)
        assert await slow.all() == (1,)  # has not answered yet
        assert await membership.missed() == 1
        await slow.answer()
        await leaving.cancel()
        await settle(vat)
        await ticker.tick(3)
        await settle(vat)
        assert (await slow.all(), await first.all()) == ((1, 3), (1, 2))

    run(main)
