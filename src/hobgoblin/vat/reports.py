"""What a vat writes to the log, ``hobgoblin.vat``."""

from __future__ import annotations

import logging

from hobgoblin.refs import Site, sent_from
from hobgoblin.values import Symbol

__all__ = ["report_slow", "report_unheard"]

logger = logging.getLogger("hobgoblin.vat")


def report_unheard(error: BaseException, site: Site | None, what: str | None) -> None:
    """Log a failure that nobody listens to, with the place in the source it came from."""
    called = where = ""
    if site is not None:
        name = site[2]
        called = name.name if type(name) is Symbol else str(name or "")
        where = f", sent from {sent_from(site)}"
    if what is not None:
        summary = f"unheard failure of {what}"
    else:
        summary = f"nobody awaited {called}()" if called else "nobody awaited a promise that broke"
    logger.error("%s%s", summary, where, exc_info=error)


def report_slow(vat: str, what: str, seconds: float) -> None:
    """Log a turn that has kept everything else waiting."""
    logger.warning(
        "%s: the turn of %s took %.3f s; everything else in this loop waited; "
        "use hobgoblin.blocking_call(…) for blocking work",
        vat,
        what,
        seconds,
    )
