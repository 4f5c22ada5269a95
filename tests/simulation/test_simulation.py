"""Networks of peers under random work and random faults. One of these that fails names its seed.

``python -m tests.simulation SEED`` runs just that one, ``python -m tests.simulation 0:100000`` many.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hobgoblin import Actor, method, new_promise, send_only
from hobgoblin.testing import Faults, Simulation
from tests.simulation.oracle import Tally
from tests.simulation.siege import besiege
from tests.simulation.world import Plan, simulate

ROOT = Path(__file__).parent.parent.parent
SEEDS, BLOCK = int(os.environ.get("HOBGOBLIN_SEEDS", "2000")), 100
SIEGES = 40


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_every_invariant_holds(first: int) -> None:
    total = Tally()
    for seed in range(first, first + BLOCK):
        tally, _ = simulate(seed)
        total.add(tally)
    # It is about something: of all that matters there is some in every block.
    assert total.messages > 80 * BLOCK
    assert min(total.severs, total.handoffs, total.gifts, total.crossed, total.attacks) > BLOCK // 2


@pytest.mark.parametrize("first", range(0, SIEGES, 10))
def test_a_flood_through_one_peer_to_another_harms_nobody_else(first: int) -> None:
    for seed in range(first, first + 10):
        besiege(seed)


def test_a_siege_means_the_same_every_time() -> None:
    assert besiege(5) == besiege(5)


FOUND = (
    71,  # messages through an answer overtook others that its peer forwarded
    167,  # what waited at a followed promise went out under the follower's name
    2476,  # a refused certificate kept a whole message alive, and so did the other peer
)
"""Seeds that once found a bug, in the world as it was then: here more of the same."""


@pytest.mark.parametrize("seed", FOUND)
def test_a_seed_means_the_same_every_time(seed: int) -> None:
    assert simulate(seed) == simulate(seed)


def test_a_seed_means_the_same_in_every_process() -> None:
    def output(hash_seed: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--trace", *map(str, range(20))],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return "\n".join(
            line for line in run.stdout.splitlines() if line[0].isdigit() and "seeds in" not in line
        )

    first, second = output("1"), output("2")
    assert len(first.splitlines()) == 20
    assert first == second


def test_plans_differ() -> None:
    plans = [Plan.drawn(seed) for seed in range(300)]
    assert 60 < sum(plan.byzantine for plan in plans) < 140
    assert 40 < sum(plan.calm for plan in plans) < 110
    assert {plan.peers for plan in plans} == {2, 3, 4}


class Noter(Actor):
    def __init__(self) -> None:
        self.noted: tuple[int, ...] = ()

    @method
    def note(self, number: int) -> None:
        self.noted += (number,)

    @method
    def so_far(self) -> tuple[int, ...]:
        return self.noted

    @method
    def echo(self, thing: object) -> object:
        return thing


def test_messages_through_an_answer_keep_to_the_way_of_the_first() -> None:
    """The answer leads from the one peer back to the other, and from there to the first again."""

    async def program(sim: Simulation) -> None:
        ann, bob = await sim.peer("ann"), await sim.peer("bob")
        noter = await bob.enliven(ann.publish(ann.spawn(Noter)), Noter)
        promise, resolver = await bob.vat.run(new_promise)
        answer = noter.echo(promise)
        for number in range(30):
            send_only(answer.note)(number)
            if number == 5:
                send_only(resolver.fulfill)(noter)
            await asyncio.sleep(0.005)
        assert await answer.so_far() == tuple(range(30))

    for seed in range(5):
        Simulation(seed, faults=Faults(delay=(0.01, 0.02))).run(program)
