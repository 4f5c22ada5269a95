"""Reports: how what a peer has asked for ends, told to that peer."""

from __future__ import annotations

from typing import Any, final

from hobgoblin.captp import BREAK, FULFILL
from hobgoblin.captp.quotas import Ticket
from hobgoblin.passages import Origin
from hobgoblin.refs import PENDING
from hobgoblin.refs.contracts import Reporter
from hobgoblin.refs.promise import Promise
from hobgoblin.refs.reference import Ref
from hobgoblin.values import ErrorValue

__all__ = ["Report", "is_passed_on", "report_to", "report_when_settled"]


@final
class Report(Reporter):
    """Reports how the answer to a peer's message settles. Its ticket is counted until then."""

    __slots__ = ("connection", "resolver", "ticket")

    def __init__(self, connection: Origin, resolver: Ref | None, ticket: Ticket | None) -> None:
        self.connection = connection
        self.resolver = resolver
        self.ticket = ticket

    def settled(self, promise: Promise[Any]) -> None:
        connection = self.connection
        if promise._at is connection._vat:  # as it nearly always is: a call less
            connection.report(self.resolver, promise)
        else:
            connection.settled(self.resolver, promise)

    def follows(self, root: Promise[Any]) -> bool:
        """The peer's own promise is as good an answer as what that will settle to."""
        connection = self.connection
        route: Any = root._route
        if route is not connection or root._state != PENDING or not connection._host.here():
            return False
        self.tell(FULFILL, root)
        return True

    def tell(self, verb: object, value: object) -> None:
        if self.resolver is not None:
            self.connection.tell(self.resolver, verb, value)


def report_to(connection: Origin, resolver: Ref | None, ticket: Ticket | None) -> Report:
    """Return a new report: what the class makes, at half the cost."""
    report = Report.__new__(Report)
    report.connection = connection
    report.resolver = resolver
    report.ticket = ticket
    return report


def report_when_settled(connection: Origin, target: Ref, resolver: Ref, ticket: Ticket | None) -> None:
    """Do as op:listen asks: have ``resolver`` told how ``target`` settles, which should be a promise."""
    report = report_to(connection, resolver, ticket)
    if type(target) is Promise:
        target._listen(report)
    else:
        report.tell(BREAK, ErrorValue("op:listen is for promises; this is an object"))


def is_passed_on(promise: Promise[Any]) -> bool:
    """Tell whether a promise is another peer's: what its value means is between that and who gave it."""
    listeners = promise._listeners
    return listeners is not None and len(listeners) > 0 and type(listeners[0]) is Report
