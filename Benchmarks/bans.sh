#!/bin/bash
# Measures the wall: from sip-router's order to the kernel's drop, many bans at once, a start with many
# kept bans, and the commands that list and explain them. Needs root, for a network namespace.
#
#   Benchmarks/bans.sh [folder of the binaries]      default: .build/release
set -euo pipefail
cd "$(dirname "$0")/.."
binaries="$(realpath "${1:-.build/release}")"
name="rempart-bans-$$"
folder="$(mktemp -d)"

clean_up() {
    ip netns del "$name" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT

ip netns add "$name"
ip -n "$name" link set lo up
ip -n "$name" route add local 198.18.0.0/15 dev lo
ip -n "$name" route add local 100.64.0.0/10 dev lo
ip netns exec "$name" "$binaries/bans" measure "$binaries" "$folder"
