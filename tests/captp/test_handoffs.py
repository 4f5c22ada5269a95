"""Certificates of hand-offs: what is signed, what is refused, and what else a signature can't be used for."""

import json
from pathlib import Path

import pytest

from hobgoblin.captp.handoffs import Gift, check_give, check_receive, is_gift_id, sign_give, sign_receive
from hobgoblin.crypto import session_id, signature_to_value
from hobgoblin.errors import ProtocolError, Refused, SyrupError
from hobgoblin.locators import PeerLocator, my_location
from hobgoblin.messages import CONSTRUCTORS, ENCODERS, DescHandoffGive, DescHandoffReceive, DescSigEnvelope
from hobgoblin.syrup import KeyOrder, decode, encode
from hobgoblin.values import Record, Symbol
from hobgoblin.wire import TODAY

WIRE = {
    name: bytes.fromhex(octets)
    for name, octets in json.loads(
        (Path(__file__).parent.parent / "vectors" / "wire-examples.json").read_text(encoding="utf-8")
    ).items()
}
TEXT = "this certificate opens nothing here"


def read(octets):
    return decode(octets, constructors=CONSTRUCTORS)


def write(value):
    return encode(value, encoders=ENCODERS, key_order=KeyOrder.KEEP)


class Scene:
    """The keys of the three sessions, and a valid request. Fields and keys can be exchanged."""

    def __init__(self, keys, location, exporter=None):
        self.gifter, self.exporter_of_gifter = keys("gifter to exporter"), keys("exporter to gifter")
        self.receiver, self.receiver_at_exporter = keys("receiver to gifter"), keys("receiver to exporter")
        self.stranger = keys("stranger")
        self.gift_session = session_id(self.gifter.public.public_id, self.exporter_of_gifter.public.public_id)
        self.session = session_id(
            self.receiver_at_exporter.public.public_id, keys("exporter to receiver").public.public_id
        )
        self.location = exporter or location("bob")
        self.known = {self.gift_session: self.gifter.public}
        self.used = set()

    def give(self, keys=None, **fields):
        """A certificate, signed by the gifter however wrong it is."""
        give = {
            "receiver_key": self.receiver.public,
            "exporter_location": self.location,
            "session": self.gift_session,
            "gifter_side": self.gifter.public.public_id,
            "gift_id": b"gift".ljust(32),
        } | fields
        return sign(keys or self.gifter, DescHandoffGive(**give))

    def receive(self, keys=None, **fields):
        """A request, signed by the receiver however wrong it is."""
        receive = {
            "receiving_session": self.session,
            "receiving_side": self.receiver_at_exporter.public.public_id,
            "handoff_count": 0,
            "signed_give": self.give(),
        } | fields
        return sign(keys or self.receiver, DescHandoffReceive(**receive))

    def check(self, request):
        return check_receive(
            request,
            session=self.session,
            peer=self.receiver_at_exporter.public.public_id,
            gifter_key=self.known.get,
            count_is_used=self.used.__contains__,
        )

    def refuses(self, request):
        with pytest.raises(Refused) as caught:
            self.check(request)
        return str(caught.value) == TEXT


def sign(keys, record):
    return DescSigEnvelope(record, keys.sign(write(record)))


@pytest.fixture
def scene(keys, location):
    return Scene(keys, location)


# The octets


def test_a_certificate_is_made_like_the_example(scene):
    made = sign_give(
        scene.gifter,
        receiver_key=scene.receiver.public,
        exporter=PeerLocator("tcp-testing-only", "bob0", {"host": "127.0.0.1", "port": "22046"}),
        session=scene.gift_session,
        gift_id=b"gift".ljust(32),
    )
    example = read(WIRE["desc:handoff-give"])
    expected = WIRE["desc:handoff-give"]
    for theirs, ours in (
        (example.receiver_key.raw, scene.receiver.public.raw),
        (example.session, scene.gift_session),
        (example.gifter_side, scene.gifter.public.public_id),
        (example.gift_id, b"gift".ljust(32)),
    ):
        assert expected.count(theirs) == 1
        expected = expected.replace(theirs, ours)
    assert write(made.object) == expected
    assert scene.gifter.public.verify(made.signature, expected)
    assert write(made) == envelope_of(expected, made.signature)


def test_a_request_is_made_like_the_example(scene):
    """The certificate of the example is in it octet for octet, though nobody here knows its gifter."""
    example = read(WIRE["desc:handoff-receive"])
    made = sign_receive(
        scene.receiver,
        session=example.receiving_session,
        side=example.receiving_side,
        count=example.handoff_count,
        signed_give=read(WIRE["signed give envelope"]),
    )
    assert write(made.object) == WIRE["desc:handoff-receive"]
    assert WIRE["signed give envelope"] in write(made)
    assert made.signature == scene.receiver.sign(WIRE["desc:handoff-receive"])
    assert write(made) == envelope_of(WIRE["desc:handoff-receive"], made.signature)


def test_the_signatures_of_the_examples_are_over_the_bare_records():
    give, receive = read(WIRE["desc:handoff-give"]), WIRE["desc:handoff-receive"]
    assert give.receiver_key.verify(WIRE["recsig"], receive)
    assert not give.receiver_key.verify(WIRE["recsig"], envelope_of(receive, WIRE["recsig"]))


def envelope_of(record, signature):
    return b"<17'desc:sig-envelope%b%b>" % (record, encode(signature_to_value(signature)))


def test_a_request_passes_for_the_gift_that_it_names(scene):
    request = sign_receive(
        scene.receiver,
        session=scene.session,
        side=scene.receiver_at_exporter.public.public_id,
        count=7,
        signed_give=scene.give(),
    )
    assert scene.check(request) == (Gift(scene.gift_session, b"gift".ljust(32)), 7)
    assert scene.check(read(write(request))) == scene.check(request)
    assert check_give(scene.give(), scene.known.get) == scene.check(request)[0]


@pytest.mark.parametrize("gift_id", [b"", b"x", b"x" * 256, "my-gift", "", 0, -5, 2**2048 - 1])
def test_ids_of_gifts_as_others_choose_them(scene, gift_id):
    assert is_gift_id(gift_id)
    request = scene.receive(signed_give=scene.give(gift_id=gift_id))
    assert scene.check(read(write(request)))[0] == Gift(scene.gift_session, gift_id)


@pytest.mark.parametrize("gift_id", [b"x" * 257, "x" * 257, 2**2048, True, False, None, 1.5, ("x",)])
def test_what_is_no_id_of_a_gift(scene, gift_id):
    """True would be the same gift as 1. Ids are kept, so their size is bounded."""
    assert not is_gift_id(gift_id)
    assert scene.refuses(scene.receive(signed_give=scene.give(gift_id=gift_id)))


# One field, one bit


WRONG_GIVES = {
    "receiver key": lambda scene: {"receiver_key": scene.stranger.public},
    "location": lambda scene: {"exporter_location": PeerLocator("tcp-testing-only", "bob1", {})},
    "session": lambda scene: {"session": scene.session},
    "side": lambda scene: {"gifter_side": scene.exporter_of_gifter.public.public_id},
    "gift": lambda scene: {"gift_id": b"another"},
}


@pytest.mark.parametrize("field", WRONG_GIVES)
def test_a_certificate_changed_after_it_was_signed(scene, field):
    signed = scene.give()
    forged = DescSigEnvelope(
        DescHandoffGive(
            **{name: getattr(signed.object, name) for name in DescHandoffGive.__slots__}
            | WRONG_GIVES[field](scene)
        ),
        signed.signature,
    )
    assert scene.refuses(scene.receive(signed_give=forged))
    with pytest.raises(Refused, match=TEXT):
        check_give(forged, scene.known.get)


WRONG_REQUESTS = {
    "give: another receiver": lambda s: s.receive(signed_give=s.give(receiver_key=s.stranger.public)),
    "give: another receiver's session key": lambda s: s.receive(
        signed_give=s.give(receiver_key=s.receiver_at_exporter.public)
    ),
    "give: another session": lambda s: s.receive(signed_give=s.give(session=s.session)),
    "give: no session": lambda s: s.receive(signed_give=s.give(session=b"")),
    "give: another side": lambda s: s.receive(
        signed_give=s.give(gifter_side=s.exporter_of_gifter.public.public_id)
    ),
    "give: signed by a stranger": lambda s: s.receive(signed_give=s.give(s.stranger)),
    "give: signed by the receiver": lambda s: s.receive(signed_give=s.give(s.receiver)),
    "give: signed by the exporter": lambda s: s.receive(signed_give=s.give(s.exporter_of_gifter)),
    "another session": lambda s: s.receive(receiving_session=s.gift_session),
    "another side": lambda s: s.receive(receiving_side=s.receiver.public.public_id),
    "signed with the key of the session": lambda s: s.receive(s.receiver_at_exporter),
    "signed by a stranger": lambda s: s.receive(s.stranger),
    "signed by the gifter": lambda s: s.receive(s.gifter),
    "the bare certificate": lambda s: s.give(),
    "no envelope": lambda s: s.receive().object,
    "a request in the request": lambda s: s.receive(signed_give=s.receive()),
    "nothing": lambda s: None,
    "text": lambda s: "please",
    "a record": lambda s: Record(Symbol("desc:sig-envelope"), ()),
}


@pytest.mark.parametrize("case", WRONG_REQUESTS)
def test_one_wrong_field_in_a_well_signed_request(scene, case):
    """One text for all."""
    assert scene.refuses(WRONG_REQUESTS[case](scene))


def test_an_unknown_session_and_a_used_count(scene):
    request = scene.receive(handoff_count=3)
    scene.used.add(3)
    assert scene.refuses(request)
    scene.used.clear()
    assert scene.check(request)[1] == 3
    scene.known.clear()
    assert scene.refuses(request)


def test_every_octet_of_a_request_counts(scene):
    """One bit of each. What is still Syrup and a request is refused, all the rest can't be read."""
    octets = write(scene.receive())
    read_back = 0
    for index in range(len(octets)):
        forged = bytearray(octets)
        forged[index] ^= 1
        try:
            request = read(bytes(forged))
        except (ProtocolError, SyrupError):
            continue
        read_back += 1
        assert scene.refuses(request), index
    assert read_back > 400


# The octets that were signed


RECEIVED = {
    "no hints": b"f",
    "an empty struct": b"{}",
    "an empty list": b"[]",
    "canonical": b'{4"host1"h4"port1"1}',
    "in the order of the encoded keys": b'{1"b1"x2"aa1"y}',
    "in the order of the decoded keys": b'{2"aa1"y1"b1"x}',
    "symbols as keys": b"{4'host1\"h4'port1\"1}",
    "a list of pairs": b"[[4'host1\"h][4'port1\"1]]",
}


@pytest.mark.parametrize("label", [b"<10'ocapn-peer", b"<10'ocapn-node"])
@pytest.mark.parametrize("form", RECEIVED)
def test_signatures_cover_the_octets_as_received(keys, location, form, label):
    place = label + b"16'tcp-testing-only4\"bob0" + RECEIVED[form] + b">"
    scene = Scene(keys, location, decode(place, constructors=CONSTRUCTORS))
    octets = write(scene.receive())
    assert place in octets
    request = decode(octets, constructors=CONSTRUCTORS)
    assert write(request) == octets
    assert scene.check(request)[0].session == scene.gift_session


def test_other_octets_of_an_equal_locator_are_another_certificate(keys, location):
    """`{}` and false mean the same; who has signed one of them has not signed the other."""
    places = [
        decode(b"<10'ocapn-peer16'tcp-testing-only4\"bob0%b>" % hints, constructors=CONSTRUCTORS)
        for hints in (b"f", b"{}")
    ]
    assert places[0] == places[1]
    for place, other in (places, places[::-1]):
        scene = Scene(keys, location, place)
        signed = scene.give()
        swapped = DescSigEnvelope(
            DescHandoffGive(
                **{name: getattr(signed.object, name) for name in DescHandoffGive.__slots__}
                | {"exporter_location": other}
            ),
            signed.signature,
        )
        assert scene.check(scene.receive(signed_give=signed))
        assert scene.refuses(scene.receive(signed_give=swapped))


# A signature is good for one thing only


def test_signatures_can_not_be_used_for_one_another(scene):
    place = scene.location
    for keys in (scene.gifter, scene.receiver):
        hello = keys.sign(TODAY.signed_octets(my_location(place)))
        assert scene.refuses(DescSigEnvelope(scene.receive().object, hello))
        assert scene.refuses(scene.receive(signed_give=DescSigEnvelope(scene.give().object, hello)))
    give, receive = scene.give(), scene.receive()
    assert scene.refuses(DescSigEnvelope(receive.object, give.signature))
    assert scene.refuses(scene.receive(signed_give=DescSigEnvelope(give.object, receive.signature)))
    for envelope, keys in ((give, scene.gifter), (receive, scene.receiver)):
        assert keys.public.verify(envelope.signature, write(envelope.object))
        assert not keys.public.verify(envelope.signature, TODAY.signed_octets(my_location(place)))
        assert not keys.public.verify(envelope.signature, write(envelope))


def test_gifter_and_receiver_with_one_key(scene, keys):
    """Whoever is both gifter and receiver still needs two signatures, over two records."""
    scene.receiver = scene.gifter
    assert scene.check(scene.receive())
    give = scene.give()
    assert scene.refuses(DescSigEnvelope(scene.receive().object, give.signature))


# In a session


def envelope_with_gift_id(keys, location, gift_id):
    """A certificate whose gift id is anything, as octets."""
    octets = write(Scene(keys, location).give(gift_id=b"gift-id-here"))
    assert octets.count(b"12:gift-id-here") == 1
    return octets.replace(b"12:gift-id-here", gift_id)


@pytest.mark.parametrize(
    "gift_id",
    [
        b"<11'desc:export0+>",
        b"<18'desc:import-object3+>",
        b"[]",
        b"t",
        b"<4'void>",
        b"D" + bytes(8),
        "nested",
    ],
)
def test_a_gift_id_that_is_no_id_ends_the_session(stranger, keys, location, gift_id):
    """A reference in it could not even be written into the request, for nobody but its session knows it."""
    if gift_id == "nested":
        gift_id = write(Scene(keys, location).give())
    envelope = envelope_with_gift_id(keys, location, gift_id)
    peer = stranger()
    peer.assert_aborted(b"<10'op:deliver<11'desc:export0+>[%b]ff>" % envelope)
    assert "Introduced" not in [type(event).__name__ for event in peer.events]


def test_before_the_hello_nobody_is_introduced(stranger, keys, location):
    """Or else anybody who can connect could make us dial."""
    peer = stranger(opened=False)
    ours = Scene(keys, location).give(receiver_key=peer.bob.session._keys.public)
    peer.assert_aborted(b"<10'op:deliver<11'desc:export0+>[%b]ff>" % write(ours))
    assert [type(event).__name__ for event in peer.events] == ["Severed"]
    assert peer.bob.session._crossing.certificates == {}


def test_a_certificate_in_a_message_becomes_a_promise_with_an_introduction(stranger, keys, location, result):
    peer = stranger()
    ours = Scene(keys, location).give(receiver_key=peer.bob.session._keys.public)
    others = Scene(keys, location).give()
    kinds = peer.send(b"<10'op:deliver<11'desc:export0+>[%b%b]ff>" % (write(ours), write(others)))
    assert kinds == ["Introduced", "Delivered"]
    introduced, delivered = peer.events
    assert introduced.certificate == ours
    promise, broken = delivered.args
    assert promise is introduced.promise
    assert result(promise) == "pending"
    state, error = result(broken)
    assert (state, str(error)) == ("broken", "this certificate was made for somebody else")


def test_a_certificate_in_half_a_message_leaves_nothing(stranger, keys, location):
    peer = stranger()
    ours = Scene(keys, location).give(receiver_key=peer.bob.session._keys.public)
    peer.assert_aborted(b"<10'op:deliver<11'desc:export0+>[%b<11'desc:export99+>]ff>" % write(ours))
    assert peer.bob.session._crossing.certificates == {}


@pytest.mark.parametrize(
    "message",
    [
        b"<10'op:deliver<11'desc:export0+>[]f%b>",
        b"<10'op:deliver%b[]ff>",
        b"<9'op:listen%b<18'desc:import-object1+>f>",
        b"<9'op:listen<11'desc:export0+>%bf>",
        b"<6'op:get%b1\"x4+>",
        b"%b",
        b"<8'op:abort%b>",
    ],
)
def test_a_certificate_is_a_value_and_nothing_else(stranger, keys, location, message):
    peer = stranger()
    ours = Scene(keys, location).give(receiver_key=peer.bob.session._keys.public)
    peer.assert_aborted(message.replace(b"%b", write(ours)))


def test_what_a_session_hands_over(make_pair, scene):
    """The reference of another session leaves as the certificate that the owner makes of it."""
    asked = []
    certificate = scene.give()

    def introduce(target):
        asked.append(target)
        return certificate if len(asked) == 1 else None

    pair, other = make_pair(a={"introduce": introduce}), make_pair()
    foreign = other.b.session.bootstrap
    start = len(pair.transcript)
    pair.a.send_only(pair.a.remote, foreign)
    pair.a.send_only(pair.a.remote, foreign)
    pair.flush(pair.a)
    assert [octets for _, octets in pair.sent(start)] == [
        b"<10'op:deliver<11'desc:export0+>[%b]ff>" % write(certificate),
        b"<10'op:deliver<11'desc:export0+>[<18'desc:import-object1+>]ff>",
    ]
    assert asked == [foreign, foreign]
