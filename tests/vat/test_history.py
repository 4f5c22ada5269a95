"""Time travel: recorded turns, and calls of objects as they were."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from random import Random
from typing import Any, assert_type

import pytest

from hobgoblin import Peer, actors, netlayers
from hobgoblin.blocking import result
from hobgoblin.errors import HobgoblinError, NoSuchMethod, NoSuchMoment, NotInVat, NotNear, Refused
from hobgoblin.loops import VatThread, spawn_vat
from hobgoblin.vat import Actor, Snapshot, Turn, Vat, become, method, near, new_promise, on, send_only, spawn


class Account(Actor):
    other: Account

    def __init__(self, balance: int = 0) -> None:
        self.balance = balance
        self.log: list[int] = []

    @method
    def deposit(self, amount: int) -> int:
        self.balance += amount
        self.log.append(amount)
        return self.balance

    @method
    def withdraw(self, amount: int) -> int:
        self.balance -= amount
        if self.balance < 0:
            raise Refused("not that much")
        return self.balance

    @method
    def get(self) -> int:
        return self.balance

    @method
    def logged(self) -> int:
        return len(self.log)

    @method
    def forget(self) -> None:
        del self.balance

    @method
    def transfer(self, other: Account, amount: int) -> int:
        near(self.withdraw)(amount)
        return near(other.deposit)(amount)

    @method
    async def slowly(self, *amounts: int) -> int:
        for amount in amounts:
            self.balance += amount
            await asyncio.sleep(0)
        return self.balance

    @method
    async def forever(self) -> None:
        self.balance = -1
        await asyncio.Event().wait()

    @method
    def retire(self) -> None:
        become(Retired)

    @method
    def open_another(self) -> Account:
        self.other = spawn(Account, self.balance)
        return self.other

    @method
    def close_another(self) -> None:
        del self.other

    @method
    def deposit_later(self, amount: int) -> None:
        self.deposit(amount)


class Retired(Actor):
    @method
    def get(self) -> str:
        return "retired"


class Slotted(Actor):
    __slots__ = ("value",)
    value: int

    @method
    def put(self, value: int) -> None:
        self.value = value

    @method
    def get(self) -> int:
        return self.value


class TestSnapshots:
    def test_a_call_sees_the_object_as_it_was(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account, 10)
            at_ten = vat.snapshot()
            await account.deposit(5)
            at_fifteen = vat.snapshot()
            for _ in range(3):
                await account.deposit(1)
            await account.forget()
            forgotten = vat.snapshot()
            await account.retire()
            for _ in range(2):
                balance = at_ten.peek(account.get)()
                assert_type(balance, int)
                assert balance == 10
                assert at_fifteen.peek(account.get)() == 15
                with pytest.raises(AttributeError):
                    forgotten.peek(account.get)()
                assert vat.snapshot().peek(account.get)() == "retired"
                assert await account.get() == "retired"

        run(main)

    def test_state_in_slots(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            slotted = vat.spawn(Slotted)
            empty = vat.snapshot()
            await slotted.put(1)
            one = vat.snapshot()
            await slotted.put(2)
            assert one.peek(slotted.get)() == 1
            with pytest.raises(AttributeError):
                empty.peek(slotted.get)()
            assert await slotted.get() == 2

        run(main)

    def test_whatever_a_trial_does_is_discarded(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            heard: list[str] = []
            account = vat.spawn(Account, 10)
            listener: Any = vat.spawn(heard.append)
            decided, resolver = await vat.run(new_promise)
            snapshot = vat.snapshot()
            await account.deposit(90)

            def what_if() -> Any:
                assert near(account.deposit)(5) == 15
                new = near(account.open_another)()
                assert near(new.get)() == 15
                near(account.retire)()
                send_only(listener)("never")
                near(resolver.fulfill)("never")
                return [new, listener("never"), on(1, heard.append)]

            made, promise, handled = snapshot.run(what_if)
            assert snapshot.unsent == ("<Ref append>()", "<Ref append>()")
            for broken in (made.get(), promise, handled):
                with pytest.raises(HobgoblinError, match="a snapshot is only looked at"):
                    await broken
            assert await account.get() == 100
            assert heard == []
            await resolver.fulfill("now")
            assert await decided == "now"
            assert snapshot.peek(account.get)() == 10

        run(main)
        assert errors() == []

    def test_errors_reach_the_caller_and_change_nothing(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account, 10)
            snapshot = vat.snapshot()
            await account.deposit(90)
            with pytest.raises(Refused, match="not that much"):
                snapshot.peek(account.withdraw)(20)
            with pytest.raises(ZeroDivisionError):
                snapshot.run(lambda: near(account.deposit)(1) // 0)
            assert snapshot.peek(account.get)() == 10
            assert await account.withdraw(20) == 80

        run(main)

    def test_an_object_that_was_not_there_yet(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account, 10)
            snapshot = vat.snapshot()
            new = await account.open_another()
            later = vat.snapshot()
            await account.close_another()
            with pytest.raises(NoSuchMoment, match="did not exist at that moment"):
                snapshot.peek(new.get)()
            with pytest.raises(NoSuchMoment, match="did not exist at that moment"):
                snapshot.run(lambda: near(new.get)())
            assert later.peek(new.get)() == 10
            assert await new.get() == 10
            with pytest.raises(NotNear, match="does not live in the vat"):
                snapshot.peek(spawn_vat("other").spawn(Account).get)()

        run(main)

    def test_what_happens_inside_of_an_attribute_is_not_seen(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            snapshot = vat.snapshot()
            await account.deposit(1)
            assert snapshot.peek(account.get)() == 0
            assert snapshot.peek(account.logged)() == 1

        run(main)

    def test_results_pass_as_in_any_call(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            assert vat.snapshot().run(lambda: [1, [2]]) == (1, (2,))
            assert vat.snapshot().run(lambda number, *, more: (number, more), 1, more=account) == (1, account)

        run(main)

    def test_asynchronous_methods_run_as_far_as_they_need_not_wait(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account, 10)
            snapshot = vat.snapshot()
            await account.deposit(90)
            assert snapshot.peek(account.slowly)(1, 2) == 13
            with pytest.raises(HobgoblinError, match=r"Account\.forever waits for something"):
                snapshot.peek(account.forever)()

            async def later() -> int:
                return near(account.deposit)(5)

            assert snapshot.run(later) == 15
            assert await account.get() == 100

        run(main)

    def test_within_a_turn_it_is_the_moment_before(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account, 10)
            before = vat.snapshot()
            await account.deposit(5)

            def turn() -> list[Any]:
                near(account.deposit)(100)
                new = spawn(Account, 1)
                now = vat.snapshot()
                with pytest.raises(NoSuchMoment):
                    now.peek(new.get)()
                seen = [now.peek(account.get)(), before.peek(account.get)()]
                return [*seen, near(account.get)(), near(new.get)(), new]

            *seen, new = await vat.run(turn)
            assert seen == [15, 10, 115, 1]
            assert await account.get() == 115
            assert await new.get() == 1

        run(main)

    def test_a_look_within_a_look_is_refused(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account, 10)
            snapshot = vat.snapshot()
            with pytest.raises(HobgoblinError, match="within another look"):
                snapshot.run(lambda: snapshot.peek(account.get)())
            assert snapshot.peek(account.get)() == 10

        run(main)

    def test_from_another_thread(self) -> None:
        with VatThread("there") as vat:
            account = vat.spawn(Account, 10)
            result(account.get())
            snapshot = vat.snapshot()
            result(account.deposit(5))
            with pytest.raises(NotInVat, match="in its own thread"):
                snapshot.peek(account.get)()
            assert result(vat.run(lambda: snapshot.peek(account.get)())) == 10
            assert result(account.get()) == 15

    def test_a_moment_that_is_too_long_ago(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            snapshot = vat.snapshot(turns=3)
            for _ in range(3):
                await account.deposit(1)
            assert snapshot.peek(account.get)() == 0
            await account.deposit(1)
            with pytest.raises(NoSuchMoment, match=r"4 turns ago, .* no more than the latest 3 are kept"):
                snapshot.peek(account.get)()
            with pytest.raises(ValueError, match="turns is 1 or more"):
                vat.snapshot(turns=0)

        run(main)

    def test_turns_that_do_much(self, run: Any) -> None:
        """A turn costs what it has changed, however often it did."""

        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            with vat.record() as history:

                def much() -> None:
                    for amount in range(10_000):
                        near(account.deposit)(amount)

                await vat.run(much)
                [turn] = history.turns
                assert len(history._records[-1][1]) == 1
                assert history.before(turn).peek(account.get)() == 0

        run(main)


def lines(turns: tuple[Turn, ...]) -> list[str]:
    return [str(turn) for turn in turns]


class TestHistory:
    def test_what_it_tells_of_turns(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            other = spawn_vat("other")
            far: Any = other.spawn(lambda value: value)
            with vat.record() as history:
                account = vat.spawn(Account, 10)
                await account.deposit_later(5)
                with pytest.raises(Refused):
                    await account.withdraw(100)
                await account.slowly(1, 2)

                def handler(value: int) -> None:
                    raise ValueError(value)

                def together() -> Any:
                    return on(far(1), handler, finally_=lambda: None)

                with pytest.raises(ValueError, match="1"):
                    await vat.run(together)
                await account.get()
            assert lines(history.turns) == [
                "vat #1: a constructor",
                "vat #2: <Ref Account>.deposit-later",
                "vat #3: <Ref Account>.deposit, because of vat #2",
                "vat #4: <Ref Account>.withdraw: Refused: not that much",
                "vat #5: <Ref Account>.slowly, stretch 1",
                "vat #6: <Ref Account>.slowly, stretch 2, because of vat #5",
                "vat #7: <Ref Account>.slowly, stretch 3, because of vat #6",
                "vat #8: together",
                "vat #9: the handler handler of on(), because of vat #8: ValueError: 1",
                "vat #10: the finally_ handler <lambda> of on(), because of vat #8",
                "vat #11: <Ref Account>.get",
            ]
            assert lines(history.errors()) == lines((history.turns[3], history.turns[8]))
            assert lines(history.trace(history.turns[6])) == lines(
                (history.turns[6], history.turns[5], history.turns[4])
            )
            times = [turn.time for turn in history.turns]
            assert times == sorted(times)
            assert repr(history) == "<History of vat, 11 turns>"

        run(main)

    def test_before_and_after_each_turn(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            one, two = vat.spawn(Account, 10), vat.spawn(Account, 0)
            with vat.record() as history:
                await one.transfer(two, 3)
                with pytest.raises(Refused):
                    await one.transfer(two, 100)
                await one.transfer(two, 4)

                def both(moment: Snapshot) -> tuple[int, int]:
                    return moment.peek(one.get)(), moment.peek(two.get)()

                first, failed, last = history.turns
                assert both(history.before(first)) == (10, 0)
                assert both(history.after(first)) == both(history.before(failed)) == (7, 3)
                assert both(history.after(failed)) == both(history.before(last)) == (7, 3)
                assert both(history.after(last)) == both(history.now()) == (3, 7)
                assert [failed] == list(history.errors())
                with pytest.raises(Refused):
                    history.before(failed).peek(one.transfer)(two, 100)
                assert repr(history.before(last)) == "<Snapshot of vat after its turn #2>"
                assert history.before(last).number == 2
            with pytest.raises(NoSuchMoment, match="was closed"):
                history.before(last).peek(one.get)()

        run(main)

    def test_causes_in_other_vats(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            other = spawn_vat("other")
            account = other.spawn(Account)
            await account.get()
            with vat.record() as here, other.record() as there:
                await vat.run(lambda: account.deposit_later(1))
                await account.get()
                assert lines(there.turns)[:2] == [
                    "other #1: <Ref Account>.deposit-later, because of vat #1",
                    "other #2: <Ref Account>.deposit, because of other #1",
                ]
                [asked] = here.turns
                assert there.turns[0].cause == (asked.vat, asked.number)
                assert there.trace(there.turns[1]) == (there.turns[1], there.turns[0])

        run(main)

    def test_calls_of_another_peer(self, run: Any) -> None:
        """They are turns like any other, and what has caused them is not known here."""

        async def main(_: Vat) -> None:
            network = netlayers.MemoryNetwork()
            async with (
                Peer(netlayers.Memory(network, "bank"), name="bank") as bank,
                Peer(netlayers.Memory(network, "guest")) as guest,
            ):
                account = bank.spawn(Account, 10)
                there = guest.enliven(bank.publish(account), Account)
                await there.get()
                with bank.vat.record() as history, guest.vat.record() as other:
                    await guest.vat.run(lambda: there.deposit(5))
                    [turn] = [turn for turn in history.turns if turn.method == "deposit"]
                    assert turn.cause is None
                    assert turn.target == "<Ref Account>"
                    assert history.before(turn).peek(account.get)() == 10
                    [asked] = other.turns
                    with pytest.raises(NotNear, match="does not live in the vat"):
                        other.before(asked).peek(there.get)()
                assert await there.get() == 15

        run(main)

    def test_causes_lead_through_forwarders(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            await account.get()
            lent, _ = await vat.run(actors.membrane, account)
            shown = actors.facet(lent, Account)
            with vat.record() as history:

                def turn() -> Any:
                    return shown.deposit(1)

                assert await vat.run(turn) == 1
            asked = history.turns[0]
            [called] = [turn for turn in history.turns if turn.method == "deposit"]
            assert called.cause == (asked.vat, asked.number)

        run(main)

    def test_only_the_latest_turns_are_kept(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            with vat.record(turns=3) as history:
                for _ in range(5):
                    await account.deposit(1)
                first = history.turns[0]
                assert [turn.number for turn in history.turns] == [3, 4, 5]
                assert history.before(first).peek(account.get)() == 2
                await account.deposit(1)
                with pytest.raises(NoSuchMoment, match="not any more, in this history"):
                    history.before(first)

        run(main)

    def test_several_at_once(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            first = vat.record()
            await account.deposit(1)
            second = vat.record()
            await account.deposit(1)
            first.close()
            first.close()
            await account.deposit(1)
            assert [turn.number for turn in first.turns] == [1, 2]
            assert [turn.number for turn in second.turns] == [2, 3]
            assert second.before(second.turns[0]).peek(account.get)() == 1

        run(main)

    def test_what_a_peer_or_an_error_says_is_cut_and_printable(self, run: Any) -> None:
        class Unprintable(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        class Loud(Actor):
            @method
            def shout(self, how: str) -> None:
                raise Unprintable if how == "not" else ValueError("\n\x1b[2J" * 1000)

        async def main(vat: Vat) -> None:
            loud: Any = vat.spawn(Loud)
            with vat.record() as history:
                for call in (loud.shout("not"), loud.shout("loudly"), getattr(loud, "x\n" * 1000)()):
                    with pytest.raises((Unprintable, ValueError, NoSuchMethod)):
                        await call
            assert history.turns[0].error == "Unprintable: (its text can't be had)"
            for turn in history.turns:
                assert str(turn).isprintable()
                assert len(str(turn)) < 2000

        run(main)


class TestKeepingNothing:
    def test_nothing_is_kept_when_nobody_records(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            assert not vat._recording
            snapshot = vat.snapshot()
            await account.deposit(1)
            assert vat._recording
            del snapshot
            await account.deposit(1)
            assert not vat._recording
            with vat.record():
                await account.deposit(1)
            await account.deposit(1)
            assert not vat._recording

        run(main)

    def test_a_recording_keeps_no_object_that_nobody_could_call(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            with vat.record() as history:
                await account.deposit(1)
                gone = weakref.ref(account)
                del account
                gc.collect()
                assert gone() is None
                assert history.before(history.turns[0]).run(lambda: "nobody misses it") == "nobody misses it"
                # It would be found again in the past of the one that had it.
                holder = vat.spawn(Account)
                other = weakref.ref(await holder.open_another())
                await holder.close_another()
                gc.collect()
                assert other() is not None
            gc.collect()
            assert other() is None
            assert len(history.turns) > 0

        run(main)

    def test_histories_and_snapshots_go_with_their_last_holder(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            account = vat.spawn(Account)
            history = vat.record()
            await account.deposit(1)
            moment = history.before(history.turns[0])
            gone = weakref.ref(history)
            del history
            assert gone() is not None
            assert moment.peek(account.get)() == 0
            del moment
            assert gone() is None  # no cycle holds it

        run(main)


class Cell(Actor):
    """An object whose turns do a bit of everything, with its state in plain sight."""

    def __init__(self, value: int) -> None:
        self.value = value

    @method
    def put(self, name: str, value: int) -> None:
        setattr(self, name, value)

    @method
    def drop(self, name: str) -> None:
        if name in self.__dict__:
            delattr(self, name)

    @method
    def turn_into(self, value: int) -> None:
        self.put_here("value", -1)
        become(Cell, value)

    def put_here(self, name: str, value: int) -> None:
        setattr(self, name, value)

    @method
    def fail(self, name: str, other: Cell) -> None:
        setattr(self, name, -2)
        near(other.put)(name, -2)
        become(Cell, -2)
        raise KeyError

    @method
    def try_and_keep(self, name: str, other: Cell, value: int) -> None:
        with suppress(KeyError):
            near(other.fail)(name, other)
        setattr(self, name, value)

    @method
    async def slowly(self, name: str, value: int) -> None:
        setattr(self, name, value)
        await asyncio.sleep(0)
        setattr(self, name, value + 1)

    @method
    def state(self) -> dict[str, int]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}


@pytest.mark.parametrize("seed", range(20))
def test_every_moment_is_as_it_was(run: Any, seed: int) -> None:
    """Against what the objects have said at that moment themselves."""

    async def main(vat: Vat) -> None:
        rng = Random(seed)
        cells = [vat.spawn(Cell, n) for n in range(3)]
        with vat.record(turns=1000) as history:
            moments: list[tuple[Snapshot, list[Cell], list[Any]]] = []
            for _ in range(40):
                moment = history.now()
                moments.append((moment, list(cells), [await cell.state() for cell in cells]))
                cell, other = rng.choice(cells), rng.choice(cells)
                name, value = rng.choice(["value", "a", "b"]), rng.randrange(100)
                with suppress(KeyError):
                    match rng.randrange(7):
                        case 0:
                            await cell.put(name, value)
                        case 1:
                            await cell.drop(name)
                        case 2:
                            await cell.turn_into(value)
                        case 3:
                            await cell.fail(name, other)
                        case 4:
                            await cell.try_and_keep(name, other, value)
                        case 5:
                            await cell.slowly(name, value)
                        case _:
                            cells.append(vat.spawn(Cell, value))
                if rng.random() < 0.3:
                    spoil = rng.choice(moments)
                    with suppress(NoSuchMoment, KeyError):
                        spoil[0].run(lambda cell=cell, other=other: near(cell.fail)("a", other))
            for moment, then, states in rng.sample(moments, len(moments)):
                assert [moment.peek(cell.state)() for cell in then] == states
                for later in cells[len(then) :]:
                    with pytest.raises(NoSuchMoment):
                        moment.peek(later.state)()

    run(main)
