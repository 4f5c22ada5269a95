"""Symbols of the protocol itself, prepared once so that each message does not make its own."""

from __future__ import annotations

from typing import Final

from hobgoblin.values import Symbol

__all__ = ["COMMON_SYMBOLS", "common_symbol"]

_NAMES: Final = """
op:start-session op:deliver op:deliver-only op:listen op:get op:index op:untag op:abort
op:gc-export op:gc-exports op:gc-answer op:gc-answers
desc:import-object desc:import-promise desc:export desc:answer desc:sig-envelope
desc:handoff-give desc:handoff-receive desc:tagged desc:error
ocapn-peer ocapn-sturdyref my-location public-key sig-val ecc curve flags Ed25519 eddsa q r s
void null fulfill break fetch deposit-gift withdraw-gift
"""

COMMON_SYMBOLS: Final[dict[bytes, Symbol]] = {name.encode(): Symbol(name) for name in _NAMES.split()}
"""By their octets, without the length prefix. Never changed after import."""


def common_symbol(name: str) -> Symbol:
    """Return the very symbol that decoders return for a name of the protocol's own."""
    return COMMON_SYMBOLS[name.encode()]
