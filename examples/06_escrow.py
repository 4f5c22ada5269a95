"""Step 6: escrow. A sealed song against money: both change hands, or neither.

python 06_escrow.py
"""

import asyncio

import hobgoblin as hob
from hobgoblin import Actor, actors, method
from hobgoblin.actors import Purse, Unsealer


class Escrow(Actor):
    """Trusted by both sides. It holds the key to the goods, and an empty purse for the price."""

    def __init__(self, key: Unsealer[str], till: Purse, price: int) -> None:
        self.key, self.till, self.price = key, till, price
        self.paid = False

    @method
    async def pay(self, purse: Purse) -> None:
        # One turn of the mint: the money is in our purse, or the whole deposit is refused.
        await self.till.deposit(self.price, purse)
        self.paid = True

    @method
    def collect_key(self) -> Unsealer[str]:
        self._check_paid()
        return self.key

    @method
    def collect_money(self) -> Purse:
        self._check_paid()
        return self.till

    def _check_paid(self) -> None:
        if not self.paid:
            raise hob.Refused("not paid yet")


async def main() -> None:
    bank, agent, alice = hob.spawn_vat("bank"), hob.spawn_vat("agent"), hob.spawn_vat("alice")
    mint = bank.spawn(actors.Mint)
    wallet = mint.issue(100)  # Bob's

    sealer, unsealer, _ = await alice.run(actors.new_sealers)
    box = sealer.seal("the song")  # Bob may carry it away now: he can't open it

    escrow = agent.spawn(Escrow, unsealer, mint.issue(), 30)
    for_alice = actors.facet(escrow, "collect_money")  # each side gets its part and no more
    for_bob = actors.facet(escrow, "pay", "collect_key")

    for purse in (bank.spawn(actors.Mint).issue(30), wallet.withdraw(29), wallet):
        try:
            await for_bob.pay(purse)
            print("paid")
        except hob.Refused as error:
            print("refused:", error)
    print("Bob has", await for_bob.collect_key().unseal(box))
    print("Alice has", await for_alice.collect_money().balance())


asyncio.run(main())
