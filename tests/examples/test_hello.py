"""The README's first example: a server that prints a URI, and a client that takes it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Start

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_hello(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    server = start(EXAMPLES / "hello_server.py")
    uri = server.line()
    assert uri.startswith("ocapn://")
    clients = [start(EXAMPLES / "hello_client.py", uri) for _ in range(2)]
    assert [client.end() for client in clients] == [(0, "Hello, Ada!\n", "")] * 2
    assert server.stop(number) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
    [problem] = start(EXAMPLES / "hello_client.py", uri).end().err.splitlines()
    assert not problem.startswith("Traceback")


def test_a_second_server_says_why_it_does_not_start(start: Start) -> None:
    server = start(EXAMPLES / "hello_server.py")
    server.line()
    end = start(EXAMPLES / "hello_server.py").end()
    assert (end.code, end.out, len(end.err.splitlines())) == (1, "", 1)
    assert "in use by a running server" in end.err
    assert server.stop(signal.SIGTERM).code == 0


@pytest.mark.parametrize("arguments", [[], ["one", "two"]], ids=" ".join)
def test_a_wrong_command_line(start: Start, arguments: list[str]) -> None:
    end = start(EXAMPLES / "hello_client.py", *arguments).end()
    assert (end.code, end.out) == (2, "")
    assert end.err.startswith("usage: ")


def test_a_uri_that_is_none(start: Start) -> None:
    end = start(EXAMPLES / "hello_client.py", "nonsense").end()
    assert (end.code, end.out) == (1, "")
    assert end.err.startswith("the URI does not begin with ocapn://")
    assert len(end.err.splitlines()) == 1
