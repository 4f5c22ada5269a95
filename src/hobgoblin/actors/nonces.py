"""Objects that can be found by a secret number: authority as a piece of text or bytes."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, final

from hobgoblin.actors.forwarding import object_of
from hobgoblin.actors.tables import Table
from hobgoblin.crypto import Entropy, system_entropy
from hobgoblin.errors import BadArguments, Refused
from hobgoblin.refs import Ref
from hobgoblin.vat import Actor, method, spawn

__all__ = ["NonceLocator", "NonceRegistry", "new_nonces"]

_OCTETS = 32


@final
class _Nonces:
    """What both references share. Nonces are kept as hashes: neither a table nor the time that a
    look-up takes tells anything about one.
    """

    __slots__ = ("entropy", "limit", "table")

    def __init__(self, entropy: Entropy, limit: int) -> None:
        self.entropy = entropy
        self.limit = limit
        self.table: Table[Ref] = Table.new()


def _key(nonce: object) -> str:
    if type(nonce) is not bytes:
        raise BadArguments("a nonce is bytes")
    return sha256(nonce).hexdigest()


@final
class NonceRegistry(Actor):
    """Gives objects a nonce, and takes it away again. It holds them until then."""

    def __init__(self, nonces: _Nonces) -> None:
        self._nonces = nonces
        self._registered = 0

    @method
    def register(self, target: Any) -> bytes:
        """Return a new nonce of 32 random octets by which the locator finds ``target``.

        Each call returns another one, also for the same object: each can be forgotten by itself.
        Refused if there are too many.
        """
        found = object_of(target)
        if self._registered >= self._nonces.limit:
            raise Refused("too many objects are registered")
        self._registered += 1
        nonce = self._nonces.entropy(_OCTETS)
        self._nonces.table.put(_key(nonce), found)
        return nonce

    @method
    def forget(self, nonce: bytes) -> None:
        """Let go of the object. Who has found it before still holds it: see `revocable`. Idempotent."""
        key = _key(nonce)
        if self._nonces.table.get(key) is not None:
            self._nonces.table.remove(key)
            self._registered -= 1


@final
class NonceLocator(Actor):
    """Finds objects by their nonces. Can't register any, nor tell which there are."""

    def __init__(self, nonces: _Nonces) -> None:
        self._nonces = nonces

    @method
    def locate(self, nonce: bytes) -> Any:
        """Return the object. Refused in the same words whether the nonce is wrong or forgotten."""
        target = self._nonces.table.get(_key(nonce))
        if target is None:
            raise Refused("nothing is registered under this nonce")
        return target


def new_nonces(
    *, limit: int = 100_000, entropy: Entropy = system_entropy
) -> tuple[NonceRegistry, NonceLocator]:
    """Return references to the registry of new nonces and to their locator. Needs a vat.

    A nonce is authority as data: it can be mailed, printed, stored; whoever sees it has the object.
    For other machines to reach the locator, publish it: a peer's own swiss numbers are the same idea,
    for all of its objects, with expiry and a store (`Peer.publish`).

    >>> registry, locator = result(vat.run(new_nonces))
    >>> nonce = result(registry.register(vat.spawn(Cell, "found")))
    >>> result(locator.locate(nonce).get())
    'found'

    Args:
        limit: how many objects can be registered at a time.
        entropy: where nonces come from.

    Raises:
        NotInVat: no vat is running.
    """
    nonces = _Nonces(entropy, limit)
    return spawn(NonceRegistry, nonces), spawn(NonceLocator, nonces)
