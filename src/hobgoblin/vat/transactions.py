"""What an open turn has done, undone: all of it, or what came after a savepoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hobgoblin.errors import HobgoblinError
from hobgoblin.vat.actor import Actor, disown, undo
from hobgoblin.vat.jobs import Nobody

if TYPE_CHECKING:
    from hobgoblin.vat.vat import Vat

__all__ = ["START", "Savepoint", "roll_back", "savepoint_of"]

Savepoint = tuple[int, int, int, int]
"""The lengths of a turn's lists: effects, undo log, spawned objects, new behaviours."""

START: Final[Savepoint] = (0, 0, 0, 0)
"""Where a turn begins."""


def savepoint_of(vat: Vat) -> Savepoint:
    return (len(vat._effects), len(vat._undo), len(vat._spawned), len(vat._becomes))


def roll_back(vat: Vat, savepoint: Savepoint, why: str = "") -> None:
    """Undo everything that the open turn of ``vat`` has done since ``savepoint``.

    Args:
        why: for errors; the turn has failed if that is empty.
    """
    effects, undos, spawned, becomes = savepoint
    while len(vat._undo) > undos:
        undo(*vat._undo.pop())
    if len(vat._becomes) > becomes:
        for _, behaviour in vat._becomes[becomes:]:
            if isinstance(behaviour, Actor):
                disown(behaviour)
        del vat._becomes[becomes:]
    if len(vat._spawned) > spawned:
        gone = HobgoblinError(f"{why or 'the turn that made this object failed'}; it never came to be")
        for reference in vat._spawned[spawned:]:
            if isinstance(reference._behaviour, Actor):
                disown(reference._behaviour)
            reference._behaviour = Nobody(gone)
        del vat._spawned[spawned:]
    if len(vat._effects) > effects:
        dropped = vat._effects[effects:]
        del vat._effects[effects:]
        unsent = HobgoblinError(f"{why or 'the turn that sent this failed'}; it was never sent")
        for effect in dropped:
            effect.undo(unsent)
