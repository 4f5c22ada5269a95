"""What the tests of the actor library share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from hobgoblin import Peer, netlayers
from hobgoblin.loops import spawn_vat
from hobgoblin.vat import Vat

Main = Callable[[Vat], Awaitable[None]]


@pytest.fixture
def run() -> Callable[[Main], None]:
    """Run ``main(vat)`` in a loop of its own, with a vat of it."""

    def run_in_loop(main: Main) -> None:
        async def guarded() -> None:
            async with asyncio.timeout(120):
                await main(spawn_vat())

        asyncio.run(guarded())

    return run_in_loop


@asynccontextmanager
async def two_peers() -> AsyncIterator[tuple[Peer, Peer]]:
    """Two peers on a network in memory. What is published on one can be enlivened on the other."""
    network = netlayers.MemoryNetwork()
    async with (
        Peer(netlayers.Memory(network, "near"), name="near") as near,
        Peer(netlayers.Memory(network, "far"), name="far") as far,
    ):
        yield near, far


@pytest.fixture
def peers() -> Callable[[], AbstractAsyncContextManager[tuple[Peer, Peer]]]:
    """Return two peers, as a context: ``async with peers() as (near, far)``."""
    return two_peers


async def settled(*vats: Vat) -> None:
    """Let everything happen that is under way between vats of this loop."""
    for _ in range(50):
        await asyncio.sleep(0)
    for vat in vats:
        if not vat.stopped:
            await vat.run(lambda: None)


@pytest.fixture
def settle() -> Callable[..., Awaitable[None]]:
    return settled
