"""Each limit at -1, 0 and +1, the same in both directions."""

import sys
from collections.abc import Iterator

import pytest

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import NEED_MORE, Decoder, decode, encode
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol, SyrupSet


def _both_refuse(value: object, octets: bytes, limits: Limits) -> None:
    with pytest.raises(SyrupError):
        decode(octets, limits=limits)
    with pytest.raises(SyrupError):
        encode(value, limits=limits)


def _both_take(value: object, octets: bytes, limits: Limits) -> None:
    assert decode(octets, limits=limits) == value
    assert encode(value, limits=limits) == octets


@pytest.mark.parametrize(
    "value",
    [
        (b"a" * 30, 1),
        ("a" * 30, 1),
        (Symbol("a" * 80),),
        (True,) * 40,
        10**50,
        {"a" * 70: 1},
        SyrupSet((1, 2, 3)),
        Record(Symbol("a" * 70), (1.5,)),
    ],
)
def test_message_octets(value: object) -> None:
    octets = encode(value)
    size = len(octets)
    _both_take(value, octets, Limits(message_bytes=size + 1))
    _both_take(value, octets, Limits(message_bytes=size))
    _both_refuse(value, octets, Limits(message_bytes=size - 1))


def test_message_octets_are_counted_for_each_message() -> None:
    decoder = Decoder(limits=Limits(message_bytes=5))
    decoder.feed(b"[tt]" * 100)
    for _ in range(100):
        assert decoder.next() == (True, True)
    decoder.feed(b"[tttt]")
    with pytest.raises(SyrupError, match="larger") as caught:
        decoder.next()
    assert caught.value.offset == 405


def test_a_declared_length_over_the_limit_is_not_waited_for() -> None:
    decoder = Decoder(limits=Limits(message_bytes=100))
    decoder.feed(b"[97:")
    with pytest.raises(SyrupError, match="larger"):
        decoder.next()
    decoder = Decoder(limits=Limits(message_bytes=100))
    decoder.feed(b"[96:")
    assert decoder.next() is NEED_MORE


def test_shared_octets_are_counted_as_often_as_written() -> None:
    block = bytes(2**20)
    with pytest.raises(SyrupError, match="larger"):
        encode((block,) * 200_000)


def _nested(depth: int) -> list[tuple[object, bytes]]:
    lists: object = ()
    records: object = Record(Symbol("a"), ())
    structs: object = {}
    sets: object = SyrupSet(())
    for _ in range(depth - 1):
        lists = (lists,)
        records = Record(Symbol("a"), (records,))
        structs = {"a": structs}
        sets = SyrupSet((sets,))
    return [
        (lists, b"[" * depth + b"]" * depth),
        (records, b"<1'a" * depth + b">" * depth),
        (structs, b'{1"a' * (depth - 1) + b"{" + b"}" * depth),
        (sets, b"#" * depth + b"$" * depth),
    ]


@pytest.mark.parametrize("depth", [1, 2, 50, 128])
def test_depth(depth: int) -> None:
    for value, octets in _nested(depth):
        _both_take(value, octets, Limits(depth=depth + 1))
        _both_take(value, octets, Limits(depth=depth))
        _both_refuse(value, octets, Limits(depth=depth - 1))


def test_depth_of_tens_of_thousands_where_it_is_wanted() -> None:
    limits = Limits(depth=50_000)
    octets = b"[" * 50_000 + b"]" * 50_000
    assert encode(decode(octets, limits=limits), limits=limits) == octets


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (True, 1),
        ((), 1),
        ((1, b"", "", 1.5, False, Symbol("a")), 7),
        (((), ((),)), 4),
        ({"a": 1, "b": ()}, 5),
        ({Symbol("a"): 1}, 3),
        (SyrupSet((1, 2)), 3),
        (Record(Symbol("a"), ()), 2),
        (Record(Symbol("op:deliver"), ()), 2),
        (Record(Symbol("op:deliver"), (1, Record(Symbol("op:deliver"), ()))), 5),
    ],
)
def test_elements(value: object, count: int) -> None:
    octets = encode(value)
    _both_take(value, octets, Limits(elements=count + 1))
    _both_take(value, octets, Limits(elements=count))
    _both_refuse(value, octets, Limits(elements=count - 1))


def test_elements_are_counted_for_each_message() -> None:
    decoder = Decoder(limits=Limits(elements=3))
    decoder.feed(b"[tt]" * 100)
    for _ in range(100):
        assert decoder.next() == (True, True)


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5, 8, 9, 10, 11, 19, 100, 640, 4300])
@pytest.mark.parametrize("sign", [1, -1])
def test_integer_digits(digits: int, sign: int) -> None:
    for value in (10 ** (digits - 1) * sign, (10**digits - 1) * sign):
        octets = b"%d%b" % (abs(value), b"+" if sign > 0 else b"-")
        assert len(octets) == digits + 1
        _both_take(value, octets, Limits(integer_digits=min(digits + 1, 4300)))
        _both_take(value, octets, Limits(integer_digits=digits))
        if digits > 1:
            _both_refuse(value, octets, Limits(integer_digits=digits - 1))


@pytest.mark.parametrize("length_digits", [1, 2, 3, 4])
def test_length_digits(length_digits: int) -> None:
    limits = Limits(length_digits=length_digits)
    for kind in b":\"'":
        longest = b"%d%c" % (10**length_digits - 1, kind) + b"x" * (10**length_digits - 1)
        decode(longest, limits=limits)
        for wrap in (b"%b", b"[%b", b"<%b>", b"{%b1+}"):
            too_long = b"%d%c" % (10**length_digits, kind) + b"x" * 10**length_digits
            with pytest.raises(SyrupError):
                decode(wrap % too_long, limits=limits)


def test_digits_without_end_are_refused_while_they_come() -> None:
    limits = Limits(integer_digits=20, length_digits=5)
    for start, most in ((b"", 20), (b"[", 20), (b"{", 5), (b"<", 5), (b"<1'a", 20), (b'{1"a', 20)):
        decoder = Decoder(limits=limits)
        decoder.feed(start)
        for _ in range(most):
            decoder.feed(b"9")
            assert decoder.next() is NEED_MORE
        decoder.feed(b"9")
        with pytest.raises(SyrupError, match="digits") as caught:
            decoder.next()
        assert caught.value.offset == len(start)


@pytest.fixture
def fewest_digits() -> Iterator[int]:
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    yield 640
    sys.set_int_max_str_digits(usual)


def test_an_interpreter_set_to_fewer_digits(fewest_digits: int) -> None:
    right = b"7" * fewest_digits + b"+"
    assert encode(decode(right)) == right
    _both_refuse(10**fewest_digits, b"7" * (fewest_digits + 1) + b"-", DEFAULT_LIMITS)
    with pytest.raises(SyrupError, match="interpreter"):
        decode(b"[" + b"7" * 2000 + b"+]")


def test_encoding_an_integer_far_over_the_limit_costs_nothing() -> None:
    # Its conversion would take minutes.
    with pytest.raises(SyrupError, match="digits"):
        encode(1 << 40_000_000)
