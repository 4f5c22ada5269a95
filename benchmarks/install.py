"""Installs what is compared with ours, each for itself: one that fails hinders no other."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable

from benchmarks.contenders import NODE_FOLDER
from benchmarks.processes import ROOT


def install() -> Iterable[str]:
    """Install everything that can be; say what can't."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["optional-dependencies"]["bench"]:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            requirement,
        ]
        yield from _attempt(requirement, command)
    if shutil.which("npm") is None:
        yield "capnweb can't be installed: npm is missing."
    else:
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(NODE_FOLDER)]
        yield from _attempt("capnweb", npm)


def _attempt(what: str, command: list[str]) -> Iterable[str]:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        said = (finished.stderr or finished.stdout).strip().splitlines()
        yield f"{what} can't be installed: {said[-1] if said else f'status {finished.returncode}'}"
