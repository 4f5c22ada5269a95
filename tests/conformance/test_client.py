"""What Endo's unit tests ask of a client, asked of a peer of ours over a socket.

======================================================  ================================================
row                                                     test
======================================================  ================================================
slow writes still pipeline                              test_slow_writes_still_pipeline
positions of exports and of answers do not collide      test_positions_of_exports_and_answers_are_unique
refuses to connect to itself                            test_a_peer_has_no_session_with_itself
unparseable message before the hello, and after it      test_an_unparseable_message
abort during the handshake                              test_an_abort_during_the_handshake
reconnect after abort                                   test_connecting_again_after_an_abort
a throwing target keeps the connection                  test_a_method_that_raises_keeps_the_connection
a promise that resolves to the caller's object          test_a_promise_that_resolves_to_the_callers_object
an answer echoed through the other side                 test_an_answer_echoed_through_the_other_side
a promise that becomes a sturdyref                      test_a_delivery_to_what_becomes_a_sturdyref_breaks
op:get, op:index, op:untag: good                        test_parts_of_an_answer
op:get, op:index, op:untag: bad                         test_parts_that_are_not_there
... pipelined, and on broken promises                   test_parts_of_what_breaks
untag with a nested reference                           test_a_reference_inside_of_a_tagged_value
disconnect rejects pending and later calls              test_a_disconnect_breaks_pending_and_later_calls
a hosted answer is not rejected by a disconnect         test_a_disconnect_does_not_break_our_own_work
an argument that can't be serialised                    test_an_argument_that_can_not_pass
sendOnly and resolver calls ask for nothing             test_what_asks_for_no_answer
======================================================  ================================================
"""

import asyncio

import pytest

import hobgoblin as hob
from hobgoblin.values import Symbol

CAR_FACTORY_BUILDER = b"JadQ0++RzsD4M+40uLxTWVaVqM10DcBJ"
ECHO = b"IO58l1laTyhcrgDKbEzFOO32MDd6zE5w"
GREETER = b"VMDDd1voKWarCe2GvgLbxbVFysNzRPzx"
PROMISE_RESOLVER = b"IokCxYmMj04nos2JN1TDoY1bT8dXh6Lr"


async def reached(stage):
    """Return the test's side of a connection that our peer has dialled, its object there, and ours of it."""
    place = await stage.listen()
    promise = stage.enliven(place)
    far = await (await place.accept()).open()
    mine = far.object()
    call = await far.called(far.bootstrap_of_mine)
    assert call.args == (Symbol("fetch"), b"swiss")
    far.settle(call.resolver, "fulfill", mine)
    return far, mine, await promise


async def test_slow_writes_still_pipeline(drafts, rec):
    """The hello takes its time; then everything is there at once, before anything was answered."""
    place = await drafts.listen()
    noise = drafts.enliven(place).make_car("red").drive()
    far = await place.accept()
    await far.heard_hello()
    await far.hello_slowly()
    calls = [await far.next() for _ in range(3)]
    targets = [call.fields[0] for call in calls]
    assert targets == [far.bootstrap] + [rec("desc:answer", call.fields[2]) for call in calls[:2]]
    assert [call.fields[1][0].name for call in calls] == ["fetch", "make-car", "drive"]
    far.settle(calls[2].fields[3], "fulfill", "vroom")
    assert await noise == "vroom"


async def test_positions_of_exports_and_answers_are_unique(drafts):
    far, mine, ref = await reached(drafts)
    promises = [drafts.ours.spawn(lambda: None) for _ in range(3)]
    for promise in promises:
        pending = (await drafts.ours.vat.run(hob.new_promise))[0]
        ref.take(promise, pending, promise)
    calls = [await far.called(mine) for _ in promises]
    answers = [call.answer for call in calls]
    exports = [call.resolver.fields[0] for call in calls]
    for call in calls:
        _, thing, pending, again = call.args
        assert thing == again
        assert (thing.label.name, pending.label.name) == ("desc:import-object", "desc:import-promise")
        exports += [*thing.fields, *pending.fields]
    assert len(set(answers)) == len(answers)
    assert len(set(exports)) == len(exports)
    assert all(type(pos) is int and pos > 0 for pos in answers + exports)


async def test_a_peer_has_no_session_with_itself(drafts, rec):
    """What is its own it finds without a connection; what only poses as another is refused."""
    own = drafts.ours.spawn(lambda: "mine")
    drafts.publish(own, b"own")
    sturdyref = hob.SturdyRef.from_record(drafts.sturdyref(drafts.location, b"own"))
    assert await drafts.ours.enliven(sturdyref) is own
    assert drafts.ours.connections == []
    transport, _, hints = drafts.location.fields
    posing = rec("ocapn-peer", transport, "another", hints)
    with pytest.raises(hob.SessionSevered):
        await drafts.ours.enliven(hob.SturdyRef.from_record(drafts.sturdyref(posing, b"own")))
    assert drafts.ours.connections == []


async def test_an_unparseable_message(drafts):
    for opened in (False, True):
        far = await (drafts.session() if opened else drafts.dial())
        far.write_octets(b"(nothing of the kind)")
        assert await far.aborted() == "malformed message"
    await (await drafts.session()).round_trip()


async def test_an_abort_during_the_handshake(drafts, rec):
    """It breaks what waits for the session, and leaves nothing behind."""
    place = await drafts.listen()
    promise = drafts.enliven(place)
    far = await place.accept()
    far.write(rec("op:abort", "invalid-version"))
    with pytest.raises(hob.SessionSevered, match="invalid-version"):
        await promise
    await far.closed()
    assert drafts.ours.connections == []
    again = drafts.enliven(place)
    far = await (await place.accept()).open()
    call = await far.called(far.bootstrap_of_mine)
    far.settle(call.resolver, "fulfill", 1)
    assert await again == 1


async def test_connecting_again_after_an_abort(drafts, rec):
    far, mine, ref = await reached(drafts)
    place_of = far.location
    pending = ref.wait()
    await far.called(mine)
    far.write(rec("op:abort", "enough"))
    with pytest.raises(hob.SessionSevered, match="enough"):
        await pending
    await far.closed()
    assert drafts.ours.connections == []
    assert await (await drafts.session(place_of)).fetch(ECHO) is not None


async def test_a_method_that_raises_keeps_the_connection(drafts, caplog):
    """And what it raised stays here: the peer learns that the call failed."""

    def fail():
        raise ValueError("a secret of ours")

    drafts.publish(drafts.ours.spawn(fail), b"fail")
    far = await drafts.session()
    reason = await far.reason(far.ask(await far.fetch(b"fail")))
    assert reason.label == Symbol("desc:error")
    assert b"secret" not in far.octets
    assert "a secret of ours" in caplog.text
    assert await far.value(far.ask(await far.fetch(ECHO), 1)) == (1,)


async def test_a_promise_that_resolves_to_the_callers_object(drafts, rec):
    """What was sent on the long way comes back before what goes on the short one."""
    far, mine, ref = await reached(drafts)
    heard = []
    own = drafts.ours.spawn(heard.append)
    found = ref.find(own)
    call = await far.called(mine)
    far.settle(call.resolver, "fulfill", far.to(call.args[1]))
    answer = rec("desc:answer", call.answer)
    for number in (1, 2):  # under way when the resolution comes
        hob.send_only(found)(number)
    forwarded = [await far.called(answer) for _ in range(2)]
    assert await found is own
    last = found(3)
    for message in forwarded:
        far.deliver(far.to(call.args[1]), *message.args)
    message = await far.called(answer)
    far.deliver(far.to(call.args[1]), *message.args, resolver=far.object())
    far.settle(message.resolver, "fulfill", 3)
    await last
    await far.round_trip()
    assert heard == [1, 2, 3]


async def test_an_answer_echoed_through_the_other_side(drafts):
    far = await drafts.session()
    echo = await far.fetch(ECHO)
    first = far.ask(echo, "hello", pipelined=True)
    second = far.ask(echo, first.answer)
    (promise,) = await far.value(second)
    assert await far.value(far.listen(far.to(promise))) == ("hello",)
    assert "op:listen" not in far.log  # to the other side the answer is its own


async def test_a_delivery_to_what_becomes_a_sturdyref_breaks(drafts):
    far = await drafts.session()
    promise, resolver = map(far.to, await far.value(far.ask(await far.fetch(PROMISE_RESOLVER))))
    waiting = far.ask(promise, Symbol("drive"))
    far.tell(resolver, Symbol("fulfill"), drafts.sturdyref(drafts.location, ECHO))
    assert (await far.reason(waiting)).label == Symbol("desc:error")
    await far.round_trip()


def tree(stage):
    """Publish a function that returns a struct with a bit of everything in it."""
    car = stage.ours.spawn(lambda: "vroom")
    value = {
        "name": "tree",
        "list": (1, (2, "deep"), {"field": "x"}),
        "price": hob.Tagged("decimal", "3.14"),
        "box": hob.Tagged("box", car),
        "car": car,
    }
    stage.publish(stage.ours.spawn(lambda: value), b"tree")


async def test_parts_of_an_answer(drafts):
    """Named before anything has been answered; a part can be called like any other answer."""
    tree(drafts)
    far = await drafts.session()
    root = far.ask(await far.fetch(b"tree"), pipelined=True).answer
    items = far.select("op:get", root, "list")
    price = far.select("op:get", root, "price")
    car = far.select("op:get", root, "car")
    noise = far.ask(car.answer)
    assert await far.value(far.select("op:get", root, "name")) == "tree"
    assert await far.value(far.select("op:index", items.answer, 0)) == 1
    inner = far.select("op:index", items.answer, 1)
    assert await far.value(far.select("op:index", inner.answer, 1)) == "deep"
    last = far.select("op:index", items.answer, 2)
    assert await far.value(far.select("op:get", last.answer, "field")) == "x"
    assert await far.value(far.select("op:untag", price.answer, "decimal")) == "3.14"
    assert await far.value(noise) == "vroom"


async def test_parts_that_are_not_there(drafts):
    """Each breaks its own answer, and nothing else."""
    tree(drafts)
    far = await drafts.session()
    target = await far.fetch(b"tree")
    root = far.ask(target, pipelined=True).answer
    items = far.select("op:get", root, "list").answer
    price = far.select("op:get", root, "price").answer
    wrong = [
        ("op:get", root, "nothing"),
        ("op:get", items, "name"),
        ("op:get", price, "tag"),
        ("op:index", items, 3),
        ("op:index", items, 2**40),
        ("op:index", root, 0),
        ("op:untag", price, "binary"),
        ("op:untag", items, "decimal"),
        ("op:get", target, "name"),
        ("op:index", target, 0),
        ("op:untag", target, "box"),
    ]
    for op, receiver, selector in wrong:
        assert (await far.reason(far.select(op, receiver, selector))).label == Symbol("desc:error")
    assert await far.value(far.select("op:get", root, "name")) == "tree"


async def test_parts_of_what_breaks(drafts):
    far = await drafts.session()
    promise, resolver = map(far.to, await far.value(far.ask(await far.fetch(PROMISE_RESOLVER))))
    parts = [far.select("op:get", promise, "x"), far.select("op:index", promise, 0)]
    parts.append(far.select("op:untag", parts[0].answer, "t"))
    called = far.ask(parts[2].answer, Symbol("drive"))
    far.tell(resolver, Symbol("break"), Symbol("oh-no"))
    for question in (*parts, called, far.select("op:get", promise, "x")):
        assert await far.reason(question) == Symbol("oh-no")


async def test_a_reference_inside_of_a_tagged_value(drafts):
    tree(drafts)
    far = await drafts.session()
    root = far.ask(await far.fetch(b"tree"), pipelined=True).answer
    box = far.select("op:get", root, "box")
    inside = far.select("op:untag", box.answer, "box")
    assert await far.value(far.ask(inside.answer)) == "vroom"
    assert (await far.value(inside)).label == Symbol("desc:import-object")


@pytest.mark.parametrize("end", ["fin", "abort"])
async def test_a_disconnect_breaks_pending_and_later_calls(drafts, rec, end):
    far, mine, ref = await reached(drafts)
    pending = ref.wait()
    pipelined = pending.further()
    await far.called(mine)
    if end == "fin":
        far.close()
    else:
        far.write(rec("op:abort", "enough"))
    for promise in (pending, pipelined):
        with pytest.raises(hob.SessionSevered):
            await promise
    with pytest.raises(hob.SessionSevered):
        await ref.again()
    with pytest.raises(hob.SessionSevered):
        await pending.again()


async def test_a_disconnect_does_not_break_our_own_work(drafts):
    """The method that a peer has called goes on to its end when the peer has gone."""
    started, go_on = asyncio.Event(), asyncio.Event()
    done = asyncio.get_running_loop().create_future()

    async def work():
        started.set()
        await go_on.wait()
        done.set_result("done")

    drafts.publish(drafts.ours.spawn(work), b"work")
    far = await drafts.session()
    far.ask(await far.fetch(b"work"))
    await started.wait()
    ended = drafts.ours.connections[0].ended
    far.close()
    await ended
    go_on.set()
    assert await done == "done"


async def test_an_argument_that_can_not_pass(drafts):
    """That call fails here, and nothing of it is sent."""
    far, mine, ref = await reached(drafts)
    first = ref.take(1)
    with pytest.raises(hob.NotPassable, match=r"args\[0\]\[0\]"):
        await ref.take([object()])
    last = ref.take(2)
    for promise, number in ((first, 1), (last, 2)):
        call = await far.called(mine)
        assert call.args == (Symbol("take"), number)
        far.settle(call.resolver, "fulfill", number)
        assert await promise == number


async def test_what_asks_for_no_answer(stage, rec):
    """A send that wants no answer, and what is told to a resolver: in the form of the dialect."""
    far, mine, ref = await reached(stage)
    hob.send_only(ref.note)("x")
    assert await far.called(mine) == ((Symbol("note"), "x"), False, False)
    question = far.ask(far.bootstrap, Symbol("fetch"), ECHO)
    assert (await far.called(rec("desc:import-object", question.resolver)))[1:] == (False, False)
    assert ("op:deliver-only" in far.log) == (stage.dialect in "AB")
