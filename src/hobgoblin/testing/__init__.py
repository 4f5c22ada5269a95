"""For tests of programs that use hobgoblin: simulated networks, transcripts.

`Simulation` runs whole networks of peers in one thread, from one seed, with a network that delays,
cuts, joins and loses, and a clock that passes only when nothing else happens. `assert_no_leaks` asks
peers, simulated or not, whether they have let go of everything.

A `Transcript` tells what has crossed a session, as text that may be shown to others.
"""

from hobgoblin.testing.leaks import Leak, assert_no_leaks
from hobgoblin.testing.loop import Deadlock, SimulatedLoop, TimeUp
from hobgoblin.testing.network import Arrival, Faults, SimulatedNetlayer, SimulatedNetwork
from hobgoblin.testing.notation import as_text
from hobgoblin.testing.simulation import Simulation
from hobgoblin.testing.transcript import Entry, Malformed, Transcript, count_round_trips

__all__ = [
    "Arrival",
    "Deadlock",
    "Entry",
    "Faults",
    "Leak",
    "Malformed",
    "SimulatedLoop",
    "SimulatedNetlayer",
    "SimulatedNetwork",
    "Simulation",
    "TimeUp",
    "Transcript",
    "as_text",
    "assert_no_leaks",
    "count_round_trips",
]
