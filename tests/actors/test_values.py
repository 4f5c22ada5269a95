"""Cells, counters, queues, inboxes, logs and nonces: their state, its bounds, and turns that fail."""

import gc
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hobgoblin as hob
from hobgoblin import Vat
from hobgoblin.actors import Cell, Counter, Fifo, Queue, Table, new_inbox, new_log, new_nonces

Run = Callable[[Any], None]


async def fails(vat: Vat, *calls: Callable[[], object]) -> None:
    """Do it all in one turn, which then fails."""

    def turn() -> None:
        for call in calls:
            call()
        raise hob.Refused("undone")

    with pytest.raises(hob.Refused, match="undone"):
        await vat.run(turn)


def test_the_faces_of_a_cell_do_what_they_say_and_no_more(run: Run, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near, far):
            cell = near.enliven(far.publish(far.spawn(Cell, 1)), Cell[int])
            reader, writer = cell.read_only(), cell.write_only()
            await writer.set(2)
            assert await reader.get() == await cell.get() == 2
            with pytest.raises(hob.Refused, match="no method"):
                await reader.set(3)  # type: ignore[attr-defined]
            with pytest.raises(hob.Refused, match="no method"):
                await writer.get()  # type: ignore[attr-defined]

    run(main)


def test_a_cell_is_exchanged_only_if_it_has_not_changed(run: Run) -> None:
    async def main(vat: Vat) -> None:
        cell = vat.spawn(Cell[Any], 1)
        assert await cell.exchange(1, vat.spawn(Counter)) is True
        assert await cell.exchange(1, 2) is False
        held = await cell.get()
        assert await cell.exchange(held, 1) is True
        assert await cell.exchange(True, 2) is False
        assert await cell.get() == 1

    run(main)


def test_what_a_failed_turn_has_written_is_taken_back(run: Run) -> None:
    async def main(vat: Vat) -> None:
        cell, counter, queue = vat.spawn(Cell, 1), vat.spawn(Counter, 1), vat.spawn(Queue[int])
        writer = await cell.write_only()
        await queue.push(1)
        near = hob.near
        await fails(
            vat,
            lambda: near(writer.set)(2),
            lambda: near(counter.add)(5),
            lambda: near(queue.pop)(),
            lambda: near(queue.push)(2),
        )
        assert (await cell.get(), await counter.value(), await queue.peek()) == (1, 1, 1)
        assert await queue.length() == 1
        for amount in (1.0, True, "1", None):
            with pytest.raises(hob.BadArguments):
                await counter.add(amount)  # type: ignore[arg-type]

    run(main)


@given(st.lists(st.one_of(st.none(), st.integers())))
def test_a_fifo_is_a_queue_and_never_changes(steps: list[int | None]) -> None:
    items: Fifo[int] = Fifo()
    model: deque[int] = deque()
    for step in steps:
        before, was = items, list(items)
        if step is not None:
            items = items.push(step)
            model.append(step)
        elif model:
            assert items.first() == model[0]
            item, items = items.pop()
            assert item == model.popleft()
        else:
            with pytest.raises(IndexError):
                items.pop()
            with pytest.raises(IndexError):
                items.first()
        assert list(items) == list(model)
        assert len(items) == len(model)
        assert list(before) == was


def test_a_queue_of_a_hundred_thousand(run: Run) -> None:
    async def main(vat: Vat) -> None:
        queue = vat.spawn(Queue[int])

        def fill() -> None:
            for item in range(100_000):
                hob.near(queue.push)(item)

        def empty() -> bool:
            return all(hob.near(queue.pop)() == item for item in range(100_000))

        await vat.run(fill)
        with pytest.raises(hob.Refused, match="full"):
            await queue.push(0)
        assert await vat.run(empty)
        for ask in (queue.pop, queue.peek):
            with pytest.raises(hob.Refused, match="empty"):
                await ask()

    run(main)


def test_reads_of_an_inbox_are_answered_in_their_order(run: Run) -> None:
    async def main(vat: Vat) -> None:
        reader, writer, _ = await vat.run(new_inbox)
        waiting = [reader.read(), reader.read()]
        for item in ("a", "b", "c", "d"):
            await writer.write(item)
        assert [await answer for answer in (*waiting, reader.read(), reader.read())] == ["a", "b", "c", "d"]

    run(main)


def test_an_inbox_is_bounded_on_both_sides(run: Run) -> None:
    async def main(vat: Vat) -> None:
        reader, writer, _ = await vat.run(lambda: new_inbox(limit=2))
        reads = [reader.read() for _ in range(2)]
        with pytest.raises(hob.Refused, match="too many reads"):
            await reader.read()
        for item in range(4):
            await writer.write(item)
        with pytest.raises(hob.Refused, match="full"):
            await writer.write(4)
        assert [await read for read in reads] == [0, 1]

    run(main)


def test_a_stopped_inbox_can_be_emptied(run: Run) -> None:
    async def main(vat: Vat) -> None:
        reader, writer, stopper = await vat.run(new_inbox)
        await writer.write("last")
        await stopper.stop("closing time")
        await stopper.stop("again")
        with pytest.raises(hob.Refused, match="closing time"):
            await writer.write("late")
        assert await reader.read() == "last"
        with pytest.raises(hob.Refused, match="closing time"):
            await reader.read()

        reader, _, stopper = await vat.run(new_inbox)
        waiting = reader.read()
        await fails(vat, lambda: hob.near(stopper.stop)("undone"))
        await stopper.stop()
        with pytest.raises(hob.Refused, match="has been stopped"):
            await waiting

    run(main)


def test_a_failed_turn_takes_nothing_out_of_an_inbox_nor_answers_a_read(run: Run) -> None:
    async def main(vat: Vat) -> None:
        reader, writer, _ = await vat.run(new_inbox)
        waiting = reader.read()
        await fails(vat, lambda: hob.near(writer.write)("never"))
        await writer.write("first")
        assert await waiting == "first"
        await writer.write("second")
        await fails(vat, lambda: hob.near(reader.read)())
        assert await reader.read() == "second"

    run(main)


def test_a_log_keeps_its_last_entries_and_their_numbers(run: Run) -> None:
    async def main(vat: Vat) -> None:
        writer, reader = await vat.run(lambda: new_log(limit=3))
        assert [await writer.append(entry) for entry in "abcde"] == [0, 1, 2, 3, 4]
        assert await reader.read() == ((2, "c"), (3, "d"), (4, "e"))
        assert await reader.read(since=3) == ((3, "d"), (4, "e"))
        assert await reader.read(most=1) == ((2, "c"),)
        assert await reader.read(since=5) == await reader.read(most=-1) == ()
        await fails(vat, lambda: hob.near(writer.append)("undone"))
        assert await writer.append("f") == 5
        with pytest.raises(hob.NoSuchMethod):
            await writer.read()  # type: ignore[attr-defined]
        with pytest.raises(hob.NoSuchMethod):
            await reader.append("x")  # type: ignore[attr-defined]
        with pytest.raises(hob.BadArguments):
            await reader.read(since="a")  # type: ignore[arg-type]

    run(main)


def test_t42_a_nonce_finds_its_object_until_it_is_forgotten(run: Run, peers: Any) -> None:
    async def main(vat: Vat) -> None:
        async with peers() as (near, far):
            registry, locator = await near.vat.run(new_nonces)
            cell = near.spawn(Cell, 1)
            one, two = await registry.register(cell), await registry.register(cell)
            assert len(one) == 32
            assert one != two
            there = far.enliven(near.publish(locator), hob.actors.NonceLocator)
            assert await there.locate(one).get() == 1
            assert await locator.locate(one) is cell
            await registry.forget(one)
            await registry.forget(one)
            assert await locator.locate(two) is cell
            texts = []
            for wrong in (one, b"", bytes(32)):
                with pytest.raises(hob.Refused) as refused:
                    await there.locate(wrong)
                texts.append(str(refused.value))
            assert len(set(texts)) == 1
            with pytest.raises(hob.Refused):
                await locator.locate("text")  # type: ignore[arg-type]
            with pytest.raises(hob.Refused):
                await registry.register("data")

    run(main)


def test_registered_objects_are_held_no_longer_than_they_are_registered(run: Run) -> None:
    async def main(vat: Vat) -> None:
        registry, _ = await vat.run(lambda: new_nonces(limit=1))
        cell = vat.spawn(Cell, 1)
        gone = weakref.ref(cell)
        nonce = await registry.register(cell)
        with pytest.raises(hob.Refused, match="too many"):
            await registry.register(cell)
        del cell
        await fails(vat, lambda: hob.near(registry.forget)(nonce))
        gc.collect()
        assert gone() is not None
        await registry.forget(nonce)
        gc.collect()
        assert gone() is None

    run(main)


def test_a_nonce_of_a_failed_turn_finds_nothing(run: Run) -> None:
    async def main(vat: Vat) -> None:
        registry, locator = await vat.run(lambda: new_nonces(entropy=bytes, limit=1))
        cell = vat.spawn(Cell, 1)
        await fails(vat, lambda: hob.near(registry.register)(cell))
        with pytest.raises(hob.Refused, match="nothing is registered"):
            await locator.locate(bytes(32))
        assert await registry.register(cell) == bytes(32)

    run(main)


def test_a_table_undoes_each_change_of_a_failed_turn(run: Run) -> None:
    async def main(vat: Vat) -> None:
        tables: list[Table[int]] = []

        def make() -> None:
            tables.append(Table[int].new())
            tables[0].put("kept", 1)

        await vat.run(make)
        (kept,) = tables
        await fails(
            vat,
            lambda: kept.put("kept", 2),
            lambda: kept.remove("kept"),
            lambda: kept.put("new", 3),
        )
        assert (kept.get("kept"), kept.get("new"), kept.get("_hob_vat")) == (1, None, None)
        with pytest.raises(KeyError):
            kept.remove("new")

    run(main)
