"""The 24 behaviours that OCapN's conformance suite looks at, one test each, against a peer of ours.

==================================================  ====================================================
row of the suite                                    test
==================================================  ====================================================
op_abort: abort before setup                        test_op_abort_before_setup
op_deliver: no answer or response                   test_op_deliver_no_answer_or_response
op_deliver: with resolver                           test_op_deliver_with_resolver
op_deliver: promise pipeline                        test_op_deliver_promise_pipeline
op_deliver: pipeline with break                     test_op_deliver_pipeline_with_break
op_gc: single object                                test_op_gc_single_object
op_gc: multiple, same message                       test_op_gc_multiple_in_the_same_message
op_gc: multiple, different messages                 test_op_gc_multiple_in_different_messages
op_gc: answer                                       test_op_gc_answer
op_listen: fulfill                                  test_op_listen_fulfill
op_listen: break                                    test_op_listen_break
op_listen: already answered                         test_op_listen_already_answered
op_start_session: remote version                    test_op_start_session_remote_version
op_start_session: invalid version                   test_op_start_session_invalid_version
op_start_session: invalid signature                 test_op_start_session_invalid_signature
op_start_session: crossed hellos, inbound aborts    test_crossed_hellos_the_inbound_connection_aborts
op_start_session: crossed hellos, outbound aborts   test_crossed_hellos_the_outbound_connection_aborts
handoffs, receiver: without a prior connection      test_handoff_receiver_without_a_prior_connection
handoffs, receiver: with a prior connection         test_handoff_receiver_with_a_prior_connection
handoffs, exporter: valid                           test_handoff_exporter_valid
handoffs, exporter: wait for the deposit            test_handoff_exporter_waits_for_the_deposit
handoffs, exporter: invalid count                   test_handoff_exporter_invalid_count
handoffs, exporter: invalid signature               test_handoff_exporter_invalid_signature
handoffs, gifter                                    test_handoff_gifter
==================================================  ====================================================

The suite itself is run by ``tests/interop/test_conformance_suite.py``, where a checkout is at hand.
"""

import pytest

from hobgoblin.values import Symbol

CAR_FACTORY_BUILDER = b"JadQ0++RzsD4M+40uLxTWVaVqM10DcBJ"
ECHO = b"IO58l1laTyhcrgDKbEzFOO32MDd6zE5w"
GREETER = b"VMDDd1voKWarCe2GvgLbxbVFysNzRPzx"
PROMISE_RESOLVER = b"IokCxYmMj04nos2JN1TDoY1bT8dXh6Lr"
ENLIVENER = b"gi02I1qghIwPiKGKleCQAOhpy3ZtYRpB"
FETCH = Symbol("fetch")


# op_abort


async def test_op_abort_before_setup(stage, rec):
    far = await stage.dial()
    far.write(rec("op:abort", "enough"))
    far.hello()
    far.ask(far.bootstrap, FETCH, ECHO)
    await far.closed()
    assert far.log == []


# op_deliver


async def test_op_deliver_no_answer_or_response(stage):
    far = await stage.session()
    greeter = await far.fetch(GREETER)
    mine = far.object()
    far.tell(greeter, mine)
    assert (await far.called(mine)).args == ("Hello",)


async def test_op_deliver_with_resolver(stage):
    far = await stage.session()
    echo = await far.fetch(ECHO)
    things = ("foo", 1, False, b"bar", ("baz",))
    assert await far.value(far.ask(echo, *things)) == things


async def test_op_deliver_promise_pipeline(stage):
    """Four messages, each sent to the answer of the one before, in one piece."""
    far = await stage.session()
    builder = far.ask(far.bootstrap, FETCH, CAR_FACTORY_BUILDER, pipelined=True)
    factory = far.ask(builder.answer, pipelined=True)
    car = far.ask(factory.answer, (Symbol("red"), Symbol("zoomracer")), pipelined=True)
    noise = far.ask(car.answer, pipelined=True)
    assert await far.value(noise) == "Vroom! I am a red zoomracer car!"


async def test_op_deliver_pipeline_with_break(stage):
    """Both the call that fails and the one that was pipelined to its answer break, with one reason each."""
    far = await stage.session()
    builder = await far.fetch(CAR_FACTORY_BUILDER)
    factory = far.to(await far.value(far.ask(builder)))
    car = far.ask(factory, (1, 2, 3, 4, 5), pipelined=True)
    noise = far.ask(car.answer, pipelined=True)
    reason = await far.reason(car)
    assert reason.label == Symbol("desc:error")
    assert await far.reason(noise) == reason


# op_gc


async def test_op_gc_single_object(stage):
    far = await stage.session()
    echo = await far.fetch(ECHO)
    mine = far.object()
    assert await far.value(far.ask(echo, mine)) == (far.to(mine),)
    await far.gave_back(mine, 1)


async def test_op_gc_multiple_in_the_same_message(stage):
    far = await stage.session()
    echo = await far.fetch(ECHO)
    mine = far.object()
    assert await far.value(far.ask(echo, *[mine] * 4)) == (far.to(mine),) * 4
    await far.gave_back(mine, 4)


async def test_op_gc_multiple_in_different_messages(stage):
    far = await stage.session()
    echo = await far.fetch(ECHO)
    mine = far.object()
    questions = [far.ask(echo, mine) for _ in range(4)]
    for question in questions:
        assert await far.value(question) == (far.to(mine),)
    await far.gave_back(mine, 4)


async def test_op_gc_answer(stage, rec):
    """The greeter wants an answer, and passes it on; once told, its peer gives the answer position up."""
    far = await stage.session()
    greeter = await far.fetch(GREETER)
    mine = far.object()
    asked = far.ask(greeter, mine)
    call = await far.called(mine)
    assert call.answer is not False
    # What it tells is the test's own answer: nothing to wait for.
    assert await far.value(asked) == rec("desc:answer", call.answer)
    far.settle(call.resolver, "fulfill", "hi")
    while call.answer not in far.given_up:
        await far.more()
    assert far.given_up.count(call.answer) == 1


# op_listen


async def promise_and_resolver(far):
    pair = await far.value(far.ask(await far.fetch(PROMISE_RESOLVER)))
    promise, resolver = pair
    assert promise.label == Symbol("desc:import-promise")
    return far.to(promise), far.to(resolver)


async def test_op_listen_fulfill(stage):
    far = await stage.session()
    promise, resolver = await promise_and_resolver(far)
    heard = far.listen(promise)
    far.tell(resolver, Symbol("fulfill"), Symbol("ok"))
    assert await far.outcome(heard) == ("fulfill", Symbol("ok"))


async def test_op_listen_break(stage):
    """A reason that is no error arrives unchanged."""
    far = await stage.session()
    promise, resolver = await promise_and_resolver(far)
    heard = far.listen(promise)
    far.tell(resolver, Symbol("break"), Symbol("oh-no"))
    assert await far.outcome(heard) == ("break", Symbol("oh-no"))


async def test_op_listen_already_answered(stage):
    far = await stage.session()
    promise, resolver = await promise_and_resolver(far)
    await far.value(far.ask(resolver, Symbol("fulfill"), Symbol("ok")))
    for _ in range(2):
        assert await far.outcome(far.listen(promise)) == ("fulfill", Symbol("ok"))


# op_start_session


async def test_op_start_session_remote_version(stage):
    far = await stage.dial()
    far.hello()
    assert await far.heard_hello() == "1.0"
    assert far.their_location == stage.location


@pytest.mark.parametrize("version", ["0.9", "invalid-version-number"])
async def test_op_start_session_invalid_version(stage, version):
    far = await stage.dial()
    far.hello(version)
    assert await far.aborted() == "invalid-version"
    assert far.log == ["op:abort"]


async def test_op_start_session_invalid_signature(stage, rec):
    for signed in (rec("my-location", stage.location), rec("your-location", stage.location), b"anything"):
        far = await stage.dial()
        far.hello(signed=signed)
        assert await far.aborted() == "Invalid location signature"
        assert far.log == ["op:abort"]


async def crossed(stage, make_keys, lower):
    """Our peer dials, and is dialled before its hello is answered.

    Return its connection and the other; the key of the other has an id on the side asked for.
    """
    far = await stage.session()
    enlivener = await far.fetch(ENLIVENER)
    place = await stage.listen()
    asked = far.ask(enlivener, stage.sturdyref(place.location, b"swiss"))
    theirs = await place.accept()
    await theirs.heard_hello()
    keys = (make_keys(f"crossing {n}") for n in range(1000))
    chosen = next(key for key in keys if (key.id < theirs.their_id) is lower)
    mine = await stage.dial(place.location, chosen)
    mine.hello()
    return far, asked, theirs, mine


async def answers_the_fetch(link, far, asked):
    mine = link.object()
    call = await link.called(link.bootstrap_of_mine)
    assert call.args == (FETCH, b"swiss")
    link.settle(call.resolver, "fulfill", mine)
    return await far.value(asked)


async def test_crossed_hellos_the_inbound_connection_aborts(stage, make_keys):
    """The id of who dialled us is the higher one: the connection that we opened goes, theirs stays."""
    far, asked, theirs, mine = await crossed(stage, make_keys, lower=False)
    assert "rossed" in await theirs.aborted()
    await mine.heard_hello()
    await answers_the_fetch(mine, far, asked)


async def test_crossed_hellos_the_outbound_connection_aborts(stage, make_keys):
    """The id of who dialled us is the lower one: their connection goes, the one that we opened stays."""
    far, asked, theirs, mine = await crossed(stage, make_keys, lower=True)
    assert "rossed" in await mine.aborted()
    theirs.hello()
    await answers_the_fetch(theirs, far, asked)


# handoffs: our peer as the receiver


async def receive(stage, rec, make_keys, check_signature, prior):
    gifter = await stage.session()
    greeter = await gifter.fetch(GREETER)
    place = await stage.listen("exporter")
    if prior:
        exporter = await stage.session(place.location)
    # The session and the side of the gifter are nothing that a receiver could check.
    invented = make_keys("the gifter, of its session with the exporter")
    counts = []
    for number in range(3):
        give = invented.envelope(
            rec("desc:handoff-give", gifter.their_key, place.location, b"s" * 32, invented.id, b"g")
        )
        gifter.tell(greeter, give)
        if number == 0 and not prior:
            exporter = await place.accept()
            await exporter.heard_hello()
            exporter.hello()
        call = await exporter.called(exporter.bootstrap_of_mine)
        verb, request = call.args
        assert verb == Symbol("withdraw-gift")
        received, signature = request.fields
        session, side, count, certificate = received.fields
        assert (session, side) == (exporter.session, exporter.their_id)
        assert certificate == give
        check_signature(gifter.their_key, signature, received)
        counts.append(count)
        # What was sent to the promise meanwhile travels right behind the request.
        assert (await exporter.called(rec("desc:answer", call.answer))).args == ("Hello",)
        exporter.settle(call.resolver, "fulfill", exporter.object())
    assert counts == [0, 1, 2]
    assert place.dialled() == 0


async def test_handoff_receiver_without_a_prior_connection(stage, rec, make_keys, check_signature):
    await receive(stage, rec, make_keys, check_signature, prior=False)


async def test_handoff_receiver_with_a_prior_connection(stage, rec, make_keys, check_signature):
    await receive(stage, rec, make_keys, check_signature, prior=True)


# handoffs: our peer as the exporter


class Exported:
    """A gifter and a receiver, both in session with our peer, and a request for a gift."""

    def __init__(self, gifter, receiver, rec, make_keys, exporter):
        self.gifter, self.receiver, self._rec, self._exporter = gifter, receiver, rec, exporter
        self.keys = make_keys("the receiver, of its session with the gifter")

    def request(self, count=0, keys=None):
        give = self._rec(
            "desc:handoff-give",
            self.keys.public,
            self._exporter,
            self.gifter.session,
            self.gifter.keys.id,
            b"my-gift",
        )
        return (keys or self.keys).envelope(
            self._rec(
                "desc:handoff-receive",
                self.receiver.session,
                self.receiver.keys.id,
                count,
                self.gifter.keys.envelope(give),
            )
        )

    def withdraw(self, request):
        return self.receiver.ask(self.receiver.bootstrap, Symbol("withdraw-gift"), request)

    async def deposit(self):
        greeter = await self.gifter.fetch(GREETER)
        self.gifter.tell(self.gifter.bootstrap, Symbol("deposit-gift"), b"my-gift", greeter)
        await self.gifter.round_trip()


@pytest.fixture
def exported(rec, make_keys):
    async def make(stage):
        return Exported(await stage.session(), await stage.session(), rec, make_keys, stage.location)

    return make


async def is_the_greeter(far, reference):
    mine = far.object()
    far.tell(far.to(reference), mine)
    assert (await far.called(mine)).args == ("Hello",)


async def test_handoff_exporter_valid(stage, exported):
    scene = await exported(stage)
    await scene.deposit()
    gift = await scene.receiver.value(scene.withdraw(scene.request()))
    assert gift.label == Symbol("desc:import-object")
    await is_the_greeter(scene.receiver, gift)


async def test_handoff_exporter_waits_for_the_deposit(stage, exported):
    """The withdrawal comes first: nothing is told before the deposit, and the gift after it."""
    scene = await exported(stage)
    withdrawal = scene.withdraw(scene.request())
    await scene.receiver.round_trip()
    assert scene.receiver.unclaimed == []
    await scene.deposit()
    await is_the_greeter(scene.receiver, await scene.receiver.value(withdrawal))


async def test_handoff_exporter_invalid_count(stage, exported):
    """Deposit, withdraw, deposit under the same id: the same request again is a replay."""
    scene = await exported(stage)
    await scene.deposit()
    assert await scene.receiver.value(scene.withdraw(scene.request())) is not None
    await scene.deposit()
    assert await scene.receiver.reason(scene.withdraw(scene.request())) is not None
    # The gift is still there, for a request with a count of its own.
    assert await scene.receiver.value(scene.withdraw(scene.request(count=1))) is not None


async def test_handoff_exporter_invalid_signature(stage, exported, make_keys):
    scene = await exported(stage)
    await scene.deposit()
    assert await scene.receiver.reason(scene.withdraw(scene.request(keys=make_keys("another")))) is not None
    # It has used nothing up.
    assert await scene.receiver.value(scene.withdraw(scene.request())) is not None


# handoffs: our peer as the gifter


async def test_handoff_gifter(stage, check_signature):
    """A reference of a peer that is connected already, passed on to another: a deposit and a certificate."""
    place = await stage.listen("exporter")
    exporter = await stage.session(place.location)
    receiver = await stage.session()
    enlivener = await receiver.fetch(ENLIVENER)
    asked = receiver.ask(enlivener, stage.sturdyref(place.location, b"swiss"))
    fetched = await exporter.called(exporter.bootstrap_of_mine)
    assert fetched.args == (FETCH, b"swiss")
    mine = exporter.object()
    exporter.settle(fetched.resolver, "fulfill", mine)
    assert place.dialled() == 0  # it went over the session there was

    give, signature = (await receiver.value(asked)).fields
    check_signature(exporter.their_key, signature, give)
    receiver_key, location, session, side, gift_id = give.fields
    assert receiver_key == receiver.keys.public
    assert location == place.location
    assert (session, side) == (exporter.session, exporter.their_id)
    assert len(gift_id) == 32
    deposit = await exporter.called(exporter.bootstrap_of_mine)
    assert deposit.args == (Symbol("deposit-gift"), gift_id, exporter.to(mine))
