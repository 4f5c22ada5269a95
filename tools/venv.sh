#!/bin/sh
# Set up .venv with hobgoblin (editable) and one set of its dependencies.
#
#     sh tools/venv.sh PYTHON core|test|lint|docs
#
# The file .venv/.SET marks a finished set and holds a checksum of those parts of pyproject.toml that pip reads.
# The Makefile calls this script only when that file is missing or older than pyproject.toml; pip, and with it
# the network, is needed only when the checksum differs too.
set -eu
cd "$(dirname "$0")/.."

python=$1
set_name=$2
stamp=.venv/.$set_name

fail() {
    printf 'hobgoblin: %s\n' "$1" >&2
    exit 1
}

checksum() {
    .venv/bin/python -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))
print(project["build-system"], project["project"], project["tool"].get("hatch"))' | cksum
}

# Debian and Ubuntu ship python3 without what makes a virtual environment.
install_venv_package() {
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null ||
        fail "$python lacks the modules venv and ensurepip: install them (Debian calls the package $package)."
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        fail "$python can't make virtual environments yet. Please run: sudo apt-get install $package"
    fi
    printf 'Installing %s with apt-get (Python needs it to set up .venv) …\n' "$package"
    # $apt is a command with its arguments: meant to be split.
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq"
    # The package lists of a fresh system may be empty: then update them and try again.
    $apt install -y --no-install-recommends "$package" >/dev/null 2>&1 </dev/null ||
        { output=$($apt update 2>&1 </dev/null) &&
            output=$($apt install -y --no-install-recommends "$package" 2>&1 </dev/null); } ||
        fail "could not install $package: $output"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python still lacks the modules venv and ensurepip: install them, or name another Python with PYTHON=…"
}

if .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    if [ ! -e "$stamp" ]; then
        printf 'Adding what "%s" needs to .venv (first time only) …\n' "$set_name"
    elif [ "$(cat "$stamp")" = "$(checksum)" ]; then
        touch "$stamp"
        exit 0
    else
        printf 'pyproject.toml has changed: updating .venv …\n'
    fi
else
    command -v "$python" >/dev/null ||
        fail "$python was not found: install Python 3.11 or newer, or name yours with PYTHON=…"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed and $("$python" --version 2>&1) is too old: name a newer one with PYTHON=…"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_package
    printf 'Setting up .venv (first time only) …\n'
    "$python" -m venv --clear .venv
fi

case $set_name in
    core) requirement=. ;;
    *) requirement=".[$set_name]" ;;
esac
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$requirement" ||
    fail "pip could not install what is needed (see above). This step, and only this one, needs a package index."
checksum >"$stamp"
checksum >.venv/.core # every set contains the core
