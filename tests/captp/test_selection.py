"""Parts of answers, as we ask for them: op:get, op:index and op:untag, octet for octet."""

import pytest

from hobgoblin.errors import BrokenPromise, NoSuchPart, NotPassable, RemoteError, SessionSevered
from hobgoblin.refs import Promise
from hobgoblin.values import Limits, Symbol, Tagged

GET = b"<6'op:get<11'desc:answer1+>4\"name2+>"


@pytest.fixture
def asking(pair):
    """A pair in which bob's object answers with what `later` is resolved to."""
    pair.later = Promise(pair.b)
    pair.b.object._behaviour = lambda *args: pair.later
    pair.asked = pair.a.send(pair.a.remote, ())
    pair.flush(pair.a)
    pair.transcript.clear()
    return pair


def crossing(pair, side):
    """Let ``side`` write what it has to say; return it."""
    start = len(pair.transcript)
    pair.flush(side)
    return [message for _, message in pair.sent(start)]


def heard(promise):
    """Somebody waits for ``promise``; return what is told."""
    follower = Promise(promise._at)
    promise._listen_here(_Keeper(follower))
    return follower


class _Keeper:
    def __init__(self, follower):
        self.follower = follower

    def settled(self, promise):
        self.follower._settle_as(promise)


class TestTheWire:
    def test_a_chain_of_parts_crosses_before_any_answer(self, pair, result):
        alice, bob = pair.a, pair.b
        car = bob.spawn(lambda verb: "vroom")
        bob.object._behaviour = lambda: {"cars": (Tagged("mine", car),)}
        tagged = alice.send(alice.remote, ())["cars"][0]
        noise = alice.send(alice.select(tagged, "mine", True), (Symbol("drive"),))
        assert crossing(pair, alice) == [
            b"<10'op:deliver<11'desc:export0+>[]1+<18'desc:import-object1+>>",
            b"<6'op:get<11'desc:answer1+>4\"cars2+>",
            b"<8'op:index<11'desc:answer2+>0+3+>",
            b"<8'op:untag<11'desc:answer3+>4\"mine4+>",
            b"<10'op:deliver<11'desc:answer4+>[5'drive]5+<18'desc:import-object2+>>",
            b"<13'op:gc-answers[2+4+]>",  # nobody holds these any more
        ]
        pair.pump()
        assert result(noise) == ("fulfilled", "vroom")
        del noise, tagged
        pair.assert_clean()

    @pytest.mark.parametrize(
        ("key", "octets"),
        [
            ("", b"<6'op:get<11'desc:answer1+>0\"2+>"),
            ("3+", b"<6'op:get<11'desc:answer1+>2\"3+2+>"),
            ("björn", b"<6'op:get<11'desc:answer1+>6\"bj\xc3\xb6rn2+>"),
            (0, b"<8'op:index<11'desc:answer1+>0+2+>"),
            (2**53 - 1, b"<8'op:index<11'desc:answer1+>9007199254740991+2+>"),
        ],
    )
    def test_the_octets(self, asking, key, octets):
        part = asking.asked[key]
        assert crossing(asking, asking.a) == [octets]
        assert asking.a.tables == (2, 0, 2, 0)
        asking.a.session.check()
        assert "question 2: <Promise pending>" in asking.a.session.dump()
        assert part is not None

    def test_a_part_of_a_promise_of_theirs(self, pair, result):
        later = Promise(pair.b)
        pair.b.object._behaviour = lambda *args: (later,)
        answer = pair.a.send(pair.a.remote, ())
        pair.pump()
        (theirs,) = answer._value
        part = theirs["name"]
        assert crossing(pair, pair.a)[-1] == b"<6'op:get<11'desc:export1+>4\"name2+>"
        later._resolve_here({"name": "x"})
        told = heard(part)
        pair.pump()
        assert result(told) == ("fulfilled", "x")

    def test_a_part_that_is_pending_is_an_answer_of_its_host_as_an_argument(self, asking):
        part = asking.asked["name"]
        asking.a.send_only(asking.a.remote, part)
        crossed = [GET, b"<10'op:deliver<11'desc:export0+>[<11'desc:answer2+>]ff>"]
        assert crossing(asking, asking.a) == crossed
        assert asking.a.tables == (2, 0, 2, 0)

    def test_what_waits_for_a_part_sets_out_with_it(self, pair, result):
        alice = pair.a
        pair.b.object._behaviour = lambda *args: {"echo": pair.b.spawn(lambda *args: args)}
        first = Promise(alice)
        part = first["echo"]
        answer = alice.send(part, (1,))
        told = heard(part)
        first._resolve_here(alice.send(alice.remote, ()))
        assert [message.split(b"<")[1] for message in crossing(pair, alice)][:4] == [
            b"10'op:deliver",
            b"6'op:get",
            b"9'op:listen",
            b"10'op:deliver",
        ]
        pair.pump()
        assert result(answer) == ("fulfilled", (1,))
        assert result(told)[0] == "fulfilled"


class TestListening:
    def test_a_part_crosses_only_if_somebody_listens(self, asking):
        part = asking.asked["name"]
        asking.later._resolve_here({"name": "x"})
        asking.pump()
        assert part._state == 0
        assert b"op:listen" not in b"".join(message for _, message in asking.sent())

    @pytest.mark.parametrize("before", [True, False])
    def test_the_peer_is_asked_once(self, asking, result, before):
        part = asking.asked["name"]
        if before:
            asking.later._resolve_here({"name": "x"})
            asking.pump()
        told = [heard(part), heard(part)]
        asking.flush(asking.a)
        asking.later._resolve_here({"name": "x"})
        asking.pump()
        assert [result(each) for each in told] == [("fulfilled", "x")] * 2
        asks = [message for _, message in asking.sent() if b"op:listen" in message]
        assert asks == [b"<9'op:listen<11'desc:answer2+><18'desc:import-object2+>f>"]
        del part, told, asking.asked
        asking.later = None
        asking.b.object._behaviour = None
        asking.assert_clean()

    def test_a_listener_that_has_left_before_there_was_a_way_is_no_reason_to_wait_for_ever(
        self, pair, result
    ):
        pair.b.object._behaviour = lambda *args: {"name": "x"}
        first = Promise(pair.a)
        part = first["name"]
        keeper = _Keeper(Promise(pair.a))
        part._listen_here(keeper)
        part._unlisten(keeper)
        first._resolve_here(pair.a.send(pair.a.remote, ()))
        told = heard(part)
        pair.pump()
        assert result(told) == ("fulfilled", "x")

    def test_a_part_that_is_a_promise_of_theirs_is_followed(self, asking, result):
        asking.b.tells_promises = True
        inner = Promise(asking.b)
        part = asking.asked["name"]
        told = heard(part)
        asking.later._resolve_here({"name": inner})
        asking.pump()
        assert result(told) == "pending"
        inner._resolve_here(5)
        asking.pump()
        assert result(told) == ("fulfilled", 5)


class TestOutcomes:
    @pytest.mark.parametrize(
        ("value", "key", "untag", "reason"),
        [
            ({"a": 1}, "name", False, "no field 'name' in a struct"),
            ((1, 2), "name", False, "no field 'name' in a list of 2"),
            ((1, 2), 2, False, "no item 2 in a list of 2"),
            ({"0": 1}, 0, False, "no item 0 in a struct"),
            ("text", 0, False, "no item 0 in text"),
            (b"octets", 0, False, "no item 0 in bytes"),
            (None, "name", False, "no field 'name' in None"),
            (Tagged("km", 5), "mile", True, "no tag 'mile' on a value tagged 'km'"),
            (Tagged("km", {"a": 1}), "a", False, "no field 'a' in a value tagged 'km'"),
            ({"km": 5}, "km", True, "no tag 'km' on a struct"),
        ],
    )
    def test_t31_the_wrong_shape_breaks_it(self, asking, result, value, key, untag, reason):
        part = asking.a.select(asking.asked, key, untag)
        told = heard(part)
        asking.later._resolve_here(value)
        asking.pump()
        state, error = result(told)
        assert (state, type(error), error.message) == ("broken", RemoteError, reason)
        # The same question once the value is known here.
        state, error = result(asking.a.select(asking.asked, key, untag))
        assert (state, type(error), str(error)) == ("broken", NoSuchPart, reason)

    def test_t31_an_object_has_no_parts(self, asking, result):
        told = heard(asking.asked["name"])
        asking.later._resolve_here(asking.b.spawn())
        asking.pump()
        assert str(result(told)[1]) == "no field 'name' in an object"
        assert str(result(asking.asked["name"])[1]) == "no field 'name' in an object"

    def test_a_broken_receiver_breaks_it_with_the_same_reason(self, asking, result):
        told = heard(asking.asked["name"][0])
        asking.later._break_here(BrokenPromise(Symbol("gone")))
        asking.pump()
        assert result(told)[1].reason == Symbol("gone")
        assert result(asking.asked)[1].reason == Symbol("gone")

    @pytest.mark.parametrize("used", [True, False])
    def test_of_a_value_that_is_known_nothing_crosses(self, asking, result, used):
        if used:
            asking.a.send(asking.asked, (Symbol("greet"),))._heard = True
        asking.later._resolve_here({"name": ("x",)})
        asking.pump()
        before = asking.a.session.stats()
        assert result(asking.asked["name"][0]) == ("fulfilled", "x")
        assert asking.a.session.stats() == before

    def test_a_selection_does_not_bind_later_messages_to_the_long_way(self, pair, result):
        """What a value holds does not depend on when it is asked; messages alone have an order."""
        mine = pair.a.spawn(lambda *args: "home")
        pair.b.object._behaviour = lambda given: given
        asked = pair.a.send(pair.a.remote, (mine,))
        part = asked["name"]
        pair.pump()
        start = len(pair.transcript)
        answer = pair.a.send(asked, (Symbol("greet"),))
        pair.a.run()
        pair.flush(pair.a)
        assert result(answer) == ("fulfilled", "home")
        assert b"op:deliver" not in b"".join(message for _, message in pair.sent(start))
        assert part is not None


class TestFailures:
    def test_a_name_too_long_for_a_message_changes_nothing(self, make_pair, result):
        pair = make_pair(a={"limits": Limits(message_bytes=1000)})
        asked = pair.a.send(pair.a.remote, ())
        tables = pair.a.tables
        state, error = result(asked["x" * 1000])
        assert (state, type(error)) == ("broken", NotPassable)
        assert pair.a.tables == tables
        pair.a.session.check()
        part = asked["name"]
        assert crossing(pair, pair.a)[-1] == GET
        assert part is not None

    def test_the_receiver_must_be_behind_the_session(self, pair):
        with pytest.raises(ValueError, match="not behind this session"):
            pair.a.session.select(Promise(pair.a), "name", False, Promise(pair.a))
        assert pair.a.tables == (1, 0, 0, 0)

    def test_before_the_hello_and_after_the_end(self, make_pair):
        pair = make_pair(opened=False)
        answer = Promise(pair.a)
        with pytest.raises(SessionSevered):
            pair.a.session.select(Promise(pair.a), "name", False, answer)
        pair.a.session.abort("enough")
        with pytest.raises(SessionSevered):
            pair.a.session.select(Promise(pair.a), "name", False, answer)

    @pytest.mark.parametrize("listened", [True, False])
    @pytest.mark.parametrize("sent", [True, False])
    def test_a_part_that_is_pending_breaks_when_the_session_ends(self, asking, result, listened, sent):
        part = asking.asked["name"]
        inner = part[0]
        if listened:
            heard(inner)
        if sent:
            asking.flush(asking.a)
            asking.step(asking.a)
        asking.a.session.abort("enough")
        [event] = asking.a.session.events_received()
        assert sorted(map(id, event.orphans)) == sorted(map(id, [asking.asked, part, inner]))
        for orphan in event.orphans:
            orphan._break_here(SessionSevered("gone"))
        assert type(result(inner)[1]) is SessionSevered
        assert asking.a.tables == (0, 0, 0, 0)
        asking.a.session.check()
        late = inner["x"]
        assert type(result(late)[1]) is SessionSevered

    def test_a_part_that_has_arrived_is_no_orphan(self, asking, result):
        part = asking.asked["name"]
        told = heard(part)
        asking.later._resolve_here({"name": 5})
        asking.pump()
        asking.a.session.receive_eof()
        assert asking.a.session.events_received()[-1].orphans == ()
        assert result(told) == ("fulfilled", 5)
        assert part is not None

    def test_a_peer_that_gives_back_the_listener_unused_breaks_it(self, stranger, result):
        peer = stranger()
        asked = peer.bob.send(peer.bob.remote, ())
        part = asked["name"]
        told = heard(part)
        [deliver, get, listen] = peer.session.data_to_send()
        assert (get, listen[:12]) == (GET, b"<9'op:listen")
        peer.send(b"<13'op:gc-exports[2+][1+]>")
        peer.bob.event(peer.events.pop())
        assert type(result(told)[1]) is RemoteError
        assert deliver


class TestGarbage:
    def test_a_part_that_nobody_holds_is_given_back(self, asking):
        asking.asked["name"]
        asking.settle()
        assert [message for name, message in asking.sent() if name == "alice"] == [
            GET,
            b"<13'op:gc-answers[2+]>",
        ]
        assert asking.b.tables[3] == 1
        asking.a.session.check()

    def test_a_part_that_is_listened_to_is_kept(self, asking, result):
        told = heard(asking.asked["name"])
        asking.settle()
        asking.later._resolve_here({"name": 5})
        asking.settle()
        assert result(told) == ("fulfilled", 5)
        del asking.asked
        asking.later = None
        asking.b.object._behaviour = None
        asking.assert_clean()


@pytest.mark.without_coverage
def test_t34_a_chain_of_selections_settles(pair, result):
    first = Promise(pair.a)
    part = first
    for _ in range(100_000):
        part = part["same"]
    first._resolve_here({"same": first, "other": 5})
    assert result(part)[0] == "fulfilled"
    assert result(part["other"]) == ("fulfilled", 5)
    ends = Promise(pair.a)
    part = ends
    for _ in range(100_000):
        part = part["same"]
    ends._resolve_here({"same": {}})
    assert type(result(part)[1]) is NoSuchPart


def test_t33_a_part_that_is_its_own_breaks(pair, result):
    first = Promise(pair.a)
    part = first["me"]
    follower = part["again"]
    first._resolve_here({"me": part})
    assert type(result(part)[1]).__name__ == "PromiseCycle"
    assert result(follower) == result(part)
