"""A peer that speaks the protocol well enough to be heard, and then does what nobody should.

It has no session and no vat: it is a handler of channels that writes octets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hobgoblin.captp.handoffs import sign_give, sign_receive
from hobgoblin.captp.handshake import hello
from hobgoblin.crypto import KeyPair, session_id
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import (
    CONSTRUCTORS,
    ENCODERS,
    DescAnswer,
    DescExport,
    DescHandoffGive,
    DescImportObject,
    DescImportPromise,
    DescSigEnvelope,
    OpAbort,
    OpDeliver,
    OpGcAnswers,
    OpGcExports,
    OpGet,
    OpIndex,
    OpListen,
    OpStartSession,
    OpUntag,
)
from hobgoblin.syrup import NEED_MORE, Framing, encode, frame, open_decoder
from hobgoblin.testing import Simulation
from hobgoblin.values import ErrorValue, Record, Symbol

FULFILL, BREAK = Symbol("fulfill"), Symbol("break")
VERBS = tuple(map(Symbol, ("note", "echo", "make", "pledge", "ask", "tell", "fail", "fetch", "fulfill")))


class Line:
    """One channel: what has been learnt of the other side, and what was said."""

    def __init__(self, owner: Byzantine, dialled: str | None) -> None:
        self.owner = owner
        self.dialled = dialled
        self.keys = KeyPair.from_seed(owner.entropy(32))
        self.channel: Any = None
        self.peer: str | None = dialled
        self.peer_key: Any = None
        self.session = b""
        self.decoder = open_decoder(
            Framing.DETECT if dialled is None else Framing.PREFIXED, constructors=CONSTRUCTORS
        )
        self.exports: list[int] = []
        self.resolvers: list[int] = []
        self.asked: list[int] = [0]
        self.certificates: list[DescSigEnvelope] = []
        self.said: list[bytes] = []
        self.heard: list[Any] = []
        self.counts = 0

    @property
    def open(self) -> bool:
        return self.channel is not None and self.peer_key is not None

    # Handler

    def channel_opened(self, channel: Any) -> None:
        self.channel = channel
        if self.dialled is not None:
            self._hello()

    def data_received(self, data: bytes) -> None:
        self.decoder.feed(data)
        while True:
            message = self.decoder.next()
            if message is NEED_MORE:
                return
            self._learn(message)

    def eof_received(self) -> None:
        self.channel.close()

    def channel_lost(self, error: Exception | None) -> None:
        self.channel = self.peer_key = None
        if self in self.owner.lines:
            self.owner.lines.remove(self)

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    # What it knows

    def _hello(self) -> None:
        self.say(hello(self.keys, self.owner.location, "1.0"))

    def _learn(self, message: Any) -> None:
        rng = self.owner.rng
        self._look_into(message)
        if isinstance(message, OpStartSession):
            self.peer = message.acceptable_location.designator
            self.peer_key = message.session_pubkey
            self.session = session_id(self.keys.public.public_id, message.session_pubkey.public_id)
            if self.dialled is None:
                self._hello()
        elif isinstance(message, OpDeliver):
            self.heard.append(message.args)
            if isinstance(message.resolve_me_desc, DescImportObject):
                resolver = message.resolve_me_desc.position
                self.resolvers.append(resolver)
                if rng.random() < 0.6:
                    self._answer(resolver)

    def _look_into(self, value: Any) -> None:
        if isinstance(value, DescImportObject | DescImportPromise):
            self.exports.append(value.position)
        elif isinstance(value, DescSigEnvelope):
            self.certificates.append(value)
            if self.owner.rng.random() < 0.7:
                asyncio.get_running_loop().call_later(
                    self.owner.rng.choice((0.0, 0.1, 5.0)), self._use, value
                )
        elif isinstance(value, tuple):
            for item in value:
                self._look_into(item)
        elif isinstance(value, OpDeliver):
            self._look_into(value.args)

    def _answer(self, resolver: int) -> None:
        """Answer as an honest peer could."""
        rng = self.owner.rng
        if rng.random() < 0.8:
            self.say(
                OpDeliver(DescExport(resolver), (FULFILL, DescImportObject(rng.randint(1, 9))), False, False)
            )
        else:
            self.say(OpDeliver(DescExport(resolver), (BREAK, ErrorValue("no")), False, False))

    # What it says

    def write(self, octets: bytes) -> None:
        if self.channel is not None:
            self.said.append(octets)
            self.channel.write([octets])

    def say(self, op: Any) -> None:
        self.write(frame(encode(op, encoders=ENCODERS), Framing.PREFIXED))

    def _pos(self) -> int:
        rng = self.owner.rng
        known = self.exports + self.resolvers
        return rng.choice(known) if known and rng.random() < 0.9 else rng.choice((0, 1, 5, 99, 2**53 - 1))

    def _target(self) -> Any:
        rng = self.owner.rng
        if rng.random() < 0.2:
            return DescAnswer(rng.choice(self.asked))
        return DescExport(0) if rng.random() < 0.2 else DescExport(self._pos())

    def _value(self, depth: int = 0) -> Any:
        rng = self.owner.rng
        kind = rng.randrange(10)
        if kind < 3:
            return rng.choice((DescImportObject, DescImportPromise))(rng.randint(1, 12))
        if kind < 5:
            return self._target()
        if kind == 5 and depth < 3:
            return tuple(self._value(depth + 1) for _ in range(rng.randint(0, 3)))
        if kind == 6 and self.heard:
            return rng.choice(self.heard)
        if kind == 7 and self.certificates:
            return rng.choice(self.certificates)
        return rng.choice((0, -1, 2**70, 1.5, "text", b"octets", True, rng.choice(VERBS), None))

    def _resolver(self) -> Any:
        return DescImportObject(self.owner.rng.randint(1, 12))

    def deliver(self) -> None:
        rng = self.owner.rng
        args = (rng.choice(VERBS), *(self._value() for _ in range(rng.randint(0, 3))))
        answer: Any = False
        if rng.random() < 0.5:
            answer = rng.choice(self.asked) + rng.randint(0, 1)
            self.asked.append(answer)
        self.say(OpDeliver(self._target(), args, answer, self._resolver() if rng.random() < 0.5 else False))

    def listen(self) -> None:
        self.say(OpListen(self._target(), self._resolver(), False))

    def select(self) -> None:
        rng = self.owner.rng
        op: Any = rng.choice((OpGet, OpIndex, OpUntag))
        by = rng.randint(0, 9) if op is OpIndex else "field"
        answer = rng.choice(self.asked) + 1
        self.asked.append(answer)
        self.say(op(self._target(), by, answer))

    def release(self) -> None:
        rng = self.owner.rng
        positions = tuple(self._pos() for _ in range(rng.randint(1, 4)))
        self.say(OpGcExports(positions, tuple(rng.choice((1, 1, 2, 1000)) for _ in positions)))

    def release_answers(self) -> None:
        self.say(OpGcAnswers(tuple(self.owner.rng.choice(self.asked) for _ in range(2))))

    def resolve(self) -> None:
        rng = self.owner.rng
        if self.resolvers:
            verb = rng.choice((FULFILL, FULFILL, BREAK, Symbol("neither")))
            for _ in range(rng.randint(1, 2)):
                self.say(
                    OpDeliver(DescExport(rng.choice(self.resolvers)), (verb, self._value()), False, False)
                )

    def replay(self) -> None:
        if self.said:
            self.write(self.owner.rng.choice(self.said))

    def garble(self) -> None:
        rng = self.owner.rng
        octets = bytearray(rng.choice(self.said) if self.said else b"1:f")
        octets[rng.randrange(len(octets))] = rng.randrange(256)
        self.write(bytes(octets))

    def huge(self) -> None:
        self.write(self.owner.rng.choice((b"999999999:", b"9" * 40, b"30:<10'op:deliver[", b"\xff" * 50)))

    def flood(self) -> None:
        args = tuple(DescImportObject(n) for n in range(1, 400))
        self.say(OpDeliver(DescExport(0), (Symbol("fetch"), args), False, False))

    def abort(self) -> None:
        self.say(OpAbort("\x00\x1b[31m" + "x" * 5000))

    def again(self) -> None:
        self._hello()

    def strange(self) -> None:
        self.say(Record(Symbol("op:nothing"), (1, 2)))

    def _use(self, certificate: DescSigEnvelope) -> None:
        if isinstance(certificate.object, DescHandoffGive):
            self._withdraw_from(certificate, self.keys)

    def withdraw(self) -> None:
        """Take a gift with a certificate that an honest gifter gave us; or nearly with that."""
        rng, owner = self.owner.rng, self.owner
        gifters = [line for line in owner.lines if line.certificates]
        if not gifters:
            return
        gifter = rng.choice(gifters)
        certificate = rng.choice(gifter.certificates)
        give = certificate.object
        if not isinstance(give, DescHandoffGive):
            return
        if rng.random() < 0.1:
            self._withdraw(certificate, gifter.keys)
        else:
            self._withdraw_from(certificate, gifter.keys)

    def _withdraw_from(self, certificate: Any, keys: KeyPair) -> None:
        exporter = certificate.object.exporter_location.designator
        for line in self.owner.lines:
            if line.open and line.peer == exporter:
                line._withdraw(certificate, keys)
                return
        if exporter in self.owner.victims:
            self.owner.dial(exporter)

    def _withdraw(self, certificate: DescSigEnvelope, keys: KeyPair) -> None:
        rng = self.owner.rng
        for _ in range(rng.randint(1, 3)):
            how = rng.random()
            signed = certificate
            if how < 0.15:
                signature = bytearray(certificate.signature)
                signature[rng.randrange(64)] ^= 1 << rng.randrange(8)
                signed = DescSigEnvelope(certificate.object, bytes(signature))
            elif how < 0.25:
                keys = self.keys
            request = sign_receive(
                keys,
                session=self.session if rng.random() < 0.9 else b"\0" * 32,
                side=self.keys.public.public_id,
                count=self.counts,
                signed_give=signed,
            )
            if rng.random() < 0.15:
                request = DescSigEnvelope(request.object, bytes(64))
            if rng.random() < 0.6:
                self.counts += 1
            args = (Symbol("withdraw-gift"), request)
            self.say(OpDeliver(DescExport(0), args, False, self._resolver()))

    def deposit(self) -> None:
        rng = self.owner.rng
        gift = rng.choice((b"a" * 32, b"b" * 32, 7, "id", None, b"x" * 999))
        args = (Symbol("deposit-gift"), gift, rng.choice((self._target(), self._value())))
        self.say(OpDeliver(DescExport(0), args, False, False))

    def give(self) -> None:
        """Hand over what an honest exporter has, or has not, to this honest receiver."""
        rng, owner = self.owner.rng, self.owner
        lines = [line for line in owner.lines if line.open and line is not self]
        if not lines or not self.exports:
            return
        exporter = rng.choice(lines)
        gift = rng.randbytes(32)
        certificate = sign_give(
            exporter.keys if rng.random() < 0.8 else self.keys,
            receiver_key=self.peer_key if rng.random() < 0.8 else self.keys.public,
            exporter=PeerLocator("simulated", rng.choice((exporter.peer, self.peer, "nobody")), {}),
            session=exporter.session,
            gift_id=gift,
        )
        if rng.random() < 0.7:
            args: Any = (Symbol("deposit-gift"), gift, DescExport(exporter._pos()))
            exporter.say(OpDeliver(DescExport(0), args, False, False))
        args = (rng.choice(VERBS), "ticket", certificate)
        for _ in range(rng.randint(1, 2)):
            self.say(OpDeliver(DescExport(rng.choice(self.exports)), args, False, self._resolver()))


GENTLE: tuple[Callable[[Line], None], ...] = (
    *(Line.deliver, Line.deliver, Line.listen, Line.select, Line.release, Line.release_answers),
    *(
        Line.resolve,
        Line.replay,
        Line.withdraw,
        Line.withdraw,
        Line.deposit,
        Line.give,
        Line.give,
        Line.flood,
    ),
)
"""What a session often survives."""

ROUGH: tuple[Callable[[Line], None], ...] = (*(Line.garble, Line.huge, Line.abort, Line.again, Line.strange),)


class Byzantine:
    """A peer of the network that wants to harm the others."""

    def __init__(self, sim: Simulation, name: str, victims: tuple[str, ...]) -> None:
        self.rng = sim.rng
        self.name = name
        self.victims = victims
        self.entropy = sim.entropy(name)
        self.location = PeerLocator("simulated", name, {})
        self.lines: list[Line] = []
        self._layer = sim.network.netlayer(name)
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._roughness = self.rng.choice((0.0, 0.0, 0.05, 0.3))

    async def start(self) -> None:
        await self._layer.listen(self._accept)
        for victim in self.victims:
            self.dial(victim)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await self._layer.close()

    def attack(self) -> None:
        """Do one thing that is wrong, or at least odd."""
        rng = self.rng
        lines = [line for line in self.lines if line.open]
        if not lines or rng.random() < 0.1:
            self.dial(rng.choice(self.victims))
        if lines:
            line = rng.choice(lines)
            for _ in range(rng.choice((1, 1, 5))):
                rng.choice(ROUGH if rng.random() < self._roughness else GENTLE)(line)

    def dial(self, name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(name))
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    async def _dial(self, name: str) -> None:
        line = Line(self, name)
        self.lines.append(line)
        try:
            await self._layer.dial(PeerLocator("simulated", name, {}), line)
        except OSError:
            self.lines.remove(line)

    def _accept(self) -> Line:
        line = Line(self, None)
        self.lines.append(line)
        return line
