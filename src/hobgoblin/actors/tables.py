"""A mapping for the state of an actor: what a turn changes in it is undone when the turn fails."""

from __future__ import annotations

from typing import Generic, TypeVar, cast, final

from hobgoblin.vat import Actor, spawn

__all__ = ["Table"]

T = TypeVar("T")

_MARK = "key "
"""In front of each key: no attribute of an actor is called so."""


@final
class Table(Actor, Generic[T]):
    """Text to values, each change at a constant cost, for the vat in whose turn it is made.

    The entries are the attributes of an actor that nobody has a reference to. A dictionary in an
    attribute would have to be copied for each change, or would keep what a failed turn has put there.
    """

    @classmethod
    def new(cls) -> Table[T]:
        table = cls()
        spawn(table)
        return table

    def get(self, key: str) -> T | None:
        return cast("T | None", self.__dict__.get(_MARK + key))

    def put(self, key: str, value: T) -> None:
        setattr(self, _MARK + key, value)

    def remove(self, key: str) -> None:
        """Raises KeyError if there is no such entry."""
        if _MARK + key not in self.__dict__:
            raise KeyError(key)
        delattr(self, _MARK + key)
