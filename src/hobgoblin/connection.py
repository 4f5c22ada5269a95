"""A session on a channel: the one place where bytes, CapTP and a vat meet.

The way of a message, from a call here to a method there, and of its answer back::

    ref.method(…)                         BoundSend (refs)
      Vat.send ─▶ turn commits            Message, answer promise (vat)
        RemoteRef._accept ─▶ accept       this module
          Session.deliver                 references become descriptors (captp)
            Outflow ─▶ Channel.write      octets (netlayers)
                              │
            Channel ─▶ data_received      the other side
          Session.receive_data            descriptors become references
        _delivered ─▶ LocalRef._accept    Message
      Vat queue ─▶ invoke                 a turn of the target's vat
    the method returns ─▶ Report.settled ─▶ tell ─▶ … ─▶ Answered ─▶ the promise resolves

What the channel brings is handled in portions (`Inflow`), and what the session writes leaves together, as
far as the channel takes it (`Outflow`). Here is what is between them: events become messages and answers,
and what references are told becomes messages of the session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Final, Protocol, final

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
from hobgoblin.captp.handoffs import sign_receive
from hobgoblin.captp.session import BREAK, FULFILL, Session
from hobgoblin.captp.stats import HANDSHAKE, OPEN, SEVERED
from hobgoblin.crypto import Entropy, KeyPair, PublicKey, system_entropy
from hobgoblin.dialects import DRAFT, Dialect
from hobgoblin.errors import NotPassable, Refused, SessionFull, SessionSevered
from hobgoblin.failures import Failures, received_reason
from hobgoblin.inflow import Inflow
from hobgoblin.locators import PeerLocator
from hobgoblin.loops import host_of
from hobgoblin.messages import DescSigEnvelope
from hobgoblin.netlayers import Channel
from hobgoblin.outflow import Outflow
from hobgoblin.passages import TOO_MUCH, Origin, Passage, bare, local_target
from hobgoblin.refs import BROKEN, FULFILLED, ROUTE_RELAY, ROUTE_SELECTED, Follower, Relay, Watcher
from hobgoblin.refs.message import Message, message_to
from hobgoblin.refs.promise import Promise, promise_of
from hobgoblin.refs.reference import LocalRef, Ref, RemoteRef
from hobgoblin.refs.selection import Selection
from hobgoblin.reports import Report, is_passed_on, report_to, report_when_settled
from hobgoblin.settings import SettingsOf
from hobgoblin.syrup import Framing
from hobgoblin.taps import Tap, show
from hobgoblin.values import DEFAULT_LIMITS, Limits, Shaped, Symbol, as_crossing
from hobgoblin.vat.shapes import misfit_of
from hobgoblin.vat.vat import Vat
from hobgoblin.wire import TODAY, Wire

__all__ = ["Connection", "Introducer"]

DEPOSIT_GIFT: Final = Symbol("deposit-gift")
WITHDRAW_GIFT: Final = Symbol("withdraw-gift")


class Introducer(Protocol):
    """What a connection leaves to its peer: references of third parties, and who may connect."""

    def introduce(self, connection: Connection, target: RemoteRef) -> DescSigEnvelope | None:
        """Return the certificate with which the peer of ``connection`` can take ``target`` over."""

    def introduced(self, connection: Connection, promise: Promise[Any], certificate: DescSigEnvelope) -> None:
        """Resolve ``promise`` to what a certificate that came over ``connection`` stands for."""

    def admit(self, connection: Connection, location: PeerLocator, key: PublicKey) -> str | None:
        """Return why a peer at ``location`` may not open this session, or ``None``."""


@final
class Connection(Origin):
    """The handler of one channel and the sink of the references that came over it.

    Args:
        vat: where promises and the answers to the peer's messages live; its host must be asyncio's.
        location: what we say of ourselves.
        bootstrap: the object at our export 0.
        dialled: whom we dialled, if we did.
        initiator: whether we say hello first; by default whether we dialled.
        framing: how messages are told apart.
        limits: what we take from the peer.
        version: what the protocol is called in the handshake.
        dialect: how the peer wants to be spoken to.
        wire: how messages look.
        entropy: where the key of the session comes from.
        settings_of: tells how particular peers want to be spoken to; see `Session`.
        on_opened: called when the handshake is done.
        on_severed: called once when the session has ended.
        introducer: what knows the other connections; without one nothing is handed over.
        tap: sees the bytes.
    """

    def __init__(
        self,
        vat: Vat,
        *,
        location: PeerLocator,
        bootstrap: Ref,
        dialled: PeerLocator | None = None,
        initiator: bool | None = None,
        framing: Framing = Framing.RAW,
        limits: Limits = DEFAULT_LIMITS,
        version: str = "1.0",
        dialect: Dialect = DRAFT,
        wire: Wire = TODAY,
        entropy: Entropy = system_entropy,
        settings_of: SettingsOf = lambda location: None,
        on_opened: Callable[[Connection], object] = lambda connection: None,
        on_severed: Callable[[Connection], object] = lambda connection: None,
        introducer: Introducer | None = None,
        tap: Tap | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        super().__init__(vat, host_of(self._loop), limits)
        self._on_opened = on_opened
        self._on_severed = on_severed
        self._introducer = introducer
        self._tap = tap
        # Gifts that the message being written promises: they are deposited once it exists.
        self._deposits: list[Message] = []
        # A message is being written; those that had waited for its answer's way come next.
        self._delivering = False
        self._next: deque[Message] | None = None
        self._handoffs = 0
        self._channel: Channel | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._failures = Failures(lambda: self.session, settings_of)
        self._now = 0.0  # when the events came in that are being carried out
        self._carrying_out = False
        self._watchers: dict[Watcher, None] = {}
        self.keys = KeyPair.from_seed(entropy(32))
        self.dialled = dialled
        self.session = Session(
            keys=self.keys,
            location=location,
            sink=self,
            new_promise=lambda: promise_of(vat, None),
            bootstrap=bootstrap,
            now=self._loop.time(),
            dialled=dialled,
            initiator=initiator,
            framing=framing,
            version=version,
            dialect=dialect,
            wire=wire,
            settings_of=settings_of,
            limits=limits,
            wake=self._wake,
            introduce=self._introduce,
            admit=self._admit,
            cuts=tap is None and framing is not Framing.MESSAGE,  # those are given whole messages
        )
        self._inflow = Inflow(
            self.session,
            self._host,
            whole=framing is Framing.MESSAGE,
            most=limits.inbound_bytes,
            carry_out=self._portion_received,
            ended=self._input_ended,
            lost=self._channel_lost,
        )
        self._outflow = Outflow(self.session, self._host, most=limits.outbound_bytes, tap=tap)
        self.remote_bootstrap: Promise[Any] = Promise(vat)
        self.remote_bootstrap._excuse()
        self.ended: Promise[None] = Promise(vat)
        vat.depend(self)

    def __repr__(self) -> str:
        where = "" if self._channel is None else f" on {self._channel.description}"
        return f"<Connection{where} {self.session.state.value}>"

    def close(self, reason: str, here: str | None = None) -> None:
        """Send what waits, tell the peer, and close the channel. Idempotent. As for `Session.abort`."""
        self.session.abort(reason, here)
        self._catch_up()

    @property
    def severed_because(self) -> str | None:
        """Why the session has ended, if it has."""
        return self.session.severed_because

    @property
    def hello_is_out(self) -> bool:
        """Whether the side that dialled has said hello, and waits for the other's."""
        return self._channel is not None and self.session.state is HANDSHAKE

    def vat_stopped(self) -> None:
        """The promises of this session can't be of use any more: end it. `Vat` calls this."""
        if self._vat._left_behind:
            self._carrying_out = self._delivering = False  # by a thread that is not in this process
        self.close(f"the vat {self._vat._ended}")

    # Handler: what the channel calls

    def channel_opened(self, channel: Channel) -> None:
        if self.session.state is SEVERED:
            # Given up before it came about: the other side is not to hear of it at all.
            channel.close()
            return
        self._channel = channel
        self.session.proved = channel.proved
        self._inflow.opened(channel)
        timer = self.session.timer()
        if timer is not None:
            self._deadline = self._loop.call_at(timer, self._expired)
        self._outflow.opened(channel)

    def data_received(self, data: bytes) -> None:
        if self._tap is not None:
            show(self._tap.received, data)
        self._inflow.data_received(data)

    def eof_received(self) -> None:
        self._inflow.eof_received()

    def channel_lost(self, error: Exception | None) -> None:
        self._inflow.channel_lost()

    def pause_writing(self) -> None:
        self._outflow.pause()

    def resume_writing(self) -> None:
        self._outflow.resume()

    # What comes in, portion by portion

    def _portion_received(self) -> None:
        # What is written meanwhile leaves below: no extra tick of the loop for it, nor for the turns.
        self._outflow.collect()
        expected = self._vat.expect()
        try:
            self._carry_out()
        finally:
            self._vat.drain_now(expected)
        self._outflow.portion_handled()

    def _input_ended(self) -> None:
        self.session.receive_eof()
        self._catch_up()

    def _channel_lost(self) -> None:
        self.session.receive_eof()
        self._carry_out()
        self.ended._resolve_here(None)

    # Sink: what references to remote objects call

    @property
    def home(self) -> Vat:
        return self._vat

    def accept(self, message: Message) -> None:
        answer = message.answer
        if self._host.here() and (answer is None or answer._at is self._vat or answer._at.host is self._host):
            self._deliver(message)
            return
        if self._vat._left_behind:
            self.vat_stopped()
            message.fail(self._severance())
            return
        if answer is not None:
            # A question belongs to this thread; the sender's promise follows it, and what is sent
            # to that promise meanwhile follows the question.
            question: Promise[Any] = Promise(self._vat, message.site)
            kind = ROUTE_SELECTED
            if type(message) is Message:
                kind = ROUTE_RELAY
                question._listen(Follower(answer))
            message = message.asked_for(question)
            relay = Relay(self._vat, question)
            answer._take_route(relay, kind)
        self._host.post(self._deliver, message)

    def listen(self, promise: Promise[Any]) -> None:
        first = promise._listeners[0] if promise._listeners else None
        if type(first) is Report and first.connection is not self and self.session.state is OPEN:
            passage = Passage(first.connection, first.ticket)
            if not self.session.relays.listen(promise, first.connection.who, passage):
                first.connection.exceed(TOO_MUCH)
                if promise._listeners == [first]:
                    promise._listeners = None  # the next one asks
                    return
        try:
            self.session.listen(promise)
        except SessionSevered:
            promise._break_here(self._severance())
        self._sent_unasked()

    def room(self, done: Promise[None]) -> None:
        if self._host.here():
            self._room_here(done)
        else:
            self._host.post(self._room_here, done)

    def _room_here(self, done: Promise[None]) -> None:
        if self.session.state is SEVERED:
            done._break(self._severance())
        else:
            self._outflow.room(done)

    def watch(self, watcher: Watcher) -> None:
        if self._host.here():
            self._watch(watcher)
        else:
            self._host.post(self._watch, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        if self._host.here():
            self._watchers.pop(watcher, None)
        else:
            self._host.post(self._watchers.pop, watcher, None)

    def _watch(self, watcher: Watcher) -> None:
        if self.severed_because is None:
            self._watchers[watcher] = None
        else:
            watcher.severed(self._severance())

    def _deliver(self, message: Message) -> None:
        """Write a message, then those that waited for a way to its answer, and so on.

        Iterative: a peer decides how many calls it pipelines one on another.
        """
        if self._delivering:
            self._next = self._next or deque()  # most sessions need none
            self._next.append(message)
            return
        self._delivering = True
        try:
            self._deliver_one(message)
            while self._next:
                self._deliver_one(self._next.popleft())
        finally:
            self._delivering = False

    def _deliver_one(self, message: Message) -> None:
        passage = message.ticket
        try:
            if passage is not None and type(passage) is Passage:
                self._pass_on(message, passage)
            elif type(message) is not Selection:
                try:
                    self.session.deliver(message.target, as_crossing(message.args), message.answer)
                except BaseException:
                    self._deposits.clear()
                    raise
                if self._deposits:
                    self._make_deposits()
                self._outflow.written()
            else:
                self.session.select(message.target, message.selector, message.untag, message.answer)
                self._outflow.written()
        except SessionSevered:
            message.fail(self._severance())
        except SessionFull as error:
            # Of those that nobody asked about the first is reported, not each of a flood.
            if self._outflow.refused() or message.answer is not None:
                message.fail(bare(error) if type(passage) is Passage else error)
        except NotPassable as error:
            # Within a process exceptions pass as they are; on the wire they are what a peer may know.
            args = tuple([self._failures.without_exceptions(arg) for arg in message.args])
            if args == message.args:
                message.fail(bare(error) if type(passage) is Passage else error)
            else:
                again = Message(message.target, args, message.answer, message.home, message.site, passage)
                self._deliver_one(again)

    def _pass_on(self, message: Message, passage: Passage) -> None:
        """Write a message of another peer, as a question also if nobody has asked: then it can be counted."""
        origin = passage.origin
        answer = message.answer
        if origin.exceeded:
            if answer is not None:
                message.fail(SessionFull(TOO_MUCH))
            return
        relays = self.session.relays
        message.args = as_crossing(message.args)
        self._writing_for = origin.who
        try:
            asked = Promise[Any](self._vat)._excuse() if answer is None else answer
            relays.deliver(message, asked, origin.who, passage)
        except SessionFull:
            self._deposits.clear()
            if answer is not None or not relays.hogs(origin.who, message.target):
                raise
            origin.exceed(TOO_MUCH)
            return
        except BaseException:
            self._deposits.clear()
            raise
        finally:
            self._writing_for = None
        if self._deposits:
            self._make_deposits()
        self._outflow.written()

    def _write_to_resolver(self, resolver: Ref, verb: object, value: object, who: Hashable = None) -> None:
        self._writing_for = who
        try:
            if type(value) is Shaped:
                value = value.value
            if who is None:
                self.session.tell(resolver, verb, value)
            else:
                self.session.relays.tell(resolver, verb, value, who)
        except BaseException:
            self._deposits.clear()
            raise
        finally:
            self._writing_for = None
        if self._deposits:
            self._make_deposits()
        self._sent_unasked()

    def _make_deposits(self) -> None:
        deposits, self._deposits = self._deposits, []
        for deposit in deposits:
            deposit.dispatch()

    # Events of the session

    def _catch_up(self) -> None:
        """Do all that the session has come to want: carry out its events, write its messages."""
        self._carry_out()
        self._outflow.flush()

    def _carry_out(self) -> None:
        # Whoever is told of an event may close this: the end then comes after what came in before it.
        if not self._carrying_out:
            self._carrying_out = True
            try:
                while self.session._events:
                    self._now = self._host.clock()
                    for event in self.session.events_received():
                        if type(event) is Delivered:
                            self._delivered(event)
                        else:
                            self._event(event)
            finally:
                self._carrying_out = False

    def _event(self, event: Event) -> None:
        if type(event) is Answered:
            answered = event
            misfit = None
            if type(answered.value) is Shaped and not is_passed_on(answered.promise):
                misfit = misfit_of(answered.value)
            if misfit is not None:
                answered.promise._break_here(misfit)
            elif self.session._relays is not None and type(answered.value) is Promise:
                self.session._relays.answered(answered.promise, answered.value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            else:
                answered.promise._resolve_here(answered.value)
        elif type(event) is Broke:
            event.promise._break_here(received_reason(event.reason, event.promise._site))
        elif type(event) is Listened:
            report_when_settled(self, event.target, event.resolver, event.ticket)
        elif type(event) is Selected:
            self._selected(event)
        elif type(event) is Introduced:
            if self._introducer is None:
                event.promise._break_here(Refused("nothing can be handed over on a direct connection"))
            else:
                self._introducer.introduced(self, event.promise, event.certificate)
        elif type(event) is Opened:
            self._opened()
        elif type(event) is Severed:
            self._severed(event.orphans)

    def _delivered(self, event: Delivered) -> None:
        answer = event.answer
        ticket: object = event.ticket if answer is None else None
        if answer is not None:
            # It is new: nobody else waits for it yet.
            answer._heard = True
            answer._listeners = [report_to(self, event.resolver, event.ticket)]
            answer._since = self._now
        message = message_to(event.target, event.args, answer, self._vat, None)
        found = local_target(event.target, self._vat)
        if found is not None and type(found._vat) is Vat:
            vat = found._vat
            message.ticket = ticket
            message.target = found
            vat.accept(message)
            self._inflow.delivered(vat)
            return
        message.ticket = Passage(self, ticket)
        message.waits = event.waits
        message.dispatch()
        target = message.target
        if isinstance(target, Promise) and target._state == FULFILLED:
            target = target._value  # it has gone to another thread
        # The home of a reference that was revoked is no vat, and keeps nothing.
        if isinstance(target, LocalRef) and isinstance(target._vat, Vat):
            self._inflow.delivered(target._vat)

    def _selected(self, event: Selected) -> None:
        # Not listened to: if the receiver is at another peer, the part would cross for nobody.
        event.answer._heard = True
        selection = Selection(event.receiver, event.selector, event.untag, event.answer, self._vat, None)
        selection.ticket = Passage(self, event.ticket)
        if type(event.receiver) is Promise:
            selection.dispatch()
        else:
            selection.meet(event.receiver)

    def _opened(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self.remote_bootstrap._resolve_here(self.session.bootstrap)
        self._on_opened(self)

    def _severed(self, orphans: tuple[Promise[Any], ...]) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._party.leave()
        self.remote_bootstrap._break_here(self._severance())
        for promise in orphans:
            # Its holder knows of the severance from elsewhere: no report if it was never looked at.
            promise._excuse()._break_here(self._severance())
        watchers, self._watchers = self._watchers, {}
        for watcher in watchers:
            watcher.severed(self._severance())
        for done in self._outflow.end():
            done._break(self._severance())
        self._on_severed(self)

    def _severance(self) -> SessionSevered:
        # The session's own word: it may have ended in the middle of events that are still to be carried out.
        return SessionSevered(f"the session has ended: {self.session.severed_because}")

    def _expired(self) -> None:
        self.session.handle_timer(self._loop.time())
        self._catch_up()

    # References of third parties

    def withdraw(self, certificate: DescSigEnvelope, receiver_keys: KeyPair) -> Promise[Any]:
        """Ask the peer, as the exporter, for the gift that a certificate stands for.

        Args:
            certificate: what came from the gifter.
            receiver_keys: ours, of the session with the gifter.
        """
        count, self._handoffs = self._handoffs, self._handoffs + 1
        request = sign_receive(
            receiver_keys,
            session=self.session.session_id,
            side=self.session.wire.public_id(self.keys.public),
            count=count,
            signed_give=certificate,
            wire=self.session.wire,
        )
        gift: Promise[Any] = Promise(self._vat)
        gift._excuse()
        Message(self.session.bootstrap, (WITHDRAW_GIFT, request), gift, self._vat, None).dispatch()
        return gift

    def deposit_later(self, exporter: Connection, gift_id: bytes, target: RemoteRef) -> None:
        """Deposit a gift with ``exporter`` as soon as the message that is being written exists."""
        args = (DEPOSIT_GIFT, gift_id, target)
        self._deposits.append(Message(exporter.session.bootstrap, args, None, self._vat, None))

    def _introduce(self, target: RemoteRef) -> DescSigEnvelope | None:
        return None if self._introducer is None else self._introducer.introduce(self, target)

    def _admit(self, location: PeerLocator, key: PublicKey) -> str | None:
        return None if self._introducer is None else self._introducer.admit(self, location, key)

    # Answers to the peer

    def report(self, resolver: Ref | None, promise: Promise[Any]) -> None:
        """Tell ``resolver`` how a promise has settled; log what went wrong in our own code."""
        if self._vat._left_behind:
            return  # the parent of this process answers its peers
        route = promise._route
        who = route.who if type(route) is Connection and route is not self else None
        if promise._state == BROKEN:
            reason = self._failures.reason(promise._value)
            if resolver is not None:
                self.tell(resolver, BREAK, reason, who)
        elif resolver is not None:
            self.tell(resolver, FULFILL, promise._value, who)

    def tell(self, resolver: Ref, verb: object, value: object, who: Hashable = None) -> None:
        """Send a resolver of the peer its one message; ``who`` is another peer that has said so."""
        if self.session.state is not OPEN:
            return
        try:
            self._write_to_resolver(resolver, verb, value, who)
        except (NotPassable, SessionFull) as error:
            with suppress(NotPassable):
                self._write_to_resolver(resolver, BREAK, self._failures.reason(error))

    # Writing

    def _wake(self) -> None:
        self._outflow.wake()

    def _sent_unasked(self) -> None:
        """What the peer gets whether it reads or not has been written: that may have ended the session."""
        if self.session.state is SEVERED:
            self._loop.call_soon(self._catch_up)
        else:
            self._outflow.written()
