"""Processes that fork: the parent goes on as before; the child has nothing of it and never hangs."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import hobgoblin as hob
from hobgoblin import Actor, blocking, method, netlayers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

DEADLINE = 60

# CPython warns of every fork with more than one thread, from 3.12 on.
WARNINGS = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]

PRELUDE = """
import asyncio, multiprocessing, os, signal, socket, sys, threading
import hobgoblin as hob
from hobgoblin import Actor, Peer, blocking, method, netlayers
from hobgoblin.blocking import result

DEADLINE = 30

class Echo(Actor):
    @method
    def echo(self, value): return value
    @method
    def never(self): return hob.new_promise()[0]

def outcome(promise):
    "What somebody who waits for it gets."
    try:
        return result(promise, timeout=DEADLINE)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def in_child(function):
    "Run it in a forked process; return how that exits."
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        function()
        sys.stdout.flush()
    except BaseException as error:
        print("the child failed:", repr(error), flush=True)
    os._exit(0)
"""


class Echo(Actor):
    @method
    def echo(self, value: object) -> object:
        return value

    @method
    def never(self) -> object:
        return hob.new_promise()[0]


@pytest.fixture
def uri(tmp_path: Path) -> Iterator[str]:
    with blocking.Peer(netlayers.Unix(tmp_path / "server.sock")) as server:
        yield server.publish(server.spawn(Echo))


def run(text: str, folder: Path, *arguments: str) -> str:
    path = folder / "program.py"
    path.write_text(PRELUDE + text)
    ended = subprocess.run(
        [sys.executable, *WARNINGS, path.name, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.returncode == 0
    return ended.stdout


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_a_child_of_each_start_method_opens_a_peer_of_its_own(start: str, uri: str, tmp_path: Path) -> None:
    printed = run(
        """
def child(uri):
    with blocking.Peer(netlayers.Unix()) as peer:
        print("child", result(peer.enliven(uri).echo(1), timeout=DEADLINE), flush=True)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    with blocking.Peer(netlayers.Unix()) as peer:
        thing = peer.enliven(sys.argv[1])
        print("parent", result(thing.echo(0), timeout=DEADLINE), flush=True)
        processes = [context.Process(target=child, args=(sys.argv[1],)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        print("exits", [process.exitcode for process in processes])
        print("parent", result(thing.echo(2), timeout=DEADLINE), len(peer.sessions))
""",
        tmp_path,
        uri,
        start,
    )
    assert printed == "parent 0\nchild 1\nchild 1\nexits [0, 0]\nparent 2 1\n"


def test_what_the_parent_had_breaks_in_the_child(uri: str, tmp_path: Path) -> None:
    printed = run(
        """
peer = blocking.Peer(netlayers.Unix()).start()
thing = peer.enliven(sys.argv[1])
fetched = result(thing)
waiting = thing.never()
result(thing.echo(0))
local = peer.spawn(Echo)
open_promise, resolver = result(peer.vat.run(hob.new_promise))
following = peer.vat.run(lambda: open_promise)
unsent = peer.enliven("ocapn://nobody.unix/s/AAAA?path=/nowhere").echo(1)
outcome(unsent)

def child():
    print("waiting:", outcome(waiting))
    print("fetched:", outcome(fetched.echo(1)))
    print("promise:", outcome(thing.echo(1)))
    print("local:", outcome(local.echo(1)))
    print("open:", outcome(open_promise))
    print("following:", outcome(following))
    print("joined:", outcome(hob.all_of(open_promise, waiting)))
    print("reacting:", outcome(hob.on(waiting, print)))
    print("resolving:", outcome(resolver.fulfill(1)))
    print("part:", outcome(open_promise["part"]))
    for use in (lambda: peer.enliven(sys.argv[1]), lambda: peer.spawn(Echo), lambda: peer.publish(local)):
        try:
            use()
        except hob.SessionSevered as error:
            print("peer:", error)
    peer.close()
    print("settled:", outcome(settled))

settled = thing.echo("as before")
result(settled)
print("exit", in_child(child))
print(outcome(thing.echo("the parent goes on")), repr(waiting))
""",
        tmp_path,
        uri,
    )
    lines = printed.splitlines()
    ends = [line for line in lines if "parent process" not in line]
    assert ends == ["settled: as before", "exit 0", "the parent goes on <Promise pending>"]
    told = {line.split(":")[0]: line.split(":")[1].strip() for line in lines if "parent process" in line}
    assert told == {
        **dict.fromkeys(["waiting", "fetched", "promise"], "SessionSevered"),
        **dict.fromkeys(["local", "open", "following", "resolving", "part"], "VatStopped"),
        "joined": told["joined"],
        "reacting": told["reacting"],
        "peer": "<blocking.Peer peer on unix> can't be used",
    }
    assert {told["joined"], told["reacting"]} <= {"SessionSevered", "VatStopped"}
    assert all("make a new Peer" in line for line in lines if "parent process" in line)


def test_no_descriptor_of_the_parent_is_left_open(uri: str, tmp_path: Path) -> None:
    printed = run(
        """
def sockets():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass
    return sorted(name.split(":")[0] for name in found if "socket" in name or "eventpoll" in name)

others = socket.socketpair()
peer = blocking.Peer(netlayers.Unix("own.sock")).start()
thing = peer.enliven(sys.argv[1])
result(thing.echo(0))
left, right = socket.socketpair()
hob.connect(left, bootstrap=lambda: 1)
result(hob.connect(right)())
print("parent", len(sockets()) > 6)
in_child(lambda: print("child", sockets()))
for end in others:
    end.close()
""",
        tmp_path,
        uri,
    )
    # What is not ours is left alone: the pair of the program. What uvloop waits with, it gives to nobody.
    printed = printed.replace("['anon_inode', ", "[") if find_spec("uvloop") else printed
    assert printed == "parent True\nchild ['socket', 'socket']\n"


def test_the_other_side_hears_of_the_end_of_the_parent_while_the_child_lives(tmp_path: Path) -> None:
    over = threading.Event()

    def on_session(session: hob.PeerSession) -> None:
        if session.severed_because is not None:
            over.set()

    program = tmp_path / "program.py"
    program.write_text(
        PRELUDE
        + """
peer = blocking.Peer(netlayers.Unix()).start()
print(result(peer.enliven(sys.argv[1]).echo(0)), flush=True)
if os.fork() == 0:
    sys.stdin.read()  # lives on
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    with blocking.Peer(netlayers.Unix(tmp_path / "server.sock"), on_session=on_session) as server:
        uri = server.publish(server.spawn(Echo))
        with subprocess.Popen(
            [sys.executable, *WARNINGS, str(program), uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert over.wait(DEADLINE)
            assert child.wait(DEADLINE) == -signal.SIGKILL


@pytest.mark.parametrize("leaving", ["sys.exit(3)", "raise SystemExit(3)", "os._exit(3)"])
def test_a_child_that_leaves_takes_no_socket_file_along(leaving: str, tmp_path: Path) -> None:
    printed = run(
        f"""
from hobgoblin.netlayers import listening_socket
with listening_socket("bare.sock"), blocking.Peer(netlayers.Unix("own.sock")) as peer:
    uri = peer.publish(peer.spawn(Echo))
    pid = os.fork()
    if pid == 0:
        {leaving}
    print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(sorted(name for name in os.listdir() if name.endswith(".sock")))
    with blocking.Peer(netlayers.Unix()) as client:
        print(result(client.enliven(uri).echo("served as before"), timeout=DEADLINE))
print([name for name in os.listdir() if name.endswith(".sock")])
""",
        tmp_path,
    )
    assert printed == "exit 3\n['bare.sock', 'own.sock']\nserved as before\n[]\n"


def test_a_fork_in_a_coroutine(uri: str, tmp_path: Path) -> None:
    printed = run(
        """
async def anew(uri, old):
    for promise in old:
        try:
            await promise
        except (hob.SessionSevered, hob.VatStopped) as error:
            print("child:", type(error).__name__)
    async with Peer(netlayers.Unix()) as peer:
        print("child:", await peer.enliven(uri).echo("a peer of its own"), flush=True)

def child(uri, old):
    asyncio.run(anew(uri, old))

async def main(uri):
    async with Peer(netlayers.Unix("own.sock")) as peer:
        thing = peer.enliven(uri)
        await thing.echo(0)
        waiting = asyncio.ensure_future(thing.never())
        reaction = hob.on(thing.never(), catch=lambda error: None)
        old = [thing.never(), thing.echo(1), peer.spawn(Echo).echo(2), reaction]
        process = multiprocessing.get_context("fork").Process(target=child, args=(uri, old))
        process.start()
        await asyncio.to_thread(process.join)
        print("parent:", process.exitcode, await old[1], await old[2], os.path.exists("own.sock"))
        waiting.cancel()

asyncio.run(main(sys.argv[1]))
""",
        tmp_path,
        uri,
    )
    assert printed == (
        "child: SessionSevered\nchild: SessionSevered\nchild: VatStopped\nchild: VatStopped\n"
        "child: a peer of its own\nparent: 0 1 2 True\n"
    )


def test_a_fork_in_a_turn(uri: str, tmp_path: Path) -> None:
    printed = run(
        """
class Forking(Actor):
    @method
    def fork(self, uri):
        return in_child(lambda: child(self, uri))

def child(forking, uri):
    print("child:", outcome(forking.fork(uri)))
    with blocking.Peer(netlayers.Unix()) as peer:
        print("child:", result(peer.enliven(uri).echo("a peer of its own"), timeout=DEADLINE))

with blocking.Peer() as peer:
    forking = peer.spawn(Forking)
    print("exit", result(forking.fork(sys.argv[1]), timeout=DEADLINE))
    print(result(peer.spawn(Echo).echo("the parent goes on"), timeout=DEADLINE))
""",
        tmp_path,
        uri,
    )
    lines = printed.splitlines()
    assert lines[0].startswith("child: VatStopped: peer is out of reach: this process was forked")
    assert lines[1:] == ["child: a peer of its own", "exit 0", "the parent goes on"]


SERVING = {
    "blocking": """
with blocking.Peer(netlayers.Unix("own.sock")) as peer:
    forking = peer.spawn(Forking)
    threading.Thread(target=use, args=(peer.publish(forking),)).start()
    peer.serve_forever()
""",
    "asyncio": """
async def main():
    async with Peer(netlayers.Unix("own.sock")) as peer:
        threading.Thread(target=use, args=(peer.publish(peer.spawn(Forking)),)).start()
        await peer.serve_forever()

asyncio.run(main())
""",
}


@pytest.mark.parametrize("serving", SERVING)
def test_a_signal_for_the_child_ends_the_child_and_not_the_server(serving: str, tmp_path: Path) -> None:
    printed = run(
        """
def child(ready):
    os.write(ready, b"!")
    signal.pause()

class Forking(Actor):
    @method
    def fork(self):
        # A turn that forks, and waits until the child has got as far as to be told to end.
        reading, writing = os.pipe()
        process = multiprocessing.get_context("fork").Process(target=child, args=(writing,))
        process.start()
        os.read(reading, 1)
        process.terminate()
        process.join()
        return process.exitcode
    @method
    def echo(self, value): return value

def use(uri):
    with blocking.Peer(netlayers.Unix()) as client:
        forking = client.enliven(uri)
        print("child", result(forking.fork(), timeout=DEADLINE) == -signal.SIGTERM)
        print(result(forking.echo("served as before"), timeout=DEADLINE), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
"""
        + SERVING[serving]
        + 'print("told to end")\n',
        tmp_path,
    )
    assert printed == "child True\nserved as before\ntold to end\n"


def test_a_child_does_not_write_into_the_pipes_of_a_connection(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        PRELUDE
        + """
class Forking(Actor):
    @method
    def fork(self):
        def child():
            print("this is for nobody")
            os.write(1, b"nor is this")
        return in_child(child)

severed = threading.Event()
hob.connect(sys.stdin.buffer, sys.stdout.buffer, Forking, on_severed=severed.set)
severed.wait()
"""
    )
    with subprocess.Popen(
        [sys.executable, *WARNINGS, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        forking = hob.connect(process.stdout, process.stdin)
        assert blocking.result(forking.fork(), timeout=DEADLINE) == 0
        assert blocking.result(forking.fork(), timeout=DEADLINE) == 0
        blocking.result(hob.disconnect(forking), timeout=DEADLINE)


def test_an_attached_channel_is_the_parents(tmp_path: Path) -> None:
    printed = run(
        """
sent = []
with hob.VatThread() as one:
    receive, remote = hob.attach(one, sent.append)
    result(one.run(lambda: None))
    count = len(sent)
    def child():
        print("child:", outcome(remote.echo(1)).split(":")[0], len(sent) - count)
    in_child(child)
    print("parent:", len(sent) - count, repr(remote))
""",
        tmp_path,
    )
    assert printed == "child: SessionSevered 0\nparent: 0 <Promise pending>\n"


def test_vat_threads_are_gone_and_can_be_left(tmp_path: Path) -> None:
    printed = run(
        """
with hob.VatThread("cars") as vat:
    echo = vat.spawn(Echo)
    pid = os.fork()
    if pid == 0:
        print("child:", outcome(echo.echo(1)))
        print("child:", outcome(vat.run(lambda: 1)).split(":")[0])
        try:
            vat.spawn(Echo)
        except hob.VatStopped:
            print("child: nothing is spawned")
    else:
        os.waitpid(pid, 0)
        print("parent:", outcome(echo.echo(1)))
if pid == 0:
    with hob.VatThread("new") as vat:
        print("child:", outcome(vat.spawn(Echo).echo(2)), flush=True)
    os._exit(0)
""",
        tmp_path,
    )
    lines = printed.splitlines()
    assert lines[0].startswith("child: VatStopped: cars is out of reach: this process was forked")
    assert lines[1:] == ["child: VatStopped", "child: nothing is spawned", "child: 2", "parent: 1"]


def test_blocking_calls_of_the_parent_break_in_the_child(tmp_path: Path) -> None:
    printed = run(
        """
gate, running = threading.Event(), threading.Event()

def block():
    running.set()
    gate.wait(DEADLINE)
    return "done"

with hob.VatThread("cars") as vat:
    promise = vat.run(lambda: hob.blocking_call(block))
    running.wait(DEADLINE)
    print(in_child(lambda: print("child:", outcome(promise).split(":")[0])))
    gate.set()
    print("parent:", outcome(promise))
""",
        tmp_path,
    )
    assert printed == "child: VatStopped\n0\nparent: done\n"


def test_what_peers_of_the_parent_wait_for_is_not_answered_by_the_child(tmp_path: Path) -> None:
    printed = run(
        """
gate, running = threading.Event(), threading.Event()

class Busy(Actor):
    @method
    def block(self):
        running.set()
        gate.wait(DEADLINE)
        return "done"

server = blocking.Peer(netlayers.Unix("own.sock")).start()
busy = server.spawn(Busy)
uri = server.publish(busy)
with hob.VatThread() as vat:  # the client lives in a thread of its own
    async def ask():
        async with Peer(netlayers.Unix()) as client:
            far = client.enliven(uri)
            return await asyncio.gather(far.block(), far.block())
    asked = vat.run(ask)
    running.wait(DEADLINE)
    in_child(lambda: print("child:", outcome(busy.block()).split(":")[0]))
    gate.set()
    print("parent:", outcome(asked))
server.close()
""",
        tmp_path,
    )
    assert printed == "child: VatStopped\nparent: ('done', 'done')\n"


def test_children_of_children(uri: str, tmp_path: Path) -> None:
    printed = run(
        """
def generation(depth):
    with blocking.Peer(netlayers.Unix()) as peer:
        thing = peer.enliven(sys.argv[1])
        print(depth, result(thing.echo("hi"), timeout=DEADLINE), flush=True)
        if depth < 3:
            in_child(lambda: generation(depth + 1))
            print(depth, result(thing.echo("still here"), timeout=DEADLINE), flush=True)

generation(1)
""",
        tmp_path,
        uri,
    )
    assert printed.splitlines() == ["1 hi", "2 hi", "3 hi", "2 still here", "1 still here"]
