#!/bin/bash
# Makes the container image of the built release: FROM scratch, one layer, a small Debian 12 with the programs in it.
# It is left in root's image store as localhost/rempart:VERSION and localhost/rempart:latest.
#
#   scripts/image.sh
#   REMPART_BIN=FOLDER        the folder with the binaries; .build/release when left out
#   SOURCE=URL                where the sources are, for the image's label; none when left out
#   SOURCE_DATE_EPOCH=N       the moment of every file, in seconds since 1970; the last commit's when left out
#
# The same programs, moment and cached root make the same layer.
set -euo pipefail
cd "$(dirname "$0")/.."

# The numbers of the users in the image: they own files in volumes, so they stay the same for ever. systemd and Debian
# leave this range free (60706 to 61183 are nobody's), so that on the machine they are no other user's either.
declare -A number=(
    [rempart-tls]=60901 [rempart-sip]=60902 [rempart-db]=60903 [rempart-acct]=60904 [rempart-ban]=60905
)

fail() {
    echo "image: $*" >&2
    exit 1
}

# What systemd-sysusers would make, with the numbers of the table.
make_users() {
    local tree="$1" kind user _
    while read -r kind user _; do
        [[ "$kind" == u ]] || continue
        [[ -n "${number[$user]:-}" ]] || fail "the user $user has no number in this script: give it one"
        chroot "$tree" groupadd --gid "${number[$user]}" "$user"
        chroot "$tree" useradd --uid "${number[$user]}" --gid "$user" --no-create-home --home-dir / --no-log-init \
            --key UID_MAX=61183 --shell /usr/sbin/nologin "$user"
    done <systemd/sysusers.d/rempart.conf
    rm -f "$tree"/etc/{passwd,group,shadow,gshadow}-
}

# Removes what a container never uses, and what tells of the machine that has made it; licences stay.
cut_down() {
    local tree="$1" folder
    find "$tree/usr/share/doc" -mindepth 1 -not -path "$tree/usr/share/doc/rempart*" -not -name copyright -not -type d -delete
    find "$tree/usr/share/doc" -mindepth 1 -type d -empty -delete
    for folder in dev proc sys run tmp var/tmp var/log var/cache var/lib/apt var/backups etc/apt usr/share/man \
        usr/share/info usr/share/locale usr/share/lintian usr/share/bash-completion usr/lib/systemd; do
        if [[ -d "$tree/$folder" ]]; then find "$tree/$folder" -mindepth 1 -delete; fi
    done
    rm -f "$tree"/etc/{resolv.conf,hostname,machine-id}
    # Nobody becomes another user by a program here.
    find "$tree" -xdev -type f -perm /6000 -exec chmod a-s {} +
}

make_tree() {
    local tree="$1" root="${REMPART_CACHE:-$HOME/.cache/rempart}/debian-12-image"
    cp -a --reflink=auto "$root/." "$tree/"
    DESTDIR="$tree" scripts/install.sh
    install -d -m 0755 "$tree/etc/rempart"
    install -d -m 0711 "$tree/var/lib/rempart"
    make_users "$tree"
    cut_down "$tree"
}

# Exit 1 of `rempart status --check` is an edge that serves, though something is wrong: to replace it would help nobody.
containerfile() {
    cat <<CONTAINERFILE
FROM scratch
ADD tree.tar /
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
VOLUME ["/etc/rempart", "/var/lib/rempart"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s --retries=3 \
    CMD rempart status --check || [ \$? -eq 1 ]
ENTRYPOINT ["/usr/libexec/rempart/supervisor", "--log", "json", "--container"]
CONTAINERFILE
}

main() {
    local binaries="${REMPART_BIN:-.build/release}" version revision work labels
    if [[ $EUID -ne 0 ]]; then
        exec sudo --preserve-env=REMPART_BIN,SOURCE,SOURCE_DATE_EPOCH,CONTAINERS_STORAGE_CONF,http_proxy \
            env "REMPART_CACHE=${REMPART_CACHE:-$HOME/.cache/rempart}" "$0" "$@"
    fi
    [[ -x "$binaries/rempart" ]] || fail "$binaries/rempart is not built: run \`make build\` first"
    version="$("$binaries/rempart" --version)"
    version="${version##* }"
    SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -c safe.directory='*' log -1 --format=%ct 2>/dev/null || true)}"
    [[ -n "$SOURCE_DATE_EPOCH" ]] || fail "there is no commit to take the moment from: set SOURCE_DATE_EPOCH"
    export SOURCE_DATE_EPOCH
    scripts/install-packages.sh image
    scripts/roots.sh image

    work="$(mktemp -d "${TMPDIR:-/var/tmp}/rempart-image.XXXXXX")"
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf --one-file-system '$work'" EXIT
    mkdir -m 0755 "$work/tree"
    make_tree "$work/tree"
    tar --create --file "$work/tree.tar" --directory "$work/tree" --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
        --numeric-owner --xattrs .
    containerfile >"$work/Containerfile"
    labels=(
        --label "org.opencontainers.image.title=rempart"
        --label "org.opencontainers.image.description=SIP security edge in front of Asterisk"
        --label "org.opencontainers.image.version=$version"
    )
    if revision="$(git -c safe.directory='*' rev-parse HEAD 2>/dev/null)"; then
        labels+=(--label "org.opencontainers.image.revision=$revision")
    fi
    if [[ -n "${SOURCE:-}" ]]; then labels+=(--label "org.opencontainers.image.source=$SOURCE"); fi
    # Of Docker's form, since OCI's has no health check.
    buildah bud --isolation=chroot --format=docker --squash --timestamp "$SOURCE_DATE_EPOCH" --quiet "${labels[@]}" \
        --file "$work/Containerfile" --tag "localhost/rempart:$version" --tag localhost/rempart:latest "$work" >"$work/id"
    echo "image: localhost/rempart:$version is $(cut -c1-12 "$work/id")"
}

main "$@"
