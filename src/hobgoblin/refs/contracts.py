"""What references rely on and do not know: threads, vats, sessions, listeners."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextvars import ContextVar
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, Protocol

from hobgoblin.errors import SessionSevered
from hobgoblin.values import Symbol

if TYPE_CHECKING:
    from hobgoblin.refs.message import Message
    from hobgoblin.refs.promise import Promise
    from hobgoblin.refs.reference import Ref

Site = tuple[CodeType, int, Symbol | str | None]
"""Where a send stands in the source: its code and the offset in it; and what was called, for a report.

`place_of` makes a line number of the offset, when somebody asks. What was called is no more than a
verb while all is well; see `Message.fail`.
"""

Cause = tuple[str, int]
"""A turn that was recorded: the name of its vat, and its number there."""

PENDING: Final = 0
FOLLOWING: Final = 1
FULFILLED: Final = 2
BROKEN: Final = 3

ROUTE_NONE: Final = 0
ROUTE_ANSWER: Final = 1
ROUTE_RELAY: Final = 2
# The decider of these tells how they settle only when it is asked.
ROUTE_IMPORT: Final = 3
ROUTE_SELECTED: Final = 4


class Host:
    """A thread with an event loop: what vats, promises and sessions run on.

    A class, not a protocol, so that compiled code calls it without looking up a name.

    Args:
        clock: returns seconds of a clock that only goes forward. Any thread.
    """

    __slots__ = ("clock",)

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock

    def here(self) -> bool:
        """Tell whether the caller runs in this host's thread."""
        raise NotImplementedError

    def post(self, callback: Callable[..., object], *args: object) -> None:
        """Run ``callback(*args)`` in this host's thread, later, in the order posted. Any thread."""
        raise NotImplementedError

    def wait(self, promise: Promise[Any]) -> Generator[Any, None, Any]:
        """Return the iterator behind ``await promise``, in whatever loop the caller runs."""
        raise NotImplementedError


class Home(Protocol):
    """What a promise belongs to and sends are made from: a vat. All of them are a `LocalHome`."""

    @property
    def _host(self) -> Host: ...
    @property
    def host(self) -> Host: ...

    def send(self, target: Ref, args: tuple[object, ...], site: Site | None) -> Promise[Any]:
        """Send from this home, within its open turn if there is one."""
        ...

    def send_unanswered(self, target: Ref, args: tuple[object, ...], site: Site | None) -> None:
        """Send without asking for an answer, as in `send`."""
        ...

    def select(
        self, promise: Promise[Any], selector: str | int, untag: bool, site: Site | None
    ) -> Promise[Any]:
        """Ask for a part of what a promise settles to, within the open turn if there is one."""
        ...

    def accept(self, message: Message) -> None:
        """Take a message for one of this home's objects. Any thread."""
        ...

    def unheard(self, error: BaseException, site: Site | None, what: str | None) -> None:
        """Report a failure that nobody listens to. Any thread.

        ``what`` is ``None`` for a promise that nobody awaited: then the site tells what was called.
        """
        ...


class Route(Protocol):
    """Where messages to a promise may go before it settles."""

    def accept(self, message: Message) -> None:
        """Take a message for an object or a promise behind this sink, or a selection. Any thread."""
        ...

    def room(self, done: Promise[None]) -> None:
        """Fulfil ``done`` when there is room for messages; break it if none can leave. Any thread."""
        ...

    def listen(self, promise: Promise[Any]) -> None:
        """Ask the other side to tell how ``promise`` settles. In the host's thread."""
        ...


class Sink(Route, Protocol):
    """The way to objects behind a session."""

    @property
    def home(self) -> Home: ...

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` once when the session has ended, at once if it has. Any thread."""
        ...

    def unwatch(self, watcher: Watcher) -> None:
        """Forget a watcher; nothing happens if it is none any more. Any thread."""
        ...


current_home: ContextVar[Home | None] = ContextVar("hobgoblin.current_home", default=None)
"""The vat whose code is running; tasks started from a turn inherit it."""


class Watcher(Protocol):
    """Told once that a session has ended, in the thread of the session; must not raise."""

    def severed(self, error: SessionSevered) -> None: ...


class Listener(Protocol):
    """Told once that a promise has settled, in the thread of the promise; must not raise."""

    def settled(self, promise: Promise[Any]) -> None: ...


class Reporter:
    """A listener that may be content with less: with whom the promise waits for.

    A peer that listens to a promise of ours which waits for one of its own is told so at once. Else
    two promises, each at home with one peer and resolved to the other, would wait for ever.
    """

    __slots__ = ()

    def settled(self, promise: Promise[Any]) -> None:
        raise NotImplementedError

    def follows(self, root: Promise[Any]) -> bool:
        """Tell whether it is enough to know that the promise will settle like ``root``, which is pending."""
        raise NotImplementedError
