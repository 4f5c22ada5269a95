"""The object world: vats and their turns, actors, promises. It knows nothing of networks."""

from hobgoblin.vat.actor import Actor, Method, method
from hobgoblin.vat.vat import Vat, VatHost
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

__all__ = [
    "Actor",
    "Function",
    "Method",
    "Resolver",
    "Vat",
    "VatHost",
    "become",
    "drained",
    "method",
    "near",
    "new_promise",
    "on",
    "on_sever",
    "send",
    "send_only",
    "spawn",
    "untag",
]
