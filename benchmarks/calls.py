"""The call that several benchmarks repeat, as ours and as the raw echo of the same frames."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ours, raw_echo
from benchmarks.frames import FrameTap, Sizes
from benchmarks.harness import Call, Settings, cpu_seconds, repeat
from benchmarks.processes import ServerProcess, serving

__all__ = ["Contender", "adding", "both_servers", "our_server", "sizes_of_add"]


@dataclass(frozen=True, slots=True)
class Contender:
    """Who is measured: one call, and the process that answers it."""

    name: str
    call: Call
    server: ServerProcess

    def cpu(self) -> float:
        """Seconds of processor time that both ends have burnt so far."""
        return cpu_seconds() + self.server.cpu()


@dataclass(frozen=True, slots=True)
class Servers:
    """Ours and the raw echo, each in its process, and where their sockets are."""

    ours: ServerProcess
    raw: ServerProcess
    ours_path: str
    raw_path: str

    @property
    def uri(self) -> str:
        """What our server publishes."""
        return self.ours.ready()


@asynccontextmanager
async def our_server(settings: Settings) -> AsyncIterator[ServerProcess]:
    """Start our server alone."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        serving(("ours", str(Path(folder, "ours")), *loop_choice(settings))) as (server,),
    ):
        yield server


@asynccontextmanager
async def both_servers(settings: Settings) -> AsyncIterator[Servers]:
    """Start our server and the raw echo, in a folder of their own."""
    loop = loop_choice(settings)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ours_path, raw_path = str(Path(folder, "ours")), str(Path(folder, "raw"))
        with serving(("ours", ours_path, *loop), ("raw_echo", raw_path, *loop)) as (our_process, raw_process):
            yield Servers(our_process, raw_process, ours_path, raw_path)


def loop_choice(settings: Settings) -> tuple[str, ...]:
    """What tells a server which loop to run on."""
    return ("uvloop",) if settings.uvloop else ()


async def sizes_of_add(uri: str, settings: Settings) -> Sizes:
    """Look at the frames of some calls, on a session of their own."""
    tap = FrameTap()
    async with ours.connect(uri, tap) as client:
        await repeat(lambda: client.bench.add(20, 22), settings.warm_up)
        tap.restart()
        await repeat(lambda: client.bench.add(20, 22), 10)
        return tap.sizes()


@asynccontextmanager
async def adding(settings: Settings) -> AsyncIterator[tuple[Contender, Contender]]:
    """Open connections over which ``add(20, 22)`` can be called: ours, and the raw echo of it."""
    async with both_servers(settings) as servers:
        frame = raw_echo.question(await sizes_of_add(servers.uri, settings))
        raw = await raw_echo.connect(servers.raw_path)
        async with ours.connect(servers.uri) as client:
            bench = client.bench
            contenders = (
                Contender("ours", lambda: bench.add(20, 22), servers.ours),
                Contender("raw echo", lambda: raw.call(frame), servers.raw),
            )
            for contender in contenders:
                await repeat(contender.call, settings.warm_up)
            yield contenders
        raw.close()
