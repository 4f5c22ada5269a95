"""Programs without an event loop: results, peers, threads, notebooks, Ctrl-C and the end of the program."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, blocking, method, netlayers, spawn
from hobgoblin.blocking import result, results

DEADLINE = 30
NOWHERE = f"ocapn://nobody.unix/s/{'A' * 43}?path=%2Fnowhere"


class Car(Actor):
    def __init__(self, color: str) -> None:
        self.color = color

    @method
    def drive(self) -> str:
        return f"vroom, {self.color}"


class Garage(Actor):
    def __init__(self) -> None:
        self.count = 0

    @method
    def make_car(self, color: str) -> Car:
        return spawn(Car, color)

    @method
    def count_up(self) -> int:
        self.count += 1
        return self.count

    @method
    def never(self) -> Any:
        return hob.new_promise()[0]

    @method
    def fail(self) -> None:
        raise LookupError("not here")

    @method
    def tell(self, listener: Any, text: str) -> Any:
        return listener(text)


class Picky(Actor):
    def __init__(self) -> None:
        raise ValueError("not today")


@pytest.fixture
def uri(tmp_path: Path) -> Iterator[str]:
    with blocking.Peer(netlayers.Unix(tmp_path / "s.sock"), name="server") as server:
        yield server.publish(server.spawn(Garage))


@pytest.fixture
def garage(uri: str) -> Iterator[Garage]:
    with blocking.Peer(netlayers.Unix(), name="client") as client:
        yield client.enliven(uri, Garage)


class Messages:
    """Counts the calls that leave; what releases references leaves when it is due."""

    def __init__(self) -> None:
        self.count = 0

    def sent(self, message: bytes) -> None:
        self.count += b"op:deliver" in message

    def received(self, data: bytes) -> None:
        pass


class TestPeers:
    def test_a_chain_is_one_round_trip(self, uri: str) -> None:
        tap = Messages()
        with blocking.Peer(netlayers.Unix(), tap=tap) as client:
            garage = client.enliven(uri, Garage)
            result(garage, timeout=DEADLINE)
            before = tap.count
            car = garage.make_car("blue")
            assert result(car.drive(), timeout=DEADLINE) == "vroom, blue"
            assert tap.count == before + 2

    def test_many_threads_at_once(self, garage: Garage) -> None:
        with ThreadPoolExecutor(16) as pool:
            counted = list(pool.map(lambda _: result(garage.count_up(), timeout=DEADLINE), range(200)))
        assert sorted(counted) == list(range(1, 201))

    def test_many_threads_may_wait_for_one_promise(self, garage: Garage) -> None:
        promise = garage.make_car("red").drive()
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: result(promise, timeout=DEADLINE), range(8))) == {"vroom, red"}

    def test_a_function_passed_along_is_called_back_in_the_background(self, garage: Garage) -> None:
        heard: list[tuple[str, str]] = []

        def listen(text: str) -> int:
            heard.append((text, threading.current_thread().name))
            return len(text)

        assert result(garage.tell(listen, "hello"), timeout=DEADLINE) == 5
        assert heard == [("hello", "hobgoblin background")]

    def test_a_failed_constructor_raises_where_the_object_is_made(self, uri: str) -> None:
        with (
            blocking.Peer(netlayers.Unix()) as client,
            pytest.raises(ValueError, match="not today"),
        ):
            client.spawn(Picky)

    def test_functions_and_instances_can_be_spawned(self) -> None:
        with blocking.Peer() as peer:
            assert result(peer.spawn(lambda name: f"hello, {name}")("Ada"), timeout=DEADLINE) == "hello, Ada"
            assert result(peer.spawn(Car("green")).drive(), timeout=DEADLINE) == "vroom, green"

    def test_in_a_turn_spawn_makes_an_object_and_waits_for_nothing(self) -> None:
        with blocking.Peer() as peer:

            def make() -> Car:
                return peer.spawn(Car, "black")

            assert result(peer.vat.run(make).drive(), timeout=DEADLINE) == "vroom, black"

    def test_it_can_be_opened_and_closed_by_hand(self, uri: str) -> None:
        peer = blocking.Peer(netlayers.Unix()).start()
        garage = peer.enliven(uri, Garage)
        assert result(garage.count_up(), timeout=DEADLINE) == 1
        assert len(peer.sessions) == 1
        peer.close()
        peer.close()
        with pytest.raises((hob.SessionSevered, hob.VatStopped)):
            result(garage.count_up(), timeout=DEADLINE)

    def test_what_was_published_can_be_taken_back(self, tmp_path: Path) -> None:
        with (
            blocking.Peer(netlayers.Unix(tmp_path / "s.sock")) as server,
            blocking.Peer(netlayers.Unix()) as client,
        ):
            garage = server.spawn(Garage)
            one, two = server.publish(garage, revocable=True), server.publish(garage)
            fetched = result(client.enliven(one, Garage), timeout=DEADLINE)
            server.revoke(one)
            with pytest.raises(hob.Refused, match="revoked"):
                result(fetched.count_up(), timeout=DEADLINE)
            server.unpublish(two)
            with pytest.raises(hob.Refused):
                result(client.enliven(two), timeout=DEADLINE)

    def test_names_outlive_the_peer(self, tmp_path: Path) -> None:
        registry = hob.RegistryFile(tmp_path / "registry")
        with blocking.Peer(netlayers.Unix(tmp_path / "s.sock"), registry=registry) as first:
            first.publish(first.spawn(Garage), name="garage")
        registry = hob.RegistryFile(tmp_path / "registry")
        with blocking.Peer(netlayers.Unix(tmp_path / "s.sock"), registry=registry) as second:
            assert second.published_names() == ["garage"]
            assert second.restore("garage", second.spawn(Garage)) == 1
            second.unpublish(name="garage")
            assert second.published_names() == []

    def test_one_that_can_not_listen_says_so_and_can_not_be_used(self, tmp_path: Path) -> None:
        peer = blocking.Peer(netlayers.Unix(tmp_path / "missing" / "s.sock"))
        with pytest.raises(hob.NetlayerError, match="does not exist"):
            peer.start()
        with pytest.raises(RuntimeError, match="not open"):
            peer.serve_forever()
        peer.close()

    def test_one_that_was_not_started_has_no_vat(self) -> None:
        peer = blocking.Peer(name="early")
        assert repr(peer) == "<blocking.Peer early on nothing>"
        for use in (lambda: peer.spawn(Garage), lambda: peer.vat, lambda: peer.enliven(NOWHERE)):
            with pytest.raises(hob.NotInVat, match=r"use `with blocking\.Peer\(…\) as peer:`"):
                use()
        peer.close()

    def test_serving_ends_when_another_thread_closes(self, tmp_path: Path) -> None:
        peer = blocking.Peer(netlayers.Unix(tmp_path / "s.sock")).start()
        serving = threading.Thread(target=peer.serve_forever)
        serving.start()
        peer.close()
        serving.join(DEADLINE)
        assert not serving.is_alive()

    def test_the_line_that_sent_is_the_programs(self, garage: Garage, uri: str) -> None:
        with blocking.Peer(netlayers.Unix()) as client:
            client.enliven(uri)
            waiting = garage.never()
            thread = threading.Thread(target=lambda: _quietly(waiting))
            thread.start()
            with pytest.raises(TimeoutError):
                result(waiting, timeout=0.01)
            calls = [call for call in hob.pending() if call.method == "never"]
            assert {call.file for call in calls} == {__file__}
            assert "test_the_line_that_sent_is_the_programs" in {call.function for call in calls}
            hob.disconnect(result(garage, timeout=DEADLINE))
            thread.join(DEADLINE)


def _quietly(promise: Any) -> None:
    with pytest.raises(hob.SessionSevered):
        result(promise)


class TestResults:
    def test_values_come_in_the_order_of_the_arguments(self, garage: Garage) -> None:
        car = result(garage.make_car("red"), timeout=DEADLINE)
        one = garage.count_up()
        assert results(car.drive(), one, car, one, timeout=DEADLINE) == ("vroom, red", 1, car, 1)
        assert results() == ()

    def test_the_first_that_breaks_is_raised_and_the_others_go_on(self, garage: Garage) -> None:
        waiting = garage.never()
        with pytest.raises(hob.RemoteError, match="the call failed"):
            results(waiting, garage.fail(), timeout=DEADLINE)
        assert repr(waiting) == "<Promise pending>"

    def test_a_timeout_leaves_the_promise_alone(self) -> None:
        with hob.VatThread() as vat:
            promise, resolver = result(vat.run(hob.new_promise), timeout=DEADLINE)
            with pytest.raises(
                TimeoutError, match=r"^new_promise\(\) has not settled within 0.01 s; .*not the call"
            ):
                result(promise, timeout=0.01)
            with pytest.raises(TimeoutError, match=r"^new_promise\(\) and 1 more have not") as caught:
                results(promise, vat.run(lambda: promise), timeout=0)
            assert f'sent from "{__file__}"' in caught.value.__notes__[1]
            resolver.fulfill(7)
            assert result(promise, timeout=float("inf")) == 7

    def test_a_reference_is_its_own_result(self) -> None:
        with hob.VatThread() as vat:
            garage = vat.spawn(Garage)
            assert result(garage) is garage
            assert results(garage) == (garage,)

    def test_a_failure_is_raised_each_time_with_the_same_traceback(self) -> None:
        with hob.VatThread() as vat:
            promise = vat.spawn(Garage).fail()
            lengths: list[int] = []
            for _ in range(3):
                with pytest.raises(LookupError) as caught:
                    result(promise, timeout=DEADLINE)
                lengths.append(len(list(caught.traceback)))
            assert len(set(lengths)) == 1

    @pytest.mark.parametrize("wrong", [7, "text", None, [1]])
    def test_what_can_not_be_waited_for(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match=r"result\(\) takes a promise, not"):
            result(wrong)

    def test_a_list_of_promises_wants_a_star(self) -> None:
        listed: list[Any] = [[], ()]
        for several in listed:
            with pytest.raises(TypeError, match=r"write results\(\*promises\)"):
                results(several)

    def test_a_method_that_was_not_called_and_a_second_promise_are_no_mystery(self, garage: Garage) -> None:
        wrong: Any = garage.count_up
        with pytest.raises(TypeError, match="is a method: call it, and give result\\(\\) what it returns"):
            result(wrong)
        second: Any = garage.count_up()
        with pytest.raises(TypeError, match=r"takes one promise .*; for several: results"):
            result(garage.count_up(), second)
        assert results(second, garage.count_up()) == (1, 3)


class TestWhereWaitingWouldNeverEnd:
    def test_in_a_turn(self, garage: Garage) -> None:
        with hob.VatThread() as vat:
            for place in (vat, garage):
                caught = (
                    vat.run(lambda: result(garage.count_up()))
                    if place is vat
                    else garage.tell(lambda text: result(garage.count_up()), "x")
                )
                with pytest.raises((RuntimeError, hob.RemoteError)) as failure:
                    result(caught, timeout=DEADLINE)
                if place is vat:
                    assert "waiting here would never end: a turn of a vat is running" in str(failure.value)
                    assert "await" in str(failure.value)

    def test_in_the_thread_in_the_background(self, uri: str) -> None:
        told: list[str] = []
        done = threading.Event()

        def on_session(session: hob.PeerSession) -> None:
            for wait in (lambda: result(client.enliven(uri)), client.close, blocking.Peer().start):
                try:
                    wait()
                except RuntimeError as error:
                    told.append(str(error))
            done.set()

        with blocking.Peer(netlayers.Unix(), on_session=on_session) as client:
            client.enliven(uri)
            assert done.wait(DEADLINE)
        assert len(told) >= 3
        assert all("the thread in the background" in text for text in told)

    def test_for_a_promise_of_the_loop_that_would_stand_still(self) -> None:
        async def main() -> None:
            vat = hob.spawn_vat()
            with pytest.raises(RuntimeError, match="the event loop of this thread"):
                result(vat.spawn(Garage).count_up())

        asyncio.run(main())

    def test_a_thread_that_a_method_has_started_may_wait(self) -> None:
        class Asking(Actor):
            @method
            async def ask(self, garage: Garage) -> int:
                return await asyncio.to_thread(lambda: result(garage.count_up(), timeout=DEADLINE))

        with hob.VatThread() as one, hob.VatThread() as two:
            assert result(one.spawn(Asking).ask(two.spawn(Garage)), timeout=DEADLINE) == 1


class TestNotebooks:
    """In a notebook, cells run in a thread whose event loop is running already."""

    def test_everything_works_where_a_loop_is_running(self, tmp_path: Path) -> None:
        async def cells() -> None:
            with blocking.Peer(netlayers.Unix(tmp_path / "s.sock")) as server:
                client = blocking.Peer(netlayers.Unix()).start()
                garage = client.enliven(server.publish(server.spawn(Garage)), Garage)
                heard: list[str] = []
                assert result(garage.make_car("blue").drive(), timeout=DEADLINE) == "vroom, blue"
                assert results(garage.count_up(), garage.count_up(), timeout=DEADLINE) == (1, 2)
                result(garage.tell(heard.append, "hello"), timeout=DEADLINE)
                assert heard == ["hello"]
                assert await garage.count_up() == 3  # the loop does not stand still for this one
                client.close()

        kernel = threading.Thread(target=lambda: asyncio.run(cells()))
        kernel.start()
        kernel.join(DEADLINE)
        assert not kernel.is_alive()
        asyncio.run(cells())  # and in the main thread

    def test_peers_of_the_notebooks_own_loop_get_on_with_them(self, uri: str) -> None:
        async def cells() -> None:
            async with hob.Peer(netlayers.Unix()) as here:
                with blocking.Peer(netlayers.Unix()) as there:
                    assert result(there.enliven(uri, Garage).count_up(), timeout=DEADLINE) == 1
                    assert await here.enliven(uri, Garage).count_up() == 2

        asyncio.run(cells())


# Programs of their own


def program(text: str, folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    path = folder / f"program{len(list(folder.glob('program*')))}.py"
    path.write_text(text)
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", path.name, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def ended(child: subprocess.Popen[str]) -> tuple[str, str]:
    with child:
        try:
            out, err = child.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            child.kill()
            raise
    return out, err


SERVER = """
import sys, threading
from hobgoblin import Actor, blocking, method, netlayers, new_promise

class Thing(Actor):
    @method
    def hello(self, name): return f"hello, {name}"
    @method
    def never(self): return new_promise()[0]

def tell():
    names = []
    while names[:1] != ["wait"] or "serve_forever" not in names:  # until signals are handled
        frame, names = sys._current_frames()[threading.main_thread().ident], []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
    print(uri, flush=True)

with blocking.Peer(netlayers.Unix("s.sock")) as peer:
    uri = peer.publish(peer.spawn(Thing))
    threading.Thread(target=tell).start()
    peer.serve_forever()
print("served", flush=True)
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    server = program(SERVER, tmp_path)
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.terminate()
    out, err = ended(server)
    assert (out, err, server.returncode) == ("served\n", "", 0)
    assert not (tmp_path / "s.sock").exists()


class TestPrograms:
    def test_ctrl_c_ends_serving(self, tmp_path: Path) -> None:
        server = program(SERVER, tmp_path)
        assert server.stdout is not None
        assert server.stdout.readline().startswith("ocapn://")
        server.send_signal(signal.SIGINT)
        assert ended(server) == ("served\n", "")
        assert server.returncode == 0

    def test_a_program_that_closes_nothing_exits_at_once_and_without_a_warning(
        self, served: str, tmp_path: Path
    ) -> None:
        client = program(
            """
import sys
from hobgoblin import blocking, netlayers
peer = blocking.Peer(netlayers.Unix("own.sock")).start()
thing = peer.enliven(sys.argv[1])
print(blocking.result(thing.hello("Ada")))
waiting = thing.never()
del peer
""",
            tmp_path,
            served,
        )
        assert ended(client) == ("hello, Ada\n", "")
        assert client.returncode == 0
        assert not (tmp_path / "own.sock").exists()

    def test_a_program_whose_background_is_stuck_exits_all_the_same(self, tmp_path: Path) -> None:
        client = program(
            """
import threading
from hobgoblin import background, blocking
background.EXIT_SECONDS = 0.1
running = threading.Event()
def stuck():
    running.set()
    threading.Event().wait()
peer = blocking.Peer().start()
peer.vat.run(stuck)
running.wait()
print("over")
""",
            tmp_path,
        )
        assert ended(client) == ("over\n", "")

    def test_ctrl_c_ends_the_waiting_and_the_promise_can_be_waited_for_again(
        self, served: str, tmp_path: Path
    ) -> None:
        client = program(
            """
import sys
from hobgoblin import blocking, netlayers
with blocking.Peer(netlayers.Unix()) as peer:
    thing = peer.enliven(sys.argv[1])
    waiting = thing.never()
    print(blocking.result(thing.hello("Ada")), flush=True)
    for _ in range(2):
        try:
            print("waiting", flush=True)
            blocking.result(waiting)
        except KeyboardInterrupt:
            print("interrupted", waiting, flush=True)
    print(blocking.result(thing.hello("Eve")))
""",
            tmp_path,
            served,
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "hello, Ada\n"
        assert client.stdout.readline() == "waiting\n"
        client.send_signal(signal.SIGINT)
        assert client.stdout.readline() == "interrupted <Promise pending>\n"
        assert client.stdout.readline() == "waiting\n"
        client.send_signal(signal.SIGINT)
        out, err = ended(client)
        assert (out, err) == ("interrupted <Promise pending>\nhello, Eve\n", "")

    def test_what_waits_breaks_when_the_other_process_is_killed(self, tmp_path: Path) -> None:
        server = program(SERVER, tmp_path)
        assert server.stdout is not None
        uri = server.stdout.readline().strip()
        with blocking.Peer(netlayers.Unix()) as client:
            thing = client.enliven(uri)
            assert result(thing.hello("Ada"), timeout=DEADLINE) == "hello, Ada"
            waiting = thing.never()
            server.kill()
            with pytest.raises(hob.SessionSevered):
                result(waiting, timeout=DEADLINE)
        ended(server)

    def test_importing_starts_no_thread(self) -> None:
        text = "import hobgoblin.blocking, threading; print(threading.active_count())"
        run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
        assert run.stdout == "1\n"

    def test_connections_without_a_peer_are_closed_at_the_end(self, tmp_path: Path) -> None:
        client = program(
            """
import socket, sys
import hobgoblin as hob
from hobgoblin.blocking import result
end = socket.socket(fileno=int(sys.argv[1]))
print(result(hob.connect(end)("Ada")))
""",
            tmp_path,
            *(_share := _socket_pair())[1:2],
            pass_fds=[int(_share[1])],
        )
        os.close(int(_share[1]))
        over = threading.Event()
        why: list[str] = []
        hob.connect(_share[0], bootstrap=lambda name: f"hello, {name}", on_severed=over.set)
        assert ended(client) == ("hello, Ada\n", "")
        assert over.wait(DEADLINE), why


def _socket_pair() -> tuple[Any, str]:
    import socket

    ours, theirs = socket.socketpair()
    return ours, str(theirs.detach())


def test_the_documentation_names_what_there_is() -> None:
    assert re.fullmatch(r"Peer result results", " ".join(blocking.__all__))
