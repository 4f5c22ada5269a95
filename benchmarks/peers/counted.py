"""Objects that know how many of them there are."""

from __future__ import annotations


class Counted:
    """Counts its instances, those of subclasses included."""

    live = 0

    def __init__(self) -> None:
        Counted.live += 1

    def __del__(self) -> None:
        Counted.live -= 1
