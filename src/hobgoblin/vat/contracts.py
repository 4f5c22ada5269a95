"""What a vat relies on and does not know: its thread and loop, and what is of no use without it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol

from hobgoblin.refs.contracts import Host

__all__ = ["Dependent", "StretchesTask", "TaskHandle", "VatHost"]


class TaskHandle(Protocol):
    """What a host returns for a callback that it is to run."""

    def cancel(self) -> object: ...


class StretchesTask(TaskHandle, Protocol):
    """What a host returns for a coroutine that it runs."""

    def cancelling(self) -> int:
        """Return how often it has been asked to end."""
        ...


class VatHost(Host):
    """What a vat needs of its host beyond what promises need."""

    __slots__ = ()

    def post_in(self, context: Context, callback: Callable[[], object]) -> None:
        """Like `Host.post`, within a context. Raises RuntimeError when the loop is closed."""
        raise NotImplementedError

    def run_woken(self) -> None:
        """Run what `post_in` was given in this thread, at once instead of in the next tick of the loop.

        Does nothing while that is under way already. In the host's thread.
        """
        raise NotImplementedError

    def start(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> StretchesTask:
        """Run a coroutine as a task of the loop, at the latest from its next tick on."""
        raise NotImplementedError

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TaskHandle:
        """Run ``callback()`` after that many seconds. In the host's thread.

        Raises RuntimeError when the loop is closed.
        """
        raise NotImplementedError


class Dependent(Protocol):
    """Something that is of no use without its vat, such as a session whose promises live there."""

    def vat_stopped(self) -> None:
        """End. In the thread of the vat."""
        ...
