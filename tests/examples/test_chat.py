"""The chat room: a server and its members as processes, some of which die or are thrown out."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Program, Start

CHAT = Path(__file__).parents[2] / "examples" / "05_chat"


@pytest.fixture
def server(start: Start) -> Program:
    server = start(CHAT / "server.py", asks=True)
    assert server.line() == "the room is open"
    return server


def invite(server: Program, name: str) -> str:
    """Return the URI of a new membership."""
    server.say(f"invite {name}")
    uri = server.line()
    assert uri.startswith("ocapn://")
    return uri


def join(start: Start, uri: str, name: str, *present: Program) -> Program:
    """Start a member, and wait until it and those who are present have heard of it."""
    member = start(CHAT / "member.py", uri, asks=True)
    heard(f"* {name} comes in", member, *present)
    return member


def heard(line: str, *members: Program) -> None:
    assert [member.line() for member in members] == [line] * len(members)


def test_a_member_that_is_killed_leaves_and_the_others_go_on(
    server: Program, start: Start, tmp_path: Path
) -> None:
    ada = join(start, invite(server, "ada"), "ada")
    bob = join(start, invite(server, "bob"), "bob", ada)

    ada.say("hello")
    heard("ada: hello", ada, bob)
    bob.say("good day")
    heard("bob: good day", ada, bob)

    bob.stop(signal.SIGKILL)
    heard("* bob has left", ada)
    ada.say("anybody here?")
    heard("ada: anybody here?", ada)

    assert ada.stop(signal.SIGTERM).err == ""
    assert server.end() == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_was_killed_may_come_back(server: Program, start: Start) -> None:
    uri = invite(server, "bob")
    ada = join(start, invite(server, "ada"), "ada")
    bob = join(start, uri, "bob", ada)
    bob.stop(signal.SIGKILL)
    heard("* bob has left", ada)
    bob = join(start, uri, "bob", ada)
    bob.say("it is me again")
    heard("bob: it is me again", ada, bob)


def test_a_member_that_was_removed_neither_speaks_nor_hears(server: Program, start: Start) -> None:
    uri = invite(server, "bob")
    ada = join(start, invite(server, "ada"), "ada")
    bob = join(start, uri, "bob", ada)

    server.say("remove bob")
    assert server.line() == "bob is no member any more"
    heard("* bob has left", ada)
    ada.say("at last")
    heard("ada: at last", ada)

    bob.say("hello?")
    assert bob.line() == "refused: revoked"  # and not what ada has said
    again = start(CHAT / "member.py", uri, asks=True).end()
    assert (again.code, again.out) == (1, "")
    assert len(again.err.splitlines()) == 1


def test_nobody_speaks_under_the_name_of_another_one(server: Program, start: Start) -> None:
    uri = invite(server, "ada")
    join(start, uri, "ada")
    twin = start(CHAT / "member.py", uri, asks=True).end()
    assert (twin.code, twin.out, twin.err) == (1, "", "ada is here already\n")
    server.say("invite ada")
    assert server.line() == "invite NAME, or remove NAME"


def test_what_is_no_line_of_text_is_not_said(server: Program, start: Start) -> None:
    ada = join(start, invite(server, "ada"), "ada")
    for text in ("\x1b[2J", "x" * 501):
        ada.say(text)
        assert ada.line() == "refused: say one line of text"
    ada.say("hello")
    heard("ada: hello", ada)


def test_members_end_when_the_server_is_killed(server: Program, start: Start) -> None:
    ada = join(start, invite(server, "ada"), "ada")
    server.stop(signal.SIGKILL)
    assert ada.process.wait() == 0
    told = "the room has gone: the session has ended: the peer closed the connection\n"
    assert ada.end() == (0, told, "")


def test_members_are_told_that_the_server_has_ended(server: Program, start: Start) -> None:
    ada = join(start, invite(server, "ada"), "ada")
    assert server.end() == (0, "", "")
    assert ada.process.wait() == 0
    told = "the room has gone: the session has ended: the peer has closed the session\n"
    assert ada.end() == (0, told, "")


def test_who_ends_its_own_program_is_not_told_that_the_room_has_gone(server: Program, start: Start) -> None:
    ada = join(start, invite(server, "ada"), "ada")
    assert ada.end() == (0, "", "")


@pytest.mark.parametrize("uri", ["nonsense", "ocapn://0.unix/s/AAAA"])
def test_a_uri_that_leads_nowhere(start: Start, uri: str) -> None:
    end = start(CHAT / "member.py", uri, asks=True).end()
    assert (end.code, end.out, len(end.err.splitlines())) == (1, "", 1)
