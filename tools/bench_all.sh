#!/bin/sh
# Install all peers that can be, and measure everything: both forms where the compiled one can be built, in
# .venv-compiled; else the interpreted one, in .venv.
#
#     sh tools/bench_all.sh PYTHON [ARGUMENTS OF benchmarks]
set -eu
cd "$(dirname "$0")/.."

python=$1
shift
missing=$("$python" tools/missing_compiler.py)
if [ -n "$missing" ]; then
    printf 'There is no %s: only the interpreted form is measured.\n' "$missing"
elif printf 'Building the compiled form …\n' && make --no-print-directory wheel && sh tools/venv_compiled.sh "$python" uvloop
then
    python=.venv-compiled/bin/python
else
    printf 'The compiled form could not be built or installed (see above): only the interpreted form is measured.\n'
fi
exec "$python" benchmarks --install --all "$@"
