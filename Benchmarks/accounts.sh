# accounts.sh: the rows of bench.sh about old knowledge of accounts; bench.sh sources it. Rempart alone: Kamailio
# keeps a password for an hour and asks nobody.
#
# Environment: PHONES, how many phones the power cut takes (20000); HELD and FREE, for how many ms another program
# has the lock of the accounts' file and leaves it, by turns, while they come back (50 and 25). With READ, each
# look-up takes so many ms instead, one after the other, as on a slow disk (Tests/Lab/lab/slow_source.py).

# After how long an account is old, in seconds, and how many addresses the phones share.
readonly old_after=61 addresses=200
readonly phones=${PHONES:-20000} held=${HELD:-50} free=${FREE:-25} read=${READ:-}
# What a phone of today says: strangers get no answer to a REGISTER shorter than its challenge.
readonly phone="Yealink SIP-T46S 66.85.0.5, with all the words of a phone of today"
# How long the phones have to come back at most, in seconds.
readonly patience=180

# The first request of accounts that were last confirmed more than 60 s ago, beside one right after.
row_old() {
    local count
    count=$(scaled 10000)
    begin "$1"
    measure "$1" "(bind)" register $outside accounts=$((2 * count)) units=$((2 * count))
    sleep $old_after
    measure "$1" register-old register $outside accounts="$count" units="$count"
    measure "$1" register-fresh register $outside accounts="$count" units="$count"
    # The other half: nobody has asked for them since they were bound.
    measure "$1" call-old call $outside first="$count" accounts="$count" units="$count"
    measure "$1" call-fresh call $outside first="$count" accounts="$count" units="$count"
}

# Ends the edge as a power cut does, with nothing said; its state folder stays.
cut_power() {
    local pids pid
    mapfile -t pids < <(family "$last")
    kill -KILL -- "-$last" "${pids[@]}" 2>/dev/null || true
    wait "$last" 2>/dev/null || true
    for pid in "${pids[@]}"; do
        while [ -e "/proc/$pid" ]; do sleep 0.05; done
    done
}

# Has the next edge know no account, only who is registered.
forget_accounts() { find "$folder/state/directory" -type f ! -name 'bindings.sqlite*' -delete; }

start_slow_commits() {
    start edge commits.log Benchmarks/slow-commits.py "$folder/accounts.sqlite3" "$held" "$free"
    committer=$last
}

# Ends the commits after the one under way: a hot journal would shut the next reader out.
stop_slow_commits() {
    kill -TERM "$committer"
    wait "$committer"
}

# Puts the accounts into a folder whose disk is slow. It is mounted before the edge starts, and is not slow yet.
start_slow_disk() {
    mkdir "$folder/below" "$folder/slow"
    cp "$folder/accounts.sqlite3" "$folder/below"
    echo 0 >"$folder/seconds"
    PYTHONPATH=Tests/Lab setsid /usr/bin/python3 -m lab.slow_source "$folder/below" "$folder/slow" \
        "$folder/seconds" >"$folder/slow.log" 2>&1 &
    started+=("$!")
    local i
    for ((i = 0; i < 100; i++)); do
        if mountpoint -q "$folder/slow"; then
            source=$folder/slow/accounts.sqlite3
            return
        fi
        sleep 0.1
    done
    die "no slow disk: $(cat "$folder/slow.log")"
}

# Has all phones register, and notes how they fared.
come_back() {
    local edge=$1 what=$2 pids before after
    shift 2
    mapfile -t pids < <(family "$last")
    before=$(cpu_time "${pids[@]}")
    in_ns clients timeout $((patience + 30)) "$bin/loadgen" crowd $outside $first_source \
        units="$phones" sources=$addresses agent="$phone" seconds=$patience "$@" \
        >"$folder/crowd" || die "$edge, $what: the phones do not end"
    after=$(cpu_time "${pids[@]}")
    awk -v edge="$edge" -v work="$what" -v cpu="$(awk "BEGIN {print $after - $before}")" \
        'NR == 1 {print edge, work, $1 ? cpu / $1 : 0, $1 / $2, $3, $4, $5}' "$folder/crowd" \
        >>"$folder/results"
    [[ $what != \(* ]] || return 0
    fact "$what, s until all are registered" "$edge" "$(awk 'NR == 1 {print $2}' "$folder/crowd")"
    fact "$what, phones that are not" "$edge" "$(awk 'NR == 1 {print $5}' "$folder/crowd")"
    fact "$what, CPU s of the edge" "$edge" "$(awk "BEGIN {print ($after - $before) / 1e6}")"
    awk -v what="$what" -v edge="$edge" \
        'NR > 1 {count = $1; sub(/^[0-9]+ /, ""); print what ", " $0 "|" edge "|" count}' \
        "$folder/crowd" >>"$folder/facts"
    fact "$what, addresses banned" "$edge" "$("$bin/rempart" bans --json \
        --runtime "$folder/runtime" | awk '{n += gsub(/"address":/, "")} END {print n + 0}')"
    fact "$what, records of a hold" "$edge" "$(grep -cE \
        'hold what is not a registered phone|nobody looks at them|: (account-)?held ' \
        "$folder/edge.log" || true)"
}

# All phones of 200 addresses come back at once after a power cut, their accounts known and old, while each look-up
# waits for a slow commit; then the same with no account known.
row_power() {
    local committer source=
    echo "bench: $row, $1" >&2
    [ -z "$read" ] || start_slow_disk
    defence="mode: enforce" start_rempart
    come_back "$1" "(power-first)" rate=500
    sleep $old_after
    cut_power
    if [ -n "$read" ]; then
        awk "BEGIN {print $read / 1000}" >"$folder/seconds"
    else
        start_slow_commits
    fi
    defence="mode: enforce" keeps_state=yes start_rempart
    come_back "$1" power-cut
    cut_power
    forget_accounts
    defence="mode: enforce" keeps_state=yes start_rempart
    come_back "$1" power-cut-cold
    [ -z "$read" ] || return 0
    stop_slow_commits
    fact "power cut, ms that the file was locked at a time" "$1" "$(cut -d' ' -f2 "$folder/commits.log")"
    fact "power cut, ms that it was free at a time" "$1" "$(cut -d' ' -f3 "$folder/commits.log")"
}
