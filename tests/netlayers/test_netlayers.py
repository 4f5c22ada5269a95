"""What every netlayer does: listen, dial, count its channels, close."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import resource

import pytest

from hobgoblin.errors import NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers import Channel, Handler, Memory, MemoryNetwork, Netlayer, TcpTestingOnly, Unix
from hobgoblin.syrup.framing import Framing


class Memories:
    transport = "memory"
    nowhere = PeerLocator("memory", "nobody", {})

    def __init__(self, tmp_path):
        self.network = MemoryNetwork()
        self.made = 0

    def server(self, **options):
        self.made += 1
        return Memory(self.network, f"server{self.made}", **options)

    def client(self):
        return Memory(self.network, "client")


class Unixes:
    transport = "unix"

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.made = 0
        self.nowhere = PeerLocator("unix", "nobody", {"path": str(tmp_path / "nowhere")})

    def server(self, **options):
        self.made += 1
        return Unix(self.tmp_path / f"server{self.made}", **options)

    def client(self):
        return Unix()


class Tcps:
    transport = "tcp-testing-only"
    nowhere = PeerLocator("tcp-testing-only", "nobody", {"host": "127.0.0.1", "port": "1"})

    def __init__(self, tmp_path):
        pass

    def server(self, **options):
        return TcpTestingOnly(**options)

    def client(self):
        return TcpTestingOnly(listen=False)


@pytest.fixture(params=[Memories, Unixes, Tcps])
def netlayers(request, tmp_path):
    return request.param(tmp_path)


@contextlib.contextmanager
def no_more_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_they_are_what_the_protocols_say(netlayers, run, recorder):
    async def main():
        async def use(netlayer: Netlayer, handler: Handler) -> Channel:
            assert not netlayer.listening
            await netlayer.listen(recorder)
            assert netlayer.listening
            assert netlayer.transport == netlayers.transport == netlayer.location.transport
            assert netlayer.framing is Framing.PREFIXED
            assert netlayer.listen_framing is Framing.DETECT
            channel = await netlayer.dial(netlayer.location, handler)
            assert netlayer.location.uri() in repr(netlayer)
            await netlayer.close()
            assert not netlayer.listening
            return channel

        handler = recorder()
        assert await use(netlayers.server(), handler) is handler.channel

    run(main())


def test_without_an_address_it_only_dials(netlayers, run, recorder):
    async def main():
        there = recorder(eof=recorder.close)
        server, client = netlayers.server(), netlayers.client()
        await client.listen(recorder)
        assert client.location.hints == {}
        await server.listen(lambda: there)
        here = recorder()
        channel = await client.dial(server.location, here)
        assert here.calls == ["opened"]
        channel.write([b"hello"])
        await there.received_octets(5)
        assert there.channel.description != channel.description
        await client.close()
        await here.lost()
        await there.lost()
        await server.close()

    run(main())


@pytest.mark.parametrize("case", ["nowhere", "another transport", "closed"])
def test_dial_raises_a_netlayer_error_and_calls_nobody(case, netlayers, run, recorder):
    async def main():
        server, client, handler = netlayers.server(), netlayers.client(), recorder()
        await server.listen(recorder)
        location = server.location
        if case == "nowhere":
            location = netlayers.nowhere
        if case == "another transport":
            location = PeerLocator("onion", "x", {})
        if case == "closed":
            await client.close()
        with pytest.raises(NetlayerError) as caught:
            await client.dial(location, handler)
        assert str(caught.value).isprintable()
        assert handler.calls == []
        await client.close()
        await server.close()

    run(main())


def test_listen_only_once_and_not_after_close(netlayers, run, recorder):
    async def main():
        server = netlayers.server()
        await server.listen(recorder)
        with pytest.raises(NetlayerError, match="listening already"):
            await server.listen(recorder)
        await server.close()
        with pytest.raises(NetlayerError, match="closed"):
            await server.listen(recorder)

    run(main())


def test_close_without_listen(netlayers, run):
    async def main():
        server = netlayers.server()
        await asyncio.gather(server.close(), server.close())

    run(main())


def test_close_ends_all_channels_and_nobody_gets_in_anymore(netlayers, run, recorder):
    async def main():
        accepted = []

        def accept():
            accepted.append(recorder(eof=recorder.close))
            return accepted[-1]

        server, client = netlayers.server(), netlayers.client()
        await server.listen(accept)
        location = server.location
        dialled = [recorder(eof=recorder.close) for _ in range(10)]
        for handler in dialled:
            await client.dial(location, handler)
        dialled[0].write(b"on its way")
        await asyncio.gather(server.close(), server.close())
        await server.close()
        assert server.location == location
        for handler in dialled:
            await handler.lost()
        for handler in accepted:
            assert handler.calls[-1:] in (["lost"], [])
        with pytest.raises(NetlayerError):
            await client.dial(location, recorder())
        await client.close()

    run(main())


def test_a_restarted_server_is_found_at_its_old_location(netlayers, run, recorder):
    async def main():
        first, client = netlayers.server(), netlayers.client()
        await first.listen(lambda: recorder(eof=recorder.close))
        here = recorder(eof=recorder.close)
        await client.dial(first.location, here)
        await first.close()
        await here.lost()

        netlayers.made = 0
        hints = first.location.hints
        second = netlayers.server(**({"port": int(hints["port"])} if "port" in hints else {}))
        there = recorder(eof=recorder.close)
        await second.listen(lambda: there)
        assert second.location.hints == hints
        await client.dial(PeerLocator(first.transport, second.location.designator, hints), recorder())
        await there.opened()
        await client.close()
        await second.close()

    run(main())


def test_the_cap_on_accepted_channels(netlayers, run, recorder, caplog):
    async def main():
        accepted = []

        def accept():
            accepted.append(recorder(eof=recorder.close))
            return accepted[-1]

        server, client = netlayers.server(max_channels=2), netlayers.client()
        await server.listen(accept)
        dialled = [recorder(eof=recorder.close) for _ in range(2)]
        for handler in dialled:
            await client.dial(server.location, handler)
        await asyncio.gather(*(handler.opened() for handler in accepted))
        for _ in range(3):
            await turned_away(client, server.location, recorder)
        assert len(accepted) == 2
        assert len([r for r in caplog.records if "turned away" in r.message]) == 1

        dialled[0].close()  # makes room for one
        await dialled[0].lost()
        last = recorder()
        await client.dial(server.location, last)
        last.write(b"hello")
        await accepted[2].received_octets(5)
        await client.close()
        await server.close()

    run(main())


async def turned_away(client, location, recorder):
    """Over a socket that is an end without a word, in memory the dial fails."""
    handler = recorder(eof=recorder.close)
    if client.transport == "memory":
        with pytest.raises(NetlayerError, match="turned the channel away"):
            await client.dial(location, handler)
    else:
        await client.dial(location, handler)
        await handler.lost()
        assert handler.received == b""


@pytest.mark.parametrize("count", [0, -1])
def test_a_cap_below_one_is_a_mistake(count, netlayers):
    with pytest.raises(ValueError, match="at least one"):
        netlayers.server(max_channels=count)


def test_accept_may_turn_a_channel_away(netlayers, run, recorder, caplog):
    async def main():
        def accept():
            raise ZeroDivisionError("no handler today")

        server, client = netlayers.server(), netlayers.client()
        await server.listen(accept)
        await turned_away(client, server.location, recorder)
        await client.close()
        await server.close()

    with caplog.at_level(logging.ERROR):
        run(main())
    (record,) = caplog.records
    assert re.search("turned away .*, no handler could be made", record.message)
    assert record.exc_info[0] is ZeroDivisionError


def test_close_at_any_turn_while_somebody_dials(netlayers, run, recorder):
    """Whatever the moment, nothing is left, and a handler that was opened is told of the end."""

    async def main():
        for turns in range(8):
            accepted = []

            def accept(accepted=accepted):
                accepted.append(recorder(eof=recorder.close))
                return accepted[-1]

            server, client = netlayers.server(), netlayers.client()
            await server.listen(accept)
            here = recorder(eof=recorder.close)
            dialling = asyncio.ensure_future(client.dial(server.location, here))
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.gather(server.close(), client.close())
            (result,) = await asyncio.gather(dialling, return_exceptions=True)
            if not isinstance(result, NetlayerError):
                await here.lost()
            assert here.calls[-1:] in ([], ["lost"])
            for handler in accepted:
                assert handler.calls[-1:] in ([], ["lost"])

    run(main())


def test_close_during_a_dial_of_ours(netlayers, run, recorder):
    async def main():
        server = netlayers.server()
        await server.listen(lambda: recorder(eof=recorder.close))
        for turns in range(5):
            client, here = netlayers.client(), recorder(eof=recorder.close)
            dialling = asyncio.ensure_future(client.dial(server.location, here))
            for _ in range(turns):
                await asyncio.sleep(0)
            await client.close()
            (result,) = await asyncio.gather(dialling, return_exceptions=True)
            if here.calls:
                await here.lost()
            else:
                assert "closed" in str(result)
        await server.close()

    run(main())


def test_no_descriptor_is_left(netlayers, run, recorder):
    if netlayers.transport == "memory":
        pytest.skip("it needs none")

    async def main():
        server, client = netlayers.server(), netlayers.client()
        with no_more_descriptors(), pytest.raises(NetlayerError, match="cannot listen"):
            await server.listen(recorder)
        await server.listen(recorder)
        with no_more_descriptors(), pytest.raises(NetlayerError, match="Too many open files"):
            await client.dial(server.location, recorder())
        await client.close()
        await server.close()

    run(main())


def test_cancel_a_dial_at_any_turn(netlayers, run, recorder):
    async def main():
        server, client = netlayers.server(), netlayers.client()
        await server.listen(lambda: recorder(eof=recorder.close))
        for turns in range(8):
            here = recorder(eof=recorder.close)
            dialling = asyncio.ensure_future(client.dial(server.location, here))
            for _ in range(turns):
                await asyncio.sleep(0)
            dialling.cancel()
            await asyncio.wait([dialling])
            if here.calls and here.is_open:
                if not dialling.cancelled():
                    here.close()
                await here.lost()
        await client.close()
        await server.close()

    run(main())
