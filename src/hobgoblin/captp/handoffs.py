"""Certificates of third-party hand-offs: made, and checked.

Three parties: the *gifter* holds a reference to an object of the *exporter*, and passes it to the
*receiver*. It deposits the object with the exporter as a gift, and gives the receiver a certificate;
the receiver shows the certificate to the exporter, and gets the gift::

    gifter ──deposit-gift──▶ exporter          key: the gifter's, of its session with the exporter
    gifter ──desc:handoff-give──▶ receiver     signed with that key, names the receiver's key
    receiver ──withdraw-gift──▶ exporter       desc:handoff-receive, signed with the receiver's key

Every signature covers one labelled record as it was received, so that it can be used for nothing
else. Spec: protocol description 6; ocapn CapTP Specification.md, third-party hand-offs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hobgoblin.crypto import KeyPair, PublicKey
from hobgoblin.errors import Refused
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import ENCODERS, DescHandoffGive, DescHandoffReceive, DescSigEnvelope
from hobgoblin.syrup import KeyOrder, encode

__all__ = ["Gift", "check_receive", "sign_give", "sign_receive", "verify_give"]


@dataclass(frozen=True, slots=True)
class Gift:
    """Which gift a request is for: ids are chosen by gifters, and count per session with one."""

    session: bytes
    gift_id: object


def sign_give(
    keys: KeyPair, *, receiver_key: PublicKey, exporter: PeerLocator, session: bytes, gift_id: bytes
) -> DescSigEnvelope:
    """Return the certificate that lets the holder of ``receiver_key`` take a gift from ``exporter``.

    Args:
        keys: the gifter's, of its session with the exporter.
        receiver_key: the receiver's, of its session with the gifter.
        exporter: where the receiver finds the exporter.
        session: the id of the session between gifter and exporter.
        gift_id: 32 random octets, also those of the deposit.
    """
    return _sign(keys, DescHandoffGive(receiver_key, exporter, session, keys.public.public_id, gift_id))


def sign_receive(
    keys: KeyPair, *, session: bytes, side: bytes, count: int, signed_give: DescSigEnvelope
) -> DescSigEnvelope:
    """Return the request for a gift.

    Args:
        keys: the receiver's, of its session with the *gifter*.
        session: the id of the session between receiver and exporter.
        side: the receiver's public id in that session.
        count: a number not used before in that session.
        signed_give: the certificate as it was received.
    """
    return _sign(keys, DescHandoffReceive(session, side, count, signed_give))


def verify_give(envelope: DescSigEnvelope, gifter_key: PublicKey) -> bool:
    """Tell whether a certificate was signed by the key of the gifter that it names."""
    give = envelope.object
    return (
        isinstance(give, DescHandoffGive)
        and give.gifter_side == gifter_key.public_id
        and gifter_key.verify(envelope.signature, _octets(give))
    )


def check_receive(
    request: object,
    *,
    session: bytes,
    peer: bytes,
    gifter_key: Callable[[bytes], PublicKey | None],
    count_is_used: Callable[[int], bool],
) -> tuple[Gift, int]:
    """Return which gift a valid request is for, and its count, to be marked as used from now on.

    Args:
        request: what came as the argument of withdraw-gift.
        session: the id of the session that it came over.
        peer: the peer's public id in it.
        gifter_key: the gifter's key in the session of that id, if there is such a session.
        count_is_used: whether a count has been used in this session.

    Raises:
        Refused: with one text, whatever is wrong: a forger learns nothing from it.
    """
    if isinstance(request, DescSigEnvelope) and isinstance(request.object, DescHandoffReceive):
        receive = request.object
        give = receive.signed_give.object
        if (
            receive.receiving_session == session
            and receive.receiving_side == peer
            and isinstance(give, DescHandoffGive)
            and (key := gifter_key(give.session)) is not None
            and verify_give(receive.signed_give, key)
            and give.receiver_key.verify(request.signature, _octets(receive))
            and not count_is_used(receive.handoff_count)
            and isinstance(give.gift_id, bytes | str | int)
        ):
            return Gift(give.session, give.gift_id), receive.handoff_count
    raise Refused("this certificate opens nothing here")


def _sign(keys: KeyPair, signed: DescHandoffGive | DescHandoffReceive) -> DescSigEnvelope:
    return DescSigEnvelope(signed, keys.sign(_octets(signed)))


def _octets(signed: DescHandoffGive | DescHandoffReceive) -> bytes:
    # What was read is canonical and keeps the order of its hints: this gives back its very octets.
    return encode(signed, encoders=ENCODERS, key_order=KeyOrder.KEEP)
