"""Unix domain sockets: peers on one machine, told apart by who may open a file."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import hashlib
import os
import secrets
import socket
import stat
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

from hobgoblin.errors import NetlayerError
from hobgoblin.locators import PeerLocator
from hobgoblin.netlayers.base import MAX_CHANNELS
from hobgoblin.netlayers.sockets import BACKLOG, SocketNetlayer, check_listening
from hobgoblin.syrup.framing import Framing
from hobgoblin.values import one_line

if sys.platform != "win32":
    import fcntl

__all__ = ["Unix", "listening_socket"]

_PATH_OCTETS: Final = 107 if sys.platform == "linux" else 103
_LOCK_TRIES: Final = 200
_LOCK_SECONDS: Final = 0.01
_BUSY_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Unix(SocketNetlayer):
    """Channels over Unix domain sockets, in OCapN's usual framing.

    The designator is made from the absolute path, so a URI is good again after a restart. Nobody is
    authenticated beyond the permissions of the file: keep it in a directory of your own. Of several
    servers that start on one path at the same moment, one listens; the directory is locked for that
    moment, where the system can lock one.

    Args:
        path: the socket file to listen on; by default we do not listen, and only dial.
        mode: the permission bits of that file: whoever may write to it may connect.
        max_channels: how many accepted channels there may be at a time; one more is closed at once.
        socket: one that listens already, from `listening_socket`, a parent process or systemd. It belongs
            to the netlayer from then on, which closes it, but leaves the file to whoever has made it.
            ``path`` is then what locators name, by default what the socket is bound to; ``mode`` is not
            looked at. Other processes may accept on it as well: to others all of them are one peer, and each
            session lives in the process that has accepted it. Who comes while ``max_channels`` are open is
            not turned away, but waits for another process, or for a channel to end.

    Raises:
        ValueError: ``socket`` is no listening Unix socket, or one without an absolute path and no path is
            given. It is left open.
        TypeError: ``socket`` is no socket.

    >>> Unix("/run/user/1000/captp.sock").location.designator
    'fabto5serylsngh6ddqqcbd7ahwp2iyj'
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        mode: int = 0o600,
        max_channels: int = MAX_CHANNELS,
        socket: socket.socket | None = None,
    ) -> None:
        given = None if socket is None else _listening(socket)
        if given is not None and path is None:
            path = _path_of(given)
        self._path: str | None = None if path is None else os.path.abspath(path)
        self._mode = mode
        self._file_id: tuple[int, int] | None = None
        self._arrivals = 0
        designator = secrets.token_hex(16) if self._path is None else _designator(self._path)
        super().__init__("unix", designator, Framing.PREFIXED, max_channels, given)

    async def _bind(self) -> tuple[socket.socket, Mapping[str, str]] | None:
        path = self._path
        if path is None:
            return None
        if self._given is not None:
            problem = _path_problem(path)
            if problem:
                raise NetlayerError(f"cannot listen on {one_line(path)}: {problem}")
            return self._given, {"path": path}
        sock, self._file_id = _listen(path, self._mode)
        return sock, {"path": path}

    def _stop(self) -> None:
        if self._path is not None and self._file_id is not None:
            _remove(self._path, self._file_id)  # first: while our socket is open, its inode number is taken
            self._file_id = None
        super()._stop()

    async def _connect(self, locator: PeerLocator) -> tuple[socket.socket, str]:
        path = locator.hints.get("path")
        if path is None:
            raise NetlayerError(
                f"cannot dial {one_line(locator.designator)}: its locator has no path hint, so that peer "
                "does not listen; it has to dial us"
            )
        problem = _path_problem(path)
        if problem:
            raise NetlayerError(f"cannot dial {one_line(path)}: {problem}")
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                await _connect_patiently(sock, path)
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            raise NetlayerError(f"cannot dial {one_line(path)}: {_dial_reason(path, error)}") from error
        return sock, f"unix:{one_line(path)}"

    def _name_of(self, sock: socket.socket) -> str:
        self._arrivals += 1
        return f"unix:{one_line(self._path or '')}#{self._arrivals}"


@contextlib.contextmanager
def listening_socket(
    path: str | os.PathLike[str], *, mode: int = 0o600
) -> Generator[socket.socket, None, None]:
    """Listen at ``path`` without a netlayer: a socket for processes that share it, as ``Unix(socket=…)``.

    It is also what ``asyncio.start_unix_server(…, sock=…)`` takes. A stale socket file there is replaced. At
    the end the file is removed, if it is still ours.

    Raises:
        NetlayerError: the path can't be used; the message says why.
    """
    path = os.path.abspath(path)
    owner = os.getpid()
    sock, file_id = _listen(path, mode)
    with sock:
        try:
            yield sock
        finally:
            if os.getpid() == owner:  # a forked process leaves it to the parent
                _remove(path, file_id)


def _listening(sock: socket.socket) -> socket.socket:
    return check_listening(sock, socket.AF_UNIX)


def _path_of(sock: socket.socket) -> str:
    name: str | bytes = sock.getsockname()
    if not isinstance(name, str) or not os.path.isabs(name):
        raise ValueError(
            f"socket is bound to {name!r}, which is no absolute path: give the path that others dial, too"
        )
    return name


def _listen(path: str, mode: int) -> tuple[socket.socket, tuple[int, int]]:
    """Return a socket that listens at ``path``, and which file that is."""
    problem = _path_problem(path)
    if problem:
        raise NetlayerError(f"cannot listen on {one_line(path)}: {problem}")
    with _locked(path):
        _make_way(path)
        return _bind(path, mode)


@contextlib.contextmanager
def _locked(path: str) -> Generator[None, None, None]:
    """Keep others who do the same from starting on ``path`` meanwhile.

    Else each of two could take the other's file, on which nobody answers yet, for a stale one. It is the
    directory that is locked: it needs no file that stays behind, and that somebody else could own. A
    directory that can't be opened or locked (not all file systems know locks) goes unlocked.
    """
    try:
        # Nothing but a directory: to open a pipe would wait for who writes to it.
        directory = os.open(os.path.dirname(path), os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        yield
        return
    try:
        _lock(directory, path)
        yield
    finally:
        # Not left to close(): a process that was forked meanwhile has the directory open, too.
        _unlock(directory)
        os.close(directory)


def _lock(directory: int, path: str) -> None:
    if sys.platform == "win32":
        return
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Everybody holds it for a moment only, and the loop has nothing to do before we listen.
            time.sleep(_LOCK_SECONDS)
        except OSError:
            return
        else:
            return
    raise NetlayerError(
        f"cannot listen on {one_line(path)}: another process keeps the directory locked; "
        "end that one or choose another directory"
    )


def _unlock(directory: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(directory, fcntl.LOCK_UN)


def _bind(path: str, mode: int) -> tuple[socket.socket, tuple[int, int]]:
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
            found = os.lstat(path)
            file_id = (found.st_dev, found.st_ino)
            try:
                # Nobody can connect before listen(), so there is no moment at which the mode is too wide,
                # and no need to change the umask of the whole process.
                os.chmod(path, mode)
                sock.listen(BACKLOG)
            except BaseException:
                _remove(path, file_id)
                raise
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise NetlayerError(f"cannot listen on {one_line(path)}: {_listen_reason(path, error)}") from error
    return sock, file_id


def _remove(path: str, file_id: tuple[int, int]) -> None:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) == file_id:
            os.unlink(path)


def _designator(path: str) -> str:
    digest = hashlib.sha256(os.fsencode(path)).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:32]


def _path_problem(path: str) -> str | None:
    """Return why ``path`` can't name a socket, or ``None``. Asks the path only, not the disk."""
    if not os.path.isabs(path):
        return "the path is not absolute; give it in full"
    if "\0" in path:
        return "the path has a NUL character in it"
    try:
        octets = len(path.encode())
    except UnicodeEncodeError:
        return "the path is not valid UTF-8, so no locator can hold it; choose another one"
    if octets > _PATH_OCTETS:
        return f"the path has {octets} octets, the system allows {_PATH_OCTETS}; choose a shorter one"
    return None


def _make_way(path: str) -> None:
    """Remove a socket file on which nobody answers. Raise `NetlayerError` if anything else is there."""
    where = f"cannot listen on {one_line(path)}:"
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise NetlayerError(
                f"{where} it exists and is not a socket; it is left untouched, choose another path"
            )
        # Of another type, the probe is refused by whoever has the path, also before he listens, and
        # never becomes his client; on a stale file it gets the same answer as any other.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.connect(path)
        raise NetlayerError(
            f"{where} it is a socket of another kind and in use; it is left untouched, choose another path"
        )
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise NetlayerError(
                f"{where} the stale socket there cannot be removed: {error.strerror}; remove it by hand"
            ) from error
        return
    except NetlayerError:
        raise
    except OSError as error:
        if error.errno != errno.EPROTOTYPE:
            raise NetlayerError(f"{where} {_listen_reason(path, error)}") from error
    raise NetlayerError(f"{where} it is in use by a running server; stop that one or choose another path")


def _listen_reason(path: str, error: OSError) -> str:
    directory = one_line(os.path.dirname(path))
    match error.errno:
        case errno.ENOENT if not os.path.exists(os.path.dirname(path)):
            return f"the directory {directory} does not exist; make it first"
        case errno.ENOTDIR:
            return f"{directory} is not a directory; choose another path"
        case errno.EACCES | errno.EPERM:
            return f"permission denied in {directory}; choose a directory that you may write to"
        case errno.EADDRINUSE:
            return "it is in use by a server that has just started; stop that one or choose another path"
        case _:
            return error.strerror or str(error)


def _dial_reason(path: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "there is no such file; is the server running?"
        case errno.EACCES | errno.EPERM:
            return "permission denied; the server's user must allow it (see the socket's mode)"
        case errno.ECONNREFUSED | errno.ENOTSOCK if not Path(path).is_socket():
            return "it is not a socket; the locator names a wrong path"
        case errno.ECONNREFUSED:
            return "nobody listens there, the socket file is stale; start the server again"
        case errno.EPROTOTYPE:
            return "it is a socket of another kind; the locator names a wrong path"
        case errno.EAGAIN:
            return "the server is there but accepts nobody, its queue is full; try again later"
        case _:
            return error.strerror or str(error)


async def _connect_patiently(sock: socket.socket, path: str) -> None:
    """Connect, and wait a while for a server whose queue is full.

    Not ``loop.sock_connect``: it takes the EAGAIN of a full queue for a connection under way.
    """
    for seconds in _BUSY_SECONDS:
        try:
            sock.connect(path)
        except BlockingIOError:
            await asyncio.sleep(seconds)
        else:
            return
    sock.connect(path)
