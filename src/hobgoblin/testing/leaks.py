"""Whether peers have let go of everything: what a test asks at its end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable

from hobgoblin.peer import Peer

__all__ = ["Leak", "assert_no_leaks", "leaks"]

CLEAN = (1, 0, 0, 0)
"""The tables of a session in which only the bootstrap object is left."""


class Leak(AssertionError):
    """Something is still held that nobody can use any more. The text names each entry."""


def leaks(peers: Iterable[Peer]) -> list[str]:
    """Return what the peers' sessions, gift tables and vats hold besides their bootstrap objects.

    What is published, and objects that others hold a reference to, count as well: `assert_no_leaks`
    sees to it that there are none left.
    """
    found: list[str] = []
    for peer in peers:
        for connection in peer.connections:
            session = connection.session
            session.check()
            if session.stats().tables != CLEAN:
                to = "" if session.peer_location is None else f" to {session.peer_location.designator}"
                found.append(f"{peer!r}{to}: {session.dump()}")
        peer._gifts.check()
        if len(peer._gifts):
            found.append(f"{peer!r}: {len(peer._gifts)} gifts that nobody has taken")
        if peer._dials:
            found.append(f"{peer!r}: {len(peer._dials)} dials under way")
        vat = peer.vat
        if vat._queue:
            found.append(f"{vat!r}: {len(vat._queue)} messages that wait for their turn")
        found.extend(f"{vat!r}: {stretches!r} has not returned" for stretches in vat._stretches)
    return found


async def assert_no_leaks(*peers: Peer, within: float = 10.0) -> None:
    """Assert that the peers have let go of everything, once nothing is published any more.

    It unpublishes all that the peers have published, runs the garbage collector and gives releases
    time to cross. What is then left is held by somebody: a local variable of the test, an object
    that keeps references, a method that never returned, or a cycle of references across peers,
    which nobody collects.

    Args:
        peers: those that are still open. It takes both ends of a session to see all of it.
        within: how long to wait, in seconds of the running loop.

    Raises:
        Leak: naming each table entry that is left.
    """
    for peer in peers:
        peer._registry.clear()
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    pause = 0.001
    while True:
        gc.collect()
        found = leaks(peers)
        if not found:
            return
        if loop.time() >= end:
            raise Leak("\n".join(["what is left when nobody should hold anything:", *found]))
        await asyncio.sleep(pause)
        pause = min(pause * 2, within / 4)
