"""Calls between hobgoblin and Endo (JavaScript), in both directions and both framings.

ENDO_OCAPN names the folder packages/ocapn of a checkout of endojs/endo that is ready to run.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, PeerLocator, SturdyRef, SwissNum, Symbol, method, netlayers, spawn

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
