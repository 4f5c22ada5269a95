"""Rights that meet: sealed boxes, and objects that show those who may know them a second face.

Both rest on the same: an object of this vat is recognised by the reference to it, which nobody can
forge, and not by anything that it says. So they hold across vats and machines: what is a box of ours
comes back as a reference of ours, what somebody else has made never does.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast, final

from hobgoblin.actors.forwarding import (
    Forwarding,
    behaviour_of,
    home_of,
    object_of,
    pass_on,
    running_vat,
    when_known,
)
from hobgoblin.errors import Refused
from hobgoblin.refs import Home, LocalRef, Message, Ref
from hobgoblin.vat import Actor, method, spawn

__all__ = ["Box", "BrandCheck", "Incanter", "Sealer", "Unsealer", "Warden", "new_sealers", "new_wards"]

T = TypeVar("T")
A = TypeVar("A", bound=Actor)


@final
class _Brand:
    """What a sealer and its unsealer have in common, and nobody else."""

    __slots__ = ()


@final
class Box(Actor):
    """A sealed box. Good for nothing but to be passed on: it has no method. It holds what is inside."""

    def __init__(self, brand: _Brand, content: Any) -> None:
        self._brand = brand
        self._content = content


def _box(value: object, brand: _Brand) -> Box | None:
    box = behaviour_of(value, Box)
    return box if box is not None and box._brand is brand else None


@final
class Sealer(Actor, Generic[T]):
    """Puts values into boxes. Can't open any."""

    def __init__(self, brand: _Brand) -> None:
        self._brand = brand

    @method
    def seal(self, value: T) -> Box:
        """Return a new box with ``value`` inside, which may be anything that can be passed."""
        return spawn(Box, self._brand, value)


@final
class Unsealer(Actor, Generic[T]):
    """Opens the boxes of one sealer."""

    def __init__(self, brand: _Brand) -> None:
        self._brand = brand

    @method
    def unseal(self, box: Box) -> T:
        """Return what is in a box, or in the one that a promise turns out to be.

        Refused for everything else, also the boxes of others. The box stays as it is.
        """
        return cast("T", when_known(box, self._open))

    def _open(self, value: object) -> Any:
        box = _box(value, self._brand)
        if box is None:
            raise Refused("this is no box of this sealer")
        return box._content


@final
class BrandCheck(Actor):
    """Tells the boxes of one sealer from everything else. Can't open any."""

    def __init__(self, brand: _Brand) -> None:
        self._brand = brand

    @method
    def is_sealed(self, box: Any) -> bool:
        """Tell whether this is a box of the sealer, or a promise that turns out to be one."""
        return when_known(box, lambda value: _box(value, self._brand) is not None)


def new_sealers() -> tuple[Sealer[Any], Unsealer[Any], BrandCheck]:
    """Return references to a sealer, its unsealer and the check of its brand. Needs a vat.

    Anybody may carry a box; only the unsealer's holder opens it. And only who held the sealer can
    have made it: the two are like a public and a secret key, without any cryptography. A box works
    as long as its vat: it is an object, not data.

    >>> sealer, unsealer, check = result(vat.run(new_sealers))
    >>> box = sealer.seal("the plan")
    >>> result(unsealer.unseal(box)), result(check.is_sealed(box))
    ('the plan', True)
    >>> result(unsealer.unseal(vat.spawn(Cell, "another plan")))
    Traceback (most recent call last):
    hobgoblin.errors.Refused: this is no box of this sealer

    Raises:
        NotInVat: no vat is running.
    """
    brand = _Brand()
    return spawn(Sealer[Any], brand), spawn(Unsealer[Any], brand), spawn(BrandCheck, brand)


@final
class Warded(Forwarding):
    """Leads to one object, and hides another one."""

    __slots__ = ("_public", "brand", "hidden")

    def __init__(self, brand: _Brand, public: Ref, hidden: Ref, home: Home) -> None:
        super().__init__(home)
        self.brand = brand
        self.hidden = hidden
        self._public = public

    def accept(self, message: Message) -> None:
        pass_on(message, self._public)


@final
class Warden(Actor):
    """Gives objects a hidden face."""

    def __init__(self, brand: _Brand) -> None:
        self._brand = brand

    @method
    def ward(self, public: A, hidden: Actor) -> A:
        """Return a new reference that leads to ``public``, and from which the incanter finds ``hidden``."""
        faces = object_of(public), object_of(hidden)
        return cast("A", Warded(self._brand, *faces, running_vat()).reference())


@final
class Incanter(Actor):
    """Finds the hidden faces of what one warden has warded."""

    def __init__(self, brand: _Brand) -> None:
        self._brand = brand

    @method
    def enchant(self, warded: Any) -> Any:
        """Return the reference to the hidden face. Refused for everything that this warden has not warded."""
        return when_known(warded, self._reveal)

    def _reveal(self, value: object) -> Ref:
        if type(value) is LocalRef:
            home = home_of(value)
            if isinstance(home, Warded) and home.brand is self._brand:
                return home.hidden
        raise Refused("this has not been warded by this warden")


def new_wards() -> tuple[Warden, Incanter]:
    """Return references to a warden and its incanter. Needs a vat.

    For objects that everybody may hold and friends may do more with: give the warded reference to
    all, the incanter to friends. An incantation can't be overheard or replayed, for no message of
    it ever passes through the object. Goblins' wards, on identity in place of sealed arguments.

    >>> warden, incanter = result(vat.run(new_wards))
    >>> cell = vat.spawn(Cell, 1)
    >>> open_to_all = warden.ward(cell.read_only(), cell)
    >>> result(open_to_all.get())
    1
    >>> result(incanter.enchant(open_to_all).set(2))
    >>> result(open_to_all.get())
    2

    Raises:
        NotInVat: no vat is running.
    """
    brand = _Brand()
    return spawn(Warden, brand), spawn(Incanter, brand)
