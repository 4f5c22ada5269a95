"""The benchmarks work, and what they measure is what they say. No timing is asserted here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CHAIN = 10

TITLES = {
    "sequential": ["sequential add(a, b)", "half of them within", "99 % within", "processor time, both ends"],
    "outstanding": ["100 add(a, b) outstanding", "processor time, both ends", "of it the client's"],
    "chain": [
        "chain of 10, pipelined",
        "chain of 10, each awaited",
        "pipelined, 20 ms each way",
        "in round trips of 40 ms",
        "each awaited, 20 ms each way",
        "in round trips of 40 ms",
    ],
    "memory": [
        "references handed out",
        "one, at the client",
        "one and its object, at the server",
        "drop all, until both tables are as before",
        "longest pause of the client's loop",
        "longest pause of the server's loop",
    ],
    "bulk": ["byte strings of 1 MB, 8 outstanding", "processor time, both ends"],
    "syrup": [
        "Syrup: encode a small op:deliver",
        "Syrup: decode it",
        "Syrup: encode 100 KB, mixed",
        "Syrup: decode it",
    ],
    "local": [
        "one vat: sends, one way",
        "one vat: 100 awaited sends outstanding",
        "one vat: awaited one at a time",
        "two vats: sends, one way",
        "two vats: 100 awaited sends outstanding",
        "two vats: awaited one at a time",
    ],
}


def benchmarks(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The table and the report of everything there is, measured with hardly any loops."""
    file = tmp_path_factory.mktemp("benchmarks") / "report.json"
    finished = benchmarks("--smoke", "--runs", "1", "--json", str(file))
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout, json.loads(file.read_text(encoding="utf-8"))


def facts(report: dict[str, Any], name: str) -> dict[str, Any]:
    (run,) = report["benchmarks"][name]["runs"]
    found: dict[str, Any] = run["facts"]
    return found


def test_every_row_is_in_the_table_in_order(smoke: tuple[str, dict[str, Any]]) -> None:
    table, _ = smoke
    rest = iter(line.strip() for line in table.splitlines())
    for titles in TITLES.values():
        for title in titles:
            assert any(line.startswith(title + "  ") for line in rest), title


def test_the_table_says_where_it_was_measured_and_what_to_make_of_it(
    smoke: tuple[str, dict[str, Any]],
) -> None:
    table, report = smoke
    assert table.startswith("Python 3.")
    assert "cores" in table.splitlines()[0]
    assert "load average" in table.splitlines()[0]
    assert "moves all of it" in table
    assert set(report["machine"]) == {"Python", "on", "cores", "load average"}


def test_the_report_holds_every_figure(smoke: tuple[str, dict[str, Any]]) -> None:
    _, report = smoke
    assert list(report["benchmarks"]) == list(TITLES)
    for name, titles in TITLES.items():
        rows = report["benchmarks"][name]["rows"]
        assert [row["title"] for row in rows.values()] == titles
        for row in rows.values():
            assert row["ours"]["min"] <= row["ours"]["median"] <= row["ours"]["max"]
            assert (row["baseline"] is None) == (name == "memory")


def test_a_pipelined_chain_is_sent_before_its_first_answer_comes(smoke: tuple[str, dict[str, Any]]) -> None:
    _, report = smoke
    chain = facts(report, "chain")
    assert chain["calls_before_first_answer"] == CHAIN


def test_a_pipelined_chain_costs_one_message_for_each_call(smoke: tuple[str, dict[str, Any]]) -> None:
    _, report = smoke
    chain = facts(report, "chain")
    assert chain["calls_sent"] == chain["answers_received"] == CHAIN


def test_dropped_references_leave_the_tables_as_they_were(smoke: tuple[str, dict[str, Any]]) -> None:
    _, report = smoke
    memory = facts(report, "memory")
    before, full, after = memory["tables_before"], memory["tables_full"], memory["tables_after"]
    assert after == before == [[1, 1, 0, 0], [2, 0, 0, 0]]
    (_, imports, _, _), (exports, _, _, _) = full
    assert imports == before[0][1] + memory["references"]
    assert exports == before[1][0] + memory["references"]


def test_only_what_is_named_is_measured() -> None:
    finished = benchmarks("--smoke", "--runs", "2", "--only", "syrup", "local")
    assert finished.returncode == 0, finished.stderr
    assert "Syrup: encode a small op:deliver" in finished.stdout
    assert "two vats: sends, one way" in finished.stdout
    assert "sequential" not in finished.stdout
    assert "Medians of 2 runs" in finished.stdout


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--runs", "0"], ["--quick", "--smoke"]])
def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    finished = benchmarks(*arguments)
    assert finished.returncode == 2
    assert "usage:" in finished.stderr
