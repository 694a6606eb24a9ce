#!/bin/bash
# Makes the private roots with Debian's own Asterisk 16 (bullseye) and 22 (sid), once, in a cache outside the repository.
#
#   scripts/asterisk-roots.sh [16] [22]      both when none is named
#
# A root is built under a temporary name and renamed when whole, so that an interrupted run is simply run again.
# Packages fetched so far are kept, so that the next run goes on where the last one stopped.
set -euo pipefail

cache="${REMPART_CACHE:-$HOME/.cache/rempart}"
attempts=3

fail() {
    echo "asterisk-roots: $*" >&2
    exit 1
}

# The mirror this machine's apt takes Debian itself from (not security updates, nor somebody else's packages).
# shellcheck disable=SC2016  # apt's own placeholders, not the shell's
mirror() {
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SITE)' 'Created-By: Packages' \
        | awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }'
}

# apt may reach its mirror through a proxy that only apt knows of; debootstrap takes it from the environment.
use_proxy_of_apt() {
    local proxy
    proxy="$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null || true)"
    if [[ -n "$proxy" && "$proxy" != DIRECT && -z "${http_proxy:-}" ]]; then
        export http_proxy="$proxy"
    fi
}

make_root() {
    local version="$1" suite="$2" site="$3"
    local root="$cache/asterisk-$version" building="$cache/asterisk-$version.building" packages="$cache/packages-$suite"
    local log="$cache/asterisk-$version.log" attempt
    if [[ -x "$root/usr/sbin/asterisk" ]]; then
        return 0
    fi
    mkdir -p "$packages"
    for ((attempt = 1; attempt <= attempts; attempt++)); do
        echo "asterisk-roots: making Asterisk $version (Debian $suite), attempt $attempt of $attempts"
        rm -rf --one-file-system "$building"
        if debootstrap --variant=minbase --include=asterisk,sqlite3 --cache-dir="$packages" \
            "$suite" "$building" "$site" >"$log" 2>&1 && [[ -x "$building/usr/sbin/asterisk" ]]; then
            rm -rf --one-file-system "$root"
            mv "$building" "$root"
            rm -rf "$packages"
            echo "asterisk-roots: $(chroot "$root" /usr/sbin/asterisk -V) is ready in $root"
            return 0
        fi
        tail -n 3 "$log" >&2
    done
    fail "Asterisk $version could not be made from Debian $suite; the whole story is in $log"
}

main() {
    local versions=("$@") version site=""
    [[ ${#versions[@]} -gt 0 ]] || versions=(16 22)
    [[ $EUID -eq 0 ]] || fail "needs root (debootstrap makes device nodes and owners)"
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    for version in "${versions[@]}"; do
        [[ -x "$cache/asterisk-$version/usr/sbin/asterisk" ]] && continue
        command -v debootstrap >/dev/null || fail "debootstrap is not installed (scripts/install-packages.sh installs it)"
        if [[ -z "$site" ]]; then
            site="$(mirror)"
            [[ -n "$site" ]] || fail "apt names no Debian mirror (is this Debian, and has 'apt-get update' run?)"
            use_proxy_of_apt
        fi
        case "$version" in
            16) make_root 16 bullseye "$site" ;;
            22) make_root 22 sid "$site" ;;
            *) fail "no recipe for Asterisk $version (16 and 22 are known)" ;;
        esac
    done
}

main "$@"
