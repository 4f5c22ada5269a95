"""Many vats and many actors in one process: what each weighs, and what it takes to make and to reach them."""

from __future__ import annotations

import gc
import os
from time import process_time
from typing import Final

from benchmarks.local import BATCH, Target
from benchmarks.measures import Benchmark, Figures, Row
from benchmarks.processes import resident_of
from benchmarks.settings import Settings
from hobgoblin import send_only, spawn_vat

BENCHMARK: Final = Benchmark(
    "crowd",
    "many vats, many actors, one process",
    (
        Row("vats", "vats", ""),
        Row("vat_bytes", "a vat", "bytes"),
        Row("vat_rate", "vats made", "/s", True),
        Row("actors", "actors", ""),
        Row("actor_bytes", "an actor and its reference", "bytes"),
        Row("spawn_rate", "actors made", "/s", True),
        Row("send_rate", "sends, one way, each to another actor", "/s", True),
    ),
)


async def run(settings: Settings, loop: str) -> Figures:
    """Measure once."""
    gc.collect()
    me, resident = os.getpid(), resident_of(os.getpid())

    start = process_time()
    vats = [spawn_vat() for _ in range(settings.vats)]
    vat_seconds = process_time() - start
    vat_bytes = resident_of(me) - resident

    resident = resident_of(me)
    start = process_time()
    actors = [vats[number % settings.vats].spawn(Target) for number in range(settings.actors)]
    spawn_seconds = process_time() - start
    actor_bytes = resident_of(me) - resident

    sender = spawn_vat("sender")

    async def send_to_all() -> None:
        for first in range(0, settings.actors, BATCH):
            for actor in actors[first : first + BATCH]:
                send_only(actor.add)(20, 22)
            await actors[first].add(20, 22)

    start = process_time()
    await sender.run(send_to_all)
    send_seconds = process_time() - start
    for vat in (*vats, sender):
        vat.stop()
    return {
        "vats": settings.vats,
        "vat_bytes": vat_bytes / settings.vats,
        "vat_rate": settings.vats / vat_seconds,
        "actors": settings.actors,
        "actor_bytes": actor_bytes / settings.actors,
        "spawn_rate": settings.actors / spawn_seconds,
        "send_rate": settings.actors / send_seconds,
    }
