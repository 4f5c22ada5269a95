"""What is given out in place of an object: facets, revocable, rate limited and swappable references."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Symbol, Vat, method, send
from hobgoblin.actors import (
    Cell,
    Counter,
    facet,
    new_pushdown,
    new_swappable,
    rate_limited,
    revocable,
)

Run = Callable[[Any], None]


class Door(Actor):
    def __init__(self) -> None:
        self.calls: tuple[str, ...] = ()

    @method
    def open_wide(self) -> str:
        self.calls += ("open",)
        return "open"

    @method
    def lock(self) -> str:
        self.calls += ("lock",)
        return "locked"

    @method("exactName")
    def exact(self) -> str:
        return "exact"

    @method
    def who(self) -> "Door":
        return self

    @method
    def seen(self) -> tuple[str, ...]:
        return self.calls


class Opens(Actor):
    @method
    def open_wide(self) -> str: ...  # type: ignore[empty-body]


class Echo(Actor):
    @method
    def __call__(self, *args: object) -> object:
        return args

    @method
    def wipe(self) -> str:
        return "wiped"


def test_a_facet_lets_the_named_methods_through_however_they_are_spelled(run: Run) -> None:
    async def main(vat: Vat) -> None:
        door = vat.spawn(Door)
        for opener in (facet(door, "open_wide"), facet(door, "open-wide"), facet(door, Opens)):
            assert await opener.open_wide() == "open"
            assert await send(opener, Symbol("open_wide")) == "open"
            assert await send(opener, "open-wide") == "open"  # as Endo writes it
        assert await facet(door, "exactName").exactName() == "exact"

    run(main)


@pytest.mark.parametrize(
    "args",
    [
        (Symbol("lock"),),
        ("lock",),
        (),
        (1,),
        (None,),
        (Symbol("__init__"),),
        (Symbol("calls"),),
        (Symbol("open_wide "),),
        (hob.values.Keyword("lock"), 1),
        (Symbol(""),),
    ],
)
def test_a_facet_lets_nothing_else_through(run: Run, args: tuple[object, ...]) -> None:
    async def main(vat: Vat) -> None:
        door = vat.spawn(Door)
        with pytest.raises(hob.NoSuchMethod):
            await send(facet(door, Opens), *args)
        assert await door.seen() == ()

    run(main)


def test_text_in_front_names_a_method_and_is_never_data_for_a_call(run: Run) -> None:
    async def main(vat: Vat) -> None:
        echo = vat.spawn(Echo)
        assert await facet(echo, "wipe").wipe() == "wiped"
        assert await send(facet(echo, "wipe"), "wipe") == "wiped"  # and not echo("wipe")
        called = facet(echo, "__call__")
        assert await called("wipe") == ("wipe",)
        with pytest.raises(hob.NoSuchMethod):
            await send(called, Symbol("wipe"))

    run(main)


def test_a_facet_of_a_function_can_be_called(run: Run) -> None:
    async def main(vat: Vat) -> None:
        double = vat.spawn(lambda x: 2 * x)
        assert await facet(double, "__call__")(4) == 8

    run(main)


def test_a_facet_keeps_order_and_pipelines_to_another_machine(run: Run, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near, far):
            door = near.enliven(far.publish(far.spawn(Door)), Door)
            both = facet(door, "open_wide", "lock", "seen", "who")
            uri = near.publish(both)
            answers = [both.open_wide(), both.lock(), both.who().lock(), both.who().seen()]
            assert await answers[-1] == ("open", "lock", "lock")
            # And back again: the facet is an object here, the door is there.
            there = far.enliven(uri, Door)
            assert await there.open_wide() == "open"
            with pytest.raises(hob.Refused, match="no method"):
                await send(there, Symbol("exactName"))

    run(main)


@pytest.mark.parametrize("names", [(), ("_secret",), ("__class__",), (3,), (str,)])
def test_a_facet_of_nothing_is_a_mistake(run: Run, names: tuple[Any, ...]) -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(TypeError):
            facet(vat.spawn(Door), *names)
        with pytest.raises(TypeError):
            facet("door", "lock")  # type: ignore[call-overload]

    run(main)


def test_an_actor_makes_facets_of_itself(run: Run) -> None:
    class Shop(Door):
        @method
        def entrance(self) -> Opens:
            return facet(self, Opens)

    async def main(vat: Vat) -> None:
        assert await vat.spawn(Shop).entrance().open_wide() == "open"

    run(main)


def test_revoked_a_reference_refuses_and_lets_go(run: Run) -> None:
    async def main(vat: Vat) -> None:
        door = vat.spawn(Door)
        lent, revoker = await vat.run(revocable, door)
        due = lent.open_wide()
        await revoker.revoke()
        await revoker.revoke()
        assert await due == "open"
        with pytest.raises(hob.Refused, match="revoked"):
            await lent.open_wide()
        gone = weakref.ref(door)
        del door, due
        gc.collect()
        assert gone() is None

    run(main)


def test_a_turn_that_fails_revokes_nothing(run: Run) -> None:
    async def main(vat: Vat) -> None:
        lent, revoker = await vat.run(revocable, vat.spawn(Door))

        def fail() -> None:
            hob.near(revoker.revoke)()
            raise hob.Refused("undone")

        with pytest.raises(hob.Refused, match="undone"):
            await vat.run(fail)
        assert await lent.open_wide() == "open"

    run(main)


def test_in_a_turn_a_swap_stands_in_line_with_the_sends(run: Run) -> None:
    async def main(vat: Vat) -> None:
        first, second = vat.spawn(Counter), vat.spawn(Counter, 10)
        current, swapper = await vat.run(new_swappable, first)

        def both() -> tuple[object, object]:
            before = current.add()
            hob.near(swapper.swap)(second)
            return before, current.add()

        before, after = await vat.run(both)
        assert (await before, await after) == (1, 11)

    run(main)


def test_one_may_swap_for_a_promise_and_for_an_object_elsewhere(run: Run, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near, far):
            current, swapper = await near.vat.run(new_swappable, near.spawn(Cell, "near"))
            await swapper.swap(near.enliven(far.publish(far.spawn(Cell, "far")), Cell))
            assert await current.get() == "far"
            with pytest.raises(hob.BadArguments):
                await swapper.swap(3)

    run(main)


def test_swapping_in_a_circle_breaks_the_message_and_nothing_else(run: Run) -> None:
    async def main(vat: Vat) -> None:
        one, swap_one = await vat.run(new_swappable, vat.spawn(Cell, 1))
        two, swap_two = await vat.run(new_swappable, one)
        await swap_one.swap(two)
        with pytest.raises(hob.Refused, match="circle"):
            await one.get()
        promise, resolver = await vat.run(hob.new_promise)
        await swap_one.swap(promise)
        waiting = two.get()
        await resolver.fulfill(two)
        with pytest.raises(hob.Refused, match="circle"):
            await waiting
        await swap_two.swap(vat.spawn(Cell, "out of it"))
        assert await one.get() == "out of it"

    run(main)


def test_a_pile_of_facets_does_not_exhaust_the_stack(run: Run) -> None:
    async def main(vat: Vat) -> None:
        reference = vat.spawn(Door)
        for _ in range(10_000):
            reference = facet(reference, "open_wide")
        with pytest.raises(hob.Refused, match="too many forwarders"):
            await reference.open_wide()

    run(main)


def test_the_top_of_a_stack_answers_and_a_failed_turn_leaves_the_stack(run: Run) -> None:
    async def main(vat: Vat) -> None:
        top, stack = await vat.run(new_pushdown)
        with pytest.raises(hob.Refused, match="nothing on the stack"):
            await top.get()
        with pytest.raises(hob.Refused, match="is empty"):
            await stack.pop()
        await stack.push(vat.spawn(Cell, 1))

        def fail() -> None:
            hob.near(stack.push)(vat.spawn(Cell, 2))
            raise hob.Refused("undone")

        with pytest.raises(hob.Refused, match="undone"):
            await vat.run(fail)
        assert (await top.get(), await stack.depth()) == (1, 1)
        popped = await stack.pop()
        assert await popped.get() == 1

    run(main)


def test_a_stack_is_bounded(run: Run) -> None:
    async def main(vat: Vat) -> None:
        _, stack = await vat.run(lambda: new_pushdown(limit=2))
        cell = vat.spawn(Cell, 1)
        await stack.push(cell)
        await stack.push(cell)
        with pytest.raises(hob.Refused, match="full"):
            await stack.push(cell)

    run(main)


def test_a_rate_limit_refuses_until_time_has_passed(run: Run) -> None:
    async def main(vat: Vat) -> None:
        now = 0.0
        counter = vat.spawn(Counter)
        scarce = rate_limited(counter, per_second=2, burst=3, clock=lambda: now)

        async def count(calls: int) -> int:
            let = 0
            for _ in range(calls):
                try:
                    await scarce.add()
                    let += 1
                except hob.Refused:
                    pass
            return let

        assert await count(5) == 3
        now = 1.0
        assert await count(5) == 2
        now = 0.5  # a clock that goes back
        assert await count(5) == 0
        now = 1000.0
        assert await count(5) == 3
        assert await counter.value() == 8

    run(main)


def test_a_rate_limit_counts_the_messages_of_all_threads(run: Run) -> None:
    async def main(vat: Vat) -> None:
        counter = vat.spawn(Counter)
        scarce = await vat.run(lambda: rate_limited(counter, per_second=1e-6, burst=10))

        async def hammer() -> int:
            refused = 0
            for _ in range(20):
                try:
                    await scarce.add()
                except hob.Refused:
                    refused += 1
            return refused

        with hob.VatThread("one") as one, hob.VatThread("two") as two:
            answers = one.run(hammer), two.run(hammer)
            assert await answers[0] + await answers[1] == 30
        assert await counter.value() == 10

    run(main)


def test_a_rate_limit_takes_the_clock_of_a_simulation() -> None:
    async def program(sim: hob.testing.Simulation) -> None:
        import asyncio

        peer = await sim.peer("one")
        scarce = await peer.vat.run(lambda: rate_limited(peer.spawn(Counter), per_second=1))
        assert await scarce.add() == 1
        with pytest.raises(hob.Refused):
            await scarce.add()
        await asyncio.sleep(1)
        assert await scarce.add() == 2

    hob.testing.Simulation(1).run(program)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (float("inf"), 1), (1, 0.5)])
def test_a_rate_limit_that_makes_no_sense_is_a_mistake(run: Run, rate: float, burst: float) -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(ValueError, match=r"per_second|burst"):
            rate_limited(vat.spawn(Counter), per_second=rate, burst=burst)

    run(main)


def test_what_needs_a_vat_says_so(run: Run) -> None:
    async def main(vat: Vat) -> None:
        door = vat.spawn(Door)
        for make in (revocable, new_swappable):
            with pytest.raises(hob.NotInVat, match=r"vat\.run"):
                make(door)

    run(main)


def test_outside_of_vats_a_forwarder_sends_from_the_vat_of_its_target(run: Run) -> None:
    async def main(vat: Vat) -> None:
        counter = vat.spawn(Counter)
        adder = facet(facet(counter, "add"), "add")
        hob.send_only(adder.add)(3)
        assert await adder.add() == 4

    run(main)
