"""Long strings leave as they are: nobody copies them into a message, and the message is the same."""

from __future__ import annotations

import pytest

from hobgoblin.errors import NotPassable
from hobgoblin.syrup import Framing
from hobgoblin.testing import SessionPair
from hobgoblin.values import Limits

STRING = bytes(range(256)) * 1024
FRAMINGS = [Framing.RAW, Framing.PREFIXED]


def opened(framing: Framing, cuts: bool, **options: object) -> SessionPair:
    # An acceptor speaks as it is spoken to.
    return SessionPair.make(framing=framing, cuts=cuts, **options)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    "args",
    [
        (STRING,),
        (1, [STRING, b"short", STRING], {"a": STRING}, "text" * 40_000, 2),
        ("text" * 40_000,),
        (b"short",),
    ],
)
def test_a_message_is_the_same_in_pieces(framing: Framing, args: tuple[object, ...]) -> None:
    written = []
    for cuts in (False, True):
        pair = opened(framing, cuts)
        before = pair.a.session.stats().bytes_sent
        pair.a.send(pair.a.remote, args)
        pair.a.send_only(pair.a.remote, *args)
        pair.a.send_only(pair.a.remote, "the last")
        pair.a.session.check()
        octets = pair.a.session.unsent
        written.append(b"".join(pair.a.session.data_to_send()))
        assert octets == len(written[-1]) == pair.a.session.stats().bytes_sent - before
        assert pair.a.session.unsent == 0
        pair.a.session.check()
        pair.b.take(written[-1])
        assert [repr(message.args[0]) for message in pair.b.inbox][-1] == "'the last'"
    assert written[0] == written[1]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_long_octets_are_not_copied(framing: Framing) -> None:
    pair = opened(framing, True)
    pair.a.send(pair.a.remote, (STRING, {"more": STRING}))
    pair.b.send_only(pair.b.remote, STRING)
    for side, times in ((pair.a, 2), (pair.b, 1)):
        assert sum(piece is STRING for piece in side.session.data_to_send()) == times


def test_a_message_in_pieces_is_never_cut_by_another() -> None:
    """What is handed out ends with a message, so an op:abort can follow whatever has been discarded."""
    pair = opened(Framing.PREFIXED, True)
    for number in range(3):
        pair.a.send_only(pair.a.remote, number, STRING, STRING)
    pair.b.take(b"".join(pair.a.session.data_to_send(most=1)))
    assert [message.args[0] for message in pair.b.inbox] == [0]
    pair.a.session.check()
    pair.a.session.abort("enough")
    pair.b.take(b"".join(pair.a.session.data_to_send()))
    assert [message.args[0] for message in pair.b.inbox] == [0, 1, 2]
    assert pair.b.session.severed_because == "the peer aborted: enough"


def test_a_long_string_beyond_the_limits_is_refused_before_anything_is_exported() -> None:
    pair = opened(Framing.PREFIXED, True, limits=Limits(message_bytes=300_000))
    with pytest.raises(NotPassable, match="larger than the limit"):
        pair.a.session.deliver(pair.a.remote, (pair.a.spawn(), STRING, STRING), None)
    assert pair.a.session.unsent == 0
    pair.a.session.check()
