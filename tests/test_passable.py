"""Registered classes: instances pass as tagged structs, and nothing that does not fit becomes one."""

import asyncio
import importlib
import importlib.util
import logging
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, Promise, Symbol, Tagged, Vat, method, near, netlayers, new_promise, spawn
from hobgoblin.actors import membrane
from hobgoblin.blocking import result
from hobgoblin.captp.handshake import hello
from hobgoblin.messages import ENCODERS, DescExport, DescImportObject, OpDeliver
from hobgoblin.syrup import encode
from hobgoblin.testing.pairs import keys_of, location_of
from hobgoblin.values import DEFAULT_LIMITS

T = TypeVar("T")

made: list[str] = []
"""What constructors have run."""


@hob.passable
@dataclass(frozen=True)
class Spot:
    level: int
    name: str = "unnamed"

    def __post_init__(self) -> None:
        made.append("Spot")
        if self.level < 0:
            raise ValueError(f"secret {self.level}")
        if self.level == 13:
            raise hob.Refused("nobody parks on level 13")


class Car(Actor):
    @method
    def drive(self) -> str:
        return "vroom"


@hob.passable("garage/offer")
@dataclass
class Offer:
    """Everything that a field may hold."""

    seats: ClassVar[int] = 4
    car: Car
    spot: Spot | None = None
    extras: list[str] = field(default_factory=list)
    prices: dict[str, int] = field(default_factory=dict, kw_only=True)
    spots: tuple[Spot, ...] = ()
    anything: Any = None
    total: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.total = sum(self.prices.values())


@hob.passable
@dataclass
class Tree(Generic[T]):
    value: T
    children: "list[Tree[T]]" = field(default_factory=list)


@dataclass
class Unregistered:
    x: int


class Garage(Actor):
    def __init__(self) -> None:
        self.spot = Spot(1)
        self.ran = 0

    @method
    def echo(self, value: Any) -> Any:
        return value

    @method
    def park(self, spot: Spot) -> str:
        self.ran += 1
        assert type(spot) is Spot
        return spot.name

    @method
    def each(self, spots: list[Spot], more: dict[str, Spot | None]) -> int:
        assert type(spots) is list
        assert {type(spot) for spot in spots} <= {Spot}
        return len(spots) + len(more)

    @method
    def offer(self) -> Offer:
        return Offer(
            spawn(Car), Spot(2, "b"), ["radio"], spots=(Spot(3), Spot(4)), prices={"net": 5, "tax": 1}
        )

    @method
    def drive(self, offer: Offer) -> Promise[str]:
        return offer.car.drive()

    @method
    def plain(self, x, *rest):  # type: ignore[no-untyped-def]
        return [x, *rest]

    @method
    def tagged(self, x: Tagged) -> str:
        return x.tag

    @method
    def own(self) -> Spot:
        return self.spot


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        made.clear()
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


async def until(there: Callable[[], bool]) -> None:
    while not there():  # noqa: ASYNC110  # what comes next, comes through the loop
        await asyncio.sleep(0)


def here_and_there(check: Callable[[Garage], Coroutine[Any, Any, None]]) -> None:
    """Check with a garage of this process, and with one behind a session."""

    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "a")) as a,
            Peer(netlayers.Memory(network, "b")) as b,
        ):
            near_by = a.spawn(Garage)
            await check(near_by)
            await check(b.enliven(a.publish(near_by), Garage))

    run(main)


def test_instances_come_back_as_themselves() -> None:
    async def check(garage: Garage) -> None:
        assert await garage.echo(Spot(5, "x")) == Spot(5, "x")
        assert await garage.echo([Spot(1), {"a": Spot(2)}]) == (Spot(1), {"a": Spot(2)})
        assert await garage.echo(Tagged("other", (Spot(1),))) == Tagged("other", (Spot(1),))
        assert await garage.park(Spot(1, "left")) == "left"
        assert await garage.park(spot=Spot(1, "left")) == "left"
        assert await garage.each([Spot(1), Spot(2)], {"a": Spot(3), "b": None}) == 4
        assert await garage.plain(Spot(1), Spot(2)) == (Spot(1), Spot(2))
        assert await garage.echo(Tree(1, [Tree(2, [Tree(3)])])) == Tree(1, [Tree(2, [Tree(3)])])

    here_and_there(check)


def test_fields_hold_references_lists_and_other_instances() -> None:
    async def check(garage: Garage) -> None:
        offer = await garage.offer()
        assert isinstance(offer, Offer)
        assert (offer.spot, offer.extras, offer.prices) == (Spot(2, "b"), ["radio"], {"net": 5, "tax": 1})
        assert (offer.spots, offer.total) == ((Spot(3), Spot(4)), 6)
        assert isinstance(offer.car, hob.Ref)
        assert await offer.car.drive() == "vroom"
        # What is received can be passed on.
        offer.anything = {"more": Spot(9)}
        assert await garage.drive(offer) == "vroom"
        again = await garage.echo(offer)
        assert again.anything == {"more": Spot(9)}
        assert again.car == offer.car

    here_and_there(check)


def test_parts_of_an_instance_can_be_asked_for_before_it_is_there() -> None:
    async def check(garage: Garage) -> None:
        offer = garage.offer()
        assert await offer["car"].drive() == "vroom"
        assert await offer["prices"]["net"] == 5
        assert await offer["spot"] == Spot(2, "b")
        assert await offer["spot"]["name"] == "b"
        assert await offer["spots"][1]["level"] == 4
        assert await offer["spots"] == (Spot(3), Spot(4))
        assert (await hob.untag(offer, "garage/offer"))["spot"] == Spot(2, "b")
        assert await hob.untag(offer, "garage/offer")["extras"] == ("radio",)
        for part in (offer["fly"], offer["spot"]["fly"], offer[0], hob.untag(offer, "spot")):  # type: ignore[call-overload]
            with pytest.raises(hob.Refused, match=r"no (field|item|tag)"):
                await part
        # Of a tag that nobody has registered, nothing is known.
        with pytest.raises(hob.Refused, match="no field 'a' in a value tagged 'other'"):
            await garage.echo(Tagged("other", {"a": 1}))["a"]

    here_and_there(check)


def test_a_copy_arrives_also_within_one_vat() -> None:
    async def main() -> None:
        garage = hob.spawn_vat().spawn(Garage)
        extras = ["radio"]
        offer = Offer(hob.spawn_vat().spawn(Car), extras=extras)
        echoed = garage.echo(offer)
        one, two = await echoed, await echoed
        assert one == two == offer
        assert one is not two
        assert one is not offer
        one.extras.append("changed")
        assert two.extras == extras == ["radio"]
        assert await garage.own() is not await garage.own()

    run(main)


def test_wherever_a_value_is_read_it_is_an_instance() -> None:
    async def main() -> None:
        vat = hob.spawn_vat()
        garage = vat.spawn(Garage)
        seen: list[object] = []
        await hob.on(garage.own(), seen.append)
        assert seen == [Spot(1)]
        assert await vat.run(lambda: near(garage.own)()) == Spot(1)
        assert await vat.run(lambda: Spot(7)) == Spot(7)
        assert await hob.all_of(garage.own(), 5, Spot(6)) == (Spot(1), 5, Spot(6))
        assert await hob.all_of(garage.own(), garage.own())[1]["level"] == 1
        assert await hob.race(garage.own()) == await hob.any_of(garage.own()) == Spot(1)
        [outcome] = await hob.settled(garage.own())
        assert outcome.value == Spot(1)
        assert await hob.timeout(garage.own(), 5) == Spot(1)
        assert await asyncio.gather(garage.own(), garage.own()) == [Spot(1), Spot(1)]

        promise, resolver = await vat.run(new_promise)
        await resolver.fulfill([Spot(2)])
        assert await promise == (Spot(2),)
        assert await promise[0]["level"] == 2
        promise, resolver = await vat.run(new_promise)
        await resolver.break_(Spot(2))
        with pytest.raises(hob.BrokenPromise) as caught:
            await promise
        assert caught.value.reason == Tagged("Spot", {"level": 2, "name": "unnamed"})

        with hob.VatThread() as other:
            there = other.spawn(Garage)
            assert await there.echo([Spot(3)]) == (Spot(3),)
            assert await there.park(Spot(3, "far")) == "far"

        async def handler(value: Spot) -> int:
            return value.level

        assert await hob.on(garage.own(), handler) == 1
        cell: Any = vat.spawn(hob.actors.Cell, Spot(8))
        assert await cell.get() == Spot(8)

    run(main)


def test_threads_read_instances_as_well() -> None:
    with hob.VatThread() as vat:
        assert result(vat.spawn(Garage).own(), timeout=30) == Spot(1)


def test_a_membrane_looks_into_instances() -> None:
    async def main() -> None:
        vat = hob.spawn_vat()
        wrapped, revoker = await vat.run(membrane, vat.spawn(Garage))
        offer = await wrapped.offer()
        assert offer.spot == Spot(2, "b")
        assert await offer.car.drive() == "vroom"
        assert await wrapped.drive(offer) == "vroom"
        assert await wrapped.park(Spot(1, "left")) == "left"
        await revoker.revoke()
        with pytest.raises(hob.Refused, match="revoked"):
            await offer.car.drive()

    run(main)


def test_what_does_not_fit_can_not_leave() -> None:
    async def check(garage: Garage) -> None:
        wrong: Any = Offer(5)  # type: ignore[arg-type]
        with pytest.raises(hob.NotPassable, match=r"^args\[0\]\[1\]\.car: is an integer, not a reference$"):
            await garage.echo([0, wrong])
        with pytest.raises(hob.NotPassable, match=r"^args\[0\]\.anything\[0\]: .*set"):
            await garage.echo(Offer(garage, anything=[{1}]))  # type: ignore[arg-type]
        with pytest.raises(hob.NotPassable, match=r"^args\[0\]: has a field that a Spot has not"):
            await garage.echo(Tagged("Spot", {"level": 1, "height": 2}))
        with pytest.raises(hob.NotPassable, match="register Unregistered with @passable"):
            await garage.echo(Unregistered(1))

    here_and_there(check)


def test_errors_in_fields_cross_as_what_a_peer_may_know() -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "a")) as a,
            Peer(netlayers.Memory(network, "b")) as b,
        ):
            garage = b.enliven(a.publish(a.spawn(Garage)), Garage)
            for answer in (
                await garage.echo(Tree(hob.Refused("told"))),
                await garage.echo([Tagged("other", Tree(hob.Refused("told")))]),
            ):
                assert "told" in repr(answer)
                assert "Refused" not in repr(answer)

            class Large(Garage):
                @method
                def large(self) -> Tree[str]:
                    return Tree("x" * 20_000_000)

            with pytest.raises(hob.NotPassable, match="larger than the limit"):
                await garage.echo([Tree("x" * 20_000_000)])
            with pytest.raises(hob.RemoteError):
                await b.enliven(a.publish(a.spawn(Large)), Large).large()
            assert await garage.echo(Tree("goes on")) == Tree("goes on")

    run(main)


def test_what_is_too_long_for_a_session_breaks_the_call_and_nothing_else() -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        limits = hob.Limits(message_bytes=2000)
        async with (
            Peer(netlayers.Memory(network, "a")) as a,
            Peer(netlayers.Memory(network, "b"), limits=limits) as b,
        ):
            garage: Garage = await b.enliven(a.publish(a.spawn(Garage)), Garage)
            long = Spot(1, "x" * 3000)
            for arg in (long, [long, ValueError("an error does not cross as it is")]):
                with pytest.raises(hob.NotPassable, match="larger than the limit"):
                    await garage.echo(arg)
            answers = await b.vat.run(lambda: [garage.echo(long), garage.park(Spot(1, "the next one"))])
            with pytest.raises(hob.NotPassable, match="larger than the limit"):
                await answers[0]
            assert await answers[1] == "the next one"

    run(main)


def test_what_a_class_refuses_breaks_the_call_and_nothing_else() -> None:
    async def check(garage: Garage) -> None:
        negative = Tagged("Spot", {"level": -1})
        with pytest.raises(hob.Refused) as caught:
            await garage.park(negative)  # type: ignore[arg-type]
        assert "park(): 'spot' does not make a Spot" in str(caught.value)
        assert "secret" not in str(caught.value)
        with pytest.raises(hob.Refused, match=r"plain\(\): 'x\[0\]' does not make a Spot"):
            await garage.plain([negative])
        with pytest.raises(hob.Refused, match="nobody parks on level 13"):
            await garage.echo(Tagged("Spot", {"level": 13}))
        with pytest.raises(hob.Refused, match=r"park\(\): 'spot' is a tagged value, not a Spot"):
            await garage.park(Tagged("spot", {"level": 1}))  # type: ignore[arg-type]
        with pytest.raises(hob.Refused, match=r"park\(\): 'spot' is a struct, not a Spot"):
            await garage.park({"level": 1})  # type: ignore[arg-type]
        with pytest.raises(hob.Refused, match=r"park\(\): 'spot' is a Tree, not a Spot"):
            await garage.park(Tree(1))  # type: ignore[arg-type]
        with pytest.raises(hob.Refused, match=r"each\(\): 'spots\[1\]' is a Tree, not a Spot"):
            await garage.each([Spot(1), Tree(1)], {})  # type: ignore[list-item]
        with pytest.raises(hob.Refused, match=r"tagged\(\): 'x' is a Spot, not a tagged value"):
            await garage.tagged(Spot(1))  # type: ignore[arg-type]
        assert await garage.tagged(Tagged("other", 1)) == "other"
        assert await garage.park(Spot(1, "goes on")) == "goes on"

    here_and_there(check)


def test_an_instance_is_made_where_it_is_waited_for() -> None:
    unit: ContextVar[str] = ContextVar("unit", default="none")

    @hob.passable("length")
    @dataclass(frozen=True)
    class Length:
        value: int
        unit: str = field(init=False, default="")

        def __post_init__(self) -> None:
            object.__setattr__(self, "unit", unit.get())

    async def measure(garage: Garage, own: str) -> str:
        unit.set(own)
        await garage.echo(0)
        length: Length = await garage.echo(Tagged("length", {"value": 1}))
        return length.unit

    async def check(garage: Garage) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(measure(garage, own)) for own in ("m", "ft")]
        assert [task.result() for task in tasks] == ["m", "ft"]

    here_and_there(check)


def test_a_result_that_a_class_refuses_can_not_be_read() -> None:
    async def main() -> None:
        vat = hob.spawn_vat()
        garage = vat.spawn(Garage)

        def give() -> object:
            return [Tagged("Spot", {"level": -1})]

        for answer in (vat.spawn(give)(), vat.run(give)):
            with pytest.raises(hob.WrongResult, match=r"'result\[0\]' does not make a Spot"):
                await answer
        with pytest.raises(hob.WrongResult):
            await hob.all_of(vat.run(give), garage.own())
        caught: list[BaseException] = []
        await hob.on(vat.run(give), lambda value: pytest.fail("it was read"), catch=caught.append)
        assert [type(error) for error in caught] == [hob.WrongResult]
        with pytest.raises(hob.WrongResult):
            await hob.on(vat.run(give), lambda value: pytest.fail("it was read"))
        [outcome] = await hob.settled(vat.run(give))
        with pytest.raises(hob.WrongResult):
            print(outcome.value)

    run(main)


class Octets:
    """A session of a vat with nobody but octets on the other side."""

    def __init__(self, vat: Vat, bootstrap: object = None, limits: hob.Limits = DEFAULT_LIMITS) -> None:
        self.sent: list[bytes] = []
        self.receive, self.remote = hob.attach(vat, self.sent.append, bootstrap=bootstrap, limits=limits)
        keys = keys_of("alice")
        self.say(encode(hello(keys, location_of("alice"), "1.0"), encoders=ENCODERS))

    def say(self, octets: bytes) -> None:
        self.receive(octets)

    def call(self, *args: object) -> None:
        self.say(encode(OpDeliver(DescExport(0), args, False, False), encoders=ENCODERS))

    async def fulfill(self, value: object) -> None:
        await until(lambda: any(b"desc:import-object" in octets for octets in self.sent))
        [asked] = [octets for octets in self.sent if b"desc:import-object" in octets]
        self.sent.clear()
        position = int(asked.rpartition(b"desc:import-object")[2].partition(b"+")[0])
        told = OpDeliver(DescExport(position), (Symbol("fulfill"), value), False, False)
        self.say(encode(told, encoders=ENCODERS))


HOSTILE: list[tuple[object, str]] = [
    (Tagged("Spot", MappingProxyType({"level": "high"})), r"\.level' is text, not an integer"),
    (Tagged("Spot", MappingProxyType({"level": True})), r"\.level' is a boolean, not an integer"),
    (Tagged("Spot", MappingProxyType({})), r"\.level' is missing"),
    (Tagged("Spot", MappingProxyType({"level": 1, "self": 2})), "' has a field that a Spot has not"),
    (Tagged("Spot", (1,)), "' is a list, not a Spot"),
    (Tagged("Spot", None), "' is None, not a Spot"),
    (Tagged("Spot", Tagged("Spot", MappingProxyType({"level": 1}))), "' is a Spot, not a Spot|is a"),
    (
        Tagged("Tree", MappingProxyType({"value": 1, "children": (Tagged("Tree", MappingProxyType({})),)})),
        r"\.children\[0\]\.value' is missing",
    ),
    (
        Tagged(
            "Tree",
            MappingProxyType({"value": 1, "children": (Tagged("Spot", MappingProxyType({"level": 1})),)}),
        ),
        r"\.children\[0\]' is a Spot, not a Tree",
    ),
    (("x", Tagged("Spot", MappingProxyType({"level": None}))), r"\[1\]\.level' is None"),
]


@pytest.mark.parametrize(("value", "problem"), HOSTILE)
def test_octets_that_do_not_fit_break_the_call_not_the_session(value: object, problem: str) -> None:
    async def main() -> None:
        vat = hob.spawn_vat()
        got: list[object] = []
        octets = Octets(vat, got.append)
        octets.call(value)
        octets.call("and goes on")
        await until(lambda: bool(got))
        assert got == ["and goes on"]
        octets.receive.disconnected()
        # As a result: the promise breaks, before anybody reads it.
        octets = Octets(vat)
        answer = octets.remote()
        broken: list[BaseException] = []
        watching = hob.on(answer, lambda value: pytest.fail("it was read"), catch=broken.append)
        await octets.fulfill(value)
        await watching
        assert repr(answer) == "<Promise broken>"
        with pytest.raises(hob.WrongResult, match=f"'result.*{problem}"):
            await answer
        assert [type(error) for error in broken] == [hob.WrongResult]
        next_answer = octets.remote()
        await octets.fulfill("and goes on")
        assert await next_answer == "and goes on"
        octets.receive.disconnected()

    logging.getLogger("hobgoblin.vat").setLevel(logging.CRITICAL)
    try:
        run(main)
    finally:
        logging.getLogger("hobgoblin.vat").setLevel(logging.NOTSET)


def test_what_is_only_passed_on_need_not_fit_the_classes_of_who_passes_it_on() -> None:
    async def main() -> None:
        vat = hob.spawn_vat()
        far = Octets(vat)
        asking = Octets(vat, far.remote)
        await until(lambda: bool(asking.sent))
        asking.sent.clear()
        asking.say(encode(OpDeliver(DescExport(0), ("anything",), 1, DescImportObject(1)), encoders=ENCODERS))
        await far.fulfill(Tagged("Spot", MappingProxyType({"of": "others"})))
        await until(lambda: any(b"fulfill" in octets or b"break" in octets for octets in asking.sent))
        [told] = asking.sent
        assert b"fulfill" in told
        assert encode(MappingProxyType({"of": "others"})) in told
        asking.receive.disconnected()
        far.receive.disconnected()

    run(main)


def test_nothing_runs_before_the_fields_are_checked() -> None:
    async def main() -> None:
        vat = hob.spawn_vat()
        octets = Octets(vat)
        answer = octets.remote()
        await octets.fulfill(Tagged("Spot", MappingProxyType({"level": -1})))
        await asyncio.sleep(0)
        assert repr(answer) == "<Promise fulfilled>"
        assert made == []  # what the class itself thinks of it shows where it is read
        with pytest.raises(hob.WrongResult, match="'result' does not make a Spot"):
            await answer
        assert made == ["Spot"]
        octets.receive.disconnected()

    run(main)


def test_a_class_that_is_not_asked_for_runs_nothing() -> None:
    async def check(garage: Garage) -> None:
        made.clear()
        spot: Any = Tagged("Spot", {"level": 1})
        for wrong in (spot, [spot], {"level": spot}):
            with pytest.raises(hob.Refused, match=r"tagged\(\): 'x' is a "):
                await garage.tagged(wrong)
        with pytest.raises(hob.Refused, match=r"each\(\): 'spots\[1\]' is an integer, not a Spot"):
            await garage.each([spot, 5], {})  # type: ignore[list-item]
        assert made == []

    here_and_there(check)


def test_who_was_given_nothing_makes_no_instances() -> None:
    async def main() -> None:
        network = netlayers.MemoryNetwork()
        async with (
            Peer(netlayers.Memory(network, "a")) as a,
            Peer(netlayers.Memory(network, "b")) as b,
        ):
            garage: Any = await b.enliven(a.publish(a.spawn(Garage)))
            door: Any = b.connections[0].session.bootstrap
            made.clear()
            spot = Tagged("Spot", {"level": 1})
            for message in (
                (Symbol("fetch"), spot),
                (Symbol("fetch"), spot, spot),
                (Symbol("deposit-gift"), spot, garage),
                (Symbol("deposit-gift"), b"gift", spot),
                (Symbol("withdraw-gift"), [spot]),
            ):
                with pytest.raises(hob.Refused):
                    await hob.send(door, *message)
            with pytest.raises(hob.Refused, match="unexpected keyword argument 'height'"):
                await door.fetch(height=spot)
            assert made == []

    run(main)


def test_an_error_shows_no_name_that_a_peer_has_chosen() -> None:
    async def main() -> None:
        chosen = "level\nforged \x1b[2J"
        octets = Octets(hob.spawn_vat())
        answer = octets.remote()
        await octets.fulfill(Tagged("Spot", MappingProxyType({chosen: Tagged("Spot", MappingProxyType({}))})))
        with pytest.raises(hob.WrongResult, match=r"^'result' has a field that a Spot has not$"):
            await answer
        octets.receive.disconnected()

    run(main)


def test_only_registered_tags_make_instances() -> None:
    async def main() -> None:
        got: list[object] = []
        octets = Octets(hob.spawn_vat(), got.append)
        for tag in ("Unregistered", "dataclass", "builtins.dict", "spot", "test_passable.Spot"):
            octets.call(Tagged(tag, MappingProxyType({"level": 1})))
        await until(lambda: len(got) == 5)
        assert {type(value) for value in got} == {Tagged}
        octets.receive.disconnected()

    run(main)


class TestRegistering:
    def test_the_tag_is_the_name_of_the_class_or_what_is_given(self) -> None:
        async def main() -> None:
            vat = hob.spawn_vat()
            promise: Any = vat.run(lambda: Spot(1))
            assert await hob.untag(promise, "Spot") == {"level": 1, "name": "unnamed"}
            promise = vat.run(lambda: Offer(spawn(Car)))
            await hob.untag(promise, "garage/offer")

        run(main)

    def test_a_tag_has_one_class(self) -> None:
        with pytest.raises(TypeError, match=r"would both have the tag 'Spot': give one of them another"):

            @hob.passable("Spot")
            @dataclass
            class Other:
                x: int

    def test_the_same_place_in_the_source_may_run_again(self) -> None:
        def define() -> type[Any]:
            @hob.passable
            @dataclass
            class Again:
                x: int

            return Again

        async def main() -> None:
            first, second = define(), define()
            vat = hob.spawn_vat()
            assert type(await vat.run(lambda: second(1))) is second
            with pytest.raises(hob.NotPassable):
                await vat.run(lambda: first(1))

        run(main)

    def test_what_can_not_be_made_again_is_not_registered(self) -> None:
        class Plain: ...

        @dataclass
        class WithInitVar:
            x: InitVar[int]
            y: int = 0

        @dataclass(init=False)
        class OwnConstructor:
            x: int

        @dataclass(frozen=True)
        class Derived(Spot): ...

        class Undecorated(Derived): ...

        @dataclass
        class Listed(list[int]):
            x: int

        @dataclass
        class Acting(Actor):
            x: int

        for cls, problem in [
            (Plain, "registers dataclasses, and Plain is none: write @dataclass below it"),
            (Undecorated, "registers dataclasses, and Undecorated is none"),
            (WithInitVar, "WithInitVar takes x, which is kept in no field"),
            (OwnConstructor, "OwnConstructor has a constructor of its own"),
            (Listed, "a Listed is a value or a reference already"),
            (Acting, "Acting is an Actor: its instances pass by reference"),
            (int, "an integer is a value or a reference already"),
            (5, "registers classes, not an integer"),
        ]:
            with pytest.raises(TypeError, match=problem):
                hob.passable(cls)  # type: ignore[arg-type, call-overload]

    def test_a_type_variable_is_not_taken_for_more_than_is_checked(self) -> None:
        @hob.passable
        @dataclass
        class IntegerTree(Tree[int]):
            name: str = ""

        class Keeper(Actor):
            @method
            def keep(self, tree: Tree[int]) -> None: ...

        class Taker(Actor):
            @method
            def take(self, tree: IntegerTree) -> None: ...

        async def main() -> None:
            vat = hob.spawn_vat()
            with pytest.raises(TypeError, match="write Tree alone, and look at what it holds"):
                vat.spawn(Keeper)
            with pytest.raises(TypeError, match=r"depends on ~T: write the field again in IntegerTree"):
                vat.spawn(Taker)

        run(main)

    def test_annotations_of_fields_that_can_not_be_read_are_told_to_the_author(self) -> None:
        @hob.passable
        @dataclass
        class Odd:
            when: "datetime.datetime"  # type: ignore[name-defined]  # noqa: F821

        class Uses(Actor):
            @method
            def take(self, odd: Odd) -> None: ...

        async def main() -> None:
            vat = hob.spawn_vat()
            with pytest.raises(TypeError, match="Odd: the annotation of the field 'when' can't be checked"):
                vat.spawn(Uses)
            with pytest.raises(TypeError, match="Odd: the annotation of the field 'when' can't be checked"):
                await vat.spawn(Garage).echo(Odd(5))

        run(main)

    def test_a_base_class_stands_for_all_that_derive_from_it(self) -> None:
        class Shape: ...

        @hob.passable
        @dataclass
        class Circle(Shape):
            radius: float

        @hob.passable
        @dataclass
        class Square(Shape):
            side: float

        class Board(Actor):
            @method
            def draw(self, shape: Shape) -> str:
                return type(shape).__name__

        async def main() -> None:
            board = hob.spawn_vat().spawn(Board)
            assert await board.draw(Circle(1)) == "Circle"
            assert await board.draw(Square(1)) == "Square"
            with pytest.raises(hob.WrongArgument, match="'shape' is a Spot, not a Shape"):
                await board.draw(Spot(1))  # type: ignore[arg-type]

        run(main)


def library(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    return importlib.import_module(name)


class TestOtherLibraries:
    def check(self, cls: Any) -> None:
        hob.passable(cls)

        async def main() -> None:
            vat = hob.spawn_vat()
            garage = vat.spawn(Garage)
            assert await garage.echo([cls(x=1, names=["a"])]) == (cls(x=1, names=["a"]),)
            assert await garage.echo(Tagged(cls.__name__, {"x": 1})) == cls(x=1)
            for wrong in ({"x": "a"}, {}, {"x": 1, "z": 1}):
                with pytest.raises(hob.NotPassable):
                    await garage.echo(Tagged(cls.__name__, wrong))

        run(main)

    def test_attrs(self) -> None:
        attrs = library("attrs")

        @attrs.define
        class Attrs:
            _x: int
            names: list[str] = attrs.field(factory=list)

        self.check(Attrs)

    def test_msgspec(self) -> None:
        msgspec = library("msgspec")
        cls = msgspec.defstruct(
            "Struct", [("x", int), ("names", list[str], msgspec.field(default_factory=list))]
        )
        self.check(cls)

    def test_pydantic(self) -> None:
        pydantic = library("pydantic")
        self.check(pydantic.create_model("Model", x=(int, ...), names=(list[str], [])))
