"""What is known of a failure: here, where it can be acted on; over there, no more than it should be."""

import asyncio
import logging
import re
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import hobgoblin as hob
from hobgoblin import Actor, Peer, PeerSettings, blocking, method, netlayers
from tests.test_passable import until

DEADLINE = 30
TRUSTED = PeerSettings(trusted_with_tracebacks=True)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(guarded())


@hob.shareable
class OutOfStock(Exception):
    """Of the program; told to others."""


@hob.shareable
class SoldOut(OutOfStock):
    """Its own name crosses."""


class Secret(OutOfStock):
    """Not registered, whatever it derives from."""


@hob.shareable(name="shop/closed")
class Closed(hob.Refused):
    """A refusal that arrives as itself."""


@hob.shareable
class Particular(Exception):
    """Can't be made of every text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = int(text)


@hob.shareable
class Unprintable(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


class Unknown(hob.Refused):
    """A refusal that nobody has registered."""


class Shop(Actor):
    @method
    def buy(self, how: str) -> None:
        self.secret_helper(how)

    def secret_helper(self, how: str) -> None:
        password = "swordfish"
        try:
            raise KeyError(f"the cause, {password}")
        except KeyError as cause:
            error = FAILURES[how]()
            error.add_note("a note for this side")
            raise error from cause

    @method
    def sell(self, thing: str) -> None:
        """Declared."""

    @method
    async def ask_all(self, *shops: Any) -> None:
        async with asyncio.TaskGroup() as group:
            for shop in shops:
                group.create_task(self.ask(shop))

    async def ask(self, shop: Any) -> None:
        await shop.buy("value")

    @method
    def ask_any(self, *shops: Any) -> Any:
        return hob.any_of(*[shop.buy("refused") for shop in shops])

    @method
    def pass_on(self, shop: Any, how: Any) -> Any:
        return shop.buy(how)

    @method
    def never(self) -> Any:
        return hob.new_promise()[0]


FAILURES: dict[str, Callable[[], BaseException]] = {
    "value": lambda: ValueError("the password is swordfish"),
    "refused": lambda: hob.Refused("not on sundays"),
    "unknown": lambda: Unknown("who are you?"),
    "stock": lambda: OutOfStock("no boots: in 42"),
    "empty": lambda: OutOfStock(),
    "sold": lambda: SoldOut("gone"),
    "secret": lambda: Secret("swordfish"),
    "closed": lambda: Closed("come back at nine"),
    "particular": lambda: Particular("42"),
    "unprintable": lambda: Unprintable("swordfish"),
    "group": lambda: ExceptionGroup("swordfish", [OutOfStock("a"), hob.Refused("b")]),
}


class Tap:
    def __init__(self) -> None:
        self.octets = b""

    def sent(self, message: bytes) -> None:
        self.octets += message

    def received(self, data: bytes) -> None:
        pass


@asynccontextmanager
async def shop_over(tmp_path: Path | None = None, **of_server: Any) -> AsyncIterator[Any]:
    """A shop at another peer: over memory, which proves who is who, or over unix, which does not."""
    network = netlayers.MemoryNetwork()
    if tmp_path is None:
        layers: Any = (netlayers.Memory(network, "server"), netlayers.Memory(network, "client"))
    else:
        layers = (netlayers.Unix(tmp_path / "server"), netlayers.Unix(tmp_path / "client"))
    async with Peer(layers[0], **of_server) as server, Peer(layers[1]) as client:
        yield client.enliven(server.publish(server.spawn(Shop)), Shop)


async def failure_of(promise: Any) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is asked
        await promise
    return caught.value


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


class TestRemoteErrors:
    def test_they_tell_the_id_and_the_line_that_sent(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            async with shop_over() as shop:
                error = await failure_of(shop.buy("value"))
                assert type(error) is hob.RemoteError
                assert error.error_id is not None
                assert error.message == f"the call failed, error {error.error_id}"
                assert error.sent_from is not None
                assert error.sent_from.startswith(f'"{__file__}", line ')
                assert error.sent_from.endswith(", in main")
                assert str(error) == f"{error.message}; sent from {error.sent_from}"
                assert error.remote_traceback is None
                (record,) = [each for each in caplog.records if error.error_id in each.getMessage()]
                assert record.exc_info is not None
                assert "swordfish" in str(record.exc_info[1])

        run(main)

    def test_a_refusal_is_its_text_and_knows_the_line_as_well(self) -> None:
        async def main() -> None:
            async with shop_over() as shop:
                error = await failure_of(shop.buy("refused"))
                assert type(error) is hob.RemoteRefused
                assert str(error) == error.message == "not on sundays"
                assert error.error_id is None
                assert error.sent_from is not None
                assert error.sent_from.startswith(f'"{__file__}", line ')

        run(main)

    def test_each_call_of_a_chain_tells_its_own_line(self) -> None:
        async def main() -> None:
            async with shop_over() as shop:
                first = shop.buy("value")
                second = first.sell("boots")
                errors = [await failure_of(promise) for promise in (first, second)]
                lines = [re.search(r"line (\d+)", str(error)) for error in errors]
                assert lines[0] is not None
                assert lines[1] is not None
                assert int(lines[1][1]) == int(lines[0][1]) + 1

        run(main)

    def test_from_a_plain_thread_it_is_the_threads_line(self, tmp_path: Path) -> None:
        with (
            blocking.Peer(netlayers.Unix(tmp_path / "s")) as server,
            blocking.Peer(netlayers.Unix()) as client,
        ):
            shop = client.enliven(server.publish(server.spawn(Shop)), Shop)
            with pytest.raises(hob.RemoteError, match="in test_from_a_plain_thread_it_is_the_threads_line"):
                blocking.result(shop.buy("value"), timeout=DEADLINE)
            with pytest.raises(hob.RemoteError) as caught:
                blocking.result(client.enliven(server.publish(server.spawn(Shop))).buy(), timeout=DEADLINE)
            assert __file__ in str(caught.value.sent_from)

    def test_what_is_passed_on_to_a_third_peer_has_no_line_in_it(self, tmp_path: Path) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            tap = Tap()
            async with (
                Peer(netlayers.Memory(network, "a")) as a,
                Peer(netlayers.Memory(network, "b"), tap=tap) as b,
                Peer(netlayers.Memory(network, "c")) as c,
            ):
                far = c.enliven(a.publish(a.spawn(Shop)), Shop)
                near = c.enliven(b.publish(b.spawn(Shop)), Shop)
                direct = await failure_of(far.buy("value"))
                passed = await failure_of(near.pass_on(far, "value"))
                assert type(direct) is type(passed) is hob.RemoteError
                assert re.fullmatch(r"the call failed, error [0-9a-f]+-\d+", passed.message)
                assert b"test_failures" not in tap.octets

        run(main)

    def test_the_methods_that_there_are_stay_at_home(self) -> None:
        async def main() -> None:
            tap = Tap()
            async with shop_over(tap=tap) as shop:
                error = await failure_of(shop.stael())
                assert str(error) == "NoSuchMethod: no method 'stael'"
            for name in (b"buy", b"sell", b"ask", b"never", b"declares", b"secret"):
                assert name not in tap.octets
            local = await failure_of(hob.spawn_vat().spawn(Shop).stael())  # type: ignore[attr-defined]
            assert "Shop declares buy, sell, ask_all, ask_any, pass_on, never" in shown(local)

        run(main)

    @pytest.mark.parametrize("how", ["value", "secret", "unprintable", "group"])
    def test_nothing_of_other_failures_crosses(self, how: str) -> None:
        async def main() -> None:
            tap = Tap()
            async with shop_over(tap=tap) as shop:
                error = await failure_of(shop.buy(how))
                assert type(error) is hob.RemoteError
                assert error.error_id is not None
            for secret in (b"swordfish", b"note", b"Secret", b"Value", b"Traceback", b"OutOfStock", b".py"):
                assert secret not in tap.octets

        run(main)

    def test_one_that_tells_nothing_is_no_refusal(self) -> None:
        from hobgoblin.failures import received_reason
        from hobgoblin.messages import CONSTRUCTORS

        masked_by_goblins = CONSTRUCTORS["exn:fail:mystery"](())
        error = received_reason(masked_by_goblins)
        assert type(error) is hob.RemoteError
        assert (error.message, error.error_id) == ("unknown remote error", None)


class TestShareable:
    @pytest.mark.parametrize("how", ["stock", "sold", "closed", "particular", "empty"])
    def test_what_both_sides_have_registered_arrives_as_itself(self, how: str) -> None:
        async def main() -> None:
            tap = Tap()
            async with shop_over(tap=tap) as shop:
                error = await failure_of(shop.buy(how))
                original = FAILURES[how]()
                assert type(error) is type(original)
                assert str(error) == str(original)
                assert error.__cause__ is error.__context__ is None
                (note,) = error.__notes__
                assert re.fullmatch(
                    r'the other side of a session reported this, sent from ".*", line \d+, in main', note
                )
            for secret in (b"swordfish", b"a note for", b"KeyError", b"Traceback"):
                assert secret not in tap.octets

        run(main)

    def test_as_an_argument_it_is_data(self) -> None:
        async def main() -> None:
            heard: list[object] = []
            async with shop_over() as shop:
                await shop.pass_on(lambda verb, how: heard.append(how), OutOfStock("no boots"))
            assert heard == [hob.ErrorValue("OutOfStock: no boots")]

        run(main)

    def test_a_text_that_the_class_does_not_take_is_a_refusal(self) -> None:
        from hobgoblin.failures import received_reason

        error = received_reason(hob.ErrorValue("Particular: no number"))
        assert type(error) is hob.RemoteRefused
        assert str(error) == "Particular: no number"

    @pytest.mark.parametrize(
        "text",
        [
            "Nobody: knows this",
            "KeyError: 'x'",
            "SystemExit: 0",
            "OutOfStock",
            "builtins.ValueError: x",
            " OutOfStock: x",
            "SessionSevered: not really",
            "Closed: under its other name",
            "Secret: x",
        ],
    )
    def test_only_names_in_the_table_are_looked_up(self, text: str) -> None:
        from hobgoblin.failures import received_reason

        error = received_reason(hob.ErrorValue(text))
        assert type(error) is hob.RemoteRefused
        assert str(error) == text

    def test_a_refusal_that_nobody_registered_arrives_with_its_name_in_front(self) -> None:
        async def main() -> None:
            async with shop_over() as shop:
                error = await failure_of(shop.buy("unknown"))
                assert type(error) is hob.RemoteRefused
                assert str(error) == "Unknown: who are you?"

        run(main)

    @pytest.mark.parametrize(
        "wrong", [object, SystemExit, KeyboardInterrupt, ExceptionGroup, "OutOfStock", OutOfStock("x"), 7]
    )
    def test_what_is_no_class_of_exceptions_can_not_be_registered(self, wrong: Any) -> None:
        with pytest.raises(TypeError):
            hob.shareable(wrong)

    def test_names_are_checked(self) -> None:
        def again() -> type[Exception]:
            class Twice(Exception):
                """Defined in a cell that is run twice."""

            return Twice

        first, second = hob.shareable(again()), hob.shareable(again())
        assert first is not second
        with pytest.raises(ValueError, match=r"Twice is .*again.*Twice already"):
            hob.shareable(type("Twice", (Exception,), {}))
        for mine in (hob.Refused, hob.SessionSevered):
            with pytest.raises(ValueError, match="hobgoblin's own"):
                hob.shareable(mine)
        with pytest.raises(ValueError, match="hobgoblin's own"):
            hob.shareable(name="SessionSevered")(first)
        for name in ("", "with space", "the call failed, error x", "ü", "a: b", "a\n", "x" * 81):
            with pytest.raises(ValueError, match="no name for the wire"):
                hob.shareable(name=name)(first)
        with pytest.raises(TypeError, match="name="):
            hob.shareable()  # type: ignore[call-overload]


class TestTracebacks:
    CLIENT = "ocapn://client.memory"

    def test_a_proved_and_trusted_peer_sees_them(self) -> None:
        async def main() -> None:
            async with shop_over(settings={self.CLIENT: TRUSTED}) as shop:
                error = await failure_of(shop.buy("value"))
                assert type(error) is hob.RemoteError
                assert error.message == f"the call failed, error {error.error_id}"
                assert error.remote_traceback is not None
                assert error.remote_traceback.startswith("Traceback (most recent call last)")
                assert "secret_helper" in error.remote_traceback
                assert error.remote_traceback.endswith("a note for this side")
                assert "ValueError: the password is swordfish" in shown(error)
                assert "swordfish" not in str(error)

        run(main)

    def test_others_do_not(self) -> None:
        async def main() -> None:
            async with shop_over(settings={"ocapn://somebody.memory": TRUSTED}) as shop:
                error = await failure_of(shop.buy("value"))
                assert isinstance(error, hob.RemoteError)
                assert error.remote_traceback is None

        run(main)

    def test_where_nothing_is_proved_nobody_does(self, tmp_path: Path) -> None:
        async def main() -> None:
            asked: list[str] = []

            def settings(peer: hob.PeerLocator) -> PeerSettings:
                asked.append(peer.designator)
                return TRUSTED

            tap = Tap()
            async with shop_over(tmp_path, settings=settings, tap=tap) as shop:
                error = await failure_of(shop.buy("value"))
                assert isinstance(error, hob.RemoteError)
                assert error.remote_traceback is None
            assert asked
            assert b"swordfish" not in tap.octets

        run(main)

    def test_they_are_not_passed_on(self) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with (
                Peer(netlayers.Memory(network, "a"), settings={"ocapn://b.memory": TRUSTED}) as a,
                Peer(netlayers.Memory(network, "b")) as b,
                Peer(netlayers.Memory(network, "c")) as c,
            ):
                uri = a.publish(a.spawn(Shop))

                def ask() -> Any:
                    return b.enliven(uri, Shop).buy("value")

                error = await failure_of(hob.send(c.enliven(b.publish(b.spawn(ask)))))
                assert isinstance(error, hob.RemoteError)
                assert error.remote_traceback is None
                seen = await failure_of(b.enliven(uri, Shop).buy("value"))
                assert isinstance(seen, hob.RemoteError)
                assert seen.remote_traceback is not None

        run(main)

    def test_they_are_not_passed_on_as_a_cause_either(self) -> None:
        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with (
                Peer(netlayers.Memory(network, "a"), settings={"ocapn://b.memory": TRUSTED}) as a,
                Peer(netlayers.Memory(network, "b"), settings={"ocapn://c.memory": TRUSTED}) as b,
                Peer(netlayers.Memory(network, "c")) as c,
            ):
                uri = a.publish(a.spawn(Shop))

                async def ask(how: str) -> None:
                    try:
                        await b.enliven(uri, Shop).buy("value")
                    except hob.RemoteError as error:
                        if how == "group":
                            raise ExceptionGroup("no sale", [error]) from None
                        if how == "cause":
                            raise ValueError("no sale") from error
                        raise ValueError("no sale")  # noqa: B904  # the other error is its context

                asked: Any = await c.enliven(b.publish(b.spawn(ask)))
                for how in ("cause", "context", "group"):
                    error = await failure_of(asked(how))
                    assert isinstance(error, hob.RemoteError)
                    assert error.remote_traceback is not None
                    assert "no sale" in error.remote_traceback
                    assert "secret_helper" not in error.remote_traceback
                    assert "swordfish" not in error.remote_traceback

        run(main)

    def test_they_have_an_end_and_can_be_written(self, caplog: pytest.LogCaptureFixture) -> None:
        # The log of a test is to be written, too.
        caplog.set_level(logging.CRITICAL, "hobgoblin")

        async def main() -> None:
            def recurse(depth: int) -> None:
                if depth == 0:
                    raise ValueError("\ud800 " + "long " * 10_000)
                recurse(depth - 1)

            network = netlayers.MemoryNetwork()
            async with (
                Peer(netlayers.Memory(network, "server"), settings={self.CLIENT: TRUSTED}) as server,
                Peer(netlayers.Memory(network, "client")) as client,
            ):
                error = await failure_of(hob.send(client.enliven(server.publish(server.spawn(recurse))), 50))
                assert isinstance(error, hob.RemoteError)
                assert error.remote_traceback is not None
                assert len(error.remote_traceback) < 9000

        run(main)

    def test_what_a_peer_sends_as_one_can_not_move_the_cursor(self) -> None:
        from hobgoblin.failures import received_reason

        error = received_reason(hob.ErrorValue("the call failed, error 1\nTrace\x1b[2Jback\r\n"))
        assert isinstance(error, hob.RemoteError)
        assert (error.error_id, error.remote_traceback) == ("1", "Trace?[2Jback?\n")
        strange = received_reason(hob.ErrorValue("the call failed, error \x1b[2J"))
        assert isinstance(strange, hob.RemoteError)
        assert strange.error_id is None


LOUD = "up\n2026-01-01 CRITICAL root: all is lost\x1b[2J\r\u202e\u2028" * 1000


class TestWhatAPeerSays:
    """A peer must not write into our log more than a line, nor what moves the cursor, nor a megabyte."""

    @pytest.mark.parametrize(
        "told",
        [
            hob.ErrorValue(LOUD),
            hob.ErrorValue(f"OutOfStock: {LOUD}"),
            hob.ErrorValue(f"shop/closed: {LOUD}"),
            hob.ErrorValue(f"the call failed, error {LOUD}"),
            hob.ErrorValue(f"the call failed, error 1-1\n{LOUD}"),
            LOUD,
            (LOUD,),
            hob.Symbol(LOUD),
            {LOUD: LOUD},
            hob.Tagged(LOUD, LOUD),
        ],
        ids=lambda told: f"{str(told)[:20]!a}",
    )
    def test_is_bounded_and_printable_in_a_traceback(self, told: Any) -> None:
        from hobgoblin.failures import received_reason

        error = received_reason(told)
        for text in (str(error), repr(error), f"{error}"):
            assert text.isprintable()
            assert len(text) < 1500
        lines = shown(error).splitlines()
        assert len(shown(error)) < 12_000
        assert all(line.isprintable() for line in lines)
        assert not any(re.match(r"\d|up", line) for line in lines)

    def test_is_there_as_a_whole_for_programs(self) -> None:
        from hobgoblin.failures import received_reason

        refused = received_reason(hob.ErrorValue(LOUD))
        assert isinstance(refused, hob.RemoteRefused)
        assert refused.message == refused.args[0] == LOUD
        broken = received_reason((LOUD, 5))
        assert isinstance(broken, hob.BrokenPromise)
        assert broken.reason == (LOUD, 5)
        shared = received_reason(hob.ErrorValue(f"OutOfStock: {LOUD}"))
        assert type(shared) is OutOfStock
        [text] = shared.args
        assert text == text[:] == LOUD
        assert type(text[:]) is str
        assert "\n" in "".join(text)

    def test_a_short_line_is_shown_as_it_is(self) -> None:
        from hobgoblin.failures import received_reason

        shared = received_reason(hob.ErrorValue("OutOfStock: no Schuhgröße 42 ☂"))
        assert type(shared.args[0]) is str
        assert str(shared) == "no Schuhgröße 42 ☂"
        assert str(received_reason(hob.ErrorValue("☂ 'today'"))) == "☂ 'today'"

    def test_is_passed_on_as_a_whole(self) -> None:
        async def main() -> None:
            def raise_it(verb: Any, kind: str) -> None:
                raise {"stock": OutOfStock, "refused": hob.Refused, "closed": Closed}[kind](LOUD)

            async with shop_over() as shop:
                for kind in ("stock", "refused", "closed"):
                    error = await failure_of(shop.pass_on(raise_it, kind))
                    assert error.args[0] == LOUD

        run(main)

    def test_is_one_line_of_the_log_when_nobody_listens(self, caplog: pytest.LogCaptureFixture) -> None:
        def raise_it(kind: str) -> None:
            raise {"stock": OutOfStock, "refused": hob.Refused}[kind](LOUD)

        async def main() -> None:
            network = netlayers.MemoryNetwork()
            async with (
                Peer(netlayers.Memory(network, "server")) as server,
                Peer(netlayers.Memory(network, "client")) as client,
            ):
                far: Any = await client.enliven(server.publish(server.spawn(raise_it)))
                for kind in ("stock", "refused"):
                    caplog.clear()
                    far(kind)
                    await until(lambda: len(caplog.records) > 0)
                    [record] = caplog.records
                    text = logging.Formatter("LOG %(message)s").format(record)
                    assert "nobody awaited" in text
                    assert len(text) < 5000
                    assert not re.search(r"^(2026|up)", text, re.MULTILINE)
                    assert all(line.isprintable() for line in text.split("\n"))

        run(main)

    def test_the_fields_of_a_struct_are_printable_where_one_is_missing(self) -> None:
        async def main() -> None:
            promise: Any = hob.spawn_vat().run(lambda: {LOUD: 1})
            error = await failure_of(promise["price"])
            assert type(error) is hob.NoSuchPart
            assert all(line.isprintable() for line in shown(error).splitlines())

        run(main)


class TestGroups:
    def test_any_of_that_all_fail_is_a_group_here_and_one_failure_there(self) -> None:
        async def main() -> None:
            vat = hob.spawn_vat()
            shops = [vat.spawn(Shop), vat.spawn(Shop)]
            local = await failure_of(vat.spawn(Shop).ask_any(*shops))
            assert isinstance(local, ExceptionGroup)
            assert [str(error) for error in local.exceptions] == ["not on sundays"] * 2
            assert "1: buy(), sent from" in shown(local)
            tap = Tap()
            async with shop_over(tap=tap) as shop:
                remote = await failure_of(shop.ask_any(*shops))
                assert type(remote) is hob.RemoteError
                assert remote.error_id is not None
            assert b"any_of" not in tap.octets

        run(main)

    def test_a_task_group_in_a_method_is_a_group_here_and_one_failure_there(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            vat = hob.spawn_vat()
            shops = [vat.spawn(Shop), vat.spawn(Shop)]
            local = await failure_of(vat.spawn(Shop).ask_all(*shops))
            assert isinstance(local, ExceptionGroup)
            assert {type(error) for error in local.exceptions} == {ValueError}
            assert "ask_all" in shown(local)
            async with shop_over() as shop:
                remote = await failure_of(shop.ask_all(shop, shop))
                assert type(remote) is hob.RemoteError
                assert remote.error_id is not None
                (record,) = [
                    each
                    for each in caplog.records
                    if remote.error_id in each.getMessage() and each.exc_info is not None
                ]
                assert record.exc_info is not None
                assert isinstance(record.exc_info[1], ExceptionGroup)

        caplog.set_level(logging.WARNING)
        run(main)

    def test_a_group_of_more_than_exceptions_ends_nothing(self) -> None:
        def leave() -> None:
            raise BaseExceptionGroup("both", [SystemExit(3), ValueError("x")])

        async def main() -> None:
            error = await failure_of(hob.send(hob.spawn_vat().spawn(leave)))
            assert isinstance(error, hob.BrokenPromise)
            assert isinstance(error.__cause__, BaseExceptionGroup)

        run(main)


class TestPending:
    def test_it_lists_what_threads_wait_for_with_their_lines(self, tmp_path: Path) -> None:
        with (
            blocking.Peer(netlayers.Unix(tmp_path / "s")) as server,
            blocking.Peer(netlayers.Unix(), name="client") as client,
        ):
            shop = client.enliven(server.publish(server.spawn(Shop)), Shop)
            blocking.result(shop, timeout=DEADLINE)
            sent = threading.Barrier(4)
            ended: list[str] = []

            def wait() -> None:
                promise = shop.never()
                sent.wait(DEADLINE)
                try:
                    blocking.result(promise)
                except hob.SessionSevered as error:
                    ended.append(str(error))

            threads = [threading.Thread(target=wait) for _ in range(3)]
            for thread in threads:
                thread.start()
            sent.wait(DEADLINE)
            waiting: list[hob.PendingPromise] = []
            while len(waiting) < 3:
                waiting = [call for call in hob.pending() if call.function == "wait" and call.vat == "client"]
            assert {(call.file, call.method) for call in waiting} == {(__file__, "never")}
            assert all(call.age >= 0 for call in waiting)
            client.close()
            for thread in threads:
                thread.join(DEADLINE)
            assert len(ended) == 3
            assert [call for call in hob.pending() if call.function == "wait"] == []
