"""Calls between hobgoblin and Endo (JavaScript), in both directions and both framings.

ENDO_OCAPN names the folder packages/ocapn of a checkout of endojs/endo that is ready to run.
"""

import asyncio
import gc
import json
import math
import os
import subprocess
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, PeerLocator, SturdyRef, SwissNum, Symbol, method, netlayers, spawn
from hobgoblin.values import Keyword

ENDO = os.environ.get("ENDO_OCAPN")
PROGRAM = Path(__file__).with_name("endo_peer.mjs")
FRAMINGS = [("raw", "none"), ("prefixed", "syrup")]

pytestmark = pytest.mark.skipif(
    ENDO is None, reason="ENDO_OCAPN names no packages/ocapn of a checkout of endojs/endo"
)


@asynccontextmanager
async def endo(*args: str) -> AsyncIterator[asyncio.subprocess.Process]:
    program = await asyncio.create_subprocess_exec(
        "node", "--expose-gc", PROGRAM, *args, stdout=subprocess.PIPE
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()


async def line_of(program: asyncio.subprocess.Process, start: str) -> str:
    assert program.stdout is not None
    async for line in program.stdout:
        if line.decode().startswith(start):
            return line.decode().removeprefix(start).strip()
    raise AssertionError(f"the program ended before it said {start}")


class Car(Actor):
    def __init__(self, color: str) -> None:
        self.color = color

    @method
    def drive(self) -> str:
        return f"a {self.color} car drives"


class Garage(Actor):
    @method
    def add(self, a: int, b: int) -> int:
        return a + b

    @method("makeCar")
    def make_car(self, color: str) -> Car:
        return spawn(Car, color)

    @method("callBack")
    async def call_back(self, listener: Any) -> list[int]:
        return [await listener(1), await listener(2)]

    @method
    def stock(self) -> dict[str, list[Car]]:
        return {"cars": [spawn(Car, "white")]}

    @method
    def refuse(self) -> None:
        raise hob.Refused("not on sundays")

    @method
    async def wait(self, promise: Any) -> Any:
        return await promise


@pytest.mark.parametrize(("ours", "theirs"), FRAMINGS)
def test_we_call_endo(ours: str, theirs: str) -> None:
    values = [
        *(None, hob.NULL, True, False, 0, -1, 2**70, 1.5, float("inf"), "", "björn", b"\x00\xff"),
        *(
            Symbol("sym"),
            (1, (2, ())),
            {"aa": 1, "b": {"z": True}},
            hob.Tagged("t", 5),
            hob.ErrorValue("boom"),
        ),
    ]

    async def main() -> None:
        async with (
            asyncio.timeout(60),
            endo("serve", theirs) as program,
            Peer(netlayers.TcpTestingOnly(framing=ours)) as peer,
        ):
            port = await line_of(program, "READY")
            location = PeerLocator("tcp-testing-only", "endo-serve", {"host": "127.0.0.1", "port": port})
            echo = peer.enliven(SturdyRef(location, SwissNum(b"echo")))
            garage: Any = peer.enliven(SturdyRef(location, SwissNum(b"garage")))
            assert list(await echo(*values)) == values
            assert await garage.makeCar("red").drive() == "a red car drives"
            assert await garage.later() == "late"
            assert await garage.callBack(lambda n: n * 10) == (10, 20)
            with pytest.raises(hob.RemoteError, match="boom"):
                await garage.fail()
            with pytest.raises(hob.RemoteError, match="boom"):
                await garage.fail().pipelined()
            stock = garage.stock()
            assert await stock["cars"][0].drive() == "a white car drives"
            assert await hob.untag(stock["price"], "euro")[0] == 5
            for wrong in (garage.stock()["boats"], garage.stock()["cars"][1], garage.stock()[0]):
                with pytest.raises(hob.RemoteError):
                    await wrong
            with pytest.raises(hob.RemoteError):
                await hob.untag(garage.stock()["price"], "dollar")
            mine = peer.spawn(Car, "green")
            assert await garage.drive(mine) == "a green car drives"
            assert (await echo(mine))[0] is mine
            promise, resolver = await peer.vat.run(hob.new_promise)
            (again,) = await echo(promise)
            resolver.fulfill("settled")
            assert await again == "settled"

    asyncio.run(main())


@pytest.mark.parametrize(("ours", "theirs"), FRAMINGS)
def test_endo_calls_us(ours: str, theirs: str) -> None:
    async def main() -> None:
        tcp = netlayers.TcpTestingOnly(framing=ours)
        async with asyncio.timeout(60), Peer(tcp) as peer:
            peer.publish(peer.spawn(Garage), swiss=b"garage")
            here = tcp.location
            async with endo("dial", theirs, here.designator, here.hints["port"], "garage") as program:
                heard = json.loads(await line_of(program, "HEARD"))
        assert heard == {
            "sum": "3",
            "noise": "a blue car drives",
            "calledBack": "10,20",
            "refusal": "not on sundays",
            "waited": "late",
            "part": "a white car drives",
            "noPart": "NoSuchPart: no field 'boats' in a struct",
        }

    asyncio.run(main())


class Driver(Actor):
    @method
    async def drive(self, car: Any) -> str:
        noise: str = await car.drive()
        return noise


@pytest.mark.parametrize(("ours", "theirs"), FRAMINGS)
def test_endo_in_each_role_of_a_hand_off(ours: str, theirs: str) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(60),
            endo("serve", theirs) as program,
            Peer(netlayers.TcpTestingOnly(framing=ours), name="a") as a,
            Peer(netlayers.TcpTestingOnly(framing=ours), name="b") as b,
        ):
            port = await line_of(program, "READY")
            location = PeerLocator("tcp-testing-only", "endo-serve", {"host": "127.0.0.1", "port": port})
            at_endo = SturdyRef(location, SwissNum(b"garage"))
            garage: Any = await a.enliven(at_endo)
            bs_car = await a.enliven(b.publish(b.spawn(Car, "black")), Car)
            bs_driver = await a.enliven(b.publish(b.spawn(Driver)), Driver)

            # Endo as the receiver: we hand it b's car.
            assert await garage.drive(bs_car) == "a black car drives"
            # Endo as the exporter: we hand its car to b.
            assert await bs_driver.drive(await garage.makeCar("red")) == "a red car drives"
            # Endo as the gifter: it hands a's car to b.
            await garage.keep(a.spawn(Car, "green"))
            as_car: Any = await b.enliven(at_endo)
            given = await as_car.give()
            assert await given.drive() == "a green car drives"

    asyncio.run(main())


def at_endo(port: str, swiss: bytes) -> SturdyRef:
    location = PeerLocator("tcp-testing-only", "endo-serve", {"host": "127.0.0.1", "port": port})
    return SturdyRef(location, SwissNum(swiss))


ELSEWHERE = SturdyRef(PeerLocator("onion", "abc", {}), SwissNum(b"number"))

# What we send, and what it is to Endo.
TOLD: list[tuple[object, str]] = [
    (None, "undefined"),
    (hob.NULL, "null"),
    (True, "true"),
    (False, "false"),
    (0, "bigint 0"),
    (-1, "bigint -1"),
    (2**64, "bigint 18446744073709551616"),
    (-(10**4000), f"bigint {-(10**4000)}"),
    (0.0, "number 0"),
    (1.0, "number 1"),
    (-1.5, "number -1.5"),
    (5e-324, "number 5e-324"),
    (math.inf, "number Infinity"),
    (-math.inf, "number -Infinity"),
    (math.nan, "number NaN"),
    ("", '""'),
    ("björn \u20ac", '"björn €"'),
    (Symbol("sym"), "Symbol(sym)"),
    (Symbol(""), "Symbol()"),
    (b"", "bytes "),
    (b"\x00\xff", "bytes 0,255"),
    ([], "[]"),
    ([1, [2, [b"x"]]], "[bigint 1,[bigint 2,[bytes 120]]]"),
    ({}, "{}"),
    ({"b": 1, "aa": {"z": True}}, "{aa: {z: true},b: bigint 1}"),
    (hob.Tagged("decimal", "3.14"), 'decimal("3.14")'),
    (hob.Tagged("list", [1, 2.0]), "list([bigint 1,number 2])"),
    (hob.ErrorValue("boom"), "error boom"),
    (hob.ErrorValue("bjørn"), "error bjørn"),
    (ELSEWHERE, "sturdyref"),
    (lambda: None, "remotable"),
]


@pytest.mark.parametrize(("ours", "theirs"), FRAMINGS)
def test_values_mean_the_same_to_endo(ours: str, theirs: str) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(60),
            endo("serve", theirs) as program,
            Peer(netlayers.TcpTestingOnly(framing=ours)) as peer,
        ):
            port = await line_of(program, "READY")
            tell: Any = peer.enliven(at_endo(port, b"tell"))
            values = [value for value, _ in TOLD]
            assert list(await tell(*values)) == [told for _, told in TOLD]
            assert await tell(values[:-1]) == (f"[{','.join(told for _, told in TOLD[:-1])}]",)
            echo: Any = peer.enliven(at_endo(port, b"echo"))
            (again,) = await echo(ELSEWHERE)
            assert again == ELSEWHERE

    asyncio.run(main())


@pytest.mark.parametrize(("ours", "theirs"), FRAMINGS)
def test_values_of_endo_mean_the_same_here(ours: str, theirs: str) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(60),
            endo("serve", theirs) as program,
            Peer(netlayers.TcpTestingOnly(framing=ours)) as peer,
        ):
            port = await line_of(program, "READY")
            made: Any = peer.enliven(at_endo(port, b"values"))
            came = await made()
            expected = (
                *(None, hob.NULL, True, False, 0, -5, 2**70, 1.0, -1.5, math.nan, math.inf, -math.inf, 0.0),
                *("", "björn", Symbol("sym"), (), (1, (2,)), {}, {"b": 1, "aa": {"z": True}}),
                *(hob.Tagged("decimal", "3.14"), hob.ErrorValue("boom")),
            )
            assert [type(value).__name__ for value in came] == [
                {"dict": "mappingproxy"}.get(type(value).__name__, type(value).__name__) for value in expected
            ]
            nan = 9
            assert math.isnan(came[nan])
            assert [*came[:nan], *came[nan + 1 :]] == [*expected[:nan], *expected[nan + 1 :]]
            assert math.copysign(1, came[12]) == 1  # Endo writes -0 as +0

    asyncio.run(main())


REFUSED_BY_ENDO: dict[str, object] = {
    "-0.0": -0.0,
    "a symbol with @@": Symbol("@@iterator"),
    "an unknown record": hob.Record(Symbol("point"), (1, 2)),
    "a keyword": Keyword("color"),
    "a locator": PeerLocator("onion", "abc", {}),
}


@pytest.mark.parametrize("name", REFUSED_BY_ENDO)
def test_what_endo_can_not_read_ends_its_session(name: str) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(60),
            endo("serve", "syrup") as program,
            Peer(netlayers.TcpTestingOnly()) as peer,
        ):
            port = await line_of(program, "READY")
            echo: Any = await peer.enliven(at_endo(port, b"echo"))
            assert await echo(1) == (1,)
            with pytest.raises(hob.SessionSevered):
                await echo(REFUSED_BY_ENDO[name])
            # A new session is as good as the first.
            again: Any = peer.enliven(at_endo(port, b"echo"))
            assert await again(1) == (1,)

    asyncio.run(main())


def test_a_setting_keeps_minus_zero_from_endo() -> None:
    async def main() -> None:
        settings = hob.PeerSettings(negative_zero=False)
        async with (
            asyncio.timeout(60),
            endo("serve", "syrup") as program,
            Peer(netlayers.TcpTestingOnly(), settings=lambda location: settings) as peer,
        ):
            tell: Any = peer.enliven(at_endo(await line_of(program, "READY"), b"tell"))
            assert await tell(-0.0, [{"x": -0.0}]) == ("number 0", "[{x: number 0}]")

    asyncio.run(main())


class Heard:
    """Tells when something has crossed, so that tables are looked at again."""

    def __init__(self) -> None:
        self.anything = asyncio.Event()

    def sent(self, message: bytes) -> None:
        self.anything.set()

    def received(self, data: bytes) -> None:
        self.anything.set()


@pytest.mark.parametrize(("ours", "theirs"), FRAMINGS)
def test_references_are_given_back_on_both_sides(ours: str, theirs: str) -> None:
    """In the end there is nothing in our tables but one promise, and Endo has collected what we held of it.

    A promise that Endo has imported it mostly keeps, whether or not it has settled.
    """
    heard = Heard()

    async def until_left(peer: Peer, most: int) -> None:
        (connection,) = peer.connections
        while True:
            heard.anything.clear()
            gc.collect()
            connection.session.check()
            exports, *others = connection.session.stats().tables
            if exports <= most and others == [0, 0, 0]:
                return
            await heard.anything.wait()

    async def main() -> None:
        async with (
            asyncio.timeout(60),
            endo("serve", theirs) as program,
            Peer(netlayers.TcpTestingOnly(framing=ours), tap=heard, dialect="D") as peer,
        ):
            port = await line_of(program, "READY")
            watch: Any = await peer.enliven(at_endo(port, b"watch"))
            echo: Any = await peer.enliven(at_endo(port, b"echo"))
            garage: Any = await peer.enliven(at_endo(port, b"garage"))
            await watch.collect()

            # Ours: each sending counts, and Endo holds one of them until it is told to drop it.
            cars = [peer.spawn(Car, "green") for _ in range(20)]
            for car in cars:
                (came, (again,)) = await echo(car, [car])
                assert came is again is car
                assert await garage.drive(car) == "a green car drives"
            await garage.keep(cars[0])
            del car, came, again
            weak = weakref.ref(cars[0]._behaviour)
            cars.clear()
            gc.collect()
            assert weak() is not None
            assert await (await garage.give()).drive() == "a green car drives"
            await garage.keep(None)
            while weak() is not None:
                heard.anything.clear()
                gc.collect()
                if weak() is not None:
                    await heard.anything.wait()

            # Theirs: as long as we hold one it works, and is gone after that.
            made = [await watch.make() for _ in range(20)]
            assert [await car.drive() for car in made] == ["a grey car drives"] * 20
            assert (await echo(*made)) == tuple(made)
            gone = watch.isGone()
            assert await made[-1].drive() == "a grey car drives"
            made.clear()
            gc.collect()
            assert await gone is True

            # Answers, pipelined and broken.
            assert await watch.make().drive() == "a grey car drives"
            with pytest.raises(hob.RemoteError):
                await garage.fail().further()
            del gone, watch, garage, echo
            await until_left(peer, 1)

            echo = await peer.enliven(at_endo(port, b"echo"))
            promise, resolver = await peer.vat.run(hob.new_promise)
            (came_back,) = await echo(promise)
            resolver.fulfill("settled")
            assert await came_back == "settled"
            del promise, resolver, came_back, echo
            await until_left(peer, 2)

    asyncio.run(main())
