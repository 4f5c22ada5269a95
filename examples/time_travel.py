"""Find the turn in which an object went wrong, and call the object as it was before and after it.

A shop sells books. Somewhere in a night's orders its stock went below zero, and nothing has raised.

python time_travel.py
"""

import asyncio

import hobgoblin as hob
from hobgoblin import Actor, method


class Shop(Actor):
    def __init__(self, stock: int) -> None:
        self.stock = stock

    @method
    def order(self, books: int) -> str:
        if books > self.stock:
            raise hob.Refused(f"only {self.stock} left")
        self.stock -= books
        return f"{books} sold"

    @method
    def cancel(self, books: int) -> None:
        self.stock -= books  # the bug: it should add them

    @method
    def left(self) -> int:
        return self.stock


async def main() -> None:
    vat = hob.spawn_vat("shop")
    shop = vat.spawn(Shop, 10)
    with vat.record() as history:
        await shop.order(4)
        await shop.cancel(4)
        await shop.order(2)
        await shop.cancel(2)
        try:
            await shop.order(1)
        except hob.Refused as error:
            print("what we see:", error)

        print("\nwhat has happened:")
        for turn in history.turns:
            print(f"  {turn}: {history.after(turn).peek(shop.left)()} left")

        wrong = next(turn for turn in history.turns if history.after(turn).peek(shop.left)() < 4)
        before, after = history.before(wrong), history.after(wrong)
        print(f"\nit went wrong in {wrong}")
        print("left before:", before.peek(shop.left)(), "and after:", after.peek(shop.left)())

        # Any question, not only those that change nothing: what the answer does is forgotten.
        print("an order before it:", before.peek(shop.order)(1))
        print("an order of 7 then:", end=" ")
        try:
            before.peek(shop.order)(7)
        except hob.Refused as error:
            print(error)
    print("\nand now, as if nobody had asked:", await shop.left(), "left")


asyncio.run(main())
