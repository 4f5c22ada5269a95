"""An event loop whose time is not that of the world: it passes when nobody has anything to do.

Everything that runs on it happens in one order, which depends on nothing but the program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast, final

__all__ = ["Deadlock", "SimulatedLoop", "TimeUp"]

READING_SECONDS: Final = 1e-7
"""What a reading of `SimulatedLoop.clock` takes: so time slices run out, also where nothing waits."""


class Deadlock(AssertionError):
    """The program waits, and nothing is left that could ever happen."""


class TimeUp(AssertionError):
    """The program has not ended within the time that it was given."""


@final
class SimulatedLoop(asyncio.BaseEventLoop):
    """An asyncio event loop without input, output and threads.

    Timers take no time: when nothing else is to be done, it is the time of the next one.
    What is to run in a thread (`asyncio.to_thread`) runs at once, in this one.

    Args:
        seconds: how long the program may take, in simulated seconds.
    """

    eager_tasks = False
    """Before Python 3.12 there are none; without them a seed means the same on every Python."""

    has_threads = False
    """What is given to `hobgoblin.blocking_call` runs in this one as well."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._now = 0.0
        self._end = seconds
        # What BaseEventLoop waits with, and how much too early a timer may be.
        self._selector = self
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def clock(self) -> float:
        """Return the time, for whoever measures how long something takes: each reading takes a while."""
        self._now += READING_SECONDS
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        """Let time pass. `BaseEventLoop` calls this where others wait for sockets."""
        if timeout is None:
            raise Deadlock(f"nothing can happen any more, and these still wait:\n{self._waiting()}")
        self._now += timeout
        if self._now > self._end:
            self._end += 1e9  # the cleaning up is not to fail for the same reason
            raise TimeUp(f"after {self._now:.0f} simulated seconds these still wait:\n{self._waiting()}")
        return ()

    def timers(self) -> list[asyncio.TimerHandle]:
        """Return the timers that are set."""
        scheduled = cast("list[asyncio.TimerHandle]", getattr(self, "_scheduled"))  # noqa: B009  # not in typeshed
        return [timer for timer in scheduled if not timer.cancelled()]

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        if not self.is_closed():
            self._selector = None  # type: ignore[assignment]
            super().close()

    def _waiting(self) -> str:
        lines: list[str] = []
        for task in sorted(asyncio.all_tasks(self), key=lambda task: (len(task.get_name()), task.get_name())):
            lines.append(f"  {task.get_name()}")
            coroutine: Any = task.get_coro()
            while (frame := getattr(coroutine, "cr_frame", None)) is not None:
                code = frame.f_code
                lines.append(f'    {code.co_qualname}, "{code.co_filename}", line {frame.f_lineno}')
                coroutine = coroutine.cr_await
        return "\n".join(lines) or "  no task"

    # What BaseEventLoop leaves to those that have files and sockets.

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


async def _no_sockets(self: SimulatedLoop, *args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("there are no sockets in a simulation: use the netlayer of its network")


_NEED_SOCKETS: Final = (
    *("create_connection", "create_server", "create_unix_connection", "create_unix_server"),
    *("create_datagram_endpoint", "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe"),
    *("subprocess_exec", "subprocess_shell"),
)

for _name in _NEED_SOCKETS:
    setattr(SimulatedLoop, _name, _no_sockets)
