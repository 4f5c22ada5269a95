"""The vat: a queue of turns, each of which takes effect as a whole or not at all.

::

    accept(message) ─▶ queue ─▶ turn open ──returns──▶ commit ─▶ effects set out in order, answer resolves
                                    └─────raises─────▶ undo   ─▶ answer breaks, nothing else leaves

While a turn is open, everything it does is held back: sends, spawned objects and registrations in
``_effects``, old attribute values in ``_undo``, new behaviours in ``_becomes``. A savepoint is the
lengths of these lists; rolling back cuts them to it. One turn of a vat is open at a time, and only
in the thread of its host.

A method that is a coroutine runs as a task of the host's loop; each stretch between two awaits is
a turn (see `hobgoblin.vat.stretches`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, final, overload
from weakref import WeakKeyDictionary

from hobgoblin.errors import HobgoblinError, NoSuchMoment, NotInVat, VatStopped
from hobgoblin.refs import CALLER, Selection, Site, call_site, current_home, verb_of, with_keywords
from hobgoblin.refs.homes import LocalHome
from hobgoblin.refs.message import Message, message_to
from hobgoblin.refs.promise import Promise, promise_of
from hobgoblin.refs.reference import BoundSend, LocalRef, Ref
from hobgoblin.vat.actor import Actor, InheritedMethod, adopt, reference_to
from hobgoblin.vat.contracts import Dependent, VatHost
from hobgoblin.vat.history import History, Journal, Snapshot, cause_of
from hobgoblin.vat.invoke import call, invoke
from hobgoblin.vat.jobs import Birth, Effect, Fence, Job, Make, NearCoroutine, Nobody, Thunk, maker
from hobgoblin.vat.nearness import near_object
from hobgoblin.vat.passing import pass_arguments, pass_value
from hobgoblin.vat.reasons import reason_of
from hobgoblin.vat.reports import report_slow, report_unheard
from hobgoblin.vat.shapes import revived_result
from hobgoblin.vat.stretches import Stretches
from hobgoblin.vat.transactions import START, roll_back, savepoint_of

if TYPE_CHECKING:
    from hobgoblin.vat.verbs import Function

__all__ = ["Vat"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
A = TypeVar("A", bound=Actor)

_COROUTINE: type[Any] = CoroutineType
"""What calling an ``async def`` function returns; as ``type[Any]`` because of what checkers infer."""

_NOT_YET: Final = "this object has not been made yet"
_UNMADE: Final = Nobody(HobgoblinError(_NOT_YET))
"""The behaviour of an object whose constructor runs: only a near call of its own meets it."""


@final
class Vat(LocalHome):
    """A home of objects. Made by `hobgoblin.spawn_vat` and by a `Peer`.

    Args:
        host: the thread and loop that it runs on.
        name: for logs.
        slice_seconds: how long turns may run before the loop gets a chance to do input and output.
        slow_turn_seconds: turns that take longer are logged as a warning, with their method.
    """

    def __init__(
        self,
        host: VatHost,
        *,
        name: str = "vat",
        slice_seconds: float = 0.005,
        slow_turn_seconds: float = 0.25,
    ) -> None:
        super().__init__(host)
        self._host: VatHost = host
        self.name = name
        self._clock = host.clock
        self._slice = slice_seconds
        self._slow = slow_turn_seconds
        self._context = copy_context()
        self._context.run(current_home.set, self)
        self._queue: deque[Message | Job] = deque()
        self._put = self._queue.append
        self._take = self._queue.popleft
        self._run_turns = self._drain
        # The queue is being drained, or will be without further ado.
        self._awake = False
        self._draining = False
        self._stopped = False
        self._ended = "has been stopped"
        # Of the process that this one was forked from: nothing runs it here.
        self._left_behind = False
        self._failing = False
        # A task of this vat has yet to run its first stretch; later messages must not overtake it.
        self._held: Stretches | None = None
        # The asynchronous method that runs, of those whose turn is open.
        self._stepping: Stretches | None = None
        self._stretches: dict[Stretches, None] = {}
        self._dependents: WeakKeyDictionary[Dependent, None] = WeakKeyDictionary()
        self._open = False
        self._running: LocalRef | None = None
        self._effects: list[Effect] = []
        self._undo: list[tuple[Actor, str, object]] = []
        self._spawned: list[LocalRef] = []
        self._becomes: list[tuple[LocalRef, object]] = []
        # Whether to tell the journal how turns end: somebody may be recording.
        self._recording = False
        self._journal = Journal()

    def __repr__(self) -> str:
        return f"<Vat {self.name}{' (stopped)' if self._stopped else ''}>"

    @property
    def host(self) -> VatHost:
        return self._host

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called: it takes no message any more."""
        return self._stopped

    # What programs call

    @overload  # as for the verb `spawn`
    def spawn(  # type: ignore[overload-overlap]
        self, behaviour: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
    ) -> A: ...
    @overload
    def spawn(self, behaviour: A, /) -> A: ...
    @overload
    def spawn(self, behaviour: Callable[P, R], /) -> Function[P, R]: ...
    def spawn(self, behaviour: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Make an object of this vat and return a reference to it.

        In this vat's thread the constructor runs at once; from another thread, or from a turn of
        another vat, it runs as a turn of its own before any message to the new object.

        Args:
            behaviour: an `Actor` class, which is called with the other arguments; an instance
                of one that has not been spawned; or a function.

        Raises:
            TypeError: ``behaviour`` is none of these.
            VatStopped: this vat has been stopped.
        """
        make = maker(behaviour, args, kwargs)
        if self._stopped:
            raise VatStopped(f"{self.name} has been stopped; nothing can be spawned in it")
        if self._host.here():
            if self._open:
                return self._born(LocalRef(self, _UNMADE), make)
            if _open_turn() is None:
                return self._turn_now(lambda: self._born(LocalRef(self, _UNMADE), make))
        reference = LocalRef(self, Nobody(HobgoblinError(_NOT_YET)))
        birth = Birth(self, reference, make)
        other = _open_turn()
        if other is not None:
            other._effects.append(birth)
        else:
            birth.dispatch()
        return reference

    # An actor is any T, too. The first overload that fits is the one that is meant.
    @overload
    def run(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, A]], /, *args: P.args, **kwargs: P.kwargs
    ) -> A: ...
    @overload
    def run(  # type: ignore[overload-overlap]
        self, function: Callable[P, A], /, *args: P.args, **kwargs: P.kwargs
    ) -> A: ...
    @overload
    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Promise[T]: ...
    @overload
    def run(self, function: Callable[P, Promise[T]], /, *args: P.args, **kwargs: P.kwargs) -> Promise[T]: ...
    @overload
    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Promise[T]: ...
    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run ``function(*args, **kwargs)`` as a turn of this vat, from anywhere; return a promise.

        An ``async def`` function runs like an asynchronous method: a turn for each stretch. Asked
        from within a turn, it happens only if that turn commits.
        """
        name = str(getattr(function, "__name__", "run"))
        answer: Promise[Any] = Promise(self, call_site(CALLER, name))
        thunk = Thunk(self, lambda: function(*args, **kwargs), answer, name)
        other = _open_turn()
        if other is not None:
            other._effects.append(thunk)
        else:
            self._enqueue(thunk)
        return answer

    def stop(self) -> None:
        """Take no more messages: those that wait break with `VatStopped`, running tasks are cancelled.

        Idempotent. A turn that stops its own vat still takes effect. From another thread it happens
        soon: until then messages may still be delivered.
        """
        if self._host.here():
            self._stop_here()
        else:
            self._host.post(self._stop_here)

    def record(self, turns: int = 256) -> History:
        """Note what this vat does from now on, for tests and for debugging. Any thread.

        Args:
            turns: how many of them to keep, the latest.

        Returns:
            A context manager. Recording goes on until it is closed, or dropped.
        """
        return History(self, turns)

    def snapshot(self, turns: int = 256) -> Snapshot:
        """Return this moment, to call objects later as they are now. Any thread.

        Within a turn it is the moment before that turn.

        Args:
            turns: after how many more of them it is too late for that.
        """
        return self.record(turns).now()

    def left_behind(self, because: str) -> None:
        """Be unusable in a process that was forked from that of this vat. For its host, in the child."""
        self._left_behind = True
        self._ended = f"is out of reach: {because}"
        # Whatever its thread was doing, nobody goes on with it.
        self._awake = self._draining = self._failing = self._open = False
        self._held = self._stepping = None

    def stop_closed(self) -> None:
        """Stop as far as that is possible without the loop, which never runs again. For the host."""
        self._stop_here(closed=True)

    def depend(self, dependent: Dependent) -> None:
        """Tell ``dependent``, which is held weakly, when this vat stops."""
        self._dependents[dependent] = None

    # Home: what references, sessions and other vats call

    @property
    def idle(self) -> bool:
        """Whether nothing waits for a turn. From another thread: whether it was so just now."""
        return not self._queue

    def fence(self, passed: Callable[[], object]) -> None:
        """Call ``passed`` when all that waits for a turn now has had it, or this vat has stopped.

        Any thread. The call comes in the vat's thread, outside of any turn, and must only schedule.
        """
        self._enqueue(Fence(passed))

    def accept(self, message: Message) -> None:
        """Take a message for one of this vat's objects. Any thread."""
        self._put(message)
        if not self._awake:
            self._wake()

    def send(self, target: Ref, args: tuple[object, ...], site: Site | None) -> Promise[Any]:
        """Send to any reference. The answer is a promise of this vat."""
        args = pass_arguments(args, self)
        answer = promise_of(self, site)
        message = message_to(target, args, answer, self, site)
        if self._open and self._host.here():
            self._effects.append(message)
        else:
            way = target
            way._accept(message)
        return answer

    def send_unanswered(self, target: Ref, args: tuple[object, ...], site: Site | None) -> None:
        """Send to any reference without asking for an answer."""
        message = message_to(target, pass_arguments(args, self), None, self, site)
        if self._open and self._host.here():
            self._effects.append(message)
        else:
            way = target
            way._accept(message)

    def select(
        self, promise: Promise[Any], selector: str | int, untag: bool, site: Site | None
    ) -> Promise[Any]:
        """Ask for a part of what a promise settles to. The answer is a promise of this vat."""
        if type(selector) is str:
            pass_value(selector, self, "the tag" if untag else "the field's name")
        answer: Promise[Any] = Promise(self, site)
        self.effect(Selection(promise, selector, untag, answer, self, site))
        return answer

    def unheard(self, error: BaseException, site: Site | None, what: str | None) -> None:
        """Log a failure that nobody listens to, once, with the place in the source it came from."""
        if not self._left_behind:  # else that is for the parent to hear
            report_unheard(error, site, what)

    # What the verbs call; all of it in the thread of the host

    def effect(self, effect: Effect) -> None:
        """Let an effect set out when the open turn commits, or now if none is open."""
        if self._open and self._host.here():
            self._effects.append(effect)
        else:
            effect.dispatch()

    def call_near(self, target: Any, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
        """Call an object of this vat within the open turn, and return what it returns.

        Raises:
            NotNear: the target is not (yet) known to be an object of this vat.
            BaseException: what the object raises, after everything that the call did is undone.
        """
        if not (self._open and self._host.here()):
            raise NotInVat("near() works within a turn: in a method, a handler or vat.run(…)")
        savepoint = savepoint_of(self)
        outer = self._running
        try:
            if kwargs:
                args = with_keywords(args, kwargs)
            if type(target) is InheritedMethod:
                self._running = near_object(self, reference_to(target.actor))
                result = call(target.guard, (target.actor, *pass_arguments(args, self)))
            else:
                if type(target) is BoundSend:
                    args = (verb_of(target._name), *args)
                    target = target._target
                reference = near_object(self, target)
                self._running = reference
                result = self._invoke(reference, pass_arguments(args, self))
            if type(result) is _COROUTINE:
                return self._start_later(result, self._running)
            return revived_result(pass_value(result, self, "result"))
        except BaseException:
            roll_back(self, savepoint)
            raise
        finally:
            self._running = outer

    def become(self, behaviour: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Give the running object another behaviour when the open turn commits."""
        reference = self._running
        if not self._open or reference is None:
            raise NotInVat("become() works within a method or function of an object")
        made = maker(behaviour, args, kwargs)(reference)
        if isinstance(made, Actor):
            adopt(made, reference, self)
        self._becomes.append((reference, made))

    def perform(
        self,
        work: Callable[[], Any],
        answer: Promise[Any] | None,
        what: str,
        running: LocalRef | None,
        job: object = None,
    ) -> None:
        """Run ``work`` as a turn: commit and resolve ``answer``, or undo and break it."""
        self._begin(running)
        result: Any
        try:
            result = work()
            asynchronous = type(result) is _COROUTINE
            if answer is not None and not asynchronous:
                result = pass_value(result, self, "result")
        except BaseException as error:
            if self._recording:
                self._journal.note(self, running, None, what, 0, cause_of(job), error)
            self._abandon()
            reason = reason_of(error)
            if answer is not None:
                answer._break(reason)
            else:
                self.unheard(reason, None, what)
            if isinstance(error, KeyboardInterrupt):
                raise
            return
        if self._recording and not asynchronous:
            self._journal.note(self, running, None, what, 0, cause_of(job), None)
        self._commit()
        if asynchronous:
            self._start(result, answer, what, running, job)
        elif answer is not None:
            self._settle(answer, result)

    # Stretches of asynchronous methods (`Stretches` calls these)

    def _begin(self, running: LocalRef | None) -> None:
        self._open = True
        self._running = running

    def _commit(self) -> None:
        """Let everything that the open turn did take effect, in the order in which it did it."""
        self._open = False
        self._running = None
        if self._undo:
            self._undo.clear()
        if self._spawned:
            self._spawned.clear()
        if self._becomes:
            for reference, behaviour in self._becomes:
                reference._behaviour = behaviour
            self._becomes.clear()
        if self._effects:
            effects, self._effects = self._effects, []
            for effect in effects:
                if type(effect) is Message:
                    message = effect
                    target = message.target
                    if type(target) is LocalRef:  # a call less
                        near = target
                        near._vat.accept(message)
                    else:
                        target._accept(message)
                else:
                    effect.dispatch()

    def _abandon(self) -> None:
        """Undo everything that the open turn did."""
        roll_back(self, START)
        self._open = False
        self._running = None

    def _settle(self, answer: Promise[Any], result: object) -> None:
        """Resolve the answer of a turn; most often it belongs to this thread."""
        home = answer._at
        if isinstance(home, Vat) and home._host is self._host:
            answer._resolve_here(result)
        else:
            answer._resolve(result)

    def _finished(self, stretches: Stretches) -> None:
        self._stretches.pop(stretches, None)

    def _let_go(self, stretches: Stretches) -> None:
        """The first stretch has run: the queue may go on."""
        if self._held is stretches:
            self._held = None
            if self._queue and not self._awake:
                self._wake()

    # Inside

    def _enqueue(self, job: Message | Job) -> None:
        self._put(job)
        if not self._awake:
            self._wake()

    def _wake(self) -> None:
        if self._stopped:
            self._fail_waiting()
            return
        self._awake = True
        host = self._host
        try:
            host.post_in(self._context, self._run_turns)
        except RuntimeError:
            # The loop is closed for good, and with it this vat.
            self._stop_here(closed=True)

    def _stop_here(self, closed: bool = False) -> None:
        if self._stopped:
            return
        self._stopped = True
        # In this order nothing is left behind: other threads add to the queue before they look at
        # `_awake`, and never find a stopped vat awake.
        self._awake = False
        for dependent in tuple(self._dependents):
            dependent.vat_stopped()
        for stretches in tuple(self._stretches):
            if closed:
                stretches.abandon()
            else:
                stretches.cancel()
        self._fail_waiting()

    def _fail_waiting(self) -> None:
        """Break what waits. Breaking may add to the queue, which is seen to here, not in a nested call."""
        queue = self._queue
        while queue and not self._failing:
            self._failing = True
            while queue:
                try:
                    job = queue.popleft()
                except IndexError:
                    break  # another thread was faster
                job.fail(self._stop_error())
            self._failing = False

    def _drain(self) -> None:
        """Run turns until the queue is empty or the time slice is used up."""
        queue = self._queue
        take = self._take
        clock = self._clock
        before = clock()
        end = before + self._slice
        self._draining = True
        job: Message | Job | None = None
        try:
            while queue and self._held is None:
                job = take()
                if isinstance(job, Message):
                    self._deliver(job)
                else:
                    job.run(self)
                now = clock()
                if now - before > self._slow:
                    what = job.describe() if isinstance(job, Message) else repr(job)
                    report_slow(self.name, what, now - before)
                before = now
                if now > end:
                    break
        finally:
            job = None  # this frame may be kept by the traceback of a failure
            self._draining = self._awake = False
            # Another thread may have added to the queue just before, and relied on our being awake.
            if queue and self._held is None:
                self._wake()

    def expect(self) -> bool:
        """Ask the loop for nothing from here on: `drain_now` follows, and must be told what this returns."""
        if self._awake or self._stopped:
            return False
        self._awake = True
        return True

    def drain_now(self, expected: bool = False) -> None:
        """Run what waits at once, instead of at the next tick of the loop.

        For the owner of a session, which has just brought in messages: saves a tick of latency.
        Does nothing while a turn is open, or while its effects set out: they keep their order.
        """
        if self._queue and not self._draining and not self._open and self._held is None:
            self._awake = True
            self._context.run(self._run_turns)
        elif expected:
            self._awake = False
            if self._queue:
                self._wake()

    def _deliver(self, message: Message) -> None:
        target: LocalRef = message.target  # type: ignore[assignment]  # no other is for this queue
        behaviour = target._behaviour
        answer = message.answer
        result: Any
        if type(behaviour) is Nobody:
            message.fail(behaviour.error)
            return
        self._open = True
        self._running = target
        try:
            result = invoke(behaviour, message.args)
            asynchronous = type(result) is _COROUTINE
            if answer is not None and not asynchronous:
                result = pass_value(result, self, "result")
        except BaseException as error:
            if self._recording:
                self._journal.message(self, message, error)
            self._abandon()
            message.fail(reason_of(error))
            if isinstance(error, KeyboardInterrupt):
                raise
            # The frames of the traceback lead back to this one: no cycle through the promise, so
            # that a failure which nobody listens to is reported now, and not by the collector.
            del message, answer
            return
        if self._recording and not asynchronous:
            self._journal.message(self, message, None)
        self._commit()
        if asynchronous:
            self._start(result, answer, message.describe(), target, message)
        elif answer is not None:
            if answer._at is self:  # as it is for a session's messages: a call less
                answer._resolve_here(result)
            else:
                self._settle(answer, result)

    def _invoke(self, reference: LocalRef, args: tuple[object, ...]) -> Any:
        behaviour = reference._behaviour
        if type(behaviour) is Nobody:
            if type(behaviour.error) is NoSuchMoment:
                raise behaviour.error.with_traceback(None)
            what = _NOT_YET if behaviour is _UNMADE else "this object never came to be"
            raise HobgoblinError(what) from behaviour.error
        return invoke(behaviour, args)

    def _turn_now(self, work: Callable[[], Any]) -> Any:
        """Run ``work`` as a turn right away, in the caller's stack, and raise what it raises."""
        return self._context.copy().run(self._turn_in_context, work)

    def _turn_in_context(self, work: Callable[[], Any], job: object = None) -> Any:
        self._begin(None)
        try:
            result = work()
        except BaseException as error:
            if self._recording:
                self._journal.note(self, None, None, "a constructor", 0, cause_of(job), error)
            self._abandon()
            raise
        if self._recording:
            self._journal.note(self, None, None, "a constructor", 0, cause_of(job), None)
        self._commit()
        return result

    def _born(self, reference: LocalRef, make: Make) -> LocalRef:
        """Construct the behaviour of a new object within the open turn."""
        savepoint = savepoint_of(self)
        outer = self._running
        self._running = None  # a constructor can't make its creator become something else
        try:
            behaviour = make(reference)
        except BaseException:
            roll_back(self, savepoint)
            reference._behaviour = Nobody(HobgoblinError("its constructor failed; it never came to be"))
            raise
        finally:
            self._running = outer
        reference._behaviour = behaviour
        if isinstance(behaviour, Actor):
            adopt(behaviour, reference, self)
        self._spawned.append(reference)
        return reference

    def _start(
        self,
        coroutine: Coroutine[Any, Any, Any],
        answer: Promise[Any] | None,
        what: str,
        running: LocalRef | None,
        job: object,
    ) -> None:
        message = job if type(job) is Message else None
        cause = cause_of(job) if self._recording else None
        stretches = Stretches(self, coroutine, answer, what, running, message, cause)
        self._stretches[stretches] = None
        self._held = stretches
        try:
            stretches.start(self._host, self._context.copy())
        except RuntimeError:
            # The loop is closed for good, and with it this vat.
            self._stop_here(closed=True)

    def _start_later(self, coroutine: Coroutine[Any, Any, Any], running: LocalRef | None) -> Promise[Any]:
        answer: Promise[Any] = Promise(self)
        self._effects.append(NearCoroutine(self, coroutine, answer, running))
        return answer

    def _stop_error(self) -> VatStopped:
        return VatStopped(f"{self.name} {self._ended}")


def _open_turn() -> Vat | None:
    """Return the vat whose turn is open in this thread, if any."""
    home = current_home.get()
    if isinstance(home, Vat) and home._open and home._host.here():
        return home
    return None
