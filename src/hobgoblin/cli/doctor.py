"""``python -m hobgoblin doctor``: what is installed here, and in which form it runs."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import hobgoblin
from hobgoblin.running import loop_factory, uvloop_is_there

__all__ = ["findings", "run"]


def run() -> int:
    """Print what there is; return the exit code."""
    for name, finding in findings():
        print(f"{name:<12} {finding}")
    return 0


def findings() -> Iterator[tuple[str, str]]:
    """Yield what is looked at, and how it is."""
    yield "hobgoblin", hobgoblin.__version__
    yield "form", "compiled" if hobgoblin.__compiled__ else "interpreted"
    yield "Python", f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}"
    yield "cryptography", _version_of("cryptography")
    yield "uvloop", _version_of("uvloop") if uvloop_is_there() else "not installed"
    try:
        yield "own loops", "asyncio" if loop_factory() is None else "uvloop"
    except RuntimeError as error:
        yield "own loops", str(error)
    yield "netlayers", ", ".join(_netlayers())


def _netlayers() -> Iterator[str]:
    for name in hobgoblin.netlayers.__all__:
        if hasattr(getattr(hobgoblin.netlayers, name), "dial") and name != "Netlayer":
            yield name


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
