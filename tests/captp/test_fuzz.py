"""Valid sessions, mutated: whatever comes in, a session stays open and sound, or ends as it should."""

import random
import time

import pytest

from hobgoblin import __compiled__
from hobgoblin.errors import BrokenPromise
from hobgoblin.refs import Promise
from hobgoblin.syrup import Framing, KeyOrder, decode, encode, frame
from hobgoblin.syrup.framing import PrefixedDecoder, RawDecoder
from hobgoblin.values import Record, Symbol

ROUNDS = 4
PER_ROUND = 150


def serve(*args):
    if args and args[0] == Symbol("fail"):
        raise BrokenPromise(Symbol("no"))
    return args[-1] if args else None


def begin(side):
    """What each side does at once; the same every time, so that recorded answers fit."""
    side.object._behaviour = serve
    kept = [side.spawn(serve), Promise(side), Promise(side)]
    first = side.send(side.remote, (Symbol("echo"), kept[0], (kept[1], {"x": kept[2]})))
    piped = side.send(first, (Symbol("more"), kept[0], first))
    failed = side.send(piped, (Symbol("fail"),))
    side.send_only(side.remote, Symbol("hello"), 1.5, b"octets", kept[1])
    part = side.send(side.remote, (Symbol("echo"), {"a": (1, 2)}))
    usual = side.send(side.remote, (Symbol("add"), 20, 22))
    after = side.send(usual, (Symbol("stop"),))
    kept[1]._resolve_here(kept[0])
    return [*kept, first, piped, failed, part, usual, after]


def record(make_pair):
    """Return what each side of a session says, by name."""
    pair = make_pair()
    hellos = dict(reversed(pair.transcript))
    kept = [begin(side) for side in (pair.a, pair.b)]
    pair.pump()
    for promises in kept:
        promises[2]._resolve_here((1, None, Symbol("done")))
    pair.pump()
    for promises in kept:
        promises.clear()
    pair.settle()
    said = {
        name: [octets for sender, octets in pair.transcript if sender == name] for name in ("alice", "bob")
    }
    for name, messages in said.items():
        assert messages[0] == hellos[name]
        end = next(at for at, octets in enumerate(messages) if b"op:gc-answers" in octets)
        messages[end:end] = [
            b"<6'op:get<11'desc:answer1+>1\"x77+>",
            b"<8'op:index<11'desc:answer77+>0+78+>",
            b"<9'op:listen<11'desc:answer78+><18'desc:import-object79+>f>",
        ]
    return said


@pytest.fixture(scope="module")
def said():
    return {}


def mutate_octets(rng, messages):
    """Flip, delete, insert, duplicate or swap, among the octets of one message."""
    index = rng.randrange(0 if rng.randrange(10) == 0 else 1, len(messages))
    octets = bytearray(messages[index])
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(octets))
        action = rng.randrange(5)
        if action == 0:
            octets[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            del octets[at : at + rng.choice((1, 1, 3, 20))]
            octets = octets or bytearray(b"<")
        elif action == 2:
            octets[at:at] = rng.choice((rng.randbytes(1), b"<", b">", b"[", b"9", b"f", b"t", b"0+", b"[]"))
        elif action == 3:
            octets[at:at] = octets[at : at + rng.randrange(1, 40)]
        else:
            other = rng.randrange(len(octets))
            octets[at], octets[other] = octets[other], octets[at]
    return [*messages[:index], bytes(octets), *messages[index + 1 :]]


def mutate_messages(rng, messages):
    """Leave out, repeat, swap or cut short whole messages."""
    mutated = list(messages)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, other = (rng.randrange(1 if rng.randrange(10) else 0, len(mutated)) for _ in range(2))
        action = rng.randrange(4)
        if action == 0 and len(mutated) > 3:
            del mutated[at]
        elif action == 1:
            mutated.insert(other, mutated[at])
        elif action == 2:
            mutated[at], mutated[other] = mutated[other], mutated[at]
        else:
            del mutated[at + 1 :]
            mutated.extend(mutated[-2:])
    return mutated


LABELS = (
    *("op:deliver", "op:listen", "op:get", "op:index", "op:untag", "op:gc-exports", "op:gc-answers"),
    *("op:abort", "op:deliver-only", "op:gc-export", "desc:import-object", "desc:import-promise"),
    *("desc:export", "desc:answer", "desc:sig-envelope", "desc:handoff-give", "desc:handoff-receive"),
    *("ocapn-peer", "ocapn-sturdyref", "void", "null", "desc:error", "desc:tagged", "kw", "x"),
)
ATOMS = (
    *(0, 1, 2, 3, 5, -1, 2**53 - 1, 2**53, 2**64, True, False, 1.5, "x", b"x", "", Symbol("x")),
    *(Symbol("fulfill"), Symbol("break"), (), {}, (1,), {"x": 1}),
)


def mutate_value(rng, value, depth=0):
    """Replace something inside of a decoded message by something else that is well formed."""
    if rng.randrange(6) == 0 or depth > 6:
        kind = rng.randrange(4)
        if kind == 0:
            return Record(Symbol(rng.choice(LABELS)), value.fields if isinstance(value, Record) else (value,))
        if kind == 1:
            label = rng.choice(("desc:import-object", "desc:import-promise", "desc:export", "desc:answer"))
            return Record(Symbol(label), (rng.randrange(6),))
        return rng.choice(ATOMS)
    if isinstance(value, Record) and value.fields:
        fields = list(value.fields)
        action = rng.randrange(8)
        at = rng.randrange(len(fields))
        if action == 0:
            del fields[at]
        elif action == 1:
            fields.insert(at, rng.choice(ATOMS))
        else:
            fields[at] = mutate_value(rng, fields[at], depth + 1)
        return Record(value.label, tuple(fields))
    if isinstance(value, tuple) and value:
        at = rng.randrange(len(value))
        return (*value[:at], mutate_value(rng, value[at], depth + 1), *value[at + 1 :])
    return rng.choice(ATOMS)


def mutate_grammar(rng, messages):
    index = rng.randrange(0 if rng.randrange(10) == 0 else 1, len(messages))
    mutated = encode(mutate_value(rng, decode(messages[index])), key_order=KeyOrder.KEEP)
    return [*messages[:index], mutated, *messages[index + 1 :]]


def receive(make_pair, rng, role, messages, framing):
    """Feed ``messages`` to a fresh side in ``role``, cut at random; return that side."""
    pair = make_pair(opened=False, framing=framing)
    side = pair.a if role == "alice" else pair.b
    kept = []
    if framing is Framing.MESSAGE:
        chunks = messages
    else:
        first, *rest = (frame(message, framing) for message in messages)
        octets = b"".join(rest)
        cuts = sorted(rng.randrange(len(octets) + 1) for _ in range(rng.randrange(6)))
        chunks = [first, *(octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True))]
    for chunk in chunks:
        side.take(chunk)
        if not kept and side.log == ["Opened"]:
            kept = begin(side)
        side.run()
        side.session.data_to_send()
        if rng.randrange(8) == 0:
            kept.clear()
    return side


@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.parametrize("mutate", [mutate_octets, mutate_messages, mutate_grammar])
@pytest.mark.parametrize(
    "round_", [0, *(pytest.param(n, marks=pytest.mark.without_coverage) for n in range(1, ROUNDS))]
)
def test_t11_mutated_sessions_end_as_they_should(make_pair, said, role, mutate, round_):
    if not said:
        said.update(record(make_pair))
    peer = "bob" if role == "alice" else "alice"
    survived = 0
    for seed in range(round_ * PER_ROUND, (round_ + 1) * PER_ROUND):
        rng = random.Random(f"{role} {mutate.__name__} {seed}")
        messages = mutate(rng, said[peer])
        framing = (Framing.RAW, Framing.PREFIXED, Framing.MESSAGE)[seed % 3]
        start = time.process_time()
        side = receive(make_pair, rng, role, messages, framing)
        assert time.process_time() - start < 5, seed
        side.session.check()
        assert sum(side.tables) < 200, seed
        if side.session.state.value == "severed":
            assert side.log.count("Severed") == 1, seed
            assert side.log[-1] == "Severed", seed
            side.take(b"".join(said[peer]))
            assert side.log[-1] == "Severed", seed
            assert side.session.data_to_send() == [], seed
        else:
            assert "Severed" not in side.log, seed
            survived += 1
    assert survived < PER_ROUND or mutate is not mutate_octets


@pytest.mark.without_coverage
@pytest.mark.skipif(__compiled__, reason="the compiled form reads all octet by octet")
@pytest.mark.parametrize("mutate", [mutate_octets, mutate_messages, mutate_grammar])
def test_it_is_the_same_whether_calls_are_read_at_once(make_pair, said, monkeypatch, mutate):
    if not said:
        said.update(record(make_pair))

    def outcomes():
        for seed in range(PER_ROUND):
            rng = random.Random(f"at once {mutate.__name__} {seed}")
            messages = mutate(rng, said["alice"])
            side = receive(make_pair, rng, "bob", messages, (Framing.RAW, Framing.PREFIXED)[seed % 2])
            yield side.log, side.tables, side.session.stats(), side.session.severed_because

    at_once = list(outcomes())
    for decoder in (RawDecoder, PrefixedDecoder):
        monkeypatch.setattr(decoder, "_whole_calls", lambda self: None)
    assert list(outcomes()) == at_once


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_unchanged_they_go_through(make_pair, said, role):
    if not said:
        said.update(record(make_pair))
    for framing in (Framing.RAW, Framing.PREFIXED, Framing.MESSAGE):
        messages = said["bob" if role == "alice" else "alice"]
        side = receive(make_pair, random.Random(5), role, messages, framing)
        assert "Severed" not in side.log
        assert side.log.count("Answered") >= 2


def test_noise_ends_a_session_at_once(make_pair):
    for seed in range(300):
        rng = random.Random(seed)
        side = receive(make_pair, rng, "bob", [rng.randbytes(rng.randrange(1, 60))], Framing.RAW)
        assert side.log in ([], ["Severed"]), seed
