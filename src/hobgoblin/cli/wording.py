"""Messages of CapTP in words, for people to read.

What a peer sends is shown, never trusted: text is escaped, long things are cut short, and octets,
which may be secrets such as swiss numbers, appear by their count only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast, final

from hobgoblin.locators import PeerLocator, SturdyRef
from hobgoblin.messages import (
    DescAnswer,
    DescExport,
    DescHandoffGive,
    DescHandoffReceive,
    DescImportObject,
    DescImportPromise,
    DescSigEnvelope,
    OpAbort,
    OpDeliver,
    OpGcAnswers,
    OpGcExports,
    OpGet,
    OpIndex,
    OpListen,
    OpStartSession,
    OpUntag,
)
from hobgoblin.testing.notation import LONGEST, cut, escape, quoted, symbol_text
from hobgoblin.testing.transcript import Malformed, resolver_position
from hobgoblin.values import NULL, ErrorValue, Keyword, Record, Symbol, SyrupSet, Tagged

__all__ = ["Wording"]


@final
class Wording:
    """Describes the messages of one session, in their order: it remembers what positions mean.

    Args:
        ours: what the side is called that was listened in on.
        theirs: what the other side is called.
    """

    def __init__(self, ours: str, theirs: str) -> None:
        self._names = {True: ours, False: theirs}
        # By who sent the call, then by the position of the resolver: the number of the answer.
        self._resolvers: dict[bool, dict[int, int | None]] = {True: {}, False: {}}

    def describe(self, message: object, *, sent: bool) -> str:
        """Return one message as a line of printable text, of at most `LONGEST` characters.

        Args:
            message: one of `hobgoblin.messages`, `Malformed`, or any other value.
            sent: whether it went out from the side that was listened in on.
        """
        if isinstance(message, OpDeliver):
            position = resolver_position(message)
            if position is not None:
                answer = message.answer_pos
                self._resolvers[sent][position] = None if answer is False else answer
        text = cut(self._message(message, sent), LONGEST)
        if isinstance(message, OpGcExports):
            # From here on the positions may come to mean something else.
            for position in message.export_positions:
                self._resolvers[not sent].pop(position, None)
        return text

    def _message(self, message: Any, sent: bool) -> Iterator[str]:
        match message:
            case OpStartSession(version):
                yield f"op:start-session  version {quoted(version)}, and a key for this session"
            case OpDeliver(to, args, answer):
                yield f"op:deliver  to {self._target(to, sent)}: "
                yield from self._value(args, sent)
                if answer is not False:
                    yield f" → answer {answer}"
                elif resolver_position(message) is not None:
                    yield " → a resolver"
            case OpListen(to):
                yield f"op:listen  to {self._target(to, sent)}"
            case OpGet(of, name, answer):
                yield f"op:get  of {self._target(of, sent)}: field {quoted(name)} → answer {answer}"
            case OpIndex(of, index, answer):
                yield f"op:index  of {self._target(of, sent)}: item {index} → answer {answer}"
            case OpUntag(of, tag, answer):
                yield f"op:untag  of {self._target(of, sent)}: tag {quoted(tag)} → answer {answer}"
            case OpGcExports(positions, deltas):
                yield "op:gc-exports  no longer needed: "
                for index, (position, delta) in enumerate(zip(positions, deltas, strict=True)):
                    yield ", " if index else ""
                    yield self._target(DescExport(position), sent)
                    yield "" if delta == 1 else f" (which came {delta} times)"
            case OpGcAnswers(positions):
                yield "op:gc-answers  no longer needed: "
                for index, position in enumerate(positions):
                    yield f"{', ' if index else ''}answer {position}"
            case OpAbort(reason):
                yield f"op:abort  {quoted(reason)}"
            case Malformed(problem):
                yield f"malformed octets: {escape(problem)}"
            case _:
                yield "unknown: "
                yield from self._value(message, sent)

    def _target(self, target: object, sent: bool) -> str:
        match target:
            case DescExport(0):
                return "the bootstrap object"
            case DescExport(position) if position in self._resolvers[not sent]:
                answer = self._resolvers[not sent][position]
                return "a resolver" if answer is None else f"the resolver of answer {answer}"
            case DescExport(position):
                return f"{self._names[not sent]}'s object {position}"
            case DescAnswer(position):
                return f"answer {position}"
            case _:
                return cut(self._value(target, sent), LONGEST)

    def _value(self, value: object, sent: bool) -> Iterator[str]:
        match value:
            case tuple():
                yield from self._list("(", cast("tuple[object, ...]", value), ")", sent)
            case Mapping():
                yield "{"
                for index, (key, item) in enumerate(cast("Mapping[object, object]", value).items()):
                    yield ", " if index else ""
                    yield from self._value(key, sent)
                    yield ": "
                    yield from self._value(item, sent)
                yield "}"
            case Record(label, fields):
                yield from self._list("<", (label, *fields), ">", sent)
            case SyrupSet(items):
                yield from self._list("#(", items, ")", sent)
            case Tagged(tag, inner):
                yield f"<tagged {quoted(tag)} "
                yield from self._value(inner, sent)
                yield ">"
            case DescImportObject(position):
                yield f"<{self._names[sent]}'s object {position}>"
            case DescImportPromise(position):
                yield f"<{self._names[sent]}'s promise {position}>"
            case DescExport() | DescAnswer():
                yield f"<{self._target(value, sent)}>"
            case _:
                yield _ATOMS[type(value)](value) if type(value) in _ATOMS else f"<{type(value).__name__}>"

    def _list(self, begin: str, items: tuple[object, ...], end: str, sent: bool) -> Iterator[str]:
        yield begin
        for index, item in enumerate(items):
            yield " " if index else ""
            yield from self._value(item, sent)
        yield end


def _octets(octets: bytes) -> str:
    return f"<{len(octets)} octet{'' if len(octets) == 1 else 's'}>"


_ATOMS: Final[Mapping[type, Callable[[Any], str]]] = {
    str: quoted,
    Symbol: symbol_text,
    bytes: _octets,
    bool: lambda flag: "true" if flag else "false",
    int: str,
    float: repr,
    type(None): lambda _: "undefined",
    type(NULL): lambda _: "null",
    Keyword: lambda keyword: f"{symbol_text(Symbol(keyword.name))}:",
    ErrorValue: lambda error: f"<error {quoted(error.message)}>",
    PeerLocator: lambda locator: f"<a {symbol_text(Symbol(locator.transport))} peer>",
    SturdyRef: lambda _: "<sturdyref>",
    DescHandoffGive: lambda _: "<hand-off: give>",
    DescHandoffReceive: lambda _: "<hand-off: receive>",
    DescSigEnvelope: lambda _: "<signed hand-off>",
}
