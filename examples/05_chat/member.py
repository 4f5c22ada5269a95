"""Step 5, the other side: be a member of the chat room. What you type is said there; Ctrl-D ends it.

python member.py 'ocapn://…'
"""

import argparse
import asyncio
import sys

from console import console
from room import Membership

import hobgoblin as hob
from hobgoblin import Peer, netlayers


def hear(text: str) -> None:
    """Called by the room. What comes from elsewhere goes to a terminal only if it is plain text."""
    if text.isprintable():
        print(text, flush=True)


async def main(uri: str) -> None:
    async with Peer(netlayers.Unix()) as peer:
        lines = console()
        membership = await peer.enliven(uri, Membership)

        def gone(error: Exception) -> None:
            print("the room has gone:", error, flush=True)
            lines.feed_eof()  # ends the loop

        await membership.enter(hear)
        unwatch = hob.on_sever(membership, gone)
        async for line in lines:
            try:
                await membership.say(line.decode().strip())
            except hob.Refused as error:
                print("refused:", error, flush=True)
        unwatch()


parser = argparse.ArgumentParser(description="Be a member of the chat room.")
parser.add_argument("uri", metavar="URI", help="what server.py has printed")
try:
    asyncio.run(main(parser.parse_args().uri))
except hob.HobgoblinError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    pass
