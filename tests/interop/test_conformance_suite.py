"""OCapN's own conformance suite, run against `examples/ocapn_test_suite.py`.

Say where checkouts of ocapn/ocapn-test-suite are, one for each dialect that you want tested:

    OCAPN_SUITE_A   f0273f2
    OCAPN_SUITE_B   6c146dc
    OCAPN_SUITE_D   5bfcde9, with its two labels op:gc-export and op:gc-answer made plural

The suite imports ``stem``; OCAPN_SUITE_PYTHON names a Python that has it, if this one has not.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOST = Path(__file__).parents[2] / "examples" / "ocapn_test_suite.py"
PYTHON = os.environ.get("OCAPN_SUITE_PYTHON", sys.executable)


@pytest.mark.parametrize("dialect", ["A", "B", "D"])
def test_all_of_the_suite_passes(dialect: str) -> None:
    checkout = os.environ.get(f"OCAPN_SUITE_{dialect}")
    if checkout is None:
        pytest.skip(f"OCAPN_SUITE_{dialect} names no checkout of ocapn/ocapn-test-suite")
    with subprocess.Popen(
        [sys.executable, HOST, "--port", "0", "--dialect", dialect], stdout=subprocess.PIPE, text=True
    ) as host:
        try:
            assert host.stdout is not None
            uri = host.stdout.readline().strip()
            suite = subprocess.run(
                [PYTHON, "test_runner.py", uri],
                cwd=checkout,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
        finally:
            host.terminate()
    assert suite.returncode == 0, suite.stderr
    assert re.search(r"^Ran 24 tests", suite.stderr, re.MULTILINE), suite.stderr
    assert suite.stderr.rstrip().endswith("OK"), suite.stderr
