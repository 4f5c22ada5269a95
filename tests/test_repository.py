"""Facts about the repository that are easily forgotten when something else changes."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import hobgoblin
from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "hobgoblin"
MODULES = sorted(SOURCE.rglob("*.py"))

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_the_package_says_that_it_is_typed() -> None:
    assert (SOURCE / "py.typed").exists()


def test_the_version_is_the_same_everywhere() -> None:
    assert hobgoblin.__version__ == VERSION
    assert metadata.version("hobgoblin") == VERSION


def test_the_changelog_knows_the_version() -> None:
    assert any(line.startswith(f"## [{VERSION}]") for line in lines(ROOT / "CHANGELOG.md"))


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "helpers", "manager", "data"}
    assert [path for path in MODULES if drawers & set(path.relative_to(SOURCE).with_suffix("").parts)] == []


def test_no_module_outgrows_its_reader() -> None:
    assert {path.name: length for path in MODULES if (length := len(lines(path))) > 700} == {}


def test_the_readme_shows_code_at_once() -> None:
    assert "```python" in [line.strip() for line in lines(ROOT / "README.md")[:40]]


def test_contributing_names_each_target_of_make() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [target for target in targets if target != "help" and f"`make {target}`" not in text] == []


def test_contributing_has_each_module_in_its_layer() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = {int(row): cells for row, cells in re.findall(r"^\| ([0-7]) \| (.*?) \|", text, re.MULTILINE)}
    told = {name: layer for layer, cells in table.items() for name in re.findall(r"`(\w+)`", cells)}
    assert told == {name: int(layer + 0.5) for layer, names in LAYERS.items() for name in names}
