"""The hello of a session: what each side says first, and what makes it credible.

The signature proves that the holder of the session's key *claims* a location; that the claim is
true is for the netlayer to prove. Where it has proved who the other end is, the claim must say the
same. The signature covers ``<my-location LOCATION>``, so that it can't be used for anything else; the
draft does not say so, the conformance suite checks it. Spec: OCapN CapTP Specification,
op:start-session.
"""

from __future__ import annotations

from hobgoblin.crypto import KeyPair
from hobgoblin.errors import ProtocolError
from hobgoblin.locators import PeerLocator, my_location
from hobgoblin.messages import INVALID_CRYPTO_VERSION, OpStartSession
from hobgoblin.wire import TODAY, Wire

__all__ = ["INVALID_SIGNATURE", "INVALID_VERSION", "check_hello", "hello"]

INVALID_VERSION = "invalid-version"
INVALID_SIGNATURE = "Invalid location signature"


def hello(keys: KeyPair, location: PeerLocator, version: str, wire: Wire = TODAY) -> OpStartSession:
    """Return our op:start-session: ``location`` signed with the key of this session."""
    signature = keys.sign(wire.signed_octets(my_location(location)))
    return OpStartSession(version, keys.public, location, signature, wire.crypto.version)


def check_hello(
    theirs: OpStartSession,
    keys: KeyPair,
    location: PeerLocator,
    version: str,
    dialled: PeerLocator | None,
    proved: PeerLocator | None,
    wire: Wire = TODAY,
) -> None:
    """Accept the peer's hello, or say why not.

    Args:
        theirs: what the peer said.
        keys: our key pair of this session.
        location: what we say of ourselves.
        version: what we speak.
        dialled: whom we wanted to reach, or ``None`` if the peer came to us.
        proved: who the other end is, as the netlayer has proved it, or ``None`` if it has not.
        wire: how the session is spoken.

    Raises:
        ProtocolError: with the reason that the peer is told.
    """
    if theirs.captp_version != version:
        raise ProtocolError(INVALID_VERSION)
    if theirs.crypto_version != wire.crypto.version:
        raise ProtocolError(INVALID_CRYPTO_VERSION)
    claimed = theirs.acceptable_location
    signed = wire.signed_octets(my_location(claimed))
    if not theirs.session_pubkey.verify(theirs.acceptable_location_sig, signed):
        raise ProtocolError(INVALID_SIGNATURE)
    if theirs.session_pubkey.raw == keys.public.raw:
        # Our own hello, reflected.
        raise ProtocolError("both sides use the same key")
    if claimed.identity == location.identity:
        # A hello of ours, relayed from another session; or we have dialled ourselves.
        raise ProtocolError("a session with oneself")
    if dialled is not None and claimed.identity != dialled.identity:
        raise ProtocolError("another peer answered than the one that was dialled")
    if proved is not None and claimed.identity != proved.identity:
        raise ProtocolError("the location is not the one that the netlayer has proved")
