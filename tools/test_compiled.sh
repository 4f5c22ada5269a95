#!/bin/sh
# Run the tests on the newest wheel in dist, in a virtual environment of its own.
#
#     sh tools/test_compiled.sh PYTHON [ARGUMENTS OF PYTEST]
#
# Without arguments, all of them but those that HOBGOBLIN_SKIP names; HOBGOBLIN_SEEDS says how many seeds of the
# simulation, 2000 if it does not.
set -eu
cd "$(dirname "$0")/.."

python=$1
shift
wheel=$(ls -t dist/hobgoblin-*.whl | head -n 1)
[ -e .venv-compiled/bin/python ] || "$python" -m venv .venv-compiled
.venv-compiled/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
.venv-compiled/bin/python -m pip install --quiet --disable-pip-version-check "$wheel[test,uvloop]"
# Not from src, which lies in the same directory as the tests: the wheel's modules are the ones to be tested.
.venv-compiled/bin/python -c 'import hobgoblin, sys
sys.exit(None if hobgoblin.__compiled__ else f"the tests would run on {hobgoblin.__file__}, which is not compiled")'
[ $# = 0 ] || exec .venv-compiled/bin/python -m pytest --quiet "$@"
inner='tests/captp tests/syrup tests/vat'
ignored=
for path in $inner tests/simulation ${HOBGOBLIN_SKIP:-}; do
    ignored="$ignored --ignore=$path"
done
exec .venv-compiled/bin/python tools/side_by_side.py \
    "pytest --quiet$ignored" "pytest --quiet $inner" 'pytest --quiet tests/simulation'
