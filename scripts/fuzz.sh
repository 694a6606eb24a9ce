#!/bin/bash
# Runs the fuzzers, one after the other, each on the corpus that is kept for it.
#
#   scripts/fuzz.sh [NAME...]      SECONDS_EACH=60: how long each one runs
#
# What breaks a property is written to Fuzz/corpus/NAME, as crash-...; keep it there under a name that
# says what it is: the tests then hold the property against it for ever. What merely reaches new code stays
# outside the tree, in .build-fuzz/found/NAME, and is used by the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
names=(message framing uri digest token frame settings nonce stun body transaction router asterisk)
if (($# > 0)); then names=("$@"); fi

# Swift's own crash report would come before libFuzzer has written the bytes down.
export SWIFT_BACKTRACE=enable=no

failed=()
for name in "${names[@]}"; do
    REMPART_FUZZ=1 swift build -c release --sanitize=fuzzer --scratch-path .build-fuzz \
        --product "fuzz-$name"
    found=".build-fuzz/found/$name"
    mkdir -p "$found"
    echo "== $name"
    log=".build-fuzz/$name.log"
    if ! .build-fuzz/release/"fuzz-$name" -max_total_time="${SECONDS_EACH:-60}" -max_len=8192 \
        -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="Fuzz/corpus/$name/" "$found" "Fuzz/corpus/$name" >"$log" 2>&1; then
        failed+=("$name")
    fi
    grep -E '^(stat::number|stat::average|SUMMARY|==.*ERROR)|Fatal error|Test unit written' "$log" ||
        tail -5 "$log"
done
if ((${#failed[@]} > 0)); then
    echo "broken properties: ${failed[*]}" >&2
    exit 1
fi
