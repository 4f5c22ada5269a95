"""What the tests of netlayers share: a guarded event loop, a recording handler, all kinds of channels."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import threading

import pytest

from hobgoblin.netlayers import Memory, MemoryNetwork, TcpTestingOnly, Unix
from hobgoblin.netlayers.wrap import wrap_files, wrap_socket, wrap_streams

GUARD_SECONDS = 60

KINDS = ["memory", "memory-split", "unix", "tcp", "socket", "tcp-socket", "streams", "pipes", "makefile"]


class Run:
    """Runs a test's coroutine to its end and checks that nothing is left of it."""

    def __init__(self, loop_factory=None):
        self.reports = []  # what reached the loop's exception handler
        self._loop_factory = loop_factory

    def __call__(self, main):
        async def guarded():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: self.reports.append(context))
            async with asyncio.timeout(GUARD_SECONDS):
                result = await main
                while others := asyncio.all_tasks() - {asyncio.current_task()}:
                    await asyncio.wait(others)
            return result

        fds, threads = set(os.listdir("/proc/self/fd")), set(threading.enumerate())
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            result = runner.run(guarded())
        gc.collect()
        for thread in set(threading.enumerate()) - threads:
            if thread.name.startswith("asyncio-waitpid"):
                thread.join(GUARD_SECONDS)  # asyncio's own, which ends soon after the child
        assert set(threading.enumerate()) <= threads, "a thread is left"
        assert set(os.listdir("/proc/self/fd")) == fds
        return result


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine in a new loop; fail if it leaves a task, a thread, a descriptor or a report behind."""
    factory = None if request.param == "asyncio" else pytest.importorskip("uvloop").new_event_loop
    if factory is not None:
        with asyncio.Runner(loop_factory=factory) as first:  # opens what the library keeps for good
            first.run(asyncio.sleep(0))
    runner = Run(factory)
    yield runner
    assert runner.reports == []


class Recorder:
    """A handler that keeps what it was told, checks the order of the calls, and can be waited for."""

    def __init__(self, *, opened=None, data=None, eof=None, lost=None):
        self.hooks = {"opened": opened, "data": data, "eof": eof, "lost": lost}
        self.channel = None
        self.calls = []
        self.received = bytearray()
        self.error = None
        self.paused = False
        self.pauses = 0
        self.done = False  # close() or abort() was called through us
        self.faults = []
        self._changed = asyncio.Event()

    # The handler.

    def channel_opened(self, channel):
        self._expect(self.calls == [])
        self.channel = channel
        self._called("opened")

    def data_received(self, data):
        self._expect(self.is_open and not self.done and "eof" not in self.calls)
        self._expect(type(data) is bytes and data)
        self.received += data
        self._called("data")

    def eof_received(self):
        self._expect(self.is_open and not self.done and "eof" not in self.calls)
        self._called("eof")

    def channel_lost(self, error):
        self._expect(self.is_open)
        self.error = error
        self._called("lost")

    def pause_writing(self):
        self._expect(self.is_open and not self.done and not self.paused)
        self.paused = True
        self.pauses += 1

    def resume_writing(self):
        self._expect(self.is_open and not self.done and self.paused)
        self.paused = False
        self._changed.set()

    # For the test.

    @property
    def is_open(self):
        return "opened" in self.calls and "lost" not in self.calls

    def write(self, *chunks):
        self.channel.write(chunks)

    def close(self):
        self.done = True
        self.channel.close()

    def abort(self):
        self.done = True
        self.channel.abort()

    async def until(self, condition):
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()

    async def opened(self):
        await self.until(lambda self: "opened" in self.calls)

    async def received_octets(self, count):
        await self.until(lambda self: len(self.received) >= count)

    async def eof(self):
        await self.until(lambda self: "eof" in self.calls)

    async def lost(self):
        await self.until(lambda self: "lost" in self.calls)
        assert self.faults == []

    def _expect(self, condition):
        if not condition:
            self.faults.append(list(self.calls))

    def _called(self, name):
        if self.calls[-1:] != ["data"] or name != "data":
            self.calls.append(name)
        self._changed.set()
        if self.hooks[name] is not None:
            self.hooks[name](self)


@pytest.fixture
def recorder():
    """The handler class `Recorder`."""
    return Recorder


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def kinds():
    return KINDS


@pytest.fixture
def open_pair(tmp_path):
    """Open a channel of some kind between two handlers; end it and everything below it on leaving."""

    @contextlib.asynccontextmanager
    async def open_pair(kind, here, there):
        async with contextlib.AsyncExitStack() as stack:
            match kind:
                case "memory" | "memory-split" | "unix" | "tcp":
                    network = MemoryNetwork(split=in_small_pieces if kind == "memory-split" else None)
                    make = {
                        "unix": lambda: Unix(tmp_path / "sock"),
                        "tcp": TcpTestingOnly,
                    }.get(kind, lambda: Memory(network, "bob"))
                    netlayer = make()
                    stack.push_async_callback(netlayer.close)
                    await netlayer.listen(lambda: there)
                    await netlayer.dial(netlayer.location, here)
                case "pipes":
                    (r1, w1), (r2, w2) = os.pipe(), os.pipe()
                    wrap_files(os.fdopen(r1, "rb"), os.fdopen(w2, "wb"), here)
                    wrap_files(os.fdopen(r2, "rb"), os.fdopen(w1, "wb", 0), there)
                case "tcp-socket":
                    for sock, handler in zip(tcp_pair(), (here, there), strict=True):
                        await wrap_socket(sock, handler)
                case _:
                    for sock, handler in zip(socket.socketpair(), (here, there), strict=True):
                        if kind == "socket":
                            await wrap_socket(sock, handler)
                        elif kind == "streams":
                            wrap_streams(*await asyncio.open_connection(sock=sock), handler)
                        else:
                            stack.callback(sock.close)
                            if handler is here:
                                wrap_files(sock.makefile("rb"), sock.makefile("wb"), handler)
                            else:
                                file = sock.makefile("rwb", 0)
                                wrap_files(file, file, handler)
            await there.opened()
            try:
                yield
            finally:
                for handler in (here, there):
                    if handler.is_open:
                        handler.abort()
                    await handler.lost()

    return open_pair


def in_small_pieces(data):
    """One octet by itself, nothing, then pieces of a size that fits nothing."""
    yield data[:1]
    yield b""
    for start in range(1, len(data), 4093):
        yield data[start : start + 4093]


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


@pytest.fixture
def connected_sockets():
    return {"unix": socket.socketpair, "tcp": tcp_pair}
