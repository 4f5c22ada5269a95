"""The numbered examples of one file: each runs, and prints what the tutorial shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Start

EXAMPLES = Path(__file__).parents[2] / "examples"

STEPS = {
    "01_hello.py": "Hello, world!\n",
    "02_counter.py": "6\nrefused: more than 10\n6\n",
    "03_callbacks.py": "soup will be ready soon\n1 called\ncome and get it\n",
    "04_pipelining.py": "patient: 42, 3 calls, round trips: 3\npipelined: 42, 3 calls, round trips: 1\n",
    "06_escrow.py": (
        "refused: this is no purse of this mint\n"
        "refused: there is not enough in the purse\n"
        "paid\n"
        "Bob has the song\n"
        "Alice has 30\n"
    ),
    "07_agent.py": (
        "mail to me@example.org: water the plants, says the agent at noon\n"
        "refused: no such file\n"
        "refused: NoSuchMethod: no method 'write'\n"
        "refused: BadArguments: Mailer.mail() takes 2 positional arguments but 3 were given\n"
        "refused: no mail left\n"
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step(start: Start, tmp_path: Path, name: str) -> None:
    assert start(EXAMPLES / name).end() == (0, STEPS[name], "")
    assert list(tmp_path.iterdir()) == []


def test_all_steps_are_run() -> None:
    assert {path.name for path in EXAMPLES.glob("[0-9][0-9]_*.py")} == set(STEPS)


def test_the_index_names_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text()
    present = [path.name for path in EXAMPLES.iterdir() if not path.name.startswith(("README", "__"))]
    assert [name for name in present if f"({name}" not in index] == []
