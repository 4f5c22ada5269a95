"""References are typed: what mypy and pyright accept, what they reject, and what they infer."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "typing"
ROOT = HERE.parents[1]


def errors(checker: str, file: Path) -> set[int]:
    """The lines of ``file`` in which a checker finds errors."""
    program = shutil.which(checker, path=str(Path(sys.executable).parent)) or shutil.which(checker)
    if program is None:
        pytest.skip(f"{checker} is not installed")
    command = {
        "mypy": ["--config-file", str(ROOT / "pyproject.toml"), "--no-incremental", "--no-error-summary"],
        "pyright": ["--pythonpath", sys.executable],
    }[checker]
    run = subprocess.run(
        [program, *command, str(file)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode in {0, 1}, run.stdout + run.stderr
    found = re.findall(rf"{re.escape(file.name)}:(\d+)(?::\d+)?(?: -)?:? error", run.stdout)
    assert bool(found) == bool(run.returncode), run.stdout + run.stderr
    return set(map(int, found))


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("file", ["accept.py", "actors.py"])
def test_what_is_right_is_accepted(checker: str, file: str) -> None:
    assert errors(checker, HERE / file) == set()


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_what_is_wrong_is_rejected(checker: str) -> None:
    file = HERE / "reject.py"
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    assert errors(checker, file) == {number for number, line in lines if line.endswith("# E")}
