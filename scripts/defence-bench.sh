#!/bin/bash
# Attacks the built edge with the attackers' own tools, a million datagrams in a customer's name, and fail2ban beside it.
#
#   scripts/defence-bench.sh [pytest arguments]      about ten minutes; the table goes to .build/defence.md too
#
# Environment: REMPART_BIN, the folder of the binaries; REMPART_ATTACK_DATAGRAMS, how long the floods are (1000000).
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"

if [[ $EUID -ne 0 ]]; then
    exec sudo --preserve-env=REMPART_BIN,REMPART_ATTACK_DATAGRAMS,http_proxy \
        env "REMPART_CACHE=${REMPART_CACHE:-$HOME/.cache/rempart}" "$0" "$@"
fi
mkdir -p "$here/.build"
export REMPART_ATTACK=1 REMPART_ATTACK_TABLE="$here/.build/defence.md"
exec timeout 1500 "$here/scripts/lab-test.sh" test_attackers.py test_attackers_long.py "$@"
