"""A place for one value, and a counter."""

from __future__ import annotations

from typing import Generic, TypeVar, final

from hobgoblin.errors import BadArguments
from hobgoblin.vat import Actor, method, spawn

__all__ = ["Cell", "CellReader", "CellWriter", "Counter"]

T = TypeVar("T")


@final
class Cell(Actor, Generic[T]):
    """A place for one value. Its holder reads, writes, and makes references that do one of the two.

    It holds what it contains. Between a read and a write others may write: see `exchange`.

    >>> cell = vat.spawn(Cell, 1)
    >>> result(cell.set(2))
    >>> result(cell.get())
    2
    """

    def __init__(self, value: T) -> None:
        self._value = value

    @method
    def get(self) -> T:
        """Return the value."""
        return self._value

    @method
    def set(self, value: T) -> None:
        """Replace the value."""
        self._value = value

    @method
    def exchange(self, expected: T, value: T) -> bool:
        """Replace the value if it is ``expected`` still; return whether it was. References are equal to
        themselves only; a number is not equal to one of another type.
        """
        if type(self._value) is not type(expected) or self._value != expected:
            return False
        self._value = value
        return True

    @method
    def read_only(self) -> CellReader[T]:
        """Return a new reference that only reads."""
        return spawn(CellReader[T], self)

    @method
    def write_only(self) -> CellWriter[T]:
        """Return a new reference that only writes."""
        return spawn(CellWriter[T], self)


@final
class CellReader(Actor, Generic[T]):
    """Reads a `Cell`: sees each change, and makes none.

    >>> reader = vat.spawn(Cell, 1).read_only()
    >>> result(reader.get())
    1
    """

    def __init__(self, cell: Cell[T]) -> None:
        self._cell = cell

    @method
    def get(self) -> T:
        """Return the value."""
        return self._cell._value


@final
class CellWriter(Actor, Generic[T]):
    """Writes to a `Cell`, and can't see what is there.

    >>> cell = vat.spawn(Cell, 1)
    >>> result(cell.write_only().set(2))
    >>> result(cell.get())
    2
    """

    def __init__(self, cell: Cell[T]) -> None:
        self._cell = cell

    @method
    def set(self, value: T) -> None:
        """Replace the value."""
        self._cell._value = value


@final
class Counter(Actor):
    """Counts. Give out ``facet(counter, "add")`` to those who may count and not look.

    >>> counter = vat.spawn(Counter)
    >>> result(counter.add()), result(counter.add(2)), result(counter.value())
    (1, 3, 3)
    """

    def __init__(self, start: int = 0) -> None:
        self._value = start

    @method
    def add(self, amount: int = 1) -> int:
        """Add an integer, which may be negative; return what it comes to."""
        if type(amount) is not int:
            raise BadArguments("a counter counts in integers")
        self._value += amount
        return self._value

    @method
    def value(self) -> int:
        """Return the count."""
        return self._value
