"""Every Python example of the documentation runs, and prints what the documentation says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hobgoblin
from hobgoblin import actors, blocking, captp, netlayers, syrup, testing, wire

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TOP = [*ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")]

# A python block or a program that is included, and the text block that may follow it: what it prints.
EXAMPLE = re.compile(
    r"^```(?:python\n(?P<code>.*?)|{literalinclude} (?P<file>\S+)\n(?::.*\n)*)^```\n"
    r"(?:\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)

LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#]+)")


def examples() -> list[object]:
    found: list[object] = []
    for page in PAGES:
        text = page.read_text()
        for match in EXAMPLE.finditer(text):
            code, output = match["code"], match["output"]
            if code is None:
                if output is None:
                    continue  # a part of a program, or one that needs company
                code = (page.parent / match["file"]).read_text()
            name = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
            found.append(pytest.param(code, output, id=name))
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


@pytest.mark.parametrize("page", TOP, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    # Those between the pages of docs/ are checked when the site is built.
    links = [match["file"] for match in LINK.finditer(page.read_text())]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_reference_has_every_public_name() -> None:
    reference = "\n".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
    modules = (actors, blocking, captp, hobgoblin.errors, netlayers, syrup, testing, wire)
    shown = set(re.findall(r"^\.\. automodule:: (\S+)\n   :members:", reference, re.MULTILINE))
    assert [name for module in modules if (name := module.__name__) not in {*shown, "hobgoblin.errors"}] == []

    single = set(re.findall(r"^\.\. auto\w+:: (\w+)", reference, re.MULTILINE))
    missing = [name for name in hobgoblin.__all__ if name not in single and f"hobgoblin.{name}" not in shown]
    assert missing == [], "give each a line in a page of docs/reference"


def test_the_pictures_are_as_drawn(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "draw_diagrams.py", tmp_path], check=True)
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert drawn == {path.name: path.read_text() for path in (ROOT / "docs" / "images").iterdir()}
