"""Messages to read, and the ways to read them."""

import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import NEED_MORE, Framing, KeyOrder, encode, open_decoder
from hobgoblin.values import DEFAULT_LIMITS, Limits, Record, Symbol, SyrupSet

# Octets that are no Syrup value by themselves: raw keys, ids and signatures.
NOT_SYRUP = ("raw pub", "ida", "idb", "sid", "locsig", "givesig", "recsig")

Outcome = tuple[list[str], tuple[str, int | None, str] | None]


def _wire_examples() -> dict[str, bytes]:
    path = Path(__file__).parent.parent / "vectors" / "wire-examples.json"
    examples: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return {name: bytes.fromhex(octets) for name, octets in examples.items() if not name.endswith(NOT_SYRUP)}


@pytest.fixture(scope="session")
def wire_examples() -> dict[str, bytes]:
    return _wire_examples()


def _text(rng: random.Random) -> str:
    return "".join(rng.choice("abcxyz0:\"'é\ufeff\uffee🚀") for _ in range(rng.choice((0, 1, 2, 3, 11))))


def _value(rng: random.Random, depth: int) -> object:
    choice = rng.randrange(13 if depth else 8)
    if choice == 0:
        return rng.choice((True, False))
    if choice == 1:
        return rng.choice((0, 1, -1, 9, 10, 99, 100, 1000, -12345, 2**64, -(2**70), 10**30))
    if choice == 2:
        return rng.choice((0.0, -0.0, 1.5, -2.25, float("inf"), float("-inf"), float("nan"), 5e-324))
    if choice == 3:
        return _text(rng)
    if choice in (4, 5):
        return Symbol(_text(rng) or rng.choice(("fetch", "echo")))
    if choice in (6, 7):
        return rng.randbytes(rng.choice((0, 1, 3, 12)))
    inner = [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if choice in (8, 9):
        return tuple(inner)
    if choice == 10:
        return {_text(rng): value for value in inner}
    if choice == 11:
        return SyrupSet(tuple({encode(value): value for value in inner}.values()))
    return Record(Symbol(rng.choice(("void", "point", "desc:error", "x"))), tuple(inner))


def _message(rng: random.Random) -> object:
    def export(position: int) -> Record:
        return Record(Symbol(rng.choice(("desc:export", "desc:answer"))), (position,))

    def imported(position: int) -> Record:
        return Record(Symbol(rng.choice(("desc:import-object", "desc:import-promise"))), (position,))

    position = rng.choice((0, 1, 9, 10, 255, 1000, 123456))
    choice = rng.randrange(6)
    if choice == 0:
        args = (Symbol("echo"), *(_value(rng, 2) for _ in range(rng.randrange(3))))
        answer = rng.choice((False, position))
        return Record(
            Symbol("op:deliver"), (export(position), args, answer, rng.choice((False, imported(position))))
        )
    if choice == 1:
        return Record(Symbol("op:listen"), (export(position), imported(3), False))
    if choice == 2:
        return Record(Symbol("op:gc-exports"), ((position, 2), (1, position)))
    if choice == 3:
        return Record(Symbol("op:abort"), (_text(rng),))
    return _value(rng, 3)


@pytest.fixture(scope="session")
def messages(wire_examples: dict[str, bytes]) -> list[bytes]:
    """A thousand valid messages, always the same."""
    rng = random.Random(20260901)
    orders = (KeyOrder.DECODED, KeyOrder.CANONICAL)
    made = [octets for octets in wire_examples.values() if len(octets) < 400]
    while len(made) < 1000:
        octets = encode(_message(rng), key_order=rng.choice(orders))
        if len(octets) < 250:
            made.append(octets)
    return made


def _mutated(rng: random.Random, octets: bytes) -> bytes:
    changed = bytearray(octets)
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[place : place + 1] = bytes((rng.choice(b"0123456789+-:\"'[]{}<>#$tfDF \x80\xff"),))
            case 1:
                changed.insert(place, rng.choice(b"0123456789+-:\"'[]{}<>#$tfD"))
            case 2:
                del changed[place : place + rng.choice((1, 1, 3))]
            case _:
                other = rng.randrange(len(changed) + 1)
                changed[place:place] = changed[other : other + rng.randrange(12)]
    return bytes(changed)


@pytest.fixture(scope="session")
def mutants(messages: list[bytes]) -> list[bytes]:
    """Near misses: valid messages with a few octets changed. Some of them are valid still."""
    rng = random.Random(7)
    return [_mutated(rng, rng.choice(messages)) for _ in range(6000)]


def _read(
    octets: bytes,
    cuts: list[int] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    framing: Framing = Framing.RAW,
) -> Outcome:
    """Everything a decoder makes of these octets when they arrive cut at these places."""
    decoder = open_decoder(framing, limits=limits)
    values: list[str] = []
    places = [0, *(range(1, len(octets)) if cuts is None else cuts), len(octets)]
    for start, end in pairwise(places):
        decoder.feed(octets[start:end])
        while True:
            try:
                value = decoder.next()
            except SyrupError as error:
                return values, (error.problem, error.offset, error.path)
            if value is NEED_MORE:
                break
            values.append(repr(value))
    return values, None


@pytest.fixture(scope="session")
def read() -> Callable[..., Outcome]:
    """``read(octets, cuts)``: what comes out. Without ``cuts``, octet by octet."""
    return _read
