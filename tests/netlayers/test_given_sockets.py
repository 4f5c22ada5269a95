"""Netlayers that are given a socket which listens already: who owns what, and how several share one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest

from hobgoblin.errors import NetlayerError
from hobgoblin.netlayers import TcpTestingOnly, Unix, listening_socket


class Unixes:
    def __init__(self, stack, tmp_path):
        self.sock = stack.enter_context(listening_socket(tmp_path / "sock"))
        self.hints = {"path": str(tmp_path / "sock")}

    def netlayer(self, **options):
        return Unix(socket=self.sock.dup(), **options)

    def client(self):
        return Unix()


class Tcps:
    def __init__(self, stack, tmp_path):
        self.sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.hints = {"host": "127.0.0.1", "port": str(self.sock.getsockname()[1])}

    def netlayer(self, **options):
        return TcpTestingOnly(designator="alice", socket=self.sock.dup(), **options)

    def client(self):
        return TcpTestingOnly(listen=False)


@pytest.fixture(params=[Unixes, Tcps])
def shared(request, tmp_path):
    """A socket that listens, and netlayers that share it, as processes do that have inherited it."""
    with contextlib.ExitStack() as stack:
        yield request.param(stack, tmp_path)


class Accepting:
    """What one netlayer has accepted. Each handler ends with its peer."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.handlers = []
        self.more = asyncio.Event()

    def __call__(self):
        self.handlers.append(self.recorder(eof=self.recorder.close))
        self.more.set()
        return self.handlers[-1]

    async def number(self, count):
        while len(self.handlers) < count:
            self.more.clear()
            await self.more.wait()
        await self.handlers[count - 1].opened()
        return self.handlers[count - 1]


async def dial(client, location, recorder):
    handler = recorder(eof=recorder.close)
    await client.dial(location, handler)
    return handler


def test_what_it_is_bound_to_is_what_locators_name(shared, run, recorder):
    async def main():
        netlayer, client, accepting = shared.netlayer(), shared.client(), Accepting(recorder)
        await netlayer.listen(accepting)
        assert netlayer.listening
        assert netlayer.location.hints == shared.hints
        here = await dial(client, netlayer.location, recorder)
        here.write(b"hello")
        there = await accepting.number(1)
        await there.received_octets(5)
        await client.close()
        await netlayer.close()

    run(main())


def test_all_who_share_it_have_one_location(shared, run, recorder):
    async def main():
        first, second = shared.netlayer(), shared.netlayer()
        await first.listen(recorder)
        await second.listen(recorder)
        assert first.location == second.location
        await first.close()
        await second.close()

    run(main())


def test_the_others_go_on_when_one_has_closed(shared, run, recorder):
    async def main():
        first, second, client = shared.netlayer(), shared.netlayer(), shared.client()
        accepting = Accepting(recorder)
        await first.listen(recorder)
        await second.listen(accepting)
        await first.close()
        here = await dial(client, second.location, recorder)
        await accepting.number(1)
        here.close()
        await here.lost()
        await client.close()
        await second.close()

    run(main())


def test_who_is_full_leaves_those_who_come_to_the_others(shared, run, recorder, caplog):
    async def main():
        full, roomy, client = shared.netlayer(max_channels=1), shared.netlayer(), shared.client()
        of_full, of_roomy = Accepting(recorder), Accepting(recorder)
        await full.listen(of_full)
        await dial(client, full.location, recorder)
        await of_full.number(1)
        await roomy.listen(of_roomy)
        for number in range(1, 6):
            await dial(client, full.location, recorder)
            await of_roomy.number(number)
        assert len(of_full.handlers) == 1
        await client.close()
        await full.close()
        await roomy.close()

    run(main())
    (record,) = caplog.records
    assert "has 1 channels: it accepts no more until one ends" in record.message


def test_where_all_are_full_the_next_waits_until_a_channel_has_ended(shared, run, recorder):
    async def main():
        netlayer, client, accepting = shared.netlayer(max_channels=1), shared.client(), Accepting(recorder)
        await netlayer.listen(accepting)
        first = await dial(client, netlayer.location, recorder)
        await accepting.number(1)
        second = await dial(client, netlayer.location, recorder)
        second.write(b"patience")
        assert len(accepting.handlers) == 1
        first.close()
        served = await accepting.number(2)
        await served.received_octets(8)
        second.close()
        await second.lost()
        await client.close()
        await netlayer.close()

    run(main())


def test_close_while_it_is_full(shared, run, recorder):
    async def main():
        netlayer, client, accepting = shared.netlayer(max_channels=1), shared.client(), Accepting(recorder)
        await netlayer.listen(accepting)
        here = await dial(client, netlayer.location, recorder)
        await accepting.number(1)
        await netlayer.close()
        await here.lost()
        await client.close()

    run(main())


def test_of_many_who_wait_each_turn_takes_one(shared, run, recorder):
    """Or whoever comes first would get all of them, and the others would have nothing to do."""

    async def main():
        first, second, client = shared.netlayer(), shared.netlayer(), shared.client()
        of_first, of_second = Accepting(recorder), Accepting(recorder)
        await first.listen(of_first)
        await second.listen(of_second)
        location = first.location
        await asyncio.gather(*(dial(client, location, recorder) for _ in range(20)))
        while len(of_first.handlers) + len(of_second.handlers) < 20:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert of_first.handlers
        assert of_second.handlers
        await client.close()
        await first.close()
        await second.close()

    run(main())


@pytest.mark.parametrize("listens", [True, False])
def test_close_closes_it(listens, shared, run, recorder):
    async def main():
        netlayer = shared.netlayer()
        if listens:
            await netlayer.listen(recorder)
        await netlayer.close()
        assert shared.sock.fileno() >= 0  # what it was duplicated from

    run(main())  # looks for descriptors that are left


# Unix: the path and its file.


def test_the_file_is_left_to_who_has_made_it(run, recorder, tmp_path):
    async def main():
        netlayer = Unix(socket=sock.dup())
        await netlayer.listen(recorder)
        await netlayer.close()
        assert (tmp_path / "sock").is_socket()

    with listening_socket(tmp_path / "sock") as sock:
        run(main())
    assert not (tmp_path / "sock").exists()


def test_the_uris_are_those_of_a_netlayer_with_that_path(tmp_path):
    with listening_socket(tmp_path / "sock") as sock:
        given = Unix(socket=sock)
        assert given.location.designator == Unix(tmp_path / "sock").location.designator


def test_a_path_that_is_given_is_the_one_that_locators_name(run, recorder, tmp_path):
    async def main():
        netlayer = Unix(tmp_path / "link", socket=sock.dup())
        await netlayer.listen(recorder)
        assert netlayer.location.hints == {"path": str(tmp_path / "link")}
        await netlayer.close()

    with listening_socket(tmp_path / "sock") as sock:
        run(main())


@pytest.mark.parametrize("name", ["relative", "\0hobgoblin-test-abstract"])
def test_a_socket_without_an_absolute_path_needs_one(name, run, recorder, tmp_path, monkeypatch):
    async def main():
        with pytest.raises(ValueError, match="no absolute path: give the path that others dial"):
            Unix(socket=sock)
        netlayer = Unix(tmp_path / "given", socket=sock.dup())
        await netlayer.listen(recorder)
        await netlayer.close()

    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(name)
        sock.listen()
        run(main())


def test_a_path_that_no_locator_can_hold(run, recorder, tmp_path):
    async def main():
        netlayer = Unix("/tmp/" + "x" * 200, socket=sock.dup())
        with pytest.raises(NetlayerError, match="choose a shorter one"):
            await netlayer.listen(recorder)
        await netlayer.close()

    with listening_socket(tmp_path / "sock") as sock:
        run(main())


# TCP: what it may be bound to.


def test_a_host_and_a_port_that_are_given_are_those_that_locators_name(run, recorder):
    async def main():
        netlayer = TcpTestingOnly("localhost", 4711, designator="alice", socket=sock.dup())
        await netlayer.listen(recorder)
        assert netlayer.location.hints == {"host": "localhost", "port": "4711"}
        await netlayer.close()

    with socket.create_server(("127.0.0.1", 0)) as sock:
        run(main())


def test_the_socket_has_to_be_on_this_machine(run, recorder):
    async def main():
        netlayer = TcpTestingOnly("127.0.0.1", designator="alice", socket=sock.dup())
        with pytest.raises(NetlayerError, match=r"0\.0\.0\.0 is not a loopback address"):
            await netlayer.listen(recorder)
        await netlayer.close()
        allowed = TcpTestingOnly("127.0.0.1", designator="alice", socket=sock.dup(), allow_remote=True)
        await allowed.listen(recorder)
        await allowed.close()

    with socket.create_server(("0.0.0.0", 0)) as sock:
        run(main())


@pytest.mark.parametrize("options", [{}, {"designator": ""}, {"designator": "alice", "listen": False}])
def test_a_designator_is_needed_and_that_it_listens(options):
    with (
        socket.create_server(("127.0.0.1", 0)) as sock,
        pytest.raises(ValueError, match="the same one in all processes that accept on it"),
    ):
        TcpTestingOnly(socket=sock, **options)


# What is none.


@pytest.mark.parametrize("make", [Unix, lambda **options: TcpTestingOnly(designator="alice", **options)])
def test_what_is_no_listening_socket(make, tmp_path):
    with contextlib.ExitStack() as stack:
        near, far = socket.socketpair()
        stack.enter_context(near)
        stack.enter_context(far)
        datagrams = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        other = stack.enter_context(
            socket.create_server(("127.0.0.1", 0)) if make is Unix else listening_socket(tmp_path / "sock")
        )
        with pytest.raises(ValueError, match="is of another kind"):
            make(socket=datagrams)
        with pytest.raises(ValueError, match="is of another kind"):
            make(socket=other)
        silent = stack.enter_context(socket.socket(socket.AF_UNIX if make is Unix else socket.AF_INET))
        with pytest.raises(ValueError, match=r"does not listen: call its listen\(\)"):
            make(socket=silent)
        with pytest.raises(TypeError, match=r"socket is a int; .*socket\.socket\(fileno="):
            make(socket=near.fileno())
        assert min(near.fileno(), datagrams.fileno(), other.fileno(), silent.fileno()) >= 0


def test_a_fork_lets_go_of_it_in_the_child_only(run, recorder, tmp_path):
    def fork(netlayer):
        pid = os.fork()
        if pid == 0:
            os._exit(int(netlayer.listening))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    async def main():
        netlayer, client, accepting = Unix(socket=sock.dup()), Unix(), Accepting(recorder)
        await netlayer.listen(accepting)
        assert fork(netlayer) == 0
        here = await dial(client, netlayer.location, recorder)
        await accepting.number(1)
        here.close()
        await here.lost()
        await client.close()
        await netlayer.close()

    with listening_socket(tmp_path / "sock") as sock:
        run(main())
