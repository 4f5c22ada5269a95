"""What a peer may try with the sessions of others, and with certificates that say whom to dial."""

from hobgoblin import Peer, netlayers
from hobgoblin.peer import MAX_DIALS
from hobgoblin.values import Symbol

GREETER = b"VMDDd1voKWarCe2GvgLbxbVFysNzRPzx"


class Gifter:
    """A peer of the test's that hands over what it likes to a peer of ours."""

    def __init__(self, far, rec, keys):
        self.far, self._rec, self._keys = far, rec, keys

    async def open(self):
        self.greeter = await self.far.fetch(GREETER)
        return self

    def hand_over(self, place, session=b"s" * 32, keys=None):
        """Ask the greeter to greet what is promised to be at ``place``."""
        keys = keys or self._keys
        give = self._rec("desc:handoff-give", self.far.their_key, place, session, keys.id, b"gift")
        return self.far.ask(self.greeter, keys.envelope(give))


def place_of(rec, name, host, port="1"):
    return rec("ocapn-peer", Symbol("tcp-testing-only"), name, {"host": host, "port": port})


async def test_t32_an_answer_resolved_by_a_stranger_ends_the_strangers_session(single, rec):
    place = await single.listen()
    promise = single.enliven(place)
    far = await (await place.accept()).open()
    call = await far.called(far.bootstrap_of_mine)
    stranger = await single.session()
    stranger.settle(call.resolver, "fulfill", "forged")
    assert "no export" in await stranger.aborted()
    await far.round_trip()
    far.settle(call.resolver, "fulfill", "genuine")
    assert await promise == "genuine"


async def test_t32_only_the_first_resolution_counts(drafts):
    place = await drafts.listen()
    promise = drafts.enliven(place)
    far = await (await place.accept()).open()
    call = await far.called(far.bootstrap_of_mine)
    for verb, value in (("fulfill", 1), ("fulfill", 2), ("break", Symbol("no"))):
        far.settle(call.resolver, verb, value)
    await far.round_trip()
    assert await promise == 1


async def test_t41_a_certificate_makes_no_peer_dial_beyond_its_machine(single, rec, make_keys):
    gifter = await Gifter(await single.session(), rec, make_keys("gifter")).open()
    hosts = ("10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "8.8.8.8", "fe80::1", "a b", "")
    for host in hosts:
        question = gifter.hand_over(place_of(rec, "internal", host, "80"))
        assert (await gifter.far.reason(question)).label == Symbol("desc:error"), host
    assert (
        await gifter.far.reason(gifter.hand_over(rec("ocapn-peer", Symbol("http"), "internal", False)))
    ).label
    assert len(single.ours.connections) == 1


async def test_t41_a_rule_decides_who_is_dialled_for_others(single, rec, make_keys):
    asked = []

    def rule(location):
        asked.append((location.designator, location.hints["port"]))
        return location.designator == "allowed"

    tcp = netlayers.TcpTestingOnly(designator="careful", framing=single.framing)
    careful = await single.add(Peer(tcp, name="careful", dialect="D", may_dial=rule))
    careful.publish(careful.spawn(lambda stranger: stranger("Hello")), swiss=GREETER)
    gifter = await Gifter(await single.session(tcp=tcp), rec, make_keys("gifter")).open()
    refused, allowed = await single.listen("refused"), await single.listen("allowed")
    assert "does not dial" in str(await gifter.far.reason(gifter.hand_over(refused.location)))
    gifter.hand_over(allowed.location)
    await (await allowed.accept()).heard_hello()
    assert asked == [("refused", refused.port), ("allowed", allowed.port)]
    assert refused.dialled() == 0


async def test_t41_a_flood_of_certificates_makes_few_dials(single, rec, make_keys):
    """And none of them takes what this peer wants to dial itself."""
    gifter = await Gifter(await single.session(), rec, make_keys("gifter")).open()
    silent = await single.listen()
    questions = [
        gifter.hand_over(place_of(rec, f"silent{number}", "127.0.0.1", silent.port))
        for number in range(MAX_DIALS // 2 + 10)
    ]
    for question in questions[MAX_DIALS // 2 :]:
        assert "are being dialled already" in str(await gifter.far.reason(question))
    for _ in range(MAX_DIALS // 2):
        await (await silent.accept()).heard_hello()
    assert silent.dialled() == 0
    place = await single.listen("wanted")
    single.enliven(place).hello()
    await (await place.accept()).heard_hello()


async def test_t41_a_certificate_that_names_its_receiver_is_looked_up_here(single, rec, make_keys):
    """No connection, no dial: the gift is in its own table, or it is not."""
    single.publish(single.ours.spawn(lambda word: f"{word} yourself"), b"mirror")
    far = await single.session()
    gifter = await Gifter(far, rec, make_keys("gifter")).open()
    far.tell(far.bootstrap, Symbol("deposit-gift"), b"gift", await far.fetch(b"mirror"))
    question = gifter.hand_over(single.location, far.session, far.keys)
    assert await far.value(question) == "Hello yourself"
    assert "opens nothing here" in str(await far.reason(gifter.hand_over(single.location)))
    assert len(single.ours.connections) == 1
