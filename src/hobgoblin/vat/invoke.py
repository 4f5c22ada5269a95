"""The one place that decides what a message may call.

Every call of an object passes through `invoke`: from this vat, from another one, and from a peer.
A message names nothing but an entry in a table that the class has declared; there is no attribute
look-up by a name that came with a message.
"""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from hobgoblin.errors import BadArguments, NoSuchMethod
from hobgoblin.values import Keyword, Symbol
from hobgoblin.vat.actor import Actor

__all__ = ["call", "invoke", "is_function"]


def is_function(value: object) -> bool:
    """Tell whether ``value`` is a function that can be an actor's behaviour."""
    return isinstance(value, FunctionType | MethodType | BuiltinFunctionType)


def invoke(behaviour: object, args: tuple[object, ...]) -> Any:
    """Call what ``args`` asks for of an object with this behaviour, and return what it returns.

    For an `Actor`, a symbol in front names the method (``-`` and ``_`` are the same); without one
    the call goes to ``__call__``, if that is declared. As in Endo, a plain string names a method
    of an object that declares no ``__call__``. A function takes all the arguments as they are.

    Raises:
        NoSuchMethod: nothing is declared under that name.
        BadArguments: the arguments do not fit.
        BaseException: whatever the method raises.
    """
    if not isinstance(behaviour, Actor):
        return call(behaviour, args)  # type: ignore[arg-type]
    cls = type(behaviour)
    verb = args[0] if args else None
    if type(verb) is Symbol:
        name = verb.name
    elif cls._hob_call is not None:
        return call(cls._hob_call, (behaviour, *args))
    elif type(verb) is str:
        name = verb
    else:
        raise NoSuchMethod("this object takes only messages that name a method")
    methods = cls._hob_methods
    function = methods.get(name) or methods.get(name.replace("-", "_"))
    if function is not None:
        return call(function, (behaviour, *args[1:]))
    if cls._hob_call is not None and not methods:
        return call(cls._hob_call, (behaviour, *args))
    raise NoSuchMethod(f"no method {name[:80]!r}")


def call(function: Callable[..., Any], args: tuple[object, ...]) -> Any:
    """Call a function with arguments in the form of the wire: keywords are marked by `Keyword`."""
    for arg in args:
        if type(arg) is Keyword:
            args, kwargs = _split_keywords(args)
            break
    else:
        kwargs = {}
    try:
        return function(*args, **kwargs) if kwargs else function(*args)
    except TypeError as error:
        traceback = error.__traceback__
        if traceback is not None and traceback.tb_next is None:
            # Raised by the call itself: the function's own frames never came to be.
            raise BadArguments(str(error)) from None
        raise


def _split_keywords(args: tuple[object, ...]) -> tuple[tuple[object, ...], dict[str, object]]:
    kwargs: dict[str, object] = {}
    start = next(index for index, arg in enumerate(args) if type(arg) is Keyword)
    for index in range(start, len(args), 2):
        marker = args[index]
        if type(marker) is not Keyword or index + 1 == len(args):
            raise BadArguments("after the first keyword argument there must be only keywords with values")
        name = marker.name.replace("-", "_")
        if name in kwargs:
            raise BadArguments("a keyword argument is given twice")
        kwargs[name] = args[index + 1]
    return args[:start], kwargs
