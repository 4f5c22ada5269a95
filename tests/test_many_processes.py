"""Processes that accept on one listening socket: one peer to others, and a world of its own in each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, netlayers
from hobgoblin.netlayers import listening_socket

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no Unix sockets")

DEADLINE = 60

SERVE = """
import asyncio, os, socket, sys
from hobgoblin import Actor, Peer, method, netlayers

class Door(Actor):
    def __init__(self):
        self.visits = 0

    @method
    def who(self) -> int:
        return os.getpid()

    @method
    def enter(self) -> int:
        self.visits += 1
        return self.visits

async def serve(netlayer, swiss):
    async with Peer(netlayer) as peer:
        print(peer.publish(peer.spawn(Door), swiss=swiss), flush=True)
        await peer.serve_forever()
    print("closed", flush=True)

kind, fd, swiss = sys.argv[1:]
sock = socket.socket(fileno=int(fd))
netlayer = (
    netlayers.Unix(socket=sock) if kind == "unix"
    else netlayers.TcpTestingOnly(designator="shared", socket=sock)
)
asyncio.run(serve(netlayer, bytes.fromhex(swiss)))
"""


class Server:
    """A child that has inherited the socket. It serves when its `uri` is known."""

    def __init__(self, kind: str, sock: socket.socket, swiss: bytes) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SERVE, kind, str(sock.fileno()), swiss.hex()],
            pass_fds=[sock.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        """Have it do nothing, so that whoever comes goes to another."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@pytest.fixture(params=["unix", "tcp"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def servers(kind: str, tmp_path: Path) -> Iterator[list[Server]]:
    """Two of them; the parent, which has bound the socket, goes on to hold it."""
    swiss = secrets.token_bytes(32)
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(
            listening_socket(tmp_path / "sock") if kind == "unix" else socket.create_server(("127.0.0.1", 0))
        )
        found = [Server(kind, sock, swiss) for _ in range(2)]
        for server in found:
            stack.enter_context(server.process)
            stack.callback(server.process.kill)
        yield found


def client_of(kind: str) -> Peer:
    return Peer(netlayers.Unix() if kind == "unix" else netlayers.TcpTestingOnly(listen=False))


def run(main: Callable[[], Any]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(guarded())


def test_both_serve_the_same_uri_and_one_goes_on_when_the_other_is_killed(
    kind: str, servers: list[Server]
) -> None:
    first, second = servers
    uri = first.line()
    assert second.line() == uri

    async def main() -> None:
        async with client_of(kind) as one, client_of(kind) as other, client_of(kind) as last:
            second.stop()
            with_first = one.enliven(uri)
            assert await with_first.who() == first.pid
            second.go_on()
            first.stop()
            with_second = other.enliven(uri)
            assert await with_second.who() == second.pid
            first.go_on()
            assert [await with_first.enter(), await with_first.enter()] == [1, 2]
            assert await with_second.enter() == 1  # what the others did is known there only

            assert first.end(signal.SIGKILL) == -signal.SIGKILL
            with pytest.raises(hob.SessionSevered):
                await with_first.who()
            assert await with_second.who() == second.pid
            assert await one.enliven(uri).who() == second.pid  # who comes again is welcome
            assert await last.enliven(uri).who() == second.pid

    run(main)


def test_clients_come_until_both_have_answered(kind: str, servers: list[Server]) -> None:
    uri = {server.line() for server in servers}.pop()
    answered: set[int] = set()

    async def visit() -> None:
        async with client_of(kind) as client:
            answered.add(await client.enliven(uri).who())

    async def main() -> None:
        while len(answered) < 2:
            await asyncio.gather(*(visit() for _ in range(8)))

    run(main)
    assert answered == {server.pid for server in servers}


def test_one_that_is_told_to_end_closes_its_sessions_alone(
    kind: str, servers: list[Server], tmp_path: Path
) -> None:
    first, second = servers
    uri = first.line()
    second.line()

    async def main() -> None:
        async with client_of(kind) as client:
            second.stop()
            door = client.enliven(uri)
            assert await door.who() == first.pid
            second.go_on()
            assert await asyncio.to_thread(first.end, signal.SIGTERM) == 0
            assert first.line() == "closed"
            with pytest.raises(hob.SessionSevered):
                await door.who()
            assert await client.enliven(uri).who() == second.pid
            assert (tmp_path / "sock").exists() == (kind == "unix")

    run(main)


def test_children_of_a_fork_serve_as_well(tmp_path: Path) -> None:
    program = """
import asyncio, os, signal
from hobgoblin import Actor, Peer, method, netlayers

class Door(Actor):
    @method
    def who(self) -> int:
        return os.getpid()

async def serve(sock, ready):
    async with Peer(netlayers.Unix(socket=sock)) as peer:
        os.write(ready, peer.publish(peer.spawn(Door), swiss=bytes(32)).encode() + b"\\n")
        await peer.serve_forever()

async def visit(uri):
    async with Peer(netlayers.Unix()) as peer:
        return await peer.enliven(uri).who()

with netlayers.listening_socket("door.sock") as sock:
    reader, writer = os.pipe()
    children = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            asyncio.run(serve(sock, writer))
            os._exit(0)
        children.append(pid)
    with open(reader) as said:
        uris = {said.readline().strip() for _ in children}
    print(len(uris), asyncio.run(visit(uris.pop())) in children)
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
    os.close(writer)
print(os.path.exists("door.sock"))
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout == "1 True\n[0, 0]\nFalse\n"


# What each of them knows. Two peers in one process share a socket as two processes do; the first of
# them has room for one channel, so that it is known who is served by whom.


class Board(Actor):
    def __init__(self) -> None:
        self.notes: tuple[str, ...] = ()

    @method
    def pin(self, note: str) -> int:
        self.notes += (note,)
        return len(self.notes)


class Door(Actor):
    """Has a board that visitors get by hand, and another one at an address of this process alone."""

    def __init__(self, board: Board, uri: str) -> None:
        self.board = board
        self.uri = uri

    @method
    def shared(self) -> Board:
        return self.board

    @method
    def own(self) -> str:
        return self.uri


class Friend(Actor):
    @method
    async def take(self, board: Board) -> int:
        return await board.pin("hello")


@contextlib.asynccontextmanager
async def serving(
    sock: socket.socket, own: Path, swiss: bytes, **options: Any
) -> AsyncIterator[tuple[str, Peer]]:
    async with (
        Peer(netlayers.Unix(socket=sock.dup(), **options)) as peer,
        Peer(netlayers.Unix(own)) as private,
    ):
        uri = private.publish(private.spawn(Board))
        yield peer.publish(peer.spawn(Door, peer.spawn(Board), uri), swiss=swiss), peer


@pytest.mark.parametrize("known", [True, False], ids=["they talk already", "the receiver dials"])
def test_a_hand_off_ends_with_an_error_in_the_process_that_has_no_such_gift(
    known: bool, tmp_path: Path
) -> None:
    swiss = secrets.token_bytes(32)

    async def main() -> None:
        with listening_socket(tmp_path / "door") as sock:
            async with (
                Peer(netlayers.Unix(tmp_path / "alice")) as alice,
                Peer(netlayers.Unix(tmp_path / "bob")) as bob,
                serving(sock, tmp_path / "own1", swiss, max_channels=1) as (uri, first),
            ):
                door = await alice.enliven(uri, Door)
                board = await door.shared()
                friend = await alice.enliven(bob.publish(bob.spawn(Friend)), Friend)
                async with serving(sock, tmp_path / "own2", swiss) as (same, second):
                    assert same == uri
                    if known:
                        await bob.enliven(uri, Door).shared()
                    with pytest.raises(hob.RemoteRefused):
                        await friend.take(board)
                    assert len(first.sessions) == len(second.sessions) == 1

                    # What has an address of its own is handed over as ever.
                    own = await alice.enliven(await door.own(), Board)
                    assert await friend.take(own) == 1
                    # And nothing has happened to the session that the gift was for.
                    assert await board.pin("still here") == 1

    run(main)


def test_a_hand_off_works_where_both_are_served_by_the_process_of_the_gift(tmp_path: Path) -> None:
    swiss = secrets.token_bytes(32)

    async def main() -> None:
        with listening_socket(tmp_path / "door") as sock:
            async with (
                Peer(netlayers.Unix(tmp_path / "alice")) as alice,
                Peer(netlayers.Unix(tmp_path / "bob")) as bob,
                serving(sock, tmp_path / "own1", swiss, max_channels=2) as (uri, _),
            ):
                board = await alice.enliven(uri, Door).shared()
                friend = alice.enliven(bob.publish(bob.spawn(Friend)), Friend)
                await bob.enliven(uri, Door)
                async with serving(sock, tmp_path / "own2", swiss):
                    assert await friend.take(board) == 1

    run(main)


def test_what_is_unpublished_in_one_process_is_so_there_only(tmp_path: Path) -> None:
    swiss = secrets.token_bytes(32)

    async def main() -> None:
        with listening_socket(tmp_path / "door") as sock:
            async with (
                Peer(netlayers.Unix()) as alice,
                Peer(netlayers.Unix()) as bob,
                serving(sock, tmp_path / "own1", swiss, max_channels=1) as (uri, first),
            ):
                await alice.enliven(uri)
                async with serving(sock, tmp_path / "own2", swiss):
                    first.unpublish(uri)
                    with pytest.raises(hob.RemoteError):
                        await alice.enliven(uri)
                    await bob.enliven(uri)

    run(main)


def test_a_third_peer_takes_a_session_with_one_of_them_if_they_dial(tmp_path: Path) -> None:
    """They are one peer to it, and there is one session with a peer: so they dial with another one."""
    swiss = secrets.token_bytes(32)

    async def main() -> None:
        with listening_socket(tmp_path / "door") as sock:
            async with (
                Peer(netlayers.Unix(tmp_path / "carol")) as carol,
                serving(sock, tmp_path / "own1", swiss) as (_, first),
                serving(sock, tmp_path / "own2", swiss) as (_, second),
            ):
                board = carol.publish(carol.spawn(Board))
                assert await first.enliven(board).pin("one") == 1
                with pytest.raises(hob.SessionSevered, match="exists already"):
                    await second.enliven(board).pin("two")
                async with Peer(netlayers.Unix()) as dialler:
                    assert await dialler.enliven(board).pin("two") == 2

    run(main)
