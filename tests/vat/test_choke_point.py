"""What a message may call: the methods that a class declares, and nothing else."""

import asyncio
import inspect
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hobgoblin.errors import BadArguments, HobgoblinError, NoSuchMethod, NotInVat
from hobgoblin.loops import spawn_vat
from hobgoblin.netlayers import Memory, MemoryNetwork
from hobgoblin.peer import Peer
from hobgoblin.values import Keyword, Symbol
from hobgoblin.vat import Actor, Function, Vat, method, near, send, spawn
from hobgoblin.vat.invoke import invoke


class Base(Actor):
    def __init__(self) -> None:
        self.secret = "s3cr3t"
        self.calls: tuple[str, ...] = ()

    @method
    def greet(self, name: str = "you") -> str:
        return f"hello {name}"

    @method
    def hidden_later(self) -> str:
        return "visible"

    @method
    def plain(self, a: int, b: int = 0, *, c: int = 0) -> tuple[int, int, int]:
        return a, b, c

    def undeclared(self) -> str:
        raise AssertionError("reached")

    def _private(self) -> str:
        raise AssertionError("reached")

    @property
    def trap(self) -> str:
        raise AssertionError("a property was read")

    @staticmethod
    def static() -> str:
        raise AssertionError("reached")

    @classmethod
    def make(cls) -> str:
        raise AssertionError("reached")

    attribute = staticmethod(lambda: "reached")


class Derived(Base):
    @method
    def greet(self, name: str = "you") -> str:
        return near(super().greet)(name=name) + "!"

    def hidden_later(self) -> str:  # type: ignore[override]
        raise AssertionError("an override without @method was reached")

    @method("exactName")
    def exact(self) -> str:
        return "exact"

    @method
    def two_words(self) -> int:
        return 2


DECLARED = {"greet", "plain", "exact", "exactName", "two_words"}
UNDECLARED = sorted(
    ({name for name, _ in inspect.getmembers_static(Derived)} | {"secret", "calls", "__dict__", "__slots__"})
    | {"__call__", "__getattribute__", "__await__", "__globals__", "__code__", "func_globals", "mro", ""}
    - DECLARED
)


def test_everything_that_is_not_declared_is_out_of_reach(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Derived)
        names = [name for name in UNDECLARED if name not in DECLARED]
        assert len(names) > 40
        assert {"__class__", "__init__", "__reduce__", "_private", "trap", "_hob_methods"} <= set(names)
        for name in names:
            for spelling in {name, name.replace("_", "-")}:
                for verb in (Symbol(spelling), spelling):
                    with pytest.raises(NoSuchMethod):
                        await send(ref, verb)
        assert await ref.greet() == "hello you!"

    run(main)


def test_names_with_an_underscore_in_front_are_refused_before_anything_is_sent(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Derived)
        for name in ("_private", "__secret", "__len", "_hob_methods", "__wrapped__"):
            with pytest.raises(AttributeError, match="can't be reached through a reference"):
                getattr(ref, name)

    run(main)


@given(st.text() | st.sampled_from(sorted({*dir(Derived), *dir(type), *dir(int)})))
def test_no_name_reaches_more_than_what_is_declared(name: str) -> None:
    actor = Derived()
    if name.replace("-", "_") in {"exact", "exactName", "two_words"}:
        invoke(actor, (Symbol(name),))
    elif name == "greet":
        with pytest.raises(NotInVat):  # it was reached: it calls super() with near()
            invoke(actor, (Symbol(name),))
    elif name == "plain":
        with pytest.raises(BadArguments):
            invoke(actor, (Symbol(name),))
    else:
        with pytest.raises(NoSuchMethod):
            invoke(actor, (Symbol(name),))
        with pytest.raises(NoSuchMethod):
            invoke(actor, (name,))


@given(st.lists(st.none() | st.booleans() | st.integers() | st.binary() | st.floats(), max_size=3))
def test_a_message_without_a_name_reaches_no_method(args: list[object]) -> None:
    with pytest.raises(NoSuchMethod, match="name a method"):
        invoke(Derived(), tuple(args))


def test_what_an_instance_or_a_class_gets_later_is_not_declared() -> None:
    class Late(Actor):
        pass

    actor = Late()
    Late.added = method(lambda self: "class")  # type: ignore[attr-defined]
    vars(actor)["other"] = lambda: "instance"
    for name in ("added", "other"):
        with pytest.raises(NoSuchMethod):
            invoke(actor, (Symbol(name),))


def test_hyphen_and_underscore_are_the_same(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Derived)
        for name in ("two-words", "two_words"):
            assert await send(ref, Symbol(name)) == 2
            assert await send(ref, name) == 2  # a plain string names a method, as in Endo
        assert await ref.two_words() == 2
        assert await send(ref, Symbol("exactName")) == "exact"
        assert await ref.exactName() == "exact"
        assert await ref.exact() == "exact"

    run(main)


def test_mixed_spellings_of_a_long_name() -> None:
    class Long(Actor):
        @method
        def one_two_three(self) -> int:
            return 123

    for name in ("one-two-three", "one_two_three", "one-two_three", "one_two-three"):
        assert invoke(Long(), (Symbol(name),)) == 123


def test_without_an_override_an_inherited_method_is_reachable_with_one_it_is_the_override(run: Any) -> None:
    async def main(vat: Vat) -> None:
        assert await vat.spawn(Base).hidden_later() == "visible"
        with pytest.raises(NoSuchMethod, match="'hidden-later'"):
            await vat.spawn(Derived).hidden_later()

    run(main)


def test_an_attribute_that_hides_a_method_hides_it() -> None:
    class Hidden(Base):
        greet = None  # type: ignore[assignment]

    with pytest.raises(NoSuchMethod):
        invoke(Hidden(), (Symbol("greet"),))


def test_a_mixin_brings_its_methods() -> None:
    class Mixin:
        @method
        def extra(self) -> int:
            return 7

    class Mixed(Mixin, Base):
        pass

    assert invoke(Mixed(), (Symbol("extra"),)) == 7
    assert invoke(Mixed(), (Symbol("greet"),)) == "hello you"


class Callable1(Actor):
    def __init__(self) -> None:
        self.sum = 0

    @method
    def __call__(self, amount: int = 1) -> int:
        self.sum += amount
        return self.sum

    @method
    def twice(self, amount: int) -> Any:
        return self(amount * 2)

    @method
    def twice_now(self, amount: int) -> int:
        return near(self.__call__)(amount * 2)


class MoreCallable(Callable1):
    @method
    def __call__(self, amount: int = 1) -> int:
        return near(super().__call__)(amount) * 100


class OnlyCallable(Actor):
    @method
    def __call__(self, *args: object) -> tuple[object, ...]:
        return args


def test_call_is_a_method_when_it_is_declared(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Callable1)
        assert await ref(2) == 2
        assert await ref(amount=3) == 5
        assert await ref() == 6
        assert await ref.twice(1) == 8
        assert await ref.twice_now(1) == 10
        assert await vat.spawn(MoreCallable)(1) == 100
        with pytest.raises(NoSuchMethod):
            await send(ref, Symbol("unknown"))
        with pytest.raises(NoSuchMethod):
            await send(ref, Symbol("__call__"))
        with pytest.raises(BadArguments):
            await ref(1, 2)
        # With __call__ declared, text is an argument and no name.
        assert await send(ref, 5) == 15
        with pytest.raises(TypeError):
            await send(ref, "twice")
        with pytest.raises(NoSuchMethod, match="name a method"):
            await vat.spawn(Base)(1)

    run(main)


def test_an_object_that_only_has_call_takes_symbols_as_data(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(OnlyCallable)
        assert await send(ref, Symbol("anything"), 1) == (Symbol("anything"), 1)
        assert await ref.anything(1) == (Symbol("anything"), 1)
        assert await ref("text") == ("text",)
        assert await ref() == ()

    run(main)


def test_functions_take_all_arguments_as_they_are(run: Any) -> None:
    async def main(vat: Vat) -> None:
        def collect(*args: object, **kwargs: object) -> object:
            return [args, kwargs]

        ref = vat.spawn(collect)
        assert await ref(1, "a", key_word=2) == ((1, "a"), {"key_word": 2})
        assert await ref.name(3) == ((Symbol("name"), 3), {})
        assert await vat.spawn(len)([1, 2]) == 2
        bound = [4, 5].count
        assert await vat.spawn(bound)(4) == 1

    run(main)


def test_keyword_arguments(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Base)
        assert await ref.plain(1) == (1, 0, 0)
        assert await ref.plain(1, c=3) == (1, 0, 3)
        assert await ref.plain(a=1, b=2, c=3) == (1, 2, 3)
        assert await send(ref, Symbol("plain"), 1, c=2) == (1, 0, 2)
        assert await send(ref, Symbol("plain"), 1, Keyword("c"), 2) == (1, 0, 2)

        def names(**kwargs: int) -> list[str]:
            return sorted(kwargs)

        assert await vat.spawn(names)(long_name=1) == ("long_name",)
        assert await send(vat.spawn(names), Keyword("long-name"), 1) == ("long_name",)

    run(main)


@pytest.mark.parametrize(
    "args",
    [
        (1, Keyword("c")),
        (Keyword("a"),),
        (1, Keyword("c"), 2, 3),
        (1, Keyword("c"), 2, Keyword("c"), 3),
        (1, Keyword("c"), Keyword("b"), 3),
        (Keyword("self"), 1),
        (Keyword("a"), 1, Keyword("__class__"), 2),
        (Keyword("a"), 1, Keyword("unknown"), 2),
        (1, Keyword("a"), 2),
        (),
        (1, 2, 3),
    ],
)
def test_arguments_that_do_not_fit(args: tuple[object, ...]) -> None:
    with pytest.raises(BadArguments):
        invoke(Base(), (Symbol("plain"), *args))


def test_a_type_error_of_the_body_is_no_bad_arguments(run: Any) -> None:
    class Picky(Actor):
        @method
        def direct(self) -> None:
            raise TypeError("mine")

        @method
        def nested(self) -> int:
            return (lambda x: x)()  # type: ignore[call-arg, misc]

        @method
        async def later(self) -> None:
            raise TypeError("mine")

        @method
        async def needs_one(self, one: int) -> None: ...

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Picky)
        for bound in (ref.direct, ref.nested, ref.later):
            with pytest.raises(TypeError) as caught:
                await bound()
            assert type(caught.value) is TypeError
        with pytest.raises(BadArguments, match="one"):
            await ref.needs_one()

    run(main)


def test_super_is_called_with_near(run: Any) -> None:
    class Top(Actor):
        def __init__(self) -> None:
            self.log: tuple[object, ...] = ()

        @method
        def note(self, what: object, *, times: int = 1) -> int:
            self.log += (what,) * times
            return len(self.log)

        @method
        def fail(self, what: object) -> None:
            self.log += (what,)
            raise ValueError(what)

        @method
        def get(self) -> object:
            return self.log

    class Bottom(Top):
        @method
        def note(self, what: object, *, times: int = 1) -> int:
            return near(super().note)(what, times=times + 1)

        @method
        def fail(self, what: object) -> None:
            try:
                near(super().fail)(what)
            except ValueError:
                self.log += ("caught",)

        @method
        def wrong(self) -> None:
            super().note("x")

        @method
        def missing(self) -> None:
            near(super().note)()  # type: ignore[call-arg]

        @method
        def leak(self) -> None:
            leaked.append(super().note)

    leaked: list[Any] = []

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Bottom)
        assert await ref.note("a", times=1) == 2
        await ref.fail("b")
        assert await ref.get() == ("a", "a", "caught")
        with pytest.raises(TypeError, match=r"call it with near\(super\(\).note\)"):
            await ref.wrong()
        with pytest.raises(BadArguments):
            await ref.missing()
        # It is not a way into an object of another vat.
        await ref.leak()
        other = spawn_vat("other")
        with pytest.raises(TypeError, match="does not live in the vat 'other'"):
            await other.run(lambda: near(leaked[0])("x"))
        assert await ref.get() == ("a", "a", "caught")

    run(main)


def test_an_actors_own_method_is_a_send_to_itself(run: Any) -> None:
    class Own(Actor):
        def __init__(self, early: bool = False) -> None:
            self.n = 0
            if early:
                self.step()

        @method
        def step(self) -> int:
            self.n += 1
            return self.n

        @method
        def go(self) -> Any:
            promise = self.step()
            assert self.n == 0
            assert near(self.step)() == 1
            return promise

    async def main(vat: Vat) -> None:
        assert await vat.spawn(Own).go() == 2
        assert await vat.spawn(Own, early=True).step() == 2  # sent by the constructor, it ran before
        for early in (False, True):
            with pytest.raises(NotInVat, match=r"use spawn\(Own"):
                Own(early).step()

    run(main)


def test_methods_are_found_through_references_held_by_nobody(run: Any) -> None:
    class Lonely(Actor):
        @method
        async def me(self) -> Any:
            await asyncio.sleep(0)
            return self

        @method
        def alive(self) -> bool:
            return True

    async def main(vat: Vat) -> None:
        me = await vat.spawn(Lonely).me()
        assert await me.alive()

        def drop() -> Any:
            actor = Lonely()
            spawn(actor)  # nobody holds the reference
            return actor.alive()

        assert await vat.run(drop)
        actor = Lonely()
        vat.spawn(actor)
        assert await vat.run(lambda: actor.alive())
        assert await (await vat.run(lambda: actor)).alive()

    run(main)


class TestDeclaring:
    def test_underscores_in_front_are_refused(self) -> None:
        for name in ("_private", "__len__", "__init__"):
            with pytest.raises(TypeError, match="can't start with an underscore"):
                type("Bad", (Actor,), {name: method(lambda self: None)})

    def test_one_name_for_two_methods_is_refused(self) -> None:
        with pytest.raises(TypeError, match="two methods are both called 'make_car'"):

            class Both(Actor):
                @method
                def make_car(self) -> None: ...

                @method("make-car")
                def other(self) -> None: ...

    def test_a_second_name_for_one_method_is_refused(self) -> None:
        with pytest.raises(TypeError, match="alias is first again"):

            class Twice(Actor):
                @method
                def first(self) -> None: ...

                alias = first

    @pytest.mark.parametrize("thing", [print, 5, staticmethod(len), property(len), int, None])
    def test_only_functions_can_be_declared(self, thing: Any) -> None:
        with pytest.raises(TypeError, match="plain and async functions"):
            method(thing)

    @pytest.mark.parametrize("around", [property, classmethod, staticmethod])
    def test_what_is_around_a_declared_method_is_refused(self, around: Any) -> None:
        with pytest.raises(
            TypeError, match=f"Odd.size: @method declares no {around.__name__}; write it alone"
        ):
            type("Odd", (Actor,), {"size": around(method(lambda self: 5))})

    def test_a_method_that_yields_is_refused_before_anybody_calls_it(self) -> None:
        def items(self: Any) -> Any:
            yield 1

        async def more(self: Any) -> Any:
            yield 1

        for function in (items, more):
            with pytest.raises(TypeError, match=r"which yields, .*: return a list, or take a function"):
                method(function)

    def test_a_lambda_goes_by_the_name_it_is_assigned_to(self, run: Any) -> None:
        class Short(Actor):
            answer = method(lambda self: 42)

            @method
            def ask(self) -> Any:
                return near(self.answer)()

        async def main(vat: Vat) -> None:
            assert await vat.spawn(Short).answer() == 42
            assert await vat.spawn(Short).ask() == 42

        run(main)

    def test_a_method_keeps_its_name_and_docstring(self) -> None:
        class Documented(Actor):
            @method
            def drive(self, fast: bool) -> str:
                """Drive."""
                return "vroom"

        assert Documented.drive.__name__ == "drive"
        assert Documented.drive.__doc__ == "Drive."
        assert list(inspect.signature(Documented.drive.function).parameters) == ["self", "fast"]
        assert "Documented.drive" in repr(Documented.drive)

    def test_a_long_unknown_name_is_cut_in_the_error(self) -> None:
        with pytest.raises(NoSuchMethod) as caught:
            invoke(Base(), (Symbol("x" * 10_000),))
        assert len(str(caught.value)) < 120

    def test_in_a_class_that_is_no_actor(self, run: Any) -> None:
        class Stray:
            @method
            def drive(self) -> None: ...

        with pytest.raises(TypeError, match=r"Stray is no Actor: write class Stray\(Actor\)"):
            Stray().drive()


class TestTheNoteOnAnUnknownMethod:
    """What helps whoever writes both sides; it stays in this process."""

    def test_it_says_what_there_is(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            ref = vat.spawn(Derived)
            for name, note in [
                ("greeet", "Derived declares greet, plain, exact, two_words"),
                ("undeclared", "; Derived.undeclared is not declared with @method"),
                ("hidden_later", "; Derived.hidden_later is not declared with @method"),
            ]:
                with pytest.raises(NoSuchMethod) as caught:
                    await getattr(ref, name)()
                assert str(caught.value) == f"no method {name.replace('_', '-')!r}"
                [noted] = caught.value.__notes__
                assert note in noted
                assert ("not declared" in noted) == ("not declared" in note)
            # Said of functions only, and nothing is read to find out.
            for name in ("trap", "static", "secret", "__init__", "_private", "attribute", ""):
                with pytest.raises(NoSuchMethod) as caught:
                    await send(ref, Symbol(name))
                assert "not declared" not in caught.value.__notes__[0]
            with pytest.raises(NoSuchMethod) as caught:
                await send(ref, 5)
            assert caught.value.__notes__ == ["Derived declares greet, plain, exact, two_words"]

        run(main)

    def test_of_objects_that_can_be_called_and_of_empty_ones(self) -> None:
        class Empty(Actor):
            pass

        big = type("Big", (Actor,), {f"m{n}": method(lambda self: None) for n in range(25)})
        for actor, note in [
            (Callable1(), "Callable1 declares twice, twice_now, and can be called itself"),
            (Empty(), "Empty declares no methods"),
            (big(), "m18, m19 and 5 more"),
        ]:
            with pytest.raises(NoSuchMethod) as caught:
                invoke(actor, (Symbol("unknown"),))
            assert caught.value.__notes__[0].endswith(note)

    def test_it_crosses_no_session(self) -> None:
        async def main() -> None:
            network = MemoryNetwork()
            async with Peer(Memory(network, "a")) as a, Peer(Memory(network, "b")) as b:
                ref: Any = b.enliven(a.publish(a.spawn(Derived)))
                with pytest.raises(HobgoblinError) as caught:
                    await ref.undeclared()
                assert "no method 'undeclared'" in str(caught.value)
                assert "Derived" not in "".join(traceback.format_exception(caught.value))

        asyncio.run(main())


def test_what_is_only_there_for_the_types_says_so(run: Any) -> None:
    async def main(vat: Vat) -> None:
        with pytest.raises(TypeError, match="has no instances"):
            Function()()
        with pytest.raises(TypeError, match="await a reference to this Base"):
            await Base()

    run(main)
