"""What may be encoded, what may not, and how the refusal reads."""

import enum
from collections import OrderedDict, UserDict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import KeyOrder, decode, encode
from hobgoblin.values import Record, Symbol, SyrupSet


class Colour(enum.IntEnum):
    RED = 3
    DEEP = 10**20


class Name(enum.StrEnum):
    ALICE = "alice"


class Liar(int):
    def __int__(self) -> int:
        return 7

    def __index__(self) -> int:
        return 7


class Pair(NamedTuple):
    first: int
    second: int


class Secret:
    def __repr__(self) -> str:
        raise AssertionError("a value's repr may hold what must not be logged")

    __str__ = __repr__


class Shouting(str):
    def __str__(self) -> str:
        return "LOUD"


class HalfFloat(float):
    def __float__(self) -> float:
        return 0.0


class Rows(list[object]):
    pass


class Twice(Mapping[str, int]):
    """A mapping that has a key two times."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "a"))

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (Colour.RED, b"3+"),
        (Colour.DEEP, b"100000000000000000000+"),
        (Name.ALICE, b'5"alice'),
        (Liar(5), b"5+"),
        (Shouting("low"), b'3"low'),
        (HalfFloat(1.5), b"D\x3f\xf8\0\0\0\0\0\0"),
        (Pair(1, 2), b"[1+2+]"),
        (Rows([1, Rows()]), b"[1+[]]"),
        (bytearray(b"cat"), b"3:cat"),
        (memoryview(b"concat")[3:], b"3:cat"),
        (memoryview(b"c1a2t3")[::2], b"3:cat"),
        (MappingProxyType({"b": 1, "a": 2}), b'{1"a2+1"b1+}'),
        (OrderedDict(b=1, a=2), b'{1"a2+1"b1+}'),
        (UserDict({"b": 1, "a": 2}), b'{1"a2+1"b1+}'),
        ({Shouting("b"): 1, "a": 2}, b'{1"a2+1"b1+}'),
        ({Name.ALICE: 1}, b'{5"alice1+}'),
        (SyrupSet(("bb", "a", 10, 2, (1,))), b'#1"a10+2"bb2+[1+]$'),
        (SyrupSet((SyrupSet((2, 1)), SyrupSet(()))), b"##$#1+2+$$"),
        (b"x" * 63, b"63:" + b"x" * 63),
        (b"x" * 64, b"64:" + b"x" * 64),
        ("x" * 64, b'64"' + b"x" * 64),
        (Symbol("x" * 64), b"64'" + b"x" * 64),
        (99, b"99+"),
        (100, b"100+"),
        (-1, b"1-"),
    ],
)
def test_encoded(value: object, octets: bytes) -> None:
    assert encode(value) == octets
    assert encode(decode(octets)) == octets


@pytest.mark.parametrize(
    ("value", "problem", "path"),
    [
        (None, "NoneType", "$"),
        ([1, {"size": Secret()}], "Secret", '$[1]["size"]'),
        ({Symbol("size"): [None]}, "NoneType", '$["size"][0]'),
        (Record(Symbol("op:deliver"), (1, (2, None))), "NoneType", "$<op:deliver>[1][1]"),
        (SyrupSet((1, 2, None)), "NoneType", "$#[2]"),
        ({1, 2}, "set", "$"),
        (1j, "complex", "$"),
        (object, "type", "$"),
        ([{1: 2}], "not int", "$[0]"),
        ([{b"a": 2}], "not bytes", "$[0]"),
        ({"a": 1, Symbol("b"): 2}, "not both", "$"),
        ({Symbol("b"): 2, "a": 1}, "not both", "$"),
        ({"b": {Secret(): 1}}, "not Secret", '$["b"]'),
        ([Twice()], "twice", "$[0]"),
        ([SyrupSet((1, 1))], "twice", "$[0]"),
        ([SyrupSet(((), []))], "twice", "$[0]"),
        ([SyrupSet([1])], "not list", "$[0]"),  # type: ignore[arg-type]
        (Record("a", ()), "not str", "$"),
        (Record(Symbol("a"), [1]), "not list", "$"),  # type: ignore[arg-type]
        ({"a": "\ud800"}, "surrogate", '$["a"]'),
        ({"a\ud800": 1}, "surrogate", '$["a\\ud800"]'),
    ],
)
def test_refused(value: object, problem: str, path: str) -> None:
    with pytest.raises(SyrupError, match=problem) as caught:
        encode(value)
    assert caught.value.path == path
    assert caught.value.offset is None


def test_a_released_memoryview() -> None:
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(SyrupError, match="released"):
        encode([view])


class Point:
    def __init__(self, x: int, y: object) -> None:
        self.x = x
        self.y = y


def _point(value: Point) -> Record:
    return Record(Symbol("point"), (value.x, value.y))


class TestEncoders:
    def test_records_are_encoded_further(self) -> None:
        encoders = {Point: _point, type(None): lambda _: b"<4'void>"}
        assert encode([Point(1, Point(2, None))], encoders=encoders) == b"[<5'point1+<5'point2+<4'void>>>]"

    def test_the_exact_type_is_looked_up(self) -> None:
        class Point3(Point):
            pass

        with pytest.raises(SyrupError, match="Point3"):
            encode(Point3(1, 2), encoders={Point: _point})

    def test_they_go_before_the_base_of_a_subclass(self) -> None:
        assert encode([Colour.RED, 3], encoders={Colour: lambda _: b"3'red"}) == b"[3'red3+]"

    def test_they_do_not_change_what_syrup_has(self) -> None:
        encoders = {
            kind: lambda _: b"t" for kind in (int, str, bytes, bool, float, list, tuple, dict, Symbol, Record)
        }
        value = (1, "a", b"a", False, 1.5, [], {}, Symbol("a"), Record(Symbol("a"), ()))
        assert encode(value, encoders=encoders) == encode(value)

    def test_order_of_keys_holds_inside(self) -> None:
        encoders = {Point: _point}
        value = Point(1, {"b": 1, "aa": 2})
        assert encode(value, encoders=encoders, key_order=KeyOrder.CANONICAL) == b'<5\'point1+{1"b1+2"aa2+}>'

    def test_a_record_that_never_ends(self) -> None:
        def again(value: Point) -> Record:
            return Record(Symbol("again"), (value,))

        with pytest.raises(SyrupError, match="deeper"):
            encode(Point(1, 2), encoders={Point: again})

    def test_errors_inside_name_the_path(self) -> None:
        with pytest.raises(SyrupError) as caught:
            encode([Point(1, [Secret()])], encoders={Point: _point})
        assert caught.value.path == "$[0]<point>[1][0]"

    def test_what_they_raise_passes(self) -> None:
        def fail(value: Point) -> Record:
            raise LookupError(value.x)

        with pytest.raises(LookupError, match="5"):
            encode(Point(5, 0), encoders={Point: fail})

    def test_what_they_return_is_checked(self) -> None:
        with pytest.raises(TypeError, match="bytes or a Record, not int"):
            encode(Point(5, 0), encoders={Point: lambda _: 5})  # type: ignore[dict-item, return-value]

    @pytest.mark.without_coverage
    def test_a_list_that_grows_meanwhile(self) -> None:
        growing: list[object] = [None]

        def grow(_: object) -> bytes:
            growing.append(None)
            return b"t"

        with pytest.raises(SyrupError, match="more values"):
            encode(growing, encoders={type(None): grow})


def test_negative_zero_can_be_written_as_zero():
    class Mine(float):
        pass

    zero, value = encode(0.0), [-0.0, Mine(-0.0), {"a": (-0.0,)}, Record(Symbol("r"), (-0.0,)), -1.0]
    assert encode(value, negative_zero=False) == encode(
        [0.0, 0.0, {"a": (0.0,)}, Record(Symbol("r"), (0.0,)), -1.0]
    )
    assert encode(-0.0) != zero == encode(-0.0, negative_zero=False)
