#!/bin/bash
# Tests that each release binary needs exactly the libraries it is meant to have, and no more.
#
#   scripts/linkage.sh [folder of the binaries]      default: .build/release
set -euo pipefail
cd "$(dirname "$0")/.."
binaries="${1:-.build/release}"

# What every binary may need: the C and C++ runtimes under Swift's.
runtime=(libc libm libstdc++ libgcc_s ld-linux-x86-64 ld-linux-aarch64)

# The table: what each binary needs beside the runtime (ARCHITECTURE.md, "Dependencies").
declare -A wanted=(
    [rempart]=""
    [supervisor]="libsystemd"
    [tls-terminator]="libcrypto libseccomp libssl"
    [sip-router]="libcrypto libseccomp"
    [accounts-reader]="libcrypto libcurl libjansson libodbc libseccomp libsqlite3"
    [directory]="libseccomp libsqlite3"
    [banner]="libmaxminddb libnftables libseccomp"
)

# The libraries a binary names, without version, one a line, sorted, the runtime left out.
needed_by() {
    local library
    readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r library; do
        library="${library%%.so*}"
        [[ " ${runtime[*]} " == *" $library "* ]] || echo "$library"
    done | LC_ALL=C sort
}

passed=0
failed=0
for name in rempart supervisor tls-terminator sip-router accounts-reader directory banner; do
    if [[ ! -x "$binaries/$name" ]]; then
        echo "linkage: $binaries/$name is not built" >&2
        failed=$((failed + 1))
        continue
    fi
    found="$(needed_by "$binaries/$name" | paste -sd ' ')"
    if [[ "$found" == "${wanted[$name]}" ]]; then
        passed=$((passed + 1))
    else
        echo "linkage: $name needs [$found], should need [${wanted[$name]}]" >&2
        failed=$((failed + 1))
    fi
done
echo "linkage: $passed passed, $failed failed"
((failed == 0))
