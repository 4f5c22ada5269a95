"""Step 1: two peers. An object is published by one and used by the other.

python 01_hello.py
"""

import asyncio

from hobgoblin import Actor, Peer, method, netlayers


class Greeter(Actor):
    """Whoever holds a reference to it can call what is declared with @method, and nothing else."""

    def __init__(self, greeting: str) -> None:
        self.greeting = greeting

    @method
    def greet(self, name: str) -> str:
        return f"{self.greeting}, {name}!"


async def main() -> None:
    network = netlayers.MemoryNetwork()  # in place of sockets, for programs in one process
    async with (
        Peer(netlayers.Memory(network, "alice")) as alice,
        Peer(netlayers.Memory(network, "bob")) as bob,
    ):
        greeter = alice.spawn(Greeter, "Hello")  # a reference: the object stays in its vat
        uri = alice.publish(greeter)  # a password: who has it can reach the object

        found = bob.enliven(uri, Greeter)  # a reference again, at another peer
        print(await found.greet("world"))  # a call sends a message; await its answer


asyncio.run(main())
