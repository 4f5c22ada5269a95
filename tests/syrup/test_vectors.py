"""The octets that the other implementations write, in both directions."""

import math
from types import MappingProxyType

import pytest

from hobgoblin.syrup import Decoder, KeyOrder, decode, encode
from hobgoblin.values import Record, Symbol, SyrupSet

# In these structs the order of the encoded keys is not that of the decoded ones.
SYRUP_ORDER_ONLY = {"struct len-order", "struct 10-order"}

ATOMS = [
    ("true", True),
    ("false", False),
    ("int 0", 0),
    ("int 1", 1),
    ("int -1", -1),
    ("int 2^64", 2**64),
    ("int -(2^70)", -(2**70)),
    ("float 1.5", 1.5),
    ("float 0.0", 0.0),
    ("float -0.0", -0.0),
    ("float inf", math.inf),
    ("float -inf", -math.inf),
    ("bytes", b"cat"),
    ("bytes empty", b""),
    ("bytes nonascii", b"\x00\xff\n"),
    ("string", "cat"),
    ("string bjorn", "björn"),
    ("string rocket", "🚀"),
    ("string empty", ""),
    ("symbol", Symbol("cat")),
    ("symbol empty", Symbol("")),
    ("list", (1, "a", (b"x",))),
    ("list empty", ()),
    ("struct", {"a": 1, "b": 2}),
    ("struct len-order", {"b": 1, "aa": 2}),
    ("struct 10-order", {"b": 1, "abcdefghij": 2}),
    ("struct empty", {}),
    ("set", SyrupSet((1, 2, 3))),
    ("set strings", SyrupSet(("milk", "cookie", "napkin"))),
    ("record", Record(Symbol("person"), ("Alice", 30, True))),
]


def test_every_vector_is_read_and_written_back_as_it_came(wire_examples: dict[str, bytes]) -> None:
    assert len(wire_examples) > 60
    for name, octets in wire_examples.items():
        value = decode(octets)
        assert encode(value, key_order=KeyOrder.KEEP) == octets, name
        assert encode(value, key_order=KeyOrder.CANONICAL) == octets, name
        assert (encode(value) == octets) is (name not in SYRUP_ORDER_ONLY), name


@pytest.mark.parametrize(("name", "value"), ATOMS, ids=[name for name, _ in ATOMS])
def test_vectors_mean_what_they_are_named_for(
    name: str, value: object, wire_examples: dict[str, bytes]
) -> None:
    octets = wire_examples[name]
    assert encode(value, key_order=KeyOrder.CANONICAL) == octets
    found = decode(octets)
    assert found == value
    expected_type = MappingProxyType if isinstance(value, dict) else type(value)
    assert type(found) is expected_type
    if isinstance(value, float):
        assert math.copysign(1, value) == math.copysign(1, float(str(found)))


def test_nan_is_one(wire_examples: dict[str, bytes]) -> None:
    found = decode(wire_examples["float nan"])
    assert isinstance(found, float)
    assert math.isnan(found)
    assert encode(-math.nan) == wire_examples["float nan"]


def test_a_list_is_written_like_a_tuple() -> None:
    assert encode([1, [2]]) == encode((1, (2,))) == b"[1+[2+]]"


def test_orders_of_keys() -> None:
    struct = {"b": 1, "aa": 2}
    assert encode(struct) == b'{2"aa2+1"b1+}'
    assert encode(struct, key_order=KeyOrder.CANONICAL) == b'{1"b1+2"aa2+}'
    assert encode({"z": 1, "y": 2}, key_order=KeyOrder.KEEP) == b'{1"z1+1"y2+}'
    assert encode({Symbol("b"): 1, Symbol("aa"): 2}) == b"{2'aa2+1'b1+}"


def test_decoded_order_is_that_of_utf16() -> None:
    # U+1F680 is written with surrogates, which sort before U+FFEE; code points would sort after.
    octets = encode({"\uffee": 1, "🚀": 2, "a": 3})
    assert octets.index("🚀".encode()) < octets.index("\uffee".encode())
    assert decode(octets) == {"\uffee": 1, "🚀": 2, "a": 3}


def test_the_whole_stream_of_vectors_comes_out_of_one_decoder(wire_examples: dict[str, bytes]) -> None:
    decoder = Decoder()
    decoder.feed(b"".join(wire_examples.values()))
    for octets in wire_examples.values():
        assert repr(decoder.next()) == repr(decode(octets))
    assert not decoder.pending
