"""What the world sends about, as the oracle sees it: objects, promises and numbered messages."""

from __future__ import annotations

from dataclasses import dataclass, field

DATA, BREAKS, TAINTED = "data", "breaks", "tainted"
"""What a promise may come to, besides an object. Tainted: a byzantine peer decides."""

CANARY = "canary-of-a-traceback"
"""The text of an error that nobody but its own peer may ever see."""


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True, eq=False)
class Token:
    """An object or a promise, whatever references there are to it.

    ``home`` is set for an object. A promise that is the answer of a call comes to nothing before
    the target of the call, ``target``, has come to an object. ``needs`` are all it may wait for.
    """

    number: int
    home: str | None = None
    target: Token | None = None
    decision: Token | str | None = None
    needs: tuple[Token, ...] = ()
    tainted: bool = False
    everyone: bool = False
    audience: set[str] = field(default_factory=set)

    def outcome(self) -> Token | str | None:
        """Return what this comes to: an object, `DATA`, `BREAKS` or `TAINTED`; ``None``: undecided."""
        if self.tainted:
            return TAINTED
        if self.home is not None:
            return self
        if self.target is not None:
            target = self.target.outcome()
            if not isinstance(target, Token):
                return BREAKS if target in (DATA, BREAKS) else target
        return self.decision.outcome() if isinstance(self.decision, Token) else self.decision

    def waits_for(self, goal: Token) -> bool:
        """Tell whether this may come to nothing before ``goal`` has come to something."""
        seen: set[int] = set()
        front = [self]
        while front:
            token = front.pop()
            if token is goal:
                return True
            if token.number not in seen:
                seen.add(token.number)
                front.extend(token.needs)
                if isinstance(token.decision, Token):
                    front.append(token.decision)
        return False


@dataclass(slots=True)
class Channel:
    """A sender and a reference: how many letters have been sent through it, and have arrived."""

    name: str
    sent: int = 0
    arrived: int = 0


@dataclass(slots=True)
class Letter:
    """A numbered message: who may get it, and what it holds."""

    channel: Channel
    number: int
    target: Token
    things: tuple[Token, ...]
    answer: Token
    arrived: bool = False
