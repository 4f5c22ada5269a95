"""T42: what cannot be fetched all looks the same, and no secret gets into anything that is printed."""

import asyncio
import base64
import contextlib
import gc
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Peer, RegistryFile, netlayers, testing
from hobgoblin.sturdyrefs import Bootstrap, Registry
from hobgoblin.sturdyrefs.bootstrap import WRONG_NUMBERS, Guesses

from .conftest import Car, Clock, Garage, PairOf, Run, refusal

KINDS = ("unknown", "unpublished", "expired", "expired and swept", "revoked", "of no object yet")


def prepare(registry: Registry, clock: Clock, car: Any) -> dict[str, hob.SwissNum]:
    """Make one number of each kind that opens nothing; the registry keeps those of the last one."""
    numbers = {kind: hob.SwissNum(b"%032d" % n) for n, kind in enumerate(KINDS)}
    registry.publish(car, numbers["unpublished"])
    registry.unpublish([numbers["unpublished"].digest()])
    registry.publish(car, numbers["revoked"], revocable=True)
    registry.revoke([numbers["revoked"].digest()])
    registry.publish(car, numbers["expired and swept"], expires=clock.now + 1)
    clock.now += 1
    registry.expire(clock.now)
    registry.publish(car, numbers["expired"], expires=clock.now + 1)
    clock.now += 1
    return numbers


class Kept:
    """A store with a number that no object has been named for."""

    def __init__(self) -> None:
        digest = hob.SwissNum(b"%032d" % KINDS.index("of no object yet")).digest()
        self.entry = hob.RegistryEntry(digest, "nobody")

    def load(self) -> list[hob.RegistryEntry]:
        return [self.entry]

    def put(self, entry: hob.RegistryEntry) -> None:
        raise NotImplementedError

    def remove(self, digests: object) -> None:
        """Nothing of what is removed here was put."""


def test_t42_answers_are_equal_byte_for_byte(run: Run, pair: PairOf, clock: Clock) -> None:
    answers: dict[str, bytes] = {}

    async def main() -> None:
        async with pair(Kept()) as (server, _):
            peer = hob.SturdyRef.parse(server.publish(server.spawn(Car))).peer
            for kind, number in prepare(server._registry, clock, server.spawn(Car)).items():
                tap = testing.Transcript()
                async with Peer(netlayers.Unix(), tap=tap) as client:
                    await refusal(client.enliven(hob.SturdyRef(peer, number)))
                    heard = [entry for entry in tap if entry.sender == "there"]
                    [answer] = [entry.octets for entry in heard if entry.operation == "op:deliver"]
                    answers[kind] = answer

    run(main)
    assert set(answers) == set(KINDS)
    assert len(set(answers.values())) == 1
    assert b"nothing is published at this swiss number" in answers["unknown"]


def test_t42_a_look_up_does_the_same_whatever_it_finds_out(clock: Clock, run: Run, pair: PairOf) -> None:
    """Every line of ours that runs, and every call of C, the hashing among them; and the clock is read."""

    async def main() -> None:
        async with pair() as (server, _):
            car: Any = server.spawn(Car)
            registry = Registry(clock=clock, store=Kept())
            registry.load()
            bootstrap = Bootstrap(registry, None, Guesses(clock))
            numbers = prepare(registry, clock, car)
            fetch = Bootstrap.fetch.function  # type: ignore[attr-defined]
            paths = {kind: traced(lambda n=n: fetch(bootstrap, n.octets)) for kind, n in numbers.items()}
            assert len(set(paths.values())) == 1
            path = paths["unknown"]
            assert sum("sha256" in step for step in path) == 1
            assert [step for step in path if step.endswith("Clock.__call__")]
            good = registry.publish(car)
            assert traced(lambda: fetch(bootstrap, good.octets)) != path  # so it does see what runs

    run(main)


def traced(work: Callable[[], object]) -> tuple[str, ...]:
    """Run ``work``; return the lines and the calls of C that it took."""
    steps: list[str] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        steps.append(f"{event} {frame.f_lineno} {code.co_qualname}")
        return trace

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            steps.append(f"{frame.f_lineno} {getattr(argument, '__name__', '')}")

    before = sys.gettrace()  # coverage's
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        with contextlib.suppress(hob.Refused):
            work()
    finally:
        sys.setprofile(None)
        sys.settrace(before)
    return tuple(step for step in steps if "setprofile" not in step)


class Canaries:
    """A source of entropy whose octets can be told wherever they turn up."""

    MARK = b"CaNaRy"

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, n: int) -> bytes:
        self.count += 1
        return (self.MARK + b"%010d" % self.count).ljust(n, b"#")[:n]

    @classmethod
    def forms(cls) -> Iterator[str]:
        yield cls.MARK.decode()
        yield cls.MARK.hex()
        yield base64.urlsafe_b64encode(cls.MARK).decode()
        yield repr(list(cls.MARK))[1:-1]


def everything_about(error: BaseException) -> str:
    """What a program that prints an error in any way may show of it."""
    shown = "".join(traceback.format_exception(error))
    links = [error, error.__cause__, error.__context__]
    return shown + "".join(f"{link} {link!r} {getattr(link, 'args', '')}" for link in links)


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "asyncio debug mode"])
def test_t42_no_secret_is_logged_printed_or_told(
    debug: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    canaries = Canaries()
    clock = Clock()
    uris: list[str] = []

    def show(*things: object) -> None:
        shown.extend(f"{thing} {thing!r}" for thing in things)

    def show_peer(peer: Peer) -> None:
        show(peer, peer._registry, *peer.published_names())
        for connection in peer.connections:
            session = connection.session
            show(connection, session, session.stats(), connection.keys, session.location)
            shown.append(session.dump())

    async def fails(promise: Any) -> None:
        with pytest.raises(hob.HobgoblinError) as caught:
            await promise
        shown.append(everything_about(caught.value))

    def raises(work: Callable[[], object]) -> None:
        with pytest.raises((ValueError, TypeError)) as caught:
            work()
        shown.append(everything_about(caught.value))

    async def main() -> None:
        if debug:
            # Every callback that runs is shown, with its arguments.
            asyncio.get_running_loop().slow_callback_duration = 0
        registry = RegistryFile(tmp_path / "numbers")
        server = Peer(netlayers.Unix(tmp_path / "s"), entropy=canaries, registry=registry, wall_clock=clock)
        third = Peer(netlayers.Unix(tmp_path / "t"), entropy=canaries, name="third")
        client = Peer(netlayers.Unix(), entropy=canaries, name="client")
        async with server, third, client:
            garage = server.spawn(Garage)
            plain = server.publish(garage)
            chosen = server.publish(garage, swiss=canaries(32))
            named = server.publish(garage, name="garage", revocable=True)
            expiring = server.publish(garage, name="garage", expires=10)
            unpublished = server.publish(garage)
            elsewhere = third.publish(third.spawn(Car), revocable=True)
            uris.extend((plain, chosen, named, expiring, unpublished, elsewhere))
            show(*(hob.SturdyRef.parse(uri) for uri in uris))
            show(*(hob.SturdyRef.parse(uri).swiss for uri in uris), registry, *registry.load())
            far = await client.enliven(plain, Garage)
            revocable = await client.enliven(named, Garage)
            show(far, revocable, await server.enliven(named), client.enliven(chosen))
            # A hand-off, and what comes of it when it is revoked.
            car = await client.enliven(elsewhere, Car)
            assert await far.drive_with(car) == "wroom"
            for peer in (server, third, client):
                show_peer(peer)
            third.revoke(elsewhere)
            await fails(far.drive_with(car))
            # All ways to be wrong.
            server.unpublish(unpublished)
            server.revoke(named)
            clock.now += 10
            for uri in (unpublished, named, expiring):
                await fails(client.enliven(uri))
                await fails(client.enliven(uri, Garage).make_car().drive())
                await fails(server.enliven(uri))
                client.enliven(uri)  # nobody looks
                hob.send_only(client.enliven(uri, Garage).note)(uri)
            await fails(revocable.noted())
            raises(lambda: server.revoke(plain))
            raises(lambda: server.publish(server.spawn(Car), swiss=hob.SturdyRef.parse(chosen).swiss.octets))
            raises(
                lambda: server.publish(garage, name="garage", swiss=hob.SturdyRef.parse(chosen).swiss.octets)
            )
            raises(lambda: server.publish(garage, swiss=canaries(300)))
            raises(lambda: server.publish(garage, swiss=canaries(32).decode()))  # type: ignore[arg-type]
            for broken in (
                plain.replace("/s/", "/s/!"),
                plain.replace("/s/", "/x/"),
                plain[8:],
                plain + "#",
                plain + "%ff",
            ):
                raises(lambda broken=broken: client.enliven(broken))
                raises(lambda broken=broken: server.unpublish(broken))
            raises(lambda: client.enliven(hob.SturdyRef.parse(plain).swiss))  # type: ignore[call-overload]
            remote = client.connections[0].remote_bootstrap
            await fails(hob.send(remote, hob.Symbol("fetch"), canaries(32).decode()))
            await fails(hob.send(remote, hob.Symbol("fetch"), canaries(300)))
            await fails(hob.send(remote, hob.Symbol("fetch"), canaries(32), canaries(32)))
            await fails(hob.send(remote, hob.Symbol("grab"), canaries(32)))
            await fails(hob.send(remote, canaries(32)))
            await fails(hob.send(remote, hob.Symbol("withdraw-gift"), canaries(32)))
            await fails(hob.send(remote, hob.Symbol("deposit-gift"), canaries(32), 1))
            if not debug:
                wrong = hob.SturdyRef(hob.SturdyRef.parse(plain).peer, hob.SwissNum(canaries(32)))
                for _ in range(WRONG_NUMBERS // 50 + 1):
                    await asyncio.gather(*(client.enliven(wrong) for _ in range(50)), return_exceptions=True)
                await fails(client.enliven(wrong))
            # A peer that breaks the protocol with secrets in its hands, and sessions that end.
            waiting = far.wait()
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b"32:" + canaries(32))
            await reader.read()
            writer.close()
            await writer.wait_closed()
            for peer in (server, client):
                show_peer(peer)
            client.connections[0].close("enough")
            await fails(waiting)
            await fails(far.noted())
            again = client.enliven(chosen, Garage)
            assert await again.noted() == ()
            pending = again.wait()
            await third.close()
            await server.close()
            await fails(pending)
            await fails(client.enliven(elsewhere))
            await fails(client.enliven(plain))
            gc.collect()
        show(server, client, third)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(asyncio.wait_for(main(), 120), debug=debug)
        gc.collect()
    shown.extend(str(warning.message) for warning in caught)
    formatter = logging.Formatter("%(name)s %(funcName)s %(message)s %(args)s")
    shown.extend(formatter.format(record) for record in caplog.records)
    shown.extend(capfd.readouterr())
    shown.append((tmp_path / "numbers").read_text())

    assert all(any(form in uri for form in Canaries.forms()) for uri in uris)  # the canaries do sing
    for text in shown:
        for form in Canaries.forms():
            assert form not in text
    # What is to be seen is there: else nothing was looked at.
    told = "\n".join(shown)
    assert "<SturdyRef " in told
    assert "session open" in told
    assert "nobody awaited" in told
    assert "it broke the protocol" in told
    assert not debug or "Executing <" in told
