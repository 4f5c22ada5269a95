"""Use an object of another process, given its URI: two calls, one round trip.

python hello_client.py 'ocapn://…'
"""

import argparse
import asyncio
import sys

from hobgoblin import HobgoblinError, Peer, netlayers


async def main(uri: str) -> None:
    async with Peer(netlayers.Unix()) as peer:
        house = peer.enliven(uri)  # a promise, usable at once
        print(await house.welcome("Ada").greet())


parser = argparse.ArgumentParser(description="Let the house of hello_server.py greet Ada.")
parser.add_argument("uri", metavar="URI", help="what hello_server.py has printed")
try:
    asyncio.run(main(parser.parse_args().uri))
except HobgoblinError as error:
    sys.exit(str(error))
