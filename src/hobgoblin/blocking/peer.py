"""A peer for programs without an event loop: an ordinary one, run by the loop in the background."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from hobgoblin.background import Background, background, is_background
from hobgoblin.blocking.waiting import forbid_waiting, result
from hobgoblin.errors import SessionSevered
from hobgoblin.forking import FORKED
from hobgoblin.locators import SturdyRef
from hobgoblin.loops import HandledSignals
from hobgoblin.peer import Peer as AsyncPeer
from hobgoblin.refs import Promise, call_site, current_home
from hobgoblin.sessions import PeerSession
from hobgoblin.vat import Actor, Function, Vat

__all__ = ["Peer"]

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound=Actor)


def _taking(
    like: Callable[P, object],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Have a constructor take what ``like`` takes."""

    def take(function: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        return function

    return take


class Peer:
    """A `hobgoblin.Peer` without ``async``: a node of the network, for scripts, threads and notebooks.

    ::

        with blocking.Peer(netlayers.Unix("captp.sock")) as peer:
            print(peer.publish(peer.spawn(CarFactory, "Fork")))
            peer.serve_forever()

    It takes the arguments of `hobgoblin.Peer`. Its objects, callbacks and sessions live in one thread in the
    background, which all of these peers share. Every method may be called from any thread. A peer that is
    not closed stays open until the interpreter exits, and is closed then.

    In a process that was forked it is of no use: see `hobgoblin.blocking` in the documentation.
    """

    @_taking(AsyncPeer)
    def __init__(self, *netlayers: Any, **options: Any) -> None:
        self._peer = AsyncPeer(*netlayers, **options)
        self._peer._opening = "with blocking.Peer(…)"
        self._background: Background | None = None
        self._process = os.getpid()
        self._ended = threading.Event()

    def __repr__(self) -> str:
        return f"<blocking.{repr(self._peer)[1:]}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> Self:
        """Listen on all netlayers; return this peer. ``with`` does this.

        Raises:
            NetlayerError: one of them can't listen; the others have been closed again.
            StoreError: the registry can't be read. Stores of your own raise what they like.
            RuntimeError: it was started before; or waiting is impossible here, as in a method of an actor.
        """
        forbid_waiting()
        self._here()
        behind = background()
        behind.call(self._peer.start)
        self._background = behind
        behind.close_at_exit(self._peer)
        return self

    def close(self) -> None:
        """End all sessions after what was sent over them, stop listening and stop the vat. Idempotent.

        Raises:
            RuntimeError: waiting is impossible here, as in a method of an actor.
        """
        behind = self._background
        if behind is None or os.getpid() != self._process:
            return
        forbid_waiting()
        self._background = None
        self._ended.set()
        if behind.alive:
            behind.call(self._close, behind)

    async def _close(self, behind: Background) -> None:
        await self._peer.close()
        behind.closed(self._peer)

    def serve_forever(self) -> None:
        """Wait for Ctrl-C, for SIGTERM, or for `close` in another thread; then return.

        Serving needs no waiting: objects can be reached from `start` on. Outside of the main thread, signals
        are left to the program.
        """
        self._here()
        forbid_waiting()
        if self._background is None:
            raise RuntimeError("this peer is not open: use `with blocking.Peer(…) as peer:`")
        handled = HandledSignals()
        if threading.current_thread() is threading.main_thread():
            handled.before[signal.SIGTERM] = signal.signal(signal.SIGTERM, _terminate)
        try:
            self._ended.wait()
        except (KeyboardInterrupt, _Terminated):
            pass
        finally:
            for number, before in handled.before.items():
                signal.signal(number, signal.SIG_DFL if before is None else before)

    # Objects

    @property
    def vat(self) -> Vat:
        """The vat of this peer. Raises `NotInVat` before the peer has been started."""
        return self._peer.vat

    @overload  # as for `hobgoblin.Peer`
    def spawn(  # type: ignore[overload-overlap]
        self, behaviour: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
    ) -> A: ...
    @overload
    def spawn(self, behaviour: A, /) -> A: ...
    @overload
    def spawn(self, behaviour: Callable[P, R], /) -> Function[P, R]: ...
    def spawn(self, behaviour: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Make an object in this peer's vat, and raise what its constructor raises; see `Vat.spawn`.

        In a turn of a vat nothing is waited for: there it is `hobgoblin.Peer.spawn`.
        """
        self._here()
        vat = self._peer.vat
        if is_background() or current_home.get() is not None:
            return vat.spawn(behaviour, *args, **kwargs)
        made: Promise[Any] = vat.run(lambda: vat.spawn(behaviour, *args, **kwargs))
        return result(made)

    def publish(
        self,
        target: Any,
        *,
        swiss: bytes | None = None,
        transport: str | None = None,
        expires: float | datetime | None = None,
        revocable: bool = False,
        name: str | None = None,
    ) -> str:
        """Make an object available to whoever knows the URI returned. See `hobgoblin.Peer.publish`."""
        self._here()
        return self._peer.publish(
            target, swiss=swiss, transport=transport, expires=expires, revocable=revocable, name=name
        )

    def restore(self, name: str, target: Any) -> int:
        """Let the URIs published under ``name`` lead to ``target`` again. See `hobgoblin.Peer.restore`."""
        self._here()
        return self._peer.restore(name, target)

    def published_names(self) -> list[str]:
        """Return the names in the registry. See `hobgoblin.Peer.published_names`."""
        return self._peer.published_names()

    @overload
    def unpublish(self, uri: str) -> None: ...
    @overload
    def unpublish(self, *, name: str) -> None: ...
    def unpublish(self, uri: str | None = None, *, name: str | None = None) -> None:
        """Make a URI, or all those of a name, worthless from now on. See `hobgoblin.Peer.unpublish`."""
        self._here()
        self._peer.unpublish(**_chosen(uri, name))

    @overload
    def revoke(self, uri: str) -> None: ...
    @overload
    def revoke(self, *, name: str) -> None: ...
    def revoke(self, uri: str | None = None, *, name: str | None = None) -> None:
        """Cut off whoever has come through a URI, or those of a name. See `hobgoblin.Peer.revoke`."""
        self._here()
        self._peer.revoke(**_chosen(uri, name))

    @overload
    def enliven(self, uri: str | SturdyRef, interface: type[A]) -> A: ...
    @overload
    def enliven(self, uri: str | SturdyRef) -> Promise[Any]: ...
    def enliven(self, uri: str | SturdyRef, interface: type[Any] | None = None) -> Any:
        """Return a promise for the object that a URI names, at once. See `hobgoblin.Peer.enliven`."""
        self._here()
        return self._peer._enliven(uri, call_site(1))

    @property
    def sessions(self) -> list[PeerSession]:
        """The sessions that are open, in the order in which they opened."""
        return self._peer.sessions

    def _here(self) -> None:
        if os.getpid() != self._process:
            raise SessionSevered(f"{self!r} can't be used: {FORKED}")


class _Terminated(BaseException):
    """SIGTERM has come. Raised, and no event set: the handler may run while that is locked."""


def _terminate(number: int, frame: object) -> None:
    raise _Terminated


def _chosen(uri: str | None, name: str | None) -> dict[str, Any]:
    return {"name": name} if uri is None else {"uri": uri, "name": name}
