"""Sturdyrefs at home: which object a swiss number stands for, and OCapN's bootstrap object.

Whoever knows a swiss number may have the object: it is a password. The registry keeps only hashes,
so neither its memory nor its file gives the numbers away, and a look-up does the same for a wrong
number as for one that was taken back. The life of a number::

                ┌──────publish──────────────▶ OPEN ──unpublish, revoke, expiry──▶ UNKNOWN
    UNKNOWN ────┤                              ▲
                └──load──▶ KEPT ──its name is──┘
                             │   given to an object
                             └──unpublish, revoke, expiry──▶ UNKNOWN

Invariant: only an open number leads to anything, and no other can be told from an unknown one.
An unknown number may be published again, when somebody chooses it.

Spec: OCapN Locators, "Sturdyref Locator"; OCapN CapTP Specification, "The bootstrap Object".
"""

from hobgoblin.sturdyrefs.bootstrap import Bootstrap
from hobgoblin.sturdyrefs.file import RegistryFile
from hobgoblin.sturdyrefs.registry import Registry
from hobgoblin.sturdyrefs.stored import RegistryEntry, RegistryStore

__all__ = ["Bootstrap", "Registry", "RegistryEntry", "RegistryFile", "RegistryStore"]
