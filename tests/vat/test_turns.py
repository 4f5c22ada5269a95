"""A turn takes effect as a whole or not at all."""

import asyncio
from typing import Any

import pytest

from hobgoblin.errors import BrokenPromise, HobgoblinError, NotInVat, NotNear, NotPassable
from hobgoblin.loops import spawn_vat
from hobgoblin.refs import Promise, RemoteRef
from hobgoblin.vat import Actor, Vat, become, method, near, new_promise, on, send_only, spawn


class Cell(Actor):
    def __init__(self, value: object = 0) -> None:
        self.value = value

    @method
    def get(self) -> Any:
        return self.value

    @method
    def put(self, value: object) -> None:
        self.value = value

    @method
    def put_and_fail(self, value: object) -> None:
        self.value = value
        raise ValueError(value)


class Slotted(Actor):
    __slots__ = ("empty", "slot")

    def __init__(self) -> None:
        self.slot = 1
        self.attribute = 1

    @method
    def spoil(self, *, fail: bool) -> None:
        self.slot = 2
        self.slot = 3
        self.empty = 1
        self.attribute = 2
        self.new = 1
        del self.attribute
        self.late = 1
        del self.late
        del self.slot
        self.value = 7
        self._shadow = 9
        if fail:
            raise ValueError("spoiled")

    @property
    def value(self) -> int:
        return self._value

    @value.setter
    def value(self, value: int) -> None:
        self._value = value

    @method
    def state(self) -> dict[str, object]:
        names = ("slot", "empty", "attribute", "new", "late", "_value", "_shadow")
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    @method
    def clumsy(self) -> None:
        for name in ("missing", "empty", "state"):
            with pytest.raises(AttributeError):
                delattr(self, name)
        with pytest.raises(AttributeError):
            self.state_of_things = self.nothing  # type: ignore[attr-defined]
        raise ValueError

    @method
    def change_class(self) -> None:
        self.__class__ = Cell  # type: ignore[assignment]

    @method
    def change_dict(self) -> None:
        self.__dict__ = {}


def test_attributes_are_undone(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Slotted)
        before = {"slot": 1, "attribute": 1}
        assert await ref.state() == before
        with pytest.raises(ValueError, match="spoiled"):
            await ref.spoil(fail=True)
        assert await ref.state() == before
        with pytest.raises(ValueError):  # noqa: PT011
            await ref.clumsy()
        assert await ref.state() == before
        await ref.spoil(fail=False)
        after = {"empty": 1, "new": 1, "_value": 7, "_shadow": 9}
        assert await ref.state() == after
        with pytest.raises(ValueError, match="spoiled"):
            await ref.spoil(fail=True)
        assert await ref.state() == after

    run(main)


def test_class_and_dict_of_an_actor_stay(run: Any) -> None:
    async def main(vat: Vat) -> None:
        ref = vat.spawn(Slotted)
        for bound in (ref.change_class, ref.change_dict):
            with pytest.raises(TypeError, match=r"use become"):
                await bound()

    run(main)


def test_what_a_turn_changes_inside_of_an_attribute_is_not_undone(run: Any) -> None:
    """As documented: prefer values that are replaced as a whole."""

    class Listing(Actor):
        def __init__(self) -> None:
            self.items: list[int] = []

        @method
        def add(self) -> None:
            self.items.append(1)
            self.items = [*self.items, 2]
            raise ValueError

        @method
        def get(self) -> list[int]:
            return self.items

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Listing)
        with pytest.raises(ValueError):  # noqa: PT011
            await ref.add()
        assert await ref.get() == (1,)

    run(main)


def test_a_failed_turn_leaves_nothing_but_its_broken_promise(run: Any, errors: Any) -> None:
    leaked: dict[str, Any] = {}

    class Busy(Actor):
        def __init__(self, cell: Cell) -> None:
            self.cell = cell

        @method
        def work(self) -> None:
            leaked["ref"] = spawn(Cell, 5)
            leaked["instance"] = instance = Cell(6)
            leaked["spawned instance"] = spawn(instance)
            leaked["answer"] = self.cell.put("sent")
            send_only(self.cell.put)(value="sent only")
            leaked["pipelined"] = leaked["ref"].get()
            leaked["reaction"] = on(self.cell.get(), lambda v: handled.append(v), finally_=handled.clear)
            leaked["promise"], leaked["resolver"] = new_promise()
            leaked["run"] = spawn_vat("other").run(handled.append, 1)
            leaked["elsewhere"] = leaked_vat.spawn(Cell)
            become(Cell, "became")
            become(print)
            near(self.cell.put)("near")
            near(cell_resolver.fulfill)("decided")
            raise RuntimeError("the end")

    handled: list[object] = [0]

    async def main(vat: Vat) -> None:
        nonlocal leaked_vat, cell_resolver
        leaked_vat = spawn_vat("third")
        decided, cell_resolver = await vat.run(new_promise)
        cell = vat.spawn(Cell)
        busy = vat.spawn(Busy, cell)
        with pytest.raises(RuntimeError, match="the end"):
            await busy.work()
        assert await cell.get() == 0
        for name in ("answer", "pipelined", "reaction", "promise", "run"):
            with pytest.raises(HobgoblinError, match="the turn that sent this failed"):
                await leaked[name]
        for name in ("ref", "spawned instance", "resolver"):
            with pytest.raises(HobgoblinError, match="the turn that made this object failed"):
                await leaked[name].get()
        with pytest.raises(HobgoblinError, match="the turn that sent this failed"):
            await leaked["elsewhere"].get()
        with pytest.raises(RuntimeError, match="the end"):
            await busy.work()  # and has not become a cell
        assert handled == [0]
        # The instance is as good as new.
        assert await vat.spawn(leaked["instance"]).get() == 6
        await cell_resolver.fulfill("later")
        assert await decided == "later"

    leaked_vat: Vat
    cell_resolver: Any = None
    run(main)
    assert errors() == []


def test_what_a_dropped_turn_drops_is_not_reported_as_well(run: Any, errors: Any) -> None:
    async def main(vat: Vat) -> None:
        cell = vat.spawn(Cell)

        def work() -> None:
            cell.get()
            send_only(cell.put)(1)
            on(cell.get(), print)
            vat.run(print)
            new_promise()
            spawn_vat("other").spawn(Cell)
            near(spawn(slow))()
            raise RuntimeError

        async def slow() -> None:
            raise AssertionError("started")

        with pytest.raises(RuntimeError):
            await vat.run(work)

    run(main)
    assert errors() == []


def test_effects_set_out_in_the_order_of_the_program(run: Any) -> None:
    seen: list[object] = []

    async def main(vat: Vat) -> None:
        note = vat.spawn(seen.append)
        other = spawn_vat("other")

        def work() -> object:
            note(1)
            assert seen == []
            send_only(note)(2)
            vat.run(seen.append, 3)
            on(None, lambda _: seen.append(4))
            vat.run(lambda: seen.append(5))
            note(6)
            far = other.spawn(Cell, 7)
            return on(far.get(), seen.append)

        await vat.run(work)
        assert seen == [1, 2, 3, 4, 5, 6, 7]

    run(main)


def test_a_result_that_can_not_pass_undoes_the_turn(run: Any) -> None:
    class Odd(Actor):
        def __init__(self) -> None:
            self.n = 0

        @method
        def sync(self) -> object:
            self.n += 1
            return [1, {"a": {1}}]

        @method
        async def later(self) -> object:
            self.n += 1
            await asyncio.sleep(0)
            self.n += 10
            return object()

        @method
        def get(self) -> int:
            return self.n

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Odd)
        with pytest.raises(NotPassable) as caught:
            await ref.sync()
        assert caught.value.path == 'result[1]["a"]'
        assert await ref.get() == 0
        with pytest.raises(NotPassable, match="result: an object can't be passed"):
            await ref.later()
        assert await ref.get() == 1
        # Nobody asked for the result: then it does not matter what it is.
        send_only(ref.sync)()
        send_only(ref.later)()
        assert await ref.get() == 3

    run(main)


class TestNear:
    def test_it_calls_within_the_turn_and_returns_the_result(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            cell = vat.spawn(Cell)

            def work() -> object:
                near(cell.put)(3)
                return near(cell.get)()

            assert await vat.run(work) == 3
            assert await vat.run(lambda: near(vat.spawn(lambda a, b: [a, b]))(1, b=2)) == (1, 2)

        run(main)

    def test_an_exception_undoes_just_the_call_that_raised(self, run: Any, errors: Any) -> None:
        class Nest(Actor):
            def __init__(self, depth: int, cells: tuple[Cell, ...]) -> None:
                self.depth = depth
                self.cells = cells
                self.tries = 0

            @method
            def go(self, fail_at: int) -> list[object]:
                self.tries += 1
                cell = self.cells[self.depth]
                near(cell.put)("tried")
                send_only(cell.put)("sent")
                if self.depth == fail_at:
                    raise ValueError(f"at {fail_at}")
                if self.depth + 1 == len(self.cells):
                    return []
                inner = spawn(Nest, self.depth + 1, self.cells)
                try:
                    below = near(inner.go)(fail_at)
                except ValueError:
                    # Seen already undone.
                    return [near(c.get)() for c in self.cells]
                return list(below)

        async def main(vat: Vat) -> None:
            for fail_at in range(1, 5):
                cells = tuple(vat.spawn(Cell) for _ in range(5))
                nest = vat.spawn(Nest, 0, cells)
                seen = await nest.go(fail_at)
                assert seen == ("tried",) * fail_at + (0,) * (5 - fail_at)
                after = [await cell.get() for cell in cells]
                assert after == ["sent"] * fail_at + [0] * (5 - fail_at)

        run(main)
        assert errors() == []

    def test_without_a_catch_the_whole_turn_fails(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            cell, other = vat.spawn(Cell), vat.spawn(Cell)

            def work() -> None:
                near(other.put)(1)
                near(cell.put_and_fail)(2)

            with pytest.raises(ValueError, match="2"):
                await vat.run(work)
            assert await cell.get() == 0
            assert await other.get() == 0

        run(main)

    def test_a_constructor_that_raises_is_undone_before_it_is_caught(self, run: Any) -> None:
        class Bad(Actor):
            def __init__(self, cell: Cell) -> None:
                near(cell.put)("half")
                send_only(cell.put)("half sent")
                raise ValueError

        async def main(vat: Vat) -> None:
            cell = vat.spawn(Cell)

            def work() -> None:
                with pytest.raises(ValueError):  # noqa: PT011
                    spawn(Bad, cell)

            await vat.run(work)
            assert await cell.get() == 0

        run(main)

    def test_only_objects_of_the_running_vat_are_near(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            cell = vat.spawn(Cell, "here")
            far = spawn_vat("other").spawn(Cell)
            pending: Any = Promise(vat)
            fulfilled: Any = Promise(vat)
            fulfilled._resolve(cell)
            followed: Any = Promise(vat)
            followed._resolve(fulfilled)
            data: Any = Promise(vat)
            data._resolve(5)
            elsewhere: Any = Promise(vat)
            elsewhere._resolve(far)
            broken: Any = Promise(vat)
            broken._break(ValueError())
            assert await vat.run(lambda: near(fulfilled.get)()) == "here"
            assert await vat.run(lambda: near(followed.get)()) == "here"
            targets = [far.get, pending.get, elsewhere.get, broken.get, RemoteRef(None, 1).get]  # type: ignore[arg-type]
            for target in targets:
                with pytest.raises(NotNear, match="send to it instead, and await the answer"):
                    await vat.run(lambda target=target: near(target)())
            for target in (data, data.get):
                with pytest.raises(NotNear, match="plain data"):
                    await vat.run(lambda target=target: near(target)())
            for target in (5, "get", None, Cell(), print):
                with pytest.raises(NotNear, match="takes a reference or one of its methods"):
                    await vat.run(lambda target=target: near(target)())

        run(main)

    def test_outside_of_a_turn_there_is_no_near(self, run: Any) -> None:
        async def main(vat: Vat) -> None:
            cell = vat.spawn(Cell)
            with pytest.raises(NotInVat):
                near(cell.get)()

            async def child() -> object:
                with pytest.raises(NotInVat):  # a task of its own: it runs between the turns
                    near(cell.get)()
                return await cell.get()

            async def parent() -> object:
                return await asyncio.create_task(child())

            assert await vat.run(parent) == 0

        run(main)

    def test_an_asynchronous_method_starts_after_the_turn(self, run: Any) -> None:
        seen: list[object] = []

        class Later(Actor):
            @method
            async def go(self, what: str) -> str:
                seen.append(what)
                await asyncio.sleep(0)
                become(Cell, what)
                return what

            @method
            def start(self) -> Any:
                promise = near(self.go)("x")
                seen.append("started")
                return promise

        async def main(vat: Vat) -> None:
            ref: Any = vat.spawn(Later)
            assert await ref.start() == "x"
            assert seen == ["started", "x"]
            assert await ref.get() == "x"
            kept = vat.spawn(Later)

            def fails() -> None:
                seen.append(near(kept.go)("never"))
                raise ValueError

            with pytest.raises(ValueError):  # noqa: PT011
                await vat.run(fails)
            with pytest.raises(HobgoblinError, match="never sent"):
                await seen[-1]  # type: ignore[misc]
            assert "never" not in seen

        run(main)


class TestBecome:
    def test_it_takes_effect_when_the_turn_commits(self, run: Any) -> None:
        class Door(Actor):
            @method
            def open(self) -> str:
                become(Cell, "open")
                become(Cell, "wide open")
                return near(self.state)()

            @method
            def state(self) -> str:
                return "shut"

        async def main(vat: Vat) -> None:
            door: Any = vat.spawn(Door)
            assert await door.open() == "shut"
            assert await door.get() == "wide open"
            with pytest.raises(HobgoblinError):
                await door.state()

        run(main)

    def test_functions_instances_and_inner_calls(self, run: Any) -> None:
        def second(x: int) -> object:
            become(cell)
            return x * 2

        def first(x: int) -> object:
            become(second)
            return x

        cell = Cell("third")

        async def main(vat: Vat) -> None:
            ref: Any = vat.spawn(first)
            assert [await ref(1), await ref(1), await ref.get()] == [1, 2, "third"]

            # An inner call changes the object that was called, not the caller.
            def outside() -> object:
                return near(inner)(5)

            inner: Any = vat.spawn(lambda x: [become(lambda _: "changed"), x][1])
            outer: Any = vat.spawn(outside)
            assert [await outer(), await inner(0), await outer()] == [5, "changed", "changed"]

        run(main)

    def test_a_failed_turn_forgets_it_and_the_instance_can_be_used_again(self, run: Any) -> None:
        other = Cell("other")

        def behaviour(fail: bool) -> None:
            become(other)
            other.value = "changed"
            if fail:
                raise ValueError

        async def main(vat: Vat) -> None:
            ref: Any = vat.spawn(behaviour)
            for _ in range(2):
                with pytest.raises(ValueError):  # noqa: PT011
                    await ref(True)
            await ref(False)
            assert await ref.get() == "changed"

        run(main)

    def test_only_a_running_object_can(self, run: Any) -> None:
        class Maker(Actor):
            def __init__(self) -> None:
                become(Cell)

        async def main(vat: Vat) -> None:
            with pytest.raises(NotInVat):
                become(Cell)
            for work in (lambda: become(Cell), lambda: spawn(Maker), lambda: near(vat.spawn(spawn))(Maker)):
                with pytest.raises((NotInVat, NotPassable)):
                    await vat.run(work)
            ref: Any = vat.spawn(lambda: spawn(Maker))
            with pytest.raises(NotInVat):
                await ref()
            with pytest.raises(TypeError, match="made of an Actor class or of a function"):
                await vat.spawn(lambda: become(5))()

        run(main)


class OwnException(BaseException): ...


@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError, GeneratorExit, OwnException])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_is_no_exception_leaves_the_vat_alive_and_its_listeners_unharmed(
    run: Any, kind: type[BaseException], asynchronous: bool
) -> None:
    class Wild(Actor):
        def __init__(self) -> None:
            self.n = 0

        @method
        def raise_now(self) -> None:
            self.n += 1
            raise kind("wild")

        @method
        async def raise_later(self) -> None:
            await asyncio.sleep(0)
            self.n += 1
            raise kind("wild")

        @method
        def inner(self) -> object:
            try:
                near(self.raise_now)()
            except kind:
                return self.n
            raise AssertionError

        @method
        def get(self) -> int:
            return self.n

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Wild)
        before, answer, after = ref.get(), (ref.raise_later if asynchronous else ref.raise_now)(), ref.get()
        assert await before == 0
        with pytest.raises(BrokenPromise) as caught:
            await answer
        assert type(caught.value.reason) is kind
        assert caught.value.__cause__ is caught.value.reason
        assert await after == 0
        assert await ref.inner() == 0
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main)


@pytest.mark.parametrize("how", ["method", "async method", "run", "handler", "constructor"])
def test_an_interrupt_breaks_the_turn_and_ends_the_loops_run(how: str, errors: Any) -> None:
    class Stop(Actor):
        def __init__(self, now: bool = False) -> None:
            if now:
                raise KeyboardInterrupt

        @method
        def sync(self) -> None:
            raise KeyboardInterrupt

        @method
        async def later(self) -> None:
            await asyncio.sleep(0)
            raise KeyboardInterrupt

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    async def start() -> None:
        nonlocal vat, ref
        vat = spawn_vat()
        ref = vat.spawn(Stop)

    async def main() -> None:
        nonlocal answer
        match how:
            case "method":
                answer = ref.sync()
            case "async method":
                answer = ref.later()
            case "run":
                answer = vat.run(interrupt)
            case "handler":
                answer = vat.run(lambda: on(1, interrupt))
            case _:
                other = spawn_vat("other")
                await vat.run(lambda: kept.append(other.spawn(Stop, True)))
                answer = kept[0].sync()
        await asyncio.sleep(3600)

    async def check() -> None:
        with pytest.raises(BrokenPromise, match="KeyboardInterrupt"):
            await answer
        assert await vat.run(lambda: 5) == 5

    kept: list[Any] = []
    vat: Vat
    ref: Any = None
    answer: Any = None
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(start())
        task = loop.create_task(main())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(task)
        loop.run_until_complete(check())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def test_a_recursion_error_is_an_error_of_the_turn(run: Any) -> None:
    class Deep(Actor):
        @method
        def go(self) -> Any:
            return near(self.go)()

        @method
        def fine(self) -> bool:
            return True

    async def main(vat: Vat) -> None:
        ref = vat.spawn(Deep)
        with pytest.raises(RecursionError):
            await ref.go()
        assert await ref.fine()

    run(main)


def test_outside_of_turns_assignments_are_just_assignments(run: Any) -> None:
    async def main(vat: Vat) -> None:
        actor = Cell()
        vat.spawn(actor)
        actor.value = 1
        actor.extra = 2  # type: ignore[attr-defined]
        del actor.extra  # type: ignore[attr-defined]
        assert vars(actor)["value"] == 1
        assert "extra" not in vars(actor)

    run(main)
