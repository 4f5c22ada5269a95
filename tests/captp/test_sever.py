"""The end of a session: by either side, at any point, once and for all."""

import gc
import logging
import weakref

import pytest

from hobgoblin.captp import Severed
from hobgoblin.errors import SessionSevered
from hobgoblin.refs import Promise
from hobgoblin.syrup import Framing
from hobgoblin.values import Limits, Symbol

VIOLATION = b"<7'op:nope>"
ABORT = b"<8'op:abort3\"bye>"


def by_eof(session):
    session.receive_eof()


def by_abort(session):
    session.abort("enough")


def by_the_peer(session):
    session.receive_data(ABORT)


def by_violation(session):
    session.receive_data(VIOLATION)


def by_deadline(session):
    session._deadline = 5.0  # as if the hello had not come
    session.handle_timer(6.0)


ENDS = [by_eof, by_abort, by_the_peer, by_violation, by_deadline]
LAST_WORDS = {
    by_eof: [],
    by_abort: [b"<8'op:abort6\"enough>"],
    by_the_peer: [],
    by_violation: [b"<8'op:abort15\"unknown message>"],
    by_deadline: [b"<8'op:abort16\"no hello in time>"],
}


def busy(stranger):
    """A session of bob's with something of everything in its tables, and what is pending there."""
    peer = stranger()
    bob = peer.bob
    asked = bob.send(bob.remote, (Symbol("ask"), bob.spawn(), Promise(bob)))
    piped = bob.send(asked, (1,))
    answered = bob.send(bob.remote, ())
    peer.send(b"<10'op:deliver<11'desc:export5+>[7'fulfill1+]ff>")  # the resolver of answered
    peer.bob.event(peer.events.pop())
    peer.send(
        b"<10'op:deliver<11'desc:export0+>[<18'desc:import-object7+><19'desc:import-promise8+>"
        b"<19'desc:import-promise9+>]1+<18'desc:import-object10+>>"
    )
    [event] = peer.events
    heard, unheard = event.args[1:]
    heard._listen_here(Promise(bob))
    peer.session.data_to_send()
    assert peer.session.stats().tables == (7, 4, 3, 1), peer.session.dump()
    return peer, [asked, piped, heard, unheard], (event, answered)


@pytest.mark.parametrize("end", ENDS)
def test_the_end_is_told_once_with_all_that_is_pending(stranger, end):
    peer, pending, held = busy(stranger)
    end(peer.session)
    assert peer.session.data_to_send() == LAST_WORDS[end]
    [event] = peer.session.events_received()
    assert type(event) is Severed
    assert len(event.orphans) == len(pending)
    assert set(event.orphans) == set(pending)
    assert event.abort_reason == ("bye" if end is by_the_peer else None)
    peer.assert_over()
    assert held


@pytest.mark.parametrize("end", ENDS)
def test_before_the_hello_as_well(stranger, end):
    peer = stranger(opened=False)
    end(peer.session)
    [event] = peer.session.events_received()
    assert event.orphans == ()
    peer.session.data_to_send()
    peer.assert_over()


@pytest.mark.parametrize("end", [by_eof, by_the_peer])
def test_b5_16_nothing_leaves_after_the_peer_has_ended_it(stranger, end):
    peer = stranger()
    peer.bob.send_only(peer.bob.remote, "too late")
    peer.session.receive_data(b"<10'op:deliver<11'desc:export0+>[]ff>")
    end(peer.session)
    assert peer.session.data_to_send() == []
    assert [type(event).__name__ for event in peer.session.events_received()] == ["Delivered", "Severed"]


def test_b5_16_what_was_said_before_our_own_abort_leaves_before_it(stranger):
    peer = stranger()
    peer.bob.send_only(peer.bob.remote, 1)
    peer.session.abort("enough")
    assert peer.session.data_to_send() == [b"<10'op:deliver<11'desc:export0+>[1+]ff>", *LAST_WORDS[by_abort]]


@pytest.mark.parametrize("last", [ABORT, VIOLATION, b"]"])
def test_t21_what_follows_the_end_in_the_same_octets_is_ignored(stranger, last):
    peer = stranger()
    peer.session.receive_data(last + b"<10'op:deliver<11'desc:export0+>[]ff>" * 3 + ABORT + VIOLATION)
    assert [type(event).__name__ for event in peer.session.events_received()] == ["Severed"]
    peer.session.data_to_send()
    peer.assert_over()


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("last", [ABORT, VIOLATION])
def test_t21_no_hello_brings_a_session_back(stranger, caplog, opened, last):
    peer = stranger(opened=opened)
    peer.session.receive_data(last + peer.hello + b"<10'op:deliver<11'desc:export0+>[]ff>")
    assert [type(event).__name__ for event in peer.session.events_received()] == ["Severed"]
    peer.session.data_to_send()
    peer.assert_over()
    assert peer.session.stats().messages_received == opened + 1
    assert len(caplog.records) == (last is VIOLATION)


def test_sending_and_listening_fail_afterwards(stranger):
    peer, pending, _ = busy(stranger)
    by_eof(peer.session)
    with pytest.raises(SessionSevered, match="ended"):
        peer.session.deliver(peer.session.bootstrap, (), Promise(peer.bob))
    with pytest.raises(SessionSevered):
        peer.session.listen(pending[2])


def test_aborting_twice_is_aborting_once(pair):
    pair.a.session.abort("one")
    pair.a.session.abort("two")
    pair.pump()
    assert pair.sent()[-1] == ("alice", b"<8'op:abort3\"one>")
    pair.a.carry_out()
    assert pair.a.log == pair.b.log == ["Severed"]


def test_pending_promises_break_on_both_sides(pair, result):
    later = Promise(pair.b)
    pair.b.object._behaviour = lambda *args: later
    mine = pair.a.send(pair.a.remote, ())
    theirs = pair.b.send(pair.b.remote, ())
    pair.flush(pair.a)
    pair.step(pair.a)
    pair.b.run()
    pair.a.session.abort("enough")
    pair.a.carry_out()
    pair.flush(pair.a)
    pair.step(pair.a)
    assert [type(result(promise)[1]) for promise in (mine, theirs)] == [SessionSevered] * 2
    assert str(result(mine)[1]) == "enough"
    assert str(result(theirs)[1]) == "the peer aborted: enough"
    # An answer that comes too late has nowhere to go, and harms nobody.
    later._resolve_here(1)
    assert pair.b.session.data_to_send() == []


def test_a_promise_that_is_listened_to_is_one_orphan(stranger):
    peer = stranger()
    peer.send(b"<10'op:deliver<11'desc:export0+>[<19'desc:import-promise8+>]ff>")
    [promise] = peer.events[0].args
    promise._listen_here(Promise(peer.bob))
    by_eof(peer.session)
    assert peer.session.events_received()[0].orphans == (promise,)


def test_what_has_settled_is_no_orphan(stranger):
    peer = stranger()
    peer.send(b"<10'op:deliver<11'desc:export0+>[<19'desc:import-promise8+>]ff>")
    [promise] = peer.events[0].args
    promise._listen_here(Promise(peer.bob))
    peer.send(b"<10'op:deliver<11'desc:export1+>[7'fulfill1+]ff>")
    peer.bob.event(peer.events[-1])
    by_eof(peer.session)
    assert peer.session.events_received()[0].orphans == ()


# Reasons


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("bye", "bye"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("x" * 100_000, "x" * 200),
        ("🚀" * 1000, "\\U0001f680" * 200),
    ],
)
def test_t21_the_reason_of_a_peer_is_cut_and_escaped(stranger, caplog, reason, told):
    peer = stranger()
    octets = reason.encode()
    with caplog.at_level(logging.DEBUG):
        peer.send(b"<8'op:abort%d\"%b>" % (len(octets), octets))
    [event] = peer.events
    assert event.reason == f"the peer aborted: {told}"
    assert event.abort_reason == peer.session.abort_reason == told
    assert all(record.getMessage().isprintable() for record in caplog.records)


@pytest.mark.parametrize("reason", [b"1+", b"3'bye", b"3:bye", b"f", b"", b'3"bye3"bye'])
def test_t21_an_abort_of_the_wrong_shape_ends_the_session_all_the_same(stranger, reason):
    stranger().assert_aborted(b"<8'op:abort%b>" % reason)


@pytest.mark.parametrize(
    ("reason", "told"),
    [("x" * 5000, "x" * 200), ("\ud800!", "?!"), ("Größe\n", "Größe\n"), ("🚀" * 300, "🚀" * 200)],
)
def test_our_own_reason_always_fits(stranger, reason, told):
    peer = stranger()
    peer.session.abort(reason)
    octets = told.encode()
    assert peer.session.data_to_send() == [b"<8'op:abort%d\"%b>" % (len(octets), octets)]
    assert peer.session.events_received()[0].reason == reason
    peer.assert_over()


def test_limits_without_room_for_an_abort_end_the_session_in_silence(stranger):
    peer = stranger(opened=False, limits=Limits(message_bytes=10))
    peer.session.abort("this does not fit")
    assert peer.session.data_to_send() == []
    assert [type(event) for event in peer.session.events_received()] == [Severed]
    peer.assert_over()


@pytest.mark.parametrize("end", [by_eof, by_abort, by_deadline])
def test_who_has_said_nothing_is_told_nothing(owner, end):
    # How it tells messages apart is not known: it would take an op:abort for a violation.
    twin = owner("bob", framing=Framing.DETECT).session
    end(twin)
    assert twin.data_to_send() == []


# At every octet


def stream_of(stranger):
    return [
        stranger(opened=False).hello,
        b"<10'op:deliver<11'desc:export0+>[5'fetch<18'desc:import-object7+>]1+<18'desc:import-object1+>>",
        b"<10'op:deliver<11'desc:answer1+>[<19'desc:import-promise8+>]2+f>",
        b"<9'op:listen<11'desc:answer1+><18'desc:import-object9+>f>",
        b"<13'op:gc-answers[2+]>",
    ]


@pytest.mark.parametrize("end", [by_eof, by_abort, by_deadline])
def test_t20_at_every_octet_of_a_session(stranger, end):
    stream = b"".join(stream_of(stranger))
    for cut in range(len(stream) + 1):
        peer = stranger(opened=False)
        peer.session.receive_data(stream[:cut])
        peer.session.check()
        before = peer.session.events_received()
        peer.session.data_to_send()
        end(peer.session)
        [event] = peer.session.events_received()
        imported = [arg for one in before for arg in getattr(one, "args", ()) if type(arg) is Promise]
        assert set(imported) <= set(event.orphans), cut
        assert len(set(event.orphans)) == len(event.orphans) <= 1, cut
        assert peer.session.data_to_send() == LAST_WORDS[end]
        peer.session.receive_data(stream[cut:])
        assert peer.session.events_received() == peer.session.data_to_send() == []
        peer.session.check()
    peer.assert_over()


def test_t20_a_violation_at_every_octet(stranger):
    # No value begins with an "e", and none of what is awaited here goes on with one for ever.
    stream = b"".join(stream_of(stranger))
    for cut in range(len(stream) + 1):
        peer = stranger(opened=False)
        peer.session.receive_data(stream[:cut])
        peer.session.events_received()
        peer.session.receive_data(b"e" * 400)
        assert [type(event) for event in peer.session.events_received()] == [Severed], cut
        assert peer.session.data_to_send()[-1].startswith(b"<8'op:abort")
    peer.assert_over()


# Leaks


@pytest.mark.parametrize("end", ENDS)
def test_a_severed_session_can_be_collected(stranger, end):
    peer, pending, held = busy(stranger)
    peer.session.receive_data(b"<10'op:deliver<11'desc:export0+>[1+")
    end(peer.session)
    peer.session.events_received()
    session, bob = weakref.ref(peer.session), weakref.ref(peer.bob)
    for promise in pending:
        promise._heard = True
    del peer, pending, held, promise
    gc.collect()
    assert session() is None
    assert bob() is None


def test_an_open_session_that_everybody_forgot_can_be_collected(stranger):
    peer, pending, held = busy(stranger)
    session = weakref.ref(peer.session)
    del peer, pending, held
    gc.collect()
    assert session() is None


def test_a_reference_that_outlives_its_session_keeps_no_octets(stranger):
    peer = stranger()
    mine = peer.bob.spawn()
    kept = weakref.ref(mine)
    peer.bob.send_only(peer.bob.remote, mine)
    peer.send(b"<10'op:deliver<11'desc:export0+>[<18'desc:import-object7+>]ff>")
    [reference] = peer.events.pop().args
    peer.session.receive_data(b"<10'op:deliver<11'desc:export0+>[<11'desc:export1+>9999:" + b"x" * 5000)
    del mine
    by_eof(peer.session)
    peer.session.events_received()
    gc.collect()
    assert kept() is None
    assert not peer.session._decoder.pending
    wakes = peer.bob.wakes
    del reference
    gc.collect()
    assert peer.bob.wakes == wakes
