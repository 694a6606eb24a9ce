#!/bin/bash
# What an attack costs the good ones: 100,000 addresses banned, 1,000 new sources a second that a detector catches,
# 50,000 datagrams a second of senders that have proven nothing.
#
#     Benchmarks/load.sh [folder of the binaries]      default: .build/release; about four minutes, as root
#
# sip-router's CPU time per good call is that of calls under attack less that of the attack alone, by the calls.
# Environment: ROUNDS, how often attack and calls under attack follow each other (2).
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(realpath "${1:-.build/release}")
readonly bin tag=load$$ seconds=8 rate=500 rounds=${ROUNDS:-2}
readonly agent="Yealink SIP-T46S 66.85.0.5, with all the words of a phone of today"
# 4,096 of these addresses send, each twelve datagrams a second: below any limit of the kernel's.
world=45.128.0.0/9
readonly caught=46.0.0.0/10 banned=100000
# shellcheck source=Benchmarks/edges.sh
source Benchmarks/edges.sh

# Nanoseconds that a process with one thread has run (proc(5), sched/sched-stats).
run_time() { cut -d' ' -f1 "/proc/$1/schedstat"; }

# Resident memory of each component now, and the most there ever was, in MiB.
say_memory() {
    local name pid
    for name in supervisor sip-router banner directory accounts-reader tls-terminator; do
        pid=$(component $name)
        awk -v name=$name '/^VmRSS|^VmHWM/ {m[$1] = $2 / 1024}
            END {printf "  %s %.1f MiB, at most %.1f", name, m["VmRSS:"], m["VmHWM:"]}' "/proc/$pid/status"
    done
    echo
}

# Opens the attackers' addresses: they are all at home in the clients' namespace, and nothing there answers for them.
open_world() {
    ip -n "$tag-edge" route add 45.0.0.0/8 via 198.18.0.1
    ip -n "$tag-edge" route add 46.0.0.0/8 via 198.18.0.1
    in_ns clients ip route add local 45.0.0.0/8 dev lo
    in_ns clients ip route add local 46.0.0.0/8 dev lo
    in_ns clients nft -f - <<RULES
add table ip mute
add chain ip mute out { type filter hook output priority 0; }
add rule ip mute out icmp type destination-unreachable drop
RULES
}

# Bans that banner itself has kept, in a namespace of its own: the kernel's table of it goes with that.
write_bans() {
    mkdir "$folder/keeping"
    unshare --net "$bin/bans" keep "$bin" "$folder/keeping" $banned
    mv "$folder/keeping/bans" "$folder/kept"
}

# Drives calls from registered phones; its line of figures goes to the file named.
good_calls() {
    in_ns clients timeout 60 "$bin/loadgen" client call $outside $first_source accounts=64 window=1024 \
        agent="$agent" rate=$rate units=$((rate * seconds)) >"$1"
}

attack() {
    local paths=PYTHONPATH=Tests/Lab
    in_ns clients env $paths timeout 60 python3 -m lab.attack_spoof ${outside%:*} $world \
        $((50000 * seconds)) 50000 mixed >"$folder/spoofed" &
    local first=$!
    in_ns clients env $paths timeout 60 python3 -m lab.attack_trippers ${outside%:*} $caught $tried 1000 $seconds \
        >"$folder/tripped" &
    local second=$!
    tried=$((tried + 1000 * seconds))
    [ $# -eq 0 ] || "$@"
    wait $first $second
}

# What sip-router needs for a command, in microseconds.
router_time() {
    local router before
    router=$(component sip-router)
    before=$(run_time "$router")
    "$@"
    echo $((($(run_time "$router") - before) / 1000)) >"$folder/spent"
}

spent() { cat "$folder/spent"; }

begin() {
    start_rempart
    in_ns clients "$bin/loadgen" client register $outside $first_source accounts=64 units=64 rate=50 \
        agent="$agent" >/dev/null \
        || die "the phones do not register"
    tried=0
    good_calls "$folder/line"
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

# One edge: calls in quiet, then attack and calls under attack by turns.
measure() {
    local what=$1 calls=$((rate * seconds)) round alone
    begin
    for ((round = 0; round < rounds; round++)); do
        router_time good_calls "$folder/line"
        awk "BEGIN {print $(spent) / $calls}"
        cat "$folder/line" >>"$folder/quiet-lines"
    done >"$folder/quiet"
    echo "$what, in quiet: $(median <"$folder/quiet") us of sip-router a call; loadgen: $(cat "$folder/line")"
    say_memory
    [ "$what" != "no bans" ] || return 0
    for ((round = 0; round < rounds; round++)); do
        router_time attack
        alone=$(spent)
        router_time attack good_calls "$folder/line"
        awk "BEGIN {print ($(spent) - $alone) / $calls}"
        echo "  attack alone $alone us; with calls $(spent) us; $(cat "$folder/spoofed" "$folder/tripped" | tr -d '\n')" >&2
    done >"$folder/attacked"
    echo "$what, under attack: $(median <"$folder/attacked") us of sip-router a call; loadgen: $(cat "$folder/line")"
    say_memory
    "$bin/rempart" status --runtime "$folder/runtime" | grep -E 'banner|router'
    local began ended words
    for words in "explain 46.0.0.0" "why 46.0.0.0" "bans"; do
        began=$(date +%s%N)
        # shellcheck disable=SC2086
        "$bin/rempart" $words --runtime "$folder/runtime" >/dev/null || true
        ended=$(date +%s%N)
        echo "  rempart $words: $(((ended - began) / 1000000)) ms"
    done
}

set_up
open_world
write_bans
defence="mode: enforce" measure "no bans"
stop_edge
kept_bans=$folder/kept
defence="mode: enforce" measure "100,000 bans, 4,096 senders, defaults"
stop_edge
defence="packets: 0" measure "100,000 bans, 4,096 senders, packets: 0"
stop_edge
world=45.128.0.0/28
defence="mode: enforce" measure "100,000 bans, 16 senders, defaults"
