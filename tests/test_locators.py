"""Locators, sturdyrefs and their URIs: vectors, round trips, hostile forms, and no secret in sight."""

import copy
import json
import pickle
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hobgoblin.crypto import KeyPair, SwissNum
from hobgoblin.errors import LocatorError
from hobgoblin.locators import PeerLocator, SturdyRef, my_location
from hobgoblin.syrup import KeyOrder, decode, encode
from hobgoblin.values import Record, Symbol
from hobgoblin.wire import TODAY

WIRE = {
    name: bytes.fromhex(octets)
    for name, octets in json.loads(
        (Path(__file__).parent / "vectors" / "wire-examples.json").read_text(encoding="utf-8")
    ).items()
}
ALICE_KEYS = KeyPair.from_seed(
    bytes.fromhex("2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90")
)

ALICE = PeerLocator("tcp-testing-only", "alice0", {"host": "127.0.0.1", "port": "22045"})

ECHO_URI = "ocapn://endo0.tcp-testing-only/s/aW50ZXJvcC1lY2hv?host=127.0.0.1&port=22104"

CANARY = b"canary-canary"
CANARY_TEXT = SwissNum(CANARY).text()
SECRETS = ("canary", CANARY.hex(), CANARY_TEXT, CANARY_TEXT[:8])


def traces(error: BaseException | None) -> str:
    """All that a log or a debugger could show of an exception and of those behind it."""
    seen: list[str] = []
    while error is not None:
        seen += [*traceback.format_exception(error), repr(error), repr(error.args), repr(vars(error))]
        seen += [repr(getattr(error, name, "")) for name in ("object", "doc", "reason")]
        error = error.__cause__ or error.__context__
    return "\n".join(seen)


def record(octets: bytes) -> Record:
    value = decode(octets)
    assert isinstance(value, Record)
    return value


# Strategies

characters = st.characters(exclude_categories=("Cs", "Cc"))
designators = st.text(characters, min_size=1, max_size=30).filter(
    lambda text: text.isprintable() and not set(text) & set("/?#@: ")
)
transports = st.from_regex("[A-Za-z0-9_+-]{1,20}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
hint_maps = st.dictionaries(texts.filter(bool), texts, max_size=6)
locators = st.builds(PeerLocator, transports, designators, hint_maps)
sturdyrefs = st.builds(SturdyRef, locators, st.binary(min_size=1, max_size=256).map(SwissNum))


# Vectors


def test_the_peer_of_the_vectors() -> None:
    assert encode(ALICE.to_record()) == WIRE["ocapn-peer"]
    assert PeerLocator.from_record(record(WIRE["ocapn-peer"])) == ALICE


def test_the_peer_without_hints_of_the_vectors() -> None:
    peer = PeerLocator("onion", "abc")
    assert encode(peer.to_record()) == WIRE["ocapn-peer no hints"]
    assert PeerLocator.from_record(record(WIRE["ocapn-peer no hints"])) == peer


def test_the_sturdyref_of_the_vectors() -> None:
    ref = SturdyRef(ALICE, SwissNum(b"swiss\x00\xff"))
    assert encode(ref.to_record()) == WIRE["ocapn-sturdyref"]
    assert SturdyRef.from_record(record(WIRE["ocapn-sturdyref"])) == ref


def test_the_signed_octets_of_the_vectors() -> None:
    assert TODAY.signed_octets(my_location(ALICE)) == WIRE["my-location (signed bytes)"]
    assert ALICE_KEYS.sign(TODAY.signed_octets(my_location(ALICE))) == WIRE["locsig"]


def test_the_location_in_a_start_session_can_be_checked() -> None:
    location = record(WIRE["op:start-session"]).fields[2]
    assert isinstance(location, Record)
    octets = TODAY.signed_octets(my_location(PeerLocator.from_record(location)))
    assert ALICE_KEYS.public.verify(WIRE["locsig"], octets)


def test_the_uri_of_the_interoperability_example() -> None:
    ref = SturdyRef.parse(ECHO_URI)
    assert ref.peer == PeerLocator("tcp-testing-only", "endo0", {"host": "127.0.0.1", "port": "22104"})
    assert ref.swiss == SwissNum(b"interop-echo")
    assert ref.uri() == ECHO_URI


# Locators


def test_identity_leaves_the_hints_out() -> None:
    moved = PeerLocator("tcp-testing-only", "alice0", {"host": "::1"})
    assert moved != ALICE
    assert moved.identity == ALICE.identity == ("tcp-testing-only", "alice0")
    assert hash(moved) == hash(ALICE)


def test_the_order_of_hints_makes_no_difference_to_equality() -> None:
    other = PeerLocator("tcp-testing-only", "alice0", {"port": "22045", "host": "127.0.0.1"})
    assert other == ALICE
    assert {other, ALICE} == {ALICE}


def test_a_locator_cannot_be_changed() -> None:
    mine = {"host": "127.0.0.1"}
    peer = PeerLocator("tcp", "a", mine)
    mine["host"] = "elsewhere"
    assert peer.hints["host"] == "127.0.0.1"
    with pytest.raises(TypeError):
        peer.hints["host"] = "elsewhere"  # type: ignore[index]
    with pytest.raises(AttributeError):
        peer.transport = "onion"  # type: ignore[misc]


def test_a_new_locator_has_its_hints_in_the_order_that_every_peer_reads() -> None:
    keys = ["z", "\U00010000", "\ufffd", "aa", "b"]
    peer = PeerLocator("tcp", "a", dict.fromkeys(keys, ""))
    assert list(peer.hints) == ["aa", "b", "z", "\U00010000", "\ufffd"]
    assert encode(peer.to_record(), key_order=KeyOrder.KEEP) == encode(
        peer.to_record(), key_order=KeyOrder.DECODED
    )


def test_a_locator_can_be_pickled_and_copied() -> None:
    for peer in (ALICE, PeerLocator.from_record(ALICE.to_record())):
        assert pickle.loads(pickle.dumps(peer)) == peer
        assert copy.deepcopy(peer) == peer


def test_what_a_locator_shows() -> None:
    assert repr(ALICE) == "<PeerLocator alice0.tcp-testing-only?host=127.0.0.1&port=22045>"
    assert repr(PeerLocator("onion", "a" * 56)) == "<PeerLocator aaaaaaaa….onion>"


@pytest.mark.parametrize(
    "transport", ["", "a.b", "a b", "a/b", "tcp\n", "ü", "a:b", "a@b", "a%41", None, 7, b"tcp"]
)
def test_transports_that_are_none(transport: object) -> None:
    with pytest.raises(LocatorError, match="the transport"):
        PeerLocator(transport, "alice")  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", ["tcp-testing-only", "onion", "A_b+9", "-"])
def test_transports(transport: str) -> None:
    assert PeerLocator.parse(PeerLocator(transport, "a").uri()).transport == transport


BAD_DESIGNATORS = [
    *("", "a/b", "a?b", "a#b", "a@b", "a:b", "a b", " ", "a\n", "\ta", "a\x00", "a\x7f", "a\x85", "a\u2028"),
    *("a\u00a0b", "a\u3000b", "a\u202eb", "a\ud800b"),
]


@pytest.mark.parametrize("designator", [*BAD_DESIGNATORS, None, 7, b"alice"])
def test_designators_that_are_none(designator: object) -> None:
    with pytest.raises(LocatorError, match="the designator"):
        PeerLocator("tcp", designator)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hints",
    [
        {"": "x"},
        {1: "x"},
        {"port": 22045},
        {"host": None},
        {"host": b"127.0.0.1"},
        {"a": "\ud800"},
        {"\udfff": "a"},
        {Symbol("host"): "x"},
    ],
)
def test_hints_that_are_none(hints: dict[str, str]) -> None:
    with pytest.raises(LocatorError, match="a hint"):
        PeerLocator("tcp", "a", hints)


def test_the_bounds_of_a_locator() -> None:
    assert len(PeerLocator("tcp", "a", {str(n): "" for n in range(32)}).hints) == 32
    with pytest.raises(LocatorError, match="more than 32 hints"):
        PeerLocator("tcp", "a", {str(n): "" for n in range(33)})

    longest = 7 * 1024 - len("ocapn://a.tcp?k=")
    assert len(PeerLocator("tcp", "a", {"k": "v" * longest}).uri()) == 7 * 1024
    for designator, hints in [
        ("a", {"k": "v" * (longest + 1)}),
        ("a", {"k": "ü" * (longest // 6 + 1)}),
        ("a", {"k": "v" * longest, "l": "v" * longest}),
        ("a" * 8000, {}),
        ("ü" * 3000, {}),
    ]:
        with pytest.raises(LocatorError, match="more than 7168"):
            PeerLocator("tcp", designator, hints)
    with pytest.raises(LocatorError, match="more than 7168"):
        PeerLocator("t" * 8000, "a")


def test_the_longest_locator_with_the_longest_number_still_has_a_uri() -> None:
    longest = PeerLocator("tcp", "a", {"k": "v" * (7 * 1024 - len("ocapn://a.tcp?k="))})
    ref = SturdyRef(longest, SwissNum(bytes(256)))
    assert SturdyRef.parse(ref.uri()) == ref


# Records


@given(locators)
def test_a_locator_survives_its_record(peer: PeerLocator) -> None:
    octets = encode(peer.to_record(), key_order=KeyOrder.KEEP)
    again = PeerLocator.from_record(record(octets))
    assert again == peer
    assert again.to_record() == peer.to_record()
    assert (
        TODAY.signed_octets(my_location(again))
        == TODAY.signed_octets(my_location(peer))
        == b"<11'my-location" + octets + b">"
    )


@given(sturdyrefs)
def test_a_sturdyref_survives_its_record(ref: SturdyRef) -> None:
    octets = encode(ref.to_record(), key_order=KeyOrder.KEEP)
    assert SturdyRef.from_record(record(octets)) == ref


HOST, PORT = "127.0.0.1", "22045"
OLD_FORMS = [
    "<10'ocapn-node3'tcp1\"af>",
    "<10'ocapn-peer3'tcp1\"a{}>",
    "<10'ocapn-peer3'tcp1\"a[]>",
    "<10'ocapn-peer3'tcp1\"a{4'host9\"127.0.0.14'port5\"22045}>",
    "<10'ocapn-node3'tcp1\"a[[4'host9\"127.0.0.1][4'port5\"22045]]>",
    '<10\'ocapn-node3\'tcp1"a[[4"port5"22045][4"host9"127.0.0.1]]>',
    '<10\'ocapn-peer3\'tcp1"a{1"b1"x2"aa1"y}>',
    '<10\'ocapn-peer3\'tcp1"a{2"aa1"y1"b1"x}>',
]


@pytest.mark.parametrize("text", OLD_FORMS)
def test_signatures_are_checked_over_the_octets_received(text: str) -> None:
    """Whatever form an honest peer uses, its signature holds, and only for that form."""
    octets = text.encode()
    peer = PeerLocator.from_record(record(octets))
    assert TODAY.signed_octets(my_location(peer)) == b"<11'my-location" + octets + b">"
    assert encode(peer.as_received(), key_order=KeyOrder.KEEP) == octets


def test_equal_locators_of_two_forms_have_two_signatures() -> None:
    forms = [PeerLocator.from_record(record(text.encode())) for text in OLD_FORMS]
    assert forms[0] == forms[1] == forms[2] == PeerLocator("tcp", "a")
    assert forms[3] == forms[4] == forms[5] == PeerLocator("tcp", "a", {"host": HOST, "port": PORT})
    assert forms[6] == forms[7]
    assert len({TODAY.signed_octets(my_location(peer)) for peer in forms}) == len(forms)


@pytest.mark.parametrize("text", OLD_FORMS)
def test_only_the_current_form_is_written(text: str) -> None:
    peer = PeerLocator.from_record(record(text.encode()))
    hints = peer.to_record().fields[2]
    assert peer.to_record().label == Symbol("ocapn-peer")
    if peer.hints:
        assert hints == dict(peer.hints)
    else:
        assert hints is False


def test_received_hints_keep_their_order() -> None:
    peer = PeerLocator.from_record(record(b'<10\'ocapn-peer3\'tcp1"a{1"b1"x2"aa1"y}>'))
    assert list(peer.hints) == ["b", "aa"]
    assert isinstance(peer.hints, MappingProxyType)
    assert peer.uri() == "ocapn://a.tcp?aa=y&b=x"


P, T = Symbol("ocapn-peer"), Symbol("tcp")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (None, "not a locator"),
        ((P, T, "a", False), "not a locator"),
        (Record("ocapn-peer", (T, "a", False)), "not a locator"),
        (Record(Symbol("ocapn-machine"), (T, "a", False)), "not a locator"),
        (Record(P, ()), "not a locator"),
        (Record(P, (T, "a")), "not a locator"),
        (Record(P, (T, "a", False, False)), "not a locator"),
        (Record(P, ("tcp", "a", False)), "not a locator"),
        (Record(P, (T, Symbol("a"), False)), "not a locator"),
        (Record(P, (T, b"a", False)), "not a locator"),
        (Record(P, (Symbol(""), "a", False)), "the transport"),
        (Record(P, (Symbol("a.b"), "a", False)), "the transport"),
        (Record(P, (T, "", False)), "the designator"),
        (Record(P, (T, "a:1", False)), "the designator"),
        (Record(P, (T, "a", True)), "struct or false"),
        (Record(P, (T, "a", None)), "struct or false"),
        (Record(P, (T, "a", 0)), "struct or false"),
        (Record(P, (T, "a", "host=x")), "struct or false"),
        (Record(P, (T, "a", b"")), "struct or false"),
        (Record(P, (T, "a", {"port": 1})), "must be texts"),
        (Record(P, (T, "a", {"port": Symbol("1")})), "must be texts"),
        (Record(P, (T, "a", {b"port": "1"})), "must be texts"),
        (Record(P, (T, "a", {"": "1"})), "no name"),
        (Record(P, (T, "a", {"port": "1", Symbol("port"): "2"})), "two hints of the same name"),
        (Record(P, (T, "a", ("port", "1"))), "not of pairs"),
        (Record(P, (T, "a", (("port",),))), "not of pairs"),
        (Record(P, (T, "a", (("port", "1", "2"),))), "not of pairs"),
        (Record(P, (T, "a", ("ab",))), "not of pairs"),
        (Record(P, (T, "a", (("port", 1),))), "must be texts"),
        (Record(P, (T, "a", (("p", "1"), (Symbol("p"), "1")))), "two hints of the same name"),
        (Record(P, (T, "a", {str(n): "" for n in range(33)})), "more than 32"),
        (Record(P, (T, "a", tuple((str(n), "") for n in range(33)))), "more than 32"),
        (Record(P, (T, "a", {"k": "v" * 9000})), "more than 7168"),
    ],
)
def test_records_that_name_no_peer(bad: Record, problem: str) -> None:
    with pytest.raises(LocatorError, match=problem):
        PeerLocator.from_record(bad)


SR = Symbol("ocapn-sturdyref")
PEER = ALICE.to_record()


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (None, "not a sturdyref"),
        (PEER, "not a sturdyref"),
        (Record("ocapn-sturdyref", (PEER, CANARY)), "not a sturdyref"),
        (Record(SR, (PEER,)), "not a sturdyref"),
        (Record(SR, (PEER, CANARY, CANARY)), "not a sturdyref"),
        (Record(SR, (PEER, CANARY_TEXT)), "not a sturdyref"),
        (Record(SR, (PEER, Symbol("canary"))), "not a sturdyref"),
        (Record(SR, ("peer", CANARY)), "not a sturdyref"),
        (Record(SR, (Record(SR, (PEER, CANARY)), CANARY)), "not a locator"),
        (Record(SR, (PEER, b"")), "1 to 256 octets"),
        (Record(SR, (PEER, CANARY * 20)), "1 to 256 octets"),
    ],
)
def test_records_that_name_no_object(bad: Record, problem: str) -> None:
    with pytest.raises(LocatorError, match=problem) as caught:
        SturdyRef.from_record(bad)
    assert not any(secret in traces(caught.value) for secret in SECRETS)


def test_a_sturdyref_may_hold_a_locator_that_was_read_already() -> None:
    assert SturdyRef.from_record(Record(SR, (ALICE, b"x"))) == SturdyRef(ALICE, SwissNum(b"x"))


# URIs


@given(locators)
def test_a_locator_survives_its_uri(peer: PeerLocator) -> None:
    uri = peer.uri()
    assert uri.isascii()
    assert PeerLocator.parse(uri) == peer
    assert TODAY.signed_octets(my_location(PeerLocator.parse(uri))) == TODAY.signed_octets(my_location(peer))


@given(sturdyrefs)
def test_a_sturdyref_survives_its_uri(ref: SturdyRef) -> None:
    assert SturdyRef.parse(ref.uri()) == ref


@given(
    st.text(max_size=60) | st.text(max_size=60).map("ocapn://a.b".__add__) | st.text("/s?=&%.4a", max_size=30)
)
def test_any_other_text_is_refused_or_read_for_good(text: str) -> None:
    for kind in (PeerLocator, SturdyRef):
        try:
            read = kind.parse(text)
        except LocatorError:
            continue
        assert kind.parse(read.uri()) == read


@pytest.mark.parametrize(
    ("uri", "transport", "designator", "hints"),
    [
        ("ocapn://alice.unix", "unix", "alice", {}),
        ("OCAPN://alice.unix", "unix", "alice", {}),
        ("ocapn://Alice.Unix", "Unix", "Alice", {}),
        ("ocapn://a.b.c.onion", "onion", "a.b.c", {}),
        ("ocapn://a%2Eb.onion", "onion", "a.b", {}),
        ("ocapn://j%C3%BCrgen.unix", "unix", "jürgen", {}),
        ("ocapn://%6a%6A.unix", "unix", "jj", {}),
        ("ocapn://abc=.unix", "unix", "abc=", {}),
        ("ocapn://50%25.unix", "unix", "50%", {}),
        ("ocapn://a.ws?url=ws://h:1/x?y=z", "ws", "a", {"url": "ws://h:1/x?y=z"}),
        ("ocapn://a.ws?url=ws%3A%2F%2Fh%3A1%2Fx", "ws", "a", {"url": "ws://h:1/x"}),
        ("ocapn://a.tcp?port=1&host=h", "tcp", "a", {"host": "h", "port": "1"}),
        ("ocapn://a.tcp?k=", "tcp", "a", {"k": ""}),
        ("ocapn://a.tcp?k==", "tcp", "a", {"k": "="}),
        ("ocapn://a.tcp?k=a+b%20c%2B", "tcp", "a", {"k": "a+b c+"}),
        ("ocapn://a.tcp?%26=%3D", "tcp", "a", {"&": "="}),
    ],
)
def test_uris_of_peers(uri: str, transport: str, designator: str, hints: Mapping[str, str]) -> None:
    assert PeerLocator.parse(uri) == PeerLocator(transport, designator, hints)


@pytest.mark.parametrize(
    ("peer", "uri"),
    [
        (PeerLocator("onion", "abc"), "ocapn://abc.onion"),
        (PeerLocator("tcp", "a.b", {"port": "1", "host": "::1"}), "ocapn://a.b.tcp?host=%3A%3A1&port=1"),
        (
            PeerLocator("ws", "a=", {"url": "ws://h/?a&b=c#d"}),
            "ocapn://a=.ws?url=ws%3A%2F%2Fh%2F%3Fa%26b%3Dc%23d",
        ),
        (PeerLocator("tcp", 'ü%"', {"ä": " +\n"}), "ocapn://%C3%BC%25%22.tcp?%C3%A4=%20%2B%0A"),
    ],
)
def test_the_uris_that_are_written(peer: PeerLocator, uri: str) -> None:
    assert peer.uri() == uri
    assert SturdyRef(peer, SwissNum(b"swiss")).uri() == uri.partition("?")[0] + "/s/c3dpc3M" + (
        "?" + uri.partition("?")[2] if "?" in uri else ""
    )


@pytest.mark.parametrize(
    ("uri", "octets"),
    [
        ("ocapn://a.b/s/c3dpc3M", b"swiss"),
        ("ocapn://a.b/s/c3dpc3M=", b"swiss"),
        ("ocapn://a.b/s/c3dpc3M%3D", b"swiss"),
        ("ocapn://a.b/s/c3dpc3%4D", b"swiss"),
        ("ocapn://a.b/s/_-_-", b"\xff\xef\xfe"),
    ],
)
def test_swiss_numbers_in_uris(uri: str, octets: bytes) -> None:
    assert SturdyRef.parse(uri).swiss.octets == octets


C = CANARY_TEXT
BAD_URIS = [
    ("", "does not begin with ocapn://"),
    (C, "does not begin"),
    (f"http://a.b/s/{C}", "does not begin"),
    (f"ocapn:a.b/s/{C}", "does not begin"),
    (f"ocapn:/a.b/s/{C}", "does not begin"),
    (f" ocapn://a.b/s/{C}", "does not begin"),
    (f"ocapn+tcp://a.b/s/{C}", "does not begin"),
    ("ocapn://", "a designator and a transport"),
    (f"ocapn://{C}", "a designator and a transport"),
    (f"ocapn:///s/{C}", "a designator and a transport"),
    (f"ocapn://ab/s/{C}", "a designator and a transport"),
    (f"ocapn://.b/s/{C}", "a designator and a transport"),
    (f"ocapn://a./s/{C}", "a designator and a transport"),
    (f"ocapn://./s/{C}", "a designator and a transport"),
    (f"ocapn://a%2Eb/s/{C}", "a designator and a transport"),
    (f"ocapn://{C}@a.b/s/{C}", "a user"),
    (f"ocapn://u:{C}@a.b/s/{C}", "a user"),
    (f"ocapn://a.b:80/s/{C}", "a port"),
    (f"ocapn://a.b:/s/{C}", "a port"),
    (f"ocapn://a.b/s/{C}#x", "a fragment"),
    (f"ocapn://a.b/s/x#{C}", "a fragment"),
    (f"ocapn://a.b/s/{C}#", "a fragment"),
    (f"ocapn://a.%62/s/{C}", "the transport may hold"),
    (f"ocapn://a.b;{C}/s/{C}", "the transport may hold"),
    (f"ocapn://a%2Fb.c/s/{C}", "the designator may hold"),
    (f"ocapn://a%00.c/s/{C}", "the designator may hold"),
    (f"ocapn://{C}%20.c/s/{C}", "the designator may hold"),
    (f"ocapn://a%FF.c/s/{C}", "not UTF-8"),
    (f"ocapn://{C}%C0%AF.c/s/{C}", "not UTF-8"),
    (f"ocapn://%ED%A0%80.c/s/{C}", "not UTF-8"),
    ("ocapn://a.b/", "the path"),
    (f"ocapn://a.b/{C}", "the path"),
    ("ocapn://a.b/s", "the path"),
    (f"ocapn://a.b//s/{C}", "the path"),
    (f"ocapn://a.b/S/{C}", "the path"),
    (f"ocapn://a.b/%73/{C}", "the path"),
    (f"ocapn://a.b/c/{C}", "the path"),
    (f"ocapn://a.b/s/{C}/", "the path"),
    (f"ocapn://a.b/s/{C}/{C}", "the path"),
    ("ocapn://a.b/s/", "the swiss number after the /s/ of the URI is missing"),
    ("ocapn://a.b/s/?k=v", "the swiss number after the /s/ of the URI is missing"),
    (f"ocapn://a.b/s/{C}.", "not base64url"),
    (f"ocapn://a.b/s/b'{C}'", "not base64url"),
    (f"ocapn://a.b/s/{C}=", "not base64url"),
    (f"ocapn://a.b/s/{C}%0A", "not base64url"),
    (f"ocapn://a.b/s/{C}%FF", "not UTF-8"),
    (f"ocapn://a.b/s/{C * 20}", "more than 256"),
    (f"ocapn://a.b/s/{C}?", "query after the \\? of the URI is empty"),
    (f"ocapn://a.b/s/{C}?{C}", "key=value"),
    (f"ocapn://a.b/s/{C}?k", "key=value"),
    (f"ocapn://a.b/s/{C}?={C}", "key=value"),
    (f"ocapn://a.b/s/{C}?k=v&", "key=value"),
    (f"ocapn://a.b/s/{C}?&k=v", "key=value"),
    (f"ocapn://a.b/s/{C}?k=v&&l=w", "key=value"),
    (f"ocapn://a.b/s/{C}?{C}=1&{C}=2", "same key twice"),
    (f"ocapn://a.b/s/{C}?k=v&%6B=v", "same key twice"),
    (f"ocapn://a.b/s/{C}?k=%FF{C}", "not UTF-8"),
    (f"ocapn://a.b/s/{C}?k=%", "two hexadecimal digits"),
    (f"ocapn://a.b/s/{C}?k=%4", "two hexadecimal digits"),
    (f"ocapn://a.b/s/{C}?k=%zz", "two hexadecimal digits"),
    (f"ocapn://a.b/s/{C}%u0041", "two hexadecimal digits"),
    (f"ocapn://a%.b/s/{C}", "two hexadecimal digits"),
    (f"ocapn://a.b/s/{C}\n", "percent-encoded"),
    (f"ocapn://a.b/s/{C} ", "percent-encoded"),
    (f"ocapn://a.b/s/{C}?k=v w", "percent-encoded"),
    (f"ocapn://jürgen.b/s/{C}", "percent-encoded"),
    (f"ocapn://a.b/s/{C}?k=\ud800", "percent-encoded"),
    (f"ocapn://[::1].b/s/{C}", "percent-encoded"),
    (f"ocapn://a.b\\s\\{C}", "percent-encoded"),
    (f'ocapn://a.b/s/"{C}"', "percent-encoded"),
    (f"<ocapn://a.b/s/{C}>", "does not begin"),
    (f"ocapn://a.b/s/{C}>", "percent-encoded"),
    (f"ocapn://a.b/s/{C}?" + "&".join(f"k{n}=" for n in range(33)), "more than 32 hints"),
    (f"ocapn://a.b/s/{C}?k=" + "v" * 7600, "more than 7168"),
    (f"ocapn://a.b/s/{C}?k=" + "v" * 8200, "more than 8192"),
]


@pytest.mark.parametrize("kind", [PeerLocator, SturdyRef])
@pytest.mark.parametrize(("uri", "problem"), BAD_URIS)
def test_uris_that_name_nothing(uri: str, problem: str, kind: type[PeerLocator] | type[SturdyRef]) -> None:
    with pytest.raises(LocatorError, match=problem) as caught:
        kind.parse(uri)
    seen = traces(caught.value)
    assert not any(secret in seen for secret in SECRETS)
    sample = str(caught.value).rpartition("a good one: ")[2]
    assert kind.parse(sample).uri() == sample


def test_the_uri_of_an_object_names_no_peer_and_the_other_way_round() -> None:
    with pytest.raises(LocatorError, match="names an object, not a peer") as caught:
        PeerLocator.parse(f"ocapn://a.b/s/{C}")
    assert C not in traces(caught.value)
    with pytest.raises(LocatorError, match="names a peer, but no object"):
        SturdyRef.parse("ocapn://a.b?k=v")


# Secrets


def test_a_sturdyref_shows_its_peer_and_never_its_number() -> None:
    ref = SturdyRef(ALICE, SwissNum(CANARY))
    long = SturdyRef(PeerLocator("onion", "wy46gxdweyqn5m7ntzwlxinhdia2jjan"), SwissNum(CANARY))
    assert repr(ref) == str(ref) == f"{ref}" == "<SturdyRef alice0.tcp-testing-only/s/…>"
    assert repr(long) == "<SturdyRef wy46gxdw….onion/s/…>"
    shown = [repr([ref]), f"{ref!s} {[ref]}", f"{ref!r:>90}", repr({"ref": ref}), repr(ref.swiss)]
    assert [text for text in shown for secret in SECRETS if secret in text] == []
    with pytest.raises(TypeError) as caught:
        format(ref, "x")
    assert not any(secret in traces(caught.value) for secret in SECRETS)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_sturdyref_cannot_be_pickled(protocol: int) -> None:
    ref = SturdyRef(ALICE, SwissNum(CANARY))
    with pytest.raises(TypeError, match=r"use uri\(\) on purpose") as caught:
        pickle.dumps({"ref": ref}, protocol)
    assert not any(secret in traces(caught.value) for secret in SECRETS)


def test_sturdyrefs_are_equal_by_peer_and_number() -> None:
    ref = SturdyRef(ALICE, SwissNum(CANARY))
    assert ref == SturdyRef(ALICE, SwissNum(CANARY))
    assert hash(ref) == hash(SturdyRef(ALICE, SwissNum(CANARY)))
    assert ref != SturdyRef(ALICE, SwissNum(b"other"))
    assert ref != SturdyRef(PeerLocator("tcp-testing-only", "alice0"), SwissNum(CANARY))
    with pytest.raises(AttributeError):
        ref.peer = ALICE  # type: ignore[misc]
