"""What checking arguments costs: calls of a method with annotations next to calls of one without.

``.venv/bin/python tools/cost_of_checks.py`` prints medians over interleaved rounds, in processor time: for
the call of the method alone, for calls within one vat, and for calls over a Unix socket in one process.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from hobgoblin import Actor, Peer, Symbol, method, netlayers, spawn_vat
from hobgoblin.vat.invoke import invoke


class Checked(Actor):
    @method
    def make(self, model: str, color: str) -> None: ...


class Unchecked(Actor):
    @method
    def make(self, model, color): ...  # type: ignore[no-untyped-def]


ROUNDS = 31


def ratio(rounds: list[tuple[float, float]], calls: int) -> str:
    """Describe rounds of (seconds unchecked, seconds checked)."""
    plain = median([before for before, _ in rounds]) / calls * 1e6
    more = median([(after - before) / calls for before, after in rounds]) * 1e9
    factor = median([after / before for before, after in rounds])
    return f"{plain:8.2f} µs without, {more:+6.0f} ns with, ratio {factor:.3f}"


async def compare(
    name: str, calls: int, one: Callable[[], Awaitable[Any]], other: Callable[[], Awaitable[Any]]
) -> None:
    async def seconds(call: Callable[[], Awaitable[Any]]) -> float:
        before = process_time()
        for _ in range(calls):
            await call()
        return process_time() - before

    rounds: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        if number % 2:
            plain, checked = await seconds(one), await seconds(other)
        else:
            checked, plain = await seconds(other), await seconds(one)
        rounds.append((plain, checked))
    print(f"{name:22}{ratio(rounds, calls)}")


def compare_calls() -> None:
    args = (Symbol("make"), "Explorist", "blue")
    calls = 20_000

    def seconds(actor: Actor) -> float:
        before = process_time()
        for _ in range(calls):
            invoke(actor, args)
        return process_time() - before

    rounds: list[tuple[float, float]] = []
    checked, plain = Checked(), Unchecked()
    for number in range(ROUNDS):
        if number % 2:
            first, second = seconds(plain), seconds(checked)
        else:
            second, first = seconds(checked), seconds(plain)
        rounds.append((first, second))
    print(f"{'the call alone':22}{ratio(rounds, calls)}")


async def main() -> None:
    vat = spawn_vat()
    checked, plain = vat.spawn(Checked), vat.spawn(Unchecked)
    compare_calls()
    await compare(
        "within a vat",
        2_000,
        lambda: plain.make("Explorist", "blue"),
        lambda: checked.make("Explorist", "blue"),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "socket")
        async with Peer(netlayers.Unix(path)) as server, Peer(netlayers.Unix()) as client:
            far = await client.enliven(server.publish(server.spawn(Checked)), Checked)
            other = await client.enliven(server.publish(server.spawn(Unchecked)), Unchecked)
            await compare(
                "over a Unix socket",
                300,
                lambda: other.make("Explorist", "blue"),
                lambda: far.make("Explorist", "blue"),
            )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
