"""Publish an object: prints the URI that leads to it. Ctrl-C ends it.

python hello_server.py
"""

import asyncio
import sys

from hobgoblin import Actor, HobgoblinError, Peer, method, netlayers, spawn


class Guest(Actor):
    def __init__(self, name: str) -> None:
        self.name = name

    @method
    def greet(self) -> str:
        return f"Hello, {self.name}!"


class House(Actor):
    @method
    def welcome(self, name: str) -> Guest:
        return spawn(Guest, name)


async def main() -> None:
    async with Peer(netlayers.Unix("hello.sock")) as peer:
        print(peer.publish(peer.spawn(House)), flush=True)
        await peer.serve_forever()


try:
    asyncio.run(main())
except HobgoblinError as error:
    sys.exit(str(error))
