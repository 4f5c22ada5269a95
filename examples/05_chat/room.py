"""The objects of the chat: a room that nobody outside holds, and what each member gets of it."""

from collections.abc import Callable, Mapping

import hobgoblin as hob
from hobgoblin import Actor, Promise, actors, method
from hobgoblin.actors import Subscription


class Room(Actor):
    def __init__(self) -> None:
        self.publisher, self.subscribers = actors.new_topic()  # bounded, also for slow members
        self.present: Mapping[str, tuple[Subscription, Callable[[], None]]] = {}

    @method
    def enter(self, name: str, hear: Callable[[str], None]) -> None:
        if name in self.present:
            raise hob.Refused(f"{name} is here already")
        # When the member's process dies, however it dies, this handler runs in a turn of the room.
        unwatch = hob.on_sever(hear, lambda error: self.leave(name))
        self.present = {**self.present, name: (self.subscribers.subscribe(hear), unwatch)}
        self.publisher.publish(f"* {name} comes in")

    @method
    def leave(self, name: str) -> None:
        if name in self.present:
            subscription, unwatch = self.present[name]
            self.present = {other: place for other, place in self.present.items() if other != name}
            unwatch()
            subscription.cancel()
            self.publisher.publish(f"* {name} has left")

    @method
    def say(self, name: str, text: str) -> None:
        if name not in self.present:
            raise hob.Refused("come in first")
        self.publisher.publish(f"{name}: {text}")


class Membership(Actor):
    """What one member may do: be in the room, and speak there under one name."""

    def __init__(self, room: Room, name: str) -> None:
        self.room, self.name = room, name

    @method
    def enter(self, hear: Callable[[str], None]) -> Promise[None]:
        return self.room.enter(self.name, hear)

    @method
    def say(self, text: str) -> Promise[None]:
        if not text.isprintable() or len(text) > 500:
            raise hob.Refused("say one line of text")
        return self.room.say(self.name, text)
