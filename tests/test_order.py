"""Promises of two peers that meet: who waits for whom, and in which order messages arrive."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, new_promise, send_only, testing


class Pledger(Actor):
    """Hands out one promise of its own, and settles it when told with what."""

    def __init__(self) -> None:
        self.promise, self.resolver = new_promise()
        self.noted: tuple[int, ...] = ()

    @method
    def promised(self) -> Any:
        return (self.promise,)

    @method
    def fulfill(self, value: Any) -> None:
        send_only(self.resolver.fulfill)(value)

    @method
    def promised_new(self) -> Any:
        promise, self.newer = new_promise()
        return (promise,)

    @method
    def fulfill_new(self, value: Any) -> None:
        send_only(self.newer.fulfill)(value)

    @method
    def call_back(self, other: Any) -> Any:
        return other()

    @method
    def same(self, thing: Any) -> Any:
        return thing

    @method
    def note(self, number: int) -> None:
        self.noted = (*self.noted, number)

    @method
    def numbers(self) -> tuple[int, ...]:
        return self.noted


def simulate(program: Callable[[testing.Simulation], Coroutine[Any, Any, None]], seed: int = 1) -> None:
    faults = testing.Faults(delay=(0.0, 0.1), split=0.2, coalesce=0.2)
    testing.Simulation(seed, faults=faults, seconds=3600).run(program)


async def two(sim: testing.Simulation) -> tuple[Peer, Peer, Any, Any]:
    """Two peers, each with a pledger, and what each has of the other's."""
    here, there = await sim.peer("here"), await sim.peer("there")
    ours = there.enliven(here.publish(here.spawn(Pledger)), Pledger)
    theirs = here.enliven(there.publish(there.spawn(Pledger)), Pledger)
    return here, there, await ours, await theirs


@pytest.mark.parametrize("seed", range(20))
def test_t33_two_promises_of_two_peers_that_are_resolved_to_each_other_break(seed: int) -> None:
    async def program(sim: testing.Simulation) -> None:
        _here, _there, ours, theirs = await two(sim)
        (mine,), (yours,) = await asyncio.gather(ours.promised(), theirs.promised())
        # `mine` is at home here and held there, `yours` the other way round.
        if seed % 2:
            pipelined = mine.anything()
            pipelined_too = yours.anything()
        ours.fulfill(yours)
        theirs.fulfill(mine)
        outcomes = await asyncio.gather(mine, yours, return_exceptions=True)
        for outcome in outcomes:
            assert isinstance(outcome, hob.PromiseCycle | hob.RemoteRefused), outcome
            assert "a promise was resolved to itself" in str(outcome)
        if seed % 2:
            await asyncio.gather(pipelined, pipelined_too, return_exceptions=True)

    simulate(program, seed)


@pytest.mark.parametrize("seed", range(5))
def test_t33_an_answer_that_waits_for_itself_on_another_peer_breaks(seed: int) -> None:
    """We ask there for what our own object answers, and our own object answers with that very answer."""

    async def program(sim: testing.Simulation) -> None:
        here, _there, _ours, theirs = await two(sim)
        kept: list[Any] = []
        mine = here.spawn(lambda *args: kept[0])
        answer = theirs.call_back(mine)
        kept.append(answer)
        with pytest.raises((hob.PromiseCycle, hob.RemoteRefused), match="resolved to itself"):
            await answer
        kept.clear()

    simulate(program, seed)


@pytest.mark.parametrize("seed", range(5))
def test_t33_a_circle_of_three_peers_waits_in_peace_and_breaks_with_a_session(seed: int) -> None:
    async def program(sim: testing.Simulation) -> None:
        peers = [await sim.peer(name) for name in ("ann", "bob", "cyd")]
        uris = [peer.publish(peer.spawn(Pledger)) for peer in peers]
        nexts = [
            await peer.enliven(uri, Pledger) for peer, uri in zip(peers, uris[1:] + uris[:1], strict=True)
        ]
        owns = [peer.enliven(uri, Pledger) for peer, uri in zip(peers, uris, strict=True)]
        # Each resolves its own promise to that of the next one.
        held = [(await pledger.promised())[0] for pledger in nexts]
        for own, promise in zip(owns, held, strict=True):
            own.fulfill(promise)
        await asyncio.sleep(60.0)
        said = [session.stats.messages_sent for peer in peers for session in peer.sessions]
        await asyncio.sleep(600.0)
        assert said == [session.stats.messages_sent for peer in peers for session in peer.sessions]
        sim.network.sever("ann", "bob")
        outcomes = await asyncio.gather(*held, return_exceptions=True)
        assert all(isinstance(outcome, Exception) for outcome in outcomes)

    simulate(program, seed)


@pytest.mark.parametrize("seed", range(5))
def test_who_is_answered_with_a_promise_of_its_own_gets_what_that_settles_to(seed: int) -> None:
    async def program(sim: testing.Simulation) -> None:
        _here, _there, ours, theirs = await two(sim)
        (mine,) = await ours.promised()  # there's view of a promise that is at home here
        (home,) = (await theirs.same((mine,)))[0:1]
        answer = theirs.same(ours)
        assert await (await answer).numbers() == ()
        ours.fulfill(7)
        assert await mine == 7
        assert await home == 7

    simulate(program, seed)


KINDS = ["here", "there", "elsewhere", "promise there", "promise elsewhere"]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", KINDS)
def test_messages_through_one_reference_arrive_in_the_order_sent(kind: str, seed: int) -> None:
    """Wherever the promise leads that they are sent through, and whenever that becomes known."""

    async def program(sim: testing.Simulation) -> None:
        here, _there, _ours, theirs = await two(sim)
        elsewhere = await sim.peer("elsewhere")
        third = here.enliven(elsewhere.publish(elsewhere.spawn(Pledger)), Pledger)
        near = here.spawn(Pledger)
        (promise,) = await theirs.promised()
        if "promise" in kind:
            # What it is resolved to is itself a promise, which settles later.
            middle = (await (theirs if "there" in kind else third).promised_new())[0]
        goals: dict[str, Any] = {"here": near, "there": theirs, "elsewhere": third}
        goal = goals[kind.split()[-1]] if "promise" not in kind else near
        sent = 0

        async def send(count: int) -> None:
            nonlocal sent
            for _ in range(count):
                send_only(promise.note)(sent)
                sent += 1
                if sim.rng.random() < 0.3:
                    await asyncio.sleep(sim.rng.uniform(0.0, 0.1))

        await send(10)
        theirs.fulfill(middle if "promise" in kind else goal)
        await send(20)
        if "promise" in kind:
            (theirs if "there" in kind else third).fulfill_new(goal)
            await send(20)
        await promise
        await send(10)
        assert await promise.numbers() == tuple(range(sent))

    simulate(program, seed)
