#!/bin/bash
# bench.sh: what Rempart's work costs, what the same work costs Kamailio, and where it can be said,
# what the kernel's share is: an echo that does nothing (the floor).
#
#     Benchmarks/bench.sh [EDGE...] [ROW...]
#
# EDGE is echo, kamailio or rempart; all when none is named. ROW, all when none is named:
#     udp            OPTIONS, a registration, a wrong password, a whole call
#     tcp, tls       the same over 100 established connections
#     latency        a call at half the rate that saturates the edge
#     bindings       memory per binding, and what an OPTIONS costs beside 100,000 of them
#     transactions   what an OPTIONS costs beside 50,000 calls that ring
#     handshakes     new TLS connections per CPU second, against openssl s_server
#     idle           memory per TLS connection, 5,000 held
#     floods         CPU per datagram of garbage, smuggled headers, forged tokens
#     old            a registration and a call of accounts last confirmed more than 60 s ago (Rempart alone)
#     contacts       5,000 accounts that an Asterisk has lost, until it knows all of them again (Rempart alone)
#     power          20,000 phones of 200 addresses register at once after a power cut, while the accounts'
#                    file is slow: with their accounts known, and with none (Rempart alone)
#     quiet          what BINDINGS phones by UDP cost that say nothing: they are asked whether they are there, and
#                    answer (Rempart alone)
#     sources        what a look-up costs in each source of accounts, cold and known (Rempart alone)
#     strangers      10,000 names a second that no account has, beside phones that come for the first time, with the
#                    accounts in MariaDB (Rempart alone)
#
# Environment: REMPART_BIN, the folder of the binaries (.build/release); WINDOW, units in flight (64);
# SCALE, a percentage of the usual number of units (100); BINDINGS (100000; 1000000 takes minutes); SOURCES, those of
# sqlite files mariadb postgresql freepbx ari that the row sources has (all).
#
# Runs as root in three network namespaces of its own without a route out: clients 198.18.0.0/16, the
# edge at 198.18.255.1 and 198.19.0.1, PBXs at 198.19.0.10 and .20. The generator, the edge and the
# PBXs share one machine, so absolute figures mean little; the ratios of one run do.
# Exits with 1 when a unit had an unexpected answer, as its figures then compare different work.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(realpath "${REMPART_BIN:-.build/release}")
readonly bin tag=bench$$
readonly window=${WINDOW:-64} scale=${SCALE:-100} calls=${CALLS:-50000} idle=${IDLE:-5000}
readonly all_rows=(udp tcp tls latency bindings transactions handshakes idle floods old contacts power quiet
    sources strangers)
readonly own_rows=" old contacts power quiet sources strangers "
readonly works=(options register wrong call)
declare -A units=([options]=100000 [register]=60000 [wrong]=60000 [call]=15000)
declare -A rounds=([options]=1 [register]=2 [wrong]=2 [call]=8)
# shellcheck source=Benchmarks/edges.sh
source Benchmarks/edges.sh
# shellcheck source=Benchmarks/accounts.sh
source Benchmarks/accounts.sh
# shellcheck source=Benchmarks/sources.sh
source Benchmarks/sources.sh

edges=() rows=()
for word in "$@"; do
    case $word in
    echo | kamailio | rempart) edges+=("$word") ;;
    *)
        [[ " ${all_rows[*]} " == *" $word "* ]] || die "no edge and no row $word"
        rows+=("$word")
        ;;
    esac
done
[ ${#edges[@]} -gt 0 ] || edges=(echo kamailio rempart)
[ ${#rows[@]} -gt 0 ] || rows=("${all_rows[@]}")

scaled() { echo $(($1 * scale / 100)); }

# Notes a figure that is no row of units: what, whose, how much.
fact() { echo "$1|$2|$3" >>"$folder/facts"; }

# Drives one kind of work and notes: edge work cpu-per-unit per-second p50 p99 failures.
measure() {
    local edge=$1 work=$2 kind=$3 port=$4 pids before after line
    shift 4
    mapfile -t pids < <(family "$last")
    before=$(cpu_time "${pids[@]}")
    line=$(in_ns clients timeout 180 "$bin/loadgen" client "$kind" "$port" $first_source \
        window="$window" "$@") || die "$edge, $work: not done in 180 s"
    after=$(cpu_time "${pids[@]}")
    awk -v edge="$edge" -v work="$work" -v before="$before" -v after="$after" \
        '{print edge, work, (after - before) / $1, $1 / $2, $3, $4, $5}' <<<"$line" \
        >>"$folder/results"
}

# How many units are in flight. Rempart's answers to wrong passwords leave 250 ms late: many must wait before
# it has as much to do as the others have with a few.
in_flight() {
    if [ "$1" = rempart ] && [ "$2" = wrong ]; then echo window=2048; else echo "window=$window"; fi
}

# The figure of a column of the newest row.
newest() { tail -n 1 "$folder/results" | cut -d' ' -f"$1"; }

# Starts an edge; every account of the rows once, so that none of what follows is anybody's first time. Further words
# are for the generator.
begin() {
    echo "bench: $row, $1" >&2
    "start_$1"
    [ "$1" = echo ] && return
    [ "$1" != rempart ] || await_source
    measure "$1" "(first)" register $outside accounts=1000 units=1000 "${@:2}"
    # shellcheck disable=SC2046  # a list of numbers
    settle $(family "$last")
}

row_udp() {
    local work kind
    begin "$1"
    for work in "${works[@]}"; do
        kind=$work
        [ "$1" = echo ] && kind=echo
        measure "$1" "$work" "$kind" $outside units="$(scaled "${units[$work]}")" \
            rounds="${rounds[$work]}" "$(in_flight "$1" "$work")"
    done
    # shellcheck disable=SC2046
    fact "memory after udp, MiB PSS" "$1" "$(memory $(family "$last"))"
}

row_stream() {
    local work port=$outside
    [ "$2" = tls ] && port=$secure
    begin "$1"
    for work in "${works[@]}"; do
        measure "$1" "$work-$2" "$work" $port transport="$2" sources=100 \
            units="$(scaled $((units[$work] / 2)))" "$(in_flight "$1" "$work")"
    done
}
row_tcp() { row_stream "$1" tcp; }
row_tls() { row_stream "$1" tls; }

row_latency() {
    local rate
    begin "$1"
    measure "$1" "(saturate)" call $outside units="$(scaled 10000)"
    rate=$(printf %.0f "$(newest 4)")
    measure "$1" call-half call $outside units=$((rate * 3)) rate=$((rate / 2)) window=4096
}

# PSS of all processes of the edge, and of sip-router where there is one, in KiB.
note_memory() {
    local name=$1 edge=$2 count=$3
    # shellcheck disable=SC2046
    all=$(memory $(family "$last"))
    router=0
    [ "$edge" = rempart ] && router=$(memory "$(component sip-router)")
    [ "$count" -gt 0 ] || return 0
    fact "$name, all processes" "$edge" \
        "$(awk "BEGIN {print ($all - $all_before) * 1048576 / $count}")"
    [ "$edge" = rempart ] || return 0
    fact "$name, sip-router" "$edge" \
        "$(awk "BEGIN {print ($router - $router_before) * 1048576 / $count}")"
}

remember_memory() {
    note_memory "" "$1" 0
    all_before=$all router_before=$router
}

row_bindings() {
    local count=$all_accounts name
    begin "$1"
    measure "$1" "OPTIONS-alone" options $outside units="$(scaled 100000)"
    fact "OPTIONS alone, us" "$1" "$(newest 3)"
    remember_memory "$1"
    measure "$1" "(bind)" register $outside accounts="$count" units="$count"
    # shellcheck disable=SC2046
    settle $(family "$last")
    # The warm-up had bound the first thousand.
    note_memory "bytes per binding of $count" "$1" $((count - 1000))
    name="OPTIONS-$count-bindings"
    measure "$1" "$name" options $outside units="$(scaled 100000)"
    fact "OPTIONS beside $count bindings, us" "$1" "$(newest 3)"
}

# The count of the newest line of phones that are quiet: how many questions they have answered so far.
questions() { awk '/^asked/ {n = $2} END {print n + 0}' "$folder/quiet.log"; }

# All phones register at a port of their own each, and say nothing more. What a minute costs is measured when each was
# asked for the first time.
row_quiet() {
    local count=$all_accounts edge crowd pids before after all_before_it asked spent=60 pause=60
    begin "$1"
    edge=$last
    # As many registrations of few phones before: what their transactions take is no part of a binding.
    measure "$1" "(again)" register $outside accounts=1000 units="$count"
    # shellcheck disable=SC2046
    settle $(family "$last")
    remember_memory "$1"
    # At 5,000 a second, the first round of questions and answers takes longer than usual with many.
    pause=$((pause + 2 * count / 5000))
    start clients quiet.log "$bin/loadgen" crowd $outside $first_source units="$count" sources=250 \
        rate=10000 seconds=$((60 + count / 1000)) listens=$((pause + spent + 60))
    crowd=$last
    last=$edge
    until grep -qs '^asked' "$folder/quiet.log"; do
        kill -0 "$crowd" 2>/dev/null || die "$1: $(cat "$folder/quiet.log")"
        sleep 1
    done
    # What failed may be told before.
    awk -v edge="$1" '/^[0-9]/ {print edge, "(quiet)", 0, $1 / $2, $3, $4, $5; exit}' \
        "$folder/quiet.log" >>"$folder/results"
    sleep $pause
    note_memory "bytes per quiet binding of $count" "$1" "$count"
    mapfile -t pids < <(family "$last")
    before=$(cpu_time "$(component sip-router)") asked=$(questions)
    all_before_it=$(cpu_time "${pids[@]}")
    sleep $spent
    after=$(cpu_time "$(component sip-router)") asked=$(($(questions) - asked))
    fact "questions a second to $count quiet phones" "$1" "$((asked / spent))"
    fact "sip-router beside $count quiet phones, ms of CPU a second" "$1" \
        "$(awk "BEGIN {print ($after - $before) / 1000 / $spent}")"
    fact "all processes beside $count quiet phones, ms of CPU a second" "$1" \
        "$(awk "BEGIN {print ($(cpu_time "${pids[@]}") - $all_before_it) / 1000 / $spent}")"
    fact "s that questions come late, as rempart status says" "$1" "$("$bin/rempart" status \
        --runtime "$folder/runtime" | sed -n 's/.*asked up to \([0-9]*\) s later.*/\1/p' | head -n 1 | grep . || echo 0)"
    kill -KILL -- "-$crowd"
}

row_transactions() {
    begin "$1"
    measure "$1" "OPTIONS-alone" options $outside units="$(scaled 100000)"
    measure "$1" "(ring)" ring $outside units="$calls"
    # shellcheck disable=SC2046
    settle $(family "$last")
    measure "$1" "OPTIONS-$calls-ringing" options $outside units="$(scaled 100000)"
    fact "OPTIONS beside $calls ringing calls, us" "$1" "$(newest 3)"
}

start_openssl() {
    start edge edge.log openssl s_server -accept $secure -cert "$folder/certificate.pem" \
        -key "$folder/key.pem" -tls1_3 -num_tickets 1 -rev -quiet
    local i
    for ((i = 0; i < 100; i++)); do
        if in_ns edge ss -Hntl "src $secure" | grep -q .; then return; fi
        sleep 0.1
    done
    die "openssl s_server does not listen"
}

# New TLS connections per second of CPU time of the processes given after the edge.
count_handshakes() {
    local edge=$1 what=$2 before after line count
    shift 2
    count=$(scaled 4000)
    before=$(cpu_time "$@")
    local router_cpu=0
    [ "$edge" = rempart ] && router_cpu=$(cpu_time "$(component tls-terminator)")
    line=$(in_ns clients timeout 120 "$bin/loadgen" handshakes $secure $first_source \
        units="$count") || die "$edge: the handshakes are not done in 120 s"
    after=$(cpu_time "$@")
    echo "$line" | awk -v edge="$edge" -v cpu="$(awk "BEGIN {print ($after - $before) / $count}")" \
        '{print edge, "handshake", cpu, $1 / $2, $3, $4, $5}' >>"$folder/results"
    fact "$what" "$edge" "$(awk "BEGIN {print $count * 1e6 / ($after - $before)}")"
    [ "$edge" = rempart ] || return 0
    after=$(cpu_time "$(component tls-terminator)")
    fact "$what, tls-terminator alone" "$edge" \
        "$(awk "BEGIN {print $count * 1e6 / ($after - $router_cpu)}")"
}

row_handshakes() {
    begin "$1"
    # shellcheck disable=SC2046
    count_handshakes "$1" "TLS connections per CPU second" $(family "$last")
    [ "$1" = rempart ] || return 0
    stop_edge
    echo "bench: $row, openssl" >&2
    start_openssl
    count_handshakes openssl "TLS connections per CPU second" "$last"
}

row_idle() {
    local held i
    begin "$1"
    remember_memory "$1"
    held=$last
    start clients held.log "$bin/loadgen" hold $secure $first_source units="$idle" sources=200
    local holder=$last
    last=$held
    for ((i = 0; i < 900; i++)); do
        grep -q '^held' "$folder/held.log" && break
        kill -0 "$holder" 2>/dev/null || die "$1: $(cat "$folder/held.log")"
        sleep 0.1
    done
    # shellcheck disable=SC2046
    settle $(family "$last")
    note_memory "bytes per idle TLS connection of $idle" "$1" "$idle"
    held=$(in_ns edge ss -Hnt state established "src $secure" | wc -l)
    [ "$held" -ge "$idle" ] || die "$1: $held of $idle connections are left"
    kill -KILL -- "-$holder"
}

# How many datagrams the edge's sockets have been given.
datagrams() { in_ns edge awk '/^Udp: [0-9]/ {print $2}' /proc/net/snmp; }

row_floods() {
    local kind pids before after given count
    begin "$1"
    mapfile -t pids < <(family "$last")
    count=$(scaled 40000)
    for kind in options garbage smuggled forged; do
        before=$(cpu_time "${pids[@]}") given=$(datagrams)
        in_ns clients timeout 60 "$bin/loadgen" flood $kind $outside $first_source \
            units="$count" rate=8000 || die "$1: the flood of $kind is not sent in 60 s"
        after=$(cpu_time "${pids[@]}") given=$(($(datagrams) - given))
        fact "flood of $kind, us a datagram" "$1" "$(awk "BEGIN {print ($after - $before) / $given}")"
        fact "flood of $kind, share that arrived" "$1" "$(awk "BEGIN {print $given / $count}")"
    done
    # Whoever is flooded still serves.
    measure "$1" "after-floods" options $outside units="$(scaled 20000)"
}

# What the PBX has written of what it had forgotten, in seconds.
since_forgotten() { awk -v what="$1" '$1 == what {print $2 / 1e6}' "$folder/pbx1.log"; }

row_contacts() {
    local count i
    count=$(scaled 5000)
    begin "$1"
    measure "$1" "(bind)" register $outside accounts="$count" units="$count"
    # The edge believes of an Asterisk alone that it has lost its contacts that has shown one before.
    sleep 25
    in_ns pbx bash -c 'printf "FORGET sip:x SIP/2.0\r\n\r\n" >/dev/udp/198.19.0.10/5060'
    for ((i = 0; i < 600; i++)); do
        grep -q '^all' "$folder/pbx1.log" && break
        sleep 0.1
    done
    fact "contacts of $count lost: the first is known again after, s" "$1" "$(since_forgotten first)"
    fact "contacts of $count lost: all known again after, s" "$1" "$(since_forgotten all)"
}

print_table() {
    awk '
        BEGIN {
            printf "%-24s %-9s %12s %10s %9s %9s %9s\n", "work", "edge", "CPU us/unit", "units/s",
                "p50 us", "p99 us", "failures"
        }
        $2 ~ /^\(/ && $7 == 0 {next}
        {
            if (!($2 in seen)) { seen[$2] = 1; order[++n] = $2 }
            row[$2] = row[$2] sprintf("%-24s %-9s %12.1f %10.0f %9d %9d %9d\n", $2, $1, $3, $4, $5,
                $6, $7)
            cpu[$2, $1] = $3
            rate[$2, $1] = $4
        }
        END {
            for (i = 1; i <= n; i++) printf "%s", row[order[i]]
            print ""
            for (i = 1; i <= n; i++) {
                w = order[i]
                if (cpu[w, "rempart"] && cpu[w, "kamailio"])
                    printf "%-24s rempart / kamailio: CPU %.2f, units/s %.2f\n", w,
                        cpu[w, "rempart"] / cpu[w, "kamailio"],
                        rate[w, "rempart"] / rate[w, "kamailio"]
                for (e = 1; e <= 2; e++) {
                    edge = e == 1 ? "kamailio" : "rempart"
                    if (cpu[w, edge] && cpu[w, "echo"])
                        printf "%-24s %s / echo: CPU %.2f\n", w, edge, cpu[w, edge] / cpu[w, "echo"]
                }
            }
        }' "$folder/results"
    echo
    [ ! -e "$folder/facts" ] || awk -F'|' '
        {
            if (!($1 in seen)) { seen[$1] = 1; order[++n] = $1 }
            text[$1] = text[$1] sprintf("  %s %.1f", $2, $3)
        }
        END {for (i = 1; i <= n; i++) printf "%-55s%s\n", order[i], text[order[i]]}' "$folder/facts"
}

packages=()
[[ " ${edges[*]} " != *" kamailio "* ]] \
    || packages=(kamailio kamailio-extra-modules kamailio-sqlite-modules kamailio-tls-modules)
[ -z "$read" ] || packages+=(python3-fusepy)
[[ " ${rows[*]} " != *" sources "* && " ${rows[*]} " != *" strangers "* ]] || packages+=("${server_packages[@]}")
[[ " ${rows[*]} " != *" sources "* ]] || make_root
set_up "${packages[@]}"
for row in "${rows[@]}"; do
    for edge in "${edges[@]}"; do
        # The floor is that of datagrams.
        [[ $edge != echo || $row == udp ]] || continue
        [[ $edge == rempart || $own_rows != *" $row "* ]] || continue
        "row_$row" "$edge"
        stop_edge
    done
done
print_table
if awk '$7 > 0 {bad = 1} END {exit !bad}' "$folder/results"; then
    die "UNEXPECTED ANSWERS, see above: the figures of those rows do not compare"
fi
