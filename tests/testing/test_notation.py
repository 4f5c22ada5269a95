"""Messages as text: what is shown of them, and what is not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hobgoblin.crypto import KeyPair, SwissNum
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.messages import (
    ENCODERS,
    DescExport,
    DescHandoffGive,
    DescImportObject,
    DescSigEnvelope,
    OpAbort,
    OpDeliver,
    OpGcExports,
    OpGet,
    OpListen,
    OpStartSession,
)
from hobgoblin.syrup import Framing, encode, frame
from hobgoblin.testing import as_text
from hobgoblin.testing.notation import LONGEST, escape
from hobgoblin.values import NULL, ErrorValue, Symbol, Tagged

KEY = KeyPair.from_seed(bytes(32))
PLACE = PeerLocator("unix", "bob", {"path": "/tmp/b"})
BOB = '<ocapn-peer \'unix "bob" {"path": "/tmp/b"}>'
PUBLIC_KEY = "['public-key ['ecc ['curve 'Ed25519] ['flags 'eddsa] ['q #32-octets]]]"
SIGNATURE = "['sig-val ['eddsa ['r #32-octets] ['s #32-octets]]]"
SECRET = b"a swiss number of 32 octets, hmm"


def octets(message: object) -> bytes:
    return encode(message, encoders=ENCODERS)


def fetch(swiss: object) -> OpDeliver:
    return OpDeliver(DescExport(0), (Symbol("fetch"), swiss), 1, DescImportObject(1))


def give() -> DescSigEnvelope:
    certificate = DescHandoffGive(KEY.public, PLACE, bytes(32), bytes(32), SECRET)
    return DescSigEnvelope(certificate, bytes(64))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            OpStartSession("1.0", KEY.public, PLACE, bytes(64)),
            f'op:start-session "1.0" {PUBLIC_KEY} {BOB} {SIGNATURE}',
        ),
        (fetch(SECRET), "op:deliver <desc:export 0> ['fetch #32-octets] 1 <desc:import-object 1>"),
        (
            OpDeliver(DescExport(3), (give(),), False, False),
            f"op:deliver <desc:export 3> [<desc:sig-envelope <desc:handoff-give {PUBLIC_KEY} {BOB} "
            f"#32-octets #32-octets #32-octets> {SIGNATURE}>] false false",
        ),
        (
            OpListen(DescExport(3), DescImportObject(1), False),
            "op:listen <desc:export 3> <desc:import-object 1> false",
        ),
        (OpGet(DescExport(3), "size", 2), 'op:get <desc:export 3> "size" 2'),
        (OpGcExports((4, 5), (1, 3)), "op:gc-exports [4 5] [1 3]"),
        (OpAbort("tired"), 'op:abort "tired"'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_messages_are_shown_as_the_drafts_write_them(message: object, text: str) -> None:
    assert as_text(octets(message)) == f"<{text}>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('say "hi"\\\n', r'"say \"hi\"\\\n"'),
        ("\x1b[2J\u202e", r'"\x1b[2J\u202e"'),
        (Symbol("make-car"), "'make-car"),
        (Symbol("two words\x07"), r"'|two words\x07|"),
        (b"1", "#1-octet"),
        (True, "true"),
        (-7, "-7"),
        (1 << 5000, "#5001-bit-integer"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        ((1, (2, 3)), "[1 [2 3]]"),
        ({"a": 1, "b": ()}, '{"a": 1, "b": []}'),
        (Tagged("km", 3), "<desc:tagged 'km 3>"),
        (ErrorValue("no"), '<desc:error "no">'),
        (None, "<void>"),
        (NULL, "<null>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value: object, text: str) -> None:
    assert as_text(octets(value)) == text


def test_what_is_syrup_and_no_value_of_captp_is_shown_as_well() -> None:
    assert as_text(b"#1+2+$") == "#{1 2}"
    assert as_text(b"<9'something#1+2+$>") == "<something #{1 2}>"


def test_a_count_in_front_is_left_out() -> None:
    message = octets(fetch(SECRET))
    assert as_text(frame(message, Framing.PREFIXED)) == as_text(message)


def test_no_secret_is_shown() -> None:
    sturdyref = SturdyRef(PLACE, SwissNum(SECRET))
    uri = sturdyref.uri()
    number = uri.partition("/s/")[2].partition("?")[0]
    assert number
    for message in (
        octets(fetch(SECRET)),
        octets(fetch(sturdyref)),
        octets(fetch(f"see {uri}, and {uri.upper()}")),
        octets(OpAbort(uri)),
        octets(fetch(SECRET))[:-1],
        b"5:" + octets(fetch(SECRET)),
        SECRET,
        b"%d:%b" % (len(SECRET), SECRET),
    ):
        text = as_text(message)
        assert "swiss" not in text
        assert number.lower() not in text.lower()
    assert as_text(octets(uri)) == '"ocapn://bob.unix/s/…?path=%2Ftmp%2Fb"'


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", "malformed: the octets end inside a value (at octet 0, $), in #0-octets"),
        (b"hello", "malformed: "),
        (b"<10'op:deliver", "malformed: the octets end inside a value (at octet 14, "),
        (b'{1"a1+1"a2+}', "malformed: "),
        (b"[" * 1000, "malformed: "),
        (b"9" * 5000 + b"+", "malformed: "),
    ],
)
def test_what_is_no_message_is_told_without_its_octets(message: bytes, text: str) -> None:
    assert as_text(message).startswith(text)


def test_what_is_long_is_cut_short() -> None:
    for large in ("x" * 1_000_000, ("x",) * 100_000, Symbol("x" * 1_000_000), "\x00" * 10_000):
        text = as_text(octets(large))
        assert len(text) == LONGEST
        assert text.endswith("…")


@given(st.binary(max_size=200))
def test_t10_whatever_the_octets_are_there_is_a_line_of_printable_text(message: bytes) -> None:
    for framed in (message, frame(message, Framing.PREFIXED)):
        text = as_text(framed)
        assert text.isprintable()
        assert 0 < len(text) <= LONGEST


def test_so_there_is_of_messages_with_octets_exchanged() -> None:
    rng = random.Random(11)
    whole = octets(OpDeliver(DescExport(3), (give(), {"a": -1.5}, "é", b"x"), 1, DescImportObject(1)))
    for _ in range(2000):
        message = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            message[rng.randrange(len(message))] = rng.choice(b"<>[]{}#$'\"+-:0123456789tfD\x00\xff")
        assert as_text(bytes(message)).isprintable()


def test_escaped_text_can_do_nothing_to_a_terminal() -> None:
    assert escape("plain ✓ text") == "plain ✓ text"
    assert escape("".join(map(chr, range(0x20)))).isprintable()
