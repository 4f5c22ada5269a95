"""Whole networks of peers in one thread, in simulated time, from one seed.

::

    def test_a_bid_arrives() -> None:
        async def program(sim: testing.Simulation) -> None:
            auction, bidder = await sim.peer("auction"), await sim.peer("bidder")
            uri = auction.publish(auction.spawn(Auction))
            assert await bidder.enliven(uri, Auction).bid(3)

        for seed in range(100):
            testing.Simulation(seed, faults=testing.Faults.drawn(seed)).run(program)

The peers are the real ones, from vat to octets; only the network, the clock and chance are simulated.
So a seed that fails, fails again, in the same way, on any machine.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from traceback import format_exception
from typing import Any, Final, TypeVar, final

from hobgoblin.crypto import Entropy
from hobgoblin.peer import Peer
from hobgoblin.testing.leaks import Leak, assert_no_leaks
from hobgoblin.testing.loop import SimulatedLoop
from hobgoblin.testing.network import Arrival, Faults, SimulatedNetwork
from hobgoblin.testing.transcript import Entry, Transcript

__all__ = ["Simulation"]

T = TypeVar("T")

SETTLE_SECONDS: Final = 1000.0
"""How long the peers may take to let go of everything: longer than any time limit of the protocol."""

EPOCH: Final = 1_800_000_000.0
"""When simulations begin, in seconds since 1970."""

GATHER_SECONDS: Final = 120.0
"""How long tasks and timers may take to end once all peers have been closed."""


@final
class Simulation:
    """A network, a clock and chance, all of one seed. Good for one `run`.

    Args:
        seed: what everything is drawn from.
        faults: what goes wrong on the network; by default nothing. `Faults.drawn` draws them, too.
        seconds: how long the program may take, in simulated seconds.
        check: called after everything that arrives; raises if something is not as it has to be.
        transcripts: whether to keep what is said on each channel, in `transcripts`, and to tell the last
            of it in the note of a failure. The run is the same, and takes longer.
    """

    def __init__(
        self,
        seed: int,
        *,
        faults: Faults | None = None,
        seconds: float = 86_400.0,
        check: Callable[[Simulation], object] | None = None,
        transcripts: bool = False,
    ) -> None:
        self.seed = seed
        self.rng = Random(f"{seed}:program")
        """For the program's own choices."""
        self.network = SimulatedNetwork(
            Random(f"{seed}:network"), Faults() if faults is None else faults, self._arrived
        )
        self.peers: dict[str, Peer] = {}
        """The peers that `peer` has made, by name; closed ones among them."""
        self.transcripts: dict[int, Transcript] = {}
        """If asked for: the messages that have arrived on each channel, by its number (`Arrival.channel`)."""
        self._keeps_transcripts = transcripts
        self._said: deque[tuple[Arrival, Entry]] = deque(maxlen=20)
        self._collector = Random(f"{seed}:collector")
        self._check = check
        self._failures: list[BaseException] = []
        self._loop = SimulatedLoop(seconds)
        self._used = False

    def __repr__(self) -> str:
        return f"<Simulation seed={self.seed} at {self._loop.time():.3f} s, trace {self.network.trace}>"

    @property
    def time(self) -> float:
        """The simulated seconds since the beginning."""
        return self._loop.time()

    @property
    def trace(self) -> str:
        """A hash of all that has crossed the network. The same seed gives the same one."""
        return self.network.trace

    def entropy(self, name: str) -> Entropy:
        """Return a source of octets that look random and depend on the seed and ``name`` alone."""
        rng = Random(f"{self.seed}:entropy:{name}")
        return rng.randbytes

    async def peer(self, name: str, *, listen: bool = True, **options: Any) -> Peer:
        """Make a peer on the network and start it. It is closed when the simulation ends.

        Args:
            name: its name on the network; several must differ.
            listen: whether others can dial it.
            options: what `Peer` takes.
        """
        options.setdefault("entropy", self.entropy(name))
        options.setdefault("wall_clock", lambda: EPOCH + self.time)
        peer = Peer(self.network.netlayer(name, listen=listen), name=name, **options)
        await peer.start()
        self.peers[name] = peer
        return peer

    def run(self, program: Callable[[Simulation], Coroutine[Any, Any, T]], *, leaks: bool = True) -> T:
        """Run ``program(self)`` to its end and return what it returns.

        Then nothing new goes wrong any more, and the peers must let go of everything
        (see `hobgoblin.testing.assert_no_leaks`); at last they are closed, and no task and no
        timer may be left.

        Args:
            program: an ``async def`` function. What it returns should hold no reference.
            leaks: whether to look for leaks. A program that ends while peers keep references to each
                other in a circle has some.

        Raises:
            Leak: something is left.
            Deadlock: the program waits, and nothing can happen any more.
            TimeUp: it has not ended in time.
            BaseException: what the program raises, with a note that tells the seed and what crossed last.
        """
        if self._used:
            raise RuntimeError("a simulation runs once: make a new one, with the same seed for the same run")
        self._used = True
        collected = gc.isenabled()
        gc.disable()
        gc.freeze()  # what exists already is none of our garbage, and to look through it takes long
        try:
            with asyncio.Runner(loop_factory=self._make_loop) as runner:
                return runner.run(self._main(program, leaks))
        except BaseException as error:
            error.add_note(self._note())
            raise
        finally:
            gc.unfreeze()
            if collected:
                gc.enable()

    async def _main(self, program: Callable[[Simulation], Coroutine[Any, Any, T]], leaks: bool) -> T:
        try:
            result = await program(self)
            self.network.calm()
            if leaks:
                await assert_no_leaks(
                    *(peer for peer in self.peers.values() if not peer.vat.stopped), within=SETTLE_SECONDS
                )
        finally:
            for peer in self.peers.values():
                await peer.close()
        await self._gather()
        if self._failures:
            raise self._failures[0]
        return result

    async def _gather(self) -> None:
        """Assert that nothing is left that runs, or will."""
        end = self.time + GATHER_SECONDS
        while True:
            gc.collect()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            timers = self._loop.timers()
            if not tasks and not timers:
                return
            if self.time >= end:
                left = [*sorted(map(repr, tasks)), *map(repr, timers)]
                raise Leak("\n".join(["what is left after all peers have been closed:", *left]))
            await asyncio.sleep(1.0)

    def _make_loop(self) -> SimulatedLoop:
        self._loop.set_exception_handler(self._failed)
        return self._loop

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._failures.append(error if isinstance(error, BaseException) else RuntimeError(context["message"]))

    def _arrived(self, arrival: Arrival) -> None:
        if self._keeps_transcripts:
            self._take_down(arrival)
        if self._collector.random() < self.network.faults.collect:
            gc.collect()
        if self._failures:
            return
        if self._check is not None:
            try:
                self._check(self)
            except Exception as error:
                self._failures.append(error)

    def _take_down(self, arrival: Arrival) -> None:
        # A peer that dials itself is turned away; there is nobody to tell from each other.
        if isinstance(arrival.octets, str) or arrival.sender == arrival.receiver:
            return
        transcript = self.transcripts.get(arrival.channel)
        if transcript is None:
            transcript = self.transcripts[arrival.channel] = Transcript(arrival.sender, arrival.receiver)
        self._said.extend((arrival, entry) for entry in transcript.take(arrival.sender, arrival.octets))

    def _last_said(self) -> str:
        if not self._keeps_transcripts:
            return "(what was said last, Simulation(…, transcripts=True) tells)"
        lines = [
            f"{arrival.time:10.4f}  #{arrival.channel}  {self.transcripts[arrival.channel].line(entry)}"
            for arrival, entry in self._said
        ]
        return "\n".join(["What was said last:", *(lines or ["  nothing"])])

    def _note(self) -> str:
        recent = "\n".join(map(str, self.network.recent))
        failures = "".join(["".join(format_exception(error)) for error in self._failures])
        return (
            f"Simulation(seed={self.seed}), after {self.time:.4f} s; trace {self.trace}\n"
            f"{self.network.faults}\n"
            f"What arrived last:\n{recent or '  nothing'}\n"
            f"{self._last_said()}" + (f"\nWhat failed meanwhile:\n{failures}" if failures else "")
        )
