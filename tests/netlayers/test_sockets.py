"""What goes wrong below the netlayers, and what they make of it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import struct

import pytest

from hobgoblin.errors import NetlayerError
from hobgoblin.netlayers import TcpTestingOnly, Unix
from hobgoblin.netlayers.sockets import Listener
from hobgoblin.netlayers.stream import StreamChannel, adopt
from hobgoblin.values import one_line


def test_listening_goes_on_after_descriptors_ran_out(run, recorder, caplog, tmp_path):
    async def main():
        netlayer, accepted, all_accepted = Unix(tmp_path / "sock"), [], asyncio.Event()

        def accept():
            accepted.append(recorder(eof=recorder.close))
            if len(accepted) == 3:
                all_accepted.set()
            return accepted[-1]

        await netlayer.listen(accept)
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(3)]
            with no_more_descriptors():
                for client in clients:
                    client.setblocking(False)
                    await loop.sock_connect(client, str(tmp_path / "sock"))
                await until(lambda: caplog.records)
                for _ in range(10):
                    await asyncio.sleep(0)
                assert accepted == []
            await all_accepted.wait()  # a second later
        for handler in accepted:
            await handler.lost()
        await netlayer.close()

    run(main())
    (record,) = caplog.records
    assert record.message == "cannot accept: Too many open files; trying again in 1 s"


def test_close_while_descriptors_are_out(run, recorder, caplog):
    async def main():
        netlayer = TcpTestingOnly()
        await netlayer.listen(recorder)
        address = ("127.0.0.1", int(netlayer.location.hints["port"]))
        with socket.socket() as client:
            with no_more_descriptors():
                client.setblocking(False)
                await asyncio.get_running_loop().sock_connect(client, address)
                await until(lambda: caplog.records)
            await netlayer.close()

    run(main())


async def until(condition):
    """Run the loop until something has happened that nothing tells of."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


@contextlib.contextmanager
def no_more_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_listener_accepts_all_who_wait_and_closes_its_socket(run):
    async def main():
        arrived = []
        with contextlib.ExitStack() as stack:
            server = socket.create_server(("127.0.0.1", 0), backlog=200)
            for _ in range(150):
                stack.enter_context(socket.create_connection(server.getsockname()))
            listener = Listener(server, lambda sock: arrived.append(stack.enter_context(sock)))
            await until(lambda: len(arrived) == 150)
            listener.close()
            assert server.fileno() == -1

    run(main())


def test_whoever_cancels_all_tasks_leaks_nothing_that_was_just_accepted(run, recorder, tmp_path):
    async def main():
        cancelled = asyncio.Event()

        def accept():
            def cancel_all():
                for task in asyncio.all_tasks(loop) - {main_task}:
                    task.cancel()
                cancelled.set()

            handlers.append(recorder())
            loop.call_soon(cancel_all)
            return handlers[-1]

        loop, main_task, handlers = asyncio.get_running_loop(), asyncio.current_task(), []
        netlayer = Unix(tmp_path / "sock")
        await netlayer.listen(accept)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "sock"))
            await cancelled.wait()
            await netlayer.close()
            assert client.recv(1) == b""
        assert handlers[0].calls == []

    run(main())


def test_a_peer_that_has_reset_the_channel_before_it_is_accepted(run, recorder):
    async def main():
        netlayer, there = TcpTestingOnly(), recorder()
        await netlayer.listen(lambda: there)
        with socket.create_connection(("127.0.0.1", int(netlayer.location.hints["port"]))) as client:
            reset(client)
        await there.lost()
        assert there.channel.description == "tcp-testing-only:unknown"
        assert "reset" in str(there.error)
        await netlayer.close()

    run(main())


def test_close_of_a_channel_that_was_reset_a_moment_ago(run, recorder, connected_sockets):
    async def main():
        ours, theirs = connected_sockets["tcp"]()
        here = recorder()
        await adopt(ours, StreamChannel(here, "reset"))
        reset(theirs)
        here.close()
        await here.lost()

    run(main())


def reset(sock):
    """Close a TCP socket with RST in place of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_a_channel_that_breaks_while_it_is_dialled(run, recorder):
    async def main():
        class Odd(Unix):
            """Connects to something that has no TCP_NODELAY."""

            async def _connect(self, locator):
                return socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "odd"

        netlayer, handler = Odd(), recorder()
        with pytest.raises(NetlayerError, match="the channel odd broke while it opened"):
            await netlayer.dial(netlayer.location, handler)
        assert handler.calls == []
        await netlayer.close()

    run(main())


def test_a_channel_that_breaks_while_it_is_accepted(run, recorder, caplog):
    async def main():
        odd = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        class Odd(Unix):
            """Listens on something that asyncio makes no channel of."""

            async def _bind(self):
                odd.bind("")
                odd.listen()
                return odd, {}

        netlayer, handler = Odd(), recorder()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            await netlayer.listen(lambda: handler)
            client.connect(odd.getsockname())
            await until(lambda: caplog.records)
        assert handler.calls == []
        await netlayer.close()

    run(main())
    (record,) = caplog.records
    assert "broke while it opened" in record.message


def test_a_socket_that_asyncio_refuses_is_closed(run, recorder):
    async def main():
        sock, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        handler, lost = recorder(), []
        channel = StreamChannel(handler, "no stream", on_lost=lost.append)
        with other, pytest.raises(ValueError, match="Stream Socket"):
            await adopt(sock, channel)
        assert sock.fileno() == -1
        assert lost == [channel]
        assert channel.gone.done()
        assert handler.calls == []

    run(main())


def test_a_slow_peer_gets_more_than_the_linger_time(run, recorder):
    """It is cut off only when it takes nothing for the whole of it."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        here = recorder()
        await adopt(ours, StreamChannel(here, "slow", linger=0.4))
        here.write(bytes(8 << 20))
        here.close()
        started, received = loop.time(), 0
        with theirs:
            while loop.time() < started + 1.2:
                received += len(await loop.sock_recv(theirs, 1 << 18))
                await asyncio.sleep(0.04)  # this is the slowness
            assert here.is_open
            while data := await loop.sock_recv(theirs, 1 << 20):
                received += len(data)
            assert received == 8 << 20
        await here.lost()
        assert here.error is None

    run(main())


def test_a_peer_that_takes_nothing_is_cut_off(run, recorder):
    async def main():
        ours, theirs = socket.socketpair()
        here = recorder()
        await adopt(ours, StreamChannel(here, "stuck", linger=0.05))
        here.write(bytes(8 << 20))
        with theirs:
            here.close()
            await here.lost()

    run(main())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("captp.sock", "captp.sock"),
        ("a b é", "a b é"),
        ("\x1b[2J\n", "\\x1b[2J\\n"),
        ("\u202e", "\\u202e"),
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 252 + "..."),
        ("\0" * 100, "\\x00" * 63 + "..."),
    ],
)
def test_one_line(text, shown):
    assert one_line(text) == shown
