"""The tables that say what messages look like: rows of each, and peers that speak them."""

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, PeerLocator, PeerSettings, Symbol, method, netlayers
from hobgoblin.captp.handshake import hello
from hobgoblin.crypto import BYTE_ARRAYS, S_EXPRESSIONS, KeyPair, PublicKey
from hobgoblin.dialects import DRAFT, OneWay
from hobgoblin.errors import ProtocolError, SyrupError
from hobgoblin.locators import my_location
from hobgoblin.messages import (
    DescAnswer,
    DescExport,
    DescImportObject,
    DescImportPromise,
    DescSigEnvelope,
    OpDeliver,
    OpGcExports,
    OpListen,
    OpStartSession,
)
from hobgoblin.syrup import decode, encode
from hobgoblin.values import DEFAULT_LIMITS, NULL
from hobgoblin.wire import (
    APRIL_2026,
    SYRUP,
    TODAY,
    WIRES,
    CallWriter,
    Framing,
    Octets,
    Wire,
    octets_by,
    wire_of,
)

VECTORS = {
    name: bytes.fromhex(octets)
    for name, octets in json.loads(
        (Path(__file__).parent / "vectors" / "wire-examples.json").read_text(encoding="utf-8")
    ).items()
}
APRIL, SEPTEMBER = WIRES["2026-04"], WIRES["2026-09"]
ALICE = KeyPair.from_seed(sha256(b"alice").digest())
PLACE = PeerLocator("tcp-testing-only", "alice0", {"host": "127.0.0.1", "port": "22045"})
PLACE_OCTETS = VECTORS["ocapn-peer"]


def read(wire: Wire, octets: bytes) -> Any:
    return decode(octets, constructors=wire.constructors)


def write(wire: Wire, value: object) -> bytes:
    return wire.codec.encode(value, encoders=wire.encoders)


# Codec


def test_captp_holds_no_syrup_of_its_own() -> None:
    for path in (Path(__file__).parents[1] / "src" / "hobgoblin" / "captp").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not str(node.module).startswith("hobgoblin.syrup"), path
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                assert node.value == b"", path


ARGUMENTS = (Symbol("add"), -20, 22, 0.5, None, "ü" * 80, {"b": [True], "a": b"x" * 70}, NULL)

EXAMPLES: dict[str, Callable[[Octets], bytes]] = {
    "import_object": lambda octets: octets.import_object(7),
    "import_promise": lambda octets: octets.import_promise(0),
    "export": lambda octets: octets.export(2**53 - 1),
    "answer": lambda octets: octets.answer(12),
    "listen": lambda octets: octets.listen(b"<11'desc:export8+>", 9),
    "get": lambda octets: octets.get(b"<11'desc:answer3+>", b'4"name', 4),
    "index": lambda octets: octets.index(b"<11'desc:answer3+>", b"0+", 4),
    "untag": lambda octets: octets.untag(b"<11'desc:answer3+>", b'7"decimal', 4),
    "gc_exports": lambda octets: octets.gc_exports([1, 2**53 - 1], [3, 1]),
    "gc_answers": lambda octets: octets.gc_answers([0, 12, 345]),
    "gc_answers, one": lambda octets: octets.gc_answers([7]),
}

CALLS: dict[str, Callable[[CallWriter, Framing, bool], object]] = {
    "deliver": lambda calls, framing, to_answer: calls.deliver(framing, to_answer, 0, ARGUMENTS, 3, 5),
    **{
        f"one_way {way.name}": lambda calls, framing, to_answer, way=way: calls.one_way(
            framing, to_answer, 2**53 - 1, ARGUMENTS, way, 12
        )
        for way in OneWay
    },
}


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_written_by_hand_is_what_the_tables_say(wire: Wire, example: str) -> None:
    by_tables = octets_by(wire.codec, wire.schema.encoders)
    assert EXAMPLES[example](wire.octets) == EXAMPLES[example](by_tables)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@pytest.mark.parametrize("framing", [Framing.RAW, Framing.PREFIXED, Framing.MESSAGE])
@pytest.mark.parametrize("to_answer", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_is_written_by_hand_is_what_the_tables_say(
    wire: Wire, framing: Framing, to_answer: bool, call: str
) -> None:
    by_tables = octets_by(wire.codec, wire.schema.encoders)
    by_hand, right = [
        CALLS[call](octets.calls(wire.encoders, DEFAULT_LIMITS, True, False), framing, to_answer)
        for octets in (wire.octets, by_tables)
    ]
    assert by_hand == right


@pytest.mark.parametrize("size", [0, 3, 60, 61, 4000, 4090, 4096, 5000, 100_000])
def test_a_call_of_any_size_is_framed_alike_whole_and_in_pieces(size: int) -> None:
    args = (Symbol("put"), b"x" * size, list(range(size // 10)), "y" * size)
    calls = [TODAY.octets.calls(TODAY.encoders, DEFAULT_LIMITS, True, cuts) for cuts in (False, True)]
    whole, pieces = [each.deliver(Framing.PREFIXED, False, 1, args, 3, 5) for each in calls]
    assert whole == (pieces if isinstance(pieces, bytes) else b"".join(pieces))
    message = encode(OpDeliver(DescExport(1), args, 3, DescImportObject(5)), encoders=TODAY.encoders)
    assert whole == b"%d:%b" % (len(message), message)


def test_the_limits_of_a_call_are_those_of_its_arguments() -> None:
    for size in range(200, 400):
        limits = replace(DEFAULT_LIMITS, message_bytes=size)
        args = ("x" * 150, [1] * 20)
        fits = len(encode(args)) <= size - 160
        for octets in (TODAY.octets, octets_by(SYRUP, TODAY.encoders)):
            calls = octets.calls(TODAY.encoders, limits, True, True)
            if fits:
                assert calls.deliver(Framing.RAW, False, 1, args, 3, 5)
                assert calls.one_way(Framing.PREFIXED, False, 1, args, OneWay.DELIVER, 5)
            else:
                with pytest.raises(SyrupError, match=f"larger than the limit of {size - 160} octets"):
                    calls.deliver(Framing.PREFIXED, False, 1, args, 3, 5)


def test_the_short_ways_to_write_are_those_of_the_examples() -> None:
    calls = TODAY.octets.calls(TODAY.encoders, DEFAULT_LIMITS, True, False)
    args = (Symbol("fetch"), b"swissnum")
    assert calls.deliver(Framing.RAW, False, 0, args, 3, 5) == VECTORS["op:deliver fetch"]
    assert TODAY.octets.listen(write(TODAY, DescExport(8)), 9) == VECTORS["op:listen 3-field"]


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@pytest.mark.parametrize(
    "value", [DescImportObject(1), DescImportPromise(2), DescExport(3), DescAnswer(4), None, NULL], ids=repr
)
def test_what_each_wire_writes_it_reads(wire: Wire, value: object) -> None:
    assert read(wire, write(wire, value)) == value


# Schema


def test_april_2026_has_two_fields_in_op_listen() -> None:
    octets = VECTORS["op:listen 2-field (spec)"]
    assert write(APRIL, OpListen(DescExport(8), DescImportObject(9), False)) == octets
    assert APRIL.octets.listen(write(APRIL, DescExport(8)), 9) == octets
    assert read(APRIL, octets) == OpListen(DescExport(8), DescImportObject(9), False)
    with pytest.raises(ProtocolError, match="op:listen has 3 fields, not 2"):
        read(APRIL, VECTORS["op:listen 3-field"])


def test_april_2026_reads_plural_names_alone() -> None:
    assert read(APRIL, VECTORS["op:gc-exports (Endo, spec)"]) == OpGcExports((1, 2), (1, 4))
    for gone in ("op:deliver-only", "op:gc-export", "op:gc-answer"):
        assert gone in TODAY.constructors
        assert gone not in APRIL.constructors


def test_a_wire_may_know_one_dialect_alone() -> None:
    assert APRIL.schema.dialect is SEPTEMBER.schema.dialect is DRAFT
    assert PeerSettings(wire="2026-04", dialect="D").wire == "2026-04"
    with pytest.raises(ValueError, match="this wire has the dialect D, and no A"):
        PeerSettings(wire="2026-04", dialect="A")
    with pytest.raises(ValueError, match="this wire has the dialect D, and no A"):
        Peer(wire="2026-04", dialect="A")


# Crypto form


def test_keys_and_signatures_of_september_2026_are_byte_arrays() -> None:
    key, signature = ALICE.public, bytes(range(64))
    assert encode(BYTE_ARRAYS.key_to_value(key)) == b"32:" + key.raw
    assert encode(BYTE_ARRAYS.signature_to_value(signature)) == b"64:" + signature
    assert BYTE_ARRAYS.key_from_value(key.raw) == key
    assert BYTE_ARRAYS.signature_from_value(signature) == signature


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), "a" * 32, 5, None, ALICE.public.to_value()])
def test_what_is_no_byte_array_of_that_length_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match="not a public key"):
        BYTE_ARRAYS.key_from_value(value)
    with pytest.raises(ProtocolError, match="not a signature"):
        BYTE_ARRAYS.signature_from_value(value)


def test_public_ids_are_made_of_keys_as_they_are_written() -> None:
    def twice(octets: bytes) -> bytes:
        return sha256(sha256(octets).digest()).digest()

    assert TODAY.public_id(ALICE.public) == ALICE.public.public_id == twice(ALICE.public.encoded)
    assert SEPTEMBER.public_id(ALICE.public) == twice(b"32:" + ALICE.public.raw)


def test_the_hello_of_september_2026_says_its_crypto_version() -> None:
    signature = ALICE.sign(VECTORS["my-location (signed bytes)"])
    said = hello(ALICE, PLACE, "1.0", SEPTEMBER)
    octets = b"<16'op:start-session3\"1.0" + b'14"Ed25519_SHA256' + b"32:" + ALICE.public.raw
    octets += PLACE_OCTETS + b"64:" + signature + b">"
    assert write(SEPTEMBER, said) == octets
    for wire in WIRES.values():
        assert (
            read(wire, octets)
            == said
            == OpStartSession("1.0", ALICE.public, PLACE, signature, "Ed25519_SHA256")
        )
    assert write(TODAY, hello(ALICE, PLACE, "1.0")) == VECTORS["op:start-session"]


@pytest.mark.parametrize("said", [b'7"Ed448_X', b"f", b"0+"])
def test_a_hello_with_another_crypto_version_is_refused(said: bytes) -> None:
    octets = write(SEPTEMBER, hello(ALICE, PLACE, "1.0", SEPTEMBER))
    with pytest.raises(ProtocolError, match="crypto-version"):
        read(SEPTEMBER, octets.replace(b'14"Ed25519_SHA256', said))


# The bundle


def test_wires_are_named_or_given() -> None:
    own = Wire("mine", schema=APRIL_2026)
    assert wire_of("today") is TODAY
    assert wire_of(own) is own
    assert own.octets.listen(b"[]", 1) == APRIL.octets.listen(b"[]", 1)
    assert repr(own) == "<Wire mine>"
    with pytest.raises(ValueError, match="there is no wire 'tomorrow'; there are today, 2026-04, 2026-09"):
        PeerSettings(wire="tomorrow")
    with pytest.raises(TypeError, match="not a int"):
        PeerSettings(wire=5)  # type: ignore[arg-type]


def test_certificates_pass_between_wires_that_sign_alike() -> None:
    assert TODAY.signs_like(APRIL)
    assert not APRIL.signs_like(SEPTEMBER)
    assert SEPTEMBER.signs_like(Wire("mine", codec=SYRUP, crypto=BYTE_ARRAYS))
    assert not TODAY.signs_like(Wire("mine", crypto=BYTE_ARRAYS))


# Peers


class Thing(Actor):
    @method
    def hi(self) -> str:
        return "hi"

    @method
    def echo(self, *values: Any) -> Any:
        return values

    @method
    async def ask(self, other: Any) -> Any:
        return await other.hi()


class Sent:
    """A tap that keeps what was sent."""

    def __init__(self) -> None:
        self.out: list[bytes] = []

    def sent(self, message: bytes) -> None:
        self.out.append(message)

    def received(self, data: bytes) -> None:
        pass


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(guarded())


@asynccontextmanager
async def peers(**options: dict[str, Any]) -> AsyncIterator[list[Peer]]:
    network = netlayers.MemoryNetwork()
    async with asyncio.timeout(50):
        made = [Peer(netlayers.Memory(network, name), name=name, **given) for name, given in options.items()]
        try:
            for peer in made:
                await peer.start()
            yield made
        finally:
            for peer in reversed(made):
                await peer.close()


@pytest.mark.parametrize("wire", WIRES)
def test_peers_that_speak_the_same_wire(wire: str) -> None:
    async def main() -> None:
        tap = Sent()
        async with peers(alice={"wire": wire, "tap": tap}, bob={"wire": wire}) as (alice, bob):
            there = alice.enliven(bob.publish(bob.spawn(Thing)), Thing)
            here = alice.spawn(Thing)
            assert await there.echo(1, "two", b"3", None) == (1, "two", b"3", None)
            assert await there.ask(here) == "hi"
            assert (await there.echo({"a": [5]}))[0]["a"][0] == 5
            assert [session.wire for session in alice.sessions + bob.sessions] == [wire] * 2
        assert (b"Ed25519_SHA256" in tap.out[0]) == (wire == "2026-09")

    run(main)


@pytest.mark.parametrize("wires", [("today", "2026-09"), ("2026-09", "today")])
def test_byte_arrays_and_s_expressions_open_no_session(wires: tuple[str, str]) -> None:
    async def main() -> None:
        async with peers(alice={"wire": wires[0]}, bob={"wire": wires[1]}) as (alice, bob):
            with pytest.raises(hob.SessionSevered, match="invalid-crypto-version"):
                await alice.enliven(bob.publish(bob.spawn(Thing)), Thing).hi()
            assert len(alice.sessions) == len(bob.sessions) == 0

    run(main)


@pytest.mark.parametrize("who_dials", ["alice", "bob"])
@pytest.mark.parametrize("wire", ["2026-04", "2026-09"])
def test_one_peer_is_spoken_to_in_its_own_wire_and_the_others_as_always(who_dials: str, wire: str) -> None:
    async def main() -> None:
        settings = {"ocapn://bob.memory": PeerSettings(wire=wire)}
        async with peers(alice={"settings": settings}, bob={"wire": wire}, carol={}) as (alice, bob, carol):
            for other in (bob, carol):
                home, client = (other, alice) if who_dials == "alice" else (alice, other)
                assert await client.enliven(home.publish(home.spawn(Thing)), Thing).hi() == "hi"
            assert {session.peer.designator: session.wire for session in alice.sessions} == {
                "bob": wire,
                "carol": "today",
            }

    run(main)


def certificates(wire: Wire, tap: Sent) -> list[DescSigEnvelope]:
    """The certificates for receivers that were sent, each of them checked to be those octets."""
    found: list[DescSigEnvelope] = []
    for message in tap.out:
        start = message.find(b"<17'desc:sig-envelope<17'desc:handoff-give")
        if start >= 0 and b"handoff-receive" not in message:
            for end in range(len(message), start, -1):
                try:
                    found.append(read(wire, message[start:end]))
                except hob.SyrupError:
                    continue
                break
    return found


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
def test_hand_offs_with_signatures_over_the_octets_as_sent(wire: Wire) -> None:
    async def main() -> None:
        tap = Sent()
        options = {"wire": wire}
        async with peers(gifter={**options, "tap": tap}, receiver=options, exporter=options) as made:
            gifter, receiver, exporter = made
            thing = await gifter.enliven(exporter.publish(exporter.spawn(Thing)), Thing)
            asker = gifter.enliven(receiver.publish(receiver.spawn(Thing)), Thing)
            assert await asker.ask(thing) == "hi"
            # Not through the gifter: receiver and exporter have a session of their own.
            assert {session.peer.designator for session in exporter.sessions} == {"gifter", "receiver"}
            [session] = [session for session in gifter.sessions if session.peer.designator == "exporter"]
            keys = session._connection.keys
        [certificate] = certificates(wire, tap)
        give: Any = certificate.object
        signed = wire.signed_octets(give)
        assert any(signed in message for message in tap.out)
        assert keys.public.verify(certificate.signature, signed)
        assert give.gifter_side == wire.public_id(keys.public)
        key = encode(wire.crypto.key_to_value(give.receiver_key))
        assert signed.startswith(b"<17'desc:handoff-give" + key)
        assert len(key) == (35 if wire.crypto is BYTE_ARRAYS else 96)

    run(main)


def test_where_no_certificate_passes_the_gifter_stays_between() -> None:
    async def main() -> None:
        tap = Sent()
        settings = {"ocapn://exporter.memory": PeerSettings(wire="2026-09")}
        async with peers(
            gifter={"settings": settings, "tap": tap}, receiver={}, exporter={"wire": "2026-09"}
        ) as (gifter, receiver, exporter):
            thing = await gifter.enliven(exporter.publish(exporter.spawn(Thing)), Thing)
            asker = gifter.enliven(receiver.publish(receiver.spawn(Thing)), Thing)
            assert await asker.ask(thing) == "hi"
            assert {session.peer.designator for session in exporter.sessions} == {"gifter"}
        assert not any(b"handoff-give" in message for message in tap.out)

    run(main)


def test_a_certificate_of_another_form_opens_nothing_and_ends_nothing() -> None:
    """The receiver and the exporter speak as today, each of them with the gifter as in September 2026."""

    async def main() -> None:
        settings = {"ocapn://gifter.memory": PeerSettings(wire="2026-09")}
        async with peers(
            gifter={"wire": "2026-09"}, receiver={"settings": settings}, exporter={"settings": settings}
        ) as (gifter, receiver, exporter):
            thing = await gifter.enliven(exporter.publish(exporter.spawn(Thing)), Thing)
            asker = gifter.enliven(receiver.publish(receiver.spawn(Thing)), Thing)
            with pytest.raises(hob.RemoteError, match="this certificate opens nothing here"):
                await asker.ask(thing)
            assert len(gifter.sessions) == len(receiver.sessions) == len(exporter.sessions) == 2

    run(main)


def test_schemas_that_differ_hand_over_all_the_same() -> None:
    async def main() -> None:
        settings = {"ocapn://exporter.memory": PeerSettings(wire="2026-04")}
        async with peers(
            gifter={"settings": settings},
            receiver={"settings": settings},
            exporter={"wire": "2026-04"},
        ) as (gifter, receiver, exporter):
            thing = await gifter.enliven(exporter.publish(exporter.spawn(Thing)), Thing)
            asker = gifter.enliven(receiver.publish(receiver.spawn(Thing)), Thing)
            assert await asker.ask(thing) == "hi"
            assert {session.peer.designator for session in exporter.sessions} == {"gifter", "receiver"}

    run(main)


def test_signatures_hold_over_a_location_in_either_form() -> None:
    assert TODAY.signed_octets(my_location(PLACE)) == SEPTEMBER.signed_octets(my_location(PLACE))
    assert S_EXPRESSIONS.key_from_value(decode(ALICE.public.encoded)) == PublicKey(ALICE.public.raw)
