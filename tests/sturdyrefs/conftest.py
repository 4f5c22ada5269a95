"""What tests of sturdyrefs share: a clock to set, objects to publish, a guarded loop."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, netlayers, spawn

Main: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
Run: TypeAlias = Callable[[Main], None]
Pair: TypeAlias = tuple[Peer, Peer]
PairOf: TypeAlias = Callable[..., AbstractAsyncContextManager[Pair]]


class Clock:
    """A wall clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now


class Car(Actor):
    @method
    def drive(self) -> str:
        return "wroom"


class Garage(Actor):
    """Makes cars, keeps things, and tells in which order it was told."""

    def __init__(self) -> None:
        self.log: tuple[object, ...] = ()
        self.resolver: Any = None

    @method
    def make_car(self) -> Car:
        return spawn(Car)

    @method
    def note(self, *things: object) -> None:
        self.log += things

    @method
    def noted(self) -> tuple[object, ...]:
        return self.log

    @method
    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    @method
    def fail(self) -> None:
        raise RuntimeError("it broke")

    @method
    def itself(self) -> Any:
        return self

    @method
    def wait(self) -> Any:
        promise, self.resolver = hob.new_promise()
        return promise

    @method
    def go(self, value: Any) -> None:
        hob.send_only(self.resolver.fulfill)(value)

    @method
    async def drive_with(self, other: Any) -> str:
        return str(await other.drive())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something is so; the guard of the test bounds it."""
    while not condition():
        gc.collect()
        await asyncio.sleep(0)


async def refusal(promise: Any) -> str:
    """Return the text that a promise is refused with."""
    with pytest.raises(hob.Refused) as caught:
        await promise
    return str(caught.value)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run() -> Run:
    def run(main: Main) -> None:
        async def guarded() -> None:
            async with asyncio.timeout(60):
                await main()

        asyncio.run(guarded())

    return run


@pytest.fixture
def pair(tmp_path: Path, clock: Clock) -> PairOf:
    """A server that publishes and a client, over a Unix socket."""

    @asynccontextmanager
    async def pair(registry: Any = None, **kwargs: Any) -> AsyncIterator[Pair]:
        server = Peer(
            netlayers.Unix(tmp_path / "s"), name="server", registry=registry, wall_clock=clock, **kwargs
        )
        async with server, Peer(netlayers.Unix(), name="client") as client:
            yield server, client

    return pair
