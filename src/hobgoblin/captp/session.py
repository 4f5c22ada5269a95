"""A CapTP session without input and output: bytes in, bytes and events out.

::

    HANDSHAKE ──both hellos──▶ OPEN ──op:abort, end of input, violation, deadline──▶ SEVERED
        └──────────────────────────────────────────────────────────────────────────────▲

Invariant: whatever the peer sends ends in an event, in a message to the peer, or in an op:abort
with one `Severed` event; it never raises. Messages are read and written in one pass: a descriptor
becomes a reference while its message is decoded, a reference a descriptor while it is encoded.

The owner moves bytes (`receive_data`, `data_to_send`), carries out events (`events_received`), and
keeps the time (`timer`, `handle_timer`). Nothing here reads a clock or draws randomness.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, final

from hobgoblin.captp.crossing import Crossing, ResolverAt
from hobgoblin.captp.events import (
    Answered,
    Broke,
    Delivered,
    Event,
    Introduced,
    Listened,
    Opened,
    Selected,
    Severed,
)
from hobgoblin.captp.handshake import check_hello, hello
from hobgoblin.captp.quotas import Queues, Quota
from hobgoblin.captp.relays import Relays
from hobgoblin.captp.speaking import Speaker, size_of
from hobgoblin.captp.stats import HANDSHAKE, OPEN, SEVERED, SessionState, Stats
from hobgoblin.captp.texts import REASON_LENGTH, printable, why_aborted
from hobgoblin.crypto import KeyPair, PublicKey, session_id
from hobgoblin.dialects import (
    DRAFT,
    HELD,
    Dialect,
)
from hobgoblin.errors import NotPassable, ProtocolError, SessionFull, SessionSevered, SyrupError
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import (
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
from hobgoblin.refs import FULFILLED, ROUTE_ANSWER, ROUTE_SELECTED, Sink
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import LocalRef, Ref, RemoteRef
from hobgoblin.settings import SettingsOf
from hobgoblin.values import DEFAULT_LIMITS, AnyDecoder, ErrorValue, Limits
from hobgoblin.wire import NEED_MORE, TODAY, Framing, Wire, common_symbol, wire_of

__all__ = ["BREAK", "FULFILL", "Session", "SessionState", "Stats"]

logger = logging.getLogger("hobgoblin.captp")

# The very symbols that Syrup reads: nearly always, to compare them is to find them identical.
FULFILL: Final = common_symbol("fulfill")
BREAK: Final = common_symbol("break")

_ANSWERS_SHARE: Final = 4
"""One in so many exports is kept for answers, which may make what waits to be sent so many times as much."""

_ENDLESS: Final = 2**62
"""More than there will ever be of anything: what is counted fits a machine's word."""

_ABANDONED: Final = ErrorValue("the other side gave the promise up without settling it")


# `_handle` hands on op:deliver, which comes most, without a look at this.
_HANDLERS: Final[dict[type, str]] = {
    OpDeliver: "_handle_op_deliver",
    OpAbort: "_handle_op_abort",
    OpStartSession: "_handle_second_hello",
    OpListen: "_handle_op_listen",
    OpGet: "_handle_op_get",
    OpIndex: "_handle_op_index",
    OpUntag: "_handle_op_untag",
    OpGcExports: "_handle_op_gc_exports",
    OpGcAnswers: "_handle_op_gc_answers",
}
"""Methods by their names: a table of them for each session would take a kilobyte."""


@final
class Session(Speaker):
    """One side of a CapTP session.

    Args:
        keys: a key pair made for this session alone.
        location: what we say of ourselves.
        sink: what the references to the peer's objects send to; it owns this session.
        new_promise: makes a promise of the sink's home.
        bootstrap: the object that the peer finds at our export 0.
        now: the time, in seconds of any clock that only goes forward.
        dialled: whom we dialled. The side that dialled says hello first; ``None`` if we accepted.
        initiator: whether we say hello first; by default whether we dialled.
        framing: how messages are told apart on this channel.
        version: what we call the protocol.
        limits: what we take from the peer.
        wake: called (from any thread, possibly by the garbage collector) when there are
            references to release; it should arrange for `data_to_send` to be called.
        dialect: what the peer understands; `LEARNING` finds out.
        wire: how messages look. Settings for who comes to us may name another one, of the same codec.
        introduce: called while a message is written that holds a reference of another session:
            returns the certificate that lets the peer get it from its home, or ``None`` if it is
            to be reached through us.
        settings_of: called with whom we dialled, or else with the location in the hello before that is
            believed: returns how that peer wants to be spoken to, if not as said above.
        cuts: whether long strings may be handed out as items of their own in `data_to_send`.
        admit: called with the location and the key of a valid hello before it is answered: returns
            why this session must not be, or ``None``.
    """

    __slots__ = (
        "__weakref__", "_admit", "_awaited", "_bytes_received", "_deadline", "_dialled", "_events",
        "_ignored", "_initiator", "_keys", "_listeners", "_most_awaited",
        "_most_exports", "_most_kept", "_most_unsent", "_new_promise", "_next_question",
        "_own_decoder", "_own_exports", "_queues", "_received", "_refused", "_relays", "_releases",
        "_room", "_settings_of", "_sink", "abort_reason", "bootstrap", "kept", "location",
        "peer_key", "peer_location", "proved", "session_id", "severed_because", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        keys: KeyPair,
        location: PeerLocator,
        sink: Sink,
        new_promise: Callable[[], Promise[Any]],
        bootstrap: Ref,
        now: float,
        dialled: PeerLocator | None = None,
        initiator: bool | None = None,
        framing: Framing = Framing.RAW,
        version: str = "1.0",
        limits: Limits = DEFAULT_LIMITS,
        wake: Callable[[], object] = lambda: None,
        dialect: Dialect = DRAFT,
        wire: Wire = TODAY,
        introduce: Callable[[RemoteRef], DescSigEnvelope | None] = lambda target: None,
        settings_of: SettingsOf = lambda location: None,
        admit: Callable[[PeerLocator, PublicKey], str | None] = lambda location, key: None,
        cuts: bool = False,
    ) -> None:
        self.state = HANDSHAKE
        self.location = location
        # Who the other end is, if the netlayer has proved it; the owner sets it before the first octets.
        self.proved: PeerLocator | None = None
        self.peer_location: PeerLocator | None = None
        self.peer_key: PublicKey | None = None
        self.session_id = b""
        self.severed_because: str | None = None
        # How many gifts wait for the peer or were left by it, and how many hand-offs of it are under way.
        self.kept: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self.abort_reason: str | None = None
        self._keys = keys
        self._sink = sink
        self._new_promise = new_promise
        self._dialled = dialled
        self._initiator = dialled is not None if initiator is None else initiator
        self._settings_of = settings_of
        self._limits = limits
        self._admit = admit
        self._deadline: float | None = now + limits.handshake_seconds
        self._events: list[Event] = []
        self._most_unsent = min(_ANSWERS_SHARE * limits.outbound_bytes, _ENDLESS)
        self._room = min(limits.outbound_bytes, _ENDLESS)
        self._most_awaited = min(limits.listeners, _ENDLESS)
        self._most_kept = min(limits.answers, _ENDLESS)
        self._next_question = 1
        self._received = self._releases = self._bytes_received = self._ignored = 0
        self._refused = 0
        self._relays: Relays | None = None
        self._awaited = 0  # resolvers of ours that the peer has not used yet
        self._listeners = Quota("calls and listeners", limits.listeners)
        self._queues = Queues(
            limits.promise_messages, limits.promise_bytes, limits.queued_messages, limits.queued_bytes
        )

        settings = None if dialled is None else settings_of(dialled)
        if settings is not None and settings.wire is not None:
            wire = wire_of(settings.wire)
        crossing = Crossing(sink, new_promise, bootstrap, limits, wake, introduce, keys.public, wire)
        super().__init__(crossing, wire, dialect, version, limits, cuts)
        self._most_exports = min(limits.exports, _ENDLESS)
        self._own_exports = self._most_exports - self._most_exports // _ANSWERS_SHARE
        self._exports.most = self._own_exports
        self.bootstrap = self._crossing.bootstrap
        constructors = self._crossing.constructors
        self._decoder = self._codec.open_decoder(framing, constructors=constructors, limits=limits)
        # The same, if that comes with a codec of ours.
        self._own_decoder = self._decoder if isinstance(self._decoder, AnyDecoder) else None
        self._adapt(settings)
        if self._initiator:
            self._write(hello(keys, location, self._version, self.wire))

    def __repr__(self) -> str:
        return f"<Session {self.state.value} {self.stats().tables}>"

    # Bytes in

    def receive_data(self, data: bytes, most: int | None = None) -> int:
        """Take bytes as they came from the channel, split anyhow. Never raises.

        Args:
            data: the bytes.
            most: how many messages to handle of those that are complete; by default all.

        Returns:
            How many it handled. If that is ``most``, more may wait for `go_on`.
        """
        if self.state is SEVERED:
            return 0
        self._bytes_received += len(data)
        return self._read(data, most)

    def go_on(self, most: int | None = None) -> int:
        """Handle messages that came in before, as `receive_data` does."""
        return 0 if self.state is SEVERED else self._read(None, most)

    @property
    def awaited(self) -> int:
        """How many octets must come in until there is anything to handle, as far as that is known."""
        awaited: int = getattr(self._decoder, "awaited", 0)  # of another codec it may not be known
        return awaited

    def _read(self, data: bytes | None, most: int | None) -> int:
        decoder = self._decoder
        own = self._own_decoder
        handled = 0
        limit = -1 if most is None else most
        try:
            if data is not None:
                decoder.feed(data)
            # A message may sever the session; what follows it is ignored.
            while handled != limit and self.state is not SEVERED:
                message = decoder.next() if own is None else own.next()
                if message is NEED_MORE:
                    break
                handled += 1
                self._received += 1
                self._handle(message)
        except SyrupError as error:
            self._violated(error, "malformed message")
        except ProtocolError as error:
            self._violated(error, str(error))
        except Exception as error:
            logger.exception("a message of a peer could not be handled; this is a bug in hobgoblin")
            self._violated(error, "internal error")
        return handled

    def _is_severed(self) -> bool:
        return self.state is SEVERED

    def receive_eof(self) -> None:
        """The peer has closed its direction of the channel, or the channel is lost."""
        if self.state is not SEVERED:
            self._discard_output()
            self._sever("the peer closed the connection")

    def timer(self) -> float | None:
        """Return when `handle_timer` wants to be called, or ``None``."""
        return self._deadline

    def handle_timer(self, now: float) -> None:
        """Tell the session that ``now`` has come."""
        if self._deadline is not None and now >= self._deadline:
            self.abort("no hello in time")

    # Bytes and events out

    def data_to_send(self, *, releases: bool = True, most: int | None = None) -> list[bytes]:
        """Return what must be written to the channel, each item one framed message, or a piece of one.

        Args:
            releases: if false they are left for later: the more there are, the fewer messages they take.
            most: with so many octets or more it ends, and the rest waits for the next call.
        """
        crossing = self._crossing
        due = releases and crossing.release_due and self.dialect.releases is not HELD
        if due and self.state is OPEN:
            self._give_back()
        return self._taken(most)

    def events_received(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    # What the owner asks for

    def deliver(self, target: Ref, args: tuple[object, ...], answer: Promise[Any] | None) -> None:
        """Send a message to an object or a promise behind this session.

        Args:
            target: a reference or promise that came from this session.
            args: passed values; references among them are exported.
            answer: a promise of the sink's host, to be settled by the peer; messages sent to it
                travel right behind. ``None`` asks for no answer.

        Raises:
            SessionSevered: the session is over, or not open yet.
            SessionFull: too much waits to be sent, the peer holds too many references of ours, or we
                ask for more answers than we would give.
            NotPassable: the message is larger than the limits, or holds what has no form on the wire.
                Nothing has changed then.
            ValueError: the target did not come from this session.
        """
        if self.state is not OPEN:
            raise self._not_open()
        self._require_room(asks=answer is not None)
        try:
            if answer is None:
                self._say(target, args)
                return
            question = self._next_question
            self._ask(target, args, question, answer)
        except SessionFull:
            self._refused += 1
            raise
        self._next_question += 1
        self._awaited += 1
        self._crossing.questions.add(question, answer)
        answer._set_route(self._sink, ROUTE_ANSWER, question)

    def select(self, receiver: Ref, selector: str | int, untag: bool, answer: Promise[Any]) -> None:
        """Ask the peer to make ``answer`` a part of what a promise behind this session settles to.

        Such a question names no resolver. What is sent to ``answer`` travels right behind; how it
        settles the peer tells once it is asked, with `listen`: the promise does so by itself when
        somebody listens to it.

        Args:
            receiver: a promise that came from this session.
            selector: the name of a field, the index of an item or, with ``untag``, a tag.
            untag: whether to ask for the value that has this tag.
            answer: a promise of the sink's host.

        Raises:
            SessionSevered: the session is over, or not open yet.
            SessionFull: too much waits to be sent, or we ask for more answers than we would give.
            NotPassable: the message is larger than the limits. Nothing has changed then.
            ValueError: the receiver did not come from this session.
        """
        if self.state is not OPEN:
            raise self._not_open()
        self._require_room(asks=True)
        to = self._crossing.target(receiver)
        octets = self._encode(selector, self._argument_limits)
        write = self._octets
        ask = write.untag if untag else write.get if type(selector) is str else write.index
        question = self._next_question
        self._send(ask(to, octets, question))
        self._next_question += 1
        self._crossing.questions.add(question, answer)
        answer._set_route(self._sink, ROUTE_SELECTED, question)

    def tell(self, resolver: Ref, verb: object, value: object) -> None:
        """Send a resolver of the peer its one message, `FULFILL` or `BREAK` with a value.

        It is never refused for lack of room: if the limits leave none, the session is aborted.

        Raises:
            SessionSevered: the session is over, or not open yet.
            NotPassable: as for `deliver`.
            ValueError: the resolver did not come from this session.
        """
        if self.state is not OPEN:
            raise self._not_open()
        self._exports.most = self._most_exports
        try:
            self._say(resolver, (verb, value))
        except SessionFull as error:
            self.overrun(str(error))
        finally:
            self._exports.most = self._own_exports
        if self._unsent > self._most_unsent:
            self._unread()

    def listen(self, promise: Promise[Any]) -> None:
        """Ask the peer how one of its promises settles; an `Answered` or `Broke` event will tell.

        Like what is told to a resolver, it is never refused.

        Raises:
            SessionSevered: the session is over, or not open yet.
            ValueError: the promise is none of this session's.
        """
        if self.state is not OPEN:
            raise self._not_open()
        to = self._crossing.target(promise)
        if self._relays is not None:
            self._relays.asked(promise)
        self._exports.most = self._most_exports
        try:
            self._send(self._octets.listen(to, self._exports.resolver(promise)))
            self._awaited += 1
        except SessionFull as error:
            self.overrun(str(error))
        finally:
            self._exports.most = self._own_exports
        if self._unsent > self._most_unsent:
            self._unread()

    @property
    def relays(self) -> Relays:
        """What is passed on over this session for other peers."""
        if self._relays is None:
            self._relays = Relays(self)
        return self._relays

    def abort(self, reason: str, here: str | None = None) -> None:
        """End the session and tell the peer why, in at most 200 characters. Idempotent.

        Args:
            reason: what the peer is told.
            here: why the session has ended as we see it; by default the same.
        """
        if self.state is SEVERED:
            return
        # Who has not said anything yet can't be told anything: how it frames messages is not known.
        if self._decoder.framing is not None or self._bytes_received:
            try:
                self._write(OpAbort(reason[:REASON_LENGTH].encode(errors="replace").decode()))
            except NotPassable:
                logger.debug("the limits leave no room for an op:abort")
        self._sever(reason if here is None else here)

    # For people

    def stats(self) -> Stats:
        """Return the sizes of the tables, and what has crossed."""
        return Stats(
            *self._crossing.sizes(),
            len(self._listeners),
            *self._queues.sizes(),
            self._unsent,
            *self.kept(),
            0 if self._relays is None else len(self._relays),
            messages_received=self._received,
            messages_sent=self._sent,
            bytes_received=self._bytes_received,
            bytes_sent=self._bytes_sent,
            ignored=self._ignored + self._exports.ignored,
            refused=self._refused,
        )

    def dump(self) -> str:
        """Return the tables as text, for a person who looks for a leak. It holds no secrets."""
        return "\n  ".join([f"session {self.state.value}", *self._crossing.rows()])

    def check(self) -> None:
        """Assert the invariants of the tables and of what is counted."""
        self._crossing.check()
        self._queues.check()
        if self._relays is not None:
            self._relays.check()
        assert 0 <= len(self._listeners) <= self._limits.listeners, "more listeners than the limit"
        assert self._unsent == sum(map(size_of, self._out)), "octets that wait are not counted"
        assert self._exports.most == self._own_exports, "own sends may take what is kept for answers"
        assert len(self._exports) <= self._limits.exports, "more exports than the limit"
        if self.state is not SEVERED:
            assert self._awaited == sum([entry.settles is not None for _, entry in self._exports])
        else:
            assert self.stats().tables == (0, 0, 0, 0), "a severed session holds table entries"

    # Messages

    def _handle(self, message: object) -> None:
        crossing = self._crossing
        strays = crossing.strays
        crossing.strays = 0
        if (
            strays == 1
            and type(message) is OpDeliver
            and self.state is OPEN
            and not (self._learning or crossing.certificates)
        ):
            self._handle_op_deliver(message)
            return
        deliver = message if type(message) is OpDeliver else None
        if deliver is None and type(message) not in _HANDLERS:
            raise ProtocolError("unknown message")
        # The one more that there may be is the target.
        if strays != 1 and (strays != 2 or deliver is None or type(deliver.to_desc) is not ResolverAt):
            raise ProtocolError("a message holds what is no value")
        if self._learning:
            self._learn(message)
        if self.state is OPEN or type(message) is OpAbort:
            if crossing.certificates:
                for promise, certificate in crossing.introductions():
                    self._events.append(Introduced(promise, certificate))
            if deliver is not None:
                self._handle_op_deliver(deliver)
            else:
                getattr(self, _HANDLERS[type(message)])(message)
        elif type(message) is OpStartSession:
            self._handle_op_start_session(message)
        else:
            raise ProtocolError("expected op:start-session first")

    def _handle_op_abort(self, op: OpAbort) -> None:
        self._discard_output()
        self.abort_reason = printable(op.reason)
        self._sever(why_aborted(self.abort_reason))

    def _handle_second_hello(self, op: OpStartSession) -> None:
        raise ProtocolError("a second op:start-session")

    def _handle_op_start_session(self, op: OpStartSession) -> None:
        if self._dialled is None:
            self._adapt(self._settings_of(op.acceptable_location))
        check_hello(op, self._keys, self.location, self._version, self._dialled, self.proved, self.wire)
        refusal = self._admit(op.acceptable_location, op.session_pubkey)
        if refusal is not None:
            self.abort(refusal)
            return
        if not self._initiator:
            self._write(hello(self._keys, self.location, self._version, self.wire))
        self.state = OPEN
        self._deadline = None
        self.peer_location = op.acceptable_location
        self.peer_key = op.session_pubkey
        self.session_id = session_id(*map(self.wire.public_id, (self._keys.public, op.session_pubkey)))
        self._events.append(Opened(self.peer_location, self.peer_key, self.session_id))

    def _handle_op_deliver(self, op: OpDeliver) -> None:
        crossing = self._crossing
        to = op.to_desc
        told = op.resolve_me_desc
        target: Ref = to if type(to) is LocalRef or type(to) is ResolverAt else crossing.ours(to)
        resolver: Ref | None = None if told is False else crossing.theirs(told)
        answer: Promise[Any] | None = None
        if op.answer_pos is not False:
            answer = crossing.new_answer(op.answer_pos)
        elif resolver is not None:
            answer = self._new_promise()
        if type(target) is not ResolverAt:
            waits = None
            if type(target) is Promise:
                promise: Promise[Any] = target  # pyright: ignore[reportUnknownVariableType]
                if promise._state < FULFILLED:
                    waits = self._queues.take(id(promise), self._decoder.size)  # pyright: ignore[reportUnknownArgumentType]
            event = Delivered.__new__(Delivered)
            event.target = target
            event.args = op.args
            event.answer = answer
            event.resolver = resolver
            event.ticket = self._listeners.take()
            event.waits = waits
            self._events.append(event)
            return
        at = target
        self._handle_resolution(at._pos, op.args)
        if answer is not None:
            # Goblins asks for an answer of everything, even of a resolver, which has none to give.
            answer._resolve_here(None)
            if resolver is not None:
                self._events.append(Listened(answer, resolver))

    def _handle_resolution(self, pos: int, args: tuple[object, ...]) -> None:
        verb, value = args if len(args) == 2 else (None, None)
        fulfilled = verb is FULFILL or verb == FULFILL
        if not fulfilled and verb is not BREAK and verb != BREAK:
            raise ProtocolError("a resolver takes fulfill or break, with one value")
        promise = self._exports.settle(pos)
        if promise is None:
            self._ignored += 1  # the first resolution counts
            return
        self._awaited -= 1
        if fulfilled:
            answered = Answered.__new__(Answered)
            answered.promise = promise
            answered.value = value
            self._events.append(answered)
        else:
            self._events.append(Broke(promise, value))

    def _handle_op_listen(self, op: OpListen) -> None:
        target = self._crossing.ours(op.to_desc)
        resolver = self._crossing.theirs(op.resolve_me_desc)
        self._events.append(Listened(target, resolver, self._listeners.take()))

    def _handle_op_get(self, op: OpGet) -> None:
        self._select(op.receiver_desc, op.field_name, False, op.new_answer_pos)

    def _handle_op_index(self, op: OpIndex) -> None:
        self._select(op.receiver_desc, op.index, False, op.new_answer_pos)

    def _handle_op_untag(self, op: OpUntag) -> None:
        self._select(op.receiver_desc, op.tag, True, op.new_answer_pos)

    def _select(self, receiver: object, selector: str | int, untag: bool, answer_pos: int) -> None:
        target = self._crossing.ours(receiver)
        answer = self._crossing.new_answer(answer_pos)
        self._events.append(Selected(target, selector, untag, answer, self._listeners.take()))

    def _handle_op_gc_exports(self, op: OpGcExports) -> None:
        self._releases += 1
        exports = self._exports
        deltas = op.wire_deltas
        for index, pos in enumerate(op.export_positions):
            abandoned = exports.release(pos, deltas[index])
            if abandoned is not None:
                # Nobody is left who could settle it. To wait for that would be to wait for ever.
                self._awaited -= 1
                self._events.append(Broke(abandoned, _ABANDONED))

    def _handle_op_gc_answers(self, op: OpGcAnswers) -> None:
        self._releases += 1
        answers = self._crossing.answers
        for pos in op.answer_positions:
            if answers.pop(pos, None) is None:
                self._ignored += 1

    # The end

    def _violated(self, error: Exception, reason: str) -> None:
        logger.warning("session with %s aborted, it broke the protocol: %s", self._who(), error)
        self.abort(reason)

    def overrun(self, reason: str) -> None:
        """End the session because its peer takes more than there is for it. Idempotent."""
        if self._is_severed():
            return
        logger.warning("session with %s aborted: %s", self._who(), reason)
        self.abort(reason)

    def _unread(self) -> None:
        """Answers alone have come to be more than anybody should keep."""
        if not self._is_severed():
            self._discard_output()
            self.overrun("the peer does not read what is sent to it")

    def _who(self) -> str:
        location = self.peer_location
        return "a peer without a hello" if location is None else printable(location.uri())

    def _sever(self, reason: str) -> None:
        self.state = SEVERED
        self.severed_because = reason
        self._deadline = None
        if self._relays is not None:
            self._relays.clear()
        # A reference that somebody still holds keeps the session, but not half a message.
        self._decoder = self._codec.open_decoder(Framing.RAW)
        self._own_decoder = None
        self._events.append(Severed(reason, tuple(self._crossing.clear()), self.abort_reason))

    # Writing

    def _require_room(self, asks: bool) -> None:
        kept = len(self._crossing.questions)
        if self._unsent >= self._room:
            full = f"not sent: {self._unsent} octets wait for a slow peer; await drained(ref) between sends"
        elif asks and (self._awaited >= self._most_awaited or kept >= self._most_kept):
            # More than we would take. It would end this session, also if we only pass on what others ask.
            full = f"not sent: {self._awaited} calls of ours are unanswered, and {kept} answers kept"
        else:
            return
        self._refused += 1
        raise SessionFull(full)

    def _not_open(self) -> SessionSevered:
        yet = self.state is HANDSHAKE
        return SessionSevered("the session is not open yet" if yet else "the session has ended")

    def _write(self, op: object) -> None:
        self._send(self._encode(op, self._limits))
