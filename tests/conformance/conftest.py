"""A small peer of OCapN that shares no protocol code with ours, to talk to one of ours over a socket.

It writes and reads records of Syrup, makes keys, ids and signatures for itself, and keeps no tables but
what a test has to know: which positions it has used, and what was given back to it. Tests are coroutines;
``stage`` is entered around each, and everything that it opened is closed after it.
"""

import asyncio
import importlib.util
import inspect
from collections import Counter
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hobgoblin import Limits, Peer, netlayers
from hobgoblin.locators import SturdyRef
from hobgoblin.syrup import NEED_MORE, Framing, encode, frame, open_decoder
from hobgoblin.values import Record, Symbol

EXAMPLE = Path(__file__).parents[2] / "examples" / "ocapn_test_suite.py"
FRAMINGS = {"raw": Framing.RAW, "prefixed": Framing.PREFIXED}
ONE_WAY = {"A": "op:deliver-only", "B": "op:deliver-only", "D": "op:deliver"}
GC_EXPORTS = {"A": "op:gc-export", "B": "op:gc-export", "D": "op:gc-exports"}
GC_ANSWERS = {"A": "op:gc-answer", "B": "op:gc-answer", "D": "op:gc-answers"}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a test that is a coroutine, on a stage of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    args = {name: pyfuncitem.funcargs[name] for name in names}

    async def play():
        async with asyncio.timeout(60), AsyncExitStack() as stack:
            for value in args.values():
                if isinstance(value, Stage):
                    await stack.enter_async_context(value)
            await pyfuncitem.obj(**args)

    asyncio.run(play())
    return True


def record(label, *fields):
    return Record(Symbol(label), fields)


def twice(octets):
    return sha256(sha256(octets).digest()).digest()


class Keys:
    """A key pair, with the forms that the protocol gives its public half and its signatures."""

    def __init__(self, seed):
        self._private = Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()).digest())
        raw = self._private.public_key().public_bytes_raw()
        self.public = (
            Symbol("public-key"),
            (
                Symbol("ecc"),
                (Symbol("curve"), Symbol("Ed25519")),
                (Symbol("flags"), Symbol("eddsa")),
                (Symbol("q"), raw),
            ),
        )
        self.id = twice(encode(self.public))

    def sign(self, value):
        octets = self._private.sign(encode(value))
        return (
            Symbol("sig-val"),
            (Symbol("eddsa"), (Symbol("r"), octets[:32]), (Symbol("s"), octets[32:])),
        )

    def envelope(self, value):
        return record("desc:sig-envelope", value, self.sign(value))


def verify(public, signature, value):
    """Raise unless ``signature`` is over ``value`` with the key of the public form ``public``."""
    raw = public[1][3][1]
    r, s = signature[1][1][1], signature[1][2][1]
    Ed25519PublicKey.from_public_bytes(raw).verify(r + s, encode(value))


def session_between(one, other):
    return twice(b"prot0" + b"".join(sorted((one, other))))


class Question(NamedTuple):
    """What a test has asked: where it pipelines to, and where the answer comes."""

    answer: Any
    resolver: int


class Call(NamedTuple):
    """What was sent to an object of the test's."""

    args: tuple
    answer: Any
    resolver: Any


class Far:
    """The test's own side of one connection.

    ``unclaimed`` holds what has come and no test has asked for yet, ``log`` the labels of all of it;
    ``released`` and ``given_up`` add up what was given back, ``releases`` lists it.
    """

    def __init__(self, reader, writer, framing, dialect, keys, location):
        self._reader, self._writer, self._framing, self._dialect = reader, writer, framing, dialect
        self._decoder = open_decoder(framing, constructors={})
        self.keys, self.location = keys, location
        self.unclaimed = []
        self.log = []
        self.octets = b""
        self.released = Counter()
        self.releases = []
        self.given_up = []
        self._next_export = self._next_answer = 1
        self.their_key = self.their_location = self.session = None

    # Descriptors, as the other side reads them

    bootstrap = record("desc:export", 0)
    bootstrap_of_mine = record("desc:import-object", 0)

    @staticmethod
    def to(value):
        """How to send to what has come as a desc:import-object or desc:import-promise."""
        assert value.label.name in ("desc:import-object", "desc:import-promise"), value
        return record("desc:export", *value.fields)

    def object(self):
        self._next_export += 1
        return record("desc:import-object", self._next_export - 1)

    def promise(self):
        self._next_export += 1
        return record("desc:import-promise", self._next_export - 1)

    # Writing

    def write(self, *messages):
        """Send messages, all in one piece."""
        self.write_octets(*(encode(message) for message in messages))

    def write_octets(self, *messages):
        self._writer.write(b"".join(frame(message, self._framing) for message in messages))

    def write_unframed(self, octets):
        self._writer.write(octets)

    def hello(self, version="1.0", signed=None, keys=None):
        """Say op:start-session; what is signed and which key is named can be wrong."""
        self.write(self._hello(version, signed, keys))

    async def hello_slowly(self):
        """Say it octet by octet."""
        for octet in frame(encode(self._hello()), self._framing):
            self._writer.write(bytes([octet]))
            await asyncio.sleep(0)

    def _hello(self, version="1.0", signed=None, keys=None):
        signed = record("my-location", self.location) if signed is None else signed
        public = (keys or self.keys).public
        return record("op:start-session", version, public, self.location, self.keys.sign(signed))

    def deliver(self, to, *args, answer=False, resolver=False):
        self.write(record("op:deliver", to, args, answer, resolver))

    def tell(self, to, *args):
        """Send without wanting an answer, as the dialect has it."""
        if ONE_WAY[self._dialect] == "op:deliver":
            self.deliver(to, *args)
        else:
            self.write(record("op:deliver-only", to, args))

    def settle(self, resolver, verb, value):
        self.tell(self.to(resolver), Symbol(verb), value)

    def question(self, pipelined=False):
        """Choose where the answer to a question is to come, and its answer position if it has one."""
        answer = False
        if pipelined:
            answer, self._next_answer = self._next_answer, self._next_answer + 1
        return Question(answer and record("desc:answer", answer), self.object().fields[0])

    def ask(self, to, *args, pipelined=False):
        question = self.question(pipelined)
        answer = question.answer and question.answer.fields[0]
        self.deliver(to, *args, answer=answer, resolver=record("desc:import-object", question.resolver))
        return question

    def select(self, op, receiver, selector):
        """Send op:get, op:index or op:untag, and listen to what it finds, as peers do that want it."""
        question = self.question(pipelined=True)
        self.write(record(op, receiver, selector, question.answer.fields[0]))
        self.write(self._listen(question.answer, question.resolver))
        return question

    def listen(self, to, partial=False):
        question = self.question()
        self.write(self._listen(to, question.resolver, partial))
        return question

    def _listen(self, to, resolver, partial=False):
        return record("op:listen", to, record("desc:import-object", resolver), partial)

    def give_back(self, *counts):
        """Give back (position, delta) pairs as the dialect has it."""
        label = GC_EXPORTS[self._dialect]
        if self._dialect == "A":
            self.write(*(record(label, pos, delta) for pos, delta in counts))
        else:
            self.write(record(label, *map(tuple, zip(*counts, strict=True))))

    def give_up(self, *positions):
        label = GC_ANSWERS[self._dialect]
        if self._dialect == "A":
            self.write(*(record(label, pos) for pos in positions))
        else:
            self.write(record(label, positions))

    def close(self):
        self._writer.close()

    def shut(self):
        """Send FIN, and go on reading."""
        self._writer.write_eof()

    # Reading

    async def read_octets(self):
        """Return what comes next, in whatever form; nothing when the other side has closed."""
        data = await self._reader.read(65536)
        self.octets += data
        return data

    async def next(self):
        """Return the next message, or ``None`` when the other side has closed. A reset raises."""
        while (message := self._decoder.next()) is NEED_MORE:
            data = await self.read_octets()
            if not data:
                assert not self._decoder.pending, "the connection ends inside a message"
                return None
            self._decoder.feed(data)
        self.log.append(message.label.name)
        return message

    async def more(self):
        """Read one more message: put it where it is looked for."""
        message = await self.next()
        assert message is not None, f"the other side has closed, after {self.log}"
        match message.label.name:
            case "op:gc-export" | "op:gc-exports" as label:
                assert label == GC_EXPORTS[self._dialect]
                for pos, delta in zip(*self._listed(message.fields), strict=True):
                    self.released[pos] += delta
                    self.releases.append((pos, delta))
            case "op:gc-answer" | "op:gc-answers" as label:
                assert label == GC_ANSWERS[self._dialect]
                (positions,) = self._listed(message.fields)
                self.given_up.extend(positions)
            case _:
                self.unclaimed.append(message)

    def _listed(self, fields):
        if self._dialect == "A":
            assert all(type(field) is int for field in fields)
            return tuple((field,) for field in fields)
        assert all(type(field) is tuple for field in fields)
        return fields

    async def find(self, wanted):
        """Return the first message that ``wanted`` is true of; the others stay for who looks for them."""
        seen = 0
        while True:
            for message in self.unclaimed[seen:]:
                if wanted(message):
                    self.unclaimed.remove(message)
                    return message
            seen = len(self.unclaimed)
            await self.more()

    async def called(self, target):
        """Return what is sent next to an object or a promise of the test's, or to an answer of it."""
        to = target if target.label.name == "desc:answer" else self.to(target)
        message = await self.find(
            lambda message: (
                message.label.name in ("op:deliver", "op:deliver-only") and message.fields[0] == to
            )
        )
        if message.label.name == "op:deliver-only":
            assert ONE_WAY[self._dialect] == "op:deliver-only"
            return Call(message.fields[1], False, False)
        return Call(*message.fields[1:])

    async def outcome(self, question):
        """Return how a question ends: the verb, and its one value."""
        call = await self.called(record("desc:import-object", question.resolver))
        assert call[1:] == (False, False)
        verb, value = call.args
        return verb.name, value

    async def value(self, question):
        verb, value = await self.outcome(question)
        assert verb == "fulfill", value
        return value

    async def reason(self, question):
        verb, value = await self.outcome(question)
        assert verb == "break", value
        return value

    async def said(self, label):
        """Return the next message with this label."""
        return await self.find(lambda message: message.label.name == label)

    async def fetch(self, swiss):
        """Return how to send to the object at a swiss number."""
        return self.to(await self.value(self.ask(self.bootstrap, Symbol("fetch"), swiss)))

    async def gave_back(self, reference, count):
        """Wait until as many as ``count`` of a reference have come back, and no more of it."""
        pos = reference.fields[0]
        while self.released[pos] < count:
            await self.more()
        assert self.released[pos] == count

    async def round_trip(self):
        """All that the other side had to say by now has been read."""
        await self.reason(self.ask(self.bootstrap, Symbol("fetch"), b"nothing is published here"))

    async def heard_hello(self):
        """Read the other side's op:start-session, and verify it."""
        message = await self.said("op:start-session")
        version, self.their_key, self.their_location, signature = message.fields
        verify(self.their_key, signature, record("my-location", self.their_location))
        self.session = session_between(self.keys.id, self.their_id)
        return version

    @property
    def their_id(self):
        return twice(encode(self.their_key))

    async def open(self):
        self.hello()
        await self.heard_hello()
        return self

    async def aborted(self):
        """Return the reason of the op:abort that comes next, and see the connection close after it."""
        reason = (await self.said("op:abort")).fields[0]
        await self.closed()
        return reason

    async def closed(self):
        """Read to the end of the connection, which must be a FIN."""
        while (message := await self.next()) is not None:
            assert message.label.name != "op:abort" or "op:abort" not in self.log[:-1]


class Place:
    """Where a peer of the test's can be dialled."""

    def __init__(self, stage, name):
        self._stage, self._name = stage, name
        self._accepted = asyncio.Queue()

    async def open(self):
        self._server = await asyncio.start_server(
            lambda *ends: self._accepted.put_nowait(ends), "127.0.0.1", 0
        )
        self.port = str(self._server.sockets[0].getsockname()[1])
        self.location = location(self._name, self.port)
        return self

    async def accept(self):
        """Return the next connection that somebody opens."""
        return self._stage.far(*await self._accepted.get(), self.location)

    def dialled(self):
        """How many connections wait to be accepted."""
        return self._accepted.qsize()

    def close(self):
        self._server.close()


def location(name, port):
    return record("ocapn-peer", Symbol("tcp-testing-only"), name, {"host": "127.0.0.1", "port": port})


class Stage:
    """A peer of ours that hosts the objects of the conformance suite, and peers of the test's around it."""

    def __init__(self, framing, dialect, objects):
        self.framing, self.dialect = framing, dialect
        self._objects = objects
        self._stack = AsyncExitStack()
        self._made = 0
        self.ours = None

    async def __aenter__(self):
        self.tcp = netlayers.TcpTestingOnly(designator="ours", framing=self.framing)
        self.ours = await self.add(Peer(self.tcp, name="ours", dialect=self.dialect, limits=self.limits()))
        for swiss, make in self._objects.items():
            self.ours.publish(make(self.ours), swiss=swiss)
        return self

    async def __aexit__(self, *failure):
        await self._stack.aclose()

    @staticmethod
    def limits():
        return Limits()

    async def add(self, peer):
        """Start another peer of ours, to be closed at the end."""
        return await self._stack.enter_async_context(peer)

    def publish(self, target, swiss):
        self.ours.publish(target, swiss=swiss)

    @property
    def location(self):
        hints = self.tcp.location.hints
        return location("ours", hints["port"])

    def far(self, reader, writer, place, keys=None):
        self._made += 1
        keys = keys or Keys(f"key {self._made}")
        far = Far(reader, writer, FRAMINGS[self.framing], self.dialect, keys, place)
        self._stack.callback(far.close)
        return far

    async def dial(self, place=None, keys=None, tcp=None):
        """Connect to our peer, or to the one at ``tcp``, and say nothing yet."""
        port = (tcp or self.tcp).location.hints["port"]
        ends = await asyncio.open_connection("127.0.0.1", int(port))
        return self.far(*ends, place or location(f"tester{self._made}", "1"), keys)

    async def session(self, place=None, keys=None, tcp=None):
        """Connect to our peer, or to the one at ``tcp``, and open a session."""
        return await (await self.dial(place, keys, tcp)).open()

    async def listen(self, name="listener"):
        place = await Place(self, name).open()
        self._stack.callback(place.close)
        return place

    def sturdyref(self, place, swiss):
        """A sturdyref as the wire has it."""
        return record("ocapn-sturdyref", place, swiss)

    def enliven(self, place, swiss=b"swiss"):
        """Let our peer enliven an object of one of the test's."""
        return self.ours.enliven(SturdyRef.from_record(self.sturdyref(place.location, swiss)))

    def tables(self):
        """The sizes of the tables of our peer's sessions."""
        for connection in self.ours.connections:
            connection.session.check()
        return [connection.session.stats().tables for connection in self.ours.connections]


@pytest.fixture(scope="session")
def suite_objects():
    """What the conformance suite asks for: swiss numbers, and how to make the objects at them."""
    spec = importlib.util.spec_from_file_location("ocapn_test_suite", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return {
        b"JadQ0++RzsD4M+40uLxTWVaVqM10DcBJ": lambda peer: peer.spawn(example.car_factory_builder),
        b"IO58l1laTyhcrgDKbEzFOO32MDd6zE5w": lambda peer: peer.spawn(example.echo),
        b"VMDDd1voKWarCe2GvgLbxbVFysNzRPzx": lambda peer: peer.spawn(example.greeter),
        b"IokCxYmMj04nos2JN1TDoY1bT8dXh6Lr": lambda peer: peer.spawn(example.promise_resolver),
        b"gi02I1qghIwPiKGKleCQAOhpy3ZtYRpB": lambda peer: peer.spawn(example.Enlivener, peer),
    }


@pytest.fixture(
    params=[("raw", "A"), ("raw", "B"), ("raw", "D"), ("prefixed", "D")], ids=lambda it: "-".join(it)
)
def stage(request, suite_objects):
    """A stage in each dialect and framing."""
    return Stage(*request.param, suite_objects)


@pytest.fixture(params=["raw", "prefixed"])
def drafts(request, suite_objects):
    """A stage that speaks the current drafts, in each framing."""
    return Stage(request.param, "D", suite_objects)


@pytest.fixture
def single(suite_objects):
    """A stage for what does not depend on dialect and framing."""
    return Stage("prefixed", "D", suite_objects)


@pytest.fixture
def make_keys():
    return Keys


@pytest.fixture
def rec():
    """Make a record: label, fields."""
    return record


@pytest.fixture
def check_signature():
    return verify
