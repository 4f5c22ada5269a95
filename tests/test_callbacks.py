"""T44: code of the program that fails where a session calls it: nobody waits for ever, nothing is lost."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hobgoblin import Actor, Peer, Refused, VatStopped, connect, disconnect, method, netlayers


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


class Unprintable(Refused):
    def __str__(self) -> str:
        raise LookupError("no text")


class Thing(Actor):
    @method
    def hi(self) -> str:
        return "hi"

    @method
    def refuse(self) -> None:
        raise Unprintable


@asynccontextmanager
async def two(**options: Any) -> AsyncIterator[tuple[Peer, str]]:
    """A client made with ``options``, and the URI of a thing of a server."""
    network = netlayers.MemoryNetwork()
    async with (
        Peer(netlayers.Memory(network, "server")) as server,
        Peer(netlayers.Memory(network, "client"), **options) as client,
    ):
        yield client, server.publish(server.spawn(Thing))


def test_t44_settings_of_a_wrong_type_are_logged_and_go_for_none(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with two(settings=lambda peer: {"version": "1.0"}) as (client, uri):
            assert await client.enliven(uri).hi() == "hi"
        assert "settings failed" in caplog.text
        assert "not a dict" in caplog.text

    run(main)


def test_t44_what_can_not_be_dialled_for_a_failure_of_our_own_breaks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def entropy(octets: int) -> bytes:
        raise ArithmeticError("out of order")

    async def main() -> None:
        async with two(entropy=entropy) as (client, uri):
            with pytest.raises(ArithmeticError, match="out of order"):
                await client.enliven(uri).hi()
        assert "could not be dialled" in caplog.text

    run(main)


def test_t44_a_peer_whose_vat_was_stopped_dials_nobody() -> None:
    async def main() -> None:
        async with two() as (client, uri):
            client.vat.stop()
            with pytest.raises(VatStopped):
                await client.enliven(uri).hi()

    run(main)


def test_t44_a_refusal_that_can_not_be_printed_is_logged_under_its_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with two() as (client, uri):
            thing = client.enliven(uri)
            with pytest.raises(Exception, match=r"the call failed, error [0-9a-f]{8}-1; sent from"):
                await thing.refuse()
            assert await thing.hi() == "hi"

    run(main)


def test_t44_a_session_is_over_for_both_although_on_severed_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        def fail() -> None:
            raise LookupError("nobody is told")

        over = asyncio.Event()
        here, there = socket.socketpair()
        remote = connect(here, on_severed=fail)
        connect(there, bootstrap=Thing(), on_severed=over.set)
        assert await remote.hi() == "hi"
        await disconnect(remote)
        await over.wait()
        assert "on_severed failed" in caplog.text

    run(main)


@pytest.mark.parametrize("failing", ["sent", "received"])
def test_t44_a_tap_that_fails_takes_no_message_along(failing: str, caplog: pytest.LogCaptureFixture) -> None:
    class Tap:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def see(self, what: str) -> None:
            self.seen.append(what)
            if what == failing:
                raise LookupError("the tap leaks")

        def sent(self, message: bytes) -> None:
            self.see("sent")

        def received(self, data: bytes) -> None:
            self.see("received")

    async def main() -> None:
        caplog.set_level(logging.ERROR)
        tap = Tap()
        async with two(tap=tap) as (client, uri):
            thing = client.enliven(uri)
            for _ in range(3):
                assert await thing.hi() == "hi"
        assert tap.seen.count(failing) > 3
        assert "the tap leaks" in caplog.text

    run(main)
