"""The low-level doors: connect() over streams, sockets and pipes, attach() over messages."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin.blocking import result
from hobgoblin.syrup import Framing

DEADLINE = 30


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(guarded())


async def end(*remotes: Any) -> None:
    """Disconnect, and wait until both ends of each channel have closed."""
    await asyncio.gather(*[hob.disconnect(remote) for remote in remotes])


def end_blocking(*remotes: Any) -> None:
    for promise in [hob.disconnect(remote) for remote in remotes]:
        result(promise, timeout=DEADLINE)


def car_factory(company: str) -> Any:
    def make_car(model: str, color: str) -> Any:
        def car() -> str:
            return f"{color} {company} {model}"

        return car

    return make_car


class Echo(hob.Actor):
    @hob.method
    def echo(self, value: Any) -> Any:
        return value


class TestStreams:
    @pytest.mark.parametrize("framing", [Framing.RAW, Framing.PREFIXED])
    def test_the_program_of_the_seed(self, framing: Framing, tmp_path: Path) -> None:
        async def main() -> None:
            vat = hob.spawn_vat()
            fork_motors = vat.spawn(car_factory("Fork"))
            served: list[Any] = []

            def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                served.append(hob.connect(reader, writer, bootstrap=fork_motors, vat=vat, framing=framing))

            listener = await asyncio.start_unix_server(serve, tmp_path / "s")
            async with listener:
                factories = []
                for _ in range(3):
                    streams = await asyncio.open_unix_connection(tmp_path / "s")
                    factories.append(hob.connect(*streams, framing=framing))
                noises = [factory("Explorist", "blue")() for factory in factories]
                assert await asyncio.gather(*noises) == ["blue Fork Explorist"] * 3
                await end(*factories, *served)

        run(main)

    def test_both_sides_can_offer_something(self) -> None:
        async def main() -> None:
            left, right = socket.socketpair()
            greeter = hob.connect(*await asyncio.open_connection(sock=left), lambda: "right heard this")
            other = hob.connect(*await asyncio.open_connection(sock=right), Echo)
            assert await greeter.echo(1) == 1
            assert await other() == "right heard this"
            await end(greeter, other)

        run(main)

    def test_without_a_bootstrap_object_there_is_ocapns(self) -> None:
        async def main() -> None:
            left, right = socket.socketpair()
            local = hob.connect(*await asyncio.open_connection(sock=left))
            remote = hob.connect(*await asyncio.open_connection(sock=right))
            with pytest.raises(hob.RemoteError, match="nothing is published"):
                await remote.fetch(b"whatever")
            with pytest.raises(hob.RemoteError, match="a swiss number is a byte string"):
                await remote.fetch("text")
            with pytest.raises(hob.RemoteError, match="NoSuchMethod"):
                await remote.nonsense()
            await end(local, remote)

        run(main)

    def test_what_waits_breaks_when_the_other_side_goes(self) -> None:
        async def main() -> None:
            left, right = socket.socketpair()
            severed: list[bool] = []
            remote = hob.connect(
                *await asyncio.open_connection(sock=left), on_severed=lambda: severed.append(True)
            )
            waiting = remote.anything()
            right.close()
            with pytest.raises(hob.SessionSevered):
                await remote
            with pytest.raises(hob.SessionSevered):
                await waiting
            assert severed == [True]
            await end(remote)

        run(main)

    def test_a_wrong_bootstrap_is_refused_before_anything_is_opened(self) -> None:
        async def main() -> None:
            left, right = socket.socketpair()
            with left, right, pytest.raises(TypeError, match="Actor class"):
                hob.connect(left, bootstrap=42)

        run(main)


class TestSockets:
    def test_in_a_loop(self) -> None:
        async def main() -> None:
            left, right = socket.socketpair()
            local, remote = hob.connect(left, bootstrap=Echo), hob.connect(right)
            assert await remote.echo(b"octets") == b"octets"
            await end(local, remote)

        run(main)

    def test_in_programs_without_a_loop(self) -> None:
        left, right = socket.socketpair()
        local = hob.connect(left, bootstrap=car_factory("Fork"))
        factory = hob.connect(right)
        assert result(factory("Explorist", "red")(), timeout=DEADLINE) == "red Fork Explorist"
        end_blocking(local, factory)

    def test_handlers_run_in_the_background(self) -> None:
        left, right = socket.socketpair()
        local = hob.connect(left, bootstrap=car_factory("Fork"))
        factory = hob.connect(right)
        heard: list[str] = []
        done = threading.Event()

        def hear(noise: str) -> None:
            heard.append(noise)
            done.set()

        hob.on(factory("Explorist", "red")(), hear)
        assert done.wait(DEADLINE)
        assert heard == ["red Fork Explorist"]
        end_blocking(local, factory)

    def test_an_unconnected_socket_breaks_the_promise(self) -> None:
        with socket.socket() as unconnected:
            remote = hob.connect(unconnected)
            with pytest.raises(hob.NetlayerError, match="connect it first"):
                result(remote, timeout=DEADLINE)


CHILD = """
import sys, threading
import hobgoblin as hob

severed = threading.Event()
hob.connect(sys.stdin.buffer, sys.stdout.buffer, lambda name: f"hello, {name}", on_severed=severed.set)
severed.wait()
"""


class TestPipes:
    def test_a_child_process_on_its_standard_streams(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            severed = threading.Event()
            greeter = hob.connect(child.stdout, child.stdin, on_severed=severed.set)
            assert result(greeter("parent"), timeout=DEADLINE) == "hello, parent"
            child.kill()
            assert severed.wait(DEADLINE)
            with pytest.raises(hob.SessionSevered):
                result(greeter("parent"), timeout=DEADLINE)
            end_blocking(greeter)


class TestMistakes:
    def test_only_what_came_through_a_session_can_be_disconnected(self) -> None:
        async def main() -> None:
            for other in (hob.spawn_vat().spawn(Echo), hob.spawn_vat().run(int), 42):
                with pytest.raises(TypeError, match="did not come through a session"):
                    hob.disconnect(other)

        run(main)

    def test_readers_and_writers_that_do_not_fit(self) -> None:
        async def main() -> None:
            left, right = socket.socketpair()
            with right:
                reader, writer = await asyncio.open_connection(sock=left)
                with pytest.raises(TypeError, match="together with its StreamWriter"):
                    hob.connect(reader)
                with pytest.raises(TypeError, match="together with its StreamWriter"):
                    hob.connect(right, writer)
                with pytest.raises(TypeError, match="no writer beside it"):
                    hob.connect(right, right.makefile("wb"))
                with pytest.raises(TypeError, match="needs a writer"):
                    hob.connect(right.makefile("rb"))
                writer.close()
                await writer.wait_closed()

        run(main)


class TestAttach:
    def test_over_queues(self) -> None:
        async def main() -> None:
            vat, other = hob.spawn_vat("one"), hob.spawn_vat("other")
            # Each side's messages wait here until the test carries them over.
            to_other: list[bytes] = []
            to_vat: list[bytes] = []
            receive, far_echo = hob.attach(vat, to_other.append)
            receive_other, _ = hob.attach(other, to_vat.append, bootstrap=Echo)
            answer = far_echo.echo("over queues")
            while repr(answer) != "<Promise fulfilled>":
                while to_other:
                    receive_other(to_other.pop(0))
                while to_vat:
                    receive(to_vat.pop(0))
                await asyncio.sleep(0)
            assert await answer == "over queues"

        run(main)

    def test_across_threads(self) -> None:
        with hob.VatThread("one") as one, hob.VatThread("other") as other:
            far: list[hob.Receiver] = []
            ready = threading.Event()

            def carry(message: bytes) -> None:
                assert ready.wait(DEADLINE)
                far[0](message)

            receive, far_echo = hob.attach(one, carry)
            receive_other, _ = hob.attach(other, receive, bootstrap=Echo)
            far.append(receive_other)
            ready.set()
            assert result(far_echo.echo({"a": 1}), timeout=DEADLINE) == {"a": 1}

    def test_a_lost_channel_breaks_everything(self) -> None:
        async def main() -> None:
            receive, remote = hob.attach(hob.spawn_vat(), lambda message: None)
            waiting = remote.anything()
            receive.disconnected()
            receive.disconnected()
            receive(b"too late")
            for promise in (remote, waiting):
                with pytest.raises(hob.SessionSevered):
                    await promise

        run(main)

    def test_messages_that_are_none_end_the_session(self) -> None:
        async def main() -> None:
            sent: list[bytes] = []
            receive, remote = hob.attach(hob.spawn_vat(), sent.append)
            await asyncio.sleep(0)
            receive(b"no syrup")
            with pytest.raises(hob.SessionSevered, match="malformed"):
                await remote
            assert b"op:abort" in sent[-1]

        run(main)

    def test_a_carrier_that_fails_ends_the_session(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            def carry(message: bytes) -> None:
                raise ConnectionError("websocket is closed")

            _, remote = hob.attach(hob.spawn_vat(), carry)
            with pytest.raises(hob.SessionSevered):
                await remote.anything()
            assert "could not be handed over" in caplog.text

        run(main)

    def test_two_ends_can_be_wired_to_each_other(self) -> None:
        async def main() -> None:
            ends: dict[str, hob.Receiver] = {}
            vat = hob.spawn_vat()
            ends["a"], _ = hob.attach(vat, lambda message: ends["b"](message), Echo)
            ends["b"], echo = hob.attach(vat, lambda message: ends["a"](message))
            assert await echo.echo(5) == 5

        run(main)


class TestEnds:
    def test_a_stopped_vat_ends_its_sessions(self) -> None:
        async def main() -> None:
            left, right = socket.socketpair()
            vat = hob.spawn_vat()
            local, remote = hob.connect(left, bootstrap=Echo, vat=vat), hob.connect(right)
            echo = await remote
            vat.stop()
            with pytest.raises(hob.SessionSevered, match="vat has been stopped"):
                await echo.echo(1)
            await end(local, remote)

        run(main)

    def test_what_waits_breaks_when_the_loop_ends(self) -> None:
        waiting: list[Any] = []

        async def main() -> None:
            _, remote = hob.attach(hob.spawn_vat(), lambda message: None)
            waiting.append(remote.anything())

        run(main)
        with pytest.raises((hob.SessionSevered, hob.VatStopped)):
            result(waiting[0], timeout=DEADLINE)


class TestBlocking:
    def test_waiting_in_a_loop_is_refused(self) -> None:
        async def main() -> None:
            promise = hob.spawn_vat().run(int)
            with pytest.raises(RuntimeError, match="await"):
                result(promise)
            assert await promise == 0

        run(main)

    def test_outcomes(self) -> None:
        with hob.VatThread() as vat:
            echo = vat.spawn(Echo)
            assert result(echo) is echo
            assert result(echo.echo(3)) == 3
            with pytest.raises(hob.NoSuchMethod):
                result(echo.nothing())
            with pytest.raises(TypeError, match="takes a promise, not int"):
                result(3)  # type: ignore[arg-type]

    def test_timeout_ends_the_waiting_only(self) -> None:
        with hob.VatThread() as vat:
            gate = threading.Event()

            def make() -> Any:
                promise, resolver = hob.new_promise()
                threading.Thread(target=lambda: (gate.wait(DEADLINE), resolver.fulfill(7))).start()
                return promise

            promise = vat.run(make)
            with pytest.raises(TimeoutError, match="has not settled"):
                result(promise, timeout=0)
            gate.set()
            assert result(promise, timeout=DEADLINE) == 7
