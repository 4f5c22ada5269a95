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

from hobgoblin.refs.contracts import (
    BROKEN,
    FOLLOWING,
    FULFILLED,
    PENDING,
    ROUTE_ANSWER,
    ROUTE_IMPORT,
    ROUTE_NONE,
    ROUTE_RELAY,
    ROUTE_SELECTED,
    Cause,
    Home,
    Host,
    Listener,
    Reporter,
    Route,
    Sink,
    Site,
    Watcher,
    current_home,
)
from hobgoblin.refs.homes import LocalHome
from hobgoblin.refs.message import (
    CALLER,
    Message,
    call_site,
    message_to,
    not_a_target,
    place_of,
    sent_from,
    verb_of,
    with_keywords,
)
from hobgoblin.refs.promise import (
    Follower,
    Promise,
    promise_of,
)
from hobgoblin.refs.reference import (
    FUNCTIONS,
    BoundSend,
    LocalRef,
    NamedBehaviour,
    Ref,
    RemoteRef,
    sender,
)
from hobgoblin.refs.relay import Relay
from hobgoblin.refs.selection import Selection

__all__ = [
    "BROKEN",
    "CALLER",
    "FOLLOWING",
    "FULFILLED",
    "FUNCTIONS",
    "PENDING",
    "ROUTE_ANSWER",
    "ROUTE_IMPORT",
    "ROUTE_NONE",
    "ROUTE_RELAY",
    "ROUTE_SELECTED",
    "BoundSend",
    "Cause",
    "Follower",
    "Home",
    "Host",
    "Listener",
    "LocalHome",
    "LocalRef",
    "Message",
    "NamedBehaviour",
    "Promise",
    "Ref",
    "Relay",
    "RemoteRef",
    "Reporter",
    "Route",
    "Selection",
    "Sink",
    "Site",
    "Watcher",
    "call_site",
    "current_home",
    "message_to",
    "not_a_target",
    "place_of",
    "promise_of",
    "sender",
    "sent_from",
    "verb_of",
    "with_keywords",
]
