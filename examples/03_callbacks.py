"""Step 3: callbacks. Functions and objects pass by reference, so calls go both ways.

python 03_callbacks.py
"""

import asyncio
from collections.abc import Callable

import hobgoblin as hob
from hobgoblin import Actor, Peer, method, netlayers


class Kitchen(Actor):
    def __init__(self) -> None:
        self.waiting: tuple[Callable[[str], None], ...] = ()

    @method
    def order(self, dish: str, ready: Callable[[str], None]) -> str:
        # Annotations hold, whoever calls: `dish` is text, and `ready` a reference.
        self.waiting += (ready,)
        return f"{dish} will be ready soon"

    @method
    def ring(self) -> int:
        """Call everybody who waits; return how many."""
        called, self.waiting = self.waiting, ()
        for ready in called:
            hob.send_only(ready)("come and get it")  # a message without an answer
        return len(called)


async def main() -> None:
    network = netlayers.MemoryNetwork()
    async with (
        Peer(netlayers.Memory(network, "kitchen")) as inside,
        Peer(netlayers.Memory(network, "guest")) as outside,
    ):
        kitchen = outside.enliven(inside.publish(inside.spawn(Kitchen)), Kitchen)

        heard: asyncio.Queue[str] = asyncio.Queue()
        print(await kitchen.order("soup", heard.put_nowait))  # our function, called from there
        print(await kitchen.ring(), "called")
        print(await heard.get())


asyncio.run(main())
