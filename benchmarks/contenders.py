"""Who takes part: forms of ours, floors that nobody can beat, and peers that do the same work."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import hobgoblin
from benchmarks.processes import ROOT, python
from benchmarks.tls import FOLDER_VARIABLE

NODE_FOLDER: Final = ROOT / "benchmarks" / "node"
LOOPS: Final = ("asyncio", "uvloop")
FORMS: Final = ("interpreted", "compiled")
SOURCE: Final = Path(hobgoblin.__file__).parent

OURS: Final = "ours"
FLOOR: Final = "floor"
PEER: Final = "peer"


@dataclass(frozen=True, slots=True)
class Contender:
    """One that is measured."""

    name: str
    kind: str
    module: str
    """In `benchmarks.peers`; empty for what runs in Node."""

    loop: str = "asyncio"
    needs: tuple[str, ...] = ()
    """Modules that have to be installed."""

    form: str = ""
    """Of ours: interpreted or compiled."""

    proves: bool = False
    """Whether both ends prove who they are."""

    only: tuple[str, ...] = ()
    """The benchmarks that it takes part in; none: in all that it can do."""

    broken: Mapping[str, str] = field(default_factory=dict)
    """The benchmarks that it fails, and how."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def server(self, path: str) -> list[str]:
        """The command line of the serving end."""
        if not self.module:
            return ["node", "--expose-gc", "serve.mjs", path]
        return python("serve", self.module, self.loop, path)

    def client(self) -> list[str]:
        """The command line of the calling end."""
        return python("play", self.module, self.loop) if self.module else ["node", "--expose-gc", "play.mjs"]

    @property
    def folder(self) -> Path:
        """Where both run."""
        return ROOT if self.module else NODE_FOLDER

    def missing(self) -> str:
        """Why it can't be measured here; empty if it can."""
        for module in self.needs:
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed; make bench-all installs it"
        if not self.module:
            if shutil.which("node") is None:
                return "node is not installed"
            if not (NODE_FOLDER / "node_modules" / self.name).exists():
                return f"{self.name} is not installed; make bench-all installs it, with npm"
        return ""


def ours(form: str, loop: str, environment: Mapping[str, str]) -> Contender:
    """A form of ours."""
    return Contender(
        f"hobgoblin, {form}, {loop}",
        OURS,
        "ours",
        loop,
        ("uvloop",) if loop == "uvloop" else (),
        form,
        proves=True,
        environment=environment,
    )


def others(tls_folder: Path) -> list[Contender]:
    """Floors and peers."""
    uvloop = ("uvloop",)
    tls = {FOLDER_VARIABLE: str(tls_folder)}
    grpc = ("grpc", "grpc_tools")
    return [
        Contender("blocking sockets", FLOOR, "blocking"),
        Contender("raw echo, asyncio", FLOOR, "echo"),
        Contender("raw echo, uvloop", FLOOR, "echo", "uvloop", uvloop),
        Contender("pycapnp, asyncio", PEER, "pycapnp", needs=("capnp",)),
        Contender(
            "pycapnp, uvloop",
            PEER,
            "pycapnp",
            "uvloop",
            ("capnp", *uvloop),
            broken=dict.fromkeys(
                ("connect", "far_chain"), "under uvloop its server crashes every few connections"
            ),
        ),
        Contender("gRPC", PEER, "grpcio", needs=grpc),
        Contender(
            "gRPC, TLS of both sides",
            PEER,
            "grpcio",
            needs=grpc,
            proves=True,
            only=("connect",),
            environment=tls,
        ),
        Contender("RPyC", PEER, "rpyc", needs=("rpyc",)),
        Contender("Pyro5", PEER, "pyro5", needs=("Pyro5", "msgpack")),
        Contender(
            "Pyro5, TLS of both sides over TCP",
            PEER,
            "pyro5",
            needs=("Pyro5", "msgpack"),
            proves=True,
            only=("connect",),
            environment=tls,
        ),
        Contender("capnweb", PEER, ""),
    ]


def our_forms(
    forms: Sequence[str], loops: Sequence[str], folder: Path
) -> tuple[list[Contender], dict[str, str]]:
    """The forms of ours there are, and why others are missing.

    The interpreted form of a compiled package is a copy of its source in ``folder``: what is compiled
    lies next to the source, and is preferred to it.
    """
    found: list[Contender] = []
    skipped: dict[str, str] = {}
    compiled = is_compiled()
    for form in forms:
        environment: dict[str, str] = {}
        if form == "interpreted" and compiled:
            copy_source(folder)
            environment["PYTHONPATH"] = str(folder)
        for loop in loops:
            contender = ours(form, loop, environment)
            reason = (
                "hobgoblin is not installed in its compiled form"
                if form == "compiled" and not compiled
                else ""
            )
            reason = reason or contender.missing()
            if reason:
                skipped[contender.name] = reason
            else:
                found.append(contender)
    return found, skipped


def is_compiled() -> bool:
    """Whether this process has the compiled form."""
    return bool(getattr(hobgoblin, "__compiled__", False))


def copy_source(folder: Path) -> None:
    """Put a copy of the package into ``folder`` that holds nothing but its source."""
    if not (folder / SOURCE.name).exists():
        ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
        shutil.copytree(SOURCE, folder / SOURCE.name, ignore=ignored)
