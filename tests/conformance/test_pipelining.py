"""What Endo's unit tests ask of pipelining, as transcripts of what crosses a socket.

======================================================  ================================================
row                                                     test
======================================================  ================================================
exact message order for nested access                   test_nested_calls_cross_in_the_order_made
nested access to parts                                  test_nested_parts_cross_in_the_order_asked_for
all sends before receives                               test_everything_is_sent_before_anything_is_answered
three-party forwarding                                  test_messages_are_forwarded_to_a_third_party_in_order
an answer sent as an argument is local to the receiver  test_an_answer_as_an_argument_is_the_receivers_own
======================================================  ================================================
"""

import hobgoblin as hob
from hobgoblin.values import Symbol

ECHO = b"IO58l1laTyhcrgDKbEzFOO32MDd6zE5w"
FETCH = Symbol("fetch")


async def dialled(stage, name="listener"):
    """Return a promise for an object of the test's, and the test's side of the session with it."""
    place = await stage.listen(name)
    promise = stage.enliven(place)
    return promise, await (await place.accept()).open()


def shape(message):
    """A message without the position of its resolver, which nobody else chooses."""
    return (message.label.name, *message.fields[:3])


async def test_nested_calls_cross_in_the_order_made(drafts, rec):
    garage, far = await dialled(drafts)
    noise = garage.make_car("red").engine(1).start()
    messages = [await far.next() for _ in range(4)]
    (first, second, third, last) = [message.fields[2] for message in messages]
    assert [shape(message) for message in messages] == [
        ("op:deliver", far.bootstrap, (FETCH, b"swiss"), first),
        ("op:deliver", rec("desc:answer", first), (Symbol("make-car"), "red"), second),
        ("op:deliver", rec("desc:answer", second), (Symbol("engine"), 1), third),
        ("op:deliver", rec("desc:answer", third), (Symbol("start"),), last),
    ]
    far.settle(messages[3].fields[3], "fulfill", "vroom")
    assert await noise == "vroom"


async def test_nested_parts_cross_in_the_order_asked_for(drafts, rec):
    garage, far = await dialled(drafts)
    noise = garage.inventory()["cars"][0].drive()
    messages = [await far.next() for _ in range(5)]
    call, get, index = messages[1].fields[2], messages[2].fields[2], messages[3].fields[2]
    assert [shape(message) for message in messages[1:4]] == [
        ("op:deliver", rec("desc:answer", messages[0].fields[2]), (Symbol("inventory"),), call),
        ("op:get", rec("desc:answer", call), "cars", get),
        ("op:index", rec("desc:answer", get), 0, index),
    ]
    assert messages[4].fields[:2] == (rec("desc:answer", index), (Symbol("drive"),))
    assert len({call, get, index, messages[4].fields[2]}) == 4
    far.settle(messages[4].fields[3], "fulfill", "vroom")
    assert await noise == "vroom"


async def test_everything_is_sent_before_anything_is_answered(drafts):
    """Twenty calls, each an argument of the next: one way there, and one way back."""
    garage, far = await dialled(drafts)
    last = garage
    for number in range(20):
        last = last.step(number)
    messages = [await far.next() for _ in range(21)]
    assert [message.fields[1][1:] for message in messages[1:]] == [(number,) for number in range(20)]
    for number, message in reversed(list(enumerate(messages))):
        far.settle(message.fields[3], "fulfill", number)
    assert await last == 20


async def test_messages_are_forwarded_to_a_third_party_in_order(drafts):
    """To a promise of ours, before it settles and after, from one peer; its object is at another."""
    third, at_third = await dialled(drafts, "third")
    fetched = await at_third.called(at_third.bootstrap_of_mine)
    at_third.settle(fetched.resolver, "fulfill", target := at_third.object())
    promise, resolver = await drafts.ours.vat.run(hob.new_promise)
    drafts.publish(drafts.ours.spawn(lambda: (promise,)), b"promise")
    far = await drafts.session()
    (imported,) = await far.value(far.ask(await far.fetch(b"promise")))
    for number in range(5):
        far.tell(far.to(imported), Symbol("note"), number)
    await far.round_trip()
    resolver.fulfill(third)
    for number in range(5, 10):
        far.tell(far.to(imported), Symbol("note"), number)
    noted = [await at_third.called(target) for _ in range(10)]
    assert [call.args for call in noted] == [(Symbol("note"), number) for number in range(10)]
    # Whoever listens is told where to go from now on.
    assert (await far.value(far.listen(far.to(imported)))).label == Symbol("desc:sig-envelope")


async def test_an_answer_as_an_argument_is_the_receivers_own(drafts, rec):
    """It is named by its position and listened to by nobody, whichever side asks."""
    garage, far = await dialled(drafts)
    car = garage.make_car("red")
    hob.send_only(garage.park)(car)
    fetch, make, park = [await far.next() for _ in range(3)]
    assert park.fields[0] == rec("desc:answer", fetch.fields[2])
    assert park.fields[1] == (Symbol("park"), rec("desc:answer", make.fields[2]))
    question = far.ask(far.bootstrap, FETCH, ECHO, pipelined=True)
    answer = far.ask(question.answer, question.answer)
    (echo,) = await far.value(answer)
    assert echo.label.name in ("desc:import-promise", "desc:import-object")
    await far.round_trip()
    assert "op:listen" not in far.log
