"""The one place that decides what a message may call.

Every call of an object passes through `invoke`: from this vat, from another one, and from a peer.
A message names nothing but an entry in a table that the class has declared; there is no attribute
look-up by a name that came with a message.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from hobgoblin.errors import BadArguments, NoSuchMethod
from hobgoblin.refs import FUNCTIONS
from hobgoblin.values import Keyword, Shaped, Symbol, one_line
from hobgoblin.vat.actor import Actor
from hobgoblin.vat.guards import Guard, revived_arguments

__all__ = ["call", "invoke", "is_function"]

_METHODS_NAMED: Final = 20
"""How many methods an error names that says what an object has."""


def is_function(value: object) -> bool:
    """Tell whether ``value`` is a function that can be an actor's behaviour."""
    return isinstance(value, FUNCTIONS)


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
        symbol = verb
        name = symbol.name
        methods = cls._hob_methods
        function = methods.get(name)
        if function is not None:
            return _call_method(function, behaviour, args)
    elif cls._hob_call is not None:
        return call(cls._hob_call, (behaviour, *args))
    elif type(verb) is str:
        name = verb
    else:
        raise _no_such_method(cls, None)
    methods = cls._hob_methods
    function = methods.get(name) or methods.get(name.replace("-", "_"))
    if function is not None:
        return _call_method(function, behaviour, args)
    if cls._hob_call is not None and not methods:
        return call(cls._hob_call, (behaviour, *args))
    raise _no_such_method(cls, name)


def _no_such_method(cls: type[Actor], name: str | None) -> NoSuchMethod:
    """Return the error, with a note for callers in this process: notes never cross a session."""
    if name is None:
        error = NoSuchMethod("this object takes only messages that name a method")
    else:
        error = NoSuchMethod(f"no method {name[:80]!r}")
    methods = [declared for declared in cls._hob_declared if declared != "__call__"]
    more = len(methods) - _METHODS_NAMED
    listed = ", ".join(methods[:_METHODS_NAMED]) + (f" and {more} more" if more > 0 else "")
    note = f"{cls.__name__} declares {listed}" if methods else f"{cls.__name__} declares no methods"
    if cls._hob_call is not None:
        note += ", and can be called itself"
    plain = (name or "").replace("-", "_")
    # Looked up as it stands in the classes: nothing is read that could run code.
    found = next((vars(base)[plain] for base in cls.__mro__ if plain in vars(base)), None)
    if not plain.startswith("_") and isinstance(found, FunctionType):
        note += f"; {cls.__name__}.{plain} is not declared with @method"
    error.add_note(note)
    return error


def _call_method(function: Guard | Callable[..., Any], behaviour: Actor, args: tuple[object, ...]) -> Any:
    """Call a method with what comes behind the verb. It does what `call` does, without another tuple."""
    count = len(args)
    run: Callable[..., Any]
    # A verb is no less fit to be passed on than the object that takes its place.
    if isinstance(function, Guard):
        guard = function
        run = guard.function
        if count > 4 or not guard.fits(args):
            return call(function, (behaviour, *args[1:]))
    else:
        run = function
        if count > 4 or not _are_plain(args):
            return call(function, (behaviour, *args[1:]))
    try:
        if count == 1:
            return run(behaviour)
        if count == 2:
            return run(behaviour, args[1])
        if count == 3:
            return run(behaviour, args[1], args[2])
        return run(behaviour, args[1], args[2], args[3])
    except TypeError as error:
        if _of_the_call(error):
            raise BadArguments(one_line(str(error))) from None
        raise


def _are_plain(args: tuple[object, ...]) -> bool:
    """Tell whether none of these is marked to be passed on otherwise than as it is."""
    for arg in args:
        kind = type(arg)
        if kind is Keyword or kind is Shaped:
            return False
    return True


def _of_the_call(error: TypeError) -> bool:
    """Tell whether a call has raised this itself: the function's own frames never came to be."""
    traceback = error.__traceback__
    return traceback is not None and traceback.tb_next is None


def call(function: Guard | Callable[..., Any], args: tuple[object, ...]) -> Any:
    """Call a function with arguments in the form of the wire: keywords are marked by `Keyword`.

    Annotated arguments are checked before it runs, and what stands for instances is made into them.
    """
    kwargs: dict[str, object] = {}
    run: Callable[..., Any]
    if isinstance(function, Guard):
        guard = function
        run = guard.function
        if not guard.fits(args):
            args, kwargs = guard.admit(*_split_keywords(args))
    else:
        run = function
        if not _are_plain(args):
            args, kwargs = revived_arguments(run, *_split_keywords(args))
    try:
        return run(*args, **kwargs) if kwargs else run(*args)
    except TypeError as error:
        if _of_the_call(error):
            raise BadArguments(one_line(str(error))) from None
        raise


def _split_keywords(args: tuple[object, ...]) -> tuple[tuple[object, ...], dict[str, object]]:
    kwargs: dict[str, object] = {}
    start = next((index for index, arg in enumerate(args) if type(arg) is Keyword), len(args))
    for index in range(start, len(args), 2):
        marker = args[index]
        if type(marker) is not Keyword or index + 1 == len(args):
            raise BadArguments("after the first keyword argument there must be only keywords with values")
        name = marker.name.replace("-", "_")
        if name in kwargs:
            raise BadArguments("a keyword argument is given twice")
        kwargs[name] = args[index + 1]
    return args[:start], kwargs
