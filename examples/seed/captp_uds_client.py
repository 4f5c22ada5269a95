"""The seed's client: gets a car over a Unix domain socket and drives it, in one round trip.

python captp_uds_client.py /tmp/captp-test.sock
"""

import argparse
import asyncio
import signal
import sys

from hobgoblin import Promise, connect, on, spawn_vat


async def run_client(uds_path: str) -> int:
    """Drive one car. Return the exit code."""
    # We'll use this vat to run some code
    a_vat = spawn_vat()

    # Here's where we connect to the Unix domain socket
    try:
        reader, writer = await asyncio.open_unix_connection(uds_path)
    except (ConnectionRefusedError, FileNotFoundError) as error:
        sys.exit(f"cannot connect to {uds_path}: {error.strerror} (is the server running?)")
    except OSError as error:
        sys.exit(f"cannot connect to {uds_path}: {error.strerror or error}")
    remote_bootstrap_vow = connect(reader, writer)

    # We're being lazy: the remote bootstrap object *is* the car factory, so let's just alias that
    car_factory_vow = remote_bootstrap_vow
    print("*** Connected to server", flush=True)

    def get_and_drive_car() -> Promise[int]:
        # Get a promise for a new car
        car_vow = car_factory_vow("Explorist", "blue")
        # Pipeline a call to that promise: the noise from driving (the car takes no arguments)
        drive_noise_vow = car_vow()
        # Now listen to the resolution of the pipelined driving noise
        return on(drive_noise_vow, we_hear, catch=uhoh)

    def we_hear(drive_noise: str) -> int:
        # Yay, promise pipelining worked!
        print(f"We hear: {drive_noise}", flush=True)
        return 0

    def uhoh(err: BaseException) -> int:
        print(f"UHOH!!! Something went wrong: {err}", flush=True)
        return 1

    exit_code: int = await a_vat.run(get_and_drive_car)
    return exit_code


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: just stop
    parser = argparse.ArgumentParser(description="Drive a car of the seed's factory.")
    parser.add_argument("uds_path", metavar="PATH", help="the server's socket")
    sys.exit(asyncio.run(run_client(parser.parse_args().uds_path)))
