"""Every Python example of the documentation runs, and prints what the documentation says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# A python block, and the text block that may follow it: what the program prints.
EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```$)?", re.MULTILINE | re.DOTALL
)


def examples() -> list[object]:
    found: list[object] = []
    for page in PAGES:
        for match in EXAMPLE.finditer(page.read_text()):
            line = page.read_text().count("\n", 0, match.start()) + 1
            name = f"{page.relative_to(ROOT)}:{line}"
            found.append(pytest.param(match["code"], match["output"], id=name))
    return found


@pytest.mark.parametrize(("code", "output"), examples())
def test_example(code: str, output: str | None, tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(code)
    run = subprocess.run(
        [sys.executable, "-W", "error", program.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    if output is not None:
        assert run.stdout == output
