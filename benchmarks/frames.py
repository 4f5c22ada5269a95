"""What crosses a session, frame by frame: the sizes for the raw echo, and the order of messages."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import Final, final

CALL: Final = "call"
ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Octets of the two frames of a call, on average."""

    sent: int
    received: int


@final
class FrameTap:
    """A `hobgoblin.connection.Tap` that takes note of calls and of their answers."""

    def __init__(self) -> None:
        self._held = b""
        self._crossed: list[tuple[str, int]] = []

    def sent(self, message: bytes) -> None:
        self._note(message, CALL)

    def received(self, data: bytes) -> None:
        held = self._held + data
        while True:
            head, colon, _ = held[:12].partition(b":")
            end = len(head) + 1 + int(head) if colon else len(held) + 1
            if end > len(held):
                break
            self._note(held[:end], ANSWER)
            held = held[end:]
        self._held = held

    def restart(self) -> None:
        """Forget what crossed so far."""
        self._crossed.clear()

    def order(self) -> list[str]:
        """Return `CALL` for every call that left and `ANSWER` for every answer that came, in order."""
        return [what for what, _ in self._crossed]

    def sizes(self) -> Sizes:
        """Return the sizes of what crossed since the last restart."""
        return Sizes(self._mean(CALL), self._mean(ANSWER))

    def _mean(self, wanted: str) -> int:
        return round(mean(size for what, size in self._crossed if what == wanted))

    def _note(self, message: bytes, what: str) -> None:
        # Handshake and releases are no part of a call. An answer is an op:deliver, too.
        if b"<10'op:deliver" in message[:32]:
            self._crossed.append((what, len(message)))
