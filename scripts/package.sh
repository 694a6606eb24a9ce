#!/bin/bash
# Makes what is handed out to others, and says where it lies and what to do with it.
#
#   scripts/package.sh deb                       the Debian package, for Debian 12 and 13
#   scripts/package.sh tarball                   programs, units, documents and an installer for other distributions
#   KEY=... scripts/package.sh apt-repository    a repository with the package, signed by that key of your gpg
#
#   REMPART_BIN=FOLDER         the built programs; when left out they are built, and taken from .build/release
#   REMPART_PACKAGES=FOLDER    where everything is laid; .build/packages when left out
#
# All times in the results are that of the last commit, so that the same sources give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

packages="${REMPART_PACKAGES:-$PWD/.build/packages}"
programs=(rempart supervisor tls-terminator sip-router accounts-reader directory banner)
version="$(sed -n 's/^package let productVersion = "\(.*\)"$/\1/p' Sources/Messages/Version.swift)"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() {
    echo "package: $*" >&2
    exit 1
}

# Sets REMPART_BIN to the built programs, and SOURCE_DATE_EPOCH to the time of the sources.
have_programs() {
    if [[ -z "${REMPART_BIN:-}" ]]; then
        scripts/build.sh
        REMPART_BIN="$PWD/.build/release"
    fi
    export REMPART_BIN
    # Outside a clone the package's changelog gives the time.
    if [[ -z "${SOURCE_DATE_EPOCH:-}" ]]; then
        SOURCE_DATE_EPOCH="$(git -c safe.directory="$PWD" log -1 --format=%ct 2>/dev/null \
            || date -d "$(sed -n 's/^ -- .*  //p' debian/changelog | head -n 1)" +%s)"
    fi
    export SOURCE_DATE_EPOCH
}

# A copy of the sources in which debhelper may leave its files. Each is as new as the copy: what was older than the
# last commit would keep its time in the package, which no other clone has.
copy_sources() {
    mkdir -p "$1"
    tar --create --exclude-vcs --exclude='./.build*' --exclude=./.cache . | tar --extract --touch --directory="$1"
}

make_deb() {
    local made
    # Before the long build.
    scripts/install-packages.sh package
    have_programs
    copy_sources "$work/rempart"
    # -d: the programs are built, what building needs was seen to by scripts/build.sh.
    (cd "$work/rempart" && dpkg-buildpackage -b -us -uc -d) >"$work/log" 2>&1 \
        || { cat "$work/log" >&2; fail "dpkg-buildpackage failed"; }
    mkdir -p "$packages"
    mv "$work"/rempart_* "$packages/"
    made="$packages/rempart_${version}_$(dpkg --print-architecture).deb"
    [[ -e "$made" ]] || fail "dpkg-buildpackage made no ${made##*/}: debian/changelog has another version than $version"
    echo "$made"
    echo "Install it on Debian 12 or 13: sudo apt install $made"
}

make_tarball() {
    local name program
    have_programs
    name="rempart-$version-linux-$(uname -m)"
    mkdir -p "$work/$name/programs" "$work/$name/scripts" "$packages"
    for program in "${programs[@]}"; do
        [[ -x "$REMPART_BIN/$program" ]] || fail "$REMPART_BIN/$program is not built"
        install -m 0755 "$REMPART_BIN/$program" "$work/$name/programs/"
        strip "$work/$name/programs/$program"
    done
    # What scripts/install.sh lays; not every version has a folder of further documents.
    if [[ -d docs ]]; then cp -r docs "$work/$name/"; fi
    cp -r systemd etc README.md ARCHITECTURE.md SECURITY.md CHANGELOG.md LICENSE "$work/$name/"
    cp scripts/install.sh scripts/uninstall.sh "$work/$name/scripts/"
    # What the licences of the parts that are linked in ask for.
    cp debian/copyright "$work/$name/COPYRIGHT"
    chmod -R u=rwX,go=rX "$work/$name"
    cat >"$work/$name/INSTALL" <<'END'
As root, on a Linux with systemd:

    sha256sum -c --quiet SHA256SUMS      the files are whole
    scripts/install.sh                   lays everything, starts nothing, and says what comes next
    scripts/uninstall.sh                 removes it again

The programs need the libraries of OpenSSL 3, SQLite 3, nftables, libmaxminddb, unixODBC, libseccomp 2, libsystemd
and libstdc++, and a C library of 2.36 or later. Where one is missing, the installer names it.
END
    (cd "$work/$name" && find . -type f ! -name SHA256SUMS -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum >SHA256SUMS)
    tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --directory="$work" "$name" | gzip -9 -n >"$work/$name.tar.gz"
    mv "$work/$name.tar.gz" "$packages/"
    (cd "$packages" && sha256sum "$name.tar.gz" >SHA256SUMS)
    echo "$packages/$name.tar.gz"
    echo "Hand it out beside $packages/SHA256SUMS. Who has unpacked it finds the next step in its file INSTALL."
}

# The fingerprint of the one secret key that KEY names.
key_of() {
    local found
    [[ -n "${KEY:-}" ]] || fail "name the key that signs the repository: make apt-repository KEY=FINGERPRINT (gpg --list-secret-keys shows yours)"
    found="$(gpg --batch --with-colons --list-secret-keys -- "$KEY" 2>/dev/null | awk -F: '$1 == "sec" { wanted = 1 } $1 == "fpr" && wanted { print $10; wanted = 0 }')"
    [[ -n "$found" ]] || fail "gpg has no secret key '$KEY' (gpg --list-secret-keys shows yours)"
    [[ "$found" != *$'\n'* ]] || fail "'$KEY' names several keys: give a fingerprint"
    echo "$found"
}

make_apt_repository() {
    local key architecture repository="$packages/apt"
    scripts/install-packages.sh publish
    key="$(key_of)"
    make_deb
    architecture="$(dpkg --print-architecture)"
    mkdir -p "$work/conf" "$work/apt"
    cat >"$work/conf/distributions" <<END
Origin: Rempart
Label: Rempart
Codename: stable
Components: main
Architectures: $architecture
Description: Rempart for Debian 12 and 13
SignWith: $key
END
    reprepro --silent --confdir "$work/conf" --dbdir "$work/db" --outdir "$work/apt" \
        includedeb stable "$packages/rempart_${version}_$architecture.deb"
    gpg --batch --armor --export "$key" >"$work/apt/rempart.asc"
    rm -rf "$repository"
    mv "$work/apt" "$repository"
    chmod -R u=rwX,go=rX "$repository"
    cat <<END
$repository
Publish that folder by HTTP. A machine takes it up, as root:
  curl -o /etc/apt/keyrings/rempart.asc https://YOUR.SERVER/rempart.asc
  echo 'deb [signed-by=/etc/apt/keyrings/rempart.asc] https://YOUR.SERVER stable main' >/etc/apt/sources.list.d/rempart.list
  apt update && apt install rempart
END
}

case "${1:-}" in
    deb) make_deb ;;
    tarball) make_tarball ;;
    apt-repository) make_apt_repository ;;
    *) fail "knows deb, tarball and apt-repository, not '${1:-}'" ;;
esac
