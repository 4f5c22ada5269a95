"""Pyro5 with msgpack: https://pypi.org/project/Pyro5/. It collects nothing: what is registered stays."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, Final

from Pyro5 import config

from benchmarks.tls import CERTIFICATE, FOLDER_VARIABLE, KEY, NAME

config.SERIALIZER = "msgpack"
config.SERVERTYPE = "multiplex"
if FOLDER_VARIABLE in os.environ:
    folder = Path(os.environ[FOLDER_VARIABLE])
    config.SSL = config.SSL_REQUIRECLIENTCERT = True
    config.SSL_SERVERCERT = config.SSL_CLIENTCERT = config.SSL_CACERTS = str(folder / CERTIFICATE)
    config.SSL_SERVERKEY = config.SSL_CLIENTKEY = str(folder / KEY)

from Pyro5.api import Proxy  # noqa: E402 - reads the configuration
from Pyro5.server import Daemon, expose  # noqa: E402

from benchmarks.peers.counted import Counted  # noqa: E402
from benchmarks.processes import end_with_input, say_ready  # noqa: E402

BLOCKING: Final = True
OBJECT: Final = "bench"


@expose
class Item(Counted):
    def nothing(self) -> None:
        pass


@expose
class Bench:
    def __init__(self, daemon: Any) -> None:
        self._daemon = daemon

    def add(self, a: int, b: int) -> int:
        return a + b

    def put(self, data: bytes) -> int:
        return len(data)

    def mint(self) -> Item:
        item = Item()
        self._daemon.register(item)
        return item

    def live(self) -> int:
        return Counted.live


class Session:
    def __init__(self, path: str) -> None:
        self._path = path
        self._bench = _proxy(path)
        self.add, self.put, self.mint, self.live = (
            self._bench.add,
            self._bench.put,
            self._bench.mint,
            self._bench.live,
        )
        self._crowd: Crowd | None = None

    def outstanding(self, window: int, seconds: float) -> tuple[int, float]:
        """Every call waits for its answer: as many outstanding take as many threads and connections."""
        if self._crowd is None:
            self._crowd = Crowd(self._path, window)
        return self._crowd.work(seconds)

    def chain(self, calls: int) -> Any:
        # A remote object is reached over a connection of its own, to an address that leads past any way
        # with a delay: plain calls that wait for each other are what can be compared.
        number = 0
        for _ in range(calls):
            number = self._bench.add(number, 1)
        return number

    def close(self) -> None:
        self._bench._pyroRelease()


class Crowd:
    """Threads that call when told to, each over its own connection."""

    def __init__(self, path: str, size: int) -> None:
        self._path = path
        self._gate = threading.Barrier(size + 1)
        self._working = False
        self._counts = [0] * size
        for number in range(size):
            threading.Thread(target=self._call, args=(number,), daemon=True).start()

    def work(self, seconds: float) -> tuple[int, float]:
        """Let them call for a while; return how many calls that were, and how long it took."""
        before = sum(self._counts)
        self._working = True
        self._gate.wait()
        start = time.perf_counter()
        time.sleep(seconds)
        self._working = False
        self._gate.wait()
        return sum(self._counts) - before, time.perf_counter() - start

    def _call(self, number: int) -> None:
        with _proxy(self._path) as bench:
            bench.add(20, 22)
            while True:
                self._gate.wait()
                while self._working:
                    bench.add(20, 22)
                    self._counts[number] += 1
                self._gate.wait()


def _proxy(path: str) -> Any:
    return Proxy(path if path.startswith("PYRO:") else f"PYRO:{OBJECT}@./u:{path}")


def connect(path: str) -> Session:
    """Return a session with the server at ``path``."""
    return Session(path)


def serve(path: str, run: Any) -> None:
    """Serve at ``path``."""
    # Its TLS checks the name of a host, which a Unix socket has not.
    daemon = Daemon(host=NAME) if config.SSL else Daemon(unixsocket=path)
    uri = daemon.register(Bench(daemon), OBJECT)
    say_ready(str(uri) if config.SSL else "")
    end_with_input()
    daemon.requestLoop()
