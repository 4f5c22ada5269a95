"""Step 5: a chat room, whose members are processes of their own. This one keeps the room.

python server.py

Type `invite NAME` to get the URI of a membership, and `remove NAME` to revoke it. Ctrl-D or Ctrl-C ends it.
"""

import asyncio
from contextlib import suppress

from console import console
from room import Membership, Room

from hobgoblin import Peer, netlayers


async def main() -> None:
    async with Peer(netlayers.Unix("chat.sock")) as peer:
        room = peer.spawn(Room)
        memberships: dict[str, str] = {}
        print("the room is open", flush=True)
        async for line in console():
            match line.decode().split():
                case ["invite", name] if name not in memberships:
                    membership = peer.spawn(Membership, room, name)
                    memberships[name] = peer.publish(membership, revocable=True)
                    print(memberships[name], flush=True)
                case ["remove", name] if name in memberships:
                    peer.revoke(memberships.pop(name))  # also for whom it was passed on to
                    await room.leave(name)
                    print(f"{name} is no member any more", flush=True)
                case _:
                    print("invite NAME, or remove NAME", flush=True)


with suppress(KeyboardInterrupt):
    asyncio.run(main())
