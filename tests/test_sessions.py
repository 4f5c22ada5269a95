"""Sessions as a program sees them: listed, told of, closed, and reached anew."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, PeerSession, method, netlayers, testing


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


class Counter(Actor):
    def __init__(self) -> None:
        self.count = 0

    @method
    def add(self, number: int) -> int:
        self.count += number
        return self.count

    @method
    def never(self) -> Any:
        promise, self.resolver = hob.new_promise()
        return promise


class Told:
    """An ``on_session`` that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.events: list[tuple[PeerSession, str | None]] = []
        self.changed = asyncio.Event()

    def __call__(self, session: PeerSession) -> None:
        self.events.append((session, session.severed_because))
        self.changed.set()

    async def until(self, count: int) -> None:
        while len(self.events) < count:
            self.changed.clear()
            await self.changed.wait()


def test_open_sessions_are_listed_with_what_has_crossed(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Peer(netlayers.Unix(tmp_path / "s"), name="server") as server,
            Peer(netlayers.Unix(), name="client", dialect="D") as client,
        ):
            assert server.sessions == client.sessions == []
            uri = server.publish(server.spawn(Counter))
            counter = await client.enliven(uri, Counter)
            for number in range(10):
                await counter.add(number)
            (here,), (there,) = client.sessions, server.sessions
            assert here is client.sessions[0]
            assert (here.dialled, there.dialled) == (True, False)
            assert (here.proved, there.proved) == (False, False)
            assert here.peer == hob.SturdyRef.parse(uri).peer
            assert there.peer.transport == "unix"
            assert here.dialect == there.dialect == "D"
            assert here.age >= 0.0
            assert here.severed_because is None
            assert here.stats.tables == client.connections[0].session.stats().tables
            # A hello, a fetch and ten calls, and perhaps what gives their answers back.
            assert here.stats.messages_sent >= there.stats.messages_received >= 12
            assert here.stats.bytes_sent >= there.stats.bytes_received > there.stats.messages_received

    run(main)


def test_a_session_on_a_netlayer_that_proves_names_says_so() -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "server")) as server,
            Peer(netlayers.Memory(network, "client")) as client,
        ):
            await client.enliven(server.publish(server.spawn(Counter)))
            assert client.sessions[0].proved
            assert server.sessions[0].proved

    run(main)


def test_printing_one_shows_much_and_no_secret(tmp_path: Path) -> None:
    async def main() -> None:
        async with Peer(netlayers.Unix(tmp_path / "s")) as server, Peer(netlayers.Unix()) as client:
            secret = b"a secret number of thirty-two oc"
            uri = server.publish(server.spawn(Counter), swiss=secret)
            await client.enliven(uri, Counter).add(1)
            for text in (repr(client.sessions[0]), repr(server.sessions[0])):
                assert text.isprintable()
                assert "secret" not in text
                assert uri.partition("/s/")[2].partition("?")[0] not in text
            text = repr(client.sessions[0])
            assert text.startswith("<PeerSession open ")
            assert f"dialled {client.sessions[0].peer!r}, dialect " in text
            assert " imports, " in text
            assert " bytes; sent " in text

    run(main)


def test_who_comes_back_before_the_other_has_noticed_the_end_is_let_in() -> None:
    """The end of the old session and the hello of the new one travel apart, and either may come first."""

    async def program(sim: testing.Simulation) -> None:
        server, client = await sim.peer("server"), await sim.peer("client")
        uri = server.publish(server.spawn(Counter))
        assert await client.enliven(uri, Counter).add(1) == 1
        sim.network.silence("server", "client")
        client.sessions[0].close("the cable was cut")
        again = client.enliven(uri, Counter).add(1)
        await asyncio.sleep(0.1)
        assert client.sessions == []
        server.sessions[0].close("so it was noticed here, too")
        assert await again == 2

    testing.Simulation(1).run(program)


def test_closing_one_breaks_what_waits_and_enlivening_reaches_the_peer_anew(tmp_path: Path) -> None:
    async def main() -> None:
        async with Peer(netlayers.Unix(tmp_path / "s")) as server, Peer(netlayers.Unix()) as client:
            uri = server.publish(server.spawn(Counter))
            for times in range(1, 4):
                counter = await client.enliven(uri, Counter)
                assert await counter.add(1) == times
                waiting = counter.never()
                (session,) = client.sessions
                session.close("that was it")
                with pytest.raises(hob.SessionSevered, match="that was it"):
                    await waiting
                with pytest.raises(hob.SessionSevered):
                    await counter.add(1)
                assert client.sessions == []
                assert session.severed_because == "that was it"
                assert session.age == session.age
                assert repr(session).startswith("<PeerSession ended")
                session.close("again")
                assert session.severed_because == "that was it"

    run(main)


def test_one_can_be_closed_from_another_thread(tmp_path: Path) -> None:
    async def main() -> None:
        async with Peer(netlayers.Unix(tmp_path / "s")) as server, Peer(netlayers.Unix()) as client:
            counter = await client.enliven(server.publish(server.spawn(Counter)), Counter)
            waiting = counter.never()
            await counter.add(1)
            await asyncio.to_thread(client.sessions[0].close)
            with pytest.raises(hob.SessionSevered):
                await waiting

    run(main)


def test_a_program_is_told_when_a_session_opens_and_when_it_has_ended(tmp_path: Path) -> None:
    async def main() -> None:
        at_server, at_client = Told(), Told()
        async with Peer(netlayers.Unix(tmp_path / "s"), on_session=at_server) as server:
            async with Peer(netlayers.Unix(), on_session=at_client) as client:
                counter = await client.enliven(server.publish(server.spawn(Counter)), Counter)
                await counter.add(1)
                assert at_server.events == [(server.sessions[0], None)]
                assert at_client.events == [(client.sessions[0], None)]
            await at_server.until(2)
            for told, why in (
                (at_client, "this peer has been closed"),
                (at_server, "the peer has closed the session"),
            ):
                (opened, _), (ended, because) = told.events
                assert opened is ended
                assert because == why
            assert server.sessions == []

    run(main)


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (None, "the peer has closed the session"),
        ("the program has ended", "the peer has closed the session: the program has ended"),
        ("the vat has been stopped", "the peer has closed the session: the vat has been stopped"),
        ("too many references are in use", "the peer aborted: too many references are in use"),
        ("", "the peer aborted and gave no reason"),
    ],
)
def test_whether_the_other_side_has_closed_it_in_order_or_aborted_it(
    reason: str | None, why: str, tmp_path: Path
) -> None:
    async def main() -> None:
        told = Told()
        async with (
            Peer(netlayers.Unix(tmp_path / "s")) as server,
            Peer(netlayers.Unix(), on_session=told) as client,
        ):
            counter = await client.enliven(server.publish(server.spawn(Counter)), Counter)
            waiting = counter.never()
            await counter.add(1)
            (session,) = server.sessions
            session.close() if reason is None else session.close(reason)
            with pytest.raises(hob.SessionSevered) as caught:
                await waiting
            assert str(caught.value) == f"the session has ended: {why}"
            await told.until(2)
            assert told.events[-1][1] == why

    run(main)


def test_the_end_is_told_after_what_waited_has_broken(tmp_path: Path) -> None:
    async def main() -> None:
        states: list[str] = []

        def on_session(session: PeerSession) -> None:
            if session.severed_because is not None:
                states.append(repr(waiting))

        async with Peer(netlayers.Unix(tmp_path / "s")) as server:
            async with Peer(netlayers.Unix(), on_session=on_session) as client:
                counter = await client.enliven(server.publish(server.spawn(Counter)), Counter)
                waiting = counter.never()
                await counter.add(1)
            assert states == ["<Promise broken>"]
            with pytest.raises(hob.SessionSevered):
                await waiting

    run(main)


def test_a_session_may_be_closed_as_soon_as_it_opens(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()

        def refuse(session: PeerSession) -> None:
            told(session)
            session.close("not now")

        async with Peer(netlayers.Unix(tmp_path / "s"), on_session=refuse) as server:
            async with Peer(netlayers.Unix()) as client:
                with pytest.raises(hob.SessionSevered, match="not now"):
                    await client.enliven(server.publish(server.spawn(Counter)), Counter).add(1)
            assert [because for _, because in told.events] == [None, "not now"]
            assert server.sessions == []

    run(main)


def test_channels_that_never_became_sessions_are_not_told_of(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with Peer(netlayers.Unix(tmp_path / "s"), on_session=told) as server:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b"<7'op:nope>")
            await reader.read()
            writer.close()
            await writer.wait_closed()
            assert server.sessions == []
        assert told.events == []

    run(main)


def test_an_on_session_that_fails_is_logged_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(session: PeerSession) -> None:
        raise ValueError("in the hook")

    async def main() -> None:
        one, other = Peer(netlayers.Unix(tmp_path / "s"), on_session=fail), Peer(netlayers.Unix())
        async with one as server, other as client:
            assert await client.enliven(server.publish(server.spawn(Counter)), Counter).add(1) == 1

    with caplog.at_level(logging.ERROR):
        run(main)
    assert "on_session failed" in caplog.text


def test_who_enlivens_on_a_closed_peer_is_told_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with Peer(netlayers.Unix(tmp_path / "s")) as server:
            uri = server.publish(server.spawn(Counter))
            async with Peer(netlayers.Unix()) as client:
                pass
            with pytest.raises(hob.NetlayerError, match="this peer has been closed: make a new one"):
                await client.enliven(uri)

    run(main)


class Leaving:
    """Notes when a message leaves, and which: the simulated milliseconds and the name of its operation."""

    def __init__(self, sim: testing.Simulation) -> None:
        self._sim = sim
        self.noted: list[tuple[int, str]] = []

    def sent(self, message: bytes) -> None:
        label = message.partition(b"op:")[2][:10]
        self.noted.append((round(self._sim.time * 1000), "releases" if label.startswith(b"gc-") else "call"))

    def received(self, data: bytes) -> None:
        pass


def test_releases_leave_with_the_next_message_once_they_are_due_and_alone_if_there_is_none() -> None:
    async def program(sim: testing.Simulation) -> None:
        leaving = Leaving(sim)
        server, client = await sim.peer("server"), await sim.peer("client", tap=leaving)
        counter = client.enliven(server.publish(server.spawn(Counter)), Counter)
        await counter.add(1)
        await asyncio.sleep(1)
        leaving.noted.clear()
        start = round(sim.time * 1000)
        await counter.add(1)
        await asyncio.sleep(0.014)
        await counter.add(1)
        await asyncio.sleep(1)
        assert leaving.noted == [
            (start, "call"),
            (start + 16, "call"),
            (start + 16, "releases"),
            (start + 32, "releases"),
        ]

    testing.Simulation(1, faults=testing.Faults(delay=(0.001, 0.001))).run(program)
