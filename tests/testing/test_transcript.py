"""What a transcript keeps of a session, fed by a pair, or as a tap of a real one."""

import asyncio
import socket

import pytest

import hobgoblin as hob
from hobgoblin import netlayers, testing
from hobgoblin.messages import ENCODERS, DescExport, DescImportObject, OpDeliver, OpGcAnswers
from hobgoblin.syrup import Framing, encode, frame
from hobgoblin.testing import Entry, Malformed, Transcript, count_round_trips
from hobgoblin.values import Symbol


def call(answer: int, *args: object) -> OpDeliver:
    return OpDeliver(DescExport(0), args, answer, DescImportObject(answer))


def resolve(answer: int, value: object) -> OpDeliver:
    return OpDeliver(DescExport(answer), (Symbol("fulfill"), value), False, False)


def octets(message: object, framing: Framing = Framing.RAW) -> bytes:
    return frame(encode(message, encoders=ENCODERS), framing)


@pytest.mark.parametrize("framing", [Framing.RAW, Framing.PREFIXED])
def test_it_keeps_messages_in_their_order_however_they_are_cut(framing: Framing) -> None:
    transcript = Transcript("alice", "bob")
    transcript.sent(octets(call(1, "x"), framing))
    for octet in octets(resolve(1, "y"), framing):
        transcript.received(bytes([octet]))
    transcript.sent(octets(OpGcAnswers((1,)), framing))
    transcript.received(octets(call(7), framing) + octets(call(8), framing))
    transcript.stop()
    transcript.sent(octets(OpGcAnswers((2,)), framing))
    transcript.received(octets(OpGcAnswers((2,)), framing))
    expected = [
        ("alice", call(1, "x")),
        ("bob", resolve(1, "y")),
        ("alice", OpGcAnswers((1,))),
        ("bob", call(7)),
        ("bob", call(8)),
    ]
    assert [(entry.sender, entry.message) for entry in transcript] == expected
    assert list(transcript) == [(sender, octets(message, framing)) for sender, message in expected]


def test_messages_that_the_channel_keeps_apart_are_taken_as_they_come() -> None:
    transcript = Transcript(framing=Framing.MESSAGE)
    for message in (octets(call(1)), b"nonsense", octets(call(2))):
        transcript.received(message)
    assert [entry.octets for entry in transcript] == [octets(call(1)), b"nonsense", octets(call(2))]


def test_as_text_it_says_who_said_what() -> None:
    transcript = Transcript("alice", "bob")
    transcript.sent(octets(call(1, b"a swiss number")))
    transcript.received(octets(resolve(1, "y")))
    assert str(transcript) == (
        "alice ─▶ bob  <op:deliver <desc:export 0> [#14-octets] 1 <desc:import-object 1>>\n"
        'bob ─▶ alice  <op:deliver <desc:export 1> [\'fulfill "y"] false false>'
    )
    assert transcript.text(1) == transcript.line(transcript[1]) == str(transcript).splitlines()[1]
    assert "swiss" not in repr(transcript[0]) + repr(transcript[:])
    assert repr(transcript) == "<Transcript of alice and bob: 2 messages>"
    transcript.clear()
    assert str(transcript) == ""


def test_octets_that_are_no_syrup_end_what_is_kept_of_their_side() -> None:
    transcript = Transcript()
    transcript.received(octets(call(1)) + b"hello, this is no message")
    transcript.received(octets(call(2)))
    transcript.sent(octets(call(3)))
    first, nonsense, sent = transcript
    assert first.message == call(1)
    assert nonsense == ("there", b"hello, this is no message")
    assert isinstance(nonsense.message, Malformed)
    assert str(nonsense).startswith("malformed: ")
    assert str(nonsense).endswith(", in #25-octets")
    assert sent.message == call(3)


def test_a_record_with_the_wrong_fields_is_shown_and_ends_nothing() -> None:
    transcript = Transcript()
    transcript.received(b"<10'op:deliver1+>" + octets(call(2)))
    wrong, right = transcript
    assert isinstance(wrong.message, Malformed)
    assert str(wrong) == "<op:deliver 1>"
    assert right.message == call(2)


def test_it_keeps_as_many_messages_as_it_is_told() -> None:
    transcript = Transcript(most=2)
    for number in range(5):
        transcript.sent(octets(call(number)))
    assert [entry.message for entry in transcript] == [call(3), call(4)]
    assert transcript[-1].message == call(4)
    assert len(transcript) == 2


def test_two_sides_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        Transcript("alice", "alice")


@pytest.mark.parametrize(
    ("order", "counted"),
    [
        ("", (0, 0)),
        ("1", (1, 1)),
        ("1 -1", (1, 1)),
        ("1 2 -1 -2", (2, 1)),
        ("1 -1 2 -2", (2, 2)),
        ("1 2 -1 3 -2 -3", (3, 2)),
        ("1 2 -2 -1 3", (3, 2)),
        ("1 -9 2", (2, 1)),  # what came in answers nothing that was asked
    ],
)
def test_round_trips(order: str, counted: tuple[int, int]) -> None:
    transcript = Transcript()
    for step in map(int, order.split()):
        if step > 0:
            transcript.sent(octets(call(step), Framing.PREFIXED))
        else:
            transcript.received(octets(resolve(-step, None), Framing.PREFIXED))
    assert count_round_trips(transcript) == counted


class Greeter(hob.Actor):
    @hob.method
    def greet(self, name: str) -> str:
        return f"Hello {name}"


def test_it_is_a_tap_of_a_peer() -> None:
    transcript = Transcript("visitor", "home")

    async def main() -> str:
        network = netlayers.MemoryNetwork()
        async with (
            hob.Peer(netlayers.Memory(network, "home")) as home,
            hob.Peer(netlayers.Memory(network, "visitor"), tap=transcript) as visitor,
        ):
            greeter = visitor.enliven(home.publish(home.spawn(Greeter)), Greeter)
            return await greeter.greet("you")

    assert asyncio.run(main()) == "Hello you"
    shown = str(transcript)
    assert shown.startswith("visitor ─▶ home  <op:start-session ")
    assert (
        "visitor ─▶ home  <op:deliver <desc:export 0> ['fetch #32-octets] 1 <desc:import-object 1>>" in shown
    )
    assert 'visitor ─▶ home  <op:deliver <desc:answer 1> [\'greet "you"] 2 <desc:import-object 2>>' in shown
    assert 'home ─▶ visitor  <op:deliver <desc:export 2> [\'fulfill "Hello you"] ' in shown
    assert count_round_trips(transcript)[1] == 1


def test_it_is_a_tap_of_a_connection() -> None:
    transcript = Transcript()

    async def main() -> str:
        mine, theirs = socket.socketpair()
        there = hob.connect(theirs, bootstrap=hob.spawn_vat("greeters").spawn(lambda name: f"Hello {name}"))
        greet = hob.connect(mine, tap=transcript)
        try:
            return str(await greet("you"))
        finally:
            await hob.disconnect(greet)
            await hob.disconnect(there)

    assert asyncio.run(main()) == "Hello you"
    assert 'here ─▶ there  <op:deliver <desc:export 0> ["you"] 1 <desc:import-object 1>>' in str(transcript)
    assert transcript[-1].sender == "here"
    assert str(transcript[-1]).startswith("<op:abort ")


@pytest.mark.parametrize("framing", [Framing.RAW, Framing.PREFIXED])
def test_the_operation_of_a_message_is_told_without_reading_it(framing: Framing) -> None:
    assert Entry("alice", octets(call(1), framing)).operation == "op:deliver"
    assert Entry("alice", b"<10'op:del\x00\xff").operation == "op:del\\x00\ufffd"
    assert [Entry("alice", bad).operation for bad in (b"", b"hello", b"1+", b"<1+", b"9:hello")] == [""] * 5


def test_entries_are_pairs() -> None:
    sender, message = Entry("alice", b"<1'a>")
    assert (sender, message) == ("alice", b"<1'a>")
    assert testing.Transcript()[:] == []
