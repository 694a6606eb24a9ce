#!/bin/bash
# Builds the release binaries into .build/release, with the Swift library linked in. The same sources give the same bytes
# in every folder (`make reproducible`), so no path of the folder is left in them.
#
#   scripts/build.sh [swift build arguments]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-packages.sh build
if ! command -v swift >/dev/null; then
    echo "build: there is no swift on the PATH: install a Swift 6.3 toolchain from https://www.swift.org/install/linux" >&2
    exit 1
fi
# Beside paths in messages and debugging information, two hashes over them are left out: that of each module, by which
# the compiler would know whether to generate code anew, and the linker's build ID.
exec swift build -c release --static-swift-stdlib \
    -Xswiftc -file-prefix-map -Xswiftc "$PWD=." -Xcc "-ffile-prefix-map=$PWD=." \
    -Xswiftc -Xfrontend -Xswiftc -disable-incremental-llvm-codegen -Xlinker --build-id=none "$@"
