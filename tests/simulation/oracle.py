"""What must hold in a network of peers, in plain lists, sets and dictionaries.

The world reports what it sends, what arrives and what it decides; the oracle looks at the real peers
after everything that arrives, and says what is wrong. It keeps no reference alive. Tables that are as
large as they were when it last looked, with nothing sent and nothing received since, it takes to be
what they were, until the end of the run.

====  ==================================  ====================================================
 no.  invariant                           checked by
====  ==================================  ====================================================
  1   channel FIFO                        `End.received`: octets against those that were sent
  2   reference FIFO                      `Oracle.arrived`: numbers per reference rise by one
  3   at most once                        `Oracle.arrived`: no letter twice
  4   prefix on sever                     `Oracle.arrived`: no number is left out
  5   a promise settles once              `Watch`: told once; `Oracle.finish`: still settled so
  6   no capability leak                  `Oracle._check_grants`: every export was sent there;
                                          `Oracle.arrived`: what arrives is what was sent
  7   imports have their export           `Oracle._check_counts`
  8   nothing in use is collected         `Oracle._check_counts`, and calls that fail: 20
  9   count law                           `Oracle._check_counts`: with the octets under way
 10   answer positions                    `Oracle._check_answers`: with the octets under way
 11   one session per pair                `Oracle.check` (never two), `Oracle.finish` (both agree)
 12   a gift is given once                `Oracle.watch_gifts`, `Oracle.watch_desk`
 13   containment                         7, 9 and 10 of the sessions of honest peers hold whatever
                                          a byzantine one does; `Oracle.severed`: none of them ends
                                          because of a broken protocol; `tests.simulation.siege`:
                                          what goes through one of them to another harms nobody else
 14   budgets                             `Oracle.check`: tables against `Limits`
 16   abort is the end                    `End.sent`, `Oracle._check_end`
 17   no secrets in logs and errors       `Oracle.emit`, `Watch`, `End.sent`
 18   codec round trip                    `End.sent`
 20   promises settle or break            `Watch` (as was decided; without faults nothing breaks),
                                          `Oracle.severed` (broken at once), `Oracle.unsettled`
 21   quiescence                          `Simulation.run`, `hobgoblin.testing.assert_no_leaks`
 22   what is dropped is collected        the same
 23   honest progress                     `World.honest_calls`
 24   hand-offs complete or break         `Oracle.unsettled`: the promises of certificates among them
====  ==================================  ====================================================

15 (turns are atomic) is for the tests of vats, 19 (determinism) for those of the simulation.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any
from weakref import WeakKeyDictionary, ref

from hobgoblin.captp import SessionState
from hobgoblin.captp.gifts import GiftDesk, GiftTable
from hobgoblin.captp.handoffs import Gift
from hobgoblin.captp.texts import NOT_NEEDED
from hobgoblin.connection import Connection
from hobgoblin.errors import (
    BrokenPromise,
    NetlayerError,
    PromiseCycle,
    ProtocolError,
    Refused,
    SessionSevered,
    SyrupError,
    VatStopped,
)
from hobgoblin.messages import ENCODERS, DescSigEnvelope
from hobgoblin.peer import CLOSED_HERE, CROSSED_HELLOS, DUPLICATE, Peer
from hobgoblin.refs import BROKEN, FULFILLED, PENDING, LocalRef, Promise, Ref, RemoteRef
from hobgoblin.sturdyrefs import Bootstrap
from hobgoblin.syrup import encode
from tests.simulation.ends import End
from tests.simulation.tokens import BREAKS, CANARY, TAINTED, Channel, Letter, Token, Violation

OPEN, SEVERED = SessionState.OPEN, SessionState.SEVERED

ENDINGS = (
    *("the peer closed the connection", "the peer has closed", CLOSED_HERE, "no hello in time"),
    *("the vat has been stopped", CROSSED_HELLOS, DUPLICATE, NOT_NEEDED),
)
"""Why a session of two honest peers may end."""

EXPECTED = (
    *(SessionSevered, NetlayerError, VatStopped, Refused, BrokenPromise, ProtocolError, SyrupError),
    PromiseCycle,  # a byzantine peer resolves promises to themselves
)
"""Errors that a log may hold, besides those with the canary."""


@dataclass(slots=True)
class Tally:
    """What happened in a run."""

    messages: int = 0
    letters: int = 0
    severs: int = 0
    sessions: int = 0
    crossed: int = 0
    handoffs: int = 0
    gifts: int = 0
    attacks: int = 0
    checks: int = 0

    def add(self, other: Tally) -> None:
        for counter in fields(self):
            setattr(self, counter.name, getattr(self, counter.name) + getattr(other, counter.name))


class Watch:
    """A listener of one promise: it must be told once, and what was decided."""

    __slots__ = ("how", "oracle", "promise", "times", "token", "value")

    def __init__(self, oracle: Oracle, promise: Promise[Any], token: Token) -> None:
        self.oracle = oracle
        self.promise = ref(promise)
        self.token = token
        self.times = 0
        self.how = PENDING
        self.value = 0

    def settled(self, promise: Promise[Any]) -> None:
        self.times += 1
        # The listener of a follower is told by that: it is this very promise.
        self.how, self.value = promise._state, id(promise._value)
        self.oracle.guard(self._check, promise)

    def _check(self, promise: Promise[Any]) -> None:
        oracle, token = self.oracle, self.token
        if self.times != 1:
            raise Violation(f"5: promise {token.number} has settled {self.times} times")
        outcome = token.outcome()
        if promise._state == BROKEN:
            text = f"{promise._value} {promise._value!r}"
            oracle.keeps_secrets(text, "an error")
            if CANARY in text and type(promise._value) is not RuntimeError:
                raise Violation(f"17: an error of another peer tells what it should not: {text}")
            if outcome not in (BREAKS, TAINTED) and not oracle.has_faults():
                raise Violation(
                    f"20: promise {token.number} broke for no reason: {promise._value!r}, not {outcome}"
                )
        elif promise._state != FULFILLED:
            raise Violation(f"5: a listener of promise {token.number} was told before it settled")
        elif outcome is not TAINTED:
            value = promise._value
            if outcome is None or outcome == BREAKS:
                raise Violation(f"5: promise {token.number} is {value!r}, and nobody has decided so")
            if isinstance(value, Ref) != isinstance(outcome, Token):
                raise Violation(f"5: promise {token.number} is {value!r}, not {outcome}")
            if isinstance(outcome, Token):
                oracle.is_reference_to(value, outcome)


class Oracle(logging.Handler):
    """See the module.

    Args:
        byzantine: the name of the peer that does as it likes, if there is one.
        codec_every: each how manieth message is decoded and encoded again.
        calm: nothing goes wrong on the network.
    """

    def __init__(self, *, byzantine: str | None = None, codec_every: int = 16, calm: bool = False) -> None:
        super().__init__(logging.WARNING)
        self.byzantine = byzantine
        self.codec_every = codec_every
        self.calm = calm
        self.tally = Tally()
        self.peers: dict[str, Peer] = {}
        self.ends: dict[Connection, End] = {}
        self.living: list[End] = []
        self.letters: dict[str, Letter] = {}
        self.tokens: list[Token] = []
        self.objects: WeakKeyDictionary[Ref, Token] = WeakKeyDictionary()
        self.channels: WeakKeyDictionary[Ref, Channel] = WeakKeyDictionary()
        self.promises: WeakKeyDictionary[Promise[Any], Token] = WeakKeyDictionary()
        self.watches: list[Watch] = []
        self.failures: list[BaseException] = []
        self.faulty = False
        """Something has gone wrong that may break promises."""
        self.ending = False
        self.secrets: list[str] = []
        self._deposits: Counter[tuple[str, Gift]] = Counter()
        self._grants: Counter[tuple[str, Gift]] = Counter()
        self._cut: set[int] = set()

    def fail(self, text: str) -> None:
        self.failures.append(Violation(text))

    def has_faults(self) -> bool:
        """Tell whether anything has happened that may break promises."""
        return not self.calm and (
            self.faulty
            or any(
                end.session.state is SEVERED and end.session.peer_location is not None for end in self.living
            )
        )

    def guard(self, check: Any, *args: Any) -> None:
        """Keep what a check raises that is called from within the code under test."""
        try:
            check(*args)
        except Exception as error:
            self.failures.append(error)

    # What the world reports

    def token(self, **attributes: Any) -> Token:
        token = Token(len(self.tokens), **attributes)
        if token.home is not None:
            token.audience.add(token.home)
        self.tokens.append(token)
        return token

    def letter(
        self, sender: str, reference: Ref, target: Token, things: tuple[Token, ...], ticket: str
    ) -> Letter:
        """Note a message that is sent now; return it, with the token of its answer."""
        channel = self.channels.get(reference)
        if channel is None:
            channel = self.channels[reference] = Channel(f"{sender}'s reference to {target.number}")
        channel.sent += 1
        answer = self.token(target=target, needs=(target, *things), tainted=target.tainted)
        letter = self.letters[ticket] = Letter(channel, channel.sent, target, things, answer)
        way = self.way(reference)
        for token in (*things, answer):
            if way is None or self.byzantine in way:
                token.everyone = True
            else:
                token.audience.update(way)
        answer.audience.add(sender)
        self.tally.letters += 1
        return letter

    def may_pass(self, reference: Ref) -> bool:
        """Tell whether it is known who gets what is sent through ``reference``."""
        way = self.way(reference)
        return way is not None and self.byzantine not in way

    def arrived(self, ticket: object, receiver: Token, at: str, things: tuple[Any, ...]) -> Letter | None:
        """Check a message that an object gets; ``None`` if it may be any a byzantine peer's."""
        letter = self.letters.get(ticket) if isinstance(ticket, str) else None
        if letter is None:
            if self.byzantine is None:
                raise Violation(f"6: object {receiver.number} got {ticket!r}, which nobody has sent")
            return None
        outcome = letter.target.outcome()
        if outcome is TAINTED:
            return None
        channel = letter.channel
        if letter.arrived:
            raise Violation(f"3: letter {letter.number} of {channel.name} arrived twice")
        if outcome is not receiver:
            raise Violation(f"2: a letter to {letter.target} arrived at object {receiver.number}")
        if letter.number != channel.arrived + 1:
            raise Violation(f"2, 4: letter {letter.number} of {channel.name} arrived after {channel.arrived}")
        letter.arrived = True
        channel.arrived += 1
        if len(things) != len(letter.things):
            raise Violation(f"6: letter {letter.number} of {channel.name} holds {things!r}")
        for thing, token in zip(things, letter.things, strict=True):
            self.holds(thing, token, at)
        return letter

    def holds(self, thing: Any, token: Token, at: str) -> None:
        """Check a reference that a peer has got: it is what was sent, and was sent there."""
        if not isinstance(thing, Ref):
            raise Violation(f"6: {at} got {thing!r} in place of {token.number}")
        outcome = token.outcome()
        if isinstance(thing, Promise):
            self.promises.setdefault(thing, token)
        elif isinstance(outcome, Token):
            self.is_reference_to(thing, outcome)
        elif outcome is not TAINTED:
            raise Violation(f"6: {at} got an object in place of {token.number}, which is {outcome}")

    def is_reference_to(self, reference: Ref, token: Token) -> None:
        found = self.identity(reference)
        if found is not None and found is not token:
            raise Violation(f"6: a reference to object {found.number} in place of one to {token.number}")

    def watch(self, promise: Promise[Any], token: Token) -> None:
        """Check how ``promise`` settles."""
        self.promises[promise] = token
        watch = Watch(self, promise, token)
        self.watches.append(watch)
        promise._listen(watch)

    # Peers, sessions and gifts

    def join(self, connection: Connection, name: str) -> End:
        end = self.ends[connection] = End(self, connection, name)
        self.living.append(end)
        connection._tap = connection._outflow._tap = end
        self.tally.sessions += connection.dialled is not None
        return end

    def severed(self, connection: Connection) -> None:
        """A session has ended, and all that it was to break must be broken."""
        end = self.ends[connection]
        reason = str(connection.severed_because)
        end.received_last = end.session._received
        self.tally.crossed += reason == CROSSED_HELLOS
        # Those that never opened have broken promises only if their dial has failed.
        self.faulty |= end.session.peer_location is not None
        if end.other is not None and not any(ending in reason for ending in ENDINGS):
            self.fail(f"13: the session of two honest peers ends: {reason}")
        for promise in self.promises:
            if promise._route is connection and promise._state == PENDING and not promise._locked:
                self.fail(f"20: {promise!r} waits for a session that has ended")

    def watch_gifts(self, name: str, table: GiftTable) -> None:
        deposit, withdraw = table.deposit, table.withdraw

        def deposited(gift: Gift, target: Ref, now: float) -> None:
            waited = gift in table._requests
            deposit(gift, target, now)
            self._deposits[name, gift] += 1
            if waited:
                self._give(name, gift)

        def withdrawn(gift: Gift, receiver: bytes, now: float) -> Ref:
            waits = gift in table._deposits
            found = withdraw(gift, receiver, now)
            if waits:
                self._give(name, gift)
            return found

        table.deposit, table.withdraw = deposited, withdrawn  # type: ignore[method-assign]

    def _give(self, name: str, gift: Gift) -> None:
        self.tally.gifts += 1
        self._grants[name, gift] += 1
        if self._grants[name, gift] > self._deposits[name, gift]:
            self.fail("12: a gift was given twice")

    def watch_desk(self, desk: GiftDesk) -> None:
        withdraw = desk.withdraw
        counts: set[int] = set()

        def withdrawn(request: object) -> Ref:
            found = withdraw(request)
            assert isinstance(request, DescSigEnvelope)
            received: Any = request.object
            give = received.signed_give
            if received.handoff_count in counts:
                self.fail(f"12: the count {received.handoff_count} was accepted twice")
            counts.add(received.handoff_count)
            certificate = encode(give.object, encoders=ENCODERS)
            if not give.object.receiver_key.verify(request.signature, encode(received, encoders=ENCODERS)):
                self.fail("12: a request counts that the receiver has not signed")
            if not any(key.verify(give.signature, certificate) for key in self._keys()):
                self.fail("12: a certificate counts that no gifter has signed")
            return found

        desk.withdraw = withdrawn  # type: ignore[method-assign]

    def _keys(self) -> list[Any]:
        """Return the keys of all sessions, those of the byzantine peer among them."""
        own = [end.connection.keys.public for end in self.ends.values()]
        return own + [end.session.peer_key for end in self.ends.values() if end.session.peer_key]

    # Where references lead

    def identity(self, reference: Ref) -> Token | None:
        """Return the object that a reference leads to, through as many peers as it takes, if known."""
        while True:
            if isinstance(reference, LocalRef):
                return self.objects.get(reference)
            if isinstance(reference, Promise):
                if reference._state != FULFILLED or not isinstance(reference._value, Ref):
                    return None
                reference = reference._value
                continue
            assert isinstance(reference, RemoteRef)
            behind = self._behind(reference)
            if behind is None:
                return None
            reference = behind

    def _behind(self, reference: RemoteRef) -> Ref | None:
        end = self.ends[reference._sink]  # type: ignore[index]
        other = end.other
        if other is None or end.session.state is not OPEN or other.session.state is not OPEN:
            return None
        entry = other.session._exports.get(reference._pos)
        return None if entry is None else entry.target

    def way(self, reference: Ref) -> set[str] | None:
        """Return the peers that see what is sent through ``reference``, or ``None`` if that is open."""
        names: set[str] = set()
        found: Ref | None = reference
        while True:
            if isinstance(found, LocalRef):
                return names | {found._vat.name}  # type: ignore[attr-defined]
            if isinstance(found, Promise):
                if found._state != FULFILLED or found._used or found._detour is not None:
                    return None
                if not isinstance(found._value, Ref):
                    return names
                found = found._value
                continue
            assert isinstance(found, RemoteRef)
            end = self.ends[found._sink]  # type: ignore[index]
            names.add(end.name)
            if end.other is None:
                return None if end._linked else names
            names.add(end.other.name)
            found = self._behind(found)
            if found is None:
                return names

    # After everything that arrives

    def check(self, receiver: str, channel: int, octets: object) -> None:
        """Check the sessions of the peer that something has arrived at."""
        self.tally.checks += 1
        if octets == "RST":
            self._cut.add(channel)
        if self.failures:
            raise self.failures[0]
        severed = False
        open_to: set[object] = set()
        for end in self.living:
            session = end.session
            state = session.state
            if state is SEVERED:
                self._check_end(end)
                severed = True
            elif state is OPEN and end.name == receiver:
                end.opened = True
                location = session.peer_location
                assert location is not None
                if location.identity in open_to:
                    raise Violation(f"11: {receiver} has two sessions with {location.designator}")
                open_to.add(location.identity)
                self._check_open(end)
        if severed:
            self.living = [end for end in self.living if end.received_last is None or not self._over(end)]
        self.peers[receiver]._gifts.check()

    def _check_open(self, end: End) -> None:
        """Check a session that is open, unless it is as it was."""
        state = end.state()
        if state != end.seen:
            end.session.check()
            self._check_budgets(end)
            self._check_grants(end)
            end.seen = state
        other = end.other
        if other is not None and other.session.state is OPEN:
            others = other.state()
            if end.seen_with != (state, others):
                self._check_counts(end, other)
                self._check_counts(other, end)
                self._check_answers(end, other)
                self._check_answers(other, end)
                end.seen_with, other.seen_with = (state, others), (others, state)

    def _over(self, end: End) -> bool:
        return end.connection._channel is None or end.connection._channel.gone.done()  # type: ignore[attr-defined]

    def _check_end(self, end: End) -> None:
        session = end.session
        state = end.state()
        if state != end.seen:
            session.check()
            end.seen = state
        if session._out and end.aborted:
            raise Violation("16: something is to be sent after op:abort")
        if session._events and not end.connection._vat.stopped:
            raise Violation("16: events of a session that has ended")
        if end.received_last is not None and session._received != end.received_last:
            raise Violation("16: a message was read after the session had ended")

    def _check_counts(self, home: End, away: End) -> None:
        """7, 9: what one end has sent is what the other has, with all that is under way."""
        expected: Counter[int] = Counter()
        # Of a message that has arrived in part, references are counted as they are read.
        partly = home.out[0].imports if away.session._decoder.pending and home.under_way() else ()
        for pos, entry in away.session._crossing.imports._by_pos.items():
            expected[pos] = entry.count
        for message in home.under_way():
            for pos in message.imports:
                expected[pos] += 1
        for message in away.under_way():
            for pos, delta in message.released:
                expected[pos] += delta
        exports = home.session._exports
        for pos, export in exports:
            if pos and not 0 <= expected.pop(pos, 0) - export.sent <= partly.count(pos):
                self._bad_count(home, away, pos)
        expected.pop(0, None)
        if expected:
            self._bad_count(home, away, min(expected))

    def _bad_count(self, home: End, away: End, pos: int) -> None:
        export = home.session._exports.get(pos)
        entry = away.session._crossing.imports._by_pos.get(pos)
        sent = sum(message.imports.count(pos) for message in home.under_way())
        back = sum(delta for message in away.under_way() for at, delta in message.released if at == pos)
        raise Violation(
            f"{7 if export is None else 9}: export {pos} of {home.name} to {away.name} has count "
            f"{None if export is None else export.sent}; "
            f"the other has {None if entry is None else entry.count}, {sent} are on the way, "
            f"and {back} on the way back"
        )

    def _check_answers(self, asker: End, asked: End) -> None:
        """10: questions of one end are answers of the other, with all that is under way."""
        answers, questions = asked.session._crossing.answers, asker.session._crossing.questions._by_pos
        messages = asker.under_way()
        if not messages and answers.keys() == questions.keys():
            return
        known, wanted = set(answers), set(questions)
        for message in messages:
            if message.question is not None:
                if message.question in known:
                    raise Violation(f"10: answer position {message.question} of {asker.name} is used twice")
                known.add(message.question)
            known.difference_update(message.answered)
        if known != wanted:
            raise Violation(
                f"10: {asker.name} has the questions {sorted(wanted)}, {asked.name} will have {sorted(known)}"
            )

    def _check_budgets(self, end: End) -> None:
        stats, limits = end.session.stats(), end.limits
        sizes = {
            "imports": stats.imports,
            "exports": stats.exports,
            "answers": stats.answers,
            "listeners": stats.listeners,
            "queued_messages": stats.queued_messages,
            "queued_bytes": stats.queued_bytes,
        }
        for name, size in sizes.items():
            if size > getattr(limits, name):
                raise Violation(f"14: {size} {name}, and {getattr(limits, name)} is the limit")

    def _check_grants(self, end: End) -> None:
        """6: whatever a peer can reach, somebody has sent there."""
        location = end.session.peer_location
        assert location is not None
        name = location.designator
        for pos, export in end.session._exports:
            target = export.target
            if pos == 0 or target is None or (pos, id(target)) in end.granted:
                continue
            token = self.identity(target)
            if token is None:
                # A byzantine peer may hand its own bootstrap object over.
                bootstrap = isinstance(target, LocalRef) and isinstance(target._behaviour, Bootstrap)
                if isinstance(target, LocalRef) and not (bootstrap and self.byzantine):
                    raise Violation(f"6: {end.name} exports to {name} what nobody has sent: {target!r}")
                continue
            if not (token.everyone or name in token.audience or self._was_sent(token, name)):
                raise Violation(f"6: {name} can reach object {token.number}, which nobody has sent there")
            token.audience.add(name)
            end.granted.add((pos, id(target)))

    def _was_sent(self, token: Token, name: str) -> bool:
        for promise in self.tokens:
            if (promise.everyone or name in promise.audience) and promise.outcome() is token:
                return True
        return token.home == self.byzantine

    # At the end

    def unsettled(self) -> list[str]:
        """Return the promises that somebody has and that have neither been fulfilled nor broken."""
        return [
            f"promise {watch.token.number}, {watch.token.outcome()}"
            for watch in self.watches
            if not watch.times
            and (promise := watch.promise()) is not None
            # Nobody decides what only objects of a peer that has been closed could decide.
            and not promise._at.stopped  # type: ignore[attr-defined]
        ]

    def watch_all(self) -> None:
        """Watch also those promises that nobody has asked for yet."""
        for promise, token in list(self.promises.items()):
            if promise._state < FULFILLED:
                self.watch(promise, token)

    def finish(self) -> None:
        """Check what holds once faults are over and everything has been decided."""
        if self.failures:
            raise self.failures[0]
        for watch in self.watches:
            promise = watch.promise()
            if (
                watch.times
                and promise is not None
                and (promise._state, id(promise._value)) != (watch.how, watch.value)
            ):
                raise Violation(f"5: promise {watch.token.number} has settled again")
        for end in self.ends.values():
            end.seen = end.seen_with = None
            if end.session.state is SEVERED:
                self._check_end(end)
            elif end.session.state is OPEN:
                self._check_open(end)
        names = list(self.peers)
        for name in names:
            peer = self.peers[name]
            if peer._unopened or peer._dials:
                raise Violation(f"11: {name} still opens sessions: {peer._unopened or peer._dials}")
            for connection in peer.connections:
                end = self.ends[connection]
                if end.other is not None and end.other.session.state is not OPEN:
                    raise Violation(f"11: {name} has a session that {end.other.name} does not have")
        self.tally.severs = len(self._cut)

    # logging.Handler: what the peers log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text = f"{text} {error} {error!r}"
            if not isinstance(error, EXPECTED) and CANARY not in str(error):
                self.failures.append(error)
        self.keeps_secrets(text, "a log")

    def keeps_secrets(self, text: str, where: str) -> None:
        for secret in self.secrets:
            if secret in text:
                self.fail(f"17: {where} holds a secret: {text}")
