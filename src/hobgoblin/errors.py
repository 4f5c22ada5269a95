"""Every exception that hobgoblin raises or breaks a promise with.

::

    HobgoblinError
    ├── SyrupError            bytes that are no canonical Syrup, or a value that has no Syrup form
    ├── LocatorError          text or a record that names no peer or no sturdyref
    ├── NotPassable           a value that can't leave its vat; names the path, e.g. ``args[1]["size"]``
    ├── NotNear               a synchronous call on an object of another vat, or on an unresolved promise
    ├── NotInVat              spawn, become or on used where no vat is running
    ├── ProtocolError         the peer broke the protocol; its session is over
    ├── NetlayerError         a channel could not be opened, listened on or kept
    ├── StoreError            what is to last could not be read or written
    ├── BrokenPromise         a promise broke with a reason that is no exception
    │   └── RemoteError       the other side reported that a call failed
    │       └── RemoteRefused ... and told why; also a `Refused`
    ├── SessionSevered        the session that carried a reference has ended
    ├── SessionFull           a session holds as much as it may; the message was not sent
    ├── VatStopped            the vat of the target has been stopped
    ├── PromiseCycle          a promise was resolved to itself
    ├── NoSuchMoment          a look at what is not kept of a vat's past, or was not there yet
    └── Refused               a failure meant for the caller; subclass it for your own
        ├── NoSuchMethod      the target declares no such method
        ├── BadArguments      the arguments do not fit the method
        │   └── WrongArgument ... for one is not of the type that its annotation names
        ├── WrongResult       a value that came back does not make an instance of its class
        ├── NotATarget        a message was sent to plain data
        └── NoSuchPart        the value of a promise has no such field, item or tag

`Refused` and its subclasses cross a session with their message, a subclass with its name in front;
what arrives is a `RemoteRefused`. What is registered with `hobgoblin.shareable` crosses in the same way,
and arrives as itself where the receiver has registered it, too. `PromiseCycle`, `SessionSevered` and
`SessionFull` cross by name, and what a `BrokenPromise` carries as data. Of every other exception the
caller on another machine learns an error id and nothing else.

What a peer says goes into logs and onto terminals with the exception that holds it: there it is one line
of printable characters, and not too long. All of it is in an attribute.
"""

from __future__ import annotations

from typing import Final

from hobgoblin.values import one_line

__all__ = [
    "BadArguments",
    "BrokenPromise",
    "HobgoblinError",
    "LocatorError",
    "NetlayerError",
    "NoSuchMethod",
    "NoSuchMoment",
    "NoSuchPart",
    "NotATarget",
    "NotInVat",
    "NotNear",
    "NotPassable",
    "PromiseCycle",
    "ProtocolError",
    "Refused",
    "RemoteError",
    "RemoteRefused",
    "SessionFull",
    "SessionSevered",
    "StoreError",
    "SyrupError",
    "VatStopped",
    "WrongArgument",
    "WrongResult",
]


_SHOWN: Final = 1000
"""How many characters of what a peer says an exception shows."""


class HobgoblinError(Exception):
    """The root of all of them."""


class SyrupError(HobgoblinError, ValueError):
    """Bytes that are no canonical Syrup within the limits, or a value that has no Syrup form.

    ``offset`` is the index of the offending octet in the stream (``None`` when encoding);
    ``path`` leads from the outermost value to the offending one, e.g. ``$[1]["size"]``.
    """

    def __init__(self, problem: str, *, offset: int | None = None, path: str = "$") -> None:
        self.problem = problem
        self.offset = offset
        self.path = path
        where = path if offset is None else f"octet {offset}, {path}"
        super().__init__(f"{problem} (at {where})")


class LocatorError(HobgoblinError, ValueError):
    """Text or a record that names no peer, or no object of a peer."""


class NotPassable(HobgoblinError, TypeError):
    """A value that can't leave its vat. ``path`` names it: ``args[1]["size"]``, ``result``."""

    def __init__(self, problem: str, path: str) -> None:
        self.problem = problem
        self.path = path
        super().__init__(f"{path}: {problem}")


class NotNear(HobgoblinError, TypeError):
    """`near` was asked for an object that does not live in the running vat."""


class NotInVat(HobgoblinError, RuntimeError):
    """Something that only makes sense inside of a vat was used outside of any."""


class ProtocolError(HobgoblinError):
    """The peer broke the protocol. The session ends with this as its cause."""


class NetlayerError(HobgoblinError, OSError):
    """A channel to a peer could not be opened, listened on or kept."""


class StoreError(HobgoblinError, OSError):
    """What is to outlive the process could not be read or written. Nothing was overwritten."""


class BrokenPromise(HobgoblinError):
    """A promise broke with a reason that is no exception. ``reason`` is that value, unchanged."""

    def __init__(self, reason: object) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"promise broken: {one_line(repr(self.reason), _SHOWN)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({one_line(repr(self.reason), _SHOWN)})"


class RemoteError(BrokenPromise):
    """The other side reported that a call failed.

    What it chose to tell is ``message``; only that is passed on to other peers. Printing the error shows
    the first thousand characters of it, in one line with nothing in it that could not be printed, and where
    the call was sent as well, but for a `RemoteRefused`, which prints as its message.

    ``error_id`` is what the other side has logged its traceback under, ``None`` if it gave no id.
    ``sent_from`` is where in this program the call was sent, ``"/shop/client.py", line 12, in main``;
    ``None`` if that is not known. ``remote_traceback`` is text, if the other side trusts us with it
    (`PeerSettings`), and ``None`` as a rule. All of it but ``sent_from`` is the other side's word.
    """

    def __init__(
        self,
        message: str,
        *,
        error_id: str | None = None,
        sent_from: str | None = None,
        remote_traceback: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_id = error_id
        self.sent_from = sent_from
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        said = one_line(self.message, _SHOWN)
        return said if self.sent_from is None else f"{said}; sent from {self.sent_from}"


class SessionSevered(HobgoblinError, ConnectionError):
    """The session that carried a reference has ended; the call may or may not have run."""


class SessionFull(HobgoblinError):
    """A session holds as much for its peer as its limits allow; the message was not sent."""


class VatStopped(HobgoblinError):
    """The vat of the target has been stopped; the message was not delivered."""


class PromiseCycle(HobgoblinError):
    """A promise was resolved to itself, directly or through other promises."""


class NoSuchMoment(HobgoblinError, LookupError):
    """A vat's past was asked for that is not kept, or an object as it was before it existed."""


class Refused(HobgoblinError):
    """A failure meant for the caller: its message crosses the session as it is."""


class RemoteRefused(RemoteError, Refused):
    """The other side reported that a call failed, and why: catch it as `Refused`, like a local one."""

    def __str__(self) -> str:
        return one_line(self.message, _SHOWN)


class NoSuchMethod(Refused, AttributeError):
    """The target declares no method of that name."""


class BadArguments(Refused, TypeError):
    """The arguments do not fit the method's signature."""


class WrongArgument(BadArguments):
    """An argument is not what the method's annotations allow: ``park(): 'spot.level' is text, …``.

    The text names the parameter, the way into it, and types; nothing of what was passed.
    """


class WrongResult(Refused, TypeError):
    """What came back carries the tag of a class of this program, and does not make an instance of it."""


class NotATarget(Refused, TypeError):
    """A message was sent to a promise that turned out to be plain data."""


class NoSuchPart(Refused, LookupError):
    """``promise["field"]`` and the like: what the promise turned out to be has no such part."""
