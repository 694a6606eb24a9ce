#!/bin/bash
# Runs the lab tests: real phones and real Asterisks around the built binaries, in network namespaces of their own.
#
#   scripts/lab-test.sh [pytest arguments]      REMPART_BIN: the folder with the binaries (default: .build/release)
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"

if [[ $EUID -ne 0 ]]; then
    # The cache stays the caller's own, so that the roots are made once.
    exec sudo --preserve-env=REMPART_ALL,REMPART_BIN,REMPART_CONFIGURATIONS,REMPART_SEED,http_proxy \
        env "REMPART_CACHE=${REMPART_CACHE:-$HOME/.cache/rempart}" "$0" "$@"
fi

"$here/scripts/install-packages.sh" test
"$here/scripts/roots.sh"
cd "$here/Tests/Lab"
exec /usr/bin/python3 -m pytest -p no:cacheprovider -q "$@"
