"""How much of what a channel brings is handled at a time: the same share for every session.

::

    READY ──a portion is handled, more may be there──▶ WAITING ──a later tick of the loop──▶ READY or WAITING

While WAITING the channel does not read, what it brings even so is kept, and the loop does what else
there is: the portions of other sessions. If the messages of the portion still wait for their turns
in some vat, the next portion comes only after them, so no peer can fill the queue of a vat either.

Invariant: octets, the end of input and the loss of the channel take effect in the order in which
they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Final, final

from hobgoblin.captp.session import Session, SessionState
from hobgoblin.loops import LoopHost
from hobgoblin.netlayers import Channel
from hobgoblin.vat import Vat

__all__ = ["PORTION_MESSAGES", "PORTION_OCTETS", "Inflow"]

PORTION_MESSAGES: Final = 128
"""Messages of one session between two chances for the others. They take some 5 ms, turns included."""

PORTION_OCTETS: Final = 128 * 1024
"""Octets of one session between two chances for the others: made of the smallest values, 30 ms."""

_LARGE: Final = 16 * 1024
"""So much may be the midst of a long string."""

_BLOCK_OCTETS: Final = 8 * 1024 * 1024
"""Twice as much free memory stays with the process once a long string has come in."""


@cache
def _keep_memory() -> None:
    """Have the C library keep the memory that long strings leave, for the strings that come next.

    To get memory from the system costs several times of what it takes to copy what it is for. But glibc
    gives free memory back as soon as there is twice as much of it as the largest block freed so far. So
    this frees a large one, in which no octet was ever written. Elsewhere it does nothing.
    """
    bytes(_BLOCK_OCTETS)


@final
class Inflow:
    """The incoming side of a connection.

    Args:
        session: what the octets are for.
        host: the loop of the connection.
        whole: whether the channel brings whole messages, which must stay so.
        most: how many octets may wait here.
        carry_out: called after each portion, to do what it asked for.
        ended: called when the input has ended and all of it has been handled.
        lost: called when the channel is lost and all of its input has been handled.
    """

    __slots__ = (
        "_carry_out",
        "_channel",
        "_ended",
        "_eof",
        "_fences",
        "_gone",
        "_host",
        "_lost",
        "_most",
        "_octets",
        "_session",
        "_spent",
        "_spent_octets",
        "_vats",
        "_waiting",
        "_whole",
        "is_waiting",
    )

    def __init__(
        self,
        session: Session,
        host: LoopHost,
        *,
        whole: bool,
        most: int,
        carry_out: Callable[[], object],
        ended: Callable[[], object],
        lost: Callable[[], object],
    ) -> None:
        self._session = session
        self._host = host
        self._whole = whole
        self._most = most
        self._carry_out = carry_out
        self._ended = ended
        self._lost = lost
        self._channel: Channel | None = None
        self._waiting: deque[bytes] | None = None  # of most sessions nothing ever waits
        self._octets = 0
        # What this portion has taken of its share, and the vats that got messages of it.
        self._spent = 0
        self._spent_octets = 0
        self._vats: set[Vat] = set()
        self._fences = 0
        self._eof = False
        self._gone = False
        self.is_waiting = False

    def opened(self, channel: Channel) -> None:
        self._channel = channel

    def delivered(self, vat: Vat) -> None:
        """A message of this portion waits for its turn in ``vat``."""
        self._vats.add(vat)

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except Exception:
            self._give_up()
            raise  # the channel reports it and is cut

    def _take(self, data: bytes) -> None:
        if self.is_waiting:
            self._keep(data)
            return
        size = len(data)
        if size > _LARGE and not self._whole:
            # In the midst of a long string there is nothing to handle, only to be kept until its end comes.
            awaited = self._session.awaited
            if awaited:
                _keep_memory()
                size = max(size - awaited, 0)
            if size > PORTION_OCTETS:
                for start in range(0, len(data), PORTION_OCTETS):
                    self._keep(data[start : start + PORTION_OCTETS])
                self._portion()
                return
        self._spent += self._session.receive_data(data, PORTION_MESSAGES - self._spent)
        self._spent_octets += size
        self._carry_out()
        if self._spent >= PORTION_MESSAGES or self._spent_octets >= PORTION_OCTETS:
            self._wait()

    def eof_received(self) -> None:
        self._eof = True
        if not self.is_waiting:
            self._ended()

    def channel_lost(self) -> None:
        self._gone = True
        if not self.is_waiting:
            self._lost()

    def _keep(self, data: bytes) -> None:
        if self._session.state is SessionState.SEVERED:
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(data)
        self._octets += len(data)
        if self._octets > self._most:
            self._session.abort("more has come in than can be handled, and the channel does not wait")
            self._carry_out()

    def _wait(self) -> None:
        """The share is used up: arrange for the next portion, after all that this one has caused."""
        if not self.is_waiting and self._channel is not None:
            self.is_waiting = True
            self._channel.pause_reading()
        # What goes to another thread is first posted there, and the fence has to follow.
        behind = [vat for vat in self._vats if not (vat.host.here() and vat.idle)]
        self._vats.clear()
        self._spent = 0
        self._spent_octets = 0
        if behind:
            self._fences = len(behind)
            for vat in behind:
                if vat.host.here():
                    vat.fence(self._fence_passed)
                else:
                    vat.host.post(vat.fence, self._fence_passed)
        else:
            self._host.post(self._next_portion)

    def _fence_passed(self) -> None:
        self._host.post(self._one_less)

    def _one_less(self) -> None:
        self._fences -= 1
        if self._fences == 0:
            self._next_portion()

    def _next_portion(self) -> None:
        try:
            self._portion()
        except Exception:
            self._give_up()
            if self._channel is not None:
                self._channel.abort()
            raise  # to the loop, which reports it

    def _give_up(self) -> None:
        """Something of ours has failed: do not wait for what can't come any more."""
        self.is_waiting = False
        self._waiting = None
        self._octets = 0
        if self._gone:
            self._lost()

    def _portion(self) -> None:
        """Handle what waits, up to the share."""
        session = self._session
        self._spent = session.go_on(PORTION_MESSAGES)
        while self._waiting and self._spent < PORTION_MESSAGES and self._spent_octets < PORTION_OCTETS:
            data = self._waiting.popleft()
            self._octets -= len(data)
            self._spent_octets += len(data)
            self._spent += session.receive_data(data, PORTION_MESSAGES - self._spent)
        if self._spent:
            self._carry_out()
        if session.state is SessionState.SEVERED:
            self._waiting = None
            self._octets = 0
        elif self._waiting or self._spent >= PORTION_MESSAGES:
            self._wait()
            return
        if not self.is_waiting:
            return
        self.is_waiting = False
        if self._gone:
            self._lost()
        elif self._eof:
            self._ended()
        elif self._channel is not None:
            self._channel.resume_reading()
