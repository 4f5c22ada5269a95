"""The hello, in every order, and what is refused of it."""

import pytest

from hobgoblin.captp import Opened
from hobgoblin.captp.handshake import hello
from hobgoblin.crypto import session_id
from hobgoblin.errors import NotPassable, SessionSevered
from hobgoblin.locators import PeerLocator, my_location
from hobgoblin.messages import ENCODERS, OpStartSession
from hobgoblin.refs import Promise
from hobgoblin.syrup import encode
from hobgoblin.values import Limits, Record, Symbol
from hobgoblin.wire import TODAY


def test_the_initiator_speaks_first_and_the_acceptor_answers(make_pair):
    pair = make_pair(opened=False)
    alice, bob = pair.a, pair.b
    pair.flush(bob)
    assert not pair.wires[bob]
    pair.flush(alice)
    pair.step(alice)
    assert bob.log == ["Opened"]
    pair.flush(bob)
    pair.step(bob)
    assert alice.log == ["Opened"]
    assert len(pair.transcript) == 2


@pytest.mark.parametrize("first", ["a", "b"])
def test_both_may_speak_first(make_pair, first):
    pair = make_pair(opened=False, both=True)
    pair.flush(pair.a)
    pair.flush(pair.b)
    one, other = (pair.a, pair.b) if first == "a" else (pair.b, pair.a)
    pair.step(one)
    pair.step(other)
    pair.pump()
    assert one.log == other.log == ["Opened"]
    assert len(pair.transcript) == 2


def test_both_know_the_session_and_each_other(make_pair, keys, location):
    pair = make_pair(opened=False)
    opened = {}
    for side in (pair.a, pair.b):
        side.event = lambda event, side=side: opened.setdefault(side, event)
    pair.pump()
    for side, peer in ((pair.a, "bob"), (pair.b, "alice")):
        assert opened[side] == Opened(
            location(peer),
            keys(peer).public,
            session_id(keys("alice").public.public_id, keys("bob").public.public_id),
        )
        session = side.session
        assert (session.peer_location, session.peer_key) == (location(peer), keys(peer).public)
        assert session.session_id == opened[side].session_id
        assert session.state.value == "open"
    vector = "83be193bf187611110c61c227625e4cf66b64611ea6b6bcdaeb3168c4939cd54"
    assert pair.a.session.session_id.hex() == vector


def test_nothing_can_be_sent_before_the_hello(owner):
    bob = owner("bob")
    answer = Promise(bob)
    with pytest.raises(SessionSevered, match="not open yet"):
        bob.session.deliver(bob.remote, (), answer)
    bob.session.check()
    assert bob.session.data_to_send() == []


def test_the_hello_must_come_in_time(owner):
    bob = owner("bob", now=100.0, limits=Limits(handshake_seconds=5.0))
    assert bob.session.timer() == 105.0
    bob.session.handle_timer(104.9)
    assert bob.session.state.value == "handshake"
    bob.session.handle_timer(105.0)
    assert bob.session.state.value == "severed"
    assert bob.session.timer() is None
    assert bob.session.data_to_send() == [b"<8'op:abort16\"no hello in time>"]
    bob.carry_out()
    assert bob.log == ["Severed"]


def test_after_the_hello_there_is_no_deadline(pair):
    assert pair.a.session.timer() is None
    pair.a.session.handle_timer(1e12)
    assert pair.a.session.state.value == "open"


MESSAGES = [
    b"<10'op:deliver<11'desc:export0+>[]ff>",
    b"<9'op:listen<11'desc:export0+><18'desc:import-object9+>f>",
    b"<13'op:gc-exports[1+][1+]>",
    b"<13'op:gc-answers[1+]>",
    b"<8'op:index<11'desc:export0+>0+4+>",
    b"<7'op:nope>",
    b"1+",
]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("dialled", [False, True])
def test_t13_a_message_before_the_hello_ends_the_session(stranger, message, dialled):
    peer = stranger(opened=False, dialled=dialled)
    peer.assert_aborted(message)
    assert [type(event).__name__ for event in peer.events] == ["Severed"]


@pytest.mark.parametrize("dialled", [False, True])
def test_t13_a_second_hello_ends_the_session(stranger, dialled):
    peer = stranger(dialled=dialled)
    assert peer.state == "open"
    peer.assert_aborted(peer.hello, reason="a second op:start-session")


def test_an_abort_before_the_hello_is_answered_by_nothing(stranger):
    peer = stranger(opened=False)
    assert peer.send(b"<8'op:abort3\"bye>") == ["Severed"]
    assert peer.answers == []
    peer.assert_over()


def forged(keys, location, *, version="1.0", key=None, signed=None, signature=None):
    signed = TODAY.signed_octets(my_location(location)) if signed is None else signed
    signature = keys.sign(signed) if signature is None else signature
    return encode(OpStartSession(version, key or keys.public, location, signature), encoders=ENCODERS)


@pytest.mark.parametrize("version", ["", "1.1", "goblins-0.16", "1.0 "])
def test_t14_another_version_ends_the_session(stranger, keys, location, version):
    peer = stranger(opened=False)
    peer.assert_aborted(forged(keys("alice"), location("alice"), version=version), reason="invalid-version")
    assert len(peer.answers) == 1  # no hello of ours: no session was ever there
    assert peer.session.peer_key is None
    assert peer.session.session_id == b""


def test_t14_a_bad_signature_ends_the_session(stranger, keys, location):
    alice, place = keys("alice"), location("alice")
    good = TODAY.signed_octets(my_location(place))
    cases = {
        "bare locator": {"signed": encode(place, encoders=ENCODERS)},
        "another locator": {"signed": TODAY.signed_octets(my_location(location("carol")))},
        "another label": {"signed": encode(Record(Symbol("desc:handoff-give"), (place,)), encoders=ENCODERS)},
        "another key": {"key": keys("carol").public},
        "zeros": {"signature": bytes(64)},
        "one bit": {"signature": bytes([alice.sign(good)[0] ^ 1]) + alice.sign(good)[1:]},
    }
    for name, case in cases.items():
        peer = stranger(opened=False)
        peer.assert_aborted(forged(alice, place, **case), reason="Invalid location signature")
        assert peer.session.peer_location is None, name


def test_t14_unknown_crypto_ends_the_session(stranger):
    hello = stranger(opened=False).hello
    for good, bad in (
        (b"7'Ed25519", b"6'Ed4480"),
        (b"5'eddsa][1'q", b"5'ecdsa][1'q"),
        (b"7'sig-val", b"7'sig-lav"),
    ):
        assert hello.count(good) == 1
        stranger(opened=False).assert_aborted(hello.replace(good, bad))


@pytest.mark.parametrize("dialled", [False, True])
def test_t19_our_own_hello_reflected_ends_the_session(stranger, keys, location, dialled):
    peer = stranger(opened=False, dialled=dialled)
    mirrored = encode(hello(keys("bob"), location("bob"), "1.0"), encoders=ENCODERS)
    peer.assert_aborted(mirrored, reason="same key")


def test_t19_our_own_key_under_another_name_ends_the_session(stranger, keys, location):
    stranger(opened=False).assert_aborted(forged(keys("bob"), location("alice")), reason="same key")


def test_t19_a_hello_of_ours_from_another_session_ends_the_session(stranger, keys, location):
    peer = stranger(opened=False)
    peer.assert_aborted(forged(keys("bob's other session"), location("bob")), reason="oneself")


def test_another_peer_than_the_one_dialled_is_refused(stranger, keys, location):
    peer = stranger(opened=False, dialled=True)
    peer.assert_aborted(forged(keys("carol"), location("carol")), reason="another peer")


def test_who_is_dialled_may_have_other_hints(stranger, keys, location):
    peer = stranger(opened=False, dialled=True)
    here = PeerLocator("tcp-testing-only", location("alice").designator, {"host": "10.0.0.1"})
    assert peer.send(forged(keys("alice"), here)) == ["Opened"]


def test_t12_the_signature_covers_the_octets_as_received(stranger, keys):
    # The hints in Syrup's own order, which is not the one that we would write.
    peer = stranger(opened=False)
    place = b'<10\'ocapn-peer16\'tcp-testing-only5"carol{1"b1"x2"aa1"y}>'
    alice = keys("alice")
    signature = alice.sign(b"<11'my-location%b>" % place)
    start = b"<16'op:start-session3\"1.0%b%b[7'sig-val[5'eddsa[1'r32:%b][1's32:%b]]]>"
    assert peer.send(start % (alice.public.encoded, place, signature[:32], signature[32:])) == ["Opened"]


def test_a_hello_that_does_not_fit_our_own_limits_is_a_local_error(owner, location):
    with pytest.raises(NotPassable):
        owner("alice", dialled=location("bob"), limits=Limits(message_bytes=100))


@pytest.mark.parametrize("dialled", [False, True])
def test_t15_a_location_other_than_the_proved_one_is_refused(stranger, location, dialled):
    peer = stranger(opened=False, dialled=dialled)
    peer.session.proved = location("carol")
    peer.assert_aborted(peer.hello, reason="not the one that the netlayer has proved")
    assert peer.session.peer_location is None


def test_what_is_proved_is_transport_and_designator(stranger, location):
    peer = stranger(opened=False)
    peer.session.proved = PeerLocator("tcp-testing-only", location("alice").designator, {"host": "elsewhere"})
    assert peer.send(peer.hello) == ["Opened"]
