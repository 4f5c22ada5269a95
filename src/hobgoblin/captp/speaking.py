"""How a session speaks: the wire, the dialect, and what it learns of them from what it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hobgoblin.captp.crossing import Crossing, ResolverAt
from hobgoblin.captp.texts import argument_path
from hobgoblin.dialects import HELD, LEARNING, Dialect, dialect_named, learn
from hobgoblin.errors import NotPassable, ProtocolError, SessionFull, SyrupError
from hobgoblin.messages import OpDeliver
from hobgoblin.settings import PeerSettings
from hobgoblin.values import Limits
from hobgoblin.wire import Wire, wire_of

__all__ = ["Speaker"]


class Speaker:
    """The part of a session that knows how its peer wants to be spoken to.

    Args:
        crossing: the tables of the session, which are read and written as the wire has it.
        wire: how messages look, as long as the peer is not known to differ.
        dialect: what the peer understands.
        version: what the protocol is called.
    """

    wire: Wire
    dialect: Dialect

    def __init__(self, crossing: Crossing, wire: Wire, dialect: Dialect, version: str) -> None:
        self._crossing = crossing
        self._codec = wire.codec
        self._version = version
        self._negative_zero = True
        self._speak(wire, dialect)

    def _adapt(self, settings: PeerSettings | None) -> None:
        """Speak as this peer wants to be spoken to."""
        if settings is None:
            return
        self._negative_zero = settings.negative_zero
        if settings.version is not None:
            self._version = settings.version
        wire = self.wire if settings.wire is None else wire_of(settings.wire)
        if wire.codec is not self._codec:
            raise ProtocolError("this peer is known to use another encoding")
        if wire is not self.wire:
            self._crossing.speak(wire)
        self._speak(wire, self.dialect if settings.dialect is None else dialect_named(settings.dialect))

    def _speak(self, wire: Wire, dialect: Dialect) -> None:
        self.wire = wire
        self.dialect = wire.schema.dialect or dialect
        self._learning = self._crossing.learning = self.dialect.name == LEARNING.name
        self._octets, self._deliver = wire.octets, wire.octets.deliver
        self._one_way = wire.octets.one_way[self.dialect.one_way]

    def _learn(self, message: object) -> None:
        label, listed = self._crossing.spelling
        held = self.dialect.releases is HELD
        dialect = learn(
            self.dialect,
            label,
            listed=listed,
            bare=type(message) is OpDeliver and message.resolve_me_desc is False,
            resolution=type(message) is OpDeliver and type(message.to_desc) is ResolverAt,
        )
        self._speak(self.wire, dialect)
        if held and self.dialect.releases is not HELD:
            self._crossing.remind()

    def _encode(self, value: object, limits: Limits, encode: Callable[..., bytes | list[bytes]]) -> Any:
        try:
            return encode(
                value,
                encoders=self._crossing.encoders,
                limits=limits,
                negative_zero=self._negative_zero,
            )
        except SessionFull:
            self._crossing.exports.roll_back()
            raise
        except SyrupError as error:
            self._crossing.exports.roll_back()
            raise NotPassable(error.problem, argument_path(error.path, value)) from None
        except Exception as error:
            # Only values that no vat lets pass: a Tagged whose tag is no text, a mapping that raises.
            self._crossing.exports.roll_back()
            raise NotPassable(f"it can't be written ({type(error).__name__})", "args") from error
        except BaseException:
            self._crossing.exports.roll_back()
            raise
