"""Step 2: turns. What a method does takes effect as a whole, or not at all.

python 02_counter.py
"""

import asyncio

import hobgoblin as hob
from hobgoblin import Actor, method


class Counter(Actor):
    def __init__(self, most: int) -> None:
        self.value = 0
        self.most = most

    @method
    def add(self, *amounts: int) -> int:
        """Add all of them. One message, one turn: nobody sees the counter halfway."""
        for amount in amounts:
            self.value += amount
            if self.value > self.most:
                # What was assigned above is undone. Refused is for the caller, who gets its text.
                raise hob.Refused(f"more than {self.most}")
        return self.value


async def main() -> None:
    vat = hob.spawn_vat()  # an event loop of turns, without any network
    counter = vat.spawn(Counter, 10)
    print(await counter.add(1, 2, 3))
    try:
        await counter.add(1, 2, 3)
    except hob.Refused as error:
        print("refused:", error)
    print(await counter.add(0))


asyncio.run(main())
