"""For tests of programs that use hobgoblin: networks in simulated time, and a look for leaks.

`Simulation` runs whole networks of peers in one thread, from one seed, with a network that delays,
cuts, joins and loses, and a clock that passes only when nothing else happens. `assert_no_leaks` asks
peers, simulated or not, whether they have let go of everything.
"""

from hobgoblin.testing.leaks import Leak, assert_no_leaks
from hobgoblin.testing.loop import Deadlock, SimulatedLoop, TimeUp
from hobgoblin.testing.network import Arrival, Faults, SimulatedNetlayer, SimulatedNetwork
from hobgoblin.testing.simulation import Simulation

__all__ = [
    "Arrival",
    "Deadlock",
    "Faults",
    "Leak",
    "SimulatedLoop",
    "SimulatedNetlayer",
    "SimulatedNetwork",
    "Simulation",
    "TimeUp",
    "assert_no_leaks",
]
