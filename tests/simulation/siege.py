"""Invariant 13 where it is hardest: a peer that floods a third one through an honest one between them.

::

    mallory ══flood══▶ bob ──▶ cyd          ann ──▶ bob ──▶ cyd, bob ──▶ cyd: honest calls, all the time

Mallory breaks no rule of the protocol, and has no limits of its own. Whatever it does: the sessions of
the others stay, each honest call is answered within `PATIENCE` simulated seconds, and of what cyd takes
of bob a part is always left.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

from hobgoblin import Actor, HobgoblinError, Limits, Peer, method, new_promise, send_only, spawn
from hobgoblin.captp.handoffs import sign_give
from hobgoblin.connection import Connection
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import DescSigEnvelope
from hobgoblin.peer import MAX_DIALS
from hobgoblin.refs import RemoteRef
from hobgoblin.sessions import PeerSession
from hobgoblin.testing import Faults, Simulation
from tests.simulation.tokens import Violation

LIMITS = Limits(
    **dict.fromkeys(("exports", "imports", "answers", "queued_messages"), 300),
    listeners=150,
    promise_messages=40,
    gifts=100,
    message_bytes=20_000,
    promise_bytes=60_000,
    queued_bytes=100_000,
    outbound_bytes=100_000,
)

DELAYS = ((0.001, 0.001), (0.001, 0.02), (0.01, 0.05))

PATIENCE = 16
"""How long an honest call may take, in longest delays: four it needs, and what is before it must leave."""

KEPT = 8
"""One in so many of what cyd takes of bob is always left, whatever mallory does."""

ROUNDS = 12


class Thing(Actor):
    """Says how it is, makes things and promises, and keeps what it is given."""

    def __init__(self) -> None:
        self.kept: Any = None
        self.resolvers: list[Any] = []

    @method
    def hi(self, *things: object) -> str:
        return "hi"

    @method
    async def never(self, *things: object) -> None:
        await asyncio.Event().wait()

    @method
    def pledge(self) -> Any:
        promise, resolver = new_promise()
        self.resolvers.append(resolver)
        return promise

    @method
    def pledges(self, count: int) -> Any:
        return [self.pledge() for _ in range(count)]

    @method
    def make(self, count: int) -> Any:
        return [spawn(Thing) for _ in range(count)]

    @method
    def text(self, length: int) -> str:
        return "x" * length

    @method
    def keep(self, thing: Any) -> None:
        self.kept = thing

    @method
    def give_back(self) -> Any:
        return self.kept


class Mallory(Peer):
    """A peer that can hand over certificates of its own making."""

    forged: dict[RemoteRef, DescSigEnvelope]

    def introduce(self, connection: Connection, target: RemoteRef) -> DescSigEnvelope | None:
        return self.forged.get(target) or super().introduce(connection, target)


class Siege:
    """One seed of it."""

    def __init__(self, seed: int) -> None:
        rng = Random(f"{seed}:siege")
        names = list(FLOODS)
        self.floods = rng.sample(names, rng.choice((1, 1, 2)))
        self.delay = rng.choice(DELAYS)
        faults = Faults(
            delay=self.delay,
            split=rng.choice((0.0, 0.5)),
            coalesce=rng.choice((0.0, 0.5)),
            collect=rng.choice((0.0, 0.01)),
        )
        self.sim = Simulation(seed, faults=faults, check=self._check)
        self.rng = rng
        self.seed = seed
        self.kept: list[Any] = []
        self.honest: dict[str, Peer] = {}
        self.over = False
        self.lost: list[str] = []

    def run(self) -> str:
        """Run it; return the trace. Raises what is wrong."""
        logger = logging.getLogger("hobgoblin")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            # What cyd never answers is never given back.
            self.sim.run(self._program, leaks=False)
        except BaseException as error:
            error.add_note(f"siege {self.seed}: {self.floods}, delay {self.delay}")
            raise
        finally:
            logger.setLevel(level)
            gc.collect()
        return self.sim.trace

    async def _program(self, sim: Simulation) -> None:
        for name in ("ann", "bob", "cyd", "dan"):
            self.honest[name] = await sim.peer(name, limits=LIMITS, on_session=self._told(name))
        self.mallory = Mallory(
            sim.network.netlayer("mallory"), name="mallory", entropy=sim.entropy("mallory")
        )
        self.mallory.forged = {}
        await self.mallory.start()
        sim.peers["mallory"] = self.mallory
        ann, bob, cyd, dan = self.honest.values()
        self.at_bob = await bob.enliven(cyd.publish(cyd.spawn(Thing)), Thing)
        keeper = bob.spawn(Thing)
        await keeper.keep(self.at_bob)
        self.uri = bob.publish(keeper)
        anns = await ann.enliven(self.uri, Thing)
        # What mallory has is reached by cyd through bob.
        self.own = bob.spawn(Thing)
        await self.own.keep(await bob.enliven(self.mallory.publish(self.mallory.spawn(Thing)), Thing))
        self.cyds = await cyd.enliven(bob.publish(self.own), Thing)
        await self.cyds.hi()
        tasks = [asyncio.create_task(self._flood(FLOODS[name])) for name in self.floods]
        dans = await ann.enliven(dan.publish(dan.spawn(Thing)), Thing)
        try:
            for number in range(ROUNDS):
                await self._within("bob's own call", self.at_bob.hi())
                await self._within("ann's call through bob", anns.give_back().hi())
                if number == ROUNDS // 2:
                    # To dial a peer and say hello takes some more.
                    await self._within("a hand-off to bob", bob_asks(anns, dans), 4)
                await asyncio.sleep(self.delay[1])
        finally:
            self.over = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.kept.clear()

    async def _flood(self, flood: Callable[[Siege, Any], Coroutine[Any, Any, None]]) -> None:
        while not self.over:
            # Who was cut off comes back.
            with suppress(HobgoblinError):
                await flood(self, await self.mallory.enliven(self.uri, Thing))
            await asyncio.sleep(0.001)

    async def _within(self, what: str, answer: Any, times: int = 1) -> None:
        before = self.sim.time
        try:
            await answer
        except Exception as error:
            raise Violation(f"13, 23: {what} breaks: {type(error).__name__}: {error}") from error
        took = self.sim.time - before
        if took > PATIENCE * times * self.delay[1]:
            raise Violation(f"13: {what} takes {took / self.delay[1]:.0f} delays")

    def _told(self, name: str) -> Callable[[PeerSession], None]:
        def told(session: PeerSession) -> None:
            if (
                session.severed_because is not None
                and session.peer.designator in self.honest
                and not self.over
            ):
                self.lost.append(f"{name} and {session.peer.designator}: {session.severed_because}")

        return told

    def _check(self, sim: Simulation) -> None:
        if self.lost and not self.over:
            raise Violation(f"13: a session of honest peers ends: {self.lost[0]}")
        if self.over or len(self.honest) < 4:
            return
        bob = self.honest["bob"]
        if len(bob._dials) > MAX_DIALS - MAX_DIALS // KEPT:
            raise Violation("13: hand-offs use up the dials of all")
        for connection in self.honest["cyd"].connections:
            location = connection.session.peer_location
            if location is not None and location.designator == "bob":
                self._check_rest(connection)
        for connection in bob.connections:
            if self.sim.rng.random() < 0.05:
                connection.session.check()

    def _check_rest(self, connection: Connection) -> None:
        """Of all that cyd takes of bob something is left, as bob itself asks for next to nothing."""
        stats = connection.session.stats()
        for name in ("imports", "answers", "listeners", "queued_messages", "queued_bytes"):
            most = getattr(LIMITS, name)
            if getattr(stats, name) > most - most // KEPT:
                raise Violation(f"13: of the {most} {name} at cyd, {getattr(stats, name)} are mallory's")


async def bob_asks(anns: Any, thing: Any) -> None:
    await anns.keep(thing)
    await anns.give_back().hi()


# What mallory does


async def one_way_to_a_promise(siege: Siege, keeper: Any) -> None:
    gate = keeper.give_back().pledge()
    for _ in range(40):
        for _ in range(20):
            send_only(gate.hi)()
        await asyncio.sleep(0.002)


async def one_way_to_promises(siege: Siege, keeper: Any) -> None:
    gates = [keeper.give_back().pledge() for _ in range(10)]
    for _ in range(40):
        for gate in gates:
            send_only(gate.hi)()
            send_only(gate.hi)()
        await asyncio.sleep(0.002)


async def one_way_calls_that_never_end(siege: Siege, keeper: Any) -> None:
    far = keeper.give_back()
    for _ in range(40):
        for _ in range(20):
            send_only(far.never)()
        await asyncio.sleep(0.002)


async def long_messages(siege: Siege, keeper: Any) -> None:
    gate = keeper.give_back().pledge()
    for _ in range(20):
        send_only(gate.hi)("x" * 9_000)
        await asyncio.sleep(0.002)


async def calls_that_never_end(siege: Siege, keeper: Any) -> None:
    far = keeper.give_back()
    for _ in range(20):
        siege.kept += [far.never()._excuse() for _ in range(20)]
        await asyncio.sleep(0.002)


async def answers_that_are_kept(siege: Siege, keeper: Any) -> None:
    far = keeper.give_back()
    for _ in range(20):
        siege.kept += [far.hi()._excuse() for _ in range(20)]
        await asyncio.sleep(0.002)


async def parts(siege: Siege, keeper: Any) -> None:
    gate = keeper.give_back().pledge()
    for _ in range(20):
        siege.kept += [gate[number]._excuse() for number in range(20)]
        await asyncio.sleep(0.002)


async def parts_that_are_dropped(siege: Siege, keeper: Any) -> None:
    gate = keeper.give_back().pledge()
    for _ in range(20):
        for number in range(20):
            gate[number]
        await asyncio.sleep(0.02)


async def listeners(siege: Siege, keeper: Any) -> None:
    far = keeper.give_back()
    for _ in range(10):
        promises = await far.pledges(20)
        siege.kept += promises
        for promise in promises:
            promise._listen(Listener())


async def references_in_messages(siege: Siege, keeper: Any) -> None:
    far = keeper.give_back()
    for _ in range(30):
        send_only(far.never)(*[siege.mallory.spawn(Thing) for _ in range(20)])
        await asyncio.sleep(0.002)


async def references_of_cyd(siege: Siege, keeper: Any) -> None:
    far = keeper.give_back()
    for _ in range(20):
        siege.kept += [far.make(1)._excuse() for _ in range(10)]
        await asyncio.sleep(0.002)


async def references_in_answers(siege: Siege, keeper: Any) -> None:
    """Cyd asks, which is no fault, and mallory answers with more than it has asked for."""
    await asked_by_cyd(siege, [siege.cyds.give_back().make(60) for _ in range(10)])


async def long_answers(siege: Siege, keeper: Any) -> None:
    await asked_by_cyd(siege, [siege.cyds.give_back().text(15_000) for _ in range(20)])


async def asked_by_cyd(siege: Siege, answers: list[Any]) -> None:
    siege.kept += answers
    for answer in answers:
        with suppress(HobgoblinError):
            await answer


async def dials(siege: Siege, keeper: Any) -> None:
    bobs = await keeper
    connection = bobs._sink
    for _ in range(3):
        references = []
        for _ in range(2 * MAX_DIALS):
            reference = RemoteRef(connection, 0)
            reference._sink = Elsewhere(siege.mallory)  # type: ignore[assignment]
            siege.mallory.forged[reference] = sign_give(
                connection.keys,
                receiver_key=connection.session.peer_key,
                exporter=PeerLocator("simulated", f"nobody{siege.rng.random()}", {}),
                session=connection.session.session_id,
                gift_id=bytes(32),
            )
            references.append(reference)
        # As many as fit into a message.
        for start in range(0, LIMITS.gifts, 20):
            send_only(bobs.hi)(*references[start : start + 20])
        await asyncio.sleep(0.01)
    siege.mallory.forged.clear()


class Listener:
    """Has a promise listened to."""

    def settled(self, promise: object) -> None:
        """That is all."""


class Elsewhere:
    """What a made up reference is behind."""

    def __init__(self, peer: Peer) -> None:
        self.home = peer.vat


FLOODS: dict[str, Callable[[Siege, Any], Coroutine[Any, Any, None]]] = {
    flood.__name__: flood
    for flood in (
        one_way_to_a_promise,
        one_way_to_promises,
        one_way_calls_that_never_end,
        long_messages,
        calls_that_never_end,
        answers_that_are_kept,
        parts,
        parts_that_are_dropped,
        listeners,
        references_in_messages,
        references_of_cyd,
        references_in_answers,
        long_answers,
        dials,
    )
}


def besiege(seed: int) -> str:
    """Run a seed; return the trace. Raises what is wrong."""
    return Siege(seed).run()
