"""Settings for particular peers: what they call the protocol, their dialect, and -0.0."""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, PeerLocator, PeerSettings, method, netlayers


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


class Echo(Actor):
    @method
    def echo(self, *values: Any) -> Any:
        return values

    @method
    def zero(self) -> float:
        return -0.0


def is_negative_zero(value: object) -> bool:
    return type(value) is float and value == 0.0 and math.copysign(1.0, value) < 0


async def echo_between(server: Peer, client: Peer, *values: Any) -> Any:
    return await client.enliven(server.publish(server.spawn(Echo)), Echo).echo(*values)


OLD = PeerSettings(version="goblins-0.16", dialect="A")
BOB = "ocapn://bob.memory"


@pytest.mark.parametrize(
    "settings",
    [
        {BOB: OLD},
        {f"{BOB}/s/c3dpc3M": OLD},
        {PeerLocator("memory", "bob", {"some": "hint"}): OLD},
        lambda peer: OLD if peer.designator == "bob" else None,
    ],
)
@pytest.mark.parametrize("who_dials", ["we", "bob"])
def test_one_peer_is_spoken_to_in_its_own_way_and_the_others_as_always(settings: Any, who_dials: str) -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "we"), settings=settings) as we,
            Peer(netlayers.Memory(network, "bob"), version="goblins-0.16", dialect="A") as bob,
            Peer(netlayers.Memory(network, "carol")) as carol,
        ):
            if who_dials == "we":
                assert await echo_between(bob, we, 1) == (1,)
                assert await echo_between(carol, we, 2) == (2,)
            else:
                assert await echo_between(we, bob, 1) == (1,)
                assert await echo_between(we, carol, 2) == (2,)
            dialects = {session.peer.designator: session.dialect for session in we.sessions}
            assert dialects["bob"] == "A"
            assert dialects["carol"] != "A"

    run(main)


@pytest.mark.parametrize("who_dials", ["we", "bob"])
def test_without_them_versions_that_differ_open_no_session(who_dials: str) -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "we"), settings={"ocapn://carol.memory": OLD}) as we,
            Peer(netlayers.Memory(network, "bob"), version="goblins-0.16") as bob,
        ):
            server, client = (bob, we) if who_dials == "we" else (we, bob)
            with pytest.raises(hob.SessionSevered, match="invalid-version"):
                await echo_between(server, client)

    run(main)


@pytest.mark.parametrize("negative_zero", [True, False])
def test_negative_zeros_are_spared_a_peer_that_can_not_read_them(negative_zero: bool) -> None:
    values = (-0.0, (1, -0.0), {"deep": {"deeper": (-0.0,)}}, hob.Tagged("t", -0.0), 0.0, -1.5)

    async def main() -> None:
        network = netlayers.MemoryNetwork()
        settings = {BOB: PeerSettings(negative_zero=negative_zero)}
        async with (
            Peer(netlayers.Memory(network, "we"), settings=settings) as we,
            Peer(netlayers.Memory(network, "bob")) as bob,
        ):
            one, two, three, tagged, zero, other = await echo_between(bob, we, *values)
            for found in (one, two[1], three["deep"]["deeper"][0], tagged.value):
                assert found == 0.0
                assert is_negative_zero(found) == negative_zero
            assert not is_negative_zero(zero)
            assert other == -1.5
            # In an answer, too; and what comes from there is read as it is.
            ours = bob.enliven(we.publish(we.spawn(Echo)), Echo)
            assert is_negative_zero(await ours.zero()) == negative_zero
            theirs = we.enliven(bob.publish(bob.spawn(Echo)), Echo)
            assert is_negative_zero(await theirs.zero())

    run(main)


def test_a_function_that_fails_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(peer: PeerLocator) -> PeerSettings:
        raise ValueError("no idea")

    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "we"), settings=fail) as we,
            Peer(netlayers.Memory(network, "bob")) as bob,
        ):
            assert await echo_between(bob, we, 1) == (1,)

    with caplog.at_level(logging.ERROR):
        run(main)
    assert "settings failed" in caplog.text


def test_wrong_settings_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="there is no dialect 'Z'"):
        PeerSettings(dialect="Z")
    with pytest.raises(hob.LocatorError):
        Peer(settings={"bob": OLD})
    with pytest.raises(TypeError, match="not str"):
        Peer(settings={BOB: "A"})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="not for int"):
        Peer(settings={7: OLD})  # type: ignore[dict-item]
