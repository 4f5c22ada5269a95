"""Rounds: in each, everything is measured once, and the contenders take turns."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks import ed25519
from benchmarks.contenders import FLOOR, OURS, PEER, Contender, others, our_forms
from benchmarks.fleet import Fleet, Member, RequestFailed, fleet_of
from benchmarks.measures import MEASURES, MEMORY, Figures
from benchmarks.processes import ROOT, WorkerFailed, python
from benchmarks.settings import Settings
from benchmarks.tls import write_certificate

ALONE_BOTH_LOOPS: Final = ("local",)
FEW_ROUNDS: Final = ("pending", "steady", "sharing", "crowd", "sessions", "exports", "actors")
"""What takes long, and differs little from round to round."""

ALONE: Final = ("syrup", *ALONE_BOTH_LOOPS, *FEW_ROUNDS)
PEER_BENCHMARKS: Final = tuple(measure.benchmark.name for measure in MEASURES)
ALL: Final = (*PEER_BENCHMARKS, MEMORY.name, *ALONE)

STARTING: Final = "starting"

Round = dict[str, dict[str, Figures]]
"""By benchmark and contender."""


@dataclass(slots=True)
class Results:
    """Everything that was found; as JSON, what the page and the plot are made of."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    contenders: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each benchmark took in all rounds, and to start processes and warm them up."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line asks for."""

    settings: Settings
    benchmarks: Sequence[str]
    forms: Sequence[str]
    loops: Sequence[str]
    with_peers: bool


class NothingOfOurs(Exception):
    """No form of ours that was asked for is there; says why."""


class Conductor:
    """Runs the rounds of one invocation."""

    def __init__(
        self, choice: Choice, tell: Callable[[str], object], keep: Callable[[Results], object]
    ) -> None:
        self._choice = choice
        self._tell = tell
        self._keep = keep
        self.results = Results(machine(), asdict(choice.settings))
        self._doing = ""
        self._since = 0.0

    def run(self) -> Results:
        """Measure everything, as often as the settings say."""
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            write_certificate(folder)
            ours, skipped = our_forms(self._choice.forms, self._choice.loops, folder)
            self.results.skipped.update(skipped)
            if not ours:
                raise NothingOfOurs("; ".join(f"{name}: {reason}" for name, reason in skipped.items()))
            present = [*ours]
            for contender in others(folder):
                unwanted = contender.kind == PEER and not self._choice.with_peers
                reason = "not asked for" if unwanted else contender.missing()
                if reason:
                    self.results.skipped[contender.name] = reason
                else:
                    present.append(contender)
            for contender in present:
                self._enter(contender)
            for number in range(self._choice.settings.rounds):
                self._round(number, present)
                self._stop_watch()
                self._keep(self.results)
        return self.results

    def _enter(self, contender: Contender) -> None:
        self.results.contenders[contender.name] = {
            "kind": contender.kind,
            "loop": contender.loop,
            "form": contender.form,
            "proves": contender.proves,
        }

    def _round(self, number: int, present: Sequence[Contender]) -> None:
        """Measure everything once. What grows large is measured in the first rounds only."""
        found: Round = {}
        self.results.rounds.append(found)
        wanted = set(self._choice.benchmarks)
        early = number < self._choice.settings.memory_rounds
        measures = [measure for measure in MEASURES if measure.benchmark.name in wanted]
        if measures:
            self._say(number, STARTING)
            with self._fleet(present) as fleet:
                self.results.facts.update({"frames": fleet.frames, "running": fleet.running})
                for measure in measures:
                    self._say(number, measure.benchmark.name)
                    self._each(fleet, number, measure.benchmark.name, found, self._measurer(measure, fleet))
        if "connect" in wanted:
            found["connect"][ed25519.NAME] = self._alone("ed25519", present[0])["figures"]
            self.results.contenders.setdefault(
                ed25519.NAME, {"kind": FLOOR, "loop": "", "form": "", "proves": True}
            )
        if MEMORY.name in wanted and early:
            self._say(number, MEMORY.name)
            with self._fleet(_one_loop_each(present)) as fleet:
                self._each(fleet, number, MEMORY.name, found, self._remember)
        for name in self._choice.benchmarks:
            if name in ALONE and (early or name not in FEW_ROUNDS):
                self._say(number, name)
                forms = [each for each in present if each.kind == OURS]
                for contender in forms if name in ALONE_BOTH_LOOPS else _one_loop_each(forms):
                    found.setdefault(name, {})[contender.name] = self._alone(name, contender)["figures"]

    def _fleet(self, contenders: Iterable[Contender]) -> Any:
        def failed(contender: Contender, reason: str) -> None:
            self.results.skipped[contender.name] = f"in a round at least, it {reason}"

        return fleet_of(contenders, self._choice.settings, failed)

    def _each(
        self, fleet: Fleet, first: int, name: str, found: Round, act: Callable[[Member], Figures | None]
    ) -> None:
        """Have all members of a fleet do something, each at its turn."""
        for member in fleet.each(first):
            contender = member.contender
            if contender.only and name not in contender.only:
                continue
            if name in contender.broken:
                self.results.skipped[f"{contender.name}: {name}"] = contender.broken[name]
                continue
            try:
                figures = act(member)
            except RequestFailed as error:
                if contender.kind == OURS:
                    raise
                self.results.skipped[f"{contender.name}: {name}"] = f"in a round at least, it failed: {error}"
                continue
            except WorkerFailed as error:
                fleet.lose(member, error)
                continue
            if figures:
                found.setdefault(name, {})[contender.name] = figures

    def _measurer(self, measure: Any, fleet: Fleet) -> Callable[[Member], Figures | None]:
        return lambda member: member.measure(measure, self._choice.settings, fleet.frames)

    def _remember(self, member: Member) -> Figures | None:
        settings = self._choice.settings
        ours = member.contender.kind == OURS
        remembered = member.measure_memory(settings.references if ours else settings.peer_references)
        if remembered is None:
            return None
        figures, facts = remembered
        if ours:
            self.results.facts["memory"] = facts
        return figures

    def _alone(self, name: str, contender: Contender) -> dict[str, Any]:
        """Run a benchmark of ours in a fresh process."""
        command = python("alone", name, contender.loop, json.dumps(self.results.settings))
        environment = {**os.environ, **contender.environment}
        finished = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if finished.returncode:
            raise WorkerFailed(f"{name}, {contender.name}: {finished.stderr.strip()}")
        found: dict[str, Any] = json.loads(finished.stdout)
        if contender.form and found["compiled"] != (contender.form == "compiled"):
            raise WorkerFailed(f"{contender.name} is not what its name says")
        return found

    def _say(self, number: int, name: str) -> None:
        """Something begins, and what was done before has ended."""
        self._stop_watch()
        self._doing = name
        self._tell(f"round {number + 1} of {self._choice.settings.rounds}: {name}")

    def _stop_watch(self) -> None:
        now = perf_counter()
        if self._doing:
            self.results.seconds[self._doing] = self.results.seconds.get(self._doing, 0) + now - self._since
        self._doing, self._since = "", now


def _one_loop_each(contenders: Sequence[Contender]) -> list[Contender]:
    """Of contenders that differ in their loop only, those on uvloop."""
    best: dict[tuple[str, str, str], Contender] = {}
    for contender in contenders:
        key = (contender.module, contender.form, str(contender.only))
        if key not in best or contender.loop == "uvloop":
            best[key] = contender
    return list(best.values())


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 2),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _git(*arguments: str) -> str:
    """What git says, or nothing."""
    try:
        finished = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return finished.stdout.strip()
