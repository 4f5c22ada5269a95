"""Keys, ids and signatures against the vectors; secrets that must not get out."""

import copy
import json
import pickle
import traceback
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from hobgoblin.crypto import (
    KeyPair,
    PublicKey,
    SwissNum,
    session_id,
    signature_from_value,
    signature_to_value,
    system_entropy,
)
from hobgoblin.errors import LocatorError, ProtocolError
from hobgoblin.syrup import decode, encode
from hobgoblin.values import Record, Symbol

WIRE = {
    name: bytes.fromhex(octets)
    for name, octets in json.loads(
        (Path(__file__).parent / "vectors" / "wire-examples.json").read_text(encoding="utf-8")
    ).items()
}

ALICE_SEED = bytes.fromhex("2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90")
BOB_SEED = bytes.fromhex("81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9")
ALICE = KeyPair.from_seed(ALICE_SEED)
BOB = KeyPair.from_seed(BOB_SEED)

MESSAGE = WIRE["my-location (signed bytes)"]
SIGNATURE = WIRE["locsig"]

# The encodings of points of small order, as libsodium lists them.
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def flipped(octets: bytes) -> list[bytes]:
    """All the octets that differ from these in one bit."""
    number, bits = int.from_bytes(octets, "little"), 8 * len(octets)
    return [(number ^ 1 << bit).to_bytes(len(octets), "little") for bit in range(bits)]


def traces(error: BaseException | None) -> str:
    """All that a log or a debugger could show of an exception and of those behind it."""
    seen: list[str] = []
    while error is not None:
        seen += [*traceback.format_exception(error), repr(error), repr(error.args), repr(vars(error))]
        seen += [repr(getattr(error, name, "")) for name in ("object", "doc", "reason")]
        error = error.__cause__ or error.__context__
    return "\n".join(seen)


def test_the_seeds_are_the_hashes_of_the_names() -> None:
    assert (sha256(b"alice").digest(), sha256(b"bob").digest()) == (ALICE_SEED, BOB_SEED)


# Vectors


@pytest.mark.parametrize(("pair", "name", "id_name"), [(ALICE, "alice", "ida"), (BOB, "bob", "idb")])
def test_keys_and_ids_are_those_of_the_vectors(pair: KeyPair, name: str, id_name: str) -> None:
    assert pair.public.raw == WIRE[f"{name} raw pub"]
    assert pair.public.encoded == WIRE[f"{name} public-key sexp"]
    assert len(pair.public.encoded) == 96
    assert pair.public.public_id == WIRE[id_name]
    assert encode(pair.public.to_value()) == pair.public.encoded
    assert PublicKey.from_value(decode(WIRE[f"{name} public-key sexp"])) == pair.public


def test_the_session_id_is_that_of_the_vectors_in_either_order() -> None:
    assert session_id(WIRE["ida"], WIRE["idb"]) == WIRE["sid"]
    assert session_id(WIRE["idb"], WIRE["ida"]) == WIRE["sid"]


def test_the_location_signature_is_that_of_the_vectors() -> None:
    assert ALICE.sign(MESSAGE) == SIGNATURE
    assert ALICE.public.verify(SIGNATURE, MESSAGE)


def test_a_start_session_can_be_taken_apart_and_checked() -> None:
    message = decode(WIRE["op:start-session"])
    assert isinstance(message, Record)
    _version, key, _location, signature = message.fields
    assert PublicKey.from_value(key) == ALICE.public
    assert signature_from_value(signature) == SIGNATURE
    assert encode(signature_to_value(SIGNATURE)) in WIRE["op:start-session"]


@pytest.mark.parametrize(
    ("envelope", "inner", "raw"),
    [
        ("signed give envelope", "desc:handoff-give", "givesig"),
        ("init:peer-auth reply", "init:peer-auth", None),
    ],
)
def test_envelopes_hold_the_signature_as_a_value(envelope: str, inner: str, raw: str | None) -> None:
    record = decode(WIRE[envelope])
    assert isinstance(record, Record)
    signature = signature_from_value(record.fields[1])
    assert raw is None or signature == WIRE[raw]
    assert (
        WIRE[envelope]
        == b"<17'desc:sig-envelope" + WIRE[inner] + encode(signature_to_value(signature)) + b">"
    )


def test_the_websocket_reply_is_signed_by_bob() -> None:
    signature = BOB.sign(WIRE["init:peer-auth"])
    assert encode(signature_to_value(signature)) in WIRE["init:peer-auth reply"]


# Signing and verifying


def test_one_bit_flipped_in_the_signature_fails() -> None:
    assert [bad for bad in flipped(SIGNATURE) if ALICE.public.verify(bad, MESSAGE)] == []


def test_one_bit_flipped_in_the_message_fails() -> None:
    assert [bad for bad in flipped(MESSAGE) if ALICE.public.verify(SIGNATURE, bad)] == []


def test_one_bit_flipped_in_the_key_fails() -> None:
    keys = [PublicKey(bad) for bad in flipped(ALICE.public.raw)]
    assert [key for key in keys if key.verify(SIGNATURE, MESSAGE)] == []
    assert len({key.public_id for key in keys} | {ALICE.public.public_id}) == 257


def test_a_signature_for_one_purpose_serves_for_no_other() -> None:
    challenge = BOB.sign(WIRE["init:peer-auth"])
    location = BOB.sign(MESSAGE)
    assert not BOB.public.verify(challenge, MESSAGE)
    assert not BOB.public.verify(location, WIRE["init:peer-auth"])
    assert not BOB.public.verify(location, WIRE["desc:handoff-give"])


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32))
def test_what_a_pair_signs_its_own_key_verifies_and_no_other(message: bytes, seed: bytes) -> None:
    pair = KeyPair.from_seed(seed)
    signature = pair.sign(message)
    assert pair.public.verify(signature, message)
    assert not ALICE.public.verify(signature, message)


@given(raw=st.binary(min_size=32, max_size=32), signature=st.binary(max_size=130), message=st.binary())
def test_verifying_never_raises(raw: bytes, signature: bytes, message: bytes) -> None:
    assert PublicKey(raw).verify(signature, message) is False


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:63], SIGNATURE + b"\x00", SIGNATURE * 2, bytes(64)])
@pytest.mark.parametrize("raw", [ALICE.public.raw, bytes(32), b"\xff" * 32, b"\x02" + bytes(31)])
def test_signatures_of_other_lengths_and_keys_off_the_curve_verify_nothing(
    signature: bytes, raw: bytes
) -> None:
    assert not PublicKey(raw).verify(signature, MESSAGE)


def test_s_plus_the_group_order_is_no_second_signature() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(SIGNATURE[32:], "little") + order
    assert not ALICE.public.verify(SIGNATURE[:32] + s.to_bytes(32, "little"), MESSAGE)


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize("encoding", SMALL_ORDER)
def test_keys_that_verify_what_nobody_signed_verify_nothing(encoding: str, sign: int) -> None:
    raw = bytes.fromhex(encoding)
    key = PublicKey(raw[:31] + bytes([raw[31] | sign]))
    forged = b"\x01" + bytes(63)
    messages = [bytes([n]) for n in range(256)]

    def verifies_below(message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(forged, message)
        except InvalidSignature:
            return False
        return True

    assert any(map(verifies_below, messages))
    assert not any(key.verify(forged, message) for message in messages)


# Forms


def test_keys_compare_and_hash_by_their_octets() -> None:
    again = PublicKey(ALICE.public.raw)
    assert again == ALICE.public
    assert hash(again) == hash(ALICE.public)
    assert again != BOB.public
    assert pickle.loads(pickle.dumps(again)) == again


def test_a_key_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ALICE.public.raw = BOB.public.raw  # type: ignore[misc]


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)])
def test_a_key_has_32_octets(raw: bytes) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        PublicKey(raw)
    with pytest.raises(ValueError, match="32 octets"):
        KeyPair.from_seed(raw)


@pytest.mark.parametrize("raw", ["x" * 32, bytearray(32), None])
def test_a_key_is_made_of_bytes(raw: object) -> None:
    with pytest.raises(TypeError, match="is bytes"):
        PublicKey(raw)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is bytes"):
        KeyPair.from_seed(raw)  # type: ignore[arg-type]


S = Symbol
Q = (S("q"), bytes(32))
CURVE = (S("curve"), S("Ed25519"))
FLAGS = (S("flags"), S("eddsa"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        b"raw",
        ALICE.public.raw,
        ALICE.public.encoded,
        (),
        (S("public-key"),),
        (S("public-key"), ()),
        (S("public-key"), (S("ecc"), CURVE, FLAGS)),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, ())),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, (S("q"),))),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, (S("q"), bytes(31)))),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, (S("q"), bytes(33)))),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, (S("q"), "x" * 32))),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, (S("q"), bytearray(32)))),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, (S("q"), bytes(32), 1))),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, Q, Q)),
        (S("public-key"), (S("ecc"), CURVE, FLAGS, Q), Q),
        (S("public-key"), (S("ecc"), FLAGS, CURVE, Q)),
        (S("public-key"), (S("ecc"), (S("curve"), S("Ed448")), FLAGS, Q)),
        (S("public-key"), (S("ecc"), (S("curve"), "Ed25519"), FLAGS, Q)),
        (S("public-key"), (S("ecc"), CURVE, (S("flags"), S("gost")), Q)),
        (S("public-key"), (S("rsa"), CURVE, FLAGS, Q)),
        (S("private-key"), (S("ecc"), CURVE, FLAGS, Q)),
        ("public-key", (S("ecc"), CURVE, FLAGS, Q)),
        [S("public-key"), [S("ecc"), CURVE, FLAGS, Q]],
        Record(S("public-key"), ((S("ecc"), CURVE, FLAGS, Q),)),
        (S("sig-val"), (S("eddsa"), (S("r"), bytes(32)), (S("s"), bytes(32)))),
    ],
)
def test_a_key_in_any_other_form_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match="not a public key"):
        PublicKey.from_value(value)


R32, S32 = (S("r"), bytes(32)), (S("s"), bytes(32))


@pytest.mark.parametrize(
    "value",
    [
        None,
        bytes(64),
        (),
        (S("sig-val"), (S("eddsa"), R32)),
        (S("sig-val"), (S("eddsa"), R32, S32, S32)),
        (S("sig-val"), (S("eddsa"), R32, S32), 1),
        (S("sig-val"), (S("eddsa"), S32, R32)),
        (S("sig-val"), (S("eddsa"), R32, (S("s"), bytes(31)))),
        (S("sig-val"), (S("eddsa"), (S("r"), bytes(33)), (S("s"), bytes(31)))),
        (S("sig-val"), (S("eddsa"), (S("r"), "x" * 32), S32)),
        (S("sig-val"), (S("eddsa"), R32, (S("s"), 0))),
        (S("sig-val"), (S("ecdsa"), R32, S32)),
        (S("sig-val"), ("eddsa", R32, S32)),
        (S("sig"), (S("eddsa"), R32, S32)),
        Record(S("sig-val"), ((S("eddsa"), R32, S32),)),
        ALICE.public.to_value(),
    ],
)
def test_a_signature_in_any_other_form_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match="not a signature"):
        signature_from_value(value)


@given(st.binary(min_size=64, max_size=64))
def test_a_signature_survives_its_form(signature: bytes) -> None:
    assert signature_from_value(decode(encode(signature_to_value(signature)))) == signature


@given(st.binary(min_size=32, max_size=32))
def test_a_key_survives_its_form(raw: bytes) -> None:
    assert PublicKey.from_value(decode(PublicKey(raw).encoded)) == PublicKey(raw)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.binary(max_size=40)
    | st.builds(Symbol, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
)


@given(values)
def test_values_that_are_neither_are_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        PublicKey.from_value(value)
    with pytest.raises(ProtocolError):
        signature_from_value(value)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65)])
def test_only_64_octets_make_a_signature_value(signature: bytes) -> None:
    with pytest.raises(ValueError, match="64 octets"):
        signature_to_value(signature)


def test_a_session_with_oneself_has_no_id() -> None:
    with pytest.raises(ProtocolError, match="same key"):
        session_id(WIRE["ida"], bytes(WIRE["ida"]))


@pytest.mark.parametrize(("a", "b"), [(b"", bytes(32)), (bytes(32), bytes(33))])
def test_session_ids_are_made_of_whole_public_ids(a: bytes, b: bytes) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        session_id(a, b)


# Secrets


def test_a_pair_shows_its_public_id_only() -> None:
    assert repr(ALICE) == str(ALICE) == f"{ALICE}" == "<KeyPair 606584c4…>"
    assert repr(ALICE.public) == "<PublicKey 606584c4…>"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("secret", [ALICE, SwissNum(b"canary"), [SwissNum(b"canary")]])
def test_secrets_cannot_be_pickled(secret: object, protocol: int) -> None:
    with pytest.raises(TypeError, match="can't be pickled") as caught:
        pickle.dumps(secret, protocol)
    assert "canary" not in traces(caught.value)


@pytest.mark.parametrize("secret", [ALICE, SwissNum(b"canary")])
def test_secrets_cannot_be_copied_either(secret: object) -> None:
    for make in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="copied"):
            make(secret)


def test_an_error_about_a_seed_does_not_show_it() -> None:
    seed = b"canary canar"
    with pytest.raises(ValueError, match="a seed has 32 octets, not 12") as caught:
        KeyPair.from_seed(seed)
    assert "canary" not in traces(caught.value)


# Swiss numbers


def spellings(octets: bytes) -> list[str]:
    """What would give a secret away if it were found in some text."""
    text = SwissNum(octets).text()
    return [repr(octets)[2:-1], octets.hex(), text, text[:8], sha256(octets).hexdigest()]


def test_a_swiss_number_is_nowhere_to_be_seen() -> None:
    octets = b"canary-canary-canary"
    swiss = SwissNum(octets)
    shown = [repr(swiss), str(swiss), f"{swiss}", f"{swiss!r:>40}", repr([swiss]), f"{swiss!s} {[swiss]}"]
    assert [text for text in shown for secret in spellings(octets) if secret in text] == []
    assert repr(swiss) == "<SwissNum …>"
    with pytest.raises(TypeError) as caught:
        format(swiss, "x")
    assert not any(secret in traces(caught.value) for secret in spellings(octets))
    assert not hasattr(swiss, "__dict__")


def test_its_octets_and_text_are_there_for_those_who_ask() -> None:
    swiss = SwissNum(b"interop-echo")
    assert swiss.octets == b"interop-echo"
    assert swiss.text() == "aW50ZXJvcC1lY2hv"
    assert swiss.digest() == sha256(b"interop-echo").digest()


def test_swiss_numbers_are_equal_by_their_octets() -> None:
    assert SwissNum(b"x") == SwissNum(b"x")
    assert hash(SwissNum(b"x")) == hash(SwissNum(b"x"))
    assert SwissNum(b"x") != SwissNum(b"y")
    assert SwissNum(b"x") != SwissNum(b"xx")
    assert SwissNum(b"x") != b"x"
    assert {SwissNum(b"x"): 1}[SwissNum(b"x")] == 1


def test_a_swiss_number_cannot_be_changed() -> None:
    swiss = SwissNum(b"x")
    with pytest.raises(AttributeError, match="can't be changed"):
        swiss._octets = b"y"
    with pytest.raises(AttributeError, match="can't be changed"):
        del swiss._octets
    assert swiss.octets == b"x"


def test_a_fresh_one_has_32_octets_of_the_source() -> None:
    asked: list[int] = []

    def source(n: int) -> bytes:
        asked.append(n)
        return bytes(range(n))

    assert SwissNum.fresh(source) == SwissNum(bytes(range(32)))
    assert asked == [32]
    assert SwissNum.fresh(system_entropy) != SwissNum.fresh(system_entropy)


def test_a_source_that_runs_dry_is_noticed() -> None:
    with pytest.raises(ValueError, match="32 octets, not 31"):
        SwissNum.fresh(lambda n: bytes(n - 1))


@pytest.mark.parametrize("octets", [b"", bytes(257)])
def test_a_swiss_number_has_1_to_256_octets(octets: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 256 octets"):
        SwissNum(octets)


@pytest.mark.parametrize("octets", ["canary", bytearray(b"canary"), None])
def test_a_swiss_number_is_made_of_bytes(octets: object) -> None:
    with pytest.raises(TypeError, match="made of bytes") as caught:
        SwissNum(octets)  # type: ignore[arg-type]
    assert "canary" not in traces(caught.value)


@given(st.binary(min_size=1, max_size=256))
def test_a_swiss_number_survives_its_text(octets: bytes) -> None:
    text = SwissNum(octets).text()
    assert "=" not in text
    assert SwissNum.from_text(text).octets == octets
    assert SwissNum.from_text(text + "=" * (-len(text) % 4)).octets == octets


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "letters, digits"),
        ("=", "letters, digits"),
        ("====", "letters, digits"),
        ("Y2FuYXJ5\n", "letters, digits"),
        (" Y2FuYXJ5", "letters, digits"),
        ("Y2Fu YXJ5", "letters, digits"),
        ("Y2Fu+XJ5", "letters, digits"),
        ("Y2Fu/XJ5", "letters, digits"),
        ("Y2Fu.XJ5", "letters, digits"),
        ("Y2Fu=XJ5", "letters, digits"),
        ("Y2Fu\u00aaXJ5", "letters, digits"),
        ("Y2Fu\u0661XJ5", "letters, digits"),
        ("Y2FuYXJ5===", "letters, digits"),
        ("Y2FuYXJ5Y", "letters are missing"),
        ("Y2FuYXJ5Y===", "letters, digits"),
        ("Y2FuYXJ5=", "padding is wrong"),
        ("Y2FuYXJ5Yw=", "padding is wrong"),
        ("Y2FuYXJ5YWE==", "padding is wrong"),
        ("Y2FuYXJ5Yx", "last letter"),
        ("Y2FuYXJ5YWF", "last letter"),
        ("Y2FuYXJ5" * 43, "more than 256"),
    ],
)
def test_text_that_is_no_base64url_is_refused_and_not_quoted(text: str, problem: str) -> None:
    with pytest.raises(LocatorError, match=problem) as caught:
        SwissNum.from_text(text)
    assert "Y2Fu" not in traces(caught.value)
    assert "canary" not in traces(caught.value)


def test_the_system_gives_as_much_entropy_as_asked_for() -> None:
    assert [len(system_entropy(n)) for n in (0, 1, 32)] == [0, 1, 32]
    assert system_entropy(32) != system_entropy(32)
