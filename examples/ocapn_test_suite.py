"""Hosts the objects that the conformance suite of OCapN asks for, at their swiss numbers.

python ocapn_test_suite.py --port 22045

Then, in a checkout of ocapn/ocapn-test-suite: ./test_runner.py 'the URI that this prints'
"""

import argparse
import asyncio
import gc
from typing import Any

from hobgoblin import (
    Actor,
    Function,
    Peer,
    Promise,
    Refused,
    SturdyRef,
    Symbol,
    method,
    netlayers,
    new_promise,
    spawn,
)


def car_factory_builder() -> Function[[tuple[Symbol, Symbol]], Any]:
    """Return a factory; the factory takes a color and a model, and returns a car."""

    def car_factory(specification: tuple[Symbol, Symbol]) -> Any:
        match specification:
            case (Symbol(name=color), Symbol(name=model)):
                return lambda: f"Vroom! I am a {color} {model} car!"
            case _:
                raise Refused("a car is made of a color and a model, both symbols")

    return spawn(car_factory)


def echo(*args: Any) -> tuple[Any, ...]:
    """Return the arguments, and keep none of them."""
    asyncio.get_running_loop().call_soon(gc.collect)
    return args


def greeter(stranger: Any) -> Promise[Any]:
    """Say hello to whoever was passed."""
    greeted: Promise[Any] = stranger("Hello")
    return greeted


def promise_resolver() -> tuple[Promise[Any], Any]:
    """Return a promise, and the resolver that decides it."""
    return new_promise()


class Enlivener(Actor):
    """Turns a sturdyref into a live reference."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @method
    def __call__(self, sturdyref: SturdyRef) -> Promise[Any]:
        return self._peer.enliven(sturdyref)


async def main(port: int, framing: str, dialect: str | None) -> None:
    tcp = netlayers.TcpTestingOnly(port=port, framing=framing)
    async with Peer(tcp, name="suite", dialect=dialect) as peer:
        objects = {
            b"JadQ0++RzsD4M+40uLxTWVaVqM10DcBJ": peer.spawn(car_factory_builder),
            b"IO58l1laTyhcrgDKbEzFOO32MDd6zE5w": peer.spawn(echo),
            b"VMDDd1voKWarCe2GvgLbxbVFysNzRPzx": peer.spawn(greeter),
            b"IokCxYmMj04nos2JN1TDoY1bT8dXh6Lr": peer.spawn(promise_resolver),
            b"gi02I1qghIwPiKGKleCQAOhpy3ZtYRpB": peer.spawn(Enlivener, peer),
        }
        for swiss, target in objects.items():
            peer.publish(target, swiss=swiss)
        print(tcp.location.uri(), flush=True)
        await peer.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Host the objects of OCapN's conformance suite.")
    parser.add_argument("--port", type=int, default=22045)
    parser.add_argument("--dialect", choices=("A", "B", "C", "D"), help="by default found out")
    parser.add_argument("--framing", choices=("raw", "prefixed"), default="raw")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.port, arguments.framing, arguments.dialect))
