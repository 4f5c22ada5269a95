"""Taps: what sees the bytes that cross a connection."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

__all__ = ["Tap", "show"]

logger = logging.getLogger("hobgoblin.connection")


class Tap(Protocol):
    """Sees what crosses a connection, for tools that show traffic. It sees secrets, too."""

    def sent(self, message: bytes) -> None:
        """One framed message is about to leave."""
        ...

    def received(self, data: bytes) -> None:
        """Bytes have come in, cut anywhere."""
        ...


def show(see: Callable[[bytes], None], octets: bytes) -> None:
    """Let a tap see octets. That it fails is logged, and no more."""
    try:
        see(octets)
    except Exception:
        # Messages that have left the session must not be lost between it and the channel.
        logger.exception("the tap of a connection failed")
