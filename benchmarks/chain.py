"""Ten calls, each on the result of the one before: sent at once, and awaited one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from benchmarks import ours, raw_echo
from benchmarks.calls import both_servers
from benchmarks.frames import ANSWER, CALL, FrameTap, Sizes
from benchmarks.harness import Figures, Outcome, Row, Settings
from benchmarks.processes import serving

CALLS: Final = 10
DELAY_SECONDS: Final = 0.020
ROUND_TRIP: Final = 2 * DELAY_SECONDS

ROWS = (
    Row("pipelined", f"chain of {CALLS}, pipelined", "ms", False),
    Row("awaited", f"chain of {CALLS}, each awaited", "ms", False),
    Row("pipelined_far", "pipelined, 20 ms each way", "ms", False),
    Row("pipelined_far_trips", "  in round trips of 40 ms", "trips", False),
    Row("awaited_far", "each awaited, 20 ms each way", "ms", False),
    Row("awaited_far_trips", "  in round trips of 40 ms", "trips", False),
)

Chain = Callable[[], Awaitable[object]]


async def run(settings: Settings) -> Outcome:
    """Measure once."""
    async with both_servers(settings) as servers:
        sizes, facts = await look(servers.uri)
        delay = str(DELAY_SECONDS)
        far = [str(Path(path).with_suffix(".far")) for path in (servers.ours_path, servers.raw_path)]
        with serving(("delay", far[0], servers.ours_path, delay), ("delay", far[1], servers.raw_path, delay)):
            return Outcome(
                await measure_ours(servers.uri, far[0], settings),
                await measure_raw(servers.raw_path, far[1], sizes, settings),
                facts,
            )


async def look(uri: str) -> tuple[Sizes, dict[str, Any]]:
    """Look at the frames of a pipelined chain, and at which leave before the first answer comes."""
    tap = FrameTap()
    async with ours.connect(uri, tap) as client:
        first = await client.bench.chain()
        tap.restart()
        await pipelined(first)
        order = tap.order()
        return tap.sizes(), {
            "calls_sent": order.count(CALL),
            "calls_before_first_answer": order.index(ANSWER),
            "answers_received": order.count(ANSWER),
        }


def pipelined(link: ours.Link) -> Awaitable[int]:
    """Send all calls at once; the last one's answer is what counts."""
    for _ in range(CALLS - 1):
        link = link.follow()
    return link.depth()


async def awaited(link: ours.Link) -> int:
    """Await every call before the next."""
    for _ in range(CALLS - 1):
        link = await link.follow()
    return await link.depth()


async def measure_ours(uri: str, far: str, settings: Settings) -> Figures:
    async with ours.connect(uri) as near_client, ours.connect(ours.through(uri, far)) as far_client:
        near_link, far_link = await near_client.bench.chain(), await far_client.bench.chain()
        assert await pipelined(near_link) == await awaited(near_link) == CALLS - 1
        return await measure(
            lambda: pipelined(near_link),
            lambda: awaited(near_link),
            lambda: pipelined(far_link),
            lambda: awaited(far_link),
            settings,
        )


async def measure_raw(path: str, far: str, sizes: Sizes, settings: Settings) -> Figures:
    near_client, far_client = await raw_echo.connect(path), await raw_echo.connect(far)
    frame = raw_echo.question(sizes)

    async def one_by_one(client: raw_echo.EchoClient) -> None:
        for _ in range(CALLS):
            await client.call(frame)

    def at_once(client: raw_echo.EchoClient) -> Awaitable[object]:
        return [client.call(frame) for _ in range(CALLS)][-1]

    figures = await measure(
        lambda: at_once(near_client),
        lambda: one_by_one(near_client),
        lambda: at_once(far_client),
        lambda: one_by_one(far_client),
        settings,
    )
    near_client.close()
    far_client.close()
    return figures


async def measure(near: Chain, near_awaited: Chain, far: Chain, far_awaited: Chain, to: Settings) -> Figures:
    """Time the four kinds of a chain."""
    await far()
    pipelined_far = await seconds_of(far, to.delayed_chains)
    awaited_far = await seconds_of(far_awaited, 1)
    return {
        "pipelined": await seconds_of(near, to.chains) * 1e3,
        "awaited": await seconds_of(near_awaited, to.chains) * 1e3,
        "pipelined_far": pipelined_far * 1e3,
        "pipelined_far_trips": pipelined_far / ROUND_TRIP,
        "awaited_far": awaited_far * 1e3,
        "awaited_far_trips": awaited_far / ROUND_TRIP,
    }


async def seconds_of(chain: Chain, times: int) -> float:
    """The median of several."""
    took: list[float] = []
    for _ in range(times):
        start = perf_counter()
        await chain()
        took.append(perf_counter() - start)
    return median(took)
