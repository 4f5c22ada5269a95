"""The floor of a connection whose ends prove who they are: each signs, and checks what the other signed."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.clock import rates
from benchmarks.measures import Figures
from benchmarks.settings import Settings

NAME: Final = "Ed25519, both sides, nothing else"
MESSAGE: Final = bytes(128)


async def run(settings: Settings, loop: str) -> Figures:
    """Measure once."""

    def both_sides() -> None:
        for _ in range(2):
            key = Ed25519PrivateKey.generate()  # one for each session
            key.public_key().verify(key.sign(MESSAGE), MESSAGE)

    rate = rates({"": both_sides}, settings.seconds / 4)[""]
    return {"cpu": 1e6 / rate, "rate": rate}
