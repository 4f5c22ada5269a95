"""What `.ci/run` does with what the parts say, each of them replaced by a program that says it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "run"

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="it is a shell script"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed"),
]

MAKE = """#!/bin/sh
echo "make $* with ${HOBGOBLIN_SEEDS:-no} seeds"
case " $* " in *" ${BROKEN:-nothing} "*) exit 2 ;; esac
"""
PYTHON = '#!/bin/sh\nprintf %s "${MISSING:-}"\n'
COMPILED = "echo the compiled form with $HOBGOBLIN_SEEDS seeds\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in (
        ("bin/make", MAKE),
        (".venv/bin/python", PYTHON),
        ("tools/test_compiled.sh", COMPILED),
        (".ci/run", SCRIPT.read_text(encoding="utf-8")),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    return tmp_path


def run(tree: Path, **environment: str) -> tuple[int, str]:
    finished = subprocess.run(
        [tree / ".ci" / "run"],
        env={**os.environ, "PATH": f"{tree / 'bin'}:{os.environ['PATH']}", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    return finished.returncode, finished.stdout


def test_all_of_it_is_run_and_shown(tree: Path) -> None:
    code, output = run(tree)
    assert code == 0, output
    for part in ("make test with 500", "make --keep-going lint docs wheel with", "compiled form with 1000"):
        assert output.count(part) == 1
    assert output.splitlines()[-1] == "== all passed, in both forms"


def test_without_a_compiler_the_other_form_runs_all_seeds(tree: Path) -> None:
    code, output = run(tree, MISSING="C compiler (cc)")
    assert code == 0, output
    assert "make test with 2000" in output
    assert "wheel" not in output
    assert output.splitlines()[-1] == (
        "== all passed, but for the compiled form, which was NOT tested: there is no C compiler (cc)"
    )


@pytest.mark.parametrize(("broken", "named"), [("test", "test"), ("lint", "lint docs wheel")])
def test_a_part_that_fails_is_named_and_the_others_are_shown(tree: Path, broken: str, named: str) -> None:
    code, output = run(tree, BROKEN=broken)
    assert code == 1
    assert "make test with" in output
    assert "make --keep-going lint docs wheel with" in output
    assert "the compiled form" not in output
    assert output.splitlines()[-1] == f"== FAILED: make {named}"
