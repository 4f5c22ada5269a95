"""Pairs of sessions and strangers, as tests of protocols use them."""

import asyncio

import pytest

from hobgoblin import Limits, Symbol, testing
from hobgoblin.errors import BrokenPromise, RemoteError, SessionSevered
from hobgoblin.refs import Promise
from hobgoblin.syrup import Framing


def test_messages_move_when_the_test_says_so() -> None:
    pair = testing.SessionPair.make()
    alice, bob = pair.a, pair.b
    bob.serve(lambda verb, *args: args)
    answer = alice.send(alice.remote, (Symbol("echo"), 1, 2))
    assert testing.outcome(answer) == "pending"
    pair.flush(alice)
    assert len(pair.wires[alice]) == 1
    pair.step(alice)
    with pytest.raises(IndexError):
        pair.step(alice)
    assert len(bob.inbox) == 1
    bob.run()
    pair.flush(bob)
    assert testing.outcome(answer) == "pending"
    pair.step(bob)
    assert testing.outcome(answer) == ("fulfilled", (1, 2))
    assert (alice.log, bob.log) == (["Answered"], ["Delivered"])
    del answer
    pair.assert_clean()


def test_the_transcript_tells_what_crossed() -> None:
    pair = testing.SessionPair.make()
    start = len(pair.transcript)
    car = pair.b.spawn(lambda verb: "vroom")
    pair.b.serve(lambda verb, swiss: car)
    fetched = pair.a.send(pair.a.remote, (Symbol("fetch"), bytes(32)))
    noise = pair.a.send(fetched, (Symbol("drive"),))
    pair.pump()
    assert testing.outcome(noise) == ("fulfilled", "vroom")
    assert pair.transcript.text(start).splitlines()[:4] == [
        "alice ─▶ bob  <op:deliver <desc:export 0> ['fetch #32-octets] 1 <desc:import-object 1>>",
        "alice ─▶ bob  <op:deliver <desc:answer 1> ['drive] 2 <desc:import-object 2>>",
        "bob ─▶ alice  <op:deliver <desc:export 1> ['fulfill <desc:import-object 1>] false false>",
        'bob ─▶ alice  <op:deliver <desc:export 2> [\'fulfill "vroom"] false false>',
    ]
    assert testing.count_round_trips(pair.transcript) == (2, 1)
    assert pair.sent(start)[1] == (
        "alice",
        b"<10'op:deliver<11'desc:answer1+>[5'drive]2+<18'desc:import-object2+>>",
    )


def test_promises_of_a_side_are_settled_by_the_test() -> None:
    pair = testing.SessionPair.make(framing=Framing.PREFIXED)
    good, bad = pair.b.promise(), pair.b.promise()
    pair.b.serve(lambda which: (bad, good)[which])
    answers = [pair.a.send(pair.a.remote, (which,)) for which in (False, True)]
    pair.pump()
    pair.b.fulfill(good, "at last")
    pair.b.smash(bad, ValueError("never"))
    pair.pump()
    (broken, error), fulfilled = map(testing.outcome, answers)
    assert (broken, type(error), str(error)) == ("broken", RemoteError, "never")
    assert fulfilled == ("fulfilled", "at last")


def test_what_is_left_is_named() -> None:
    pair = testing.SessionPair.make()
    kept: list[object] = []
    pair.b.serve(kept.append)
    pair.a.send_only(pair.a.remote, pair.a.spawn())
    with pytest.raises(AssertionError, match=r"alice: session open\n(.*\n)*  export 1: <Ref "):
        pair.assert_clean()
    kept.clear()
    pair.assert_clean()


def test_two_that_never_come_to_rest_are_told_so() -> None:
    pair = testing.SessionPair.make()
    for side in (pair.a, pair.b):
        side.serve(lambda side=side: side.send_only(side.remote))
    pair.a.send_only(pair.a.remote)
    with pytest.raises(RuntimeError, match=r"busy:\n(.*\n)*bob ─▶ alice  <op:deliver"):
        pair.pump(rounds=50)


def test_there_is_room_once_what_waits_is_on_the_wire() -> None:
    pair = testing.SessionPair.make(limits=Limits(outbound_bytes=100))
    answers = [pair.a.send(pair.a.remote, ("x" * 200,)) for _ in range(2)]
    assert testing.outcome(answers[1])[0] == "broken"
    done: Promise[None] = pair.a.promise()
    pair.a.remote._room(done)
    assert testing.outcome(done) == "pending"
    pair.pump()
    assert testing.outcome(done) == ("fulfilled", None)
    pair.a.session.abort("enough")
    pair.a.carry_out()
    late: Promise[None] = pair.a.promise()
    pair.a.remote._room(late)
    assert testing.outcome(late)[0] == "broken"


def test_who_watches_a_session_is_told_of_its_end() -> None:
    class Watcher:
        error: SessionSevered | None = None

        def severed(self, error: SessionSevered) -> None:
            self.error = error

    pair = testing.SessionPair.make()
    early, gone, late = Watcher(), Watcher(), Watcher()
    pair.b.watch(early)
    pair.b.watch(gone)
    pair.b.unwatch(gone)
    pair.a.session.abort("bye")
    pair.pump()
    pair.b.watch(late)
    assert str(early.error) == "the peer aborted: bye"
    assert gone.error is None
    assert isinstance(late.error, SessionSevered)


def test_there_is_nothing_to_await() -> None:
    pair = testing.SessionPair.make()
    answer = pair.a.send(pair.a.remote, ())

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"testing\.outcome"):
            await answer

    asyncio.run(main())


def test_both_may_say_hello_first() -> None:
    pair = testing.SessionPair.make(both=True, opened=False)
    pair.flush(pair.a)
    pair.flush(pair.b)
    assert [sender for sender, _ in pair.sent()] == ["alice", "bob"]
    pair.pump()
    assert pair.a.log == pair.b.log == ["Opened"]


def test_a_pair_that_does_not_open_says_why() -> None:
    with pytest.raises(AssertionError, match=r"no session: .*invalid-version"):
        testing.SessionPair.make(a={"version": "9.9"})


def test_a_stranger_sends_any_octets() -> None:
    stranger = testing.Stranger()
    assert stranger.send(b"<10'op:deliver<11'desc:export0+>[]ff>") == ["Delivered"]
    stranger.assert_aborted(b"<10'op:deliver1+>", reason="op:deliver has 1 fields")
    assert str(stranger.transcript).splitlines()[-2:] == [
        "alice ─▶ bob  <op:deliver 1>",
        'bob ─▶ alice  <op:abort "op:deliver has 1 fields, not 4">',
    ]


def test_a_stranger_that_is_not_turned_away_is_a_failure() -> None:
    stranger = testing.Stranger()
    with pytest.raises(AssertionError, match=r"not severed, but \['Delivered'\]:\n(.*\n)*.*<op:deliver"):
        stranger.assert_aborted(b"<10'op:deliver<11'desc:export0+>[]ff>")
    with pytest.raises(AssertionError, match="the session is open"):
        stranger.assert_over()


def test_no_secret_is_in_a_repr() -> None:
    pair = testing.SessionPair.make()
    pair.a.send_only(pair.a.remote, Symbol("fetch"), b"a swiss number")
    pair.flush(pair.a)
    for thing in (pair, pair.a, pair.transcript, pair.transcript[-1], testing.Stranger()):
        assert "swiss" not in repr(thing)


def test_a_reason_that_is_no_error_is_a_broken_promise() -> None:
    pair = testing.SessionPair.make()

    def fail() -> None:
        raise BrokenPromise(Symbol("oh-no"))

    pair.b.serve(fail)
    answer = pair.a.send(pair.a.remote, ())
    pair.pump()
    state, error = testing.outcome(answer)
    assert (state, type(error), error.reason) == ("broken", BrokenPromise, Symbol("oh-no"))
