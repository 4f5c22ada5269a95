"""What one peer may keep here: each kind has a limit, each is counted exactly, and each count goes down."""

import gc
import logging
from dataclasses import fields, replace

import pytest

from hobgoblin.captp import BREAK, FULFILL
from hobgoblin.errors import SessionFull
from hobgoblin.refs import PENDING, Promise
from hobgoblin.values import DEFAULT_LIMITS, ErrorValue, Limits

CALL = b"<10'op:deliver<11'desc:export0+>[]0+f>"
PIPED = b"<10'op:deliver<11'desc:answer0+>[]ff>"
MANY = 100_000


@pytest.fixture
def busy(stranger):
    """A session whose peer has called bob's object, which has not answered: answer 0 is pending."""

    def make(**limits):
        peer = stranger(limits=Limits(**limits), serve=lambda: peer.bob.object)
        peer.bob.take(CALL)
        return peer

    return make


def queued(peer):
    stats = peer.session.stats()
    return stats.queued_messages, stats.queued_bytes


def aborted(peer):
    """The reason that the peer is told, once the session has ended."""
    assert peer.state == "severed"
    [*_, last] = peer.session.data_to_send()
    assert last.startswith(b"<8'op:abort")
    return last.split(b'"', 1)[1][:-1].decode()


# Messages that wait for a promise


def test_t34_a_hundred_thousand_messages_to_a_promise_that_never_settles_end_the_session(busy):
    peer = busy()
    peer.bob.checks = False
    for _ in range(MANY // 1000):
        peer.bob.take(PIPED * 1000)
    assert aborted(peer) == "too many messages wait for one promise"
    assert queued(peer) == (8192, 8192 * len(PIPED))
    peer.session.check()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"promise_messages": 3}, "too many messages wait for one promise"),
        ({"promise_bytes": 3 * len(PIPED)}, "too many messages wait for one promise"),
        ({"queued_messages": 3}, "too many messages wait for promises"),
        ({"queued_bytes": 3 * len(PIPED)}, "too many messages wait for promises"),
    ],
)
def test_t34_as_many_messages_may_wait_as_the_limit_says_and_no_more(busy, limits, reason):
    peer = busy(**limits)
    peer.bob.take(PIPED * 3)
    assert peer.state == "open"
    assert queued(peer) == (3, 3 * len(PIPED))
    peer.bob.take(PIPED)
    assert aborted(peer) == reason


def test_t34_the_messages_to_all_promises_are_bounded_together(busy):
    peer = busy(queued_messages=5, promise_messages=3)
    peer.bob.take(b"<10'op:deliver<11'desc:export0+>[]1+f>" + PIPED * 3)
    peer.bob.take(PIPED.replace(b"answer0", b"answer1") * 2)
    assert queued(peer)[0] == 5
    peer.bob.take(PIPED.replace(b"answer0", b"answer1"))
    assert aborted(peer) == "too many messages wait for promises"


def to_an_object(peer, promise):
    promise._resolve_here(peer.bob.object)


def to_data(peer, promise):
    promise._resolve_here(7)


def to_a_break(peer, promise):
    promise._break_here(RuntimeError("no"))


def along_a_route(peer, promise):
    peer.bob.session.deliver(peer.bob.remote, (), promise)


def to_a_promise_with_a_route(peer, promise):
    promise._resolve_here(peer.bob.send(peer.bob.remote, ()))


WAYS_OUT = [to_an_object, to_data, to_a_break, along_a_route, to_a_promise_with_a_route]


@pytest.mark.parametrize("leave", WAYS_OUT)
def test_messages_count_until_they_leave_the_promise(busy, leave):
    peer = busy()
    promise = peer.session._crossing.answers[0]
    peer.bob.take(PIPED * 3)
    assert queued(peer) == (3, 3 * len(PIPED))
    leave(peer, promise)
    assert queued(peer) == (0, 0)
    peer.session.check()
    peer.bob.take(PIPED)
    peer.bob.reports.clear()
    assert queued(peer) == (0, 0)


def test_messages_that_move_to_another_promise_count_on(busy):
    peer = busy()
    promise = peer.session._crossing.answers[0]
    other = Promise(peer.bob)
    peer.bob.take(PIPED * 3)
    promise._resolve_here(other)
    assert queued(peer) == (3, 3 * len(PIPED))
    peer.bob.take(PIPED)
    assert queued(peer)[0] == 4
    other._resolve_here(peer.bob.object)
    assert queued(peer) == (0, 0)


def test_messages_to_a_promise_that_nobody_can_settle_any_more_count_no_more(busy):
    peer = busy()
    peer.bob.take(PIPED * 3)
    peer.bob.inbox.clear()  # the call that would have settled it
    peer.bob.take(b"<13'op:gc-answers[0+]>")
    gc.collect()
    assert queued(peer) == (0, 0)
    assert peer.session.stats().listeners == 0


def test_a_message_that_waits_counts_its_octets_with_all_that_is_in_it(busy):
    peer = busy()
    message = b"<10'op:deliver<11'desc:answer0+>[1000:" + b"x" * 1000 + b"]ff>"
    for octet in message:
        peer.bob.take(bytes([octet]))
    assert queued(peer) == (1, len(message))


def chain(count):
    """Calls each of which goes to the answer of the one before; the first waits for answer 0."""
    return b"".join(b"<10'op:deliver<11'desc:answer%d+>[]%d+f>" % (n, n + 1) for n in range(count))


@pytest.mark.without_coverage
@pytest.mark.parametrize("end", [to_an_object, to_a_break, None])
def test_t34_a_chain_of_a_hundred_thousand_promises_costs_no_stack(busy, end):
    peer = busy(queued_messages=MANY, listeners=MANY + 1)
    peer.bob.checks = False
    peer.bob.take(chain(MANY))
    assert queued(peer)[0] == MANY
    if end is None:
        peer.bob.inbox.clear()
        peer.session.abort("enough")
        peer.bob.carry_out()
        gc.collect()
    else:
        end(peer, peer.session._crossing.answers[0])
        peer.bob.run()
    assert queued(peer) == (0, 0)
    assert peer.session.stats().listeners == 0


@pytest.mark.without_coverage
def test_t34_a_chain_is_cut_at_the_limit_of_the_session(busy):
    peer = busy()
    peer.bob.checks = False
    peer.bob.take(chain(MANY))
    assert aborted(peer) == "too many messages wait for promises"


# Calls that have not ended, and listeners


def test_calls_and_listeners_count_until_they_are_told(busy):
    peer = busy(listeners=3)
    peer.bob.take(b"<9'op:listen<11'desc:answer0+><18'desc:import-object5+>>")
    peer.bob.take(b"<6'op:get<11'desc:answer0+>4\"name1+>")
    assert peer.session.stats().listeners == 3
    peer.bob.run()
    assert peer.session.stats().listeners == 0
    assert peer.session.stats().answers == 2


@pytest.mark.parametrize(
    "message",
    [
        b"<9'op:listen<11'desc:answer0+><18'desc:import-object5+>>",
        b"<6'op:get<11'desc:answer0+>4\"name1+><13'op:gc-answers[1+]>",
        b"<10'op:deliver<11'desc:export0+>[]1+f><13'op:gc-answers[1+]>",
        b"<10'op:deliver<11'desc:export0+>[]ff>",
        b"<10'op:deliver<11'desc:export0+>[]f<18'desc:import-object5+>>",
    ],
)
def test_t35_what_is_called_and_given_up_at_once_counts_until_it_ends(busy, message):
    peer = busy(listeners=11)
    peer.bob.take(message * 10)
    assert peer.session.stats().listeners == 11
    peer.bob.take(message)
    assert aborted(peer) == "too many calls and listeners"


# Exports


def test_t36_a_peer_that_gives_nothing_back_is_cut_off_and_named_in_the_log(make_pair, caplog):
    def make():
        return bob.spawn()

    pair = make_pair(b={"serve": make, "limits": replace(DEFAULT_LIMITS, exports=50)})
    bob, alice = pair.b, pair.a
    kept = [alice.send(alice.remote, ()) for _ in range(49)]
    pair.pump()
    assert bob.session.stats().exports == 50
    with caplog.at_level(logging.WARNING):
        kept.append(alice.send(alice.remote, ()))
        pair.pump()
    [record] = caplog.records
    assert record.getMessage() == (
        "session with ocapn://alice0.tcp-testing-only?host=127.0.0.1&port=22045 aborted: "
        "the other side holds 50 references of ours: it must give some back"
    )
    assert alice.session.abort_reason is not None
    assert bob.session.stats().tables == (0, 0, 0, 0)


def test_t36_a_peer_that_gives_back_may_go_on_for_ever(make_pair):
    def make():
        return pair.b.spawn()

    pair = make_pair(b={"serve": make, "limits": replace(DEFAULT_LIMITS, exports=10)})
    for _ in range(100):
        pair.a.send(pair.a.remote, ())
        pair.settle()
    pair.assert_clean()


def test_own_sends_leave_room_in_the_exports_and_abort_nothing(make_pair):
    pair = make_pair(a={"limits": replace(DEFAULT_LIMITS, exports=40)})
    alice, bob = pair.a, pair.b
    bob.checks = False
    questions = [alice.send(alice.remote, ()) for _ in range(29)]
    assert alice.session.stats().exports == 30
    for args in [(), (alice.spawn(),)]:
        refused = alice.send(alice.remote, args)
        refused._heard = True
        assert type(refused._value) is SessionFull
        assert "must give some back" in str(refused._value)
    assert alice.session.stats().refused == 2
    assert alice.session.stats().exports == 30
    alice.session.check()

    # Answers and listening have the rest.
    promise = Promise(bob)
    bob.send_only(bob.remote, promise)
    asked = bob.send(bob.remote, ())
    pair.flush(bob)
    pair.step(bob)
    pair.step(bob)
    heard = alice.inbox.popleft().args[0]
    heard._listen_here(Promise(alice))
    alice.inbox.popleft().answer._resolve_here(alice.spawn())
    assert alice.session.stats().exports == 32

    # And what the peer gives back can be used again.
    pair.pump()
    pair.settle()
    assert all(question._state != PENDING for question in questions)
    assert asked._state != PENDING
    again = alice.send(alice.remote, (alice.spawn(),))
    assert again._state == PENDING


@pytest.mark.parametrize("limits", [Limits(listeners=5), Limits(answers=5)])
def test_b5_13_more_is_not_asked_of_a_peer_than_we_would_take(make_pair, limits):
    """It takes no more either: calls that one peer has us pass on would end the session with another."""
    pair = make_pair(limits=limits)
    alice, bob = pair.a, pair.b
    promise = Promise(bob)
    questions = [alice.send(alice.remote, ()) for _ in range(5)]
    for asked in (alice.send(alice.remote, ()), alice.select(questions[0], 0, False)):
        asked._heard = True
        assert type(asked._value) is SessionFull
    assert alice.session.stats().refused == 2
    pair.flush(alice)
    while pair.wires[alice]:
        pair.step(alice)
    for _ in range(5):
        bob.inbox.popleft().answer._resolve_here(promise)
    pair.pump()
    assert type(alice.send(alice.remote, ())._excuse()._value) is SessionFull
    promise._resolve_here(7)
    pair.pump()
    assert [question._value for question in questions] == [7] * 5
    del questions, asked
    pair.settle()
    again = alice.send(alice.remote, ())
    pair.pump()
    assert again._state != PENDING
    del again
    pair.assert_clean()


def test_listening_to_more_than_the_peer_lets_us_forget_ends_the_session(stranger):
    peer = stranger(limits=Limits(exports=5))
    promises = b"".join(b"<19'desc:import-promise%d+>" % n for n in range(1, 6))
    peer.bob.take(b"<10'op:deliver<11'desc:export0+>[%b]ff>" % promises)
    [message] = peer.bob.inbox
    for promise in message.args:
        if peer.state == "open":
            promise._listen_here(Promise(peer.bob))
    assert "must give some back" in aborted(peer)


# What waits to be sent


def test_sends_are_refused_while_too_much_waits_and_answers_are_not(busy):
    peer = busy(outbound_bytes=1000)
    peer.session.data_to_send()
    sent = [peer.bob.send(peer.bob.remote, (b"x" * 500,)) for _ in range(2)]
    assert [promise._state for promise in sent] == [PENDING, PENDING]
    before = peer.session.stats()
    assert before.outbound_bytes > 1000
    refused = peer.bob.send(peer.bob.remote, ())
    refused._heard = True
    assert type(refused._value) is SessionFull
    assert "await drained" in str(refused._value)
    assert peer.session.stats() == replace(before, refused=1)

    peer.bob.take(b"<10'op:deliver<11'desc:export0+>[]f<18'desc:import-object5+>>")
    peer.bob.run()  # answers
    assert peer.session.stats().outbound_bytes > before.outbound_bytes
    peer.session.check()
    assert len(peer.session.data_to_send(releases=False)) == 3
    assert peer.session.stats().outbound_bytes == 0
    assert peer.bob.send(peer.bob.remote, ())._state == PENDING


def test_answers_that_nobody_reads_end_the_session(stranger, caplog):
    peer = stranger(limits=Limits(outbound_bytes=1000), serve=lambda: b"x" * 400)
    call = b"<10'op:deliver<11'desc:export0+>[]f<18'desc:import-object5+>>"
    while peer.state == "open":
        peer.bob.take(call)
        peer.bob.run()
        assert peer.session.unsent <= 4000 + 500
    assert aborted(peer) == "the peer does not read what is sent to it"
    assert "alice0" in caplog.text
    peer.bob.carry_out()
    assert peer.session.stats().tables == (0, 0, 0, 0)


def test_output_can_be_taken_in_parts(pair):
    for n in range(10):
        pair.a.send_only(pair.a.remote, n)
    parts = []
    while part := pair.a.session.data_to_send(most=60):
        pair.a.session.check()
        parts.append(part)
    assert [len(part) for part in parts] == [2, 2, 2, 2, 2]
    for part in parts:
        for message in part:
            pair.b.take(message)
    assert [message.args for message in pair.b.inbox] == [(n,) for n in range(10)]


# What comes in


def test_input_can_be_handled_in_parts(stranger):
    peer = stranger()
    peer.session.receive_data(CALL[:10])
    assert peer.session.receive_data(CALL[10:] + PIPED * 6 + PIPED[:7], 3) == 3
    assert peer.session.go_on(3) == 3
    assert peer.session.go_on(3) == 1
    assert peer.session.receive_data(PIPED[7:], 3) == 1
    assert len(peer.session.events_received()) == 8
    assert peer.session.receive_data(b"<7'op:nope>" + PIPED * 5, 3) == 1
    assert peer.session.go_on(3) == 0
    assert peer.state == "severed"


# What is in use, for people


def test_stats_name_what_the_limits_bound(busy):
    peer = busy()
    peer.bob.take(PIPED)
    stats = peer.session.stats()
    assert (stats.exports, stats.imports, stats.questions, stats.answers) == (1, 0, 0, 1)
    assert (stats.listeners, stats.queued_messages, stats.queued_bytes) == (2, 1, len(PIPED))
    assert stats.outbound_bytes == sum(map(len, peer.session.data_to_send()))
    assert stats.refused == 0


def test_an_answer_within_the_limits_is_told_whatever_waits(pair):
    answered = pair.a.send(pair.a.remote, ())
    pair.pump()
    assert answered._state != PENDING
    with pytest.raises(ValueError, match="not behind this session"):
        pair.a.session.tell(pair.a.object, FULFILL, None)
    with pytest.raises(ValueError, match="not behind this session"):
        pair.a.session.tell(pair.a.object, BREAK, ErrorValue("no"))
    pair.a.session.check()


def test_limits_beyond_a_machine_word_hold_nobody_up(stranger):
    endless = Limits(**{field.name: 2**64 for field in fields(Limits) if type(field.default) is int})
    peer = stranger(limits=endless, serve=lambda: peer.bob.object)
    peer.bob.take(CALL)
    assert peer.bob.session.stats().listeners == 1
