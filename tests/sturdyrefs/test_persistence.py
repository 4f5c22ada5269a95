"""What outlives the process: names, the hashes of numbers, and a file that is whole at any moment."""

import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from math import inf
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Peer, RegistryEntry, RegistryFile, StoreError, netlayers
from hobgoblin.sturdyrefs import Registry

from .conftest import Car, Clock, Garage, PairOf, Run, refusal

NOTHING = "nothing is published at this swiss number"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers"


class MemoryStore:
    """A store that can be told to fail."""

    def __init__(self) -> None:
        self.entries: dict[bytes, RegistryEntry] = {}
        self.full = False

    def load(self) -> list[RegistryEntry]:
        return list(self.entries.values())

    def put(self, entry: RegistryEntry) -> None:
        self.fail()
        self.entries[entry.digest] = entry

    def remove(self, digests: Collection[bytes]) -> None:
        self.fail()
        for digest in digests:
            self.entries.pop(digest, None)

    def fail(self) -> None:
        if self.full:
            raise StoreError("the disk is full")


class TestRestarts:
    def test_old_uris_work_again_once_their_name_is_given_to_an_object(
        self, run: Run, pair: PairOf, path: Path
    ) -> None:
        async def main() -> None:
            async with pair(RegistryFile(path)) as (server, _):
                car = server.spawn(Car)
                assert server.restore("car", car) == 0
                uris = [server.publish(car, name="car") for _ in range(3)]
                other = server.publish(server.spawn(Garage), name="garage")
                nameless = server.publish(car)
            for _ in range(2):
                async with pair(RegistryFile(path)) as (server, client):
                    assert server.published_names() == ["car", "garage"]
                    assert await refusal(client.enliven(uris[0])) == NOTHING
                    assert server.restore("car", server.spawn(Car)) == 3
                    for uri in uris:
                        assert await client.enliven(uri, Car).drive() == "wroom"
                    for uri in (other, nameless):
                        assert await refusal(client.enliven(uri)) == NOTHING

        run(main)

    def test_publishing_under_a_name_restores_what_has_it(self, run: Run, pair: PairOf, path: Path) -> None:
        async def main() -> None:
            async with pair(RegistryFile(path)) as (server, _):
                old = server.publish(server.spawn(Car), name="car")
            async with pair(RegistryFile(path)) as (server, client):
                new = server.publish(server.spawn(Car), name="car")
                assert new != old
                assert await client.enliven(old) is await client.enliven(new)

        run(main)

    def test_what_was_taken_back_stays_so(self, run: Run, pair: PairOf, path: Path, clock: Clock) -> None:
        async def main() -> None:
            async with pair(RegistryFile(path)) as (server, _):
                car = server.spawn(Car)
                revoked, unpublished, expiring, expired_later, good = (
                    server.publish(car, name="car", revocable=True, expires=expires)
                    for expires in (None, None, 1, 5, 10)
                )
                gone = server.publish(server.spawn(Garage), name="garage")
                server.revoke(revoked)
                server.unpublish(unpublished)
                server.unpublish(name="garage")
                clock.now += 1
            clock.now += 2
            for moment in (0, 2):
                clock.now += moment
                async with pair(RegistryFile(path)) as (server, client):
                    server.restore("car", server.spawn(Car))
                    assert server.restore("garage", server.spawn(Garage)) == 0
                    for uri in (revoked, unpublished, expiring, gone):
                        assert await refusal(client.enliven(uri)) == NOTHING
                    car = await client.enliven(good, Car)
                    assert await car.drive() == "wroom"
                    if moment:
                        assert await refusal(client.enliven(expired_later)) == NOTHING
                        server.revoke(good)  # it is as revocable as it was
                        assert await refusal(car.drive()) == "revoked"
                    else:
                        assert await client.enliven(expired_later, Car).drive() == "wroom"

        run(main)
        assert json.loads(path.read_text())["entries"] == []

    def test_taking_back_what_has_no_object_yet(
        self, run: Run, pair: PairOf, path: Path, clock: Clock
    ) -> None:
        async def main() -> None:
            async with pair(RegistryFile(path)) as (server, _):
                car = server.spawn(Car)
                one, other = (server.publish(car, name="car") for _ in range(2))
                server.publish(server.spawn(Garage), name="garage")
                server.publish(server.spawn(Garage), name="short", expires=1)
            async with pair(RegistryFile(path)) as (server, client):
                server.revoke(one)
                server.revoke(name="garage")
                assert server.published_names() == ["car", "short"]
                clock.now += 1
                assert server.restore("short", server.spawn(Garage)) == 0
                assert server.restore("car", server.spawn(Car)) == 1
                assert await client.enliven(other, Car).drive() == "wroom"
                assert await refusal(client.enliven(one)) == NOTHING
                server._registry.check()

        run(main)

    def test_a_chosen_number_under_a_name(self, run: Run, pair: PairOf, path: Path, clock: Clock) -> None:
        async def main() -> None:
            uris = set()
            for _ in range(2):
                async with pair(RegistryFile(path)) as (server, client):
                    uri = server.publish(server.spawn(Car), swiss=b"chosen", name="car")
                    uris.add(uri)
                    assert await client.enliven(uri, Car).drive() == "wroom"
                    assert server.restore("car", await server.enliven(uri)) == 1
                    server._registry.check()
            assert len(uris) == 1

        run(main)

    def test_names_and_numbers_belong_together(self, run: Run, pair: PairOf, path: Path) -> None:
        async def main() -> None:
            registry = RegistryFile(path)
            async with pair(registry) as (server, _):
                car, garage = server.spawn(Car), server.spawn(Garage)
                server.publish(car, swiss=b"n", name="car")
                before = registry.load()
                for wrong in ({"name": "car"}, {"name": "garage", "swiss": b"n"}, {"swiss": b"n"}):
                    with pytest.raises(ValueError, match="another object"):
                        server.publish(garage, **wrong)
                for wrong in ({"name": "other", "swiss": b"n"}, {"swiss": b"n"}):
                    with pytest.raises(ValueError, match="under another name: 'car'"):
                        server.publish(car, **wrong)
                with pytest.raises(ValueError, match="another object"):
                    server.restore("car", garage)
                for nothing in ("", 5):
                    with pytest.raises(TypeError, match="not empty"):
                        server.publish(car, name=nothing)  # type: ignore[arg-type]
                with pytest.raises(TypeError, match="takes a reference"):
                    server.restore("car", Car())
                assert RegistryFile(path).load() == before
            async with pair(RegistryFile(path)) as (server, _):
                car = server.spawn(Car)
                with pytest.raises(ValueError, match="under another name: 'car'"):
                    server.publish(car, swiss=b"n")
                with pytest.raises(ValueError, match="for its whole life"):
                    server.publish(car, swiss=b"n", name="car", revocable=True)
                server._registry.check()
            async with pair() as (server, _):
                for attempt in (lambda: server.publish(car, name="car"), lambda: server.restore("car", car)):
                    with pytest.raises(ValueError, match="RegistryFile"):
                        attempt()

        run(main)


class TestStoresThatFail:
    def test_what_could_not_be_stored_was_not_published(self, run: Run, pair: PairOf) -> None:
        async def main() -> None:
            store = MemoryStore()
            async with pair(store) as (server, client):
                car = server.spawn(Car)
                uri = server.publish(car, swiss=b"n", name="car", expires=9)
                store.full = True
                for attempt in (
                    {"name": "car"},
                    {"name": "other", "swiss": b"m"},
                    {"swiss": b"n", "name": "car"},
                ):
                    with pytest.raises(StoreError, match="full"):
                        server.publish(car, **attempt)
                server._registry.check()
                assert server.published_names() == ["car"]
                assert await client.enliven(uri, Car).drive() == "wroom"

        run(main)

    def test_a_door_closes_though_that_could_not_be_stored_and_can_be_closed_again(
        self, run: Run, pair: PairOf
    ) -> None:
        async def main() -> None:
            store = MemoryStore()
            async with pair(store) as (server, client):
                uri = server.publish(server.spawn(Car), name="car", revocable=True)
                car = await client.enliven(uri, Car)
                store.full = True
                with pytest.raises(StoreError, match="full"):
                    server.revoke(uri)
                assert await refusal(car.drive()) == "revoked"
                assert await refusal(client.enliven(uri)) == NOTHING
                store.full = False
                assert store.entries
                server.revoke(uri)
                assert not store.entries

        run(main)

    def test_what_has_expired_is_closed_though_that_could_not_be_stored(
        self, clock: Clock, caplog: pytest.LogCaptureFixture, run: Run, pair: PairOf
    ) -> None:
        async def main() -> None:
            store = MemoryStore()
            async with pair(store) as (server, client):
                car = server.spawn(Car)
                uri = server.publish(car, name="car", expires=1)
                store.full = True
                clock.now += 1
                server.publish(server.spawn(Garage))  # sweeps
                assert server.published_names() == []
                assert await refusal(client.enliven(uri)) == NOTHING
            assert "could not be removed from the store" in caplog.text
            with pytest.raises(StoreError, match="full"):
                await Peer(registry=store, wall_clock=clock).start()
            store.full = False
            async with pair(store) as (server, _):
                assert server.published_names() == []
                assert not store.entries

        run(main)


class TestTheFile:
    def test_it_is_for_its_owner_alone_and_holds_no_number(self, run: Run, pair: PairOf, path: Path) -> None:
        uris: list[str] = []

        async def main() -> None:
            async with pair(RegistryFile(path)) as (server, _):
                uris.append(server.publish(server.spawn(Car), name="Ärger \ud800", expires=60))

        run(main)
        swiss = hob.SturdyRef.parse(uris[0]).swiss
        text = path.read_text()
        for secret in (swiss.text(), swiss.octets.hex()):
            assert secret not in text
        assert hashlib.sha256(swiss.octets).hexdigest() in text
        assert path.stat().st_mode & 0o777 == 0o600
        assert [file.name for file in path.parent.iterdir()] == ["numbers"]
        [entry] = RegistryFile(path).load()
        assert entry.name == "Ärger \ud800"
        assert repr(entry) == f"RegistryEntry(name={entry.name!r}, expires=1800000060.0, revocable=False)"

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "not written by hobgoblin, or is damaged"),
            (b"\x00\xff\xfe", "not written by hobgoblin, or is damaged"),
            (b"[" * 100_000, "not written by hobgoblin, or is damaged"),
            (b"[]", "not written by hobgoblin, or is damaged"),
            (b'{"name": "package.json"}', "not written by hobgoblin, or is damaged"),
            (b'{"format": "hobgoblin registry 1", "entries": [', "not written by hobgoblin, or is damaged"),
            (b'{"format": "hobgoblin registry 2", "entries": []}', "another version"),
            (b'{"format": "hobgoblin registry 1"}', "entry 1 is damaged"),
        ],
    )
    def test_another_file_is_refused_and_left_alone(
        self, run: Run, path: Path, content: bytes, problem: str
    ) -> None:
        path.write_bytes(content)
        path.chmod(0o600)

        async def main() -> None:
            peer = Peer(netlayers.Unix(path.parent / "s"), registry=RegistryFile(path))
            with pytest.raises(StoreError, match=problem) as caught:
                await peer.start()
            assert str(path) in str(caught.value)
            assert "It was left as it is" in str(caught.value)

        run(main)
        with pytest.raises(StoreError, match=problem):
            RegistryFile(path).put(RegistryEntry(bytes(32), "x"))
        assert path.read_bytes() == content

    @pytest.mark.parametrize(
        "change",
        [
            {"digest": "00"},
            {"digest": "z" * 64},
            {"digest": None},
            {"name": ""},
            {"name": 1},
            {"expires": "tomorrow"},
            {"expires": True},
            {"expires": float("nan")},
            {"expires": 10**400},
            {"revocable": 1},
        ],
    )
    def test_a_damaged_entry_is_told_by_its_number(self, path: Path, change: dict[str, Any]) -> None:
        good = {"digest": "ab" * 32, "name": "x", "expires": None, "revocable": False}
        bad = {**good, "digest": "cd" * 32, **change}
        path.write_text(json.dumps({"format": "hobgoblin registry 1", "entries": [good, bad]}))
        path.chmod(0o600)
        with pytest.raises(StoreError, match="entry 2 is damaged") as caught:
            RegistryFile(path).load()
        assert "abab" not in str(caught.value)

    def test_the_same_number_twice_is_damage(self, path: Path) -> None:
        good = {"digest": "ab" * 32, "name": "x", "expires": None, "revocable": False}
        path.write_text(json.dumps({"format": "hobgoblin registry 1", "entries": [good, good]}))
        path.chmod(0o600)
        with pytest.raises(StoreError, match="entry 2 is damaged"):
            RegistryFile(path).load()

    def test_a_file_that_others_may_write_to_is_not_trusted(self, path: Path) -> None:
        RegistryFile(path).put(RegistryEntry(bytes(32), "x"))
        path.chmod(0o620)
        with pytest.raises(StoreError, match="others may write to it: chmod 600"):
            RegistryFile(path).load()
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreError, match=r"can't be read|no regular file"):
            RegistryFile(path).load()

    def test_what_is_no_file_is_refused_and_not_waited_for(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        with pytest.raises(StoreError, match="no regular file"):
            RegistryFile(path).load()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_the_file_of_another_user_is_not_trusted(self, path: Path) -> None:
        RegistryFile(path).put(RegistryEntry(bytes(32), "x"))
        os.chown(path, 12345, 12345)
        with pytest.raises(StoreError, match="belongs to another user"):
            RegistryFile(path).load()

    def test_another_program_that_writes_to_it_is_not_overwritten(self, path: Path) -> None:
        one, other = RegistryFile(path), RegistryFile(path)
        assert one.load() == other.load() == []
        entry = RegistryEntry(b"1" * 32, "x")
        one.put(entry)
        for attempt in (
            lambda: other.put(RegistryEntry(b"2" * 32, "y")),
            lambda: other.put(RegistryEntry(b"3" * 32, "y")),
        ):
            with pytest.raises(StoreError, match="another program has changed it"):
                attempt()
        assert RegistryFile(path).load() == [entry]

    def test_a_folder_that_is_missing_is_told(self, tmp_path: Path) -> None:
        file = RegistryFile(tmp_path / "missing" / "numbers")
        assert file.load() == []
        with pytest.raises(StoreError, match=r"missing/numbers can't be written: No such file"):
            file.put(RegistryEntry(bytes(32), "x"))

    def test_what_a_killed_process_left_half_written_is_no_hindrance(self, path: Path) -> None:
        file = RegistryFile(path)
        file.put(RegistryEntry(b"1" * 32, "x"))
        (path.parent / "numbers.new").write_bytes(b"half")
        file.put(RegistryEntry(b"2" * 32, "x", 5.5, True))
        assert RegistryFile(path).load() == [
            RegistryEntry(b"1" * 32, "x"),
            RegistryEntry(b"2" * 32, "x", 5.5, True),
        ]
        assert not (path.parent / "numbers.new").exists()


class TestTheRegistry:
    def test_deadlines_of_what_has_gone_do_not_pile_up(self, run: Run, pair: PairOf, clock: Clock) -> None:
        async def main() -> None:
            async with pair() as (server, _):
                registry = Registry(clock=clock)
                car: Any = server.spawn(Car)
                kept = registry.publish(car, expires=clock.now + 1e6)
                for n in range(2_000):
                    registry.unpublish([registry.publish(car, expires=clock.now + 1 + n).digest()])
                assert len(registry._deadlines) < 200
                assert registry.timer() is not None
                registry.check()
                clock.now += 2e6
                registry.expire(clock.now)
                assert len(registry) == len(registry._deadlines) == 0
                with pytest.raises(hob.Refused):
                    registry.find(kept)

        run(main)

    @pytest.mark.parametrize("seed", range(20))
    def test_it_agrees_with_a_plain_model(self, seed: int, run: Run, pair: PairOf) -> None:
        """Whatever is done, in whatever order, each number opens what it should, or nothing."""

        async def main() -> None:
            async with pair() as (server, _):
                walk(random.Random(seed), [server.spawn(Car) for _ in range(3)])

        run(main)


def walk(rng: random.Random, objects: list[Any]) -> None:
    clock, store = Clock(), MemoryStore()
    registry = Registry(clock=clock, store=store)
    numbers = [hob.SwissNum(b"%d" % n) for n in range(8)]
    # What a number should open: an object, how, until when, under which name. By number; by name.
    model: dict[hob.SwissNum, tuple[Any, bool, float, str | None]] = {}
    bound: dict[str, Any] = {}
    held: list[tuple[hob.SwissNum, Any, float]] = []
    revoked: list[Any] = []

    def forget(number: hob.SwissNum) -> None:
        model.pop(number, None)

    for _ in range(400):
        number, target = rng.choice(numbers), rng.choice(objects)
        name, revocable = rng.choice([None, None, "a", "b"]), rng.random() < 0.5
        end = rng.choice([None, clock.now + rng.randrange(1, 30)])
        known = model.get(number)
        match rng.choice(
            ["publish", "publish", "restore", "unpublish", "revoke", "wait", "fetch", "restart"]
        ):
            case "publish":
                fits = known is None or (
                    known[1:2] + known[3:] == (revocable, name)
                    and (known[0] is target or (name is not None and name not in bound))
                )
                if fits and bound.get(name or "", target) is target:
                    registry.publish(target, number, expires=end, revocable=revocable, name=name)
                    for other, (_, how, until, under) in tuple(model.items()):
                        if name is not None and under == name:
                            model[other] = (target, how, until, under)
                    model[number] = (target, revocable, inf if end is None else end, name)
                    if name is not None:
                        bound[name] = target
                    # References of an earlier life of the number keep the time that they had.
                    now = registry.find(number)
                    held = [(n, r, model[n][2] if r is now else until) for n, r, until in held]
                else:
                    with pytest.raises(ValueError, match="published"):
                        registry.publish(target, number, expires=end, revocable=revocable, name=name)
            case "restore" if name is not None:
                stored = [n for n, row in model.items() if row[3] == name]
                if bound.get(name, target) is target:
                    assert registry.restore(name, target) == len(stored)
                    for other in stored:
                        model[other] = (target, *model[other][1:])
                        bound[name] = target
            case "unpublish":
                registry.unpublish([number.digest()])
                forget(number)
            case "revoke":
                irrevocable = known is not None and not known[1] and (known[3] is None or known[3] in bound)
                with pytest.raises(ValueError, match="revocable") if irrevocable else nullcontext():
                    registry.revoke([number.digest()])
                forget(number)
                revoked += [reference for n, reference, _ in held if n == number]
                held = [row for row in held if row[0] != number]
            case "wait":
                clock.now += rng.randrange(10)
                if rng.random() < 0.5:
                    registry.expire(clock.now)
            case "restart":
                registry = Registry(clock=clock, store=store)
                registry.load()
                bound.clear()
                held.clear()  # sessions have ended
                for other, row in tuple(model.items()):
                    if row[3] is None:
                        forget(other)
        for other, row in tuple(model.items()):
            if row[2] <= clock.now:
                forget(other)
        for name in set(bound) - {row[3] for row in model.values()}:
            del bound[name]
        registry.check()
        for other in numbers:
            row = model.get(other)
            if row is None or (row[3] is not None and row[3] not in bound):
                with pytest.raises(hob.Refused):
                    registry.find(other)
            elif row[1]:
                reference: Any = registry.find(other)
                assert reference._vat._target is row[0]
                if not any(reference is known for _, known, _ in held):
                    held.append((other, reference, row[2]))
            else:
                assert registry.find(other) is row[0]
        for reference in revoked:
            assert reference._vat._target is None
        if not registry._deadlines or registry._deadlines[0].when > clock.now:
            for _, reference, until in held:
                assert (reference._vat._target is None) == (until <= clock.now)


SERVER = """
import asyncio, sys
from hobgoblin import Peer, RegistryFile, netlayers

def hello():
    return "hello"

async def main():
    async with Peer(netlayers.Unix("s"), registry=RegistryFile("numbers")) as peer:
        greeter = peer.spawn(hello)
        print("restored", peer.restore("greeter", greeter), flush=True)
        match sys.argv[1:]:
            case ["publish"]:
                while True:
                    print(peer.publish(greeter, name="greeter"), flush=True)
            case ["revoke", *uris]:
                for uri in uris:
                    peer.unpublish(uri)
                    print("gone", flush=True)
        await peer.serve_forever()

asyncio.run(main())
"""


class TestProcesses:
    @staticmethod
    @contextmanager
    def server(folder: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
        (folder / "server.py").write_text(SERVER)
        command = [sys.executable, "-W", "error", "server.py", *arguments]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            with process.stdout:
                yield process
        finally:
            process.kill()
            process.wait(30)

    def test_every_uri_that_was_printed_works_after_kill_9(self, run: Run, tmp_path: Path) -> None:
        uris: list[str] = []
        for turn in range(3):
            with self.server(tmp_path, "publish") as process:
                assert process.stdout is not None
                restored = process.stdout.readline().split()[1]
                assert int(restored) >= len(uris)
                for _ in range(20 + turn):
                    uris.append(process.stdout.readline().strip())
                os.kill(process.pid, signal.SIGKILL)  # in the midst of publishing more
                rest = process.stdout.read().splitlines(keepends=True)
                uris.extend(line.strip() for line in rest if line.endswith("\n"))
                assert process.wait(30) == -signal.SIGKILL
        with self.server(tmp_path, "revoke", uris[3]) as process:
            assert process.stdout is not None
            assert int(process.stdout.readline().split()[1]) >= len(uris)
            assert process.stdout.readline() == "gone\n"
            os.kill(process.pid, signal.SIGKILL)
            process.wait(30)
        with self.server(tmp_path, "serve") as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("restored")

            async def main() -> None:
                async with Peer(netlayers.Unix()) as client:
                    greetings = [hob.send(client.enliven(uri)) for uri in uris]
                    answers = await asyncio.gather(*greetings, return_exceptions=True)
                    assert [str(answer) for answer in answers] == [
                        NOTHING if n == 3 else "hello" for n in range(len(uris))
                    ]

            run(main)
