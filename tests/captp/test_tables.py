"""The tables alone: positions, counts, and entries that go with their references."""

import gc
import tracemalloc

import pytest

from hobgoblin.captp.tables import Exports, Tracking
from hobgoblin.refs import Host, LocalHome, Promise, RemoteRef


class Home(LocalHome):
    def __init__(self):
        super().__init__(Host(lambda: 0.0))

    def unheard(self, *args):
        pass


def ref(pos=9):
    return RemoteRef(None, pos)


@pytest.fixture
def exports():
    return Exports(ref(0), 1000)


def test_counts_change_with_the_message(exports):
    target = ref()
    assert [exports.describe(target), exports.describe(target)] == [1, 1]
    with pytest.raises(AssertionError):
        exports.check()
    assert exports.get(1).sent == 0
    exports.commit()
    assert exports.get(1).sent == 2
    exports.check()


def test_a_message_that_was_not_written_leaves_no_trace(exports):
    old, new = ref(), ref()
    exports.describe(old)
    exports.commit()
    exports.describe(old)
    exports.describe(new)
    exports.describe(new)
    exports.resolver(Promise(Home()))
    exports.roll_back()
    exports.check()
    assert (len(exports), exports.get(1).sent) == (2, 1)
    assert exports.describe(ref()) == 2


def test_positions_are_not_used_twice(exports):
    exports.describe(ref())
    exports.commit()
    exports.release(1, 1)
    assert exports.get(1) is None
    assert exports.describe(ref()) == 2
    exports.roll_back()
    assert exports.describe(ref()) == 2


def test_release(exports):
    target = ref()
    for _ in range(3):
        exports.describe(target)
    exports.commit()
    assert exports.release(1, 2) is None
    assert exports.get(1).sent == 1
    assert exports.ignored == 0
    assert exports.release(1, 5) is None
    assert exports.get(1) is None
    assert exports.release(1, 1) is None
    assert exports.release(0, 1) is None
    assert exports.ignored == 3
    assert len(exports) == 1
    exports.check()


def test_a_resolver_settles_once(exports):
    promise = Promise(Home())
    first, second, third = exports.resolver(promise), exports.resolver(promise), exports.resolver(None)
    exports.commit()
    exports.check()
    assert (exports.get(first).settles, exports.get(first).sent) == (promise, 1)
    assert [exports.settle(first), exports.settle(first)] == [promise, None]
    assert [exports.release(pos, 1) for pos in (first, second, third)] == [None, promise, None]
    assert exports.release(exports.resolver(promise), 2) is promise
    exports.commit()
    assert (len(exports), exports.ignored) == (1, 1)
    exports.check()


def test_what_was_given_back_in_part_can_be_sent_again(exports):
    target = ref()
    for _ in range(3):
        exports.describe(target)
    exports.commit()
    exports.release(1, 2)
    exports.check()
    exports.describe(target)
    exports.commit()
    assert exports.get(1).sent == 2
    exports.release(1, 1)
    exports.check()
    assert exports.get(1).sent == 1


def test_check_finds_what_is_wrong(exports):
    exports.describe(ref())
    exports.commit()
    exports._counts[1] = 0
    with pytest.raises(AssertionError, match="count 0"):
        exports.check()
    exports._counts.clear()
    exports.check()
    exports._pages[0].held += 1
    with pytest.raises(AssertionError, match="page 0 holds 2 targets, not 3"):
        exports.check()
    exports._pages[0].held -= 1
    exports._pages[0].targets[1] = ref()
    with pytest.raises((AssertionError, KeyError)):
        exports.check()


def test_objects_are_found_wherever_they_are_and_wherever_others_were(exports):
    held = {exports.describe(target): target for target in [ref() for _ in range(100)]}
    exports.commit()
    for pos in [*range(3, 60), 64, 100]:
        exports.release(pos, 1)
        del held[pos]
        exports.check()
        assert exports.target(pos) is None
    for _ in range(5):
        target = ref()
        held[exports.describe(target)] = target
    exports.commit()
    exports.check()
    assert {pos: entry.target for pos, entry in exports if pos} == held
    assert {exports.describe(target): target for target in held.values()} == held
    exports.roll_back()
    assert (len(exports), 60 in exports, 61 in exports, "61" in exports) == (len(held) + 1, True, True, False)


def test_a_message_that_was_not_written_may_have_begun_pages(exports):
    for _ in range(10):
        exports.describe(ref())
    exports.commit()
    for _ in range(40):
        exports.describe(ref())
    exports.roll_back()
    exports.check()
    assert [exports.describe(ref()) for _ in range(40)] == [*range(11, 51)]
    exports.commit()
    exports.check()
    assert len(exports) == 51


def test_nothing_grows_with_what_has_gone():
    exports = Exports(ref(0), 10)
    for number in range(1, 2000):
        if number % 3:
            exports.resolver(None)
        else:
            exports.describe(ref())
        exports.commit()
        exports.release(number, 1)
        assert len(exports._pages) <= 2
    exports.check()
    assert len(exports) == 1


@pytest.mark.without_coverage
def test_one_object_of_each_page_takes_no_more_than_what_is_said_of_it():
    pages = 4000
    targets = [ref() for _ in range(pages)]
    exports = Exports(ref(0), 10_000)
    gc.collect()
    tracemalloc.start()
    try:
        for target in targets:
            pos = exports.describe(target)
            for _ in range(15):
                exports.describe(ref())
            exports.commit()
            for other in range(pos + 1, pos + 16):
                exports.release(other, 1)
        octets = tracemalloc.get_traced_memory()[0]
        exports.check()
        assert len(exports) == pages + 1
        for pos in range(1, exports.next, 16):
            exports.release(pos, 1)
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert octets < pages * (350 + 60)
    assert left < pages * 2 * 60  # dictionaries keep the size that they had
    assert len(exports._pages) == 2  # that of the object that is always there, and the last
    assert len(exports) == 1


def test_a_reference_is_tracked_as_long_as_it_is_held():
    dropped = []
    table = Tracking(dropped.append)
    held = ref()
    table.add(4, held)
    assert table.again(4) is held
    assert table.again(5) is None
    assert table.get(4) is held
    assert table.get(5) is None
    assert table.living() == [held]
    del held
    gc.collect()
    assert table.get(4) is None
    assert table.again(4) is None
    assert len(table) == 1
    assert table.rows() == [(4, None, 2)]
    assert table.forget(dropped.pop()) == 2
    assert len(table) == 0
    table.check()


def test_a_reference_that_comes_again_takes_the_count_over():
    dropped = []
    table = Tracking(dropped.append)
    table.add(4, ref())
    again = ref()
    table.add(4, again)
    assert table.forget(dropped.pop()) == 0
    assert table.rows() == [(4, again, 2)]
    with pytest.raises(AssertionError):
        table.add(4, ref())


def test_a_cleared_table_hears_of_nothing():
    dropped = []
    table = Tracking(dropped.append)
    held = ref()
    table.add(4, held)
    table.clear()
    del held
    gc.collect()
    assert dropped == []
    assert len(table) == 0
