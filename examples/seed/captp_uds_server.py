"""The seed's server: a car factory behind a Unix domain socket.

python captp_uds_server.py /tmp/captp-test.sock
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable

from hobgoblin import Function, NetlayerError, connect, spawn, spawn_vat
from hobgoblin.netlayers import listening_socket


def car_factory(company_name: str) -> Callable[[str, str], Function[[], str]]:
    """The car factory of the Goblins tutorial. Each of its objects is a plain function."""

    def make_car(model: str, color: str) -> Function[[], str]:
        def car() -> str:
            return f"*Vroom vroom!* You drive your {color} {company_name} {model}!"

        return spawn(car)

    return make_car


async def run_server(uds_path: str) -> None:
    """Serve one car factory to all who connect, until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    # A vat to spawn some objects in
    car_vat = spawn_vat("cars")
    fork_motors = car_vat.spawn(car_factory("Fork"))

    def new_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The bootstrap object is what the client starts with: here, the car factory itself
        connect(reader, writer, bootstrap=fork_motors)
        print("*** New connection!", flush=True)

    # The socket file is for our own user only, and it is removed at the end
    with listening_socket(uds_path) as uds_listener:
        server = await asyncio.start_unix_server(new_client, sock=uds_listener)
        print("*** Server up and running!", flush=True)
        await stop.wait()
        server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the seed's car factory on a Unix domain socket.")
    parser.add_argument("uds_path", metavar="PATH", help="where to make the socket")
    try:
        asyncio.run(run_server(parser.parse_args().uds_path))
    except NetlayerError as error:
        sys.exit(str(error))
