"""Calls of the commonest kind read at once, by one regular expression: in the interpreted form alone.

Reading refuses nothing here. Whatever is cut off, near a limit or of another kind is left to `ValueReader`,
from its first octet on; so the two can't differ in what they accept.
"""

from __future__ import annotations

import re
from typing import Final

from hobgoblin.syrup._names import COMMON_SYMBOLS, common_symbol
from hobgoblin.syrup._reader import ValueReader
from hobgoblin.syrup._tokens import CALL_OCTETS, NOTHING, Wrong
from hobgoblin.values import COMPILED, RecordMaker, Symbol

__all__ = ["CallReader"]

_EXPORT: Final = common_symbol("desc:export")
_ANSWER: Final = common_symbol("desc:answer")
_IMPORT_OBJECT: Final = common_symbol("desc:import-object")
_SIZES: Final = {b"%d" % size: size for size in range(1, CALL_OCTETS)}
_VERBS: Final[dict[bytes, Symbol]] = {}
"""By their whole encoding, the names of methods that came lately, to any decoder."""
_VERBS_KEPT: Final = 256


class CallReader(ValueReader):
    """A reader that can be asked first whether a whole call comes."""

    __slots__ = ("_calls",)

    def _expect_calls(self) -> None:
        # What finds a call that begins at ``_pos``, between two values; ``None`` where nobody looks for any.
        self._calls: re.Pattern[bytes] | None = (
            self._whole_calls() if self._at_once and not COMPILED else None
        )

    def _whole_calls(self) -> re.Pattern[bytes] | None:
        """Return what finds a call together with all that the framing puts around it."""
        return None

    def _call(self) -> object:
        """Between two values, read a whole call, if it is of the commonest kind; or return `NOTHING`.

        Whatever else comes is left to `_read`, from its first octet on. It is of that kind only where the
        limits can't be a matter.
        """
        start = self._pos
        calls = self._calls
        found = None if calls is None else calls.match(self._data, start)
        if found is None:
            return NOTHING
        size, kind, to, verb, one, two, three, answer, resolver = found.groups()
        end = found.end()
        if size:
            start += len(size) + 1
            if end - start != (_SIZES.get(size) or int(size)):
                return NOTHING
        name = _VERBS.get(verb) or self._verb(verb)
        if name is None:
            return NOTHING
        self._start = self._base + start
        self._pos = end
        args: tuple[object, ...]
        if one is None:
            args = (name,)
        elif two is None:
            args = (name, int(one))
        elif three is None:
            args = (name, int(one), int(two))
        else:
            args = (name, int(one), int(two), int(three))
        to_answer = kind == b"answer"
        build = self._constructors.get("op:deliver")
        if isinstance(build, RecordMaker):
            if answer is None:
                op = build.call(to_answer, int(to), args, -1, 0)
            else:
                op = build.call(to_answer, int(to), args, int(answer), int(resolver))
            if op is not None:
                return op
        target = self._at(_ANSWER if to_answer else _EXPORT, int(to))
        if answer is None:
            return self._deliver(target, args, -1, False)
        return self._deliver(target, args, int(answer), self._at(_IMPORT_OBJECT, int(resolver)))

    def _verb(self, encoding: bytes) -> Symbol | None:
        """Return the symbol of this encoding, which is known from now on; ``None`` if it is no text."""
        raw = encoding[encoding.index(b"'") + 1 :]
        try:
            verb = COMMON_SYMBOLS.get(raw) or self._symbol(raw, 0)
        except Wrong:
            return None
        if len(_VERBS) >= _VERBS_KEPT:
            _VERBS.clear()  # or the first names to come would stay for good
        _VERBS[encoding] = verb
        return verb
