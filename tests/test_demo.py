"""``python -m hobgoblin``: the demo as a newcomer runs it, and how it shows messages."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hobgoblin
from hobgoblin.cli import main
from hobgoblin.cli.diagram import draw, wants_colour
from hobgoblin.cli.wording import Wording
from hobgoblin.crypto import KeyPair
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import (
    ENCODERS,
    DescAnswer,
    DescExport,
    DescImportObject,
    DescImportPromise,
    OpAbort,
    OpDeliver,
    OpGcAnswers,
    OpGcExports,
    OpGet,
    OpIndex,
    OpListen,
    OpStartSession,
    OpUntag,
)
from hobgoblin.syrup import encode
from hobgoblin.testing import Transcript
from hobgoblin.testing.notation import LONGEST
from hobgoblin.testing.transcript import Malformed
from hobgoblin.values import NULL, ErrorValue, Keyword, Record, Symbol, SyrupSet, Tagged

DEADLINE_SECONDS = 60
NOISE = "We hear: *Vroom vroom!* You drive your blue Fork Explorist!"


def environment(directory: Path, **extra: str) -> dict[str, str]:
    """Without what coverage would start in the process, and with a place of its own for files."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COV_", "COVERAGE_")) and name != "NO_COLOR"
    }
    return {**inherited, "TMPDIR": str(directory), "PYTHONIOENCODING": "utf-8", **extra}


def run(*arguments: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=DEADLINE_SECONDS,
        **kwargs,
    )


# The command line


def test_the_demo(tmp_path: Path) -> None:
    demo = run("-m", "hobgoblin", "demo", env=environment(tmp_path))
    assert (demo.returncode, demo.stderr) == (0, "")
    lines = demo.stdout.splitlines()
    assert lines[0] == NOISE
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in demo.stdout
    assert list(tmp_path.iterdir()) == []

    messages = [line.strip(" │") for line in lines if "op:" in line]
    assert [message.split()[0] for message in messages[:2]] == ["op:start-session"] * 2
    calls = [line for line, message in enumerate(messages) if "→ answer" in message]
    answers = [line for line, message in enumerate(messages) if "to the resolver of answer" in message]
    assert len(calls) == len(answers) == 2
    assert max(calls) < min(answers)
    assert messages[calls[0]] == 'op:deliver  to the bootstrap object: ("Explorist" "blue") → answer 1'
    assert messages[calls[1]] == "op:deliver  to answer 1: () → answer 2"
    assert lines[-1].startswith("2 calls, 1 round trip: ")
    assert [line.split(":")[0] for line in lines[-4:-2]] == ["bootstrap object", "resolver"]


def test_the_demo_where_there_is_only_ascii(tmp_path: Path) -> None:
    demo = run("-m", "hobgoblin", "demo", env=environment(tmp_path, PYTHONIOENCODING="ascii"))
    assert (demo.returncode, demo.stderr) == (0, "")
    assert demo.stdout.isascii()
    assert 'op:deliver  to the bootstrap object: ("Explorist" "blue") -> answer 1' in demo.stdout


def test_whoever_reads_the_demo_may_stop_reading(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        demo = subprocess.run(
            [sys.executable, "-W", "error", "-m", "hobgoblin", "demo"],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment(tmp_path),
            check=False,
            timeout=DEADLINE_SECONDS,
        )
    finally:
        os.close(writing)
    assert (demo.returncode, demo.stderr) == (1, b"")
    assert list(tmp_path.iterdir()) == []


DRIVER = """\
import asyncio, os, subprocess, sys
from hobgoblin.cli import demo, main

class Popen(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        print(self.pid, flush=True)

async def drive(path, transcript):
    {instead}
    print("not reached")

subprocess.Popen = Popen
demo._drive = drive
sys.exit(main(["demo"]))
"""


def test_a_demo_without_a_server(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 100)  # no socket's path may be as long
    directory.mkdir()
    demo = run("-m", "hobgoblin", "demo", env=environment(directory))
    assert (demo.returncode, demo.stdout) == (1, "")
    assert demo.stderr == "the demo failed: the server did not start: AF_UNIX path too long\n"
    assert list(directory.iterdir()) == []


def test_a_demo_whose_server_dies(tmp_path: Path) -> None:
    program = """\
import os, signal
from hobgoblin.cli import demo, main
demo._car_factory = lambda name: lambda *args: os.kill(os.getpid(), signal.SIGKILL)
raise SystemExit(main())
"""
    (tmp_path / "hobgoblin_with_bombs.py").write_text(program)
    driver = """\
import subprocess, sys
from hobgoblin.cli import main
class Popen(subprocess.Popen):
    def __init__(self, command, **kwargs):
        super().__init__([sys.executable, "hobgoblin_with_bombs.py", *command[3:]], **kwargs)
subprocess.Popen = Popen
sys.exit(main(["demo"]))
"""
    (tmp_path / "tmp").mkdir()
    demo = run("-c", driver, env=environment(tmp_path / "tmp"), cwd=tmp_path)
    assert (demo.returncode, demo.stdout) == (1, "")
    assert demo.stderr == "the demo failed: the session has ended: the peer closed the connection\n"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    program = DRIVER.format(instead=f"os.kill(os.getpid(), {number:d}); await asyncio.Event().wait()")
    demo = run("-c", program, env=environment(tmp_path))
    assert (demo.returncode, demo.stderr) == (130, "")
    [server] = demo.stdout.split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(server), 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux lets us wait for a stranger")
def test_a_killed_demo_takes_its_server_with_it(tmp_path: Path) -> None:
    demo = run(
        "-c", DRIVER.format(instead=f"os.kill(os.getpid(), {signal.SIGKILL:d})"), env=environment(tmp_path)
    )
    assert demo.returncode == -signal.SIGKILL
    try:
        server = os.pidfd_open(int(demo.stdout))
    except ProcessLookupError:
        return
    try:
        assert select.select([server], [], [], DEADLINE_SECONDS)[0] == [server]
    finally:
        os.close(server)
    assert list(tmp_path.rglob("socket")) == []


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert "demo" in shown
    assert "--server" not in shown


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hobgoblin {hobgoblin.__version__}\n"


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dance"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m hobgoblin")


def test_python_m() -> None:
    version = run("-m", "hobgoblin", "--version")
    assert (version.returncode, version.stdout) == (0, f"hobgoblin {hobgoblin.__version__}\n")


# Messages in words

HELLO = OpStartSession("1.0", KeyPair.from_seed(bytes(32)).public, PeerLocator("direct", "me", {}), bytes(64))


def call(answer: int, *args: object, to: object = DescExport(0)) -> OpDeliver:
    return OpDeliver(to, args, answer, DescImportObject(answer))


def resolve(answer: int, value: object) -> OpDeliver:
    return OpDeliver(DescExport(answer), (Symbol("fulfill"), value), False, False)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (HELLO, 'op:start-session  version "1.0", and a key for this session'),
        (call(1, "x"), 'op:deliver  to the bootstrap object: ("x") → answer 1'),
        (call(2, to=DescAnswer(1)), "op:deliver  to answer 1: () → answer 2"),
        (OpDeliver(DescExport(3), (), False, False), "op:deliver  to bob's object 3: ()"),
        (
            OpDeliver(DescExport(3), (), False, DescImportPromise(1)),
            "op:deliver  to bob's object 3: () → a resolver",
        ),
        (OpListen(DescExport(3), DescImportObject(1), False), "op:listen  to bob's object 3"),
        (OpGet(DescAnswer(1), "size", 2), 'op:get  of answer 1: field "size" → answer 2'),
        (OpIndex(DescAnswer(1), 0, 2), "op:index  of answer 1: item 0 → answer 2"),
        (OpUntag(DescAnswer(1), "km", 2), 'op:untag  of answer 1: tag "km" → answer 2'),
        (
            OpGcExports((4, 5), (1, 3)),
            "op:gc-exports  no longer needed: bob's object 4, bob's object 5 (which came 3 times)",
        ),
        (OpGcAnswers((1, 2)), "op:gc-answers  no longer needed: answer 1, answer 2"),
        (OpAbort("tired"), 'op:abort  "tired"'),
        (Malformed("octets\n"), "malformed octets: octets\\n"),
        (Record(Symbol("op:new"), (1,)), "unknown: <op:new 1>"),
        (OpListen("nonsense", None, False), 'op:listen  to "nonsense"'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_message_in_words(message: object, words: str) -> None:
    assert Wording("alice", "bob").describe(message, sent=True) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('say "hi"\\\n', r'"say \"hi\"\\\n"'),
        ("\x1b[2J\u202e\ud800", r'"\x1b[2J\u202e\ud800"'),
        (Symbol("make-car"), "make-car"),
        (Symbol("two words\x07"), r"|two words\x07|"),
        (b"a swiss number", "<14 octets>"),
        (b"1", "<1 octet>"),
        (True, "true"),
        (None, "undefined"),
        (NULL, "null"),
        (-7, "-7"),
        (0.5, "0.5"),
        ((1, (2, 3)), "(1 (2 3))"),
        ({"a": 1, "b": ()}, '{"a": 1, "b": ()}'),
        (Tagged("km", 3), '<tagged "km" 3>'),
        (ErrorValue("no"), '<error "no">'),
        (Keyword("color"), "color:"),
        (SyrupSet((1, 2)), "#(1 2)"),
        (Record("label", ()), '<"label">'),
        (PeerLocator("unix", "secret", {}), "<a unix peer>"),
        (DescImportObject(1), "<alice's object 1>"),
        (DescImportPromise(1), "<alice's promise 1>"),
        (DescExport(1), "<bob's object 1>"),
        (DescAnswer(1), "<answer 1>"),
        (object(), "<object>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_value_in_words(value: object, words: str) -> None:
    message = OpDeliver(DescExport(0), (value,), False, False)
    assert (
        Wording("alice", "bob").describe(message, sent=True)
        == f"op:deliver  to the bootstrap object: ({words})"
    )


@pytest.mark.parametrize(
    "large",
    [
        "x" * 1_000_000,
        ("x",) * 100_000,
        Symbol("x" * 1_000_000),
        {str(number): () for number in range(100_000)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_long_is_cut_short(large: object) -> None:
    words = Wording("alice", "bob").describe(call(1, large), sent=False)
    assert len(words) == LONGEST
    assert words.endswith("…")


def test_a_resolver_is_known_until_it_is_released() -> None:
    wording = Wording("alice", "bob")
    wording.describe(call(7), sent=True)
    answer = resolve(7, 1)
    assert wording.describe(answer, sent=False) == "op:deliver  to the resolver of answer 7: (fulfill 1)"
    # Bob's own object of that number is another one.
    assert wording.describe(resolve(7, 1), sent=True) == "op:deliver  to bob's object 7: (fulfill 1)"
    assert wording.describe(OpGcExports((7,), (1,)), sent=False) == (
        "op:gc-exports  no longer needed: the resolver of answer 7"
    )
    assert wording.describe(answer, sent=False) == "op:deliver  to alice's object 7: (fulfill 1)"


def test_a_call_that_wants_its_answer_told_but_not_kept() -> None:
    wording = Wording("alice", "bob")
    wording.describe(OpDeliver(DescExport(0), (), False, DescImportObject(7)), sent=True)
    assert wording.describe(resolve(7, 1), sent=False) == "op:deliver  to a resolver: (fulfill 1)"


# Diagrams


@pytest.fixture
def transcript() -> Transcript:
    transcript = Transcript("alice", "bob")
    transcript.sent(encode(call(1, "x" * 100, "né"), encoders=ENCODERS))
    transcript.received(encode(resolve(1, 5), encoders=ENCODERS))
    return transcript


def test_a_diagram(transcript: Transcript) -> None:
    assert (
        draw(transcript)
        == f"""\
alice{"bob":>75}
  │  op:deliver  to the bootstrap object: ("{"x" * 31}  │
  │      {"x" * 66}  │
  │      xxx" "né") → answer 1{" " * 45}  │
  ├─────────────────────────────────────────────────────────────────────────▶│
  │                    op:deliver  to the resolver of answer 1: (fulfill 5)  │
  │◀─────────────────────────────────────────────────────────────────────────┤"""
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_diagram_has_only_what_the_encoding_has(transcript: Transcript, encoding: str) -> None:
    text = draw(transcript, encoding=encoding)
    assert "-> answer 1" in text
    text.encode(encoding)
    assert {len(line) for line in text.splitlines()[1:]} == {78}


def test_a_diagram_in_colour_says_the_same(transcript: Transcript) -> None:
    coloured = draw(transcript, colour=True)
    assert coloured != (plain := draw(transcript))
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


class Screen:
    def __init__(self, tty: bool) -> None:
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize(
    ("tty", "no_color", "term", "wanted"),
    [
        (True, None, "xterm", True),
        (True, "", "xterm", True),
        (True, "1", "xterm", False),
        (True, None, "dumb", False),
        (False, None, "xterm", False),
    ],
)
def test_colour_is_for_screens_whose_user_wants_it(
    monkeypatch: pytest.MonkeyPatch, tty: bool, no_color: str | None, term: str, wanted: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", term)
    assert wants_colour(Screen(tty)) is wanted  # type: ignore[arg-type]
