"""Run seeds of the simulation: ``python -m tests.simulation 17``, ``python -m tests.simulation 0:20000``."""

from __future__ import annotations

import argparse
import sys
import traceback
from statistics import median
from time import process_time

from tests.simulation.bugs import BUGS, find
from tests.simulation.oracle import Tally
from tests.simulation.world import Plan, simulate

MOST = 1000
"""Seeds that may look for a planted bug."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", nargs="*", default=["0:2000"], help="a seed, or FIRST:END")
    parser.add_argument("--stop", action="store_true", help="stop at the first seed that fails")
    parser.add_argument("--trace", action="store_true", help="print each seed with its trace")
    parser.add_argument("--bugs", action="store_true", help="how many seeds find each planted bug")
    parser.add_argument("--tries", type=int, default=1, help="for --bugs: of how many, the median")
    options = parser.parse_args()
    if options.bugs:
        return bugs(options.tries)
    total, failed, count, start = Tally(), [], 0, process_time()
    for text in options.seeds:
        first, _, end = text.partition(":")
        for seed in range(int(first), int(end) if end else int(first) + 1):
            count += 1
            try:
                tally, trace = simulate(seed)
            except Exception:
                failed.append(seed)
                print(f"seed {seed} fails\n{traceback.format_exc()}", flush=True)
                if options.stop:
                    return 1
                continue
            total.add(tally)
            if options.trace:
                print(seed, trace)
                if text == options.seeds[-1] and not end:
                    print(Plan.drawn(seed))
    seconds = process_time() - start
    print(
        f"{count} seeds in {seconds:.0f} s of one core, {1000 * seconds / max(1, count):.0f} ms each; {total}"
    )
    if failed:
        print(f"failed: {failed}")
    return 1 if failed else 0


def bugs(tries: int) -> int:
    """Print a table of the planted bugs: seeds and seconds until the first one fails."""
    print("| planted bug | seeds | seconds | found by |\n|---|---|---|---|")
    missed = 0
    for name in BUGS:
        seeds, seconds, check = [], [], "nothing"
        for number in range(tries):
            start = process_time()
            found = find(name, most=MOST, first=number * 100_000)
            seconds.append(process_time() - start)
            seeds.append(MOST + 1 if found is None else found.seeds)
            missed += found is None
            if found is not None and check == "nothing":
                check = shortened(found.check)
        print(f"| {BUGS[name].__doc__} | {median(seeds):.0f} | {median(seconds):.1f} | {check} |", flush=True)
    return 1 if missed else 0


def shortened(check: str) -> str:
    """Return a failure in a few words: numbers of a single run tell nothing."""
    text = check.removeprefix("Violation: ").replace("|", "/")
    return text if len(text) <= 90 else text[:87] + "…"


if __name__ == "__main__":
    sys.exit(main())
