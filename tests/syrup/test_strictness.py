"""What a strict decoder must refuse or accept."""

import pytest

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import NEED_MORE, Decoder, KeyOrder, decode, encode
from hobgoblin.values import Record, Symbol

REFUSED = {
    "space before": b" t",
    "space in a list": b"[1+ 2+]",
    "newline behind": b"t\n",
    "comma in a list": b"[1+,2+]",
    "comma behind bytes": b"3:cat,",
    "round brackets": b"(1+)",
    "bencode list": b"l1+e",
    "bencode dictionary": b'd1"a1+e',
    "bencode integer": b"i1e",
    "capital T": b"T",
    "single float": b"F\x00\x00\x00\x00",
    "sign in front": b"+1",
    "minus in front": b"-0",
    "digits and nothing of a type": b"12x",
    "leading zeros of an integer": b"007+",
    "leading zero": b"01+",
    "two zeros": b"00+",
    "minus zero": b"0-",
    "leading zeros of a length": b"003:cat",
    "leading zeros of an empty string": b'00"',
    "unsorted in both orders": b'{1"b1+1"a2+}',
    "unsorted in each order once": b'{1"b1+2"aa2+1"c3+1"a4+}',
    "duplicate key": b'{1"a1+1"a2+}',
    "duplicate key later": b'{1"a1+1"b2+1"a2+}',
    "integer key": b"{1+2+}",
    "bytes key": b"{1:a2+}",
    "list key": b"{[]2+}",
    "boolean key": b"{t2+}",
    "float key": b"{D\x00\x00\x00\x00\x00\x00\x00\x002+}",
    "set key": b"{#$2+}",
    "record key": b"{<1'a>2+}",
    "string and symbol keys": b"{1\"a1+1'b2+}",
    "symbol and string keys": b"{1'a1+1\"b2+}",
    "odd dictionary": b'{1"a}',
    "odd dictionary, longer": b'{1"a1+1"b}',
    "unsorted set": b"#2+1+$",
    "duplicate item": b"#1+1+$",
    "unsorted set of lists": b"#[2+][1+]$",
    "duplicate list in a set": b"#[1+][1+]$",
    "empty record": b"<>",
    "string label": b'<1"a>',
    "bytes label": b"<1:a>",
    "integer label": b"<1+>",
    "list label": b"<[]>",
    "record label": b"<<1'a>>",
    "boolean label": b"<t>",
    "set label": b"<#$>",
    "NaN with other bits": b"D\x7f\xf8\x00\x00\x00\x00\x00\x01",
    "negative NaN": b"D\xff\xf8\x00\x00\x00\x00\x00\x00",
    "signalling NaN": b"D\x7f\xf0\x00\x00\x00\x00\x00\x01",
    "bad UTF-8": b'1"\xff',
    "surrogate": b'3"\xed\xa0\x80',
    "surrogate pair": b'6"\xed\xa0\xbd\xed\xba\x80',
    "overlong slash": b'2"\xc0\xaf',
    "overlong zero": b'2"\xc0\x80',
    "beyond U+10FFFF": b'4"\xf4\x90\x80\x80',
    "cut character": b'1"\xc3',
    "bad UTF-8 in a symbol": b"1'\xff",
    "bad UTF-8 in a key": b'{1"\xff1+}',
    "bad UTF-8 in a label": b"<1'\xff>",
    "closing nothing ]": b"]",
    "closing nothing >": b">",
    "closing nothing }": b"}",
    "closing nothing $": b"$",
    "list closed as a struct": b"[t}",
    "list closed as a record": b"[t>",
    "list closed as a set": b"[t$",
    "record closed as a list": b"<1'a]",
    "struct closed as a list": b'{1"a1+]',
    "set closed as a list": b"#1+]",
    "trailing value": b"tt",
    "trailing octet": b"1+x",
    "nothing": b"",
    "NUL": b"\x00",
    "high octet": b"\xff",
}

TRUNCATED = [b"0", b"12", b"<", b"[t", b"{", b"5:abc", b'{1"a', b"#1+", b"D\x00\x00", b"<1'a", b"3'ab", b"["]

ACCEPTED = {
    "minus zero double": (b"D\x80\x00\x00\x00\x00\x00\x00\x00", -0.0),
    "byte order mark": (b'4"\xef\xbb\xbfa', "\ufeffa"),
    "astral character": ('4"🚀'.encode(), "🚀"),
    "last character": (b'4"\xf4\x8f\xbf\xbf', "\U0010ffff"),
    "@@ symbol": (b"4'@@ab", Symbol("@@ab")),
    "unknown record": (b"<7'unknown1+>", Record(Symbol("unknown"), (1,))),
    "__proto__ key": (b'{9"__proto__1+}', {"__proto__": 1}),
    "Syrup's order": (b'{1"b1+2"aa2+}', {"b": 1, "aa": 2}),
    "Endo's order": (b'{2"aa2+1"b1+}', {"aa": 2, "b": 1}),
    "symbol keys": (b"{1'b1+2'aa2+}", {Symbol("b"): 1, Symbol("aa"): 2}),
    "NUL in a string": (b'1"\x00', "\x00"),
    "long bytes": (b"1234:" + b"x" * 1234, b"x" * 1234),
    "long label": (b"<100'" + b"x" * 100 + b">", Record(Symbol("x" * 100), ())),
    "label of one octet": (b"<1'x>", Record(Symbol("x"), ())),
}


@pytest.mark.parametrize("octets", REFUSED.values(), ids=REFUSED.keys())
def test_refused(octets: bytes) -> None:
    with pytest.raises(SyrupError) as caught:
        decode(octets)
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(octets)
    assert caught.value.path.startswith("$")


@pytest.mark.parametrize("octets", [octets for octets in REFUSED.values() if octets not in (b"", b"tt")])
def test_refused_without_waiting_for_more(octets: bytes) -> None:
    decoder = Decoder()
    decoder.feed(octets)
    # What follows a value is refused by itself.
    if octets in (b"t\n", b"3:cat,", b"1+x"):
        assert decoder.next() is not NEED_MORE
    with pytest.raises(SyrupError):
        decoder.next()


@pytest.mark.parametrize(
    "octets", [b"x", b"[t}", b"00", b"0-", b"{1+", b"{1:", b"<5:", b'<9"', b"<1+", b"{t", b"<[", b"<>", b"1x"]
)
def test_wrong_already(octets: bytes) -> None:
    decoder = Decoder()
    decoder.feed(octets[:-1])
    assert decoder.next() is NEED_MORE
    decoder.feed(octets[-1:])
    with pytest.raises(SyrupError):
        decoder.next()


@pytest.mark.parametrize("octets", TRUNCATED)
def test_truncated(octets: bytes) -> None:
    with pytest.raises(SyrupError, match="end inside") as caught:
        decode(octets)
    assert caught.value.offset == len(octets)
    decoder = Decoder()
    decoder.feed(octets)
    assert decoder.next() is NEED_MORE
    assert decoder.next() is NEED_MORE
    assert decoder.pending


@pytest.mark.parametrize(("octets", "value"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(octets: bytes, value: object) -> None:
    found = decode(octets)
    assert found == value
    assert repr(found) == repr(value) or isinstance(value, dict)
    assert encode(found, key_order=KeyOrder.KEEP) == octets


def test_a_struct_keeps_the_order_received_and_can_not_be_changed() -> None:
    found = decode(b'{2"aa2+1"b1+}')
    assert isinstance(found, dict) is False
    assert list(found) == ["aa", "b"]  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        found["c"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("octets", "offset", "path"),
    [
        (b"x", 0, "$"),
        (b"[1+2+x", 5, "$[2]"),
        (b'{4"size[t1"\xff', 11, '$["size"][1]'),
        (b"{4'size[t1\"\xff", 11, '$["size"][1]'),
        (b"<10'op:deliver1+[x", 17, "$<op:deliver>[1][0]"),
        (b"#1+x", 3, "$#[1]"),
        (b'[{1"b1+1"a', 7, "$[0]"),
        (b'{1"a{1"b1+}1"c{1"dx', 18, '$["c"]["d"]'),
        (b'{4"a\n\xc3\xa9x', 7, '$["a\\n\\u00e9"]'),
        (b"<2'a\x1bx", 5, "$<a\\u001b>[0]"),
        (b'{100"' + b"k" * 100 + b"x", 105, '$["' + "k" * 64 + '"]'),
        (b"[" * 40 + b"x", 40, "$" + "[0]" * 16 + "…" + "[0]" * 16),
    ],
)
def test_errors_say_where(octets: bytes, offset: int, path: str) -> None:
    with pytest.raises(SyrupError) as caught:
        decode(octets)
    assert (caught.value.offset, caught.value.path) == (offset, path)


def test_offsets_count_from_the_first_octet_ever() -> None:
    decoder = Decoder()
    decoder.feed(b"t[1+")
    assert decoder.next() is True
    assert decoder.next() is NEED_MORE
    decoder.feed(b"2+]")
    assert decoder.next() == (1, 2)
    decoder.feed(b"[t}")
    with pytest.raises(SyrupError) as caught:
        decoder.next()
    assert caught.value.offset == 9


def test_where_octets_end_or_go_on() -> None:
    with pytest.raises(SyrupError) as caught:
        decode(b'[t{1"a[')
    assert (caught.value.offset, caught.value.path) == (7, '$[1]["a"][0]')
    with pytest.raises(SyrupError, match="follow") as caught:
        decode(b"[t]f")
    assert (caught.value.offset, caught.value.path) == (3, "$")
