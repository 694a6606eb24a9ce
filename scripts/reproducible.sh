#!/bin/bash
# Builds package and tarball twice, in two folders of different names, and compares them byte by byte. It takes the
# time of two release builds, and what is committed.
#
#   scripts/reproducible.sh
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"

work="$(mktemp -d "${TMPDIR:-/var/tmp}/rempart-reproducible.XXXXXX")"
trap 'rm -rf "$work"' EXIT
# Somebody may commit meanwhile.
commit="$(git -C "$here" rev-parse HEAD)"
folders=("$work/one" "$work/another/folder-of-a-longer-name")

for index in 0 1; do
    folder="${folders[$index]}"
    git clone -q --no-hardlinks "$here" "$folder"
    git -C "$folder" checkout -q "$commit"
    for what in deb tarball; do
        REMPART_PACKAGES="$work/made-$index" "$folder/scripts/package.sh" "$what" >"$work/log" 2>&1 \
            || { cat "$work/log" >&2; exit 1; }
    done
    # Nothing of the first is left that the second could find.
    rm -rf "$folder"
done

failed=0
for made in "$work"/made-0/*.deb "$work"/made-0/*.tar.gz; do
    other="$work/made-1/${made##*/}"
    if cmp "$made" "$other"; then
        sha256sum "$made" | awk -v name="${made##*/}" '{ print "reproducible: " name " is the same twice: " $1 }'
    else
        failed=1
        # Which file of it differs, to begin the search with.
        if [[ "$made" == *.deb ]]; then
            diff <(dpkg-deb --fsys-tarfile "$made" | tar --extract --to-command='sha256sum; echo $TAR_FILENAME') \
                <(dpkg-deb --fsys-tarfile "$other" | tar --extract --to-command='sha256sum; echo $TAR_FILENAME') >&2 || true
        fi
    fi
done
exit "$failed"
