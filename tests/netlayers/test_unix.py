"""Unix domain sockets: the file, its permissions, and what is said when it can't be used."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from hobgoblin.errors import NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers import Unix


@pytest.fixture
def path(tmp_path):
    return tmp_path / "captp.sock"


@pytest.fixture
def public_directory():
    """A directory that everybody can enter: pytest's own are private."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@contextlib.contextmanager
def unprivileged():
    """Drop root's exemption from permissions, if we have it."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def locator(path):
    return PeerLocator("unix", "somebody", {"path": str(path)})


def stale_socket(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(str(path))


def listen_fails(run, netlayer, recorder):
    async def main():
        try:
            with pytest.raises(NetlayerError) as caught:
                await netlayer.listen(recorder)
        finally:
            await netlayer.close()
        return caught.value

    error = run(main())
    assert str(error).startswith("cannot listen on ")
    assert str(error).isprintable()
    return str(error)


def dial_fails(run, hints, recorder):
    async def main():
        netlayer, handler = Unix(), recorder()
        with pytest.raises(NetlayerError) as caught:
            await netlayer.dial(PeerLocator("unix", "somebody", hints), handler)
        assert handler.calls == []
        await netlayer.close()
        return caught.value

    error = run(main())
    assert str(error).startswith("cannot dial ")
    assert str(error).isprintable()
    return str(error)


# Location.


def test_the_designator_is_made_from_the_absolute_path(run, path, recorder, monkeypatch):
    async def main():
        monkeypatch.chdir(path.parent)
        netlayer = Unix(path.name)
        digest = hashlib.sha256(os.fsencode(path)).digest()
        assert netlayer.location.designator == base64.b32encode(digest).decode().lower()[:32]
        assert netlayer.location.hints == {}
        await netlayer.listen(recorder)
        assert netlayer.location.hints == {"path": str(path)}
        await netlayer.close()

    run(main())


def test_without_a_path_the_designator_is_random():
    first, second = Unix().location, Unix().location
    assert first.designator != second.designator
    assert len(first.designator) == 32
    assert first.hints == {}


def test_descriptions_name_the_path(run, path, recorder):
    async def main():
        there = recorder()
        netlayer = Unix(path)
        await netlayer.listen(lambda: there)
        channel = await netlayer.dial(netlayer.location, recorder(eof=recorder.close))
        await there.opened()
        assert channel.description == f"unix:{path}"
        assert there.channel.description == f"unix:{path}#1"
        there.close()
        await netlayer.close()

    run(main())


# The file.


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_file_has_the_mode_asked_for(mode, umask, run, path, recorder):
    async def main():
        netlayer = Unix(path, mode=mode)
        await netlayer.listen(recorder)
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == mode
        await netlayer.close()
        assert not path.exists()

    before = os.umask(umask)
    try:
        run(main())
    finally:
        assert os.umask(before) == umask


def test_a_stale_socket_is_replaced(run, path, recorder):
    async def main():
        stale_socket(path)
        netlayer, there = Unix(path), recorder()
        await netlayer.listen(lambda: there)
        await netlayer.dial(netlayer.location, recorder(eof=recorder.close))
        await there.opened()
        there.close()
        await netlayer.close()

    run(main())


def test_the_socket_of_a_killed_server_is_replaced(run, path, recorder):
    code = """
        import asyncio, sys
        from hobgoblin.netlayers import Unix

        async def main():
            await Unix(sys.argv[1]).listen(None)
            print("ready", flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout.readline() == b"ready\n"
        try:
            assert "in use by a running server" in listen_fails(run, Unix(path), recorder)
        finally:
            server.send_signal(signal.SIGKILL)
    assert path.is_socket()
    assert "nobody listens there" in dial_fails(run, {"path": str(path)}, recorder)

    async def main():
        netlayer = Unix(path)
        await netlayer.listen(recorder)
        await netlayer.close()

    run(main())
    assert not path.exists()


@pytest.mark.parametrize("what", ["removed", "replaced by a server", "replaced by a file"])
def test_close_removes_only_its_own_file(what, run, path, recorder):
    async def main():
        netlayer, other = Unix(path), Unix(path)
        await netlayer.listen(recorder)
        path.unlink()
        if what == "replaced by a server":
            await other.listen(recorder)
        if what == "replaced by a file":
            path.write_text("mine")
        await netlayer.close()
        assert path.is_socket() == (what == "replaced by a server")
        assert path.is_file() == (what == "replaced by a file")
        await other.close()

    run(main())


# What stands in the way of listening.


def test_listen_where_a_server_runs(run, path, recorder):
    async def main():
        first, second = Unix(path), Unix(path)
        await first.listen(recorder)
        with pytest.raises(NetlayerError, match=r"captp\.sock: it is in use by a running server"):
            await second.listen(recorder)
        await second.close()
        assert path.is_socket()
        await first.close()

    run(main())


def test_listen_where_a_server_runs_that_is_too_busy_to_answer(run, path, recorder):
    with contextlib.ExitStack() as stack:
        fill_queue(stack, path)
        assert "in use by a running server" in listen_fails(run, Unix(path), recorder)
        assert path.is_socket()


@pytest.mark.parametrize("what", ["file", "directory", "link to a socket", "dangling link"])
def test_listen_where_something_else_is(what, run, path, recorder):
    target = path.with_name("target")
    match what:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case "link to a socket":
            stale_socket(target)
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target)
    before = path.lstat()
    message = listen_fails(run, Unix(path), recorder)
    assert "exists and is not a socket; it is left untouched" in message
    assert path.lstat().st_ino == before.st_ino


def test_listen_where_a_datagram_server_runs(run, path, recorder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        assert "a socket of another kind" in listen_fails(run, Unix(path), recorder)
        assert "a socket of another kind" in dial_fails(run, {"path": str(path)}, recorder)
        assert path.is_socket()


def test_listen_where_there_is_no_directory(run, tmp_path, recorder):
    message = listen_fails(run, Unix(tmp_path / "no" / "captp.sock"), recorder)
    assert f"the directory {tmp_path / 'no'} does not exist" in message


def test_listen_below_a_file(run, path, recorder):
    path.write_text("")
    assert f"{path} is not a directory" in listen_fails(run, Unix(path / "captp.sock"), recorder)


def test_listen_below_a_pipe(run, path, recorder):
    os.mkfifo(path)
    assert f"{path} is not a directory" in listen_fails(run, Unix(path / "captp.sock"), recorder)


def test_listen_without_permission(run, public_directory, recorder):
    with unprivileged():
        message = listen_fails(run, Unix(public_directory / "captp.sock"), recorder)
    assert f"permission denied in {public_directory}" in message


def test_listen_on_a_stale_socket_of_somebody_else(run, public_directory, recorder):
    path = public_directory / "captp.sock"
    stale_socket(path)
    path.chmod(0o777)
    with unprivileged():
        message = listen_fails(run, Unix(path), recorder)
    assert "the stale socket there cannot be removed" in message


def test_listen_on_a_socket_that_may_not_be_probed(run, public_directory, recorder):
    path = public_directory / "captp.sock"
    stale_socket(path)
    path.chmod(0o700)
    with unprivileged():
        assert "permission denied" in listen_fails(run, Unix(path), recorder)
    assert path.is_socket()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/tmp/" + "x" * 103, "108 octets, the system allows 107"),
        ("/tmp/" + "é" * 60, "125 octets"),
        ("/tmp/a\0b", "NUL"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_paths_that_name_no_socket(path, problem, run, recorder):
    assert problem in listen_fails(run, Unix(path), recorder)
    assert problem in dial_fails(run, {"path": path}, recorder)


def test_listen_on_a_path_that_no_locator_can_hold(run, recorder):
    assert "not valid UTF-8" in listen_fails(run, Unix("/tmp/\udcff"), recorder)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_the_longest_path(run, public_directory, recorder):
    path = str(public_directory / "x")
    path += "x" * (107 - len(path))

    async def main():
        netlayer = Unix(path)
        await netlayer.listen(recorder)
        await netlayer.close()

    run(main())


# What stands in the way of dialling.


def test_dial_without_a_path(run, recorder):
    assert "has no path hint" in dial_fails(run, {"host": "127.0.0.1"}, recorder)


@pytest.mark.parametrize("path", ["", "captp.sock", "\0abstract", "\x1b[2J\n"])
def test_dial_a_path_that_is_not_absolute(path, run, recorder):
    assert "not absolute" in dial_fails(run, {"path": path}, recorder)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_dial_where_nothing_is(below, run, path, recorder):
    if below:
        path.write_text("")
    assert "no such file" in dial_fails(run, {"path": str(path / below)}, recorder)


@pytest.mark.parametrize("make", ["write", "mkdir"])
def test_dial_what_is_no_socket(make, run, path, recorder):
    path.write_text("") if make == "write" else path.mkdir()
    assert "not a socket" in dial_fails(run, {"path": str(path)}, recorder)


def test_dial_a_stale_socket(run, path, recorder):
    stale_socket(path)
    assert "stale" in dial_fails(run, {"path": str(path)}, recorder)
    assert path.is_socket()


def test_dial_without_permission(run, public_directory, recorder):
    path = public_directory / "captp.sock"

    async def main():
        server, client = Unix(path), Unix()
        await server.listen(recorder)
        with unprivileged(), pytest.raises(NetlayerError, match=r"permission denied; .*mode"):
            await client.dial(server.location, recorder())
        await client.close()
        await server.close()

    run(main())


def test_a_message_holds_no_control_characters_of_the_peer(run, recorder):
    message = dial_fails(run, {"path": "/tmp/\x1b[2J\n" + "x" * 50}, recorder)
    assert "\\x1b[2J\\n" in message


# A server that is slow to accept.


def fill_queue(stack, path):
    """Listen, accept nobody, and fill the queue of those who wait."""
    server = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    server.bind(str(path))
    server.listen(0)
    while True:
        client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        client.setblocking(False)
        try:
            client.connect(str(path))
        except BlockingIOError:
            return server


def test_dial_waits_for_a_server_whose_queue_is_full(run, path, recorder):
    async def main():
        with contextlib.ExitStack() as stack:
            server = fill_queue(stack, path)
            client, here = Unix(), recorder(eof=recorder.close)
            dialling = asyncio.ensure_future(client.dial(locator(path), here))
            await asyncio.sleep(0)
            assert not dialling.done()
            server.setblocking(False)
            while not dialling.done():
                with contextlib.suppress(BlockingIOError):
                    server.accept()[0].close()
                await asyncio.sleep(0)
            await dialling
        await here.lost()
        await client.close()

    run(main())


def test_dial_gives_up_on_a_server_that_accepts_nobody(run, path, recorder, monkeypatch):
    monkeypatch.setattr("hobgoblin.netlayers.unix._BUSY_SECONDS", (0.0, 0.0))
    with contextlib.ExitStack() as stack:
        fill_queue(stack, path)
        assert "queue is full" in dial_fails(run, {"path": str(path)}, recorder)


def test_cancelling_a_dial_that_waits(run, path, recorder):
    async def main():
        with contextlib.ExitStack() as stack:
            fill_queue(stack, path)
            client, here = Unix(), recorder()
            dialling = asyncio.ensure_future(client.dial(locator(path), here))
            await asyncio.sleep(0)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            assert here.calls == []
            await client.close()

    run(main())


# Several servers at once.

RACER = """
import asyncio, os, sys
from hobgoblin.errors import NetlayerError
from hobgoblin.netlayers import Unix

async def main():
    print("ready", flush=True)
    for path in sys.stdin:
        netlayer = Unix(path.strip())
        while not os.path.lexists(path.strip()):
            pass
        try:
            await netlayer.listen(None)
        except NetlayerError as error:
            print("lost" if "in use" in str(error) else error, flush=True)
        else:
            print("won", flush=True)
        sys.stdin.readline()  # all have said how it went
        await netlayer.close()
        print("closed", flush=True)

asyncio.run(main())
"""


def test_of_servers_that_start_at_once_on_a_stale_socket_one_wins(tmp_path):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    with contextlib.ExitStack() as stack:
        for racer in racers:
            stack.enter_context(racer)
            stack.callback(racer.kill)
        say = [racer.stdout.readline for racer in racers]
        assert {line() for line in say} == {"ready\n"}
        for attempt in range(150):
            path = tmp_path / str(attempt)
            for racer in racers:
                racer.stdin.write(f"{path}\n")
                racer.stdin.flush()
            stale_socket(tmp_path / "stale")
            os.rename(tmp_path / "stale", path)  # they go off
            assert sorted(line() for line in say) == ["lost\n"] * 2 + ["won\n"], attempt
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))  # the one that won can be reached
            for racer in racers:
                racer.stdin.write("go on\n")
                racer.stdin.flush()
            assert {line() for line in say} == {"closed\n"}
            assert not path.exists()


def test_a_directory_that_somebody_keeps_locked(run, path, recorder, monkeypatch):
    monkeypatch.setattr("hobgoblin.netlayers.unix._LOCK_TRIES", 3)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        assert "keeps the directory locked" in listen_fails(run, Unix(path), recorder)
        assert not path.exists()
    finally:
        os.close(directory)


def test_a_directory_that_can_be_entered_and_not_read(run, public_directory, recorder):
    public_directory.chmod(0o733)

    async def main():
        netlayer = Unix(public_directory / "s")
        with unprivileged():
            await netlayer.listen(recorder)
            await netlayer.close()

    run(main())
