#!/bin/bash
# Tests what is handed out: the package on the smallest Debian 12 and 13, where apt fetches what it needs; a booted
# edge there; the tarball; a signed repository; lintian; two builds with the same bytes; the container image. The
# last line is "N passed, N failed"; what cannot be tested here is named as skipped. It needs root, the network that apt
# needs, and some gigabytes.
#
#   scripts/package-test.sh [NAME...]      the tests whose names contain one of these words; all when none is given
#   REMPART_BIN=FOLDER                     the built programs; built when left out (`reproducible` builds its own)
set -uo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
cache="${REMPART_CACHE:-$HOME/.cache/rempart}"
boot_seconds=60
wanted=("$@")
passed=0
failed=0

fail() {
    echo "package-test: $*" >&2
    exit 1
}

# check NAME COMMAND...: runs one test and counts it; one that ends with 77 cannot run here.
check() {
    local name="$1" word code
    shift
    for word in "${wanted[@]}"; do
        [[ "$name" == *"$word"* ]] && break
    done
    if [[ ${#wanted[@]} -gt 0 && "$name" != *"$word"* ]]; then return; fi
    # In no condition: bash would go on after each command there that fails.
    (set -e; "$@") >"$work/log" 2>&1
    code=$?
    case "$code" in
        0)
            echo "passed: $name"
            passed=$((passed + 1))
            ;;
        77)
            tail -n 1 "$work/log"
            echo "skipped: $name"
            ;;
        *)
            cat "$work/log"
            echo "failed: $name"
            failed=$((failed + 1))
            ;;
    esac
}

# Fails, with the words of a sentence, unless the command succeeds.
holds() {
    local sentence="$1"
    shift
    "$@" || { echo "not so: $sentence" >&2; return 1; }
}

# Fails unless the command does: bash goes on after a `!` line whatever comes of it.
refuses() {
    if "$@"; then
        echo "not refused: $*" >&2
        return 1
    fi
}

# A copy of a cached root, with a name of its own.
fresh() { cp -a --reflink=auto "$cache/$1" "$work/$2"; }

# in_root NAME LINE: runs a line of shell in a root, with this machine's network, and the packages in /packages.
in_root() {
    systemd-nspawn --quiet --register=no --keep-unit --directory="$work/$1" --resolv-conf=replace-host --console=pipe \
        --link-journal=no --bind-ro="$made:/packages" --setenv=DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+--setenv=http_proxy="$http_proxy"} bash -euo pipefail -c "$(declare -f refuses); $2" </dev/null
}

# What apt says while it installs the package on a root; what was recommended is left out.
install_in() { in_root "$1" "apt-get -qq update; apt-get -qq -y --no-install-recommends install /packages/${deb##*/}"; }

installs() {
    local root="$1" said
    fresh "$root" "$root-package"
    said="$(install_in "$root-package")"
    echo "$said"
    holds "one line names the next step" test "$(grep -c '^rempart:' <<<"$said")" = 1
    holds "it names the sample" grep -q '^rempart: nothing is started. Next: cp /usr/share/doc/rempart/examples/rempart.yaml' <<<"$said"
    in_root "$root-package" '
        test -z "$(ls /etc/rempart)"
        rempart --version
        for program in /usr/libexec/rempart/*; do ldd "$program" | refuses grep "not found"; done
        for user in tls sip db acct ban; do getent passwd "rempart-$user" >/dev/null; done
        journalctl --list-catalog 5b0d2c7a41f34c0e9c1e3c6f0a7d1080 >/tmp/catalog
        grep -q Rempart /tmp/catalog
        test -z "$(find /etc/systemd/system -name "rempart*")"
        refuses rempart check 2>/tmp/said
        grep -q "copy /usr/share/doc/rempart/examples/rempart.yaml there" /tmp/said
        rempart check --settings /usr/share/doc/rempart/examples/rempart.yaml
        dpkg-query -f "\${Conffiles}" -W rempart | refuses grep rempart
    '
}

# The process number of the systemd of a machine whose nspawn is given; nothing until it is there.
first_process() {
    local child
    for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        if [[ "$(cat "/proc/$child/comm" 2>/dev/null)" == systemd ]]; then echo "$child"; fi
    done
}

# Boots a root without a network but loopback, runs a line of shell in it, and switches it off.
booted() {
    local root="$1" line="$2" nspawn first="" code=0 waited
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid systemd-nspawn --quiet --register=no --keep-unit --directory="$work/$root" \
        --boot --private-network --link-journal=no --console=passive --machine="rempart-$$" --capability=CAP_NET_ADMIN \
        --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
        --bind-ro="$made:/packages" >"$work/console" 2>&1 </dev/null &
    nspawn=$!
    for ((waited = 0; waited < boot_seconds * 10; waited++)); do
        first="$(first_process "$nspawn")"
        if [[ -n "$first" ]] && enter "$first" systemctl is-system-running 2>/dev/null | grep -qE '^(running|degraded)$'; then break; fi
        sleep 0.1
    done
    enter "$first" bash -euxo pipefail -c "$(declare -f refuses); $line" || code=$?
    enter "$first" systemctl poweroff || true
    wait "$nspawn" || true
    return "$code"
}

# enter PROCESS COMMAND...: runs a command in the machine of that first process.
enter() {
    local process="$1"
    shift
    nsenter --target="$process" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

serves() {
    local root="$1"
    fresh "$root" "$root-booted"
    in_root "$root-booted" 'apt-get -qq update; apt-get -qq -y --no-install-recommends install systemd-sysv dbus nftables sqlite3' >/dev/null
    install_in "$root-booted" >/dev/null
    # What others must leave alone has a name that only begins like ours.
    booted "$root-booted" '
        systemctl start rempart rempart.socket
        refuses systemctl is-active rempart rempart.socket
        refuses systemctl --no-pager status rempart >/tmp/status
        grep -q "ConditionPathExists=/etc/rempart/rempart.yaml" /tmp/status
        grep -q "examples/rempart.yaml" /tmp/status
        sqlite3 /var/lib/accounts.sqlite3 "CREATE TABLE sippeers (name TEXT PRIMARY KEY, secret TEXT)"
        chmod 0644 /var/lib/accounts.sqlite3
        cat >/etc/rempart/rempart.yaml <<END
domains: [example.test]
outside: [udp://127.0.0.2:5060, tcp://127.0.0.2:5060]
inside: [udp://127.0.0.3:5060]
asterisk: {servers: ["127.0.0.4:5060"]}
accounts: {source: "sqlite:///var/lib/accounts.sqlite3"}
END
        rempart check
        systemctl enable --now rempart
        systemctl is-active rempart
        rempart status --check || test $? = 1
        rempart ban 192.0.2.7
        nft add table inet rempartners
        nft list table inet rempart >/tmp/table
        grep -q 192.0.2.7 /tmp/table
        apt-get -qq -y remove rempart
        refuses grep -qsx supervisor /proc/[0-9]*/comm
        nft list tables
        refuses nft list table inet rempart
        ls /etc/rempart/rempart.yaml /var/lib/rempart/secret
        apt-get -qq -y install --no-install-recommends /packages/'"${deb##*/}"' | tee /tmp/again
        grep -q "Next: rempart check && systemctl enable --now rempart" /tmp/again
        apt-get -qq -y purge rempart
        dpkg --purge rempart
        for place in /etc/rempart /var/lib/rempart /usr/libexec/rempart /usr/share/doc/rempart; do refuses test -e "$place"; done
        nft list table inet rempartners
        getent passwd rempart-sip
        systemctl --failed --no-legend | refuses grep rempart
    '
}

# The libraries that README names for a machine that gets the programs without building them.
libraries="libsqlite3-0 libnftables1 libmaxminddb0 libodbc2 libcurl4 libjansson4 libseccomp2 libssl3 libsystemd0 libstdc++6"

tarball_installs() {
    local root="$1"
    fresh "$root" "$root-tarball"
    in_root "$root-tarball" "
        apt-get -qq update
        apt-get -qq -y --no-install-recommends install systemd >/dev/null
        cd /root
        tar -xf /packages/${tarball##*/}
        cd rempart-*
        sha256sum -c --quiet SHA256SUMS
        scripts/install.sh | tee /tmp/said
        grep -q 'libmaxminddb[.]so' /tmp/said
        apt-get -qq -y --no-install-recommends install $libraries >/dev/null
        scripts/install.sh | tee /tmp/said
        refuses grep 'without these libraries' /tmp/said
        grep -q 'Next: cp /usr/share/doc/rempart/examples/rempart.yaml' /tmp/said
        rempart --version
        rempart check --settings /usr/share/doc/rempart/examples/rempart.yaml
        scripts/uninstall.sh
        for place in /usr/libexec/rempart /usr/sbin/rempart; do refuses ls \"\$place\"; done
    "
}

make_repository() {
    export GNUPGHOME="$work/gnupg"
    mkdir -m 0700 "$GNUPGHOME"
    refuses "$here/scripts/package.sh" apt-repository >"$work/refusal" 2>&1
    holds "without a key it is refused" grep -q "name the key" "$work/refusal"
    KEY=nobody@example.test refuses "$here/scripts/package.sh" apt-repository >"$work/refusal" 2>&1
    holds "with an unknown key it is refused" grep -q "no secret key" "$work/refusal"
    gpg --batch --quiet --passphrase '' --quick-generate-key "Packages <packages@example.test>" ed25519 sign never
    KEY=packages@example.test "$here/scripts/package.sh" apt-repository
    gpgconf --kill all
}

repository_installs() {
    local root="$1"
    [[ -d "$made/apt" ]] || make_repository
    fresh "$root" "$root-repository"
    in_root "$root-repository" '
        mkdir -p /etc/apt/keyrings
        apt-get -qq update
        echo "deb [signed-by=/etc/apt/keyrings/rempart.asc] file:/packages/apt stable main" >/etc/apt/sources.list.d/rempart.list
        refuses apt-get -qq update
        cp /packages/apt/rempart.asc /etc/apt/keyrings/
        apt-get -qq update
        apt-get -qq -y --no-install-recommends install rempart
        rempart --version
    '
}

main() {
    local root
    [[ $EUID -eq 0 ]] || fail "needs root (it makes roots of its own)"
    "$here/scripts/install-packages.sh" package-test || exit
    "$here/scripts/roots.sh" debian-12 debian-13 || exit
    work="$(mktemp -d "${TMPDIR:-/var/tmp}/rempart-packages.XXXXXX")"
    trap 'rm -rf --one-file-system "$work"' EXIT
    made="$work/made"
    export REMPART_PACKAGES="$made"
    # apt may reach its mirror through a proxy that only apt knows of.
    http_proxy="${http_proxy:-$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null)}"
    if [[ -z "$http_proxy" || "$http_proxy" == DIRECT ]]; then unset http_proxy; fi
    "$here/scripts/package.sh" deb || fail "there is no package to test"
    "$here/scripts/package.sh" tarball || fail "there is no tarball to test"
    deb="$(echo "$made"/rempart_*.deb)"
    tarball="$(echo "$made"/rempart-*.tar.gz)"

    check "lintian finds nothing that is not explained" lintian --fail-on error,warning "$deb"
    check "a signed repository is made, and none without a key" make_repository
    for root in debian-12 debian-13; do
        check "$root: apt installs the package and what it needs" installs "$root"
        check "$root: booted, it starts when there are settings, and is removed and purged" serves "$root"
        check "$root: the tarball installs" tarball_installs "$root"
        check "$root: apt installs from the signed repository" repository_installs "$root"
    done
    check "reproducible: two builds give the same bytes" env -u REMPART_BIN -u REMPART_PACKAGES "$here/scripts/reproducible.sh"
    check "the container image" "$here/scripts/image-test.sh"
    echo "$passed passed, $failed failed"
    [[ "$failed" == 0 ]]
}

main
