"""Step 7: an agent that you don't trust gets three limited tools, and nothing else.

python 07_agent.py
"""

import asyncio
import tempfile
from pathlib import Path

import hobgoblin as hob
from hobgoblin import Actor, Function, Peer, Symbol, method, netlayers


class Folder(Actor):
    """Reads the files below one directory. Nobody writes through it: it has no such method."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    @method
    def read(self, name: str) -> str:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            raise hob.Refused("no such file")
        return path.read_text()


class Mailer(Actor):
    """Sends to one address, so many times. The mail server itself is not handed out."""

    def __init__(self, recipient: str, left: int) -> None:
        self._recipient, self._left = recipient, left

    @method
    def mail(self, text: str) -> None:
        if self._left == 0:
            raise hob.Refused("no mail left")
        self._left -= 1
        print(f"mail to {self._recipient}: {text}")


class Agent(Actor):
    """Lives elsewhere, on another machine perhaps. What it holds is what it can do."""

    @method
    async def work(self, folder: Folder, clock: Function[[], str], mailer: Mailer) -> None:
        todo = await folder.read("todo.txt")
        await mailer.mail(f"{todo}, says the agent at {await clock()}")
        for mischief in (
            lambda: folder.read("../secret.txt"),
            lambda: hob.send(folder, Symbol("write"), "todo.txt", "nothing"),
            lambda: hob.send(mailer, Symbol("mail"), "eve@example.org", "hello"),
            lambda: mailer.mail("me again"),
        ):
            try:
                await mischief()
            except hob.Refused as error:
                print("refused:", error)


async def main(home: Path) -> None:
    (home / "work").mkdir()
    (home / "work" / "todo.txt").write_text("water the plants")
    (home / "secret.txt").write_text("xyzzy")
    network = netlayers.MemoryNetwork()
    async with (
        Peer(netlayers.Memory(network, "me")) as me,
        Peer(netlayers.Memory(network, "elsewhere")) as elsewhere,
    ):
        agent = me.enliven(elsewhere.publish(elsewhere.spawn(Agent)), Agent)
        folder = me.spawn(Folder, home / "work")
        clock = me.spawn(lambda: "noon")  # time is a tool, too: the agent knows what you tell
        mailer = me.spawn(Mailer, "me@example.org", 1)
        await agent.work(folder, clock, mailer)


with tempfile.TemporaryDirectory() as directory:
    asyncio.run(main(Path(directory)))
