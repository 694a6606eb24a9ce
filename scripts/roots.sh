#!/bin/bash
# Makes the private roots that the lab and the demonstration stand on, once, in a cache outside the repository:
# Debian's own Asterisk 16 (bullseye) and 22 (sid), a Debian 12 that boots (systemd), a bare one (newcomer), the
# smallest Debian 12 and 13 that apt can install a package on, and the one that the container image is made of (image).
#
#   scripts/roots.sh [16] [22] [systemd] [newcomer] [debian-12] [debian-13] [image]
#
# When none is named it makes 16, 22 and systemd.
#
# A root is made anew when its row of the table has changed; the one of the image when it is older than a day too,
# since the image has the security updates of that day.
#
# A root is built under a temporary name and renamed when whole, so that an interrupted run is simply run again.
# Packages fetched so far are kept, so that the next run goes on where the last one stopped.
set -euo pipefail

cache="${REMPART_CACHE:-$HOME/.cache/rempart}"
attempts=3

# The table: each root's folder, Debian suite, packages beside the smallest Debian, and the program that is there at the end.
declare -A folder=(
    [16]=asterisk-16 [22]=asterisk-22 [systemd]=debian-12-systemd [newcomer]=debian-12-newcomer
    [debian-12]=debian-12 [debian-13]=debian-13 [image]=debian-12-image
)
declare -A suite=(
    [16]=bullseye [22]=sid [systemd]=bookworm [newcomer]=bookworm
    [debian-12]=bookworm [debian-13]=trixie [image]=bookworm
)
declare -A packages=(
    # Asterisk with its driver for MySQL, and the drivers by which its res_odbc reaches MariaDB and PostgreSQL.
    [16]=asterisk,asterisk-mysql,odbc-mariadb,odbc-postgresql,sqlite3
    [22]=asterisk,asterisk-mysql,odbc-mariadb,odbc-postgresql,sqlite3
    # systemd, and what README's "Living with it" says that a machine of the edge needs.
    [systemd]=systemd,systemd-sysv,dbus,iproute2,nftables,make,libsqlite3-0,libnftables1,libmaxminddb0,libodbc2,libcurl4,libjansson4,libseccomp2
    # What somebody has who has cloned the repository.
    [newcomer]=git,make,ca-certificates
    # Nothing: what the package needs, apt has to bring.
    [debian-12]=apt [debian-13]=apt
    # The libraries that the programs need.
    [image]=libsqlite3-0,libnftables1,libmaxminddb0,libodbc2,libcurl4,libjansson4,libseccomp2,libssl3,libsystemd0,libstdc++6
)
declare -A program=(
    [16]=usr/sbin/asterisk [22]=usr/sbin/asterisk [systemd]=lib/systemd/systemd [newcomer]=usr/bin/make
    [debian-12]=usr/bin/apt-get [debian-13]=usr/bin/apt-get [image]=usr/sbin/useradd
)

fail() {
    echo "roots: $*" >&2
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

recipe() { echo "${suite[$1]} ${packages[$1]} ${program[$1]}"; }

# A root of before there were recipes beside them counts as made of today's, but for the image.
is_whole() {
    local root="$cache/${folder[$1]}"
    [[ -x "$root/${program[$1]}" ]] || return 1
    if [[ "$1" == image && -z "$(find "$root.recipe" -mmin -1440 2>/dev/null)" ]]; then return 1; fi
    [[ ! -e "$root.recipe" || "$(<"$root.recipe")" == "$(recipe "$1")" ]]
}

# Brings a root to today, from the mirrors that this machine's apt names for what came after the last point release.
# shellcheck disable=SC2016  # apt's own placeholders, not the shell's
update() {
    local name="$1" root="$2" sources="$2/etc/apt/sources.list.d/updates.list"
    apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' \
        | awk -F'|' -v suite="${suite[$name]}" \
            '$1 == "Debian" && $3 == "main" && ($2 == suite "-security" || $2 == suite "-updates") { print "deb " $4 " " $2 " main" }' \
            >"$sources"
    grep -q -- -security "$sources" || echo "roots: apt names no mirror of ${suite[$name]}-security: ${folder[$name]} is without its updates" >&2
    chroot "$root" apt-get -qq update && chroot "$root" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y -o Dpkg::Use-Pty=0 upgrade
}

make_root() {
    local name="$1" site="$2" attempt
    local root="$cache/${folder[$name]}" fetched="$cache/packages-$name"
    local building="$root.building" log="$root.log"
    mkdir -p "$fetched"
    for ((attempt = 1; attempt <= attempts; attempt++)); do
        echo "roots: making ${folder[$name]} (Debian ${suite[$name]}), attempt $attempt of $attempts"
        rm -rf --one-file-system "$building"
        if debootstrap --variant=minbase --include="${packages[$name]}" --cache-dir="$fetched" \
            "${suite[$name]}" "$building" "$site" >"$log" 2>&1 && [[ -x "$building/${program[$name]}" ]] \
            && { [[ "$name" != image ]] || update "$name" "$building" >>"$log"; }; then
            rm -rf --one-file-system "$root" "$root.recipe"
            mv "$building" "$root"
            recipe "$name" >"$root.recipe"
            rm -rf "$fetched"
            echo "roots: $root is ready"
            return 0
        fi
        tail -n 3 "$log" >&2
    done
    fail "${folder[$name]} could not be made from Debian ${suite[$name]}; the whole story is in $log"
}

main() {
    local wanted=("$@") name site=""
    [[ ${#wanted[@]} -gt 0 ]] || wanted=(16 22 systemd)
    [[ $EUID -eq 0 ]] || fail "needs root (debootstrap makes device nodes and owners)"
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    for name in "${wanted[@]}"; do
        [[ -n "${folder[$name]:-}" ]] || fail "no recipe for $name (there are: ${!folder[*]})"
        if is_whole "$name"; then continue; fi
        command -v debootstrap >/dev/null || fail "debootstrap is not installed (scripts/install-packages.sh installs it)"
        if [[ -z "$site" ]]; then
            site="$(mirror)"
            [[ -n "$site" ]] || fail "apt names no Debian mirror (is this Debian, and has 'apt-get update' run?)"
            use_proxy_of_apt
        fi
        make_root "$name" "$site"
    done
}

main "$@"
