#!/bin/bash
# bench.sh: what an OPTIONS, a registration, a wrong password and a whole call cost, through Rempart,
# through Kamailio, and through an echo that does nothing (the kernel's share: the floor).
#
#     scripts/bench.sh [EDGE...]          EDGE: echo, kamailio, rempart; all three when none is named
#
# Environment: REMPART_BIN, the folder of the binaries (.build/release); WINDOW, units in flight (64);
# SCALE, a percentage of the usual number of units (100).
#
# Runs as root in three network namespaces of its own without a route out: clients 198.18.0.0/16, the
# edge at 198.18.255.1 and 198.19.0.1, PBXs at 198.19.0.10 and .20. The generator, the edge and the
# PBXs share one machine, so absolute figures mean little; the ratios of one run do.
# Exits with 1 when a unit had an unexpected answer, as its figures then compare different work.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly bin=$(realpath "${REMPART_BIN:-.build/release}")
readonly window=${WINDOW:-64} scale=${SCALE:-100} sources=8 accounts=1000
readonly outside=198.18.255.1:5060 inside=198.19.0.1
readonly works=(options register wrong call)
declare -A units=([options]=200000 [register]=100000 [wrong]=100000 [call]=20000)
declare -A rounds=([options]=1 [register]=2 [wrong]=2 [call]=8)
edges=("$@")
[ ${#edges[@]} -gt 0 ] || edges=(echo kamailio rempart)

die() {
    echo "bench: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || die "needs root, to make network namespaces"
[ -x "$bin/loadgen" ] || die "no $bin/loadgen: swift build -c release"
folder=$(mktemp -d)
readonly tag=bench$$
started=()

clean_up() {
    # Each was started in a session of its own, which ends whole.
    for pid in "${started[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for name in clients edge pbx; do ip netns del "$tag-$name" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

install_missing() {
    local missing=()
    command -v sqlite3 >/dev/null || missing+=(sqlite3)
    if [[ " ${edges[*]} " == *" kamailio "* ]] && ! command -v kamailio >/dev/null; then
        missing+=(kamailio kamailio-extra-modules kamailio-sqlite-modules)
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "bench: installing ${missing[*]}" >&2
    # The daemon of the package must not start by itself.
    printf '#!/bin/sh\nexit 101\n' >"$folder/policy-rc.d"
    chmod +x "$folder/policy-rc.d"
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >&2
}

in_ns() {
    local name=$1
    shift
    ip netns exec "$tag-$name" "$@"
}

make_network() {
    local name
    for name in clients edge pbx; do
        ip netns add "$tag-$name"
        in_ns "$name" ip link set lo up
    done
    ip -n "$tag-edge" link add outside type veth peer name edge netns "$tag-clients"
    ip -n "$tag-edge" link add inside type veth peer name edge netns "$tag-pbx"
    in_ns clients ip address add 198.18.0.1/16 dev edge
    # The generator's sources are all of 198.18.1.0/24.
    in_ns clients ip route add local 198.18.1.0/24 dev lo
    in_ns edge ip address add 198.18.255.1/16 dev outside
    in_ns edge ip address add $inside/24 dev inside
    in_ns pbx ip address add 198.19.0.10/24 dev edge
    in_ns pbx ip address add 198.19.0.20/24 dev edge
    in_ns clients ip link set edge up
    in_ns pbx ip link set edge up
    in_ns edge ip link set outside up
    in_ns edge ip link set inside up
}

make_accounts() {
    local i
    chmod 755 "$folder"
    {
        echo "create table sippeers (id integer primary key, name text unique, type text,"
        echo " secret text, md5secret text, host text, context text, defaultuser text,"
        echo " ipaddr text, port integer, regseconds integer, fullcontact text, regserver text,"
        echo " useragent text, lastms integer);"
        echo "begin;"
        for ((i = 0; i < accounts; i++)); do
            echo "insert into sippeers (name, type, secret, host, context)"
            echo " values ('u$i', 'friend', 'secret-u$i', 'dynamic', 'phones');"
        done
        echo "commit;"
    } | sqlite3 "$folder/accounts.sqlite3"
    chmod 644 "$folder/accounts.sqlite3"
}

# Starts a command in a namespace as the leader of its own session; its number is then $last.
start() {
    local name=$1 log=$2
    shift 2
    ip netns exec "$tag-$name" setsid "$@" >"$folder/$log" 2>&1 &
    last=$!
    started+=("$last")
}

# Waits for a UDP port of the edge to be bound.
await_port() {
    local i
    for ((i = 0; i < 100; i++)); do
        if in_ns edge ss -Hnul "src $1" | grep -q .; then return; fi
        kill -0 "$last" 2>/dev/null || break
        sleep 0.1
    done
    cat "$folder"/edge.log >&2
    die "the edge does not listen at $1"
}

start_echo() {
    start edge edge.log "$bin/loadgen" echo $outside
    await_port $outside
}

start_kamailio() {
    sed "s|FOLDER|$folder|" Benchmarks/kamailio/kamailio.cfg >"$folder/kamailio.cfg"
    cp Benchmarks/kamailio/dispatcher.list "$folder"
    start edge edge.log kamailio -DD -E -x tlsf -X tlsf -m 1024 -M 16 -f "$folder/kamailio.cfg" \
        -Y "$folder" -P "$folder/kamailio.pid"
    await_port $outside
}

start_rempart() {
    cat >"$folder/rempart.yaml" <<SETTINGS
domains: [example.test]
outside:
  - udp://$outside
inside:
  - udp://$inside:5060
asterisk:
  servers: [198.19.0.10:5060, 198.19.0.20:5060]
accounts:
  database: sqlite://$folder/accounts.sqlite3
  schema: chan_sip
  realm: example.test
defence:
  allow: [198.18.0.0/16]
SETTINGS
    mkdir -p "$folder/state" "$folder/runtime"
    start edge edge.log "$bin/rempart" run --settings "$folder/rempart.yaml" \
        --state "$folder/state" --runtime "$folder/runtime"
    local i
    for ((i = 0; i < 200; i++)); do
        if "$bin/rempart" status --json --runtime "$folder/runtime" 2>/dev/null \
            | grep -Eq '"state" *: *"ready"'; then return; fi
        kill -0 "$last" 2>/dev/null || break
        sleep 0.1
    done
    cat "$folder/edge.log" >&2
    die "Rempart does not become ready"
}

# A process and all below it.
family() {
    local pid=$1 child
    echo "$pid"
    for child in $(cat "/proc/$pid/task/"*/children 2>/dev/null); do family "$child"; done
}

# utime + stime of the processes in microseconds (proc(5)).
cpu_time() {
    local pid
    for pid in "$@"; do cat "/proc/$pid/stat"; done \
        | sed 's/.*) //' | awk -v hz="$(getconf CLK_TCK)" '{t += $12 + $13} END {print t / hz * 1e6}'
}

memory() {
    local pid
    for pid in "$@"; do cat "/proc/$pid/smaps_rollup"; done \
        | awk '/^Rss:/ {r += $2} /^Pss:/ {p += $2} END {printf "%.1f %.1f", r / 1024, p / 1024}'
}

# Drives one kind of work and notes: edge work cpu-per-unit per-second p50 p99 failures.
measure() {
    local edge=$1 work=$2 kind=$2 count pids before after line
    [ "$edge" = echo ] && kind=echo
    count=$((units[$work] * scale / 100))
    pids=$(family "$last")
    # shellcheck disable=SC2086  # a list of numbers
    before=$(cpu_time $pids)
    line=$(in_ns clients timeout 180 "$bin/loadgen" client $kind $outside 198.18.1.1:5060 $sources \
        "$window" $count $accounts "${rounds[$work]}") || die "$edge, $work: not done in 180 s"
    # shellcheck disable=SC2086
    after=$(cpu_time $pids)
    awk -v edge="$edge" -v work="$work" -v cpu="$(awk "BEGIN {print $after - $before}")" \
        '{print edge, work, cpu / $1, $1 / $2, $3, $4, $5}' <<<"$line" >>"$folder/results"
}

bench() {
    local edge=$1 work
    echo "bench: $edge" >&2
    "start_$edge"
    if [ "$edge" != echo ]; then
        # Every account once, so that none of what follows is anybody's first time.
        in_ns clients timeout 60 "$bin/loadgen" client register $outside 198.18.1.1:5060 $sources 8 \
            $accounts $accounts 1 >"$folder/warm" || die "$edge: the first registrations fail"
        awk '$5 > 0 {exit 1}' "$folder/warm" || echo "bench: $edge: first registrations failed" >&2
    fi
    for work in "${works[@]}"; do measure "$edge" "$work"; done
    # shellcheck disable=SC2046
    echo "$edge $(memory $(family "$last"))" >>"$folder/memory"
    kill -TERM -- "-$last" 2>/dev/null || true
    wait "$last" 2>/dev/null || true
}

print_table() {
    awk '
        BEGIN {
            printf "%-10s %-9s %12s %10s %9s %9s %9s\n", "work", "edge", "CPU us/unit", "units/s",
                "p50 us", "p99 us", "failures"
        }
        {
            if (!($2 in seen)) { seen[$2] = 1; order[++n] = $2 }
            row[$2] = row[$2] sprintf("%-10s %-9s %12.1f %10.0f %9d %9d %9d\n", $2, $1, $3, $4, $5,
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
                    printf "%-10s rempart / kamailio: CPU %.2f, units/s %.2f\n", w,
                        cpu[w, "rempart"] / cpu[w, "kamailio"],
                        rate[w, "rempart"] / rate[w, "kamailio"]
                for (e = 1; e <= 2; e++) {
                    edge = e == 1 ? "kamailio" : "rempart"
                    if (cpu[w, edge] && cpu[w, "echo"])
                        printf "%-10s %s / echo: CPU %.2f\n", w, edge, cpu[w, edge] / cpu[w, "echo"]
                }
            }
        }' "$folder/results"
    echo
    awk '{printf "memory     %-9s %8.1f MiB RSS, %.1f MiB PSS\n", $1, $2, $3}' "$folder/memory"
}

install_missing
make_network
make_accounts
start pbx pbx1.log "$bin/loadgen" pbx 198.19.0.10:5060
start pbx pbx2.log "$bin/loadgen" pbx 198.19.0.20:5060
for edge in "${edges[@]}"; do
    case $edge in
    echo | kamailio | rempart) bench "$edge" ;;
    *) die "no edge $edge: echo, kamailio or rempart" ;;
    esac
done
print_table
if awk '$7 > 0 {bad = 1} END {exit !bad}' "$folder/results"; then
    die "UNEXPECTED ANSWERS, see above: the figures of those rows do not compare"
fi
