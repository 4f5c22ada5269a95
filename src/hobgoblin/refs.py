"""References and promises: what a program holds instead of the objects themselves.

A `Ref` is the only way to reach an object. `LocalRef` names an object of a vat of this process,
`RemoteRef` one behind a session, and a `Promise` one that is not known yet. The classes know
nothing of turns or of bytes: they hand messages to a `Home` (a vat) or to a `Sink` (a session).

Threads: every promise belongs to the `Host` (a thread with its event loop) of its home. Methods
that end in ``_here`` run in that thread; their twins without the ending may be called from any.

State of a promise::

    PENDING ──resolve(promise)──▶ FOLLOWING ──the other settles──▶ FULFILLED
       │                              └──────────────────────────▶ BROKEN
       ├──resolve(anything else)──────────────────────────────────▶ FULFILLED
       └──break(reason)───────────────────────────────────────────▶ BROKEN

Invariant: a settled promise never changes again, and its value is never a promise.

Public names on a reference would shadow methods of the objects they stand for. Therefore all
attributes here start with an underscore, and no declared method may.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextvars import ContextVar
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, TypeVar, final

from hobgoblin.errors import NotATarget, PromiseCycle
from hobgoblin.values import Keyword, Symbol

__all__ = [
    "BROKEN",
    "FOLLOWING",
    "FULFILLED",
    "PENDING",
    "BoundSend",
    "Follower",
    "Home",
    "Host",
    "Listener",
    "LocalRef",
    "Message",
    "Promise",
    "Ref",
    "RemoteRef",
    "Sink",
    "Site",
    "current_home",
]

T_co = TypeVar("T_co", covariant=True)

Site = tuple[CodeType, int, Symbol | str | None]
"""Where a send stands in the source: its code and the line number; and what was called, for a report.

The latter is no more than a verb while all is well; see `Message.fail`.
"""

PENDING: Final = 0
FOLLOWING: Final = 1
FULFILLED: Final = 2
BROKEN: Final = 3

ROUTE_NONE: Final = 0
ROUTE_ANSWER: Final = 1
ROUTE_IMPORT: Final = 2
ROUTE_RELAY: Final = 3


class Host(Protocol):
    """A thread with an event loop: what vats, promises and sessions run on."""

    def here(self) -> bool:
        """Tell whether the caller runs in this host's thread."""
        ...

    def post(self, callback: Callable[..., object], *args: object) -> None:
        """Run ``callback(*args)`` in this host's thread, later, in the order posted. Any thread."""
        ...

    def wait(self, promise: Promise[Any]) -> Generator[Any, None, Any]:
        """Be the iterator behind ``await promise``, in whatever loop the caller runs."""
        ...


class Home(Protocol):
    """What a promise belongs to and sends are made from: a vat."""

    @property
    def host(self) -> Host: ...

    def send(self, target: Ref, args: tuple[object, ...], site: Site | None) -> Promise[Any]:
        """Send from this home, within its open turn if there is one."""
        ...

    def accept(self, message: Message) -> None:
        """Take a message for one of this home's objects. Any thread."""
        ...

    def unheard(self, error: BaseException, site: Site | None, what: str | None) -> None:
        """Report a failure that nobody listens to. Any thread.

        ``what`` is ``None`` for a promise that nobody awaited: then the site tells what was called.
        """
        ...


class Sink(Protocol):
    """The way to objects behind a session."""

    @property
    def home(self) -> Home: ...

    def accept(self, message: Message) -> None:
        """Take a message for an object or a promise behind this sink. Any thread."""
        ...

    def listen(self, promise: Promise[Any]) -> None:
        """Ask the other side to tell how ``promise`` settles. In the host's thread."""
        ...


current_home: ContextVar[Home | None] = ContextVar("hobgoblin.current_home", default=None)
"""The vat whose code is running; tasks started from a turn inherit it."""


class Listener(Protocol):
    """Told once that a promise has settled, in the thread of the promise; must not raise."""

    def settled(self, promise: Promise[Any]) -> None: ...


@final
class Message:
    """A message under way: what it carries, and who is told of the outcome.

    ``args`` has passed by copy already; a method call carries its name as a symbol in front.
    ``answer`` is ``None`` when nobody asked; failures then go to ``home``.
    """

    __slots__ = ("answer", "args", "home", "site", "target")

    def __init__(
        self,
        target: Ref,
        args: tuple[object, ...],
        answer: Promise[Any] | None,
        home: Home,
        site: Site | None,
    ) -> None:
        self.target = target
        self.args = args
        self.answer = answer
        self.home = home
        self.site = site

    def dispatch(self) -> None:
        """Set out on the way to the target."""
        self.target._accept(self)

    def undo(self, error: BaseException) -> None:
        """Be taken back before setting out: the turn's own failure is what gets reported."""
        if self.answer is not None:
            self.answer._heard = True
            self.answer._break(error)

    def fail(self, error: BaseException) -> None:
        """Report that this message was not carried out."""
        answer = self.answer
        if answer is not None:
            site = self.site
            if site is not None and not answer._heard:
                # The answer does not know the target, which it must not keep alive; nor should
                # every send pay for a description. Now it may be of use.
                answer._site = (site[0], site[1], self._called())
            answer._break(error)
        else:
            self.home.unheard(error, self.site, self.describe())

    def describe(self) -> str:
        """Name the send for a report: the verb and the target, no argument."""
        return f"{self._called()}()"

    def _called(self) -> str:
        verb = self.args[0] if self.args else None
        name = f".{verb.name}" if type(verb) is Symbol else ""
        return f"{self.target!r}{name}"


def call_site(depth: int, called: Symbol | str | None = None) -> Site | None:
    """Return where the caller's caller stands; ``depth`` frames above this function's caller."""
    try:
        frame = sys._getframe(depth + 1)
    except ValueError:
        return None  # called by no Python code: a thread that runs nothing but this send
    return (frame.f_code, frame.f_lineno, called)


def with_keywords(args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[object, ...]:
    """Append keyword arguments in the form of the wire: marker and value (Goblins' ``<kw name>``)."""
    flat: list[object] = list(args)
    for name, value in kwargs.items():
        flat.append(Keyword(name.replace("_", "-")))
        flat.append(value)
    return tuple(flat)


_ADVICE = "a reference has no behaviour of its own: `await` it, call a method on it, or pass it on"


def _refuse(name: str) -> Callable[..., NoReturn]:
    def refuse(self: Ref, *args: object) -> NoReturn:
        raise TypeError(f"{name} is not possible on {self!r}: {_ADVICE}")

    refuse.__name__ = name
    return refuse


# What asyncio calls on whatever it takes for a future. Sent to an object instead, `asyncio.wait` would
# hang. An object that does have such a method is reached with ``send(ref, Symbol("get-loop"))``.
_OF_FUTURES: Final = frozenset({"add_done_callback", "remove_done_callback", "get_loop"})

_verbs: dict[str, Symbol] = {}


def verb_of(name: str) -> Symbol:
    """Return the symbol under which a method named ``name`` in Python travels: ``make-car``."""
    verb = _verbs.get(name)
    if verb is None:
        # Grows with the names in the program's own source, never with what a peer sends.
        verb = _verbs[name] = Symbol(name.replace("_", "-"))
    return verb


class Ref:
    """A reference to an object, here or far away. Made only by vats and sessions.

    ``ref.method(…)`` sends a message and returns a promise at once; ``ref(…)`` sends without a
    method name. References compare by identity of the object. Everything else is refused with
    a `TypeError`, so that no library can make a reference do something by accident.
    """

    __slots__ = ("__weakref__",)

    @property
    def _home(self) -> Home:
        raise NotImplementedError

    def _accept(self, message: Message) -> None:
        raise NotImplementedError

    def __getattr__(self, name: str) -> BoundSend:
        if name[:1] == "_":
            raise AttributeError(f"{name} can't be reached through a reference: {_ADVICE}")
        if name in _OF_FUTURES:
            raise AttributeError(
                f"{name}: a promise is no asyncio future: "
                "await it, or wrap it in asyncio.ensure_future(promise)"
            )
        return BoundSend(self, name)

    def __call__(self, *args: object, **kwargs: object) -> Promise[Any]:
        if kwargs:
            args = with_keywords(args, kwargs)
        return (current_home.get() or self._home).send(self, args, call_site(1))

    def __await__(self) -> Generator[Any, None, Any]:
        # A reference is its own resolution: there is nothing to wait for. In a method of an actor
        # the turn ends here all the same, as it does at a promise for this reference.
        if current_home.get() is not None:
            yield
        return self

    # Attributes can't be set because of the slots. A __setattr__ that says so in better words
    # would cost every promise three microseconds.

    def __dir__(self) -> list[str]:
        return []

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


# Not here: __array_interface__ and its kin. Without them numpy asks for __array__, and is refused.
_REFUSED = (
    "lt le gt ge bool len length_hint iter next reversed contains getitem setitem delitem missing "
    "index int float complex bytes buffer trunc round floor ceil "
    "neg pos abs invert add radd iadd sub rsub isub mul rmul imul matmul rmatmul imatmul "
    "truediv rtruediv itruediv floordiv rfloordiv ifloordiv mod rmod imod divmod rdivmod "
    "pow rpow ipow lshift rlshift ilshift rshift rrshift irshift and rand iand xor rxor ixor or ror ior "
    "enter exit aenter aexit aiter anext copy deepcopy reduce reduce_ex getstate setstate getnewargs "
    "getnewargs_ex fspath array array_ufunc array_function release_buffer dlpack"
)

for _name in _REFUSED.split():
    setattr(Ref, f"__{_name}__", _refuse(f"__{_name}__"))


@final
class BoundSend:
    """``ref.method``: a send that lacks its arguments. Call it, or give it to a verb such as `near`."""

    __slots__ = ("_name", "_target")

    def __init__(self, target: Ref, name: str) -> None:
        self._target = target
        self._name = name

    def __call__(self, *args: object, **kwargs: object) -> Promise[Any]:
        if kwargs:
            args = with_keywords(args, kwargs)
        target = self._target
        home = current_home.get() or target._home
        verb = verb_of(self._name)
        return home.send(target, (verb, *args), call_site(1, verb))

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} can't be reached through {self!r}: {self._advice()}")

    def __await__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a method: call it, and await what it returns")

    def __repr__(self) -> str:
        return f"<{self._name} of {self._target!r}>"

    def _advice(self) -> str:
        return f"a method has no behaviour of its own: call it first, as in `ref.{self._name}(…)`"


def _refuse_bound(name: str) -> Callable[..., NoReturn]:
    def refuse(self: BoundSend, *args: object) -> NoReturn:
        raise TypeError(f"{name} is not possible on {self!r}: {self._advice()}")

    refuse.__name__ = name
    return refuse


def _compare_bound(name: str) -> Callable[[BoundSend, object], Any]:
    refuse = _refuse_bound(name)

    def compare(self: BoundSend, other: object) -> Any:
        # ``ref.size == 5`` is a mistake. To look for a function among callbacks, of which this is
        # one, is none: asyncio does so.
        if callable(other) and not isinstance(other, Ref | BoundSend | type):
            return NotImplemented
        return refuse(self, other)

    compare.__name__ = name
    return compare


for _name in _REFUSED.split():
    setattr(BoundSend, f"__{_name}__", _refuse_bound(f"__{_name}__"))
for _name in ("__eq__", "__ne__"):
    setattr(BoundSend, _name, _compare_bound(_name))  # set from here, they leave __hash__ in place


@final
class LocalRef(Ref):
    """A reference to an object of a vat of this process. The object lives as long as it is held."""

    __slots__ = ("_behaviour", "_vat")

    def __init__(self, vat: Home, behaviour: object) -> None:
        self._vat = vat
        self._behaviour = behaviour

    @property
    def _home(self) -> Home:
        return self._vat

    def _accept(self, message: Message) -> None:
        self._vat.accept(message)

    def __repr__(self) -> str:
        behaviour = self._behaviour
        name = type(behaviour).__name__
        if isinstance(behaviour, FunctionType | MethodType | BuiltinFunctionType):
            # Nothing else is asked for its name: an actor might run code to tell it.
            name = str(getattr(behaviour, "__name__", name))
        return f"<Ref {name}>"


@final
class RemoteRef(Ref):
    """A reference to an object behind a session, at the peer's export ``_pos``."""

    __slots__ = ("_pos", "_sink")

    def __init__(self, sink: Sink, pos: int) -> None:
        self._sink = sink
        self._pos = pos

    @property
    def _home(self) -> Home:
        return self._sink.home

    def _accept(self, message: Message) -> None:
        self._sink.accept(message)

    def __repr__(self) -> str:
        return "<Ref remote>"


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
        "_site",
        "_state",
        "_trace",
        "_used",
        "_value",
    )

    def __init__(self, home: Home, site: Site | None = None) -> None:
        self._at: Home = home
        self._site: Site | None = site
        self._state: int = PENDING
        self._value: Any = None
        self._queue: list[Message] | None = None
        self._listeners: list[Listener | Promise[Any]] | None = None
        # Where the decider is known to be behind a session: where messages may go already.
        self._route: Sink | None = None
        self._route_kind: int = ROUTE_NONE
        self._pos: int = 0
        # Messages have gone along the route: later ones must not overtake them.
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

    @property
    def _home(self) -> Home:
        return self._at

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._at.host.wait(self)

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
        host = self._at.host
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
        elif route is not None and (state == PENDING or (self._used and not self._may_shorten())):
            self._used = True
            message.target = self
            route.accept(message)
        elif state == PENDING:
            if self._queue is None:
                self._queue = [message]
            else:
                self._queue.append(message)
        elif state == FOLLOWING:
            self._way()._accept_here(message)
        elif self._detour is not None:
            self._detour._accept_here(message)
        elif isinstance(self._value, Ref):
            message.target = self._value
            self._value._accept(message)
        else:
            message.fail(not_a_target(self._value))

    def _may_shorten(self) -> bool:
        """Tell whether the direct way can't overtake messages on the long one.

        It can't when the value lives at the peer that forwards them: both ways are one channel.
        Otherwise messages keep going the old way, the one policy that kept the order of
        messages through a reference in every published model of this protocol (ocapn#281).
        """
        return type(self._value) is RemoteRef and self._value._sink is self._route

    def _set_route(self, route: Sink, kind: int, pos: int) -> None:
        """Say where messages may go before this promise settles; those that wait set out."""
        self._route = route
        self._route_kind = kind
        self._pos = pos
        if self._listeners and kind == ROUTE_IMPORT:
            route.listen(self)
        queue = self._queue
        if queue:
            self._queue = None
            self._used = True
            for message in queue:
                route.accept(message)

    # Settling

    def _resolve(self, value: object) -> None:
        host = self._at.host
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
        else:
            self._state = FULFILLED
            self._value = value
            _settle(self)

    def _break(self, error: BaseException) -> None:
        host = self._at.host
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
        if other._at.host is not self._at.host:
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
            _settle(self)
        else:
            self._state = FOLLOWING
            self._value = root
            root._expect(self)
            queue, self._queue = self._queue, None
            if queue:
                for message in queue:
                    root._accept_here(message)

    def _lead(self, follower: Promise[Any]) -> None:
        """Have a promise of another thread, locked to this one, settle the way this one does."""
        host = self._at.host
        if host.here():
            self._lead_here(follower)
        else:
            host.post(self._lead_here, follower)

    def _lead_here(self, follower: Promise[Any]) -> None:
        # Every promise of a cycle is locked before it asks to be led. So whichever asks last,
        # sees the whole of it.
        if self._leads_to(follower):
            broken: Promise[Any] = Promise(self._at)
            broken._heard = True
            broken._break_here(_cycle())
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

    # Listening

    def _listen(self, listener: Listener) -> None:
        host = self._at.host
        if host.here():
            self._listen_here(listener)
        else:
            host.post(self._listen_here, listener)

    def _listen_here(self, listener: Listener) -> None:
        """Have ``listener`` told how this promise settles: at once if it has."""
        self._heard = True
        if self._state >= FULFILLED:
            listener.settled(self)
        else:
            self._expect(listener)

    def _expect(self, listener: Listener | Promise[Any]) -> None:
        """Add a listener, or a promise that follows this one; this one has not settled."""
        if self._listeners is None:
            self._listeners = [listener]
            if self._route is not None and self._route_kind == ROUTE_IMPORT and self._state == PENDING:
                self._route.listen(self)
        else:
            self._listeners.append(listener)

    def _unlisten(self, listener: Listener) -> None:
        """Forget a listener; nothing happens if it is none any more. In the host's thread."""
        if self._listeners is not None and listener in self._listeners:
            self._listeners.remove(listener)


@final
class Follower:
    """Settles a promise like one of another thread."""

    __slots__ = ("follower",)

    def __init__(self, follower: Promise[Any]) -> None:
        self.follower = follower

    def settled(self, promise: Promise[Any]) -> None:
        host = self.follower._at.host
        if host.here():
            self.follower._settle_as(promise)
        else:
            host.post(self.follower._settle_as, promise)


def _cycle() -> PromiseCycle:
    return PromiseCycle("a promise was resolved to itself")


def not_a_target(value: object) -> NotATarget:
    """Return the error of a message that was sent to plain data."""
    kind = "None" if value is None else f"plain data ({type(value).__name__})"
    return NotATarget(f"the promise was fulfilled with {kind}, which takes no messages")


def _settle(first: Promise[Any]) -> None:
    """Tell everybody who waits for ``first``, and for all that settle with it.

    Iterative: neither a long chain of promises nor a long chain of pipelined calls costs stack.
    Nothing here runs user code: messages are queued, listeners only schedule.
    """
    settled = [first]
    for promise in settled:
        queue, listeners = promise._queue, promise._listeners
        promise._queue = promise._listeners = None
        value = promise._value
        detour = promise._detour
        if promise._used and isinstance(value, Ref) and not promise._may_shorten():
            detour = promise
        if queue:
            promise._heard = True
            if promise._state == FULFILLED and isinstance(value, Ref):
                for message in queue:
                    message.target = value
                    value._accept(message)
            else:
                broken = promise._state == BROKEN
                error: Any = value if broken else not_a_target(value)
                trace = promise._trace if broken else None
                for message in queue:
                    answer = message.answer
                    if answer is None or answer._at.host is not promise._at.host:
                        message.fail(error)
                    elif answer._state == PENDING and not answer._locked:
                        answer._state = BROKEN
                        answer._value = error
                        answer._trace = trace
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
