"""How much is measured: the whole, the short form, and hardly anything for the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

WINDOW: Final = 100
"""Calls outstanding where a benchmark keeps many under way."""

CHAIN: Final = 10
"""Calls of a chain, each on the result of the one before."""

DELAY_SECONDS: Final = 0.020
"""How long the far way holds everything back, in each direction."""

RELEASED: Final = 10_000
"""References that the time of a release is given for."""

STRING_OCTETS: Final = 1 << 20
"""Of each byte string where bulk is measured."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All rounds of one invocation have the same."""

    rounds: int
    seconds: float
    """Of each timed loop."""

    warm_up: float
    """Seconds of calls on a new session, before anything is timed."""

    references: int
    """Live remote references of ours where memory is measured."""

    peer_references: int
    """The same of others, some of which take long."""

    memory_rounds: int
    """In how many rounds memory is measured, and the growth of sessions, exports and actors."""

    chains: int
    """Chains of calls that are timed without delay."""

    delayed_chains: int
    """Chains that are timed with delay."""

    strings: int
    """Byte strings of 1 MB."""

    sessions: tuple[int, ...]
    """Sessions that one server holds at a time."""

    sizes: tuple[int, ...]
    """Exports of one session, and actors of one vat."""

    vats: int
    actors: int
    """Vats, and actors in all of them together, in one process."""

    lasting_calls: int = 100_000
    """Calls over one session, to see what is left of them."""

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Settings:
        """What was written down as JSON, which knows no tuples."""
        return cls(**{key: tuple(each) if isinstance(each, list) else each for key, each in written.items()})


WHOLE: Final = Settings(
    rounds=5,
    seconds=0.5,
    warm_up=1.0,
    references=100_000,
    peer_references=20_000,
    memory_rounds=2,
    chains=50,
    delayed_chains=3,
    strings=128,
    sessions=(1, 10, 100, 1_000, 10_000),
    sizes=(100, 1_000, 10_000, 100_000, 1_000_000),
    vats=10_000,
    actors=1_000_000,
)
SHORT: Final = Settings(
    rounds=3,
    seconds=0.2,
    warm_up=0.2,
    references=10_000,
    peer_references=3_000,
    memory_rounds=1,
    chains=20,
    delayed_chains=1,
    strings=32,
    sessions=(1, 10, 100),
    sizes=(100, 1_000, 10_000),
    vats=1_000,
    actors=50_000,
    lasting_calls=20_000,
)
SMOKE: Final = Settings(
    rounds=1,
    seconds=0.02,
    warm_up=0.01,
    references=500,
    peer_references=300,
    memory_rounds=1,
    chains=2,
    delayed_chains=1,
    strings=4,
    sessions=(1, 3),
    sizes=(10, 30),
    vats=5,
    actors=50,
    lasting_calls=400,
)
