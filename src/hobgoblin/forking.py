"""What becomes of open things when the process forks: nothing of them is inherited by the child.

A child of ``os.fork()`` has only the thread that forked. The loops of the others never run again there,
and a session can't have two ends on one side. So in the child every channel is closed, without a word
to the other end, which the parent goes on talking to; and whatever had a thread is told that it is gone.
Nothing is done in the parent. A child that starts afresh, as with ``spawn``, inherits nothing anyway.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakSet

__all__ = ["FORKED", "Inherited", "keep", "let_go", "tell_at_fork"]

FORKED: Final = (
    "this process was forked, and what was open stays with the parent process: make a new Peer in this one"
)
"""Why something is of no use in the child, and what to do."""

logger = logging.getLogger("hobgoblin.forking")


class Inherited(Protocol):
    """Something of the parent process that the child must not go on using."""

    def forked(self) -> None:
        """Let go of it. In the only thread of the child, before that goes on; must not wait for anything.

        The state may be that of any moment: another thread may have been in the middle of a change.
        """
        ...


_inherited: WeakSet[Inherited] = WeakSet()
_registered = False
# Finalizers would close what the parent uses, or complain that nobody has.
_kept: list[object] = []


def tell_at_fork(thing: Inherited) -> None:
    """Call ``thing.forked()`` in every process that is forked from this one. ``thing`` is held weakly."""
    global _registered
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(after_in_child=_forked)
    _inherited.add(thing)


def let_go(fd: int) -> None:
    """Close a descriptor in the child only, without a shutdown of what the parent shares.

    Its number stays taken, by the null device: whoever owns it here may use or close it once more, and
    hits nothing that was opened since.
    """
    if fd < 0:
        return
    with suppress(OSError):
        try:
            null = os.open(os.devnull, os.O_RDWR)
        except OSError:  # no descriptor is left
            os.close(fd)
            return
        try:
            os.dup2(null, fd, inheritable=fd <= 2)
        finally:
            os.close(null)


def keep(thing: object) -> None:
    """Never finalize ``thing`` in the child."""
    _kept.append(thing)


def _forked() -> None:
    inherited = list(_inherited)
    _inherited.clear()
    for thing in inherited:
        try:
            thing.forked()
        except Exception:
            logger.exception("%s could not be let go of in a forked process", type(thing).__name__)
