"""Publish and subscribe, for subscribers that may be slow, gone or hostile."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, final
from weakref import finalize
from weakref import ref as weak_ref

from hobgoblin.actors.forwarding import home_of, object_of
from hobgoblin.actors.queues import Fifo
from hobgoblin.errors import BadArguments, Refused, SessionSevered, VatStopped
from hobgoblin.refs import FULFILLED, LocalRef, Promise, Ref
from hobgoblin.values import Symbol
from hobgoblin.vat import Actor, Vat, method, on, on_sever, send, spawn

__all__ = ["Audience", "Publisher", "Subscribers", "Subscription", "new_topic"]

_NOBODY: Final = MappingProxyType[int, "Subscription"]({})


@final
class Audience(Actor):
    """The subscribers of a topic, or of a ticker. Nobody holds a reference to it.

    ::

        tell ──▶ sent, while less than ``window`` are unanswered
             └─▶ waits, while less than ``backlog`` do ──an answer comes──▶ sent
             └─▶ the oldest that waits is dropped, and counted
    """

    def __init__(self, limit: int, window: int, backlog: int) -> None:
        if limit < 1 or window < 1 or backlog < 0:
            raise ValueError("limit and window are 1 or more, backlog is 0 or more")
        self.limit = limit
        self.window = window
        self.backlog = backlog
        self.members = _NOBODY
        self._joined = 0

    def join(self, subscriber: object, verb: str | None) -> Subscription:
        target, call = object_of(subscriber), verb_in(verb)
        if len(self.members) >= self.limit:
            raise Refused("there are too many subscribers")
        self._joined += 1
        return spawn(Subscription, self, self._joined, target, call)

    def tell(self, args: tuple[Any, ...]) -> int:
        """Send to all of them. Return how many there are."""
        if args and type(args[0]) is Symbol:
            # It would be the subscriber's method that the publisher chooses.
            raise BadArguments("an event can't begin with a symbol")
        members = self.members
        for member in members.values():
            member._tell(args)
        return len(members)


@final
class Subscription(Actor):
    """One subscriber's place in an audience; a reference to it ends it."""

    def __init__(self, audience: Audience, number: int, subscriber: Ref, verb: tuple[Symbol, ...]) -> None:
        self._audience = audience
        self._number = number
        self._subscriber: Ref | None = subscriber
        self._verb = verb
        self._unanswered = 0
        self._waiting: Fifo[tuple[Any, ...]] = Fifo()
        self._missed = 0
        audience.members = MappingProxyType({**audience.members, number: self})
        # The session must not keep the audience alive, nor the audience's end leave anything with it.
        self._unwatch = on_sever(subscriber, _leaver(self))
        finalize(self, self._unwatch).atexit = False

    @method
    def cancel(self) -> None:
        """End the subscription. What has been sent before still arrives. Idempotent."""
        if self._subscriber is not None:
            self._unwatch()
            self._leave()

    @method
    def missed(self) -> int:
        """Return how many events this subscriber has not been told, because it was too slow."""
        return self._missed

    def _tell(self, args: tuple[Any, ...]) -> None:
        audience = self._audience
        if self._unanswered < audience.window:
            self._send(args)
        elif audience.backlog == 0:
            self._missed += 1
        else:
            waiting = self._waiting.push(args)
            if len(waiting) > audience.backlog:
                _, waiting = waiting.pop()
                self._missed += 1
            self._waiting = waiting

    def _send(self, args: tuple[Any, ...]) -> None:
        self._unanswered += 1
        told = send(self._subscriber, *self._verb, *args)
        # When this vat stops before the answer has had its turn, nobody is left to count it.
        on(told, self._answered, catch=self._failed)._excuse()

    def _answered(self, answer: object) -> None:
        self._unanswered -= 1
        if self._waiting and self._subscriber is not None:
            args, self._waiting = self._waiting.pop()
            self._send(args)

    def _failed(self, error: BaseException) -> None:
        # What it fails with is its own affair, also if that is the end of some other session or vat.
        if isinstance(error, VatStopped) and _lives_in_a_stopped_vat(self._subscriber):
            self._leave()
        self._answered(None)

    def _leave(self) -> None:
        self._subscriber = None
        self._waiting = Fifo()
        members = dict(self._audience.members)
        members.pop(self._number, None)
        self._audience.members = MappingProxyType(members)


def _lives_in_a_stopped_vat(subscriber: Ref | None) -> bool:
    reference: object = subscriber
    if isinstance(subscriber, Promise) and subscriber._state == FULFILLED:
        reference = subscriber._value
    home = home_of(reference) if type(reference) is LocalRef else None
    return isinstance(home, Vat) and home.stopped


def verb_in(name: object) -> tuple[Symbol, ...]:
    """Return the verb in front of the arguments, if there is to be one.

    Raises:
        BadArguments: ``name`` is neither text nor ``None``.
    """
    if name is None:
        return ()
    if not isinstance(name, str) or len(name) > 200:
        raise BadArguments("a method is named by text of up to 200 characters")
    return (Symbol(name.replace("_", "-")),)


def _leaver(subscription: Subscription) -> Callable[[SessionSevered], None]:
    weakly = weak_ref(subscription)

    def leave(error: SessionSevered) -> None:
        known = weakly()
        if known is not None:
            known._leave()

    return leave


@final
class Publisher(Actor):
    """Tells the subscribers of a topic. Can't see who they are."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    @method
    def publish(self, *event: Any) -> int:
        """Send ``event`` to every subscriber, and return how many there are, without waiting for them.

        It may have several parts. Refused if it begins with a symbol, which would name a method.
        """
        return self._audience.tell(event)


@final
class Subscribers(Actor):
    """Lets others subscribe to a topic. Can't publish, nor see who else has subscribed."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    @method
    def subscribe(self, subscriber: Any, verb: str | None = None) -> Subscription:
        """Send all events from now on to ``subscriber``, and return what ends that.

        Who subscribes twice is told twice. Refused if there are too many subscribers.

        Args:
            subscriber: an object. Without a ``verb``, one that can be called itself, such as
                a function: to any other one an event that begins with text would name a method.
            verb: the method to call with each event.
        """
        return self._audience.join(subscriber, verb)


def new_topic(*, limit: int = 1000, window: int = 16, backlog: int = 100) -> tuple[Publisher, Subscribers]:
    """Return references to the publisher of a new topic and to its subscribers. Needs a vat.

    Each subscriber is told the events in their order. It answers in its own time; while ``window``
    events are unanswered the next ones wait, ``backlog`` of them at most, and then the oldest that
    waits is dropped: memory is bounded, and who is slow hears the latest. A subscriber is dropped
    when the session to it is severed or its vat stops. The topic holds its subscribers, also if the
    `Subscription` is not kept.

    >>> publisher, subscribers = result(vat.run(new_topic))
    >>> reader, writer, _ = result(vat.run(new_inbox))
    >>> subscription = result(subscribers.subscribe(writer, "write"))
    >>> result(publisher.publish("it rains"))
    1
    >>> result(reader.read())
    'it rains'

    Args:
        limit: how many subscribers there may be.
        window: how many events one subscriber may leave unanswered before the next ones wait.
        backlog: how many wait for one subscriber at most.

    Raises:
        ValueError: a limit that makes no sense.
        NotInVat: no vat is running.
    """
    audience = Audience(limit, window, backlog)
    spawn(audience)
    return spawn(Publisher, audience), spawn(Subscribers, audience)
