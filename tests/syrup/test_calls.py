"""What only the interpreted form does: calls of the commonest kind read and written at once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hobgoblin import __compiled__
from hobgoblin.dialects import OneWay
from hobgoblin.errors import ProtocolError, SyrupError
from hobgoblin.messages import CONSTRUCTORS
from hobgoblin.syrup import NEED_MORE, Framing, encode, framing
from hobgoblin.syrup.framing import frame, open_decoder
from hobgoblin.values import DEFAULT_LIMITS, Limits, RecordMaker, Symbol
from hobgoblin.wire import calls

pytestmark = pytest.mark.skipif(__compiled__, reason="the compiled form does everything so")

EXAMPLES = [
    b"<10'op:deliver<11'desc:export0+>[3'add20+22+]1+<18'desc:import-object2+>>",
    b"<10'op:deliver<11'desc:answer17+>[3'add20+22+]123+<18'desc:import-object4567+>>",
    b"<10'op:deliver<11'desc:export999999999999999+>[4'stop]ff>",
    b"<10'op:deliver<11'desc:export5+>[7'fulfill42+]ff>",
    b"<10'op:deliver<11'desc:export5+>[5'break42+]ff>",
    b"<10'op:deliver<11'desc:export5+>[24'" + b"x" * 24 + b"1+2+3+]0+<18'desc:import-object0+>>",
    "<10'op:deliver<11'desc:export5+>[3'dér]ff>".replace("3'", "4'").encode(),
    b"<10'op:deliver<11'desc:export5+>[2'\xc3(1+]ff>",
    b"<10'op:deliver<11'desc:export5+>[4'a]>\n1+]ff>",
    b"<10'op:deliver<11'desc:export5+>[3'adds20+]ff>",
    b"<10'op:deliver<11'desc:export5+>[3'add1+2+3+4+]ff>",
    b"<10'op:deliver<11'desc:export5+>[3'add1-]ff>",
    b"<10'op:deliver<11'desc:export5+>[3'addt]ff>",
    b"<10'op:deliver<11'desc:export05+>[3'add]ff>",
    b"<10'op:deliver<11'desc:export5+>[03'add]ff>",
    b"<10'op:deliver<11'desc:export5+>[0'1+]ff>",
    b"<10'op:deliver<11'desc:export5+>[3'add01+]ff>",
    b"<10'op:deliver<11'desc:export5+>[3'add9999999999999999+]ff>",
    b"<10'op:deliver<11'desc:export5+>[3'add]f<18'desc:import-object2+>>",
    b"<10'op:deliver<11'desc:export5+>[3'add]1+f>",
    b"<10'op:deliver<11'desc:export5+>[3'add]ff>>",
    b"<13'op:gc-exports[1+2+30+][1+1+2+]>",
    b"<13'op:gc-answers[1+02+]>",
    b"<13'op:gc-answers[]>",
    b"<13'op:gc-answers[[1+][2+3+]4-]>",
]
LIMITS = (
    DEFAULT_LIMITS,
    Limits(elements=14),
    Limits(elements=9),
    Limits(message_bytes=60),
    Limits(integer_digits=15, length_digits=4),
    Limits(integer_digits=2),
    Limits(depth=2),
)


class Whole(RecordMaker):
    """Makes of a call what its fields say, in the one way or the other."""

    def __call__(self, fields):
        return ("deliver", *fields)

    def call(self, to_answer, to, args, answer, resolver):
        target = ("answer" if to_answer else "export", to)
        if answer < 0:
            return ("deliver", target, args, False, False)
        return ("deliver", target, args, answer, ("object", resolver))


TABLES = (
    {},
    CONSTRUCTORS,
    {
        "op:deliver": Whole(),
        "desc:export": lambda fields: ("export", *fields),
        "desc:answer": lambda fields: ("answer", *fields),
        "desc:import-object": lambda fields: ("object", *fields),
    },
)


def outcome(octets, kind, limits, table, cut):
    """All that a decoder makes of a stream that comes in two pieces."""
    decoder = open_decoder(kind, constructors=table, limits=limits)
    found = []
    try:
        for piece in (octets[:cut], octets[cut:]):
            decoder.feed(piece)
            while (value := decoder.next()) is not NEED_MORE:
                found.append((repr(value), decoder.size, decoder.pending))
    except (SyrupError, ProtocolError) as error:
        found.append((str(error), getattr(error, "offset", None), getattr(error, "path", None)))
    return found


def mutated(rng, octets):
    """Octets with a few of them changed, left out, repeated or moved."""
    changed = bytearray(octets)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(changed))
        action = rng.randrange(4)
        if action == 0:
            changed[at] = rng.choice(b"0123456789+-'\"<>[]{}tfa:\xc3")
        elif action == 1:
            del changed[at : at + rng.choice((1, 1, 5))]
        elif action == 2:
            changed[at:at] = rng.choice((b"0", b"1+", b"]", b"[", b"f", b">", b"3'", changed[at : at + 9]))
        else:
            other = rng.randrange(len(changed))
            changed[at], changed[other] = changed[other], changed[at]
        changed = changed or bytearray(b"<")
    return bytes(changed)


def streams():
    """Messages, whole and mutated, in frames of their size and of others."""
    rng = random.Random(7)
    for message in EXAMPLES:
        for _ in range(15):
            changed = mutated(rng, message) if rng.randrange(8) else message
            pair = changed + rng.choice(EXAMPLES)
            yield Framing.RAW, pair, rng.choice((len(pair), rng.randrange(len(pair) + 1)))
            size = len(changed) + rng.choice((0, 0, 0, 0, 1, -1, 9))
            head = rng.choice((b"%d:", b"%d:", b"%d:", b"0%d:", b"%d;")) % size
            framed = head + changed + frame(rng.choice(EXAMPLES), Framing.PREFIXED)
            yield Framing.PREFIXED, framed, rng.choice((len(framed), rng.randrange(len(framed) + 1)))


@pytest.mark.without_coverage
@pytest.mark.parametrize("table", TABLES, ids=["records", "messages", "at once"])
def test_calls_read_at_once_are_read_as_octet_by_octet(table, monkeypatch):
    cases = [(octets, kind, limits, table, cut) for kind, octets, cut in streams() for limits in LIMITS]
    expected = [outcome(*case) for case in cases]
    for decoder in (framing.RawDecoder, framing.PrefixedDecoder):
        monkeypatch.setattr(decoder, "_whole_calls", lambda self: None)
    assert [outcome(*case) for case in cases] == expected


def test_the_commonest_calls_are_read_at_once(monkeypatch):
    def refuse(self):
        raise AssertionError("it is read octet by octet")

    monkeypatch.setattr(framing.PrefixedDecoder, "_begin", refuse)
    for message in EXAMPLES[:7]:
        decoder = open_decoder(Framing.PREFIXED)
        decoder.feed(frame(message, Framing.PREFIXED))
        assert encode(decoder.next()) == message


VALUES = st.one_of(
    st.integers(-3, 1200),
    st.integers(-(10**40), 10**40),
    st.booleans(),
    st.text(max_size=70),
    st.text(max_size=10).map(Symbol),
    st.just("\ud800"),
    st.just(Symbol("\ud800")),
    st.floats(),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=2).map(tuple),
    st.just(object()),
)


@pytest.mark.without_coverage
@given(
    args=st.lists(VALUES, max_size=6).map(tuple),
    limits=st.builds(
        Limits,
        elements=st.sampled_from((17, 18, 20, 1000)),
        depth=st.sampled_from((1, 2, 100)),
        message_bytes=st.sampled_from((162, 170, 200, 10**6)),
        integer_digits=st.sampled_from((1, 2, 3, 18, 40)),
    ),
    kind=st.sampled_from((Framing.RAW, Framing.PREFIXED)),
    to_answer=st.booleans(),
    to=st.integers(0, 2**53 - 1),
)
def test_calls_written_at_once_are_written_as_part_by_part(args, limits, kind, to_answer, to):
    writer = calls.SyrupCalls({}, limits, True, True)

    def written(send, *rest):
        try:
            return send(kind, to_answer, to, args, *rest)
        except SyrupError as error:
            return error.problem, error.path

    def all_ways():
        return [
            written(writer.deliver, 3, 2**53 - 1),
            *(written(writer.one_way, way, 5) for way in OneWay),
        ]

    at_once = all_ways()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "atoms", lambda args, allowed: None)
        assert all_ways() == at_once
