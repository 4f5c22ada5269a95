"""An exporter as its gifters and receivers see it: octets into one session, octets out of another."""

import itertools

import pytest

from hobgoblin.captp.gifts import GiftDesk, GiftTable
from hobgoblin.captp.handshake import hello
from hobgoblin.errors import Refused
from hobgoblin.locators import PeerLocator, my_location
from hobgoblin.messages import (
    ENCODERS,
    DescExport,
    DescHandoffGive,
    DescHandoffReceive,
    DescImportObject,
    DescSigEnvelope,
    OpDeliver,
    OpStartSession,
)
from hobgoblin.syrup import KeyOrder, decode, encode
from hobgoblin.values import Limits, Record, Symbol
from hobgoblin.wire import TODAY

USELESS = "this certificate opens nothing here"
DEPOSIT, WITHDRAW = Symbol("deposit-gift"), Symbol("withdraw-gift")


def octets(value):
    return encode(value, encoders=ENCODERS, key_order=KeyOrder.KEEP)


class Party:
    """A peer in session with the exporter, of which we play the octets; ``told`` is what it was answered."""

    def __init__(self, exporter, name):
        self.exporter, self.name = exporter, name
        self.keys = exporter.keys(name)
        self.desk = GiftDesk(exporter.table, exporter.limits, lambda: exporter.now)
        self.owner = exporter.owner("bob", self._serve, keys=exporter.keys("bob to " + name))
        self.session = self.owner.session
        self.told = {}
        self._next = 0
        self.say(octets(hello(self.keys, exporter.location(name), "1.0")))
        self.desk.open(self.session.session_id, self.keys.public, self.owner)

    def _serve(self, verb, *args):
        if verb == DEPOSIT:
            return self.desk.deposit(*args)
        if verb == WITHDRAW:
            return self.desk.withdraw(*args)
        return self.exporter.car

    def say(self, message):
        self.owner.take(message)
        self.owner.run()

    def ask(self, *args):
        """Send a message to the bootstrap object; return where its answer will be in ``told``."""
        self._next += 1
        resolver = DescImportObject(self._next)
        self.say(octets(OpDeliver(DescExport(0), args, False, resolver)))
        return self._next

    def hear(self):
        for message in self.session.data_to_send():
            match decode(message):
                case Record(Symbol(name="op:deliver"), (Record(_, (pos,)), (verb, value), False, False)):
                    assert pos not in self.told
                    self.told[pos] = (verb.name, value)

    def answer(self, question):
        """``None`` while it waits, ``"gift"``, or the text of the error."""
        self.hear()
        match self.told.get(question):
            case None:
                return None
            case ("fulfill", Record(Symbol(name="desc:import-object"))):
                return "gift"
            case ("fulfill", Record(Symbol(name="void"))):
                return "done"
            case ("break", Record(Symbol(name="desc:error"), (text,))):
                return text

    def car(self):
        """Make the exporter export its car; return how to name it to the exporter."""
        question = self.ask(Symbol("car"))
        assert self.answer(question) == "gift"
        return DescExport(self.told[question][1].fields[0])

    def deposit(self, gift_id=b"gift"):
        return self.ask(DEPOSIT, gift_id, self.car())

    def go(self):
        self.session.abort("gone")
        self.desk.close()


class Exporter:
    def __init__(self, owner, keys, location, **limits):
        self.owner, self.keys, self.location = owner, keys, location
        self.limits = Limits(**limits)
        self.now = 0.0
        bob = owner("bob")
        self.car = bob.spawn()
        self.table = GiftTable(self.limits, bob.promise, lambda: None)
        self.gifter, self.receiver = Party(self, "gifter"), Party(self, "receiver")

    def give(self, gifter=None, receiver=None, **fields):
        gifter, receiver = gifter or self.gifter, receiver or self.receiver
        return DescHandoffGive(
            **{
                "receiver_key": self.keys(receiver.name + " to gifter").public,
                "exporter_location": self.location("bob"),
                "session": gifter.session.session_id,
                "gifter_side": gifter.keys.public.public_id,
                "gift_id": b"gift",
            }
            | fields
        )

    def receive(self, certificate, receiver=None, **fields):
        receiver = receiver or self.receiver
        return DescHandoffReceive(
            **{
                "receiving_session": receiver.session.session_id,
                "receiving_side": receiver.keys.public.public_id,
                "handoff_count": 0,
                "signed_give": certificate,
            }
            | fields
        )

    def request(self, count=0, gifter=None, receiver=None, gift_id=b"gift"):
        gifter, receiver = gifter or self.gifter, receiver or self.receiver
        certificate = sign(gifter.keys, self.give(gifter, receiver, gift_id=gift_id))
        receive = self.receive(certificate, receiver, handoff_count=count)
        return sign(self.keys(receiver.name + " to gifter"), receive)

    def withdraw(self, count=0, **options):
        receiver = options.get("receiver") or self.receiver
        return receiver.ask(WITHDRAW, self.request(count, **options))


def sign(keys, record):
    return DescSigEnvelope(record, keys.sign(octets(record)))


@pytest.fixture
def exporter(owner, keys, location):
    return Exporter(owner, keys, location)


# T18: a signature for one purpose is good for no other


def test_t18_no_signature_serves_for_another_purpose(exporter, stranger, keys, location):
    """Whatever a peer can make somebody sign: a location, a certificate and a request are told apart."""
    give = exporter.give()
    receive = exporter.receive(sign(exporter.gifter.keys, give))
    alice = keys("alice")
    signed = {
        "location": TODAY.signed_octets(my_location(location("alice"))),
        "certificate": octets(give),
        "request": octets(receive),
        "bare locator": octets(location("alice")),
        "challenge": octets(Record(Symbol("init:peer-auth"), (bytes(32),))),
    }
    for purpose, message in signed.items():
        start = OpStartSession("1.0", alice.public, location("alice"), alice.sign(message))
        peer = stranger(opened=False)
        if purpose == "location":
            assert peer.send(octets(start)) == ["Opened"]
        else:
            peer.assert_aborted(octets(start), reason="Invalid location signature")
    exporter.gifter.deposit()
    receiver = exporter.keys("receiver to gifter")
    for purpose, message in signed.items():
        if purpose != "certificate":
            forged = DescSigEnvelope(give, exporter.gifter.keys.sign(message))
            question = exporter.receiver.ask(WITHDRAW, sign(receiver, exporter.receive(forged)))
            assert exporter.receiver.answer(question) == USELESS
        if purpose != "request":
            forged = DescSigEnvelope(receive, receiver.sign(message))
            assert exporter.receiver.answer(exporter.receiver.ask(WITHDRAW, forged)) == USELESS
    assert exporter.receiver.answer(exporter.withdraw()) == "gift"


# T37: replays


@pytest.mark.parametrize("deposited", [True, False])
def test_t37_a_replay_breaks_and_the_first_request_gets_the_gift(exporter, deposited):
    receiver = exporter.receiver
    if deposited:
        exporter.gifter.deposit()
    first = exporter.withdraw()
    replays = [exporter.withdraw() for _ in range(3)]
    replays.append(exporter.withdraw(count=0, gift_id=b"another"))
    assert [receiver.answer(replay) for replay in replays] == [USELESS] * 4
    if not deposited:
        assert receiver.answer(first) is None
        exporter.gifter.deposit()
    assert receiver.answer(first) == "gift"
    assert receiver.answer(exporter.withdraw()) == USELESS
    exporter.table.check()
    assert len(exporter.table) == 0


def test_t37_a_second_request_of_its_own_count_does_not_push_the_first_out(exporter):
    first, second = exporter.withdraw(0), exporter.withdraw(1)
    assert exporter.receiver.answer(second) == USELESS
    exporter.gifter.deposit()
    assert exporter.receiver.answer(first) == "gift"


# T38: who comes and goes, in every order

ACTS = ("deposit", "withdraw", "gifter goes", "receiver goes", "time passes")


def play(exporter, order):
    """Carry an order out, and say of each step what must be: the answer, and the size of the table."""
    question, expected, kept, waits = None, None, False, False
    gone = set()
    for act in order:
        match act:
            case "deposit" if "gifter" not in gone:
                exporter.gifter.deposit()
                kept, waits, expected = not waits, False, "gift" if waits else expected
            case "withdraw" if "receiver" not in gone:
                question = exporter.withdraw()
                if kept:
                    kept, expected = False, "gift"
                elif "gifter" in gone:
                    expected = USELESS
                else:
                    waits = True
            case "gifter goes":
                exporter.gifter.go()
                gone.add("gifter")
                expected = "the gifter has gone before it made its deposit" if waits else expected
                waits = False
            case "receiver goes":
                exporter.receiver.hear()
                exporter.receiver.go()
                gone.add("receiver")
                waits = False
            case "time passes":
                exporter.now += exporter.limits.gift_seconds
                exporter.table.expire(exporter.now)
                expected = "the gift was not deposited in time" if waits else expected
                kept = waits = False
        exporter.table.check()
        assert len(exporter.table) == kept + waits, (order, act)
        if question is not None and "receiver" not in gone:
            assert exporter.receiver.answer(question) == expected, (order, act)


@pytest.mark.parametrize("first", ACTS)
def test_t38_in_every_order_a_waiter_gets_the_gift_or_an_error(owner, keys, location, first):
    rest = [act for act in ACTS if act != first]
    for length in range(len(ACTS)):
        for others in itertools.permutations(rest, length):
            exporter = Exporter(owner, keys, location)
            play(exporter, (first, *others))
            exporter.table.expire(1e9)
            assert len(exporter.table) == 0


# T39: squatting


def test_t39_nobody_deposits_under_the_session_of_another(exporter):
    """The key of a gift is the session that the deposit came over, whatever its id."""
    mallory = Party(exporter, "mallory")
    assert mallory.answer(mallory.deposit(b"gift")) == "done"
    question = exporter.withdraw()
    assert exporter.receiver.answer(question) is None
    exporter.gifter.deposit()
    assert exporter.receiver.answer(question) == "gift"
    assert len(exporter.table) == 1  # mallory's, which nobody asks for


def test_t39_a_second_deposit_under_one_id_breaks_and_the_first_stays(exporter):
    gifter = exporter.gifter
    assert gifter.answer(gifter.deposit()) == "done"
    assert gifter.answer(gifter.deposit()) == "a gift with this id has been deposited already"
    assert exporter.receiver.answer(exporter.withdraw()) == "gift"
    assert exporter.receiver.answer(exporter.withdraw(1)) is None


def test_t39_hoarding_is_bounded(owner, keys, location):
    exporter = Exporter(owner, keys, location, gifts=3)
    gifter, receiver = exporter.gifter, exporter.receiver
    answers = [gifter.answer(gifter.deposit(b"%d" % number)) for number in range(5)]
    assert answers == ["done"] * 3 + ["there are too many gifts"] * 2
    answers = [receiver.answer(exporter.withdraw(n, gift_id=b"none %d" % n)) for n in range(5)]
    assert answers == [None] * 3 + ["there are too many gifts"] * 2


# T40: forged and altered certificates


def parts(exporter):
    """Every field that carries meaning in a valid request, as octets that are found in it once."""
    request = exporter.request()
    receive, certificate = request.object, request.object.signed_give
    give = certificate.object
    return {
        "receiving session": receive.receiving_session,
        "receiving side": receive.receiving_side,
        "receiver key": give.receiver_key.raw,
        "exporter": give.exporter_location.designator.encode(),
        "port of the exporter": give.exporter_location.hints["port"].encode(),
        "gifter session": give.session,
        "gifter side": give.gifter_side,
        "gift id": b"4:gift",
        "give signature r": certificate.signature[:32],
        "give signature s": certificate.signature[32:],
        "receive signature r": request.signature[:32],
        "receive signature s": request.signature[32:],
    }


@pytest.mark.parametrize("place", ["first octet", "last octet"])
def test_t40_one_bit_flipped_in_any_field_breaks_and_takes_nothing(exporter, place):
    exporter.gifter.deposit()
    asked = octets(OpDeliver(DescExport(0), (WITHDRAW, exporter.request()), False, DescImportObject(9)))
    for name, part in parts(exporter).items():
        assert asked.count(part) == 1, name
        start = asked.index(part)
        at = start + (2 if name == "gift id" else 0) if place == "first octet" else start + len(part) - 1
        # The lowest bit, which leaves a text printable and a digit a digit.
        altered = asked[:at] + bytes([asked[at] ^ 1]) + asked[at + 1 :]
        exporter.receiver.told.clear()
        exporter.receiver.say(altered)
        assert exporter.receiver.answer(9) == USELESS, name
    count = b"0+<17'desc:sig-envelope"
    assert asked.count(count) == 1
    exporter.receiver.told.clear()
    exporter.receiver.say(asked.replace(count, b"1" + count[1:]))
    assert exporter.receiver.answer(9) == USELESS
    exporter.table.check()
    exporter.receiver.told.clear()
    exporter.receiver.say(asked)
    assert exporter.receiver.answer(9) == "gift"


def test_t40_what_is_well_signed_but_wrong_breaks_and_takes_nothing(exporter):
    """Gifter and receiver sign whatever they like; each field must be that of the sessions there are."""
    exporter.gifter.deposit()
    gifter, receiver = exporter.gifter, exporter.receiver
    signer = exporter.keys("receiver to gifter")
    wrong_gives = [
        {"session": receiver.session.session_id},
        {"session": bytes(32)},
        {"session": b""},
        {"gifter_side": receiver.keys.public.public_id},
        {"gifter_side": exporter.keys("bob to gifter").public.public_id},
        {"receiver_key": receiver.keys.public},
        {"receiver_key": gifter.keys.public},
    ]
    wrong_requests = [
        {"receiving_session": gifter.session.session_id},
        {"receiving_session": bytes(32)},
        {"receiving_side": gifter.keys.public.public_id},
        {"receiving_side": signer.public.public_id},
        {"receiving_side": b""},
    ]
    right = sign(gifter.keys, exporter.give())
    requests = [exporter.receive(sign(gifter.keys, exporter.give(**fields))) for fields in wrong_gives]
    requests += [exporter.receive(right, **fields) for fields in wrong_requests]
    for request in requests:
        question = receiver.ask(WITHDRAW, sign(signer, request))
        assert receiver.answer(question) == USELESS, request
    assert receiver.answer(receiver.ask(WITHDRAW, right)) is not None  # a bare certificate
    exporter.table.check()
    assert receiver.answer(exporter.withdraw()) == "gift"


def test_t40_a_certificate_for_another_receiver_opens_nothing(exporter):
    """Not for who overhears it, nor for who is in session with the same gifter."""
    exporter.gifter.deposit()
    thief = Party(exporter, "thief")
    stolen = sign(exporter.gifter.keys, exporter.give())
    for keys in (thief.keys, exporter.keys("thief to gifter"), exporter.gifter.keys):
        question = thief.ask(WITHDRAW, sign(keys, exporter.receive(stolen, thief)))
        assert thief.answer(question) == USELESS
    question = thief.ask(WITHDRAW, exporter.request())
    assert thief.answer(question) == USELESS
    assert exporter.receiver.answer(exporter.withdraw()) == "gift"


def test_t40_at_the_receiver_a_certificate_for_somebody_else_breaks(stranger, keys, location):
    """It is not even tried: no introduction is asked for."""
    peer = stranger()
    give = DescHandoffGive(keys("carol").public, location("carol"), bytes(32), bytes(32), b"gift")
    message = octets(OpDeliver(DescExport(0), (sign(keys("alice"), give),), False, False))
    assert peer.send(message) == ["Delivered"]
    [promise] = peer.events[0].args
    promise._heard = True
    assert type(promise._value) is Refused
    assert "somebody else" in str(promise._value)
    assert peer.state == "open"


def test_t40_hints_are_no_part_of_who_the_exporter_is_but_of_what_was_signed(exporter):
    """A certificate whose location has other hints than ours is valid if it was signed so."""
    exporter.gifter.deposit()
    elsewhere = PeerLocator("tcp-testing-only", "bob0", {"host": "localhost", "port": "1"})
    certificate = sign(exporter.gifter.keys, exporter.give(exporter_location=elsewhere))
    request = sign(exporter.keys("receiver to gifter"), exporter.receive(certificate))
    assert exporter.receiver.answer(exporter.receiver.ask(WITHDRAW, request)) == "gift"
