"""Money: a mint makes it, purses hold it, and no other way leads in or out."""

from __future__ import annotations

from typing import Any, final

from hobgoblin.actors.forwarding import behaviour_of, when_known
from hobgoblin.errors import BadArguments, Refused
from hobgoblin.vat import Actor, method, spawn

__all__ = ["Mint", "Purse"]


@final
class _Currency:
    """What a mint and its purses have in common, and nobody else."""

    __slots__ = ()


def _amount(amount: object) -> int:
    if type(amount) is not int or amount < 0:
        raise BadArguments("an amount is an integer, 0 or more")
    return amount


@final
class Purse(Actor):
    """Holds money of one mint. Who has the purse has the money: share it with nobody.

    >>> purse = vat.spawn(Mint).issue(10)
    >>> price = purse.withdraw(3)
    >>> result(price.balance()), result(purse.balance())
    (3, 7)

    Money is never in two purses and never in none: a deposit is one turn, with effect as a whole or
    not at all, wherever those live who ask for it. But a purse can be lost, if the answer with the
    only reference to it is. Who can't have that makes the empty purse first and fills it then.
    """

    def __init__(self, currency: _Currency, balance: int) -> None:
        self._currency = currency
        self._balance = balance

    @method
    def balance(self) -> int:
        """Return how much is in it."""
        return self._balance

    @method
    def sprout(self) -> Purse:
        """Return a new, empty purse of the same mint."""
        return spawn(Purse, self._currency, 0)

    @method
    def deposit(self, amount: int, source: Purse) -> int:
        """Move ``amount`` from another purse of this mint into this one; return the new balance.

        Once this has been answered the money is here, whoever else holds ``source``. So the receiver
        calls it, on a purse of its own, and needs to trust the mint alone.

        Refused, with nothing moved, if ``source`` is no purse of this mint or holds less. If it is a
        promise not yet known, that happens once it is.
        """
        amount = _amount(amount)
        return when_known(source, lambda purse: self._take(amount, purse))

    @method
    def withdraw(self, amount: int) -> Purse:
        """Move ``amount`` to a new purse and return that. Refused if this one holds less."""
        self._pay(_amount(amount))
        return spawn(Purse, self._currency, amount)

    def _take(self, amount: int, reference: Any) -> int:
        source = behaviour_of(reference, Purse)
        if source is None or source._currency is not self._currency:
            raise Refused("this is no purse of this mint")
        source._pay(amount)
        self._balance += amount
        return self._balance

    def _pay(self, amount: int) -> None:
        if amount > self._balance:
            raise Refused("there is not enough in the purse")
        self._balance -= amount


@final
class Mint(Actor):
    """Makes money out of nothing: share it with nobody. All its purses live in its vat.

    >>> mint = vat.spawn(Mint)
    >>> alice, bob = mint.issue(10), mint.issue()
    >>> result(bob.deposit(4, alice))
    4
    >>> result(bob.deposit(1, vat.spawn(Mint).issue(1000)))
    Traceback (most recent call last):
    hobgoblin.errors.Refused: this is no purse of this mint
    """

    def __init__(self) -> None:
        self._currency = _Currency()
        self._issued = 0

    @method
    def issue(self, amount: int = 0) -> Purse:
        """Return a new purse with that much new money."""
        self._issued += _amount(amount)
        return spawn(Purse, self._currency, amount)

    @method
    def issued(self) -> int:
        """Return how much has been made: what is in all purses, those that were lost included."""
        return self._issued
