"""References: what they are compared by, and everything that they refuse."""

import asyncio
import copy
import json
import math
import operator
import os
import pickle
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from hobgoblin.errors import HobgoblinError, NotATarget, PromiseCycle
from hobgoblin.loops import spawn_vat
from hobgoblin.refs import (
    BROKEN,
    FULFILLED,
    PENDING,
    ROUTE_ANSWER,
    ROUTE_IMPORT,
    Follower,
    LocalRef,
    Message,
    Promise,
    Ref,
    RemoteRef,
)
from hobgoblin.values import Symbol
from hobgoblin.vat import Actor, Vat, method, new_promise, send, send_only


class Secret(Actor):
    def __init__(self, secret: str = "s3cr3t") -> None:
        self.secret = secret
        self.calls = 0

    @method
    def touch(self, *args: object) -> int:
        self.calls += 1
        return self.calls

    @method
    def me(self) -> "Secret":
        return self

    def __repr__(self) -> str:
        raise AssertionError("repr reached the object")

    __str__ = __repr__


class Wire:
    """The way to a peer of which the test plays the other end."""

    def __init__(self, vat: Vat) -> None:
        self.home = vat
        self.sent: list[Message] = []
        self.listened: list[Promise[Any]] = []

    def accept(self, message: Message) -> None:
        self.sent.append(message)

    def listen(self, promise: Promise[Any]) -> None:
        self.listened.append(promise)

    def verbs(self) -> list[str]:
        return [message.args[0].name for message in self.sent]


def in_vat(main: Callable[[Vat], Any]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(60):
            await main(spawn_vat())

    asyncio.run(guarded())


KINDS = ["near", "remote", "promise"]


def make(kind: str, vat: Vat) -> Any:
    if kind == "near":
        return vat.spawn(Secret)
    return RemoteRef(Wire(vat), 4) if kind == "remote" else Promise(vat)


OPERATIONS: dict[str, Callable[[Any], object]] = {
    "bool": bool,
    "not": operator.not_,
    "len": len,
    "iter": iter,
    "list": list,
    "tuple": tuple,
    "set": set,
    "next": next,
    "reversed": reversed,
    "unpack": lambda r: [*r],
    "in": lambda r: 1 in r,
    "item": lambda r: r[0],
    "slice": lambda r: r[1:2],
    "set item": lambda r: operator.setitem(r, 0, 1),
    "del item": lambda r: operator.delitem(r, 0),
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "range": range,
    "bytes": bytes,
    "round": round,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    "divmod": lambda r: divmod(r, 2),
    "divmod reflected": lambda r: divmod(2, r),
    "pow": lambda r: pow(r, 2),
    "pow reflected": lambda r: pow(2, r),
    "sorted": lambda r: sorted([r, r]),
    "max": lambda r: max(r, r),
    "sum": lambda r: sum([r]),
    "join": lambda r: "".join(r),
    "with": lambda r: r.__enter__(),
    "aenter": lambda r: r.__aenter__(),
    "aiter": aiter,
    "anext": anext,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda r: copy.deepcopy([r]),
    "pickle": pickle.dumps,
    "old pickle": lambda r: pickle.dumps(r, 0),
    "reduce": lambda r: r.__reduce__(),
    "json": json.dumps,
    "json key": lambda r: json.dumps({r: 1}),
    "fspath": os.fspath,
    "open": lambda r: open(r),  # noqa: SIM115
    "memoryview": memoryview,
    "numpy": lambda r: r.__array__(),
    "numpy ufunc": lambda r: r.__array_ufunc__(None, "call"),
    "dlpack": lambda r: r.__dlpack__(),
    "isinstance of": lambda r: isinstance(1, r),
    "except": lambda r: [None for _ in [r.__exit__(None, None, None)]],
    "vars": vars,
    "subclass": lambda r: type("X", (r,), {}),
}

OPERATORS = (
    "lt le gt ge add sub mul matmul truediv floordiv mod lshift rshift and_ or_ xor iadd isub imul imatmul "
    "itruediv ifloordiv imod ipow ilshift irshift iand ior ixor"
)
for _name in OPERATORS.split():
    OPERATIONS[_name] = partial(lambda operate, r: operate(r, 2), getattr(operator, _name))
    OPERATIONS[f"{_name} reflected"] = partial(lambda operate, r: operate(2, r), getattr(operator, _name))

# Python refuses these by itself, in its own words.
OWN_WORDS = {"json", "json key", "isinstance of", "vars", "subclass", "join", "range", "memoryview"}


@pytest.mark.parametrize(
    ("kind", "name"),
    # A promise alone can be indexed.
    [(kind, name) for kind in KINDS for name in OPERATIONS if (kind, name) != ("promise", "item")],
)
def test_a_reference_has_no_behaviour(kind: str, name: str) -> None:
    async def main(vat: Vat) -> None:
        ref = make(kind, vat)
        with pytest.raises(TypeError) as caught:
            OPERATIONS[name](ref)
        if kind == "promise" and name == "slice":
            assert "await it" in str(caught.value)
        elif name not in OWN_WORDS:
            assert "await" in str(caught.value)
            assert "call a method on it" in str(caught.value)
        if kind == "near":
            assert await ref.touch() == 1, "it was called"
        elif kind == "remote":
            assert ref._sink.sent == []

    in_vat(main)


@pytest.mark.parametrize("kind", KINDS)
def test_every_operator_of_python_is_refused(kind: str) -> None:
    """Whatever special method a built-in number, sequence, mapping, file or context has."""
    kept = set(dir(object)) - {"__lt__", "__le__", "__gt__", "__ge__", "__reduce__", "__reduce_ex__"}
    kept |= {"__class_getitem__", "__del__", "__match_args__", "__orig_bases__", "__static_attributes__"}
    kept |= {"__getattr__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__"}
    sources = [int, float, complex, str, bytes, list, dict, set, range, memoryview, type(iter([]))]
    specials = {name for source in sources for name in dir(source) if name.startswith("__")} - kept
    specials -= {"__getformat__", "__getnewargs__"}

    async def main(vat: Vat) -> None:
        ref = make(kind, vat)
        assert len(specials) > 40
        for name in specials - ({"__getitem__"} if kind == "promise" else set()):
            refused = getattr(type(ref), name)
            answers: list[str] = []
            for operands in range(3):  # one of these is what it takes
                with pytest.raises(TypeError) as caught:
                    refused(ref, *[None] * operands)
                answers.append(str(caught.value))
            assert any("await" in answer for answer in answers), answers
            assert refused.__name__ == name

    in_vat(main)


@pytest.mark.parametrize("kind", KINDS)
def test_printing_tells_nothing_and_calls_nothing(kind: str) -> None:
    async def main(vat: Vat) -> None:
        ref = make(kind, vat)
        texts = [repr(ref), str(ref), f"{ref}", f"{ref!r:>40}", f"{ref}", repr(ref.touch), f"{[ref]}"]
        for text in texts:
            assert "s3cr3t" not in text
            assert "0x" not in text
        assert len(f"{ref:>40}") == 40
        assert dir(ref) == []
        for probe in (
            "_repr_html_",
            "_ipython_display_",
            "__rich_repr__",
            "__html__",
            "__json__",
            "__conform__",
        ):
            assert not hasattr(ref, probe)
        if kind == "near":
            assert await ref.touch() == 1

    in_vat(main)


def test_how_references_look() -> None:
    async def main(vat: Vat) -> None:
        near = vat.spawn(Secret)
        promise, resolver = await vat.run(new_promise)
        assert [repr(near), repr(RemoteRef(Wire(vat), 1)), repr(promise)] == [
            "<Ref Secret>",
            "<Ref remote>",
            "<Promise pending>",
        ]
        assert repr(near.touch) == "<touch of <Ref Secret>>"
        assert repr(vat.spawn(test_how_references_look)) == "<Ref test_how_references_look>"
        await resolver.fulfill(near)
        assert repr(promise) == "<Promise fulfilled>"
        with pytest.raises(HobgoblinError):
            await (broken := near.unknown())
        assert repr(broken) == "<Promise broken>"

    in_vat(main)


def test_identity() -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Secret)
        other = vat.spawn(Secret)
        assert await ref.me() is ref
        assert await ref is ref
        assert ref == ref
        assert ref != other
        assert len({ref, other, await ref.me()}) == 2
        assert {ref: 1}[await ref.me()] == 1
        promise = ref.me()
        assert promise != ref  # a promise is never what it resolves to
        assert await promise == ref
        assert await promise == ref
        assert [other, ref].index(ref) == 1

    in_vat(main)


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_can_be_neither_set_nor_deleted(kind: str) -> None:
    async def main(vat: Vat) -> None:
        ref = make(kind, vat)
        with pytest.raises(AttributeError):
            ref.color = "red"
        with pytest.raises(AttributeError):
            del ref.color
        with pytest.raises(AttributeError):
            ref.touch.name = "x"

    in_vat(main)


@pytest.mark.parametrize("kind", KINDS)
def test_a_promise_is_no_future_of_asyncio(kind: str) -> None:
    async def main(vat: Vat) -> None:
        ref = make(kind, vat)
        for name in ("add_done_callback", "remove_done_callback", "get_loop"):
            with pytest.raises(
                AttributeError, match=r"no asyncio future: await it, .* asyncio.ensure_future\(promise\)"
            ):
                getattr(ref, name)
        with pytest.raises((AttributeError, TypeError), match="no asyncio future"):
            await asyncio.wait([ref])
        # Names that an object may well have.
        for name in ("done", "cancel", "result", "exception", "cancelled"):
            assert repr(getattr(ref, name)).startswith(f"<{name} of")
        if kind == "near":
            assert await ref.touch() == 1
        elif kind == "remote":
            assert ref._sink.sent == []

    in_vat(main)


def test_the_methods_that_futures_have_can_be_sent_by_name() -> None:
    class Looped(Actor):
        @method
        def get_loop(self) -> str:
            return "mine"

    async def main(vat: Vat) -> None:
        assert await send(vat.spawn(Looped), Symbol("get-loop")) == "mine"

    in_vat(main)


# A future's callbacks are compared with others: see below.
BOUND_OPERATIONS = OPERATIONS | {
    "eq": lambda b: b == 5,
    "ne": lambda b: b != "x",
    "eq reflected": lambda b: 5 == b,  # noqa: SIM300
    "eq None": lambda b: b == None,  # noqa: E711
    "eq itself": lambda b: b == b,
    "eq a reference": lambda b: b == b._target,
    "eq a class": lambda b: b == int,  # noqa: E721
    "condition": lambda b: 1 if b else 2,
    "in a list": lambda b: b in [5],
}


@pytest.mark.parametrize("name", BOUND_OPERATIONS)
def test_a_method_that_was_not_called_has_no_behaviour(name: str) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Secret)
        bound: Any = ref.touch
        with pytest.raises((TypeError, AttributeError)) as caught:
            BOUND_OPERATIONS[name](bound)
        if name not in OWN_WORDS:
            assert "call it first, as in `ref.touch(…)`" in str(caught.value)
            assert "<touch of <Ref Secret>>" in str(caught.value)
        assert await ref.touch() == 1

    in_vat(main)


def test_an_attribute_of_a_method_that_was_not_called() -> None:
    async def main(vat: Vat) -> None:
        bound: Any = vat.spawn(Secret).me
        for name in ("touch", "_private", "__name__", "__wrapped__"):
            with pytest.raises(AttributeError, match=r"call it first, as in `ref\.me\(…\)`"):
                getattr(bound, name)
        assert callable(bound)
        assert not hasattr(bound, "__name__")
        assert {bound: 1}[bound] == 1
        assert len({bound, vat.spawn(Secret).me}) == 2

    in_vat(main)


def test_a_method_as_a_callback_among_others() -> None:
    """asyncio looks for a callback of its own among those of a future."""

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Secret)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        callback = vat.spawn(lambda *_: ref.touch()).go
        future.add_done_callback(lambda _: callback())
        future.add_done_callback(callback)
        assert await asyncio.wait([future], timeout=0.001) == (set(), {future})
        assert future.remove_done_callback(callback) == 1
        future.set_result(1)
        assert await asyncio.wait([future], timeout=60) == ({future}, set())

    in_vat(main)


def test_a_method_of_a_reference_is_no_promise() -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(TypeError, match="call it, and await what it returns"):
            await vat.spawn(Secret).touch

    in_vat(main)


def test_what_abstract_base_classes_say() -> None:
    """They look for methods and find those that refuse; so test with ``isinstance(x, Ref)`` first."""
    from collections.abc import Awaitable, Hashable, Iterable, Mapping, Sequence

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Secret)
        assert isinstance(ref, Ref)
        assert isinstance(ref, Awaitable)
        assert isinstance(ref, Hashable)
        assert isinstance(ref, Iterable)
        assert not isinstance(ref, Mapping | Sequence | int | str | Actor)

    in_vat(main)


def test_nothing_leads_back_from_a_reference_but_a_send() -> None:
    """Within one process that is a matter of good manners; but no public name and no copy leads to it."""

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Secret)
        # No name without an underscore is anything but a send.
        assert {name for name in dir(type(ref)) if not name.startswith("_")} == set()
        assert {name for name in dir(Promise) if not name.startswith("_")} == set()
        # A reference that looks alike is not the same, and reaches nothing of the other.
        fake = LocalRef(vat, Secret())
        assert fake != ref
        await fake.touch()
        assert await ref.touch() == 1
        for bare in (Ref(), Promise.__new__(Promise)):
            with pytest.raises((NotImplementedError, AttributeError)):
                bare.touch()
        with pytest.raises(NotImplementedError):
            Message(Ref(), (), None, vat, None).dispatch()

    in_vat(main)


def test_a_send_from_no_python_code_at_all() -> None:
    import _thread

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Secret)
        _thread.start_new_thread(ref.touch, ())
        _thread.start_new_thread(ref, ())
        promise, resolver = await vat.run(new_promise)
        _thread.start_new_thread(send_only(resolver.fulfill), (7,))
        assert await promise == 7

    in_vat(main)


class TestRoutes:
    """Promises whose decider is at a peer: where messages go, and in which order they arrive."""

    def test_messages_follow_the_question_at_once(self) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            answer: Any = Promise(vat)
            answer._set_route(wire, ROUTE_ANSWER, 7)
            answer.first()
            answer.second()
            assert wire.verbs() == ["first", "second"]
            assert all(message.target is answer for message in wire.sent)
            assert wire.listened == []

        in_vat(main)

    def test_messages_that_waited_set_out_when_the_way_is_known(self) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            answer: Any = Promise(vat)
            answer.first()
            answer.second()
            answer._set_route(wire, ROUTE_ANSWER, 7)
            answer.third()
            assert wire.verbs() == ["first", "second", "third"]

        in_vat(main)

    def test_messages_that_waited_for_a_follower_go_to_what_it_follows(self) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            follower: Any = Promise(vat)
            answer: Any = Promise(vat)
            follower.first()
            follower._resolve(answer)
            follower.second()
            answer._set_route(wire, ROUTE_ANSWER, 7)
            assert [message.target for message in wire.sent] == [answer, answer]

        in_vat(main)

    @pytest.mark.parametrize("before", [True, False])
    def test_the_peer_is_asked_once_how_an_imported_promise_settles(self, before: bool) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            promise: Any = Promise(vat)
            if before:
                promise._listen(Follower(Promise(vat)))
                promise._set_route(wire, ROUTE_IMPORT, 3)
            else:
                promise._set_route(wire, ROUTE_IMPORT, 3)
                assert wire.listened == []
                promise._listen(Follower(Promise(vat)))
            promise._listen(Follower(Promise(vat)))
            assert wire.listened == [promise]

        in_vat(main)

    def test_order_is_kept_when_it_settles_to_an_object_elsewhere(self) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            here = vat.spawn(Secret)
            used: Any = Promise(vat)
            used._set_route(wire, ROUTE_ANSWER, 7)
            used.first()
            used._resolve(here)
            assert used._state == FULFILLED
            used.second()  # what went before is still under way: this may not overtake it
            assert wire.verbs() == ["first", "second"]
            unused: Any = Promise(vat)
            unused._set_route(wire, ROUTE_ANSWER, 8)
            unused._resolve(here)
            assert await unused.touch() == 1
            assert len(wire.sent) == 2

        in_vat(main)

    def test_the_way_that_is_in_use_is_kept_whatever_the_promise_resolves_to(self) -> None:
        async def main(vat: Vat) -> None:
            wire, other = Wire(vat), Wire(vat)
            answer: Any = Promise(vat)
            answer._set_route(wire, ROUTE_ANSWER, 7)
            answer.first()
            there = RemoteRef(wire, 4)
            answer._resolve(there)
            answer.second()
            # The peer may have passed the first one on, for what was a promise there as well.
            assert [message.target for message in wire.sent] == [answer, answer]
            third_party: Any = Promise(vat)
            third_party._set_route(wire, ROUTE_ANSWER, 8)
            third_party.third()
            third_party._resolve(RemoteRef(other, 4))
            third_party.fourth()
            assert wire.verbs() == ["first", "second", "third", "fourth"]
            assert other.sent == []

        in_vat(main)

    def test_order_is_kept_when_it_follows_another_promise(self) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            answer: Any = Promise(vat)
            answer._set_route(wire, ROUTE_ANSWER, 7)
            answer.first()
            end: Any = Promise(vat)
            answer._resolve(end)
            answer.second()
            end._resolve(vat.spawn(Secret))
            answer.third()
            assert wire.verbs() == ["first", "second", "third"]

        in_vat(main)

    def test_a_broken_one_breaks_what_comes_after(self) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            answer: Any = Promise(vat)
            answer._set_route(wire, ROUTE_ANSWER, 7)
            answer.first()
            answer._break(ConnectionError("severed"))
            with pytest.raises(ConnectionError):
                await answer.second()
            assert wire.verbs() == ["first"]

        in_vat(main)

    def test_sends_to_remote_objects(self) -> None:
        async def main(vat: Vat) -> None:
            wire = Wire(vat)
            remote: Any = RemoteRef(wire, 4)
            promise = remote.greet("you", loud=True)
            send_only(remote.note)(1)
            remote("bare")
            assert [message.args[0] for message in wire.sent] == [Symbol("greet"), Symbol("note"), "bare"]
            assert wire.sent[1].answer is None
            wire.sent[0].answer._resolve("hello")
            assert await promise == "hello"
            assert await remote is remote

        in_vat(main)


class TestSettling:
    def test_the_first_resolution_wins(self) -> None:
        async def main(vat: Vat) -> None:
            for first in ("value", "error", "promise"):
                promise: Promise[Any] = Promise(vat)
                other: Promise[Any] = Promise(vat)
                error = ValueError("x")
                match first:
                    case "value":
                        promise._resolve(1)
                    case "error":
                        promise._break(error)
                        promise._heard = True
                    case _:
                        promise._resolve(other)
                promise._resolve(2)
                promise._break(KeyError())
                promise._resolve(Promise(vat))
                other._resolve(3)
                assert promise._value == {"value": 1, "error": error, "promise": 3}[first]

        in_vat(main)

    def test_a_promise_of_itself_breaks(self) -> None:
        async def main(vat: Vat) -> None:
            promise: Promise[Any] = Promise(vat)
            promise._resolve(promise)
            with pytest.raises(PromiseCycle):
                await promise

        in_vat(main)

    @pytest.mark.parametrize("length", [2, 3, 1000])
    @pytest.mark.parametrize("backwards", [False, True])
    def test_a_ring_of_promises_breaks(self, length: int, backwards: bool) -> None:
        async def main(vat: Vat) -> None:
            ring: list[Promise[Any]] = [Promise(vat) for _ in range(length)]
            pairs = [(ring[i], ring[(i + 1) % length]) for i in range(length)]
            for one, next_ in reversed(pairs) if backwards else pairs:
                one._resolve(next_)
            for promise in ring:
                with pytest.raises(PromiseCycle):
                    await promise

        in_vat(main)

    @pytest.mark.without_coverage
    @pytest.mark.parametrize("backwards", [False, True])
    def test_a_chain_of_100_000_promises_settles(self, backwards: bool) -> None:
        async def main(vat: Vat) -> None:
            chain: list[Any] = [Promise(vat) for _ in range(100_000)]
            pairs = list(pairwise(chain))
            for one, next_ in reversed(pairs) if backwards else pairs:
                one._resolve(next_)
            queued = chain[0].touch()
            assert chain[0]._state not in {PENDING, FULFILLED, BROKEN}
            chain[-1]._resolve(vat.spawn(Secret))
            assert await queued == 1
            assert await chain[0].touch() == 2
            assert await chain[50_000].touch() == 3

        in_vat(main)

    @pytest.mark.without_coverage
    @pytest.mark.parametrize("how", ["break", "data"])
    def test_100_000_calls_pipelined_one_on_another_break(self, how: str) -> None:
        async def main(vat: Vat) -> None:
            first: Any = Promise(vat)
            promise = first
            for _ in range(100_000):
                promise = promise.touch()
            if how == "break":
                first._break(ValueError("no"))
            else:
                first._resolve({"plain": "data"})
            with pytest.raises(ValueError if how == "break" else NotATarget):
                await promise

        in_vat(main)
