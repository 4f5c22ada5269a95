"""The object world: vats and their turns, actors, promises. It knows nothing of networks."""

from hobgoblin.vat.actor import Actor, Method, method
from hobgoblin.vat.contracts import VatHost
from hobgoblin.vat.history import History, Snapshot, Turn
from hobgoblin.vat.joiners import Outcome, all_of, any_of, race, settled, timeout
from hobgoblin.vat.passables import passable
from hobgoblin.vat.vat import Vat
from hobgoblin.vat.verbs import (
    Function,
    Resolver,
    become,
    drained,
    near,
    new_promise,
    on,
    on_sever,
    send,
    send_only,
    spawn,
    untag,
)
from hobgoblin.vat.waiting import PendingPromise, pending

__all__ = [
    "Actor",
    "Function",
    "History",
    "Method",
    "Outcome",
    "PendingPromise",
    "Resolver",
    "Snapshot",
    "Turn",
    "Vat",
    "VatHost",
    "all_of",
    "any_of",
    "become",
    "drained",
    "method",
    "near",
    "new_promise",
    "on",
    "on_sever",
    "passable",
    "pending",
    "race",
    "send",
    "send_only",
    "settled",
    "spawn",
    "timeout",
    "untag",
]
