"""A network of peers that do what peers can do, at random, all of it drawn from one seed.

Every call carries a ticket, by which the `Oracle` knows who sent it to whom, through which reference
and what it holds. What a peer has got it keeps in its pocket, and sends on, or drops.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NamedTuple

from hobgoblin import Actor, Refused, method, new_promise, send_only
from hobgoblin.connection import Connection
from hobgoblin.crypto import SwissNum
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.messages import DescSigEnvelope
from hobgoblin.peer import Peer
from hobgoblin.refs import FULFILLED, PENDING, Promise, Ref, RemoteRef
from hobgoblin.testing import Faults, Simulation
from hobgoblin.values import DEFAULT_LIMITS, Limits
from tests.simulation.byzantine import Byzantine
from tests.simulation.oracle import Oracle, Tally
from tests.simulation.tokens import BREAKS, CANARY, DATA, Token, Violation

NAMES = ("ann", "bob", "cyd", "dan")
BYZANTINE = "mallory"

FEATURES = {
    # name: how likely it is in a seed at all, and how often it is then drawn
    "call": (1.0, 30),
    "chase": (0.8, 8),
    "settle": (0.9, 8),
    "drop": (0.9, 8),
    "collect": (0.6, 3),
    "enliven": (1.0, 6),
    "crossed": (0.4, 2),
    "sleep": (1.0, 12),
    "sever": (0.7, 9),
    "silence": (0.15, 1),
    "stall": (0.25, 3),
    "close": (0.08, 1),
}

KINDS = ("note", "note", "note", "echo", "make", "pledge", "ask", "tell", "fail")
"""What objects can be asked for. Selections (``promise["field"]``) belong here once there are any."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed stands for; printed when it fails."""

    seed: int
    peers: int
    byzantine: bool
    steps: int
    weights: dict[str, int]
    kinds: tuple[str, ...]
    faults: Faults
    limits: Limits
    calm: bool
    """Nothing goes wrong on the network: no honest promise may break for its sake."""

    @classmethod
    def drawn(cls, seed: int) -> Plan:
        rng = Random(f"{seed}:plan")
        byzantine = rng.random() < 1 / 3
        calm = rng.random() < 0.25
        weights = {name: often for name, (chance, often) in FEATURES.items() if rng.random() < chance}
        faults = Faults.drawn(seed)
        # To run it takes as long as ten messages.
        faults = replace(faults, collect=min(faults.collect, 0.05))
        if calm:
            # Channels linger for 2 s, and crossed hellos wait as long: longer delays are faults.
            faults = replace(
                faults, sever=0.0, half_open=0.0, refuse=0.0, delay=min(faults.delay, (0.01, 0.5))
            )
            for name in ("sever", "silence", "stall", "close"):
                weights.pop(name, None)
        kinds = tuple(kind for kind in KINDS if kind == "note" or rng.random() < 0.8)
        limits = DEFAULT_LIMITS
        if byzantine and rng.random() < 0.5:
            limits = replace(
                limits,
                **dict.fromkeys(("imports", "exports", "answers", "listeners"), 250),
                **dict.fromkeys(("queued_messages", "promise_messages"), 250),
                gifts=20,
                message_bytes=20_000,
                gift_seconds=60.0,
            )
        if byzantine:
            weights["attack"] = rng.choice((5, 20, 40))
        peers = rng.choice((2, 3, 3, 3, 4)) - (1 if byzantine and rng.random() < 0.5 else 0)
        return cls(seed, max(2, peers), byzantine, rng.randint(20, 50), weights, kinds, faults, limits, calm)


class Item(NamedTuple):
    """A reference that a peer has, and what it refers to."""

    reference: Any
    token: Token


class WatchedPeer(Peer):
    """A peer that lets the oracle see its connections."""

    oracle: Oracle

    def _connection(self, netlayer: Any, dialled: PeerLocator | None) -> Connection:
        connection = super()._connection(netlayer, dialled)
        self.oracle.join(connection, self._name)
        self.oracle.watch_desk(self._desks[connection])
        return connection

    def _severed(self, connection: Connection) -> None:
        super()._severed(connection)
        self.oracle.severed(connection)

    def _fail_dial(self, dial: Any, error: Exception) -> None:
        self.oracle.faulty = True
        super()._fail_dial(dial, error)

    def introduce(self, connection: Connection, target: RemoteRef) -> DescSigEnvelope | None:
        before = len(self.oracle.secrets)
        certificate = super().introduce(connection, target)
        del self.oracle.secrets[before:]  # the id of a gift is for others to know
        self.oracle.tally.handoffs += certificate is not None
        return certificate


class Thing(Actor):
    """An object of the world: a recorder, keeper, maker, pledger, caller and echoer in one."""

    def __init__(self, world: World, peer: str, token: Token) -> None:
        self._world = world
        self._peer = peer
        self._token = token

    def _got(self, ticket: object, *things: Any) -> tuple[Token, list[Item]]:
        """Report a call; return the token of its answer, and what came with it."""
        oracle = self._world.oracle
        try:
            letter = oracle.arrived(ticket, self._token, self._peer, things)
        except Exception as error:
            oracle.failures.append(error)  # to the vat it is a method that fails
            raise
        if letter is None:
            raise Refused("no ticket")
        items = [Item(*pair) for pair in zip(things, letter.things, strict=True)]
        self._world.keep(self._peer, items)
        return letter.answer, items

    @method
    def note(self, ticket: Any, *things: Any) -> str:
        self._got(ticket, *things)
        return "noted"

    @method
    def echo(self, ticket: Any, thing: Any) -> Any:
        self._got(ticket, thing)
        return thing

    @method
    def make(self, ticket: Any, *things: Any) -> Any:
        answer, _ = self._got(ticket, *things)
        thing = self._world.make(self._peer)
        answer.decision = thing.token
        return thing.reference

    @method
    def pledge(self, ticket: Any, *things: Any) -> Any:
        answer, _ = self._got(ticket, *things)
        pledge = self._world.pledge(self._peer)
        answer.decision = pledge.token
        return pledge.reference

    @method
    async def ask(self, ticket: Any, other: Any) -> Any:
        answer, items = self._got(ticket, other)
        inner = self._world.send(self._peer, items[0], "make", [])
        answer.decision = inner.token
        return await inner.reference

    @method
    def tell(self, ticket: Any, other: Any, *things: Any) -> None:
        _, items = self._got(ticket, other, *things)
        for _ in range(3):
            self._world.send(self._peer, items[0], "note", items[1:])

    @method
    def fail(self, ticket: Any, *things: Any) -> None:
        self._got(ticket, *things)
        raise RuntimeError(CANARY)


class World:
    """What happens in a seed: `run` is the program of its simulation."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.oracle = Oracle(
            byzantine=BYZANTINE if plan.byzantine else None,
            codec_every=1 if plan.seed % 20 == 0 else 16,
            calm=plan.calm,
        )
        self.sim = Simulation(plan.seed, faults=plan.faults, check=self._check)
        self.rng = self.sim.rng
        self.peers: dict[str, WatchedPeer] = {}
        self.pockets: dict[str, list[Item]] = {}
        self.pledges: list[tuple[str, Token, Any]] = []
        self.published: dict[str, list[tuple[str, Token]]] = {}
        self.byzantine: Byzantine | None = None
        self.over = False

    def run(self) -> Tally:
        """Run the simulation and return what happened in it. Raises what is wrong."""
        logger = logging.getLogger("hobgoblin")
        propagate, logger.propagate = logger.propagate, False
        logger.addHandler(self.oracle)
        try:
            self.sim.run(self._program)
            if self.oracle.failures:
                raise self.oracle.failures[0]
        except BaseException as error:
            error.add_note(f"{self.plan}\nTo run just this: python -m tests.simulation {self.plan.seed}")
            raise
        finally:
            logger.removeHandler(self.oracle)
            logger.propagate = propagate
        return self.oracle.tally

    def _check(self, sim: Simulation) -> None:
        arrival = sim.network.recent[-1]
        if arrival.receiver in self.peers:
            self.oracle.check(arrival.receiver, arrival.channel, arrival.octets)

    # What objects do

    def make(self, name: str) -> Item:
        token = self.oracle.token(home=name)
        reference: Any = self.peers[name].spawn(Thing(self, name, token))
        self.oracle.objects[reference] = token
        return Item(reference, token)

    def pledge(self, name: str) -> Item:
        """Make a promise within a turn of a peer, to be decided later."""
        promise, resolver = new_promise()
        token = self.oracle.token()
        token.audience.add(name)
        if self.over:
            token.decision = DATA
            send_only(resolver.fulfill)(0)
        else:
            self.pledges.append((name, token, resolver))
        self.oracle.watch(promise, token)
        return Item(promise, token)

    def keep(self, name: str, items: list[Item]) -> None:
        for item in items:
            if isinstance(item.reference, Promise) and self.rng.random() < 0.6:
                self.oracle.watch(item.reference, item.token)
            if self.rng.random() < 0.7 and not self.over:
                self.pockets[name].append(item)

    def send(self, name: str, to: Item, kind: str, things: list[Item], *, only: bool = False) -> Item:
        """Call an object; return the answer (of nobody, if ``only``)."""
        reference, target = to
        if not isinstance(reference, Ref):
            raise Violation(f"6: {reference!r} is to be sent to")
        ticket = f"{len(self.oracle.letters)}-{self.rng.getrandbits(64):x}"
        tokens = tuple(thing.token for thing in things)
        letter = self.oracle.letter(name, reference, target, tokens, ticket)
        answer = letter.answer
        match kind:
            case "note" | "tell":
                answer.decision = DATA
            case "fail":
                answer.decision = BREAKS
            case "echo":
                answer.decision = tokens[0]
            case "ask":
                answer.tainted = answer.tainted or tokens[0].tainted
        args = [ticket, *(thing.reference for thing in things)]
        if only:
            send_only(getattr(reference, kind))(*args)
            return Item(None, answer)
        promise = getattr(reference, kind)(*args)
        self.oracle.watch(promise, answer)
        return Item(promise, answer)

    # What happens

    async def _program(self, sim: Simulation) -> None:
        plan = self.plan
        for name in NAMES[: plan.peers]:
            await self._join(name)
        if plan.byzantine:
            self.byzantine = Byzantine(sim, BYZANTINE, NAMES[: plan.peers])
            await self.byzantine.start()
            for name in self.peers:
                self._enliven(name, BYZANTINE)
        try:
            await self._live()
            sim.network.calm()
            self.oracle.ending = True
            await self.honest_calls()
        finally:
            if self.byzantine is not None:
                await self.byzantine.close()
        await self._decide()
        self.oracle.finish()
        self.over = True
        for pocket in self.pockets.values():
            pocket.clear()

    async def _join(self, name: str) -> None:
        entropy = self.sim.entropy(name)

        def remembered(count: int) -> bytes:
            octets = entropy(count)
            self.oracle.secrets += (octets.hex(), repr(octets)[2:-1])
            return octets

        layer = self.sim.network.netlayer(name)
        peer = WatchedPeer(layer, name=name, entropy=remembered, limits=self.plan.limits)
        peer.oracle = self.oracle
        await peer.start()
        self.sim.peers[name] = self.peers[name] = self.oracle.peers[name] = peer
        self.oracle.watch_gifts(name, peer._gifts)
        self.pockets[name] = [self.make(name) for _ in range(2)]
        self.published[name] = [(peer.publish(item.reference), item.token) for item in self.pockets[name]]
        self.oracle.secrets += (uri.rpartition("/s/")[2] for uri, _ in self.published[name])

    async def _live(self) -> None:
        names, weights = list(self.plan.weights), list(self.plan.weights.values())
        for _ in range(self.plan.steps):
            for name in self.rng.choices(names, weights, k=self.rng.randint(1, 4)):
                if name == "sleep":
                    await asyncio.sleep(self.rng.choice((0.0, 0.001, 0.01, 0.1, 1.0)))
                elif name == "close":
                    await self._close()
                else:
                    getattr(self, f"_step_{name}")()

    def _open(self) -> list[str]:
        return [name for name, peer in self.peers.items() if not peer.vat.stopped]

    def _some(self, name: str) -> Item | None:
        pocket = self.pockets[name]
        if not pocket:
            return None
        item = self.rng.choice(pocket)
        if self.rng.random() < 0.3 and isinstance(item.reference, Promise):
            # As if somebody had awaited it: another reference to the same object.
            value = item.reference._value if item.reference._state == FULFILLED else None
            if isinstance(value, Ref):
                return Item(value, item.token)
        return item

    def _thing(self, name: str, to: Item) -> Item | None:
        """Return something to send, more often than not of a third party."""
        if self.rng.random() < 0.6:
            here = far_home(to.reference)
            others = [item for item in self.pockets[name] if far_home(item.reference) not in (None, here)]
            if others:
                return self.rng.choice(others)
        return self._some(name)

    def _step_call(self) -> None:
        name = self.rng.choice(self._open())
        to = self._some(name)
        if to is None:
            return
        work: Callable[[], None] = lambda: self.oracle.guard(self._call, name, to)  # noqa: E731
        if self.rng.random() < 0.3:
            # Within a turn what is sent sets out when the turn ends.
            self.peers[name].vat.run(work)._heard = True
        else:
            work()

    def _call(self, name: str, to: Item) -> None:
        rng = self.rng
        for _ in range(rng.choice((1, 1, 2, 5))):
            kind = rng.choice(self.plan.kinds)
            most = 2 if rng.random() < 0.6 else 0
            discreet = self.oracle.may_pass(to.reference)
            things = [
                thing
                for thing in (self._thing(name, to) for _ in range(most))
                # Every third object goes only where it is known who gets it.
                if thing is not None and (discreet or thing.token.number % 3)
            ]
            if kind in ("echo", "ask", "tell") and not things:
                kind = "note"
            if kind in ("echo", "ask"):
                things = things[:1]
            if kind == "ask" and things[0].token.waits_for(to.token):
                kind = "note"
            only = kind in ("note", "tell", "fail") and rng.random() < 0.4
            answer = self.send(name, to, kind, things, only=only)
            # What becomes plain data is of little use, but some of it must be there.
            if not only and rng.random() < (0.05 if kind in ("note", "tell", "fail") else 0.6):
                self.pockets[name].append(answer)

    def _step_chase(self) -> None:
        """Ask for a reference, and send through the answer while it becomes known: its way may change."""
        name = self.rng.choice(self._open())
        # Mostly of somebody else; a promise of one's own may come to follow another.
        items = [
            item
            for item in self.pockets[name]
            if far_home(item.reference) is not None or self.rng.random() < 0.2
        ]
        if not items:
            return
        to = self.rng.choice(items)
        if "echo" in self.plan.kinds and self.rng.random() < 0.2:
            self.peers[name].vat.run(self.oracle.guard, self._chase_round, name, to)._heard = True
            return
        kind = self.rng.choice(
            [kind for kind in ("echo", "pledge", "make") if kind in self.plan.kinds] or ["note"]
        )
        thing = None
        if kind == "echo":
            # At best a promise: then the answer follows what we are to tell of it.
            things = (self._thing(name, to) for _ in range(3))
            thing = max(things, key=lambda item: item is not None and is_pending(item.reference))
        if kind == "echo" and (thing is None or thing.token.number % 3 == 0):
            return
        answer = self.send(name, to, kind, [] if thing is None else [thing])
        self.pockets[name].append(answer)
        left = self.rng.randint(3, 8)
        if self.rng.random() < 0.7:
            self._chase(name, answer, left)
        else:
            self.peers[name].vat.run(
                self.oracle.guard, self._chase_follower, name, answer, left
            )._heard = True

    def _chase_round(self, name: str, to: Item) -> None:
        """Send through an answer that is a promise of one's own, until and after that is decided."""
        if self.over:
            return
        pledge = self.pledge(name)
        _, token, resolver = self.pledges.pop()

        def decide() -> None:
            token.decision = to.token
            send_only(resolver.fulfill)(to.reference)

        answer = self.send(name, to, "echo", [pledge])
        self._chase(name, answer, self.rng.randint(8, 14))
        pause = self.rng.uniform(0.5, 2.0) * self.plan.faults.delay[1]
        asyncio.get_running_loop().call_later(pause, decide)

    def _chase_follower(self, name: str, answer: Item, left: int) -> None:
        """Send through a promise of one's own that follows the answer."""
        if self.over:
            return
        pledge = self.pledge(name)
        _, token, resolver = self.pledges.pop()
        token.decision = answer.token
        send_only(resolver.fulfill)(answer.reference)
        self._chase(name, pledge, left)

    def _chase(self, name: str, to: Item, left: int) -> None:
        if self.over or self.peers[name].vat.stopped:
            return
        self.send(name, to, "note", [], only=self.rng.random() < 0.7)
        if left:
            pause = self.rng.choice((0.0, 0.3, 1.0)) * self.plan.faults.delay[1]
            asyncio.get_running_loop().call_later(pause, self._chase, name, to, left - 1)

    def _step_settle(self) -> None:
        if self.pledges:
            self._settle(self.pledges.pop(self.rng.randrange(len(self.pledges))))

    def _settle(self, pledge: tuple[str, Token, Any]) -> None:
        """Decide a promise; sometimes twice, of which the first counts."""
        name, token, resolver = pledge
        if self.peers[name].vat.stopped:
            return
        for first in (True, False) if self.rng.random() < 0.3 else (True,):
            how = self.rng.random()
            item = max((self._some(name) for _ in range(3)), key=promising)
            decision: Token | str = DATA
            if how < 0.15:
                decision = BREAKS
                send_only(resolver.break_)("no")
            elif how < 0.3 or item is None or item.token.waits_for(token):
                send_only(resolver.fulfill)(self.rng.randrange(100))
            else:
                decision = item.token
                send_only(resolver.fulfill)(item.reference)
            if first:
                token.decision = decision

    def _step_drop(self) -> None:
        pocket = self.pockets[self.rng.choice(list(self.pockets))]
        for _ in range(self.rng.randint(1, 4)):
            if len(pocket) > 1:
                pocket.pop(self.rng.randrange(len(pocket)))

    def _step_collect(self) -> None:
        gc.collect()

    def _step_enliven(self) -> None:
        name = self.rng.choice(self._open())
        others = [other for other in (*self.peers, *([BYZANTINE] if self.byzantine else [])) if other != name]
        self._enliven(name, self.rng.choice(others))

    def _step_crossed(self) -> None:
        if len(self._open()) > 1:
            one, other = self.rng.sample(self._open(), 2)
            if not self.plan.calm and self.rng.random() < 0.3:
                self.sim.network.sever(one, other)
            self._enliven(one, other)
            self._enliven(other, one)

    def _enliven(self, name: str, other: str) -> Item:
        if other == BYZANTINE:
            locator = PeerLocator("simulated", BYZANTINE, {})
            uri = SturdyRef(locator, SwissNum(self.rng.randbytes(32))).uri()
            token = self.oracle.token(tainted=True)
        else:
            uri, found = self.rng.choice(self.published[other])
            token = self.oracle.token(decision=found)
        token.audience.add(name)
        promise = self.peers[name].enliven(uri)
        self.oracle.watch(promise, token)
        item = Item(promise, token)
        self.pockets[name].append(item)
        return item

    def _pair(self) -> tuple[str, str]:
        one, other = self.rng.sample(list(self.peers), 2)
        return one, other

    def _step_sever(self) -> None:
        pairs = [
            (name, connection.session.peer_location.designator)
            for name, peer in self.peers.items()
            for connection in peer.connections
            if connection.session.peer_location is not None
        ]
        self.sim.network.sever(*(self.rng.choice(pairs) if pairs else self._pair()))

    def _step_silence(self) -> None:
        self.sim.network.silence(*self._pair())

    def _step_stall(self) -> None:
        if self.rng.random() < 0.4:
            self.sim.network.stall(*self._pair())
        else:
            self.sim.network.heal(*self._pair())

    def _step_attack(self) -> None:
        assert self.byzantine is not None
        self.byzantine.attack()
        self.oracle.tally.attacks += 1

    async def _close(self) -> None:
        if len(self._open()) > 2:
            name = self.rng.choice(self._open())
            self.pockets[name].clear()
            self.oracle.faulty = True
            await self.peers[name].close()

    # At the end

    async def honest_calls(self) -> None:
        """23: between honest peers everything works again, whatever a byzantine one does."""
        await asyncio.sleep(150.0)  # half-open channels have been noticed by now
        for name in self._open():
            for other in self._open():
                if other == name:
                    continue
                if self.byzantine is not None:
                    self.byzantine.attack()
                promise, _ = self._enliven(name, other)
                try:
                    async with asyncio.timeout(120):
                        await promise
                except Exception as error:
                    raise Violation(f"23: {name} does not get an answer of {other}: {error!r}") from error

    async def _decide(self) -> None:
        """Decide all that is open, and wait for the consequences."""
        self.oracle.watch_all()
        await asyncio.sleep(self.plan.limits.handshake_seconds + 10.0)
        pause = 0.1
        while True:
            while self.pledges:
                self._settle(self.pledges.pop())
            gc.collect()
            left = self.oracle.unsettled()
            if not left or self.oracle.failures:
                return
            if pause > 2000:
                raise Violation("20: these never settle: " + "; ".join(left))
            await asyncio.sleep(pause)
            pause *= 2


def is_pending(reference: Any) -> bool:
    return isinstance(reference, Promise) and reference._state == PENDING


def promising(item: Item | None) -> int:
    """Return how much there is to a promise that is resolved to this: messages to it may have far to go."""
    if item is None:
        return 0
    return (
        2
        if is_pending(item.reference) and item.reference._route is not None
        else int(far_home(item.reference) is not None)
    )


def far_home(reference: Any) -> object:
    """Return the session that a reference leads to, if it is known to lead to an object behind one."""
    if isinstance(reference, Promise) and reference._state == FULFILLED:
        reference = reference._value
    return reference._sink if isinstance(reference, RemoteRef) else None


def simulate(seed: int) -> tuple[Tally, str]:
    """Run a seed; return what happened, and the trace. Raises what is wrong."""
    if seed % 20 == 0:
        gc.collect()  # a simulation takes what is there when it begins out of all collections
    world = World(Plan.drawn(seed))
    tally = world.run()
    return tally, world.sim.trace
