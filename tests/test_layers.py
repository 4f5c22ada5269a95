"""The layers: which module may import which, read from the source with `ast`."""

import ast
import gc
import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path

import pytest

# A module may import what stands in a lower row, and its siblings inside its own package.
# A name stands for the module and, if it is a package, for everything in it.
LAYERS: Mapping[float, tuple[str, ...]] = {
    0.0: ("values",),
    0.05: ("errors",),
    0.1: ("sharing",),
    1.0: ("syrup", "refs"),
    2.0: ("crypto",),
    2.1: ("locators",),
    3.0: ("messages",),
    3.1: ("dialects",),
    3.15: ("wire",),
    3.2: ("settings",),
    4.0: ("captp", "vat"),
    4.5: ("forking", "running"),
    5.0: ("sturdyrefs", "loops", "failures", "actors", "workers"),
    5.1: ("background",),
    6.0: ("netlayers",),
    6.02: ("passages", "taps"),
    6.05: ("inflow", "outflow", "reports", "publishing"),
    6.1: ("connection",),
    6.15: (
        "sessions",
        "dials",
    ),
    6.2: ("peer", "direct"),
    7.0: ("blocking", "testing"),
    7.1: ("__init__",),  # the public names; what follows imports them as a user would
    7.3: ("cli",),
    7.4: ("__main__",),
}

# In layers 0 to 4 clock, entropy and I/O are arguments.
PURE = 4.0
IMPURE = {
    *("asyncio", "socket", "ssl", "select", "selectors", "threading", "_thread"),
    *("time", "random", "secrets", "uuid", "os"),
}
EXEMPT = {("crypto", "os")}  # crypto owns entropy

ROOT = "hobgoblin"
LAYER_OF = {name: layer for layer, names in LAYERS.items() for name in names}

SOURCE = Path(__file__).parents[1] / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in sorted((SOURCE / ROOT).rglob("*.py"))
}
"""Source by module; a package goes by its file, as ``hobgoblin.captp.__init__``."""


@pytest.fixture(autouse=True)
def _no_garbage() -> Iterator[None]:
    """Have no finalizer run while source is parsed.

    One that logs a traceback parses, too, and CPython 3.11 does not survive that: "AST constructor
    recursion depth mismatch" (gh-106905).
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@dataclass(frozen=True)
class Import:
    importer: str
    target: str
    line: int
    for_types: bool
    """Under ``if TYPE_CHECKING:``."""
    deferred: bool
    """Inside a function."""

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"

    @property
    def is_ours(self) -> bool:
        return self.target.split(".")[0] == ROOT


def place(module: str) -> str:
    """The name a module has in the table: ``hobgoblin.captp.session`` is under ``captp``."""
    return module.split(".")[1]


def imports(modules: Mapping[str, str]) -> list[Import]:
    """Every import of every module, as the module it reaches."""
    found: list[Import] = []

    def file_of(name: str) -> str:
        package = f"{name}.__init__"
        return package if package in modules or name == ROOT else name

    def targets(node: ast.Import | ast.ImportFrom, importer: str) -> list[str]:
        if isinstance(node, ast.Import):
            return [file_of(alias.name) for alias in node.names]
        base = ".".join(importer.split(".")[: -node.level]) if node.level else ""
        source = ".".join(filter(None, [base, node.module]))
        inner = {f"{source}.{alias.name}" for alias in node.names}
        submodules = {name for name in map(file_of, inner) if name in modules}
        names_too = len(submodules) < len(inner)
        return sorted(submodules | ({file_of(source)} if names_too else set()))

    def visit(node: ast.AST, importer: str, for_types: bool, deferred: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in targets(node, importer):
                found.append(Import(importer, target, node.lineno, for_types, deferred))
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            for statement in node.body:
                visit(statement, importer, True, deferred)
            for statement in node.orelse:
                visit(statement, importer, for_types, deferred)
            return
        deferred = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, importer, for_types, deferred)

    for module, source in modules.items():
        visit(ast.parse(source), module, False, False)
    return found


def unplaced(modules: Mapping[str, str]) -> list[str]:
    """Modules the table does not know."""
    return [f"{module} has no row in LAYERS" for module in modules if place(module) not in LAYER_OF]


def upward(modules: Mapping[str, str]) -> list[str]:
    """Imports that do not lead downward. Those for types only, or inside a function, count too."""
    problems: list[str] = []
    for edge in imports(modules):
        if not edge.is_ours:
            continue
        source, target = place(edge.importer), place(edge.target)
        if source == target or source not in LAYER_OF:
            continue
        if target not in LAYER_OF:
            problems.append(f"{edge}, which has no row in LAYERS")
        elif LAYER_OF[target] >= LAYER_OF[source]:
            problems.append(f"{edge}: layer {LAYER_OF[source]} may not reach layer {LAYER_OF[target]}")
    return problems


def impure(modules: Mapping[str, str]) -> list[str]:
    """Imports of clock, entropy, threads or I/O in the layers that take them as arguments."""
    return [
        f"{edge}: not in layer {LAYER_OF[place(edge.importer)]}"
        for edge in imports(modules)
        if LAYER_OF.get(place(edge.importer), inf) <= PURE
        if (top := edge.target.split(".")[0]) in IMPURE and (place(edge.importer), top) not in EXEMPT
        if not edge.for_types
    ]


def cycle(modules: Mapping[str, str]) -> list[str]:
    """The imports of one cycle among those that run when a module is imported, if there is one."""
    edges = [edge for edge in imports(modules) if edge.is_ours and not edge.for_types and not edge.deferred]
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for edge in edges:
        graph.setdefault(edge.importer, set()).add(edge.target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        ring = pairwise(reversed(error.args[1]))
        return [str(next(edge for edge in edges if (edge.importer, edge.target) == pair)) for pair in ring]
    return []


def test_every_module_is_placed() -> None:
    assert unplaced(MODULES) == []


def test_imports_lead_downward() -> None:
    assert upward(MODULES) == []


def test_the_core_takes_clock_entropy_and_io_as_arguments() -> None:
    assert impure(MODULES) == []


def test_imports_have_no_cycle() -> None:
    assert cycle(MODULES) == []


# The checker itself, on sources that are made up.


def house(sources: Mapping[str, str]) -> dict[str, str]:
    """Modules from ``{"captp.session": "import …"}``; every package gets its ``__init__``."""
    modules = {f"{ROOT}.{name}": source for name, source in sources.items()}
    packages = {name.rpartition(".")[0] for name in modules}
    return {f"{package}.__init__": "" for package in packages} | modules


def test_a_module_in_no_row_is_found() -> None:
    assert unplaced(house({"errors": "", "gadgets.wheel": ""})) == [
        "hobgoblin.gadgets.__init__ has no row in LAYERS",
        "hobgoblin.gadgets.wheel has no row in LAYERS",
    ]


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        (
            house({"values": "from hobgoblin.errors import Refused"}),
            "hobgoblin.values:1 imports hobgoblin.errors: layer 0.0 may not reach layer 0.05",
        ),
        (
            house({"captp.session": "from hobgoblin import vat", "vat.core": ""}),
            "hobgoblin.captp.session:1 imports hobgoblin.vat.__init__: layer 4.0 may not reach layer 4.0",
        ),
        (
            house({"vat.core": "from ..captp import session", "captp.session": ""}),
            "hobgoblin.vat.core:1 imports hobgoblin.captp.session: layer 4.0 may not reach layer 4.0",
        ),
        (
            house({"netlayers.unix": "def late():\n    import hobgoblin.peer", "peer": ""}),
            "hobgoblin.netlayers.unix:2 imports hobgoblin.peer: layer 6.0 may not reach layer 6.2",
        ),
        (
            house({"refs": "if TYPE_CHECKING:\n    from .vat.core import Vat", "vat.core": ""}),
            "hobgoblin.refs:2 imports hobgoblin.vat.core: layer 1.0 may not reach layer 4.0",
        ),
        (
            house({"crypto": "from hobgoblin import Peer"}),
            "hobgoblin.crypto:1 imports hobgoblin.__init__: layer 2.0 may not reach layer 7.1",
        ),
        (
            house({"peer": "import hobgoblin.gadgets"}),
            "hobgoblin.peer:1 imports hobgoblin.gadgets, which has no row in LAYERS",
        ),
    ],
)
def test_an_import_that_does_not_lead_downward_is_found(modules: dict[str, str], problem: str) -> None:
    assert upward(modules) == [problem]


def test_imports_downward_and_among_siblings_are_fine() -> None:
    modules = house(
        {
            "errors": "",
            "captp.events": "from ..errors import ProtocolError",
            "captp.session": "from . import events\nfrom hobgoblin.captp.events import Severed",
            "__main__": "from hobgoblin.cli import main",
            "cli": "import hobgoblin as hob",
        }
    )
    assert upward(modules) == unplaced(modules) == cycle(modules) == impure(modules) == []


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        (house({"captp.io": "import asyncio.events"}), "hobgoblin.captp.io:1 imports asyncio.events"),
        (house({"vat.core": "def f():\n    from time import sleep"}), "hobgoblin.vat.core:2 imports time"),
        (house({"locators": "from os import urandom"}), "hobgoblin.locators:1 imports os"),
        (house({"crypto": "import os, secrets"}), "hobgoblin.crypto:1 imports secrets"),
        (house({"errors": "import random"}), "hobgoblin.errors:1 imports random"),
    ],
)
def test_clock_entropy_and_io_in_the_core_are_found(modules: dict[str, str], problem: str) -> None:
    [found] = impure(modules)
    assert found.startswith(problem + ": not in layer")


def test_above_the_core_and_for_types_they_are_fine() -> None:
    modules = house(
        {
            "loops": "import asyncio, time",
            "refs": "import typing\nif typing.TYPE_CHECKING:\n    import asyncio\nelse:\n    import logging",
        }
    )
    assert impure(modules) == []


def test_a_cycle_is_found() -> None:
    modules = house(
        {
            "vat.a": "from . import b",
            "vat.b": "from hobgoblin.vat.c import x",
            "vat.c": "import hobgoblin.vat.a",
        }
    )
    assert sorted(cycle(modules)) == [
        "hobgoblin.vat.a:1 imports hobgoblin.vat.b",
        "hobgoblin.vat.b:1 imports hobgoblin.vat.c",
        "hobgoblin.vat.c:1 imports hobgoblin.vat.a",
    ]


@pytest.mark.parametrize(
    "late",
    [
        "if TYPE_CHECKING:\n    from . import a",
        "def f():\n    from . import a",
    ],
)
def test_an_import_that_does_not_run_makes_no_cycle(late: str) -> None:
    assert cycle(house({"vat.a": "from . import b", "vat.b": late})) == []


def test_a_package_that_gathers_its_modules_is_no_cycle_until_one_imports_it() -> None:
    modules = house({"vat.a": "", "vat.b": ""})
    modules["hobgoblin.vat.__init__"] = "from .a import x\nfrom . import b"
    assert cycle(modules) == []
    modules["hobgoblin.vat.b"] = "from . import x"
    assert sorted(cycle(modules)) == [
        "hobgoblin.vat.__init__:2 imports hobgoblin.vat.b",
        "hobgoblin.vat.b:1 imports hobgoblin.vat.__init__",
    ]
