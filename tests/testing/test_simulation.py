"""Whole networks in simulated time, as a user's tests run them."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, netlayers, testing


class Room(Actor):
    """Remembers who is in it, and tells them what is said."""

    def __init__(self) -> None:
        self.members: tuple[Any, ...] = ()

    @method
    def join(self, member: Any) -> int:
        self.members = (*self.members, member)
        return len(self.members)

    @method
    def say(self, text: str) -> None:
        for member in self.members:
            hob.send_only(member.hear)(text)


class Member(Actor):
    def __init__(self) -> None:
        self.heard: tuple[str, ...] = ()

    @method
    def hear(self, text: str) -> None:
        self.heard = (*self.heard, text)

    @method
    def what_was_said(self) -> tuple[str, ...]:
        return self.heard


async def chat(sim: testing.Simulation) -> list[object]:
    home = await sim.peer("home")
    uri = home.publish(home.spawn(Room))
    outcomes: list[object] = []

    async def visit(name: str) -> None:
        peer = await sim.peer(name)
        member = peer.spawn(Member)
        room = peer.enliven(uri, Room)
        try:
            await room.join(member)
            for n in range(3):
                await room.say(f"{name} {n}")
                await asyncio.sleep(sim.rng.random())
        except (hob.SessionSevered, hob.NetlayerError, hob.RemoteError) as error:
            outcomes.append(type(error).__name__)
        else:
            outcomes.append(await member.what_was_said())

    async with asyncio.TaskGroup() as group:
        for name in ("ann", "ben", "cy"):
            group.create_task(visit(name))
    return outcomes


def test_a_program_runs_in_simulated_time() -> None:
    sim = testing.Simulation(1)
    outcomes = sim.run(chat)
    assert all(isinstance(said, tuple) and len(said) >= 3 for said in outcomes)
    assert sim.time < 100


@pytest.mark.parametrize("seed", range(50))
def test_whatever_goes_wrong_everybody_comes_to_an_end(seed: int) -> None:
    outcomes = testing.Simulation(seed, faults=testing.Faults.drawn(seed)).run(chat)
    assert len(outcomes) == 3


def test_the_same_seed_is_the_same_run() -> None:
    def traces() -> list[str]:
        found: list[str] = []
        for seed in range(10):
            sim = testing.Simulation(seed, faults=testing.Faults.drawn(seed))
            sim.run(chat)
            found.append(sim.trace)
        return found

    first = traces()
    assert traces() == first
    assert len(set(first)) == 10


def test_so_it_is_in_another_process() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_simulation as t\n"
        "for seed in range(5):\n"
        "    sim = t.testing.Simulation(seed, faults=t.testing.Faults.drawn(seed))\n"
        "    sim.run(t.chat); print(sim.trace)\n"
    )
    folder = os.path.dirname(__file__)

    def run(hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program, folder],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    first = run("1")
    assert first
    assert run("2") == first


def test_a_failure_tells_the_seed_and_what_crossed_last() -> None:
    async def program(sim: testing.Simulation) -> None:
        one, two = await sim.peer("one"), await sim.peer("two")
        room = two.enliven(one.publish(one.spawn(Room)), Room)
        assert await room.join(1) == 2

    with pytest.raises(AssertionError) as caught:
        testing.Simulation(77).run(program)
    (note,) = caught.value.__notes__
    assert "Simulation(seed=77)" in note
    assert "two ─▶ one  #1" in note


def test_what_is_left_is_a_failure() -> None:
    """Two objects on two machines that hold each other: nobody collects them."""

    async def program(sim: testing.Simulation) -> None:
        one, two = await sim.peer("one"), await sim.peer("two")
        there = one.spawn(Room)
        here = two.spawn(Room)
        await two.enliven(one.publish(there), Room).join(here)
        await one.enliven(two.publish(here), Room).join(there)

    with pytest.raises(testing.Leak, match="Room"):
        testing.Simulation(1).run(program)
    testing.Simulation(1).run(program, leaks=False)


def test_a_method_that_never_returns_is_a_failure() -> None:
    class Sleeper(Actor):
        @method
        async def sleep(self) -> None:
            await hob.new_promise()[0]

    async def program(sim: testing.Simulation) -> None:
        peer = await sim.peer("one")
        hob.send_only(peer.spawn(Sleeper).sleep)()
        await asyncio.sleep(1)

    with pytest.raises(testing.Leak, match="has not returned"):
        testing.Simulation(1).run(program)


def test_who_waits_for_what_never_comes_is_told_so() -> None:
    async def program(sim: testing.Simulation) -> None:
        await sim.peer("one")
        await asyncio.Event().wait()

    with pytest.raises(testing.Deadlock, match="program"):
        testing.Simulation(1).run(program)


def test_a_check_sees_everything_that_arrives() -> None:
    class Wrong(Exception):
        pass

    def check(sim: testing.Simulation) -> None:
        for peer in sim.peers.values():
            for connection in peer.connections:
                connection.session.check()
        if sim.network.arrivals == 20:
            raise Wrong

    with pytest.raises(Wrong):
        testing.Simulation(1, check=check).run(chat)


def test_it_runs_once() -> None:
    sim = testing.Simulation(1)
    sim.run(chat)
    with pytest.raises(RuntimeError, match="the same seed"):
        sim.run(chat)


def test_the_look_for_leaks_works_in_real_time_as_well() -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "one")) as one,
            Peer(netlayers.Memory(network, "two")) as two,
        ):
            room = two.enliven(one.publish(one.spawn(Room)), Room)
            assert await room.join(two.spawn(Member)) == 1
            with pytest.raises(testing.Leak, match="Room"):
                await testing.assert_no_leaks(one, two, within=0.05)
            del room
            await testing.assert_no_leaks(one, two)

    asyncio.run(main())


def test_what_is_said_is_kept_if_asked_for_and_changes_nothing() -> None:
    """Whatever pieces the network makes of it."""
    for seed in range(8):
        faults = testing.Faults.drawn(seed)
        plain = testing.Simulation(seed, faults=faults)
        plain.run(chat)
        assert plain.transcripts == {}
        sim = testing.Simulation(seed, faults=faults, transcripts=True)
        sim.run(chat)
        assert sim.trace == plain.trace
        lines = [line for kept in sim.transcripts.values() for line in str(kept).splitlines()]
        assert any("<op:start-session " in line for line in lines)
        assert not any("malformed" in line for line in lines)
    assert {kept.theirs for kept in sim.transcripts.values()} | {"home"} == {"home"}


def test_a_failure_tells_what_was_said_last() -> None:
    async def program(sim: testing.Simulation) -> None:
        one, two = await sim.peer("one"), await sim.peer("two")
        room = two.enliven(one.publish(one.spawn(Room)), Room)
        assert await room.join(1) == 2

    with pytest.raises(AssertionError) as caught:
        testing.Simulation(77, transcripts=True).run(program)
    (note,) = caught.value.__notes__
    assert "  #1  two ─▶ one  <op:deliver <desc:answer 1> ['join 1] 2 <desc:import-object 2>>" in note
    with pytest.raises(AssertionError) as caught:
        testing.Simulation(77).run(program)
    (note,) = caught.value.__notes__
    assert "transcripts=True" in note
