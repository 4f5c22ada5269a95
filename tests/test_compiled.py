"""What Cython is told of a module beside it (``.pxd``), held against the module itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "hobgoblin"
DECLARED = sorted(SOURCE.rglob("*.pxd"))

pytestmark = pytest.mark.skipif(not DECLARED, reason="the source is not here")


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").as_posix()


def classes(path: Path) -> dict[str, str]:
    """The classes that are declared, each with the lines of its body."""
    found: dict[str, str] = {}
    for part in re.split(r"^(?=cdef |cpdef |@)", path.read_text(encoding="utf-8"), flags=re.M):
        if match := re.match(r"cdef class (\w+)", part):
            found[match[1]] = part
    return found


def attributes(body: str) -> set[str]:
    """The attributes that a declared class has."""
    names: set[str] = set()
    for line in body.splitlines():
        if match := re.match(r"    cdef (?:public |readonly )?[\w.]+ ([\w, ]+)$", line):
            names |= {name.strip() for name in match[1].split(",")}
    return names


def stored(node: ast.ClassDef) -> Iterator[str]:
    """The attributes of ``self`` that the methods of a class assign, and the fields of a dataclass."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            if isinstance(inner.value, ast.Name) and inner.value.id == "self":
                yield inner.attr
        elif (
            isinstance(inner, ast.AnnAssign)
            and inner in node.body
            and isinstance(inner.target, ast.Name)
            and "ClassVar" not in ast.unparse(inner.annotation)
        ):
            yield inner.target.id


@pytest.mark.parametrize("path", DECLARED, ids=name_of)
def test_every_attribute_is_declared(path: Path) -> None:
    """A compiled class has the attributes that are declared, and no others."""
    module = ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))
    nodes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    own = {name: attributes(body) for name, body in classes(path).items()}
    assert own.keys() <= nodes.keys(), "a class is declared that is not there"
    everywhere = {name: attributes(body) for other in DECLARED for name, body in classes(other).items()}

    def declared(name: str) -> set[str]:
        found = set(own.get(name, everywhere.get(name, set())))
        for base in nodes[name].bases if name in nodes else []:
            found |= declared(ast.unparse(base).split("[")[0])
        if name not in nodes and name in everywhere:
            bases = [body for each in DECLARED for key, body in classes(each).items() if key == name]
            for base in re.findall(r"cdef class \w+\((\w+)\)", bases[0]):
                found |= declared(base)
        return found

    for name in own:
        missing = set(stored(nodes[name])) - declared(name)
        assert not missing, f"{name} in {path.name} lacks {sorted(missing)}"


@pytest.mark.parametrize("path", DECLARED, ids=name_of)
def test_every_function_is_there(path: Path) -> None:
    """What is declared of a function or method must be in the module, under the same names."""
    module = ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))
    functions: dict[str, list[list[str]]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef):
            functions.setdefault(node.name, []).append([argument.arg for argument in node.args.args])
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"^ *cp?def (?!class|public|readonly)(?:[\w]+ )?(\w+)\(([^)]*)\)", text, flags=re.M)
    for name, arguments in found:
        assert name in functions, name
        names = [argument.split("=")[0].split()[-1] for argument in arguments.split(",") if argument.strip()]
        assert names in functions[name], name


@pytest.mark.parametrize("path", DECLARED, ids=name_of)
def test_no_class_hides_what_it_has(path: Path) -> None:
    """A compiled class has everything in its body, whatever condition it stands under.

    Only ``if TYPE_CHECKING:`` is left out of what is compiled (``hatch_build.py``).
    """
    module = ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name in classes(path):
            conditions = [ast.unparse(inner.test) for inner in node.body if isinstance(inner, ast.If)]
            assert set(conditions) <= {"TYPE_CHECKING"}, node.name


@pytest.mark.parametrize("path", DECLARED, ids=name_of)
def test_nothing_with_a_finalizer_is_used_again(path: Path) -> None:
    """What comes from a free list has been finalized before: Python would not call ``__del__`` again."""
    module = ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))
    nodes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    text = path.read_text(encoding="utf-8")
    for name, base in re.findall(r"^@cython\.freelist\(\d+\)\ncdef class (\w+)(\(\w+\))?", text, flags=re.M):
        assert not base, f"{name} has a base, so it gets no free list"
        methods = [inner.name for inner in nodes[name].body if isinstance(inner, ast.FunctionDef)]
        assert "__del__" not in methods, name
