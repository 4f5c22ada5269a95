"""Operations and descriptors: the octets, and what is refused of them."""

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from hobgoblin.crypto import PublicKey
from hobgoblin.errors import ProtocolError, SyrupError
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.messages import (
    CONSTRUCTORS,
    ENCODERS,
    MAX_POSITION,
    DescAnswer,
    DescExport,
    DescHandoffGive,
    DescHandoffReceive,
    DescImportObject,
    DescImportPromise,
    DescSigEnvelope,
    OpAbort,
    OpDeliver,
    OpGcAnswers,
    OpGcExports,
    OpGet,
    OpIndex,
    OpListen,
    OpStartSession,
    OpUntag,
    is_position,
)
from hobgoblin.syrup import Decoder, decode, encode
from hobgoblin.values import (
    DEFAULT_LIMITS,
    NULL,
    ErrorValue,
    Keyword,
    Limits,
    MakerTable,
    Record,
    Symbol,
    Tagged,
)

VECTORS = {
    name: bytes.fromhex(octets)
    for name, octets in json.loads(
        (Path(__file__).parent / "vectors" / "wire-examples.json").read_text(encoding="utf-8")
    ).items()
}
ALICE = PeerLocator("tcp-testing-only", "alice0", {"host": "127.0.0.1", "port": "22045"})

BOTH_WAYS = {
    "op:start-session": OpStartSession("1.0", PublicKey(VECTORS["alice raw pub"]), ALICE, VECTORS["locsig"]),
    "op:deliver fetch": OpDeliver(DescExport(0), (Symbol("fetch"), b"swissnum"), 3, DescImportObject(5)),
    "op:deliver no-answer": OpDeliver(DescExport(5), ("Hello",), False, DescImportObject(2)),
    "op:deliver fire-and-forget": OpDeliver(DescExport(5), ("Hello",), False, False),
    "op:deliver pipelined": OpDeliver(DescAnswer(3), (Symbol("drive"),), 4, False),
    "op:deliver fulfill": OpDeliver(DescExport(5), (Symbol("fulfill"), DescImportObject(7)), False, False),
    "op:deliver fulfill promise": OpDeliver(
        DescExport(5), (Symbol("fulfill"), DescImportPromise(8)), False, False
    ),
    "op:deliver break": OpDeliver(DescExport(5), (Symbol("break"), ErrorValue("boom")), False, False),
    "op:listen 3-field": OpListen(DescExport(8), DescImportObject(9), False),
    "op:get": OpGet(DescAnswer(3), "name", 4),
    "op:index": OpIndex(DescExport(8), 0, 4),
    "op:untag": OpUntag(DescAnswer(3), "decimal", 4),
    "op:gc-exports (Endo, spec)": OpGcExports((1, 2), (1, 4)),
    "op:gc-answers (Endo, spec)": OpGcAnswers((3,)),
    "op:abort": OpAbort("bye"),
    "ocapn-peer": ALICE,
    "undefined (Endo/Guile)": None,
    "null (Endo)": NULL,
    "tagged (Endo)": Tagged("decimal", "3.14"),
    "error (Endo)": ErrorValue("boom"),
}

READ_ONLY = {
    "op:deliver-only (old)": OpDeliver(DescExport(5), ("Hello",), False, False),
    "op:listen 2-field (spec)": OpListen(DescExport(8), DescImportObject(9), False),
    "op:gc-export lists (6c146dc)": OpGcExports((1, 2), (1, 4)),
    "op:gc-export ints (old,Guile)": OpGcExports((1,), (4,)),
    "op:gc-answer int (old,Guile)": OpGcAnswers((3,)),
    "tagged (Guile user)": Tagged("decimal", "3.14"),
    "tagged (PR247)": Tagged("decimal", "3.14"),
    "error (Guile)": ErrorValue("unknown remote error"),
}


def read(octets):
    return decode(octets, constructors=CONSTRUCTORS)


def write(value):
    return encode(value, encoders=ENCODERS)


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_vectors_are_written_and_read_octet_for_octet(name):
    assert write(BOTH_WAYS[name]) == VECTORS[name]
    assert read(VECTORS[name]) == BOTH_WAYS[name]


@pytest.mark.parametrize("name", READ_ONLY)
def test_forms_of_other_peers_are_read(name):
    assert read(VECTORS[name]) == READ_ONLY[name]


def test_the_hello_of_alice_has_296_octets():
    assert len(VECTORS["op:start-session"]) == 296


@pytest.mark.parametrize(
    "name",
    [
        "signed give envelope",
        "desc:handoff-give",
        "desc:handoff-receive",
        "op:deliver deposit-gift",
        "op:deliver withdraw-gift",
        "ocapn-peer no hints",
        "ocapn-sturdyref",
    ],
)
def test_certificates_and_locators_survive_a_round_trip(name):
    assert write(read(VECTORS[name])) == VECTORS[name]


def test_certificates_are_read_into_their_fields():
    give = read(VECTORS["desc:handoff-give"])
    assert type(give) is DescHandoffGive
    assert give.exporter_location.designator == "bob0"
    assert [len(octets) for octets in (give.session, give.gifter_side, give.gift_id)] == [32, 32, 32]
    signed = read(VECTORS["signed give envelope"])
    assert signed == DescSigEnvelope(give, VECTORS["givesig"])
    receive = read(VECTORS["desc:handoff-receive"])
    assert type(receive) is DescHandoffReceive
    assert (receive.handoff_count, receive.signed_give) == (0, signed)
    assert type(read(VECTORS["ocapn-sturdyref"])) is SturdyRef


def test_small_forms():
    assert read(b"<2'kw4'size>") == Keyword("size")
    assert write(Keyword("size")) == b"<2'kw4'size>"
    assert write(DescImportPromise(8)) == b"<19'desc:import-promise8+>"
    assert read(b"<8'op:untag<11'desc:answer3+>7'decimal4+>") == OpUntag(DescAnswer(3), "decimal", 4)
    assert read(b'<10\'desc:error4"name4"boom3:abc>') == ErrorValue("name")
    assert read(b"<10'desc:error>") == ErrorValue("unknown remote error")
    assert read(b"<7'op:what1+>") == Record(Symbol("op:what"), (1,))
    assert read(b"<9'op:listen<11'desc:export8+><18'desc:import-object9+>t>").wants_partial is True


@pytest.mark.parametrize("label", ["op:gc-answer", "op:gc-answers"])
def test_answers_are_given_up_in_lists(label):
    assert read(b"<%d'%s[3+4+]>" % (len(label), label.encode())) == OpGcAnswers((3, 4))


# A good message for each operation and descriptor, and where its fields are.
GOOD = {
    "op:start-session": ("1.0", BOTH_WAYS["op:start-session"].session_pubkey.to_value(), ALICE, None),
    "op:deliver": (DescExport(0), (), 3, DescImportObject(5)),
    "op:deliver-only": (DescExport(0), ()),
    "op:listen": (DescExport(8), DescImportObject(9), False),
    "op:get": (DescAnswer(3), "name", 4),
    "op:index": (DescAnswer(3), 0, 4),
    "op:untag": (DescAnswer(3), "tag", 4),
    "op:gc-exports": ((1,), (4,)),
    "op:gc-export": ((1,), (4,)),
    "op:gc-answers": ((3,),),
    "op:gc-answer": ((3,),),
    "op:abort": ("bye",),
    "desc:import-object": (1,),
    "desc:import-promise": (1,),
    "desc:export": (1,),
    "desc:answer": (1,),
    "desc:tagged": (Symbol("tag"), 1),
    "desc:tag": ("tag", 1),
    "user-record": (Symbol("tag"), 1),
    "kw": (Symbol("name"),),
    "void": (),
    "null": (),
}
POSITIONS = {
    ("op:deliver", 2),
    *((op, 2) for op in ("op:get", "op:index", "op:untag")),
    ("op:index", 1),
    *((f"desc:{kind}", 0) for kind in ("import-object", "import-promise", "export", "answer")),
}
TYPED = {
    ("op:deliver", 1): ((), "list"),
    ("op:deliver-only", 1): ((), "list"),
    ("op:listen", 2): (False, "flag"),
    ("op:get", 1): ("", "text"),
    ("op:untag", 1): ("", "text"),
    ("op:abort", 0): ("", "text"),
}
WRONG = (1, -1, True, "text", Symbol("s"), b"bytes", 1.5, (), {}, None, Record(Symbol("x"), ()), (1, "x"))


@pytest.mark.parametrize("label", GOOD)
def test_a_field_too_many_or_too_few_is_refused(label):
    fields = GOOD[label]
    for wrong in ((*fields, False), fields[:-1]):
        if not (label == "op:listen" and len(wrong) == 2) and wrong != fields:
            with pytest.raises(ProtocolError):
                CONSTRUCTORS[label](wrong)
    with pytest.raises(ProtocolError):
        CONSTRUCTORS[label](fields * 2 + (1, 2, 3, 4))


@pytest.mark.parametrize(("label", "index"), sorted(POSITIONS))
@pytest.mark.parametrize("wrong", [-1, True, 2**53, 2**200, 1.0, "1", b"1", (1,), None], ids=repr)
def test_positions_are_small_natural_numbers(label, index, wrong):
    good = list(GOOD[label])
    good[index] = MAX_POSITION
    CONSTRUCTORS[label](tuple(good))
    good[index] = wrong
    with pytest.raises(ProtocolError):
        CONSTRUCTORS[label](tuple(good))


@pytest.mark.parametrize(("label", "index"), sorted(TYPED))
def test_fields_of_the_wrong_type_are_refused(label, index):
    allowed = type(TYPED[label, index][0])
    for wrong in WRONG:
        if type(wrong) is allowed or (label == "op:untag" and type(wrong) is Symbol):
            continue
        fields = list(GOOD[label])
        fields[index] = wrong
        with pytest.raises(ProtocolError):
            CONSTRUCTORS[label](tuple(fields))


@pytest.mark.parametrize("label", ["op:gc-exports", "op:gc-export"])
@pytest.mark.parametrize(
    "fields",
    [
        ((1, 2), (1,)),
        ((1,), (0,)),
        ((1,), (-1,)),
        ((-1,), (1,)),
        ((1,), (True,)),
        ((2**53,), (1,)),
        ((1,), 1),
        (1, (1,)),
        (1, 0),
        (1, -1),
        ("1", "1"),
        (False, False),
        (((1,),), (1,)),
        (1,),
        (1, 1, 1),
    ],
    ids=repr,
)
def test_t25_shape_errors_of_releases_are_refused(label, fields):
    with pytest.raises(ProtocolError):
        CONSTRUCTORS[label](fields)


@pytest.mark.parametrize("fields", [(), ("x",), (("x",),), ((-1,),), (-1,), (True,), ((1,), (1,))], ids=repr)
@pytest.mark.parametrize("label", ["op:gc-answers", "op:gc-answer"])
def test_shape_errors_of_answers_given_up_are_refused(label, fields):
    with pytest.raises(ProtocolError):
        CONSTRUCTORS[label](fields)


def test_only_the_singular_forms_take_plain_integers():
    with pytest.raises(ProtocolError):
        CONSTRUCTORS["op:gc-exports"]((1, 4))
    with pytest.raises(ProtocolError):
        CONSTRUCTORS["op:gc-answers"]((3,))


def test_t11_and_t14_hellos_of_the_wrong_shape_are_refused():
    version, key, place, _ = GOOD["op:start-session"]
    signature = decode(VECTORS["op:start-session"]).fields[3]
    construct = CONSTRUCTORS["op:start-session"]
    assert construct((version, key, place, signature)) == BOTH_WAYS["op:start-session"]
    for index in range(4):
        for wrong in WRONG:
            if index or type(wrong) is not str:
                fields = [version, key, place, signature]
                fields[index] = wrong
                with pytest.raises(ProtocolError):
                    construct(tuple(fields))


def test_certificates_of_the_wrong_shape_are_refused():
    for name in ("desc:handoff-give", "desc:handoff-receive", "signed give envelope"):
        record = decode(VECTORS[name], constructors={"ocapn-peer": CONSTRUCTORS["ocapn-peer"]})
        construct = CONSTRUCTORS[record.label.name]
        for index in range(len(record.fields)):
            if (name, index) == ("signed give envelope", 0):
                continue  # anything goes
            with pytest.raises(ProtocolError):
                construct((*record.fields[:index], 1.5, *record.fields[index + 1 :]))
        with pytest.raises(ProtocolError):
            construct(record.fields[1:])


@pytest.mark.parametrize(
    "octets", [b"<10'ocapn-peer>", b"<10'ocapn-node1+>", b"<15'ocapn-sturdyref1+2+>", b"<11'desc:tagged1+2+>"]
)
def test_values_of_the_wrong_shape_are_refused(octets):
    with pytest.raises(ProtocolError):
        read(octets)


def test_refusals_quote_nothing():
    for label, fields in GOOD.items():
        secret = ("s3cret",) * 9
        with pytest.raises(ProtocolError) as caught:
            CONSTRUCTORS[label]((*fields, *secret))
        assert "s3cret" not in str(caught.value)


def test_a_position_is_what_javascript_can_count():
    assert is_position(0)
    assert is_position(2**53 - 1)
    assert not is_position(2**53)


def test_every_label_is_a_symbol_of_the_protocol():
    for label in CONSTRUCTORS:
        assert label.isascii()
    with pytest.raises(SyrupError):
        write(object())


def outcome(octets, constructors):
    try:
        return repr(decode(octets, constructors=constructors))
    except SyrupError as error:
        return error.problem, error.offset, error.path
    except ProtocolError as error:
        return str(error)


@pytest.mark.parametrize("name", [name for name in VECTORS if name.startswith("op:deliver ")])
def test_what_holds_the_constructors_makes_no_difference(name):
    kinds = [
        MakerTable(CONSTRUCTORS),
        dict(CONSTRUCTORS),
        MappingProxyType(dict(CONSTRUCTORS)),
        {label: lambda fields, read=read: read(fields) for label, read in CONSTRUCTORS.items()},
    ]
    octets = VECTORS[name]
    for place in range(len(octets)):
        for other in (b"", b"0", b"9", b"f", b"<", b">", b"]", b"9" * 16):
            changed = octets[:place] + other + octets[place + 1 :]
            assert len({outcome(changed, kind) for kind in kinds}) == 1, changed


def test_a_table_of_makers_may_change_between_two_messages():
    octets = VECTORS["op:deliver fetch"]
    table = MakerTable(CONSTRUCTORS)
    decoder = Decoder(constructors=table)
    decoder.feed(octets * 3)
    assert decoder.next() == BOTH_WAYS["op:deliver fetch"]
    table.replace({"op:deliver": len})
    assert decoder.next() == 4
    table.replace({"desc:export": CONSTRUCTORS["desc:export"]})
    record = decoder.next()
    assert isinstance(record, Record)
    assert record.fields[0] == DescExport(0)
    assert record.fields[3] == Record(Symbol("desc:import-object"), (5,))


def test_messages_are_read_within_messages_and_after_broken_ones():
    octets = VECTORS["op:deliver fetch"]

    def nested(depth):
        return lambda fields: decode(octets, constructors={"op:deliver": nested(depth - 1)}) if depth else 0

    for _ in range(3):
        for broken in (octets[:-1], octets + b"f", octets.replace(b"]", b"x")):
            with pytest.raises(SyrupError):
                read(broken)
        assert decode(octets, constructors={"op:deliver": nested(6)}) == 0
        assert read(octets) == BOTH_WAYS["op:deliver fetch"]


@pytest.mark.parametrize("made", [DescExport, DescImportObject, DescImportPromise, DescAnswer])
@pytest.mark.parametrize("position", [0, 7, 2**53 - 1, 2**53, 2**70, -1, True, "7", None])
@pytest.mark.parametrize(
    "limits",
    [
        DEFAULT_LIMITS,
        Limits(elements=3),
        Limits(depth=2),
        Limits(integer_digits=3),
        Limits(message_bytes=30),
    ],
)
def test_descriptors_are_written_as_the_records_that_they_are(
    made: Any, position: Any, limits: Limits
) -> None:
    labels = {
        DescExport: "desc:export",
        DescImportObject: "desc:import-object",
        DescImportPromise: "desc:import-promise",
        DescAnswer: "desc:answer",
    }

    def written(value: object) -> object:
        try:
            return encode(value, encoders=ENCODERS, limits=limits)
        except SyrupError as error:
            return error.problem, error.path

    record = Record(Symbol(labels[made]), (position,))
    assert written((made(position),)) == written((record,))
    assert written((1, made(position), 2, (3,))) == written((1, record, 2, (3,)))
