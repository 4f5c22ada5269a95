"""What crosses a session of a failure, and what stays at home."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from traceback import TracebackException
from types import MappingProxyType
from typing import Any, Final, cast, final

from hobgoblin.captp import Session
from hobgoblin.errors import (
    BrokenPromise,
    PromiseCycle,
    Refused,
    RemoteError,
    RemoteRefused,
    SessionFull,
    SessionSevered,
)
from hobgoblin.messages import UNKNOWN_ERROR
from hobgoblin.refs import Site, sent_from
from hobgoblin.settings import SettingsOf
from hobgoblin.sharing import shared_error, shared_name, whole_text
from hobgoblin.values import ErrorValue, Shaped, Tagged

__all__ = ["Failures", "received_reason"]

CALL_FAILED: Final = "the call failed, error "
"""What a peer is told of failures that are not meant for it, before their id."""

_TRACEBACK_CHARACTERS: Final = 8000
"""The end of a traceback that a trusted peer is told: where it was raised, and why."""

_TRACEBACK_NOTED: Final = _TRACEBACK_CHARACTERS + 100
"""The end of one that a peer has told us, as a note shows it."""

_ID_CHARACTERS: Final = 80

logger = logging.getLogger("hobgoblin.connection")


@final
class Failures:
    """The failures of the calls of one session, whose id is part of theirs."""

    def __init__(self, session: Callable[[], Session], settings_of: SettingsOf) -> None:
        self._session = session
        self._settings_of = settings_of
        self._count = 0

    def reason(self, error: BaseException) -> object:
        """Return what the peer may know of an error: by default an id, under which we log the rest."""
        if isinstance(error, RemoteError):
            return ErrorValue(error.message)
        called = getattr(error, "_hob_called", None)
        if isinstance(error, BrokenPromise):
            if not isinstance(error.reason, BaseException):
                return error.reason
            # What ended a method was no Exception, as when it was cancelled.
            error = error.reason
        name = type(error).__name__
        if isinstance(error, PromiseCycle):
            return ErrorValue(f"{name}: {error}")
        with suppress(Exception):  # a text of the program's own making
            shared = shared_name(error)
            if shared is not None:
                return ErrorValue(f"{shared}: {whole_text(error)}")
            if isinstance(error, Refused):
                text = whole_text(error)
                return ErrorValue(text if type(error) is Refused else f"{name}: {text}")
        if isinstance(error, SessionSevered):
            return ErrorValue("SessionSevered: a session that this call depended on has ended")
        if isinstance(error, SessionFull):
            return ErrorValue("SessionFull: a session that this call depended on takes no more for now")
        error_id = getattr(error, "_hob_error_id", None)
        if error_id is None:
            # One failure may break many promises: it is logged once, under one id.
            self._count += 1
            error_id = f"{self._session().session_id.hex()[:8]}-{self._count}"
            with suppress(AttributeError):
                error._hob_error_id = error_id  # type: ignore[attr-defined]
            where = f", in {called}" if isinstance(called, str) else ""
            logger.warning("a call of a peer failed, error %s%s", error_id, where, exc_info=error)
        masked = f"{CALL_FAILED}{error_id}"
        return ErrorValue(f"{masked}\n{_traceback_of(error)}" if self._trusts_peer() else masked)

    def _trusts_peer(self) -> bool:
        """Tell whether the peer may see tracebacks: it must have been proved to be one that may."""
        proved = self._session().proved
        settings = None if proved is None else self._settings_of(proved)
        return settings is not None and settings.trusted_with_tracebacks

    def without_exceptions(self, value: Any) -> Any:
        """Return a passed value with the exceptions in it replaced by what the peer may know of them."""
        if isinstance(value, BaseException):
            return self.reason(value)
        if type(value) is tuple:
            items = cast("tuple[object, ...]", value)
            return tuple([self.without_exceptions(item) for item in items])
        if type(value) is MappingProxyType:
            struct = cast("Mapping[str, Any]", value)
            return MappingProxyType({key: self.without_exceptions(item) for key, item in struct.items()})
        if type(value) is Tagged:
            return Tagged(value.tag, self.without_exceptions(value.value))
        if type(value) is Shaped:
            inner = self.without_exceptions(value.value)
            return value if inner == value.value else Shaped(inner)
        return value


def received_reason(reason: object, site: Site | None = None) -> BaseException:
    """Return the exception for what a peer gave as the reason of a broken promise.

    Args:
        reason: what it gave.
        site: where the call was sent, if that is known.
    """
    if type(reason) is Shaped:
        reason = reason.value
    if type(reason) is not ErrorValue:
        return BrokenPromise(reason)
    message = reason.message
    place = None if site is None else sent_from(site)
    if message == UNKNOWN_ERROR:
        return RemoteError(message, sent_from=place)
    if message.startswith(CALL_FAILED):
        return _masked(message, place)
    shared = shared_error(message)
    if shared is None:
        return RemoteRefused(message, sent_from=place)
    where = "" if place is None else f", sent from {place}"
    shared.add_note(f"the other side of a session reported this{where}")
    return shared


def _masked(message: str, place: str | None) -> RemoteError:
    masked, _, trace = message.partition("\n")
    error_id = masked.removeprefix(CALL_FAILED)
    error = RemoteError(
        masked,
        error_id=error_id if len(error_id) <= _ID_CHARACTERS and error_id.isprintable() else None,
        sent_from=place,
        remote_traceback="".join([char if char.isprintable() or char == "\n" else "?" for char in trace])
        or None,
    )
    if error.remote_traceback is not None:
        # Any peer can send one. None of its lines is to pass for one of the log's own.
        lines = error.remote_traceback[-_TRACEBACK_NOTED:].splitlines()
        error.add_note("\n  | ".join(["the other side's traceback:", *lines]))
    return error


def _traceback_of(error: BaseException) -> str:
    told = TracebackException.from_exception(error, compact=True)
    _keep_to_ourselves(told, error)
    text = "".join(told.format()).rstrip()
    if len(text) > _TRACEBACK_CHARACTERS:
        text = f"[…]{text[-_TRACEBACK_CHARACTERS:]}"
    return text.encode("utf-8", "replace").decode()


def _keep_to_ourselves(told: TracebackException, error: BaseException) -> None:
    """Leave out what others have told us of theirs, where an error of ours came of one of theirs."""
    left: list[tuple[TracebackException | None, BaseException | None]] = [(told, error)]
    while left:
        told_of, each = left.pop()
        if told_of is None or each is None:
            continue
        if isinstance(each, RemoteError):
            told_of.__notes__ = None
        left.append((told_of.__cause__, each.__cause__))
        left.append((told_of.__context__, each.__context__))
        if isinstance(each, BaseExceptionGroup):
            group: Any = each  # pyright: ignore[reportUnknownVariableType]
            inner: tuple[BaseException, ...] = group.exceptions
            left.extend(zip(told_of.exceptions or (), inner, strict=False))
