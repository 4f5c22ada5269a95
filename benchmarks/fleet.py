"""All contenders at once, each with its two processes: they take turns, so that all meet the same noise."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, final

from benchmarks.contenders import OURS, Contender
from benchmarks.measures import Figures, Measure
from benchmarks.processes import Worker, WorkerFailed, python, resident_of
from benchmarks.settings import DELAY_SECONDS, RELEASED, Settings

TRIES: Final = 10
FAREWELL_SECONDS: Final = 10.0
TABLES: Final[Mapping[str, Any]] = {"do": "tables"}


class RequestFailed(Exception):
    """A contender could not do one thing, and may go on with the next."""


@final
class Member:
    """A contender in action. `open` it first, and `stop` it in the end."""

    def __init__(self, contender: Contender, folder: Path, number: int) -> None:
        self.contender = contender
        self.path = str(folder / f"{number}")
        self.far_path = str(folder / f"{number}.far")
        self._launch()

    def open(self, warm_up: float, frame: Sequence[int] | None) -> None:
        """Wait for both ends, and connect them. Others than ours may try again if that fails."""
        tries = 1 if self.contender.kind == OURS else TRIES
        for left in reversed(range(tries)):
            try:
                self.client.ready()
                self._ask("open", address=self.address, far=self.far_path, warm_up=warm_up, frame=frame)
                return
            except (WorkerFailed, RequestFailed):
                if not left:
                    raise
                self.stop()
                Path(self.path).unlink(missing_ok=True)
                self._launch()

    def what_runs(self) -> dict[str, Any]:
        """Which form and which loop the serving end has; for ours alone."""
        self.server.ready()
        facts = self.server.ask({})
        if facts["compiled"] != (self.contender.form == "compiled"):
            raise WorkerFailed(f"{self.contender.name} is not what its name says")
        return {"compiled": facts["compiled"], "loop": facts["loop"]}

    @property
    def address(self) -> str:
        """What the calling end needs to know of the serving one."""
        return self.server.ready() or self.path

    def look(self) -> dict[str, Any]:
        """Look at what crosses; for ours alone."""
        self.client.ready()
        return self._ask("look", address=self.address)

    def measure(self, measure: Measure, settings: Settings, frames: Mapping[str, Any]) -> Figures | None:
        """Measure one thing once; nothing, if the contender can't do it."""
        request = measure.request(settings, frames)
        client, server = self.client.cpu(), self.server.cpu()
        answer = self._ask(measure.act, **request)
        client, server = self.client.cpu() - client, self.server.cpu() - server
        return measure.figures(answer, client, server) if answer else None

    def measure_memory(self, references: int) -> tuple[Figures, dict[str, Any]] | None:
        """Have objects handed out and dropped; return what that took, and how the tables changed."""
        before = self._tables()
        base = self._ask("live")
        if not base:
            return None
        client, server = resident_of(self.client.pid), resident_of(self.server.pid)
        held = self._ask("hold", count=references)
        count = held["calls"]
        figures = {
            "client_bytes": (resident_of(self.client.pid) - client) / count,
            "server_bytes": (resident_of(self.server.pid) - server) / count,
            "rate": count / held["seconds"],
        }
        facts = {"references": held["live"] - base["live"], "before": before, "full": self._tables()}
        dropped = self._ask("drop", base=base["live"])
        if dropped:
            figures["release"] = dropped["seconds"] * 1e3 / count * RELEASED
            if "longest" in dropped:
                figures["longest"] = dropped["longest"] * 1e3
            facts["left"] = dropped["left"]
        # What the last calls themselves have put into the tables goes with the next flush.
        until = time.monotonic() + FAREWELL_SECONDS
        while (after := self._tables()) != before and time.monotonic() < until:
            time.sleep(0.01)
        facts["after"] = after
        return figures, facts

    def stop(self) -> None:
        """End both processes. Idempotent."""
        self.client.stop()
        self.server.stop()

    def _launch(self) -> None:
        contender = self.contender
        place: dict[str, Any] = {"environment": contender.environment, "folder": contender.folder}
        self.server = Worker(contender.server(self.path), **place)
        self.client = Worker(contender.client(), **place)

    def _tables(self) -> Any:
        if self.contender.kind != OURS:
            return None
        return [self.client.ask(TABLES)["tables"], self.server.ask({})["tables"]]

    def _ask(self, what: str, **request: Any) -> dict[str, Any]:
        answer = self.client.ask({"do": what, **request})
        if "failed" in answer:
            raise RequestFailed(answer["failed"])
        return answer


@final
class Fleet:
    """Members that are ready, and what crosses one of ours."""

    def __init__(self, members: list[Member], failed: Callable[[Contender, str], None]) -> None:
        self.members = members
        self.frames: dict[str, Any] = {}
        self.running: dict[str, Any] = {}
        """What each form of ours turned out to run."""

        self._failed = failed

    def each(self, first: int = 0) -> Iterator[Member]:
        """All members, in a circle that starts elsewhere for each ``first``."""
        count = len(self.members)
        yield from [self.members[(first + place) % count] for place in range(count)]

    def lose(self, member: Member, error: WorkerFailed | RequestFailed) -> None:
        """Go on without a peer that failed. Ours must not."""
        if member.contender.kind == OURS:
            raise error
        member.stop()
        self.members.remove(member)
        self._failed(member.contender, f"failed: {error}")


@contextmanager
def fleet_of(
    contenders: Iterable[Contender], settings: Settings, failed: Callable[[Contender, str], None]
) -> Iterator[Fleet]:
    """Start contenders and open their sessions; in the end, stop them all."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        fleet = Fleet([], failed)
        for number, contender in enumerate(contenders):
            member = Member(contender, folder, number)
            stack.callback(member.stop)
            fleet.members.append(member)
        ways = [path for member in fleet.members for path in (member.far_path, member.path)]
        delay = Worker(python("delay", str(DELAY_SECONDS), *ways))
        stack.callback(delay.stop)
        delay.ready()
        for member in list(fleet.members):
            try:
                if member.contender.kind == OURS:
                    fleet.frames = fleet.frames or member.look()
                    fleet.running[member.contender.name] = member.what_runs()
                member.open(settings.warm_up, fleet.frames.get("add", {}).get("frame"))
            except (WorkerFailed, RequestFailed) as error:
                fleet.lose(member, error)
        yield fleet
