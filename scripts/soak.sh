#!/bin/bash
# Makes calls over a simulated network that loses, doubles and reorders messages, in release mode, and
# stops at the first batch after which the router still holds anything.
#
#   scripts/soak.sh [CALLS [SEED]]      a million from seed 1 when nothing is said
set -euo pipefail
cd "$(dirname "$0")/.."
REMPART_SOAK=1 swift build -c release --scratch-path .build-soak --product soak
time .build-soak/release/soak "$@"
