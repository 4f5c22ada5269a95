"""What crosses a session of a failure, and what stays at home."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, cast, final

from hobgoblin.errors import (
    BrokenPromise,
    PromiseCycle,
    Refused,
    RemoteError,
    RemoteRefused,
    SessionFull,
    SessionSevered,
)
from hobgoblin.values import ErrorValue, Shaped, Tagged

__all__ = ["Failures", "received_reason"]

CALL_FAILED: Final = "the call failed, error "
"""What a peer is told of failures that are not meant for it, before their id."""

logger = logging.getLogger("hobgoblin.connection")


@final
class Failures:
    """The failures of one session's calls. ``session_id`` is part of their ids."""

    def __init__(self, session_id: Callable[[], bytes]) -> None:
        self._session_id = session_id
        self._count = 0

    def reason(self, error: BaseException) -> object:
        """Return what the peer may know of an error: by default an id, under which we log the rest."""
        if isinstance(error, RemoteError):
            return ErrorValue(error.message)
        if isinstance(error, BrokenPromise):
            if not isinstance(error.reason, BaseException):
                return error.reason
            # What ended a method was no Exception, as when it was cancelled.
            error = error.reason
        name = type(error).__name__
        if isinstance(error, PromiseCycle):
            return ErrorValue(f"{name}: {error}")
        if isinstance(error, Refused):
            with suppress(Exception):  # a text of the program's own making
                return ErrorValue(str(error) if type(error) is Refused else f"{name}: {error}")
        if isinstance(error, SessionSevered):
            return ErrorValue("SessionSevered: a session that this call depended on has ended")
        if isinstance(error, SessionFull):
            return ErrorValue("SessionFull: a session that this call depended on takes no more for now")
        error_id = getattr(error, "_hob_error_id", None)
        if error_id is None:
            # One failure may break many promises: it is logged once, under one id.
            self._count += 1
            error_id = f"{self._session_id().hex()[:8]}-{self._count}"
            with suppress(AttributeError):
                error._hob_error_id = error_id  # type: ignore[attr-defined]
            logger.warning("a call of a peer failed, error %s", error_id, exc_info=error)
        return ErrorValue(f"{CALL_FAILED}{error_id}")

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
            return Shaped(self.without_exceptions(value.value))
        return value


def received_reason(reason: object) -> BaseException:
    """Return the exception for what a peer gave as the reason of a broken promise."""
    if type(reason) is Shaped:
        reason = reason.value
    if type(reason) is ErrorValue:
        masked = reason.message.startswith(CALL_FAILED)
        return RemoteError(reason.message) if masked else RemoteRefused(reason.message)
    return BrokenPromise(reason)
