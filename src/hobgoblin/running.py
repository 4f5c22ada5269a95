"""Event loops that are ours to choose: of threads that we start, and of the command line.

Everywhere else the loop is the user's: whatever runs the program.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Final

__all__ = ["LOOP_VARIABLE", "loop_factory", "uvloop_is_there"]

LOOP_VARIABLE: Final = "HOBGOBLIN_LOOP"
"""The environment variable that says which loop to start: ``asyncio`` or ``uvloop``."""


def uvloop_is_there() -> bool:
    """Tell whether uvloop is installed (``pip install hobgoblin[uvloop]``)."""
    return find_spec("uvloop") is not None


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a loop that we start: uvloop's if it is installed; ``None`` for asyncio's own.

    Raises:
        RuntimeError: the environment asks for a loop that there is not.
    """
    asked = os.environ.get(LOOP_VARIABLE, "")
    if asked == "asyncio" or (not asked and not uvloop_is_there()):
        return None
    if asked not in ("", "uvloop"):
        raise RuntimeError(f"{LOOP_VARIABLE}={asked}: there is no such loop; say asyncio or uvloop")
    if not uvloop_is_there():
        raise RuntimeError(
            f"{LOOP_VARIABLE}=uvloop, but uvloop is not installed: pip install hobgoblin[uvloop]"
        )
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory
