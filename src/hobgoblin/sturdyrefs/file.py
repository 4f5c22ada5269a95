"""A registry in a small file: JSON, replaced as a whole with each change."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final, NoReturn, cast, final

from hobgoblin.errors import StoreError
from hobgoblin.sturdyrefs.stored import RegistryEntry

__all__ = ["RegistryFile"]

_FORMAT: Final = "hobgoblin registry 1"
_DIGEST_OCTETS: Final = 32
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@final
class RegistryFile:
    """Keeps the published numbers of one peer in a file that only its owner may read and write.

    A change writes all entries to a new file and lets it take the place of the old one, so that the
    file is whole at any moment, also when the process is killed or the power fails. That suits some
    thousand entries. The file holds no swiss number, but is to be trusted: whoever may write to it
    can let a number of their own lead to any named object.

    Args:
        path: the file. It need not exist, but its folder must. One peer at a time may use it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.realpath(path)
        self._entries: dict[bytes, RegistryEntry] | None = None
        # What the file was when we last read or wrote it; None if there was none.
        self._seen: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        return f"<RegistryFile {self._path}>"

    def load(self) -> list[RegistryEntry]:
        """Read the file.

        Raises:
            StoreError: it can't be read, is no such file, or others may write to it.
        """
        try:
            # Not to hang if it is a pipe.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            with open(os.open(self._path, flags), "rb") as file:
                found = os.fstat(file.fileno())
                self._check_access(found)
                text = file.read()
        except FileNotFoundError:
            self._entries, self._seen = {}, None
            return []
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"the registry {self._path} can't be read: {error.strerror}") from error
        entries = self._parse(text)
        self._entries, self._seen = entries, _identity(found)
        return list(entries.values())

    def put(self, entry: RegistryEntry) -> None:
        """Add an entry, in place of one with the same digest.

        Raises:
            StoreError: the file can't be written, or another program has changed it.
        """
        entries = self._known()
        if entries.get(entry.digest) != entry:
            self._write(entries | {entry.digest: entry})

    def remove(self, digests: Collection[bytes]) -> None:
        """Remove entries.

        Raises:
            StoreError: the file can't be written, or another program has changed it.
        """
        entries = self._known()
        gone = set(digests)
        left = {digest: entry for digest, entry in entries.items() if digest not in gone}
        if len(left) < len(entries):
            self._write(left)

    def _known(self) -> dict[bytes, RegistryEntry]:
        if self._entries is None:
            self.load()
        assert self._entries is not None
        return self._entries

    def _check_access(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            self._refuse("it is no regular file")
        if os.name == "posix":
            if found.st_uid not in (0, os.geteuid()):
                self._refuse("it belongs to another user")
            if found.st_mode & _OTHERS_WRITE:
                self._refuse("others may write to it: chmod 600")

    def _parse(self, text: bytes) -> dict[bytes, RegistryEntry]:
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError):
            data = None  # the error would show what is in the file
        if type(data) is not dict or "format" not in data:
            self._refuse("it was not written by hobgoblin, or is damaged")
        content = cast("dict[str, Any]", data)
        if content["format"] != _FORMAT:
            self._refuse("another version of hobgoblin has written it")
        listed = content.get("entries")
        rows: list[Any] = cast("Any", listed) if isinstance(listed, list) else [None]
        entries: dict[bytes, RegistryEntry] = {}
        for number, item in enumerate(rows, 1):
            entry = _entry(item)
            if entry is None or entry.digest in entries:
                self._refuse(f"its entry {number} is damaged")
            entries[entry.digest] = entry
        return entries

    def _refuse(self, problem: str) -> NoReturn:
        raise StoreError(f"the registry {self._path} can't be used: {problem}. It was left as it is")

    def _write(self, entries: dict[bytes, RegistryEntry]) -> None:
        rows = [
            {
                "digest": entry.digest.hex(),
                "name": entry.name,
                "expires": entry.expires,
                "revocable": entry.revocable,
            }
            for entry in entries.values()
        ]
        text = json.dumps({"format": _FORMAT, "entries": rows}, indent=1).encode("ascii")
        new = f"{self._path}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            if self._on_disk() != self._seen:
                self._refuse("another program has changed it since it was read")
            with suppress(FileNotFoundError):
                os.unlink(new)  # of a process that was killed
            try:
                with open(os.open(new, flags, 0o600), "wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                    written = _identity(os.fstat(file.fileno()))
                os.replace(new, self._path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(new)
                raise
            self._entries, self._seen = entries, written
            with suppress(OSError):  # not every file system can
                _sync_folder(os.path.dirname(self._path))
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"the registry {self._path} can't be written: {error.strerror}") from error

    def _on_disk(self) -> tuple[int, ...] | None:
        try:
            return _identity(os.stat(self._path))
        except FileNotFoundError:
            return None


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _sync_folder(path: str) -> None:
    """Make the new name of a file last. Where folders can't be opened, the system sees to that."""
    if os.name != "posix":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _entry(item: Any) -> RegistryEntry | None:
    match item:
        case {"digest": str(text), "name": str(name), "expires": expires, "revocable": bool(revocable)}:
            pass
        case _:
            return None
    try:
        digest = bytes.fromhex(text)
        if expires is not None and (type(expires) not in (int, float) or not math.isfinite(expires)):
            return None
    except (ValueError, OverflowError):
        return None
    if len(digest) != _DIGEST_OCTETS or not name:
        return None
    return RegistryEntry(digest, name, expires, revocable)
