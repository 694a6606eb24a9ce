#!/bin/bash
# Runs the lab tests: real phones and real Asterisks around the built binaries, in network namespaces of their own.
#
#   scripts/lab-test.sh [pytest arguments]
#
# Environment: REMPART_BIN, the folder with the binaries (.build/release); REMPART_LANES, how many tests run at once
# (2, or 1 where an argument names tests).
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"

if [[ $EUID -ne 0 ]]; then
    # The cache stays the caller's own, so that the roots are made once.
    exec sudo --preserve-env=REMPART_ALL,REMPART_BIN,REMPART_CONFIGURATIONS,REMPART_LANES,REMPART_SEED,http_proxy \
        env "REMPART_CACHE=${REMPART_CACHE:-$HOME/.cache/rempart}" "$0" "$@"
fi

lanes="${REMPART_LANES:-2}"
if [[ -z "${REMPART_LANES:-}" ]]; then
    # A word that is no option names tests: few, whose output is to be seen as it comes.
    for word in "$@"; do
        [[ "$word" == -* ]] || lanes=1
    done
fi
[[ "$lanes" =~ ^[1-9]$ ]] || {
    echo "lab-test: REMPART_LANES is a number from 1 to 9, not '$lanes'" >&2
    exit 2
}
in_lanes=()
[[ "$lanes" == 1 ]] || in_lanes=(--numprocesses "$lanes")

"$here/scripts/install-packages.sh" test
"$here/scripts/roots.sh"
cd "$here/Tests/Lab"
exec /usr/bin/python3 -m pytest -p no:cacheprovider -q "${in_lanes[@]}" "$@"
