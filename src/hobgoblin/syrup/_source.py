"""The octets that a decoder holds: each is copied a bounded number of times, however it arrives."""

from __future__ import annotations

from typing import Final

from hobgoblin.syrup._tokens import LONG
from hobgoblin.values import AnyDecoder

__all__ = ["OctetSource"]

_LONG: Final = LONG
"""A token that needs so many octets is collected in the pieces in which it comes, and joined once."""

_PIECE: Final = 4 * 1024
"""Smaller pieces are put together, or what comes in single octets would take forty times its size."""


class OctetSource(AnyDecoder):
    """What was fed and is not used yet, and where in the stream it lies.

    Octets to be read are ``_data`` from ``_pos`` on, then ``_tail``; ``_base`` is the place of
    ``_data[0]`` in the stream. A reader works on ``_data`` and calls `_join` when it runs into its
    end. When it can't go on it calls `_wait`, and `_refill` before it tries again. While it waits for a
    long token the octets are in ``_pieces`` instead, of which nothing is asked for before all are there.
    """

    __slots__ = (
        "_base",
        "_data",
        "_held",
        "_keeping",
        "_kept",
        "_kept_base",
        "_need",
        "_pieces",
        "_pos",
        "_run",
        "_run_most",
        "_tail",
    )

    def _begin_empty(self) -> None:
        self._data = b""
        self._pos = 0
        self._base = 0
        self._tail: bytes | bytearray = b""
        # What `_wait` was told: `_tail` begins with a token that needs at least so many octets; or with
        # a number of which so many digits are known, and that may have so many before it is an error.
        self._need = 0
        self._run = 0
        self._run_most = 0
        # The beginning of a long token, and how many octets of it are there.
        self._pieces: list[bytes | bytearray] = []
        self._held = 0
        # Used octets that may be asked for once more.
        self._keeping = False
        self._kept: bytes | bytearray = b""
        self._kept_base = 0

    def _begin_again(self) -> None:
        """Begin a new stream, when the last one has been read to its end."""
        self._data = b""
        self._pos = 0
        self._base = 0

    @property
    def awaited(self) -> int:
        """How many octets are missing until there is anything to read, as far as that is known."""
        return max(self._need - self._held, 0) if self._pieces else 0

    def _append(self, octets: bytes) -> None:
        if self._pieces:
            self._collect(octets)
        elif self._pos >= len(self._data) and not self._tail:
            self._base += len(self._data)
            self._data = octets
            self._pos = 0
        elif self._tail:
            self._tail += octets
        else:
            self._tail = bytearray(octets)

    def _collect(self, octets: bytes) -> None:
        pieces = self._pieces
        self._held += len(octets)
        if len(octets) >= _PIECE:
            pieces.append(octets)
            return
        last = pieces[-1]
        if type(last) is bytearray and len(last) < _LONG:
            last += octets
        else:
            pieces.append(bytearray(octets))

    def _refill(self) -> bool:
        """With ``_data`` used up, go on with ``_tail``. False when that can't lead any further yet."""
        if self._pieces:
            if self._held < self._need:
                return False
            self._data = b"".join(self._pieces)
            self._pieces = []
            self._need = 0
            return True
        self._base += len(self._data)
        self._data = b""
        self._pos = 0
        have = len(self._tail)
        if not have or have < self._need:
            return False
        if self._run and have <= self._run_most and self._tail[self._run :].isdigit():
            self._run = have
            return False
        self._data = bytes(self._tail)
        self._tail = b""
        self._need = 0
        self._run = 0
        return True

    def _join(self) -> None:
        """Drop what is used of ``_data`` and append ``_tail`` to the rest."""
        self._drop()
        self._data += self._tail
        self._tail = b""

    def _wait(self, need: int, run: int, run_most: int) -> None:
        """Set the rest of ``_data`` aside until enough octets have joined it. There is no ``_tail``."""
        self._drop()
        if need >= _LONG:
            self._pieces = [self._data]
            self._held = len(self._data)
            run = 0
        else:
            self._tail = bytearray(self._data)
        self._data = b""
        self._need = need
        self._run = run
        self._run_most = run_most

    def _drop(self) -> None:
        if self._keeping:
            self._kept += self._data[self._kept_base + len(self._kept) - self._base : self._pos]
        self._base += self._pos
        self._data = self._data[self._pos :]
        self._pos = 0

    def _keep(self, place: int) -> None:
        """From this place on, if not so already, remember octets that are dropped."""
        if not self._keeping:
            self._keeping = True
            self._kept = bytearray()
            self._kept_base = place

    def _forget(self) -> None:
        self._keeping = False
        self._kept = b""

    def _octets(self, start: int, end: int) -> bytes:
        """The octets between two places in the stream, neither before the one given to `_keep`."""
        if start >= self._base:
            return self._data[start - self._base : end - self._base]
        kept = bytes(self._kept[start - self._kept_base : end - self._kept_base])
        return kept + self._data[: max(end - self._base, 0)]

    def _clear(self) -> None:
        self._data = b""
        self._pos = 0
        self._tail = b""
        self._pieces = []
        self._forget()
