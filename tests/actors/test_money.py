"""Money: conserved whatever happens, whoever asks for it, and however often turns fail."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hobgoblin as hob
from hobgoblin import Actor, Vat, method, near, spawn_vat
from hobgoblin.actors import Mint, Purse, facet

Run = Callable[[Any], None]


class Thief(Actor):
    """Says that it has money, and takes note of who asks for some."""

    def __init__(self) -> None:
        self._currency = None
        self._balance = 10**9

    @method
    def balance(self) -> int:
        return self._balance

    @method
    def withdraw(self, amount: int) -> "Thief":
        return self

    @method
    def deposit(self, amount: int, source: Any) -> int:
        return amount


@pytest.mark.parametrize("amount", [-1, 1.0, True, "1", None, b"1"])
def test_amounts_are_integers_from_0_on(run: Run, amount: Any) -> None:
    async def main(vat: Vat) -> None:
        mint = vat.spawn(Mint)
        purse, other = mint.issue(5), mint.issue(5)
        for ask in (
            lambda: purse.deposit(amount, other),
            lambda: purse.withdraw(amount),
            lambda: mint.issue(amount),
        ):
            with pytest.raises(hob.BadArguments):
                await ask()
        assert (await purse.balance(), await other.balance(), await mint.issued()) == (5, 5, 10)

    run(main)


def test_only_purses_of_the_mint_are_money(run: Run) -> None:
    async def main(vat: Vat) -> None:
        mint = vat.spawn(Mint)
        purse = mint.issue(5)
        for other in (
            vat.spawn(Mint).issue(100),
            vat.spawn(Thief),
            facet(mint.issue(100), Purse),
            vat.spawn(lambda *args: 100),
            vat.run(lambda: 100),
            mint,
            100,
            None,
        ):
            with pytest.raises(hob.Refused, match=r"no purse of this mint|not a reference"):
                await purse.deposit(1, other)  # type: ignore[arg-type]
        assert await purse.balance() == 5

    run(main)


def test_there_is_no_credit(run: Run) -> None:
    async def main(vat: Vat) -> None:
        mint = vat.spawn(Mint)
        rich, poor = mint.issue(5), mint.issue(1)
        for ask in (lambda: rich.deposit(2, poor), lambda: poor.withdraw(2), lambda: poor.deposit(2, poor)):
            with pytest.raises(hob.Refused, match="not enough"):
                await ask()
        assert await poor.deposit(1, poor) == 1
        assert await poor.deposit(0, rich) == 1
        assert await rich.deposit(1, poor) == 6

    run(main)


def test_a_turn_that_fails_moves_nothing(run: Run) -> None:
    async def main(vat: Vat) -> None:
        mint = vat.spawn(Mint)
        one, two = await mint.issue(5), await mint.issue(5)

        def fail() -> None:
            near(one.deposit)(3, two)
            near(near(one.withdraw)(8).balance)()
            near(mint.issue)(100)
            raise hob.Refused("undone")

        with pytest.raises(hob.Refused, match="undone"):
            await vat.run(fail)
        assert (await one.balance(), await two.balance(), await mint.issued()) == (5, 5, 10)

    run(main)


def test_a_deposit_waits_for_a_purse_that_is_promised(run: Run, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (bank, customer):
            mint = bank.spawn(Mint)
            alice = customer.enliven(bank.publish(mint.issue(10)), Purse)
            bob = customer.enliven(bank.publish(mint.issue(0)), Purse)
            # All of it in one round trip: the purse in the middle is never seen here.
            deposit = bob.deposit(4, alice.withdraw(4))
            assert await deposit == 4
            with pytest.raises(hob.Refused, match="not enough"):
                await bob.deposit(7, alice.withdraw(7))
            assert (await alice.balance(), await bob.balance()) == (6, 4)
            # A purse that comes from the customer's own machine is none of this mint.
            with pytest.raises(hob.Refused, match="no purse"):
                await bob.deposit(1, customer.spawn(Mint).issue(1))
            with pytest.raises(hob.Refused, match="no purse"):
                await bob.deposit(1, facet(alice, Purse))

    run(main)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "withdraw", "sprout", "promised", "foreign", "failing"]),
        st.integers(0, 30),
        st.integers(0, 30),
        st.integers(-2, 12),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, STEPS)
def test_money_is_conserved_under_concurrency_and_failure(one: list[Any], two: list[Any]) -> None:
    async def main() -> None:
        vat = spawn_vat()
        mint, other = vat.spawn(Mint), vat.spawn(Mint)
        purses = [await mint.issue(amount) for amount in (10, 5, 0)]
        foreign = await other.issue(1000)

        async def customer(steps: list[Any]) -> None:
            for what, to, source, amount in steps:
                purse, payer = purses[to % len(purses)], purses[source % len(purses)]
                try:
                    if what == "deposit":
                        await purse.deposit(amount, payer)
                    elif what == "withdraw":
                        purses.append(await purse.withdraw(amount))
                    elif what == "sprout":
                        purses.append(await purse.sprout())
                    elif what == "promised":
                        await purse.deposit(amount, vat.run(asleep, payer))
                    elif what == "foreign":
                        await purse.deposit(amount, foreign)
                    else:
                        await vat.run(fail, purse, payer, amount)
                except hob.Refused:
                    pass

        def fail(purse: Purse, payer: Purse, amount: int) -> None:
            near(purse.deposit)(amount, payer)
            near(payer.withdraw)(amount)
            raise hob.Refused("undone")

        async def asleep(payer: Purse) -> Purse:
            await asyncio.sleep(0)
            return payer

        async with asyncio.TaskGroup() as group:
            group.create_task(customer(one))
            group.create_task(customer(two))
        balances = [await purse.balance() for purse in purses]
        assert min(balances) >= 0
        assert sum(balances) == await mint.issued() == 15
        assert await foreign.balance() == 1000

    asyncio.run(main())
