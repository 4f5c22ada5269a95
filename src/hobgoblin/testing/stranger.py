"""A session of ours, and a peer that is nothing but octets and keys: for what no honest peer would send."""

from __future__ import annotations

from typing import Any, final

from hobgoblin.captp import Event, SessionState
from hobgoblin.captp.handshake import hello
from hobgoblin.errors import SessionSevered
from hobgoblin.messages import ENCODERS
from hobgoblin.syrup import Framing, encode, frame
from hobgoblin.testing.pairs import SessionOwner, keys_of, location_of
from hobgoblin.testing.transcript import Transcript

__all__ = ["Stranger"]

_CALL = b"<10'op:deliver<11'desc:export0+>[]ff>"

_NEVER = 1e9
"""A time by which every deadline of a session has passed."""


@final
class Stranger:
    """What calls itself alice, and sends bob any octets at all.

    The events of bob's session are kept, and not carried out: `SessionOwner.event` does so.

    Args:
        opened: whether to say hello first.
        dialled: whether bob has dialled.
        framing: how messages are told apart; `send` puts a count in front where it is to be.
        options: what `SessionOwner` takes, for bob.
    """

    def __init__(
        self, *, opened: bool = True, dialled: bool = False, framing: Framing = Framing.RAW, **options: Any
    ) -> None:
        self.framing = framing
        self.keys = keys_of("alice")
        self.bob = SessionOwner(
            "bob", dialled=location_of("alice") if dialled else None, framing=framing, **options
        )
        self.session = self.bob.session
        self.hello = encode(hello(self.keys, location_of("alice"), "1.0"), encoders=ENCODERS)
        """A valid op:start-session."""
        self.events: list[Event] = []
        """What bob's session has told of what `send` sent."""
        self.answers: list[bytes] = []
        """What bob's session has sent."""
        self.transcript = Transcript("alice", "bob")
        """What has crossed, by way of `send`."""
        if opened:
            self.send(self.hello)
            self.events.clear()
            self.answers.clear()

    def __repr__(self) -> str:
        return f"<Stranger of a session {self.state}>"

    @property
    def state(self) -> str:
        """That of bob's session: ``"handshake"``, ``"open"`` or ``"severed"``."""
        return self.session.state.value

    def send(self, *messages: bytes) -> list[str]:
        """Send octets, framed if need be; return the kinds of the events, by name."""
        kinds: list[str] = []
        for message in messages:
            octets = frame(message, self.framing)
            self.transcript.add("alice", octets)
            self.session.receive_data(octets)
            self.session.check()
            events = self.session.events_received()
            kinds.extend(type(event).__name__ for event in events)
            self.events.extend(events)
            for answer in self.session.data_to_send():
                self.transcript.add("bob", answer)
                self.answers.append(answer)
        return kinds

    def assert_aborted(self, *messages: bytes, reason: str | None = None) -> None:
        """Send ``messages``, the last of which must end the session, with one op:abort and one event.

        Args:
            messages: as for `send`.
            reason: what the op:abort must hold.
        """
        before = len(self.answers)
        kinds = self.send(*messages)
        assert kinds[-1:] == ["Severed"], f"not severed, but {kinds}:\n{self.transcript}"
        assert kinds.count("Severed") == 1, f"severed {kinds.count('Severed')} times"
        answers = self.answers[before:]
        assert answers, f"no op:abort:\n{self.transcript}"
        assert b"<8'op:abort" in answers[-1], f"the last message is no op:abort:\n{self.transcript}"
        if reason is not None:
            assert reason in answers[-1].decode(), f"another reason:\n{self.transcript}"
        self.assert_over()

    def assert_over(self) -> None:
        """Assert that nothing gets in or out any more, and that the session holds nothing."""
        session = self.session
        assert session.state is SessionState.SEVERED, f"the session is {self.state}"
        assert session.stats().tables == (0, 0, 0, 0), session.dump()
        assert session.timer() is None, "a session that is over waits for something"
        before = session.stats()
        session.receive_data(self.hello)
        session.receive_data(_CALL)
        session.receive_eof()
        session.handle_timer(_NEVER)
        session.abort("again")
        assert session.events_received() == [], "a session that is over has events"
        assert session.data_to_send() == [], "a session that is over sends"
        assert session.stats() == before, "a session that is over counts"
        try:
            session.deliver(session.bootstrap, (1,), None)
        except SessionSevered:
            pass
        else:
            raise AssertionError("a session that is over takes messages")
        session.check()
