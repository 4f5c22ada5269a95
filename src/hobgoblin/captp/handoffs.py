"""Certificates of third-party hand-offs: made, and checked.

Three parties: the *gifter* holds a reference to an object of the *exporter*, and passes it to the
*receiver*. It deposits the object with the exporter as a gift, and gives the receiver a certificate;
the receiver shows the certificate to the exporter, and gets the gift::

    gifter ──deposit-gift──▶ exporter          key: the gifter's, of its session with the exporter
    gifter ──desc:handoff-give──▶ receiver     signed with that key, names the receiver's key
    receiver ──withdraw-gift──▶ exporter       desc:handoff-receive, signed with the receiver's key

Every signature covers one labelled record as it was received, so that it can be used for nothing
else; all three sessions must write it alike (`Wire.signs_like`). Spec: OCapN CapTP Specification,
"Third Party Handoffs".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hobgoblin.crypto import KeyPair, PublicKey
from hobgoblin.errors import Refused
from hobgoblin.locators import PeerLocator
from hobgoblin.messages import DescHandoffGive, DescHandoffReceive, DescSigEnvelope
from hobgoblin.wire import TODAY, Wire

__all__ = ["Gift", "check_give", "check_receive", "is_gift_id", "sign_give", "sign_receive"]

_GIFT_ID_OCTETS: Final = 256
"""What an id may take. Most gifters choose 16 or 32 octets, some of them a text or a number."""


@dataclass(frozen=True, slots=True)
class Gift:
    """Which gift a request is for: ids are chosen by gifters, and count per session with one."""

    session: bytes
    gift_id: object


def sign_give(
    keys: KeyPair,
    *,
    receiver_key: PublicKey,
    exporter: PeerLocator,
    session: bytes,
    gift_id: bytes,
    wire: Wire = TODAY,
) -> DescSigEnvelope:
    """Return the certificate that lets the holder of ``receiver_key`` take a gift from ``exporter``.

    Args:
        keys: the gifter's, of its session with the exporter.
        receiver_key: the receiver's, of its session with the gifter.
        exporter: where the receiver finds the exporter.
        session: the id of the session between gifter and exporter.
        gift_id: 32 random octets, also those of the deposit.
        wire: that of the session between gifter and exporter.
    """
    side = wire.public_id(keys.public)
    return _sign(keys, DescHandoffGive(receiver_key, exporter, session, side, gift_id), wire)


def sign_receive(
    keys: KeyPair,
    *,
    session: bytes,
    side: bytes,
    count: int,
    signed_give: DescSigEnvelope,
    wire: Wire = TODAY,
) -> DescSigEnvelope:
    """Return the request for a gift.

    Args:
        keys: the receiver's, of its session with the *gifter*.
        session: the id of the session between receiver and exporter.
        side: the receiver's public id in that session.
        count: a number not used before in that session.
        signed_give: the certificate as it was received.
        wire: that of the session between receiver and exporter.
    """
    return _sign(keys, DescHandoffReceive(session, side, count, signed_give), wire)


def is_gift_id(value: object) -> bool:
    """Tell whether ``value`` may name a gift. A boolean may not: it would equal a number."""
    if type(value) is int:
        return value.bit_length() <= 8 * _GIFT_ID_OCTETS
    return (type(value) is bytes or type(value) is str) and len(value) <= _GIFT_ID_OCTETS


def check_give(
    certificate: DescSigEnvelope, gifter_key: Callable[[bytes], PublicKey | None], wire: Wire = TODAY
) -> Gift:
    """Return which gift a valid certificate stands for. Who may have it is not asked here.

    Args:
        certificate: as it came from whoever claims to have been given it.
        gifter_key: the gifter's key in the session of that id, if there is such a session.
        wire: that of the session that it came over.

    Raises:
        Refused: with one text, whatever is wrong: a forger learns nothing from it.
    """
    give = certificate.object
    if (
        isinstance(give, DescHandoffGive)
        and (key := gifter_key(give.session)) is not None
        and give.gifter_side == wire.public_id(key)
        and is_gift_id(give.gift_id)
        and key.verify(certificate.signature, wire.signed_octets(give))
    ):
        return Gift(give.session, give.gift_id)
    raise _refusal()


def check_receive(
    request: object,
    *,
    session: bytes,
    peer: bytes,
    gifter_key: Callable[[bytes], PublicKey | None],
    count_is_used: Callable[[int], bool],
    wire: Wire = TODAY,
) -> tuple[Gift, int]:
    """Return which gift a valid request is for, and its count, to be marked as used from now on.

    Args:
        request: what came as the argument of withdraw-gift.
        session: the id of the session that it came over.
        peer: the peer's public id in it.
        gifter_key: the gifter's key in the session of that id, if there is such a session.
        count_is_used: whether a count has been used in this session.
        wire: that of the session that it came over.

    Raises:
        Refused: with the one text of `check_give`.
    """
    if isinstance(request, DescSigEnvelope) and isinstance(request.object, DescHandoffReceive):
        receive = request.object
        if receive.receiving_session == session and receive.receiving_side == peer:
            gift = check_give(receive.signed_give, gifter_key, wire)
            give = receive.signed_give.object
            assert isinstance(give, DescHandoffGive)
            signed = wire.signed_octets(receive)
            if give.receiver_key.verify(request.signature, signed) and not count_is_used(
                receive.handoff_count
            ):
                return gift, receive.handoff_count
    raise _refusal()


def _refusal() -> Refused:
    return Refused("this certificate opens nothing here")


def _sign(keys: KeyPair, signed: DescHandoffGive | DescHandoffReceive, wire: Wire) -> DescSigEnvelope:
    return DescSigEnvelope(signed, keys.sign(wire.signed_octets(signed)))
