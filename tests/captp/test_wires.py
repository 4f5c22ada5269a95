"""Sessions that are given other tables than those of today."""

import pytest

from hobgoblin.captp.handshake import hello
from hobgoblin.crypto import session_id
from hobgoblin.dialects import DIALECTS
from hobgoblin.errors import SessionSevered
from hobgoblin.locators import my_location
from hobgoblin.messages import INVALID_CRYPTO_VERSION
from hobgoblin.refs import Promise
from hobgoblin.settings import PeerSettings
from hobgoblin.wire import BYTE_ARRAYS, SYRUP, TODAY, WIRES, Codec, Wire

APRIL, SEPTEMBER = WIRES["2026-04"], WIRES["2026-09"]
OTHER_CODEC = Codec(
    name="not syrup",
    encode=SYRUP.encode,
    encode_signed=SYRUP.encode_signed,
    open_decoder=SYRUP.open_decoder,
    frame=SYRUP.frame,
)


def written(wire, op):
    return wire.codec.encode(op, encoders=wire.encoders)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
def test_two_sessions_of_one_wire(make_pair, result, keys, wire):
    pair = make_pair(wire=wire)
    pair.b.object._behaviour = lambda *args: (*args, pair.b.spawn())
    answer = pair.a.send(pair.a.remote, (1, pair.a.spawn()))
    pair.pump()
    assert result(answer)[0] == "fulfilled"
    ids = [wire.public_id(keys(name).public) for name in ("alice", "bob")]
    assert pair.a.session.session_id == pair.b.session.session_id == session_id(*ids)
    del answer
    pair.assert_clean()


@pytest.mark.parametrize(
    ("wire", "listens"),
    [
        (TODAY, b"<9'op:listen<11'desc:export1+><18'desc:import-object2+>f>"),
        (APRIL, b"<9'op:listen<11'desc:export1+><18'desc:import-object2+>>"),
        (SEPTEMBER, b"<9'op:listen<11'desc:export1+><18'desc:import-object2+>>"),
    ],
)
def test_op_listen_has_the_fields_of_its_schema(make_pair, result, wire, listens):
    pair = make_pair(wire=wire)
    later = Promise(pair.b)
    pair.b.object._behaviour = lambda *args: (later,)
    answer = pair.a.send(pair.a.remote, ())
    pair.pump()
    (promise,) = result(answer)[1]
    start = len(pair.transcript)
    promise._heard = False
    pair.a.session.listen(promise)
    later._resolve_here(5)
    pair.pump()
    assert pair.sent(start)[0] == ("alice", listens)
    assert result(promise) == ("fulfilled", 5)


def test_the_dialect_of_a_schema_goes_before_any_other(make_pair):
    pair = make_pair(wire=APRIL, dialect=DIALECTS["A"])
    start = len(pair.transcript)
    pair.a.send_only(pair.a.remote, "Hello")
    pair.pump()
    assert pair.sent(start) == [("alice", b"<10'op:deliver<11'desc:export0+>[5\"Hello]ff>")]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"<9'op:listen<11'desc:export0+><18'desc:import-object1+>f>", "op:listen has 3 fields"),
        (b"<15'op:deliver-only<11'desc:export0+>[]>", "unknown message"),
        (b"<12'op:gc-export0+1+>", "unknown message"),
        (b"<12'op:gc-answer1+>", "unknown message"),
    ],
)
def test_what_a_schema_has_not_ends_the_session(stranger, message, reason):
    stranger(wire=APRIL).assert_aborted(message, reason=reason)


@pytest.mark.parametrize("ours", [TODAY, SEPTEMBER])
@pytest.mark.parametrize("both", [False, True], ids=["the dialler first", "both at once"])
def test_a_peer_with_and_one_without_a_crypto_version_part_with_a_word(make_pair, ours, both):
    theirs = SEPTEMBER if ours is TODAY else TODAY
    pair = make_pair(a={"wire": ours}, b={"wire": theirs}, both=both, opened=False).pump()
    for side in (pair.a, pair.b):
        assert side.log == ["Severed"]
        assert INVALID_CRYPTO_VERSION in side.session.severed_because
        assert side.tables == (0, 0, 0, 0)


@pytest.mark.parametrize("ours", [TODAY, SEPTEMBER])
def test_a_hello_in_the_other_form_is_told_why(stranger, keys, location, ours):
    theirs = SEPTEMBER if ours is TODAY else TODAY
    said = written(theirs, hello(keys("alice"), location("alice"), "1.0", theirs))
    stranger(opened=False, wire=ours).assert_aborted(said, reason=INVALID_CRYPTO_VERSION)


def test_a_signature_of_the_hello_is_checked_in_every_form(stranger, keys, location):
    said = hello(keys("alice"), location("alice"), "1.0", SEPTEMBER)
    said.acceptable_location_sig = keys("mallory").sign(
        SEPTEMBER.signed_octets(my_location(location("alice")))
    )
    stranger(opened=False, wire=SEPTEMBER).assert_aborted(
        written(SEPTEMBER, said), reason="Invalid location signature"
    )


def test_who_dials_us_is_answered_in_the_wire_of_its_settings(stranger, keys, location):
    def settings(peer):
        return PeerSettings(wire=SEPTEMBER) if peer == location("alice") else None

    peer = stranger(opened=False, settings_of=settings)
    assert peer.send(written(SEPTEMBER, hello(keys("alice"), location("alice"), "1.0", SEPTEMBER))) == [
        "Opened"
    ]
    (answer,) = peer.answers
    assert BYTE_ARRAYS.version.encode() in answer
    assert peer.session.wire is SEPTEMBER
    # From here on nothing of today is read any more.
    peer.assert_aborted(b"<15'op:deliver-only<11'desc:export0+>[]>", reason="unknown message")


def test_who_dials_us_can_not_have_another_codec(stranger, keys, location):
    other = Wire("other", codec=OTHER_CODEC)
    peer = stranger(opened=False, settings_of=lambda peer: PeerSettings(wire=other))
    peer.assert_aborted(peer.hello, reason="another encoding")


def test_whom_we_dial_may_have_another_codec(owner, location):
    other = Wire("other", codec=OTHER_CODEC)
    alice = owner("alice", dialled=location("bob"), settings_of=lambda peer: PeerSettings(wire=other))
    assert alice.session.wire is other
    alice.session.abort("enough")
    with pytest.raises(SessionSevered):
        alice.session.deliver(alice.remote, (), None)
