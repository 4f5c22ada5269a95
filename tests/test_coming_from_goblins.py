"""The page for those who come from Goblins: what it names as ours exists, and no row is left empty."""

from __future__ import annotations

import builtins
import importlib
import inspect
import keyword
import re
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob

PAGE = Path(__file__).parents[1] / "docs" / "coming-from" / "goblins.md"

SECTIONS = {
    "References": 9,
    "Making and changing objects": 7,
    "Synchronous calls": 4,
    "Sends and their order": 10,
    "Promises": 14,
    "`on`": 6,
    "Turns and transactions": 7,
    "Actormaps, or: objects without a vat, and as they were": 10,
    "Vats": 7,
    "Waiting, blocking, values": 7,
    "The actor library": 27,
    "The debugger": 6,
}

EXAMPLES = {"car", "cell", "promise"}
"""What stands for any reference in the rows."""

ARGUMENTS = {"finally_", "name", "bootstrap"}

Row = tuple[str, str, str, str]


def rows() -> list[Row]:
    found: list[Row] = []
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("| ") and not line.startswith("| Goblins |"):
            theirs, ours, differs = (cell.strip() for cell in line.strip("|").split("|"))
            found.append((section, theirs, ours, differs))
    return found


ROWS = rows()


def source(thing: Any) -> str:
    """Return the source of a class, or nothing for a compiled one, which has all its attributes itself."""
    try:
        return inspect.getsource(thing)
    except OSError:
        return ""


def find(name: str) -> Any:
    """Return what a dotted name of the page stands for: ours, or one of Python's. Raise if there is none."""
    first, *rest = name.split(".")
    if first in EXAMPLES or keyword.iskeyword(first) or keyword.issoftkeyword(first) or first == "self":
        return None
    for place in (hob, hob.actors, builtins):
        if hasattr(place, first):
            thing = getattr(place, first)
            break
    else:
        thing = importlib.import_module("hobgoblin.vat" if first == "vat" else first)
    for part in rest:
        if not hasattr(thing, part) and f"self.{part} = " in source(thing):
            return part  # an attribute of its instances
        thing = getattr(thing, part)
    return thing


def names_in(cell: str) -> list[str]:
    """The name at the start of each span of code: ``car`` of ``car.paint(color="red")``."""
    spans = re.findall(r"`([^`]+)`", cell)
    return [match[0] for span in spans if (match := re.match(r"[A-Za-z_][\w.]*\w", span)) is not None]


def test_the_page_has_all_its_rows() -> None:
    counted = {section: sum(row[0] == section for row in ROWS) for section in {row[0] for row in ROWS}}
    assert counted == SECTIONS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:40])
def test_what_a_row_names_as_ours_exists(row: Row) -> None:
    _section, theirs, ours, differs = row
    assert theirs
    assert ours
    for name in names_in(ours) + names_in(differs):
        if name not in ARGUMENTS:
            find(name)
    if ours == "**none**":
        assert differs, "say why there is nothing"


def test_a_name_that_does_not_exist_is_found_out() -> None:
    for name in ("actors.new_nothing", "Vat.start_over", "no_such_verb"):
        with pytest.raises((AttributeError, ImportError)):
            find(name)
