#!/bin/bash
# Makes the container image and runs it before a phone, in namespaces of its own: Tests/Lab/image_checks.py.
# Images and containers are kept in a store of its own, which is removed at the end.
#
#   scripts/image-test.sh [pytest arguments]      REMPART_BIN: the folder with the binaries (default: .build/release)
#
# Where podman cannot run a container it says why and exits with 77.
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"
cache="${REMPART_CACHE:-$HOME/.cache/rempart}"

# podman's settings for a machine that lets a container set neither control groups nor limits above its own.
write_configuration() {
    local folder="$1"
    mkdir -p "$folder"
    cat >"$folder/storage.conf" <<CONFIGURATION
[storage]
driver = "overlay"
graphroot = "$folder/storage"
runroot = "$folder/running"
CONFIGURATION
    cat >"$folder/containers.conf" <<CONFIGURATION
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=1000:1000"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
tmp_dir = "$folder/engine"
CONFIGURATION
    export CONTAINERS_STORAGE_CONF="$folder/storage.conf" CONTAINERS_CONF="$folder/containers.conf"
}

# Inside a mount namespace of its own.
inside() {
    local folder="$1" said
    shift
    # crun refuses a tree of both versions; a mount of version 2 alone is to be had beside it.
    if [[ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]]; then
        umount -R /sys/fs/cgroup
        mount -t cgroup2 none /sys/fs/cgroup
    fi
    write_configuration "$folder"
    if ! said="$(podman run --rm --network host --rootfs "$cache/debian-12-image:O" /bin/true 2>&1)"; then
        echo "image-test: skipped, podman runs no container here: $said" >&2
        exit 77
    fi
    "$here/scripts/image.sh"
    "$here/scripts/lab-test.sh" image_checks.py "$@"
}

main() {
    local folder code=0
    if [[ $EUID -ne 0 ]]; then
        exec sudo --preserve-env=REMPART_BIN,http_proxy env "REMPART_CACHE=$cache" "$0" "$@"
    fi
    if [[ "${1:-}" == --inside ]]; then
        inside "${@:2}"
        return
    fi
    "$here/scripts/install-packages.sh" image
    "$here/scripts/roots.sh" image
    folder="$(mktemp -d "${TMPDIR:-/var/tmp}/rempart-image-test.XXXXXX")"
    unshare --mount --propagation private "$BASH" "$here/scripts/image-test.sh" --inside "$folder" "$@" || code=$?
    # What a run that was broken off has left mounted went with its mount namespace.
    rm -rf --one-file-system "$folder"
    exit "$code"
}

main "$@"
