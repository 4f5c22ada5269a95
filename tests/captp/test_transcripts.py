"""What crosses the wire, octet for octet, and that it does not matter how the octets are cut."""

import json
from pathlib import Path

import pytest

from hobgoblin.captp import FULFILL
from hobgoblin.errors import BrokenPromise, RemoteError
from hobgoblin.refs import Promise
from hobgoblin.syrup import Framing
from hobgoblin.values import Symbol

HELLO = bytes.fromhex(
    json.loads((Path(__file__).parent.parent / "vectors" / "wire-examples.json").read_text(encoding="utf-8"))[
        "op:start-session"
    ]
)
STREAMS = (Framing.RAW, Framing.PREFIXED)


def test_the_hello_of_alice_is_the_vector(owner, location):
    alice = owner("alice", dialled=location("bob"))
    assert alice.session.data_to_send() == [HELLO]
    assert alice.session.data_to_send() == []


def play(pair, result):
    """A session with a bit of everything; return how the promises stood at the end."""
    alice, bob = pair.a, pair.b
    later = Promise(bob)

    def drive(*args):
        raise BrokenPromise(Symbol("oh-no"))

    car = bob.spawn(drive)

    def serve(verb, *args):
        return {"fetch": car, "promise": later, "echo": args}[verb.name]

    bob.object._behaviour = serve
    bob.tells_promises = True
    fetched = alice.send(alice.remote, (Symbol("fetch"), b"swissnum"))
    driven = alice.send(fetched, (Symbol("drive"),))
    pair.pump()
    promised = alice.send(alice.remote, (Symbol("promise"),))
    alice.send_only(alice.remote, Symbol("echo"), 1, True, "x")
    pair.pump()
    assert result(promised) == "following"  # of an import, which is listened to now
    later._resolve_here((1, "two"))
    pair.pump()
    found = [result(fetched)[0], result(driven)[1].reason, result(promised)]
    fetched._heard = True
    del fetched, driven, promised
    pair.settle()
    alice.session.abort("bye")
    pair.flush(alice)
    if pair.wires[alice]:
        pair.step(alice)
    return found


def test_a_whole_session_octet_for_octet(make_pair, result):
    pair = make_pair()
    start = len(pair.transcript)
    assert play(pair, result) == ["fulfilled", Symbol("oh-no"), ("fulfilled", (1, "two"))]
    assert pair.sent(start) == [
        ("alice", b"<10'op:deliver<11'desc:export0+>[5'fetch8:swissnum]1+<18'desc:import-object1+>>"),
        ("alice", b"<10'op:deliver<11'desc:answer1+>[5'drive]2+<18'desc:import-object2+>>"),
        ("bob", b"<10'op:deliver<11'desc:export1+>[7'fulfill<18'desc:import-object1+>]ff>"),
        ("bob", b"<10'op:deliver<11'desc:export2+>[5'break5'oh-no]ff>"),
        ("bob", b"<13'op:gc-exports[1+2+][1+1+]>"),
        ("alice", b"<10'op:deliver<11'desc:export0+>[7'promise]3+<18'desc:import-object3+>>"),
        ("alice", b"<10'op:deliver<11'desc:export0+>[4'echo1+t1\"x]ff>"),
        ("bob", b"<10'op:deliver<11'desc:export3+>[7'fulfill<19'desc:import-promise2+>]ff>"),
        ("bob", b"<13'op:gc-exports[3+][1+]>"),
        ("alice", b"<9'op:listen<11'desc:export2+><18'desc:import-object4+>f>"),
        ("bob", b"<10'op:deliver<11'desc:export4+>[7'fulfill[1+3\"two]]ff>"),
        ("bob", b"<13'op:gc-exports[4+][1+]>"),
        ("alice", b"<13'op:gc-exports[2+][1+]>"),
        ("alice", b"<13'op:gc-exports[1+][1+]>"),
        ("alice", b"<13'op:gc-answers[1+2+3+]>"),
        ("alice", b"<8'op:abort3\"bye>"),
    ]
    assert pair.a.reports == pair.b.reports == []


@pytest.mark.parametrize("framing", [*STREAMS, Framing.MESSAGE])
def test_framings_change_nothing_else(make_pair, result, framing):
    raw, framed = make_pair(), make_pair(framing=framing)
    assert play(raw, result) == play(framed, result)

    def unframed(message):
        return message.partition(b":")[2] if framing is Framing.PREFIXED else message

    assert [(name, unframed(message)) for name, message in framed.transcript] == raw.sent()


@pytest.mark.parametrize("framing", STREAMS)
def test_an_acceptor_detects_the_framing_and_answers_in_it(make_pair, result, framing):
    pair = make_pair(a={"framing": framing}, b={"framing": Framing.DETECT})
    assert play(pair, result)[0] == "fulfilled"
    assert pair.b.log[-1] == "Severed"


def record_of(stranger, framing):
    """What a peer says that does a bit of everything, and a function that tells what came of it."""
    messages = [
        b"<10'op:deliver<11'desc:export0+>[5'fetch8:swissnum]1+<18'desc:import-object1+>>",
        b"<10'op:deliver<11'desc:answer1+>[5'drive<18'desc:import-object7+><19'desc:import-promise8+>]2+f>",
        b"<9'op:listen<11'desc:answer1+><18'desc:import-object9+>f>",
        b"<6'op:get<11'desc:answer2+>4\"name4+>",
        b"<13'op:gc-answers[2+]>",
        b"<13'op:gc-exports[1+][1+]>",
        b"<8'op:abort3\"bye>",
    ]
    peer = stranger(opened=False, framing=framing)
    stream = [peer.hello, *messages]
    if framing is Framing.PREFIXED:
        stream = [b"%d:%b" % (len(message), message) for message in stream]
    return stream


def outcome_of(peer):
    events = [
        (type(event).__name__, [repr(getattr(event, name)) for name in type(event).__match_args__])
        for event in peer.session.events_received()
    ]
    return events, peer.session.data_to_send(), peer.session.stats()


@pytest.mark.without_coverage
@pytest.mark.parametrize("framing", STREAMS)
def test_t10_messages_may_be_cut_at_any_octet(stranger, framing):
    stream = b"".join(record_of(stranger, framing))
    whole = stranger(opened=False, framing=framing)
    whole.session.receive_data(stream)
    expected = outcome_of(whole)
    kinds = ["Opened", "Delivered", "Delivered", "Listened", "Selected", "Severed"]
    assert [kind for kind, _ in expected[0]] == kinds
    for cut in range(1, len(stream)):
        peer = stranger(opened=False, framing=framing)
        peer.session.receive_data(stream[:cut])
        peer.session.check()
        peer.session.receive_data(stream[cut:])
        assert outcome_of(peer) == expected, cut
    single = stranger(opened=False, framing=framing)
    for octet in stream:
        single.session.receive_data(bytes((octet,)))
    assert outcome_of(single) == expected


def test_t10_octets_behind_a_message_in_its_frame_are_refused(stranger):
    message = b"<13'op:gc-answers[2+]>"
    for framing, octets in ((Framing.PREFIXED, b"23:" + message + b"t"), (Framing.MESSAGE, message + b"t")):
        peer = stranger(framing=framing)
        peer.session.receive_data(octets)
        assert peer.session.events_received()[-1].reason == "malformed message"
    peer = stranger(framing=Framing.MESSAGE)
    peer.session.receive_data(message + message)
    assert peer.state == "severed"


def test_no_two_deliveries_share_a_resolver_or_a_question(pair):
    answers = [pair.a.send(pair.a.remote, (FULFILL,)) for _ in range(3)]
    pair.flush(pair.a)
    assert [message.rpartition(b"]")[2] for _, message in pair.sent()[-3:]] == [
        b"%d+<18'desc:import-object%d+>>" % (pos, pos) for pos in (1, 2, 3)
    ]
    assert len(answers) == 3


def test_a_reason_that_is_an_error_value_is_a_remote_error(pair, result):
    def fail(*args):
        raise ValueError("boom")

    pair.b.object._behaviour = fail
    answer = pair.a.send(pair.a.remote, ())
    pair.pump()
    state, error = result(answer)
    assert (state, type(error), error.message) == ("broken", RemoteError, "boom")
