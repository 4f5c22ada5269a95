"""What the tests of the object world share."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from hobgoblin.loops import spawn_vat
from hobgoblin.vat import Vat


@pytest.fixture
def run() -> Callable[[Callable[[Vat], Awaitable[None]]], None]:
    """Run ``main(vat)`` in a loop of its own, with a vat of it."""

    def run_in_loop(main: Callable[[Vat], Awaitable[None]]) -> None:
        async def guarded() -> None:
            async with asyncio.timeout(120):
                await main(spawn_vat())

        asyncio.run(guarded())

    return run_in_loop


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return a function for the errors that have been logged up to now."""

    def logged() -> list[str]:
        gc.collect()
        return [
            r.getMessage() for r in caplog.records if r.name == "hobgoblin.vat" and r.levelname == "ERROR"
        ]

    return logged
