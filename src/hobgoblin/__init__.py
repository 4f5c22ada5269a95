"""Distributed programming with object capabilities: CapTP and OCapN for Python.

::

    import hobgoblin as hob
    from hobgoblin import Actor, Peer, method, netlayers, spawn
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hobgoblin import actors as actors
    from hobgoblin import blocking as blocking
    from hobgoblin import netlayers as netlayers
    from hobgoblin import testing as testing
    from hobgoblin.crypto import SwissNum
    from hobgoblin.direct import Receiver, attach, connect, disconnect
    from hobgoblin.errors import (
        BadArguments,
        BrokenPromise,
        HobgoblinError,
        LocatorError,
        NetlayerError,
        NoSuchMethod,
        NoSuchMoment,
        NoSuchPart,
        NotATarget,
        NotInVat,
        NotNear,
        NotPassable,
        PromiseCycle,
        ProtocolError,
        Refused,
        RemoteError,
        RemoteRefused,
        SessionFull,
        SessionSevered,
        StoreError,
        SyrupError,
        VatStopped,
        WrongArgument,
        WrongResult,
    )
    from hobgoblin.locators import PeerLocator, SturdyRef
    from hobgoblin.loops import VatThread, spawn_vat
    from hobgoblin.peer import Peer
    from hobgoblin.refs import Promise, Ref
    from hobgoblin.sessions import PeerSession
    from hobgoblin.settings import PeerSettings
    from hobgoblin.sharing import shareable
    from hobgoblin.sturdyrefs import RegistryEntry, RegistryFile, RegistryStore
    from hobgoblin.values import NULL, ErrorValue, Limits, Record, Symbol, Tagged
    from hobgoblin.vat import (
        Actor,
        Function,
        History,
        Outcome,
        PendingPromise,
        Resolver,
        Snapshot,
        Turn,
        Vat,
        all_of,
        any_of,
        become,
        drained,
        method,
        near,
        new_promise,
        on,
        on_sever,
        passable,
        pending,
        race,
        send,
        send_only,
        settled,
        spawn,
        timeout,
        untag,
    )
    from hobgoblin.workers import blocking_call, blocking_call_in

    __version__: str
    __compiled__: bool

# Where each public name lives. It is loaded when it is first used: whoever imports only the codec
# or the protocol gets no event loop and no sockets with it (PEP 562).
_HOME = {
    name: module
    for module, names in {
        "hobgoblin.vat": (
            "Actor Function History Outcome PendingPromise Resolver Snapshot Turn Vat all_of any_of become "
            "drained method near new_promise on on_sever passable pending race send send_only settled spawn "
            "timeout untag"
        ),
        "hobgoblin.refs": "Promise Ref",
        "hobgoblin.loops": "VatThread spawn_vat",
        "hobgoblin.workers": "blocking_call blocking_call_in",
        "hobgoblin.peer": "Peer",
        "hobgoblin.sessions": "PeerSession",
        "hobgoblin.settings": "PeerSettings",
        "hobgoblin.direct": "Receiver attach connect disconnect",
        "hobgoblin.sturdyrefs": "RegistryEntry RegistryFile RegistryStore",
        "hobgoblin.locators": "PeerLocator SturdyRef",
        "hobgoblin.crypto": "SwissNum",
        "hobgoblin.values": "NULL ErrorValue Limits Record Symbol Tagged",
        "hobgoblin.sharing": "shareable",
        "hobgoblin.errors": (
            "BadArguments BrokenPromise HobgoblinError LocatorError NetlayerError NoSuchMethod "
            "NoSuchMoment NoSuchPart NotATarget NotInVat NotNear NotPassable PromiseCycle ProtocolError "
            "Refused RemoteError RemoteRefused SessionFull SessionSevered StoreError SyrupError VatStopped "
            "WrongArgument WrongResult"
        ),
    }.items()
    for name in names.split()
}
_MODULES = frozenset({"actors", "blocking", "netlayers", "testing"})

__all__ = [  # noqa: RUF022  # grouped by module
    # vat
    "Actor",
    "Function",
    "History",
    "Outcome",
    "PendingPromise",
    "Resolver",
    "Snapshot",
    "Turn",
    "Vat",
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
    # refs
    "Promise",
    "Ref",
    # loops
    "VatThread",
    "spawn_vat",
    # workers
    "blocking_call",
    "blocking_call_in",
    # peer
    "Peer",
    "PeerSession",
    "PeerSettings",
    # direct
    "Receiver",
    "attach",
    "connect",
    "disconnect",
    # sturdyrefs
    "RegistryEntry",
    "RegistryFile",
    "RegistryStore",
    # locators and crypto
    "PeerLocator",
    "SturdyRef",
    "SwissNum",
    # values
    "NULL",
    "ErrorValue",
    "Limits",
    "Record",
    "Symbol",
    "Tagged",
    # errors
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
    # sharing
    "shareable",
    # modules
    "actors",
    "blocking",
    "netlayers",
    "testing",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _MODULES:
        return importlib.import_module(f"hobgoblin.{name}")
    elif name == "__version__":
        from importlib.metadata import version

        value = version("hobgoblin")
    elif name == "__compiled__":
        value = importlib.import_module("hobgoblin.values").COMPILED
    else:
        raise AttributeError(f"module 'hobgoblin' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
