"""For tests of programs that use hobgoblin: simulated networks, sessions without one, transcripts.

`Simulation` runs whole networks of peers in one thread, from one seed, with a network that delays,
cuts, joins and loses, and a clock that passes only when nothing else happens. `assert_no_leaks` asks
peers, simulated or not, whether they have let go of everything.

`SessionPair` is two sessions and the wire between them, where the test moves each message; `Stranger`
is one session and a peer that may send any octets. A `Transcript` tells what has crossed, as text that
may be shown to others; as a tap it does so for real sessions, too.
"""

from hobgoblin.testing.leaks import Leak, assert_no_leaks
from hobgoblin.testing.loop import Deadlock, SimulatedLoop, TimeUp
from hobgoblin.testing.network import Arrival, Faults, SimulatedNetlayer, SimulatedNetwork
from hobgoblin.testing.notation import as_text
from hobgoblin.testing.pairs import SessionOwner, SessionPair, keys_of, location_of, outcome
from hobgoblin.testing.simulation import Simulation
from hobgoblin.testing.stranger import Stranger
from hobgoblin.testing.transcript import Entry, Malformed, Transcript, count_round_trips

__all__ = [
    "Arrival",
    "Deadlock",
    "Entry",
    "Faults",
    "Leak",
    "Malformed",
    "SessionOwner",
    "SessionPair",
    "SimulatedLoop",
    "SimulatedNetlayer",
    "SimulatedNetwork",
    "Simulation",
    "Stranger",
    "TimeUp",
    "Transcript",
    "as_text",
    "assert_no_leaks",
    "count_round_trips",
    "keys_of",
    "location_of",
    "outcome",
]
