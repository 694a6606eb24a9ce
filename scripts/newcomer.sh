#!/bin/bash
# Shows that a bare Debian 12 with a Swift toolchain alone gets from a clone to a call: `make run` to the end of its
# first call, and `make test`. It needs root, the network that apt needs, and some gigabytes; all is removed at the end.
#
#   scripts/newcomer.sh [run] [test]      both when none is named
#   NEWCOMER_BINDS="PLACE PLACE"          files and folders of this machine that are seen there at the same place,
#                                         such as a mirror of the Swift packages and git's settings for it
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"
cache="${REMPART_CACHE:-$HOME/.cache/rempart}"

fail() {
    echo "newcomer: $*" >&2
    exit 1
}

# Outside: a copy of the bare root with a clone in it, entered in namespaces that end with what runs in them.
prepare() {
    local toolchain work step
    [[ $EUID -eq 0 ]] || fail "needs root (it makes a root of its own)"
    command -v swift >/dev/null || fail "there is no swift on the PATH"
    toolchain="$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")"
    [[ "$toolchain" != /usr ]] || fail "the toolchain is part of this system's /usr: unpack one in a folder of its own"
    "$here/scripts/install-packages.sh" run
    "$here/scripts/roots.sh" newcomer

    work="$(mktemp -d "${TMPDIR:-/var/tmp}/rempart-newcomer.XXXXXX")"
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf --one-file-system '$work'" EXIT
    cp -a "$cache/debian-12-newcomer/." "$work/"
    cp --remove-destination "$(readlink -f /etc/resolv.conf)" "$work/etc/resolv.conf"
    git clone -q --no-hardlinks "$here" "$work/root/rempart"
    for step in "$@"; do
        unshare --mount --pid --fork --kill-child --propagation private \
            "$BASH" "$here/scripts/newcomer.sh" --enter "$work" "$toolchain" "$step"
    done
}

# In the new namespaces: the root becomes theirs, and this machine's is out of sight.
enter() {
    local work="$1" toolchain="$2" step="$3" place kept
    mount --bind "$work" "$work"
    mount --rbind /dev "$work/dev"
    mount --rbind /sys "$work/sys"
    mount -t proc proc "$work/proc"
    mount -t tmpfs tmpfs "$work/run"
    mkdir -p "$work/run/lock"
    for place in "$toolchain" ${NEWCOMER_BINDS:-}; do
        if [[ -d "$place" ]]; then
            mkdir -p "$work$place"
        else
            install -D /dev/null "$work$place"
        fi
        mount --bind -o ro "$place" "$work$place"
    done
    kept=("PATH=$toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LANG=C.UTF-8)
    if [[ -n "${http_proxy:-}" ]]; then kept+=("http_proxy=$http_proxy"); fi
    cd "$work"
    mkdir -p before
    pivot_root . before
    umount --lazy /before
    cd /root/rempart
    exec env -i "${kept[@]}" "/usr/bin/bash" scripts/newcomer.sh --step "$step"
}

# Inside, as somebody who has cloned the repository.
take_step() {
    local pid said=/root/said
    echo "newcomer: make $1"
    if [[ "$1" == test ]]; then
        exec make test
    fi
    # A job of its own, so that it can be ended by Ctrl-C as from a keyboard.
    set -m
    make run >"$said" 2>&1 &
    pid=$!
    until grep -q "It works" "$said"; do
        kill -0 "$pid" 2>/dev/null || { cat "$said"; fail "make run ended before a call was placed"; }
        sleep 1
    done
    kill -INT -- "-$pid"
    wait "$pid" || true
    cat "$said"
    if grep "^warning:" "$said"; then fail "the build has warned of what it does not need"; fi
    echo "newcomer: make run has placed a call"
}

main() {
    case "${1:-}" in
        --enter) enter "$2" "$3" "$4" ;;
        --step) take_step "$2" ;;
        "") prepare run test ;;
        *) prepare "$@" ;;
    esac
}

main "$@"
