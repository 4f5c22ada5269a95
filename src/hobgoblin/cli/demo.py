"""``python -m hobgoblin demo``: two processes, two calls, one round trip.

The process that the user starts is the client. It starts the server, which lives for as long as its
standard input is open: when the client dies, however that may be, the server goes too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from typing import Final

from hobgoblin import Function, HobgoblinError, connect, disconnect, spawn, spawn_vat
from hobgoblin.cli.diagram import draw, wants_colour
from hobgoblin.running import loop_factory
from hobgoblin.testing import Transcript, count_round_trips

__all__ = ["run", "serve"]

_ANSWER_SECONDS: Final = 30

_LEGEND: Final = """\
bootstrap object: what the other side offers first; here, the car factory
resolver: where an answer is sent; it comes with the call that it answers"""


def run() -> int:
    """Play both sides, and show what crossed between them. Return the exit code.

    Raises:
        KeyboardInterrupt: on Ctrl-C, SIGTERM and SIGHUP. Nothing is left behind then, either.
    """
    transcript = Transcript("client", "server")
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            drive_noise = runner.run(_play(transcript))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except (OSError, HobgoblinError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    print(f"We hear: {drive_noise}")
    print("\nThat took two processes. What crossed between them:\n")
    print(draw(transcript, encoding=sys.stdout.encoding, colour=wants_colour(sys.stdout)))
    print(f"\n{_LEGEND}")
    print(f"\n{_conclusion(transcript)}")
    return 0


async def _play(transcript: Transcript) -> str:
    """Start the server, be the client, and leave neither process nor file behind."""
    myself = asyncio.current_task()
    assert myself is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Cancelling takes effect where we await, never halfway into making something.
        asyncio.get_running_loop().add_signal_handler(number, myself.cancel)
    with tempfile.TemporaryDirectory(prefix="hobgoblin-demo-") as directory:
        path = os.path.join(directory, "socket")
        async with _server(path):
            return await _drive(path, transcript)


async def _drive(path: str, transcript: Transcript) -> str:
    """The client: get a car and drive it."""
    reader, writer = await asyncio.open_unix_connection(path)
    car_factory = connect(reader, writer, tap=transcript)
    # Nothing is awaited in between: the second call goes to a car that is only promised yet.
    car = car_factory("Explorist", "blue")
    drive_noise = car()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return str(await drive_noise)
    except TimeoutError:
        raise TimeoutError(f"the server gave no answer within {_ANSWER_SECONDS} s") from None
    finally:
        transcript.stop()
        await disconnect(car_factory)


def _conclusion(transcript: Transcript) -> str:
    calls, round_trips = count_round_trips(transcript)
    counted = f"{calls} calls, {round_trips} round trip{'' if round_trips == 1 else 's'}"
    if calls > 1 and round_trips == 1:
        which = "both" if calls == 2 else "all"
        return f"{counted}: {which} calls had left before the first answer came in."
    return f"{counted}: a call had to wait for the answer to an earlier one."


@contextlib.asynccontextmanager
async def _server(path: str) -> AsyncGenerator[None, None]:
    """Run the server in a process of its own, which is up when this yields and gone afterwards."""
    command = [sys.executable, "-m", "hobgoblin", "demo", "--server", path]
    pipe = subprocess.PIPE
    # Not asyncio's: that one can be interrupted halfway. In a session of its own: Ctrl-C is for us alone.
    with subprocess.Popen(  # noqa: ASYNC220
        command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            if not await asyncio.to_thread(process.stdout.readline):
                said = process.stderr.read().decode(errors="replace").strip().splitlines()
                raise OSError(f"the server did not start: {said[-1] if said else 'it said nothing'}")
            yield
        finally:
            process.kill()


def serve(path: str) -> int:
    """Be the server, until standard input ends."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(path))
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return 1
    return 0


async def _serve(path: str) -> None:
    fork_motors = spawn_vat("cars").spawn(_car_factory("Fork"))

    def new_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect(reader, writer, bootstrap=fork_motors)

    server = await asyncio.start_unix_server(new_client, path)
    try:
        print("*** Server up and running!", flush=True)
        await asyncio.to_thread(sys.stdin.buffer.read)
    finally:
        server.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _car_factory(company_name: str) -> Callable[[str, str], Function[[], str]]:
    def make_car(model: str, color: str) -> Function[[], str]:
        def car() -> str:
            return f"*Vroom vroom!* You drive your {color} {company_name} {model}!"

        return spawn(car)

    return make_car
