"""What both type checkers must accept, and what they must infer."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, assert_type

from hobgoblin import blocking, netlayers
from hobgoblin.blocking import result, results
from hobgoblin.errors import Refused
from hobgoblin.loops import VatThread, spawn_vat
from hobgoblin.peer import Peer
from hobgoblin.refs import Promise
from hobgoblin.sessions import PeerSession
from hobgoblin.sharing import shareable
from hobgoblin.values import Limits, Tagged
from hobgoblin.vat import (
    Actor,
    Function,
    Outcome,
    PendingPromise,
    Resolver,
    all_of,
    any_of,
    become,
    method,
    near,
    new_promise,
    on,
    passable,
    pending,
    race,
    send_only,
    settled,
    spawn,
    timeout,
    untag,
)
from hobgoblin.workers import blocking_call, blocking_call_in


class Car(Actor):
    def __init__(self, company: str, model: str = "T") -> None:
        self.company = company

    @method
    def drive(self) -> str:
        return "vroom"

    @method
    def repaint(self, color: str, *, coats: int = 1) -> None:
        assert_type(near(self.drive)(), str)

    @method
    async def refuel(self, liters: float) -> float:
        await asyncio.sleep(0)
        return liters

    @method
    def me(self) -> "Car":
        return self

    @method
    def later(self) -> Promise[int]:
        return self.doors()

    @method
    def doors(self) -> int:
        return 4


class FastCar(Car):
    @method
    def drive(self) -> str:
        return near(super().drive)().upper()


class Factory(Actor):
    @method
    def make_car(self, company: str, model: str) -> Car:
        return spawn(Car, company, model)

    @method
    async def order_car(self, company: str) -> Car:
        return await self.make_car(company, "T")

    @method("exactName")
    def exact(self, x: int) -> int:
        return x


class Door(Actor):
    """Somebody else's object: a class that only declares methods."""

    @method
    def open(self, wide: bool) -> list[int]: ...  # type: ignore[empty-body]


class Showroom(Actor):
    """Results of which parts can be asked for."""

    @method
    def cars(self) -> dict[str, list[Car]]: ...  # type: ignore[empty-body]

    @method
    def prices(self) -> Mapping[str, int]: ...  # type: ignore[empty-body]

    @method
    def queue(self) -> Sequence[Promise[int]]: ...  # type: ignore[empty-body]

    @method
    async def row(self) -> tuple[Car, ...]: ...  # type: ignore[empty-body]

    @method
    def pair(self) -> tuple[str, int]: ...  # type: ignore[empty-body]

    @method
    def mixed(self) -> dict[str, Any]: ...  # type: ignore[empty-body]

    @method
    def whatever(self) -> Any: ...

    @method
    def weight(self) -> Tagged: ...  # type: ignore[empty-body]


async def parts(showroom: Showroom) -> None:
    assert_type(showroom.cars()["red"], Promise[list[Car]])
    assert_type(showroom.cars()["red"][0], Car)
    assert_type(showroom.cars()["red"][0].drive(), Promise[str])
    assert_type(await showroom.cars()["red"][0], Car)
    assert_type(showroom.prices()["red"], Promise[int])
    assert_type(await showroom.prices()["red"], int)
    assert_type(showroom.queue()[0], Promise[int])
    assert_type(await showroom.queue()[0], int)
    assert_type(showroom.row()[1].doors(), Promise[int])
    assert_type(await showroom.pair()[0], str | int)
    assert_type(showroom.mixed()["anything"], Any)
    showroom.mixed()["anything"].drive()
    showroom.whatever()["anything"][0].drive()
    assert_type(untag(showroom.weight(), "kg"), Promise[Any])
    untag(showroom.mixed()["weight"], "kg")
    untag(showroom.weight(), "kg")["net"].drive()
    on(showroom.prices()["red"], lambda price: price + 1)


async def joined(car: Car, cars: list[Car], factory: Factory) -> None:
    assert_type(all_of(car.drive()), Promise[tuple[str]])
    assert_type(all_of(car.drive(), car.doors()), Promise[tuple[str, int]])
    assert_type(await all_of(car, car.drive()), tuple[Car, str])
    assert_type(await all_of(car.drive(), 2.5), tuple[object, ...])
    assert_type(
        await all_of(car.doors(), car.drive(), car.doors(), car.drive(), car),
        tuple[int, str, int, str, Car],
    )
    assert_type(await all_of(*[each.drive() for each in cars]), tuple[str, ...])
    assert_type(await all_of(*cars), tuple[Car, ...])
    doors = car.doors()
    assert_type(await all_of(doors, doors, doors, doors, doors, doors), tuple[int, ...])
    assert_type(all_of(doors, doors)[1], Promise[int])

    assert_type(await any_of(car.drive(), car.drive()), str)
    assert_type(await race(car.drive(), car.doors()), str | int)
    assert_type(await race(*[each.doors() for each in cars]), int)
    assert_type(race(factory.make_car("a", "b"), car), Car)
    assert_type(await any_of(*cars).drive(), str)

    assert_type(await settled(car.drive(), factory.make_car("a", "b")), tuple[Outcome[str], Outcome[Car]])
    assert_type(await settled(*[each.doors() for each in cars]), tuple[Outcome[int], ...])
    for outcome in await settled(*cars):
        if outcome.error is None:
            assert_type(await outcome.value.drive(), str)

    assert_type(timeout(car.drive(), 5), Promise[str])
    assert_type(await timeout(factory.make_car("a", "b"), 0.5).drive(), str)
    assert_type(await timeout(all_of(car.drive(), car.doors()), 1.5), tuple[str, int])
    on(all_of(car.drive(), car.doors()), lambda both: both[0].upper())
    assert_type(pending(older_than=5), list[PendingPromise])


@passable
@dataclass(frozen=True)
class Offer:
    price: int
    car: Car | None = None


@passable("garage/spot")
@dataclass
class Spot:
    level: int
    tags: list[str] = field(default_factory=list[str])


class Garage(Actor):
    """Registered classes, references and functions as arguments and results."""

    @method
    def offer(self, spot: Spot, /, *cars: Car, limit: int | None = None) -> Offer: ...  # type: ignore[empty-body]

    @method
    async def offers(self, spots: list[Spot]) -> dict[str, Offer]: ...  # type: ignore[empty-body]

    @method
    def maybe(self) -> Offer | None: ...

    @method
    async def cars(self) -> list[Car]: ...  # type: ignore[empty-body]

    @method
    def counter(self) -> Function[[int], int]: ...  # type: ignore[empty-body]

    @method
    def listen(self, listener: Callable[[str], object]) -> None:
        send_only(listener)("text")  # a function that was passed is a reference

    @method
    def all(self, cars: Sequence[Car], promise: Promise[int]) -> Promise[Car]: ...  # type: ignore[empty-body]


def quote(spot: Spot, limit: int = 1) -> Offer:
    return Offer(limit)


async def fleet(spot: Spot) -> list[Car]:
    return []


def hear(text: str) -> None: ...


async def values(peer: Peer, garage: Garage, car: Car, loud: Function[[str], None]) -> None:
    assert_type(Offer(1, car).price, int)
    assert_type(Spot(1).tags, list[str])
    assert_type(garage.offer(Spot(1), car, car, limit=3), Promise[Offer])
    assert_type((await garage.offer(Spot(1))).price, int)
    assert_type(garage.offer(Spot(1))["car"], Promise[Any])
    garage.offer(Spot(1))["car"].drive()
    assert_type(await garage.maybe(), Offer | None)
    assert_type(garage.offers([Spot(1)])["red"], Promise[Offer])
    assert_type(await garage.offers([Spot(1)])["red"], Offer)
    garage.offers([Spot(1)])["red"]["price"]
    untag(garage.offer(Spot(1)), "Offer")
    assert_type(garage.cars()[0].drive(), Promise[str])
    assert_type([each.drive() for each in await garage.cars()], list[Promise[str]])
    assert_type(await garage.counter()(1), int)
    garage.listen(hear)
    garage.listen(spawn(hear))
    garage.listen(loud)
    garage.all([car, garage.cars()[0]], car.doors())
    assert_type(await garage.all([car], car.doors()), Car)
    assert_type(near(garage.offer)(Spot(1)), Offer)
    send_only(garage.offer)(Spot(1), car)
    assert_type(spawn(quote)(Spot(1), limit=2), Promise[Offer])
    assert_type(await spawn(quote)(Spot(1)), Offer)
    assert_type(spawn(fleet)(Spot(1))[0].drive(), Promise[str])
    assert_type(await all_of(garage.offer(Spot(1)), car), tuple[Offer, Car])
    assert_type(await race(garage.offer(Spot(1)), garage.maybe()), Offer | None)
    assert_type(timeout(garage.offer(Spot(1)), 1), Promise[Offer])
    on(garage.offer(Spot(1)), lambda offer: offer.price + 1)
    on(garage.cars(), lambda cars: [each.drive() for each in cars])
    assert_type(peer.enliven("ocapn://…", Garage), Garage)
    assert_type(await peer.enliven("ocapn://…", Garage).offer(Spot(1)), Offer)
    assert_type(peer.enliven("ocapn://…", Garage).cars()[0].drive(), Promise[str])
    assert_type(peer.enliven("ocapn://…"), Promise[Any])


def double(x: int) -> int:
    return x * 2


async def slow_double(x: int) -> int:
    return x * 2


def make(company: str) -> Car:
    return Car(company)


async def slow_make(company: str) -> Car:
    return Car(company)


async def main(factory: Factory, door: Door) -> None:
    assert_type(factory.make_car("a", "b"), Car)
    assert_type(await factory.make_car("a", "b"), Car)
    assert_type(factory.make_car("a", "b").drive(), Promise[str])
    assert_type(await factory.make_car("a", "b").drive(), str)
    assert_type(await factory.make_car("a", model="b").me().me().drive(), str)
    assert_type(factory.order_car("a"), Car)
    assert_type(await factory.order_car("a").refuel(1.5), float)
    assert_type(await factory.make_car("a", "b").repaint("red", coats=2), None)
    assert_type(await factory.make_car("a", "b").later(), int)
    assert_type(await factory.exact(1), int)
    assert_type(await door.open(wide=True), list[int])

    car = spawn(Car, "Fork", model="Explorist")
    assert_type(car, Car)
    assert_type(await car, Car)
    assert_type(spawn(FastCar, "Fork"), FastCar)
    assert_type(await spawn(FastCar, "Fork").drive(), str)
    assert_type(spawn(Car("Fork")), Car)

    assert_type(near(car.drive)(), str)
    assert_type(near(car.refuel)(1.0), float)
    near(car.repaint)("red", coats=3)
    assert_type(near(factory.make_car)("a", "b"), Car)

    send_only(car.repaint)("red", coats=2)
    send_only(car.drive)()

    function = spawn(double)
    assert_type(await function(1), int)
    assert_type(await function(x=1), int)
    assert_type(await spawn(slow_double)(1), int)
    send_only(function)(1)
    typed: Function[[int], int] = function
    assert_type(await typed(2), int)

    on(car.drive(), lambda text: text.upper(), catch=lambda error: str(error), finally_=lambda: None)
    assert_type(on(car.drive(), str.upper), Promise[str])
    assert_type(on(car, lambda c: c.drive()), Promise[str])
    assert_type(on(car.doors(), slow_double), Promise[int])
    assert_type(on(car.doors(), lambda doors: doors * 1.5, finally_=lambda: None), Promise[float])
    assert_type(on(factory.make_car("a", "b"), lambda made: made.later()), Promise[int])
    assert_type(on(car.doors(), print, catch=print), Promise[Any])
    on(5, lambda number: number + 1)
    assert_type(await asyncio.gather(car.drive(), car.doors()), tuple[str, int])
    become(Car, "Other")

    promise, resolver = new_promise()
    assert_type(await resolver.fulfill(5), None)
    resolver.break_(ValueError())
    await promise
    decide: Resolver[int] = resolver
    await decide.fulfill(1)

    vat = spawn_vat()
    assert_type(vat.spawn(Car, "Fork"), Car)
    assert_type(await vat.spawn(Car, "Fork", model="T").drive(), str)
    assert_type(vat.spawn(Car("Fork")), Car)
    assert_type(await vat.spawn(double)(1), int)
    assert_type(vat.run(double, 1), Promise[int])
    assert_type(await vat.run(double, x=1), int)
    assert_type(await vat.run(slow_double, 1), int)
    assert_type(vat.run(make, "Fork"), Car)
    assert_type(await vat.run(slow_make, "Fork").drive(), str)
    assert_type(await vat.run(car.doors), int)
    assert_type(await vat.run(lambda: near(car.drive)()), str)
    with vat.record(turns=10) as history:
        assert_type(history.before(history.turns[0]).peek(car.doors)(), int)
        assert_type(history.errors()[0].error, str | None)
    assert_type(blocking_call(double, 1), Promise[int])
    assert_type(await blocking_call(double, x=1), int)
    assert_type(blocking_call(make, "Fork"), Car)
    with ProcessPoolExecutor() as pool:
        assert_type(await blocking_call_in(pool, double, 1), int)
    assert_type(vat.snapshot().peek(car.me)(), Car)
    assert_type(vat.snapshot().run(double, 1), int)
    assert_type(vat.snapshot().run(slow_double, 1), int)
    decided, decider = await vat.run(new_promise)
    await decider.fulfill(1)
    await decided
    with VatThread("cars") as thread:
        thread.spawn(double)
        assert_type(thread.spawn(FastCar, "Fork"), FastCar)
    async with Peer() as peer:
        assert_type(peer.spawn(Car, "Fork"), Car)
        assert_type(peer.spawn(Car("Fork")), Car)
        assert_type(await peer.spawn(slow_double)(1), int)
        peer.publish(peer.spawn(Car, "Fork"))


def waiting(vat_car: Car, uri: str) -> None:
    with blocking.Peer(netlayers.Unix("a.sock"), name="blocking", limits=Limits()) as peer:
        assert_type(peer.spawn(Car, "Fork"), Car)
        assert_type(peer.enliven(uri, Car), Car)
        assert_type(peer.enliven(uri), Promise[Any])
        assert_type(result(peer.enliven(uri, Car)), Car)
        assert_type(result(peer.enliven(uri, Car).me().drive()), str)
        assert_type(result(peer.spawn(double)(1), timeout=1.5), int)
        assert_type(results(vat_car.drive(), vat_car.doors()), tuple[str, int])
        assert_type(results(*[vat_car.doors()], timeout=1), tuple[int, ...])
        assert_type(peer.publish(vat_car, expires=1), str)
    assert_type(blocking.Peer().start().sessions, list[PeerSession])


@shareable
class OutOfStock(Exception):
    pass


@shareable(name="shop/closed")
class Closed(Refused):
    pass


assert_type(OutOfStock("boots"), OutOfStock)
assert_type(Closed("sundays"), Closed)


class Bell(Actor):
    """Called itself, as a function is."""

    @method
    def __call__(self, times: int) -> str:
        return "ding" * times


class Finder(Actor):
    @method
    async def __call__(self, name: str) -> Car | None:
        return None

    @method
    def find(self, name: str) -> Car | None:
        return None

    @method("lookUp")
    async def look_up(self, name: str) -> Car | None:
        return near(self.find)(name)

    @method
    def either(self) -> Car | Factory:
        return spawn(Factory)


async def perhaps(finder: Finder, bell: Bell, call: Function[[str], Car | None], anything: Any) -> None:
    """An actor or nothing has to be awaited, and an actor that is called itself may be called near."""
    assert_type(finder.find("a"), Promise[Car | None])
    assert_type(finder.look_up("a"), Promise[Car | None])
    assert_type(await finder("a"), Car | None)
    assert_type(call("a"), Promise[Car | None])
    assert_type(finder.either(), Car | Factory)
    assert_type(near(finder.find)("a"), Car | None)
    assert_type(near(finder)("a"), Car | None)
    assert_type(near(bell)(3), str)
    assert_type(near(call)("a"), Car | None)
    assert_type(near(anything)(1), Any)
    if (car := await finder.find("a")) is not None:
        assert_type(car.drive(), Promise[str])
