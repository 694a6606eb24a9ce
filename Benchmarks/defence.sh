#!/bin/bash
# Attacks the built edge with the attackers' own tools, a million datagrams in a customer's name, fail2ban beside it, and
# ten thousand tries of each method and class of account, whose bytes and times are compared.
#
#   Benchmarks/defence.sh [pytest arguments]      about a quarter of an hour; the table goes to .build/defence.md too
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
exec timeout 2400 "$here/scripts/lab-test.sh" test_attackers.py test_attackers_long.py test_oracle.py "$@"
