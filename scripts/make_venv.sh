#!/bin/sh
# Creates the virtual environment with the newest supported Python found, or says what is missing.
set -eu
venv="$1"

if [ -x "$venv/bin/python" ]; then
    exit 0
fi

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=""
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
        python="$candidate"
        break
    fi
done

if [ -z "$python" ]; then
    echo "Kiungo needs Python 3.11 or later; found: $(python3 --version 2>/dev/null || echo none)." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "$python comes without venv. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
fi

echo "Creating $venv with $("$python" --version)"
"$python" -m venv "$venv"
