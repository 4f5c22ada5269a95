"""Use an object of another process, given its URI: two calls, one round trip.

python hello_client.py 'ocapn://…'
"""

import asyncio
import sys

from hobgoblin import Peer, netlayers


async def main(uri: str) -> None:
    async with Peer(netlayers.Unix()) as peer:
        house = peer.enliven(uri)  # a promise, usable at once
        print(await house.welcome("Ada").greet())


asyncio.run(main(sys.argv[1]))
