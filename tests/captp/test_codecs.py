"""Sessions that speak no Syrup at all: what other tests do with a pair works over another codec as well."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import random
import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import pytest

from hobgoblin import Actor, Peer, method, netlayers
from hobgoblin.errors import SyrupError
from hobgoblin.values import DEFAULT_LIMITS, Record, Symbol
from hobgoblin.wire import NEED_MORE, TODAY, Codec, Framing, Wire

# The codec: each message a line of JSON. It has few of the bounds that a real one needs.


def text(value, path):
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SyrupError("half of a surrogate pair", path=path) from None


def encode(value, *, encoders=None, limits=DEFAULT_LIMITS, negative_zero=True, path="$", depth=0):
    def inner(item, step):
        return encode(
            item,
            encoders=encoders,
            limits=limits,
            negative_zero=negative_zero,
            path=path + step,
            depth=depth + 1,
        )

    def tagged(tag, *parts):
        return b"[%s]" % b",".join([json.dumps(tag).encode(), *parts])

    if depth > limits.depth:
        raise SyrupError("too deep", path=path)
    kind = type(value)
    if kind is bool or kind is int or kind is str:
        written = text(value, path)
    elif kind is float:
        written = tagged("float", json.dumps((value if value or negative_zero else 0.0).hex()).encode())
    elif kind is bytes:
        written = tagged("bytes", json.dumps(b64encode(value).decode()).encode())
    elif kind is Symbol:
        written = tagged("symbol", text(value.name, path))
    elif kind is tuple or kind is list:
        written = tagged("list", *(inner(item, f"[{index}]") for index, item in enumerate(value)))
    elif kind is Record:
        fields = (inner(field, f"[{index}]") for index, field in enumerate(value.fields))
        written = tagged("record", text(value.label.name, path), *fields)
    elif encoders is not None and kind in encoders:
        made = encoders[kind](value)
        written = made if type(made) is bytes else inner(made, "")
    elif isinstance(value, Mapping):
        pairs = (inner(part, "{}") for pair in value.items() for part in pair)
        written = tagged("struct", *pairs)
    else:
        raise SyrupError(f"a value of type {kind.__name__} has no form", path=path)
    if len(written) > limits.message_bytes:
        raise SyrupError("the message is larger than the limit", path=path)
    return written


class Decoder:
    """Reads lines."""

    def __init__(self, constructors, limits):
        self._constructors = constructors
        self._limits = limits
        self._begun = b""
        self._lines = deque()
        self.size = 0

    framing = Framing.RAW

    @property
    def pending(self):
        return bool(self._lines or self._begun)

    def feed(self, data):
        *whole, self._begun = (self._begun + data).split(b"\n")
        self._lines.extend(whole)

    def next(self):
        if not self._lines:
            return NEED_MORE
        line = self._lines.popleft()
        self.size = len(line) + 1
        if self.size > self._limits.message_bytes:
            raise SyrupError("the message is larger than the limit", offset=0)
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            raise SyrupError("this is no JSON", offset=0) from None
        return self._value(read)

    def _value(self, read):
        match read:
            case bool() | int() | str():
                return read
            case ["float", str(text)]:
                return float.fromhex(text)
            case ["bytes", str(text)]:
                return b64decode(text)
            case ["symbol", str(name)]:
                return Symbol(name)
            case ["list", *items]:
                return tuple(map(self._value, items))
            case ["struct", *parts]:
                parts = list(map(self._value, parts))
                return dict(zip(parts[::2], parts[1::2], strict=True))
            case ["record", str(label), *fields]:
                build = self._constructors.get(label)
                fields = tuple(map(self._value, fields))
                return Record(Symbol(label), fields) if build is None else build(fields)
        raise SyrupError("this is no value", offset=0)


JSON = Codec(
    name="json",
    encode=encode,
    encode_signed=lambda value, encoders: encode(value, encoders=encoders),
    open_decoder=lambda framing, *, constructors={}, limits=DEFAULT_LIMITS: Decoder(constructors, limits),
    frame=lambda message, framing: message + b"\n",
)


WIRE = Wire("json", codec=JSON)


@pytest.fixture
def make_pair(make_pair):
    """As elsewhere, but both of the pair speak JSON."""
    return lambda **options: make_pair(**{"wire": WIRE, **options})


@pytest.fixture
def pair(make_pair):
    return make_pair()


FIXTURES = {"pair", "make_pair", "result", "owner", "keys", "location", "caplog"}
ABOUT_OCTETS = re.compile(r"""\bb["'][<[\d%]|\.sent\(|\breleases\(|limits|most=|check_law|, path\)""")
"""What is in the source of tests that look at Syrup, or at how large a message is in it."""


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_a_pair(module):
    """The tests of a module that use a pair and say nothing of octets."""
    for name, test in vars(module).items():
        if not name.startswith("test_") or ABOUT_OCTETS.search(inspect.getsource(test)):
            continue
        arguments = inspect.signature(test).parameters.keys()
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        given = {argument for mark in marks for argument in re.findall(r"\w+", str(mark.args[0]))}
        if {"pair", "make_pair"} & arguments and arguments <= FIXTURES | given:
            yield name, test


COUNTS = load("test_counts")
COUNTS.check_law = lambda pair: None  # it reads what is under way, as Syrup
BORROWED = {
    name: test
    for module in ("test_calls", "test_references", "test_selection", "test_sever")
    for name, test in with_a_pair(load(module))
}
globals().update(BORROWED)


def test_there_are_borrowed_tests():
    assert len(BORROWED) > 12


@pytest.mark.parametrize("seed", range(25))
def test_in_every_interleaving_nothing_is_left_after_everything_was_dropped(make_pair, seed):
    pair = make_pair()
    COUNTS.interleave(pair, random.Random(seed), 120, 7)
    pair.pump()
    for side in (pair.a, pair.b):
        side.reports.clear()  # their tracebacks hold references
    pair.assert_clean()


def test_all_that_crosses_is_json(pair):
    pair.a.send_only(pair.a.remote, Symbol("hi"), b"octets", None, 1.5, {"key": (pair.a.spawn(),)})
    pair.settle()
    assert len(pair.sent()) >= 4
    for _, message in pair.sent():
        assert message.endswith(b"\n")
        assert json.loads(message)[:1] == ["record"]


def test_a_session_of_another_codec_ends_with_a_word(make_pair):
    pair = make_pair(b={"wire": TODAY}, opened=False).pump()
    # Alice waits for the end of a line, until the deadline of the handshake.
    assert (pair.a.log, pair.b.log) == ([], ["Severed"])


class Thing(Actor):
    @method
    def hi(self) -> str:
        return "hi"

    @method
    async def ask(self, other):
        return await other.hi()


def test_peers_that_speak_json_hand_over_references_to_third_parties():
    async def main():
        network = netlayers.MemoryNetwork()
        async with (
            asyncio.timeout(60),
            Peer(netlayers.Memory(network, "gifter"), wire=WIRE) as gifter,
            Peer(netlayers.Memory(network, "receiver"), wire=WIRE) as receiver,
            Peer(netlayers.Memory(network, "exporter"), wire=WIRE) as exporter,
        ):
            thing = await gifter.enliven(exporter.publish(exporter.spawn(Thing)), Thing)
            asker = gifter.enliven(receiver.publish(receiver.spawn(Thing)), Thing)
            assert await asker.ask(thing) == "hi"
            assert {session.peer.designator for session in exporter.sessions} == {"gifter", "receiver"}

    asyncio.run(main())
