#!/bin/bash
# Installs the built release: binaries, units, users, the journal's catalogue, documents, man pages, completions, a
# sample of the settings.
#
#   DESTDIR=FOLDER scripts/install.sh      DESTDIR: for packagers; nothing outside it is touched
#   REMPART_BIN=FOLDER                     the folder with the binaries; when left out `programs`, which a tarball
#                                          has, or .build/release
#   STRIP=no                               for packagers who strip the programs themselves
#
# Over a running edge nothing changes until everything is there: each file is laid beside its place under another
# name, and all are renamed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

root="${DESTDIR:-}"
binaries="${REMPART_BIN:-.build/release}"
if [[ -z "${REMPART_BIN:-}" && -d programs ]]; then binaries=programs; fi
settings=/etc/rempart/rempart.yaml
sample=/usr/share/doc/rempart/examples/rempart.yaml
libexec="$root/usr/libexec/rempart"
documents="$root/usr/share/doc/rempart"
programs=(rempart supervisor tls-terminator sip-router accounts-reader directory banner)
laid=()
made="$(mktemp -d)"

forget() {
    local place
    for place in "${laid[@]}"; do rm -f "$(beside "$place")"; done
    rm -rf "$made"
}
trap forget EXIT

# Where a file waits until all are there; a hidden name, which systemd reads in none of its folders.
beside() { echo "${1%/*}/.${1##*/}.new"; }

# lay MODE SOURCE PLACE
lay() {
    laid+=("$3")
    install -D -m "$1" "$2" "$(beside "$3")"
}

for name in "${programs[@]}"; do
    if [[ ! -x "$binaries/$name" ]]; then
        echo "install: $binaries/$name is not built: run \`make build\` first" >&2
        exit 1
    fi
done

for name in "${programs[@]}"; do
    lay 0755 "$binaries/$name" "$libexec/$name"
    if [[ "${STRIP:-}" != no ]] && command -v strip >/dev/null; then strip "$(beside "$libexec/$name")"; fi
done
if [[ "${STRIP:-}" != no ]] && ! command -v strip >/dev/null; then
    echo "install: there is no strip (package binutils): the programs keep their symbols and are larger"
fi
for unit in systemd/*.service systemd/*.socket; do
    lay 0644 "$unit" "$root/usr/lib/systemd/system/${unit##*/}"
done
lay 0644 systemd/sysusers.d/rempart.conf "$root/usr/lib/sysusers.d/rempart.conf"
lay 0644 systemd/rempart.catalog "$root/usr/lib/systemd/catalog/rempart.catalog"
for document in README.md ARCHITECTURE.md SECURITY.md CHANGELOG.md LICENSE docs/*.md; do
    lay 0644 "$document" "$documents/$document"
done
for example in etc/asterisk/*.conf; do
    lay 0644 "$example" "$documents/examples/asterisk/${example##*/}"
done
lay 0644 etc/rempart.yaml "$root$sample"
# The command line knows best what it takes: it prints its man pages and completions itself.
for page in rempart.8 rempart.yaml.5 rempart-reasons.7; do
    "$binaries/rempart" manual "${page%.*}" | gzip -9n >"$made/$page.gz"
    lay 0644 "$made/$page.gz" "$root/usr/share/man/man${page##*.}/$page.gz"
done
# They are read by a shell that runs already, so the line that names one goes.
for shell in bash zsh fish; do
    "$binaries/rempart" --generate-completion-script "$shell" | sed '1{/^#!/d}' >"$made/$shell"
done
lay 0644 "$made/bash" "$root/usr/share/bash-completion/completions/rempart"
lay 0644 "$made/zsh" "$root/usr/share/zsh/vendor-completions/_rempart"
lay 0644 "$made/fish" "$root/usr/share/fish/vendor_completions.d/rempart.fish"
install -d "$root/usr/sbin" "$root${settings%/*}"

for place in "${laid[@]}"; do mv -f "$(beside "$place")" "$place"; done
laid=()
# All lie in one folder, since the command line and the supervisor find each other beside themselves.
ln -sfn ../libexec/rempart/rempart "$root/usr/sbin/rempart"
# Of versions before: the unit itself makes its folders, and the examples have one of their own.
rm -rf "$root/usr/lib/tmpfiles.d/rempart.conf" "$documents/asterisk"

if [[ -n "$root" ]]; then exit 0; fi
# All of them: what gives the users their groups may lie in /etc/sysusers.d.
systemd-sysusers
journalctl --update-catalog
if [[ -d /run/systemd/system ]]; then systemctl daemon-reload; fi
absent="$(ldd "${programs[@]/#/$libexec/}" | sed -n 's/^\s*\(.*\) => not found$/\1/p' | sort -u | paste -sd ' ')"
if [[ -n "$absent" ]]; then
    echo "install: the programs do not start without these libraries, install them: $absent"
fi
if systemctl -q is-active rempart.service 2>/dev/null; then
    echo "Installed. Restart the edge now, calls outlive it: \`systemctl restart rempart\`. Until then the old one runs, and may not understand a component that it starts anew."
elif [[ -e "$settings" ]]; then
    echo "Installed. Next: rempart check && systemctl enable --now rempart"
else
    echo "Installed. Next: cp $sample $settings, edit it, then: rempart check && systemctl enable --now rempart"
fi
