"""Annotations hold: what does not fit them is refused before the method runs, wherever it comes from."""

import asyncio
import enum
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hobgoblin as hob
from hobgoblin import Actor, Peer, Vat, method, near, netlayers, send, spawn
from hobgoblin.refs import Ref
from hobgoblin.values import NULL, ErrorValue, Keyword, Null, Record, Symbol, Tagged
from hobgoblin.vat.invoke import invoke

if TYPE_CHECKING:
    from fractions import Fraction

    from hobgoblin.crypto import SwissNum


class Car(Actor):
    @method
    def drive(self) -> str:
        return "vroom"


class Point(NamedTuple):
    x: int
    y: float


class Spot(TypedDict):
    level: int
    name: NotRequired[str]


class Color(enum.Enum):
    RED = "red"


@dataclass
class Unregistered:
    x: int


class Flies(Protocol):
    def fly(self) -> None: ...


T = TypeVar("T")
B = TypeVar("B", bound="int")
C = TypeVar("C", str, bytes)
P = ParamSpec("P")
UserId = NewType("UserId", int)
Matrix: TypeAlias = "list[list[int]]"
Json: TypeAlias = "dict[str, Json] | list[Json] | str"

OPTIONAL: Any = eval("typing.Optional[int]", {"typing": typing})
STRUCT = MappingProxyType({"a": 1})
SWISS = hob.SturdyRef.parse("ocapn://a.unix/s/MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY")


class PointOf(NamedTuple, Generic[T]):
    x: T
    more: list[T]


class SpotOf(TypedDict, Generic[T]):
    level: T


class Taker(Actor):
    """Takes one argument, and keeps what has arrived."""

    def __init__(self) -> None:
        self.got: list[Any] = []


def taker(annotation: Any) -> Taker:
    def take(self: Taker, x: Any) -> None:
        self.got.append(x)

    take.__annotations__ = {"x": annotation}
    return type("One", (Taker,), {"take": method(take)})()  # type: ignore[no-any-return]


def arrives(annotation: Any, value: Any) -> Any:
    """What the method gets of a value that has arrived."""
    actor = taker(annotation)
    invoke(actor, (Symbol("take"), value))
    [got] = actor.got
    actor.got.clear()
    invoke(actor, (Symbol("take"), Keyword("x"), value))
    [same] = actor.got
    assert type(same) is type(got)
    return got


FITS = [
    (bool, True),
    (int, 5),
    (int, -(10**40)),
    (float, 1.5),
    (float, 2),
    (str, "ü"),
    (bytes, b"x"),
    (None, None),
    (Null, NULL),
    (Symbol, Symbol("a")),
    (Tagged, Tagged("a", 1)),
    (ErrorValue, ErrorValue("a")),
    (Record, Record(Symbol("a"), ())),
    (hob.SturdyRef, SWISS),
    (hob.PeerLocator, SWISS.peer),
    (Any, STRUCT),
    (object, ("a", 1)),
    (T, b"x"),
    (B, 5),
    (C, "x"),
    (UserId, 5),
    (Annotated[int, "positive"], 5),
    (int | None, None),
    (int | None, 5),
    (OPTIONAL, 5),
    (int | str | None, "x"),
    (Literal["red", 5, None], "red"),
    (Literal["red", 5, None], 5),
    (Literal["red", 5, None], None),
    (Literal[True], True),
    (tuple, ("a", 1)),
    (tuple[int, ...], (1, 2)),
    (tuple[int, str], (1, "a")),
    (tuple[()], ()),
    (Sequence[int], (1, 2)),
    (Iterable[str], ("a",)),
    (Sequence, (1, "a")),
    (Mapping[str, int], STRUCT),
    (Mapping, STRUCT),
    (Mapping[Literal["a", "b"], int], STRUCT),
    (Sequence[tuple[int, Mapping[str, int]]], ((1, STRUCT),)),
    (list[int] | str, "a"),
]


@pytest.mark.parametrize(("annotation", "value"), FITS)
def test_what_fits_arrives_as_it_is(annotation: Any, value: Any) -> None:
    got = arrives(annotation, value)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (list, ("a", 1), ["a", 1]),
        (list[int], (1, 2), [1, 2]),
        (list[list[int]], ((1,), (2, 3)), [[1], [2, 3]]),
        (Matrix, ((1,),), [[1]]),
        (MutableSequence[int], (1,), [1]),
        (dict, STRUCT, {"a": 1}),
        (dict[str, int], STRUCT, {"a": 1}),
        (dict[str, list[int]], MappingProxyType({"a": (1,)}), {"a": [1]}),
        (MutableMapping[str, int], STRUCT, {"a": 1}),
        (tuple[list[int], str], ((1,), "a"), ([1], "a")),
        (Sequence[list[int]], ((1,),), ([1],)),
        (list[int] | list[str], ("a",), ["a"]),
        (list[int] | dict[str, int], STRUCT, {"a": 1}),
        (Point, (1, 2.5), Point(1, 2.5)),
        (PointOf[int], (1, (2,)), PointOf(1, [2])),
        (typing.Tuple, (1, 2), (1, 2)),  # noqa: UP006
        (Spot, MappingProxyType({"level": 1}), {"level": 1}),
        (Spot, MappingProxyType({"level": 1, "name": "a"}), {"level": 1, "name": "a"}),
    ],
)
def test_what_the_annotation_promises_is_what_arrives(annotation: Any, value: Any, expected: Any) -> None:
    got = arrives(annotation, value)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (bool, 1, "'x' is an integer, not a boolean"),
        (int, True, "'x' is a boolean, not an integer"),
        (int, 1.0, "'x' is a float, not an integer"),
        (float, True, "'x' is a boolean, not a number"),
        (str, Symbol("a"), "'x' is a symbol, not text"),
        (str, b"secret", "'x' is bytes, not text"),
        (bytes, "secret", "'x' is text, not bytes"),
        (None, NULL, "'x' is null, not None"),
        (int, None, "'x' is None, not an integer"),
        (UserId, "secret", "'x' is text, not an integer"),
        (B, "secret", "'x' is text, not an integer"),
        (C, 5, "'x' is an integer, not text or bytes"),
        (int | None, "secret", "'x' is text, not an integer or None"),
        (int | str | None, b"secret", "'x' is bytes, not an integer, text or None"),
        (Literal["red", 5], "secret", "'x' is not one of 'red', 5"),
        (Literal[1], True, "'x' is not 1"),
        (Literal["red"], ("secret",), "'x' is a list, not 'red'"),
        (list[int], "secret", "'x' is text, not a list"),
        (list[int], STRUCT, "'x' is a struct, not a list"),
        (Sequence[str], "secret", "'x' is text, not a list"),
        (list[int], (1, 2, "secret"), "'x[2]' is text, not an integer"),
        (list[list[int]], ((1,), ("secret",)), "'x[1][0]' is text, not an integer"),
        (list[int] | None, (1, "secret"), "'x[1]' is text, not an integer"),
        (list[int] | list[str], (1, "secret"), "'x' is a list that fits none of its types"),
        (tuple[int, str], (1,), "'x' is a list of 1, not a list of 2"),
        (tuple[int, str], (1, 2), "'x[1]' is an integer, not text"),
        (tuple[int, str], "secret", "'x' is text, not a list of 2"),
        (Mapping[str, int], ("secret",), "'x' is a list, not a struct"),
        (dict[str, int], MappingProxyType({"secret": "b"}), "'x[…]' is text, not an integer"),
        (Mapping[Literal["a"], int], MappingProxyType({"secret": 1}), "'x' has a key that is not 'a'"),
        (Point, (1, "secret"), "'x.y' is text, not a number"),
        (Spot, MappingProxyType({"level": "secret"}), "'x.level' is text, not an integer"),
        (Spot, MappingProxyType({}), "'x.level' is missing"),
        (Spot, MappingProxyType({"level": 1, "secret": 1}), "'x' has a field that a Spot has not"),
        (Spot, (), "'x' is a list, not a Spot"),
        (PointOf[int], ("secret", ()), "'x.x' is text, not an integer"),
        (PointOf[int], (1, ("secret",)), "'x.more[0]' is text, not an integer"),
        (SpotOf[int], MappingProxyType({"level": "secret"}), "'x.level' is text, not an integer"),
        (Tagged, "secret", "'x' is text, not a tagged value"),
        (Car, "secret", "'x' is text, not a reference"),
        (hob.SturdyRef, "secret", "'x' is text, not a sturdyref"),
        (Exception, "secret", "'x' is text, not an error (Exception)"),
        (list[Car], ("secret",), "'x[0]' is text, not a reference"),
    ],
)
def test_what_does_not_fit_is_refused(annotation: Any, value: Any, problem: str) -> None:
    actor = taker(annotation)
    for args in ((value,), (Keyword("x"), value)):
        with pytest.raises(hob.WrongArgument) as caught:
            invoke(actor, (Symbol("take"), *args))
        assert problem in str(caught.value)
        assert str(caught.value).startswith("take(): 'x")
        assert "secret" not in str(caught.value)
    assert actor.got == []


def test_it_is_a_refusal_and_a_type_error() -> None:
    assert issubclass(hob.WrongArgument, hob.BadArguments)
    assert issubclass(hob.WrongArgument, hob.Refused)
    assert issubclass(hob.WrongArgument, TypeError)


def test_references_fit_what_is_typed_as_an_object(run: Any) -> None:
    async def main(vat: Vat) -> None:
        car = vat.spawn(Car)
        promise: Any = hob.Promise(vat)
        for annotation in (
            Car,
            Ref,
            Self,
            hob.Promise,
            hob.Promise[int],
            hob.Function,
            hob.Function[[str], None],
            hob.Resolver[int],
            Callable[[str], None],
            Callable,
            Awaitable[int],
            Car | None,
        ):
            for reference in (car, promise):
                assert arrives(annotation, reference) is reference
            with pytest.raises(hob.WrongArgument, match="is an integer, not a reference"):
                arrives(annotation, 5)
        for annotation in (int, str, list[int], Mapping[str, int], Tagged):
            with pytest.raises(hob.WrongArgument, match="'x' is a reference, not"):
                arrives(annotation, car)

    run(main)


def test_an_error_arrives_as_an_exception() -> None:
    error = ValueError("here")
    assert arrives(Exception, error) is error
    assert arrives(ValueError, error) is error
    [text] = arrives(BaseException, ErrorValue("from afar")).args
    assert text == "from afar"
    assert type(arrives(Exception, ErrorValue("from afar"))) is hob.RemoteError
    for value in (TypeError("another"), ErrorValue("from afar")):
        with pytest.raises(hob.WrongArgument):
            arrives(ValueError, value)


class Shapes(Actor):
    """Parameters of every kind."""

    def __init__(self) -> None:
        self.ran = 0

    @method
    def several(self, a: int, /, b: str = "b", *rest: float, c: bool = False, **more: bytes) -> list[Any]:
        self.ran += 1
        return [a, b, list(rest), c, dict(more)]

    @method
    def free(self, a, b=None, *rest, **more):  # type: ignore[no-untyped-def]
        return [a, b, list(rest), dict(more)]

    @method
    def default(self, size: int = "large") -> str:  # type: ignore[assignment]
        return size  # type: ignore[return-value]

    @method
    async def later(self, a: int) -> int:
        await asyncio.sleep(0)
        self.ran += 1
        return a

    @method
    def __call__(self, text: str) -> str:
        return text

    @method("exactName")
    def exact(self, a: int) -> int:
        return a


def test_parameters_of_every_kind(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref: Any = vat.spawn(Shapes)
        assert await ref.several(1) == (1, "b", (), False, {})
        assert await ref.several(1, "x", 1.5, 2, c=True, d=b"y") == (1, "x", (1.5, 2), True, {"d": b"y"})
        assert await ref.several(1, b="x") == (1, "x", (), False, {})
        ran = await ref.several(1)
        for args, kwargs, problem in [
            (("1",), {}, "'a' is text"),
            ((1, 2), {}, "'b' is an integer, not text"),
            ((1, "x", 1.5, "y"), {}, r"'rest\[1\]' is text, not a number"),
            ((1,), {"c": 1}, "'c' is an integer, not a boolean"),
            ((1,), {"b": 1}, "'b' is an integer, not text"),
            ((1,), {"two_words": "text"}, "'two_words' is text, not bytes"),
        ]:
            with pytest.raises(hob.WrongArgument, match=problem):
                await ref.several(*args, **kwargs)
        assert await ref.several(1) == ran
        assert await ref.free(1, [2], 3, x=4) == (1, (2,), (3,), {"x": 4})
        assert await ref.default() == "large"  # what the author wrote is the author's
        assert await ref("text") == "text"
        with pytest.raises(hob.WrongArgument, match=r"Shapes\(\): 'text' is an integer"):
            await ref(5)
        with pytest.raises(hob.WrongArgument, match=r"exact\(\): 'a' is text"):
            await send(ref, Symbol("exactName"), "x")
        with pytest.raises(hob.WrongArgument, match=r"later\(\): 'a' is text"):
            await ref.later("x")
        for call in (lambda: ref.several(), lambda: ref.later(1, 2), lambda: ref.later(b=1)):
            with pytest.raises(hob.BadArguments) as caught:
                await call()
            assert type(caught.value) is hob.BadArguments

    run(main)


def test_an_error_is_fit_for_a_log_whatever_a_keyword_is_called(run: Any) -> None:
    class Named(Actor):
        @method
        def any_number(self, **numbers: int) -> None: ...

        @method
        def none(self) -> None: ...

    async def main(vat: Vat) -> None:
        named: Any = vat.spawn(Named)
        chosen = "a\nforged line" + "!" * 1000
        for bound in (named.any_number, named.none):
            with pytest.raises(hob.BadArguments) as caught:
                await bound(**{chosen: "x"})
            assert str(caught.value).isprintable()
            assert len(str(caught.value)) < 400

    run(main)


def test_a_wrong_argument_changes_nothing(run: Any) -> None:
    async def main(vat: Vat) -> None:
        actor = Shapes()
        ref = vat.spawn(actor)
        with pytest.raises(hob.WrongArgument):
            await ref.later("x")  # type: ignore[arg-type]
        with pytest.raises(hob.WrongArgument):
            await ref.several(1, 2)  # type: ignore[arg-type]
        assert actor.ran == 0

    run(main)


def test_near_calls_and_inherited_methods_are_checked(run: Any) -> None:
    class Base(Actor):
        @method
        def double(self, x: int) -> int:
            return x * 2

    class Derived(Base):
        @method
        def double(self, x: int, wrong: bool = False) -> int:
            return near(super().double)("x" if wrong else x)  # type: ignore[arg-type]

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Derived)
        assert await ref.double(2) == 4
        for call in (lambda: ref.double("x"), lambda: ref.double(1, True)):  # type: ignore[arg-type, return-value]
            with pytest.raises(hob.WrongArgument, match=r"double\(\): 'x' is text"):
                await call()
        with pytest.raises(hob.WrongArgument):
            await vat.run(lambda: near(ref.double)("x"))  # type: ignore[arg-type]

    run(main)


def double(x: int) -> int:
    return x * 2


class Helper:
    def scaled(self, x: int) -> int:
        return x * 10


def test_functions_are_checked_alike(run: Any) -> None:
    async def main(vat: Vat) -> None:
        def within(x: list[int]) -> list[int]:
            return [*x, 0]

        async def slow(x: int) -> int:
            return x

        for function in (double, slow, Helper().scaled):
            ref = vat.spawn(function)
            assert await ref(0) == 0
            with pytest.raises(hob.WrongArgument, match=rf"{function.__name__}\(\): 'x' is text"):
                await ref("x")  # type: ignore[arg-type]
        assert await vat.spawn(within)([1]) == (1, 0)
        assert repr(vat.spawn(double)) == "<Ref double>"
        # Also one that is passed as an argument, or that an object becomes.
        passed: Any = await vat.spawn(lambda callback: callback)(double)
        with pytest.raises(hob.WrongArgument):
            await passed("x")
        heard: list[object] = []
        await vat.spawn(heard.append)("what builtins take")
        assert heard == ["what builtins take"]

        def becoming() -> None:
            hob.become(double)

        changed: Any = vat.spawn(becoming)
        await changed()
        with pytest.raises(hob.WrongArgument):
            await changed("x")

    run(main)


def test_what_does_not_fit_a_peer_learns_in_the_same_words(run: Any) -> None:
    async def main(vat: Vat) -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "a")) as a,
            Peer(netlayers.Memory(network, "b")) as b,
        ):
            ref = b.enliven(a.publish(a.spawn(Shapes)), Shapes)
            assert await ref.several(1, "x", 1.5, c=True, d=b"y") == (1, "x", (1.5,), True, {"d": b"y"})
            with pytest.raises(hob.Refused) as caught:
                await ref.several(1, 2)  # type: ignore[arg-type]
            assert str(caught.value) == "WrongArgument: several(): 'b' is an integer, not text"
            assert await ref.later(5) == 5  # the session goes on
            far = b.enliven(a.publish(a.spawn(double)), hob.Function[[int], int])
            with pytest.raises(hob.Refused, match=r"double\(\): 'x' is text, not an integer"):
                await far("x")  # type: ignore[arg-type]

    run(main)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.builds(Symbol, st.text())
    | st.just(NULL),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3).map(MappingProxyType)
        | st.builds(Tagged, st.text(), inner)
    ),
    max_leaves=12,
)


@given(
    VALUES,
    st.sampled_from(
        [int, str, list[int], dict[str, Any], tuple[str, int], Car, Spot, Point, list[int] | str]
    ),
)
def test_nothing_but_what_fits_gets_through(value: Any, annotation: Any) -> None:
    actor = taker(annotation)
    try:
        invoke(actor, (Symbol("take"), value))
    except hob.WrongArgument:
        assert actor.got == []
        return
    [got] = actor.got
    match annotation:
        case x if x is int:
            assert type(got) is int
        case x if x is str:
            assert type(got) is str
        case x if x is Car:
            raise AssertionError("no reference was sent")
        case x if x == list[int]:
            assert type(got) is list
            assert all(type(item) is int for item in got)
        case x if x == dict[str, Any] or x is Spot:
            assert type(got) is dict
        case _:
            assert isinstance(got, tuple | list | str)


def test_the_work_is_bounded_by_the_size_of_the_value() -> None:
    # Each level could be either; what is wrong lies at the bottom.
    annotation: Any = int
    value: Any = "wrong"
    for _ in range(6):
        annotation = list[annotation] | tuple[annotation, ...]
        value = (value,)
    with pytest.raises(hob.WrongArgument):
        arrives(annotation, value)
    # And depth that the annotation does not ask for is not gone into.
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    with pytest.raises(hob.WrongArgument, match="'x' is a list, not an integer"):
        arrives(int, deep)
    assert len(arrives(list[Any], deep)) == 1
    while deep:  # taken apart by hand: the interpreter would recurse
        [deep] = deep


class Ungrounded(Actor):
    @method
    def later(self, swiss: "SwissNum") -> None: ...


class AnyIsAWayOut(Actor):
    @method
    def take(self, x: Any, y: object) -> str:
        return type(x).__name__ + type(y).__name__


class TestWhatCanNotBeChecked:
    """It is said to the author, when the first object of the class is made."""

    @pytest.mark.parametrize(
        ("annotation", "problem"),
        [
            ("Fraction", "name 'Fraction' is not defined: what is imported for type checkers only"),
            ("list[Fraction]", "name 'Fraction' is not defined"),
            ("a number", "it can't be read (SyntaxError"),
            (datetime, "nothing that arrives is a datetime: write what crosses, as in str"),
            (Unregistered, "Unregistered does not pass by itself: register it with @passable"),
            (list[Unregistered], "Unregistered does not pass by itself"),
            (Color, "a member of an Enum can't be passed: take its value, and write Color(value)"),
            (Literal[Color.RED], "a member of an Enum can't be passed"),
            (Flies, "Flies is a protocol: derive Flies from Actor"),
            (set[int], "OCapN has no sets: take a list"),
            (bytearray, "octets arrive as bytes: write bytes"),
            (dict[int, str], "the keys of a struct are text"),
            (Json, "it leads back to itself"),
            (type[int], "nothing that arrives is a type"),
            (5, "5 is not known here"),
        ],
    )
    def test_the_author_is_told_what_to_write(self, annotation: Any, problem: str, run: Any) -> None:
        async def main(vat: Vat) -> None:
            actor = taker(annotation)
            with pytest.raises(TypeError) as caught:
                vat.spawn(actor)
            text = str(caught.value)
            assert problem in text
            assert "take(): the annotation of 'x' can't be checked: " in text
            assert text.endswith("; or write Any to take anything")
            # Whoever gets around that does not get in either.
            with pytest.raises(TypeError, match="can't be checked"):
                invoke(actor, (Symbol("take"), 5))
            assert actor.got == []

        run(main)

    def test_a_class_a_behaviour_a_function_and_an_argument(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            def odd(x: "Fraction") -> None: ...

            def becoming() -> None:
                hob.become(Ungrounded)

            for spawned in (Ungrounded, Ungrounded(), odd):
                with pytest.raises(TypeError, match=r"write Any|the annotation of 'swiss'"):
                    vat.spawn(spawned)  # type: ignore[call-overload]
            with pytest.raises(TypeError, match="can't be checked"):
                vat.spawn(double)(odd)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="can't be checked"):
                await vat.spawn(becoming)()
            with pytest.raises(TypeError, match="can't be checked"):
                await vat.run(lambda: spawn(Ungrounded))

        run(main)

    def test_any_and_object_take_everything(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            assert await vat.spawn(AnyIsAWayOut).take([1], 5) == "tupleint"

        run(main)

    def test_what_is_returned_need_not_be_readable(self, run: Any) -> None:
        class Maker(Actor):
            @method
            def make(self, x: int) -> "Fraction": ...  # type: ignore[empty-body]

        async def main(vat: Vat) -> None:
            assert await vat.spawn(Maker).make(1) is None

        run(main)


class Node(Actor, Generic[T]):
    @method
    def link(self, other: "Node[T]", *more: "Node[T]") -> int:
        return 1 + len(more)

    @method
    def generic(self, x: "dict[str, Node[int]]") -> str:
        return type(x).__name__


def test_names_are_found_where_the_class_stands(run: Any) -> None:
    async def main(vat: Vat) -> None:
        class Inner(Actor):
            @method
            def link(self, other: "Inner") -> str:
                return "linked"

        node: Any = vat.spawn(Node)
        assert await node.link(node, node) == 2
        assert await node.generic({"a": node}) == "dict"
        inner = vat.spawn(Inner)
        assert await inner.link(inner) == "linked"

    run(main)


def test_a_method_that_says_nothing_of_its_arguments_is_called_as_it_is() -> None:
    class Plain(Actor):
        @method
        def plain(self, x, y) -> int: ...  # type: ignore[no-untyped-def, empty-body]

        @method
        def none(self) -> None: ...

    asyncio.run(_spawned(Plain))
    assert Plain._hob_methods["plain"] is Plain._hob_declared["plain"].function
    assert Plain._hob_methods["none"] is Plain._hob_declared["none"].function


async def _spawned(cls: type[Actor]) -> None:
    hob.spawn_vat().spawn(cls)


def test_a_decorated_method_is_checked_by_what_it_wraps(run: Any) -> None:
    from functools import wraps

    def logged(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return function(*args, **kwargs)

        return call

    class Wrapped(Actor):
        @method
        @logged
        def take(self, x: int) -> int:
            return x

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Wrapped)
        assert await ref.take(1) == 1
        with pytest.raises(hob.WrongArgument):
            await ref.take("x")  # type: ignore[arg-type]

    run(main)


def test_a_decorator_that_takes_other_arguments_lets_none_past_a_check(run: Any) -> None:
    from functools import wraps

    def given_more(function: Any) -> Any:
        @wraps(function)
        def call(self: Actor, x: Any) -> Any:
            return function(self, "from the decorator", x)

        return call

    def taking_more(function: Any) -> Any:
        @wraps(function)
        def call(self: Actor, token: Any, x: Any) -> Any:
            return function(self, x)

        return call

    def renaming(function: Any) -> Any:
        @wraps(function)
        def call(self: Actor, y: Any) -> Any:
            return function(self, y)

        return call

    class Decorated(Actor):
        @method
        @given_more
        def given(self, more: Any, x: int) -> int:
            return x

        @method
        @taking_more
        def taking(self, x: int) -> int:
            return x

    class Renamed(Actor):
        @method
        @renaming
        def take(self, x: int) -> int:
            return x

    async def main(vat: Vat) -> None:
        ref: Any = vat.spawn(Decorated)
        assert await ref.given(1) == await ref.taking("anything", 1) == 1
        for bound, args in ((ref.given, ("x",)), (ref.taking, (1, "x"))):
            with pytest.raises(hob.WrongArgument, match=r"'x' is text, not an integer"):
                await bound(*args)
        with pytest.raises(TypeError, match=r"'x' can't be checked: its decorator takes y instead; let that"):
            vat.spawn(Renamed)

    run(main)
