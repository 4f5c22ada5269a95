"""Peers that take too much or too little: what they can keep us from, and how a sender keeps pace."""

import asyncio
import logging
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Limits, Peer, method, netlayers
from hobgoblin.captp.handshake import hello
from hobgoblin.crypto import KeyPair
from hobgoblin.inflow import PORTION_MESSAGES
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.messages import ENCODERS
from hobgoblin.syrup import encode

FLOOD = 100_000
MB = 1 << 20


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)


class Counter(Actor):
    """Counts what it is sent, and takes an object to send to."""

    def __init__(self) -> None:
        self.count = 0
        self.met: Any = None

    @method
    def add(self) -> None:
        self.count += 1

    @method
    def total(self) -> int:
        return self.count

    @method
    def meet(self, other: Any) -> None:
        self.met = other

    @method
    def other(self) -> Any:
        return self.met

    @method
    async def never(self) -> None:
        await asyncio.Event().wait()

    @method
    def make(self) -> Any:
        return hob.spawn(lambda: None)


def first_words(name: str, transport: str = "unix") -> bytes:
    """The hello of a peer that is nothing but octets."""
    said = hello(KeyPair.from_seed(os.urandom(32)), PeerLocator(transport, name, {}), "1.0")
    return bytes(encode(said, encoders=ENCODERS))


def fetch(uri: str) -> bytes:
    """Asks for a published object: it is what answer 0 becomes."""
    swiss = SturdyRef.parse(uri).swiss.octets
    return b"<10'op:deliver<11'desc:export0+>[5'fetch%d:%b]0+f>" % (len(swiss), swiss)


def to_answer(*args: bytes) -> bytes:
    return b"<10'op:deliver<11'desc:answer0+>[%b]ff>" % b"".join(args)


ADD = to_answer(b"3'add")
MEET = to_answer(b"4'meet", b"<18'desc:import-object5+>")


@asynccontextmanager
async def served(folder: Path, **limits: int) -> AsyncIterator[tuple[Peer, Any, str]]:
    """A peer with a counter: the peer, the reference to the counter, and its URI."""
    async with Peer(netlayers.Unix(folder / "s"), limits=Limits(**limits)) as server:
        counter = server.spawn(Counter)
        yield server, counter, server.publish(counter)


def flood(path: Path, octets: bytes) -> threading.Thread:
    """Send octets as fast as they are taken, then FIN, and read what comes back."""

    def work() -> None:
        with closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.connect(str(path))
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass

    thread = threading.Thread(target=work)
    thread.start()
    return thread


class TestFloods:
    """T35: many small messages at once."""

    @pytest.mark.parametrize(
        "message",
        [
            pytest.param(ADD, id="calls"),
            pytest.param(ADD + b"<13'op:gc-answers[99+]>" * 9, id="releases"),
            pytest.param(
                b"<10'op:deliver<11'desc:answer0+>[3'add]7+f><13'op:gc-answers[7+]>", id="calls given up"
            ),
        ],
    )
    def test_t35_an_honest_call_is_answered_before_a_flood_is_through(
        self, tmp_path: Path, message: bytes
    ) -> None:
        async def main() -> None:
            async with served(tmp_path) as (_, _, uri), Peer(netlayers.Unix()) as client:
                counter = await client.enliven(uri, Counter)
                each = FLOOD // 10
                octets = fetch(uri) + message * each
                threads = [flood(tmp_path / "s", first_words(name) + octets) for name in ("a", "b")]
                while await counter.total() == 0:
                    pass
                seen = [await counter.total() for _ in range(5)]
                assert seen[-1] < 2 * each
                # The honest calls are not held up by more than a few portions of each flood.
                steps = [after - before for before, after in pairwise(seen)]
                assert max(steps) <= 10 * PORTION_MESSAGES
                while await counter.total() < 2 * each:
                    pass
                for thread in threads:
                    await asyncio.to_thread(thread.join)

        run(main)

    def test_t35_all_that_came_before_the_end_of_input_is_carried_out(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with served(tmp_path) as (server, counter, uri):
                thread = flood(tmp_path / "s", first_words("x") + fetch(uri) + ADD * 5_000)
                await until(lambda: bool(server.connections))
                ended = server.connections[0].ended
                await ended
                assert await counter.total() == 5_000
                await asyncio.to_thread(thread.join)

        run(main)

    def test_t35_a_peer_cannot_fill_the_queue_of_a_vat(self, tmp_path: Path) -> None:
        lengths: list[int] = []

        async def main() -> None:
            async with served(tmp_path) as (server, counter, uri):
                other = hob.spawn_vat("other")

                def slow() -> None:
                    lengths.append(len(other._queue))  # pyright: ignore[reportPrivateUsage]
                    for _ in range(2_000):
                        pass

                await counter.meet(other.spawn(slow))
                elsewhere = b"<10'op:deliver<11'desc:answer0+>[5'other]1+f>"
                calls = b"<10'op:deliver<11'desc:answer1+>[]ff>" * 5_000
                thread = flood(tmp_path / "s", first_words("x") + fetch(uri) + elsewhere + calls)
                await until(lambda: bool(server.connections))
                await server.connections[0].ended
                await until(lambda: len(lengths) == 5_000)
                await asyncio.to_thread(thread.join)

        run(main)
        assert max(lengths) <= 3 * PORTION_MESSAGES

    def test_t35_a_vat_in_another_thread_is_not_flooded_either(self, tmp_path: Path) -> None:
        lengths: list[int] = []

        async def main() -> None:
            async with hob.VatThread() as other, served(tmp_path) as (server, counter, uri):

                def slow() -> None:
                    lengths.append(len(other._queue))  # pyright: ignore[reportPrivateUsage]
                    for _ in range(2_000):
                        pass

                await counter.meet(other.spawn(slow))
                elsewhere = b"<10'op:deliver<11'desc:answer0+>[5'other]1+f>"
                calls = b"<10'op:deliver<11'desc:answer1+>[]ff>" * 5_000
                thread = flood(tmp_path / "s", first_words("x") + fetch(uri) + elsewhere + calls)
                await until(lambda: len(lengths) == 5_000)
                await until(lambda: not server.connections)
                await asyncio.to_thread(thread.join)

        run(main)
        assert max(lengths) <= 3 * PORTION_MESSAGES

    def test_t35_messages_that_are_handed_over_take_turns_too(self) -> None:
        """An attached channel can't be told to wait: what comes in is kept, and handled in portions."""
        order: list[str] = []

        async def main() -> None:
            vat = hob.spawn_vat()
            flooded, _ = hob.attach(vat, lambda data: None, lambda: order.append("flood"))
            honest, _ = hob.attach(vat, lambda data: None, lambda: order.append("honest"))
            call = b"<10'op:deliver<11'desc:export0+>[]ff>"
            for receiver, name in ((flooded, "a"), (honest, "b")):
                receiver(first_words(name, "direct"))
            for _ in range(5_000):
                flooded(call)
            honest(call)
            flooded.disconnected()
            await until(lambda: len(order) == 5_001)
            assert order.index("honest") <= 2 * PORTION_MESSAGES
            honest.disconnected()

        run(main)

    def test_t35_what_is_handed_over_faster_than_it_is_handled_ends_the_session(self) -> None:
        async def main() -> None:
            vat = hob.spawn_vat()
            sent: list[bytes] = []
            severed: list[str] = []
            receiver, _ = hob.attach(
                vat,
                sent.append,
                lambda: None,
                limits=Limits(inbound_bytes=100_000),
                on_severed=lambda: severed.append("severed"),
            )
            receiver(first_words("a", "direct"))
            for _ in range(10_000):
                receiver(b"<10'op:deliver<11'desc:export0+>[]ff>")
            await until(lambda: bool(severed))
            await until(lambda: b"op:abort" in sent[-1])
            assert b"more has come in than can be handled" in sent[-1]

        run(main)

    def test_t35_peers_in_one_loop_take_turns(self) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with (
                Peer(netlayers.Memory(network, "server")) as server,
                Peer(netlayers.Memory(network, "greedy")) as greedy,
                Peer(netlayers.Memory(network, "honest")) as honest,
            ):
                uri = server.publish(server.spawn(Counter))
                much, little = await greedy.enliven(uri, Counter), await honest.enliven(uri, Counter)
                for _ in range(20_000):
                    hob.send_only(much.add)()
                last = much.total()
                assert await little.total() < 20_000
                assert await last == 20_000

        run(main)


class TestBlackHoles:
    """T20: a peer that has stopped reading, and is still there."""

    @asynccontextmanager
    async def black_hole(self, folder: Path, uri: str) -> AsyncIterator[socket.socket]:
        with closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, str(folder / "s"))
            await loop.sock_sendall(sock, first_words("hole") + fetch(uri) + MEET)
            yield sock

    async def met(self, counter: Any) -> Any:
        while (other := await counter.other()) is None:
            pass
        return other

    def test_t20_sends_to_a_peer_that_stops_reading_take_no_more_memory_than_the_limit(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            async with served(tmp_path, outbound_bytes=4 * MB) as (server, counter, uri):
                async with self.black_hole(tmp_path, uri):
                    far = await self.met(counter)
                    [connection] = server.connections
                    refused = 0
                    answers = []
                    for _ in range(100):
                        answers = [far(b"x" * 10_000) for _ in range(20)]
                        await asyncio.sleep(0)
                        assert connection.session.stats().outbound_bytes <= 4 * MB + 20_000
                        refused = connection.session.stats().refused
                    assert refused > 1000
                    with pytest.raises(hob.SessionFull, match="await drained"):
                        await answers[-1]
                    room = hob.drained(far)
                    hob.send_only(far)("is reported")
                    connection.session.check()
                    # Others are served meanwhile.
                    async with Peer(netlayers.Unix()) as client:
                        assert await client.enliven(uri, Counter).total() == 0
                    await server.close()
                    with pytest.raises(hob.SessionSevered):
                        await room
                assert asyncio.all_tasks() == {asyncio.current_task()}

        with caplog.at_level(logging.ERROR):
            run(main)
        assert "SessionFull" in caplog.text

    def test_t20_a_peer_that_asks_and_never_reads_the_answers_is_cut_off(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with (
                served(tmp_path, outbound_bytes=100_000) as (server, counter, uri),
                self.black_hole(tmp_path, uri) as sock,
            ):
                await self.met(counter)
                [connection] = server.connections
                ask = b"<10'op:deliver<11'desc:answer0+>[5'total]f<18'desc:import-object6+>>" * 1_000
                loop = asyncio.get_running_loop()
                with suppress(BrokenPipeError, ConnectionResetError):
                    while True:
                        await loop.sock_sendall(sock, ask)
                assert connection.severed_because == "the peer does not read what is sent to it"
                assert connection.session.unsent == 0
                await connection.ended

        run(main)

    def test_there_is_room_again_when_the_peer_reads_on(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with (
                served(tmp_path, outbound_bytes=MB) as (server, counter, uri),
                self.black_hole(tmp_path, uri) as sock,
            ):
                far = await self.met(counter)
                [connection] = server.connections
                sent = 0
                while connection.session.stats().refused == 0:
                    hob.send_only(far)(b"%08d" % sent)
                    sent += 1
                    if sent % 1000 == 0:
                        await asyncio.sleep(0)
                waiting = [hob.drained(far), hob.drained(far)]
                reading = asyncio.create_task(self.read(sock, b"the end."))
                await asyncio.gather(*waiting)
                assert connection.session.unsent <= MB // 16
                hob.send_only(far)(b"the end.")
                heard = await reading
                numbers = [int(found) for found in re.findall(rb"8:([0-9]{8})", heard)]
                assert numbers == list(range(sent - 1))  # the last one was refused

        run(main)

    async def read(self, sock: socket.socket, until: bytes) -> bytes:
        heard = bytearray()
        while until not in heard[-100:]:
            heard += await asyncio.get_running_loop().sock_recv(sock, 65536)
        return bytes(heard)


class TestDrained:
    def test_to_an_object_nearby_there_is_always_room(self) -> None:
        async def main() -> None:
            vat = hob.spawn_vat()
            counter = vat.spawn(Counter)
            await hob.drained(counter)
            await hob.drained(counter.add)
            await hob.drained(counter.never())
            await hob.drained(counter.other())
            promise, resolver = await vat.run(hob.new_promise)
            await hob.drained(promise)
            resolver.break_("no")
            with pytest.raises(hob.BrokenPromise):
                await promise
            with pytest.raises(hob.BrokenPromise):
                await hob.drained(promise)
            with pytest.raises(TypeError, match="reference"):
                hob.drained(7)

        run(main)

    @pytest.mark.parametrize("through", ["the reference", "a promise", "an answer"])
    def test_who_awaits_it_can_send_any_amount(self, tmp_path: Path, through: str) -> None:
        async def main() -> None:
            async with (
                served(tmp_path) as (_, counter, uri),
                Peer(netlayers.Unix(), limits=Limits(outbound_bytes=200_000)) as client,
            ):
                promise = client.enliven(uri, Counter)
                far: Any = await promise
                if through == "a promise":
                    far = promise
                elif through == "an answer":
                    await far.meet(counter)
                    far = far.other()
                for _ in range(20_000):
                    hob.send_only(far.add)()
                    await hob.drained(far.add)
                assert await far.total() == 20_000
                assert client.connections[0].session.stats().refused == 0

        run(main)

    def test_it_works_from_an_actor_in_another_thread(self, tmp_path: Path) -> None:
        class Source(Actor):
            @method
            async def pour(self, sink: Any, times: int) -> None:
                for _ in range(times):
                    hob.send_only(sink.add)()
                    await hob.drained(sink)

        async def main() -> None:
            async with (
                served(tmp_path) as (_, _, uri),
                Peer(netlayers.Unix(), limits=Limits(outbound_bytes=20_000)) as client,
                hob.VatThread() as other,
            ):
                far = await client.enliven(uri, Counter)
                await other.spawn(Source).pour(far, 2_000)
                assert await far.total() == 2_000
                assert client.connections[0].session.stats().refused == 0

        run(main)

    def test_when_the_session_has_ended_it_breaks(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with served(tmp_path) as (server, _, uri), Peer(netlayers.Unix()) as client:
                far = await client.enliven(uri, Counter)
                answer: Any = far.never()
                await hob.drained(answer)
                await server.close()
                with pytest.raises(hob.SessionSevered):
                    await answer
                for target in (far, answer):
                    with pytest.raises(hob.SessionSevered):
                        await hob.drained(target)

        run(main)


class TestQuotas:
    def test_t36_a_peer_that_keeps_too_much_is_cut_off_and_the_others_are_not(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            async with (
                served(tmp_path, exports=200) as (server, _, uri),
                Peer(netlayers.Unix()) as greedy,
                Peer(netlayers.Unix()) as honest,
            ):
                much, little = await greedy.enliven(uri, Counter), await honest.enliven(uri, Counter)
                kept = [await much.make() for _ in range(150)]
                more = [much.make() for _ in range(150)]
                with pytest.raises(hob.SessionSevered, match="the other side holds 200 references"):
                    await asyncio.gather(*kept, *more)
                for _ in range(300):
                    await little.make()
                assert len(server.connections) == 1

        with caplog.at_level(logging.WARNING):
            run(main)
        assert "aborted: the other side holds 200 references" in caplog.text

    def test_t34_calls_on_an_answer_that_never_comes_are_bounded(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with (
                served(tmp_path, promise_messages=1_000) as (server, _, uri),
                Peer(netlayers.Unix()) as client,
            ):
                far = await client.enliven(uri, Counter)
                never: Any = far.never()
                waiting = [never.more() for _ in range(1_000)]
                await far.total()
                stats = server.connections[0].session.stats()
                assert stats.queued_messages == 1_000
                assert stats.listeners == 1_001
                waiting.append(never.more())
                for promise in waiting:
                    with pytest.raises(hob.SessionSevered, match="too many messages wait for one promise"):
                        await promise

        run(main)


def test_a_flood_of_messages_to_what_was_revoked_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with Peer(netlayers.Unix(tmp_path / "s")) as server, Peer(netlayers.Unix()) as client:
            uri = server.publish(server.spawn(Counter), revocable=True)
            other = server.publish(server.spawn(Counter))
            revoked = await client.enliven(uri)
            server.revoke(uri)
            outcomes = await asyncio.gather(*(revoked.add() for _ in range(400)), return_exceptions=True)
            assert {str(outcome) for outcome in outcomes} == {"revoked"}
            assert await client.enliven(other).total() == 0

    run(main)


def test_of_a_flood_that_nobody_reads_the_first_loss_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        limits = hob.Limits(outbound_bytes=100_000)
        async with (
            Peer(netlayers.Unix(tmp_path / "s")) as server,
            Peer(netlayers.Unix(), limits=limits) as client,
        ):
            echo = await client.enliven(server.publish(server.spawn(lambda *args: None)))
            for _ in range(1000):
                hob.send_only(echo)(b"x" * 10_000)
            await hob.drained(echo)
            for _ in range(1000):
                hob.send_only(echo)(b"x" * 10_000)

    run(main)
    assert len([record for record in caplog.records if record.exc_info]) == 2
