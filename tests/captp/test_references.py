"""References of every kind, as arguments and as targets, in both directions."""

import gc

import pytest

from hobgoblin.captp import FULFILL
from hobgoblin.errors import NotPassable, RemoteError
from hobgoblin.refs import Host, LocalHome, LocalRef, Promise, RemoteRef
from hobgoblin.values import ErrorValue, Limits, Record, Symbol, Tagged


@pytest.fixture
def seen(pair):
    """Bob keeps the arguments of all the messages that he gets."""
    seen = []
    pair.b.object._behaviour = lambda *args: seen.append(args)
    return seen


def tell(pair, *args):
    """Alice sends; returns what went over the wire."""
    start = len(pair.transcript)
    pair.a.send_only(pair.a.remote, *args)
    pair.pump()
    return pair.sent(start)[0][1]


def test_an_object_arrives_as_a_reference_to_it(pair, seen):
    mine = pair.a.spawn(lambda *args: ("hello", *args))
    assert tell(pair, mine) == b"<10'op:deliver<11'desc:export0+>[<18'desc:import-object1+>]ff>"
    [(theirs,)] = seen
    assert type(theirs) is RemoteRef
    answer = pair.b.send(theirs, (1,))
    pair.pump()
    assert answer._value == ("hello", 1)


def test_the_same_object_has_the_same_position_and_the_same_reference(pair, seen):
    mine, other = pair.a.spawn(), pair.a.spawn()
    tell(pair, mine, [mine, {"x": mine}], other)
    assert tell(pair, other, mine).count(b"import-object1+>") == 1
    (first, (second, struct), different), (again, third) = seen
    assert first is second is struct["x"] is third
    assert different is again
    assert different is not first


def test_an_object_that_comes_back_is_the_same(pair, seen):
    mine = pair.a.spawn()
    tell(pair, mine)
    back = []
    pair.a.object._behaviour = lambda *args: back.extend(args)
    start = len(pair.transcript)
    pair.b.send_only(pair.b.remote, seen[0][0])
    pair.pump()
    assert pair.sent(start)[0][1] == b"<10'op:deliver<11'desc:export0+>[<11'desc:export1+>]ff>"
    assert len(back) == 1
    assert back[0] is mine


def test_the_bootstrap_objects_travel_at_position_0(pair, seen):
    assert b"<11'desc:export0+>]" in tell(pair, pair.a.remote)
    assert b"<18'desc:import-object0+>]" in tell(pair, pair.a.object)
    assert seen[0][0] is pair.b.object
    assert seen[1][0] is pair.b.remote


def test_a_promise_arrives_as_one_and_settles_there(pair, seen, result):
    mine = Promise(pair.a)
    assert b"[<19'desc:import-promise1+><19'desc:import-promise1+>]" in tell(pair, mine, mine)
    theirs, same = seen[0]
    assert theirs is same
    assert type(theirs) is Promise
    copy = Promise(pair.b)
    theirs._listen_here(copy)
    pair.pump()
    mine._resolve_here("done")
    pair.pump()
    assert result(theirs) == result(copy) == ("fulfilled", "done")


def test_a_promise_that_comes_back_is_the_same(pair, seen):
    mine = Promise(pair.a)
    tell(pair, mine)
    back = []
    pair.a.object._behaviour = lambda *args: back.extend(args)
    pair.b.send_only(pair.b.remote, seen[0][0])
    pair.pump()
    assert back[0] is mine


@pytest.mark.parametrize("broken", [False, True])
def test_a_promise_of_theirs_that_has_settled_goes_back_as_theirs(pair, seen, result, broken):
    # Sent as a promise of ours it would come back as a target, and be taken for one of theirs.
    mine = Promise(pair.a)
    tell(pair, mine)
    theirs = seen[0][0]
    theirs._listen_here(Promise(pair.b))
    pair.pump()
    if broken:
        mine._break_here(ValueError("no"))
    else:
        mine._resolve_here("data")
    pair.pump()
    assert result(theirs)[0] == ("broken" if broken else "fulfilled")
    back = []
    pair.a.object._behaviour = lambda *args: back.extend(args)
    start = len(pair.transcript)
    pair.b.send_only(pair.b.remote, theirs)
    pair.pump()
    assert b"<11'desc:export1+>" in pair.sent(start)[0][1]
    assert back[0] is mine
    assert pair.a.session.state.value == "open"


def test_a_question_goes_to_its_peer_as_the_answer_it_stands_for(pair, seen):
    later = Promise(pair.b)
    pair.b.object._behaviour = lambda *args: seen.append(args) or later
    question = pair.a.send(pair.a.remote, ("ask",))
    pair.pump()
    assert b"[<11'desc:answer1+>]" in tell(pair, question)
    assert seen[1][0]._root() is later


def test_a_promise_that_follows_a_question_is_that_question(pair, seen):
    pair.b.object._behaviour = lambda *args: seen.append(args) or Promise(pair.b)
    question = pair.a.send(pair.a.remote, ("ask",))
    follower = Promise(pair.a)
    follower._resolve_here(question)
    pair.pump()
    assert b"[<11'desc:answer1+>]" in tell(pair, follower)


def test_a_promise_that_has_become_a_reference_is_sent_as_that(pair, seen):
    mine, theirs, foreign = Promise(pair.a), Promise(pair.a), Promise(pair.a)
    mine._resolve_here(pair.a.spawn())
    theirs._resolve_here(pair.a.remote)
    foreign._resolve_here(RemoteRef(pair.b, 7))
    octets = tell(pair, mine, theirs, foreign)
    assert b"[<18'desc:import-object1+><11'desc:export0+><18'desc:import-object2+>]" in octets


def test_a_promise_that_has_become_data_stays_a_promise(pair, seen, result):
    # What a method receives must not depend on how fast a resolution was.
    mine, question = Promise(pair.a), pair.a.send(pair.a.remote, ())
    mine._resolve_here(42)
    pair.pump()
    assert result(question)[0] == "fulfilled"
    octets = tell(pair, mine, question)
    assert octets.count(b"desc:import-promise") == 2
    theirs = seen[-1][0]
    theirs._listen_here(Promise(pair.b))
    pair.pump()
    assert result(theirs) == ("fulfilled", 42)
    answer = pair.b.send(seen[-1][1], ("to data",))
    pair.pump()
    assert result(answer)[0] == "broken"


def test_a_promise_of_another_thread_is_a_promise_of_ours(pair, seen):
    class Elsewhere(Host):
        def here(self):
            return False

    promise = Promise(LocalHome(Elsewhere(lambda: 0.0)))
    assert b"desc:import-promise1+" in tell(pair, promise)


def test_references_of_another_session_are_passed_on_as_ours(make_pair, seen, pair):
    other = make_pair()
    other.b.object._behaviour = lambda *args: Promise(other.b)
    question = other.a.send(other.a.remote, ())
    octets = tell(pair, other.a.remote, question)
    assert b"[<18'desc:import-object1+><19'desc:import-promise2+>]" in octets
    # What bob sends to them goes on to the other bob.
    theirs, promised = seen[0]
    pair.b.send_only(theirs, "through")
    pair.b.send_only(promised, "pipelined")
    pair.pump()
    other.flush(other.a)
    assert [message for _, message in other.sent()[-2:]] == [
        b"<10'op:deliver<11'desc:export0+>[7\"through]ff>",
        b"<10'op:deliver<11'desc:answer1+>[9\"pipelined]ff>",
    ]


def test_an_answer_of_ours_goes_back_as_a_promise_of_ours(pair):
    # ocapn issue 168: there is no descriptor for it.
    later, kept = Promise(pair.b), []
    pair.b.object._behaviour = lambda *args: later
    question = pair.a.send(pair.a.remote, ())
    pair.pump()
    answer = pair.b.session._crossing.answers[1]
    pair.a.object._behaviour = lambda *args: kept.extend(args)
    start = len(pair.transcript)
    pair.b.send_only(pair.b.remote, answer)
    pair.pump()
    assert b"<19'desc:import-promise" in pair.sent(start)[0][1]
    later._resolve_here("x")
    pair.pump()
    assert question._value == "x"


def test_an_import_is_made_anew_once_nobody_holds_it(pair, seen):
    mine = pair.a.spawn()
    tell(pair, mine)
    first = id(seen.pop()[0])
    tell(pair, mine)
    assert type(seen[0][0]) is RemoteRef
    assert first
    assert len(pair.b.session._crossing.imports) == 1


def test_a_position_seen_as_promise_and_as_object_stays_what_it_was(stranger):
    peer = stranger()
    peer.send(
        b"<10'op:deliver<11'desc:export0+>[<19'desc:import-promise5+><18'desc:import-object6+>]ff>",
        b"<10'op:deliver<11'desc:export0+>[<18'desc:import-object5+><19'desc:import-promise6+>]ff>",
    )
    (promise, reference), (same, again) = (event.args for event in peer.events)
    assert promise is same
    assert reference is again


def test_position_0_is_the_bootstrap_object_however_it_is_called(stranger):
    peer = stranger()
    peer.send(
        b"<10'op:deliver<11'desc:export0+>[<19'desc:import-promise0+><18'desc:import-object0+>]f"
        b"<18'desc:import-object0+>>"
    )
    [event] = peer.events
    assert event.args == (peer.session.bootstrap,) * 2
    assert event.resolver is peer.session.bootstrap
    assert peer.session.stats().tables == (1, 0, 0, 0)


# What can't be written


BAD = [object(), {1, 2}, "\ud800", {"x": object()}, Tagged(5, 1), 10**5000, lambda: None]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize("asked", [True, False])
def test_what_cannot_be_written_changes_nothing(make_pair, bad, asked):
    pair, twin = make_pair(), make_pair()
    alice = pair.a
    mine, promise = alice.spawn(), Promise(alice)
    alice.send_only(alice.remote, mine)
    twin.a.send_only(twin.a.remote, twin.a.spawn())
    before = alice.session.stats(), alice.session.dump()
    answer = Promise(alice) if asked else None
    with pytest.raises(NotPassable):
        alice.session.deliver(alice.remote, (Symbol("x"), mine, promise, alice.spawn(), bad), answer)
    assert (alice.session.stats(), alice.session.dump()) == before
    alice.session.check()
    if answer is not None:
        assert answer._route is None
    # What comes next has the positions that it would have had.
    for side in (alice, twin.a):
        side.send(side.remote, (side.spawn(), Promise(side)))
    assert alice.session.data_to_send() == twin.a.session.data_to_send()


def test_what_is_too_large_or_too_much_or_too_deep_changes_nothing(make_pair):
    deep = ()
    for _ in range(200):
        deep = (deep,)
    limits = Limits(message_bytes=1000, elements=100)
    for bad in (b"x" * 2000, (1,) * 200, deep):
        pair = make_pair(limits=limits)
        answer = pair.a.send(pair.a.remote, (pair.a.spawn(), bad))
        assert type(answer._value) is NotPassable
        answer._heard = True
        pair.a.session.check()
        assert pair.a.tables == (1, 0, 0, 0)
        assert pair.a.session.data_to_send() == []


@pytest.mark.parametrize("limits", [Limits(elements=200), Limits(message_bytes=1000), Limits(depth=30)])
def test_what_we_write_a_peer_with_the_same_limits_can_read(make_pair, limits):
    pair = make_pair(limits=limits)
    written = 0
    for size in range(220):
        args = (1,) * size
        if limits.message_bytes == 1000:
            args = (b"x" * (size + 720), pair.a.spawn())
        if limits.depth == 30:
            args = ()
            for _ in range(size):
                args = (args,)
        pair.a.reports.clear()
        answer = pair.a.send(pair.a.remote, args)
        written += answer._state == 0
        answer._heard = True
        pair.pump()
        assert pair.b.session.state.value == "open", size
    assert 25 < written < 220


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ((Symbol("move"), 1, [{"size": {1}}]), 'args[1][0]["size"]'),
        (({1},), "args[0]"),
        ((Symbol("move"), Record(Symbol("r"), (1, {1}))), "args[0]<r>[1]"),
    ],
)
def test_the_error_names_the_argument(pair, args, path):
    with pytest.raises(NotPassable) as caught:
        pair.a.session.deliver(pair.a.remote, args, None)
    assert caught.value.path == path


def test_what_breaks_off_in_the_middle_of_writing_changes_nothing_either(pair):
    class Evil(dict):
        def __init__(self, error):
            self.error = error

        def items(self):
            raise self.error

    for error, expected in ((RuntimeError("x"), NotPassable), (KeyboardInterrupt(), KeyboardInterrupt)):
        with pytest.raises(expected):
            pair.a.session.deliver(pair.a.remote, (pair.a.spawn(), Evil(error)), Promise(pair.a))
        pair.a.session.check()
        assert pair.a.tables == (1, 0, 0, 0)


def test_an_answer_that_cannot_be_written_breaks_the_question(pair, result):
    pair.b.object._behaviour = lambda *args: object()
    answer = pair.a.send(pair.a.remote, ())
    pair.pump()
    state, error = result(answer)
    assert (state, type(error)) == ("broken", RemoteError)
    assert pair.b.session.state.value == "open"


def test_targets_of_another_session_are_refused(pair, make_pair):
    other = make_pair()
    for target in (other.a.remote, pair.a.object, Promise(pair.a), "text"):
        with pytest.raises(ValueError, match="not behind this session"):
            pair.a.session.deliver(target, (), Promise(pair.a))
        with pytest.raises(ValueError, match="not behind this session"):
            pair.a.session.listen(target)
    pair.a.session.check()
    assert pair.a.tables == (1, 0, 0, 0)


def test_values_cross_unchanged(pair, seen):
    values = (
        None,
        True,
        5,
        -(2**70),
        1.5,
        "björn",
        b"\x00",
        Symbol("s"),
        (1, (2,)),
        Tagged("t", 1),
        ErrorValue("e"),
    )
    tell(pair, *values)
    assert seen == [values]


def test_a_local_reference_is_no_secret_keeper(pair):
    class Vault:
        def __repr__(self):
            return "s3cret"

    tell(pair, LocalRef(pair.a, Vault()))
    assert "s3cret" not in pair.a.session.dump()
    gc.collect()


def test_fulfill_is_a_verb_like_any_other_for_an_object(pair, seen):
    tell(pair, FULFILL, 1)
    assert seen == [(FULFILL, 1)]
