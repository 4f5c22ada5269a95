"""Builds a compiled wheel when ``HOBGOBLIN_COMPILE=1`` asks for one; else there is nothing to do.

Every module with declarations beside it (``.pxd``) becomes an extension module, made by Cython from the
same source. The source goes into the wheel as well: tracebacks show it, and any form falls back on it.

Cython takes plain Python, but for a few things, which are changed in a copy of the source, line by line:
a compiled class can be neither ``@final`` nor ``Generic``, its bases have no parameters, it has no use
for slots that a dataclass makes, and must not have methods that are there for type checkers alone. A
reference takes nearly all names for methods: the compiled class knows that before it has looked for an
attribute, which takes four times as long when there is none. What a ``.pxd`` defines itself, as a ``cdef
inline`` function, is left out of the module: there stand calls of Python's own C API.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "hobgoblin"
FLAGS = () if sys.platform == "win32" else ("-O2", "-g0", "-Werror=incompatible-pointer-types")
"""The last is how it shows that a bound method of another module's class was taken from a typed variable."""

DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # annotations are for checkers; Cython relies on the declarations alone
    "binding": True,
    "c_api_binop_methods": False,
}


def wanted() -> bool:
    """Tell whether this is to be a compiled wheel."""
    return os.environ.get("HOBGOBLIN_COMPILE", "0") not in ("", "0")


class CompileHook(BuildHookInterface[Any]):
    """What hatchling calls."""

    def dependencies(self) -> list[str]:
        return ["Cython>=3.1,<4", "setuptools>=68"] if wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not wanted() or self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        made = compile_package(root / "src", root / "build" / "compiled")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update({str(path): name for path, name in made.items()})


def compile_package(source: Path, work: Path) -> dict[Path, str]:
    """Compile what has declarations. Return the extension modules, each with its place in the wheel.

    What is left in ``work`` by an earlier call is used again, as far as nothing it was made of has changed.
    """
    import Cython
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    made_with = f"{Cython.__version__} {sys.version} {Path(__file__).read_bytes()!r}"
    stamp = work / "made-with"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != made_with:
        shutil.rmtree(work, ignore_errors=True)
    _write_if_changed(stamp, made_with)
    modules: list[Path] = []
    copies: set[Path] = set()
    for path in sorted((source / PACKAGE).rglob("*")):
        if path.suffix not in (".py", ".pxd"):
            continue
        copy = work / "source" / path.relative_to(source)
        copies.add(copy)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py" and path.with_suffix(".pxd").exists():
            text = for_cython(text, path.with_suffix(".pxd").read_text(encoding="utf-8"))
            modules.append(copy.relative_to(work / "source"))
        _write_if_changed(copy, text)
    for copy in (work / "source").rglob("*.p[yx]*"):
        if copy not in copies:
            copy.unlink()
    workers = os.cpu_count() or 1
    here = Path.cwd()
    os.chdir(work / "source")  # Cython names modules by where they lie
    try:
        extensions = cythonize(
            [
                Extension(".".join(module.with_suffix("").parts), [str(module)], extra_compile_args=[*FLAGS])
                for module in modules
            ],
            compiler_directives=DIRECTIVES,
            nthreads=workers if sys.platform != "win32" else 0,
            quiet=True,
        )
        command = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib = str(work / "lib")
        command.build_temp = str(work / "temp")
        command.parallel = workers
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(here)
    names = {module.with_suffix("") for module in modules}
    made = {path: path.relative_to(work / "lib") for path in (work / "lib").rglob("*") if path.is_file()}
    return {
        path: it.as_posix() for path, it in made.items() if it.parent / it.name.partition(".")[0] in names
    }


def _write_if_changed(path: Path, text: str) -> None:
    """Leave what is the same as old as it is: Cython and the C compiler go by age."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def for_cython(text: str, declarations: str) -> str:
    """Return the text of a module as Cython takes it, with every line where it was."""
    text = _without_stubs(text)
    text = re.sub(r"^@final$", "#", text, flags=re.M)
    text = text.replace(
        "    __hash__ = object.__hash__\n", "    def __hash__(self): return object.__hash__(self)\n"
    )
    text = text.replace(
        "    # Compiled, here stands a __getattribute__: see hatch_build.py.\n",
        "    def __getattribute__(self, name): return "
        "PyObject_GenericGetAttr(self, name) if _is_attribute(name) else _method_of(self, name)\n",
    )
    text = text.replace(
        "    # Compiled, here it is asked whether that is the innermost frame: see hatch_build.py.\n",
        "    if depth == 0: return _innermost(called)\n",
    )
    for name in re.findall(r"^cdef inline \w+ (\w+)\(", declarations, flags=re.M):
        text = re.sub(rf"^{name}: Final = .*$", "#", text, flags=re.M)
    # How instances are made is declared, but Cython asks the module for it: on the empty lines above a class.
    for how, name in re.findall(r"^(@cython\.\w+(?:\(\d+\))?)\ncdef class (\w+)", declarations, flags=re.M):
        text = re.sub(rf"\n\n\n((?:[@#].*\n)*class {name}\b)", rf"\n{how}\n@cython.cclass\n\1", text)
        text = re.sub("^(from __future__ import annotations)$", r"\1; import cython", text, flags=re.M)
    for name in re.findall(r"^cdef class (\w+)", declarations, flags=re.M):
        text = re.sub(rf"^class {name}\(.*\):$", _without_generic, text, flags=re.M)
        text = re.sub(rf"^@dataclass\(.*\)\n(?:#\n)*class {name}\b", _without_slots, text, flags=re.M)
    return text


def _without_stubs(text: str) -> str:
    """Leave out what stands in classes under ``if TYPE_CHECKING:``: Cython takes it for methods."""
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, ast.If) and ast.unparse(inner.test) == "TYPE_CHECKING":
                for number in range(inner.lineno - 1, inner.end_lineno or inner.lineno):
                    lines[number] = "#\n"
    return "".join(lines)


def _without_generic(found: re.Match[str]) -> str:
    return re.sub(r"\[\w+(, \w+)*\]", "", re.sub(r"(, )?Generic\[\w+\]", "", found[0])).replace("()", "")


def _without_slots(found: re.Match[str]) -> str:
    return re.sub(r"slots=True, |(, )?slots=True", "", found[0])


if __name__ == "__main__":
    compile_package(Path(__file__).parent / "src", Path(sys.argv[1]).resolve())
