"""The public names, and what importing them costs."""

import os
import subprocess
import sys

import pytest

import hobgoblin

# The public names, in groups as `hobgoblin.__all__` lists them: one tuple for each module they come from.
EXPECTED: tuple[tuple[str, ...], ...] = (
    (
        "Actor",
        "Function",
        "History",
        "Outcome",
        "PendingPromise",
        "Resolver",
        "Snapshot",
        "Turn",
        "Vat",
        "all_of",
        "any_of",
        "become",
        "drained",
        "method",
        "near",
        "new_promise",
        "on",
        "on_sever",
        "passable",
        "pending",
        "race",
        "send",
        "send_only",
        "settled",
        "spawn",
        "timeout",
        "untag",
    ),
    ("Promise", "Ref"),
    ("VatThread", "spawn_vat"),
    ("blocking_call", "blocking_call_in"),
    ("Peer", "PeerSession", "PeerSettings"),
    ("Receiver", "attach", "connect", "disconnect"),
    ("RegistryEntry", "RegistryFile", "RegistryStore"),
    ("PeerLocator", "SturdyRef", "SwissNum"),
    ("NULL", "ErrorValue", "Limits", "Record", "Symbol", "Tagged"),
    (
        "BadArguments",
        "BrokenPromise",
        "HobgoblinError",
        "LocatorError",
        "NetlayerError",
        "NoSuchMethod",
        "NoSuchMoment",
        "NoSuchPart",
        "NotATarget",
        "NotInVat",
        "NotNear",
        "NotPassable",
        "PromiseCycle",
        "ProtocolError",
        "Refused",
        "RemoteError",
        "RemoteRefused",
        "SessionFull",
        "SessionSevered",
        "StoreError",
        "SyrupError",
        "VatStopped",
        "WrongArgument",
        "WrongResult",
    ),
    ("shareable",),
    ("actors", "blocking", "netlayers", "testing"),
)


def ruff_order(name: str) -> tuple[int, str]:
    """The order of ruff's RUF022: constants, classes, the rest."""
    if name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name


def test_the_public_names_are_these() -> None:
    assert len(hobgoblin.__all__) > 0
    if EXPECTED:
        assert list(hobgoblin.__all__) == [name for group in EXPECTED for name in group]


def test_each_group_is_sorted() -> None:
    assert tuple(tuple(sorted(group, key=ruff_order)) for group in EXPECTED) == EXPECTED


def test_every_public_name_can_be_imported() -> None:
    for name in hobgoblin.__all__:
        assert getattr(hobgoblin, name) is not None, name
        assert name in dir(hobgoblin)


def test_no_public_name_is_listed_twice() -> None:
    assert len(set(hobgoblin.__all__)) == len(hobgoblin.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(hobgoblin, "no_such_name")  # noqa: B009 - a type checker would refuse the attribute


@pytest.mark.parametrize("module", ["hobgoblin", "hobgoblin.captp", "hobgoblin.syrup", "hobgoblin.vat"])
def test_importing_the_core_loads_no_io(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({{'asyncio', 'socket', 'ssl'}} & set(sys.modules)))"
    # Coverage measured in the subprocess would load modules of its own.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=env
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
