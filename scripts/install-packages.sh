#!/bin/bash
# Installs the Debian packages that are still missing, and nothing else: quick and silent when none is.
#
#   scripts/install-packages.sh [build|run|test|soak|package|publish|image|package-test]
#
# When nothing is named it is test, which also contains build, run and package.
set -euo pipefail

# libncurses6, libcurl4 and libxml2 are the toolchain's own needs, libstdc++-12-dev the linker's.
build=(git make gcc pkg-config libc6-dev libstdc++-12-dev libncurses6 libcurl4 libxml2 libssl-dev libsqlite3-dev libsystemd-dev libnftables-dev libmaxminddb-dev libseccomp-dev unixodbc-dev libcurl4-openssl-dev libjansson-dev)
run=(python3 nftables iproute2 procps util-linux openssl sqlite3 debootstrap baresip-core)
test=(python3-pytest python3-pytest-xdist python3-fusepy odbc-mariadb odbc-postgresql mariadb-server-core mariadb-client-core postgresql-15 sip-tester libosip2-dev systemd-container groff-base mandoc zsh fish)
# linphonec alone brings some eighty packages.
soak=(linphone-cli python3-pip)
package=(debhelper dpkg-dev)
publish=(reprepro gnupg)
package_test=(lintian debootstrap systemd-container)
# What makes and runs the container image.
image=(debootstrap buildah podman crun)

fail() {
    echo "install-packages: $*" >&2
    exit 1
}

missing_of() {
    local package
    for package in "$@"; do
        # "installed" alone would also match a package removed but not purged ("config-files").
        [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" == "install ok installed" ]] || echo "$package"
    done
}

main() {
    local wanted missing as_root=()
    case "${1:-test}" in
        build) wanted=("${build[@]}") ;;
        run) wanted=("${build[@]}" "${run[@]}") ;;
        test) wanted=("${build[@]}" "${run[@]}" "${test[@]}" "${package[@]}") ;;
        soak) wanted=("${run[@]}" "${test[@]}" "${soak[@]}") ;;
        package) wanted=("${package[@]}") ;;
        publish) wanted=("${package[@]}" "${publish[@]}") ;;
        image) wanted=("${image[@]}") ;;
        package-test) wanted=("${package[@]}" "${publish[@]}" "${package_test[@]}") ;;
        *) fail "knows build, run, test, soak, package, publish, image and package-test, not '$1'" ;;
    esac
    command -v dpkg-query >/dev/null || fail "needs Debian 12 (dpkg is not here); install by hand: ${wanted[*]}"
    mapfile -t missing < <(missing_of "${wanted[@]}")
    [[ ${#missing[@]} -gt 0 ]] || return 0

    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null || fail "needs root to install: ${missing[*]}"
        as_root=(sudo)
    fi
    echo "install-packages: installing ${missing[*]}"
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "${missing[@]}" >/dev/null
}

main "$@"
