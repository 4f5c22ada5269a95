"""Promises: references to what is not known yet."""

from __future__ import annotations

from collections.abc import Generator
from types import GenericAlias, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, final, overload

from hobgoblin.errors import PromiseCycle, Refused
from hobgoblin.refs.contracts import (
    BROKEN,
    FOLLOWING,
    FULFILLED,
    PENDING,
    ROUTE_IMPORT,
    ROUTE_NONE,
    Home,
    Listener,
    Reporter,
    Route,
    Site,
    current_home,
)
from hobgoblin.refs.message import CALLER, Message, call_site
from hobgoblin.refs.reference import BoundSend, Ref
from hobgoblin.refs.selection import selector_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


if TYPE_CHECKING:

    class _Reference(Protocol[T_co]):
        """An actor, for a reference is typed as the object that it refers to."""

        _hob_methods: ClassVar[Any]

        def __await__(self) -> Generator[Any, Any, T_co]: ...

    class _Struct(Protocol[T_co]):
        """A mapping whose keys are text."""

        def __getitem__(self, key: str, /) -> T_co: ...
        def keys(self) -> Any: ...

    class _List(Protocol[T_co]):
        """A list of any kind, and no text: that contains only text, and no list contains only its like."""

        def __contains__(self, value: object, /) -> bool: ...
        def __getitem__(self, index: int, /) -> T_co: ...
        def count(self, value: Any, /) -> int: ...

    class _Dataclass(Protocol):
        __dataclass_fields__: ClassVar[dict[str, Any]]

    class _Attrs(Protocol):
        __attrs_attrs__: ClassVar[Any]

    class _Fields(Protocol):
        __struct_fields__: ClassVar[tuple[str, ...]]

    class _Model(Protocol):
        __pydantic_fields__: ClassVar[dict[str, Any]]

    @final
    class _Nothing:
        """The type of no value: only ``Any`` fits."""

    _Registered: TypeAlias = _Dataclass | _Attrs | _Fields | _Model
    """What may be a value with a tag and fields."""


@final
class Promise(Ref, Generic[T_co]):
    """A reference to what is not known yet. Await it, or send to it as if it were known.

    Messages sent to an unresolved promise wait in order or, if its decider is behind a session,
    follow the question at once (promise pipelining). First resolution wins; later ones are ignored.
    A broken promise that nobody ever looked at is reported when it is collected.
    """

    __slots__ = (
        "_at",
        "_detour",
        "_heard",
        "_listeners",
        "_locked",
        "_pos",
        "_queue",
        "_route",
        "_route_kind",
        "_since",
        "_site",
        "_state",
        "_trace",
        "_used",
        "_value",
    )

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # pyright: ignore[reportUnknownVariableType]

    def __init__(self, home: Home, site: Site | None = None) -> None:
        self._at: Home = home
        self._site: Site | None = site
        self._state: int = PENDING
        self._value: Any = None
        self._queue: list[Message] | None = None
        self._listeners: list[Listener | Promise[Any]] | None = None
        # Where the decider is known to be behind a session: where messages may go already.
        self._route: Route | None = None
        self._route_kind: int = ROUTE_NONE
        self._pos: int = 0
        # Messages have gone along the route. Later ones take it as well, also when a shorter way is known:
        # the one policy that keeps their order in every published model of this protocol (ocapn#281).
        # Not even a value that lives at the next peer is an exception: messages may have gone on from there.
        # Selections are no messages in this: what they ask of a value does not change.
        self._used: bool = False
        # Settled like that promise, whose route messages to this one have taken: they still have to.
        self._detour: Promise[Any] | None = None
        # Resolved to a promise of another thread, ``_value``: only that one may settle it now.
        self._locked: bool = False
        self._heard: bool = False
        if TYPE_CHECKING:
            # Where the reason was raised; set when the promise breaks. The exception's own
            # traceback grows whenever somebody awaits it.
            self._trace: TracebackType | None = None
            # When somebody came to wait: the first route, message or listener. Not when it was made:
            # most promises settle before anybody waits, and shall not pay for a look at the clock.
            self._since: float = 0.0

    @property
    def _home(self) -> Home:
        return self._at

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._at._host.wait(self)

    # An actor is any T, too. The first overload that fits is the one that is meant.
    @overload
    def __getitem__(  # type: ignore[overload-overlap]
        self: Promise[_Struct[_Reference[T]]],  # pyright: ignore[reportOverlappingOverload]
        key: str,
    ) -> T: ...
    @overload
    def __getitem__(self: Promise[_Struct[Promise[T]]], key: str) -> Promise[T]: ...
    @overload
    def __getitem__(self: Promise[_Struct[T]], key: str) -> Promise[T]: ...
    @overload
    def __getitem__(  # type: ignore[overload-overlap]
        self: Promise[_List[_Reference[T]]],  # pyright: ignore[reportOverlappingOverload]
        key: int,
    ) -> T: ...
    @overload
    def __getitem__(self: Promise[_List[Promise[T]]], key: int) -> Promise[T]: ...
    @overload
    def __getitem__(self: Promise[_List[T]], key: int) -> Promise[T]: ...
    @overload
    def __getitem__(self: Promise[_Registered], key: str) -> Promise[Any]: ...
    def __getitem__(self, key: Any) -> Any:
        """Return a promise for a part of the value: ``promise["field"]``, ``promise[0]``.

        It can be used at once like any other. Nobody waits: while the decider of this promise is
        behind a session, the question follows it there (op:get, op:index), and the part itself
        crosses only if somebody awaits it or listens. Peers of older drafts of OCapN may not know
        these messages; towards them, await the promise and take the part of its value.

        The answer breaks with `NoSuchPart` if there is no such field or item or if the value is no
        struct or list, and with this promise's reason if this promise breaks. In a turn of a vat
        the question leaves when the turn commits.

        Raises:
            TypeError: the key is neither text nor an integer.
            IndexError: the key is an integer below 0, or too large for any list.
            NotPassable: the key is text that can't be written.
        """
        return (current_home.get() or self._at).select(self, selector_of(key), False, call_site(CALLER))

    if TYPE_CHECKING:
        # Of what is not known, anything can be asked; of a value, only its parts.
        def __getattr__(self: Promise[_Nothing], name: str) -> BoundSend: ...

    def _excuse(self) -> Promise[T_co]:
        """Report nothing if this breaks and nobody looks: its failure is told elsewhere. Return self."""
        self._heard = True
        return self

    def __repr__(self) -> str:
        return f"<Promise {('pending', 'pending', 'fulfilled', 'broken')[self._state]}>"

    def __del__(self) -> None:
        try:
            if self._state == BROKEN and not self._heard:
                self._at.unheard(self._value, self._site, None)
        except AttributeError:
            return  # never initialised, or the interpreter is shutting down

    # Messages

    def _accept(self, message: Message) -> None:
        host = self._at._host
        if host.here():
            self._accept_here(message)
        else:
            host.post(self._accept_here, message)

    def _accept_here(self, message: Message) -> None:
        self._heard = True
        route = self._route
        state = self._state
        if state == BROKEN:
            message.fail(self._value)
        elif route is not None and (state == PENDING or (self._used and type(message) is Message)):
            if type(message) is Message:
                self._used = True
            message.target = self
            route.accept(message)
        elif state == PENDING:
            if self._queue is None:
                self._queue = [message]
                if self._listeners is None:
                    self._since = self._at._host.clock()
            else:
                self._queue.append(message)
        elif state == FOLLOWING:
            way = self._way() if type(message) is Message else self._root()
            way._accept_here(message)
        elif type(message) is not Message or not isinstance(self._value, Ref):
            message.meet(self._value)
        elif self._detour is not None:
            self._detour._accept_here(message)
        else:
            message.waits = None
            message.target = self._value
            self._value._accept(message)

    def _room(self, done: Promise[None]) -> None:
        host = self._at._host
        if host.here():
            self._room_here(done)
        else:
            host.post(self._room_here, done)

    def _room_here(self, done: Promise[None]) -> None:
        way = self._way()
        route = way._route
        state = way._state
        if state == BROKEN:
            done._break(way._value)
        elif route is not None and (state == PENDING or way._used):
            route.room(done)
        elif way._detour is not None:
            way._detour._room_here(done)
        elif isinstance(way._value, Ref) and state == FULFILLED:
            way._value._room(done)
        else:
            done._resolve(None)

    def _take_route(self, route: Route, kind: int) -> None:
        """Set a route that needs no position. Any thread."""
        host = self._at._host
        if host.here():
            self._set_route(route, kind, 0)
        else:
            host.post(self._set_route, route, kind, 0)

    def _set_route(self, route: Route, kind: int, pos: int) -> None:
        """Say where messages may go before this promise settles; those that wait set out."""
        self._route = route
        self._route_kind = kind
        self._pos = pos
        queue = self._queue
        if self._listeners is None:
            if queue is None:
                clock = self._at._host.clock
                self._since = clock()
        elif kind >= ROUTE_IMPORT:
            # Also when all of them have left: those who come later take it that this has been done.
            route.listen(self)
            queue = self._queue
        if queue:
            self._queue = None
            for message in queue:
                if type(message) is Message:
                    self._used = True
                # It may have been sent to a promise that follows this one.
                message.target = self
                route.accept(message)

    # Settling

    def _resolve(self, value: object) -> None:
        host = self._at._host
        if host.here():
            self._resolve_here(value)
        else:
            host.post(self._resolve_here, value)

    def _resolve_here(self, value: object) -> None:
        """Resolve to a value, a reference or another promise; ignored if already resolved."""
        if self._state != PENDING or self._locked:
            return
        if type(value) is Promise:
            self._follow(value)  # pyright: ignore[reportUnknownArgumentType]
            return
        self._state = FULFILLED
        self._value = value
        if self._queue is None:
            listeners = self._listeners
            if listeners is None:
                return
            if len(listeners) == 1 and type(listeners[0]) is not Promise:
                # As it nearly always is: one waits for it.
                self._listeners = None
                listeners[0].settled(self)
                return
        _settle(self)

    def _break(self, error: BaseException) -> None:
        host = self._at._host
        if host.here():
            self._break_here(error)
        else:
            host.post(self._break_here, error)

    def _break_here(self, error: BaseException) -> None:
        """Break with ``error``; ignored if already resolved."""
        if self._state == PENDING and not self._locked:
            self._state = BROKEN
            self._value = error
            self._trace = error.__traceback__
            _settle(self)

    def _settle_as(self, other: Promise[Any]) -> None:
        """Settle the way ``other`` has, which this one may have been locked to."""
        self._locked = False
        if other._state != BROKEN:
            self._resolve_here(other._value)
        elif self._state == PENDING:
            self._take_over(other)
            _settle(self)

    def _take_over(self, other: Promise[Any]) -> None:
        self._state = other._state
        self._value = other._value
        if other._state == BROKEN:
            self._trace = other._trace

    def _follow(self, other: Promise[Any]) -> None:
        if other._at._host is not self._at._host:
            # Messages stay here until it settles: two threads that resolve promises to each
            # other's must not send messages in circles.
            self._locked = True
            self._value = other
            other._lead(self)
            return
        root = other._root()
        root._heard = True
        if root is self or (root._locked and root._leads_to(self)):
            self._break_here(_cycle())
        elif root._state >= FULFILLED:
            self._take_over(root)
            if self._route is None:
                # No way for messages any more, but it tells who has said what this has become.
                self._route = root._route
            _settle(self)
        else:
            self._state = FOLLOWING
            self._value = root
            if self._listeners:
                self._hand_on(root)
            root._expect(self)
            queue, self._queue = self._queue, None
            if queue:
                for message in queue:
                    root._accept_here(message)

    def _hand_on(self, root: Promise[Any]) -> None:
        """Leave the reporters of this promise to ``root``, which it follows now, unless they are content.

        So they are always found at the end of a chain. A peer decides how often that moves on, and
        how many follow: to look for them there would cost the whole of it each time.
        """
        kept: list[Listener | Promise[Any]] = []
        for listener in self._listeners or ():
            if not isinstance(listener, Reporter):
                kept.append(listener)
            elif root._route is None or not listener.follows(root):
                root._expect(listener)
        self._listeners = kept or None

    def _lead(self, follower: Promise[Any]) -> None:
        """Have a promise of another thread, locked to this one, settle the way this one does."""
        host = self._at._host
        if host.here():
            self._lead_here(follower)
        else:
            host.post(self._lead_here, follower)

    def _lead_here(self, follower: Promise[Any]) -> None:
        # Every promise of a cycle is locked before it asks to be led. So whichever asks last,
        # sees the whole of it.
        if self._leads_to(follower):
            broken: Promise[Any] = Promise(self._at)
            broken._excuse()._break_here(_cycle())
            Follower(follower).settled(broken)
        else:
            self._listen_here(Follower(follower))

    def _leads_to(self, goal: Promise[Any]) -> bool:
        """Tell whether this promise waits for ``goal``, through however many threads."""
        promise: Promise[Any] = self
        seen: set[Promise[Any]] = set()
        while promise is not goal:
            if promise in seen or (promise._state != FOLLOWING and not promise._locked):
                return False
            seen.add(promise)
            following = promise._value
            if type(following) is not Promise:
                return False  # it has settled this very moment, in its own thread
            promise = following  # pyright: ignore[reportUnknownVariableType]
        return True

    def _root(self) -> Promise[Any]:
        """Return the promise at the end of the chain that this one follows."""
        root = self._way()
        while root._state == FOLLOWING:
            root = root._way()
        return root

    def _way(self) -> Promise[Any]:
        """Return where messages go from here: to the end of the chain, or to one that has a route in use."""
        way: Promise[Any] = self
        while way._state == FOLLOWING and (way is self or not way._used):
            way = way._value
        # Path compression: chains of any length cost nearly nothing to walk again.
        walked: Promise[Any] = self
        while walked is not way and walked._value is not way:
            walked._value, walked = way, walked._value
        return way

    def _become(self, message: Message, value: object) -> bool:
        """Become what ``message``, to which this is the answer, finds in ``value``; pending before.

        Return whether this promise has settled by that. Those who wait for it are yet to be told.
        """
        try:
            part = message.find(value)
        except Refused as error:
            self._state = BROKEN
            self._value = error.with_traceback(None)
            self._trace = None
            return True
        if type(part) is Promise:
            promise: Promise[Any] = part  # pyright: ignore[reportUnknownVariableType]
            root = promise._root() if promise._at._host is self._at._host else promise
            if root._at._host is not self._at._host or root._state < FULFILLED:
                self._follow(root)
                return False
            root._heard = True
            self._take_over(root)
        else:
            self._state = FULFILLED
            self._value = part
        return True

    # Listening

    def _listen(self, listener: Listener) -> None:
        host = self._at._host
        if not host.here():
            host.post(self._listen_here, listener)
        elif self._state == PENDING:  # as it nearly always is: a call less
            self._heard = True
            self._expect(listener)
        else:
            self._listen_here(listener)

    def _listen_here(self, listener: Listener) -> None:
        """Have ``listener`` told how this promise settles: at once if it has."""
        self._heard = True
        state = self._state
        if state >= FULFILLED:
            listener.settled(self)
        elif state == PENDING or not isinstance(listener, Reporter):
            self._expect(listener)
        else:
            root = self._root()
            if not listener.follows(root):
                # That one may have settled just now, and this one be about to.
                (root if root._state == PENDING else self)._expect(listener)

    def _expect(self, listener: Listener | Promise[Any]) -> None:
        """Add a listener, or a promise that follows this one; this one has not settled."""
        listeners = self._listeners
        if listeners is None:
            self._listeners = [listener]
            route = self._route
            if route is None:
                if self._queue is None:
                    self._since = self._at._host.clock()
            elif self._route_kind >= ROUTE_IMPORT and self._state == PENDING:
                route.listen(self)
        elif len(listeners) == 1:
            # Often all: who has asked, and the promise for it that follows. To append makes room for eight.
            self._listeners = [listeners[0], listener]
        else:
            listeners.append(listener)

    def _unlisten(self, listener: Listener) -> None:
        """Forget a listener; nothing happens if it is none any more. In the host's thread."""
        if self._listeners is not None and listener in self._listeners:
            self._listeners.remove(listener)


def promise_of(home: Home, site: Site | None) -> Promise[Any]:
    """Return a new promise: what the class makes, at half the cost."""
    promise: Promise[Any] = Promise.__new__(Promise)  # pyright: ignore[reportUnknownVariableType]
    promise._at = home
    promise._site = site
    promise._state = PENDING
    promise._value = None
    promise._queue = None
    promise._listeners = None
    promise._route = None
    promise._route_kind = ROUTE_NONE
    promise._pos = 0
    promise._used = False
    promise._detour = None
    promise._locked = False
    promise._heard = False
    return promise


@final
class Follower:
    """Settles a promise like one of another thread."""

    __slots__ = ("follower",)

    def __init__(self, follower: Promise[Any]) -> None:
        self.follower = follower

    def settled(self, promise: Promise[Any]) -> None:
        host = self.follower._at._host
        if host.here():
            self.follower._settle_as(promise)
        else:
            host.post(self.follower._settle_as, promise)


def _cycle() -> PromiseCycle:
    return PromiseCycle("a promise was resolved to itself")


def _settle(first: Promise[Any]) -> None:
    """Tell everybody who waits for ``first``, and for all that settle with it.

    Iterative: neither a long chain of promises nor a long chain of pipelined calls costs stack.
    Nothing here runs user code: messages are queued, listeners only schedule.
    """
    settled = [first]
    for promise in settled:
        queue, listeners = promise._queue, promise._listeners
        promise._queue = promise._listeners = None
        value: Any = promise._value
        detour = promise._detour
        if promise._used and isinstance(value, Ref):
            detour = promise
        if queue:
            promise._heard = True
            broken = promise._state == BROKEN
            target: Ref | None = value if not broken and isinstance(value, Ref) else None
            for message in queue:
                if target is not None and type(message) is Message:
                    message.waits = None
                    message.target = target
                    target._accept(message)
                    continue
                answer = message.answer
                if answer is None or answer._at._host is not promise._at._host:
                    if broken:
                        message.fail(promise._value)
                    else:
                        message.meet(value)
                elif answer._state == PENDING and not answer._locked:
                    if broken:
                        answer._take_over(promise)
                        settled.append(answer)
                    elif answer._become(message, value):
                        settled.append(answer)
        if listeners:
            for listener in listeners:
                if type(listener) is not Promise:
                    listener.settled(promise)
                else:
                    # Followers live in the same host; those of others are wrapped in Follower.
                    listener._take_over(promise)
                    listener._detour = detour
                    settled.append(listener)
