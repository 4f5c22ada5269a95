"""T20: peers that go, at any moment and in any way, over real sockets. Nothing waits, nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Limits, Peer, PeerLocator, method, netlayers
from hobgoblin.captp.handshake import hello
from hobgoblin.crypto import KeyPair
from hobgoblin.messages import ENCODERS
from hobgoblin.syrup import Framing, encode, frame


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``main``; see that it leaves no task and no file descriptor behind."""

    async def guarded() -> None:
        async with asyncio.timeout(120):
            await main()
            await ticks(5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    before = set(os.listdir("/proc/self/fd"))
    asyncio.run(guarded())
    assert set(os.listdir("/proc/self/fd")) == before


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


class Echo(Actor):
    @method
    def echo(self, value: Any) -> Any:
        return value

    @method
    def never(self) -> Any:
        promise, self.resolver = hob.new_promise()
        return promise


SWISS = b"swiss"
NOPE = b"11:<7'op:nope>"
ABORT = b"op:abort"
FETCH = frame(
    b"<10'op:deliver<11'desc:export0+>[5'fetch5:swiss]1+<18'desc:import-object1+>>", Framing.PREFIXED
)
FETCHED = frame(b"<10'op:deliver<11'desc:export1+>[7'fulfill<18'desc:import-object1+>]ff>", Framing.PREFIXED)


def hello_of(location: PeerLocator) -> bytes:
    keys = KeyPair.from_seed(sha256(b"stranger").digest())
    return frame(encode(hello(keys, location, "1.0"), encoders=ENCODERS), Framing.PREFIXED)


@pytest.fixture(params=["unix", "tcp"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def listening(kind: str, folder: Path) -> Any:
    return netlayers.Unix(folder / "s") if kind == "unix" else netlayers.TcpTestingOnly()


def connected_to(location: PeerLocator) -> socket.socket:
    hints = location.hints
    if "path" in hints:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(hints["path"])
        return sock
    return socket.create_connection((hints["host"], int(hints["port"])))


def stranger(location: PeerLocator) -> PeerLocator:
    return PeerLocator(location.transport, "stranger", {})


def reset(sock: socket.socket) -> None:
    """Close with RST; what a peer that dies does, with input that it has not read."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def shut(sock: socket.socket) -> None:
    """Close our direction, read until the other side has closed its own."""
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass
    sock.close()


@pytest.mark.parametrize("end", [socket.socket.close, reset, shut])
def test_t20_a_client_that_goes_at_every_octet(
    kind: str, end: Callable[[socket.socket], None], tmp_path: Path
) -> None:
    async def main() -> None:
        layer = listening(kind, tmp_path)
        async with Peer(layer) as server, dialling(kind) as client:
            uri = server.publish(server.spawn(Echo), swiss=SWISS)
            stream = hello_of(stranger(layer.location)) + FETCH
            for cut in range(len(stream) + 1):
                sock = connected_to(layer.location)
                await until(lambda: len(layer._accepted) == 1)
                sock.sendall(stream[:cut])
                if end is shut:
                    await asyncio.to_thread(shut, sock)
                else:
                    end(sock)
                await until(lambda: not layer._accepted)
                assert server.sessions == []
                assert not server._unopened
            assert await client.enliven(uri, Echo).echo(1) == 1

    run(main)


@asynccontextmanager
async def fake_server(
    kind: str,
    folder: Path,
    octets: Callable[[], int | None],
    change: Callable[[bytes], bytes] = lambda hello: hello,
) -> AsyncGenerator[str]:
    """A URI at a server that says so many octets and closes, or, for ``None``, says nothing and stays."""
    stay = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = octets()
        if cut is None:
            await stay.wait()
        else:
            said = change(hello_of(location))
            writer.write(said[:cut])
            if len(said) < cut < 1000:
                await reader.readuntil(b"fetch")
                writer.write(FETCHED[: cut - len(said)])
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        gone.append(None)

    gone: list[None] = []
    if kind == "unix":
        path = str(folder / "fake")
        server = await asyncio.start_unix_server(serve, path)
        location = PeerLocator("unix", "fake", {"path": path})
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        location = PeerLocator("tcp-testing-only", "fake", {"host": "127.0.0.1", "port": str(port)})
    async with server:
        yield hob.SturdyRef(location, hob.SwissNum(SWISS)).uri()
        stay.set()
        await until(lambda: bool(gone))


def dialling(kind: str, **options: Any) -> Peer:
    layer: Any = netlayers.Unix() if kind == "unix" else netlayers.TcpTestingOnly(listen=False)
    return Peer(layer, **options)


def test_t20_a_server_that_goes_at_every_octet(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        cut = 0
        async with (
            fake_server(kind, tmp_path, lambda: cut) as uri,
            dialling(kind) as client,
        ):
            whole = len(hello_of(hob.SturdyRef.parse(uri).peer)) + len(FETCHED)
            for cut in range(whole):
                echo = client.enliven(uri, Echo)
                waiting = echo.echo(cut)
                for promise in (echo, waiting):
                    with pytest.raises(hob.SessionSevered, match=r"closed the connection|broke"):
                        await promise
                assert not client._dials
                assert not client._unopened
                assert client.sessions == []

    run(main)


def test_t20_a_server_that_breaks_the_protocol_right_behind_its_hello(kind: str, tmp_path: Path) -> None:
    """What was waiting for the session to open breaks with the reason, like everything else."""

    async def main() -> None:
        async with (
            fake_server(kind, tmp_path, lambda: 1000, lambda hello: hello + NOPE) as uri,
            dialling(kind) as client,
        ):
            echo = client.enliven(uri, Echo)
            for promise in (echo, echo.echo(1)):
                with pytest.raises(hob.SessionSevered, match="the session has ended: unknown message"):
                    await promise

    run(main)


def test_t20_a_server_that_never_says_hello(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            fake_server(kind, tmp_path, lambda: None) as uri,
            dialling(kind, limits=Limits(handshake_seconds=0.05)) as client,
        ):
            with pytest.raises(hob.SessionSevered, match="no hello in time"):
                await client.enliven(uri, Echo).echo(1)
            assert not client._dials

    run(main)


def test_t20_a_client_that_never_says_hello(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        layer = listening(kind, tmp_path)
        async with Peer(layer, limits=Limits(handshake_seconds=0.05)) as server:
            with connected_to(layer.location) as sock:
                heard = await asyncio.to_thread(read_all, sock)
            assert heard == b""  # nothing is known of how it frames messages
            assert not server._unopened

    run(main)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_t20_half_open_a_client_that_closed_its_direction_ends_the_session(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        layer = listening(kind, tmp_path)
        async with Peer(layer) as server:
            server.publish(server.spawn(Echo), swiss=SWISS)
            with connected_to(layer.location) as sock:
                sock.sendall(hello_of(stranger(layer.location)) + FETCH)
                await until(lambda: len(server.sessions) == 1)
                sock.shutdown(socket.SHUT_WR)
                heard = await asyncio.to_thread(read_all, sock)
            assert b"op:start-session" in heard
            assert server.sessions == []

    run(main)


@pytest.mark.parametrize("whose", ["a violation of the peer", "our own decision"])
def test_t20_our_last_word_arrives_though_much_was_on_its_way_to_us(
    kind: str, whose: str, tmp_path: Path
) -> None:
    """To close a TCP socket with unread input sends RST, which would destroy our op:abort."""
    much = 4 << 20

    def talk(sock: socket.socket, location: PeerLocator) -> bytes:
        sock.sendall(hello_of(stranger(location)) + FETCH)
        if whose.startswith("a violation"):
            sock.sendall(NOPE)
        # The beginning of a message that is never read by anybody; only then we read.
        sock.sendall(b"%d:<10'op:deliver<11'desc:export0+>[%d:" % (2 * much, much) + bytes(much))
        return read_all(sock)

    async def main() -> None:
        layer = listening(kind, tmp_path)

        def on_session(session: hob.PeerSession) -> None:
            if whose == "our own decision" and session.severed_because is None:
                session.close("enough of it")

        async with Peer(layer, on_session=on_session):
            with connected_to(layer.location) as sock:
                heard = await asyncio.to_thread(talk, sock, layer.location)
            assert heard.count(ABORT) == 1
            assert (b"unknown message" if whose.startswith("a violation") else b"enough of it") in heard

    run(main)


SERVER = """
import asyncio, sys
from hobgoblin import Actor, Peer, method, netlayers

class Echo(Actor):
    @method
    def echo(self, value): return value

async def main():
    async with Peer(netlayers.Unix(sys.argv[1])) as peer:
        print(peer.publish(peer.spawn(Echo)), flush=True)
        await peer.serve_forever()

asyncio.run(main())
"""


def test_t20_a_process_that_is_stopped_is_waited_for_as_long_as_you_say(tmp_path: Path) -> None:
    """Nothing tells it from a slow one. Your timeout ends the waiting, the end of your peer everything."""

    async def main(uri: str, process: int) -> None:
        async with Peer(netlayers.Unix()) as client:
            echo = await client.enliven(uri, Echo)
            assert await echo.echo(1) == 1
            os.kill(process, signal.SIGSTOP)
            waiting = echo.echo(2)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await waiting
            assert len(client.sessions) == 1
        with pytest.raises(hob.SessionSevered):
            await waiting

    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        uri = server.stdout.readline().strip()
        try:
            run(lambda: main(uri, server.pid))
        finally:
            server.kill()
