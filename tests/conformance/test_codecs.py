"""What Endo's unit tests ask of codecs, asked of a session over a socket.

======================================================  ================================================
row                                                     test
======================================================  ================================================
negative positions, position types                      test_positions_are_natural_numbers
op:get, op:index, op:untag with the wrong selector      test_selectors_have_the_type_of_their_operation
unordered or repeated struct keys                       test_struct_keys_ascend_and_differ
unknown record (we carry it, Endo refuses it)           test_an_unknown_record_is_carried
surrogate pairs (we carry them, Endo refuses them)      test_text_beyond_the_basic_plane
positive and natural numbers: bounds                    test_bounds_of_positions_and_counts
float64 inside of containers                            test_floats_inside_of_containers
errors with Unicode                                     test_errors_with_unicode
fuzz of passables                                       test_random_values_come_back
fuzz of raw Syrup                                       test_random_octets_end_one_session_alone
NaN and -0 canonical                                    test_nan_and_minus_zero_are_canonical
a key that is a prefix of the one before it             test_a_key_that_is_a_prefix_of_the_one_before
a value with all there is (zoo.bin there)               test_a_value_with_one_of_everything
======================================================  ================================================
"""

import math
import random

import pytest

import hobgoblin as hob
from hobgoblin.syrup import encode
from hobgoblin.values import Record, Symbol

ECHO = b"IO58l1laTyhcrgDKbEzFOO32MDd6zE5w"
DELIVER = b"<10'op:deliver<11'desc:export0+>[%b]ff>"

WRONG_POSITIONS = [-1, 1.0, "1", b"1", True, (), Symbol("one"), 2**53]


@pytest.mark.parametrize("wrong", WRONG_POSITIONS, ids=repr)
async def test_positions_are_natural_numbers(single, rec, wrong):
    bootstrap = rec("desc:export", 0)
    messages = [
        rec("op:deliver", rec("desc:export", wrong), (), False, False),
        rec("op:deliver", rec("desc:answer", wrong), (), False, False),
        rec("op:deliver", bootstrap, (rec("desc:import-object", wrong),), False, False),
        rec("op:deliver", bootstrap, (rec("desc:import-promise", wrong),), False, False),
        rec("op:deliver", bootstrap, (), wrong, False),
        rec("op:deliver", bootstrap, (), False, wrong),
        rec("op:get", bootstrap, "field", wrong),
        rec("op:index", bootstrap, 0, wrong),
        rec("op:untag", bootstrap, "tag", wrong),
        rec("op:gc-exports", (wrong,), (1,)),
        rec("op:gc-exports", (1,), (wrong,)),
        rec("op:gc-answers", (wrong,)),
    ]
    for message in messages:
        far = await single.session()
        far.write(message)
        await far.aborted()


async def test_selectors_have_the_type_of_their_operation(single, rec):
    wrong = {
        "op:get": [1, Symbol("x"), b"x", True],
        "op:index": ["x", -1, 1.0, True],
        "op:untag": [1, b"x", True],
    }
    for op, selectors in wrong.items():
        for selector in selectors:
            far = await single.session()
            far.write(rec(op, far.bootstrap, selector, 4))
            await far.aborted()


async def test_struct_keys_ascend_and_differ(single):
    for struct in (b'{1"b1+1"a2+}', b'{1"a1+1"a2+}', b'{2"aa1+1"b2+2"cc3+1"d4+2"bb5+}'):
        far = await single.session()
        far.write_octets(DELIVER % struct)
        assert await far.aborted() == "malformed message"


async def test_an_unknown_record_is_carried(drafts, rec):
    far = await drafts.session()
    point = rec("point", 1, (2, rec("unit", "mm")))
    assert await far.value(far.ask(await far.fetch(ECHO), point)) == (point,)


async def test_text_beyond_the_basic_plane(drafts):
    """Whole characters cross in texts, symbols and keys. Half of a surrogate pair is no character."""
    far = await drafts.session()
    values = ("🚀", Symbol("🚀"), {"🚀": "\U0010ffff"}, "\ufeffx")
    assert await far.value(far.ask(await far.fetch(ECHO), *values)) == values
    place = await drafts.listen()
    target = drafts.enliven(place)
    with pytest.raises(hob.NotPassable):
        await target.take("\ud83d")
    far.write_octets(DELIVER % b'3"\xed\xa0\xbd')
    assert await far.aborted() == "malformed message"


async def test_bounds_of_positions_and_counts(single, rec):
    far = await single.session()
    for pos in (0, 2**53 - 1):
        resolver = far.object()
        far.deliver(far.bootstrap, Symbol("fetch"), b"nothing", answer=pos, resolver=resolver)
        assert (await far.called(resolver)).args[0] == Symbol("break")
        far.deliver(rec("desc:answer", pos), resolver=(again := far.object()))
        assert (await far.called(again)).args[0] == Symbol("break")
    far.give_up(0, 2**53 - 1)
    far.write(rec("op:gc-exports", (2**53 - 1,), (2**53 - 1,)))
    await far.round_trip()
    far.write(rec("op:gc-exports", (1,), (0,)))
    assert await far.aborted()


async def test_floats_inside_of_containers(drafts, rec):
    far = await drafts.session()
    for number in (1.5, 1.0, 1e300, 5e-324, math.inf, -math.inf):
        value = ((number, 1), {"x": (number,)}, rec("desc:tagged", Symbol("unit"), number))
        (came,) = await far.value(far.ask(await far.fetch(ECHO), value))
        assert came == value
        assert type(came[0][0]) is float
        assert type(came[0][1]) is int


async def test_errors_with_unicode(drafts, rec):
    """As a value, and as the reason that a method refuses with."""

    def refuse():
        raise hob.Refused("Größe 🚀 zu groß")

    drafts.publish(drafts.ours.spawn(refuse), b"refuse")
    far = await drafts.session()
    error = rec("desc:error", "bjørn 🚀")
    assert await far.value(far.ask(await far.fetch(ECHO), error)) == (error,)
    assert await far.reason(far.ask(await far.fetch(b"refuse"))) == rec("desc:error", "Größe 🚀 zu groß")


def random_value(rng, depth=0):
    atoms = [
        lambda: rng.choice((True, False)),
        lambda: rng.randrange(-(10 ** rng.randrange(1, 40)), 10 ** rng.randrange(1, 40)),
        lambda: rng.uniform(-1e6, 1e6),
        lambda: rng.randbytes(rng.randrange(20)),
        lambda: random_text(rng),
        lambda: Symbol(random_text(rng)),
        lambda: Record(Symbol("void"), ()),
        lambda: Record(Symbol("null"), ()),
        lambda: Record(Symbol("desc:error"), (random_text(rng),)),
    ]
    containers = [
        lambda: tuple(random_value(rng, depth + 1) for _ in range(rng.randrange(5))),
        lambda: {random_text(rng): random_value(rng, depth + 1) for _ in range(rng.randrange(5))},
        lambda: Record(Symbol("desc:tagged"), (Symbol(random_text(rng)), random_value(rng, depth + 1))),
        lambda: Record(Symbol("x" + random_text(rng)), (random_value(rng, depth + 1),)),
    ]
    return rng.choice(atoms if depth > 4 else atoms + 2 * containers)()


def random_text(rng):
    return "".join(chr(rng.choice((97, 98, 0, 34, 0xDF, 0x20AC, 0x1F680))) for _ in range(rng.randrange(6)))


async def test_random_values_come_back(drafts):
    far = await drafts.session()
    echo = await far.fetch(ECHO)
    rng = random.Random(7)
    for _ in range(10):
        values = [random_value(rng) for _ in range(50)]
        for question, value in [(far.ask(echo, value), value) for value in values]:
            assert await far.value(question) == (value,)


async def test_random_octets_end_one_session_alone(drafts):
    """Whatever follows the hello, it ends in an op:abort and a FIN; an honest neighbour notices nothing."""
    honest = await drafts.session()
    rng = random.Random(11)
    for number in range(60):
        far = await drafts.session()
        octets = rng.randbytes(rng.randrange(1, 200))
        if number % 2:
            message = bytearray(encode((Symbol("x"), 1, {"a": b"b"})))
            message[rng.randrange(len(message))] = rng.randrange(256)
            octets = bytes(message)
        far.write_unframed(octets + b"\x00")
        await far.aborted()
        await honest.round_trip()


async def test_nan_and_minus_zero_are_canonical(drafts):
    far = await drafts.session()
    (nan, zero) = await far.value(far.ask(await far.fetch(ECHO), math.nan, -0.0))
    assert math.isnan(nan)
    assert math.copysign(1, zero) == -1
    assert b"[D\x7f\xf8\x00\x00\x00\x00\x00\x00D\x80\x00\x00\x00\x00\x00\x00\x00]" in far.octets
    far.write_octets(DELIVER % b"D\x7f\xf8\x00\x00\x00\x00\x00\x01")
    assert await far.aborted() == "malformed message"


async def test_a_key_that_is_a_prefix_of_the_one_before(single):
    """``a`` after ``aa`` ascends in neither order; ``b`` after ``aa`` does in Endo's, and is read."""
    far = await single.session()
    echo = encode(await far.fetch(ECHO))
    ask = b"<10'op:deliver%b[%b]f<18'desc:import-object%d+>>"
    for struct, value in (
        (b'{2"aa1+1"b2+}', {"aa": 1, "b": 2}),
        (b'{1"b2+2"aa1+}', {"aa": 1, "b": 2}),
        (b'{1"a1+2"aa2+}', {"a": 1, "aa": 2}),
    ):
        question = far.question()
        far.write_octets(ask % (echo, struct, question.resolver))
        assert await far.value(question) == (value,)
    far.write_octets(DELIVER % b'{2"aa1+1"a2+}')
    assert await far.aborted() == "malformed message"


async def test_a_value_with_one_of_everything(drafts, rec):
    far = await drafts.session()
    mine, promise = far.object(), far.promise()
    menagerie = {
        "numbers": (0, -1, 10**100, -0.5, math.inf),
        "texts": ("", "π", Symbol(""), Symbol("a b"), b"", b"\x00\xff"),
        "truths": (True, False, rec("void"), rec("null")),
        "nested": ((), ((),), {}, {"": {"": ()}}),
        "records": (
            rec("desc:tagged", Symbol("decimal"), "3.14"),
            rec("desc:error", "no"),
            rec("bird", "owl", rec("egg")),
            drafts.sturdyref(drafts.location, b"\x00\xff"),
            drafts.location,
        ),
    }
    came, bounced, promised = await far.value(far.ask(await far.fetch(ECHO), menagerie, mine, promise))
    assert came == menagerie
    assert (bounced, promised) == (far.to(mine), far.to(promise))
