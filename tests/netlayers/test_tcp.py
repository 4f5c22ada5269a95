"""TCP for tests: that it stays on this machine, and what it makes of hostile hints."""

from __future__ import annotations

import socket

import pytest

from hobgoblin.errors import LocatorError, NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers import TcpTestingOnly
from hobgoblin.syrup.framing import Framing


def dial_fails(run, hints, recorder, **options):
    async def main():
        netlayer, handler = TcpTestingOnly(listen=False, **options), recorder()
        with pytest.raises(NetlayerError) as caught:
            await netlayer.dial(PeerLocator("tcp-testing-only", "somebody", hints), handler)
        assert handler.calls == []
        await netlayer.close()
        return caught.value

    error = run(main())
    assert str(error).startswith("cannot dial ")
    assert str(error).isprintable()
    assert len(str(error)) < 500
    return str(error)


def listen_fails(run, netlayer, recorder):
    async def main():
        with pytest.raises(NetlayerError) as caught:
            await netlayer.listen(recorder)
        assert not netlayer.listening
        await netlayer.close()
        return str(caught.value)

    message = run(main())
    assert message.startswith("cannot listen on ")
    return message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_addresses_and_names(host, run, recorder):
    async def main():
        there = recorder()
        server = TcpTestingOnly(host, designator="alice")
        assert server.location == PeerLocator("tcp-testing-only", "alice", {})
        await server.listen(lambda: there)
        port = server.location.hints["port"]
        assert server.location.hints == {"host": host, "port": port}
        assert 1 <= int(port) <= 65535
        here = recorder(eof=recorder.close)
        channel = await server.dial(server.location, here)
        await there.opened()
        shown = f"[{host}]" if ":" in host else host
        assert channel.description == f"tcp-testing-only:{shown}:{port}"
        assert there.channel.description.startswith("tcp-testing-only:")
        there.close()
        await here.lost()
        await server.close()

    run(main())


def test_a_restart_may_use_the_port_again(run, recorder):
    async def main():
        server = TcpTestingOnly()
        await server.listen(lambda: recorder(eof=recorder.close))
        here = recorder()
        await server.dial(server.location, here)
        await server.close()  # our end closes first and is left in TIME_WAIT
        again = TcpTestingOnly(port=int(server.location.hints["port"]))
        await again.listen(recorder)
        assert again.location.hints == server.location.hints
        await again.close()

    run(main())


def test_a_port_in_use(run, recorder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = listen_fails(run, TcpTestingOnly(port=port), recorder)
    assert f"127.0.0.1:{port}: Address already in use; choose another port" in message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "8.8.8.8"])
def test_it_stays_on_this_machine(host, run, recorder):
    for message in (
        listen_fails(run, TcpTestingOnly(host), recorder),
        dial_fails(run, {"host": host, "port": "1"}, recorder),
    ):
        assert f"{host} is not a loopback address" in message
        assert "neither encrypts nor authenticates" in message


def test_unless_it_is_told_not_to(run, recorder):
    async def main():
        server = TcpTestingOnly("0.0.0.0", allow_remote=True)
        there = recorder()
        await server.listen(lambda: there)
        await server.dial(server.location, recorder(eof=recorder.close))
        await there.opened()
        there.close()
        await server.close()

    run(main())


def test_the_framing_of_those_it_dials(run):
    assert TcpTestingOnly().framing is Framing.PREFIXED
    assert TcpTestingOnly(framing="prefixed").framing is Framing.PREFIXED
    assert TcpTestingOnly(framing="raw").framing is Framing.RAW
    assert TcpTestingOnly(framing="raw").listen_framing is Framing.DETECT


def test_designators():
    assert TcpTestingOnly(designator="alice").location.designator == "alice"
    first, second = TcpTestingOnly().location.designator, TcpTestingOnly().location.designator
    assert len(first) == 32
    assert first != second


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"framing": "cooked"}, ValueError),
        ({"port": -1}, ValueError),
        ({"port": 65536}, ValueError),
        ({"designator": "a b"}, LocatorError),
    ],
)
def test_mistakes(options, error):
    with pytest.raises(error):
        TcpTestingOnly(**options)


@pytest.mark.parametrize("hints", [{}, {"host": "127.0.0.1"}, {"port": "80"}, {"url": "ws://localhost"}])
def test_locators_without_an_address(hints, run, recorder):
    assert "lacks a host or port hint" in dial_fails(run, hints, recorder)


@pytest.mark.parametrize(
    "port", ["", "0", "65536", "99999", "-1", "+80", " 80", "8_0", "0x50", "٨٠", "80\n", "http", "9" * 5000]
)
def test_ports_that_are_none(port, run, recorder):
    assert "the port hint" in dial_fails(run, {"host": "127.0.0.1", "port": port}, recorder)


@pytest.mark.parametrize("allow_remote", [False, True])
@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("", "no host name"),
        ("127.0.0.1\0.example.org", "no host name"),
        ("evil\r\nHost: x", "no host name"),
        ("\x1b[2J", "no host name"),
        ("a b", "no host name"),
        ("/tmp/sock", "no host name"),
        ("münchen", "no host name"),
        ("a" * 5000, "no host name"),
        ("a" * 64, "can't be resolved"),
        ("..", "can't be resolved"),
        ("300.300.300.300", "can't be resolved"),
        ("::1::", "can't be resolved"),
        ("nobody.invalid", "can't be resolved"),
    ],
)
def test_hosts_that_are_none(host, problem, allow_remote, run, recorder):
    hints = {"host": host, "port": "9"}
    assert problem in dial_fails(run, hints, recorder, allow_remote=allow_remote)
    assert problem in listen_fails(run, TcpTestingOnly(host, allow_remote=allow_remote), recorder)


def test_nobody_listens_there(run, recorder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
    message = dial_fails(run, {"host": "localhost", "port": port}, recorder)
    assert f"localhost:{port}: " in message
    assert "is the server running?" in message


def test_small_messages_are_not_held_back(run, recorder):
    async def main():
        found = []

        class Watching(TcpTestingOnly):
            """Keeps the sockets of both sides, to look at their options."""

            async def _connect(self, locator):
                sock, description = await super()._connect(locator)
                found.append(sock)
                return sock, description

            def _name_of(self, sock):
                found.append(sock)
                return super()._name_of(sock)

        server, here, there = Watching(), recorder(eof=recorder.close), recorder()
        await server.listen(lambda: there)
        await server.dial(server.location, here)
        await there.opened()
        assert len(found) == 2
        assert all(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for sock in found)
        there.close()
        await server.close()

    run(main())


def test_a_host_that_has_gone_is_noticed(run, recorder):
    """The system itself asks whether the other host is still there, at both ends of a channel."""

    async def main():
        there = recorder(eof=recorder.close)
        server = TcpTestingOnly()
        await server.listen(lambda: there)
        here = recorder()
        await server.dial(server.location, here)
        await there.opened()
        for handler in (here, there):
            sock = handler.channel._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                names = socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT
                idle, interval, count = (sock.getsockopt(socket.IPPROTO_TCP, name) for name in names)
                assert idle + interval * count == 120
        here.close()
        await there.lost()
        await here.lost()
        await server.close()

    run(main())
