"""The gift table: one gift for one recipient, in whatever order they come and go."""

import gc
import itertools
import random
import weakref

import pytest

from hobgoblin.captp.gifts import GiftDesk, GiftTable
from hobgoblin.captp.handoffs import sign_give, sign_receive
from hobgoblin.crypto import session_id
from hobgoblin.errors import Refused, SessionSevered
from hobgoblin.refs import ROUTE_ANSWER, ROUTE_IMPORT, LocalRef, Promise, RemoteRef
from hobgoblin.values import Limits

USELESS = "this certificate opens nothing here"


class Bank:
    """An exporter's table with a desk for each of its peers, and a clock that stands still."""

    def __init__(self, home, keys, location, **limits):
        self.home, self.keys, self.location = home, keys, location
        self.limits = Limits(**limits)
        self.now = 0.0
        self.wakes = 0
        self.table = GiftTable(self.limits, home.promise, self._woken)
        self.desks = {}
        self.counts = {}

    def _woken(self):
        self.wakes += 1

    def open(self, name):
        """A session with the peer ``name``, whose references are behind ``name`` as a sink."""
        desk = self.desks[name] = GiftDesk(self.table, self.limits, lambda: self.now)
        desk.open(self.session(name), self.keys(name).public, name)
        self.counts[name] = itertools.count()
        self.table.check()
        return desk

    def close(self, name):
        self.desks[name].close()
        self.table.check()

    def session(self, name):
        return session_id(self.keys(name).public.public_id, self.keys("bank to " + name).public.public_id)

    def give(self, gifter, receiver, gift_id=b"gift"):
        return sign_give(
            self.keys(gifter),
            receiver_key=self.keys(f"{receiver} to {gifter}").public,
            exporter=self.location("bank"),
            session=self.session(gifter),
            gift_id=gift_id,
        )

    def request(self, gifter, receiver, gift_id=b"gift", count=None):
        return sign_receive(
            self.keys(f"{receiver} to {gifter}"),
            session=self.session(receiver),
            side=self.keys(receiver).public.public_id,
            count=next(self.counts[receiver]) if count is None else count,
            signed_give=self.give(gifter, receiver, gift_id),
        )

    def deposit(self, gifter, target, gift_id=b"gift"):
        self.desks[gifter].deposit(gift_id, target)
        self.table.check()

    def withdraw(self, gifter, receiver, gift_id=b"gift", count=None):
        got = self.desks[receiver].withdraw(self.request(gifter, receiver, gift_id, count))
        if type(got) is Promise:
            got._heard = True
        self.table.check()
        return got

    def expire(self, now):
        self.now = now
        self.table.expire(now)
        self.table.check()


@pytest.fixture
def make_bank(owner, keys, location):
    def make(**limits):
        return Bank(owner("bob"), keys, location, **limits)

    return make


@pytest.fixture
def bank(make_bank):
    bank = make_bank()
    bank.open("gifter")
    bank.open("receiver")
    return bank


@pytest.fixture
def car(owner):
    return owner("bob").spawn()


def refused(text, function, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        function(*args, **kwargs)
    assert str(caught.value) == text


# The two orders


def test_deposit_then_withdraw(bank, car):
    bank.deposit("gifter", car)
    assert (len(bank.table), bank.wakes) == (1, 1)
    assert bank.withdraw("gifter", "receiver") is car
    assert len(bank.table) == 0


def test_withdraw_then_deposit(bank, car, result):
    promise = bank.withdraw("gifter", "receiver")
    assert result(promise) == "pending"
    assert (len(bank.table), bank.wakes) == (1, 1)
    bank.deposit("gifter", car)
    assert result(promise) == ("fulfilled", car)
    assert len(bank.table) == 0


def test_a_pending_promise_is_a_gift_too(bank, car, result):
    later = bank.home.promise()
    promise = bank.withdraw("gifter", "receiver")
    bank.deposit("gifter", later)
    assert result(promise) == "following"
    later._resolve_here(car)
    assert result(promise) == ("fulfilled", car)
    bank.deposit("gifter", later, b"again")
    assert bank.withdraw("gifter", "receiver", b"again") is later


def test_an_id_may_be_used_again_after_the_gift_is_gone(bank, car):
    """The conformance suite does."""
    for _ in range(3):
        bank.deposit("gifter", car)
        assert bank.withdraw("gifter", "receiver") is car


def test_gifts_of_one_id_from_two_gifters_are_two_gifts(bank, car):
    """Nobody can deposit under the session of another."""
    bank.open("mallory")
    other = bank.home.spawn()
    bank.deposit("mallory", other)
    bank.deposit("gifter", car)
    assert bank.withdraw("gifter", "receiver") is car
    assert bank.withdraw("mallory", "receiver") is other


# One gift, one recipient


def test_a_replay_is_refused_while_the_gift_waits_and_after(bank, car, result):
    """Also when the gift is not there yet; who asked first still gets it."""
    request = bank.request("gifter", "receiver")
    first = bank.desks["receiver"].withdraw(request)
    for _ in range(2):
        refused(USELESS, bank.desks["receiver"].withdraw, request)
        bank.table.check()
    bank.deposit("gifter", car)
    assert result(first) == ("fulfilled", car)
    bank.deposit("gifter", car)
    refused(USELESS, bank.desks["receiver"].withdraw, request)
    assert bank.withdraw("gifter", "receiver") is car


def test_a_replay_is_refused_after_the_gift_was_taken(bank, car):
    """As in the suite: deposit, withdraw, deposit again, the same request again."""
    bank.deposit("gifter", car)
    request = bank.request("gifter", "receiver")
    assert bank.desks["receiver"].withdraw(request) is car
    bank.deposit("gifter", car)
    refused(USELESS, bank.desks["receiver"].withdraw, request)
    assert len(bank.table) == 1


def test_a_second_request_does_not_replace_the_first(bank, car, result):
    bank.open("other")
    first = bank.withdraw("gifter", "receiver")
    refused(USELESS, bank.withdraw, "gifter", "other")
    refused(USELESS, bank.withdraw, "gifter", "receiver")
    bank.deposit("gifter", car)
    assert result(first) == ("fulfilled", car)


def test_a_request_of_one_session_is_worth_nothing_in_another(bank, car):
    bank.open("other")
    bank.deposit("gifter", car)
    request = bank.request("gifter", "receiver")
    refused(USELESS, bank.desks["other"].withdraw, request)
    assert bank.desks["receiver"].withdraw(request) is car


def test_a_duplicate_deposit_is_refused(bank, car):
    """The first stays."""
    bank.deposit("gifter", car)
    refused("a gift with this id has been deposited already", bank.deposit, "gifter", bank.home.spawn())
    assert bank.withdraw("gifter", "receiver") is car


def test_what_may_be_deposited(bank, car, result):
    """Anything that the gifter had from us, also what we had from others; nothing of its own."""
    own = RemoteRef("gifter", 1)
    own_promise, question, proxied = (bank.home.promise() for _ in range(3))
    own_promise._set_route("gifter", ROUTE_IMPORT, 2)
    question._set_route("gifter", ROUTE_ANSWER, 3)
    proxied._set_route("elsewhere", ROUTE_IMPORT, 4)
    text = "a gift is an object or a promise of the peer that keeps it"
    for wrong in (own, own_promise, None, 5, b"car", "car", (car,), {"car": car}):
        refused(text, bank.deposit, "gifter", wrong)
    assert len(bank.table) == 0
    for right in (car, bank.home.promise(), question, proxied, RemoteRef("elsewhere", 1)):
        bank.deposit("gifter", right)
        assert bank.withdraw("gifter", "receiver") is right


@pytest.mark.parametrize("gift_id", [None, True, 1.5, (b"x",), {}, b"x" * 257, 2**4000])
def test_what_is_no_id(bank, car, gift_id):
    refused("a gift is named by a byte string", bank.deposit, "gifter", car, gift_id)
    assert len(bank.table) == 0


# Who comes and goes


def test_an_unknown_session(bank, car):
    refused(USELESS, bank.withdraw, "nobody", "receiver")
    assert len(bank.table) == 0


def test_an_invalid_request_uses_up_nothing(bank, car):
    bank.deposit("gifter", car)
    refused(USELESS, bank.withdraw, "nobody", "receiver", count=0)
    assert bank.withdraw("gifter", "receiver", count=0) is car


def test_a_gift_outlives_its_gifter_but_only_that(bank, car):
    bank.deposit("gifter", car)
    bank.deposit("gifter", car, b"second")
    bank.close("gifter")
    assert bank.withdraw("gifter", "receiver") is car
    refused(USELESS, bank.withdraw, "gifter", "receiver", b"third")
    assert bank.table.gifter_key(bank.session("gifter")) is not None
    assert bank.withdraw("gifter", "receiver", b"second") is car
    assert bank.table.gifter_key(bank.session("gifter")) is None
    refused(USELESS, bank.withdraw, "gifter", "receiver", b"second")


def test_the_gifter_goes_before_the_deposit(bank, result):
    promise = bank.withdraw("gifter", "receiver")
    bank.close("gifter")
    state, error = result(promise)
    assert (state, type(error)) == ("broken", SessionSevered)
    assert len(bank.table) == 0
    refused(USELESS, bank.withdraw, "gifter", "receiver")


def test_the_receiver_goes_before_the_deposit(bank, car, result):
    """Nobody is left waiting; the gift comes, and stays for whoever the gifter makes another certificate."""
    promise = bank.withdraw("gifter", "receiver")
    bank.close("receiver")
    assert result(promise)[0] == "broken"
    assert len(bank.table) == 0
    bank.deposit("gifter", car)
    bank.open("other")
    assert bank.withdraw("gifter", "other") is car


def test_after_its_session_a_desk_takes_and_gives_nothing(bank, car):
    request = bank.request("gifter", "receiver")
    bank.deposit("gifter", car)
    bank.close("gifter")
    bank.close("receiver")
    refused("the session has ended", bank.deposit, "gifter", car, b"late")
    refused("the session has ended", bank.desks["receiver"].withdraw, request)
    bank.table.check()
    assert len(bank.table) == 1


def test_a_desk_that_was_never_opened(bank):
    GiftDesk(bank.table, bank.limits, lambda: 0.0).close()
    bank.table.check()


def test_a_certificate_that_points_back_at_the_receiver(bank, car, result):
    """We are the exporter as well: no request crosses the wire, but the certificate is checked the same."""
    bank.deposit("gifter", car)
    desk = bank.desks["gifter"]
    certificate = bank.give("gifter", "bank")
    assert desk.withdraw_own(certificate) is car
    promise = desk.withdraw_own(certificate)
    assert result(promise) == "pending"
    refused(USELESS, desk.withdraw_own, certificate)
    refused(USELESS, desk.withdraw_own, bank.give("nobody", "bank"))
    bank.close("gifter")
    assert result(promise)[0] == "broken"
    assert len(bank.table) == 0


def test_who_passes_such_a_certificate_on_and_goes(bank, result):
    """Our own promise must not hang because the session that it came over has ended."""
    promise = bank.desks["receiver"].withdraw_own(bank.give("gifter", "bank"))
    bank.close("receiver")
    assert result(promise)[0] == "broken"
    assert len(bank.table) == 0


# Time


def test_what_nobody_takes_or_brings_goes_in_time(make_bank, car, result):
    bank = make_bank(gift_seconds=10.0)
    bank.open("gifter")
    bank.open("receiver")
    assert bank.table.timer() is None
    bank.deposit("gifter", car)
    bank.now = 4.0
    promise = bank.withdraw("gifter", "receiver", b"other")
    assert bank.table.timer() == 10.0
    bank.expire(9.9)
    assert len(bank.table) == 2
    bank.expire(10.0)
    assert (len(bank.table), bank.table.timer(), result(promise)) == (1, 14.0, "pending")
    bank.expire(14.0)
    assert str(result(promise)[1]) == "the gift was not deposited in time"
    assert (len(bank.table), bank.table.timer()) == (0, None)


def test_the_gifts_of_who_has_gone_go_in_time_too(make_bank, car):
    bank = make_bank(gift_seconds=10.0)
    bank.open("gifter")
    bank.deposit("gifter", car)
    bank.close("gifter")
    bank.expire(10.0)
    assert len(bank.table) == 0
    assert bank.table.gifter_key(bank.session("gifter")) is None


# Limits


def test_gifts_and_requests_of_one_peer_are_bounded(make_bank, car):
    bank = make_bank(gifts=3)
    for name in ("gifter", "receiver", "other"):
        bank.open(name)
    for number in range(3):
        bank.deposit("gifter", car, number)
        bank.withdraw("other", "receiver", number)
    refused("there are too many gifts", bank.deposit, "gifter", car, 3)
    refused("there are too many gifts", bank.withdraw, "other", "receiver", 3)
    assert len(bank.table) == 6
    # Nobody else is affected, and room becomes free again.
    bank.deposit("other", car, 0)
    assert bank.withdraw("gifter", "receiver", 0) is car
    bank.deposit("gifter", car, 3)
    bank.table.clear()
    bank.table.check()
    assert (len(bank.table), bank.table.timer()) == (0, None)


def test_coming_back_does_not_help_to_hoard(make_bank, car):
    """What gifters leave behind is bounded for all of them together; the oldest goes first."""
    bank = make_bank(gifts=5)
    for name in ("receiver", "patient"):
        bank.open(name)
    bank.deposit("patient", car)
    for number in range(20):
        name = f"gifter {number}"
        bank.open(name)
        for gift_id in range(3):
            bank.deposit(name, car, gift_id)
        bank.close(name)
        assert len(bank.table) <= 6
    assert bank.withdraw("gifter 19", "receiver", 2) is car
    refused(USELESS, bank.withdraw, "gifter 18", "receiver", 2)
    assert bank.withdraw("patient", "receiver") is car


# Counts


@pytest.mark.parametrize(
    "counts", [(0, 1, 2, 3), (3, 2, 1, 0), (5, 0, 3, 1, 2, 4), (2**52, 7, 0), tuple(range(0, 40, 2))]
)
def test_each_count_is_good_for_once_in_any_order(bank, car, counts):
    for count in counts:
        bank.deposit("gifter", car)
        assert bank.withdraw("gifter", "receiver", count=count) is car
        bank.deposit("gifter", car)
        for used in counts[: counts.index(count) + 1]:
            refused(USELESS, bank.withdraw, "gifter", "receiver", count=used)
        bank.table.expire(1e9)


def test_gaps_do_not_stop_a_receiver_and_are_not_kept(make_bank, car):
    """Each request that was not valid leaves one: a session must survive any number of them."""
    bank = make_bank(gifts=4)
    bank.open("gifter")
    desk = bank.open("receiver")
    for count in range(100):
        if count % 3 == 0:
            refused(USELESS, bank.withdraw, "nobody", "receiver", count=count)
        else:
            bank.deposit("gifter", car)
            assert bank.withdraw("gifter", "receiver", count=count) is car
        assert len(desk._used) <= 4
    bank.deposit("gifter", car)
    for count in range(90):
        if count % 3 or count < 80:
            refused(USELESS, bank.withdraw, "gifter", "receiver", count=count)


# Everything at once


class Model:
    """What should happen, with lists of everything that was ever deposited and given."""

    def __init__(self):
        self.open, self.here, self.waits = set(), {}, {}

    def close(self, name):
        self.open.discard(name)
        broken = [g for g, (receiver, _) in self.waits.items() if name in (g[0], receiver)]
        return [self.waits.pop(gift)[1] for gift in broken]


@pytest.mark.parametrize("seed", range(150))
def test_one_gift_one_recipient_whatever_happens(make_bank, result, seed):
    rng = random.Random(seed)
    bank, model = make_bank(gifts=1000, gift_seconds=50.0), Model()
    names = ["a", "b", "c"]
    given = []  # every gift that somebody got
    requests = []
    for _ in range(120):
        name, other, gift_id = rng.choice(names), rng.choice(names), rng.randrange(3)
        gift = (name, gift_id)
        action = rng.choice(["open", "deposit", "deposit", "withdraw", "withdraw", "replay", "close", "wait"])
        if action == "open" and name not in bank.desks:
            bank.open(name)
            model.open.add(name)
        elif action == "deposit" and name in model.open:
            target = bank.home.spawn()
            if gift in model.here:
                refused("a gift with this id has been deposited already", bank.deposit, name, target, gift_id)
            else:
                bank.deposit(name, target, gift_id)
                if gift in model.waits:
                    _, promise = model.waits.pop(gift)
                    assert result(promise) == ("fulfilled", target)
                    given.append(target)
                else:
                    model.here[gift] = target, bank.now + 50.0
        elif action == "withdraw" and other in model.open:
            request = bank.request(name, other, gift_id)
            requests.append((other, request))
            if gift in model.here:
                got = bank.desks[other].withdraw(request)
                assert got is model.here.pop(gift)[0]
                given.append(got)
            elif gift in model.waits or name not in model.open:
                refused(USELESS, bank.desks[other].withdraw, request)
                requests.pop()
            else:
                model.waits[gift] = other, bank.desks[other].withdraw(request)
                assert result(model.waits[gift][1]) == "pending"
        elif action == "replay" and requests:
            receiver, request = rng.choice(requests)
            text = USELESS if receiver in model.open else None
            with pytest.raises(Refused, match=text):
                bank.desks[receiver].withdraw(request)
        elif action == "close" and name in model.open and rng.random() < 0.3:
            bank.close(name)
            for promise in model.close(name):
                assert result(promise)[0] == "broken"
        elif action == "wait" and rng.random() < 0.1:
            bank.expire(bank.now + 20.0)
            model.here = {g: kept for g, kept in model.here.items() if kept[1] > bank.now}
            waits = {g: w for g, w in model.waits.items() if result(w[1]) == "pending"}
            model.waits = waits
        bank.table.check()
        assert len(bank.table) == len(model.here) + len(model.waits)
    assert len(given) == len(set(given))
    for name in tuple(model.open):
        bank.close(name)
        for promise in model.close(name):
            assert result(promise)[0] == "broken"
    bank.expire(bank.now + 100.0)
    assert (len(bank.table), bank.table.timer()) == (0, None)
    for name in names:
        assert bank.table.gifter_key(bank.session(name)) is None


def test_nothing_keeps_a_gift_that_was_taken(bank):
    gift = bank.home.spawn()
    watched = weakref.ref(gift)
    bank.deposit("gifter", gift)
    assert type(bank.withdraw("gifter", "receiver")) is LocalRef
    promise = bank.withdraw("gifter", "receiver", b"second")
    bank.deposit("gifter", gift, b"second")
    del gift, promise
    gc.collect()
    assert watched() is None
