"""What of a registry outlives the process, and the interface of whatever keeps it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol, final

__all__ = ["RegistryEntry", "RegistryStore"]


@final
@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A published swiss number, as it is stored: without the number and without the object."""

    digest: bytes = field(repr=False)
    """SHA-256 of the number, 32 octets. Not shown: of a weak number it gives away what it was."""

    name: str
    """What the program calls the object, to know it again after a restart."""

    expires: float | None = None
    """When the number stops working, in seconds since 1970; ``None`` for never."""

    revocable: bool = False
    """Whether the number gives out references that can be revoked."""


class RegistryStore(Protocol):
    """Keeps the entries of one peer. Nobody else may write to the same place meanwhile.

    What a method has done must last when it returns, or it must raise and have changed nothing:
    a URI is given out only after its entry was put. The methods are called one at a time, in
    whatever thread publishes, and hold it up while they run.
    """

    def load(self) -> Iterable[RegistryEntry]:
        """Return all entries. Called once, before the others; may raise what it likes."""
        ...

    def put(self, entry: RegistryEntry) -> None:
        """Add an entry, in place of one with the same digest."""
        ...

    def remove(self, digests: Collection[bytes]) -> None:
        """Remove the entries with these digests; those that there are not count as removed."""
        ...
