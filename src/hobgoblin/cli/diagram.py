"""Drawing a transcript as a sequence: one side on the left, the other on the right, arrows between."""

from __future__ import annotations

import os
import textwrap
from typing import Final, TextIO

from hobgoblin.cli.wording import Wording
from hobgoblin.testing import Transcript

__all__ = ["draw", "wants_colour"]

WIDTH: Final = 80

_UNICODE: Final = "│├─▶◀┤"
_ASCII: Final = "||-><|"
_IN_ASCII: Final = str.maketrans({"→": "->", "…": "..."})
_SENT: Final = "\x1b[36m"
_RECEIVED: Final = "\x1b[32m"
_PLAIN: Final = "\x1b[0m"


def draw(transcript: Transcript, *, encoding: str = "utf-8", colour: bool = False) -> str:
    """Return the messages as text of at most 80 columns.

    Args:
        transcript: what crossed. The side that was listened in on stands on the left.
        encoding: of where the text is to appear. What it does not have is replaced.
        colour: whether to tell the directions apart with terminal colours, too.
    """
    ours, theirs = transcript.ours, transcript.theirs
    wording = Wording(ours, theirs)
    rich = _has(encoding, _UNICODE + "→…")
    side, tail, bar, right, left, back = _UNICODE if rich else _ASCII
    lines = [f"{ours}{theirs:>{WIDTH - len(ours)}}"]
    room = WIDTH - 10
    for entry in transcript:
        sent = entry.sender == ours
        text = wording.describe(entry.message, sent=sent)
        if not rich:
            text = text.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
        wrapped = textwrap.wrap(text, room, subsequent_indent="    ")
        line_of_arrow = bar * (WIDTH - 7)
        if sent:
            indent, arrow, on = 0, tail + line_of_arrow + right + side, _SENT
        else:  # what comes from the right stands on the right
            indent, arrow, on = room - max(map(len, wrapped)), side + left + line_of_arrow + back, _RECEIVED
        on, off = (on, _PLAIN) if colour else ("", "")
        lines += [f"  {side}  {on}{' ' * indent + line:<{room}}{off}  {side}" for line in wrapped]
        lines.append(f"  {on}{arrow}{off}")
    return "\n".join(lines)


def wants_colour(stream: TextIO) -> bool:
    """Tell whether a stream shows colours and its user wants them (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _has(encoding: str, characters: str) -> bool:
    try:
        characters.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
