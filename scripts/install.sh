#!/bin/bash
# Installs the built release: binaries, units, users, folders, the journal's catalogue, a first settings file.
#
#   DESTDIR=FOLDER scripts/install.sh      DESTDIR: for packagers; nothing outside it is touched
set -euo pipefail
cd "$(dirname "$0")/.."

root="${DESTDIR:-}"
binaries=.build/release
libexec="$root/usr/libexec/rempart"
programs=(rempart supervisor tls-terminator sip-router directory banner)

for name in "${programs[@]}"; do
    if [[ ! -x "$binaries/$name" ]]; then
        echo "install: $binaries/$name is not built: run \`make build\` first" >&2
        exit 1
    fi
done

install -d "$libexec" "$root/usr/sbin" "$root/etc/rempart"
for name in "${programs[@]}"; do
    install -s -m 0755 "$binaries/$name" "$libexec/$name"
done
# All lie in one folder, since the command line and the supervisor find each other beside themselves.
ln -sfn ../libexec/rempart/rempart "$root/usr/sbin/rempart"

for unit in systemd/*.service systemd/*.socket; do
    [[ -e "$unit" ]] || continue
    install -D -m 0644 "$unit" "$root/usr/lib/systemd/system/${unit##*/}"
done
install -D -m 0644 systemd/sysusers.d/rempart.conf "$root/usr/lib/sysusers.d/rempart.conf"
install -D -m 0644 systemd/tmpfiles.d/rempart.conf "$root/usr/lib/tmpfiles.d/rempart.conf"
install -D -m 0644 systemd/rempart.catalog "$root/usr/lib/systemd/catalog/rempart.catalog"
if [[ ! -e "$root/etc/rempart/rempart.yaml" ]]; then
    install -m 0644 etc/rempart.yaml "$root/etc/rempart/rempart.yaml"
fi

if [[ -z "$root" ]]; then
    systemd-sysusers /usr/lib/sysusers.d/rempart.conf
    systemd-tmpfiles --create /usr/lib/tmpfiles.d/rempart.conf
    journalctl --update-catalog
    if [[ -d /run/systemd/system ]]; then systemctl daemon-reload; fi
    echo "Installed. Edit /etc/rempart/rempart.yaml, run \`rempart check\`, then \`systemctl enable --now rempart\`."
fi
