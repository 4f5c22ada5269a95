"""The four dialects: what is written to whom, and how a session finds out what its peer speaks."""

import pytest

from hobgoblin.captp import FULFILL
from hobgoblin.dialects import DIALECTS, DRAFT, LEARNING
from hobgoblin.values import Symbol


def labels(pair, start=0):
    """The operations that crossed, each as sender and label, and whether it ends without a resolver."""
    found = []
    for sender, message in pair.sent(start):
        label = message[message.index(b"'") + 1 : message.index(b"<", 1) if b"<" in message[1:] else None]
        label = label.split(b"[")[0].decode()
        found.append((sender, label, message.endswith(b"ff>")))
    return found


def call(pair, *args):
    answer = pair.a.send(pair.a.remote, args)
    pair.pump()
    return answer


@pytest.mark.parametrize(
    ("name", "one_way"),
    [
        ("A", b"<15'op:deliver-only<11'desc:export0+>[5\"Hello]>"),
        ("B", b"<15'op:deliver-only<11'desc:export0+>[5\"Hello]>"),
        ("C", b"<10'op:deliver<11'desc:export0+>[5\"Hello]ff>"),
        ("D", b"<10'op:deliver<11'desc:export0+>[5\"Hello]ff>"),
    ],
)
def test_a_message_without_an_answer(make_pair, name, one_way):
    pair = make_pair(dialect=DIALECTS[name])
    start = len(pair.transcript)
    pair.a.send_only(pair.a.remote, "Hello")
    pair.pump()
    assert pair.sent(start) == [("alice", one_way)]


@pytest.mark.parametrize(
    ("name", "releases"),
    [
        ("A", [b"<12'op:gc-export1+2+>", b"<12'op:gc-answer1+>"]),
        ("B", [b"<12'op:gc-export[1+][2+]>", b"<12'op:gc-answer[1+]>"]),
        ("C", [b"<12'op:gc-export[1+][2+]>", b"<12'op:gc-answer[1+]>"]),
        ("D", [b"<13'op:gc-exports[1+][2+]>", b"<13'op:gc-answers[1+]>"]),
    ],
)
def test_releases(make_pair, name, releases):
    pair = make_pair(dialect=DIALECTS[name])
    pair.b.object._behaviour = lambda *args: (pair.b.object,) + (pair.b.spawn(),) * 2
    answer = call(pair)
    start = len(pair.transcript)
    del answer
    pair.settle()
    assert sorted(octets for sender, octets in pair.sent(start) if sender == "alice") == sorted(releases)
    pair.assert_clean()


@pytest.mark.parametrize("name", list(DIALECTS))
def test_each_dialect_works_and_leaves_nothing(make_pair, name, result):
    pair = make_pair(dialect=DIALECTS[name])
    pair.b.object._behaviour = lambda thing: (thing, pair.b.spawn())
    mine = pair.a.spawn()
    answer = call(pair, mine)
    assert result(answer)[1][0] is mine
    del answer
    pair.assert_clean()


def test_two_that_learn_find_each_other(make_pair, result):
    pair = make_pair(dialect=LEARNING)
    assert result(call(pair, 1))[0] == "fulfilled"
    assert pair.a.session.dialect == DRAFT
    assert pair.b.session.dialect == DRAFT
    pair.assert_clean()


def test_until_it_knows_a_session_speaks_what_all_understand(make_pair):
    pair = make_pair(dialect=LEARNING)
    start = len(pair.transcript)
    pair.a.send_only(pair.a.remote, "Hello")
    pair.flush(pair.a)
    expected = b"<10'op:deliver<11'desc:export0+>[5\"Hello]f<18'desc:import-object1+>>"
    assert pair.sent(start) == [("alice", expected)]


def test_releases_are_held_back_until_the_dialect_is_known(make_pair):
    pair = make_pair(a={"dialect": LEARNING}, b={"dialect": DIALECTS["A"]})
    pair.b.object._behaviour = lambda *args: pair.b.spawn()
    start = len(pair.transcript)
    call(pair)
    pair.settle()
    releases = [(sender, label) for sender, label, _ in labels(pair, start) if label.startswith("op:gc")]
    # Only after bob's first one alice knows how to write hers.
    assert releases[0][0] == "bob"
    assert pair.a.session.dialect == DIALECTS["A"]
    pair.assert_clean()


def test_what_was_held_back_is_asked_for_once_the_dialect_is_known(stranger):
    peer = stranger(dialect=LEARNING)
    peer.send(b"<10'op:deliver<11'desc:export0+>[<18'desc:import-object5+>]1+<18'desc:import-object6+>>")
    peer.events.clear()
    assert peer.bob.wakes == 1
    assert peer.session.data_to_send() == []
    peer.send(b"<13'op:gc-answers[1+]>")
    assert peer.bob.wakes == 2
    assert peer.answers[-1:] == [b"<13'op:gc-exports[5+6+][1+1+]>"]


@pytest.mark.parametrize(
    ("message", "known"),
    [
        (b"<15'op:deliver-only<11'desc:export0+>[]>", "unknown"),
        (b"<10'op:deliver<11'desc:export0+>[]ff>", "D"),
        (b"<12'op:gc-export1+1+>", "A"),
        (b"<12'op:gc-export[][]>", "unknown"),
        (b"<13'op:gc-exports[][]>", "D"),
        (b"<12'op:gc-answer1+>", "A"),
        (b"<13'op:gc-answers[1+]>", "D"),
        (b"<10'op:deliver<11'desc:export0+>[]1+<18'desc:import-object7+>>", "unknown"),
    ],
)
def test_what_one_message_tells(stranger, message, known):
    bob = stranger(dialect=LEARNING)
    bob.send(message)
    assert bob.bob.session.dialect.name == known


def test_two_messages_tell_what_one_does_not(stranger):
    peer = stranger(dialect=LEARNING)
    peer.send(b"<15'op:deliver-only<11'desc:export0+>[]><12'op:gc-export[][]>")
    assert peer.bob.session.dialect == DIALECTS["B"]


def test_who_is_told_does_not_learn(stranger):
    peer = stranger(dialect=DIALECTS["B"])
    peer.send(b"<10'op:deliver<11'desc:export0+>[]ff>")
    assert peer.bob.session.dialect == DIALECTS["B"]


def test_a_resolver_that_wants_an_answer_gets_one(make_pair, result):
    pair = make_pair(dialect=LEARNING)
    answer = pair.a.send(pair.a.remote, (Symbol("go"),))
    pair.pump()
    assert result(answer) == ("fulfilled", None)
    assert any(FULFILL.name.encode() in message for _, message in pair.transcript)
