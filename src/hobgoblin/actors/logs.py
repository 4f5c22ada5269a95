"""A log that some may write to and others read."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, final

from hobgoblin.actors.queues import Fifo
from hobgoblin.errors import BadArguments
from hobgoblin.vat import Actor, method, spawn

__all__ = ["LogReader", "LogWriter", "new_log"]

T = TypeVar("T")


@final
class _Log(Actor, Generic[T]):
    """What both references to a log share. Nobody holds a reference to it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.entries: Fifo[T] = Fifo()
        self.next = 0


@final
class LogWriter(Actor, Generic[T]):
    """Adds entries to a log. Can't read, change or remove any."""

    def __init__(self, log: _Log[T]) -> None:
        self._log = log

    @method
    def append(self, entry: T) -> int:
        """Add an entry and return its number. The oldest goes if there are too many."""
        log = self._log
        entries = log.entries.push(entry)
        if len(entries) > log.limit:
            _, entries = entries.pop()
        log.entries = entries
        number = log.next
        log.next = number + 1
        return number


@final
class LogReader(Actor, Generic[T]):
    """Reads a log. Can't change it."""

    def __init__(self, log: _Log[T]) -> None:
        self._log = log

    @method
    def read(self, since: int = 0, most: int = 100) -> tuple[tuple[int, T], ...]:
        """Return numbers and entries from number ``since`` on, ``most`` at most, oldest first.

        The number to go on with is the last one and 1. Where the first is larger than ``since``,
        those between have been dropped.
        """
        if type(since) is not int or type(most) is not int:
            raise BadArguments("since and most are integers")
        found: list[tuple[int, T]] = []
        number = self._log.next - len(self._log.entries)
        for entry in self._log.entries:
            if len(found) >= most:
                break
            if number >= since:
                found.append((number, entry))
            number += 1
        return tuple(found)


def new_log(*, limit: int = 1000) -> tuple[LogWriter[Any], LogReader[Any]]:
    """Return references to the writer and the reader of a new log. Needs a vat.

    A log holds its last entries, which may be anything that can be passed, references too. To tell
    writers apart, give each a log, or a function that adds its name.

    >>> writer, reader = result(vat.run(new_log))
    >>> _ = writer.append("started"), writer.append("stopped")
    >>> result(reader.read(since=1))
    ((1, 'stopped'),)

    Args:
        limit: how many entries are kept.

    Raises:
        NotInVat: no vat is running.
    """
    log: _Log[Any] = _Log(limit)
    spawn(log)
    return spawn(LogWriter[Any], log), spawn(LogReader[Any], log)
