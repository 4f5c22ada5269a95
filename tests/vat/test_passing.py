"""What passes between objects, in which form it arrives, and what is refused."""

import asyncio
import enum
import math
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hobgoblin.crypto import SwissNum
from hobgoblin.errors import NotPassable
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.loops import spawn_vat
from hobgoblin.refs import LocalRef, Promise, Ref
from hobgoblin.values import (
    DEFAULT_LIMITS,
    NULL,
    ErrorValue,
    Keyword,
    Record,
    Symbol,
    SyrupSet,
    Tagged,
)
from hobgoblin.vat import Actor, Vat, method, near, send_only
from hobgoblin.vat.passing import pass_arguments


class Level(enum.IntEnum):
    HIGH = 3


class Name(enum.StrEnum):
    CAR = "car"


class Text(str):
    def __str__(self) -> str:
        return "not this"


class Number(float): ...


class Octets(bytes): ...


Point = namedtuple("Point", "x y")


@dataclass
class Plain:
    x: int


class Color(enum.Enum):
    RED = "r"


class Odd:
    """Not what the name of its class suggests."""


class Echo(Actor):
    def __init__(self) -> None:
        self.kept: object = None

    @method
    def echo(self, value: object) -> object:
        return value

    @method
    def kind(self, value: object) -> str:
        return type(value).__name__

    @method
    def keep(self, value: object) -> None:
        self.kept = value

    @method
    def give(self) -> object:
        return self.kept

    @method
    def me(self) -> "Echo":
        return self

    @method
    def is_same(self, a: object, b: object) -> bool:
        return a is b


BOB = PeerLocator("tcp-testing-only", "bob0", {"host": "127.0.0.1", "port": "22046"})

TABLE: list[tuple[object, object]] = [
    (None, None),
    (NULL, NULL),
    (True, True),
    (0, 0),
    (-(10**4299), -(10**4299)),
    (10**4300 - 1, 10**4300 - 1),
    (1.5, 1.5),
    (math.inf, math.inf),
    ("", ""),
    ("grün 🙂", "grün 🙂"),
    (Symbol("drive"), Symbol("drive")),
    (Symbol("grün"), Symbol("grün")),
    (b"\x00", b"\x00"),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"abcd")[::2], b"ac"),
    ([], ()),
    ([1, [2, (3,)]], (1, (2, (3,)))),
    ({}, MappingProxyType({})),
    ({"a": [1]}, MappingProxyType({"a": (1,)})),
    (OrderedDict(a=1), MappingProxyType({"a": 1})),
    (UserDict(a=1), MappingProxyType({"a": 1})),
    (MappingProxyType({"a": 1}), MappingProxyType({"a": 1})),
    (Tagged("decimal", "3.14"), Tagged("decimal", "3.14")),
    (Tagged("list", [1, 2]), Tagged("list", (1, 2))),
    (ErrorValue("no"), ErrorValue("no")),
    (Record(Symbol("odd"), ([1], 2)), Record(Symbol("odd"), ((1,), 2))),
    (BOB, BOB),
    (SturdyRef(BOB, SwissNum(b"car")), SturdyRef(BOB, SwissNum(b"car"))),
    (Level.HIGH, 3),
    (Name.CAR, "car"),
    (Text("text"), "text"),
    (Number(1.5), 1.5),
    (Octets(b"x"), b"x"),
    (Point(1, [2]), (1, (2,))),
    ({Name.CAR: 1}, MappingProxyType({"car": 1})),
]


@pytest.mark.parametrize(("value", "arrives"), TABLE, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("where", ["near", "far"])
def test_the_table(run: Any, value: object, arrives: object, where: str) -> None:
    async def main(vat: Vat) -> None:
        echo = (vat if where == "near" else spawn_vat("far")).spawn(Echo)
        result = await vat.run(lambda: echo.echo(value))
        assert result == arrives
        assert type(result) is type(arrives)
        assert await echo.kind(value) == type(arrives).__name__
        assert await echo.echo([value]) == (arrives,)
        if where == "near":
            same = await vat.run(lambda: [near(echo.echo)(value)])
            assert same == (arrives,)

    run(main)


def test_not_a_number_passes(run: Any) -> None:
    async def main(vat: Vat) -> None:
        assert math.isnan(await vat.spawn(Echo).echo(math.nan))

    run(main)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.builds(Tagged, st.text(), inner),
    max_leaves=20,
)


def arrived(value: object) -> object:
    """What the table of `hobgoblin.values` says about a value."""
    if isinstance(value, list):
        return tuple(arrived(item) for item in value)
    if isinstance(value, dict):
        return MappingProxyType({key: arrived(item) for key, item in value.items()})
    return Tagged(value.tag, arrived(value.value)) if isinstance(value, Tagged) else value


@given(st.lists(values, max_size=4).map(tuple))
def test_data_arrives_as_the_table_says_and_passes_on_unchanged(args: tuple[object, ...]) -> None:
    vat: Any = None  # data needs none
    once = pass_arguments(args, vat)
    assert once == tuple(arrived(arg) for arg in args)
    assert pass_arguments(once, vat) == once


def nested(depth: int) -> list[object]:
    outermost: list[object] = []
    for _ in range(depth - 1):
        outermost = [outermost]
    return outermost


def cyclic() -> list[object]:
    cycle: list[object] = []
    cycle += [cycle, {"self": cycle}]
    return cycle


def bushy() -> list[object]:
    bush: list[object] = [1, 2]
    for _ in range(100):
        bush = [bush, bush]
    return bush


def released() -> memoryview:
    view = memoryview(b"x")
    view.release()
    return view


class Awaited:
    def __await__(self) -> Iterator[None]:
        return iter(())


REFUSED: list[tuple[object, str, str]] = [
    (object(), "", "an object can't be passed: only data"),
    ({1, 2}, "", "OCapN has no sets, pass a sorted list"),
    (frozenset({1}), "", "OCapN has no sets"),
    (SyrupSet(()), "", "can't be passed"),
    (Echo, "", "the class Echo can't be passed"),
    (int, "", "the class int can't be passed"),
    (asyncio, "", "can't be passed"),
    (Plain(1), "", "a Plain can't be passed"),
    (1j, "", "a complex can't be passed"),
    (iter([]), "", "can't be passed"),
    (range(3), "", "a range can't be passed"),
    ((x for x in ()), "", "a generator can't be passed: pass a list of what it yields"),
    (Awaited(), "", "an Awaited can't be passed: await it, and pass what it gives"),
    (KeyboardInterrupt(), "", "can't be passed"),
    (10**4300, "", "more than 4300 digits"),
    (-(10**4300), "", "more than 4300 digits"),
    ("\ud800", "", "lone surrogate"),
    (Text("a\udfff"), "", "lone surrogate"),
    (Symbol("\ud800"), ".name", "lone surrogate"),
    (ErrorValue("\ud800"), ".message", "lone surrogate"),
    (ErrorValue(5), ".message", "an int where text belongs"),  # type: ignore[arg-type]
    ([Keyword("\ud800")], "[0].name", "lone surrogate"),
    ({1: 2}, "", "keys of a mapping are text, not int"),
    ({b"a": 2}, "", "keys of a mapping are text, not bytes"),
    ({"\ud800": 2}, '["\\ud800"]', "lone surrogate"),
    ({'"]': {1}}, '["\\"]"]', "no sets"),
    ([1, {"size": {1}}], '[1]["size"]', "no sets"),
    ([[[(1, [object()])]]], "[0][0][0][1][0]", "an object can't"),
    (Tagged("t", [{2}]), ".value[0]", "no sets"),
    (Tagged(5, 1), ".tag", "an int where text belongs"),  # type: ignore[arg-type]
    (Tagged("\ud800", 1), ".tag", "lone surrogate"),
    (Record(Symbol("r"), (1, {2})), ".fields[1]", "no sets"),
    (Record({1}, ()), ".label", "no sets"),
    (nested(121), "[0]" * 15, "nested deeper than 120 levels"),
    (cyclic(), "[0]" * 15, "or within itself"),
    (bushy(), "[0]" * 10, "more than 262144 values"),
    ([None] * (DEFAULT_LIMITS.elements + 1), "", "more than 262144 values"),
]


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        pytest.param(
            *row,
            id=f"{type(row[0]).__name__} {row[2][:20]}",
            marks=[pytest.mark.without_coverage] if "more than 262144" in row[2] else [],
        )
        for row in REFUSED
    ],
)
def test_what_can_not_pass_is_refused_with_its_path(run: Any, value: object, path: str, problem: str) -> None:
    async def main(vat: Vat) -> None:
        echo = vat.spawn(Echo)
        for attempt, start in [
            (lambda: echo.echo(value), "args[0]"),
            (lambda: echo.echo(1, value), "args[1]"),
            (lambda: echo([1, value]), "args[0][1]"),
            (lambda: send_only(echo.keep)(value), "args[0]"),
        ]:
            with pytest.raises(NotPassable) as caught:
                attempt()
            assert caught.value.path.startswith(start + path)
            assert problem in caught.value.problem
            assert str(caught.value).startswith(start + path)
            assert len(caught.value.path) < 100
            assert caught.value.__context__ is None or caught.value.__suppress_context__
        with pytest.raises(NotPassable):
            await vat.run(lambda: near(echo.echo)(value))
        with pytest.raises(NotPassable) as caught:
            await vat.run(lambda: value)
        assert caught.value.path.startswith("result" + path)
        assert await echo.give() is None

    run(main)


@pytest.mark.parametrize(
    ("value", "problem", "as_key"),
    [
        (
            Plain(1),
            "a Plain can't be passed: register Plain with @passable, or pass dataclasses.asdict(x)",
            ": pass",
        ),
        (datetime(2026, 1, 2), "a datetime can't be passed: pass x.isoformat()", "use key.isoformat(), or"),
        (date(2026, 1, 2), "a date can't be passed: pass x.isoformat()", "use key.isoformat(), or"),
        (time(1), "a time can't be passed: pass x.isoformat()", "use key.isoformat(), or"),
        (timedelta(1), "a timedelta can't be passed: pass x.total_seconds()", "use key.total_seconds(), or"),
        (Decimal("1.5"), "a Decimal can't be passed: pass str(x)", "use str(key), or pass a list of pairs"),
        (Fraction(1, 2), "a Fraction can't be passed: pass str(x)", "use str(key), or"),
        (UUID(int=1), "a UUID can't be passed: pass str(x)", "use str(key), or"),
        (Path("a"), "Path can't be passed: pass str(x)", "use str(key), or"),
        (Color.RED, "a Color can't be passed: pass x.value", "use key.value, or"),
        (Odd(), "an Odd can't be passed: only data, references", "not Odd: pass a list of pairs"),
        (Exception, "the class Exception can't be passed", "not type: pass a list of pairs"),
        (Ellipsis, "an ellipsis can't be passed", "not ellipsis: pass a list of pairs"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_the_way_out_is_named(value: object, problem: str, as_key: str) -> None:
    vat: Any = None
    with pytest.raises(NotPassable) as caught:
        pass_arguments(([value],), vat)
    assert problem in caught.value.problem
    assert caught.value.path == "args[0][0]"
    if isinstance(value, Plain):
        return  # has no hash
    for key in (value, (value,)):
        with pytest.raises(NotPassable, match="keys of a mapping are text, not ") as caught:
            pass_arguments(({key: 1},), vat)
        if key is value:
            assert as_key in caught.value.problem


def test_numbers_as_keys() -> None:
    vat: Any = None
    for key in (1, 1.5, True):
        with pytest.raises(NotPassable, match=r"use str\(key\), or pass a list of pairs"):
            pass_arguments(({key: 1},), vat)


def test_a_long_path_is_cut_in_the_middle() -> None:
    vat: Any = None
    with pytest.raises(NotPassable) as caught:
        pass_arguments(([{"outermost": [*nested(100), cyclic()]}],), vat)
    assert str(caught.value).startswith('args[0][0]["outermost"][1][0]')
    assert " … " in caught.value.path
    assert caught.value.path.endswith("[0][0]")


def test_a_keyword_argument_is_named_by_its_place(run: Any) -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(NotPassable, match=r"args\[2\]\[0\]: "):
            vat.spawn(Echo).echo(1, value=[{2}])

    run(main)


def test_the_name_of_a_method_must_be_text_too(run: Any) -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(NotPassable, match=r"the method's name\.name: text with a lone surrogate"):
            getattr(vat.spawn(Echo), "a\ud800")()

    run(main)


def test_as_deep_as_allowed(run: Any) -> None:
    async def main(vat: Vat) -> None:
        value = await vat.spawn(Echo).echo(nested(120))
        depth = 0
        while value:
            value = value[0]
            depth += 1
        assert depth == 119

    run(main)


def test_a_released_view_is_the_callers_error(run: Any) -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(ValueError, match="released"):
            vat.spawn(Echo).echo(released())

    run(main)


@pytest.mark.parametrize("where", ["near", "far"])
def test_later_changes_are_not_seen(run: Any, where: str) -> None:
    async def main(vat: Vat) -> None:
        echo = (vat if where == "near" else spawn_vat("far")).spawn(Echo)
        inner = [1]
        value = {"list": inner, "bytes": bytearray(b"a")}
        answer = vat.run(lambda: [echo.keep(value), inner.append(2)][0])
        inner.append(3)
        value["new"] = 4
        await answer
        inner.append(5)
        got = await echo.give()
        assert got == {"list": (1, 3), "bytes": b"a", "new": 4}
        with pytest.raises(TypeError):
            got["list"] = 1
        # Results too: what the object keeps is not what the caller has.
        mine = [1]
        give = vat.spawn(lambda: mine)
        first = await give()
        mine.append(2)
        assert first == (1,)

    run(main)


class TestObjects:
    def test_references_pass_as_themselves(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            echo, far = vat.spawn(Echo), spawn_vat("far").spawn(Echo)
            assert await echo.echo([far, echo]) == (far, echo)
            assert await far.echo({"me": far}) == {"me": far}
            pending: Promise[Any] = Promise(vat)
            kept = await echo.echo([pending])
            assert kept[0] is pending

        run(main)

    def test_an_actor_passes_as_its_reference_and_joins_the_senders_vat(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            far = spawn_vat("far").spawn(Echo)
            actor = Echo()

            def work() -> object:
                return [far.echo(actor), far.echo([actor]), actor, [actor]]

            one, two, three, four = await vat.run(work)
            assert isinstance(three, Ref)
            assert await one is three
            assert (await two)[0] is three
            assert four == (three,)
            assert await far.is_same(actor, three)
            await three.keep("state")
            assert actor.kept == "state"
            assert await vat.run(lambda: near(three.give)()) == "state"
            with pytest.raises(TypeError, match="has been spawned already: use the reference to it"):
                vat.spawn(actor)

        run(main)

    def test_self_is_ones_own_reference(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            echo = vat.spawn(Echo)
            assert await echo.me() is echo
            assert await vat.run(lambda: near(echo.me)() is echo)

        run(main)

    def test_functions_are_spawned_on_the_way(self, run: Any) -> None:
        class Doubler:
            def double(self, x: int) -> int:
                return x * 2

        async def main(vat: Vat) -> None:
            far = spawn_vat("far").spawn(Echo)
            double = await far.echo(lambda x: x * 2)
            assert isinstance(double, Ref)
            assert await double(4) == 8
            assert await (await far.echo([Doubler().double]))[0](5) == 10
            assert await (await far.echo(len))([1, 2]) == 2
            assert await (await far.echo([3, 3].count))(3) == 2

        run(main)

    def test_a_bound_send_is_refused_with_advice(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            echo = vat.spawn(Echo)
            with pytest.raises(NotPassable, match="pass the reference itself, or a function that sends"):
                echo.echo(echo.give)

        run(main)

    def test_references_of_other_kinds_are_refused(self, run: Any) -> None:
        class Own(Ref):
            pass

        async def main(vat: Vat) -> None:
            with pytest.raises(NotPassable, match="this reference can't be passed"):
                vat.spawn(Echo).echo(Own())

        run(main)

    def test_an_exception_passes_as_it_is(self, run: Any) -> None:
        """As the reason of a broken promise does. Sessions reduce either to what a peer may know."""

        async def main(vat: Vat) -> None:
            error = ValueError("no")
            assert (await vat.spawn(Echo).echo([error]))[0] is error

        run(main)

    def test_outside_of_any_vat_it_joins_the_targets(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            echo = vat.spawn(Echo)
            actor = Echo()
            ref: Any = await echo.echo(actor)
            assert isinstance(ref, LocalRef)
            assert await vat.run(lambda: near(ref.me)() is ref)

        run(main)
