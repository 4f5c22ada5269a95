"""A peer that means harm: each of its messages ends in one op:abort and one event."""

import gc
import json
import logging
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from hobgoblin.captp import session
from hobgoblin.crypto import SwissNum
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.messages import OpDeliver
from hobgoblin.refs import FOLLOWING, Promise, Reporter
from hobgoblin.syrup import Framing
from hobgoblin.values import Limits, Record, Symbol

NO_RESOLVER = b"ff>"
SECRET = b"s3cret-swiss-number"


def deliver(args=b"", to=b"<11'desc:export0+>", rest=NO_RESOLVER):
    return b"<10'op:deliver%b[%b]%b" % (to, args, rest)


# What no message is

GARBAGE = {
    "no record": b"1+",
    "a reference": b"<11'desc:export0+>",
    "a list of a message": b"[" + deliver() + b"]",
    "unknown op": b"<8'op:flush<11'desc:export0+><18'desc:import-object1+>>",
    "unknown op of no kind": b"<4'void>",
    "label no symbol": b'<10"op:deliver>',
    "empty record": b"<>",
    "deliver: 3 fields": b"<10'op:deliver<11'desc:export0+>[]f>",
    "deliver: 5 fields": b"<10'op:deliver<11'desc:export0+>[]fff>",
    "deliver: args no list": b"<10'op:deliver<11'desc:export0+>{}ff>",
    "deliver: target a number": b"<10'op:deliver0+[]ff>",
    "deliver: target false": b"<10'op:deliverf[]ff>",
    "deliver: answer true": b"<10'op:deliver<11'desc:export0+>[]tf>",
    "deliver: answer negative": b"<10'op:deliver<11'desc:export0+>[]1-f>",
    "deliver: answer a float": b"<10'op:deliver<11'desc:export0+>[]D\x00\x00\x00\x00\x00\x00\x00\x00f>",
    "deliver: answer too large": b"<10'op:deliver<11'desc:export0+>[]9007199254740992+f>",
    "deliver: resolver true": b"<10'op:deliver<11'desc:export0+>[]ft>",
    "deliver: resolver a number": b"<10'op:deliver<11'desc:export0+>[]f5+>",
    "deliver: resolver void": b"<10'op:deliver<11'desc:export0+>[]f<4'void>>",
    "deliver: resolver ours": b"<10'op:deliver<11'desc:export0+>[]f<11'desc:export0+>>",
    "deliver: resolver an answer": b"<10'op:deliver<11'desc:export0+>[]3+<11'desc:answer3+>>",
    "deliver-only: 3 fields": b"<15'op:deliver-only<11'desc:export0+>[]f>",
    "listen: 1 field": b"<9'op:listen<11'desc:export0+>>",
    "listen: 4 fields": b"<9'op:listen<11'desc:export0+><18'desc:import-object1+>ff>",
    "listen: partial a number": b"<9'op:listen<11'desc:export0+><18'desc:import-object1+>0+>",
    "listen: no resolver": b"<9'op:listen<11'desc:export0+>ff>",
    "listen: resolver ours": b"<9'op:listen<11'desc:export0+><11'desc:export0+>f>",
    "listen: target theirs": b"<9'op:listen<19'desc:import-promise3+><18'desc:import-object1+>f>",
    "get: integer": b"<6'op:get<11'desc:export0+>1+4+>",
    "get: symbol": b"<6'op:get<11'desc:export0+>1'x4+>",
    "get: no answer": b"<6'op:get<11'desc:export0+>1\"xf>",
    "get: target theirs": b"<6'op:get<18'desc:import-object3+>1\"x4+>",
    "index: string": b"<8'op:index<11'desc:export0+>1\"x4+>",
    "index: negative": b"<8'op:index<11'desc:export0+>1-4+>",
    "index: answer negative": b"<8'op:index<11'desc:export0+>1+4->",
    "untag: integer": b"<8'op:untag<11'desc:export0+>1+4+>",
    "untag: bytes": b"<8'op:untag<11'desc:export0+>1:x4+>",
    "gc-answers: no list": b"<13'op:gc-answers3+>",
    "gc-answers: negative": b"<13'op:gc-answers[3-]>",
    "gc-answers: 2 fields": b"<13'op:gc-answers[3+][3+]>",
    "abort: symbol": b"<8'op:abort3'bye>",
    "descriptor: no position": deliver(b"<11'desc:export>"),
    "descriptor: 2 positions": deliver(b"<11'desc:export0+0+>"),
    "descriptor: text": deliver(b"<18'desc:import-object1\"1>"),
    "descriptor: negative": deliver(b"<18'desc:import-object1->"),
    "descriptor: true": deliver(b"<19'desc:import-promiset>"),
    "descriptor: list": deliver(b"<11'desc:answer[1+]>"),
    "sturdyref: wrong": deliver(b"<15'ocapn-sturdyref1+2+>"),
    "locator: wrong": deliver(b"<10'ocapn-peer1+2+3+>"),
    "tagged: wrong": deliver(b"<11'desc:tagged1+2+>"),
    "void: wrong": deliver(b"<4'void1+>"),
    "set": deliver(b"#2+1+$"),
    "keyword: wrong": deliver(b"<2'kw1\"x>"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_t11_what_is_no_message_ends_the_session(stranger, name):
    stranger().assert_aborted(GARBAGE[name])


@pytest.mark.parametrize("name", GARBAGE)
def test_t13_nor_is_it_a_hello(stranger, name):
    stranger(opened=False).assert_aborted(GARBAGE[name])


def test_t11_an_unknown_record_in_a_value_is_carried(stranger):
    peer = stranger()
    assert peer.send(deliver(b"<5'point1+2+>")) == ["Delivered"]
    assert peer.events[0].args == (Record(Symbol("point"), (1, 2)),)


NO_VALUES = {
    "op:abort": b"<8'op:abort3\"bye>",
    "op:deliver": deliver(),
    "op:deliver-only": b"<15'op:deliver-only<11'desc:export0+>[]>",
    "op:listen": b"<9'op:listen<11'desc:export0+><18'desc:import-object1+>f>",
    "op:get": b"<6'op:get<11'desc:export0+>1\"x4+>",
    "op:gc-exports": b"<13'op:gc-exports[1+][1+]>",
    "op:gc-answer": b"<12'op:gc-answer1+>",
}


@pytest.mark.parametrize("name", NO_VALUES)
@pytest.mark.parametrize("around", [b"%b", b"[[%b]]", b'{1"x%b}', b"<5'point%b>", b"<10'desc:error%b>"])
def test_t11_an_operation_is_no_value(stranger, name, around):
    stranger().assert_aborted(deliver(around % NO_VALUES[name]), reason="no value")


def test_t11_an_operation_is_no_field_of_another(stranger):
    for message in (
        deliver(to=deliver()),
        b"<9'op:listen<11'desc:export0+>%bf>" % deliver(),
        b"<13'op:gc-answers%b>" % deliver(),
        b"<5'point%b>" % deliver(),
    ):
        stranger().assert_aborted(message)


def ask(stranger, **options):
    """Bob has asked two questions: the resolvers are his exports 1 and 2."""
    peer = stranger(**options)
    answers = [peer.bob.send(peer.bob.remote, ()) for _ in range(2)]
    peer.session.data_to_send()
    return peer, answers


@pytest.mark.parametrize(
    "message",
    [
        deliver(b"<11'desc:export1+>"),
        deliver(b"[{1\"x<11'desc:export1+>}]"),
        deliver(b"7'fulfill<11'desc:export1+>", to=b"<11'desc:export1+>"),
        deliver(b"7'fulfill<11'desc:export2+>", to=b"<11'desc:export1+>"),
        b"<9'op:listen<11'desc:export1+><18'desc:import-object1+>f>",
        b"<6'op:get<11'desc:export1+>1\"x4+>",
        b"<10'op:deliver<11'desc:export0+>[]f<11'desc:export1+>>",
    ],
)
def test_t30_our_resolvers_are_no_values(stranger, message):
    # As a value it would be a reference that nobody can send to.
    peer, answers = ask(stranger)
    peer.assert_aborted(message)
    assert set(peer.events[-1].orphans) == set(answers)


# Positions


@pytest.mark.parametrize(
    "message",
    [
        deliver(to=b"<11'desc:export9+>"),
        deliver(to=b"<11'desc:answer9+>"),
        deliver(b"<11'desc:export9+>"),
        deliver(b"[<11'desc:answer9+>]"),
        b"<9'op:listen<11'desc:export9+><18'desc:import-object1+>f>",
        b"<9'op:listen<11'desc:answer9+><18'desc:import-object1+>f>",
        b"<6'op:get<11'desc:answer9+>1\"x4+>",
        b"<10'op:deliver<11'desc:export0+>[<11'desc:answer3+>]3+f>",
    ],
)
def test_t30_positions_that_do_not_exist_end_the_session(stranger, message):
    stranger().assert_aborted(message)


def test_t30_an_answer_that_was_given_up_is_gone(stranger):
    peer = stranger()
    peer.send(deliver(rest=b"3+f>"), deliver(to=b"<11'desc:answer3+>"), b"<13'op:gc-answers[3+]>")
    peer.assert_aborted(deliver(to=b"<11'desc:answer3+>"))


@pytest.mark.parametrize(
    "target", [b"<18'desc:import-object3+>", b"<19'desc:import-promise3+>", b"<18'desc:import-object0+>"]
)
def test_t30_a_target_on_the_wrong_side_ends_the_session(stranger, target):
    stranger().assert_aborted(deliver(to=target), reason="neither desc:export nor desc:answer")


# Kinds and amounts


def test_deep_nesting_ends_the_session(stranger):
    for opening in (b"[", b"<5'point", b'{1"x', b"<11'desc:tagged1't"):
        peer = stranger()
        peer.assert_aborted(deliver()[:-4] + opening * 100_000)


def test_t5_nesting_up_to_the_limit_is_fine(stranger):
    peer = stranger(limits=Limits(depth=20))
    assert peer.send(deliver(b"[" * 18 + b"]" * 18)) == ["Delivered"]
    peer.assert_aborted(deliver(b"[" * 19 + b"]" * 19))


@pytest.mark.without_coverage
def test_t6_huge_lists_end_the_session(stranger):
    for filling in (b"t", b"[]", b"<4'void>"):
        stranger().assert_aborted(b"<10'op:deliver<11'desc:export0+>[" + filling * 300_000)


def test_huge_lists_of_positions_end_the_session(stranger):
    stranger().assert_aborted(b"<13'op:gc-answers[" + b"1+" * 300_000)


def test_t3_huge_lengths_end_the_session_before_anything_is_kept(stranger):
    tracemalloc.start()
    try:
        stranger().assert_aborted(deliver()[:-4] + b"999999999:")
        stranger().assert_aborted(deliver()[:-4] + b"0" * 1000)
        stranger(framing=Framing.PREFIXED).session.receive_data(b"999999999:")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_t4_huge_integers_end_the_session(stranger):
    peer = stranger()
    start = time.process_time()
    peer.assert_aborted(deliver(b"9" * 1_000_000 + b"+"))
    assert time.process_time() - start < 1.0


def test_a_message_over_the_limit_ends_the_session(stranger):
    peer = stranger(limits=Limits(message_bytes=1000))
    assert peer.send(deliver(b"900:" + b"x" * 900)) == ["Delivered"]
    peer.assert_aborted(deliver(b"1000:" + b"x" * 1000))


def test_octets_that_never_end_are_not_kept(stranger):
    peer = stranger(limits=Limits(message_bytes=100_000))
    tracemalloc.start()
    try:
        for _ in range(10_000):
            peer.session.receive_data(b"<13'op:gc-answers[" if not _ else b"1+" * 500)
            if peer.state == "severed":
                break
        assert peer.state == "severed"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# B5: what a peer does to one session stays there


def test_b5_13_other_sessions_of_the_same_home_are_not_touched(make_pair, stranger):
    pair = make_pair()
    pair.a.send_only(pair.a.remote, pair.a.spawn())
    pair.pump()
    before = pair.a.session.dump(), pair.a.session.stats()
    for message in GARBAGE.values():
        stranger().assert_aborted(message)
    assert (pair.a.session.dump(), pair.a.session.stats()) == before
    pair.assert_clean()


def test_b5_17_no_secret_is_shown(stranger, caplog, keys):
    peer = stranger()
    sturdyref = SturdyRef(PeerLocator("tcp-testing-only", "x", {}), SwissNum(SECRET))
    with caplog.at_level(logging.DEBUG):
        answer = peer.bob.send(peer.bob.remote, (Symbol("fetch"), SECRET, sturdyref))
        peer.send(deliver(b"5'fetch%d:%b" % (len(SECRET), SECRET), rest=b"7+<18'desc:import-object9+>>"))
        mine = peer.bob.spawn(lambda *args: SECRET)
        peer.bob.send_only(peer.bob.remote, mine, Promise(peer.bob))
        shown = [repr(peer.session), peer.session.dump(), repr(peer.session.stats()), str(peer.session)]
        peer.send(deliver(b"5'fetch%d:%b" % (len(SECRET), SECRET), to=b"<11'desc:export99+>"))
        shown.append(peer.events[-1].reason)
    shown.extend(record.getMessage() for record in caplog.records)
    seed = keys("bob")._private.private_bytes_raw()
    for text in shown:
        assert SECRET.decode() not in text
        assert seed.hex() not in text
    assert any("export 2" in text for text in shown)
    assert any(record.levelno == logging.WARNING for record in caplog.records)
    assert answer is not None


def test_t11_the_peer_is_told_nothing_that_it_sent(stranger):
    for name, message in GARBAGE.items():
        peer = stranger()
        peer.send(message.replace(b'1"x', b'6"s3cret'))
        assert b"s3cret" not in peer.answers[-1], name


def test_a_bug_of_ours_ends_the_session_and_not_the_process(stranger, caplog):
    peer = stranger()

    def broken():
        raise ZeroDivisionError("s3cret")

    peer.session._new_promise = broken
    peer.assert_aborted(deliver(rest=b"f<18'desc:import-object5+>>"), reason="internal error")
    assert caplog.records[-2].exc_info is not None


def test_one_choke_point(stranger):
    """Each handler is reached by its own type of message only, and each operation has one."""
    handlers = session._HANDLERS
    assert all(callable(getattr(stranger().session, name)) for name in handlers.values())
    assert all(kind.__name__.startswith("Op") for kind in handlers)
    assert OpDeliver in handlers
    assert len(handlers) == 9


# Hand-offs: not taken over yet, and no reason to end a session


def vectors():
    path = Path(__file__).parent.parent / "vectors" / "wire-examples.json"
    return {
        name: bytes.fromhex(octets) for name, octets in json.loads(path.read_text(encoding="utf-8")).items()
    }


def signed_give():
    return vectors()["signed give envelope"]


def test_a_reference_of_a_third_party_arrives_broken(stranger, result):
    peer = stranger()
    assert peer.send(deliver(signed_give())) == ["Delivered"]
    [promise] = peer.events[0].args
    assert result(promise)[0] == "broken"


def test_gifts_are_delivered_to_the_bootstrap_object(stranger):
    peer = stranger()
    withdraw = vectors()["op:deliver withdraw-gift"]
    assert peer.send(withdraw) == ["Delivered"]
    assert peer.events[0].args[0] == Symbol("withdraw-gift")
    assert peer.state == "open"


@pytest.mark.parametrize("name", ["desc:handoff-give", "desc:handoff-receive"])
def test_t40_certificates_without_a_signature_are_no_values(stranger, name):
    stranger().assert_aborted(deliver(vectors()[name]), reason="no value")


def test_t40_other_things_with_a_signature_are_no_values(stranger):
    start = signed_give().rindex(b"[7'sig-val")
    for content in (b"1+", b"<11'desc:export0+>", b"<11'my-location1+>"):
        peer = stranger()
        peer.assert_aborted(deliver(b"<17'desc:sig-envelope" + content + signed_give()[start:]))
    receive = vectors()["desc:handoff-receive"]
    stranger().assert_aborted(deliver(receive[:24] + b">"))
    stranger().assert_aborted(deliver(b"<20'desc:handoff-receive1+2+3+4+>"))


def test_b5_17_logs_hold_nothing_unprintable(stranger, caplog):
    with caplog.at_level(logging.DEBUG):
        stranger().assert_aborted(deliver(b'{7"a\nb\x1b[2m1+6"\xe2\x80\xaexyz%'))
        stranger().assert_aborted(b"<5'a\nb\x00c%")
        stranger().assert_aborted(b"<10'op:deliver<11'desc:export0+>[<5'a\nb\x00c%")
    assert len(caplog.records) == 3
    assert all(record.getMessage().isprintable() for record in caplog.records)


def steps(work):
    """Return how many calls ``work()`` makes: what takes time, counted."""
    count = 0

    def called(frame, event, arg):
        nonlocal count
        count += 1

    gc.disable()  # what it finalizes is none of the work
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def test_t33_an_answer_that_is_put_off_for_ever_takes_as_long_each_time(stranger):
    """Each promise that the peer settles is settled to another one of its own."""
    peer = stranger()
    answer = peer.bob.send(peer.session.bootstrap, ())

    def put_off(first, last):
        for n in range(first, last):
            promise = b"<19'desc:import-promise%d+>" % n
            peer.bob.take(deliver(b"7'fulfill" + promise, to=b"<11'desc:export%d+>" % n))

    put_off(1, 20)
    few = steps(lambda: put_off(20, 40))
    peer.bob.checks = False
    put_off(40, 1000)
    peer.bob.checks = True
    assert peer.state == "open"
    assert answer._state == FOLLOWING
    peer.bob.checks = False
    assert steps(lambda: put_off(1000, 1020)) <= few


def test_t33_a_promise_that_many_follow_may_be_put_off(stranger):
    peer = stranger()
    peer.bob.take(deliver(b"<19'desc:import-promise100+>"))
    [message] = peer.bob.inbox
    [promise] = message.args
    followers = [Promise(peer.bob) for _ in range(1000)]
    for follower in followers:
        follower._resolve_here(promise)
    first, second = [
        deliver(b"7'fulfill<19'desc:import-promise%d+>" % (100 + n), to=b"<11'desc:export%d+>" % n)
        for n in (1, 2)
    ]
    peer.bob.take(first)
    peer.bob.checks = False
    assert steps(lambda: peer.bob.take(second)) < 1000
    peer.bob.take(deliver(b"7'fulfill4+", to=b"<11'desc:export3+>"))
    assert {follower._value for follower in followers} == {4}


def test_who_asks_for_a_report_while_a_chain_settles_gets_it(owner):
    bob = owner("bob")
    first, second = Promise(bob), Promise(bob)
    told = []

    class Asked(Reporter):
        def follows(self, root):
            return False

        def settled(self, promise):
            told.append(promise._value)

    class Asking:
        def settled(self, promise):
            second._listen_here(Asked())

    first._listen_here(Asking())
    second._resolve_here(first)
    first._resolve_here(5)
    assert told == [5]
