"""What hostile octets may try with the codec: to stall it, to exhaust it, to mean two things at once."""

import math
import random
import tracemalloc
from collections.abc import Callable

import pytest

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import NEED_MORE, Decoder, Framing, KeyOrder, decode, encode, open_decoder
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol

Read = Callable[..., tuple[list[str], tuple[str, int | None, str] | None]]


@pytest.mark.parametrize("octets", [b"0", b"12", b"<", b"[t", b"{", b"5:abc", b""])
def test_t01_truncated_values_wait_or_are_refused(octets: bytes) -> None:
    decoder = Decoder()
    decoder.feed(octets)
    for _ in range(3):
        assert decoder.next() is NEED_MORE
    with pytest.raises(SyrupError):
        decode(octets)
    for framing, stream in ((Framing.PREFIXED, b"%d:%b" % (len(octets), octets)), (Framing.MESSAGE, octets)):
        framed = open_decoder(framing)
        framed.feed(stream)
        with pytest.raises(SyrupError):
            framed.next()


@pytest.mark.parametrize(
    ("framing", "digit", "most"),
    [
        (Framing.RAW, b"0", 1),
        (Framing.RAW, b"9", 4300),
        (Framing.PREFIXED, b"0", 0),
        (Framing.PREFIXED, b"9", 7),  # eight nines are over the limit already
        (Framing.PREFIXED, b"1", 8),
        (Framing.DETECT, b"0", 0),
        (Framing.DETECT, b"9", 7),
    ],
)
def test_t02_endless_digits_are_refused_while_they_come(framing: Framing, digit: bytes, most: int) -> None:
    decoder = open_decoder(framing)
    for _ in range(most):
        decoder.feed(digit)
        assert decoder.next() is NEED_MORE
    decoder.feed(digit)
    with pytest.raises(SyrupError) as caught:
        decoder.next()
    assert caught.value.offset == 0


@pytest.mark.parametrize(
    "octets", [b"99999999999:", b"999999999:", b'[16777217"', b"<999999999'", b"{999999999'"]
)
def test_t03_a_huge_declared_length_allocates_nothing(octets: bytes) -> None:
    tracemalloc.start()
    try:
        decoder = Decoder()
        decoder.feed(octets)
        with pytest.raises(SyrupError):
            decoder.next()
        assert tracemalloc.get_traced_memory()[1] < 65536
    finally:
        tracemalloc.stop()


def test_t03_an_allowed_length_allocates_nothing_in_advance() -> None:
    tracemalloc.start()
    try:
        decoder = Decoder()
        decoder.feed(b"16000000:abc")
        assert decoder.next() is NEED_MORE
        assert tracemalloc.get_traced_memory()[1] < 65536
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("digits", [4301, 5000, 100_000, 1_000_000])
def test_t04_integers_of_many_digits(digits: int) -> None:
    with pytest.raises(SyrupError, match="digits"):
        decode(b"7" * digits + b"+")
    assert encode(decode(b"7" * 4300 + b"+")) == b"7" * 4300 + b"+"


@pytest.mark.parametrize("opening", [b"[", b"<1'a", b'{1"a', b"#", b"<11'desc:tagged1'a", b"<10'op:deliver"])
def test_t05_depth_bomb_at_limit(opening: bytes) -> None:
    limit = DEFAULT_LIMITS.depth
    for depth in (limit - 1, limit):
        decoder = Decoder()
        decoder.feed(opening * depth)
        assert decoder.next() is NEED_MORE
    for depth in (limit + 1, 100_000):
        decoder = Decoder()
        decoder.feed(opening * depth)
        with pytest.raises(SyrupError, match="deeper") as caught:
            decoder.next()
        assert caught.value.offset == len(opening) * limit


def test_t05_a_value_that_holds_itself() -> None:
    loop: list[object] = [1]
    loop.append({"again": loop})
    with pytest.raises(SyrupError, match="deeper"):
        encode(loop)


@pytest.mark.parametrize("element", [b"t", b"[]", b"0+", b"0:", b"<4'void>", b"{}"])
def test_t06_element_bomb(element: bytes) -> None:
    bomb = b"[" + element * (10_000_000 // len(element))
    decoder = Decoder()
    decoder.feed(bomb)
    with pytest.raises(SyrupError, match="more values") as caught:
        decoder.next()
    assert caught.value.offset is not None
    assert caught.value.offset <= DEFAULT_LIMITS.elements * len(element)


def test_t06_memory_is_bound_by_elements() -> None:
    bomb = b"[" + b"{}" * 5_000_000
    decoder = Decoder(limits=Limits(elements=10_000))
    decoder.feed(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(SyrupError, match="more values"):
            decoder.next()
        assert tracemalloc.get_traced_memory()[1] < 10_000 * 256
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "octets",
    [
        b"01+",
        b"0-",
        b"-0",
        b'{1"b1+1"a1+}',
        b'{1"a1+1"a1+}',
        b"(t)",
        b"lte",
        b"d1:ate",
        b" t",
        b"t ",
        b"[ t]",
        b"01:a",
    ],
)
def test_t07_what_is_not_canonical(octets: bytes) -> None:
    with pytest.raises(SyrupError):
        decode(octets)


@pytest.mark.parametrize("form", [b'%d"%b', b"%d'%b", b"<%d'%b>", b'{%d"%bt}', b"{%d'%bt}"])
@pytest.mark.parametrize(
    "text", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82", b"\xf8\x88\x80\x80\x80"]
)
def test_t08_bad_utf8(form: bytes, text: bytes) -> None:
    octets = form % (len(text), text)
    with pytest.raises(SyrupError, match="UTF-8") as caught:
        decode(octets)
    assert caught.value.offset == octets.index(text)


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        "a\udfff",
        Symbol("\ud800"),
        {"\ud800": 1},
        {Symbol("\udc00"): 1},
        Record(Symbol("\ud800"), ()),
    ],
)
@pytest.mark.parametrize("order", KeyOrder)
def test_t08_lone_surrogates_are_not_sent(value: object, order: KeyOrder) -> None:
    with pytest.raises(SyrupError, match="surrogate"):
        encode((value,), key_order=order)


def test_t09_numbers_are_not_confused() -> None:
    values = (True, 1, 1.0, False, 0, 0.0, -0.0)
    found = decode(encode(values))
    assert repr(found) == repr(values)
    assert encode(math.inf) + encode(-math.inf) == b"D\x7f\xf0\0\0\0\0\0\0D\xff\xf0\0\0\0\0\0\0"
    rng = random.Random(9)
    for _ in range(200):
        payload = b"\x7f" + bytes((0xF0 | rng.randrange(16),)) + rng.randbytes(6)
        if payload not in (b"\x7f\xf0" + bytes(6), b"\x7f\xf8" + bytes(6)):
            with pytest.raises(SyrupError, match="NaN"):
                decode(b"D" + payload)


def test_t10_trailing_octets_and_packets(messages: list[bytes], read: Read) -> None:
    for first, second in zip(messages[:100], messages[100:200], strict=True):
        with pytest.raises(SyrupError, match="follow"):
            decode(first + second)
        for framing, stream in (
            (Framing.PREFIXED, b"%d:%b" % (len(first + second), first + second)),
            (Framing.MESSAGE, first + second),
        ):
            framed = open_decoder(framing)
            framed.feed(stream)
            with pytest.raises(SyrupError, match="follow"):
                framed.next()
        assert (
            read(first + second, [])
            == read(first + second)
            == ([repr(decode(first)), repr(decode(second))], None)
        )


def test_t11_only_records_the_caller_knows_are_built(mutants: list[bytes]) -> None:
    """An unknown record is data; what a known one must look like is its constructor's to say."""

    class Malformed(Exception):
        pass

    def export(fields: tuple[object, ...]) -> object:
        if len(fields) != 1 or type(fields[0]) is not int:
            raise Malformed
        return fields[0]

    outcomes: set[type] = set()
    for octets in mutants:
        try:
            decode(octets, constructors={"desc:export": export})
        except (Malformed, SyrupError) as refused:
            outcomes.add(type(refused))
    assert outcomes == {Malformed, SyrupError}
    assert decode(b"<10'op:destroyt>") == Record(Symbol("op:destroy"), (True,))


def test_t12_what_was_signed_is_written_again_octet_for_octet(messages: list[bytes]) -> None:
    # Equal values, different octets: both orders are read, and each is kept.
    syrup, endo = b'{1"b1+2"aa2+}', b'{2"aa2+1"b1+}'
    assert decode(syrup) == decode(endo)
    for octets in (syrup, endo, *messages):
        assert encode(decode(octets), key_order=KeyOrder.KEEP) == octets
