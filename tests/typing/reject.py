"""What both type checkers must reject: the lines that end in ``# E``, and no others."""

from collections.abc import Callable
from dataclasses import dataclass

from hobgoblin import blocking
from hobgoblin.peer import Peer
from hobgoblin.refs import Promise
from hobgoblin.sharing import shareable
from hobgoblin.values import Tagged
from hobgoblin.vat import (
    Actor,
    Outcome,
    Resolver,
    Vat,
    all_of,
    any_of,
    method,
    near,
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


class Car(Actor):
    def __init__(self, company: str) -> None:
        self.company = company

    @method
    def drive(self) -> str:
        return "vroom"

    @method
    def repaint(self, color: str, *, coats: int = 1) -> None: ...

    @method
    async def refuel(self, liters: float) -> float:
        return liters


class Factory(Actor):
    @method
    def make_car(self, company: str, model: str) -> Car:
        return spawn(Car, company)


class Showroom(Actor):
    @method
    def cars(self) -> dict[str, list[Car]]: ...  # type: ignore[empty-body]

    @method
    def weight(self) -> Tagged: ...  # type: ignore[empty-body]

    @method
    def text(self) -> str: ...  # type: ignore[empty-body]

    @method
    def octets(self) -> bytes: ...  # type: ignore[empty-body]


async def parts(showroom: Showroom) -> None:
    showroom["cars"]  # E
    showroom.cars()[0]  # E
    showroom.cars()["red"]["blue"]  # E
    showroom.cars()["red"][0].fly()  # E
    showroom.cars()["red"][0]["color"]  # E
    showroom.cars()["red"][0:1]  # E
    showroom.text()[0]  # E
    showroom.octets()[0]  # E
    wrong: Promise[int] = showroom.cars()["red"]  # E
    untag(showroom.cars(), "kg")  # E
    untag(showroom.weight(), 5)  # E
    untag(showroom.weight())  # E
    print(wrong)


async def joined(car: Car, cars: list[Car], outcome: Outcome[str]) -> None:
    pair: tuple[str, str] = await all_of(car.drive(), car.refuel(1.0))  # E
    three: tuple[str, str, str] = await all_of(car.drive(), car.drive())  # E
    not_awaited: tuple[str, str] = all_of(car.drive(), car.drive())  # E
    numbers: tuple[int, ...] = await all_of(*[each.drive() for each in cars])  # E
    number: float = await race(car.drive(), car.refuel(1.0))  # E
    any_of(*cars).fly()  # E
    race(car, car).repaint(1)  # E
    outcomes: tuple[Outcome[int]] = await settled(car.drive())  # E
    length: int = outcome.value  # E
    outcome.value = "set"  # E
    timeout(car.drive())  # E
    timeout(car.drive(), "soon")  # E
    text: int = await timeout(car.drive(), 1)  # E
    timeout(car, 1).fly()  # E
    pending(5)  # E
    print(pair, three, not_awaited, numbers, number, outcomes, length, text)


@passable
@dataclass
class Offer:
    price: int
    car: Car | None = None


class Garage(Actor):
    @method
    def offer(self, limit: Offer, /, *cars: Car, note: str | None = None) -> Offer: ...  # type: ignore[empty-body]

    @method
    async def cars(self) -> list[Car]: ...  # type: ignore[empty-body]

    @method
    def listen(self, listener: Callable[[str], object]) -> None: ...


def quote(limit: Offer, most: int = 1) -> Offer:
    return limit


def hear(number: int) -> None: ...


async def values(peer: Peer, garage: Garage, car: Car) -> None:
    Offer("5")  # E
    garage.offer(5)  # E
    garage.offer(Offer(5), "car")  # E
    garage.offer(Offer(5), note=1)  # E
    garage.offer(limit=Offer(5))  # E
    garage.offer(Offer(5)).drive()  # E
    print((await garage.offer(Offer(5))).cost)  # E
    garage.offer(Offer(5))[0]  # E
    untag(garage.cars(), "Offer")  # E
    number: int = await garage.offer(Offer(5))  # E
    garage.cars()[0].fly()  # E
    garage.listen(hear)  # E
    spawn(quote)(5)  # E
    spawn(quote)(Offer(5), "6")  # E
    spawn(quote, Offer(5))  # E
    near(garage.offer)(5)  # E
    send_only(garage.offer)(5)  # E
    on(garage.offer(Offer(5)), lambda offer: offer.cost)  # E
    text: str = await on(garage.offer(Offer(5)), lambda offer: offer.price)  # E
    peer.enliven("ocapn://…", Garage).offer(5)  # E
    peer.enliven("ocapn://…", Garage).cars()[0].refuel("full")  # E
    peer.enliven("ocapn://…", Offer)  # E
    passable(5)  # E
    passable(double)  # E
    print(number, text)


def double(x: int) -> int:
    return x * 2


async def main(factory: Factory, car: Car, resolver: Resolver[int], vat: Vat, peer: Peer) -> None:
    factory.make_car(1, "b")  # E
    factory.make_car("a")  # E
    factory.make_car("a", "b", "c")  # E
    factory.make_car("a", "b", colour="red")  # E
    factory.make_cart("a", "b")  # E
    factory.make_car("a", "b").fly()  # E
    car.repaint("red", 2)  # E
    car.repaint("red", coats="2")  # E
    car.refuel("full")  # E
    number: int = await car.drive()  # E
    text: str = await car.refuel(1.0)  # E
    not_awaited: str = car.drive()  # E
    wrong_actor: Factory = await factory.make_car("a", "b")  # E
    promised: Promise[int] = car.drive()  # E
    car.drive().fly()  # E
    car.drive().upper()  # E

    spawn(Car).drive()  # E
    spawn(Car, 3)  # E
    spawn(Car, "a", model="b")  # E

    near(car.repaint)(1)  # E
    near(car.drive)(1)  # E
    near_number: int = near(car.drive)()  # E
    send_only(car.repaint)(1)  # E
    send_only(car.drive)(1)  # E
    send_only(car.fly)()  # E

    function = spawn(double)
    function("x")  # E
    function()  # E
    result: str = await function(1)  # E

    resolver.fulfil(1)  # E

    vat.spawn(Car).drive()  # E
    vat.spawn(Car, 3)  # E
    vat.spawn(Car, "a").fly()  # E
    vat.spawn(double)("x")  # E
    vat.run(double, "x")  # E
    vat.run(double)  # E
    run_text: str = await vat.run(double, 1)  # E
    peer.spawn(Car).drive()  # E
    peer.spawn(Car, "a", model="b")  # E
    peer.spawn(Car, "a").fly()  # E
    print(run_text)

    print(number, text, not_awaited, wrong_actor, promised, near_number, result)


def waiting(car: Car) -> None:
    count: int = blocking.result(car.drive())  # E
    blocking.result("text")  # E
    blocking.Peer("a.sock")  # E
    blocking.Peer(nome="x")  # E
    shareable(Car)  # E
    print(count)


class Finder(Actor):
    @method
    def find(self, name: str) -> Car | None:
        return None

    @method
    def __call__(self, times: int) -> str:
        return "ding" * times


def perhaps(finder: Finder) -> None:
    finder.find("a").drive()  # E
    near(finder)("a")  # E
    near(finder)()  # E
