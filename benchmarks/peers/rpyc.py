"""RPyC: https://pypi.org/project/rpyc/. Every call waits for its answer, but for those through `async_`."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any, Final

import rpyc
from rpyc.utils.factory import unix_connect
from rpyc.utils.server import ThreadedServer

from benchmarks.peers.counted import Counted
from benchmarks.processes import end_with_input, say_ready

BLOCKING: Final = True
DROPPED_AT_ONCE: Final = 200


class Item(Counted):
    pass


class Link:
    def __init__(self, depth: int) -> None:
        self._depth = depth

    def exposed_follow(self) -> Link:
        return Link(self._depth + 1)

    def exposed_depth(self) -> int:
        return self._depth


class Bench(rpyc.Service):
    def exposed_add(self, a: int, b: int) -> int:
        return a + b

    def exposed_put(self, data: bytes) -> int:
        return len(data)

    def exposed_link(self) -> Link:
        return Link(0)

    def exposed_mint(self) -> Item:
        return Item()

    def exposed_live(self) -> int:
        return Counted.live


class Session:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        root = connection.root
        self.add, self.put, self.mint, self.live, self._link = (
            root.add,
            root.put,
            root.mint,
            root.live,
            root.link,
        )

    def outstanding(self, window: int, seconds: float) -> tuple[int, float]:
        """Keep as many under way, and wait for the oldest."""
        add = rpyc.async_(self.add)
        under_way = deque(add(20, 22) for _ in range(window))
        calls = 0
        start = perf_counter()
        while (elapsed := perf_counter() - start) < seconds:
            under_way.popleft().wait()
            calls += 1
            under_way.append(add(20, 22))
        for answer in under_way:
            answer.wait()
        return calls, elapsed

    def chain(self, calls: int) -> Any:
        link = self._link()
        for _ in range(calls - 2):
            link = link.follow()
        return link.depth()

    def drop(self, held: list[Any]) -> None:
        # Each is given back by a message that is answered. All at once fill both socket buffers,
        # and the connection breaks.
        while held:
            del held[-DROPPED_AT_ONCE:]
            self.live()

    def close(self) -> None:
        self._connection.close()


def connect(path: str) -> Session:
    """Return a session with the server at ``path``."""
    return Session(unix_connect(path))


def serve(path: str, run: Any) -> None:
    """Serve at ``path``."""
    server = ThreadedServer(Bench, socket_path=path)
    say_ready()
    end_with_input()
    server.start()
