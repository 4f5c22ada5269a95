"""Time travel: the latest turns of a vat, and calls of its objects as they were before or after one.

There is no list of a vat's objects, and no copy of their state. While somebody records, each turn that
commits leaves behind what it has overwritten; that is all it takes to go back::

    then ──changes of turn 1──▶ ──changes of turn 2──▶ … ──▶ now
     ◀── put back in reverse ─────────────────────────────    look, undo the look, and forward again

A look happens within one step of the vat's thread, so nobody else ever sees the past.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast, final, overload
from weakref import ref as weak_ref

from hobgoblin.errors import HobgoblinError, NoSuchMoment, NotInVat
from hobgoblin.refs import Cause, LocalRef, Message
from hobgoblin.values import Symbol, one_line
from hobgoblin.vat.actor import Actor, stored, undo
from hobgoblin.vat.jobs import NearCoroutine, Nobody
from hobgoblin.vat.passing import pass_value
from hobgoblin.vat.shapes import revived_result
from hobgoblin.vat.transactions import START, roll_back

if TYPE_CHECKING:
    from hobgoblin.refs import Promise
    from hobgoblin.vat.vat import Vat

__all__ = ["History", "Journal", "Snapshot", "Turn"]

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A", bound=Actor)

_SHOWN: Final = 200
"""How many characters of a name or of an error a turn keeps: a peer chooses both."""

_COROUTINE: type[Any] = CoroutineType


@final
@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that was recorded. All text and numbers: it keeps nothing alive."""

    vat: str
    """The name of the vat."""
    number: int
    """Counts the recorded turns of this vat, from 1 on."""
    time: float
    """When it ended: seconds of the vat's clock, which other vats of the same process share."""
    target: str
    """The object, as it prints: ``<Ref Car>``. Empty for ``vat.run(…)``, handlers and constructors."""
    method: str
    """The method's name as it was sent; empty for ``ref(…)``. Without a target: what ran."""
    stretch: int
    """Which stretch of an ``async def`` method it was, from 1 on; 0 for a turn that is a whole method."""
    error: str | None
    """What it raised; then nothing of it has happened. ``None`` if it took effect."""
    cause: Cause | None
    """The turn that sent the message, asked for the handler, or was the stretch before: its vat's name
    and its number. ``None`` if that came from outside of all turns, from another peer, or unrecorded."""

    def __str__(self) -> str:
        dot = "." if self.target and self.method else ""
        what = f"{self.target}{dot}{self.method}"
        if self.stretch:
            what += f", stretch {self.stretch}"
        because = "" if self.cause is None else f", because of {self.cause[0]} #{self.cause[1]}"
        return f"{self.vat} #{self.number}: {what}{because}{f': {self.error}' if self.error else ''}"


@final
class _Attribute:
    """An attribute and what to put there instead. The actor is held weakly: nobody calls what is gone."""

    __slots__ = ("actor", "name", "value")

    def __init__(self, actor: Actor, name: str, value: object) -> None:
        self.actor = weak_ref(actor)
        self.name = name
        self.value = value

    def swap(self) -> None:
        actor = self.actor()
        if actor is not None:
            present = stored(actor, self.name)
            undo(actor, self.name, self.value)
            self.value = present


@final
class _Behaviour:
    """The behaviour of an object and what to put there instead."""

    __slots__ = ("reference", "value")

    def __init__(self, reference: LocalRef, value: object) -> None:
        self.reference = weak_ref(reference)
        self.value = value

    def swap(self) -> None:
        reference = self.reference()
        if reference is not None:
            reference._behaviour, self.value = self.value, reference._behaviour


_Changes = list[_Attribute | _Behaviour]


def _changes_of(vat: Vat) -> _Changes:
    """Return what the open turn of ``vat`` has changed, and is about to change, once each."""
    changes: _Changes = []
    if vat._spawned:
        unborn = Nobody(NoSuchMoment("this object did not exist at that moment"))
        changes = [_Behaviour(reference, unborn) for reference in vat._spawned]
    known: set[tuple[int, str]] = set()
    for actor, name, old in vat._undo:
        key = (id(actor), name)
        if key not in known:
            known.add(key)
            changes.append(_Attribute(actor, name, old))
    return changes


@final
class Journal:
    """What a vat tells of its turns to those who record them. One for each vat, for all of its life."""

    __slots__ = ("__weakref__", "histories", "looking", "number")

    def __init__(self) -> None:
        self.histories: list[weak_ref[History]] = []
        self.number = 0
        self.looking = False

    def add(self, vat: Vat, history: History) -> None:
        # In this order, so that a turn that ends in the vat's thread meanwhile can't miss it.
        self.histories.append(weak_ref(history, self._forget))
        vat._recording = True

    def remove(self, history: History) -> None:
        self.histories[:] = [known for known in self.histories if known() is not history]

    def _forget(self, history: weak_ref[History]) -> None:
        if history in self.histories:
            self.histories.remove(history)

    def message(self, vat: Vat, message: Message, error: BaseException | None) -> None:
        """Note that the turn of a message ends: it is about to commit, or to be abandoned for ``error``."""
        self.note(vat, message.target, message, "", 0, cause_of(message), error)

    def note(
        self,
        vat: Vat,
        target: object,
        message: Message | None,
        what: str,
        stretch: int,
        cause: Cause | None,
        error: BaseException | None,
    ) -> Cause:
        """Note that the open turn ends. Return how to name it as a cause."""
        self.number += 1
        number = self.number
        named: Cause = (vat.name, number)
        histories = tuple(self.histories)
        if not histories:
            vat._recording = False
            if self.histories:
                vat._recording = True  # somebody in another thread has just begun
            return named
        changes: _Changes = []
        if error is None:
            changes = _changes_of(vat)
            changed: set[LocalRef] = set()
            for reference, _ in vat._becomes:
                if reference not in changed:
                    changed.add(reference)
                    changes.append(_Behaviour(reference, reference._behaviour))
            for effect in vat._effects:
                if hasattr(type(effect), "cause"):
                    cast("Any", effect).cause = named
        if message is not None:
            verb = message.args[0] if message.args else None
            what = verb.name if type(verb) is Symbol else ""
        shown = "" if target is None else repr(target)
        turn = Turn(
            vat.name,
            number,
            vat.host.clock(),
            shown,
            one_line(what, _SHOWN),
            stretch,
            None if error is None else _text_of(error),
            cause,
        )
        for known in histories:
            history = known()
            if history is not None:
                history._records.append((turn, changes))
        return named


def cause_of(thing: object) -> Cause | None:
    """Return which turn has sent a message, or asked for a job, if that was recorded."""
    return getattr(thing, "cause", None)


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its text can't be had)"
    return f"{type(error).__name__}: {one_line(text, _SHOWN)}" if text else type(error).__name__


@final
class History:
    """The latest turns of a vat, from the moment that `Vat.record` was called.

    Holds at most so many turns, with what each of them has overwritten; older ones are forgotten, and
    with them the way back to before. It ends when it is closed (it is a context manager) or dropped.
    What turns have overwritten is kept alive until then.
    """

    __slots__ = ("__weakref__", "_closed", "_kept", "_records", "_vat")

    def __init__(self, vat: Vat, turns: int) -> None:
        if turns < 1:
            raise ValueError(f"turns is 1 or more, not {turns}")
        self._vat = vat
        self._closed = False
        self._records: deque[tuple[Turn, _Changes]] = deque(maxlen=turns)
        self._kept: tuple[Turn, ...] = ()
        vat._journal.add(vat, self)

    def __repr__(self) -> str:
        return f"<History of {self._vat.name}, {len(self._records or self._kept)} turns>"

    def __enter__(self) -> History:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Record no more, and let go of the past. What `turns` lists can still be read. Idempotent."""
        if not self._closed:
            self._closed = True
            self._vat._journal.remove(self)
            self._kept = self.turns
            self._records.clear()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that are kept, the oldest first; without the one that is running."""
        return self._kept or tuple([turn for turn, _ in self._records])

    def errors(self) -> tuple[Turn, ...]:
        """The turns that have raised, the oldest first."""
        return tuple([turn for turn in self.turns if turn.error is not None])

    def trace(self, turn: Turn) -> tuple[Turn, ...]:
        """The turn, what has caused it, what has caused that, and so on, as far back as this history goes.

        A cause in another vat ends it: look that up in the history of that vat.
        """
        known = {other.number: other for other in self.turns}
        found = [turn]
        while found[-1].cause is not None and found[-1].cause[0] == self._vat.name:
            cause = known.get(found[-1].cause[1])
            if cause is None:
                break
            found.append(cause)
        return tuple(found)

    def now(self) -> Snapshot:
        """The moment after the last turn that has ended."""
        return Snapshot(self, self._vat._journal.number)

    def before(self, turn: Turn) -> Snapshot:
        """The moment at which ``turn`` began.

        Raises:
            NoSuchMoment: the turn is not, or not any more, in this history.
        """
        return self._at(turn, turn.number - 1)

    def after(self, turn: Turn) -> Snapshot:
        """The moment at which ``turn`` had ended; the same as before it, if it has failed.

        Raises:
            NoSuchMoment: the turn is not, or not any more, in this history.
        """
        return self._at(turn, turn.number)

    def _at(self, turn: Turn, number: int) -> Snapshot:
        if turn not in self.turns:
            raise NoSuchMoment(f"{turn} is not, or not any more, in this history of {self._vat.name}")
        return Snapshot(self, number)

    def _since(self, number: int) -> list[_Changes]:
        """Return what has been changed since the turn of that number, the latest first.

        Raises:
            NoSuchMoment: that is forgotten.
        """
        if self._closed:
            raise NoSuchMoment("this history was closed, and with it the way back: look before that")
        missing = self._vat._journal.number - number
        if missing > len(self._records):
            raise NoSuchMoment(
                f"that was {missing} turns ago, and of {self._vat.name} no more than the latest "
                f"{self._records.maxlen} are kept: use vat.record(turns=…) or vat.snapshot(turns=…) for more"
            )
        found: list[_Changes] = []
        for _, changes in reversed(self._records):
            if len(found) == missing:
                break
            found.append(changes)
        return found


@final
class Snapshot:
    """A vat as it was at one moment: between two turns. Made by `Vat.snapshot` and by a `History`.

    Looks and trials run in the vat's thread, within a turn or outside of any, as turns of their own
    whose effects are discarded: assignments, new objects, `become`, and all that they send. What else
    a method does, to files, to other threads, to what is in a list or a dict, is not undone; promises
    are what they are now, and so is what a turn has changed *inside* of an attribute.
    """

    __slots__ = ("_history", "_number", "_unsent")

    def __init__(self, history: History, number: int) -> None:
        self._history = history
        self._number = number
        self._unsent: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Snapshot of {self._history._vat.name} after its turn #{self._number}>"

    @property
    def number(self) -> int:
        """The number of the turn that had ended last; 0 before the first that was recorded."""
        return self._number

    @property
    def unsent(self) -> tuple[str, ...]:
        """What the last look would have sent, without arguments: ``<Ref Car>.drive()``."""
        return self._unsent

    @overload
    def peek(self, bound: Callable[P, Promise[T]]) -> Callable[P, T]: ...
    @overload
    def peek(self, bound: Callable[P, A]) -> Callable[P, A]: ...
    def peek(self, bound: Any) -> Any:
        """Return ``bound`` (``ref.method`` or ``ref``) as a call of the object as it was.

        Typed and used like `near`. An ``async def`` method may await what is there at once, and
        nothing else: a snapshot has no later.

        Raises:
            NotInVat: this is another thread than the vat's; use ``vat.run`` to get there.
            NotNear: the target is no object of this vat.
            NoSuchMoment: the object did not exist then, or this moment is not kept any more.
            BaseException: what the object raises.
        """

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._look(lambda: self._history._vat.call_near(bound, args, kwargs))

        return call

    @overload
    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Try what ``function(*args, **kwargs)`` would have done as a turn at that moment.

        With several calls in it, each by `near`, this is the question "what if". Like `peek`, it
        returns what the function returns (passed by copy), and raises what it raises.
        """
        return self._look(lambda: function(*args, **kwargs))

    def _look(self, work: Callable[[], Any]) -> Any:
        vat = self._history._vat
        if not vat.host.here():
            raise NotInVat(
                f"snapshots of {vat.name} are looked at in its own thread: "
                "use `await vat.run(lambda: snapshot.run(…))`"
            )
        if vat._journal.looking:
            raise HobgoblinError("a snapshot can't be looked at from within another look")
        past = self._history._since(self._number)
        turn = (vat._open, vat._running, vat._effects, vat._undo, vat._spawned, vat._becomes)
        if vat._open:
            past.insert(0, _changes_of(vat))
        vat._journal.looking = True
        for changes in past:
            for change in reversed(changes):
                change.swap()
        vat._open, vat._running = True, None
        vat._effects, vat._undo, vat._spawned, vat._becomes = [], [], [], []
        try:
            return vat._context.copy().run(self._finish, work)
        finally:
            self._unsent = tuple([e.describe() for e in vat._effects if isinstance(e, Message)])
            roll_back(vat, START, "a snapshot is only looked at")
            vat._open, vat._running, vat._effects, vat._undo, vat._spawned, vat._becomes = turn
            for changes in reversed(past):
                for change in changes:
                    change.swap()
            vat._journal.looking = False

    def _finish(self, work: Callable[[], Any]) -> Any:
        vat = self._history._vat
        result: Any = work()
        for effect in vat._effects:
            if type(effect) is NearCoroutine and effect.answer is result:
                result = effect.coroutine
        if type(result) is _COROUTINE:
            result = _at_once(result)
        return revived_result(pass_value(result, vat, "result"))


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, and return its result, if it need not wait for anything."""
    try:
        while coroutine.send(None) is None:
            pass  # it has only let others go first
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    name = getattr(coroutine, "__qualname__", "this coroutine")
    raise HobgoblinError(f"{name} waits for something, and a snapshot has no later: peek at less of it")
