"""What every channel does, whatever carries it."""

from __future__ import annotations

import asyncio
import random

import pytest

from hobgoblin.errors import NetlayerError

MEGABYTE = 1 << 20


def test_bytes_arrive_in_order_both_ways(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder()
        dice = random.Random(kind)
        messages = [dice.randbytes(dice.choice([0, 1, 7, 1000, 70_000])) for _ in range(120)]
        async with open_pair(kind, here, there):
            for i in range(0, len(messages), 3):
                here.write(*messages[i : i + 3])
                there.write(*reversed(messages[i : i + 3]))
                await asyncio.sleep(0)
            expected = b"".join(messages)
            await there.received_octets(len(expected))
            assert there.received == expected
            await here.received_octets(len(expected))
            assert here.received == b"".join(
                m for i in range(0, len(messages), 3) for m in reversed(messages[i : i + 3])
            )

    run(main())


def test_a_channel_has_a_description_of_one_line(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder()
        async with open_pair(kind, here, there):
            for handler in (here, there):
                assert handler.channel.description
                assert handler.channel.description.isprintable()
                assert handler.channel.description in repr(handler.channel)

    run(main())


async def send(handler, data, *, piece=256 * 1024):
    """Write as fast as the channel lets us."""
    for start in range(0, len(data), piece):
        await handler.until(lambda handler: not handler.paused)
        handler.write(data[start : start + piece])


def test_a_fast_writer_is_paused_and_resumed(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder()
        data = random.Random(1).randbytes(8 * MEGABYTE)
        async with open_pair(kind, here, there):
            async with asyncio.TaskGroup() as both:
                both.create_task(send(here, data))
                both.create_task(send(there, data[::-1]))
            await there.received_octets(len(data))
            await here.received_octets(len(data))
            assert there.received == data
            assert here.received == data[::-1]
            await here.until(lambda here: not here.paused)
            await there.until(lambda there: not there.paused)
        if not kind.startswith("memory"):
            assert here.pauses
            assert there.pauses

    run(main())


def test_a_reader_that_pauses_gets_everything_later_and_in_order(kind, run, recorder, open_pair):
    def rest(there):
        there.channel.pause_reading()
        there.channel.pause_reading()
        asyncio.get_running_loop().call_soon(there.channel.resume_reading)
        asyncio.get_running_loop().call_soon(there.channel.resume_reading)

    async def main():
        here, there = recorder(), recorder(data=rest)
        data = random.Random(3).randbytes(2 * MEGABYTE)
        async with open_pair(kind, here, there):
            sending = asyncio.create_task(send(here, data))
            await there.received_octets(len(data))
            await sending
            here.close()
            await there.eof()
            assert there.received == data
            there.channel.pause_reading()
            there.channel.resume_reading()
            there.write(b"after the FIN")
            there.close()
            await here.lost()
            await there.lost()
        assert there.calls == ["opened", "data", "eof", "lost"]
        assert there.error is None

    run(main())


def test_a_reader_that_pauses_makes_the_writer_pause(kind, run, recorder, open_pair):
    async def main():
        here = recorder()
        there = recorder(opened=lambda there: there.channel.pause_reading())
        async with open_pair(kind, here, there):
            written = 0
            while not here.paused:
                here.write(bytes(65536))
                written += 65536
                await asyncio.sleep(0)
            there.channel.resume_reading()
            await there.received_octets(written)
            await here.until(lambda here: not here.paused)

    run(main())


def test_a_channel_closes_while_its_reader_pauses(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(eof=recorder.close), recorder()
        async with open_pair(kind, here, there):
            there.channel.pause_reading()
            here.write(b"unread")
            there.close()
            await here.lost()
            await there.lost()
        assert here.error is there.error is None

    run(main())


def test_close_sends_what_was_written_first(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder(eof=recorder.close)
        data = random.Random(2).randbytes(8 * MEGABYTE)
        async with open_pair(kind, here, there):
            here.write(data)
            here.close()
            await there.lost()
            await here.lost()
        assert there.received == data
        assert there.calls == ["opened", "data", "eof", "lost"]
        assert here.calls == ["opened", "lost"]
        assert here.error is there.error is None

    run(main())


def test_the_peers_fin_leaves_our_direction_open(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder()
        async with open_pair(kind, here, there):
            here.close()
            await there.eof()
            assert there.is_open
            there.write(b"still here")
            await asyncio.sleep(0)
            assert there.is_open
            there.close()
            await there.lost()
            await here.lost()
        assert here.calls == ["opened", "lost"]
        assert there.calls == ["opened", "eof", "lost"]
        assert here.error is there.error is None

    run(main())


def test_close_with_unread_input_destroys_nothing(kind, run, recorder, open_pair):
    """To close a TCP socket with input pending sends RST, and the peer loses what it has not read yet."""

    async def main():
        def say_bye(there):
            there.write(b"bye")
            there.close()

        here, there = recorder(eof=recorder.close), recorder(data=say_bye)
        async with open_pair(kind, here, there):
            here.write(bytes(MEGABYTE))
            here.write(bytes(MEGABYTE))
            await here.lost()
            await there.lost()
        assert here.received == b"bye"
        assert here.calls == ["opened", "data", "eof", "lost"]
        assert here.error is there.error is None

    run(main())


@pytest.mark.parametrize("act", ["close", "abort"])
@pytest.mark.parametrize("moment", ["opened", "data", "eof"])
@pytest.mark.parametrize("side", ["dialled", "accepted"])
def test_a_handler_may_end_the_channel_in_any_call(kind, act, moment, side, run, recorder, open_pair):
    async def main():
        def end(handler):
            getattr(handler, act)()
            handler.write(b"too late")

        ender = recorder(**{moment: end})
        other = recorder(eof=recorder.close)
        here, there = (ender, other) if side == "dialled" else (other, ender)
        async with open_pair(kind, here, there):
            if moment != "opened":
                other.write(b"x", b"y")
            if moment == "eof":
                other.close()
            await ender.lost()
            await other.lost()
        assert ender.error is None
        assert ender.calls[-1] == "lost"
        assert other.received == b""

    run(main())


@pytest.mark.parametrize("moment", ["opened", "data", "eof"])
def test_a_handler_that_fails_is_reported_and_its_channel_cut(kind, moment, run, recorder, open_pair):
    async def main():
        def fail(handler):
            handler.done = True  # nothing may follow
            raise ZeroDivisionError("in the handler")

        here, there = recorder(), recorder(**{moment: fail})
        async with open_pair(kind, here, there):
            if moment == "data":
                here.write(b"x")
            if moment == "eof":
                here.close()
            await there.lost()
            assert isinstance(there.error, ZeroDivisionError)

    run(main())
    (report,) = run.reports
    assert "handler of the channel" in report["message"]
    assert isinstance(report["exception"], ZeroDivisionError)
    run.reports.clear()


def test_abort_ends_both_sides(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder(eof=recorder.close)
        async with open_pair(kind, here, there):
            here.write(b"hello")
            await there.received_octets(5)
            here.abort()
            assert "lost" not in here.calls
            await here.lost()
            await there.lost()
        assert here.error is None
        assert there.error is None or isinstance(there.error, NetlayerError)

    run(main())


def test_nothing_follows_the_end(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder(eof=recorder.close)
        async with open_pair(kind, here, there):
            for _ in range(2):
                here.close()
            here.write(b"not sent")
            await here.lost()
            await there.lost()
            for _ in range(2):
                here.close()
                here.abort()
                here.write(b"not sent")
            await asyncio.sleep(0)
        assert here.calls == ["opened", "lost"]
        assert there.received == b""

    run(main())


def test_abort_cuts_a_close_short(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder()
        async with open_pair(kind, here, there):
            here.write(bytes(8 * MEGABYTE))
            here.close()
            here.abort()
            here.abort()
            await here.lost()
            assert here.error is None

    run(main())


def test_writing_to_a_peer_that_has_gone_breaks_the_channel(kind, run, recorder, open_pair):
    async def main():
        here, there = recorder(), recorder()
        async with open_pair(kind, here, there):
            there.abort()
            await there.lost()
            while here.is_open:
                here.write(b"x" * 1000)
                await asyncio.sleep(0)
            await here.lost()
            assert isinstance(here.error, NetlayerError)
            assert here.channel.description in str(here.error)
            assert isinstance(here.error.__cause__, OSError)

    run(main())


def test_a_peer_that_does_not_close_is_cut_off_after_the_linger_time(kinds, run, recorder, open_pair):
    """All kinds at a time, as this one waits in earnest."""

    async def one(kind):
        here, there = recorder(), recorder()
        async with open_pair(kind, here, there):
            here.close()
            await there.eof()
            await here.lost()
            assert there.is_open or isinstance(there.error, NetlayerError)
            assert here.error is None

    async def main():
        async with asyncio.TaskGroup() as group:
            for kind in kinds:
                group.create_task(one(kind))

    run(main())
