#!/bin/bash
# Counts the instructions that a unit of work costs the core alone, by valgrind: the same figure each time,
# whatever else the machine is doing.
#
#   Benchmarks/core.sh [parse|options|challenge|register|call]...      all when none is named
#
# Only what the router does is counted, not the phones and Asterisks around it. With PROFILE=1 the functions
# that cost the most are listed.
set -euo pipefail
cd "$(dirname "$0")/.."
works=(parse options challenge register call)
if (($# > 0)); then works=("$@"); fi
command -v valgrind >/dev/null || {
    echo "core: needs valgrind: apt-get install valgrind" >&2
    exit 1
}
REMPART_CORE=1 swift build -c release --static-swift-stdlib --scratch-path .build-core --product core
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# valgrind 3.19 cannot read the debug information of this compiler.
strip -g -o "$folder/core" .build-core/release/core

# The router's entries, by their mangled names.
entries=('$s5Proxy6RouterV7receiveyys4SpanVys5UInt8VG_8Messages4FlowV3Sys3NowVtF'
    '$s5Proxy6RouterV7advanceyy3Sys3NowVF' '*5Proxy6RouterV7receiveyy8Messages*')

# instructions WORK COUNT: how many so many units take.
instructions() {
    local toggles=() entry
    if [ "$1" != parse ]; then
        for entry in "${entries[@]}"; do toggles+=("--toggle-collect=$entry"); done
    fi
    valgrind --tool=callgrind --callgrind-out-file="$folder/$1" "${toggles[@]}" \
        "$folder/core" "$1" "$2" 2>&1 | awk '/Collected/ {print $4}'
}

for work in "${works[@]}"; do
    few=$(instructions "$work" 1000)
    many=$(instructions "$work" 3000)
    echo "$work: $(((many - few) / 2000)) instructions a unit"
    [ -z "${PROFILE:-}" ] || callgrind_annotate "$folder/$work" | sed -n '25,55p'
done
