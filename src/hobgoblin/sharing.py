"""Exceptions of the program that may cross a session: a fixed table, which the program itself fills.

On the wire such an exception is its name and its text, ``OutOfStock: no boots in 42``, as those of `Refused`
are. Other implementations read the text. A name that comes in is looked up in this table and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast, final, overload

from hobgoblin import errors
from hobgoblin.values import one_line

__all__ = ["shareable", "shared_error", "shared_name", "whole_text"]

E = TypeVar("E", bound=Exception)

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,79}")
_SEPARATOR: Final = ": "
_SHOWN: Final = 1000
"""How many characters of a peer's text an exception shows."""

_names: dict[type[Exception], str] = {}
_classes: dict[str, type[Exception]] = {}


@overload
def shareable(cls: type[E], /) -> type[E]: ...
@overload
def shareable(*, name: str) -> Callable[[type[E]], type[E]]: ...
def shareable(cls: type[Exception] | None = None, /, *, name: str | None = None) -> object:
    """Let an exception class cross sessions with its name and its text, and arrive as itself.

    ::

        @hob.shareable
        class OutOfStock(Exception):
            '''What was asked for is not there.'''

    Instances of this very class, subclasses not included, are told to other peers: the name of the class
    and ``str(error)``, never its traceback, cause, notes or attributes. A peer whose program has
    registered a class under that name gets ``OutOfStock(text)``; all others get a `RemoteRefused` whose
    text begins with the name. So any peer can have your program make an instance with a text of its own.
    Where that is long, or has in it what can't be printed, ``str(text)`` and what prints it show one line
    of it; all of it is ``text[:]``.

    A subclass of `Refused` crosses anyway; registered, it arrives as itself.

    Args:
        cls: an exception class that can be made from one text.
        name: what to call it on the wire, the same for both sides; by default the name of the class.

    Raises:
        TypeError: it is no such class.
        ValueError: it is one of hobgoblin's own; or the name is not a plain one, is taken by another class,
            or belongs to hobgoblin. Defining the same class once more, as in a notebook, is fine.
    """
    if cls is None:
        if name is None:
            raise TypeError("shareable() takes an exception class, or name=…")
        given = name

        def register(cls: type[E]) -> type[E]:
            return _register(cls, given)

        return register
    return _register(cls, getattr(cls, "__name__", "") if name is None else name)


def _register(cls: type[E], name: str) -> type[E]:
    kind: Any = cls
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        raise TypeError(f"shareable() takes an exception class, a subclass of Exception, not {cls!r}")
    if issubclass(kind, ExceptionGroup):
        raise TypeError("a group of exceptions can't cross: raise one that says what is to be said")
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name[:80]!r} is no name for the wire: use letters, digits and _./-, at most 80")
    if name in errors.__all__ or cls.__module__ == errors.__name__:
        raise ValueError(f"{name} is hobgoblin's own: subclass Refused, or choose another name")
    other = _classes.get(name)
    if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(
            f"{name} is {other.__module__}.{other.__qualname__} already: use shareable(name=…) for one"
        )
    _names[cls] = name
    _classes[name] = cls
    return cls


def shared_name(error: BaseException) -> str | None:
    """Return under which name an exception may cross; ``None`` if it may not."""
    return _names.get(cast("type[Exception]", type(error)))


def shared_error(message: str) -> Exception | None:
    """Return the exception that a peer's text stands for in this program; ``None`` if it is just a text."""
    name, separator, text = message.partition(_SEPARATOR)
    cls = _classes.get(name) if separator else None
    if cls is None:
        return None
    try:
        made = cls(text if one_line(text, _SHOWN) == text else _Told(text))
    except Exception:  # the program's own, and not made for this text
        return None
    return made if type(made) is cls else None


def whole_text(error: BaseException) -> str:
    """Return the text of an exception, all of it also if a peer has told it and printing shows a part."""
    text = str(error)
    told = error.args[0] if len(error.args) == 1 else None
    return told[:] if type(told) is _Told and str(told) == text else text


@final
class _Told(str):
    """A text of a peer that must not get into a log as it is: the exception that holds it prints it so."""

    __slots__ = ()

    def __str__(self) -> str:
        return one_line(self[:], _SHOWN)

    def __repr__(self) -> str:
        return one_line(repr(self[:]), _SHOWN)
