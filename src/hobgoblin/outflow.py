"""When what a session has written goes to its channel: in few pieces, and no more than the channel takes.

::

    IDLE ──a message──▶ DUE ──the next tick of the loop──▶ IDLE
    any ──a portion of input begins──▶ DUE ──its end──▶ PROMPT if it was a single message, else IDLE
    PROMPT ──a message──▶ IDLE, and it has left at once

What is written while DUE leaves together. A second answer is not to be expected soon after a single
one; so a call that awaits it need not wait for a tick.

What the channel does not take stays in the session, where it is counted: while it has asked to wait
nothing leaves, and senders can wait until there is room. But when the session has ended all that is
left goes out, the op:abort last, and then the channel is closed.

Invariant: messages leave in the order in which the session has written them, as all of them leave
from its one queue. There is one write for each portion of input and for each tick, but for bursts:
these leave in parts, each in one.
"""

from __future__ import annotations

import asyncio
from typing import Final, final

from hobgoblin.captp.session import Session
from hobgoblin.captp.stats import OPEN, SEVERED
from hobgoblin.loops import LoopHost
from hobgoblin.netlayers import Channel
from hobgoblin.refs.promise import Promise
from hobgoblin.taps import Tap, show

__all__ = ["Outflow"]

RELEASE_SECONDS: Final = 0.01
"""How long releases wait for others to join them, and then, as long, for a message to leave with."""

WRITE_OCTETS: Final = 256 * 1024
"""What a channel gets at a time: no more than this and one message waits in it beyond its own mark."""

BURST: Final = 32
"""After so many messages within a tick these leave, so that the other side works while this one writes."""

ROOM_SHARE: Final = 16
"""There is room again when no more than one in so many of the outbound octets is in use: 4 MB."""


@final
class Outflow:
    """The outgoing side of a connection.

    Args:
        session: what writes the messages, and keeps them until they leave.
        host: the loop of the connection.
        most: how many octets the session keeps before it refuses more.
        tap: sees the messages that leave.
    """

    __slots__ = (
        "_channel",
        "_due",
        "_host",
        "_loop",
        "_low_water",
        "_paused",
        "_prompt",
        "_refused",
        "_release_timer",
        "_releases_ride",
        "_seen",
        "_session",
        "_tap",
        "_waiters",
    )

    def __init__(self, session: Session, host: LoopHost, *, most: int, tap: Tap | None) -> None:
        self._session = session
        self._host = host
        self._loop = host.loop
        self._tap = tap
        self._channel: Channel | None = None
        # Somebody is about to call `flush`: the loop, in its next tick, or who handles a portion of input.
        self._due = False
        # The next message leaves at once.
        self._prompt = False
        # How many messages had come in with the last portion.
        self._seen = 0
        # The channel has asked us to wait. Who waits for it, too, and below which mark they go on.
        self._paused = False
        self._waiters: list[Promise[None]] = []
        self._low_water = most // ROOM_SHARE
        # A message has found no room since there was room last.
        self._refused = False
        # Releases wait for others to join them; once they have, for a message to leave with.
        self._release_timer: asyncio.TimerHandle | None = None
        self._releases_ride = False

    def opened(self, channel: Channel) -> None:
        """Let what waits go to ``channel``, now and from here on."""
        self._channel = channel
        self.flush()

    def collect(self) -> None:
        """A portion of input is being carried out: what that writes leaves with `portion_handled`."""
        self._due = True

    def portion_handled(self) -> None:
        """All that a portion of input has caused is written, its turns included."""
        self.flush()
        session = self._session
        received = session._received - session._releases
        self._prompt = received == self._seen + 1
        self._seen = received

    def written(self) -> None:
        """The session has written a message: let it leave, with others if they are to be expected."""
        prompt, self._prompt = self._prompt, False
        if self._due:
            if len(self._session._out) >= BURST and not self._paused:
                self.flush()
                self._due = True  # as before: who was about to flush still is
        elif prompt:
            self.flush()
        else:
            self._loop.call_soon(self.flush)
            self._due = True

    def flush(self, releases: bool = False) -> None:
        """Give the channel what it takes now; close it behind the last message of a session that has ended.

        Args:
            releases: whether to tell of what was released here, too, also if there is nothing else.
        """
        self._due = False
        if (channel := self._channel) is None:
            return
        session = self._session
        severed = session.state is SEVERED
        waits = releases or session._unsent > 0
        if waits and self._releases_ride:
            self._releases_ride, releases = False, True
        while waits and (severed or not self._paused):
            if not (messages := session.data_to_send(releases=releases, most=WRITE_OCTETS)):
                break
            if self._tap is not None:
                for message in messages:
                    show(self._tap.sent, message)
            channel.write(messages)
            waits = session._unsent > 0
        if (self._waiters or self._refused) and session._unsent <= self._low_water:
            self._refused = False
            waiters, self._waiters = self._waiters, []
            for done in waiters:
                done._resolve(None)
        if severed:
            channel.close()

    # Back-pressure

    def pause(self) -> None:
        """The channel holds more than it likes to: leave what comes in the session."""
        self._paused = True

    def resume(self) -> None:
        """The channel takes more."""
        self._paused = False
        self.flush(releases=True)

    def room(self, done: Promise[None]) -> None:
        """Fulfil ``done`` when there is room for messages; the session has not ended."""
        if self._session._unsent <= self._low_water:
            done._resolve(None)
        else:
            self._waiters.append(done)

    def refused(self) -> bool:
        """A message found no room. Return whether it is the first since there was room."""
        first = not self._refused
        self._refused = True
        return first

    # Releases

    def wake(self) -> None:
        """References of the peer were dropped here. Any thread, at any point, also by the collector."""
        self._host.post(self._release_later)

    def _release_later(self) -> None:
        if self._release_timer is None and self._session.state is OPEN:
            self._release_timer = self._loop.call_later(RELEASE_SECONDS, self._release)

    def _release(self) -> None:
        self._release_timer = None
        if self._releases_ride:
            self.flush(releases=True)
        elif self._session._crossing.release_due:
            self._releases_ride = True
            self._release_later()

    # The end

    def end(self) -> list[Promise[None]]:
        """Release nothing any more: the session has ended. Return who waits for room, which won't come."""
        if self._release_timer is not None:
            self._release_timer.cancel()
            self._release_timer = None
        waiters, self._waiters = self._waiters, []
        return waiters
