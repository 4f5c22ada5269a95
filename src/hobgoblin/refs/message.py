"""Messages under way, and what a call becomes on the way into one."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hobgoblin.errors import NotATarget
from hobgoblin.refs.contracts import Cause, Home, Site
from hobgoblin.values import COMPILED, Keyword, Symbol, one_line

if TYPE_CHECKING:
    from hobgoblin.refs.promise import Promise
    from hobgoblin.refs.reference import Ref


CALLER: Final = 0 if COMPILED else 1
"""How many frames lie between a function of these modules and its caller: compiled ones have none."""


class Message:
    """A message under way: what it carries, and who is told of the outcome.

    ``args`` has passed by copy already; a method call carries its name as a symbol in front.
    ``answer`` is ``None`` when nobody asked; failures then go to ``home``. A message of a peer may
    carry what is counted as long as it lives: ``ticket`` to the end of the call, ``waits`` until it
    has left the last promise on its way. ``cause`` is set only while the vat that sends records its turns
    (`hobgoblin.vat.history`). `Selection` is the one subclass: what travels alike, and is
    for a value instead of an object.
    """

    __slots__ = ("answer", "args", "cause", "home", "site", "target", "ticket", "waits")

    def __init__(
        self,
        target: Ref,
        args: tuple[object, ...],
        answer: Promise[Any] | None,
        home: Home,
        site: Site | None,
        ticket: object = None,
        waits: object = None,
    ) -> None:
        self.target = target
        self.args = args
        self.answer = answer
        self.home = home
        self.site = site
        self.ticket = ticket
        self.waits = waits
        if TYPE_CHECKING:
            self.cause: Cause

    def dispatch(self) -> None:
        """Set out on the way to the target."""
        self.target._accept(self)

    def asked_for(self, answer: Promise[Any]) -> Message:
        """Return this message with another answer."""
        other = Message(self.target, self.args, answer, self.home, self.site, self.ticket)
        if hasattr(self, "cause"):
            other.cause = self.cause
        return other

    def find(self, value: object) -> object:
        """Return what the answer becomes if the target is ``value``, which a `Selection` looks into.

        Raises:
            Refused: always, for ``value`` is plain data and this a message to an object.
        """
        raise not_a_target(value)

    def meet(self, value: object) -> None:
        """End the journey here: the target is ``value``."""
        self.fail(not_a_target(value))

    def undo(self, error: BaseException) -> None:
        """Be taken back before setting out: the turn's own failure is what gets reported."""
        if self.answer is not None:
            self.answer._excuse()._break(error)

    def fail(self, error: BaseException) -> None:
        """Report that this message was not carried out."""
        answer = self.answer
        if answer is not None:
            site = self.site
            if site is None:
                # A peer's: what is logged for it should say which call that was. The first to fail did.
                if not hasattr(error, "_hob_called"):
                    with suppress(Exception):
                        error._hob_called = self.describe()  # type: ignore[attr-defined]
            elif not answer._heard:
                # The answer does not know the target, which it must not keep alive; nor should
                # every send pay for a description. Now it may be of use.
                answer._site = (site[0], site[1], self._called())
            answer._break(error)
        else:
            self.home.unheard(error, self.site, self.describe())

    def describe(self) -> str:
        """Name the send for a report: the verb and the target, no argument."""
        return f"{self._called()}()"

    def _called(self) -> str:
        verb = self.args[0] if self.args else None
        # The verb may be a peer's text, and this is for a log.
        name = f".{one_line(verb.name)}" if type(verb) is Symbol else ""
        return f"{self.target!r}{name}"


def not_a_target(value: object) -> NotATarget:
    """Return the error of a message that was sent to plain data."""
    kind = "None" if value is None else f"plain data ({type(value).__name__})"
    return NotATarget(f"the promise was fulfilled with {kind}, which takes no messages")


def message_to(
    target: Ref, args: tuple[object, ...], answer: Promise[Any] | None, home: Home, site: Site | None
) -> Message:
    """Return a `Message` that nobody counts: what the class makes, at half the cost."""
    message = Message.__new__(Message)
    message.target = target
    message.args = args
    message.answer = answer
    message.home = home
    message.site = site
    message.ticket = None
    message.waits = None
    return message


_frame_at: Final = sys._getframe
_CALLER: Final = CALLER


def call_site(depth: int, called: Symbol | str | None = None) -> Site | None:
    """Return where the caller's caller stands; ``depth`` frames above this function's caller."""
    # Compiled, here it is asked whether that is the innermost frame: see hatch_build.py.
    try:
        frame = _frame_at(depth + _CALLER)
    except ValueError:
        return None  # called by no Python code: a thread that runs nothing but this send
    return (frame.f_code, frame.f_lasti, called)


def place_of(site: Site) -> tuple[str, int, str]:
    """Return the file, the line and the function where a send stands."""
    code, offset, _ = site
    line = None
    for start, end, number in code.co_lines():
        if start <= offset < end:
            line = number
            break
    return code.co_filename, line or code.co_firstlineno, code.co_name


def sent_from(site: Site) -> str:
    """Return where a send stands, for a report: ``"/app/main.py", line 3, in main``."""
    file, line, function = place_of(site)
    return f'"{file}", line {line}, in {function}'


def with_keywords(args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[object, ...]:
    """Append keyword arguments in the form of the wire: marker and value (Goblins' ``<kw name>``)."""
    flat: list[object] = list(args)
    for name, value in kwargs.items():
        flat.append(Keyword(name.replace("_", "-")))
        flat.append(value)
    return tuple(flat)


def with_verb(verb: object, args: tuple[object, ...]) -> tuple[object, ...]:
    """Return arguments with a verb in front; for compiled code, where this is one tuple less than to add."""
    count = len(args)
    if count == 0:
        return (verb,)
    if count == 1:
        return (verb, args[0])
    if count == 2:
        return (verb, args[0], args[1])
    if count == 3:
        return (verb, args[0], args[1], args[2])
    return (verb, *args)


_verbs: dict[str, Symbol] = {}


def verb_of(name: str) -> Symbol:
    """Return the symbol under which a method named ``name`` in Python travels: ``make-car``."""
    verb = _verbs.get(name)
    if verb is None:
        # Grows with the names in the program's own source, never with what a peer sends.
        verb = _verbs[name] = Symbol(name.replace("_", "-"))
    return verb
