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
sh tools/venv_compiled.sh "$python" test,uvloop
[ $# = 0 ] || exec .venv-compiled/bin/python -m pytest --quiet "$@"
inner='tests/captp tests/syrup tests/vat'
ignored=
for path in $inner tests/simulation ${HOBGOBLIN_SKIP:-}; do
    ignored="$ignored --ignore=$path"
done
# The longest first, so that no processor is left without work at the end.
exec .venv-compiled/bin/python tools/side_by_side.py \
    'pytest --quiet tests/simulation' "pytest --quiet$ignored" "pytest --quiet $inner"
