#!/bin/sh
# Install the newest wheel in dist into .venv-compiled, and what it needs for some of its extras.
#
#     sh tools/venv_compiled.sh PYTHON EXTRAS
set -eu
cd "$(dirname "$0")/.."

wheel=$(ls -t dist/hobgoblin-*.whl | head -n 1)
[ -e .venv-compiled/bin/python ] || "$1" -m venv .venv-compiled
.venv-compiled/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
.venv-compiled/bin/python -m pip install --quiet --disable-pip-version-check "$wheel[$2]"
# Not from src: the wheel's modules are the ones that are asked for.
.venv-compiled/bin/python -c 'import hobgoblin, sys
sys.exit(None if hobgoblin.__compiled__ else f"{hobgoblin.__file__} is not compiled")'
