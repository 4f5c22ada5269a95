"""The actor library through references: what both type checkers must infer."""

from io import BytesIO
from typing import Any, assert_type

from hobgoblin.actors import (
    Box,
    ByteReader,
    ByteWriter,
    Cell,
    CellReader,
    Counter,
    Mint,
    Purse,
    Queue,
    Revoker,
    Subscription,
    Swapper,
    Timer,
    copy,
    facet,
    from_file,
    membrane,
    new_inbox,
    new_pipe,
    new_sealers,
    new_swappable,
    new_topic,
    rate_limited,
    revocable,
)
from hobgoblin.refs import Promise
from hobgoblin.vat import Actor, Vat, method


class Reads(Actor):
    @method
    def get(self) -> int: ...  # type: ignore[empty-body]


async def in_methods(counter: Counter, cell: Cell[int]) -> None:
    assert_type(cell.get(), Promise[int])
    assert_type(await cell.get(), int)
    assert_type(cell.read_only(), CellReader[int])
    assert_type(await cell.read_only().get(), int)
    assert_type(facet(cell, Reads), Reads)
    assert_type(facet(cell, "get"), Cell[int])
    lent, revoker = revocable(counter)
    assert_type(lent, Counter)
    assert_type(revoker, Revoker)
    assert_type(await lent.add(2), int)
    assert_type(membrane(counter)[0], Counter)
    assert_type(rate_limited(counter, per_second=1), Counter)
    assert_type(new_swappable(counter)[1], Swapper[Counter])
    sealer, unsealer, check = new_sealers()
    assert_type(sealer.seal(1), Box)
    assert_type(unsealer.unseal(sealer.seal(1)), Any)
    assert_type(await check.is_sealed(1), bool)
    publisher, subscribers = new_topic()
    assert_type(await publisher.publish("event"), int)
    assert_type(subscribers.subscribe(counter, "add"), Subscription)
    reader, writer, stopper = new_inbox()
    assert_type(await writer.write(1), None)
    assert_type(await stopper.stop(), None)
    assert_type(reader.read(), Any)


async def elsewhere(vat: Vat, mint: Mint, timer: Timer, queue: Queue[str]) -> None:
    assert_type(mint.issue(3), Purse)
    assert_type(mint.issue(3).withdraw(1).balance(), Promise[int])
    assert_type(await mint.issue().deposit(1, mint.issue(1)), int)
    assert_type(await timer.now(), float)
    assert_type(await queue.pop(), str)
    assert_type(vat.run(from_file, BytesIO()), ByteReader)
    ends = await vat.run(new_pipe)
    assert_type(ends, tuple[ByteWriter, ByteReader])
    assert_type(await ends[1].read(), bytes)
    assert_type(await copy(ends[1], ends[0]), int)
    lent, _ = await vat.run(revocable, queue)
    assert_type(lent, Queue[str])
