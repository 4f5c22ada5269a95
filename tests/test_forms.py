"""The two forms, compiled and interpreted; and the loops that we start."""

import asyncio
import sys
from pathlib import Path

import pytest

import hobgoblin
import hobgoblin.captp.session
import hobgoblin.connection
import hobgoblin.refs.promise
import hobgoblin.syrup.decoder
import hobgoblin.vat.vat
from hobgoblin.cli import main
from hobgoblin.running import LOOP_VARIABLE, loop_factory, uvloop_is_there

HOT = (
    hobgoblin.captp.session,
    hobgoblin.connection,
    hobgoblin.refs.promise,
    hobgoblin.syrup.decoder,
    hobgoblin.vat.vat,
)


def test_the_form_is_told_truthfully() -> None:
    compiled = [Path(str(module.__file__)).suffix != ".py" for module in HOT]
    assert set(compiled) == {hobgoblin.__compiled__}, "the way of a call is compiled as a whole or not at all"


def test_doctor_tells_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert told["hobgoblin"] == hobgoblin.__version__
    assert told["form"] == ("compiled" if hobgoblin.__compiled__ else "interpreted")
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in told["Python"]
    assert {"Unix", "Memory"} <= set(told["netlayers"].split(", "))
    assert (told["uvloop"] == "not installed") == (not uvloop_is_there())


def test_our_loops_are_asyncios_when_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOOP_VARIABLE, "asyncio")
    assert loop_factory() is None


def test_a_loop_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOOP_VARIABLE, "twisted")
    with pytest.raises(RuntimeError, match="say asyncio or uvloop"):
        loop_factory()


def test_our_loops_are_uvloops_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    uvloop = pytest.importorskip("uvloop")
    monkeypatch.delenv(LOOP_VARIABLE, raising=False)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)
