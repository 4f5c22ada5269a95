"""Calls and their answers: pipelining, listening, resolvers, parts of answers."""

import pytest

from hobgoblin.captp import BREAK, FULFILL
from hobgoblin.errors import BrokenPromise, RemoteError
from hobgoblin.refs import Promise
from hobgoblin.values import ErrorValue, Symbol


def octets(pair, start=0):
    return [message for _, message in pair.sent(start)]


def test_a_call_and_its_answer(pair, result):
    pair.b.object._behaviour = lambda verb, x, y: x + y
    answer = pair.a.send(pair.a.remote, (Symbol("add"), 2, 3))
    assert result(answer) == "pending"
    pair.pump()
    assert result(answer) == ("fulfilled", 5)
    del answer
    pair.assert_clean()


def test_a_call_that_asks_nothing_gets_nothing(pair):
    calls = []
    pair.b.object._behaviour = lambda *args: calls.append(args)
    start = len(pair.transcript)
    pair.a.send_only(pair.a.remote, 1, 2)
    pair.pump()
    assert calls == [(1, 2)]
    assert len(pair.sent(start)) == 1
    pair.assert_clean()


def test_a_chain_of_dependent_calls_takes_one_round_trip(pair, result):
    def make(depth):
        return pair.b.spawn(lambda *args: make(depth + 1) if depth < 9 else depth)

    pair.b.object._behaviour = lambda *args: make(0)
    answer = pair.a.remote
    for _ in range(11):
        answer = pair.a.send(answer, (Symbol("next"),))
    pair.flush(pair.a)
    assert len(pair.wires[pair.a]) == 11
    while pair.wires[pair.a]:
        pair.step(pair.a)
    pair.b.run()
    pair.flush(pair.b)
    while pair.wires[pair.b]:
        pair.step(pair.b)
    assert result(answer) == ("fulfilled", 9)
    del answer
    pair.assert_clean()


def test_a_pipelined_call_on_data_breaks_and_so_does_what_follows(pair, result):
    pair.b.object._behaviour = lambda *args: "data"
    first = pair.a.send(pair.a.remote, ())
    second = pair.a.send(first, ())
    third = pair.a.send(second, ())
    pair.pump()
    assert result(first) == ("fulfilled", "data")
    assert result(second)[0] == result(third)[0] == "broken"
    assert pair.a.session.state.value == pair.b.session.state.value == "open"


def test_a_broken_answer_breaks_what_was_pipelined_to_it(pair, result):
    def fail(*args):
        raise BrokenPromise(Symbol("no"))

    pair.b.object._behaviour = fail
    first = pair.a.send(pair.a.remote, ())
    second = pair.a.send(first, ())
    pair.pump()
    assert [result(answer)[1].reason for answer in (first, second)] == [Symbol("no")] * 2


def test_messages_arrive_in_the_order_sent_also_around_a_resolution(pair):
    calls, later = [], Promise(pair.b)
    target = pair.b.spawn(lambda *args: calls.extend(args))
    pair.b.object._behaviour = lambda *args: later
    answer = pair.a.send(pair.a.remote, ())
    for number in range(3):
        pair.a.send_only(answer, number)
    pair.pump()
    later._resolve_here(target)
    pair.a.send_only(answer, 3)
    pair.pump()
    pair.a.send_only(answer, 4)
    pair.pump()
    assert calls == [0, 1, 2, 3, 4]


def test_calls_in_circles_find_their_way(pair, result):
    """Bob's answer is alice's own object, and she pipelines to it."""
    mine = pair.a.spawn(lambda *args: ("mine", *args))
    pair.b.object._behaviour = lambda reference: reference
    answer = pair.a.send(pair.a.send(pair.a.remote, (mine,)), ("hello",))
    pair.pump()
    assert result(answer) == ("fulfilled", ("mine", "hello"))
    del answer, mine
    pair.a.object._behaviour = None
    pair.assert_clean()


# Listening


def test_a_listener_hears_what_happens_later(pair, result):
    later = Promise(pair.b)
    pair.b.object._behaviour = lambda *args: (later,)
    answer = pair.a.send(pair.a.remote, ())
    pair.pump()
    theirs = answer._value[0]
    start = len(pair.transcript)
    copies = [Promise(pair.a), Promise(pair.a)]
    for copy in copies:
        theirs._listen_here(copy)
    pair.pump()
    assert [message[:12] for message in octets(pair, start)] == [b"<9'op:listen"]  # once
    later._resolve_here(pair.b.object)
    pair.pump()
    assert result(copies[0]) == result(copies[1]) == ("fulfilled", pair.a.remote)
    assert result(theirs) == ("fulfilled", pair.a.remote)


@pytest.mark.parametrize("settled", [True, False])
def test_a_listener_hears_what_has_happened_already(pair, result, settled):
    later = Promise(pair.b)
    pair.b.object._behaviour = lambda *args: (later,)
    answer = pair.a.send(pair.a.remote, ())
    pair.pump()
    if settled:
        later._resolve_here(1)
    else:
        later._break_here(BrokenPromise(Symbol("oh-no")))
    theirs = answer._value[0]
    theirs._listen_here(Promise(pair.a))
    pair.pump()
    if settled:
        assert result(theirs) == ("fulfilled", 1)
    else:
        assert result(theirs)[1].reason == Symbol("oh-no")


def test_t31_listening_on_what_is_no_promise_breaks(stranger):
    peer = stranger()
    assert peer.send(b"<9'op:listen<11'desc:export0+><18'desc:import-object9+>>") == ["Listened"]
    [event] = peer.events
    assert event.target is peer.bob.object
    peer.bob.event(event)
    [message] = peer.session.data_to_send()
    assert message == b"<10'op:deliver<11'desc:export9+>[5'break<10'desc:error13\"not a promise>]ff>"


def test_an_answer_may_be_listened_to(stranger):
    peer = stranger()
    kinds = peer.send(
        b"<10'op:deliver<11'desc:export0+>[]7+f>",
        b"<9'op:listen<11'desc:answer7+><19'desc:import-promise9+>t>",
    )
    assert kinds == ["Delivered", "Listened"]
    assert peer.events[1].target is peer.events[0].answer


# Resolvers


def ask(stranger):
    """Bob has a question at position 1 with a resolver at export 1."""
    peer = stranger()
    answer = peer.bob.send(peer.bob.remote, (Symbol("ask"),))
    [message] = peer.session.data_to_send()
    assert message == b"<10'op:deliver<11'desc:export0+>[3'ask]1+<18'desc:import-object1+>>"
    return peer, answer


def test_t32_the_first_resolution_wins(stranger):
    for first, second in (
        (b"7'fulfill1+", b"5'break2+"),
        (b"5'break2+", b"7'fulfill1+"),
        (b"7'fulfill1+",) * 2,
    ):
        peer, answer = ask(stranger)
        message = b"<10'op:deliver<11'desc:export1+>[%b]ff>"
        kinds = peer.send(message % first, message % second)
        assert kinds == ["Answered" if first[0:1] == b"7" else "Broke"]
        assert peer.events[0].promise is answer
        assert peer.session.stats().ignored == 1
        assert peer.state == "open"


def test_t32_a_resolution_after_its_resolver_was_given_back_is_out_of_sync(stranger):
    peer, _ = ask(stranger)
    peer.send(b"<10'op:deliver<11'desc:export1+>[7'fulfill1+]ff>", b"<13'op:gc-exports[1+][1+]>")
    peer.assert_aborted(b"<10'op:deliver<11'desc:export1+>[7'fulfill1+]ff>")


@pytest.mark.parametrize(
    "args", [b"", b"7'fulfill", b"7'fulfill1+2+", b"4'nope1+", b'7"fulfill1+', b"5'break", b"1+2+", b"[]{}"]
)
def test_a_resolver_takes_nothing_else(stranger, args):
    peer, answer = ask(stranger)
    peer.assert_aborted(b"<10'op:deliver<11'desc:export1+>[%b]ff>" % args)
    assert peer.events[-1].orphans == (answer,)


def test_an_answer_asked_of_a_resolver_is_nothing(stranger):
    # As Goblins does: it asks for an answer to everything.
    peer, _ = ask(stranger)
    kinds = peer.send(
        b"<10'op:deliver<11'desc:export1+>[7'fulfill1+]4+<18'desc:import-object3+>>",
        b"<10'op:deliver<11'desc:export1+>[7'fulfill1+]f<18'desc:import-object3+>>",
        b"<10'op:deliver<11'desc:export1+>[7'fulfill1+]5+f>",
    )
    assert kinds == ["Answered", "Listened", "Listened"]
    assert peer.events[1].target._value is None
    assert peer.session.stats().answers == 2


def test_a_question_whose_resolver_is_dropped_breaks(stranger, result):
    # The peer can't settle it any more; to wait for that would be to wait for ever.
    peer, answer = ask(stranger)
    assert peer.send(b"<13'op:gc-exports[1+][1+]>") == ["Broke"]
    peer.bob.event(peer.events[0])
    assert type(result(answer)[1]) is RemoteError
    assert peer.state == "open"


def test_a_question_fulfilled_with_a_promise_waits_for_that(stranger, result):
    peer, answer = ask(stranger)
    peer.send(b"<10'op:deliver<11'desc:export1+>[7'fulfill<19'desc:import-promise8+>]ff>")
    peer.bob.event(peer.events.pop())
    assert result(answer) == "following"
    assert peer.session.data_to_send() == [b"<9'op:listen<11'desc:export8+><18'desc:import-object2+>f>"]
    peer.send(b"<10'op:deliver<11'desc:export2+>[7'fulfill3\"yes]ff>")
    peer.bob.event(peer.events.pop())
    assert result(answer) == ("fulfilled", "yes")


def test_t33_a_promise_resolved_to_itself_breaks(stranger, result):
    peer, answer = ask(stranger)
    peer.send(b"<10'op:deliver<11'desc:export1+>[7'fulfill<19'desc:import-promise8+>]ff>")
    peer.bob.event(peer.events.pop())
    peer.session.data_to_send()
    peer.send(b"<10'op:deliver<11'desc:export2+>[7'fulfill<19'desc:import-promise8+>]ff>")
    peer.bob.event(peer.events.pop())
    assert result(answer)[0] == "broken"


def test_t33_promises_of_two_peers_resolved_to_each_other_never_spin(pair, result):
    mine, theirs, seen = Promise(pair.a), Promise(pair.b), []
    pair.b.object._behaviour = lambda promise: seen.append(promise) or (theirs,)
    answer = pair.a.send(pair.a.remote, (mine,))
    pair.pump()
    mine._resolve_here(answer._value[0])
    theirs._resolve_here(seen[0])
    for promise in (mine, theirs):
        promise._listen_here(Promise(pair.a))
    start = len(pair.transcript)
    pair.pump()
    assert len(pair.sent(start)) < 10
    assert pair.a.session.state.value == pair.b.session.state.value == "open"


# Parts of answers


def test_op_get_index_and_untag_name_a_part_of_what_comes(stranger):
    peer = stranger()
    kinds = peer.send(
        b"<10'op:deliver<11'desc:export0+>[]1+f>",
        b"<6'op:get<11'desc:answer1+>4\"name2+>",
        b"<8'op:index<11'desc:answer2+>0+3+>",
        b"<8'op:untag<11'desc:answer3+>7\"decimal4+>",
        b"<10'op:deliver<11'desc:answer4+>[5'drive]5+f>",
    )
    assert kinds == ["Delivered", "Selected", "Selected", "Selected", "Delivered"]
    delivered, *selected, pipelined = peer.events
    assert [(event.selector, event.untag) for event in selected] == [
        ("name", False),
        (0, False),
        ("decimal", True),
    ]
    chain = [delivered.answer, *(event.answer for event in selected)]
    assert [event.receiver for event in selected] == chain[:-1]
    assert pipelined.target is chain[-1]
    assert peer.session.stats().answers == 5


def test_a_part_arrives(stranger):
    peer = stranger()
    peer.send(b"<10'op:deliver<11'desc:export0+>[]1+f>", b"<6'op:get<11'desc:answer1+>4\"name2+>")
    peer.send(b"<9'op:listen<11'desc:answer2+><18'desc:import-object9+>f>")
    for event in peer.events:
        peer.bob.event(event)
    peer.bob.inbox.popleft().answer._resolve_here({"name": "Car"})
    [told] = peer.session.data_to_send()
    assert told == b"<10'op:deliver<11'desc:export9+>[7'fulfill3\"Car]ff>"


def test_deliver_only_of_older_peers_is_a_call_that_asks_nothing(stranger):
    peer = stranger()
    assert peer.send(b"<15'op:deliver-only<11'desc:export0+>[5\"Hello]>") == ["Delivered"]
    [event] = peer.events
    assert (event.args, event.answer, event.resolver) == (("Hello",), None, None)


def test_verbs_are_the_symbols_of_the_protocol():
    assert (Symbol("fulfill"), Symbol("break")) == (FULFILL, BREAK)
    assert ErrorValue("x") == ErrorValue("x")
