"""Shares: how one amount serves several peers so that none of them can use it up.

The rule is that of dynamic thresholds: **one may have no more than it leaves free**. Who is alone gets
half, two get a third each, and so on; so much is always left as each of those has that have the most.
Nobody needs to be known beforehand, and nothing is kept of those that have nothing.

What is still taken when a session ends stays so for as long as it takes. Who can come back under another
name each time would get half of the rest each time, and in the end all. So those that come after somebody
has left something behind (`Party`) share three quarters with that; the last is for those that were there.
"""

from __future__ import annotations

from collections.abc import Container, Hashable
from typing import Final, final

__all__ = ["OWN_SHARE", "Charges", "Leases", "Party", "Share"]

OWN_SHARE: Final = 4
"""One in so many of what a peer accepts is kept for what we send ourselves."""


LATE_SHARE: Final = 4
"""One in so many is kept from those that have come after somebody has left something behind."""


@final
class Party:
    """One that shares, and of whom nobody knows whether it was here before under another name."""

    __slots__ = ("began", "ended")

    moment = 0
    """Counts the comings and goings."""

    def __init__(self) -> None:
        Party.moment += 1
        self.began = Party.moment
        self.ended = 0

    def leave(self) -> None:
        """It takes no more. What it has stays taken until it is given back."""
        Party.moment += 1
        self.ended = Party.moment


@final
class Share:
    """An amount of which several have a part.

    Args:
        most: how much there is for all of them.
    """

    __slots__ = ("_by_who", "_known", "_left", "_left_since", "most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self._by_who: dict[Hashable, int] = {}
        # What those that have gone have left behind, since when, and at which moment that was so.
        self._left = self._left_since = self._known = 0

    def of(self, who: Hashable) -> int:
        """Return how much ``who`` has."""
        return self._by_who.get(who, 0)

    def room(self, who: Hashable, taken: int | None = None) -> int:
        """Return how much more ``who`` may have, at most 0 if nothing.

        Args:
            who: anything that stands for it.
            taken: how much is taken in all, if there are others than those who share.
        """
        free = self.most - (self.taken if taken is None else taken)
        used = self._by_who.get(who, 0)
        if type(who) is Party and self._came_after(who):
            free = min(free, self.most - self.most // LATE_SHARE - self._left)
        # With each that it gets it has one more, and one less is free.
        return (free - used + 1) // 2

    def take(self, who: Hashable, amount: int = 1) -> None:
        """Count what ``who`` has got, also if it is more than there was room for."""
        self.taken += amount
        self._by_who[who] = self._by_who.get(who, 0) + amount

    def give_back(self, who: Hashable, amount: int = 1) -> None:
        """Count what ``who`` has no more."""
        self.taken -= amount
        if type(who) is Party and who.ended:
            self._known = 0
        left = self._by_who[who] - amount
        if left:
            self._by_who[who] = left
        else:
            del self._by_who[who]

    def hogs(self, who: Hashable) -> bool:
        """Tell whether ``who`` has so much that it has only itself to blame if there is no room."""
        return self.of(who) * 8 >= self.most

    def _came_after(self, party: Party) -> bool:
        """Tell whether there is something that was left behind before ``party`` came."""
        if self._known != Party.moment:
            gone = [
                (who.ended, amount)
                for who, amount in self._by_who.items()
                if type(who) is Party and who.ended
            ]
            self._left = sum([amount for _, amount in gone])
            self._left_since = min([ended for ended, _ in gone], default=0)
            self._known = Party.moment
        return 0 < self._left_since < party.began

    def check(self) -> None:
        """Assert that the parts make up the whole."""
        assert sum(self._by_who.values()) == self.taken, "the parts do not make up the whole"
        assert all(amount > 0 for amount in self._by_who.values()), "somebody has a part of nothing"


@final
class Charges:
    """Who the entries of a table are there for, where that is not us. Most tables have none."""

    __slots__ = ("by_pos", "share")

    def __init__(self) -> None:
        self.by_pos: dict[int, Hashable] = {}
        self.share = Share(0)

    def __len__(self) -> int:
        return len(self.by_pos)

    def charge(self, pos: int, who: Hashable) -> None:
        """Count the entry at ``pos``, if nobody has it on its account yet."""
        if pos not in self.by_pos:
            self.by_pos[pos] = who
            self.share.take(who)

    def drop(self, pos: int) -> None:
        """The entry at ``pos`` is gone, whoever it was for."""
        who = self.by_pos.pop(pos, None)
        if who is not None:
            self.share.give_back(who)

    def clear(self) -> None:
        for pos in tuple(self.by_pos):
            self.drop(pos)

    def check(self, table: Container[int]) -> None:
        """Assert that every entry that somebody is charged for is in ``table``."""
        self.share.check()
        assert self.share.taken == len(self.by_pos)
        assert all(pos in table for pos in self.by_pos), "a charge for an entry that is gone"


@final
class Lease:
    """A part that is had until a time."""

    __slots__ = ("until", "who")

    def __init__(self, who: Hashable, until: float) -> None:
        self.who = who
        self.until = until


@final
class Leases:
    """A share of what comes back by itself, after a time that is the same for all.

    Args:
        most: how much there is for all of them.
        seconds: after which a part comes back.
    """

    __slots__ = ("_leases", "_seconds", "_share")

    def __init__(self, most: int, seconds: float) -> None:
        self._share = Share(most)
        self._seconds = seconds
        self._leases: list[Lease] = []  # the first to come back first

    def __len__(self) -> int:
        return len(self._leases)

    def take(self, who: Hashable, now: float) -> bool:
        """Give ``who`` one, if there is room for it; return whether there was."""
        leases = self._leases
        over = 0
        while over < len(leases) and leases[over].until <= now:
            self._share.give_back(leases[over].who)
            over += 1
        del leases[:over]
        if self._share.room(who) <= 0:
            return False
        self._share.take(who)
        leases.append(Lease(who, now + self._seconds))
        return True
