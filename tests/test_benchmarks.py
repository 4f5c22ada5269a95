"""The benchmarks work, and what they measure is what they say. No timing is asserted here."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page, plot, report
from benchmarks.conduct import ALL, STARTING
from benchmarks.contenders import FLOOR, OURS, PEER, Contender, copy_source, is_compiled, others, ours
from benchmarks.fleet import fleet_of
from benchmarks.measures import MEASURES
from benchmarks.processes import WorkerFailed
from benchmarks.settings import CHAIN, SMOKE
from benchmarks.targets import TARGETS, beside_best, growth_of, number, peers, primary
from benchmarks.tls import write_certificate

ROOT = Path(__file__).parents[1]
INTERPRETED = "hobgoblin, interpreted, asyncio"
OF_OURS_ALONE = ["--only", "syrup", "local", "--loop", "asyncio"]


def benchmarks(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The tables and the results of everything there is, measured with hardly any loops."""
    file = tmp_path_factory.mktemp("benchmarks") / "results.json"
    finished = benchmarks("--smoke", "--no-peers", "--loop", "asyncio", "--json", str(file))
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout, json.loads(file.read_text(encoding="utf-8"))


def test_every_target_and_every_benchmark_is_printed(smoke: tuple[str, dict[str, Any]]) -> None:
    table, results = smoke
    lines = table.splitlines()
    for benchmark in report.benchmarks_of(results):
        assert benchmark.title in lines
    for target in TARGETS:
        assert any(line.startswith(target.title) and target.text() in line for line in lines), target.title
    assert {each.name for each in report.benchmarks_of(results)} == set(ALL)


def test_the_tables_say_where_it_was_measured_and_what_to_make_of_it(
    smoke: tuple[str, dict[str, Any]],
) -> None:
    table, results = smoke
    assert table.startswith("Python 3.")
    assert "cores" in table.splitlines()[0]
    assert "load average" in table.splitlines()[0]
    assert "moves all rates" in table
    assert results["machine"]["Python"] in table


def test_ours_and_the_floors_have_every_figure(smoke: tuple[str, dict[str, Any]]) -> None:
    _, results = smoke
    (found,) = results["rounds"]
    for measure in MEASURES:
        figures = found[measure.benchmark.name]
        assert {INTERPRETED, "blocking sockets", "raw echo, asyncio"} <= set(figures)
        for row in measure.benchmark.rows:
            assert figures[INTERPRETED][row.key] > 0
    for name in ALL:
        assert found[name][INTERPRETED]


def test_what_is_measured_of_ours_alone_has_every_figure(smoke: tuple[str, dict[str, Any]]) -> None:
    _, results = smoke
    (found,) = results["rounds"]
    for benchmark in report.benchmarks_of(results):
        figures = found[benchmark.name][INTERPRETED]
        others = {row.key for row in benchmark.rows} - set(figures)
        assert not others or benchmark.name == "syrup"  # msgpack is not needed


def test_it_is_told_how_long_each_benchmark_took(smoke: tuple[str, dict[str, Any]]) -> None:
    table, results = smoke
    assert set(results["seconds"]) == {STARTING, *ALL}
    (last,) = [line for line in table.splitlines() if line.startswith("Took ")]
    assert all(f"{name} " in last for name in ALL)


def test_of_two_processes_that_share_a_socket_the_busiest_is_known(
    smoke: tuple[str, dict[str, Any]],
) -> None:
    _, results = smoke
    (found,) = results["rounds"]
    figures = found["sharing"][INTERPRETED]
    assert figures["busiest@1"] == 100
    assert 50 <= figures["busiest@2"] <= 100
    assert 0 < figures["server_cpu@2"] < figures["cpu@2"]


def test_everybody_is_measured_or_skipped_with_a_reason(smoke: tuple[str, dict[str, Any]]) -> None:
    _, results = smoke
    for contender in others(Path()):
        assert (contender.name in results["contenders"]) != (contender.name in results["skipped"])
    assert all(results["skipped"].values())


@pytest.mark.parametrize(
    "name", [each.name for each in others(Path()) if each.kind == PEER and not each.broken]
)
def test_a_peer_does_the_same_work(name: str, tmp_path: Path) -> None:
    write_certificate(tmp_path)
    (peer,) = [each for each in others(tmp_path) if each.name == name]
    if peer.missing():
        pytest.skip(peer.missing())
    lost: list[str] = []
    with fleet_of([peer], SMOKE, lambda contender, reason: lost.append(reason)) as fleet:
        assert lost == []
        (member,) = fleet.members
        for measure in MEASURES:
            if peer.only and measure.benchmark.name not in peer.only:
                continue
            figures = member.measure(measure, SMOKE, {})
            assert figures
            assert figures.keys() >= {row.key for row in measure.benchmark.rows}


def test_a_pipelined_chain_is_sent_before_its_first_answer_comes(smoke: tuple[str, dict[str, Any]]) -> None:
    _, results = smoke
    assert results["facts"]["frames"]["chain"]["calls_before_first_answer"] == CHAIN


def test_a_pipelined_chain_costs_one_message_for_each_call(smoke: tuple[str, dict[str, Any]]) -> None:
    _, results = smoke
    chain = results["facts"]["frames"]["chain"]
    assert chain["calls_sent"] == chain["answers_received"] == CHAIN


def test_dropped_references_leave_the_tables_as_they_were(smoke: tuple[str, dict[str, Any]]) -> None:
    _, results = smoke
    memory = results["facts"]["memory"]
    (client_before, server_before), (client_full, server_full) = memory["before"], memory["full"]
    assert memory["references"] == SMOKE.references
    assert client_full[1] - client_before[1] == SMOKE.references
    assert server_full[0] - server_before[0] == SMOKE.references
    assert memory["after"] == memory["before"]
    assert memory["left"] == 0


def test_which_form_and_which_loop_ran_is_written_down(smoke: tuple[str, dict[str, Any]]) -> None:
    _, results = smoke
    running = results["facts"]["running"][INTERPRETED]
    assert running["compiled"] is False
    assert running["loop"].startswith("asyncio.")


def test_only_what_is_named_is_measured() -> None:
    finished = benchmarks("--smoke", "--rounds", "2", *OF_OURS_ALONE)
    assert finished.returncode == 0, finished.stderr
    assert "Syrup, next to msgpack and JSON" in finished.stdout
    assert "between two vats: one way" in finished.stdout
    assert "outstanding: processor time" not in finished.stdout
    assert "Medians of 2 rounds" in finished.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--only", "nothing"], ["--rounds", "0"], ["--all", "--smoke"], ["--loop", "trio"]],
)
def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    finished = benchmarks(*arguments)
    assert finished.returncode == 2
    assert "usage:" in finished.stderr


@pytest.mark.skipif(is_compiled(), reason="the compiled form is installed")
def test_a_form_that_is_missing_is_named() -> None:
    finished = benchmarks("--smoke", "--compiled", "--loop", "asyncio")
    assert finished.returncode == 2
    assert finished.stderr == (
        "hobgoblin, compiled, asyncio: hobgoblin is not installed in its compiled form\n"
    )


def test_without_a_compiler_the_whole_says_so_and_goes_on_with_the_interpreted_form() -> None:
    finished = subprocess.run(
        ["sh", "tools/bench_all.sh", sys.executable, "--help"],
        cwd=ROOT,
        env={**os.environ, "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr
    said, *usage = finished.stdout.splitlines()
    assert said.startswith("There is no C compiler (no-such-compiler)")
    assert said.endswith(": only the interpreted form is measured.")
    assert usage[0].startswith("usage: ")


def test_a_peer_that_is_not_installed_is_named_with_the_reason() -> None:
    assert "no_such_module is not installed" in Contender("x", PEER, "x", needs=("no_such_module",)).missing()


def test_the_others_go_on_without_a_peer_that_fails() -> None:
    lost: list[str] = []
    broken = Contender("broken", PEER, "no_such_peer")
    floor = Contender("blocking sockets", FLOOR, "blocking")
    with fleet_of([broken, floor], SMOKE, lambda contender, reason: lost.append(reason)) as fleet:
        (member,) = fleet.members
        assert member.contender is floor
        assert member.measure(MEASURES[0], SMOKE, {})
    (reason,) = lost
    assert "no_such_peer" in reason


def test_every_form_of_ours_tells_what_it_runs() -> None:
    form = "compiled" if is_compiled() else "interpreted"
    forms = [replace(ours(form, "asyncio", {}), name=name) for name in ("one", "two")]
    with fleet_of(forms, SMOKE, lambda contender, reason: None) as fleet:
        assert {name: about["compiled"] for name, about in fleet.running.items()} == dict.fromkeys(
            ("one", "two"), is_compiled()
        )


def test_a_form_that_is_not_what_it_says_ends_everything() -> None:
    form = "interpreted" if is_compiled() else "compiled"
    with (
        pytest.raises(WorkerFailed, match="not what its name says"),
        fleet_of([ours(form, "asyncio", {})], SMOKE, lambda contender, reason: None),
    ):
        pass


def test_the_interpreted_form_is_the_source_and_nothing_else(tmp_path: Path) -> None:
    copy_source(tmp_path)
    copied = {path.suffix for path in (tmp_path / "hobgoblin").rglob("*") if path.is_file()}
    assert ".py" in copied
    assert not copied & {".so", ".pyd", ".pyc"}


def results_of(*rounds: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Results of two forms of ours and two peers."""
    about = {"loop": "asyncio", "form": "", "proves": False}
    return {
        "contenders": {
            "plain": about | {"kind": OURS, "form": "interpreted"},
            "quick": about | {"kind": OURS, "form": "compiled", "loop": "uvloop"},
            "one": about | {"kind": PEER},
            "other": about | {"kind": PEER},
        },
        "rounds": rounds,
    }


def calls(plain: float, quick: float, one: float, other: float) -> dict[str, dict[str, dict[str, float]]]:
    rates = {"plain": plain, "quick": quick, "one": one, "other": other}
    return {"outstanding": {name: {"rate": rate} for name, rate in rates.items()}}


def test_a_ratio_is_the_median_of_the_ratios_within_the_rounds() -> None:
    results = results_of(calls(1, 30, 10, 1), calls(1, 6, 3, 1), calls(1, 100, 20, 1))
    reached = beside_best("outstanding", "rate", True, peers)(results)
    assert reached is not None
    assert (reached.ours, reached.beside) == ("quick", "one")
    assert (reached.spread.least, reached.spread.middle, reached.spread.most) == (2, 3, 5)


def test_a_target_may_be_about_one_form() -> None:
    results = results_of(calls(5, 30, 10, 1))
    reached = beside_best("outstanding", "rate", True, peers, "interpreted", "asyncio")(results)
    assert reached is not None
    assert (reached.ours, reached.spread.middle) == ("plain", 0.5)


def test_what_was_not_measured_is_not_judged() -> None:
    assert beside_best("outstanding", "rate", True, peers)(results_of({})) is None
    assert primary(results_of({}), "outstanding") is None


def test_growth_is_the_cost_among_the_most_by_that_among_the_fewest() -> None:
    results = results_of({"actors": {"quick": {"cpu@10": 2.0, "cpu@9000": 3.0, "bytes@9000": 1.0}}})
    reached = growth_of("actors")(results)
    assert reached is not None
    assert reached.spread.middle == 1.5


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12345, "0.123"), (1.5, "1.5"), (2.0, "2"), (12.34, "12.3"), (123456.7, "123,457")],
)
def test_three_digits_count(value: float, text: str) -> None:
    assert number(value) == text


def test_the_page_and_the_plot_are_those_of_the_recorded_results() -> None:
    results = page.recorded()
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, results) == text
    assert page.PLOT.read_text(encoding="utf-8") == plot.draw(results)


def test_calls_for_profilers() -> None:
    command = [sys.executable, "-m", "benchmarks.calls", "40", "4", "asyncio"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert output.stdout.endswith(" µs per call\n")


def test_the_page_has_every_block() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert [found["name"] for found in page.BLOCK.finditer(text)] == list(page.BLOCKS)
