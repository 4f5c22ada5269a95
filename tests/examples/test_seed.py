"""The seed's two programs, run as the seed runs them, and what may go wrong with them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hobgoblin import attach, disconnect, spawn, spawn_vat
from hobgoblin.syrup import Framing, frame

if TYPE_CHECKING:
    from conftest import Program, Start

DEADLINE_SECONDS = 60
EXAMPLES = Path(__file__).parents[2] / "examples"
SERVER = EXAMPLES / "seed" / "captp_uds_server.py"
CLIENT = EXAMPLES / "seed" / "captp_uds_client.py"

DRIVEN = (0, "*** Connected to server\nWe hear: *Vroom vroom!* You drive your blue Fork Explorist!\n", "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket is to be."""
    return tmp_path / "captp-test.sock"


@pytest.fixture
def serve(start: Start, path: Path) -> Callable[[], Program]:
    """Start the server, and wait until it listens."""

    def serve() -> Program:
        server = start(SERVER, path)
        assert server.line() == "*** Server up and running!"
        return server

    return serve


def dial(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE_SECONDS)
    client.connect(str(path))
    return client


def read_all(client: socket.socket) -> bytes:
    """Read until the other side has closed the connection."""
    received = b""
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def octets_of_a_client() -> bytes:
    """What a client sends that drives a car: a hello and two calls."""
    sent: list[bytes] = []

    async def drive() -> None:
        vat = spawn_vat()
        loop = asyncio.get_running_loop()

        def to_server(message: bytes) -> None:
            sent.append(frame(message, Framing.PREFIXED))
            loop.call_soon(lambda: server(message))

        def make_car(model: str, color: str) -> object:
            return spawn(lambda: f"{color} {model}")

        server, _ = attach(vat, lambda message: loop.call_soon(lambda: client(message)), make_car)
        client, factory = attach(vat, to_server)
        assert await factory("Explorist", "blue")() == "blue Explorist"
        await disconnect(factory)

    asyncio.run(drive())
    return b"".join(sent[:3])


# As in the seed


def test_a_client_drives_a_car(serve: Callable[[], Program], start: Start, path: Path) -> None:
    server = serve()
    assert start(CLIENT, path).end() == DRIVEN
    assert server.line() == "*** New connection!"
    assert server.stop() == (0, "", "")


def test_three_clients_at_once(serve: Callable[[], Program], start: Start, path: Path) -> None:
    server = serve()
    clients = [start(CLIENT, path) for _ in range(3)]
    assert [client.end() for client in clients] == [DRIVEN] * 3
    assert server.stop() == (0, "*** New connection!\n" * 3, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("connected", [False, True], ids=["idle", "with a client"])
def test_the_server_takes_its_socket_file_with_it(
    serve: Callable[[], Program], path: Path, number: signal.Signals, connected: bool
) -> None:
    server = serve()
    assert stat.S_ISSOCK(path.lstat().st_mode)
    if not connected:
        assert server.stop(number) == (0, "", "")
    else:
        with dial(path):
            assert server.line() == "*** New connection!"
            assert server.stop(number) == (0, "", "")
    assert not path.exists()


def test_ctrl_c_stops_a_client_quietly(start: Start, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        client = start(CLIENT, path)
        assert client.line() == "*** Connected to server"
        assert client.stop(signal.SIGINT) == (-signal.SIGINT, "", "")


# Clients that die


def test_a_client_may_die_at_any_octet(serve: Callable[[], Program], start: Start, path: Path) -> None:
    server = serve()
    octets = octets_of_a_client()
    for count in range(len(octets) + 1):
        with dial(path) as client:
            client.sendall(octets[:count])
        assert server.line() == "*** New connection!"
    assert start(CLIENT, path).end() == DRIVEN
    assert server.stop() == (0, "*** New connection!\n", "")


def test_a_client_may_fall_silent_at_any_octet(
    serve: Callable[[], Program], start: Start, path: Path
) -> None:
    server = serve()
    octets = octets_of_a_client()
    silent = [dial(path) for _ in range(0, len(octets), 10)]
    try:
        for count, client in enumerate(silent):
            client.sendall(octets[: count * 10])
        assert start(CLIENT, path).end() == DRIVEN
        assert server.stop() == (0, "*** New connection!\n" * (len(silent) + 1), "")
    finally:
        for client in silent:
            client.close()


def test_a_client_killed_before_the_server_heard_of_it(
    serve: Callable[[], Program], start: Start, path: Path
) -> None:
    server = serve()
    server.process.send_signal(signal.SIGSTOP)
    client = start(CLIENT, path)
    assert client.line() == "*** Connected to server"
    assert client.stop(signal.SIGKILL).code == -signal.SIGKILL
    server.process.send_signal(signal.SIGCONT)
    assert start(CLIENT, path).end() == DRIVEN
    assert server.stop() == (0, "*** New connection!\n" * 2, "")


def test_clients_killed_after_they_got_a_car(serve: Callable[[], Program], start: Start, path: Path) -> None:
    server = serve()
    clients = [start("-c", HAVE_A_CAR, path) for _ in range(3)]
    assert [client.line() for client in clients] == ["have a car"] * 3
    others = [start(CLIENT, path) for _ in range(3)]
    for client in clients:
        assert client.stop(signal.SIGKILL).code == -signal.SIGKILL
    assert [other.end() for other in others] == [DRIVEN] * 3
    assert server.stop() == (0, "*** New connection!\n" * 6, "")


HAVE_A_CAR = """\
import asyncio, sys
from hobgoblin import connect

async def main():
    car = await connect(*await asyncio.open_unix_connection(sys.argv[1]))("Explorist", "blue")
    print("have a car", flush=True)
    await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"999999999:",
    b"3:abc",
    b"0:",
    b"\n",
    b"<" * 100_000,
    bytes(range(256)) * 1000,
    b"20:<8'op:abort4\"\xff\xfe\xfd\xfc>",
    b"17:<8'op:abort4\"bye!>",
]


def test_garbage_costs_its_sender_the_connection(
    serve: Callable[[], Program], start: Start, path: Path
) -> None:
    server = serve()
    for garbage in GARBAGE:
        with dial(path) as client:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it had read enough
                client.sendall(garbage)
            read_all(client)
    assert start(CLIENT, path).end() == DRIVEN
    end = server.stop()
    assert (end.code, end.out) == (0, "*** New connection!\n" * (len(GARBAGE) + 1))
    assert "Traceback" not in end.err
    assert len(end.err.splitlines()) <= len(GARBAGE)


# Servers that die, or never were one


def severed(client: Program) -> None:
    """The client has connected, and now sees that the server is gone."""
    assert client.line() == "*** Connected to server"
    uhoh(client)


def uhoh(client: Program) -> None:
    end = client.end()
    assert end.out.startswith("UHOH!!! Something went wrong: the session has ended: ")
    assert (end.code, len(end.out.splitlines()), end.err) == (1, 1, "")


def test_the_server_is_killed_while_a_client_waits(start: Start, path: Path) -> None:
    server = start("-c", NEVER_MAKES_A_CAR, path)
    assert server.line() == "up"
    client = start(CLIENT, path)
    assert server.line() == "asked for a car"
    server.stop(signal.SIGKILL)
    severed(client)


NEVER_MAKES_A_CAR = """\
import asyncio, sys
from hobgoblin import connect, new_promise

def make_car(model, color):
    print("asked for a car", flush=True)
    return new_promise()[0]

def new_client(reader, writer):
    connect(reader, writer, make_car)

async def main():
    server = await asyncio.start_unix_server(new_client, sys.argv[1])
    print("up", flush=True)
    await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


def test_the_second_call_does_not_wait_for_an_answer(start: Start, path: Path) -> None:
    server = start("-c", SHOWS_CALLS, path)
    assert server.line() == "up"
    client = start(CLIENT, path)
    # There is no answer to any call, yet both come in.
    assert server.line() == "call to DescExport(position=0)"
    assert server.line() == "call to DescAnswer(answer_pos=1)"
    server.stop(signal.SIGKILL)
    severed(client)


SHOWS_CALLS = """\
from hobgoblin.messages import OpDeliver
from hobgoblin.testing import Transcript

class Tap:
    def __init__(self):
        self.transcript = Transcript()

    def sent(self, message):
        pass

    def received(self, data):
        self.transcript.received(data)
        for entry in self.transcript:
            if isinstance(entry.message, OpDeliver):
                print("call to", entry.message.to_desc, flush=True)
        self.transcript.clear()

""" + NEVER_MAKES_A_CAR.replace('    print("asked for a car", flush=True)\n', "").replace(
    "connect(reader, writer, make_car)", "connect(reader, writer, make_car, tap=Tap())"
)


def test_the_server_is_killed_before_it_said_hello(
    serve: Callable[[], Program], start: Start, path: Path
) -> None:
    server = serve()
    server.process.send_signal(signal.SIGSTOP)
    client = start(CLIENT, path)
    assert client.line() == "*** Connected to server"
    server.stop(signal.SIGKILL)
    uhoh(client)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_is_stopped_before_it_said_hello(
    serve: Callable[[], Program], start: Start, path: Path, number: signal.Signals
) -> None:
    server = serve()
    server.process.send_signal(signal.SIGSTOP)
    client = start(CLIENT, path)
    assert client.line() == "*** Connected to server"
    server.process.send_signal(number)
    server.process.send_signal(signal.SIGCONT)
    end = server.end()
    assert (end.code, end.err) == (0, "")
    assert not path.exists()
    # Whether it still got its car is a matter of luck.
    assert client.end().err == ""


def test_the_server_talks_nonsense(start: Start, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(DEADLINE_SECONDS)
        listener.bind(str(path))
        listener.listen()
        client = start(CLIENT, path)
        with listener.accept()[0] as session:
            session.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            end = client.end()
    [connected, uhoh] = end.out.splitlines()
    assert (end.code, connected) == (1, "*** Connected to server")
    assert uhoh.startswith("UHOH!!! Something went wrong: the session has ended: ")
    assert "Traceback" not in end.err


def test_the_server_has_no_cars(start: Start, path: Path) -> None:
    server = start("-c", REFUSES, path)
    assert server.line() == "up"
    assert start(CLIENT, path).end() == (
        1,
        "*** Connected to server\nUHOH!!! Something went wrong: no blue cars today\n",
        "",
    )


REFUSES = NEVER_MAKES_A_CAR.replace("new_promise\n", "Refused\n").replace(
    "return new_promise()[0]", 'raise Refused(f"no {color} cars today")'
)


# Paths that won't do


def refused(program: Program, reason: str) -> None:
    end = program.end()
    assert (end.code, end.out) == (1, "")
    [line] = end.err.splitlines()
    assert line.startswith("cannot ")
    assert reason in line


def test_the_client_needs_a_server(start: Start, path: Path) -> None:
    refused(start(CLIENT, path), f"{path}: No such file or directory")


def test_the_client_needs_a_living_server(serve: Callable[[], Program], start: Start, path: Path) -> None:
    serve().stop(signal.SIGKILL)
    assert path.exists()
    refused(start(CLIENT, path), f"{path}: Connection refused (is the server running?)")


def test_the_client_needs_a_socket(start: Start, path: Path) -> None:
    path.write_text("precious")
    refused(start(CLIENT, path), f"{path}: ")


def test_the_server_leaves_a_file_alone_that_is_no_socket(start: Start, path: Path) -> None:
    path.write_text("precious")
    refused(start(SERVER, path), f"{path}: it exists and is not a socket")
    assert path.read_text() == "precious"


def test_the_server_needs_a_directory(start: Start, tmp_path: Path) -> None:
    refused(start(SERVER, tmp_path / "missing" / "socket"), "missing does not exist")


@pytest.mark.parametrize("program", [SERVER, CLIENT], ids=["server", "client"])
def test_a_path_too_long_for_a_socket(start: Start, program: Path, tmp_path: Path) -> None:
    refused(start(program, tmp_path / ("s" * 200)), "path")


def test_a_second_server_leaves_the_first_one_alone(
    serve: Callable[[], Program], start: Start, path: Path
) -> None:
    server = serve()
    refused(start(SERVER, path), f"{path}: it is in use by a running server")
    assert start(CLIENT, path).end() == DRIVEN
    assert server.stop() == (0, "*** New connection!\n", "")


def test_a_stale_socket_is_replaced(serve: Callable[[], Program], start: Start, path: Path) -> None:
    assert serve().stop(signal.SIGKILL).code == -signal.SIGKILL
    assert path.exists()
    server = serve()
    assert start(CLIENT, path).end() == DRIVEN
    assert server.stop() == (0, "*** New connection!\n", "")
    assert not path.exists()


def test_a_file_that_took_the_place_of_the_socket_stays(serve: Callable[[], Program], path: Path) -> None:
    server = serve()
    path.unlink()
    path.write_text("precious")
    assert server.stop() == (0, "", "")
    assert path.read_text() == "precious"


def test_the_socket_is_for_its_owner_only(serve: Callable[[], Program], path: Path) -> None:
    serve()
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600


@pytest.mark.parametrize("arguments", [[], ["one", "two"], ["--loud", "one"]], ids=" ".join)
@pytest.mark.parametrize("program", [SERVER, CLIENT], ids=["server", "client"])
def test_a_wrong_command_line(start: Start, program: Path, arguments: list[str]) -> None:
    end = start(program, *arguments).end()
    assert (end.code, end.out) == (2, "")
    assert end.err.startswith("usage: ")


@pytest.fixture
def without_privileges() -> Sequence[str]:
    """What to put before a command so that permissions hold for it, though we be root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may do everything, and without setpriv we can't be less")
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("root may do everything, and here we may not give that up")
    return prefix


def test_the_client_may_not_connect(
    serve: Callable[[], Program], start: Start, path: Path, without_privileges: Sequence[str]
) -> None:
    serve()
    path.chmod(0)
    refused(start(CLIENT, path, prefix=without_privileges), f"{path}: Permission denied")


def test_the_server_may_not_make_a_socket_there(
    start: Start, path: Path, without_privileges: Sequence[str]
) -> None:
    path.parent.chmod(0o500)
    try:
        refused(start(SERVER, path, prefix=without_privileges), f"{path}: permission denied")
    finally:
        path.parent.chmod(0o700)
