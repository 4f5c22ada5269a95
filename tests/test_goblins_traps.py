"""Traps that implementers of vats and CapTP have fallen into: what is decided, and the tests that hold it.

1. What a `finally_` handler is told, and when it runs: nothing; right behind the handler's turn, without
   waiting for a promise that the handler has returned, and without a say in the outcome.
   `vat/test_promises.py::test_finally_is_told_nothing_and_changes_nothing`
2. A send without an answer that waits for a promise which breaks: logged once, with its line; nothing else
   happens.
   `vat/test_promises.py::test_a_send_only_that_waits_for_what_breaks_is_reported`
3. Messages that wait for a promise which turns out to be data: their answers break with `NotATarget`, one
   by one; the turn that has resolved the promise never learns of it.
   `vat/test_promises.py::test_data_takes_no_messages`
   `test_goblins_traps.py::test_trap_3_whoever_resolves_a_promise_to_data_does_not_pay_for_what_waits`
4. In which order handlers of one promise run: that of their registration, also along chains.
   `vat/test_promises.py::test_handlers_run_in_the_order_of_registration_each_in_its_own_turn`
   `test_goblins_traps.py::test_trap_4_the_order_of_handlers_survives_chains_of_promises`
5. Catching the error of a near call: all that the call has done is undone before the caller sees it.
   `vat/test_turns.py::test_an_exception_undoes_just_the_call_that_raised`
6. A loop of near messages that never ends: each is a turn in the one queue, and the vat yields after a time
   slice; so neither input nor far sends starve, and what a turn sends leaves when that turn commits.
   `vat/test_vats.py::test_a_busy_vat_starves_neither_the_loop_nor_another_vat`
   `test_goblins_traps.py::test_trap_6_a_loop_of_near_messages_starves_no_far_send`
7. Sending before state is saved: what lasts is saved before anybody is told of it.
   `sturdyrefs/test_persistence.py::test_what_could_not_be_stored_was_not_published`
   `sturdyrefs/test_persistence.py::test_every_uri_that_was_printed_works_after_kill_9`
8. Questions without an answer when a session ends: each breaks at once, on both sides.
   `captp/test_sever.py::test_pending_promises_break_on_both_sides`
   `test_peer.py::test_everything_that_waits_breaks_when_the_peer_goes`
9. A second hello, a second session: the former ends the session; the latter is refused while the first is
   open.
   `captp/test_handshake.py::test_t13_a_second_hello_ends_the_session`
   `test_handoffs.py::test_a_second_session_of_the_same_peer_is_refused_while_the_first_is_open`
10. Which counts a hand-off may have: each once in the session of receiver and exporter, in any order,
    checked and used up in one turn.
    `captp/test_gifts.py::test_each_count_is_good_for_once_in_any_order`
    `captp/test_gifts.py::test_a_replay_is_refused_while_the_gift_waits_and_after`
    `captp/test_gifts.py::test_a_request_of_one_session_is_worth_nothing_in_another`
11. A position that was never exported: ends the session; giving back one that is not held is ignored.
    `captp/test_hostile.py::test_t30_positions_that_do_not_exist_end_the_session`
    `captp/test_counts.py::test_t25_unknown_positions_are_ignored`
12. `race` of nothing is an error, as nothing would ever settle it; `all_of` nothing is empty; repeated
    arguments count.
    `vat/test_joiners.py::test_of_nothing_it_breaks`
    `vat/test_joiners.py::test_of_nothing`
    `vat/test_joiners.py::test_the_values_come_in_the_order_of_the_arguments`
13. A message to a stopped vat: breaks with `VatStopped`, from wherever it comes, and what waits there does
    as well.
    `vat/test_vats.py::test_messages_before_and_after_break`
    `test_goblins_traps.py::test_trap_13_whatever_is_asked_of_a_stopped_vat_breaks`
14. A reference that is sent again while it is given back: stays; releases say how often it had come.
    `captp/test_counts.py::test_t26_a_reference_that_is_sent_again_while_it_is_given_back_stays`
    `captp/test_counts.py::test_t26_a_reference_that_comes_again_before_it_was_given_back_stays`
15. A gift that is asked for before it is brought: is handed over then, and not kept.
    `captp/test_gifts.py::test_withdraw_then_deposit`
    `captp/test_gifts.py::test_nothing_keeps_a_gift_that_was_taken`
16. Swiss numbers are octets, of any kind and length that fits; text opens nothing.
    `test_locators.py::test_swiss_numbers_in_uris`
    `test_goblins_traps.py::test_trap_16_text_is_no_swiss_number`
17. References are collected in whatever thread drops them last: the finalizer only enqueues, and the
    session gives back.
    `captp/test_counts.py::test_the_owner_is_woken_once_for_many_drops`
    `test_goblins_traps.py::test_trap_17_a_reference_dropped_in_another_thread_is_given_back`
"""

from __future__ import annotations

import ast
import asyncio
import gc
import re
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, Vat, become, method, near, netlayers, new_promise, on, send_only

TESTS = Path(__file__).parent


def run(main: Callable[[Vat], Awaitable[None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(120):
            await main(hob.spawn_vat())

    asyncio.run(guarded())


def test_each_trap_is_decided_and_tested() -> None:
    traps = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", __doc__ or "", re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _ in traps] == list(range(1, 18))
    known: dict[str, set[str]] = {}
    for number, text in traps:
        tests = re.findall(r"`([\w/]+\.py)::(\w+)`", text)
        assert tests, f"trap {number} has no test"
        for file, name in tests:
            if file not in known:
                tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
                known[file] = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert name in known[file], f"trap {number}: there is no {name} in {file}"


class Log(Actor):
    def __init__(self) -> None:
        self.entries: tuple[Any, ...] = ()

    @method
    def add(self, entry: Any) -> None:
        self.entries += (entry,)

    @method
    def get(self) -> tuple[Any, ...]:
        return self.entries


def test_trap_3_whoever_resolves_a_promise_to_data_does_not_pay_for_what_waits() -> None:
    async def main(vat: Vat) -> None:
        log = vat.spawn(Log)
        promise, resolver = await vat.run(new_promise)
        waiting = [promise.drive(), promise.drive().park(), promise["field"]]

        def decide() -> str:
            near(resolver.fulfill)(5)
            near(log.add)("decided")
            return "took effect"

        assert await vat.run(decide) == "took effect"
        assert await log.get() == ("decided",)
        for broken in waiting[:2]:
            with pytest.raises(hob.NotATarget):
                await broken
        with pytest.raises(hob.NoSuchPart):
            await waiting[2]
        assert await promise == 5

    run(main)


def test_trap_4_the_order_of_handlers_survives_chains_of_promises() -> None:
    async def main(vat: Vat) -> None:
        seen: list[int] = []
        pairs = [await vat.run(new_promise) for _ in range(3)]
        first, second, last = (promise for promise, _ in pairs)

        def register(promise: Any, number: int) -> Any:
            return vat.run(lambda: [on(promise, lambda _: seen.append(number))])

        await register(first, 1)
        await pairs[0][1].fulfill(second)
        await register(first, 2)
        await pairs[1][1].fulfill(last)
        await register(first, 3)
        [done] = await register(first, 4)
        await pairs[2][1].fulfill("now")
        await done
        assert seen == [1, 2, 3, 4]

    run(main)


def test_trap_6_a_loop_of_near_messages_starves_no_far_send() -> None:
    class Busy(Actor):
        def __init__(self, far: Log) -> None:
            self.far = far
            self.turns = 0
            self.go_on = True

        @method
        def spin(self) -> None:
            self.turns += 1
            if self.turns == 10:
                send_only(self.far.add)("from within the loop")
            if self.go_on:
                self.spin()

        @method
        def stop(self) -> int:
            self.go_on = False
            return self.turns

    async def main(_: Vat) -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "a")) as here,
            Peer(netlayers.Memory(network, "b")) as there,
        ):
            log = await here.enliven(there.publish(there.spawn(Log)), Log)
            busy = here.spawn(Busy, log)
            busy.spin()
            await log.add("from outside")
            while "from within the loop" not in await log.get():
                pass
            assert await busy.stop() > 10

    run(main)


def test_trap_13_whatever_is_asked_of_a_stopped_vat_breaks() -> None:
    async def main(vat: Vat) -> None:
        stopped = hob.spawn_vat("stopped")
        log = stopped.spawn(Log)
        undecided, resolver = await stopped.run(new_promise)
        stopped.stop()
        asked = [
            log.add(1),
            vat.run(lambda: log.add(1)),
            stopped.run(lambda: 1),
            vat.run(lambda: stopped.run(lambda: 1)),
            resolver.fulfill(1),
            hob.on(log.add(1)),
        ]
        for broken in asked:
            with pytest.raises(hob.VatStopped):
                await broken
        with pytest.raises(hob.VatStopped):
            stopped.spawn(Log)
        with pytest.raises(TimeoutError):
            await vat.run(lambda: hob.timeout(undecided, 0))  # its resolver is gone, so nobody decides it

    run(main)


def test_trap_16_text_is_no_swiss_number() -> None:
    async def main(_: Vat) -> None:
        network = netlayers.MemoryNetwork()
        async with Peer(netlayers.Memory(network, "a")) as a, Peer(netlayers.Memory(network, "b")) as b:
            uri = a.publish(a.spawn(Log), swiss=b"chosen")
            assert await b.enliven(uri, Log).get() == ()
            assert uri.endswith("/s/" + hob.SwissNum(b"chosen").text())
            bootstrap = b.sessions[0]._connection.session.bootstrap
            for text in ("chosen", hob.SwissNum(b"chosen").text(), hob.Symbol("chosen")):
                with pytest.raises(hob.Refused, match="a swiss number is a byte string"):
                    await bootstrap.fetch(text)
            assert await hob.send(bootstrap.fetch(b"chosen"), hob.Symbol("get")) == ()

    run(main)


def test_trap_17_a_reference_dropped_in_another_thread_is_given_back() -> None:
    async def main(_: Vat) -> None:
        network = netlayers.MemoryNetwork()
        async with Peer(netlayers.Memory(network, "a")) as a, Peer(netlayers.Memory(network, "b")) as b:
            maker: Any = b.enliven(a.publish(a.spawn(lambda: Log())))
            log: Any = b.enliven(a.publish(a.spawn(Log)))
            await log.get()
            kept = [await maker() for _ in range(10)]

            def drop() -> None:
                while kept:
                    kept.pop()
                gc.collect()

            exports = a.sessions[0]._connection.session.stats().exports
            thread = threading.Thread(target=drop)
            thread.start()
            await asyncio.to_thread(thread.join)
            while a.sessions[0]._connection.session.stats().exports > exports - 10:
                await log.get()  # `maker` would export one more each time, and the loop might never end

    run(main)


# What else the table in docs/coming-from/goblins.md says, and no other test holds.


def test_a_promise_is_never_identical_with_what_it_resolves_to() -> None:
    async def main(vat: Vat) -> None:
        log: Any = vat.spawn(Log)
        promise, resolver = await vat.run(new_promise)
        await resolver.fulfill(log)
        assert promise != log
        assert await promise is log
        seen: list[Any] = []
        await vat.run(lambda: on(promise, lambda value: seen.append(value)))
        assert seen == [log]

    run(main)


def test_a_promise_for_a_remote_object_keeps_its_value_when_the_session_ends() -> None:
    async def main(_: Vat) -> None:
        network = netlayers.MemoryNetwork()
        async with Peer(netlayers.Memory(network, "a")) as a, Peer(netlayers.Memory(network, "b")) as b:
            promise = b.enliven(a.publish(a.spawn(Log)), Log)
            log = await promise
            await a.close()
            with pytest.raises(hob.SessionSevered):
                await promise.get()
            assert await promise is log

    run(main)


def test_identity_outlives_what_an_object_becomes() -> None:
    async def main(vat: Vat) -> None:
        def grow() -> None:
            become(Log)

        ref: Any = vat.spawn(grow)
        table = {ref: "found"}
        await ref()
        await ref.add(1)
        assert await ref.get() == (1,)
        assert table[ref] == "found"

    run(main)


def test_become_takes_no_reference_and_no_spawned_object() -> None:
    async def main(vat: Vat) -> None:
        other = vat.spawn(Log)
        mine = Log()
        vat.spawn(mine)
        for wrong in (other, mine, 5, None):

            def turn(wrong: Any = wrong) -> None:
                become(wrong)

            with pytest.raises(TypeError, match=r"made of an Actor class|has been spawned already"):
                await vat.spawn(turn)()

    run(main)


def test_of_several_becomes_in_one_turn_the_last_counts_whoever_called() -> None:
    class Phase(Actor):
        def __init__(self, name: str) -> None:
            self.name = name

        @method
        def which(self) -> str:
            return self.name

        @method
        def inner(self) -> None:
            become(Phase, "inner")

        @method
        def outer(self, before: bool) -> str:
            if before:
                become(Phase, "outer")
            near(self.inner)()
            if not before:
                become(Phase, "outer")
            return near(self.which)()

        @method
        def caught(self) -> None:
            become(Phase, "kept")
            with suppress(ValueError):
                near(self.failing)()

        @method
        def failing(self) -> None:
            become(Phase, "undone")
            raise ValueError

    async def main(vat: Vat) -> None:
        for before, last in ((True, "inner"), (False, "outer")):
            ref = vat.spawn(Phase, "first")
            assert await ref.outer(before) == "first"
            assert await ref.which() == last
        ref = vat.spawn(Phase, "first")
        await ref.caught()
        assert await ref.which() == "kept"

    run(main)


def test_a_constructor_may_pass_itself_on_and_send_to_itself() -> None:
    class Member(Actor):
        def __init__(self, club: Log, name: str) -> None:
            self.name = name
            club.add(self)
            self.added = near(club.add)([self])
            self.hello()

        @method
        def hello(self) -> None:
            self.name += "!"

        @method
        def which(self) -> str:
            return self.name

    class Eager(Member):
        def __init__(self, club: Log) -> None:
            super().__init__(club, "eager")
            near(self.which)()

    class Old(Actor):
        @method
        def grow(self, club: Log) -> None:
            become(Member, club, "grown")

    async def main(vat: Vat) -> None:
        for spawned in (vat.spawn, hob.spawn_vat("other").spawn):
            club = vat.spawn(Log)
            if spawned == vat.spawn:
                member = spawned(Member, club, "new")
                assert await club.get() == ((member,), member)
            else:
                grown: Any = vat.spawn(Old)
                await grown.grow(club)
                assert await club.get() == ((grown,), grown)
                member = grown
            assert await member.which() in ("new!", "grown!")
        club = vat.spawn(Log)
        with pytest.raises(hob.HobgoblinError, match="has not been made yet"):
            vat.spawn(Eager, club)
        assert await club.get() == ()

    run(main)


def test_what_an_object_that_was_never_made_has_leaked_says_so() -> None:
    leaked: list[Any] = []

    class Never(Actor):
        def __init__(self) -> None:
            leaked.append(self.hello)
            raise KeyError

        @method
        def hello(self) -> None: ...

    async def main(vat: Vat) -> None:
        with pytest.raises(KeyError):
            vat.spawn(Never)
        with pytest.raises(hob.HobgoblinError, match="its constructor failed; it never came to be"):
            await leaked[0]()

    run(main)


def test_a_result_that_is_a_promise_or_a_reference_is_forwarded() -> None:
    async def main(vat: Vat) -> None:
        far = hob.spawn_vat("far").spawn(Log)
        promise, resolver = await vat.run(new_promise)
        direct, chained = vat.spawn(lambda: far), vat.spawn(lambda: promise)
        asked, pipelined = chained(), chained().get()  # type: ignore[attr-defined]
        await resolver.fulfill(far)
        assert await direct() is far
        assert await asked is far
        assert await pipelined == ()

    run(main)


def test_a_message_that_waits_for_its_own_answer_is_seen_to_wait() -> None:
    """No cycle of resolutions: the object would have to answer before it is known. `pending` shows it."""

    async def main(vat: Vat) -> None:
        promise, resolver = await vat.run(new_promise)
        answer = promise.get()
        await resolver.fulfill(answer)
        with pytest.raises(TimeoutError):
            await vat.run(lambda: hob.timeout(answer, 0))
        assert any(entry.method == "get" for entry in hob.pending())

    run(main)


def test_a_handler_may_be_a_reference_and_its_answer_is_followed() -> None:
    async def main(vat: Vat) -> None:
        log = vat.spawn(Log)
        double: Any = hob.spawn_vat("far").spawn(lambda number: 2 * number)
        told: Any = vat.spawn(lambda error: str(error))
        assert await vat.run(lambda: on(21, double)) == 42
        assert await vat.run(lambda: on(log.no_such(), catch=told)) == "no method 'no-such'"  # type: ignore[attr-defined]

    run(main)


def test_plain_data_can_not_be_sent_to() -> None:
    async def main(vat: Vat) -> None:
        for data in (5, None, "text", Log()):
            with pytest.raises(TypeError, match="takes a reference"):
                hob.send(data, "get")
            with pytest.raises(TypeError, match="takes a reference"):
                send_only(data)  # type: ignore[call-overload]

    run(main)


def test_run_from_within_a_turn_is_a_promise_and_an_effect_of_the_turn() -> None:
    async def main(vat: Vat) -> None:
        log = vat.spawn(Log)

        def turn(fail: bool) -> Any:
            promise = vat.run(lambda: near(log.add)("later"))
            assert isinstance(promise, hob.Promise)
            near(log.add)("first")
            if fail:
                raise KeyError
            return promise

        assert await vat.run(turn, False) is None
        with pytest.raises(KeyError):
            await vat.run(turn, True)
        assert await log.get() == ("first", "later")

    run(main)


def test_what_a_failed_turn_has_spawned_does_not_exist() -> None:
    async def main(vat: Vat) -> None:
        leaked: list[Any] = []

        def turn() -> None:
            leaked.append(hob.spawn(Log))
            raise KeyError

        with pytest.raises(KeyError):
            await vat.run(turn)
        with pytest.raises(hob.HobgoblinError, match="it never came to be"):
            await leaked[0].get()

    run(main)
