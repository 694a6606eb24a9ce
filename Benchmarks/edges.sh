# edges.sh: the network, the accounts and the edges of bench.sh and allocations.sh, which source it.
#
# They set $bin, the folder of the binaries, and $tag, what the namespaces are named by; and they call
# set_up first. Everything lies in $folder and ends with the shell.

readonly outside=198.18.255.1:5060 secure=198.18.255.1:5061 inside=198.19.0.1
readonly first_source=198.18.1.1:5060
# How many accounts the database has; those that a row does not use cost nothing.
readonly all_accounts=${BINDINGS:-100000}
started=()

die() {
    echo "$(basename "$0" .sh): $*" >&2
    exit 1
}

clean_up() {
    # Each was started in a session of its own, which ends whole.
    for pid in "${started[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for name in clients edge pbx; do ip netns del "$tag-$name" 2>/dev/null || true; done
    # A slow disk, which its server's end leaves behind.
    [ ! -e "$folder/seconds" ] || umount --lazy "$folder/slow" 2>/dev/null || true
    rm -rf "$folder" "/etc/netns/$tag-edge" ${laid_under:+"$laid_under"}
}

# Installs sqlite3 and the packages named, as far as they are missing.
install_missing() {
    local missing=() package
    for package in sqlite3 openssl "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing ${missing[*]}" >&2
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
    # A flood and a burst of connections shall meet the edge, not a queue before it.
    in_ns edge sysctl -qw net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=4096
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
    sqlite3 "$folder/accounts.sqlite3" <<SQL
create table sippeers (id integer primary key, name text unique, type text, secret text,
    md5secret text, host text, context text, defaultuser text, ipaddr text, port integer,
    regseconds integer, fullcontact text, regserver text, useragent text, lastms integer);
with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n + 1 < $all_accounts)
insert into sippeers (name, type, secret, host, context)
    select 'u' || n, 'friend', 'secret-u' || n, 'dynamic', 'phones' from numbers;
SQL
    chmod 644 "$folder/accounts.sqlite3"
}

# An ECDSA P-256 certificate, as all servers of the run show it.
make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=example.test \
        -addext subjectAltName=DNS:example.test -keyout "$folder/key.pem" -out "$folder/certificate.pem" \
        2>/dev/null || die "openssl makes no certificate"
}

# Makes all that the edges need, and starts the PBXs.
set_up() {
    [ "$(id -u)" = 0 ] || die "needs root, to make network namespaces"
    [ -x "$bin/loadgen" ] || die "no $bin/loadgen: scripts/build.sh"
    folder=$(mktemp -d)
    trap clean_up EXIT
    trap 'exit 1' INT TERM
    chmod 755 "$folder"
    install_missing "$@"
    scripts/make-users.sh
    make_network
    make_accounts
    make_certificate
    start pbx pbx1.log "$bin/loadgen" pbx 198.19.0.10:5060
    start pbx pbx2.log "$bin/loadgen" pbx 198.19.0.20:5060
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
    sed "s|FOLDER|$folder|" Benchmarks/kamailio/tls.cfg >"$folder/tls.cfg"
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
  - tcp://$outside
  - tls://$secure
inside:
  - udp://$inside:5060
asterisk:
  servers: [198.19.0.10:5060, 198.19.0.20:5060]
accounts:
  source: ${accounts_url:-sqlite://${source:-$folder/accounts.sqlite3}}
  schema: ${accounts_schema:-chan_sip}
  realm: example.test
${accounts_login:-}
tls:
  certificate: $folder/certificate.pem
  key: $folder/key.pem
defence:
  ${defence:-allow: [198.18.0.0/16]}
calls:
  at-once: 10000
  per-minute: 100000
SETTINGS
    [ -n "${keeps_state:-}" ] || rm -rf "$folder/state"
    rm -rf "$folder/runtime"
    mkdir -p "$folder/state/banner" "$folder/runtime"
    # Bans that an earlier edge has kept.
    [ -z "${kept_bans:-}" ] || cp "$kept_bans" "$folder/state/banner/bans"
    chown -R rempart-ban "$folder/state/banner"
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

# Waits until directory says what it reads: of accounts that nobody has asked for yet, all get 503 before.
await_source() {
    local i
    for ((i = 0; i < 600; i++)); do
        if "$bin/rempart" status --json --runtime "$folder/runtime" | grep -Eq '"status" *: *"accounts: '; then return; fi
        sleep 0.1
    done
    die "the accounts are not read in a minute: $("$bin/rempart" status --runtime "$folder/runtime")"
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

# PSS of the processes in MiB.
memory() {
    local pid
    for pid in "$@"; do cat "/proc/$pid/smaps_rollup"; done \
        | awk '/^Pss:/ {p += $2} END {printf "%.3f", p / 1024}'
}

# Ends the edge that runs.
stop_edge() {
    kill -TERM -- "-$last" 2>/dev/null || true
    wait "$last" 2>/dev/null || true
}

# Waits until the processes use less than a twentieth of a core, at most half a minute: what a row
# has set off shall not be charged to the next.
settle() {
    local before after i
    for ((i = 0; i < 30; i++)); do
        before=$(cpu_time "$@")
        sleep 1
        after=$(cpu_time "$@")
        if awk "BEGIN {exit !($after - $before < 50000)}"; then return; fi
    done
    echo "the edge does not come to rest in 30 s" >&2
}

# The process of a component of Rempart: the program of that name below $last.
component() {
    local pid
    for pid in $(family "$last"); do
        if [ "$(basename "$(readlink "/proc/$pid/exe")")" = "$1" ]; then
            echo "$pid"
            return
        fi
    done
    die "Rempart has no $1"
}
