"""What only the compiled form does, done in either: values written in place, names found by their octets."""

import random
from types import MappingProxyType

import pytest

from hobgoblin import __compiled__
from hobgoblin.errors import SyrupError
from hobgoblin.syrup import KeyOrder, RecordForm, _output, _reader, decode, encode, encoder
from hobgoblin.syrup._names import NAMES
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol, SyrupSet

interpreted = pytest.mark.skipif(__compiled__, reason="the compiled form always does so")

VALUES: tuple[object, ...] = (
    True,
    False,
    0,
    7,
    -7,
    10**18 - 1,
    1 - 10**18,
    10**18,
    -(10**40),
    0.0,
    -0.0,
    2.5,
    float("inf"),
    float("nan"),
    "",
    "wheel",
    "é" * 30,
    "é" * 31,
    "x" * 60,
    "x" * 61,
    b"",
    b"y" * 60,
    b"y" * 61,
    b"z" * 10_000,
    Symbol("add"),
    Symbol("q" * 57),
    Symbol("q" * 80),
    SyrupSet(("b", 1, b"c" * 70, SyrupSet(()))),
    {"b": 1, "a": {"b": 2, "a": "x"}},
    MappingProxyType({"é": 1, "a": 2}),
    Record(Symbol("point"), (1, -2.5)),
)


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (encoder, _output, _reader):
        monkeypatch.setattr(module, "COMPILED", True)
    monkeypatch.setattr(encoder, "_SPARE", [])
    monkeypatch.setattr(_output, "_ROOM", 256)
    monkeypatch.setattr(_reader, "_NAMES", NAMES)


def _all_ways(value: object) -> list[object]:
    found: list[object] = []
    for limits in (DEFAULT_LIMITS, Limits(message_bytes=200, integer_digits=17)):
        for negative_zero in (True, False):
            try:
                found.append(encode(value, limits=limits, negative_zero=negative_zero))
            except SyrupError as error:
                found.append((error.problem, error.path))
    return found


def _cases() -> list[object]:
    rng = random.Random(11)
    return [
        *VALUES,
        "\ud800",
        Symbol("\ud800"),
        *(rng.choices(VALUES, k=rng.randrange(40)) for _ in range(100)),
    ]


@interpreted
def test_values_are_written_the_same_in_place(request: pytest.FixtureRequest) -> None:
    expected = [_all_ways(value) for value in _cases()]
    request.getfixturevalue("in_place")
    assert [_all_ways(value) for value in _cases()] == expected


@interpreted
def test_names_are_read_the_same_by_their_octets(
    messages: list[bytes], mutants: list[bytes], request: pytest.FixtureRequest
) -> None:
    def outcome(octets: bytes) -> object:
        try:
            return repr(decode(octets))
        except SyrupError as error:
            return error.problem, error.offset, error.path

    inputs = [*messages, *mutants]
    expected = [outcome(octets) for octets in inputs]
    request.getfixturevalue("in_place")
    assert [outcome(octets) for octets in inputs] == expected


def test_structs_with_the_same_keys_keep_their_values_apart() -> None:
    first, second = {"b": 1, "a": 2}, {"b": 3, "a": 4}
    for order in (KeyOrder.DECODED, KeyOrder.CANONICAL):
        assert (
            encode([first, second, {"a": 5, "b": 6}], key_order=order)
            == b'[{1"a2+1"b1+}{1"a4+1"b3+}{1"a5+1"b6+}]'
        )


def test_structs_of_any_number_of_shapes() -> None:
    for index in range(600):
        assert encode({f"key{index}": index, "a": 1}) == encode({"a": 1, f"key{index}": index})


def test_a_record_form_is_an_encoder() -> None:
    class Point:
        def __init__(self, x: object, y: object) -> None:
            self.x = x
            self.y = y

    one, two = RecordForm("one", "x"), RecordForm("two", "x", "y")
    assert one(Point(1, 2)) == Record(Symbol("one"), (1,))
    assert two(Point(1, 2)) == Record(Symbol("two"), (1, 2))
    assert encode([Point((3,), 4)], encoders={Point: one}) == b"[<3'one[3+]>]"
    assert encode(Point(Point(1, 2), 3), encoders={Point: two}) == b"<3'two<3'two1+2+>3+>"
    with pytest.raises(SyrupError, match="more values"):
        encode(Point(1, 2), encoders={Point: two}, limits=Limits(elements=1))
    with pytest.raises(SyrupError, match="object") as caught:
        encode([Point(1, object())], encoders={Point: two})
    assert caught.value.path == "$[0]<two>[1]"


def test_paths_to_what_is_deeper_than_the_call_stack_goes() -> None:
    value: object = object()
    for _ in range(100):
        value = {"a": [1, value]}
    with pytest.raises(SyrupError) as caught:
        encode((value,), limits=Limits(depth=300))
    assert caught.value.path == "$[0]" + '["a"][1]' * 7 + '["a"]…' + '["a"][1]' * 8


def test_what_stands_behind_something_deep_is_written() -> None:
    deep: object = 0
    for _ in range(90):
        deep = (deep, 1, 2)
    octets = encode((deep, deep, {"a": deep, "b": (deep, SyrupSet((deep, 2)), 3)}))
    assert encode(decode(octets)) == octets
    assert octets.count(b"1+2+]") == 90 * 5
