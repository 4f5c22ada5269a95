"""TCP without any protection: for tests, examples and the conformance suite."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final, Literal

from hobgoblin.errors import NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers.base import MAX_CHANNELS
from hobgoblin.netlayers.sockets import BACKLOG, SocketNetlayer, check_listening
from hobgoblin.syrup.framing import Framing
from hobgoblin.values import one_line

__all__ = ["TcpTestingOnly"]

_TRANSPORT: Final = "tcp-testing-only"
_HERE: Final = "127.0.0.1"
_FRAMINGS: Final = {"prefixed": Framing.PREFIXED, "raw": Framing.RAW}
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
"""By the name of the option, of which systems have some: two minutes from the last word to the end."""

_HOST: Final = re.compile(r"[0-9A-Za-z.:%_-]{1,255}", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


class TcpTestingOnly(SocketNetlayer):
    """Channels over plain TCP: nothing is encrypted and nobody has to prove who they are.

    Hence it neither listens on nor dials anything but loopback addresses: what counts is the address that
    a name resolves to.

    A host that has gone without a word, by a power cut or a broken line, is noticed by TCP's own keepalive:
    on an idle channel after about two minutes, where the system lets that be set; while octets are under
    way as soon as the system stops repeating them (Linux: a quarter of an hour). A host that is there keeps
    its channels, even if the process on it does nothing any more.

    Args:
        host: a name or an address to listen on, by default 127.0.0.1. Of several addresses it is the first;
            locators name it as it is given here.
        port: the port to listen on; 0 for any free one. Locators name the real one.
        designator: what we are known as; by default 32 random hexadecimal digits.
        framing: what we speak where we dial; ``"raw"`` for the OCapN conformance suite. A channel that is
            accepted may speak either.
        listen: ``False`` to dial only.
        allow_remote: dial and listen on any address. Everybody on the way can read and change everything.
        max_channels: how many accepted channels there may be at a time; one more is closed at once.
        socket: one that listens already, from a parent process or systemd. It belongs to the netlayer from
            then on, which closes it. ``host`` and ``port`` are then what locators name, by default what the
            socket is bound to. Other processes may accept on it as well: to others all of them are one peer,
            so that they need the same ``designator``, and each session lives in the process that has accepted
            it. Who comes while ``max_channels`` are open is not turned away, but waits for another process,
            or for a channel to end.

    Raises:
        ValueError: ``framing``, ``port`` or ``max_channels`` is none of these; or ``socket`` is no listening
            TCP socket, or there is no designator beside it. It is left open.
        TypeError: ``socket`` is no socket.
        LocatorError: ``designator`` is none that a locator can hold.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int = 0,
        *,
        designator: str | None = None,
        framing: Literal["prefixed", "raw"] = "prefixed",
        listen: bool = True,
        allow_remote: bool = False,
        max_channels: int = MAX_CHANNELS,
        socket: socket.socket | None = None,
    ) -> None:
        if framing not in _FRAMINGS:
            raise ValueError(f"framing is {framing!r}; it must be 'prefixed' or 'raw'")
        if not 0 <= port <= 65535:
            raise ValueError(f"port is {port}; it must be within 0 (any free one) and 65535")
        given = None if socket is None else _listening(socket)
        if given is not None:
            if not designator or not listen:
                raise ValueError(
                    "a socket is for a netlayer that listens, and needs a designator: the same one in all "
                    "processes that accept on it"
                )
            bound_host, bound_port = given.getsockname()[:2]
            host, port = bound_host if host is None else host, port or bound_port
        self._host = _HERE if host is None else host
        self._port = port
        self._listens = listen
        self._allow_remote = allow_remote
        super().__init__(
            _TRANSPORT, designator or secrets.token_hex(16), _FRAMINGS[framing], max_channels, given
        )

    async def _bind(self) -> tuple[socket.socket, Mapping[str, str]] | None:
        if not self._listens:
            return None
        where = f"cannot listen on {_endpoint(self._host, self._port)}:"
        if self._given is not None:
            self._require_loopback(where, self._given.getsockname()[0])
            return self._given, {"host": self._host, "port": str(self._port)}
        family, address = (await self._resolve(where, self._host, self._port))[0]
        self._check_open()
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                # After a restart the port is ours again at once, though old connections are in TIME_WAIT.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(address)
                sock.listen(BACKLOG)
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            raise NetlayerError(
                f"{where} {error.strerror}; choose another port, or port 0 for any free one"
            ) from error
        return sock, {"host": self._host, "port": str(sock.getsockname()[1])}

    async def _connect(self, locator: PeerLocator) -> tuple[socket.socket, str]:
        host, port = locator.hints.get("host"), locator.hints.get("port")
        if host is None or port is None:
            raise NetlayerError(
                f"cannot dial {one_line(locator.designator)}: its locator lacks a host or port hint, so "
                "that peer does not listen; it has to dial us"
            )
        number = int(port) if _PORT.fullmatch(port) else 0
        if not 1 <= number <= 65535:
            raise NetlayerError(
                f"cannot dial {one_line(locator.designator)}: the port hint {one_line(port)!r} is no number "
                "within 1 and 65535; the locator is wrong"
            )
        endpoint = _endpoint(host, number)
        where = f"cannot dial {endpoint}:"
        failure: OSError | None = None
        for family, address in await self._resolve(where, host, number):
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
                try:
                    sock.setblocking(False)
                    await asyncio.get_running_loop().sock_connect(sock, address)
                except BaseException:
                    sock.close()
                    raise
            except OSError as error:
                failure = error
            else:
                return sock, endpoint
        reason = failure.strerror if failure is not None else "the name has no address"
        raise NetlayerError(f"{where} {reason}; is the server running?") from failure

    def _name_of(self, sock: socket.socket) -> str:
        try:
            host, port = sock.getpeername()[:2]
        except OSError:  # gone again already
            return f"{_TRANSPORT}:unknown"
        return _endpoint(host, port)

    def _prepare(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # of a socket that is lost already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                option = getattr(socket, name, None)
                if option is not None:
                    sock.setsockopt(socket.IPPROTO_TCP, option, value)

    async def _resolve(self, where: str, host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
        """Return the addresses of ``host``, all of them allowed. Use these and do not resolve it again."""
        if not _HOST.fullmatch(host):
            raise NetlayerError(f"{where} that is no host name and no address")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no valid name"
            raise NetlayerError(f"{where} the host can't be resolved: {reason}; check its name") from error
        for *_, address in found:
            self._require_loopback(where, str(address[0]))
        return [(family, address) for family, _kind, _protocol, _name, address in found]

    def _require_loopback(self, where: str, address: str) -> None:
        if not self._allow_remote and not ip_address(address).is_loopback:
            raise NetlayerError(
                f"{where} {address} is not a loopback address, and {_TRANSPORT} neither encrypts "
                "nor authenticates; use another netlayer, or allow_remote=True in a network you trust"
            )


def _listening(sock: socket.socket) -> socket.socket:
    return check_listening(sock, socket.AF_INET, socket.AF_INET6)


def _endpoint(host: str, port: int) -> str:
    host = one_line(host)
    return f"{_TRANSPORT}:[{host}]:{port}" if ":" in host else f"{_TRANSPORT}:{host}:{port}"
