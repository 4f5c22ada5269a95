"""Sealers and wards: what they show to whom, across vats and machines."""

from collections.abc import Callable
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Vat, method
from hobgoblin.actors import Box, Cell, facet, new_sealers, new_wards

Run = Callable[[Any], None]


class Forger(Actor):
    """Has everything that a box might be asked for."""

    _brand = object()
    _content = "forged"

    @method
    def offer(self, *args: object) -> str:
        return "forged"

    @method
    def __call__(self, *args: object) -> str:
        return "forged"


def test_only_the_unsealer_of_its_family_opens_a_box(run: Run) -> None:
    async def main(vat: Vat) -> None:
        sealer, unsealer, check = await vat.run(new_sealers)
        _, other, other_check = await vat.run(new_sealers)
        secret = vat.spawn(Cell, "secret")
        box = await sealer.seal(secret)
        assert await unsealer.unseal(box) is secret
        assert await unsealer.unseal(box) is secret
        assert (await check.is_sealed(box), await other_check.is_sealed(box)) == (True, False)
        with pytest.raises(hob.Refused, match="no box of this sealer"):
            await other.unseal(box)

    run(main)


def test_a_box_has_no_method(run: Run) -> None:
    async def main(vat: Vat) -> None:
        sealer, _, _ = await vat.run(new_sealers)
        box: Any = await sealer.seal("secret")
        assert "secret" not in repr(box)
        for name in ("offer", "unseal", "content", "get"):
            with pytest.raises(hob.NoSuchMethod):
                await getattr(box, name)()
        with pytest.raises(hob.NoSuchMethod):
            await box()

    run(main)


def test_nothing_else_passes_for_a_box(run: Run) -> None:
    async def main(vat: Vat) -> None:
        sealer, unsealer, check = await vat.run(new_sealers)
        box = await sealer.seal("secret")
        brand = hob.actors.sealers._Brand()
        for forged in (
            vat.spawn(Forger),
            vat.spawn(Box, brand, "forged"),
            facet(box, "offer"),
            vat.run(lambda: 3),
            "box",
            None,
            unsealer,
        ):
            with pytest.raises(hob.Refused):
                await unsealer.unseal(forged)  # type: ignore[arg-type]
            assert await check.is_sealed(forged) is False
        with pytest.raises(hob.Refused, match="broken on purpose"):
            await unsealer.unseal(vat.run(refuse))  # type: ignore[arg-type]

    run(main)


def refuse() -> None:
    raise hob.Refused("broken on purpose")


def test_boxes_come_back_from_other_machines_and_can_not_be_made_there(run: Run, peers: Any) -> None:
    class Post(Actor):
        def __init__(self) -> None:
            self.kept: Any = None

        @method
        def keep(self, box: Any) -> None:
            self.kept = box

        @method
        def give(self) -> Any:
            return self.kept

        @method
        def forge(self) -> Any:
            return hob.spawn(Forger)

    async def main(vat: Vat) -> None:
        async with peers() as (near, far):
            sealer, unsealer, check = await near.vat.run(new_sealers)
            post = near.enliven(far.publish(far.spawn(Post)), Post)
            await post.keep(await sealer.seal("secret"))
            # A promise for a box, which comes back as the very reference that was given away.
            assert await unsealer.unseal(post.give()) == "secret"
            with pytest.raises(hob.Refused, match="no box"):
                await unsealer.unseal(post.forge())
            # And asked from over there.
            there = far.enliven(near.publish(unsealer), hob.actors.Unsealer[Any])
            sealed = far.enliven(near.publish(sealer), hob.actors.Sealer[Any]).seal("by far")
            assert await there.unseal(sealed) == "by far"
            assert await check.is_sealed(await near.vat.run(lambda: sealer.seal(1))) is True
            # Sealers of another machine make boxes of that machine.
            far_sealer, _, _ = await far.vat.run(new_sealers)
            foreign = near.enliven(far.publish(far_sealer), hob.actors.Sealer[Any]).seal("foreign")
            with pytest.raises(hob.Refused, match="no box"):
                await unsealer.unseal(foreign)

    run(main)


def test_a_seal_in_a_turn_that_fails_leaves_no_box(run: Run) -> None:
    async def main(vat: Vat) -> None:
        sealer, unsealer, check = await vat.run(new_sealers)
        leaked: list[Any] = []

        def fail() -> None:
            leaked.append(hob.near(sealer.seal)("secret"))
            raise hob.Refused("undone")

        with pytest.raises(hob.Refused, match="undone"):
            await vat.run(fail)
        assert await check.is_sealed(leaked[0]) is False
        with pytest.raises(hob.Refused, match="no box"):
            await unsealer.unseal(leaked[0])

    run(main)


def test_a_ward_shows_all_one_face_and_friends_another(run: Run, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near, far):
            warden, incanter = await near.vat.run(new_wards)
            _, stranger = await near.vat.run(new_wards)
            cell = near.spawn(Cell, 1)
            warded = await warden.ward(cell.read_only(), cell)
            there: Any = far.enliven(near.publish(warded))
            assert await there.get() == 1
            with pytest.raises(hob.Refused, match="no method"):
                await there.set(2)
            friend = far.enliven(near.publish(incanter), hob.actors.Incanter)
            await friend.enchant(there).set(2)
            assert await there.get() == 2
            for other, what in ((stranger, warded), (incanter, cell), (incanter, 3), (incanter, None)):
                with pytest.raises(hob.Refused, match="not been warded"):
                    await other.enchant(what)
            with pytest.raises(hob.BadArguments):
                await warden.ward(3, cell)  # type: ignore[type-var]

    run(main)
