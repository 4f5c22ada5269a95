"""Keys, signatures and the ids made from them; swiss numbers.

A session has one key pair on each side, made for it alone. The peers are known to each other by
the *public ids* of these keys, and the session by an id made of both. Every function here is
deterministic: what has to be random is an argument, and `system_entropy` is what those above the
protocol core pass for it.

Spec: OCapN CapTP Specification, "Cryptography".
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NoReturn, TypeAlias, cast, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hobgoblin.errors import LocatorError, ProtocolError
from hobgoblin.syrup import encode
from hobgoblin.values import Symbol

__all__ = [
    "BYTE_ARRAYS",
    "S_EXPRESSIONS",
    "CryptoForm",
    "Entropy",
    "KeyPair",
    "PublicKey",
    "SwissNum",
    "public_id_of",
    "session_id",
    "signature_from_value",
    "signature_to_value",
    "system_entropy",
]

Entropy: TypeAlias = Callable[[int], bytes]
"""A source of randomness: called with n, it returns n octets that nobody can guess."""

_KEY_OCTETS: Final = 32
_SIGNATURE_OCTETS: Final = 64
_SWISS_OCTETS: Final = 32
_SWISS_MOST: Final = 256

# Points of small order: with such a key one signature holds for many messages, and anybody can make
# it. As little-endian numbers without the sign bit: 0, 1, the two of order 8, p - 1, p and p + 1.
_P: Final = 2**255 - 19
_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER: Final = frozenset((0, 1, _ORDER_8, _P - _ORDER_8, _P - 1, _P, _P + 1))

_PUBLIC_KEY: Final = Symbol("public-key")
_ECC: Final = Symbol("ecc")
_CURVE: Final = (Symbol("curve"), Symbol("Ed25519"))
_FLAGS: Final = (Symbol("flags"), Symbol("eddsa"))
_Q: Final = Symbol("q")
_SIG_VAL: Final = Symbol("sig-val")
_EDDSA: Final = Symbol("eddsa")
_R: Final = Symbol("r")
_S: Final = Symbol("s")

_BASE64URL: Final = re.compile("([A-Za-z0-9_-]+)(={0,2})")


def system_entropy(n: int) -> bytes:
    """Return ``n`` octets from the operating system: the default source above the protocol core."""
    return os.urandom(n)


def _sha256d(octets: bytes) -> bytes:
    return sha256(sha256(octets).digest()).digest()


def public_id_of(encoded: bytes) -> bytes:
    """Return the public id of a key from the octets that it has on the wire: SHA-256 of SHA-256 of them."""
    return _sha256d(encoded)


def _octets(value: object, length: int, what: str) -> bytes:
    """``value`` if it is bytes of that length. The errors never show it: it may be a secret."""
    if type(value) is not bytes:
        raise TypeError(f"{what} is bytes, not {type(value).__name__}")
    if len(value) != length:
        raise ValueError(f"{what} has {length} octets, not {len(value)}")
    return value


@final
@dataclass(frozen=True, slots=True, repr=False)
class PublicKey:
    """An Ed25519 public key. ``raw`` are its 32 octets; keys with the same octets are equal.

    That they are a point of the curve, and a safe one, is not checked here: with a key that is
    none, nothing verifies.

    Raises:
        TypeError, ValueError: ``raw`` is not 32 octets.
    """

    raw: bytes
    encoded: bytes = field(init=False, compare=False)
    """The key as the s-expression that goes over the wire, in Syrup: 96 octets."""

    public_id: bytes = field(init=False, compare=False)
    """What names the key's holder in a session with a peer of today: SHA-256 of SHA-256 of ``encoded``.

    `hobgoblin.wire.Wire.public_id` tells it for a session that may be spoken in another form.
    """

    def __post_init__(self) -> None:
        _octets(self.raw, _KEY_OCTETS, "a public key")
        object.__setattr__(self, "encoded", encode(self.to_value()))
        object.__setattr__(self, "public_id", _sha256d(self.encoded))

    def __repr__(self) -> str:
        return f"<PublicKey {_short(self.public_id)}>"

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` (r and s, 64 octets) was made over ``message`` with this key.

        Give it the octets as they were received: records that are equal may be encoded differently.
        It never raises: a signature of another length, or a key that is no point of the curve or
        one of small order, verifies nothing.
        """
        if int.from_bytes(self.raw, "little") % 2**255 in _SMALL_ORDER:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_value(self) -> tuple[object, ...]:
        """The key as a value: a list of symbols and octets, for use inside of a record.

        Spec: OCapN CapTP Specification, "Public Key":
        ``[public-key [ecc [curve Ed25519] [flags eddsa] [q …]]]``.
        """
        return _PUBLIC_KEY, (_ECC, _CURVE, _FLAGS, (_Q, self.raw))

    @classmethod
    def from_value(cls, value: object) -> PublicKey:
        """Return the key that a peer sent; the inverse of `to_value`.

        Raises:
            ProtocolError: it has any other form, such as another curve or a field more.
        """
        raw = _at(value, 1, 3, 1)
        if type(raw) is bytes and len(raw) == _KEY_OCTETS:
            key = cls(raw)
            if key.to_value() == value:
                return key
        raise ProtocolError("not a public key: it must be an Ed25519 key for eddsa, with 32 octets")


@final
class KeyPair:
    """A private key with its public key. Neither printing nor pickling shows the private one."""

    __slots__ = ("_private", "public")

    public: PublicKey

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> KeyPair:
        """Return the pair that belongs to a seed of 32 octets: ``KeyPair.from_seed(entropy(32))``.

        Raises:
            TypeError, ValueError: the seed is not 32 octets.
        """
        return cls(Ed25519PrivateKey.from_private_bytes(_octets(seed, _KEY_OCTETS, "a seed")))

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``: r and s, 64 octets.

        The caller must sign records only whose label says what is signed (``my-location``,
        ``desc:handoff-give``, …), and none that a peer has composed: else a signature made for one
        purpose serves for another.
        """
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"<KeyPair {_short(self.public.public_id)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a KeyPair can't be pickled or copied: its private key stays where it is")


def _at(value: object, *path: int) -> object:
    """What stands at ``path`` inside of nested tuples, or ``None``."""
    for index in path:
        if type(value) is not tuple:
            return None
        items = cast("tuple[object, ...]", value)
        if index >= len(items):
            return None
        value = items[index]
    return value


def _short(public_id: bytes) -> str:
    return f"{public_id[:4].hex()}…"


def signature_to_value(signature: bytes) -> tuple[object, ...]:
    """The form in which a signature of 64 octets goes over the wire.

    Raises:
        TypeError, ValueError: it is not 64 octets.

    Spec: OCapN CapTP Specification, "Signature": ``[sig-val [eddsa [r …] [s …]]]``.
    """
    _octets(signature, _SIGNATURE_OCTETS, "a signature")
    return _SIG_VAL, (_EDDSA, (_R, signature[:32]), (_S, signature[32:]))


def signature_from_value(value: object) -> bytes:
    """Return the 64 octets of a signature that a peer sent; the inverse of `signature_to_value`.

    Raises:
        ProtocolError: it has any other form. Whether it verifies is another question.
    """
    r, s = _at(value, 1, 1, 1), _at(value, 1, 2, 1)
    if type(r) is bytes and type(s) is bytes and len(r) == len(s) == _KEY_OCTETS:
        signature = r + s
        if signature_to_value(signature) == value:
            return signature
    raise ProtocolError("not a signature: it must be for eddsa, with 32 octets of r and 32 of s")


def _octets_of_key(key: PublicKey) -> object:
    return key.raw


def _key_from_octets(value: object) -> PublicKey:
    if type(value) is bytes and len(value) == _KEY_OCTETS:
        return PublicKey(value)
    raise ProtocolError("not a public key: it must be a byte array of 32 octets")


def _octets_of_signature(signature: bytes) -> object:
    return _octets(signature, _SIGNATURE_OCTETS, "a signature")


def _signature_from_octets(value: object) -> bytes:
    if type(value) is bytes and len(value) == _SIGNATURE_OCTETS:
        return value
    raise ProtocolError("not a signature: it must be a byte array of 64 octets")


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CryptoForm:
    """How public keys and signatures are written and read: Ed25519 in every form.

    What reads raises `ProtocolError` for every other form; what writes a signature raises TypeError
    or ValueError for anything but 64 octets.
    """

    name: str
    version: str | None
    """What op:start-session calls it in its field ``crypto-version``; ``None``: it has no such field."""

    key_to_value: Callable[[PublicKey], object]
    key_from_value: Callable[[object], PublicKey]
    signature_to_value: Callable[[bytes], object]
    signature_from_value: Callable[[object], bytes]


S_EXPRESSIONS: Final = CryptoForm(
    name="s-expressions",
    version=None,
    key_to_value=PublicKey.to_value,
    key_from_value=PublicKey.from_value,
    signature_to_value=signature_to_value,
    signature_from_value=signature_from_value,
)
"""Lists of symbols and octets, as libgcrypt has them: what all peers speak today."""

BYTE_ARRAYS: Final = CryptoForm(
    name="byte arrays",
    version="Ed25519_SHA256",
    key_to_value=_octets_of_key,
    key_from_value=_key_from_octets,
    signature_to_value=_octets_of_signature,
    signature_from_value=_signature_from_octets,
)
"""Their 32 and 64 octets alone: the draft since September 2026, ocapn/ocapn#288. No peer speaks it yet."""


def session_id(a: bytes, b: bytes) -> bytes:
    """Return the id of the session between the holders of two public ids, in either order.

    Raises:
        ProtocolError: the ids are equal. Only a peer that reflects our own key brings this about.
        TypeError, ValueError: an id is not 32 octets.

    Spec: OCapN CapTP Specification, "Session ID": SHA-256 of SHA-256 of ``prot0``, the lower id,
    the higher id.
    """
    lower, higher = sorted((_octets(a, _KEY_OCTETS, "a public id"), _octets(b, _KEY_OCTETS, "a public id")))
    if lower == higher:
        raise ProtocolError("both sides of the session have the same key")
    return _sha256d(b"prot0" + lower + higher)


@final
class SwissNum:
    """The secret that names an object of a peer: whoever knows it may reach the object.

    1 to 256 octets, by habit 32 random ones (`fresh`). Neither printing nor pickling shows them;
    ``octets`` and `text` do, on purpose. Registries keep and look up the `digest`, so neither
    their tables nor the time that a lookup takes tells anything about a number.

    Raises:
        TypeError, ValueError: ``octets`` is no bytes, or not of 1 to 256 octets.

    Spec: OCapN Locators, "Sturdyref Locator".
    """

    __slots__ = ("_octets",)

    _octets: bytes

    def __init__(self, octets: bytes) -> None:
        if type(octets) is not bytes:
            raise TypeError(f"a swiss number is made of bytes, not {type(octets).__name__}")
        if not 1 <= len(octets) <= _SWISS_MOST:
            raise ValueError(f"a swiss number has 1 to {_SWISS_MOST} octets, not {len(octets)}")
        object.__setattr__(self, "_octets", octets)

    @classmethod
    def fresh(cls, entropy: Entropy) -> SwissNum:
        """Return a new one of 32 octets from ``entropy``, such as `system_entropy`.

        Raises:
            TypeError, ValueError: the source gave something else than 32 octets.
        """
        return cls(_octets(entropy(_SWISS_OCTETS), _SWISS_OCTETS, "what the entropy source gave"))

    @classmethod
    def from_text(cls, text: str) -> SwissNum:
        """Return the number that `text` wrote; correct padding with ``=`` is accepted, too.

        Raises:
            LocatorError: the text is no base64url, has more than 256 octets, or ends in bits that
                no octet needs: two texts must not name one object.
        """
        found = _BASE64URL.fullmatch(text)
        if found is None:
            raise LocatorError("the swiss number is not base64url: letters, digits, - and _ only")
        letters, padding = found.groups()
        missing = -len(letters) % 4
        if missing == 3 or len(padding) not in (0, missing):
            raise LocatorError("the swiss number is not base64url: letters are missing or padding is wrong")
        octets = base64.urlsafe_b64decode(letters + "=" * missing)
        if len(octets) > _SWISS_MOST:
            raise LocatorError(f"the swiss number has more than {_SWISS_MOST} octets")
        swiss = cls(octets)
        if swiss.text() != letters:
            raise LocatorError("the swiss number is not base64url: its last letter is wrong")
        return swiss

    @property
    def octets(self) -> bytes:
        """The secret itself, for the wire."""
        return self._octets

    def text(self) -> str:
        """The secret itself in base64url without padding, for URIs."""
        return base64.urlsafe_b64encode(self._octets).rstrip(b"=").decode("ascii")

    def digest(self) -> bytes:
        """SHA-256 of the octets: what a registry keeps in place of the number."""
        return sha256(self._octets).digest()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a SwissNum can't be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a SwissNum can't be changed")

    def __eq__(self, other: object) -> bool:
        return type(other) is SwissNum and hmac.compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        return hash((SwissNum, self._octets))

    def __repr__(self) -> str:
        return "<SwissNum …>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SwissNum can't be pickled or copied: use octets or text() on purpose")
