#!/bin/bash
# Counts sip-router's allocations per unit of work in steady state, against Tests/Budgets/allocations.tsv.
#
#   Benchmarks/allocations.sh [--junitxml=FILE]      REMPART_BIN: the folder with the binaries (.build/release)
#
# Runs as root in network namespaces of its own, like bench.sh. Exits with 1 when a row is above its
# budget, or so far below it that the budget is to be lowered.
set -euo pipefail
cd "$(dirname "$0")/.."

report=
[[ "${1:-}" != --junitxml=* ]] || report=${1#--junitxml=}
real=$(realpath "${REMPART_BIN:-.build/release}")
readonly real tag=alloc$$
# shellcheck source=Benchmarks/edges.sh
source Benchmarks/edges.sh
declare -A units=([options]=20000 [register]=10000 [wrong]=10000 [call]=4000)
cases='' failures=0

# The binaries with sip-router's stand-in among them.
make_programs() {
    local name
    mkdir "$folder/bin"
    for name in rempart supervisor tls-terminator accounts-reader directory banner loadgen; do
        cp "$real/$name" "$folder/bin"
    done
    cp "$real/sip-router" "$folder/bin/counted-router"
    gcc -O2 -Wall -Werror -o "$folder/bin/sip-router" Tests/Budgets/launch.c
    gcc -O2 -Wall -Werror -shared -fPIC -o "$folder/bin/count.so" Tests/Budgets/count.c
    head -c 8 /dev/zero >"$folder/bin/allocations"
    chmod 666 "$folder/bin/allocations"
}

allocations() { od -An -td8 -N8 "$folder/bin/allocations" | tr -d ' '; }

drive() {
    local line window=64
    # Each is answered after 250 ms: with few in flight the rows of their accounts would grow older than a minute, and
    # the look-ups that follow would be counted too.
    [ "$1" != wrong ] || window=1024
    line=$(in_ns clients timeout 120 "$bin/loadgen" client "$1" $outside $first_source \
        window=$window units="$2") || die "$1: not done in 120 s"
    [ "$(cut -d' ' -f5 <<<"$line")" = 0 ] || die "$1: unexpected answers"
}

# Two rounds that nothing is counted of, then one that counts.
check() {
    local row=$1 budget=$2 before after text=''
    drive "$row" "${units[$row]}"
    drive "$row" "${units[$row]}"
    before=$(allocations)
    drive "$row" "${units[$row]}"
    after=$(allocations)
    local figure
    figure=$(awk "BEGIN {printf \"%.2f\", ($after - $before) / ${units[$row]}}")
    # What beats once a second costs the same in a short row as in a long one, hence the small change.
    if awk "BEGIN {exit !($figure > $budget * 1.1 + 0.1)}"; then
        text="above its budget"
    elif awk "BEGIN {exit !($figure < $budget * 0.9 - 1)}"; then
        text="so far below that the budget is to be lowered"
    fi
    echo "$row: $figure allocations a unit, budget $budget${text:+: $text}"
    cases+="<testcase classname=\"allocations\" name=\"$row\">"
    if [ -n "$text" ]; then
        failures=$((failures + 1))
        cases+="<failure>$figure a unit is $text, $budget</failure>"
    fi
    cases+="</testcase>"
}

bin=$real
set_up
bin=$folder/bin
make_programs
start_rempart
[ "$(allocations)" -gt 0 ] || die "the counter does not count"
drive register 1000
while read -r row budget; do
    [[ $row == '#' ]] || check "$row" "$budget"
done <Tests/Budgets/allocations.tsv
[ -z "$report" ] || echo "<testsuite name=\"allocations\">$cases</testsuite>" >"$report"
[ "$failures" = 0 ]
