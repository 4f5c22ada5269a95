"""The example of time travel: an answer before and after a bug."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Start

EXAMPLE = Path(__file__).parents[2] / "examples" / "time_travel.py"


def test_it_finds_the_turn_and_asks_before_and_after(start: Start) -> None:
    end = start(EXAMPLE).end()
    assert (end.code, end.err) == (0, "")
    lines = end.out.splitlines()
    assert lines[0] == "what we see: only -2 left"
    assert lines[2:8] == [
        "what has happened:",
        "  shop #1: <Ref Shop>.order: 6 left",
        "  shop #2: <Ref Shop>.cancel: 2 left",
        "  shop #3: <Ref Shop>.order: 0 left",
        "  shop #4: <Ref Shop>.cancel: -2 left",
        "  shop #5: <Ref Shop>.order: Refused: only -2 left: -2 left",
    ]
    assert "it went wrong in shop #2: <Ref Shop>.cancel" in lines
    assert "left before: 6 and after: 2" in lines
    assert "an order of 7 then: only 6 left" in lines
    assert lines[-1] == "and now, as if nobody had asked: -2 left"
