"""Step 4: promise pipelining. Send to what you have not got yet, and save the round trips.

python 04_pipelining.py
"""

import asyncio

from hobgoblin import Actor, Peer, method, netlayers, spawn
from hobgoblin.testing import Transcript, count_round_trips


class Account(Actor):
    @method
    def balance(self) -> int:
        return 42


class Branch(Actor):
    @method
    def account(self, owner: str) -> Account:
        return spawn(Account)


class Bank(Actor):
    @method
    def branch(self, city: str) -> Branch:
        return spawn(Branch)


async def patient(bank: Bank) -> int:
    branch = await bank.branch("Bern")  # each line waits for the answer to the one before
    account = await branch.account("Ada")
    return await account.balance()


async def pipelined(bank: Bank) -> int:
    branch = bank.branch("Bern")  # a promise, and already a target
    account = branch.account("Ada")  # leaves at once, behind the first message
    return await account.balance()


async def main() -> None:
    network = netlayers.MemoryNetwork()
    async with Peer(netlayers.Memory(network, "server")) as server:
        uri = server.publish(server.spawn(Bank))
        for ask in (patient, pipelined):
            seen = Transcript("client", "server")  # all that crosses
            async with Peer(netlayers.Memory(network, "client"), tap=seen) as client:
                balance = await ask(await client.enliven(uri, Bank))
            calls, trips = count_round_trips(seen)
            # One call, and one trip, were for the bank itself: enliven asks for it.
            print(f"{ask.__name__}: {balance}, {calls - 1} calls, round trips: {trips - 1}")


asyncio.run(main())
