"""The way from one thread to a question in another."""

from __future__ import annotations

from typing import Any, final

from hobgoblin.refs.contracts import Home
from hobgoblin.refs.message import Message
from hobgoblin.refs.promise import Follower, Promise

__all__ = ["Relay"]


@final
class Relay:
    """The way to a question that belongs to the thread of a connection, from another thread."""

    __slots__ = ("home", "question")

    def __init__(self, home: Home, question: Promise[Any]) -> None:
        self.home = home
        self.question = question

    def __repr__(self) -> str:
        return repr(self.question._route)

    def accept(self, message: Message) -> None:
        message.target = self.question
        self.question._accept(message)

    def room(self, done: Promise[None]) -> None:
        self.question._room(done)

    def listen(self, promise: Promise[Any]) -> None:
        # Only of selections. Other questions have their follower from the start.
        self.question._listen(Follower(promise))
