"""Streams of bytes: order, ends, failures, and never more under way than was asked for."""

import asyncio
import gc
import io
import os
import socket
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

import hobgoblin as hob
from hobgoblin import Peer, Vat, netlayers
from hobgoblin.actors import (
    CHUNK,
    CHUNK_MOST,
    WINDOW_MOST,
    ByteReader,
    ByteWriter,
    copy,
    from_file,
    from_streams,
    new_pipe,
    to_file,
)

Run = Callable[[Any], None]
Settle = Callable[..., Awaitable[None]]


class Endless:
    """A source of ``chunks`` chunks; counts those that it has given and not got rid of."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks
        self.given = 0
        self.closed = 0

    async def read(self, most: int, /) -> bytes:
        await asyncio.sleep(0)
        if not self.left:
            return b""
        self.left -= 1
        self.given += 1
        return bytes([self.left % 251]) * most

    def close(self) -> None:
        self.closed += 1


class Drain:
    """A sink that takes a while, and counts what is under way from a source to it."""

    def __init__(self, source: Endless | None = None) -> None:
        self.source = source
        self.taken = 0
        self.most_under_way = 0
        self.digest = sha256()
        self.octets = 0
        self.said: list[str] = []

    async def write(self, chunk: bytes, /) -> None:
        if self.source is not None:
            self.most_under_way = max(self.most_under_way, self.source.given - self.taken)
        await asyncio.sleep(0)
        self.taken += 1
        self.octets += len(chunk)
        self.digest.update(chunk)

    async def end(self) -> None:
        self.said.append("end")

    def abort(self, reason: str, /) -> None:
        self.said.append(reason)


class Broken:
    """A source and a sink that fail at the third call."""

    def __init__(self) -> None:
        self.calls = 0
        self.said: list[str] = []

    async def read(self, most: int, /) -> bytes:
        await self.write(b"")
        return b"x" * most

    async def write(self, chunk: bytes, /) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls == 3:
            raise OSError("the disk is full of secrets")

    async def end(self) -> None:
        self.said.append("end")

    def close(self) -> None:
        self.said.append("close")

    def abort(self, reason: str, /) -> None:
        self.said.append(reason)


def test_fifty_megabytes_over_a_unix_socket_with_a_bounded_number_of_chunks_under_way(
    run: Run, tmp_path: Path
) -> None:
    async def main(vat: Vat) -> None:
        window, chunks = 8, 50 * 1024 * 1024 // CHUNK
        async with (
            Peer(netlayers.Unix(str(tmp_path / "one"))) as one,
            Peer(netlayers.Unix(str(tmp_path / "two"))) as two,
        ):
            source = Endless(chunks)
            sink = Drain(source)
            reader = two.enliven(one.publish(one.spawn(ByteReader, source)), ByteReader)
            writer = two.spawn(ByteWriter, sink)
            assert await copy(reader, writer, window=window) == 50 * 1024 * 1024
            assert sink.octets == 50 * 1024 * 1024
            assert sink.said == ["end"]
            assert 1 < sink.most_under_way <= 2 * window
            expected = sha256()
            for left in reversed(range(chunks)):
                expected.update(bytes([left % 251]) * CHUNK)
            assert sink.digest.digest() == expected.digest()
            del reader, writer
            await hob.testing.assert_no_leaks(one, two)
            assert source.closed == 1

    run(main)


def test_a_pipe_holds_as_much_as_its_window_and_writes_wait_for_reads(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(lambda: new_pipe(window=2))
        done: list[int] = []

        def write(number: int) -> None:
            hob.on(writer.write(bytes([number])), lambda _: done.append(number))

        for number in range(5):
            await vat.run(write, number)
        await settle(vat)
        assert done == [0, 1]
        assert [await reader.read() for _ in range(2)] == [b"\0", b"\1"]
        await settle(vat)
        assert done == [0, 1, 2, 3]
        assert [await reader.read() for _ in range(3)] == [b"\2", b"\3", b"\4"]

    run(main)


def test_reads_under_way_are_answered_in_their_order_and_the_end_comes_to_each(run: Run) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(new_pipe)
        reads = [reader.read(3) for _ in range(5)]
        await writer.write(b"hello")
        await writer.write(b"")
        await writer.write(b"you")
        await writer.end()
        assert [await read for read in reads] == [b"hel", b"lo", b"you", b"", b""]
        assert await reader.read() == b""
        for late in (writer.write(b"more"), writer.end()):
            with pytest.raises(hob.Refused, match="has ended"):
                await late

    run(main)


def test_a_writer_that_gives_up_is_no_end(run: Run) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(new_pipe)
        await writer.write(b"half of ")
        await writer.fail("no paper left")
        await writer.fail("again")
        for _ in range(2):
            with pytest.raises(hob.Refused, match=r"no paper left|reading has failed"):
                await reader.read()
        with pytest.raises(hob.Refused, match="no paper left"):
            await writer.write(b"it")

    run(main)


def test_a_reader_that_is_closed_ends_reads_that_wait_and_the_writer_learns_of_it(run: Run) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(lambda: new_pipe(window=1))
        reads = [reader.read(), reader.read()]
        await reader.close()
        await reader.close()
        for read in (*reads, reader.read()):
            with pytest.raises(hob.Refused, match="has been closed"):
                await read
        with pytest.raises(hob.Refused, match="nobody reads"):
            await writer.write(b"x")

    run(main)


@pytest.mark.parametrize("which", ["reader", "writer"])
def test_an_end_that_nobody_holds_any_more_is_no_end_of_the_stream(
    run: Run, settle: Settle, which: str
) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(lambda: new_pipe(window=1))
        await writer.write(b"x")
        if which == "writer":
            del writer
            gc.collect()
            await settle(vat)
            with pytest.raises(hob.Refused, match="the writer has gone"):
                await reader.read()
        else:
            waiting = writer.write(b"y")
            del reader
            gc.collect()
            with pytest.raises(hob.Refused, match="nobody reads"):
                await waiting

    run(main)


def test_a_session_that_is_severed_lets_go_of_the_source(run: Run, settle: Settle, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near, far):
            sources, sinks = [Endless(10)], [Drain()]

            def give() -> list[Any]:
                return [hob.spawn(ByteReader, sources[0]), hob.spawn(ByteWriter, sinks[0])]

            giver = far.enliven(near.publish(near.spawn(give)), hob.Function)
            reader, writer = await giver()
            await reader.read(4)
            await writer.write(b"half")
            await far.close()
            await settle(near.vat)
            gc.collect()
            await settle(near.vat)
            assert sources[0].closed == 1
            assert sinks[0].said == ["the writer has gone"]

    run(main)


def test_after_a_failure_nothing_more_is_written_or_read(run: Run) -> None:
    async def main(vat: Vat) -> None:
        sink, source = Broken(), Broken()
        writer, reader = vat.spawn(ByteWriter, sink), vat.spawn(ByteReader, source)
        for calls, reason in (
            ([writer.write(b"x") for _ in range(6)], "writing has failed"),
            ([reader.read(1) for _ in range(6)], "reading has failed"),
        ):
            outcomes = [await outcome_of(call) for call in calls]
            assert [type(outcome).__name__ for outcome in outcomes[2:]] == ["OSError", *["Refused"] * 3]
            assert str(outcomes[3]) == reason
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (sink.calls, sink.said, source.calls, source.said) == (3, ["writing has failed"], 3, ["close"])

    run(main)


async def outcome_of(promise: Any) -> object:
    try:
        return await promise
    except Exception as error:
        return error


@pytest.mark.parametrize("broken", ["source", "sink"])
def test_a_copy_tells_each_side_of_the_failure_of_the_other(run: Run, broken: str) -> None:
    async def main(vat: Vat) -> None:
        source: Any = Broken() if broken == "source" else Endless(100)
        sink: Any = Broken() if broken == "sink" else Drain()
        reader, writer = vat.spawn(ByteReader, source), vat.spawn(ByteWriter, sink)
        with pytest.raises(OSError, match="full of secrets"):
            await copy(reader, writer)
        with pytest.raises(hob.Refused):
            await writer.write(b"x")
        with pytest.raises(hob.Refused):
            await reader.read()
        assert "end" not in sink.said

    run(main)


def test_a_copy_that_is_cancelled_ends_both(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(new_pipe)
        sink = Drain()
        target = vat.spawn(ByteWriter, sink)
        copying = asyncio.create_task(copy(reader, target))
        await writer.write(b"x")
        await settle(vat)
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        await settle(vat)
        assert sink.said == ["what was to be copied could not be read"]
        with pytest.raises(hob.Refused, match="nobody reads"):
            await writer.write(b"y")
        for window in (0, WINDOW_MOST + 1):
            with pytest.raises(ValueError, match="window"):
                await copy(reader, target, window=window)

    run(main)


def test_what_a_caller_may_leave_unanswered_is_bounded(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(lambda: new_pipe(window=1))
        reads = [reader.read() for _ in range(WINDOW_MOST)]
        with pytest.raises(hob.Refused, match="unanswered"):
            await reader.read()
        await reader.close()
        for read in reads:
            with pytest.raises(hob.Refused):
                await read
        writer, reader = await vat.run(lambda: new_pipe(window=1))
        writes = [writer.write(b"x") for _ in range(WINDOW_MOST + 1)]  # the first one is taken at once
        await settle(vat)
        with pytest.raises(hob.Refused, match="unanswered"):
            await writer.write(b"y")
        assert await reader.read() == b"x"
        await writer.fail()
        del writes

    run(main)


@pytest.mark.parametrize("bad", [0, -1, 1.5, "1", True, None])
def test_what_is_no_number_of_octets_or_no_chunk_is_refused(run: Run, bad: Any) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(new_pipe)
        with pytest.raises(hob.BadArguments):
            await reader.read(bad)
        with pytest.raises(hob.BadArguments):
            await writer.write(bad)
        with pytest.raises(hob.BadArguments):
            await writer.write(bytes(CHUNK_MOST + 1))
        with pytest.raises(hob.BadArguments):
            await writer.fail(None)
        await writer.write(bytes(CHUNK_MOST))
        assert len(await reader.read(10**9)) == CHUNK_MOST
        with pytest.raises(ValueError, match="one chunk"):
            new_pipe(window=0)

    run(main)


def test_a_file_is_copied_to_a_file(run: Run, tmp_path: Path) -> None:
    async def main(vat: Vat) -> None:
        content = os.urandom(300_001)
        (tmp_path / "from").write_bytes(content)
        source, target = (tmp_path / "from").open("rb"), (tmp_path / "to").open("wb", buffering=0)

        async def work() -> int:
            return await copy(from_file(source), to_file(cast("BinaryIO", target)), chunk=1000)

        assert await vat.run(work) == len(content)
        assert (tmp_path / "to").read_bytes() == content
        await vat.run(lambda: None)
        assert source.closed
        assert target.closed

    run(main)


def test_a_file_that_fails_keeps_what_was_written_and_is_closed(run: Run, tmp_path: Path) -> None:
    async def main(vat: Vat) -> None:
        target = (tmp_path / "to").open("wb")
        writer = await vat.run(to_file, target)
        await writer.write(b"half")
        await writer.fail()
        assert target.closed
        assert (tmp_path / "to").read_bytes() == b"half"

    run(main)


def test_sockets_have_two_directions_and_are_closed_when_both_are_over(run: Run) -> None:
    async def main(vat: Vat) -> None:
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_connection(sock=ours)
        reader, writer = await vat.run(lambda: from_streams(*streams))
        far_reader, far_writer = await asyncio.open_connection(sock=theirs)
        await writer.write(b"question")
        await writer.end()
        assert await far_reader.read() == b"question"
        far_writer.write(b"answer")
        far_writer.close()
        assert await reader.read() == b"answer"
        assert not streams[1].is_closing()
        assert await reader.read() == b""
        await vat.run(lambda: None)
        assert streams[1].is_closing()
        await far_writer.wait_closed()

    run(main)


def test_a_socket_whose_writer_fails_is_aborted(run: Run) -> None:
    async def main(vat: Vat) -> None:
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_connection(sock=ours)
        reader, writer = await vat.run(lambda: from_streams(*streams))
        waiting = reader.read()
        await writer.fail()
        far_reader, far_writer = await asyncio.open_connection(sock=theirs)
        assert await far_reader.read() == b""
        assert await waiting == b""
        far_writer.close()
        await far_writer.wait_closed()

    run(main)


def test_a_reader_of_an_idle_socket_can_be_closed(run: Run) -> None:
    async def main(vat: Vat) -> None:
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_connection(sock=ours)
        reader, writer = await vat.run(lambda: from_streams(*streams))
        waiting = reader.read()
        await vat.run(lambda: None)
        await reader.close()
        with pytest.raises(hob.Refused, match="has been closed"):
            await waiting
        await writer.end()
        assert streams[1].is_closing()
        theirs.close()

    run(main)


def test_slow_readers_of_a_socket_stop_its_writer(run: Run, settle: Settle) -> None:
    async def main(vat: Vat) -> None:
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_connection(sock=ours)
        _, writer = await vat.run(lambda: from_streams(*streams))
        source = Endless(1000)
        copying = asyncio.create_task(copy(vat.spawn(ByteReader, source), writer, window=4))
        for _ in range(50):
            await settle(vat)
        stuck = source.given
        for _ in range(50):
            await settle(vat)
        assert source.given == stuck < 100
        far_reader, far_writer = await asyncio.open_connection(sock=theirs)
        assert len(await far_reader.read()) == 1000 * CHUNK
        assert await copying == 1000 * CHUNK
        far_writer.close()
        await far_writer.wait_closed()

    run(main)


def test_in_memory_files_work_too(run: Run) -> None:
    async def main(vat: Vat) -> None:
        reader = await vat.run(from_file, io.BytesIO(b"abc"))
        assert [await reader.read(2), await reader.read(2), await reader.read(2)] == [b"ab", b"c", b""]

    run(main)


def test_a_vat_that_stops_lets_go_of_its_streams(run: Run) -> None:
    async def main(vat: Vat) -> None:
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_connection(sock=ours)
        reader, _ = await vat.run(lambda: from_streams(*streams))
        waiting = [reader.read(), reader.read()]
        await vat.run(lambda: None)
        vat.stop()
        for read in waiting:
            with pytest.raises(hob.VatStopped):
                await read
        del read, reader, _, waiting
        gc.collect()
        await asyncio.sleep(0)
        assert streams[1].is_closing()
        theirs.close()

    run(main)


def test_over_a_faulty_network_a_stream_ends_only_if_all_of_it_has_come() -> None:
    outcomes: list[bool] = []

    async def program(sim: hob.testing.Simulation) -> None:
        one, two = await sim.peer("one"), await sim.peer("two")
        source, sink = Endless(40), Drain()
        uri = one.publish(one.spawn(ByteReader, source))
        complete = False
        try:
            reader = two.enliven(uri, ByteReader)
            complete = await copy(reader, two.spawn(ByteWriter, sink), window=3, chunk=500) == 40 * 500
        except (hob.SessionSevered, hob.NetlayerError):
            pass
        del reader
        await asyncio.sleep(0)
        assert complete == (sink.said == ["end"])
        assert not complete or sink.octets == 40 * 500
        outcomes.append(complete)

    for seed in range(40):
        hob.testing.Simulation(seed, faults=hob.testing.Faults.drawn(seed)).run(program)
    assert set(outcomes) == {True, False}
