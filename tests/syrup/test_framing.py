"""Raw, prefixed and message channels, and telling them apart."""

from collections.abc import Callable

import pytest

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import NEED_MORE, Decoder, Framing, decode, frame, open_decoder
from hobgoblin.values import Limits, Record, Symbol

Read = Callable[..., tuple[list[str], tuple[str, int | None, str] | None]]

ABORT = b"<8'op:abort3\"bye>"


def test_raw_is_a_decoder() -> None:
    decoder = open_decoder(Framing.RAW)
    assert isinstance(decoder, Decoder)
    assert decoder.framing is Framing.RAW


def test_frames() -> None:
    assert frame(ABORT, Framing.PREFIXED) == b"17:" + ABORT
    assert frame(ABORT, Framing.RAW) == frame(ABORT, Framing.MESSAGE) == ABORT
    with pytest.raises(ValueError, match="not known"):
        frame(ABORT, Framing.DETECT)


@pytest.mark.parametrize("framing", [Framing.RAW, Framing.PREFIXED])
def test_streams_at_every_cut(messages: list[bytes], read: Read, framing: Framing) -> None:
    chosen = [octets for octets in messages if octets.startswith(b"<")][:60]
    stream = b"".join(frame(octets, framing) for octets in chosen)
    expected = ([repr(decode(octets)) for octets in chosen], None)
    for mode in (framing, Framing.DETECT):
        assert read(stream, framing=mode) == expected
        for size in (2, 3, 50, 1000):
            assert read(stream, list(range(size, len(stream), size)), framing=mode) == expected
    short = frame(chosen[0], framing) + frame(chosen[1], framing)
    for cut in range(1, len(short)):
        assert read(short, [cut], framing=framing) == (expected[0][:2], None)


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        (b"0:", 0),
        (b"00", 0),
        (b"03:3+t", 0),
        (b"x", 0),
        (b"<1'a>", 0),
        (b":", 0),
        (b"3x", 1),
        (b"3,", 1),
        (b"3+", 1),
        (b"16777217", 0),
        (b"999999999", 0),
        (b"1:tx", 3),
        (b"1:t,", 3),
        (b"2:tt", 3),
        (b"3:[t", None),
        (b"3:[tt", 5),
        (b"2:5:", 2),
        (b"4:2:ab", None),
        (b"3:2:", 2),
        (b"1:1", 3),
        (b"3:123", 5),
        (b"9:D\x00\x00\x00\x00\x00\x00\x00\x00", None),
        (b"8:D", 2),
        (b"3:tD", 3),
        (b"3:[D", 3),
        (b"9:x", 2),
        (b"9:[}", 3),
    ],
)
def test_frames_must_be_filled_by_one_value(octets: bytes, offset: int | None, read: Read) -> None:
    whole = read(octets, [], framing=Framing.PREFIXED)
    assert whole == read(octets, framing=Framing.PREFIXED)
    assert (None if whole[1] is None else whole[1][1]) == offset


def test_a_frame_is_refused_before_its_octets_come() -> None:
    limits = Limits(message_bytes=100, length_digits=3)
    for head in (b"101:", b"1000", b"999"):
        decoder = open_decoder(Framing.PREFIXED, limits=limits)
        decoder.feed(head)
        with pytest.raises(SyrupError, match="larger"):
            decoder.next()
    decoder = open_decoder(Framing.PREFIXED, limits=limits)
    decoder.feed(b"100:96:" + b"x" * 95)
    assert decoder.next() is NEED_MORE
    assert decoder.pending
    decoder.feed(b"x4:")
    with pytest.raises(SyrupError, match="its frame"):
        decoder.next()


def test_a_full_frame_at_the_limit() -> None:
    limits = Limits(message_bytes=100, length_digits=3)
    decoder = open_decoder(Framing.PREFIXED, limits=limits)
    decoder.feed(b"100:97:" + b"x" * 97)
    assert decoder.next() == b"x" * 97
    assert not decoder.pending
    assert decoder.next() is NEED_MORE


def test_frames_fed_far_ahead_of_reading(messages: list[bytes]) -> None:
    decoder = open_decoder(Framing.PREFIXED)
    for octets in messages:
        decoder.feed(frame(octets, Framing.PREFIXED))
    for octets in messages:
        assert repr(decoder.next()) == repr(decode(octets))
    assert decoder.next() is NEED_MORE


def test_a_frame_that_came_before_the_last_one_was_read() -> None:
    decoder = open_decoder(Framing.PREFIXED)
    decoder.feed(b"3:")
    assert decoder.next() is NEED_MORE
    decoder.feed(b"[t]")
    decoder.feed(b"3:[f]")
    assert [decoder.next(), decoder.next(), decoder.next()] == [(True,), (False,), NEED_MORE]


def test_a_frame_head_alone_is_pending() -> None:
    decoder = open_decoder(Framing.PREFIXED)
    assert decoder.framing is Framing.PREFIXED
    assert decoder.next() is NEED_MORE
    assert not decoder.pending
    for octet in b"17:":
        decoder.feed(bytes((octet,)))
        assert decoder.next() is NEED_MORE
        assert decoder.pending
    decoder.feed(ABORT)
    assert decoder.next() == Record(Symbol("op:abort"), ("bye",))
    assert not decoder.pending


class TestMessages:
    def test_one_value_each(self, messages: list[bytes]) -> None:
        decoder = open_decoder(Framing.MESSAGE)
        assert decoder.framing is Framing.MESSAGE
        for octets in messages[:50]:
            assert decoder.next() is NEED_MORE
            decoder.feed(octets)
            assert decoder.pending
            assert repr(decoder.next()) == repr(decode(octets))
            assert not decoder.pending

    def test_several_may_wait(self, messages: list[bytes]) -> None:
        decoder = open_decoder(Framing.MESSAGE)
        for octets in messages:
            decoder.feed(bytearray(octets))
        for octets in messages:
            assert repr(decoder.next()) == repr(decode(octets))
        assert decoder.next() is NEED_MORE

    @pytest.mark.parametrize(
        ("octets", "offset"),
        [(b"", 3), (b"[t", 5), (b"tt", 4), (b"[t]t", 6), (b"12", 5), (b"5:ab", 3), (b"x", 3), (b"3:ab", 3)],
    )
    def test_neither_less_nor_more(self, octets: bytes, offset: int) -> None:
        decoder = open_decoder(Framing.MESSAGE)
        decoder.feed(b"[t]")
        decoder.feed(octets)
        decoder.feed(b"t]tc" * 5)  # must not be taken for the rest
        assert decoder.next() == (True,)
        with pytest.raises(SyrupError) as caught:
            decoder.next()
        assert caught.value.offset == offset
        decoder.feed(b"t")
        assert not decoder.pending
        with pytest.raises(SyrupError):
            decoder.next()

    def test_size(self) -> None:
        limits = Limits(message_bytes=5)
        decoder = open_decoder(Framing.MESSAGE, limits=limits)
        decoder.feed(b"[ttt]")
        assert decoder.next() == (True, True, True)
        decoder.feed(b"[tttt]")
        with pytest.raises(SyrupError, match="larger"):
            decoder.next()


class TestDetection:
    @pytest.mark.parametrize(("octets", "found"), [(ABORT, Framing.RAW), (b"17:" + ABORT, Framing.PREFIXED)])
    def test_by_the_first_octet(self, octets: bytes, found: Framing) -> None:
        decoder = open_decoder(Framing.DETECT, constructors={"op:abort": lambda fields: fields[0]})
        assert decoder.framing is None
        assert not decoder.pending
        assert decoder.next() is NEED_MORE
        decoder.feed(b"")
        assert decoder.framing is None
        decoder.feed(octets[:1])
        assert decoder.framing is found
        assert decoder.next() is NEED_MORE
        assert decoder.pending
        decoder.feed(octets[1:])
        assert decoder.next() == "bye"

    @pytest.mark.parametrize("octet", [b"[", b"t", b" ", b":", b"/", b"\x16", b"G", b";"])
    def test_anything_else_is_refused(self, octet: bytes) -> None:
        decoder = open_decoder(Framing.DETECT)
        decoder.feed(octet)
        for _ in range(2):
            with pytest.raises(SyrupError) as caught:
                decoder.next()
            assert caught.value.offset == 0
            decoder.feed(ABORT)
            assert decoder.framing is None
            assert not decoder.pending

    def test_limits_are_passed_on(self) -> None:
        decoder = open_decoder(Framing.DETECT, limits=Limits(depth=1))
        decoder.feed(b"<1'a[")
        with pytest.raises(SyrupError, match="deeper"):
            decoder.next()
