"""Every threat to sessions, tables and hand-offs has a test that carries its number: ``test_t25_…``.

T13 to T21 are about sessions, T25 to T36 about tables, promises and collection, T37 to T42 about
hand-offs and sturdyrefs. Those of the codec, T1 to T12, are numbered in the same way.
"""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
THREATS = {*range(13, 22), *range(25, 43)}
NUMBER = re.compile(r"t(\d+)(?=_)")


def numbered_tests() -> dict[int, list[str]]:
    """Return the names of tests by the numbers in them; one name may carry several."""
    found: dict[int, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_t"):
                for number in NUMBER.findall(node.name):
                    found.setdefault(int(number), []).append(node.name)
    return found


def test_every_threat_has_a_test() -> None:
    assert sorted(THREATS - numbered_tests().keys()) == []
