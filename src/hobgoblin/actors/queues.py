"""First in, first out: a queue that answers at once, and an inbox that lets its reader wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar, cast, final

from hobgoblin.errors import Refused
from hobgoblin.vat import Actor, Resolver, method, near, new_promise, spawn

__all__ = ["Fifo", "InboxReader", "InboxStopper", "InboxWriter", "Queue", "new_inbox"]

T = TypeVar("T")

Chain = tuple[T, Any] | None
"""An item and the chain behind it. Never changed."""


@final
class Fifo(Generic[T]):
    """An immutable sequence with two ends. To add and to take returns another one, at a constant cost.

    State for an actor's attribute: a turn that fails puts the old one back, which has not changed.
    The cost is constant on average over what commits: a ``pop`` that is undone each time may have to
    turn the back around each time.
    """

    __slots__ = ("_back", "_front", "_size")

    def __init__(self, front: Chain[T] = None, back: Chain[T] = None, size: int = 0) -> None:
        # The front is empty only if all is. The back is in the opposite order.
        self._front = front
        self._back = back
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        rest = self
        while rest:
            item, rest = rest.pop()
            yield item

    def push(self, item: T) -> Fifo[T]:
        """Return this with ``item`` at the end."""
        if self._front is None:
            return Fifo((item, None), None, 1)
        return Fifo(self._front, (item, self._back), self._size + 1)

    def first(self) -> T:
        """Return the first item. Raises IndexError if there is none."""
        if self._front is None:
            raise IndexError("there is no item")
        return self._front[0]

    def pop(self) -> tuple[T, Fifo[T]]:
        """Return the first item and the rest. Raises IndexError if there is none."""
        if self._front is None:
            raise IndexError("there is no item")
        item, front = self._front
        back = self._back
        if front is None:
            while back is not None:
                front, back = (back[0], front), back[1]
        return item, Fifo(front, back, self._size - 1)


@final
class Queue(Actor, Generic[T]):
    """First in, first out. A full one refuses to take more, an empty one to give.

    It holds its items. Hand out ``facet(queue, "push")`` and ``facet(queue, "pop")``.

    >>> queue = vat.spawn(Queue)
    >>> _ = queue.push("a"), queue.push("b")
    >>> result(queue.pop()), result(queue.length())
    ('a', 1)

    Args:
        limit: how many items it takes at most.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._items: Fifo[T] = Fifo()

    @method
    def push(self, item: T) -> None:
        """Add an item at the end. Refused if the queue is full."""
        if len(self._items) >= self._limit:
            raise Refused("the queue is full")
        self._items = self._items.push(item)

    @method
    def pop(self) -> T:
        """Take the first item away and return it. Refused if there is none."""
        if not self._items:
            raise Refused("the queue is empty")
        item, self._items = self._items.pop()
        return item

    @method
    def peek(self) -> T:
        """Return the first item, which stays. Refused if there is none."""
        if not self._items:
            raise Refused("the queue is empty")
        return self._items.first()

    @method
    def length(self) -> int:
        """Return how many items there are."""
        return len(self._items)


@final
class _Inbox(Actor, Generic[T]):
    """What the three references to an inbox share. Nobody holds a reference to it.

    Items and readers never both wait.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.items: Fifo[T] = Fifo()
        self.readers: Fifo[Resolver[T]] = Fifo()
        self.stopped: str | None = None


@final
class InboxReader(Actor, Generic[T]):
    """Takes items from an inbox, and can wait for them."""

    def __init__(self, inbox: _Inbox[T]) -> None:
        self._inbox = inbox

    @method
    def read(self) -> T:
        """Return the next item, or a promise for it. Reads are answered in their order.

        Refused if the inbox has been stopped and is empty, or if too many reads wait already.
        """
        inbox = self._inbox
        if inbox.items:
            item, inbox.items = inbox.items.pop()
            return item
        if inbox.stopped is not None:
            raise Refused(inbox.stopped)
        if len(inbox.readers) >= inbox.limit:
            raise Refused("too many reads wait already")
        promise, resolver = new_promise()
        inbox.readers = inbox.readers.push(resolver)
        return cast("T", promise)


@final
class InboxWriter(Actor, Generic[T]):
    """Puts items into an inbox."""

    def __init__(self, inbox: _Inbox[T]) -> None:
        self._inbox = inbox

    @method
    def write(self, item: T) -> None:
        """Put an item in, for the read that waits longest or the next one. Refused if full or stopped."""
        inbox = self._inbox
        if inbox.stopped is not None:
            raise Refused(inbox.stopped)
        if inbox.readers:
            resolver, inbox.readers = inbox.readers.pop()
            near(resolver.fulfill)(item)
        elif len(inbox.items) >= inbox.limit:
            raise Refused("the inbox is full")
        else:
            inbox.items = inbox.items.push(item)


@final
class InboxStopper(Actor):
    """Ends an inbox."""

    def __init__(self, inbox: _Inbox[Any]) -> None:
        self._inbox = inbox

    @method
    def stop(self, reason: str = "the inbox has been stopped") -> None:
        """Break the reads that wait, and refuse writes. What is in it can still be read. Idempotent."""
        inbox = self._inbox
        if inbox.stopped is None:
            inbox.stopped = str(reason)[:200]
            for resolver in inbox.readers:
                near(resolver.break_)(Refused(inbox.stopped))
            inbox.readers = Fifo()


def new_inbox(*, limit: int = 1000) -> tuple[InboxReader[Any], InboxWriter[Any], InboxStopper]:
    """Return references to the reader, the writer and the stopper of a new inbox. Needs a vat.

    It holds its items. An item that is on its way to a reader whose session is severed is lost, like
    any message: where that matters, let the reader say when it is done.

    >>> reader, writer, stopper = result(vat.run(new_inbox))
    >>> first = reader.read()
    >>> _ = writer.write("news")
    >>> result(first)
    'news'

    Args:
        limit: how many items wait at most, and how many reads.

    Raises:
        NotInVat: no vat is running.
    """
    inbox: _Inbox[Any] = _Inbox(limit)
    spawn(inbox)
    return spawn(InboxReader[Any], inbox), spawn(InboxWriter[Any], inbox), spawn(InboxStopper, inbox)
