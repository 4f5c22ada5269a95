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
