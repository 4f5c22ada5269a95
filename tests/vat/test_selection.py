"""Parts of what promises settle to, within a process: ``promise["field"]``, ``promise[0]``, ``untag``."""

import asyncio
import collections
import enum
from typing import Any

import pytest

from hobgoblin.errors import NoSuchPart, NotPassable, Refused
from hobgoblin.loops import VatThread
from hobgoblin.refs import Promise
from hobgoblin.values import Symbol, Tagged
from hobgoblin.vat import Actor, Vat, method, near, new_promise, on, send, spawn, untag


class Car(Actor):
    def __init__(self, color: str) -> None:
        self.color = color

    @method
    def drive(self) -> str:
        return f"a {self.color} car drives"


class Garage(Actor):
    def __init__(self) -> None:
        self.parts: tuple[Any, ...] = ()

    @method
    def cars(self) -> dict[str, list[Car]]:
        return {"red": [spawn(Car, "red")], "none": []}

    @method
    def price(self) -> Tagged:
        return Tagged("euro", (5, "cents"))

    @method
    def fail(self) -> dict[str, int]:
        raise ValueError("no")

    @method
    def take(self, promise: Any) -> None:
        self.parts += (promise,)

    @method
    def taken(self) -> Any:
        return self.parts

    @method
    def ask_and_fail(self, promise: Any) -> None:
        self.parts = (promise["red"],)
        raise Refused("undone")

    @method
    def ask_and_return(self, promise: Any) -> Any:
        part = promise["red"]
        with pytest.raises(TypeError):
            near(part)()  # not before the turn commits, though the value is known
        return part


@pytest.mark.parametrize("place", ["here", "elsewhere"])
@pytest.mark.parametrize("when", ["pending", "settled"])
class TestParts:
    def test_a_part_can_be_used_like_any_promise(self, run: Any, place: str, when: str) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                garage = (vat if place == "here" else thread).spawn(Garage)
                cars = garage.cars()
                price = garage.price()
                if when == "settled":
                    await cars
                    await price
                assert await cars["red"][0].drive() == "a red car drives"
                assert await untag(price, "euro")[0] == 5
                assert await cars["none"] == ()
                heard: list[object] = []
                await on(cars["red"], heard.append)
                assert heard == [await cars["red"]]
                await garage.take(cars["red"])
                assert (await garage.taken())[0]._state in {0, 1, 2}
                assert await garage.taken()[0][0].drive() == "a red car drives"

        run(main)

    def test_t31_what_is_not_there_breaks_it(self, run: Any, place: str, when: str) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                garage: Any = (vat if place == "here" else thread).spawn(Garage)
                cars, price, drive = garage.cars(), garage.price(), garage.cars()["red"][0].drive()
                if when == "settled":
                    await asyncio.gather(cars, price, drive)
                for part, problem in [
                    (cars["blue"], "no field 'blue' in a struct"),
                    (cars[0], "no item 0 in a struct"),
                    (cars["red"][1], "no item 1 in a list of 1"),
                    (cars["red"][0]["color"], "no field 'color' in an object"),
                    (drive["x"], "no field 'x' in text"),
                    (price["euro"], "no field 'euro' in a value tagged 'euro'"),
                    (untag(price, "dollar"), "no tag 'dollar' on a value tagged 'euro'"),
                    (untag(cars, "euro"), "no tag 'euro' on a struct"),
                ]:
                    with pytest.raises(NoSuchPart) as caught:
                        await part
                    assert str(caught.value) == problem
                    assert isinstance(caught.value, Refused | LookupError)
                with pytest.raises(NoSuchPart) as caught:
                    await cars["blue"].drive()
                assert caught.value.__notes__ == ["it has red, none"]

        run(main)

    def test_a_broken_promise_breaks_its_parts(self, run: Any, place: str, when: str) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                failed = (vat if place == "here" else thread).spawn(Garage).fail()
                if when == "settled":
                    with pytest.raises(ValueError, match="no"):
                        await failed
                for part in (failed["x"], failed["x"][0], untag(failed["y"], "t")):  # type: ignore[index]
                    with pytest.raises(ValueError, match="no"):
                        await part

        run(main)


class TestPromises:
    def test_of_one_that_follows_others(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                first, first_resolver = await vat.run(new_promise)
                second, second_resolver = await thread.run(new_promise)
                third, third_resolver = await vat.run(new_promise)
                early = first["name"][1]
                await first_resolver.fulfill(second)
                between = first["name"][1]
                await second_resolver.fulfill(third)
                late = first["name"][1]
                await third_resolver.fulfill({"name": [1, 2]})
                assert await asyncio.gather(early, between, late) == [2, 2, 2]

        run(main)

    def test_a_part_that_is_a_promise_is_followed(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            async with VatThread() as thread:
                for home in (vat, thread):
                    outer, outer_resolver = await vat.run(new_promise)
                    inner, inner_resolver = await home.run(new_promise)
                    early = outer["inner"]["x"]
                    await outer_resolver.fulfill({"inner": inner})
                    late = outer["inner"]["x"]
                    await inner_resolver.fulfill({"x": 5})
                    again = outer["inner"]["x"]
                    assert await asyncio.gather(early, late, again) == [5, 5, 5]

        run(main)

    def test_parts_keep_the_order_of_messages(self, run: Any) -> None:
        class Log(Actor):
            def __init__(self) -> None:
                self.entries: tuple[int, ...] = ()

            @method
            def add(self, number: int) -> tuple[int, ...]:
                self.entries += (number,)
                return self.entries

        async def main(vat: Vat) -> None:
            log = vat.spawn(Log)
            promise, resolver = await vat.run(new_promise)
            part = promise["log"]
            for number in range(10):
                part.add(number)
            await resolver.fulfill({"log": log})
            assert await part.add(10) == tuple(range(11))

        run(main)

    def test_a_value_that_is_itself_an_exception(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            error = NoSuchPart("as a value")
            part = promise[0]
            await resolver.fulfill([error])
            assert await part is error
            assert await promise[0] is error

        run(main)


class TestTurns:
    def test_what_a_failed_turn_asked_for_is_never_asked(self, run: Any, errors: Any) -> None:
        async def main(vat: Vat) -> None:
            garage = vat.spawn(Garage)
            cars, parts = await vat.run(lambda: ({"red": 5}, ()))
            cars = garage.cars()
            await cars
            kept: list[Any] = []

            def fail() -> None:
                kept.append(cars["red"])
                raise Refused("undone")

            with pytest.raises(Refused, match="undone"):
                await vat.run(fail)
            with pytest.raises(Exception, match="the turn that sent this failed"):
                await kept[0]
            with pytest.raises(Refused, match="undone"):
                await garage.ask_and_fail(cars)
            assert await garage.taken() == parts

        run(main)
        assert errors() == []

    def test_what_a_turn_asks_for_is_asked_when_it_commits(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            await resolver.fulfill({"red": 5})
            await promise
            garage = vat.spawn(Garage)
            assert await garage.ask_and_return(promise) == 5

        run(main)

    def test_a_part_that_is_missing_and_that_nobody_awaits_is_reported_with_its_place(
        self, run: Any, errors: Any
    ) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            promise["gone"]
            await resolver.fulfill({})

        run(main)
        [message] = errors()
        assert message.startswith("nobody awaited a promise that broke, sent from")
        assert "test_selection.py" in message


class Color(enum.StrEnum):
    RED = "red"


class Place(enum.IntEnum):
    FIRST = 0


class TestKeys:
    @pytest.mark.parametrize("key", [Color.RED, collections.UserString("x").data, "red"])
    def test_text_of_any_kind_names_a_field(self, run: Any, key: str) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            await resolver.fulfill({str(key): (1,)})
            assert await promise[key] == (1,)
            assert await promise[key][Place.FIRST] == 1

        run(main)

    @pytest.mark.parametrize(
        "key", [1.0, True, None, b"x", Symbol("x"), (1,), ["x"], slice(0, 1), ..., Tagged("x", 1)]
    )
    def test_what_is_no_key_is_told_here(self, run: Any, key: Any) -> None:
        async def main(vat: Vat) -> None:
            promise: Any = Promise(vat)
            with pytest.raises(TypeError, match="await it"):
                promise[key]
            with pytest.raises(TypeError, match=r"await it|needs|index"):
                promise[promise]

        run(main)

    @pytest.mark.parametrize("key", [-1, -(2**70), 2**53, 2**70])
    def test_an_index_that_no_list_has_is_told_here(self, run: Any, key: int) -> None:
        async def main(vat: Vat) -> None:
            promise: Any = Promise(vat)
            with pytest.raises(IndexError, match=r"await the promise|no list"):
                promise[key]

        run(main)

    def test_text_that_has_no_form_is_told_here(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise: Any = Promise(vat)
            with pytest.raises(NotPassable, match="the field's name: text with a lone surrogate"):
                promise["\ud800"]
            with pytest.raises(NotPassable, match="the tag: text with a lone surrogate"):
                untag(promise, "\ud800")

        run(main)

    def test_what_cannot_be_untagged_is_told_here(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            with pytest.raises(TypeError, match=r"takes a promise, not Tagged"):
                untag(Tagged("x", 1), "x")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="takes a promise"):
                untag(vat.spawn(Car, "red"), "x")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="text, not Symbol"):
                untag(Promise(vat), Symbol("x"))  # type: ignore[arg-type]

        run(main)

    def test_a_plain_reference_and_a_method_have_no_parts(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            car: Any = vat.spawn(Car, "red")
            for target in (car, car.drive):
                with pytest.raises(TypeError, match="__getitem__ is not possible"):
                    target["color"]

        run(main)

    def test_long_names_are_cut_in_errors(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            promise, resolver = await vat.run(new_promise)
            await resolver.fulfill({str(n) + "y" * 1000: n for n in range(1000)})
            with pytest.raises(NoSuchPart) as caught:
                await promise["x" * 1000]
            assert len(str(caught.value)) < 120
            [note] = caught.value.__notes__
            assert len(note) < 2000
            assert note.endswith("and 980 more")

        run(main)


def test_a_send_without_a_method_gives_parts_as_well(run: Any) -> None:
    async def main(vat: Vat) -> None:
        assert await send(vat.spawn(lambda: {"a": [7]}))["a"][0] == 7

    run(main)
