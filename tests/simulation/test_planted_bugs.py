"""The simulation finds bugs: each of those planted here, and soon."""

import pytest

import hobgoblin
from tests.simulation.bugs import BUGS, find

MOST = 300

FIRST = {"a gifter that goes leaves requests behind": 600}
"""Where to begin with what is rare: one seed in a few hundred finds this one, of the first the 709th."""

pytestmark = pytest.mark.skipif(
    hobgoblin.__compiled__, reason="a compiled class takes no bug: they are planted in interpreted ones"
)


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    found = find(name, most=MOST, first=FIRST.get(name, 0))
    assert found is not None, f"{MOST} seeds do not find: {BUGS[name].__doc__}"
