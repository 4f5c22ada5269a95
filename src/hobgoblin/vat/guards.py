"""Functions whose arguments are checked before they run, as their annotations ask for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final, cast, final

from hobgoblin.errors import WrongArgument
from hobgoblin.refs.reference import NamedBehaviour
from hobgoblin.values import Keyword, Shaped, one_line
from hobgoblin.vat.annotations import Unreadable, check_of, resolved
from hobgoblin.vat.fitting import ANYTHING, AS_PASSED, Check, Misfit
from hobgoblin.vat.shapes import outlined, revived

__all__ = ["Guard", "guarded", "revived_arguments"]

Arguments = tuple[tuple[object, ...], dict[str, object]]

_BY_POSITION: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_MORE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@final
class Signature:
    """The checks of one function's parameters. ``kinds`` is for those that are given by position."""

    __slots__ = ("by_name", "kinds", "more", "names", "positional", "rest")

    def __init__(self) -> None:
        self.kinds: list[frozenset[type] | None] = []
        self.positional: list[Check] = []
        self.names: list[str] = []
        self.by_name: dict[str, Check] = {}
        self.rest: tuple[str, Check] | None = None  # *args
        self.more: Check | None = None  # **kwargs


@final
class Guard(NamedBehaviour):
    """A function, and the checks of its arguments, which are read when they are first needed.

    Args:
        function: what is called.
        owner: the class in whose body it stands, if it does: it is a method then, and its first
            argument the object.
    """

    __slots__ = ("_kinds", "_signature", "function", "method", "owner")

    def __init__(self, function: Callable[..., Any], *, method: bool) -> None:
        super().__init__(getattr(function, "__name__", type(function).__name__))
        self.function = function
        self.method = method
        self.owner: type | None = None
        self._signature: Signature | None = None
        # What can be passed on as it is, by position: of this type, or of one of these; None stands for
        # anything. Empty while nothing is read.
        self._kinds: tuple[frozenset[type] | type | None, ...] = ()

    def ready(self) -> Guard | Callable[..., Any]:
        """Read the annotations. Return what to call: the function itself, if there is nothing to check.

        Raises:
            TypeError: an annotation does not say what to check.
        """
        signature = self._signature
        if signature is None:
            signature = self._signature = _read(self.function, self.method, self.owner)
            self._kinds = tuple([_alone(kinds) for kinds in signature.kinds])
        checks = [*signature.positional, *signature.by_name.values()]
        if signature.more is not None:
            checks.append(signature.more)
        if signature.rest is not None:
            checks.append(signature.rest[1])
        return self.function if all(check is ANYTHING for check in checks) else self

    def fits(self, args: tuple[object, ...]) -> bool:
        """Tell whether arguments can be passed on as they are: most can. If not, ask `admit`."""
        kinds = self._kinds
        count = len(args)
        if count > len(kinds):
            return False
        for index in range(count):  # of what is left, there are defaults
            kind = type(args[index])
            fine = kinds[index]
            if fine is kind:
                continue
            if fine is None:
                if kind is Keyword or kind is Shaped:
                    return False
            elif type(fine) is not frozenset or kind not in fine:
                return False
        return True

    def admit(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Arguments:
        """Return the arguments as the function is to see them; those in ``kwargs`` are given by name.

        Raises:
            WrongArgument: one of them is not what its annotation says.
            TypeError: an annotation does not say what to check.
        """
        signature = self._signature
        if signature is None:
            self.ready()
            signature = cast("Signature", self._signature)
        name = ""
        step = ""
        try:
            admitted: list[object] = []
            known = len(signature.positional)
            for index, arg in enumerate(args):
                if index < known:
                    name, step = signature.names[index], ""
                    admitted.append(_admitted(signature.positional[index], arg))
                elif signature.rest is not None:
                    name, step = signature.rest[0], f"[{index - known}]"
                    admitted.append(_admitted(signature.rest[1], arg))
                else:
                    admitted.append(arg)  # too many: the call itself will say so
            step = ""
            named: dict[str, object] = {}
            for name, arg in kwargs.items():
                check = signature.by_name.get(name, signature.more)
                named[name] = (
                    arg if check is None else _admitted(check, arg)
                )  # None: the call itself will say so
        except Misfit as misfit:
            error = _misfit_error(self._called(), Misfit(misfit.problem, name + step + misfit.path))
            raise error from misfit.__cause__
        return tuple(admitted), named

    def _called(self) -> str:
        if self.__name__ == "__call__" and self.owner is not None:
            return self.owner.__name__
        return self.__name__


def _alone(kinds: frozenset[type] | None) -> frozenset[type] | type | None:
    """Return the one type that there is, as nearly always: to compare with it is quicker than to look."""
    if kinds is not None and len(kinds) == 1:
        (kind,) = kinds
        return kind
    return kinds


def _misfit_error(called: str, misfit: Misfit) -> WrongArgument:
    """Return the error of a call whose argument does not fit; ``misfit.path`` begins with the parameter."""
    return WrongArgument(f"{called}(): '{one_line(misfit.path)}' {misfit.problem}")


def revived_arguments(
    function: Callable[..., Any], args: tuple[object, ...], kwargs: dict[str, object]
) -> Arguments:
    """Return the arguments with their instances, for a function without checks.

    Raises:
        WrongArgument: one of them does not make an instance.
    """
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    names: tuple[str, ...] = () if code is None else code.co_varnames[: code.co_argcount]
    first = 1 if isinstance(function, MethodType) else 0
    name = ""
    try:
        made: list[object] = []
        for index, arg in enumerate(args, first):
            name = names[index] if index < len(names) else f"args[{index}]"
            made.append(revived(arg) if type(arg) is Shaped else arg)
        named: dict[str, object] = {}
        for name, arg in kwargs.items():
            named[name] = revived(arg) if type(arg) is Shaped else arg
    except Misfit as misfit:
        called = str(getattr(function, "__name__", "the function"))
        raise _misfit_error(called, Misfit(misfit.problem, name + misfit.path)) from misfit.__cause__
    return tuple(made), named


def _admitted(check: Check, value: object) -> object:
    if type(value) is Shaped:
        if check is AS_PASSED:
            return value
        if check is not ANYTHING:
            # A class has no say, and runs nothing, before it is known to be what is asked for.
            check.take(outlined(value))
        value = revived(value)
    return value if type(value) in check.kinds else check.take(value)


def _read(function: Callable[..., Any], method: bool, owner: type | None) -> Signature:
    """Return the checks that the annotations of a function ask for."""
    innermost: Any = inspect.unwrap(function)
    innermost = getattr(innermost, "__func__", innermost)
    namespace: dict[str, Any] = getattr(innermost, "__globals__", {})
    local: dict[str, Any] = {each.__name__: each for each in getattr(innermost, "__type_params__", ())}
    if owner is not None:
        # What stands in a function is not in the namespace of its module.
        local.setdefault(owner.__name__, owner)
        for each in getattr(owner, "__type_params__", ()):
            local.setdefault(each.__name__, each)
    if isinstance(innermost, FunctionType):
        for name, cell in zip(innermost.__code__.co_freevars, innermost.__closure__ or (), strict=True):
            with suppress(ValueError):  # not assigned yet
                local.setdefault(name, cell.cell_contents)
    called = function.__qualname__.replace("<locals>.", "")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except NameError as error:
        raise TypeError(f"{called}(): its annotations can't be read: {error}") from None
    signature = Signature()
    if method and parameters:
        signature.kinds.append(None)
        signature.names.append("self")
        signature.positional.append(ANYTHING)
        if parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
            parameters = parameters[1:]
    checks: dict[str, Check] = {}
    for parameter in parameters:
        if parameter.annotation is not inspect.Parameter.empty:
            try:
                checks[parameter.name] = check_of(resolved(parameter.annotation, namespace, local))
            except Unreadable as error:
                raise TypeError(
                    f"{called}(): the annotation of {parameter.name!r} can't be checked: {error}; "
                    "or write Any to take anything"
                ) from None
    for parameter in _within_reach(function, method, parameters, checks):
        check = checks.get(parameter.name, ANYTHING)
        match parameter.kind:
            case inspect.Parameter.VAR_POSITIONAL:
                signature.rest = (parameter.name, check)
                continue
            case inspect.Parameter.VAR_KEYWORD:
                signature.more = check
                continue
            case inspect.Parameter.KEYWORD_ONLY:
                pass
            case _:
                signature.kinds.append(None if check in (ANYTHING, AS_PASSED) else check.kinds)
                signature.names.append(parameter.name)
                signature.positional.append(check)
        if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
            signature.by_name[parameter.name] = check
    return signature


def _within_reach(
    function: Callable[..., Any], method: bool, inner: list[inspect.Parameter], checks: dict[str, Check]
) -> list[inspect.Parameter]:
    """Return the parameters that callers fill: a decorator may take others than what it wraps.

    Args:
        function: what is called.
        method: whether its first argument is the object.
        inner: the parameters of the innermost function, to which the annotations belong.
        checks: what those ask for, by name.

    Raises:
        TypeError: a value would get past a check, because it is not known which argument becomes it.
    """
    outer: Any = getattr(function, "__func__", function)
    first = 1 if method or outer is not function else 0
    names = [parameter.name for parameter in inner if parameter.kind in _BY_POSITION]
    while hasattr(outer, "__wrapped__") and not hasattr(outer, "__signature__"):
        own = list(inspect.signature(outer, follow_wrapped=False).parameters.values())[first:]
        given = [parameter.name for parameter in own if parameter.kind in _BY_POSITION]
        outer = outer.__wrapped__
        if given == names[: len(given)]:
            continue
        known = {parameter.name for parameter in own if parameter.kind not in _MORE}
        for parameter in inner:
            check = checks.get(parameter.name, ANYTHING)
            if check is not ANYTHING and (parameter.name not in known or parameter.kind in _MORE):
                called = function.__qualname__.replace("<locals>.", "")
                raise TypeError(
                    f"{called}(): {parameter.name!r} can't be checked: "
                    f"its decorator takes {', '.join(given)} instead; let that take *args and **kwargs, "
                    "or the same parameters, or write Any to take anything"
                )
        return own
    return inner


def guarded(function: Callable[..., Any]) -> Guard | Callable[..., Any]:
    """Return what is to be the behaviour of an object that is a function.

    Raises:
        TypeError: an annotation does not say what to check.
    """
    if isinstance(function, BuiltinFunctionType):
        return function
    plain: Any = function.__func__ if isinstance(function, MethodType) else function
    if type(plain) is not FunctionType:
        return function
    if sys.version_info < (3, 14) and not plain.__annotations__ and not hasattr(plain, "__wrapped__"):
        return function
    return Guard(function, method=False).ready()
