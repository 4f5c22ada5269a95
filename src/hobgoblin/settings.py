"""How particular peers want to be spoken to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from hobgoblin.dialects import LEARNING, dialect_named
from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.wire import Wire, wire_of

__all__ = ["PeerSettings", "Settings", "SettingsOf", "settings_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """How one peer wants to be spoken to, where it is not as the others do. What is ``None`` is as for them.

    Raises:
        ValueError: there is no such dialect or no such wire, or the wire has another dialect.
        TypeError: the wire is neither a `Wire` nor a name.
    """

    version: str | None = None
    """What it calls the protocol in the handshake: ``"goblins-0.16"``. It must say the same."""

    dialect: str | None = None
    """Which of the `hobgoblin.dialects` it speaks."""

    negative_zero: bool = True
    """Whether it can read ``-0.0``. If not, ``0.0`` is sent for it: Endo would end the session."""

    wire: Wire | str | None = None
    """How its messages look: one of the `hobgoblin.wire.WIRES`, by name, or one of your own."""

    trusted_with_tracebacks: bool = False
    """Whether it is told the traceback of a call of its own that fails, with what that shows of the program.

    Only where the netlayer has *proved* that the other end is this peer. On ``unix`` and
    ``tcp-testing-only``, which prove nothing, nobody is told.
    """

    def __post_init__(self) -> None:
        dialect = LEARNING if self.dialect is None else dialect_named(self.dialect)
        if self.wire is not None:
            wire_of(self.wire, dialect)


Settings: TypeAlias = (
    Mapping[PeerLocator | str, PeerSettings]
    | Mapping[PeerLocator, PeerSettings]
    | Mapping[str, PeerSettings]
    | Callable[[PeerLocator], PeerSettings | None]
)
"""By the locator or the URI of a peer, or of an object of it; or what tells for any peer."""

SettingsOf: TypeAlias = Callable[[PeerLocator], PeerSettings | None]

_IN_STURDYREFS: Final = "/s/"


def settings_of(settings: Settings) -> SettingsOf:
    """Return what tells the settings for a peer; hints make no difference.

    Raises:
        LocatorError: a text in ``settings`` is no URI of a peer or of an object.
        TypeError: something in it is neither a locator nor a text, or not for a `PeerSettings`.
    """
    if callable(settings):
        return settings
    known: dict[tuple[str, str], PeerSettings] = {}
    for key, value in settings.items():
        if not isinstance(value, PeerSettings):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"settings are PeerSettings, not {type(value).__name__}")
        known[_locator(key).identity] = value
    return lambda peer: known.get(peer.identity)


def _locator(key: PeerLocator | str) -> PeerLocator:
    if isinstance(key, PeerLocator):
        return key
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"settings are for a PeerLocator or a URI, not for {type(key).__name__}")
    return SturdyRef.parse(key).peer if _IN_STURDYREFS in key else PeerLocator.parse(key)
