"""What Endo's unit tests ask of the collection of references, asked of a peer of ours over a socket.

======================================================  ================================================
row                                                     test
======================================================  ================================================
count per send                                          test_each_sending_counts
an object bounced back and forth                        test_an_object_bounced_back_and_forth
drop on full, not on partial delta                      test_an_export_goes_with_its_last_count
re-export after GC                                      test_an_object_is_exported_again_after_its_collection
GC on collection, with the accumulated delta            test_what_was_held_goes_back_with_all_its_counts
answers                                                 test_answers_go_when_their_positions_are_given_up
======================================================  ================================================
"""

import gc

import pytest

from hobgoblin import Actor, method
from hobgoblin.values import Symbol

ECHO = b"IO58l1laTyhcrgDKbEzFOO32MDd6zE5w"


class Keeper(Actor):
    """Keeps what it is given until it is told to drop it."""

    def __init__(self):
        self.kept = ()

    @method
    def keep(self, *things):
        self.kept += things

    @method
    def drop(self):
        self.kept = ()


def car_maker(stage):
    """Publish a function that returns the same object each time."""
    car = stage.ours.spawn(lambda: "vroom")
    stage.publish(stage.ours.spawn(lambda: car), b"car")
    return car


def sent(stage, reference):
    """How often the one peer that is connected holds an export of ours."""
    (connection,) = stage.ours.connections
    rows = connection.session.dump().splitlines()
    (row,) = [row for row in rows if row.strip().startswith(f"export {reference.fields[0]}:")]
    return int(row.rpartition(" ")[2])


async def test_each_sending_counts(stage, rec):
    """In results, in answers to listeners and within containers: each occurrence is one."""
    car_maker(stage)
    far = await stage.session()
    target = await far.fetch(b"car")
    first = await far.value(far.ask(target))
    for number in range(2, 5):
        assert await far.value(far.ask(target)) == first
        assert sent(stage, first) == number
    echo = await far.fetch(ECHO)
    assert await far.value(far.ask(echo, far.to(first), (far.to(first),))) == (first, (first,))
    assert sent(stage, first) == 6
    question = far.ask(target, pipelined=True)
    assert await far.value(question) == await far.value(far.listen(question.answer)) == first
    assert sent(stage, first) == 8


async def test_an_object_bounced_back_and_forth(stage):
    """As often as it was sent, as often it comes back; and it stays usable all the time."""
    far = await stage.session()
    echo = await far.fetch(ECHO)
    mine = far.object()
    for number in range(1, 6):
        assert await far.value(far.ask(echo, mine)) == (far.to(mine),)
        await far.gave_back(mine, number)


async def test_an_export_goes_with_its_last_count(stage):
    car_maker(stage)
    far = await stage.session()
    target = await far.fetch(b"car")
    cars = [await far.value(far.ask(target)) for _ in range(3)]
    car = cars[0]
    far.give_back((car.fields[0], 2))
    assert await far.value(far.ask(far.to(car))) == "vroom"
    assert sent(stage, car) == 1
    far.give_back((car.fields[0], 1))
    far.tell(far.to(car))
    assert f"no export {car.fields[0]}" in await far.aborted()


async def test_an_object_is_exported_again_after_its_collection(stage):
    car_maker(stage)
    far = await stage.session()
    target = await far.fetch(b"car")
    seen = []
    for _ in range(3):
        car = await far.value(far.ask(target))
        assert sent(stage, car) == 1
        assert await far.value(far.ask(far.to(car))) == "vroom"
        far.give_back((car.fields[0], 1))
        seen.append(car.fields[0])
    assert len(set(seen)) == 3  # a position is not used again


async def test_what_was_held_goes_back_with_all_its_counts(stage):
    stage.publish(stage.ours.spawn(Keeper), b"keeper")
    far = await stage.session()
    keeper = await far.fetch(b"keeper")
    mine = far.object()
    for number in range(3):
        await far.value(far.ask(keeper, Symbol("keep"), *[mine] * (number + 1)))
    await far.round_trip()
    assert far.released[mine.fields[0]] == 0
    await far.value(far.ask(keeper, Symbol("drop")))
    gc.collect()
    await far.gave_back(mine, 6)
    assert (mine.fields[0], 6) in far.releases


@pytest.mark.parametrize("settled", [True, False])
async def test_answers_go_when_their_positions_are_given_up(stage, rec, settled):
    """A position may be used again after that, and is refused before."""
    far = await stage.session()
    for _ in range(3):
        (to, verb) = (far.bootstrap, Symbol("fetch"))
        far.deliver(to, verb, ECHO, answer=7, resolver=(resolver := far.object()))
        if settled:
            assert (await far.called(resolver)).args[0] == Symbol("fulfill")
        far.give_up(7)
    await far.round_trip()
    far.deliver(far.bootstrap, Symbol("fetch"), ECHO, answer=7, resolver=far.object())
    far.deliver(far.bootstrap, Symbol("fetch"), ECHO, answer=7, resolver=far.object())
    assert "7 is in use" in await far.aborted()
