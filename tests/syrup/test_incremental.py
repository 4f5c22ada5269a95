"""However the octets arrive, the same comes out."""

import random
import tracemalloc
from collections.abc import Callable
from itertools import cycle

import pytest

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import NEED_MORE, Decoder, Framing, KeyOrder, decode, encode, frame, open_decoder
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol

Read = Callable[..., tuple[list[str], tuple[str, int | None, str] | None]]

TIGHT = Limits(message_bytes=60, depth=3, elements=9, integer_digits=3, length_digits=2)
TIGHTER = Limits(message_bytes=40, depth=2, elements=6, integer_digits=1, length_digits=1)
UNEVEN = Limits(message_bytes=200, depth=4, elements=30, integer_digits=2, length_digits=5)


@pytest.mark.without_coverage
def test_every_prefix_waits_and_every_split_gives_the_same(messages: list[bytes]) -> None:
    assert len(messages) >= 1000
    for octets in messages:
        expected = repr(decode(octets))
        for cut in range(1, len(octets)):
            decoder = Decoder()
            decoder.feed(octets[:cut])
            assert decoder.next() is NEED_MORE
            assert decoder.pending
            decoder.feed(octets[cut:])
            assert repr(decoder.next()) == expected
            assert not decoder.pending
            assert decoder.next() is NEED_MORE


@pytest.mark.without_coverage
def test_no_prefix_is_a_message(messages: list[bytes]) -> None:
    for octets in messages[:300]:
        for cut in range(len(octets)):
            with pytest.raises(SyrupError, match="end inside"):
                decode(octets[:cut])


def test_octet_by_octet(messages: list[bytes], read: Read) -> None:
    for octets in messages:
        assert read(octets) == ([repr(decode(octets))], None)


def test_a_stream_of_messages_cut_at_random(messages: list[bytes], read: Read) -> None:
    rng = random.Random(3)
    stream = b"".join(messages)
    expected = [repr(decode(octets)) for octets in messages]
    for pieces in (0, 1, 10, 1000, 10000):
        cuts = sorted(rng.sample(range(len(stream)), pieces))
        assert read(stream, cuts) == (expected, None)


def test_feeding_far_ahead_of_reading(messages: list[bytes]) -> None:
    decoder = Decoder()
    for octets in messages:
        decoder.feed(octets[:5])
        decoder.feed(octets[5:])
    for octets in messages:
        assert repr(decoder.next()) == repr(decode(octets))
    assert decoder.next() is NEED_MORE


@pytest.mark.without_coverage
@pytest.mark.parametrize(
    "limits", [DEFAULT_LIMITS, TIGHT, TIGHTER, UNEVEN], ids=["usual", "tight", "tighter", "uneven"]
)
@pytest.mark.parametrize("framing", [Framing.RAW, Framing.PREFIXED])
def test_wrong_input_fails_alike_at_every_cut(
    mutants: list[bytes], read: Read, limits: Limits, framing: Framing
) -> None:
    """The same values before the error, the same words, the same place."""
    rng = random.Random(5)
    refused = 0
    for octets in mutants[::2]:
        # Something right before and behind, so that the error is neither first nor last.
        stream = b"t" + octets + b"t[3+]"
        if framing is Framing.PREFIXED:
            stream = frame(b"t", framing) + frame(octets, framing) + b"1:t"
        whole = read(stream, [], limits=limits, framing=framing)
        assert read(stream, limits=limits, framing=framing) == whole
        cuts = sorted(rng.choices(range(len(stream)), k=3))
        assert read(stream, cuts, limits=limits, framing=framing) == whole
        refused += whole[1] is not None
    assert refused > 1000


@pytest.mark.without_coverage
def test_decode_and_decoder_accept_the_same(mutants: list[bytes], read: Read) -> None:
    accepted = 0
    for octets in mutants:
        values, error = read(octets)
        try:
            value = decode(octets)
        except SyrupError as refused:
            whole = (refused.problem, refused.offset, refused.path)
        else:
            accepted += 1
            assert (values, error) == ([repr(value)], None)
            assert encode(value, key_order=KeyOrder.KEEP) == octets
        if error is not None and not values:
            assert whole == error
    assert accepted > 100


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_sets_are_compared_across_cuts(size: int, read: Read) -> None:
    right = b'###1+$$#1+2+$#1+3+$0+3:abc[#1+2+$][#1+3+$][4:defg#1"a1"b$]$'
    wrong = b'###1+$$#1+2+$#1+3+$0+3:abc[#1+3+$][#1+2+$][4:defg#1"a1"b$]$'
    for octets, problems in ((right, 0), (wrong, 1)):
        stream = b"t" + octets + octets
        cuts = list(range(size, len(stream), size))
        whole = read(stream, [])
        assert read(stream, cuts) == whole
        assert (whole[1] is not None) == problems


@pytest.mark.without_coverage
def test_a_long_message_one_octet_at_a_time() -> None:
    value = (b"x" * 100_000, 10**4299, "é" * 20_000, tuple(range(10_000)), {"k": b"y" * 20_000})
    octets = encode(value)
    decoder = Decoder()
    for index in range(len(octets)):
        assert decoder.next() is NEED_MORE
        decoder.feed(octets[index : index + 1])
    assert decoder.next() == value


@pytest.mark.without_coverage
def test_an_endless_integer_one_octet_at_a_time() -> None:
    limits = Limits(integer_digits=200_000)
    decoder = Decoder(limits=limits)
    for _ in range(200_000):
        decoder.feed(b"7")
        assert decoder.next() is NEED_MORE
    decoder.feed(b"7")
    with pytest.raises(SyrupError, match="digits"):
        decoder.next()


def test_a_large_value_in_small_chunks_is_held_once() -> None:
    chunk = bytes(4096)
    decoder = Decoder()
    tracemalloc.start()
    try:
        decoder.feed(b"4194304:")
        for _ in range(1023):
            decoder.feed(chunk)
            assert decoder.next() is NEED_MORE
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
        decoder.feed(chunk)
        assert decoder.next() == bytes(4194304)
    finally:
        tracemalloc.stop()


def test_what_is_announced_takes_no_memory_before_it_comes() -> None:
    decoder = Decoder()
    tracemalloc.start()
    try:
        decoder.feed(b"[16000000:" + bytes(1000))
        assert decoder.next() is NEED_MORE
        assert tracemalloc.get_traced_memory()[1] < 2**14
    finally:
        tracemalloc.stop()


@pytest.mark.without_coverage
@pytest.mark.parametrize("sizes", [(1,), (7, 5000), (4096, 1), (70_000, 3)])
def test_a_long_string_is_held_once_however_it_is_cut(sizes: tuple[int, ...]) -> None:
    string = random.Random(1).randbytes(150_000)
    octets = encode((1, string, "é" * 40_000, 2))
    rest = memoryview(octets)
    decoder = Decoder()
    tracemalloc.start()
    try:
        found: object = NEED_MORE
        for size in cycle(sizes):
            decoder.feed(bytes(rest[:size]))
            rest = rest[size:]
            found = decoder.next()
            if not rest:
                break
        assert found == (1, string, "é" * 40_000, 2)
        assert decoder.size == len(octets)
        assert tracemalloc.get_traced_memory()[1] < 5 * len(octets)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("framing", "head"), [(Framing.RAW, b""), (Framing.PREFIXED, b"100014:"), (Framing.DETECT, b"100014:")]
)
def test_it_is_known_how_much_of_a_long_string_is_missing(framing: Framing, head: bytes) -> None:
    decoder = open_decoder(framing)

    def missing() -> int:
        return int(getattr(decoder, "awaited"))  # noqa: B009  what other codecs need not tell

    decoder.feed(head + b"<1'x2+100000:" + bytes(30_000))
    assert missing() == 0
    assert decoder.next() is NEED_MORE
    assert missing() == 70_000
    decoder.feed(bytes(69_999))
    assert decoder.next() is NEED_MORE
    assert missing() == 1
    decoder.feed(bytes(1) + b">")
    assert missing() == 0
    assert decoder.next() == Record(Symbol("x"), (2, bytes(100_000)))
    assert decoder.next() is NEED_MORE


def test_values_do_not_keep_the_octets_they_came_in() -> None:
    message = encode((b"small", bytes(4 * 2**20), "text"))
    tracemalloc.start()
    try:
        decoder = Decoder()
        decoder.feed(bytes(bytearray(message)))
        value = decoder.next()
        assert isinstance(value, tuple)
        kept = value[0], value[2]
        del value
        assert decoder.next() is NEED_MORE
        assert tracemalloc.get_traced_memory()[0] < 2**18
        assert kept == (b"small", "text")
    finally:
        tracemalloc.stop()


def test_what_is_fed_may_change_afterwards() -> None:
    buffer = bytearray(b"[3:abc")
    decoder = Decoder()
    decoder.feed(memoryview(buffer))
    buffer[:] = b"xxxxxx"
    assert decoder.next() is NEED_MORE
    decoder.feed(bytearray(b"]"))
    assert decoder.next() == (b"abc",)


def test_an_error_is_final() -> None:
    decoder = Decoder()
    decoder.feed(b"t[}tttt")
    assert decoder.next() is True
    with pytest.raises(SyrupError) as first:
        decoder.next()
    decoder.feed(b"[t]")
    with pytest.raises(SyrupError) as second:
        decoder.next()
    assert first.value is second.value
    assert not decoder.pending


def test_the_error_of_a_constructor_passes_and_is_final() -> None:
    class Odd(Exception):
        pass

    def refuse(fields: tuple[object, ...]) -> object:
        raise Odd(fields)

    decoder = Decoder(constructors={"odd": refuse})
    decoder.feed(b"<3'odd1+>t")
    for _ in range(2):
        with pytest.raises(Odd) as caught:
            decoder.next()
        assert caught.value.args == ((1,),)
    assert not decoder.pending


def test_an_interrupted_decoder_is_dead() -> None:
    def interrupt(fields: tuple[object, ...]) -> object:
        raise KeyboardInterrupt

    decoder = Decoder(constructors={"odd": interrupt})
    decoder.feed(b"<3'odd1+>t")
    with pytest.raises(KeyboardInterrupt):
        decoder.next()
    with pytest.raises(SyrupError, match="interrupted"):
        decoder.next()


def test_constructors_make_the_values() -> None:
    def positive(fields: tuple[object, ...]) -> object:
        return ("position", *fields)

    found = decode(
        b"[<11'desc:export5+><1'p<11'desc:export6+>>]", constructors={"desc:export": positive, "p": list}
    )
    assert found == (("position", 5), [("position", 6)])


@pytest.mark.without_coverage
def test_symbols_are_shared_but_only_so_many() -> None:
    decoder = Decoder()
    decoder.feed(b"[5'hello5'hello]")
    first = decoder.next()
    assert isinstance(first, tuple)
    assert first[0] is first[1]
    tracemalloc.start()
    try:
        for index in range(5_000):
            decoder.feed(b"8'%08d" % index)
            decoder.next()
            decoder.feed(b"1000'%01000d" % index)
            decoder.next()
        assert tracemalloc.get_traced_memory()[0] < 2**17
    finally:
        tracemalloc.stop()


def test_need_more_names_itself() -> None:
    assert repr(NEED_MORE) == "NEED_MORE"
