"""References are typed: what mypy and pyright accept, what they reject, and what they infer."""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "typing"
ROOT = HERE.parents[1]
FILES = sorted(HERE.glob("*.py"))


@cache
def errors(checker: str) -> dict[str, set[int]]:
    """The lines in which a checker finds errors, by file: one run for all, for it reads all of hobgoblin."""
    program = shutil.which(checker, path=str(Path(sys.executable).parent)) or shutil.which(checker)
    if program is None:
        pytest.skip(f"{checker} is not installed")
    command = {
        "mypy": ["--config-file", str(ROOT / "pyproject.toml"), "--no-incremental", "--no-error-summary"],
        "pyright": ["--pythonpath", sys.executable],
    }[checker]
    run = subprocess.run(
        [program, *command, *map(str, FILES)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode in {0, 1}, run.stdout + run.stderr
    lines: dict[str, set[int]] = {file.name: set() for file in FILES}
    for path, line in re.findall(r"^ *(.+?\.pyi?):(\d+)(?::\d+)?(?: -)?:? error", run.stdout, flags=re.M):
        assert Path(path).name in lines, run.stdout + run.stderr
        lines[Path(path).name].add(int(line))
    assert any(lines.values()) == bool(run.returncode), run.stdout + run.stderr
    return lines


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("file", ["accept.py", "actors.py"])
def test_what_is_right_is_accepted(checker: str, file: str) -> None:
    assert errors(checker)[file] == set()


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_what_is_wrong_is_rejected(checker: str) -> None:
    lines = enumerate((HERE / "reject.py").read_text(encoding="utf-8").splitlines(), 1)
    assert errors(checker)["reject.py"] == {number for number, line in lines if line.endswith("# E")}
