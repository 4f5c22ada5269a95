"""What a program waits for: the question to ask when it hangs.

No list is kept for it: promises and messages under way are looked up among the objects that the
garbage collector knows. All that a call pays is one look at the clock, if somebody comes to wait for
its answer before it is there.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any, cast, final

from hobgoblin.refs import FULFILLED, ROUTE_SELECTED, Follower, Host, Message, Promise, Selection, place_of
from hobgoblin.values import Symbol
from hobgoblin.vat.vat import Vat

__all__ = ["PendingPromise", "pending"]


@final
@dataclass(frozen=True, slots=True)
class PendingPromise:
    """A promise that is not settled, and what it is for. All text: it keeps nothing alive."""

    age: float
    """For how many seconds it has been waited for: since it was first awaited, listened to or sent to,
    or its question left for another peer."""
    target: str
    """What the message was sent to, or the connection that it went over; empty if that is not known
    any more, or if it was no message that made this promise."""
    method: str
    """The method's name as it is sent; empty for ``ref(…)``. ``on``, ``all_of`` … for their promises."""
    file: str
    """Where the send stands."""
    line: int
    function: str
    vat: str
    """The name of the vat that sent."""

    def __str__(self) -> str:
        dot = "." if self.target and self.method and self.method[0] != "[" else ""
        what = f"{self.target}{dot}{self.method}{'' if self.method[:1] == '[' else '()'}"
        return (
            f"{self.age:.3f} s: {what}, "
            f'sent from "{self.file}", line {self.line}, in {self.function}, by {self.vat}'
        )


def pending(*, older_than: float = 0.0) -> list[PendingPromise]:
    """List the promises that vats of this process wait for, in every thread; the oldest first.

    Of calls, of parts of answers, of ``vat.run(…)``, `on`, `new_promise` and the joiners: all that
    has a line in the program. Those that nobody awaits, listens to or has sent to are left out,
    unless another peer has been asked. Ask anywhere, in a debugger as well. It looks at every object
    of the process, which takes milliseconds for each hundred thousand of them.

    Args:
        older_than: in seconds; leaves out what has been waited for no longer than that.
    """
    promises: list[Promise[Any]] = []
    messages: dict[int, Message] = {}
    things: list[object] = gc.get_objects()
    for thing in things:
        if type(thing) is Promise:
            promises.append(cast("Any", thing))
        elif type(thing) is Message or type(thing) is Selection:
            messages[id(getattr(thing, "answer", None))] = thing
    del things
    found: list[PendingPromise] = []
    # Each clock is read once: ages are compared.
    now: dict[Host, float] = {}
    for promise in promises:
        try:
            host = promise._at.host
            if host not in now:
                now[host] = host.clock()
            entry = _entry(promise, messages.get(id(promise)), now[host])
        except AttributeError:
            continue  # nobody has waited for it, or it is just being made in another thread
        if entry is not None and entry.age > older_than:
            found.append(entry)
    found.sort(key=lambda entry: -entry.age)
    return found


def _entry(promise: Promise[Any], message: Message | None, now: float) -> PendingPromise | None:
    site = promise._site
    home = promise._at
    listeners = tuple(promise._listeners or ())
    route = promise._route
    if promise._state >= FULFILLED or site is None or not isinstance(home, Vat):
        return None
    if not listeners and not promise._queue and route is None:
        return None  # whoever waited has left
    for listener in listeners:
        if type(listener) is Follower and listener.follower._site is site:
            return None  # asked by the thread of a session, on behalf of that one
    name = site[2]
    method = name.name if type(name) is Symbol else str(name or "")
    target = ""
    if type(message) is Selection:
        target, method = repr(message.target), f"[{message.selector!r}]"
    elif message is not None:
        verb = message.args[0] if message.args else None
        target, method = repr(message.target), verb.name if type(verb) is Symbol else ""
    elif route is not None:
        target = repr(route)
        if promise._route_kind == ROUTE_SELECTED:
            method = "[…]"
    age = max(0.0, now - promise._since)
    return PendingPromise(age, target, method, *place_of(site), home.name)
