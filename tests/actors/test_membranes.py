"""Membranes: what crosses, in which form, and what is left when they are revoked."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from random import Random
from types import MappingProxyType
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Promise, Symbol, Tagged, Vat, drained, method, near, new_promise, send_only
from hobgoblin.actors import Cell, Revoker, membrane, new_swappable
from hobgoblin.refs import Message
from hobgoblin.values import SyrupSet

Run = Callable[[Any], None]


class Vault(Actor):
    """Keeps whatever it is given, and gives out the same."""

    def __init__(self) -> None:
        self.things: tuple[Any, ...] = ()
        self.promise: Any = None
        self.resolver: Any = None
        self.told: tuple[Any, ...] = ()

    @method
    def put(self, *things: Any) -> int:
        self.things += things
        return len(self.things)

    @method
    def get(self, index: int) -> Any:
        return self.things[index]

    @method
    def all(self) -> Any:
        return self.things

    @method
    def is_(self, index: int, thing: Any) -> bool:
        return self.things[index] is thing

    @method
    def child(self) -> "Vault":
        return hob.spawn(Vault)

    @method
    def me(self) -> "Vault":
        return self

    @method
    def ask(self, other: Any, *args: Any) -> Any:
        return other.put(*args)

    @method
    def call(self, function: Any, *args: Any) -> Any:
        return function(*args)

    @method
    def later(self) -> Any:
        self.promise, self.resolver = new_promise()
        return self.promise

    @method
    def decide(self, value: Any) -> None:
        self.resolver.fulfill(value)

    @method
    def fail(self, error: Any = None) -> None:
        raise hob.Refused("not today") if error is None else hob.BrokenPromise(error)

    @method
    def carry(self) -> None:
        error = hob.Refused("carries something")
        error.thing = hob.spawn(Vault)  # type: ignore[attr-defined]
        raise error

    @method
    def carry_strange(self) -> None:
        raise hob.Refused("carries something", object())


async def wrapped_vault(vat: Vat) -> tuple[Vault, Vault, Revoker]:
    vault = vat.spawn(Vault)
    wrapped, revoker = await vat.run(membrane, vault)
    return vault, wrapped, revoker


def test_what_comes_out_is_wrapped_and_unwrapped_on_its_way_back(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        inner = await vault.child()
        await vault.put(inner)
        seen = await wrapped.get(0)
        assert seen is not inner
        assert await wrapped.get(0) is seen
        assert await wrapped.me() is wrapped
        assert await wrapped.is_(0, seen) is True
        assert await wrapped.is_(0, inner) is False  # came by another way: wrapped from the outside
        assert await seen.put(1, 2) == 2

    run(main)


def test_what_goes_in_is_wrapped_and_unwrapped_on_its_way_out(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        mine = vat.spawn(Vault)
        await wrapped.put(mine)
        assert await vault.get(0) is not mine
        assert await wrapped.get(0) is mine
        assert await wrapped.is_(0, mine) is True
        # Called from the inside, with an object of the inside: it arrives wrapped.
        inner = await vault.child()
        await vault.put(inner)
        await vault.ask(await vault.get(0), inner)
        arrived = await mine.get(0)
        assert arrived is not inner
        assert arrived is await wrapped.get(1)

    run(main)


def test_it_looks_into_everything_that_can_hold_a_reference(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        inner = await vault.child()
        plain = (1, "text", b"bytes", None, 1.5, True, hob.NULL, hob.Symbol("s"), hob.ErrorValue("e"))
        record = hob.Record(hob.Symbol("label"), (inner,))
        await vault.put([inner, {"deep": [Tagged("tag", {"er": inner})]}], plain, record)
        (one, struct), same, labelled = await wrapped.all()
        assert labelled.fields[0] is one
        assert one is not inner
        assert struct["deep"][0].value["er"] is one
        assert same == plain
        assert isinstance(struct, MappingProxyType)

    run(main)


def test_failures_cross_and_carry_nothing_with_them(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        inner = await vault.child()
        await vault.put(inner)
        with pytest.raises(hob.Refused, match="not today"):
            await wrapped.fail()
        with pytest.raises(hob.BrokenPromise) as broken:
            await wrapped.fail(await wrapped.get(0))
        assert broken.value.reason is await wrapped.get(0)
        for failing in (wrapped.carry(), wrapped.carry_strange()):
            with pytest.raises(hob.BrokenPromise) as opaque:
                await failing
            assert opaque.value.reason == "Refused"
            assert not hasattr(opaque.value, "thing")

    run(main)


def test_functions_cross_as_what_they_are(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        got: list[Any] = []

        def callback(thing: Any) -> Any:
            got.append(thing)
            return thing

        inner = await vault.child()
        await vault.put(inner)
        seen = await wrapped.get(0)
        assert await wrapped.call(vat.spawn(callback), seen) is seen
        assert got == [seen]

    run(main)


def test_promises_cross_both_ways_and_pipeline(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        promise = wrapped.later()
        first, second = promise.put("one"), promise.put("two")
        await drained(promise)  # the way leads to a queue in this process: there is room
        inner = await vault.child()
        await vault.decide(inner)
        assert (await first, await second) == (1, 2)
        assert await promise is not inner
        assert await inner.all() == ("one", "two")
        # Sent on the same promise after it has settled: behind the others.
        assert await promise.put("three") == 3

        mine, resolver = await vat.run(new_promise)
        await wrapped.put(mine)
        held = vault.ask(vault.get(0), "early")
        target = vat.spawn(Vault)
        await resolver.fulfill(target)
        assert await held == 1
        assert await target.all() == ("early",)

    run(main)


def test_a_promise_is_wrapped_once_and_comes_back_as_itself(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        mine, resolver = await vat.run(new_promise)
        held: list[Any] = []

        def hold(promise: Any, again: Any) -> bool:
            held.append(promise)
            return promise is again

        await vault.put(vat.spawn(hold))
        assert await wrapped.call(await wrapped.get(0), mine, mine) is True
        (inside,) = held
        assert inside is not mine
        back: list[Any] = []
        await vault.call(await wrapped_seen_inside(vault, wrapped, vat.spawn(back.append)), inside)
        assert back == [mine]
        await resolver.fulfill("done")
        assert await inside == "done"

    run(main)


async def wrapped_seen_inside(vault: Vault, wrapped: Vault, thing: Any) -> Any:
    """Return the reference under which the inside knows ``thing`` of the outside."""
    count = await wrapped.put(thing)
    return await vault.get(count - 1)


def test_parts_of_a_promise_cross_wrapped(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        inner = await vault.child()
        promise: Any = wrapped.later()
        part = promise["field"][0]
        answer = part.put("x")
        await vault.decide({"field": [inner]})
        assert await answer == 1
        assert await part is not inner

    run(main)


def test_revoked_it_refuses_everything_that_ever_crossed(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, revoker = await wrapped_vault(vat)
        mine = vat.spawn(Vault)
        await wrapped.put(mine)
        mine_inside = await vault.get(0)
        child = await wrapped.child()
        due, settled = wrapped.later(), wrapped.child()
        await settled.put(1)  # by way of the promise
        await revoker.revoke()
        with pytest.raises(hob.Refused, match="revoked"):
            await due
        for dead in (wrapped, child, settled, mine_inside, due):
            with pytest.raises(hob.Refused, match="revoked"):
                await dead.all()
        await revoker.revoke()
        # Each side goes on by itself, and a late answer goes nowhere.
        await vault.decide("late")
        assert await mine.put(1) == 1
        assert await vault.put(1) == 2

    run(main)


def test_a_turn_that_fails_does_not_revoke_it(run: Run) -> None:
    async def main(vat: Vat) -> None:
        _, wrapped, revoker = await wrapped_vault(vat)

        def fail() -> None:
            near(revoker.revoke)()
            raise hob.Refused("undone")

        with pytest.raises(hob.Refused, match="undone"):
            await vat.run(fail)
        assert await wrapped.put(1) == 1

    run(main)


def test_one_way_messages_cross_and_their_failures_are_reported(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, revoker = await wrapped_vault(vat)
        send_only(wrapped.put)("quietly")
        assert await wrapped.all() == ("quietly",)
        await revoker.revoke()
        send_only(wrapped.put)("lost")
        await vat.run(lambda: None)
        assert await vault.all() == ("quietly",)

    run(main)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_it_keeps_nothing_alive(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, revoker = await wrapped_vault(vat)
        inner = await vault.child()
        await vault.put(inner)
        seen = await wrapped.get(0)
        await wrapped.put(vat.spawn(Vault))
        await wrapped.put(wrapped)
        pending = wrapped.later()
        gone = [weakref.ref(thing) for thing in (vault, inner, seen, pending)]
        del vault, inner, wrapped, seen, pending
        await vat.run(lambda: None)
        gc.collect()
        assert [ref() for ref in gone] == [None] * 4
        assert revoker is not None

    run(main)


def test_a_circle_through_a_membrane_is_collected(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, revoker = await wrapped_vault(vat)
        mine = vat.spawn(Vault)
        await wrapped.put(mine)  # the inside holds a wrapper of mine,
        await mine.put(wrapped)  # and mine the wrapper of the inside
        gone = [weakref.ref(thing) for thing in (vault, mine, wrapped)]
        del vault, mine, wrapped
        await vat.run(lambda: None)
        gc.collect()
        assert [ref() for ref in gone] == [None] * 3
        assert revoker is not None

    run(main)


def test_revoked_nobody_holds_what_is_on_the_other_side(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, revoker = await wrapped_vault(vat)
        child = wrapped.child()
        await child.put(1)
        gone = weakref.ref(vault)
        await revoker.revoke()
        del vault
        await vat.run(lambda: None)
        gc.collect()
        assert gone() is None
        assert wrapped is not child

    run(main)


def test_it_holds_between_machines(run: Run, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (here, there):
            vault = here.spawn(Vault)
            wrapped, revoker = await here.vat.run(membrane, vault)
            far = there.enliven(here.publish(wrapped), Vault)
            mine = there.spawn(Vault)
            child = far.child()
            assert await child.me().put(1) == 1
            await far.put(mine, await child)
            assert await far.get(0) is mine
            assert await far.is_(1, await child) is True
            assert await far.get(1) is await child
            assert await far.ask(mine, await child) == 1
            assert await mine.get(0) is await child
            pending = far.later()
            await far.all()
            await revoker.revoke()
            for call in (pending, child.all(), far.all()):
                with pytest.raises(hob.Refused, match="revoked"):
                    await call

    run(main)


def test_it_holds_between_threads(run: Run) -> None:
    async def main(vat: Vat) -> None:
        with hob.VatThread("other") as other:
            vault, wrapped, revoker = await wrapped_vault(vat)

            async def use() -> tuple[Any, ...]:
                promise = wrapped.later()
                answers = [promise.put(index) for index in range(20)]
                await wrapped.decide(wrapped.child())
                told = [await answer for answer in answers]
                assert await wrapped.me() is wrapped
                mine, resolver = new_promise()
                count = wrapped.put(mine)
                await resolver.fulfill(hob.spawn(Vault))
                await count
                return (*told, await promise.all())

            result = await other.run(use)
            assert result == (*range(1, 21), tuple(range(20)))
            waiting = other.run(lambda: wrapped.later())
            await vat.run(lambda: None)
            await revoker.revoke()
            with pytest.raises(hob.Refused, match="revoked"):
                await waiting
            assert await vault.put() == 1

    run(main)


def test_a_membrane_in_a_membrane(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, once, revoke_inner = await wrapped_vault(vat)
        twice, revoke_outer = await vat.run(membrane, once)
        mine = vat.spawn(Vault)
        await twice.put(mine)
        assert await twice.get(0) is mine
        assert await once.get(0) is not mine
        await revoke_outer.revoke()
        assert await once.put() == 1
        await revoke_inner.revoke()
        with pytest.raises(hob.Refused):
            await once.put()
        assert await vault.put() == 1

    run(main)


def test_it_wraps_other_forwarders(run: Run) -> None:
    async def main(vat: Vat) -> None:
        current, swapper = await vat.run(new_swappable, vat.spawn(Cell, 1))
        wrapped, revoker = await vat.run(membrane, current)
        # A circle through the membrane.
        await swapper.swap(wrapped)
        with pytest.raises(hob.Refused, match="circle"):
            await wrapped.get()
        await swapper.swap(vat.spawn(Cell, 2))
        assert await wrapped.get() == 2
        await asyncio.sleep(0)
        await revoker.revoke()

    run(main)


def test_what_is_meant_for_the_other_side_goes_there_as_it_is(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        seen = await wrapped.child()
        await vault.put(seen, wrapped)  # by another way than through the membrane
        assert await wrapped.get(0) is seen
        assert await wrapped.get(1) is wrapped

    run(main)


def test_what_is_of_no_known_kind_does_not_cross(run: Run) -> None:
    async def main(vat: Vat) -> None:
        vault, wrapped, _ = await wrapped_vault(vat)
        strange = SyrupSet(())
        answer: Promise[Any] = Promise(vat)
        Message(wrapped, (Symbol("put"), strange), answer, vat, None).dispatch()  # type: ignore[arg-type]
        with pytest.raises(hob.Refused, match="can't cross a membrane"):
            await answer
        promise: Promise[Any] = Promise(vat)
        await vault.put(promise)
        held = wrapped.get(0)
        promise._resolve(strange)
        with pytest.raises(hob.Refused, match="can't cross a membrane"):
            await held

    run(main)


class Node(Actor):
    """Belongs to one side, and writes down everything that it sees."""

    def __init__(self, seen: list[Any], rng: Random) -> None:
        self.seen = seen
        self.rng = rng
        self.kept: tuple[Any, ...] = ()

    @method
    async def meet(self, hops: int, *things: Any) -> Any:
        self.seen.extend(things)
        self.kept += things
        if hops and self.kept:
            other = self.rng.choice(self.kept)
            thing, promise = self.rng.choice(self.kept), other.meet(0)
            answer = await other.meet(hops - 1, thing, promise)
            self.seen.append(answer)
            self.seen.append(await promise)
        return self.rng.choice((*self.kept, hob.spawn(Node, self.seen, self.rng)))


@pytest.mark.parametrize("seed", range(20))
def test_in_random_conversations_neither_side_sees_an_object_of_the_other(run: Run, seed: int) -> None:
    async def main(vat: Vat) -> None:
        rng = Random(seed)
        inside, outside = list[Any](), list[Any]()
        inner = vat.spawn(Node, inside, rng)
        wrapped, _ = await vat.run(membrane, inner)
        outer = vat.spawn(Node, outside, rng)
        for _ in range(15):
            outside.append(await wrapped.meet(4, outer, vat.spawn(Node, outside, rng)))
            await outer.meet(4, wrapped)
        for seen, other in ((inside, outside), (outside, inside)):
            objects = {await thing for thing in seen if thing is not None}
            behaviours = [ref._behaviour for ref in objects]
            # Its own objects as they are, those of the other side wrapped, and each once.
            assert all(node.seen is seen for node in behaviours if isinstance(node, Node))
            targets = [node.target for node in behaviours if not isinstance(node, Node)]
            assert len(targets) == len(set(targets)) > 0
            assert all(target._behaviour.seen is other for target in targets)

    run(main)
