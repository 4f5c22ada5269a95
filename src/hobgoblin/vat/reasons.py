"""What promises break with."""

from __future__ import annotations

from hobgoblin.errors import BrokenPromise
from hobgoblin.values import ErrorValue, Shaped

__all__ = ["as_exception", "reason_of"]


def reason_of(error: BaseException) -> BaseException:
    """Return what a promise breaks with because of ``error``. The caller has just caught it.

    SystemExit, CancelledError and their like mean something to whoever catches them: a promise
    that raised them where it is awaited would end or cancel its listeners. They come wrapped.
    """
    trace = error.__traceback__
    if trace is not None:
        # Without the frame of the caller, which tells nobody anything.
        error.__traceback__ = trace.tb_next
    if isinstance(error, Exception):
        return error
    reason = BrokenPromise(error)
    reason.__cause__ = error
    return reason


def as_exception(reason: object) -> BaseException:
    """Return what is raised where a promise that broke with ``reason`` is awaited."""
    if isinstance(reason, Exception):
        return reason
    if type(reason) is Shaped:
        reason = reason.value  # as plain data: nobody who gets an error raised is to have another one
    return BrokenPromise(reason.message if isinstance(reason, ErrorValue) else reason)
