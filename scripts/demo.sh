#!/bin/bash
# Starts a demonstration of the built edge, in front of a real Asterisk in namespaces or of your own PBX.
#
#   scripts/demo.sh [BINARIES] [PBX=10.0.0.10:5060 ACCOUNTS=sqlite:///path [OUTSIDE=address]]
#
# The same names are taken from the environment, so that `make run PBX=... ACCOUNTS=...` works.
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"
binaries="$here/.build/release"
for argument in "$@"; do
    case "$argument" in
        PBX=*) PBX="${argument#PBX=}" ;;
        ACCOUNTS=*) ACCOUNTS="${argument#ACCOUNTS=}" ;;
        OUTSIDE=*) OUTSIDE="${argument#OUTSIDE=}" ;;
        *) binaries="$(cd "$argument" && pwd)" ;;
    esac
done

run=(env "REMPART_BIN=$binaries" "REMPART_CACHE=${REMPART_CACHE:-$HOME/.cache/rempart}"
    "PBX=${PBX:-}" "ACCOUNTS=${ACCOUNTS:-}" "OUTSIDE=${OUTSIDE:-}")
if [[ $EUID -ne 0 ]]; then
    echo "The demonstration makes network namespaces and runs each process as a user of its own: it needs root."
    exec sudo --preserve-env=http_proxy "${run[@]}" "$0" "$binaries"
fi

"$here/scripts/install-packages.sh" run
if [[ -z "${PBX:-}" ]]; then
    "$here/scripts/roots.sh" 22
fi
exec "${run[@]}" /usr/bin/python3 -B "$here/scripts/demo.py"
